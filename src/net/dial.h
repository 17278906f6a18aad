#ifndef KITH_NET_DIAL_H
#define KITH_NET_DIAL_H

#include "net/net_address.h"
#include "net/tls_context.h"
#include "net/transport.h"

/**
 * A connection to a named host, for clients: resolve, connect to its addresses one after the other, shake hands by TLS.
 * Asynchronous throughout.
 */
#define DIAL_ADDRESS_MS 3000 /* for one address, while there are others to try */

struct dial_result {
    /* KITH_OK; KITH_E_NOTFOUND: no such host; KITH_E_IO: nobody there, or TLS failed; KITH_E_DENIED: the certificate is
     * not good; KITH_E_TIMEOUT; KITH_E_NOMEM, KITH_E_FULL */
    kith_err err;
    const char *reason;   /* for people, when not KITH_OK; lent for the call */
    struct transport *io; /* watched with no events: take it by transport_move() within the call */
    struct net_address peer;
};

struct dial_config {
    struct loop *loop;
    struct kith_slice host; /* lent for the call of dial_start() */
    uint16_t port;
    struct tls_context *tls;          /* a client's; NULL: plain; lent */
    const struct net_address *source; /* NULL: any. A load generator has more connections than one address has ports */
    uint32_t timeout_ms;              /* for everything together */
    void (*done)(void *arg, const struct dial_result *result); /* once, never inside dial_start() */
    void *arg;
};

struct dial;

KITH_MUST_USE kith_err dial_start(const struct dial_config *config, struct dial **out);
/** Before `done` has run; it will not. NULL is fine. */
void dial_cancel(struct dial *dial);

#endif
