#include "libkith/client.h"

/* The outbox as its host sees it: what a person wrote. */

kith_err kith_client_send(struct kith_client *client, struct kith_time now, const struct kith_send *send,
                          struct msg_id *out)
{
    struct outbox_entry head = {.chat = send->chat,
                                .state = KITH_OUTBOX_QUEUED,
                                .encrypted = send->encrypted,
                                .created_ms = now.wall_ms,
                                .expires_ms = send->expires_ms};
    struct outbox_entry *entry;
    kith_err err;

    client->now = now;
    if (client->outbox_count >= KITH_OUTBOX_ENTRIES_MAX) return KITH_E_FULL;
    if (client->chats.count == KITH_CHATS_MAX && kith_map_find(&client->chats, &send->chat) == NULL) return KITH_E_FULL;
    err = outbox_check(send->content_type, send->body);
    if (err != KITH_OK) return err;
    head.id = client_msg_id(client);
    head.order = outbox_order(client);
    entry = outbox_add(client, &head, send->content_type, send->body);
    if (entry == NULL) return KITH_E_NOMEM;
    record_put_state(client);
    record_put_outbox(client, entry);
    outbox_pump(client); /* if it leaves at once, it does so behind the step's PERSIST */
    link_timers(client);
    step_end(client);
    *out = head.id;
    return KITH_OK;
}

size_t kith_client_outbox_count(const struct kith_client *client)
{
    return client->outbox_count;
}

size_t kith_client_outbox_owed(const struct kith_client *client)
{
    size_t count = 0;

    for (const struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next)
        count += outbox_is_own(entry);
    return count;
}

kith_err kith_client_outbox_at(const struct kith_client *client, size_t at, struct kith_outbox_entry *out)
{
    const struct outbox_entry *entry = client->outbox_first;

    while (entry != NULL && (outbox_is_own(entry) || at-- > 0)) entry = entry->next;
    if (entry == NULL) return KITH_E_NOTFOUND;
    *out = (struct kith_outbox_entry){
        .id = entry->id,
        .chat = entry->chat,
        .state = entry->state,
        .code = entry->code,
        .was_on_wire = entry->was_on_wire,
        .created_ms = entry->created_ms,
        .content_type = kith_slice_of(entry->bytes, entry->content_type_len),
        .body = kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len),
    };
    return KITH_OK;
}

static struct outbox_entry *find(const struct kith_client *client, struct msg_id id)
{
    struct outbox_entry *entry = outbox_find(client, id);

    return entry == NULL || outbox_is_own(entry) ? NULL : entry;
}

kith_err kith_client_outbox_retry(struct kith_client *client, struct kith_time now, struct msg_id id,
                                  struct msg_id *out)
{
    struct outbox_entry *entry = find(client, id);

    client->now = now;
    if (entry == NULL) return KITH_E_NOTFOUND;
    *out = entry->id;
    if (entry->state == KITH_OUTBOX_QUEUED) return KITH_OK;
    /* Refused for good means surely not stored: a new id is safe. An unknown one keeps its id, or it could come twice. */
    if (entry->state == KITH_OUTBOX_FAILED) {
        *out = entry->id = client_msg_id(client);
        entry->was_on_wire = false;
        kith_buf_deinit(&entry->sealed); /* it names the old id inside */
        record_put_state(client);
    }
    entry->state = KITH_OUTBOX_QUEUED;
    entry->code = CODE_OK;
    record_put_outbox(client, entry);
    step_end(client);
    outbox_pump(client);
    step_end(client);
    return KITH_OK;
}

kith_err kith_client_outbox_drop(struct kith_client *client, struct msg_id id)
{
    struct outbox_entry *entry = find(client, id);

    if (entry == NULL) return KITH_E_NOTFOUND;
    if (entry->in_flight) return KITH_E_AGAIN;
    outbox_remove(client, entry);
    step_end(client);
    return KITH_OK;
}
