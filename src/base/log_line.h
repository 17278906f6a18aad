#ifndef KITH_BASE_LOG_LINE_H
#define KITH_BASE_LOG_LINE_H

#include "base/id.h"

/**
 * One line for the operator: time, level, event, and fields. logfmt for people on a terminal, JSON otherwise.
 *
 *     log_line(log, LOG_LINE_INFO, log_event("listening"), log_str("address", listen), log_uint("port", port));
 *
 *     time=2031-05-08T07:08:09.123Z level=info event=listening address=0.0.0.0 port=443
 *     {"time":"2031-05-08T07:08:09.123Z","level":"info","event":"listening","address":"0.0.0.0","port":443}
 *
 * Never log message content, tokens, keys, names or addresses of clients. Event and keys are constants of ours
 * ([a-z0-9_]); values may be foreign: whatever could end the line, steer a terminal or turn text around is escaped, so
 * that no value can forge a line or a field. Bytes that are no UTF-8 show as \xNN (JSON: U+FFFD).
 *
 * A value is cut after LOG_LINE_VALUE_BYTES_MAX bytes (and says so: "..."), a field that no longer fits is left out (and
 * `cut=true` says so), so the line is always whole. One write() a line: lines of several threads do not mix.
 * No allocation; any thread; a sink may be shared when nobody changes it.
 */
#define LOG_LINE_BYTES_MAX       4096 /* PIPE_BUF: what a pipe takes in one piece */
#define LOG_LINE_VALUE_BYTES_MAX 512

enum log_line_level { LOG_LINE_DEBUG, LOG_LINE_INFO, LOG_LINE_WARN, LOG_LINE_ERROR };

/** Where lines go. A NULL sink takes nothing. */
struct log_line_sink {
    int fd;
    bool json;
    enum log_line_level least; /* what is below it is not written */
    /* Both may be NULL: the real clock; write() to `fd`. For tests and the simulator. */
    uint64_t (*wall_ms)(const struct log_line_sink *sink);
    void (*write)(const struct log_line_sink *sink, struct kith_slice line); /* with its line end */
};

enum log_line_kind { LOG_LINE_END, LOG_LINE_TEXT, LOG_LINE_UINT, LOG_LINE_ID };

struct log_field {
    const char *key;
    enum log_line_kind kind;
    union {
        struct kith_slice text;
        uint64_t number;
        struct kith_uuid id;
    } as;
};

/** logfmt when `fd` is a terminal, JSON otherwise. */
void log_line_sink_init(struct log_line_sink *sink, int fd, enum log_line_level least);

/** "debug", "info", "warn", "error"; false for anything else. */
bool log_line_level_parse(const char *text, enum log_line_level *out);

#define log_line(sink, level, ...) \
    log_line_write((sink), (level), (const struct log_field[]){__VA_ARGS__, {.kind = LOG_LINE_END}})

/** The first field is the event; the last is LOG_LINE_END. */
void log_line_write(const struct log_line_sink *sink, enum log_line_level level, const struct log_field *fields);

static inline struct log_field log_text(const char *key, struct kith_slice text)
{
    return (struct log_field){.key = key, .kind = LOG_LINE_TEXT, .as.text = text};
}

/** NULL is written as the empty text. */
static inline struct log_field log_str(const char *key, const char *text)
{
    return log_text(key, kith_slice_str(text == NULL ? "" : text));
}

static inline struct log_field log_event(const char *event)
{
    return log_str("event", event);
}

static inline struct log_field log_uint(const char *key, uint64_t number)
{
    return (struct log_field){.key = key, .kind = LOG_LINE_UINT, .as.number = number};
}

static inline struct log_field log_id(const char *key, struct kith_uuid id)
{
    return (struct log_field){.key = key, .kind = LOG_LINE_ID, .as.id = id};
}

#endif
