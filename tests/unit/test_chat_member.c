#include "chat_fixture.h"

static struct cmd member_cmd(enum cmd_verb verb, uint32_t actor, uint32_t subject, uint8_t role)
{
    return (struct cmd){
        .verb = verb, .actor = USER(actor), .device = DEVICE(actor), .subject = USER(subject), .role = role};
}

static bool sees(const struct fixture *f, uint32_t user, uint64_t seq)
{
    const struct chat_member *m = chat_member_find(f->chat, USER(user));

    return m != NULL && row_member_sees(&m->row, f->chat->head.history_open != 0, seq);
}

static void test_chat_create__is_the_same_chat_for_a_pair_whoever_asks(void **state)
{
    struct fixture f;
    uint8_t raw[2 * CMD_MEMBER_BYTES];
    struct cmd_member a = {.user = USER(1), .role = ROLE_MEMBER, .accepted = 0, .receipts = 1};
    struct cmd_member b = {.user = USER(2), .role = ROLE_MEMBER, .accepted = 1, .receipts = 1};
    struct cmd cmd = {.verb = CMD_CHAT_CREATE, .actor = USER(2), .device = DEVICE(2)};
    struct chat_answer answer;

    (void)state;
    fixture_open(&f);
    make_direct(&f, false);
    assert_int_equal(event_message(&f, 0).type, MESSAGE_CREATED);
    cmd_member_encode(&a, raw);
    cmd_member_encode(&b, raw + CMD_MEMBER_BYTES);
    cmd.members = kith_slice_of(raw, sizeof raw);
    answer = do_apply(&f, cmd);
    assert_int_equal(answer.code, CODE_OK);
    assert_int_equal(answer.seq, 1);
    assert_int_equal(f.chat->head.last_seq, 1);
    fixture_close(&f);
}

static void test_chat_create__a_groups_id_belongs_to_one_request(void **state)
{
    struct fixture f;
    uint8_t raw[CMD_MEMBER_BYTES];
    struct cmd_member m = {.user = USER(1), .role = ROLE_OWNER, .accepted = 1, .receipts = 1};
    struct cmd cmd = {.verb = CMD_CHAT_CREATE, .flags = CMD_GROUP, .actor = USER(1), .device = DEVICE(1)};

    (void)state;
    fixture_open(&f);
    cmd_member_encode(&m, raw);
    cmd.members = kith_slice_of(raw, sizeof raw);
    cmd.name = kith_slice_str("climbing");
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, cmd).code, CODE_OK);
    cmd.name = kith_slice_str("cooking");
    assert_int_equal(do_apply(&f, cmd).code, CODE_CONFLICT);
    fixture_close(&f);
}

static void test_chat_create__refuses_what_is_no_member_list(void **state)
{
    struct fixture f;
    uint8_t raw[3 * CMD_MEMBER_BYTES];
    struct cmd_member m = {.user = USER(2), .role = ROLE_MEMBER};
    struct cmd cmd = {.verb = CMD_CHAT_CREATE, .actor = USER(1), .device = DEVICE(1)};

    (void)state;
    fixture_open(&f);
    cmd_member_encode(&m, raw);
    cmd.members = kith_slice_of(raw, CMD_MEMBER_BYTES);
    assert_int_equal(do_apply(&f, cmd).code, CODE_BAD_REQUEST); /* the actor is not in it, and one is no pair */
    m.user = USER(1);
    cmd_member_encode(&m, raw + CMD_MEMBER_BYTES);
    cmd.members = kith_slice_of(raw, 2 * CMD_MEMBER_BYTES);
    assert_int_equal(do_apply(&f, cmd).code, CODE_BAD_REQUEST); /* not ascending */
    cmd.members = kith_slice_of(raw, CMD_MEMBER_BYTES + 3);
    assert_int_equal(do_apply(&f, cmd).code, CODE_BAD_REQUEST); /* cut short */
    assert_false(f.chat->exists);
    fixture_close(&f);
}

/* The limit, at it and one past it, when made and when added to. */
static void test_chat_member__a_group_takes_1024_and_refuses_the_next(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_group(&f, KITH_MEMBERS_MAX + 1);
    assert_int_equal(f.fx.answer.code, CODE_CHAT_FULL);
    assert_false(f.chat->exists);
    make_group(&f, KITH_MEMBERS_MAX - 1);
    assert_int_equal(f.fx.answer.code, CODE_CREATED);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 5000, ROLE_MEMBER)).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 5001, ROLE_MEMBER)).code, CODE_CHAT_FULL);
    /* Adding who is in already needs no room. */
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 5000, ROLE_MEMBER)).code, CODE_OK);
    do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 1, 5000, 0));
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 5001, ROLE_MEMBER)).code, CODE_CREATED);
    fixture_close(&f);
}

/* I-A1: a person sees the own joining first and the own removal last, and nothing outside. */
static void test_chat_member__i_a1_sees_from_joining_to_removal(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_group(&f, 2);
    do_apply(&f, send_of(1, 1, msg_id_at(&f, T0), "before"));    /* 2 */
    do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER)); /* 3 */
    do_apply(&f, send_of(1, 1, msg_id_at(&f, T0), "during"));    /* 4 */
    do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 1, 3, 0));        /* 5 */
    assert_true(f.fx.events[0].has_extra);
    do_apply(&f, send_of(1, 1, msg_id_at(&f, T0), "after"));     /* 6 */
    do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER)); /* 7 */
    assert_false(sees(&f, 3, 2));
    assert_true(sees(&f, 3, 3));
    assert_true(sees(&f, 3, 4));
    assert_true(sees(&f, 3, 5));
    assert_false(sees(&f, 3, 6));
    assert_true(sees(&f, 3, 7));
    assert_true(sees(&f, 3, 8));
    assert_false(sees(&f, 9, 7));
    fixture_close(&f);
}

static void test_chat_member__an_open_history_shows_what_was_before(void **state)
{
    struct fixture f;
    struct cmd open = {.verb = CMD_CHAT_UPDATE, .actor = USER(1), .flags = CMD_HAS_HISTORY | CMD_HISTORY_OPEN};

    (void)state;
    fixture_open(&f);
    make_group(&f, 2);
    do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER));
    assert_false(sees(&f, 3, 1));
    assert_int_equal(do_apply(&f, open).code, CODE_CREATED);
    assert_true(sees(&f, 3, 1));
    fixture_close(&f);
}

static void test_chat_member__joining_again_and_again_keeps_the_newest_intervals(void **state)
{
    struct fixture f;
    uint64_t first_join = 0, last_join = 0;

    (void)state;
    fixture_open(&f);
    make_group(&f, 2);
    for (int i = 0; i <= ROW_INTERVALS_MAX; i++) {
        last_join = do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER)).seq;
        if (i == 0) first_join = last_join;
        if (i == ROW_INTERVALS_MAX - 1) assert_true(sees(&f, 3, first_join));
        if (i < ROW_INTERVALS_MAX) do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 1, 3, 0));
    }
    assert_false(sees(&f, 3, first_join));
    assert_true(sees(&f, 3, last_join));
    fixture_close(&f);
}

static void test_chat_member__roles_decide_who_may_do_what(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_group(&f, 5);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ADD, 2, 9, ROLE_MEMBER)).code, CODE_FORBIDDEN);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 2, 3, 0)).code, CODE_FORBIDDEN);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ROLE, 2, 2, ROLE_ADMIN)).code, CODE_FORBIDDEN);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ROLE, 1, 2, ROLE_ADMIN)).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ROLE, 1, 3, ROLE_ADMIN)).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ADD, 2, 9, ROLE_MEMBER)).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ADD, 2, 10, ROLE_OWNER)).code, CODE_FORBIDDEN);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 2, 3, 0)).code, CODE_FORBIDDEN); /* another admin */
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 2, 1, 0)).code, CODE_FORBIDDEN); /* the owner */
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 2, 4, 0)).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 1, 3, 0)).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 1, 77, 0)).code, CODE_NOT_FOUND);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ROLE, 1, 1, ROLE_MEMBER)).code,
                     CODE_FORBIDDEN); /* last owner */
    fixture_close(&f);
}

static void test_chat_member__a_group_whose_owner_leaves_has_an_heir(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_group(&f, 4);
    do_apply(&f, member_cmd(CMD_MEMBER_ROLE, 1, 3, ROLE_ADMIN));
    assert_int_equal(do_apply(&f, (struct cmd){.verb = CMD_MEMBER_LEAVE, .actor = USER(1)}).seq, 3);
    assert_int_equal(f.fx.event_count, 2);
    assert_int_equal(chat_member_find(f.chat, USER(3))->row.role, ROLE_OWNER);
    assert_int_equal(do_apply(&f, (struct cmd){.verb = CMD_MEMBER_LEAVE, .actor = USER(1)}).code, CODE_FORBIDDEN);
    fixture_close(&f);
}

static void test_chat_member__direct_chats_have_two_people_for_good(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER)).code, CODE_FORBIDDEN);
    assert_int_equal(do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 1, 2, 0)).code, CODE_FORBIDDEN);
    assert_int_equal(do_apply(&f, (struct cmd){.verb = CMD_MEMBER_LEAVE, .actor = USER(1)}).code, CODE_FORBIDDEN);
    fixture_close(&f);
}

/* An operation with a key gets its first answer again; the key with another operation is CONFLICT. */
static void test_chat_member__an_idempotency_key_gives_the_first_answer(void **state)
{
    struct fixture f;
    struct cmd add = member_cmd(CMD_MEMBER_ADD, 1, 7, ROLE_MEMBER);
    struct chat_answer first, again;

    (void)state;
    fixture_open(&f);
    make_group(&f, 2);
    add.id = (struct msg_id){uuid_n(0x77, 1)};
    first = do_apply(&f, add);
    do_apply(&f, member_cmd(CMD_MEMBER_REMOVE, 1, 7, 0));
    again = do_apply(&f, add);
    assert_true(again.repeated);
    assert_int_equal(again.seq, first.seq);
    add.subject = USER(8);
    assert_int_equal(do_apply(&f, add).code, CODE_CONFLICT);
    fixture_close(&f);
}

static void test_chat_update__names_are_escaped_in_the_event(void **state)
{
    struct fixture f;
    struct cmd cmd = {.verb = CMD_CHAT_UPDATE, .actor = USER(1), .flags = CMD_HAS_NAME};
    struct row_message message;

    (void)state;
    fixture_open(&f);
    make_group(&f, 2);
    cmd.name = kith_slice_str("a \"b\" \\ c");
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    message = event_message(&f, 0);
    assert_int_equal(message.type, MESSAGE_CHAT);
    assert_true(kith_slice_is(message.body, "{\"op\":\"name\",\"name\":\"a \\\"b\\\" \\\\ c\"}"));
    cmd.actor = USER(2);
    assert_int_equal(do_apply(&f, cmd).code, CODE_FORBIDDEN);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_create__is_the_same_chat_for_a_pair_whoever_asks),
        cmocka_unit_test(test_chat_create__a_groups_id_belongs_to_one_request),
        cmocka_unit_test(test_chat_create__refuses_what_is_no_member_list),
        cmocka_unit_test(test_chat_member__a_group_takes_1024_and_refuses_the_next),
        cmocka_unit_test(test_chat_member__i_a1_sees_from_joining_to_removal),
        cmocka_unit_test(test_chat_member__an_open_history_shows_what_was_before),
        cmocka_unit_test(test_chat_member__joining_again_and_again_keeps_the_newest_intervals),
        cmocka_unit_test(test_chat_member__roles_decide_who_may_do_what),
        cmocka_unit_test(test_chat_member__a_group_whose_owner_leaves_has_an_heir),
        cmocka_unit_test(test_chat_member__direct_chats_have_two_people_for_good),
        cmocka_unit_test(test_chat_member__an_idempotency_key_gives_the_first_answer),
        cmocka_unit_test(test_chat_update__names_are_escaped_in_the_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
