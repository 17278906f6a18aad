#ifndef LIBKITH_E2EE_CHAIN_H
#define LIBKITH_E2EE_CHAIN_H

#include "libkith/e2ee/message.h"

/**
 * The steps of the Double Ratchet, and what one message is sealed with. Pure functions, any thread; what they derive is
 * secret, and the caller wipes it.
 * Source: docs/wire/e2ee.md, "The Double Ratchet".
 */

/** Root key and what a DH gave: the next root key, in place, and a new chain. */
void e2e_root_next(uint8_t root_key[static E2E_KEY_BYTES], const uint8_t shared[static E2E_DH_BYTES],
                   uint8_t chain[static E2E_KEY_BYTES]);
/** The chain goes on, in place; `mk` is the key of the message stepped over. */
void e2e_chain_next(uint8_t chain[static E2E_KEY_BYTES], uint8_t mk[static E2E_KEY_BYTES]);
/** The chain after `steps` messages more, whose keys nobody wants. */
void e2e_chain_skip(uint8_t chain[static E2E_KEY_BYTES], uint32_t steps);

/** What opens one message. */
struct e2e_message_keys {
    uint8_t key[E2E_KEY_BYTES], commit[E2E_KEY_BYTES];
};
/** label, info: of a session's message E2E_LABEL_MK and its transcript. */
void e2e_message_keys(const uint8_t mk[static E2E_KEY_BYTES], enum e2e_label label, struct kith_slice info,
                      struct e2e_message_keys *out);

/** Appends the message. Draws the nonce. setup: empty for none. KITH_E_TOOBIG, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_message_seal(const struct e2e_random *random, const struct e2e_message_keys *keys,
                                        const uint8_t transcript[static E2E_HASH_BYTES],
                                        const struct e2e_header *header, struct kith_slice setup,
                                        struct kith_slice plain, struct kith_buf *out);
/** Whether the message is committed to these keys: to be asked before it is opened. KITH_E_DENIED. */
KITH_MUST_USE kith_err e2e_message_check(const struct e2e_message *message, const struct e2e_message_keys *keys);
/** Appends the plaintext. KITH_E_DENIED, KITH_E_TOOBIG, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_message_open(const struct e2e_message *message, const struct e2e_message_keys *keys,
                                        const uint8_t transcript[static E2E_HASH_BYTES], struct kith_buf *out);

#endif
