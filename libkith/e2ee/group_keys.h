#ifndef LIBKITH_E2EE_GROUP_KEYS_H
#define LIBKITH_E2EE_GROUP_KEYS_H

#include "libkith/crypto/aead.h"
#include "libkith/e2ee/group.h"

/**
 * A group's name and description, sealed, and the message that brings the keys of a group to its members. Pure functions.
 * Source: docs/wire/e2ee-groups.md, "Name and description", "Sender chains".
 */
#define E2E_GROUP_KEYS_TYPE       "application/x-kith-group-keys"
#define E2E_GROUP_NAME_BYTES_MAX  128
#define E2E_GROUP_ABOUT_BYTES_MAX 1024
#define E2E_GROUP_KEY_ID_BYTES    8
#define E2E_CHAIN_ID_BYTES        8

struct e2e_group_info_key {
    uint8_t id[E2E_GROUP_KEY_ID_BYTES], key[E2E_KEY_BYTES]; /* secret */
};
/** UTF-8, lent; empty: none. One of the two is there. */
struct e2e_group_info {
    struct kith_slice name, about;
};
/** Draws key, id and nonce, in this order; appends what goes into `info` of an operation. KITH_E_TOOBIG, KITH_E_MALFORMED (no UTF-8, or neither), KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_group_info_seal(const struct e2e_random *random,
                                           const uint8_t group_id[static E2E_GROUP_ID_BYTES],
                                           const struct e2e_group_info *info, struct e2e_group_info_key *key,
                                           struct kith_buf *out);
/** The id of the key that it wants, lent. KITH_E_MALFORMED. */
KITH_MUST_USE kith_err e2e_group_info_key_id(struct kith_slice sealed, const uint8_t **id);
/** Appends the plaintext to `plain`, from which *out is lent. KITH_E_DENIED: another key, or not of this group. KITH_E_MALFORMED, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_group_info_open(const struct e2e_group_info_key *key,
                                           const uint8_t group_id[static E2E_GROUP_ID_BYTES], struct kith_slice sealed,
                                           struct kith_buf *plain, struct e2e_group_info *out);

/** A sender chain as it is given to the others. */
struct e2e_chain_given {
    uint8_t chain_id[E2E_CHAIN_ID_BYTES];
    uint32_t iteration;
    uint8_t chain_key[E2E_KEY_BYTES], sign_pub[E2E_SIGN_PUBLIC_BYTES];
    uint64_t epoch;
    uint8_t group_hash[E2E_HASH_BYTES];
};
/** The body of a message of E2E_GROUP_KEYS_TYPE. Secret. */
struct e2e_group_keys {
    uint8_t group_id[E2E_GROUP_ID_BYTES];
    bool has_info_key, has_chain;
    struct e2e_group_info_key info_key;
    struct e2e_chain_given chain;
};
KITH_MUST_USE kith_err e2e_group_keys_encode(const struct e2e_group_keys *keys, struct kith_buf *out);
/** KITH_E_MALFORMED: also one that has neither. KITH_E_UNSUPPORTED. */
KITH_MUST_USE kith_err e2e_group_keys_decode(struct kith_slice in, struct e2e_group_keys *out);

#endif
