#include "wire/device_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "keys_fixture.h"

static struct kith_uuid id_of(uint32_t n)
{
    struct kith_uuid id = {{0}};

    kith_put_u32_be(id.raw, n);
    return id;
}

static const uint8_t some_hash[32] = {1, 2, 3};

static struct kith_buf list_of(uint64_t seq, const uint8_t *prev_hash, uint32_t devices, uint32_t accepts)
{
    static struct kith_uuid ids[DEVICE_LIST_DEVICES_MAX + 1];
    struct fake_list list = {.account = id_of(7),
                             .seq = seq,
                             .prev_hash = prev_hash,
                             .devices = ids,
                             .device_count = devices,
                             .accept_count = accepts,
                             .fill = 9};
    struct kith_buf out;

    for (uint32_t i = 0; i <= DEVICE_LIST_DEVICES_MAX; i++) ids[i] = id_of(100 + i);
    kith_buf_init(&out, 1u << 20);
    fake_list_put(&out, &list, NULL);
    return out;
}

static kith_err decode(struct kith_buf *bytes)
{
    struct device_list list = {.seq = 77};
    kith_err err = device_list_decode(kith_buf_peek(bytes), &list);

    if (err != KITH_OK) assert_int_equal(list.seq, 77); /* untouched */
    kith_buf_deinit(bytes);
    return err;
}

static kith_err decode_list(uint64_t seq, const uint8_t *prev_hash, uint32_t devices, uint32_t accepts)
{
    struct kith_buf bytes = list_of(seq, prev_hash, devices, accepts);

    return decode(&bytes);
}

static void test_device_list__says_whose_it_is_and_what_it_follows(void **state)
{
    struct kith_buf bytes = list_of(5, some_hash, 3, 2);
    struct device_list list;

    (void)state;
    assert_int_equal(device_list_decode(kith_buf_peek(&bytes), &list), KITH_OK);
    assert_true(kith_uuid_eq(list.account.id, id_of(7)));
    assert_int_equal(list.seq, 5);
    assert_true(kith_slice_eq(list.prev_hash, kith_slice_of(some_hash, 32)));
    assert_int_equal(list.device_count, 3);
    assert_int_equal(list.accept_count, 2);
    for (uint32_t i = 0; i < 3; i++) assert_true(kith_uuid_eq(list.devices[i].id, id_of(100 + i)));
    assert_ptr_equal(list.list.ptr, kith_buf_peek(&bytes).ptr + 6);
    kith_buf_deinit(&bytes);
}

static void test_device_list__next_keeps_the_acceptances_of_whom_it_lists(void **state)
{
    static const struct {
        uint32_t devices, accepts;
        bool keeps;
    } next[] = {{3, 2, true}, {3, 3, true}, {3, 1, false}, {3, 0, false}, {1, 1, true}, {1, 0, false}};
    struct kith_buf before = list_of(5, some_hash, 3, 2);

    (void)state;
    for (size_t i = 0; i < sizeof next / sizeof next[0]; i++) {
        struct kith_buf bytes = list_of(6, some_hash, next[i].devices, next[i].accepts);
        struct device_list list;
        assert_int_equal(device_list_decode(kith_buf_peek(&bytes), &list), KITH_OK);
        assert_int_equal(device_list_keeps_accepts(kith_buf_peek(&before), &list), next[i].keeps);
        kith_buf_deinit(&bytes);
    }
    kith_buf_deinit(&before);
}

static void test_device_list__only_the_first_follows_nothing(void **state)
{
    (void)state;
    assert_int_equal(decode_list(1, NULL, 1, 0), KITH_OK);
    assert_int_equal(decode_list(2, some_hash, 1, 0), KITH_OK);
    assert_int_equal(decode_list(INT64_MAX, some_hash, 1, 0), KITH_OK);
    assert_int_equal(decode_list(0, NULL, 1, 0), KITH_E_MALFORMED);
    assert_int_equal(decode_list(0, some_hash, 1, 0), KITH_E_MALFORMED);
    assert_int_equal(decode_list(1, some_hash, 1, 0), KITH_E_MALFORMED);
    assert_int_equal(decode_list(2, NULL, 1, 0), KITH_E_MALFORMED);
    assert_int_equal(decode_list(1ull + INT64_MAX, some_hash, 1, 0), KITH_E_MALFORMED);
}

static void test_device_list__refuses_every_prefix_and_anything_after(void **state)
{
    struct kith_buf bytes = list_of(5, some_hash, 3, 2);
    struct kith_slice whole = kith_buf_peek(&bytes);
    struct device_list list;
    size_t accepted = 0;

    (void)state;
    for (size_t cut = 0; cut < whole.len; cut++)
        if (device_list_decode(kith_slice_of(whole.ptr, cut), &list) == KITH_OK) accepted++;
    assert_int_equal(accepted, 1); /* before the acceptances, which may be missing */
    assert_int_equal(kith_buf_append_u8(&bytes, 0), KITH_OK);
    assert_int_equal(decode(&bytes), KITH_E_MALFORMED);
}

/* What a change of one bit does is the same whoever reads: it never makes a list of another length or order. */
static void test_device_list__one_changed_bit_is_another_list_or_none(void **state)
{
    struct kith_buf bytes = list_of(5, some_hash, 2, 1);
    uint8_t *raw = bytes.ptr + bytes.head;

    (void)state;
    for (size_t bit = 0; bit < kith_buf_len(&bytes) * 8; bit++) {
        struct device_list list;
        raw[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (device_list_decode(kith_buf_peek(&bytes), &list) == KITH_OK) {
            assert_int_equal(list.device_count, 2);
            assert_int_equal(list.prev_hash.len, 32);
        }
        raw[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(decode(&bytes), KITH_OK);
}

static void test_device_list__devices_and_acceptances_at_the_limit_and_one_past_it(void **state)
{
    (void)state;
    assert_int_equal(decode_list(1, NULL, DEVICE_LIST_DEVICES_MAX, DEVICE_LIST_DEVICES_MAX), KITH_OK);
    assert_int_equal(decode_list(1, NULL, DEVICE_LIST_DEVICES_MAX + 1, 0), KITH_E_MALFORMED);
    assert_int_equal(decode_list(1, NULL, 1, DEVICE_LIST_DEVICES_MAX + 1), KITH_E_MALFORMED);
    assert_int_equal(decode_list(1, NULL, 0, 0), KITH_E_MALFORMED);
}

static void test_device_list__refuses_a_device_that_is_there_twice(void **state)
{
    struct kith_uuid twice[] = {id_of(1), id_of(1)};
    struct fake_list list = {.account = id_of(7), .seq = 1, .devices = twice, .device_count = 2};
    struct kith_buf bytes;

    (void)state;
    kith_buf_init(&bytes, 1u << 20);
    fake_list_put(&bytes, &list, NULL);
    assert_int_equal(decode(&bytes), KITH_E_MALFORMED);
}

/* A later version's field is stepped over or fatal, as its number says; there and empty is for the skipped only. */
static void test_device_list__unknown_fields_are_skipped_from_0x8000_on(void **state)
{
    static const struct {
        uint16_t tag;
        kith_err err;
    } cases[] = {{4, KITH_E_UNSUPPORTED},
                 {0x7fff, KITH_E_UNSUPPORTED},
                 {0x8000, KITH_OK},
                 {0xffff, KITH_OK},
                 {3, KITH_E_MALFORMED}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kith_buf bytes = list_of(1, NULL, 1, 1);
        fake_field_put(&bytes, cases[i].tag, kith_slice_str(""));
        assert_int_equal(decode(&bytes), cases[i].err);
    }
    struct kith_buf bytes = list_of(1, NULL, 1, 0);
    fake_field_put(&bytes, 3, kith_slice_str("")); /* no acceptances: the field is missing, not empty */
    assert_int_equal(decode(&bytes), KITH_E_MALFORMED);
}

static void test_device_list__its_size_at_the_limit_and_one_past_it(void **state)
{
    static const uint8_t zeros[KITH_SIGNED_LIST_BYTES_MAX];

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct kith_buf bytes = list_of(1, NULL, 1, 0);
        size_t room = KITH_SIGNED_LIST_BYTES_MAX - kith_buf_len(&bytes) - 6;
        fake_field_put(&bytes, 0x8000, kith_slice_of(zeros, room + over));
        assert_int_equal(decode(&bytes), over == 0 ? KITH_OK : KITH_E_TOOBIG);
    }
    for (size_t over = 0; over < 2; over++) { /* what is signed has a limit of its own */
        struct kith_uuid device = id_of(1);
        struct fake_list list = {.account = id_of(7),
                                 .seq = 1,
                                 .devices = &device,
                                 .device_count = 1,
                                 .list_bytes = KITH_DEVICE_LIST_BYTES_MAX + over};
        struct kith_buf bytes;
        kith_buf_init(&bytes, 1u << 20);
        fake_list_put(&bytes, &list, NULL);
        assert_int_equal(decode(&bytes), over == 0 ? KITH_OK : KITH_E_MALFORMED);
    }
}

/* ------------------------------------------------------------------------------------------------ prekeys */

static kith_err prekey_of(uint32_t id, size_t public_bytes, uint16_t tag, size_t more, struct prekey *out)
{
    static const uint8_t zeros[KITH_PREKEY_BYTES_MAX];
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, 2 * KITH_PREKEY_BYTES_MAX);
    fake_prekey_put(&bytes, id, public_bytes, 3);
    if (tag != 0) fake_field_put(&bytes, tag, kith_slice_of(zeros, more));
    err = prekey_decode(kith_buf_peek(&bytes), out);
    kith_buf_deinit(&bytes);
    return err;
}

static void test_prekey__says_id_and_key(void **state)
{
    struct prekey prekey = {0};

    (void)state;
    assert_int_equal(prekey_of(7, PREKEY_X25519_BYTES, 0, 0, &prekey), KITH_OK);
    assert_int_equal(prekey.id, 7);
    assert_int_equal(prekey.public_key.len, PREKEY_X25519_BYTES);
    assert_int_equal(prekey.expires_ms, 1000);
    assert_int_equal(prekey_of(UINT32_MAX, PREKEY_MLKEM_BYTES, 0, 0, &prekey), KITH_OK);
    assert_int_equal(prekey.id, UINT32_MAX);
    assert_int_equal(prekey.public_key.len, PREKEY_MLKEM_BYTES);
    assert_int_equal(prekey_of(0, PREKEY_X25519_BYTES, 0, 0, &prekey), KITH_E_MALFORMED);
    assert_int_equal(prekey_of(7, PREKEY_X25519_BYTES - 1, 0, 0, &prekey), KITH_E_MALFORMED);
    assert_int_equal(prekey_of(7, PREKEY_X25519_BYTES + 1, 0, 0, &prekey), KITH_E_MALFORMED);
    assert_int_equal(prekey_of(7, PREKEY_MLKEM_BYTES - 1, 0, 0, &prekey), KITH_E_MALFORMED);
    assert_int_equal(prekey_of(7, PREKEY_X25519_BYTES, 5, 1, &prekey), KITH_E_UNSUPPORTED);
}

static void test_prekey__its_size_at_the_limit_and_one_past_it(void **state)
{
    size_t known = 4 * 6 + 4 + PREKEY_MLKEM_BYTES + 8 + 64 + 6;
    struct prekey prekey = {0};

    (void)state;
    assert_int_equal(prekey_of(7, PREKEY_MLKEM_BYTES, 0x8000, KITH_PREKEY_BYTES_MAX - known, &prekey), KITH_OK);
    assert_int_equal(prekey_of(7, PREKEY_MLKEM_BYTES, 0x8000, KITH_PREKEY_BYTES_MAX - known + 1, &prekey),
                     KITH_E_TOOBIG);
}

static void test_prekey__refuses_every_prefix(void **state)
{
    struct kith_buf bytes;
    struct prekey prekey;

    (void)state;
    kith_buf_init(&bytes, KITH_PREKEY_BYTES_MAX);
    fake_prekey_put(&bytes, 7, PREKEY_MLKEM_BYTES, 3);
    for (size_t cut = 0; cut < kith_buf_len(&bytes); cut++)
        assert_int_equal(prekey_decode(kith_slice_of(kith_buf_peek(&bytes).ptr, cut), &prekey), KITH_E_MALFORMED);
    kith_buf_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_list__says_whose_it_is_and_what_it_follows),
        cmocka_unit_test(test_device_list__next_keeps_the_acceptances_of_whom_it_lists),
        cmocka_unit_test(test_device_list__only_the_first_follows_nothing),
        cmocka_unit_test(test_device_list__refuses_every_prefix_and_anything_after),
        cmocka_unit_test(test_device_list__one_changed_bit_is_another_list_or_none),
        cmocka_unit_test(test_device_list__devices_and_acceptances_at_the_limit_and_one_past_it),
        cmocka_unit_test(test_device_list__refuses_a_device_that_is_there_twice),
        cmocka_unit_test(test_device_list__unknown_fields_are_skipped_from_0x8000_on),
        cmocka_unit_test(test_device_list__its_size_at_the_limit_and_one_past_it),
        cmocka_unit_test(test_prekey__says_id_and_key),
        cmocka_unit_test(test_prekey__its_size_at_the_limit_and_one_past_it),
        cmocka_unit_test(test_prekey__refuses_every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
