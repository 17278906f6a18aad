#include "base/limits.h"
#include "libkith/e2ee/account_resend_impl.h"
#include "wire/bodies.h"

/* What is said to one device: by the mailbox of its account, in the session with it. */

/* What is missing, before anything is encrypted; else *out is the device. */
static kith_err look(const struct e2e_account *account, uint64_t now_ms, const struct e2e_mail *mail,
                     struct e2e_wants *wants, const struct e2e_device **out)
{
    const struct person *person = account_person_find(account, mail->account_id);
    const bool must_fetch = person == NULL || (account_person_is_stale(person) && !person->has_none);
    const struct peer *peer;

    if (person == NULL && account->people.count == E2E_PEOPLE_MAX) return KITH_E_FULL;
    if (must_fetch || (person != NULL && account_is_forbidden(person, mail->sent_at_ms)))
        account_want(wants, E2E_WANT_LIST, mail->account_id, NULL);
    if (person != NULL && account_is_forbidden(person, mail->sent_at_ms)) return KITH_E_DENIED;
    if (must_fetch) return KITH_E_AGAIN;
    *out = person->list == NULL ? NULL : e2e_device_find(person->list, mail->device_id);
    if (*out == NULL || !account_device_is_reached(account, person, *out)) return KITH_E_NOTFOUND;
    if (!account_wants_bundle(account, person, *out, now_ms)) return KITH_OK;
    peer = account_peer_find(account, mail->account_id, mail->device_id);
    if (peer == NULL && !account_peers_have_room(account, now_ms)) return KITH_E_FULL;
    account_want(wants, E2E_WANT_BUNDLE, mail->account_id, (*out)->server_device);
    return KITH_E_AGAIN;
}

static kith_err compose(const struct e2e_account *account, const struct e2e_mail *mail, struct kith_buf *out)
{
    struct e2e_payload payload = account_payload(account, mail->msg_id, mail->sent_at_ms);
    uint8_t again[E2E_RESEND_ITEM_BYTES];

    payload.content_type = mail->content_type;
    payload.body = mail->body;
    if (!account_is_own(account, mail->account_id))
        account_payload_name_peer(&payload, account_person_find(account, mail->account_id));
    if (mail->again != NULL) {
        e2e_resend_item_encode(mail->again, again);
        payload.has_again = true;
        payload.again = kith_slice_of(again, sizeof again);
    }
    return e2e_payload_encode(&payload, out);
}

static kith_err write_bodies(const struct e2e_account *account, const struct e2e_mail *mail,
                             const struct e2e_device *device, struct kith_slice cipher, struct kith_buf *out)
{
    struct bodies_list list = {.list_seq = account_person_find(account, mail->account_id)->list_seq};
    struct bodies_item item = {.ciphertext = cipher};

    memcpy(list.user.id.raw, mail->account_id, E2E_ACCOUNT_ID_BYTES);
    memcpy(item.device.id.raw, device->server_device, E2E_SERVER_DEVICE_BYTES);
    return bodies_encode(out, &list, 1, &item, 1);
}

kith_err e2e_account_seal_mail(struct e2e_account *account, uint64_t now_ms, const struct e2e_mail *mail,
                               struct e2e_wants *wants, struct kith_buf *out)
{
    const struct e2e_device *device = NULL;
    const size_t out_len = kith_buf_len(out);
    struct kith_buf plain, cipher;
    kith_err err;

    wants->count = 0;
    if (account->state != E2E_ACCOUNT_READY) return KITH_E_CLOSED;
    if (account->self.list_unsent) return KITH_E_AGAIN; /* as e2e_account_seal() */
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    kith_buf_init(&cipher, KITH_MESSAGE_BYTES_MAX);
    err = look(account, now_ms, mail, wants, &device);
    if (err == KITH_OK) err = compose(account, mail, &plain);
    if (err == KITH_OK)
        err = account_peer_encrypt(account, now_ms, account_peer_find(account, mail->account_id, mail->device_id),
                                   kith_buf_peek(&plain), &cipher);
    if (err == KITH_OK) err = write_bodies(account, mail, device, kith_buf_peek(&cipher), out);
    if (err != KITH_OK) out->tail = out->head + out_len;
    kith_buf_wipe(&plain);
    kith_buf_deinit(&cipher);
    return err;
}
