#include <sodium.h>

#include "wire/ws_extension.h"
#include "wire/ws_handshake.h"

/* The client's half of ws_handshake.h. */

#define WINDOW_BITS_MAX 15

static void key_of(const uint8_t nonce[static 16], char out[static WS_KEY_LEN + 1])
{
    (void)sodium_bin2base64(out, WS_KEY_LEN + 1, nonce, 16, sodium_base64_VARIANT_ORIGINAL);
}

kith_err ws_client_write(const struct ws_client_config *config, const uint8_t nonce[static 16], struct kith_buf *out)
{
    struct http1_writer writer;
    char key[WS_KEY_LEN + 1];

    key_of(nonce, key);
    http1_request_begin(&writer, out, HTTP1_GET, config->target, config->host);
    http1_put_str(&writer, "Upgrade", "websocket");
    http1_put_str(&writer, "Connection", "Upgrade");
    http1_put_str(&writer, "Sec-WebSocket-Version", "13");
    http1_put_str(&writer, "Sec-WebSocket-Key", key);
    for (size_t i = 0; config->subprotocols != NULL && config->subprotocols[i] != NULL; i++) {
        http1_put_str(&writer, "Sec-WebSocket-Protocol", config->subprotocols[i]);
    }
    if (config->deflate) {
        http1_put_str(
            &writer, "Sec-WebSocket-Extensions",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits");
    }
    if (config->origin != NULL) http1_put_str(&writer, "Origin", config->origin);
    if (config->authorization.len > 0) http1_put(&writer, "Authorization", config->authorization);
    return http1_end_bare(&writer);
}

static kith_err subprotocol_check(struct http1_headers headers, const char *const *offered, const char **out)
{
    struct kith_slice value = {0};

    *out = NULL;
    if (!http1_header_get(headers, "sec-websocket-protocol", &value)) return KITH_OK;
    if (http1_header_count(headers, "sec-websocket-protocol") > 1) return KITH_E_MALFORMED;
    for (; offered != NULL && *offered != NULL; offered++) {
        if (!kith_slice_is(value, *offered)) continue;
        *out = *offered;
        return KITH_OK;
    }
    return KITH_E_MALFORMED;
}

static kith_err deflate_check(struct http1_headers headers, bool offered, struct ws_deflate_params *out)
{
    struct ws_deflate_offer answer;

    *out = (struct ws_deflate_params){0};
    for (size_t i = 0; i < headers.count; i++) {
        struct kith_slice value = headers.at[i].value;
        kith_err err;

        if (!http1_token_eq(headers.at[i].name, "sec-websocket-extensions")) continue;
        while ((err = ws_extension_next(&value, &answer)) != KITH_E_NOTFOUND) {
            /* Another extension, one that is broken, or ours twice: nothing of that was offered. */
            if (err != KITH_OK || !offered || out->on) return KITH_E_MALFORMED;
            /* A response has to say how many bits (RFC 7692, 7.1.2.2). */
            if (answer.has_client_bits && answer.client_bits == 0) return KITH_E_MALFORMED;
            *out = (struct ws_deflate_params){
                .on = true,
                .server_no_context_takeover = answer.server_no_context_takeover,
                .client_no_context_takeover = true, /* which we offered, and do in any case */
                .server_window_bits = answer.has_server_bits ? answer.server_bits : WINDOW_BITS_MAX,
                .client_window_bits = answer.has_client_bits ? answer.client_bits : WINDOW_BITS_MAX,
                .names_server_bits = answer.has_server_bits,
                .names_client_bits = answer.has_client_bits,
            };
        }
    }
    return KITH_OK;
}

kith_err ws_client_check(const struct http1_response *response, const struct ws_client_config *config,
                         const uint8_t nonce[static 16], struct ws_agreed *out)
{
    struct http1_headers headers = response->headers;
    char key[WS_KEY_LEN + 1], accept[WS_ACCEPT_LEN + 1];
    struct kith_slice value = {0};
    kith_err err;

    *out = (struct ws_agreed){0};
    if (response->status != 101) return KITH_E_DENIED;
    if (!http1_header_get(headers, "upgrade", &value) || !http1_token_eq(value, "websocket")) return KITH_E_MALFORMED;
    if (!http1_header_has_token(headers, "connection", "upgrade")) return KITH_E_MALFORMED;
    key_of(nonce, key);
    ws_accept_compute(kith_slice_str(key), accept);
    if (http1_header_count(headers, "sec-websocket-accept") != 1 ||
        !http1_header_get(headers, "sec-websocket-accept", &value) || !kith_slice_is(value, accept)) {
        return KITH_E_MALFORMED;
    }
    err = subprotocol_check(headers, config->subprotocols, &out->subprotocol);
    if (err == KITH_OK) err = deflate_check(headers, config->deflate, &out->deflate);
    return err;
}
