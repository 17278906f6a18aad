#ifndef KITH_WIRE_HTTP1_WRITER_H
#define KITH_WIRE_HTTP1_WRITER_H

#include "base/buf.h"
#include "wire/http1.h"

/*
 * HTTP/1.1 messages into a kith_buf: begin, header…, one of the ends. Errors are remembered: a call after one does
 * nothing, and the end returns the first and cuts the message off again, so only its result needs a look. Nothing may
 * be consumed from the buffer in between. A writer belongs to one thread.
 *
 * No header can be injected: a name that is no token, or a value with a control character (CR, LF, NUL, ...; a tab is
 * fine), makes the end return KITH_E_MALFORMED. Content-Length and Transfer-Encoding are the ends' to write.
 * Source: RFC 9112, 3, 4, 6.3; RFC 9110, 5.5, 8.6.
 */
struct http1_writer {
    struct kith_buf *buf;
    size_t at; /* length of the buffer at the beginning */
    kith_err err;
    bool without_body; /* 1xx, 204, 304: no Content-Length either */
};

/** "HTTP/1.1 STATUS REASON". */
void http1_response_begin(struct http1_writer *writer, struct kith_buf *buf, unsigned status);
/** "METHOD TARGET HTTP/1.1" and Host. The target is sent as given; a space or control character in it: MALFORMED. */
void http1_request_begin(struct http1_writer *writer, struct kith_buf *buf, enum http1_method method,
                         struct kith_slice target, struct kith_slice host);

void http1_put(struct http1_writer *writer, const char *name, struct kith_slice value);
void http1_put_str(struct http1_writer *writer, const char *name, const char *value);
void http1_put_u64(struct http1_writer *writer, const char *name, uint64_t value);

/** Ends head and message: Content-Length and the body. With 1xx, 204 and 304 the body must be empty. */
KITH_MUST_USE kith_err http1_end(struct http1_writer *writer, struct kith_slice body);
/** Ends the head, with Content-Length; the caller sends body_len bytes after it, or none when it answers a HEAD. */
KITH_MUST_USE kith_err http1_end_head(struct http1_writer *writer, uint64_t body_len);
/** Ends the head of a message without any length: an upgrade, a GET. */
KITH_MUST_USE kith_err http1_end_bare(struct http1_writer *writer);

/** "HTTP/1.1 100 Continue" and the blank line. */
KITH_MUST_USE kith_err http1_continue(struct kith_buf *buf);

#endif
