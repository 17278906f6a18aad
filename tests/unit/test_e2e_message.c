#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/message.h"
#include "tests/e2e_world.h"

/* The form of a message: what is refused before any key is asked. */

/* `in` with another value of field `tag`; {NULL, 0}: without it. */
static struct kith_buf replaced(struct kith_slice in, uint16_t tag, struct kith_slice value)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct e2e_tlv_writer writer;
    struct kith_slice old = {0};
    struct kith_buf out;
    bool is_put = value.ptr == NULL;
    uint16_t at = 0;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    writer = e2e_tlv_writer_of(&out);
    while (e2e_tlv_next(&reader, &at, &old) == KITH_OK) {
        if (at >= tag && !is_put) {
            e2e_tlv_put(&writer, tag, value);
            is_put = true;
        }
        if (at != tag) e2e_tlv_put(&writer, at, old);
    }
    if (!is_put) e2e_tlv_put(&writer, tag, value);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    return out;
}

static struct kith_slice field_of(struct kith_slice in, uint16_t tag)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct kith_slice value = {0};
    uint16_t at = 0;

    while (e2e_tlv_next(&reader, &at, &value) == KITH_OK)
        if (at == tag) return value;
    return (struct kith_slice){0};
}

/* What message_setup() says of the message with another value of a field of its set-up. */
static kith_err setup_with(const struct kith_buf *message, uint16_t tag, struct kith_slice value)
{
    struct kith_buf setup = replaced(field_of(kith_buf_peek(message), 2), tag, value),
                    whole = replaced(kith_buf_peek(message), 2, kith_buf_peek(&setup));
    struct e2e_setup out, before;
    kith_err err;

    memset(&out, 0x5a, sizeof out);
    before = out;
    err = e2e_message_setup(kith_buf_peek(&whole), &out);
    if (err != KITH_OK) assert_memory_equal(&out, &before, sizeof out);
    kith_buf_deinit(&setup);
    kith_buf_deinit(&whole);
    return err;
}

static void test_e2e_message__a_set_up_says_all_that_it_must(void **state)
{
    struct world *world = world_new(1, true);
    struct kith_buf message = world_message(&world->a, world->at_a, "hello");
    const struct kith_slice zero_4 = kith_slice_of("\0\0\0\0", 4), zero_8 = kith_slice_of("\0\0\0\0\0\0\0\0", 8);

    (void)state;
    for (uint16_t tag = 1; tag <= 12; tag++)
        assert_int_equal(setup_with(&message, tag, (struct kith_slice){0}), tag == 8 ? KITH_OK : KITH_E_MALFORMED);
    for (uint16_t tag = 2; tag <= 9; tag++) {
        if (tag == 4 || tag == 6) continue; /* hashes */
        assert_int_equal(setup_with(&message, tag, tag == 3 || tag == 5 ? zero_8 : zero_4), KITH_E_MALFORMED);
    }
    assert_int_equal(setup_with(&message, 10, kith_slice_of("\0", 1)), KITH_OK);
    assert_int_equal(setup_with(&message, 10, kith_slice_of("\1", 1)), KITH_OK);
    assert_int_equal(setup_with(&message, 10, kith_slice_of("\2", 1)), KITH_E_MALFORMED);
    assert_int_equal(setup_with(&message, 13, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(setup_with(&message, 0x8000, kith_slice_of("x", 1)), KITH_OK);
    kith_buf_deinit(&message);
    world_free(world);
}

/* What B makes of the message with another value of a field. */
static kith_err take_with(struct world *world, const struct kith_buf *message, uint16_t tag, struct kith_slice value)
{
    struct kith_buf changed = replaced(kith_buf_peek(message), tag, value), before = world_state(world->at_b);
    kith_err err = world_take(&world->b, world->at_b, &changed, "hello");

    if (err != KITH_OK) world_check_state(world->at_b, &before);
    kith_buf_deinit(&changed);
    kith_buf_wipe(&before);
    return err;
}

static kith_err take_with_header(struct world *world, const struct kith_buf *message, uint16_t tag,
                                 struct kith_slice value)
{
    struct kith_buf header = replaced(field_of(kith_buf_peek(message), 3), tag, value);
    kith_err err = take_with(world, message, 3, kith_buf_peek(&header));

    kith_buf_deinit(&header);
    return err;
}

static void test_e2e_message__every_field_is_there_and_of_its_length(void **state)
{
    struct world *world = world_new_answered(2);
    struct kith_buf message = world_message(&world->a, world->at_a, "hello");

    (void)state;
    for (uint16_t tag = 1; tag <= 6; tag++) {
        if (tag == 2) continue;
        assert_int_equal(take_with(world, &message, tag, (struct kith_slice){0}), KITH_E_MALFORMED);
        assert_int_equal(take_with(world, &message, tag, kith_slice_of("short", 5)), KITH_E_MALFORMED);
    }
    for (uint16_t tag = 1; tag <= 4; tag++)
        assert_int_equal(take_with_header(world, &message, tag, (struct kith_slice){0}), KITH_E_MALFORMED);
    assert_int_equal(take_with(world, &message, 2, kith_slice_of("", 0)), KITH_E_MALFORMED);
    assert_int_equal(take_with(world, &message, 2, kith_slice_of("no set-up", 9)), KITH_E_MALFORMED);
    assert_int_equal(take_with(world, &message, 7, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(world_take(&world->b, world->at_b, &message, "hello"), KITH_OK);
    kith_buf_deinit(&message);
    world_free(world);
}

static void test_e2e_message__what_is_stepped_over_in_the_header_is_authenticated_all_the_same(void **state)
{
    struct world *world = world_new_answered(3);
    struct kith_buf message = world_message(&world->a, world->at_a, "hello");

    (void)state;
    for (uint16_t tag = 5; tag <= 8; tag++) /* kept for the PQ ratchet: nobody sends them yet */
        assert_int_equal(take_with_header(world, &message, tag, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(take_with_header(world, &message, 0x8000, kith_slice_of("x", 1)), KITH_E_DENIED);
    /* Beside the header it says nothing to anybody. */
    assert_int_equal(take_with(world, &message, 0x8000, kith_slice_of("x", 1)), KITH_OK);
    assert_int_equal(world_take(&world->b, world->at_b, &message, "hello"), KITH_E_CONFLICT);
    kith_buf_deinit(&message);
    world_free(world);
}

/* The session is found by EK: one that says another is refused, although T and the keys are right. */
static void test_e2e_message__the_set_up_of_a_known_session_has_its_ephemeral_key(void **state)
{
    struct world *world = world_new(5, true);
    struct kith_buf message = world_message(&world->a, world->at_a, "hello"), setup;
    const struct kith_slice other = kith_slice_of(world->a.list.devices[0].ddh_pub, E2E_DH_BYTES);

    (void)state;
    setup = replaced(field_of(kith_buf_peek(&message), 2), 11, other);
    assert_int_equal(take_with(world, &message, 2, kith_buf_peek(&setup)), KITH_E_DENIED);
    assert_int_equal(world_take(&world->b, world->at_b, &message, "hello"), KITH_OK);
    kith_buf_deinit(&message);
    kith_buf_deinit(&setup);
    world_free(world);
}

static void test_e2e_message__its_parts_have_their_most_bytes(void **state)
{
    struct world *world = world_new_answered(4);
    struct kith_buf message = world_message(&world->a, world->at_a, "hello"), long_part;
    static const uint8_t zeros[E2E_SEALED_BYTES_MAX + 1];
    const size_t header_room = E2E_HEADER_BYTES_MAX - field_of(kith_buf_peek(&message), 3).len - E2E_TLV_HEAD_BYTES;

    (void)state;
    /* At the most a part is looked at, one byte past it is not. */
    assert_int_equal(take_with(world, &message, 6, kith_slice_of(zeros, E2E_SEALED_BYTES_MAX)), KITH_E_DENIED);
    assert_int_equal(take_with(world, &message, 6, kith_slice_of(zeros, E2E_SEALED_BYTES_MAX + 1)), KITH_E_MALFORMED);
    assert_int_equal(take_with_header(world, &message, 0x8000, kith_slice_of(zeros, header_room)), KITH_E_DENIED);
    assert_int_equal(take_with_header(world, &message, 0x8000, kith_slice_of(zeros, header_room + 1)),
                     KITH_E_MALFORMED);
    kith_buf_deinit(&message);
    e2e_session_free(world->at_a);
    world->at_a = world_begin(&world->a, &world->b, true);
    message = world_message(&world->a, world->at_a, "hello");
    for (size_t extra = 0; extra < 2; extra++) {
        const struct kith_slice setup = field_of(kith_buf_peek(&message), 2);
        const size_t room = E2E_MESSAGE_SETUP_BYTES_MAX - setup.len - E2E_TLV_HEAD_BYTES + extra;
        long_part = replaced(setup, 0x8000, kith_slice_of(zeros, room));
        assert_int_equal(take_with(world, &message, 2, kith_buf_peek(&long_part)),
                         extra == 0 ? KITH_E_DENIED : KITH_E_MALFORMED);
        kith_buf_deinit(&long_part);
    }
    kith_buf_deinit(&message);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_message__a_set_up_says_all_that_it_must),
        cmocka_unit_test(test_e2e_message__every_field_is_there_and_of_its_length),
        cmocka_unit_test(test_e2e_message__what_is_stepped_over_in_the_header_is_authenticated_all_the_same),
        cmocka_unit_test(test_e2e_message__the_set_up_of_a_known_session_has_its_ephemeral_key),
        cmocka_unit_test(test_e2e_message__its_parts_have_their_most_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
