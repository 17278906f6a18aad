#ifndef LIBKITH_E2EE_PAYLOAD_H
#define LIBKITH_E2EE_PAYLOAD_H

#include "libkith/e2ee/device_list.h"

/**
 * What is inside a message, with its padding. Pure functions, any thread.
 * Source: docs/wire/e2ee.md, "What is inside".
 */
#define E2E_CONTENT_TYPE_BYTES_MAX 64
#define E2E_BODY_BYTES_MAX         (128u * 1024)
#define E2E_PAYLOAD_BYTES_MAX      (E2E_BODY_BYTES_MAX + E2E_BODY_BYTES_MAX / 8)
#define E2E_PREV_BYTES             16
#define E2E_ID_BYTES               16

struct e2e_payload {
    struct kith_slice content_type; /* 1..E2E_CONTENT_TYPE_BYTES_MAX bytes of UTF-8; lent, as is body */
    uint8_t thread_id[E2E_ID_BYTES], account_id[E2E_ACCOUNT_ID_BYTES];
    uint32_t device_id; /* of the sender */
    uint8_t msg_id[E2E_ID_BYTES];
    uint64_t sent_at_ms, sseq;
    uint8_t prev[E2E_PREV_BYTES]; /* zeros iff sseq is 1 */
    uint64_t list_seq;
    uint8_t list_hash[E2E_HASH_BYTES];
    bool has_peer_list, has_group, has_dest, has_again;
    uint64_t peer_list_seq, group_epoch;
    uint8_t peer_list_hash[E2E_HASH_BYTES], group_hash[E2E_HASH_BYTES];
    struct kith_slice body;            /* may be empty */
    uint8_t body_hash[E2E_HASH_BYTES]; /* written by both functions; encode does not look at it */
    uint8_t dest[E2E_ACCOUNT_ID_BYTES];
    struct kith_slice again; /* lent: an item of resend.h */
};

/**
 * Appends it, padded; writes body_hash. KITH_E_TOOBIG: body or content type is too long; KITH_E_MALFORMED: no content type,
 * device or sseq, a prev with sseq 1, or an `again` of another length; KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err e2e_payload_encode(struct e2e_payload *payload, struct kith_buf *out);
/** Slices are lent from `in`. KITH_E_MALFORMED (also: wrong hash, or padding), KITH_E_UNSUPPORTED, KITH_E_TOOBIG. */
KITH_MUST_USE kith_err e2e_payload_decode(struct kith_slice in, struct e2e_payload *out);
/** The length to which `len` bytes are padded. */
size_t e2e_padded_bytes(size_t len);

#endif
