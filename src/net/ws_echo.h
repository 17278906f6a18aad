#ifndef KITH_NET_WS_ECHO_H
#define KITH_NET_WS_ECHO_H

#include "net/http_server.h"

/**
 * A WebSocket that sends every message back as it came, text as text and binary as binary, made of the same codec as
 * all others: for conformance suites. Never offered without --diagnostics.
 *
 * Messages are put together before they go back, up to WS_ECHO_MESSAGE_BYTES_MAX: 1009 past it. permessage-deflate is
 * agreed on when offered. A page may connect from the same origin only.
 */
#define WS_ECHO_MESSAGE_BYTES_MAX (16 * 1024 * 1024)

/** Answers the exchange, with 101 or why not; the echo looks after itself from then on. */
void ws_echo_upgrade(struct http_exchange *exchange);

#endif
