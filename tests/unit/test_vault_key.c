#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/crypto/secret.h"
#include "libkith/crypto/tlv.h"
#include "libkith/vault_key.h"

/* The least that Argon2id takes: here it is the form that counts, not the cost. */
#define QUICK ((struct e2e_passphrase_cost){.passes = 1, .memory_kib = E2E_PASSPHRASE_MEMORY_KIB_MIN})

static void fill(void *arg, void *out, size_t len)
{
    uint32_t *count = arg;

    for (size_t i = 0; i < len; i++) ((uint8_t *)out)[i] = (uint8_t)(++*count * 2654435761u >> 24);
}

static uint32_t coins;
static const struct e2e_random coin_source = {.fill = fill, .arg = &coins};

static void key_make(uint8_t out[static VAULT_KEY_BYTES])
{
    for (size_t i = 0; i < VAULT_KEY_BYTES; i++) out[i] = (uint8_t)(200 - i);
}

static struct kith_buf wrapped_with(const char *passphrase)
{
    uint8_t key[VAULT_KEY_BYTES];
    struct kith_buf file;

    key_make(key);
    kith_buf_init(&file, VAULT_FILE_BYTES_MAX);
    assert_int_equal(vault_key_wrap(key, kith_slice_str(passphrase), QUICK, &coin_source, &file), KITH_OK);
    return file;
}

static kith_err read_with(struct kith_slice file, const char *passphrase)
{
    static const uint8_t untouched[VAULT_KEY_BYTES];
    uint8_t key[VAULT_KEY_BYTES], out[VAULT_KEY_BYTES] = {0};
    kith_err err = vault_key_read(file, kith_slice_str(passphrase), out);

    key_make(key);
    assert_memory_equal(out, err == KITH_OK ? key : untouched, VAULT_KEY_BYTES);
    return err;
}

static void test_vault_key__a_plain_file_gives_the_key_and_asks_for_nothing(void **state)
{
    uint8_t key[VAULT_KEY_BYTES];
    struct kith_buf file;
    bool is_wrapped = true;

    (void)state;
    key_make(key);
    kith_buf_init(&file, VAULT_FILE_BYTES_MAX);
    assert_int_equal(vault_key_write(key, &file), KITH_OK);
    assert_int_equal(vault_key_is_wrapped(kith_buf_peek(&file), &is_wrapped), KITH_OK);
    assert_false(is_wrapped);
    assert_int_equal(read_with(kith_buf_peek(&file), ""), KITH_OK);
    assert_int_equal(read_with(kith_buf_peek(&file), "anything"), KITH_OK);
    for (size_t len = 0; len < kith_buf_len(&file); len++)
        assert_int_equal(read_with(kith_slice_of(file.ptr, len), ""), KITH_E_MALFORMED);
    kith_buf_deinit(&file);
}

static void test_vault_key__a_wrapped_file_opens_with_its_passphrase_only(void **state)
{
    struct kith_buf file = wrapped_with("a passphrase"), other = wrapped_with("a passphrase");
    uint8_t key[VAULT_KEY_BYTES];
    bool is_wrapped = false;

    (void)state;
    key_make(key);
    assert_int_equal(vault_key_is_wrapped(kith_buf_peek(&file), &is_wrapped), KITH_OK);
    assert_true(is_wrapped);
    assert_null(memmem(file.ptr, kith_buf_len(&file), key, 4));
    assert_int_equal(read_with(kith_buf_peek(&file), "a passphrase"), KITH_OK);
    assert_int_equal(read_with(kith_buf_peek(&file), "a passphrasf"), KITH_E_DENIED);
    assert_int_equal(read_with(kith_buf_peek(&file), "a passphrase "), KITH_E_DENIED);
    assert_int_equal(read_with(kith_buf_peek(&file), ""), KITH_E_DENIED);
    /* Wrapped again, nothing of it is the same: salt, nonce, key. */
    assert_int_equal(kith_buf_len(&file), kith_buf_len(&other));
    assert_false(kith_slice_eq(kith_buf_peek(&file), kith_buf_peek(&other)));
    kith_buf_deinit(&file);
    kith_buf_deinit(&other);
}

static void test_vault_key__refuses_every_flipped_bit_and_every_short_form(void **state)
{
    struct kith_buf file = wrapped_with("a passphrase");
    size_t len = kith_buf_len(&file);

    (void)state;
    for (size_t bit = 0; bit < len * 8; bit++) {
        kith_err err;
        /* More memory than a test should take is refused or taken by the cost's own rules. */
        file.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = read_with(kith_buf_peek(&file), "a passphrase");
        assert_true(err == KITH_E_DENIED || err == KITH_E_MALFORMED || err == KITH_E_UNSUPPORTED ||
                    err == KITH_E_TOOBIG);
        file.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t short_len = 0; short_len < len; short_len++)
        assert_int_equal(read_with(kith_slice_of(file.ptr, short_len), "a passphrase"), KITH_E_MALFORMED);
    kith_buf_deinit(&file);
}

static void test_vault_key__refuses_what_is_both_and_what_is_newer(void **state)
{
    uint8_t key[VAULT_KEY_BYTES] = {0}, out[VAULT_KEY_BYTES];
    struct kith_buf file;
    struct e2e_tlv_writer writer;
    bool is_wrapped;

    (void)state;
    kith_buf_init(&file, 2 * VAULT_FILE_BYTES_MAX);
    writer = e2e_tlv_writer_of(&file);
    e2e_tlv_put_u8(&writer, 1, 1);
    e2e_tlv_put(&writer, 2, kith_slice_of(key, sizeof key));
    e2e_tlv_put(&writer, 3, kith_slice_of(key, E2E_SALT_BYTES));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    assert_int_equal(vault_key_is_wrapped(kith_buf_peek(&file), &is_wrapped), KITH_E_MALFORMED);
    kith_buf_reset(&file);
    assert_int_equal(vault_key_write(key, &file), KITH_OK);
    file.ptr[E2E_TLV_HEAD_BYTES] = 2;
    assert_int_equal(vault_key_read(kith_buf_peek(&file), kith_slice_str(""), out), KITH_E_UNSUPPORTED);
    file.ptr[E2E_TLV_HEAD_BYTES] = 1;
    writer = e2e_tlv_writer_of(&file);
    e2e_tlv_put(&writer, E2E_TLV_TAG_SKIPPED, kith_slice_of((uint8_t[VAULT_FILE_BYTES_MAX]){0}, 200));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    assert_true(kith_buf_len(&file) <= VAULT_FILE_BYTES_MAX);
    assert_int_equal(vault_key_read(kith_buf_peek(&file), kith_slice_str(""), out), KITH_OK);
    while (kith_buf_len(&file) <= VAULT_FILE_BYTES_MAX) assert_int_equal(kith_buf_append_u8(&file, 0), KITH_OK);
    assert_int_equal(vault_key_read(kith_buf_peek(&file), kith_slice_str(""), out), KITH_E_MALFORMED);
    kith_buf_deinit(&file);
}

static void test_vault_key__holds_the_maxima_of_passphrase_and_cost(void **state)
{
    char longest[E2E_PASSPHRASE_BYTES_MAX + 1];
    uint8_t key[VAULT_KEY_BYTES];
    struct kith_buf file;

    (void)state;
    key_make(key);
    memset(longest, 'x', sizeof longest);
    kith_buf_init(&file, VAULT_FILE_BYTES_MAX);
    assert_int_equal(vault_key_wrap(key, kith_slice_of(longest, sizeof longest), QUICK, &coin_source, &file),
                     KITH_E_TOOBIG);
    assert_int_equal(
        vault_key_wrap(key, kith_slice_str("x"), (struct e2e_passphrase_cost){1, 1u << 20}, &coin_source, &file),
        KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&file), 0);
    assert_int_equal(vault_key_wrap(key, kith_slice_of(longest, sizeof longest - 1), QUICK, &coin_source, &file),
                     KITH_OK);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(read_with(kith_buf_peek(&file), longest), KITH_OK);
    kith_buf_deinit(&file);
}

static void fill_ascending(void *arg, void *out, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++) ((uint8_t *)out)[i] = (uint8_t)i;
}

/* The answer is tests/model/vault.py's. */
static void test_vault_key__a_wrapped_file_is_as_known(void **state)
{
    static const struct e2e_random ascending = {.fill = fill_ascending};
    uint8_t key[VAULT_KEY_BYTES];
    char text[2 * VAULT_FILE_BYTES_MAX + 1];
    struct kith_buf file;

    (void)state;
    fill_ascending(NULL, key, sizeof key);
    kith_buf_init(&file, VAULT_FILE_BYTES_MAX);
    assert_int_equal(vault_key_wrap(key, kith_slice_str("a passphrase"), QUICK, &ascending, &file), KITH_OK);
    e2e_ct_hex_encode(kith_buf_peek(&file), text);
    text[E2E_CT_HEX_BYTES(kith_buf_len(&file))] = '\0';
    assert_string_equal(text,
                        "00010000000101000300000010000102030405060708090a0b0c0d0e0f00040000000400000001000500000004"
                        "00000008000600000018101112131415161718191a1b1c1d1e1f20212223242526270007000000309e7b3a0949"
                        "7be6cd5c165c6f8a38b98295ae8236d0978ea7e09441c796cf671a4134659510bc46e2cd15a23db957a100");
    kith_buf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vault_key__a_plain_file_gives_the_key_and_asks_for_nothing),
        cmocka_unit_test(test_vault_key__a_wrapped_file_opens_with_its_passphrase_only),
        cmocka_unit_test(test_vault_key__refuses_every_flipped_bit_and_every_short_form),
        cmocka_unit_test(test_vault_key__refuses_what_is_both_and_what_is_newer),
        cmocka_unit_test(test_vault_key__holds_the_maxima_of_passphrase_and_cost),
        cmocka_unit_test(test_vault_key__a_wrapped_file_is_as_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
