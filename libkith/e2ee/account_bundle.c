#include "libkith/e2ee/account_resend_impl.h"

/* Keys of a device that the server has handed out: a session begins with it. */

kith_err e2e_account_bundle(struct e2e_account *account, uint64_t now_ms, const struct e2e_claimed *claimed)
{
    const struct person *person = account_person_find(account, claimed->account_id);
    const struct e2e_device *device;
    struct e2e_prekey spk, kem, opk;
    struct e2e_bundle bundle = {.spk = &spk, .kem = &kem, .opk = claimed->opk.len > 0 ? &opk : NULL};
    struct e2e_session *session = NULL;
    struct peer *peer = NULL;
    kith_err err;

    if (account->state != E2E_ACCOUNT_READY) return KITH_E_CLOSED;
    if (person == NULL || person->list == NULL) return KITH_E_NOTFOUND;
    device = e2e_device_find_server(person->list, claimed->server_device);
    if (device == NULL || !device->is_accepted) return KITH_E_NOTFOUND;
    if (device == account_own_device(account) || !account_person_knows(person, device->device_id)) return KITH_E_DENIED;
    peer = account_peer_find(account, claimed->account_id, device->device_id);
    if (account_peer_can_send(account, peer, now_ms)) return KITH_E_CONFLICT;
    err = e2e_prekey_read(claimed->spk, E2E_PREKEY_SPK, claimed->account_id, device, now_ms, &spk);
    if (err == KITH_OK)
        err = e2e_prekey_read(claimed->kem, claimed->kem_is_last ? E2E_PREKEY_KEM_LR : E2E_PREKEY_KEM_OT,
                              claimed->account_id, device, now_ms, &kem);
    if (err == KITH_OK && bundle.opk != NULL)
        err = e2e_prekey_read(claimed->opk, E2E_PREKEY_OPK, claimed->account_id, device, now_ms, &opk);
    if (err == KITH_OK) {
        struct e2e_self self = {.end = {account_own_list(account), account_own_device(account)},
                                .ddh_secret = account->self.ddh_secret};
        struct e2e_end end = {person->list, device};
        err = e2e_session_begin(&account->config.random, &self, &end, &bundle, now_ms, &session);
    }
    if (err == KITH_OK) err = account_peer_put(account, now_ms, claimed->account_id, device->device_id, &peer);
    if (err == KITH_OK) err = account_peer_add(account, now_ms, peer, session);
    if (err != KITH_OK) {
        e2e_session_free(session);
        return err;
    }
    account_keep_session(account, peer, peer->sessions);
    account_healed(account, now_ms, &peer->key, true);
    return KITH_OK;
}

void e2e_account_no_bundle(struct e2e_account *account, uint64_t now_ms,
                           const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                           const uint8_t server_device[static E2E_SERVER_DEVICE_BYTES])
{
    const struct person *person = account_person_find(account, account_id);
    const struct e2e_device *device = NULL;
    struct peer *peer = NULL;

    if (person != NULL && person->list != NULL) device = e2e_device_find_server(person->list, server_device);
    if (device == NULL || account_peer_put(account, now_ms, account_id, device->device_id, &peer) != KITH_OK) return;
    peer->passed_over_until_ms = now_ms + E2E_PASSED_OVER_MS;
}
