#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "net/url.h"

static void test_url__takes_its_parts_apart(void **state)
{
    static const struct {
        const char *text, *host, *authority, *target;
        unsigned port;
        bool is_secure;
    } cases[] = {
        {"http://kith.test", "kith.test", "kith.test", "/", 80, false},
        {"https://kith.test/", "kith.test", "kith.test", "/", 443, true},
        {"ws://kith.test:8080/connect?a=b", "kith.test", "kith.test:8080", "/connect?a=b", 8080, false},
        {"wss://[2001:db8::1]/x#part", "2001:db8::1", "[2001:db8::1]", "/x", 443, true},
        {"http://[::1]:1/", "::1", "[::1]:1", "/", 1, false},
        {"http://127.0.0.1:65535#x", "127.0.0.1", "127.0.0.1:65535", "/", 65535, false},
    };
    struct url url;
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(url_parse(cases[i].text, &url), KITH_OK);
        assert_true(kith_slice_is(url.host, cases[i].host));
        assert_true(kith_slice_is(url.authority, cases[i].authority));
        assert_true(kith_slice_is(url.target, cases[i].target));
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.is_secure, cases[i].is_secure);
    }
}

static void test_url__refuses_what_it_does_not_know(void **state)
{
    static const char *const bad[] = {"",
                                      "kith.test",
                                      "ftp://a/",
                                      "http://",
                                      "http:///x",
                                      "http://a:0/",
                                      "http://a:65536/",
                                      "http://a:b/",
                                      "http://user@a/",
                                      "http://user:pw@a/",
                                      "http://a b/",
                                      "http://a/\r\nX: y",
                                      "http://[::1/",
                                      "http://[::1]x/",
                                      "http://a?x",
                                      "HTTP://a/",
                                      "http://a:/",
                                      "http://\xc3\xa9/"};
    struct url url;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (url_parse(bad[i], &url) != KITH_E_MALFORMED) print_error("taken: %s\n", bad[i]);
        assert_int_equal(url_parse(bad[i], &url), KITH_E_MALFORMED);
    }
}

static void test_url__a_host_at_its_maximum_and_one_past_it(void **state)
{
    char text[300] = "http://";
    struct url url;
    (void)state;

    memset(text + 7, 'h', URL_HOST_BYTES_MAX);
    assert_int_equal(url_parse(text, &url), KITH_OK);
    text[7 + URL_HOST_BYTES_MAX] = 'h';
    assert_int_equal(url_parse(text, &url), KITH_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url__takes_its_parts_apart),
        cmocka_unit_test(test_url__refuses_what_it_does_not_know),
        cmocka_unit_test(test_url__a_host_at_its_maximum_and_one_past_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
