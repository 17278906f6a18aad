#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trio.h"

/*
 * A signature has one spelling: row 28, as far as it can be seen from outside. That no branch of ours depends on a secret is looked at
 * by tests/secret/secrets.c.
 */

/* Signs the same: S is another number of the same rest, the order of the group more. Whoever only computes takes it. */
static void respell(uint8_t *signature)
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    unsigned carry = 0;

    for (size_t i = 0; i < sizeof order; i++) {
        carry += signature[32 + i] + order[i];
        signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    town_need(carry == 0);
}

/* Of a list, by the key for lists and by the root key; it is not believed, though nothing else of it is wrong. */
static void test_malicious__e2e_28_a_list_signed_in_a_second_spelling(void **state)
{
    struct trio *trio = trio_new(28000);
    struct forge_keys keys = forge_keys_of(trio->bob);
    struct e2e_device_list *list = forge_next(trio->bob->person, trio->town->now_ms);
    struct kith_buf good = forge_list(list, keys.aik, &keys, 1), certified, copy = forge_copy(kith_buf_peek(&good));
    size_t len = 0;

    (void)state;
    trio_talk(trio);
    respell(list->certificate);
    certified = forge_list(list, keys.aik, &keys, 1);
    assert_int_equal(trio_give(trio, trio->ann, trio->bob, kith_buf_peek(&certified)), KITH_E_DENIED);
    respell(forge_field(kith_buf_peek(&copy), 2, &len));
    assert_int_equal(len, E2E_SIGNATURE_BYTES);
    assert_int_equal(trio_give(trio, trio->ann, trio->bob, kith_buf_peek(&copy)), KITH_E_DENIED);
    assert_int_equal(trio_trust(trio->ann, trio->bob), E2E_TRUST_KNOWN);
    assert_int_equal(trio_give(trio, trio->ann, trio->bob, kith_buf_peek(&good)), KITH_OK);
    kith_buf_deinit(&certified);
    kith_buf_deinit(&copy);
    kith_buf_deinit(&good);
    free(list);
    trio_free(trio);
}

/* Of a prekey, whichever: nobody begins with it. */
static void test_malicious__e2e_28_a_prekey_signed_in_a_second_spelling(void **state)
{
    struct town *town = town_new(28001);
    struct town_device *ann = town_join(town), *bob = town_join(town);
    struct kith_buf parts[] = {forge_copy(kith_buf_peek(&bob->spk)), forge_copy(kith_buf_peek(&bob->kem_ots.items[0])),
                               forge_copy(kith_buf_peek(&bob->opks.items[0]))};
    struct e2e_claimed claimed = {0};

    (void)state;
    assert_int_equal(town_fetch_list(ann, bob->person), KITH_OK);
    memcpy(claimed.account_id, bob->person->id, sizeof claimed.account_id);
    memcpy(claimed.server_device, bob->server_device, sizeof claimed.server_device);
    claimed.spk = kith_buf_peek(&parts[0]);
    claimed.kem = kith_buf_peek(&parts[1]);
    claimed.opk = kith_buf_peek(&parts[2]);
    for (int i = 0; i < 3; i++) {
        const struct kith_buf good = parts[i];
        size_t len = 0;
        uint8_t *signature = forge_field(kith_buf_peek(&good), 4, &len), kept[E2E_SIGNATURE_BYTES];
        assert_int_equal(len, sizeof kept);
        memcpy(kept, signature, sizeof kept);
        respell(signature);
        assert_int_equal(e2e_account_bundle(ann->account, town->now_ms, &claimed), KITH_E_DENIED);
        memcpy(signature, kept, sizeof kept);
    }
    assert_int_equal(e2e_account_bundle(ann->account, town->now_ms, &claimed), KITH_OK);
    for (int i = 0; i < 3; i++) kith_buf_deinit(&parts[i]);
    town_free(town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_28_a_list_signed_in_a_second_spelling),
        cmocka_unit_test(test_malicious__e2e_28_a_prekey_signed_in_a_second_spelling),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
