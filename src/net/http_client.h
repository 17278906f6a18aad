#ifndef KITH_NET_HTTP_CLIENT_H
#define KITH_NET_HTTP_CLIENT_H

#include "net/http_header.h"
#include "net/net_address.h"
#include "net/net_shared.h"
#include "net/tls_context.h"
#include "wire/http1.h"

struct http_kept;

/**
 * One HTTP/1.1 request and its answer, over a connection of its own or one that is kept: for the command line and the load
 * generator. Asynchronous, name resolution included. No redirects, no cookies.
 */
struct http_call_result {
    kith_err
        err; /* KITH_OK: there is an answer, whatever its status. Else as dial.h says, or KITH_E_MALFORMED, _TOOBIG */
    const char *reason;                    /* for people, when not KITH_OK */
    const struct http1_response *response; /* lent for the call */
};

struct http_call_config {
    struct net_shared *net;  /* lent until the end of the call */
    struct tls_context *tls; /* a client's, for https; lent as well */
    enum http1_method method;
    const char *url; /* http:// or https:// */
    const struct http_header
        *headers;             /* ends with a NULL name; may be NULL. Host and Content-Length are written here */
    const char *content_type; /* NULL: none */
    struct kith_slice body;
    uint64_t body_bytes_max;          /* of the answer */
    uint32_t timeout_ms;              /* for everything together */
    const struct net_address *source; /* dial.h */
    struct http_kept *kept;           /* NULL: a connection of its own; else lent until the end of the call */
    /* On the loop, once, never inside http_call_start(); the call is gone when it returns. */
    void (*done)(void *arg, const struct http_call_result *result);
    void *arg;
};

struct http_call;

/** Everything but net and tls is copied. KITH_E_MALFORMED: the URL, or a header that cannot be sent. KITH_E_NOMEM. */
KITH_MUST_USE kith_err http_call_start(const struct http_call_config *config, struct http_call **out);
/** Before `done` has run; it will not. NULL is fine. */
void http_call_cancel(struct http_call *call);

#endif
