#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "wire/row.h"

static void test_row_mail__every_short_prefix_is_damage(void **state)
{
    struct row_mail_device row = {
        .acked = 3, .first = 4, .last = 6, .time_ms = 7, .mark_count = 2, .marks = {{1, 4}, {2, 6}}};
    struct row_mailbox head = {.last_n = 1, .position = 2, .time_ms = 3, .item_count = 4};
    struct row_mail_device row_again;
    struct row_mailbox head_again;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, 4096);
    assert_int_equal(row_mail_device_encode(&row, &out), KITH_OK);
    for (size_t len = 0; len < kith_buf_len(&out); len++)
        assert_int_equal(row_mail_device_decode(kith_slice_of(kith_buf_peek(&out).ptr, len), &row_again),
                         KITH_E_MALFORMED);
    assert_int_equal(row_mail_device_decode(kith_buf_peek(&out), &row_again), KITH_OK);
    assert_int_equal(row_again.marks[1].n, 6);
    kith_buf_reset(&out);
    assert_int_equal(row_mailbox_encode(&head, &out), KITH_OK);
    for (size_t len = 0; len < kith_buf_len(&out); len++)
        assert_int_equal(row_mailbox_decode(kith_slice_of(kith_buf_peek(&out).ptr, len), &head_again),
                         KITH_E_MALFORMED);
    assert_int_equal(row_mailbox_decode(kith_buf_peek(&out), &head_again), KITH_OK);
    assert_memory_equal(&head, &head_again, sizeof head);
    row.first = 3; /* acknowledged and there */
    kith_buf_reset(&out);
    assert_int_equal(row_mail_device_encode(&row, &out), KITH_OK);
    assert_int_equal(row_mail_device_decode(kith_buf_peek(&out), &row_again), KITH_E_MALFORMED);
    kith_buf_deinit(&out);
}

static void test_row_mail__an_items_key_ends_with_its_number(void **state)
{
    struct user_id user = {{{1, 2, 3}}};
    struct device_id device = {{{4, 5, 6}}};
    struct row_key key = row_key_mail(user, device, 77), next = row_key_mail(user, device, 78);
    struct row_key of_device = row_key_mail_device(user, device);
    struct kith_uuid id = {0};
    uint64_t n = 0;

    (void)state;
    assert_int_equal(row_key_tail_seq(row_key_slice(&key), &n), KITH_OK);
    assert_int_equal(n, 77);
    assert_true(memcmp(key.bytes, next.bytes, key.len) < 0);
    assert_memory_equal(key.bytes, next.bytes, ROW_PREFIX_MAIL_DEVICE);
    assert_int_equal(of_device.len, ROW_PREFIX_MAIL_DEVICE);
    assert_memory_equal(of_device.bytes + 1, key.bytes + 1, ROW_PREFIX_MAIL_DEVICE - 1);
    assert_int_equal(row_key_tail_id(row_key_slice(&of_device), &id), KITH_OK);
    assert_memory_equal(&id, &device, sizeof id);
    assert_int_equal(row_key_tail_seq(row_key_slice(&of_device), &n), KITH_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_mail__every_short_prefix_is_damage),
        cmocka_unit_test(test_row_mail__an_items_key_ends_with_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
