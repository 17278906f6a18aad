#include "wire/http1_writer.h"

#include <assert.h>

#include "wire/digits.h"
#include "wire/http1_head.h"

static void put_bytes(struct http1_writer *writer, struct kith_slice bytes)
{
    if (writer->err == KITH_OK) writer->err = kith_buf_append(writer->buf, bytes);
}

static void put_text(struct http1_writer *writer, const char *text)
{
    put_bytes(writer, kith_slice_str(text));
}

static kith_err finish(struct http1_writer *writer)
{
    if (writer->err != KITH_OK) writer->buf->tail = writer->buf->head + writer->at;
    return writer->err;
}

void http1_response_begin(struct http1_writer *writer, struct kith_buf *buf, unsigned status)
{
    char room[DIGITS_MAX];

    assert(status >= 100 && status <= 599);
    *writer = (struct http1_writer){
        .buf = buf, .at = kith_buf_len(buf), .without_body = status < 200 || status == 204 || status == 304};
    put_text(writer, "HTTP/1.1 ");
    put_bytes(writer, digits_of(status, room));
    put_text(writer, " ");
    put_text(writer, http1_status_reason(status));
    put_text(writer, "\r\n");
}

void http1_request_begin(struct http1_writer *writer, struct kith_buf *buf, enum http1_method method,
                         struct kith_slice target, struct kith_slice host)
{
    *writer = (struct http1_writer){.buf = buf, .at = kith_buf_len(buf)};
    if (target.len == 0) writer->err = KITH_E_MALFORMED;
    for (size_t i = 0; i < target.len; i++) {
        if (target.ptr[i] <= ' ' || target.ptr[i] >= 0x7f) writer->err = KITH_E_MALFORMED;
    }
    put_text(writer, http1_method_name(method));
    put_text(writer, " ");
    put_bytes(writer, target);
    put_text(writer, " HTTP/1.1\r\n");
    http1_put(writer, "Host", host);
}

void http1_put(struct http1_writer *writer, const char *name, struct kith_slice value)
{
    if (writer->err != KITH_OK) return;
    if (!http1_is_token(kith_slice_str(name)) || !http1_is_value(value)) {
        writer->err = KITH_E_MALFORMED;
        return;
    }
    put_text(writer, name);
    put_text(writer, ": ");
    put_bytes(writer, value);
    put_text(writer, "\r\n");
}

void http1_put_str(struct http1_writer *writer, const char *name, const char *value)
{
    http1_put(writer, name, kith_slice_str(value));
}

void http1_put_u64(struct http1_writer *writer, const char *name, uint64_t value)
{
    char room[DIGITS_MAX];

    http1_put(writer, name, digits_of(value, room));
}

kith_err http1_end_head(struct http1_writer *writer, uint64_t body_len)
{
    assert(!writer->without_body || body_len == 0);
    if (!writer->without_body) http1_put_u64(writer, "Content-Length", body_len);
    return http1_end_bare(writer);
}

kith_err http1_end(struct http1_writer *writer, struct kith_slice body)
{
    kith_err err = http1_end_head(writer, body.len);

    if (err != KITH_OK) return err;
    put_bytes(writer, body);
    return finish(writer);
}

kith_err http1_end_bare(struct http1_writer *writer)
{
    put_text(writer, "\r\n");
    return finish(writer);
}

kith_err http1_continue(struct kith_buf *buf)
{
    return kith_buf_append_str(buf, "HTTP/1.1 100 Continue\r\n\r\n");
}
