#include "base/mutant.h"
#include "libkith/client.h"
#include "wire/json_flat.h"
#include "wire/json_text.h"

static struct kith_slice header(const struct stomp_frame *frame, const char *name)
{
    struct kith_slice value = {0};

    (void)stomp_header(frame, name, &value);
    return value;
}

static uint64_t header_u64(const struct stomp_frame *frame, const char *name)
{
    uint64_t value = 0;

    kith_ignore(kith_slice_to_u64(header(frame, name), &value)); /* absent or odd: 0, which every caller refuses */
    return value;
}

static struct kith_uuid header_uuid(const struct stomp_frame *frame, const char *name)
{
    struct kith_uuid id = {0};

    kith_ignore(kith_uuid_parse(header(frame, name), &id)); /* the nil id where a kind of event has none */
    return id;
}

static uint64_t header_time(const struct stomp_frame *frame, const char *name)
{
    uint64_t ms = 0;

    kith_ignore(kith_time_parse(header(frame, name), &ms));
    return ms;
}

/* "/chat/{id}" or "/chat/{id}/what": false when it is something else. The nil id is the mailbox's here, and no chat's. */
static bool chat_of(struct kith_slice destination, struct chat_id *chat, struct kith_slice *what)
{
    if (!kith_slice_starts(destination, "/chat/") || destination.len < 6 + KITH_UUID_TEXT_LEN) return false;
    if (kith_uuid_parse(kith_slice_of(destination.ptr + 6, KITH_UUID_TEXT_LEN), &chat->id) != KITH_OK ||
        kith_uuid_is_nil(chat->id))
        return false;
    *what = kith_slice_of(destination.ptr + 6 + KITH_UUID_TEXT_LEN, destination.len - 6 - KITH_UUID_TEXT_LEN);
    return true;
}

static void remember_ack(struct kith_client *client, const struct stomp_frame *frame)
{
    struct kith_slice ack = header(frame, "ack");

    if (ack.len == 0 || ack.len > sizeof client->ack) return;
    memcpy(client->ack, ack.ptr, ack.len);
    client->ack_len = ack.len;
}

/* The cumulative acknowledgement of all that this step stored; it follows the step's PERSIST. */
void inbox_ack(struct kith_client *client)
{
    struct stomp_writer w;
    struct kith_buf frame;

    if (client->ack_len == 0 || client->link != LINK_UP) return;
    kith_buf_init(&frame, 1024);
    stomp_begin(&w, &frame, STOMP_ACK);
    stomp_put(&w, "id", kith_slice_of(client->ack, client->ack_len));
    if (stomp_end(&w, (struct kith_slice){0}) == KITH_OK) effect_send(client, kith_buf_peek(&frame));
    kith_buf_deinit(&frame);
    client->ack_len = 0;
    client->stats.acks++;
}

struct kith_slice client_copy_to(uint8_t **at, struct kith_slice bytes)
{
    struct kith_slice copy = kith_slice_of(*at, bytes.len);

    if (bytes.len > 0) memcpy(*at, bytes.ptr, bytes.len);
    *at += bytes.len;
    return copy;
}

static void show(struct kith_client *client, enum kith_effect_kind kind, const struct kith_message *message)
{
    uint8_t *bytes = NULL;
    struct kith_effect *effect = effect_add(client, kind,
                                            message->type.len + message->content_type.len + message->body.len, &bytes);

    effect->message = *message;
    effect->message.type = client_copy_to(&bytes, message->type);
    effect->message.content_type = client_copy_to(&bytes, message->content_type);
    effect->message.body = client_copy_to(&bytes, message->body);
    effect->chat = message->chat;
}

void inbox_show(struct kith_client *client, const struct kith_message *message)
{
    show(client, KITH_EFFECT_MESSAGE, message);
    if (client->config.shows_history) record_put_message(client, message);
}

static struct kith_message message_of(const struct stomp_frame *frame, struct chat_id chat)
{
    return (struct kith_message){
        .chat = chat,
        .seq = header_u64(frame, "seq"),
        .gap_from = header_u64(frame, "gap-from"),
        .id = {header_uuid(frame, "client-id")},
        .sender = {header_uuid(frame, "sender")},
        .device = {header_uuid(frame, "sender-device")},
        .created_ms = header_time(frame, "created-at"),
        .expires_ms = header_time(frame, "expires-at"),
        .encrypted = kith_slice_is(header(frame, "encrypted"), "true"),
        .has_body = frame->body.len > 0,
        .type = header(frame, "type"),
        .content_type = header(frame, "content-type"),
        .body = frame->body,
    };
}

/* Came before, was stored, and its acknowledgement got lost: said again. */
static bool is_repeat(struct kith_client *client, const struct chat_sync *sync, const struct stomp_frame *frame,
                      uint64_t seq)
{
    if (seq > sync->applied_up_to || kith_mutant(CLIENT_NO_DEDUP)) return false;
    client->stats.duplicates++;
    if (!kith_slice_is(header(frame, "redelivered"), "true")) client->stats.unflagged++;
    remember_ack(client, frame);
    return true;
}

/* What is said in the open in an encrypted chat was said by the server, or by somebody whom it told so: it is not shown. */
static void pin_encryption(struct chat_sync *sync, struct kith_message *message)
{
    sync->is_encrypted |= message->encrypted;
    if (!sync->is_encrypted || message->encrypted || !kith_slice_is(message->type, "message")) return;
    message->unreadable = KITH_E_DENIED;
    message->has_body = false;
    message->body = (struct kith_slice){0};
}

/*
 * A break of the stream's promise. The first time nothing of it is acknowledged, so nothing is lost: a new connection streams
 * from the cursor. A server that jumps at the same place again does not have what is missing: it is shown as a gap, and the
 * chat goes on.
 */
static bool is_hole_taken(struct kith_client *client, struct chat_sync *sync, const struct kith_message *message,
                          uint64_t first)
{
    struct kith_message gap = {.chat = sync->chat,
                               .gap_from = sync->applied_up_to + 1,
                               .seq = first - 1,
                               .encrypted = message->encrypted,
                               .type = kith_slice_str("gap")};

    client->stats.holes++;
    if (sync->hole_up_to != first - 1) {
        sync->hole_up_to = first - 1;
        link_down(client, CODE_MALFORMED, 0);
        return false;
    }
    sync->applied_up_to = first - 1;
    client->stats.gaps++;
    secure_event(client, &gap);
    return true;
}

/* The stream's promise: per chat ascending without a hole, what is gone is announced as a gap (docs/wire/inbox.md). */
static void numbered(struct kith_client *client, const struct stomp_frame *frame, struct chat_id chat)
{
    struct chat_sync *sync = chat_sync_of(client, chat);
    struct kith_message message = message_of(frame, chat);
    uint64_t first = message.gap_from > 0 ? message.gap_from : message.seq;

    if (sync == NULL) { /* not shown, so it must not be acknowledged with what follows */
        link_down(client, CODE_DEVICE_FULL, 0);
        return;
    }
    if (message.seq == 0 || is_repeat(client, sync, frame, message.seq)) return;
    if (sync->applied_up_to > 0 && first > sync->applied_up_to + 1 && !is_hole_taken(client, sync, &message, first))
        return;
    sync->applied_up_to = message.seq;
    if (secure_on(client)) pin_encryption(sync, &message);
    record_put_chat(client, sync);
    if (kith_uuid_eq(message.device.id, client->config.device.id)) outbox_accepted(client, message.id, message.seq);
    secure_event(client, &message);
    if (message.gap_from > 0) client->stats.gaps++;
    client->stats.applied++;
    remember_ack(client, frame);
}

/*
 * What other devices say to this one: a client that encrypts takes it itself. Stored with the mailbox's place (the record of a chat with the nil id) before it is
 * acknowledged and gone from the server: what takes a ciphertext apart does so here, and its keys go into the same PERSIST.
 * Numbers may jump where the mailbox was empty for long, so a jump is no hole.
 */
static void mail(struct kith_client *client, const struct stomp_frame *frame)
{
    struct chat_sync *sync = chat_sync_of(client, (struct chat_id){0});
    struct kith_message message = message_of(frame, (struct chat_id){0});

    if (sync == NULL) {
        link_down(client, CODE_DEVICE_FULL, 0);
        return;
    }
    if (message.seq == 0 || is_repeat(client, sync, frame, message.seq)) return;
    sync->applied_up_to = message.seq;
    record_put_chat(client, sync);
    if (secure_on(client)) {
        if (message.gap_from == 0) mail_event(client, &message);
    } else {
        show(client, KITH_EFFECT_MAIL, &message);
        if (client->config.keeps_mail && message.gap_from == 0) record_put_mail(client, &message);
    }
    if (message.gap_from > 0) client->stats.gaps++;
    client->stats.mail++;
    remember_ack(client, frame);
}

struct receipt_marks *receipt_marks_of(struct kith_client *client, struct chat_id chat, struct user_id user)
{
    struct receipt_key key = {.chat = chat, .user = user};
    struct receipt_marks *marks = NULL;
    kith_err err = kith_map_add(&client->marks, &key, (void **)&marks);

    return err == KITH_OK || err == KITH_E_CONFLICT ? marks : NULL;
}

static void receipt(struct kith_client *client, const struct stomp_frame *frame, struct chat_id chat)
{
    struct receipt_marks *marks;
    struct kith_effect *effect;
    struct json_flat reader;
    struct json_flat_member member;
    struct user_id user = {0};
    uint64_t delivered = 0, read = 0;

    json_flat_init(&reader, frame->body);
    while (json_flat_next(&reader, &member) == KITH_OK) {
        if (kith_slice_is(member.name, "user_id")) kith_ignore(kith_uuid_parse(member.value, &user.id));
        if (kith_slice_is(member.name, "delivered_up_to")) kith_ignore(kith_slice_to_u64(member.value, &delivered));
        if (kith_slice_is(member.name, "read_up_to")) kith_ignore(kith_slice_to_u64(member.value, &read));
    }
    if (kith_uuid_is_nil(user.id)) return;
    marks = receipt_marks_of(client, chat, user);
    if (marks == NULL) return; /* CLIENT_MARKS_MAX people: the newest ones' ticks come late */
    /* Watermarks come in any order and may come again: the highest counts (I-R1). */
    if (delivered <= marks->delivered_up_to && read <= marks->read_up_to) return;
    if (delivered > marks->delivered_up_to) marks->delivered_up_to = delivered;
    if (read > marks->read_up_to) marks->read_up_to = read;
    record_put_marks(client, chat, user, marks);
    effect = effect_add(client, KITH_EFFECT_RECEIPT, 0, NULL);
    effect->chat = chat;
    effect->user = user;
    effect->delivered_up_to = marks->delivered_up_to;
    effect->read_up_to = marks->read_up_to;
}

static void typing(struct kith_client *client, const struct stomp_frame *frame, struct chat_id chat)
{
    struct kith_effect *effect;
    struct json_flat reader;
    struct json_flat_member member;
    struct user_id user = {0};
    bool types = false;

    json_flat_init(&reader, frame->body);
    while (json_flat_next(&reader, &member) == KITH_OK) {
        if (kith_slice_is(member.name, "user_id")) kith_ignore(kith_uuid_parse(member.value, &user.id));
        if (kith_slice_is(member.name, "typing")) types = member.type == JSON_FLAT_TRUE;
    }
    if (kith_uuid_is_nil(user.id)) return;
    effect = effect_add(client, KITH_EFFECT_TYPING, 0, NULL);
    effect->chat = chat;
    effect->user = user;
    effect->typing = types;
}

static void refusal(struct kith_client *client, const struct stomp_frame *frame)
{
    enum kith_code code = CODE_INTERNAL;

    kith_ignore(kith_code_parse(header(frame, "code"), &code)); /* a code of a newer server: may be tried again */
    outbox_refused(client, (struct msg_id){header_uuid(frame, "client-id")}, code, header_u64(frame, "retry-after-ms"),
                   frame->body);
}

void inbox_message(struct kith_client *client, const struct stomp_frame *frame)
{
    struct kith_slice destination = header(frame, "destination"), what = {0};
    struct chat_id chat = {0};

    if (kith_slice_is(destination, "/errors")) {
        refusal(client, frame);
        return;
    }
    if (kith_slice_is(destination, "/mailbox")) {
        mail(client, frame);
        return;
    }
    if (!chat_of(destination, &chat, &what)) {
        remember_ack(client, frame); /* a kind that this build does not know: taken, not shown */
        return;
    }
    if (what.len == 0)
        numbered(client, frame, chat);
    else if (kith_slice_is(what, "/receipts"))
        receipt(client, frame, chat);
    else if (kith_slice_is(what, "/typing"))
        typing(client, frame, chat);
}

void kith_client_mail_done(struct kith_client *client, uint64_t seq)
{
    record_delete_mail(client, seq);
    step_end(client);
}

uint64_t kith_client_applied(const struct kith_client *client, struct chat_id chat)
{
    struct chat_sync *const *sync = kith_map_find(&client->chats, &chat);

    return sync == NULL ? 0 : (*sync)->applied_up_to;
}
