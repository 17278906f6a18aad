/* log_file through lives, crashes and faults: seeded schedules against the model in log_life.c. KITH_SEEDS=n runs more. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mutant.h"
#include "tests/unit/log_life.h"

static uint64_t below(struct life *life, uint64_t n)
{
    return kith_prng_below(&life->prng, n);
}

static bool chance(struct life *life, uint64_t permille)
{
    return kith_prng_chance(&life->prng, permille, 1000);
}

/* Which faults a schedule has; a seed picks some, so that each is also met alone. */
static void pick_faults(struct life *life, bool *full_disk)
{
    struct sim_image_faults *faults = sim_image_faults(life->image);

    *faults = (struct sim_image_faults){.capacity_bytes = UINT64_MAX, .sync_delay_ms_max = (uint32_t)below(life, 30)};
    if (chance(life, 200)) faults->sync_fail_permille = 30;
    if (chance(life, 200)) faults->dir_sync_fail_permille = 50;
    if (chance(life, 200)) faults->write_fail_permille = 20;
    if (chance(life, 200)) faults->full_write_permille = 50;
    if (chance(life, 250)) faults->off_after_ops = 1 + below(life, 120);
    *full_disk = chance(life, 250);
}

static void disk_fills_and_empties(struct life *life)
{
    struct kith_slice bytes;
    uint64_t used = 0;
    const char *name;

    for (size_t i = 0; (name = sim_image_name(life->image, i)) != NULL; i++)
        if (sim_image_peek(life->image, name, &bytes) == KITH_OK) used += bytes.len;
    sim_image_faults(life->image)->capacity_bytes = chance(life, 500) ? UINT64_MAX : used + below(life, 6000);
}

static void one_act(struct life *life, bool full_disk)
{
    uint64_t what = below(life, 100);

    if (what < 45) {
        for (uint64_t n = 1 + below(life, 8); n > 0; n--) {
            uint32_t len = (uint32_t)(4 + below(life, chance(life, 100) ? 3000 : 200));
            if (life->id_next < LIFE_IDS_MAX - 1) life_append(life, (uint16_t)below(life, LIFE_SHARDS), len);
        }
    } else if (what < 80) {
        life_steps(life, (unsigned)below(life, 40));
    } else if (what < 92) {
        life_run_ms(life, below(life, 1500));
    } else if (what < 95) {
        life_trim(life, life->trimmed + below(life, life->durable - life->trimmed + 1));
    } else if (what < 97 && full_disk) {
        disk_fills_and_empties(life);
    } else if (what < 98) {
        sim_loop_wall_offset(life->home, (int64_t)below(life, 4ull * 24 * 3600 * 1000) - 24 * 3600 * 1000);
    }
}

static void life_ends(struct life *life)
{
    if (sim_image_is_off(life->image))
        life_kill(life, true);
    else if (chance(life, 400))
        life_kill(life, true);
    else if (chance(life, 500))
        life_kill(life, false);
    else
        life_close(life);
    if (sim_image_is_off(life->image)) sim_image_crash(life->image); /* it went while closing */
}

/* After the last life: no faults, and all that was promised must be there. */
static void last_judgement(struct life *life)
{
    kith_err err;

    *sim_image_faults(life->image) = (struct sim_image_faults){.capacity_bytes = UINT64_MAX};
    err = life_open(life);
    if (err != KITH_OK) {
        life_violated(life, "the last start was refused: %s (%s)", kith_err_name(err), life->text.text);
        return;
    }
    life_run_ms(life, 5000);
    life_check_complete(life);
    life_append(life, 0, 20);
    life_run_ms(life, 5000);
    if (life->ids[life->id_next - 1].fate != LIFE_DURABLE)
        life_violated(life, "the log does not take entries any more");
    life_close(life);
}

/* Over all schedules: a fault that never happened has proved nothing. */
static struct sim_image_counters hits;

static void hits_add(const struct sim_image_counters *counters)
{
#define ADD(name, text) hits.name += counters->name;
    SIM_IMAGE_COUNTERS(ADD)
#undef ADD
}

/* Returns a hash of all that happened. */
static uint64_t schedule(uint64_t seed, char violation[static 512])
{
    struct life *life = life_new(seed);
    uint64_t lives = 2 + below(life, 6), hash;

    life->config.segment_age_ms = chance(life, 300) ? 2000 : 24ull * 3600 * 1000;
    life->config.keep_ms = chance(life, 500) ? 0 : 3000;
    life->config.waiting_entries_max = chance(life, 100) ? 10 : 1000;
    for (; lives > 0 && life->violation[0] == '\0'; lives--) {
        bool full_disk = false;
        kith_err err;
        pick_faults(life, &full_disk);
        err = life_open(life);
        if (err != KITH_OK) {
            /* Nothing here damages files: only a disk without power refuses. */
            if (sim_image_is_off(life->image))
                sim_image_crash(life->image);
            else
                life_violated(life, "start refused: %s (%s)", kith_err_name(err), life->text.text);
            continue;
        }
        if (chance(life, 900)) life_run_ms(life, below(life, 3000));
        for (uint64_t acts = below(life, 60); acts > 0 && life->violation[0] == '\0'; acts--) one_act(life, full_disk);
        life_ends(life);
    }
    if (life->violation[0] == '\0') last_judgement(life);
    (void)snprintf(violation, 512, "%s", life->violation);
    hash = sim_world_hash(life->world);
    hits_add(sim_image_counters(life->image));
    life_free(life);
    return hash;
}

static uint64_t seeds_wanted(uint64_t usual)
{
    const char *text = getenv("KITH_SEEDS");
    uint64_t seeds = 0;

    return text != NULL && kith_slice_to_u64(kith_slice_str(text), &seeds) == KITH_OK ? seeds : usual;
}

/* I-D1, I-D3, I-D4: what was answered OK is there after every crash; what was refused for good never is; no hole, no swap. */
static void test_log_crash__promises_hold_over_seeded_crashes_and_faults(void **state)
{
    uint64_t seeds = seeds_wanted(3000);
    char violation[512];

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        (void)schedule(seed, violation);
        if (violation[0] != '\0') fail_msg("SEED=%" PRIu64 ": %s", seed, violation);
    }
    hits.flipped_bits = hits.truncations = 1; /* those are test_log_scan's */
#define CHECK(name, text) \
    if (hits.name == 0) fail_msg("never in %" PRIu64 " seeds: %s", seeds, text);
    SIM_IMAGE_COUNTERS(CHECK)
#undef CHECK
}

static void test_log_crash__the_same_seed_is_the_same_run(void **state)
{
    char violation[512];

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) assert_int_equal(schedule(seed, violation), schedule(seed, violation));
}

#ifdef KITH_MUTANTS
static void test_log_crash__each_planted_bug_is_found(void **state)
{
    static const enum kith_mutant_id planted[] = {KITH_MUTANT_ACK_BEFORE_SYNC, KITH_MUTANT_TORN_TAIL_ACCEPTED,
                                                  KITH_MUTANT_TAIL_DROPPED, KITH_MUTANT_FSYNC_RETRIED};
    char violation[512] = "";

    (void)state;
    for (size_t i = 0; i < sizeof planted / sizeof planted[0]; i++) {
        uint64_t seed = 0;
        kith_mutant_on = planted[i];
        violation[0] = '\0';
        while (violation[0] == '\0' && seed < 3000) (void)schedule(++seed, violation);
        kith_mutant_on = KITH_MUTANT_NONE;
        print_message("planted bug %d: seed %" PRIu64 ": %s\n", (int)planted[i], seed, violation);
        assert_true(violation[0] != '\0');
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_crash__promises_hold_over_seeded_crashes_and_faults),
        cmocka_unit_test(test_log_crash__the_same_seed_is_the_same_run),
#ifdef KITH_MUTANTS
        cmocka_unit_test(test_log_crash__each_planted_bug_is_found),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
