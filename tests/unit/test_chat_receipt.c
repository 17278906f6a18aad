#include "chat_fixture.h"

static struct cmd mark(enum cmd_verb verb, uint32_t user, uint32_t device, uint64_t seq)
{
    return (struct cmd){.verb = verb, .actor = USER(user), .device = DEVICE(device), .seq = seq};
}

static const struct row_member *member(const struct fixture *f, uint32_t user)
{
    return &chat_member_find(f->chat, USER(user))->row;
}

static void fill(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct cmd cmd = send_of(1, 1, msg_id_at(f, T0), "m");
        cmd.flags = f->chat->head.encrypted != 0 ? CMD_ENCRYPTED : 0;
        assert_int_equal(do_apply(f, cmd).code, CODE_CREATED);
    }
}

/* I-R1, I-R3: watermarks only rise, whatever order their commands come in. */
static void test_chat_receipt__i_r1_i_r3_watermarks_never_fall(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    fill(&f, 9);
    do_apply(&f, mark(CMD_CURSOR, 2, 2, 7));
    assert_true(f.fx.has_receipt);
    do_apply(&f, mark(CMD_CURSOR, 2, 2, 3));
    assert_false(f.fx.has_receipt);
    assert_int_equal(member(&f, 2)->delivered_up_to, 7);
    assert_int_equal(chat_device_find(f.chat, DEVICE(2))->row.cursor, 7);
    do_apply(&f, mark(CMD_READ, 2, 2, 5));
    do_apply(&f, mark(CMD_READ, 2, 2, 4));
    assert_int_equal(member(&f, 2)->read_up_to, 5);
    fixture_close(&f);
}

/* I-R1: read <= delivered <= head, also for what lies beyond the head. */
static void test_chat_receipt__i_r1_read_is_within_delivered_is_within_head(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    fill(&f, 4);
    do_apply(&f, mark(CMD_READ, 2, 2, 1000));
    assert_int_equal(member(&f, 2)->read_up_to, 5);
    assert_int_equal(member(&f, 2)->delivered_up_to, 5);
    do_apply(&f, mark(CMD_CURSOR, 2, 2, UINT64_MAX));
    assert_int_equal(chat_device_find(f.chat, DEVICE(2))->row.cursor, 5);
    fixture_close(&f);
}

/* I-R2: each device has a cursor of its own; delivered follows the furthest. */
static void test_chat_receipt__i_r2_delivered_is_what_some_device_has(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    fill(&f, 9);
    do_apply(&f, mark(CMD_CURSOR, 2, 2, 4));
    do_apply(&f, mark(CMD_CURSOR, 2, 3, 2));
    assert_int_equal(member(&f, 2)->delivered_up_to, 4);
    assert_int_equal(chat_device_find(f.chat, DEVICE(3))->row.cursor, 2);
    do_apply(&f, mark(CMD_CURSOR, 2, 3, 8));
    assert_int_equal(member(&f, 2)->delivered_up_to, 8);
    assert_int_equal(chat_device_find(f.chat, DEVICE(2))->row.cursor, 4);
    fixture_close(&f);
}

static struct cmd list_seq(uint64_t value, uint32_t device)
{
    struct cmd cmd = {.verb = CMD_FACT, .subject = USER(2), .fact = FACT_LIST_SEQ, .value = value};

    if (device != 0) cmd.device = DEVICE(device);
    return cmd;
}

/* I-R2: in an encrypted chat a new device begins where the chat learns of it, which says nothing of what it has. */
static void test_chat_receipt__i_r2_a_new_device_begins_where_the_chat_learns_of_it(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct_of(&f, true, CMD_ENCRYPTED);
    fill(&f, 6);
    do_apply(&f, list_seq(5, 9));
    assert_false(f.fx.has_receipt);
    assert_int_equal(member(&f, 2)->delivered_up_to, 0);
    assert_int_equal(member(&f, 2)->list_seq, 5);
    assert_int_equal(chat_device_find(f.chat, DEVICE(9))->row.cursor, f.chat->head.last_seq);
    fill(&f, 2);
    do_apply(&f, list_seq(5, 9)); /* told again: it begins where it did */
    do_apply(&f, list_seq(6, 9));
    assert_int_equal(chat_device_find(f.chat, DEVICE(9))->row.cursor, f.chat->head.last_seq - 2);
    fixture_close(&f);
}

/* A message for the device may have been numbered since its list became known: it must not begin behind it. */
static void test_chat_receipt__a_device_of_a_list_that_is_known_begins_at_the_joining(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct_of(&f, true, CMD_ENCRYPTED);
    do_apply(&f, list_seq(5, 0));
    fill(&f, 3);
    do_apply(&f, list_seq(5, 9));
    assert_null(chat_device_find(f.chat, DEVICE(9)));
    do_apply(&f, list_seq(4, 8));
    assert_null(chat_device_find(f.chat, DEVICE(8)));
    assert_int_equal(member(&f, 2)->list_seq, 5);
    fixture_close(&f);
}

/* What is not encrypted, every device can read from its person's joining on. */
static void test_chat_receipt__a_new_device_begins_at_the_joining_where_nothing_is_encrypted(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, false);
    fill(&f, 3);
    do_apply(&f, list_seq(5, 9));
    assert_null(chat_device_find(f.chat, DEVICE(9)));
    fixture_close(&f);
}

/* I-R3: switched off, the read mark is hidden from others in each receipt. */
static void test_chat_receipt__i_r3_hides_reading_when_switched_off(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, true);
    fill(&f, 3);
    do_apply(&f, (struct cmd){.verb = CMD_FACT, .subject = USER(2), .fact = FACT_RECEIPTS, .value = 0});
    do_apply(&f, mark(CMD_READ, 2, 2, 3));
    assert_true(f.fx.receipt.read_hidden);
    do_apply(&f, (struct cmd){.verb = CMD_FACT, .subject = USER(2), .fact = FACT_RECEIPTS, .value = 1});
    do_apply(&f, mark(CMD_READ, 2, 2, 4));
    assert_false(f.fx.receipt.read_hidden);
    fixture_close(&f);
}

static void test_chat_receipt__a_strangers_request_gives_no_receipts_until_accepted(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, false);
    fill(&f, 3);
    do_apply(&f, mark(CMD_CURSOR, 2, 2, 3));
    assert_false(f.fx.has_receipt);
    assert_int_equal(chat_device_find(f.chat, DEVICE(2))->row.cursor, 3);
    do_apply(&f, mark(CMD_READ, 2, 2, 3));
    assert_int_equal(member(&f, 2)->delivered_up_to, 0);
    assert_int_equal(member(&f, 2)->read_up_to, 0);
    do_apply(&f, (struct cmd){.verb = CMD_ACCEPT, .actor = USER(2), .device = DEVICE(2)});
    do_apply(&f, mark(CMD_READ, 2, 2, 3));
    assert_int_equal(member(&f, 2)->read_up_to, 3);
    fixture_close(&f);
}

static void test_chat_receipt__writing_accepts_a_request(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_direct(&f, false);
    do_apply(&f, send_of(2, 2, msg_id_at(&f, T0), "hi back"));
    assert_true(member(&f, 2)->flags & MEMBER_ACCEPTED);
    fixture_close(&f);
}

static void test_chat_receipt__a_removed_member_acknowledges_up_to_the_removal(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    make_group(&f, 3);
    do_apply(&f, (struct cmd){.verb = CMD_MEMBER_REMOVE, .actor = USER(1), .subject = USER(3)}); /* 2 */
    fill(&f, 3);
    do_apply(&f, mark(CMD_CURSOR, 3, 3, 5));
    assert_int_equal(chat_device_find(f.chat, DEVICE(3))->row.cursor, 2);
    assert_int_equal(do_apply(&f, mark(CMD_CURSOR, 9, 9, 5)).code, CODE_NOT_FOUND);
    fixture_close(&f);
}

/* Random commands of five people: after each, the fixture compares memory with rows and replays the command; here the
 * invariants of receipts, and that the numbers are dense. */
static void test_chat__random_commands_keep_the_invariants(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct fixture f;
        struct kith_prng prng;
        struct row_member before[6] = {0};

        kith_prng_seed(&prng, seed);
        fixture_open(&f);
        make_group(&f, 4);
        for (int i = 0; i < 150; i++) {
            static const enum cmd_verb verbs[] = {CMD_SEND,   CMD_SEND,        CMD_SEND,          CMD_CURSOR,
                                                  CMD_READ,   CMD_MEMBER_ADD,  CMD_MEMBER_REMOVE, CMD_MEMBER_LEAVE,
                                                  CMD_DELETE, CMD_MEMBER_ROLE, CMD_ACCEPT};
            enum cmd_verb verb = verbs[kith_prng_below(&prng, sizeof verbs / sizeof verbs[0])];
            uint32_t actor = (uint32_t)kith_prng_between(&prng, 1, 5);
            uint64_t head = f.chat->head.last_seq;
            struct cmd cmd = {
                .verb = verb, .actor = USER(actor), .device = DEVICE(actor * 10 + kith_prng_below(&prng, 2))};
            f.time_ms += kith_prng_below(&prng, 2000);
            f.time_ms -= kith_prng_below(&prng, 1000);
            if (verb == CMD_SEND) cmd = send_of(actor, actor * 10, msg_id_at(&f, f.time_ms), "r");
            if (verb == CMD_CURSOR || verb == CMD_READ || verb == CMD_DELETE)
                cmd.seq = kith_prng_between(&prng, 1, head + 2);
            if (verb == CMD_MEMBER_ADD || verb == CMD_MEMBER_REMOVE || verb == CMD_MEMBER_ROLE)
                cmd.subject = USER((uint32_t)kith_prng_between(&prng, 1, 5));
            if (verb == CMD_MEMBER_ADD || verb == CMD_MEMBER_ROLE) cmd.role = (uint8_t)kith_prng_between(&prng, 1, 3);
            (void)do_apply(&f, cmd);
            assert_int_equal(f.chat->head.last_seq, head + f.fx.event_count);
            for (uint32_t u = 1; u <= 5; u++) {
                const struct chat_member *m = chat_member_find(f.chat, USER(u));
                if (m == NULL) continue;
                assert_true(m->row.read_up_to <= m->row.delivered_up_to);
                assert_true(m->row.delivered_up_to <= f.chat->head.last_seq);
                assert_true(m->row.delivered_up_to >= before[u].delivered_up_to);
                assert_true(m->row.read_up_to >= before[u].read_up_to);
                before[u] = m->row;
            }
        }
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_receipt__i_r1_i_r3_watermarks_never_fall),
        cmocka_unit_test(test_chat_receipt__i_r1_read_is_within_delivered_is_within_head),
        cmocka_unit_test(test_chat_receipt__i_r2_delivered_is_what_some_device_has),
        cmocka_unit_test(test_chat_receipt__i_r2_a_new_device_begins_where_the_chat_learns_of_it),
        cmocka_unit_test(test_chat_receipt__a_device_of_a_list_that_is_known_begins_at_the_joining),
        cmocka_unit_test(test_chat_receipt__a_new_device_begins_at_the_joining_where_nothing_is_encrypted),
        cmocka_unit_test(test_chat_receipt__i_r3_hides_reading_when_switched_off),
        cmocka_unit_test(test_chat_receipt__a_strangers_request_gives_no_receipts_until_accepted),
        cmocka_unit_test(test_chat_receipt__writing_accepts_a_request),
        cmocka_unit_test(test_chat_receipt__a_removed_member_acknowledges_up_to_the_removal),
        cmocka_unit_test(test_chat__random_commands_keep_the_invariants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
