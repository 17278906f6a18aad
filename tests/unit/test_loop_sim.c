#include "loop/loop_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What ran, in order, as letters. */
struct journal {
    char text[64];
    size_t len;
};

struct item {
    struct loop_task task;
    struct loop_timer timer;
    struct journal *journal;
    struct loop *loop;
    char name;
    void (*then)(struct item *item);
};

static void item_ran(struct item *item)
{
    assert_true(item->journal->len + 1 < sizeof item->journal->text);
    item->journal->text[item->journal->len++] = item->name;
    item->journal->text[item->journal->len] = '\0';
    if (item->then != NULL) item->then(item);
}

static void on_task(struct loop_task *task)
{
    item_ran((struct item *)task);
}

static void on_timer(struct loop_timer *timer)
{
    item_ran((struct item *)((char *)timer - offsetof(struct item, timer)));
}

static struct item item_make(struct loop *loop, struct journal *journal, char name)
{
    return (struct item){.task.run = on_task, .timer.fire = on_timer, .journal = journal, .loop = loop, .name = name};
}

static struct item extra; /* what a `then` starts beside its own item */

static void then_defers_and_flushes(struct item *item)
{
    item->then = NULL;
    loop_late(item->loop, &extra.task);
    item->name = 'd';
    loop_defer(item->loop, &item->task);
}

static void then_defers_again(struct item *item)
{
    if (item->name >= '3') return;
    item->name++;
    loop_defer(item->loop, &item->task);
}

static void test_loop_sim__runs_posted_then_timers_then_deferred_then_late(void **state)
{
    struct sim_world *world = sim_world_new(1);
    struct loop *loop = sim_loop_new(world, "a");
    struct journal journal = {0};
    struct item late = item_make(loop, &journal, 'L'), deferred = item_make(loop, &journal, '1');
    struct item timer = item_make(loop, &journal, 'T'), posted = item_make(loop, &journal, 'P');

    (void)state;
    sim_world_post_delay(world, 0);
    loop_late(loop, &late.task);
    deferred.then = then_defers_again; /* deferred tasks run until none is left, before the late ones */
    loop_defer(loop, &deferred.task);
    loop_timer_start(loop, &timer.timer, 0);
    loop_post(loop, &posted.task);
    assert_true(sim_world_run(world, 100));
    assert_string_equal(journal.text, "PT123L");
    assert_int_equal(sim_world_now_us(world), 0);
    sim_world_free(world);
}

static void test_loop_sim__what_a_late_task_defers_belongs_to_the_next_wake_up(void **state)
{
    struct sim_world *world = sim_world_new(1);
    struct loop *loop = sim_loop_new(world, "a");
    struct journal journal = {0};
    struct item first = item_make(loop, &journal, 'x'), second = item_make(loop, &journal, 'y');

    (void)state;
    extra = item_make(loop, &journal, 'z');
    first.then = then_defers_and_flushes;
    loop_late(loop, &first.task);
    loop_late(loop, &second.task);
    assert_true(sim_world_run(world, 100));
    assert_string_equal(journal.text, "xydz");
    sim_world_free(world);
}

static void test_loop_sim__timers_fire_in_order_of_time_then_of_start(void **state)
{
    struct sim_world *world = sim_world_new(1);
    struct loop *loop = sim_loop_new(world, "a");
    struct journal journal = {0};
    struct item a = item_make(loop, &journal, 'a'), b = item_make(loop, &journal, 'b');
    struct item c = item_make(loop, &journal, 'c'), d = item_make(loop, &journal, 'd');

    (void)state;
    loop_timer_start(loop, &a.timer, 20);
    loop_timer_start(loop, &b.timer, 10);
    loop_timer_start(loop, &c.timer, 10);
    loop_timer_start(loop, &d.timer, 5);
    loop_timer_start(loop, &d.timer, 30); /* again: moves it */
    sim_world_run_until(world, 9);
    assert_string_equal(journal.text, "");
    sim_world_run_until(world, 10);
    assert_string_equal(journal.text, "bc");
    assert_false(b.timer.armed);
    loop_timer_stop(loop, &a.timer);
    loop_timer_stop(loop, &b.timer); /* not armed: no effect */
    assert_int_equal(loop_now_ms(loop), 10);
    assert_true(sim_world_run(world, 100));
    assert_string_equal(journal.text, "bcd");
    assert_int_equal(loop_now_ms(loop), 30);
    sim_world_free(world);
}

/* Posts its three items, one a wake-up, from its own loop. */
struct poster {
    struct loop_task task;
    struct loop *own, *to;
    struct item *items;
    int next;
};

static void poster_run(struct loop_task *task)
{
    struct poster *poster = (struct poster *)task;

    loop_post(poster->to, &poster->items[poster->next++].task);
    if (poster->next < 3) loop_post(poster->own, &poster->task);
}

/* Two posters to one loop: the order that the seed makes of their tasks. */
static uint64_t interleave(uint64_t seed, struct journal *journal)
{
    struct sim_world *world = sim_world_new(seed);
    struct loop *to = sim_loop_new(world, "to");
    struct poster posters[2];
    struct item items[6];
    uint64_t hash;

    *journal = (struct journal){0};
    for (int i = 0; i < 6; i++) items[i] = item_make(to, journal, (char)((i < 3 ? 'a' : 'A') + i % 3));
    for (int i = 0; i < 2; i++) {
        struct loop *own = sim_loop_new(world, i == 0 ? "lower" : "upper");
        posters[i] = (struct poster){.task.run = poster_run, .own = own, .to = to, .items = &items[i * 3]};
        loop_post(own, &posters[i].task);
    }
    assert_true(sim_world_run(world, 1000));
    hash = sim_world_hash(world);
    sim_world_free(world);
    return hash;
}

static void test_loop_sim__keeps_the_order_of_a_poster_and_mixes_posters_by_seed(void **state)
{
    struct journal journal, again, kinds[64] = {0};
    size_t kind_count = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        uint64_t hash = interleave(seed, &journal);
        size_t k = 0;
        assert_int_equal(journal.len, 6);
        for (char c = 'a'; c < 'c'; c++) assert_true(strchr(journal.text, c) < strchr(journal.text, c + 1));
        for (char c = 'A'; c < 'C'; c++) assert_true(strchr(journal.text, c) < strchr(journal.text, c + 1));
        assert_int_equal(interleave(seed, &again), hash);
        assert_string_equal(again.text, journal.text);
        while (k < kind_count && strcmp(kinds[k].text, journal.text) != 0) k++;
        if (k == kind_count) kinds[kind_count++] = journal;
    }
    assert_int_equal(kind_count, 20); /* 6! / (3! 3!): every interleaving there is */
}

static void then_kills_its_loop(struct item *item)
{
    sim_loop_kill(item->loop);
}

static void test_loop_sim__a_killed_loop_forgets_and_can_be_used_again(void **state)
{
    struct sim_world *world = sim_world_new(3);
    struct loop *loop = sim_loop_new(world, "a"), *other = sim_loop_new(world, "b");
    struct journal journal = {0};
    struct item *lost = calloc(4, sizeof *lost);
    struct item killer = item_make(loop, &journal, 'k'), b = item_make(other, &journal, 'b'),
                c = item_make(loop, &journal, 'c');

    (void)state;
    assert_non_null(lost);
    for (int i = 0; i < 4; i++) lost[i] = item_make(loop, &journal, '!');
    sim_world_post_delay(world, 0);
    killer.then = then_kills_its_loop;
    loop_post(loop, &killer.task);
    loop_post(loop, &lost[0].task);
    loop_defer(loop, &lost[1].task);
    loop_late(loop, &lost[2].task);
    loop_timer_start(loop, &lost[3].timer, 0);
    loop_timer_start(other, &b.timer, 5);
    while (journal.len == 0) assert_true(sim_world_step(world));
    free(lost); /* nothing of it may be touched from now on */
    loop_timer_start(loop, &c.timer, 6);
    assert_true(sim_world_run(world, 100));
    assert_string_equal(journal.text, "kbc");
    assert_true(sim_world_idle(world));
    sim_world_free(world);
}

static void test_loop_sim__a_paused_loop_runs_late(void **state)
{
    struct sim_world *world = sim_world_new(3);
    struct loop *loop = sim_loop_new(world, "a");
    struct journal journal = {0};
    struct item timer = item_make(loop, &journal, 't');

    (void)state;
    loop_timer_start(loop, &timer.timer, 5);
    sim_loop_pause(loop, 50);
    sim_world_run_until(world, 49);
    assert_string_equal(journal.text, "");
    sim_world_run_until(world, 50);
    assert_string_equal(journal.text, "t");
    sim_world_free(world);
}

static void test_loop_sim__wall_clocks_jump_each_on_its_own(void **state)
{
    struct sim_world *world = sim_world_new(3);
    struct loop *a = sim_loop_new(world, "a"), *b = sim_loop_new(world, "b");

    (void)state;
    sim_world_run_until(world, 1000);
    sim_loop_wall_offset(b, -3600 * 1000);
    assert_int_equal(loop_wall_ms(a), SIM_WALL_START_MS + 1000);
    assert_int_equal(loop_wall_ms(b), SIM_WALL_START_MS + 1000 - 3600 * 1000);
    sim_loop_wall_offset(b, INT64_MIN / 2);
    assert_int_equal(loop_wall_ms(b), 0);
    assert_int_equal(loop_now_ms(b), 1000);
    sim_world_free(world);
}

static void heard(void *arg, uint64_t now_us, const char *loop_name, const char *what, uint64_t a, uint64_t b)
{
    assert_int_equal(now_us, 0);
    assert_string_equal(loop_name, "");
    assert_string_equal(what, "sent");
    *(uint64_t *)arg += a + b;
}

static void test_loop_sim__notes_change_the_hash_and_are_told(void **state)
{
    struct sim_world *one = sim_world_new(7), *two = sim_world_new(7);
    uint64_t told = 0;

    (void)state;
    assert_int_equal(sim_world_hash(one), sim_world_hash(two));
    sim_world_listen(one, heard, &told);
    sim_world_note(one, "sent", 3, 4);
    assert_int_equal(told, 7);
    assert_int_not_equal(sim_world_hash(one), sim_world_hash(two));
    sim_world_note(two, "sent", 3, 4);
    assert_int_equal(sim_world_hash(one), sim_world_hash(two));
    sim_world_note(one, "sent", 0, 0);
    sim_world_note(two, "sent", 0, 1);
    assert_int_not_equal(sim_world_hash(one), sim_world_hash(two));
    sim_world_free(one);
    sim_world_free(two);
}

static void test_prng__is_reproducible_and_even(void **state)
{
    struct kith_prng a, b, child;
    unsigned buckets[10] = {0};
    uint8_t bytes[13] = {0};

    (void)state;
    kith_prng_seed(&a, 0);
    kith_prng_seed(&b, 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t x = kith_prng_below(&a, 10);
        assert_int_equal(x, kith_prng_below(&b, 10));
        buckets[x]++;
        assert_in_range(kith_prng_between(&a, 5, 7), 5, 7);
        assert_in_range(kith_prng_between(&b, 5, 7), 5, 7);
    }
    for (int i = 0; i < 10; i++) assert_in_range(buckets[i], 9500, 10500);
    child = kith_prng_fork(&a);
    assert_int_not_equal(kith_prng_next(&child), kith_prng_next(&a));
    assert_int_equal(kith_prng_between(&a, 9, 9), 9);
    (void)kith_prng_between(&a, 0, UINT64_MAX);
    assert_true(kith_prng_chance(&a, 1, 1));
    assert_false(kith_prng_chance(&a, 0, 1));
    kith_prng_bytes(&a, bytes, 12);
    assert_int_equal(bytes[12], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_sim__runs_posted_then_timers_then_deferred_then_late),
        cmocka_unit_test(test_loop_sim__what_a_late_task_defers_belongs_to_the_next_wake_up),
        cmocka_unit_test(test_loop_sim__timers_fire_in_order_of_time_then_of_start),
        cmocka_unit_test(test_loop_sim__keeps_the_order_of_a_poster_and_mixes_posters_by_seed),
        cmocka_unit_test(test_loop_sim__a_killed_loop_forgets_and_can_be_used_again),
        cmocka_unit_test(test_loop_sim__a_paused_loop_runs_late),
        cmocka_unit_test(test_loop_sim__wall_clocks_jump_each_on_its_own),
        cmocka_unit_test(test_loop_sim__notes_change_the_hash_and_are_told),
        cmocka_unit_test(test_prng__is_reproducible_and_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
