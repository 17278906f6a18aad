#include "e2e_account.h"

/* What is signed is read, and nothing else; and which devices are used. */

/* ---------------------------------------------------------------------------------------------- reading and signing */
static void test_e2e_device_list__reads_what_was_signed(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, account->accepts, 2, &out),
                     KITH_OK);
    assert_int_equal(e2e_device_list_read(kith_buf_peek(&out), account->party.account_id, &read), KITH_OK);
    for (uint32_t i = 0; i < DEVICES; i++) account->list.devices[i].is_accepted = i < 2;
    memcpy(account->list.hash, read.hash, sizeof read.hash);
    assert_memory_equal(&read, &account->list, offsetof(struct e2e_device_list, devices));
    assert_int_equal(read.device_count, DEVICES);
    for (uint32_t i = 0; i < DEVICES; i++) {
        const struct e2e_device *a = &read.devices[i], *b = &account->list.devices[i];
        assert_int_equal(a->device_id, b->device_id);
        assert_memory_equal(a->server_device, b->server_device, sizeof a->server_device);
        assert_memory_equal(a->dsk_pub, b->dsk_pub, sizeof a->dsk_pub);
        assert_memory_equal(a->ddh_pub, b->ddh_pub, sizeof a->ddh_pub);
        assert_true(a->added_at_ms == b->added_at_ms);
        assert_int_equal(a->is_manager, b->is_manager);
        assert_int_equal(a->is_accepted, b->is_accepted);
    }
    assert_int_equal(read.removed_count, 2);
    assert_int_equal(read.removed[1], 25);
    assert_ptr_equal(e2e_device_find(&read, 20), &read.devices[1]);
    assert_null(e2e_device_find(&read, 25));
    assert_ptr_equal(e2e_device_find_server(&read, account->list.devices[2].server_device), &read.devices[2]);
    assert_null(e2e_device_find_server(&read, account->party.account_id));
    kith_buf_deinit(&out);
    account_free(account);
}

static void test_e2e_device_list__its_hash_is_of_its_bytes_with_what_is_stepped_over(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;
    struct kith_buf bytes, longer;
    struct kith_slice all;
    uint8_t hash[E2E_HASH_BYTES];

    (void)state;
    kith_buf_init(&bytes, 100000);
    kith_buf_init(&longer, 100000);
    assert_int_equal(e2e_list_encode(&account->list, &bytes), KITH_OK);
    account_replace(kith_buf_peek(&bytes), 0x8000, kith_slice_str("of a later version"), &longer);
    all = kith_buf_peek(&longer);
    assert_int_equal(account_read_bytes(account, all, &read), KITH_OK);
    e2e_sha256(&all, 1, hash);
    assert_memory_equal(read.hash, hash, sizeof hash);
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&longer);
    account_free(account);
}

static void test_e2e_device_list__refuses_every_short_prefix_and_every_flipped_bit(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;
    struct kith_buf out;
    size_t accepts_at;

    (void)state;
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, account->accepts, 3, &out),
                     KITH_OK);
    accepts_at = kith_buf_len(&out) - 3 * 84;
    for (size_t len = 0; len < kith_buf_len(&out); len++) {
        struct kith_slice cut = kith_slice_of(out.ptr, len);
        /* Without the acceptances, whole at their field's beginning, it is a signed list. */
        const kith_err expected = len == accepts_at - E2E_TLV_HEAD_BYTES ? KITH_OK : KITH_E_MALFORMED;
        assert_int_equal(e2e_device_list_read(cut, account->party.account_id, &read), expected);
    }
    for (size_t bit = 0; bit < 8 * kith_buf_len(&out); bit += bit < 8 * accepts_at ? 3 : 11) {
        kith_err err;
        unsigned accepted = 0;
        out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = e2e_device_list_read(kith_buf_peek(&out), account->party.account_id, &read);
        for (uint32_t i = 0; i < read.device_count; i++) accepted += read.devices[i].is_accepted;
        if (bit < 8 * (accepts_at - E2E_TLV_HEAD_BYTES))
            assert_int_not_equal(err, KITH_OK);
        else
            assert_true(err != KITH_OK || accepted < 3);
        out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    kith_buf_deinit(&out);
    account_free(account);
}

static void test_e2e_device_list__refuses_another_account_and_other_signers(void **state)
{
    struct account *account = account_new();
    struct world_party other;
    struct e2e_device_list read;
    struct kith_buf out;

    (void)state;
    world_party_init(&other, 2);
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, account->accepts, 3, &out),
                     KITH_OK);
    assert_int_equal(e2e_device_list_read(kith_buf_peek(&out), other.account_id, &read), KITH_E_DENIED);
    assert_int_equal(read.device_count, 0);

    /* Signed by an AIK that the ARK did not certify, and by one that the list does not name. */
    memcpy(account->list.aik_pub, other.list.aik_pub, sizeof other.list.aik_pub);
    assert_int_equal(account_read(account, &read), KITH_E_DENIED);
    memcpy(account->list.aik_pub, account->party.list.aik_pub, sizeof account->list.aik_pub);
    account->list.aik_counter = 2;
    assert_int_equal(account_read(account, &read), KITH_E_DENIED);
    account->list.aik_counter = 1;
    memcpy(account->party.aik_secret, other.aik_secret, sizeof other.aik_secret);
    assert_int_equal(account_read(account, &read), KITH_E_DENIED);
    assert_int_equal(e2e_device_list_sign(&account->list, other.aik_secret, account->accepts, 3, &out),
                     KITH_E_MALFORMED);
    kith_buf_deinit(&out);
    world_party_deinit(&other);
    account_free(account);
}

/* ---------------------------------------------------------------------------------------------- acceptances */
static void test_e2e_device_list__a_device_is_used_only_with_its_own_acceptance(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;

    (void)state;
    /* One device's signature for another's place, and one over an older certificate. */
    memcpy(account->accepts[1].signature, account->accepts[0].signature, E2E_SIGNATURE_BYTES);
    account->list.devices[2].server_device[0] ^= 1;
    assert_int_equal(account_read(account, &read), KITH_OK);
    assert_true(read.devices[0].is_accepted);
    assert_false(read.devices[1].is_accepted);
    assert_false(read.devices[2].is_accepted);

    account->accepts[2].device_id = 31; /* of nobody */
    assert_int_equal(account_read(account, &read), KITH_OK);
    account->accepts[2].device_id = 10; /* before the second */
    assert_int_equal(account_read(account, &read), KITH_E_MALFORMED);
    account->accepts[2].device_id = 31;
    assert_int_equal(account_read(account, &read), KITH_OK);
    account->accepts[2].device_id = 20; /* twice */
    assert_int_equal(account_read(account, &read), KITH_E_MALFORMED);
    account->accepts[2].device_id = 11; /* out of order */
    assert_int_equal(account_read(account, &read), KITH_E_MALFORMED);
    account_free(account);
}

static void test_e2e_device_list__refuses_acceptances_that_are_none(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;
    struct kith_buf list, longer, items;

    (void)state;
    kith_buf_init(&list, E2E_SIGNED_LIST_BYTES_MAX);
    kith_buf_init(&items, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &list), KITH_OK);
    for (int i = 0; i <= E2E_DEVICES_MAX; i++) {
        const uint8_t item[80] = {0, 1, 0, 0, 0, 4, [9] = (uint8_t)(i + 101), 0, 2, 0, 0, 0, 64};
        assert_int_equal(e2e_tlv_append_item(&items, kith_slice_of(item, sizeof item)), KITH_OK);
        kith_buf_init(&longer, 2 * E2E_SIGNED_LIST_BYTES_MAX);
        account_replace(kith_buf_peek(&list), 3, kith_buf_peek(&items), &longer);
        assert_int_equal(e2e_device_list_read(kith_buf_peek(&longer), account->party.account_id, &read),
                         i < E2E_DEVICES_MAX ? KITH_OK : KITH_E_MALFORMED);
        kith_buf_deinit(&longer);
    }
    kith_buf_init(&longer, E2E_SIGNED_LIST_BYTES_MAX);
    account_replace(kith_buf_peek(&list), 3, kith_slice_of("\0\0\0\1x", 5), &longer);
    assert_int_equal(e2e_device_list_read(kith_buf_peek(&longer), account->party.account_id, &read), KITH_E_MALFORMED);
    kith_buf_reset(&longer);
    account_replace(kith_buf_peek(&list), 3, kith_slice_of("\0\0\0\2x", 5), &longer);
    assert_int_equal(e2e_device_list_read(kith_buf_peek(&longer), account->party.account_id, &read), KITH_E_MALFORMED);
    /* So many of others that there is no room for one's own. */
    items.tail -= 84;
    kith_buf_reset(&longer);
    account_replace(kith_buf_peek(&list), 3, kith_buf_peek(&items), &longer);
    kith_buf_reset(&items);
    assert_int_equal(e2e_device_list_add_acceptance(kith_buf_peek(&longer), &account->accepts[1], &items),
                     KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&items), 0);
    kith_buf_reset(&longer);
    account_replace(kith_buf_peek(&list), 3, kith_slice_of("\0\0\0\1x", 5), &longer);
    assert_int_equal(e2e_device_list_add_acceptance(kith_buf_peek(&longer), &account->accepts[0], &items),
                     KITH_E_MALFORMED);
    kith_buf_deinit(&longer);
    kith_buf_deinit(&list);
    kith_buf_deinit(&items);
    account_free(account);
}

static void test_e2e_device_list__an_acceptance_can_be_added_and_replaced(void **state)
{
    static const int order[DEVICES] = {2, 0, 1};
    struct account *account = account_new();
    struct e2e_device_list read;
    struct kith_buf all, lists[DEVICES + 2];
    struct e2e_acceptance stranger = {.device_id = 31}, bad;

    (void)state;
    for (int i = 0; i < DEVICES + 2; i++) kith_buf_init(&lists[i], E2E_SIGNED_LIST_BYTES_MAX);
    kith_buf_init(&all, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &lists[0]), KITH_OK);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, account->accepts, 3, &all),
                     KITH_OK);
    for (int i = 0; i < DEVICES; i++)
        assert_int_equal(
            e2e_device_list_add_acceptance(kith_buf_peek(&lists[i]), &account->accepts[order[i]], &lists[i + 1]),
            KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&lists[DEVICES]), kith_buf_peek(&all)));

    bad = account->accepts[1];
    bad.signature[0] ^= 1;
    assert_int_equal(e2e_device_list_add_acceptance(kith_buf_peek(&all), &bad, &lists[DEVICES + 1]), KITH_OK);
    assert_int_equal(e2e_device_list_read(kith_buf_peek(&lists[DEVICES + 1]), account->party.account_id, &read),
                     KITH_OK);
    assert_false(read.devices[1].is_accepted);
    kith_buf_reset(&all);
    assert_int_equal(e2e_device_list_add_acceptance(kith_buf_peek(&lists[DEVICES + 1]), &account->accepts[1], &all),
                     KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&lists[DEVICES]), kith_buf_peek(&all)));

    kith_buf_reset(&lists[0]);
    assert_int_equal(e2e_device_list_add_acceptance(kith_buf_peek(&all), &stranger, &lists[0]), KITH_E_NOTFOUND);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, &stranger, 1, &lists[0]),
                     KITH_E_MALFORMED);
    {
        const struct e2e_acceptance twice[2] = {account->accepts[1], account->accepts[1]},
                                    backwards[2] = {account->accepts[1], account->accepts[0]};
        assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, twice, 2, &lists[0]),
                         KITH_E_MALFORMED);
        assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, backwards, 2, &lists[0]),
                         KITH_E_MALFORMED);
    }
    assert_int_equal(kith_buf_len(&lists[0]), 0);
    for (int i = 0; i < DEVICES + 2; i++) kith_buf_deinit(&lists[i]);
    kith_buf_deinit(&all);
    account_free(account);
}

static void test_e2e_device_list__adding_an_acceptance_keeps_what_it_steps_over(void **state)
{
    struct account *account = account_new();
    struct kith_buf list, longer, out;
    struct kith_slice end;

    (void)state;
    kith_buf_init(&list, E2E_SIGNED_LIST_BYTES_MAX);
    kith_buf_init(&longer, E2E_SIGNED_LIST_BYTES_MAX);
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &list), KITH_OK);
    account_replace(kith_buf_peek(&list), 0x8000, kith_slice_str("of a later version"), &longer);
    assert_int_equal(e2e_device_list_add_acceptance(kith_buf_peek(&longer), &account->accepts[0], &out), KITH_OK);
    end = kith_buf_peek(&out);
    assert_true(kith_slice_is(kith_slice_of(end.ptr + end.len - 18, 18), "of a later version"));
    kith_buf_deinit(&list);
    kith_buf_deinit(&longer);
    kith_buf_deinit(&out);
    account_free(account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_device_list__reads_what_was_signed),
        cmocka_unit_test(test_e2e_device_list__its_hash_is_of_its_bytes_with_what_is_stepped_over),
        cmocka_unit_test(test_e2e_device_list__refuses_every_short_prefix_and_every_flipped_bit),
        cmocka_unit_test(test_e2e_device_list__refuses_another_account_and_other_signers),
        cmocka_unit_test(test_e2e_device_list__a_device_is_used_only_with_its_own_acceptance),
        cmocka_unit_test(test_e2e_device_list__refuses_acceptances_that_are_none),
        cmocka_unit_test(test_e2e_device_list__an_acceptance_can_be_added_and_replaced),
        cmocka_unit_test(test_e2e_device_list__adding_an_acceptance_keeps_what_it_steps_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
