#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/conn_ws_state.h"
#include "net/http_server_state.h"
#include "net/ws_echo.h"
#include "net_peer.h"

#define MESSAGE_BYTES_MAX (1024 * 1024)

/* What a session would be: keeps what comes. */
struct session {
    struct conn_user user;
    struct conn *conn;
    struct kith_buf got;
    unsigned calls, drained;
    bool pause_next, close_next, is_closed;
    enum conn_closed why;
};

static struct http_server *server;
static struct http_server_config config;
static struct session session;
static bool server_closed;
static kith_err upgraded;

static void bytes(struct conn_user *user, uint8_t *at, size_t len)
{
    struct session *self = (struct session *)user;

    assert_false(self->is_closed);
    assert_true(len > 0);
    at[0] ^= 0; /* lent and writable */
    self->calls++;
    assert_int_equal(kith_buf_append(&self->got, kith_slice_of(at, len)), KITH_OK);
    if (self->pause_next) conn_pause(self->conn, true);
    if (self->close_next) conn_close(self->conn, 4001, "enough");
    self->pause_next = self->close_next = false;
}

static void drained(struct conn_user *user)
{
    ((struct session *)user)->drained++;
}

static void closed(struct conn_user *user, enum conn_closed why)
{
    struct session *self = (struct session *)user;

    assert_false(self->is_closed);
    self->is_closed = true;
    self->why = why;
    conn_send(self->conn, kith_slice_str("to nobody"), true);
    conn_close(self->conn, 1000, "twice");
}

static void handle(void *arg, struct http_exchange *exchange)
{
    static const char *const subprotocols[] = {"v12.stomp", NULL}, *const origins[] = {"https://app.test", NULL};
    struct ws_options options = {.message_bytes_max = MESSAGE_BYTES_MAX,
                                 .permessage_deflate = true,
                                 .subprotocols = subprotocols,
                                 .origins_allowed = origins};
    (void)arg;
    if (kith_slice_is(http_exchange_request(exchange)->path, "/echo")) ws_echo_upgrade(exchange);
    else upgraded = http_upgrade(exchange, &options, &session.user, &session.conn);
}

static void on_server_closed(void *arg)
{
    (void)arg;
    server_closed = true;
}

static int setup(void **state)
{
    if (peer_setup(state) != 0) return -1;
    session = (struct session){.user = {.bytes = bytes, .drained = drained, .closed = closed}};
    kith_buf_init(&session.got, PEER_BYTES_MAX);
    config = (struct http_server_config){.loop = peer_loop,
                                         .listen = "127.0.0.1:0",
                                         .connections_max = 100,
                                         .request_timeout_ms = 10000,
                                         .idle_timeout_ms = 10000,
                                         .slow_reader_timeout_ms = 10000,
                                         .handle = handle};
    server = NULL;
    server_closed = false;
    upgraded = KITH_E_AGAIN;
    return 0;
}

static int teardown(void **state)
{
    if (server != NULL) {
        http_server_close(server, on_server_closed, NULL);
        peer_turn_until(&server_closed);
    }
    kith_buf_deinit(&session.got);
    return peer_teardown(state);
}

static struct peer dial(void)
{
    if (server == NULL) assert_int_equal(http_server_open(&config, &server), KITH_OK);
    return peer_connect(http_server_port(server));
}

static struct peer dial_ws(void)
{
    struct peer peer = dial();
    peer_upgrade(&peer, "/ws", "");
    assert_int_equal(upgraded, KITH_OK);
    return peer;
}

static void wait_got(size_t len)
{
    for (uint64_t until = peer_now_ms() + PEER_WAIT_MS; kith_buf_len(&session.got) < len;) {
        assert_true(peer_now_ms() < until);
        loop_epoll_once(peer_loop, 2);
    }
}

static void assert_got(const char *text)
{
    wait_got(strlen(text));
    assert_int_equal(kith_buf_len(&session.got), strlen(text));
    assert_memory_equal(kith_buf_peek(&session.got).ptr, text, strlen(text));
}

static void assert_closed(enum conn_closed why)
{
    peer_turn_until(&session.is_closed);
    assert_int_equal(session.why, why);
}

static uint64_t bytes_used(void)
{
    struct http_server_stats stats;
    http_server_stats(server, &stats);
    return stats.bytes_used;
}

static void test_conn_ws__takes_messages_however_they_are_cut(void **state)
{
    struct peer peer = dial_ws();
    char peer_text[64];
    (void)state;

    peer_frame(&peer, WS_TEXT, true, "one ");
    peer_frame(&peer, WS_BINARY, false, "two ");
    peer_frame(&peer, WS_CONTINUATION, false, "");
    peer_frame(&peer, WS_CONTINUATION, true, "three ");
    assert_got("one two three ");
    conn_peer(session.conn, peer_text);
    assert_string_equal(peer_text, "127.0.0.1");
    peer_close(&peer);
    assert_closed(CONN_CLOSED_PEER);
}

static void test_conn_ws__takes_frames_byte_by_byte(void **state)
{
    static const uint8_t frame[] = {0x81, 0x85, 1, 2, 3, 4, 'h' ^ 1, 'e' ^ 2, 'l' ^ 3, 'l' ^ 4, 'o' ^ 1};
    struct peer peer = dial_ws();
    (void)state;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof frame; i++) {
            peer_send(&peer, kith_slice_of(frame + i, 1));
            loop_epoll_once(peer_loop, 0);
            loop_epoll_once(peer_loop, 0);
        }
    }
    assert_got("hellohello");
    peer_turn_idle();
    assert_int_equal(bytes_used(), CONN_WS_BYTES);
    peer_close(&peer);
}

static void test_conn_ws__what_came_with_the_handshake_counts(void **state)
{
    static const char request[] = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                                  "\x81\x82\x01\x02\x03\x04\x69\x6b\x89\x80\x00";
    struct peer peer = dial();
    char payload[8];
    (void)state;

    peer_send(&peer, kith_slice_of(request, sizeof request - 1));
    assert_got("hi");
    peer_send(&peer, kith_slice_of("\0\0\0", 3)); /* the rest of an empty ping */
    peer_wait_str(&peer, "\r\n\r\n");
    kith_buf_consume(&peer.in, (size_t)((char *)memmem(peer.in.ptr, kith_buf_len(&peer.in), "\r\n\r\n", 4) - (char *)peer.in.ptr) + 4);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_PONG);
    peer_close(&peer);
}

static void test_conn_ws__an_idle_one_has_its_price_only(void **state)
{
    struct peer peer = dial_ws();
    char payload[2000];
    (void)state;

    peer_turn_idle();
    assert_int_equal(bytes_used(), CONN_WS_BYTES);
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    peer_frame(&peer, WS_TEXT, false, payload);
    wait_got(sizeof payload - 1);
    peer_turn_idle();
    assert_true(bytes_used() > CONN_WS_BYTES); /* the message is not at its end */
    peer_frame(&peer, WS_CONTINUATION, true, "");
    conn_send(session.conn, kith_slice_of(payload, sizeof payload - 1), true);
    assert_true(bytes_used() > CONN_WS_BYTES + sizeof payload);
    peer_wait_len(&peer, sizeof payload);
    peer_turn_idle();
    assert_int_equal(bytes_used(), CONN_WS_BYTES);
    peer_close(&peer);
}

static void test_conn_ws__what_one_wake_up_sends_leaves_in_one_write(void **state)
{
    struct peer peer = dial_ws();
    unsigned before = peer_segments(&peer);
    char payload[64];
    (void)state;

    conn_send(session.conn, kith_slice_str("first"), true);
    conn_send(session.conn, kith_slice_str("second"), false);
    assert_int_equal(conn_queued(session.conn), 2 + 5 + 2 + 6);
    loop_epoll_once(peer_loop, 10);
    assert_int_equal(conn_queued(session.conn), 0);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_TEXT);
    assert_string_equal(payload, "first");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_BINARY);
    assert_string_equal(payload, "second");
    assert_int_equal(peer_segments(&peer) - before, 1);
    peer_close(&peer);
}

static void test_conn_ws__answers_pings_between_fragments(void **state)
{
    struct peer peer = dial_ws();
    char payload[200];
    (void)state;

    peer_frame(&peer, WS_TEXT, false, "a");
    peer_frame(&peer, WS_PING, true, "are you there?");
    peer_frame(&peer, WS_PONG, true, "nobody asked");
    peer_frame(&peer, WS_CONTINUATION, true, "b");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_PONG);
    assert_string_equal(payload, "are you there?");
    assert_got("ab");
    peer_close(&peer);
}

static void test_conn_ws__answers_a_close_with_its_code(void **state)
{
    static const char *const payloads[] = {"\x03\xe8", "\x03\xe8thank you", "\x0b\xb8", "\x13\x87", ""};
    static const unsigned codes[] = {1000, 1000, 3000, 4999, 0};
    (void)state;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct peer peer = dial_ws();
        peer_frame(&peer, WS_CLOSE, true, payloads[i]);
        assert_int_equal(peer_next_close(&peer), codes[i]);
        peer_wait_end(&peer);
        assert_false(peer.reset);
        assert_closed(CONN_CLOSED_PEER);
        session.is_closed = false;
        peer_close(&peer);
    }
}

static void test_conn_ws__our_close_waits_for_the_peers(void **state)
{
    struct peer peer = dial_ws();
    char payload[200];
    (void)state;

    conn_send(session.conn, kith_slice_str("last words"), true);
    conn_close(session.conn, 4000, "bye");
    conn_send(session.conn, kith_slice_str("never"), true);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_TEXT);
    assert_string_equal(payload, "last words");
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_CLOSE);
    assert_string_equal(payload, "\x0f\xa0"
                                 "bye");
    peer_frame(&peer, WS_TEXT, true, "crossed on the way");
    peer_turn_idle();
    assert_false(session.is_closed);
    peer_frame(&peer, WS_CLOSE, true, "\x0f\xa0");
    assert_closed(CONN_CLOSED_OURS);
    assert_int_equal(session.calls, 0);
    peer_wait_end(&peer);
    assert_false(peer.reset);
    assert_int_equal(kith_buf_len(&peer.in), 0);
    peer_close(&peer);
}

static void test_conn_ws__a_peer_that_does_not_answer_our_close_is_left(void **state)
{
    struct peer peer = dial_ws();
    (void)state;

    server->net->close_timeout_ms = 30;
    conn_close(session.conn, 1000, NULL);
    assert_int_equal(peer_next_close(&peer), 1000);
    assert_closed(CONN_CLOSED_OURS);
    peer_wait_end(&peer);
    assert_false(peer.reset);
    peer_close(&peer);
}

static void test_conn_ws__the_last_frame_survives_what_the_peer_still_sends(void **state)
{
    struct peer peer = dial_ws();
    char payload[200];
    (void)state;

    session.close_next = true;
    for (int i = 0; i < 200; i++) peer_frame(&peer, WS_TEXT, true, "a client that goes on sending and does not listen yet");
    peer_turn_until(&session.is_closed); /* the socket lingers now, or until the peer's close */
    assert_int_equal(session.why, CONN_CLOSED_OURS);
    for (int i = 0; i < 200; i++) peer_frame(&peer, WS_TEXT, true, "a client that goes on sending and does not listen yet");
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
        {"\x81\x02hi", 4, 1002},                                   /* not masked            */
        {"\xc1\x80\0\0\0\0", 6, 1002},                             /* compressed: not agreed */
        {"\x83\x80\0\0\0\0", 6, 1002},                             /* no such opcode        */
        {"\x80\x80\0\0\0\0", 6, 1002},                             /* continues nothing     */
        {"\x09\x80\0\0\0\0", 6, 1002},                             /* half a ping           */
        {"\x88\x82\0\0\0\0\x03\xed", 8, 1002},                     /* 1005 on the wire      */
        {"\x88\x81\0\0\0\0\x03", 7, 1002},                         /* half a code           */
        {"\x88\x83\0\0\0\0\x03\xe8\xff", 9, 1007},                 /* reason is no UTF-8    */
        {"\x01\x81\0\0\0\0\xff", 7, 1007},                         /* fails fast: not final */
        {"\x81\xff\0\0\0\0\0\x10\0\x01\0\0\0\0", 14, 1009},        /* by the header alone   */
        {"\x82\xfe\xff", 3, 0},                                    /* nothing wrong yet     */
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer peer = dial_ws();
        peer_send(&peer, kith_slice_of(cases[i].frame, cases[i].len));
        if (cases[i].code == 0) {
            peer_turn_idle();
            assert_false(session.is_closed);
            peer_close(&peer);
            assert_closed(CONN_CLOSED_PEER);
            continue;
        }
        assert_int_equal(peer_next_close(&peer), cases[i].code);
        peer_wait_end(&peer);
        assert_false(peer.reset);
        assert_closed(CONN_CLOSED_PROTOCOL);
        session.is_closed = false;
        peer_close(&peer);
    }
}

static void test_conn_ws__a_message_at_its_maximum_is_taken_and_one_past_it_is_not(void **state)
{
    char *text = malloc(MESSAGE_BYTES_MAX + 2);
    struct peer peer = dial_ws();
    (void)state;

    memset(text, 'm', MESSAGE_BYTES_MAX + 1);
    text[MESSAGE_BYTES_MAX] = '\0';
    peer_frame(&peer, WS_TEXT, true, text);
    wait_got(MESSAGE_BYTES_MAX);
    peer_frame(&peer, WS_TEXT, false, text);
    peer_frame(&peer, WS_CONTINUATION, true, "m");
    assert_int_equal(peer_next_close(&peer), 1009);
    assert_closed(CONN_CLOSED_PROTOCOL);
    peer_close(&peer);
    free(text);
}

static void send_bytes(size_t len)
{
    char *text = malloc(len);
    memset(text, 'q', len);
    conn_send(session.conn, kith_slice_of(text, len), false);
    free(text);
}

static void test_conn_ws__a_reader_that_does_not_drain_is_closed(void **state)
{
    struct peer peer;
    (void)state;

    config.slow_reader_timeout_ms = 60;
    peer = dial_ws();
    for (int i = 0; i < 3; i++) send_bytes(1024 * 1024);
    assert_closed(CONN_CLOSED_SLOW);
    peer_wait_end(&peer);
    assert_true(peer.reset);
    peer_close(&peer);
}

static void test_conn_ws__a_reader_that_goes_on_is_not_slow(void **state)
{
    struct peer peer;
    uint64_t until = peer_now_ms() + 1300;
    (void)state;

    config.slow_reader_timeout_ms = 500;
    peer = dial_ws();
    while (peer_now_ms() < until && !session.is_closed) { /* always something in the queue, and always moving */
        if (conn_queued(session.conn) < CONN_QUEUE_HIGH) send_bytes(CONN_QUEUE_LOW);
        loop_epoll_once(peer_loop, 0);
        peer_receive(&peer);
        kith_buf_reset(&peer.in);
    }
    assert_false(session.is_closed);
    peer_close(&peer);
}

static void test_conn_ws__a_queue_past_its_maximum_is_closed_at_once(void **state)
{
    struct peer peer = dial_ws();
    (void)state;

    send_bytes(CONN_QUEUE_BYTES_MAX - 10);
    assert_int_equal(conn_queued(session.conn), CONN_QUEUE_BYTES_MAX);
    assert_false(session.is_closed);
    send_bytes(1);
    assert_false(session.is_closed); /* never inside the call */
    assert_closed(CONN_CLOSED_SLOW);
    peer_close(&peer);
}

static void test_conn_ws__tells_once_when_the_queue_has_drained(void **state)
{
    struct peer peer = dial_ws();
    size_t sent = 0;
    (void)state;

    while (sent < 3 * 1024 * 1024) {
        send_bytes(64 * 1024);
        sent += 64 * 1024;
    }
    peer_turn_idle();
    assert_int_equal(session.drained, 0);
    peer_wait_len(&peer, sent);
    peer_turn_idle();
    assert_int_equal(session.drained, 1);
    send_bytes(1000);
    peer_wait_len(&peer, sent + 1000);
    peer_turn_idle();
    assert_int_equal(session.drained, 1);
    peer_close(&peer);
}

static void test_conn_ws__a_paused_one_reads_nothing_and_loses_nothing(void **state)
{
    struct peer peer = dial_ws();
    char text[2000];
    size_t sent = 0, before;
    struct loop_epoll_stats first, then;
    (void)state;

    session.pause_next = true;
    memset(text, 'p', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (; sent < 200 * (sizeof text - 1); sent += sizeof text - 1) peer_frame(&peer, WS_BINARY, true, text);
    wait_got(1);
    peer_turn_idle();
    before = kith_buf_len(&session.got);
    assert_int_equal(session.calls, 1);
    loop_epoll_stats(peer_loop, &first);
    peer_turn_idle();
    loop_epoll_stats(peer_loop, &then);
    assert_true(then.ready == first.ready); /* the waiting bytes do not keep the loop awake */
    assert_int_equal(kith_buf_len(&session.got), before);
    assert_true(bytes_used() < 200000);
    conn_pause(session.conn, false);
    wait_got(sent);
    peer_turn_idle();
    assert_int_equal(kith_buf_len(&session.got), sent);
    assert_int_equal(bytes_used(), CONN_WS_BYTES);
    peer_close(&peer);
}

static void test_conn_ws__keepalive_pings_and_gives_up(void **state)
{
    struct peer peer = dial_ws();
    char payload[16];
    (void)state;

    conn_keepalive(session.conn, 100);
    for (int i = 0; i < 4; i++) { /* answered: goes on for longer than 2 * 100 ms */
        assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_PING);
        peer_frame(&peer, WS_PONG, true, payload);
    }
    assert_false(session.is_closed);
    assert_closed(CONN_CLOSED_TIMEOUT);
    peer_close(&peer);
}

static void test_conn_ws__keepalive_off_is_off(void **state)
{
    struct peer peer = dial_ws();
    uint64_t until = peer_now_ms() + 300;
    (void)state;

    conn_keepalive(session.conn, 50);
    conn_keepalive(session.conn, 0);
    while (peer_now_ms() < until) loop_epoll_once(peer_loop, 20);
    peer_receive(&peer);
    assert_int_equal(kith_buf_len(&peer.in), 0);
    assert_false(session.is_closed);
    peer_close(&peer);
}

static void test_conn_ws__compresses_long_texts_only_and_inflates_what_comes(void **state)
{
    /* RFC 7692, 7.2.3.1: "Hello" compressed, masked here with zeros. */
    static const char hello[] = "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00";
    struct peer peer = dial();
    char text[1000], payload[1200];
    uint8_t first;
    (void)state;

    peer_upgrade(&peer, "/ws", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    peer_send(&peer, kith_slice_of(hello, sizeof hello - 1));
    assert_got("Hello");
    memset(text, 'z', sizeof text);
    conn_send(session.conn, kith_slice_of(text, 100), true);
    conn_send(session.conn, kith_slice_of(text, sizeof text), false);
    conn_send(session.conn, kith_slice_of(text, sizeof text), true);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_TEXT);
    assert_int_equal(strlen(payload), 100);
    assert_int_equal(peer_next_frame(&peer, payload, sizeof payload), WS_BINARY);
    assert_int_equal(strlen(payload), sizeof text);
    peer_wait_len(&peer, 1);
    first = kith_buf_peek(&peer.in).ptr[0];
    assert_int_equal(first, 0xc1); /* final, compressed, text */
    assert_true(kith_buf_len(&peer.in) < 100);
    peer_turn_idle();
    assert_int_equal(bytes_used(), CONN_WS_BYTES);
    peer_close(&peer);
}

static void test_conn_ws__bad_handshakes_get_their_answer(void **state)
{
    static const char good[] = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    static const struct {
        const char *more, *status, *also;
        kith_err err;
    } cases[] = {
        {"Sec-WebSocket-Version: 8\r\n", "HTTP/1.1 426 ", "Sec-WebSocket-Version: 13\r\n", KITH_E_MALFORMED},
        {"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "HTTP/1.1 400 ", "MALFORMED", KITH_E_MALFORMED},
        {"Sec-WebSocket-Version: 13\r\nOrigin: https://evil.test\r\n", "HTTP/1.1 403 ", "FORBIDDEN", KITH_E_DENIED},
        {"Sec-WebSocket-Version: 13\r\nOrigin: https://app.test\r\n", "HTTP/1.1 101 ", "Upgrade", KITH_OK},
        {"Sec-WebSocket-Version: 13\r\nOrigin: http://a\r\n", "HTTP/1.1 101 ", "Upgrade", KITH_OK},
        {"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v10.stomp, v12.stomp\r\n", "HTTP/1.1 101 ",
         "Sec-WebSocket-Protocol: v12.stomp\r\n", KITH_OK},
    };
    char request[600];
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer peer = dial();
        (void)snprintf(request, sizeof request, "GET /ws HTTP/1.1\r\nHost: a\r\n%s%s\r\n", good, cases[i].more);
        peer_send_str(&peer, request);
        peer_wait_str(&peer, "\r\n\r\n");
        if (!peer_has(&peer, cases[i].status)) print_error("%zu: %.*s", i, (int)kith_buf_len(&peer.in), (const char *)peer.in.ptr);
        assert_true(peer_has(&peer, cases[i].status));
        peer_wait_str(&peer, cases[i].also);
        assert_int_equal(upgraded, cases[i].err);
        peer_close(&peer);
        if (upgraded == KITH_OK) assert_closed(CONN_CLOSED_PEER);
        session.is_closed = false;
    }
}

static void test_conn_ws__a_closing_server_says_going_away(void **state)
{
    struct peer peer = dial_ws();
    (void)state;

    http_server_close(server, on_server_closed, NULL);
    assert_false(session.is_closed);
    peer_turn_until(&server_closed);
    server = NULL;
    assert_closed(CONN_CLOSED_OURS);
    assert_int_equal(peer_next_close(&peer), 1001);
    peer_close(&peer);
}

static void test_conn_ws__the_echo_sends_whole_messages_back(void **state)
{
    struct peer peer = dial();
    size_t len = 5 * 1024 * 1024; /* more than a session's queue */
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

static void test_conn_ws__many_at_once_do_not_mix(void **state)
{
    enum { PEERS = 40 };
    struct peer peers[PEERS];
    char text[100], payload[100];
    (void)state;

    for (int i = 0; i < PEERS; i++) {
        peers[i] = dial();
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

#define TEST(name) cmocka_unit_test_setup_teardown(test_conn_ws__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_messages_however_they_are_cut),
        TEST(takes_frames_byte_by_byte),
        TEST(what_came_with_the_handshake_counts),
        TEST(an_idle_one_has_its_price_only),
        TEST(what_one_wake_up_sends_leaves_in_one_write),
        TEST(answers_pings_between_fragments),
        TEST(answers_a_close_with_its_code),
        TEST(our_close_waits_for_the_peers),
        TEST(a_peer_that_does_not_answer_our_close_is_left),
        TEST(the_last_frame_survives_what_the_peer_still_sends),
        TEST(broken_frames_get_their_code),
        TEST(a_message_at_its_maximum_is_taken_and_one_past_it_is_not),
        TEST(a_reader_that_does_not_drain_is_closed),
        TEST(a_reader_that_goes_on_is_not_slow),
        TEST(a_queue_past_its_maximum_is_closed_at_once),
        TEST(tells_once_when_the_queue_has_drained),
        TEST(a_paused_one_reads_nothing_and_loses_nothing),
        TEST(keepalive_pings_and_gives_up),
        TEST(keepalive_off_is_off),
        TEST(compresses_long_texts_only_and_inflates_what_comes),
        TEST(bad_handshakes_get_their_answer),
        TEST(a_closing_server_says_going_away),
        TEST(the_echo_sends_whole_messages_back),
        TEST(many_at_once_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
