#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/vault_key.h"
#include "tests/each_failure.h"

/*
 * Every allocation of the vault fails once: the call then answers KITH_E_NOMEM, nothing is appended or opened, and no
 * memory is lost. Left out where the heap cannot be made to fail.
 */
#ifdef HEAP_IS_ANOTHERS
int main(void)
{
    (void)puts("left out under a sanitizer");
    return 0;
}
#else

#define QUICK ((struct e2e_passphrase_cost){.passes = 1, .memory_kib = E2E_PASSPHRASE_MEMORY_KIB_MIN})

static void fill(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 7, len);
}
static const struct e2e_random coins = {.fill = fill};

static struct vault vault;
static struct vault_name name;
static struct kith_buf stored, file; /* a record, a wrapped key */

static kith_err seal_work(struct kith_buf *out)
{
    struct vault_name its_name;

    return vault_seal(&vault, &coins, kith_slice_str("Ea key"), kith_slice_str("a value"), &its_name, out);
}

static kith_err open_work(struct kith_buf *out)
{
    struct kith_slice key = {0}, value = {0};
    kith_err err = vault_open(&vault, vault_name_slice(&name), kith_buf_peek(&stored), out, &key, &value);

    assert_true((key.ptr == NULL) == (err != KITH_OK));
    return err;
}

static kith_err write_work(struct kith_buf *out)
{
    return vault_key_write((const uint8_t[VAULT_KEY_BYTES]){1}, out);
}

static kith_err wrap_work(struct kith_buf *out)
{
    return vault_key_wrap((const uint8_t[VAULT_KEY_BYTES]){1}, kith_slice_str("passphrase"), QUICK, &coins, out);
}

static kith_err read_work(struct kith_buf *out)
{
    uint8_t key[VAULT_KEY_BYTES] = {0};
    kith_err err = vault_key_read(kith_buf_peek(&file), kith_slice_str("passphrase"), key);

    (void)out;
    assert_int_equal(key[0], err == KITH_OK ? 1 : 0);
    return err;
}

static void test_vault_memory__every_failure_is_said_and_leaves_nothing(void **state)
{
    (void)state;
    if (!heap_is_ours()) skip();
    vault_init(&vault, (const uint8_t[VAULT_KEY_BYTES]){1});
    kith_buf_init(&stored, 4096);
    kith_buf_init(&file, VAULT_FILE_BYTES_MAX);
    assert_int_equal(vault_seal(&vault, &coins, kith_slice_str("S"), kith_slice_str("a value"), &name, &stored),
                     KITH_OK);
    assert_int_equal(wrap_work(&file), KITH_OK);
    assert_true(each_failure(seal_work) >= 1);
    assert_true(each_failure(open_work) >= 1);
    assert_true(each_failure(write_work) >= 1);
    assert_true(each_failure(wrap_work) >= 3);
    assert_true(each_failure(read_work) >= 2);
    kith_buf_deinit(&stored);
    kith_buf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vault_memory__every_failure_is_said_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
