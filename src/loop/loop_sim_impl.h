#ifndef KITH_LOOP_LOOP_SIM_IMPL_H
#define KITH_LOOP_LOOP_SIM_IMPL_H

/* What loop_sim.c (a loop) and loop_sim_world.c (all of them, and the clock) share, and nobody else needs. */

#include "loop/loop_sim.h"

struct task_queue {
    struct loop_task *head, **tail;
};

/* What one poster has sent to one loop and is not run yet, in order. */
struct lane {
    unsigned poster; /* sim_loop.id; 0: from outside */
    size_t count, granted;
    uint64_t ready_us;
    struct task_queue queue;
};

/* Where a loop is within one wake-up; the order of loop.h. */
enum phase { ASLEEP, POSTED, TIMERS, DEFERRED, LATE };

struct sim_loop {
    struct loop base;
    struct sim_world *world;
    const char *name;
    unsigned id;
    enum phase phase;
    uint64_t now_ms;    /* read once a wake-up */
    uint64_t paused_us; /* runs nothing before */
    int64_t wall_offset_ms;
    struct lane *lanes;
    size_t lane_count, lane_cap;
    struct task_queue deferred, late, late_now;
    struct loop_timer timers, due; /* rings; ascending in due_ms, then in order of start */
};

struct sim_world {
    struct kith_prng prng;
    uint64_t now_us, steps, steps_here, hash, post_delay_us_max;
    struct sim_loop **loops;
    size_t loop_count, loop_cap;
    unsigned next_id;
    struct sim_loop *current; /* whose callback is running */
    void (*heard)(void *arg, uint64_t now_us, const char *loop_name, const char *what, uint64_t a, uint64_t b);
    void *heard_arg;
};

/* The downcast, checked. */
struct sim_loop *sim_loop_of(struct loop *loop);
void sim_loop_init(struct sim_loop *sim);

/* When the loop next has something to run; UINT64_MAX: never. */
uint64_t sim_loop_due_us(const struct sim_loop *sim);

/* Runs one callback of the wake-up that is due or under way. False: there was none left in it. */
bool sim_loop_run_one(struct sim_loop *sim);

#endif
