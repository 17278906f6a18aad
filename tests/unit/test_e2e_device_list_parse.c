#include "e2e_account.h"

/* What whoever keeps a list reads of it again, and whether all of it was signed. */

static struct kith_buf signed_of(struct account *account, size_t accept_count)
{
    struct kith_buf out;

    kith_buf_init(&out, 2 * E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(
        e2e_device_list_sign(&account->list, account->party.aik_secret, account->accepts, accept_count, &out), KITH_OK);
    return out;
}

static void test_e2e_device_list_parse__says_what_was_read(void **state)
{
    struct account *account = account_new();

    (void)state;
    for (size_t accepts = 0; accepts <= DEVICES; accepts++) {
        struct kith_buf bytes = signed_of(account, accepts);
        struct e2e_device_list read, parsed;
        assert_int_equal(e2e_device_list_read(kith_buf_peek(&bytes), account->party.account_id, &read), KITH_OK);
        memset(&parsed, 0x5a, sizeof parsed);
        assert_int_equal(e2e_device_list_parse(kith_buf_peek(&bytes), &parsed), KITH_OK);
        assert_memory_equal(&parsed, &read, sizeof read);
        for (uint32_t i = 0; i < DEVICES; i++) assert_int_equal(parsed.devices[i].is_accepted, i < accepts);
        kith_buf_deinit(&bytes);
    }
    account_free(account);
}

static void test_e2e_device_list_parse__refuses_every_short_prefix(void **state)
{
    struct account *account = account_new();
    struct kith_buf bytes = signed_of(account, DEVICES);
    size_t whole = kith_buf_len(&bytes), bare = whole - E2E_TLV_HEAD_BYTES - DEVICES * 84;
    struct e2e_device_list out;

    (void)state;
    for (size_t len = 0; len < whole; len++) {
        memset(&out, 0x5a, sizeof out);
        assert_int_equal(e2e_device_list_parse(kith_slice_of(bytes.ptr, len), &out),
                         len == bare ? KITH_OK : KITH_E_MALFORMED);
        if (len != bare) assert_true(e2e_ct_is_zero((const uint8_t *)&out, sizeof out));
    }
    assert_int_equal(kith_buf_append_u8(&bytes, 0), KITH_OK);
    assert_int_equal(e2e_device_list_parse(kith_buf_peek(&bytes), &out), KITH_E_MALFORMED);
    kith_buf_deinit(&bytes);
    account_free(account);
}

static void test_e2e_device_list_parse__refuses_acceptances_that_are_none(void **state)
{
    struct account *account = account_new();
    struct kith_buf bytes = signed_of(account, 0), items, longer;
    struct e2e_device_list out;

    (void)state;
    kith_buf_init(&items, E2E_SIGNED_LIST_BYTES_MAX);
    kith_buf_init(&longer, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_tlv_append_item(&items, kith_slice_of("\0\1\0\0\0\4\0\0\0\12", 10)), KITH_OK);
    account_replace(kith_buf_peek(&bytes), 3, kith_buf_peek(&items), &longer);
    assert_int_equal(e2e_device_list_parse(kith_buf_peek(&longer), &out), KITH_E_MALFORMED);
    assert_true(e2e_ct_is_zero((const uint8_t *)&out, sizeof out));
    kith_buf_deinit(&items);
    kith_buf_deinit(&longer);
    kith_buf_deinit(&bytes);
    account_free(account);
}

static bool is_bare(const struct account *account, struct kith_slice bytes)
{
    struct e2e_device_list read;

    assert_int_equal(e2e_device_list_read(bytes, account->party.account_id, &read), KITH_OK);
    return e2e_device_list_is_bare(bytes, &read);
}

static void test_e2e_device_list_parse__what_nobody_signed_is_seen(void **state)
{
    struct account *account = account_new();
    struct kith_buf bytes, longer, item, items;

    (void)state;
    for (size_t accepts = 0; accepts <= DEVICES; accepts++) {
        bytes = signed_of(account, accepts);
        assert_true(is_bare(account, kith_buf_peek(&bytes)));
        kith_buf_init(&longer, 2 * E2E_SIGNED_LIST_BYTES_MAX);
        account_replace(kith_buf_peek(&bytes), 0x8000, kith_slice_str(""), &longer); /* every client steps over it */
        assert_false(is_bare(account, kith_buf_peek(&longer)));
        kith_buf_deinit(&longer);
        kith_buf_deinit(&bytes);
    }
    /* An acceptance that does not hold, one of nobody, and one with a field to be stepped over. */
    bytes = signed_of(account, DEVICES);
    bytes.ptr[kith_buf_len(&bytes) - 1] ^= 1;
    assert_false(is_bare(account, kith_buf_peek(&bytes)));
    kith_buf_deinit(&bytes);
    account->accepts[DEVICES - 1].device_id = 31;
    kith_buf_init(&item, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_list_encode(&account->list, &item), KITH_OK);
    kith_buf_init(&bytes, E2E_SIGNED_LIST_BYTES_MAX);
    account_sign(account, kith_buf_peek(&item), &bytes);
    assert_false(is_bare(account, kith_buf_peek(&bytes)));
    kith_buf_deinit(&bytes);
    kith_buf_reset(&item);
    bytes = signed_of(account, 0);
    assert_int_equal(kith_buf_append(&item, kith_slice_of("\0\1\0\0\0\4\0\0\0\12\0\2\0\0\0\100", 16)), KITH_OK);
    assert_int_equal(kith_buf_append(&item, kith_slice_of(account->accepts[0].signature, 64)), KITH_OK);
    for (int more = 0; more < 2; more++) {
        if (more == 1) assert_int_equal(kith_buf_append(&item, kith_slice_of("\200\0\0\0\0\0", 6)), KITH_OK);
        kith_buf_init(&items, E2E_SIGNED_LIST_BYTES_MAX);
        kith_buf_init(&longer, E2E_SIGNED_LIST_BYTES_MAX);
        assert_int_equal(e2e_tlv_append_item(&items, kith_buf_peek(&item)), KITH_OK);
        account_replace(kith_buf_peek(&bytes), 3, kith_buf_peek(&items), &longer);
        assert_int_equal(is_bare(account, kith_buf_peek(&longer)), more == 0);
        kith_buf_deinit(&items);
        kith_buf_deinit(&longer);
    }
    kith_buf_deinit(&item);
    kith_buf_deinit(&bytes);
    account_free(account);
}

static kith_err kept(const struct account *account, struct kith_slice bytes, uint32_t accepted,
                     struct e2e_device_list *out)
{
    kith_err err;

    memset(out, 0x5a, sizeof *out);
    err = e2e_device_list_kept(bytes, account->party.account_id, accepted, out);
    if (err != KITH_OK) assert_true(e2e_ct_is_zero((const uint8_t *)out, sizeof *out));
    return err;
}

static void test_e2e_device_list_kept__is_what_was_read(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read, again;

    (void)state;
    for (size_t accepts = 0; accepts <= DEVICES; accepts++) {
        struct kith_buf bytes = signed_of(account, accepts);
        const uint32_t found = (UINT32_C(1) << accepts) - 1;
        if (accepts > 0) bytes.ptr[kith_buf_len(&bytes) - 1] ^= 1; /* the last one does not hold */
        assert_int_equal(e2e_device_list_read(kith_buf_peek(&bytes), account->party.account_id, &read), KITH_OK);
        assert_int_equal(e2e_device_list_accepted(&read), found >> (accepts > 0));
        assert_int_equal(kept(account, kith_buf_peek(&bytes), found >> (accepts > 0), &again), KITH_OK);
        assert_memory_equal(&again, &read, sizeof read);
        /* Of whom there is no acceptance, none has held; nor of whom is not listed. */
        for (uint32_t i = 0; i < 32; i++)
            assert_int_equal(kept(account, kith_buf_peek(&bytes), UINT32_C(1) << i, &again),
                             i < accepts ? KITH_OK : KITH_E_MALFORMED);
        kith_buf_deinit(&bytes);
    }
    account_free(account);
}

static void test_e2e_device_list_kept__refuses_what_is_no_list_of_the_account(void **state)
{
    struct account *account = account_new();
    struct kith_buf bytes = signed_of(account, DEVICES);
    const size_t whole = kith_buf_len(&bytes), bare = whole - E2E_TLV_HEAD_BYTES - DEVICES * 84;
    struct e2e_device_list out;

    (void)state;
    for (size_t len = 0; len < whole; len++)
        assert_int_equal(kept(account, kith_slice_of(bytes.ptr, len), 0, &out),
                         len == bare ? KITH_OK : KITH_E_MALFORMED);
    account->party.account_id[0] ^= 1;
    assert_int_equal(kept(account, kith_buf_peek(&bytes), 0, &out), KITH_E_DENIED);
    account->party.account_id[0] ^= 1;
    kith_buf_deinit(&bytes);
    account_free(account);
}

/* Every rule but those that cost time: a list that breaks it was never kept. */
static void test_e2e_device_list_kept__keeps_the_rules(void **state)
{
    static const struct {
        size_t at;
        uint8_t len; /* 0: only to be changed a bit, which a signature would have seen */
    } zeroed[] = {{offsetof(struct e2e_device_list, aik_counter), 4},
                  {offsetof(struct e2e_device_list, expires_at_ms), 8},
                  {offsetof(struct e2e_device_list, devices[0].device_id), 4},
                  {offsetof(struct e2e_device_list, devices[1].device_id), 4},
                  {offsetof(struct e2e_device_list, aik_pub), 0}};
    struct account *account = account_new();
    const struct e2e_device_list good = account->list;
    struct e2e_device_list out;

    (void)state;
    for (size_t i = 0; i < sizeof zeroed / sizeof zeroed[0] + 2; i++) {
        struct kith_buf list, bytes;
        struct e2e_tlv_writer writer;
        bool fine = false;
        account->list = good;
        if (i == 0)
            memcpy(account->list.devices[1].dsk_pub, good.devices[0].ddh_pub, sizeof good.devices[1].dsk_pub);
        else if (i == 1)
            memcpy(account->list.devices[1].server_device, good.devices[0].server_device,
                   sizeof good.devices[1].server_device);
        else if ((fine = zeroed[i - 2].len == 0))
            ((uint8_t *)&account->list)[zeroed[i - 2].at] ^= 1;
        else
            memset((uint8_t *)&account->list + zeroed[i - 2].at, 0, zeroed[i - 2].len);
        kith_buf_init(&list, E2E_LIST_BYTES_MAX);
        kith_buf_init(&bytes, E2E_SIGNED_LIST_BYTES_MAX);
        assert_int_equal(e2e_list_encode(&account->list, &list), KITH_OK);
        writer = e2e_tlv_writer_of(&bytes);
        e2e_tlv_put(&writer, 1, kith_buf_peek(&list));
        e2e_tlv_put(&writer, 2, kith_slice_of(account->accepts[0].signature, E2E_SIGNATURE_BYTES));
        assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
        assert_int_equal(kept(account, kith_buf_peek(&bytes), 0, &out), fine ? KITH_OK : KITH_E_MALFORMED);
        kith_buf_deinit(&list);
        kith_buf_deinit(&bytes);
    }
    account_free(account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_device_list_parse__says_what_was_read),
        cmocka_unit_test(test_e2e_device_list_parse__refuses_every_short_prefix),
        cmocka_unit_test(test_e2e_device_list_parse__refuses_acceptances_that_are_none),
        cmocka_unit_test(test_e2e_device_list_parse__what_nobody_signed_is_seen),
        cmocka_unit_test(test_e2e_device_list_kept__is_what_was_read),
        cmocka_unit_test(test_e2e_device_list_kept__refuses_what_is_no_list_of_the_account),
        cmocka_unit_test(test_e2e_device_list_kept__keeps_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
