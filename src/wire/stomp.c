#include "wire/stomp.h"

#include <assert.h>

#include "wire/stomp_scan.h"

#define LINE_BYTES_MAX (STOMP_NAME_BYTES_MAX + 1 + STOMP_VALUE_BYTES_MAX)

struct command_row {
    const char *name;
    uint8_t len;
    bool has_body, is_escaped;
};

#define COMMAND_ROW(name, has_body, is_escaped) [STOMP_##name] = {#name, sizeof #name - 1, has_body, is_escaped},
static const struct command_row commands[STOMP_COMMAND_COUNT] = {STOMP_COMMAND_LIST(COMMAND_ROW)};
#undef COMMAND_ROW

const char *stomp_command_name(enum stomp_command command)
{
    assert((unsigned)command < STOMP_COMMAND_COUNT);
    return commands[command].name;
}

bool stomp_command_has_body(enum stomp_command command)
{
    return commands[command].has_body;
}

bool stomp_command_is_escaped(enum stomp_command command)
{
    return commands[command].is_escaped;
}

void stomp_reader_init(struct stomp_reader *reader, size_t frame_bytes_max)
{
    assert(frame_bytes_max > 0 && frame_bytes_max <= STOMP_FRAME_BYTES_TOP);
    *reader = (struct stomp_reader){.frame_bytes_max = (uint32_t)frame_bytes_max};
}

static kith_err fail(struct stomp_reader *reader, kith_err err, const char *reason)
{
    reader->err = (uint16_t)err;
    reader->reason = reason;
    return err;
}

static kith_err malformed(struct stomp_reader *reader, const char *reason)
{
    return fail(reader, KITH_E_MALFORMED, reason);
}

/* Line ends in front of a frame. A CR waits for its LF. */
static kith_err line_ends_skip(struct stomp_reader *reader, const uint8_t *bytes, size_t len, size_t *used)
{
    size_t at = 0;

    while (at < len) {
        if (bytes[at] == '\n') {
            at++;
        } else if (bytes[at] == '\r') {
            if (at + 1 == len) break;
            if (bytes[at + 1] != '\n') return malformed(reader, "stray CR between frames");
            at += 2;
        } else {
            *used = at;
            return KITH_OK;
        }
    }
    *used = at;
    return KITH_E_AGAIN;
}

/*
 * The maxima that a line of which `seen` bytes of the frame are known (its LF not counted) is past. Whichever is passed
 * first counts, so that it makes no difference in how large pieces the bytes came. A CR at the end is not the line's.
 */
static kith_err line_size_check(struct stomp_reader *reader, size_t seen)
{
    size_t line_bytes_max = reader->has_command ? LINE_BYTES_MAX : STOMP_COMMAND_BYTES_MAX;
    size_t line_limit = reader->line_at + line_bytes_max + 2;

    if (seen < line_limit && seen < reader->frame_bytes_max) return KITH_OK;
    if (line_limit >= reader->frame_bytes_max) return fail(reader, KITH_E_TOOBIG, "frame too big");
    if (!reader->has_command) return malformed(reader, "unknown command");
    return fail(reader, KITH_E_TOOBIG, "header too long");
}

static kith_err command_take(struct stomp_reader *reader, const uint8_t *line, size_t len)
{
    for (unsigned i = 0; i < STOMP_COMMAND_COUNT; i++) {
        if (commands[i].len != len || memcmp(commands[i].name, line, len) != 0) continue;
        reader->command = (uint8_t)i;
        reader->has_command = true;
        return KITH_OK;
    }
    return malformed(reader, "unknown command");
}

static kith_err content_length_take(struct stomp_reader *reader, struct kith_slice value)
{
    uint64_t n = 0;

    if (kith_slice_to_u64(value, &n) != KITH_OK) return malformed(reader, "content-length is no number");
    /* More than any frame may have: cut to what the field holds, refused at the end of the head. */
    reader->content_length = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    reader->has_length = true;
    return KITH_OK;
}

/* One header line, but for the bytes that rare_check() looks at. */
static kith_err header_take(struct stomp_reader *reader, const uint8_t *line, size_t len, struct stomp_header *out)
{
    const uint8_t *colon = memchr(line, ':', len);
    struct kith_slice value;
    size_t name_len;

    if (colon == NULL) return malformed(reader, "header without a colon");
    name_len = (size_t)(colon - line);
    value = kith_slice_of(colon + 1, len - name_len - 1);
    if (name_len == 0) return malformed(reader, "header without a name");
    if (name_len > STOMP_NAME_BYTES_MAX) return fail(reader, KITH_E_TOOBIG, "header name too long");
    if (value.len > STOMP_VALUE_BYTES_MAX) return fail(reader, KITH_E_TOOBIG, "header value too long");
    if (reader->headers_count == STOMP_HEADERS_MAX) return fail(reader, KITH_E_TOOBIG, "too many headers");
    reader->headers_count++;
    *out = (struct stomp_header){.name = kith_slice_of(line, name_len), .value = value};
    if (reader->has_length || name_len != 14 || memcmp(line, "content-length", 14) != 0) return KITH_OK;
    return content_length_take(reader, value);
}

/*
 * Checks the lines that have come whole since the last call, up to the blank one. Headers go to `out` where this call
 * sees the frame from its beginning; else they are taken again when the frame is whole.
 */
static kith_err lines_take(struct stomp_reader *reader, const uint8_t *bytes, size_t len, struct stomp_frame *out)
{
    bool from_start = reader->line_at == 0;

    for (;;) {
        const uint8_t *line = bytes + reader->line_at;
        const uint8_t *lf = memchr(bytes + reader->scan_at, '\n', len - reader->scan_at);
        size_t seen = lf == NULL ? len : (size_t)(lf - bytes);
        size_t line_len = seen - reader->line_at;
        struct stomp_header again;
        kith_err err = line_size_check(reader, seen);

        if (err != KITH_OK) return err;
        if (lf == NULL) {
            reader->scan_at = (uint32_t)len;
            return KITH_E_AGAIN;
        }
        if (line_len > 0 && line[line_len - 1] == '\r') line_len--;
        if (line_len == 0) {
            reader->body_at = reader->scan_at = (uint32_t)seen + 1;
            return KITH_OK;
        }
        if (!reader->has_command) {
            err = command_take(reader, line, line_len);
        } else {
            err = header_take(reader, line, line_len, from_start ? &out->headers[reader->headers_count] : &again);
        }
        if (err != KITH_OK) return err;
        reader->line_at = reader->scan_at = (uint32_t)seen + 1;
    }
}

/* Backslashes, CRs and NULs of one header line (with its LF). */
static kith_err rare_line_check(struct stomp_reader *reader, const uint8_t *line, const uint8_t *lf)
{
    bool is_escaped = commands[reader->command].is_escaped;

    for (const uint8_t *at = line; at < lf; at++) {
        if (!stomp_byte_is_rare(*at)) continue;
        if (*at == '\0') return malformed(reader, "NUL in a header");
        if (*at == '\r' && at + 1 != lf) return malformed(reader, "stray CR in a header");
        if (*at != '\\' || !is_escaped) continue;
        at++;
        if (at == lf || strchr("rnc\\", *at) == NULL || *at == '\0') return malformed(reader, "undefined escape");
        reader->has_escape = true;
    }
    return KITH_OK;
}

static kith_err rare_check(struct stomp_reader *reader, const uint8_t *bytes, size_t from, size_t to)
{
    const uint8_t *line = bytes + from;

    if (!reader->has_command || from >= to || !stomp_has_rare(line, to - from)) return KITH_OK;
    while (line < bytes + to) {
        const uint8_t *lf = memchr(line, '\n', (size_t)(bytes + to - line));
        kith_err err = rare_line_check(reader, line, lf);

        if (err != KITH_OK) return err;
        line = lf + 1;
    }
    return KITH_OK;
}

static kith_err head_take(struct stomp_reader *reader, const uint8_t *bytes, size_t len, struct stomp_frame *out)
{
    size_t from = reader->line_at;
    kith_err err = lines_take(reader, bytes, len, out);
    /* A rare byte in a line before the one that failed came first, and is what was wrong. */
    kith_err rare_err = rare_check(reader, bytes, from, reader->line_at);

    if (rare_err != KITH_OK) return rare_err;
    if (err != KITH_OK) return err;
    if (!commands[reader->command].has_body && reader->has_length && reader->content_length > 0) {
        return malformed(reader, "this command has no body");
    }
    return KITH_OK;
}

/* Where the frame ends: *nul_at is the offset of its NUL. */
static kith_err body_take(struct stomp_reader *reader, const uint8_t *bytes, size_t len, size_t *nul_at)
{
    size_t max = reader->frame_bytes_max;
    const uint8_t *nul;
    size_t end;

    if (reader->has_length) {
        *nul_at = (size_t)reader->body_at + reader->content_length;
        if (*nul_at >= max) return fail(reader, KITH_E_TOOBIG, "frame too big");
        if (len <= *nul_at) return KITH_E_AGAIN;
        if (bytes[*nul_at] != '\0') return malformed(reader, "no NUL after content-length bytes");
        return KITH_OK;
    }
    if (reader->body_at >= max) return fail(reader, KITH_E_TOOBIG, "frame too big");
    if (!commands[reader->command].has_body && len > reader->body_at && bytes[reader->body_at] != '\0') {
        return malformed(reader, "this command has no body");
    }
    end = len < max ? len : max;
    nul = end > reader->scan_at ? memchr(bytes + reader->scan_at, '\0', end - reader->scan_at) : NULL;
    if (nul == NULL) {
        reader->scan_at = (uint32_t)end;
        return end == max ? fail(reader, KITH_E_TOOBIG, "frame too big") : KITH_E_AGAIN;
    }
    *nul_at = (size_t)(nul - bytes);
    return KITH_OK;
}

/* Removes checked escapes in place. */
static void unescape(struct kith_slice *text, uint8_t *bytes)
{
    const uint8_t *from = memchr(text->ptr, '\\', text->len);
    const uint8_t *end = text->ptr + text->len;
    uint8_t *to;

    if (from == NULL) return;
    to = bytes + (from - bytes);
    while (from < end) {
        uint8_t b = *from++;
        if (b == '\\') {
            b = *from++;
            b = b == 'r' ? '\r' : b == 'n' ? '\n' : b == 'c' ? ':' : b;
        }
        *to++ = b;
    }
    text->len = (size_t)(to - text->ptr);
}

/* The headers of a head that was checked in pieces. */
static void headers_again(const struct stomp_reader *reader, const uint8_t *bytes, struct stomp_frame *out)
{
    const uint8_t *line = (const uint8_t *)memchr(bytes, '\n', reader->body_at) + 1;

    for (unsigned i = 0; i < reader->headers_count; i++) {
        const uint8_t *end = bytes + reader->body_at;
        const uint8_t *lf = memchr(line, '\n', (size_t)(end - line));
        const uint8_t *colon = memchr(line, ':', (size_t)(lf - line));
        size_t value_len = (size_t)(lf - colon) - 1 - (lf[-1] == '\r' ? 1 : 0);

        out->headers[i].name = kith_slice_of(line, (size_t)(colon - line));
        out->headers[i].value = kith_slice_of(colon + 1, value_len);
        line = lf + 1;
    }
}

kith_err stomp_next(struct stomp_reader *reader, uint8_t *bytes, size_t len, size_t *used, struct stomp_frame *out)
{
    bool from_start = reader->line_at == 0 && reader->body_at == 0;
    size_t skipped = 0, nul_at = 0;
    kith_err err;

    *used = 0;
    if (reader->err != 0) return (kith_err)reader->err;
    err = line_ends_skip(reader, bytes, len, &skipped);
    *used = skipped;
    if (err != KITH_OK) return err;
    bytes += skipped;
    len -= skipped;
    if (reader->body_at == 0) {
        err = head_take(reader, bytes, len, out);
        if (err != KITH_OK) return err;
    }
    err = body_take(reader, bytes, len, &nul_at);
    if (err != KITH_OK) return err;

    if (!from_start) headers_again(reader, bytes, out);
    out->command = (enum stomp_command)reader->command;
    out->headers_count = reader->headers_count;
    out->body = kith_slice_of(bytes + reader->body_at, nul_at - reader->body_at);
    if (reader->has_escape) {
        for (unsigned i = 0; i < out->headers_count; i++) {
            unescape(&out->headers[i].name, bytes);
            unescape(&out->headers[i].value, bytes);
        }
    }
    *used = skipped + nul_at + 1;
    stomp_reader_init(reader, reader->frame_bytes_max);
    return KITH_OK;
}

bool stomp_header(const struct stomp_frame *frame, const char *name, struct kith_slice *value)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < frame->headers_count; i++) {
        const struct stomp_header *header = &frame->headers[i];
        if (header->name.len != len || memcmp(header->name.ptr, name, len) != 0) continue;
        *value = header->value;
        return true;
    }
    return false;
}
