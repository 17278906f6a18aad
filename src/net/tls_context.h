#ifndef KITH_NET_TLS_CONTEXT_H
#define KITH_NET_TLS_CONTEXT_H

#include "base/slice.h"

/**
 * Certificates and rules for TLS 1.2 and 1.3 by OpenSSL; ALPN http/1.1; session tickets, no cache; no renegotiation, no
 * compression. A server's is shared by all its loops: all calls may come from any thread.
 *
 * Error texts are for people: which file, and what is wrong with it.
 */
struct tls_context;
struct ssl_st;

/** A server's. KITH_E_IO, KITH_E_MALFORMED (no good certificate or key), KITH_E_NOMEM. */
KITH_MUST_USE kith_err tls_context_open(const char *certificate_path, const char *key_path, char error[static 256],
                                        struct tls_context **out);
/** Reads the files again (SIGHUP); on error the old ones stay in use. Open connections keep what they began with. */
KITH_MUST_USE kith_err tls_context_reload(struct tls_context *tls, char error[static 256]);

/**
 * A client's: certificates must be good and made for the host. ca_path: a PEM file of trusted roots; NULL: the system's
 * (SSL_CERT_FILE and SSL_CERT_DIR count, see openssl-env(7)).
 */
KITH_MUST_USE kith_err tls_context_open_client(const char *ca_path, char error[static 256], struct tls_context **out);

/** Connections that are open keep what they need. NULL is fine. */
void tls_context_free(struct tls_context *tls);

/** A TLS state over `fd`, ready to be read and written; freed with tls_free(). KITH_E_NOMEM. */
KITH_MUST_USE kith_err tls_accept(struct tls_context *tls, int fd, struct ssl_st **out);
/** host: a name (also sent as SNI) or the text of an address; checked against the certificate. */
KITH_MUST_USE kith_err tls_connect(struct tls_context *tls, int fd, const char *host, struct ssl_st **out);
void tls_free(struct ssl_st *tls);

/** Why the handshake failed, for people ("certificate has expired"); static or inside OpenSSL. NULL: not known. */
const char *tls_failure(const struct ssl_st *tls);

#endif
