#include "libkith/e2ee/kept_keys.h"

#include <assert.h>
#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/chain.h"

static bool is_too_old(const struct e2e_kept_key *key, uint64_t now_ms)
{
    return now_ms > key->kept_at_ms && now_ms - key->kept_at_ms >= E2E_SKIP_LIFE_MS;
}

static bool has_ended(const struct e2e_kept_key *key, uint32_t recv_chains, uint64_t now_ms)
{
    return is_too_old(key, now_ms) || recv_chains - key->chain >= E2E_SKIP_CHAINS;
}

enum e2e_kept_found e2e_kept_find(const struct e2e_kept *kept, const uint8_t ratchet_pub[static E2E_DH_BYTES],
                                  uint32_t n, uint64_t now_ms, size_t *index)
{
    enum e2e_kept_found found = E2E_KEPT_UNKNOWN;

    for (size_t i = 0; i < kept->count; i++) {
        const struct e2e_kept_key *key = &kept->keys[i];
        if (memcmp(key->ratchet_pub, ratchet_pub, sizeof key->ratchet_pub) != 0) continue;
        found = E2E_KEPT_GONE;
        if (key->n != n || is_too_old(key, now_ms)) continue;
        *index = i;
        return E2E_KEPT_HERE;
    }
    return found;
}

/* Where the next key goes, after `skip` that are over the maximum. */
struct place {
    struct e2e_kept_key *keys;
    size_t count, skip;
};

static void put(struct place *place, const struct e2e_kept_key *key)
{
    if (place->skip > 0)
        place->skip--;
    else
        place->keys[place->count++] = *key;
}

static void put_run(struct place *place, const struct e2e_kept_run *run, uint64_t now_ms)
{
    struct e2e_kept_key key = {.chain = run->chain, .kept_at_ms = now_ms};
    uint8_t chain_key[E2E_KEY_BYTES];

    memcpy(key.ratchet_pub, run->ratchet_pub, sizeof key.ratchet_pub);
    memcpy(chain_key, run->chain_key, sizeof chain_key);
    for (uint32_t n = run->from; n < run->to; n++) {
        key.n = n;
        e2e_chain_next(chain_key, key.mk);
        put(place, &key);
    }
    e2e_wipe(chain_key, sizeof chain_key);
    e2e_wipe(&key, sizeof key);
}

kith_err e2e_kept_after(const struct e2e_kept *kept, size_t used, uint32_t recv_chains, uint64_t now_ms,
                        const struct e2e_kept_run *runs, size_t run_count, struct e2e_kept *out)
{
    struct place place = {0};
    size_t staying = 0, all;

    for (size_t i = 0; i < kept->count; i++)
        if (i != used && !has_ended(&kept->keys[i], recv_chains, now_ms)) staying++;
    all = staying;
    for (size_t i = 0; i < run_count; i++) all += runs[i].to - runs[i].from;
    if (all == staying && staying == kept->count) {
        *out = *kept;
        return KITH_OK;
    }
    place.skip = all > E2E_SKIP_MAX ? all - E2E_SKIP_MAX : 0;
    all -= place.skip;
    if (all > 0) {
        place.keys = calloc(all, sizeof *place.keys);
        if (place.keys == NULL) return KITH_E_NOMEM;
        for (size_t i = 0; i < kept->count; i++)
            if (i != used && !has_ended(&kept->keys[i], recv_chains, now_ms)) put(&place, &kept->keys[i]);
        for (size_t i = 0; i < run_count; i++) put_run(&place, &runs[i], now_ms);
    }
    assert(place.count == all);
    *out = (struct e2e_kept){.keys = place.keys, .count = place.count};
    return KITH_OK;
}

/* All room is reserved at once: a buffer that grows leaves a copy of what it held behind. */
kith_err e2e_kept_encode(const struct e2e_kept *kept, const struct e2e_kept_form *form, struct kith_buf *out)
{
    struct kith_buf item;
    uint8_t *room = NULL;
    kith_err err;

    if (kept->count == 0) return KITH_OK;
    kith_buf_init(&item, form->key_bytes);
    err = kith_buf_reserve(out, E2E_KEPT_BYTES_MAX(kept->count, form->key_bytes), &room);
    if (err == KITH_OK) err = kith_buf_reserve(&item, form->key_bytes, &room);
    for (size_t i = 0; i < kept->count && err == KITH_OK; i++) {
        kith_buf_reset(&item);
        err = form->encode(&kept->keys[i], &item);
        if (err == KITH_OK) err = e2e_tlv_append_item(out, kith_buf_peek(&item));
    }
    kith_buf_wipe(&item);
    return err;
}

kith_err e2e_kept_decode(struct kith_slice items, const struct e2e_kept_form *form, struct e2e_kept *out)
{
    struct kith_slice item = {0};
    size_t count = 0;
    kith_err err = e2e_tlv_count_items(items, &count);

    if (err != KITH_OK || count > form->count_max) return KITH_E_MALFORMED;
    if (count == 0) return KITH_OK;
    out->keys = calloc(count, sizeof *out->keys);
    if (out->keys == NULL) return KITH_E_NOMEM;
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        err = e2e_tlv_next_item(&items, &item);
        if (err == KITH_OK) err = form->decode(item, &out->keys[i]);
        if (err != KITH_OK) return err;
    }
    return KITH_OK;
}

void e2e_kept_free(struct e2e_kept *kept)
{
    if (kept->keys != NULL) e2e_wipe(kept->keys, kept->count * sizeof *kept->keys);
    free(kept->keys);
    *kept = (struct e2e_kept){0};
}
