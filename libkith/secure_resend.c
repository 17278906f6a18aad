#include "libkith/client.h"
#include "libkith/content.h"
#include "libkith/e2ee/account_group.h"

/*
 * Asking again (docs/wire/e2ee.md). What this device could not open it asks its device for, in a mail; what others ask it for it gives
 * again, if the account agrees, from what was written here: of that the host has the record.
 */

/* Of what devices owe each other only that it was such: a step is over, and keys go by themselves to who lacks them. */
static struct kith_slice body_again(struct kith_slice content_type, struct kith_slice body)
{
    bool is_persons = !group_is_keys(content_type) &&
                      !kith_slice_eq(content_type, kith_content_type(KITH_CONTENT_STEP));

    return is_persons ? body : (struct kith_slice){0};
}

static bool has_expired(const struct kith_client *client, uint64_t expires_ms)
{
    return expires_ms != 0 && expires_ms <= client->now.wall_ms;
}

/* ------------------------------------------------------------------------------------------------ who asks */

/* In a chat of two nothing is asked for before this account has written: then the line does not say so. */
bool resend_lost(struct kith_client *client, const struct kith_message *message, const struct e2e_opened *opened)
{
    struct e2e_account *account = client->secure.account;
    struct chat_sync *const *sync = kith_map_find(&client->chats, &message->chat);
    const bool is_mail = kith_uuid_is_nil(message->chat.id);
    struct e2e_lost lost = {
        .device_id = opened->device_id,
        .item.seq = is_mail ? 0 : message->seq,
        .is_group = !is_mail && secure_chat_kind(client, message->chat) == CHAT_KIND_GROUP,
        .created_ms = message->created_ms,
        .expires_ms = message->expires_ms,
    };
    uint32_t count;

    memcpy(lost.account_id, message->sender.id.raw, sizeof lost.account_id);
    memcpy(lost.item.chat_id, message->chat.id.raw, sizeof lost.item.chat_id);
    memcpy(lost.item.msg_id, message->id.id.raw, sizeof lost.item.msg_id);
    count = e2e_account_lost_count(account, lost.account_id, lost.device_id);
    e2e_account_lost(account, client->now.wall_ms, &lost);
    client->secure.changed = true;
    return e2e_account_lost_count(account, lost.account_id, lost.device_id) > count &&
           (lost.is_group || (sync != NULL && !kith_uuid_is_nil((*sync)->accepted.id)));
}

/* What is lost while a request is on the wire is asked for together, behind it. */
static bool may_ask(const struct kith_client *client)
{
    unsigned waiting = 0;

    for (const struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next) {
        if (!outbox_is_mail(entry) || entry->mail.again.seq != 0) continue;
        if (entry->in_flight) return false;
        waiting++;
    }
    return waiting < CLIENT_REQUESTS_MAX;
}

void resend_ask(struct kith_client *client)
{
    struct e2e_ask ask;
    struct kith_buf body;

    kith_buf_init(&body, 4096);
    while (may_ask(client) && e2e_account_ask(client->secure.account, client->now.wall_ms, &ask, &body)) {
        struct outbox_mail mail = {.device_id = ask.device_id};
        memcpy(mail.user.id.raw, ask.account_id, sizeof mail.user.id.raw);
        mail_add(client, &mail, kith_slice_str(E2E_RESEND_TYPE), kith_buf_peek(&body));
        kith_buf_reset(&body);
    }
    kith_buf_deinit(&body);
}

static void answered(struct kith_client *client, const struct kith_message *mail, const struct e2e_payload *payload)
{
    struct kith_message message = {.sender = mail->sender,
                                   .device = mail->device,
                                   .encrypted = true,
                                   .has_body = true,
                                   .is_open = true,
                                   .type = kith_slice_str("message"),
                                   .content_type = payload->content_type,
                                   .body = body_again(payload->content_type, payload->body)};
    struct e2e_resend_item item;
    struct e2e_lost lost;

    if (e2e_resend_item_decode(payload->again, &item) != KITH_OK ||
        !e2e_account_resent(client->secure.account, payload->account_id, payload->device_id, &item, &lost) ||
        has_expired(client, lost.expires_ms))
        return;
    memcpy(message.chat.id.raw, item.chat_id, sizeof message.chat.id.raw);
    memcpy(message.id.id.raw, item.msg_id, sizeof message.id.id.raw);
    message.seq = item.seq;
    message.created_ms = lost.created_ms;
    message.expires_ms = lost.expires_ms;
    if (secure_open_late(client, &message)) return;
    message.is_again = true;
    inbox_show(client, &message);
}

/* ------------------------------------------------------------------------------------------------ who is asked */

static bool is_same(const struct outbox_mail *a, const struct outbox_mail *b)
{
    return a->device_id == b->device_id && kith_uuid_eq(a->user.id, b->user.id) && a->again.seq == b->again.seq &&
           memcmp(a->again.chat_id, b->again.chat_id, sizeof a->again.chat_id) == 0 &&
           memcmp(a->again.msg_id, b->again.msg_id, sizeof a->again.msg_id) == 0;
}

/* Whether it is asked by one of the chat's people, as far as is known. */
static bool is_of_its_people(struct kith_client *client, struct chat_id chat, struct user_id user)
{
    struct user_id pair[2];
    struct e2e_group_view view;

    switch (secure_chat_kind(client, chat)) {
    case CHAT_KIND_UNKNOWN: return true;
    case CHAT_KIND_NONE: return false;
    case CHAT_KIND_GROUP:
        return e2e_account_group(client->secure.account, chat.id.raw, &view) &&
               e2e_group_find(view.group, user.id.raw) != NULL;
    case CHAT_KIND_PAIR: break;
    }
    return kith_client_pair(client, chat, pair) &&
           (kith_uuid_eq(pair[0].id, user.id) || kith_uuid_eq(pair[1].id, user.id));
}

/*
 * Of a chat and a number that this device knows, and not one that is on its way. What will not be given anyhow is not looked up: the
 * host may have to read much for that, and nothing else bounds how often somebody asks.
 */
static bool may_give(struct kith_client *client, const struct outbox_mail *mail)
{
    struct chat_id chat;
    unsigned waiting = 0;

    memcpy(chat.id.raw, mail->again.chat_id, sizeof chat.id.raw);
    if (kith_uuid_is_nil(chat.id) || kith_client_applied(client, chat) == 0) return false;
    if (!is_of_its_people(client, chat, mail->user) ||
        e2e_account_has_given(client->secure.account, client->now.wall_ms, mail->user.id.raw, mail->device_id,
                              mail->again.msg_id))
        return false;
    for (const struct outbox_entry *entry = client->outbox_first; entry != NULL; entry = entry->next) {
        if (entry->mail.again.seq == 0) continue;
        if (is_same(&entry->mail, mail)) return false;
        waiting++;
    }
    return waiting < CLIENT_ANSWERS_MAX;
}

static void asked(struct kith_client *client, const struct e2e_payload *payload)
{
    struct outbox_mail mail = {.device_id = payload->device_id};
    struct e2e_resend request;

    if (e2e_resend_decode(payload->body, &request) != KITH_OK) return;
    memcpy(mail.user.id.raw, payload->account_id, sizeof mail.user.id.raw);
    for (uint32_t i = 0; i < request.count; i++) {
        mail.again = request.items[i];
        if (may_give(client, &mail)) mail_add(client, &mail, (struct kith_slice){0}, (struct kith_slice){0});
    }
}

void resend_mail(struct kith_client *client, const struct kith_message *item, const struct e2e_opened *opened)
{
    const struct e2e_payload *payload = &opened->payload;

    if (payload->has_again)
        answered(client, item, payload);
    else if (kith_slice_is(payload->content_type, E2E_RESEND_TYPE))
        asked(client, payload);
}

/* The account is asked once: what it agreed to counts as given. */
static void give(struct kith_client *client, struct outbox_entry *entry, const struct kith_message *message)
{
    struct e2e_sent sent = {.sealed_mark = message->sealed_mark,
                            .written_ms = message->written_ms,
                            .expires_ms = message->expires_ms,
                            .group_epoch = message->group_epoch};
    const enum chat_kind kind = secure_chat_kind(client, message->chat);
    kith_err err = KITH_OK;
    struct user_id pair[2];

    if (kind == CHAT_KIND_UNKNOWN) return; /* what tells is wanted */
    sent.is_group = kind == CHAT_KIND_GROUP;
    if (kith_client_pair(client, message->chat, pair))
        memcpy(sent.dest, pair[kith_uuid_eq(pair[0].id, client->config.user.id)].id.raw, sizeof sent.dest);
    if (!entry->mail.is_given)
        err = e2e_account_give(client->secure.account, client->now.wall_ms, entry->mail.user.id.raw,
                               entry->mail.device_id, &entry->mail.again, &sent);
    if (err == KITH_E_NOMEM) return;
    if (err != KITH_OK || has_expired(client, message->expires_ms)) {
        outbox_remove(client, entry);
        return;
    }
    if (!entry->mail.is_given) {
        entry->mail.is_given = true;
        record_put_outbox(client, entry);
    }
    mail_seal(client, entry, message->content_type, body_again(message->content_type, message->body),
              message->written_ms);
}

void resend_give(struct kith_client *client, struct outbox_entry *entry)
{
    const struct outbox_entry *echo;
    struct kith_message message = {0};
    struct kith_effect *effect;

    memcpy(message.chat.id.raw, entry->mail.again.chat_id, sizeof message.chat.id.raw);
    memcpy(message.id.id.raw, entry->mail.again.msg_id, sizeof message.id.id.raw);
    message.seq = entry->mail.again.seq;
    echo = secure_echo_find(client, message.id);
    if (echo != NULL && kith_uuid_eq(echo->chat.id, message.chat.id) && echo->echo_seq == message.seq) {
        secure_echo_tell(echo, &message);
        message.expires_ms = echo->expires_ms;
        give(client, entry, &message);
        return;
    }
    if (entry->mail.is_recalled) return;
    entry->mail.is_recalled = true;
    effect = effect_add(client, KITH_EFFECT_RECALL, 0, NULL);
    effect->chat = message.chat;
    effect->seq = message.seq;
}

/* The message that is asked for, of this device, as it was encrypted here. */
static bool is_meant(const struct kith_client *client, const struct outbox_mail *mail,
                     const struct kith_message *message)
{
    return message->encrypted && message->is_open && message->sealed_mark > 0 && message->gap_from == 0 &&
           kith_slice_is(message->type, "message") && kith_uuid_eq(message->sender.id, client->config.user.id) &&
           kith_uuid_eq(message->device.id, client->config.device.id) &&
           memcmp(message->id.id.raw, mail->again.msg_id, sizeof mail->again.msg_id) == 0;
}

void kith_client_recalled(struct kith_client *client, struct kith_time now, struct chat_id chat, uint64_t seq,
                          struct kith_slice record)
{
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];
    struct kith_message message;
    bool is_there;

    client->now = now;
    kith_record_message_key(chat, seq, key);
    is_there = record.len > 0 && kith_record_message(kith_slice_of(key, sizeof key), record, &message) == KITH_OK;
    for (struct outbox_entry *entry = client->outbox_first, *next; entry != NULL; entry = next) {
        const struct outbox_mail *mail = &entry->mail;
        next = entry->next;
        if (!mail->is_recalled || mail->again.seq != seq ||
            memcmp(mail->again.chat_id, chat.id.raw, sizeof mail->again.chat_id) != 0)
            continue;
        entry->mail.is_recalled = false;
        if (is_there && is_meant(client, mail, &message))
            give(client, entry, &message);
        else
            outbox_remove(client, entry);
    }
    outbox_pump(client);
    link_timers(client);
    step_end(client);
}
