#include <assert.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_impl.h"
#include "wire/bodies.h"

/*
 * One message to every device of every member but this one: pairwise, or in a large group one ciphertext under a chain, behind
 * messages that give the chain to those who lack it.
 */
#define GIFT_BYTES 3072 /* room for one more that is given the chain: the first message of a session is the longest */

struct sealing {
    struct e2e_account *account;
    uint64_t now_ms;
    const struct e2e_seal *seal;
    const struct group_place *place; /* of a group; NULL: a chat of two */
    const struct e2e_group *group;   /* the same */
    struct own_chain *own;           /* of a large group */
    bool is_gift;                    /* the message gives it */
    uint8_t (*members)[E2E_ACCOUNT_ID_BYTES];
    uint32_t member_count;
    struct kith_buf plain, plain_own; /* the same, and with `dest` for the own other devices */
    struct kith_buf ciphers;
    bool is_full;              /* no device that is not known yet can be begun with */
    struct bodies_list *lists; /* one a member */
    struct sealed_item {
        struct device_id device;
        size_t at, len; /* in ciphers */
    } *items;
    size_t item_count, item_cap;
};

static bool is_own(const struct sealing *s, const uint8_t *account_id)
{
    return account_is_own(s->account, account_id);
}

/* KITH_E_FULL: none of them can be written to, since there is no room to know one more device. */
static kith_err want_sessions(const struct sealing *s, const struct person *person, struct e2e_wants *wants)
{
    bool is_reached = is_own(s, person->account_id), lacks_room = false;

    for (uint32_t i = 0; i < person->list->device_count; i++) {
        const struct e2e_device *device = &person->list->devices[i];
        const struct peer *peer = account_peer_find(s->account, person->account_id, device->device_id);
        if (!account_device_is_reached(s->account, person, device)) continue;
        if (s->own != NULL && account_chain_has(s->own, person, device)) {
            is_reached = true;
            continue;
        }
        is_reached |= peer != NULL && peer->sessions != NULL;
        if (!account_wants_bundle(s->account, person, device, s->now_ms)) continue;
        lacks_room |= peer == NULL && s->is_full;
        if (peer == NULL && s->is_full) continue;
        account_want(wants, E2E_WANT_BUNDLE, person->account_id, device->server_device);
        is_reached = true;
    }
    /*
     * None of them can be written to: it waits until one can, since what goes to nobody would look as if it were sent. In a
     * group it goes to the others.
     */
    if (!is_reached && lacks_room) return KITH_E_FULL;
    if (!is_reached && s->group == NULL) account_want(wants, E2E_WANT_LIST, person->account_id, NULL);
    return KITH_OK;
}

/* Of a group, who has no devices is passed over. In a chat of two it is waited for: nobody else is there to write to. */
static bool is_nowhere(const struct sealing *s, const struct person *person)
{
    return s->group != NULL && person != NULL && person->list == NULL && person->has_none;
}

/* Everything that is missing, before anything is encrypted. */
static kith_err look(struct sealing *s, struct e2e_wants *wants)
{
    const struct e2e_account *account = s->account;
    kith_err err = KITH_OK;

    s->is_full = !account_peers_have_room(account, s->now_ms);
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct person *person = account_person_find(s->account, s->members[i]);
        if (person != NULL && account_is_forbidden(person, s->seal->sent_at_ms)) {
            wants->count = 0;
            account_want(wants, E2E_WANT_LIST, person->account_id, NULL);
            return KITH_E_DENIED;
        }
        if (err != KITH_OK) continue; /* only whether it is forbidden */
        if (is_nowhere(s, person)) continue;
        if (person == NULL && account->people.count == E2E_PEOPLE_MAX)
            err = KITH_E_FULL;
        else if (person == NULL || account_person_is_stale(person))
            account_want(wants, E2E_WANT_LIST, s->members[i], NULL);
        else
            err = want_sessions(s, person, wants);
    }
    if (err != KITH_OK) wants->count = 0;
    if (err != KITH_OK) return err;
    return wants->count > 0 ? KITH_E_AGAIN : KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ who lacks the chain */

static uint32_t device_count(const struct person *person)
{
    return person->list == NULL ? 0 : person->list->device_count;
}

/* It can be written to, and has not got it. */
static bool lacks_chain(const struct sealing *s, const struct person *person, const struct e2e_device *device)
{
    const struct peer *peer = account_peer_find(s->account, person->account_id, device->device_id);

    return account_device_is_reached(s->account, person, device) && peer != NULL && peer->sessions != NULL &&
           !account_chain_has(s->own, person, device);
}

static bool is_lacking(const struct sealing *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct person *person = account_person_find(s->account, s->members[i]);
        for (uint32_t j = 0; j < device_count(person); j++)
            if (lacks_chain(s, person, &person->list->devices[j])) return true;
    }
    return false;
}

/* A gift needs somebody to give it to, and anything else that nobody is left who lacks it. */
static kith_err look_for_lack(const struct sealing *s, struct e2e_wants *wants)
{
    if (s->own == NULL || is_lacking(s) == s->is_gift) return KITH_OK;
    if (s->is_gift) return KITH_E_NOTFOUND;
    account_want(wants, E2E_WANT_GIFT, s->seal->thread_id, NULL);
    return KITH_E_AGAIN;
}

/* What is given: the chain as it is now, and the key of the name, which who comes lacks, too. */
static kith_err gift_of(const struct sealing *s, struct kith_buf *out)
{
    struct e2e_group_epoch epoch = {.seq = s->group->seq};
    struct e2e_group_keys keys;
    kith_err err;

    memcpy(epoch.hash, s->group->heads[0], sizeof epoch.hash);
    account_group_keys_of(s->account, s->place, &keys);
    keys.has_chain = true;
    e2e_sender_chain_give(s->own->chain, &epoch, &keys.chain);
    err = e2e_group_keys_encode(&keys, out);
    e2e_wipe(&keys, sizeof keys);
    return err;
}

/* ------------------------------------------------------------------------------------------------ what it says */

static struct e2e_payload payload_of(const struct sealing *s, const struct thread_place *place)
{
    struct e2e_payload payload = account_payload(s->account, s->seal->msg_id, s->seal->sent_at_ms);

    payload.content_type = s->seal->content_type;
    payload.body = s->seal->body;
    payload.sseq = place->sseq + 1;
    memcpy(payload.thread_id, s->seal->thread_id, sizeof payload.thread_id);
    memcpy(payload.prev, place->prev, sizeof payload.prev);
    return payload;
}

/* In a chat of two, which list of the other it was made for, and in the copies for the own devices, whom it was written to. */
static const uint8_t *other_of_two(const struct sealing *s)
{
    if (s->group != NULL || s->member_count != 2) return NULL;
    return s->members[is_own(s, s->members[0]) ? 1 : 0];
}

static kith_err compose(struct sealing *s, struct thread_place *place)
{
    struct e2e_payload payload = payload_of(s, place);
    const uint8_t *other = other_of_two(s);
    struct kith_buf gift;
    kith_err err = KITH_OK;

    kith_buf_init(&gift, E2E_BODY_BYTES_MAX);
    if (s->is_gift) err = gift_of(s, &gift);
    if (s->is_gift) payload.body = kith_buf_peek(&gift);
    if (s->group != NULL) {
        payload.has_group = true;
        payload.group_epoch = s->group->seq;
        memcpy(payload.group_hash, s->group->heads[0], sizeof payload.group_hash);
    }
    if (other != NULL) account_payload_name_peer(&payload, account_person_find(s->account, other));
    if (err == KITH_OK) err = e2e_payload_encode(&payload, &s->plain);
    if (err == KITH_OK && other != NULL) {
        payload.has_dest = true;
        memcpy(payload.dest, other, sizeof payload.dest);
    }
    if (err == KITH_OK) err = e2e_payload_encode(&payload, &s->plain_own);
    kith_buf_wipe(&gift);
    if (err != KITH_OK) return err;
    place->has_pending = true;
    memcpy(place->pending_id, s->seal->msg_id, sizeof place->pending_id);
    memcpy(place->pending_prev, payload.body_hash, sizeof place->pending_prev);
    return KITH_OK;
}

static bool is_sealed_for(const struct sealing *s, const struct e2e_device *device)
{
    for (size_t i = 0; i < s->item_count; i++)
        if (memcmp(s->items[i].device.id.raw, device->server_device, E2E_SERVER_DEVICE_BYTES) == 0) return true;
    return false;
}

static kith_err item_add(struct sealing *s, const uint8_t *server_device, size_t at)
{
    if (s->item_count == s->item_cap) {
        size_t cap = s->item_cap == 0 ? 64 : 2 * s->item_cap;
        struct sealed_item *grown = realloc(s->items, cap * sizeof *grown);
        if (grown == NULL) return KITH_E_NOMEM;
        s->items = grown;
        s->item_cap = cap;
    }
    s->items[s->item_count] = (struct sealed_item){.at = at, .len = kith_buf_len(&s->ciphers) - at};
    if (server_device != NULL) memcpy(s->items[s->item_count].device.id.raw, server_device, E2E_SERVER_DEVICE_BYTES);
    s->item_count++;
    return KITH_OK;
}

/* An old session is better than none, when no new one could be begun. */
static kith_err encrypt_to(struct sealing *s, const struct person *person, const struct e2e_device *device)
{
    const struct kith_buf *plain = is_own(s, person->account_id) ? &s->plain_own : &s->plain;
    size_t at = kith_buf_len(&s->ciphers);
    kith_err err;

    if (!account_device_is_reached(s->account, person, device) || is_sealed_for(s, device)) return KITH_OK;
    err = account_peer_encrypt(s->account, s->now_ms,
                               account_peer_find(s->account, person->account_id, device->device_id),
                               kith_buf_peek(plain), &s->ciphers);
    if (err == KITH_E_NOTFOUND) return KITH_OK; /* passed over */
    return err == KITH_OK ? item_add(s, device->server_device, at) : err;
}

/* As many as one message has room for; the others by the next. */
static kith_err give_to(struct sealing *s, const struct person *person, const struct e2e_device *device)
{
    const size_t used = kith_buf_len(&s->ciphers) + s->item_count * 20 + (size_t)s->member_count * 24 + 64;
    kith_err err;

    if (!lacks_chain(s, person, device) || is_sealed_for(s, device)) return KITH_OK;
    if (used + GIFT_BYTES > KITH_MESSAGE_BYTES_MAX || s->item_count == BODIES_DEVICES_MAX) return KITH_OK;
    err = encrypt_to(s, person, device);
    if (err == KITH_OK) err = account_chain_gives(s->own, person, device);
    return err;
}

/* One ciphertext, for whoever has the chain. */
static kith_err encrypt_common(struct sealing *s)
{
    struct e2e_group_epoch epoch = {.seq = s->group->seq};
    kith_err err;

    memcpy(epoch.hash, s->group->heads[0], sizeof epoch.hash);
    err = e2e_sender_chain_encrypt(&s->account->config.random, s->own->chain, &epoch, kith_buf_peek(&s->plain),
                                   &s->ciphers);
    if (err != KITH_OK) return err;
    account_keep_own_chain(s->account, s->seal->thread_id, s->own);
    return item_add(s, NULL, 0);
}

static kith_err encrypt_all(struct sealing *s)
{
    kith_err err = KITH_OK;

    if (s->is_gift) account_chain_gift(s->own, s->seal->msg_id);
    for (uint32_t i = 0; i < s->member_count && err == KITH_OK; i++) {
        const struct person *person = account_person_find(s->account, s->members[i]);
        memcpy(s->lists[i].user.id.raw, person->account_id, E2E_ACCOUNT_ID_BYTES);
        s->lists[i].list_seq = person->list_seq;
        for (uint32_t j = 0; j < device_count(person) && err == KITH_OK; j++) {
            const struct e2e_device *device = &person->list->devices[j];
            if (s->is_gift)
                err = give_to(s, person, device);
            else if (s->own == NULL)
                err = encrypt_to(s, person, device);
        }
    }
    if (err == KITH_OK && s->is_gift) err = account_chain_offer(s->account, s->seal->thread_id, s->own);
    return err == KITH_OK && s->own != NULL && !s->is_gift ? encrypt_common(s) : err;
}

static int by_device(const void *a, const void *b)
{
    return kith_uuid_cmp(((const struct bodies_item *)a)->device.id, ((const struct bodies_item *)b)->device.id);
}

/*
 * One for all needs no names: the digest says what the lists would. Who has no number is not in it: nobody, as far as the server
 * says, and the digest is for the server alone.
 */
static kith_err write_common(const struct sealing *s, struct kith_buf *out)
{
    uint8_t digest[BODIES_DIGEST_BYTES] = {0};

    for (uint32_t i = 0; i < s->member_count; i++) bodies_digest_add(digest, &s->lists[i]);
    return bodies_encode_common(out, digest, kith_buf_peek(&s->ciphers));
}

static kith_err write_bodies(const struct sealing *s, struct kith_buf *out)
{
    struct kith_slice all = kith_buf_peek(&s->ciphers);
    struct bodies_item *items = calloc(s->item_count + 1, sizeof *items);
    kith_err err;

    if (items == NULL) return KITH_E_NOMEM;
    for (size_t i = 0; i < s->item_count; i++) {
        items[i].device = s->items[i].device;
        items[i].ciphertext = kith_slice_of(all.ptr + s->items[i].at, s->items[i].len);
    }
    qsort(items, s->item_count, sizeof *items, by_device);
    err = bodies_encode(out, s->lists, s->member_count, items, s->item_count);
    free(items);
    return err;
}

static kith_err members_reserve(struct sealing *s, uint32_t count)
{
    s->members = calloc(count, sizeof s->members[0]);
    s->lists = calloc(count, sizeof s->lists[0]);
    s->member_count = count;
    return s->members == NULL || s->lists == NULL ? KITH_E_NOMEM : KITH_OK;
}

/* A group's are who its operations say. */
static kith_err take_members(struct sealing *s)
{
    const struct e2e_seal *seal = s->seal;
    kith_err err;

    if (!seal->is_group) {
        assert(seal->member_count >= 1 && seal->member_count <= E2E_MEMBERS_MAX);
        err = members_reserve(s, seal->member_count);
        if (err == KITH_OK) memcpy(s->members, seal->members, seal->member_count * sizeof s->members[0]);
        return err;
    }
    s->place = account_group_find(s->account, seal->thread_id);
    if (s->place == NULL) return KITH_E_NOTFOUND;
    s->group = s->place->group;
    if (s->place->is_forked) return KITH_E_DENIED;
    if (!account_group_is_in(s->account, s->place)) return KITH_E_CLOSED;
    err = members_reserve(s, s->group->member_count);
    for (uint32_t i = 0; err == KITH_OK && i < s->member_count; i++)
        memcpy(s->members[i], s->group->members[i].account_id, sizeof s->members[0]);
    return err;
}

/* Nothing is said by a gift but the chain: there is none where the group has become a small one. */
static kith_err take_chain(struct sealing *s)
{
    const bool is_large = s->group != NULL && account_is_large(s->account, s->group);

    s->is_gift = s->seal->body.len == 0 && kith_slice_is(s->seal->content_type, E2E_GROUP_KEYS_TYPE);
    if (!is_large) return s->is_gift ? KITH_E_NOTFOUND : KITH_OK;
    return account_chain_for(s->account, s->place, s->now_ms, &s->own);
}

static void sealing_free(struct sealing *s)
{
    kith_buf_wipe(&s->plain);
    kith_buf_wipe(&s->plain_own);
    kith_buf_deinit(&s->ciphers);
    free(s->members);
    free(s->lists);
    free(s->items);
    free(s);
}

kith_err e2e_account_seal(struct e2e_account *account, uint64_t now_ms, const struct e2e_seal *seal,
                          struct e2e_wants *wants, struct kith_buf *out)
{
    struct sealing *s;
    struct thread_place *place = NULL, next;
    const size_t out_len = kith_buf_len(out);
    kith_err err;

    wants->count = 0;
    if (account->state != E2E_ACCOUNT_READY) return KITH_E_CLOSED;
    /* Whoever got it would look us up in a list that does not say that we are there. */
    if (account->self.list_unsent && !kith_mutant(UNSENT_LIST_NAMED)) return KITH_E_AGAIN;
    s = calloc(1, sizeof *s);
    if (s == NULL) return KITH_E_NOMEM;
    *s = (struct sealing){.account = account, .now_ms = now_ms, .seal = seal};
    kith_buf_init(&s->plain, E2E_PAYLOAD_BYTES_MAX);
    kith_buf_init(&s->plain_own, E2E_PAYLOAD_BYTES_MAX);
    kith_buf_init(&s->ciphers, KITH_MESSAGE_BYTES_MAX);
    err = take_members(s);
    if (err == KITH_OK) err = take_chain(s);
    if (err == KITH_OK) err = look(s, wants);
    if (err == KITH_OK) err = look_for_lack(s, wants);
    if (err == KITH_OK) {
        err = kith_map_add(&account->threads, seal->thread_id, (void **)&place);
        if (err == KITH_E_CONFLICT) err = KITH_OK;
    }
    if (err == KITH_OK) {
        next = *place;
        err = compose(s, &next);
    }
    if (err == KITH_OK) err = encrypt_all(s);
    if (err == KITH_OK) err = s->own != NULL && !s->is_gift ? write_common(s, out) : write_bodies(s, out);
    if (err != KITH_OK) out->tail = out->head + out_len;
    /* A gift, which not all get, takes no place of its own: it stands where the message stands that waits for it. */
    if (err == KITH_OK && !s->is_gift) {
        *place = next;
        account_keep_thread(account, seal->thread_id, place);
    }
    sealing_free(s);
    return err;
}
