#include "libkith/crypto/kem.h"

#include <sodium.h>

#include "libkith/crypto/secret.h"

/* The long form: s, the public key (packed numbers, then rho), its SHA3-256, z. */
#define PACKED_BYTES     1152
#define MODULUS          3329
#define PUBLIC_AT        PACKED_BYTES
#define PUBLIC_HASH_AT   (PUBLIC_AT + E2E_KEM_PUBLIC_BYTES)
#define PUBLIC_HASH_SIZE 32
_Static_assert(PUBLIC_HASH_AT + PUBLIC_HASH_SIZE + 32 == E2E_KEM_SECRET_BYTES, "FIPS 203, 6.1");
_Static_assert(crypto_kem_mlkem768_SECRETKEYBYTES == E2E_KEM_SECRET_BYTES, "libsodium's long form");

void e2e_kem_keypair(const struct e2e_random *random, uint8_t seed[static E2E_KEM_SEED_BYTES],
                     uint8_t public[static E2E_KEM_PUBLIC_BYTES])
{
    uint8_t secret[E2E_KEM_SECRET_BYTES];

    e2e_random_fill(random, seed, E2E_KEM_SEED_BYTES);
    e2e_kem_keypair_from(seed, secret, public);
    e2e_wipe(secret, sizeof secret);
}

void e2e_kem_keypair_from(const uint8_t seed[static E2E_KEM_SEED_BYTES], uint8_t secret[static E2E_KEM_SECRET_BYTES],
                          uint8_t public[static E2E_KEM_PUBLIC_BYTES])
{
    (void)crypto_kem_mlkem768_seed_keypair(public, secret, seed);
}

kith_err e2e_kem_check(const uint8_t public[static E2E_KEM_PUBLIC_BYTES])
{
    /* Two numbers of 12 bits in three bytes, little-endian; rho after them is any 32 bytes. */
    for (size_t i = 0; i < PACKED_BYTES; i += 3) {
        unsigned first = public[i] | (public[i + 1] & 15u) << 8,
                 second = public[i + 1] >> 4 | (unsigned)public[i + 2] << 4;
        if (first >= MODULUS || second >= MODULUS) return KITH_E_MALFORMED;
    }
    return KITH_OK;
}

kith_err e2e_kem_encaps(const struct e2e_random *random, const uint8_t public[static E2E_KEM_PUBLIC_BYTES],
                        uint8_t cipher[static E2E_KEM_CIPHER_BYTES], uint8_t shared[static E2E_KEM_SHARED_BYTES])
{
    uint8_t coins[E2E_KEM_COINS_BYTES];
    kith_err err;

    e2e_random_fill(random, coins, sizeof coins);
    err = e2e_kem_encaps_from(coins, public, cipher, shared);
    e2e_wipe(coins, sizeof coins);
    return err;
}

kith_err e2e_kem_encaps_from(const uint8_t coins[static E2E_KEM_COINS_BYTES],
                             const uint8_t public[static E2E_KEM_PUBLIC_BYTES],
                             uint8_t cipher[static E2E_KEM_CIPHER_BYTES], uint8_t shared[static E2E_KEM_SHARED_BYTES])
{
    kith_err err = e2e_kem_check(public);

    if (err == KITH_OK && crypto_kem_mlkem768_enc_deterministic(cipher, shared, public, coins) != 0)
        err = KITH_E_MALFORMED;
    if (err != KITH_OK) {
        e2e_wipe(cipher, E2E_KEM_CIPHER_BYTES);
        e2e_wipe(shared, E2E_KEM_SHARED_BYTES);
    }
    return err;
}

kith_err e2e_kem_decaps(const uint8_t secret[static E2E_KEM_SECRET_BYTES],
                        const uint8_t cipher[static E2E_KEM_CIPHER_BYTES], uint8_t shared[static E2E_KEM_SHARED_BYTES])
{
    uint8_t hash[PUBLIC_HASH_SIZE];

    crypto_hash_sha3256(hash, secret + PUBLIC_AT, E2E_KEM_PUBLIC_BYTES);
    if (memcmp(hash, secret + PUBLIC_HASH_AT, sizeof hash) == 0 && crypto_kem_mlkem768_dec(shared, cipher, secret) == 0)
        return KITH_OK;
    e2e_wipe(shared, E2E_KEM_SHARED_BYTES);
    return KITH_E_DAMAGED;
}
