#ifndef LIBKITH_WASM_OPS_H
#define LIBKITH_WASM_OPS_H

#include "base/buf.h"
#include "libkith/crypto/random.h"

/**
 * The primitives as operations, bytes in and bytes out: what the WebAssembly module exports, and what test vectors run
 * through, natively and there, so that both run the same code on the same bytes.
 *
 * An operation takes arguments and appends its result, the values named behind `->` one after the other. Numbers are 4
 * bytes, big-endian; a text is its bytes. An argument of a wrong length is KITH_E_MALFORMED; then, and on any error,
 * nothing is appended. Labels are named by their text; one that is not for this use is KITH_E_DENIED.
 */
/* X(name, count of arguments, what) */
#define KITH_OPS(X)                                                                                        \
    X(sha256, 1, "bytes -> hash")                                                                          \
    X(sha512, 1, "bytes -> hash")                                                                          \
    X(blake2b, 2, "key bytes -> hash")                                                                     \
    X(hmac, 2, "key bytes -> tag")                                                                         \
    X(hmac_verify, 3, "key bytes tag -> nothing")                                                          \
    X(hkdf, 4, "salt ikm info count -> bytes")                                                             \
    X(derive, 5, "salt ikm label info count -> bytes")                                                     \
    X(transcript, 2, "label bytes -> hash")                                                                \
    X(label_prefix, 1, "label -> bytes")                                                                   \
    X(dh_keypair, 0, "-> secret public, of the host's random")                                             \
    X(dh_public, 1, "secret -> public")                                                                    \
    X(dh_check, 1, "public -> nothing")                                                                    \
    X(dh, 2, "secret public -> shared")                                                                    \
    X(sign_keypair, 0, "-> secret public, of the host's random")                                           \
    X(sign_public, 1, "seed -> public")                                                                    \
    X(sign_check, 1, "public -> nothing")                                                                  \
    X(sign, 3, "seed label bytes -> signature")                                                            \
    X(verify, 4, "public label bytes signature -> nothing")                                                \
    X(ed25519_sign, 2, "seed bytes -> signature")                                                          \
    X(ed25519_verify, 3, "public bytes signature -> nothing")                                              \
    X(kem_keypair, 0, "-> seed public, of the host's random")                                              \
    X(kem_public, 1, "seed -> public")                                                                     \
    X(kem_secret, 1, "seed -> secret, the long form")                                                      \
    X(kem_check, 1, "public -> nothing")                                                                   \
    X(kem_encaps, 1, "public -> cipher shared, of the host's random")                                      \
    X(kem_encaps_from, 2, "coins public -> cipher shared")                                                 \
    X(kem_decaps, 2, "secret cipher -> shared")                                                            \
    X(aead_seal, 4, "key nonce ad plain -> sealed")                                                        \
    X(aead_open, 4, "key nonce ad sealed -> plain")                                                        \
    X(passphrase_key, 4, "passphrase salt passes memory_kib -> key")                                       \
    X(ct_eq, 2, "a b -> nothing, or KITH_E_DENIED")                                                        \
    X(hex_encode, 1, "bytes -> text")                                                                      \
    X(hex_decode, 1, "text -> bytes")                                                                      \
    X(base64url_encode, 1, "bytes -> text")                                                                \
    X(base64url_decode, 1, "text -> bytes")                                                                \
    X(safety_half, 2, "root id -> 30 digits")                                                              \
    X(safety_number, 4, "root account root account -> 60 digits")                                          \
    X(tlv_fields, 1, "encoding -> each field's tag and length, as they were; any tags")                    \
    X(tlv_decode, 2, "fields encoding -> values; fields: tag u16, least u32, most u32, optional u8, each") \
    X(tlv_items, 1, "list -> count of its items")

#define KITH_OP_ARGS_MAX 5

struct kith_op {
    const char *name;
    size_t arg_count;
    kith_err (*run)(const struct e2e_random *random, const struct kith_slice *args, struct kith_buf *out);
};

/** NULL: none of this name. */
const struct kith_op *kith_op_find(const char *name);

/** A call as the module takes it: `in` is an encoding (tlv.h) of the arguments under the tags 1, 2, 3, ... Errors also of that. */
KITH_MUST_USE kith_err kith_op_call(const struct kith_op *op, const struct e2e_random *random, struct kith_slice in,
                                    struct kith_buf *out);

#endif
