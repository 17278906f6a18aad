#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libkith/e2ee/resend.h"

/* Requests for messages again, and the item that an answer names: their form. */

static struct e2e_resend_item item_of(uint8_t chat, uint64_t seq)
{
    struct e2e_resend_item item = {.seq = seq};

    memset(item.chat_id, chat, sizeof item.chat_id);
    memset(item.msg_id, 0x33, sizeof item.msg_id);
    item.msg_id[0] = (uint8_t)seq;
    return item;
}

static struct e2e_resend resend_of(uint32_t count)
{
    struct e2e_resend resend = {.count = count};

    for (uint32_t i = 0; i < count && i < E2E_RESEND_ITEMS_MAX; i++)
        resend.items[i] = item_of((uint8_t)(i / 8), i % 8 + 1);
    return resend;
}

/* Whatever the items say, and however many they are. */
static struct kith_buf encoded(const struct e2e_resend_item *items, size_t count)
{
    struct kith_buf list, out;
    struct e2e_tlv_writer writer;
    uint8_t bytes[E2E_RESEND_ITEM_BYTES];

    kith_buf_init(&list, 10000);
    kith_buf_init(&out, 10000);
    for (size_t i = 0; i < count; i++) {
        e2e_resend_item_encode(&items[i], bytes);
        assert_int_equal(e2e_tlv_append_item(&list, kith_slice_of(bytes, sizeof bytes)), KITH_OK);
    }
    writer = e2e_tlv_writer_of(&out);
    e2e_tlv_put(&writer, 1, kith_buf_peek(&list));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    kith_buf_deinit(&list);
    return out;
}

/* On an error nothing is written. */
static kith_err decode(struct kith_slice in, struct e2e_resend *out)
{
    struct e2e_resend before;
    kith_err err;

    memset(out, 0x5a, sizeof *out);
    before = *out;
    err = e2e_resend_decode(in, out);
    if (err != KITH_OK) assert_memory_equal(&before, out, sizeof before);
    return err;
}

static kith_err decode_items(const struct e2e_resend_item *items, size_t count)
{
    struct kith_buf bytes = encoded(items, count);
    struct e2e_resend read;
    kith_err err = decode(kith_buf_peek(&bytes), &read);

    kith_buf_deinit(&bytes);
    return err;
}

static void test_e2e_resend__reads_what_it_writes(void **state)
{
    struct e2e_resend given = resend_of(E2E_RESEND_ITEMS_MAX), read;
    struct kith_buf out, expected;

    (void)state;
    for (uint32_t count = 1; count <= E2E_RESEND_ITEMS_MAX; count++) {
        given.count = count;
        kith_buf_init(&out, 10000);
        assert_int_equal(e2e_resend_encode(&given, &out), KITH_OK);
        expected = encoded(given.items, count);
        assert_true(kith_slice_eq(kith_buf_peek(&out), kith_buf_peek(&expected)));
        assert_int_equal(decode(kith_buf_peek(&out), &read), KITH_OK);
        assert_int_equal(read.count, count);
        assert_memory_equal(read.items, given.items, count * sizeof read.items[0]);
        for (size_t len = 0; len < kith_buf_len(&out); len++)
            assert_int_equal(decode(kith_slice_of(kith_buf_peek(&out).ptr, len), &read), KITH_E_MALFORMED);
        kith_buf_deinit(&out);
        kith_buf_deinit(&expected);
    }
}

static void test_e2e_resend__an_item_is_58_bytes(void **state)
{
    const struct e2e_resend_item item = item_of(0x11, 0x0102030405060708ull);
    uint8_t bytes[E2E_RESEND_ITEM_BYTES + 1] = {0};
    struct e2e_resend_item read;

    (void)state;
    e2e_resend_item_encode(&item, bytes);
    assert_memory_equal(bytes, "\0\1\0\0\0\20\x11\x11", 8);
    assert_memory_equal(bytes + 22, "\0\2\0\0\0\10\1\2\3\4\5\6\7\10\0\3\0\0\0\20", 20);
    assert_int_equal(bytes[E2E_RESEND_ITEM_BYTES - 1], 0x33);
    assert_int_equal(bytes[E2E_RESEND_ITEM_BYTES], 0);
    assert_int_equal(e2e_resend_item_decode(kith_slice_of(bytes, E2E_RESEND_ITEM_BYTES), &read), KITH_OK);
    assert_memory_equal(&read, &item, sizeof item);
    for (size_t len = 0; len <= sizeof bytes; len++)
        if (len != E2E_RESEND_ITEM_BYTES)
            assert_int_equal(e2e_resend_item_decode(kith_slice_of(bytes, len), &read), KITH_E_MALFORMED);
    memset(bytes + 28, 0, 8);
    assert_int_equal(e2e_resend_item_decode(kith_slice_of(bytes, E2E_RESEND_ITEM_BYTES), &read), KITH_E_MALFORMED);
}

static void test_e2e_resend__items_ascend_and_none_comes_twice(void **state)
{
    const struct e2e_resend_item good[] = {item_of(1, 1), item_of(1, 2), item_of(1, UINT64_MAX), item_of(2, 1)};
    struct e2e_resend_item twice[] = {item_of(1, 5), item_of(1, 5)};

    (void)state;
    assert_int_equal(decode_items(good, 4), KITH_OK);
    twice[1].msg_id[0]++; /* one place in a chat */
    for (size_t i = 0; i < 5; i++) {
        const struct e2e_resend_item bad[][2] = {{item_of(1, 2), item_of(1, 1)},
                                                 {item_of(2, 1), item_of(1, 2)},
                                                 {item_of(1, 1), item_of(1, 1)},
                                                 {item_of(1, 0), item_of(1, 1)},
                                                 {twice[0], twice[1]}};
        struct e2e_resend resend = {.items = {bad[i][0], bad[i][1]}, .count = 2};
        struct kith_buf out;
        assert_int_equal(decode_items(bad[i], 2), KITH_E_MALFORMED);
        kith_buf_init(&out, 10000);
        assert_int_equal(e2e_resend_encode(&resend, &out), KITH_E_MALFORMED);
        assert_int_equal(kith_buf_len(&out), 0);
        kith_buf_deinit(&out);
    }
}

static void test_e2e_resend__32_items_and_not_one_more(void **state)
{
    struct e2e_resend_item many[E2E_RESEND_ITEMS_MAX + 1];
    struct e2e_resend resend = resend_of(E2E_RESEND_ITEMS_MAX);
    struct kith_buf out;

    (void)state;
    for (uint32_t i = 0; i < E2E_RESEND_ITEMS_MAX + 1; i++) many[i] = item_of(1, i + 1);
    assert_int_equal(decode_items(many, E2E_RESEND_ITEMS_MAX), KITH_OK);
    assert_int_equal(decode_items(many, E2E_RESEND_ITEMS_MAX + 1), KITH_E_TOOBIG);
    kith_buf_init(&out, 10000);
    resend.count = E2E_RESEND_ITEMS_MAX + 1;
    assert_int_equal(e2e_resend_encode(&resend, &out), KITH_E_MALFORMED);
    resend.count = 0;
    assert_int_equal(e2e_resend_encode(&resend, &out), KITH_E_MALFORMED);
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
    kith_buf_init(&out, 60); /* less than there is room for */
    resend.count = 1;
    assert_int_equal(e2e_resend_encode(&resend, &out), KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_deinit(&out);
}

/* One that is unknown may only be stepped over from 0x8000 on. */
static void test_e2e_resend__other_fields(void **state)
{
    static const uint16_t tags[] = {2, 0x7fff, 0x8000, 0xffff};
    const struct e2e_resend_item item = item_of(1, 1);
    struct e2e_resend read;

    (void)state;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        struct kith_buf bytes = encoded(&item, 1);
        uint8_t more[E2E_TLV_HEAD_BYTES + 1] = {(uint8_t)(tags[i] >> 8), (uint8_t)tags[i], 0, 0, 0, 1, 7};
        assert_int_equal(kith_buf_append(&bytes, kith_slice_of(more, sizeof more)), KITH_OK);
        assert_int_equal(decode(kith_buf_peek(&bytes), &read), tags[i] < 0x8000 ? KITH_E_UNSUPPORTED : KITH_OK);
        kith_buf_deinit(&bytes);
    }
    assert_int_equal(decode((struct kith_slice){0}, &read), KITH_E_MALFORMED);
    assert_int_equal(decode(kith_slice_of((const uint8_t *)"\0\1\0\0\0\0", 6), &read), KITH_E_MALFORMED);
    assert_int_equal(decode(kith_slice_of((const uint8_t *)"\0\1\0\0\0\4\0\0\0\0", 10), &read), KITH_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_resend__reads_what_it_writes),
        cmocka_unit_test(test_e2e_resend__an_item_is_58_bytes),
        cmocka_unit_test(test_e2e_resend__items_ascend_and_none_comes_twice),
        cmocka_unit_test(test_e2e_resend__32_items_and_not_one_more),
        cmocka_unit_test(test_e2e_resend__other_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
