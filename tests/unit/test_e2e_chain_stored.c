#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/chain_world.h"

/* Sender chains as they are kept and given: what is written is what is read, and what no chain can be is not. */

static const struct kith_slice none = {0};

/* Of a receiving chain, a sending one, or a given one: decoded, and written again as it was. */
typedef kith_err reader(struct kith_slice in);

static kith_err read_receiver(struct kith_slice in)
{
    struct e2e_receiver_chain *chain = (struct e2e_receiver_chain *)&in;
    kith_err err = e2e_receiver_chain_decode(in, &chain);

    assert_true((chain == NULL) == (err != KITH_OK));
    if (err == KITH_OK) {
        struct kith_buf again = chains_state(chain);
        assert_true(kith_slice_eq(kith_buf_peek(&again), in));
        kith_buf_wipe(&again);
    }
    e2e_receiver_chain_free(chain);
    return err;
}

static kith_err read_sender(struct kith_slice in)
{
    struct e2e_sender_chain *chain = (struct e2e_sender_chain *)&in;
    kith_err err = e2e_sender_chain_decode(in, &chain);

    assert_true((chain == NULL) == (err != KITH_OK));
    if (err == KITH_OK) {
        struct kith_buf again = chains_sender_state(chain);
        assert_true(kith_slice_eq(kith_buf_peek(&again), in));
        kith_buf_wipe(&again);
    }
    e2e_sender_chain_free(chain);
    return err;
}

static kith_err read_given(struct kith_slice in)
{
    struct e2e_chain_given given;
    kith_err err = e2e_chain_given_decode(in, &given);

    if (err == KITH_OK) {
        struct kith_buf again;
        kith_buf_init(&again, E2E_CHAIN_GIVEN_BYTES_MAX);
        assert_int_equal(e2e_chain_given_encode(&given, &again), KITH_OK);
        assert_true(kith_slice_eq(kith_buf_peek(&again), in));
        kith_buf_wipe(&again);
    }
    return err;
}

static kith_err read_with(reader *read, const struct kith_buf *bytes, uint16_t tag, struct kith_slice value)
{
    struct kith_buf changed = chains_replaced(kith_buf_peek(bytes), tag, value);
    kith_err err = read(kith_buf_peek(&changed));

    kith_buf_wipe(&changed);
    return err;
}

/* Fields 1 to `last` must all be there, of their length; no other may be; no prefix is one. */
static void check_form(reader *read, const struct kith_buf *bytes, uint16_t last)
{
    assert_int_equal(read(kith_buf_peek(bytes)), KITH_OK);
    for (uint16_t tag = 1; tag <= last; tag++) {
        assert_int_equal(read_with(read, bytes, tag, none), KITH_E_MALFORMED);
        assert_int_equal(read_with(read, bytes, tag, kith_slice_of("short", 5)), KITH_E_MALFORMED);
        assert_int_equal(read_with(read, bytes, tag, kith_slice_of("", 0)), KITH_E_MALFORMED);
    }
    assert_int_equal(read_with(read, bytes, 10, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    for (size_t len = 0; len < kith_buf_len(bytes); len++)
        assert_int_equal(read(kith_slice_of(bytes->ptr, len)), KITH_E_MALFORMED);
}

static void test_e2e_chain_stored__a_sending_chain_goes_on_where_it_was(void **state)
{
    struct chains *chains = chains_new(1);
    struct kith_buf bytes = chains_sender_state(chains->sender), message;

    (void)state;
    check_form(read_sender, &bytes, 8);
    assert_int_equal(read_with(read_sender, &bytes, 3, kith_slice_of("\0\0\0\0", 4)), KITH_E_MALFORMED);
    assert_int_equal(read_with(read_sender, &bytes, 9, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    for (int i = 0; i < 3; i++) {
        kith_buf_wipe(&bytes);
        bytes = chains_sender_state(chains->sender);
        e2e_sender_chain_free(chains->sender);
        assert_int_equal(e2e_sender_chain_decode(kith_buf_peek(&bytes), &chains->sender), KITH_OK);
        message = chains_message(chains, "from a restarted one");
        assert_int_equal(chains_take(chains, &message, "from a restarted one"), KITH_OK);
        kith_buf_deinit(&message);
    }
    assert_true(e2e_sender_chain_is_used_up(chains->sender, WORLD_NOW + E2E_CHAIN_LIFE_MS));
    kith_buf_wipe(&bytes);
    chains_free(chains);
}

static void test_e2e_chain_stored__a_given_chain_is_what_is_read(void **state)
{
    struct chains *chains = chains_new(2);
    const struct e2e_chain_given given = chains_given(chains);
    struct kith_buf bytes;

    (void)state;
    kith_buf_init(&bytes, E2E_CHAIN_GIVEN_BYTES_MAX);
    assert_int_equal(e2e_chain_given_encode(&given, &bytes), KITH_OK);
    check_form(read_given, &bytes, 6);
    assert_int_equal(read_with(read_given, &bytes, 2, kith_slice_of("\xff\xff\xff\xfe", 4)), KITH_OK);
    assert_int_equal(read_with(read_given, &bytes, 2, kith_slice_of("\xff\xff\xff\xff", 4)), KITH_E_MALFORMED);
    assert_int_equal(read_with(read_given, &bytes, 7, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    kith_buf_wipe(&bytes);
    chains_free(chains);
}

static void test_e2e_chain_stored__a_receiving_chain_goes_on_where_it_was(void **state)
{
    struct chains *chains = chains_new(3);
    struct kith_buf *messages = chains_messages_new(chains, 40);

    (void)state;
    for (size_t i = 0; i < 40; i++) { /* every third one comes late */
        struct kith_buf bytes = chains_state(chains->receiver);
        e2e_receiver_chain_free(chains->receiver);
        chains->receiver = chains_read(&bytes);
        chains_check_state(chains->receiver, &bytes);
        if (i % 3 != 0) assert_int_equal(chains_take(chains, &messages[i], "m"), KITH_OK);
        kith_buf_wipe(&bytes);
    }
    for (size_t i = 0; i < 40; i += 3) assert_int_equal(chains_take(chains, &messages[i], "m"), KITH_OK);
    assert_int_equal(chains->receiver->kept.count, 0);
    chains_messages_free(messages, 40);
    chains_free(chains);
}

static void test_e2e_chain_stored__the_most_kept_keys_are_written_and_read(void **state)
{
    struct chains *chains = chains_new(4);
    struct kith_buf *messages = chains_messages_new(chains, E2E_CHAIN_SKIP_MAX + 1), bytes, items;
    uint8_t item[62] = {0};

    (void)state;
    assert_int_equal(chains_take(chains, &messages[E2E_CHAIN_SKIP_MAX], "m"), KITH_OK);
    bytes = chains_state(chains->receiver);
    assert_true(kith_buf_len(&bytes) <= E2E_CHAIN_BYTES_MAX);
    assert_int_equal(read_receiver(kith_buf_peek(&bytes)), KITH_OK);
    kith_buf_init(&items, 1u << 20);
    for (int i = 0; i <= E2E_CHAIN_SKIP_MAX; i++)
        assert_int_equal(e2e_tlv_append_item(&items, kith_slice_of(item, sizeof item)), KITH_OK);
    assert_int_equal(read_with(read_receiver, &bytes, 9, kith_buf_peek(&items)), KITH_E_MALFORMED);
    kith_buf_reset(&items);
    for (int i = 0; i <= E2E_CHAIN_SKIP_MAX; i++) /* as many, and shorter */
        assert_int_equal(e2e_tlv_append_item(&items, kith_slice_of("x", 1)), KITH_OK);
    assert_int_equal(read_with(read_receiver, &bytes, 9, kith_buf_peek(&items)), KITH_E_MALFORMED);
    kith_buf_deinit(&items);
    kith_buf_wipe(&bytes);
    chains_messages_free(messages, E2E_CHAIN_SKIP_MAX + 1);
    chains_free(chains);
}

/* A chain given at 2 that opened 5: the keys of 2, 3 and 4 are kept, 66 bytes each as an item. */
enum { ITEM = 66, IN_N = 4 + 6, LAST_OF_N = IN_N + 3 };

static struct kith_buf state_with_kept_keys(uint64_t seed)
{
    struct chains *chains = chains_new(seed);
    struct kith_buf *messages = chains_messages_new(chains, 2), state;
    struct e2e_chain_given given = chains_given(chains);

    chains_messages_free(messages, 2);
    e2e_receiver_chain_free(chains->receiver);
    chains->receiver = chains_receiver(&chains->owner, &given);
    messages = chains_messages_new(chains, 4);
    assert_int_equal(chains_take(chains, &messages[3], "m"), KITH_OK);
    state = chains_state(chains->receiver);
    chains_messages_free(messages, 4);
    chains_free(chains);
    return state;
}

static void test_e2e_chain_stored__refuses_kept_keys_that_none_could_have_kept(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {
        {0 * ITEM + LAST_OF_N, 1}, /* from before it was given */
        {1 * ITEM + LAST_OF_N, 2}, /* the same twice */
        {0 * ITEM + LAST_OF_N, 4}, /* not in order */
        {2 * ITEM + LAST_OF_N, 5}, /* the one that was opened last */
        {2 * ITEM + LAST_OF_N, 6}, /* not come yet */
        {2 * ITEM + IN_N, 0xff},   /* the same, far away */
        {0 * ITEM + 3, ITEM - 3},  /* longer than it is */
        {0 * ITEM + 5, 2},         /* another field */
    };
    struct kith_buf bytes = state_with_kept_keys(5);
    size_t len = 0;

    (void)state;
    assert_non_null(world_field(&bytes, 9, &len));
    assert_int_equal(len, 3 * ITEM);
    assert_int_equal(read_receiver(kith_buf_peek(&bytes)), KITH_OK);
    assert_int_equal(read_with(read_receiver, &bytes, 9, none), KITH_OK);
    assert_int_equal(read_with(read_receiver, &bytes, 9, kith_slice_of("", 0)), KITH_E_MALFORMED);
    assert_int_equal(read_with(read_receiver, &bytes, 9, kith_slice_of("\0\0\0\0", 4)), KITH_E_MALFORMED);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t *at = world_field(&bytes, 9, NULL) + rows[i].at, before = *at;
        assert_int_not_equal(*at, rows[i].value);
        *at = rows[i].value;
        assert_int_equal(read_receiver(kith_buf_peek(&bytes)), KITH_E_MALFORMED);
        *at = before;
    }
    memset(world_field(&bytes, 9, NULL) + 2 * ITEM + IN_N, 0xff, 4); /* so that the next one would be 0 */
    assert_int_equal(read_receiver(kith_buf_peek(&bytes)), KITH_E_MALFORMED);
    kith_buf_wipe(&bytes);
}

/* The number 0 may be kept, so that a key that cannot be read must not be taken for one of it. */
static void test_e2e_chain_stored__refuses_a_kept_key_that_is_none(void **state)
{
    struct chains *chains = chains_new(9);
    struct kith_buf *messages = chains_messages_new(chains, 3), bytes;

    (void)state;
    assert_int_equal(chains_take(chains, &messages[2], "m"), KITH_OK);
    bytes = chains_state(chains->receiver);
    assert_int_equal(read_receiver(kith_buf_peek(&bytes)), KITH_OK);
    world_field(&bytes, 9, NULL)[5] = 4; /* the tag of its number */
    assert_int_not_equal(read_receiver(kith_buf_peek(&bytes)), KITH_OK);
    kith_buf_wipe(&bytes);
    chains_messages_free(messages, 3);
    chains_free(chains);
}

static void test_e2e_chain_stored__refuses_what_no_receiving_chain_can_be(void **state)
{
    struct chains *chains = chains_new(6);
    struct kith_buf fresh = chains_state(chains->receiver), bytes = state_with_kept_keys(7);
    static const uint8_t zeros[32];

    (void)state;
    check_form(read_receiver, &fresh, 8);
    assert_int_equal(read_with(read_receiver, &bytes, 3, kith_slice_of("\0\0\0\0", 4)), KITH_E_MALFORMED);
    assert_int_equal(read_with(read_receiver, &bytes, 7, kith_slice_of(zeros, 32)), KITH_E_MALFORMED); /* small order */
    assert_int_equal(read_with(read_receiver, &bytes, 8, kith_slice_of("\0\0\0\7", 4)), KITH_E_MALFORMED);
    assert_int_equal(read_with(read_receiver, &fresh, 8, kith_slice_of("\0\0\0\1", 4)), KITH_E_MALFORMED);
    kith_buf_wipe(&fresh);
    kith_buf_wipe(&bytes);
    chains_free(chains);
}

static void test_e2e_chain_stored__a_full_buffer_stays_as_it_was(void **state)
{
    struct chains *chains = chains_new(8);
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, 100);
    assert_int_equal(kith_buf_append_str(&out, "before"), KITH_OK);
    assert_int_equal(e2e_receiver_chain_encode(chains->receiver, &out), KITH_E_TOOBIG);
    assert_int_equal(e2e_sender_chain_encode(chains->sender, &out), KITH_E_TOOBIG);
    assert_true(kith_slice_is(kith_buf_peek(&out), "before"));
    kith_buf_deinit(&out);
    chains_free(chains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_chain_stored__a_sending_chain_goes_on_where_it_was),
        cmocka_unit_test(test_e2e_chain_stored__a_given_chain_is_what_is_read),
        cmocka_unit_test(test_e2e_chain_stored__a_receiving_chain_goes_on_where_it_was),
        cmocka_unit_test(test_e2e_chain_stored__the_most_kept_keys_are_written_and_read),
        cmocka_unit_test(test_e2e_chain_stored__refuses_kept_keys_that_none_could_have_kept),
        cmocka_unit_test(test_e2e_chain_stored__refuses_a_kept_key_that_is_none),
        cmocka_unit_test(test_e2e_chain_stored__refuses_what_no_receiving_chain_can_be),
        cmocka_unit_test(test_e2e_chain_stored__a_full_buffer_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
