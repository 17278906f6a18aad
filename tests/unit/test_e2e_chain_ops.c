#include "libkith/e2ee/sender_chain.h"
#include "tests/unit/op_drive.h"

/* Sender chains through the operations that the WebAssembly module has: states go in, and the next ones come out. */

#define NOW_MS 1767225600000ull

static const uint8_t group[E2E_GROUP_ID_BYTES] = {1}, account[E2E_ACCOUNT_ID_BYTES] = {2}, hash[E2E_HASH_BYTES] = {3};

static void u64_arg(struct drive *drive, uint64_t number)
{
    e2e_tlv_put_u64(&drive->writer, ++drive->tag, number);
}

static void buf_arg(struct drive *drive, const struct kith_buf *buf)
{
    drive_arg(drive, kith_buf_peek(buf).ptr, kith_buf_len(buf));
}

/* The answer, moved out; kith_buf_deinit() it. */
static struct kith_buf answered(struct drive *drive, const char *name)
{
    struct kith_buf out;

    assert_int_equal(drive_call(drive, name), KITH_OK);
    out = drive->out;
    kith_buf_init(&drive->out, 0);
    drive_end(drive);
    return out;
}

/* Of `count state result` the state, in place of `*state`; the result stays. */
static void take_state(struct kith_buf *answer, struct kith_buf *state)
{
    struct kith_slice in = kith_buf_peek(answer), bytes = {0};
    uint32_t count = 0;

    assert_int_equal(kith_eat_u32_be(&in, &count), KITH_OK);
    assert_int_equal(kith_eat_bytes(&in, count, &bytes), KITH_OK);
    kith_buf_deinit(state);
    kith_buf_init(state, E2E_CHAIN_BYTES_MAX);
    assert_int_equal(kith_buf_append(state, bytes), KITH_OK);
    kith_buf_consume(answer, 4 + count);
}

static void owner_args(struct drive *drive, uint32_t device_id)
{
    drive_begin(drive);
    drive_arg(drive, group, sizeof group);
    drive_arg(drive, account, sizeof account);
    drive_number_arg(drive, device_id);
}

static struct kith_buf chain_new(void)
{
    struct drive drive;

    owner_args(&drive, 7);
    u64_arg(&drive, NOW_MS);
    return answered(&drive, "chain_new");
}

static struct kith_buf chain_give(const struct kith_buf *state)
{
    struct drive drive;

    drive_begin(&drive);
    buf_arg(&drive, state);
    u64_arg(&drive, 5);
    drive_arg(&drive, hash, sizeof hash);
    return answered(&drive, "chain_give");
}

static struct kith_buf encrypt(struct kith_buf *state, const char *text)
{
    struct kith_buf answer;
    struct drive drive;

    drive_begin(&drive);
    buf_arg(&drive, state);
    u64_arg(&drive, 5);
    drive_arg(&drive, hash, sizeof hash);
    drive_arg(&drive, text, strlen(text));
    answer = answered(&drive, "chain_encrypt");
    take_state(&answer, state);
    return answer;
}

static struct kith_buf receiver_new(const struct kith_buf *given)
{
    struct drive drive;

    owner_args(&drive, 7);
    buf_arg(&drive, given);
    return answered(&drive, "receiver_new");
}

static kith_err decrypt(struct kith_buf *state, const struct kith_buf *message, const char *text)
{
    struct drive drive;
    kith_err err;

    drive_begin(&drive);
    buf_arg(&drive, state);
    buf_arg(&drive, message);
    u64_arg(&drive, NOW_MS);
    err = drive_call(&drive, "receiver_decrypt");
    if (err == KITH_OK) {
        take_state(&drive.out, state);
        assert_true(kith_slice_is(kith_buf_peek(&drive.out), text));
    } else {
        assert_int_equal(kith_buf_len(&drive.out), 0);
    }
    drive_end(&drive);
    return err;
}

static kith_err same(const struct kith_buf *state, const struct kith_buf *given)
{
    struct drive drive;
    kith_err err;

    drive_begin(&drive);
    buf_arg(&drive, state);
    buf_arg(&drive, given);
    err = drive_call(&drive, "receiver_same");
    drive_end(&drive);
    return err;
}

static void check_encode(const char *name, const struct kith_buf *state)
{
    struct kith_buf again;
    struct drive drive;

    drive_begin(&drive);
    buf_arg(&drive, state);
    again = answered(&drive, name);
    assert_true(kith_slice_eq(kith_buf_peek(&again), kith_buf_peek(state)));
    kith_buf_deinit(&again);
}

static void test_e2e_chain_ops__a_chain_goes_from_state_to_state(void **state)
{
    struct kith_buf sender = chain_new(), given = chain_give(&sender), receiver = receiver_new(&given), lost, message;

    (void)state;
    check_encode("sender_encode", &sender);
    check_encode("receiver_encode", &receiver);
    lost = encrypt(&sender, "lost");
    message = encrypt(&sender, "hello");
    assert_int_equal(decrypt(&receiver, &message, "hello"), KITH_OK);
    assert_int_equal(decrypt(&receiver, &message, "hello"), KITH_E_CONFLICT);
    check_encode("receiver_encode", &receiver);
    assert_int_equal(decrypt(&receiver, &lost, "lost"), KITH_OK);
    message.ptr[message.tail - 1] ^= 1;
    assert_int_equal(decrypt(&receiver, &message, "hello"), KITH_E_DENIED);
    assert_int_equal(same(&receiver, &given), KITH_OK);
    kith_buf_deinit(&given);
    given = chain_give(&sender);
    assert_int_equal(same(&receiver, &given), KITH_OK);
    given.ptr[given.tail - 1] ^= 1; /* of another head */
    assert_int_equal(same(&receiver, &given), KITH_OK);
    given.ptr[14 + 10 + 6] ^= 1; /* with another chain key */
    assert_int_equal(same(&receiver, &given), KITH_OK);
    given.ptr[14 + 10 + 38 + 6] ^= 1; /* with another signing key */
    assert_int_equal(same(&receiver, &given), KITH_E_CONFLICT);
    kith_buf_deinit(&sender);
    kith_buf_deinit(&given);
    kith_buf_deinit(&receiver);
    kith_buf_deinit(&lost);
    kith_buf_deinit(&message);
}

/* The coins of chain_new come in their order: the id, the key, the seed. */
static void test_e2e_chain_ops__a_chain_draws_its_coins_in_their_order(void **state)
{
    struct kith_buf sender = chain_new();
    static const size_t at[] = {4, 6, 7}, lengths[] = {8, 32, 32};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct e2e_tlv_reader reader = e2e_tlv_reader_of(kith_buf_peek(&sender));
        struct kith_slice value = {0};
        uint16_t tag = 0;
        while (tag != at[i]) assert_int_equal(e2e_tlv_next(&reader, &tag, &value), KITH_OK);
        assert_int_equal(value.len, lengths[i]);
        for (size_t k = 0; k < value.len; k++) assert_int_equal(value.ptr[k], k);
    }
    kith_buf_deinit(&sender);
}

static void test_e2e_chain_ops__an_argument_of_a_wrong_length_is_malformed(void **state)
{
    static const struct {
        const char *op;
        size_t count, lengths[4];
    } rows[] = {
        {"chain_new", 4, {15, 16, 4, 8}},      {"chain_new", 4, {16, 15, 4, 8}},
        {"chain_new", 4, {16, 16, 3, 8}},      {"chain_new", 4, {16, 16, 4, 7}}, /* and device 0 */
        {"chain_new", 4, {16, 16, 4, 8}},      {"receiver_new", 4, {16, 16, 4, 0}},
        {"chain_encrypt", 4, {0, 8, 32, 1}},   {"chain_encrypt", 4, {169, 7, 32, 1}},
        {"chain_encrypt", 4, {169, 8, 31, 1}}, {"chain_give", 3, {0, 8, 32}},
        {"chain_give", 3, {169, 8, 33}},       {"sender_encode", 1, {5}},
        {"receiver_encode", 1, {5}},           {"receiver_same", 2, {5, 5}},
        {"receiver_decrypt", 3, {5, 300, 7}},  {"receiver_decrypt", 3, {5, 300, 8}},
    };
    static const uint8_t zeros[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct drive drive;
        drive_begin(&drive);
        for (size_t k = 0; k < rows[i].count; k++) drive_arg(&drive, zeros, rows[i].lengths[k]);
        assert_int_equal(drive_call(&drive, rows[i].op), KITH_E_MALFORMED);
        assert_int_equal(kith_buf_len(&drive.out), 0);
        drive_end(&drive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_chain_ops__a_chain_goes_from_state_to_state),
        cmocka_unit_test(test_e2e_chain_ops__a_chain_draws_its_coins_in_their_order),
        cmocka_unit_test(test_e2e_chain_ops__an_argument_of_a_wrong_length_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
