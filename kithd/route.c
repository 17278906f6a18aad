#include "kithd/server_state.h"
#include "net/ws_echo.h"

#define CONNECT_MESSAGE_BYTES_MAX (1024 * 1024) /* frames may share a WebSocket message */

static struct kith_slice bearer_of(const struct http1_request *request)
{
    struct kith_slice value = {0};

    if (!http1_header_get(request->headers, "authorization", &value) || value.len < 7) return (struct kith_slice){0};
    if (strncasecmp((const char *)value.ptr, "Bearer ", 7) != 0) return (struct kith_slice){0};
    return kith_slice_of(value.ptr + 7, value.len - 7);
}

static void route_connect(struct serving *serving, struct http_exchange *exchange)
{
    static const struct http_header retry[] = {{"Retry-After", "5"}, {NULL, NULL}};
    static const char *const subprotocols[] = {"v12.stomp", NULL};
    struct ws_options options = {
        .subprotocols = subprotocols,
        .message_bytes_max = CONNECT_MESSAGE_BYTES_MAX,
        .permessage_deflate = true,
        .origins_allowed = (const char *const *)serving->server->config->values[CONFIG_origins].list,
    };
    struct conn_user *user = gateway_session_new(serving->gateway, bearer_of(http_exchange_request(exchange)));
    struct conn *conn = NULL;

    if (user == NULL) {
        http_respond(exchange, 503, "application/problem+json", retry,
                     kith_slice_str("{\"status\":503,\"code\":\"UNAVAILABLE\",\"retryable\":true}"));
        return;
    }
    if (http_upgrade(exchange, &options, user, &conn) == KITH_OK)
        gateway_session_attach(user, conn);
    else
        gateway_session_abandon(user);
}

void route_request(void *arg, struct http_exchange *exchange)
{
    struct serving *serving = arg;
    struct kith_slice path = http_exchange_request(exchange)->path;

    if (kith_slice_is(path, "/connect"))
        route_connect(serving, exchange);
    else if (kith_slice_is(path, "/diagnostic/echo") && config_number(serving->server->config, CONFIG_diagnostics))
        ws_echo_upgrade(exchange);
    else
        api_handle(serving->api, exchange);
}

void route_admin(void *arg, struct http_exchange *exchange)
{
    struct serving *serving = arg;

    api_handle_admin(serving->api, exchange);
}
