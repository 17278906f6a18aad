#include "base/log_line.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TAIL_BYTES 24 /* kept free for `cut` and the end of the line */

struct line {
    char bytes[LOG_LINE_BYTES_MAX];
    size_t len;
    bool full; /* something did not fit since it was last cleared */
    bool json;
};

static void put(struct line *line, const char *bytes, size_t len)
{
    if (line->full || len > sizeof line->bytes - TAIL_BYTES - line->len) {
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

static void put_str(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Takes one code point off the front; false: the first byte begins none. (RFC 3629, 4) */
static bool eat_code_point(struct kith_slice *in, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = in->ptr[0];
    size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    uint32_t point = len == 1 ? first : first & (0x7fu >> len);

    if (len == 0 || len > in->len) return false;
    for (size_t i = 1; i < len; i++) {
        if ((in->ptr[i] & 0xc0) != 0x80) return false;
        point = point << 6 | (in->ptr[i] & 0x3fu);
    }
    if (point < least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    in->ptr += len;
    in->len -= len;
    *out = point;
    return true;
}

/* Ends a line, steers a terminal, or changes the direction of what stands around it. */
static bool must_escape(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0x61c || (point >= 0x200e && point <= 0x200f) ||
           (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

/* In logfmt only plain values go without quotes. */
static bool is_plain(struct kith_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
    }
    return text.len > 0;
}

static void put_text(struct line *line, struct kith_slice text)
{
    size_t end = line->len + LOG_LINE_VALUE_BYTES_MAX;
    bool quoted = line->json || !is_plain(text);
    char escaped[16];

    if (quoted) put_str(line, "\"");
    while (text.len > 0 && !line->full) {
        const uint8_t *at = text.ptr;
        uint32_t point = 0;

        if (line->len > end) {
            put_str(line, "...");
            break;
        }
        if (!eat_code_point(&text, &point)) {
            (void)snprintf(escaped, sizeof escaped, line->json ? "\\ufffd" : "\\x%02x", *at);
            put_str(line, escaped);
            text.ptr++;
            text.len--;
        } else if (point == '"' || point == '\\') {
            put(line, (char[]){'\\', (char)point}, 2);
        } else if (point == '\n') {
            put_str(line, "\\n");
        } else if (must_escape(point)) {
            (void)snprintf(escaped, sizeof escaped, "\\u%04" PRIx32, point);
            put_str(line, escaped);
        } else {
            put(line, (const char *)at, (size_t)(text.ptr - at));
        }
    }
    if (quoted) put_str(line, "\"");
}

static void put_value(struct line *line, const struct log_field *field)
{
    char text[KITH_UUID_TEXT_LEN + 1] = "";

    switch (field->kind) {
    case LOG_LINE_TEXT: put_text(line, field->as.text); return;
    case LOG_LINE_UINT: (void)snprintf(text, sizeof text, "%" PRIu64, field->as.number); break;
    case LOG_LINE_ID:
        kith_uuid_format(field->as.id, text);
        put_text(line, kith_slice_str(text));
        return;
    case LOG_LINE_END: break;
    }
    put_str(line, text);
}

/* Whole or not at all. */
static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->len;
    bool first = before == 0;

    if (line->json)
        put_str(line, first ? "{\"" : ",\"");
    else if (!first)
        put_str(line, " ");
    put_str(line, field->key);
    put_str(line, line->json ? "\":" : "=");
    put_value(line, field);
    if (line->full) line->len = before;
}

static bool key_is_good(const char *key)
{
    return key[0] != '\0' && key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static uint64_t real_ms(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_REALTIME, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static void format_time(uint64_t ms, char out[static 40])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc = {0};
    size_t len;

    (void)gmtime_r(&seconds, &utc);
    len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out + len, 40 - len, ".%03uZ", (unsigned)(ms % 1000));
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return; /* nobody to tell */
        bytes += n;
        len -= (size_t)n;
    }
}

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_line_write(const struct log_line_sink *sink, enum log_line_level level, const struct log_field *fields)
{
    struct line line;
    char time_text[40];
    struct log_field field;

    if (sink == NULL || level < sink->least) return;
    line.len = 0;
    line.full = false;
    line.json = sink->json;
    format_time(sink->wall_ms != NULL ? sink->wall_ms(sink) : real_ms(), time_text);
    field = log_str("time", time_text);
    put_field(&line, &field);
    field = log_str("level", level_names[level]);
    put_field(&line, &field);
    for (; fields->kind != LOG_LINE_END && !line.full; fields++) {
        assert(key_is_good(fields->key));
        put_field(&line, fields);
    }
    if (line.full) {
        const char *cut = line.json ? ",\"cut\":true" : " cut=true";
        memcpy(line.bytes + line.len, cut, strlen(cut)); /* TAIL_BYTES are free for it */
        line.len += strlen(cut);
    }
    if (line.json) line.bytes[line.len++] = '}';
    line.bytes[line.len++] = '\n';
    if (sink->write != NULL)
        sink->write(sink, kith_slice_of(line.bytes, line.len));
    else
        write_all(sink->fd, line.bytes, line.len);
}

void log_line_sink_init(struct log_line_sink *sink, int fd, enum log_line_level least)
{
    *sink = (struct log_line_sink){.fd = fd, .json = isatty(fd) == 0, .least = least};
}

bool log_line_level_parse(const char *text, enum log_line_level *out)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(text, level_names[i]) != 0) continue;
        *out = (enum log_line_level)i;
        return true;
    }
    return false;
}
