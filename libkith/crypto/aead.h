#ifndef LIBKITH_CRYPTO_AEAD_H
#define LIBKITH_CRYPTO_AEAD_H

#include "libkith/crypto/hash.h"

/**
 * XChaCha20-Poly1305. A sealed message is its ciphertext, as long as the plaintext, then the tag. The nonce is 24 random
 * bytes for every message, sent beside it. It does not commit to its key: where that matters an HMAC goes with it. Any thread.
 * Source: RFC 8439, 2.8, with the nonce of draft-irtf-cfrg-xchacha-03.
 */
#define E2E_AEAD_NONCE_BYTES 24
#define E2E_AEAD_TAG_BYTES   16
#define E2E_AEAD_BYTES_MAX   (8u << 20) /* of a plaintext, and of what is authenticated beside it */

/**
 * out   plain.len + E2E_AEAD_TAG_BYTES bytes; may begin where `plain` does.
 * KITH_E_TOOBIG  `plain` or `ad` is longer than E2E_AEAD_BYTES_MAX; `out` is unchanged
 */
KITH_MUST_USE kith_err e2e_aead_seal(const uint8_t key[static E2E_KEY_BYTES],
                                     const uint8_t nonce[static E2E_AEAD_NONCE_BYTES], struct kith_slice ad,
                                     struct kith_slice plain, uint8_t *out);

/**
 * out   sealed.len - E2E_AEAD_TAG_BYTES bytes; may begin where `sealed` does. Zeros on KITH_E_DENIED.
 *
 * KITH_E_MALFORMED  shorter than a tag      KITH_E_TOOBIG  as above
 * KITH_E_DENIED     key, nonce, `ad` or a byte of it is not what it was sealed with
 */
KITH_MUST_USE kith_err e2e_aead_open(const uint8_t key[static E2E_KEY_BYTES],
                                     const uint8_t nonce[static E2E_AEAD_NONCE_BYTES], struct kith_slice ad,
                                     struct kith_slice sealed, uint8_t *out);

#endif
