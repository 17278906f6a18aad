#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e/town_group.h"

/* Operations of devices that were removed since, and who reads them only then. */

/* Ann, the owner, with a phone and a tablet; Bob with one device. The tablet has signed the newest operation. */
struct pair {
    struct town *town;
    struct town_device *ann, *tablet, *bob;
    struct town_group *group;
};

static struct pair pair_new(uint64_t seed)
{
    struct pair pair = {.town = town_new(seed)};

    pair.town->has_few_prekeys = true;
    pair.ann = town_join(pair.town);
    pair.tablet = town_link(pair.ann);
    pair.bob = town_join(pair.town);
    pair.group = town_group_create(pair.ann, &pair.bob, 1, "us");
    assert_int_equal(town_group_fetch(pair.tablet, pair.group), KITH_OK);
    assert_int_equal(town_group_fetch(pair.bob, pair.group), KITH_OK);
    town_group_must(pair.group, pair.tablet, town_change_name(E2E_GROUP_INFO, "of the tablet"));
    return pair;
}

static void take_out(struct town_device *manager, const struct town_device *device)
{
    assert_int_equal(e2e_account_remove_device(manager->account, manager->town->now_ms, device->server_device),
                     KITH_OK);
    town_upload(manager);
}

/* Lists, until there are so many. */
static void pass_lists(struct town_device *manager, size_t count)
{
    while (manager->person->list_count < count) take_out(manager, town_link(manager));
}

static void has_all(struct town_device *device, const struct pair *pair)
{
    assert_int_equal(town_group_fetch(pair->ann, pair->group), KITH_OK);
    assert_int_equal(town_group_fetch(device, pair->group), KITH_OK);
    assert_true(town_group_same(device, pair->ann, pair->group));
    town_restart(device);
    assert_true(town_group_same(device, pair->ann, pair->group));
}

/* Bob was away: he learns that the tablet is gone before he reads what it signed; he had seen it, and remembers its key. */
static void test_e2e_account_past__who_was_away_takes_what_a_removed_device_signed(void **state)
{
    (void)state;
    for (uint64_t restarts = 0; restarts < 2; restarts++) {
        struct pair pair = pair_new(1 + restarts);
        uint64_t after = 0;
        take_out(pair.ann, pair.tablet);
        assert_int_equal(town_fetch_list(pair.bob, pair.ann->person), KITH_OK);
        if (restarts) town_restart(pair.bob);
        has_all(pair.bob, &pair);
        assert_false(e2e_account_past(pair.bob->account, pair.ann->person->id, &after));
        town_free(pair.town);
    }
}

/* Who has never seen the tablet asks for the lists that had it: a device of Bob's, and one of Ann's own. */
static void test_e2e_account_past__who_comes_later_asks_for_lists_of_the_past(void **state)
{
    struct pair pair = pair_new(3);
    struct town_device *laptop, *pad;

    (void)state;
    take_out(pair.ann, pair.tablet);
    assert_int_equal(town_fetch_list(pair.bob, pair.ann->person), KITH_OK);
    assert_int_equal(town_group_fetch(pair.bob, pair.group), KITH_OK);
    laptop = town_link(pair.bob);
    pad = town_link(pair.ann);
    has_all(laptop, &pair);
    has_all(pad, &pair);
    /* What it learned it keeps: the next such operation needs no list. */
    town_restart(laptop);
    pair.town->people[0]->list_count = 0; /* nobody has any lists now */
    has_all(laptop, &pair);
    pair.town->people[0]->list_count = 4;
    town_free(pair.town);
}

/* More lists than an answer has; and one that was removed before the wanted one is not asked for again. */
static void test_e2e_account_past__more_lists_than_one_answer_has(void **state)
{
    (void)state;
    for (size_t lists = TOWN_PAST_MAX + 1; lists <= 2 * TOWN_PAST_MAX + 3; lists++) {
        struct pair pair = pair_new(100 + lists);
        struct town_device *laptop;
        take_out(pair.ann, pair.tablet);
        pass_lists(pair.ann, lists);
        assert_int_equal(town_group_fetch(pair.bob, pair.group), KITH_OK);
        laptop = town_link(pair.bob);
        has_all(laptop, &pair);
        town_free(pair.town);
    }
}

/* A walk that was cut off by the end of the process begins anew, and so does one of another person between. */
static void test_e2e_account_past__a_walk_begins_anew(void **state)
{
    struct pair pair = pair_new(4);
    struct town_device *laptop;
    struct e2e_wants wants = {0};
    uint64_t after = 0;

    (void)state;
    take_out(pair.ann, pair.tablet);
    pass_lists(pair.ann, TOWN_PAST_MAX + 10);
    assert_int_equal(town_group_fetch(pair.bob, pair.group), KITH_OK);
    laptop = town_link(pair.bob);
    assert_int_equal(town_fetch_list(laptop, pair.ann->person), KITH_OK);
    for (int i = 0; i < 2; i++) {
        struct kith_slice op = kith_buf_peek(&pair.group->ops[0]);
        assert_int_equal(e2e_account_group_op(laptop->account, pair.group->chat_id, op, 1, true, &wants), KITH_OK);
        op = kith_buf_peek(&pair.group->ops[1]);
        assert_int_equal(e2e_account_group_op(laptop->account, pair.group->chat_id, op, 2, true, &wants), KITH_E_AGAIN);
        assert_int_equal(wants.count, 1);
        assert_int_equal(wants.items[0].kind, E2E_WANT_PAST);
        assert_true(e2e_account_past(laptop->account, pair.ann->person->id, &after));
        assert_int_equal(after, 1); /* the list that the tablet was linked by is the second */
        town_fetch_past(laptop, pair.ann->person);
        assert_true(e2e_account_past(laptop->account, pair.ann->person->id, &after));
        assert_int_equal(after, 1 + TOWN_PAST_MAX);
        town_restart(laptop);
        assert_false(e2e_account_past(laptop->account, pair.ann->person->id, &after));
    }
    has_all(laptop, &pair);
    town_free(pair.town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_past__who_was_away_takes_what_a_removed_device_signed),
        cmocka_unit_test(test_e2e_account_past__who_comes_later_asks_for_lists_of_the_past),
        cmocka_unit_test(test_e2e_account_past__more_lists_than_one_answer_has),
        cmocka_unit_test(test_e2e_account_past__a_walk_begins_anew),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
