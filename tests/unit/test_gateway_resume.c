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

/* I-E6: what was acknowledged does not come again; what was not comes again, flagged; what is new is not flagged. */
static void test_gateway_resume__i_e6_resumes_behind_what_was_acknowledged(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;

    (void)state;
    fx_open(&fx, 2, 1);
    fx_direct(&fx, 1, 1, 2, false);
    say(&fx, 1, 9);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    for (uint64_t seq = 1; seq <= 10; seq++) {
        struct fx_frame *frame = fx_expect_seq(bob, 1, seq);
        assert_null(fx_header(frame, "redelivered"));
        if (seq == 6) fx_ack(bob, frame);
    }
    fx_drop(bob); /* the acknowledgement was still waiting to be told */
    (void)fx_say(&fx, 1, 1, 1, "while away");
    for (unsigned round = 0; round < 3; round++) { /* on either loop */
        bob = fx_connect(&fx, round % 2, 2, 2);
        fx_inbox(bob, CLIENT);
        for (uint64_t seq = 7; seq <= 10; seq++)
            assert_string_equal(fx_header(fx_expect_seq(bob, 1, seq), "redelivered"), "true");
        if (round == 0)
            assert_null(fx_header(fx_expect_seq(bob, 1, 11), "redelivered"));
        else
            assert_string_equal(fx_header(fx_expect_seq(bob, 1, 11), "redelivered"), "true");
        fx_expect_nothing(bob);
        fx_drop(bob);
    }
    assert_int_equal(fx_cursor(&fx, 1, 2), 6);
    fx_close(&fx);
}

/* After a restart everything between the cursor and the head at start may have been sent: flagged. Later is exact. */
static void test_gateway_resume__i_e6_after_a_restart_the_unacknowledged_past_is_flagged(void **state)
{
    struct fx fx = {0};
    struct fx_peer *bob;
    struct fx_frame *frame;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    say(&fx, 1, 4);
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    for (uint64_t seq = 1; seq <= 5; seq++) frame = fx_expect_seq(bob, 1, seq);
    fx_send(bob, "ACK\nid:%s\nreceipt:r\n\n", fx_header(&bob->frames[bob->frame_count - 3], "ack"));
    fx_run(&fx, 20);
    fx_expect(bob, STOMP_RECEIPT);
    fx_restart(&fx);
    (void)fx_say(&fx, 1, 1, 1, "in this life");
    bob = fx_connect(&fx, 0, 2, 2);
    fx_inbox(bob, CLIENT);
    for (uint64_t seq = 4; seq <= 5; seq++) {
        frame = fx_expect_seq(bob, 1, seq);
        assert_string_equal(fx_header(frame, "redelivered"), "true");
    }
    frame = fx_expect_seq(bob, 1, 6);
    assert_null(fx_header(frame, "redelivered"));
    fx_expect_nothing(bob);
    fx_close(&fx);
}

/* A new device: from its person's joining in chats that are not encrypted, from the head in those that are. */
static void test_gateway_resume__a_new_device_starts_where_it_can_read(void **state)
{
    struct fx fx = {0};
    struct fx_peer *old, *new;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    fx_direct(&fx, 2, 1, 2, true);
    say(&fx, 1, 2);
    say(&fx, 2, 5);
    old = fx_connect(&fx, 0, 2, 2);
    fx_inbox(old, CLIENT);
    assert_int_equal(old->frame_count, 1 + 3 + 6);
    fx_send(old, "ACK\nid:%s\n\n", fx_header(&old->frames[old->frame_count - 1], "ack"));
    fx_run(&fx, 200);
    assert_int_equal(fx_member(&fx, 2, 2).delivered_up_to, 6);
    for (uint32_t chat = 1; chat <= 2; chat++) {
        struct cmd fact = {.verb = CMD_FACT, .stream = CHAT(chat).id, .subject = USER(2), .device = DEVICE(3)};
        fact.fact = FACT_LIST_SEQ;
        fact.value = 2;
        assert_int_equal(fx_ask(&fx, &fact).code, CODE_OK);
    }
    assert_int_equal(fx_cursor(&fx, 2, 3), 6);
    (void)fx_say(&fx, 2, 1, 1, "7"); /* before its first connection, and for it too */
    new = fx_connect(&fx, 0, 2, 3);
    fx_inbox(new, CLIENT);
    while (new->next < new->frame_count &&
           strcmp(fx_header(&new->frames[new->next], "destination") + 6, fx_id(CHAT(2).id)) != 0)
        new->next++;
    fx_expect_seq(new, 2, 7);
    assert_int_equal(new->frame_count, 1 + 3 + 1);
    fx_drop(new);
    (void)fx_say(&fx, 2, 1, 1, "8");
    new = fx_connect(&fx, 0, 2, 3);
    fx_inbox(new, CLIENT);
    while (new->next < new->frame_count &&
           strcmp(fx_header(&new->frames[new->next], "destination") + 6, fx_id(CHAT(2).id)) != 0)
        new->next++;
    fx_expect_seq(new, 2, 7);
    fx_expect_seq(new, 2, 8);
    fx_close(&fx);
}

/* Made while all of the person's devices were away: they were there before it, the first message is not skipped. */
static void test_gateway_resume__an_encrypted_chat_made_while_away_comes_whole(void **state)
{
    struct fx fx = {0};
    struct fx_peer *phone, *laptop;

    (void)state;
    fx_open(&fx, 1, 1);
    fx_direct(&fx, 1, 1, 2, false);
    phone = fx_connect(&fx, 0, 2, 2);
    fx_inbox(phone, CLIENT);
    fx_ack(phone, fx_expect_seq(phone, 1, 1));
    laptop = fx_connect(&fx, 0, 2, 3);
    fx_inbox(laptop, CLIENT);
    fx_ack(laptop, fx_expect_seq(laptop, 1, 1));
    fx_run(&fx, 200);
    fx_drop(laptop);
    fx_drop(phone);
    fx_direct(&fx, 2, 1, 2, true);
    say(&fx, 2, 3);
    phone = fx_connect(&fx, 0, 2, 2);
    fx_inbox(phone, CLIENT);
    for (uint64_t seq = 1; seq <= 4; seq++) fx_ack(phone, fx_expect_seq(phone, 2, seq));
    fx_run(&fx, 200);
    laptop = fx_connect(&fx, 0, 2, 3); /* the phone was first here */
    fx_inbox(laptop, CLIENT);
    for (uint64_t seq = 1; seq <= 4; seq++) fx_expect_seq(laptop, 2, seq);
    laptop = fx_connect(&fx, 0, 1, 1); /* a person whose only device was never connected */
    fx_inbox(laptop, CLIENT);
    assert_int_equal(laptop->frame_count, 1 + 1 + 4);
    fx_close(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway_resume__i_e6_resumes_behind_what_was_acknowledged),
        cmocka_unit_test(test_gateway_resume__i_e6_after_a_restart_the_unacknowledged_past_is_flagged),
        cmocka_unit_test(test_gateway_resume__a_new_device_starts_where_it_can_read),
        cmocka_unit_test(test_gateway_resume__an_encrypted_chat_made_while_away_comes_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
