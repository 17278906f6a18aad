#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e/town_group.h"

/* What becomes of the chains of a large group that an account is in no more. */

/* A group of all four, which is a large one here. */
struct crowd {
    struct town *town;
    struct town_device *ann, *bob, *carol, *dan;
    struct town_group *group;
};

static struct crowd crowd_new(uint64_t seed)
{
    struct crowd crowd = {.town = town_new(seed)};

    crowd.town->has_few_prekeys = true;
    crowd.town->pairwise_max = 2;
    crowd.ann = town_join(crowd.town);
    crowd.bob = town_join(crowd.town);
    crowd.carol = town_join(crowd.town);
    crowd.dan = town_join(crowd.town);
    crowd.group = town_group_create(crowd.ann, (struct town_device *[]){crowd.bob, crowd.carol, crowd.dan}, 3,
                                    "the crowd");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(town_group_fetch((struct town_device *[]){crowd.bob, crowd.carol, crowd.dan}[i], crowd.group),
                         KITH_OK);
    return crowd;
}

static size_t records_of(const struct town_device *device, char letter)
{
    const uint8_t *key = NULL;
    size_t count = 0;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == (uint8_t)letter;
    return count;
}

static uint64_t newest_event(const struct crowd *crowd)
{
    return crowd->group->seqs[crowd->group->op_count - 1];
}

static void shown(const struct crowd *crowd, struct town_device *device, uint64_t seq)
{
    e2e_account_group_shown(device->account, crowd->group->chat_id, seq);
    town_restart(device);
}

/* Carol has sent under a chain of hers, has got two, and two messages under them are still to come. */
static size_t talk(const struct crowd *crowd)
{
    size_t late;

    (void)town_group_send(crowd->ann, crowd->group, "hello");
    (void)town_group_send(crowd->bob, crowd->group, "hello");
    (void)town_group_send(crowd->carol, crowd->group, "hello");
    assert_true(town_read(crowd->carol) > 0 && town_read(crowd->ann) > 0 && town_read(crowd->bob) > 0);
    late = crowd->town->mail_count;
    (void)town_group_send(crowd->ann, crowd->group, "late");
    (void)town_group_send(crowd->bob, crowd->group, "later");
    assert_int_equal(crowd->town->mail_count, late + 2);
    assert_int_equal(records_of(crowd->carol, 'C') + records_of(crowd->carol, 'D'), 2);
    assert_int_equal(records_of(crowd->carol, 'R'), 2);
    return late;
}

/* Whether she goes or is made to. What was said before that may come behind the operation, until that was shown. */
static void test_e2e_account_left__chains_go_when_that_was_shown(void **state)
{
    (void)state;
    for (int is_removed = 0; is_removed < 2; is_removed++) {
        struct crowd crowd = crowd_new(1);
        const size_t late = talk(&crowd);
        if (is_removed == 1)
            town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_REMOVE, crowd.carol, 0));
        else
            town_group_must(crowd.group, crowd.carol, town_change(E2E_GROUP_LEAVE, NULL, 0));
        assert_int_equal(town_group_fetch(crowd.carol, crowd.group), KITH_OK);
        assert_int_equal(records_of(crowd.carol, 'C') + records_of(crowd.carol, 'D'), 0);
        assert_int_equal(records_of(crowd.carol, 'R'), 2);
        shown(&crowd, crowd.carol, newest_event(&crowd) - 1);
        assert_int_equal(town_open(crowd.carol, &crowd.town->mails[late], NULL), KITH_OK);
        assert_int_equal(records_of(crowd.carol, 'R'), 2);
        shown(&crowd, crowd.carol, newest_event(&crowd));
        assert_int_equal(records_of(crowd.carol, 'R'), 0);
        assert_int_equal(town_open(crowd.carol, &crowd.town->mails[late + 1], NULL), KITH_E_NOTFOUND);
        assert_int_equal(town_group_try_send(crowd.carol, crowd.group), KITH_E_CLOSED);
        town_free(crowd.town);
    }
}

/* Who is in it keeps them, whoever else leaves; of a chat that is none nothing happens. */
static void test_e2e_account_left__who_stays_keeps_them(void **state)
{
    struct crowd crowd = crowd_new(2);
    const uint8_t none[E2E_ID_BYTES] = {0};
    size_t mine, theirs;

    (void)state;
    (void)talk(&crowd);
    (void)town_read(crowd.dan);
    mine = records_of(crowd.ann, 'C');
    theirs = records_of(crowd.dan, 'R');
    assert_int_equal(theirs, 3);
    town_group_must(crowd.group, crowd.carol, town_change(E2E_GROUP_LEAVE, NULL, 0));
    assert_int_equal(town_group_fetch(crowd.ann, crowd.group), KITH_OK);
    assert_int_equal(town_group_fetch(crowd.dan, crowd.group), KITH_OK);
    shown(&crowd, crowd.ann, UINT64_MAX);
    shown(&crowd, crowd.dan, UINT64_MAX);
    e2e_account_group_shown(crowd.dan->account, none, UINT64_MAX);
    assert_int_equal(records_of(crowd.ann, 'C'), mine);
    assert_int_equal(records_of(crowd.dan, 'R'), theirs);
    town_free(crowd.town);
}

/* Carol is back before Bob or Ann says anything: what she was given before she has no more, so she is given others. */
static void test_e2e_account_left__who_is_back_at_once_is_given_new_ones(void **state)
{
    struct crowd crowd = crowd_new(3);
    size_t left, before;

    (void)state;
    (void)talk(&crowd);
    (void)town_read(crowd.carol);
    (void)town_read(crowd.ann);
    (void)town_read(crowd.bob);
    town_group_must(crowd.group, crowd.carol, town_change(E2E_GROUP_LEAVE, NULL, 0));
    shown(&crowd, crowd.carol, newest_event(&crowd));
    assert_int_equal(records_of(crowd.carol, 'R'), 0);
    assert_int_equal(town_group_fetch(crowd.ann, crowd.group), KITH_OK);
    left = crowd.town->mail_count;
    town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_ADD, crowd.carol, E2E_ROLE_MEMBER));
    assert_int_equal(town_group_fetch(crowd.bob, crowd.group), KITH_OK);
    assert_int_equal(town_group_fetch(crowd.carol, crowd.group), KITH_OK);
    town_restart(crowd.bob);
    before = crowd.town->mail_count;
    (void)town_group_send(crowd.bob, crowd.group, "welcome back");
    assert_true(crowd.town->mail_count > before + 1); /* gifts before it */
    for (size_t i = left; i < crowd.town->mail_count; i++) {
        const struct town_mail *mail = &crowd.town->mails[i];
        if (town_body(mail, crowd.carol).len > 0) assert_int_equal(town_open(crowd.carol, mail, NULL), KITH_OK);
    }
    assert_true(records_of(crowd.carol, 'R') >= 1);
    town_free(crowd.town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_left__chains_go_when_that_was_shown),
        cmocka_unit_test(test_e2e_account_left__who_stays_keeps_them),
        cmocka_unit_test(test_e2e_account_left__who_is_back_at_once_is_given_new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
