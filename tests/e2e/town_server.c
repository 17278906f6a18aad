#include <stdlib.h>

#include "town_group.h"

/* The server's part: device lists with their history, prekeys that are handed out once. */

struct town_person *town_person_of(struct town *town, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    for (size_t i = 0; i < town->person_count; i++)
        if (memcmp(town->people[i]->id, account_id, E2E_ACCOUNT_ID_BYTES) == 0) return town->people[i];
    return NULL;
}

struct town_device *town_device_of(struct town *town, const uint8_t server_device[static E2E_SERVER_DEVICE_BYTES])
{
    for (size_t i = 0; i < town->person_count; i++) {
        const struct town_person *person = town->people[i];
        for (size_t j = 0; j < person->device_count; j++)
            if (memcmp(person->devices[j]->server_device, server_device, E2E_SERVER_DEVICE_BYTES) == 0)
                return person->devices[j];
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ uploads */
static void to_wire(struct town *town, struct kith_slice bytes)
{
    town_need(kith_buf_append(&town->wire, bytes) == KITH_OK);
}

struct e2e_device_list *town_list_of(const struct town_person *person)
{
    struct e2e_device_list *list = calloc(1, sizeof *list);

    town_need(list != NULL && person->list_count > 0);
    town_need(e2e_device_list_read(kith_buf_peek(&person->lists[person->list_count - 1]), person->id, list) == KITH_OK);
    return list;
}

void town_list_put(struct town_person *person, struct kith_slice signed_list)
{
    struct kith_buf *place = &person->lists[person->list_count];

    town_need(person->list_count < TOWN_LISTS_MAX);
    kith_buf_init(place, E2E_SIGNED_LIST_BYTES_MAX);
    town_need(kith_buf_append(place, signed_list) == KITH_OK);
    person->list_count++;
    person->list_seq++;
}

/* The next one, or the newest again with more acceptances. */
static void take_list(struct town_person *person, struct kith_slice signed_list)
{
    struct e2e_device_list *list = calloc(1, sizeof *list);

    town_need(list != NULL && e2e_device_list_read(signed_list, person->id, list) == KITH_OK);
    if (list->seq == person->list_count) { kith_buf_deinit(&person->lists[--person->list_count]); }
    town_need(list->seq == person->list_count + 1);
    town_list_put(person, signed_list);
    free(list);
}

static void put_one(struct kith_buf *place, struct kith_slice prekey)
{
    if (prekey.len == 0) return;
    kith_buf_reset(place);
    town_need(kith_buf_append(place, prekey) == KITH_OK);
}

static bool has(const struct town_prekeys *prekeys, struct kith_slice item)
{
    for (size_t i = 0; i < prekeys->count; i++)
        if (kith_slice_eq(kith_buf_peek(&prekeys->items[i]), item)) return true;
    return false;
}

static void put_more(struct town_prekeys *prekeys, const struct kith_slice *items, size_t count)
{
    struct kith_buf *grown;

    if (count == 0) return;
    grown = realloc(prekeys->items, (prekeys->count + count) * sizeof *grown);
    town_need(grown != NULL);
    prekeys->items = grown;
    for (size_t i = 0; i < count; i++) {
        struct kith_buf *place = &prekeys->items[prekeys->count];
        if (has(prekeys, items[i])) continue;
        prekeys->count++;
        kith_buf_init(place, E2E_PREKEY_BYTES_MAX);
        town_need(kith_buf_append(place, items[i]) == KITH_OK);
    }
}

/* All that were not handed out go, but for those that come again. */
static void replace(struct town_prekeys *prekeys, const struct kith_slice *items, size_t count)
{
    size_t stays = prekeys->taken;

    for (size_t at = prekeys->taken; at < prekeys->count; at++) {
        bool comes = false;
        for (size_t i = 0; i < count; i++) comes |= kith_slice_eq(kith_buf_peek(&prekeys->items[at]), items[i]);
        if (comes)
            prekeys->items[stays++] = prekeys->items[at];
        else
            kith_buf_deinit(&prekeys->items[at]);
    }
    prekeys->count = stays;
}

static void left(const struct town_device *device, uint32_t *opks, uint32_t *kem_ots)
{
    const bool is_short = device->town->has_few_prekeys;

    *opks = is_short ? E2E_PREKEYS_MAX : (uint32_t)(device->opks.count - device->opks.taken);
    *kem_ots = is_short ? E2E_PREKEYS_MAX : (uint32_t)(device->kem_ots.count - device->kem_ots.taken);
}

static uint32_t lasting_id(const struct kith_buf *place, enum e2e_prekey_kind kind)
{
    struct e2e_prekey prekey;

    if (kith_buf_len(place) == 0) return 0;
    town_need(e2e_prekey_parse(kith_buf_peek(place), kind, &prekey) == KITH_OK);
    return prekey.id;
}

struct e2e_prekeys_left town_left(const struct town_device *device, uint32_t opk_count, uint32_t kem_ot_count)
{
    return (struct e2e_prekeys_left){.opk_count = opk_count,
                                     .kem_ot_count = kem_ot_count,
                                     .spk_id = lasting_id(&device->spk, E2E_PREKEY_SPK),
                                     .kem_lr_id = lasting_id(&device->kem_lr, E2E_PREKEY_KEM_LR)};
}

void town_say_left(struct town_device *device, uint32_t opk_count, uint32_t kem_ot_count)
{
    const struct e2e_prekeys_left there = town_left(device, opk_count, kem_ot_count);

    e2e_account_prekeys_left(device->account, device->town->now_ms, &there);
}

void town_look(struct town_device *device)
{
    uint32_t opks, kem_ots;

    left(device, &opks, &kem_ots);
    town_say_left(device, opks, kem_ots);
    town_upload(device);
}

void town_upload(struct town_device *device)
{
    struct e2e_upload *up = calloc(1, sizeof *up);
    uint32_t opks, kem_ots;

    town_need(up != NULL);
    while (e2e_account_upload(device->account, device->town->now_ms, up)) {
        to_wire(device->town, up->list);
        to_wire(device->town, up->spk);
        to_wire(device->town, up->kem_lr);
        for (uint32_t i = 0; i < up->opk_count; i++) to_wire(device->town, up->opks[i]);
        for (uint32_t i = 0; i < up->kem_ot_count; i++) to_wire(device->town, up->kem_ots[i]);
        if (up->list.len > 0) take_list(device->person, up->list);
        put_one(&device->spk, up->spk);
        put_one(&device->kem_lr, up->kem_lr);
        if (up->replaces) {
            replace(&device->opks, up->opks, up->opk_count);
            replace(&device->kem_ots, up->kem_ots, up->kem_ot_count);
        }
        put_more(&device->opks, up->opks, up->opk_count);
        put_more(&device->kem_ots, up->kem_ots, up->kem_ot_count);
        left(device, &opks, &kem_ots);
        if (town_call(device, NULL)) continue; /* killed before the answer came */
        e2e_account_uploaded(device->account, device->town->now_ms, opks, kem_ots);
        e2e_account_own_seq(device->account, device->person->list_seq);
        (void)town_call(device, NULL);
        town_say_left(device, opks, kem_ots);
    }
    free(up);
}

/* ------------------------------------------------------------------------------------------------ fetching */
kith_err town_fetch_list(struct town_device *device, struct town_person *of)
{
    const struct town *town = device->town;
    const struct e2e_device_list *pinned = e2e_account_person(device->account, of->id).list;
    size_t last = of->list_count - 1, from = pinned == NULL || pinned->seq > last ? last : (size_t)pinned->seq;
    kith_err err = KITH_E_NOTFOUND;

    if (of->is_deleted) {
        e2e_account_no_list(device->account, of->id, 0);
        (void)town_call(device, NULL);
    }
    if (of->list_count == 0 || of->is_deleted) return err;
    for (size_t i = from; i <= last; i++) {
        struct kith_slice list = kith_buf_peek(&of->lists[i]);
        if (town->show_list != NULL) town->show_list(town->arg, device, of, i, &list);
        if (list.len == 0) continue;
        err = e2e_account_list(device->account, town->now_ms, of->id, i == last ? of->list_seq : 0, list);
        (void)town_call(device, NULL);
    }
    return err;
}

void town_fetch_past(struct town_device *device, const struct town_person *of)
{
    const struct town *town = device->town;
    uint64_t after = 0;

    if (!e2e_account_past(device->account, of->id, &after)) return;
    for (size_t i = (size_t)after; i + 1 < of->list_count && i < after + TOWN_PAST_MAX; i++) {
        struct kith_slice list = kith_buf_peek(&of->lists[i]);
        if (town->show_list != NULL) town->show_list(town->arg, device, of, i, &list);
        if (list.len > 0) kith_ignore(e2e_account_list(device->account, town->now_ms, of->id, 0, list));
        (void)town_call(device, NULL);
    }
}

/* Handed out, and never again. */
static struct kith_slice take_one(struct town_prekeys *prekeys)
{
    if (prekeys->taken == prekeys->count) return (struct kith_slice){0};
    return kith_buf_peek(&prekeys->items[prekeys->taken++]);
}

static void fetch_bundle(struct town_device *device, const struct e2e_want *want)
{
    struct town *town = device->town;
    struct town_device *of = town_device_of(town, want->server_device);
    struct e2e_claimed claimed = {0};
    kith_err err = KITH_E_NOTFOUND;

    memcpy(claimed.account_id, want->account_id, sizeof claimed.account_id);
    memcpy(claimed.server_device, want->server_device, sizeof claimed.server_device);
    if (of != NULL && !of->person->is_deleted && kith_buf_len(&of->spk) > 0) {
        claimed.spk = kith_buf_peek(&of->spk);
        claimed.kem = take_one(&of->kem_ots);
        claimed.kem_is_last = claimed.kem.len == 0;
        if (claimed.kem_is_last) claimed.kem = kith_buf_peek(&of->kem_lr);
        claimed.opk = take_one(&of->opks);
        if (town->show_bundle != NULL) town->show_bundle(town->arg, device, &claimed);
        err = e2e_account_bundle(device->account, town->now_ms, &claimed);
    }
    (void)town_call(device, NULL);
    if (err != KITH_OK) e2e_account_no_bundle(device->account, town->now_ms, want->account_id, want->server_device);
}

void town_fetch(struct town_device *device, const struct e2e_wants *wants)
{
    for (uint32_t i = 0; i < wants->count; i++) {
        const struct e2e_want *want = &wants->items[i];
        struct town_person *of = town_person_of(device->town, want->account_id);
        const struct town_group *group = town_group_of(device->town, want->account_id);
        if (want->kind == E2E_WANT_BUNDLE)
            fetch_bundle(device, want);
        else if (want->kind == E2E_WANT_OPS && group != NULL)
            kith_ignore(town_group_fetch(device, group));
        else if (of != NULL && want->kind == E2E_WANT_PAST)
            town_fetch_past(device, of);
        else if (of != NULL)
            (void)town_fetch_list(device, of);
    }
}
