#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e_world.h"

/* Signed lists that our own signing never makes: encoded here by hand, signed with the true key. */

enum { TAG_DEVICES = 11, TAG_ACCEPTS = 3 };

/* `in` with other bytes as a field's value, or with the field if it has none. */
static struct kith_buf with(struct kith_slice in, uint16_t tag, struct kith_slice put)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct e2e_tlv_writer writer;
    struct kith_slice value = {0};
    struct kith_buf out;
    bool is_put = false;
    uint16_t at = 0;

    kith_buf_init(&out, 1 << 20);
    writer = e2e_tlv_writer_of(&out);
    while (e2e_tlv_next(&reader, &at, &value) == KITH_OK) {
        if (at >= tag && !is_put) e2e_tlv_put(&writer, tag, put);
        is_put |= at >= tag;
        if (at != tag) e2e_tlv_put(&writer, at, value);
    }
    if (!is_put) e2e_tlv_put(&writer, tag, put);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    return out;
}

static struct kith_slice value_of(struct kith_slice in, uint16_t tag)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct kith_slice value = {0};
    uint16_t at = 0;

    while (e2e_tlv_next(&reader, &at, &value) == KITH_OK)
        if (at == tag) return value;
    return (struct kith_slice){0};
}

/* The list's bytes, signed, and read. */
static kith_err read_signed(const struct world_party *party, struct kith_slice list, struct kith_slice accepts)
{
    struct e2e_device_list *out = calloc(1, sizeof *out);
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct e2e_tlv_writer writer;
    struct kith_buf bytes;
    kith_err err;

    assert_non_null(out);
    assert_int_equal(e2e_sign(party->aik_secret, E2E_LABEL_DEVLIST, list, signature), KITH_OK);
    kith_buf_init(&bytes, 1 << 20);
    writer = e2e_tlv_writer_of(&bytes);
    e2e_tlv_put(&writer, 1, list);
    e2e_tlv_put(&writer, 2, kith_slice_of(signature, sizeof signature));
    e2e_tlv_put_optional(&writer, TAG_ACCEPTS, accepts);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    err = e2e_device_list_read(kith_buf_peek(&bytes), party->account_id, out);
    kith_buf_deinit(&bytes);
    free(out);
    return err;
}

/* A party with so many devices, ascending; the first is its own. */
static void add_devices(struct world_party *party, uint32_t count)
{
    struct e2e_device_list *list = &party->list;
    uint8_t secret[E2E_SIGN_SECRET_BYTES], ddh[E2E_DH_BYTES];

    list->devices[0].device_id = 1;
    for (uint32_t i = 1; i < count; i++) {
        struct e2e_device *device = &list->devices[i];
        device->device_id = i + 1;
        kith_prng_bytes(&party->prng, device->server_device, sizeof device->server_device);
        e2e_sign_keypair(&party->random, secret, device->dsk_pub);
        e2e_dh_keypair(&party->random, ddh, device->ddh_pub);
    }
    list->device_count = count;
    world_sign_list(party);
}

/* Any item's bytes, so many times. */
static struct kith_buf items_of(struct kith_slice items, struct kith_slice more)
{
    struct kith_buf out;

    kith_buf_init(&out, 1 << 20);
    assert_int_equal(kith_buf_append(&out, items), KITH_OK);
    assert_int_equal(e2e_tlv_append_item(&out, more), KITH_OK);
    return out;
}

static void test_e2e_device_list_raw__thirty_two_devices_and_one_more(void **state)
{
    struct world_party party;
    struct kith_slice list, devices, item = {0};
    struct kith_buf more, longer;
    uint8_t device[1024];

    (void)state;
    world_party_init(&party, 1);
    add_devices(&party, E2E_DEVICES_MAX);
    list = value_of(kith_buf_peek(&party.signed_list), 1);
    assert_int_equal(read_signed(&party, list, (struct kith_slice){0}), KITH_OK);
    devices = value_of(list, TAG_DEVICES);
    for (struct kith_slice left = devices; e2e_tlv_next_item(&left, &item) == KITH_OK;) continue;
    memcpy(device, item.ptr, item.len); /* the last one again, with the next number and other keys */
    device[E2E_TLV_HEAD_BYTES + 3]++;
    for (size_t i = 30; i < 40; i++) device[i] ^= 0x55;
    more = items_of(devices, kith_slice_of(device, item.len));
    longer = with(list, TAG_DEVICES, kith_buf_peek(&more));
    assert_int_equal(read_signed(&party, kith_buf_peek(&longer), (struct kith_slice){0}), KITH_E_MALFORMED);
    kith_buf_deinit(&more);
    kith_buf_deinit(&longer);
    world_party_deinit(&party);
}

static void test_e2e_device_list_raw__a_device_that_is_none(void **state)
{
    struct world_party party;
    struct kith_slice list, devices;

    (void)state;
    world_party_init(&party, 2);
    list = value_of(kith_buf_peek(&party.signed_list), 1);
    devices = value_of(list, TAG_DEVICES);
    for (int row = 0; row < 4; row++) {
        struct kith_buf more = items_of(devices, kith_slice_str(row == 0 ? "no device" : "\0\1"));
        struct kith_slice cut = kith_buf_peek(&more);
        struct kith_buf other;
        if (row == 2) cut.len -= 1;                   /* the list of them ends within an item */
        if (row == 3) cut = kith_slice_str("\0\0\0"); /* or has none */
        other = with(list, TAG_DEVICES, cut);
        assert_int_not_equal(read_signed(&party, kith_buf_peek(&other), (struct kith_slice){0}), KITH_OK);
        kith_buf_deinit(&other);
        kith_buf_deinit(&more);
    }
    world_party_deinit(&party);
}

static struct kith_buf accept_of(uint32_t device_id)
{
    uint8_t signature[E2E_SIGNATURE_BYTES] = {1};
    struct e2e_tlv_writer writer;
    struct kith_buf out;

    kith_buf_init(&out, 1024);
    writer = e2e_tlv_writer_of(&out);
    e2e_tlv_put_u32(&writer, 1, device_id);
    e2e_tlv_put(&writer, 2, kith_slice_of(signature, sizeof signature));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    return out;
}

static struct kith_buf accepts_of(uint32_t first, uint32_t count)
{
    struct kith_buf out;

    kith_buf_init(&out, 1 << 20);
    for (uint32_t i = 0; i < count; i++) {
        struct kith_buf one = accept_of(first + i);
        assert_int_equal(e2e_tlv_append_item(&out, kith_buf_peek(&one)), KITH_OK);
        kith_buf_deinit(&one);
    }
    return out;
}

/* Of devices that are not listed they say nothing; what is no acceptance, or too many, is no signed list. */
static void test_e2e_device_list_raw__acceptances_that_are_none(void **state)
{
    struct world_party party;
    struct kith_buf accepts;
    struct kith_slice list;

    (void)state;
    world_party_init(&party, 3);
    add_devices(&party, E2E_DEVICES_MAX);
    list = value_of(kith_buf_peek(&party.signed_list), 1);
    accepts = accepts_of(100, E2E_DEVICES_MAX);
    assert_int_equal(read_signed(&party, list, kith_buf_peek(&accepts)), KITH_OK);
    kith_buf_deinit(&accepts);
    accepts = accepts_of(100, E2E_DEVICES_MAX + 1);
    assert_int_equal(read_signed(&party, list, kith_buf_peek(&accepts)), KITH_E_MALFORMED);
    accepts.tail -= 1;
    assert_int_equal(read_signed(&party, list, kith_buf_peek(&accepts)), KITH_E_MALFORMED);
    kith_buf_deinit(&accepts);
    accepts = items_of((struct kith_slice){0}, kith_slice_str("no acceptance"));
    assert_int_not_equal(read_signed(&party, list, kith_buf_peek(&accepts)), KITH_OK);
    kith_buf_deinit(&accepts);
    world_party_deinit(&party);
}

/* An acceptance is added to what can be read, and only while there is room. */
static void test_e2e_device_list_raw__an_acceptance_is_added_to_what_is_whole(void **state)
{
    struct world_party party;
    struct e2e_acceptance ours = {.device_id = 2};
    struct kith_buf accepts, signed_list, out;
    uint8_t signature[E2E_SIGNATURE_BYTES];

    (void)state;
    world_party_init(&party, 4);
    add_devices(&party, 3);
    kith_buf_init(&out, 1 << 20);
    for (uint32_t row = 0; row < 4; row++) {
        const kith_err expected[] = {KITH_OK, KITH_E_TOOBIG, KITH_E_MALFORMED, KITH_OK};
        accepts = row == 2 ? items_of((struct kith_slice){0}, kith_slice_str("none"))
                           : accepts_of(100, row == 1 ? E2E_DEVICES_MAX : E2E_DEVICES_MAX - 1);
        if (row == 3) {
            kith_buf_deinit(&accepts);
            accepts = accepts_of(2, E2E_DEVICES_MAX); /* in place of one that is there */
        }
        signed_list = with(kith_buf_peek(&party.signed_list), TAG_ACCEPTS, kith_buf_peek(&accepts));
        kith_buf_reset(&out);
        assert_int_equal(e2e_device_list_add_acceptance(kith_buf_peek(&signed_list), &ours, &out), expected[row]);
        if (row == 2)
            assert_int_equal(e2e_device_acceptance(kith_buf_peek(&signed_list), 2, signature), KITH_E_MALFORMED);
        if (row == 1)
            assert_int_equal(e2e_device_acceptance(kith_buf_peek(&signed_list), 2, signature), KITH_E_NOTFOUND);
        if (expected[row] == KITH_OK) {
            assert_int_equal(e2e_device_acceptance(kith_buf_peek(&out), 2, signature), KITH_OK);
            assert_memory_equal(signature, ours.signature, sizeof signature);
        }
        kith_buf_deinit(&accepts);
        kith_buf_deinit(&signed_list);
    }
    kith_buf_deinit(&out);
    world_party_deinit(&party);
}

/* What nobody could read is not signed. */
static void test_e2e_device_list_raw__counts_that_cannot_be(void **state)
{
    struct world_party party;
    struct e2e_acceptance twice[2];
    struct kith_buf out;

    (void)state;
    world_party_init(&party, 5);
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    for (int row = 0; row < 6; row++) {
        struct e2e_device_list list = party.list;
        if (row == 0) list.suite_count = 0;
        if (row == 1) list.suite_count = E2E_SUITES_MAX + 1;
        if (row == 2) list.device_count = 0;
        if (row == 3) list.device_count = E2E_DEVICES_MAX + 1;
        if (row == 4) list.removed_count = E2E_REMOVED_MAX + 1;
        if (row == 5) list.prev_hash[5] = 1; /* of the first list */
        assert_int_equal(e2e_device_list_sign(&list, party.aik_secret, NULL, 0, &out), KITH_E_MALFORMED);
    }
    twice[0] = twice[1] = (struct e2e_acceptance){.device_id = party.list.devices[0].device_id};
    assert_int_equal(e2e_device_list_sign(&party.list, party.aik_secret, twice, 2, &out), KITH_E_MALFORMED);
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
    world_party_deinit(&party);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_device_list_raw__thirty_two_devices_and_one_more),
        cmocka_unit_test(test_e2e_device_list_raw__a_device_that_is_none),
        cmocka_unit_test(test_e2e_device_list_raw__acceptances_that_are_none),
        cmocka_unit_test(test_e2e_device_list_raw__an_acceptance_is_added_to_what_is_whole),
        cmocka_unit_test(test_e2e_device_list_raw__counts_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
