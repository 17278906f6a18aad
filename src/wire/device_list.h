#ifndef KITH_WIRE_DEVICE_LIST_H
#define KITH_WIRE_DEVICE_LIST_H

#include "base/id.h"
#include "base/limits.h"

/**
 * What the server reads of bytes that devices sign for each other: enough to order lists and to count prekeys. It looks
 * at the form and at no signature; who uses the keys checks them.
 *
 * All fields of both are read strictly: tags ascend, lengths are within their bounds, nothing follows, and an unknown tag
 * is refused below 0x8000 and stepped over from there on. Pure; values are lent from the input.
 *
 * KITH_E_MALFORMED    cut short, out of order, or a field is missing or out of its bounds
 * KITH_E_UNSUPPORTED  an unknown tag that must not be stepped over
 * KITH_E_TOOBIG       more than KITH_SIGNED_LIST_BYTES_MAX, or KITH_PREKEY_BYTES_MAX
 * Source: docs/wire/e2ee.md, "Encoding", "Accounts and devices", "Prekeys".
 */
#define DEVICE_LIST_DEVICES_MAX 32
#define DEVICE_LIST_HASH_BYTES  32

struct device_list {
    struct kith_slice list; /* what is signed; its SHA-256 is the list's hash */
    struct user_id account;
    uint64_t seq;                /* from 1 */
    struct kith_slice prev_hash; /* DEVICE_LIST_HASH_BYTES; empty in seq 1 only */
    uint32_t device_count, accept_count;
    struct device_id
        devices[DEVICE_LIST_DEVICES_MAX]; /* the ids that the server gave; in the list's order, each once */
    uint32_t device_ids[DEVICE_LIST_DEVICES_MAX], accepts[DEVICE_LIST_DEVICES_MAX]; /* the account's, ascending */
};

/** Of a signed list. *out is written on KITH_OK only. */
KITH_MUST_USE kith_err device_list_decode(struct kith_slice signed_list, struct device_list *out);
/** `next` has an acceptance of each device that it lists and that the signed list `before` has one of. */
bool device_list_keeps_accepts(struct kith_slice before, const struct device_list *next);

#define PREKEY_X25519_BYTES 32
#define PREKEY_MLKEM_BYTES  1184 /* ML-KEM-768 */

struct prekey {
    uint32_t id;                  /* not 0 */
    struct kith_slice public_key; /* PREKEY_X25519_BYTES or PREKEY_MLKEM_BYTES */
    uint64_t expires_ms;
};

/** Of one prekey, of either kind. *out is written on KITH_OK only. */
KITH_MUST_USE kith_err prekey_decode(struct kith_slice in, struct prekey *out);

#endif
