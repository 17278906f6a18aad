#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web_fixture.h"

/* http_server.h at its limits and at its end. */

static void test_http_limits__a_request_has_its_time(void **state)
{
    struct peer slow, silent;
    uint64_t begun, said_ms;
    (void)state;

    web.config.request_timeout_ms = 100;
    silent = web_connect();
    slow = web_connect();
    begun = said_ms = peer_now_ms();
    peer_send_str(&slow, "GET /slow HTTP/1.1\r\nX: ");
    while (!slow.ended) { /* a byte now and then does not buy time, and is not a header too large */
        if (peer_now_ms() != said_ms && send(slow.fd, "x", 1, MSG_NOSIGNAL) != 1) break;
        said_ms = peer_now_ms();
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

static void test_http_limits__an_idle_connection_is_closed_and_a_waiting_one_is_not(void **state)
{
    struct peer idle, waiting;
    (void)state;

    web.config.idle_timeout_ms = 50;
    web.config.request_timeout_ms = 60;
    idle = web_connect();
    waiting = web_connect();
    peer_send_str(&waiting, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_send_str(&idle, "GET /i HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_end(&idle);
    assert_true(peer_has(&idle, "/i with"));
    for (uint64_t until = peer_now_ms() + 100; peer_now_ms() < until;) loop_epoll_once(peer_loop, 5);
    web_answer(web.kept[0], "patience");
    peer_wait_str(&waiting, "patience");
    peer_close(&idle);
    peer_close(&waiting);
}

static void test_http_limits__past_the_maximum_503_and_then_recovery(void **state)
{
    struct peer peers[3];
    (void)state;

    web.config.connections_max = 3;
    for (int i = 0; i < 3; i++) {
        peers[i] = web_connect();
        peer_send_str(&peers[i], "GET /in HTTP/1.1\r\nHost: a\r\n\r\n");
        peer_wait_str(&peers[i], "/in with");
    }
    for (int i = 0; i < 5; i++) {
        struct peer over = web_connect();
        peer_send_str(&over, "GET /over HTTP/1.1\r\nHost: a\r\n\r\n");
        peer_wait_end(&over);
        assert_false(over.reset);
        assert_true(peer_has(&over, "HTTP/1.1 503 Service Unavailable\r\n"));
        assert_true(peer_has(&over, "Retry-After: 5\r\n"));
        assert_true(peer_has(&over, "\"retryable\":true"));
        peer_close(&over);
    }
    assert_true(web_stats().refused == 5);
    peer_close(&peers[0]);
    peer_turn_idle();
    peers[0] = web_connect();
    peer_send_str(&peers[0], "GET /back HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peers[0], "/back with");
    for (int i = 0; i < 3; i++) peer_close(&peers[i]);
}

static void test_http_limits__past_its_memory_503_and_then_recovery(void **state)
{
    struct peer reader, over;
    (void)state;

    web.config.connection_bytes_max = 200000;
    reader = web_connect();
    peer_send_str(&reader, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_idle(); /* 16 MiB wait for a client that does not read */
    assert_true(web_stats().bytes_used > 200000);
    over = web_connect();
    peer_wait_end(&over);
    assert_true(peer_has(&over, "HTTP/1.1 503 "));
    peer_close(&over);
    peer_wait_len(&reader, 16 * 1024 * 1024);
    peer_turn_idle();
    assert_true(web_stats().bytes_used < 10000);
    over = web_connect();
    peer_send_str(&over, "GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&over, "/again with");
    peer_close(&over);
    peer_close(&reader);
}

static void test_http_limits__a_client_that_does_not_read_is_closed(void **state)
{
    struct peer peer;
    uint64_t until = peer_now_ms() + PEER_WAIT_MS;
    (void)state;

    web.config.slow_reader_timeout_ms = 50;
    peer = web_connect();
    peer_send_str(&peer, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    while (web_stats().requests == 0 && peer_now_ms() < until) loop_epoll_once(peer_loop, 5);
    assert_true(web_stats().responses_by_class[2] == 1);
    while (web_stats().open > 0 && peer_now_ms() < until) loop_epoll_once(peer_loop, 5);
    assert_true(web_stats().open == 0);
    peer_close(&peer);
}

static void test_http_limits__running_out_of_descriptors_is_survived(void **state)
{
    struct rlimit before, low;
    struct peer peers[3], over;
    struct loop_epoll_stats first, then;
    int highest;
    (void)state;

    peers[0] = web_connect();
    peer_send_str(&peers[0], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peers[0], "/a with");
    /* These two are connected before the limit falls, and accepted after it. */
    peers[1] = web_connect();
    peers[2] = web_connect();
    over = web_connect();
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
    over = web_connect();
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

static void test_http_limits__an_exchange_hears_that_its_peer_has_gone(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, "GET /later-or-never HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_idle();
    assert_int_equal(web.kept_count, 1);
    reset_by_peer(&peer);
    peer_turn_idle();
    assert_int_equal(web.aborts, 1);
    assert_true(web_stats().open == 0);
}

static void test_http_limits__without_a_callback_the_exchange_waits_for_its_answer(void **state)
{
    struct peer peer = web_connect();
    (void)state;

    peer_send_str(&peer, "GET /later HTTP/1.1\r\nHost: a\r\nX: kept\r\n\r\n");
    peer_turn_idle();
    reset_by_peer(&peer);
    peer_turn_idle();
    assert_true(kith_slice_is(http_exchange_request(web.kept[0])->path, "/later"));
    web_answer(web.kept[0], "to nobody");
    peer_turn_idle();
    assert_true(web_stats().open == 0);
}

static void test_http_limits__a_pause_lets_the_open_ones_finish(void **state)
{
    struct peer peer = web_connect();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_server_port(web.server))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;

    peer_send_str(&peer, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_str(&peer, "/a with");
    http_server_pause(web.server);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    (void)close(fd);
    peer_send_str(&peer, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_wait_end(&peer);
    assert_true(peer_has(&peer, "/b with") && peer_has(&peer, "Connection: close"));
    peer_close(&peer);
}

static void test_http_limits__closing_leaves_nothing(void **state)
{
    struct peer idle = web_connect(), half = web_connect(), waiting = web_connect(), mute = web_connect();
    struct http_exchange *left;
    (void)state;

    peer_send_str(&half, "GET /half");
    peer_send_str(&waiting, "GET /later-or-never HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_send_str(&mute, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    while (web.kept_count < 2) loop_epoll_once(peer_loop, 5);
    left = web.kept[kith_slice_is(http_exchange_request(web.kept[0])->path, "/later") ? 0 : 1];
    http_server_close(web.server, web_closed, NULL);
    peer_turn_idle();
    assert_int_equal(web.aborts, 1);
    assert_false(web.server_closed);
    web_answer(left, "to nobody");
    peer_turn_until(&web.server_closed);
    web.server = NULL;
    peer_wait_end(&idle);
    peer_wait_end(&half);
    peer_close(&idle);
    peer_close(&half);
    peer_close(&waiting);
    peer_close(&mute);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_http_limits__##name, web_setup, web_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_has_its_time),
        TEST(an_idle_connection_is_closed_and_a_waiting_one_is_not),
        TEST(past_the_maximum_503_and_then_recovery),
        TEST(past_its_memory_503_and_then_recovery),
        TEST(a_client_that_does_not_read_is_closed),
        TEST(running_out_of_descriptors_is_survived),
        TEST(an_exchange_hears_that_its_peer_has_gone),
        TEST(without_a_callback_the_exchange_waits_for_its_answer),
        TEST(a_pause_lets_the_open_ones_finish),
        TEST(closing_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
