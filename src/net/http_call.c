#include "net/http_call.h"

#include <stdlib.h>

#include "net/dial.h"
#include "wire/http1_reader.h"

struct http_call {
    struct transport io;
    struct http_call_parts parts;
    struct dial *dial; /* NULL: connected */
    struct loop_timer timer;
    struct loop_task task; /* goes on with what TLS holds */
    struct kith_buf request;
    struct http1_reader reader;
    struct net_address peer;
    struct http_place place;
    bool is_sent;   /* the request, or it cannot be */
    bool is_queued; /* the task */
    bool is_over;   /* freed by the task */
};

static struct loop *loop_of(const struct http_call *call)
{
    return call->parts.net->loop;
}

static void call_free(struct http_call *call)
{
    struct net_shared *net = call->parts.net;

    dial_cancel(call->dial);
    call->dial = NULL;
    loop_timer_stop(net->loop, &call->timer);
    transport_close(&call->io, net->loop, false);
    call->is_over = true;
    if (call->is_queued) return; /* the task frees */
    http1_reader_deinit(&call->reader);
    kith_buf_deinit(&call->request);
    free(call);
    net_gone(net, sizeof *call);
}

static void finish(struct http_call *call, kith_err err, const char *reason)
{
    struct http_call_result result = {.err = err, .reason = reason};

    if (err == KITH_OK) result.response = http1_reader_response(&call->reader);
    call->parts.done(call->parts.arg, &result);
    call_free(call);
}

static void send_some(struct http_call *call)
{
    while (!call->is_sent) {
        size_t put = 0;
        kith_err err = transport_write(&call->io, kith_buf_peek(&call->request), &put);

        /* Gone while we speak: it may have answered before it went, so what it said is still read. */
        if (err == KITH_E_CLOSED || err == KITH_E_IO) call->is_sent = true;
        if (put == 0) return;
        net_count(&call->parts.net->stats.bytes_out, put);
        kith_buf_consume(&call->request, put);
        call->is_sent = call->is_sent || kith_buf_len(&call->request) == 0;
    }
}

static void upgrade(struct http_call *call, struct kith_slice rest)
{
    if (call->parts.upgraded == NULL) {
        finish(call, KITH_E_MALFORMED, "the server switched protocols unasked");
        return;
    }
    call->parts.upgraded(call->parts.arg, http1_reader_response(&call->reader), &call->io, rest, call->peer);
    call_free(call);
}

/* The next call may already be begun by what is told of this one. */
static void leave(struct http_call *call)
{
    const bool is_whole = call->is_sent && kith_buf_len(&call->request) == 0;

    if (is_whole && http1_reader_response(&call->reader)->keep_alive && !transport_has_pending(&call->io))
        http_kept_leave(call->parts.kept, &call->place, &call->io);
}

/* True: the call is over. */
static bool take(struct http_call *call, struct kith_slice in)
{
    for (;;) {
        enum http1_event event = HTTP1_EVENT_HEAD;
        size_t used = 0;
        kith_err err = http1_reader_next(&call->reader, in, &used, &event);

        in = kith_slice_of(in.ptr + used, in.len - used);
        if (err == KITH_E_AGAIN) return false;
        if (err != KITH_OK) {
            finish(call, err, call->reader.reason == NULL ? "out of memory" : call->reader.reason);
            return true;
        }
        if (event != HTTP1_EVENT_DONE) continue;
        if (http1_reader_response(&call->reader)->upgrade) {
            upgrade(call, in);
            return true;
        }
        if (call->parts.kept != NULL && in.len == 0) leave(call);
        finish(call, KITH_OK, NULL);
        return true;
    }
}

static void ended(struct http_call *call)
{
    enum http1_event event = HTTP1_EVENT_HEAD;
    kith_err err = http1_reader_eof(&call->reader, &event);

    /* A body that ends with the connection may have been cut short by anybody, where TLS does not vouch for its end. */
    if (err == KITH_OK && transport_ended_well(&call->io))
        finish(call, KITH_OK, NULL);
    else
        finish(call, KITH_E_IO, "the server closed the connection before its answer was whole");
}

static void read_some(struct http_call *call)
{
    struct net_shared *net = call->parts.net;
    uint8_t *bytes = net_read_bytes(net);
    size_t got = 0;
    kith_err err = transport_read(&call->io, bytes, NET_READ_BYTES, &got);

    net_count(&net->stats.bytes_in, got);
    if (got > 0 && take(call, kith_slice_of(bytes, got))) return;
    if (err == KITH_E_CLOSED || err == KITH_E_IO) {
        ended(call);
        return;
    }
    if (transport_has_pending(&call->io) && !call->is_queued) {
        call->is_queued = true;
        loop_late(net->loop, &call->task);
    }
    loop_watch_change(net->loop, &call->io.watch,
                      LOOP_READ | (call->is_sent && err != KITH_E_AGAIN ? 0u : (unsigned)LOOP_WRITE));
}

static void ready(struct loop_watch *watch, unsigned events)
{
    struct http_call *call = (struct http_call *)watch;

    (void)events;
    send_some(call);
    read_some(call);
}

static void run(struct loop_task *task)
{
    struct http_call *call = (struct http_call *)((char *)task - offsetof(struct http_call, task));

    call->is_queued = false;
    if (call->is_over)
        call_free(call);
    else
        read_some(call);
}

static void fire(struct loop_timer *timer)
{
    finish((struct http_call *)((char *)timer - offsetof(struct http_call, timer)), KITH_E_TIMEOUT,
           "no answer in time");
}

static void dialled(void *arg, const struct dial_result *result)
{
    struct http_call *call = arg;

    call->dial = NULL;
    if (result->err != KITH_OK) {
        finish(call, result->err, result->reason);
        return;
    }
    call->peer = result->peer;
    if (transport_move(result->io, &call->io, loop_of(call), LOOP_READ | LOOP_WRITE) != KITH_OK)
        finish(call, KITH_E_FULL, "too many connections");
}

kith_err http_call_begin(const struct http_call_parts *parts, struct http_call **out)
{
    struct dial_config dial = {.loop = parts->net->loop,
                               .host = parts->url->host,
                               .port = parts->url->port,
                               .tls = parts->url->is_secure ? parts->tls : NULL,
                               .source = parts->source,
                               .timeout_ms = parts->timeout_ms,
                               .done = dialled};
    struct http_call *call = calloc(1, sizeof *call);
    kith_err err = KITH_OK;

    *out = NULL;
    assert(!parts->url->is_secure || parts->tls != NULL);
    if (call == NULL) {
        kith_buf_deinit(parts->request);
        return KITH_E_NOMEM;
    }
    dial.arg = call;
    call->place = http_place_of(parts->url);
    call->io.watch = (struct loop_watch){.fd = -1, .ready = ready};
    if (parts->kept == NULL || !http_kept_take(parts->kept, &call->place, &call->io, LOOP_READ | LOOP_WRITE))
        err = dial_start(&dial, &call->dial);
    if (err != KITH_OK) {
        kith_buf_deinit(parts->request);
        free(call);
        return err;
    }
    call->parts = *parts;
    call->request = *parts->request;
    kith_buf_init(parts->request, 0); /* moved */
    call->task.run = run;
    call->timer.fire = fire;
    http1_reader_init_client(&call->reader, parts->body_bytes_max);
    if (parts->is_head) http1_reader_expect_no_body(&call->reader);
    loop_timer_start(parts->net->loop, &call->timer, parts->timeout_ms);
    net_opened(parts->net, sizeof *call);
    *out = call;
    return KITH_OK;
}

void http_call_cancel(struct http_call *call)
{
    if (call != NULL) call_free(call);
}
