#include <stdlib.h>

#include "libkith/client.h"

#define RECORD_VERSION     2
#define RECORD_VERSION_OLD 1 /* what an older build left behind is read, too */

/* Reading: a chain of eats that stops at the first error. */
struct eater {
    struct kith_slice in;
    kith_err err;
    bool is_old;
};

static void eat(struct eater *e, void *out, size_t len)
{
    if (e->err == KITH_OK) e->err = kith_eat_copy(&e->in, out, len);
}

static void eat_u64(struct eater *e, uint64_t *out)
{
    if (e->err == KITH_OK) e->err = kith_eat_u64_be(&e->in, out);
}

static void eat_u64s(struct eater *e, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) eat_u64(e, &out[i]);
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
    e.is_old = version == RECORD_VERSION_OLD;
    if (e.err == KITH_OK && version != RECORD_VERSION && !e.is_old) e.err = KITH_E_MALFORMED;
    return e;
}

static kith_err finish(const struct eater *e)
{
    if (e->err != KITH_OK) return e->err;
    return e->in.len == 0 ? KITH_OK : KITH_E_MALFORMED;
}

static kith_err read_mail(struct kith_slice in, struct outbox_mail *out)
{
    if (in.len == 0) return KITH_OK;
    if (in.len < 20) return KITH_E_MALFORMED;
    memcpy(out->user.id.raw, in.ptr, 16);
    out->device_id = kith_get_u32_be(in.ptr + 16);
    if (out->device_id == 0) return KITH_E_MALFORMED;
    return in.len == 20 ? KITH_OK : e2e_resend_item_decode(kith_slice_of(in.ptr + 20, in.len - 20), &out->again);
}

static kith_err load_outbox(struct kith_client *client, uint64_t order, struct kith_slice in)
{
    struct eater e = eater_of(in);
    struct outbox_entry head = {.order = order};
    struct kith_slice mail = {0}, content_type = {0}, body = {0}, sealed = {0};
    struct outbox_entry *entry;
    uint64_t numbers[4] = {0};
    uint8_t state = 0, code = 0, flags = 0;

    eat(&e, head.id.id.raw, 16);
    eat(&e, head.chat.id.raw, 16);
    eat(&e, &state, 1);
    eat(&e, &code, 1);
    eat(&e, &flags, 1);
    eat_u64s(&e, numbers, e.is_old ? 2 : 4);
    if (!e.is_old) eat_slice(&e, &mail);
    eat_slice(&e, &content_type);
    eat_slice(&e, &body);
    eat_slice(&e, &sealed);
    if (finish(&e) != KITH_OK || state < KITH_OUTBOX_QUEUED || state > KITH_OUTBOX_UNKNOWN || code >= CODE_COUNT)
        return KITH_E_MALFORMED;
    if (outbox_check(content_type, body) != KITH_OK || sealed.len > KITH_MESSAGE_BYTES_MAX ||
        read_mail(mail, &head.mail) != KITH_OK)
        return KITH_E_MALFORMED;
    head.state = (enum kith_outbox_state)state;
    head.code = (enum kith_code)code;
    head.was_on_wire = (flags & 1) != 0;
    head.encrypted = (flags & 2) != 0;
    head.mail.is_given = (flags & 4) != 0;
    head.created_ms = numbers[0];
    head.expires_ms = numbers[1];
    head.sealed_mark = numbers[2];
    head.group_epoch = numbers[3];
    if (order >= client->order_next) client->order_next = order + 2;
    entry = outbox_add(client, &head, content_type, body);
    return entry == NULL ? KITH_E_NOMEM : kith_buf_append(&entry->sealed, sealed);
}

static kith_err load_chat(struct kith_client *client, struct chat_id chat, struct kith_slice in)
{
    struct eater e = eater_of(in);
    struct chat_sync read = {.chat = chat}, *sync;
    uint8_t flags = 0;

    eat_u64(&e, &read.applied_up_to);
    eat_u64(&e, &read.read_up_to);
    eat(&e, read.accepted.id.raw, 16);
    eat(&e, &flags, 1);
    if (finish(&e) != KITH_OK || flags > 1) return KITH_E_MALFORMED;
    read.is_encrypted = flags != 0;
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
    uint64_t numbers[5] = {0};

    memcpy(head.id.id.raw, key.ptr + 1, 16);
    eat(&e, head.chat.id.raw, 16);
    eat_u64s(&e, numbers, e.is_old ? 1 : 5);
    eat_slice(&e, &content_type);
    eat_slice(&e, &body);
    if (finish(&e) != KITH_OK) return KITH_E_MALFORMED;
    head.echo_seq = numbers[0];
    head.created_ms = numbers[1];
    head.expires_ms = numbers[2];
    head.sealed_mark = numbers[3];
    head.group_epoch = numbers[4];
    return secure_echo_add(client, &head, content_type, body);
}

static kith_err load_ask(struct kith_client *client, struct kith_slice key, struct kith_slice value)
{
    struct eater e = eater_of(value);
    struct kith_slice request = {0};
    struct chat_id chat;
    struct user_id user;

    memcpy(chat.id.raw, key.ptr + 1, 16);
    memcpy(user.id.raw, key.ptr + 17, 16);
    eat_slice(&e, &request);
    if (finish(&e) != KITH_OK || request.len == 0 || request.len > E2E_JOIN_SIGNED_BYTES_MAX) return KITH_E_MALFORMED;
    return admit_add(client, chat, user, request) == NULL ? KITH_E_NOMEM : KITH_OK;
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
        if (key.len == 33 && key.ptr[0] == 'A') return load_ask(client, key, value);
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
    uint64_t numbers[4] = {0};
    uint16_t flags = 0;
    uint8_t old_flags = 0;

    eat_u64(&e, &message.gap_from);
    eat(&e, message.id.id.raw, 16);
    eat(&e, message.sender.id.raw, 16);
    eat(&e, message.device.id.raw, 16);
    eat_u64(&e, &message.created_ms);
    eat_u64(&e, &message.expires_ms);
    if (e.is_old)
        eat(&e, &old_flags, 1);
    else if (e.err == KITH_OK)
        e.err = kith_eat_u16_be(&e.in, &flags);
    flags |= old_flags;
    eat_u64s(&e, numbers, e.is_old ? 1 : 4);
    eat_slice(&e, &message.type);
    eat_slice(&e, &message.content_type);
    eat_slice(&e, &message.body);
    if (finish(&e) != KITH_OK) return KITH_E_MALFORMED;
    message.encrypted = (flags & 1) != 0;
    message.has_body = (flags & 2) != 0;
    message.is_open = (flags & 4) != 0;
    message.is_anew = (flags & 64) != 0;
    message.is_again = (flags & 128) != 0;
    message.is_asked = (flags & 256) != 0;
    message.missed = numbers[0];
    message.written_ms = numbers[1];
    message.sealed_mark = numbers[2];
    message.group_epoch = numbers[3];
    if ((flags & 8) != 0)
        message.unreadable = (flags & 16) != 0 ? KITH_E_FULL : (flags & 32) != 0 ? KITH_E_NOTFOUND : KITH_E_DENIED;
    *out = message;
    return KITH_OK;
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
