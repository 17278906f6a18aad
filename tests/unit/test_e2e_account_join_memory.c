#include "e2e_account_failures.h"

/* Invite links of an account, with each allocation failing once. Left out where the heap cannot be made to fail. */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

static struct town *town;
static struct town_device *ann, *bob;
static struct town_group *group; /* Ann's */
static struct e2e_join_link invite;
static struct kith_buf request; /* Bob's */
static struct kith_slice next;  /* an operation */

static kith_err make_work(struct kith_buf *out)
{
    const struct e2e_group_change change = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
    uint64_t seq = 0;

    return e2e_account_group_make(account, town->now_ms, group->chat_id, &change, out, &seq);
}

static kith_err take_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_group_op(account, group->chat_id, next, 1, true, &wants);
}

static kith_err link_work(struct kith_buf *out)
{
    struct e2e_join_link shown;

    (void)out;
    return e2e_account_join_link(account, group->chat_id, &shown);
}

static kith_err ask_work(struct kith_buf *out)
{
    return e2e_account_join_ask(account, town->now_ms, &invite, out);
}

static kith_err asked_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_join_asked(account, group->chat_id, bob->person->id, kith_buf_peek(&request));
}

static kith_err check_work(struct kith_buf *out)
{
    (void)out;
    return e2e_account_join_check(account, town->now_ms, group->chat_id, kith_buf_peek(&request), true, &wants);
}

static kith_err let_in_work(struct kith_buf *out)
{
    struct e2e_group_change change = town_change(E2E_GROUP_ADD, bob, E2E_ROLE_MEMBER);
    uint64_t seq = 0;

    change.request = kith_buf_peek(&request);
    return e2e_account_group_make(account, town->now_ms, group->chat_id, &change, out, &seq);
}

static kith_err load_work(struct kith_buf *out)
{
    const struct town_device *both[] = {ann, bob};
    kith_err err = KITH_OK;

    (void)out;
    for (int i = 0; i < 2 && err == KITH_OK; i++) {
        struct e2e_account *made = account_new(both[i]);
        err = made == NULL ? KITH_E_NOMEM : load_all(made, both[i]);
        e2e_account_free(made);
    }
    return err;
}

static void test_e2e_account_join_memory__every_failure_is_survived(void **state)
{
    (void)state;
    town = town_new(1);
    town->has_few_prekeys = true;
    ann = town_join(town);
    bob = town_join(town);
    kith_prng_seed(&prng, 2);
    group = town_group_create(ann, (struct town_device *[]){town_join(town)}, 1, "ours");
    assert_true(each_failure(ann, make_work) >= 5);
    invite = town_group_link(group, ann);
    (void)each_failure(ann, link_work);
    assert_true(each_failure(bob, ask_work) >= 5);
    request = town_join_ask(bob, &invite);
    assert_int_equal(town_fetch_list(ann, bob->person), KITH_OK);
    assert_true(each_failure(ann, asked_work) >= 1);
    assert_true(each_failure(ann, check_work) >= 2);
    assert_true(each_failure(ann, let_in_work) >= 6);
    assert_true(each_failure(ann, load_work) >= 10);
    assert_int_equal(town_join_let_in(group, ann, kith_buf_peek(&request)), KITH_OK);
    assert_int_equal(town_fetch_list(bob, ann->person), KITH_OK);
    for (size_t i = 0; i < group->op_count;
         i++) { /* up to the one that the link names, that one, and what lets him in */
        next = kith_buf_peek(&group->ops[i]);
        assert_true(each_failure(bob, take_work) >= 2);
        assert_int_equal(town_group_give(bob, group, next), KITH_OK);
    }
    kith_buf_deinit(&request);
    town_free(town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_join_memory__every_failure_is_survived),
    };
    if (!heap_is_ours()) {
        (void)puts("left out: malloc() is not ours");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
