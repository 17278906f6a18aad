#ifndef KITH_NET_HTTP_KEPT_H
#define KITH_NET_HTTP_KEPT_H

#include "net/net_shared.h"
#include "net/transport.h"
#include "net/url.h"

/**
 * A connection that is there between calls of http_client.h: one call after the other takes it, when it leads where the call
 * goes, and leaves its own behind when the server lets it. A call that finds none opens one. The caller's memory; belongs to
 * one loop.
 */
struct http_place {
    bool is_secure;
    uint16_t port;
    uint8_t host_len;
    char host[URL_HOST_BYTES_MAX];
};

struct http_kept {
    struct transport io; /* first; not open: there is none now */
    struct net_shared *net;
    struct http_place place; /* where it leads */
};

void http_kept_init(struct http_kept *kept, struct net_shared *net);
/** Before `net` is closed, and when no call is under way that was given it. */
void http_kept_deinit(struct http_kept *kept);

/* What a call does with it. */
struct http_place http_place_of(const struct url *url);
/** True: *to is watched, and the connection that leads there, which the server has not closed as far as is known. */
bool http_kept_take(struct http_kept *kept, const struct http_place *place, struct transport *to, unsigned events);
/** *from is empty afterwards. Does nothing when there is one already. */
void http_kept_leave(struct http_kept *kept, const struct http_place *place, struct transport *from);

#endif
