#ifndef KITH_WIRE_HTTP1_BODY_H
#define KITH_WIRE_HTTP1_BODY_H

#include <llhttp.h>

#include "base/buf.h"
#include "wire/http1_head.h"

/*
 * The part of http1_reader.c that llhttp does: it reads the head a second time, then the body. What it does not bound
 * is bounded here: size lines, trailers, the body itself.
 * Source: RFC 9112, 6 and 7.
 */
struct http1_body {
    llhttp_t parser;
    struct kith_buf gathered; /* the body, unless streaming                                      */
    uint64_t bytes_max, bytes;
    uint64_t chunk_left;               /* data bytes of the current chunk still to come               */
    size_t line_bytes, line_bytes_max; /* of a chunk's size line or the trailers: seen, and how many may be */
    bool chunked, in_trailers;
    bool at_chunk;              /* a size line was just read                                   */
    bool skip;                  /* client: no body, whatever the headers say                   */
    bool streaming;             /* stop after each piece                                       */
    bool complete;              /* the end was seen                                            */
    enum http1_refusal refusal; /* set inside a callback                                       */
    struct kith_slice piece;    /* from the last http1_body_feed(), inside its input           */
};

/** Holds its address (llhttp): do not move it afterwards. */
void http1_body_init(struct http1_body *body, bool is_client, bool skip);
void http1_body_deinit(struct http1_body *body);

/** The whole head; llhttp has to agree with our own reading of how the body is framed. */
enum http1_refusal http1_body_head(struct http1_body *body, struct kith_slice head,
                                   const struct http1_framing *framing);

/** Runs over input until it is used up, the end was seen, or, streaming, there is a piece. */
enum http1_refusal http1_body_feed(struct http1_body *body, struct kith_slice in, size_t *used);

/** The connection has ended: completes a body that ends with it. */
void http1_body_eof(struct http1_body *body);

/** True when the end of the connection is the end of this body. */
bool http1_body_needs_eof(const struct http1_body *body);

#endif
