#include "loop/loop_sim_impl.h"

#include <stdlib.h>

/* A world in which this many callbacks ran without the clock moving has a loop that feeds itself. */
#define STEPS_WITHOUT_TIME_MAX 20000000u
#define POST_DELAY_US_MAX      200

static void hash_add(struct sim_world *world, uint64_t x)
{
    world->hash = (world->hash ^ x) * 0x100000001b3u;
    world->hash ^= world->hash >> 29;
}

struct sim_world *sim_world_new(uint64_t seed)
{
    struct sim_world *world = calloc(1, sizeof *world);

    if (world == NULL) return NULL;
    kith_prng_seed(&world->prng, seed);
    world->hash = 0xcbf29ce484222325u;
    world->next_id = 1;
    world->post_delay_us_max = POST_DELAY_US_MAX;
    return world;
}

void sim_world_free(struct sim_world *world)
{
    if (world == NULL) return;
    while (world->loop_count > 0) sim_loop_free(&world->loops[world->loop_count - 1]->base);
    free(world->loops);
    free(world);
}

/* The next moment at which something can run, and how many loops can run then. */
static uint64_t next_due(const struct sim_world *world, size_t *ready)
{
    uint64_t next_us = UINT64_MAX;

    *ready = 0;
    for (size_t i = 0; i < world->loop_count; i++) {
        uint64_t due_us = sim_loop_due_us(world->loops[i]);
        if (due_us == UINT64_MAX) continue;
        if (due_us < world->now_us) due_us = world->now_us;
        if (due_us < next_us) {
            next_us = due_us;
            *ready = 0;
        }
        if (due_us == next_us) ++*ready;
    }
    return next_us;
}

static struct sim_loop *pick_ready(struct sim_world *world, size_t ready)
{
    size_t pick = ready == 1 ? 0 : kith_prng_below(&world->prng, ready);

    for (size_t i = 0; i < world->loop_count; i++)
        if (sim_loop_due_us(world->loops[i]) <= world->now_us && pick-- == 0) return world->loops[i];
    return NULL;
}

/* One callback, if one is due at or before `until_us`. */
static bool step_until(struct sim_world *world, uint64_t until_us)
{
    assert(world->current == NULL);
    for (;;) {
        size_t ready = 0;
        uint64_t due_us = next_due(world, &ready);
        bool ran;

        if (due_us == UINT64_MAX || due_us > until_us) return false;
        if (due_us > world->now_us) world->steps_here = 0;
        world->now_us = due_us;
        world->current = pick_ready(world, ready);
        assert(world->current != NULL);
        hash_add(world, world->now_us ^ (uint64_t)world->current->id << 48);
        ran = sim_loop_run_one(world->current);
        world->current = NULL;
        if (!ran) continue;
        world->steps++;
        world->steps_here++;
        assert(world->steps_here < STEPS_WITHOUT_TIME_MAX);
        return true;
    }
}

bool sim_world_step(struct sim_world *world)
{
    return step_until(world, UINT64_MAX);
}

void sim_world_run_until(struct sim_world *world, uint64_t ms)
{
    while (step_until(world, ms * 1000 + 999)) continue;
    if (world->now_us < ms * 1000) world->now_us = ms * 1000;
}

bool sim_world_run(struct sim_world *world, uint64_t steps_max)
{
    for (uint64_t i = 0; i < steps_max; i++)
        if (!sim_world_step(world)) return true;
    return sim_world_idle(world);
}

bool sim_world_idle(const struct sim_world *world)
{
    size_t ready = 0;

    return next_due(world, &ready) == UINT64_MAX;
}

uint64_t sim_world_now_us(const struct sim_world *world)
{
    return world->now_us;
}

uint64_t sim_world_steps(const struct sim_world *world)
{
    return world->steps;
}

struct kith_prng *sim_world_prng(struct sim_world *world)
{
    return &world->prng;
}

void sim_world_post_delay(struct sim_world *world, uint64_t us_max)
{
    world->post_delay_us_max = us_max;
}

void sim_world_note(struct sim_world *world, const char *what, uint64_t a, uint64_t b)
{
    for (const char *c = what; *c != '\0'; c++) hash_add(world, (uint8_t)*c);
    hash_add(world, a);
    hash_add(world, b);
    if (world->heard != NULL)
        world->heard(world->heard_arg, world->now_us, world->current == NULL ? "" : world->current->name, what, a, b);
}

uint64_t sim_world_hash(const struct sim_world *world)
{
    return world->hash;
}

void sim_world_listen(struct sim_world *world,
                      void (*heard)(void *arg, uint64_t now_us, const char *loop_name, const char *what, uint64_t a,
                                    uint64_t b),
                      void *arg)
{
    world->heard = heard;
    world->heard_arg = arg;
}

/* ---------------------------------------------------------------------------------------------- loops come and go */

struct loop *sim_loop_new(struct sim_world *world, const char *name)
{
    struct sim_loop *sim;

    assert(world->loop_count < SIM_LOOPS_MAX);
    if (world->loop_count == world->loop_cap) {
        size_t cap = world->loop_cap == 0 ? 8 : world->loop_cap * 2;
        struct sim_loop **loops = realloc(world->loops, cap * sizeof *loops);
        if (loops == NULL) return NULL;
        world->loops = loops;
        world->loop_cap = cap;
    }
    sim = calloc(1, sizeof *sim);
    if (sim == NULL) return NULL;
    sim->world = world;
    sim->name = name;
    sim->id = world->next_id++;
    world->loops[world->loop_count++] = sim;
    sim_loop_init(sim);
    return &sim->base;
}

void sim_loop_free(struct loop *loop)
{
    struct sim_loop *sim = sim_loop_of(loop);
    struct sim_world *world = sim->world;
    size_t i = 0;

    assert(world->current != sim);
    while (world->loops[i] != sim) i++;
    /* The others keep their order: which loop a number picks must not depend on who left. */
    for (world->loop_count--; i < world->loop_count; i++) world->loops[i] = world->loops[i + 1];
    free(sim->lanes);
    free(sim);
}
