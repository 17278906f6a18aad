#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#include "wire/ws_writer.h"

#define WINDOW_BITS_MIN 8
#define WINDOW_BITS_MAX 15
#define FLUSH_TAIL_LEN  4 /* 00 00 FF FF, which a sender cuts off (RFC 7692, 7.2.1) */

/* zlib's default is 8. Each message starts anew, and clearing a hash table of 64 KiB was half of its cost; with 16 KiB
 * texts of some hundred bytes to some KiB come out as short. */
#define MEM_LEVEL 6

struct ws_deflater {
    int level;
    z_stream *streams[WINDOW_BITS_MAX - WINDOW_BITS_MIN + 1]; /* by window bits; NULL until one is asked for */
};

kith_err ws_deflater_new(int level, struct ws_deflater **out)
{
    assert(level >= 1 && level <= 9);
    *out = calloc(1, sizeof **out);
    if (*out == NULL) return KITH_E_NOMEM;
    (*out)->level = level;
    return KITH_OK;
}

void ws_deflater_free(struct ws_deflater *deflater)
{
    if (deflater == NULL) return;
    for (size_t i = 0; i < sizeof deflater->streams / sizeof deflater->streams[0]; i++) {
        if (deflater->streams[i] == NULL) continue;
        (void)deflateEnd(deflater->streams[i]);
        free(deflater->streams[i]);
    }
    free(deflater);
}

/* A stream without history. */
static kith_err stream_take(struct ws_deflater *deflater, unsigned window_bits, z_stream **out)
{
    z_stream **slot = &deflater->streams[window_bits - WINDOW_BITS_MIN];
    /* zlib has no window of 256 bytes. Without any references back, what it makes fits in one of any size. */
    int strategy = window_bits == WINDOW_BITS_MIN ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY;
    int bits = window_bits == WINDOW_BITS_MIN ? WINDOW_BITS_MIN + 1 : (int)window_bits;
    int rc;

    if (*slot != NULL) {
        rc = deflateReset(*slot);
        assert(rc == Z_OK);
        *out = *slot;
        return KITH_OK;
    }
    *out = calloc(1, sizeof **out);
    if (*out == NULL) return KITH_E_NOMEM;
    rc = deflateInit2(*out, deflater->level, Z_DEFLATED, -bits, MEM_LEVEL, strategy);
    if (rc != Z_OK) {
        assert(rc == Z_MEM_ERROR);
        free(*out);
        *out = NULL;
        return KITH_E_NOMEM;
    }
    *slot = *out;
    return KITH_OK;
}

/* Compresses into out[0..out_len); false when that is too small. */
static bool squeeze(z_stream *z, struct kith_slice in, uint8_t *out, size_t out_len, size_t *made)
{
    z->next_in = (z_const Bytef *)in.ptr;
    z->avail_in = (uInt)in.len;
    z->next_out = out;
    z->avail_out = (uInt)out_len;
    (void)deflate(z, Z_SYNC_FLUSH);
    /* Room left over means that the flush is complete (zlib.h, deflate()). */
    if (z->avail_in > 0 || z->avail_out == 0) return false;
    *made = out_len - z->avail_out - FLUSH_TAIL_LEN;
    assert(memcmp(out + *made, "\x00\x00\xff\xff", FLUSH_TAIL_LEN) == 0);
    return true;
}

kith_err ws_write_deflated(struct kith_buf *out, struct ws_deflater *deflater, unsigned window_bits,
                           enum ws_opcode opcode, struct kith_slice payload, const uint8_t *mask)
{
    struct ws_head head = {.opcode = opcode, .fin = true, .rsv1 = true, .masked = mask != NULL};
    /* Up to the plain length, and one byte so that a complete flush leaves room. */
    size_t room = payload.len + FLUSH_TAIL_LEN + 1;
    uint8_t raw[WS_HEAD_BYTES_MAX];
    size_t head_len, made = 0;
    uint8_t *at = NULL;
    z_stream *z = NULL;
    kith_err err;

    assert(window_bits >= WINDOW_BITS_MIN && window_bits <= WINDOW_BITS_MAX);
    assert(opcode == WS_TEXT || opcode == WS_BINARY);
    if (payload.len == 0 || payload.len > UINT32_MAX - 64) return ws_write(out, opcode, payload, mask);
    err = stream_take(deflater, window_bits, &z);
    if (err != KITH_OK) return err;
    err = kith_buf_reserve(out, WS_HEAD_BYTES_MAX + room, &at);
    /* Compression needs some room to work in; where there is none, plain may still fit. */
    if (err == KITH_E_TOOBIG) return ws_write(out, opcode, payload, mask);
    if (err != KITH_OK) return err;
    if (!squeeze(z, payload, at + WS_HEAD_BYTES_MAX, room, &made) || made >= payload.len) {
        return ws_write(out, opcode, payload, mask);
    }

    head.payload_len = made;
    if (mask != NULL) memcpy(head.mask, mask, sizeof head.mask);
    head_len = ws_head_encode(&head, raw);
    memcpy(at, raw, head_len);
    memmove(at + head_len, at + WS_HEAD_BYTES_MAX, made);
    if (mask != NULL) ws_mask(at + head_len, made, mask, 0);
    kith_buf_commit(out, head_len + made);
    return KITH_OK;
}
