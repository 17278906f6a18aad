#ifndef KITH_NET_HTTP_CALL_H
#define KITH_NET_HTTP_CALL_H

#include "net/http_client.h"
#include "net/http_kept.h"
#include "net/transport.h"
#include "net/url.h"

/*
 * Under http_client.h and ws_client.h: dials, sends the bytes of one request, reads one response.
 */
struct http_call_parts {
    struct net_shared *net;
    struct tls_context *tls;
    const struct url *url;    /* lent for the call of http_call_begin() */
    struct kith_buf *request; /* taken over; empty afterwards, also on error */
    bool is_head;
    uint64_t body_bytes_max;
    uint32_t timeout_ms;
    const struct net_address *source;
    struct http_kept *kept; /* NULL: none */
    void (*done)(void *arg, const struct http_call_result *result);
    /* NULL, or: a 101 came. `io` is to be taken by transport_move() within the call, `rest` came behind the head. */
    void (*upgraded)(void *arg, const struct http1_response *response, struct transport *io, struct kith_slice rest,
                     struct net_address peer);
    void *arg;
};

KITH_MUST_USE kith_err http_call_begin(const struct http_call_parts *parts, struct http_call **out);

#endif
