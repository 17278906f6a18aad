#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "loop/timer.h"

static struct timer_wheel wheel;

static void never(struct loop_timer *timer)
{
    (void)timer;
    fail();
}

static int setup(void **state)
{
    (void)state;
    timer_wheel_init(&wheel, 1000);
    return 0;
}

static void test_timer__comes_exactly_at_its_time(void **state)
{
    static const uint64_t delays[] = {0,    1,    62,     63,     64,       65,      4095,
                                      4096, 4097, 262143, 262144, 16777216, 3600000, 1ull << 40};
    (void)state;

    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct loop_timer timer = {.fire = never};
        uint64_t due = wheel.now_ms + delays[i];

        timer_wheel_start(&wheel, &timer, due);
        assert_true(timer_wheel_next_ms(&wheel) <= due);
        if (due > wheel.now_ms) {
            timer_wheel_advance(&wheel, due - 1);
            assert_null(timer_wheel_take(&wheel));
        }
        assert_true(timer.armed);
        timer_wheel_advance(&wheel, due);
        assert_ptr_equal(timer_wheel_take(&wheel), &timer);
        assert_false(timer.armed);
        assert_null(timer_wheel_take(&wheel));
        assert_true(timer_wheel_next_ms(&wheel) == UINT64_MAX);
    }
}

static void test_timer__gives_them_by_due_time_then_by_start(void **state)
{
    static const uint64_t due[] = {1500, 1003, 90000, 1003, 1064, 1002, 1500};
    static const size_t want[] = {5, 1, 3, 4, 0, 6, 2};
    struct loop_timer timers[7] = {0};
    (void)state;

    for (size_t i = 0; i < 7; i++) timer_wheel_start(&wheel, &timers[i], due[i]);
    timer_wheel_advance(&wheel, 100000);
    for (size_t i = 0; i < 7; i++) assert_ptr_equal(timer_wheel_take(&wheel), &timers[want[i]]);
    assert_null(timer_wheel_take(&wheel));
}

static void test_timer__started_again_moves(void **state)
{
    struct loop_timer timer = {0};
    (void)state;

    timer_wheel_start(&wheel, &timer, 1010);
    timer_wheel_start(&wheel, &timer, 5000);
    timer_wheel_advance(&wheel, 4999);
    assert_null(timer_wheel_take(&wheel));
    timer_wheel_start(&wheel, &timer, 5001);
    timer_wheel_advance(&wheel, 5001);
    assert_ptr_equal(timer_wheel_take(&wheel), &timer);
}

static void test_timer__stopped_never_comes(void **state)
{
    struct loop_timer a = {0}, b = {0};
    (void)state;

    timer_wheel_stop(&wheel, &a);
    timer_wheel_start(&wheel, &a, 1010);
    timer_wheel_start(&wheel, &b, 1010);
    timer_wheel_stop(&wheel, &a);
    assert_true(timer_wheel_next_ms(&wheel) == 1010);
    timer_wheel_stop(&wheel, &b);
    assert_true(timer_wheel_next_ms(&wheel) == UINT64_MAX);
    /* Also when it was collected already: one due timer may stop another. */
    timer_wheel_start(&wheel, &a, 1010);
    timer_wheel_start(&wheel, &b, 1010);
    timer_wheel_advance(&wheel, 1010);
    assert_ptr_equal(timer_wheel_take(&wheel), &a);
    timer_wheel_stop(&wheel, &b);
    assert_null(timer_wheel_take(&wheel));
}

static void test_timer__restarted_at_once_waits_for_the_next_advance(void **state)
{
    struct loop_timer timer = {0};
    (void)state;

    timer_wheel_start(&wheel, &timer, 0);
    timer_wheel_advance(&wheel, 1000);
    assert_ptr_equal(timer_wheel_take(&wheel), &timer);
    timer_wheel_start(&wheel, &timer, 1000);
    assert_null(timer_wheel_take(&wheel));
    assert_true(timer_wheel_next_ms(&wheel) == 1000);
    timer_wheel_advance(&wheel, 1000);
    assert_ptr_equal(timer_wheel_take(&wheel), &timer);
}

static void test_timer__due_after_the_end_of_time_is_kept_at_its_end(void **state)
{
    struct loop_timer timer = {0};
    (void)state;

    timer_wheel_start(&wheel, &timer, UINT64_MAX);
    assert_true(timer.due_ms == TIMER_DUE_MS_MAX);
    timer_wheel_stop(&wheel, &timer);
}

/* Against the plainest model there is: an array that is searched. */
#define MODEL_TIMERS 300
static void test_timer__agrees_with_a_model(void **state)
{
    static struct loop_timer timers[MODEL_TIMERS];
    static uint64_t due[MODEL_TIMERS]; /* 0: not armed */
    (void)state;

    srandom(7);
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)random() % MODEL_TIMERS;
        unsigned shift = (unsigned)random() % 22;
        uint64_t delay = (uint64_t)random() & ((1ull << shift) - 1);
        uint64_t first = UINT64_MAX;
        struct loop_timer *timer;

        if (random() % 4 == 0) {
            timer_wheel_stop(&wheel, &timers[i]);
            due[i] = 0;
        } else {
            due[i] = wheel.now_ms + delay;
            timer_wheel_start(&wheel, &timers[i], due[i]);
        }
        if (random() % 3 != 0) continue;
        timer_wheel_advance(&wheel, wheel.now_ms + ((uint64_t)random() & ((1ull << (random() % 14)) - 1)));
        for (uint64_t last = 0; (timer = timer_wheel_take(&wheel)) != NULL; last = timer->due_ms) {
            i = (size_t)(timer - timers);
            assert_true(due[i] != 0 && due[i] <= wheel.now_ms && timer->due_ms == due[i] && due[i] >= last);
            due[i] = 0;
        }
        for (size_t k = 0; k < MODEL_TIMERS; k++) {
            if (due[k] == 0) continue;
            assert_true(due[k] > wheel.now_ms);
            if (due[k] < first) first = due[k];
        }
        assert_true(timer_wheel_next_ms(&wheel) <= first);
        assert_int_equal(timer_wheel_next_ms(&wheel) == UINT64_MAX, first == UINT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_timer__comes_exactly_at_its_time, setup),
        cmocka_unit_test_setup(test_timer__gives_them_by_due_time_then_by_start, setup),
        cmocka_unit_test_setup(test_timer__started_again_moves, setup),
        cmocka_unit_test_setup(test_timer__stopped_never_comes, setup),
        cmocka_unit_test_setup(test_timer__restarted_at_once_waits_for_the_next_advance, setup),
        cmocka_unit_test_setup(test_timer__due_after_the_end_of_time_is_kept_at_its_end, setup),
        cmocka_unit_test_setup(test_timer__agrees_with_a_model, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
