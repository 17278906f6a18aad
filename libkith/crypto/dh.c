#include "libkith/crypto/dh.h"

#include <sodium.h>

#include "libkith/crypto/secret.h"

void e2e_dh_keypair(const struct e2e_random *random, uint8_t secret[static E2E_DH_BYTES],
                    uint8_t public[static E2E_DH_BYTES])
{
    e2e_random_fill(random, secret, E2E_DH_BYTES);
    e2e_dh_keypair_from(secret, public);
}

void e2e_dh_keypair_from(const uint8_t secret[static E2E_DH_BYTES], uint8_t public[static E2E_DH_BYTES])
{
    (void)crypto_scalarmult_curve25519_base(public, secret);
}

/* Little-endian below 2^255 - 19 = ed ff .. ff 7f. */
static bool is_canonical(const uint8_t public[static E2E_DH_BYTES])
{
    if (public[31] > 0x7f) return false;
    if (public[31] < 0x7f) return true;
    for (int i = 30; i > 0; i--)
        if (public[i] < 0xff) return true;
    return public[0] < 0xed;
}

kith_err e2e_dh_check(const uint8_t public[static E2E_DH_BYTES])
{
    /* Any clamped scalar, here of no secret, is a multiple of the order of every point of small order: zero comes out. */
    static const uint8_t scalar[E2E_DH_BYTES] = {0};
    uint8_t out[E2E_DH_BYTES];

    if (!is_canonical(public)) return KITH_E_MALFORMED;
    return crypto_scalarmult_curve25519(out, scalar, public) == 0 ? KITH_OK : KITH_E_MALFORMED;
}

kith_err e2e_dh(const uint8_t secret[static E2E_DH_BYTES], const uint8_t public[static E2E_DH_BYTES],
                uint8_t out[static E2E_DH_BYTES])
{
    int failed;

    if (!is_canonical(public)) {
        e2e_wipe(out, E2E_DH_BYTES);
        return KITH_E_MALFORMED;
    }
    failed = crypto_scalarmult_curve25519(out, secret, public);
    /* Whether it is zero depends on `public` alone. */
    E2E_CT_PUBLIC(&failed, sizeof failed);
    if (failed == 0 && !e2e_ct_is_zero(out, E2E_DH_BYTES)) return KITH_OK;
    e2e_wipe(out, E2E_DH_BYTES);
    return KITH_E_MALFORMED;
}
