#ifndef KITH_NET_CONN_H
#define KITH_NET_CONN_H

#include "loop/loop.h"

/**
 * One connection as a session sees it: a stream of bytes in, whole messages out. conn_ws.c is a WebSocket (over TCP or
 * TLS) on either side; the simulator has its own over a network that loses and delays.
 *
 * In: bytes arrive through conn_user.bytes in any pieces (message borders carry no meaning). Out: each conn_send() is
 * one WebSocket message; what one wake-up sends leaves in one write. Both ends belong to one loop and thread.
 *
 * An idle connection owns no buffer. Output waits in a queue bounded by CONN_QUEUE_BYTES_MAX; a peer that leaves
 * anything in it for slow_reader_timeout is closed with CONN_CLOSED_SLOW.
 */
#define CONN_QUEUE_BYTES_MAX (4 * 1024 * 1024)
#define CONN_QUEUE_HIGH      (256 * 1024) /* above it, a session should stop producing until `drained` */
#define CONN_QUEUE_LOW       (64 * 1024)

enum conn_closed {
    CONN_CLOSED_PEER = 1, /* the peer closed, politely or not          */
    CONN_CLOSED_OURS,     /* conn_close() was called                   */
    CONN_CLOSED_SLOW,     /* did not drain in time, or queue overflow  */
    CONN_CLOSED_PROTOCOL, /* the peer broke the WebSocket rules        */
    CONN_CLOSED_TIMEOUT,  /* no answer to pings                        */
    CONN_CLOSED_ERROR,    /* I/O or TLS error, no memory               */
};

struct conn;

struct conn_user {
    /* Some bytes, lent and writable (a parser may unescape in place) until the call returns. Never after `closed`. */
    void (*bytes)(struct conn_user *user, uint8_t *bytes, size_t len);
    /* The queue fell to CONN_QUEUE_LOW after having been above CONN_QUEUE_HIGH. */
    void (*drained)(struct conn_user *user);
    /* Exactly once, never inside a call on the connection; the conn is gone when it returns. */
    void (*closed)(struct conn_user *user, enum conn_closed why);
};

struct conn {
    const struct conn_ops *ops;
    struct conn_user *user;
    struct loop *loop;
};

struct conn_ops {
    const char *name;
    /* Copies. After conn_close() it does nothing. Overflow closes with CONN_CLOSED_SLOW. */
    void (*send)(struct conn *conn, struct kith_slice message, bool is_text);
    size_t (*queued)(const struct conn *conn);     /* bytes not yet taken by the kernel */
    void (*pause)(struct conn *conn, bool paused); /* stop or go on reading; the kernel then slows the peer */
    /* Flushes what is queued, says WebSocket close `code` (RFC 6455, 7.4.1) with `reason`, then closes. */
    void (*close)(struct conn *conn, uint16_t code, const char *reason);
    /* The peer's address as text for limits, never for logs: after trusted proxies were taken off. */
    void (*peer)(const struct conn *conn, char out[static 64]);
    /* Pings every `ms` and closes when nothing at all came for 2 * ms; 0: off. For peers without heart-beats. */
    void (*keepalive)(struct conn *conn, uint32_t ms);
};

static inline void conn_send(struct conn *conn, struct kith_slice message, bool is_text)
{
    conn->ops->send(conn, message, is_text);
}

static inline size_t conn_queued(const struct conn *conn)
{
    return conn->ops->queued(conn);
}

static inline void conn_pause(struct conn *conn, bool paused)
{
    conn->ops->pause(conn, paused);
}

static inline void conn_close(struct conn *conn, uint16_t code, const char *reason)
{
    conn->ops->close(conn, code, reason);
}

static inline void conn_peer(const struct conn *conn, char out[static 64])
{
    conn->ops->peer(conn, out);
}

static inline void conn_keepalive(struct conn *conn, uint32_t ms)
{
    conn->ops->keepalive(conn, ms);
}

#endif
