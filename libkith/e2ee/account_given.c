#include <stdlib.h>

#include "libkith/e2ee/account_resend_impl.h"

/* What this device is asked for again: to whom it is given, and how often (docs/wire/e2ee.md, "Asking again"). */

/* The keys that it had then it has: a session, archived or not, from before the message was encrypted. By no clock, which steps. */
static bool had_session(const struct peer *peer, uint64_t now_ms, uint64_t sealed_mark)
{
    if (peer == NULL) return false;
    for (const struct peer_session *one = peer->sessions; one != NULL; one = one->next)
        if (!account_peer_has_ended(peer, one, now_ms) && one->born < sealed_mark) return true;
    return false;
}

/* One of the two, or a member from then on without a break: `since` is another one for who comes back. */
static bool was_for(const struct e2e_account *account, const uint8_t *account_id, const struct e2e_resend_item *item,
                    const struct e2e_sent *sent)
{
    const struct group_place *place;
    const struct e2e_group_member *member;

    if (!sent->is_group)
        return account_is_own(account, account_id) || memcmp(sent->dest, account_id, E2E_ACCOUNT_ID_BYTES) == 0;
    place = account_group_find(account, item->chat_id);
    if (place == NULL || place->is_forked || !account_group_is_in(account, place)) return false;
    member = e2e_group_find(place->group, account_id);
    return member != NULL && member->since <= sent->group_epoch;
}

static uint32_t times_given(const struct resend_peer *one, const uint8_t msg_id[static E2E_ID_BYTES])
{
    uint32_t times = 0;

    for (uint32_t i = 0; i < one->given_count; i++) times += memcmp(one->given[i].msg_id, msg_id, E2E_ID_BYTES) == 0;
    return times;
}

bool e2e_account_has_given(struct e2e_account *account, uint64_t now_ms,
                           const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id,
                           const uint8_t msg_id[static E2E_ID_BYTES])
{
    struct peer_key key;
    struct resend_peer *one;

    memcpy(key.account_id, account_id, sizeof key.account_id);
    kith_put_u32_be(key.device_id, device_id);
    one = account_resend_find(account, &key);
    if (one != NULL) (void)account_resend_trim(account, now_ms, one);
    return one != NULL && times_given(one, msg_id) >= E2E_RESENDS_MAX;
}

/* It counts as given. */
static kith_err count(struct e2e_account *account, uint64_t now_ms, const struct peer_key *key,
                      const uint8_t msg_id[static E2E_ID_BYTES])
{
    struct resend_peer *one = NULL;
    struct given_item *grown;
    kith_err err = account_resend_put(account, now_ms, key, &one);

    if (err != KITH_OK) return err;
    (void)account_resend_trim(account, now_ms, one);
    if (times_given(one, msg_id) >= E2E_RESENDS_MAX || one->given_count == E2E_GIVEN_MAX) return KITH_E_FULL;
    grown = realloc(one->given, (one->given_count + 1) * sizeof *grown);
    if (grown == NULL) return KITH_E_NOMEM;
    one->given = grown;
    one->given[one->given_count] = (struct given_item){.given_ms = now_ms};
    memcpy(one->given[one->given_count++].msg_id, msg_id, E2E_ID_BYTES);
    account_keep_given(account, one);
    return KITH_OK;
}

/* Who asks has not got this device's chain, or cannot use it. */
static void look_at_chain(struct e2e_account *account, uint64_t now_ms, const uint8_t *chat_id,
                          const struct person *person, const struct e2e_device *device)
{
    const struct group_place *place = account_group_find(account, chat_id);

    if (place != NULL && account_is_large(account, place->group) &&
        e2e_group_find(place->group, person->account_id) != NULL)
        account_chain_asked(account, place, now_ms, person, device);
}

kith_err e2e_account_give(struct e2e_account *account, uint64_t now_ms,
                          const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id,
                          const struct e2e_resend_item *item, const struct e2e_sent *sent)
{
    const struct person *person = account_person_find(account, account_id);
    const struct peer *peer = account_peer_find(account, account_id, device_id);
    const struct e2e_device *device = NULL;

    if (account->state != E2E_ACCOUNT_READY || person == NULL || person->list == NULL) return KITH_E_DENIED;
    device = e2e_device_find(person->list, device_id);
    if (device == NULL || !account_device_is_reached(account, person, device)) return KITH_E_DENIED;
    if (sent->is_group) look_at_chain(account, now_ms, item->chat_id, person, device);
    if (sent->expires_ms != 0 && now_ms >= sent->expires_ms) return KITH_E_DENIED;
    if (account_is_forbidden(person, sent->written_ms) || !was_for(account, account_id, item, sent) ||
        !had_session(peer, now_ms, sent->sealed_mark))
        return KITH_E_DENIED;
    return count(account, now_ms, &peer->key, item->msg_id);
}
