#ifndef KITH_WIRE_HTTP1_H
#define KITH_WIRE_HTTP1_H

#include "base/slice.h"

/*
 * HTTP/1.1 messages as structs, and questions about them. Reading bytes is http1_reader.h, writing is http1_writer.h.
 * Pure; any thread.  Source: RFC 9110 (5 fields, 9 methods, 15 status codes), RFC 9112 (2 to 7), RFC 3986 (3.3, 3.4).
 */

#define HTTP1_TARGET_BYTES_MAX     8000  /* request target, 414 past it                                   */
#define HTTP1_HEADERS_MAX          64    /* header lines, 431 past it; trailer lines are counted by themselves */
#define HTTP1_HEAD_BYTES_MAX       16384 /* start line and headers with their line ends, 431 past it       */
#define HTTP1_TRAILER_BYTES_MAX    4096  /* the whole trailer section, 431 past it; trailers are checked and dropped */
#define HTTP1_CHUNK_LINE_BYTES_MAX 256   /* chunk size with its extensions, 400 past it; extensions are dropped */

enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_PATCH,
    HTTP1_DELETE,
    HTTP1_OPTIONS,
    HTTP1_TRACE, /* known, so that it is refused as a method, not as a mystery */
};

/** "GET", ...: static. */
const char *http1_method_name(enum http1_method method);

/** The standard reason phrase, "Unknown" for a code we have none for: static. */
const char *http1_status_reason(unsigned status);

struct http1_header {
    struct kith_slice name, value; /* value without white space around it; may be empty */
};

struct http1_headers {
    const struct http1_header *at;
    size_t count;
};

/** Lent by the reader, see http1_reader.h for how long. */
struct http1_request {
    enum http1_method method;
    unsigned minor;           /* HTTP/1.minor: 0 or 1                                                    */
    struct kith_slice target; /* as received                                                             */
    struct kith_slice path;   /* begins with "/" ("*" for OPTIONS *), still percent-encoded              */
    struct kith_slice query;  /* after the first "?", without it; empty when there is none               */
    struct kith_slice host;   /* the Host header (same as in an absolute target); empty only in HTTP/1.0 */
    struct http1_headers headers;
    struct kith_slice body; /* whole, transfer coding removed; empty while streaming and before HTTP1_EVENT_DONE */
    bool has_length;        /* Content-Length was given                                                */
    uint64_t content_length;
    bool keep_alive;       /* the connection may go on after the answer                               */
    bool expects_continue; /* the body comes after a 100 (Continue), or at once when the client is impatient */
    bool upgrade;          /* names an Upgrade and has no body: the bytes after the head may be another protocol */
};

struct http1_response {
    unsigned status; /* 200..599, or 101 */
    unsigned minor;
    struct http1_headers headers;
    struct kith_slice body;
    bool keep_alive;
    bool upgrade; /* 101: the bytes after the head are another protocol */
};

/** The first value of a header, its name compared without case; false, and *value untouched, when there is none. */
bool http1_header_get(struct http1_headers headers, const char *name, struct kith_slice *value);
/** How often it occurs. */
size_t http1_header_count(struct http1_headers headers, const char *name);
/** True when a comma-separated list, over all headers of that name, holds `token`; without case. */
bool http1_header_has_token(struct http1_headers headers, const char *name, const char *token);

/**
 * Takes the next element of a comma-separated list off the front, without white space around it; empty ones are
 * skipped, commas inside quoted strings do not separate (RFC 9110, 5.6.1 and 5.6.4). False at the end.
 */
bool http1_list_next(struct kith_slice *list, struct kith_slice *element);

/** ASCII letters alike in either case, other bytes equal. */
bool http1_text_eq(struct kith_slice a, struct kith_slice b);
bool http1_token_eq(struct kith_slice text, const char *token);

/**
 * Takes the next segment off a path: "/chats/7f/members" gives "chats", "7f", "members". Still percent-encoded. Empty
 * segments in the middle are given as such, one at the end ("/chats/") is not.
 */
bool http1_path_next(struct kith_slice *path, struct kith_slice *segment);

/** Takes the next name and value off a query ("&" between, first "=" splits). Still percent-encoded. */
bool http1_query_next(struct kith_slice *query, struct kith_slice *name, struct kith_slice *value);

/**
 * The value of a query parameter (its name compared as written), still percent-encoded. KITH_E_NOTFOUND when there is
 * none, KITH_E_MALFORMED when there are two.
 */
KITH_MUST_USE kith_err http1_query_get(struct kith_slice query, const char *name, struct kith_slice *value);

enum http1_decode {
    HTTP1_DECODE_SEGMENT, /* of a path: a decoded "/" is refused, and "." and ".." */
    HTTP1_DECODE_QUERY,   /* of a query: "+" is a space                            */
};

/**
 * Removes percent-encoding, strictly: the result is valid UTF-8 without control characters (U+0000..U+001F, U+007F).
 * Gives: *len bytes in out[0..out_max), no NUL after them.
 *
 * KITH_E_MALFORMED  "%" without two hexadecimal digits, or a result that is not as above
 * KITH_E_TOOBIG     more than out_max bytes
 * Source: RFC 3986, 2.1.
 */
KITH_MUST_USE kith_err http1_percent_decode(enum http1_decode how, struct kith_slice in, char *out, size_t out_max,
                                            size_t *len);

#endif
