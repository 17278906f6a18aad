#include "base/prng.h"
#include "chat_fixture.h"

/* Asking to be let into a group by its invite link. The core keeps of the link what its operation said, and reads no request. */

#define PERSON_1 "10000000-0000-0000-0000-000000000001"
#define PERSON_9 "10000000-0000-0000-0000-000000000009"
#define TAG      0x0102030405060708ull
#define OTHER    0x0102030405060709ull

/* An encrypted group of these many people, with operations; user 1 is its owner. */
static void open_group(struct fixture *f, uint32_t count)
{
    uint8_t raw[16 * CMD_MEMBER_BYTES];
    struct cmd cmd = {.verb = CMD_CHAT_CREATE,
                      .flags = CMD_GROUP | CMD_ENCRYPTED,
                      .actor = USER(1),
                      .device = DEVICE(1),
                      .seq = 1,
                      .body = kith_slice_str("o1")};

    fixture_open(f);
    assert_true(count <= 16);
    for (uint32_t i = 0; i < count; i++) {
        struct cmd_member m = {
            .user = USER(i + 1), .role = i == 0 ? ROLE_OWNER : ROLE_MEMBER, .accepted = 1, .receipts = 1};
        cmd_member_encode(&m, raw + i * (size_t)CMD_MEMBER_BYTES);
    }
    cmd.members = kith_slice_of(raw, count * (size_t)CMD_MEMBER_BYTES);
    assert_int_equal(do_apply(f, cmd).code, CODE_CREATED);
}

static struct cmd op_cmd(const struct fixture *f, enum cmd_verb verb, uint32_t actor, uint32_t subject)
{
    return (struct cmd){.verb = verb,
                        .actor = USER(actor),
                        .device = DEVICE(actor),
                        .subject = subject == 0 ? (struct user_id){0} : USER(subject),
                        .role = verb == CMD_MEMBER_ADD ? ROLE_MEMBER : 0,
                        .seq = f->chat->head.group_seq + 1,
                        .body = kith_slice_str("op")};
}

static struct cmd link_cmd(const struct fixture *f, uint32_t actor, uint64_t tag)
{
    struct cmd cmd = op_cmd(f, CMD_CHAT_UPDATE, actor, 0);

    cmd.flags = CMD_HAS_JOIN_KEY;
    cmd.value = tag;
    return cmd;
}

static void open_with_link(struct fixture *f, uint32_t count)
{
    open_group(f, count);
    assert_int_equal(do_apply(f, link_cmd(f, 1, TAG)).code, CODE_CREATED);
}

static struct cmd ask_cmd(uint32_t actor, uint64_t tag, const char *request)
{
    return (struct cmd){.verb = CMD_MEMBER_ASK,
                        .actor = USER(actor),
                        .device = DEVICE(actor),
                        .value = tag,
                        .body = kith_slice_str(request)};
}

/* Refused, and nothing has changed: no number, no event, no row. */
static void refused(struct fixture *f, struct cmd cmd, enum kith_code code)
{
    uint64_t last = f->chat->head.last_seq, tag = f->chat->head.join_tag, op = f->chat->head.group_seq;

    assert_int_equal(do_apply(f, cmd).code, code);
    assert_int_equal(f->fx.event_count, 0);
    assert_int_equal(f->fx.row_count, 0);
    assert_int_equal(f->chat->head.last_seq, last);
    assert_int_equal(f->chat->head.join_tag, tag);
    assert_int_equal(f->chat->head.group_seq, op);
}

static bool is_in(const struct chat_member *member)
{
    return member != NULL && row_member_last_visible(&member->row) == UINT64_MAX;
}

static bool event_is(struct fixture *f, const char *json)
{
    return kith_slice_is(event_message(f, 0).body, json);
}

static void test_chat_join__an_operation_makes_the_link_and_another_ends_it(void **state)
{
    struct fixture f;

    (void)state;
    open_group(&f, 2);
    refused(&f, ask_cmd(9, TAG, "r"), CODE_NOT_FOUND);
    assert_int_equal(do_apply(&f, link_cmd(&f, 1, TAG)).code, CODE_CREATED);
    assert_int_equal(event_message(&f, 0).type, MESSAGE_CHAT);
    assert_true(event_is(&f, "{\"op\":\"join-key\",\"group_seq\":2,\"signed_op\":\"b3A=\"}"));
    assert_int_equal(f.chat->head.join_tag, TAG);
    assert_int_equal(do_apply(&f, ask_cmd(9, TAG, "r")).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, link_cmd(&f, 1, OTHER)).code, CODE_CREATED); /* one link at a time */
    refused(&f, ask_cmd(9, TAG, "r"), CODE_NOT_FOUND);
    assert_int_equal(do_apply(&f, ask_cmd(9, OTHER, "r")).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, link_cmd(&f, 1, 0)).code, CODE_CREATED);
    assert_true(event_is(&f, "{\"op\":\"join-key\",\"group_seq\":4,\"signed_op\":\"b3A=\"}"));
    refused(&f, ask_cmd(9, OTHER, "r"), CODE_NOT_FOUND);
    refused(&f, ask_cmd(9, 0, "r"), CODE_NOT_FOUND); /* no link is not a link of 0 */
    assert_int_equal(do_apply(&f, op_cmd(&f, CMD_CHAT_UPDATE, 1, 0)).code, CODE_CREATED);
    assert_true(event_is(&f, "{\"op\":\"info\",\"group_seq\":5,\"signed_op\":\"b3A=\"}"));
    fixture_close(&f);
}

static void test_chat_join__a_link_is_an_admins_operation_and_nothing_else_with_it(void **state)
{
    struct fixture f;
    struct cmd cmd;

    (void)state;
    open_group(&f, 3);
    refused(&f, link_cmd(&f, 2, TAG), CODE_FORBIDDEN); /* a member */
    refused(&f, link_cmd(&f, 9, TAG), CODE_NOT_FOUND); /* nobody here */
    cmd = link_cmd(&f, 1, TAG);
    cmd.body = (struct kith_slice){0};
    cmd.seq = 0;
    refused(&f, cmd, CODE_FORBIDDEN); /* no operation */
    cmd = link_cmd(&f, 1, TAG);
    cmd.seq++;
    refused(&f, cmd, CODE_STALE_GROUP);
    cmd = link_cmd(&f, 1, TAG);
    cmd.flags |= CMD_HAS_HISTORY;
    refused(&f, cmd, CODE_BAD_REQUEST);
    cmd.flags |= CMD_HISTORY_OPEN;
    refused(&f, cmd, CODE_BAD_REQUEST);
    cmd.flags = CMD_HAS_JOIN_KEY | CMD_HAS_NAME;
    refused(&f, cmd, CODE_BAD_REQUEST);
    cmd.flags = 0;
    refused(&f, cmd, CODE_BAD_REQUEST); /* a link that is not meant */
    cmd = op_cmd(&f, CMD_MEMBER_ROLE, 1, 2);
    cmd.role = ROLE_ADMIN;
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, link_cmd(&f, 2, TAG)).code, CODE_CREATED);
    fixture_close(&f);
}

/* In a group without operations nobody could know that the link is a member's. */
static void test_chat_join__a_group_without_operations_has_no_link(void **state)
{
    struct fixture f;
    struct cmd cmd;

    (void)state;
    fixture_open(&f);
    make_group(&f, 2);
    cmd = link_cmd(&f, 1, TAG);
    refused(&f, cmd, CODE_FORBIDDEN);
    cmd.body = (struct kith_slice){0};
    cmd.seq = 0;
    refused(&f, cmd, CODE_BAD_REQUEST);
    refused(&f, ask_cmd(9, TAG, "r"), CODE_NOT_FOUND);
    fixture_close(&f);
}

static void test_chat_join__who_asks_is_shown_to_the_members_and_is_none(void **state)
{
    struct fixture f;
    struct chat_answer answer;
    struct row_message message;

    (void)state;
    open_with_link(&f, 2);
    answer = do_apply(&f, ask_cmd(9, TAG, "r\xff"));
    assert_int_equal(answer.code, CODE_CREATED);
    assert_int_equal(answer.seq, 3);
    assert_int_equal(f.fx.event_count, 1);
    message = event_message(&f, 0);
    assert_int_equal(message.type, MESSAGE_MEMBER);
    assert_true(kith_uuid_eq(message.sender.id, USER(9).id));
    assert_true(
        event_is(&f, "{\"op\":\"ask\",\"user_id\":\"" PERSON_9 "\",\"by\":\"" PERSON_9 "\",\"request\":\"cv8=\"}"));
    /* Neither in the roster nor let to see this one event. */
    assert_false(f.fx.events[0].has_extra);
    assert_int_equal(chat_roster_peek(f.chat)->count, 2);
    assert_null(chat_member_find(f.chat, USER(9)));
    assert_int_equal(f.chat->head.member_count, 2);
    assert_int_equal(f.fx.row_count, 2); /* the event and the head */
    refused(&f, send_of(9, 9, msg_id_at(&f, T0), "hello"), CODE_NOT_FOUND);
    fixture_close(&f);
}

static void test_chat_join__one_request_is_one_event(void **state)
{
    struct fixture f;
    struct chat_answer first, again;
    struct cmd cmd;

    (void)state;
    open_with_link(&f, 2);
    cmd = ask_cmd(9, TAG, "r");
    cmd.id = (struct msg_id){uuid_n(0x80, 1)};
    first = do_apply(&f, cmd);
    assert_int_equal(first.code, CODE_CREATED);
    again = do_apply(&f, cmd);
    assert_int_equal(again.code, CODE_OK);
    assert_true(again.repeated);
    assert_int_equal(again.seq, first.seq);
    assert_int_equal(f.fx.event_count, 0);
    /* Also when the link has ended: what was asked with it was asked. */
    assert_int_equal(do_apply(&f, link_cmd(&f, 1, OTHER)).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, cmd).seq, first.seq);
    cmd.value = OTHER;
    refused(&f, cmd, CODE_CONFLICT);
    cmd.value = TAG;
    cmd.body = kith_slice_str("s");
    refused(&f, cmd, CODE_CONFLICT);
    /* The key is the asker's own. */
    cmd.actor = USER(8);
    cmd.value = OTHER;
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    /* Without one each is a request of its own. */
    assert_int_equal(do_apply(&f, ask_cmd(9, OTHER, "r")).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, ask_cmd(9, OTHER, "r")).code, CODE_CREATED);
    fixture_close(&f);
}

static void test_chat_join__who_is_in_already_asks_for_nothing(void **state)
{
    struct fixture f;
    struct chat_answer answer;

    (void)state;
    open_with_link(&f, 2);
    answer = do_apply(&f, ask_cmd(2, TAG, "r"));
    assert_int_equal(answer.code, CODE_OK);
    assert_true(answer.repeated);
    assert_int_equal(answer.seq, 0); /* nothing has a number */
    assert_int_equal(f.fx.event_count, 0);
    assert_int_equal(f.fx.row_count, 0);
    refused(&f, ask_cmd(2, OTHER, "r"), CODE_NOT_FOUND);
    /* Who asked and was let in, too. */
    assert_int_equal(do_apply(&f, ask_cmd(9, TAG, "r")).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, op_cmd(&f, CMD_MEMBER_ADD, 1, 9)).code, CODE_CREATED);
    assert_int_equal(do_apply(&f, ask_cmd(9, TAG, "r")).seq, 0);
    assert_int_equal(f.fx.event_count, 0);
    fixture_close(&f);
}

static void test_chat_join__who_leaves_may_come_back_and_who_is_removed_knows_no_link(void **state)
{
    struct fixture f;

    (void)state;
    open_with_link(&f, 4);
    assert_int_equal(do_apply(&f, op_cmd(&f, CMD_MEMBER_LEAVE, 2, 0)).code, CODE_CREATED);
    assert_int_equal(f.chat->head.join_tag, TAG);
    assert_int_equal(do_apply(&f, ask_cmd(2, TAG, "r")).code, CODE_CREATED);
    assert_false(f.fx.events[0].has_extra);
    assert_int_equal(chat_roster_peek(f.chat)->count, 3);
    assert_int_equal(do_apply(&f, op_cmd(&f, CMD_MEMBER_ADD, 1, 2)).code, CODE_CREATED);
    assert_int_equal(f.chat->head.join_tag, TAG);
    assert_int_equal(do_apply(&f, op_cmd(&f, CMD_MEMBER_REMOVE, 1, 3)).code, CODE_CREATED);
    assert_int_equal(f.chat->head.join_tag, 0);
    refused(&f, ask_cmd(3, TAG, "r"), CODE_NOT_FOUND);
    refused(&f, ask_cmd(9, TAG, "r"), CODE_NOT_FOUND);
    /* A refused one ends nothing; one of a member whose account was deleted does, as it does for every reader. */
    assert_int_equal(do_apply(&f, link_cmd(&f, 1, OTHER)).code, CODE_CREATED);
    refused(&f, op_cmd(&f, CMD_MEMBER_REMOVE, 1, 9), CODE_NOT_FOUND);
    assert_int_equal(do_apply(&f, (struct cmd){.verb = CMD_MEMBER_LEAVE, .actor = USER(4)}).code, CODE_CREATED);
    assert_int_equal(f.chat->head.join_tag, OTHER);
    assert_int_equal(do_apply(&f, op_cmd(&f, CMD_MEMBER_REMOVE, 1, 4)).code, CODE_CREATED);
    assert_int_equal(f.chat->head.join_tag, 0);
    fixture_close(&f);
}

static void test_chat_join__a_request_has_its_maximum_and_not_one_byte_more(void **state)
{
    static uint8_t request[KITH_JOIN_REQUEST_BYTES_MAX + 1];
    struct fixture f;
    struct cmd cmd;

    (void)state;
    open_with_link(&f, 2);
    cmd = ask_cmd(9, TAG, "");
    refused(&f, cmd, CODE_BAD_REQUEST);
    cmd.body = kith_slice_of(request, sizeof request);
    refused(&f, cmd, CODE_TOO_BIG);
    cmd.value = OTHER;
    refused(&f, cmd, CODE_NOT_FOUND); /* whatever is asked */
    cmd.value = TAG;
    cmd.body.len--;
    assert_int_equal(do_apply(&f, cmd).code, CODE_CREATED);
    assert_true(event_message(&f, 0).body.len > KITH_JOIN_REQUEST_BYTES_MAX / 3 * 4);
    fixture_close(&f);
}

static void test_chat_join__a_full_group_is_asked_by_nobody(void **state)
{
    struct fixture f;

    (void)state;
    open_with_link(&f, 3);
    f.rules.members_max = 4;
    assert_int_equal(do_apply(&f, ask_cmd(9, TAG, "r")).code, CODE_CREATED);
    f.rules.members_max = 3;
    refused(&f, ask_cmd(9, TAG, "r"), CODE_CHAT_FULL);
    refused(&f, ask_cmd(9, OTHER, "r"), CODE_NOT_FOUND);
    assert_int_equal(do_apply(&f, ask_cmd(2, TAG, "r")).code, CODE_OK);
    fixture_close(&f);
}

static void test_chat_join__a_chat_that_is_not_there_and_one_of_two_have_no_link(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    refused(&f, ask_cmd(9, TAG, "r"), CODE_NOT_FOUND);
    make_direct_of(&f, true, CMD_ENCRYPTED);
    refused(&f, ask_cmd(9, TAG, "r"), CODE_NOT_FOUND);
    refused(&f, ask_cmd(1, 0, "r"), CODE_NOT_FOUND);
    refused(&f, link_cmd(&f, 1, TAG), CODE_FORBIDDEN);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------ any order */

#define PEOPLE 6

/* What a reader of the chat would say. */
struct model {
    uint64_t tag;
    bool in[PEOPLE + 1];
};

static struct cmd random_cmd(const struct fixture *f, struct kith_prng *prng)
{
    static const enum cmd_verb verbs[] = {CMD_MEMBER_ASK,    CMD_MEMBER_ASK,   CMD_MEMBER_ASK, CMD_CHAT_UPDATE,
                                          CMD_MEMBER_REMOVE, CMD_MEMBER_LEAVE, CMD_MEMBER_ADD, CMD_MEMBER_ADD};
    const uint64_t tags[] = {TAG, OTHER, OTHER + 1, 0};
    enum cmd_verb verb = verbs[kith_prng_below(prng, sizeof verbs / sizeof verbs[0])];
    uint32_t person = (uint32_t)kith_prng_between(prng, 2, PEOPLE);
    uint64_t tag = tags[kith_prng_below(prng, 4)];

    if (verb == CMD_CHAT_UPDATE) return link_cmd(f, 1, tag);
    if (verb == CMD_MEMBER_LEAVE) return op_cmd(f, verb, person, 0);
    if (verb != CMD_MEMBER_ASK) return op_cmd(f, verb, 1, person);
    struct cmd cmd = ask_cmd(person, tag, "r");
    if (kith_prng_chance(prng, 1, 4)) cmd.id = (struct msg_id){uuid_n(0x80, (uint32_t)kith_prng_below(prng, 3))};
    return cmd;
}

static void model_check(struct model *model, const struct fixture *f, const struct cmd *cmd, struct chat_answer answer)
{
    bool done = answer.code == CODE_CREATED;
    uint32_t subject = cmd->subject.id.raw[15], actor = cmd->actor.id.raw[15];

    if (cmd->verb == CMD_MEMBER_ASK && !(answer.repeated && answer.seq != 0) && answer.code != CODE_CONFLICT) {
        bool is_link = cmd->value != 0 && cmd->value == model->tag;
        assert_int_equal(answer.code, !is_link ? CODE_NOT_FOUND : model->in[actor] ? CODE_OK : CODE_CREATED);
    }
    if (cmd->verb == CMD_CHAT_UPDATE && done) model->tag = cmd->value;
    if (cmd->verb == CMD_MEMBER_REMOVE && done) {
        model->tag = 0;
        model->in[subject] = false;
    }
    if (cmd->verb == CMD_MEMBER_LEAVE && done) model->in[actor] = false;
    if (cmd->verb == CMD_MEMBER_ADD && done) model->in[subject] = true;
    assert_int_equal(f->chat->head.join_tag, model->tag);
    for (uint32_t n = 1; n <= PEOPLE; n++) {
        const struct chat_member *member = chat_member_find(f->chat, USER(n));
        assert_int_equal(is_in(member), model->in[n]);
    }
}

static void rows_equal(struct fixture *a, struct fixture *b)
{
    struct kith_ordered_node *x = kith_ordered_seek(&a->rows, (struct kith_slice){0});
    struct kith_ordered_node *y = kith_ordered_seek(&b->rows, (struct kith_slice){0});

    for (; x != NULL && y != NULL; x = kith_ordered_next(x), y = kith_ordered_next(y)) {
        const struct row_copy *p = x->value, *q = y->value;
        assert_true(kith_slice_eq(kith_ordered_key(x), kith_ordered_key(y)));
        assert_true(kith_slice_eq(kith_slice_of(p->bytes, p->len), kith_slice_of(q->bytes, q->len)));
    }
    assert_null(x);
    assert_null(y);
}

static void random_life(struct fixture *f, uint64_t seed)
{
    struct model model = {.in = {false, true, true}};
    struct kith_prng prng;

    kith_prng_seed(&prng, seed);
    open_group(f, 2);
    for (int i = 0; i < 120; i++) {
        struct cmd cmd = random_cmd(f, &prng);
        f->time_ms += kith_prng_below(&prng, 2000);
        struct chat_answer answer = do_apply(f, cmd);
        model_check(&model, f, &cmd, answer);
    }
}

/* After each command the fixture compares memory with rows; here what is answered, and that a second life has the same rows. */
static void test_chat_join__in_any_order_only_the_link_that_holds_lets_ask(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct fixture first, again;
        random_life(&first, seed);
        random_life(&again, seed);
        rows_equal(&first, &again);
        fixture_close(&first);
        fixture_close(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_join__an_operation_makes_the_link_and_another_ends_it),
        cmocka_unit_test(test_chat_join__a_link_is_an_admins_operation_and_nothing_else_with_it),
        cmocka_unit_test(test_chat_join__a_group_without_operations_has_no_link),
        cmocka_unit_test(test_chat_join__who_asks_is_shown_to_the_members_and_is_none),
        cmocka_unit_test(test_chat_join__one_request_is_one_event),
        cmocka_unit_test(test_chat_join__who_is_in_already_asks_for_nothing),
        cmocka_unit_test(test_chat_join__who_leaves_may_come_back_and_who_is_removed_knows_no_link),
        cmocka_unit_test(test_chat_join__a_request_has_its_maximum_and_not_one_byte_more),
        cmocka_unit_test(test_chat_join__a_full_group_is_asked_by_nobody),
        cmocka_unit_test(test_chat_join__a_chat_that_is_not_there_and_one_of_two_have_no_link),
        cmocka_unit_test(test_chat_join__in_any_order_only_the_link_that_holds_lets_ask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
