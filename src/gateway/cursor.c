#include <stdlib.h>

#include "gateway/inbox.h"

/*
 * Acknowledgements on their way into the log: coalesced to one CMD_CURSOR a chat every GATEWAY_CURSOR_MS. A stream rests
 * only when its cursor has been answered, so that what the store says of a chat at rest is the whole truth.
 */
#define RETRY_MS 1000

struct cursor_ask {
    struct ask ask; /* first */
    struct gateway *gateway;
    struct cursor_ask *prev, *next;
    struct stream_key key;
    uint64_t seq;
    struct waiting *waiting; /* NULL: nobody waits */
    struct cursor_ask *waiting_prev, *waiting_next;
};

static void answered(struct ask *ask);

static void ask_free(struct cursor_ask *one)
{
    if (one->prev != NULL)
        one->prev->next = one->next;
    else
        one->gateway->cursor_asks = one->next;
    if (one->next != NULL) one->next->prev = one->prev;
    free(one);
}

static void waiting_attach(struct cursor_ask *one, struct waiting *waiting)
{
    one->waiting = waiting;
    if (waiting == NULL) return;
    one->waiting_next = waiting->cursors;
    if (one->waiting_next != NULL) one->waiting_next->waiting_prev = one;
    waiting->cursors = one;
}

static void waiting_detach(struct cursor_ask *one)
{
    if (one->waiting == NULL) return;
    if (one->waiting_prev != NULL)
        one->waiting_prev->waiting_next = one->waiting_next;
    else
        one->waiting->cursors = one->waiting_next;
    if (one->waiting_next != NULL) one->waiting_next->waiting_prev = one->waiting_prev;
    one->waiting = NULL;
}

static kith_err ask(struct stream *stream, struct waiting *waiting)
{
    struct session *session = stream->inbox->session;
    struct gateway *gateway = session->gateway;
    struct cmd cmd = {.verb = stream->is_mail ? CMD_MAIL_ACK : CMD_CURSOR,
                      .stream = stream->chat.id,
                      .actor = session->user_id,
                      .device = session->device,
                      .seq = stream->cursor};
    struct cursor_ask *one = calloc(1, sizeof *one);

    if (one == NULL) return KITH_E_NOMEM;
    one->ask.done = answered;
    one->gateway = gateway;
    one->key = (struct stream_key){.generation = session->generation, .chat = stream->chat};
    one->seq = stream->cursor;
    one->next = gateway->cursor_asks;
    if (one->next != NULL) one->next->prev = one;
    gateway->cursor_asks = one;
    waiting_attach(one, waiting);
    stream->told = stream->cursor;
    gateway->stats.cursors++;
    asker_ask(gateway->config.asker, &cmd, &one->ask);
    return KITH_OK;
}

static void list(struct inbox *inbox, uint64_t delay_ms)
{
    struct gateway *gateway = inbox->session->gateway;
    uint64_t due_ms = loop_now_ms(gateway->config.loop) + delay_ms;

    if (inbox->flush_listed && gateway->flush_due_ms <= due_ms) return;
    if (!inbox->flush_listed) {
        inbox->flush_listed = true;
        inbox->flush_next = gateway->flush_list;
        gateway->flush_list = inbox;
    }
    if (gateway->flush.armed && gateway->flush_due_ms <= due_ms) return;
    gateway->flush_due_ms = due_ms;
    loop_timer_start(gateway->config.loop, &gateway->flush, delay_ms);
}

static void mark_dirty(struct stream *stream, uint64_t delay_ms)
{
    if (!stream->dirty) {
        stream->dirty = true;
        stream->dirty_next = stream->inbox->dirty;
        stream->inbox->dirty = stream;
    }
    list(stream->inbox, delay_ms);
}

void cursor_touch(struct stream *stream)
{
    mark_dirty(stream, GATEWAY_CURSOR_MS);
}

static void tell_dirty(struct inbox *inbox)
{
    struct stream *next;

    for (struct stream *stream = inbox->dirty; stream != NULL; stream = next) {
        next = stream->dirty_next;
        stream->dirty = false;
        stream->dirty_next = NULL;
        if (stream->cursor <= stream->told) continue;
        if (ask(stream, NULL) != KITH_OK) stream->told = stream->durable;
    }
    inbox->dirty = NULL;
}

static void fire(struct loop_timer *timer)
{
    struct gateway *gateway = (struct gateway *)((char *)timer - offsetof(struct gateway, flush));

    while (gateway->flush_list != NULL) {
        struct inbox *inbox = gateway->flush_list;
        gateway->flush_list = inbox->flush_next;
        inbox->flush_next = NULL;
        inbox->flush_listed = false;
        tell_dirty(inbox);
    }
}

void cursor_init(struct gateway *gateway)
{
    gateway->flush.fire = fire;
}

void cursor_unlist(struct inbox *inbox)
{
    struct inbox **at = &inbox->session->gateway->flush_list;

    if (!inbox->flush_listed) return;
    while (*at != inbox) at = &(*at)->flush_next;
    *at = inbox->flush_next;
    inbox->flush_listed = false;
}

void cursor_flush(struct inbox *inbox, struct waiting *waiting)
{
    /* What is under way already is asked once more: its answer would not come to this frame. */
    for (struct stream *stream = inbox->streams; stream != NULL; stream = stream->next) {
        if (!stream->loaded || stream->cursor <= stream->durable) continue;
        if (ask(stream, waiting) != KITH_OK && waiting != NULL) waiting->code = CODE_UNAVAILABLE;
    }
    tell_dirty(inbox);
}

void cursor_leave(struct stream *stream)
{
    if (stream->loaded && stream->cursor > stream->told) kith_ignore(ask(stream, NULL)); /* it comes again then */
}

void cursor_forget(struct waiting *waiting)
{
    while (waiting->cursors != NULL) waiting_detach(waiting->cursors);
}

void cursor_free_all(struct gateway *gateway)
{
    while (gateway->cursor_asks != NULL) {
        struct cursor_ask *one = gateway->cursor_asks;
        if (!gateway->crashed) asker_cancel(gateway->config.asker, &one->ask);
        ask_free(one);
    }
}

static void stream_answered(struct stream *stream, uint64_t seq, enum kith_code code)
{
    struct inbox *inbox = stream->inbox;

    if (kith_code_retryable(code)) {
        stream->told = stream->durable;
        mark_dirty(stream, RETRY_MS);
        return;
    }
    /* Refused for good (no such chat any more): there is nothing to be told. */
    if (seq > stream->durable) stream->durable = seq;
    stream_settle(stream);
    inbox_settle(inbox);
}

/* The frame's answer, when this was the last cursor that it waited for. */
static void waiting_answered(struct waiting *waiting, enum kith_code code)
{
    if (code != CODE_OK) waiting->code = code;
    if (waiting->cursors != NULL) return;
    if (waiting->kind == WAITING_BYE)
        waiting_end(waiting);
    else
        ack_answered(waiting);
}

static void answered(struct ask *ask_of)
{
    struct cursor_ask *one = (struct cursor_ask *)ask_of;
    struct gateway *gateway = one->gateway;
    struct stream **stream = kith_map_find(&gateway->streams, &one->key);
    struct waiting *waiting = one->waiting;
    enum kith_code code = ask_of->answer.code;
    uint64_t seq = one->seq;

    waiting_detach(one);
    ask_free(one);
    if (stream != NULL) stream_answered(*stream, seq, code);
    if (waiting != NULL) waiting_answered(waiting, code);
}
