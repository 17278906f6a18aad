#include "net/transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_context.h"

static bool errno_is_again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

static kith_err err_of_errno(void)
{
    return errno == ECONNRESET || errno == EPIPE || errno == ECONNABORTED ? KITH_E_CLOSED : KITH_E_IO;
}

/* Of an SSL call that did not succeed; KITH_OK: it waits for `direction`, KITH_E_AGAIN: for the other one. */
static kith_err err_of_tls(const SSL *tls, int result, int direction)
{
    int what = SSL_get_error(tls, result);
    kith_err err = KITH_E_IO;

    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) return what == direction ? KITH_OK : KITH_E_AGAIN;
    if (what == SSL_ERROR_ZERO_RETURN) return KITH_E_CLOSED;
    if (what == SSL_ERROR_SYSCALL) err = errno == 0 ? KITH_E_CLOSED : err_of_errno();
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) err = KITH_E_CLOSED;
    ERR_clear_error();
    return err;
}

static kith_err read_tls(struct transport *io, uint8_t *out, size_t len, size_t *got)
{
    while (*got < len) {
        size_t n = 0;
        int result;

        ERR_clear_error();
        errno = 0;
        result = SSL_read_ex(io->tls, out + *got, len - *got, &n);
        if (result != 1) return err_of_tls(io->tls, result, SSL_ERROR_WANT_READ);
        *got += n;
        if (SSL_has_pending(io->tls) == 0) break; /* the kernel tells us about the rest */
    }
    return KITH_OK;
}

kith_err transport_read(struct transport *io, uint8_t *out, size_t len, size_t *got)
{
    ssize_t n;

    *got = 0;
    if (io->tls != NULL) return read_tls(io, out, len, got);
    do n = recv(io->watch.fd, out, len, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) *got = (size_t)n;
    if (n < 0) return errno_is_again() ? KITH_OK : err_of_errno();
    return n == 0 ? KITH_E_CLOSED : KITH_OK;
}

static kith_err write_tls(struct transport *io, struct kith_slice bytes, size_t *put)
{
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_write_ex(io->tls, bytes.ptr, bytes.len, put);
    return result == 1 ? KITH_OK : err_of_tls(io->tls, result, SSL_ERROR_WANT_WRITE);
}

kith_err transport_write(struct transport *io, struct kith_slice bytes, size_t *put)
{
    ssize_t n;

    *put = 0;
    assert(bytes.len > 0);
    if (io->tls != NULL) return write_tls(io, bytes, put);
    do n = send(io->watch.fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno_is_again() ? KITH_OK : err_of_errno();
    *put = (size_t)n;
    return KITH_OK;
}

kith_err transport_handshake(struct transport *io, unsigned *events)
{
    int result;
    kith_err err;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(io->tls);
    if (result == 1) return KITH_OK;
    err = err_of_tls(io->tls, result, SSL_ERROR_WANT_READ);
    *events = err == KITH_OK ? LOOP_READ : LOOP_WRITE;
    return err == KITH_OK ? KITH_E_AGAIN : err;
}

bool transport_has_pending(const struct transport *io)
{
    if (io->tls == NULL) return false;
    return SSL_has_pending(io->tls) != 0 || (SSL_get_shutdown(io->tls) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool transport_ended_well(const struct transport *io)
{
    return io->tls == NULL || (SSL_get_shutdown(io->tls) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void transport_shutdown(struct transport *io)
{
    if (io->tls != NULL && SSL_is_init_finished(io->tls)) {
        ERR_clear_error();
        (void)SSL_shutdown(io->tls); /* our half; as much as the kernel takes */
        ERR_clear_error();
    }
    (void)shutdown(io->watch.fd, SHUT_WR);
}

void transport_close(struct transport *io, struct loop *loop, bool reset)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0}; /* close() then sends RST */

    if (!transport_is_open(io)) return;
    loop_watch_stop(loop, &io->watch);
    tls_free(io->tls);
    io->tls = NULL;
    if (reset) (void)setsockopt(io->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    (void)close(io->watch.fd);
    io->watch.fd = -1;
}

kith_err transport_move(struct transport *from, struct transport *to, struct loop *loop, unsigned events)
{
    kith_err err;

    loop_watch_stop(loop, &from->watch);
    to->watch.fd = from->watch.fd;
    to->tls = from->tls;
    err = loop_watch_start(loop, &to->watch, events);
    if (err != KITH_OK) {
        tls_free(to->tls);
        to->tls = NULL;
        (void)close(to->watch.fd);
        to->watch.fd = -1;
    }
    from->tls = NULL;
    from->watch.fd = -1;
    return err;
}

int transport_take_fd(struct transport *io, struct loop *loop)
{
    int fd = io->watch.fd;

    loop_watch_stop(loop, &io->watch);
    tls_free(io->tls);
    io->tls = NULL;
    io->watch.fd = -1;
    return fd;
}
