#include "base/mutant.h"
#include "libkith/e2ee/account_resend_impl.h"

/* Who may be written to, what a session is begun anew for, and what every message says: of a chat's and of mail. */

bool account_is_own(const struct e2e_account *account, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    return memcmp(account->config.account_id, account_id, E2E_ACCOUNT_ID_BYTES) == 0;
}

/* What the server calls a device by leads there. Another account's that claims one of ours leads astray. */
bool account_device_is_reached(const struct e2e_account *account, const struct person *person,
                               const struct e2e_device *device)
{
    if (!device->is_accepted) return false;
    if (account_is_own(account, person->account_id)) return device->device_id != account->self.device_id;
    return e2e_device_find_server(account_own_list(account), device->server_device) == NULL;
}

/* Also what was written before the other was somebody else, until the person has seen that. */
bool account_is_forbidden(const struct person *person, uint64_t sent_at_ms)
{
    return person->trust == E2E_TRUST_CHANGED || person->trust == E2E_TRUST_FORKED ||
           (person->reset_at_ms != 0 && sent_at_ms <= person->reset_at_ms);
}

bool account_peer_goes_on(const struct peer *peer, uint64_t now_ms)
{
    struct e2e_session_facts facts;
    uint64_t since_ms;

    if (peer == NULL || peer->sessions == NULL) return false;
    facts = e2e_session_facts(peer->sessions->session);
    since_ms = facts.heard_ms != 0 ? facts.heard_ms : facts.created_ms;
    return now_ms < since_ms || now_ms - since_ms < E2E_SESSION_LIFE_MS;
}

bool account_peer_can_send(const struct e2e_account *account, const struct peer *peer, uint64_t now_ms)
{
    return account_peer_goes_on(peer, now_ms) && !account_heals_now(account, &peer->key);
}

bool account_wants_bundle(const struct e2e_account *account, const struct person *person,
                          const struct e2e_device *device, uint64_t now_ms)
{
    const struct peer *peer = account_peer_find(account, person->account_id, device->device_id);

    if (account_peer_can_send(account, peer, now_ms) || !account_person_knows(person, device->device_id)) return false;
    return peer == NULL || peer->passed_over_until_ms <= now_ms;
}

kith_err account_peer_encrypt(struct e2e_account *account, uint64_t now_ms, struct peer *peer, struct kith_slice plain,
                              struct kith_buf *out)
{
    struct peer_session *one = peer == NULL ? NULL : peer->sessions;
    kith_err err;

    if (one == NULL) return KITH_E_NOTFOUND;
    err = e2e_session_encrypt(&account->config.random, one->session, plain, now_ms, out);
    if (err != KITH_OK) return err;
    if (!kith_mutant(SESSION_NOT_KEPT)) account_keep_session(account, peer, one);
    account_peer_drop_ended(account, peer, now_ms);
    return KITH_OK;
}

struct e2e_payload account_payload(const struct e2e_account *account, const uint8_t msg_id[static E2E_ID_BYTES],
                                   uint64_t sent_at_ms)
{
    const struct e2e_device_list *own = account_own_list(account);
    struct e2e_payload payload = {
        .device_id = account->self.device_id, .sent_at_ms = sent_at_ms, .sseq = 1, .list_seq = own->seq};

    memcpy(payload.account_id, account->config.account_id, sizeof payload.account_id);
    memcpy(payload.msg_id, msg_id, sizeof payload.msg_id);
    memcpy(payload.list_hash, own->hash, sizeof payload.list_hash);
    return payload;
}

void account_payload_name_peer(struct e2e_payload *payload, const struct person *person)
{
    payload->has_peer_list = true;
    payload->peer_list_seq = person->list->seq;
    memcpy(payload->peer_list_hash, person->list->hash, sizeof payload->peer_list_hash);
}
