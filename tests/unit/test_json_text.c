#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/json_flat.h"
#include "wire/json_text.h"

static void string_is(const char *text, const char *expected)
{
    struct kith_buf out;

    kith_buf_init(&out, 1024);
    assert_int_equal(json_put_string(&out, kith_slice_str(text)), KITH_OK);
    assert_true(kith_slice_is(kith_buf_peek(&out), expected));
    kith_buf_deinit(&out);
}

static void test_json_text__escapes_what_must_be_escaped(void **state)
{
    (void)state;
    string_is("", "\"\"");
    string_is("plain", "\"plain\"");
    string_is("a\"b\\c\n\x01", "\"a\\\"b\\\\c\\u000a\\u0001\"");
    string_is("gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"");
}

static void test_json_text__writes_padded_base64(void **state)
{
    static const char *const expected[] = {"\"\"", "\"/w==\"", "\"/wA=\"", "\"/wD+\""};
    struct kith_buf out;

    (void)state;
    for (size_t len = 0; len < 4; len++) {
        kith_buf_init(&out, 16);
        assert_int_equal(json_put_base64(&out, kith_slice_of("\xff\x00\xfe", len)), KITH_OK);
        assert_true(kith_slice_is(kith_buf_peek(&out), expected[len]));
        kith_buf_deinit(&out);
    }
    kith_buf_init(&out, 5);
    assert_int_equal(json_put_base64(&out, kith_slice_str("x")), KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
}

static void time_is(uint64_t ms, const char *expected)
{
    char text[KITH_TIME_TEXT_LEN + 1];
    uint64_t back = 0;

    kith_time_format(ms, text);
    assert_string_equal(text, expected);
    assert_int_equal(kith_time_parse(kith_slice_str(text), &back), KITH_OK);
    assert_int_equal(back, ms);
}

static void test_time__formats_and_parses_rfc_3339(void **state)
{
    (void)state;
    time_is(0, "1970-01-01T00:00:00.000Z");
    time_is(951782400000ull, "2000-02-29T00:00:00.000Z");
    time_is(1767225599999ull, "2025-12-31T23:59:59.999Z");
    time_is(4102444800001ull, "2100-01-01T00:00:00.001Z");
    time_is(253402300799999ull, "9999-12-31T23:59:59.999Z");
}

static void test_time__takes_offsets_and_any_fraction(void **state)
{
    uint64_t ms = 0;

    (void)state;
    assert_int_equal(kith_time_parse(kith_slice_str("1970-01-01T01:00:00+01:00"), &ms), KITH_OK);
    assert_int_equal(ms, 0);
    assert_int_equal(kith_time_parse(kith_slice_str("1970-01-01T00:00:00.123456789z"), &ms), KITH_OK);
    assert_int_equal(ms, 123);
}

static void test_time__refuses_what_is_no_time(void **state)
{
    static const char *const bad[] = {"",
                                      "1970-01-01",
                                      "1970-13-01T00:00:00Z",
                                      "1970-02-29T00:00:00Z",
                                      "1970-01-01T24:00:00Z",
                                      "1970-01-01T00:00:00",
                                      "1970-01-01T00:00:00.Z",
                                      "1970-01-01T00:00:00Zx",
                                      "1969-12-31T23:59:59Z",
                                      "1970-01-01T00:00:00+1:00"};
    uint64_t ms = 0;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(kith_time_parse(kith_slice_str(bad[i]), &ms), KITH_E_MALFORMED);
}

static void test_json_flat__reads_the_members_of_one_object(void **state)
{
    struct json_flat reader;
    struct json_flat_member m;

    (void)state;
    json_flat_init(
        &reader, kith_slice_str(" { \"a\" : 12 , \"b\":\"x\\\"y\", \"c\":true,\"d\":null,\"e\":[1,{\"f\":\"]\"}] } "));
    assert_int_equal(json_flat_next(&reader, &m), KITH_OK);
    assert_true(kith_slice_is(m.name, "a") && m.type == JSON_FLAT_NUMBER && kith_slice_is(m.value, "12"));
    assert_int_equal(json_flat_next(&reader, &m), KITH_OK);
    assert_true(m.type == JSON_FLAT_STRING && kith_slice_is(m.value, "x\\\"y"));
    assert_int_equal(json_flat_next(&reader, &m), KITH_OK);
    assert_int_equal(m.type, JSON_FLAT_TRUE);
    assert_int_equal(json_flat_next(&reader, &m), KITH_OK);
    assert_int_equal(m.type, JSON_FLAT_NULL);
    assert_int_equal(json_flat_next(&reader, &m), KITH_OK);
    assert_true(m.type == JSON_FLAT_NESTED && kith_slice_is(m.name, "e"));
    assert_int_equal(json_flat_next(&reader, &m), KITH_E_NOTFOUND);
}

static void test_json_flat__reads_the_values_of_an_array(void **state)
{
    static const char *const bad[] = {"", "[", "[1", "[1,", "[,1]", "[1 2]", "[1]x", "{\"a\":1}", "1"};
    struct json_flat reader;
    struct json_flat_member m;
    kith_err err = KITH_OK;

    (void)state;
    json_flat_init(&reader, kith_slice_str(" [ {\"a\":[1]} , 2,\"x\" ] "));
    assert_int_equal(json_flat_item(&reader, &m), KITH_OK);
    assert_true(m.type == JSON_FLAT_NESTED && m.name.len == 0 && kith_slice_is(m.value, "{\"a\":[1]}"));
    assert_int_equal(json_flat_item(&reader, &m), KITH_OK);
    assert_true(m.type == JSON_FLAT_NUMBER && kith_slice_is(m.value, "2"));
    assert_int_equal(json_flat_item(&reader, &m), KITH_OK);
    assert_true(m.type == JSON_FLAT_STRING && kith_slice_is(m.value, "x"));
    assert_int_equal(json_flat_item(&reader, &m), KITH_E_NOTFOUND);
    json_flat_init(&reader, kith_slice_str("[]"));
    assert_int_equal(json_flat_item(&reader, &m), KITH_E_NOTFOUND);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_flat_init(&reader, kith_slice_str(bad[i]));
        while ((err = json_flat_item(&reader, &m)) == KITH_OK) continue;
        assert_int_equal(err, KITH_E_MALFORMED);
    }
}

static void test_json_flat__refuses_every_prefix(void **state)
{
    static const char text[] = "{\"a\":12,\"b\":\"x\",\"c\":[1,2],\"d\":false}";

    (void)state;
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        struct json_flat reader;
        struct json_flat_member m;
        kith_err err;
        json_flat_init(&reader, kith_slice_of(text, cut));
        while ((err = json_flat_next(&reader, &m)) == KITH_OK) continue;
        assert_int_equal(err, KITH_E_MALFORMED);
    }
}

static void test_json_flat__nests_as_deep_as_it_says(void **state)
{
    char text[64] = "{\"a\":";
    size_t at = 5;
    struct json_flat reader;
    struct json_flat_member m;

    (void)state;
    for (int i = 0; i < JSON_FLAT_DEPTH_MAX; i++) text[at++] = '[';
    for (int i = 0; i < JSON_FLAT_DEPTH_MAX; i++) text[at++] = ']';
    text[at++] = '}';
    json_flat_init(&reader, kith_slice_of(text, at));
    assert_int_equal(json_flat_next(&reader, &m), KITH_OK);
    at = 5;
    for (int i = 0; i < JSON_FLAT_DEPTH_MAX + 1; i++) text[at++] = '[';
    for (int i = 0; i < JSON_FLAT_DEPTH_MAX + 1; i++) text[at++] = ']';
    text[at++] = '}';
    json_flat_init(&reader, kith_slice_of(text, at));
    assert_int_equal(json_flat_next(&reader, &m), KITH_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_text__escapes_what_must_be_escaped),
        cmocka_unit_test(test_json_text__writes_padded_base64),
        cmocka_unit_test(test_time__formats_and_parses_rfc_3339),
        cmocka_unit_test(test_time__takes_offsets_and_any_fraction),
        cmocka_unit_test(test_time__refuses_what_is_no_time),
        cmocka_unit_test(test_json_flat__reads_the_members_of_one_object),
        cmocka_unit_test(test_json_flat__reads_the_values_of_an_array),
        cmocka_unit_test(test_json_flat__refuses_every_prefix),
        cmocka_unit_test(test_json_flat__nests_as_deep_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
