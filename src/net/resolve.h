#ifndef KITH_NET_RESOLVE_H
#define KITH_NET_RESOLVE_H

#include "loop/loop.h"
#include "net/net_address.h"

/**
 * Names to addresses, for clients. getaddrinfo() may take half a minute, so it has a thread of its own for the one call;
 * what it finds is posted to the loop. An address as text is answered without a thread.
 */
#define RESOLVE_ADDRESSES_MAX 8

struct resolve_result {
    kith_err err;       /* KITH_OK, KITH_E_NOTFOUND, KITH_E_IO, KITH_E_NOMEM */
    const char *reason; /* static, for people, when not KITH_OK              */
    size_t count;
    struct net_address addresses[RESOLVE_ADDRESSES_MAX]; /* in the system's order of preference */
};

struct resolve;

/** `done` runs once on the loop, never inside the call. KITH_E_NOMEM. */
KITH_MUST_USE kith_err resolve_start(struct loop *loop, struct kith_slice host,
                                     void (*done)(void *arg, const struct resolve_result *result), void *arg,
                                     struct resolve **out);
/** Before `done` has run; it will not. The loop may then be closed, the thread ends by itself. */
void resolve_cancel(struct resolve *resolve);

#endif
