#ifndef KITH_NET_CONN_WS_STATE_H
#define KITH_NET_CONN_WS_STATE_H

#include "net/conn_ws.h"

/*
 * Inside of conn_ws*.c. Entered from the loop only: conn_ws_ready (socket), task (what others asked for in this wake-up),
 * timer, keep-alive. Each ends in conn_ws_settle(), the only place that frees. A call on the conn, which may come from
 * anywhere, even from inside our own callbacks, only changes state and queues the task.
 */

/* What a connection has only while something is going on. */
struct ws_busy {
    struct conn_ws *ws;
    struct ws_reader reader; /* with has_reader */
    struct kith_buf in;      /* received, not yet taken: part of a frame, or all of it while paused */
    struct kith_buf out;     /* to send */
    struct loop_timer timer; /* waits for a slow reader, or, when a close frame was sent, for the end */
    uint64_t sent;           /* bytes that left `out` since it was last empty             */
    uint64_t sent_wanted;    /* what `sent` must reach before the timer fires             */
    size_t charged;          /* on the account */
    bool has_reader;
};

struct conn_ws {
    struct conn base;
    struct transport io;
    struct loop_task task;
    struct net_shared *net;
    struct ws_busy *busy; /* NULL while idle */
    struct net_link link; /* in net->keepalive */
    struct net_address peer;
    uint32_t heard_ms; /* low bits of the loop's clock when bytes last came */
    uint32_t keepalive_ms;
    uint32_t message_bytes_max;

    unsigned inflate_bits : 4; /* 0: never compressed */
    unsigned deflate_bits : 4;
    unsigned inflate_takeover : 1;
    unsigned is_client : 1;
    unsigned had_tls : 1;
    unsigned with_borders : 1;
    unsigned queued : 1; /* the task is in the loop's list                                       */
    unsigned paused : 1;
    unsigned resume : 1;       /* the task shall take what lies in `in`                                */
    unsigned was_high : 1;     /* `drained` is due when the queue is low                               */
    unsigned blocked : 1;      /* the kernel takes no more: wait for LOOP_WRITE                        */
    unsigned read_blocked : 1; /* TLS must write before it can read                                  */
    unsigned pinged : 1;       /* and nothing was heard since                                         */
    unsigned close_sent : 1;   /* our close frame is queued or out: nothing may follow it              */
    unsigned close_seen : 1;   /* the peer's was read: nothing after it counts                         */
    unsigned broken : 1;       /* the peer's bytes cannot be understood any more: they are not read    */
    unsigned dead : 1;         /* the socket is closed or given away; only `closed` is still to be said */
    unsigned why : 3;          /* enum conn_closed, when the end has begun                             */
};

_Static_assert(sizeof(struct conn_ws) == CONN_WS_BYTES, "an idle connection has its price in conn_ws.h");

static inline struct conn_ws *conn_ws_of_link(struct net_link *link)
{
    return (struct conn_ws *)((char *)link - offsetof(struct conn_ws, link));
}

static inline size_t conn_ws_queued(const struct conn_ws *ws)
{
    return ws->busy == NULL ? 0 : kith_buf_len(&ws->busy->out);
}

/* conn_ws.c */
void conn_ws_schedule(struct conn_ws *ws);
/* NULL: no memory, and the connection is dead. */
struct ws_busy *conn_ws_busy(struct conn_ws *ws);
/* After `in` or `out` grew or shrank. */
void conn_ws_recharge(struct conn_ws *ws);
/* The end, now, without another word. The first reason counts. */
void conn_ws_die(struct conn_ws *ws, enum conn_closed why);
void conn_ws_settle(struct conn_ws *ws);

/* conn_ws_read.c */
/* From the socket; then, at the end of the stream, dies. */
void conn_ws_read(struct conn_ws *ws);
/* What lies in `in`. */
void conn_ws_take_leftover(struct conn_ws *ws);

/* conn_ws_write.c */
void conn_ws_send(struct conn_ws *ws, struct kith_slice message, bool is_text);
void conn_ws_send_control(struct conn_ws *ws, enum ws_opcode opcode, struct kith_slice payload);
/* Queues a close frame unless there is one; code 0: without a code. */
void conn_ws_send_close(struct conn_ws *ws, unsigned code, struct kith_slice reason);
/* To the kernel, as much as it takes. */
void conn_ws_flush(struct conn_ws *ws);
/* The busy timer: a slow reader. */
void conn_ws_check_slow(struct conn_ws *ws);

#endif
