#include "account/device_list.h"

#include "keys_fixture.h"

/* What a signed list is held to before the directory takes it. */

static struct kith_uuid id_of(uint8_t n)
{
    return (struct kith_uuid){.raw = {n, 1, 2, 3}};
}

static const struct kith_uuid devices[E2E_DEVICES_MAX] = {
    {.raw = {100, 1, 2, 3}}, {.raw = {101, 1, 2, 3}}, {.raw = {102, 1, 2, 3}}};
static const struct account_identity ann = {.user = {{.raw = {7, 1, 2, 3}}}, .device = {{.raw = {100, 1, 2, 3}}}};

static struct made_list list_of(uint64_t seq, const uint8_t *prev_hash, uint32_t device_count, uint32_t accept_count)
{
    return (struct made_list){.account = id_of(7),
                              .seq = seq,
                              .prev_hash = prev_hash,
                              .devices = devices,
                              .device_count = device_count,
                              .accept_count = accept_count};
}

static struct kith_buf made(const struct made_list *list, uint8_t hash[32])
{
    struct kith_buf bytes;

    kith_buf_init(&bytes, 2 * KITH_SIGNED_LIST_BYTES_MAX);
    made_list_put(&bytes, list, hash);
    return bytes;
}

/* ------------------------------------------------------------------------------------------------ by itself */

static enum kith_code verify(const struct made_list *list, const struct account_identity *who)
{
    struct kith_buf bytes = made(list, NULL);
    struct e2e_device_list out;
    enum kith_code code = account_list_verify(kith_buf_peek(&bytes), who, &out);

    kith_buf_deinit(&bytes);
    return code;
}

static void test_account_device_list__a_device_brings_a_list_of_its_own_account_with_itself_in_it(void **state)
{
    struct made_list list = list_of(1, NULL, 2, 1);
    struct account_identity second = ann, third = ann, bob = ann;

    (void)state;
    second.device.id = id_of(101);
    third.device.id = id_of(102);
    bob.user.id = id_of(8);
    assert_int_equal(verify(&list, &ann), CODE_OK);
    assert_int_equal(verify(&list, &second), CODE_OK); /* no manager: the list key has signed, whoever brings it */
    assert_int_equal(verify(&list, &third), CODE_FORBIDDEN);
    assert_int_equal(verify(&list, &bob), CODE_BAD_REQUEST);
}

static void test_account_device_list__no_bit_of_it_may_be_another(void **state)
{
    struct made_list list = list_of(1, NULL, 2, 2);
    struct kith_buf bytes = made(&list, NULL);
    struct e2e_device_list out;
    size_t by_signature = 0;

    (void)state;
    for (size_t bit = 0; bit < 8 * kith_buf_len(&bytes); bit += 3) {
        enum kith_code code;
        bytes.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        code = account_list_verify(kith_buf_peek(&bytes), &ann, &out);
        assert_true(code == CODE_BAD_SIGNATURE || code == CODE_BAD_REQUEST || code == CODE_FORBIDDEN);
        by_signature += code == CODE_BAD_SIGNATURE;
        bytes.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(by_signature > kith_buf_len(&bytes)); /* most of them */
    assert_int_equal(account_list_verify(kith_buf_peek(&bytes), &ann, &out), CODE_OK);
    assert_int_equal(out.device_count, 2);
    for (size_t len = 0; len < kith_buf_len(&bytes); len++) {
        /* Without its acceptances it is a list. */
        bool is_whole = len == kith_buf_len(&bytes) - 6 - 2 * 84;
        assert_int_equal(account_list_verify(kith_slice_of(bytes.ptr, len), &ann, &out),
                         is_whole ? CODE_OK : CODE_BAD_REQUEST);
    }
    kith_buf_deinit(&bytes);
}

static void test_account_device_list__nothing_beside_it_is_unsigned(void **state)
{
    struct made_list list = list_of(1, NULL, 2, 1);
    struct kith_buf bytes = made(&list, NULL);
    struct e2e_device_list out;

    (void)state;
    fake_field_put(&bytes, 0x8000, kith_slice_str(""));
    assert_int_equal(account_list_verify(kith_buf_peek(&bytes), &ann, &out), CODE_BAD_SIGNATURE);
    kith_buf_deinit(&bytes);
    list.list_bytes = 2000; /* what is signed may have a field of a later version */
    assert_int_equal(verify(&list, &ann), CODE_OK);
}

/* ------------------------------------------------------------------------------------------------ after the stored one */

static enum account_list_step step(const struct kith_buf *stored, const struct made_list *list)
{
    struct kith_buf bytes = made(list, NULL);
    struct e2e_device_list next;
    enum account_list_step found;

    assert_int_equal(account_list_verify(kith_buf_peek(&bytes), &ann, &next), CODE_OK);
    found = account_list_step(stored == NULL ? (struct kith_slice){0} : kith_buf_peek(stored), &next);
    kith_buf_deinit(&bytes);
    return found;
}

static void test_account_device_list__the_first_has_the_first_number(void **state)
{
    static const uint8_t hash[32] = {1};
    struct made_list list = list_of(1, NULL, 1, 0), second = list_of(2, hash, 1, 0);

    (void)state;
    assert_int_equal(step(NULL, &list), ACCOUNT_LIST_NEXT);
    assert_int_equal(step(NULL, &second), ACCOUNT_LIST_WRONG);
}

static void test_account_device_list__follows_the_stored_one_under_the_same_root_key(void **state)
{
    uint8_t hash[32], third[32] = {3};
    struct made_list stored_list = list_of(2, third, 2, 1), next;
    struct kith_buf stored = made(&stored_list, hash);

    (void)state;
    assert_int_equal(step(&stored, &stored_list), ACCOUNT_LIST_SAME);
    next = list_of(3, hash, 2, 1);
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_NEXT);
    next.root = 1;
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG); /* signed in all its parts, by somebody else */
    next = list_of(3, third, 2, 1);
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG); /* follows another */
    next = list_of(4, hash, 2, 1);
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG); /* one is missing */
    next = list_of(1, NULL, 2, 1);
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG); /* an old one again */
    next = stored_list;
    next.fill = 1;
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG); /* a fork */
    next = list_of(3, hash, 1, 1);
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG); /* a device is neither listed nor removed */
    kith_buf_deinit(&stored);
}

static void test_account_device_list__a_removed_device_does_not_come_back(void **state)
{
    static const uint32_t second[] = {2};
    uint8_t hash[32];
    struct made_list stored_list = list_of(1, NULL, 1, 1), next;
    struct kith_buf stored;

    (void)state;
    stored_list.removed = second;
    stored_list.removed_count = 1;
    stored = made(&stored_list, hash);
    next = list_of(2, hash, 2, 1);
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG);
    next = list_of(2, hash, 1, 1);
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG); /* and is not forgotten */
    next.removed = second;
    next.removed_count = 1;
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_NEXT);
    kith_buf_deinit(&stored);
}

static void test_account_device_list__another_list_key_has_a_higher_counter(void **state)
{
    uint8_t hash[32];
    struct made_list stored_list = list_of(1, NULL, 2, 2), next;
    struct kith_buf stored;

    (void)state;
    stored_list.aik = 1;
    stored_list.aik_counter = 5;
    stored = made(&stored_list, hash);
    for (uint32_t counter = 4; counter <= 6; counter++) {
        next = list_of(2, hash, 2, 2);
        next.aik = 2;
        next.aik_counter = counter;
        assert_int_equal(step(&stored, &next), counter > 5 ? ACCOUNT_LIST_NEXT : ACCOUNT_LIST_WRONG);
        next.accept_count = 1; /* an acceptance is of its list key: the others come again */
        assert_int_equal(step(&stored, &next), counter > 5 ? ACCOUNT_LIST_NEXT : ACCOUNT_LIST_WRONG);
        next.aik = 1;
        next.accept_count = 2;
        assert_int_equal(step(&stored, &next), counter >= 5 ? ACCOUNT_LIST_NEXT : ACCOUNT_LIST_WRONG);
    }
    kith_buf_deinit(&stored);
}

static void test_account_device_list__keeps_the_acceptances_of_whom_it_lists(void **state)
{
    static const uint32_t second[] = {2};
    static const struct {
        uint32_t devices, accepts;
        bool keeps;
    } cases[] = {{3, 2, true}, {3, 3, true}, {3, 1, false}, {3, 0, false}, {2, 2, true}, {2, 1, false}};
    uint8_t hash[32];
    struct made_list stored_list = list_of(1, NULL, 2, 2), next;
    struct kith_buf stored = made(&stored_list, hash);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        next = list_of(2, hash, cases[i].devices, cases[i].accepts);
        assert_int_equal(step(&stored, &next), cases[i].keeps ? ACCOUNT_LIST_NEXT : ACCOUNT_LIST_WRONG);
    }
    for (uint32_t accepts = 0; accepts <= 2; accepts++) { /* the same list */
        next = list_of(1, NULL, 2, accepts);
        assert_int_equal(step(&stored, &next), accepts == 2 ? ACCOUNT_LIST_SAME : ACCOUNT_LIST_WRONG);
    }
    next = list_of(2, hash, 1, 1); /* who is removed takes it along */
    next.removed = second;
    next.removed_count = 1;
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_NEXT);
    kith_buf_deinit(&stored);
}

static void test_account_device_list__follows_nothing_that_is_no_list(void **state)
{
    struct made_list next = list_of(1, NULL, 1, 1);
    struct kith_buf stored;

    (void)state;
    kith_buf_init(&stored, 100);
    assert_int_equal(kith_buf_append_u8(&stored, 0), KITH_OK);
    assert_int_equal(step(&stored, &next), ACCOUNT_LIST_WRONG);
    kith_buf_deinit(&stored);
}

int main(void)
{
#define TEST(name) cmocka_unit_test(test_account_device_list__##name)
    const struct CMUnitTest tests[] = {
        TEST(a_device_brings_a_list_of_its_own_account_with_itself_in_it),
        TEST(no_bit_of_it_may_be_another),
        TEST(nothing_beside_it_is_unsigned),
        TEST(the_first_has_the_first_number),
        TEST(follows_the_stored_one_under_the_same_root_key),
        TEST(a_removed_device_does_not_come_back),
        TEST(another_list_key_has_a_higher_counter),
        TEST(keeps_the_acceptances_of_whom_it_lists),
        TEST(follows_nothing_that_is_no_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
