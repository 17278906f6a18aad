#ifndef KITH_WIRE_STOMP_H
#define KITH_WIRE_STOMP_H

#include "base/buf.h"
#include "wire/utf8.h"

/*
 * STOMP 1.2 frames, for both sides. Pure; a reader or writer belongs to one thread.
 * Source: https://stomp.github.io/stomp-specification-1.2.html, "STOMP Frames" (with Value Encoding, Body, Standard
 * Headers, Repeated Header Entries, Size Limits) and "Augmented BNF".
 */

#define STOMP_HEADERS_MAX     64         /* header lines of a frame, repeated ones counted */
#define STOMP_NAME_BYTES_MAX  256        /* of a header, as received (escaped)             */
#define STOMP_VALUE_BYTES_MAX 8192       /* of a header, as received (escaped)             */
#define STOMP_FRAME_BYTES_TOP (1u << 30) /* no frame_bytes_max may be above it             */

/* Name, and whether the frame may have a body, and whether its headers are escaped (CONNECT and CONNECTED are not). */
#define STOMP_COMMAND_LIST(X)   \
    X(CONNECT, false, false)    \
    X(STOMP, false, true)       \
    X(SEND, true, true)         \
    X(SUBSCRIBE, false, true)   \
    X(UNSUBSCRIBE, false, true) \
    X(ACK, false, true)         \
    X(NACK, false, true)        \
    X(BEGIN, false, true)       \
    X(COMMIT, false, true)      \
    X(ABORT, false, true)       \
    X(DISCONNECT, false, true)  \
    X(CONNECTED, false, false)  \
    X(MESSAGE, true, true)      \
    X(RECEIPT, false, true)     \
    X(ERROR, true, true)

#define STOMP_COMMAND_ENUM(name, has_body, is_escaped) STOMP_##name,
enum stomp_command { STOMP_COMMAND_LIST(STOMP_COMMAND_ENUM) STOMP_COMMAND_COUNT };
#undef STOMP_COMMAND_ENUM

/** "CONNECT", ...: static; for the wire, logs and metrics. */
const char *stomp_command_name(enum stomp_command command);
bool stomp_command_has_body(enum stomp_command command);
/** False for CONNECT and CONNECTED, which stay as they were in STOMP 1.0. */
bool stomp_command_is_escaped(enum stomp_command command);

struct stomp_header {
    struct kith_slice name, value;
};

/** Lent: all slices lie in the bytes given to stomp_next(), as long as the caller leaves those alone. 2 KiB: reuse. */
struct stomp_frame {
    enum stomp_command command;
    unsigned headers_count;
    struct stomp_header headers[STOMP_HEADERS_MAX]; /* in the order received, repeated ones too; unescaped */
    struct kith_slice body;
};

/** 40 bytes, no heap: what is known of a frame that has not come whole. Offsets count from the frame's first byte. */
struct stomp_reader {
    uint32_t frame_bytes_max;
    uint32_t line_at;        /* start of the line that has not come whole       */
    uint32_t scan_at;        /* what is before it was looked at                 */
    uint32_t body_at;        /* 0 while in the head                             */
    uint32_t content_length; /* only with has_length                            */
    struct utf8 utf8;        /* of the header line that has not come whole, as: */
    uint16_t name_len;
    uint16_t headers_count;
    uint16_t err; /* the kith_err that ended it, or 0 */
    uint8_t command;
    bool has_command : 1, has_length : 1, has_escape : 1; /* of the frame */
    bool has_colon : 1, has_cr : 1, in_escape : 1;        /* of the line  */
    const char *reason; /* after KITH_E_MALFORMED or KITH_E_TOOBIG: static, fit for the `message` header of an ERROR */
};

/** frame_bytes_max: a whole frame, from its command to its NUL inclusive; 1..STOMP_FRAME_BYTES_TOP. */
void stomp_reader_init(struct stomp_reader *reader, size_t frame_bytes_max);

/**
 * Takes line ends before a frame (heart-beats), then one frame, from the front of the input.
 *
 * bytes, len  received and not yet used, in one piece. Header values are unescaped in place when the frame is whole.
 *             What is not used must be presented again with more behind it; it may have moved in between.
 * used        always written: bytes done with. With KITH_E_AGAIN these are line ends only, so used > 0 is a heart-beat.
 * out         written to at any time, of meaning only on KITH_OK.
 * Cost        every byte is looked at a fixed number of times, however the input is split; no allocation.
 *
 * KITH_OK           a frame; its NUL is used. Call again for the next
 * KITH_E_AGAIN      no whole frame yet, nothing wrong so far
 * KITH_E_MALFORMED  reader->reason says what; the connection cannot go on
 * KITH_E_TOOBIG     frame above its maximum (as soon as content-length or the bytes so far tell), or a header count,
 *                   name or value above the maxima named here
 * After an error the same error comes again. It comes with the first byte of the head behind which no frame can follow
 * any more, not with the end of its line; in what pieces the bytes came makes no difference.
 *
 * Line ends are LF or CRLF. A raw ":" in a value is taken. The first of repeated headers counts; an escape other than
 * \r \n \c \\ is refused; so is a body on a frame that must not have one, a byte other than NUL after content-length
 * bytes, a NUL or a stray CR in the head, a header without ":", without a name or not in UTF-8.
 */
KITH_MUST_USE kith_err stomp_next(struct stomp_reader *reader, uint8_t *bytes, size_t len, size_t *used,
                                  struct stomp_frame *out);

/** The value of the first header of that name; false, and *value untouched, when there is none. Case matters. */
bool stomp_header(const struct stomp_frame *frame, const char *name, struct kith_slice *value);

/*
 * Encoding: begin, put…, end. Errors are remembered: a put after one does nothing, and stomp_end() returns the first
 * and cuts the frame off again, so only its result needs a look. Nothing may be consumed from the buffer in between.
 *
 *     struct stomp_writer w;
 *     stomp_begin(&w, &conn->out, STOMP_RECEIPT);
 *     stomp_put(&w, "receipt-id", receipt);
 *     stomp_put_u64(&w, "seq", seq);
 *     err = stomp_end(&w, (struct kith_slice){0});
 */
struct stomp_writer {
    struct kith_buf *buf;
    size_t at; /* length of the buffer at the beginning */
    kith_err err;
    uint8_t command;
};

void stomp_begin(struct stomp_writer *writer, struct kith_buf *buf, enum stomp_command command);
/**
 * Name and value are escaped as the command wants it. Values with a NUL (and in CONNECT and CONNECTED, which know no
 * escapes, with CR or LF; names with ":") cannot be said in STOMP: KITH_E_MALFORMED. content-length is stomp_end()'s.
 */
void stomp_put(struct stomp_writer *writer, const char *name, struct kith_slice value);
void stomp_put_str(struct stomp_writer *writer, const char *name, const char *value);
void stomp_put_u64(struct stomp_writer *writer, const char *name, uint64_t value);
/**
 * content-length (always where the command may have a body), the blank line, body and NUL. A body with another command
 * is a wrong call. KITH_OK, KITH_E_TOOBIG and KITH_E_NOMEM of the buffer, or KITH_E_MALFORMED of a put.
 */
KITH_MUST_USE kith_err stomp_end(struct stomp_writer *writer, struct kith_slice body);

/*
 * Fan-out: what is the same for all receivers is encoded once. stomp_block_begin(), put…, stomp_block_end() write
 * header lines only; stomp_put_block() copies such lines into a frame. stomp_end_head() ends the head for a body of
 * body_len bytes that the caller sends from elsewhere, followed by one NUL.
 */
void stomp_block_begin(struct stomp_writer *writer, struct kith_buf *buf);
KITH_MUST_USE kith_err stomp_block_end(struct stomp_writer *writer);
void stomp_put_block(struct stomp_writer *writer, struct kith_slice lines);
KITH_MUST_USE kith_err stomp_end_head(struct stomp_writer *writer, size_t body_len);

#endif
