#include "net/net_linger.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct net_linger {
    struct transport io;
    struct net_link link;
    struct loop_timer timer;
    struct net_shared *net;
    size_t bytes_left;
};

static void linger_free(struct net_linger *self)
{
    struct net_shared *net = self->net;

    loop_timer_stop(net->loop, &self->timer);
    transport_close(&self->io, net->loop, false);
    net_link_remove(&self->link);
    net->lingering_count--;
    free(self);
    net_gone(net, sizeof *self);
}

static void fire(struct loop_timer *timer)
{
    linger_free((struct net_linger *)((char *)timer - offsetof(struct net_linger, timer)));
}

static void ready(struct loop_watch *watch, unsigned events)
{
    struct net_linger *self = (struct net_linger *)watch;
    size_t got = 0;
    kith_err err;

    (void)events;
    err = transport_read(&self->io, net_read_bytes(self->net), NET_READ_BYTES, &got);
    if (err != KITH_OK || got >= self->bytes_left) {
        linger_free(self);
        return;
    }
    self->bytes_left -= got;
}

void net_linger_fd(struct net_shared *net, int fd)
{
    struct net_linger *self = net->closing ? NULL : calloc(1, sizeof *self);

    (void)shutdown(fd, SHUT_WR);
    if (self == NULL) {
        (void)close(fd);
        return;
    }
    self->io.watch = (struct loop_watch){.fd = fd, .ready = ready};
    if (loop_watch_start(net->loop, &self->io.watch, LOOP_READ) != KITH_OK) {
        (void)close(fd);
        free(self);
        return;
    }
    self->net = net;
    self->bytes_left = NET_LINGER_BYTES_MAX;
    self->timer.fire = fire;
    loop_timer_start(net->loop, &self->timer, NET_LINGER_MS);
    net_link_append(&net->lingering, &self->link);
    net->lingering_count++;
    net_opened(net, sizeof *self);
}

void net_linger(struct net_shared *net, struct transport *io)
{
    int fd;

    transport_shutdown(io);
    /* The rest of a TLS stream has nothing to say: bytes are dropped as they are, and its memory is free now. */
    fd = transport_take_fd(io, net->loop);
    net_linger_fd(net, fd);
}

void net_linger_stop_all(struct net_shared *net)
{
    struct net_link *link;

    while ((link = net_link_first(&net->lingering)) != NULL)
        linger_free((struct net_linger *)((char *)link - offsetof(struct net_linger, link)));
}
