#include "wire/http1_body.h"

#define CRLF_LEN 2

static struct http1_body *body_of(llhttp_t *parser)
{
    return parser->data;
}

/* llhttp: 1 says that no body follows. */
static int on_headers_complete(llhttp_t *parser)
{
    return body_of(parser)->skip ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t len)
{
    struct http1_body *body = body_of(parser);

    if (len > body->bytes_max - body->bytes) {
        body->refusal = HTTP1_REFUSE_BODY_TOO_BIG;
        return HPE_USER;
    }
    body->bytes += len;
    if (body->chunked) body->chunk_left -= len;
    body->piece = kith_slice_of(bytes, len);
    if (!body->streaming && kith_buf_append(&body->gathered, body->piece) != KITH_OK) {
        body->refusal = HTTP1_REFUSE_NO_MEMORY;
        return HPE_USER;
    }
    return 0;
}

/* Pauses, so that one run gives one piece at most, and each size line can be measured. */
static int on_chunk_header(llhttp_t *parser)
{
    struct http1_body *body = body_of(parser);

    if (parser->content_length > body->bytes_max - body->bytes) {
        body->refusal = HTTP1_REFUSE_BODY_TOO_BIG;
        return HPE_USER;
    }
    body->chunk_left = parser->content_length;
    body->at_chunk = true;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    body_of(parser)->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_message_complete = on_message_complete,
};

void http1_body_init(struct http1_body *body, bool is_client, bool skip)
{
    *body = (struct http1_body){.skip = skip, .line_bytes_max = HTTP1_CHUNK_LINE_BYTES_MAX + CRLF_LEN};
    llhttp_init(&body->parser, is_client ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    body->parser.data = body;
    kith_buf_init(&body->gathered, SIZE_MAX); /* on_body() bounds it */
}

void http1_body_deinit(struct http1_body *body)
{
    kith_buf_deinit(&body->gathered);
}

bool http1_body_needs_eof(const struct http1_body *body)
{
    return !body->complete && llhttp_message_needs_eof(&body->parser);
}

enum http1_refusal http1_body_head(struct http1_body *body, struct kith_slice head, const struct http1_framing *framing)
{
    llhttp_t *parser = &body->parser;
    llhttp_errno_t rc = llhttp_execute(parser, (const char *)head.ptr, head.len);

    if (rc != HPE_OK && (rc != HPE_PAUSED && rc != HPE_PAUSED_UPGRADE)) return HTTP1_REFUSE_BAD_HEAD;
    if (body->complete) return HTTP1_FINE;
    if (rc != HPE_OK || framing->chunked != ((parser->flags & F_CHUNKED) != 0)) return HTTP1_REFUSE_BAD_HEAD;
    if (framing->has_length && framing->content_length != parser->content_length) return HTTP1_REFUSE_BAD_HEAD;
    body->chunked = framing->chunked;
    return HTTP1_FINE;
}

/* How much of the input llhttp may see, so that a size line or the trailers are stopped at their maximum. */
static size_t run_len(const struct http1_body *body, size_t len)
{
    size_t room = body->line_bytes_max - body->line_bytes + 1;

    if (!body->chunked || len <= body->chunk_left || len - body->chunk_left <= room) return len;
    return (size_t)body->chunk_left + room;
}

/* Counts `seen` bytes that were no data. */
static enum http1_refusal line_measure(struct http1_body *body, size_t seen)
{
    if (!body->chunked) return HTTP1_FINE;
    body->line_bytes += seen;
    if (body->line_bytes > body->line_bytes_max) {
        return body->in_trailers ? HTTP1_REFUSE_TRAILERS_TOO_BIG : HTTP1_REFUSE_CHUNK_LINE_TOO_LONG;
    }
    if (!body->at_chunk) return HTTP1_FINE;
    body->at_chunk = false;
    body->in_trailers = body->chunk_left == 0;
    body->line_bytes = 0;
    /* From the second chunk on there is also the CRLF behind the data before it. */
    body->line_bytes_max = body->in_trailers ? HTTP1_TRAILER_BYTES_MAX : HTTP1_CHUNK_LINE_BYTES_MAX + 2 * CRLF_LEN;
    return HTTP1_FINE;
}

enum http1_refusal http1_body_feed(struct http1_body *body, struct kith_slice in, size_t *used)
{
    enum http1_refusal refusal = HTTP1_FINE;

    body->piece = (struct kith_slice){0};
    while (!body->complete && *used < in.len && (body->piece.len == 0 || !body->streaming)) {
        const char *at = (const char *)in.ptr + *used;
        size_t len = run_len(body, in.len - *used);
        llhttp_errno_t rc;

        body->piece = (struct kith_slice){0};
        rc = llhttp_execute(&body->parser, at, len);
        if (body->refusal != HTTP1_FINE) return body->refusal;
        if (rc == HPE_PAUSED || rc == HPE_PAUSED_UPGRADE) {
            len = (size_t)(llhttp_get_error_pos(&body->parser) - at);
            if (rc == HPE_PAUSED) llhttp_resume(&body->parser);
        } else if (rc != HPE_OK) {
            return HTTP1_REFUSE_BAD_CHUNK;
        }
        refusal = line_measure(body, len - body->piece.len);
        if (refusal != HTTP1_FINE) return refusal;
        *used += len;
    }
    return HTTP1_FINE;
}

void http1_body_eof(struct http1_body *body)
{
    if (http1_body_needs_eof(body)) (void)llhttp_finish(&body->parser);
}
