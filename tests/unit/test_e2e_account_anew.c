#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e/town.h"

/* Sessions that a device begins though there is one, what is noted of that, and how long the ones before still decrypt. */

struct two {
    struct town *town;
    struct town_device *ann, *bob;
    struct town_chat chat;
    struct kith_map bare; /* what bob had before he ever wrote: put back, he begins anew */
};

static struct two two_new(uint64_t seed)
{
    struct two two = {.town = town_new(seed)};

    two.town->has_few_prekeys = two.town->is_cloned = true;
    two.ann = town_join(two.town);
    two.bob = town_join(two.town);
    two.chat = town_chat_two(two.ann, two.bob);
    two.bare = town_records_copy(two.bob);
    return two;
}

static void two_free(struct two *two)
{
    town_records_free(&two->bare);
    town_free(two->town);
}

static kith_err open_at(struct town_device *to, const struct town_mail *mail, bool *is_anew)
{
    struct e2e_opened opened;
    struct kith_buf plain;
    kith_err err = town_open_envelope(to, town_envelope(mail, to), &plain, &opened);

    *is_anew = opened.is_anew;
    kith_buf_wipe(&plain);
    return err;
}

/* Whether what `from` says next begins anew with `to`, who reads it. */
static bool is_anew(struct two *two, struct town_device *from, struct town_device *to)
{
    bool anew = false;

    assert_int_equal(open_at(to, town_send(from, &two->chat, "and?"), &anew), KITH_OK);
    return anew;
}

/* Bob has lost all that he had, but for his keys. */
static void forget(struct two *two)
{
    town_restart_from(two->bob, &two->bare);
}

static uint32_t times_of(const struct two *two, uint64_t out[static E2E_ANEW_MAX])
{
    const struct e2e_device_list *list = e2e_account_person(two->ann->account, two->bob->person->id).list;

    return e2e_account_anew(two->ann->account, two->bob->person->id, list->devices[0].device_id, out);
}

static uint32_t records(const struct town_device *device, uint8_t letter)
{
    const uint8_t *key = NULL;
    uint32_t at = 0, count = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == letter;
    return count;
}

static void test_e2e_account_anew__is_noted_with_its_time(void **state)
{
    struct two two = two_new(1);
    uint64_t times[E2E_ANEW_MAX], first_ms;

    (void)state;
    assert_false(is_anew(&two, two.bob, two.ann)); /* the first */
    assert_false(is_anew(&two, two.bob, two.ann));
    assert_false(is_anew(&two, two.ann, two.bob));
    assert_int_equal(times_of(&two, times), 0);
    forget(&two);
    two.town->now_ms += 1000;
    first_ms = two.town->now_ms;
    assert_true(is_anew(&two, two.bob, two.ann));
    assert_false(is_anew(&two, two.bob, two.ann)); /* the same set-up again */
    assert_int_equal(times_of(&two, times), 1);
    assert_int_equal(times[0], first_ms);
    for (uint64_t i = 1; i < 5; i++) { /* the last ones stay */
        two.town->now_ms += E2E_ANEW_MS;
        forget(&two);
        assert_true(is_anew(&two, two.bob, two.ann));
        town_restart(two.ann);
        assert_int_equal(times_of(&two, times), i + 1 < E2E_ANEW_MAX ? i + 1 : E2E_ANEW_MAX);
        for (uint32_t j = 0; j < E2E_ANEW_MAX && j <= i; j++)
            assert_int_equal(times[j], first_ms + (i - j) * E2E_ANEW_MS);
    }
    assert_int_equal(records(two.ann, 'B'), 1);
    two_free(&two);
}

/* Three in a day, and not one more before the first of them is a day old; whatever else bob says is read meanwhile. */
static void test_e2e_account_anew__three_in_a_day_and_not_one_more(void **state)
{
    struct two two = two_new(2);
    uint64_t times[E2E_ANEW_MAX];
    struct town_mail *refused;
    bool anew;

    (void)state;
    assert_false(is_anew(&two, two.bob, two.ann));
    for (int i = 0; i < E2E_ANEW_MAX; i++) {
        forget(&two);
        assert_true(is_anew(&two, two.bob, two.ann));
        two.town->now_ms += 1000;
    }
    assert_false(is_anew(&two, two.bob, two.ann));
    {
        struct kith_map kept = town_records_copy(two.bob);
        forget(&two);
        refused = town_send(two.bob, &two.chat, "once more");
        two.town->now_ms += E2E_ANEW_MS - E2E_ANEW_MAX * 1000 - 1;
        assert_int_equal(open_at(two.ann, refused, &anew), KITH_E_DENIED);
        assert_false(anew);
        town_restart(two.ann);
        assert_int_equal(open_at(two.ann, refused, &anew), KITH_E_DENIED);
        town_restart_from(two.bob, &kept); /* he has found it again */
        assert_false(is_anew(&two, two.bob, two.ann));
        town_records_free(&kept);
    }
    two.town->now_ms += 1; /* the first is a day old; nothing of what was refused was used up */
    assert_int_equal(open_at(two.ann, refused, &anew), KITH_OK);
    assert_true(anew);
    assert_int_equal(times_of(&two, times), E2E_ANEW_MAX);
    assert_int_equal(times[0], two.town->now_ms);
    two_free(&two);
}

/* A clock that was set back has no times before it: nobody is locked out by one that ran ahead. */
static void test_e2e_account_anew__times_that_have_not_come_do_not_count(void **state)
{
    struct two two = two_new(3);
    uint64_t times[E2E_ANEW_MAX];

    (void)state;
    assert_false(is_anew(&two, two.bob, two.ann));
    two.town->now_ms += 2 * TOWN_DAY_MS;
    for (int i = 0; i < E2E_ANEW_MAX; i++) {
        forget(&two);
        assert_true(is_anew(&two, two.bob, two.ann));
    }
    two.town->now_ms -= TOWN_DAY_MS;
    forget(&two);
    assert_true(is_anew(&two, two.bob, two.ann));
    assert_int_equal(times_of(&two, times), E2E_ANEW_MAX);
    two_free(&two);
}

/* Both begin at once: nobody has begun anew, whoever's session it becomes. The same again is none. */
static void test_e2e_account_anew__both_at_once_is_none(void **state)
{
    unsigned ours = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct two two = two_new(100 + seed);
        struct town_mail *from_ann = town_send(two.ann, &two.chat, "at once"),
                         *from_bob = town_send(two.bob, &two.chat, "at once");
        struct e2e_setup setup;
        bool anew = true;

        assert_int_equal(open_at(two.ann, from_bob, &anew), KITH_OK);
        assert_false(anew);
        assert_int_equal(open_at(two.bob, from_ann, &anew), KITH_OK);
        assert_false(anew);
        /* Ann goes on in hers, unanswered, or in bob's. Who comes with another one now has begun anew, either way. */
        ours += e2e_message_setup(town_body(town_send(two.ann, &two.chat, "on"), two.bob), &setup) == KITH_OK;
        forget(&two);
        assert_true(is_anew(&two, two.bob, two.ann));
        two_free(&two);
    }
    assert_true(ours > 0 && ours < 8);
}

/* A session in which nobody would send any more may be begun anew. */
static void test_e2e_account_anew__a_silent_session_is_begun_anew_by_right(void **state)
{
    (void)state;
    for (uint64_t early = 0; early < 2; early++) {
        struct two two = two_new(200);

        assert_false(is_anew(&two, two.bob, two.ann));
        for (int i = 0; i < 6; i++) {
            two.town->now_ms += 5 * TOWN_DAY_MS - (i == 0 ? early : 0);
            town_upload(two.ann);
            town_upload(two.bob);
        }
        town_records_free(&two.bare); /* bob's keys are newer than that */
        two.bare = town_records_copy(two.bob);
        {
            const uint8_t *key = NULL;
            uint8_t gone[TOWN_RECORD_KEY];
            uint32_t at = 0;
            while (kith_map_next(&two.bare, &at, (const void **)&key, NULL))
                if (key[2] == 'S') memcpy(gone, key, sizeof gone);
            kith_buf_deinit(kith_map_find(&two.bare, gone));
            (void)kith_map_remove(&two.bare, gone);
        }
        forget(&two);
        assert_int_equal(is_anew(&two, two.bob, two.ann), early > 0);
        two_free(&two);
    }
}

/* With the device go its times. */
static void test_e2e_account_anew__of_a_removed_device_nothing_is_known(void **state)
{
    struct two two = two_new(4);
    struct town_device *tablet = town_link(two.bob);
    struct kith_map bare = town_records_copy(tablet);
    uint64_t times[E2E_ANEW_MAX];
    uint32_t id;

    (void)state;
    assert_false(is_anew(&two, tablet, two.ann));
    town_restart_from(tablet, &bare);
    assert_true(is_anew(&two, tablet, two.ann));
    id = e2e_device_find_server(e2e_account_person(two.ann->account, two.bob->person->id).list, tablet->server_device)
             ->device_id;
    assert_int_equal(e2e_account_anew(two.ann->account, two.bob->person->id, id, times), 1);
    assert_int_equal(e2e_account_remove_device(two.bob->account, two.town->now_ms, tablet->server_device), KITH_OK);
    town_upload(two.bob);
    assert_int_equal(town_fetch_list(two.ann, two.bob->person), KITH_OK);
    assert_int_equal(e2e_account_anew(two.ann->account, two.bob->person->id, id, times), 0);
    assert_int_equal(records(two.ann, 'B'), 0);
    town_restart(two.ann);
    assert_int_equal(e2e_account_anew(two.ann->account, two.bob->person->id, id, times), 0);
    town_records_free(&bare);
    two_free(&two);
}

/* ------------------------------------------------------------------------------------------------ what is behind */

/* Two that ann has not read, of a session that another one takes the place of. */
struct behind {
    struct two two;
    struct town_mail *mails[3];
};

static struct behind behind_new(uint64_t seed)
{
    struct behind behind = {.two = two_new(seed)};
    struct two *two = &behind.two;

    assert_false(is_anew(two, two->bob, two->ann));
    for (int i = 0; i < 3; i++) behind.mails[i] = town_send(two->bob, &two->chat, "late");
    two->town->now_ms += 5 * TOWN_DAY_MS;
    forget(two);
    assert_true(is_anew(two, two->bob, two->ann));
    assert_int_equal(records(two->ann, 'S'), 2);
    return behind;
}

/* So many days later; both are there. */
static void pass(struct two *two, unsigned days, uint64_t less_ms)
{
    for (unsigned i = 0; i < days; i++) {
        two->town->now_ms += TOWN_DAY_MS - (i == 0 ? less_ms : 0);
        if (i % 5 == 4) town_upload(two->ann);
        if (i % 5 == 4) town_upload(two->bob);
    }
    assert_int_equal(town_fetch_list(two->ann, two->bob->person), KITH_OK);
    assert_int_equal(town_fetch_list(two->bob, two->ann->person), KITH_OK);
}

/* Both say something: the session between them goes on. */
static void talk(struct two *two)
{
    assert_false(is_anew(two, two->ann, two->bob));
    assert_false(is_anew(two, two->bob, two->ann));
}

static void test_e2e_account_anew__an_archived_session_decrypts_for_thirty_days(void **state)
{
    (void)state;
    for (uint64_t less_ms = 0; less_ms < 2; less_ms++) {
        struct behind behind = behind_new(300);
        struct two *two = &behind.two;
        bool anew;

        pass(two, 15, less_ms);
        talk(two);
        assert_int_equal(open_at(two->ann, behind.mails[0], &anew), KITH_OK); /* that is no reason to keep it longer */
        pass(two, 15, 0);
        town_restart(two->ann);
        assert_int_equal(open_at(two->ann, behind.mails[1], &anew), less_ms > 0 ? KITH_OK : KITH_E_DENIED);
        assert_false(anew);
        /* What ended is dropped with a step that succeeds, and not before. */
        assert_int_equal(records(two->ann, 'S'), 2);
        assert_false(is_anew(two, two->bob, two->ann));
        assert_int_equal(records(two->ann, 'S'), less_ms > 0 ? 2 : 1);
        town_restart(two->ann);
        assert_int_equal(open_at(two->ann, behind.mails[2], &anew), less_ms > 0 ? KITH_OK : KITH_E_DENIED);
        two_free(two);
    }
}

static void test_e2e_account_anew__what_one_sends_drops_what_ended_too(void **state)
{
    struct behind behind = behind_new(301);
    struct two *two = &behind.two;

    (void)state;
    pass(two, 29, 0);
    talk(two);
    assert_int_equal(records(two->ann, 'S'), 2);
    pass(two, 1, 0);
    assert_false(is_anew(two, two->ann, two->bob));
    assert_int_equal(records(two->ann, 'S'), 1);
    two_free(two);
}

/* The one that sends does not end; nor does one that comes to send again, as in a tie. */
static void test_e2e_account_anew__the_first_does_not_end(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct two two = two_new(100 + seed);
        struct town_mail *from_ann = town_send(two.ann, &two.chat, "at once"),
                         *from_bob = town_send(two.bob, &two.chat, "at once");
        bool anew;

        assert_int_equal(open_at(two.ann, from_bob, &anew), KITH_OK);
        assert_int_equal(open_at(two.bob, from_ann, &anew), KITH_OK);
        for (int i = 0; i < 3; i++) {
            pass(&two, 20, 0);
            town_restart(two.ann);
            town_restart(two.bob);
            assert_false(is_anew(&two, two.ann, two.bob));
            assert_false(is_anew(&two, two.bob, two.ann));
        }
        assert_int_equal(records(two.ann, 'S'), 1);
        assert_int_equal(records(two.bob, 'S'), 1);
        two_free(&two);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_anew__is_noted_with_its_time),
        cmocka_unit_test(test_e2e_account_anew__three_in_a_day_and_not_one_more),
        cmocka_unit_test(test_e2e_account_anew__times_that_have_not_come_do_not_count),
        cmocka_unit_test(test_e2e_account_anew__both_at_once_is_none),
        cmocka_unit_test(test_e2e_account_anew__a_silent_session_is_begun_anew_by_right),
        cmocka_unit_test(test_e2e_account_anew__of_a_removed_device_nothing_is_known),
        cmocka_unit_test(test_e2e_account_anew__an_archived_session_decrypts_for_thirty_days),
        cmocka_unit_test(test_e2e_account_anew__what_one_sends_drops_what_ended_too),
        cmocka_unit_test(test_e2e_account_anew__the_first_does_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
