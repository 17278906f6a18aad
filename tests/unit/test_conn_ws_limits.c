#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "duo_fixture.h"
#include "net/conn_ws.h"

/* conn_ws.h at its limits: memory, queues, slow and silent peers. */

static void test_conn_ws_limits__an_idle_one_has_its_price_only(void **state)
{
    struct peer peer = duo_dial_ws();
    char payload[2000];
    (void)state;

    peer_turn_idle();
    assert_int_equal(duo_bytes_used(), CONN_WS_BYTES);
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    peer_frame(&peer, WS_TEXT, false, payload);
    duo_wait_got(sizeof payload - 1);
    peer_turn_idle();
    assert_true(duo_bytes_used() > CONN_WS_BYTES); /* the message is not at its end */
    peer_frame(&peer, WS_CONTINUATION, true, "");
    conn_send(duo.session.conn, kith_slice_of(payload, sizeof payload - 1), true);
    assert_true(duo_bytes_used() > CONN_WS_BYTES + sizeof payload);
    peer_wait_len(&peer, sizeof payload);
    peer_turn_idle();
    assert_int_equal(duo_bytes_used(), CONN_WS_BYTES);
    peer_close(&peer);
}

static void test_conn_ws_limits__a_message_at_its_maximum_is_taken_and_one_past_it_is_not(void **state)
{
    char *text = malloc(DUO_MESSAGE_BYTES_MAX + 2);
    struct peer peer = duo_dial_ws();
    (void)state;

    memset(text, 'm', DUO_MESSAGE_BYTES_MAX + 1);
    text[DUO_MESSAGE_BYTES_MAX] = '\0';
    peer_frame(&peer, WS_TEXT, true, text);
    duo_wait_got(DUO_MESSAGE_BYTES_MAX);
    peer_frame(&peer, WS_TEXT, false, text);
    peer_frame(&peer, WS_CONTINUATION, true, "m");
    assert_int_equal(peer_next_close(&peer), 1009);
    duo_assert_closed(CONN_CLOSED_PROTOCOL);
    peer_close(&peer);
    free(text);
}

static void send_bytes(size_t len)
{
    char *text = malloc(len);
    memset(text, 'q', len);
    conn_send(duo.session.conn, kith_slice_of(text, len), false);
    free(text);
}

static void test_conn_ws_limits__a_reader_that_does_not_drain_is_closed(void **state)
{
    struct peer peer;
    (void)state;

    duo.config.slow_reader_timeout_ms = 60;
    peer = duo_dial_ws();
    for (int i = 0; i < 3; i++) send_bytes(1024 * 1024);
    duo_assert_closed(CONN_CLOSED_SLOW);
    peer_wait_end(&peer);
    assert_true(peer.reset);
    peer_close(&peer);
}

static void test_conn_ws_limits__a_reader_that_goes_on_is_not_slow(void **state)
{
    struct peer peer;
    uint64_t until = peer_now_ms() + 1300;
    (void)state;

    duo.config.slow_reader_timeout_ms = 500;
    peer = duo_dial_ws();
    while (peer_now_ms() < until && !duo.session.is_closed) { /* always something in the queue, and always moving */
        if (conn_queued(duo.session.conn) < CONN_QUEUE_HIGH) send_bytes(CONN_QUEUE_LOW);
        loop_epoll_once(peer_loop, 0);
        peer_receive(&peer);
        kith_buf_reset(&peer.in);
    }
    assert_false(duo.session.is_closed);
    peer_close(&peer);
}

static void test_conn_ws_limits__a_queue_past_its_maximum_is_closed_at_once(void **state)
{
    struct peer peer = duo_dial_ws();
    (void)state;

    send_bytes(CONN_QUEUE_BYTES_MAX - 10);
    assert_int_equal(conn_queued(duo.session.conn), CONN_QUEUE_BYTES_MAX);
    assert_false(duo.session.is_closed);
    send_bytes(1);
    assert_false(duo.session.is_closed); /* never inside the call */
    duo_assert_closed(CONN_CLOSED_SLOW);
    peer_close(&peer);
}

static void test_conn_ws_limits__tells_once_when_the_queue_has_drained(void **state)
{
    struct peer peer = duo_dial_ws();
    size_t sent = 0;
    (void)state;

    while (sent < 3 * 1024 * 1024) {
        send_bytes(64 * 1024);
        sent += 64 * 1024;
    }
    peer_turn_idle();
    assert_int_equal(duo.session.drained, 0);
    peer_wait_len(&peer, sent);
    peer_turn_idle();
    assert_int_equal(duo.session.drained, 1);
    send_bytes(1000);
    peer_wait_len(&peer, sent + 1000);
    peer_turn_idle();
    assert_int_equal(duo.session.drained, 1);
    peer_close(&peer);
}

static void test_conn_ws_limits__a_paused_one_reads_nothing_and_loses_nothing(void **state)
{
    struct peer peer = duo_dial_ws();
    char text[2000];
    size_t sent = 0, before;
    struct loop_epoll_stats first, then;
    (void)state;

    duo.session.pause_next = true;
    memset(text, 'p', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (; sent < 200 * (sizeof text - 1); sent += sizeof text - 1) peer_frame(&peer, WS_BINARY, true, text);
    duo_wait_got(1);
    peer_turn_idle();
    before = kith_buf_len(&duo.session.got);
    assert_int_equal(duo.session.calls, 1);
    loop_epoll_stats(peer_loop, &first);
    peer_turn_idle();
    loop_epoll_stats(peer_loop, &then);
    assert_true(then.ready == first.ready); /* the waiting bytes do not keep the loop awake */
    assert_int_equal(kith_buf_len(&duo.session.got), before);
    assert_true(duo_bytes_used() < 200000);
    conn_pause(duo.session.conn, false);
    duo_wait_got(sent);
    peer_turn_idle();
    assert_int_equal(kith_buf_len(&duo.session.got), sent);
    assert_int_equal(duo_bytes_used(), CONN_WS_BYTES);
    peer_close(&peer);
}

static void test_conn_ws_limits__keepalive_pings_and_gives_up(void **state)
{
    struct peer peer = duo_dial_ws();
    char payload[16];
    (void)state;

    conn_keepalive(duo.session.conn, 100);
    for (int i = 0; i < 4; i++) { /* answered: goes on for longer than 2 * 100 ms */
        assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_PING);
        peer_frame(&peer, WS_PONG, true, payload);
    }
    assert_false(duo.session.is_closed);
    duo_assert_closed(CONN_CLOSED_TIMEOUT);
    peer_close(&peer);
}

static void test_conn_ws_limits__keepalive_off_is_off(void **state)
{
    struct peer peer = duo_dial_ws();
    uint64_t until = peer_now_ms() + 300;
    (void)state;

    conn_keepalive(duo.session.conn, 50);
    conn_keepalive(duo.session.conn, 0);
    while (peer_now_ms() < until) loop_epoll_once(peer_loop, 20);
    peer_receive(&peer);
    assert_int_equal(kith_buf_len(&peer.in), 0);
    assert_false(duo.session.is_closed);
    peer_close(&peer);
}

static void test_conn_ws_limits__a_closing_server_says_going_away(void **state)
{
    struct peer peer = duo_dial_ws();
    (void)state;

    http_server_close(duo.server, duo_server_closed, NULL);
    assert_false(duo.session.is_closed);
    peer_turn_until(&duo.server_closed);
    duo.server = NULL;
    duo_assert_closed(CONN_CLOSED_OURS);
    assert_int_equal(peer_next_close(&peer), 1001);
    peer_close(&peer);
}

static void test_conn_ws_limits__many_at_once_do_not_mix(void **state)
{
    enum { PEERS = 40 };
    struct peer peers[PEERS];
    char text[100], payload[100];
    (void)state;

    for (int i = 0; i < PEERS; i++) {
        peers[i] = duo_dial();
        peer_upgrade(&peers[i], "/echo", i % 2 == 0 ? "" : "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < PEERS; i++) {
            (void)snprintf(text, sizeof text, "peer %d round %d", i, round);
            peer_frame(&peers[i], WS_TEXT, false, text);
        }
        for (int i = 0; i < PEERS; i++) peer_frame(&peers[i], WS_CONTINUATION, true, "!");
        for (int i = PEERS - 1; i >= 0; i--) {
            (void)snprintf(text, sizeof text, "peer %d round %d!", i, round);
            assert_int_equal(peer_next_frame(&peers[i], payload, sizeof payload), WS_TEXT);
            assert_string_equal(payload, text);
        }
    }
    for (int i = 0; i < PEERS; i++) peer_close(&peers[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_conn_ws_limits__##name, duo_setup, duo_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_one_has_its_price_only),
        TEST(a_message_at_its_maximum_is_taken_and_one_past_it_is_not),
        TEST(a_reader_that_does_not_drain_is_closed),
        TEST(a_reader_that_goes_on_is_not_slow),
        TEST(a_queue_past_its_maximum_is_closed_at_once),
        TEST(tells_once_when_the_queue_has_drained),
        TEST(a_paused_one_reads_nothing_and_loses_nothing),
        TEST(keepalive_pings_and_gives_up),
        TEST(keepalive_off_is_off),
        TEST(a_closing_server_says_going_away),
        TEST(many_at_once_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
