#include <stdio.h>

#include "base/prng.h"
#include "e2e_group.h"

/*
 * Groups that live at random: two readers who take the same operations have the same state, byte for byte, whatever else they are
 * sent; and what is said of every group holds. KITH_SEED replays one run.
 */
#define PEOPLE 12
#define STEPS  400

/* One in four adds answers a request, by one of two links. */
static void random_link(struct kith_prng *prng, struct e2e_group_op *op)
{
    static struct kith_buf requests[2][PEOPLE + 1]; /* of each person, kept for the next time */
    const uint32_t number = (uint32_t)kith_prng_below(prng, 2), person = (uint32_t)kith_prng_between(prng, 1, PEOPLE);
    const struct e2e_join_link link = link_of(number + 1);
    struct kith_buf *request = &requests[number][person];

    if (op->kind == E2E_GROUP_JOIN_KEY && kith_prng_chance(prng, 3, 4)) e2e_join_key(&link, op->join_key);
    if (op->kind != E2E_GROUP_ADD || !kith_prng_chance(prng, 1, 4)) return;
    if (kith_buf_len(request) == 0) *request = request_of(&link, person, 0);
    op->role = E2E_ROLE_MEMBER;
    op->request = kith_buf_peek(request);
    memcpy(op->subject, person_id(person), sizeof op->subject);
}

static struct e2e_group_op random_op(struct kith_prng *prng)
{
    static uint8_t info[64];
    struct e2e_group_op op = op_of((enum e2e_group_kind)kith_prng_between(prng, E2E_GROUP_ADD, E2E_GROUP_JOIN_KEY),
                                   (uint32_t)kith_prng_between(prng, 1, PEOPLE),
                                   (uint32_t)kith_prng_between(prng, 1, PEOPLE), 0);

    if (op.kind == E2E_GROUP_LEAVE && !kith_prng_chance(prng, 1, 4))
        op.kind = E2E_GROUP_ADD; /* or soon nobody is left */
    if (op.kind == E2E_GROUP_ADD || op.kind == E2E_GROUP_ROLE) op.role = (uint8_t)kith_prng_between(prng, 1, 3);
    if (op.kind == E2E_GROUP_LEAVE || op.kind >= E2E_GROUP_INFO) memset(op.subject, 0, sizeof op.subject);
    if (op.kind == E2E_GROUP_SETTINGS) op.settings = (uint8_t)kith_prng_below(prng, 2);
    if (op.kind == E2E_GROUP_INFO) {
        kith_prng_bytes(prng, info, sizeof info);
        op.info = kith_slice_of(info, kith_prng_chance(prng, 1, 8) ? 0 : kith_prng_between(prng, 55, sizeof info));
    }
    random_link(prng, &op);
    return op;
}

static void check_whole(const struct e2e_group *group)
{
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct e2e_group_member *member = &group->members[i];
        assert_ptr_equal(e2e_group_find(group, member->account_id), member);
        assert_true(i == 0 || memcmp(member[-1].account_id, member->account_id, sizeof member->account_id) < 0);
        assert_true(member->role >= E2E_ROLE_MEMBER && member->role <= E2E_ROLE_OWNER);
        assert_true(member->since >= 1 && member->since <= group->seq);
    }
    assert_true((group->members == NULL) == (group->member_count == 0));
    assert_int_equal(group->head_count, group->seq < E2E_GROUP_HEADS_MAX ? group->seq : E2E_GROUP_HEADS_MAX);
}

/* Bits, bytes, a piece cut out: never taken, since it is not signed. */
static void check_mutated(struct kith_prng *prng, const struct e2e_group *group, struct kith_slice good,
                          uint32_t author)
{
    struct kith_buf before = saved(group), after;
    struct e2e_group *next = NULL;
    uint8_t bytes[1500];
    size_t len = good.len, at = kith_prng_below(prng, len);

    assert_true(len < sizeof bytes);
    memcpy(bytes, good.ptr, len);
    if (kith_prng_chance(prng, 1, 4)) {
        const size_t cut = kith_prng_between(prng, 1, len - at);
        memmove(bytes + at, bytes + at + cut, len - at - cut);
        len -= cut;
    } else {
        bytes[at] ^= (uint8_t)kith_prng_between(prng, 1, 255);
    }
    assert_int_not_equal(group_read(group, kith_slice_of(bytes, len), author, &next), KITH_OK);
    after = saved(group);
    assert_true(kith_slice_eq(kith_buf_peek(&before), kith_buf_peek(&after)));
    kith_buf_deinit(&before);
    kith_buf_deinit(&after);
}

/* The second reader has been restarted now and then. */
static void reload(struct e2e_group **group)
{
    struct kith_buf bytes = saved(*group);

    e2e_group_free(*group);
    assert_int_equal(e2e_group_load(kith_buf_peek(&bytes), group), KITH_OK);
    kith_buf_deinit(&bytes);
}

static void live(uint64_t seed)
{
    struct kith_prng prng;
    struct e2e_group *a = group_of(1, 4, 2), *b = group_of(1, 4, 2), *next = NULL;
    struct kith_buf out;

    kith_prng_seed(&prng, seed);
    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    for (int i = 0; i < STEPS && a->member_count > 0; i++) {
        const struct e2e_group_op op = random_op(&prng);
        const kith_err err = group_next(&a, op, &out); /* a refusal changes nothing: looked at there */
        if (err != KITH_OK) {
            assert_int_equal(err, KITH_E_DENIED);
            continue;
        }
        check_mutated(&prng, b, kith_buf_peek(&out), author_of(&op));
        assert_int_equal(group_read(b, kith_buf_peek(&out), author_of(&op), &next), KITH_OK);
        e2e_group_free(b);
        b = next;
        if (kith_prng_chance(&prng, 1, 5)) reload(&b);
        assert_same_group(a, b);
        check_whole(b);
        kith_buf_reset(&out);
    }
    kith_buf_deinit(&out);
    e2e_group_free(a);
    e2e_group_free(b);
}

static void test_e2e_group_random__two_readers_come_to_the_same(void **state)
{
    const char *given = getenv("KITH_SEED");

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const uint64_t chosen = given == NULL ? seed : strtoull(given, NULL, 10);
        (void)printf("KITH_SEED=%llu\n", (unsigned long long)chosen);
        live(chosen);
        if (given != NULL) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_group_random__two_readers_come_to_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
