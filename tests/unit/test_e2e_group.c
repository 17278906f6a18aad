#include "e2e_group.h"

/* What each kind of operation does to a group, and who may. */
enum { OWNER = 1, ADMIN, MEMBER, MEMBER2, ADMIN2, OWNER2, OUTSIDER };

static struct e2e_group *cast_of_all_roles(void)
{
    struct e2e_group *group = group_of(OWNER, OWNER2, OWNER);

    group_must(&group, op_of(E2E_GROUP_ROLE, OWNER, ADMIN, E2E_ROLE_ADMIN));
    group_must(&group, op_of(E2E_GROUP_ROLE, OWNER, ADMIN2, E2E_ROLE_ADMIN));
    group_must(&group, op_of(E2E_GROUP_ROLE, OWNER, OWNER2, E2E_ROLE_OWNER));
    return group;
}

static struct e2e_group *copy_of(const struct e2e_group *group)
{
    struct kith_buf bytes = saved(group);
    struct e2e_group *copy = NULL;

    assert_int_equal(e2e_group_load(kith_buf_peek(&bytes), &copy), KITH_OK);
    kith_buf_deinit(&bytes);
    return copy;
}

/* ---------------------------------------------------------------------------------------------- create */
static void test_e2e_group__begins_with_its_founders(void **state)
{
    struct e2e_group_op op = op_create(10, 14, 12);
    struct e2e_group *group = NULL;

    (void)state;
    op.info = kith_slice_str(INFO_ONE);
    op.settings = E2E_GROUP_HISTORY_OPEN;
    group_must(&group, op);
    assert_memory_equal(group->group_id, op.group_id, sizeof op.group_id);
    assert_int_equal(group->seq, 1);
    assert_int_equal(group->head_count, 1);
    assert_int_equal(group->suite, E2E_GROUP_SUITE);
    assert_int_equal(group->settings, E2E_GROUP_HISTORY_OPEN);
    assert_true(kith_slice_is(kith_slice_of(group->info, group->info_len), INFO_ONE));
    assert_int_equal(group->member_count, 5);
    for (uint32_t i = 10; i <= 14; i++) {
        assert_int_equal(role_in(group, i), i == 12 ? E2E_ROLE_OWNER : E2E_ROLE_MEMBER);
        assert_int_equal(e2e_group_find(group, person_id(i))->since, 1);
    }
    assert_null(e2e_group_find(group, person_id(9)));
    assert_null(e2e_group_find(group, person_id(15)));
    e2e_group_free(group);
    e2e_group_free(NULL);
}

/* ---------------------------------------------------------------------------------------------- who may do what */
struct row {
    enum e2e_group_kind kind;
    uint32_t author, subject;
    uint8_t role;
    kith_err expected;
    uint8_t after; /* the subject's role, when it is done; 0: none */
};
#define YES(kind, author, subject, role, after) {E2E_GROUP_##kind, author, subject, role, KITH_OK, after}
#define NO(kind, author, subject, role)         {E2E_GROUP_##kind, author, subject, role, KITH_E_DENIED, 0}
static const struct row rows[] = {
    YES(ADD, OWNER, OUTSIDER, E2E_ROLE_MEMBER, E2E_ROLE_MEMBER),
    YES(ADD, OWNER, OUTSIDER, E2E_ROLE_OWNER, E2E_ROLE_OWNER),
    YES(ADD, ADMIN, OUTSIDER, E2E_ROLE_MEMBER, E2E_ROLE_MEMBER),
    YES(ADD, ADMIN, OUTSIDER, E2E_ROLE_ADMIN, E2E_ROLE_ADMIN),
    NO(ADD, ADMIN, OUTSIDER, E2E_ROLE_OWNER), /* above its own */
    NO(ADD, MEMBER, OUTSIDER, E2E_ROLE_MEMBER),
    NO(ADD, OUTSIDER, OUTSIDER, E2E_ROLE_MEMBER),
    NO(ADD, OWNER, MEMBER, E2E_ROLE_MEMBER), /* in it already */
    NO(ADD, OWNER, OWNER, E2E_ROLE_MEMBER),

    YES(REMOVE, OWNER, MEMBER, 0, 0),
    YES(REMOVE, OWNER, ADMIN, 0, 0),
    YES(REMOVE, OWNER, OWNER2, 0, 0),
    YES(REMOVE, ADMIN, MEMBER, 0, 0),
    NO(REMOVE, ADMIN, ADMIN2, 0),
    NO(REMOVE, ADMIN, OWNER, 0),
    NO(REMOVE, ADMIN, ADMIN, 0), /* that would be to leave */
    NO(REMOVE, OWNER, OWNER, 0),
    NO(REMOVE, MEMBER, MEMBER2, 0),
    NO(REMOVE, OUTSIDER, MEMBER, 0),
    NO(REMOVE, OWNER, OUTSIDER, 0),

    YES(LEAVE, MEMBER, 0, 0, 0),
    YES(LEAVE, ADMIN, 0, 0, 0),
    YES(LEAVE, OWNER, 0, 0, 0),
    NO(LEAVE, OUTSIDER, 0, 0),

    YES(ROLE, OWNER, MEMBER, E2E_ROLE_ADMIN, E2E_ROLE_ADMIN),
    YES(ROLE, OWNER, MEMBER, E2E_ROLE_OWNER, E2E_ROLE_OWNER),
    YES(ROLE, OWNER, ADMIN, E2E_ROLE_MEMBER, E2E_ROLE_MEMBER),
    YES(ROLE, OWNER, OWNER2, E2E_ROLE_MEMBER, E2E_ROLE_MEMBER),
    YES(ROLE, OWNER, OWNER, E2E_ROLE_ADMIN, E2E_ROLE_ADMIN), /* there is another */
    NO(ROLE, OWNER, ADMIN, E2E_ROLE_ADMIN),                  /* has it */
    NO(ROLE, OWNER, OUTSIDER, E2E_ROLE_ADMIN),
    NO(ROLE, ADMIN, MEMBER, E2E_ROLE_ADMIN),
    NO(ROLE, ADMIN, ADMIN, E2E_ROLE_MEMBER),
    NO(ROLE, MEMBER, MEMBER, E2E_ROLE_OWNER),
    NO(ROLE, OUTSIDER, MEMBER, E2E_ROLE_ADMIN),

    YES(INFO, OWNER, 0, 0, 0),
    YES(INFO, ADMIN, 0, 0, 0),
    NO(INFO, MEMBER, 0, 0),
    NO(INFO, OUTSIDER, 0, 0),

    YES(SETTINGS, OWNER, 0, 0, 0),
    YES(SETTINGS, ADMIN, 0, 0, 0),
    NO(SETTINGS, MEMBER, 0, 0),
    NO(SETTINGS, OUTSIDER, 0, 0),

    YES(JOIN_KEY, OWNER, 0, 0, 0),
    YES(JOIN_KEY, ADMIN, 0, 0, 0),
    NO(JOIN_KEY, MEMBER, 0, 0),
    NO(JOIN_KEY, OUTSIDER, 0, 0),
};

static void test_e2e_group__each_may_do_what_its_role_allows(void **state)
{
    struct e2e_group *whole = cast_of_all_roles();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct e2e_group *group = copy_of(whole);
        const kith_err err = group_next(&group, op_of(row->kind, row->author, row->subject, row->role), NULL);

        if (err != row->expected) fail_msg("row %zu: %s", i, kith_err_name(err));
        if (err == KITH_OK && row->subject != 0) assert_int_equal(role_in(group, row->subject), row->after);
        if (err == KITH_OK && row->kind == E2E_GROUP_LEAVE) assert_int_equal(role_in(group, row->author), 0);
        if (err == KITH_OK) assert_int_equal(group->seq, whole->seq + 1);
        if (err != KITH_OK) assert_same_group(group, whole);
        e2e_group_free(group);
    }
    e2e_group_free(whole);
}

static void test_e2e_group__since_is_when_somebody_came_last(void **state)
{
    struct e2e_group *group = group_of(1, 3, 1);

    (void)state;
    group_must(&group, op_of(E2E_GROUP_ROLE, 1, 2, E2E_ROLE_ADMIN));
    assert_int_equal(e2e_group_find(group, person_id(2))->since, 1);
    group_must(&group, op_of(E2E_GROUP_LEAVE, 2, 0, 0));
    group_must(&group, op_of(E2E_GROUP_ADD, 1, 2, E2E_ROLE_MEMBER));
    assert_int_equal(e2e_group_find(group, person_id(2))->since, 4);
    assert_int_equal(role_in(group, 2), E2E_ROLE_MEMBER);
    e2e_group_free(group);
}

static void test_e2e_group__info_and_settings_are_what_was_said_last(void **state)
{
    struct e2e_group *group = group_of(1, 3, 1);
    struct e2e_group_op op = op_of(E2E_GROUP_INFO, 1, 0, 0);
    uint8_t longest[E2E_GROUP_INFO_BYTES_MAX + 1];

    (void)state;
    memset(longest, 0x21, sizeof longest);
    assert_int_equal(group->info_len, 0);
    op.info = kith_slice_of(longest, E2E_GROUP_INFO_BYTES_MAX);
    group_must(&group, op);
    assert_int_equal(group->info_len, E2E_GROUP_INFO_BYTES_MAX);
    op.info.len++;
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);
    op.info.len = E2E_GROUP_INFO_BYTES_MIN;
    group_must(&group, op);
    assert_int_equal(group->info_len, 55);
    op.info.len--;
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);
    op.info = kith_slice_str(INFO_TWO);
    group_must(&group, op);
    assert_true(kith_slice_is(kith_slice_of(group->info, group->info_len), INFO_TWO));
    op.info.len = 0;
    group_must(&group, op);
    assert_int_equal(group->info_len, 0);

    op = op_of(E2E_GROUP_SETTINGS, 1, 0, 0);
    op.settings = E2E_GROUP_HISTORY_OPEN;
    group_must(&group, op);
    assert_int_equal(group->settings, E2E_GROUP_HISTORY_OPEN);
    op.settings = 0;
    group_must(&group, op);
    assert_int_equal(group->settings, 0);
    op.settings = E2E_GROUP_HISTORY_OPEN | 2;
    assert_int_equal(group_next(&group, op, NULL), KITH_E_MALFORMED);
    e2e_group_free(group);
}

/* ---------------------------------------------------------------------------------------------- invite links */
static struct e2e_group_op join_key_of(uint32_t author, const struct e2e_join_link *link)
{
    struct e2e_group_op op = op_of(E2E_GROUP_JOIN_KEY, author, 0, 0);

    if (link != NULL) e2e_join_key(link, op.join_key);
    return op;
}

static bool has_link(const struct e2e_group *group, const struct e2e_join_link *link)
{
    uint8_t key[E2E_SIGN_PUBLIC_BYTES];

    e2e_join_key(link, key);
    return e2e_group_has_link(group) && memcmp(group->join_key, key, sizeof key) == 0;
}

static void test_e2e_group__a_link_holds_until_another_or_none_does(void **state)
{
    const struct e2e_join_link one = link_of(1), two = link_of(2);
    struct e2e_group *group = cast_of_all_roles();

    (void)state;
    assert_false(e2e_group_has_link(group));
    group_must(&group, join_key_of(ADMIN, &one));
    assert_true(has_link(group, &one));
    /* Nothing else changes it. */
    group_must(&group, op_of(E2E_GROUP_ADD, OWNER, OUTSIDER, E2E_ROLE_MEMBER));
    group_must(&group, op_of(E2E_GROUP_ROLE, OWNER, OUTSIDER, E2E_ROLE_ADMIN));
    group_must(&group, op_of(E2E_GROUP_INFO, OWNER, 0, 0));
    group_must(&group, op_of(E2E_GROUP_SETTINGS, OWNER, 0, 0));
    group_must(&group, op_of(E2E_GROUP_LEAVE, OUTSIDER, 0, 0));
    group_must(&group, op_of(E2E_GROUP_LEAVE, ADMIN, 0, 0)); /* who made it */
    assert_true(has_link(group, &one));
    group_must(&group, join_key_of(OWNER, &two));
    assert_true(has_link(group, &two));
    group_must(&group, join_key_of(OWNER, &two)); /* that one again */
    group_must(&group, join_key_of(ADMIN2, NULL));
    assert_false(e2e_group_has_link(group));
    group_must(&group, join_key_of(ADMIN2, NULL));
    group_must(&group, join_key_of(ADMIN2, &one));
    group_must(&group, op_of(E2E_GROUP_REMOVE, ADMIN2, MEMBER, 0));
    assert_false(e2e_group_has_link(group));
    e2e_group_free(group);
}

struct asking {
    const struct e2e_join_link *link;
    uint32_t by, author, subject;
    uint8_t role;
    kith_err expected;
};

static void test_e2e_group__who_is_let_in_by_its_link(void **state)
{
    const struct e2e_join_link ours = link_of(1), other = link_of(2);
    const struct asking askings[] = {
        {&ours, OUTSIDER, OWNER, OUTSIDER, E2E_ROLE_MEMBER, KITH_OK},
        {&ours, OUTSIDER, ADMIN, OUTSIDER, E2E_ROLE_MEMBER, KITH_OK},
        {&ours, OUTSIDER, MEMBER, OUTSIDER, E2E_ROLE_MEMBER, KITH_E_DENIED},
        {&ours, OUTSIDER, OUTSIDER, OUTSIDER, E2E_ROLE_MEMBER, KITH_E_DENIED},
        {&other, OUTSIDER, OWNER, OUTSIDER, E2E_ROLE_MEMBER, KITH_E_DENIED},
        {&ours, MEMBER, OWNER, MEMBER, E2E_ROLE_MEMBER, KITH_E_DENIED}, /* in it already */
        /* What no operation says, whatever the group. */
        {&ours, OUTSIDER, OWNER, OUTSIDER + 1, E2E_ROLE_MEMBER, KITH_E_MALFORMED},
        {&ours, OUTSIDER, OWNER, OUTSIDER, E2E_ROLE_ADMIN, KITH_E_MALFORMED},
        {&ours, OUTSIDER, OWNER, OUTSIDER, E2E_ROLE_OWNER, KITH_E_MALFORMED},
    };
    struct e2e_group *whole = cast_of_all_roles();

    (void)state;
    for (size_t i = 0; i < 2 * sizeof askings / sizeof askings[0]; i++) {
        const struct asking *asking = &askings[i / 2];
        struct e2e_group_op op = op_of(E2E_GROUP_ADD, asking->author, asking->subject, asking->role);
        struct kith_buf request = request_of(asking->link, asking->by, 0);
        struct e2e_group *group = copy_of(whole);
        kith_err expected = asking->expected, err;

        /* Every other time no link holds: then nobody is let in by one. */
        if (i % 2 == 0) group_must(&group, join_key_of(OWNER, &ours));
        if (i % 2 == 1 && expected == KITH_OK) expected = KITH_E_DENIED;
        op.request = kith_buf_peek(&request);
        err = group_next(&group, op, NULL);
        if (err != expected) fail_msg("asking %zu: %s", i, kith_err_name(err));
        assert_int_equal(role_in(group, OUTSIDER), err == KITH_OK ? E2E_ROLE_MEMBER : 0);
        kith_buf_deinit(&request);
        e2e_group_free(group);
    }
    e2e_group_free(whole);
}

/* A proof is of one request: any other byte, and it holds no more. That of a device is not asked for here. */
static void test_e2e_group__lets_nobody_in_without_a_proof(void **state)
{
    const struct e2e_join_link link = link_of(1);
    struct kith_buf request = request_of(&link, OUTSIDER, 0);
    struct e2e_group *group = cast_of_all_roles();
    struct e2e_join_request read;
    struct e2e_group_op op = op_of(E2E_GROUP_ADD, OWNER, OUTSIDER, E2E_ROLE_MEMBER);
    size_t signature_at;

    (void)state;
    group_must(&group, join_key_of(OWNER, &link));
    assert_int_equal(e2e_join_decode(kith_buf_peek(&request), &read), KITH_OK);
    signature_at = (size_t)(read.signature.ptr - request.ptr);
    op.request = kith_buf_peek(&request);
    for (size_t i = 0; i < kith_buf_len(&request); i++) {
        struct e2e_group *after = copy_of(group);
        request.ptr[i] ^= 0x10;
        if (i >= signature_at)
            group_must(&after, op);
        else
            assert_int_not_equal(group_next(&after, op, NULL), KITH_OK);
        request.ptr[i] ^= 0x10;
        e2e_group_free(after);
    }
    kith_buf_deinit(&request);
    e2e_group_free(group);
}

/* A key of zeros is no key, whoever says that it proves something. */
static void test_e2e_group__no_link_is_no_key(void **state)
{
    const struct e2e_join_link link = link_of(1);
    struct kith_buf request = request_of(&link, OUTSIDER, 0), changed;
    struct e2e_group *group = cast_of_all_roles();
    static const uint8_t zeros[E2E_SIGNATURE_BYTES];
    struct e2e_group_op op = op_of(E2E_GROUP_ADD, OWNER, OUTSIDER, E2E_ROLE_MEMBER);
    struct e2e_join_request read;
    struct kith_buf inner;

    (void)state;
    assert_int_equal(e2e_join_decode(kith_buf_peek(&request), &read), KITH_OK);
    kith_buf_init(&inner, E2E_JOIN_REQUEST_BYTES_MAX);
    kith_buf_init(&changed, E2E_JOIN_SIGNED_BYTES_MAX);
    tlv_replace(read.bytes, 1, kith_slice_of(zeros, E2E_SIGN_PUBLIC_BYTES), &inner);
    tlv_replace(kith_buf_peek(&request), 1, kith_buf_peek(&inner), &changed);
    kith_buf_reset(&request);
    tlv_replace(kith_buf_peek(&changed), 2, kith_slice_of(zeros, E2E_SIGNATURE_BYTES), &request);
    op.request = kith_buf_peek(&request);
    assert_int_equal(group_next(&group, op, NULL), KITH_E_DENIED);
    kith_buf_deinit(&request);
    kith_buf_deinit(&changed);
    kith_buf_deinit(&inner);
    e2e_group_free(group);
}

/* ---------------------------------------------------------------------------------------------- owners */
static void test_e2e_group__the_highest_the_longest_the_first_inherits(void **state)
{
    struct e2e_group *group = group_of(5, 7, 6); /* 5 and 7 are there since 1 */

    (void)state;
    group_must(&group, op_of(E2E_GROUP_ADD, 6, 1, E2E_ROLE_MEMBER));
    group_must(&group, op_of(E2E_GROUP_ADD, 6, 2, E2E_ROLE_ADMIN));
    group_must(&group, op_of(E2E_GROUP_ADD, 6, 3, E2E_ROLE_ADMIN));
    group_must(&group, op_of(E2E_GROUP_ADD, 6, 9, E2E_ROLE_OWNER));

    group_must(&group, op_of(E2E_GROUP_LEAVE, 6, 0, 0)); /* not the only owner */
    assert_int_equal(role_in(group, 2), E2E_ROLE_ADMIN);
    group_must(&group, op_of(E2E_GROUP_LEAVE, 9, 0, 0)); /* 2 and 3 are admins, 2 came first */
    assert_int_equal(role_in(group, 2), E2E_ROLE_OWNER);
    assert_int_equal(role_in(group, 3), E2E_ROLE_ADMIN);
    group_must(&group, op_of(E2E_GROUP_LEAVE, 2, 0, 0));
    assert_int_equal(role_in(group, 3), E2E_ROLE_OWNER);
    group_must(&group, op_of(E2E_GROUP_LEAVE, 3, 0, 0)); /* 1 has the smallest id, but came later than 5 and 7 */
    assert_int_equal(role_in(group, 5), E2E_ROLE_OWNER);
    assert_int_equal(role_in(group, 7), E2E_ROLE_MEMBER);
    assert_int_equal(role_in(group, 1), E2E_ROLE_MEMBER);
    assert_int_equal(e2e_group_find(group, person_id(5))->since, 1);
    group_must(&group, op_of(E2E_GROUP_LEAVE, 1, 0, 0));
    group_must(&group, op_of(E2E_GROUP_LEAVE, 5, 0, 0));
    assert_int_equal(role_in(group, 7), E2E_ROLE_OWNER);
    group_must(&group, op_of(E2E_GROUP_LEAVE, 7, 0, 0));
    assert_int_equal(group->member_count, 0);
    assert_null(group->members);

    assert_int_equal(group_next(&group, op_of(E2E_GROUP_LEAVE, 7, 0, 0), NULL), KITH_E_DENIED);
    assert_int_equal(group_next(&group, op_of(E2E_GROUP_ADD, 7, 7, E2E_ROLE_MEMBER), NULL), KITH_E_DENIED);
    e2e_group_free(group);
}

/* The later id came first: the time counts before the id. */
static void test_e2e_group__the_longest_inherits_before_the_first(void **state)
{
    struct e2e_group *group = group_of(6, 6, 6);

    (void)state;
    group_must(&group, op_of(E2E_GROUP_ADD, 6, 8, E2E_ROLE_ADMIN));
    group_must(&group, op_of(E2E_GROUP_ADD, 6, 2, E2E_ROLE_ADMIN));
    group_must(&group, op_of(E2E_GROUP_LEAVE, 6, 0, 0));
    assert_int_equal(role_in(group, 8), E2E_ROLE_OWNER);
    assert_int_equal(role_in(group, 2), E2E_ROLE_ADMIN);
    e2e_group_free(group);
}

static void test_e2e_group__the_only_owner_stays_it_until_it_leaves(void **state)
{
    struct e2e_group *group = group_of(1, 2, 1);

    (void)state;
    assert_int_equal(group_next(&group, op_of(E2E_GROUP_ROLE, 1, 1, E2E_ROLE_ADMIN), NULL), KITH_E_DENIED);
    assert_int_equal(group_next(&group, op_of(E2E_GROUP_ROLE, 1, 1, E2E_ROLE_MEMBER), NULL), KITH_E_DENIED);
    group_must(&group, op_of(E2E_GROUP_ROLE, 1, 2, E2E_ROLE_OWNER));
    group_must(&group, op_of(E2E_GROUP_ROLE, 1, 1, E2E_ROLE_ADMIN));
    assert_int_equal(group_next(&group, op_of(E2E_GROUP_ROLE, 2, 2, E2E_ROLE_MEMBER), NULL), KITH_E_DENIED);
    group_must(&group, op_of(E2E_GROUP_LEAVE, 1, 0, 0));
    /* Alone, too: nobody could name another one. */
    assert_int_equal(group_next(&group, op_of(E2E_GROUP_ROLE, 2, 2, E2E_ROLE_ADMIN), NULL), KITH_E_DENIED);
    assert_int_equal(group_next(&group, op_of(E2E_GROUP_ROLE, 2, 2, E2E_ROLE_MEMBER), NULL), KITH_E_DENIED);
    assert_int_equal(role_in(group, 2), E2E_ROLE_OWNER);
    group_must(&group, op_of(E2E_GROUP_LEAVE, 2, 0, 0));
    assert_int_equal(group->member_count, 0);
    e2e_group_free(group);
}

/* ---------------------------------------------------------------------------------------------- as many as may be */
static void test_e2e_group__four_thousand_and_ninety_six_and_one_more(void **state)
{
    struct e2e_group *group = group_of(2, 1 + E2E_GROUP_FOUNDERS_MAX, 2);

    (void)state;
    for (uint32_t i = group->member_count; i < E2E_GROUP_MEMBERS_MAX - 1; i++) { /* made only: reading is as below */
        struct e2e_group_op op = op_of(E2E_GROUP_ADD, 2, i + 10, E2E_ROLE_MEMBER);
        uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
        struct e2e_group *next = NULL;
        struct kith_buf out;
        kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
        person_keys(2, secret, public);
        assert_int_equal(e2e_group_make(group, &op, secret, &next, &out), KITH_OK);
        kith_buf_deinit(&out);
        e2e_group_free(group);
        group = next;
    }
    group_must(&group, op_of(E2E_GROUP_ADD, 2, 1, E2E_ROLE_MEMBER)); /* before all others */
    assert_int_equal(group->member_count, E2E_GROUP_MEMBERS_MAX);
    assert_int_equal(group_next(&group, op_of(E2E_GROUP_ADD, 2, 9000, E2E_ROLE_MEMBER), NULL), KITH_E_FULL);
    group_must(&group, op_of(E2E_GROUP_REMOVE, 2, 1, 0));
    group_must(&group, op_of(E2E_GROUP_ADD, 2, 9000, E2E_ROLE_MEMBER)); /* behind */
    assert_int_equal(group->member_count, E2E_GROUP_MEMBERS_MAX);
    for (uint32_t i = 1; i < group->member_count; i++)
        assert_true(memcmp(group->members[i - 1].account_id, group->members[i].account_id, 16) < 0);
    e2e_group_free(group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_group__begins_with_its_founders),
        cmocka_unit_test(test_e2e_group__each_may_do_what_its_role_allows),
        cmocka_unit_test(test_e2e_group__since_is_when_somebody_came_last),
        cmocka_unit_test(test_e2e_group__info_and_settings_are_what_was_said_last),
        cmocka_unit_test(test_e2e_group__a_link_holds_until_another_or_none_does),
        cmocka_unit_test(test_e2e_group__who_is_let_in_by_its_link),
        cmocka_unit_test(test_e2e_group__lets_nobody_in_without_a_proof),
        cmocka_unit_test(test_e2e_group__no_link_is_no_key),
        cmocka_unit_test(test_e2e_group__the_highest_the_longest_the_first_inherits),
        cmocka_unit_test(test_e2e_group__the_longest_inherits_before_the_first),
        cmocka_unit_test(test_e2e_group__the_only_owner_stays_it_until_it_leaves),
        cmocka_unit_test(test_e2e_group__four_thousand_and_ninety_six_and_one_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
