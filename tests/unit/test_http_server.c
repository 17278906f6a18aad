#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_server.h"
#include "net_peer.h"

static struct http_server *server;
static struct http_server_config config;
static struct http_exchange *kept[8]; /* of "/later": answered by the test */
static size_t kept_count;
static unsigned aborts;
static bool server_closed;

static void aborted(void *arg)
{
    (void)arg;
    aborts++;
}

static void answer_text(struct http_exchange *exchange, const char *text)
{
    http_respond(exchange, 200, "text/plain", NULL, kith_slice_str(text));
}

static void handle(void *arg, struct http_exchange *exchange)
{
    static const struct http_header evil[] = {{"X-Name", "a\r\nSet-Cookie: b"}, {NULL, NULL}};
    const struct http1_request *request = http_exchange_request(exchange);
    char text[200];

    (void)arg;
    if (kith_slice_is(request->path, "/later")) {
        assert_true(kept_count < sizeof kept / sizeof *kept);
        kept[kept_count++] = exchange;
    } else if (kith_slice_is(request->path, "/later-or-never")) {
        kept[kept_count++] = exchange;
        http_exchange_on_abort(exchange, aborted, NULL);
    } else if (kith_slice_is(request->path, "/evil")) {
        http_respond(exchange, 200, "text/plain", evil, kith_slice_str("x"));
    } else if (kith_slice_is(request->path, "/none")) {
        http_respond(exchange, 204, NULL, NULL, (struct kith_slice){0});
    } else if (kith_slice_is(request->path, "/big")) {
        size_t len = 16 * 1024 * 1024;
        char *big = calloc(1, len);
        http_respond(exchange, 200, "application/octet-stream", NULL, kith_slice_of(big, len));
        free(big);
    } else if (kith_slice_is(request->path, "/peer")) {
        char peer[64];
        http_exchange_peer(exchange, peer);
        (void)snprintf(text, sizeof text, "peer %s %s", peer, http_exchange_is_secure(exchange) ? "tls" : "plain");
        answer_text(exchange, text);
    } else {
        (void)snprintf(text, sizeof text, "%.*s with %zu bytes <%.*s>", (int)request->path.len, (const char *)request->path.ptr,
                       request->body.len, (int)(request->body.len < 100 ? request->body.len : 100), (const char *)request->body.ptr);
        answer_text(exchange, text);
    }
}

static void closed(void *arg)
{
    (void)arg;
    server_closed = true;
}

static int setup(void **state)
{
    kept_count = 0;
    aborts = 0;
    server_closed = false;
    if (peer_setup(state) != 0) return -1;
    config = (struct http_server_config){.loop = peer_loop,
                                         .listen = "127.0.0.1:0",
                                         .connections_max = 100,
                                         .request_timeout_ms = 10000,
                                         .idle_timeout_ms = 10000,
                                         .slow_reader_timeout_ms = 10000,
                                         .handle = handle};
    server = NULL;
    return 0;
}

static struct peer open_and_connect(void)
{
    if (server == NULL) assert_int_equal(http_server_open(&config, &server), KITH_OK);
    return peer_connect(http_server_port(server));
}

static int teardown(void **state)
{
    server_closed = false;
    if (server != NULL) {
        http_server_close(server, closed, NULL);
        peer_turn_until(&server_closed);
    }
    return peer_teardown(state);
}

static struct http_server_stats stats(void)
{
    struct http_server_stats now;
    http_server_stats(server, &now);
    return now;
}

static void test_http_server__answers_and_keeps_the_connection(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peer, "/one with 0 bytes <>");
    assert_true(peer_has(&peer, "HTTP/1.1 200 OK\r\n"));
    assert_true(peer_has(&peer, "Content-Type: text/plain\r\n"));
    assert_true(peer_has(&peer, "Content-Length: 20\r\n"));
    assert_true(peer_has(&peer, "Server: kith\r\n"));
    assert_true(peer_has(&peer, " GMT\r\n"));
    assert_false(peer_has(&peer, "Connection:"));
    peer_send_str(&peer, "POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    peer_wait_str(&peer, "/two with 5 bytes <hello>");
    assert_true(stats().requests == 2 && stats().accepted == 1 && stats().open == 1);
    assert_true(stats().responses_by_class[2] == 2);
    peer_close(&peer);
}

static void test_http_server__takes_requests_byte_by_byte(void **state)
{
    static const char request[] = "POST /slow?x=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    struct peer peer = open_and_connect();
    (void)state;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i + 1 < sizeof request; i++) {
            peer_send(&peer, kith_slice_of(request + i, 1));
            loop_epoll_once(peer_loop, 0);
            loop_epoll_once(peer_loop, 0);
        }
        peer_wait_str(&peer, "/slow with 5 bytes <abcde>");
        kith_buf_reset(&peer.in);
    }
    peer_close(&peer);
}

static void test_http_server__answers_pipelined_requests_in_order_and_in_one_write(void **state)
{
    struct peer peer = open_and_connect();
    const char *at, *text;
    (void)state;

    peer_send_str(&peer, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
                         "GET /c HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peer, "/c with 0");
    assert_int_equal(peer_segments(&peer), 1);
    text = (const char *)kith_buf_peek(&peer.in).ptr;
    at = memmem(text, kith_buf_len(&peer.in), "/a with 0", 9);
    assert_non_null(at);
    assert_non_null(memmem(at, kith_buf_len(&peer.in) - (size_t)(at - text), "/b with 2 bytes <hi>", 20));
    peer_close(&peer);
}

static void test_http_server__a_late_answer_holds_back_the_ones_behind_it(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_idle();
    peer_send_str(&peer, "GET /d HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_idle();
    peer_receive(&peer);
    assert_int_equal(kith_buf_len(&peer.in), 0);
    assert_int_equal(kept_count, 1);
    answer_text(kept[0], "first");
    peer_wait_str(&peer, "/b with 0");
    assert_int_equal(kept_count, 2);
    assert_false(peer_has(&peer, "/d with"));
    answer_text(kept[1], "third");
    peer_wait_str(&peer, "/d with 0");
    assert_true(peer_has(&peer, "third"));
    peer_close(&peer);
}

static void test_http_server__refuses_what_could_smuggle(void **state)
{
    static const char *const forms[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    };
    (void)state;

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct peer peer = open_and_connect();
        peer_send_str(&peer, forms[i]);
        peer_send_str(&peer, "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n");
        peer_wait_end(&peer);
        assert_false(peer.reset);
        assert_true(peer_has(&peer, "HTTP/1.1 400 Bad Request\r\n"));
        assert_true(peer_has(&peer, "Connection: close\r\n"));
        assert_true(peer_has(&peer, "application/problem+json"));
        assert_true(peer_has(&peer, "\"code\":\"MALFORMED\",\"retryable\":false}"));
        assert_false(peer_has(&peer, "hidden"));
        peer_close(&peer);
    }
}

static void test_http_server__refuses_too_big_a_body_before_it_comes(void **state)
{
    struct peer peer;
    (void)state;

    config.body_bytes_max = 10;
    peer = open_and_connect();
    peer_send_str(&peer, "POST /at HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789");
    peer_wait_str(&peer, "/at with 10 bytes");
    peer_send_str(&peer, "POST /over HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    peer_wait_str(&peer, "HTTP/1.1 413 ");
    assert_true(peer_has(&peer, "\"code\":\"TOO_BIG\""));
    assert_false(peer_has(&peer, "100 Continue"));
    /* The rest of a large upload must not turn the answer into a reset. */
    for (int i = 0; i < 20; i++) peer_send_str(&peer, "some more of the body that nobody wants");
    peer_wait_end(&peer);
    assert_false(peer.reset);
    peer_close(&peer);
}

static void test_http_server__says_continue_when_asked(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    peer_wait_str(&peer, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_send_str(&peer, "ok");
    peer_wait_str(&peer, "/e with 2 bytes <ok>");
    peer_close(&peer);
}

static void test_http_server__head_and_204_have_no_body(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /end HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peer, "/end with");
    assert_true(peer_has(&peer, "Content-Length: 18\r\n\r\nHTTP/1.1 204 No Content\r\n"));
    assert_false(peer_has(&peer, "/h with"));
    assert_int_equal(peer_count(&peer, "Content-Length"), 2);
    peer_close(&peer);
}

static void test_http_server__closes_when_the_client_wants_it(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "Connection: close\r\n") && peer_has(&peer, "/a with"));
    peer_close(&peer);

    peer = open_and_connect();
    peer_send_str(&peer, "GET /b HTTP/1.0\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "Connection: close\r\n") && peer_has(&peer, "/b with"));
    peer_close(&peer);

    peer = open_and_connect();
    peer_send_str(&peer, "GET /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    peer_wait_str(&peer, "Connection: keep-alive\r\n");
    peer_send_str(&peer, "GET /d HTTP/1.0\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "/d with"));
    peer_close(&peer);
}

static void test_http_server__a_half_closed_client_gets_its_answer(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
    peer_wait_str(&peer, "/a with");
    peer_turn_idle();
    answer_text(kept[0], "late");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "late"));
    peer_close(&peer);
}

static void test_http_server__a_request_has_its_time(void **state)
{
    struct peer slow, silent;
    uint64_t begun;
    (void)state;

    config.request_timeout_ms = 100;
    silent = open_and_connect();
    slow = open_and_connect();
    begun = peer_now_ms();
    peer_send_str(&slow, "GET /slow HTTP/1.1\r\nX: ");
    while (!slow.ended) { /* a byte now and then does not buy time */
        if (send(slow.fd, "x", 1, MSG_NOSIGNAL) != 1) break;
        loop_epoll_once(peer_loop, 5);
        peer_receive(&slow);
        assert_true(peer_now_ms() - begun < 5000);
    }
    assert_true(peer_now_ms() - begun >= 90);
    assert_true(peer_has(&slow, "HTTP/1.1 408 Request Timeout\r\n"));
    peer_wait_end(&silent);
    assert_int_equal(kith_buf_len(&silent.in), 0);
    peer_close(&slow);
    peer_close(&silent);
}

static void test_http_server__an_idle_connection_is_closed_and_a_waiting_one_is_not(void **state)
{
    struct peer idle, waiting;
    (void)state;

    config.idle_timeout_ms = 50;
    config.request_timeout_ms = 60;
    idle = open_and_connect();
    waiting = open_and_connect();
    peer_send_str(&waiting, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_send_str(&idle, "GET /i HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_end(&idle);
    assert_true(peer_has(&idle, "/i with"));
    for (uint64_t until = peer_now_ms() + 100; peer_now_ms() < until;) loop_epoll_once(peer_loop, 5);
    answer_text(kept[0], "patience");
    peer_wait_str(&waiting, "patience");
    peer_close(&idle);
    peer_close(&waiting);
}

static void test_http_server__past_the_maximum_503_and_then_recovery(void **state)
{
    struct peer peers[3];
    (void)state;

    config.connections_max = 3;
    for (int i = 0; i < 3; i++) {
        peers[i] = open_and_connect();
        peer_send_str(&peers[i], "GET /in HTTP/1.1\r\nHost: a\r\n\r\n");
        peer_wait_str(&peers[i], "/in with");
    }
    for (int i = 0; i < 5; i++) {
        struct peer over = open_and_connect();
        peer_send_str(&over, "GET /over HTTP/1.1\r\nHost: a\r\n\r\n");
        peer_wait_end(&over);
        assert_false(over.reset);
        assert_true(peer_has(&over, "HTTP/1.1 503 Service Unavailable\r\n"));
        assert_true(peer_has(&over, "Retry-After: 5\r\n"));
        assert_true(peer_has(&over, "\"retryable\":true"));
        peer_close(&over);
    }
    assert_true(stats().refused == 5);
    peer_close(&peers[0]);
    peer_turn_idle();
    peers[0] = open_and_connect();
    peer_send_str(&peers[0], "GET /back HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peers[0], "/back with");
    for (int i = 0; i < 3; i++) peer_close(&peers[i]);
}

static void test_http_server__past_its_memory_503_and_then_recovery(void **state)
{
    struct peer reader, over;
    (void)state;

    config.connection_bytes_max = 200000;
    reader = open_and_connect();
    peer_send_str(&reader, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_idle(); /* 16 MiB wait for a client that does not read */
    assert_true(stats().bytes_used > 200000);
    over = open_and_connect();
    peer_wait_end(&over);
    assert_true(peer_has(&over, "HTTP/1.1 503 "));
    peer_close(&over);
    peer_wait_len(&reader, 16 * 1024 * 1024);
    peer_turn_idle();
    assert_true(stats().bytes_used < 10000);
    over = open_and_connect();
    peer_send_str(&over, "GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&over, "/again with");
    peer_close(&over);
    peer_close(&reader);
}

static void test_http_server__a_client_that_does_not_read_is_closed(void **state)
{
    struct peer peer;
    uint64_t until = peer_now_ms() + PEER_WAIT_MS;
    (void)state;

    config.slow_reader_timeout_ms = 50;
    peer = open_and_connect();
    peer_send_str(&peer, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    while (stats().requests == 0 && peer_now_ms() < until) loop_epoll_once(peer_loop, 5);
    assert_true(stats().responses_by_class[2] == 1);
    while (stats().open > 0 && peer_now_ms() < until) loop_epoll_once(peer_loop, 5);
    assert_true(stats().open == 0);
    peer_close(&peer);
}

static void test_http_server__running_out_of_descriptors_is_survived(void **state)
{
    struct rlimit before, low;
    struct peer peers[3], over;
    struct loop_epoll_stats first, then;
    int highest;
    (void)state;

    peers[0] = open_and_connect();
    peer_send_str(&peers[0], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peers[0], "/a with");
    /* These two are connected before the limit falls, and accepted after it. */
    peers[1] = open_and_connect();
    peers[2] = open_and_connect();
    over = open_and_connect();
    highest = dup(0);
    assert_true(highest >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)highest + 1; /* room for one more, at most */
    (void)close(highest);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);

    peer_wait_end(&over);
    assert_true(peer_has(&over, "HTTP/1.1 503 "));
    peer_send_str(&peers[0], "GET /b HTTP/1.1\r\nHost: a\r\n\r\n"); /* the others go on */
    peer_wait_str(&peers[0], "/b with");
    loop_epoll_stats(peer_loop, &first);
    for (uint64_t until = peer_now_ms() + 30; peer_now_ms() < until;) loop_epoll_once(peer_loop, 30);
    loop_epoll_stats(peer_loop, &then);
    assert_true(then.wakeups - first.wakeups < 10); /* and nothing spins */

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    peer_close(&over);
    over = open_and_connect();
    peer_send_str(&over, "GET /c HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&over, "/c with");
    peer_close(&over);
    for (int i = 0; i < 3; i++) peer_close(&peers[i]);
}

static void reset_by_peer(struct peer *peer)
{
    struct linger hard = {.l_onoff = 1};

    assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    peer_close(peer);
}

static void test_http_server__an_exchange_hears_that_its_peer_has_gone(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "GET /later-or-never HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_idle();
    assert_int_equal(kept_count, 1);
    reset_by_peer(&peer);
    peer_turn_idle();
    assert_int_equal(aborts, 1);
    assert_true(stats().open == 0);
}

static void test_http_server__without_a_callback_the_exchange_waits_for_its_answer(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "GET /later HTTP/1.1\r\nHost: a\r\nX: kept\r\n\r\n");
    peer_turn_idle();
    reset_by_peer(&peer);
    peer_turn_idle();
    assert_true(kith_slice_is(http_exchange_request(kept[0])->path, "/later"));
    answer_text(kept[0], "to nobody");
    peer_turn_idle();
    assert_true(stats().open == 0);
}

static void test_http_server__no_header_can_be_injected(void **state)
{
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "HTTP/1.1 500 "));
    assert_false(peer_has(&peer, "Set-Cookie"));
    peer_close(&peer);
}

static void test_http_server__believes_trusted_proxies_only(void **state)
{
    static const char *const trusted[] = {"127.0.0.0/8", NULL};
    static const char request[] = "GET /peer HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n";
    struct peer peer = open_and_connect();
    (void)state;

    peer_send_str(&peer, request);
    peer_wait_str(&peer, "peer 127.0.0.1 plain");
    peer_close(&peer);
    http_server_close(server, closed, NULL);
    peer_turn_until(&server_closed);
    server = NULL;
    config.trusted_proxies = trusted;
    peer = open_and_connect();
    peer_send_str(&peer, request);
    peer_wait_str(&peer, "peer 192.0.2.7 tls");
    peer_close(&peer);
}

static void test_http_server__a_pause_lets_the_open_ones_finish(void **state)
{
    struct peer peer = open_and_connect();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;

    peer_send_str(&peer, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peer, "/a with");
    http_server_pause(server);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    (void)close(fd);
    peer_send_str(&peer, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "/b with") && peer_has(&peer, "Connection: close"));
    peer_close(&peer);
}

static void test_http_server__closing_leaves_nothing(void **state)
{
    struct peer idle = open_and_connect(), half = open_and_connect(), waiting = open_and_connect(), mute = open_and_connect();
    struct http_exchange *left;
    (void)state;

    peer_send_str(&half, "GET /half");
    peer_send_str(&waiting, "GET /later-or-never HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_send_str(&mute, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    while (kept_count < 2) loop_epoll_once(peer_loop, 5);
    left = kept[kith_slice_is(http_exchange_request(kept[0])->path, "/later") ? 0 : 1];
    http_server_close(server, closed, NULL);
    peer_turn_idle();
    assert_int_equal(aborts, 1);
    assert_false(server_closed);
    answer_text(left, "to nobody");
    peer_turn_until(&server_closed);
    server = NULL;
    peer_wait_end(&idle);
    peer_wait_end(&half);
    peer_close(&idle);
    peer_close(&half);
    peer_close(&waiting);
    peer_close(&mute);
}

static void test_http_server__loops_share_a_port_and_strangers_do_not(void **state)
{
    struct http_server *second = NULL;
    char same[32];
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;

    assert_int_equal(http_server_open(&config, &server), KITH_OK);
    (void)snprintf(same, sizeof same, "127.0.0.1:%u", http_server_port(server));
    config.listen = same;
    assert_int_equal(http_server_open(&config, &second), KITH_OK);
    assert_int_equal(http_server_port(second), http_server_port(server));
    http_server_close(second, closed, NULL);
    peer_turn_until(&server_closed);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(same, sizeof same, "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(http_server_open(&config, &second), KITH_E_CONFLICT);
    (void)close(fd);
    config.listen = "localhost:80";
    assert_int_equal(http_server_open(&config, &second), KITH_E_MALFORMED);
    assert_null(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_http_server__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_and_keeps_the_connection),
        TEST(takes_requests_byte_by_byte),
        TEST(answers_pipelined_requests_in_order_and_in_one_write),
        TEST(a_late_answer_holds_back_the_ones_behind_it),
        TEST(refuses_what_could_smuggle),
        TEST(refuses_too_big_a_body_before_it_comes),
        TEST(says_continue_when_asked),
        TEST(head_and_204_have_no_body),
        TEST(closes_when_the_client_wants_it),
        TEST(a_half_closed_client_gets_its_answer),
        TEST(a_request_has_its_time),
        TEST(an_idle_connection_is_closed_and_a_waiting_one_is_not),
        TEST(past_the_maximum_503_and_then_recovery),
        TEST(past_its_memory_503_and_then_recovery),
        TEST(a_client_that_does_not_read_is_closed),
        TEST(running_out_of_descriptors_is_survived),
        TEST(an_exchange_hears_that_its_peer_has_gone),
        TEST(without_a_callback_the_exchange_waits_for_its_answer),
        TEST(no_header_can_be_injected),
        TEST(believes_trusted_proxies_only),
        TEST(a_pause_lets_the_open_ones_finish),
        TEST(closing_leaves_nothing),
        TEST(loops_share_a_port_and_strangers_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
