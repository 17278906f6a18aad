#include "wire/ws_handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static kith_err check(const char *origin, const char *host, bool is_secure, const char *const *allowed)
{
    struct http1_header header = {.name = kith_slice_str("Origin"), .value = kith_slice_str(origin)};
    struct http1_request request = {.host = kith_slice_str(host), .headers = {.at = &header, .count = 1}};

    return ws_origin_check(&request, is_secure, allowed);
}

static void test_ws_origin__lets_programs_pass_that_have_none(void **state)
{
    struct http1_request request = {.host = kith_slice_str("chat.example")};

    (void)state;
    assert_int_equal(ws_origin_check(&request, true, NULL), KITH_OK);
}

static void test_ws_origin__takes_the_same_origin(void **state)
{
    static const struct {
        const char *origin, *host;
        bool is_secure;
    } rows[] = {
        {"https://chat.example", "chat.example", true},     {"https://CHAT.example", "chat.EXAMPLE", true},
        {"https://chat.example:443", "chat.example", true}, {"https://chat.example", "chat.example:443", true},
        {"http://chat.example", "chat.example", false},     {"http://chat.example:80", "chat.example", false},
        {"http://localhost:8080", "localhost:8080", false}, {"https://[2001:db8::1]:8443", "[2001:DB8::1]:8443", true},
        {"http://127.0.0.1:9", "127.0.0.1:9", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(check(rows[i].origin, rows[i].host, rows[i].is_secure, NULL), KITH_OK);
    }
}

/* The ways a foreign page's origin can look like ours. */
static const char *const foreign[] = {
    "null",
    "",
    "*",
    "file://",
    "https://",
    "https:///",
    "https://chat.example/",
    "https://chat.example/x",
    "https://chat.example?",
    "https://chat.example#",
    "https://chat.example.",
    "https://.chat.example",
    "https://evil.example",
    "https://chat.example.evil.example",
    "https://evilchat.example",
    "https://xchat.example",
    "https://chat.exampl",
    "https://chat.examplee",
    "https://sub.chat.example",
    "https://chat-example",
    "http://chat.example",
    "http://chat.example:443",
    "https://chat.example:80",
    "https://chat.example:8443",
    "https://chat.example:",
    "https://chat.example:0443",
    "https://chat.example:65979",
    "https://chat.example:99999999999",
    "https://chat.example:443:443",
    "https://chat.example:+443",
    "https://chat.example: 443",
    "https://chat.example:443 ",
    " https://chat.example",
    "https://chat.example ",
    "https://chat.example\t",
    "https:// chat.example",
    "https://user@chat.example",
    "https://chat.example@evil.example",
    "https://user:pw@chat.example",
    "https://chat.example%00",
    "https://chat%2eexample",
    "https://chat.example\\",
    "https:\\\\chat.example",
    "https:/chat.example",
    "https:chat.example",
    "HTTPS://chat.example",
    "Https://chat.example",
    "wss://chat.example",
    "ws://chat.example",
    "ftp://chat.example",
    "chrome-extension://chat.example",
    "javascript:https://chat.example",
    "data:https://chat.example",
    "chat.example",
    "//chat.example",
    "https://chat.example,https://evil.example",
    "https://evil.example,https://chat.example",
    "https://evil.example https://chat.example",
    "https://chat.example https://evil.example",
    "https://ch\xc3\xa4t.example",
    "https://chat.example\xe2\x80\x8b",
    "https://xn--cht-qla.example",
    "https://chat\xef\xbc\x8e.example",
    "https://[chat.example]",
    "https://chat.example]",
    "https://[chat.example",
    "https://[::1]",
    "https://::1",
    "https://127.0.0.1",
    "https://2130706433",
    "https://0x7f.1",
    "https://localhost",
    "https://chat.example:443/..",
    "https://*.example",
    "https://*",
    "https://chat.example;x",
    "https://chat.example|x",
    "https://chat_example",
};

static void test_ws_origin__refuses_every_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (check(foreign[i], "chat.example", true, NULL) != KITH_E_DENIED) fail_msg("taken: %s", foreign[i]);
    }
}

static void test_ws_origin__refuses_any_prefix_suffix_and_one_letter_variant(void **state)
{
    static const char good[] = "https://chat.example";
    size_t len = sizeof good - 1;
    char text[64];

    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        (void)snprintf(text, sizeof text, "%.*s", (int)cut, good);
        assert_int_equal(check(text, "chat.example", true, NULL), KITH_E_DENIED);
    }
    for (size_t at = 0; at < len; at++) {
        for (unsigned b = 1; b < 256; b++) {
            memcpy(text, good, sizeof good);
            text[at] = (char)b;
            bool same = http1_text_eq(kith_slice_str(text), kith_slice_str(good));
            /* the scheme is always written small in an Origin (RFC 6454, 6.2) */
            if (at < 5 && b != (unsigned char)good[at]) same = false;
            assert_int_equal(check(text, "chat.example", true, NULL), same ? KITH_OK : KITH_E_DENIED);
        }
    }
}

static void test_ws_origin__takes_only_the_list_where_there_is_one(void **state)
{
    static const char *const allowed[] = {"https://app.example", "http://localhost:5173", NULL};
    static const char *const none[] = {NULL};

    (void)state;
    assert_int_equal(check("https://app.example", "chat.example", true, allowed), KITH_OK);
    assert_int_equal(check("https://app.example:443", "chat.example", true, allowed), KITH_OK);
    assert_int_equal(check("http://localhost:5173", "chat.example", true, allowed), KITH_OK);
    assert_int_equal(check("http://localhost:5174", "chat.example", true, allowed), KITH_E_DENIED);
    assert_int_equal(check("https://localhost:5173", "chat.example", true, allowed), KITH_E_DENIED);
    assert_int_equal(check("http://app.example", "chat.example", true, allowed), KITH_E_DENIED);
    assert_int_equal(check("https://chat.example", "chat.example", true, allowed), KITH_E_DENIED);
    assert_int_equal(check("https://chat.example", "chat.example", true, none), KITH_E_DENIED);
}

static void test_ws_origin__refuses_two_of_them(void **state)
{
    struct http1_header headers[2] = {
        {.name = kith_slice_str("Origin"), .value = kith_slice_str("https://chat.example")},
        {.name = kith_slice_str("origin"), .value = kith_slice_str("https://chat.example")},
    };
    struct http1_request request = {.host = kith_slice_str("chat.example"), .headers = {.at = headers, .count = 2}};

    (void)state;
    assert_int_equal(ws_origin_check(&request, true, NULL), KITH_E_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ws_origin__lets_programs_pass_that_have_none),
        cmocka_unit_test(test_ws_origin__takes_the_same_origin),
        cmocka_unit_test(test_ws_origin__refuses_every_other),
        cmocka_unit_test(test_ws_origin__refuses_any_prefix_suffix_and_one_letter_variant),
        cmocka_unit_test(test_ws_origin__takes_only_the_list_where_there_is_one),
        cmocka_unit_test(test_ws_origin__refuses_two_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
