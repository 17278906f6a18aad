#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "account/limiter.h"

static const uint8_t seed[16] = {1, 2, 3};

static void key_of(const struct limiter *limiter, uint32_t n, uint8_t key[static LIMITER_KEY_BYTES])
{
    limiter_key(limiter, kith_slice_of(&n, sizeof n), key);
}

static unsigned take_all(struct limiter *limiter, uint32_t n, uint64_t now_ms)
{
    uint8_t key[LIMITER_KEY_BYTES];
    uint32_t wait_s = 0;
    unsigned taken = 0;

    key_of(limiter, n, key);
    while (limiter_take(limiter, key, now_ms, &wait_s)) assert_true(++taken < 100000);
    assert_true(wait_s >= 1);
    return taken;
}

static void test_limiter__gives_a_minutes_worth_at_once_and_then_evenly(void **state)
{
    struct limiter limiter;
    uint8_t key[LIMITER_KEY_BYTES];
    uint32_t wait_s = 0;

    (void)state;
    limiter_init(&limiter, 10, 100, seed);
    key_of(&limiter, 1, key);
    assert_int_equal(take_all(&limiter, 1, 1000), 10);
    assert_false(limiter_take(&limiter, key, 1000 + 5999, &wait_s));
    assert_int_equal(wait_s, 1);
    assert_true(limiter_take(&limiter, key, 1000 + 6000, &wait_s));
    assert_false(limiter_take(&limiter, key, 1000 + 6000, &wait_s));
    assert_int_equal(wait_s, 6);
    assert_int_equal(take_all(&limiter, 1, 1000 + 6000 + 60000), 10);
    assert_int_equal(take_all(&limiter, 1, 1000 + 6000 + 60000 + 600000), 10); /* never more than a minute's worth */
    assert_int_equal(take_all(&limiter, 2, 0), 10); /* a key of its own; clocks may be anything */
    limiter_deinit(&limiter);
}

static void test_limiter__may_give_one_back_only_every_ten_minutes(void **state)
{
    struct limiter limiter;
    uint8_t key[LIMITER_KEY_BYTES];
    uint32_t wait_s = 0;

    (void)state;
    limiter_init_slow(&limiter, 6, 600000, 100, seed);
    key_of(&limiter, 1, key);
    assert_int_equal(take_all(&limiter, 1, 1000), 6);
    assert_false(limiter_take(&limiter, key, 1000 + 599999, &wait_s));
    assert_int_equal(wait_s, 1);
    assert_true(limiter_take(&limiter, key, 1000 + 600000, &wait_s));
    assert_false(limiter_take(&limiter, key, 1000 + 600000, &wait_s));
    assert_int_equal(wait_s, 600);
    assert_int_equal(take_all(&limiter, 1, 1000 + 600000 + 5 * 600000), 5);
    assert_int_equal(take_all(&limiter, 1, 1000 + 100 * 600000), 6); /* never more than at first */
    limiter_deinit(&limiter);
}

static void test_limiter__gives_back(void **state)
{
    struct limiter limiter;
    uint8_t key[LIMITER_KEY_BYTES];

    (void)state;
    limiter_init(&limiter, 3, 100, seed);
    key_of(&limiter, 7, key);
    limiter_give(&limiter, key); /* of a key that it does not know */
    assert_int_equal(take_all(&limiter, 7, 5), 3);
    limiter_give(&limiter, key);
    limiter_give(&limiter, key);
    assert_int_equal(take_all(&limiter, 7, 5), 2);
    for (int i = 0; i < 9; i++) limiter_give(&limiter, key);
    assert_int_equal(take_all(&limiter, 7, 5), 3);
    limiter_deinit(&limiter);
}

static void test_limiter__without_a_limit_takes_everything(void **state)
{
    struct limiter limiter;
    uint8_t key[LIMITER_KEY_BYTES] = {0};
    uint32_t wait_s = 0;

    (void)state;
    limiter_init(&limiter, 0, 1, seed);
    for (int i = 0; i < 1000; i++) assert_true(limiter_take(&limiter, key, 0, &wait_s));
    limiter_deinit(&limiter);
}

/* As many keys as it may hold are remembered; one more, and the one not used for longest is forgotten. */
static void test_limiter__keys_at_the_limit_and_one_past_it(void **state)
{
    enum { KEYS = 500 };
    struct limiter limiter;

    (void)state;
    limiter_init(&limiter, 2, KEYS, seed);
    for (uint32_t n = 0; n < KEYS; n++) assert_int_equal(take_all(&limiter, n, 0), 2);
    for (uint32_t n = 0; n < KEYS; n++) assert_int_equal(take_all(&limiter, n, 0), 0);
    assert_int_equal(take_all(&limiter, 0, 0), 0); /* used again: 1 is the oldest now */
    assert_int_equal(take_all(&limiter, KEYS, 0), 2);
    assert_int_equal(limiter.count, KEYS);
    assert_int_equal(limiter.places.count, KEYS);
    assert_int_equal(take_all(&limiter, 0, 0), 0);
    assert_int_equal(take_all(&limiter, 1, 0), 2);
    for (uint32_t n = 0; n < 20000; n++) (void)take_all(&limiter, n * 7919u, n);
    assert_int_equal(limiter.count, KEYS);
    assert_int_equal(limiter.places.count, KEYS);
    limiter_deinit(&limiter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limiter__gives_a_minutes_worth_at_once_and_then_evenly),
        cmocka_unit_test(test_limiter__may_give_one_back_only_every_ten_minutes),
        cmocka_unit_test(test_limiter__gives_back),
        cmocka_unit_test(test_limiter__without_a_limit_takes_everything),
        cmocka_unit_test(test_limiter__keys_at_the_limit_and_one_past_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
