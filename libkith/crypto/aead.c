#include "libkith/crypto/aead.h"

#include <sodium.h>

#include "libkith/crypto/secret.h"

kith_err e2e_aead_seal(const uint8_t key[static E2E_KEY_BYTES], const uint8_t nonce[static E2E_AEAD_NONCE_BYTES],
                       struct kith_slice ad, struct kith_slice plain, uint8_t *out)
{
    if (plain.len > E2E_AEAD_BYTES_MAX || ad.len > E2E_AEAD_BYTES_MAX) return KITH_E_TOOBIG;
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain.ptr, plain.len, ad.ptr, ad.len, NULL, nonce, key);
    return KITH_OK;
}

kith_err e2e_aead_open(const uint8_t key[static E2E_KEY_BYTES], const uint8_t nonce[static E2E_AEAD_NONCE_BYTES],
                       struct kith_slice ad, struct kith_slice sealed, uint8_t *out)
{
    size_t len;
    int failed;

    if (sealed.len < E2E_AEAD_TAG_BYTES) return KITH_E_MALFORMED;
    len = sealed.len - E2E_AEAD_TAG_BYTES;
    if (len > E2E_AEAD_BYTES_MAX || ad.len > E2E_AEAD_BYTES_MAX) return KITH_E_TOOBIG;
    failed = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.ptr, sealed.len, ad.ptr, ad.len, nonce,
                                                        key);
    E2E_CT_PUBLIC(&failed, sizeof failed);
    if (failed == 0) return KITH_OK;
    if (len > 0) e2e_wipe(out, len);
    return KITH_E_DENIED;
}
