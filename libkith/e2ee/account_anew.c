#include "libkith/e2ee/account_impl.h"

/*
 * A device that begins a session though there is one. It may have lost its state. Or somebody who has its keys and not its state
 * speaks for it: that is noted and shown, and not let happen often.
 */

/* Ours was begun while theirs was on its way. Once: what they begin behind that they begin anew. */
static bool is_tie(const struct peer_session *ours)
{
    const struct e2e_session_facts first = e2e_session_facts(ours->session);

    if (first.is_answered) return false;
    for (const struct peer_session *one = ours->next; one != NULL; one = one->next) {
        const struct e2e_session_facts facts = e2e_session_facts(one->session);
        if (facts.is_answered && facts.created_ms >= first.created_ms) return false;
    }
    return true;
}

bool account_anew_is(const struct peer *peer, uint64_t now_ms)
{
    return account_peer_goes_on(peer, now_ms) && !is_tie(peer->sessions);
}

bool account_anew_is_too_often(const struct peer *peer, uint64_t now_ms)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < peer->anew_count; i++)
        count += now_ms >= peer->anew_ms[i] && now_ms - peer->anew_ms[i] < E2E_ANEW_MS;
    return count == E2E_ANEW_MAX;
}

void account_anew_note(struct e2e_account *account, uint64_t now_ms, struct peer *peer)
{
    if (peer->anew_count < E2E_ANEW_MAX) peer->anew_count++;
    for (uint32_t i = peer->anew_count - 1; i > 0; i--) peer->anew_ms[i] = peer->anew_ms[i - 1];
    peer->anew_ms[0] = now_ms;
    account_keep_anew(account, peer);
}

void account_anew_forget(struct e2e_account *account, struct peer *peer)
{
    if (peer->anew_count == 0) return;
    peer->anew_count = 0;
    account_drop_anew(account, peer);
}

uint32_t e2e_account_anew(const struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                          uint32_t device_id, uint64_t out[static E2E_ANEW_MAX])
{
    const struct peer *peer = account_peer_find(account, account_id, device_id);

    if (peer == NULL) return 0;
    memcpy(out, peer->anew_ms, peer->anew_count * sizeof out[0]);
    return peer->anew_count;
}
