#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/crypto/tlv.h"

enum { AT_ID, AT_NAME, AT_NOTE, AT_SEQ, FIELD_COUNT };
static const struct e2e_tlv_field fields[FIELD_COUNT] = {
    {.tag = 1, .bytes_min = 4, .bytes_max = 4},
    {.tag = 2, .bytes_max = 8},
    {.tag = 5, .bytes_min = 1, .bytes_max = 8, .optional = true},
    {.tag = 9, .bytes_min = 8, .bytes_max = 8},
};

static void write_thing(struct kith_buf *out, const char *note)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u32(&writer, 1, 0xfffefdfc);
    e2e_tlv_put(&writer, 2, kith_slice_str("name"));
    e2e_tlv_put_optional(&writer, 5, kith_slice_str(note));
    e2e_tlv_put_u64(&writer, 9, 0x0102030405060708);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
}

static void test_e2e_tlv__reads_what_it_writes(void **state)
{
    struct kith_slice values[FIELD_COUNT];
    struct kith_buf bytes;

    (void)state;
    kith_buf_init(&bytes, 1000);
    write_thing(&bytes, "note");
    assert_int_equal(e2e_tlv_decode(kith_buf_peek(&bytes), fields, FIELD_COUNT, values), KITH_OK);
    assert_int_equal(e2e_tlv_u32(values[AT_ID]), 0xfffefdfc);
    assert_true(kith_slice_is(values[AT_NAME], "name"));
    assert_true(kith_slice_is(values[AT_NOTE], "note"));
    assert_true(e2e_tlv_u64(values[AT_SEQ]) == 0x0102030405060708);
    kith_buf_deinit(&bytes);
}

static void test_e2e_tlv__leaves_out_what_has_nothing_to_say(void **state)
{
    struct kith_slice values[FIELD_COUNT];
    struct kith_buf bytes;

    (void)state;
    kith_buf_init(&bytes, 1000);
    write_thing(&bytes, "");
    assert_int_equal(kith_buf_len(&bytes), 3 * E2E_TLV_HEAD_BYTES + 4 + 4 + 8);
    assert_int_equal(e2e_tlv_decode(kith_buf_peek(&bytes), fields, FIELD_COUNT, values), KITH_OK);
    assert_null(values[AT_NOTE].ptr);
    assert_int_equal(values[AT_NOTE].len, 0);
    kith_buf_deinit(&bytes);
}

static void test_e2e_tlv__numbers_have_the_width_of_their_field(void **state)
{
    static const uint8_t expected[] = {0, 1, 0, 0, 0, 1, 7, 0, 2, 0, 0, 0, 4, 0, 0, 1, 0};
    const struct e2e_tlv_field both[] = {{.tag = 1, .bytes_min = 1, .bytes_max = 1},
                                         {.tag = 2, .bytes_min = 4, .bytes_max = 4}};
    struct kith_slice values[2];
    struct kith_buf bytes;
    struct e2e_tlv_writer writer;

    (void)state;
    kith_buf_init(&bytes, 1000);
    writer = e2e_tlv_writer_of(&bytes);
    e2e_tlv_put_u8(&writer, 1, 7);
    e2e_tlv_put_u32(&writer, 2, 256);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&bytes), kith_slice_of(expected, sizeof expected)));
    assert_int_equal(e2e_tlv_decode(kith_buf_peek(&bytes), both, 2, values), KITH_OK);
    assert_int_equal(e2e_tlv_u8(values[0]), 7);
    assert_int_equal(e2e_tlv_u32(values[1]), 256);
    kith_buf_deinit(&bytes);
}

static void test_e2e_tlv__refuses_every_short_prefix(void **state)
{
    struct kith_slice values[FIELD_COUNT], whole;
    struct kith_buf bytes;

    (void)state;
    kith_buf_init(&bytes, 1000);
    write_thing(&bytes, "note");
    whole = kith_buf_peek(&bytes);
    memset(values, 0x5a, sizeof values);
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *exact = malloc(len == 0 ? 1 : len); /* so that a byte read too far is seen */
        assert_non_null(exact);
        memcpy(exact, whole.ptr, len);
        assert_int_equal(e2e_tlv_decode(kith_slice_of(exact, len), fields, FIELD_COUNT, values), KITH_E_MALFORMED);
        free(exact);
    }
    for (size_t i = 0; i < sizeof values; i++) assert_int_equal(((uint8_t *)values)[i], 0x5a);
    kith_buf_deinit(&bytes);
}

/* One way to write a thing: a changed byte gives another thing or none. */
static void test_e2e_tlv__any_other_byte_is_another_thing_or_none(void **state)
{
    struct kith_slice values[FIELD_COUNT];
    struct kith_buf bytes;

    (void)state;
    kith_buf_init(&bytes, 1000);
    write_thing(&bytes, "note");
    for (size_t at = 0; at < kith_buf_len(&bytes); at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.ptr[at] ^= (uint8_t)(1u << bit);
            if (e2e_tlv_decode(kith_buf_peek(&bytes), fields, FIELD_COUNT, values) == KITH_OK) {
                const bool is_same = e2e_tlv_u32(values[AT_ID]) == 0xfffefdfc &&
                                     kith_slice_is(values[AT_NAME], "name") && kith_slice_is(values[AT_NOTE], "note") &&
                                     e2e_tlv_u64(values[AT_SEQ]) == 0x0102030405060708;
                assert_false(is_same);
            }
            bytes.ptr[at] ^= (uint8_t)(1u << bit);
        }
    }
    kith_buf_deinit(&bytes);
}

static void test_e2e_tlv__takes_its_most_bytes_and_not_one_more(void **state)
{
    const struct e2e_tlv_field one = {.tag = 1, .bytes_max = UINT32_MAX};
    const size_t most = E2E_TLV_BYTES_MAX - E2E_TLV_HEAD_BYTES;
    uint8_t *value = calloc(1, most + 1);
    struct kith_slice read;
    struct kith_buf bytes;
    struct e2e_tlv_writer writer;

    (void)state;
    assert_non_null(value);
    kith_buf_init(&bytes, 2u * E2E_TLV_BYTES_MAX);
    writer = e2e_tlv_writer_of(&bytes);
    e2e_tlv_put(&writer, 1, kith_slice_of(value, most));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    assert_int_equal(e2e_tlv_decode(kith_buf_peek(&bytes), &one, 1, &read), KITH_OK);
    assert_int_equal(read.len, most);
    /* By hand, one byte longer: only the reader stands in its way. */
    assert_int_equal(kith_buf_append_u8(&bytes, 0), KITH_OK);
    kith_put_u32_be(bytes.ptr + 2, (uint32_t)most + 1);
    assert_int_equal(e2e_tlv_decode(kith_buf_peek(&bytes), &one, 1, &read), KITH_E_TOOBIG);

    kith_buf_reset(&bytes);
    assert_int_equal(kith_buf_append_str(&bytes, "before"), KITH_OK);
    writer = e2e_tlv_writer_of(&bytes);
    e2e_tlv_put_u8(&writer, 0, 1);
    e2e_tlv_put(&writer, 1, kith_slice_of(value, most + 1));
    e2e_tlv_put_u8(&writer, 2, 1);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_E_TOOBIG);
    assert_true(kith_slice_is(kith_buf_peek(&bytes), "before"));
    kith_buf_deinit(&bytes);
    free(value);
}

static void test_e2e_tlv__a_full_buffer_leaves_nothing_half_written(void **state)
{
    (void)state;
    for (size_t room = 0; room < 3 * E2E_TLV_HEAD_BYTES + 16; room++) {
        struct kith_buf bytes;
        struct e2e_tlv_writer writer;
        kith_buf_init(&bytes, room);
        writer = e2e_tlv_writer_of(&bytes);
        e2e_tlv_put_u32(&writer, 1, 1);
        e2e_tlv_put(&writer, 2, kith_slice_str("name"));
        e2e_tlv_put_u64(&writer, 9, 9);
        assert_int_equal(e2e_tlv_finish(&writer), KITH_E_TOOBIG);
        assert_int_equal(kith_buf_len(&bytes), 0);
        kith_buf_deinit(&bytes);
    }
}

static void test_e2e_tlv__a_list_has_its_most_items_and_not_one_more(void **state)
{
    struct kith_buf list;
    struct kith_slice left, item;
    size_t count = 0;

    (void)state;
    kith_buf_init(&list, 1u << 20);
    for (size_t i = 0; i < E2E_TLV_ITEMS_MAX; i++)
        assert_int_equal(e2e_tlv_append_item(&list, kith_slice_of("abc", i % 4)), KITH_OK);
    assert_int_equal(e2e_tlv_count_items(kith_buf_peek(&list), &count), KITH_OK);
    assert_int_equal(count, E2E_TLV_ITEMS_MAX);
    left = kith_buf_peek(&list);
    for (size_t i = 0; e2e_tlv_next_item(&left, &item) == KITH_OK; i++) assert_int_equal(item.len, i % 4);
    assert_int_equal(left.len, 0);
    assert_int_equal(e2e_tlv_append_item(&list, kith_slice_str("")), KITH_OK);
    assert_int_equal(e2e_tlv_count_items(kith_buf_peek(&list), &count), KITH_E_TOOBIG);
    kith_buf_deinit(&list);
}

static void test_e2e_tlv__knows_its_most_fields_and_not_one_more(void **state)
{
    struct e2e_tlv_field many[E2E_TLV_FIELDS_MAX + 1];
    struct kith_slice values[E2E_TLV_FIELDS_MAX + 1];
    struct kith_buf bytes;
    struct e2e_tlv_writer writer;

    (void)state;
    kith_buf_init(&bytes, 10000);
    writer = e2e_tlv_writer_of(&bytes);
    for (uint16_t i = 0; i <= E2E_TLV_FIELDS_MAX; i++) {
        many[i] = (struct e2e_tlv_field){.tag = i, .bytes_min = 1, .bytes_max = 1};
        if (i < E2E_TLV_FIELDS_MAX) e2e_tlv_put_u8(&writer, i, (uint8_t)i);
    }
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    assert_int_equal(e2e_tlv_decode(kith_buf_peek(&bytes), many, E2E_TLV_FIELDS_MAX, values), KITH_OK);
    assert_int_equal(e2e_tlv_u8(values[E2E_TLV_FIELDS_MAX - 1]), E2E_TLV_FIELDS_MAX - 1);
    kith_buf_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_tlv__reads_what_it_writes),
        cmocka_unit_test(test_e2e_tlv__leaves_out_what_has_nothing_to_say),
        cmocka_unit_test(test_e2e_tlv__numbers_have_the_width_of_their_field),
        cmocka_unit_test(test_e2e_tlv__refuses_every_short_prefix),
        cmocka_unit_test(test_e2e_tlv__any_other_byte_is_another_thing_or_none),
        cmocka_unit_test(test_e2e_tlv__takes_its_most_bytes_and_not_one_more),
        cmocka_unit_test(test_e2e_tlv__a_full_buffer_leaves_nothing_half_written),
        cmocka_unit_test(test_e2e_tlv__a_list_has_its_most_items_and_not_one_more),
        cmocka_unit_test(test_e2e_tlv__knows_its_most_fields_and_not_one_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
