#ifndef LIBKITH_CRYPTO_PASSPHRASE_H
#define LIBKITH_CRYPTO_PASSPHRASE_H

#include "libkith/crypto/hash.h"

/**
 * A key from a passphrase: Argon2id, version 1.3, one lane. It takes its memory for the call; in WebAssembly the module
 * keeps it, so the caller uses an instance for this alone and throws it away.
 * Source: RFC 9106, 3.
 */
#define E2E_SALT_BYTES           16
#define E2E_PASSPHRASE_BYTES_MAX 1024

struct e2e_passphrase_cost {
    uint32_t passes, memory_kib;
};
/* Of everything new. What was made with another cost says so beside the salt. */
#define E2E_PASSPHRASE_COST           ((struct e2e_passphrase_cost){.passes = 4, .memory_kib = 64 * 1024})
#define E2E_PASSPHRASE_PASSES_MAX     16
#define E2E_PASSPHRASE_MEMORY_KIB_MIN 8
#define E2E_PASSPHRASE_MEMORY_KIB_MAX (256 * 1024)

/**
 * KITH_E_TOOBIG     the passphrase, or a cost above the maxima: a foreign file may not make us work for ever
 * KITH_E_MALFORMED  no passes, or less memory than the least
 * KITH_E_NOMEM
 * On an error `out` is unchanged.
 */
KITH_MUST_USE kith_err e2e_passphrase_key(struct kith_slice passphrase, const uint8_t salt[static E2E_SALT_BYTES],
                                          struct e2e_passphrase_cost cost, uint8_t out[static E2E_KEY_BYTES]);

#endif
