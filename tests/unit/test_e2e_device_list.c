#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/list_parts.h"
#include "tests/e2e_world.h"

/* An account with three devices, 10, 20 and 30, of which 5 and 25 were removed; its list is of seq 2. */
#define DEVICES 3

struct account {
    struct world_party party;
    struct e2e_device_list list; /* to be changed by a test, then signed */
    uint8_t dsk[DEVICES][E2E_SIGN_SECRET_BYTES];
    struct e2e_acceptance accepts[DEVICES];
};

static void add_device(struct account *account, uint32_t at, uint32_t device_id)
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

static struct account *account_new(void)
{
    struct account *account = calloc(1, sizeof *account);

    assert_non_null(account);
    world_party_init(&account->party, 1);
    account->list = account->party.list;
    account->list.seq = 2;
    memcpy(account->list.prev_hash, account->party.list.hash, E2E_HASH_BYTES);
    account->list.device_count = DEVICES;
    for (uint32_t i = 0; i < DEVICES; i++) add_device(account, i, 10 * (i + 1));
    account->list.devices[1].is_manager = false;
    account->list.removed[0] = 5;
    account->list.removed[1] = 25;
    account->list.removed_count = 2;
    return account;
}

static void account_free(struct account *account)
{
    world_party_deinit(&account->party);
    free(account);
}

/* `bytes` as a list, signed whatever it says; with the account's acceptances. */
static void sign_bytes(struct account *account, struct kith_slice bytes, struct kith_buf *out)
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

static kith_err read_bytes(struct account *account, struct kith_slice bytes, struct e2e_device_list *out)
{
    struct kith_buf signed_list;
    kith_err err;

    kith_buf_init(&signed_list, 100000);
    sign_bytes(account, bytes, &signed_list);
    memset(out, 0x5a, sizeof *out);
    err = e2e_device_list_read(kith_buf_peek(&signed_list), account->party.account_id, out);
    if (err != KITH_OK) assert_true(e2e_ct_is_zero((const uint8_t *)out, sizeof *out));
    kith_buf_deinit(&signed_list);
    return err;
}

/* The account's list, written and signed without a look at its rules, then read. */
static kith_err read_list(struct account *account, struct e2e_device_list *out)
{
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, 100000);
    assert_int_equal(e2e_list_encode(&account->list, &bytes), KITH_OK);
    err = read_bytes(account, kith_buf_peek(&bytes), out);
    kith_buf_deinit(&bytes);
    return err;
}

/* `in` with another value of field `tag`; {NULL, 0}: without it. */
static void replace(struct kith_slice in, uint16_t tag, struct kith_slice value, struct kith_buf *out)
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
static kith_err read_with(struct account *account, uint16_t tag, struct kith_slice value)
{
    struct e2e_device_list out;
    struct kith_buf bytes, changed;
    kith_err err;

    kith_buf_init(&bytes, 100000);
    kith_buf_init(&changed, 100000);
    assert_int_equal(e2e_list_encode(&account->list, &bytes), KITH_OK);
    replace(kith_buf_peek(&bytes), tag, value, &changed);
    err = read_bytes(account, kith_buf_peek(&changed), &out);
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&changed);
    return err;
}

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
    replace(kith_buf_peek(&bytes), 0x8000, kith_slice_str("of a later version"), &longer);
    all = kith_buf_peek(&longer);
    assert_int_equal(read_bytes(account, all, &read), KITH_OK);
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
    assert_int_equal(read_list(account, &read), KITH_E_DENIED);
    memcpy(account->list.aik_pub, account->party.list.aik_pub, sizeof account->list.aik_pub);
    account->list.aik_counter = 2;
    assert_int_equal(read_list(account, &read), KITH_E_DENIED);
    account->list.aik_counter = 1;
    memcpy(account->party.aik_secret, other.aik_secret, sizeof other.aik_secret);
    assert_int_equal(read_list(account, &read), KITH_E_DENIED);
    assert_int_equal(e2e_device_list_sign(&account->list, other.aik_secret, account->accepts, 3, &out),
                     KITH_E_MALFORMED);
    kith_buf_deinit(&out);
    world_party_deinit(&other);
    account_free(account);
}

/* ---------------------------------------------------------------------------------------------- the rules of one list */
static void no_counter(struct e2e_device_list *list)
{
    list->aik_counter = 0;
}
static void no_seq(struct e2e_device_list *list)
{
    list->seq = 0;
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

static void test_e2e_device_list__each_rule_is_held_to_when_read_and_when_signed(void **state)
{
    static void (*const breaks[])(struct e2e_device_list *) = {
        no_seq,
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
    assert_int_equal(read_list(account, &read), KITH_OK);
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        account->list = good;
        breaks[i](&account->list);
        assert_int_equal(read_list(account, &read), KITH_E_MALFORMED);
        assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &out),
                         KITH_E_MALFORMED);
    }
    assert_int_equal(kith_buf_len(&out), 0);

    /* The counter is under ARK's signature, too. */
    account->list = good;
    no_counter(&account->list);
    assert_int_equal(
        e2e_certify(account->party.ark_secret, good.account_id, good.aik_pub, 0, account->list.certificate), KITH_OK);
    assert_int_equal(read_list(account, &read), KITH_E_MALFORMED);
    kith_buf_deinit(&out);
    account_free(account);
}

static void test_e2e_device_list__takes_what_is_just_allowed(void **state)
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
    assert_int_equal(read_list(account, &read), KITH_OK);
    assert_int_equal(read.device_count, E2E_DEVICES_MAX);
    assert_int_equal(read.removed_count, E2E_REMOVED_MAX);
    assert_int_equal(read.removed[E2E_REMOVED_MAX - 1], 1000 + E2E_REMOVED_MAX - 1);
    account_free(account);
}

/* What no struct can say, field by field. */
static void test_e2e_device_list__refuses_fields_that_are_none(void **state)
{
    struct account *account = account_new();
    static const uint8_t many[E2E_REMOVED_MAX * 4 + 4] = {0};
    struct kith_buf devices, item;

    (void)state;
    assert_int_equal(read_with(account, 7, (struct kith_slice){0}), KITH_E_MALFORMED); /* no prev_hash in seq 2 */
    assert_int_equal(read_with(account, 6, kith_slice_of("\0\0\0\0\0\0\0\1", 8)), KITH_E_MALFORMED); /* one in seq 1 */
    assert_int_equal(read_with(account, 10, (struct kith_slice){0}), KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 10, kith_slice_of("", 0)), KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 10, kith_slice_of("\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21", 17)),
                     KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 11, (struct kith_slice){0}), KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 11, kith_slice_of("", 0)), KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 12, kith_slice_of("\0\0\1", 3)), KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 12, kith_slice_of("\0\0\1\0\0", 5)), KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 12, kith_slice_of("", 0)), KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 12, kith_slice_of(many, sizeof many)), KITH_E_MALFORMED);
    assert_int_equal(read_with(account, 13, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(read_with(account, 0x8001, kith_slice_of("x", 1)), KITH_OK);

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
    assert_int_equal(read_with(account, 11, kith_buf_peek(&devices)), KITH_E_MALFORMED);
    devices.ptr[devices.tail - 1] = 1;
    assert_int_equal(read_with(account, 11, kith_buf_peek(&devices)), KITH_OK);
    kith_buf_deinit(&devices);
    kith_buf_deinit(&item);
    account_free(account);
}

static void test_e2e_device_list__refuses_a_device_too_many_and_a_list_too_long(void **state)
{
    struct account *account = account_new();
    struct e2e_device_list read;
    struct kith_buf devices, bytes;

    (void)state;
    kith_buf_init(&devices, 10000);
    kith_buf_init(&bytes, 100000);
    for (uint32_t i = 0; i <= E2E_DEVICES_MAX; i++) {
        uint8_t item[6 * 5 + 4 + 16 + 32 + 32 + 8] = {0, 1, 0, 0, 0, 4};
        size_t at = 10;
        static const uint8_t heads[4][6] = {
            {0, 2, 0, 0, 0, 16}, {0, 3, 0, 0, 0, 32}, {0, 4, 0, 0, 0, 32}, {0, 5, 0, 0, 0, 8}};
        kith_put_u32_be(item + 6, i + 1);
        for (int k = 0; k < 4; k++) {
            memcpy(item + at, heads[k], 6);
            at += 6u + heads[k][5];
        }
        assert_int_equal(e2e_tlv_append_item(&devices, kith_slice_of(item, sizeof item)), KITH_OK);
    }
    assert_int_equal(read_with(account, 11, kith_buf_peek(&devices)), KITH_E_MALFORMED);
    account->list.device_count = E2E_DEVICES_MAX + 1;
    assert_int_equal(e2e_device_list_sign(&account->list, account->party.aik_secret, NULL, 0, &bytes),
                     KITH_E_MALFORMED);
    account->list.device_count = DEVICES;

    /* At its most bytes, and one past. */
    assert_int_equal(e2e_list_encode(&account->list, &bytes), KITH_OK);
    {
        const size_t room = E2E_LIST_BYTES_MAX - kith_buf_len(&bytes) - E2E_TLV_HEAD_BYTES;
        uint8_t *padding = calloc(1, room + 1);
        struct kith_buf longer;
        assert_non_null(padding);
        for (size_t extra = 0; extra < 2; extra++) {
            kith_buf_init(&longer, 100000);
            replace(kith_buf_peek(&bytes), 0x9000, kith_slice_of(padding, room + extra), &longer);
            assert_int_equal(read_bytes(account, kith_buf_peek(&longer), &read),
                             extra == 0 ? KITH_OK : KITH_E_MALFORMED);
            kith_buf_deinit(&longer);
        }
        free(padding);
    }
    kith_buf_deinit(&devices);
    kith_buf_deinit(&bytes);
    account_free(account);
}

static void test_e2e_device_list__refuses_a_signed_list_past_its_most_bytes(void **state)
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
        replace(kith_buf_peek(&out), 0x8000, kith_slice_of(padding, room), &longer);
        assert_int_equal(e2e_device_list_read(kith_buf_peek(&longer), account->party.account_id, &read),
                         extra == 0 ? KITH_OK : KITH_E_TOOBIG);
        kith_buf_deinit(&longer);
    }
    kith_buf_deinit(&out);
    free(padding);
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
    assert_int_equal(read_list(account, &read), KITH_OK);
    assert_true(read.devices[0].is_accepted);
    assert_false(read.devices[1].is_accepted);
    assert_false(read.devices[2].is_accepted);

    account->accepts[2].device_id = 31; /* of nobody */
    assert_int_equal(read_list(account, &read), KITH_OK);
    account->accepts[2].device_id = 20; /* twice */
    assert_int_equal(read_list(account, &read), KITH_E_MALFORMED);
    account->accepts[2].device_id = 11; /* out of order */
    assert_int_equal(read_list(account, &read), KITH_E_MALFORMED);
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
    replace(kith_buf_peek(&list), 0x8000, kith_slice_str("of a later version"), &longer);
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
        cmocka_unit_test(test_e2e_device_list__each_rule_is_held_to_when_read_and_when_signed),
        cmocka_unit_test(test_e2e_device_list__takes_what_is_just_allowed),
        cmocka_unit_test(test_e2e_device_list__refuses_fields_that_are_none),
        cmocka_unit_test(test_e2e_device_list__refuses_a_device_too_many_and_a_list_too_long),
        cmocka_unit_test(test_e2e_device_list__refuses_a_signed_list_past_its_most_bytes),
        cmocka_unit_test(test_e2e_device_list__a_device_is_used_only_with_its_own_acceptance),
        cmocka_unit_test(test_e2e_device_list__an_acceptance_can_be_added_and_replaced),
        cmocka_unit_test(test_e2e_device_list__adding_an_acceptance_keeps_what_it_steps_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
