#include "net/conn_ws_state.h"

static void reader_init(struct conn_ws *ws, struct ws_reader *reader)
{
    struct ws_inflate_params inflate = {.on = ws->inflate_bits != 0,
                                        .context_takeover = ws->inflate_takeover != 0,
                                        .window_bits = (uint8_t)ws->inflate_bits};

    ws_reader_init(reader, ws->is_client != 0 ? WS_CLIENT : WS_SERVER, ws->message_bytes_max, &inflate,
                   &ws->net->scratch);
}

/* The peer broke the rules: say so, and listen no more. */
static void fail(struct conn_ws *ws, unsigned code, enum conn_closed why)
{
    if (ws->why == 0) ws->why = why;
    ws->broken = 1;
    conn_ws_send_close(ws, code, (struct kith_slice){0});
}

static void peer_closes(struct conn_ws *ws, const struct ws_event *event)
{
    ws->close_seen = 1;
    if (ws->why == 0) ws->why = CONN_CLOSED_PEER;
    /* Its own code comes back (RFC 6455, 5.5.1); without effect when we spoke first. */
    conn_ws_send_close(ws, event->code == WS_CLOSE_NO_STATUS ? 0 : event->code, (struct kith_slice){0});
}

static void serve(struct conn_ws *ws, const struct ws_event *event)
{
    struct conn_user *user = ws->base.user;

    switch (event->kind) {
    case WS_EVENT_DATA:
        if (ws->close_sent != 0) break; /* asked to close: the user is not told any more */
        if (ws->with_borders != 0)
            ((struct conn_ws_user *)user)
                ->data((struct conn_ws_user *)user, event->bytes, event->is_text, event->final);
        /* Lent from our own memory, where nobody else looks at it: the user may write in it. */
        else if (event->bytes.len > 0)
            user->bytes(user, (uint8_t *)(uintptr_t)event->bytes.ptr, event->bytes.len);
        break;
    case WS_EVENT_PING: conn_ws_send_control(ws, WS_PONG, event->bytes); break;
    case WS_EVENT_PONG: break; /* that it came is enough */
    case WS_EVENT_CLOSE: peer_closes(ws, event); break;
    }
}

static bool may_take(const struct conn_ws *ws)
{
    return ws->dead == 0 && ws->paused == 0 && ws->close_seen == 0 && ws->broken == 0;
}

/* Events until the bytes, or the wish for them, are at an end. Returns how many bytes are done with. */
static size_t take_events(struct conn_ws *ws, struct ws_reader *reader, uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (may_take(ws)) {
        struct ws_event event;
        size_t used = 0;
        kith_err err = ws_reader_next(reader, bytes + at, len - at, &used, &event);

        at += used;
        if (err == KITH_E_AGAIN) break;
        if (err == KITH_OK)
            serve(ws, &event);
        else
            fail(ws, reader->close_code, err == KITH_E_NOMEM ? CONN_CLOSED_ERROR : CONN_CLOSED_PROTOCOL);
    }
    return at;
}

/* Keeps the reader only where it holds something. */
static void keep_reader(struct conn_ws *ws, struct ws_reader *reader)
{
    struct ws_busy *busy = ws->busy;
    bool is_over = ws->dead != 0 || ws->close_seen != 0 || ws->broken != 0;

    if (is_over || (ws_reader_is_idle(reader) && reader->inflater == NULL)) {
        ws_reader_deinit(reader);
        if (busy != NULL) busy->has_reader = false;
        return;
    }
    if (busy == NULL) busy = conn_ws_busy(ws);
    if (busy == NULL) {
        ws_reader_deinit(reader);
        return;
    }
    if (reader != &busy->reader) busy->reader = *reader;
    busy->has_reader = true;
}

/* `bytes` lies in the shared memory, or is all of `in`. */
static void take(struct conn_ws *ws, uint8_t *bytes, size_t len, bool is_leftover)
{
    struct ws_reader fresh, *reader = &fresh;
    size_t used;

    if (ws->busy != NULL && ws->busy->has_reader)
        reader = &ws->busy->reader;
    else
        reader_init(ws, &fresh);
    used = take_events(ws, reader, bytes, len);
    keep_reader(ws, reader);
    if (ws->dead != 0 || ws->close_seen != 0 || ws->broken != 0) used = len; /* nothing of it counts */

    if (is_leftover) {
        kith_buf_consume(&ws->busy->in, used);
    } else if (used < len && conn_ws_busy(ws) != NULL) {
        kith_err err = kith_buf_append(&ws->busy->in, kith_slice_of(bytes + used, len - used));
        if (err != KITH_OK) conn_ws_die(ws, CONN_CLOSED_ERROR);
    }
    if (ws->busy != NULL && kith_buf_len(&ws->busy->in) == 0) kith_buf_deinit(&ws->busy->in);
    conn_ws_recharge(ws);
}

void conn_ws_take_leftover(struct conn_ws *ws)
{
    struct ws_busy *busy = ws->busy;

    if (busy == NULL || !may_take(ws)) return;
    if (kith_buf_len(&busy->in) > 0)
        take(ws, busy->in.ptr + busy->in.head, kith_buf_len(&busy->in), true);
    else if (busy->has_reader)
        take(ws, net_read_bytes(ws->net), 0, false); /* an inflater may hold more output */
}

static void stream_ended(struct conn_ws *ws, kith_err err)
{
    conn_ws_flush(ws); /* the peer may only have closed its half */
    conn_ws_die(ws, err == KITH_E_CLOSED ? CONN_CLOSED_PEER : CONN_CLOSED_ERROR);
}

void conn_ws_read(struct conn_ws *ws)
{
    uint8_t *at = net_read_bytes(ws->net);
    struct kith_buf *in = ws->busy == NULL ? NULL : &ws->busy->in;
    size_t left = in == NULL ? 0 : kith_buf_len(in), got = 0;
    kith_err err;

    assert(left <= NET_HEADROOM); /* more of it is taken first, see settle() */
    err = transport_read(&ws->io, at, NET_READ_BYTES, &got);
    ws->read_blocked = err == KITH_E_AGAIN;
    if (got > 0) {
        ws->heard_ms = (uint32_t)loop_now_ms(ws->base.loop);
        ws->pinged = 0;
        net_count(&ws->net->stats.bytes_in, got);
        if (left > 0) {
            memcpy(at - left, in->ptr + in->head, left);
            kith_buf_consume(in, left);
        }
        if (ws->close_seen == 0 && ws->broken == 0) take(ws, at - left, left + got, false);
    }
    if (err == KITH_E_CLOSED || err == KITH_E_IO)
        stream_ended(ws, err);
    else if (transport_has_pending(&ws->io))
        conn_ws_schedule(ws);
    else if (conn_ws_queued(ws) > 0 && ws->blocked == 0)
        conn_ws_schedule(ws); /* TLS had to read before it writes */
}
