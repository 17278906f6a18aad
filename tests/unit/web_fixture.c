#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "web_fixture.h"

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

struct web web;

static void aborted(void *arg)
{
    (void)arg;
    web.aborts++;
}

void web_answer(struct http_exchange *exchange, const char *text)
{
    http_respond(exchange, 200, "text/plain", NULL, kith_slice_str(text));
}

static void handle(void *arg, struct http_exchange *exchange)
{
    static const struct http_header evil[] = {{"X-Name", "a\r\nSet-Cookie: b"}, {NULL, NULL}};
    const struct http1_request *request = http_exchange_request(exchange);
    char text[200];

    (void)arg;
    if (kith_slice_is(request->path, "/later")) {
        assert_true(web.kept_count < WEB_KEPT_MAX);
        web.kept[web.kept_count++] = exchange;
    } else if (kith_slice_is(request->path, "/later-or-never")) {
        web.kept[web.kept_count++] = exchange;
        http_exchange_on_abort(exchange, aborted, NULL);
    } else if (kith_slice_is(request->path, "/evil")) {
        http_respond(exchange, 200, "text/plain", evil, kith_slice_str("x"));
    } else if (kith_slice_is(request->path, "/none")) {
        http_respond(exchange, 204, NULL, NULL, (struct kith_slice){0});
    } else if (kith_slice_is(request->path, "/big")) {
        size_t len = 16 * 1024 * 1024;
        char *big = calloc(1, len);
        http_respond(exchange, 200, "application/octet-stream", NULL, kith_slice_of(big, len));
        free(big);
    } else if (kith_slice_is(request->path, "/peer")) {
        char peer[64];
        http_exchange_peer(exchange, peer);
        (void)snprintf(text, sizeof text, "peer %s %s", peer, http_exchange_is_secure(exchange) ? "tls" : "plain");
        web_answer(exchange, text);
    } else {
        (void)snprintf(text, sizeof text, "%.*s with %zu bytes <%.*s>", (int)request->path.len,
                       (const char *)request->path.ptr, request->body.len,
                       (int)(request->body.len < 100 ? request->body.len : 100), (const char *)request->body.ptr);
        web_answer(exchange, text);
    }
}

void web_closed(void *arg)
{
    (void)arg;
    web.server_closed = true;
}

int web_setup(void **state)
{
    web = (struct web){0};
    if (peer_setup(state) != 0) return -1;
    web.config = (struct http_server_config){.loop = peer_loop,
                                             .listen = "127.0.0.1:0",
                                             .connections_max = 100,
                                             .request_timeout_ms = 10000,
                                             .idle_timeout_ms = 10000,
                                             .slow_reader_timeout_ms = 10000,
                                             .handle = handle};
    return 0;
}

struct peer web_connect(void)
{
    if (web.server == NULL) assert_int_equal(http_server_open(&web.config, &web.server), KITH_OK);
    return peer_connect(http_server_port(web.server));
}

int web_teardown(void **state)
{
    web.server_closed = false;
    if (web.server != NULL) {
        http_server_close(web.server, web_closed, NULL);
        peer_turn_until(&web.server_closed);
    }
    return peer_teardown(state);
}

struct http_server_stats web_stats(void)
{
    struct http_server_stats now;
    http_server_stats(web.server, &now);
    return now;
}
