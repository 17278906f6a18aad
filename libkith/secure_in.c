#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/client.h"
#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_group.h"
#include "libkith/e2ee/sender_chain.h"

/* Events of the stream: opened and shown, in the order of their chat. */

static void drop_echo(struct kith_client *client, struct outbox_entry **at)
{
    struct outbox_entry *entry = *at;

    *at = entry->next;
    record_delete_echo(client, entry);
    outbox_entry_free(entry);
}

/* This device's own message comes without a body: what was written is still here. */
static void show_own(struct kith_client *client, struct kith_message *message)
{
    struct outbox_entry **at = &client->secure.echoes;

    while (*at != NULL && !kith_uuid_eq((*at)->id.id, message->id.id)) at = &(*at)->next;
    if (*at != NULL) secure_echo_tell(*at, message);
    inbox_show(client, message);
    if (*at != NULL) drop_echo(client, at);
}

/*
 * Nobody but a chat's people may write in it, whatever the server hands out: what another one encrypted is not opened. Of a
 * group that is looked at when it opens: who was in it under the head that it names.
 */
static kith_err sender_check(struct kith_client *client, const struct kith_message *message)
{
    const struct chat_members *members = secure_members_of(client, message->chat);

    switch (secure_chat_kind(client, message->chat)) {
    case CHAT_KIND_UNKNOWN: return KITH_E_AGAIN;
    case CHAT_KIND_NONE: return KITH_E_DENIED;
    case CHAT_KIND_GROUP: return KITH_OK;
    case CHAT_KIND_PAIR: break;
    }
    for (uint32_t i = 0; i < members->count; i++)
        if (memcmp(members->users[i], message->sender.id.raw, sizeof members->users[i]) == 0) return KITH_OK;
    return KITH_E_DENIED;
}

/* Nothing has to be opened of it: it never was closed, or was opened before its turn to be shown. */
static bool is_ready(const struct kith_client *client, const struct kith_message *message)
{
    if (!kith_slice_is(message->type, "message")) return !group_waits(message);
    return !message->encrypted || message->gap_from > 0 || kith_uuid_eq(message->device.id, client->config.device.id) ||
           !message->has_body || /* not for this device: it was not in the sender's lists */
           message->is_open || message->unreadable != KITH_OK;
}

static void close_for_good(struct kith_message *message, kith_err why)
{
    message->has_body = false;
    message->body = message->content_type = (struct kith_slice){0};
    message->unreadable = why;
}

/* One ciphertext for a whole group, and this device has no keys yet: nobody can have given it what opens that. */
static bool is_for_others(const struct e2e_account *account, const struct kith_message *message)
{
    enum e2e_account_state state = e2e_account_state(account);
    struct e2e_group_message common;

    return (state == E2E_ACCOUNT_EMPTY || state == E2E_ACCOUNT_LINKING) &&
           e2e_group_message_decode(message->body, &common) == KITH_OK;
}

kith_err secure_open(struct kith_client *client, const struct kith_message *message, const struct pending *pending,
                     struct kith_buf *plain, struct e2e_opened *opened)
{
    struct secure *secure = &client->secure;
    struct e2e_envelope envelope = {.message = message->body, .is_mail = kith_uuid_is_nil(message->chat.id)};
    struct e2e_wants wants = {0};
    const uint64_t fetches = pending != NULL ? pending->fetches : secure->fetches;
    kith_err err;

    if (pending != NULL) {
        envelope.is_fresh = pending->is_fresh;
        envelope.is_own_fresh = pending->is_own_fresh;
        envelope.is_ops_fresh = pending->is_ops_fresh;
    }
    envelope.seq = message->seq;
    envelope.is_group = !envelope.is_mail && secure_chat_kind(client, message->chat) == CHAT_KIND_GROUP;
    memcpy(envelope.account_id, message->sender.id.raw, sizeof envelope.account_id);
    memcpy(envelope.server_device, message->device.id.raw, sizeof envelope.server_device);
    memcpy(envelope.thread_id, message->chat.id.raw, sizeof envelope.thread_id);
    memcpy(envelope.msg_id, message->id.id.raw, sizeof envelope.msg_id);
    *opened = (struct e2e_opened){0};
    err = e2e_account_open(secure->account, client->now.wall_ms, &envelope, &wants, plain, opened);
    if (err == KITH_E_AGAIN || err == KITH_E_NOMEM) secure_want_new(client, &wants, fetches);
    for (uint32_t i = 0; err == KITH_OK && i < opened->newer_count; i++)
        secure_doubt_list(client, opened->newer[i], fetches);
    return err;
}

/*
 * Opens it, for good or for ill; its content is lent from `plain`. KITH_E_AGAIN, KITH_E_NOMEM: not now, and it is as it was.
 * pending: its place among those that wait; NULL: none yet.
 */
static kith_err open_message(struct kith_client *client, struct kith_message *message, const struct pending *pending,
                             struct kith_buf *plain)
{
    struct secure *secure = &client->secure;
    struct e2e_opened opened;
    struct e2e_wants wants = {0};
    kith_err err;

    if (!kith_slice_is(message->type, "message")) {
        err = group_event(client, message, pending != NULL && pending->is_fresh,
                          pending != NULL && pending->is_ops_fresh, &wants);
        if (err != KITH_OK) secure_want_new(client, &wants, pending != NULL ? pending->fetches : secure->fetches);
        return err;
    }
    if (is_for_others(secure->account, message)) {
        close_for_good(message, KITH_E_NOTFOUND);
        return KITH_OK;
    }
    err = sender_check(client, message);
    if (err == KITH_E_AGAIN) return err;
    if (err != KITH_OK) {
        close_for_good(message, err);
        return KITH_OK;
    }
    err = secure_open(client, message, pending, plain, &opened);
    if (err == KITH_E_AGAIN || err == KITH_E_NOMEM) return err;
    if (err != KITH_OK) {
        message->is_asked = opened.is_lost && resend_lost(client, message, &opened);
        close_for_good(message, err);
        return KITH_OK;
    }
    message->is_open = true;
    message->missed = opened.missed;
    message->is_anew = opened.is_anew;
    message->content_type = opened.payload.content_type;
    message->body = group_is_keys(message->content_type) ? (struct kith_slice){0} : opened.payload.body;
    group_opened(client, message->chat, &opened);
    if (opened.wants_step) outbox_step(client, message->chat);
    return KITH_OK;
}

/* The stream will not bring what is in a gap: this device's own messages there are not waited for any more. */
static void drop_echoes(struct kith_client *client, const struct kith_message *gap)
{
    for (struct outbox_entry **at = &client->secure.echoes, *entry; (entry = *at) != NULL;) {
        if (!kith_uuid_eq(entry->chat.id, gap->chat.id) || entry->echo_seq < gap->gap_from ||
            entry->echo_seq > gap->seq) {
            at = &entry->next;
            continue;
        }
        drop_echo(client, at);
    }
}

static void show(struct kith_client *client, struct kith_message *message)
{
    bool is_message = kith_slice_is(message->type, "message");

    if (message->gap_from > 0) drop_echoes(client, message);
    if (!is_message) group_show(client, message);
    if (is_message) group_gift(client, message);
    if (is_message && message->encrypted && message->gap_from == 0 &&
        kith_uuid_eq(message->device.id, client->config.device.id))
        show_own(client, message);
    else
        inbox_show(client, message);
    if (!is_message || message->gap_from > 0)
        e2e_account_group_shown(client->secure.account, message->chat.id.raw, message->seq);
}

static bool is_of_chat(const struct pending *one, struct chat_id chat)
{
    return kith_uuid_eq(one->message.chat.id, chat.id);
}

/* One before it in its chat waits to be shown. end: it waits itself; NULL: it has just come. */
static bool is_held(const struct kith_client *client, const struct kith_message *message, const struct pending *end)
{
    for (const struct pending *one = client->secure.pending_first; one != end; one = one->next)
        if (is_of_chat(one, message->chat)) return true;
    return false;
}

/* One before it of the same device waits to be opened: what a device says in a chat is opened in its order. */
static bool is_closed_before(const struct kith_client *client, const struct kith_message *message,
                             const struct pending *end)
{
    for (const struct pending *one = client->secure.pending_first; one != end; one = one->next)
        if (is_of_chat(one, message->chat) && kith_uuid_eq(one->message.device.id, message->device.id) &&
            !is_ready(client, &one->message))
            return true;
    return false;
}

static struct pending *pending_new(const struct kith_message *message)
{
    struct pending *one = malloc(sizeof *one + message->type.len + message->content_type.len + message->body.len);
    uint8_t *bytes;

    if (one == NULL) return NULL;
    *one = (struct pending){.message = *message};
    bytes = one->bytes;
    one->message.type = client_copy_to(&bytes, message->type);
    one->message.content_type = client_copy_to(&bytes, message->content_type);
    one->message.body = client_copy_to(&bytes, message->body);
    return one;
}

void secure_pending_free(struct pending *one)
{
    size_t len = one->message.type.len + one->message.content_type.len + one->message.body.len;

    e2e_wipe(one->bytes, len);
    free(one);
}

struct pending *secure_pending_add(struct kith_client *client, const struct kith_message *message)
{
    struct secure *secure = &client->secure;
    struct pending *one = pending_new(message), **at = &secure->pending_first;

    if (one == NULL) return NULL;
    one->fetches = secure->fetches;
    while (*at != NULL && ((*at)->message.seq <= message->seq || !is_of_chat(*at, message->chat))) at = &(*at)->next;
    one->next = *at;
    *at = one;
    return one;
}

/*
 * It is opened as soon as it can be, also when others of its chat must be shown before it: a session goes on in other
 * chats meanwhile, and what it steps over it keeps for a few of its chains only.
 */
void secure_event(struct kith_client *client, struct kith_message *message)
{
    struct kith_buf plain;

    if (!secure_on(client)) {
        inbox_show(client, message);
        return;
    }
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    if (!is_ready(client, message) && !is_closed_before(client, message, NULL))
        kith_ignore(open_message(client, message, NULL, &plain)); /* not now: it waits */
    if (is_ready(client, message) && !is_held(client, message, NULL)) {
        show(client, message);
    } else {
        if (secure_pending_add(client, message) == NULL) abort(); /* it is about to be acknowledged: as effects.c */
        if (!kith_mutant(PENDING_NOT_KEPT)) record_put_pending(client, message);
    }
    kith_buf_wipe(&plain);
}

/* What was opened takes the place of what waited. */
static void pending_opened(struct kith_client *client, struct pending **at, const struct kith_message *message)
{
    struct pending *one = pending_new(message), *before = *at;

    if (one == NULL) abort(); /* its session has stepped on: as effects.c */
    one->next = before->next;
    *at = one;
    secure_pending_free(before);
    record_put_pending(client, &one->message);
}

bool secure_open_late(struct kith_client *client, const struct kith_message *message)
{
    struct pending **at = &client->secure.pending_first;

    while (*at != NULL && ((*at)->message.seq != message->seq || !is_of_chat(*at, message->chat))) at = &(*at)->next;
    if (*at == NULL) return false;
    if (kith_uuid_eq((*at)->message.id.id, message->id.id)) pending_opened(client, at, message);
    return true;
}

static void pending_done(struct kith_client *client, struct pending **at)
{
    struct pending *one = *at;

    *at = one->next;
    record_delete_pending(client, &one->message);
    secure_pending_free(one);
}

/* True: it was shown, and is gone. */
static bool pending_try(struct kith_client *client, struct pending **at)
{
    struct pending *one = *at;
    struct kith_message message = one->message;
    struct kith_buf plain;
    bool was_ready = is_ready(client, &message), is_shown;

    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    if (!was_ready && !is_closed_before(client, &message, one))
        kith_ignore(open_message(client, &message, one, &plain)); /* not now: it waits */
    is_shown = is_ready(client, &message) && (!is_held(client, &message, one) || kith_mutant(PENDING_UNORDERED));
    if (is_shown) {
        show(client, &message);
        pending_done(client, at);
    } else if (!was_ready && is_ready(client, &message)) {
        pending_opened(client, at, &message);
    }
    kith_buf_wipe(&plain);
    return is_shown;
}

/* Each chat in its order. */
void secure_open_pending(struct kith_client *client)
{
    struct pending **at = &client->secure.pending_first;

    while (*at != NULL) {
        if (!kith_uuid_is_nil((*at)->message.chat.id)) {
            if (!pending_try(client, at)) at = &(*at)->next;
        } else if (mail_take(client, &(*at)->message, *at)) {
            const struct pending *one = *at;
            /* What it gave again may have taken the place of the one before it. */
            for (at = &client->secure.pending_first; *at != one;) at = &(*at)->next;
            pending_done(client, at);
        } else {
            at = &(*at)->next;
        }
    }
}
