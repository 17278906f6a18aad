#ifndef KITH_WIRE_STOMP_SCAN_H
#define KITH_WIRE_STOMP_SCAN_H

#include "base/slice.h"

/*
 * For stomp.c and stomp_writer.c: whether a text holds a byte that needs care. Nearly none does, so it is asked for a
 * whole text at once, 16 bytes at a time.
 */

typedef uint8_t stomp_block __attribute__((vector_size(16)));
typedef uint64_t stomp_halves __attribute__((vector_size(16)));

/*
 * to_write: ":" and LF count too; else what is not ASCII. A constant at each call, so that the compiler makes two
 * functions of it.
 */
static inline __attribute__((always_inline)) bool stomp_block_hits(stomp_block block, bool to_write)
{
    stomp_block hits;
    uint64_t halves[2];

    hits = (stomp_block)(block == '\\') | (stomp_block)(block == '\r') | (stomp_block)(block == '\0');
    hits |= to_write ? (stomp_block)(block == ':') | (stomp_block)(block == '\n') : (stomp_block)(block > 0x7f);
    memcpy(halves, &hits, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

static inline stomp_block stomp_block_at(const uint8_t *at)
{
    stomp_block block;

    memcpy(&block, at, sizeof block);
    return block;
}

/* 1 to 15 bytes as a block: each is in it, some twice, and nothing else that would hit. */
static inline stomp_block stomp_block_of_short(const uint8_t *at, size_t len)
{
    const uint64_t filler = 0x2020202020202020u;
    uint64_t halves[2] = {filler, filler};
    uint32_t quarters[2];

    if (len >= 8) {
        memcpy(&halves[0], at, 8);
        memcpy(&halves[1], at + len - 8, 8);
    } else if (len >= 4) {
        memcpy(&quarters[0], at, 4);
        memcpy(&quarters[1], at + len - 4, 4);
        halves[0] = (uint64_t)quarters[1] << 32 | quarters[0];
    } else {
        halves[0] = filler << 24 | (uint64_t)at[0] << 16 | (uint64_t)at[len / 2] << 8 | at[len - 1];
    }
    return (stomp_block)(stomp_halves){halves[0], halves[1]};
}

static inline __attribute__((always_inline)) bool stomp_text_hits(const uint8_t *at, size_t len, bool to_write)
{
    const uint8_t *last;

    if (len == 0) return false;
    if (len < sizeof(stomp_block)) return stomp_block_hits(stomp_block_of_short(at, len), to_write);
    for (last = at + len - sizeof(stomp_block); at < last; at += sizeof(stomp_block)) {
        if (stomp_block_hits(stomp_block_at(at), to_write)) return true;
    }
    return stomp_block_hits(stomp_block_at(last), to_write);
}

/** Holds a backslash, a CR, a NUL or a byte that is not ASCII: not to be taken as it is when decoding. */
static inline bool stomp_has_rare(const uint8_t *at, size_t len)
{
    return stomp_text_hits(at, len, false);
}

/** Holds a backslash, CR, NUL, ":" or LF: not to be written as it is when encoding. */
static inline bool stomp_has_special(const uint8_t *at, size_t len)
{
    return stomp_text_hits(at, len, true);
}

#endif
