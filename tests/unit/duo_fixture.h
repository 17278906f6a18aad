#ifndef KITH_TESTS_DUO_FIXTURE_H
#define KITH_TESTS_DUO_FIXTURE_H

#include "net/http_server.h"
#include "net_peer.h"

/*
 * A WebSocket between a session on our side and a raw peer, both in the test's loop. "/ws" becomes duo.session, "/echo" the
 * echo of ws_echo.h.
 */
#define DUO_MESSAGE_BYTES_MAX (1024 * 1024)

struct duo_session {
    struct conn_user user;
    struct conn *conn;
    struct kith_buf got;
    unsigned calls, drained;
    bool pause_next, close_next; /* when bytes come next */
    bool is_closed;
    enum conn_closed why;
};

struct duo {
    struct http_server_config config; /* the test may change it before it first dials */
    struct http_server *server;       /* opened by duo_dial() */
    struct duo_session session;
    kith_err upgraded; /* what http_upgrade() said last */
    bool server_closed;
};
extern struct duo duo;

int duo_setup(void **state);
int duo_teardown(void **state);
struct peer duo_dial(void);
/* With the handshake done on "/ws". */
struct peer duo_dial_ws(void);
void duo_wait_got(size_t len);
/* Waits for exactly this text. */
void duo_assert_got(const char *text);
void duo_assert_closed(enum conn_closed why);
uint64_t duo_bytes_used(void);
/* For http_server_close(): sets duo.server_closed. */
void duo_server_closed(void *arg);

#endif
