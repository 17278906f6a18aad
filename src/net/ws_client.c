#include "net/ws_client.h"

#include <stdlib.h>

#include "net/conn_ws.h"
#include "net/http_call.h"
#include "wire/ws_handshake.h"

#define REFUSAL_BYTES_MAX (64 * 1024) /* body of an answer that is no 101 */

struct ws_client {
    struct ws_client_options options;
    struct http_call *call;
    uint8_t nonce[16];
};

static struct ws_client_config handshake_of(const struct ws_client_options *options)
{
    return (struct ws_client_config){
        .subprotocols = options->subprotocols,
        .origin = options->origin,
        .authorization = kith_slice_str(options->authorization == NULL ? "" : options->authorization),
        .deflate = options->permessage_deflate};
}

static void answered(void *arg, const struct http_call_result *answer)
{
    struct ws_client *client = arg;
    struct ws_client_result result = {.err = answer->err, .reason = answer->reason, .response = answer->response};

    if (answer->err == KITH_OK) {
        result.err = KITH_E_DENIED;
        result.reason = http1_status_reason(answer->response->status);
    }
    client->options.opened(client->options.arg, &result);
    free(client);
}

static void upgraded(void *arg, const struct http1_response *response, struct transport *io, struct kith_slice rest,
                     struct net_address peer)
{
    struct ws_client *client = arg;
    const struct ws_client_options *options = &client->options;
    struct ws_client_result result = {.response = response};
    struct ws_client_config handshake = handshake_of(options);
    struct conn_ws_params params = {.role = WS_CLIENT, .message_bytes_max = options->message_bytes_max, .peer = peer};
    struct ws_agreed agreed;

    result.err = ws_client_check(response, &handshake, client->nonce, &agreed);
    if (result.err == KITH_OK) {
        params.inflate = ws_inflate_params_of(&agreed.deflate, WS_CLIENT);
        params.deflate_bits = ws_deflate_bits_of(&agreed.deflate, WS_CLIENT);
        result.subprotocol = agreed.subprotocol;
        result.err = conn_ws_new(options->net, io, &params, (struct kith_slice){0}, options->user, &result.conn);
        if (result.err != KITH_OK) result.reason = "out of memory";
    } else {
        result.reason = "the server's answer does not open a WebSocket";
    }
    /* First what came behind the head: after this call its memory belongs to others. */
    if (result.err == KITH_OK) conn_ws_feed(result.conn, rest);
    options->opened(options->arg, &result);
    free(client);
}

static kith_err write_request(struct ws_client *client, const struct url *url, struct kith_buf *out)
{
    struct ws_client_config handshake = handshake_of(&client->options);

    handshake.target = url->target;
    handshake.host = url->authority;
    loop_random(client->options.net->loop, client->nonce, sizeof client->nonce);
    return ws_client_write(&handshake, client->nonce, out);
}

kith_err ws_client_open(const struct ws_client_options *options, struct ws_client **out)
{
    struct ws_client *client = NULL;
    struct url url;
    struct kith_buf request;
    struct http_call_parts parts = {.net = options->net,
                                    .tls = options->tls,
                                    .url = &url,
                                    .request = &request,
                                    .body_bytes_max = REFUSAL_BYTES_MAX,
                                    .timeout_ms = options->timeout_ms,
                                    .source = options->source,
                                    .done = answered,
                                    .upgraded = upgraded};
    kith_err err = url_parse(options->url, &url);

    *out = NULL;
    if (err != KITH_OK) return err;
    kith_buf_init(&request, HTTP1_HEAD_BYTES_MAX);
    client = calloc(1, sizeof *client);
    if (client == NULL) return KITH_E_NOMEM;
    client->options = *options;
    parts.arg = client;
    err = write_request(client, &url, &request);
    if (err == KITH_OK) err = http_call_begin(&parts, &client->call);
    client->options.url = client->options.authorization = client->options.origin = NULL; /* were lent for this call */
    if (err == KITH_OK) {
        *out = client;
        return KITH_OK;
    }
    kith_buf_deinit(&request);
    free(client);
    return err;
}

void ws_client_cancel(struct ws_client *client)
{
    if (client == NULL) return;
    http_call_cancel(client->call);
    free(client);
}
