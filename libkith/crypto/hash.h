#ifndef LIBKITH_CRYPTO_HASH_H
#define LIBKITH_CRYPTO_HASH_H

#include "libkith/crypto/label.h"

/**
 * Hashes, MACs and key derivation. Inputs given as `parts` are hashed one after the other, with nothing between: whoever
 * hashes parts of no fixed length encodes them first (tlv.h). Nothing is kept, inner state is wiped. Any thread.
 */
#define E2E_KEY_BYTES             32
#define E2E_HASH_BYTES            32
#define E2E_SHA512_BYTES          64
#define E2E_HKDF_OUT_BYTES_MAX    (255 * 32)
#define E2E_BLAKE2B_KEY_BYTES_MAX 64
#define E2E_INFO_BYTES_MAX        256 /* after the label */

/** Source: FIPS 180-4, SHA-256 and SHA-512. */
void e2e_sha256(const struct kith_slice *parts, size_t count, uint8_t out[static E2E_HASH_BYTES]);
void e2e_sha512(const struct kith_slice *parts, size_t count, uint8_t out[static E2E_SHA512_BYTES]);

/** SHA-256 of "kith/1/" label 0x00 parts: a transcript. The label must be one for hashes. */
void e2e_transcript(enum e2e_label label, const struct kith_slice *parts, size_t count,
                    uint8_t out[static E2E_HASH_BYTES]);

/** BLAKE2b with 32 bytes of output. key: empty, or 1..64 bytes; a longer one is our own mistake. Source: RFC 7693. */
void e2e_blake2b(struct kith_slice key, const struct kith_slice *parts, size_t count,
                 uint8_t out[static E2E_HASH_BYTES]);

/** HMAC-SHA-256; a key of any length. Source: RFC 2104, RFC 4231. */
void e2e_hmac(struct kith_slice key, const struct kith_slice *parts, size_t count, uint8_t out[static E2E_HASH_BYTES]);
/** KITH_E_DENIED: `tag` is another. Compared in constant time; a tag is never shortened. */
KITH_MUST_USE kith_err e2e_hmac_verify(struct kith_slice key, const struct kith_slice *parts, size_t count,
                                       const uint8_t tag[static E2E_HASH_BYTES]);

/**
 * HKDF-SHA-256, extract and expand. An empty salt is 32 zeros.
 *
 * out   out_len bytes, 1..E2E_HKDF_OUT_BYTES_MAX: another length is our own mistake.
 * Source: RFC 5869, 2.2 and 2.3.
 */
void e2e_hkdf(struct kith_slice salt, struct kith_slice ikm, struct kith_slice info, uint8_t *out, size_t out_len);

/**
 * How kith/1 derives keys: HKDF-SHA-256 whose info is "kith/1/" label 0x00 info. The label must be one for keys; `info`
 * has at most E2E_INFO_BYTES_MAX bytes: otherwise it is our own mistake.
 */
void e2e_derive(struct kith_slice salt, struct kith_slice ikm, enum e2e_label label, struct kith_slice info,
                uint8_t *out, size_t out_len);

#endif
