#ifndef KITH_BASE_MAP_H
#define KITH_BASE_MAP_H

#include "base/slice.h"

/**
 * A bounded hash map: keys of one fixed size to values of one fixed size, both given at init. For ids: a user to a
 * person's record, a chat to its state, a connection number to a pointer.
 *
 *     struct kith_map chats;
 *     struct chat **slot;
 *     kith_map_init(&chats, sizeof(struct chat_id), sizeof(struct chat *), CHATS_CACHED_MAX, seed);
 *     if (kith_map_add(&chats, &id, (void **)&slot) == KITH_OK) *slot = chat;
 *     slot = kith_map_find(&chats, &id);               -- NULL when it is not there
 *
 * Keys are compared as bytes, so a key must have no padding. They are hashed by SipHash-2-4 under `seed`: who chooses
 * the keys cannot make them collide without knowing it. Values are zeroed when they are made and aligned to 8; a pointer
 * to one is valid until the next kith_map_add() or kith_map_remove() only (entries move). Keep a pointer as the value of
 * what must stay where it is.
 *
 * An empty map owns no memory. Adding is O(1) on the average, and O(entries) when it grows, which it does by doubling;
 * it never shrinks before kith_map_deinit(). Memory at most entries_max * 2.7 * (key + value + 12 bytes). Not
 * thread-safe.
 */
struct kith_map {
    uint8_t *entries;     /* slots * entry_bytes: value first, then the key        */
    uint32_t *hashes;     /* slots; 0: empty                                       */
    uint32_t slots;       /* a power of two, or 0 before the first add             */
    uint32_t count;       /* entries inside                                        */
    uint32_t entries_max; /* count never exceeds it                                */
    uint32_t key_bytes, value_bytes, entry_bytes;
    uint8_t seed[16];
};

#define KITH_MAP_ENTRIES_MAX (1u << 28) /* the largest entries_max */

/** `seed`: 16 unpredictable bytes, from loop_random(). No allocation. key_bytes 1..256, value_bytes 0..65536. */
void kith_map_init(struct kith_map *map, size_t key_bytes, size_t value_bytes, uint32_t entries_max,
                   const uint8_t seed[static 16]);
/** Frees the memory; the map is as after init. What the values point to is the caller's. */
void kith_map_deinit(struct kith_map *map);
/** Empties, keeps the memory. */
void kith_map_reset(struct kith_map *map);

/** The value of `key`, lent until the next add or remove; NULL when it is not there. */
void *kith_map_find(const struct kith_map *map, const void *key);

/**
 * Adds `key` with a value of zeros, to be filled through *value.
 *
 * KITH_OK          added
 * KITH_E_CONFLICT  it was there: *value is the value it has, so "find or add" is one call
 * KITH_E_FULL      entries_max is reached; *value is NULL
 * KITH_E_NOMEM     nothing changed; *value is NULL
 */
KITH_MUST_USE kith_err kith_map_add(struct kith_map *map, const void *key, void **value);

/** False when it was not there. */
bool kith_map_remove(struct kith_map *map, const void *key);

/**
 * Walks all entries: *at starts as 0; false at the end. The order means nothing, but is the same for the same seed and
 * the same calls. Nothing may be added or removed meanwhile. `key` or `value` may be NULL.
 */
bool kith_map_next(const struct kith_map *map, uint32_t *at, const void **key, void **value);

#endif
