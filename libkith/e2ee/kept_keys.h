#ifndef LIBKITH_E2EE_KEPT_KEYS_H
#define LIBKITH_E2EE_KEPT_KEYS_H

#include "libkith/e2ee/session_state.h"

/**
 * Keys of messages that were stepped over, until those come or the key ends. Pure functions, any thread.
 * Source: docs/wire/e2ee.md, "The Double Ratchet".
 */
#define E2E_KEPT_NONE SIZE_MAX

/** A run of a receiving chain: the keys of `from` up to, without, `to` are kept. */
struct e2e_kept_run {
    const uint8_t *ratchet_pub; /* E2E_DH_BYTES */
    const uint8_t *chain_key;   /* E2E_KEY_BYTES, at `from` */
    uint32_t chain, from, to;
};

enum e2e_kept_found {
    E2E_KEPT_HERE,    /* *index is written */
    E2E_KEPT_GONE,    /* of its chain there are kept keys, but not this one: used or given up */
    E2E_KEPT_UNKNOWN, /* no key of its chain is kept */
};
enum e2e_kept_found e2e_kept_find(const struct e2e_kept *kept, const uint8_t ratchet_pub[static E2E_DH_BYTES],
                                  uint32_t n, uint64_t now_ms, size_t *index);

/**
 * What is kept after a step: without the key at `used` and those that have ended when `recv_chains` chains began, with the
 * runs', in this order, and of all these the newest E2E_SKIP_MAX.
 *
 * out   `kept` itself when nothing changes, else new memory; e2e_kept_free() it. `kept` is left alone. KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err e2e_kept_after(const struct e2e_kept *kept, size_t used, uint32_t recv_chains, uint64_t now_ms,
                                      const struct e2e_kept_run *runs, size_t run_count, struct e2e_kept *out);

/** How a key is written in one kind of state. */
struct e2e_kept_form {
    size_t key_bytes; /* of its longest encoding */
    size_t count_max;
    kith_err (*encode)(const struct e2e_kept_key *key, struct kith_buf *out);
    kith_err (*decode)(struct kith_slice in, struct e2e_kept_key *out);
};
#define E2E_KEPT_BYTES_MAX(count, key_bytes) ((count) * (4 + (key_bytes))) /* of items, with their lengths */

/** Appends them as items, the oldest first; nothing for none. KITH_E_NOMEM, KITH_E_TOOBIG. */
KITH_MUST_USE kith_err e2e_kept_encode(const struct e2e_kept *kept, const struct e2e_kept_form *form,
                                       struct kith_buf *out);
/**
 * Reads them. Whether such keys can have been kept is for the caller to say.
 *
 * out   zeros before; what was read so far on an error, too: e2e_kept_free() it. KITH_E_MALFORMED, KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err e2e_kept_decode(struct kith_slice items, const struct e2e_kept_form *form, struct e2e_kept *out);

/** Wipes. */
void e2e_kept_free(struct e2e_kept *kept);

#endif
