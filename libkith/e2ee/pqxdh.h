#ifndef LIBKITH_E2EE_PQXDH_H
#define LIBKITH_E2EE_PQXDH_H

#include "libkith/e2ee/session.h"

/**
 * What both ends of a session compute alike: the suite, the transcript, the first root key. Pure functions, any thread.
 * Source: docs/wire/e2ee.md, "Beginning a session".
 */

/** The suite that two lists must use. KITH_E_UNSUPPORTED: the highest they have in common is not ours, or there is none. */
KITH_MUST_USE kith_err e2e_suite_of(const struct e2e_device_list *a, const struct e2e_device_list *b, uint8_t *out);

/** Beside the set-up: who, and the public keys that its ids stand for. */
struct e2e_pqxdh {
    const struct e2e_end *a, *b;
    const struct e2e_setup *setup;
    const uint8_t *spk_pub, *opk_pub, *kem_pub; /* opk_pub NULL iff the set-up's opk_id is 0 */
};
void e2e_pqxdh_transcript(const struct e2e_pqxdh *about, uint8_t out[static E2E_HASH_BYTES]);

/** Secret; wiped by e2e_pqxdh_root(). */
struct e2e_pqxdh_shared {
    uint8_t dh[4][E2E_DH_BYTES]; /* DH1..DH4; of the last, see has_opk */
    uint8_t kem[E2E_KEM_SHARED_BYTES];
    bool has_opk;
};
void e2e_pqxdh_root(struct e2e_pqxdh_shared *shared, const uint8_t transcript[static E2E_HASH_BYTES],
                    uint8_t root_key[static E2E_KEY_BYTES]);

#endif
