#ifndef LIBKITH_CRYPTO_DH_H
#define LIBKITH_CRYPTO_DH_H

#include "libkith/crypto/random.h"

/**
 * X25519. A secret is any 32 bytes; it is clamped when used. Any thread.
 * Source: RFC 7748, 5 and 6.1; docs/wire/e2ee.md, "X25519", for what is refused besides.
 */
#define E2E_DH_BYTES 32 /* of a secret, a public key and what two of them agree on */

/** A new key pair. */
void e2e_dh_keypair(const struct e2e_random *random, uint8_t secret[static E2E_DH_BYTES],
                    uint8_t public[static E2E_DH_BYTES]);
/** The twin that is given its secret. */
void e2e_dh_keypair_from(const uint8_t secret[static E2E_DH_BYTES], uint8_t public[static E2E_DH_BYTES]);

/**
 * Whether a foreign public key may be used at all, to be asked when it is read.
 *
 * KITH_E_MALFORMED  not canonical (2^255 - 19 or more, or its highest bit set), or one of the points of small order, with
 *                   which everybody agrees on zero
 */
KITH_MUST_USE kith_err e2e_dh_check(const uint8_t public[static E2E_DH_BYTES]);

/**
 * What `secret` and the owner of `public` agree on. Checks `public` as above, and that the result is not zero.
 *
 * out   32 bytes; zeros on an error. May not overlap with the inputs.
 * KITH_E_MALFORMED  as e2e_dh_check()
 */
KITH_MUST_USE kith_err e2e_dh(const uint8_t secret[static E2E_DH_BYTES], const uint8_t public[static E2E_DH_BYTES],
                              uint8_t out[static E2E_DH_BYTES]);

#endif
