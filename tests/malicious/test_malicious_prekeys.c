#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/message.h"
#include "trio.h"

/* Who takes a device's prekeys and does not write: row 11. The server's limits are its own; here it has none. */

/* Bundles that nobody begins with, as many as are asked for: what is left of one-time keys goes first. */
static void take_bundles(struct town_device *of, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        of->kem_ots.taken += of->kem_ots.taken < of->kem_ots.count;
        of->opks.taken += of->opks.taken < of->opks.count;
    }
}

/* The device is online, asks what the server has left, and fills up. */
static void look(struct town_device *device)
{
    town_look(device);
}

static uint32_t private_halves(const struct town_device *device)
{
    const uint8_t *key = NULL;
    uint32_t at = 0, count = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == 'P';
    return count;
}

/* Whether `from` can begin with `to`, who reads it, and on what. */
static struct e2e_setup begin(struct town_device *from, struct town_device *to)
{
    const struct town_chat chat = town_chat_two(from, to);
    const struct town_mail *mail = town_send(from, &chat, "hello");
    struct e2e_setup setup;

    assert_int_equal(e2e_message_setup(town_body(mail, to), &setup), KITH_OK);
    assert_int_equal(town_read(to), 1);
    return setup;
}

/* A hundred of them between two looks at the server, ten times; and once all that there are, behind the back of the device. */
static void test_malicious__e2e_11_a_thousand_claims_leave_a_device_reachable(void **state)
{
    struct town *town = town_new(11000);
    struct town_device *ann = town_join(town);

    (void)state;
    for (int i = 0; i < 10; i++) {
        town->now_ms += TOWN_DAY_MS / 24;
        take_bundles(ann, E2E_PREKEYS_MAX);
        assert_true(begin(town_join(town), ann).kem_is_last); /* nothing is left, and yet */
        look(ann);
        assert_true(private_halves(ann) <= E2E_PREKEYS_KEPT_MAX + 2); /* and the lasting ones */
        town_restart(ann);
    }
    assert_true(begin(town_join(town), ann).kem_is_last); /* it makes no more for who takes them all */
    /* What nobody used ends, and then there are new ones. */
    for (int i = 0; i < 21; i++) {
        town->now_ms += 6 * TOWN_DAY_MS;
        look(ann);
    }
    assert_false(begin(town_join(town), ann).kem_is_last);
    town_free(town);
}

static void test_malicious__e2e_11_emptied_of_its_keys_a_device_raises_the_alarm(void **state)
{
    struct town *town = town_new(11001);
    struct town_device *ann = town_join(town);
    struct e2e_prekeys_taken taken;

    (void)state;
    look(ann);
    for (int i = 0; i < 40; i++) { /* people who write, each with a key of their own */
        assert_false(begin(town_join(town), ann).kem_is_last);
        look(ann);
        assert_int_equal(e2e_account_prekeys_taken(ann->account, town->now_ms).count, 0);
    }
    town->now_ms += 1000;
    take_bundles(ann, 1000);
    look(ann);
    town_restart(ann);
    taken = e2e_account_prekeys_taken(ann->account, town->now_ms);
    assert_true(taken.is_alarm);
    assert_int_equal(taken.count, E2E_PREKEYS_MAX - 40);
    assert_int_equal(taken.since_ms, town->now_ms - 1000);
    town_free(town);
}

static bool asks(const struct town_mail *mail, const struct town_device *to)
{
    struct e2e_message message;

    assert_int_equal(e2e_message_decode(town_body(mail, to), &message), KITH_OK);
    return message.header.need_step;
}

/* All of the trio begin on keys of last resort. */
static void test_malicious__e2e_11_begun_on_the_last_resort_one_asks_until_answered(void **state)
{
    struct trio *trio = trio_new(11002);

    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct town_mail *mail = town_send(trio->bob, &trio->chat, "are you there?");
        assert_true(asks(mail, trio->ann) && asks(mail, trio->tablet));
        assert_int_equal(town_open(trio->ann, mail, NULL), KITH_OK);
        assert_int_equal(town_open(trio->tablet, mail, NULL), KITH_OK);
        town_restart(trio->bob);
    }
    assert_int_equal(town_open(trio->bob, town_send(trio->ann, &trio->chat, "yes"), NULL), KITH_OK);
    for (int i = 0; i < 3; i++) { /* each device for itself */
        const struct town_mail *mail = town_send(trio->bob, &trio->chat, "good");
        assert_false(asks(mail, trio->ann));
        assert_true(asks(mail, trio->tablet));
    }
    trio_free(trio);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_11_a_thousand_claims_leave_a_device_reachable),
        cmocka_unit_test(test_malicious__e2e_11_emptied_of_its_keys_a_device_raises_the_alarm),
        cmocka_unit_test(test_malicious__e2e_11_begun_on_the_last_resort_one_asks_until_answered),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
