#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/resolve.h"
#include "net/url.h"

struct dial {
    struct transport io;
    struct loop_timer timer;
    struct dial_config config;
    struct resolve *resolve; /* NULL: has answered */
    struct resolve_result found;
    size_t at; /* the address being tried */
    uint64_t until_ms;
    struct net_address source;
    kith_err err; /* of the last try */
    const char *reason;
    char host[URL_HOST_BYTES_MAX + 1];
};

static void try_next(struct dial *self);

static void dial_free(struct dial *self)
{
    if (self->resolve != NULL) resolve_cancel(self->resolve);
    loop_timer_stop(self->config.loop, &self->timer);
    transport_close(&self->io, self->config.loop, false);
    free(self);
}

static void finish(struct dial *self, kith_err err, const char *reason)
{
    struct dial_result result = {.err = err, .reason = reason};

    if (err == KITH_OK) {
        result.io = &self->io;
        result.peer = self->found.addresses[self->at];
    }
    self->config.done(self->config.arg, &result);
    dial_free(self);
}

/* This address is no good: keep why, and go on. */
static void fail_address(struct dial *self, kith_err err, const char *reason)
{
    transport_close(&self->io, self->config.loop, false);
    self->err = err;
    self->reason = reason;
    self->at++;
    try_next(self);
}

static void shake_hands(struct dial *self)
{
    unsigned events = 0;
    kith_err err = transport_handshake(&self->io, &events);
    const char *why;

    if (err == KITH_E_AGAIN) {
        loop_watch_change(self->config.loop, &self->io.watch, events);
        return;
    }
    if (err == KITH_OK) {
        loop_watch_change(self->config.loop, &self->io.watch, 0);
        finish(self, KITH_OK, NULL);
        return;
    }
    why = tls_failure(self->io.tls);
    /* Another address of the same host would not have another certificate. */
    if (why != NULL)
        finish(self, KITH_E_DENIED, why);
    else
        fail_address(self, KITH_E_IO, "the TLS handshake failed");
}

static void connected(struct dial *self)
{
    int error = 0;
    socklen_t len = sizeof error;
    kith_err err;

    if (getsockopt(self->io.watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) error = errno;
    if (error != 0) {
        fail_address(self, KITH_E_IO, strerrordesc_np(error));
        return;
    }
    if (self->config.tls == NULL) {
        loop_watch_change(self->config.loop, &self->io.watch, 0);
        finish(self, KITH_OK, NULL);
        return;
    }
    err = tls_connect(self->config.tls, self->io.watch.fd, self->host, &self->io.tls);
    if (err != KITH_OK)
        finish(self, err, "out of memory");
    else
        shake_hands(self);
}

static void ready(struct loop_watch *watch, unsigned events)
{
    struct dial *self = (struct dial *)watch;

    (void)events;
    if (self->io.tls != NULL)
        shake_hands(self);
    else
        connected(self);
}

static void fire(struct loop_timer *timer)
{
    struct dial *self = (struct dial *)((char *)timer - offsetof(struct dial, timer));

    if (loop_now_ms(self->config.loop) >= self->until_ms)
        finish(self, KITH_E_TIMEOUT, "no answer in time");
    else
        fail_address(self, KITH_E_TIMEOUT, "no answer in time");
}

static int socket_open(const struct dial *self, const struct sockaddr_storage *to)
{
    struct sockaddr_storage from;
    socklen_t len = 0;
    int one = 1;
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (self->config.source == NULL) return fd;
    /* The port is chosen at connect(): one port may then serve many destinations. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    net_endpoint_make(self->source, 0, &from, &len);
    if (bind(fd, (struct sockaddr *)&from, len) == 0) return fd;
    (void)close(fd);
    return -1;
}

static void try_next(struct dial *self)
{
    struct loop *loop = self->config.loop;
    uint64_t now_ms = loop_now_ms(loop);
    uint64_t left_ms = self->until_ms > now_ms ? self->until_ms - now_ms : 0;

    for (; self->at < self->found.count; self->at++) {
        bool is_last = self->at + 1 == self->found.count;
        struct sockaddr_storage to;
        socklen_t len = 0;
        int fd;

        net_endpoint_make(self->found.addresses[self->at], self->config.port, &to, &len);
        fd = socket_open(self, &to);
        if (fd >= 0 && (connect(fd, (struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS)) {
            self->io.watch.fd = fd;
            if (loop_watch_start(loop, &self->io.watch, LOOP_WRITE) == KITH_OK) {
                loop_timer_start(loop, &self->timer, is_last || left_ms < DIAL_ADDRESS_MS ? left_ms : DIAL_ADDRESS_MS);
                return;
            }
            self->io.watch.fd = -1;
        }
        self->err = errno == EMFILE || errno == ENFILE ? KITH_E_FULL : KITH_E_IO;
        self->reason = strerrordesc_np(errno);
        if (fd >= 0) (void)close(fd);
    }
    finish(self, self->err, self->reason);
}

static void resolved(void *arg, const struct resolve_result *result)
{
    struct dial *self = arg;

    self->resolve = NULL;
    self->found = *result;
    if (result->err != KITH_OK)
        finish(self, result->err, result->reason);
    else
        try_next(self);
}

kith_err dial_start(const struct dial_config *config, struct dial **out)
{
    struct dial *self = calloc(1, sizeof *self);
    kith_err err;

    *out = NULL;
    if (self == NULL) return KITH_E_NOMEM;
    assert(config->host.len < sizeof self->host && config->timeout_ms > 0 && config->done != NULL);
    self->config = *config;
    memcpy(self->host, config->host.ptr, config->host.len);
    if (config->source != NULL) self->source = *config->source;
    self->io.watch = (struct loop_watch){.fd = -1, .ready = ready};
    self->timer.fire = fire;
    self->until_ms = loop_now_ms(config->loop) + config->timeout_ms;
    err = resolve_start(config->loop, config->host, resolved, self, &self->resolve);
    if (err != KITH_OK) {
        free(self);
        return err;
    }
    loop_timer_start(config->loop, &self->timer, config->timeout_ms);
    *out = self;
    return KITH_OK;
}

void dial_cancel(struct dial *self)
{
    if (self != NULL) dial_free(self);
}
