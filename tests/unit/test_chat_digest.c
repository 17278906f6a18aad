#include "chat_fixture.h"

/* A message for all says in a digest which lists it was made for. The core keeps that of the current members, in memory alone. */

#define PEOPLE 4 /* users 1..4; who is in a test's group, and with which list, it says in an array */

/* Users 1..3, each with the list 1, in a group with operations; user 1 its owner. */
static void open_group(struct fixture *f)
{
    uint8_t raw[3 * CMD_MEMBER_BYTES];
    struct cmd cmd = {.verb = CMD_CHAT_CREATE,
                      .flags = CMD_GROUP | CMD_ENCRYPTED,
                      .actor = USER(1),
                      .device = DEVICE(1),
                      .seq = 1,
                      .body = kith_slice_str("op"),
                      .members = kith_slice_of(raw, sizeof raw)};

    fixture_open(f);
    for (uint32_t i = 0; i < 3; i++) {
        struct cmd_member m = {.user = USER(i + 1),
                               .role = i == 0 ? ROLE_OWNER : ROLE_MEMBER,
                               .accepted = 1,
                               .receipts = 1,
                               .list_seq = 1};
        cmd_member_encode(&m, raw + i * (size_t)CMD_MEMBER_BYTES);
    }
    assert_int_equal(do_apply(f, cmd).code, CODE_CREATED);
}

/* One for all, from user 1, with the digest of these lists; 0: nothing of that user. */
static struct kith_buf common_of(const uint64_t lists[static PEOPLE])
{
    uint8_t digest[BODIES_DIGEST_BYTES] = {0};
    struct kith_buf body;

    for (uint32_t i = PEOPLE; i-- > 0;)
        bodies_digest_add(digest, &(struct bodies_list){.user = USER(i + 1), .list_seq = lists[i]});
    kith_buf_init(&body, 1000);
    assert_int_equal(bodies_encode_common(&body, digest, kith_slice_str("c")), KITH_OK);
    return body;
}

static struct cmd message_of(struct fixture *f, const struct kith_buf *body, uint32_t flags)
{
    return (struct cmd){.verb = CMD_SEND,
                        .flags = flags | CMD_PER_DEVICE,
                        .actor = USER(1),
                        .device = DEVICE(1),
                        .id = msg_id_at(f, T0),
                        .content_type = kith_slice_str("application/octet-stream"),
                        .body = kith_buf_peek(body)};
}

/* A chat that comes from the store has kept nothing, and must answer as the one in memory does. */
static enum kith_code asked_of_another(struct fixture *f, struct cmd cmd)
{
    struct chat *again = chat_reload(f);
    enum kith_code code;

    cmd.stream = f->chat->id.id;
    cmd.time_ms = f->time_ms;
    kith_buf_reset(&f->batch);
    apply_at(f, again, &cmd, f->position + 1);
    code = f->fx.answer.code;
    chat_free(again);
    return code;
}

static enum kith_code say(struct fixture *f, const uint64_t lists[static PEOPLE])
{
    struct kith_buf body = common_of(lists);
    struct cmd cmd = message_of(f, &body, CMD_ENCRYPTED);
    const enum kith_code again = asked_of_another(f, cmd);
    const enum kith_code code = do_apply(f, cmd).code;

    assert_int_equal(code, again);
    kith_buf_deinit(&body);
    return code;
}

static void learn(struct fixture *f, uint32_t user, uint64_t list_seq)
{
    struct cmd cmd = {.verb = CMD_FACT, .subject = USER(user), .fact = FACT_LIST_SEQ, .value = list_seq};

    assert_int_equal(do_apply(f, cmd).code, CODE_OK);
}

static struct cmd change(enum cmd_verb verb, uint32_t actor, uint32_t subject, uint64_t group_seq)
{
    return (struct cmd){.verb = verb,
                        .actor = USER(actor),
                        .device = DEVICE(actor),
                        .subject = USER(subject),
                        .role = verb == CMD_MEMBER_ADD ? ROLE_MEMBER : 0,
                        .seq = group_seq,
                        .value = verb == CMD_MEMBER_ADD ? 7 : 0, /* their list */
                        .body = kith_slice_str("op")};
}

static void test_chat_digest__a_message_for_the_current_lists_is_taken_and_no_other(void **state)
{
    const uint64_t old[PEOPLE] = {1, 1, 1}, now[PEOPLE] = {1, 2, 1}, none[PEOPLE] = {0};
    const uint64_t swapped[PEOPLE] = {2, 1, 1}, fewer[PEOPLE] = {1, 2, 0}, more[PEOPLE] = {1, 2, 1, 1};
    struct row_key key = row_key_body(CHAT, 2, (struct device_id){0});
    struct kith_slice value = {0};
    struct fixture f;

    (void)state;
    open_group(&f);
    assert_int_equal(say(&f, now), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, old), CODE_CREATED);
    assert_true(row_find(&f, row_key_slice(&key), &value));
    assert_memory_equal(value.ptr + 8, "c", 1);
    learn(&f, 2, 2);
    assert_int_equal(say(&f, old), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, swapped), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, fewer), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, more), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, none), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, now), CODE_CREATED);
    assert_int_equal(f.chat->head.last_seq, 3);
    fixture_close(&f);
}

/* As with lists: the id of what was refused is not used up, and what was taken is answered as it was the first time. */
static void test_chat_digest__a_refusal_uses_up_no_id_and_a_repeat_is_looked_at_no_more(void **state)
{
    const uint64_t old[PEOPLE] = {1, 1, 1}, now[PEOPLE] = {1, 2, 1};
    struct kith_buf stale = common_of(old), good = common_of(now);
    struct cmd cmd;
    struct fixture f;

    (void)state;
    open_group(&f);
    learn(&f, 2, 2);
    cmd = message_of(&f, &stale, CMD_ENCRYPTED);
    assert_int_equal(do_apply(&f, cmd).code, CODE_STALE_DEVICES);
    cmd.body = kith_buf_peek(&good);
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    learn(&f, 2, 3);
    assert_true(do_apply(&f, cmd).repeated);
    cmd.body = kith_buf_peek(&stale);
    assert_int_equal(do_apply(&f, cmd).code, CODE_CONFLICT);
    kith_buf_deinit(&stale);
    kith_buf_deinit(&good);
    fixture_close(&f);
}

/* Worked out once, and again when somebody came, went, or has another list; for nothing else. */
static void test_chat_digest__is_kept_until_a_member_or_a_list_is_another(void **state)
{
    struct fixture f;

    (void)state;
    open_group(&f);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 1, 1}), CODE_CREATED);
    assert_true(f.chat->has_digest);
    learn(&f, 2, 1); /* known already */
    assert_int_equal(do_apply(&f, (struct cmd){.verb = CMD_READ, .actor = USER(2), .seq = 2}).code, CODE_OK);
    assert_true(f.chat->has_digest);
    learn(&f, 2, 2);
    assert_false(f.chat->has_digest);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 2, 1}), CODE_CREATED);

    assert_int_equal(do_apply(&f, change(CMD_MEMBER_ADD, 1, 4, 2)).code, CODE_CREATED);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 2, 1}), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 2, 1, 7}), CODE_CREATED);
    assert_int_equal(do_apply(&f, change(CMD_MEMBER_REMOVE, 1, 2, 3)).code, CODE_CREATED);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 2, 1, 7}), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 0, 1, 7}), CODE_CREATED);
    assert_int_equal(do_apply(&f, change(CMD_MEMBER_LEAVE, 3, 3, 4)).code, CODE_CREATED);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 0, 1, 7}), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 0, 0, 7}), CODE_CREATED);

    learn(&f, 2, 9); /* who is not in it has no part in it, and comes back with what is newest */
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 0, 0, 7}), CODE_CREATED);
    assert_int_equal(do_apply(&f, change(CMD_MEMBER_ADD, 1, 2, 5)).code, CODE_CREATED);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 7, 0, 7}), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 9, 0, 7}), CODE_CREATED);
    fixture_close(&f);
}

/* The account is deleted: in the group until somebody says that they are not, and in no digest from now on. */
static void test_chat_digest__who_was_deleted_is_in_it_no_more(void **state)
{
    struct fixture f;

    (void)state;
    open_group(&f);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 1, 1}), CODE_CREATED);
    assert_int_equal(do_apply(&f, (struct cmd){.verb = CMD_MEMBER_LEAVE, .actor = USER(3)}).code, CODE_CREATED);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 1, 1}), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 1, 0}), CODE_CREATED);
    assert_int_equal(do_apply(&f, change(CMD_MEMBER_REMOVE, 1, 3, 2)).code, CODE_CREATED);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 1, 0}), CODE_CREATED);
    fixture_close(&f);
}

static void test_chat_digest__who_has_no_list_yet_adds_nothing(void **state)
{
    struct cmd add = change(CMD_MEMBER_ADD, 1, 4, 2);
    struct fixture f;

    (void)state;
    open_group(&f);
    add.value = 0;
    assert_int_equal(do_apply(&f, add).code, CODE_CREATED);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 1, 1}), CODE_CREATED);
    learn(&f, 4, 1);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 1, 1}), CODE_STALE_DEVICES);
    assert_int_equal(say(&f, (uint64_t[PEOPLE]){1, 1, 1, 1}), CODE_CREATED);
    fixture_close(&f);
}

static void test_chat_digest__is_for_encrypted_groups_only(void **state)
{
    struct kith_buf body = common_of((uint64_t[PEOPLE]){0}); /* nobody's list is known there */
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct_of(&f, true, CMD_ENCRYPTED);
    assert_int_equal(do_apply(&f, message_of(&f, &body, CMD_ENCRYPTED)).code, CODE_BAD_REQUEST);
    assert_int_equal(f.fx.row_count, 0);
    fixture_close(&f);
    fixture_open(&f);
    make_group(&f, 3);
    assert_int_equal(do_apply(&f, message_of(&f, &body, 0)).code, CODE_BAD_REQUEST);
    fixture_close(&f);
    kith_buf_deinit(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_digest__a_message_for_the_current_lists_is_taken_and_no_other),
        cmocka_unit_test(test_chat_digest__a_refusal_uses_up_no_id_and_a_repeat_is_looked_at_no_more),
        cmocka_unit_test(test_chat_digest__is_kept_until_a_member_or_a_list_is_another),
        cmocka_unit_test(test_chat_digest__who_was_deleted_is_in_it_no_more),
        cmocka_unit_test(test_chat_digest__who_has_no_list_yet_adds_nothing),
        cmocka_unit_test(test_chat_digest__is_for_encrypted_groups_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
