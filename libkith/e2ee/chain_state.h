#ifndef LIBKITH_E2EE_CHAIN_STATE_H
#define LIBKITH_E2EE_CHAIN_STATE_H

#include "libkith/e2ee/sender_chain.h"
#include "libkith/e2ee/session_state.h"

/**
 * What sender chains are, for the files that make up sender_chain.h only. Kept keys are those of a session: of the chain
 * E2E_CHAIN_ONLY, whose ratchet key is zeros. A step replaces them and never writes through the pointer.
 */
#define E2E_CHAIN_ONLY 1 /* of as many receiving chains */

struct e2e_sender_chain {
    struct e2e_chain_owner owner;
    uint8_t chain_id[E2E_CHAIN_ID_BYTES];
    uint32_t iteration; /* the next */
    uint8_t chain_key[E2E_KEY_BYTES], sign_secret[E2E_SIGN_SECRET_BYTES];
    uint64_t created_at_ms;
};

struct e2e_receiver_chain {
    struct e2e_chain_owner owner;
    uint8_t chain_id[E2E_CHAIN_ID_BYTES];
    uint32_t iteration, first_iteration; /* the next; the one that it was given at */
    uint8_t chain_key[E2E_KEY_BYTES], sign_pub[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_kept kept;
};

#endif
