#include <stdlib.h>

#include "libkith/e2ee/account_impl.h"

/*
 * Devices that a person had once: what they signed in a group stays valid. Those that a list removes are remembered as it is
 * pinned. Older ones come of lists of the past, and those count when the chain of their hashes leads to the oldest list
 * that is known: whoever has stolen a list key cannot sign another past than that one.
 */

static void walk_end(struct e2e_account *account)
{
    free(account->walk);
    account->walk = NULL;
}

void account_past_free(struct person *person)
{
    free(person->past.gone);
    person->past = (struct person_past){0};
}

static struct past_device *device_find(struct past_device *all, uint32_t count, uint32_t device_id)
{
    for (uint32_t i = 0; i < count; i++)
        if (all[i].device_id == device_id) return &all[i];
    return NULL;
}

static struct past_device device_of(const struct e2e_device *device, uint64_t seq)
{
    struct past_device past = {.device_id = device->device_id, .last_seq = seq};

    memcpy(past.dsk_pub, device->dsk_pub, sizeof past.dsk_pub);
    return past;
}

/* Those of `had` that are in `now` no more. */
static kith_err gone_add(struct person_past *past, const struct past_device *had, uint32_t count,
                         const struct e2e_device_list *now)
{
    struct past_device *grown;
    uint32_t more = 0;

    for (uint32_t i = 0; i < count; i++) more += e2e_device_find(now, had[i].device_id) == NULL;
    if (more == 0) return KITH_OK;
    grown = realloc(past->gone, (past->gone_count + more) * sizeof *grown);
    if (grown == NULL) return KITH_E_NOMEM;
    past->gone = grown;
    for (uint32_t i = 0; i < count; i++) {
        if (e2e_device_find(now, had[i].device_id) != NULL) continue;
        if (device_find(past->gone, past->gone_count, had[i].device_id) != NULL) continue; /* it was there later, too */
        if (past->gone_count == E2E_REMOVED_MAX) return KITH_E_FULL;
        past->gone[past->gone_count++] = had[i];
    }
    return KITH_OK;
}

/* Nothing is known of what was before it. */
static void begin_at(struct person *person, const struct e2e_device_list *first)
{
    account_past_free(person);
    person->past.from_seq = first->seq;
    memcpy(person->past.prev_hash, first->prev_hash, sizeof person->past.prev_hash);
}

kith_err account_past_step(struct person *person, const struct e2e_device_list *next)
{
    const struct e2e_device_list *before = person->list;
    struct past_device had[E2E_DEVICES_MAX];

    if (before == NULL || memcmp(before->ark_pub, next->ark_pub, sizeof next->ark_pub) != 0) {
        begin_at(person, next);
        return KITH_OK;
    }
    for (uint32_t i = 0; i < before->device_count; i++) had[i] = device_of(&before->devices[i], before->seq);
    return gone_add(&person->past, had, before->device_count, next);
}

/* ------------------------------------------------------------------------------------------------ lists of the past */

static bool walk_is_of(const struct past_walk *walk, const struct person *person)
{
    return walk != NULL && memcmp(walk->account_id, person->account_id, E2E_ACCOUNT_ID_BYTES) == 0;
}

/* The list that is wanted. */
static void walk_begin(struct e2e_account *account, const struct e2e_device_list *first)
{
    struct past_walk *walk = calloc(1, sizeof *walk);

    walk_end(account);
    if (walk == NULL) return; /* asked for again */
    memcpy(walk->account_id, first->account_id, sizeof walk->account_id);
    memcpy(walk->prev_hash, first->prev_hash, sizeof walk->prev_hash);
    walk->first_seq = first->seq;
    account->walk = walk;
}

static bool walk_goes_on(const struct past_walk *walk, const struct e2e_device_list *list)
{
    return list->seq == walk->last_seq + 1 && memcmp(list->prev_hash, walk->last_hash, sizeof walk->last_hash) == 0;
}

static bool walk_note(struct past_walk *walk, const struct e2e_device_list *list)
{
    for (uint32_t i = 0; i < list->device_count; i++) {
        struct past_device *known = device_find(walk->had, walk->had_count, list->devices[i].device_id);
        if (known == NULL && walk->had_count == PAST_WALK_MAX) return false;
        if (known == NULL) known = &walk->had[walk->had_count++];
        *known = device_of(&list->devices[i], list->seq);
    }
    walk->last_seq = list->seq;
    memcpy(walk->last_hash, list->hash, sizeof walk->last_hash);
    return true;
}

/* It has led to a list that is known: what it found is believed. */
static void walk_arrive(const struct past_walk *walk, struct person *person)
{
    struct person_past *past = &person->past;

    if (memcmp(walk->last_hash, past->prev_hash, sizeof past->prev_hash) != 0) return;
    if (gone_add(past, walk->had, walk->had_count, person->list) != KITH_OK) return; /* asked for again */
    past->from_seq = walk->first_seq;
    memcpy(past->prev_hash, walk->prev_hash, sizeof past->prev_hash);
    past->wanted_seq = 0;
}

void account_past_list(struct e2e_account *account, struct person *person, const struct e2e_device_list *list)
{
    struct person_past *past = &person->past;

    if (past->wanted_seq == 0 || list->seq < past->wanted_seq || list->seq >= past->from_seq) return;
    if (list->seq == past->wanted_seq) {
        walk_begin(account, list);
    } else if (walk_is_of(account->walk, person) && !walk_goes_on(account->walk, list)) {
        walk_end(account); /* one of them was not what it should be: from the start again */
    }
    if (!walk_is_of(account->walk, person)) return;
    if (!walk_note(account->walk, list)) {
        walk_end(account);
    } else if (list->seq + 1 == past->from_seq) {
        walk_arrive(account->walk, person);
        walk_end(account);
    }
}

bool e2e_account_past(const struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                      uint64_t *after)
{
    const struct person *person = account_person_find(account, account_id);

    if (person == NULL || person->past.wanted_seq == 0) return false;
    *after = walk_is_of(account->walk, person) ? account->walk->last_seq : person->past.wanted_seq - 1;
    return true;
}

/* ------------------------------------------------------------------------------------------------ whose key it was */

kith_err account_past_device(struct e2e_account *account, struct person *person, uint32_t device_id, uint64_t list_seq,
                             const struct past_device **out)
{
    struct person_past *past = &person->past;

    *out = device_find(past->gone, past->gone_count, device_id);
    if (*out != NULL) return list_seq <= (*out)->last_seq ? KITH_OK : KITH_E_NOTFOUND;
    if (list_seq >= past->from_seq || !e2e_device_is_removed(person->list, device_id)) return KITH_E_NOTFOUND;
    if (past->wanted_seq == 0 || list_seq < past->wanted_seq) {
        if (walk_is_of(account->walk, person)) walk_end(account);
        past->wanted_seq = list_seq;
    }
    return KITH_E_AGAIN;
}
