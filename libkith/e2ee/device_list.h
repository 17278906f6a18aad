#ifndef LIBKITH_E2EE_DEVICE_LIST_H
#define LIBKITH_E2EE_DEVICE_LIST_H

#include "libkith/crypto/dh.h"
#include "libkith/crypto/hash.h"
#include "libkith/crypto/safety_number.h"
#include "libkith/crypto/sign.h"
#include "libkith/crypto/tlv.h"

/**
 * Who an account is, and which devices it has: a list signed by the account's list key (AIK), which the account's root key
 * (ARK) certifies, with an acceptance of each device beside it. Nothing here trusts the server that hands it out.
 *
 * Pure functions; the caller keeps what is pinned. Any thread.
 * Source: docs/wire/e2ee.md, "Accounts and devices".
 */
#define E2E_SERVER_DEVICE_BYTES   16
#define E2E_DEVICES_MAX           32
#define E2E_REMOVED_MAX           4096
#define E2E_SUITES_MAX            16
#define E2E_LIST_BYTES_MAX        24576
#define E2E_SIGNED_LIST_BYTES_MAX (E2E_LIST_BYTES_MAX + 4096)
#define E2E_LIST_LIFE_MS_MAX      (30ull * 24 * 3600 * 1000)

enum { E2E_SUITE_CLASSIC = 1, E2E_SUITE_PQ = 2 }; /* the first for tests only */

struct e2e_device {
    uint32_t device_id;
    uint8_t server_device[E2E_SERVER_DEVICE_BYTES];
    uint8_t dsk_pub[E2E_SIGN_PUBLIC_BYTES], ddh_pub[E2E_DH_BYTES];
    uint64_t added_at_ms;
    bool is_manager;
    bool is_accepted; /* its own acceptance came with the list and is valid; else it is not used */
};

/** A list that was read and verified. All its bytes are its own. */
struct e2e_device_list {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint8_t ark_pub[E2E_SIGN_PUBLIC_BYTES], aik_pub[E2E_SIGN_PUBLIC_BYTES];
    uint32_t aik_counter;
    uint8_t certificate[E2E_SIGNATURE_BYTES];
    uint64_t seq;
    uint8_t prev_hash[E2E_HASH_BYTES]; /* zeros in seq 1 */
    uint64_t issued_at_ms, expires_at_ms;
    uint8_t suites[E2E_SUITES_MAX]; /* ascending */
    uint32_t suite_count;
    struct e2e_device devices[E2E_DEVICES_MAX]; /* ascending in device_id */
    uint32_t device_count;
    uint32_t removed[E2E_REMOVED_MAX]; /* ascending */
    uint32_t removed_count;
    uint8_t hash[E2E_HASH_BYTES]; /* of its bytes, as they came */
};

/**
 * Reads a signed list and checks all that it says by itself: encoding, certificate, signature, its rules, acceptances.
 *
 * KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_TOOBIG  as tlv.h, or a rule of its fields is broken
 * KITH_E_DENIED  certificate or signature does not hold, or it is another account's. A bad acceptance only leaves
 *                is_accepted false.
 * On an error *out is zeros.
 */
KITH_MUST_USE kith_err e2e_device_list_read(struct kith_slice signed_list,
                                            const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                                            struct e2e_device_list *out);

/** Whose acceptances held: bit i is that of devices[i]. */
uint32_t e2e_device_list_accepted(const struct e2e_device_list *list);
/**
 * Reads again what e2e_device_list_read() took, from where nobody else can write: the same checks and errors, but for
 * signatures and the points of the curves, which cost nearly all of the time and were verified then. `accepted` is what was
 * found of the acceptances. KITH_E_MALFORMED: one that is not there has held.
 */
KITH_MUST_USE kith_err e2e_device_list_kept(struct kith_slice signed_list,
                                            const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t accepted,
                                            struct e2e_device_list *out);

/**
 * What a signed list says, of bytes that were read before and kept since: nothing is verified, and the rules are not
 * looked at; each acceptance that is there counts. Costs no signature.
 * KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_TOOBIG as above. On an error *out is zeros.
 */
KITH_MUST_USE kith_err e2e_device_list_parse(struct kith_slice signed_list, struct e2e_device_list *out);
/**
 * Nothing is in the signed list but what was signed, its signature, and acceptances of its devices that hold: no byte that
 * anybody could have added without a key. `list` as it was read of these bytes.
 */
bool e2e_device_list_is_bare(struct kith_slice signed_list, const struct e2e_device_list *list);

enum e2e_list_step {
    E2E_LIST_FIRST,    /* nothing was pinned: a first contact            */
    E2E_LIST_SAME,     /* the pinned one; acceptances may be new         */
    E2E_LIST_NEXT,     /* its successor                                  */
    E2E_LIST_GAP,      /* newer, but the lists between are missing       */
    E2E_LIST_STALE,    /* older: ignored                                 */
    E2E_LIST_FORK,     /* it or its predecessor is as old as the pinned one, and another: alarm */
    E2E_LIST_IDENTITY, /* another root key: the person must act          */
    E2E_LIST_ROLLBACK, /* an older or another AIK under the same counter */
    E2E_LIST_REUSED,   /* a removed device is back or forgotten, or one has new keys */
};
/**
 * What `next` is to whoever has pinned `pinned` (NULL: nothing), of the same account. Only FIRST, SAME and NEXT may be
 * pinned.
 */
enum e2e_list_step e2e_device_list_compare(const struct e2e_device_list *pinned, const struct e2e_device_list *next);

/** Lent from the list; NULL: none. */
const struct e2e_device *e2e_device_find(const struct e2e_device_list *list, uint32_t device_id);
const struct e2e_device *e2e_device_find_server(const struct e2e_device_list *list,
                                                const uint8_t server_device[static E2E_SERVER_DEVICE_BYTES]);

/** It was listed once, and never will be again. */
bool e2e_device_is_removed(const struct e2e_device_list *list, uint32_t device_id);

/** ARK certifies AIK. */
KITH_MUST_USE kith_err e2e_certify(const uint8_t ark_secret[static E2E_SIGN_SECRET_BYTES],
                                   const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                                   const uint8_t aik_pub[static E2E_SIGN_PUBLIC_BYTES], uint32_t aik_counter,
                                   uint8_t out[static E2E_SIGNATURE_BYTES]);
/** A device accepts its place: of `list` the account, ark_pub and aik_pub count. */
KITH_MUST_USE kith_err e2e_device_accept(const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES],
                                         const struct e2e_device_list *list, const struct e2e_device *device,
                                         uint8_t out[static E2E_SIGNATURE_BYTES]);

struct e2e_acceptance {
    uint32_t device_id;
    uint8_t signature[E2E_SIGNATURE_BYTES];
};
/**
 * Signs `list` with AIK and appends the signed list to `out`, with `accept_count` acceptances, ascending in device_id. What
 * the list says is the caller's; is_accepted and hash are not looked at. A broken rule, an AIK that the list does not name,
 * an acceptance of a device that it has not: KITH_E_MALFORMED. Certificate and acceptances are not verified.
 */
KITH_MUST_USE kith_err e2e_device_list_sign(const struct e2e_device_list *list,
                                            const uint8_t aik_secret[static E2E_SIGN_SECRET_BYTES],
                                            const struct e2e_acceptance *accepts, size_t accept_count,
                                            struct kith_buf *out);
/** The acceptance of one device in a signed list, as it stands there. KITH_E_NOTFOUND; KITH_E_MALFORMED, … */
KITH_MUST_USE kith_err e2e_device_acceptance(struct kith_slice signed_list, uint32_t device_id,
                                             uint8_t out[static E2E_SIGNATURE_BYTES]);
/**
 * Appends `signed_list` with one acceptance more, or in place of its device's; verifies nothing. KITH_E_NOTFOUND: not in the
 * list.
 */
KITH_MUST_USE kith_err e2e_device_list_add_acceptance(struct kith_slice signed_list,
                                                      const struct e2e_acceptance *accept, struct kith_buf *out);

#endif
