#ifndef KITH_BASE_SLICE_H
#define KITH_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/** Bytes lent by somebody else: never freed through the slice, valid as long as the lender says. */
struct kith_slice {
    const uint8_t *ptr;
    size_t len;
};

static inline struct kith_slice kith_slice_of(const void *ptr, size_t len)
{
    return (struct kith_slice){.ptr = (const uint8_t *)ptr, .len = len};
}

static inline struct kith_slice kith_slice_str(const char *text)
{
    return kith_slice_of(text, strlen(text));
}

static inline bool kith_slice_eq(struct kith_slice a, struct kith_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool kith_slice_is(struct kith_slice a, const char *text)
{
    return kith_slice_eq(a, kith_slice_str(text));
}

static inline bool kith_slice_starts(struct kith_slice a, const char *text)
{
    size_t n = strlen(text);
    return a.len >= n && memcmp(a.ptr, text, n) == 0;
}

/** Orders by bytes, then by length: the order of keys in every store. */
static inline int kith_slice_cmp(struct kith_slice a, struct kith_slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    if (c != 0) return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

/*
 * kith_eat_*: take a value from the front of `in`, big-endian. KITH_E_MALFORMED when too few bytes are left, and then
 * neither `in` nor `out` has changed.
 */
static inline KITH_MUST_USE kith_err kith_eat_bytes(struct kith_slice *in, size_t len, struct kith_slice *out)
{
    if (in->len < len) return KITH_E_MALFORMED;
    *out = kith_slice_of(in->ptr, len);
    in->ptr += len;
    in->len -= len;
    return KITH_OK;
}

static inline KITH_MUST_USE kith_err kith_eat_uint(struct kith_slice *in, unsigned width, uint64_t *out)
{
    struct kith_slice raw = {0};
    uint64_t value = 0;
    kith_err err = kith_eat_bytes(in, width, &raw);

    if (err != KITH_OK) return err;
    for (unsigned i = 0; i < width; i++) value = value << 8 | raw.ptr[i];
    *out = value;
    return KITH_OK;
}

#define KITH_EAT_DEFINE(name, type, width)                                                 \
    static inline KITH_MUST_USE kith_err kith_eat_##name(struct kith_slice *in, type *out) \
    {                                                                                      \
        uint64_t value = 0;                                                                \
        kith_err err = kith_eat_uint(in, width, &value);                                   \
        if (err == KITH_OK) *out = (type)value;                                            \
        return err;                                                                        \
    }
KITH_EAT_DEFINE(u8, uint8_t, 1)
KITH_EAT_DEFINE(u16_be, uint16_t, 2)
KITH_EAT_DEFINE(u32_be, uint32_t, 4)
KITH_EAT_DEFINE(u64_be, uint64_t, 8)
#undef KITH_EAT_DEFINE

/** Copies `len` bytes out of the front of `in`; errors as above. */
static inline KITH_MUST_USE kith_err kith_eat_copy(struct kith_slice *in, void *out, size_t len)
{
    struct kith_slice raw = {0};
    kith_err err = kith_eat_bytes(in, len, &raw);

    if (err == KITH_OK && len > 0) memcpy(out, raw.ptr, len);
    return err;
}

static inline void kith_put_u16_be(uint8_t out[static 2], uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}

static inline void kith_put_u32_be(uint8_t out[static 4], uint32_t v)
{
    for (int i = 0; i < 4; i++) out[i] = (uint8_t)(v >> (24 - 8 * i));
}

static inline void kith_put_u64_be(uint8_t out[static 8], uint64_t v)
{
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static inline uint32_t kith_get_u32_be(const uint8_t in[static 4])
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static inline uint64_t kith_get_u64_be(const uint8_t in[static 8])
{
    return (uint64_t)kith_get_u32_be(in) << 32 | kith_get_u32_be(in + 4);
}

/** A whole decimal number of at most 20 digits, no sign, no leading zero but "0". KITH_E_MALFORMED otherwise. */
KITH_MUST_USE kith_err kith_slice_to_u64(struct kith_slice text, uint64_t *out);

#endif
