#ifndef KITH_WIRE_STOMP_SCAN_H
#define KITH_WIRE_STOMP_SCAN_H

#include "base/slice.h"

/*
 * For stomp.c and stomp_writer.c: whether a text holds a byte that needs care. Nearly none does, so it is asked for a
 * whole text at once, 16 bytes at a time.
 */

typedef uint8_t stomp_block __attribute__((vector_size(16)));

static inline bool stomp_byte_is_rare(uint8_t b)
{
    return b == '\\' || b == '\r' || b == '\0';
}

static inline bool stomp_byte_is_special(uint8_t b)
{
    return stomp_byte_is_rare(b) || b == ':' || b == '\n';
}

/* with_ends: ":" and LF count too. A constant at each call, so that the compiler makes two functions of it. */
static inline __attribute__((always_inline)) bool stomp_block_hits(const uint8_t *at, bool with_ends)
{
    stomp_block block, hits;
    uint64_t halves[2];

    memcpy(&block, at, sizeof block);
    hits = (stomp_block)(block == '\\') | (stomp_block)(block == '\r') | (stomp_block)(block == '\0');
    if (with_ends) hits |= (stomp_block)(block == ':') | (stomp_block)(block == '\n');
    memcpy(halves, &hits, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

static inline __attribute__((always_inline)) bool stomp_text_hits(const uint8_t *at, size_t len, bool with_ends)
{
    const uint8_t *end;

    if (len == 0) return false;
    end = at + len;
    if (len < sizeof(stomp_block)) {
        for (; at < end; at++) {
            if (with_ends ? stomp_byte_is_special(*at) : stomp_byte_is_rare(*at)) return true;
        }
        return false;
    }
    for (; at <= end - sizeof(stomp_block); at += sizeof(stomp_block)) {
        if (stomp_block_hits(at, with_ends)) return true;
    }
    /* The rest, with some bytes seen twice. */
    return at < end && stomp_block_hits(end - sizeof(stomp_block), with_ends);
}

/** Holds a backslash, a CR or a NUL: not to be taken as it is when decoding. */
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
