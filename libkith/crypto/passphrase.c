#include "libkith/crypto/passphrase.h"

#include <sodium.h>

#include "libkith/crypto/secret.h"

_Static_assert(crypto_pwhash_argon2id_SALTBYTES == E2E_SALT_BYTES, "libsodium's salt");

kith_err e2e_passphrase_key(struct kith_slice passphrase, const uint8_t salt[static E2E_SALT_BYTES],
                            struct e2e_passphrase_cost cost, uint8_t out[static E2E_KEY_BYTES])
{
    uint8_t key[E2E_KEY_BYTES];
    int failed;

    if (passphrase.len > E2E_PASSPHRASE_BYTES_MAX || cost.passes > E2E_PASSPHRASE_PASSES_MAX ||
        cost.memory_kib > E2E_PASSPHRASE_MEMORY_KIB_MAX)
        return KITH_E_TOOBIG;
    if (cost.passes == 0 || cost.memory_kib < E2E_PASSPHRASE_MEMORY_KIB_MIN) return KITH_E_MALFORMED;
    failed = crypto_pwhash_argon2id(key, sizeof key, (const char *)passphrase.ptr, passphrase.len, salt, cost.passes,
                                    (size_t)cost.memory_kib * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13);
    if (failed == 0) memcpy(out, key, sizeof key);
    e2e_wipe(key, sizeof key);
    return failed == 0 ? KITH_OK : KITH_E_NOMEM;
}
