#ifndef KITH_WIRE_WS_HEAD_H
#define KITH_WIRE_WS_HEAD_H

#include "base/slice.h"

/*
 * The header of one WebSocket frame, and masking. Pure; any thread.
 * Source: RFC 6455, 5.1 and 5.3 masking, 5.2 layout, 5.4 fragments, 5.5 control frames; RFC 7692, 6 (RSV1).
 */

#define WS_HEAD_BYTES_MAX    14  /* 2, and 8 of length, and 4 of mask */
#define WS_CONTROL_BYTES_MAX 125 /* payload of a control frame        */

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xa,
};

static inline bool ws_opcode_is_control(enum ws_opcode opcode)
{
    return (opcode & 0x8) != 0;
}

/** Which side we are. A server reads masked frames and writes unmasked ones, a client the other way round. */
enum ws_role { WS_SERVER, WS_CLIENT };

struct ws_head {
    uint64_t payload_len; /* below 2^63 */
    enum ws_opcode opcode;
    bool fin;
    bool rsv1; /* compressed; only on WS_TEXT and WS_BINARY, and whether it was negotiated is the reader's to check */
    bool masked;
    uint8_t mask[4]; /* written only when masked */
};

/**
 * Decode one frame header, as received by `role`, from the front of `in`.
 *
 * in     bytes received so far, any length; not kept.      out   written only on KITH_OK.
 * used   header size in bytes, 2..14; payload follows.     Cost  O(1); no allocation.
 *
 * KITH_OK           header whole; the payload may still be short
 * KITH_E_AGAIN      too few bytes, none of them wrong: call again with the same start and more
 * KITH_E_MALFORMED  RSV2, RSV3, reserved opcode, RSV1 on a control or continuation frame, mask bit not as `role` must
 *                   see it, length not minimal or above 2^63-1, control frame fragmented or above 125 bytes: close
 *                   1002. Reported by the first byte that shows it.
 */
KITH_MUST_USE kith_err ws_head_decode(enum ws_role role, struct kith_slice in, struct ws_head *out, size_t *used);

/**
 * Writes the header in its minimal form; returns its size in bytes, 2..14. A head that ws_head_decode() would refuse
 * (but for the mask bit) is a wrong call.
 */
size_t ws_head_encode(const struct ws_head *head, uint8_t out[static WS_HEAD_BYTES_MAX]);

/**
 * Masks or unmasks (the same thing) `len` bytes in place. `offset` is the place of bytes[0] in the frame's payload, so
 * that a payload can be done in pieces; only its two lowest bits matter. Cost: about 16 bytes a cycle when long.
 */
void ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[static 4], size_t offset);

/** A status code that may stand in a close frame (RFC 6455, 7.4: 1000..1003, 1007..1014, 3000..4999). */
bool ws_close_code_is_valid(unsigned code);

#endif
