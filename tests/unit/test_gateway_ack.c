#include <stdio.h>

#include "gateway_fixture.h"

struct fixture {
    struct fx fx;
    struct fx_peer *bob;         /* user 2, with /errors and /inbox; in chats 1 and 2 with user 1 */
    struct fx_frame *frames[50]; /* what came, in order */
    unsigned count;
};

static void take_all(struct fixture *f)
{
    struct fx_frame *frame;

    while ((frame = fx_next(f->bob)) != NULL) {
        assert_int_equal(frame->command, STOMP_MESSAGE);
        assert_true(f->count < 50);
        f->frames[f->count++] = frame;
    }
}

static void subscribe(struct fixture *f, const char *mode)
{
    f->count = 0;
    f->bob = fx_connect(&f->fx, 0, 2, 2);
    fx_errors(f->bob);
    fx_inbox(f->bob, mode);
    fx_run(&f->fx, 20);
    take_all(f);
}

/* Ten deliveries: chat 1 has 5 events, chat 2 too. */
static void open(struct fixture *f, const char *mode)
{
    *f = (struct fixture){0};
    fx_open(&f->fx, 1, 1);
    for (uint32_t chat = 1; chat <= 2; chat++) {
        fx_direct(&f->fx, chat, 1, 2, false);
        for (unsigned i = 0; i < 4; i++) (void)fx_say(&f->fx, chat, 1, 1, "x");
    }
    subscribe(f, mode);
    assert_int_equal(f->count, 10);
}

static struct fx_frame *of(const struct fixture *f, uint32_t chat, uint64_t seq)
{
    for (unsigned i = 0; i < f->count; i++)
        if (strcmp(fx_header(f->frames[i], "destination") + 6, fx_id(CHAT(chat).id)) == 0 &&
            fx_number(f->frames[i], "seq") == seq)
            return f->frames[i];
    fail_msg("seq %u of chat %u did not come", (unsigned)seq, chat);
    return NULL;
}

static void test_gateway_ack__cumulative_is_in_delivery_order_over_all_chats(void **state)
{
    struct fixture f;
    uint64_t highest[3] = {0};

    (void)state;
    open(&f, "ack:client\n");
    for (unsigned i = 0; i <= 6; i++) {
        bool is_second = strcmp(fx_header(f.frames[i], "destination") + 6, fx_id(CHAT(2).id)) == 0;
        highest[is_second ? 2 : 1] = fx_number(f.frames[i], "seq");
    }
    fx_ack(f.bob, f.frames[6]);
    fx_run(&f.fx, 200);
    for (uint32_t chat = 1; chat <= 2; chat++)
        assert_int_equal(fx_cursor(&f.fx, chat, 2), highest[chat] == 0 ? UINT64_MAX : highest[chat]);
    fx_close(&f.fx);
}

/* I-C2: the cursor is the contiguous acknowledged prefix: what lies beyond a hole does not count until it is filled. */
static void test_gateway_ack__i_c2_individual_moves_the_contiguous_prefix(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, "ack:client-individual\n");
    fx_ack(f.bob, of(&f, 1, 2));
    fx_ack(f.bob, of(&f, 1, 4));
    fx_ack(f.bob, of(&f, 2, 1));
    fx_run(&f.fx, 200);
    assert_int_equal(fx_cursor(&f.fx, 1, 2), UINT64_MAX);
    assert_int_equal(fx_cursor(&f.fx, 2, 2), 1);
    fx_ack(f.bob, of(&f, 1, 1));
    fx_run(&f.fx, 200);
    assert_int_equal(fx_cursor(&f.fx, 1, 2), 2);
    fx_ack(f.bob, of(&f, 1, 3));
    fx_run(&f.fx, 200);
    assert_int_equal(fx_cursor(&f.fx, 1, 2), 4);
    fx_ack(f.bob, of(&f, 1, 5));
    fx_ack(f.bob, of(&f, 1, 5)); /* again: nothing wrong, nothing new */
    fx_run(&f.fx, 200);
    assert_int_equal(fx_cursor(&f.fx, 1, 2), 5);
    fx_expect_nothing(f.bob);
    fx_close(&f.fx);
}

static void test_gateway_ack__individual_acknowledgements_open_the_window(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, "ack:client-individual\nprefetch-count:100\n");
    fx_drop(f.bob);
    subscribe(&f, "ack:client-individual\nprefetch-count:3\n");
    assert_int_equal(f.count, 3);
    /* The first is never acknowledged: the window is one smaller for good, and memory does not grow. */
    for (unsigned i = 1; i < 9; i++) {
        fx_ack(f.bob, f.frames[i]);
        fx_run(&f.fx, 20);
        take_all(&f);
        assert_int_equal(f.count, i + 3 < 10 ? i + 3 : 10);
    }
    fx_close(&f.fx);
}

/* NACK: the cursor stays before it; it comes again on the next connection, and with it what is behind. */
static void test_gateway_ack__i_e6_refused_messages_come_again_on_the_next_connection(void **state)
{
    static const char *const modes[] = {"ack:client\n", "ack:client-individual\n"};

    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        struct fixture f;
        open(&f, modes[mode]);
        if (mode == 0) { /* a cumulative NACK refuses all that is unsettled before it */
            fx_ack(f.bob, f.frames[1]);
            fx_send(f.bob, "NACK\nid:%s\n\n", fx_header(f.frames[3], "ack"));
            fx_ack(f.bob, f.frames[9]);
        } else {
            fx_send(f.bob, "NACK\nid:%s\nreceipt:n\n\n", fx_header(of(&f, 1, 3), "ack"));
            for (unsigned i = 0; i < 10; i++) fx_ack(f.bob, f.frames[i]);
        }
        fx_run(&f.fx, 200);
        if (mode == 1) fx_expect(f.bob, STOMP_RECEIPT);
        fx_expect_nothing(f.bob); /* not on this one */
        if (mode == 1) assert_int_equal(fx_cursor(&f.fx, 1, 2), 2);
        if (mode == 1) assert_int_equal(fx_cursor(&f.fx, 2, 2), 5);
        fx_drop(f.bob);
        subscribe(&f, modes[mode]);
        for (unsigned i = 0; i < f.count; i++) assert_string_equal(fx_header(f.frames[i], "redelivered"), "true");
        if (mode == 1) assert_int_equal(f.count, 3);
        (void)of(&f, 1, mode == 1 ? 3 : 5);
        fx_close(&f.fx);
    }
}

/* RECEIPT of an ACK: the cursor is stored, so not even a crash brings the message again. */
static void test_gateway_ack__i_e6_a_receipt_says_that_the_cursor_is_stored(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, "ack:client\n");
    fx_send(f.bob, "ACK\nid:%s\nreceipt:durable\n\n", fx_header(f.frames[9], "ack"));
    fx_expect_nothing(f.bob);
    fx_run(&f.fx, 20); /* sooner than acknowledgements are told otherwise */
    assert_string_equal(fx_header(fx_expect(f.bob, STOMP_RECEIPT), "receipt-id"), "durable");
    fx_restart(&f.fx);
    subscribe(&f, "ack:client\n");
    assert_int_equal(f.count, 0);
    fx_send(f.bob, "SUBSCRIBE\nid:2\ndestination:/events\n\n");
    fx_close(&f.fx);
}

static void test_gateway_ack__a_receipt_is_refused_when_nothing_can_be_stored(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, "ack:client\n");
    f.fx.log_store.full = true;
    fx_send(f.bob, "ACK\nid:%s\nreceipt:r\n\n", fx_header(f.frames[9], "ack"));
    fx_run(&f.fx, 20);
    assert_string_equal(fx_header(fx_expect_refusal(f.bob, "READ_ONLY"), "receipt-id"), "r");
    f.fx.log_store.full = false; /* it is told again by itself */
    fx_run(&f.fx, 3000);
    assert_int_equal(fx_cursor(&f.fx, 1, 2), 5);
    assert_int_equal(fx_cursor(&f.fx, 2, 2), 5);
    fx_close(&f.fx);
}

/* Architecture 2.11: what is acknowledged within a moment is one command a chat. */
static void test_gateway_ack__acknowledgements_are_coalesced(void **state)
{
    struct fixture f;
    struct gateway_stats stats;

    (void)state;
    open(&f, "ack:client\n");
    for (unsigned i = 0; i < 10; i++) fx_ack(f.bob, f.frames[i]);
    fx_run(&f.fx, 100);
    assert_int_equal(fx_cursor(&f.fx, 1, 2), 5);
    assert_int_equal(fx_cursor(&f.fx, 2, 2), 5);
    gateway_stats(f.fx.gateways[0], &stats);
    assert_int_equal(stats.cursors, 2);
    assert_int_equal(stats.acks, 10);
    fx_close(&f.fx);
}

/* I-R2: delivered is what a device of the person acknowledged, no more. */
static void test_gateway_ack__i_r2_delivered_follows_acknowledgements_only(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, "ack:client-individual\n");
    fx_run(&f.fx, 1000);
    assert_int_equal(fx_member(&f.fx, 1, 2).delivered_up_to, 0);
    fx_ack(f.bob, of(&f, 1, 1));
    fx_ack(f.bob, of(&f, 1, 3));
    fx_run(&f.fx, 200);
    assert_int_equal(fx_member(&f.fx, 1, 2).delivered_up_to, 1);
    fx_close(&f.fx);
}

static void test_gateway_ack__odd_ids_are_refused(void **state)
{
    static const char *const ids[] = {"",           "id:x\n",  "id:0\n",
                                      "id:99999\n", "id:-1\n", "message-id:1\nsubscription:in\n"};
    struct fixture f;

    (void)state;
    open(&f, "ack:client\n");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        fx_send(f.bob, "ACK\nreceipt:r\n%s\n", ids[i]);
        fx_expect_refusal(f.bob, "BAD_REQUEST");
        fx_send(f.bob, "NACK\n%s\n", ids[i]);
        fx_expect_refusal(f.bob, "BAD_REQUEST");
    }
    fx_close(&f.fx);
}

static void test_gateway_ack__unsubscribing_and_subscribing_again_resumes(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, "ack:client\n");
    fx_ack(f.bob, f.frames[4]);
    fx_send(f.bob, "UNSUBSCRIBE\nid:in\nreceipt:u\n\n");
    fx_run(&f.fx, 20);
    fx_expect(f.bob, STOMP_RECEIPT);
    (void)fx_say(&f.fx, 1, 1, 1, "nobody listens");
    fx_expect_nothing(f.bob);
    fx_ack(f.bob, f.frames[9]); /* of the subscription that ended */
    f.bob->seen_count = 0;      /* a new subscription starts behind the cursors */
    f.count = 0;
    fx_inbox(f.bob, "ack:client\n");
    fx_run(&f.fx, 20);
    take_all(&f);
    assert_int_equal(f.count, 6);
    for (unsigned i = 0; i < 6; i++) {
        bool is_new = f.frames[i] == of(&f, 1, 6);
        assert_int_equal(fx_header(f.frames[i], "redelivered") == NULL, is_new);
    }
    fx_close(&f.fx);
}

static void test_gateway_ack__subscribe_is_checked(void **state)
{
    struct fixture f;
    char id[GATEWAY_SUBSCRIPTION_ID_BYTES_MAX + 2];

    (void)state;
    open(&f, "ack:client\n");
    fx_send(f.bob, "SUBSCRIBE\ndestination:/errors\n\n");
    fx_expect_refusal(f.bob, "BAD_REQUEST");
    fx_send(f.bob, "SUBSCRIBE\nid:2\n\n");
    fx_expect_refusal(f.bob, "BAD_REQUEST");
    fx_send(f.bob, "SUBSCRIBE\nid:2\ndestination:/presence\n\n");
    fx_expect_refusal(f.bob, "BAD_DESTINATION");
    fx_send(f.bob, "SUBSCRIBE\nid:in\ndestination:/errors\n\n");
    fx_expect_refusal(f.bob, "CONFLICT");
    fx_send(f.bob, "SUBSCRIBE\nid:2\ndestination:/inbox\nack:client\n\n");
    fx_expect_refusal(f.bob, "CONFLICT");
    fx_send(f.bob, "UNSUBSCRIBE\nid:in\n\n");
    fx_send(f.bob, "UNSUBSCRIBE\nid:in\n\n");
    fx_expect_refusal(f.bob, "BAD_REQUEST");
    fx_send(f.bob, "UNSUBSCRIBE\n\n");
    fx_expect_refusal(f.bob, "BAD_REQUEST");
    fx_send(f.bob, "SUBSCRIBE\nid:2\ndestination:/inbox\n\n");
    fx_expect_refusal(f.bob, "ACK_MODE");
    fx_send(f.bob, "SUBSCRIBE\nid:2\ndestination:/inbox\nack:auto\n\n");
    fx_expect_refusal(f.bob, "ACK_MODE");
    fx_send(f.bob, "SUBSCRIBE\nid:2\ndestination:/inbox\nack:sometimes\n\n");
    fx_expect_refusal(f.bob, "ACK_MODE");
    fx_send(f.bob, "SUBSCRIBE\nid:2\ndestination:/events\nack:client\n\n");
    fx_expect_refusal(f.bob, "ACK_MODE");
    for (unsigned i = 0; i < 4; i++) {
        static const char *const prefetch[] = {"0", "10001", "x", "-5"};
        fx_send(f.bob, "SUBSCRIBE\nid:2\ndestination:/inbox\nack:client\nprefetch-count:%s\n\n", prefetch[i]);
        fx_expect_refusal(f.bob, "BAD_REQUEST");
    }
    memset(id, 'i', sizeof id);
    id[GATEWAY_SUBSCRIPTION_ID_BYTES_MAX] = '\0';
    f.bob->seen_count = 0;
    fx_send(f.bob, "SUBSCRIBE\nid:%s\ndestination:/inbox\nack:client\nprefetch-count:10000\n\n", id);
    fx_run(&f.fx, 50);
    assert_string_equal(fx_header(fx_expect(f.bob, STOMP_MESSAGE), "subscription"), id);
    id[GATEWAY_SUBSCRIPTION_ID_BYTES_MAX] = 'i';
    id[GATEWAY_SUBSCRIPTION_ID_BYTES_MAX + 1] = '\0';
    f.bob->next = f.bob->frame_count;
    fx_send(f.bob, "SUBSCRIBE\nid:%s\ndestination:/events\n\n", id);
    fx_expect_refusal(f.bob, "BAD_REQUEST");
    fx_close(&f.fx);
}

/* GATEWAY_SUBSCRIPTIONS_MAX and one more; each on /errors gets its copy. */
static void test_gateway_ack__the_most_subscriptions_and_one_more(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    peer = fx_connect(&fx, 0, 1, 1);
    for (unsigned i = 0; i < GATEWAY_SUBSCRIPTIONS_MAX; i++) {
        fx_send(peer, "SUBSCRIBE\nid:s%u\ndestination:/errors\nreceipt:r\n\n", i);
        fx_expect(peer, STOMP_RECEIPT);
    }
    fx_send(peer, "SUBSCRIBE\nid:more\ndestination:/errors\nreceipt:r\n\n");
    for (unsigned i = 0; i < GATEWAY_SUBSCRIPTIONS_MAX; i++) fx_expect_refusal(peer, "TOO_MANY");
    fx_send(peer, "UNSUBSCRIBE\nid:s7\n\n");
    fx_send(peer, "SUBSCRIBE\nid:more\ndestination:/errors\nreceipt:r\n\n");
    fx_expect(peer, STOMP_RECEIPT);
    fx_close(&fx);
}

static void test_gateway_ack__an_inbox_with_auto_and_no_errors_ends_the_connection(void **state)
{
    struct fx fx = {0};
    struct fx_peer *peer;

    (void)state;
    fx_open(&fx, 1, 1);
    peer = fx_connect(&fx, 0, 1, 1);
    fx_send(peer, "SUBSCRIBE\nid:0\ndestination:/inbox\n\n");
    fx_expect_error(peer, "ACK_MODE", 1008);
    fx_close(&fx);
}

/* DISCONNECT with a receipt: what is under way is answered, what was acknowledged is stored, then RECEIPT, then close. */
static void test_gateway_ack__disconnect_answers_all_then_closes(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, "ack:client\n");
    fx_ack(f.bob, f.frames[9]);
    for (unsigned i = 0; i < 3; i++)
        fx_send(f.bob, "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:%u\n\nx", fx_id(CHAT(1).id),
                fx_id(fx_msg_id(&f.fx).id), i);
    fx_run(&f.fx, 20);
    f.bob->next = f.bob->frame_count;
    for (unsigned i = 0; i < 3; i++)
        fx_send(f.bob, "SEND\ndestination:/chat/%s\nmessage-id:%s\nreceipt:%u\n\nx", fx_id(CHAT(1).id),
                fx_id(fx_msg_id(&f.fx).id), i);
    fx_send(f.bob, "DISCONNECT\nreceipt:bye\n\n");
    fx_send(f.bob, "SEND\ndestination:/chat/after\n\n");
    assert_false(f.bob->closing);
    fx_run(&f.fx, 200);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(fx_number(fx_expect(f.bob, STOMP_RECEIPT), "receipt-id"), i);
    assert_string_equal(fx_header(fx_expect(f.bob, STOMP_RECEIPT), "receipt-id"), "bye");
    fx_expect_nothing(f.bob);
    assert_int_equal(f.bob->close_code, 1000);
    assert_int_equal(fx_cursor(&f.fx, 1, 2), 5);
    assert_int_equal(fx_cursor(&f.fx, 2, 2), 5);
    fx_close(&f.fx);
}

static void test_gateway_ack__disconnect_without_a_receipt_just_closes(void **state)
{
    struct fixture f;

    (void)state;
    open(&f, "ack:client\n");
    fx_ack(f.bob, f.frames[9]);
    fx_send(f.bob, "DISCONNECT\n\n");
    assert_int_equal(f.bob->close_code, 1000);
    fx_run(&f.fx, 50);
    fx_expect_nothing(f.bob);
    assert_int_equal(fx_cursor(&f.fx, 1, 2), 5); /* told all the same */
    fx_close(&f.fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_ack__cumulative_is_in_delivery_order_over_all_chats),
        cmocka_unit_test(test_gateway_ack__i_c2_individual_moves_the_contiguous_prefix),
        cmocka_unit_test(test_gateway_ack__individual_acknowledgements_open_the_window),
        cmocka_unit_test(test_gateway_ack__i_e6_refused_messages_come_again_on_the_next_connection),
        cmocka_unit_test(test_gateway_ack__i_e6_a_receipt_says_that_the_cursor_is_stored),
        cmocka_unit_test(test_gateway_ack__a_receipt_is_refused_when_nothing_can_be_stored),
        cmocka_unit_test(test_gateway_ack__acknowledgements_are_coalesced),
        cmocka_unit_test(test_gateway_ack__i_r2_delivered_follows_acknowledgements_only),
        cmocka_unit_test(test_gateway_ack__odd_ids_are_refused),
        cmocka_unit_test(test_gateway_ack__unsubscribing_and_subscribing_again_resumes),
        cmocka_unit_test(test_gateway_ack__subscribe_is_checked),
        cmocka_unit_test(test_gateway_ack__the_most_subscriptions_and_one_more),
        cmocka_unit_test(test_gateway_ack__an_inbox_with_auto_and_no_errors_ends_the_connection),
        cmocka_unit_test(test_gateway_ack__disconnect_answers_all_then_closes),
        cmocka_unit_test(test_gateway_ack__disconnect_without_a_receipt_just_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
