#include "api/api_impl.h"
#include "api_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void expect_pointer(struct reply *reply, const char *code, const char *pointer)
{
    (void)expect_kept(reply, 400, code);
    assert_string_equal(reply_str(reply, "pointer"), pointer);
    reply_free(reply);
}

static struct reply *put(struct afx *fx, const struct person *by, const char *body)
{
    return afx_ask(fx, "PUT", "/users/me", by->access, "%s", body);
}

static void test_api_body__json_that_is_none_is_pointed_at(void **state)
{
    static const struct {
        const char *body, *pointer;
    } bad[] = {
        {"{", ""},
        {"{\"a\":", "/a"},
        {"{\"a\":[1,2,", "/a/2"},
        {"{\"display_name\":\"x\",\"display_name\":\"y\"}", "/display_name"},
        {"{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", "/a/b"},
        {"{\"a\":[{\"b\":1},{\"b\":1e999}]}", "/a/1/b"},
        {"{\"a\":99999999999999999999}", "/a"},
        {"{\"a\":-99999999999999999999}", "/a"},
        {"{\"a\":\"\xc3\x28\"}", "/a"},
        {"{\"a\":\"\xed\xa0\x80\"}", "/a"},
        {"{\"a\":\"\\ud800\"}", "/a"},
        {"{\"a\xff\":1}", ""},
        {"{} {}", ""},
        {"{}x", ""},
        {"{\"a\":1,}", ""},
        {"{'a':1}", ""},
        {"{\"a\":01}", "/a"},
        {"{\"a\":NaN}", "/a"},
        {"{\"x/y\":[tru]}", "/x~1y/0"},
        {"\xef\xbb\xbf{}", ""},
    };
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");

    for (size_t i = 0; i < COUNT(bad); i++) expect_pointer(put(fx, &ann, bad[i].body), "BAD_JSON", bad[i].pointer);
    expect_pointer(put(fx, &ann, "[]"), "BAD_REQUEST", "");
    expect_pointer(put(fx, &ann, "\"x\""), "BAD_REQUEST", "");
    expect_pointer(put(fx, &ann, "null"), "BAD_REQUEST", "");
    expect_pointer(put(fx, &ann, "{\"read_receipts\":1}"), "BAD_REQUEST", "/read_receipts");
    expect_pointer(put(fx, &ann, "{\"a\xc3\xa9\":1}"), "BAD_REQUEST", "/a\xc3\xa9");
    expect(put(fx, &ann, ""), 400, "BAD_JSON");
    expect(put(fx, &ann, " \t\r\n{\"read_receipts\" : true } \n"), 200, NULL);
}

/* An object, and arrays inside it: `depth` levels in all. */
static void nested(char *out, unsigned depth)
{
    size_t at = 0;

    memcpy(out, "{\"a\":", 5);
    at = 5;
    for (unsigned i = 1; i < depth; i++) out[at++] = '[';
    for (unsigned i = 1; i < depth; i++) out[at++] = ']';
    out[at++] = '}';
    out[at] = '\0';
}

static void test_api_body__depth_at_the_limit_and_one_past_it(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    char body[1000];

    nested(body, API_JSON_DEPTH_MAX);
    expect_pointer(put(fx, &ann, body), "BAD_REQUEST", "/a"); /* well formed, and not known */
    nested(body, API_JSON_DEPTH_MAX + 1);
    expect(put(fx, &ann, body), 400, "BAD_JSON");
    expect(put(fx, &ann, "{\"display_name\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}"), 200, NULL);
}

static void test_api_body__every_short_prefix_is_refused(void **state)
{
    static const char whole[] = "{\"display_name\":\"A\\u00e9\\\"\xc3\xa9\",\"read_receipts\":false}";
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    char body[sizeof whole];

    for (size_t len = 0; len + 1 < sizeof whole; len++) {
        memcpy(body, whole, len);
        body[len] = '\0';
        expect(put(fx, &ann, body), 400, "BAD_JSON");
    }
    expect(put(fx, &ann, whole), 200, NULL);
}

static void test_api_body__a_request_at_the_size_limit_and_one_past_it(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    char *body = malloc(API_BODY_BYTES_MAX + 2);

    memset(body, ' ', API_BODY_BYTES_MAX + 1);
    memcpy(body, "{}", 2);
    body[API_BODY_BYTES_MAX] = '\0';
    expect(put(fx, &ann, body), 200, NULL);
    body[API_BODY_BYTES_MAX] = ' ';
    body[API_BODY_BYTES_MAX + 1] = '\0';
    expect(put(fx, &ann, body), 413, "TOO_BIG");
    free(body);
}

static void test_api_body__only_json_in_utf8(void **state)
{
    static const struct {
        const char *type;
        unsigned status;
    } types[] = {
        {"application/json", 200},
        {"Application/JSON; charset=UTF-8", 200},
        {"application/json;charset=\"utf-8\"", 200},
        {"application/json; charset=latin-1", 415},
        {"application/json; x=y", 415},
        {"application/jsonx", 415},
        {"text/plain", 415},
        {"application/x-www-form-urlencoded", 415},
        {"", 415},
    };
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");

    fx->headers[0][0] = "Content-Type";
    for (size_t i = 0; i < COUNT(types); i++) {
        fx->headers[0][1] = types[i].type;
        expect(put(fx, &ann, "{}"), types[i].status, types[i].status == 415 ? "NOT_SUPPORTED" : NULL);
    }
    fx->headers[0][0] = NULL;
}

static void test_api_body__numbers_may_be_written_in_any_way(void **state)
{
    static const struct {
        const char *number;
        bool good;
    } numbers[] = {{"5", true},   {"5.0", true},    {"5e0", true},   {"50e-1", true}, {"5.5", false},
                   {"-5", false}, {"\"5\"", false}, {"1001", false}, {"1e30", false}, {"true", false}};
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");

    for (size_t i = 0; i < COUNT(numbers); i++)
        expect(afx_ask(fx, "POST", "/invites", ann.access, "{\"uses_max\":%s}", numbers[i].number),
               numbers[i].good ? 201 : 400, NULL);
}

/* Any bytes at all: an answer, never an end. */
static void test_api_body__odd_bytes_end_nothing(void **state)
{
    struct afx *fx = *state;
    struct person ann = afx_person(fx, "ann");
    struct kith_prng prng;
    static const char seed[] =
        "{\"type\":\"group\",\"members\":[\"00000000-0000-4000-8000-000000000001\"],\"name\":null,"
        "\"encrypted\":true,\"history_open\":[{\"a\":-1.5e3}]}";

    kith_prng_seed(&prng, 7);
    for (int i = 0; i < 3000; i++) {
        char body[sizeof seed];
        struct reply *reply;
        memcpy(body, seed, sizeof seed);
        for (uint64_t k = kith_prng_between(&prng, 1, 4); k > 0; k--)
            body[kith_prng_below(&prng, sizeof seed - 1)] = (char)kith_prng_between(&prng, 1, 255);
        reply = afx_ask(fx, "POST", "/chats", ann.access, "%s", body);
        assert_true(reply->status >= 400 && reply->status < 500);
        reply_free(reply);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_api_body__##name, afx_setup_open, afx_teardown)
    const struct CMUnitTest tests[] = {
        TEST(json_that_is_none_is_pointed_at),
        TEST(depth_at_the_limit_and_one_past_it),
        TEST(every_short_prefix_is_refused),
        TEST(a_request_at_the_size_limit_and_one_past_it),
        TEST(only_json_in_utf8),
        TEST(numbers_may_be_written_in_any_way),
        TEST(odd_bytes_end_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
