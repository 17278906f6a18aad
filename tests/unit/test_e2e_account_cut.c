#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e/town_group.h"

/*
 * A device killed behind any of its calls, in each of three ways (town.h), in a run of two people with two devices each. The
 * town watches that no key and no nonce is used twice and no message opened twice; here, that none is lost.
 */
struct run {
    struct town *town;
    struct town_device *devices[4];
    struct town_chat chat;
};

static struct run run_new(uint64_t seed)
{
    struct run run = {.town = town_new(seed)};

    run.town->has_few_prekeys = seed % 2 == 0;
    run.devices[0] = town_join(run.town);
    run.devices[1] = town_link(run.devices[0]);
    run.devices[2] = town_join(run.town);
    run.devices[3] = town_link(run.devices[2]);
    run.chat = town_chat_two(run.devices[0], run.devices[2]);
    return run;
}

static size_t read_all(const struct run *run)
{
    size_t count = 0;

    for (int i = 0; i < 4; i++) count += town_read(run->devices[i]);
    return count;
}

/* Both begin at once; then they talk; then one links a third device, and renews what is due after a week. */
static void talk(struct run *run)
{
    struct town_device *third;

    (void)town_send(run->devices[0], &run->chat, "from ann");
    (void)town_send(run->devices[2], &run->chat, "from bob");
    assert_int_equal(read_all(run), 6);
    for (int i = 3; i >= 0; i--) (void)town_send(run->devices[i], &run->chat, "and on");
    assert_int_equal(read_all(run), 12);
    third = town_link(run->devices[2]);
    (void)town_send(run->devices[1], &run->chat, "to the third too");
    assert_int_equal(read_all(run) + town_read(third), 4);
    run->town->now_ms += 8 * TOWN_DAY_MS;
    for (int i = 0; i < 4; i++) town_upload(run->devices[i]);
    (void)town_send(third, &run->chat, "from the third");
    assert_int_equal(read_all(run), 4);
}

static void cut_everywhere(enum town_cut cut, uint64_t seed)
{
    uint64_t at, cuts = 1;

    for (at = 1; cuts > 0; at++) {
        struct run run = run_new(seed);
        run.town->calls = 0;
        run.town->cut = cut;
        run.town->cut_at = at;
        talk(&run);
        cuts = run.town->cuts;
        town_free(run.town);
    }
    assert_true(at > 60); /* it was really cut in all those places */
}

static void test_e2e_account_cut__killed_behind_any_call(void **state)
{
    (void)state;
    cut_everywhere(TOWN_CUT_AFTER, 100);
}

static void test_e2e_account_cut__killed_within_any_call(void **state)
{
    (void)state;
    cut_everywhere(TOWN_CUT_DURING, 102);
}

static void test_e2e_account_cut__killed_before_what_a_call_gave_was_used(void **state)
{
    (void)state;
    cut_everywhere(TOWN_CUT_LOST, 104);
}

/* Many kills in one run, and one-time prekeys. */
static void test_e2e_account_cut__killed_again_and_again(void **state)
{
    (void)state;
    for (uint64_t seed = 201; seed < 209; seed += 2) {
        struct run run = run_new(seed);
        for (int i = 0; i < 60; i++) {
            run.town->cut = (enum town_cut)kith_prng_below(&run.town->order, TOWN_CUTS);
            run.town->cut_at = run.town->calls + 1 + kith_prng_below(&run.town->order, 4);
            (void)town_send(run.devices[kith_prng_below(&run.town->order, 4)], &run.chat, "again");
            if (kith_prng_chance(&run.town->order, 1, 3)) (void)read_all(&run);
        }
        (void)read_all(&run);
        assert_int_equal(run.town->opened.count, 180);
        assert_true(run.town->cuts > 40);
        town_free(run.town);
    }
}

/* ------------------------------------------------------------------------------------------------ a large group */
/* Ann, Bob with two devices, and Carol; Dan comes and goes. What is said goes to all of it at once. */
#define CROWD 5
struct crowd {
    struct town *town;
    struct town_device *all[CROWD];
    struct town_group *group;
};

static struct crowd crowd_new(uint64_t seed)
{
    struct crowd crowd = {.town = town_new(seed)};

    crowd.town->has_few_prekeys = true;
    crowd.town->pairwise_max = 2;
    crowd.all[0] = town_join(crowd.town);
    crowd.all[1] = town_join(crowd.town);
    crowd.all[2] = town_link(crowd.all[1]);
    crowd.all[3] = town_join(crowd.town);
    crowd.all[4] = town_join(crowd.town);
    crowd.group = town_group_create(crowd.all[0], (struct town_device *[]){crowd.all[1], crowd.all[3]}, 2, "the crowd");
    return crowd;
}

/* Nothing is lost: all that the first so many could read was opened, once. */
static void all_have_read(const struct crowd *crowd, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(town_group_fetch(crowd->all[i], crowd->group), KITH_OK);
        (void)town_read(crowd->all[i]);
        for (size_t j = 0; j < crowd->town->mail_count; j++) {
            const struct town_mail *mail = &crowd->town->mails[j];
            if (!mail->is_common || mail->from == crowd->all[i]) continue;
            if (i == 4 && strcmp(mail->text, "with Dan") != 0) continue;
            assert_int_equal(town_open(crowd->all[i], mail, NULL), KITH_E_CONFLICT);
        }
    }
}

static void talk_in_crowd(const struct crowd *crowd)
{
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(town_group_fetch(crowd->all[i], crowd->group), KITH_OK);
        (void)town_group_send(crowd->all[i], crowd->group, "one for all");
    }
    all_have_read(crowd, 4);
    town_group_must(crowd->group, crowd->all[0], town_change(E2E_GROUP_ADD, crowd->all[4], E2E_ROLE_MEMBER));
    (void)town_group_send(crowd->all[0], crowd->group, "with Dan");
    all_have_read(crowd, 5);
    town_group_must(crowd->group, crowd->all[0], town_change(E2E_GROUP_REMOVE, crowd->all[4], 0));
    (void)town_group_send(crowd->all[0], crowd->group, "under another chain");
    all_have_read(crowd, 4);
}

static void test_e2e_account_cut__a_large_group(void **state)
{
    (void)state;
    for (int cut = 0; cut < TOWN_CUTS; cut++) {
        uint64_t at, cuts = 1;
        for (at = 1; cuts > 0; at++) {
            struct crowd crowd = crowd_new(300 + (uint64_t)cut);
            crowd.town->calls = 0;
            crowd.town->cut = (enum town_cut)cut;
            crowd.town->cut_at = at;
            talk_in_crowd(&crowd);
            cuts = crowd.town->cuts;
            town_free(crowd.town);
        }
        assert_true(at > 60);
    }
}

/* ------------------------------------------------------------------------------------------------ an invite link */
/* Ann makes another link; Dan comes by it, leaves, and comes again. */
static void come_by_link(const struct crowd *crowd)
{
    struct town_device *dan = crowd->all[4];

    for (int i = 0; i < 2; i++) {
        struct e2e_join_link link = town_group_link(crowd->group, crowd->all[0]);
        struct kith_buf request = town_join_ask(dan, &link);
        assert_int_equal(town_join_let_in(crowd->group, crowd->all[0], kith_buf_peek(&request)), KITH_OK);
        kith_buf_deinit(&request);
        assert_int_equal(town_group_fetch(dan, crowd->group), KITH_OK);
        assert_true(town_group_view(dan, crowd->group).is_member);
        (void)town_group_send(crowd->all[0], crowd->group, "with Dan");
        all_have_read(crowd, 5);
        if (i == 0) town_group_must(crowd->group, dan, town_change(E2E_GROUP_LEAVE, NULL, 0));
    }
    assert_true(town_group_same(dan, crowd->all[0], crowd->group));
}

static void test_e2e_account_cut__an_invite_link(void **state)
{
    (void)state;
    for (int cut = 0; cut < TOWN_CUTS; cut++) {
        uint64_t at, cuts = 1;
        for (at = 1; cuts > 0; at++) {
            struct crowd crowd = crowd_new(400 + (uint64_t)cut);
            crowd.town->calls = 0;
            crowd.town->cut = (enum town_cut)cut;
            crowd.town->cut_at = at;
            come_by_link(&crowd);
            cuts = crowd.town->cuts;
            town_free(crowd.town);
        }
        assert_true(at > 40);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_cut__killed_behind_any_call),
        cmocka_unit_test(test_e2e_account_cut__killed_within_any_call),
        cmocka_unit_test(test_e2e_account_cut__killed_before_what_a_call_gave_was_used),
        cmocka_unit_test(test_e2e_account_cut__killed_again_and_again),
        cmocka_unit_test(test_e2e_account_cut__a_large_group),
        cmocka_unit_test(test_e2e_account_cut__an_invite_link),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
