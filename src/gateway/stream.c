#include <stdlib.h>

#include "base/mutant.h"
#include "gateway/inbox.h"
#include "gateway/reader.h"

#define REST_TICKS  600   /* a chat at rest keeps its stream for a minute, so that a conversation needs no reads */
#define RESTING_MAX 65536 /* of one gateway */

static struct stream_key key_of(const struct session *session, struct chat_id chat)
{
    return (struct stream_key){.generation = session->generation, .chat = chat};
}

struct stream *stream_find(const struct session *session, struct chat_id chat)
{
    struct stream_key key = key_of(session, chat);
    struct stream **found = kith_map_find(&session->gateway->streams, &key);

    return found == NULL ? NULL : *found;
}

void stream_stir(struct stream *stream)
{
    struct gateway *gateway = stream->inbox->session->gateway;

    if (!stream->resting) return;
    if (stream->rest_prev != NULL)
        stream->rest_prev->rest_next = stream->rest_next;
    else
        gateway->rest_first = stream->rest_next;
    if (stream->rest_next != NULL)
        stream->rest_next->rest_prev = stream->rest_prev;
    else
        gateway->rest_last = stream->rest_prev;
    stream->rest_prev = stream->rest_next = NULL;
    stream->resting = false;
    gateway->stats.streams_resting--;
}

static void rest_add(struct stream *stream)
{
    struct gateway *gateway = stream->inbox->session->gateway;

    stream->resting = true;
    stream->rest_tick = (uint32_t)wheel_now(&gateway->wheel);
    stream->rest_prev = gateway->rest_last;
    if (gateway->rest_last != NULL)
        gateway->rest_last->rest_next = stream;
    else
        gateway->rest_first = stream;
    gateway->rest_last = stream;
    gateway->stats.streams_resting++;
}

struct stream *stream_new(struct inbox *inbox, struct chat_id chat)
{
    struct gateway *gateway = inbox->session->gateway;
    struct stream_key key = key_of(inbox->session, chat);
    struct stream **place = NULL, *stream = NULL;

    if (inbox->stream_count == GATEWAY_STREAMS_MAX) streams_evict(inbox);
    if (inbox->stream_count < GATEWAY_STREAMS_MAX) stream = calloc(1, sizeof *stream);
    if (stream == NULL || kith_map_add(&gateway->streams, &key, (void **)&place) != KITH_OK) {
        inbox->overflow = true;
        free(stream);
        return NULL;
    }
    *place = stream;
    stream->inbox = inbox;
    stream->chat = chat;
    stream->next = inbox->streams;
    if (stream->next != NULL) stream->next->prev = stream;
    inbox->streams = stream;
    inbox->stream_count++;
    inbox->unloaded++;
    stream_enqueue(stream);
    return stream;
}

/* Out of a singly linked list: rare, since what is queued is rarely freed. */
static void ready_remove(struct stream *stream)
{
    struct inbox *inbox = stream->inbox;
    struct stream **at = &inbox->ready_first, *before = NULL;

    if (!stream->queued) return;
    while (*at != stream) {
        before = *at;
        at = &(*at)->ready_next;
    }
    *at = stream->ready_next;
    if (inbox->ready_last == stream) inbox->ready_last = before;
    stream->ready_next = NULL;
    stream->queued = false;
}

static void dirty_remove(struct stream *stream)
{
    struct stream **at = &stream->inbox->dirty;

    if (!stream->dirty) return;
    while (*at != stream) at = &(*at)->dirty_next;
    *at = stream->dirty_next;
    stream->dirty = false;
}

void stream_free(struct stream *stream)
{
    struct inbox *inbox = stream->inbox;
    struct stream_key key = key_of(inbox->session, stream->chat);

    stream_stir(stream);
    ready_remove(stream);
    dirty_remove(stream);
    shard_event_unref(stream->held);
    (void)kith_map_remove(&inbox->session->gateway->streams, &key);
    if (stream->prev != NULL)
        stream->prev->next = stream->next;
    else
        inbox->streams = stream->next;
    if (stream->next != NULL) stream->next->prev = stream->prev;
    inbox->stream_count--;
    if (!stream->loaded) inbox->unloaded--;
    if (stream->nacked != 0) inbox->nacked_count--;
    if (inbox->reader != NULL && inbox->reader->stream == stream) inbox->reader->stream = NULL;
    free(stream);
}

void stream_enqueue(struct stream *stream)
{
    struct inbox *inbox = stream->inbox;

    if (stream->queued || stream->reading || stream->failed) return;
    stream_stir(stream);
    stream->queued = true;
    if (inbox->ready_last != NULL)
        inbox->ready_last->ready_next = stream;
    else
        inbox->ready_first = stream;
    inbox->ready_last = stream;
}

static bool is_done(const struct stream *stream)
{
    return stream->loaded && stream->sent >= stream->head && stream->unacked == 0 && stream->cursor == stream->sent &&
           stream->durable >= stream->cursor && !stream->dirty && !stream->recheck;
}

void stream_settle(struct stream *stream)
{
    if (stream->reading) return; /* when the read is done */
    if (!stream->loaded || stream->recheck || stream->sent < stream->head) {
        stream_enqueue(stream);
        return;
    }
    if (is_done(stream) && !stream->resting && !stream->queued) rest_add(stream);
}

void stream_loaded(struct stream *stream, uint64_t cursor, uint64_t head)
{
    const struct leftover_chat *left = leftover_find(stream->inbox->leftover, stream->chat);

    stream->inbox->unloaded--;
    stream->loaded = true;
    stream->durable = stream->told = stream->cursor = stream->sent = cursor;
    if (left != NULL) {
        /* Acknowledged on an older connection; the command is still under way, or was refused. */
        if (left->cursor > cursor) {
            stream->cursor = stream->sent = left->cursor;
            cursor_touch(stream);
        }
        stream->flag_to = left->sent;
    }
    if (kith_mutant(RESUME_OFF_BY_ONE) && stream->sent > 0 && stream->sent < head) stream->sent++;
    if (head > stream->head) stream->head = head;
}

void stream_release(struct stream *stream)
{
    struct live live = {.event = stream->held};

    if (stream->held == NULL) return;
    stream->held = NULL;
    if (row_message_decode(live.event->message, &live.row) == KITH_OK) inbox_live_offer(stream, &live);
    shard_event_unref(live.event);
}

void streams_sweep(struct gateway *gateway)
{
    uint64_t now = wheel_now(&gateway->wheel);

    while (gateway->rest_first != NULL && (gateway->rest_first->rest_tick + (uint64_t)REST_TICKS <= now ||
                                           gateway->stats.streams_resting > RESTING_MAX)) {
        struct inbox *inbox = gateway->rest_first->inbox;
        stream_free(gateway->rest_first);
        inbox_settle(inbox);
    }
}

void streams_evict(struct inbox *inbox)
{
    struct stream *next;

    for (struct stream *stream = inbox->streams; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->resting) stream_free(stream);
    }
}
