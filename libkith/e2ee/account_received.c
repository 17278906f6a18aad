#include <stdlib.h>

#include "libkith/e2ee/account_impl.h"

/* Chains of other devices, by group and device: nobody takes another's id away. */

struct received_chain *account_received_find(const struct e2e_account *account, const struct received_key *key,
                                             const uint8_t chain_id[static E2E_CHAIN_ID_BYTES])
{
    struct received **found = kith_map_find(&account->received, key);

    for (uint32_t i = 0; found != NULL && i < (*found)->count; i++)
        if (memcmp((*found)->chains[i].id, chain_id, E2E_CHAIN_ID_BYTES) == 0) return &(*found)->chains[i];
    return NULL;
}

static bool is_needed(const struct e2e_account *account, const struct received_key *key)
{
    const struct group_place *place = account_group_find(account, key->chat_id);
    const struct person *person = account_person_find(account, key->account_id);

    return place != NULL && person != NULL && person->list != NULL &&
           e2e_group_find(place->group, key->account_id) != NULL &&
           e2e_device_find(person->list, kith_get_u32_be(key->device_id)) != NULL;
}

static void chains_drop(struct e2e_account *account, const struct received_key *key, struct received *received)
{
    for (uint32_t i = 0; i < received->count; i++) {
        account_drop_received(account, key, &received->chains[i]);
        e2e_receiver_chain_free(received->chains[i].chain);
    }
    received->count = 0;
}

static void forget(struct e2e_account *account, const struct received_key *key)
{
    struct received *received = *(struct received **)kith_map_find(&account->received, key);

    chains_drop(account, key, received);
    free(received);
    (void)kith_map_remove(&account->received, key);
}

void account_received_drop(struct e2e_account *account, const struct person *person)
{
    const struct received_key *key = NULL;
    struct received **one = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->received, &at, (const void **)&key, (void **)&one))
        if (memcmp(key->account_id, person->account_id, sizeof key->account_id) == 0) chains_drop(account, key, *one);
}

void account_received_end(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    const struct received_key *key = NULL;
    struct received **one = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->received, &at, (const void **)&key, (void **)&one))
        if (memcmp(key->chat_id, chat_id, sizeof key->chat_id) == 0) chains_drop(account, key, *one);
}

/* All places are taken: one of a device that is nobody's any more, or of who left, is given up. */
static void make_room(struct e2e_account *account)
{
    const struct received_key *key = NULL;
    struct received **one = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->received, &at, (const void **)&key, (void **)&one)) {
        const struct received_key gone = *key;
        if (is_needed(account, &gone)) continue;
        forget(account, &gone);
        return;
    }
}

static kith_err place_put(struct e2e_account *account, const struct received_key *key, struct received **out)
{
    struct received **place = NULL;
    kith_err err = kith_map_add(&account->received, key, (void **)&place);

    if (err == KITH_OK) {
        *place = calloc(1, sizeof **place);
        if (*place == NULL) {
            (void)kith_map_remove(&account->received, key);
            return KITH_E_NOMEM;
        }
    } else if (err != KITH_E_CONFLICT) {
        return err;
    }
    *out = *place;
    return KITH_OK;
}

/* At its rank; the oldest goes when there is no room. Gives what was given up, chain NULL: nothing. */
static struct received_chain insert(struct received *received, const struct received_chain *one)
{
    struct received_chain gone = {0};
    uint32_t at = 0;

    while (at < received->count && received->chains[at].rank > one->rank) at++;
    if (received->count == RECEIVED_CHAINS_MAX) {
        if (at == RECEIVED_CHAINS_MAX) return *one;
        gone = received->chains[--received->count];
    }
    memmove(&received->chains[at + 1], &received->chains[at], (received->count - at) * sizeof received->chains[0]);
    received->chains[at] = *one;
    received->count++;
    return gone;
}

kith_err account_received_load(struct e2e_account *account, const struct received_key *key,
                               const struct received_chain *one)
{
    struct received_chain *known = account_received_find(account, key, one->id), gone;
    struct received *received = NULL;
    kith_err err;

    if (known != NULL) { /* the same record again */
        e2e_receiver_chain_free(known->chain);
        *known = *one;
        return KITH_OK;
    }
    err = place_put(account, key, &received);
    if (err != KITH_OK) return err;
    if (one->rank >= account->rank_next) account->rank_next = one->rank + 1;
    gone = insert(received, one);
    e2e_receiver_chain_free(gone.chain);
    return KITH_OK;
}

kith_err account_received_put(struct e2e_account *account, const struct received_key *key,
                              const uint8_t group_id[static E2E_GROUP_ID_BYTES], const struct e2e_chain_given *given)
{
    const struct received_chain *known = account_received_find(account, key, given->chain_id);
    struct received_chain one = {.rank = account->rank_next}, gone;
    struct e2e_chain_owner owner = {.device_id = kith_get_u32_be(key->device_id)};
    struct received *received = NULL;
    kith_err err;

    if (known != NULL) return e2e_receiver_chain_same(known->chain, given);
    memcpy(owner.group_id, group_id, sizeof owner.group_id);
    memcpy(owner.account_id, key->account_id, sizeof owner.account_id);
    memcpy(one.id, given->chain_id, sizeof one.id);
    err = e2e_receiver_chain_new(&owner, given, &one.chain);
    if (err != KITH_OK) return err;
    if (account->received.count == E2E_RECEIVED_MAX && kith_map_find(&account->received, key) == NULL)
        make_room(account);
    err = place_put(account, key, &received);
    if (err != KITH_OK) {
        e2e_receiver_chain_free(one.chain);
        return err;
    }
    account->rank_next++;
    account_ranks_reserve(account);
    gone = insert(received, &one);
    if (gone.chain != NULL) account_drop_received(account, key, &gone);
    e2e_receiver_chain_free(gone.chain);
    account_keep_received(account, key, &one);
    return KITH_OK;
}
