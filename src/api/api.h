#ifndef KITH_API_API_H
#define KITH_API_API_H

#include "account/account.h"
#include "net/http_server.h"

/**
 * The REST API on one loop: every route of openapi.yaml but media. Requests are independent; what they wait for
 * (directory, store, log) answers on this loop. Errors are RFC 9457 problem documents with a stable `code`.
 *
 * Bounded: API_REQUESTS_MAX at a time, then 503; per person and per address by token buckets, then 429.
 */
#define API_REQUESTS_MAX       2048
#define API_CHECKS_MAX         16
#define API_PERSON_PER_MINUTE  6000
#define API_ADDRESS_PER_MINUTE 120000
#define API_BODY_BYTES_MAX     (KITH_FRAME_BYTES_MAX * 4 / 3) /* of a request: the largest message in base64 and its JSON */
#define API_LISTS_USERS_MAX    64                             /* whose device lists are asked for at once */
#define API_LISTS_BYTES_MAX    (1u << 20) /* of an answer with lists: past it nobody else is looked up */

/** One thing that /readyz looks at. */
struct api_check {
    const char *name;
    bool ok;
    char reason[128]; /* why not; empty when ok */
};

struct api_config {
    struct loop *loop;
    struct asker *asker; /* of this loop */
    struct msgstore *store;
    struct accounts *accounts;
    uint32_t members_max; /* group.members_max */
    /* Requests in a minute, refilled evenly, a minute's worth at once; 0: the default. On this loop alone. */
    uint32_t person_per_minute, address_per_minute;
    /* All may be NULL: ready, no metrics. On this loop. Gives how many checks were filled; not ready when one is not ok. */
    size_t (*checks)(void *arg, struct api_check out[static API_CHECKS_MAX]);
    kith_err (*metrics)(void *arg, struct kith_buf *out);
    void *arg;
    const struct log_line_sink *log;
};

struct api;

/** NULL: no memory. */
struct api *api_new(const struct api_config *config);
/** When no request is pending; those that are, are abandoned, memory and all: then the loop must not run again. */
void api_free(struct api *api);
/** The process died (simulator): frees pending requests too, without touching loop, exchanges or accounts. */
void api_crash(struct api *api);
size_t api_pending(const struct api *api);

struct api_stats {
    uint64_t requests, refused, by_code[CODE_COUNT];
};
void api_stats(const struct api *api, struct api_stats *out);

/** Answers the exchange, now or later. */
void api_handle(struct api *api, struct http_exchange *exchange);
/** The same for the admin listener: /metrics, /livez, /readyz. */
void api_handle_admin(struct api *api, struct http_exchange *exchange);

/* ------------------------------------------------------------------------------------------------ without HTTP server
 * The API sees a request through this interface, so that tests and the simulator can ask without a socket.
 */
struct api_exchange {
    const struct api_exchange_ops *ops;
};
struct api_exchange_ops {
    const struct http1_request *(*request)(const struct api_exchange *exchange); /* lent until respond() */
    void (*peer)(const struct api_exchange *exchange, char out[static 64]);
    /* NULL, or what runs when the peer goes away first; then respond() must not be called. */
    void (*on_abort)(struct api_exchange *exchange, void (*aborted)(void *arg), void *arg);
    /* Once; the exchange is gone when it returns. Copies. */
    void (*respond)(struct api_exchange *exchange, unsigned status, const char *content_type,
                    const struct http_header *headers, struct kith_slice body);
};
void api_serve(struct api *api, struct api_exchange *exchange);
void api_serve_admin(struct api *api, struct api_exchange *exchange);

#endif
