#ifndef TESTS_UNIT_HTTP1_ROWS_H
#define TESTS_UNIT_HTTP1_ROWS_H

#include "tests/unit/http1_drive.h"

/* Rows of bytes and the log that http1_drive.h makes of them as requests; include after cmocka.h. */

#define MAX             1000
#define ROW(bytes, log) {bytes, sizeof bytes - 1, log}

struct row {
    const char *bytes;
    size_t len;
    const char *log;
};

static inline void check_log(struct http1_drive *drive, const char *expected)
{
    struct kith_slice log = http1_drive_end(drive);

    if (!kith_slice_is(log, expected)) fail_msg("got %.*s\nwanted %s", (int)log.len, (const char *)log.ptr, expected);
}

/* Whole, cut at each place, byte by byte; the body gathered and streamed. */
static inline void check_row(const struct row *row, uint64_t max)
{
    struct http1_drive drive;

    for (size_t cut = 0; cut <= row->len + 1; cut++) {
        for (int streams = 0; streams < 2; streams++) {
            http1_drive_init(&drive, false, max);
            drive.streams = streams != 0;
            if (cut <= row->len) {
                http1_drive_feed(&drive, kith_slice_of(row->bytes, cut));
                http1_drive_feed(&drive, kith_slice_of(row->bytes + cut, row->len - cut));
            } else {
                for (size_t i = 0; i < row->len; i++) http1_drive_feed(&drive, kith_slice_of(row->bytes + i, 1));
            }
            /* As a server would: whether the connection is done with shows with the next call. */
            if (drive.messages > 0) http1_drive_feed(&drive, (struct kith_slice){0});
            check_log(&drive, row->log);
            http1_drive_deinit(&drive);
        }
    }
}

static inline void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) check_row(&rows[i], MAX);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

#define GET         "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST        "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED     POST "Transfer-Encoding: chunked\r\n\r\n"
#define CHUNKED_LOG "POST / /  a 1 k|Host=a|Transfer-Encoding=chunked|"

#endif
