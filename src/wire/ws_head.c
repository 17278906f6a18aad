#include "wire/ws_head.h"

#include <assert.h>

#define BIT_FIN    0x80
#define BIT_RSV1   0x40
#define BITS_RSV23 0x30
#define BIT_MASKED 0x80

/* A vector of any width the machine has; both compilers lower it to what there is. */
typedef uint64_t mask_block __attribute__((vector_size(16)));

static bool opcode_is_known(unsigned opcode)
{
    return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

static kith_err first_byte_check(uint8_t b)
{
    unsigned opcode = b & 0x0f;

    if ((b & BITS_RSV23) != 0 || !opcode_is_known(opcode)) return KITH_E_MALFORMED;
    /* RFC 7692, 6.1: the bit speaks for the whole message, on its first frame. */
    if ((b & BIT_RSV1) != 0 && opcode != WS_TEXT && opcode != WS_BINARY) return KITH_E_MALFORMED;
    if (ws_opcode_is_control((enum ws_opcode)opcode) && (b & BIT_FIN) == 0) return KITH_E_MALFORMED;
    return KITH_OK;
}

kith_err ws_head_decode(enum ws_role role, struct kith_slice in, struct ws_head *out, size_t *used)
{
    size_t at = 2;
    unsigned short_len;
    uint64_t len;
    bool masked;

    if (in.len == 0) return KITH_E_AGAIN;
    if (first_byte_check(in.ptr[0]) != KITH_OK) return KITH_E_MALFORMED;
    if (in.len == 1) return KITH_E_AGAIN;
    masked = (in.ptr[1] & BIT_MASKED) != 0;
    if (masked != (role == WS_SERVER)) return KITH_E_MALFORMED;
    len = short_len = in.ptr[1] & 0x7f;
    if (short_len > WS_CONTROL_BYTES_MAX) {
        if ((in.ptr[0] & 0x08) != 0) return KITH_E_MALFORMED;
        /* The top bit shows with the first byte of the length, before the others are there. */
        if (short_len == 127 && in.len > 2 && (in.ptr[2] & 0x80) != 0) return KITH_E_MALFORMED;
        at += short_len == 126 ? 2 : 8;
        if (in.len < at) return KITH_E_AGAIN;
        len = short_len == 126 ? (uint64_t)in.ptr[2] << 8 | in.ptr[3] : kith_get_u64_be(in.ptr + 2);
        if (len <= (short_len == 126 ? (uint64_t)WS_CONTROL_BYTES_MAX : 0xffff)) return KITH_E_MALFORMED;
    }
    if (masked && in.len < at + 4) return KITH_E_AGAIN;

    *out = (struct ws_head){.payload_len = len,
                            .opcode = (enum ws_opcode)(in.ptr[0] & 0x0f),
                            .fin = (in.ptr[0] & BIT_FIN) != 0,
                            .rsv1 = (in.ptr[0] & BIT_RSV1) != 0,
                            .masked = masked};
    if (masked) memcpy(out->mask, in.ptr + at, 4);
    *used = at + (masked ? 4 : 0);
    return KITH_OK;
}

size_t ws_head_encode(const struct ws_head *head, uint8_t out[static WS_HEAD_BYTES_MAX])
{
    uint8_t mask_bit = head->masked ? BIT_MASKED : 0;
    size_t at = 2;

    assert(head->payload_len >> 63 == 0);
    assert(!ws_opcode_is_control(head->opcode) || head->payload_len <= WS_CONTROL_BYTES_MAX);
    out[0] = (uint8_t)((head->fin ? BIT_FIN : 0) | (head->rsv1 ? BIT_RSV1 : 0) | (uint8_t)head->opcode);
    assert(first_byte_check(out[0]) == KITH_OK);
    if (head->payload_len <= WS_CONTROL_BYTES_MAX) {
        out[1] = (uint8_t)(mask_bit | head->payload_len);
    } else if (head->payload_len <= 0xffff) {
        out[1] = mask_bit | 126;
        kith_put_u16_be(out + 2, (uint16_t)head->payload_len);
        at += 2;
    } else {
        out[1] = mask_bit | 127;
        kith_put_u64_be(out + 2, head->payload_len);
        at += 8;
    }
    if (head->masked) {
        memcpy(out + at, head->mask, 4);
        at += 4;
    }
    return at;
}

void ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[static 4], size_t offset)
{
    uint8_t turned[16];
    mask_block wide, block[2];
    uint64_t word, wide_word;

    for (size_t i = 0; i < sizeof turned; i++) turned[i] = mask[(offset + i) & 3];
    memcpy(&wide, turned, sizeof wide);
    memcpy(&wide_word, turned, sizeof wide_word);
    for (; len >= sizeof block; bytes += sizeof block, len -= sizeof block) {
        memcpy(block, bytes, sizeof block);
        block[0] ^= wide;
        block[1] ^= wide;
        memcpy(bytes, block, sizeof block);
    }
    for (; len >= sizeof word; bytes += sizeof word, len -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        word ^= wide_word;
        memcpy(bytes, &word, sizeof word);
    }
    for (size_t i = 0; i < len; i++) bytes[i] ^= turned[i];
}

bool ws_close_code_is_valid(unsigned code)
{
    if (code >= 3000 && code <= 4999) return true;
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}
