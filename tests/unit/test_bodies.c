#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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

/* ------------------------------------------------------------------------------------------------ one for all */

static const char one_list[] = "7010efe847e681964c9dacdf2ae1e88e", three_lists[] = "ab98c58278aa2bccdd61049b163c0102";

static void assert_digest(const uint8_t *digest, const char *hex)
{
    char text[2 * BODIES_DIGEST_BYTES + 1];

    for (size_t i = 0; i < BODIES_DIGEST_BYTES; i++) assert_int_equal(snprintf(text + 2 * i, 3, "%02x", digest[i]), 2);
    assert_string_equal(text, hex);
}

/* The answers are hashlib's; those of the three lists are more than 2^128 together. */
static void test_bodies__a_digest_is_the_sum_of_its_lists_in_any_order(void **state)
{
    const struct bodies_list lists[] = {{{id_of(1)}, 5}, {{id_of(2)}, 6}, {{id_of(3)}, UINT64_MAX}};
    const uint8_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    uint8_t one[BODIES_DIGEST_BYTES] = {0};

    (void)state;
    bodies_digest_add(one, &lists[0]);
    assert_digest(one, one_list);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        uint8_t digest[BODIES_DIGEST_BYTES] = {0};
        for (size_t j = 0; j < 3; j++) bodies_digest_add(digest, &lists[orders[i][j]]);
        assert_digest(digest, three_lists);
    }
}

static void test_bodies__who_has_no_list_is_not_in_the_digest(void **state)
{
    const struct bodies_list none = {{id_of(9)}, 0}, some = {{id_of(1)}, 5};
    uint8_t digest[BODIES_DIGEST_BYTES] = {0};

    (void)state;
    bodies_digest_add(digest, &none);
    assert_digest(digest, "00000000000000000000000000000000");
    bodies_digest_add(digest, &some);
    bodies_digest_add(digest, &none);
    assert_digest(digest, one_list);
}

static void test_bodies__the_sum_of_a_digest_wraps_around(void **state)
{
    const struct bodies_list list = {{id_of(1)}, 5};
    uint8_t digest[BODIES_DIGEST_BYTES];

    (void)state;
    memset(digest, 0xff, sizeof digest);
    bodies_digest_add(digest, &list);
    assert_digest(digest, "7010efe847e681964c9dacdf2ae1e88d");
}

static struct kith_buf common_of(struct kith_slice ciphertext)
{
    const struct bodies_list list = {{id_of(1)}, 5};
    uint8_t digest[BODIES_DIGEST_BYTES] = {0};
    struct kith_buf out;

    bodies_digest_add(digest, &list);
    kith_buf_init(&out, 2 * KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(bodies_encode_common(&out, digest, ciphertext), KITH_OK);
    return out;
}

static void test_bodies__one_for_all_comes_with_a_digest(void **state)
{
    static const uint8_t expected[] = {
        0,    2,    0,    0,    0,    23,                                                           /* bodies */
        0,    0,    0,    0,    0,    0,   0,    0,    0,    0,    0,    0,    0,    0,    0,    0, /* the device nil */
        0,    0,    0,    3,    'a',  'l', 'l',                                                     /* its ciphertext */
        0,    3,    0,    0,    0,    16,  0x70, 0x10, 0xef, 0xe8, 0x47, 0xe6, 0x81, 0x96, 0x4c, 0x9d, /* digest */
        0xac, 0xdf, 0x2a, 0xe1, 0xe8, 0x8e};
    struct kith_buf bytes = common_of(kith_slice_str("all"));
    struct bodies bodies;
    struct kith_slice found = {0};

    (void)state;
    assert_true(kith_slice_eq(kith_buf_peek(&bytes), kith_slice_of(expected, sizeof expected)));
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_OK);
    assert_int_equal(bodies.list_count, 0);
    assert_int_equal(bodies.item_count, 1);
    assert_non_null(bodies.digest);
    assert_digest(bodies.digest, one_list);
    assert_int_equal(bodies_for(&bodies, (struct device_id){id_of(12)}, &found), KITH_OK);
    assert_true(kith_slice_is(found, "all"));
    kith_buf_deinit(&bytes);
    bytes = three_bodies();
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_OK);
    assert_null(bodies.digest);
    kith_buf_deinit(&bytes);
}

static void assert_malformed(const void *bytes, size_t len)
{
    struct bodies bodies;

    assert_int_equal(bodies_decode(kith_slice_of(bytes, len), &bodies), KITH_E_MALFORMED);
}

static void test_bodies__refuses_every_wrong_form_with_a_digest(void **state)
{
    struct kith_buf bytes = common_of(kith_slice_str("all"));
    const struct kith_slice whole = kith_buf_peek(&bytes);
    const size_t digest_at = whole.len - 22;
    uint8_t wrong[128];

    (void)state;
    for (size_t cut = 0; cut < whole.len; cut++) assert_malformed(whole.ptr, cut);
    memcpy(wrong, whole.ptr, whole.len);
    wrong[whole.len] = 0;
    assert_malformed(wrong, whole.len + 1);
    memcpy(wrong + whole.len, whole.ptr + digest_at, 22); /* the digest twice */
    assert_malformed(wrong, whole.len + 22);
    for (unsigned tag = 0; tag < 6; tag++) { /* another in its place */
        memcpy(wrong, whole.ptr, whole.len);
        wrong[digest_at + 1] = (uint8_t)tag;
        if (tag != 3) assert_malformed(wrong, whole.len);
        memcpy(wrong, whole.ptr, whole.len); /* or in that of the bodies */
        wrong[1] = (uint8_t)tag;
        if (tag != 2) assert_malformed(wrong, whole.len);
    }
    memcpy(wrong, whole.ptr + digest_at, 22); /* before the bodies */
    memcpy(wrong + 22, whole.ptr, digest_at);
    assert_malformed(wrong, whole.len);
    memcpy(wrong, "\0\1\0\0\0\0", 6); /* with lists, and be they none */
    memcpy(wrong + 6, whole.ptr, whole.len);
    assert_malformed(wrong, 6 + whole.len);
    memcpy(wrong, whole.ptr, whole.len); /* of 15 bytes, and of 17 */
    wrong[digest_at + 5] = 15;
    assert_malformed(wrong, whole.len - 1);
    wrong[digest_at + 5] = 17;
    assert_malformed(wrong, whole.len + 1);
    kith_buf_deinit(&bytes);
}

static void test_bodies__a_digest_is_for_one_body_that_is_common(void **state)
{
    static const uint8_t none[] = {0, 2, 0, 0, 0, 0, 0, 3,  0,  0,  0,  16, 1,  2,
                                   3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    struct bodies_item items[] = {{{id_of(0)}, kith_slice_str("all")}, {{id_of(11)}, kith_slice_str("one")}};
    struct kith_buf bytes = common_of(kith_slice_str("all")), with;
    uint8_t *device = bytes.ptr + bytes.head + 6;

    (void)state;
    assert_malformed(none, sizeof none);
    device[15] = 1; /* of one device */
    assert_malformed(kith_buf_peek(&bytes).ptr, kith_buf_len(&bytes));
    kith_buf_init(&with, 4096);
    assert_int_equal(bodies_encode(&with, NULL, 0, items, 2), KITH_OK); /* the common one, and one of a device */
    assert_int_equal(kith_buf_append(&with, kith_slice_of(none + 6, sizeof none - 6)), KITH_OK);
    assert_malformed(kith_buf_peek(&with).ptr + 6, kith_buf_len(&with) - 6);
    kith_buf_deinit(&with);
    kith_buf_deinit(&bytes);
}

/* 256 KiB in all, at it and one past it. */
static void test_bodies__one_for_all_has_its_maximum(void **state)
{
    uint8_t *ciphertext = calloc(1, KITH_MESSAGE_BYTES_MAX), digest[BODIES_DIGEST_BYTES] = {0};
    struct kith_slice most = kith_slice_of(ciphertext, KITH_MESSAGE_BYTES_MAX - 48);
    struct kith_buf bytes;
    struct bodies bodies;

    (void)state;
    assert_non_null(ciphertext);
    bytes = common_of(most);
    assert_int_equal(kith_buf_len(&bytes), KITH_MESSAGE_BYTES_MAX);
    assert_int_equal(bodies_decode(kith_buf_peek(&bytes), &bodies), KITH_OK);
    most.len++;
    kith_buf_reset(&bytes);
    assert_int_equal(bodies_encode_common(&bytes, digest, most), KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&bytes), 0);
    kith_buf_deinit(&bytes);
    free(ciphertext);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies__finds_each_devices_own),
        cmocka_unit_test(test_bodies__the_common_one_is_for_who_has_none),
        cmocka_unit_test(test_bodies__refuses_every_prefix_and_anything_after),
        cmocka_unit_test(test_bodies__refuses_what_is_not_ascending),
        cmocka_unit_test(test_bodies__takes_as_many_devices_as_it_says),
        cmocka_unit_test(test_bodies__a_digest_is_the_sum_of_its_lists_in_any_order),
        cmocka_unit_test(test_bodies__who_has_no_list_is_not_in_the_digest),
        cmocka_unit_test(test_bodies__the_sum_of_a_digest_wraps_around),
        cmocka_unit_test(test_bodies__one_for_all_comes_with_a_digest),
        cmocka_unit_test(test_bodies__refuses_every_wrong_form_with_a_digest),
        cmocka_unit_test(test_bodies__a_digest_is_for_one_body_that_is_common),
        cmocka_unit_test(test_bodies__one_for_all_has_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
