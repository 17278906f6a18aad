#include "net/conn_ws_state.h"

#include <stdlib.h>

#include "net/net_linger.h"

static const struct conn_ops ws_ops;

static struct conn_ws *ws_of(const struct conn *conn)
{
    assert(conn->ops == &ws_ops);
    return (struct conn_ws *)conn;
}

static void fire(struct loop_timer *timer);

void conn_ws_schedule(struct conn_ws *ws)
{
    if (ws->queued != 0) return;
    ws->queued = 1;
    loop_late(ws->base.loop, &ws->task);
}

static size_t queue_bytes_max(const struct conn_ws *ws)
{
    /* Whoever thinks in messages also answers with one. */
    return CONN_QUEUE_BYTES_MAX + (ws->with_borders != 0 ? (size_t)ws->message_bytes_max : 0);
}

static struct ws_busy *busy_new(struct conn_ws *ws)
{
    struct ws_busy *busy = calloc(1, sizeof *busy);

    if (busy == NULL) return NULL;
    busy->ws = ws;
    busy->timer.fire = fire;
    kith_buf_init(&busy->in, NET_HEADROOM + NET_READ_BYTES);
    kith_buf_init(&busy->out, queue_bytes_max(ws));
    ws->busy = busy;
    conn_ws_recharge(ws);
    return busy;
}

struct ws_busy *conn_ws_busy(struct conn_ws *ws)
{
    struct ws_busy *busy = ws->busy;

    if (busy != NULL || ws->dead != 0) return busy;
    busy = busy_new(ws);
    if (busy == NULL) conn_ws_die(ws, CONN_CLOSED_ERROR);
    return busy;
}

void conn_ws_recharge(struct conn_ws *ws)
{
    struct ws_busy *busy = ws->busy;
    size_t now;

    if (busy == NULL) return;
    now = sizeof *busy + busy->in.cap + busy->out.cap;
    if (now != busy->charged) net_charge(ws->net, busy->charged, now);
    busy->charged = now;
}

static void busy_free(struct conn_ws *ws)
{
    struct ws_busy *busy = ws->busy;

    if (busy == NULL) return;
    loop_timer_stop(ws->base.loop, &busy->timer);
    if (busy->has_reader) ws_reader_deinit(&busy->reader);
    kith_buf_deinit(&busy->in);
    kith_buf_deinit(&busy->out);
    net_charge(ws->net, busy->charged, 0);
    free(busy);
    ws->busy = NULL;
}

void conn_ws_die(struct conn_ws *ws, enum conn_closed why)
{
    if (ws->dead != 0) return;
    if (ws->why == 0) ws->why = why & 7u;
    ws->dead = 1;
    keepalive_remove(&ws->link);
    if (why == CONN_CLOSED_SLOW) net_count(&ws->net->stats.closed_slow, 1);
    /* Whom we cannot reach any more must not cost the kernel its buffers. */
    transport_close(&ws->io, ws->base.loop, why == CONN_CLOSED_SLOW || why == CONN_CLOSED_TIMEOUT);
    conn_ws_schedule(ws);
}

/* All was said: now the socket may go, in peace. */
static void finish(struct conn_ws *ws)
{
    assert(ws->why != 0);
    ws->dead = 1;
    keepalive_remove(&ws->link);
    net_linger(ws->net, &ws->io);
}

static void conclude(struct conn_ws *ws)
{
    struct net_shared *net = ws->net;
    size_t bytes = sizeof *ws + (ws->had_tls != 0 ? NET_TLS_BYTES : 0);

    ws->base.user->closed(ws->base.user, (enum conn_closed)ws->why);
    busy_free(ws);
    free(ws);
    net_count(&net->stats.websockets, UINT64_MAX); /* minus one */
    net_gone(net, bytes);
}

static unsigned wanted_events(const struct conn_ws *ws)
{
    unsigned events = 0;

    /* While paused, and until what came is taken, the kernel keeps the rest and in the end slows the peer. */
    if (ws->paused == 0 && ws->resume == 0) events |= LOOP_READ;
    if (ws->blocked != 0 || ws->read_blocked != 0) events |= LOOP_WRITE;
    return events;
}

void conn_ws_settle(struct conn_ws *ws)
{
    struct ws_busy *busy = ws->busy;

    if (ws->dead == 0 && ws->close_sent != 0 && conn_ws_queued(ws) == 0 && (ws->close_seen != 0 || ws->broken != 0))
        finish(ws);
    if (ws->dead != 0) {
        if (ws->queued == 0) conclude(ws);
        return;
    }
    if (busy != NULL && !busy->has_reader && busy->in.cap == 0 && busy->out.cap == 0 && ws->close_sent == 0)
        busy_free(ws);
    loop_watch_change(ws->base.loop, &ws->io.watch, wanted_events(ws));
}

static void ready(struct loop_watch *watch, unsigned events)
{
    struct conn_ws *ws = (struct conn_ws *)((char *)watch - offsetof(struct conn_ws, io.watch));

    /* Paused, the end is not read but told: by HANGUP, which would come for ever. */
    if ((events & LOOP_HANGUP) != 0 && ws->paused != 0) conn_ws_die(ws, CONN_CLOSED_PEER);
    if ((events & LOOP_WRITE) != 0) conn_ws_flush(ws);
    if (ws->dead == 0 && ws->paused == 0 && ws->resume == 0 &&
        ((events & ~(unsigned)LOOP_WRITE) != 0 || ws->read_blocked != 0))
        conn_ws_read(ws);
    conn_ws_settle(ws);
}

static void run(struct loop_task *task)
{
    struct conn_ws *ws = (struct conn_ws *)((char *)task - offsetof(struct conn_ws, task));

    /* Still `queued`, so that what the user sends from inside goes out with this flush. */
    if (ws->dead == 0 && ws->resume != 0 && ws->paused == 0) {
        ws->resume = 0;
        conn_ws_take_leftover(ws);
    }
    if (ws->dead == 0 && ws->paused == 0 && transport_has_pending(&ws->io)) conn_ws_read(ws);
    ws->queued = 0;
    conn_ws_flush(ws);
    if (ws->dead == 0 && ws->paused == 0 && transport_has_pending(&ws->io)) conn_ws_schedule(ws);
    conn_ws_settle(ws);
}

static void fire(struct loop_timer *timer)
{
    struct conn_ws *ws = ((struct ws_busy *)((char *)timer - offsetof(struct ws_busy, timer)))->ws;

    if (ws->close_sent == 0)
        conn_ws_check_slow(ws);
    else if (conn_ws_queued(ws) > 0)
        conn_ws_die(ws, CONN_CLOSED_SLOW);
    else
        finish(ws); /* the peer does not answer our close frame */
    conn_ws_settle(ws);
}

void conn_ws_keepalive_due(struct net_link *link)
{
    struct conn_ws *ws = conn_ws_of_link(link);
    uint32_t silent_ms = (uint32_t)loop_now_ms(ws->base.loop) - ws->heard_ms;

    if (ws->paused == 0 && ws->pinged != 0 && silent_ms >= 2 * ws->keepalive_ms) {
        conn_ws_die(ws, CONN_CLOSED_TIMEOUT);
    } else {
        ws->pinged = 1;
        conn_ws_send_control(ws, WS_PING, (struct kith_slice){0});
        if (ws->dead == 0) keepalive_wait(&ws->net->keepalive, link, ws->keepalive_ms);
    }
    conn_ws_settle(ws);
}

void conn_ws_abort(struct net_link *link)
{
    struct conn_ws *ws = conn_ws_of_link(link);

    if (ws->why == 0) ws->why = CONN_CLOSED_OURS;
    conn_ws_send_close(ws, WS_CLOSE_GOING_AWAY, (struct kith_slice){0});
    conn_ws_flush(ws);
    if (ws->dead == 0) transport_shutdown(&ws->io);
    conn_ws_die(ws, CONN_CLOSED_OURS);
}

static void ops_send(struct conn *conn, struct kith_slice message, bool is_text)
{
    conn_ws_send(ws_of(conn), message, is_text);
}

static size_t ops_queued(const struct conn *conn)
{
    return conn_ws_queued(ws_of(conn));
}

static void ops_pause(struct conn *conn, bool paused)
{
    struct conn_ws *ws = ws_of(conn);

    if (ws->dead != 0 || ws->close_sent != 0 || (ws->paused != 0) == paused) return;
    ws->paused = paused;
    ws->resume = !paused;
    ws->heard_ms = (uint32_t)loop_now_ms(conn->loop); /* we did not listen: no reason to call the peer silent */
    conn_ws_schedule(ws);
}

static void ops_close(struct conn *conn, uint16_t code, const char *reason)
{
    struct conn_ws *ws = ws_of(conn);

    if (ws->dead != 0 || ws->close_sent != 0) return;
    if (ws->why == 0) ws->why = CONN_CLOSED_OURS;
    if (ws->paused != 0) ops_pause(conn, false); /* to hear the peer's close frame */
    conn_ws_send_close(ws, code, kith_slice_str(reason == NULL ? "" : reason));
}

static void ops_peer(const struct conn *conn, char out[static 64])
{
    net_address_format(ws_of(conn)->peer, out);
}

static void ops_keepalive(struct conn *conn, uint32_t ms)
{
    struct conn_ws *ws = ws_of(conn);

    if (ws->dead != 0) return;
    ws->keepalive_ms = ms;
    ws->heard_ms = (uint32_t)loop_now_ms(conn->loop);
    if (ms == 0)
        keepalive_stop(&ws->net->keepalive, &ws->link);
    else
        keepalive_wait(&ws->net->keepalive, &ws->link, ms);
}

static const struct conn_ops ws_ops = {
    .name = "websocket",
    .send = ops_send,
    .queued = ops_queued,
    .pause = ops_pause,
    .close = ops_close,
    .peer = ops_peer,
    .keepalive = ops_keepalive,
};

kith_err conn_ws_new(struct net_shared *net, struct transport *io, const struct conn_ws_params *params,
                     struct kith_slice greeting, struct conn_user *user, struct conn **out)
{
    bool has_tls = io->tls != NULL;
    struct conn_ws *ws = calloc(1, sizeof *ws);
    kith_err err = KITH_E_NOMEM;

    *out = NULL;
    assert(params->message_bytes_max > 0 && params->message_bytes_max <= WS_MESSAGE_BYTES_TOP);
    if (ws == NULL) goto failed;
    ws->base = (struct conn){.ops = &ws_ops, .user = user, .loop = net->loop};
    ws->io.watch = (struct loop_watch){.fd = -1, .ready = ready};
    ws->task.run = run;
    ws->net = net;
    ws->peer = params->peer;
    ws->message_bytes_max = params->message_bytes_max;
    ws->is_client = params->role == WS_CLIENT;
    ws->inflate_bits = params->inflate.on ? params->inflate.window_bits & 15u : 0;
    ws->inflate_takeover = params->inflate.on && params->inflate.context_takeover;
    ws->deflate_bits = params->deflate_bits & 15u;
    ws->had_tls = has_tls;
    if (greeting.len > 0) {
        struct ws_busy *busy = busy_new(ws);
        if (busy == NULL || kith_buf_append(&busy->out, greeting) != KITH_OK) goto failed;
        conn_ws_recharge(ws);
    }
    err = transport_move(io, &ws->io, net->loop, LOOP_READ);
    if (err != KITH_OK) goto failed;
    ws->heard_ms = (uint32_t)loop_now_ms(net->loop);
    keepalive_add(&net->keepalive, &ws->link);
    net_opened(net, sizeof *ws + (has_tls ? NET_TLS_BYTES : 0));
    net_count(&net->stats.websockets, 1);
    conn_ws_schedule(ws);
    *out = &ws->base;
    return KITH_OK;
failed:
    if (ws != NULL) busy_free(ws);
    free(ws);
    transport_close(io, net->loop, false);
    return err;
}

void conn_ws_feed(struct conn *conn, struct kith_slice bytes)
{
    struct conn_ws *ws = ws_of(conn);
    struct ws_busy *busy;

    if (bytes.len == 0 || ws->dead != 0) return;
    busy = conn_ws_busy(ws);
    if (busy == NULL) return;
    if (kith_buf_append(&busy->in, bytes) != KITH_OK) conn_ws_die(ws, CONN_CLOSED_ERROR);
    conn_ws_recharge(ws);
    ws->resume = 1;
    conn_ws_schedule(ws);
}

void conn_ws_want_borders(struct conn *conn)
{
    struct conn_ws *ws = ws_of(conn);

    ws->with_borders = 1;
    if (ws->busy != NULL) ws->busy->out.bytes_max = queue_bytes_max(ws);
}
