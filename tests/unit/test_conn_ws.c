#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "duo_fixture.h"
#include "net/conn_ws.h"
#include "net/http_server_state.h"

static void test_conn_ws__takes_messages_however_they_are_cut(void **state)
{
    struct peer peer = duo_dial_ws();
    char peer_text[64];
    (void)state;

    peer_frame(&peer, WS_TEXT, true, "one ");
    peer_frame(&peer, WS_BINARY, false, "two ");
    peer_frame(&peer, WS_CONTINUATION, false, "");
    peer_frame(&peer, WS_CONTINUATION, true, "three ");
    duo_assert_got("one two three ");
    conn_peer(duo.session.conn, peer_text);
    assert_string_equal(peer_text, "127.0.0.1");
    peer_close(&peer);
    duo_assert_closed(CONN_CLOSED_PEER);
}

static void test_conn_ws__takes_frames_byte_by_byte(void **state)
{
    static const uint8_t frame[] = {0x81, 0x85, 1, 2, 3, 4, 'h' ^ 1, 'e' ^ 2, 'l' ^ 3, 'l' ^ 4, 'o' ^ 1};
    struct peer peer = duo_dial_ws();
    (void)state;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof frame; i++) {
            peer_send(&peer, kith_slice_of(frame + i, 1));
            loop_epoll_once(peer_loop, 0);
            loop_epoll_once(peer_loop, 0);
        }
    }
    duo_assert_got("hellohello");
    peer_turn_idle();
    assert_int_equal(duo_bytes_used(), CONN_WS_BYTES);
    peer_close(&peer);
}

static void test_conn_ws__what_came_with_the_handshake_counts(void **state)
{
    static const char request[] = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                                  "\x81\x82\x01\x02\x03\x04\x69\x6b\x89\x80\x00";
    struct peer peer = duo_dial();
    char payload[8];
    (void)state;

    peer_send(&peer, kith_slice_of(request, sizeof request - 1));
    duo_assert_got("hi");
    peer_send(&peer, kith_slice_of("\0\0\0", 3)); /* the rest of an empty ping */
    peer_wait_str(&peer, "\r\n\r\n");
    kith_buf_consume(
        &peer.in,
        (size_t)((char *)memmem(peer.in.ptr, kith_buf_len(&peer.in), "\r\n\r\n", 4) - (char *)peer.in.ptr) + 4);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_PONG);
    peer_close(&peer);
}

static void test_conn_ws__what_one_wake_up_sends_leaves_in_one_write(void **state)
{
    struct peer peer = duo_dial_ws();
    unsigned before = peer_segments(&peer);
    char payload[64];
    (void)state;

    conn_send(duo.session.conn, kith_slice_str("first"), true);
    conn_send(duo.session.conn, kith_slice_str("second"), false);
    assert_int_equal(conn_queued(duo.session.conn), 2 + 5 + 2 + 6);
    loop_epoll_once(peer_loop, 10);
    assert_int_equal(conn_queued(duo.session.conn), 0);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_TEXT);
    assert_string_equal(payload, "first");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_BINARY);
    assert_string_equal(payload, "second");
    assert_int_equal(peer_segments(&peer) - before, 1);
    peer_close(&peer);
}

static void test_conn_ws__answers_pings_between_fragments(void **state)
{
    struct peer peer = duo_dial_ws();
    char payload[200];
    (void)state;

    peer_frame(&peer, WS_TEXT, false, "a");
    peer_frame(&peer, WS_PING, true, "are you there?");
    peer_frame(&peer, WS_PONG, true, "nobody asked");
    peer_frame(&peer, WS_CONTINUATION, true, "b");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_PONG);
    assert_string_equal(payload, "are you there?");
    duo_assert_got("ab");
    peer_close(&peer);
}

static void test_conn_ws__answers_a_close_with_its_code(void **state)
{
    static const char *const payloads[] = {"\x03\xe8", "\x03\xe8thank you", "\x0b\xb8", "\x13\x87", ""};
    static const unsigned codes[] = {1000, 1000, 3000, 4999, 0};
    (void)state;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct peer peer = duo_dial_ws();
        peer_frame(&peer, WS_CLOSE, true, payloads[i]);
        assert_int_equal(peer_next_close(&peer), codes[i]);
        peer_wait_end(&peer);
        assert_false(peer.reset);
        duo_assert_closed(CONN_CLOSED_PEER);
        duo.session.is_closed = false;
        peer_close(&peer);
    }
}

static void test_conn_ws__our_close_waits_for_the_peers(void **state)
{
    struct peer peer = duo_dial_ws();
    char payload[200];
    (void)state;

    conn_send(duo.session.conn, kith_slice_str("last words"), true);
    conn_close(duo.session.conn, 4000, "bye");
    conn_send(duo.session.conn, kith_slice_str("never"), true);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_TEXT);
    assert_string_equal(payload, "last words");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_CLOSE);
    assert_string_equal(payload, "\x0f\xa0"
                                 "bye");
    peer_frame(&peer, WS_TEXT, true, "crossed on the way");
    peer_turn_idle();
    assert_false(duo.session.is_closed);
    peer_frame(&peer, WS_CLOSE, true, "\x0f\xa0");
    duo_assert_closed(CONN_CLOSED_OURS);
    assert_int_equal(duo.session.calls, 0);
    peer_wait_end(&peer);
    assert_false(peer.reset);
    assert_int_equal(kith_buf_len(&peer.in), 0);
    peer_close(&peer);
}

static void test_conn_ws__a_peer_that_does_not_answer_our_close_is_left(void **state)
{
    struct peer peer = duo_dial_ws();
    (void)state;

    duo.server->net->close_timeout_ms = 30;
    conn_close(duo.session.conn, 1000, NULL);
    assert_int_equal(peer_next_close(&peer), 1000);
    duo_assert_closed(CONN_CLOSED_OURS);
    peer_wait_end(&peer);
    assert_false(peer.reset);
    peer_close(&peer);
}

static void test_conn_ws__the_last_frame_survives_what_the_peer_still_sends(void **state)
{
    struct peer peer = duo_dial_ws();
    char payload[200];
    (void)state;

    duo.session.close_next = true;
    for (int i = 0; i < 200; i++)
        peer_frame(&peer, WS_TEXT, true, "a client that goes on sending and does not listen yet");
    peer_turn_until(&duo.session.is_closed); /* the socket lingers now, or until the peer's close */
    assert_int_equal(duo.session.why, CONN_CLOSED_OURS);
    for (int i = 0; i < 200; i++)
        peer_frame(&peer, WS_TEXT, true, "a client that goes on sending and does not listen yet");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_CLOSE);
    assert_string_equal(payload + 2, "enough");
    peer_wait_end(&peer);
    assert_false(peer.reset);
    peer_close(&peer);
}

static void test_conn_ws__broken_frames_get_their_code(void **state)
{
    static const struct {
        const char *frame;
        size_t len;
        unsigned code;
    } cases[] = {
        {"\x81\x02hi", 4, 1002},                            /* not masked            */
        {"\xc1\x80\0\0\0\0", 6, 1002},                      /* compressed: not agreed */
        {"\x83\x80\0\0\0\0", 6, 1002},                      /* no such opcode        */
        {"\x80\x80\0\0\0\0", 6, 1002},                      /* continues nothing     */
        {"\x09\x80\0\0\0\0", 6, 1002},                      /* half a ping           */
        {"\x88\x82\0\0\0\0\x03\xed", 8, 1002},              /* 1005 on the wire      */
        {"\x88\x81\0\0\0\0\x03", 7, 1002},                  /* half a code           */
        {"\x88\x83\0\0\0\0\x03\xe8\xff", 9, 1007},          /* reason is no UTF-8    */
        {"\x01\x81\0\0\0\0\xff", 7, 1007},                  /* fails fast: not final */
        {"\x81\xff\0\0\0\0\0\x10\0\x01\0\0\0\0", 14, 1009}, /* by the header alone   */
        {"\x82\xfe\xff", 3, 0},                             /* nothing wrong yet     */
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer peer = duo_dial_ws();
        peer_send(&peer, kith_slice_of(cases[i].frame, cases[i].len));
        if (cases[i].code == 0) {
            peer_turn_idle();
            assert_false(duo.session.is_closed);
            peer_close(&peer);
            duo_assert_closed(CONN_CLOSED_PEER);
            continue;
        }
        assert_int_equal(peer_next_close(&peer), cases[i].code);
        peer_wait_end(&peer);
        assert_false(peer.reset);
        duo_assert_closed(CONN_CLOSED_PROTOCOL);
        duo.session.is_closed = false;
        peer_close(&peer);
    }
}

static void test_conn_ws__compresses_long_texts_only_and_inflates_what_comes(void **state)
{
    /* RFC 7692, 7.2.3.1: "Hello" compressed, masked here with zeros. */
    static const char hello[] = "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00";
    struct peer peer = duo_dial();
    char text[1000], payload[1200];
    uint8_t first;
    (void)state;

    peer_upgrade(&peer, "/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    peer_send(&peer, kith_slice_of(hello, sizeof hello - 1));
    duo_assert_got("Hello");
    memset(text, 'z', sizeof text);
    conn_send(duo.session.conn, kith_slice_of(text, 100), true);
    conn_send(duo.session.conn, kith_slice_of(text, sizeof text), false);
    conn_send(duo.session.conn, kith_slice_of(text, sizeof text), true);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_TEXT);
    assert_int_equal(strlen(payload), 100);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_BINARY);
    assert_int_equal(strlen(payload), sizeof text);
    peer_wait_len(&peer, 1);
    first = kith_buf_peek(&peer.in).ptr[0];
    assert_int_equal(first, 0xc1); /* final, compressed, text */
    assert_true(kith_buf_len(&peer.in) < 100);
    peer_turn_idle();
    assert_int_equal(duo_bytes_used(), CONN_WS_BYTES);
    peer_close(&peer);
}

static void test_conn_ws__bad_handshakes_get_their_answer(void **state)
{
    static const char good[] =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    static const struct {
        const char *more, *status, *also;
        kith_err err;
    } cases[] = {
        {"Sec-WebSocket-Version: 8\r\n", "HTTP/1.1 426 ", "Sec-WebSocket-Version: 13\r\n", KITH_E_MALFORMED},
        {"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "HTTP/1.1 400 ", "MALFORMED",
         KITH_E_MALFORMED},
        {"Sec-WebSocket-Version: 13\r\nOrigin: https://evil.test\r\n", "HTTP/1.1 403 ", "FORBIDDEN", KITH_E_DENIED},
        {"Sec-WebSocket-Version: 13\r\nOrigin: https://app.test\r\n", "HTTP/1.1 101 ", "Upgrade", KITH_OK},
        {"Sec-WebSocket-Version: 13\r\nOrigin: http://a\r\n", "HTTP/1.1 101 ", "Upgrade", KITH_OK},
        {"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v10.stomp, v12.stomp\r\n", "HTTP/1.1 101 ",
         "Sec-WebSocket-Protocol: v12.stomp\r\n", KITH_OK},
    };
    char request[600];
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer peer = duo_dial();
        (void)snprintf(request, sizeof request, "GET /ws HTTP/1.1\r\nHost: a\r\n%s%s\r\n", good, cases[i].more);
        peer_send_str(&peer, request);
        peer_wait_str(&peer, "\r\n\r\n");
        if (!peer_has(&peer, cases[i].status))
            print_error("%zu: %.*s", i, (int)kith_buf_len(&peer.in), (const char *)peer.in.ptr);
        assert_true(peer_has(&peer, cases[i].status));
        peer_wait_str(&peer, cases[i].also);
        assert_int_equal(duo.upgraded, cases[i].err);
        peer_close(&peer);
        if (duo.upgraded == KITH_OK) duo_assert_closed(CONN_CLOSED_PEER);
        duo.session.is_closed = false;
    }
}

static void test_conn_ws__the_echo_sends_whole_messages_back(void **state)
{
    struct peer peer = duo_dial();
    size_t len = 5 * 1024 * 1024; /* more than a duo.session's queue */
    char *text = malloc(len + 1), payload[64];
    (void)state;

    peer_upgrade(&peer, "/echo", "");
    peer_frame(&peer, WS_TEXT, false, "ab");
    peer_frame(&peer, WS_CONTINUATION, true, "cd");
    peer_frame(&peer, WS_BINARY, true, "");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_TEXT);
    assert_string_equal(payload, "abcd");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_BINARY);
    assert_string_equal(payload, "");
    memset(text, 'e', len);
    text[len] = '\0';
    for (int i = 0; i < 3; i++) peer_frame(&peer, WS_BINARY, true, text);
    for (int i = 0; i < 3; i++) assert_int_equal(peer_next_frame(&peer, text, len + 1), WS_BINARY);
    assert_int_equal(strlen(text), len);
    peer_frame(&peer, WS_CLOSE, true, "\x03\xe8");
    assert_int_equal(peer_next_close(&peer), 1000);
    peer_close(&peer);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_conn_ws__##name, duo_setup, duo_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_messages_however_they_are_cut),
        TEST(takes_frames_byte_by_byte),
        TEST(what_came_with_the_handshake_counts),
        TEST(what_one_wake_up_sends_leaves_in_one_write),
        TEST(answers_pings_between_fragments),
        TEST(answers_a_close_with_its_code),
        TEST(our_close_waits_for_the_peers),
        TEST(a_peer_that_does_not_answer_our_close_is_left),
        TEST(the_last_frame_survives_what_the_peer_still_sends),
        TEST(broken_frames_get_their_code),
        TEST(compresses_long_texts_only_and_inflates_what_comes),
        TEST(bad_handshakes_get_their_answer),
        TEST(the_echo_sends_whole_messages_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
