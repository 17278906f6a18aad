#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ring.h"

/* Groups of which a server shows what it likes, and members sign what they may not: rows 1, 2 and 4. */

/* ------------------------------------------------------------------------------------------------ 1 */
static void test_malicious__e2e_01_the_server_adds_a_member(void **state)
{
    struct ring *ring = ring_new(1000);
    struct town_device *ann = ring->ann, *bob = ring->bob, *carol = ring->carol, *mallory = ring->mallory;
    const struct {
        struct town_device *author, *signer;
        uint8_t role;
    } rows[] = {
        {ann, mallory, E2E_ROLE_MEMBER},      /* signed by somebody      */
        {mallory, mallory, E2E_ROLE_MEMBER},  /* of who is no member     */
        {bob, bob, E2E_ROLE_MEMBER},          /* of one who may not      */
        {ann, bob, E2E_ROLE_MEMBER},          /* under another's name    */
        {ann, carol, E2E_ROLE_MEMBER},        /* though she might herself */
        {ann, ring->tablet, E2E_ROLE_MEMBER}, /* of the same account, but not of that device */
        {carol, carol, E2E_ROLE_OWNER},       /* above her own role      */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kith_buf op = forge_op(ann, rows[i].author, rows[i].signer, ring_head(ring, ann),
                                      forge_op_of(E2E_GROUP_ADD, mallory, rows[i].role));
        for (size_t j = 0; j < RING_MEMBERS; j++)
            assert_int_equal(ring_refused(ring, ring_member(ring, j), kith_buf_peek(&op)), KITH_E_DENIED);
        kith_buf_deinit(&op);
    }
    ring_excludes(ring, mallory);
    ring_free(ring);
}

static void test_malicious__e2e_01_operations_of_another_group(void **state)
{
    struct ring *ring = ring_new(1001);
    struct town_group *other = town_group_create(ring->ann, (struct town_device *[]){ring->bob}, 1, NULL);

    (void)state;
    town_group_must(other, ring->ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    town_group_must(other, ring->ann, town_change(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_MEMBER));
    assert_int_equal(ring_head(ring, ring->bob)->seq + 1, other->op_count); /* the last would be the next one */
    for (size_t i = 0; i < other->op_count; i++)
        assert_int_equal(ring_refused(ring, ring->bob, kith_buf_peek(&other->ops[i])), KITH_E_DENIED);
    ring_excludes(ring, ring->mallory);
    ring_free(ring);
}

/* Once added and removed again: what added her is not taken a second time. */
static void test_malicious__e2e_01_operations_of_this_one_again(void **state)
{
    struct ring *ring = ring_new(1002);

    (void)state;
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_MEMBER));
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_REMOVE, ring->mallory, 0));
    ring_meet(ring);
    for (size_t i = 0; i < ring->group->op_count; i++)
        for (size_t j = 0; j < RING_MEMBERS; j++)
            assert_int_equal(ring_refused(ring, ring_member(ring, j), kith_buf_peek(&ring->group->ops[i])), KITH_OK);
    ring_excludes(ring, ring->mallory);
    ring_free(ring);
}

/*
 * Dan was removed, and knows the group. Nobody who adds him again, as whom the server's own operations have made, may speak
 * for what was between: in the chat that he has, it would be another group. What was signed between he takes.
 */
static void test_malicious__e2e_01_who_was_removed_is_given_another_group(void **state)
{
    struct ring *ring = ring_new(1004);
    struct kith_buf op;

    (void)state;
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_REMOVE, ring->dan, 0));
    ring_meet(ring);
    op = forge_op(ring->ann, ring->ann, ring->mallory, ring_head(ring, ring->ann),
                  forge_op_of(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_OWNER));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ring_refused(ring, ring->dan, kith_buf_peek(&op)), KITH_E_DENIED);
        town_restart(ring->dan);
    }
    kith_buf_deinit(&op);
    town_group_must(ring->group, ring->carol, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    town_group_must(ring->group, ring->carol, town_change(E2E_GROUP_ADD, ring->dan, E2E_ROLE_MEMBER));
    ring_meet(ring);
    assert_true(town_group_view(ring->dan, ring->group).is_member);
    ring_free(ring);
}

/* Of an operation that is right, any byte changed, and any part of it. */
static void test_malicious__e2e_01_damaged_operations(void **state)
{
    struct ring *ring = ring_new(1003);
    struct kith_buf good = forge_op(ring->ann, ring->ann, ring->ann, ring_head(ring, ring->ann),
                                    forge_op_of(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_MEMBER));
    const struct kith_slice op = kith_buf_peek(&good);
    const uint64_t writes = ring->bob->writes;
    struct e2e_wants *wants = calloc(1, sizeof *wants);

    (void)state;
    assert_non_null(wants);
    for (size_t i = 0; i < op.len; i++) {
        struct kith_buf bad = forge_copy(op);
        bad.ptr[i] ^= 1u << i % 8;
        assert_int_not_equal(
            e2e_account_group_op(ring->bob->account, ring->group->chat_id, kith_buf_peek(&bad), 1, true, wants),
            KITH_OK);
        assert_int_equal(
            e2e_account_group_op(ring->bob->account, ring->group->chat_id, kith_slice_of(op.ptr, i), 1, true, wants),
            KITH_E_MALFORMED);
        kith_buf_deinit(&bad);
    }
    assert_int_equal(ring->bob->writes, writes);
    assert_false(town_group_view(ring->bob, ring->group).is_forked);
    free(wants);
    assert_int_equal(town_group_give(ring->bob, ring->group, op), KITH_OK);
    kith_buf_deinit(&good);
    ring_free(ring);
}

/* ------------------------------------------------------------------------------------------------ 2 */
/* Which list the author had: of another of that number, or of one that there is not, it is not taken. */
static void test_malicious__e2e_02_operations_under_another_list(void **state)
{
    struct ring *ring = ring_new(2001);

    (void)state;
    for (int row = 0; row < 2; row++) {
        struct e2e_group_op op;
        struct kith_buf good = forge_op(ring->ann, ring->ann, ring->ann, ring_head(ring, ring->ann),
                                        forge_op_of(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_MEMBER)),
                        bad;
        kith_buf_init(&bad, E2E_GROUP_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_group_op_decode(kith_buf_peek(&good), &op), KITH_OK);
        op.list_seq += row == 0;
        op.list_hash[0] ^= row == 1;
        forge_sign_op(ring->ann, &op, &bad);
        assert_int_equal(ring_refused(ring, ring->bob, kith_buf_peek(&bad)), KITH_E_DENIED);
        kith_buf_deinit(&good);
        kith_buf_deinit(&bad);
    }
    ring_excludes(ring, ring->mallory);
    ring_free(ring);
}

/* A device that the account has signed for, and that has not accepted in the list as the server shows it now: it signs nothing. */
static void test_malicious__e2e_02_operations_of_a_device_that_has_not_accepted(void **state)
{
    struct ring *ring = ring_new(2003);
    struct forge_keys keys = forge_keys_of(ring->ann);
    struct e2e_device_list *list = town_list_of(ring->ann->person);
    struct kith_buf bare = forge_list(list, keys.aik, &keys, 1);
    struct kith_buf op = forge_op(ring->tablet, ring->tablet, ring->tablet, ring_head(ring, ring->tablet),
                                  forge_op_of(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_MEMBER));
    struct e2e_wants wants;

    (void)state;
    town_need(e2e_account_list(ring->bob->account, ring->town->now_ms, ring->ann->person->id,
                               ring->ann->person->list_seq, kith_buf_peek(&bare)) == KITH_OK);
    for (int is_fresh = 0; is_fresh < 2; is_fresh++) {
        const struct e2e_group *before = ring_head(ring, ring->bob);
        assert_int_equal(e2e_account_group_op(ring->bob->account, ring->group->chat_id, kith_buf_peek(&op), 0,
                                              is_fresh != 0, &wants),
                         is_fresh ? KITH_E_DENIED : KITH_E_AGAIN);
        assert_true(ring_head(ring, ring->bob) == before);
    }
    kith_buf_deinit(&op);
    kith_buf_deinit(&bare);
    free(list);
    ring_free(ring);
}

/* ------------------------------------------------------------------------------------------------ 4 */
/* Operations out of order are none; those that are held back are missed as soon as somebody speaks who has them. */
static void test_malicious__e2e_04_operations_held_back(void **state)
{
    struct ring *ring = ring_new(4000);
    const struct town_mail *mail;
    const uint64_t seq = ring_head(ring, ring->bob)->seq;
    uint64_t writes;

    (void)state;
    ring->asker = ring->bob;
    ring->from = ring->group->op_count;
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_REMOVE, ring->dan, 0));
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_SETTINGS, NULL, 0));
    assert_int_equal(ring_refused(ring, ring->bob, kith_buf_peek(&ring->group->ops[ring->from + 1])), KITH_E_NOTFOUND);
    mail = town_group_send(ring->ann, ring->group, "dan is gone");
    writes = ring->bob->writes;
    assert_int_equal(town_open(ring->bob, mail, NULL), KITH_E_DENIED);
    assert_int_equal(ring->bob->writes, writes);
    assert_int_equal(ring_head(ring, ring->bob)->seq, seq);
    ring->asker = NULL;
    assert_int_equal(town_open(ring->bob, mail, NULL), KITH_OK);
    assert_int_equal(ring_head(ring, ring->bob)->seq, seq + 2);
    assert_int_equal(town_body(town_group_send(ring->bob, ring->group, "so he is"), ring->dan).len, 0);
    ring_free(ring);
}

/* Carol signs two operations of one number, and the server shows one to Ann and the other to Bob. */
static void two_heads(struct ring *ring)
{
    struct kith_buf one = forge_op(ring->carol, ring->carol, ring->carol, ring_head(ring, ring->ann),
                                   forge_op_of(E2E_GROUP_REMOVE, ring->dan, 0)),
                    other = forge_op(ring->carol, ring->carol, ring->carol, ring_head(ring, ring->ann),
                                     forge_op_of(E2E_GROUP_SETTINGS, NULL, 0));

    assert_int_equal(town_group_give(ring->ann, ring->group, kith_buf_peek(&one)), KITH_OK);
    assert_int_equal(town_group_give(ring->bob, ring->group, kith_buf_peek(&other)), KITH_OK);
    town_group_put(ring->group, kith_buf_peek(&one));
    kith_buf_deinit(&one);
    kith_buf_deinit(&other);
}

static void test_malicious__e2e_04_two_heads_are_noticed_when_either_speaks(void **state)
{
    (void)state;
    for (int row = 0; row < 2; row++) {
        struct ring *ring = ring_new(4001);
        struct town_device *speaks = row == 0 ? ring->ann : ring->bob, *hears = row == 0 ? ring->bob : ring->ann;
        const struct town_mail *mail;
        two_heads(ring);
        mail = town_group_send(speaks, ring->group, "what I see");
        assert_int_equal(town_open(hears, mail, NULL), KITH_E_DENIED);
        ring_alarmed(ring, hears);
        assert_false(town_group_view(speaks, ring->group).is_forked); /* she hears it when they speak */
        ring_free(ring);
    }
}

/* The operation of the others, or the one behind it, is enough; but only when it is signed: else anybody could raise the alarm. */
static void test_malicious__e2e_04_two_heads_are_noticed_by_their_operations(void **state)
{
    (void)state;
    for (int row = 0; row < 2; row++) {
        struct ring *ring = ring_new(4002);
        struct kith_buf bad, good;
        two_heads(ring);
        town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_ROLE, ring->bob, E2E_ROLE_ADMIN));
        good = forge_copy(kith_buf_peek(&ring->group->ops[ring->group->op_count - (row == 0 ? 2 : 1)]));
        bad = forge_copy(kith_buf_peek(&good));
        bad.ptr[bad.tail - 1] ^= 1;
        assert_int_equal(ring_refused(ring, ring->bob, kith_buf_peek(&bad)), KITH_E_DENIED);
        assert_int_equal(town_group_give(ring->bob, ring->group, kith_buf_peek(&good)), KITH_E_CONFLICT);
        ring_alarmed(ring, ring->bob);
        kith_buf_deinit(&good);
        kith_buf_deinit(&bad);
        ring_free(ring);
    }
}

/* Who comes is shown the group as it was when he came: he notices at the first message, and cannot be kept from noticing. */
static void test_malicious__e2e_04_a_newcomer_is_rolled_back(void **state)
{
    struct ring *ring = ring_new(4003);
    struct town_device *eve = town_join(ring->town);
    const struct town_mail *mail;

    (void)state;
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_ADD, eve, E2E_ROLE_MEMBER));
    ring->asker = eve;
    ring->from = ring->group->op_count;
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_REMOVE, ring->dan, 0));
    assert_int_equal(town_group_fetch(eve, ring->group), KITH_OK);
    mail = town_group_send(ring->ann, ring->group, "welcome");
    assert_int_equal(town_open(eve, mail, NULL), KITH_E_DENIED);
    /* Less than what brings her in is no group of hers, and nothing is sent there. */
    ring->from = ring->group->op_count - 2;
    eve = town_join(ring->town);
    town_group_must(ring->group, ring->ann, town_change(E2E_GROUP_ADD, eve, E2E_ROLE_MEMBER));
    ring->asker = eve;
    assert_int_equal(town_group_fetch(eve, ring->group), KITH_OK);
    assert_false(town_group_view(eve, ring->group).is_member);
    assert_int_equal(town_group_try_send(eve, ring->group), KITH_E_CLOSED);
    ring_free(ring);
}

/* Nothing is sealed for who was removed, and nothing of theirs is taken: under the head of then or of now, by whatever name. */
static void test_malicious__e2e_04_a_removed_member_goes_on(void **state)
{
    struct ring *ring = ring_new(4004);
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct town_chat chat = town_group_chat(ring->ann, ring->group);
    const struct town_mail *mail, *late;
    struct e2e_payload payload;
    struct e2e_envelope envelope;
    struct kith_buf message, op;

    (void)state;
    mail = town_group_send(ring->dan, ring->group, "on its way");
    town_group_must(ring->group, ring->carol, town_change(E2E_GROUP_REMOVE, ring->dan, 0));
    ring->asker = ring->dan; /* he may not even know */
    ring->from = ring->group->op_count - 1;
    late = town_group_send(ring->dan, ring->group, "from outside");
    for (size_t i = 0; i < RING_MEMBERS - 1; i++)
        assert_int_equal(town_group_fetch(ring_member(ring, i), ring->group), KITH_OK);
    ring_excludes(ring, ring->dan);
    assert_int_equal(town_open(ring->ann, mail, NULL), KITH_OK); /* it came before, whenever it is read */
    assert_int_equal(town_open(ring->ann, late, NULL), KITH_E_DENIED);
    for (int row = 0; row < 2; row++) {
        payload = forge_group_payload(row == 0 ? ring->dan : ring->ann, ring->ann, ring->group, msg_id, 9);
        memcpy(payload.account_id, ring->dan->person->id, sizeof payload.account_id);
        payload.device_id = forge_keys_of(ring->dan).device_id;
        message = forge_message(ring->dan, ring->ann, &payload);
        envelope = forge_envelope(ring->dan, &chat, msg_id, kith_buf_peek(&message));
        assert_int_equal(forge_refused(ring->ann, envelope), KITH_E_AGAIN); /* he may have come back meanwhile */
        envelope.is_ops_fresh = true;
        assert_int_equal(forge_refused(ring->ann, envelope), KITH_E_DENIED);
        kith_buf_deinit(&message);
    }
    op = forge_op(ring->ann, ring->dan, ring->dan, ring_head(ring, ring->ann),
                  forge_op_of(E2E_GROUP_ADD, ring->mallory, E2E_ROLE_MEMBER));
    assert_int_equal(ring_refused(ring, ring->bob, kith_buf_peek(&op)), KITH_E_DENIED);
    kith_buf_deinit(&op);
    ring_free(ring);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_01_the_server_adds_a_member),
        cmocka_unit_test(test_malicious__e2e_01_operations_of_another_group),
        cmocka_unit_test(test_malicious__e2e_01_operations_of_this_one_again),
        cmocka_unit_test(test_malicious__e2e_01_who_was_removed_is_given_another_group),
        cmocka_unit_test(test_malicious__e2e_01_damaged_operations),
        cmocka_unit_test(test_malicious__e2e_02_operations_under_another_list),
        cmocka_unit_test(test_malicious__e2e_02_operations_of_a_device_that_has_not_accepted),
        cmocka_unit_test(test_malicious__e2e_04_operations_held_back),
        cmocka_unit_test(test_malicious__e2e_04_two_heads_are_noticed_when_either_speaks),
        cmocka_unit_test(test_malicious__e2e_04_two_heads_are_noticed_by_their_operations),
        cmocka_unit_test(test_malicious__e2e_04_a_newcomer_is_rolled_back),
        cmocka_unit_test(test_malicious__e2e_04_a_removed_member_goes_on),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
