#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_impl.h"

/* What is pinned of everybody, the own account too, and what a list that was fetched does to it. */

struct person *account_person_find(const struct e2e_account *account,
                                   const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    struct person **found = kith_map_find(&account->people, account_id);

    return found == NULL ? NULL : *found;
}

struct person *account_person_put(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    struct person **place = NULL;
    kith_err err = kith_map_add(&account->people, account_id, (void **)&place);

    if (err == KITH_E_CONFLICT) return *place;
    if (err != KITH_OK) return NULL;
    *place = calloc(1, sizeof **place);
    if (*place == NULL) {
        (void)kith_map_remove(&account->people, account_id);
        return NULL;
    }
    memcpy((*place)->account_id, account_id, E2E_ACCOUNT_ID_BYTES);
    kith_buf_init(&(*place)->signed_list, E2E_SIGNED_LIST_BYTES_MAX);
    return *place;
}

void account_people_free(struct e2e_account *account)
{
    struct person **person = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->people, &at, NULL, (void **)&person)) {
        kith_buf_deinit(&(*person)->signed_list);
        account_past_free(*person);
        free((*person)->list);
        free(*person);
    }
    kith_map_deinit(&account->people);
    free(account->walk);
    account->walk = NULL;
}

kith_err account_person_pin(struct person *person, const struct e2e_device_list *list, struct kith_slice signed_list)
{
    struct e2e_device_list *copy = person->list != NULL ? person->list : malloc(sizeof *copy);
    struct kith_buf bytes;
    kith_err err;

    if (copy == NULL) return KITH_E_NOMEM;
    kith_buf_init(&bytes, E2E_SIGNED_LIST_BYTES_MAX);
    err = kith_buf_append(&bytes, signed_list);
    if (err == KITH_OK) err = account_past_step(person, list);
    if (err != KITH_OK) {
        kith_buf_deinit(&bytes);
        if (person->list == NULL) free(copy);
        return err;
    }
    *copy = *list;
    person->list = copy;
    kith_buf_deinit(&person->signed_list);
    person->signed_list = bytes;
    return KITH_OK;
}

/*
 * An expired list may lose devices, and gains none: whoever holds back the newer ones, which may say that a device was
 * removed, gets no session with it. It is pinned all the same, since a fresh one may follow it.
 */
void account_person_know(struct person *person, uint64_t now_ms)
{
    const bool is_fresh = person->list->expires_at_ms > now_ms;
    uint32_t known[E2E_DEVICES_MAX], count = 0;

    for (uint32_t i = 0; i < person->list->device_count; i++) {
        const uint32_t id = person->list->devices[i].device_id;
        if (is_fresh || account_person_knows(person, id)) known[count++] = id;
    }
    memcpy(person->known, known, count * sizeof known[0]);
    person->known_count = count;
}

bool account_person_knows(const struct person *person, uint32_t device_id)
{
    for (uint32_t i = 0; i < person->known_count; i++)
        if (person->known[i] == device_id) return true;
    return false;
}

bool account_person_is_stale(const struct person *person)
{
    return person->is_stale || person->list == NULL || person->list->seq < person->seen_seq;
}

/* The own root key is ours to know: a list of the own account under another one is no reset but a lie. */
static bool is_own(const struct e2e_account *account, const struct person *person)
{
    return memcmp(account->config.account_id, person->account_id, E2E_ACCOUNT_ID_BYTES) == 0;
}

kith_err account_person_forked(struct e2e_account *account, struct person *person)
{
    person->trust = E2E_TRUST_FORKED;
    account_keep_person(account, person);
    return KITH_E_CONFLICT;
}

/*
 * Another root key. Nobody had checked the old one: taken, and said. Somebody had: nothing is sent until they act. What was
 * written before goes to nobody but those it was written to, and no session outlives them: a device of the new identity
 * may bear the number of one of the old.
 */
static kith_err identity_changed(struct e2e_account *account, struct person *person, uint64_t now_ms,
                                 const struct e2e_device_list *list, struct kith_slice signed_list)
{
    kith_err err = account_person_pin(person, list, signed_list);

    if (err != KITH_OK) return err;
    account_peers_drop(account, person);
    account_received_drop(account, person);
    person->known_count = 0;
    person->seen_seq = 0;
    person->reset_at_ms = now_ms;
    person->was_reset = true;
    if (person->trust == E2E_TRUST_VERIFIED) person->trust = E2E_TRUST_CHANGED;
    return KITH_OK;
}

static kith_err accept_add(struct person *me, const struct e2e_acceptance *accept)
{
    struct e2e_device_list *list = malloc(sizeof *list);
    struct kith_buf with;
    kith_err err = list == NULL ? KITH_E_NOMEM : KITH_OK;

    kith_buf_init(&with, E2E_SIGNED_LIST_BYTES_MAX);
    if (err == KITH_OK) err = e2e_device_list_add_acceptance(kith_buf_peek(&me->signed_list), accept, &with);
    if (err == KITH_OK) err = e2e_device_list_read(kith_buf_peek(&with), me->account_id, list);
    if (err == KITH_OK) err = account_person_pin(me, list, kith_buf_peek(&with));
    kith_buf_deinit(&with);
    free(list);
    return err;
}

/* A manager that had not seen this device's acceptance signed a list without it: it is added again. */
static void accept_again(struct e2e_account *account, struct person *me)
{
    struct e2e_acceptance ours = {.device_id = account->self.device_id};
    kith_err err = e2e_device_accept(account->self.dsk_secret, me->list, account_own_device(account), ours.signature);

    if (err == KITH_OK) err = accept_add(me, &ours);
    if (err != KITH_OK) return; /* when the list is fetched next */
    memcpy(account->self.acceptance, ours.signature, sizeof ours.signature);
    account->self.list_unsent = true;
    account_keep_person(account, me);
    account_keep_self(account);
}

/* The server has an older list than ours, which is still to be uploaded, with acceptances that came after we signed. */
static void accepts_gather(struct person *me, struct kith_slice older)
{
    struct e2e_acceptance accept;

    for (uint32_t i = 0; i < me->list->device_count; i++) {
        accept.device_id = me->list->devices[i].device_id;
        if (e2e_device_acceptance(kith_buf_peek(&me->signed_list), accept.device_id, accept.signature) == KITH_OK ||
            e2e_device_acceptance(older, accept.device_id, accept.signature) != KITH_OK)
            continue;
        kith_ignore(accept_add(me, &accept)); /* without it the upload is refused, and this is tried again */
    }
}

/* Whether this device still belongs to its account, and everybody can see that it wants to. */
static void look_at_own(struct e2e_account *account, struct person *me)
{
    const struct e2e_device *device = account_own_device(account);

    if (account->state != E2E_ACCOUNT_READY) return;
    if (device != NULL) {
        if (!device->is_accepted) accept_again(account, me);
        return;
    }
    account->state = E2E_ACCOUNT_REMOVED;
    account_keep_self(account);
}

static kith_err take_list(struct e2e_account *account, struct person *person, uint64_t now_ms,
                          const struct e2e_device_list *list, struct kith_slice signed_list)
{
    kith_err err;

    switch (e2e_device_list_compare(person->list, list)) {
    case E2E_LIST_FIRST:
        err = account_person_pin(person, list, signed_list);
        if (err == KITH_OK && person->trust == E2E_TRUST_UNKNOWN) person->trust = E2E_TRUST_KNOWN;
        return err;
    case E2E_LIST_SAME:
    case E2E_LIST_NEXT: return account_person_pin(person, list, signed_list);
    case E2E_LIST_IDENTITY:
        if (is_own(account, person)) return KITH_E_DENIED;
        return identity_changed(account, person, now_ms, list, signed_list);
    case E2E_LIST_GAP: return KITH_E_NOTFOUND;
    case E2E_LIST_STALE: /* what is pinned is newer: this one may tell of devices that were */
        account_past_list(account, person, list);
        if (is_own(account, person) && account->self.list_unsent) accepts_gather(person, signed_list);
        return KITH_OK;
    case E2E_LIST_FORK: return account_person_forked(account, person);
    case E2E_LIST_ROLLBACK:
    case E2E_LIST_REUSED: return KITH_E_CONFLICT;
    }
    return KITH_E_CONFLICT;
}

kith_err e2e_account_list(struct e2e_account *account, uint64_t now_ms,
                          const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint64_t list_seq,
                          struct kith_slice signed_list)
{
    struct e2e_device_list *list = malloc(sizeof *list);
    struct person *person;
    kith_err err;

    if (list == NULL) return KITH_E_NOMEM;
    err = e2e_device_list_read(signed_list, account_id, list);
    if (err != KITH_OK) goto done;
    person = account_person_put(account, account_id);
    err = person == NULL ? KITH_E_FULL : KITH_OK;
    if (err == KITH_OK) err = take_list(account, person, now_ms, list, signed_list);
    if (err != KITH_OK) goto done;
    if (list->seq == person->list->seq) account_person_know(person, now_ms); /* not an old one, which was ignored */
    if (list_seq != 0) {
        person->list_seq = list_seq;
        person->is_stale = person->has_none = false;
    }
    account_keep_person(account, person);
    account_peers_prune(account, person);
    if (is_own(account, person)) look_at_own(account, person);
done:
    free(list);
    return err;
}

enum account_claim account_person_claim(const struct person *person, uint64_t seq,
                                        const uint8_t hash[static E2E_HASH_BYTES])
{
    if (person == NULL || person->list == NULL || seq > person->list->seq) return ACCOUNT_CLAIM_NEWER;
    if (seq < person->list->seq) return ACCOUNT_CLAIM_KNOWN; /* behind: the hashes of the past are not kept */
    return memcmp(hash, person->list->hash, E2E_HASH_BYTES) == 0 ? ACCOUNT_CLAIM_KNOWN : ACCOUNT_CLAIM_FORK;
}

void account_person_seen(struct e2e_account *account, struct person *person, uint64_t seq)
{
    if (seq <= person->seen_seq) return;
    person->seen_seq = seq;
    account_keep_person(account, person);
}

void e2e_account_stale(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    struct person *person = account_person_find(account, account_id);

    if (person == NULL) return;
    person->is_stale = true;
    person->has_none = false;
}

void e2e_account_no_list(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                         uint64_t list_seq)
{
    struct person *person = account_person_put(account, account_id);

    bool is_news;

    if (person == NULL) return; /* asked for again */
    is_news = person->list_seq != list_seq;
    person->is_stale = false;
    person->has_none = person->list == NULL;
    person->list_seq = list_seq;
    if (person->list != NULL && is_news) account_keep_person(account, person);
}

kith_err e2e_account_verify(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                            bool verified)
{
    struct person *person = account_person_find(account, account_id);

    if (person == NULL || person->list == NULL) return KITH_E_NOTFOUND;
    if (person->trust == E2E_TRUST_FORKED) return KITH_E_NOTFOUND;
    person->trust = verified ? E2E_TRUST_VERIFIED : E2E_TRUST_KNOWN;
    person->reset_at_ms = 0;
    account_keep_person(account, person);
    return KITH_OK;
}

struct e2e_person e2e_account_person(const struct e2e_account *account,
                                     const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    const struct person *person = account_person_find(account, account_id);

    if (person == NULL) return (struct e2e_person){.trust = E2E_TRUST_UNKNOWN};
    return (struct e2e_person){
        .trust = person->trust,
        .was_reset = person->was_reset,
        .reset_at_ms = person->reset_at_ms,
        .list = person->list,
        .list_seq = person->list_seq,
    };
}

void e2e_account_own_seq(struct e2e_account *account, uint64_t list_seq)
{
    struct person *me = account_person_find(account, account->config.account_id);

    if (me == NULL || me->list_seq == list_seq) return;
    me->list_seq = list_seq;
    account_keep_person(account, me);
}
