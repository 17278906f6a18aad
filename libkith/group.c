#include <sodium.h>
#include <stdlib.h>

#include "libkith/client.h"
#include "libkith/content.h"
#include "libkith/e2ee/account_group.h"
#include "wire/json_flat.h"

/*
 * Groups of a client: the operations that come with events or are fetched, and what this device owes to the others when one of
 * its own came into force.
 */

static bool has_op(const struct kith_message *message)
{
    return message->gap_from == 0 && message->has_body &&
           (kith_slice_is(message->type, "created") || kith_slice_is(message->type, "member") ||
            kith_slice_is(message->type, "chat"));
}

/* A text of the event's JSON, lent; empty: it has none of that name. */
static struct kith_slice text_of(const struct kith_message *message, const char *name)
{
    struct json_flat reader;
    struct json_flat_member member;

    json_flat_init(&reader, message->body);
    while (json_flat_next(&reader, &member) == KITH_OK)
        if (kith_slice_is(member.name, name) && member.type == JSON_FLAT_STRING) return member.value;
    return (struct kith_slice){0};
}

static bool find_op(const struct kith_message *message, struct kith_slice *text)
{
    if (has_op(message)) *text = text_of(message, "signed_op");
    return text->len > 0;
}

static bool is_ask(const struct kith_message *message)
{
    return has_op(message) && kith_slice_is(message->type, "member") && kith_slice_is(text_of(message, "op"), "ask");
}

bool group_waits(const struct kith_message *message)
{
    struct kith_slice text = {0};

    return !message->is_open && message->unreadable == KITH_OK && (find_op(message, &text) || is_ask(message));
}

/* Keys for the others, in a message of nobody's. */
static void give_keys(struct kith_client *client, struct chat_id chat)
{
    struct kith_buf body;

    kith_buf_init(&body, E2E_BODY_BYTES_MAX);
    if (e2e_account_group_keys(client->secure.account, chat.id.raw, &body) == KITH_OK)
        outbox_say(client, chat, kith_content_type(KITH_CONTENT_KEYS), kith_buf_peek(&body));
    kith_buf_wipe(&body);
}

static kith_err take(struct kith_client *client, struct kith_message *message, bool is_fresh, bool is_ops_fresh,
                     struct kith_slice op, struct e2e_wants *wants)
{
    const struct chat_members *members = secure_members_of(client, message->chat);
    kith_err err;

    if (members != NULL && members->count > 0) return KITH_E_DENIED; /* a chat of two stays one */
    err = e2e_account_group_op(client->secure.account, message->chat.id.raw, op, message->seq, is_fresh, wants);
    if (err == KITH_E_NOTFOUND && !is_ops_fresh) {
        secure_ops_seen(client, message->chat);
        secure_want_ops(client, message->chat);
        return KITH_E_AGAIN;
    }
    return err;
}

/* Of which group it is must be known, as it is now: a device that came just now has read nothing of it, or not all. */
static kith_err ask_event(struct kith_client *client, struct kith_message *message, bool is_ops_fresh)
{
    kith_err err = KITH_E_DENIED;

    if (e2e_account_state(client->secure.account) != E2E_ACCOUNT_READY) {
        err = KITH_E_CLOSED;
    } else {
        switch (secure_chat_kind(client, message->chat)) {
        case CHAT_KIND_UNKNOWN: return KITH_E_AGAIN;
        case CHAT_KIND_GROUP:
            err = admit_asked(client, message, text_of(message, "user_id"), text_of(message, "request"));
            if (err != KITH_E_DENIED || is_ops_fresh || secure_knows_ops(client, message->chat)) break;
            secure_want_ops(client, message->chat);
            return KITH_E_AGAIN;
        case CHAT_KIND_PAIR:
        case CHAT_KIND_NONE: break;
        }
    }
    message->is_open = err == KITH_OK;
    message->unreadable = err;
    return KITH_OK;
}

kith_err group_event(struct kith_client *client, struct kith_message *message, bool is_fresh, bool is_ops_fresh,
                     struct e2e_wants *wants)
{
    uint8_t op[E2E_GROUP_SIGNED_BYTES_MAX];
    struct kith_slice text = {0};
    size_t len = 0;
    kith_err err = KITH_E_MALFORMED;

    if (is_ask(message)) return ask_event(client, message, is_ops_fresh);
    if (!find_op(message, &text)) return KITH_OK;
    if (sodium_base642bin(op, sizeof op, (const char *)text.ptr, text.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) == 0)
        err = take(client, message, is_fresh, is_ops_fresh, kith_slice_of(op, len), wants);
    if (err == KITH_E_AGAIN || err == KITH_E_NOMEM) return err;
    message->is_open = err == KITH_OK;
    message->unreadable = err;
    client->secure.changed |= client->secure.asks != NULL; /* who asked may be in it now */
    if (err == KITH_OK && e2e_account_group_gives(client->secure.account, kith_slice_of(op, len)))
        give_keys(client, message->chat);
    return KITH_OK;
}

/* Who inherits from the only owner follows from their leaving, and the server says it besides. */
static bool is_heir(const struct e2e_group *group, const struct kith_message *message)
{
    struct kith_uuid heir;
    const struct e2e_group_member *member;

    if (!kith_slice_is(text_of(message, "op"), "role") || !kith_slice_is(text_of(message, "role"), "owner"))
        return false;
    if (kith_uuid_parse(text_of(message, "user_id"), &heir) != KITH_OK) return false;
    member = e2e_group_find(group, heir.raw);
    return member != NULL && member->role == E2E_ROLE_OWNER;
}

/* What the server says of a group is nobody's word; but that an account was deleted it may say (of no device). */
void group_show(const struct kith_client *client, struct kith_message *message)
{
    struct e2e_group_view view;
    bool is_change = kith_slice_is(message->type, "member") || kith_slice_is(message->type, "chat");

    if (is_change && !message->is_open && message->unreadable == KITH_OK && message->gap_from == 0 &&
        !kith_uuid_is_nil(message->device.id) &&
        e2e_account_group(client->secure.account, message->chat.id.raw, &view) && !is_heir(view.group, message))
        message->unreadable = KITH_E_DENIED;
    message->is_open = false; /* it was for this device that its operation was looked at */
}

bool group_is_keys(struct kith_slice content_type)
{
    return kith_slice_eq(content_type, kith_content_type(KITH_CONTENT_KEYS));
}

/* What all may read has one body for all: a message of a large group without any gives the chain to others, and says nothing. */
void group_gift(const struct kith_client *client, struct kith_message *message)
{
    struct e2e_group_view view;

    if (!message->encrypted || message->has_body || message->is_open || message->unreadable != KITH_OK ||
        message->gap_from > 0 || kith_uuid_eq(message->device.id, client->config.device.id) || !secure_on(client) ||
        !e2e_account_group(client->secure.account, message->chat.id.raw, &view) || !view.is_large)
        return;
    message->is_open = true;
    message->content_type = kith_content_type(KITH_CONTENT_KEYS);
}

void group_opened(struct kith_client *client, struct chat_id chat, const struct e2e_opened *opened)
{
    if (!group_is_keys(opened->payload.content_type)) return;
    /* Nobody gives them again, and their session has stepped on: as effects.c. */
    if (e2e_account_group_keys_take(client->secure.account, chat.id.raw, opened) == KITH_E_NOMEM) abort();
}

/* Its event may have been shown before it was fetched; what waits may still be opened under the chains that are here. */
static void fetched_shown(struct kith_client *client, struct chat_id chat)
{
    for (const struct pending *one = client->secure.pending_first; one != NULL; one = one->next)
        if (kith_uuid_eq(one->message.chat.id, chat.id)) return;
    e2e_account_group_shown(client->secure.account, chat.id.raw, kith_client_applied(client, chat));
}

/* The first that cannot be taken yet ends the page: what follows it would be a gap. */
void kith_client_group_op(struct kith_client *client, struct chat_id chat, uint64_t event_seq,
                          struct kith_slice signed_op)
{
    struct secure *secure = &client->secure;
    struct e2e_group_view before, after;
    struct e2e_wants wants = {0};
    kith_err err;

    (void)e2e_account_group(secure->account, chat.id.raw, &before);
    err = e2e_account_group_op(secure->account, chat.id.raw, signed_op, event_seq, false, &wants);
    if (err == KITH_E_AGAIN) secure->ops_wants = wants;
    if (err == KITH_OK) fetched_shown(client, chat);
    secure->helped |= e2e_account_group(secure->account, chat.id.raw, &after) && after.group != before.group;
}
