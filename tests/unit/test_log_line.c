#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log_line.h"

static char written[3 * LOG_LINE_BYTES_MAX];
static size_t written_len;

static uint64_t fixed_ms(const struct log_line_sink *sink)
{
    (void)sink;
    return 1935990489123u;
}

static void keep(const struct log_line_sink *sink, struct kith_slice line)
{
    (void)sink;
    assert_true(written_len + line.len < sizeof written);
    assert_true(line.len <= LOG_LINE_BYTES_MAX);
    memcpy(written + written_len, line.ptr, line.len);
    written_len += line.len;
    written[written_len] = '\0';
}

static struct log_line_sink sink(bool json)
{
    written_len = 0;
    written[0] = '\0';
    return (struct log_line_sink){.json = json, .wall_ms = fixed_ms, .write = keep, .least = LOG_LINE_INFO};
}

#define LOGFMT_HEAD "time=2031-05-08T07:08:09.123Z level="
#define JSON_HEAD   "{\"time\":\"2031-05-08T07:08:09.123Z\",\"level\":\""

static void test_log_line__is_logfmt_for_people(void **state)
{
    struct log_line_sink log = sink(false);
    (void)state;

    log_line(&log, LOG_LINE_INFO, log_event("listening"), log_str("address", "[::1]"), log_uint("port", 443),
             log_str("reason", "two words"), log_str("none", NULL));
    assert_string_equal(written, LOGFMT_HEAD "info event=listening address=[::1] port=443 "
                                             "reason=\"two words\" none=\"\"\n");
}

static void test_log_line__is_json_for_machines(void **state)
{
    struct log_line_sink log = sink(true);
    struct kith_uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    (void)state;

    log_line(&log, LOG_LINE_ERROR, log_event("failed"), log_uint("big", UINT64_MAX), log_id("chat", id));
    assert_string_equal(written, JSON_HEAD "error\",\"event\":\"failed\",\"big\":18446744073709551615,"
                                           "\"chat\":\"01020304-0506-0708-090a-0b0c0d0e0f10\"}\n");
}

static void test_log_line__foreign_bytes_cannot_forge_a_line_or_a_field(void **state)
{
    static const char evil[] =
        "x\" level=info event=paid\r\n\x1b[2J\x7f\\ \xc2\x9b \xe2\x80\xa8 \xe2\x80\xae a=b \xff\xc3(\xed\xa0\x80";
    struct log_line_sink log = sink(false);
    (void)state;

    log_line(&log, LOG_LINE_WARN, log_event("odd"), log_text("v", kith_slice_of(evil, sizeof evil)));
    assert_string_equal(written,
                        LOGFMT_HEAD "warn event=odd v=\"x\\\" level=info event=paid\\u000d\\n\\u001b[2J\\u007f\\\\ "
                                    "\\u009b \\u2028 \\u202e a=b \\xff\\xc3(\\xed\\xa0\\x80\\u0000\"\n");
    log = sink(true);
    log_line(&log, LOG_LINE_WARN, log_event("odd"), log_text("v", kith_slice_of(evil, sizeof evil)));
    assert_string_equal(written, JSON_HEAD
                        "warn\",\"event\":\"odd\",\"v\":\"x\\\" level=info event=paid\\u000d\\n\\u001b[2J\\u007f\\\\ "
                        "\\u009b \\u2028 \\u202e a=b \\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\\u0000\"}\n");
}

static void test_log_line__keeps_good_text_of_every_length(void **state)
{
    static const char text[] = "aé€😀";
    struct log_line_sink log = sink(true);
    (void)state;

    for (size_t n = 0; n < sizeof text; n++) {
        written_len = 0;
        log_line(&log, LOG_LINE_INFO, log_event("cut"), log_text("v", kith_slice_of(text, n)));
    }
    assert_string_equal(written, JSON_HEAD "info\",\"event\":\"cut\",\"v\":\"aé€😀\"}\n");
}

static void test_log_line__long_values_and_too_many_fields_are_cut_and_say_so(void **state)
{
    static char text[LOG_LINE_VALUE_BYTES_MAX + 100];
    (void)state;

    for (int json = 0; json < 2; json++) {
        struct log_line_sink log = sink(json == 1);
        struct log_field long_field;

        memset(text, '\n', sizeof text);
        long_field = log_text("v", kith_slice_of(text, sizeof text));
        log_line(&log, LOG_LINE_INFO, log_event("long"), long_field);
        assert_non_null(strstr(written, json ? "...\"}\n" : "...\"\n"));

        log = sink(json == 1);
        log_line(&log, LOG_LINE_INFO, log_event("many"), long_field, long_field, long_field, long_field, long_field,
                 long_field, long_field, long_field, long_field, long_field, long_field, long_field);
        assert_non_null(strstr(written, json ? "...\",\"cut\":true}\n" : "...\" cut=true\n"));
        assert_int_equal(written[written_len - 1], '\n');
        assert_ptr_equal(strchr(written, '\n'), written + written_len - 1);
    }
}

static void test_log_line__leaves_out_what_is_below_the_level(void **state)
{
    struct log_line_sink log = sink(false);
    enum log_line_level level = LOG_LINE_INFO;
    (void)state;

    log_line(&log, LOG_LINE_DEBUG, log_event("quiet"));
    assert_string_equal(written, "");
    assert_true(log_line_level_parse("debug", &level));
    log.least = level;
    log_line(&log, LOG_LINE_DEBUG, log_event("loud"));
    assert_string_equal(written, LOGFMT_HEAD "debug event=loud\n");
    assert_false(log_line_level_parse("loud", &level));
    log_line((const struct log_line_sink *)NULL, LOG_LINE_ERROR, log_event("nowhere"));
}

static void test_log_line__chooses_json_when_not_on_a_terminal(void **state)
{
    struct log_line_sink log;
    char line[200] = {0};
    int fds[2];
    (void)state;

    assert_int_equal(pipe(fds), 0);
    log_line_sink_init(&log, fds[1], LOG_LINE_INFO);
    assert_true(log.json);
    log_line(&log, LOG_LINE_INFO, log_event("real"));
    assert_true(read(fds[0], line, sizeof line - 1) > 0);
    assert_memory_equal(line, "{\"time\":\"20", 11);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_line__is_logfmt_for_people),
        cmocka_unit_test(test_log_line__is_json_for_machines),
        cmocka_unit_test(test_log_line__foreign_bytes_cannot_forge_a_line_or_a_field),
        cmocka_unit_test(test_log_line__keeps_good_text_of_every_length),
        cmocka_unit_test(test_log_line__long_values_and_too_many_fields_are_cut_and_say_so),
        cmocka_unit_test(test_log_line__leaves_out_what_is_below_the_level),
        cmocka_unit_test(test_log_line__chooses_json_when_not_on_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
