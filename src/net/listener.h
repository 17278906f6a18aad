#ifndef KITH_NET_LISTENER_H
#define KITH_NET_LISTENER_H

#include <sys/socket.h>

#include "loop/loop.h"

/**
 * A listening TCP socket of one loop. With SO_REUSEPORT each loop has its own on the same port, and the kernel spreads
 * the connections.
 *
 * Out of file descriptors: a connection stays in the kernel's queue, the socket stays ready, and the loop would spin.
 * So we hold a spare descriptor: close it, accept with it, tell the peer, close, take the spare back. Where that fails
 * too (another thread was faster), accepting rests for LISTENER_REST_MS. (libuv's uv__emfile_trick)
 */
#define LISTENER_ACCEPTS_MAX 64 /* in one wake-up: the connections that are there have their turn too */
#define LISTENER_REST_MS     100
#define LISTENER_UNSENT_BYTES \
    (128 * 1024) /* what the kernel holds for a slow reader; more waits in our bounded queue */

struct listener {
    struct loop_watch watch;
    struct loop_timer timer;
    struct loop *loop;
    int spare_fd;
    uint16_t port;
    /* A new connection: non-blocking, close-on-exec. `out_of_fds`: say no and close it before returning. */
    void (*accepted)(struct listener *listener, int fd, const struct sockaddr_storage *peer, bool out_of_fds);
};

/**
 * Set `accepted` first. address: as net_endpoint_parse(). KITH_E_MALFORMED, KITH_E_CONFLICT (in use), KITH_E_DENIED,
 * KITH_E_FULL, KITH_E_IO (the address is none of this machine's, or the like).
 */
KITH_MUST_USE kith_err listener_open(struct listener *listener, struct loop *loop, const char *address);
/** Twice is fine. Connections that nobody accepted yet are accepted first. */
void listener_close(struct listener *listener);

#endif
