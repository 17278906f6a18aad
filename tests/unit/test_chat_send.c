#include "chat_fixture.h"

#define DAY_MS (24ull * 3600 * 1000)

static void test_chat_send__numbers_messages_from_one_without_a_hole(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    for (uint64_t seq = 2; seq < 50; seq++) {
        struct chat_answer a = do_apply(&f, send_of(1 + seq % 2, 1 + seq % 2, msg_id_at(&f, T0), "hello"));
        assert_int_equal(a.code, CODE_CREATED);
        assert_int_equal(a.seq, seq);
        assert_int_equal(f.fx.event_count, 1);
        assert_int_equal(event_message(&f, 0).type, MESSAGE_TEXT);
    }
    fixture_close(&f);
}

/* I-E1, I-E2: the same id and content gets the same number; other content is CONFLICT and changes nothing. */
static void test_chat_send__i_e1_i_e2_answers_a_repeat_as_the_first_time(void **state)
{
    struct fixture f;
    struct cmd cmd;
    struct chat_answer first, again;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    cmd = send_of(1, 1, msg_id_at(&f, T0), "once");
    first = do_apply(&f, cmd);
    do_apply(&f, send_of(1, 1, msg_id_at(&f, T0), "later"));
    f.time_ms += 5000;
    again = do_apply(&f, cmd);
    assert_int_equal(again.code, CODE_OK);
    assert_true(again.repeated);
    assert_int_equal(again.seq, first.seq);
    assert_int_equal(again.created_ms, first.created_ms);
    assert_int_equal(f.fx.event_count, 0);
    cmd.body = kith_slice_str("twice");
    assert_int_equal(do_apply(&f, cmd).code, CODE_CONFLICT);
    assert_int_equal(f.fx.row_count, 0);
    assert_int_equal(f.chat->head.last_seq, 3);
    fixture_close(&f);
}

static void test_chat_send__i_e1_another_device_of_the_sender_repeats_too(void **state)
{
    struct fixture f;
    struct cmd cmd;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    cmd = send_of(1, 1, msg_id_at(&f, T0), "restored outbox");
    assert_int_equal(do_apply(&f, cmd).seq, 2);
    cmd.device = DEVICE(7);
    assert_true(do_apply(&f, cmd).repeated);
    assert_int_equal(f.chat->head.last_seq, 2);
    fixture_close(&f);
}

static void test_chat_send__i_e2_each_compared_field_makes_a_conflict(void **state)
{
    struct fixture f;
    struct cmd cmd, other;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    cmd = send_of(1, 1, msg_id_at(&f, T0), "body");
    cmd.expires_ms = T0 + DAY_MS;
    do_apply(&f, cmd);
    other = cmd, other.content_type = kith_slice_str("text/markdown");
    assert_int_equal(do_apply(&f, other).code, CODE_CONFLICT);
    other = cmd, other.expires_ms++;
    assert_int_equal(do_apply(&f, other).code, CODE_CONFLICT);
    other = cmd, other.parent = msg_id_at(&f, T0);
    assert_int_equal(do_apply(&f, other).code, CODE_CONFLICT);
    other = cmd, other.flags |= CMD_ENCRYPTED;
    assert_int_equal(do_apply(&f, other).code, CODE_CONFLICT);
    /* `after` is no part of the comparison. */
    other = cmd, other.after = msg_id_at(&f, T0);
    assert_true(do_apply(&f, other).repeated);
    fixture_close(&f);
}

/* I-E3: the horizon, at it and one past it, on both sides. */
static void test_chat_send__i_e3_refuses_ids_beyond_the_horizon(void **state)
{
    struct fixture f;
    struct cmd cmd;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    f.time_ms = T0 + 40 * DAY_MS;
    assert_int_equal(do_apply(&f, send_of(1, 1, msg_id_at(&f, f.time_ms - KITH_ID_AGE_MS_MAX), "old")).code,
                     CODE_CREATED);
    assert_int_equal(do_apply(&f, send_of(1, 1, msg_id_at(&f, f.time_ms - KITH_ID_AGE_MS_MAX - 1), "older")).code,
                     CODE_TOO_OLD);
    assert_int_equal(do_apply(&f, send_of(1, 1, msg_id_at(&f, f.time_ms + KITH_ID_AHEAD_MS_MAX), "soon")).code,
                     CODE_CREATED);
    assert_int_equal(do_apply(&f, send_of(1, 1, msg_id_at(&f, f.time_ms + KITH_ID_AHEAD_MS_MAX + 1), "far")).code,
                     CODE_BAD_ID);
    cmd = send_of(1, 1, (struct msg_id){uuid_n(0x40, 9)}, "not version 7");
    assert_int_equal(do_apply(&f, cmd).code, CODE_BAD_ID);
    fixture_close(&f);
}

/* I-E3: what was accepted and is now beyond the horizon is TOO_OLD, never a second insert. */
static void test_chat_send__i_e3_a_repeat_beyond_the_horizon_is_too_old(void **state)
{
    struct fixture f;
    struct cmd cmd;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    cmd = send_of(1, 1, msg_id_at(&f, T0), "x");
    do_apply(&f, cmd);
    f.time_ms = T0 + KITH_ID_AGE_MS_MAX + 1;
    assert_int_equal(do_apply(&f, cmd).code, CODE_TOO_OLD);
    assert_int_equal(f.chat->head.last_seq, 2);
    fixture_close(&f);
}

static void test_chat_send__a_server_clock_that_ran_ahead_does_not_spoil_the_chat(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    f.time_ms = T0 + 365 * DAY_MS;
    assert_int_equal(do_apply(&f, send_of(1, 1, msg_id_at(&f, f.time_ms), "from the future")).code, CODE_CREATED);
    f.time_ms = T0 + DAY_MS;
    assert_int_equal(do_apply(&f, send_of(2, 2, msg_id_at(&f, f.time_ms), "back again")).code, CODE_CREATED);
    /* Stamps never go back in a chat, all the same. */
    assert_int_equal(event_message(&f, 0).created_ms, T0 + 365 * DAY_MS);
    fixture_close(&f);
}

/* I-O3: with `after`, a refusal in the middle of a pipeline holds back all that follows. */
static void test_chat_send__i_o3_refuses_a_message_whose_predecessor_is_missing(void **state)
{
    struct fixture f;
    struct cmd a, b, c;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    a = send_of(1, 1, msg_id_at(&f, T0), "a");
    b = send_of(1, 1, msg_id_at(&f, T0), "b");
    c = send_of(1, 1, msg_id_at(&f, T0), "c");
    b.after = a.id;
    c.after = b.id;
    assert_int_equal(do_apply(&f, a).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, c).code, CODE_PREDECESSOR_MISSING);
    assert_int_equal(do_apply(&f, b).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, c).code, CODE_CREATED);
    /* An older predecessor is looked up. */
    c = send_of(1, 1, msg_id_at(&f, T0), "d");
    c.after = a.id;
    assert_int_equal(do_apply(&f, c).code, CODE_CREATED);
    /* Another device's message is no predecessor. */
    c = send_of(1, 8, msg_id_at(&f, T0), "e");
    c.after = a.id;
    assert_int_equal(do_apply(&f, c).code, CODE_PREDECESSOR_MISSING);
    assert_int_equal(f.chat->head.last_seq, 5);
    fixture_close(&f);
}

static void test_chat_send__strangers_get_not_found_and_former_members_forbidden(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    assert_int_equal(do_apply(&f, send_of(1, 1, msg_id_at(&f, T0), "no chat")).code, CODE_NOT_FOUND);
    make_group(&f, 3);
    assert_int_equal(do_apply(&f, send_of(9, 9, msg_id_at(&f, T0), "who")).code, CODE_NOT_FOUND);
    do_apply(&f, (struct cmd){.verb = CMD_MEMBER_REMOVE, .actor = USER(1), .device = DEVICE(1), .subject = USER(3)});
    assert_int_equal(do_apply(&f, send_of(3, 3, msg_id_at(&f, T0), "late")).code, CODE_FORBIDDEN);
    assert_int_equal(f.fx.row_count, 0);
    fixture_close(&f);
}

static void test_chat_send__encryption_and_expiry_must_fit_the_chat(void **state)
{
    struct fixture f;
    struct cmd cmd;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    cmd = send_of(1, 1, msg_id_at(&f, T0), "x");
    cmd.flags = CMD_ENCRYPTED;
    assert_int_equal(do_apply(&f, cmd).code, CODE_BAD_REQUEST);
    cmd.flags = 0;
    cmd.expires_ms = T0;
    assert_int_equal(do_apply(&f, cmd).code, CODE_BAD_REQUEST);
    cmd.expires_ms = T0 + 1;
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    assert_int_equal(event_message(&f, 0).expires_ms, T0 + 1);
    fixture_close(&f);
}

static struct kith_buf two_bodies(uint64_t list_seq_2)
{
    struct bodies_list lists[] = {{USER(1), 0}, {USER(2), list_seq_2}};
    struct bodies_item items[] = {{DEVICE(2), kith_slice_str("for two")}, {DEVICE(3), kith_slice_str("for three")}};
    struct kith_buf out;

    kith_buf_init(&out, 4096);
    assert_int_equal(bodies_encode(&out, lists, 2, items, 2), KITH_OK);
    return out;
}

static void test_chat_send__per_device_bodies_are_checked_against_the_lists(void **state)
{
    struct fixture f;
    struct cmd cmd;
    struct kith_buf good, stale;
    struct row_key key;
    struct kith_slice value = {0};

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    do_apply(&f, (struct cmd){.verb = CMD_FACT, .subject = USER(2), .fact = FACT_LIST_SEQ, .value = 4});
    good = two_bodies(4);
    stale = two_bodies(3);
    cmd = send_of(1, 1, msg_id_at(&f, T0), "");
    cmd.flags = CMD_PER_DEVICE;
    cmd.body = kith_buf_peek(&stale);
    assert_int_equal(do_apply(&f, cmd).code, CODE_STALE_DEVICES);
    /* A refusal uses up no id: the same id with fresh bodies is taken. */
    cmd.body = kith_buf_peek(&good);
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    assert_true(event_message(&f, 0).flags & MESSAGE_PER_DEVICE);
    key = row_key_body(CHAT, 2, DEVICE(3));
    assert_true(row_find(&f, row_key_slice(&key), &value));
    assert_memory_equal(value.ptr + 8, "for three", 9);
    /* Repeats come before the device check: the answer stays the first one when the list moves on. */
    do_apply(&f, (struct cmd){.verb = CMD_FACT, .subject = USER(2), .fact = FACT_LIST_SEQ, .value = 5});
    assert_true(do_apply(&f, cmd).repeated);
    /* The account is deleted: no lists will be current again, and that is said, or it would be tried for ever. */
    cmd.id = msg_id_at(&f, T0 + 1);
    assert_int_equal(do_apply(&f, cmd).code, CODE_STALE_DEVICES);
    do_apply(&f, (struct cmd){.verb = CMD_FACT, .subject = USER(2), .fact = FACT_ACCOUNT_GONE, .value = 1});
    assert_int_equal(do_apply(&f, cmd).code, CODE_FORBIDDEN);
    kith_buf_deinit(&good);
    kith_buf_deinit(&stale);
    fixture_close(&f);
}

static void test_chat_delete__frees_the_body_and_takes_a_number(void **state)
{
    struct fixture f;
    struct cmd del = {.verb = CMD_DELETE, .actor = USER(1), .device = DEVICE(1), .seq = 2};
    struct row_key key = row_key_message(CHAT, 2);
    struct kith_slice value = {0};
    struct row_message message = {0};

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    do_apply(&f, send_of(1, 1, msg_id_at(&f, T0), "secret"));
    del.actor = USER(2);
    assert_int_equal(do_apply(&f, del).code, CODE_FORBIDDEN);
    del.actor = USER(9);
    assert_int_equal(do_apply(&f, del).code, CODE_NOT_FOUND);
    del.actor = USER(1);
    assert_int_equal(do_apply(&f, del).seq, 3);
    assert_true(row_find(&f, row_key_slice(&key), &value));
    assert_int_equal(row_message_decode(value, &message), KITH_OK);
    assert_true(message.flags & MESSAGE_FREED);
    assert_int_equal(message.body.len, 0);
    assert_true(do_apply(&f, del).repeated);
    assert_int_equal(f.chat->head.last_seq, 3);
    fixture_close(&f);
}

static void test_chat_send__the_blocked_see_no_difference(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    do_apply(&f, (struct cmd){.verb = CMD_FACT, .subject = USER(2), .fact = FACT_BLOCKS, .value = 1});
    assert_int_equal(do_apply(&f, send_of(1, 1, msg_id_at(&f, T0), "anyone?")).code, CODE_CREATED);
    assert_true(event_message(&f, 0).flags & MESSAGE_UNSEEN);
    assert_int_equal(do_apply(&f, send_of(2, 2, msg_id_at(&f, T0), "me")).code, CODE_CREATED);
    assert_false(event_message(&f, 0).flags & MESSAGE_UNSEEN);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_send__numbers_messages_from_one_without_a_hole),
        cmocka_unit_test(test_chat_send__i_e1_i_e2_answers_a_repeat_as_the_first_time),
        cmocka_unit_test(test_chat_send__i_e1_another_device_of_the_sender_repeats_too),
        cmocka_unit_test(test_chat_send__i_e2_each_compared_field_makes_a_conflict),
        cmocka_unit_test(test_chat_send__i_e3_refuses_ids_beyond_the_horizon),
        cmocka_unit_test(test_chat_send__i_e3_a_repeat_beyond_the_horizon_is_too_old),
        cmocka_unit_test(test_chat_send__a_server_clock_that_ran_ahead_does_not_spoil_the_chat),
        cmocka_unit_test(test_chat_send__i_o3_refuses_a_message_whose_predecessor_is_missing),
        cmocka_unit_test(test_chat_send__strangers_get_not_found_and_former_members_forbidden),
        cmocka_unit_test(test_chat_send__encryption_and_expiry_must_fit_the_chat),
        cmocka_unit_test(test_chat_send__per_device_bodies_are_checked_against_the_lists),
        cmocka_unit_test(test_chat_delete__frees_the_body_and_takes_a_number),
        cmocka_unit_test(test_chat_send__the_blocked_see_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
