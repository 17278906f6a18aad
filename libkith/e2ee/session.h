#ifndef LIBKITH_E2EE_SESSION_H
#define LIBKITH_E2EE_SESSION_H

#include "libkith/crypto/aead.h"
#include "libkith/e2ee/prekey.h"

/**
 * A session between two devices: PQXDH, then the Double Ratchet. A session is a value: nothing is allocated but its kept
 * keys. Every function either does all of its step or leaves the session, byte for byte, as it was: the caller stores
 * e2e_session_encode() of the new state before a ciphertext leaves or an acknowledgement goes out.
 *
 * One thread at a time. Source: docs/wire/e2ee.md, "Beginning a session", "The Double Ratchet".
 */
#define E2E_SKIP_MAX             2000 /* numbers stepped over at once, and keys kept of a session */
#define E2E_SKIP_LIFE_MS         (14ull * 24 * 3600 * 1000)
#define E2E_SKIP_CHAINS          100
#define E2E_NEED_STEP_MESSAGES   200
#define E2E_NEED_STEP_MS         (7ull * 24 * 3600 * 1000)
#define E2E_MESSAGE_PLAIN_MAX    (256u * 1024 - 2048)
#define E2E_MESSAGE_OVERHEAD_MAX 2048 /* of a message with its set-up, beyond the plaintext */
#define E2E_SESSION_BYTES_MAX    (512u * 1024)

struct e2e_session; /* e2e_session_free() wipes it; NULL is fine */
void e2e_session_free(struct e2e_session *session);

/** One end: its account's list, and which device of it. Lent for the call. */
struct e2e_end {
    const struct e2e_device_list *list;
    const struct e2e_device *device;
};
/** Our own end, with the device's secrets. */
struct e2e_self {
    struct e2e_end end;
    const uint8_t *ddh_secret; /* E2E_DH_BYTES */
};

/** What a device's keys on the server came to; opk NULL: none was left. All verified, of the same device. */
struct e2e_bundle {
    const struct e2e_prekey *spk, *kem, *opk;
};

/**
 * A begins. suite: the highest that both lists have. Draws EK, the KEM's coins, the ratchet key, in this order.
 * KITH_E_MALFORMED  a key of the bundle cannot be used      KITH_E_UNSUPPORTED  no suite in common, or one that is not ours
 * KITH_E_DENIED     the peer's device has not accepted its place in the list      KITH_E_NOMEM
 * On an error *out is NULL.
 */
KITH_MUST_USE kith_err e2e_session_begin(const struct e2e_random *random, const struct e2e_self *self,
                                         const struct e2e_end *peer, const struct e2e_bundle *bundle, uint64_t now_ms,
                                         struct e2e_session **out);

/** What a message's set-up asks for, before anything of it is believed. */
struct e2e_setup {
    uint8_t suite;
    uint32_t device_a;
    uint64_t list_seq_a, list_seq_b;
    uint8_t list_hash_a[E2E_HASH_BYTES], list_hash_b[E2E_HASH_BYTES];
    uint32_t spk_id, opk_id, kem_id; /* opk_id 0: none */
    bool kem_is_last;
    uint8_t ek_pub[E2E_DH_BYTES];
    struct kith_slice ct; /* lent from the message */
};
/** KITH_E_NOTFOUND: the message has none. KITH_E_MALFORMED, KITH_E_UNSUPPORTED (another suite, too): no message of ours. */
KITH_MUST_USE kith_err e2e_message_setup(struct kith_slice message, struct e2e_setup *out);

/** B's private halves that the set-up names; opk NULL iff opk_id is 0. */
struct e2e_setup_keys {
    const struct e2e_prekey_secret *spk, *kem, *opk;
};
/**
 * B takes A's first message (or any that still carries the set-up): a new session, and the plaintext appended to `out`.
 * Draws the ratchet key of the first answer. On an error there is no session and `out` is as it was. The lists are those
 * that B has now: older ones in the set-up are taken, newer ones are to be fetched first.
 * KITH_E_MALFORMED  the message, a key in it      KITH_E_UNSUPPORTED  another suite than the highest in common
 * KITH_E_NOTFOUND   `keys` are not those that the set-up names
 * KITH_E_DENIED     it does not open; another device of A, or one that has not accepted its place; a list that is newer
 *                   than B's, or of the same seq and another
 * KITH_E_TOOBIG     more than E2E_SKIP_MAX stepped over, or out's maximum      KITH_E_NOMEM
 */
KITH_MUST_USE kith_err e2e_session_accept(const struct e2e_random *random, const struct e2e_self *self,
                                          const struct e2e_end *peer, const struct e2e_setup_keys *keys,
                                          struct kith_slice message, uint64_t now_ms, struct e2e_session **out_session,
                                          struct kith_buf *out);

/**
 * Appends the message of one plaintext, 0..E2E_MESSAGE_PLAIN_MAX bytes. Draws the nonce.
 * KITH_E_TOOBIG  it is longer, or out's maximum; or all numbers of the chain were sent      KITH_E_NOMEM
 */
KITH_MUST_USE kith_err e2e_session_encrypt(const struct e2e_random *random, struct e2e_session *session,
                                           struct kith_slice plain, uint64_t now_ms, struct kith_buf *out);
/**
 * Appends the plaintext. Draws a ratchet key when the peer's is new, after all else went well. No DH is spent on what is
 * malformed, a repeat in a known chain, or too far ahead.
 * KITH_E_MALFORMED, KITH_E_UNSUPPORTED  no message, or its ratchet key is no key
 * KITH_E_CONFLICT   its key was used or given up: a repeat (of a chain of which nothing is kept any more: KITH_E_DENIED)
 * KITH_E_TOOBIG     more than E2E_SKIP_MAX stepped over, or out's maximum
 * KITH_E_DENIED     commitment or seal does not fit; it has another session's set-up      KITH_E_NOMEM
 */
KITH_MUST_USE kith_err e2e_session_decrypt(const struct e2e_random *random, struct e2e_session *session,
                                           struct kith_slice message, uint64_t now_ms, struct kith_buf *out);

/** The transcript hash, lent: which of two sessions begun at once sends, and whether a set-up is this session's. */
const uint8_t *e2e_session_transcript(const struct e2e_session *session);
/** Whether `setup` began this session: its ek_pub did. What else it says, T says, and a message under T proves. */
bool e2e_session_is_of(const struct e2e_session *session, const struct e2e_setup *setup);
/** What the caller's upkeep looks at. */
struct e2e_session_facts {
    uint64_t created_ms, heard_ms; /* heard 0: nothing came yet */
    bool needs_step;               /* the peer asks for an answer, whatever it says */
    bool is_answered;              /* the peer has the session: no set-up is sent any more */
    bool is_unspoken;              /* the peer began it, and nothing was sent in it from here */
    uint32_t kept_keys;
};
struct e2e_session_facts e2e_session_facts(const struct e2e_session *session);

/** Appends the canonical state: secret. The same session is the same bytes. KITH_E_NOMEM, KITH_E_TOOBIG. */
KITH_MUST_USE kith_err e2e_session_encode(const struct e2e_session *session, struct kith_buf *out);
/** KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_session_decode(struct kith_slice state, struct e2e_session **out);

#endif
