#ifndef LIBKITH_WASM_OPS_H
#define LIBKITH_WASM_OPS_H

#include "base/buf.h"
#include "libkith/crypto/random.h"

/**
 * The primitives, and what is made of them, as operations, bytes in and bytes out: what the WebAssembly module exports, and what test vectors run
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

/**
 * Lists, prekeys, sessions (ops_e2ee.c) and payloads (ops_payload.c). Here a time or a seq is 8 bytes, and what may be missing is empty. An
 * `end` is an account's id and its signed list, one behind the other. A session is its encoded state: an operation takes it
 * and gives the next, after its length, and whoever calls keeps the one or, on an error, the other. So is a group (ops_group.c), empty before
 * its first operation; a step is a number of enum e2e_group_step.
 */
/* X(name, count of arguments, what) */
#define KITH_E2EE_OPS(X)                                                                                              \
    X(certify, 4, "ark_seed account_id aik_pub aik_counter -> signature")                                             \
    X(device_accept, 7, "dsk_seed account_id ark_pub aik_pub device_id server_device ddh_pub -> signature")           \
    X(list_sign, 3, "aik_seed list accepts -> signed list; the latter two as they are encoded in it")                 \
    X(list_read, 3,                                                                                                   \
      "account_id signed pinned -> step u8; of one that may be pinned: seq hash expires_at, and of each "             \
      "device its id and is_accepted u8")                                                                             \
    X(prekey_new, 5, "label account_id device_id dsk_seed expires_at -> secret prekey, of the host's random")         \
    X(prekey_read, 6, "label account_id device_id dsk_pub prekey now -> id expires_at public")                        \
    X(message_setup, 1, "message -> device_a spk_id opk_id kem_id kem_is_last u8 ek_pub")                             \
    X(session_begin, 10, "end device_id ddh_secret end device_id spk kem kem_is_last opk now -> state")               \
    X(session_accept, 9, "end device_id ddh_secret end spk kem opk message now -> count state plain; private halves") \
    X(session_encrypt, 3, "state plain now -> count state message")                                                   \
    X(session_decrypt, 3, "state message now -> count state plain")                                                   \
    X(session_encode, 1, "state -> state, as it is written again")                                                    \
    X(session_facts, 1, "state -> transcript created_at heard_at needs_step u8 is_answered u8")                       \
    X(payload_encode, 1, "fields 1 to 15, 17 and 18, encoded -> payload")                                             \
    X(payload_decode, 1, "payload -> its fields but the padding, encoded")                                            \
    X(padded_length, 1, "count -> count")                                                                             \
    X(group_make, 3,                                                                                                  \
      "dsk_seed group, the fields 1, 4 to 9 and 11 to 18 of an operation, encoded -> count group signed_operation")   \
    X(group_apply, 3, "group signed_operation dsk_pub -> step u8; of the next one the group after it")                \
    X(group_info_seal, 3, "group_id name about -> key_id key sealed, of the host's random")                           \
    X(group_info_open, 4, "key_id key group_id sealed -> fields 1 and 2, encoded")                                    \
    X(group_keys_decode, 1, "keys -> keys, as they are written again")

/** Sender chains (ops_chain.c). A chain is its encoded state, as a session is; what is given is the field `chain` of group keys. */
/* X(name, count of arguments, what) */
#define KITH_CHAIN_OPS(X)                                                                  \
    X(chain_new, 4, "group_id account_id device_id now -> state, of the host's random")    \
    X(chain_encrypt, 4, "state epoch group_hash plain -> count state message")             \
    X(chain_give, 3, "state epoch group_hash -> given")                                    \
    X(sender_encode, 1, "state -> state, as it is written again")                          \
    X(receiver_new, 4, "group_id account_id device_id given -> state")                     \
    X(receiver_same, 2, "state given -> nothing, or KITH_E_CONFLICT: another with its id") \
    X(receiver_decrypt, 3, "state message now -> count state plain")                       \
    X(receiver_encode, 1, "state -> state, as it is written again")

/** Invite links (ops_join.c). A link is its 65 bytes. */
/* X(name, count of arguments, what) */
#define KITH_JOIN_OPS(X)                                                                                         \
    X(join_link_encode, 3, "chat_id secret op_hash -> link")                                                     \
    X(join_link_decode, 1, "link -> chat_id secret op_hash")                                                     \
    X(join_key, 1, "link -> public")                                                                             \
    X(join_sign, 8, "dsk_seed link account_id device_id list_seq list_hash made_at known_seq -> signed request") \
    X(join_decode, 1,                                                                                            \
      "signed request -> join_key account_id device_id list_seq list_hash made_at known_seq; the last 0: none")  \
    X(join_prove, 1, "signed request -> nothing")                                                                \
    X(join_verify, 2, "signed request dsk_pub -> nothing")

/** Asking again (ops_resend.c). */
/* X(name, count of arguments, what) */
#define KITH_RESEND_OPS(X)                                                               \
    X(resend_encode, 1, "chat_id seq msg_id, of each item -> the body of a request")     \
    X(resend_decode, 1, "the body of a request -> chat_id seq msg_id, of each item")     \
    X(resend_item_encode, 3, "chat_id seq msg_id -> item, as a payload's `again` is it") \
    X(resend_item_decode, 1, "item -> chat_id seq msg_id")

#define X(name, count, what)                                                                                \
    KITH_MUST_USE kith_err kith_e2ee_##name(const struct e2e_random *random, const struct kith_slice *args, \
                                            struct kith_buf *out);
KITH_E2EE_OPS(X)
KITH_CHAIN_OPS(X)
KITH_JOIN_OPS(X)
KITH_RESEND_OPS(X)
#undef X

#define KITH_OP_ARGS_MAX 10

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
