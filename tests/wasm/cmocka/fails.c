#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/e2e/town.h"

/* Every one of these fails, in each of the ways that a test can: that it is noticed is what is tested (run_tests.mjs --fail). */
static const uint8_t zeros[2] = {0, 0}, one[2] = {0, 1};
static const uint8_t *volatile nothing;
static volatile uint32_t depth = 1u << 20;

#define FAILS(name, what)                   \
    static void fails__##name(void **state) \
    {                                       \
        (void)state;                        \
        what;                               \
    }
FAILS(assert_true, assert_true(zeros[0]))
FAILS(assert_false, assert_false(one[1]))
FAILS(assert_non_null, assert_non_null(nothing))
FAILS(assert_null, assert_null(&zeros))
FAILS(assert_int_equal, assert_int_equal(-1, UINT32_MAX))
FAILS(assert_int_not_equal, assert_int_not_equal(one[1], 1))
FAILS(assert_in_range_below, assert_in_range(one[0], 1, 2))
FAILS(assert_in_range_above, assert_in_range(3, 1, 2))
FAILS(assert_memory_equal, assert_memory_equal(zeros, one, 2))
FAILS(assert_memory_not_equal, assert_memory_not_equal(zeros, one, 1))
FAILS(town_need, town_need(zeros[1] == 1))
FAILS(assert_of_the_code, assert(zeros[1] == 1))

static uint32_t deep(uint32_t left)
{
    volatile uint8_t room[1024] = {(uint8_t)left};

    return left == 0 ? room[0] : deep(left - 1) + room[left % sizeof room];
}
FAILS(a_stack_too_deep, (void)deep(depth))

static void fails__more_memory_than_there_may_be(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++) {
        nothing = calloc(1, 1u << 20);
        assert_non_null(nothing);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fails__assert_true),
        cmocka_unit_test(fails__assert_false),
        cmocka_unit_test(fails__assert_non_null),
        cmocka_unit_test(fails__assert_null),
        cmocka_unit_test(fails__assert_int_equal),
        cmocka_unit_test(fails__assert_int_not_equal),
        cmocka_unit_test(fails__assert_in_range_below),
        cmocka_unit_test(fails__assert_in_range_above),
        cmocka_unit_test(fails__assert_memory_equal),
        cmocka_unit_test(fails__assert_memory_not_equal),
        cmocka_unit_test(fails__town_need),
        cmocka_unit_test(fails__assert_of_the_code),
        cmocka_unit_test(fails__a_stack_too_deep),
        cmocka_unit_test(fails__more_memory_than_there_may_be),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
