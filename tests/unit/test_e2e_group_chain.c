#include "e2e_group.h"

/* An operation's place in the chain, and what a device remembers of it. */
static struct e2e_group_op decoded(const struct kith_buf *signed_op)
{
    struct e2e_group_op op;

    assert_int_equal(e2e_group_op_decode(kith_buf_peek(signed_op), &op), KITH_OK);
    return op;
}

/* The next operation, by person 1, with this time in it; *group is after it. */
static struct kith_buf next_at(struct e2e_group **group, uint64_t made_at_ms)
{
    struct e2e_group_op op = op_of(E2E_GROUP_INFO, 1, 0, 0);
    struct kith_buf out;

    op.made_at_ms = made_at_ms;
    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(group_next(group, op, &out), KITH_OK);
    return out;
}

/* Only what is NEXT is applied. */
static void check_step(const struct e2e_group *before, const struct e2e_group_op *op, enum e2e_group_step expected)
{
    struct e2e_group *after = NULL;

    assert_int_equal(e2e_group_compare(before, op), expected);
    assert_int_equal(e2e_group_apply(before, op, &after), expected == E2E_GROUP_STEP_NEXT ? KITH_OK : KITH_E_DENIED);
    e2e_group_free(after);
}

static void test_e2e_group_chain__knows_its_successor_from_all_others(void **state)
{
    struct e2e_group *a = group_of(1, 3, 1), *b = group_of(1, 3, 1), *other, *read = NULL;
    struct kith_buf second, third, fork2, fork3, of_other;
    struct e2e_group_op create = op_create(1, 3, 1), op2, op3, other2, other3, op;

    (void)state;
    group_must(&read, create);
    second = next_at(&a, 1);
    third = next_at(&a, 2);
    fork2 = next_at(&b, 3);
    fork3 = next_at(&b, 4);
    op2 = decoded(&second);
    op3 = decoded(&third);
    other2 = decoded(&fork2);
    other3 = decoded(&fork3);

    check_step(NULL, &op2, E2E_GROUP_STEP_GAP);
    check_step(read, &op2, E2E_GROUP_STEP_NEXT);
    check_step(read, &other2, E2E_GROUP_STEP_NEXT); /* which of them comes first is the server's to say */
    check_step(read, &op3, E2E_GROUP_STEP_GAP);
    e2e_group_free(read);
    assert_int_equal(group_read(b, kith_buf_peek(&second), 1, &read), KITH_E_DENIED);

    check_step(a, &op2, E2E_GROUP_STEP_SAME);
    check_step(a, &op3, E2E_GROUP_STEP_SAME);
    check_step(a, &other2, E2E_GROUP_STEP_FORK);
    check_step(a, &other3, E2E_GROUP_STEP_FORK);
    e2e_group_free(b);
    b = group_of(1, 3, 1);
    e2e_group_free(a);
    a = NULL;
    assert_int_equal(group_read(b, kith_buf_peek(&second), 1, &a), KITH_OK);
    check_step(a, &other3, E2E_GROUP_STEP_FORK); /* the successor of another second one */
    check_step(a, &op3, E2E_GROUP_STEP_NEXT);

    create.group_id[0] ^= 1;
    other = NULL;
    kith_buf_init(&of_other, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(group_next(&other, create, &of_other), KITH_OK);
    op = decoded(&of_other);
    check_step(NULL, &op, E2E_GROUP_STEP_NEXT);
    check_step(a, &op, E2E_GROUP_STEP_OTHER_GROUP);
    check_step(other, &op3, E2E_GROUP_STEP_OTHER_GROUP);
    e2e_group_free(other);
    e2e_group_free(a);
    e2e_group_free(b);
    kith_buf_deinit(&second);
    kith_buf_deinit(&third);
    kith_buf_deinit(&fork2);
    kith_buf_deinit(&fork3);
    kith_buf_deinit(&of_other);
}

static kith_err allows(const struct e2e_group *group, const struct kith_buf *signed_op)
{
    struct e2e_group_op op;

    assert_int_equal(e2e_group_op_decode(kith_buf_peek(signed_op), &op), KITH_OK);
    return e2e_group_allows(group, &op);
}

static void test_e2e_group_chain__leads_where_its_author_says(void **state)
{
    struct e2e_group *group = group_of(1, 3, 1), *after;
    struct e2e_group_op op = op_of(E2E_GROUP_LEAVE, 2, 0, 0);
    struct kith_buf forged;

    (void)state;
    memset(op.state_hash, 0x33, sizeof op.state_hash);
    forged = group_forged(group, op);
    assert_int_equal(group_read(group, kith_buf_peek(&forged), 2, &after), KITH_E_DENIED);
    assert_int_equal(allows(group, &forged), KITH_OK); /* it is nothing else */
    kith_buf_deinit(&forged);
    forged = group_forged(NULL, op_create(1, 3, 1)); /* of a create, too */
    assert_int_equal(group_read(NULL, kith_buf_peek(&forged), 1, &after), KITH_E_DENIED);
    assert_int_equal(allows(NULL, &forged), KITH_OK);
    assert_int_equal(allows(group, &forged), KITH_E_DENIED); /* not the next one */
    kith_buf_deinit(&forged);
    forged = group_forged(group, op_of(E2E_GROUP_INFO, 2, 0, 0));
    assert_int_equal(allows(group, &forged), KITH_E_DENIED);
    kith_buf_deinit(&forged);
    assert_int_equal(group->member_count, 3);
    e2e_group_free(group);
}

static void test_e2e_group_chain__sixty_four_heads_are_remembered(void **state)
{
    struct e2e_group *a = group_of(1, 1, 1), *b = group_of(1, 1, 1), *c;
    struct kith_buf op_a[E2E_GROUP_HEADS_MAX + 2], op_b;
    struct e2e_group_op other, op;

    (void)state;
    op_b = next_at(&b, 9999); /* another seq 2 */
    other = decoded(&op_b);
    for (uint64_t seq = 2; seq <= E2E_GROUP_HEADS_MAX + 1; seq++) {
        op_a[seq] = next_at(&a, seq);
        assert_int_equal(a->head_count, seq < E2E_GROUP_HEADS_MAX ? seq : E2E_GROUP_HEADS_MAX);
    }
    for (uint64_t seq = 2; seq <= a->seq; seq++) {
        op = decoded(&op_a[seq]);
        assert_memory_equal(e2e_group_head(a, seq), op.hash, E2E_HASH_BYTES);
    }
    assert_null(e2e_group_head(a, a->seq + 1));
    assert_null(e2e_group_head(a, 1)); /* the 65th */
    assert_null(e2e_group_head(a, 0));
    check_step(a, &other, E2E_GROUP_STEP_FORK); /* the 64th */

    c = group_of(1, 1, 1);
    assert_memory_equal(e2e_group_head(c, 1), c->heads[0], E2E_HASH_BYTES);
    assert_null(e2e_group_head(c, 0));
    e2e_group_free(c);
    kith_buf_deinit(&op_a[2]);
    op_a[2] = next_at(&a, 1);
    assert_null(e2e_group_head(a, 2));
    check_step(a, &other, E2E_GROUP_STEP_SAME); /* who knows */
    e2e_group_free(a);
    e2e_group_free(b);
    for (int seq = 2; seq <= E2E_GROUP_HEADS_MAX + 1; seq++) kith_buf_deinit(&op_a[seq]);
    kith_buf_deinit(&op_b);
}

/* ---------------------------------------------------------------------------------------------- saved */
static struct e2e_group *rich(void)
{
    struct e2e_group_op op = op_create(1, 9, 4);
    struct e2e_group *group = NULL;

    op.info = kith_slice_str(INFO_ONE);
    op.settings = E2E_GROUP_HISTORY_OPEN;
    group_must(&group, op);
    group_must(&group, op_of(E2E_GROUP_ADD, 4, 12, E2E_ROLE_ADMIN));
    return group;
}

static kith_err load(struct kith_slice in)
{
    struct e2e_group *group = NULL;
    struct kith_buf again;
    kith_err err = e2e_group_load(in, &group);

    assert_true((group != NULL) == (err == KITH_OK));
    if (err != KITH_OK) return err;
    again = saved(group);
    assert_true(kith_slice_eq(kith_buf_peek(&again), in));
    kith_buf_deinit(&again);
    e2e_group_free(group);
    return err;
}

/* If it is one at all. A flipped bit may make a field one that is stepped over, so it is not always written as it came. */
static void check_loads_again(struct kith_slice in)
{
    struct e2e_group *group = NULL;
    struct kith_buf again;

    if (e2e_group_load(in, &group) != KITH_OK) return;
    again = saved(group);
    assert_int_equal(load(kith_buf_peek(&again)), KITH_OK);
    kith_buf_deinit(&again);
    e2e_group_free(group);
}

static void test_e2e_group_chain__what_is_saved_is_loaded(void **state)
{
    struct e2e_group *group = rich(), *largest = NULL;
    struct kith_buf bytes = saved(group);

    (void)state;
    assert_int_equal(load(kith_buf_peek(&bytes)), KITH_OK);
    for (size_t len = 0; len < kith_buf_len(&bytes); len++)
        assert_int_equal(load(kith_slice_of(bytes.ptr, len)), KITH_E_MALFORMED);
    for (size_t bit = 0; bit < 8 * kith_buf_len(&bytes); bit++) {
        bytes.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check_loads_again(kith_buf_peek(&bytes));
        bytes.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    group_must(&group, op_of(E2E_GROUP_LEAVE, 1, 0, 0));
    kith_buf_deinit(&bytes);
    bytes = saved(group);
    assert_int_equal(load(kith_buf_peek(&bytes)), KITH_OK);
    e2e_group_free(group);

    group = group_of(1, 1, 1); /* nobody is left */
    group_must(&group, op_of(E2E_GROUP_LEAVE, 1, 0, 0));
    kith_buf_deinit(&bytes);
    bytes = saved(group);
    assert_int_equal(load(kith_buf_peek(&bytes)), KITH_OK);
    e2e_group_free(group);

    largest = e2e_group_new(E2E_GROUP_MEMBERS_MAX);
    largest->members = e2e_group_room(largest);
    for (uint32_t i = 0; i < E2E_GROUP_MEMBERS_MAX; i++) {
        struct e2e_group_member *member = &largest->members[largest->member_count++];
        memcpy(member->account_id, person_id(i + 1), sizeof member->account_id);
        member->role = E2E_ROLE_MEMBER;
        member->since = 1;
    }
    largest->seq = UINT64_MAX;
    largest->suite = E2E_GROUP_SUITE;
    largest->head_count = E2E_GROUP_HEADS_MAX;
    largest->info_len = E2E_GROUP_INFO_BYTES_MAX;
    largest->settings = E2E_GROUP_HISTORY_OPEN;
    kith_buf_deinit(&bytes);
    bytes = saved(largest);
    assert_int_equal(load(kith_buf_peek(&bytes)), KITH_OK);
    e2e_group_free(largest);
    kith_buf_deinit(&bytes);
}

/* The saved group with another value of one field of its state. */
static kith_err load_with(const struct e2e_group *group, uint16_t tag, struct kith_slice value)
{
    struct kith_buf bytes = saved(group), state_bytes, changed, whole;
    kith_err err;

    kith_buf_init(&state_bytes, GROUP_BYTES_MAX);
    kith_buf_init(&changed, GROUP_BYTES_MAX);
    kith_buf_init(&whole, GROUP_BYTES_MAX);
    assert_int_equal(e2e_group_state_encode(group, &state_bytes), KITH_OK);
    tlv_replace(kith_buf_peek(&state_bytes), tag, value, &changed);
    tlv_replace(kith_buf_peek(&bytes), 1, kith_buf_peek(&changed), &whole);
    err = load(kith_buf_peek(&whole));
    kith_buf_deinit(&state_bytes);
    kith_buf_deinit(&changed);
    kith_buf_deinit(&whole);
    kith_buf_deinit(&bytes);
    return err;
}

/* Three members, one of whom is changed. */
static kith_err load_member(const struct e2e_group *group, uint32_t at, uint32_t person, uint8_t role, uint64_t since)
{
    uint8_t members[3 * 25];

    for (uint32_t i = 0; i < 3; i++) {
        memcpy(members + 25 * i, person_id(i == at ? person : 10 * (i + 1)), 16);
        members[25 * i + 16] = i == at ? role : E2E_ROLE_MEMBER;
        kith_put_u64_be(members + 25 * i + 17, i == at ? since : 1);
    }
    return load_with(group, 4, kith_slice_of(members, sizeof members));
}

static void test_e2e_group_chain__loads_no_state_that_is_none(void **state)
{
    static const uint8_t many[(E2E_GROUP_MEMBERS_MAX + 1) * 25] = {0}, zeros[8] = {0};
    static const uint8_t heads[(E2E_GROUP_HEADS_MAX + 1) * E2E_HASH_BYTES] = {0};
    struct e2e_group *group = rich();
    const uint32_t counts[] = {1, 2, 3, E2E_GROUP_HEADS_MAX, E2E_GROUP_HEADS_MAX + 1};
    struct kith_buf bytes = saved(group), changed;
    uint8_t one_and_more[26] = {0};

    (void)state;
    assert_int_equal(load_member(group, 1, 20, E2E_ROLE_OWNER, 2), KITH_OK);
    assert_int_equal(load_member(group, 1, 20, 0, 2), KITH_E_MALFORMED);
    assert_int_equal(load_member(group, 1, 20, 4, 2), KITH_E_MALFORMED);
    assert_int_equal(load_member(group, 1, 20, E2E_ROLE_OWNER, 0), KITH_E_MALFORMED);
    assert_int_equal(load_member(group, 1, 20, E2E_ROLE_OWNER, 3), KITH_E_MALFORMED); /* later than the group's seq */
    assert_int_equal(load_member(group, 1, 10, E2E_ROLE_OWNER, 1), KITH_E_MALFORMED);
    assert_int_equal(load_member(group, 1, 31, E2E_ROLE_OWNER, 1), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 4, kith_slice_of(many, 24)), KITH_E_MALFORMED);
    memcpy(one_and_more, person_id(10), 16);
    one_and_more[16] = E2E_ROLE_MEMBER;
    one_and_more[24] = 1; /* since */
    assert_int_equal(load_with(group, 4, kith_slice_of(one_and_more, 25)), KITH_OK);
    assert_int_equal(load_with(group, 4, kith_slice_of(one_and_more, 26)), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 4, kith_slice_of(many, sizeof many)), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 4, (struct kith_slice){0}), KITH_OK);
    assert_int_equal(load_with(group, 2, kith_slice_of(zeros, 8)), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 3, kith_slice_of("\2", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(load_with(group, 3, kith_slice_of("\0", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(load_with(group, 6, kith_slice_of("\0", 1)), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 6, kith_slice_of("\2", 1)), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 6, kith_slice_of("\3", 1)), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 7, kith_slice_of(heads, E2E_SIGN_PUBLIC_BYTES)), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 7, kith_slice_of("\3", 1)), KITH_E_MALFORMED);
    assert_int_equal(load_with(group, 8, kith_slice_of("\3", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(load_with(group, 5, kith_slice_of(many, E2E_GROUP_INFO_BYTES_MAX + 1)), KITH_E_MALFORMED);

    kith_buf_init(&changed, GROUP_BYTES_MAX);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) { /* of seq 2 there are two at most */
        kith_buf_reset(&changed);
        tlv_replace(kith_buf_peek(&bytes), 2, kith_slice_of(heads, counts[i] * E2E_HASH_BYTES), &changed);
        assert_int_equal(load(kith_buf_peek(&changed)), counts[i] <= 2 ? KITH_OK : KITH_E_MALFORMED);
    }
    kith_buf_reset(&changed);
    tlv_replace(kith_buf_peek(&bytes), 2, kith_slice_of(heads, E2E_HASH_BYTES + 1), &changed);
    assert_int_equal(load(kith_buf_peek(&changed)), KITH_E_MALFORMED);
    kith_buf_deinit(&changed);
    kith_buf_deinit(&bytes);
    e2e_group_free(group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_group_chain__knows_its_successor_from_all_others),
        cmocka_unit_test(test_e2e_group_chain__leads_where_its_author_says),
        cmocka_unit_test(test_e2e_group_chain__sixty_four_heads_are_remembered),
        cmocka_unit_test(test_e2e_group_chain__what_is_saved_is_loaded),
        cmocka_unit_test(test_e2e_group_chain__loads_no_state_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
