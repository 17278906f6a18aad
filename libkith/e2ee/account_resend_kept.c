#include <stdlib.h>

#include "libkith/e2ee/account_resend_impl.h"

/* What is lost of a device, and what it was given again: where it stands, how it is kept, and when it goes. */

struct resend_peer *account_resend_find(const struct e2e_account *account, const struct peer_key *key)
{
    struct resend_peer **found = kith_map_find(&account->resends, key);

    return found == NULL ? NULL : *found;
}

static void one_free(struct resend_peer *one)
{
    free(one->lost);
    free(one->given);
    free(one);
}

static void forget(struct e2e_account *account, struct resend_peer *one)
{
    const struct peer_key key = one->key;

    account_drop_one(account, 'U', (const uint8_t *)&key, sizeof key);
    account_drop_one(account, 'W', (const uint8_t *)&key, sizeof key);
    one_free(one);
    (void)kith_map_remove(&account->resends, &key);
}

/* ------------------------------------------------------------------------------------------------ what is too old */
static bool is_lost_still(const struct lost_item *lost, uint64_t now_ms)
{
    if (lost->expires_ms != 0 && now_ms >= lost->expires_ms) return false;
    return now_ms < lost->noted_ms || now_ms - lost->noted_ms < E2E_LOST_MS;
}

bool account_resend_trim(struct e2e_account *account, uint64_t now_ms, struct resend_peer *one)
{
    uint32_t lost = 0, old = 0;

    for (uint32_t i = 0; i < one->lost_count; i++)
        if (is_lost_still(&one->lost[i], now_ms)) one->lost[lost++] = one->lost[i];
    if (lost < one->lost_count) {
        one->lost_count = lost;
        account_keep_lost(account, one);
    }
    /* In their order, but for a clock that was set back: then later. */
    while (old < one->given_count && now_ms >= one->given[old].given_ms &&
           now_ms - one->given[old].given_ms >= E2E_GIVEN_MS)
        old++;
    if (old > 0) {
        one->given_count -= old;
        memmove(one->given, one->given + old, one->given_count * sizeof one->given[0]);
        account_keep_given(account, one);
    }
    return one->lost_count > 0 || one->given_count > 0 || one->is_broken ||
           (one->healed_ms != 0 && !account_is_past(now_ms, one->healed_ms, E2E_RESEND_MS));
}

void account_resends_sweep(struct e2e_account *account, uint64_t now_ms)
{
    struct resend_peer **one = NULL, *idle = NULL;
    uint32_t at = 0;

    /* Nothing may be removed on the way, so that each round takes one out. */
    do {
        if (idle != NULL) forget(account, idle);
        idle = NULL;
        at = 0;
        while (idle == NULL && kith_map_next(&account->resends, &at, NULL, (void **)&one))
            if (!account_resend_trim(account, now_ms, *one)) idle = *one;
    } while (idle != NULL);
}

/*
 * Of one of which nothing else is known than that it is to be begun anew with, which may never come about: of whoever nothing is said to.
 * It gives way; else a server with so many devices that send what does not open could have all others forgotten for good.
 */
static void make_room(struct e2e_account *account, uint64_t now_ms)
{
    struct resend_peer **one = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->resends, &at, NULL, (void **)&one)) {
        const uint64_t healed_ms = (*one)->healed_ms;
        if ((*one)->lost_count + (*one)->given_count > 0) continue;
        if (healed_ms != 0 && !account_is_past(now_ms, healed_ms, E2E_RESEND_MS)) continue;
        forget(account, *one);
        return;
    }
}

kith_err account_resend_put(struct e2e_account *account, uint64_t now_ms, const struct peer_key *key,
                            struct resend_peer **out)
{
    struct resend_peer **place = NULL;
    kith_err err = kith_map_add(&account->resends, key, (void **)&place);

    if (err == KITH_E_FULL) {
        account_resends_sweep(account, now_ms);
        if (account->resends.count == E2E_LOST_PEERS_MAX) make_room(account, now_ms);
        err = kith_map_add(&account->resends, key, (void **)&place);
    }
    *out = err == KITH_E_CONFLICT ? *place : NULL;
    if (err == KITH_E_CONFLICT) return KITH_OK;
    if (err != KITH_OK) return err;
    *place = calloc(1, sizeof **place);
    if (*place == NULL) {
        (void)kith_map_remove(&account->resends, key);
        return KITH_E_NOMEM;
    }
    (*place)->key = *key;
    *out = *place;
    return KITH_OK;
}

void account_resends_drop(struct e2e_account *account, const struct person *person, const struct e2e_device_list *but)
{
    struct resend_peer **one = NULL, *gone = NULL;
    uint32_t at = 0;

    do {
        if (gone != NULL) forget(account, gone);
        gone = NULL;
        at = 0;
        while (gone == NULL && kith_map_next(&account->resends, &at, NULL, (void **)&one)) {
            if (memcmp((*one)->key.account_id, person->account_id, E2E_ACCOUNT_ID_BYTES) != 0) continue;
            if (but == NULL || e2e_device_find(but, kith_get_u32_be((*one)->key.device_id)) == NULL) gone = *one;
        }
    } while (gone != NULL);
}

void account_resends_free(struct e2e_account *account)
{
    struct resend_peer **one = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->resends, &at, NULL, (void **)&one)) one_free(*one);
    kith_map_deinit(&account->resends);
}

/* ------------------------------------------------------------------------------------------------ records */
static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    kith_put_u64_be(at, value);
    return at + 8;
}

static uint64_t get_u64(const uint8_t **at)
{
    *at += 8;
    return kith_get_u64_be(*at - 8);
}

void account_keep_lost(struct e2e_account *account, const struct resend_peer *one)
{
    uint8_t bytes[1 + 8 + E2E_LOST_MAX * LOST_ITEM_BYTES], *at = bytes;

    *at++ = one->is_broken;
    at = put_u64(at, one->healed_ms);
    for (uint32_t i = 0; i < one->lost_count; i++) {
        const struct lost_item *lost = &one->lost[i];
        memcpy(at, lost->item.chat_id, E2E_ID_BYTES);
        at = put_u64(at + E2E_ID_BYTES, lost->item.seq);
        memcpy(at, lost->item.msg_id, E2E_ID_BYTES);
        at += E2E_ID_BYTES;
        *at++ = lost->is_group;
        at = put_u64(at, lost->created_ms);
        at = put_u64(at, lost->expires_ms);
        at = put_u64(at, lost->noted_ms);
        at = put_u64(at, lost->asked_ms);
        *at++ = lost->asks;
    }
    account_keep_bytes(account, 'U', (const uint8_t *)&one->key, sizeof one->key,
                       kith_slice_of(bytes, (size_t)(at - bytes)));
}

void account_keep_given(struct e2e_account *account, const struct resend_peer *one)
{
    uint8_t bytes[E2E_GIVEN_MAX * GIVEN_ITEM_BYTES], *at = bytes;

    for (uint32_t i = 0; i < one->given_count; i++) {
        memcpy(at, one->given[i].msg_id, E2E_ID_BYTES);
        at = put_u64(at + E2E_ID_BYTES, one->given[i].given_ms);
    }
    if (at == bytes)
        account_drop_one(account, 'W', (const uint8_t *)&one->key, sizeof one->key);
    else
        account_keep_bytes(account, 'W', (const uint8_t *)&one->key, sizeof one->key,
                           kith_slice_of(bytes, (size_t)(at - bytes)));
}

static void read_lost(const uint8_t *at, struct lost_item *out)
{
    memcpy(out->item.chat_id, at, E2E_ID_BYTES);
    at += E2E_ID_BYTES;
    out->item.seq = get_u64(&at);
    memcpy(out->item.msg_id, at, E2E_ID_BYTES);
    at += E2E_ID_BYTES;
    out->is_group = *at++ != 0;
    out->created_ms = get_u64(&at);
    out->expires_ms = get_u64(&at);
    out->noted_ms = get_u64(&at);
    out->asked_ms = get_u64(&at);
    out->asks = *at;
}

/* In place of what was there: the same record may come again. */
static kith_err load_lost(struct resend_peer *one, struct kith_slice in)
{
    const uint32_t count = (uint32_t)((in.len - 9) / LOST_ITEM_BYTES);
    const uint8_t *at = in.ptr + 1;
    struct lost_item *lost = calloc(count + 1, sizeof *lost);

    if (lost == NULL) return KITH_E_NOMEM;
    one->is_broken = in.ptr[0] != 0;
    one->healed_ms = get_u64(&at);
    for (uint32_t i = 0; i < count; i++, at += LOST_ITEM_BYTES) read_lost(at, &lost[i]);
    free(one->lost);
    one->lost = lost;
    one->lost_count = count;
    return KITH_OK;
}

static kith_err load_given(struct resend_peer *one, struct kith_slice in)
{
    const uint32_t count = (uint32_t)(in.len / GIVEN_ITEM_BYTES);
    const uint8_t *at = in.ptr;
    struct given_item *given = calloc(count, sizeof *given);

    if (given == NULL) return KITH_E_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(given[i].msg_id, at, E2E_ID_BYTES);
        at += E2E_ID_BYTES;
        given[i].given_ms = get_u64(&at);
    }
    free(one->given);
    one->given = given;
    one->given_count = count;
    return KITH_OK;
}

kith_err account_resend_load(struct e2e_account *account, bool is_lost, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[][1] = {{{1, GIVEN_ITEM_BYTES, E2E_GIVEN_MAX * GIVEN_ITEM_BYTES, false}},
                                                     {{1, 9, 9 + E2E_LOST_MAX * LOST_ITEM_BYTES, false}}};
    struct resend_peer *one = NULL;
    struct peer_key of;
    struct kith_slice value;
    kith_err err = e2e_tlv_decode(in, fields[is_lost], 1, &value);

    if (err != KITH_OK) return err;
    if (key.len != sizeof of) return KITH_E_MALFORMED;
    if (is_lost ? (value.len - 9) % LOST_ITEM_BYTES != 0 : value.len % GIVEN_ITEM_BYTES != 0) return KITH_E_MALFORMED;
    memcpy(&of, key.ptr, sizeof of);
    err = account_resend_put(account, 0, &of, &one);
    if (err != KITH_OK) return err;
    return is_lost ? load_lost(one, value) : load_given(one, value);
}
