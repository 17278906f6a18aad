#ifndef KITH_NET_HTTP_SERVER_STATE_H
#define KITH_NET_HTTP_SERVER_STATE_H

#include "net/http_server.h"
#include "net/listener.h"
#include "net/net_shared.h"
#include "net/proxy_address.h"
#include "net/transport.h"
#include "wire/code.h"
#include "wire/http1_reader.h"
#include "wire/http1_writer.h"

/*
 * Inside of http_server.c, http_conn.c and http_exchange.c.
 */

#define HTTP_DATE_BYTES 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct http_server {
    struct http_server_config config; /* without what was only lent for the opening */
    struct net_shared *net;
    struct listener listener;
    struct proxy_list proxies;
    struct kith_buf refusal; /* room to write the 503 in */
    struct net_link conns;
    struct http_server_stats stats; /* relaxed atomics; what net counts is not in it */
    char date[HTTP_DATE_BYTES];
    uint64_t date_s; /* what `date` says */
    bool paused, closing;
    void (*closed)(void *arg);
    void *closed_arg;
    struct loop_task task;
};

struct http_exchange {
    bool is_open; /* the handler has it */
    void (*aborted)(void *arg);
    void *arg;
};

/* STALE: runs for what is over; to be set anew. */
enum http_timer { HTTP_TIMER_NONE, HTTP_TIMER_REQUEST, HTTP_TIMER_IDLE, HTTP_TIMER_SLOW, HTTP_TIMER_STALE };

/*
 * A connection while it speaks HTTP. Like a conn_ws it is entered from the loop only (ready, run, fire), each ends in
 * http_conn_settle(), the only place that frees; the calls of handlers only change state and queue the task.
 */
struct http_conn {
    struct transport io;
    struct http_server *server;
    struct net_link link;
    struct loop_task task;
    struct loop_timer timer;
    struct http1_reader reader;
    struct kith_buf in; /* what came behind a request that is not answered yet */
    struct kith_buf out;
    struct net_address socket_peer;
    struct http_exchange exchange;
    struct conn *upgraded;      /* the WebSocket that took our socket over */
    uint64_t sent, sent_wanted; /* as in ws_busy */
    size_t charged;
    size_t reading_bytes; /* of the request under way: about what the reader holds */
    enum http_timer timer_kind;
    unsigned serving : 1; /* inside the handler */
    unsigned queued : 1;
    unsigned closing : 1; /* after what is in `out` */
    unsigned served_any : 1;
    unsigned eof : 1; /* the peer has closed its half */
    unsigned blocked : 1, read_blocked : 1, dead : 1, had_tls : 1;
};

static inline struct http_conn *http_conn_of(const struct http_exchange *exchange)
{
    return (struct http_conn *)((char *)(uintptr_t)exchange - offsetof(struct http_conn, exchange));
}

/* http_server.c */
const char *http_server_date(struct http_server *server);

/* http_conn.c */
void http_conn_accept(struct http_server *server, int fd, const struct sockaddr_storage *peer);
void http_conn_schedule(struct http_conn *conn);
void http_conn_recharge(struct http_conn *conn);
void http_conn_die(struct http_conn *conn);
void http_conn_settle(struct http_conn *conn);
void http_conn_abort(struct http_conn *conn);

/* http_exchange.c */
/* The answer to a request that could not be read, or not in time; the connection ends with it. */
void http_refuse(struct http_conn *conn, unsigned status, const char *reason);
/* A problem+json body (RFC 9457) and its head, for a connection that ends. */
KITH_MUST_USE kith_err http_problem_write(struct kith_buf *out, const char *date, unsigned status, const char *reason);

#endif
