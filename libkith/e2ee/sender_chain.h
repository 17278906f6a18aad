#ifndef LIBKITH_E2EE_SENDER_CHAIN_H
#define LIBKITH_E2EE_SENDER_CHAIN_H

#include "libkith/e2ee/group_keys.h"

/**
 * Sender chains: one ciphertext for a whole group. A chain is a value like a session: every function does all of its step or
 * leaves it, byte for byte, as it was, and the caller keeps the new state before a ciphertext leaves or an acknowledgement
 * goes out. Who may hear whom, and when a chain is given up, is the caller's.
 *
 * One thread at a time. Source: docs/wire/e2ee-groups.md, "Sender chains".
 */
#define E2E_CHAIN_SKIP_MAX             2000 /* stepped over at once, and keys kept of a chain */
#define E2E_CHAIN_SKIP_LIFE_MS         (14ull * 24 * 3600 * 1000)
#define E2E_CHAIN_MESSAGES_MAX         500 /* then a new one is drawn */
#define E2E_CHAIN_LIFE_MS              (7ull * 24 * 3600 * 1000)
#define E2E_GROUP_MESSAGE_OVERHEAD_MAX 512
#define E2E_GROUP_PLAIN_MAX            (256u * 1024 - E2E_AEAD_TAG_BYTES)
#define E2E_CHAIN_BYTES_MAX            (160u * 1024) /* a state: 2,000 kept keys have 132,000 */
#define E2E_CHAIN_GIVEN_BYTES_MAX      256

struct e2e_sender_chain;                                        /* one's own; wiped when freed */
struct e2e_receiver_chain;                                      /* another device's */
void e2e_sender_chain_free(struct e2e_sender_chain *chain);     /* NULL is fine */
void e2e_receiver_chain_free(struct e2e_receiver_chain *chain); /* NULL is fine */

/** Whose chain, in which group. */
struct e2e_chain_owner {
    uint8_t group_id[E2E_GROUP_ID_BYTES], account_id[E2E_ACCOUNT_ID_BYTES];
    uint32_t device_id;
};
/** The head that a message was written under. */
struct e2e_group_epoch {
    uint64_t seq;
    uint8_t hash[E2E_HASH_BYTES];
};

/** Draws chain_id, chain key, seed of the signing key. KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_sender_chain_new(const struct e2e_random *random, const struct e2e_chain_owner *owner,
                                            uint64_t now_ms, struct e2e_sender_chain **out);
/** As it is given to others now; secret. Nothing is drawn, and the chain stays where it is. */
void e2e_sender_chain_give(const struct e2e_sender_chain *chain, const struct e2e_group_epoch *epoch,
                           struct e2e_chain_given *out);
/** For people: since when it is there, and how many messages were written under it. */
struct e2e_sender_chain_facts {
    uint64_t created_at_ms;
    uint32_t sent;
};
struct e2e_sender_chain_facts e2e_sender_chain_facts(const struct e2e_sender_chain *chain);
/** It has sent E2E_CHAIN_MESSAGES_MAX, or is E2E_CHAIN_LIFE_MS old. */
bool e2e_sender_chain_is_used_up(const struct e2e_sender_chain *chain, uint64_t now_ms);
/**
 * Appends the group message of one plaintext, 0..E2E_GROUP_PLAIN_MAX bytes. Draws the nonce.
 * KITH_E_TOOBIG  it is longer, or out's maximum      KITH_E_FULL  no iteration is left      KITH_E_NOMEM
 */
KITH_MUST_USE kith_err e2e_sender_chain_encrypt(const struct e2e_random *random, struct e2e_sender_chain *chain,
                                                const struct e2e_group_epoch *epoch, struct kith_slice plain,
                                                struct kith_buf *out);

/** What a group message says of itself, before anything of it is believed. KITH_E_MALFORMED, KITH_E_UNSUPPORTED. */
struct e2e_group_message {
    struct e2e_chain_owner owner;
    struct e2e_group_epoch epoch;
    uint8_t chain_id[E2E_CHAIN_ID_BYTES];
    uint32_t iteration;
    struct kith_slice header_bytes, signed_bytes, sealed; /* lent from the message */
    const uint8_t *nonce, *commitment, *signature;
};
KITH_MUST_USE kith_err e2e_group_message_decode(struct kith_slice in, struct e2e_group_message *out);

/** A chain that came by a session of its owner. KITH_E_MALFORMED: its signing key is none. KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_receiver_chain_new(const struct e2e_chain_owner *owner, const struct e2e_chain_given *given,
                                              struct e2e_receiver_chain **out);
/**
 * Whether it is the same chain again, at whatever iteration, so that it is no news: its signing key tells.
 * KITH_E_CONFLICT: another one with its id.
 */
KITH_MUST_USE kith_err e2e_receiver_chain_same(const struct e2e_receiver_chain *chain,
                                               const struct e2e_chain_given *given);
/**
 * Appends the plaintext.
 * KITH_E_DENIED    another chain's or owner's message, the signature, the commitment or the seal does not fit, or it is from
 *                  before the chain was given
 * KITH_E_CONFLICT  its key was used or given up: a repeat
 * KITH_E_TOOBIG    more than E2E_CHAIN_SKIP_MAX stepped over, or out's maximum      KITH_E_NOMEM
 */
KITH_MUST_USE kith_err e2e_receiver_chain_decrypt(struct e2e_receiver_chain *chain,
                                                  const struct e2e_group_message *message, uint64_t now_ms,
                                                  struct kith_buf *out);

/** A given chain as it stands in group keys: secret. KITH_E_NOMEM, KITH_E_TOOBIG; KITH_E_MALFORMED, KITH_E_UNSUPPORTED. */
KITH_MUST_USE kith_err e2e_chain_given_encode(const struct e2e_chain_given *given, struct kith_buf *out);
KITH_MUST_USE kith_err e2e_chain_given_decode(struct kith_slice in, struct e2e_chain_given *out);

/** Canonical states: secret. KITH_E_NOMEM, KITH_E_TOOBIG; KITH_E_MALFORMED, KITH_E_UNSUPPORTED. */
KITH_MUST_USE kith_err e2e_sender_chain_encode(const struct e2e_sender_chain *chain, struct kith_buf *out);
KITH_MUST_USE kith_err e2e_sender_chain_decode(struct kith_slice state, struct e2e_sender_chain **out);
KITH_MUST_USE kith_err e2e_receiver_chain_encode(const struct e2e_receiver_chain *chain, struct kith_buf *out);
KITH_MUST_USE kith_err e2e_receiver_chain_decode(struct kith_slice state, struct e2e_receiver_chain **out);

#endif
