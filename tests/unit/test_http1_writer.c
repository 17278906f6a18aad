#include "wire/http1_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "wire/http1_reader.h"

#define MAX 10000

static void assert_text(struct kith_buf *out, const char *text)
{
    struct kith_slice got = kith_buf_peek(out);

    if (!kith_slice_is(got, text)) fail_msg("got %.*s", (int)got.len, (const char *)got.ptr);
    kith_buf_reset(out);
}

static void test_http1_writer__writes_responses(void **state)
{
    struct http1_writer w;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, MAX);
    http1_response_begin(&w, &out, 200);
    http1_put_str(&w, "Content-Type", "text/plain");
    http1_put_u64(&w, "X-Max", 18446744073709551615u);
    assert_int_equal(http1_end(&w, kith_slice_str("hello")), KITH_OK);
    assert_text(
        &out,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Max: 18446744073709551615\r\nContent-Length: 5\r\n\r\nhello");
    http1_response_begin(&w, &out, 404);
    assert_int_equal(http1_end(&w, (struct kith_slice){0}), KITH_OK);
    assert_text(&out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    /* no Content-Length where RFC 9110, 8.6 forbids it */
    http1_response_begin(&w, &out, 204);
    assert_int_equal(http1_end(&w, (struct kith_slice){0}), KITH_OK);
    assert_text(&out, "HTTP/1.1 204 No Content\r\n\r\n");
    http1_response_begin(&w, &out, 200);
    assert_int_equal(http1_end_head(&w, 1234567), KITH_OK);
    assert_text(&out, "HTTP/1.1 200 OK\r\nContent-Length: 1234567\r\n\r\n");
    assert_int_equal(http1_continue(&out), KITH_OK);
    assert_text(&out, "HTTP/1.1 100 Continue\r\n\r\n");
    kith_buf_deinit(&out);
}

static void test_http1_writer__writes_requests(void **state)
{
    struct http1_writer w;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, MAX);
    http1_request_begin(&w, &out, HTTP1_GET, kith_slice_str("/a?b"), kith_slice_str("h:1"));
    assert_int_equal(http1_end_bare(&w), KITH_OK);
    assert_text(&out, "GET /a?b HTTP/1.1\r\nHost: h:1\r\n\r\n");
    kith_buf_deinit(&out);
}

static void test_http1_writer__lets_no_header_be_injected(void **state)
{
    static const char *const names[] = {"", "a b", "a:", "a\r\nb", "\xc3\xa9", "a("};
    struct http1_writer w;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, MAX);
    assert_int_equal(kith_buf_append_str(&out, "before"), KITH_OK);
    for (unsigned b = 0; b < 256; b++) {
        char value[3] = {'a', (char)b, 'b'};
        bool allowed = (b >= 0x20 && b != 0x7f) || b == '\t';
        kith_err err;

        http1_response_begin(&w, &out, 200);
        http1_put(&w, "X", kith_slice_of(value, 3));
        http1_put_str(&w, "After", "it");
        err = http1_end(&w, kith_slice_str("body"));
        assert_int_equal(err, allowed ? KITH_OK : KITH_E_MALFORMED);
        if (err == KITH_OK) kith_buf_consume(&out, kith_buf_len(&out));
        if (err == KITH_OK) assert_int_equal(kith_buf_append_str(&out, "before"), KITH_OK);
        assert_true(kith_slice_is(kith_buf_peek(&out), "before"));
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        http1_response_begin(&w, &out, 200);
        http1_put_str(&w, names[i], "x");
        assert_int_equal(http1_end(&w, (struct kith_slice){0}), KITH_E_MALFORMED);
    }
    for (size_t i = 0; i < 4; i++) {
        static const char *const targets[] = {"", "/a b", "/\r\nX: y", "/\x80"};
        http1_request_begin(&w, &out, HTTP1_GET, kith_slice_str(targets[i]), kith_slice_str("h"));
        assert_int_equal(http1_end_bare(&w), KITH_E_MALFORMED);
    }
    assert_true(kith_slice_is(kith_buf_peek(&out), "before"));
    kith_buf_deinit(&out);
}

static void test_http1_writer__cuts_a_message_off_that_does_not_fit(void **state)
{
    size_t whole = strlen("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 4\r\n\r\nbody");

    (void)state;
    for (size_t max = 0; max <= whole; max++) {
        struct http1_writer w;
        struct kith_buf out;
        kith_err err;

        kith_buf_init(&out, max);
        http1_response_begin(&w, &out, 200);
        http1_put_str(&w, "X", "y");
        err = http1_end(&w, kith_slice_str("body"));
        assert_int_equal(err, max < whole ? KITH_E_TOOBIG : KITH_OK);
        assert_int_equal(kith_buf_len(&out), max < whole ? 0 : whole);
        kith_buf_deinit(&out);
    }
}

static void test_http1_writer__what_it_writes_the_reader_reads(void **state)
{
    struct http1_reader reader;
    struct http1_writer w;
    struct kith_buf out;
    struct kith_slice value = {0}, rest;
    enum http1_event event;
    size_t used = 0;

    (void)state;
    kith_buf_init(&out, MAX);
    http1_request_begin(&w, &out, HTTP1_PATCH, kith_slice_str("/x"), kith_slice_str("[::1]:80"));
    http1_put_str(&w, "X", "  y\t");
    assert_int_equal(http1_end(&w, kith_slice_str("hello world")), KITH_OK);
    http1_reader_init_server(&reader, MAX);
    rest = kith_buf_peek(&out);
    do {
        assert_int_equal(http1_reader_next(&reader, rest, &used, &event), KITH_OK);
        rest.ptr += used;
        rest.len -= used;
    } while (event != HTTP1_EVENT_DONE);
    assert_int_equal(rest.len, 0);
    assert_int_equal(http1_reader_request(&reader)->method, HTTP1_PATCH);
    assert_true(kith_slice_is(http1_reader_request(&reader)->body, "hello world"));
    assert_true(http1_header_get(http1_reader_request(&reader)->headers, "x", &value));
    assert_true(kith_slice_is(value, "y"));
    http1_reader_deinit(&reader);
    kith_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http1_writer__writes_responses),
        cmocka_unit_test(test_http1_writer__writes_requests),
        cmocka_unit_test(test_http1_writer__lets_no_header_be_injected),
        cmocka_unit_test(test_http1_writer__cuts_a_message_off_that_does_not_fit),
        cmocka_unit_test(test_http1_writer__what_it_writes_the_reader_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
