#include <stdlib.h>

#include "base/mutant.h"
#include "gateway/inbox.h"
#include "gateway/reader.h"

#define SCAN_ROOM 32 /* streams that a page of chats may make */

struct inbox *inbox_of(struct session *session)
{
    if (session->inbox != NULL) return session->inbox;
    session->inbox = calloc(1, sizeof *session->inbox);
    if (session->inbox != NULL) session->inbox->session = session;
    return session->inbox;
}

static uint32_t heads_due(struct gateway *gateway, uint64_t ms)
{
    uint16_t coins = 0;

    loop_random(gateway->config.loop, &coins, sizeof coins);
    ms = ms - ms / 4 + ms / 2 * coins / 65536; /* +- a quarter: not all sessions at once */
    return (uint32_t)(wheel_now(&gateway->wheel) + ms / WHEEL_TICK_MS + 1);
}

static void scan_again(struct inbox *inbox)
{
    inbox->scan = SCAN_WANTED;
    inbox->scan_begun = inbox->scan_failed = false;
}

kith_err inbox_start(struct session *session)
{
    struct inbox *inbox = inbox_of(session);

    if (inbox == NULL) return KITH_E_NOMEM;
    scan_again(inbox);
    inbox->first_scan = true;
    session->subs->heads_tick = heads_due(session->gateway, GATEWAY_HEADS_MS);
    /* Events first, heads after: what is committed in between is seen by one of them at least. */
    session->subs->live = !kith_mutant(REGISTER_AFTER_HEADS);
    if (kith_mutant(REGISTER_AFTER_HEADS)) session->subs->heads_tick = UINT32_MAX; /* nor does the safety net hide it */
    session_schedule(session);
    inbox_work(inbox);
    return KITH_OK;
}

void inbox_rescan(struct session *session)
{
    struct inbox *inbox = inbox_of(session);

    session->subs->heads_tick = heads_due(session->gateway, GATEWAY_HEADS_MS);
    if (inbox == NULL) return;
    for (struct stream *stream = inbox->streams; stream != NULL; stream = stream->next) {
        if (!stream->failed) continue;
        stream->failed = false;
        stream_settle(stream);
    }
    if (inbox->scan != SCAN_WANTED) {
        session->gateway->stats.heads_read++;
        scan_again(inbox);
    }
    inbox_work(inbox);
}

void inbox_retry_soon(struct inbox *inbox)
{
    inbox_retry_soon_of(inbox->session);
}

void inbox_retry_soon_of(struct session *session)
{
    uint32_t soon = heads_due(session->gateway, 2000);

    if (session->subs == NULL || session->subs->heads_tick <= soon) return;
    session->subs->heads_tick = soon;
    session_schedule(session);
}

/* Only a queue that was above CONN_QUEUE_HIGH says when it has drained. */
bool inbox_conn_has_room(const struct session *session)
{
    return session->conn != NULL && conn_queued(session->conn) <= CONN_QUEUE_HIGH;
}

bool inbox_has_room(const struct inbox *inbox)
{
    return inbox_conn_has_room(inbox->session);
}

/* ------------------------------------------------------------------------------------------------------ what is next */

enum job { JOB_NONE, JOB_STREAM, JOB_SCAN, JOB_MARKS };

/* Chats take turns by pages, and finding more chats takes turns with them: one with a long past holds up no other. */
static enum job next_job(struct inbox *inbox)
{
    bool may_scan;

    if (window_is_open(inbox)) {
        if (inbox->scan == SCAN_WANTED && inbox->stream_count + SCAN_ROOM > GATEWAY_STREAMS_MAX) streams_evict(inbox);
        may_scan = inbox->scan == SCAN_WANTED && inbox->stream_count + SCAN_ROOM <= GATEWAY_STREAMS_MAX;
        if (may_scan && (inbox->scan_turn || inbox->ready_first == NULL)) return JOB_SCAN;
        if (inbox->ready_first != NULL) return JOB_STREAM;
    }
    return inbox->marks == SCAN_WANTED ? JOB_MARKS : JOB_NONE;
}

static struct stream *pop_ready(struct inbox *inbox)
{
    struct stream *stream = inbox->ready_first;

    inbox->ready_first = stream->ready_next;
    if (inbox->ready_first == NULL) inbox->ready_last = NULL;
    stream->ready_next = NULL;
    stream->queued = false;
    return stream;
}

static void wait_for_reader(struct inbox *inbox)
{
    struct gateway *gateway = inbox->session->gateway;

    inbox->waiting = true;
    if (gateway->wait_last != NULL)
        gateway->wait_last->wait_next = inbox;
    else
        gateway->wait_first = inbox;
    gateway->wait_last = inbox;
    gateway->stats.readers_waiting++;
}

static void start(struct inbox *inbox, enum job job)
{
    struct stream *stream;

    if (job == JOB_SCAN) {
        inbox->scan_turn = false;
        inbox_scan_chats(inbox);
    } else if (job == JOB_MARKS) {
        inbox_read_marks(inbox);
    } else {
        inbox->scan_turn = true;
        stream = pop_ready(inbox);
        stream->reading = true;
        inbox->reader->stream = stream;
        if (!stream->loaded || stream->recheck)
            inbox_load(inbox, stream);
        else
            inbox_pull(inbox, stream);
    }
}

void inbox_work(struct inbox *inbox)
{
    struct session *session = inbox->session;
    struct gateway *gateway = session->gateway;
    enum job job;

    if (session->state != SESSION_OPEN || inbox->reader != NULL || inbox->waiting || session->claims > 0) return;
    if (!inbox->took_leftover && session->subs != NULL && session->subs->has_inbox) {
        inbox->took_leftover = true;
        inbox->leftover = leftover_take(gateway, session->device);
    }
    if (!inbox_has_room(inbox)) return; /* `drained` comes back to this */
    job = next_job(inbox);
    if (job == JOB_NONE) return;
    inbox->reader = reader_new(gateway, false);
    if (inbox->reader == NULL) {
        wait_for_reader(inbox);
        return;
    }
    inbox->reader->inbox = inbox;
    start(inbox, job);
}

void inbox_read_done(struct inbox *inbox)
{
    struct reader *reader = inbox->reader;
    struct session *session = inbox->session;

    inbox->reader = NULL;
    if (reader->stream != NULL) reader->stream->reading = false;
    reader->inbox = NULL;
    if (inbox->first_scan && inbox->scan == SCAN_DONE && !inbox->scan_failed && inbox->unloaded == 0)
        inbox_first_scan_done(inbox);
    if (inbox->overflow && inbox->scan == SCAN_DONE) { /* events whose chat had no room for a state then */
        inbox->overflow = false;
        scan_again(inbox);
    }
    inbox_work(inbox);
    if (session->inbox != NULL) inbox_settle(session->inbox);
    reader_free(reader);
}

/* ----------------------------------------------------------------------------------------------------------- its end */

static void wait_list_remove(struct inbox *inbox)
{
    struct gateway *gateway = inbox->session->gateway;
    struct inbox **at = &gateway->wait_first, *before = NULL;

    if (!inbox->waiting) return;
    while (*at != inbox) {
        before = *at;
        at = &(*at)->wait_next;
    }
    *at = inbox->wait_next;
    if (gateway->wait_last == inbox) gateway->wait_last = before;
    gateway->stats.readers_waiting--;
}

static void inbox_free(struct inbox *inbox)
{
    wait_list_remove(inbox);
    cursor_unlist(inbox);
    if (inbox->reader != NULL) reader_orphan(inbox->reader);
    while (inbox->streams != NULL) stream_free(inbox->streams);
    inbox->session->inbox = NULL;
    free(inbox->window);
    free(inbox->leftover);
    free(inbox);
}

void inbox_end(struct session *session)
{
    struct inbox *inbox = session->inbox;

    if (inbox == NULL) return;
    for (struct stream *stream = inbox->streams; stream != NULL; stream = stream->next) cursor_leave(stream);
    leftover_keep(session->gateway, leftover_of(inbox));
    inbox_free(inbox);
}

void inbox_forget(struct session *session)
{
    if (session->inbox != NULL) inbox_free(session->inbox);
}

void inbox_settle(struct inbox *inbox)
{
    if (inbox->stream_count > 0 || inbox->reader != NULL || inbox->waiting || inbox->flush_listed) return;
    if (inbox->scan != SCAN_DONE || inbox->marks != SCAN_DONE || inbox->first_scan || inbox->leftover != NULL) return;
    if (inbox->window_len > 0) return;
    inbox_free(inbox);
}

size_t inbox_bytes(const struct inbox *inbox)
{
    size_t bytes = sizeof *inbox + inbox->window_cap * sizeof *inbox->window +
                   inbox->stream_count * sizeof(struct stream);

    if (inbox->leftover != NULL)
        bytes += sizeof *inbox->leftover + inbox->leftover->count * sizeof inbox->leftover->chats[0];
    return bytes;
}
