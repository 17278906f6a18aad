#include "libkith/e2ee/chain.h"

#include <assert.h>

#include "libkith/crypto/secret.h"

static struct kith_slice key_of(const uint8_t key[static E2E_KEY_BYTES])
{
    return kith_slice_of(key, E2E_KEY_BYTES);
}

void e2e_root_next(uint8_t root_key[static E2E_KEY_BYTES], const uint8_t shared[static E2E_DH_BYTES],
                   uint8_t chain[static E2E_KEY_BYTES])
{
    uint8_t both[2 * E2E_KEY_BYTES];

    e2e_derive(key_of(root_key), key_of(shared), E2E_LABEL_RK, (struct kith_slice){0}, both, sizeof both);
    memcpy(root_key, both, E2E_KEY_BYTES);
    memcpy(chain, both + E2E_KEY_BYTES, E2E_KEY_BYTES);
    e2e_wipe(both, sizeof both);
}

static void chain_hmac(const uint8_t chain[static E2E_KEY_BYTES], uint8_t which, uint8_t out[static E2E_KEY_BYTES])
{
    const struct kith_slice part = kith_slice_of(&which, 1);

    e2e_hmac(key_of(chain), &part, 1, out);
}

void e2e_chain_next(uint8_t chain[static E2E_KEY_BYTES], uint8_t mk[static E2E_KEY_BYTES])
{
    uint8_t next[E2E_KEY_BYTES];

    chain_hmac(chain, 1, mk);
    chain_hmac(chain, 2, next);
    memcpy(chain, next, sizeof next);
    e2e_wipe(next, sizeof next);
}

void e2e_chain_skip(uint8_t chain[static E2E_KEY_BYTES], uint32_t steps)
{
    uint8_t next[E2E_KEY_BYTES];

    for (; steps > 0; steps--) {
        chain_hmac(chain, 2, next);
        memcpy(chain, next, sizeof next);
    }
    e2e_wipe(next, sizeof next);
}

/* ---------------------------------------------------------------------------------------------- one message */
#define AD_BYTES_MAX (E2E_HASH_BYTES + E2E_HEADER_BYTES_MAX)

void e2e_message_keys(const uint8_t mk[static E2E_KEY_BYTES], enum e2e_label label, struct kith_slice info,
                      struct e2e_message_keys *out)
{
    uint8_t both[2 * E2E_KEY_BYTES];

    e2e_derive((struct kith_slice){0}, key_of(mk), label, info, both, sizeof both);
    memcpy(out->key, both, E2E_KEY_BYTES);
    memcpy(out->commit, both + E2E_KEY_BYTES, E2E_KEY_BYTES);
    e2e_wipe(both, sizeof both);
}

static struct kith_slice ad_of(const uint8_t transcript[static E2E_HASH_BYTES], struct kith_slice header,
                               uint8_t out[static AD_BYTES_MAX])
{
    assert(header.len > 0 && header.len <= E2E_HEADER_BYTES_MAX);
    memcpy(out, transcript, E2E_HASH_BYTES);
    memcpy(out + E2E_HASH_BYTES, header.ptr, header.len);
    return kith_slice_of(out, E2E_HASH_BYTES + header.len);
}

kith_err e2e_message_seal(const struct e2e_random *random, const struct e2e_message_keys *keys,
                          const uint8_t transcript[static E2E_HASH_BYTES], const struct e2e_header *header,
                          struct kith_slice setup, struct kith_slice plain, struct kith_buf *out)
{
    uint8_t ad[AD_BYTES_MAX], nonce[E2E_AEAD_NONCE_BYTES], commitment[E2E_HASH_BYTES], *room = NULL;
    struct e2e_message parts = {.setup = setup, .nonce = nonce, .commitment = commitment};
    struct kith_buf header_bytes, sealed;
    kith_err err;

    kith_buf_init(&header_bytes, E2E_HEADER_BYTES_MAX);
    kith_buf_init(&sealed, E2E_SEALED_BYTES_MAX);
    err = e2e_header_encode(header, &header_bytes);
    if (err == KITH_OK) err = kith_buf_reserve(&sealed, plain.len + E2E_AEAD_TAG_BYTES, &room);
    if (err != KITH_OK) goto done;
    parts.header_bytes = kith_buf_peek(&header_bytes);
    e2e_random_fill(random, nonce, sizeof nonce);
    e2e_hmac(key_of(keys->commit), (struct kith_slice[]){parts.header_bytes, kith_slice_of(nonce, sizeof nonce)}, 2,
             commitment);
    err = e2e_aead_seal(keys->key, nonce, ad_of(transcript, parts.header_bytes, ad), plain, room);
    if (err != KITH_OK) goto done;
    kith_buf_commit(&sealed, plain.len + E2E_AEAD_TAG_BYTES);
    parts.sealed = kith_buf_peek(&sealed);
    err = e2e_message_encode(&parts, out);
done:
    kith_buf_deinit(&header_bytes);
    kith_buf_deinit(&sealed);
    return err;
}

kith_err e2e_message_check(const struct e2e_message *message, const struct e2e_message_keys *keys)
{
    const struct kith_slice parts[] = {message->header_bytes, kith_slice_of(message->nonce, E2E_AEAD_NONCE_BYTES)};

    return e2e_hmac_verify(key_of(keys->commit), parts, 2, message->commitment);
}

kith_err e2e_message_open(const struct e2e_message *message, const struct e2e_message_keys *keys,
                          const uint8_t transcript[static E2E_HASH_BYTES], struct kith_buf *out)
{
    uint8_t ad[AD_BYTES_MAX], *room = NULL;
    size_t len = message->sealed.len - E2E_AEAD_TAG_BYTES;
    kith_err err = kith_buf_reserve(out, len, &room);

    if (err == KITH_OK)
        err = e2e_aead_open(keys->key, message->nonce, ad_of(transcript, message->header_bytes, ad), message->sealed,
                            room);
    if (err == KITH_OK) kith_buf_commit(out, len);
    return err;
}
