#ifndef LIBKITH_CRYPTO_KEM_H
#define LIBKITH_CRYPTO_KEM_H

#include "libkith/crypto/random.h"

/**
 * ML-KEM-768. A key is kept as its seed of 64 bytes (d, then z) and made again from it when it is needed: the long form
 * is never stored and never read from outside. Any thread; about 4 kB of stack, nothing allocated.
 * Source: FIPS 203, 6.1-6.3 and the checks of inputs in 7.2 and 7.3.
 */
#define E2E_KEM_SEED_BYTES   64
#define E2E_KEM_PUBLIC_BYTES 1184
#define E2E_KEM_SECRET_BYTES 2400
#define E2E_KEM_COINS_BYTES  32
#define E2E_KEM_CIPHER_BYTES 1088
#define E2E_KEM_SHARED_BYTES 32

/** A new key: its seed, and the public key to give away. */
void e2e_kem_keypair(const struct e2e_random *random, uint8_t seed[static E2E_KEM_SEED_BYTES],
                     uint8_t public[static E2E_KEM_PUBLIC_BYTES]);
/** The long form of a seed; wipe `secret` after use. */
void e2e_kem_keypair_from(const uint8_t seed[static E2E_KEM_SEED_BYTES], uint8_t secret[static E2E_KEM_SECRET_BYTES],
                          uint8_t public[static E2E_KEM_PUBLIC_BYTES]);

/**
 * Whether a foreign public key may be used at all, to be asked when it is read.
 * KITH_E_MALFORMED: one of its 768 numbers is 3329 or more (FIPS 203, 7.2, the modulus check).
 */
KITH_MUST_USE kith_err e2e_kem_check(const uint8_t public[static E2E_KEM_PUBLIC_BYTES]);

/**
 * A secret for the owner of `public`, and the ciphertext that carries it. Checks `public` as above; on an error both
 * outputs are zeros.
 */
KITH_MUST_USE kith_err e2e_kem_encaps(const struct e2e_random *random,
                                      const uint8_t public[static E2E_KEM_PUBLIC_BYTES],
                                      uint8_t cipher[static E2E_KEM_CIPHER_BYTES],
                                      uint8_t shared[static E2E_KEM_SHARED_BYTES]);
/** The twin that is given its coins. */
KITH_MUST_USE kith_err e2e_kem_encaps_from(const uint8_t coins[static E2E_KEM_COINS_BYTES],
                                           const uint8_t public[static E2E_KEM_PUBLIC_BYTES],
                                           uint8_t cipher[static E2E_KEM_CIPHER_BYTES],
                                           uint8_t shared[static E2E_KEM_SHARED_BYTES]);

/**
 * What `cipher` carries. A ciphertext that was not made for this key is no error: what comes out then is a secret that
 * nobody else knows (implicit rejection), and the first message under it fails.
 *
 * KITH_E_DAMAGED  `secret` is not what e2e_kem_keypair_from() made: its hash of the public key is another (FIPS 203, 7.3);
 *                 `shared` is zeros
 */
KITH_MUST_USE kith_err e2e_kem_decaps(const uint8_t secret[static E2E_KEM_SECRET_BYTES],
                                      const uint8_t cipher[static E2E_KEM_CIPHER_BYTES],
                                      uint8_t shared[static E2E_KEM_SHARED_BYTES]);

#endif
