#include <stdlib.h>

#include "libkith/client.h"

/*
 * What this device says to one other device, and hears from one, in no chat (docs/wire/e2ee.md, "Mail"). Out: entries of the outbox,
 * each for itself: it waits for nothing but its own lists, and holds up nothing else. In: what cannot be opened yet waits as a
 * message of a chat does, in the same record, with the nil chat.
 */

/* ------------------------------------------------------------------------------------------------ out */
void mail_add(struct kith_client *client, const struct outbox_mail *mail, struct kith_slice content_type,
              struct kith_slice body)
{
    const struct outbox_entry head = {.id = client_msg_id(client),
                                      .state = KITH_OUTBOX_QUEUED,
                                      .encrypted = true,
                                      .order = outbox_order(client),
                                      .created_ms = client->now.wall_ms,
                                      .mail = *mail};
    struct outbox_entry *entry = outbox_add(client, &head, content_type, body);

    if (entry == NULL) return; /* it is asked for again tomorrow */
    record_put_state(client);
    record_put_outbox(client, entry);
    client->secure.changed = true;
}

bool mail_may_send(const struct kith_client *client, const struct outbox_entry *entry)
{
    return !entry->in_flight && kith_buf_len(&entry->sealed) > 0 && entry->mail.held_until_ms <= client->now.mono_ms;
}

/* Whoever wanted it asks again, or does without: no person waits for it. */
void mail_refused(struct kith_client *client, struct outbox_entry *entry, enum kith_code code, uint64_t retry_after_ms)
{
    client->secure.changed = true; /* for what is to be asked next */
    if (!kith_code_retryable(code)) {
        client->stats.failed++;
        outbox_remove(client, entry);
        return;
    }
    entry->mail.held_until_ms = client->now.mono_ms + (retry_after_ms > 0 ? retry_after_ms : 1) +
                                client_backoff_ms(client, entry->mail.refusals);
    entry->mail.refusals++;
}

void mail_seal(struct kith_client *client, struct outbox_entry *entry, struct kith_slice content_type,
               struct kith_slice body, uint64_t sent_at_ms)
{
    struct e2e_mail mail = {
        .device_id = entry->mail.device_id,
        .content_type = content_type,
        .body = body,
        .sent_at_ms = sent_at_ms,
        .again = entry->mail.again.seq != 0 ? &entry->mail.again : NULL,
    };
    struct e2e_wants wants = {0};

    memcpy(mail.account_id, entry->mail.user.id.raw, sizeof mail.account_id);
    memcpy(mail.msg_id, entry->id.id.raw, sizeof mail.msg_id);
    switch (e2e_account_seal_mail(client->secure.account, client->now.wall_ms, &mail, &wants, &entry->sealed)) {
    case KITH_E_AGAIN: secure_want(client, &wants); return;
    case KITH_OK: /* kept as it leaves, and repeated so */
    case KITH_E_CLOSED:
    case KITH_E_NOMEM: return; /* when something has changed */
    default: outbox_remove(client, entry); return;
    }
}

void mail_work(struct kith_client *client)
{
    for (struct outbox_entry *entry = client->outbox_first, *next; entry != NULL; entry = next) {
        next = entry->next;
        if (!outbox_is_mail(entry) || entry->in_flight) continue;
        if (entry->created_ms + E2E_LOST_MS <= client->now.wall_ms)
            outbox_remove(client, entry);
        else if (kith_buf_len(&entry->sealed) > 0)
            continue;
        else if (entry->mail.again.seq != 0)
            resend_give(client, entry);
        else
            mail_seal(client, entry, kith_slice_of(entry->bytes, entry->content_type_len),
                      kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len), entry->created_ms);
    }
}

/* What waits for a list, or for room, may do so for days. */
bool mail_is_settled(const struct kith_client *client)
{
    for (const struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next)
        if (outbox_is_mail(entry) && (entry->in_flight || entry->mail.is_recalled || mail_may_send(client, entry)))
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------------ in */
bool mail_take(struct kith_client *client, const struct kith_message *item, const struct pending *pending)
{
    struct e2e_opened opened;
    struct kith_buf plain;
    kith_err err;

    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    err = secure_open(client, item, pending, &plain, &opened);
    if (err == KITH_OK)
        resend_mail(client, item, &opened);
    else if (opened.is_lost)
        kith_ignore(resend_lost(client, item, &opened)); /* mail is not asked for */
    kith_buf_wipe(&plain);
    return err != KITH_E_AGAIN && err != KITH_E_NOMEM;
}

void mail_event(struct kith_client *client, const struct kith_message *item)
{
    unsigned held = 0;

    if (mail_take(client, item, NULL)) return;
    for (const struct pending *one = client->secure.pending_first; one != NULL; one = one->next)
        held += kith_uuid_is_nil(one->message.chat.id);
    if (held >= CLIENT_MAILS_HELD_MAX) return;
    if (secure_pending_add(client, item) == NULL) abort(); /* it is about to be acknowledged: as effects.c */
    record_put_pending(client, item);
}
