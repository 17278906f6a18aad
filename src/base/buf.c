#include "base/buf.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_CAP_MIN 64

void kith_buf_init(struct kith_buf *buf, size_t bytes_max)
{
    *buf = (struct kith_buf){.bytes_max = bytes_max};
}

void kith_buf_init_secret(struct kith_buf *buf, size_t bytes_max)
{
    *buf = (struct kith_buf){.bytes_max = bytes_max, .is_secret = true};
}

static void let_go(const struct kith_buf *buf)
{
    if (buf->is_secret && buf->ptr != NULL) sodium_memzero(buf->ptr, buf->cap);
    free(buf->ptr);
}

static void begin_again(struct kith_buf *buf)
{
    *buf = (struct kith_buf){.bytes_max = buf->bytes_max, .is_secret = buf->is_secret};
}

void kith_buf_deinit(struct kith_buf *buf)
{
    let_go(buf);
    begin_again(buf);
}

void kith_buf_reset(struct kith_buf *buf)
{
    buf->head = buf->tail = 0;
}

void kith_buf_wipe(struct kith_buf *buf)
{
    if (buf->ptr != NULL) sodium_memzero(buf->ptr, buf->cap);
    kith_buf_deinit(buf);
}

void kith_buf_consume(struct kith_buf *buf, size_t len)
{
    assert(len <= kith_buf_len(buf));
    buf->head += len;
    if (buf->head == buf->tail) kith_buf_reset(buf);
}

kith_err kith_buf_reserve(struct kith_buf *buf, size_t len, uint8_t **out)
{
    size_t used = kith_buf_len(buf);
    size_t cap;
    uint8_t *grown;

    if (len > buf->bytes_max || used > buf->bytes_max - len) return KITH_E_TOOBIG;
    if (buf->cap - buf->tail >= len && buf->ptr != NULL) goto done;
    if (buf->head > 0 && buf->cap - used >= len && buf->head >= used) {
        /* At least half was consumed: moving the rest is cheaper than growing, and amortised by what was read. */
        memmove(buf->ptr, buf->ptr + buf->head, used);
        buf->head = 0;
        buf->tail = used;
        goto done;
    }
    for (cap = BUF_CAP_MIN; cap < used + len; cap *= 2) continue;
    grown = malloc(cap);
    if (grown == NULL) return KITH_E_NOMEM;
    if (used > 0) memcpy(grown, buf->ptr + buf->head, used);
    let_go(buf);
    buf->ptr = grown;
    buf->cap = cap;
    buf->head = 0;
    buf->tail = used;
done:
    *out = buf->ptr + buf->tail;
    return KITH_OK;
}

void kith_buf_commit(struct kith_buf *buf, size_t len)
{
    assert(len <= buf->cap - buf->tail);
    buf->tail += len;
}

kith_err kith_buf_append(struct kith_buf *buf, struct kith_slice bytes)
{
    uint8_t *out = NULL;
    kith_err err;

    if (bytes.len == 0) return KITH_OK;
    err = kith_buf_reserve(buf, bytes.len, &out);
    if (err != KITH_OK) return err;
    memcpy(out, bytes.ptr, bytes.len);
    kith_buf_commit(buf, bytes.len);
    return KITH_OK;
}

kith_err kith_buf_append_str(struct kith_buf *buf, const char *text)
{
    return kith_buf_append(buf, kith_slice_str(text));
}

kith_err kith_buf_append_u8(struct kith_buf *buf, uint8_t v)
{
    return kith_buf_append(buf, kith_slice_of(&v, 1));
}

kith_err kith_buf_append_u16_be(struct kith_buf *buf, uint16_t v)
{
    uint8_t raw[2];
    kith_put_u16_be(raw, v);
    return kith_buf_append(buf, kith_slice_of(raw, sizeof raw));
}

kith_err kith_buf_append_u32_be(struct kith_buf *buf, uint32_t v)
{
    uint8_t raw[4];
    kith_put_u32_be(raw, v);
    return kith_buf_append(buf, kith_slice_of(raw, sizeof raw));
}

kith_err kith_buf_append_u64_be(struct kith_buf *buf, uint64_t v)
{
    uint8_t raw[8];
    kith_put_u64_be(raw, v);
    return kith_buf_append(buf, kith_slice_of(raw, sizeof raw));
}

kith_err kith_buf_printf(struct kith_buf *buf, const char *fmt, ...)
{
    char small[256];
    uint8_t *out = NULL;
    kith_err err = KITH_OK;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    assert(n >= 0);
    if ((size_t)n < sizeof small) return kith_buf_append(buf, kith_slice_of(small, (size_t)n));

    err = kith_buf_reserve(buf, (size_t)n + 1, &out);
    if (err != KITH_OK) return err;
    va_start(args, fmt);
    (void)vsnprintf((char *)out, (size_t)n + 1, fmt, args);
    va_end(args);
    kith_buf_commit(buf, (size_t)n);
    return KITH_OK;
}

uint8_t *kith_buf_take(struct kith_buf *buf, size_t *len)
{
    uint8_t *ptr = buf->ptr;

    *len = kith_buf_len(buf);
    if (buf->head > 0 && ptr != NULL) memmove(ptr, ptr + buf->head, *len);
    begin_again(buf);
    return ptr;
}
