#include "wire/http1_reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/http1_rows.h"

static void test_http1_reader__reads_requests_however_the_bytes_come(void **state)
{
    static const struct row rows[] = {
        ROW("", ""),
        ROW(GET "\r\n", "GET / /  a 1 k|Host=a|;"),
        ROW("\r\n\r\n" GET "\r\n", "GET / /  a 1 k|Host=a|;"),
        ROW("GET /a/b?c=d&e HTTP/1.1\r\nHost: a:80\r\nX: \t y z\t \r\nEmpty:\r\n\r\n",
            "GET /a/b?c=d&e /a/b c=d&e a:80 1 k|Host=a:80|X=y z|Empty=|;"),
        ROW(POST "Content-Length: 5\r\n\r\nhello", "POST / /  a 1 k|Host=a|Content-Length=5|hello;"),
        ROW(POST "Content-Length: 0\r\n\r\n", "POST / /  a 1 k|Host=a|Content-Length=0|;"),
        ROW(POST "\r\n", "POST / /  a 1 k|Host=a|;"),
        ROW(GET "X: \x80\xff\r\n\r\n", "GET / /  a 1 k|Host=a|X=\x80\xff|;"), /* obs-text is let through */
        ROW(GET "\r\n" GET "\r\n", "GET / /  a 1 k|Host=a|;GET / /  a 1 k|Host=a|;"),
        ROW(POST "Content-Length: 2\r\n\r\nhi" GET "\r\n",
            "POST / /  a 1 k|Host=a|Content-Length=2|hi;GET / /  a 1 k|Host=a|;"),
        ROW(POST "Content-Length: 2\r\n\r\nhi\r\n" GET "\r\n",
            "POST / /  a 1 k|Host=a|Content-Length=2|hi;GET / /  a 1 k|Host=a|;"),
        ROW("GET", "?"),
        ROW("\r", "?"),
        ROW(GET, "?"),
        ROW(POST "Content-Length: 2\r\n\r\nh", "?"),
        ROW("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * *  a 1 k|Host=a|;"),
        ROW("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / /  a 1 k|Host=a|;"),
        ROW("PUT / HTTP/1.1\r\nHost: a\r\n\r\n", "PUT / /  a 1 k|Host=a|;"),
        ROW("PATCH / HTTP/1.1\r\nHost: a\r\n\r\n", "PATCH / /  a 1 k|Host=a|;"),
        ROW("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", "DELETE / /  a 1 k|Host=a|;"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_reader__says_whether_the_connection_goes_on(void **state)
{
    static const struct row rows[] = {
        ROW(GET "Connection: close\r\n\r\n" GET "\r\n", "GET / /  a 1 |Host=a|Connection=close|;C"),
        ROW(GET "Connection: x, CLOSE\r\n\r\n", "GET / /  a 1 |Host=a|Connection=x, CLOSE|;C"),
        ROW("GET / HTTP/1.0\r\n\r\n", "GET / /   0 |;C"),
        ROW("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / /   0 k|Connection=keep-alive|;"),
        ROW("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / /   0 |Connection=keep-alive, close|;C"),
        ROW("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / /  a 0 |Host=a|;C"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_reader__reads_chunked_bodies(void **state)
{
    static const struct row rows[] = {
        ROW(CHUNKED "5\r\nhello\r\n0\r\n\r\n", CHUNKED_LOG "hello;"),
        ROW(CHUNKED "0\r\n\r\n", CHUNKED_LOG ";"),
        ROW(CHUNKED "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n" GET "\r\n", CHUNKED_LOG "hello;GET / /  a 1 k|Host=a|;"),
        ROW(CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", CHUNKED_LOG "01234567890123456789;"),
        ROW(CHUNKED "5;a=b;c\r\nhello\r\n0;d=\"e\"\r\n\r\n", CHUNKED_LOG "hello;"),
        ROW(CHUNKED "5\r\nhello\r\n0\r\nA: b\r\nHost: evil\r\nConnection: close\r\n\r\n" GET "\r\n",
            CHUNKED_LOG "hello;GET / /  a 1 k|Host=a|;"), /* trailers are dropped */
        ROW(CHUNKED "5\r\nhello\r\n0\r\n\r", "?"),
        ROW(CHUNKED "5\r\nhel", "?"),
        ROW(POST "Transfer-Encoding: \tCHUNKED \r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "POST / /  a 1 k|Host=a|Transfer-Encoding=CHUNKED|x;"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_reader__refuses_broken_chunks(void **state)
{
    static const char *const chunks[] = {
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhellooo\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\r\n\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "5,5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello",
        "10000000000000005\r\nhello",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5 ;a\r\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a=\"b\nc\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\x01\"\r\nhello\r\n0\r\n\r\n",
        "0\r\nA: b\n\n",
        "0\r\nA: b\r\n\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA: b\rX\r\n\r\n",
        "0\r\nA: b\x01\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        struct row row = {text, (size_t)snprintf(text, sizeof text, "%s%s", CHUNKED, chunks[i]), NULL};
        row.log = "E400 the chunked body is broken";
        check_row(&row, MAX);
    }
    CHECK_ROWS(((const struct row[]){ROW(CHUNKED "5;a=\"\0\"\r\nhello\r\n0\r\n\r\n", "E400 the chunked body is broken"),
                                     ROW(CHUNKED "0\r\nA: \0\r\n\r\n", "E400 the chunked body is broken"),
                                     ROW(CHUNKED "fffffffffffffff0\r\nx", "E413 the body is too big")}));
}

static void test_http1_reader__reports_expect_with_the_head(void **state)
{
    static const struct row rows[] = {
        ROW(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
            "POST / /  a 1 ke|Host=a|Expect=100-Continue|Content-Length=1|x;"),
        ROW(POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            "POST / /  a 1 k|Host=a|Expect=100-continue|Content-Length=0|;"), /* nothing to wait for */
        ROW("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
            "POST / /   0 |Expect=100-continue|Content-Length=1|x;C"),
        ROW(POST "Expect: tea\r\n\r\n", "E417 only 100-continue can be expected"),
        ROW(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", "E417 only 100-continue can be expected"),
        ROW(POST "Expect: 100-continue, tea\r\n\r\n", "E417 only 100-continue can be expected"),
    };
    struct http1_drive drive;

    (void)state;
    CHECK_ROWS(rows);
    http1_drive_init(&drive, false, MAX);
    http1_drive_feed(&drive, kith_slice_str(POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
    assert_int_equal(drive.heads, 1);
    assert_true(http1_reader_request(&drive.reader)->expects_continue);
    http1_drive_deinit(&drive);
}

static void test_http1_reader__stops_behind_the_head_of_an_upgrade(void **state)
{
#define UPGRADE     GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define UPGRADE_LOG "GET / /  a 1 ku|Host=a|Connection=upgrade|Upgrade=websocket|;"
    static const char text[] = UPGRADE "\x81\x01x";
    size_t len = sizeof text - 1;
    static const struct row rows[] = {
        /* not taken up: the next request follows */
        ROW(UPGRADE GET "\r\n", UPGRADE_LOG "GET / /  a 1 k|Host=a|;"),
        /* with a body it is a request like another (RFC 9110, 7.8: the protocol changes after it, and we do not) */
        ROW(POST "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi" GET "\r\n",
            "POST / /  a 1 k|Host=a|Connection=upgrade|Upgrade=h2c|Content-Length=2|hi;GET / /  a 1 k|Host=a|;"),
        ROW(POST "Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" GET
                 "\r\n",
            "POST / /  a 1 k|Host=a|Connection=upgrade|Upgrade=h2c|Transfer-Encoding=chunked|x;GET / /  a 1 "
            "k|Host=a|;"),
        ROW(GET "Upgrade: websocket\r\n\r\n", "GET / /  a 1 k|Host=a|Upgrade=websocket|;"),
        ROW(GET "Connection: upgrade\r\n\r\n", "GET / /  a 1 k|Host=a|Connection=upgrade|;"),
        ROW("GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n",
            "GET / /   0 k|Connection=upgrade, keep-alive|Upgrade=websocket|;"),
    };

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) {
        struct http1_drive drive;

        http1_drive_init(&drive, false, MAX);
        drive.upgrades = true;
        http1_drive_feed(&drive, kith_slice_of(text, cut));
        http1_drive_feed(&drive, kith_slice_of(text + cut, len - cut));
        check_log(&drive, UPGRADE_LOG "\x81\x01x");
        http1_drive_deinit(&drive);
    }
    CHECK_ROWS(rows);
}

/* `times` x `unit` between two texts, in pieces of several sizes. */
static void check_long(const char *before, const char *unit, size_t times, const char *after, uint64_t max,
                       const char *log)
{
    struct kith_buf in;
    struct http1_drive drive;

    kith_buf_init(&in, 1 << 20);
    assert_int_equal(kith_buf_append_str(&in, before), KITH_OK);
    for (size_t i = 0; i < times; i++) assert_int_equal(kith_buf_append_str(&in, unit), KITH_OK);
    assert_int_equal(kith_buf_append_str(&in, after), KITH_OK);
    for (size_t piece = 1; piece < 1 << 17; piece = piece * 9 + 7) {
        struct kith_slice rest = kith_buf_peek(&in);

        http1_drive_init(&drive, false, max);
        while (rest.len > 0) {
            size_t len = rest.len < piece ? rest.len : piece;
            http1_drive_feed(&drive, kith_slice_of(rest.ptr, len));
            rest.ptr += len;
            rest.len -= len;
        }
        if (log == NULL) {
            assert_int_equal(drive.err, KITH_OK);
            assert_int_equal(drive.messages, 1);
        } else {
            check_log(&drive, log);
        }
        http1_drive_deinit(&drive);
    }
    kith_buf_deinit(&in);
}

static void test_http1_reader__takes_each_maximum_and_not_one_more(void **state)
{
    static const char rest[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
    /* the head's bytes but for the value of X */
    size_t head = sizeof(GET "X: \r\n\r\n") - 1;
    static const char too_big[] = "E431 the head is too big";

    (void)state;
    check_long("GET /", "x", HTTP1_TARGET_BYTES_MAX - 1, rest, 0, NULL);
    check_long("GET /", "x", HTTP1_TARGET_BYTES_MAX, rest, 0, "E414 the request target is too long");
    check_long("GET /", "x", 20000, "", 0, "E414 the request target is too long");
    check_long("", "x", 20000, "", 0, "E414 the request target is too long");
    check_long(GET, "X: y\r\n", HTTP1_HEADERS_MAX - 1, "\r\n", 0, NULL);
    check_long(GET, "X: y\r\n", HTTP1_HEADERS_MAX, "\r\n", 0, "E431 too many headers");
    check_long(GET "X: ", "y", HTTP1_HEAD_BYTES_MAX - head, "\r\n\r\n", 0, NULL);
    check_long(GET "X: ", "y", HTTP1_HEAD_BYTES_MAX - head + 1, "\r\n\r\n", 0, too_big);
    check_long(GET "X: ", "y", 100000, "", 0, too_big);
    check_long(POST "Content-Length: 500\r\n\r\n", "x", 500, "", 500, NULL);
    check_long(POST "Content-Length: 501\r\n\r\n", "x", 501, "", 500, "E413 the body is too big");
    check_long(CHUNKED, "1\r\nx\r\n", 500, "0\r\n\r\n", 500, NULL);
    check_long(CHUNKED, "1\r\nx\r\n", 501, "", 500, "E413 the body is too big");
    /* a size line: "1;" and the extension */
    check_long(CHUNKED "1;", "e", HTTP1_CHUNK_LINE_BYTES_MAX - 2, "\r\nx\r\n0\r\n\r\n", 500, NULL);
    check_long(CHUNKED "1;", "e", HTTP1_CHUNK_LINE_BYTES_MAX - 1, "\r\nx\r\n0\r\n\r\n", 500,
               "E400 a chunk size line is too long");
    check_long(CHUNKED "1\r\nx\r\n1;", "e", HTTP1_CHUNK_LINE_BYTES_MAX - 2, "\r\nx\r\n0\r\n\r\n", 500, NULL);
    check_long(CHUNKED "1\r\nx\r\n1;", "e", HTTP1_CHUNK_LINE_BYTES_MAX - 1, "\r\nx\r\n0\r\n\r\n", 500,
               "E400 a chunk size line is too long");
    check_long(CHUNKED, "0", 100000, "", 500, "E400 a chunk size line is too long");
    check_long(CHUNKED "1;", "e", 100000, "", 500, "E400 a chunk size line is too long");
    /* trailers with the blank line */
    check_long(CHUNKED "0\r\nX: ", "y", HTTP1_TRAILER_BYTES_MAX - 7, "\r\n\r\n", 500, NULL);
    check_long(CHUNKED "0\r\nX: ", "y", HTTP1_TRAILER_BYTES_MAX - 6, "\r\n\r\n", 500, "E431 the trailers are too big");
    check_long(CHUNKED "0\r\n", "X: y\r\n", 100000, "", 500, "E431 the trailers are too big");
}

static void test_http1_reader__lets_a_route_change_the_maximum_of_its_body(void **state)
{
    static const char head[] = POST "Content-Length: 50\r\n\r\n";
    struct http1_reader reader;
    enum http1_event event;
    size_t used = 0;

    (void)state;
    for (int more = 0; more < 2; more++) {
        uint64_t max = more ? 50 : 49;

        http1_reader_init_server(&reader, 10);
        assert_int_equal(http1_reader_next(&reader, kith_slice_str(head), &used, &event), KITH_OK);
        assert_int_equal(event, HTTP1_EVENT_HEAD);
        assert_int_equal(http1_reader_request(&reader)->content_length, 50);
        assert_int_equal(http1_reader_limit_body(&reader, max), more ? KITH_OK : KITH_E_TOOBIG);
        assert_int_equal(http1_reader_next(&reader, (struct kith_slice){0}, &used, &event),
                         more ? KITH_E_AGAIN : KITH_E_CLOSED);
        if (!more) assert_int_equal(reader.status, 413);
        http1_reader_deinit(&reader);
    }
    /* nobody raised it */
    http1_reader_init_server(&reader, 10);
    assert_int_equal(http1_reader_next(&reader, kith_slice_str(head), &used, &event), KITH_OK);
    assert_int_equal(http1_reader_next(&reader, (struct kith_slice){0}, &used, &event), KITH_E_TOOBIG);
    http1_reader_deinit(&reader);
}

static void test_http1_reader__holds_no_memory_between_requests(void **state)
{
    struct http1_reader reader;
    enum http1_event event;
    size_t used = 0;

    (void)state;
    http1_reader_init_server(&reader, MAX);
    assert_true(http1_reader_is_idle(&reader));
    assert_int_equal(http1_reader_next(&reader, kith_slice_str("\r\n\r\n\r\n"), &used, &event), KITH_E_AGAIN);
    assert_null(reader.reading);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(http1_reader_next(&reader, kith_slice_str(GET "\r\n"), &used, &event), KITH_OK);
        assert_false(http1_reader_is_idle(&reader));
        assert_int_equal(http1_reader_next(&reader, (struct kith_slice){0}, &used, &event), KITH_OK);
        assert_int_equal(event, HTTP1_EVENT_DONE);
        assert_true(http1_reader_is_idle(&reader));
        assert_non_null(reader.reading);
        if (i == 1) continue; /* or it is used again */
        http1_reader_release(&reader);
        assert_null(reader.reading);
    }
    http1_reader_deinit(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http1_reader__reads_requests_however_the_bytes_come),
        cmocka_unit_test(test_http1_reader__says_whether_the_connection_goes_on),
        cmocka_unit_test(test_http1_reader__reads_chunked_bodies),
        cmocka_unit_test(test_http1_reader__refuses_broken_chunks),
        cmocka_unit_test(test_http1_reader__reports_expect_with_the_head),
        cmocka_unit_test(test_http1_reader__stops_behind_the_head_of_an_upgrade),
        cmocka_unit_test(test_http1_reader__takes_each_maximum_and_not_one_more),
        cmocka_unit_test(test_http1_reader__lets_a_route_change_the_maximum_of_its_body),
        cmocka_unit_test(test_http1_reader__holds_no_memory_between_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
