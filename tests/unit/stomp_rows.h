#ifndef TESTS_UNIT_STOMP_ROWS_H
#define TESTS_UNIT_STOMP_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/stomp_drive.h"

/* Rows of bytes and of what stomp_drive.h writes down for them, checked in every way the bytes may come. */
#define MAX             20000
#define ROW(bytes, log) {bytes, sizeof bytes - 1, log, sizeof log - 1}

struct row {
    const char *bytes;
    size_t len;
    const char *log;
    size_t log_len;
};

static inline void check_log(struct stomp_drive *drive, const char *expected, size_t expected_len)
{
    struct kith_slice log = stomp_drive_end(drive);

    if (!kith_slice_eq(log, kith_slice_of(expected, expected_len))) {
        fail_msg("got %.*s, wanted %s", (int)log.len, (const char *)log.ptr, expected);
    }
}

/* Whole, cut at each place, byte by byte. */
static inline void check_row(const struct row *row, size_t max)
{
    struct stomp_drive drive;

    for (size_t cut = 0; cut <= row->len; cut++) {
        stomp_drive_init(&drive, max);
        stomp_drive_feed(&drive, kith_slice_of(row->bytes, cut));
        stomp_drive_feed(&drive, kith_slice_of(row->bytes + cut, row->len - cut));
        check_log(&drive, row->log, row->log_len);
        stomp_drive_deinit(&drive);
    }
    stomp_drive_init(&drive, max);
    for (size_t i = 0; i < row->len; i++) stomp_drive_feed(&drive, kith_slice_of(row->bytes + i, 1));
    check_log(&drive, row->log, row->log_len);
    stomp_drive_deinit(&drive);
}

static inline void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) check_row(&rows[i], MAX);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

#endif
