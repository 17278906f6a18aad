#ifndef LIBKITH_CRYPTO_SIGN_H
#define LIBKITH_CRYPTO_SIGN_H

#include "libkith/crypto/label.h"
#include "libkith/crypto/random.h"

/**
 * Ed25519, deterministic. kith/1 signs with e2e_sign() only, under a label; the two functions without one are what it is
 * made of, for test vectors. Any thread.
 * Source: RFC 8032, 5.1; docs/wire/e2ee.md, "Ed25519", for what is refused besides.
 */
#define E2E_SIGN_SEED_BYTES   32
#define E2E_SIGN_PUBLIC_BYTES 32
#define E2E_SIGN_SECRET_BYTES 64 /* the seed, then the public key */
#define E2E_SIGNATURE_BYTES   64
#define E2E_SIGNED_BYTES_MAX  (1u << 20)

/** A new key pair. */
void e2e_sign_keypair(const struct e2e_random *random, uint8_t secret[static E2E_SIGN_SECRET_BYTES],
                      uint8_t public[static E2E_SIGN_PUBLIC_BYTES]);
/** The twin that is given its seed. */
void e2e_sign_keypair_from(const uint8_t seed[static E2E_SIGN_SEED_BYTES], uint8_t secret[static E2E_SIGN_SECRET_BYTES],
                           uint8_t public[static E2E_SIGN_PUBLIC_BYTES]);

/**
 * Whether a foreign public key may be used at all, to be asked when it is read and before it is kept or pinned.
 *
 * KITH_E_MALFORMED  not canonical, not on the curve, of small order, or outside the group of prime order: the same
 *                   signature could be valid to one and invalid to another
 */
KITH_MUST_USE kith_err e2e_sign_check(const uint8_t public[static E2E_SIGN_PUBLIC_BYTES]);

/**
 * Signs "kith/1/" label 0x00 bytes. The label must be one for signatures.
 *
 * KITH_E_TOOBIG  more than E2E_SIGNED_BYTES_MAX      KITH_E_NOMEM  the two together need a buffer for the call
 * On an error `out` is unchanged.
 */
KITH_MUST_USE kith_err e2e_sign(const uint8_t secret[static E2E_SIGN_SECRET_BYTES], enum e2e_label label,
                                struct kith_slice bytes, uint8_t out[static E2E_SIGNATURE_BYTES]);
/**
 * KITH_E_DENIED: not signed by this key under this label, or not a key that e2e_sign_check() lets pass. KITH_E_TOOBIG and
 * KITH_E_NOMEM as above.
 */
KITH_MUST_USE kith_err e2e_verify(const uint8_t public[static E2E_SIGN_PUBLIC_BYTES], enum e2e_label label,
                                  struct kith_slice bytes, const uint8_t signature[static E2E_SIGNATURE_BYTES]);

/** The same, of a key that e2e_sign_check() has let pass before: that check costs as much as the rest. */
KITH_MUST_USE kith_err e2e_verify_checked(const uint8_t public[static E2E_SIGN_PUBLIC_BYTES], enum e2e_label label,
                                          struct kith_slice bytes, const uint8_t signature[static E2E_SIGNATURE_BYTES]);

void e2e_ed25519_sign(const uint8_t secret[static E2E_SIGN_SECRET_BYTES], struct kith_slice bytes,
                      uint8_t out[static E2E_SIGNATURE_BYTES]);
/**
 * KITH_E_DENIED: S is not below the group's order, R or the key is not canonical or of small order, or the equation,
 * without a cofactor, does not hold.
 */
KITH_MUST_USE kith_err e2e_ed25519_verify(const uint8_t public[static E2E_SIGN_PUBLIC_BYTES], struct kith_slice bytes,
                                          const uint8_t signature[static E2E_SIGNATURE_BYTES]);

#endif
