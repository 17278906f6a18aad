#include "base/map.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define MAP_SLOTS_MIN 8u

_Static_assert(crypto_shorthash_KEYBYTES == 16, "the seed is a SipHash key");

static uint32_t map_hash(const struct kith_map *map, const void *key)
{
    uint8_t digest[crypto_shorthash_BYTES];
    uint32_t hash;

    (void)crypto_shorthash(digest, key, map->key_bytes, map->seed);
    hash = kith_get_u32_be(digest);
    return hash == 0 ? 1 : hash; /* 0 marks an empty slot */
}

static uint8_t *map_entry(const struct kith_map *map, uint32_t slot)
{
    return map->entries + (size_t)slot * map->entry_bytes;
}

static uint8_t *map_key(const struct kith_map *map, uint32_t slot)
{
    return map_entry(map, slot) + map->value_bytes;
}

/** The slot of `key`, or the empty one where it belongs. The map has at least one empty slot. */
static uint32_t map_slot(const struct kith_map *map, const void *key, uint32_t hash)
{
    uint32_t slot = hash & (map->slots - 1);

    while (map->hashes[slot] != 0) {
        if (map->hashes[slot] == hash && memcmp(map_key(map, slot), key, map->key_bytes) == 0) break;
        slot = (slot + 1) & (map->slots - 1);
    }
    return slot;
}

static kith_err map_grow(struct kith_map *map)
{
    struct kith_map grown = *map;

    grown.slots = map->slots == 0 ? MAP_SLOTS_MIN : map->slots * 2;
    grown.hashes = calloc(grown.slots, sizeof *grown.hashes);
    grown.entries = calloc(grown.slots, grown.entry_bytes);
    if (grown.hashes == NULL || grown.entries == NULL) {
        free(grown.hashes);
        free(grown.entries);
        return KITH_E_NOMEM;
    }
    for (uint32_t from = 0; from < map->slots; from++) {
        uint32_t to;

        if (map->hashes[from] == 0) continue;
        for (to = map->hashes[from] & (grown.slots - 1); grown.hashes[to] != 0;) to = (to + 1) & (grown.slots - 1);
        grown.hashes[to] = map->hashes[from];
        memcpy(map_entry(&grown, to), map_entry(map, from), map->entry_bytes);
    }
    free(map->hashes);
    free(map->entries);
    *map = grown;
    return KITH_OK;
}

void kith_map_init(struct kith_map *map, size_t key_bytes, size_t value_bytes, uint32_t entries_max,
                   const uint8_t seed[static 16])
{
    assert(key_bytes >= 1 && key_bytes <= 256 && value_bytes <= 65536);
    assert(entries_max >= 1 && entries_max <= KITH_MAP_ENTRIES_MAX);
    *map = (struct kith_map){
        .entries_max = entries_max,
        .key_bytes = (uint32_t)key_bytes,
        .value_bytes = (uint32_t)value_bytes,
        .entry_bytes = (uint32_t)((value_bytes + key_bytes + 7) & ~(size_t)7),
    };
    memcpy(map->seed, seed, sizeof map->seed);
}

void kith_map_deinit(struct kith_map *map)
{
    free(map->entries);
    free(map->hashes);
    map->entries = NULL;
    map->hashes = NULL;
    map->slots = map->count = 0;
}

void kith_map_reset(struct kith_map *map)
{
    if (map->count > 0) memset(map->hashes, 0, map->slots * sizeof *map->hashes);
    map->count = 0;
}

void *kith_map_find(const struct kith_map *map, const void *key)
{
    uint32_t slot;

    if (map->count == 0) return NULL;
    slot = map_slot(map, key, map_hash(map, key));
    return map->hashes[slot] == 0 ? NULL : map_entry(map, slot);
}

kith_err kith_map_add(struct kith_map *map, const void *key, void **value)
{
    uint32_t hash = map_hash(map, key);
    uint32_t slot = 0;

    *value = NULL;
    if (map->slots > 0) {
        slot = map_slot(map, key, hash);
        if (map->hashes[slot] != 0) {
            *value = map_entry(map, slot);
            return KITH_E_CONFLICT;
        }
    }
    if (map->count == map->entries_max) return KITH_E_FULL;
    if (((uint64_t)map->count + 1) * 4 > (uint64_t)map->slots * 3) {
        kith_err err = map_grow(map);

        if (err != KITH_OK) return err;
        slot = map_slot(map, key, hash);
    }
    map->hashes[slot] = hash;
    memset(map_entry(map, slot), 0, map->value_bytes);
    memcpy(map_key(map, slot), key, map->key_bytes);
    map->count++;
    *value = map_entry(map, slot);
    return KITH_OK;
}

bool kith_map_remove(struct kith_map *map, const void *key)
{
    uint32_t mask = map->slots - 1;
    uint32_t hole, next;

    if (map->count == 0) return false;
    hole = map_slot(map, key, map_hash(map, key));
    if (map->hashes[hole] == 0) return false;

    /* Entries after the hole move back into it when their probe passed over it: no tombstones, so finding never slows. */
    for (next = (hole + 1) & mask; map->hashes[next] != 0; next = (next + 1) & mask) {
        uint32_t home = map->hashes[next] & mask;

        if (((next - home) & mask) < ((next - hole) & mask)) continue;
        map->hashes[hole] = map->hashes[next];
        memcpy(map_entry(map, hole), map_entry(map, next), map->entry_bytes);
        hole = next;
    }
    map->hashes[hole] = 0;
    map->count--;
    return true;
}

bool kith_map_next(const struct kith_map *map, uint32_t *at, const void **key, void **value)
{
    while (*at < map->slots && map->hashes[*at] == 0) (*at)++;
    if (*at >= map->slots) return false;
    if (key != NULL) *key = map_key(map, *at);
    if (value != NULL) *value = map_entry(map, *at);
    (*at)++;
    return true;
}
