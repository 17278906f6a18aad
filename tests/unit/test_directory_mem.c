#include "adapters/directory/directory_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "loop/loop_sim.h"
#include "ports/tables.h"

/* What the reference directory does beyond the port: crashes, injected errors, delays. The port: test_directory. */
struct rig {
    struct sim_world *world;
    struct loop *loop;
    struct directory_mem_image *image;
    struct directory *directory;
};

static void rig_open(struct rig *rig, uint64_t seed, uint32_t delay_ms_max)
{
    struct directory_mem_config config = {.seed = seed, .delay_ms_max = delay_ms_max};

    if (rig->world == NULL) rig->world = sim_world_new(seed);
    if (rig->loop == NULL) rig->loop = sim_loop_new(rig->world, "a");
    if (rig->image == NULL) rig->image = directory_mem_image_new(directory_tables);
    assert_int_equal(directory_mem_open(rig->image, &config, &rig->directory), KITH_OK);
}

static void rig_free(struct rig *rig)
{
    if (rig->directory != NULL) rig->directory->ops->close(rig->directory);
    directory_mem_image_free(rig->image);
    sim_world_free(rig->world);
}

/** A call that writes the rows 2n and 2n + 1 of the outbox. */
struct pair {
    struct directory_call call;
    uint64_t n;
    unsigned runs, dones;
};

static kith_err pair_run(struct directory_call *call, struct directory_tx *tx)
{
    struct pair *pair = (struct pair *)call;
    struct outbox_record row = {.outbox_id = 2 * pair->n};
    kith_err err = directory_put(tx, &table_outbox, &row);

    pair->runs++;
    row.outbox_id++;
    return err == KITH_OK ? directory_put(tx, &table_outbox, &row) : err;
}

static void pair_done(struct directory_call *call)
{
    ((struct pair *)call)->dones++;
}

static void pair_start(struct rig *rig, struct pair *pair, uint64_t n)
{
    *pair = (struct pair){.call = {.loop = rig->loop, .run = pair_run, .done = pair_done}, .n = n};
    directory_call(rig->directory, &pair->call);
    assert_int_equal(pair->runs + pair->dones, 0);
}

struct look {
    struct directory_call call;
    uint64_t rows;
    bool done;
};

static bool look_row(void *arg, const void *record)
{
    struct look *look = arg;

    assert_int_equal(((const struct outbox_record *)record)->outbox_id, look->rows);
    look->rows++;
    return true;
}

static kith_err look_run(struct directory_call *call, struct directory_tx *tx)
{
    return directory_scan(tx, &table_outbox, OUTBOX_BY_ID, 0, NULL, false, look_row, call);
}

static void look_done(struct directory_call *call)
{
    ((struct look *)call)->done = true;
}

/** How many rows there are; they are 0, 1, 2, … without a gap. */
static uint64_t rows_count(struct rig *rig)
{
    struct look look = {.call = {.loop = rig->loop, .read_only = true, .run = look_run, .done = look_done}};

    directory_call(rig->directory, &look.call);
    (void)sim_world_run(rig->world, 10000);
    assert_true(look.done);
    assert_int_equal(look.call.err, KITH_OK);
    return look.rows;
}

static void test_directory_mem__a_crash_leaves_each_call_whole_or_absent(void **state)
{
    enum { CALLS = 10 };
    unsigned untold = 0, absent = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rig rig = {0};
        struct pair pairs[CALLS];
        unsigned told = 0, ran = 0;
        uint64_t rows;

        rig_open(&rig, seed, 10);
        for (uint64_t n = 0; n < CALLS; n++) pair_start(&rig, &pairs[n], n);
        for (uint64_t steps = seed % 20; steps > 0; steps--) (void)sim_world_step(rig.world);
        for (unsigned n = 0; n < CALLS; n++) {
            told += pairs[n].dones;
            ran += pairs[n].runs;
        }
        sim_loop_kill(rig.loop);
        memset(pairs, 0xee, sizeof pairs); /* the process is dead, and its memory with it */
        directory_mem_crash(rig.image);
        rig.directory = NULL;
        rig_open(&rig, seed, 10);
        rows = rows_count(&rig);
        assert_int_equal(rows, 2 * ran);
        assert_true(ran >= told);
        untold += ran > told;
        absent += ran < CALLS;
        rig_free(&rig);
    }
    assert_in_range(untold, 20, 190);
    assert_in_range(absent, 20, 190);
}

static void test_directory_mem__told_to_fail_it_changes_nothing_and_says_so(void **state)
{
    enum { CALLS = 20 };
    struct rig rig = {0};
    struct pair pairs[CALLS + 1];
    char reason[128];
    unsigned runs = 0;

    (void)state;
    rig_open(&rig, 1, 3);
    directory_mem_fail_calls(rig.image, KITH_E_NOSPACE, CALLS);
    assert_false(rig.directory->ops->healthy(rig.directory, reason));
    assert_string_equal(reason, "told to fail with NOSPACE");
    for (unsigned n = 0; n <= CALLS; n++) pair_start(&rig, &pairs[n], n == CALLS ? 0 : n);
    (void)sim_world_run(rig.world, 10000);
    for (unsigned n = 0; n <= CALLS; n++) {
        assert_int_equal(pairs[n].dones, 1);
        assert_int_equal(pairs[n].call.err, n == CALLS ? KITH_OK : KITH_E_NOSPACE);
        if (n < CALLS) runs += pairs[n].runs;
    }
    assert_in_range(runs, 1, CALLS - 1); /* some failed before their run, some after */
    assert_int_equal(rows_count(&rig), 2);
    assert_true(rig.directory->ops->healthy(rig.directory, reason));
    assert_string_equal(reason, "");
    rig_free(&rig);
}

static void test_directory_mem__answers_come_in_the_order_of_the_calls_whatever_the_delays(void **state)
{
    enum { CALLS = 30 };

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct rig rig = {0};
        struct pair pairs[CALLS];

        rig_open(&rig, seed, 20);
        for (uint64_t n = 0; n < CALLS; n++) pair_start(&rig, &pairs[n], n);
        while (sim_world_step(rig.world)) {
            for (unsigned n = 1; n < CALLS; n++) {
                assert_true(pairs[n].runs <= pairs[n - 1].runs);
                assert_true(pairs[n].dones <= pairs[n - 1].dones);
            }
        }
        assert_int_equal(pairs[CALLS - 1].dones, 1);
        rig_free(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory_mem__a_crash_leaves_each_call_whole_or_absent),
        cmocka_unit_test(test_directory_mem__told_to_fail_it_changes_nothing_and_says_so),
        cmocka_unit_test(test_directory_mem__answers_come_in_the_order_of_the_calls_whatever_the_delays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
