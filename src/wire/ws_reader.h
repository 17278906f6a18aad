#ifndef KITH_WIRE_WS_READER_H
#define KITH_WIRE_WS_READER_H

#include "wire/utf8.h"
#include "wire/ws_head.h"

/*
 * Bytes of one side of a WebSocket connection to events. Sans I/O: the caller owns the input and asks for the next
 * event until KITH_E_AGAIN. Data is delivered as it arrives, a message is a stream of chunks; control frames come
 * between them. A reader and the ws_scratch it shares belong to one thread.
 * Source: RFC 6455, 5 framing, 6.2 receiving, 7 closing, 8.1 UTF-8; RFC 7692, 7.2.2 inflating.
 */

#define WS_SCRATCH_BYTES_MIN 1024       /* smaller would cost a call of inflate() for every few bytes      */
#define WS_EMPTY_FRAMES_MAX  1024       /* data frames without payload in one message: work without a text */
#define WS_MESSAGE_BYTES_TOP (1u << 30) /* no message_bytes_max may be above it                          */

enum ws_close_code {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL = 1002,
    WS_CLOSE_UNSUPPORTED = 1003,
    WS_CLOSE_NO_STATUS = 1005, /* never on the wire: a close frame without a code */
    WS_CLOSE_ABNORMAL = 1006,  /* never on the wire: no close frame was seen      */
    WS_CLOSE_BAD_DATA = 1007,
    WS_CLOSE_POLICY = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_INTERNAL = 1011,
    WS_CLOSE_RESTART = 1012,
    WS_CLOSE_TRY_LATER = 1013,
};

struct ws_inflater;

/**
 * What all readers of one thread share: the memory that inflated bytes are lent from, and one idle inflater, so that
 * neither is held by a connection. Outlives its readers.
 */
struct ws_scratch {
    uint8_t *bytes; /* the caller's */
    size_t bytes_len;
    struct ws_inflater *idle; /* ours: at most one, NULL until a compressed message has ended */
};

/** `bytes` is the caller's until ws_scratch_deinit(); at least WS_SCRATCH_BYTES_MIN. 16 KiB is a good size. */
void ws_scratch_init(struct ws_scratch *scratch, uint8_t *bytes, size_t bytes_len);
void ws_scratch_deinit(struct ws_scratch *scratch);

/** What permessage-deflate was agreed on for the direction this side reads; see ws_handshake.h. */
struct ws_inflate_params {
    bool on;
    bool context_takeover; /* the peer may refer to earlier messages: an inflater (40 KiB) is kept while idle */
    uint8_t window_bits;   /* 8..15: the most that the peer's compressor uses */
};

enum ws_event_kind {
    WS_EVENT_DATA, /* the next bytes of a text or binary message */
    WS_EVENT_PING, /* answer with a pong of the same payload     */
    WS_EVENT_PONG,
    WS_EVENT_CLOSE, /* the last event; answer with a close frame unless one was sent, then close */
};

struct ws_event {
    enum ws_event_kind kind;
    /* DATA: the chunk, may be empty on `final`. PING, PONG: payload, at most 125 bytes. CLOSE: the reason, valid UTF-8.
     * Lent: inside the caller's `bytes`, or in the scratch until the next call of any reader that shares it. */
    struct kith_slice bytes;
    bool first;    /* DATA: opens a message                             */
    bool final;    /* DATA: nothing of this message follows             */
    bool is_text;  /* DATA: checked UTF-8 up to here                    */
    uint16_t code; /* CLOSE: WS_CLOSE_NO_STATUS when the frame had none */
};

/** 64 bytes; no heap but during a compressed message, or with context takeover since the first one. */
struct ws_reader {
    struct ws_scratch *scratch;
    struct ws_inflater *inflater;
    uint64_t frame_left;        /* payload bytes of the current data frame not yet taken   */
    uint32_t message_bytes_max; /* after inflating                                         */
    uint32_t message_bytes;     /* delivered of the current message                        */
    uint32_t wire_bytes;        /* payload bytes of the current compressed message         */
    uint32_t clear_len;         /* bytes at the front of the input that are unmasked already */
    struct utf8 utf8;
    uint8_t mask[4];
    uint16_t close_code; /* after an error: what to close with */
    uint16_t empty_frames;
    uint8_t mask_phase;
    uint8_t state;
    uint8_t role;
    uint8_t window_bits; /* 0: no permessage-deflate */
    bool context_takeover : 1, in_message : 1, at_first : 1, is_text : 1, compressed : 1, frame_fin : 1;
    bool output_full : 1; /* the inflater may have more to say without input */
};

/**
 * scratch            lent for the reader's life; may be NULL when `deflate` is NULL or off.
 * message_bytes_max  1..WS_MESSAGE_BYTES_TOP, counted after inflating. A compressed message may besides take at most a
 *                    quarter more than that (and 256) on the wire.
 */
void ws_reader_init(struct ws_reader *reader, enum ws_role role, uint32_t message_bytes_max,
                    const struct ws_inflate_params *deflate, struct ws_scratch *scratch);
void ws_reader_deinit(struct ws_reader *reader);

/**
 * Takes bytes from the front of the input until one event is there.
 *
 * bytes, len  received and not yet used. Payload is unmasked in place, so what is not used must be presented again
 *             unchanged (it may move), with more behind it.  len 0 is fine: an inflater may hold more output.
 * used        always written: the bytes that are done with; the event's slice may lie inside them.
 * out         written only on KITH_OK.
 *
 * KITH_OK           an event; call again, even when all input is used
 * KITH_E_AGAIN      nothing more without more input. At most WS_HEAD_BYTES_MAX + WS_CONTROL_BYTES_MAX bytes stay unused
 * KITH_E_MALFORMED  the peer broke the protocol: reader->close_code is 1002, or 1007 for bytes that are no UTF-8 or no
 *                   deflate stream. Reported by the first byte that shows it, compressed or not
 * KITH_E_TOOBIG     message above its maximum (close_code 1009, already by the length in the header) or more than
 *                   WS_EMPTY_FRAMES_MAX empty frames in it (1008)
 * KITH_E_NOMEM      no memory to inflate (1011)
 * KITH_E_CLOSED     an error or WS_EVENT_CLOSE came before; what follows is not read
 */
KITH_MUST_USE kith_err ws_reader_next(struct ws_reader *reader, uint8_t *bytes, size_t len, size_t *used,
                                      struct ws_event *out);

/** True between two messages with no frame begun: no heap held, unless by context takeover. */
bool ws_reader_is_idle(const struct ws_reader *reader);

#endif
