#include "base/mutant.h"
#include "gateway/inbox.h"
#include "wire/json_text.h"
#include "wire/utf8.h"

bool deliver_is_visible(const struct session *session, const struct row_message *row, uint64_t wall_ms)
{
    if (row->expires_ms != 0 && row->expires_ms <= wall_ms) return false;
    /* A blocked sender sees its own message; the one who blocks sees that a number is missing, and no more (I-V4). */
    return (row->flags & MESSAGE_UNSEEN) == 0 || kith_uuid_eq(row->sender.id, session->user_id.id);
}

static void put_uuid(struct stomp_writer *writer, const char *name, struct kith_uuid id)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    if (kith_uuid_is_nil(id)) return;
    kith_uuid_format(id, text);
    stomp_put(writer, name, kith_slice_of(text, KITH_UUID_TEXT_LEN));
}

static void put_time(struct stomp_writer *writer, const char *name, uint64_t ms)
{
    char text[KITH_TIME_TEXT_LEN + 1];

    kith_time_format(ms, text);
    stomp_put(writer, name, kith_slice_of(text, KITH_TIME_TEXT_LEN));
}

static void put_destination(struct stomp_writer *writer, struct chat_id chat, bool is_mail)
{
    char text[6 + KITH_UUID_TEXT_LEN + 1] = "/chat/";

    if (is_mail) {
        stomp_put_str(writer, "destination", "/mailbox");
        return;
    }
    kith_uuid_format(chat.id, text + 6);
    stomp_put(writer, "destination", kith_slice_of(text, 6 + KITH_UUID_TEXT_LEN));
}

kith_err deliver_block(struct gateway *gateway, struct chat_id chat, uint64_t seq, const struct row_message *row)
{
    struct stomp_writer writer;

    kith_buf_reset(&gateway->block);
    stomp_block_begin(&writer, &gateway->block);
    put_destination(&writer, chat, row->type == MESSAGE_MAIL);
    stomp_put_u64(&writer, "seq", seq);
    stomp_put_u64(&writer, "epoch", row->epoch);
    stomp_put_str(&writer, "type", row_message_type_name(row->type));
    put_uuid(&writer, "client-id", row->id.id);
    put_uuid(&writer, "sender", row->sender.id);
    put_uuid(&writer, "sender-device", row->device.id);
    put_time(&writer, "created-at", row->created_ms);
    stomp_put_str(&writer, "encrypted", (row->flags & MESSAGE_ENCRYPTED) ? "true" : "false");
    if (row->content_type.len > 0) stomp_put(&writer, "content-type", row->content_type);
    if (row->expires_ms != 0) put_time(&writer, "expires-at", row->expires_ms);
    put_uuid(&writer, "parent-id", row->parent.id);
    if (row->flags & MESSAGE_FREED) stomp_put_str(&writer, "deleted", "true");
    return stomp_block_end(&writer);
}

static void put_gap(struct stomp_writer *writer, const struct stream *stream, uint64_t seq)
{
    put_destination(writer, stream->chat, stream->is_mail);
    stomp_put_u64(writer, "seq", seq);
    stomp_put_u64(writer, "gap-from", stream->sent + 1);
    stomp_put_u64(writer, "epoch", 1);
    stomp_put_str(writer, "type", "gap");
}

/* Sent before, on this server or maybe on an earlier life of it, and not acknowledged (I-E6). */
static bool is_redelivered(const struct stream *stream, const struct parcel *parcel)
{
    struct gateway *gateway = stream->inbox->session->gateway;

    if (parcel->seq <= stream->flag_to) return true;
    if (parcel->row == NULL) return parcel->earlier_life;
    return parcel->row->position <= group_life_position(gateway->config.group);
}

static kith_err compose(struct stream *stream, const struct parcel *parcel, uint64_t n, bool redelivered)
{
    struct session *session = stream->inbox->session;
    struct gateway *gateway = session->gateway;
    struct stomp_writer writer;
    struct kith_slice id = {0};
    size_t at = 0;

    (void)subscriptions_next(session->subs, SUBSCRIPTION_INBOX, &at, &id);
    kith_buf_reset(&gateway->out);
    stomp_begin(&writer, &gateway->out, STOMP_MESSAGE);
    stomp_put(&writer, "subscription", id);
    stomp_put_u64(&writer, "message-id", n);
    stomp_put_u64(&writer, "ack", n);
    if (redelivered) stomp_put_str(&writer, "redelivered", "true");
    if (parcel->row != NULL)
        stomp_put_block(&writer, parcel->block);
    else
        put_gap(&writer, stream, parcel->seq);
    return stomp_end(&writer, parcel->body);
}

static void count(struct gateway *gateway, const struct parcel *parcel, bool redelivered)
{
    gateway->stats.deliveries++;
    if (redelivered) gateway->stats.redeliveries++;
    if (parcel->row == NULL)
        gateway->stats.gaps++;
    else if (parcel->row->position > gateway->newest_position)
        gateway->newest_position = parcel->row->position;
}

kith_err deliver(struct stream *stream, const struct parcel *parcel)
{
    struct inbox *inbox = stream->inbox;
    struct session *session = inbox->session;
    uint64_t n = session->subs->message_n + 1;
    bool redelivered = is_redelivered(stream, parcel);
    kith_err err = compose(stream, parcel, n, redelivered);

    if (err == KITH_OK) err = window_add(inbox, stream, n, parcel->seq, stream->sent);
    if (err != KITH_OK) return err;
    session->subs->message_n = n;
    session_send(session, STOMP_MESSAGE, utf8_is_valid(parcel->body));
    count(session->gateway, parcel, redelivered);
    stream->sent = parcel->seq;
    if (stream->head < stream->sent) stream->head = stream->sent;
    stream_stir(stream);
    if (kith_mutant(CURSOR_BEFORE_DELIVERY)) {
        stream->cursor = stream->sent;
        cursor_touch(stream);
    }
    return KITH_OK;
}
