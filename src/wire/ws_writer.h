#ifndef KITH_WIRE_WS_WRITER_H
#define KITH_WIRE_WS_WRITER_H

#include "base/buf.h"
#include "wire/ws_head.h"

/*
 * Frames into a kith_buf. `mask` is NULL for a server and four unpredictable bytes, new for each frame, for a client
 * (RFC 6455, 5.3). Payloads are lent for the call. All functions: KITH_E_TOOBIG past the buffer's maximum,
 * KITH_E_NOMEM; on error the buffer is unchanged. A buffer and a deflater belong to one thread.
 * Source: RFC 6455, 5 and 7.1; RFC 7692, 7.2.1.
 */

/** One frame. A message in fragments: first WS_TEXT or WS_BINARY, then WS_CONTINUATION, `fin` on the last. */
KITH_MUST_USE kith_err ws_write_frame(struct kith_buf *out, enum ws_opcode opcode, bool fin, struct kith_slice payload,
                                      const uint8_t *mask);

/** A whole message, or a ping or pong, in one frame. */
static inline KITH_MUST_USE kith_err ws_write(struct kith_buf *out, enum ws_opcode opcode, struct kith_slice payload,
                                              const uint8_t *mask)
{
    return ws_write_frame(out, opcode, true, payload, mask);
}

/**
 * A close frame. code: a valid one, or 0 for a frame without code and reason. The reason is UTF-8 and is cut at a
 * character to the 123 bytes there are. Nothing may be written after it.
 */
KITH_MUST_USE kith_err ws_write_close(struct kith_buf *out, unsigned code, struct kith_slice reason,
                                      const uint8_t *mask);

/**
 * A compressor that the connections of one thread take turns with, a message each, so that none of them holds a window
 * (we never take a context over, whatever was agreed). Memory: up to 180 KiB for each window size in use.
 */
struct ws_deflater;
/** level 1..9. Gives: *out, freed with ws_deflater_free(); NULL on KITH_E_NOMEM. */
KITH_MUST_USE kith_err ws_deflater_new(int level, struct ws_deflater **out);
void ws_deflater_free(struct ws_deflater *deflater);

/**
 * A whole text or binary message, compressed; sent plain where that is not longer. Only with permessage-deflate agreed.
 * window_bits 8..15: what was agreed for our direction.
 */
KITH_MUST_USE kith_err ws_write_deflated(struct kith_buf *out, struct ws_deflater *deflater, unsigned window_bits,
                                         enum ws_opcode opcode, struct kith_slice payload, const uint8_t *mask);

#endif
