#ifndef KITH_NET_NET_LINGER_H
#define KITH_NET_NET_LINGER_H

#include "net/net_shared.h"
#include "net/transport.h"

/**
 * Closing without losing the last words. close() on a socket with unread input sends RST, and RST makes the peer's
 * kernel drop what it has not read yet: the ERROR frame or the 413 that we just sent. So we say that nothing follows,
 * read and drop until the peer closes too, for a bounded time and number of bytes, then close.
 * Source: RFC 9112, 9.6; RFC 6455, 7.1.1.
 *
 * Takes `io` over (empty afterwards). Without memory, or while the net closes, it closes at once.
 */
void net_linger(struct net_shared *net, struct transport *io);
/** The same for a plain socket that no loop watches. */
void net_linger_fd(struct net_shared *net, int fd);
/** Ends them all: when the net closes. */
void net_linger_stop_all(struct net_shared *net);

#endif
