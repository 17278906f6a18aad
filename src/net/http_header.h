#ifndef KITH_NET_HTTP_HEADER_H
#define KITH_NET_HTTP_HEADER_H

/** For answers of a server and requests of a client. Lists end with a NULL name. */
struct http_header {
    const char *name, *value;
};

#endif
