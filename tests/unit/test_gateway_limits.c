#include <stdio.h>

#include "gateway_fixture.h"

/* The maxima of gateway.h that no other test reaches, at them and beyond. */

static unsigned take(struct fx_peer *peer, const struct fx_frame **last)
{
    unsigned count = 0;
    struct fx_frame *frame;

    while ((frame = fx_next(peer)) != NULL) {
        count++;
        *last = frame;
    }
    return count;
}

/* GATEWAY_STREAMS_MAX chats may be unfinished at a time: the others wait, and come when these are acknowledged. */
static void test_gateway_limits__i_e6_more_chats_than_states_all_come(void **state)
{
    enum { CHATS = GATEWAY_STREAMS_MAX + 200 };
    struct fx fx = {0};
    struct fx_peer *bob;
    const struct fx_frame *last = NULL;
    struct gateway_stats stats;
    unsigned first, count;

    (void)state;
    fx_open(&fx, 1, 1);
    for (uint32_t i = 1; i <= CHATS; i++) fx_direct(&fx, i, 2, 10 + i, false);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, "ack:client\nprefetch-count:10000\n");
    fx_run(&fx, 500);
    count = first = take(bob, &last);
    assert_true(first > GATEWAY_STREAMS_MAX - 64 && first <= GATEWAY_STREAMS_MAX);
    gateway_stats(fx.gateways[0], &stats);
    assert_true(stats.streams <= GATEWAY_STREAMS_MAX);
    /* A hint for a chat that has no state, while there is no room for one. */
    for (uint32_t i = CHATS - 50; i <= CHATS; i++) (void)fx_say(&fx, i, 2, 9, "more");
    gateway_stats(fx.gateways[0], &stats);
    assert_true(stats.streams <= GATEWAY_STREAMS_MAX);
    for (unsigned round = 0; round < 10; round++) {
        if (last != NULL) fx_ack(bob, last);
        fx_run(&fx, 500);
        count += take(bob, &last);
    }
    assert_int_equal(count, CHATS + 51);
    fx_close(&fx);
}

/* More sessions read than GATEWAY_READERS_MAX: they wait in line, nobody is forgotten. */
static void test_gateway_limits__more_readers_than_there_are_wait_in_line(void **state)
{
    enum { PEERS = GATEWAY_READERS_MAX * 2 + 10 };
    struct fx fx = {.store_delay_ms = 20};
    struct fx_peer *peers[PEERS];
    struct gateway_stats stats;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_group(&fx, 1, PEERS, false);
    (void)fx_say(&fx, 1, 1, 1, "x");
    for (uint32_t i = 0; i < PEERS; i++) peers[i] = fx_connect(&fx, 0, i + 1, i + 1);
    for (uint32_t i = 0; i < PEERS; i++) fx_send(peers[i], "SUBSCRIBE\nid:in\ndestination:/inbox\nack:client\n\n");
    gateway_stats(fx.gateways[0], &stats);
    assert_int_equal(stats.readers, GATEWAY_READERS_MAX);
    assert_int_equal(stats.readers_waiting, PEERS - GATEWAY_READERS_MAX);
    for (uint32_t i = 0; i < PEERS; i += 5) fx_drop(peers[i]); /* some leave the line */
    fx_run(&fx, 3000);
    for (uint32_t i = 0; i < PEERS; i++) {
        if (i % 5 == 0) continue;
        fx_expect_seq(peers[i], 1, 1);
        fx_expect_seq(peers[i], 1, 2);
        fx_expect_nothing(peers[i]);
    }
    gateway_stats(fx.gateways[0], &stats);
    assert_int_equal(stats.readers, 0);
    assert_int_equal(stats.readers_waiting, 0);
    fx_close(&fx);
}

/* Half of GATEWAY_STREAMS_MAX chats with refused messages, and one more: the connection must be made anew. */
static void test_gateway_limits__a_client_that_refuses_everything_must_come_again(void **state)
{
    enum { CHATS = GATEWAY_STREAMS_MAX / 2 + 1 };
    struct fx fx = {0};
    struct fx_peer *bob;
    const struct fx_frame *frame;

    (void)state;
    fx_open(&fx, 1, 1);
    for (uint32_t i = 1; i <= CHATS; i++) fx_direct(&fx, i, 2, 10 + i, false);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, "ack:client-individual\nprefetch-count:10000\n");
    fx_run(&fx, 500);
    for (unsigned i = 1; i <= CHATS; i++) {
        assert_false(bob->closing);
        frame = fx_expect(bob, STOMP_MESSAGE);
        fx_send(bob, "NACK\nid:%s\n\n", fx_header(frame, "ack"));
    }
    fx_expect_error(bob, "TOO_MANY", 1008);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, "ack:client\nprefetch-count:10000\n");
    fx_run(&fx, 500);
    for (unsigned i = 1; i <= CHATS; i++)
        assert_string_equal(fx_header(fx_expect(bob, STOMP_MESSAGE), "redelivered"), "true");
    fx_close(&fx);
}

/* What waits behind a session that must wait is bounded: more than a frame and the spare ends it. */
static void test_gateway_limits__input_of_a_waiting_session_is_bounded(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;
    char *bytes = calloc(1, 65536);
    size_t kept = 0;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, '\n', 65536);
    fx_open(&fx, 1, 1);
    fx.check_ms = 1000;
    peer = fx_peer(&fx, 0, "u1d1");
    fx_send(peer, "CONNECT\naccept-version:1.2\n\n");
    while (!peer->closing) { /* although it was paused */
        fx_bytes(peer, bytes, 65536);
        kept += 65536;
        assert_true(kept <= GATEWAY_CONNECT_BYTES_MAX + GATEWAY_HELLO_BYTES_SPARE + 65536);
    }
    fx_expect_error(peer, "TOO_BIG", 1009);
    fx_close(&fx);
    free(bytes);
}

/* Beyond GATEWAY_LEFTOVERS_MAX devices the oldest is forgotten: flagged then is what may have been sent, not less. */
static void test_gateway_limits__i_e6_forgotten_devices_are_flagged_generously(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;
    struct gateway_stats stats;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, "ack:client\n");
    fx_expect_seq(bob, 1, 1);
    fx_drop(bob);
    for (uint32_t i = 0; i < GATEWAY_LEFTOVERS_MAX; i++) { /* the same person on many devices */
        struct fx_peer *peer = fx_peer(&fx, 0, NULL);
        fx_send(peer, "CONNECT\naccept-version:1.2\npasscode:u2d%u\n\n", 100 + i);
        fx_run(&fx, 1);
        fx_send(peer, "SUBSCRIBE\nid:in\ndestination:/inbox\nack:client\n\n");
        fx_run(&fx, 1);
        fx_drop(peer);
        fx_forget_last(&fx);
    }
    gateway_stats(fx.gateways[0], &stats);
    assert_int_equal(stats.leftovers, GATEWAY_LEFTOVERS_MAX);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, "ack:client\n");
    assert_string_equal(fx_header(fx_expect_seq(bob, 1, 1), "redelivered"), "true");
    assert_null(fx_header(fx_expect_seq(bob, 1, fx_say(&fx, 1, 1, 1, "new")), "redelivered"));
    fx_close(&fx);
}

/* Before CONNECT was answered a frame may have GATEWAY_CONNECT_BYTES_MAX bytes and no more; after it, as many as any. */
static void test_gateway_limits__a_frame_before_connect_is_small(void **state)
{
    (void)state;
    for (unsigned more = 0; more <= 1; more++) {
        struct fx fx = {0};
        struct fx_peer *peer;
        char *bytes = malloc(GATEWAY_CONNECT_BYTES_MAX + 2);
        size_t at = 0, want = GATEWAY_CONNECT_BYTES_MAX + more;
        assert_non_null(bytes);
        at += (size_t)snprintf(bytes, 100, "CONNECT\naccept-version:1.2\npasscode:u1d1\n");
        while (at < want - 2) { /* headers of up to 8000 bytes */
            size_t len = want - 2 - at > 8000 ? 7000 : want - 2 - at;
            memset(bytes + at, 'h', len);
            bytes[at + 1] = ':';
            bytes[at + len - 1] = '\n';
            at += len;
        }
        bytes[at++] = '\n';
        bytes[at++] = '\0';
        fx_open(&fx, 1, 1);
        peer = fx_peer(&fx, 0, NULL);
        fx_bytes(peer, bytes, at / 2);
        fx_bytes(peer, bytes + at / 2, at - at / 2);
        fx_run(&fx, 10);
        if (more == 0)
            fx_expect(peer, STOMP_CONNECTED);
        else
            fx_expect_error(peer, "TOO_BIG", 1009);
        fx_close(&fx);
        free(bytes);
    }
}

struct fixture {
    struct fx fx;
    struct fx_peer *ann; /* user 1, with /errors; in chat 1 with user 2 */
};

static void open(struct fixture *f, struct gateway_limits limits)
{
    *f = (struct fixture){.fx = {.limits = limits}};
    fx_open(&f->fx, 1, 1);
    fx_direct(&f->fx, 1, 1, 2, false);
    f->ann = fx_connect(&f->fx, 0, 1, 1);
    fx_errors(f->ann);
}

static void send_big(struct fixture *f, size_t body_len, const char *receipt)
{
    char *bytes = malloc(body_len + 1024);
    int head;

    assert_non_null(bytes);
    head = snprintf(bytes, 1024,
                    "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:%s\ncontent-type:a/b\ncontent-length:%zu\n\n",
                    fx_id(CHAT(1).id), fx_id(fx_msg_id(&f->fx).id), receipt, body_len);
    memset(bytes + head, 'x', body_len);
    bytes[(size_t)head + body_len] = '\0';
    fx_bytes(f->ann, bytes, (size_t)head + body_len + 1);
    fx_run(&f->fx, 20);
    free(bytes);
}

/* GATEWAY_INPUT_BYTES_SPARE beyond one frame is kept for an open session that must wait; one byte more ends it. */
static void test_gateway_limits__input_of_an_open_session_is_kept_to_the_limit_and_no_byte_more(void **state)
{
    const size_t most = KITH_FRAME_BYTES_MAX + GATEWAY_INPUT_BYTES_SPARE;
    char *beats = malloc(most);

    (void)state;
    assert_non_null(beats);
    memset(beats, '\n', most);
    for (unsigned more = 0; more <= 1; more++) {
        struct fixture f;

        open(&f, (struct gateway_limits){.in_flight_max = 1});
        fx_send_message(f.ann, 1, fx_msg_id(&f.fx), "waits", "x");
        assert_true(f.ann->paused);
        fx_bytes(f.ann, beats, most / 2);
        fx_bytes(f.ann, beats, most - most / 2);
        assert_false(f.ann->closing);
        if (more == 1) {
            fx_bytes(f.ann, beats, 1);
            fx_expect_error(f.ann, "TOO_BIG", 1009);
        } else {
            fx_run(&f.fx, 50);
            assert_string_equal(fx_header(fx_expect(f.ann, STOMP_RECEIPT), "receipt-id"), "waits");
            assert_false(f.ann->paused);
            fx_send_message(f.ann, 1, fx_msg_id(&f.fx), "next", "y");
            fx_run(&f.fx, 50);
            assert_string_equal(fx_header(fx_expect(f.ann, STOMP_RECEIPT), "receipt-id"), "next");
        }
        fx_close(&f.fx);
    }
    free(beats);
}

static void show_typing(struct fx_peer *peer, uint32_t chat, bool on)
{
    fx_send(peer, "SEND\ndestination:/chat/%s/typing\n\n{\"typing\":%s}", fx_id(CHAT(chat).id), on ? "true" : "false");
    fx_run(peer->fx, 1);
}

/* GATEWAY_TYPING_MAX: one more is not shown, which is harmless, until another has ended. */
static void test_gateway_limits__so_many_are_shown_typing_and_one_more_is_not(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *last, *more;

    (void)state;
    fx_open(&fx, 1, 1);
    for (uint32_t i = 1; i <= GATEWAY_TYPING_MAX + 1; i++) fx_direct(&fx, i, 2, 10 + i, false);
    ann = fx_connect(&fx, 0, 2, 2);
    last = fx_connect(&fx, 0, 10 + GATEWAY_TYPING_MAX, 3);
    more = fx_connect(&fx, 0, 10 + GATEWAY_TYPING_MAX + 1, 4);
    fx_send(last, "SUBSCRIBE\nid:ev\ndestination:/events\n\n");
    fx_send(more, "SUBSCRIBE\nid:ev\ndestination:/events\n\n");
    fx_run(&fx, 50);
    for (uint32_t i = 1; i < GATEWAY_TYPING_MAX; i++) show_typing(ann, i, true);
    last->next = last->frame_count; /* what came of receipts */
    more->next = more->frame_count;
    show_typing(ann, GATEWAY_TYPING_MAX, true);
    assert_non_null(strstr(fx_expect(last, STOMP_MESSAGE)->body, "\"typing\":true"));
    show_typing(ann, GATEWAY_TYPING_MAX + 1, true);
    fx_expect_nothing(more);
    show_typing(ann, 1, false);
    show_typing(ann, GATEWAY_TYPING_MAX + 1, true);
    assert_non_null(strstr(fx_expect(more, STOMP_MESSAGE)->body, "\"typing\":true"));
    fx_expect_nothing(ann);
    fx_close(&fx);
}

/* KITH_MESSAGE_BYTES_MAX and one more; max-frame-bytes and one more. */
static void test_gateway_limits__the_largest_message_and_one_byte_more(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, (struct gateway_limits){0});
    fx_inbox(f.ann, "ack:client\n");
    fx_expect_seq(f.ann, 1, 1);
    send_big(&f, KITH_MESSAGE_BYTES_MAX, "fits");
    assert_string_equal(fx_header(fx_expect(f.ann, STOMP_RECEIPT), "receipt-id"), "fits");
    assert_int_equal(fx_expect_seq(f.ann, 1, 2)->body_len, KITH_MESSAGE_BYTES_MAX);
    send_big(&f, KITH_MESSAGE_BYTES_MAX + 1, "too big");
    assert_string_equal(fx_header(fx_expect_refusal(f.ann, "TOO_BIG"), "receipt-id"), "too big");
    send_big(&f, KITH_FRAME_BYTES_MAX, "no frame");
    fx_expect_error(f.ann, "TOO_BIG", 1009);
    fx_close(&f.fx);
}

static void test_gateway_limits__a_frame_of_the_largest_size_and_one_byte_more(void **state)
{
    (void)state;
    for (unsigned more = 0; more <= 1; more++) {
        struct fixture f;
        char head[200], *bytes = malloc(2000);
        int len;
        assert_non_null(bytes);
        open(&f, (struct gateway_limits){.frame_bytes_max = 1000});
        len = snprintf(head, sizeof head, "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:r\n\n", fx_id(CHAT(1).id),
                       fx_id(fx_msg_id(&f.fx).id));
        memcpy(bytes, head, (size_t)len);
        memset(bytes + len, 'x', 2000 - (size_t)len);
        bytes[999 + more] = '\0';
        fx_bytes(f.ann, bytes, 1000 + more);
        fx_run(&f.fx, 20);
        if (more == 0)
            fx_expect(f.ann, STOMP_RECEIPT);
        else
            fx_expect_error(f.ann, "TOO_BIG", 1009);
        free(bytes);
        fx_close(&f.fx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_limits__a_frame_of_the_largest_size_and_one_byte_more),
        cmocka_unit_test(test_gateway_limits__the_largest_message_and_one_byte_more),
        cmocka_unit_test(test_gateway_limits__i_e6_more_chats_than_states_all_come),
        cmocka_unit_test(test_gateway_limits__more_readers_than_there_are_wait_in_line),
        cmocka_unit_test(test_gateway_limits__a_client_that_refuses_everything_must_come_again),
        cmocka_unit_test(test_gateway_limits__a_frame_before_connect_is_small),
        cmocka_unit_test(test_gateway_limits__input_of_a_waiting_session_is_bounded),
        cmocka_unit_test(test_gateway_limits__input_of_an_open_session_is_kept_to_the_limit_and_no_byte_more),
        cmocka_unit_test(test_gateway_limits__so_many_are_shown_typing_and_one_more_is_not),
        cmocka_unit_test(test_gateway_limits__i_e6_forgotten_devices_are_flagged_generously),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
