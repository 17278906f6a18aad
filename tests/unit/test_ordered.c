#include "base/ordered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEYS 400

/** Key n, so that numbers and keys have the same order: two bytes of n, and now and then a tail. */
static struct kith_slice key_of(uint8_t room[static 4], unsigned n)
{
    room[0] = (uint8_t)(n / 4 >> 8);
    room[1] = (uint8_t)(n / 4);
    room[2] = 0;
    room[3] = 0xff;
    if (n % 4 == 3) room[2] = 0xff;
    return kith_slice_of(room, n % 4 == 0 ? 2 : n % 4 == 1 ? 3 : 4);
}

static void check_node(const struct kith_ordered_node *node, int n)
{
    uint8_t room[4];

    if (n < 0 || n >= KEYS) {
        assert_null(node);
    } else {
        assert_non_null(node);
        assert_true(kith_slice_eq(kith_ordered_key(node), key_of(room, (unsigned)n)));
    }
}

/** Everything the map can be asked about key n, against an array of what is there. */
static void check_around(const struct kith_ordered *map, const bool *there, int n)
{
    int at_or_after = n, before = n - 1, after;
    struct kith_ordered_node *node;
    uint8_t room[4];

    while (at_or_after < KEYS && !there[at_or_after]) at_or_after++;
    while (before >= 0 && !there[before]) before--;
    check_node(kith_ordered_find(map, key_of(room, (unsigned)n)), there[n] ? n : -1);
    node = kith_ordered_seek(map, key_of(room, (unsigned)n));
    check_node(node, at_or_after);
    check_node(kith_ordered_seek_back(map, key_of(room, (unsigned)n), false), before);
    check_node(kith_ordered_seek_back(map, key_of(room, (unsigned)n), true), there[n] ? n : before);
    if (node == NULL) return;
    for (after = at_or_after + 1; after < KEYS && !there[after];) after++;
    check_node(kith_ordered_next(node), after);
    check_node(kith_ordered_prev(node), before);
}

static void test_ordered__agrees_with_a_plain_array_after_random_adds_and_removes(void **state)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct kith_ordered map;
        struct kith_prng prng;
        bool there[KEYS] = {false};
        size_t count = 0;

        (void)state;
        kith_prng_seed(&prng, seed);
        kith_ordered_init(&map, seed);
        for (int i = 0; i < 10000; i++) {
            struct kith_ordered_node *node = NULL;
            unsigned n = (unsigned)kith_prng_below(&prng, KEYS);
            uint8_t room[4];
            kith_err err;

            if (kith_prng_chance(&prng, 1 + seed % 3, 4)) {
                err = kith_ordered_add(&map, key_of(room, n), &node);
                assert_int_equal(err, there[n] ? KITH_E_CONFLICT : KITH_OK);
                check_node(node, (int)n);
                there[n] = true;
                count += err == KITH_OK;
            } else if (there[n]) {
                assert_null(kith_ordered_remove(&map, kith_ordered_find(&map, key_of(room, n))));
                there[n] = false;
                count--;
            }
            assert_int_equal(map.count, count);
            check_around(&map, there, (int)kith_prng_below(&prng, KEYS));
        }
        kith_ordered_deinit(&map, NULL);
    }
}

static void test_ordered__keys_added_in_order_do_not_make_a_list(void **state)
{
    struct kith_ordered map;
    struct kith_ordered_node *node = NULL;
    unsigned depth, deepest = 0;

    (void)state;
    kith_ordered_init(&map, 7);
    for (uint32_t i = 0; i < 100000; i++) {
        uint8_t key[4];

        kith_put_u32_be(key, i);
        assert_int_equal(kith_ordered_add(&map, kith_slice_of(key, sizeof key), &node), KITH_OK);
    }
    for (node = kith_ordered_last(&map); node != NULL; node = kith_ordered_prev(node)) {
        depth = 0;
        for (const struct kith_ordered_node *at = node; at != NULL; at = at->up) depth++;
        if (depth > deepest) deepest = depth;
    }
    assert_in_range(deepest, 17, 64);
    kith_ordered_deinit(&map, NULL);
}

static void test_ordered__an_empty_key_is_a_key_and_values_are_freed(void **state)
{
    struct kith_ordered map;
    struct kith_ordered_node *node = NULL;

    (void)state;
    kith_ordered_init(&map, 1);
    assert_null(kith_ordered_last(&map));
    assert_int_equal(kith_ordered_add(&map, kith_slice_of(NULL, 0), &node), KITH_OK);
    node->value = malloc(10);
    assert_int_equal(kith_ordered_add(&map, kith_slice_str("b"), &node), KITH_OK);
    node->value = malloc(10);
    assert_int_equal(kith_ordered_key(kith_ordered_seek(&map, kith_slice_of(NULL, 0))).len, 0);
    assert_ptr_equal(kith_ordered_last(&map), node);
    kith_ordered_deinit(&map, free);
    assert_int_equal(map.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordered__agrees_with_a_plain_array_after_random_adds_and_removes),
        cmocka_unit_test(test_ordered__keys_added_in_order_do_not_make_a_list),
        cmocka_unit_test(test_ordered__an_empty_key_is_a_key_and_values_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
