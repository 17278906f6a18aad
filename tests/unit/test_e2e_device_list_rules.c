#include "e2e_account.h"

/* The rules that a list keeps by itself: each is held to by who reads and by who signs. */

/* ---------------------------------------------------------------------------------------------- the rules of one list */
static void no_counter(struct e2e_device_list *list)
{
    list->aik_counter = 0;
}
static void no_seq(struct e2e_device_list *list)
{
    list->seq = 0;
}
static void no_suite(struct e2e_device_list *list)
{
    list->suite_count = 0;
}
static void no_device(struct e2e_device_list *list)
{
    list->device_count = 0;
}
static void ends_when_it_begins(struct e2e_device_list *list)
{
    list->expires_at_ms = list->issued_at_ms;
}
static void ends_before_it_begins(struct e2e_device_list *list)
{
    list->expires_at_ms = list->issued_at_ms - 1;
}
static void lives_too_long(struct e2e_device_list *list)
{
    list->expires_at_ms = list->issued_at_ms + E2E_LIST_LIFE_MS_MAX + 1;
}
static void a_suite_twice(struct e2e_device_list *list)
{
    list->suites[list->suite_count++] = E2E_SUITE_PQ;
}
static void suites_out_of_order(struct e2e_device_list *list)
{
    list->suites[list->suite_count++] = E2E_SUITE_CLASSIC;
}
static void device_zero(struct e2e_device_list *list)
{
    list->devices[0].device_id = 0;
}
static void a_device_twice(struct e2e_device_list *list)
{
    list->devices[1].device_id = list->devices[0].device_id;
}
static void devices_out_of_order(struct e2e_device_list *list)
{
    list->devices[1].device_id = 9;
}
static void removed_zero(struct e2e_device_list *list)
{
    list->removed[0] = 0;
}
static void removed_twice(struct e2e_device_list *list)
{
    list->removed[1] = list->removed[0];
}
static void removed_out_of_order(struct e2e_device_list *list)
{
    list->removed[0] = 26;
}
static void the_first_listed_and_removed(struct e2e_device_list *list)
{
    list->removed[0] = 10;
}
static void the_last_listed_and_removed(struct e2e_device_list *list)
{
    list->removed[1] = 30;
}
static void a_server_device_twice(struct e2e_device_list *list)
{
    memcpy(list->devices[2].server_device, list->devices[0].server_device, sizeof list->devices[0].server_device);
}
static void a_dsk_twice(struct e2e_device_list *list)
{
    memcpy(list->devices[2].dsk_pub, list->devices[0].dsk_pub, E2E_SIGN_PUBLIC_BYTES);
}
static void a_ddh_twice(struct e2e_device_list *list)
{
    memcpy(list->devices[2].ddh_pub, list->devices[1].ddh_pub, E2E_DH_BYTES);
}
static void a_dsk_that_is_ark(struct e2e_device_list *list)
{
    memcpy(list->devices[1].dsk_pub, list->ark_pub, E2E_SIGN_PUBLIC_BYTES);
}
static void a_dsk_that_is_aik(struct e2e_device_list *list)
{
    memcpy(list->devices[1].dsk_pub, list->aik_pub, E2E_SIGN_PUBLIC_BYTES);
}
static void a_dsk_that_is_a_ddh(struct e2e_device_list *list)
{
    uint8_t seed[E2E_SIGN_SEED_BYTES] = {0}, secret[E2E_SIGN_SECRET_BYTES];

    /* Half of them have their highest bit clear, and are X25519 keys as well. */
    do {
        seed[0]++;
        e2e_sign_keypair_from(seed, secret, list->devices[1].dsk_pub);
    } while (e2e_dh_check(list->devices[1].dsk_pub) != KITH_OK);
    memcpy(list->devices[2].ddh_pub, list->devices[1].dsk_pub, E2E_DH_BYTES);
}
static void a_dsk_that_is_no_point(struct e2e_device_list *list)
{
    memset(list->devices[1].dsk_pub, 0, E2E_SIGN_PUBLIC_BYTES);
}
static void a_ddh_of_small_order(struct e2e_device_list *list)
{
    memset(list->devices[1].ddh_pub, 0, E2E_DH_BYTES);
}
static void a_ddh_that_is_not_canonical(struct e2e_device_list *list)
{
    list->devices[1].ddh_pub[31] |= 0x80;
}

static void test_e2e_device_list_rules__each_rule_is_held_to_when_read_and_when_signed(void **state)
{
    static void (*const breaks[])(struct e2e_device_list *) = {
        no_seq,
        no_suite,
        no_device,
        ends_when_it_begins,
        ends_before_it_begins,
        lives_too_long,
        a_suite_twice,
        suites_out_of_order,
        device_zero,
        a_device_twice,
        devices_out_of_order,
        removed_zero,
        removed_twice,
        removed_out_of_order,
        the_first_listed_and_removed,
        the_last_listed_and_removed,
        a_server_device_twice,
        a_dsk_twice,
        a_ddh_twice,
        a_dsk_that_is_ark,
        a_dsk_that_is_aik,
        a_dsk_that_is_a_ddh,
        a_dsk_that_is_no_point,
        a_ddh_of_small_order,
        a_ddh_that_is_not_canonical,
    };
    struct account *account = account_new();
    const struct e2e_device_list good = account->list;
    struct e2e_device_list read;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(account_read(account, &read), KITH_OK);
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        account->list = good;
        breaks[i](&account->list);
        assert_int_equal(account_read(account, &read), KITH_E_MALFORMED);
        assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &out),
                         KITH_E_MALFORMED);
    }
    assert_int_equal(kith_buf_len(&out), 0);

    /* A bad ARK certifies nothing, so only who signs without a look at the certificate meets it. */
    account->list = good;
    memset(account->list.ark_pub, 0, sizeof account->list.ark_pub);
    assert_int_equal(account_read(account, &read), KITH_E_DENIED);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &out), KITH_E_MALFORMED);

    /* A first list follows none. */
    account->list = good;
    account->list.seq = 1;
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &out), KITH_E_MALFORMED);

    /* The counter is under ARK's signature, too. */
    account->list = good;
    no_counter(&account->list);
    assert_int_equal(
        e2e_certify(account->party.ark_secret, good.account_id, good.aik_pub, 0, account->list.certificate), KITH_OK);
    assert_int_equal(account_read(account, &read), KITH_E_MALFORMED);
    kith_buf_deinit(&out);
    account_free(account);
}

static void test_e2e_device_list_rules__takes_what_is_just_allowed(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;

    (void)state;
    account->list.expires_at_ms = account->list.issued_at_ms + E2E_LIST_LIFE_MS_MAX;
    for (uint8_t i = 0; i < E2E_SUITES_MAX; i++) account->list.suites[i] = (uint8_t)(2 + i);
    account->list.suite_count = E2E_SUITES_MAX;
    account->list.removed_count = 0;
    for (uint32_t i = 0; i < E2E_REMOVED_MAX; i++) account->list.removed[i] = 1000 + i;
    account->list.removed_count = E2E_REMOVED_MAX;
    for (uint32_t i = DEVICES; i < E2E_DEVICES_MAX; i++) {
        struct e2e_device *device = &account->list.devices[i];
        uint8_t secret[64];
        device->device_id = 100 + i;
        memset(device->server_device, (int)device->device_id, sizeof device->server_device);
        e2e_sign_keypair(&account->party.random, secret, device->dsk_pub);
        e2e_dh_keypair(&account->party.random, secret, device->ddh_pub);
        device->is_manager = true;
    }
    account->list.device_count = E2E_DEVICES_MAX;
    assert_int_equal(account_read(account, &read), KITH_OK);
    assert_int_equal(read.device_count, E2E_DEVICES_MAX);
    assert_int_equal(read.removed_count, E2E_REMOVED_MAX);
    assert_int_equal(read.removed[E2E_REMOVED_MAX - 1], 1000 + E2E_REMOVED_MAX - 1);
    account_free(account);
}

/* What no struct can say, field by field. */
static void test_e2e_device_list_rules__refuses_fields_that_are_none(void **state)
{
    struct account *account = account_new();
    static const uint8_t many[E2E_REMOVED_MAX * 4 + 4] = {0};
    struct kith_buf devices, item;

    (void)state;
    assert_int_equal(account_read_with(account, 7, (struct kith_slice){0}),
                     KITH_E_MALFORMED); /* no prev_hash in seq 2 */
    assert_int_equal(account_read_with(account, 6, kith_slice_of("\0\0\0\0\0\0\0\1", 8)),
                     KITH_E_MALFORMED); /* one in seq 1 */
    assert_int_equal(account_read_with(account, 10, (struct kith_slice){0}), KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 10, kith_slice_of("", 0)), KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 10, kith_slice_of("\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21", 17)),
                     KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 11, (struct kith_slice){0}), KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 11, kith_slice_of("", 0)), KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 12, kith_slice_of("\0\0\1", 3)), KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 12, kith_slice_of("\0\0\1\0\0", 5)), KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 12, kith_slice_of("", 0)), KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 12, kith_slice_of(many, sizeof many)), KITH_E_MALFORMED);
    assert_int_equal(account_read_with(account, 13, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(account_read_with(account, 0x8001, kith_slice_of("x", 1)), KITH_OK);

    /* manager is there only to say that it is one */
    kith_buf_init(&devices, 1000);
    kith_buf_init(&item, 1000);
    {
        const struct e2e_device *device = &account->list.devices[0];
        struct e2e_tlv_writer writer = e2e_tlv_writer_of(&item);
        e2e_tlv_put_u32(&writer, 1, device->device_id);
        e2e_tlv_put(&writer, 2, kith_slice_of(device->server_device, 16));
        e2e_tlv_put(&writer, 3, kith_slice_of(device->dsk_pub, 32));
        e2e_tlv_put(&writer, 4, kith_slice_of(device->ddh_pub, 32));
        e2e_tlv_put_u64(&writer, 5, 1);
        e2e_tlv_put_u8(&writer, 6, 0);
        assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    }
    assert_int_equal(e2e_tlv_append_item(&devices, kith_buf_peek(&item)), KITH_OK);
    assert_int_equal(account_read_with(account, 11, kith_buf_peek(&devices)), KITH_E_MALFORMED);
    devices.ptr[devices.tail - 1] = 1;
    assert_int_equal(account_read_with(account, 11, kith_buf_peek(&devices)), KITH_OK);
    kith_buf_deinit(&devices);
    kith_buf_deinit(&item);
    account_free(account);
}

/* An item of the devices, by hand. */
static void append_device(struct account *account, uint32_t device_id, uint16_t last_tag, struct kith_buf *items)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[32], server_device[E2E_SERVER_DEVICE_BYTES] = {0};
    struct e2e_tlv_writer writer;
    struct kith_buf item;

    kith_buf_init(&item, 1000);
    writer = e2e_tlv_writer_of(&item);
    kith_put_u32_be(server_device, device_id);
    e2e_tlv_put_u32(&writer, 1, device_id);
    e2e_tlv_put(&writer, 2, kith_slice_of(server_device, sizeof server_device));
    e2e_sign_keypair(&account->party.random, secret, public);
    e2e_tlv_put(&writer, 3, kith_slice_of(public, sizeof public));
    e2e_dh_keypair(&account->party.random, secret, public);
    e2e_tlv_put(&writer, 4, kith_slice_of(public, sizeof public));
    e2e_tlv_put_u64(&writer, 5, WORLD_NOW);
    e2e_tlv_put_u8(&writer, last_tag, 1);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    assert_int_equal(e2e_tlv_append_item(items, kith_buf_peek(&item)), KITH_OK);
    kith_buf_deinit(&item);
}

static void test_e2e_device_list_rules__refuses_a_device_too_many_and_a_list_too_long(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;
    struct kith_buf devices, bytes;

    (void)state;
    account->list.removed_count = 0;
    kith_buf_init(&devices, 10000);
    kith_buf_init(&bytes, 100000);
    append_device(account, 1, 7, &devices); /* a field that is none of ours */
    assert_int_equal(account_read_with(account, 11, kith_buf_peek(&devices)), KITH_E_UNSUPPORTED);
    kith_buf_reset(&devices);
    for (uint32_t i = 1; i <= E2E_DEVICES_MAX; i++) append_device(account, i, 6, &devices);
    assert_int_equal(account_read_with(account, 11, kith_buf_peek(&devices)), KITH_OK);
    append_device(account, E2E_DEVICES_MAX + 1, 6, &devices);
    assert_int_equal(account_read_with(account, 11, kith_buf_peek(&devices)), KITH_E_MALFORMED);
    account->list.device_count = E2E_DEVICES_MAX + 1;
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &bytes),
                     KITH_E_MALFORMED);
    account->list.device_count = DEVICES;
    account->list.suite_count = E2E_SUITES_MAX + 1;
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &bytes),
                     KITH_E_MALFORMED);
    account->list.suite_count = 1;
    account->list.removed_count = E2E_REMOVED_MAX + 1;
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &bytes),
                     KITH_E_MALFORMED);
    account->list.removed_count = 0;

    /* At its most bytes, and one past. */
    assert_int_equal(e2e_list_encode(&account->list, &bytes), KITH_OK);
    {
        const size_t room = E2E_LIST_BYTES_MAX - kith_buf_len(&bytes) - E2E_TLV_HEAD_BYTES;
        uint8_t *padding = calloc(1, room + 1);
        struct kith_buf longer;
        assert_non_null(padding);
        for (size_t extra = 0; extra < 2; extra++) {
            kith_buf_init(&longer, 100000);
            account_replace(kith_buf_peek(&bytes), 0x9000, kith_slice_of(padding, room + extra), &longer);
            assert_int_equal(account_read_bytes(account, kith_buf_peek(&longer), &read),
                             extra == 0 ? KITH_OK : KITH_E_MALFORMED);
            kith_buf_deinit(&longer);
        }
        free(padding);
    }
    kith_buf_deinit(&devices);
    kith_buf_deinit(&bytes);
    account_free(account);
}

static void test_e2e_device_list_rules__refuses_a_signed_list_past_its_most_bytes(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;
    struct kith_buf out, longer;
    uint8_t *padding = calloc(1, E2E_SIGNED_LIST_BYTES_MAX);

    (void)state;
    assert_non_null(padding);
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, account->accepts, 3, &out),
                     KITH_OK);
    for (size_t extra = 0; extra < 2; extra++) {
        const size_t room = E2E_SIGNED_LIST_BYTES_MAX - kith_buf_len(&out) - E2E_TLV_HEAD_BYTES + extra;
        kith_buf_init(&longer, 100000);
        account_replace(kith_buf_peek(&out), 0x8000, kith_slice_of(padding, room), &longer);
        assert_int_equal(e2e_device_list_read(kith_buf_peek(&longer), account->party.account_id, &read),
                         extra == 0 ? KITH_OK : KITH_E_TOOBIG);
        kith_buf_deinit(&longer);
    }
    kith_buf_deinit(&out);
    free(padding);
    account_free(account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_device_list_rules__each_rule_is_held_to_when_read_and_when_signed),
        cmocka_unit_test(test_e2e_device_list_rules__takes_what_is_just_allowed),
        cmocka_unit_test(test_e2e_device_list_rules__refuses_fields_that_are_none),
        cmocka_unit_test(test_e2e_device_list_rules__refuses_a_device_too_many_and_a_list_too_long),
        cmocka_unit_test(test_e2e_device_list_rules__refuses_a_signed_list_past_its_most_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
