#include <assert.h>

#include "wire/digits.h"
#include "wire/stomp.h"
#include "wire/stomp_scan.h"

/* Room for `len` bytes, NULL after an error. A frame asks a dozen times, and nearly always there is room. */
static uint8_t *reserve(struct stomp_writer *writer, size_t len)
{
    struct kith_buf *buf = writer->buf;
    uint8_t *out = NULL;

    if (writer->err != KITH_OK) return NULL;
    if (len <= buf->cap - buf->tail && len <= buf->bytes_max - kith_buf_len(buf)) return buf->ptr + buf->tail;
    writer->err = kith_buf_reserve(buf, len, &out);
    return out;
}

/* Header names and values are short: two moves that may overlap, in place of a call. */
static inline uint8_t *copy(uint8_t *out, const uint8_t *bytes, size_t len)
{
    uint64_t a, b;

    if (len >= 8 && len <= 16) {
        memcpy(&a, bytes, 8);
        memcpy(&b, bytes + len - 8, 8);
        memcpy(out, &a, 8);
        memcpy(out + len - 8, &b, 8);
    } else if (len > 0) {
        memcpy(out, bytes, len);
    }
    return out + len;
}

void stomp_begin(struct stomp_writer *writer, struct kith_buf *buf, enum stomp_command command)
{
    const char *name = stomp_command_name(command);
    size_t len = strlen(name);
    uint8_t *out;

    *writer = (struct stomp_writer){.buf = buf, .at = kith_buf_len(buf), .command = (uint8_t)command};
    out = reserve(writer, len + 1);
    if (out == NULL) return;
    memcpy(out, name, len);
    out[len] = '\n';
    kith_buf_commit(buf, len + 1);
}

/* The letter behind the backslash for a byte that is escaped; NUL has none and cannot be said. */
static const uint8_t escapes[256] = {['\r'] = 'r', ['\n'] = 'n', [':'] = 'c', ['\\'] = '\\', ['\0'] = '0'};

/* Bytes that `text` takes with its escapes; false when it cannot be said. */
static bool escaped_len(struct kith_slice text, bool is_escaped, bool is_name, size_t *len)
{
    *len = text.len;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.ptr[i];
        if (escapes[b] == 0) continue;
        if (b == '\0') return false;
        if (is_escaped) {
            *len += 1;
        } else if (b == '\r' || b == '\n' || (b == ':' && is_name)) {
            return false;
        }
    }
    return true;
}

static uint8_t *escape(uint8_t *out, struct kith_slice text, bool is_escaped)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.ptr[i];
        if (is_escaped && escapes[b] != 0) {
            *out++ = '\\';
            b = escapes[b];
        }
        *out++ = b;
    }
    return out;
}

static void put_with_care(struct stomp_writer *writer, struct kith_slice name, struct kith_slice value)
{
    bool is_escaped = stomp_command_is_escaped((enum stomp_command)writer->command);
    size_t name_len, value_len;
    uint8_t *out;

    if (!escaped_len(name, is_escaped, true, &name_len) || !escaped_len(value, is_escaped, false, &value_len)) {
        writer->err = KITH_E_MALFORMED;
        return;
    }
    out = reserve(writer, name_len + value_len + 2);
    if (out == NULL) return;
    out = escape(out, name, is_escaped);
    *out++ = ':';
    out = escape(out, value, is_escaped);
    *out = '\n';
    kith_buf_commit(writer->buf, name_len + value_len + 2);
}

void stomp_put(struct stomp_writer *writer, const char *name, struct kith_slice value)
{
    struct kith_slice name_text = kith_slice_str(name);
    uint8_t *out;

    assert(name_text.len > 0);
    if (writer->err != KITH_OK) return;
    if (stomp_has_special(name_text.ptr, name_text.len) || stomp_has_special(value.ptr, value.len)) {
        put_with_care(writer, name_text, value);
        return;
    }
    out = reserve(writer, name_text.len + value.len + 2);
    if (out == NULL) return;
    out = copy(out, name_text.ptr, name_text.len);
    *out++ = ':';
    *copy(out, value.ptr, value.len) = '\n';
    kith_buf_commit(writer->buf, name_text.len + value.len + 2);
}

void stomp_put_str(struct stomp_writer *writer, const char *name, const char *value)
{
    stomp_put(writer, name, kith_slice_str(value));
}

void stomp_put_u64(struct stomp_writer *writer, const char *name, uint64_t value)
{
    char room[DIGITS_MAX];

    stomp_put(writer, name, digits_of(value, room));
}

/* The first error, with what was written so far cut off again. */
static kith_err finish(struct stomp_writer *writer)
{
    if (writer->err != KITH_OK) writer->buf->tail = writer->buf->head + writer->at;
    return writer->err;
}

/* content-length and the blank line for body_len bytes; then `body` itself and the NUL, if with_body. */
static kith_err end(struct stomp_writer *writer, size_t body_len, const uint8_t *body, bool with_body)
{
    bool has_body = stomp_command_has_body((enum stomp_command)writer->command);
    char room[DIGITS_MAX];
    uint8_t *out;
    size_t len = 1;

    assert(has_body || body_len == 0);
    if (has_body) stomp_put(writer, "content-length", digits_of(body_len, room));
    if (with_body) len += body_len + 1;
    out = reserve(writer, len);
    if (out != NULL) {
        *out++ = '\n';
        if (with_body) *copy(out, body, body_len) = '\0';
        kith_buf_commit(writer->buf, len);
    }
    return finish(writer);
}

kith_err stomp_end(struct stomp_writer *writer, struct kith_slice body)
{
    return end(writer, body.len, body.ptr, true);
}

kith_err stomp_end_head(struct stomp_writer *writer, size_t body_len)
{
    return end(writer, body_len, NULL, false);
}

void stomp_block_begin(struct stomp_writer *writer, struct kith_buf *buf)
{
    *writer = (struct stomp_writer){.buf = buf, .at = kith_buf_len(buf), .command = STOMP_MESSAGE};
}

kith_err stomp_block_end(struct stomp_writer *writer)
{
    return finish(writer);
}

void stomp_put_block(struct stomp_writer *writer, struct kith_slice lines)
{
    uint8_t *out;

    assert(stomp_command_is_escaped((enum stomp_command)writer->command));
    assert(lines.len == 0 || lines.ptr[lines.len - 1] == '\n');
    if (lines.len == 0) return;
    out = reserve(writer, lines.len);
    if (out == NULL) return;
    (void)copy(out, lines.ptr, lines.len);
    kith_buf_commit(writer->buf, lines.len);
}
