#include <stdlib.h>

#include "libkith/client.h"

/*
 * Records, the host's to keep: version byte, then fixed big-endian fields.
 *   'O' order (u64)        an outbox entry
 *   'C' chat (16)          a chat's cursor and chain; with the nil id, the mailbox's
 *   'M' chat (16) seq      a shown message (shows_history)
 *   'B' seq                an item of the mailbox (keeps_mail)
 *   'R' chat (16) user     somebody's watermarks there
 *   'S'                    the device's id stamp and order
 *   'Q' chat (16) seq      a message that cannot be opened yet
 *   'W' id (16)            a message that the server has numbered, and the stream has not brought yet
 *   'D' chat (16)          the two people of a direct chat, as they were when it was first written in
 *   'E' …                  the device's keys, sessions and what it has pinned (libkith/e2ee/account_impl.h)
 */
#define RECORD_VERSION   1
#define RECORD_BYTES_MAX (KITH_MESSAGE_BYTES_MAX + 4096)

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

static void begin(struct kith_buf *value)
{
    kith_buf_init(value, RECORD_BYTES_MAX);
    must(kith_buf_append_u8(value, RECORD_VERSION));
}

void record_put_outbox(struct kith_client *client, const struct outbox_entry *entry)
{
    struct kith_buf value;
    unsigned flags = (entry->was_on_wire ? 1u : 0u) | (entry->encrypted ? 2u : 0u);

    kith_buf_init(&value, 2 * RECORD_BYTES_MAX);
    must(kith_buf_append_u8(&value, RECORD_VERSION));
    must(kith_buf_append(&value, kith_slice_of(entry->id.id.raw, 16)));
    must(kith_buf_append(&value, kith_slice_of(entry->chat.id.raw, 16)));
    must(kith_buf_append_u8(&value, (uint8_t)entry->state));
    must(kith_buf_append_u8(&value, (uint8_t)entry->code));
    must(kith_buf_append_u8(&value, (uint8_t)flags));
    must(kith_buf_append_u64_be(&value, entry->created_ms));
    must(kith_buf_append_u64_be(&value, entry->expires_ms));
    put_slice(&value, kith_slice_of(entry->bytes, entry->content_type_len));
    put_slice(&value, kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len));
    put_slice(&value, kith_buf_peek(&entry->sealed));
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
    put_value(client, key_of('C', &sync->chat.id, NULL), &value);
}

void record_put_marks(struct kith_client *client, struct chat_id chat, struct user_id user,
                      const struct receipt_marks *marks)
{
    struct key key = key_of('R', &chat.id, NULL);
    struct kith_buf value;

    memcpy(key.bytes + key.len, user.id.raw, 16);
    key.len += 16;
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
                     (message->unreadable != KITH_OK ? 8u : 0u);

    begin(&value);
    must(kith_buf_append_u64_be(&value, message->gap_from));
    must(kith_buf_append(&value, kith_slice_of(message->id.id.raw, 16)));
    must(kith_buf_append(&value, kith_slice_of(message->sender.id.raw, 16)));
    must(kith_buf_append(&value, kith_slice_of(message->device.id.raw, 16)));
    must(kith_buf_append_u64_be(&value, message->created_ms));
    must(kith_buf_append_u64_be(&value, message->expires_ms));
    must(kith_buf_append_u8(&value, (uint8_t)flags));
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
    struct kith_buf value;

    begin(&value);
    must(kith_buf_append(&value, kith_slice_of(entry->chat.id.raw, 16)));
    must(kith_buf_append_u64_be(&value, entry->echo_seq));
    put_slice(&value, kith_slice_of(entry->bytes, entry->content_type_len));
    put_slice(&value, kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len));
    put_value(client, key_of('W', &entry->id.id, NULL), &value);
}

void record_delete_echo(struct kith_client *client, const struct outbox_entry *entry)
{
    struct key key = key_of('W', &entry->id.id, NULL);

    record_delete(client, kith_slice_of(key.bytes, key.len));
}

/* Reading: a chain of eats that stops at the first error. */
struct eater {
    struct kith_slice in;
    kith_err err;
};

static void eat(struct eater *e, void *out, size_t len)
{
    if (e->err == KITH_OK) e->err = kith_eat_copy(&e->in, out, len);
}

static void eat_u64(struct eater *e, uint64_t *out)
{
    if (e->err == KITH_OK) e->err = kith_eat_u64_be(&e->in, out);
}

static void eat_slice(struct eater *e, struct kith_slice *out)
{
    uint32_t len = 0;

    if (e->err == KITH_OK) e->err = kith_eat_u32_be(&e->in, &len);
    if (e->err == KITH_OK) e->err = kith_eat_bytes(&e->in, len, out);
}

static struct eater eater_of(struct kith_slice value)
{
    struct eater e = {.in = value, .err = KITH_OK};
    uint8_t version = 0;

    eat(&e, &version, 1);
    if (e.err == KITH_OK && version != RECORD_VERSION) e.err = KITH_E_MALFORMED;
    return e;
}

static kith_err finish(const struct eater *e)
{
    if (e->err != KITH_OK) return e->err;
    return e->in.len == 0 ? KITH_OK : KITH_E_MALFORMED;
}

static kith_err load_outbox(struct kith_client *client, uint64_t order, struct kith_slice in)
{
    struct eater e = eater_of(in);
    struct outbox_entry head = {.order = order};
    struct kith_slice content_type = {0}, body = {0}, sealed = {0};
    struct outbox_entry *entry;
    uint8_t state = 0, code = 0, flags = 0;

    eat(&e, head.id.id.raw, 16);
    eat(&e, head.chat.id.raw, 16);
    eat(&e, &state, 1);
    eat(&e, &code, 1);
    eat(&e, &flags, 1);
    eat_u64(&e, &head.created_ms);
    eat_u64(&e, &head.expires_ms);
    eat_slice(&e, &content_type);
    eat_slice(&e, &body);
    eat_slice(&e, &sealed);
    if (finish(&e) != KITH_OK || state < KITH_OUTBOX_QUEUED || state > KITH_OUTBOX_UNKNOWN || code >= CODE_COUNT)
        return KITH_E_MALFORMED;
    head.state = (enum kith_outbox_state)state;
    head.code = (enum kith_code)code;
    head.was_on_wire = (flags & 1) != 0;
    head.encrypted = (flags & 2) != 0;
    if (order >= client->order_next) client->order_next = order + 1;
    entry = outbox_add(client, &head, content_type, body);
    return entry == NULL ? KITH_E_NOMEM : kith_buf_append(&entry->sealed, sealed);
}

static kith_err load_chat(struct kith_client *client, struct chat_id chat, struct kith_slice in)
{
    struct eater e = eater_of(in);
    struct chat_sync read = {.chat = chat}, *sync;

    eat_u64(&e, &read.applied_up_to);
    eat_u64(&e, &read.read_up_to);
    eat(&e, read.accepted.id.raw, 16);
    if (finish(&e) != KITH_OK) return KITH_E_MALFORMED;
    sync = chat_sync_of(client, chat);
    if (sync == NULL) return KITH_E_NOMEM;
    *sync = read;
    return KITH_OK;
}

static kith_err load_marks(struct kith_client *client, struct kith_slice key, struct kith_slice in)
{
    struct eater e = eater_of(in);
    struct receipt_marks read = {0}, *marks;
    struct chat_id chat = {0};
    struct user_id user = {0};

    memcpy(chat.id.raw, key.ptr + 1, 16);
    memcpy(user.id.raw, key.ptr + 17, 16);
    eat_u64(&e, &read.delivered_up_to);
    eat_u64(&e, &read.read_up_to);
    if (finish(&e) != KITH_OK) return KITH_E_MALFORMED;
    marks = receipt_marks_of(client, chat, user);
    if (marks == NULL) return KITH_E_NOMEM;
    *marks = read;
    return KITH_OK;
}

static kith_err load_state(struct kith_client *client, struct kith_slice in)
{
    struct eater e = eater_of(in);
    uint64_t stamp = 0, order = 0;

    eat_u64(&e, &stamp);
    eat_u64(&e, &order);
    if (finish(&e) != KITH_OK) return KITH_E_MALFORMED;
    if (stamp > client->id_stamp) client->id_stamp = stamp;
    if (order > client->order_next) client->order_next = order;
    return KITH_OK;
}

static kith_err message_of(struct chat_id chat, uint64_t seq, struct kith_slice value, struct kith_message *out);

static kith_err load_pending(struct kith_client *client, struct kith_slice key, struct kith_slice value)
{
    struct kith_message message;
    struct chat_id chat;
    kith_err err;

    memcpy(chat.id.raw, key.ptr + 1, 16);
    err = message_of(chat, kith_get_u64_be(key.ptr + 17), value, &message);
    if (err != KITH_OK) return err;
    return secure_pending_add(client, &message) == NULL ? KITH_E_NOMEM : KITH_OK;
}

static kith_err load_echo(struct kith_client *client, struct kith_slice key, struct kith_slice value)
{
    struct eater e = eater_of(value);
    struct outbox_entry head = {.encrypted = true};
    struct kith_slice content_type = {0}, body = {0};

    memcpy(head.id.id.raw, key.ptr + 1, 16);
    eat(&e, head.chat.id.raw, 16);
    eat_u64(&e, &head.echo_seq);
    eat_slice(&e, &content_type);
    eat_slice(&e, &body);
    if (finish(&e) != KITH_OK) return KITH_E_MALFORMED;
    return secure_echo_add(client, &head, content_type, body);
}

static kith_err load_members(struct kith_client *client, struct kith_slice key, struct kith_slice value)
{
    struct eater e = eater_of(value);
    struct kith_slice users = {0};
    struct user_id pair[2];
    struct chat_id chat;

    memcpy(chat.id.raw, key.ptr + 1, 16);
    eat_slice(&e, &users);
    if (finish(&e) != KITH_OK || users.len != sizeof pair) return KITH_E_MALFORMED;
    memcpy(pair, users.ptr, sizeof pair);
    kith_client_members(client, chat, pair, 2);
    return KITH_OK;
}

kith_err kith_client_load(struct kith_client *client, struct kith_slice key, struct kith_slice value)
{
    struct chat_id chat = {0};

    if (key.len == 9 && key.ptr[0] == 'O') return load_outbox(client, kith_get_u64_be(key.ptr + 1), value);
    if (key.len == 17 && key.ptr[0] == 'C') {
        memcpy(chat.id.raw, key.ptr + 1, 16);
        return load_chat(client, chat, value);
    }
    if (key.len == 33 && key.ptr[0] == 'R') return load_marks(client, key, value);
    if (key.len == 1 && key.ptr[0] == 'S') return load_state(client, value);
    if (secure_on(client)) {
        if (key.len == 25 && key.ptr[0] == 'Q') return load_pending(client, key, value);
        if (key.len == 17 && key.ptr[0] == 'W') return load_echo(client, key, value);
        if (key.len == 17 && key.ptr[0] == 'D') return load_members(client, key, value);
        if (key.len > 1 && key.ptr[0] == E2E_RECORD_KEY) return e2e_account_load(client->secure.account, key, value);
    }
    /* The host's to show, nothing to remember. */
    if ((key.len == 25 && key.ptr[0] == 'M') || (key.len == 9 && key.ptr[0] == 'B')) return KITH_OK;
    return KITH_E_MALFORMED;
}

static kith_err message_of(struct chat_id chat, uint64_t seq, struct kith_slice value, struct kith_message *out)
{
    struct eater e = eater_of(value);
    struct kith_message message = {.chat = chat, .seq = seq};
    uint8_t flags = 0;

    eat_u64(&e, &message.gap_from);
    eat(&e, message.id.id.raw, 16);
    eat(&e, message.sender.id.raw, 16);
    eat(&e, message.device.id.raw, 16);
    eat_u64(&e, &message.created_ms);
    eat_u64(&e, &message.expires_ms);
    eat(&e, &flags, 1);
    eat_slice(&e, &message.type);
    eat_slice(&e, &message.content_type);
    eat_slice(&e, &message.body);
    if (finish(&e) != KITH_OK) return KITH_E_MALFORMED;
    message.encrypted = (flags & 1) != 0;
    message.has_body = (flags & 2) != 0;
    message.is_open = (flags & 4) != 0;
    if ((flags & 8) != 0) message.unreadable = KITH_E_DENIED;
    *out = message;
    return KITH_OK;
}

void kith_record_message_key(struct chat_id chat, uint64_t seq, uint8_t out[static KITH_RECORD_MESSAGE_KEY_BYTES])
{
    struct key key = key_of('M', &chat.id, &seq);

    memcpy(out, key.bytes, KITH_RECORD_MESSAGE_KEY_BYTES);
}

kith_err kith_record_message(struct kith_slice key, struct kith_slice value, struct kith_message *out)
{
    struct chat_id chat;

    if (key.len != 25 || key.ptr[0] != 'M') return KITH_E_NOTFOUND;
    memcpy(chat.id.raw, key.ptr + 1, 16);
    return message_of(chat, kith_get_u64_be(key.ptr + 17), value, out);
}

kith_err kith_record_mail(struct kith_slice key, struct kith_slice value, struct kith_message *out)
{
    if (key.len != 9 || key.ptr[0] != 'B') return KITH_E_NOTFOUND;
    return message_of((struct chat_id){0}, kith_get_u64_be(key.ptr + 1), value, out);
}
