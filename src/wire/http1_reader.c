#include "wire/http1_reader.h"

#include <assert.h>
#include <stdlib.h>

#include "wire/http1_body.h"

/* A request line of this size has a target past its maximum, whatever the rest of it is. */
#define START_LINE_BYTES_MAX (HTTP1_TARGET_BYTES_MAX + 64)

enum phase {
    PHASE_START,   /* the start line                                         */
    PHASE_HEADERS, /* header lines, up to the blank one                      */
    PHASE_ANSWER,  /* HTTP1_EVENT_HEAD was given: limits may change          */
    PHASE_BODY,
    PHASE_DONE, /* HTTP1_EVENT_DONE was given: lent until the next call */
};

struct http1_reading {
    enum phase phase;
    struct kith_buf head; /* start line and headers with their line ends */
    size_t line_at;       /* in `head`: the first line not checked yet   */
    size_t headers_count;
    struct http1_header headers[HTTP1_HEADERS_MAX];
    struct http1_framing framing;
    struct http1_body body;
    union {
        struct http1_request request;
        struct http1_response response;
    };
};

static const struct {
    kith_err err;
    uint16_t status;
    const char *reason;
} refusals[] = {
#define REFUSAL_ROW(name, err, status, text) [HTTP1_REFUSE_##name] = {KITH_E_##err, status, text},
    HTTP1_REFUSAL_LIST(REFUSAL_ROW)
#undef REFUSAL_ROW
};

static kith_err refuse(struct http1_reader *reader, enum http1_refusal refusal)
{
    reader->closed = true;
    reader->status = refusals[refusal].status;
    reader->reason = refusals[refusal].reason;
    return refusals[refusal].err;
}

void http1_reader_init_server(struct http1_reader *reader, uint64_t body_bytes_max)
{
    *reader = (struct http1_reader){.body_bytes_max = body_bytes_max};
}

void http1_reader_init_client(struct http1_reader *reader, uint64_t body_bytes_max)
{
    *reader = (struct http1_reader){.body_bytes_max = body_bytes_max, .is_client = true};
}

void http1_reader_deinit(struct http1_reader *reader)
{
    if (reader->reading != NULL) {
        kith_buf_deinit(&reader->reading->head);
        http1_body_deinit(&reader->reading->body);
        free(reader->reading);
    }
    reader->reading = NULL;
    reader->closed = true;
}

void http1_reader_release(struct http1_reader *reader)
{
    bool closed = reader->closed;

    assert(reader->reading == NULL || closed || reader->reading->phase == PHASE_DONE);
    http1_reader_deinit(reader);
    reader->closed = closed;
}

/* Makes room for a message, in the memory of the last one where it is still held. */
static kith_err reading_begin(struct http1_reader *reader)
{
    struct http1_reading *reading = reader->reading;

    if (reading == NULL) {
        reading = calloc(1, sizeof *reading);
        if (reading == NULL) return refuse(reader, HTTP1_REFUSE_NO_MEMORY);
        kith_buf_init(&reading->head, HTTP1_HEAD_BYTES_MAX);
        reader->reading = reading;
    } else {
        http1_body_deinit(&reading->body);
        kith_buf_reset(&reading->head);
    }
    reading->phase = PHASE_START;
    reading->line_at = reading->headers_count = 0;
    http1_body_init(&reading->body, reader->is_client, reader->head_request);
    reading->body.bytes_max = reader->body_bytes_max;
    if (reader->is_client) {
        reading->response = (struct http1_response){0};
    } else {
        reading->request = (struct http1_request){0};
    }
    return KITH_OK;
}

/* RFC 9112, 2.2: empty lines before a request are passed over. Nothing is kept for them. */
static kith_err empty_lines_skip(struct http1_reader *reader, struct kith_slice in, size_t *used)
{
    for (; *used < in.len; *used += 1) {
        uint8_t b = in.ptr[*used];

        if (reader->cr_seen && b != '\n') return refuse(reader, HTTP1_REFUSE_BARE_CR);
        if (!reader->cr_seen && b == '\n') return refuse(reader, HTTP1_REFUSE_BARE_LF);
        if (b != '\r' && b != '\n') return KITH_OK;
        reader->cr_seen = b == '\r';
    }
    return KITH_E_AGAIN;
}

/* The next line of the head without its CRLF. */
static struct kith_slice line_take(struct kith_slice *head)
{
    const uint8_t *lf = memchr(head->ptr, '\n', head->len);
    struct kith_slice line = kith_slice_of(head->ptr, (size_t)(lf - head->ptr) - 1);

    head->ptr = lf + 1;
    head->len -= line.len + 2;
    return line;
}

static enum http1_refusal start_line_take(struct http1_reader *reader, struct kith_slice line)
{
    return reader->is_client ? http1_status_line(line, &reader->reading->response)
                             : http1_request_line(line, &reader->reading->request);
}

/* The head is whole and stays where it is: everything that points into it. */
static enum http1_refusal head_parse(struct http1_reader *reader)
{
    struct http1_reading *reading = reader->reading;
    struct kith_slice head = kith_buf_peek(&reading->head);
    struct http1_headers headers = {.at = reading->headers, .count = reading->headers_count};
    enum http1_refusal refusal = start_line_take(reader, line_take(&head));
    unsigned minor = reader->is_client ? reading->response.minor : reading->request.minor;

    for (size_t i = 0; refusal == HTTP1_FINE && i < headers.count; i++) {
        refusal = http1_header_line(line_take(&head), &reading->headers[i]);
    }
    if (refusal == HTTP1_FINE) refusal = http1_framing_check(headers, minor, &reading->framing);
    if (refusal != HTTP1_FINE) return refusal;
    if (!reader->is_client) {
        reading->request.headers = headers;
        return http1_request_check(&reading->request, &reading->framing);
    }
    reading->response.headers = headers;
    reading->response.keep_alive = reading->framing.keep_alive;
    reading->response.upgrade = reading->response.status == 101;
    return HTTP1_FINE;
}

/* One whole line of the head. */
static enum http1_refusal head_line(struct http1_reader *reader, bool *at_end)
{
    struct http1_reading *reading = reader->reading;
    struct kith_slice head = kith_buf_peek(&reading->head);
    struct kith_slice line = kith_slice_of(head.ptr + reading->line_at, head.len - reading->line_at);
    enum http1_refusal refusal = http1_line_check(line);
    struct http1_header header;

    *at_end = false;
    if (refusal != HTTP1_FINE) return refusal;
    reading->line_at = head.len;
    line.len -= 2;
    if (reading->phase == PHASE_START) {
        reading->phase = PHASE_HEADERS;
        return start_line_take(reader, line);
    }
    if (line.len > 0) {
        if (reading->headers_count == HTTP1_HEADERS_MAX) return HTTP1_REFUSE_TOO_MANY_HEADERS;
        reading->headers_count++;
        return http1_header_line(line, &header);
    }
    *at_end = true;
    return HTTP1_FINE;
}

/* Gathers the head, line by line, each checked as it comes whole. */
static kith_err head_feed(struct http1_reader *reader, struct kith_slice in, size_t *used)
{
    struct http1_reading *reading = reader->reading;
    enum http1_refusal refusal = HTTP1_FINE;
    bool at_end = false;

    while (*used < in.len && !at_end) {
        const uint8_t *lf = memchr(in.ptr + *used, '\n', in.len - *used);
        size_t len = lf == NULL ? in.len - *used : (size_t)(lf + 1 - in.ptr) - *used;
        size_t head_len = kith_buf_len(&reading->head) + len;

        if (!reader->is_client && reading->phase == PHASE_START && head_len > START_LINE_BYTES_MAX) {
            return refuse(reader, HTTP1_REFUSE_TARGET_TOO_LONG);
        }
        if (head_len > HTTP1_HEAD_BYTES_MAX) return refuse(reader, HTTP1_REFUSE_HEAD_TOO_BIG);
        if (kith_buf_append(&reading->head, kith_slice_of(in.ptr + *used, len)) != KITH_OK) {
            return refuse(reader, HTTP1_REFUSE_NO_MEMORY);
        }
        *used += len;
        if (lf == NULL) return KITH_E_AGAIN;
        refusal = head_line(reader, &at_end);
        if (refusal != HTTP1_FINE) return refuse(reader, refusal);
    }
    if (!at_end) return KITH_E_AGAIN;
    refusal = head_parse(reader);
    if (refusal == HTTP1_FINE) {
        refusal = http1_body_head(&reading->body, kith_buf_peek(&reading->head), &reading->framing);
    }
    if (refusal != HTTP1_FINE) return refuse(reader, refusal);
    if (http1_body_needs_eof(&reading->body)) reading->response.keep_alive = false;
    /* 100, 102, 103: news on the way, the answer comes after them. */
    if (reader->is_client && reading->response.status < 200 && !reading->response.upgrade) return reading_begin(reader);
    reading->phase = PHASE_ANSWER;
    return KITH_OK;
}

static void finish(struct http1_reader *reader)
{
    struct http1_reading *reading = reader->reading;
    struct kith_slice body = kith_buf_peek(&reading->body.gathered);

    reading->phase = PHASE_DONE;
    reader->head_request = false;
    if (reader->is_client) {
        reading->response.body = body;
        reader->closed = !reading->response.keep_alive || reading->response.upgrade;
    } else {
        reading->request.body = body;
        reader->closed = !reading->request.keep_alive;
    }
}

static bool is_too_big(const struct http1_reading *reading)
{
    return !reading->body.complete && reading->framing.content_length > reading->body.bytes_max;
}

static kith_err body_begin(struct http1_reader *reader)
{
    if (is_too_big(reader->reading)) return refuse(reader, HTTP1_REFUSE_BODY_TOO_BIG);
    reader->reading->phase = PHASE_BODY;
    return KITH_OK;
}

kith_err http1_reader_next(struct http1_reader *reader, struct kith_slice in, size_t *used, enum http1_event *event)
{
    struct http1_reading *reading = reader->reading;
    enum http1_refusal refusal;
    kith_err err;

    *used = 0;
    if (reader->closed) return KITH_E_CLOSED;
    if (reading == NULL || reading->phase == PHASE_DONE) {
        err = reader->is_client ? (in.len == 0 ? KITH_E_AGAIN : KITH_OK) : empty_lines_skip(reader, in, used);
        if (err == KITH_OK) err = reading_begin(reader);
        if (err != KITH_OK) return err;
        reading = reader->reading;
        assert(reading != NULL);
    }
    while (reading->phase == PHASE_START || reading->phase == PHASE_HEADERS) {
        err = head_feed(reader, in, used);
        if (err != KITH_OK) return err;
        if (reading->phase != PHASE_ANSWER) continue;
        *event = HTTP1_EVENT_HEAD;
        return KITH_OK;
    }
    if (reading->phase == PHASE_ANSWER) {
        err = body_begin(reader);
        if (err != KITH_OK) return err;
    }
    refusal = http1_body_feed(&reading->body, in, used);
    if (refusal != HTTP1_FINE) return refuse(reader, refusal);
    if (reading->body.streaming && reading->body.piece.len > 0) {
        *event = HTTP1_EVENT_BODY;
        return KITH_OK;
    }
    if (!reading->body.complete) return KITH_E_AGAIN;
    finish(reader);
    *event = HTTP1_EVENT_DONE;
    return KITH_OK;
}

kith_err http1_reader_eof(struct http1_reader *reader, enum http1_event *event)
{
    struct http1_reading *reading = reader->reading;
    kith_err err;

    assert(reader->is_client);
    if (reader->closed || reading == NULL || reading->phase == PHASE_DONE) return KITH_E_CLOSED;
    if (reading->phase == PHASE_ANSWER) {
        err = body_begin(reader);
        if (err != KITH_OK) return err;
    }
    if (reading->phase == PHASE_BODY) http1_body_eof(&reading->body);
    if (!reading->body.complete) return refuse(reader, HTTP1_REFUSE_CUT_SHORT);
    finish(reader);
    *event = HTTP1_EVENT_DONE;
    return KITH_OK;
}

static const struct http1_reading *lent(const struct http1_reader *reader)
{
    assert(reader->reading != NULL && reader->reading->phase >= PHASE_ANSWER);
    return reader->reading;
}

const struct http1_request *http1_reader_request(const struct http1_reader *reader)
{
    assert(!reader->is_client);
    return &lent(reader)->request;
}

const struct http1_response *http1_reader_response(const struct http1_reader *reader)
{
    assert(reader->is_client);
    return &lent(reader)->response;
}

struct kith_slice http1_reader_chunk(const struct http1_reader *reader)
{
    return lent(reader)->body.piece;
}

kith_err http1_reader_limit_body(struct http1_reader *reader, uint64_t body_bytes_max)
{
    struct http1_reading *reading = reader->reading;

    assert(reading != NULL && reading->phase == PHASE_ANSWER);
    reading->body.bytes_max = body_bytes_max;
    return is_too_big(reading) ? refuse(reader, HTTP1_REFUSE_BODY_TOO_BIG) : KITH_OK;
}

void http1_reader_stream_body(struct http1_reader *reader)
{
    assert(reader->reading != NULL && reader->reading->phase == PHASE_ANSWER);
    reader->reading->body.streaming = true;
}

void http1_reader_expect_no_body(struct http1_reader *reader)
{
    assert(reader->is_client && http1_reader_is_idle(reader));
    reader->head_request = true;
}

bool http1_reader_is_idle(const struct http1_reader *reader)
{
    return (reader->reading == NULL || reader->reading->phase == PHASE_DONE) && !reader->cr_seen;
}
