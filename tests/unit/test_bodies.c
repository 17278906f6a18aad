#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/bodies.h"

static struct kith_uuid id_of(uint32_t n)
{
    struct kith_uuid id = {{0}};

    kith_put_u32_be(id.raw, n);
    return id;
}

static struct kith_buf three_bodies(void)
{
    struct bodies_list lists[] = {{{id_of(1)}, 5}, {{id_of(2)}, 6}};
    struct bodies_item items[] = {{{id_of(10)}, kith_slice_str("ten")},
                                  {{id_of(11)}, kith_slice_str("")},
                                  {{id_of(12)}, kith_slice_str("twelve")}};
    struct kith_buf out;

    kith_buf_init(&out, 4096);
    assert_int_equal(bodies_encode(&out, lists, 2, items, 3), KITH_OK);
    return out;
}

static void test_bodies__finds_each_devices_own(void **state)
{
    struct kith_buf bytes = three_bodies();
    struct bodies bodies;
    struct kith_slice found = {0};

    (void)state;
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_OK);
    assert_int_equal(bodies.list_count, 2);
    assert_int_equal(bodies.item_count, 3);
    assert_int_equal(bodies_find(&bodies, (struct device_id){id_of(12)}, &found), KITH_OK);
    assert_true(kith_slice_is(found, "twelve"));
    assert_int_equal(bodies_find(&bodies, (struct device_id){id_of(11)}, &found), KITH_OK);
    assert_int_equal(found.len, 0);
    assert_int_equal(bodies_find(&bodies, (struct device_id){id_of(13)}, &found), KITH_E_NOTFOUND);
    kith_buf_deinit(&bytes);
}

static void test_bodies__the_common_one_is_for_who_has_none(void **state)
{
    struct bodies_item items[] = {{{id_of(0)}, kith_slice_str("all")}, {{id_of(11)}, kith_slice_str("one")}};
    struct bodies bodies;
    struct kith_slice found = {0};
    struct kith_buf bytes;

    (void)state;
    kith_buf_init(&bytes, 4096);
    assert_int_equal(bodies_encode(&bytes, NULL, 0, items, 2), KITH_OK);
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_OK);
    assert_int_equal(bodies_for(&bodies, (struct device_id){id_of(11)}, &found), KITH_OK);
    assert_true(kith_slice_is(found, "one"));
    assert_int_equal(bodies_for(&bodies, (struct device_id){id_of(12)}, &found), KITH_OK);
    assert_true(kith_slice_is(found, "all"));
    assert_int_equal(bodies_find(&bodies, (struct device_id){id_of(12)}, &found), KITH_E_NOTFOUND);
    kith_buf_deinit(&bytes);
    bytes = three_bodies();
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_OK);
    assert_int_equal(bodies_for(&bodies, (struct device_id){id_of(13)}, &found), KITH_E_NOTFOUND);
    kith_buf_deinit(&bytes);
}

static void test_bodies__refuses_every_prefix_and_anything_after(void **state)
{
    struct kith_buf bytes = three_bodies();
    struct kith_slice whole = kith_buf_peek(&bytes);
    struct bodies bodies;

    (void)state;
    for (size_t cut = 0; cut < whole.len; cut++)
        assert_int_equal(bodies_decode(kith_slice_of(whole.ptr, cut), &bodies), KITH_E_MALFORMED);
    assert_int_equal(kith_buf_append_u8(&bytes, 0), KITH_OK);
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_E_MALFORMED);
    kith_buf_deinit(&bytes);
}

static void test_bodies__refuses_what_is_not_ascending(void **state)
{
    struct kith_buf bytes = three_bodies();
    struct bodies bodies;
    uint8_t *raw = bytes.ptr + bytes.head;

    (void)state;
    memcpy(raw + 6 + 24, raw + 6, 16); /* the second list's user becomes the first's */
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_E_MALFORMED);
    kith_buf_deinit(&bytes);
}

/* The maximum, at it and one past it. */
static void test_bodies__takes_as_many_devices_as_it_says(void **state)
{
    struct bodies_item *items = calloc(BODIES_DEVICES_MAX + 1, sizeof *items);
    struct kith_buf bytes;
    struct bodies bodies;

    (void)state;
    assert_non_null(items);
    for (uint32_t i = 0; i <= BODIES_DEVICES_MAX; i++) items[i].device.id = id_of(i + 1);
    kith_buf_init(&bytes, 1u << 20);
    assert_int_equal(bodies_encode(&bytes, NULL, 0, items, BODIES_DEVICES_MAX), KITH_OK);
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_OK);
    kith_buf_reset(&bytes);
    assert_int_equal(bodies_encode(&bytes, NULL, 0, items, BODIES_DEVICES_MAX + 1), KITH_OK);
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_E_TOOBIG);
    kith_buf_deinit(&bytes);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies__finds_each_devices_own),
        cmocka_unit_test(test_bodies__the_common_one_is_for_who_has_none),
        cmocka_unit_test(test_bodies__refuses_every_prefix_and_anything_after),
        cmocka_unit_test(test_bodies__refuses_what_is_not_ascending),
        cmocka_unit_test(test_bodies__takes_as_many_devices_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
