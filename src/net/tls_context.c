#include "net/tls_context.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/net_address.h"
#include "net/tls_bio.h"

#define CIPHERS_TLS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls_context {
    pthread_mutex_t lock; /* guards ctx: a reload swaps it, open connections hold their own reference */
    SSL_CTX *ctx;
    bool is_client;
    char *certificate_path, *key_path, *ca_path;
};

static void explain(char error[static 256], const char *what, const char *path)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    (void)snprintf(error, 256, "%s%s%s: %s", what, path == NULL ? "" : " ", path == NULL ? "" : path,
                   reason == NULL ? "no reason given" : reason);
    ERR_clear_error();
}

/* Without this OpenSSL would ask on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return 0;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                       unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *ctx_new(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    if (ctx == NULL) return NULL;
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    /* Buffers only while bytes are in them; our queue may move and grow between two tries of a write. */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1); /* record head and body in one read */
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS_1_2) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static kith_err load_server(const struct tls_context *tls, char error[static 256], SSL_CTX **out)
{
    SSL_CTX *ctx = ctx_new(TLS_server_method());
    kith_err err = KITH_E_MALFORMED;

    *out = NULL;
    if (ctx == NULL) {
        explain(error, "TLS cannot be set up", NULL);
        return KITH_E_NOMEM;
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, tls->certificate_path) != 1) {
        explain(error, "certificate file", tls->certificate_path);
    } else if (SSL_CTX_use_PrivateKey_file(ctx, tls->key_path, SSL_FILETYPE_PEM) != 1) {
        explain(error, "key file", tls->key_path);
    } else if (SSL_CTX_check_private_key(ctx) != 1) {
        explain(error, "the key does not fit the certificate: key file", tls->key_path);
    } else {
        (void)SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
        (void)SSL_CTX_set_num_tickets(ctx, 1);
        *out = ctx;
        ctx = NULL;
        err = KITH_OK;
    }
    SSL_CTX_free(ctx);
    return err;
}

static kith_err load_client(const struct tls_context *tls, char error[static 256], SSL_CTX **out)
{
    static const unsigned char ours[] = "\x08http/1.1";
    SSL_CTX *ctx = ctx_new(TLS_client_method());
    int loaded;

    *out = NULL;
    if (ctx == NULL) {
        explain(error, "TLS cannot be set up", NULL);
        return KITH_E_NOMEM;
    }
    loaded = tls->ca_path == NULL ? SSL_CTX_set_default_verify_paths(ctx) : SSL_CTX_load_verify_file(ctx, tls->ca_path);
    if (loaded != 1) {
        explain(error, "trusted roots", tls->ca_path);
        SSL_CTX_free(ctx);
        return KITH_E_MALFORMED;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_alpn_protos(ctx, ours, sizeof ours - 1);
    *out = ctx;
    return KITH_OK;
}

static kith_err context_new(bool is_client, const char *certificate_path, const char *key_path, const char *ca_path,
                            char error[static 256], struct tls_context **out)
{
    struct tls_context *tls = calloc(1, sizeof *tls);
    kith_err err = KITH_E_NOMEM;

    *out = NULL;
    error[0] = '\0';
    if (tls == NULL || pthread_mutex_init(&tls->lock, NULL) != 0) {
        free(tls);
        return KITH_E_NOMEM;
    }
    tls->is_client = is_client;
    tls->certificate_path = certificate_path == NULL ? NULL : strdup(certificate_path);
    tls->key_path = key_path == NULL ? NULL : strdup(key_path);
    tls->ca_path = ca_path == NULL ? NULL : strdup(ca_path);
    if ((certificate_path != NULL && tls->certificate_path == NULL) || (key_path != NULL && tls->key_path == NULL) ||
        (ca_path != NULL && tls->ca_path == NULL))
        goto done;
    err = is_client ? load_client(tls, error, &tls->ctx) : load_server(tls, error, &tls->ctx);
    if (err != KITH_OK) goto done;
    *out = tls;
    tls = NULL;
done:
    tls_context_free(tls);
    return err;
}

kith_err tls_context_open(const char *certificate_path, const char *key_path, char error[static 256],
                          struct tls_context **out)
{
    return context_new(false, certificate_path, key_path, NULL, error, out);
}

kith_err tls_context_open_client(const char *ca_path, char error[static 256], struct tls_context **out)
{
    return context_new(true, NULL, NULL, ca_path, error, out);
}

kith_err tls_context_reload(struct tls_context *tls, char error[static 256])
{
    SSL_CTX *fresh = NULL, *old;
    kith_err err;

    error[0] = '\0';
    err = tls->is_client ? load_client(tls, error, &fresh) : load_server(tls, error, &fresh);
    if (err != KITH_OK) return err;
    (void)pthread_mutex_lock(&tls->lock);
    old = tls->ctx;
    tls->ctx = fresh;
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old);
    return KITH_OK;
}

void tls_context_free(struct tls_context *tls)
{
    if (tls == NULL) return;
    SSL_CTX_free(tls->ctx);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls->certificate_path);
    free(tls->key_path);
    free(tls->ca_path);
    free(tls);
}

static SSL *state_new(struct tls_context *tls, int fd)
{
    BIO *bio = tls_bio_new(fd);
    SSL *ssl = NULL;

    (void)pthread_mutex_lock(&tls->lock);
    if (bio != NULL) ssl = SSL_new(tls->ctx); /* takes its own reference to the context */
    (void)pthread_mutex_unlock(&tls->lock);
    if (ssl == NULL) {
        (void)BIO_free(bio);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    return ssl;
}

kith_err tls_accept(struct tls_context *tls, int fd, struct ssl_st **out)
{
    assert(!tls->is_client);
    *out = state_new(tls, fd);
    if (*out == NULL) return KITH_E_NOMEM;
    SSL_set_accept_state(*out);
    return KITH_OK;
}

kith_err tls_connect(struct tls_context *tls, int fd, const char *host, struct ssl_st **out)
{
    struct net_address address;
    SSL *ssl = state_new(tls, fd);
    int done;

    assert(tls->is_client);
    *out = NULL;
    if (ssl == NULL) return KITH_E_NOMEM;
    SSL_set_connect_state(ssl);
    if (net_address_parse(kith_slice_str(host), &address) == KITH_OK) {
        done = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    } else {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        done = SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
    }
    if (done != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return KITH_E_NOMEM;
    }
    *out = ssl;
    return KITH_OK;
}

void tls_free(struct ssl_st *tls)
{
    SSL_free(tls);
}

const char *tls_failure(const struct ssl_st *tls)
{
    long verified = SSL_get_verify_result(tls);

    return verified == X509_V_OK ? NULL : X509_verify_cert_error_string(verified);
}
