#ifndef KITH_NET_HTTP_SERVER_H
#define KITH_NET_HTTP_SERVER_H

#include "net/conn.h"
#include "net/http_header.h"
#include "net/tls_context.h"
#include "wire/http1.h"

/**
 * HTTP/1.1 on one loop: accepts on a listening socket of its own (SO_REUSEPORT, one per loop), reads requests, hands
 * each to the handler, writes its answer, in order, keep-alive and pipelining included; turns a request into a
 * WebSocket on demand. TLS when the config has a context.
 *
 * Bounded: connections, and the memory of all of them together (connection_bytes_max): past either, a new one gets 503
 * with Retry-After and is closed. Running out of file descriptors pauses accepting with a spare descriptor in hand to
 * answer and close, never a busy loop (libuv's EMFILE trick). A request must be whole within request_timeout_ms, an
 * idle keep-alive connection is closed after idle_timeout_ms.
 */
#define HTTP_BODY_BYTES_MAX     (1024 * 1024)      /* of a request, unless the config says otherwise: 413 past it */
#define HTTP_RESPONSE_BYTES_MAX (64 * 1024 * 1024) /* of an answer: past it we failed, 500                        */
#define HTTP_RETRY_AFTER_S      5                  /* what a refused connection is told                           */

struct http_server;
struct http_exchange; /* one request and its answer */

struct http_server_config {
    struct loop *loop;
    const char *listen;      /* "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:443" ; port 0: any free one */
    struct tls_context *tls; /* NULL: plain. Shared by the loops */
    uint32_t connections_max;
    uint64_t connection_bytes_max; /* 0: not bounded */
    uint64_t body_bytes_max;       /* of a request; 0: HTTP_BODY_BYTES_MAX */
    uint32_t request_timeout_ms, idle_timeout_ms, slow_reader_timeout_ms;
    const char *const *trusted_proxies; /* CIDR texts, NULL-terminated; only they may say Forwarded/X-Forwarded-For */
    /* On the loop, for each whole request. Answer with http_respond() or http_upgrade(), now or later. */
    void (*handle)(void *arg, struct http_exchange *exchange);
    void *arg;
};

struct http_server_stats {
    uint64_t accepted, refused, requests, open, websockets, bytes_in, bytes_out, responses_by_class[6];
    uint64_t bytes_used;  /* memory of all connections, as far as we can tell; against connection_bytes_max */
    uint64_t closed_slow; /* WebSockets closed with CONN_CLOSED_SLOW                                        */
};

/**
 * On the loop's thread, or before it runs; `listen` and `trusted_proxies` are lent for the call, `tls` for the server's
 * life. KITH_E_MALFORMED: `listen` or a proxy; KITH_E_CONFLICT: the port is taken by somebody who does not share it;
 * KITH_E_DENIED, KITH_E_FULL, KITH_E_IO, KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err http_server_open(const struct http_server_config *config, struct http_server **out);
/** The port that was bound, for `listen` with port 0. */
uint16_t http_server_port(const struct http_server *server);
/** Stops accepting; open connections go on, and are told with their next answer that it is the last. */
void http_server_pause(struct http_server *server);
/**
 * Closes everything at once: WebSockets with CONN_CLOSED_OURS, unanswered exchanges by their abort callback. `closed` runs
 * on the loop when nothing is left (an exchange without an abort callback must be answered first). May be called from a
 * handler.
 */
void http_server_close(struct http_server *server, void (*closed)(void *arg), void *arg);
/** Any thread. */
void http_server_stats(const struct http_server *server, struct http_server_stats *out);

/** Lent until the answer. */
const struct http1_request *http_exchange_request(const struct http_exchange *exchange);
/** The peer's address, after trusted proxies; whether it came by TLS (or a trusted proxy says so). */
void http_exchange_peer(const struct http_exchange *exchange, char out[static 64]);
bool http_exchange_is_secure(const struct http_exchange *exchange);
/**
 * NULL, or runs when the peer goes away before the answer: then the exchange is gone, do not answer it. Without one the
 * exchange stays until it is answered, to nobody. A peer that only closed its sending half still gets its answer.
 */
void http_exchange_on_abort(struct http_exchange *exchange, void (*aborted)(void *arg), void *arg);

/**
 * Answers and ends the exchange; copies. content_type may be NULL; `headers` ends with a NULL name, or is NULL. HEAD
 * sends no body. Date, Server, Content-Length and Connection are written here. What cannot be sent (too big, a control
 * character in a value) becomes a 500.
 */
void http_respond(struct http_exchange *exchange, unsigned status, const char *content_type,
                  const struct http_header *headers, struct kith_slice body);

/** What the WebSocket will be. */
struct ws_options {
    size_t message_bytes_max; /* after inflation: beyond it close 1009 */
    bool permessage_deflate;
    const char *const
        *subprotocols; /* ours, in order of preference, NULL-terminated; may be NULL. None in common: none */
    const char *const *origins_allowed; /* besides the same origin; NULL-terminated, may be NULL */
};

/**
 * Checks the handshake (RFC 6455, 4.2) and the Origin, answers 101, and turns the connection into *out, whose user is
 * `user`; bytes may arrive from the next wake-up on. Or answers 400, 403, 426 itself and returns KITH_E_MALFORMED or
 * KITH_E_DENIED; or 503 and KITH_E_NOMEM, KITH_E_FULL, or KITH_E_CLOSED (the server closes, or the peer has gone).
 * Ends the exchange either way. `options` is lent for the call.
 */
KITH_MUST_USE kith_err http_upgrade(struct http_exchange *exchange, const struct ws_options *options,
                                    struct conn_user *user, struct conn **out);

#endif
