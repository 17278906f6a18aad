#ifndef KITH_TESTS_WEB_FIXTURE_H
#define KITH_TESTS_WEB_FIXTURE_H

#include "net/http_server.h"
#include "net_peer.h"

/*
 * An HTTP server in the test's own loop. It answers with what it was asked, but: "/later" and "/later-or-never" are kept for
 * the test to answer (the latter with an abort callback), "/big" is 16 MiB, "/none" a 204, "/evil" tries to inject a
 * header, "/peer" says who asks.
 */
#define WEB_KEPT_MAX 8

struct web {
    struct http_server_config config; /* the test may change it before it first connects */
    struct http_server *server;       /* opened by web_connect() */
    struct http_exchange *kept[WEB_KEPT_MAX];
    size_t kept_count;
    unsigned aborts;
    bool server_closed;
};
extern struct web web;

int web_setup(void **state);
int web_teardown(void **state);
struct peer web_connect(void);
void web_answer(struct http_exchange *exchange, const char *text);
/* For http_server_close(): sets web.server_closed. */
void web_closed(void *arg);
struct http_server_stats web_stats(void);

#endif
