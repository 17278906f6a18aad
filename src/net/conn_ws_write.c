#include "net/conn_ws_state.h"

/* A client masks what it sends with four new coins a frame; a server must not (RFC 6455, 5.1 and 5.3). */
static const uint8_t *mask_of(struct conn_ws *ws, uint8_t coins[static 4])
{
    if (ws->is_client == 0) return NULL;
    loop_random(ws->base.loop, coins, 4);
    return coins;
}

/* After each write into the queue. */
static void queue_grew(struct conn_ws *ws, kith_err err)
{
    size_t queued = conn_ws_queued(ws);

    conn_ws_recharge(ws);
    if (err == KITH_E_TOOBIG) {
        conn_ws_die(ws, CONN_CLOSED_SLOW);
    } else if (err != KITH_OK) {
        conn_ws_die(ws, CONN_CLOSED_ERROR);
    } else if (net_is_full(ws->net) && ws->blocked != 0 && queued > CONN_QUEUE_LOW) {
        /* All together have reached their maximum: those who do not read go first. */
        conn_ws_die(ws, CONN_CLOSED_SLOW);
    } else if (queued > CONN_QUEUE_HIGH) {
        ws->was_high = 1;
    }
    conn_ws_schedule(ws);
}

void conn_ws_send(struct conn_ws *ws, struct kith_slice message, bool is_text)
{
    enum ws_opcode opcode = is_text ? WS_TEXT : WS_BINARY;
    struct ws_deflater *deflater = NULL;
    struct ws_busy *busy;
    uint8_t coins[4];
    kith_err err;

    if (ws->dead != 0 || ws->close_sent != 0) return;
    busy = conn_ws_busy(ws);
    if (busy == NULL) return;
    if (ws->deflate_bits != 0 && is_text && message.len >= CONN_WS_COMPRESS_BYTES_MIN) deflater = net_deflater(ws->net);
    if (deflater != NULL)
        err = ws_write_deflated(&busy->out, deflater, ws->deflate_bits, opcode, message, mask_of(ws, coins));
    else
        err = ws_write(&busy->out, opcode, message, mask_of(ws, coins));
    queue_grew(ws, err);
}

void conn_ws_send_control(struct conn_ws *ws, enum ws_opcode opcode, struct kith_slice payload)
{
    struct ws_busy *busy;
    uint8_t coins[4];

    if (ws->dead != 0 || ws->close_sent != 0) return;
    busy = conn_ws_busy(ws);
    if (busy == NULL) return;
    queue_grew(ws, ws_write(&busy->out, opcode, payload, mask_of(ws, coins)));
}

void conn_ws_send_close(struct conn_ws *ws, unsigned code, struct kith_slice reason)
{
    struct ws_busy *busy;
    uint8_t coins[4];

    if (ws->dead != 0 || ws->close_sent != 0) return;
    busy = conn_ws_busy(ws);
    if (busy == NULL) return;
    ws->close_sent = 1;
    queue_grew(ws, ws_write_close(&busy->out, code, reason, mask_of(ws, coins)));
    if (ws->dead == 0) loop_timer_start(ws->base.loop, &busy->timer, ws->net->close_timeout_ms);
}

static void now_blocked(struct conn_ws *ws)
{
    struct ws_busy *busy = ws->busy;

    ws->blocked = 1;
    if (busy->timer.armed) return; /* it waits for this reader already, or for the end */
    busy->sent_wanted = busy->sent + kith_buf_len(&busy->out);
    loop_timer_start(ws->base.loop, &busy->timer, ws->net->slow_reader_timeout_ms);
}

void conn_ws_check_slow(struct conn_ws *ws)
{
    struct ws_busy *busy = ws->busy;

    if (busy->sent < busy->sent_wanted) {
        conn_ws_die(ws, CONN_CLOSED_SLOW);
        return;
    }
    /* All that waited then has gone; what waits now came later and gets its own time. */
    busy->sent_wanted = busy->sent + kith_buf_len(&busy->out);
    loop_timer_start(ws->base.loop, &busy->timer, ws->net->slow_reader_timeout_ms);
}

static void tell_drained(struct conn_ws *ws)
{
    if (ws->was_high == 0 || ws->dead != 0 || conn_ws_queued(ws) > CONN_QUEUE_LOW) return;
    ws->was_high = 0;
    if (ws->close_sent == 0) ws->base.user->drained(ws->base.user);
}

void conn_ws_flush(struct conn_ws *ws)
{
    struct ws_busy *busy = ws->busy;

    while (ws->dead == 0 && conn_ws_queued(ws) > 0) {
        size_t put = 0;
        kith_err err = transport_write(&ws->io, kith_buf_peek(&busy->out), &put);

        if (err != KITH_OK && err != KITH_E_AGAIN) {
            conn_ws_die(ws, err == KITH_E_CLOSED ? CONN_CLOSED_PEER : CONN_CLOSED_ERROR);
            return;
        }
        if (put == 0) {
            now_blocked(ws);
            if (err == KITH_E_AGAIN) ws->blocked = 0; /* TLS reads first; the next read flushes */
            break;
        }
        kith_buf_consume(&busy->out, put);
        busy->sent += put;
        net_count(&ws->net->stats.bytes_out, put);
    }
    if (ws->dead == 0 && busy != NULL && conn_ws_queued(ws) == 0) {
        kith_buf_deinit(&busy->out);
        conn_ws_recharge(ws);
        ws->blocked = 0;
        busy->sent = 0;
        if (ws->close_sent == 0) loop_timer_stop(ws->base.loop, &busy->timer);
    }
    tell_drained(ws);
}
