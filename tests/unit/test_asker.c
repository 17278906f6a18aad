#include "shard/asker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "loop/loop_sim.h"

/* A log that answers nobody: what is asked waits. */
struct deaf_log {
    struct log base; /* first */
    size_t appended;
};

static void deaf_append(struct log *log, struct log_entry *entry)
{
    ((struct deaf_log *)log)->appended++;
    log_entry_free(entry);
}

static const struct log_ops deaf_ops = {.name = "deaf", .append = deaf_append};

static size_t done_count;

static void done(struct ask *ask)
{
    (void)ask;
    done_count++;
}

static void ask_one(struct asker *asker, struct ask *ask)
{
    struct cmd cmd = {.verb = CMD_READ, .seq = 1};

    *ask = (struct ask){.done = done};
    asker_ask(asker, &cmd, ask);
}

static void test_asker__asks_at_the_limit_and_one_past_it(void **state)
{
    struct sim_world *world = sim_world_new(1);
    struct loop *loop = sim_loop_new(world, "asker");
    struct deaf_log log = {.base.ops = &deaf_ops};
    struct asker *asker = asker_new(&(struct asker_config){.loop = loop, .log = &log.base});
    struct ask *asks = calloc(ASKS_MAX + 1, sizeof *asks), *more = &asks[ASKS_MAX];

    (void)state;
    assert_non_null(asker);
    assert_non_null(asks);
    done_count = 0;
    for (size_t i = 0; i < ASKS_MAX; i++) ask_one(asker, &asks[i]);
    sim_world_run_until(world, 1);
    assert_int_equal(done_count, 0);
    ask_one(asker, more);
    assert_int_equal(done_count, 0); /* never inside the call */
    sim_world_run_until(world, 2);
    assert_int_equal(done_count, 1);
    assert_int_equal(more->answer.code, CODE_UNAVAILABLE);
    assert_int_equal(log.appended, ASKS_MAX); /* surely not stored */
    asker_cancel(asker, &asks[0]);
    ask_one(asker, more);
    sim_world_run_until(world, 3);
    assert_int_equal(done_count, 1);
    assert_int_equal(log.appended, ASKS_MAX + 1);
    asker_free(asker);
    assert_int_equal(done_count, 1 + ASKS_MAX);
    assert_int_equal(more->answer.code, CODE_UNAVAILABLE);
    free(asks);
    sim_world_free(world);
}

static void test_asker__nobody_waits_longer_than_the_timeout(void **state)
{
    struct sim_world *world = sim_world_new(2);
    struct loop *loop = sim_loop_new(world, "asker");
    struct deaf_log log = {.base.ops = &deaf_ops};
    struct asker *asker = asker_new(&(struct asker_config){.loop = loop, .log = &log.base});
    struct ask early, late;

    (void)state;
    assert_non_null(asker);
    done_count = 0;
    ask_one(asker, &early);
    sim_world_run_until(world, 1000);
    ask_one(asker, &late);
    sim_world_run_until(world, ASK_TIMEOUT_MS - 1);
    assert_int_equal(done_count, 0);
    sim_world_run_until(world, ASK_TIMEOUT_MS);
    assert_int_equal(done_count, 1);
    assert_int_equal(early.answer.code, CODE_UNKNOWN_OUTCOME);
    sim_world_run_until(world, ASK_TIMEOUT_MS + 1000);
    assert_int_equal(done_count, 2);
    assert_int_equal(late.answer.code, CODE_UNKNOWN_OUTCOME);
    asker_free(asker);
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asker__asks_at_the_limit_and_one_past_it),
        cmocka_unit_test(test_asker__nobody_waits_longer_than_the_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
