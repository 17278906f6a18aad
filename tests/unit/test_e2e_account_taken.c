#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e/town.h"

/* How many one-time prekeys were taken without a first message, as the device counts it. */
#define WINDOW_MS E2E_PREKEYS_TAKEN_MS

static struct e2e_prekeys_taken taken_of(const struct town_device *device)
{
    return e2e_account_prekeys_taken(device->account, device->town->now_ms);
}

/* The server is asked, and says that it has so many; the device is killed after that, too. */
static void look(struct town_device *device, uint32_t left)
{
    town_say_left(device, left, left);
    town_restart(device);
}

static void test_e2e_account_taken__is_counted_up_to_the_alarm(void **state)
{
    struct town *town = town_new(1);
    struct town_device *ann = town_join(town);
    const uint64_t at_ms = town->now_ms;

    (void)state;
    assert_int_equal(taken_of(ann).count, 0);
    town->now_ms += 1000;
    look(ann, E2E_PREKEYS_MAX);
    assert_int_equal(taken_of(ann).count, 0);
    assert_int_equal(taken_of(ann).since_ms, 0);
    town->now_ms += 1000;
    look(ann, E2E_PREKEYS_MAX - (E2E_PREKEYS_TAKEN_ALARM - 1));
    assert_int_equal(taken_of(ann).count, E2E_PREKEYS_TAKEN_ALARM - 1);
    assert_int_equal(taken_of(ann).since_ms, at_ms + 1000);
    assert_false(taken_of(ann).is_alarm);
    town->now_ms += 1000;
    look(ann, E2E_PREKEYS_MAX - E2E_PREKEYS_TAKEN_ALARM);
    assert_int_equal(taken_of(ann).count, E2E_PREKEYS_TAKEN_ALARM);
    assert_int_equal(taken_of(ann).since_ms, at_ms + 1000);
    assert_true(taken_of(ann).is_alarm);
    town_free(town);
}

/* Its window ends a day after it began; what is seen then is of the next one, and since the last look. */
static void test_e2e_account_taken__a_day_is_over_and_another_begins(void **state)
{
    struct town *town = town_new(2);
    struct town_device *ann = town_join(town);
    uint64_t began_ms;

    (void)state;
    look(ann, 90);
    began_ms = town->now_ms;
    assert_int_equal(taken_of(ann).count, 10);
    town->now_ms += WINDOW_MS - 1;
    look(ann, 85);
    assert_int_equal(taken_of(ann).count, 15);
    town->now_ms += 1;
    assert_int_equal(taken_of(ann).count, 0);
    assert_int_equal(taken_of(ann).since_ms, 0);
    look(ann, 82);
    assert_int_equal(taken_of(ann).count, 3);
    assert_int_equal(taken_of(ann).since_ms, began_ms + WINDOW_MS - 1);
    /* The clock is set back: nothing is said of a time that has not begun. */
    town->now_ms = began_ms;
    assert_int_equal(taken_of(ann).count, 0);
    look(ann, 80);
    assert_int_equal(taken_of(ann).count, 2);
    town_free(town);
}

/* What was filled up is no news, and what the server has more than before is not taken. */
static void test_e2e_account_taken__an_upload_counts_for_nothing(void **state)
{
    struct town *town = town_new(3);
    struct town_device *ann = town_join(town);

    (void)state;
    look(ann, 40);
    assert_int_equal(taken_of(ann).count, 60);
    e2e_account_uploaded(ann->account, town->now_ms, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX);
    look(ann, E2E_PREKEYS_MAX);
    assert_int_equal(taken_of(ann).count, 60);
    look(ann, 70);
    look(ann, 90);
    look(ann, 80);
    assert_int_equal(taken_of(ann).count, 100);
    /* Whatever the server says. */
    look(ann, UINT32_MAX);
    look(ann, 0);
    look(ann, UINT32_MAX);
    look(ann, 0);
    assert_int_equal(taken_of(ann).count, UINT32_MAX);
    assert_true(taken_of(ann).is_alarm);
    town_free(town);
}

/* A device that stays connected uploads without having asked how many are left: fewer in the answer are fewer all the same. */
static void test_e2e_account_taken__what_an_upload_finds_missing_counts(void **state)
{
    struct town *town = town_new(6);
    struct town_device *ann = town_join(town);
    const uint64_t looked_ms = town->now_ms;

    (void)state;
    look(ann, E2E_PREKEYS_MAX);
    town->now_ms += 1000;
    e2e_account_uploaded(ann->account, town->now_ms, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX - E2E_PREKEYS_TAKEN_ALARM);
    town_restart(ann);
    assert_int_equal(taken_of(ann).count, E2E_PREKEYS_TAKEN_ALARM);
    assert_int_equal(taken_of(ann).since_ms, looked_ms);
    assert_true(taken_of(ann).is_alarm);
    look(ann, E2E_PREKEYS_MAX - E2E_PREKEYS_TAKEN_ALARM);
    assert_int_equal(taken_of(ann).count, E2E_PREKEYS_TAKEN_ALARM);
    town_free(town);
}

/* Whoever begins a session has taken one for that: whether the device looks before the message comes, or behind it, or a day later. */
static void test_e2e_account_taken__first_messages_are_what_they_are_for(void **state)
{
    struct town *town = town_new(4);
    struct town_device *ann = town_join(town);

    (void)state;
    for (int i = 0; i < 12; i++) {
        struct town_device *bob = town_join(town);
        struct town_chat chat = town_chat_two(ann, bob);
        uint32_t left;
        (void)town_send(bob, &chat, "hello");
        left = (uint32_t)(ann->kem_ots.count - ann->kem_ots.taken);
        assert_int_equal(left, E2E_PREKEYS_MAX - i - 1);
        if (i % 3 == 0) {
            look(ann, left);
            assert_int_equal(taken_of(ann).count, 1);
        }
        assert_int_equal(town_read(ann), 1);
        if (i % 3 == 1) town->now_ms += WINDOW_MS;
        look(ann, left);
        assert_int_equal(taken_of(ann).count, 0);
    }
    town_free(town);
}

/* A device that is not linked has left nothing, and keeps nothing of it. */
static void test_e2e_account_taken__nothing_is_counted_before_there_are_keys(void **state)
{
    struct town *town = town_new(5);
    struct town_device *ann = town_join(town), *fresh = town_device_new(ann->person);

    (void)state;
    town_say_left(fresh, 100, 100);
    town_say_left(fresh, 0, 0);
    assert_int_equal(taken_of(fresh).count, 0);
    assert_int_equal(fresh->writes, 0);
    town_free(town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_taken__is_counted_up_to_the_alarm),
        cmocka_unit_test(test_e2e_account_taken__a_day_is_over_and_another_begins),
        cmocka_unit_test(test_e2e_account_taken__an_upload_counts_for_nothing),
        cmocka_unit_test(test_e2e_account_taken__what_an_upload_finds_missing_counts),
        cmocka_unit_test(test_e2e_account_taken__first_messages_are_what_they_are_for),
        cmocka_unit_test(test_e2e_account_taken__nothing_is_counted_before_there_are_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
