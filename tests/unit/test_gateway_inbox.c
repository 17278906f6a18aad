#include <stdio.h>

#include "gateway_fixture.h"

#define CLIENT "ack:client\n"

static void say(struct fx *fx, uint32_t chat, unsigned count)
{
    char text[32];

    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "message %u", i);
        (void)fx_say(fx, chat, 1, 1, text);
    }
}

/* A first walk through: a message goes from one device to the others, live; the sender gets its own too. */
static void test_gateway_inbox__a_message_reaches_the_other_and_its_own_sender(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *bob;
    struct fx_frame *frame;
    struct msg_id id;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    ann = fx_connect(&fx, 0, 1, 1);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(ann, CLIENT);
    fx_inbox(bob, CLIENT);
    frame = fx_expect_seq(ann, 1, 1);
    assert_string_equal(fx_header(frame, "type"), "created");
    assert_string_equal(fx_header(frame, "content-type"), "application/json");
    fx_expect_seq(bob, 1, 1);
    id = fx_msg_id(&fx);
    fx_send_message(ann, 1, id, "r1", "hello");
    fx_run(&fx, 20);
    frame = fx_expect(ann, STOMP_RECEIPT);
    assert_string_equal(fx_header(frame, "receipt-id"), "r1");
    fx_expect_seq(ann, 1, 2);
    frame = fx_expect_seq(bob, 1, 2);
    assert_string_equal(frame->body, "hello");
    assert_string_equal(fx_header(frame, "subscription"), "in");
    assert_string_equal(fx_header(frame, "client-id"), fx_id(id.id));
    assert_string_equal(fx_header(frame, "sender"), fx_id(USER(1).id));
    assert_string_equal(fx_header(frame, "sender-device"), fx_id(DEVICE(1).id));
    assert_string_equal(fx_header(frame, "type"), "message");
    assert_string_equal(fx_header(frame, "encrypted"), "false");
    assert_int_equal(strlen(fx_header(frame, "created-at")), 24);
    assert_null(fx_header(frame, "redelivered"));
    fx_close(&fx);
}

/* Pages of the store and their borders; a chat's past comes whole and in order. */
static void test_gateway_inbox__a_long_past_comes_whole_and_in_order(void **state)
{
    static const unsigned lengths[] = {62, 63, 64, 65, 127, 128, 129, 300};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct fx fx = {0};
        struct fx_peer *bob;
        fx_open(&fx, 1, i);
        fx_direct(&fx, 1, 1, 2, false);
        say(&fx, 1, lengths[i]);
        bob = fx_connect(&fx, 0, 2, 2);
        fx_inbox(bob, CLIENT);
        fx_run(&fx, 50);
        for (uint64_t seq = 1; seq <= lengths[i] + 1; seq++) fx_expect_seq(bob, 1, seq);
        fx_expect_nothing(bob);
        fx_close(&fx);
    }
}

/* More chats than one page of the scan; one with a long past holds up none of the others. */
static void test_gateway_inbox__chats_take_turns(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;
    struct fx_frame *frame;
    unsigned before_last_of_long = 0, seen[60] = {0};

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    say(&fx, 1, 400);
    for (uint32_t i = 2; i < 50; i++) {
        fx_direct(&fx, i, 1, 2, false);
        say(&fx, i, 3);
    }
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    fx_run(&fx, 200);
    while ((frame = fx_next(bob)) != NULL) {
        uint32_t chat = fx_chat_of(frame);
        assert_int_equal(fx_number(frame, "seq"), ++seen[chat]);
        if (chat != 1 && seen[1] < 300) before_last_of_long++;
    }
    assert_int_equal(seen[1], 401);
    for (uint32_t i = 2; i < 50; i++) assert_int_equal(seen[i], 4);
    assert_int_equal(before_last_of_long, 48 * 4);
    fx_close(&fx);
}

/* I-O5, I-C1: a chat at rest wakes with its next event, whatever is remembered of it. */
static void test_gateway_inbox__i_c1_a_chat_at_rest_wakes_up(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;
    struct gateway_stats stats;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    fx_ack(bob, fx_expect_seq(bob, 1, 1));
    for (unsigned round = 0; round < 3; round++) {
        fx_run(&fx, 200 * 1000);
        gateway_stats(fx.gateways[0], &stats);
        assert_int_equal(stats.streams, 0);
        fx_ack(bob, fx_expect_seq(bob, 1, (fx_say(&fx, 1, 1, 1, "wake up"))));
        fx_run(&fx, 1000);
        fx_ack(bob, fx_expect_seq(bob, 1, (fx_say(&fx, 1, 1, 1, "and again"))));
    }
    fx_expect_nothing(bob);
    gateway_stats(fx.gateways[0], &stats);
    assert_int_equal(stats.live, 6);
    fx_close(&fx);
}

/* prefetch-count: at it the stream stops, with each acknowledgement it goes on; also for live events. */
static void test_gateway_inbox__no_more_than_prefetch_count_is_unacknowledged(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;
    struct fx_frame *frame = NULL;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    say(&fx, 1, 20);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT "prefetch-count:5\n");
    for (uint64_t seq = 1; seq <= 5; seq++) frame = fx_expect_seq(bob, 1, seq);
    fx_run(&fx, 1000);
    fx_expect_nothing(bob);
    for (uint64_t seq = 6; seq <= 21; seq += 5) { /* all five at once */
        fx_ack(bob, frame);
        fx_run(&fx, 20);
        for (uint64_t i = 0; i < 5 && seq + i <= 21; i++) frame = fx_expect_seq(bob, 1, seq + i);
        fx_expect_nothing(bob);
    }
    say(&fx, 1, 10); /* 22..31; one is unacknowledged */
    for (uint64_t seq = 22; seq <= 25; seq++) frame = fx_expect_seq(bob, 1, seq);
    fx_expect_nothing(bob);
    fx_ack(bob, frame);
    fx_run(&fx, 20);
    for (uint64_t seq = 26; seq <= 30; seq++) frame = fx_expect_seq(bob, 1, seq);
    fx_expect_nothing(bob);
    fx_close(&fx);
}

/* A client that does not drain is sent no more until it has; then nothing is missing. */
static void test_gateway_inbox__a_full_connection_waits_for_its_client(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    fx_expect_seq(bob, 1, 1);
    bob->queued = CONN_QUEUE_HIGH + 1;
    say(&fx, 1, 100);
    fx_run(&fx, 100);
    fx_expect_nothing(bob);
    bob->queued = 0;
    bob->conn.user->drained(bob->conn.user);
    fx_run(&fx, 50);
    for (uint64_t seq = 2; seq <= 101; seq++) fx_expect_seq(bob, 1, seq);
    fx_expect_nothing(bob);
    fx_close(&fx);
}

/* What is gone for good comes as a gap: in the middle, in front, at the end, and what has expired but is still stored. */
static void test_gateway_inbox__i_o5_what_is_gone_comes_as_a_gap(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;
    struct fx_frame *frame;
    static const uint64_t erased[] = {1, 2, 5, 6, 7, 9, 10};

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    say(&fx, 1, 9);
    for (size_t i = 0; i < sizeof erased / sizeof erased[0]; i++) {
        struct row_key key = row_key_message(CHAT(1), erased[i]);
        fx_erase(&fx, &key);
    }
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    frame = fx_expect_seq(bob, 1, 2);
    assert_string_equal(fx_header(frame, "type"), "gap");
    assert_int_equal(fx_number(frame, "gap-from"), 1);
    assert_int_equal(fx_number(frame, "content-length"), 0);
    fx_expect_seq(bob, 1, 3);
    fx_expect_seq(bob, 1, 4);
    assert_int_equal(fx_number(fx_expect_seq(bob, 1, 7), "gap-from"), 5);
    fx_expect_seq(bob, 1, 8);
    frame = fx_expect_seq(bob, 1, 10);
    assert_int_equal(fx_number(frame, "gap-from"), 9);
    fx_ack(bob, frame); /* a gap is acknowledged as any other */
    fx_run(&fx, 200);
    assert_int_equal(fx_cursor(&fx, 1, 2), 10);
    fx_expect_seq(bob, 1, fx_say(&fx, 1, 1, 1, "on it goes"));
    fx_close(&fx);
}

static void test_gateway_inbox__what_has_expired_comes_as_a_gap(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;
    struct cmd cmd = {.verb = CMD_SEND, .stream = CHAT(1).id, .actor = USER(1), .device = DEVICE(1)};

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    cmd.id = fx_msg_id(&fx);
    cmd.expires_ms = SIM_WALL_START_MS + 60000;
    assert_int_equal(fx_ask(&fx, &cmd).seq, 2);
    (void)fx_say(&fx, 1, 1, 1, "stays");
    fx_run(&fx, 61000);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    fx_expect_seq(bob, 1, 1);
    assert_string_equal(fx_header(fx_expect_seq(bob, 1, 2), "type"), "gap");
    fx_expect_seq(bob, 1, 3);
    fx_close(&fx);
}

/* A chat that is made while one is connected starts with its first event; so does a group that one is added to. */
static void test_gateway_inbox__new_chats_appear(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;

    (void)state;
    fx_open(&fx, 1, 1);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    fx_expect_nothing(bob);
    fx_direct(&fx, 1, 1, 2, false);
    fx_expect_seq(bob, 1, 1);
    fx_direct(&fx, 2, 2, 3, true); /* also an encrypted one: this device was there when it began */
    fx_expect_seq(bob, 2, 1);
    fx_group(&fx, 3, 1, false);
    (void)fx_say(&fx, 3, 1, 1, "before");
    fx_expect_nothing(bob);
    fx_add(&fx, 3, 2);
    assert_string_equal(fx_header(fx_expect_seq(bob, 3, 3), "type"), "member");
    fx_expect_seq(bob, 3, fx_say(&fx, 3, 1, 1, "after"));
    fx_close(&fx);
}

/* Hints may be lost: heads are read again, and what was missed comes. */
static void test_gateway_inbox__i_e6_a_lost_hint_only_delays(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    fx_ack(bob, fx_expect_seq(bob, 1, 1));
    fx_run(&fx, 1000);
    asker_on_news(fx.askers[0], NULL, NULL);
    (void)fx_say(&fx, 1, 1, 1, "nobody hears of it");
    fx_run(&fx, 20000);
    fx_expect_nothing(bob);
    fx_run(&fx, 60000);
    fx_expect_seq(bob, 1, 2);
    fx_close(&fx);
}

/* A store that fails for a while, and then does not. */
static void test_gateway_inbox__reads_that_fail_are_tried_again(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;

    (void)state;
    for (uint32_t fails = 1; fails <= 12; fails++) {
        fx_open(&fx, 1, fails);
        fx_direct(&fx, 1, 1, 2, false);
        fx_direct(&fx, 2, 2, 3, true);
        say(&fx, 1, 3);
        bob = fx_connect(&fx, 0, 2, 2);
        msgstore_mem_fail_reads(fx.image, KITH_E_IO, fails);
        fx_inbox(bob, CLIENT);
        fx_run(&fx, 40000);
        assert_int_equal(bob->frame_count, 1 + 4 + 1);
        assert_false(bob->closing);
        fx_close(&fx);
    }
}

/* Every chance that an event has to come between registering and reading, over many schedules (architecture 2.9). */
static void test_gateway_inbox__i_e6_no_interleaving_of_subscribing_and_sending_strands_a_message(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct fx fx = {.store_delay_ms = (uint32_t)(seed % 5)};
        struct fx_peer *ann, *bob;
        fx_open(&fx, 2, seed);
        fx_direct(&fx, 1, 1, 2, false);
        fx_direct(&fx, 2, 1, 2, seed % 2 == 0);
        ann = fx_connect(&fx, 0, 1, 1);
        bob = fx_connect(&fx, 1, 2, 2);
        if (seed % 4 != 0) { /* at rest in both, or new to them */
            fx_inbox(bob, CLIENT);
            fx_run(&fx, 50);
            fx_ack(bob, &bob->frames[2]);
            fx_run(&fx, 200);
            bob = fx_connect(&fx, 0, 2, 2);
        }
        fx_send(bob, "SUBSCRIBE\nid:in\ndestination:/inbox\nack:client\n\n");
        for (unsigned i = 0; i < 10; i++) {
            fx_send_message(ann, 1 + i % 2, fx_msg_id(&fx), NULL, "x");
            fx_run(&fx, seed % 3 == 0 ? 0 : seed % 11);
        }
        fx_run(&fx, 200);
        assert_int_equal(bob->frame_count, 1 + (seed % 4 == 0 ? 2 : 0) + 10);
        fx_close(&fx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_inbox__a_message_reaches_the_other_and_its_own_sender),
        cmocka_unit_test(test_gateway_inbox__a_long_past_comes_whole_and_in_order),
        cmocka_unit_test(test_gateway_inbox__chats_take_turns),
        cmocka_unit_test(test_gateway_inbox__i_c1_a_chat_at_rest_wakes_up),
        cmocka_unit_test(test_gateway_inbox__no_more_than_prefetch_count_is_unacknowledged),
        cmocka_unit_test(test_gateway_inbox__a_full_connection_waits_for_its_client),
        cmocka_unit_test(test_gateway_inbox__i_o5_what_is_gone_comes_as_a_gap),
        cmocka_unit_test(test_gateway_inbox__what_has_expired_comes_as_a_gap),
        cmocka_unit_test(test_gateway_inbox__new_chats_appear),
        cmocka_unit_test(test_gateway_inbox__i_e6_a_lost_hint_only_delays),
        cmocka_unit_test(test_gateway_inbox__reads_that_fail_are_tried_again),
        cmocka_unit_test(test_gateway_inbox__i_e6_no_interleaving_of_subscribing_and_sending_strands_a_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
