#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "forge.h"
#include "trio.h"

/* Who has copied a device's keys and not its sessions, or older ones, begins new ones in its name: row 18. */

/* What the device had when it came, without any session. */
struct thief {
    struct trio *trio;
    struct town_device *copy; /* of bob */
};

static struct thief thief_new(uint64_t seed)
{
    struct thief thief = {.trio = trio_new(seed), .copy = calloc(1, sizeof *thief.copy)};

    assert_non_null(thief.copy);
    thief.trio->town->is_cloned = true;
    *thief.copy = *thief.trio->bob;
    thief.copy->account = NULL;
    thief.copy->records = town_records_copy(thief.trio->bob);
    trio_talk(thief.trio);
    town_restart(thief.copy);
    return thief;
}

static void thief_free(struct thief *thief)
{
    e2e_account_free(thief->copy->account);
    town_records_free(&thief->copy->records);
    free(thief->copy);
    trio_free(thief->trio);
}

/* The copy forgets its session, and what it says is said to be bob's. */
static struct town_mail *speak(struct thief *thief, const struct kith_map *bare)
{
    struct town_mail *mail;

    town_restart_from(thief->copy, bare);
    mail = town_send(thief->copy, &thief->trio->chat, "in his name");
    mail->from = thief->trio->bob;
    return mail;
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

static uint32_t times_of(const struct thief *thief, uint64_t out[static E2E_ANEW_MAX])
{
    const struct town_device *bob = thief->trio->bob;

    return e2e_account_anew(thief->trio->ann->account, bob->person->id, forge_keys_of(bob).device_id, out);
}

/* Each is told with its message and noted; the fourth of a day is refused, and changes nothing. Bob goes on in his. */
static void test_malicious__e2e_18_begun_anew_in_a_devices_name_is_shown_and_not_often(void **state)
{
    struct thief thief = thief_new(18001);
    struct trio *trio = thief.trio;
    struct kith_map bare = town_records_copy(thief.copy);
    uint64_t times[E2E_ANEW_MAX];
    struct town_mail *late = town_send(trio->bob, &trio->chat, "bob himself");
    bool is_anew = true;

    (void)state;
    assert_int_equal(times_of(&thief, times), 0);
    for (uint32_t i = 0; i < E2E_ANEW_MAX; i++) {
        trio->town->now_ms += 1000;
        assert_int_equal(open_at(trio->ann, speak(&thief, &bare), &is_anew), KITH_OK);
        assert_true(is_anew);
        assert_int_equal(times_of(&thief, times), i + 1);
        assert_int_equal(times[0], trio->town->now_ms);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(forge_refused(trio->ann, town_envelope(speak(&thief, &bare), trio->ann)), KITH_E_DENIED);
        town_restart(trio->ann);
    }
    assert_int_equal(times_of(&thief, times), E2E_ANEW_MAX);
    /* What bob says in the session that he has is read all the while, and is nothing new. */
    assert_int_equal(open_at(trio->ann, late, &is_anew), KITH_OK);
    assert_false(is_anew);
    assert_int_equal(open_at(trio->ann, town_send(trio->bob, &trio->chat, "and again"), &is_anew), KITH_OK);
    assert_false(is_anew);
    town_records_free(&bare);
    thief_free(&thief);
}

/* What is no first message of that device is not noted, however often it comes. */
static void test_malicious__e2e_18_nobody_else_makes_a_device_begin_anew(void **state)
{
    struct thief thief = thief_new(18002);
    struct trio *trio = thief.trio;
    struct kith_map bare = town_records_copy(thief.copy);
    struct town_device *carol = town_join(trio->town);
    struct town_mail *mail = speak(&thief, &bare);
    uint64_t times[E2E_ANEW_MAX];
    bool is_anew = false;

    (void)state;
    assert_int_equal(town_fetch_list(trio->ann, carol->person), KITH_OK);
    for (int i = 0; i < 2 * E2E_ANEW_MAX; i++) {
        struct kith_buf copy = forge_copy(town_body(mail, trio->ann));
        struct e2e_envelope envelope = town_envelope(mail, trio->ann);
        copy.ptr[copy.tail - 1 - (size_t)i] ^= 1; /* damaged */
        envelope.message = kith_buf_peek(&copy);
        assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_DENIED);
        kith_buf_deinit(&copy);
        envelope = town_envelope(mail, trio->ann); /* as another's */
        memcpy(envelope.account_id, carol->person->id, sizeof envelope.account_id);
        memcpy(envelope.server_device, carol->server_device, sizeof envelope.server_device);
        assert_int_equal(forge_refused(trio->ann, envelope), KITH_E_DENIED);
    }
    assert_int_equal(times_of(&thief, times), 0);
    assert_int_equal(open_at(trio->ann, mail, &is_anew), KITH_OK);
    assert_true(is_anew);
    for (int i = 0; i < 2 * E2E_ANEW_MAX; i++) /* once */
        assert_int_equal(forge_refused(trio->ann, town_envelope(mail, trio->ann)), KITH_E_CONFLICT);
    assert_int_equal(times_of(&thief, times), 1);
    town_records_free(&bare);
    thief_free(&thief);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_18_begun_anew_in_a_devices_name_is_shown_and_not_often),
        cmocka_unit_test(test_malicious__e2e_18_nobody_else_makes_a_device_begin_anew),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
