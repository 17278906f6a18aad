#include <stdlib.h>

#include "api/api_impl.h"

/* The HTTP server's exchange behind the API's interface. */
struct http_door {
    struct api_exchange base; /* first */
    struct http_exchange *exchange;
    void (*aborted)(void *arg);
    void *arg;
};

static const struct api_exchange_ops http_ops;

static const struct http_door *door_of(const struct api_exchange *exchange)
{
    assert(exchange->ops == &http_ops);
    return (const struct http_door *)exchange;
}

static const struct http1_request *door_request(const struct api_exchange *exchange)
{
    return http_exchange_request(door_of(exchange)->exchange);
}

static void door_peer(const struct api_exchange *exchange, char out[static 64])
{
    http_exchange_peer(door_of(exchange)->exchange, out);
}

static void door_aborted(void *arg)
{
    struct http_door *door = arg;

    if (door->aborted != NULL) door->aborted(door->arg);
    free(door);
}

static void door_on_abort(struct api_exchange *exchange, void (*aborted)(void *arg), void *arg)
{
    struct http_door *door = (struct http_door *)exchange;

    door->aborted = aborted;
    door->arg = arg;
}

static void door_respond(struct api_exchange *exchange, unsigned status, const char *content_type,
                         const struct http_header *headers, struct kith_slice body)
{
    struct http_door *door = (struct http_door *)exchange;
    struct http_exchange *http = door->exchange;

    http_exchange_on_abort(http, NULL, NULL);
    free(door);
    http_respond(http, status, content_type, headers, body);
}

static const struct api_exchange_ops http_ops = {
    .request = door_request, .peer = door_peer, .on_abort = door_on_abort, .respond = door_respond};

static struct api_exchange *door_new(struct http_exchange *exchange)
{
    static const struct http_header headers[] = {{"Retry-After", "1"}, {NULL, NULL}};
    struct http_door *door = calloc(1, sizeof *door);

    if (door == NULL) {
        http_respond(exchange, 503, NULL, headers, (struct kith_slice){0});
        return NULL;
    }
    door->base.ops = &http_ops;
    door->exchange = exchange;
    http_exchange_on_abort(exchange, door_aborted, door);
    return &door->base;
}

void api_handle(struct api *api, struct http_exchange *exchange)
{
    struct api_exchange *door = door_new(exchange);

    if (door != NULL) api_serve(api, door);
}

void api_handle_admin(struct api *api, struct http_exchange *exchange)
{
    struct api_exchange *door = door_new(exchange);

    if (door != NULL) api_serve_admin(api, door);
}
