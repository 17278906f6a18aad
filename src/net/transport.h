#ifndef KITH_NET_TRANSPORT_H
#define KITH_NET_TRANSPORT_H

#include "loop/loop.h"

/**
 * A connected, non-blocking socket, plain or with TLS: the bytes under HTTP and WebSocket. The owner keeps the watch; set
 * watch.fd and watch.ready, and `tls` or NULL. Belongs to one loop.
 */
struct transport {
    struct loop_watch watch;
    struct ssl_st *tls; /* owned; NULL: plain */
};

/**
 * Some bytes, as they come. *got may be > 0 with any result: take the bytes first.
 *
 * KITH_OK        go on at LOOP_READ, and at once when transport_has_pending()
 * KITH_E_AGAIN   TLS must write first: go on at LOOP_WRITE
 * KITH_E_CLOSED  the peer closed or vanished: nothing will follow
 * KITH_E_IO      I/O or TLS error (tls_failure() may know why)
 */
KITH_MUST_USE kith_err transport_read(struct transport *io, uint8_t *out, size_t len, size_t *got);

/**
 * *put says how many bytes were taken, perhaps none. With TLS the next call must begin with those that were not taken,
 * and hold at least as many.
 *
 * KITH_OK        *put > 0: call again for the rest. *put 0: go on at LOOP_WRITE
 * KITH_E_AGAIN   TLS must read first: go on after the next transport_read()
 * KITH_E_CLOSED, KITH_E_IO as above
 */
KITH_MUST_USE kith_err transport_write(struct transport *io, struct kith_slice bytes, size_t *put);

/**
 * TLS shakes hands: a server's and a client's reads and writes do it by themselves; a client asks first, to know why not.
 * KITH_OK: done. KITH_E_AGAIN: again at *events. KITH_E_CLOSED, KITH_E_IO: failed.
 */
KITH_MUST_USE kith_err transport_handshake(struct transport *io, unsigned *events);

/** Bytes wait inside the TLS state, where the kernel does not see them: read again without an event. */
bool transport_has_pending(const struct transport *io);
/** True when a TLS peer said that its stream is whole: the end of a body without length (RFC 9112, 9.8). */
bool transport_ended_well(const struct transport *io);

/** Tells the peer that nothing follows. Reading goes on. */
void transport_shutdown(struct transport *io);
/** Takes the watch off the loop when it is on, frees all; `reset`: with RST, dropping what the kernel still holds. */
void transport_close(struct transport *io, struct loop *loop, bool reset);
/** Gives the socket away, without TLS and unwatched; *io is empty afterwards. */
int transport_take_fd(struct transport *io, struct loop *loop);

/** The same connection under another owner: *to is watched (by its `ready`) and *from is empty afterwards. */
KITH_MUST_USE kith_err transport_move(struct transport *from, struct transport *to, struct loop *loop, unsigned events);

static inline bool transport_is_open(const struct transport *io)
{
    return io->watch.fd >= 0;
}

#endif
