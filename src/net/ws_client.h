#ifndef KITH_NET_WS_CLIENT_H
#define KITH_NET_WS_CLIENT_H

#include "net/conn.h"
#include "net/net_address.h"
#include "net/net_shared.h"
#include "net/tls_context.h"
#include "wire/http1.h"

/**
 * The client's end of a WebSocket: dials, shakes hands, and then is the same `struct conn` as the server's. For the command
 * line, bots and the load generator. Asynchronous, name resolution included.
 */
struct ws_client_result {
    /* KITH_OK; KITH_E_DENIED: the server answered with another status than 101 (see `response`), or its certificate is not
     * good; else as dial.h says, or KITH_E_MALFORMED: no WebSocket server. */
    kith_err err;
    const char *reason;      /* for people, when not KITH_OK; lent for the call */
    struct conn *conn;       /* on KITH_OK: its user is the one given; it reads from the next wake-up on */
    const char *subprotocol; /* one of those offered, or NULL */
    const struct http1_response *response; /* NULL when there was none; lent for the call */
};

struct ws_client_options {
    struct net_shared *net;          /* lent until the conn is closed */
    struct tls_context *tls;         /* a client's, for wss; lent until the conn is closed */
    const char *url;                 /* ws:// or wss:// */
    const char *const *subprotocols; /* NULL-terminated; lent until `opened`; may be NULL */
    const char *authorization;       /* value of Authorization; NULL: none */
    const char *origin;              /* NULL: none */
    bool permessage_deflate;
    uint32_t message_bytes_max;       /* of what comes; 1009 past it */
    uint32_t timeout_ms;              /* until `opened` */
    const struct net_address *source; /* dial.h */
    struct conn_user *user;
    /* On the loop, once, never inside ws_client_open(). */
    void (*opened)(void *arg, const struct ws_client_result *result);
    void *arg;
};

struct ws_client; /* an opening under way */

/** KITH_E_MALFORMED: the URL, or a value that cannot be sent. KITH_E_NOMEM. */
KITH_MUST_USE kith_err ws_client_open(const struct ws_client_options *options, struct ws_client **out);
/** Before `opened` has run; it will not. NULL is fine. */
void ws_client_cancel(struct ws_client *client);

#endif
