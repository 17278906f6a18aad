#ifndef KITH_BASE_ID_H
#define KITH_BASE_ID_H

#include "base/slice.h"

/*
 * Ids are UUIDs (RFC 9562), 16 raw bytes inside, text form on the wire. Each kind has its own type, so that a user id
 * cannot pass as a chat id. msg ids are version 7, made by the sending device; the others are made by the server.
 */
struct kith_uuid {
    uint8_t raw[16];
};
struct user_id {
    struct kith_uuid id;
};
struct chat_id {
    struct kith_uuid id;
};
struct device_id {
    struct kith_uuid id;
};
struct msg_id {
    struct kith_uuid id;
};

#define KITH_UUID_TEXT_LEN 36 /* without the NUL */

static inline int kith_uuid_cmp(struct kith_uuid a, struct kith_uuid b)
{
    return memcmp(a.raw, b.raw, sizeof a.raw);
}

static inline bool kith_uuid_eq(struct kith_uuid a, struct kith_uuid b)
{
    return kith_uuid_cmp(a, b) == 0;
}

static inline bool kith_uuid_is_nil(struct kith_uuid a)
{
    return kith_uuid_eq(a, (struct kith_uuid){0});
}

/** 8-4-4-4-12 hexadecimal, either case. KITH_E_MALFORMED otherwise. Any version. */
KITH_MUST_USE kith_err kith_uuid_parse(struct kith_slice text, struct kith_uuid *out);

/** Lower case, NUL-terminated. */
void kith_uuid_format(struct kith_uuid id, char out[static KITH_UUID_TEXT_LEN + 1]);

/** Version and variant bits (RFC 9562, 4.1 and 4.2) agree with `version`. */
bool kith_uuid_is_version(struct kith_uuid id, unsigned version);

/** Milliseconds since 1970 inside a version 7 id (RFC 9562, 5.7). */
uint64_t kith_uuid_v7_ms(struct kith_uuid id);

/** A version 7 id from a time (ms since 1970, 48 bits) and 10 random bytes. */
struct kith_uuid kith_uuid_v7_make(uint64_t ms, const uint8_t coins[static 10]);

/** A version 8 id (RFC 9562, 5.8) from 16 bytes of a keyed hash: how ids that two callers must agree on are made. */
struct kith_uuid kith_uuid_v8_make(const uint8_t digest[static 16]);

#endif
