#include "account/limiter.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define MINUTE_MS 60000u

struct limiter_entry {
    uint8_t key[LIMITER_KEY_BYTES];
    uint64_t level; /* parts of tokens left, at time_ms */
    uint64_t time_ms;
    uint32_t newer, older;
};

static void init(struct limiter *limiter, uint32_t entries_max, const uint8_t seed[static 16])
{
    limiter->entries_max = entries_max;
    limiter->newest = limiter->oldest = LIMITER_NONE;
    memcpy(limiter->seed, seed, sizeof limiter->seed);
    kith_map_init(&limiter->places, LIMITER_KEY_BYTES, sizeof(uint32_t), entries_max, seed);
}

void limiter_init(struct limiter *limiter, uint32_t per_minute, uint32_t entries_max, const uint8_t seed[static 16])
{
    *limiter = (struct limiter){.burst = per_minute, .token_parts = MINUTE_MS, .parts_per_ms = per_minute};
    init(limiter, entries_max, seed);
}

void limiter_init_slow(struct limiter *limiter, uint32_t burst, uint32_t token_ms, uint32_t entries_max,
                       const uint8_t seed[static 16])
{
    assert(token_ms >= 1);
    *limiter = (struct limiter){.burst = burst, .token_parts = token_ms, .parts_per_ms = 1};
    init(limiter, entries_max, seed);
}

static uint64_t level_full(const struct limiter *limiter)
{
    return limiter->burst * limiter->token_parts;
}

void limiter_deinit(struct limiter *limiter)
{
    kith_map_deinit(&limiter->places);
    free(limiter->entries);
    limiter->entries = NULL;
    limiter->count = limiter->cap = 0;
    limiter->newest = limiter->oldest = LIMITER_NONE;
}

void limiter_key(const struct limiter *limiter, struct kith_slice bytes, uint8_t key[static LIMITER_KEY_BYTES])
{
    (void)crypto_shorthash_siphashx24(key, bytes.ptr, bytes.len, limiter->seed);
}

static void list_remove(struct limiter *limiter, uint32_t at)
{
    struct limiter_entry *entry = &limiter->entries[at];

    assert(limiter->entries != NULL && at < limiter->count);
    *(entry->newer == LIMITER_NONE ? &limiter->newest : &limiter->entries[entry->newer].older) = entry->older;
    *(entry->older == LIMITER_NONE ? &limiter->oldest : &limiter->entries[entry->older].newer) = entry->newer;
}

static void list_push(struct limiter *limiter, uint32_t at)
{
    struct limiter_entry *entry = &limiter->entries[at];

    assert(limiter->entries != NULL && at < limiter->count);
    entry->newer = LIMITER_NONE;
    entry->older = limiter->newest;
    *(limiter->newest == LIMITER_NONE ? &limiter->oldest : &limiter->entries[limiter->newest].newer) = at;
    limiter->newest = at;
}

static bool grow(struct limiter *limiter)
{
    uint32_t cap = limiter->cap == 0 ? 64 : limiter->cap * 2;
    struct limiter_entry *grown;

    if (cap > limiter->entries_max) cap = limiter->entries_max;
    grown = realloc(limiter->entries, cap * sizeof *grown);
    if (grown == NULL) return false;
    limiter->entries = grown;
    limiter->cap = cap;
    return true;
}

/* A place for a new key, in no list: unused, or taken from the key that was not used for longest. */
static uint32_t place_free(struct limiter *limiter)
{
    uint32_t at = limiter->oldest;

    if (limiter->count < limiter->cap || (limiter->cap < limiter->entries_max && grow(limiter)))
        return limiter->count++;
    if (at == LIMITER_NONE) return LIMITER_NONE;
    list_remove(limiter, at);
    (void)kith_map_remove(&limiter->places, limiter->entries[at].key);
    return at;
}

static struct limiter_entry *find(const struct limiter *limiter, const uint8_t *key)
{
    const uint32_t *place = kith_map_find(&limiter->places, key);

    return place == NULL ? NULL : &limiter->entries[*place - 1];
}

static struct limiter_entry *find_or_add(struct limiter *limiter, const uint8_t *key, uint64_t now_ms)
{
    struct limiter_entry *entry = find(limiter, key);
    void *value = NULL;
    uint32_t at, place;

    if (entry != NULL) {
        list_remove(limiter, (uint32_t)(entry - limiter->entries));
        list_push(limiter, (uint32_t)(entry - limiter->entries));
        return entry;
    }
    at = place_free(limiter);
    if (at == LIMITER_NONE) return NULL;
    entry = &limiter->entries[at];
    *entry = (struct limiter_entry){.level = level_full(limiter), .time_ms = now_ms};
    memcpy(entry->key, key, LIMITER_KEY_BYTES);
    list_push(limiter, at);
    if (kith_map_add(&limiter->places, key, &value) != KITH_OK)
        return entry; /* limited by nobody; gone with its turn */
    place = at + 1;
    memcpy(value, &place, sizeof place);
    return entry;
}

static void refill(const struct limiter *limiter, struct limiter_entry *entry, uint64_t now_ms)
{
    uint64_t full = level_full(limiter);
    uint64_t passed = now_ms > entry->time_ms ? now_ms - entry->time_ms : 0;

    entry->time_ms = now_ms;
    if (passed >= full / limiter->parts_per_ms)
        entry->level = full;
    else
        entry->level += passed * limiter->parts_per_ms;
    if (entry->level > full) entry->level = full;
}

bool limiter_take(struct limiter *limiter, const uint8_t key[static LIMITER_KEY_BYTES], uint64_t now_ms,
                  uint32_t *retry_after_s)
{
    struct limiter_entry *entry;

    if (limiter->burst == 0) return true;
    entry = find_or_add(limiter, key, now_ms);
    if (entry == NULL) return true;
    refill(limiter, entry, now_ms);
    if (entry->level < limiter->token_parts) {
        uint64_t missing = limiter->token_parts - entry->level;
        uint64_t wait_ms = (missing + limiter->parts_per_ms - 1) / limiter->parts_per_ms;
        *retry_after_s = (uint32_t)((wait_ms + 999) / 1000);
        return false;
    }
    entry->level -= limiter->token_parts;
    return true;
}

void limiter_give(struct limiter *limiter, const uint8_t key[static LIMITER_KEY_BYTES])
{
    struct limiter_entry *entry = limiter->burst == 0 ? NULL : find(limiter, key);

    if (entry == NULL) return;
    entry->level += limiter->token_parts;
    if (entry->level > level_full(limiter)) entry->level = level_full(limiter);
}
