#ifndef KITH_NET_CONN_WS_H
#define KITH_NET_CONN_WS_H

#include "net/conn.h"
#include "net/net_address.h"
#include "net/net_shared.h"
#include "net/transport.h"

/**
 * A WebSocket over TCP or TLS, on either side: `struct conn` on one hand, wire/ws_reader.h and ws_writer.h on the other.
 *
 * Idle it is CONN_WS_BYTES of memory and no buffer; while bytes wait in it, or a frame or message is half read, it has a
 * `struct ws_busy` besides.
 *
 * Closing, whoever begins: what is queued goes out, then a close frame; the peer's close frame is waited for (at most
 * NET_CLOSE_MS), then the socket lingers (net_linger.h). After a protocol error the peer's is not waited for.
 */
#define CONN_WS_BYTES              128
#define CONN_WS_COMPRESS_BYTES_MIN 128 /* shorter texts would hardly shrink */

/** What the opening handshake agreed on. */
struct conn_ws_params {
    enum ws_role role;
    uint32_t message_bytes_max; /* 1..WS_MESSAGE_BYTES_TOP */
    struct ws_inflate_params inflate;
    unsigned deflate_bits; /* 0: what we send is never compressed */
    struct net_address peer;
};

/**
 * Takes `io` over (empty afterwards, also on error). `greeting`: bytes to send before any frame, the 101 response.
 * Nothing is read and `user` is not called before the next wake-up, but for conn_ws_feed(). KITH_E_NOMEM, KITH_E_FULL.
 */
KITH_MUST_USE kith_err conn_ws_new(struct net_shared *net, struct transport *io, const struct conn_ws_params *params,
                                   struct kith_slice greeting, struct conn_user *user, struct conn **out);

/** Bytes that came behind the handshake; copied. Once, in the wake-up of conn_ws_new(). */
void conn_ws_feed(struct conn *conn, struct kith_slice bytes);

/**
 * A user that needs the borders of messages: instead of conn_user.bytes, `data` gets each piece of a message. The conn's
 * user must be the first member of one of these from now on. Its queue may hold one message of message_bytes_max besides
 * CONN_QUEUE_BYTES_MAX.
 */
struct conn_ws_user {
    struct conn_user base;
    void (*data)(struct conn_ws_user *user, struct kith_slice bytes, bool is_text, bool is_final);
};
void conn_ws_want_borders(struct conn *conn);

/** net_shared.h's: the link is that of a conn_ws. */
void conn_ws_keepalive_due(struct net_link *link);
/** Closes at once: one try to say 1001. `closed` (CONN_CLOSED_OURS) follows in this or the next wake-up. */
void conn_ws_abort(struct net_link *link);

#endif
