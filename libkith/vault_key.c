#include "libkith/vault_key.h"

#include "libkith/crypto/secret.h"
#include "libkith/crypto/tlv.h"

#define VERSION      1
#define SEALED_BYTES (VAULT_KEY_BYTES + E2E_AEAD_TAG_BYTES)

/* The order of the fields; their tags are one more. */
enum { AT_VERSION, AT_KEY, AT_SALT, AT_PASSES, AT_MEMORY, AT_NONCE, AT_SEALED, FIELD_COUNT };
static const struct e2e_tlv_field fields[FIELD_COUNT] = {
    {1, 1, 1, false},
    {2, VAULT_KEY_BYTES, VAULT_KEY_BYTES, true},
    {3, E2E_SALT_BYTES, E2E_SALT_BYTES, true},
    {4, 4, 4, true},
    {5, 4, 4, true},
    {6, E2E_AEAD_NONCE_BYTES, E2E_AEAD_NONCE_BYTES, true},
    {7, SEALED_BYTES, SEALED_BYTES, true},
};

kith_err vault_key_write(const uint8_t key[static VAULT_KEY_BYTES], struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u8(&writer, 1, VERSION);
    e2e_tlv_put(&writer, 2, kith_slice_of(key, VAULT_KEY_BYTES));
    return e2e_tlv_finish(&writer);
}

/* What is authenticated beside the key: how the passphrase's key is made. */
static kith_err put_cost(struct kith_buf *out, const uint8_t salt[static E2E_SALT_BYTES],
                         struct e2e_passphrase_cost cost)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u8(&writer, 1, VERSION);
    e2e_tlv_put(&writer, 3, kith_slice_of(salt, E2E_SALT_BYTES));
    e2e_tlv_put_u32(&writer, 4, cost.passes);
    e2e_tlv_put_u32(&writer, 5, cost.memory_kib);
    return e2e_tlv_finish(&writer);
}

static kith_err wrapping_key(struct kith_slice passphrase, const uint8_t salt[static E2E_SALT_BYTES],
                             struct e2e_passphrase_cost cost, uint8_t out[static E2E_KEY_BYTES])
{
    uint8_t slow[E2E_KEY_BYTES];
    kith_err err = e2e_passphrase_key(passphrase, salt, cost, slow);

    if (err != KITH_OK) return err;
    e2e_derive((struct kith_slice){0}, kith_slice_of(slow, sizeof slow), E2E_LABEL_VAULT, kith_slice_str("passphrase"),
               out, E2E_KEY_BYTES);
    e2e_wipe(slow, sizeof slow);
    return KITH_OK;
}

kith_err vault_key_wrap(const uint8_t key[static VAULT_KEY_BYTES], struct kith_slice passphrase,
                        struct e2e_passphrase_cost cost, const struct e2e_random *random, struct kith_buf *out)
{
    uint8_t coins[E2E_SALT_BYTES + E2E_AEAD_NONCE_BYTES], wrapping[E2E_KEY_BYTES] = {0}, sealed[SEALED_BYTES];
    struct kith_buf file;
    struct e2e_tlv_writer writer;
    kith_err err;

    kith_buf_init(&file, VAULT_FILE_BYTES_MAX);
    e2e_random_fill(random, coins, sizeof coins);
    err = put_cost(&file, coins, cost);
    if (err == KITH_OK) err = wrapping_key(passphrase, coins, cost, wrapping);
    if (err == KITH_OK)
        err = e2e_aead_seal(wrapping, coins + E2E_SALT_BYTES, kith_buf_peek(&file), kith_slice_of(key, VAULT_KEY_BYTES),
                            sealed);
    e2e_wipe(wrapping, sizeof wrapping);
    if (err == KITH_OK) {
        writer = e2e_tlv_writer_of(&file);
        e2e_tlv_put(&writer, 6, kith_slice_of(coins + E2E_SALT_BYTES, E2E_AEAD_NONCE_BYTES));
        e2e_tlv_put(&writer, 7, kith_slice_of(sealed, sizeof sealed));
        err = e2e_tlv_finish(&writer);
    }
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&file));
    kith_buf_deinit(&file);
    return err;
}

static kith_err read_fields(struct kith_slice file, struct kith_slice values[static FIELD_COUNT])
{
    size_t wrapped = 0;
    kith_err err = file.len > VAULT_FILE_BYTES_MAX ? KITH_E_MALFORMED
                                                   : e2e_tlv_decode(file, fields, FIELD_COUNT, values);

    if (err != KITH_OK) return err;
    if (e2e_tlv_u8(values[AT_VERSION]) != VERSION) return KITH_E_UNSUPPORTED;
    for (size_t i = AT_SALT; i < FIELD_COUNT; i++) wrapped += values[i].len > 0;
    if (wrapped != (values[AT_KEY].len > 0 ? 0 : FIELD_COUNT - AT_SALT)) return KITH_E_MALFORMED;
    return KITH_OK;
}

kith_err vault_key_is_wrapped(struct kith_slice file, bool *out)
{
    struct kith_slice values[FIELD_COUNT];
    kith_err err = read_fields(file, values);

    if (err == KITH_OK) *out = values[AT_KEY].len == 0;
    return err;
}

kith_err vault_key_read(struct kith_slice file, struct kith_slice passphrase, uint8_t out[static VAULT_KEY_BYTES])
{
    struct kith_slice values[FIELD_COUNT];
    struct e2e_passphrase_cost cost;
    uint8_t wrapping[E2E_KEY_BYTES] = {0}, key[VAULT_KEY_BYTES] = {0};
    struct kith_buf beside;
    kith_err err = read_fields(file, values);

    if (err != KITH_OK) return err;
    if (values[AT_KEY].len > 0) {
        memcpy(out, values[AT_KEY].ptr, VAULT_KEY_BYTES);
        return KITH_OK;
    }
    cost.passes = e2e_tlv_u32(values[AT_PASSES]);
    cost.memory_kib = e2e_tlv_u32(values[AT_MEMORY]);
    kith_buf_init(&beside, VAULT_FILE_BYTES_MAX);
    err = put_cost(&beside, values[AT_SALT].ptr, cost);
    if (err == KITH_OK) err = wrapping_key(passphrase, values[AT_SALT].ptr, cost, wrapping);
    if (err == KITH_OK)
        err = e2e_aead_open(wrapping, values[AT_NONCE].ptr, kith_buf_peek(&beside), values[AT_SEALED], key);
    if (err == KITH_OK) memcpy(out, key, sizeof key);
    e2e_wipe(wrapping, sizeof wrapping);
    e2e_wipe(key, sizeof key);
    kith_buf_deinit(&beside);
    return err;
}
