#include <stdio.h>

#include "gateway_fixture.h"

static void events(struct fx_peer *peer)
{
    fx_send(peer, "SUBSCRIBE\nid:ev\ndestination:/events\n\n");
    fx_run(peer->fx, 50);
}

static struct fx_frame *expect_event(struct fx_peer *peer, uint32_t chat, const char *what)
{
    struct fx_frame *frame = fx_expect(peer, STOMP_MESSAGE);
    const char *destination = fx_header(frame, "destination");

    assert_string_equal(fx_header(frame, "subscription"), "ev");
    assert_null(fx_header(frame, "ack"));
    assert_string_equal(fx_header(frame, "content-type"), "application/json");
    assert_int_equal(strlen(destination), 6 + KITH_UUID_TEXT_LEN + strlen(what));
    assert_memory_equal(destination + 6, fx_id(CHAT(chat).id), KITH_UUID_TEXT_LEN);
    assert_string_equal(destination + 6 + KITH_UUID_TEXT_LEN, what);
    return frame;
}

/* read < 0: not said. */
static void expect_receipt(struct fx_peer *peer, uint32_t chat, uint32_t user, uint64_t delivered, int read)
{
    struct fx_frame *frame = expect_event(peer, chat, "/receipts");
    char start[160];
    int len = snprintf(start, sizeof start, "{\"user_id\":\"%s\",\"delivered_up_to\":%llu,", fx_id(USER(user).id),
                       (unsigned long long)delivered);

    if (read >= 0) len += snprintf(start + len, sizeof start - (size_t)len, "\"read_up_to\":%d,", read);
    snprintf(start + len, sizeof start - (size_t)len, "\"at\":\"");
    if (strncmp(frame->body, start, strlen(start)) != 0) fail_msg("wanted %s…, got %s", start, frame->body);
}

static struct chat_answer mark(struct fx *fx, enum cmd_verb verb, uint32_t chat, uint32_t user, uint64_t seq)
{
    struct cmd cmd = {.verb = verb, .stream = CHAT(chat).id, .actor = USER(user), .device = DEVICE(user), .seq = seq};

    return fx_ask(fx, &cmd);
}

static void receipts_off(struct fx *fx, uint32_t chat, uint32_t user)
{
    struct cmd cmd = {.verb = CMD_FACT, .stream = CHAT(chat).id, .subject = USER(user), .fact = FACT_RECEIPTS};

    assert_int_equal(fx_ask(fx, &cmd).code, CODE_OK);
}

/* I-R1: first the watermarks that are, then each move; read follows delivered. */
static void test_gateway_events__i_r1_watermarks_first_then_moves(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *bob;

    (void)state;
    fx_open(&fx, 2, 1);
    fx_direct(&fx, 1, 1, 2, false);
    fx_direct(&fx, 2, 1, 3, false);
    for (unsigned i = 0; i < 5; i++) (void)fx_say(&fx, 1, 1, 1, "x");
    (void)mark(&fx, CMD_CURSOR, 1, 2, 4);
    (void)mark(&fx, CMD_READ, 1, 2, 2);
    (void)mark(&fx, CMD_CURSOR, 2, 3, 1);
    ann = fx_connect(&fx, 0, 1, 1);
    events(ann);
    expect_receipt(ann, 1, 2, 4, 2);
    expect_receipt(ann, 2, 3, 1, 0);
    fx_expect_nothing(ann); /* those who have not moved yet are not told */
    bob = fx_connect(&fx, 1, 2, 2);
    fx_errors(bob);
    fx_inbox(bob, "ack:client\n");
    fx_ack(bob, &bob->frames[bob->frame_count - 1]);
    fx_run(&fx, 100);
    expect_receipt(ann, 1, 2, 6, 2);
    fx_send(bob, "SEND\ndestination:/chat/%s/read\nseq:6\nreceipt:r\n\n", fx_id(CHAT(1).id));
    fx_run(&fx, 50);
    expect_receipt(ann, 1, 2, 6, 6);
    bob->next = bob->frame_count - 1;
    assert_int_equal(fx_number(fx_expect(bob, STOMP_RECEIPT), "seq"), 6);
    fx_expect_nothing(ann);
    fx_close(&fx);
}

/* I-R3: who has receipts off shows nobody but the own devices how far it read, nor that it did; and sees nobody's. */
static void test_gateway_events__i_r3_switched_off_means_off_both_ways(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *bob, *bob_too;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    for (unsigned i = 0; i < 5; i++) (void)fx_say(&fx, 1, 1, 1, "x");
    receipts_off(&fx, 1, 2);
    (void)mark(&fx, CMD_CURSOR, 1, 2, 3);
    (void)mark(&fx, CMD_READ, 1, 2, 2);
    (void)mark(&fx, CMD_CURSOR, 1, 1, 6);
    (void)mark(&fx, CMD_READ, 1, 1, 5);
    ann = fx_connect(&fx, 0, 1, 1);
    bob = fx_connect(&fx, 0, 2, 2);
    bob_too = fx_connect(&fx, 0, 2, 22);
    events(ann);
    events(bob);
    events(bob_too);
    expect_receipt(ann, 1, 1, 6, 5);
    expect_receipt(ann, 1, 2, 3, -1);
    expect_receipt(bob, 1, 1, 6, -1);
    expect_receipt(bob, 1, 2, 3, 2);
    bob_too->next = bob_too->frame_count;
    (void)mark(&fx, CMD_READ, 1, 2, 3); /* a read that delivers nothing: no news for Ann */
    fx_expect_nothing(ann);
    expect_receipt(bob, 1, 2, 3, 3);
    expect_receipt(bob_too, 1, 2, 3, 3);
    (void)mark(&fx, CMD_CURSOR, 1, 2, 4);
    expect_receipt(ann, 1, 2, 4, -1);
    (void)mark(&fx, CMD_READ, 1, 1, 6); /* Ann reads: her other devices would see it, Bob does not */
    expect_receipt(ann, 1, 1, 6, 6);
    bob->next++;
    fx_expect_nothing(bob);
    fx_close(&fx);
}

static void test_gateway_events__the_setting_may_change_while_connected(void **state)
{
    struct fx fx = {0};
    struct account_watcher *watcher;
    struct fx_peer *bob;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    bob = fx_connect(&fx, 0, 2, 2);
    events(bob);
    (void)mark(&fx, CMD_READ, 1, 1, 1);
    expect_receipt(bob, 1, 1, 1, 1);
    watcher = gateway_watcher(fx.gateways[0]);
    watcher->receipts(watcher, USER(1), false); /* somebody else's, who is not here */
    watcher->receipts(watcher, USER(2), false);
    (void)fx_say(&fx, 1, 2, 2, "x");
    (void)mark(&fx, CMD_READ, 1, 1, 2);
    expect_receipt(bob, 1, 1, 2, -1);
    watcher->receipts(watcher, USER(2), true);
    (void)fx_say(&fx, 1, 2, 2, "x");
    (void)mark(&fx, CMD_READ, 1, 1, 3);
    expect_receipt(bob, 1, 1, 3, 3);
    fx_close(&fx);
}

/* I-A1: who left is not shown any more, and is shown nothing. */
static void test_gateway_events__who_left_is_not_shown(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *bob;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_group(&fx, 1, 3, false);
    (void)mark(&fx, CMD_CURSOR, 1, 2, 1);
    (void)mark(&fx, CMD_CURSOR, 1, 3, 1);
    fx_remove(&fx, 1, 2);
    ann = fx_connect(&fx, 0, 1, 1);
    bob = fx_connect(&fx, 0, 2, 2);
    events(ann);
    events(bob);
    expect_receipt(ann, 1, 3, 1, 0);
    fx_expect_nothing(ann);
    fx_expect_nothing(bob);
    (void)mark(&fx, CMD_CURSOR, 1, 3, 2);
    expect_receipt(ann, 1, 3, 2, 0);
    fx_expect_nothing(bob);
    fx_close(&fx);
}

static void typing(struct fx_peer *peer, const char *headers, const char *body)
{
    fx_send(peer, "SEND\ndestination:/chat/%s/typing\n%s\n%s", fx_id(CHAT(1).id), headers, body);
    fx_run(peer->fx, 20);
}

static void expect_typing(struct fx_peer *peer, uint32_t user, bool on)
{
    char body[100];

    snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"typing\":%s}", fx_id(USER(user).id), on ? "true" : "false");
    assert_string_equal(expect_event(peer, 1, "/typing")->body, body);
}

/* I-P2: typing is shown on every loop, ends when the client says so, goes, or is silent for 8 s. */
static void test_gateway_events__i_p2_typing_is_shown_and_ends(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *ann_too, *bob;

    (void)state;
    fx_open(&fx, 3, 1);
    fx_direct(&fx, 1, 1, 2, false);
    ann = fx_connect(&fx, 0, 1, 1);
    ann_too = fx_connect(&fx, 1, 1, 11);
    bob = fx_connect(&fx, 2, 2, 2);
    events(ann);
    events(ann_too);
    events(bob);
    typing(ann, "receipt:t\n", "");
    assert_string_equal(fx_header(fx_expect(ann, STOMP_RECEIPT), "receipt-id"), "t");
    expect_typing(bob, 1, true);
    typing(ann, "receipt:t\n", "{ \"typing\" : false }");
    fx_expect(ann, STOMP_RECEIPT);
    expect_typing(bob, 1, false);
    typing(ann, "", "{\"typing\":true}");
    expect_typing(bob, 1, true);
    typing(ann, "", ""); /* again at once: not passed on */
    fx_expect_nothing(bob);
    fx_run(&fx, GATEWAY_TYPING_MS - 1000);
    fx_expect_nothing(bob);
    typing(ann, "", ""); /* renewed */
    expect_typing(bob, 1, true);
    fx_run(&fx, GATEWAY_TYPING_MS - 1000);
    fx_expect_nothing(bob);
    fx_run(&fx, 1100);
    expect_typing(bob, 1, false);
    typing(ann, "", "");
    expect_typing(bob, 1, true);
    fx_drop(ann);
    fx_run(&fx, 10);
    expect_typing(bob, 1, false);
    fx_expect_nothing(ann_too); /* one's own devices are not told */
    fx_close(&fx);
}

static void test_gateway_events__typing_of_strangers_and_the_blocked_is_not_shown(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann, *bob, *eve;
    struct cmd block = {.verb = CMD_FACT, .stream = CHAT(1).id, .subject = USER(2), .fact = FACT_BLOCKS, .value = 1};

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    ann = fx_connect(&fx, 0, 1, 1);
    bob = fx_connect(&fx, 0, 2, 2);
    eve = fx_connect(&fx, 0, 3, 3);
    fx_errors(ann);
    fx_errors(eve);
    events(bob);
    typing(eve, "receipt:r\n", "");
    fx_expect_refusal(eve, "NOT_FOUND");
    assert_int_equal(fx_ask(&fx, &block).code, CODE_OK);
    typing(ann, "receipt:r\n", "");
    fx_expect(ann, STOMP_RECEIPT); /* the blocked one is not told either (I-V4) */
    fx_expect_nothing(bob);
    fx_close(&fx);
}

/* A thousand acknowledgements of one message do not become a million events at once; all come in the end. */
static void test_gateway_events__receipts_of_a_large_group_come_bit_by_bit(void **state)
{
    struct fx fx = {0};
    struct fx_peer *ann;
    size_t first_burst;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_group(&fx, 1, 200, false);
    ann = fx_connect(&fx, 0, 1, 1);
    events(ann);
    for (uint32_t user = 2; user <= 200; user++) {
        struct cmd cmd = {
            .verb = CMD_CURSOR, .stream = CHAT(1).id, .actor = USER(user), .device = DEVICE(user), .seq = 1};
        fx_tell(&fx, &cmd);
    }
    fx_run(&fx, 90);
    first_burst = ann->frame_count;
    fx_run(&fx, 5000);
    assert_true(first_burst <= 20);
    assert_int_equal(ann->frame_count, 1 + 199);
    fx_close(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_events__i_r1_watermarks_first_then_moves),
        cmocka_unit_test(test_gateway_events__i_r3_switched_off_means_off_both_ways),
        cmocka_unit_test(test_gateway_events__the_setting_may_change_while_connected),
        cmocka_unit_test(test_gateway_events__who_left_is_not_shown),
        cmocka_unit_test(test_gateway_events__i_p2_typing_is_shown_and_ends),
        cmocka_unit_test(test_gateway_events__typing_of_strangers_and_the_blocked_is_not_shown),
        cmocka_unit_test(test_gateway_events__receipts_of_a_large_group_come_bit_by_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
