#include "gateway/inbox.h"
#include "wire/json_text.h"

/*
 * /events: what is not numbered and may be lost. A receiver that does not drain gets none until it does.
 */
#define LARGE_GROUP 32 /* above it, receipts go out a few at a time */

struct receipt_fan {
    struct chat_id chat;
    const struct watermark *mark;
    bool delivered_moved;
};

struct chat_user {
    struct chat_id chat;
    struct user_id user;
};

static void send_event(struct session *session, struct chat_id chat, const char *what, const struct kith_buf *body)
{
    struct gateway *gateway = session->gateway;
    char destination[6 + KITH_UUID_TEXT_LEN + 16] = "/chat/";
    struct kith_slice id = {0};
    size_t at = 0;

    if (session->state != SESSION_OPEN || !inbox_conn_has_room(session)) return;
    kith_uuid_format(chat.id, destination + 6);
    memcpy(destination + 6 + KITH_UUID_TEXT_LEN, what, strlen(what) + 1);
    while (subscriptions_next(session->subs, SUBSCRIPTION_EVENTS, &at, &id)) {
        struct stomp_writer writer;
        kith_buf_reset(&gateway->out);
        stomp_begin(&writer, &gateway->out, STOMP_MESSAGE);
        stomp_put(&writer, "subscription", id);
        stomp_put_u64(&writer, "message-id", ++session->subs->message_n);
        stomp_put_str(&writer, "destination", destination);
        stomp_put_str(&writer, "content-type", "application/json");
        if (stomp_end(&writer, kith_buf_peek(body)) != KITH_OK) continue;
        session_send(session, STOMP_MESSAGE, true);
        gateway->stats.events_out++;
    }
}

/* {"user_id":"…","delivered_up_to":5,"read_up_to":4,"at":"…"}; without read_up_to for who may not see it. */
static kith_err receipt_json(struct kith_buf *out, const struct watermark *mark, bool with_read)
{
    kith_err err = kith_buf_append_str(out, "{\"user_id\":");

    if (err == KITH_OK) err = json_put_uuid(out, mark->user.id);
    if (err == KITH_OK)
        err = kith_buf_printf(out, ",\"delivered_up_to\":%llu", (unsigned long long)mark->delivered_up_to);
    if (err == KITH_OK && with_read)
        err = kith_buf_printf(out, ",\"read_up_to\":%llu", (unsigned long long)mark->read_up_to);
    if (err == KITH_OK) err = kith_buf_append_str(out, ",\"at\":");
    if (err == KITH_OK) err = json_put_time(out, mark->at_ms);
    if (err == KITH_OK) err = kith_buf_append_str(out, "}");
    return err;
}

bool events_shows_read(const struct session *session, const struct watermark *mark)
{
    if (kith_uuid_eq(session->user_id.id, mark->user.id)) return true;
    return !mark->read_hidden && !session->receipts_off;
}

void events_send_receipt(struct session *session, struct chat_id chat, const struct watermark *mark)
{
    struct kith_buf body;

    kith_buf_init(&body, 512);
    if (receipt_json(&body, mark, events_shows_read(session, mark)) == KITH_OK)
        send_event(session, chat, "/receipts", &body);
    kith_buf_deinit(&body);
}

static void to_session(struct session *session, void *arg)
{
    const struct receipt_fan *fan = arg;

    if (session->subs == NULL || !session->subs->has_events) return;
    /* A move that this person may not see must not show as an event without news either (I-R3). */
    if (!fan->delivered_moved && !events_shows_read(session, fan->mark)) return;
    events_send_receipt(session, fan->chat, fan->mark);
}

/* What is read from the store for a new subscription may be ahead of moves that are still on their way here, or behind. */
bool events_delivered_moved(struct gateway *gateway, struct chat_id chat, struct watermark *mark)
{
    struct chat_user key = {.chat = chat, .user = mark->user};
    struct shown_marks *shown = NULL;
    kith_err err = kith_map_add(&gateway->shown, &key, (void **)&shown);
    bool moved;

    if (err == KITH_E_FULL) {
        kith_map_reset(&gateway->shown);
        err = kith_map_add(&gateway->shown, &key, (void **)&shown);
    }
    if (err != KITH_OK && err != KITH_E_CONFLICT) return true;
    moved = mark->delivered_up_to > shown->delivered_up_to;
    if (moved) shown->delivered_up_to = mark->delivered_up_to;
    if (mark->read_up_to > shown->read_up_to) shown->read_up_to = mark->read_up_to;
    mark->delivered_up_to = shown->delivered_up_to;
    mark->read_up_to = shown->read_up_to;
    return moved;
}

void events_fan_receipt(struct gateway *gateway, struct chat_id chat, const struct chat_roster *roster,
                        const struct watermark *mark)
{
    struct watermark newest = *mark;
    struct receipt_fan fan = {.chat = chat, .mark = &newest};

    fan.delivered_moved = events_delivered_moved(gateway, chat, &newest);
    users_each(gateway, roster, &mark->user, to_session, &fan);
}

void events_receipt(struct gateway *gateway, const struct shard_news *news)
{
    const struct chat_receipt *receipt = &news->receipt;
    struct chat_id chat = {news->stream};
    struct watermark mark = {.user = receipt->user,
                             .delivered_up_to = receipt->delivered_up_to,
                             .read_up_to = receipt->read_up_to,
                             .at_ms = receipt->at_ms,
                             .read_hidden = receipt->read_hidden};

    if (gateway->users.count == 0) return;
    if (news->roster->count > LARGE_GROUP)
        receipts_add(gateway, chat, news->roster, &mark);
    else
        events_fan_receipt(gateway, chat, news->roster, &mark);
}

void events_send_typing(struct session *session, struct chat_id chat, struct user_id user, bool on)
{
    struct kith_buf body;
    kith_err err;

    kith_buf_init(&body, 128);
    err = kith_buf_append_str(&body, "{\"user_id\":");
    if (err == KITH_OK) err = json_put_uuid(&body, user.id);
    if (err == KITH_OK) err = kith_buf_append_str(&body, on ? ",\"typing\":true}" : ",\"typing\":false}");
    if (err == KITH_OK) send_event(session, chat, "/typing", &body);
    kith_buf_deinit(&body);
}
