#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/http_client.h"
#include "net/http_kept.h"
#include "net/http_server.h"
#include "net/ws_client.h"
#include "net/ws_echo.h"
#include "net_peer.h"
#include "tls_fixture.h"

static char folder[64], cert_path[96], key_path[96], other_key_path[96];
static struct http_server *server;
static struct http_server_config config;
static struct tls_context *server_tls, *client_tls;
static struct net_shared *net;
static char url[64], error[256];
static bool flag;

static void on_closed(void *arg)
{
    (void)arg;
    flag = true;
}

static int setup(void **state)
{
    if (peer_setup(state) != 0) return -1;
    (void)snprintf(folder, sizeof folder, "/tmp/kith-test-tls-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    (void)snprintf(cert_path, sizeof cert_path, "%s/cert.pem", folder);
    (void)snprintf(key_path, sizeof key_path, "%s/key.pem", folder);
    (void)snprintf(other_key_path, sizeof other_key_path, "%s/other.pem", folder);
    tls_fixture_certificate(cert_path, key_path, "IP:127.0.0.1,DNS:localhost", 1);
    server = NULL;
    server_tls = client_tls = NULL;
    return net_shared_open(peer_loop, 0, 10000, &net) == KITH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    flag = false;
    net_shared_close(net, on_closed, NULL);
    peer_turn_until(&flag);
    flag = false;
    if (server != NULL) {
        http_server_close(server, on_closed, NULL);
        peer_turn_until(&flag);
    }
    tls_context_free(server_tls);
    tls_context_free(client_tls);
    (void)unlink(cert_path);
    (void)unlink(key_path);
    (void)unlink(other_key_path);
    (void)rmdir(folder);
    return peer_teardown(state);
}

static void handle(void *arg, struct http_exchange *exchange)
{
    const struct http1_request *request = http_exchange_request(exchange);
    (void)arg;

    if (kith_slice_is(request->path, "/echo")) {
        ws_echo_upgrade(exchange);
        return;
    }
    http_respond(exchange, 200, "text/plain", NULL,
                 request->body.len > 0 ? request->body
                                       : kith_slice_str(http_exchange_is_secure(exchange) ? "secure" : "open"));
}

static void open_server(void)
{
    assert_int_equal(tls_context_open(cert_path, key_path, error, &server_tls), KITH_OK);
    assert_int_equal(tls_context_open_client(cert_path, error, &client_tls), KITH_OK);
    config = (struct http_server_config){.loop = peer_loop,
                                         .listen = "127.0.0.1:0",
                                         .tls = server_tls,
                                         .connections_max = 100,
                                         .body_bytes_max = 4 * 1024 * 1024,
                                         .request_timeout_ms = 10000,
                                         .idle_timeout_ms = 10000,
                                         .slow_reader_timeout_ms = 10000,
                                         .handle = handle};
    assert_int_equal(http_server_open(&config, &server), KITH_OK);
}

/* ----------------------------------------------------------------------------------------------------------- calls */

struct answer {
    bool is_done;
    kith_err err;
    char reason[256];
    unsigned status;
    struct kith_buf body;
};

static void answered(void *arg, const struct http_call_result *result)
{
    struct answer *answer = arg;

    answer->is_done = true;
    answer->err = result->err;
    (void)snprintf(answer->reason, sizeof answer->reason, "%s", result->reason == NULL ? "" : result->reason);
    if (result->response == NULL) return;
    answer->status = result->response->status;
    assert_int_equal(kith_buf_append(&answer->body, result->response->body), KITH_OK);
}

static struct http_kept *keeps; /* what the next calls are given */

static struct answer call(const char *host, struct kith_slice body)
{
    struct answer answer = {0};
    struct http_call_config http = {.net = net,
                                    .tls = client_tls,
                                    .method = body.len > 0 ? HTTP1_POST : HTTP1_GET,
                                    .url = url,
                                    .body = body,
                                    .body_bytes_max = 8 * 1024 * 1024,
                                    .timeout_ms = 10000,
                                    .kept = keeps,
                                    .done = answered,
                                    .arg = &answer};
    struct http_call *pending = NULL;

    kith_buf_init(&answer.body, 8 * 1024 * 1024);
    (void)snprintf(url, sizeof url, "https://%s:%u/x", host, http_server_port(server));
    assert_int_equal(http_call_start(&http, &pending), KITH_OK);
    peer_turn_until(&answer.is_done);
    return answer;
}

static void test_tls__a_connection_is_kept(void **state)
{
    struct http_server_stats stats;
    struct http_kept one;
    (void)state;

    open_server();
    http_kept_init(&one, net);
    keeps = &one;
    for (int i = 0; i < 4; i++) {
        struct answer answer = call("127.0.0.1", (struct kith_slice){0});
        assert_int_equal(answer.err, KITH_OK);
        assert_true(kith_slice_is(kith_buf_peek(&answer.body), "secure"));
        kith_buf_deinit(&answer.body);
        peer_turn_idle(); /* what TLS itself has to say ends nothing */
    }
    http_server_stats(server, &stats);
    assert_int_equal(stats.accepted, 1);
    keeps = NULL;
    http_kept_deinit(&one);
}

static void test_tls__a_request_goes_round(void **state)
{
    size_t len = 3 * 1024 * 1024 + 17;
    uint8_t *body = malloc(len);
    struct answer answer;
    (void)state;

    open_server();
    answer = call("127.0.0.1", (struct kith_slice){0});
    assert_string_equal(answer.reason, "");
    assert_int_equal(answer.err, KITH_OK);
    assert_int_equal(answer.status, 200);
    assert_true(kith_slice_is(kith_buf_peek(&answer.body), "secure"));
    kith_buf_deinit(&answer.body);
    for (size_t i = 0; i < len; i++) body[i] = (uint8_t)(i * 7 + i / 251);
    answer = call("localhost", kith_slice_of(body, len));
    assert_int_equal(answer.err, KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&answer.body), kith_slice_of(body, len)));
    kith_buf_deinit(&answer.body);
    free(body);
}

static void test_tls__a_client_insists_on_a_good_certificate(void **state)
{
    struct answer answer;
    (void)state;

    open_server();
    tls_context_free(client_tls);
    assert_int_equal(tls_context_open_client(NULL, error, &client_tls), KITH_OK);
    answer = call("127.0.0.1", (struct kith_slice){0});
    assert_int_equal(answer.err, KITH_E_DENIED);
    assert_string_equal(answer.reason, "self-signed certificate");
    kith_buf_deinit(&answer.body);

    /* Trusted, but made for somebody else. */
    tls_fixture_certificate(cert_path, key_path, "DNS:other.test", 2);
    assert_int_equal(tls_context_reload(server_tls, error), KITH_OK);
    tls_context_free(client_tls);
    assert_int_equal(tls_context_open_client(cert_path, error, &client_tls), KITH_OK);
    answer = call("127.0.0.1", (struct kith_slice){0});
    assert_int_equal(answer.err, KITH_E_DENIED);
    assert_string_equal(answer.reason, "IP address mismatch");
    kith_buf_deinit(&answer.body);
    answer = call("localhost", (struct kith_slice){0});
    assert_int_equal(answer.err, KITH_E_DENIED);
    assert_string_equal(answer.reason, "hostname mismatch");
    kith_buf_deinit(&answer.body);
}

/* A client of plain OpenSSL, turned beside the loop. Returns SSL_connect()'s last word. */
static int raw_connect(const SSL_CTX *ctx, struct peer *peer, SSL **out)
{
    uint64_t until = peer_now_ms() + PEER_WAIT_MS;
    SSL *ssl = SSL_new((SSL_CTX *)(uintptr_t)ctx);
    int result, why;

    *peer = peer_connect(http_server_port(server));
    assert_int_equal(fcntl(peer->fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(SSL_set_fd(ssl, peer->fd), 1);
    for (;;) {
        assert_true(peer_now_ms() < until);
        result = SSL_connect(ssl);
        why = SSL_get_error(ssl, result);
        if (result == 1 || (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)) break;
        loop_epoll_once(peer_loop, 1);
    }
    *out = ssl;
    return result;
}

static void test_tls__speaks_1_2_and_1_3_and_http_1_1(void **state)
{
    static const struct {
        int version, result;
        const char *alpn;
    } cases[] = {{TLS1_2_VERSION, 1, NULL},
                 {TLS1_3_VERSION, 1, "\x08http/1.1"},
                 {TLS1_2_VERSION, 1, "\x02h2\x08http/1.1"},
                 {TLS1_3_VERSION, -1, "\x02h2"},
                 {TLS1_1_VERSION, -1, NULL}};
    (void)state;

    open_server();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        struct peer peer;
        SSL *ssl = NULL;
        const unsigned char *chosen = NULL;
        unsigned chosen_len = 0;
        int result;

        SSL_CTX_set_security_level(ctx, 0);
        assert_int_equal(SSL_CTX_set_min_proto_version(ctx, cases[i].version), 1);
        assert_int_equal(SSL_CTX_set_max_proto_version(ctx, cases[i].version), 1);
        if (cases[i].alpn != NULL)
            (void)SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)cases[i].alpn, (unsigned)strlen(cases[i].alpn));
        result = raw_connect(ctx, &peer, &ssl);
        assert_int_equal(result == 1, cases[i].result == 1);
        if (result == 1) {
            assert_int_equal(SSL_version(ssl), cases[i].version);
            SSL_get0_alpn_selected(ssl, &chosen, &chosen_len);
            assert_int_equal(chosen_len, cases[i].alpn == NULL ? 0 : 8);
        }
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        peer_close(&peer);
    }
}

static long serial_of(SSL *ssl)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    long serial = ASN1_INTEGER_get(X509_get_serialNumber(cert));

    X509_free(cert);
    return serial;
}

static void test_tls__a_reload_serves_the_new_certificate_and_keeps_the_old_connections(void **state)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct peer before, after;
    SSL *ssl_before = NULL, *ssl_after = NULL;
    char answer[200] = "";
    int n;
    (void)state;

    open_server();
    assert_int_equal(raw_connect(ctx, &before, &ssl_before), 1);
    assert_int_equal(serial_of(ssl_before), 1);
    tls_fixture_certificate(cert_path, key_path, "IP:127.0.0.1", 77);
    assert_int_equal(tls_context_reload(server_tls, error), KITH_OK);
    assert_int_equal(raw_connect(ctx, &after, &ssl_after), 1);
    assert_int_equal(serial_of(ssl_after), 77);
    SSL_free(ssl_after);
    peer_close(&after);

    /* A broken file changes nothing. */
    assert_int_equal(truncate(cert_path, 100), 0);
    assert_int_equal(tls_context_reload(server_tls, error), KITH_E_MALFORMED);
    assert_non_null(strstr(error, cert_path));
    assert_int_equal(raw_connect(ctx, &after, &ssl_after), 1);
    assert_int_equal(serial_of(ssl_after), 77);

    assert_true(SSL_write(ssl_before, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27) == 27);
    for (uint64_t until = peer_now_ms() + PEER_WAIT_MS; (n = SSL_read(ssl_before, answer, sizeof answer - 1)) <= 0;) {
        assert_true(peer_now_ms() < until);
        loop_epoll_once(peer_loop, 1);
    }
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    SSL_free(ssl_before);
    SSL_free(ssl_after);
    peer_close(&before);
    peer_close(&after);
    SSL_CTX_free(ctx);
}

static void test_tls__errors_say_which_file(void **state)
{
    EVP_PKEY *other = EVP_EC_gen("P-256");
    struct tls_context *tls = NULL;
    (void)state;

    assert_int_equal(tls_context_open("/nowhere/cert.pem", key_path, error, &tls), KITH_E_MALFORMED);
    assert_non_null(strstr(error, "/nowhere/cert.pem"));
    assert_int_equal(tls_context_open(cert_path, "/nowhere/key.pem", error, &tls), KITH_E_MALFORMED);
    assert_non_null(strstr(error, "/nowhere/key.pem"));
    tls_fixture_key(other, other_key_path, NULL);
    assert_int_equal(tls_context_open(cert_path, other_key_path, error, &tls), KITH_E_MALFORMED);
    assert_non_null(strstr(error, other_key_path));
    assert_non_null(strstr(error, "mismatch"));
    tls_fixture_key(other, other_key_path, "secret"); /* nobody is asked for the passphrase */
    assert_int_equal(tls_context_open(cert_path, other_key_path, error, &tls), KITH_E_MALFORMED);
    assert_null(tls);
    assert_int_equal(tls_context_open_client("/nowhere/ca.pem", error, &tls), KITH_E_MALFORMED);
    assert_non_null(strstr(error, "/nowhere/ca.pem"));
    EVP_PKEY_free(other);
}

static void test_tls__a_client_that_speaks_no_tls_is_closed(void **state)
{
    struct peer peer;
    (void)state;

    open_server();
    peer = peer_connect(http_server_port(server));
    peer_send_str(&peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_end(&peer);
    assert_false(peer_has(&peer, "HTTP/1.1"));
    peer_close(&peer);
}

/* ------------------------------------------------------------------------------------------------------ WebSockets */

struct session {
    struct conn_user user;
    struct conn *conn;
    struct kith_buf got;
    bool is_open, is_closed;
    enum conn_closed why;
};

static void bytes(struct conn_user *user, uint8_t *at, size_t len)
{
    assert_int_equal(kith_buf_append(&((struct session *)user)->got, kith_slice_of(at, len)), KITH_OK);
}

static void drained(struct conn_user *user)
{
    (void)user;
}

static void ended(struct conn_user *user, enum conn_closed why)
{
    ((struct session *)user)->is_closed = true;
    ((struct session *)user)->why = why;
}

static void opened(void *arg, const struct ws_client_result *result)
{
    struct session *session = arg;

    assert_int_equal(result->err, KITH_OK);
    session->conn = result->conn;
    session->is_open = true;
}

static void test_tls__a_websocket_carries_large_messages_both_ways(void **state)
{
    struct session session = {.user = {.bytes = bytes, .drained = drained, .closed = ended}};
    struct ws_client_options options = {.net = net,
                                        .url = url,
                                        .message_bytes_max = 16 * 1024 * 1024,
                                        .timeout_ms = 10000,
                                        .user = &session.user,
                                        .permessage_deflate = true,
                                        .opened = opened,
                                        .arg = &session};
    struct ws_client *client = NULL;
    struct http_server_stats stats;
    size_t len = 2 * 1024 * 1024;
    uint8_t *text = malloc(len);
    (void)state;

    open_server();
    options.tls = client_tls;
    kith_buf_init(&session.got, 32 * 1024 * 1024);
    (void)snprintf(url, sizeof url, "wss://localhost:%u/echo", http_server_port(server));
    assert_int_equal(ws_client_open(&options, &client), KITH_OK);
    peer_turn_until(&session.is_open);
    for (size_t i = 0; i < len; i++) text[i] = (uint8_t)(i * 13 + i / 257);
    conn_send(session.conn, kith_slice_of(text, len), false);
    for (uint64_t until = peer_now_ms() + PEER_WAIT_MS; kith_buf_len(&session.got) < len;) {
        assert_true(peer_now_ms() < until);
        loop_epoll_once(peer_loop, 2);
    }
    assert_memory_equal(kith_buf_peek(&session.got).ptr, text, len);
    peer_turn_idle();
    http_server_stats(server, &stats);
    assert_true(stats.websockets == 1);
    assert_true(stats.bytes_used < 20000);
    conn_close(session.conn, 1000, "done");
    peer_turn_until(&session.is_closed);
    assert_int_equal(session.why, CONN_CLOSED_OURS);
    kith_buf_deinit(&session.got);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_tls__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_goes_round),
        TEST(a_connection_is_kept),
        TEST(a_client_insists_on_a_good_certificate),
        TEST(speaks_1_2_and_1_3_and_http_1_1),
        TEST(a_reload_serves_the_new_certificate_and_keeps_the_old_connections),
        TEST(errors_say_which_file),
        TEST(a_client_that_speaks_no_tls_is_closed),
        TEST(a_websocket_carries_large_messages_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
