#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>

#include "api/api_impl.h"

#define LIMITER_ENTRIES  65536
#define ANSWER_BYTES_MAX (64 * 1024 * 1024)

struct api *api_new(const struct api_config *config)
{
    struct api *api = calloc(1, sizeof *api);
    uint8_t seed[16];

    if (api == NULL) return NULL;
    api->config = *config;
    loop_random(config->loop, seed, sizeof seed);
    limiter_init(&api->people, config->person_per_minute != 0 ? config->person_per_minute : API_PERSON_PER_MINUTE,
                 LIMITER_ENTRIES, seed);
    loop_random(config->loop, seed, sizeof seed);
    limiter_init(&api->addresses, config->address_per_minute != 0 ? config->address_per_minute : API_ADDRESS_PER_MINUTE,
                 LIMITER_ENTRIES, seed);
    return api;
}

void api_free(struct api *api)
{
    if (api == NULL) return;
    for (struct api_request *at = api->requests; at != NULL; at = at->next_request) {
        asker_cancel(api->config.asker, &at->ask);
        at->exchange = NULL;
    }
    if (api->requests != NULL) return; /* another thread may be at work in their memory */
    limiter_deinit(&api->people);
    limiter_deinit(&api->addresses);
    free(api);
}

size_t api_pending(const struct api *api)
{
    return api->pending;
}

void api_stats(const struct api *api, struct api_stats *out)
{
    *out = api->stats;
}

void *api_state(struct api_request *request, size_t bytes, void (*release)(void *state))
{
    assert(request->state == NULL);
    request->state = calloc(1, bytes);
    if (request->state == NULL) {
        api_problem_code(request, CODE_UNAVAILABLE);
        return NULL;
    }
    request->state_bytes = bytes;
    request->release = release;
    return request->state;
}

void api_request_end(struct api_request *request)
{
    if (request->release != NULL) request->release(request->state);
    *(request->prev == NULL ? &request->api->requests : &request->prev->next_request) = request->next_request;
    if (request->next_request != NULL) request->next_request->prev = request->prev;
    request->api->pending--;
    json_decref(request->body);
    json_out_deinit(&request->out);
    kith_buf_deinit(&request->get.value);
    if (request->state != NULL) sodium_memzero(request->state, request->state_bytes); /* tokens, passwords */
    free(request->state);
    free(request);
}

void api_crash(struct api *api)
{
    while (api->requests != NULL) api_request_end(api->requests);
    limiter_deinit(&api->people);
    limiter_deinit(&api->addresses);
    free(api);
}

/* ------------------------------------------------------------------------------------------------ before the route */

/* A media type of an Accept header, without its parameters, takes JSON (RFC 9110, 12.5.1). */
static bool accepts(struct kith_slice element)
{
    static const char *const fine[] = {"*/*", "application/*", "application/json", "application/problem+json"};
    size_t len = 0;

    while (len < element.len && element.ptr[len] != ';' && element.ptr[len] != ' ' && element.ptr[len] != '\t') len++;
    element.len = len;
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        if (http1_token_eq(element, fine[i])) return true;
    return false;
}

static bool accept_is_fine(const struct http1_request *http)
{
    bool any = false;

    for (size_t i = 0; i < http->headers.count; i++) {
        struct kith_slice list = http->headers.at[i].value, element;
        if (!http1_token_eq(http->headers.at[i].name, "Accept")) continue;
        while (http1_list_next(&list, &element)) {
            if (accepts(element)) return true;
            any = true;
        }
    }
    return !any;
}

/* application/json, with no charset but UTF-8. */
static bool content_type_is_fine(const struct http1_request *http)
{
    struct kith_slice value = {0}, rest;
    size_t len = 0;

    if (http1_header_count(http->headers, "Content-Type") != 1) return false;
    (void)http1_header_get(http->headers, "Content-Type", &value);
    while (len < value.len && value.ptr[len] != ';' && value.ptr[len] != ' ' && value.ptr[len] != '\t') len++;
    if (!http1_token_eq(kith_slice_of(value.ptr, len), "application/json")) return false;
    rest = kith_slice_of(value.ptr + len, value.len - len);
    while (rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t' || rest.ptr[0] == ';')) {
        rest.ptr++;
        rest.len--;
    }
    return rest.len == 0 || http1_token_eq(rest, "charset=utf-8") || http1_token_eq(rest, "charset=\"utf-8\"");
}

static void run(struct api_request *request)
{
    const struct api_route *route = request->route;
    const struct api_problem not_acceptable = {
        .code = CODE_NOT_SUPPORTED, .status = 406, .detail = "The answer is application/json."};
    const struct api_problem not_json = {.code = CODE_NOT_SUPPORTED,
                                         .status = 415,
                                         .detail = "The body must be application/json.",
                                         .parameter = "Content-Type"};
    bool has_body = request->http->body.len > 0;

    if ((route->flags & ROUTE_TEXT) == 0 && !accept_is_fine(request->http)) {
        api_problem(request, &not_acceptable);
        return;
    }
    if ((route->flags & ROUTE_BODY) != 0 || ((route->flags & ROUTE_BODY_OPTIONAL) != 0 && has_body)) {
        if (!content_type_is_fine(request->http)) {
            api_problem(request, &not_json);
            return;
        }
        if (!api_body_parse(request)) return;
    }
    route->run(request);
}

static bool limit(struct api_request *request, struct limiter *limiter, struct kith_slice who)
{
    struct api_problem problem = {.code = CODE_TOO_MANY};
    uint8_t key[LIMITER_KEY_BYTES];

    limiter_key(limiter, who, key);
    if (limiter_take(limiter, key, loop_now_ms(request->api->config.loop), &problem.retry_after_s)) return true;
    api_problem(request, &problem);
    return false;
}

static void checked(struct account_check *op)
{
    struct api_request *request = (struct api_request *)((char *)op - offsetof(struct api_request, check));

    if (request->exchange == NULL) {
        api_request_end(request);
        return;
    }
    if ((op->code == CODE_UNAUTHORIZED || op->code == CODE_EXPIRED) &&
        (request->route->flags & ROUTE_MAYBE_TOKEN) != 0) {
        run(request); /* as nobody: the body may say who */
        return;
    }
    if (op->code != CODE_OK) {
        api_problem_code(request, op->code);
        return;
    }
    request->who = op->who;
    if (limit(request, &request->api->people, kith_slice_of(op->who.user.id.raw, 16))) run(request);
}

/* "Bearer" and the token (RFC 6750, 2.1). A token that is too long is no token. */
static bool token_take(struct api_request *request)
{
    struct kith_slice value = {0};

    if (http1_header_count(request->http->headers, "Authorization") != 1) return false;
    (void)http1_header_get(request->http->headers, "Authorization", &value);
    if (value.len < 7 || !http1_token_eq(kith_slice_of(value.ptr, 6), "Bearer") || value.ptr[6] != ' ') return false;
    value = kith_slice_of(value.ptr + 7, value.len - 7);
    if (value.len >= sizeof request->check.token || (value.len > 0 && memchr(value.ptr, 0, value.len) != NULL))
        return false;
    if (value.len > 0) memcpy(request->check.token, value.ptr, value.len);
    request->check.token[value.len] = '\0';
    return true;
}

static void authorize(struct api_request *request)
{
    bool has_token = token_take(request);

    if ((request->route->flags & ROUTE_PUBLIC) != 0 ||
        (!has_token && (request->route->flags & ROUTE_MAYBE_TOKEN) != 0)) {
        run(request);
        return;
    }
    if (!has_token) {
        api_problem_code(request, CODE_UNAUTHORIZED);
        return;
    }
    request->check.loop = request->api->config.loop;
    request->check.done = checked;
    account_check(request->api->config.accounts, &request->check);
}

/* ------------------------------------------------------------------------------------------------ a request begins */

/* Of an IPv6 address only the network counts (RFC 6177): its holder has 2^64 of them. A mapped IPv4 address stays whole. */
static void peer_narrow(char peer[static 64])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct in6_addr address;

    peer[63] = '\0';
    if (inet_pton(AF_INET6, peer, &address) != 1 || memcmp(address.s6_addr, mapped, sizeof mapped) == 0) return;
    memset(address.s6_addr + 8, 0, 8);
    (void)inet_ntop(AF_INET6, &address, peer, 64);
}

static void aborted(void *arg)
{
    struct api_request *request = arg;

    request->exchange = NULL;
    request->http = NULL;
}

static void options(struct api_request *request, const char *allow)
{
    const struct http_header headers[] = {{"Allow", allow}, {"Cache-Control", "no-store"}, {NULL, NULL}};
    struct api_exchange *exchange = request->exchange;

    request->exchange = NULL;
    exchange->ops->respond(exchange, 204, NULL, headers, (struct kith_slice){0});
    api_request_end(request);
}

static void route(struct api_request *request, bool admin)
{
    const struct http1_request *http = request->http;
    const struct api_route *found = NULL;
    struct api_problem no_method = {.code = CODE_METHOD_NOT_ALLOWED};
    char allow[API_ALLOW_BYTES_MAX];
    bool ids_ok = true;
    enum api_match match = api_router_find(admin, http->method, http->path, &found, request->ids, &ids_ok, allow);

    if (match == MATCH_NO_PATH) {
        api_problem_code(request, CODE_NOT_FOUND);
    } else if (http->method == HTTP1_OPTIONS) {
        options(request, allow);
    } else if (match == MATCH_NO_METHOD) {
        no_method.allow = allow;
        api_problem(request, &no_method);
    } else if (http->body.len > API_BODY_BYTES_MAX) {
        api_problem_code(request, CODE_TOO_BIG);
    } else {
        request->route = found;
        /* What cannot be an id is one of nothing; said only to who is let in. */
        if (!ids_ok) memset(request->ids, 0, sizeof request->ids);
        authorize(request);
    }
}

static void serve(struct api *api, struct api_exchange *exchange, bool admin)
{
    const struct api_problem busy = {.code = CODE_UNAVAILABLE};
    struct api_request *request = api->pending < API_REQUESTS_MAX ? calloc(1, sizeof *request) : NULL;

    api->stats.requests++;
    if (request == NULL) {
        api->stats.by_code[CODE_UNAVAILABLE]++;
        api_problem_bare(exchange, &busy);
        return;
    }
    api->pending++;
    request->next_request = api->requests;
    if (request->next_request != NULL) request->next_request->prev = request;
    api->requests = request;
    request->api = api;
    request->exchange = exchange;
    request->http = exchange->ops->request(exchange);
    json_out_init(&request->out, ANSWER_BYTES_MAX);
    kith_buf_init(&request->get.value, MSGSTORE_VALUE_BYTES_MAX);
    exchange->ops->peer(exchange, request->peer);
    peer_narrow(request->peer);
    exchange->ops->on_abort(exchange, aborted, request);
    if (admin || limit(request, &api->addresses, kith_slice_str(request->peer))) route(request, admin);
}

void api_serve(struct api *api, struct api_exchange *exchange)
{
    serve(api, exchange, false);
}

void api_serve_admin(struct api *api, struct api_exchange *exchange)
{
    serve(api, exchange, true);
}
