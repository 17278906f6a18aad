#include "libkith/crypto/sign.h"

#include <sodium.h>

#include "base/buf.h"
#include "libkith/crypto/secret.h"

void e2e_sign_keypair(const struct e2e_random *random, uint8_t secret[static E2E_SIGN_SECRET_BYTES],
                      uint8_t public[static E2E_SIGN_PUBLIC_BYTES])
{
    uint8_t seed[E2E_SIGN_SEED_BYTES];

    e2e_random_fill(random, seed, sizeof seed);
    e2e_sign_keypair_from(seed, secret, public);
    e2e_wipe(seed, sizeof seed);
}

void e2e_sign_keypair_from(const uint8_t seed[static E2E_SIGN_SEED_BYTES], uint8_t secret[static E2E_SIGN_SECRET_BYTES],
                           uint8_t public[static E2E_SIGN_PUBLIC_BYTES])
{
    (void)crypto_sign_ed25519_seed_keypair(public, secret, seed);
}

kith_err e2e_sign_check(const uint8_t public[static E2E_SIGN_PUBLIC_BYTES])
{
    return crypto_core_ed25519_is_valid_point(public) == 1 ? KITH_OK : KITH_E_MALFORMED;
}

/* What is signed stands in one piece: label and bytes are joined in a buffer for the call. */
static kith_err join(enum e2e_label label, struct kith_slice bytes, struct kith_buf *out)
{
    uint8_t prefix[E2E_LABEL_PREFIX_BYTES_MAX];
    size_t len = e2e_label_prefix(label, E2E_LABEL_SIGN, prefix);
    kith_err err;

    if (bytes.len > E2E_SIGNED_BYTES_MAX) return KITH_E_TOOBIG;
    kith_buf_init(out, len + bytes.len);
    err = kith_buf_append(out, kith_slice_of(prefix, len));
    if (err == KITH_OK) err = kith_buf_append(out, bytes);
    return err;
}

kith_err e2e_sign(const uint8_t secret[static E2E_SIGN_SECRET_BYTES], enum e2e_label label, struct kith_slice bytes,
                  uint8_t out[static E2E_SIGNATURE_BYTES])
{
    struct kith_buf all = {0};
    kith_err err = join(label, bytes, &all);

    if (err == KITH_OK) e2e_ed25519_sign(secret, kith_buf_peek(&all), out);
    kith_buf_wipe(&all);
    return err;
}

kith_err e2e_verify(const uint8_t public[static E2E_SIGN_PUBLIC_BYTES], enum e2e_label label, struct kith_slice bytes,
                    const uint8_t signature[static E2E_SIGNATURE_BYTES])
{
    kith_err err = e2e_verify_checked(public, label, bytes, signature);

    return err == KITH_OK && e2e_sign_check(public) != KITH_OK ? KITH_E_DENIED : err;
}

kith_err e2e_verify_checked(const uint8_t public[static E2E_SIGN_PUBLIC_BYTES], enum e2e_label label,
                            struct kith_slice bytes, const uint8_t signature[static E2E_SIGNATURE_BYTES])
{
    struct kith_buf all = {0};
    kith_err err = join(label, bytes, &all);

    if (err == KITH_OK) err = e2e_ed25519_verify(public, kith_buf_peek(&all), signature);
    kith_buf_wipe(&all);
    return err;
}

void e2e_ed25519_sign(const uint8_t secret[static E2E_SIGN_SECRET_BYTES], struct kith_slice bytes,
                      uint8_t out[static E2E_SIGNATURE_BYTES])
{
    (void)crypto_sign_ed25519_detached(out, NULL, bytes.ptr, bytes.len, secret);
}

kith_err e2e_ed25519_verify(const uint8_t public[static E2E_SIGN_PUBLIC_BYTES], struct kith_slice bytes,
                            const uint8_t signature[static E2E_SIGNATURE_BYTES])
{
    return crypto_sign_ed25519_verify_detached(signature, bytes.ptr, bytes.len, public) == 0 ? KITH_OK : KITH_E_DENIED;
}
