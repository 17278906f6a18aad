#ifndef KITH_TESTS_UNIT_E2E_ACCOUNT_H
#define KITH_TESTS_UNIT_E2E_ACCOUNT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/list_parts.h"
#include "tests/e2e_world.h"

/* An account with the devices 10, 20 and 30, that removed 5 and 25; its list is of seq 2. Lists are signed whatever they say. */
#define DEVICES 3

struct account {
    struct world_party party;
    struct e2e_device_list list; /* to be changed by a test, then signed */
    uint8_t dsk[DEVICES][E2E_SIGN_SECRET_BYTES];
    struct e2e_acceptance accepts[DEVICES];
};

static inline void account_add_device(struct account *account, uint32_t at, uint32_t device_id)
{
    struct e2e_device *device = &account->list.devices[at];
    uint8_t ddh[E2E_DH_BYTES];

    device->device_id = device_id;
    memset(device->server_device, (int)device_id, sizeof device->server_device);
    e2e_sign_keypair(&account->party.random, account->dsk[at], device->dsk_pub);
    e2e_dh_keypair(&account->party.random, ddh, device->ddh_pub);
    device->added_at_ms = WORLD_NOW + device_id;
    assert_int_equal(e2e_device_accept(account->dsk[at], &account->list, device, account->accepts[at].signature),
                     KITH_OK);
    account->accepts[at].device_id = device_id;
}

static inline struct account *account_new(void)
{
    struct account *account = calloc(1, sizeof *account);

    assert_non_null(account);
    world_party_init(&account->party, 1);
    account->list = account->party.list;
    account->list.seq = 2;
    memcpy(account->list.prev_hash, account->party.list.hash, E2E_HASH_BYTES);
    account->list.device_count = DEVICES;
    for (uint32_t i = 0; i < DEVICES; i++) account_add_device(account, i, 10 * (i + 1));
    account->list.devices[1].is_manager = false;
    account->list.removed[0] = 5;
    account->list.removed[1] = 25;
    account->list.removed_count = 2;
    return account;
}

static inline void account_free(struct account *account)
{
    world_party_deinit(&account->party);
    free(account);
}

/* `bytes` as a list, signed whatever it says; with the account's acceptances. */
static inline void account_sign(struct account *account, struct kith_slice bytes, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct kith_buf accepts;

    kith_buf_init(&accepts, 10000);
    for (int i = 0; i < DEVICES; i++) {
        uint8_t item[6 + 4 + 6 + 64] = {0, 1, 0, 0, 0, 4, [10] = 0, 2, 0, 0, 0, 64};
        kith_put_u32_be(item + 6, account->accepts[i].device_id);
        memcpy(item + 16, account->accepts[i].signature, 64);
        assert_int_equal(e2e_tlv_append_item(&accepts, kith_slice_of(item, sizeof item)), KITH_OK);
    }
    assert_int_equal(e2e_sign(account->party.aik_secret, E2E_LABEL_DEVLIST, bytes, signature), KITH_OK);
    e2e_tlv_put(&writer, 1, bytes);
    e2e_tlv_put(&writer, 2, kith_slice_of(signature, sizeof signature));
    e2e_tlv_put(&writer, 3, kith_buf_peek(&accepts));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    kith_buf_deinit(&accepts);
}

static inline kith_err account_read_bytes(struct account *account, struct kith_slice bytes, struct e2e_device_list *out)
{
    struct kith_buf signed_list;
    kith_err err;

    kith_buf_init(&signed_list, 100000);
    account_sign(account, bytes, &signed_list);
    memset(out, 0x5a, sizeof *out);
    err = e2e_device_list_read(kith_buf_peek(&signed_list), account->party.account_id, out);
    if (err != KITH_OK) assert_true(e2e_ct_is_zero((const uint8_t *)out, sizeof *out));
    kith_buf_deinit(&signed_list);
    return err;
}

/* The account's list, written and signed without a look at its rules, then read. */
static inline kith_err account_read(struct account *account, struct e2e_device_list *out)
{
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, 100000);
    assert_int_equal(e2e_list_encode(&account->list, &bytes), KITH_OK);
    err = account_read_bytes(account, kith_buf_peek(&bytes), out);
    kith_buf_deinit(&bytes);
    return err;
}

/* `in` with another value of field `tag`; {NULL, 0}: without it. */
static inline void account_replace(struct kith_slice in, uint16_t tag, struct kith_slice value, struct kith_buf *out)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    struct kith_slice old;
    uint16_t at;
    bool is_put = value.ptr == NULL;

    while (e2e_tlv_next(&reader, &at, &old) == KITH_OK) {
        if (at >= tag && !is_put) {
            e2e_tlv_put(&writer, tag, value);
            is_put = true;
        }
        if (at != tag) e2e_tlv_put(&writer, at, old);
    }
    if (!is_put) e2e_tlv_put(&writer, tag, value);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
}

/* The account's list with another value of one field, signed and read. */
static inline kith_err account_read_with(struct account *account, uint16_t tag, struct kith_slice value)
{
    struct e2e_device_list out;
    struct kith_buf bytes, changed;
    kith_err err;

    kith_buf_init(&bytes, 100000);
    kith_buf_init(&changed, 100000);
    assert_int_equal(e2e_list_encode(&account->list, &bytes), KITH_OK);
    account_replace(kith_buf_peek(&bytes), tag, value, &changed);
    err = account_read_bytes(account, kith_buf_peek(&changed), &out);
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&changed);
    return err;
}

#endif
