#include "wire/ws_writer.h"

#include <assert.h>

#include "wire/utf8.h"

#define CLOSE_REASON_BYTES_MAX (WS_CONTROL_BYTES_MAX - 2)

kith_err ws_write_frame(struct kith_buf *out, enum ws_opcode opcode, bool fin, struct kith_slice payload,
                        const uint8_t *mask)
{
    struct ws_head head = {.payload_len = payload.len, .opcode = opcode, .fin = fin, .masked = mask != NULL};
    uint8_t raw[WS_HEAD_BYTES_MAX];
    uint8_t *at = NULL;
    size_t head_len;
    kith_err err;

    if (payload.len > SIZE_MAX - WS_HEAD_BYTES_MAX) return KITH_E_TOOBIG;
    if (mask != NULL) memcpy(head.mask, mask, sizeof head.mask);
    /* Encoded aside, to reserve what it really takes: a frame that just fits must fit. */
    head_len = ws_head_encode(&head, raw);
    err = kith_buf_reserve(out, head_len + payload.len, &at);
    if (err != KITH_OK) return err;
    memcpy(at, raw, head_len);
    if (payload.len > 0) memcpy(at + head_len, payload.ptr, payload.len);
    if (mask != NULL) ws_mask(at + head_len, payload.len, mask, 0);
    kith_buf_commit(out, head_len + payload.len);
    return KITH_OK;
}

kith_err ws_write_close(struct kith_buf *out, unsigned code, struct kith_slice reason, const uint8_t *mask)
{
    uint8_t payload[WS_CONTROL_BYTES_MAX];
    size_t len = reason.len < CLOSE_REASON_BYTES_MAX ? reason.len : CLOSE_REASON_BYTES_MAX;

    assert(code == 0 ? reason.len == 0 : ws_close_code_is_valid(code));
    assert(utf8_is_valid(reason));
    if (code == 0) return ws_write(out, WS_CLOSE, (struct kith_slice){0}, mask);
    /* Back to the start of a character that would be cut. */
    if (len < reason.len) {
        while (len > 0 && (reason.ptr[len] & 0xc0) == 0x80) len--;
    }
    kith_put_u16_be(payload, (uint16_t)code);
    if (len > 0) memcpy(payload + 2, reason.ptr, len);
    return ws_write(out, WS_CLOSE, kith_slice_of(payload, 2 + len), mask);
}
