#include "wire/http1_reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/http1_drive.h"

/* http1_reader reading responses. */

#define MAX             1000
#define ROW(bytes, log) {bytes, sizeof bytes - 1, log}
#define ERROR           "E400 "

struct row {
    const char *bytes;
    size_t len;
    const char *log;
};

static void check_log(struct http1_drive *drive, const char *expected)
{
    struct kith_slice log = http1_drive_end(drive);

    if (!kith_slice_is(log, expected)) fail_msg("got %.*s\nwanted %s", (int)log.len, (const char *)log.ptr, expected);
}

static void eof(struct http1_drive *drive)
{
    enum http1_event event = HTTP1_EVENT_HEAD;

    if (drive->err != KITH_OK) return;
    drive->err = http1_reader_eof(&drive->reader, &event);
    if (drive->err != KITH_OK) return;
    assert_int_equal(event, HTTP1_EVENT_DONE);
    http1_drive_event(drive, event);
}

/* Whole, cut at each place, byte by byte; then the connection ends. */
static void check_row(const struct row *row, bool head_request)
{
    for (size_t cut = 0; cut <= row->len + 1; cut++) {
        for (int streams = 0; streams < 2; streams++) {
            struct http1_drive drive;

            http1_drive_init(&drive, true, MAX);
            drive.streams = streams != 0;
            if (head_request) http1_reader_expect_no_body(&drive.reader);
            if (cut <= row->len) {
                http1_drive_feed(&drive, kith_slice_of(row->bytes, cut));
                http1_drive_feed(&drive, kith_slice_of(row->bytes + cut, row->len - cut));
            } else {
                for (size_t i = 0; i < row->len; i++) http1_drive_feed(&drive, kith_slice_of(row->bytes + i, 1));
            }
            eof(&drive);
            check_log(&drive, row->log);
            http1_drive_deinit(&drive);
        }
    }
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) check_row(&rows[i], false);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void test_http1_client__reads_responses_however_the_bytes_come(void **state)
{
    static const struct row rows[] = {
        ROW("", "C"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 1 k|Content-Length=5|hello;C"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "200 1 k|Transfer-Encoding=chunked|hello;C"),
        ROW("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            "204 1 k|;304 1 k|Content-Length=9|;C"),
        ROW("HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "404 1 k|Content-Length=0|;C"),
        ROW("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", "404 1 k|Content-Length=0|;C"),
        ROW("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 0 |Content-Length=0|;C"),
        ROW("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "200 1 |Connection=close|Content-Length=0|;C"),
        ROW("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            "101 1 ku|Connection=upgrade|Upgrade=x|;C"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_client__takes_the_end_of_the_connection_for_the_end_of_a_body(void **state)
{
    static const struct row rows[] = {
        ROW("HTTP/1.1 200 OK\r\n\r\nhello", "200 1 |hello;"),
        ROW("HTTP/1.1 200 OK\r\n\r\n", "200 1 |;"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ERROR "the connection ended inside a message"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ERROR "the connection ended inside a message"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            ERROR "the connection ended inside a message"),
        ROW("HTTP/1.1 200 OK\r\nContent-Len", ERROR "the connection ended inside a message"),
        ROW("H", ERROR "the connection ended inside a message"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_client__passes_over_100_and_103(void **state)
{
    static const struct row rows[] = {
        ROW("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
            "OK\r\nContent-Length: 1\r\n\r\nx",
            "200 1 k|Content-Length=1|x;C"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_client__expects_no_body_after_a_head_request(void **state)
{
    static const struct row rows[] = {
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 1 k|Content-Length=5|;C"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            "200 1 k|Transfer-Encoding=chunked|;200 1 k|Content-Length=1|x;C"), /* for one message */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check_row(&rows[i], true);
}

static void test_http1_client__refuses_broken_responses(void **state)
{
    static const struct row rows[] = {
        ROW("\r\nHTTP/1.1 200 OK\r\n", ERROR "the start line is broken"),
        ROW("HTTP/1.1  200 OK\r\n", ERROR "the start line is broken"),
        ROW("HTTP/1.1 20 OK\r\n", ERROR "the start line is broken"),
        ROW("HTTP/1.1 2000 OK\r\n", ERROR "the start line is broken"),
        ROW("HTTP/1.1 099 OK\r\n", ERROR "the start line is broken"),
        ROW("HTTP/1.1 600 OK\r\n", ERROR "the start line is broken"),
        ROW("HTTP/1.1 200 O\x01K\r\n", ERROR "the start line is broken"),
        ROW("HTTP/2.0 200 OK\r\n", "E505 only HTTP/1.0 and HTTP/1.1 are spoken here"),
        ROW("HTTP/1.1 200 OK\n", ERROR "a line ends without CR"),
        ROW("HTTP/1.1 200 OK\r\nX : y\r\n", ERROR "a header name is broken"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            ERROR "Content-Length is broken or repeated"),
        ROW("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            ERROR "both Content-Length and Transfer-Encoding"),
        ROW("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            ERROR "Transfer-Encoding is repeated, or chunked is not last in it"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_client__bounds_a_body_without_length(void **state)
{
    struct http1_drive drive;

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        http1_drive_init(&drive, true, MAX);
        http1_drive_feed(&drive, kith_slice_str("HTTP/1.1 200 OK\r\n\r\n"));
        for (size_t i = 0; i < MAX + over; i++) http1_drive_feed(&drive, kith_slice_str("x"));
        assert_int_equal(drive.err, over ? KITH_E_TOOBIG : KITH_OK);
        http1_drive_deinit(&drive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http1_client__reads_responses_however_the_bytes_come),
        cmocka_unit_test(test_http1_client__takes_the_end_of_the_connection_for_the_end_of_a_body),
        cmocka_unit_test(test_http1_client__passes_over_100_and_103),
        cmocka_unit_test(test_http1_client__expects_no_body_after_a_head_request),
        cmocka_unit_test(test_http1_client__refuses_broken_responses),
        cmocka_unit_test(test_http1_client__bounds_a_body_without_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
