#ifndef KITH_NET_PROXY_ADDRESS_H
#define KITH_NET_PROXY_ADDRESS_H

#include "net/net_address.h"
#include "wire/http1.h"

/**
 * Who is really on the other end, when proxies of ours stand in between. Anybody can write Forwarded or X-Forwarded-For;
 * only what a trusted proxy appended counts. So the chain is walked from the right, from the socket on, as long as the
 * one who speaks is trusted; the first that is not is the peer. Pure.
 *
 * A proxy usually sets one of the two and passes the other through as the client wrote it. When both are there and
 * disagree, neither is believed and the peer is the proxy.
 * Source: RFC 7239, 4 (Forwarded), 5.2 (for), 5.4 (proto), 6 (nodes), 8.1; X-Forwarded-For and -Proto by custom.
 */
#define PROXY_HOPS_MAX 16 /* of a longer chain only this end is looked at */

struct proxy_list {
    struct net_cidr *at;
    size_t count;
};

/** `texts`: CIDR each, ended by NULL; NULL: nobody is trusted. KITH_E_MALFORMED, KITH_E_NOMEM. */
KITH_MUST_USE kith_err proxy_list_init(struct proxy_list *list, const char *const *texts);
void proxy_list_deinit(struct proxy_list *list);

struct proxy_peer {
    struct net_address address;
    bool is_secure;
};

/** `socket_peer`, `is_tls`: the connection itself. */
struct proxy_peer proxy_peer_find(const struct proxy_list *trusted, struct net_address socket_peer, bool is_tls,
                                  struct http1_headers headers);

#endif
