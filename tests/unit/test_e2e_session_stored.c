#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e_world.h"

/* A session as it is kept: what is written is what is read, and what no session can be is not. */

static void check_same_again(const struct e2e_session *session)
{
    struct kith_buf state = world_state(session);
    struct e2e_session *again = world_session(&state);
    const struct e2e_session_facts a = e2e_session_facts(session), b = e2e_session_facts(again);

    world_check_state(again, &state);
    assert_true(a.created_ms == b.created_ms && a.heard_ms == b.heard_ms && a.needs_step == b.needs_step);
    assert_true(a.is_answered == b.is_answered && a.kept_keys == b.kept_keys);
    assert_true(kith_buf_len(&state) <= E2E_SESSION_BYTES_MAX);
    e2e_session_free(again);
    kith_buf_wipe(&state);
}

static void test_e2e_session_stored__what_is_written_is_what_is_read(void **state)
{
    struct world *world = world_new(7, true);
    struct kith_buf message;

    (void)state;
    check_same_again(world->at_a);
    check_same_again(world->at_b);
    for (int i = 0; i < 300; i++) { /* some are lost, all that are kept from here on */
        message = world_message(&world->a, world->at_a, "lost or not");
        if (i % 7 == 6) assert_int_equal(world_take(&world->b, world->at_b, &message, "lost or not"), KITH_OK);
        kith_buf_deinit(&message);
    }
    assert_true(e2e_session_facts(world->at_b).needs_step);
    check_same_again(world->at_b);
    message = world_message(&world->b, world->at_b, "answer");
    assert_int_equal(world_take(&world->a, world->at_a, &message, "answer"), KITH_OK);
    kith_buf_deinit(&message);
    check_same_again(world->at_a);
    check_same_again(world->at_b);
    world_free(world);
}

static void test_e2e_session_stored__the_most_kept_keys_are_written_and_read(void **state)
{
    struct world *world = world_new_answered(8);
    struct kith_buf message;

    (void)state;
    for (int i = 0; i <= E2E_SKIP_MAX; i++) {
        message = world_message(&world->a, world->at_a, "late");
        if (i == E2E_SKIP_MAX) assert_int_equal(world_take(&world->b, world->at_b, &message, "late"), KITH_OK);
        kith_buf_deinit(&message);
    }
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, E2E_SKIP_MAX);
    check_same_again(world->at_b);
    world_free(world);
}

static kith_err decode(struct kith_slice state)
{
    struct e2e_session *session = (struct e2e_session *)&state;
    kith_err err = e2e_session_decode(state, &session);

    if (err != KITH_OK) assert_null(session);
    e2e_session_free(session);
    return err;
}

static void test_e2e_session_stored__refuses_every_short_prefix(void **state)
{
    struct world *world = world_new(9, true);
    struct kith_buf a = world_state(world->at_a), b = world_state(world->at_b);

    (void)state;
    /* A state without needs_step ends with stepped_at: there is nothing to leave out at its end. */
    for (size_t len = 0; len < kith_buf_len(&a); len++)
        assert_int_equal(decode(kith_slice_of(a.ptr, len)), KITH_E_MALFORMED);
    for (size_t len = 0; len < kith_buf_len(&b); len++)
        assert_int_equal(decode(kith_slice_of(b.ptr, len)), KITH_E_MALFORMED);
    kith_buf_wipe(&a);
    kith_buf_wipe(&b);
    world_free(world);
}

/* The state without a field, or with another value of it. */
static kith_err decode_with(const struct kith_buf *state, uint16_t tag, struct kith_slice value)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(kith_buf_peek(state));
    struct e2e_tlv_writer writer;
    struct kith_slice old;
    struct kith_buf out;
    bool is_put = value.ptr == NULL;
    uint16_t at;
    kith_err err;

    kith_buf_init(&out, 2 * E2E_SESSION_BYTES_MAX);
    writer = e2e_tlv_writer_of(&out);
    while (e2e_tlv_next(&reader, &at, &old) == KITH_OK) {
        if (at >= tag && !is_put) e2e_tlv_put(&writer, tag, value);
        is_put = is_put || at >= tag;
        if (at != tag) e2e_tlv_put(&writer, at, old);
    }
    if (!is_put) e2e_tlv_put(&writer, tag, value);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    err = decode(kith_buf_peek(&out));
    kith_buf_wipe(&out);
    return err;
}

static void test_e2e_session_stored__refuses_what_no_session_can_be(void **state)
{
    struct world *world = world_new(10, true);
    struct kith_buf a = world_state(world->at_a), b = world_state(world->at_b);
    const struct kith_slice none = {0}, zero_8 = kith_slice_of("\0\0\0\0\0\0\0\0", 8), zero = kith_slice_of("\0", 1);
    static const uint8_t key[32] = {0};

    (void)state;
    for (uint16_t tag = 1; tag <= 17; tag++) {
        const bool may_miss = tag == 10 || tag == 11 || tag == 14;
        assert_int_equal(decode_with(&b, tag, none), may_miss ? KITH_OK : KITH_E_MALFORMED);
    }
    assert_int_equal(decode_with(&b, 14, zero_8), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&b, 18, zero), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&b, 18, kith_slice_of("\1", 1)), KITH_OK);
    assert_int_equal(decode_with(&b, 19, zero), KITH_E_UNSUPPORTED);
    assert_int_equal(decode_with(&b, 15, kith_slice_of("\0\0\0\0", 4)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&b, 10, kith_slice_of("\0\0\0\0", 4)), KITH_E_MALFORMED);
    /* A has no answer: it has the set-up, and nothing of the other direction. */
    {
        size_t len = 0;
        const uint8_t *setup = world_field(&a, 11, &len);
        assert_int_equal(decode_with(&b, 11, kith_slice_of(setup, len)), KITH_E_MALFORMED); /* B began nothing */
    }
    assert_int_equal(decode_with(&a, 11, none), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&a, 11, kith_slice_of("no set-up", 9)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&a, 6, kith_slice_of(key, sizeof key)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&a, 8, kith_slice_of("\0\0\0\1", 4)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&a, 14, kith_slice_of("\0\0\0\0\0\0\0\1", 8)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&a, 15, kith_slice_of("\0\0\0\1", 4)), KITH_E_MALFORMED);
    kith_buf_wipe(&a);
    kith_buf_wipe(&b);
    world_free(world);
}

/* A state whose kept keys are two; each is 114 bytes as an item: 4 of length, then pub, n, mk, time, chain. */
enum { ITEM = 114, IN_PUB = 4 + 6, IN_N = IN_PUB + 32 + 6, IN_CHAIN = ITEM - 4 };

static void test_e2e_session_stored__refuses_kept_keys_that_none_could_have_kept(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {
        {IN_CHAIN + 3, 0},        /* of no chain */
        {IN_CHAIN + 3, 9},        /* of one that has not begun */
        {ITEM + IN_CHAIN + 3, 1}, /* in the wrong order */
        {ITEM + IN_N + 3, 0},     /* the same twice */
        {ITEM + IN_N + 3, 200},   /* a number that has not come */
        {ITEM + IN_PUB, 0},       /* two ratchet keys in one chain */
    };
    struct world *world = world_new_answered(11);
    struct kith_buf message, kept;
    size_t len = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        message = world_message(&world->a, world->at_a, "late");
        if (i == 2) assert_int_equal(world_take(&world->b, world->at_b, &message, "late"), KITH_OK);
        kith_buf_deinit(&message);
    }
    kept = world_state(world->at_b);
    assert_non_null(world_field(&kept, 10, &len));
    assert_int_equal(len, 2 * ITEM);
    assert_int_equal(decode(kith_buf_peek(&kept)), KITH_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t *at = world_field(&kept, 10, NULL) + rows[i].at, before = *at;
        assert_int_not_equal(*at, rows[i].value);
        *at = rows[i].value;
        assert_int_equal(decode(kith_buf_peek(&kept)), KITH_E_MALFORMED);
        *at = before;
    }
    /* Five chains later they are gone: a state that has them still is none. */
    *(world_field(&kept, 15, NULL) + 3) = 2 + E2E_SKIP_CHAINS;
    assert_int_equal(decode(kith_buf_peek(&kept)), KITH_E_MALFORMED);
    kith_buf_wipe(&kept);
    world_free(world);
}

/* A state of B with two kept keys each of its chain 2 and, unless `old_only`, of its chain 3, which is the current one. */
static struct kith_buf state_with_two_chains(bool old_only)
{
    struct world *world = world_new_answered(14);
    struct kith_buf message, state;

    for (int i = 0; i < 6; i++) {
        const bool is_lost = i == 0 || i == 1 || (!old_only && i < 5 && i != 2);
        if (i == 3) {
            message = world_message(&world->b, world->at_b, "turn");
            assert_int_equal(world_take(&world->a, world->at_a, &message, "turn"), KITH_OK);
            kith_buf_deinit(&message);
        }
        message = world_message(&world->a, world->at_a, "late");
        if (!is_lost) assert_int_equal(world_take(&world->b, world->at_b, &message, "late"), KITH_OK);
        kith_buf_deinit(&message);
    }
    state = world_state(world->at_b);
    world_free(world);
    return state;
}

static void test_e2e_session_stored__refuses_kept_keys_of_chains_that_are_not_in_order(void **state)
{
    struct kith_buf two = state_with_two_chains(false), old = state_with_two_chains(true);
    uint8_t *items, swapped[4 * ITEM];
    size_t len = 0;

    (void)state;
    items = world_field(&two, 10, &len);
    assert_int_equal(len, 4 * ITEM);
    assert_int_equal(decode(kith_buf_peek(&two)), KITH_OK);
    memcpy(swapped, items + 2 * ITEM, 2 * ITEM);
    memcpy(swapped + 2 * ITEM, items, 2 * ITEM);
    assert_int_equal(decode_with(&two, 10, kith_slice_of(swapped, sizeof swapped)), KITH_E_MALFORMED);
    items[IN_CHAIN + 3] = items[ITEM + IN_CHAIN + 3] = 0; /* chains begin with 1 */
    assert_int_equal(decode(kith_buf_peek(&two)), KITH_E_MALFORMED);
    items[IN_CHAIN + 3] = items[ITEM + IN_CHAIN + 3] = 1;
    assert_int_equal(decode(kith_buf_peek(&two)), KITH_OK);
    items[2 * ITEM + IN_PUB] ^= 1; /* the current chain, of another key than the current one */
    items[3 * ITEM + IN_PUB] ^= 1;
    assert_int_equal(decode(kith_buf_peek(&two)), KITH_E_MALFORMED);
    kith_buf_wipe(&two);

    items = world_field(&old, 10, &len);
    assert_int_equal(len, 2 * ITEM);
    assert_int_equal(decode(kith_buf_peek(&old)), KITH_OK);
    items[ITEM + IN_PUB] ^= 1; /* an old chain, of two keys */
    assert_int_equal(decode(kith_buf_peek(&old)), KITH_E_MALFORMED);
    items[ITEM + IN_PUB] ^= 1;
    items[IN_CHAIN + 3] = 1; /* two old chains, of one key */
    assert_int_equal(decode(kith_buf_peek(&old)), KITH_E_MALFORMED);
    items[IN_CHAIN + 3] = 2;
    *(world_field(&old, 15, NULL) + 3) = 2 + E2E_SKIP_CHAINS - 1;
    assert_int_equal(decode(kith_buf_peek(&old)), KITH_OK);
    *(world_field(&old, 15, NULL) + 3) = 2 + E2E_SKIP_CHAINS; /* then they have ended */
    assert_int_equal(decode(kith_buf_peek(&old)), KITH_E_MALFORMED);
    kith_buf_wipe(&old);
}

static void test_e2e_session_stored__refuses_a_kept_key_too_many(void **state)
{
    struct world *world = world_new_answered(12);
    struct kith_buf session = world_state(world->at_b), items;
    static const uint8_t item[ITEM - 4] = {0};

    (void)state;
    kith_buf_init(&items, 1u << 20);
    for (int i = 0; i <= E2E_SKIP_MAX; i++)
        assert_int_equal(e2e_tlv_append_item(&items, kith_slice_of(item, sizeof item)), KITH_OK);
    assert_int_equal(decode_with(&session, 10, kith_buf_peek(&items)), KITH_E_MALFORMED);
    kith_buf_wipe(&session);
    kith_buf_deinit(&items);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_session_stored__what_is_written_is_what_is_read),
        cmocka_unit_test(test_e2e_session_stored__the_most_kept_keys_are_written_and_read),
        cmocka_unit_test(test_e2e_session_stored__refuses_every_short_prefix),
        cmocka_unit_test(test_e2e_session_stored__refuses_what_no_session_can_be),
        cmocka_unit_test(test_e2e_session_stored__refuses_kept_keys_that_none_could_have_kept),
        cmocka_unit_test(test_e2e_session_stored__refuses_kept_keys_of_chains_that_are_not_in_order),
        cmocka_unit_test(test_e2e_session_stored__refuses_a_kept_key_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
