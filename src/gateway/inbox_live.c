#include "base/mutant.h"
#include "gateway/inbox.h"
#include "wire/bodies.h"

/* The ciphertext for this device, of a message with one for each or a common one; empty when there is none. */
static struct kith_slice body_of(const struct session *session, const struct live *live)
{
    struct bodies bodies = {.items = live->event->bodies};
    struct kith_slice body = {0};
    bool is_senders = kith_uuid_eq(session->device.id, live->row.device.id);
    kith_err err;

    if ((live->row.flags & MESSAGE_PER_DEVICE) == 0) return live->row.body;
    err = is_senders ? bodies_find(&bodies, session->device, &body) : bodies_for(&bodies, session->device, &body);
    return err == KITH_OK ? body : (struct kith_slice){0};
}

static kith_err send(struct stream *stream, struct live *live)
{
    struct session *session = stream->inbox->session;
    struct gateway *gateway = session->gateway;
    struct parcel parcel = {.seq = live->event->seq};
    kith_err err = KITH_OK;

    if (deliver_is_visible(session, &live->row, loop_wall_ms(gateway->config.loop))) {
        if (!live->has_block) err = deliver_block(gateway, live->event->chat, live->event->seq, &live->row);
        if (err != KITH_OK) return err;
        live->has_block = true; /* the block stays for the event's other receivers */
        parcel.row = &live->row;
        parcel.block = kith_buf_peek(&gateway->block);
        parcel.body = body_of(session, live);
    }
    err = deliver(stream, &parcel);
    if (err == KITH_OK) gateway->stats.live++;
    return err;
}

void inbox_live_offer(struct stream *stream, struct live *live)
{
    uint64_t seq = live->event->seq;
    bool is_next = seq == stream->sent + 1 || (kith_mutant(LIVE_GAP_IGNORED) && seq > stream->sent);

    if (seq <= stream->sent) return; /* came by a read before */
    if (seq > stream->head) stream->head = seq;
    if (is_next && !stream->queued && !stream->reading && !stream->failed && window_is_open(stream->inbox) &&
        inbox_has_room(stream->inbox))
        (void)send(stream, live); /* no memory: it stays behind, and is read when there is some again */
    stream_settle(stream);
    inbox_work(stream->inbox);
}

/* The chat was at rest: where this device is in it must be read first. The event waits, most often it is the next. */
static void awaken(struct session *session, struct shard_event *event)
{
    struct inbox *inbox = inbox_of(session);
    struct stream *stream = inbox == NULL ? NULL : stream_new(inbox, event->chat);

    if (stream == NULL) {
        session->subs->heads_tick = (uint32_t)wheel_now(&session->gateway->wheel) + 10;
        session_schedule(session);
        return;
    }
    stream->head = event->seq;
    stream->held = event;
    shard_event_ref(event);
    inbox_work(inbox);
}

static void to_session(struct session *session, void *arg)
{
    struct live *live = arg;
    struct stream *stream;

    if (session->state != SESSION_OPEN) return;
    if (session->subs == NULL || !session->subs->has_inbox || !session->subs->live) return;
    stream = stream_find(session, live->event->chat);
    if (stream == NULL) {
        awaken(session, live->event);
    } else if (stream->loaded) {
        inbox_live_offer(stream, live);
    } else if (live->event->seq > stream->head) {
        stream->head = live->event->seq;
    }
}

void inbox_live(struct gateway *gateway, struct shard_event *event)
{
    struct live live = {.event = event};
    const struct user_id *extra = event->has_extra ? &event->extra : NULL;

    if (gateway->users.count == 0) return;
    if (row_message_decode(event->message, &live.row) != KITH_OK) {
        gateway->stats.errors_by_code[CODE_INTERNAL]++;
        return;
    }
    users_each(gateway, event->roster, extra, to_session, &live);
}
