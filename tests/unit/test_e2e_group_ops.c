#include "e2e_group.h"
#include "libkith/e2ee/group_keys.h"
#include "op_drive.h"

/* The operations on groups of libkith/wasm/ops.h do what the functions behind them do. */
static struct kith_buf given_of(const struct e2e_group_op *op)
{
    struct e2e_tlv_writer writer;
    struct kith_buf out;

    kith_buf_init(&out, E2E_GROUP_OP_BYTES_MAX);
    writer = e2e_tlv_writer_of(&out);
    e2e_tlv_put(&writer, 1, kith_slice_of(op->group_id, sizeof op->group_id));
    e2e_tlv_put_u8(&writer, 4, (uint8_t)op->kind);
    e2e_tlv_put(&writer, 5, kith_slice_of(op->author, sizeof op->author));
    e2e_tlv_put_u32(&writer, 6, op->author_device);
    e2e_tlv_put_u64(&writer, 7, op->list_seq);
    e2e_tlv_put(&writer, 8, kith_slice_of(op->list_hash, sizeof op->list_hash));
    e2e_tlv_put_u64(&writer, 9, op->made_at_ms);
    if (op->kind == E2E_GROUP_ADD) {
        e2e_tlv_put(&writer, 11, kith_slice_of(op->subject, sizeof op->subject));
        e2e_tlv_put_u8(&writer, 12, op->role);
    }
    e2e_tlv_put_optional(&writer, 13, op->founders);
    if (op->suite != 0) e2e_tlv_put_u8(&writer, 14, op->suite);
    e2e_tlv_put_optional(&writer, 15, op->info);
    if (op->settings != 0) e2e_tlv_put_u8(&writer, 16, op->settings);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    return out;
}

/* As op_of() says, by its number's keys. */
static kith_err make(struct drive *drive, struct kith_slice before, const struct e2e_group_op *op)
{
    struct kith_buf given = given_of(op);
    uint8_t seed[E2E_SIGN_SEED_BYTES] = {0};
    kith_err err;

    kith_put_u32_be(seed, author_of(op));
    drive_begin(drive);
    drive_arg(drive, seed, sizeof seed);
    drive_arg(drive, before.ptr, before.len);
    drive_arg(drive, given.ptr, kith_buf_len(&given));
    err = drive_call(drive, "group_make");
    kith_buf_deinit(&given);
    return err;
}

static kith_err apply(struct drive *drive, struct kith_slice before, struct kith_slice signed_op, uint32_t author)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];

    person_keys(author, secret, public);
    drive_begin(drive);
    drive_arg(drive, before.ptr, before.len);
    drive_arg(drive, signed_op.ptr, signed_op.len);
    drive_arg(drive, public, sizeof public);
    return drive_call(drive, "group_apply");
}

static void test_e2e_group_ops__what_is_made_is_applied(void **state)
{
    struct e2e_group_op ops[] = {op_create(1, 3, 1), op_of(E2E_GROUP_ADD, 1, 9, E2E_ROLE_ADMIN),
                                 op_of(E2E_GROUP_LEAVE, 2, 0, 0), op_of(E2E_GROUP_INFO, 9, 0, 0),
                                 op_of(E2E_GROUP_SETTINGS, 9, 0, 0)};
    struct kith_slice before = {0}, after, signed_op, answer;
    struct drive drives[5], read;
    struct e2e_group *group = NULL;

    (void)state;
    ops[0].info = kith_slice_str(INFO_ONE);
    ops[3].info = kith_slice_str(INFO_TWO);
    ops[4].settings = E2E_GROUP_HISTORY_OPEN;
    for (int i = 0; i < 5; i++) {
        uint32_t len = 0;
        assert_int_equal(make(&drives[i], before, &ops[i]), KITH_OK);
        answer = kith_buf_peek(&drives[i].out);
        assert_int_equal(kith_eat_u32_be(&answer, &len), KITH_OK);
        assert_int_equal(kith_eat_bytes(&answer, len, &after), KITH_OK);
        signed_op = answer;

        assert_int_equal(apply(&read, before, signed_op, author_of(&ops[i])), KITH_OK);
        answer = kith_buf_peek(&read.out);
        assert_int_equal(answer.ptr[0], E2E_GROUP_STEP_NEXT);
        assert_true(kith_slice_eq(kith_slice_of(answer.ptr + 1, answer.len - 1), after));
        drive_end(&read);
        assert_int_equal(apply(&read, before, signed_op, 50), KITH_E_DENIED); /* another's key */
        drive_end(&read);
        assert_int_equal(apply(&read, after, signed_op, author_of(&ops[i])), KITH_OK);
        assert_true(drive_out_is_hex(&read, "01")); /* SAME, and no group */
        drive_end(&read);
        before = after;
    }
    assert_int_equal(e2e_group_load(before, &group), KITH_OK);
    assert_int_equal(group->seq, 5);
    assert_int_equal(role_in(group, 9), E2E_ROLE_ADMIN);
    assert_int_equal(group->settings, E2E_GROUP_HISTORY_OPEN);
    assert_true(kith_slice_is(kith_slice_of(group->info, group->info_len), INFO_TWO));
    assert_int_equal(make(&read, before, &ops[2]), KITH_E_DENIED); /* has left */
    assert_int_equal(kith_buf_len(&read.out), 0);
    drive_end(&read);
    e2e_group_free(group);
    for (int i = 0; i < 5; i++) drive_end(&drives[i]);
}

static void test_e2e_group_ops__names_and_keys(void **state)
{
    static const uint8_t group_id[E2E_GROUP_ID_BYTES] = {3};
    struct drive seal, open, keys;
    struct kith_slice answer;
    struct kith_buf bytes;
    struct e2e_group_keys given = {.has_info_key = true, .has_chain = true};

    (void)state;
    drive_begin(&seal);
    drive_arg(&seal, group_id, sizeof group_id);
    drive_arg(&seal, "name", 4);
    drive_arg(&seal, "", 0);
    assert_int_equal(drive_call(&seal, "group_info_seal"), KITH_OK);
    answer = kith_buf_peek(&seal.out);
    drive_begin(&open);
    drive_arg(&open, answer.ptr, 8);
    drive_arg(&open, answer.ptr + 8, 32);
    drive_arg(&open, group_id, sizeof group_id);
    drive_arg(&open, answer.ptr + 40, answer.len - 40);
    assert_int_equal(drive_call(&open, "group_info_open"), KITH_OK);
    assert_true(drive_out_is_hex(&open, "0001000000046e616d65"));

    kith_buf_init(&bytes, 1000);
    assert_int_equal(e2e_group_keys_encode(&given, &bytes), KITH_OK);
    drive_begin(&keys);
    drive_arg(&keys, bytes.ptr, kith_buf_len(&bytes));
    assert_int_equal(drive_call(&keys, "group_keys_decode"), KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&keys.out), kith_buf_peek(&bytes)));
    drive_end(&seal);
    drive_end(&open);
    drive_end(&keys);
    kith_buf_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_group_ops__what_is_made_is_applied),
        cmocka_unit_test(test_e2e_group_ops__names_and_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
