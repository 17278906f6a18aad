#include "net/http_kept.h"

#include <string.h>

/* Nobody asked: a server that says something now, or nothing more, has done with us. */
static bool is_quiet(struct http_kept *kept)
{
    uint8_t byte;
    size_t got = 0;

    return transport_read(&kept->io, &byte, 1, &got) == KITH_OK && got == 0;
}

static void ready(struct loop_watch *watch, unsigned events)
{
    struct http_kept *kept = (struct http_kept *)watch;

    (void)events;
    if (!is_quiet(kept)) transport_close(&kept->io, kept->net->loop, false);
}

void http_kept_init(struct http_kept *kept, struct net_shared *net)
{
    *kept = (struct http_kept){.io.watch = {.fd = -1, .ready = ready}, .net = net};
}

void http_kept_deinit(struct http_kept *kept)
{
    transport_close(&kept->io, kept->net->loop, false);
}

struct http_place http_place_of(const struct url *url)
{
    struct http_place place = {.is_secure = url->is_secure, .port = url->port, .host_len = (uint8_t)url->host.len};

    assert(url->host.len <= sizeof place.host);
    memcpy(place.host, url->host.ptr, url->host.len);
    return place;
}

static bool is_same(const struct http_place *a, const struct http_place *b)
{
    return a->is_secure == b->is_secure && a->port == b->port && a->host_len == b->host_len &&
           memcmp(a->host, b->host, a->host_len) == 0;
}

bool http_kept_take(struct http_kept *kept, const struct http_place *place, struct transport *to, unsigned events)
{
    if (!transport_is_open(&kept->io) || !is_same(&kept->place, place)) return false;
    if (is_quiet(kept)) return transport_move(&kept->io, to, kept->net->loop, events) == KITH_OK;
    transport_close(&kept->io, kept->net->loop, false);
    return false;
}

void http_kept_leave(struct http_kept *kept, const struct http_place *place, struct transport *from)
{
    if (transport_is_open(&kept->io)) return;
    kept->place = *place;
    kith_ignore(transport_move(from, &kept->io, kept->net->loop, LOOP_READ)); /* else the next call opens one */
}
