#include "libkith/vault.h"

#include <assert.h>

#include "libkith/crypto/secret.h"
#include "libkith/kith.h"

#define VERSION       1
#define NUMBER_BYTES  8
#define HEAD_BYTES    (1 + E2E_AEAD_NONCE_BYTES) /* of a stored value: version, nonce */
#define KEY_LEN_BYTES 2

void vault_init(struct vault *vault, const uint8_t key[static VAULT_KEY_BYTES])
{
    uint8_t both[2 * E2E_KEY_BYTES];

    e2e_derive((struct kith_slice){0}, kith_slice_of(key, VAULT_KEY_BYTES), E2E_LABEL_VAULT, kith_slice_str("records"),
               both, sizeof both);
    memcpy(vault->seal_key, both, E2E_KEY_BYTES);
    memcpy(vault->name_key, both + E2E_KEY_BYTES, E2E_KEY_BYTES);
    e2e_wipe(both, sizeof both);
}

void vault_deinit(struct vault *vault)
{
    e2e_wipe(vault, sizeof *vault);
}

static bool is_in_ranges(struct kith_slice key)
{
    uint8_t letter = key.ptr[0];

    return ((letter == 'M' || letter == 'Q') && key.len == 1 + 16 + NUMBER_BYTES) ||
           (letter == 'B' && key.len == 1 + NUMBER_BYTES);
}

void vault_name(const struct vault *vault, struct kith_slice key, struct vault_name *out)
{
    bool ranges;
    struct kith_slice parts[2] = {{out->bytes, 1}, key};

    assert(key.len > 0 && key.len <= VAULT_RECORD_KEY_BYTES);
    ranges = is_in_ranges(key);
    out->bytes[0] = ranges ? key.ptr[0] : VAULT_LETTER_OTHER;
    out->len = 1 + E2E_HASH_BYTES;
    if (ranges) {
        parts[1].len -= NUMBER_BYTES;
        memcpy(out->bytes + out->len, key.ptr + parts[1].len, NUMBER_BYTES);
        out->len += NUMBER_BYTES;
    }
    e2e_blake2b(kith_slice_of(vault->name_key, E2E_KEY_BYTES), parts, 2, out->bytes + 1);
}

void vault_message_range(const struct vault *vault, struct chat_id chat, uint64_t after, uint64_t before,
                         struct vault_name *from, struct vault_name *to)
{
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];

    kith_record_message_key(chat, after, key);
    vault_name(vault, kith_slice_of(key, sizeof key), from);
    *to = *from;
    kith_put_u64_be(to->bytes + to->len - NUMBER_BYTES, before == 0 ? UINT64_MAX : before);
}

kith_err vault_seal_from(const struct vault *vault, const uint8_t nonce[static E2E_AEAD_NONCE_BYTES],
                         struct kith_slice key, struct kith_slice value, struct vault_name *name, struct kith_buf *out)
{
    uint8_t *at = NULL, *plain;
    size_t plain_len = KEY_LEN_BYTES + key.len + value.len;
    kith_err err;

    vault_name(vault, key, name);
    if (value.len > VAULT_VALUE_BYTES_MAX) return KITH_E_TOOBIG;
    err = kith_buf_reserve(out, HEAD_BYTES + plain_len + E2E_AEAD_TAG_BYTES, &at);
    if (err != KITH_OK) return err;
    at[0] = VERSION;
    memcpy(at + 1, nonce, E2E_AEAD_NONCE_BYTES);
    plain = at + HEAD_BYTES;
    kith_put_u16_be(plain, (uint16_t)key.len);
    memcpy(plain + KEY_LEN_BYTES, key.ptr, key.len);
    if (value.len > 0) memcpy(plain + KEY_LEN_BYTES + key.len, value.ptr, value.len);
    err = e2e_aead_seal(vault->seal_key, nonce, vault_name_slice(name), kith_slice_of(plain, plain_len), plain);
    if (err == KITH_OK)
        kith_buf_commit(out, HEAD_BYTES + plain_len + E2E_AEAD_TAG_BYTES);
    else
        e2e_wipe(plain, plain_len);
    return err;
}

kith_err vault_seal(const struct vault *vault, const struct e2e_random *random, struct kith_slice key,
                    struct kith_slice value, struct vault_name *name, struct kith_buf *out)
{
    uint8_t nonce[E2E_AEAD_NONCE_BYTES];

    e2e_random_fill(random, nonce, sizeof nonce);
    return vault_seal_from(vault, nonce, key, value, name, out);
}

/* Sealed by whoever has the key is not yet well-formed: a build of ours with a mistake has it too. */
static kith_err split(const struct vault *vault, struct kith_slice name, struct kith_slice plain,
                      struct kith_slice *key, struct kith_slice *value)
{
    uint64_t key_len = 0;
    struct kith_slice its_key = {0};
    struct vault_name its_name;

    if (kith_eat_uint(&plain, KEY_LEN_BYTES, &key_len) != KITH_OK || key_len == 0 || key_len > VAULT_RECORD_KEY_BYTES ||
        kith_eat_bytes(&plain, (size_t)key_len, &its_key) != KITH_OK)
        return KITH_E_DENIED;
    vault_name(vault, its_key, &its_name);
    if (!kith_slice_eq(vault_name_slice(&its_name), name)) return KITH_E_DENIED;
    *key = its_key;
    *value = plain;
    return KITH_OK;
}

kith_err vault_open(const struct vault *vault, struct kith_slice name, struct kith_slice stored, struct kith_buf *room,
                    struct kith_slice *key, struct kith_slice *value)
{
    struct kith_slice sealed;
    uint8_t *plain = NULL;
    kith_err err;

    /* What grows is copied and freed: so it is wiped before it has to. */
    if (room->cap < stored.len)
        kith_buf_wipe(room);
    else
        kith_buf_reset(room);
    if (stored.len < HEAD_BYTES + KEY_LEN_BYTES + 1 + E2E_AEAD_TAG_BYTES || stored.ptr[0] != VERSION)
        return KITH_E_DENIED;
    if (name.len > VAULT_NAME_BYTES_MAX) return KITH_E_DENIED;
    sealed = kith_slice_of(stored.ptr + HEAD_BYTES, stored.len - HEAD_BYTES);
    err = kith_buf_reserve(room, sealed.len - E2E_AEAD_TAG_BYTES, &plain);
    if (err == KITH_OK) err = e2e_aead_open(vault->seal_key, stored.ptr + 1, name, sealed, plain);
    if (err != KITH_OK) return err;
    kith_buf_commit(room, sealed.len - E2E_AEAD_TAG_BYTES);
    err = split(vault, name, kith_buf_peek(room), key, value);
    if (err != KITH_OK) kith_buf_reset(room);
    return err;
}
