#include "kithd/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kithd/config_value.h"
#include "tests/temp_dir.h"

struct rig {
    struct temp_dir dir;
    char file[160];
    struct config config;
    struct kith_buf message;
    char text[2048]; /* of the message, after load() */
};

static void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    temp_dir_make(&rig->dir);
    (void)snprintf(rig->file, sizeof rig->file, "%s/kith.yaml", rig->dir.path);
    kith_buf_init(&rig->message, sizeof rig->text - 1);
}

static void rig_deinit(struct rig *rig)
{
    config_free(&rig->config);
    kith_buf_deinit(&rig->message);
    temp_dir_remove(&rig->dir);
}

static void write_file(struct rig *rig, const char *yaml)
{
    FILE *file = fopen(rig->file, "w");

    assert_non_null(file);
    assert_true(fputs(yaml, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* With the file, if there is one, and up to four arguments more. */
static kith_err load(struct rig *rig, const char *yaml, const char *const *arguments)
{
    char *argv[8];
    char words[8][192];
    int argc = 0;
    kith_err err;

    config_free(&rig->config);
    kith_buf_reset(&rig->message);
    if (yaml != NULL) {
        write_file(rig, yaml);
        (void)snprintf(words[argc++], sizeof words[0], "--config");
        (void)snprintf(words[argc++], sizeof words[0], "%s", rig->file);
    }
    for (; arguments != NULL && *arguments != NULL; arguments++)
        (void)snprintf(words[argc++], sizeof words[0], "%s", *arguments);
    for (int i = 0; i < argc; i++) argv[i] = words[i];
    err = config_load(&rig->config, &argc, argv, NULL, &rig->message);
    (void)snprintf(rig->text, sizeof rig->text, "%.*s", (int)kith_buf_len(&rig->message),
                   (const char *)kith_buf_peek(&rig->message).ptr);
    if (err == KITH_OK) {
        assert_int_equal(argc, 0);
        assert_string_equal(rig->text, "");
    }
    return err;
}

/* The file is refused with "FILE:line: " and then this. */
static void refused(struct rig *rig, const char *yaml, int line, const char *what)
{
    char expected[512];

    assert_int_equal(load(rig, yaml, NULL), KITH_E_MALFORMED);
    (void)snprintf(expected, sizeof expected, "%s:%d: %s", rig->file, line, what);
    assert_string_equal(rig->text, expected);
}

static void test_config__defaults_are_those_of_the_table(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(load(&rig, NULL, NULL), KITH_OK);
    assert_null(rig.config.file);
    for (unsigned id = 0; id < CONFIG_ID_COUNT; id++) {
        assert_string_equal(config_text(&rig.config, (enum config_id)id), config_keys[id].text);
        assert_int_equal(rig.config.values[id].origin, ORIGIN_DEFAULT);
    }
    assert_int_equal(config_number(&rig.config, CONFIG_log_keep), 7ull * 24 * 3600 * 1000);
    assert_int_equal(config_number(&rig.config, CONFIG_log_segment_bytes), 64 << 20);
    assert_int_equal(config_number(&rig.config, CONFIG_diagnostics), 0);
    assert_null(rig.config.values[CONFIG_origins].list[0]);
    rig_deinit(&rig);
}

static void test_config__a_flag_beats_the_environment_and_that_the_file(void **state)
{
    static const char yaml[] = "log:\n  keep: 1d\n  format: json\n  level: warn\nloops: 2\n";
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(setenv("KITH_LOG_KEEP", "2d", 1), 0);
    assert_int_equal(setenv("KITH_LOG_LEVEL", "debug", 1), 0);
    assert_int_equal(load(&rig, yaml, (const char *[]){"--log.keep=3d", NULL}), KITH_OK);
    assert_string_equal(config_text(&rig.config, CONFIG_log_keep), "3d");
    assert_int_equal(config_number(&rig.config, CONFIG_log_keep), 3ull * 24 * 3600 * 1000);
    assert_int_equal(rig.config.values[CONFIG_log_keep].origin, ORIGIN_FLAG);
    assert_string_equal(config_text(&rig.config, CONFIG_log_level), "debug");
    assert_int_equal(rig.config.values[CONFIG_log_level].origin, ORIGIN_ENV);
    assert_string_equal(config_text(&rig.config, CONFIG_log_format), "json");
    assert_int_equal(rig.config.values[CONFIG_log_format].origin, ORIGIN_FILE);
    assert_int_equal(config_number(&rig.config, CONFIG_loops), 2);
    assert_int_equal(rig.config.values[CONFIG_data].origin, ORIGIN_DEFAULT);
    assert_string_equal(rig.config.file, rig.file);
    assert_int_equal(unsetenv("KITH_LOG_KEEP"), 0);
    assert_int_equal(unsetenv("KITH_LOG_LEVEL"), 0);
    rig_deinit(&rig);
}

static void test_config__an_unknown_key_is_named_with_its_line_and_the_nearest(void **state)
{
    static const struct {
        const char *yaml;
        int line;
        const char *what;
    } cases[] = {
        {"registraton: open\n", 1, "unknown key 'registraton'; did you mean 'registration'?"},
        {"listen: 127.0.0.1:0\n\n# a remark\nregistraton: open\n", 4,
         "unknown key 'registraton'; did you mean 'registration'?"},
        {"log:\n  keep: 1d\n  kep: 2d\n", 3, "unknown key 'kep'; did you mean 'log.keep'?"},
        /* The same name, known where it stands first. */
        {"tls:\n  key: x\n  certificate: y\nkey: z\n", 4, "unknown key 'key'; did you mean 'tls.key'?"},
        {"log:\n  level: warn\n\nlevel: warn\n", 4, "unknown key 'level'; did you mean 'log.level'?"},
        {"listen: 127.0.0.1:0\nlog:\n  keep: 1d\n  listen: x\n", 4, "unknown key 'listen'; did you mean 'listen'?"},
        {"tls:\n  key: x\n  certificate: y\nlog:\n  key: z\n", 5, "unknown key 'key'; did you mean 'log.keep'?"},
        {"# key: 1\ntls:\n  certificate: \"\n\n    key: 2\"\n  key: x\nkey: y\n", 7,
         "unknown key 'key'; did you mean 'tls.key'?"},
        {"log: {keep: 1d,\n  level: info, kep: 1d}\n", 2, "unknown key 'kep'; did you mean 'log.keep'?"},
        {"log:\n  keep: 1d\n\"keep\": 2d\n", 3, "unknown key 'keep'; did you mean 'log.keep'?"},
        {"zzzzzzzzzzzzzzzz: 1\n", 1, "unknown key 'zzzzzzzzzzzzzzzz'"},
    };
    struct rig rig;

    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(&rig, cases[i].yaml, cases[i].line, cases[i].what);
    assert_int_equal(load(&rig, NULL, (const char *[]){"--registraton=open", NULL}), KITH_E_MALFORMED);
    assert_string_equal(rig.text, "unknown flag '--registraton'; did you mean '--registration'?");
    rig_deinit(&rig);
}

static void test_config__bad_numbers_are_named_with_where_they_come_from(void **state)
{
    static const char *const bad[] = {"0..64", "-1", "65", "4x", "4 ", "0x4", "1e3", "99999999999999999999999", "four"};
    static const char *const bad_sizes[] = {"64MB", "1023KiB", "2GiB", "MiB", "1.5GiB", "18446744073709551615TiB"};
    static const char *const bad_times[] = {"7", "366d", "7w", "-1s", "7 d"};
    struct rig rig;
    char yaml[128], expected[512];

    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(yaml, sizeof yaml, "data: x\nloops: \"%s\"\n", bad[i]);
        assert_int_equal(load(&rig, yaml, NULL), KITH_E_MALFORMED);
        (void)snprintf(expected, sizeof expected, "loops: '%s' is not a number within 0..64 (from %s:2)", bad[i],
                       rig.file);
        assert_string_equal(rig.text, expected);
    }
    for (size_t i = 0; i < sizeof bad_sizes / sizeof bad_sizes[0]; i++) {
        (void)snprintf(yaml, sizeof yaml, "log:\n  keep: 1d\n  segment_bytes: %s\n", bad_sizes[i]);
        assert_int_equal(load(&rig, yaml, NULL), KITH_E_MALFORMED);
        (void)snprintf(expected, sizeof expected,
                       "log.segment_bytes: '%s' is not a size such as 512KiB, 64MiB within 1MiB..1GiB (from %s:3)",
                       bad_sizes[i], rig.file);
        assert_string_equal(rig.text, expected);
    }
    for (size_t i = 0; i < sizeof bad_times / sizeof bad_times[0]; i++) {
        assert_int_equal(load(&rig, NULL, (const char *[]){"--log.keep", bad_times[i], NULL}), KITH_E_MALFORMED);
        (void)snprintf(expected, sizeof expected, "log.keep: '%s' is not a time such as 500ms, 30s, 7d within 0s..365d",
                       bad_times[i]);
        assert_string_equal(rig.text, expected);
    }
    assert_int_equal(setenv("KITH_LOOPS", "many", 1), 0);
    assert_int_equal(load(&rig, NULL, NULL), KITH_E_MALFORMED);
    assert_string_equal(rig.text, "loops: 'many' is not a number within 0..64 (from KITH_LOOPS)");
    assert_int_equal(unsetenv("KITH_LOOPS"), 0);
    rig_deinit(&rig);
}

static void test_config__numbers_at_their_bounds_are_taken(void **state)
{
    static const struct {
        const char *flag;
        enum config_id id;
        uint64_t number;
    } cases[] = {
        {"--loops=0", CONFIG_loops, 0},
        {"--loops=64", CONFIG_loops, 64},
        {"--log.keep=0", CONFIG_log_keep, 0},
        {"--log.keep=365d", CONFIG_log_keep, 365ull * 24 * 3600 * 1000},
        {"--log.keep=1500ms", CONFIG_log_keep, 1500},
        {"--log.segment_bytes=1048576", CONFIG_log_segment_bytes, 1 << 20},
        {"--log.segment_bytes=1GiB", CONFIG_log_segment_bytes, 1 << 30},
        {"--log.segment_bytes=1024KiB", CONFIG_log_segment_bytes, 1 << 20},
        {"--diagnostics", CONFIG_diagnostics, 1},
        {"--diagnostics=off", CONFIG_diagnostics, 0},
    };
    struct rig rig;

    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(load(&rig, NULL, (const char *[]){cases[i].flag, NULL}), KITH_OK);
        assert_int_equal(config_number(&rig.config, cases[i].id), cases[i].number);
    }
    rig_deinit(&rig);
}

static void test_config__words_outside_the_choices_are_refused(void **state)
{
    struct rig rig;
    char expected[512];

    (void)state;
    rig_init(&rig);
    assert_int_equal(load(&rig, "registration: maybe\n", NULL), KITH_E_MALFORMED);
    (void)snprintf(expected, sizeof expected, "registration: 'maybe' is none of invite|open|closed (from %s:1)",
                   rig.file);
    assert_string_equal(rig.text, expected);
    assert_int_equal(load(&rig, "diagnostics: maybe\n", NULL), KITH_E_MALFORMED);
    (void)snprintf(expected, sizeof expected, "diagnostics: 'maybe' is neither true nor false (from %s:1)", rig.file);
    assert_string_equal(rig.text, expected);
    rig_deinit(&rig);
}

static void expect_list(const struct config *config, enum config_id id, const char *const *items)
{
    size_t n = 0;

    for (; items[n] != NULL; n++) assert_string_equal(config->values[id].list[n], items[n]);
    assert_null(config->values[id].list[n]);
}

static void test_config__a_list_is_a_sequence_in_the_file_and_commas_elsewhere(void **state)
{
    static const char *const two[] = {"https://a.example", "https://b.example", NULL};
    struct rig rig;
    struct kith_buf many;

    (void)state;
    rig_init(&rig);
    assert_int_equal(load(&rig, "origins:\n- https://a.example\n- https://b.example\n", NULL), KITH_OK);
    expect_list(&rig.config, CONFIG_origins, two);
    assert_int_equal(load(&rig, "origins: [https://a.example, https://b.example]\n", NULL), KITH_OK);
    expect_list(&rig.config, CONFIG_origins, two);
    assert_int_equal(load(&rig, NULL, (const char *[]){"--origins", "https://a.example,https://b.example", NULL}),
                     KITH_OK);
    expect_list(&rig.config, CONFIG_origins, two);
    assert_int_equal(setenv("KITH_ORIGINS", "https://a.example,,https://b.example,", 1), 0);
    assert_int_equal(load(&rig, NULL, NULL), KITH_OK);
    expect_list(&rig.config, CONFIG_origins, two);
    assert_int_equal(unsetenv("KITH_ORIGINS"), 0);

    kith_buf_init(&many, 1024);
    for (int count = CONFIG_LIST_MAX; count <= CONFIG_LIST_MAX + 1; count++) {
        kith_buf_reset(&many);
        assert_int_equal(kith_buf_append_str(&many, "origins: [x"), KITH_OK);
        for (int i = 1; i < count; i++) assert_int_equal(kith_buf_append_str(&many, ",x"), KITH_OK);
        assert_int_equal(kith_buf_append(&many, kith_slice_of("]\n", 3)), KITH_OK);
        assert_int_equal(load(&rig, (const char *)kith_buf_peek(&many).ptr, NULL),
                         count == CONFIG_LIST_MAX ? KITH_OK : KITH_E_MALFORMED);
        if (count == CONFIG_LIST_MAX) assert_non_null(rig.config.values[CONFIG_origins].list[CONFIG_LIST_MAX - 1]);
    }
    kith_buf_deinit(&many);
    rig_deinit(&rig);
}

static void test_config__what_is_printed_is_read_back(void **state)
{
    static const char yaml[] = "registration: closed\ntrusted_proxies: [10.0.0.0/8, \"::1/128\"]\nlog: {keep: 3d}\n"
                               "tls:\n  certificate: c.pem\n  key: k.pem\n";
    struct rig rig;
    struct kith_buf out, again;

    (void)state;
    rig_init(&rig);
    kith_buf_init(&out, 64 * 1024);
    kith_buf_init(&again, 64 * 1024);
    assert_int_equal(load(&rig, yaml, NULL), KITH_OK);
    assert_int_equal(config_print(&rig.config, false, &out), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&out, '\0'), KITH_OK);
    assert_int_equal(load(&rig, (const char *)kith_buf_peek(&out).ptr, NULL), KITH_OK);
    assert_int_equal(config_print(&rig.config, false, &again), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&again, '\0'), KITH_OK);
    assert_string_equal((const char *)kith_buf_peek(&again).ptr, (const char *)kith_buf_peek(&out).ptr);

    kith_buf_reset(&out);
    assert_int_equal(load(&rig, yaml, (const char *[]){"--loops=3", NULL}), KITH_OK);
    assert_int_equal(config_print(&rig.config, true, &out), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&out, '\0'), KITH_OK);
    assert_non_null(strstr((const char *)kith_buf_peek(&out).ptr, "loops: 3  # flag\n"));
    assert_non_null(strstr((const char *)kith_buf_peek(&out).ptr, "registration: closed  # file\n"));
    assert_non_null(
        strstr((const char *)kith_buf_peek(&out).ptr, "log:\n  keep: 3d  # file\n  segment_bytes: 64MiB  # default\n"));

    kith_buf_reset(&out);
    assert_int_equal(config_print_defaults(&out), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&out, '\0'), KITH_OK);
    assert_int_equal(load(&rig, (const char *)kith_buf_peek(&out).ptr, NULL), KITH_OK);
    kith_buf_deinit(&out);
    kith_buf_deinit(&again);
    rig_deinit(&rig);
}

static void test_config__a_certificate_and_its_key_go_together(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(load(&rig, "tls:\n  key: k.pem\n", NULL), KITH_E_MALFORMED);
    assert_non_null(strstr(rig.text, "go together"));
    assert_int_equal(load(&rig, "tls:\n  key: k.pem\n", (const char *[]){"--tls.certificate=c.pem", NULL}), KITH_OK);
    rig_deinit(&rig);
}

static void test_config__a_file_that_is_no_mapping_or_missing_is_refused(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_int_equal(load(&rig, "log:\n  keep: [1d]\n", NULL), KITH_E_MALFORMED);
    assert_non_null(strstr(rig.text, ":2"));
    assert_int_equal(load(&rig, "log: {keep: 1d\n", NULL), KITH_E_MALFORMED);
    assert_int_equal(load(&rig, "- a\n", NULL), KITH_E_MALFORMED);
    assert_int_equal(load(&rig, NULL, (const char *[]){"--config=/nowhere/kith.yaml", NULL}), KITH_E_NOTFOUND);
    assert_non_null(strstr(rig.text, "/nowhere/kith.yaml"));
    rig_deinit(&rig);
}

static void test_config__a_text_at_the_limit_and_one_byte_past_it(void **state)
{
    char text[CONFIG_TEXT_BYTES_MAX + 2];
    struct rig rig;

    (void)state;
    rig_init(&rig);
    memset(text, 'x', sizeof text);
    text[CONFIG_TEXT_BYTES_MAX] = '\0';
    assert_int_equal(setenv("KITH_PUBLIC_URL", text, 1), 0);
    assert_int_equal(load(&rig, NULL, NULL), KITH_OK);
    assert_string_equal(config_text(&rig.config, CONFIG_public_url), text);
    text[CONFIG_TEXT_BYTES_MAX] = 'x';
    text[CONFIG_TEXT_BYTES_MAX + 1] = '\0';
    assert_int_equal(setenv("KITH_PUBLIC_URL", text, 1), 0);
    assert_int_equal(load(&rig, NULL, NULL), KITH_E_MALFORMED);
    assert_string_equal(rig.text, "public_url: more than 2048 bytes (from KITH_PUBLIC_URL)");
    assert_int_equal(unsetenv("KITH_PUBLIC_URL"), 0);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__a_text_at_the_limit_and_one_byte_past_it),
        cmocka_unit_test(test_config__defaults_are_those_of_the_table),
        cmocka_unit_test(test_config__a_flag_beats_the_environment_and_that_the_file),
        cmocka_unit_test(test_config__an_unknown_key_is_named_with_its_line_and_the_nearest),
        cmocka_unit_test(test_config__bad_numbers_are_named_with_where_they_come_from),
        cmocka_unit_test(test_config__numbers_at_their_bounds_are_taken),
        cmocka_unit_test(test_config__words_outside_the_choices_are_refused),
        cmocka_unit_test(test_config__a_list_is_a_sequence_in_the_file_and_commas_elsewhere),
        cmocka_unit_test(test_config__what_is_printed_is_read_back),
        cmocka_unit_test(test_config__a_certificate_and_its_key_go_together),
        cmocka_unit_test(test_config__a_file_that_is_no_mapping_or_missing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
