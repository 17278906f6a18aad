#ifndef LIBKITH_E2EE_SESSION_STATE_H
#define LIBKITH_E2EE_SESSION_STATE_H

#include "libkith/e2ee/session.h"

/**
 * What a session is, for the files that make up session.h only. A step works in a copy of it and is assigned back whole;
 * the kept keys are behind a pointer, which a step replaces and never writes through.
 */
#define E2E_SETUP_BYTES_MAX 1536 /* our own has 1,290 */

struct e2e_kept_key {
    uint8_t ratchet_pub[E2E_DH_BYTES], mk[E2E_KEY_BYTES];
    uint32_t n, chain; /* chain: the receiving chain it is of, the first is 1 */
    uint64_t kept_at_ms;
};
/** The oldest first: ascending in (chain, n). */
struct e2e_kept {
    struct e2e_kept_key *keys; /* NULL iff count is 0 */
    size_t count;
};

struct e2e_session {
    uint8_t transcript[E2E_HASH_BYTES], ek_pub[E2E_DH_BYTES];
    uint8_t root_key[E2E_KEY_BYTES], send_chain[E2E_KEY_BYTES];
    uint8_t recv_chain[E2E_KEY_BYTES]; /* zeros while recv_chains is 0 */
    uint8_t our_secret[E2E_DH_BYTES], our_pub[E2E_DH_BYTES], their_pub[E2E_DH_BYTES];
    uint32_t ns, nr, pn, recv_chains, unanswered;
    uint64_t created_at_ms, heard_at_ms, stepped_at_ms;
    bool needs_step;
    uint8_t setup[E2E_SETUP_BYTES_MAX];
    size_t setup_bytes; /* 0: answered, or we did not begin it */
    struct e2e_kept kept;
};

#endif
