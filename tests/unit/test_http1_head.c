#include "wire/http1_head.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/http1_rows.h"

static void test_http1_head__refuses_two_ways_to_say_a_length(void **state)
{
    static const struct row rows[] = {
        ROW(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: 5, 5\r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: +5\r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: -5\r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: 0x5\r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: 5 5\r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: 05\r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: \r\n\r\nhello", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: 18446744073709551616\r\n\r\n", "E400 Content-Length is broken or repeated"),
        ROW(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "E400 both Content-Length and Transfer-Encoding"),
        ROW(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "E400 both Content-Length and Transfer-Encoding"),
        ROW(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding: identity\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding: xchunked\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding:\r\n\r\n", "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding: chunked;q=1\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding: \"chunked\"\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "E400 Transfer-Encoding is repeated, or chunked is not last in it"),
        ROW(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "E501 only the transfer coding chunked is known"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_head__refuses_smuggling_by_line_ends_and_white_space(void **state)
{
    static const struct row rows[] = {
        ROW("\n" GET "\r\n", "E400 a line ends without CR"),
        ROW("\r" GET "\r\n", "E400 CR inside a line"),
        ROW("GET / HTTP/1.1\nHost: a\r\n\r\n", "E400 a line ends without CR"),
        ROW(GET "X: y\n\r\n", "E400 a line ends without CR"),
        ROW(GET "\n", "E400 a line ends without CR"),
        ROW(GET "X: y\rZ: w\r\n\r\n", "E400 CR inside a line"),
        ROW(GET "X: y\r\r\n\r\n", "E400 CR inside a line"),
        ROW(GET "X: y\rz\n\r\n", "E400 CR inside a line"),
        ROW(GET "\r\r\n", "E400 CR inside a line"),
        ROW(GET "X: y\r\n z\r\n\r\n", "E400 a header is folded over lines"),
        ROW(GET "X: y\r\n\tz: w\r\n\r\n", "E400 a header is folded over lines"),
        ROW("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "E400 a header is folded over lines"),
        ROW(GET " \r\n\r\n", "E400 a header is folded over lines"),
        ROW("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "E400 a header name is broken"),
        ROW("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", "E400 a header name is broken"),
        ROW(GET "X y: z\r\n\r\n", "E400 a header name is broken"),
        ROW(GET "X\r\n\r\n", "E400 a header name is broken"),
        ROW(GET ": x\r\n\r\n", "E400 a header name is broken"),
        ROW(GET "X(: x\r\n\r\n", "E400 a header name is broken"),
        ROW(GET "X\x80: x\r\n\r\n", "E400 a header name is broken"),
        ROW(GET "X\0: x\r\n\r\n", "E400 a header name is broken"),
        ROW(GET "X: a\0b\r\n\r\n", "E400 control character in a header value"),
        ROW(GET "X: a\x01\r\n\r\n", "E400 control character in a header value"),
        ROW(GET "X: a\x7f\r\n\r\n", "E400 control character in a header value"),
        ROW(GET "X: \x0b"
                "chunked\r\n\r\n",
            "E400 control character in a header value"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_head__refuses_broken_request_lines(void **state)
{
    static const struct row rows[] = {
        ROW("GET  / HTTP/1.1\r\n", "E400 the start line is broken"),
        ROW("GET /  HTTP/1.1\r\n", "E400 the start line is broken"),
        ROW(" GET / HTTP/1.1\r\n", "E400 the start line is broken"),
        ROW("GET / HTTP/1.1 \r\n", "E400 the start line is broken"),
        ROW("GET /\r\n", "E400 the start line is broken"),
        ROW("GET\r\n", "E400 the start line is broken"),
        ROW("GET\t/\tHTTP/1.1\r\n", "E400 the start line is broken"),
        ROW("G(T / HTTP/1.1\r\n", "E400 the start line is broken"),
        ROW("GET / http/1.1\r\n", "E400 the start line is broken"),
        ROW("GET / HTTP/1.10\r\n", "E400 the start line is broken"),
        ROW("GET / HTTP/11\r\n", "E400 the start line is broken"),
        ROW("GET / ICE/1.0\r\n", "E400 the start line is broken"),
        ROW("GET / RTSP/1.0\r\n", "E400 the start line is broken"),
        ROW("GET / HTTP/1.2\r\n", "E505 only HTTP/1.0 and HTTP/1.1 are spoken here"),
        ROW("GET / HTTP/0.9\r\n", "E505 only HTTP/1.0 and HTTP/1.1 are spoken here"),
        ROW("PRI * HTTP/2.0\r\n", "E505 only HTTP/1.0 and HTTP/1.1 are spoken here"),
        ROW("get / HTTP/1.1\r\n", "E501 this method is not implemented"),
        ROW("PURGE / HTTP/1.1\r\n", "E501 this method is not implemented"),
        ROW("CONNECT a:443 HTTP/1.1\r\n", "E501 this method is not implemented"),
        ROW("XYZZY / HTTP/1.1\r\n", "E501 this method is not implemented"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_head__asks_for_one_good_host(void **state)
{
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW(GET "Host: a\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: []\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "E400 Host is missing, repeated or broken"),
        ROW("GET / HTTP/1.1\r\nHost: [::1]:65535\r\n\r\n", "GET / /  [::1]:65535 1 k|Host=[::1]:65535|;"),
        ROW("GET / HTTP/1.1\r\nHost: A.b-c_d:\r\n\r\n", "GET / /  A.b-c_d: 1 k|Host=A.b-c_d:|;"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_http1_head__takes_targets_in_the_forms_they_may_have(void **state)
{
    static const struct row rows[] = {
        ROW("GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/b?c /b c a 1 k|Host=a|;"),
        ROW("GET HTTPS://A:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET HTTPS://A:80 /  a:80 1 k|Host=a:80|;"),
        ROW("GET http://a?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a?c / c a 1 k|Host=a|;"),
        ROW("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "E400 Host and request target differ"),
        ROW("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", "E400 Host and request target differ"),
        ROW("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET a HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET /?a#f HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET /\\ HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET /\" HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", "E400 the request target is broken"),
        ROW("GET /?a[]={b}|^` HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?a[]={b}|^` / a[]={b}|^` a 1 k|Host=a|;"),
        ROW("GET /%41?%42?? HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%41?%42?? /%41 %42?? a 1 k|Host=a|;"),
    };

    (void)state;
    CHECK_ROWS(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http1_head__refuses_two_ways_to_say_a_length),
        cmocka_unit_test(test_http1_head__refuses_smuggling_by_line_ends_and_white_space),
        cmocka_unit_test(test_http1_head__refuses_broken_request_lines),
        cmocka_unit_test(test_http1_head__asks_for_one_good_host),
        cmocka_unit_test(test_http1_head__takes_targets_in_the_forms_they_may_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
