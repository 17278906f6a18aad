#include <pthread.h>

#include "account/group_states.h"
#include "e2e_group.h"
#include "tests/failing_heap.h"

static const uint8_t seed[16] = {1, 2, 3};

static struct chat_id chat_of(uint32_t n)
{
    struct chat_id chat = {0};

    kith_put_u32_be(chat.id.raw, n);
    return chat;
}

/* Of `members` people, with `more` operations behind its create. */
static struct group_state *state_of(uint32_t members, uint32_t more)
{
    struct e2e_group *group = group_of(1, members, 1);
    struct group_state *state;

    for (uint32_t i = 0; i < more; i++) group_must(&group, op_of(E2E_GROUP_INFO, 1, 0, 0));
    state = group_state_new(group);
    assert_non_null(state);
    return state;
}

static void put(struct group_states *states, uint32_t chat, struct group_state *state)
{
    group_states_put(states, chat_of(chat), state);
    group_state_unref(state);
}

/* UINT64_MAX: not known. */
static uint64_t seq_in(struct group_states *states, uint32_t chat)
{
    struct group_state *state = group_states_get(states, chat_of(chat));
    uint64_t seq = state == NULL ? UINT64_MAX : group_state_seq(state);

    group_state_unref(state);
    return seq;
}

static void test_group_states__keep_the_newest_of_a_chat(void **state)
{
    struct group_states *states = group_states_new(4, GROUP_STATES_BYTES_MAX, seed);

    (void)state;
    assert_int_equal(seq_in(states, 1), UINT64_MAX);
    put(states, 1, state_of(2, 1));
    assert_int_equal(seq_in(states, 1), 2);
    put(states, 1, state_of(2, 0));
    assert_int_equal(seq_in(states, 1), 2);
    put(states, 1, state_of(2, 5));
    assert_int_equal(seq_in(states, 1), 6);
    assert_int_equal(seq_in(states, 2), UINT64_MAX);
    assert_int_equal(group_states_count(states), 1);
    group_states_free(states);
}

static void test_group_states__an_end_is_told_of_the_one_that_is_kept(void **state)
{
    struct group_states *states = group_states_new(4, GROUP_STATES_BYTES_MAX, seed);
    struct group_state *kept = state_of(2, 1), *again = state_of(2, 1), *older = state_of(2, 0);

    (void)state;
    group_states_put(states, chat_of(1), kept);
    older->is_end = true;
    put(states, 1, older);
    assert_false(kept->is_end);
    again->is_end = true;
    put(states, 1, again);
    assert_true(kept->is_end);
    group_state_unref(kept);
    group_states_free(states);
}

static void test_group_states__of_a_group_that_nobody_can_know(void **state)
{
    struct group_states *states = group_states_new(4, GROUP_STATES_BYTES_MAX, seed);
    struct group_state *none = group_state_new(NULL);

    (void)state;
    none->is_end = true;
    put(states, 1, none);
    assert_int_equal(seq_in(states, 1), 0);
    group_states_free(states);
}

static void test_group_states__are_so_many_and_not_one_more(void **state)
{
    struct group_states *states = group_states_new(GROUP_STATES_MAX, GROUP_STATES_BYTES_MAX, seed);
    struct group_state *shared = state_of(2, 0);

    (void)state;
    for (uint32_t i = 1; i <= GROUP_STATES_MAX; i++) group_states_put(states, chat_of(i), shared);
    assert_int_equal(group_states_count(states), GROUP_STATES_MAX);
    assert_int_equal(seq_in(states, 1), 1); /* asked for, so it is not the one that goes */
    group_states_put(states, chat_of(GROUP_STATES_MAX + 1), shared);
    assert_int_equal(group_states_count(states), GROUP_STATES_MAX);
    assert_int_equal(seq_in(states, 1), 1);
    assert_int_equal(seq_in(states, 2), UINT64_MAX);
    assert_int_equal(seq_in(states, 3), 1);
    assert_int_equal(seq_in(states, GROUP_STATES_MAX + 1), 1);
    group_states_free(states);
    assert_int_equal(shared->refs, 1);
    group_state_unref(shared);
}

static void test_group_states__take_so_many_bytes_and_not_one_more(void **state)
{
    struct group_state *small = state_of(2, 0), *large = state_of(40, 0);
    const size_t three = 3 * group_state_bytes(small);
    struct group_states *states = group_states_new(100, three, seed);

    (void)state;
    assert_true(group_state_bytes(large) > group_state_bytes(small));
    assert_true(group_state_bytes(large) < 2 * group_state_bytes(small));
    for (uint32_t i = 1; i <= 3; i++) group_states_put(states, chat_of(i), small);
    assert_int_equal(group_states_count(states), 3);
    group_states_put(states, chat_of(4), large); /* more than one that goes leaves free */
    assert_int_equal(group_states_count(states), 2);
    assert_int_equal(seq_in(states, 3), 1);
    assert_int_equal(seq_in(states, 4), 1);
    group_states_free(states);

    states = group_states_new(100, group_state_bytes(large), seed);
    group_states_put(states, chat_of(1), large);
    assert_int_equal(seq_in(states, 1), 1);
    group_states_free(states);
    states = group_states_new(100, group_state_bytes(large) - 1, seed);
    group_states_put(states, chat_of(1), small);
    group_states_put(states, chat_of(2), large);
    assert_int_equal(seq_in(states, 2), UINT64_MAX);
    assert_int_equal(seq_in(states, 1), 1); /* what can never be kept drives nothing out */
    group_states_free(states);
    group_state_unref(small);
    group_state_unref(large);
}

static void test_group_states__drop_the_one_that_is_meant(void **state)
{
    struct group_states *states = group_states_new(4, GROUP_STATES_BYTES_MAX, seed);
    struct group_state *wrong = state_of(2, 0), *newer = state_of(2, 1);

    (void)state;
    group_states_put(states, chat_of(1), wrong);
    group_states_drop(states, chat_of(2), wrong);
    group_states_drop(states, chat_of(1), newer);
    assert_int_equal(seq_in(states, 1), 1);
    group_states_put(states, chat_of(1), newer);
    group_states_drop(states, chat_of(1), wrong);
    assert_int_equal(seq_in(states, 1), 2);
    group_states_drop(states, chat_of(1), newer);
    assert_int_equal(seq_in(states, 1), UINT64_MAX);
    assert_int_equal(group_states_count(states), 0);
    /* Who holds them is not concerned. */
    assert_int_equal(group_state_seq(newer), 2);
    group_state_unref(wrong);
    group_state_unref(newer);
    group_states_free(states);
}

/* ------------------------------------------------------------------------------------------------ memory */

#ifndef HEAP_IS_ANOTHERS
static void test_group_states__keep_nothing_without_memory(void **state)
{
    struct group_state *given = state_of(2, 0);
    bool failed = true;

    (void)state;
    for (unsigned count = 0; failed; count++) {
        struct group_states *states = group_states_new(4, GROUP_STATES_BYTES_MAX, seed);
        heap_fail_after(count);
        group_states_put(states, chat_of(1), given);
        failed = heap_has_failed();
        assert_int_equal(seq_in(states, 1), failed ? UINT64_MAX : 1);
        assert_int_equal(group_states_count(states), failed ? 0 : 1);
        group_states_put(states, chat_of(1), given);
        assert_int_equal(seq_in(states, 1), 1);
        group_states_free(states);
        assert_true(failed || count > 0);
    }
    assert_int_equal(given->refs, 1);
    group_state_unref(given);
    {
        struct e2e_group *group = group_of(1, 2, 1);
        long live = heap_live;
        heap_fail_after(0);
        assert_null(group_state_new(group)); /* and frees it */
        assert_true(heap_has_failed());
        assert_int_equal(heap_live, live - 1);
        heap_fail_after(0);
        assert_null(group_states_new(4, GROUP_STATES_BYTES_MAX, seed));
        assert_true(heap_has_failed());
    }
}
#endif

/* ------------------------------------------------------------------------------------------------ threads */

#define THREADS 4
#define TURNS   4000
#define CHATS   8

struct worker {
    struct group_states *states;
    struct group_state *given[3];
};

static void *turn(void *arg)
{
    struct worker *worker = arg;

    for (uint32_t i = 0; i < TURNS; i++) {
        struct group_state *known = group_states_get(worker->states, chat_of(i % CHATS));
        if (known != NULL && known->group->seq > 3) return worker;
        group_states_put(worker->states, chat_of((i + 1) % CHATS), worker->given[i % 3]);
        if (i % 5 == 0 && known != NULL) group_states_drop(worker->states, chat_of(i % CHATS), known);
        group_state_unref(known);
    }
    return NULL;
}

static void test_group_states__serve_many_threads(void **state)
{
    struct worker worker = {.states = group_states_new(CHATS / 2, GROUP_STATES_BYTES_MAX, seed)};
    pthread_t threads[THREADS];
    void *failed = NULL;

    (void)state;
    for (uint32_t i = 0; i < 3; i++) worker.given[i] = state_of(2, i);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, turn, &worker), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_true(group_states_count(worker.states) <= CHATS / 2);
    group_states_free(worker.states);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(worker.given[i]->refs, 1);
        group_state_unref(worker.given[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_states__keep_the_newest_of_a_chat),
        cmocka_unit_test(test_group_states__an_end_is_told_of_the_one_that_is_kept),
        cmocka_unit_test(test_group_states__of_a_group_that_nobody_can_know),
        cmocka_unit_test(test_group_states__are_so_many_and_not_one_more),
        cmocka_unit_test(test_group_states__take_so_many_bytes_and_not_one_more),
        cmocka_unit_test(test_group_states__drop_the_one_that_is_meant),
#ifndef HEAP_IS_ANOTHERS
        cmocka_unit_test(test_group_states__keep_nothing_without_memory),
#endif
        cmocka_unit_test(test_group_states__serve_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
