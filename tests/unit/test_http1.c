#include "wire/http1.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_http1__finds_headers_without_case(void **state)
{
    struct http1_header at[] = {
        {kith_slice_str("Host"), kith_slice_str("a")},
        {kith_slice_str("X-One"), kith_slice_str("1")},
        {kith_slice_str("x-one"), kith_slice_str("2")},
        {kith_slice_str("Connection"), kith_slice_str("a, \"upgrade, x\" ,, UPGRADE")},
        {kith_slice_str("Te"), kith_slice_str("\"upgrade, x\"")},
    };
    struct http1_headers headers = {.at = at, .count = 5};
    struct kith_slice value = kith_slice_str("untouched");

    (void)state;
    assert_false(http1_header_get(headers, "x-two", &value));
    assert_true(kith_slice_is(value, "untouched"));
    assert_true(http1_header_get(headers, "X-ONE", &value));
    assert_true(kith_slice_is(value, "1"));
    assert_int_equal(http1_header_count(headers, "x-one"), 2);
    assert_int_equal(http1_header_count(headers, "x-on"), 0);
    assert_true(http1_header_has_token(headers, "connection", "upgrade"));
    assert_false(http1_header_has_token(headers, "connection", "x"));
    assert_false(http1_header_has_token(headers, "te", "upgrade"));
}

static void test_http1__takes_lists_apart(void **state)
{
    struct kith_slice list = kith_slice_str(" , a;q=\"x,\\\",y\" ,\t\"b, c\"\t,,d e,"), element;

    (void)state;
    assert_true(http1_list_next(&list, &element));
    assert_true(kith_slice_is(element, "a;q=\"x,\\\",y\""));
    assert_true(http1_list_next(&list, &element));
    assert_true(kith_slice_is(element, "\"b, c\""));
    assert_true(http1_list_next(&list, &element));
    assert_true(kith_slice_is(element, "d e"));
    assert_false(http1_list_next(&list, &element));
    list = kith_slice_str("\"a\\");
    assert_true(http1_list_next(&list, &element));
    assert_true(kith_slice_is(element, "\"a\\"));
    assert_false(http1_list_next(&list, &element));
}

static void test_http1__takes_paths_apart(void **state)
{
    static const struct {
        const char *path, *segments;
    } rows[] = {
        {"/", ""},
        {"", ""},
        {"/chats/7f/members", "chats|7f|members|"},
        {"/chats/", "chats|"},
        {"//a", "|a|"},
        {"/a//b", "a||b|"},
        {"/%2F", "%2F|"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kith_slice path = kith_slice_str(rows[i].path), segment;
        char got[64] = "";
        size_t len = 0;

        while (http1_path_next(&path, &segment)) {
            if (segment.len > 0) memcpy(got + len, segment.ptr, segment.len);
            len += segment.len;
            got[len++] = '|';
        }
        got[len] = '\0';
        assert_string_equal(got, rows[i].segments);
    }
}

static void test_http1__finds_query_parameters(void **state)
{
    struct kith_slice query = kith_slice_str("after=5&&b=&c&limit=a=b&twice=1&twice=2"), value = {0};

    (void)state;
    assert_int_equal(http1_query_get(query, "after", &value), KITH_OK);
    assert_true(kith_slice_is(value, "5"));
    assert_int_equal(http1_query_get(query, "b", &value), KITH_OK);
    assert_int_equal(value.len, 0);
    assert_int_equal(http1_query_get(query, "c", &value), KITH_OK);
    assert_int_equal(value.len, 0);
    assert_int_equal(http1_query_get(query, "limit", &value), KITH_OK);
    assert_true(kith_slice_is(value, "a=b"));
    assert_int_equal(http1_query_get(query, "twice", &value), KITH_E_MALFORMED);
    assert_int_equal(http1_query_get(query, "a", &value), KITH_E_NOTFOUND);
    assert_int_equal(http1_query_get((struct kith_slice){0}, "a", &value), KITH_E_NOTFOUND);
}

static void test_http1__removes_percent_encoding_strictly(void **state)
{
    static const struct {
        enum http1_decode how;
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        {HTTP1_DECODE_SEGMENT, "plain", "plain"},
        {HTTP1_DECODE_SEGMENT, "", ""},
        {HTTP1_DECODE_SEGMENT, "%41%6a%4A", "AjJ"},
        {HTTP1_DECODE_SEGMENT, "a+b", "a+b"},
        {HTTP1_DECODE_QUERY, "a+b%2Bc", "a b+c"},
        {HTTP1_DECODE_QUERY, "%2F..", "/.."},
        {HTTP1_DECODE_SEGMENT, "%c3%a9", "\xc3\xa9"},
        {HTTP1_DECODE_SEGMENT, "%2541", "%41"}, /* once */
        {HTTP1_DECODE_SEGMENT, "%2F", NULL},
        {HTTP1_DECODE_SEGMENT, "a%2fb", NULL},
        {HTTP1_DECODE_SEGMENT, ".", NULL},
        {HTTP1_DECODE_SEGMENT, "..", NULL},
        {HTTP1_DECODE_SEGMENT, "%2e%2E", NULL},
        {HTTP1_DECODE_SEGMENT, "...", "..."},
        {HTTP1_DECODE_SEGMENT, "%", NULL},
        {HTTP1_DECODE_SEGMENT, "%4", NULL},
        {HTTP1_DECODE_SEGMENT, "%4g", NULL},
        {HTTP1_DECODE_SEGMENT, "%g4", NULL},
        {HTTP1_DECODE_SEGMENT, "% 4", NULL},
        {HTTP1_DECODE_SEGMENT, "%%41", NULL},
        {HTTP1_DECODE_QUERY, "%00", NULL},
        {HTTP1_DECODE_QUERY, "%0a", NULL},
        {HTTP1_DECODE_QUERY, "%7f", NULL},
        {HTTP1_DECODE_QUERY, "%c3", NULL},
        {HTTP1_DECODE_QUERY, "%c0%80", NULL},
        {HTTP1_DECODE_QUERY, "%ed%a0%80", NULL},
        {HTTP1_DECODE_QUERY, "\xff", NULL},
    };
    char out[16];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = 99;
        kith_err err = http1_percent_decode(rows[i].how, kith_slice_str(rows[i].in), out, sizeof out, &len);

        assert_int_equal(err, rows[i].out == NULL ? KITH_E_MALFORMED : KITH_OK);
        if (err == KITH_OK) assert_true(kith_slice_is(kith_slice_of(out, len), rows[i].out));
    }
}

static void test_http1__decodes_to_the_end_of_the_room_and_not_past_it(void **state)
{
    char out[4];
    size_t len = 0;

    (void)state;
    assert_int_equal(http1_percent_decode(HTTP1_DECODE_QUERY, kith_slice_str("ab%63d"), out, 4, &len), KITH_OK);
    assert_int_equal(len, 4);
    assert_memory_equal(out, "abcd", 4);
    assert_int_equal(http1_percent_decode(HTTP1_DECODE_QUERY, kith_slice_str("ab%63de"), out, 4, &len), KITH_E_TOOBIG);
}

static void test_http1__names_methods_and_statuses(void **state)
{
    (void)state;
    assert_string_equal(http1_method_name(HTTP1_GET), "GET");
    assert_string_equal(http1_method_name(HTTP1_OPTIONS), "OPTIONS");
    assert_string_equal(http1_status_reason(200), "OK");
    assert_string_equal(http1_status_reason(431), "Request Header Fields Too Large");
    assert_string_equal(http1_status_reason(599), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http1__finds_headers_without_case),
        cmocka_unit_test(test_http1__takes_lists_apart),
        cmocka_unit_test(test_http1__takes_paths_apart),
        cmocka_unit_test(test_http1__finds_query_parameters),
        cmocka_unit_test(test_http1__removes_percent_encoding_strictly),
        cmocka_unit_test(test_http1__decodes_to_the_end_of_the_room_and_not_past_it),
        cmocka_unit_test(test_http1__names_methods_and_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
