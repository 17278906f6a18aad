#include "chat_fixture.h"

/* Signed operations of a group: the core puts them into one order, hands them on, keeps them, and reads none. */

#define PERSON_1 "10000000-0000-0000-0000-000000000001"
#define PERSON_2 "10000000-0000-0000-0000-000000000002"
#define PERSON_3 "10000000-0000-0000-0000-000000000003"

/* The first two people; operation 1 when `op` is not empty. */
static struct chat_answer create(struct fixture *f, uint32_t flags, uint64_t group_seq, const char *op)
{
    uint8_t raw[2 * CMD_MEMBER_BYTES];
    struct cmd cmd = {.verb = CMD_CHAT_CREATE,
                      .flags = flags,
                      .actor = USER(1),
                      .device = DEVICE(1),
                      .seq = group_seq,
                      .body = kith_slice_str(op),
                      .members = kith_slice_of(raw, sizeof raw)};

    for (uint32_t i = 0; i < 2; i++) {
        struct cmd_member m = {
            .user = USER(i + 1), .role = i == 0 ? ROLE_OWNER : ROLE_MEMBER, .accepted = 1, .receipts = 1};
        cmd_member_encode(&m, raw + i * (size_t)CMD_MEMBER_BYTES);
    }
    return do_apply(f, cmd);
}

static void open_group(struct fixture *f)
{
    fixture_open(f);
    assert_int_equal(create(f, CMD_GROUP | CMD_ENCRYPTED, 1, "o1").code, CODE_CREATED);
}

static struct cmd op_cmd(enum cmd_verb verb, uint32_t actor, uint32_t subject, uint8_t role, uint64_t group_seq,
                         const char *op)
{
    return (struct cmd){.verb = verb,
                        .actor = USER(actor),
                        .device = DEVICE(actor),
                        .subject = subject == 0 ? (struct user_id){0} : USER(subject),
                        .role = role,
                        .seq = group_seq,
                        .body = kith_slice_str(op)};
}

static bool event_is(struct fixture *f, unsigned n, const char *json)
{
    return kith_slice_is(event_message(f, n).body, json);
}

/* Its row says the same, and with which event it came. */
static void assert_kept(struct fixture *f, uint64_t group_seq, uint64_t seq, const char *op)
{
    struct row_key key = row_key_group_op(CHAT, group_seq);
    struct kith_ordered_node *node = kith_ordered_find(&f->rows, row_key_slice(&key));
    const struct row_copy *copy;
    struct row_group_op row;

    assert_non_null(node);
    copy = node->value;
    assert_int_equal(row_group_op_decode(kith_slice_of(copy->bytes, copy->len), &row), KITH_OK);
    assert_int_equal(row.seq, seq);
    assert_true(kith_slice_is(row.signed_op, op));
}

static void test_chat_group_op__is_in_the_event_and_kept(void **state)
{
    struct fixture f;
    struct cmd cmd;

    (void)state;
    open_group(&f);
    assert_true(event_is(&f, 0,
                         "{\"members\":[{\"user_id\":\"" PERSON_1 "\",\"role\":\"owner\"},{\"user_id\":\"" PERSON_2
                         "\",\"role\":\"member\"}],\"group_seq\":1,\"signed_op\":\"bzE=\"}"));
    assert_kept(&f, 1, 1, "o1");
    cmd = op_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER, 2, "");
    cmd.body = kith_slice_of("o\0\xff", 3);
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    assert_true(event_is(&f, 0,
                         "{\"op\":\"add\",\"user_id\":\"" PERSON_3 "\",\"by\":\"" PERSON_1
                         "\",\"role\":\"member\",\"group_seq\":2,\"signed_op\":\"bwD/\"}"));
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_ROLE, 1, 3, ROLE_ADMIN, 3, "op")).code, CODE_CREATED);
    assert_true(event_is(&f, 0,
                         "{\"op\":\"role\",\"user_id\":\"" PERSON_3 "\",\"by\":\"" PERSON_1
                         "\",\"role\":\"admin\",\"group_seq\":3,\"signed_op\":\"b3A=\"}"));
    cmd = op_cmd(CMD_CHAT_UPDATE, 3, 0, 0, 4, "o");
    cmd.flags = CMD_HAS_HISTORY | CMD_HISTORY_OPEN;
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    assert_true(event_is(&f, 0, "{\"op\":\"settings\",\"history_open\":true,\"group_seq\":4,\"signed_op\":\"bw==\"}"));
    /* What only the members can read. */
    assert_int_equal(do_apply(&f, op_cmd(CMD_CHAT_UPDATE, 3, 0, 0, 5, "i")).code, CODE_CREATED);
    assert_true(event_is(&f, 0, "{\"op\":\"info\",\"group_seq\":5,\"signed_op\":\"aQ==\"}"));
    /* The owner leaves: a second event names the heir, and nobody signed that one. */
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_LEAVE, 1, 0, 0, 6, "bye")).code, CODE_CREATED);
    assert_true(event_is(&f, 0,
                         "{\"op\":\"leave\",\"user_id\":\"" PERSON_1 "\",\"by\":\"" PERSON_1
                         "\",\"group_seq\":6,\"signed_op\":\"Ynll\"}"));
    assert_true(
        event_is(&f, 1, "{\"op\":\"role\",\"user_id\":\"" PERSON_3 "\",\"by\":\"" PERSON_1 "\",\"role\":\"owner\"}"));
    assert_kept(&f, 6, 6, "bye");
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_REMOVE, 3, 2, 0, 7, "op")).code, CODE_CREATED);
    assert_kept(&f, 7, 8, "op");
    assert_int_equal(f.chat->head.group_seq, 7);
    fixture_close(&f);
}

/* Two who change the group at once: one comes first, and the other is told. */
static void test_chat_group_op__only_the_next_one_is_taken(void **state)
{
    const enum cmd_verb verbs[] = {CMD_MEMBER_ADD, CMD_MEMBER_ROLE, CMD_MEMBER_REMOVE, CMD_CHAT_UPDATE,
                                   CMD_MEMBER_LEAVE};
    struct fixture f;

    (void)state;
    open_group(&f);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        bool has_subject = verbs[i] != CMD_CHAT_UPDATE && verbs[i] != CMD_MEMBER_LEAVE;
        bool has_role = verbs[i] == CMD_MEMBER_ADD || verbs[i] == CMD_MEMBER_ROLE;
        struct cmd cmd = op_cmd(verbs[i], 1, has_subject ? (verbs[i] == CMD_MEMBER_ADD ? 3 : 2) : 0, has_role ? 2 : 0,
                                0, "op");
        uint64_t newest = f.chat->head.group_seq, last = f.chat->head.last_seq;
        const uint64_t wrong[] = {newest, newest + 2, 1};

        for (size_t w = 0; w < 3; w++) {
            cmd.seq = wrong[w];
            assert_int_equal(do_apply(&f, cmd).code, CODE_STALE_GROUP);
        }
        cmd.seq = 0;
        assert_int_equal(do_apply(&f, cmd).code, CODE_BAD_REQUEST); /* an operation without its number */
        cmd.body = (struct kith_slice){0};
        if (verbs[i] == CMD_CHAT_UPDATE) cmd.flags = CMD_HAS_HISTORY;
        assert_int_equal(do_apply(&f, cmd).code, CODE_FORBIDDEN); /* a change without its operation */
        assert_int_equal(f.chat->head.last_seq, last);
        cmd.flags = 0;
        cmd.body = kith_slice_str("op");
        cmd.seq = newest + 1;
        assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    }
    fixture_close(&f);
}

static void test_chat_group_op__what_is_so_already_is_no_operation(void **state)
{
    struct fixture f;

    (void)state;
    open_group(&f);
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_ADD, 1, 2, ROLE_MEMBER, 2, "op")).code, CODE_FORBIDDEN);
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_ROLE, 1, 2, ROLE_MEMBER, 2, "op")).code, CODE_FORBIDDEN);
    assert_int_equal(f.chat->head.group_seq, 1);
    /* But one whose account was deleted is in the group until somebody signs that they are not. */
    assert_int_equal(do_apply(&f, (struct cmd){.verb = CMD_MEMBER_LEAVE, .actor = USER(2)}).code, CODE_CREATED);
    assert_int_equal(f.chat->head.group_seq, 1);
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_REMOVE, 1, 2, 0, 2, "op")).code, CODE_CREATED);
    assert_int_equal(f.chat->head.group_seq, 2);
    assert_int_equal(f.chat->head.member_count, 1);
    fixture_close(&f);
}

static struct chat_answer say(struct fixture *f, const uint32_t *users, uint32_t count)
{
    struct bodies_list lists[3];
    struct bodies_item item = {.device = DEVICE(2), .ciphertext = kith_slice_str("c")};
    struct chat_answer answer;
    struct kith_buf body;

    kith_buf_init(&body, 1000);
    for (uint32_t i = 0; i < count; i++) lists[i] = (struct bodies_list){.user = USER(users[i]), .list_seq = 0};
    assert_int_equal(bodies_encode(&body, lists, count, &item, 1), KITH_OK);
    answer = do_apply(f, (struct cmd){.verb = CMD_SEND,
                                      .flags = CMD_ENCRYPTED | CMD_PER_DEVICE,
                                      .actor = USER(1),
                                      .device = DEVICE(1),
                                      .id = msg_id_at(f, T0),
                                      .content_type = kith_slice_str("application/octet-stream"),
                                      .body = kith_buf_peek(&body)});
    kith_buf_deinit(&body);
    return answer;
}

/* Until somebody signs that they are not in it, those who were deleted are named among those for whom it is sealed. */
static void test_chat_group_op__a_deleted_member_may_be_named_and_a_removed_one_not(void **state)
{
    const uint32_t all[] = {1, 2, 3}, both[] = {1, 2};
    struct fixture f;

    (void)state;
    open_group(&f);
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER, 2, "op")).code, CODE_CREATED);
    assert_int_equal(say(&f, both, 2).code, CODE_STALE_DEVICES);
    assert_int_equal(say(&f, all, 3).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, (struct cmd){.verb = CMD_MEMBER_LEAVE, .actor = USER(3)}).code, CODE_CREATED);
    assert_int_equal(say(&f, all, 3).code, CODE_CREATED);
    assert_int_equal(say(&f, both, 2).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_REMOVE, 1, 2, 0, 3, "op")).code, CODE_CREATED);
    assert_int_equal(say(&f, both, 2).code, CODE_STALE_DEVICES);
    fixture_close(&f);
}

static void test_chat_group_op__a_group_has_them_from_the_first_on_or_none(void **state)
{
    const uint32_t group = CMD_GROUP | CMD_ENCRYPTED;
    struct fixture f;

    (void)state;
    fixture_open(&f);
    assert_int_equal(create(&f, group, 2, "op").code, CODE_BAD_REQUEST);
    assert_int_equal(create(&f, group, 0, "op").code, CODE_BAD_REQUEST);
    assert_int_equal(create(&f, group, 1, "").code, CODE_BAD_REQUEST);
    assert_int_equal(create(&f, CMD_GROUP, 1, "op").code, CODE_BAD_REQUEST);
    assert_int_equal(create(&f, CMD_ENCRYPTED, 1, "op").code, CODE_BAD_REQUEST);
    assert_int_equal(create(&f, group, 0, "").code, CODE_CREATED);
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER, 1, "op")).code, CODE_FORBIDDEN);
    assert_int_equal(do_apply(&f, op_cmd(CMD_MEMBER_ADD, 1, 3, ROLE_MEMBER, 0, "")).code, CODE_CREATED);
    fixture_close(&f);
}

static void test_chat_group_op__has_its_maximum_and_not_one_byte_more(void **state)
{
    static uint8_t op[KITH_SIGNED_OP_BYTES_MAX + 1];
    const enum cmd_verb verbs[] = {CMD_MEMBER_ADD, CMD_MEMBER_ROLE, CMD_CHAT_UPDATE, CMD_MEMBER_REMOVE};
    struct fixture f;

    (void)state;
    open_group(&f);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        struct cmd cmd = op_cmd(verbs[i], 1, verbs[i] == CMD_CHAT_UPDATE ? 0 : 3, 0, i + 2, "");

        if (verbs[i] == CMD_MEMBER_ADD) cmd.role = ROLE_MEMBER;
        if (verbs[i] == CMD_MEMBER_ROLE) cmd.role = ROLE_ADMIN;
        cmd.body = kith_slice_of(op, sizeof op);
        assert_int_equal(do_apply(&f, cmd).code, CODE_TOO_BIG);
        assert_int_equal(f.fx.event_count, 0);
        cmd.body.len--;
        assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
        assert_true(event_message(&f, 0).body.len > KITH_SIGNED_OP_BYTES_MAX / 3 * 4);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_group_op__is_in_the_event_and_kept),
        cmocka_unit_test(test_chat_group_op__only_the_next_one_is_taken),
        cmocka_unit_test(test_chat_group_op__what_is_so_already_is_no_operation),
        cmocka_unit_test(test_chat_group_op__a_deleted_member_may_be_named_and_a_removed_one_not),
        cmocka_unit_test(test_chat_group_op__a_group_has_them_from_the_first_on_or_none),
        cmocka_unit_test(test_chat_group_op__has_its_maximum_and_not_one_byte_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
