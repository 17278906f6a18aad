#ifndef LIBKITH_E2EE_MESSAGE_H
#define LIBKITH_E2EE_MESSAGE_H

#include "libkith/e2ee/session_state.h"

/**
 * A message of a session as it travels: parts, not meaning. Pure functions, any thread.
 * Source: docs/wire/e2ee.md, "Beginning a session" and "The Double Ratchet".
 */
#define E2E_MESSAGE_SETUP_BYTES_MAX 4096 /* a later version's may be longer than ours */
#define E2E_HEADER_BYTES_MAX        1024
#define E2E_SEALED_BYTES_MAX        (256u * 1024)

struct e2e_header {
    uint8_t ratchet_pub[E2E_DH_BYTES];
    uint32_t pn, n;
    bool need_step;
};

/** Lent from the message. */
struct e2e_message {
    struct e2e_header header;
    struct kith_slice setup; /* {NULL, 0}: none */
    struct kith_slice header_bytes, sealed;
    const uint8_t *nonce, *commitment;
};
/** KITH_E_MALFORMED, KITH_E_UNSUPPORTED (another version, too), KITH_E_TOOBIG. The set-up is not looked into. */
KITH_MUST_USE kith_err e2e_message_decode(struct kith_slice in, struct e2e_message *out);
/** Appends it; header_bytes is written, `header` not looked at. KITH_E_NOMEM, KITH_E_TOOBIG. */
KITH_MUST_USE kith_err e2e_message_encode(const struct e2e_message *message, struct kith_buf *out);
KITH_MUST_USE kith_err e2e_header_encode(const struct e2e_header *header, struct kith_buf *out);

/** KITH_E_MALFORMED, KITH_E_UNSUPPORTED (another suite than ours, too). ct is lent from `in`. */
KITH_MUST_USE kith_err e2e_setup_decode(struct kith_slice in, struct e2e_setup *out);
KITH_MUST_USE kith_err e2e_setup_encode(const struct e2e_setup *setup, struct kith_buf *out);

#endif
