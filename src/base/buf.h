#ifndef KITH_BASE_BUF_H
#define KITH_BASE_BUF_H

#include <stdarg.h>

#include "base/slice.h"

/**
 * A growing byte buffer, born with its maximum. Read from the front, append at the back. Empty buffers own no memory
 * until the first append, and none after kith_buf_deinit(). Not thread-safe.
 */
struct kith_buf {
    uint8_t *ptr;
    size_t head;      /* first unread byte            */
    size_t tail;      /* one past the last byte       */
    size_t cap;       /* bytes allocated              */
    size_t bytes_max; /* tail - head never exceeds it */
    bool is_secret;   /* memory is wiped before it is let go of */
};

void kith_buf_init(struct kith_buf *buf, size_t bytes_max);
/** For secrets: what it held is wiped when it grows, too, and in kith_buf_deinit(). */
void kith_buf_init_secret(struct kith_buf *buf, size_t bytes_max);
void kith_buf_deinit(struct kith_buf *buf);
/** Empties, keeps the memory. */
void kith_buf_reset(struct kith_buf *buf);
/** Wipes the bytes, then frees them: for secrets in a buffer that did not grow. */
void kith_buf_wipe(struct kith_buf *buf);

static inline size_t kith_buf_len(const struct kith_buf *buf)
{
    return buf->tail - buf->head;
}

/** Lends the unread bytes until the next call on `buf`. */
static inline struct kith_slice kith_buf_peek(const struct kith_buf *buf)
{
    return kith_slice_of(buf->ptr == NULL ? NULL : buf->ptr + buf->head, kith_buf_len(buf));
}

/** Drops `len` bytes from the front; an emptied buffer starts again at its beginning. */
void kith_buf_consume(struct kith_buf *buf, size_t len);

/*
 * Appending: KITH_E_TOOBIG past the maximum, KITH_E_NOMEM; on error the buffer is unchanged.
 */
KITH_MUST_USE kith_err kith_buf_append(struct kith_buf *buf, struct kith_slice bytes);
KITH_MUST_USE kith_err kith_buf_append_str(struct kith_buf *buf, const char *text);
KITH_MUST_USE kith_err kith_buf_append_u8(struct kith_buf *buf, uint8_t v);
KITH_MUST_USE kith_err kith_buf_append_u16_be(struct kith_buf *buf, uint16_t v);
KITH_MUST_USE kith_err kith_buf_append_u32_be(struct kith_buf *buf, uint32_t v);
KITH_MUST_USE kith_err kith_buf_append_u64_be(struct kith_buf *buf, uint64_t v);
KITH_MUST_USE kith_err kith_buf_printf(struct kith_buf *buf, const char *fmt, ...) KITH_PRINTF(2, 3);

/**
 * Room for at least `len` more bytes at the back; *out is where to write them. Follow with kith_buf_commit() of what
 * was written. Errors as for appending.
 */
KITH_MUST_USE kith_err kith_buf_reserve(struct kith_buf *buf, size_t len, uint8_t **out);
void kith_buf_commit(struct kith_buf *buf, size_t len);

/** Moves the memory out to the caller (free() it); the buffer is as after init. *len gets the size; NULL when empty. */
uint8_t *kith_buf_take(struct kith_buf *buf, size_t *len);

#endif
