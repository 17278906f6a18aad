#ifndef KITH_TESTS_WASM_CMOCKA_CMOCKA_H
#define KITH_TESTS_WASM_CMOCKA_CMOCKA_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * As much of cmocka's API as the tests use that also run as WebAssembly (tools/dev/wasm_tests.sh), so that their files are the
 * same. It cannot jump out of a test that fails, so an instance runs one test and ends: without an argument a program names
 * its tests, one a line; with a name it runs that one. tests/wasm/run_tests.mjs does both.
 */
struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
};
#define cmocka_unit_test(function) {#function, function}

static const char *cmocka_chosen; /* a whole name: patterns are for who calls */

static inline void cmocka_set_test_filter(const char *name)
{
    cmocka_chosen = name;
}

/* 2: there is no such test, or it is a group with something to do before and after it, which this has not. */
static inline int cmocka_run(const struct CMUnitTest *tests, size_t count, int is_plain)
{
    void *state = NULL;

    for (size_t i = 0; i < count && is_plain; i++) {
        if (cmocka_chosen == NULL) {
            (void)puts(tests[i].name);
        } else if (strcmp(tests[i].name, cmocka_chosen) == 0) {
            tests[i].test_func(&state);
            return 0;
        }
    }
    return cmocka_chosen == NULL && is_plain ? 0 : 2;
}
#define cmocka_run_group_tests(tests, before, after) \
    cmocka_run(tests, sizeof(tests) / sizeof((tests)[0]), (before) == NULL && (after) == NULL)

_Noreturn static inline void cmocka_fail(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(1);
}

static inline void cmocka_numbers(uintmax_t a, uintmax_t b, int is_equal, const char *what, const char *file, int line)
{
    if ((a == b) == is_equal) return;
    (void)fprintf(stderr, "0x%jx, 0x%jx\n", a, b);
    cmocka_fail(what, file, line);
}

static inline void cmocka_range(uintmax_t value, uintmax_t min, uintmax_t max, const char *what, const char *file,
                                int line)
{
    if (value >= min && value <= max) return;
    (void)fprintf(stderr, "0x%jx is not in 0x%jx to 0x%jx\n", value, min, max);
    cmocka_fail(what, file, line);
}

static inline void cmocka_bytes(const void *a, const void *b, size_t len, int is_equal, const char *what,
                                const char *file, int line)
{
    if ((memcmp(a, b, len) == 0) != is_equal) cmocka_fail(what, file, line);
}

#define cmocka_truth(good, what)   ((good) ? (void)0 : cmocka_fail(what, __FILE__, __LINE__))
#define assert_true(c)             cmocka_truth(c, "assert_true(" #c ")")
#define assert_false(c)            cmocka_truth(!(c), "assert_false(" #c ")")
#define assert_non_null(p)         cmocka_truth((p) != NULL, "assert_non_null(" #p ")")
#define assert_null(p)             cmocka_truth((p) == NULL, "assert_null(" #p ")")
#define assert_int_equal(a, b)     cmocka_int(a, b, 1, "assert_int_equal(" #a ", " #b ")")
#define assert_int_not_equal(a, b) cmocka_int(a, b, 0, "assert_int_not_equal(" #a ", " #b ")")
#define cmocka_int(a, b, is_equal, what) \
    cmocka_numbers((uintmax_t)(a), (uintmax_t)(b), is_equal, what, __FILE__, __LINE__)
#define assert_in_range(value, min, max)                                 \
    cmocka_range((uintmax_t)(value), (uintmax_t)(min), (uintmax_t)(max), \
                 "assert_in_range(" #value ", " #min ", " #max ")", __FILE__, __LINE__)
#define assert_memory_equal(a, b, len) \
    cmocka_bytes(a, b, len, 1, "assert_memory_equal(" #a ", " #b ", " #len ")", __FILE__, __LINE__)
#define assert_memory_not_equal(a, b, len) \
    cmocka_bytes(a, b, len, 0, "assert_memory_not_equal(" #a ", " #b ", " #len ")", __FILE__, __LINE__)

#endif
