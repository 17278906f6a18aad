#ifndef KITH_WIRE_HTTP1_HEAD_H
#define KITH_WIRE_HTTP1_HEAD_H

#include "wire/http1.h"

/*
 * The checks of http1_reader.c on the head of a message, on its raw bytes: llhttp, behind them, is a second reader of
 * the same rules, and alone would pass over some (two spaces in a request line, LF before it, HTTP/0.9, RTSP).
 * Source: RFC 9112, 2.2, 3, 5, 6.1 to 6.3; RFC 9110, 5.5, 5.6.2, 7.2, 10.1.1.
 */

/* Why a message is refused: error, status, text. The one place where they are said. */
#define HTTP1_REFUSAL_LIST(X)                                                                    \
    X(BARE_LF, MALFORMED, 400, "a line ends without CR")                                         \
    X(BARE_CR, MALFORMED, 400, "CR inside a line")                                               \
    X(BAD_START, MALFORMED, 400, "the start line is broken")                                     \
    X(BAD_TARGET, MALFORMED, 400, "the request target is broken")                                \
    X(BAD_METHOD, UNSUPPORTED, 501, "this method is not implemented")                            \
    X(BAD_VERSION, UNSUPPORTED, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here")               \
    X(TARGET_TOO_LONG, TOOBIG, 414, "the request target is too long")                            \
    X(HEAD_TOO_BIG, TOOBIG, 431, "the head is too big")                                          \
    X(TOO_MANY_HEADERS, TOOBIG, 431, "too many headers")                                         \
    X(FOLDED, MALFORMED, 400, "a header is folded over lines")                                   \
    X(BAD_HEADER_NAME, MALFORMED, 400, "a header name is broken")                                \
    X(BAD_HEADER_VALUE, MALFORMED, 400, "control character in a header value")                   \
    X(BAD_HOST, MALFORMED, 400, "Host is missing, repeated or broken")                           \
    X(HOST_MISMATCH, MALFORMED, 400, "Host and request target differ")                           \
    X(BAD_LENGTH, MALFORMED, 400, "Content-Length is broken or repeated")                        \
    X(TWO_LENGTHS, MALFORMED, 400, "both Content-Length and Transfer-Encoding")                  \
    X(BAD_CODING, MALFORMED, 400, "Transfer-Encoding is repeated, or chunked is not last in it") \
    X(OTHER_CODING, UNSUPPORTED, 501, "only the transfer coding chunked is known")               \
    X(BAD_EXPECT, UNSUPPORTED, 417, "only 100-continue can be expected")                         \
    X(BAD_HEAD, MALFORMED, 400, "the head is broken")                                            \
    X(BODY_TOO_BIG, TOOBIG, 413, "the body is too big")                                          \
    X(BAD_CHUNK, MALFORMED, 400, "the chunked body is broken")                                   \
    X(CHUNK_LINE_TOO_LONG, MALFORMED, 400, "a chunk size line is too long")                      \
    X(TRAILERS_TOO_BIG, TOOBIG, 431, "the trailers are too big")                                 \
    X(CUT_SHORT, MALFORMED, 400, "the connection ended inside a message")                        \
    X(NO_MEMORY, NOMEM, 503, "no memory to read the message")

#define HTTP1_REFUSAL_ENUM(name, err, status, text) HTTP1_REFUSE_##name,
enum http1_refusal { HTTP1_FINE = 0, HTTP1_REFUSAL_LIST(HTTP1_REFUSAL_ENUM) };
#undef HTTP1_REFUSAL_ENUM

/** A token (RFC 9110, 5.6.2): not empty. */
bool http1_is_token(struct kith_slice text);
/** No control characters but tabs: what a header's value, or a reason phrase, may hold. */
bool http1_is_value(struct kith_slice text);

/** One line with its LF, as received: ends in CRLF, no other CR. */
enum http1_refusal http1_line_check(struct kith_slice line);

/** A request line without its CRLF: method, minor, target (its form is checked by http1_request_check()). */
enum http1_refusal http1_request_line(struct kith_slice line, struct http1_request *out);
/** A status line without its CRLF: status, minor. */
enum http1_refusal http1_status_line(struct kith_slice line, struct http1_response *out);
/** A header line without its CRLF. */
enum http1_refusal http1_header_line(struct kith_slice line, struct http1_header *out);

/** How the body is framed and whether the connection goes on; what both kinds of message share. */
struct http1_framing {
    bool has_length, chunked, keep_alive;
    uint64_t content_length;
};
enum http1_refusal http1_framing_check(struct http1_headers headers, unsigned minor, struct http1_framing *out);

/** The rest of a request: Host, the form of the target, Expect, Upgrade. `out` has its line and headers. */
enum http1_refusal http1_request_check(struct http1_request *out, const struct http1_framing *framing);

#endif
