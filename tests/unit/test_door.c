#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "libkith/crypto/tlv.h"
#include "libkith/wasm/door.h"

/* The door by itself: handles, arguments, and what is not at its time. What goes through it is tested against a server (web/test). */

static const struct kith_time now = {.mono_ms = 1000, .wall_ms = 1800000000000};

struct rig {
    struct kith_prng prng;
    struct door *door;
    struct kith_buf in, out;
    struct e2e_tlv_writer writer;
    uint16_t tag;
};

static void fill(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static void args_begin(struct rig *rig)
{
    kith_buf_deinit(&rig->in);
    kith_buf_init(&rig->in, E2E_TLV_BYTES_MAX);
    rig->writer = e2e_tlv_writer_of(&rig->in);
    rig->tag = 0;
}

static void rig_open(struct rig *rig, uint64_t seed)
{
    const struct e2e_random random = {.fill = fill, .arg = &rig->prng};

    *rig = (struct rig){0};
    kith_prng_seed(&rig->prng, seed);
    rig->door = door_new(&random);
    assert_non_null(rig->door);
    kith_buf_init(&rig->out, E2E_TLV_BYTES_MAX);
    args_begin(rig);
}

static void rig_close(struct rig *rig)
{
    door_free(rig->door);
    kith_buf_deinit(&rig->in);
    kith_buf_deinit(&rig->out);
}

static void arg(struct rig *rig, const void *bytes, size_t len)
{
    e2e_tlv_put(&rig->writer, ++rig->tag, kith_slice_of(bytes, len));
}

static void arg_u8(struct rig *rig, uint8_t value)
{
    e2e_tlv_put_u8(&rig->writer, ++rig->tag, value);
}

static void arg_u32(struct rig *rig, uint32_t value)
{
    e2e_tlv_put_u32(&rig->writer, ++rig->tag, value);
}

static void arg_u64(struct rig *rig, uint64_t value)
{
    e2e_tlv_put_u64(&rig->writer, ++rig->tag, value);
}

/* With the arguments since the call before. */
static kith_err call(struct rig *rig, const char *name, uint32_t handle)
{
    const struct door_call *found = door_find(name);
    kith_err err;

    assert_non_null(found);
    assert_int_equal(e2e_tlv_finish(&rig->writer), KITH_OK);
    kith_buf_reset(&rig->out);
    err = door_run(rig->door, found, handle, now, kith_buf_peek(&rig->in), &rig->out);
    if (err != KITH_OK) assert_int_equal(kith_buf_len(&rig->out), 0);
    args_begin(rig);
    return err;
}

static uint32_t number(const struct rig *rig)
{
    assert_int_equal(kith_buf_len(&rig->out), 4);
    return e2e_tlv_u32(kith_buf_peek(&rig->out));
}

static kith_err client_new(struct rig *rig, bool encrypts)
{
    static const uint8_t id[16] = {1};

    arg(rig, id, sizeof id);
    arg(rig, id, sizeof id);
    arg_u32(rig, 0);
    arg_u8(rig, 1);
    arg_u8(rig, 0);
    arg_u8(rig, encrypts);
    arg_u32(rig, 2);
    return call(rig, "client_new", 0);
}

static uint32_t client_of(struct rig *rig, bool encrypts)
{
    assert_int_equal(client_new(rig, encrypts), KITH_OK);
    return number(rig);
}

static uint32_t vault_of(struct rig *rig)
{
    static const uint8_t key[32] = {7};

    arg(rig, key, sizeof key);
    assert_int_equal(call(rig, "vault_new", 0), KITH_OK);
    return number(rig);
}

static void test_door__a_handle_is_good_for_its_kind_until_it_is_freed(void **state)
{
    struct rig rig;
    uint32_t client, vault;

    (void)state;
    rig_open(&rig, 1);
    assert_int_equal(call(&rig, "client_tick", 0), KITH_E_NOTFOUND);
    client = client_of(&rig, true);
    vault = vault_of(&rig);
    assert_int_equal(call(&rig, "client_tick", client), KITH_OK);
    assert_int_equal(call(&rig, "client_tick", vault), KITH_E_NOTFOUND);
    assert_int_equal(call(&rig, "vault_free", client), KITH_E_NOTFOUND);
    for (uint32_t bit = 1; bit != 0; bit <<= 1)
        assert_int_equal(call(&rig, "client_tick", client ^ bit), KITH_E_NOTFOUND);
    assert_int_equal(call(&rig, "client_free", client), KITH_OK);
    assert_int_equal(call(&rig, "client_free", client), KITH_E_NOTFOUND);
    assert_int_not_equal(client_of(&rig, true), client);
    assert_int_equal(call(&rig, "client_tick", client), KITH_E_NOTFOUND);
    rig_close(&rig);
}

static void test_door__has_a_maximum_of_handles(void **state)
{
    struct rig rig;
    uint32_t last = 0;

    (void)state;
    rig_open(&rig, 1);
    for (int i = 0; i < DOOR_HANDLES_MAX; i++) last = vault_of(&rig);
    assert_int_equal(client_new(&rig, false), KITH_E_FULL);
    assert_int_equal(call(&rig, "vault_free", last), KITH_OK);
    assert_int_equal(client_new(&rig, false), KITH_OK);
    rig_close(&rig);
}

/* Each call, at a new client and a new vault, with all its arguments of one length, and then with one argument too many. */
static void try_lengths(struct rig *rig, const struct door_call *found, size_t len)
{
    static const uint8_t bytes[40];
    uint32_t client = client_of(rig, true), vault = vault_of(rig);
    uint32_t handle = found->kind == DOOR_VAULT ? vault : client;

    for (size_t at = 0; at <= found->arg_count; at++) arg(rig, bytes, len);
    assert_int_equal(call(rig, found->name, handle), KITH_E_UNSUPPORTED);
    for (size_t at = 0; at < found->arg_count; at++) arg(rig, bytes, len);
    kith_ignore(call(rig, found->name, handle));   /* it says what it says, and does not end */
    kith_ignore(call(rig, "client_free", client)); /* it may be gone */
    kith_ignore(call(rig, "vault_free", vault));
}

static void test_door__no_length_of_an_argument_ends_it(void **state)
{
    static const char *const names[] = {
#define X(name, kind, count, what) #name,
        KITH_DOOR_CALLS(X)
#undef X
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t len = 0; len <= 40; len++) {
            struct rig rig;
            rig_open(&rig, len);
            try_lengths(&rig, door_find(names[i]), len);
            rig_close(&rig);
        }
    }
}

static void test_door__what_is_not_at_its_time_is_refused(void **state)
{
    static const uint8_t id[16] = {2};
    struct rig rig;
    uint32_t client;

    (void)state;
    rig_open(&rig, 1);
    client = client_of(&rig, true);
    assert_int_equal(call(&rig, "client_start", client), KITH_OK);
    assert_int_equal(call(&rig, "client_start", client), KITH_E_CONFLICT);
    arg(&rig, "S", 1);
    arg(&rig, "", 0);
    assert_int_equal(call(&rig, "client_load", client), KITH_E_CONFLICT);

    /* Nothing was asked, so nothing is believed. */
    arg_u8(&rig, 0);
    arg_u64(&rig, 0);
    arg_u32(&rig, 0);
    arg_u32(&rig, 0);
    arg_u32(&rig, 0);
    arg_u32(&rig, 0);
    assert_int_equal(call(&rig, "client_keys", client), KITH_E_CONFLICT);
    assert_int_equal(call(&rig, "client_upload", client), KITH_E_CONFLICT);
    arg(&rig, id, sizeof id);
    arg(&rig, id, sizeof id);
    assert_int_equal(call(&rig, "client_no_bundle", client), KITH_E_CONFLICT);
    arg_u8(&rig, 1);
    assert_int_equal(call(&rig, "client_fetched", client), KITH_E_CONFLICT);
    rig_close(&rig);
}

static void test_door__an_account_is_of_a_client_that_encrypts(void **state)
{
    static const uint8_t id[16] = {2};
    struct rig rig;
    uint32_t client;

    (void)state;
    rig_open(&rig, 1);
    client = client_of(&rig, false);
    assert_int_equal(call(&rig, "account_state", client), KITH_E_UNSUPPORTED);
    arg(&rig, id, sizeof id);
    assert_int_equal(call(&rig, "person", client), KITH_E_UNSUPPORTED);
    assert_int_equal(call(&rig, "link_request", client), KITH_E_UNSUPPORTED);
    arg(&rig, id, sizeof id);
    assert_int_equal(call(&rig, "group", client), KITH_E_UNSUPPORTED);
    rig_close(&rig);
}

/* The records of a PERSIST come one by one, and until all are taken nobody may say that they are durable. */
static void test_door__records_are_taken_before_they_are_durable(void **state)
{
    static const uint8_t chat[16] = {3};
    struct rig rig;
    uint32_t client;
    int count = 0;

    (void)state;
    rig_open(&rig, 1);
    client = client_of(&rig, false);
    arg(&rig, chat, sizeof chat);
    arg_u8(&rig, 0);
    arg(&rig, "text/plain", 10);
    arg(&rig, "hello", 5);
    arg_u64(&rig, 0);
    assert_int_equal(call(&rig, "client_send", client), KITH_OK);
    assert_int_equal(kith_buf_len(&rig.out), 16);
    assert_int_equal(call(&rig, "client_record", client), KITH_E_NOTFOUND);
    assert_int_equal(call(&rig, "client_next", client), KITH_OK);
    assert_int_equal(kith_buf_peek(&rig.out).ptr[6], KITH_EFFECT_PERSIST);
    assert_int_equal(call(&rig, "client_next", client), KITH_E_AGAIN);
    assert_int_equal(call(&rig, "client_persisted", client), KITH_E_CONFLICT);
    while (call(&rig, "client_record", client) == KITH_OK) count++;
    assert_int_equal(count, 2); /* the id stamp, and the entry of the outbox */
    assert_int_equal(call(&rig, "client_persisted", client), KITH_OK);
    assert_int_equal(call(&rig, "client_next", client), KITH_E_NOTFOUND);
    rig_close(&rig);
}

static void test_door__a_record_is_sealed_and_opened(void **state)
{
    struct rig rig;
    struct kith_slice left, tag = {0}, name, stored;
    uint32_t vault;
    uint8_t copy[256];

    (void)state;
    rig_open(&rig, 1);
    vault = vault_of(&rig);
    arg(&rig, "S", 1);
    arg(&rig, "value", 5);
    assert_int_equal(call(&rig, "vault_seal", vault), KITH_OK);
    assert_true(kith_buf_len(&rig.out) <= sizeof copy);
    memcpy(copy, kith_buf_peek(&rig.out).ptr, kith_buf_len(&rig.out));
    left = kith_slice_of(copy, kith_buf_len(&rig.out));
    assert_int_equal(kith_eat_bytes(&left, 6, &tag), KITH_OK);
    assert_int_equal(kith_eat_bytes(&left, 33, &name), KITH_OK);
    assert_int_equal(kith_eat_bytes(&left, 6, &tag), KITH_OK);
    stored = left;
    arg(&rig, "S", 1);
    assert_int_equal(call(&rig, "vault_name", vault), KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&rig.out), name));
    arg(&rig, name.ptr, name.len);
    arg(&rig, stored.ptr, stored.len);
    assert_int_equal(call(&rig, "vault_open", vault), KITH_OK);
    assert_memory_equal(kith_buf_peek(&rig.out).ptr, "\0\x21\0\0\0\1S\0\x22\0\0\0\5value", 18);
    copy[50] ^= 1;
    arg(&rig, name.ptr, name.len);
    arg(&rig, stored.ptr, stored.len);
    assert_int_equal(call(&rig, "vault_open", vault), KITH_E_DENIED);
    arg(&rig, "", 0);
    assert_int_equal(call(&rig, "vault_name", vault), KITH_E_MALFORMED);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_door__a_handle_is_good_for_its_kind_until_it_is_freed),
        cmocka_unit_test(test_door__has_a_maximum_of_handles),
        cmocka_unit_test(test_door__no_length_of_an_argument_ends_it),
        cmocka_unit_test(test_door__what_is_not_at_its_time_is_refused),
        cmocka_unit_test(test_door__an_account_is_of_a_client_that_encrypts),
        cmocka_unit_test(test_door__records_are_taken_before_they_are_durable),
        cmocka_unit_test(test_door__a_record_is_sealed_and_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
