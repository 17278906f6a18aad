#include <stdlib.h>

#include "libkith/e2ee/account_resend_impl.h"

/*
 * The chain that this device sends with in a large group, and which devices have it. A new one is drawn as soon as one of
 * them is a member's device no more: what is written then is not for it.
 */

_Static_assert(sizeof(struct chain_reader) == CHAIN_READER_BYTES, "no gaps in it");

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct chain_reader));
}

static struct chain_reader reader_of(const struct person *person, const struct e2e_device *device)
{
    struct chain_reader reader;

    memcpy(reader.account_id, person->account_id, sizeof reader.account_id);
    kith_put_u32_be(reader.device_id, device->device_id);
    memcpy(reader.dsk_pub, device->dsk_pub, sizeof reader.dsk_pub);
    return reader;
}

static void readers_free(struct chain_readers *readers)
{
    free(readers->all);
    *readers = (struct chain_readers){0};
}

static void own_free(struct own_chain *own)
{
    e2e_sender_chain_free(own->chain);
    readers_free(&own->readers);
    readers_free(&own->offered);
    readers_free(&own->giving);
    free(own);
}

struct own_chain *account_chain_put(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    struct own_chain **place = NULL;
    kith_err err = kith_map_add(&account->own_chains, chat_id, (void **)&place);

    if (err == KITH_E_CONFLICT) return *place;
    if (err != KITH_OK) return NULL;
    *place = calloc(1, sizeof **place);
    if (*place == NULL) (void)kith_map_remove(&account->own_chains, chat_id);
    return *place;
}

void account_chains_free(struct e2e_account *account)
{
    struct own_chain **own = NULL;
    struct received **received = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->own_chains, &at, NULL, (void **)&own)) own_free(*own);
    kith_map_deinit(&account->own_chains);
    at = 0;
    while (kith_map_next(&account->received, &at, NULL, (void **)&received)) {
        for (uint32_t i = 0; i < (*received)->count; i++) e2e_receiver_chain_free((*received)->chains[i].chain);
        free(*received);
    }
    kith_map_deinit(&account->received);
}

/* ------------------------------------------------------------------------------------------------ when it is a new one */

static bool still_reads(const struct e2e_account *account, const struct e2e_group *group,
                        const struct chain_reader *reader)
{
    const struct person *person = account_person_find(account, reader->account_id);
    const struct e2e_device *device;

    if (person == NULL || person->list == NULL || e2e_group_find(group, reader->account_id) == NULL) return false;
    device = e2e_device_find(person->list, kith_get_u32_be(reader->device_id));
    return device != NULL && memcmp(device->dsk_pub, reader->dsk_pub, sizeof reader->dsk_pub) == 0;
}

static bool all_still_read(const struct e2e_account *account, const struct e2e_group *group,
                           const struct chain_readers *readers)
{
    for (uint32_t i = 0; i < readers->count; i++)
        if (!still_reads(account, group, &readers->all[i])) return false;
    return true;
}

/* Nobody has it yet. */
static kith_err draw(struct e2e_account *account, const struct group_place *place, uint64_t now_ms,
                     struct own_chain *own)
{
    struct e2e_chain_owner owner = {.device_id = account->self.device_id};
    struct e2e_sender_chain *chain = NULL;
    kith_err err;

    memcpy(owner.group_id, place->group->group_id, sizeof owner.group_id);
    memcpy(owner.account_id, account->config.account_id, sizeof owner.account_id);
    err = e2e_sender_chain_new(&account->config.random, &owner, now_ms, &chain);
    if (err != KITH_OK) return err;
    e2e_sender_chain_free(own->chain);
    own->chain = chain;
    readers_free(&own->readers);
    readers_free(&own->offered);
    readers_free(&own->giving);
    account_keep_own_chain(account, place->chat_id, own);
    account_keep_readers(account, place->chat_id, own);
    return KITH_OK;
}

kith_err account_chain_for(struct e2e_account *account, const struct group_place *place, uint64_t now_ms,
                           struct own_chain **out)
{
    struct own_chain *own = account_chain_put(account, place->chat_id);

    *out = own;
    if (own == NULL) return KITH_E_NOMEM;
    if (own->chain != NULL && !e2e_sender_chain_is_used_up(own->chain, now_ms) &&
        all_still_read(account, place->group, &own->readers) && all_still_read(account, place->group, &own->offered))
        return KITH_OK;
    return draw(account, place, now_ms, own);
}

static enum e2e_chain_due due_of(const struct e2e_account *account, const struct e2e_group *group,
                                 const struct own_chain *own, uint64_t now_ms)
{
    if (!all_still_read(account, group, &own->readers) || !all_still_read(account, group, &own->giving))
        return E2E_CHAIN_GONE;
    if (!e2e_sender_chain_is_used_up(own->chain, now_ms)) return E2E_CHAIN_GOES_ON;
    return e2e_sender_chain_facts(own->chain).sent >= E2E_CHAIN_MESSAGES_MAX ? E2E_CHAIN_USED_UP : E2E_CHAIN_OLD;
}

bool e2e_account_chain(const struct e2e_account *account, uint64_t now_ms, const uint8_t chat_id[static E2E_ID_BYTES],
                       struct e2e_chain_view *out)
{
    const struct group_place *place = account_group_find(account, chat_id);
    struct own_chain **found = kith_map_find(&account->own_chains, chat_id);

    *out = (struct e2e_chain_view){.due = E2E_CHAIN_NONE};
    if (place == NULL) return false;
    out->is_common = account_is_large(account, place->group);
    if (found == NULL || (*found)->chain == NULL) return true;
    out->due = due_of(account, place->group, *found, now_ms);
    out->created_at_ms = e2e_sender_chain_facts((*found)->chain).created_at_ms;
    out->sent = e2e_sender_chain_facts((*found)->chain).sent;
    out->reader_count = (*found)->readers.count;
    return true;
}

/* ------------------------------------------------------------------------------------------------ who has it */

static bool is_among(const struct chain_readers *readers, const struct chain_reader *reader)
{
    return readers->count > 0 && bsearch(reader, readers->all, readers->count, sizeof *reader, by_bytes) != NULL;
}

bool account_chain_has(const struct own_chain *own, const struct person *person, const struct e2e_device *device)
{
    const struct chain_reader reader = reader_of(person, device);

    return is_among(&own->readers, &reader);
}

static kith_err readers_reserve(struct chain_readers *readers, uint32_t more)
{
    struct chain_reader *grown = realloc(readers->all, ((size_t)readers->count + more) * sizeof *grown);

    if (grown == NULL) return KITH_E_NOMEM;
    readers->all = grown;
    return KITH_OK;
}

void account_chain_gift(struct own_chain *own, const uint8_t msg_id[static E2E_ID_BYTES])
{
    readers_free(&own->giving);
    memcpy(own->giving_id, msg_id, sizeof own->giving_id);
}

/* Those that `readers` has not yet, of which it is sorted. There is room. */
static void readers_merge(struct chain_readers *readers, const struct chain_readers *more)
{
    const struct chain_readers before = *readers;

    for (uint32_t i = 0; i < more->count; i++)
        if (!is_among(&before, &more->all[i])) readers->all[readers->count++] = more->all[i];
    if (readers->count > 0) qsort(readers->all, readers->count, sizeof readers->all[0], by_bytes);
}

static void readers_take_out(struct chain_readers *readers, const struct chain_readers *gone)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < readers->count; i++)
        if (!is_among(gone, &readers->all[i])) readers->all[count++] = readers->all[i];
    readers->count = count;
}

kith_err account_chain_gives(struct own_chain *own, const struct person *person, const struct e2e_device *device)
{
    const uint32_t others = own->readers.count + own->offered.count + own->giving.count;
    kith_err err = others < CHAIN_READERS_MAX ? readers_reserve(&own->giving, 1) : KITH_E_FULL;

    if (err == KITH_OK) own->giving.all[own->giving.count++] = reader_of(person, device);
    return err;
}

kith_err account_chain_offer(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                             struct own_chain *own)
{
    kith_err err = readers_reserve(&own->offered, own->giving.count);

    if (err != KITH_OK) return err;
    readers_merge(&own->offered, &own->giving);
    account_keep_readers(account, chat_id, own);
    return KITH_OK;
}

/* Without memory they are given it once more, which is no news to them. */
void account_chain_given(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                         const uint8_t msg_id[static E2E_ID_BYTES])
{
    struct own_chain **found = kith_map_find(&account->own_chains, chat_id), *own;

    if (found == NULL || (*found)->giving.count == 0) return;
    own = *found;
    if (memcmp(own->giving_id, msg_id, sizeof own->giving_id) != 0) return;
    if (readers_reserve(&own->readers, own->giving.count) == KITH_OK) {
        readers_merge(&own->readers, &own->giving);
        readers_take_out(&own->offered, &own->readers);
        account_keep_readers(account, chat_id, own);
    }
    readers_free(&own->giving);
}

/* They are named by no device's key any more: whoever comes back is given another chain, however soon. */
static uint32_t readers_void(struct chain_readers *readers, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < readers->count; i++) {
        if (memcmp(readers->all[i].account_id, account_id, E2E_ACCOUNT_ID_BYTES) != 0) continue;
        memset(readers->all[i].dsk_pub, 0, sizeof readers->all[i].dsk_pub);
        count++;
    }
    if (count > 0) qsort(readers->all, readers->count, sizeof readers->all[0], by_bytes);
    return count;
}

void account_chain_void(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                        const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    struct own_chain **found = kith_map_find(&account->own_chains, chat_id), *own;

    if (found == NULL) return;
    own = *found;
    (void)readers_void(&own->giving, account_id);
    if (readers_void(&own->readers, account_id) + readers_void(&own->offered, account_id) > 0)
        account_keep_readers(account, chat_id, own);
}

void account_chain_end(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    struct own_chain **found = kith_map_find(&account->own_chains, chat_id);

    if (found == NULL) return;
    own_free(*found);
    (void)kith_map_remove(&account->own_chains, chat_id);
    account_drop_one(account, 'C', chat_id, E2E_ID_BYTES);
    account_drop_one(account, 'D', chat_id, E2E_ID_BYTES);
}

/* It had it: who asks cannot use it, or this device was put back and uses it a second time. Without memory nothing is done. */
void account_chain_asked(struct e2e_account *account, const struct group_place *place, uint64_t now_ms,
                         const struct person *person, const struct e2e_device *device)
{
    struct own_chain **found = kith_map_find(&account->own_chains, place->chat_id), *own;
    struct chain_reader reader = reader_of(person, device);
    const struct chain_readers asks = {.all = &reader, .count = 1};
    uint64_t asked_ms;

    if (found == NULL || (*found)->chain == NULL || !is_among(&(*found)->readers, &reader)) return;
    own = *found;
    asked_ms = own->asked_ms;
    if (asked_ms == 0 || account_is_past(now_ms, asked_ms, E2E_RESEND_MS)) {
        own->asked_ms = now_ms;
        if (draw(account, place, now_ms, own) != KITH_OK) own->asked_ms = asked_ms;
    } else if (readers_reserve(&own->offered, 1) == KITH_OK) {
        readers_merge(&own->offered, &asks);
        readers_take_out(&own->readers, &asks);
        account_keep_readers(account, place->chat_id, own);
    }
}
