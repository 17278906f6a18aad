#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/e2e_world.h"

/* Messages of a session as networks deliver them: in any order, twice, late, never. */

#define DAY_MS (24ull * 3600 * 1000)

/* `count` messages of A in one chain, each says "m". */
static struct kith_buf *messages_new(struct world *world, size_t count)
{
    struct kith_buf *messages = calloc(count, sizeof *messages);

    assert_non_null(messages);
    for (size_t i = 0; i < count; i++) messages[i] = world_message(&world->a, world->at_a, "m");
    return messages;
}

static void messages_free(struct kith_buf *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) kith_buf_deinit(&messages[i]);
    free(messages);
}

static kith_err at_b(struct world *world, const struct kith_buf *message)
{
    return world_take(&world->b, world->at_b, message, "m");
}

/* One message of B comes to A: A's next are of a new chain. */
static void turn_at(struct world *world, uint64_t now_ms)
{
    struct kith_buf message = world_message_at(&world->b, world->at_b, kith_slice_str("turn"), now_ms);

    assert_int_equal(world_take_at(&world->a, world->at_a, &message, "turn", now_ms), KITH_OK);
    kith_buf_deinit(&message);
}

static void turn(struct world *world)
{
    turn_at(world, WORLD_NOW);
}

/* And the other way round: B has a new receiving chain. */
static void turn_both(struct world *world)
{
    struct kith_buf message;

    turn(world);
    message = world_message(&world->a, world->at_a, "m");
    assert_int_equal(at_b(world, &message), KITH_OK);
    kith_buf_deinit(&message);
}

/* What fails leaves the state as it was, byte for byte. */
static void fails_at_b(struct world *world, const struct kith_buf *message, kith_err expected)
{
    struct kith_buf before = world_state(world->at_b), after;

    assert_int_equal(at_b(world, message), expected);
    after = world_state(world->at_b);
    assert_true(kith_slice_eq(kith_buf_peek(&before), kith_buf_peek(&after)));
    kith_buf_wipe(&before);
    kith_buf_wipe(&after);
}

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

/* Five messages of two chains, in each of the 120 orders, each once more afterwards. */
static void test_e2e_session_order__each_is_taken_once_in_every_order(void **state)
{
    int order[5];

    (void)state;
    for (int which = 0; which < 120; which++) {
        struct world *world = world_new_answered(1);
        struct kith_buf messages[5];

        order_of(which, order);
        turn_both(world);
        for (int i = 0; i < 5; i++) {
            if (i == 2) turn(world);
            messages[i] = world_message(&world->a, world->at_a, "m");
        }
        for (int i = 0; i < 5; i++) assert_int_equal(at_b(world, &messages[order[i]]), KITH_OK);
        assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 0);
        for (int i = 2; i < 5; i++) fails_at_b(world, &messages[i], KITH_E_CONFLICT);
        for (int i = 0; i < 2; i++) fails_at_b(world, &messages[i], KITH_E_DENIED); /* of a chain that is forgotten */
        for (int i = 0; i < 5; i++) kith_buf_deinit(&messages[i]);
        world_free(world);
    }
}

static void test_e2e_session_order__a_repeat_in_an_older_chain_is_seen_while_a_key_of_it_is_kept(void **state)
{
    struct world *world = world_new_answered(2);
    struct kith_buf *messages = messages_new(world, 3);

    (void)state;
    assert_int_equal(at_b(world, &messages[1]), KITH_OK);
    turn_both(world);
    fails_at_b(world, &messages[1], KITH_E_CONFLICT);
    assert_int_equal(at_b(world, &messages[2]), KITH_OK);
    fails_at_b(world, &messages[2], KITH_E_CONFLICT);
    assert_int_equal(at_b(world, &messages[0]), KITH_OK);
    fails_at_b(world, &messages[0], KITH_E_DENIED); /* the last one of it: now it is a chain like any unknown one */
    messages_free(messages, 3);
    world_free(world);
}

static void test_e2e_session_order__what_is_lost_is_not_missed(void **state)
{
    struct world *world = world_new_answered(3);
    struct kith_buf *messages = messages_new(world, 10);

    (void)state;
    assert_int_equal(at_b(world, &messages[9]), KITH_OK);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 9);
    for (int i = 0; i < 4; i++) turn_both(world);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 9);
    messages_free(messages, 10);
    world_free(world);
}

/* ---------------------------------------------------------------------------------------------- too far ahead */
static void test_e2e_session_order__steps_over_its_most_numbers_in_a_chain_and_not_one_more(void **state)
{
    struct world *world = world_new_answered(4);
    struct kith_buf *messages = messages_new(world, E2E_SKIP_MAX + 3);

    (void)state;
    assert_int_equal(at_b(world, &messages[0]), KITH_OK);
    fails_at_b(world, &messages[E2E_SKIP_MAX + 2], KITH_E_TOOBIG);
    assert_int_equal(at_b(world, &messages[E2E_SKIP_MAX + 1]), KITH_OK);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, E2E_SKIP_MAX);
    for (size_t i = 1; i <= E2E_SKIP_MAX; i += 97) assert_int_equal(at_b(world, &messages[i]), KITH_OK);
    assert_int_equal(at_b(world, &messages[E2E_SKIP_MAX + 2]), KITH_OK);
    messages_free(messages, E2E_SKIP_MAX + 3);
    world_free(world);
}

static void test_e2e_session_order__steps_over_as_many_in_a_new_chain(void **state)
{
    struct world *world = world_new(5, true);
    struct kith_buf *messages;

    (void)state;
    turn(world);
    messages = messages_new(world, E2E_SKIP_MAX + 2);
    fails_at_b(world, &messages[E2E_SKIP_MAX + 1], KITH_E_TOOBIG);
    assert_int_equal(at_b(world, &messages[E2E_SKIP_MAX]), KITH_OK);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, E2E_SKIP_MAX);
    messages_free(messages, E2E_SKIP_MAX + 2);
    world_free(world);
}

static void test_e2e_session_order__steps_over_as_many_at_the_end_of_a_chain(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        struct world *world = world_new_answered(6);
        struct kith_buf *messages = messages_new(world, E2E_SKIP_MAX + 1 + extra), next;

        assert_int_equal(at_b(world, &messages[0]), KITH_OK);
        turn(world);
        next = world_message(&world->a, world->at_a, "m"); /* says how long the chain before was */
        if (extra == 0)
            assert_int_equal(at_b(world, &next), KITH_OK);
        else
            fails_at_b(world, &next, KITH_E_TOOBIG);
        assert_int_equal(e2e_session_facts(world->at_b).kept_keys, extra == 0 ? E2E_SKIP_MAX : 0);
        kith_buf_deinit(&next);
        messages_free(messages, E2E_SKIP_MAX + 1 + extra);
        world_free(world);
    }
}

static void test_e2e_session_order__keeps_its_most_keys_and_the_oldest_go_first(void **state)
{
    const size_t count = E2E_SKIP_MAX + 1 + 11;
    struct world *world = world_new_answered(7);
    struct kith_buf *messages = messages_new(world, count);

    (void)state;
    assert_int_equal(at_b(world, &messages[E2E_SKIP_MAX]), KITH_OK);
    assert_int_equal(at_b(world, &messages[count - 1]), KITH_OK);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, E2E_SKIP_MAX);
    for (size_t i = 0; i < 10; i++) fails_at_b(world, &messages[i], KITH_E_CONFLICT);
    assert_int_equal(at_b(world, &messages[10]), KITH_OK);
    assert_int_equal(at_b(world, &messages[count - 2]), KITH_OK);
    messages_free(messages, count);
    world_free(world);
}

/* Both at once, the end of one chain and the beginning of the next: 4,000 keys, of which the newest stay. */
static void test_e2e_session_order__keeps_the_newest_of_two_chains(void **state)
{
    struct world *world = world_new_answered(8);
    struct kith_buf *old = messages_new(world, E2E_SKIP_MAX + 1), *new;

    (void)state;
    assert_int_equal(at_b(world, &old[0]), KITH_OK);
    turn(world);
    new = messages_new(world, E2E_SKIP_MAX);
    assert_int_equal(at_b(world, &new[E2E_SKIP_MAX - 1]), KITH_OK);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, E2E_SKIP_MAX);
    fails_at_b(world, &old[E2E_SKIP_MAX - 1], KITH_E_CONFLICT);
    assert_int_equal(at_b(world, &old[E2E_SKIP_MAX]), KITH_OK);
    assert_int_equal(at_b(world, &new[0]), KITH_OK);
    messages_free(old, E2E_SKIP_MAX + 1);
    messages_free(new, E2E_SKIP_MAX);
    world_free(world);
}

/* ---------------------------------------------------------------------------------------------- how long keys are kept */
static void test_e2e_session_order__a_kept_key_ends_with_its_time(void **state)
{
    struct world *world = world_new_answered(9);
    struct kith_buf *messages = messages_new(world, 4), late;

    (void)state;
    assert_int_equal(at_b(world, &messages[3]), KITH_OK);
    assert_int_equal(world_take_at(&world->b, world->at_b, &messages[0], "m", WORLD_NOW + 14 * DAY_MS - 1), KITH_OK);
    assert_int_equal(world_take_at(&world->b, world->at_b, &messages[1], "m", WORLD_NOW + 14 * DAY_MS),
                     KITH_E_CONFLICT);
    /* A clock that was set back gives nothing up. */
    assert_int_equal(world_take_at(&world->b, world->at_b, &messages[1], "m", WORLD_NOW - DAY_MS), KITH_OK);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 1);
    /* Sending clears away, too. */
    late = world_message_at(&world->b, world->at_b, kith_slice_str("m"), WORLD_NOW + 14 * DAY_MS - 1);
    kith_buf_deinit(&late);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 1);
    late = world_message_at(&world->b, world->at_b, kith_slice_str("m"), WORLD_NOW + 14 * DAY_MS);
    kith_buf_deinit(&late);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 0);
    fails_at_b(world, &messages[2], KITH_E_CONFLICT);
    messages_free(messages, 4);
    world_free(world);
}

static void test_e2e_session_order__a_kept_key_ends_a_hundred_chains_later(void **state)
{
    struct world *world = world_new_answered(10);
    struct kith_buf *messages = messages_new(world, 3);

    (void)state;
    assert_int_equal(at_b(world, &messages[2]), KITH_OK);
    for (int i = 0; i < E2E_SKIP_CHAINS - 1; i++) turn_both(world);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 2);
    assert_int_equal(at_b(world, &messages[0]), KITH_OK);
    turn_both(world);
    assert_int_equal(e2e_session_facts(world->at_b).kept_keys, 0);
    fails_at_b(world, &messages[1], KITH_E_DENIED);
    messages_free(messages, 3);
    world_free(world);
}

/* ---------------------------------------------------------------------------------------------- need_step */
/* What B says of the next message of A. */
static bool asks(struct world *world, uint64_t now_ms)
{
    struct kith_buf message = world_message_at(&world->a, world->at_a, kith_slice_str("m"), now_ms);

    assert_int_equal(world_take_at(&world->b, world->at_b, &message, "m", now_ms), KITH_OK);
    kith_buf_deinit(&message);
    return e2e_session_facts(world->at_b).needs_step;
}

static void test_e2e_session_order__two_hundred_messages_without_an_answer_ask_for_one(void **state)
{
    struct world *world = world_new_answered(11);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < E2E_NEED_STEP_MESSAGES; i++) assert_false(asks(world, WORLD_NOW));
        assert_true(asks(world, WORLD_NOW));
        assert_true(asks(world, WORLD_NOW));
        turn(world); /* sending is what clears it */
        assert_false(e2e_session_facts(world->at_b).needs_step);
    }
    world_free(world);
}

static void test_e2e_session_order__seven_days_without_an_answer_ask_for_one(void **state)
{
    struct world *world = world_new_answered(12);

    (void)state;
    assert_false(asks(world, WORLD_NOW + 7 * DAY_MS - 1));
    assert_true(asks(world, WORLD_NOW + 7 * DAY_MS));
    turn_at(world, WORLD_NOW + 8 * DAY_MS);
    assert_false(asks(world, WORLD_NOW + 15 * DAY_MS - 1));
    assert_true(asks(world, WORLD_NOW + 15 * DAY_MS));
    turn_at(world, WORLD_NOW + 15 * DAY_MS);
    assert_false(asks(world, WORLD_NOW)); /* the clock was set back */
    world_free(world);
}

static void test_e2e_session_order__an_answer_in_a_known_chain_is_no_new_key(void **state)
{
    struct world *world = world_new_answered(13);
    struct kith_buf message;

    (void)state;
    /* B sees none of A's messages, and its own stay in the chain that A knows. */
    for (int i = 0; i < E2E_NEED_STEP_MESSAGES; i++) {
        message = world_message(&world->a, world->at_a, "m");
        kith_buf_deinit(&message);
        message = world_message(&world->b, world->at_b, "known chain");
        assert_int_equal(world_take(&world->a, world->at_a, &message, "known chain"), KITH_OK);
        kith_buf_deinit(&message);
    }
    assert_true(asks(world, WORLD_NOW));
    world_free(world);
}

/* Its set-up names a prekey that others may have begun with, too. */
static void test_e2e_session_order__begun_on_the_last_resort_it_asks_until_it_is_answered(void **state)
{
    (void)state;
    for (int has_one_time = 0; has_one_time < 2; has_one_time++) {
        struct world *world = world_new(14, has_one_time != 0);

        for (int i = 0; i < 3; i++) assert_int_equal(asks(world, WORLD_NOW), has_one_time == 0);
        turn(world);
        assert_false(e2e_session_facts(world->at_b).needs_step);
        for (int i = 0; i < 3; i++) assert_false(asks(world, WORLD_NOW));
        world_free(world);
    }
}

/* ---------------------------------------------------------------------------------------------- after a compromise */
static void test_e2e_session_order__a_copy_of_the_state_is_worth_nothing_after_a_round_trip(void **state)
{
    struct world *world = world_new_answered(15);
    struct kith_buf copy = world_state(world->at_b), message;
    struct e2e_session *clone = NULL;

    (void)state;
    assert_int_equal(e2e_session_decode(kith_buf_peek(&copy), &clone), KITH_OK);
    message = world_message(&world->a, world->at_a, "m");
    assert_int_equal(world_take(&world->b, clone, &message, "m"), KITH_OK); /* so far the copy reads along */
    assert_int_equal(at_b(world, &message), KITH_OK);
    kith_buf_deinit(&message);
    turn_both(world);
    turn(world);
    message = world_message(&world->a, world->at_a, "m");
    assert_int_equal(world_take(&world->b, clone, &message, "m"), KITH_E_DENIED);
    assert_int_equal(at_b(world, &message), KITH_OK);
    kith_buf_deinit(&message);
    kith_buf_wipe(&copy);
    e2e_session_free(clone);
    world_free(world);
}

/* ---------------------------------------------------------------------------------------------- all of it, at random */
#define FLYING 64

struct flight {
    struct kith_buf message;
    bool to_b, taken, is_there;
    char text[32];
};

static void restart(struct e2e_session **session)
{
    struct kith_buf state = world_state(*session), again;

    e2e_session_free(*session);
    assert_int_equal(e2e_session_decode(kith_buf_peek(&state), session), KITH_OK);
    again = world_state(*session);
    assert_true(kith_slice_eq(kith_buf_peek(&state), kith_buf_peek(&again)));
    kith_buf_wipe(&state);
    kith_buf_wipe(&again);
}

/* Sends into a slot; what was there is lost. */
static void send_one(struct world *world, struct flight *flight, bool to_b, uint64_t number)
{
    if (flight->is_there) kith_buf_deinit(&flight->message);
    *flight = (struct flight){.to_b = to_b, .is_there = true};
    (void)snprintf(flight->text, sizeof flight->text, "message %llu", (unsigned long long)number);
    flight->message = to_b ? world_message(&world->a, world->at_a, flight->text)
                           : world_message(&world->b, world->at_b, flight->text);
}

/* A slot's message comes; most stay and may come again. A repeat is never taken; a first time may be too late. */
static void deliver_one(struct world *world, struct flight *flight, struct kith_prng *prng, unsigned *taken)
{
    struct e2e_session *session = flight->to_b ? world->at_b : world->at_a;
    struct world_party *to = flight->to_b ? &world->b : &world->a;
    kith_err err = world_take(to, session, &flight->message, flight->text);

    if (flight->taken)
        assert_int_not_equal(err, KITH_OK);
    else if (err == KITH_OK)
        *taken += 1;
    else
        assert_true(err == KITH_E_CONFLICT || err == KITH_E_DENIED);
    flight->taken = flight->taken || err == KITH_OK;
    if (kith_prng_chance(prng, 1, 2)) return;
    kith_buf_deinit(&flight->message);
    *flight = (struct flight){0};
}

static void test_e2e_session_order__delivers_each_message_at_most_once_whatever_happens(void **state)
{
    unsigned taken = 0, sent = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world *world = world_new(seed + 1000, seed % 2 == 0);
        struct flight flights[FLYING] = {0};
        struct kith_prng prng;

        kith_prng_seed(&prng, seed);
        for (int step = 0; step < 1000; step++) {
            struct flight *flight = &flights[kith_prng_below(&prng, FLYING)];
            const uint64_t what = kith_prng_below(&prng, 100);
            if (what < 45) {
                send_one(world, flight, kith_prng_chance(&prng, seed % 5 + 1, 7), sent);
                sent++;
            } else if (what < 97 && flight->is_there) {
                deliver_one(world, flight, &prng, &taken);
            } else if (what >= 97) {
                restart(kith_prng_chance(&prng, 1, 2) ? &world->at_a : &world->at_b);
            }
        }
        for (int i = 0; i < FLYING; i++)
            if (flights[i].is_there) kith_buf_deinit(&flights[i].message);
        turn_both(world); /* and nothing is stuck */
        world_free(world);
    }
    assert_true(taken > sent / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_session_order__each_is_taken_once_in_every_order),
        cmocka_unit_test(test_e2e_session_order__a_repeat_in_an_older_chain_is_seen_while_a_key_of_it_is_kept),
        cmocka_unit_test(test_e2e_session_order__what_is_lost_is_not_missed),
        cmocka_unit_test(test_e2e_session_order__steps_over_its_most_numbers_in_a_chain_and_not_one_more),
        cmocka_unit_test(test_e2e_session_order__steps_over_as_many_in_a_new_chain),
        cmocka_unit_test(test_e2e_session_order__steps_over_as_many_at_the_end_of_a_chain),
        cmocka_unit_test(test_e2e_session_order__keeps_its_most_keys_and_the_oldest_go_first),
        cmocka_unit_test(test_e2e_session_order__keeps_the_newest_of_two_chains),
        cmocka_unit_test(test_e2e_session_order__a_kept_key_ends_with_its_time),
        cmocka_unit_test(test_e2e_session_order__a_kept_key_ends_a_hundred_chains_later),
        cmocka_unit_test(test_e2e_session_order__two_hundred_messages_without_an_answer_ask_for_one),
        cmocka_unit_test(test_e2e_session_order__seven_days_without_an_answer_ask_for_one),
        cmocka_unit_test(test_e2e_session_order__an_answer_in_a_known_chain_is_no_new_key),
        cmocka_unit_test(test_e2e_session_order__begun_on_the_last_resort_it_asks_until_it_is_answered),
        cmocka_unit_test(test_e2e_session_order__a_copy_of_the_state_is_worth_nothing_after_a_round_trip),
        cmocka_unit_test(test_e2e_session_order__delivers_each_message_at_most_once_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
