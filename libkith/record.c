#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/client.h"

/*
 * Records, the host's to keep: version byte, then fixed big-endian fields.
 *   'O' order (u64)        an outbox entry: a message of a chat, or mail to one device
 *   'C' chat (16)          a chat's cursor and chain; with the nil id, the mailbox's
 *   'M' chat (16) seq      a shown message (shows_history)
 *   'B' seq                an item of the mailbox (keeps_mail)
 *   'R' chat (16) user     somebody's watermarks there
 *   'S'                    the device's id stamp and order
 *   'Q' chat (16) seq      a message that cannot be opened yet, or is shown behind one; with the nil id, mail
 *   'W' id (16)            a message that the server has numbered, and the stream has not brought yet
 *   'A' chat (16) user     who asks to be let into a group
 *   'D' chat (16)          the two people of a direct chat, as the server named them first
 *   'E' …                  the device's keys, sessions and what it has pinned (libkith/e2ee/account_impl.h)
 */
#define RECORD_VERSION    2 /* 1: an 'O', 'W', 'M', 'B' or 'Q' of an older build says less (record_load.c) */
#define RECORD_BYTES_MAX  (CLIENT_FRAME_BYTES_MAX + 4096) /* whatever a server can say in a frame fits */
#define RECORD_MAIL_BYTES (20 + E2E_RESEND_ITEM_BYTES) /* user, device_id (u32), and of an answer what it gives again */

struct key {
    uint8_t bytes[40];
    size_t len;
};

static struct key key_of(char kind, const struct kith_uuid *id, const uint64_t *number)
{
    struct key key = {.bytes = {(uint8_t)kind}, .len = 1};

    if (id != NULL) {
        memcpy(key.bytes + key.len, id->raw, 16);
        key.len += 16;
    }
    if (number != NULL) {
        kith_put_u64_be(key.bytes + key.len, *number);
        key.len += 8;
    }
    return key;
}

static void append_record(struct kith_client *client, uint8_t kind, struct kith_slice key, struct kith_slice value)
{
    struct kith_buf *batch = &client->batch;
    kith_err err = kith_buf_append_u8(batch, kind);

    if (err == KITH_OK) err = kith_buf_append_u16_be(batch, (uint16_t)key.len);
    if (err == KITH_OK) err = kith_buf_append_u32_be(batch, (uint32_t)value.len);
    if (err == KITH_OK) err = kith_buf_append(batch, key);
    if (err == KITH_OK) err = kith_buf_append(batch, value);
    if (err != KITH_OK) abort(); /* no memory: a lost record would be a lost message */
}

void record_put(struct kith_client *client, struct kith_slice key, struct kith_slice value)
{
    append_record(client, 1, key, value);
}

void record_delete(struct kith_client *client, struct kith_slice key)
{
    append_record(client, 2, key, (struct kith_slice){0});
}

kith_err kith_record_next(struct kith_slice *records, bool *is_put, struct kith_slice *key, struct kith_slice *value)
{
    uint8_t kind = 0;
    uint16_t key_len = 0;
    uint32_t value_len = 0;
    kith_err err;

    if (records->len == 0) return KITH_E_NOTFOUND;
    err = kith_eat_u8(records, &kind);
    if (err == KITH_OK) err = kith_eat_u16_be(records, &key_len);
    if (err == KITH_OK) err = kith_eat_u32_be(records, &value_len);
    if (err == KITH_OK) err = kith_eat_bytes(records, key_len, key);
    if (err == KITH_OK) err = kith_eat_bytes(records, value_len, value);
    *is_put = kind == 1;
    return err;
}

/* Errors of the puts below are those of a bounded scratch that is large enough, so only memory can fail: see above. */
static void must(kith_err err)
{
    if (err != KITH_OK) abort();
}

static void put_value(struct kith_client *client, struct key key, struct kith_buf *value)
{
    record_put(client, kith_slice_of(key.bytes, key.len), kith_buf_peek(value));
    kith_buf_deinit(value);
}

static void put_slice(struct kith_buf *value, struct kith_slice bytes)
{
    must(kith_buf_append_u32_be(value, (uint32_t)bytes.len));
    must(kith_buf_append(value, bytes));
}

static void put_u64s(struct kith_buf *value, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) must(kith_buf_append_u64_be(value, numbers[i]));
}

static void begin(struct kith_buf *value)
{
    kith_buf_init_secret(value, RECORD_BYTES_MAX);
    must(kith_buf_append_u8(value, RECORD_VERSION));
}

/* Empty: it is no mail. */
static void put_mail(struct kith_buf *value, const struct outbox_mail *mail)
{
    uint8_t bytes[RECORD_MAIL_BYTES] = {0};

    memcpy(bytes, mail->user.id.raw, 16);
    kith_put_u32_be(bytes + 16, mail->device_id);
    if (mail->again.seq != 0) e2e_resend_item_encode(&mail->again, bytes + 20);
    put_slice(value, kith_slice_of(bytes, mail->device_id == 0 ? 0 : mail->again.seq == 0 ? 20 : RECORD_MAIL_BYTES));
}

void record_put_outbox(struct kith_client *client, const struct outbox_entry *entry)
{
    struct kith_buf value;
    unsigned flags = (entry->was_on_wire ? 1u : 0u) | (entry->encrypted ? 2u : 0u) | (entry->mail.is_given ? 4u : 0u);
    const uint64_t numbers[] = {entry->created_ms, entry->expires_ms, entry->sealed_mark, entry->group_epoch};

    kith_buf_init_secret(&value, 2 * RECORD_BYTES_MAX);
    must(kith_buf_append_u8(&value, RECORD_VERSION));
    must(kith_buf_append(&value, kith_slice_of(entry->id.id.raw, 16)));
    must(kith_buf_append(&value, kith_slice_of(entry->chat.id.raw, 16)));
    must(kith_buf_append_u8(&value, (uint8_t)entry->state));
    must(kith_buf_append_u8(&value, (uint8_t)entry->code));
    must(kith_buf_append_u8(&value, (uint8_t)flags));
    put_u64s(&value, numbers, 4);
    put_mail(&value, &entry->mail);
    put_slice(&value, kith_slice_of(entry->bytes, entry->content_type_len));
    put_slice(&value, kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len));
    put_slice(&value, kith_mutant(SEALED_NOT_KEPT) ? (struct kith_slice){0} : kith_buf_peek(&entry->sealed));
    put_value(client, key_of('O', NULL, &entry->order), &value);
}

void record_delete_outbox(struct kith_client *client, const struct outbox_entry *entry)
{
    struct key key = key_of('O', NULL, &entry->order);

    record_delete(client, kith_slice_of(key.bytes, key.len));
}

void record_put_chat(struct kith_client *client, const struct chat_sync *sync)
{
    struct kith_buf value;

    begin(&value);
    must(kith_buf_append_u64_be(&value, sync->applied_up_to));
    must(kith_buf_append_u64_be(&value, sync->read_up_to));
    must(kith_buf_append(&value, kith_slice_of(sync->accepted.id.raw, 16)));
    must(kith_buf_append_u8(&value, sync->is_encrypted));
    put_value(client, key_of('C', &sync->chat.id, NULL), &value);
}

static struct key key_of_user(char kind, struct chat_id chat, struct user_id user)
{
    struct key key = key_of(kind, &chat.id, NULL);

    memcpy(key.bytes + key.len, user.id.raw, 16);
    key.len += 16;
    return key;
}

void record_put_marks(struct kith_client *client, struct chat_id chat, struct user_id user,
                      const struct receipt_marks *marks)
{
    struct key key = key_of_user('R', chat, user);
    struct kith_buf value;

    begin(&value);
    must(kith_buf_append_u64_be(&value, marks->delivered_up_to));
    must(kith_buf_append_u64_be(&value, marks->read_up_to));
    put_value(client, key, &value);
}

void record_put_state(struct kith_client *client)
{
    struct kith_buf value;

    begin(&value);
    must(kith_buf_append_u64_be(&value, client->id_stamp));
    must(kith_buf_append_u64_be(&value, client->order_next));
    put_value(client, key_of('S', NULL, NULL), &value);
}

static void put_message(struct kith_client *client, struct key key, const struct kith_message *message)
{
    struct kith_buf value;
    unsigned flags = (message->encrypted ? 1u : 0u) | (message->has_body ? 2u : 0u) | (message->is_open ? 4u : 0u) |
                     (message->unreadable != KITH_OK ? 8u : 0u) | (message->unreadable == KITH_E_FULL ? 16u : 0u) |
                     (message->unreadable == KITH_E_NOTFOUND ? 32u : 0u) | (message->is_anew ? 64u : 0u) |
                     (message->is_again ? 128u : 0u) | (message->is_asked ? 256u : 0u);
    const uint64_t numbers[] = {message->missed, message->written_ms, message->sealed_mark, message->group_epoch};

    begin(&value);
    must(kith_buf_append_u64_be(&value, message->gap_from));
    must(kith_buf_append(&value, kith_slice_of(message->id.id.raw, 16)));
    must(kith_buf_append(&value, kith_slice_of(message->sender.id.raw, 16)));
    must(kith_buf_append(&value, kith_slice_of(message->device.id.raw, 16)));
    must(kith_buf_append_u64_be(&value, message->created_ms));
    must(kith_buf_append_u64_be(&value, message->expires_ms));
    must(kith_buf_append_u16_be(&value, (uint16_t)flags));
    put_u64s(&value, numbers, 4);
    put_slice(&value, message->type);
    put_slice(&value, message->content_type);
    put_slice(&value, message->body);
    put_value(client, key, &value);
}

void record_put_message(struct kith_client *client, const struct kith_message *message)
{
    put_message(client, key_of('M', &message->chat.id, &message->seq), message);
}

void record_put_mail(struct kith_client *client, const struct kith_message *message)
{
    put_message(client, key_of('B', NULL, &message->seq), message);
}

void record_delete_mail(struct kith_client *client, uint64_t seq)
{
    struct key key = key_of('B', NULL, &seq);

    record_delete(client, kith_slice_of(key.bytes, key.len));
}

void record_put_pending(struct kith_client *client, const struct kith_message *message)
{
    put_message(client, key_of('Q', &message->chat.id, &message->seq), message);
}

void record_delete_pending(struct kith_client *client, const struct kith_message *message)
{
    struct key key = key_of('Q', &message->chat.id, &message->seq);

    record_delete(client, kith_slice_of(key.bytes, key.len));
}

void record_put_members(struct kith_client *client, struct chat_id chat, const struct chat_members *members)
{
    struct kith_buf value;

    begin(&value);
    put_slice(&value, kith_slice_of(members->users[0], members->count * E2E_ACCOUNT_ID_BYTES));
    put_value(client, key_of('D', &chat.id, NULL), &value);
}

void record_put_echo(struct kith_client *client, const struct outbox_entry *entry)
{
    const uint64_t numbers[] = {entry->echo_seq, entry->created_ms, entry->expires_ms, entry->sealed_mark,
                                entry->group_epoch};
    struct kith_buf value;

    begin(&value);
    must(kith_buf_append(&value, kith_slice_of(entry->chat.id.raw, 16)));
    put_u64s(&value, numbers, 5);
    put_slice(&value, kith_slice_of(entry->bytes, entry->content_type_len));
    put_slice(&value, kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len));
    put_value(client, key_of('W', &entry->id.id, NULL), &value);
}

void record_delete_echo(struct kith_client *client, const struct outbox_entry *entry)
{
    struct key key = key_of('W', &entry->id.id, NULL);

    record_delete(client, kith_slice_of(key.bytes, key.len));
}

void record_put_ask(struct kith_client *client, const struct ask *ask)
{
    struct kith_buf value;

    begin(&value);
    put_slice(&value, kith_slice_of(ask->request, ask->len));
    put_value(client, key_of_user('A', ask->chat, ask->user), &value);
}

void record_delete_ask(struct kith_client *client, const struct ask *ask)
{
    struct key key = key_of_user('A', ask->chat, ask->user);

    record_delete(client, kith_slice_of(key.bytes, key.len));
}

void kith_record_message_key(struct chat_id chat, uint64_t seq, uint8_t out[static KITH_RECORD_MESSAGE_KEY_BYTES])
{
    struct key key = key_of('M', &chat.id, &seq);

    memcpy(out, key.bytes, KITH_RECORD_MESSAGE_KEY_BYTES);
}
