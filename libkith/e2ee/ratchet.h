#ifndef LIBKITH_E2EE_RATCHET_H
#define LIBKITH_E2EE_RATCHET_H

#include "libkith/e2ee/message.h"

/**
 * The session's own steps, on a copy that the caller assigns back when all went well. After a success `next->kept` may be
 * other memory than before, then e2e_session_commit() frees what it replaces; after an error it is what it was.
 */

/** A new ratchet key pair of ours, and a sending chain from it and their_pub. Draws the key. KITH_E_MALFORMED. */
KITH_MUST_USE kith_err e2e_ratchet_turn(const struct e2e_random *random, struct e2e_session *next);

/** Takes a message and appends its plaintext. Errors as e2e_session_decrypt(). */
KITH_MUST_USE kith_err e2e_ratchet_receive(const struct e2e_random *random, struct e2e_session *next,
                                           const struct e2e_message *message, uint64_t now_ms, struct kith_buf *out);

/** `session` becomes `next`, which is wiped. */
void e2e_session_commit(struct e2e_session *session, struct e2e_session *next);

#endif
