#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "trio.h"

/* Keys that are there twice, identities that change, numbers that tell: rows 13, 23 and 26 of the attack table. */

/* ------------------------------------------------------------------------------------------------ 13 */
/* No key twice in an account, whoever signs it. */
static void test_malicious__e2e_13_a_key_that_is_there_twice(void **state)
{
    struct trio *trio = trio_new(13000);
    struct forge_keys keys = forge_keys_of(trio->ann);
    struct e2e_device_list *list = town_list_of(trio->ann->person);
    struct kith_buf out;

    (void)state;
    /* Who signs checks it too, so it is our own devices that are asked. */
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    for (int i = 0; i < 4; i++) {
        struct e2e_device_list copy = *list;
        struct e2e_device *a = &copy.devices[0], *b = &copy.devices[1];
        if (i == 0) memcpy(a->dsk_pub, b->dsk_pub, sizeof a->dsk_pub);
        if (i == 1) memcpy(a->ddh_pub, b->ddh_pub, sizeof a->ddh_pub);
        if (i == 2) memcpy(a->dsk_pub, copy.aik_pub, sizeof a->dsk_pub);
        if (i == 3) memcpy(a->server_device, b->server_device, sizeof a->server_device);
        assert_int_equal(e2e_device_list_sign(&copy, keys.aik, NULL, 0, &out), KITH_E_MALFORMED);
    }
    /* A request that brings a key which the account has: of the manager, of another device, one key as both. */
    for (int i = 0; i < 4; i++) {
        struct town_device *fresh = town_device_new(trio->ann->person);
        struct kith_buf request, answer;
        const uint64_t writes = trio->ann->writes;
        uint8_t *dsk, *ddh;
        kith_buf_init(&request, E2E_LINK_BYTES_MAX);
        kith_buf_init(&answer, E2E_LINK_BYTES_MAX);
        town_need(e2e_account_link_request(fresh->account, trio->town->now_ms, &request) == KITH_OK);
        dsk = forge_field(kith_buf_peek(&request), 5, NULL);
        ddh = forge_field(kith_buf_peek(&request), 6, NULL);
        if (i == 0) memcpy(dsk, list->devices[0].dsk_pub, E2E_SIGN_PUBLIC_BYTES);
        if (i == 1) memcpy(ddh, list->devices[1].ddh_pub, E2E_DH_BYTES);
        if (i == 2) memcpy(dsk, list->ark_pub, E2E_SIGN_PUBLIC_BYTES);
        if (i == 3) /* the manager's own name; another's may be taken, by a device that lost its keys */
            memcpy(forge_field(kith_buf_peek(&request), 3, NULL), trio->ann->server_device, E2E_SERVER_DEVICE_BYTES);
        assert_int_equal(
            e2e_account_link_approve(trio->ann->account, trio->town->now_ms, kith_buf_peek(&request), &answer),
            i == 3 ? KITH_E_DENIED : KITH_E_MALFORMED);
        assert_int_equal(trio->ann->writes, writes);
        kith_buf_wipe(&request);
        kith_buf_deinit(&answer);
    }
    kith_buf_deinit(&out);
    free(list);
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 23 */
/* Another account under bob's name: what a server can make at any time. */
static struct town_device *impostor(struct trio *trio, const struct town_device *of)
{
    struct town_device *device = town_join_as(trio->town, of->person->id);

    trio_lie(trio, trio->ann, of, kith_buf_peek(&device->person->lists[0]));
    return device;
}

static void test_malicious__e2e_23_a_verified_person_who_changed_is_not_written_to(void **state)
{
    struct trio *trio = trio_new(23000);
    struct town_device *spy;
    struct town_mail *mail;
    size_t place;

    (void)state;
    trio_talk(trio);
    assert_int_equal(e2e_account_verify(trio->ann->account, trio->bob->person->id, true), KITH_OK);
    assert_int_equal(trio_trust(trio->ann, trio->bob), E2E_TRUST_VERIFIED);
    spy = impostor(trio, trio->bob);
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    trio->town->now_ms += 1000;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(trio_trust(trio->ann, trio->bob), E2E_TRUST_CHANGED);
        assert_true(e2e_account_person(trio->ann->account, trio->bob->person->id).was_reset);
        assert_int_equal(town_try_send(trio->ann, &trio->chat, "no", &place), KITH_E_DENIED);
        town_restart(trio->ann);
    }
    /* The true one again: it is not as if nothing had been. */
    trio_lie(trio, NULL, trio->bob, (struct kith_slice){0});
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    assert_int_equal(town_try_send(trio->ann, &trio->chat, "no", &place), KITH_E_DENIED);
    assert_int_equal(e2e_account_verify(trio->ann->account, trio->bob->person->id, true), KITH_OK);
    mail = town_send(trio->ann, &trio->chat, "to the true one");
    assert_int_equal(town_body(mail, spy).len, 0);
    assert_int_equal(town_open(trio->bob, mail, NULL), KITH_OK);
    trio_free(trio);
}

/* What was written before somebody changed does not go to who they are now, verified or not, until the person has seen it. */
static void test_malicious__e2e_23_what_was_written_to_one_does_not_go_to_another(void **state)
{
    struct trio *trio = trio_new(23001);
    struct kith_buf out;
    uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_seal seal;

    (void)state;
    trio_talk(trio);
    seal = town_seal_of(&trio->chat, msg_id, "meant for bob", trio->town->now_ms);
    kith_buf_init(&out, KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(town_seal(trio->ann, &seal, &out), KITH_OK);
    trio->town->now_ms += 1000;
    (void)impostor(trio, trio->bob);
    e2e_account_stale(trio->ann->account, trio->bob->person->id); /* the server refuses the first */
    for (int i = 0; i < 5; i++) {
        kith_buf_reset(&out);
        assert_int_equal(town_seal(trio->ann, &seal, &out), KITH_E_DENIED);
        assert_int_equal(kith_buf_len(&out), 0);
        town_restart(trio->ann);
    }
    assert_int_equal(trio_trust(trio->ann, trio->bob), E2E_TRUST_KNOWN);
    assert_true(e2e_account_person(trio->ann->account, trio->bob->person->id).was_reset);
    assert_int_equal(e2e_account_verify(trio->ann->account, trio->bob->person->id, false), KITH_OK);
    assert_int_equal(town_seal(trio->ann, &seal, &out), KITH_OK);
    kith_buf_deinit(&out);
    trio->town->now_ms += 1000;
    trio_free(trio);
}

/* Sessions are with who somebody was, though a device of who they are now has the same number. */
static void test_malicious__e2e_23_no_session_outlives_an_identity(void **state)
{
    struct trio *trio = trio_new(23002);
    struct town_device *spy = town_join_as(trio->town, trio->bob->person->id);
    struct forge_keys keys = forge_keys_of(spy), bobs = forge_keys_of(trio->bob);
    struct e2e_device_list *list = town_list_of(spy->person);
    struct kith_buf forged;
    struct e2e_setup setup;
    struct town_mail *mail;

    (void)state;
    /* Ann meets the spy first, who bears the number of bob's device and answers in its place. */
    list->devices[0].device_id = keys.device_id = bobs.device_id;
    memcpy(list->devices[0].server_device, trio->bob->server_device, E2E_SERVER_DEVICE_BYTES);
    forged = forge_list(list, keys.aik, &keys, 1);
    assert_int_equal(trio_give(trio, trio->ann, trio->bob, kith_buf_peek(&forged)), KITH_OK);
    {
        struct e2e_random random = town_random(trio->town);
        struct e2e_prekey_secret secret;
        struct kith_buf spk, kem;
        struct e2e_claimed claimed = {.kem_is_last = true};
        kith_buf_init(&spk, E2E_PREKEY_BYTES_MAX);
        kith_buf_init(&kem, E2E_PREKEY_BYTES_MAX);
        town_need(e2e_prekey_new(&random, spy->person->id, keys.device_id, keys.dsk, E2E_PREKEY_SPK,
                                 trio->town->now_ms + 1000, &secret, &spk) == KITH_OK);
        town_need(e2e_prekey_new(&random, spy->person->id, keys.device_id, keys.dsk, E2E_PREKEY_KEM_LR,
                                 trio->town->now_ms + 1000, &secret, &kem) == KITH_OK);
        memcpy(claimed.account_id, spy->person->id, sizeof claimed.account_id);
        memcpy(claimed.server_device, trio->bob->server_device, sizeof claimed.server_device);
        claimed.spk = kith_buf_peek(&spk);
        claimed.kem = kith_buf_peek(&kem);
        assert_int_equal(e2e_account_bundle(trio->ann->account, trio->town->now_ms, &claimed), KITH_OK);
        kith_buf_deinit(&spk);
        kith_buf_deinit(&kem);
    }
    /* Then the true list comes, and she compares the safety number of that one. */
    assert_int_equal(town_fetch_list(trio->ann, trio->bob->person), KITH_OK);
    assert_int_equal(e2e_account_verify(trio->ann->account, trio->bob->person->id, true), KITH_OK);
    mail = town_send(trio->ann, &trio->chat, "for bob alone");
    assert_int_equal(e2e_message_setup(town_body(mail, trio->bob), &setup), KITH_OK);
    assert_int_equal(town_open(trio->bob, mail, NULL), KITH_OK);
    kith_buf_deinit(&forged);
    free(list);
    trio_free(trio);
}

/* Of the own account there is one root key, and no other is believed. */
static void test_malicious__e2e_23_the_own_account_does_not_change(void **state)
{
    struct trio *trio = trio_new(23003);
    struct town_device *spy = town_join_as(trio->town, trio->ann->person->id);
    const struct kith_slice lie_list = kith_buf_peek(&spy->person->lists[0]);

    (void)state;
    trio_talk(trio);
    for (int i = 0; i < 2; i++) {
        struct town_device *device = i == 0 ? trio->ann : trio->tablet;
        const uint64_t writes = device->writes;
        assert_int_equal(trio_give(trio, device, trio->ann, lie_list), KITH_E_DENIED);
        assert_int_equal(device->writes, writes);
        assert_int_equal(e2e_account_state(device->account), E2E_ACCOUNT_READY);
    }
    trio_free(trio);
}

/* ------------------------------------------------------------------------------------------------ 26 */
/* Numbers say neither how many there were nor in which order they came. */
static void test_malicious__e2e_26_ids_are_random(void **state)
{
    struct town *town = town_new(26000);
    struct town_device *ann = town_join(town);
    uint32_t ids[4 * E2E_PREKEYS_MAX], count = 0, high = 0, rising = 0;

    (void)state;
    town_join(town);
    for (size_t i = 0; i < town->person_count; i++) {
        const struct town_device *device = town->people[i]->devices[0];
        for (size_t j = 0; j < E2E_PREKEYS_MAX; j++) {
            ids[count++] = kith_get_u32_be(forge_field(kith_buf_peek(&device->opks.items[j]), 1, NULL));
            ids[count++] = kith_get_u32_be(forge_field(kith_buf_peek(&device->kem_ots.items[j]), 1, NULL));
        }
    }
    assert_int_equal(count, 400);
    for (uint32_t i = 0; i < count; i++) {
        high += ids[i] >> 31;
        rising += i > 1 && ids[i] > ids[i - 2];
        for (uint32_t j = 0; j < i; j++) assert_int_not_equal(ids[i], ids[j]);
    }
    assert_in_range(high, 150, 250);
    assert_in_range(rising, 150, 250);
    for (int i = 0; i < 4; i++) (void)town_link(ann);
    for (size_t i = 0; i < 5; i++)
        assert_true(forge_keys_of(ann->person->devices[i]).device_id > 1u << 20); /* by chance once in 800 seeds */
    town_free(town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malicious__e2e_13_a_key_that_is_there_twice),
        cmocka_unit_test(test_malicious__e2e_23_a_verified_person_who_changed_is_not_written_to),
        cmocka_unit_test(test_malicious__e2e_23_what_was_written_to_one_does_not_go_to_another),
        cmocka_unit_test(test_malicious__e2e_23_no_session_outlives_an_identity),
        cmocka_unit_test(test_malicious__e2e_23_the_own_account_does_not_change),
        cmocka_unit_test(test_malicious__e2e_26_ids_are_random),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
