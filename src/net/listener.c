#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "net/net_address.h"

#define BACKLOG 4096

static int spare_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int accept_one(struct listener *self, struct sockaddr_storage *peer)
{
    socklen_t len = sizeof *peer;

    return accept4(self->watch.fd, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void rest(struct listener *self)
{
    loop_watch_change(self->loop, &self->watch, 0);
    loop_timer_start(self->loop, &self->timer, LISTENER_REST_MS);
}

static void rested(struct loop_timer *timer)
{
    struct listener *self = (struct listener *)((char *)timer - offsetof(struct listener, timer));

    if (self->spare_fd < 0) self->spare_fd = spare_open();
    loop_watch_change(self->loop, &self->watch, LOOP_READ);
}

enum refused { REFUSED_ONE, REFUSED_NONE_LEFT, REFUSED_NOT };

static enum refused refuse_one(struct listener *self)
{
    enum refused result = REFUSED_ONE;
    struct sockaddr_storage peer;
    int fd;

    if (self->spare_fd < 0) return REFUSED_NOT;
    (void)close(self->spare_fd);
    fd = accept_one(self, &peer);
    if (fd >= 0) self->accepted(self, fd, &peer, true);
    /* The kernel says EMFILE before it looks whether anybody waits. */
    else
        result = errno == EAGAIN ? REFUSED_NONE_LEFT : REFUSED_NOT;
    self->spare_fd = spare_open();
    return self->spare_fd >= 0 ? result : REFUSED_NOT;
}

/* False: nothing is left, or nothing can be done for now. */
static bool serve_one(struct listener *self)
{
    struct sockaddr_storage peer;
    enum refused refused;
    int fd = accept_one(self, &peer);

    if (fd >= 0) {
        self->accepted(self, fd, &peer, false);
        return self->watch.fd >= 0;
    }
    switch (errno) {
    case EAGAIN: return false;
    case EMFILE:
    case ENFILE:
        refused = refuse_one(self);
        if (refused == REFUSED_NOT) rest(self);
        return refused == REFUSED_ONE;
    case ENOBUFS:
    case ENOMEM: rest(self); return false;
    default: return true; /* that one connection failed before we had it (accept(2), "Error handling") */
    }
}

static void ready(struct loop_watch *watch, unsigned events)
{
    struct listener *self = (struct listener *)watch;

    (void)events;
    for (int i = 0; i < LISTENER_ACCEPTS_MAX && serve_one(self); i++) continue;
}

static kith_err bind_to(struct listener *self, const struct sockaddr_storage *address, socklen_t len)
{
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    int fd = self->watch.fd, one = 1, unsent = LISTENER_UNSENT_BYTES;

    /* Both families by two sockets, if wanted: then "0.0.0.0" and "[::]" do not get into each other's way. */
    if (address->ss_family == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* Accepted sockets inherit these two. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)address, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_len) != 0) {
        if (errno == EADDRINUSE) return KITH_E_CONFLICT;
        return errno == EACCES || errno == EPERM ? KITH_E_DENIED : KITH_E_IO;
    }
    self->port = net_endpoint_port(&bound);
    return KITH_OK;
}

kith_err listener_open(struct listener *self, struct loop *loop, const char *address)
{
    struct sockaddr_storage socket_address;
    socklen_t len = 0;
    kith_err err = net_endpoint_parse(address, &socket_address, &len);

    assert(self->accepted != NULL);
    self->loop = loop;
    self->timer = (struct loop_timer){.fire = rested};
    self->watch = (struct loop_watch){.fd = -1, .ready = ready};
    self->spare_fd = -1;
    if (err != KITH_OK) return err;
    self->watch.fd = socket(socket_address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->watch.fd < 0) return errno == EMFILE || errno == ENFILE ? KITH_E_FULL : KITH_E_IO;
    err = bind_to(self, &socket_address, len);
    if (err == KITH_OK) err = loop_watch_start(loop, &self->watch, LOOP_READ);
    if (err != KITH_OK) {
        (void)close(self->watch.fd);
        self->watch.fd = -1;
        return err;
    }
    self->spare_fd = spare_open();
    return KITH_OK;
}

void listener_close(struct listener *self)
{
    if (self->watch.fd < 0) return;
    for (int i = 0; i < BACKLOG && serve_one(self); i++) continue;
    loop_timer_stop(self->loop, &self->timer);
    loop_watch_stop(self->loop, &self->watch);
    (void)close(self->watch.fd);
    self->watch.fd = -1;
    if (self->spare_fd >= 0) (void)close(self->spare_fd);
    self->spare_fd = -1;
}
