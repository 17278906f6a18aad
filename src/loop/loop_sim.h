#ifndef KITH_LOOP_LOOP_SIM_H
#define KITH_LOOP_LOOP_SIM_H

#include "base/prng.h"
#include "loop/loop.h"

/**
 * Any number of loops in one thread, over one simulated clock. Nothing happens but inside sim_world_step() and its
 * callers; the same seed and the same calls give the same run, callback for callback.
 *
 * One step is one callback. Between two callbacks of a loop any other loop may run, as threads would; which one is the
 * seed's choice. A posted task arrives after a seeded delay; tasks of one poster keep their order, those of different
 * posters are interleaved by the seed. How many of the tasks that have arrived one wake-up takes is the seed's choice
 * too. Calls on a loop that only its own thread may make are asserted to come from it, or from outside any callback.
 *
 * The clock moves only when nothing is ready, straight to the next due thing; callbacks take no time. There are no
 * watches: the simulated network and disk are built of timers and tasks.
 */
struct sim_world;

struct sim_world *sim_world_new(uint64_t seed);
/** Frees the loops too, without running anything. NULL is fine. */
void sim_world_free(struct sim_world *world);

/** Runs the next due callback, after moving the clock there if need be. False: nothing is left, on any loop. */
bool sim_world_step(struct sim_world *world);

/** Runs all that is due in millisecond `ms` or before it; then the clock stands there, or later if it was later. */
void sim_world_run_until(struct sim_world *world, uint64_t ms);

/** Steps until nothing is left, or `steps_max` were made. True: nothing is left. */
bool sim_world_run(struct sim_world *world, uint64_t steps_max);

bool sim_world_idle(const struct sim_world *world);
uint64_t sim_world_now_us(const struct sim_world *world);
uint64_t sim_world_steps(const struct sim_world *world);

/** The world's generator; draw from it only what all runs of a seed draw in the same order. */
struct kith_prng *sim_world_prng(struct sim_world *world);

/** Posted tasks take up to this long to arrive (default 200). 0: none takes any time. */
void sim_world_post_delay(struct sim_world *world, uint64_t us_max);

/*
 * The trace: every step, and every sim_world_note(), goes into one hash; equal hashes mean equal runs. With a listener,
 * each note is also told to it (steps are not: they are too many).
 */
void sim_world_note(struct sim_world *world, const char *what, uint64_t a, uint64_t b);
uint64_t sim_world_hash(const struct sim_world *world);
void sim_world_listen(struct sim_world *world,
                      void (*heard)(void *arg, uint64_t now_us, const char *loop_name, const char *what, uint64_t a,
                                    uint64_t b),
                      void *arg);

/** `name` is kept, for traces; at most SIM_LOOPS_MAX at a time. NULL when there is no memory. */
#define SIM_LOOPS_MAX 4096
struct loop *sim_loop_new(struct sim_world *world, const char *name);
/** As sim_loop_kill(), then gone. */
void sim_loop_free(struct loop *loop);

/**
 * A crash: all tasks and timers of the loop are forgotten without being run or touched (their memory may be gone
 * already); a process with several loops is killed loop by loop. The loop can be used again, at once. May be called from
 * a callback of this very loop.
 */
void sim_loop_kill(struct loop *loop);

/** Runs nothing until `ms` (a stalled thread, a stopped process); what comes due meanwhile is late. */
void sim_loop_pause(struct loop *loop, uint64_t ms);

/** The wall clock is SIM_WALL_START_MS + simulated time + this. Each loop has its own: machines disagree. */
#define SIM_WALL_START_MS 1767225600000ull /* 2026-01-01T00:00:00Z */
void sim_loop_wall_offset(struct loop *loop, int64_t ms);
int64_t sim_loop_wall_offset_get(struct loop *loop);

struct sim_world *sim_loop_world(struct loop *loop);
const char *sim_loop_name(struct loop *loop);

#endif
