#include "libkith/crypto/hash.h"

#include <assert.h>
#include <sodium.h>

#include "libkith/crypto/secret.h"

void e2e_sha256(const struct kith_slice *parts, size_t count, uint8_t out[static E2E_HASH_BYTES])
{
    crypto_hash_sha256_state state;

    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < count; i++) crypto_hash_sha256_update(&state, parts[i].ptr, parts[i].len);
    crypto_hash_sha256_final(&state, out);
    e2e_wipe(&state, sizeof state);
}

void e2e_sha512(const struct kith_slice *parts, size_t count, uint8_t out[static E2E_SHA512_BYTES])
{
    crypto_hash_sha512_state state;

    crypto_hash_sha512_init(&state);
    for (size_t i = 0; i < count; i++) crypto_hash_sha512_update(&state, parts[i].ptr, parts[i].len);
    crypto_hash_sha512_final(&state, out);
    e2e_wipe(&state, sizeof state);
}

void e2e_transcript(enum e2e_label label, const struct kith_slice *parts, size_t count,
                    uint8_t out[static E2E_HASH_BYTES])
{
    crypto_hash_sha256_state state;
    uint8_t prefix[E2E_LABEL_PREFIX_BYTES_MAX];
    size_t prefix_len = e2e_label_prefix(label, E2E_LABEL_HASH, prefix);

    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, prefix, prefix_len);
    for (size_t i = 0; i < count; i++) crypto_hash_sha256_update(&state, parts[i].ptr, parts[i].len);
    crypto_hash_sha256_final(&state, out);
    e2e_wipe(&state, sizeof state);
}

void e2e_blake2b(struct kith_slice key, const struct kith_slice *parts, size_t count,
                 uint8_t out[static E2E_HASH_BYTES])
{
    crypto_generichash_blake2b_state state;

    assert(key.len <= E2E_BLAKE2B_KEY_BYTES_MAX);
    (void)crypto_generichash_blake2b_init(&state, key.ptr, key.len, E2E_HASH_BYTES);
    for (size_t i = 0; i < count; i++) crypto_generichash_blake2b_update(&state, parts[i].ptr, parts[i].len);
    crypto_generichash_blake2b_final(&state, out, E2E_HASH_BYTES);
    e2e_wipe(&state, sizeof state);
}

void e2e_hmac(struct kith_slice key, const struct kith_slice *parts, size_t count, uint8_t out[static E2E_HASH_BYTES])
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, key.ptr, key.len);
    for (size_t i = 0; i < count; i++) crypto_auth_hmacsha256_update(&state, parts[i].ptr, parts[i].len);
    crypto_auth_hmacsha256_final(&state, out);
    e2e_wipe(&state, sizeof state);
}

kith_err e2e_hmac_verify(struct kith_slice key, const struct kith_slice *parts, size_t count,
                         const uint8_t tag[static E2E_HASH_BYTES])
{
    uint8_t expected[E2E_HASH_BYTES];
    bool same;

    e2e_hmac(key, parts, count, expected);
    same = e2e_ct_eq(kith_slice_of(expected, sizeof expected), kith_slice_of(tag, E2E_HASH_BYTES));
    e2e_wipe(expected, sizeof expected);
    return same ? KITH_OK : KITH_E_DENIED;
}

void e2e_hkdf(struct kith_slice salt, struct kith_slice ikm, struct kith_slice info, uint8_t *out, size_t out_len)
{
    uint8_t prk[crypto_kdf_hkdf_sha256_KEYBYTES];

    assert(out_len > 0 && out_len <= E2E_HKDF_OUT_BYTES_MAX);
    (void)crypto_kdf_hkdf_sha256_extract(prk, salt.ptr, salt.len, ikm.ptr, ikm.len);
    (void)crypto_kdf_hkdf_sha256_expand(out, out_len, (const char *)info.ptr, info.len, prk);
    e2e_wipe(prk, sizeof prk);
}

void e2e_derive(struct kith_slice salt, struct kith_slice ikm, enum e2e_label label, struct kith_slice info,
                uint8_t *out, size_t out_len)
{
    uint8_t all[E2E_LABEL_PREFIX_BYTES_MAX + E2E_INFO_BYTES_MAX];
    size_t len = e2e_label_prefix(label, E2E_LABEL_DERIVE, all);

    assert(info.len <= E2E_INFO_BYTES_MAX);
    if (info.len > 0) memcpy(all + len, info.ptr, info.len);
    e2e_hkdf(salt, ikm, kith_slice_of(all, len + info.len), out, out_len);
    e2e_wipe(all, sizeof all);
}
