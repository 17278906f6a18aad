#ifndef LIBKITH_E2EE_JOIN_H
#define LIBKITH_E2EE_JOIN_H

#include "libkith/crypto/random.h"
#include "libkith/e2ee/group.h"
#include "libkith/e2ee/payload.h"

/**
 * A group's invite link, and what who has it asks with. Pure functions; who may be let in is the account's to say
 * (account_join.h). Source: docs/wire/e2ee-groups.md, "Invite links".
 */
#define E2E_JOIN_LINK_BYTES   65
#define E2E_JOIN_SECRET_BYTES 32
#define E2E_JOIN_HASH_BYTES   16 /* of the hash of the operation that made it known */

struct e2e_join_link { /* secret */
    uint8_t chat_id[E2E_ID_BYTES], secret[E2E_JOIN_SECRET_BYTES], op_hash[E2E_JOIN_HASH_BYTES];
};
void e2e_join_link_encode(const struct e2e_join_link *link, uint8_t out[static E2E_JOIN_LINK_BYTES]);
/** KITH_E_MALFORMED: another length; KITH_E_UNSUPPORTED: another version. */
KITH_MUST_USE kith_err e2e_join_link_decode(struct kith_slice in, struct e2e_join_link *out);
/** Whom the link's proofs are verified with. */
void e2e_join_key(const struct e2e_join_link *link, uint8_t out[static E2E_SIGN_PUBLIC_BYTES]);

struct e2e_join_request {
    uint8_t join_key[E2E_SIGN_PUBLIC_BYTES], account_id[E2E_ACCOUNT_ID_BYTES];
    uint32_t device_id;
    uint64_t list_seq, made_at_ms;
    uint8_t list_hash[E2E_HASH_BYTES];
    uint64_t known_seq; /* 0: none is known */
    struct kith_slice bytes, proof,
        signature; /* of a decoded one: what is signed, lent; not looked at when one is made */
};
/** Appends the signed one; join_key is filled in. KITH_E_MALFORMED: a number that it cannot have; KITH_E_TOOBIG, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_join_sign(const struct e2e_join_link *link, struct e2e_join_request *request,
                                     const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES], struct kith_buf *out);
/** Its form; nothing is verified. KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_TOOBIG. */
KITH_MUST_USE kith_err e2e_join_decode(struct kith_slice in, struct e2e_join_request *out);
/** Whether who asks has the link of its join_key. KITH_E_DENIED. */
KITH_MUST_USE kith_err e2e_join_prove(const struct e2e_join_request *request);
/** Whether that device asks. KITH_E_DENIED. */
KITH_MUST_USE kith_err e2e_join_verify(const struct e2e_join_request *request,
                                       const uint8_t dsk_pub[static E2E_SIGN_PUBLIC_BYTES]);

#endif
