#include "wire/ws_handshake.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>

#include "wire/http1_head.h"
#include "wire/sha1.h"
#include "wire/ws_extension.h"

#define WINDOW_BITS_MAX    15
#define EXTENSION_TEXT_MAX 160

void ws_accept_compute(struct kith_slice key, char out[static WS_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[WS_KEY_LEN + sizeof guid - 1];
    uint8_t digest[SHA1_BYTES];

    assert(key.len == WS_KEY_LEN);
    memcpy(text, key.ptr, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, guid, sizeof guid - 1);
    sha1(kith_slice_of(text, sizeof text), digest);
    (void)sodium_bin2base64(out, WS_ACCEPT_LEN + 1, digest, sizeof digest, sodium_base64_VARIANT_ORIGINAL);
}

bool ws_is_upgrade(const struct http1_request *request)
{
    return http1_header_has_token(request->headers, "upgrade", "websocket");
}

/* 16 bytes in base64: 22 digits and the padding. Four bits of the last digit mean nothing, whatever they are. */
static bool key_is_valid(struct kith_slice key)
{
    if (key.len != WS_KEY_LEN) return false;
    for (size_t i = 0; i < WS_KEY_LEN - 2; i++) {
        uint8_t b = key.ptr[i];
        bool is_alnum = (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z');
        if (!is_alnum && b != '+' && b != '/') return false;
    }
    return key.ptr[WS_KEY_LEN - 2] == '=' && key.ptr[WS_KEY_LEN - 1] == '=';
}

/* RFC 6455, 4.2.1, but for the lists. */
static kith_err request_check(const struct http1_request *request, const char **reason)
{
    struct kith_slice value = {0};

    *reason = "a WebSocket is opened with GET in HTTP/1.1 and without a body";
    if (request->method != HTTP1_GET || request->minor != 1 || request->content_length > 0 ||
        http1_header_count(request->headers, "transfer-encoding") > 0) {
        return KITH_E_MALFORMED;
    }
    *reason = "Upgrade: websocket and Connection: Upgrade belong to a WebSocket handshake";
    if (!ws_is_upgrade(request) || !http1_header_has_token(request->headers, "connection", "upgrade")) {
        return KITH_E_MALFORMED;
    }
    *reason = "Sec-WebSocket-Version is given twice";
    if (http1_header_count(request->headers, "sec-websocket-version") > 1) return KITH_E_MALFORMED;
    *reason = "only Sec-WebSocket-Version 13 is spoken here";
    if (!http1_header_get(request->headers, "sec-websocket-version", &value) || !kith_slice_is(value, "13")) {
        return KITH_E_UNSUPPORTED;
    }
    *reason = "Sec-WebSocket-Key is missing, repeated or not 16 bytes in base64";
    if (http1_header_count(request->headers, "sec-websocket-key") != 1 ||
        !http1_header_get(request->headers, "sec-websocket-key", &value) || !key_is_valid(value)) {
        return KITH_E_MALFORMED;
    }
    return KITH_OK;
}

/* Takes the next token over all headers of a name; `at` and `rest` start at zero. */
static bool list_walk(struct http1_headers headers, const char *name, size_t *at, struct kith_slice *rest,
                      struct kith_slice *element)
{
    for (;;) {
        if (http1_list_next(rest, element)) return true;
        while (*at < headers.count && !http1_token_eq(headers.at[*at].name, name)) *at += 1;
        if (*at == headers.count) return false;
        *rest = headers.at[*at].value;
        *at += 1;
    }
}

static kith_err subprotocol_choose(struct http1_headers headers, const char *const *ours, const char **out)
{
    struct kith_slice offered[WS_SUBPROTOCOLS_MAX];
    struct kith_slice rest = {0}, element;
    size_t count = 0, at = 0;

    *out = NULL;
    while (list_walk(headers, "sec-websocket-protocol", &at, &rest, &element)) {
        if (count == WS_SUBPROTOCOLS_MAX || !http1_is_token(element)) return KITH_E_MALFORMED;
        for (size_t i = 0; i < count; i++) {
            if (kith_slice_eq(offered[i], element)) return KITH_E_MALFORMED; /* RFC 6455, 4.1: all different */
        }
        offered[count++] = element;
    }
    for (; ours != NULL && *ours != NULL; ours++) {
        for (size_t i = 0; i < count; i++) {
            if (!kith_slice_is(offered[i], *ours)) continue;
            *out = *ours;
            return KITH_OK;
        }
    }
    return KITH_OK;
}

/* RFC 7692, 7.1: what we answer to an offer that we take. */
static void deflate_answer(const struct ws_deflate_offer *offer, const struct ws_server_config *config,
                           struct ws_deflate_params *out)
{
    uint8_t client_max = config->client_window_bits_max;

    assert(client_max >= 8 && client_max <= WINDOW_BITS_MAX);
    *out = (struct ws_deflate_params){
        .on = true,
        .server_no_context_takeover = true, /* our compressor is shared by all connections */
        .client_no_context_takeover = offer->client_no_context_takeover || !config->client_may_take_over,
        .server_window_bits = offer->has_server_bits ? offer->server_bits : WINDOW_BITS_MAX,
        .client_window_bits = offer->client_bits != 0 ? offer->client_bits : WINDOW_BITS_MAX,
    };
    /* Only a client that names the parameter can be asked to keep to less. */
    if (offer->has_client_bits && client_max < out->client_window_bits) out->client_window_bits = client_max;
    /* A limit that was asked for is granted by naming it, even where it is none. */
    out->names_server_bits = offer->has_server_bits;
    out->names_client_bits = out->client_window_bits < WINDOW_BITS_MAX;
}

/* The first offer of a request that can be taken; its grammar is checked to the end. */
static kith_err deflate_choose(struct http1_headers headers, const struct ws_server_config *config,
                               struct ws_deflate_params *out)
{
    struct ws_deflate_offer offer;

    *out = (struct ws_deflate_params){0};
    for (size_t i = 0; i < headers.count; i++) {
        struct kith_slice value = headers.at[i].value;
        kith_err err = KITH_OK;

        if (!http1_token_eq(headers.at[i].name, "sec-websocket-extensions")) continue;
        while (err != KITH_E_NOTFOUND) {
            err = ws_extension_next(&value, &offer);
            if (err == KITH_E_MALFORMED) return err;
            if (err == KITH_OK && config->deflate && !out->on) deflate_answer(&offer, config, out);
        }
    }
    return KITH_OK;
}

kith_err ws_accept_check(const struct http1_request *request, const struct ws_server_config *config,
                         struct ws_accept *out, const char **reason)
{
    struct kith_slice key = {0};
    kith_err err = request_check(request, reason);

    *out = (struct ws_accept){0};
    if (err != KITH_OK) return err;
    *reason = "Sec-WebSocket-Protocol is no list of different tokens";
    err = subprotocol_choose(request->headers, config->subprotocols, &out->subprotocol);
    if (err != KITH_OK) return err;
    *reason = "Sec-WebSocket-Extensions is broken";
    err = deflate_choose(request->headers, config, &out->deflate);
    if (err != KITH_OK) return err;
    (void)http1_header_get(request->headers, "sec-websocket-key", &key);
    ws_accept_compute(key, out->accept);
    *reason = NULL;
    return KITH_OK;
}

static void extension_put(struct http1_writer *writer, const struct ws_deflate_params *deflate)
{
    char text[EXTENSION_TEXT_MAX], server_bits[32] = "", client_bits[32] = "";

    if (deflate->names_server_bits) {
        (void)snprintf(server_bits, sizeof server_bits, "; server_max_window_bits=%u", deflate->server_window_bits);
    }
    if (deflate->names_client_bits) {
        (void)snprintf(client_bits, sizeof client_bits, "; client_max_window_bits=%u", deflate->client_window_bits);
    }
    (void)snprintf(text, sizeof text, "permessage-deflate%s%s%s%s",
                   deflate->server_no_context_takeover ? "; server_no_context_takeover" : "",
                   deflate->client_no_context_takeover ? "; client_no_context_takeover" : "", server_bits, client_bits);
    http1_put_str(writer, "Sec-WebSocket-Extensions", text);
}

kith_err ws_accept_write(const struct ws_accept *accept, struct kith_buf *out)
{
    const struct ws_deflate_params *deflate = &accept->deflate;
    struct http1_writer writer;

    http1_response_begin(&writer, out, 101);
    http1_put_str(&writer, "Upgrade", "websocket");
    http1_put_str(&writer, "Connection", "Upgrade");
    http1_put_str(&writer, "Sec-WebSocket-Accept", accept->accept);
    if (accept->subprotocol != NULL) http1_put_str(&writer, "Sec-WebSocket-Protocol", accept->subprotocol);
    if (deflate->on) extension_put(&writer, deflate);
    return http1_end_bare(&writer);
}

kith_err ws_refuse_version_write(struct kith_buf *out)
{
    struct http1_writer writer;

    http1_response_begin(&writer, out, 426);
    http1_put_str(&writer, "Upgrade", "websocket");
    http1_put_str(&writer, "Connection", "Upgrade, close");
    http1_put_str(&writer, "Sec-WebSocket-Version", "13");
    return http1_end(&writer, (struct kith_slice){0});
}

struct ws_inflate_params ws_inflate_params_of(const struct ws_deflate_params *deflate, enum ws_role role)
{
    if (!deflate->on) return (struct ws_inflate_params){0};
    return (struct ws_inflate_params){
        .on = true,
        .context_takeover = role == WS_SERVER ? !deflate->client_no_context_takeover
                                              : !deflate->server_no_context_takeover,
        .window_bits = role == WS_SERVER ? deflate->client_window_bits : deflate->server_window_bits,
    };
}

unsigned ws_deflate_bits_of(const struct ws_deflate_params *deflate, enum ws_role role)
{
    if (!deflate->on) return 0;
    return role == WS_SERVER ? deflate->server_window_bits : deflate->client_window_bits;
}
