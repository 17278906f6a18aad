#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/prng.h"

static const uint8_t seed[16] = {1, 2, 3, 4};

static void test_map__finds_what_was_added_and_nothing_else(void **state)
{
    struct kith_map map;
    uint64_t *value = NULL;

    (void)state;
    kith_map_init(&map, sizeof(uint64_t), sizeof(uint64_t), 10000, seed);
    assert_null(kith_map_find(&map, &(uint64_t){1}));
    for (uint64_t i = 0; i < 10000; i++) {
        assert_int_equal(kith_map_add(&map, &i, (void **)&value), KITH_OK);
        assert_int_equal(*value, 0);
        *value = i * 7;
    }
    for (uint64_t i = 0; i < 10000; i++) {
        value = kith_map_find(&map, &i);
        assert_non_null(value);
        assert_int_equal(*value, i * 7);
    }
    assert_null(kith_map_find(&map, &(uint64_t){10000}));
    kith_map_deinit(&map);
}

static void test_map__holds_entries_max_and_refuses_one_more(void **state)
{
    struct kith_map map;
    void *value = NULL;

    (void)state;
    kith_map_init(&map, sizeof(uint32_t), 0, 100, seed);
    for (uint32_t i = 0; i < 100; i++) assert_int_equal(kith_map_add(&map, &i, &value), KITH_OK);
    assert_int_equal(kith_map_add(&map, &(uint32_t){100}, &value), KITH_E_FULL);
    assert_null(value);
    assert_int_equal(kith_map_add(&map, &(uint32_t){99}, &value), KITH_E_CONFLICT);
    assert_true(kith_map_remove(&map, &(uint32_t){5}));
    assert_int_equal(kith_map_add(&map, &(uint32_t){100}, &value), KITH_OK);
    kith_map_deinit(&map);
}

static void test_map__a_second_add_gives_the_value_that_is_there(void **state)
{
    struct kith_map map;
    uint32_t *value = NULL;
    uint8_t key[24] = "a key of odd size";

    (void)state;
    kith_map_init(&map, 17, sizeof *value, 10, seed);
    assert_int_equal(kith_map_add(&map, key, (void **)&value), KITH_OK);
    *value = 42;
    assert_int_equal(kith_map_add(&map, key, (void **)&value), KITH_E_CONFLICT);
    assert_int_equal(*value, 42);
    assert_int_equal(map.count, 1);
    kith_map_deinit(&map);
}

static void test_map__a_value_made_again_is_zero(void **state)
{
    struct kith_map map;
    uint64_t *value = NULL;
    uint8_t key = 1;

    (void)state;
    kith_map_init(&map, 1, sizeof *value, 10, seed);
    assert_int_equal(kith_map_add(&map, &key, (void **)&value), KITH_OK);
    *value = UINT64_MAX;
    assert_true(kith_map_remove(&map, &key));
    assert_false(kith_map_remove(&map, &key));
    assert_int_equal(kith_map_add(&map, &key, (void **)&value), KITH_OK);
    assert_int_equal(*value, 0);
    kith_map_reset(&map);
    assert_null(kith_map_find(&map, &key));
    kith_map_deinit(&map);
}

/* Removing must not break the probe paths of others: a small key space in a small map makes every case happen. */
static void test_map__agrees_with_a_plain_array_after_random_adds_and_removes(void **state)
{
    for (uint64_t round = 0; round < 20; round++) {
        struct kith_map map;
        struct kith_prng prng;
        bool there[300] = {false};
        uint16_t values[300] = {0};
        uint32_t count = 0;

        (void)state;
        kith_prng_seed(&prng, round);
        kith_map_init(&map, sizeof(uint16_t), sizeof(uint16_t), 200, seed);
        for (int i = 0; i < 20000; i++) {
            uint16_t key = (uint16_t)kith_prng_below(&prng, 300), *value = NULL;

            if (kith_prng_chance(&prng, 1, 2)) {
                kith_err want = there[key] ? KITH_E_CONFLICT : count == 200 ? KITH_E_FULL : KITH_OK;

                assert_int_equal(kith_map_add(&map, &key, (void **)&value), want);
                if (want == KITH_OK) {
                    there[key] = true;
                    count++;
                    *value = values[key] = (uint16_t)i;
                }
            } else {
                assert_int_equal(kith_map_remove(&map, &key), there[key]);
                count -= there[key];
                there[key] = false;
            }
            assert_int_equal(map.count, count);
            key = (uint16_t)kith_prng_below(&prng, 300);
            value = kith_map_find(&map, &key);
            assert_int_equal(value != NULL, there[key]);
            if (value != NULL) assert_int_equal(*value, values[key]);
        }
        kith_map_deinit(&map);
    }
}

static void test_map__walks_each_entry_once(void **state)
{
    struct kith_map map;
    const void *key = NULL;
    void *value = NULL;
    uint32_t at = 0, seen = 0, sum = 0;

    (void)state;
    kith_map_init(&map, sizeof(uint32_t), 0, 1000, seed);
    assert_false(kith_map_next(&map, &at, &key, &value));
    for (uint32_t i = 0; i < 1000; i++) assert_int_equal(kith_map_add(&map, &i, &value), KITH_OK);
    for (at = 0; kith_map_next(&map, &at, &key, NULL); seen++) {
        uint32_t n;
        memcpy(&n, key, sizeof n);
        sum += n;
    }
    assert_int_equal(seen, 1000);
    assert_int_equal(sum, 999 * 1000 / 2);
    kith_map_deinit(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map__finds_what_was_added_and_nothing_else),
        cmocka_unit_test(test_map__holds_entries_max_and_refuses_one_more),
        cmocka_unit_test(test_map__a_second_add_gives_the_value_that_is_there),
        cmocka_unit_test(test_map__a_value_made_again_is_zero),
        cmocka_unit_test(test_map__agrees_with_a_plain_array_after_random_adds_and_removes),
        cmocka_unit_test(test_map__walks_each_entry_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
