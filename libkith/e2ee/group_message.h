#ifndef LIBKITH_E2EE_GROUP_MESSAGE_H
#define LIBKITH_E2EE_GROUP_MESSAGE_H

#include "libkith/e2ee/chain.h"
#include "libkith/e2ee/sender_chain.h"

/**
 * A message of a sender chain as it travels, and what it is sealed with: for the files that make up sender_chain.h only.
 * Pure functions, any thread. Source: docs/wire/e2ee-groups.md, "Sender chains".
 */

/** The keys of one message; secret. */
void e2e_group_message_keys(const uint8_t mk[static E2E_KEY_BYTES], const struct e2e_chain_owner *owner,
                            const uint8_t chain_id[static E2E_CHAIN_ID_BYTES], struct e2e_message_keys *out);

/** Appends the message. Of `head` owner, epoch, chain_id and iteration are looked at. Draws the nonce. KITH_E_TOOBIG, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_group_message_seal(const struct e2e_random *random, const struct e2e_message_keys *keys,
                                              const uint8_t sign_secret[static E2E_SIGN_SECRET_BYTES],
                                              const struct e2e_group_message *head, struct kith_slice plain,
                                              struct kith_buf *out);
/** Whether the message is committed to these keys: to be asked before it is opened. KITH_E_DENIED. */
KITH_MUST_USE kith_err e2e_group_message_check(const struct e2e_group_message *message,
                                               const struct e2e_message_keys *keys);
/** Appends the plaintext. KITH_E_DENIED, KITH_E_TOOBIG, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_group_message_open(const struct e2e_group_message *message,
                                              const struct e2e_message_keys *keys, struct kith_buf *out);

#endif
