#include "wire/sha1.h"

#define BLOCK_BYTES 64

static uint32_t turn(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

static void block_add(uint32_t h[static 5], const uint8_t block[static BLOCK_BYTES])
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    for (int t = 0; t < 16; t++) w[t] = kith_get_u32_be(block + (size_t)t * 4);
    for (int t = 16; t < 80; t++) w[t] = turn(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t f = t < 20 ? (b & c) | (~b & d) : t >= 40 && t < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        uint32_t k = t < 20 ? 0x5a827999 : t < 40 ? 0x6ed9eba1 : t < 60 ? 0x8f1bbcdc : 0xca62c1d6;
        uint32_t next = turn(a, 5) + f + e + k + w[t];

        e = d;
        d = c;
        c = turn(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1(struct kith_slice in, uint8_t out[static SHA1_BYTES])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint64_t bits = (uint64_t)in.len * 8;
    uint8_t last[2 * BLOCK_BYTES] = {0};
    size_t last_len;

    for (; in.len >= BLOCK_BYTES; in.ptr += BLOCK_BYTES, in.len -= BLOCK_BYTES) block_add(h, in.ptr);
    if (in.len > 0) memcpy(last, in.ptr, in.len);
    last[in.len] = 0x80;
    last_len = in.len + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
    kith_put_u64_be(last + last_len - 8, bits);
    block_add(h, last);
    if (last_len > BLOCK_BYTES) block_add(h, last + BLOCK_BYTES);
    for (size_t i = 0; i < 5; i++) kith_put_u32_be(out + i * 4, h[i]);
}
