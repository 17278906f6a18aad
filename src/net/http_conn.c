#include <stdlib.h>
#include <unistd.h>

#include "net/conn_ws.h"
#include "net/http_server_state.h"
#include "net/net_linger.h"

#define READER_BYTES     3072 /* http1_reader.h: what it holds besides the message          */
#define BODY_BYTES_SMALL 4096 /* is taken even when connection_bytes_max has been reached  */

static void ready(struct loop_watch *watch, unsigned events);
static void run(struct loop_task *task);
static void fire(struct loop_timer *timer);

void http_conn_accept(struct http_server *server, int fd, const struct sockaddr_storage *peer)
{
    struct http_conn *conn = calloc(1, sizeof *conn);
    struct net_shared *net = server->net;

    if (conn == NULL) goto failed;
    conn->server = server;
    conn->io.watch = (struct loop_watch){.fd = fd, .ready = ready};
    conn->task.run = run;
    conn->timer.fire = fire;
    conn->socket_peer = net_address_of(peer);
    http1_reader_init_server(&conn->reader, server->config.body_bytes_max);
    kith_buf_init(&conn->in, NET_READ_BYTES);
    kith_buf_init(&conn->out, HTTP_RESPONSE_BYTES_MAX + CONN_QUEUE_HIGH + HTTP1_HEAD_BYTES_MAX);
    if (server->config.tls != NULL && tls_accept(server->config.tls, fd, &conn->io.tls) != KITH_OK) goto failed;
    conn->had_tls = conn->io.tls != NULL;
    if (loop_watch_start(net->loop, &conn->io.watch, LOOP_READ) != KITH_OK) goto failed;
    net_link_append(&server->conns, &conn->link);
    net_opened(net, sizeof *conn + (conn->had_tls != 0 ? NET_TLS_BYTES : 0));
    net_count(&server->stats.accepted, 1);
    http_conn_settle(conn);
    return;
failed:
    if (conn != NULL) tls_free(conn->io.tls);
    free(conn);
    (void)close(fd);
    net_count(&server->stats.refused, 1);
}

void http_conn_schedule(struct http_conn *conn)
{
    if (conn->queued != 0) return;
    conn->queued = 1;
    loop_late(conn->server->net->loop, &conn->task);
}

void http_conn_recharge(struct http_conn *conn)
{
    size_t now = conn->in.cap + conn->out.cap;

    if (!http1_reader_is_idle(&conn->reader)) now += READER_BYTES + conn->reading_bytes;
    if (now != conn->charged) net_charge(conn->server->net, conn->charged, now);
    conn->charged = now;
}

void http_conn_die(struct http_conn *conn)
{
    struct http_exchange *exchange = &conn->exchange;

    if (conn->dead != 0) return;
    conn->dead = 1;
    transport_close(&conn->io, conn->server->net->loop, false);
    http_conn_schedule(conn);
    if (!exchange->is_open || exchange->aborted == NULL) return; /* without a callback it waits for its answer */
    exchange->is_open = false;
    exchange->aborted(exchange->arg);
}

static void conclude(struct http_conn *conn)
{
    struct net_shared *net = conn->server->net;

    loop_timer_stop(net->loop, &conn->timer);
    conn->timer_kind = HTTP_TIMER_NONE;
    if (conn->exchange.is_open) return;
    http1_reader_deinit(&conn->reader);
    kith_buf_deinit(&conn->in);
    kith_buf_deinit(&conn->out);
    net_charge(net, conn->charged, 0);
    net_link_remove(&conn->link);
    net_gone(net, sizeof *conn + (conn->had_tls != 0 ? NET_TLS_BYTES : 0));
    free(conn);
}

/* May the next request be taken? */
static bool may_take(const struct http_conn *conn)
{
    return conn->dead == 0 && conn->closing == 0 && conn->upgraded == NULL && !conn->exchange.is_open &&
           kith_buf_len(&conn->out) < CONN_QUEUE_HIGH;
}

/* While an exchange is open we go on listening, for the peer's end; what comes instead is kept, once. */
static bool may_read(const struct http_conn *conn)
{
    return conn->dead == 0 && conn->closing == 0 && conn->eof == 0 && kith_buf_len(&conn->in) == 0 &&
           (conn->exchange.is_open || may_take(conn));
}

static void serve(struct http_conn *conn)
{
    struct http_server *server = conn->server;

    net_count(&server->stats.requests, 1);
    conn->served_any = 1;
    conn->exchange = (struct http_exchange){.is_open = true};
    conn->timer_kind = HTTP_TIMER_STALE; /* the next request has its own time */
    conn->serving = 1;
    server->config.handle(server->config.arg, &conn->exchange);
    conn->serving = 0;
}

static void head_came(struct http_conn *conn, bool body_came_too)
{
    const struct http1_request *request = http1_reader_request(&conn->reader);
    struct kith_slice coding;

    if (net_is_full(conn->server->net) && (request->content_length > BODY_BYTES_SMALL ||
                                           http1_header_get(request->headers, "transfer-encoding", &coding))) {
        http_refuse(conn, 503, "The server is short of memory; try again.");
        return;
    }
    if (!request->expects_continue || body_came_too) return;
    /* A body that is announced too big is refused by the next http1_reader_next(), not asked for. */
    if (request->content_length > conn->server->config.body_bytes_max) return;
    if (http1_continue(&conn->out) != KITH_OK) http_conn_die(conn);
    http_conn_schedule(conn);
}

/* Requests, until the bytes are at an end or an answer must come first. Returns how many bytes are done with. */
static size_t take(struct http_conn *conn, struct kith_slice bytes)
{
    size_t at = 0;

    while (may_take(conn)) {
        enum http1_event event = HTTP1_EVENT_HEAD;
        size_t used = 0;
        kith_err err = http1_reader_next(&conn->reader, kith_slice_of(bytes.ptr + at, bytes.len - at), &used, &event);

        at += used;
        conn->reading_bytes += used;
        if (err == KITH_E_AGAIN) break;
        if (err == KITH_E_NOMEM)
            http_refuse(conn, 503, "Out of memory.");
        else if (err != KITH_OK)
            http_refuse(conn, conn->reader.status, conn->reader.reason);
        else if (event == HTTP1_EVENT_HEAD)
            head_came(conn, at < bytes.len);
        else if (event == HTTP1_EVENT_DONE)
            serve(conn);
    }
    return at;
}

/* What take() left: for the WebSocket, for later, or for nobody. */
static void keep_rest(struct http_conn *conn, struct kith_slice rest)
{
    if (rest.len == 0) return;
    if (conn->upgraded != NULL)
        conn_ws_feed(conn->upgraded, rest);
    else if (conn->dead == 0 && conn->closing == 0 && kith_buf_append(&conn->in, rest) != KITH_OK)
        http_conn_die(conn);
}

static void take_leftover(struct http_conn *conn)
{
    struct kith_slice in = kith_buf_peek(&conn->in);
    size_t used;

    if (in.len == 0 || !may_take(conn)) return;
    used = take(conn, in);
    if (conn->upgraded != NULL) keep_rest(conn, kith_slice_of(in.ptr + used, in.len - used));
    kith_buf_consume(&conn->in, used);
    if (kith_buf_len(&conn->in) == 0) kith_buf_deinit(&conn->in);
}

static void read_some(struct http_conn *conn)
{
    struct net_shared *net = conn->server->net;
    uint8_t *bytes = net_read_bytes(net);
    size_t got = 0, used;
    kith_err err = transport_read(&conn->io, bytes, NET_READ_BYTES, &got);

    conn->read_blocked = err == KITH_E_AGAIN;
    if (got > 0) {
        net_count(&net->stats.bytes_in, got);
        used = take(conn, kith_slice_of(bytes, got));
        keep_rest(conn, kith_slice_of(bytes + used, got - used));
    }
    if (err == KITH_E_CLOSED) conn->eof = 1;
    if (err == KITH_E_IO) http_conn_die(conn);
    if (conn->dead == 0 && kith_buf_len(&conn->out) > 0) http_conn_schedule(conn);
}

static void flush(struct http_conn *conn)
{
    struct net_shared *net = conn->server->net;

    conn->blocked = 0;
    while (conn->dead == 0 && kith_buf_len(&conn->out) > 0) {
        size_t put = 0;
        kith_err err = transport_write(&conn->io, kith_buf_peek(&conn->out), &put);

        if (err != KITH_OK && err != KITH_E_AGAIN) {
            http_conn_die(conn);
            return;
        }
        if (put == 0) {
            conn->blocked = err == KITH_OK;
            return;
        }
        kith_buf_consume(&conn->out, put);
        conn->sent += put;
        net_count(&net->stats.bytes_out, put);
    }
    kith_buf_deinit(&conn->out);
}

static enum http_timer wanted_timer(const struct http_conn *conn)
{
    if (conn->blocked != 0) return HTTP_TIMER_SLOW;
    if (conn->exchange.is_open) return HTTP_TIMER_NONE;
    if (http1_reader_is_idle(&conn->reader) && conn->served_any != 0) return HTTP_TIMER_IDLE;
    return HTTP_TIMER_REQUEST;
}

static void set_timer(struct http_conn *conn)
{
    const struct http_server_config *config = &conn->server->config;
    struct loop *loop = conn->server->net->loop;
    enum http_timer kind = wanted_timer(conn);

    if (kind == conn->timer_kind) return; /* a request has one deadline, however it dribbles in */
    conn->timer_kind = kind;
    if (kind == HTTP_TIMER_SLOW) conn->sent_wanted = conn->sent + kith_buf_len(&conn->out);
    if (kind == HTTP_TIMER_NONE)
        loop_timer_stop(loop, &conn->timer);
    else
        loop_timer_start(loop, &conn->timer,
                         kind == HTTP_TIMER_SLOW   ? config->slow_reader_timeout_ms
                         : kind == HTTP_TIMER_IDLE ? config->idle_timeout_ms
                                                   : config->request_timeout_ms);
}

static bool is_over(const struct http_conn *conn)
{
    if (conn->exchange.is_open || kith_buf_len(&conn->out) > 0) return false;
    return conn->closing != 0 || (conn->eof != 0 && kith_buf_len(&conn->in) == 0);
}

void http_conn_settle(struct http_conn *conn)
{
    unsigned events = 0;

    if (conn->dead == 0 && conn->upgraded == NULL && is_over(conn)) {
        conn->dead = 1;
        if (conn->eof != 0)
            transport_close(&conn->io, conn->server->net->loop, false);
        else
            net_linger(conn->server->net, &conn->io);
    }
    if (conn->upgraded != NULL) conn->dead = 1; /* the socket lives on elsewhere */
    if (conn->dead != 0) {
        if (conn->queued == 0) conclude(conn);
        return;
    }
    http_conn_recharge(conn);
    if (kith_buf_len(&conn->in) > 0 && may_take(conn)) http_conn_schedule(conn);
    if (may_read(conn) && transport_has_pending(&conn->io)) http_conn_schedule(conn);
    set_timer(conn);
    if (may_read(conn)) events |= LOOP_READ;
    if (conn->blocked != 0 || conn->read_blocked != 0) events |= LOOP_WRITE;
    loop_watch_change(conn->server->net->loop, &conn->io.watch, events);
}

static void ready(struct loop_watch *watch, unsigned events)
{
    struct http_conn *conn = (struct http_conn *)((char *)watch - offsetof(struct http_conn, io.watch));
    bool hung_up = (events & LOOP_HANGUP) != 0;

    if ((events & LOOP_WRITE) != 0) flush(conn);
    if (may_read(conn))
        read_some(conn);
    else if (hung_up)
        http_conn_die(conn);
    if (hung_up && conn->eof != 0) http_conn_die(conn); /* gone altogether, not only its sending half */
    http_conn_settle(conn);
}

static void run(struct loop_task *task)
{
    struct http_conn *conn = (struct http_conn *)((char *)task - offsetof(struct http_conn, task));

    /* Still `queued`: answers given from inside go out with this flush. */
    take_leftover(conn);
    if (may_read(conn) && transport_has_pending(&conn->io)) read_some(conn);
    conn->queued = 0;
    if (conn->upgraded == NULL) flush(conn);
    http_conn_settle(conn);
}

static void fire(struct loop_timer *timer)
{
    struct http_conn *conn = (struct http_conn *)((char *)timer - offsetof(struct http_conn, timer));
    enum http_timer kind = conn->timer_kind;

    conn->timer_kind = HTTP_TIMER_NONE;
    if (kind == HTTP_TIMER_SLOW) {
        if (conn->sent < conn->sent_wanted) http_conn_die(conn);
    } else if (kind == HTTP_TIMER_REQUEST && !http1_reader_is_idle(&conn->reader)) {
        http_refuse(conn, 408, "The request did not come whole in time.");
    } else {
        http_conn_die(conn);
    }
    http_conn_settle(conn);
}

void http_conn_abort(struct http_conn *conn)
{
    http_conn_die(conn);
    http_conn_settle(conn);
}
