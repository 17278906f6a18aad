#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/conformance/directory_bench.h"

/* The tables of the key directory: large values, an index of two columns before an id, unique keys of whoever. */
static struct kith_uuid id_of(uint8_t n)
{
    return (struct kith_uuid){.raw = {[0] = n, [15] = 1}};
}

static kith_err write_call(struct directory_bench *bench, drive_run *run, void *arg)
{
    return drive_call(&bench->loop, bench->directory, false, run, arg);
}

static kith_err read_call(struct directory_bench *bench, drive_run *run, void *arg)
{
    return drive_call(&bench->loop, bench->directory, true, run, arg);
}

static kith_err put_list(struct directory_tx *tx, void *arg)
{
    return directory_put(tx, &table_signed_lists, arg);
}

static kith_err get_list(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_signed_lists, SIGNED_LISTS_BY_USER, arg);
}

static kith_err put_keys(struct directory_tx *tx, void *arg)
{
    return directory_put(tx, &table_device_keys, arg);
}

static kith_err get_keys(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_device_keys, DEVICE_KEYS_BY_DEVICE, arg);
}

static kith_err get_keys_by_kem_lr(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_device_keys, DEVICE_KEYS_BY_KEM_LR, arg);
}

static kith_err put_prekey(struct directory_tx *tx, void *arg)
{
    return directory_put(tx, &table_prekeys, arg);
}

static kith_err del_prekey(struct directory_tx *tx, void *arg)
{
    return directory_del(tx, &table_prekeys, arg);
}

static kith_err get_prekey(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_prekeys, PREKEYS_BY_ID, arg);
}

static struct prekey_record prekey_of(uint8_t device, enum prekey_kind kind, uint64_t key_id, uint8_t public)
{
    struct prekey_record row = {.device_id = id_of(device), .kind = kind, .key_id = key_id};

    row.public_hash.len = DIRECTORY_HASH_BYTES;
    memset(row.public_hash.bytes, public, DIRECTORY_HASH_BYTES);
    row.prekey.len = KITH_PREKEY_BYTES_MAX;
    memset(row.prekey.bytes, public, KITH_PREKEY_BYTES_MAX);
    return row;
}

static void test_directory__lists_and_keys_at_their_limits_are_kept(void **state)
{
    static struct signed_list_record list, got_list;
    struct device_keys_record keys = {.device_id = id_of(1), .user_id = id_of(2), .updated_ms = INT64_MAX}, got_keys;
    struct prekey_record prekey = prekey_of(1, PREKEY_KEM_OT, UINT32_MAX, 0), got_prekey;

    memset(&list, 0, sizeof list);
    list.user_id = id_of(2);
    list.seq = INT64_MAX;
    list.hash.len = DIRECTORY_HASH_BYTES;
    list.list.len = KITH_SIGNED_LIST_BYTES_MAX;
    for (size_t i = 0; i < KITH_SIGNED_LIST_BYTES_MAX; i++) list.list.bytes[i] = (uint8_t)(i * 7);
    keys.spk.len = keys.kem_lr.len = KITH_PREKEY_BYTES_MAX;
    memset(keys.spk.bytes, 0xff, KITH_PREKEY_BYTES_MAX);
    keys.spent.len = sizeof keys.spent.bytes;
    assert_int_equal(write_call(*state, put_list, &list), KITH_OK);
    assert_int_equal(write_call(*state, put_keys, &keys), KITH_OK);
    assert_int_equal(write_call(*state, put_prekey, &prekey), KITH_OK);
    directory_bench_reopen(*state);
    got_list = (struct signed_list_record){.user_id = list.user_id};
    got_keys = (struct device_keys_record){.device_id = keys.device_id};
    got_prekey = (struct prekey_record){.device_id = prekey.device_id, .kind = prekey.kind, .key_id = prekey.key_id};
    assert_int_equal(read_call(*state, get_list, &got_list), KITH_OK);
    assert_int_equal(read_call(*state, get_keys, &got_keys), KITH_OK);
    assert_int_equal(read_call(*state, get_prekey, &got_prekey), KITH_OK);
    assert_memory_equal(&got_list, &list, sizeof list);
    assert_memory_equal(&got_keys, &keys, sizeof keys);
    assert_memory_equal(&got_prekey, &prekey, sizeof prekey);
}

static void test_directory__a_public_key_has_one_row(void **state)
{
    struct prekey_record first = prekey_of(1, PREKEY_OPK, 5, 1), other = prekey_of(2, PREKEY_KEM_OT, 6, 1);
    struct device_keys_record a = {.device_id = id_of(1)}, b = {.device_id = id_of(2)}, c = {.device_id = id_of(3)};
    struct device_keys_record none = {.device_id = id_of(9)};

    assert_int_equal(write_call(*state, put_prekey, &first), KITH_OK);
    assert_int_equal(write_call(*state, put_prekey, &first), KITH_OK);
    assert_int_equal(write_call(*state, put_prekey, &other), KITH_E_CONFLICT);
    assert_int_equal(write_call(*state, del_prekey, &first), KITH_OK);
    assert_int_equal(write_call(*state, put_prekey, &other), KITH_OK);
    /* Of the lasting ones, many may be missing. */
    b.kem_lr_hash.len = c.kem_lr_hash.len = DIRECTORY_HASH_BYTES;
    assert_int_equal(write_call(*state, put_keys, &a), KITH_OK);
    assert_int_equal(write_call(*state, put_keys, &b), KITH_OK);
    assert_int_equal(write_call(*state, put_keys, &c), KITH_E_CONFLICT);
    c.spk_hash = b.spk_hash;
    c.kem_lr_hash.len = 0;
    assert_int_equal(write_call(*state, put_keys, &c), KITH_OK);
    assert_int_equal(read_call(*state, get_keys_by_kem_lr, &none), KITH_E_NOTFOUND);
    none.kem_lr_hash = b.kem_lr_hash;
    assert_int_equal(read_call(*state, get_keys_by_kem_lr, &none), KITH_OK);
    assert_true(kith_uuid_eq(none.device_id, b.device_id));
}

struct found {
    uint64_t ids[8];
    size_t count;
    struct prekey_record key;
    unsigned columns;
};

static bool found_row(void *arg, const void *record)
{
    struct found *found = arg;

    found->ids[found->count++] = ((const struct prekey_record *)record)->key_id;
    return true;
}

static kith_err scan_run(struct directory_tx *tx, void *arg)
{
    struct found *found = arg;
    return directory_scan(tx, &table_prekeys, PREKEYS_BY_ID, found->columns, &found->key, false, found_row, found);
}

static void test_directory__prekeys_are_found_by_device_and_kind(void **state)
{
    struct prekey_record rows[] = {prekey_of(1, PREKEY_KEM_OT, 300, 1), prekey_of(1, PREKEY_OPK, 4000000000, 2),
                                   prekey_of(1, PREKEY_OPK, 2, 3), prekey_of(2, PREKEY_OPK, 1, 4)};
    struct found of_kind = {.columns = 2, .key = {.device_id = id_of(1), .kind = PREKEY_OPK}};
    struct found of_device = {.columns = 1, .key = {.device_id = id_of(1)}};
    struct found none = {.columns = 2, .key = {.device_id = id_of(2), .kind = PREKEY_KEM_OT}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(write_call(*state, put_prekey, &rows[i]), KITH_OK);
    assert_int_equal(read_call(*state, scan_run, &of_kind), KITH_OK);
    assert_int_equal(of_kind.count, 2);
    assert_true(of_kind.ids[0] == 2 && of_kind.ids[1] == 4000000000);
    assert_int_equal(read_call(*state, scan_run, &of_device), KITH_OK);
    assert_int_equal(of_device.count, 3);
    assert_true(of_device.ids[2] == 300);
    assert_int_equal(read_call(*state, scan_run, &none), KITH_OK);
    assert_int_equal(none.count, 0);
}

/* Each case on the three adapters. */
#define CASE(test, number, name) \
    {#test " [" name "]", test, directory_bench_setup, directory_bench_teardown, (void *)&directory_adapters[number]}
#define ON_EACH(test) CASE(test, 0, "mem"), CASE(test, 1, "mem, late"), CASE(test, 2, "sqlite")

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(test_directory__lists_and_keys_at_their_limits_are_kept),
        ON_EACH(test_directory__a_public_key_has_one_row),
        ON_EACH(test_directory__prekeys_are_found_by_device_and_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
