#include <stdlib.h>

#include "libkith/e2ee/account_resend_impl.h"

/* What did not open: it is noted, asked for, and the session is begun anew (docs/wire/e2ee.md, "Asking again"). */

static struct peer_key key_of(const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id)
{
    struct peer_key key;

    memcpy(key.account_id, account_id, sizeof key.account_id);
    kith_put_u32_be(key.device_id, device_id);
    return key;
}

/* The device, if it is another one that is listed. */
static const struct e2e_device *device_of(const struct e2e_account *account, const struct peer_key *key)
{
    const struct person *person = account_person_find(account, key->account_id);
    const struct e2e_device *device = NULL;

    if (account->state != E2E_ACCOUNT_READY || person == NULL || person->list == NULL) return NULL;
    device = e2e_device_find(person->list, kith_get_u32_be(key->device_id));
    return device != NULL && account_device_is_reached(account, person, device) ? device : NULL;
}

/* ------------------------------------------------------------------------------------------------ the session */
bool account_heals_now(const struct e2e_account *account, const struct peer_key *key)
{
    const struct resend_peer *one = account_resend_find(account, key);

    return one != NULL && one->is_broken;
}

/* One of them has begun anew: what was on its way in the sessions before says nothing of that one. */
static bool is_healed(const struct e2e_account *account, const struct resend_peer *one, uint64_t now_ms)
{
    const struct peer *peer = account_peer_find(account, one->key.account_id, kith_get_u32_be(one->key.device_id));

    if (one->healed_ms != 0 && !account_is_past(now_ms, one->healed_ms, E2E_RESEND_MS)) return true;
    /* Whoever began it opens the answer, whatever state it was put back to; one begun beside it would look like a tie there. */
    if (peer != NULL && peer->sessions != NULL && e2e_session_facts(peer->sessions->session).is_unspoken) return true;
    return peer != NULL && peer->anew_count > 0 && !account_is_past(now_ms, peer->anew_ms[0], E2E_RESEND_MS);
}

void account_healed(struct e2e_account *account, uint64_t now_ms, const struct peer_key *key, bool is_own)
{
    struct resend_peer *one = account_resend_find(account, key);

    if (one == NULL || !one->is_broken) return;
    one->is_broken = false;
    if (is_own) one->healed_ms = now_ms;
    account_keep_lost(account, one);
}

/* ------------------------------------------------------------------------------------------------ what is lost */
/* At which place it is, or would be. */
static uint32_t place_of(const struct resend_peer *one, const struct e2e_resend_item *item, bool *is_there)
{
    uint32_t at = 0;

    while (at < one->lost_count && e2e_resend_item_cmp(&one->lost[at].item, item) < 0) at++;
    *is_there = at < one->lost_count && e2e_resend_item_cmp(&one->lost[at].item, item) == 0;
    return at;
}

/* One too many is not noted, nor one for which there is no memory. */
static void note(struct resend_peer *one, uint64_t now_ms, const struct e2e_lost *lost)
{
    bool is_there;
    const uint32_t at = place_of(one, &lost->item, &is_there);
    struct lost_item *grown;

    if (is_there || one->lost_count == E2E_LOST_MAX) return;
    grown = realloc(one->lost, (one->lost_count + 1) * sizeof *grown);
    if (grown == NULL) return;
    one->lost = grown;
    memmove(&one->lost[at + 1], &one->lost[at], (one->lost_count - at) * sizeof one->lost[0]);
    one->lost[at] = (struct lost_item){.item = lost->item,
                                       .is_group = lost->is_group,
                                       .created_ms = lost->created_ms,
                                       .expires_ms = lost->expires_ms,
                                       .noted_ms = now_ms};
    one->lost_count++;
}

/* A whole group's past, which a device that was linked just now reads, was never for it: nobody is asked for that. */
static bool is_from_before(const struct e2e_account *account, const struct e2e_lost *lost)
{
    return lost->is_group && lost->created_ms < account_own_device(account)->added_at_ms;
}

void e2e_account_lost(struct e2e_account *account, uint64_t now_ms, const struct e2e_lost *lost)
{
    const struct peer_key key = key_of(lost->account_id, lost->device_id);
    struct resend_peer *one = account_resend_find(account, &key);
    const bool is_mail = lost->item.seq == 0;
    bool is_there = false;

    if (device_of(account, &key) == NULL || (!is_mail && is_from_before(account, lost))) return;
    if (one != NULL && !is_mail) (void)place_of(one, &lost->item, &is_there);
    if (is_there || account_resend_put(account, now_ms, &key, &one) != KITH_OK) return;
    (void)account_resend_trim(account, now_ms, one);
    if (!is_mail && (lost->expires_ms == 0 || now_ms < lost->expires_ms)) note(one, now_ms, lost);
    one->is_broken |= !is_healed(account, one, now_ms);
    account_keep_lost(account, one);
}

uint32_t e2e_account_lost_count(const struct e2e_account *account,
                                const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id)
{
    const struct peer_key key = key_of(account_id, device_id);
    const struct resend_peer *one = account_resend_find(account, &key);

    return one == NULL ? 0 : one->lost_count;
}

/* ------------------------------------------------------------------------------------------------ asking */
static bool is_member(const struct e2e_account *account, const struct lost_item *lost, const uint8_t *account_id)
{
    const struct group_place *place = account_group_find(account, lost->item.chat_id);

    return place != NULL && e2e_group_find(place->group, account_id) != NULL;
}

/* In a chat of two in which nobody of this account has written a stranger would learn that somebody is there. */
static bool is_due(const struct e2e_account *account, uint64_t now_ms, const struct lost_item *lost)
{
    if (lost->asks == E2E_RESENDS_MAX) return false;
    if (lost->asks > 0 && !account_is_past(now_ms, lost->asked_ms, E2E_RESEND_MS)) return false;
    if (!lost->is_group) return account_has_written(account, lost->item.chat_id);
    return is_member(account, lost, account->config.account_id);
}

/* What is due of one, in *out. False: nothing, or it cannot be asked now. */
static bool request_of(const struct e2e_account *account, uint64_t now_ms, const struct resend_peer *one,
                       struct e2e_resend *out)
{
    out->count = 0;
    if (device_of(account, &one->key) == NULL ||
        account_is_forbidden(account_person_find(account, one->key.account_id), now_ms))
        return false;
    for (uint32_t i = 0; i < one->lost_count && out->count < E2E_RESEND_ITEMS_MAX; i++)
        if (is_due(account, now_ms, &one->lost[i])) out->items[out->count++] = one->lost[i].item;
    return out->count > 0;
}

bool e2e_account_ask(struct e2e_account *account, uint64_t now_ms, struct e2e_ask *out, struct kith_buf *body)
{
    struct resend_peer **found = NULL, *one = NULL;
    struct e2e_resend request;
    uint32_t at = 0;
    bool is_there;

    account_resends_sweep(account, now_ms);
    while (one == NULL && kith_map_next(&account->resends, &at, NULL, (void **)&found))
        if (request_of(account, now_ms, *found, &request)) one = *found;
    if (one == NULL || e2e_resend_encode(&request, body) != KITH_OK) return false;
    for (uint32_t i = 0; i < request.count; i++) {
        struct lost_item *lost = &one->lost[place_of(one, &request.items[i], &is_there)];
        lost->asks++;
        lost->asked_ms = now_ms;
    }
    account_keep_lost(account, one);
    memcpy(out->account_id, one->key.account_id, sizeof out->account_id);
    out->device_id = kith_get_u32_be(one->key.device_id);
    return true;
}

bool e2e_account_resent(struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                        uint32_t device_id, const struct e2e_resend_item *item, struct e2e_lost *out)
{
    const struct peer_key key = key_of(account_id, device_id);
    struct resend_peer *one = account_resend_find(account, &key);
    const struct lost_item *lost;
    bool is_there;
    uint32_t at;

    if (one == NULL) return false;
    at = place_of(one, item, &is_there);
    if (!is_there) return false;
    lost = &one->lost[at];
    if (lost->is_group && !is_member(account, lost, account_id)) return false;
    if (lost->asks == 0 || memcmp(lost->item.msg_id, item->msg_id, sizeof item->msg_id) != 0) return false;
    *out = (struct e2e_lost){.device_id = device_id,
                             .item = lost->item,
                             .is_group = lost->is_group,
                             .created_ms = lost->created_ms,
                             .expires_ms = lost->expires_ms};
    memcpy(out->account_id, account_id, sizeof out->account_id);
    one->lost_count--;
    memmove(&one->lost[at], &one->lost[at + 1], (one->lost_count - at) * sizeof one->lost[0]);
    account_keep_lost(account, one);
    return true;
}
