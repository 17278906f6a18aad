#include <stdlib.h>

#include "libkith/e2ee/account_resend_impl.h"

/* The sessions with one device: the first sends, up to E2E_ARCHIVED_MAX behind it only decrypt. */

static struct peer_key key_of(const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id)
{
    struct peer_key key;

    memcpy(key.account_id, account_id, sizeof key.account_id);
    kith_put_u32_be(key.device_id, device_id);
    return key;
}

struct peer *account_peer_find(const struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                               uint32_t device_id)
{
    struct peer_key key = key_of(account_id, device_id);
    struct peer **found = kith_map_find(&account->peers, &key);

    return found == NULL ? NULL : *found;
}

/* One of which nothing is to be remembered: a device that went, with its sessions. NULL: none. */
static struct peer *find_idle(const struct e2e_account *account, uint64_t now_ms)
{
    struct peer **peer = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->peers, &at, NULL, (void **)&peer))
        if ((*peer)->sessions == NULL && (*peer)->anew_count == 0 && (*peer)->passed_over_until_ms <= now_ms)
            return *peer;
    return NULL;
}

bool account_peers_have_room(const struct e2e_account *account, uint64_t now_ms)
{
    return account->peers.count < E2E_PEERS_MAX || find_idle(account, now_ms) != NULL;
}

kith_err account_peer_put(struct e2e_account *account, uint64_t now_ms,
                          const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id, struct peer **out)
{
    struct peer_key key = key_of(account_id, device_id);
    struct peer **place = NULL, *idle;
    kith_err err = kith_map_add(&account->peers, &key, (void **)&place);

    if (err == KITH_E_FULL && (idle = find_idle(account, now_ms)) != NULL) {
        (void)kith_map_remove(&account->peers, &idle->key);
        free(idle);
        err = kith_map_add(&account->peers, &key, (void **)&place);
    }
    *out = err == KITH_E_CONFLICT ? *place : NULL;
    if (err == KITH_E_CONFLICT) return KITH_OK;
    if (err != KITH_OK) return err;
    *place = calloc(1, sizeof **place);
    if (*place == NULL) {
        (void)kith_map_remove(&account->peers, &key);
        return KITH_E_NOMEM;
    }
    (*place)->key = key;
    *out = *place;
    return KITH_OK;
}

static void one_free(struct peer_session *one)
{
    e2e_session_free(one->session);
    free(one);
}

static void insert(struct peer *peer, struct peer_session *one)
{
    struct peer_session **at = &peer->sessions;

    while (*at != NULL && (*at)->rank > one->rank) at = &(*at)->next;
    one->next = *at;
    *at = one;
}

static void take_out(struct peer *peer, struct peer_session *one)
{
    struct peer_session **at = &peer->sessions;

    while (*at != one) at = &(*at)->next;
    *at = one->next;
}

static void drop_beyond(struct e2e_account *account, struct peer *peer, unsigned keep)
{
    struct peer_session **at = &peer->sessions;

    for (; *at != NULL && keep > 0; keep--) at = &(*at)->next;
    while (*at != NULL) {
        struct peer_session *one = *at;
        *at = one->next;
        account_drop_session(account, peer, one);
        one_free(one);
    }
}

#define RANKS_KEPT 256

void account_ranks_reserve(struct e2e_account *account)
{
    if (account->rank_next <= account->rank_kept) return;
    account->rank_kept = account->rank_next + RANKS_KEPT;
    account_keep_ranks(account);
}

uint64_t e2e_account_mark(const struct e2e_account *account)
{
    return account->rank_next;
}

kith_err account_peer_load(struct e2e_account *account, struct peer *peer, struct e2e_session *session, uint64_t rank,
                           uint64_t born, uint64_t archived_ms)
{
    struct peer_session *one = calloc(1, sizeof *one);

    if (one == NULL) return KITH_E_NOMEM;
    one->session = session;
    one->rank = rank;
    one->born = born;
    one->archived_ms = archived_ms;
    if (rank >= account->rank_next) account->rank_next = rank + 1;
    insert(peer, one);
    drop_beyond(account, peer, 1 + E2E_ARCHIVED_MAX);
    return KITH_OK;
}

/* Another one is before it from now on. */
static void archive(struct e2e_account *account, uint64_t now_ms, struct peer *peer, struct peer_session *one)
{
    if (one == NULL) return;
    one->archived_ms = now_ms;
    account_keep_session(account, peer, one);
}

kith_err account_peer_add(struct e2e_account *account, uint64_t now_ms, struct peer *peer, struct e2e_session *session)
{
    struct peer_session *before = peer->sessions;
    kith_err err = account_peer_load(account, peer, session, account->rank_next, account->rank_next, 0);

    if (err != KITH_OK) return err;
    account_ranks_reserve(account);
    archive(account, now_ms, peer, before);
    return KITH_OK;
}

void account_peer_prefer(struct e2e_account *account, uint64_t now_ms, struct peer *peer, struct peer_session *one)
{
    struct peer_session *before = peer->sessions;

    if (before == one) return;
    take_out(peer, one);
    one->rank = account->rank_next++;
    account_ranks_reserve(account);
    one->archived_ms = 0;
    insert(peer, one);
    archive(account, now_ms, peer, before);
}

/* Of a record from before that was written down: since something was heard, at least. */
static uint64_t archived_at(const struct peer_session *one)
{
    const struct e2e_session_facts facts = e2e_session_facts(one->session);

    if (one->archived_ms != 0) return one->archived_ms;
    return facts.heard_ms != 0 ? facts.heard_ms : facts.created_ms;
}

bool account_peer_has_ended(const struct peer *peer, const struct peer_session *one, uint64_t now_ms)
{
    if (one == peer->sessions) return false;
    return now_ms >= archived_at(one) && now_ms - archived_at(one) >= E2E_ARCHIVED_MS;
}

void account_peer_drop_ended(struct e2e_account *account, struct peer *peer, uint64_t now_ms)
{
    for (struct peer_session **at = &peer->sessions, *one; (one = *at) != NULL;) {
        if (!account_peer_has_ended(peer, one, now_ms)) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        account_drop_session(account, peer, one);
        one_free(one);
    }
}

static void drop_those(struct e2e_account *account, const struct person *person, const struct e2e_device_list *but)
{
    struct peer **peer = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->peers, &at, NULL, (void **)&peer)) {
        if (memcmp((*peer)->key.account_id, person->account_id, E2E_ACCOUNT_ID_BYTES) != 0) continue;
        if (but != NULL && e2e_device_find(but, kith_get_u32_be((*peer)->key.device_id)) != NULL) continue;
        drop_beyond(account, *peer, 0);
        account_anew_forget(account, *peer);
    }
    account_resends_drop(account, person, but);
}

void account_peers_prune(struct e2e_account *account, const struct person *person)
{
    drop_those(account, person, person->list);
}

void account_peers_drop(struct e2e_account *account, const struct person *person)
{
    drop_those(account, person, NULL);
}

void account_peers_free(struct e2e_account *account)
{
    struct peer **peer = NULL;
    uint32_t at = 0;

    while (kith_map_next(&account->peers, &at, NULL, (void **)&peer)) {
        for (struct peer_session *one = (*peer)->sessions, *next; one != NULL; one = next) {
            next = one->next;
            one_free(one);
        }
        free(*peer);
    }
    kith_map_deinit(&account->peers);
}
