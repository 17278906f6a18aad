/* One suite for the log port, run on log_mem, on log_file over a simulated disk, and on log_file over a real folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/conformance/log_rig.h"

static int setup(void **state)
{
    *state = rig_new(*(const enum rig_kind *)*state);
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- the suite */

static void test_log__gives_back_what_was_appended_durable_and_numbered_from_1(void **state)
{
    struct rig *rig = *state;
    struct log_status status;

    rig_open(rig, 1);
    assert_int_equal(rig->followers[0].caught_up, 1);
    assert_int_equal(rig->followers[1].caught_up, 1);
    rig_append(rig, 0, "a0");
    rig_append(rig, 3, "b3");
    rig_append(rig, 1, "c1");
    rig_append(rig, 0, "d0");
    assert_int_equal(rig_count(rig), 0); /* never inside the call */
    rig_run(rig);
    assert_int_equal(rig->followers[0].count, 3);
    assert_int_equal(rig->followers[1].count, 1);
    assert_memory_equal(rig_got(rig, 0, 0)->first, "a0", 2);
    assert_memory_equal(rig_got(rig, 0, 1)->first, "c1", 2);
    assert_memory_equal(rig_got(rig, 0, 2)->first, "d0", 2);
    assert_memory_equal(rig_got(rig, 1, 0)->first, "b3", 2);
    assert_int_equal(rig_got(rig, 0, 0)->position, 1);
    assert_int_equal(rig_got(rig, 1, 0)->position, 2);
    assert_int_equal(rig_got(rig, 0, 1)->position, 3);
    assert_int_equal(rig_got(rig, 0, 2)->position, 4);
    assert_false(rig_got(rig, 0, 0)->replayed);
    assert_int_equal(rig_got(rig, 0, 0)->err, KITH_OK);
    log_status(rig->log, &status);
    assert_true(status.writable);
    assert_string_equal(status.reason, "");
    assert_int_equal(status.appended, 4);
    assert_int_equal(status.position_first, 1);
    assert_int_equal(status.position_durable, 4);
    assert_true(status.synced_batches >= 1);
}

static void test_log__replays_in_order_says_caught_up_once_then_goes_on(void **state)
{
    struct rig *rig = *state;
    char body[24];

    rig_open(rig, 1);
    for (int i = 0; i < 500; i++) {
        (void)snprintf(body, sizeof body, "entry %d", i);
        rig_append(rig, (uint16_t)(i % 6), body);
        if (i % 37 == 0) rig_run(rig);
    }
    rig_run(rig);
    rig_close(rig);

    assert_int_equal(rig_try_open(rig, 1), KITH_OK);
    rig_append(rig, 2, "made while it replays");
    rig_run(rig);
    assert_int_equal(rig_count(rig), 501);
    for (int f = 0; f < RIG_FOLLOWERS; f++) {
        uint64_t last = 0;
        assert_int_equal(rig->followers[f].caught_up, 1);
        for (size_t i = 0; i < rig->followers[f].count; i++) {
            struct rig_got *got = rig_got(rig, f, i);
            assert_true(got->position > last);
            last = got->position;
            if (got->position == 501) break;
            (void)snprintf(body, sizeof body, "entry %d", (int)got->position - 1);
            assert_memory_equal(got->first, body, strlen(body));
            assert_int_equal(got->shard, (got->position - 1) % 6);
            assert_true(got->replayed);
            assert_false(got->after_caught_up);
            assert_int_equal(got->err, KITH_OK);
        }
    }
    assert_int_equal(rig_got(rig, 0, rig->followers[0].count - 1)->position, 501);
    assert_true(rig_got(rig, 0, rig->followers[0].count - 1)->after_caught_up);
    assert_false(rig_got(rig, 0, rig->followers[0].count - 1)->replayed);
}

static void test_log__replays_each_shard_from_its_own_position(void **state)
{
    struct rig *rig = *state;

    rig_open(rig, 1);
    for (int i = 0; i < 12; i++) rig_append(rig, (uint16_t)(i % 6), "x");
    rig_run(rig);
    rig_close(rig);
    rig_open(rig, 8);
    assert_int_equal(rig_count(rig), 5); /* 8 to 12 */
    assert_int_equal(rig_got(rig, 0, 0)->position, 8);
    rig_close(rig);
    rig_open(rig, 13); /* the end: nothing to replay */
    assert_int_equal(rig_count(rig), 0);
    assert_int_equal(rig->followers[1].caught_up, 1);
    rig_append(rig, 5, "y");
    rig_run(rig);
    assert_int_equal(rig_got(rig, 1, 0)->position, 13);
}

static void test_log__refuses_a_store_of_another_life(void **state)
{
    struct rig *rig = *state;

    rig_open(rig, 1);
    rig_append(rig, 0, "x");
    rig_run(rig);
    rig_close(rig);
    assert_int_equal(rig_try_open(rig, 3), KITH_E_DAMAGED);
    rig_drop(rig);
    assert_int_equal(rig_try_open(rig, 2), KITH_OK);
    rig_kill(rig);
}

/* I-D1: whatever was told to be durable is there after a kill at any moment, and nothing else has changed. */
static void test_log__keeps_what_it_delivered_over_a_kill(void **state)
{
    struct rig *rig = *state;
    uint64_t durable = 0;

    for (int life = 0; life < 20; life++) {
        rig_open(rig, 1);
        assert_true(rig_count(rig) >= durable);
        for (int i = 0; i < 30; i++) rig_append(rig, (uint16_t)(i % 6), "some body");
        for (int i = 0; i < life * 7; i++) (void)sim_world_step(rig->world);
        for (int f = 0; f < RIG_FOLLOWERS; f++) {
            for (size_t i = 0; i < rig->followers[f].count; i++)
                if (rig_got(rig, f, i)->position > durable) durable = rig_got(rig, f, i)->position;
        }
        rig_kill(rig);
    }
    rig_open(rig, 1);
    assert_true(rig_count(rig) >= durable);
    assert_true(durable > 30);
}

static void test_log__takes_bodies_of_nothing_and_of_the_maximum(void **state)
{
    struct rig *rig = *state;
    struct log_entry *entry;

    rig_open(rig, 1);
    rig_append(rig, 0, "");
    for (int i = 0; i < 4; i++) {
        entry = log_entry_new(0, LOG_CONTROL, LOG_BODY_BYTES_MAX);
        assert_non_null(entry);
        memset(entry->body, 'm', LOG_BODY_BYTES_MAX);
        log_append(rig->log, entry);
    }
    rig_append(rig, 0, "1234567");
    rig_run(rig);
    rig_kill(rig);
    rig_open(rig, 1);
    assert_int_equal(rig->followers[0].count, 6);
    assert_int_equal(rig_got(rig, 0, 0)->len, 0);
    assert_int_equal(rig_got(rig, 0, 3)->len, LOG_BODY_BYTES_MAX);
    assert_memory_equal(rig_got(rig, 0, 3)->first, "mmmmmmmm", 8);
    assert_memory_equal(rig_got(rig, 0, 5)->first, "1234567", 7);
}

static void test_log__close_delivers_what_is_durable_and_refuses_the_rest(void **state)
{
    struct rig *rig = *state;
    size_t kept = 0, refused = 0, kept_before = 0;

    rig_open(rig, 1);
    for (int i = 0; i < 20; i++) rig_append(rig, (uint16_t)(i % 6), "x");
    for (int i = 0; i < 5; i++) (void)sim_world_step(rig->world);
    for (int i = 0; i < 20; i++) rig_append(rig, (uint16_t)(i % 6), "y");
    rig_start_closing(rig);
    rig_append(rig, 0, "too late");
    rig_run(rig);
    assert_true(rig->closed);
    assert_int_equal(rig_count(rig), 41); /* each exactly once */
    for (int f = 0; f < RIG_FOLLOWERS; f++) {
        for (size_t i = 0; i < rig->followers[f].count; i++) {
            struct rig_got *got = rig_got(rig, f, i);
            assert_true(got->err == KITH_OK || got->err == KITH_E_CLOSED);
            assert_true((got->err == KITH_OK) == (got->position > 0));
            if (got->err == KITH_OK)
                kept++;
            else
                refused++;
        }
    }
    assert_true(refused >= 1);
    kept_before = kept;
    rig_drop(rig);
    rig_open(rig, 1);
    assert_int_equal(rig_count(rig), kept_before);
}

struct maker {
    struct loop_task task;
    struct rig *rig;
    int next;
};

static void maker_run(struct loop_task *task)
{
    struct maker *maker = (struct maker *)task;
    char body[24];

    (void)snprintf(body, sizeof body, "%d", maker->next++);
    rig_append(maker->rig, 0, body);
    if (maker->next < 100) loop_post(maker->rig->maker, task);
}

static void test_log__keeps_the_order_of_an_appending_thread(void **state)
{
    struct rig *rig = *state;
    struct maker maker = {.task.run = maker_run, .rig = rig};
    char body[24];

    rig_open(rig, 1);
    loop_post(rig->maker, &maker.task);
    rig_run(rig);
    assert_int_equal(rig->followers[0].count, 100);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        assert_memory_equal(rig_got(rig, 0, (size_t)i)->first, body, strlen(body));
    }
}

/* I-D4: from the first failed sync on nothing is answered as durable, until the log was opened anew. */
static void test_log__after_a_failed_sync_nothing_is_durable_any_more(void **state)
{
    struct rig *rig = *state;
    struct log_status status;

    if (rig->kind == RIG_FILE_ON_POSIX) skip(); /* its syncs do not fail on demand */
    rig_open(rig, 1);
    rig_append(rig, 0, "kept");
    rig_run(rig);
    rig->store.sync_fails = true;
    sim_image_faults(rig->image)->sync_failures = 1;
    rig_append(rig, 0, "in doubt");
    rig_run(rig);
    rig_append(rig, 0, "not written");
    rig_run(rig);
    assert_int_equal(rig->followers[0].count, 3);
    assert_int_equal(rig_got(rig, 0, 1)->err, KITH_E_IO);
    assert_int_equal(rig_got(rig, 0, 2)->err, KITH_E_READ_ONLY);
    log_status(rig->log, &status);
    assert_false(status.writable);
    assert_true(strlen(status.reason) > 0);
    assert_int_equal(status.position_durable, 1);
    assert_int_equal(status.refused, 2);
    rig_close(rig);

    rig_open(rig, 1);
    assert_true(rig->followers[0].count <= 2);
    assert_memory_equal(rig_got(rig, 0, 0)->first, "kept", 4);
    rig_append(rig, 0, "again");
    rig_run(rig);
    assert_int_equal(rig_got(rig, 0, rig->followers[0].count - 1)->err, KITH_OK);
}

static void test_log__a_full_disk_refuses_without_a_trace_and_heals(void **state)
{
    struct rig *rig = *state;
    struct log_status status;
    size_t kept = 0;

    if (rig->kind == RIG_FILE_ON_POSIX) skip(); /* see tests/scenario: a small file system is needed */
    rig_open(rig, 1);
    rig_append(rig, 0, "kept");
    rig_run(rig);
    rig->store.full = true;
    sim_image_faults(rig->image)->full_writes = 1;
    rig_append(rig, 0, "refused");
    while (rig->followers[0].count < 2) assert_true(sim_world_step(rig->world));
    assert_int_equal(rig_got(rig, 0, 1)->err, KITH_E_READ_ONLY);
    log_status(rig->log, &status);
    assert_false(status.writable);
    rig->store.full = false;
    rig_run(rig);
    rig_append(rig, 0, "kept too");
    rig_run(rig);
    assert_int_equal(rig_got(rig, 0, 2)->err, KITH_OK);
    assert_int_equal(rig_got(rig, 0, 2)->position, 2);
    log_status(rig->log, &status);
    assert_true(status.writable);
    rig_kill(rig);
    rig_open(rig, 1);
    kept = rig->followers[0].count;
    assert_int_equal(kept, 2);
    assert_memory_equal(rig_got(rig, 0, 1)->first, "kept too", 8);
}

static void test_log__forgets_what_was_trimmed_and_refuses_to_replay_it(void **state)
{
    struct rig *rig = *state;
    struct log_status status;
    char body[4096];
    uint64_t first;

    memset(body, 'z', sizeof body);
    body[sizeof body - 1] = '\0';
    rig->store.forget_at_once = true;
    rig->config.keep_ms = 0;
    rig_open(rig, 1);
    for (int i = 0; i < 300; i++) {
        rig_append(rig, 0, body);
        if (i % 20 == 0) rig_run(rig);
    }
    rig_run(rig);
    log_status(rig->log, &status);
    assert_int_equal(status.position_first, 1); /* nothing goes unasked */
    log_trim(rig->log, 290);
    rig_run(rig);
    log_status(rig->log, &status);
    first = status.position_first;
    assert_in_range(first, 2, 291);
    rig_close(rig);
    assert_int_equal(rig_try_open(rig, first - 1), KITH_E_DAMAGED);
    rig_drop(rig);
    rig_open(rig, first);
    assert_int_equal(rig->followers[0].count, 300 - (first - 1));
    assert_int_equal(rig_got(rig, 0, 0)->position, first);
}

static enum rig_kind kinds[] = {RIG_MEM, RIG_FILE_ON_SIM, RIG_FILE_ON_POSIX};

#define ON(f, kind, text) {#f " [" text "]", f, setup, teardown, &kinds[kind]}
#define ON_EACH(f) \
    ON(f, RIG_MEM, "mem"), ON(f, RIG_FILE_ON_SIM, "file on sim"), ON(f, RIG_FILE_ON_POSIX, "file on posix")

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(test_log__gives_back_what_was_appended_durable_and_numbered_from_1),
        ON_EACH(test_log__replays_in_order_says_caught_up_once_then_goes_on),
        ON_EACH(test_log__replays_each_shard_from_its_own_position),
        ON_EACH(test_log__refuses_a_store_of_another_life),
        ON_EACH(test_log__keeps_what_it_delivered_over_a_kill),
        ON_EACH(test_log__takes_bodies_of_nothing_and_of_the_maximum),
        ON_EACH(test_log__close_delivers_what_is_durable_and_refuses_the_rest),
        ON_EACH(test_log__keeps_the_order_of_an_appending_thread),
        ON_EACH(test_log__after_a_failed_sync_nothing_is_durable_any_more),
        ON_EACH(test_log__a_full_disk_refuses_without_a_trace_and_heals),
        ON_EACH(test_log__forgets_what_was_trimmed_and_refuses_to_replay_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
