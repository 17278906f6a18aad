#ifndef KITH_WIRE_BODIES_H
#define KITH_WIRE_BODIES_H

#include "base/buf.h"
#include "base/id.h"
#include "base/limits.h"

/**
 * `application/x-kith-bodies`: one ciphertext per device, and the device lists they were made for (docs/wire/bodies.md).
 *
 *   u16 tag 1, u32 length: lists, each  user_id (16) list_seq (u64)             ascending in user_id
 *   u16 tag 2, u32 length: bodies, each device_id (16) u32 length, ciphertext   ascending in device_id
 *   u16 tag 3, u32 16:     digest of the lists, in their place, where the only body is the common one
 *
 * Tags 1 and 2, or 2 and 3, big-endian, nothing after them: one content has one encoding. The body of the device nil
 * is the common one: for every device that has none of its own, but the one that sent it.
 */
#define BODIES_CONTENT_TYPE "application/x-kith-bodies"
#define BODIES_DEVICES_MAX  4096
#define BODIES_DIGEST_BYTES 16

struct bodies {
    struct kith_slice lists, items; /* lent from the input */
    uint32_t list_count, item_count;
    const uint8_t *digest; /* BODIES_DIGEST_BYTES, lent; NULL: it has lists */
};

struct bodies_list {
    struct user_id user;
    uint64_t list_seq;
};

struct bodies_item {
    struct device_id device;
    struct kith_slice ciphertext;
};

/** Checks the whole form. KITH_E_MALFORMED, or KITH_E_TOOBIG past BODIES_DEVICES_MAX lists or bodies. */
KITH_MUST_USE kith_err bodies_decode(struct kith_slice in, struct bodies *out);

/** Walk a checked `lists` or `items`: KITH_E_NOTFOUND at the end. */
KITH_MUST_USE kith_err bodies_next_list(struct kith_slice *lists, struct bodies_list *out);
KITH_MUST_USE kith_err bodies_next_item(struct kith_slice *items, struct bodies_item *out);

/** This device's ciphertext. KITH_E_NOTFOUND when it has none. */
KITH_MUST_USE kith_err bodies_find(const struct bodies *bodies, struct device_id device, struct kith_slice *out);

/** Its own, else the common one. KITH_E_NOTFOUND. */
KITH_MUST_USE kith_err bodies_for(const struct bodies *bodies, struct device_id device, struct kith_slice *out);

/** Adds a list to a digest, which begins with zeros; nothing of one whose list_seq is 0. In any order. */
void bodies_digest_add(uint8_t digest[static BODIES_DIGEST_BYTES], const struct bodies_list *list);
/** One ciphertext for all, and the digest of the lists. */
KITH_MUST_USE kith_err bodies_encode_common(struct kith_buf *out, const uint8_t digest[static BODIES_DIGEST_BYTES],
                                            struct kith_slice ciphertext);

/** Both ascending, as above; an assert otherwise. */
KITH_MUST_USE kith_err bodies_encode(struct kith_buf *out, const struct bodies_list *lists, size_t list_count,
                                     const struct bodies_item *items, size_t item_count);

#endif
