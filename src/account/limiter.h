#ifndef KITH_ACCOUNT_LIMITER_H
#define KITH_ACCOUNT_LIMITER_H

#include "base/map.h"

/**
 * Token buckets by key: each key may take `burst` tokens at once, and gets them back one by one, evenly. At most
 * entries_max keys are remembered; the one that was not used for longest is forgotten (and so has a full bucket again).
 * Memory grows with the keys in use. Not thread-safe.
 */
struct limiter {
    struct kith_map places; /* key to place + 1 */
    struct limiter_entry *entries;
    uint32_t count, cap, entries_max;
    uint32_t newest, oldest; /* by last use; LIMITER_NONE: empty */
    uint32_t burst;          /* 0: no limit */
    uint64_t token_parts;    /* a token is so many parts,    */
    uint64_t parts_per_ms;   /* of which so many come back   */
    uint8_t seed[16];
};

#define LIMITER_KEY_BYTES 16
#define LIMITER_NONE      UINT32_MAX

/** per_minute at once, and as many come back in a minute. `seed`: 16 unpredictable bytes. No allocation before the first
 *  take. */
void limiter_init(struct limiter *limiter, uint32_t per_minute, uint32_t entries_max, const uint8_t seed[static 16]);
/** `burst` at once, and one comes back every token_ms (>= 1). */
void limiter_init_slow(struct limiter *limiter, uint32_t burst, uint32_t token_ms, uint32_t entries_max,
                       const uint8_t seed[static 16]);
void limiter_deinit(struct limiter *limiter);

/** A key made of any bytes, under the limiter's seed. */
void limiter_key(const struct limiter *limiter, struct kith_slice bytes, uint8_t key[static LIMITER_KEY_BYTES]);

/** Takes one token. False: none is left, and *retry_after_s (>= 1) says when one will be. Without memory it lets pass. */
bool limiter_take(struct limiter *limiter, const uint8_t key[static LIMITER_KEY_BYTES], uint64_t now_ms,
                  uint32_t *retry_after_s);
/** Gives one back: what it was taken for turned out to be good. */
void limiter_give(struct limiter *limiter, const uint8_t key[static LIMITER_KEY_BYTES]);

#endif
