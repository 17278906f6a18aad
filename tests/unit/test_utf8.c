#include "wire/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* RFC 3629, section 4, written down again the slow way: length of the character at the front, 0 for none. */
static size_t char_len(const uint8_t *b, size_t len)
{
    uint32_t min[] = {0, 0, 0x80, 0x800, 0x10000}, code;
    size_t n = b[0] < 0x80 ? 1 : (b[0] & 0xe0) == 0xc0 ? 2 : (b[0] & 0xf0) == 0xe0 ? 3 : (b[0] & 0xf8) == 0xf0 ? 4 : 0;

    if (n == 0 || n > len) return 0;
    code = n == 1 ? b[0] : (uint32_t)(b[0] & (0x7f >> n));
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (b[i] & 0x3f);
    }
    return code < min[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : n;
}

static size_t encode(uint32_t code, uint8_t out[4])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6) out[i] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)((0xf00 >> n) | code);
    return n;
}

static void test_utf8__takes_every_character_and_no_surrogate(void **state)
{
    uint8_t raw[4];

    (void)state;
    for (uint32_t code = 0; code < 0x200000; code++) {
        size_t n = encode(code, raw);
        bool valid = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        assert_int_equal(utf8_is_valid(kith_slice_of(raw, n)), valid);
    }
}

static void test_utf8__agrees_with_the_grammar_on_all_short_sequences(void **state)
{
    static const uint8_t seconds[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff};
    const size_t count = sizeof seconds;
    uint8_t raw[4];

    (void)state;
    for (unsigned lead = 0; lead < 256; lead++) {
        for (size_t i = 0; i < count * count * count; i++) {
            raw[0] = (uint8_t)lead;
            raw[1] = seconds[i % count];
            raw[2] = seconds[i / count % count];
            raw[3] = seconds[i / count / count];
            for (size_t len = 1; len <= 4; len++) {
                size_t at = 0, step = 1;
                while (at < len && step > 0) {
                    step = char_len(raw + at, len - at);
                    at += step;
                }
                assert_int_equal(utf8_is_valid(kith_slice_of(raw, len)), at == len);
            }
        }
    }
}

static void test_utf8__refuses_by_the_first_wrong_byte(void **state)
{
    /* text, and how many of its bytes a valid text may begin with */
    static const struct {
        const char *text;
        size_t len, good;
    } rows[] = {
        {"\x80", 1, 0},
        {"\xc0\x80", 2, 0},
        {"\xc1\xbf", 2, 0},
        {"\xe0\x80\x80", 3, 1},
        {"\xe0\x9f\xbf", 3, 1},
        {"\xed\xa0\x80", 3, 1},
        {"\xed\xbf\xbf", 3, 1},
        {"\xf0\x80\x80\x80", 4, 1},
        {"\xf0\x8f\xbf\xbf", 4, 1},
        {"\xf4\x90\x80\x80", 4, 1},
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xff", 1, 0},
        {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80", 15, 12},
        {"ab\xe2\x28\xa1", 5, 3},
        {"\xc3(", 2, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct utf8 utf8 = {0};
        for (size_t at = 0; at < rows[i].good; at++) {
            assert_int_equal(utf8_feed(&utf8, kith_slice_of(rows[i].text + at, 1)), KITH_OK);
        }
        assert_int_equal(utf8_feed(&utf8, kith_slice_of(rows[i].text + rows[i].good, 1)), KITH_E_MALFORMED);
        assert_false(utf8_is_valid(kith_slice_of(rows[i].text, rows[i].len)));
    }
}

static void test_utf8__any_split_gives_the_same(void **state)
{
    static const char text[] =
        "plain ascii that is longer than a block, \xc3\xa9, \xe2\x82\xac, \xf0\x9f\x98\x80, and ascii again";
    size_t len = sizeof text - 1;

    (void)state;
    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b++) {
            struct utf8 utf8 = {0};
            assert_int_equal(utf8_feed(&utf8, kith_slice_of(text, a)), KITH_OK);
            assert_int_equal(utf8_feed(&utf8, kith_slice_of(text + a, b - a)), KITH_OK);
            assert_int_equal(utf8_feed(&utf8, kith_slice_of(text + b, len - b)), KITH_OK);
            assert_true(utf8_is_whole(&utf8));
        }
    }
}

static void test_utf8__knows_an_unfinished_character(void **state)
{
    static const char smile[] = "\xf0\x9f\x98\x80";
    struct utf8 utf8 = {0};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(utf8_feed(&utf8, kith_slice_of(smile + i, 1)), KITH_OK);
        assert_int_equal(utf8_is_whole(&utf8), i == 3);
        assert_int_equal(utf8_is_valid(kith_slice_of(smile, i + 1)), i == 3);
    }
    assert_true(utf8_is_valid((struct kith_slice){0}));
}

static void test_utf8__finds_a_bad_byte_at_every_place_of_a_long_text(void **state)
{
    uint8_t text[100];

    (void)state;
    for (size_t len = 1; len <= sizeof text; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', sizeof text);
            text[at] = 0xff;
            assert_false(utf8_is_valid(kith_slice_of(text, len)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8__takes_every_character_and_no_surrogate),
        cmocka_unit_test(test_utf8__agrees_with_the_grammar_on_all_short_sequences),
        cmocka_unit_test(test_utf8__refuses_by_the_first_wrong_byte),
        cmocka_unit_test(test_utf8__any_split_gives_the_same),
        cmocka_unit_test(test_utf8__knows_an_unfinished_character),
        cmocka_unit_test(test_utf8__finds_a_bad_byte_at_every_place_of_a_long_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
