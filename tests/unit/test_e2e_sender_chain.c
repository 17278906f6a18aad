#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/chain_world.h"

/* Messages of a sender chain as networks deliver them: in any order, twice, late, never; and chains as they are given. */

#define DAY_MS (24ull * 3600 * 1000)

/* ---------------------------------------------------------------------------------------------- any order */
/* The `which`-th order of 0..4. */
static void order_of(int which, int order[static 5])
{
    int left[5] = {0, 1, 2, 3, 4};

    for (int i = 0; i < 5; i++) {
        int at = which % (5 - i);
        which /= 5 - i;
        order[i] = left[at];
        for (int k = at; k < 4; k++) left[k] = left[k + 1];
    }
}

static void test_e2e_sender_chain__each_is_taken_once_in_every_order(void **state)
{
    struct chains *chains = chains_new(1);
    struct kith_buf *messages = chains_messages_new(chains, 5), fresh = chains_state(chains->receiver);

    (void)state;
    for (int which = 0; which < 120; which++) {
        struct e2e_receiver_chain *receiver = chains_read(&fresh);
        int order[5];
        order_of(which, order);
        for (int i = 0; i < 5; i++)
            assert_int_equal(chains_take_at(receiver, &messages[order[i]], "m", WORLD_NOW), KITH_OK);
        assert_int_equal(receiver->kept.count, 0);
        for (int i = 0; i < 5; i++)
            assert_int_equal(chains_take_at(receiver, &messages[i], "m", WORLD_NOW), KITH_E_CONFLICT);
        e2e_receiver_chain_free(receiver);
    }
    kith_buf_wipe(&fresh);
    chains_messages_free(messages, 5);
    chains_free(chains);
}

static void test_e2e_sender_chain__what_is_lost_is_not_missed(void **state)
{
    struct chains *chains = chains_new(2);
    struct kith_buf *messages = chains_messages_new(chains, 10);

    (void)state;
    assert_int_equal(chains_take(chains, &messages[4], "m"), KITH_OK);
    assert_int_equal(chains_take(chains, &messages[9], "m"), KITH_OK);
    assert_int_equal(chains->receiver->kept.count, 8);
    assert_int_equal(chains_take(chains, &messages[4], "m"), KITH_E_CONFLICT);
    assert_int_equal(chains_take(chains, &messages[0], "m"), KITH_OK);
    assert_int_equal(chains_take(chains, &messages[0], "m"), KITH_E_CONFLICT);
    assert_int_equal(chains->receiver->kept.count, 7);
    chains_messages_free(messages, 10);
    chains_free(chains);
}

/* ---------------------------------------------------------------------------------------------- too far ahead */
static void test_e2e_sender_chain__steps_over_its_most_numbers_and_not_one_more(void **state)
{
    struct chains *chains = chains_new(3);
    struct kith_buf *messages = chains_messages_new(chains, E2E_CHAIN_SKIP_MAX + 3);

    (void)state;
    assert_int_equal(chains_take(chains, &messages[0], "m"), KITH_OK);
    assert_int_equal(chains_take(chains, &messages[E2E_CHAIN_SKIP_MAX + 2], "m"), KITH_E_TOOBIG);
    assert_int_equal(chains_take(chains, &messages[E2E_CHAIN_SKIP_MAX + 1], "m"), KITH_OK);
    assert_int_equal(chains->receiver->kept.count, E2E_CHAIN_SKIP_MAX);
    for (size_t i = 1; i <= E2E_CHAIN_SKIP_MAX; i += 97)
        assert_int_equal(chains_take(chains, &messages[i], "m"), KITH_OK);
    assert_int_equal(chains_take(chains, &messages[E2E_CHAIN_SKIP_MAX + 2], "m"), KITH_OK);
    chains_messages_free(messages, E2E_CHAIN_SKIP_MAX + 3);
    chains_free(chains);
}

static void test_e2e_sender_chain__keeps_its_most_keys_and_the_oldest_go_first(void **state)
{
    const size_t count = E2E_CHAIN_SKIP_MAX + 1 + 11;
    struct chains *chains = chains_new(4);
    struct kith_buf *messages = chains_messages_new(chains, count);

    (void)state;
    assert_int_equal(chains_take(chains, &messages[E2E_CHAIN_SKIP_MAX], "m"), KITH_OK);
    assert_int_equal(chains->receiver->kept.count, E2E_CHAIN_SKIP_MAX);
    assert_int_equal(chains_take(chains, &messages[E2E_CHAIN_SKIP_MAX + 2], "m"), KITH_OK); /* one past the most */
    assert_int_equal(chains->receiver->kept.count, E2E_CHAIN_SKIP_MAX);
    assert_int_equal(chains_take(chains, &messages[0], "m"), KITH_E_CONFLICT);
    assert_int_equal(chains_take(chains, &messages[count - 1], "m"), KITH_OK);
    assert_int_equal(chains->receiver->kept.count, E2E_CHAIN_SKIP_MAX);
    for (size_t i = 0; i < 9; i++) assert_int_equal(chains_take(chains, &messages[i], "m"), KITH_E_CONFLICT);
    assert_int_equal(chains_take(chains, &messages[9], "m"), KITH_OK);
    assert_int_equal(chains_take(chains, &messages[E2E_CHAIN_SKIP_MAX + 1], "m"), KITH_OK);
    assert_int_equal(chains_take(chains, &messages[count - 2], "m"), KITH_OK);
    chains_messages_free(messages, count);
    chains_free(chains);
}

static void test_e2e_sender_chain__a_kept_key_ends_with_its_time(void **state)
{
    struct chains *chains = chains_new(5);
    struct kith_buf *messages = chains_messages_new(chains, 6);
    struct e2e_receiver_chain *at = chains->receiver;

    (void)state;
    assert_int_equal(chains_take(chains, &messages[3], "m"), KITH_OK);
    assert_int_equal(chains_take_at(at, &messages[0], "m", WORLD_NOW + 14 * DAY_MS - 1), KITH_OK);
    assert_int_equal(chains_take_at(at, &messages[1], "m", WORLD_NOW + 14 * DAY_MS), KITH_E_CONFLICT);
    /* A clock that was set back gives nothing up. */
    assert_int_equal(chains_take_at(at, &messages[1], "m", WORLD_NOW - DAY_MS), KITH_OK);
    assert_int_equal(at->kept.count, 1);
    assert_int_equal(chains_take_at(at, &messages[4], "m", WORLD_NOW + 14 * DAY_MS - 1), KITH_OK);
    assert_int_equal(at->kept.count, 1);
    assert_int_equal(chains_take_at(at, &messages[5], "m", WORLD_NOW + 14 * DAY_MS), KITH_OK);
    assert_int_equal(at->kept.count, 0);
    assert_int_equal(chains_take(chains, &messages[2], "m"), KITH_E_CONFLICT);
    chains_messages_free(messages, 6);
    chains_free(chains);
}

/* ---------------------------------------------------------------------------------------------- as it is given */
static void test_e2e_sender_chain__who_comes_later_opens_nothing_from_before(void **state)
{
    struct chains *chains = chains_new(6);
    struct kith_buf *before = chains_messages_new(chains, 3), *after;
    struct e2e_chain_given given = chains_given(chains);
    struct e2e_receiver_chain *late = chains_receiver(&chains->owner, &given);

    (void)state;
    assert_int_equal(given.iteration, 3);
    assert_int_equal(given.epoch, chains->epoch.seq);
    assert_memory_equal(given.group_hash, chains->epoch.hash, sizeof given.group_hash);
    after = chains_messages_new(chains, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(chains_take_at(late, &before[i], "m", WORLD_NOW), KITH_E_DENIED);
    for (int i = 2; i >= 0; i--) assert_int_equal(chains_take_at(late, &after[i], "m", WORLD_NOW), KITH_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(chains_take_at(late, &before[i], "m", WORLD_NOW), KITH_E_DENIED); /* no repeat */
        assert_int_equal(chains_take_at(late, &after[i], "m", WORLD_NOW), KITH_E_CONFLICT);
        assert_int_equal(chains_take(chains, &before[i], "m"), KITH_OK);
        assert_int_equal(chains_take(chains, &after[i], "m"), KITH_OK);
    }
    e2e_receiver_chain_free(late);
    chains_messages_free(before, 3);
    chains_messages_free(after, 3);
    chains_free(chains);
}

/* Given at 3, read up to 6: what is given at 0..9 is the same one, whatever its key; of another signing key it is another. */
static void test_e2e_sender_chain__the_same_chain_is_told_from_another_with_its_id(void **state)
{
    struct chains *chains = chains_new(7);
    struct e2e_chain_given given[10];
    struct e2e_receiver_chain *receiver = NULL;

    (void)state;
    for (int i = 0; i < 10; i++) {
        struct kith_buf message;
        given[i] = chains_given(chains);
        message = chains_message(chains, "m");
        if (i == 3) receiver = chains_receiver(&chains->owner, &given[3]);
        if (i == 5) assert_int_equal(chains_take_at(receiver, &message, "m", WORLD_NOW), KITH_OK);
        kith_buf_deinit(&message);
    }
    assert_int_equal(receiver->iteration, 6);
    for (int i = 0; i < 10; i++) {
        struct e2e_chain_given other = given[i];
        assert_int_equal(e2e_receiver_chain_same(receiver, &given[i]), KITH_OK);
        other.epoch++; /* what it was given under is not what it is */
        other.group_hash[0] ^= 1;
        assert_int_equal(e2e_receiver_chain_same(receiver, &other), KITH_OK);
        other.chain_key[31] ^= 1;
        other.iteration = (uint32_t)(9 - i) * 1000000;
        assert_int_equal(e2e_receiver_chain_same(receiver, &other), KITH_OK);
        other = given[i];
        other.sign_pub[0] ^= 1;
        assert_int_equal(e2e_receiver_chain_same(receiver, &other), KITH_E_CONFLICT);
        other = given[i];
        other.chain_id[7] ^= 1;
        assert_int_equal(e2e_receiver_chain_same(receiver, &other), KITH_E_CONFLICT);
    }
    e2e_receiver_chain_free(receiver);
    chains_free(chains);
}

static void test_e2e_sender_chain__a_signing_key_that_is_none_is_refused(void **state)
{
    struct chains *chains = chains_new(9);
    struct e2e_receiver_chain *receiver = chains->receiver;
    struct e2e_chain_given given = chains_given(chains);

    (void)state;
    memset(given.sign_pub, 0, sizeof given.sign_pub); /* a point of small order */
    assert_int_equal(e2e_receiver_chain_new(&chains->owner, &given, &receiver), KITH_E_MALFORMED);
    assert_null(receiver);
    memset(given.sign_pub, 0xff, sizeof given.sign_pub); /* not canonical */
    assert_int_equal(e2e_receiver_chain_new(&chains->owner, &given, &receiver), KITH_E_MALFORMED);
    chains_free(chains);
}

/* ---------------------------------------------------------------------------------------------- its end */
static void test_e2e_sender_chain__is_used_up_after_its_most_messages_or_its_days(void **state)
{
    struct chains *chains = chains_new(10);

    (void)state;
    for (int i = 0; i < E2E_CHAIN_MESSAGES_MAX; i++) {
        struct kith_buf message;
        assert_false(e2e_sender_chain_is_used_up(chains->sender, WORLD_NOW));
        message = chains_message(chains, "m");
        kith_buf_deinit(&message);
    }
    assert_true(e2e_sender_chain_is_used_up(chains->sender, WORLD_NOW));
    chains_free(chains);

    chains = chains_new(11);
    assert_false(e2e_sender_chain_is_used_up(chains->sender, WORLD_NOW + 7 * DAY_MS - 1));
    assert_true(e2e_sender_chain_is_used_up(chains->sender, WORLD_NOW + 7 * DAY_MS));
    assert_false(e2e_sender_chain_is_used_up(chains->sender, WORLD_NOW - 8 * DAY_MS)); /* a clock that was set back */
    chains_free(chains);
}

static void test_e2e_sender_chain__its_numbers_end_and_do_not_begin_again(void **state)
{
    struct chains *chains = chains_new(12);
    struct e2e_chain_given given;
    struct kith_buf last, before, after, out;

    (void)state;
    chains->sender->iteration = UINT32_MAX - 1;
    given = chains_given(chains);
    e2e_receiver_chain_free(chains->receiver);
    chains->receiver = chains_receiver(&chains->owner, &given);
    last = chains_message(chains, "last");
    before = chains_sender_state(chains->sender);
    kith_buf_init(&out, WORLD_PLAIN_MAX);
    assert_int_equal(
        e2e_sender_chain_encrypt(&chains->random, chains->sender, &chains->epoch, kith_slice_str("m"), &out),
        KITH_E_FULL);
    after = chains_sender_state(chains->sender);
    assert_true(kith_slice_eq(kith_buf_peek(&before), kith_buf_peek(&after)));
    assert_int_equal(kith_buf_len(&out), 0);
    assert_int_equal(chains_take(chains, &last, "last"), KITH_OK);
    assert_int_equal(chains_take(chains, &last, "last"), KITH_E_CONFLICT);
    assert_true(chains->receiver->iteration == UINT32_MAX);
    kith_buf_deinit(&last);
    kith_buf_wipe(&before);
    kith_buf_wipe(&after);
    chains_free(chains);
}

/* Whoever has all of an old chain, its signing key included, opens and says nothing in the next. */
static void test_e2e_sender_chain__one_that_leaked_opens_nothing_of_the_next(void **state)
{
    struct chains *chains = chains_new(13);
    struct e2e_sender_chain *leaked = chains->sender;
    struct e2e_chain_given given = chains_given(chains), next;
    struct kith_buf message, forged;

    (void)state;
    assert_int_equal(e2e_sender_chain_new(&chains->random, &chains->owner, WORLD_NOW, &chains->sender), KITH_OK);
    next = chains_given(chains);
    assert_memory_not_equal(next.chain_id, given.chain_id, sizeof next.chain_id);
    assert_memory_not_equal(next.chain_key, given.chain_key, sizeof next.chain_key);
    assert_memory_not_equal(next.sign_pub, given.sign_pub, sizeof next.sign_pub);
    message = chains_message(chains, "of the next");
    assert_int_equal(chains_take(chains, &message, "of the next"), KITH_E_DENIED);
    /* Even if it is told to be the next one. */
    memcpy(given.chain_id, next.chain_id, sizeof given.chain_id);
    memcpy(given.sign_pub, next.sign_pub, sizeof given.sign_pub);
    e2e_receiver_chain_free(chains->receiver);
    chains->receiver = chains_receiver(&chains->owner, &given);
    assert_int_equal(chains_take(chains, &message, "of the next"), KITH_E_DENIED);

    e2e_receiver_chain_free(chains->receiver);
    chains->receiver = chains_receiver(&chains->owner, &next);
    forged = chains_replaced(kith_buf_peek(&message), 0x8000, (struct kith_slice){0});
    chains_sign(&forged, leaked->sign_secret);
    assert_int_equal(chains_take(chains, &forged, "of the next"), KITH_E_DENIED);
    assert_int_equal(chains_take(chains, &message, "of the next"), KITH_OK);
    kith_buf_deinit(&message);
    kith_buf_deinit(&forged);
    e2e_sender_chain_free(leaked);
    chains_free(chains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_sender_chain__each_is_taken_once_in_every_order),
        cmocka_unit_test(test_e2e_sender_chain__what_is_lost_is_not_missed),
        cmocka_unit_test(test_e2e_sender_chain__steps_over_its_most_numbers_and_not_one_more),
        cmocka_unit_test(test_e2e_sender_chain__keeps_its_most_keys_and_the_oldest_go_first),
        cmocka_unit_test(test_e2e_sender_chain__a_kept_key_ends_with_its_time),
        cmocka_unit_test(test_e2e_sender_chain__who_comes_later_opens_nothing_from_before),
        cmocka_unit_test(test_e2e_sender_chain__the_same_chain_is_told_from_another_with_its_id),
        cmocka_unit_test(test_e2e_sender_chain__a_signing_key_that_is_none_is_refused),
        cmocka_unit_test(test_e2e_sender_chain__is_used_up_after_its_most_messages_or_its_days),
        cmocka_unit_test(test_e2e_sender_chain__its_numbers_end_and_do_not_begin_again),
        cmocka_unit_test(test_e2e_sender_chain__one_that_leaked_opens_nothing_of_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
