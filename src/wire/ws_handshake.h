#ifndef KITH_WIRE_WS_HANDSHAKE_H
#define KITH_WIRE_WS_HANDSHAKE_H

#include "wire/http1.h"
#include "wire/http1_writer.h"
#include "wire/ws_reader.h"

/*
 * The opening handshake over HTTP/1.1, both sides. Pure; any thread. Requests and responses are lent for the call.
 * Source: RFC 6455, 4.1 client, 4.2 server, 10.2 Origin; RFC 7692, 5 and 7.1 negotiation; RFC 6454, 6.2 (Origin).
 */

#define WS_ACCEPT_LEN       28 /* base64 of a SHA-1       */
#define WS_KEY_LEN          24 /* base64 of 16 bytes      */
#define WS_SUBPROTOCOLS_MAX 16 /* offered by a client; more: 400 */

/** permessage-deflate as agreed; `on` false: not agreed. Both sides read it from the server's point of view. */
struct ws_deflate_params {
    bool on;
    bool server_no_context_takeover, client_no_context_takeover;
    uint8_t server_window_bits, client_window_bits; /* 8..15                                      */
    bool names_server_bits, names_client_bits;      /* whether the response has these parameters */
};

/** What the server is ready for. */
struct ws_server_config {
    const char *const *subprotocols; /* in our order of preference, ended by NULL; may be NULL */
    bool deflate;                    /* agree on permessage-deflate when a client offers it    */
    uint8_t client_window_bits_max;  /* ask clients that can to keep to this window: 8..15, 15 asks nothing */
    bool client_may_take_over;       /* false: client_no_context_takeover is always asked for (our default)  */
};

struct ws_accept {
    char accept[WS_ACCEPT_LEN + 1];
    const char *subprotocol; /* one of the config's, or NULL: answer none */
    struct ws_deflate_params deflate;
};

/**
 * Server: is this request a good WebSocket handshake, and what do we agree on? Asks nothing about Origin or who it is.
 *
 * KITH_OK             *out; answer with ws_accept_write()
 * KITH_E_UNSUPPORTED  another Sec-WebSocket-Version, or none: ws_refuse_version_write() (426)
 * KITH_E_MALFORMED    no GET, not HTTP/1.1, a body, Upgrade without "websocket", Connection without "upgrade", a key
 *                     that is not the base64 of 16 bytes, a header repeated that may occur once, a broken subprotocol
 *                     or extension list: 400, *reason is a static text
 * An offer of permessage-deflate with an unknown, repeated or invalid parameter is passed over, and the next one tried.
 * Subprotocols: the first of ours that is offered; offered but none of ours, or not offered: NULL.
 */
KITH_MUST_USE kith_err ws_accept_check(const struct http1_request *request, const struct ws_server_config *config,
                                       struct ws_accept *out, const char **reason);

/** True when a request wants to become a WebSocket ("Upgrade: websocket"), well formed or not: for routing. */
bool ws_is_upgrade(const struct http1_request *request);

/** The 101 response. Errors of the buffer; then it is unchanged. */
KITH_MUST_USE kith_err ws_accept_write(const struct ws_accept *accept, struct kith_buf *out);
/** The 426 response with Sec-WebSocket-Version: 13. */
KITH_MUST_USE kith_err ws_refuse_version_write(struct kith_buf *out);

/**
 * Server: may this Origin open a connection?  Pages of foreign sites can make a browser connect with the visitor's
 * credentials; only the browser's Origin tells them apart, so a program (no Origin at all) passes.
 *
 * allowed    "http[s]://host[:port]" each, ended by NULL, and then only these; NULL: the same origin.
 * is_secure  whether the visitor's connection is TLS (with a proxy: what the proxy says), which makes the scheme of the
 *            same origin.
 *
 * KITH_OK when there is no Origin, or its scheme, host (without case) and port (80, 443 by default) equal those of one
 * allowed, or of the Host header where there is no list. KITH_E_DENIED (403) for everything else: "null", two of them,
 * userinfo, a path, bytes that are not ASCII.
 */
KITH_MUST_USE kith_err ws_origin_check(const struct http1_request *request, bool is_secure, const char *const *allowed);

/** Our reader's share of what was agreed. */
struct ws_inflate_params ws_inflate_params_of(const struct ws_deflate_params *deflate, enum ws_role role);
/** Our writer's share: window bits for ws_write_deflated(), or 0 when nothing was agreed. */
unsigned ws_deflate_bits_of(const struct ws_deflate_params *deflate, enum ws_role role);

/** What a client asks for. */
struct ws_client_config {
    struct kith_slice target, host;
    const char *const *subprotocols; /* ended by NULL; may be NULL           */
    const char *origin;              /* NULL: none                           */
    struct kith_slice authorization; /* value of Authorization; empty: none */
    bool deflate;                    /* offers permessage-deflate, without context takeover either way */
};

/** Client: the handshake request. nonce: 16 random bytes, new for each connection; keep it for ws_client_check(). */
KITH_MUST_USE kith_err ws_client_write(const struct ws_client_config *config, const uint8_t nonce[static 16],
                                       struct kith_buf *out);

struct ws_agreed {
    const char *subprotocol; /* one of those offered, or NULL */
    struct ws_deflate_params deflate;
};

/**
 * Client: does the response open the WebSocket?
 *
 * KITH_OK           *out
 * KITH_E_DENIED     another status than 101: read the response as HTTP
 * KITH_E_MALFORMED  101, but Upgrade, Connection or Sec-WebSocket-Accept wrong, or a subprotocol, extension or
 *                   parameter that was not offered: close
 */
KITH_MUST_USE kith_err ws_client_check(const struct http1_response *response, const struct ws_client_config *config,
                                       const uint8_t nonce[static 16], struct ws_agreed *out);

/** Sec-WebSocket-Accept for a key, as text with a NUL. */
void ws_accept_compute(struct kith_slice key, char out[static WS_ACCEPT_LEN + 1]);

#endif
