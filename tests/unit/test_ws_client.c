#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/http_server.h"
#include "net/ws_client.h"
#include "net_peer.h"

/* One end of a connection: both ends here are struct conn. */
struct end {
    struct conn_user user;
    struct conn *conn;
    struct kith_buf got;
    bool is_open, is_closed;
    enum conn_closed why;
    kith_err err;
    unsigned status;
    char subprotocol[32];
};

static struct http_server *server;
static struct net_shared *net;
static struct end ours, theirs; /* the client's, the server's */
static bool flag, deflate;
static char url[64];

static void bytes(struct conn_user *user, uint8_t *at, size_t len)
{
    assert_int_equal(kith_buf_append(&((struct end *)user)->got, kith_slice_of(at, len)), KITH_OK);
}

static void drained(struct conn_user *user)
{
    (void)user;
}

static void closed(struct conn_user *user, enum conn_closed why)
{
    struct end *end = (struct end *)user;

    assert_false(end->is_closed);
    end->is_closed = true;
    end->why = why;
}

static void on_closed(void *arg)
{
    (void)arg;
    flag = true;
}

static void handle(void *arg, struct http_exchange *exchange)
{
    static const char *const subprotocols[] = {"v12.stomp", NULL};
    struct ws_options options = {
        .message_bytes_max = 8 * 1024 * 1024, .permessage_deflate = deflate, .subprotocols = subprotocols};
    struct kith_slice authorization = {0};
    (void)arg;

    if (!kith_slice_is(http_exchange_request(exchange)->path, "/connect")) {
        http_respond(exchange, 404, "text/plain", NULL, kith_slice_str("nothing here"));
        return;
    }
    (void)http1_header_get(http_exchange_request(exchange)->headers, "authorization", &authorization);
    assert_true(kith_slice_is(authorization, "Bearer x"));
    assert_int_equal(http_upgrade(exchange, &options, &theirs.user, &theirs.conn), KITH_OK);
    conn_send(theirs.conn, kith_slice_str("welcome "), true); /* may come in one piece with the 101 */
}

static void end_init(struct end *end)
{
    *end = (struct end){.user = {.bytes = bytes, .drained = drained, .closed = closed}};
    kith_buf_init(&end->got, PEER_BYTES_MAX);
}

static int setup(void **state)
{
    struct http_server_config config;

    if (peer_setup(state) != 0) return -1;
    config = (struct http_server_config){.loop = peer_loop,
                                         .listen = "127.0.0.1:0",
                                         .connections_max = 100,
                                         .request_timeout_ms = 10000,
                                         .idle_timeout_ms = 10000,
                                         .slow_reader_timeout_ms = 10000,
                                         .handle = handle};
    end_init(&ours);
    end_init(&theirs);
    deflate = false;
    if (http_server_open(&config, &server) != KITH_OK) return -1;
    return net_shared_open(peer_loop, 0, 10000, &net) == KITH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    flag = false;
    net_shared_close(net, on_closed, NULL);
    peer_turn_until(&flag);
    flag = false;
    http_server_close(server, on_closed, NULL);
    peer_turn_until(&flag);
    kith_buf_deinit(&ours.got);
    kith_buf_deinit(&theirs.got);
    return peer_teardown(state);
}

static void opened(void *arg, const struct ws_client_result *result)
{
    struct end *end = arg;

    end->is_open = true;
    end->err = result->err;
    end->conn = result->conn;
    if (result->response != NULL) end->status = result->response->status;
    (void)snprintf(end->subprotocol, sizeof end->subprotocol, "%s",
                   result->subprotocol == NULL ? "" : result->subprotocol);
}

static void open_client(const char *path)
{
    static const char *const subprotocols[] = {"v11.stomp", "v12.stomp", NULL};
    struct ws_client_options options = {.net = net,
                                        .url = url,
                                        .subprotocols = subprotocols,
                                        .authorization = "Bearer x",
                                        .permessage_deflate = deflate,
                                        .message_bytes_max = 1024 * 1024,
                                        .timeout_ms = 10000,
                                        .user = &ours.user,
                                        .opened = opened,
                                        .arg = &ours};
    struct ws_client *client = NULL;

    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u%s", http_server_port(server), path);
    assert_int_equal(ws_client_open(&options, &client), KITH_OK);
    memset(url, 'x', sizeof url - 1); /* copied */
    peer_turn_until(&ours.is_open);
}

static void wait_got(struct end *end, size_t len)
{
    for (uint64_t until = peer_now_ms() + PEER_WAIT_MS; kith_buf_len(&end->got) < len;) {
        assert_true(peer_now_ms() < until);
        loop_epoll_once(peer_loop, 2);
    }
    assert_int_equal(kith_buf_len(&end->got), len);
}

static void exchange_texts(void)
{
    size_t len = 700000;
    char *text = malloc(len);

    open_client("/connect");
    assert_int_equal(ours.err, KITH_OK);
    assert_string_equal(ours.subprotocol, "v12.stomp");
    wait_got(&ours, 8);
    for (size_t i = 0; i < len; i++) text[i] = (char)('a' + i % 26);
    conn_send(ours.conn, kith_slice_of(text, len), true);
    conn_send(ours.conn, kith_slice_str("end"), false);
    wait_got(&theirs, len + 3);
    assert_memory_equal(kith_buf_peek(&theirs.got).ptr, text, len);
    conn_send(theirs.conn, kith_slice_of(text, len), true);
    wait_got(&ours, 8 + len);
    assert_memory_equal(kith_buf_peek(&ours.got).ptr + 8, text, len);
    free(text);
}

static void test_ws_client__talks_with_the_server(void **state)
{
    (void)state;
    exchange_texts();
}

static void test_ws_client__talks_compressed(void **state)
{
    struct http_server_stats stats;
    (void)state;

    deflate = true;
    exchange_texts();
    http_server_stats(server, &stats);
    assert_true(stats.bytes_in < 100000 && stats.bytes_out < 100000);
}

static void test_ws_client__both_ends_hear_of_a_close(void **state)
{
    (void)state;

    open_client("/connect");
    conn_close(ours.conn, 4000, "enough");
    peer_turn_until(&ours.is_closed);
    peer_turn_until(&theirs.is_closed);
    assert_int_equal(ours.why, CONN_CLOSED_OURS);
    assert_int_equal(theirs.why, CONN_CLOSED_PEER);
}

static void test_ws_client__the_server_may_close(void **state)
{
    (void)state;

    open_client("/connect");
    conn_send(theirs.conn, kith_slice_str("last"), true);
    conn_close(theirs.conn, 1008, "policy");
    peer_turn_until(&ours.is_closed);
    peer_turn_until(&theirs.is_closed);
    assert_int_equal(ours.why, CONN_CLOSED_PEER);
    assert_int_equal(theirs.why, CONN_CLOSED_OURS);
    wait_got(&ours, 8 + 4);
}

static void test_ws_client__a_message_too_big_is_closed_by_the_client_too(void **state)
{
    size_t len = 1024 * 1024 + 1;
    char *text = calloc(1, len);
    (void)state;

    open_client("/connect");
    conn_send(theirs.conn, kith_slice_of(text, len), false);
    free(text);
    peer_turn_until(&ours.is_closed);
    peer_turn_until(&theirs.is_closed);
    assert_int_equal(ours.why, CONN_CLOSED_PROTOCOL);
    assert_int_equal(theirs.why, CONN_CLOSED_PEER);
}

static void test_ws_client__says_what_the_server_answered_instead(void **state)
{
    (void)state;

    open_client("/elsewhere");
    assert_int_equal(ours.err, KITH_E_DENIED);
    assert_int_equal(ours.status, 404);
    assert_null(ours.conn);
}

static void test_ws_client__can_be_cancelled(void **state)
{
    struct ws_client_options options = {.net = net,
                                        .url = url,
                                        .message_bytes_max = 1000,
                                        .timeout_ms = 10000,
                                        .authorization = "Bearer x",
                                        .user = &ours.user,
                                        .opened = opened,
                                        .arg = &ours};
    struct ws_client *client = NULL;
    (void)state;

    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u/connect", http_server_port(server));
    assert_int_equal(ws_client_open(&options, &client), KITH_OK);
    ws_client_cancel(client);
    assert_int_equal(ws_client_open(&options, &client), KITH_OK);
    loop_epoll_once(peer_loop, 10);
    ws_client_cancel(client);
    peer_turn_idle();
    assert_false(ours.is_open);
    options.url = "http//nonsense";
    assert_int_equal(ws_client_open(&options, &client), KITH_E_MALFORMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_ws_client__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(talks_with_the_server),
        TEST(talks_compressed),
        TEST(both_ends_hear_of_a_close),
        TEST(the_server_may_close),
        TEST(a_message_too_big_is_closed_by_the_client_too),
        TEST(says_what_the_server_answered_instead),
        TEST(can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
