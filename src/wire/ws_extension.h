#ifndef KITH_WIRE_WS_EXTENSION_H
#define KITH_WIRE_WS_EXTENSION_H

#include "wire/ws_handshake.h"

/*
 * Sec-WebSocket-Extensions for ws_handshake.c: its grammar, and permessage-deflate's parameters.
 * Source: RFC 6455, 9.1; RFC 7692, 7.1.
 */

/** permessage-deflate with its parameters, as one offer or one response says it. */
struct ws_deflate_offer {
    bool server_no_context_takeover, client_no_context_takeover;
    bool has_server_bits, has_client_bits; /* the parameter is there                                     */
    uint8_t server_bits;                   /* 8..15                                                      */
    uint8_t client_bits;                   /* 8..15, or 0: named without a value, which an offer may do  */
};

/**
 * Takes the next extension off the front of a header's value.
 *
 * KITH_OK           permessage-deflate with good parameters: *out
 * KITH_E_DENIED     another extension, or an unknown, repeated or invalid parameter: pass it over
 * KITH_E_NOTFOUND   the end
 * KITH_E_MALFORMED  the header breaks its grammar: fail the handshake
 */
KITH_MUST_USE kith_err ws_extension_next(struct kith_slice *value, struct ws_deflate_offer *out);

#endif
