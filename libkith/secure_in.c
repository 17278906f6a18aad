#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/client.h"

/* Events of the stream: opened and shown, in the order of their chat. */

static struct outbox_entry **echo_find(struct kith_client *client, struct msg_id id)
{
    struct outbox_entry **at = &client->secure.echoes;

    while (*at != NULL && !kith_uuid_eq((*at)->id.id, id.id)) at = &(*at)->next;
    return at;
}

/* This device's own message comes without a body: what was written is still here. */
static void show_own(struct kith_client *client, struct kith_message *message)
{
    struct outbox_entry **at = echo_find(client, message->id), *entry = *at;

    if (entry != NULL) {
        message->is_open = message->has_body = true;
        message->content_type = kith_slice_of(entry->bytes, entry->content_type_len);
        message->body = kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len);
    }
    inbox_show(client, message);
    if (entry == NULL) return;
    *at = entry->next;
    record_delete_echo(client, entry);
    outbox_entry_free(entry);
}

/* Nobody but a chat's people may write in it, whatever the server hands out: what another one encrypted is not opened. */
static kith_err sender_check(struct kith_client *client, const struct kith_message *message)
{
    const struct chat_members *members = secure_members_of(client, message->chat);

    if (members == NULL) {
        client->secure.wants_members = message->chat;
        return KITH_E_AGAIN;
    }
    for (uint32_t i = 0; i < members->count; i++)
        if (memcmp(members->users[i], message->sender.id.raw, sizeof members->users[i]) == 0) return KITH_OK;
    return KITH_E_DENIED;
}

static void show_closed(struct kith_client *client, struct kith_message *message, kith_err why)
{
    message->has_body = false;
    message->body = (struct kith_slice){0};
    message->unreadable = why;
    inbox_show(client, message);
}

/* False: it waits for something. pending: its place among those that wait; NULL: none yet. */
static bool open_and_show(struct kith_client *client, struct kith_message *message, const struct pending *pending)
{
    struct secure *secure = &client->secure;
    struct e2e_envelope envelope = {.message = message->body};
    struct e2e_opened opened;
    struct e2e_wants wants;
    struct kith_buf plain;
    kith_err err;

    if (!message->encrypted || !kith_slice_is(message->type, "message") || message->gap_from > 0) {
        inbox_show(client, message);
        return true;
    }
    if (kith_uuid_eq(message->device.id, client->config.device.id)) {
        show_own(client, message);
        return true;
    }
    if (!message->has_body) { /* not for this device: it was not in the sender's lists */
        inbox_show(client, message);
        return true;
    }
    err = sender_check(client, message);
    if (err == KITH_E_AGAIN) return false;
    if (err != KITH_OK) {
        show_closed(client, message, err);
        return true;
    }
    if (pending != NULL) {
        envelope.is_fresh = pending->is_fresh;
        envelope.is_own_fresh = pending->is_own_fresh;
    }
    memcpy(envelope.account_id, message->sender.id.raw, sizeof envelope.account_id);
    memcpy(envelope.server_device, message->device.id.raw, sizeof envelope.server_device);
    memcpy(envelope.thread_id, message->chat.id.raw, sizeof envelope.thread_id);
    memcpy(envelope.msg_id, message->id.id.raw, sizeof envelope.msg_id);
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    err = e2e_account_open(secure->account, client->now.wall_ms, &envelope, &wants, &plain, &opened);
    if (err == KITH_E_AGAIN || err == KITH_E_NOMEM) {
        secure_want(secure, &wants);
    } else {
        message->is_open = err == KITH_OK;
        message->has_body = err == KITH_OK;
        message->unreadable = err;
        message->missed = opened.missed;
        message->content_type = opened.payload.content_type;
        message->body = opened.payload.body;
        inbox_show(client, message);
        if (opened.wants_step) outbox_step(client, message->chat);
    }
    kith_buf_wipe(&plain);
    return err != KITH_E_AGAIN && err != KITH_E_NOMEM;
}

static bool waits(const struct kith_client *client, struct chat_id chat)
{
    for (const struct pending *one = client->secure.pending_first; one != NULL; one = one->next)
        if (kith_uuid_eq(one->message.chat.id, chat.id)) return true;
    return false;
}

struct pending *secure_pending_add(struct kith_client *client, const struct kith_message *message)
{
    struct secure *secure = &client->secure;
    size_t len = message->type.len + message->content_type.len + message->body.len;
    struct pending *one = malloc(sizeof *one + len), **at = &secure->pending_first;
    uint8_t *bytes;

    if (one == NULL) return NULL;
    *one = (struct pending){.message = *message, .fetches = secure->fetches};
    bytes = one->bytes;
    one->message.type = client_copy_to(&bytes, message->type);
    one->message.content_type = client_copy_to(&bytes, message->content_type);
    one->message.body = client_copy_to(&bytes, message->body);
    while (*at != NULL &&
           ((*at)->message.seq <= message->seq || !kith_uuid_eq((*at)->message.chat.id, message->chat.id)))
        at = &(*at)->next;
    one->next = *at;
    *at = one;
    return one;
}

void secure_event(struct kith_client *client, struct kith_message *message)
{
    if (!secure_on(client)) {
        inbox_show(client, message);
        return;
    }
    if (!waits(client, message->chat) && open_and_show(client, message, NULL)) return;
    if (secure_pending_add(client, message) == NULL) abort(); /* it is about to be acknowledged: as effects.c */
    if (!kith_mutant(PENDING_NOT_KEPT)) record_put_pending(client, message);
}

/* In the order in which they came; the first of a chat that must wait holds up the others of it. */
void secure_open_pending(struct kith_client *client)
{
    struct pending **at = &client->secure.pending_first;

    while (*at != NULL) {
        struct pending *one = *at;
        bool is_held = false;
        for (struct pending *before = client->secure.pending_first; before != one && !is_held; before = before->next)
            is_held = kith_uuid_eq(before->message.chat.id, one->message.chat.id);
        if ((is_held && !kith_mutant(PENDING_UNORDERED)) || !open_and_show(client, &one->message, one)) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        record_delete_pending(client, &one->message);
        free(one);
    }
}
