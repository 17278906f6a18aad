#include "wire/stomp.h"

#include <assert.h>

#include "wire/stomp_scan.h"

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
 * Whether a line that begins so can be a command; with its LF it must be one. Of a line that comes in pieces no more than
 * the longest command is looked at again.
 */
static kith_err command_take(struct stomp_reader *reader, const uint8_t *line, size_t len, bool is_whole)
{
    size_t text_len = len > 0 && line[len - 1] == '\r' ? len - 1 : len;

    for (unsigned i = 0; i < STOMP_COMMAND_COUNT; i++) {
        bool ends = is_whole || text_len < len;

        if (commands[i].len < text_len || (ends && commands[i].len != text_len)) continue;
        if (memcmp(commands[i].name, line, text_len) != 0) continue;
        reader->command = (uint8_t)i;
        reader->has_command = is_whole;
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

/*
 * The next byte of a header line, at that offset of it; LF too. Nothing is put off to a later byte that this one tells:
 * so what cannot become a frame ends at once, and it makes no difference in what pieces the bytes came.
 */
static kith_err header_byte_take(struct stomp_reader *reader, uint8_t b, size_t at)
{
    if (reader->has_cr && b != '\n') return malformed(reader, "stray CR in a header");
    if (utf8_feed(&reader->utf8, kith_slice_of(&b, 1)) != KITH_OK) return malformed(reader, "header is not UTF-8");
    if (reader->in_escape) {
        if (memchr("rnc\\", b, 4) == NULL) return malformed(reader, "undefined escape");
        reader->in_escape = false;
        reader->has_escape = true;
    } else if (b == '\n' || b == '\r') {
        if (at > 0 && !reader->has_colon && !reader->has_cr) return malformed(reader, "header without a colon");
        reader->has_cr = b == '\r';
        return KITH_OK;
    } else if (b == ':' && !reader->has_colon) {
        if (at == 0) return malformed(reader, "header without a name");
        reader->has_colon = true;
        return KITH_OK;
    } else if (b == '\0') {
        return malformed(reader, "NUL in a header");
    } else {
        reader->in_escape = b == '\\' && commands[reader->command].is_escaped;
    }
    if (!reader->has_colon && at >= STOMP_NAME_BYTES_MAX) return fail(reader, KITH_E_TOOBIG, "header name too long");
    if (!reader->has_colon) reader->name_len = (uint16_t)(at + 1);
    if (reader->has_colon && at - reader->name_len > STOMP_VALUE_BYTES_MAX)
        return fail(reader, KITH_E_TOOBIG, "header value too long");
    return KITH_OK;
}

/* Nearly every line: it has come whole, and has nothing in it that a byte-by-byte look would find. */
static bool header_is_plain(struct stomp_reader *reader, const uint8_t *line, size_t len)
{
    size_t text_len = len > 0 && line[len - 1] == '\r' ? len - 1 : len;
    const uint8_t *colon = memchr(line, ':', text_len);
    size_t name_len;

    if (colon == NULL || colon == line || stomp_has_rare(line, text_len)) return false;
    name_len = (size_t)(colon - line);
    if (name_len > STOMP_NAME_BYTES_MAX || text_len - name_len - 1 > STOMP_VALUE_BYTES_MAX) return false;
    reader->name_len = (uint16_t)name_len;
    return true;
}

/* A header line, or the blank one, of which `len` bytes have come; whole: and its LF. */
static kith_err header_line_check(struct stomp_reader *reader, const uint8_t *line, size_t len, bool is_whole)
{
    size_t at = reader->scan_at - reader->line_at;

    if (is_whole && at == 0 && header_is_plain(reader, line, len)) return KITH_OK;
    for (; at < len + is_whole; at++) {
        kith_err err = header_byte_take(reader, line[at], at);

        if (err != KITH_OK) return err;
    }
    return KITH_OK;
}

/* A checked header line, without its line end. */
static kith_err header_take(struct stomp_reader *reader, const uint8_t *line, size_t len, struct stomp_header *out)
{
    struct kith_slice name = kith_slice_of(line, reader->name_len);
    struct kith_slice value = kith_slice_of(line + name.len + 1, len - name.len - 1);

    if (reader->headers_count == STOMP_HEADERS_MAX) return fail(reader, KITH_E_TOOBIG, "too many headers");
    reader->headers_count++;
    *out = (struct stomp_header){.name = name, .value = value};
    reader->name_len = 0;
    reader->has_colon = reader->has_cr = false;
    if (reader->has_length || name.len != 14 || memcmp(line, "content-length", 14) != 0) return KITH_OK;
    return content_length_take(reader, value);
}

/*
 * Checks the lines up to the blank one, as far as they have come. Headers go to `out` where this call sees the frame from
 * its beginning; else they are taken again when the frame is whole.
 */
static kith_err lines_take(struct stomp_reader *reader, const uint8_t *bytes, size_t len, struct stomp_frame *out)
{
    bool from_start = reader->line_at == 0;

    for (;;) {
        const uint8_t *line = bytes + reader->line_at;
        const uint8_t *lf = memchr(bytes + reader->scan_at, '\n', len - reader->scan_at);
        size_t line_len = (size_t)((lf == NULL ? bytes + len : lf) - line);
        bool is_command = !reader->has_command;
        struct stomp_header again;
        kith_err err = is_command ? command_take(reader, line, line_len, lf != NULL)
                                  : header_line_check(reader, line, line_len, lf != NULL);

        if (err != KITH_OK) return err;
        reader->scan_at = (uint32_t)(lf == NULL ? len : (size_t)(lf - bytes) + 1);
        if (lf == NULL) return KITH_E_AGAIN;
        reader->line_at = reader->scan_at;
        if (is_command) continue;
        if (line_len > 0 && line[line_len - 1] == '\r') line_len--;
        if (line_len == 0) {
            reader->body_at = reader->scan_at;
            return KITH_OK;
        }
        err = header_take(reader, line, line_len, from_start ? &out->headers[reader->headers_count] : &again);
        if (err != KITH_OK) return err;
    }
}

static kith_err head_take(struct stomp_reader *reader, const uint8_t *bytes, size_t len, struct stomp_frame *out)
{
    size_t room = reader->frame_bytes_max - 1; /* a NUL comes behind it */
    kith_err err = lines_take(reader, bytes, len < room ? len : room, out);

    if (err == KITH_E_AGAIN && len > room) return fail(reader, KITH_E_TOOBIG, "frame too big");
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
