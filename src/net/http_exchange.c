#include "net/conn_ws.h"
#include "net/http_server_state.h"
#include "wire/json_text.h"
#include "wire/ws_handshake.h"

const struct http1_request *http_exchange_request(const struct http_exchange *exchange)
{
    return http1_reader_request(&http_conn_of(exchange)->reader);
}

static struct proxy_peer peer_of(const struct http_exchange *exchange)
{
    const struct http_conn *conn = http_conn_of(exchange);

    return proxy_peer_find(&conn->server->proxies, conn->socket_peer, conn->had_tls != 0,
                           http_exchange_request(exchange)->headers);
}

void http_exchange_peer(const struct http_exchange *exchange, char out[static 64])
{
    net_address_format(peer_of(exchange).address, out);
}

bool http_exchange_is_secure(const struct http_exchange *exchange)
{
    return peer_of(exchange).is_secure;
}

void http_exchange_on_abort(struct http_exchange *exchange, void (*aborted)(void *arg), void *arg)
{
    assert(exchange->is_open);
    exchange->aborted = aborted;
    exchange->arg = arg;
}

/* --------------------------------------------------------------------------------------------------------- answers */

static void put_common(struct http1_writer *writer, const char *date)
{
    http1_put_str(writer, "Server", "kith");
    http1_put_str(writer, "Date", date);
}

static enum kith_code code_of_status(unsigned status)
{
    switch (status) {
    case 403: return CODE_FORBIDDEN;
    case 413:
    case 414:
    case 431: return CODE_TOO_BIG;
    case 417:
    case 501:
    case 505: return CODE_NOT_SUPPORTED;
    case 426: return CODE_VERSION;
    case 500: return CODE_INTERNAL;
    case 408:
    case 503: return CODE_UNAVAILABLE;
    default: return CODE_MALFORMED;
    }
}

/* RFC 9457, 3. */
static kith_err problem_body(struct kith_buf *body, unsigned status, const char *reason)
{
    enum kith_code code = code_of_status(status);
    kith_err err = kith_buf_append_str(body, "{\"type\":\"about:blank\",\"title\":");

    if (err == KITH_OK) err = json_put_string(body, kith_slice_str(http1_status_reason(status)));
    if (err == KITH_OK) err = kith_buf_printf(body, ",\"status\":%u,\"detail\":", status);
    if (err == KITH_OK) err = json_put_string(body, kith_slice_str(reason == NULL ? "" : reason));
    if (err == KITH_OK)
        err = kith_buf_printf(body, ",\"code\":\"%s\",\"retryable\":%s}", kith_code_name(code),
                              kith_code_retryable(code) ? "true" : "false");
    return err;
}

#define PROBLEM_BYTES_MAX 2048
#define PROBLEM_TYPE      "application/problem+json"

kith_err http_problem_write(struct kith_buf *out, const char *date, unsigned status, const char *reason)
{
    struct http1_writer writer;
    struct kith_buf body;
    kith_err err;

    kith_buf_init(&body, PROBLEM_BYTES_MAX);
    err = problem_body(&body, status, reason);
    if (err == KITH_OK) {
        http1_response_begin(&writer, out, status);
        put_common(&writer, date);
        http1_put_str(&writer, "Content-Type", PROBLEM_TYPE);
        http1_put_str(&writer, "Connection", "close");
        if (status == 503) http1_put_u64(&writer, "Retry-After", HTTP_RETRY_AFTER_S);
        err = http1_end(&writer, kith_buf_peek(&body));
    }
    kith_buf_deinit(&body);
    return err;
}

static void count_response(struct http_server *server, unsigned status)
{
    net_count(&server->stats.responses_by_class[status / 100 < 6 ? status / 100 : 5], 1);
}

void http_refuse(struct http_conn *conn, unsigned status, const char *reason)
{
    conn->closing = 1;
    count_response(conn->server, status);
    if (http_problem_write(&conn->out, http_server_date(conn->server), status, reason) != KITH_OK) http_conn_die(conn);
    http_conn_schedule(conn);
}

/* The exchange is over, the connection goes on: with the next request, or to its end. */
static void end(struct http_conn *conn)
{
    conn->exchange.is_open = false;
    http1_reader_release(&conn->reader);
    conn->reading_bytes = 0;
    http_conn_schedule(conn);
}

static kith_err write_response(struct http_conn *conn, unsigned status, const char *content_type,
                               const struct http_header *headers, struct kith_slice body)
{
    const struct http1_request *request = http1_reader_request(&conn->reader);
    struct http1_writer writer;

    if (body.len > HTTP_RESPONSE_BYTES_MAX) return KITH_E_TOOBIG;
    http1_response_begin(&writer, &conn->out, status);
    put_common(&writer, http_server_date(conn->server));
    if (content_type != NULL) http1_put_str(&writer, "Content-Type", content_type);
    for (; headers != NULL && headers->name != NULL; headers++) http1_put_str(&writer, headers->name, headers->value);
    if (conn->closing != 0)
        http1_put_str(&writer, "Connection", "close");
    else if (request->minor == 0)
        http1_put_str(&writer, "Connection", "keep-alive");
    return request->method == HTTP1_HEAD ? http1_end_head(&writer, body.len) : http1_end(&writer, body);
}

void http_respond(struct http_exchange *exchange, unsigned status, const char *content_type,
                  const struct http_header *headers, struct kith_slice body)
{
    struct http_conn *conn = http_conn_of(exchange);
    struct http_server *server = conn->server;

    assert(exchange->is_open);
    assert(status >= 200 && status <= 599);
    if (conn->dead == 0) {
        if (!http_exchange_request(exchange)->keep_alive || server->paused || server->closing) conn->closing = 1;
        if (write_response(conn, status, content_type, headers, body) == KITH_OK) {
            count_response(server, status);
        } else {
            exchange->is_open = false;
            http_refuse(conn, 500, "The answer could not be written.");
        }
    }
    end(conn);
}

/* --------------------------------------------------------------------------------------------------------- upgrade */

static void refuse_upgrade(struct http_exchange *exchange, unsigned status, const char *reason)
{
    static const struct http_header version[] = {
        {"Sec-WebSocket-Version", "13"}, {"Upgrade", "websocket"}, {NULL, NULL}};
    static const struct http_header later[] = {{"Retry-After", "5"}, {NULL, NULL}};
    struct kith_buf body;

    kith_buf_init(&body, PROBLEM_BYTES_MAX);
    if (problem_body(&body, status, reason) != KITH_OK) kith_buf_reset(&body);
    http_respond(exchange, status, PROBLEM_TYPE,
                 status == 426   ? version
                 : status == 503 ? later
                                 : NULL,
                 kith_buf_peek(&body));
    kith_buf_deinit(&body);
}

static kith_err check_upgrade(struct http_exchange *exchange, const struct ws_options *options,
                              struct ws_accept *accept)
{
    const struct http1_request *request = http_exchange_request(exchange);
    struct ws_server_config config = {
        .subprotocols = options->subprotocols, .deflate = options->permessage_deflate, .client_window_bits_max = 15};
    const char *reason = NULL;
    kith_err err = ws_accept_check(request, &config, accept, &reason);

    if (err == KITH_E_UNSUPPORTED) {
        refuse_upgrade(exchange, 426, "This server speaks version 13 of the WebSocket protocol.");
        return KITH_E_MALFORMED;
    }
    if (err != KITH_OK) {
        refuse_upgrade(exchange, 400, reason);
        return err;
    }
    err = ws_origin_check(request, http_exchange_is_secure(exchange), NULL); /* the same origin */
    if (err != KITH_OK && options->origins_allowed != NULL)
        err = ws_origin_check(request, false, options->origins_allowed);
    if (err != KITH_OK) refuse_upgrade(exchange, 403, "Pages of this origin may not connect.");
    return err;
}

kith_err http_upgrade(struct http_exchange *exchange, const struct ws_options *options, struct conn_user *user,
                      struct conn **out)
{
    struct http_conn *conn = http_conn_of(exchange);
    struct http_server *server = conn->server;
    struct conn_ws_params params = {.role = WS_SERVER, .message_bytes_max = (uint32_t)options->message_bytes_max};
    struct ws_accept accept;
    kith_err err;

    *out = NULL;
    assert(exchange->is_open);
    assert(options->message_bytes_max > 0 && options->message_bytes_max <= WS_MESSAGE_BYTES_TOP);
    if (conn->dead != 0 || server->closing) {
        refuse_upgrade(exchange, 503, "The server is stopping.");
        return KITH_E_CLOSED;
    }
    err = check_upgrade(exchange, options, &accept);
    if (err != KITH_OK) return err;
    /* Behind the answers to earlier requests, if they still wait. */
    err = ws_accept_write(&accept, &conn->out);
    if (err != KITH_OK) {
        refuse_upgrade(exchange, 503, "Out of memory.");
        return KITH_E_NOMEM;
    }
    params.inflate = ws_inflate_params_of(&accept.deflate, WS_SERVER);
    params.deflate_bits = ws_deflate_bits_of(&accept.deflate, WS_SERVER);
    params.peer = peer_of(exchange).address;
    err = conn_ws_new(server->net, &conn->io, &params, kith_buf_peek(&conn->out), user, out);
    if (err == KITH_OK) {
        count_response(server, 101);
        conn->upgraded = *out;
        if (conn->serving == 0)
            conn_ws_feed(*out, kith_buf_peek(&conn->in)); /* else whoever called the handler does it */
    } else {
        conn->dead = 1; /* the socket is closed */
    }
    end(conn);
    return err;
}
