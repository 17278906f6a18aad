#ifndef KITH_WIRE_HTTP1_READER_H
#define KITH_WIRE_HTTP1_READER_H

#include "wire/http1.h"

/*
 * Bytes of an HTTP/1.1 connection to messages, on llhttp in strict mode behind checks of our own. Sans I/O, pull style:
 * the caller owns the input, which may hold several messages, and asks for events. A reader belongs to one thread.
 *
 * Per message: HTTP1_EVENT_HEAD; with a streamed body HTTP1_EVENT_BODY as often as bytes come; HTTP1_EVENT_DONE.
 *
 * Memory: none between messages. While one is read about 3 KiB, and its head, and its body when that is gathered.
 * Source: RFC 9112, 2.2 line ends, 3 request line and targets, 5 fields, 6 and 7 body length and chunks, 9 connections,
 * 11 smuggling; RFC 9110, 7.2 Host, 7.8 Upgrade, 10.1.1 Expect.
 */

enum http1_event {
    HTTP1_EVENT_HEAD, /* the head is whole and checked: route, limit or stream the body, write the 100 (Continue) */
    HTTP1_EVENT_BODY, /* streamed: the next bytes of the body, in http1_reader_chunk()                            */
    HTTP1_EVENT_DONE, /* the message is whole                                                                     */
};

struct http1_reading;

struct http1_reader {
    struct http1_reading *reading; /* NULL between messages */
    uint64_t body_bytes_max;       /* for each message, unless http1_reader_limit_body() says otherwise */
    bool is_client;
    bool head_request; /* client: the answer has no body whatever its headers say */
    bool closed;       /* an error, or a message after which no other may come    */
    bool cr_seen;      /* server: the first half of an empty line before a request */
    uint16_t status;   /* after an error                                          */
    const char *reason;
};

/** A server's reader of requests. body_bytes_max bounds a body (413 past it). */
void http1_reader_init_server(struct http1_reader *reader, uint64_t body_bytes_max);
/** A client's reader of responses. */
void http1_reader_init_client(struct http1_reader *reader, uint64_t body_bytes_max);
void http1_reader_deinit(struct http1_reader *reader);

/** Frees what the last message was lent from. Call it when the answer is written: idle connections have no heap. */
void http1_reader_release(struct http1_reader *reader);

/**
 * Takes bytes from the front of the input until one event is there.
 *
 * in    received and not yet used; only read. Empty is fine.
 * used  always written; bytes done with. After HTTP1_EVENT_DONE the rest of the input is the next message, or, with
 *       `upgrade` taken up, the other protocol.
 *
 * KITH_OK             *event. After HTTP1_EVENT_HEAD call again even without new input
 * KITH_E_AGAIN        more bytes are needed; all of `in` is used
 * KITH_E_MALFORMED, KITH_E_TOOBIG, KITH_E_UNSUPPORTED
 *                     server: answer with reader->status (400, 413, 414, 417, 431, 501 or 505) and reader->reason (a
 *                     static text for people), then close: where the next request begins is not known.  client: close
 * KITH_E_NOMEM        503, close
 * KITH_E_CLOSED       an error or the last message of the connection came before; nothing is used
 */
KITH_MUST_USE kith_err http1_reader_next(struct http1_reader *reader, struct kith_slice in, size_t *used,
                                         enum http1_event *event);

/*
 * What was read. Lent from HTTP1_EVENT_HEAD until the next message begins (the first http1_reader_next() after
 * HTTP1_EVENT_DONE), http1_reader_release() or _deinit(). `body` has its value with HTTP1_EVENT_DONE.
 */
const struct http1_request *http1_reader_request(const struct http1_reader *reader);
const struct http1_response *http1_reader_response(const struct http1_reader *reader);

/**
 * Between HTTP1_EVENT_HEAD and the call after it: another maximum for this body. KITH_E_TOOBIG (413) when the head
 * already announces more; the reader is then in error as if http1_reader_next() had said so.
 */
KITH_MUST_USE kith_err http1_reader_limit_body(struct http1_reader *reader, uint64_t body_bytes_max);
/** Between HTTP1_EVENT_HEAD and the call after it: hand the body out as HTTP1_EVENT_BODY events, do not gather it. */
void http1_reader_stream_body(struct http1_reader *reader);
/** With HTTP1_EVENT_BODY: the bytes, inside the input of that call. */
struct kith_slice http1_reader_chunk(const struct http1_reader *reader);

/** Client: says, before its answer comes, that the request was a HEAD. For one message. */
void http1_reader_expect_no_body(struct http1_reader *reader);
/**
 * Client: the server closed the connection. KITH_OK with HTTP1_EVENT_DONE when that ends a body without length,
 * KITH_E_CLOSED between messages, KITH_E_MALFORMED inside one.
 */
KITH_MUST_USE kith_err http1_reader_eof(struct http1_reader *reader, enum http1_event *event);

/** True when no byte of a message has come: what a server may close without an answer. */
bool http1_reader_is_idle(const struct http1_reader *reader);

#endif
