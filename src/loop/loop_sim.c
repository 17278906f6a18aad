#include "loop/loop_sim_impl.h"

#include <stdlib.h>

static const struct loop_ops sim_ops;

struct sim_loop *sim_loop_of(struct loop *loop)
{
    assert(loop->ops == &sim_ops);
    return (struct sim_loop *)loop;
}

/* ---------------------------------------------------------------------------------------------- queues and rings */

static void queue_reset(struct task_queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
}

static void queue_push(struct task_queue *queue, struct loop_task *task)
{
    task->next = NULL;
    *queue->tail = task;
    queue->tail = &task->next;
}

static struct loop_task *queue_pop(struct task_queue *queue)
{
    struct loop_task *task = queue->head;

    queue->head = task->next;
    if (queue->head == NULL) queue->tail = &queue->head;
    return task;
}

static void ring_reset(struct loop_timer *ring)
{
    ring->prev = ring->next = ring;
}

static bool ring_empty(const struct loop_timer *ring)
{
    return ring->next == ring;
}

static void ring_put_before(struct loop_timer *place, struct loop_timer *timer)
{
    timer->prev = place->prev;
    timer->next = place;
    place->prev->next = timer;
    place->prev = timer;
}

static void ring_take(struct loop_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
    timer->armed = false;
}

/* ---------------------------------------------------------------------------------------------- the loop's operations */

/* loop.h: every call on the loop's own thread. Outside of any callback stands for set-up and tear-down. */
static void assert_own_thread(const struct sim_loop *sim)
{
    assert(sim->world->current == NULL || sim->world->current == sim);
}

static uint64_t sim_now_ms(struct loop *loop)
{
    struct sim_loop *sim = sim_loop_of(loop);

    return sim->world->current == sim ? sim->now_ms : sim->world->now_us / 1000;
}

static uint64_t sim_wall_ms(struct loop *loop)
{
    struct sim_loop *sim = sim_loop_of(loop);
    int64_t wall = (int64_t)(SIM_WALL_START_MS + sim->world->now_us / 1000) + sim->wall_offset_ms;

    return wall < 0 ? 0 : (uint64_t)wall;
}

static void sim_random(struct loop *loop, void *out, size_t len)
{
    kith_prng_bytes(&sim_loop_of(loop)->world->prng, out, len);
}

static void sim_defer(struct loop *loop, struct loop_task *task)
{
    struct sim_loop *sim = sim_loop_of(loop);

    assert_own_thread(sim);
    queue_push(&sim->deferred, task);
}

static void sim_late(struct loop *loop, struct loop_task *task)
{
    struct sim_loop *sim = sim_loop_of(loop);

    assert_own_thread(sim);
    queue_push(&sim->late, task);
}

static void lane_delay(struct sim_world *world, struct lane *lane)
{
    uint64_t delay_us = 0;

    if (world->post_delay_us_max > 0 && kith_prng_chance(&world->prng, 1, 2))
        delay_us = kith_prng_between(&world->prng, 1, world->post_delay_us_max);
    lane->ready_us = world->now_us + delay_us;
}

static struct lane *lane_of(struct sim_loop *sim, unsigned poster)
{
    for (size_t i = 0; i < sim->lane_count; i++)
        if (sim->lanes[i].poster == poster) return &sim->lanes[i];
    if (sim->lane_count == sim->lane_cap) {
        size_t cap = sim->lane_cap == 0 ? 4 : sim->lane_cap * 2;
        struct lane *lanes = calloc(cap, sizeof *lanes);
        assert(lanes != NULL); /* posting cannot fail, and a simulation without memory has nothing to tell */
        for (size_t i = 0; i < sim->lane_count; i++) {
            lanes[i] = sim->lanes[i];
            if (lanes[i].count == 0) queue_reset(&lanes[i].queue);
        }
        free(sim->lanes);
        sim->lanes = lanes;
        sim->lane_cap = cap;
    }
    sim->lanes[sim->lane_count] = (struct lane){.poster = poster};
    queue_reset(&sim->lanes[sim->lane_count].queue);
    return &sim->lanes[sim->lane_count++];
}

static void sim_post(struct loop *loop, struct loop_task *task)
{
    struct sim_loop *sim = sim_loop_of(loop);
    struct sim_world *world = sim->world;
    struct lane *lane = lane_of(sim, world->current == NULL ? 0 : world->current->id);

    if (lane->count == 0) lane_delay(world, lane);
    queue_push(&lane->queue, task);
    lane->count++;
}

static void sim_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    assert_own_thread(sim_loop_of(loop));
    if (timer->armed) ring_take(timer);
}

static void sim_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    struct sim_loop *sim = sim_loop_of(loop);
    uint64_t now_ms = sim_now_ms(loop);
    struct loop_timer *place = &sim->timers;

    sim_timer_stop(loop, timer);
    timer->due_ms = delay_ms > UINT64_MAX / 2000 ? UINT64_MAX / 1000 : now_ms + delay_ms;
    while (place->prev != &sim->timers && place->prev->due_ms > timer->due_ms) place = place->prev;
    ring_put_before(place, timer);
    timer->armed = true;
}

static kith_err sim_watch_start(struct loop *loop, struct loop_watch *watch, unsigned events)
{
    (void)loop, (void)watch, (void)events;
    assert(!"loop_sim has no files to watch");
    return KITH_E_FULL;
}

static void sim_watch_change(struct loop *loop, struct loop_watch *watch, unsigned events)
{
    (void)loop, (void)watch, (void)events;
    assert(!"loop_sim has no files to watch");
}

static void sim_watch_stop(struct loop *loop, struct loop_watch *watch)
{
    (void)loop, (void)watch;
    assert(!"loop_sim has no files to watch");
}

static const struct loop_ops sim_ops = {
    .name = "sim",
    .now_ms = sim_now_ms,
    .wall_ms = sim_wall_ms,
    .random = sim_random,
    .defer = sim_defer,
    .late = sim_late,
    .post = sim_post,
    .timer_start = sim_timer_start,
    .timer_stop = sim_timer_stop,
    .watch_start = sim_watch_start,
    .watch_change = sim_watch_change,
    .watch_stop = sim_watch_stop,
};

/* ---------------------------------------------------------------------------------------------- one wake-up, in steps */

uint64_t sim_loop_due_us(const struct sim_loop *sim)
{
    uint64_t due_us = UINT64_MAX;

    if (sim->phase != ASLEEP || sim->deferred.head != NULL || sim->late.head != NULL) due_us = 0;
    for (size_t i = 0; i < sim->lane_count; i++)
        if (sim->lanes[i].count > 0 && sim->lanes[i].ready_us < due_us) due_us = sim->lanes[i].ready_us;
    if (!ring_empty(&sim->timers) && sim->timers.next->due_ms * 1000 < due_us) due_us = sim->timers.next->due_ms * 1000;
    if (due_us != UINT64_MAX && due_us < sim->paused_us) due_us = sim->paused_us;
    return due_us;
}

/* How many of the tasks that have arrived this wake-up takes: mostly all, as a thread that drains its queue would. */
static void lanes_grant(struct sim_loop *sim)
{
    struct sim_world *world = sim->world;

    for (size_t i = 0; i < sim->lane_count; i++) {
        struct lane *lane = &sim->lanes[i];
        if (lane->count == 0 || lane->ready_us > world->now_us) continue;
        lane->granted = lane->count;
        if (lane->count > 1 && world->post_delay_us_max > 0 && kith_prng_chance(&world->prng, 1, 4))
            lane->granted = kith_prng_between(&world->prng, 1, lane->count);
    }
}

static struct loop_task *lanes_pop(struct sim_loop *sim)
{
    struct sim_world *world = sim->world;
    size_t ready = 0, pick;

    for (size_t i = 0; i < sim->lane_count; i++) ready += sim->lanes[i].granted > 0;
    if (ready == 0) return NULL;
    pick = ready == 1 ? 0 : kith_prng_below(&world->prng, ready);
    for (size_t i = 0; i < sim->lane_count; i++) {
        struct lane *lane = &sim->lanes[i];
        struct loop_task *task;
        if (lane->granted == 0 || pick-- > 0) continue;
        task = queue_pop(&lane->queue);
        lane->granted--;
        lane->count--;
        if (lane->granted == 0 && lane->count > 0) lane_delay(world, lane);
        return task;
    }
    return NULL;
}

/* Timers that are started from now on, even with no delay, wait for the next wake-up. */
static void timers_split(struct sim_loop *sim)
{
    while (!ring_empty(&sim->timers) && sim->timers.next->due_ms <= sim->now_ms) {
        struct loop_timer *timer = sim->timers.next;
        ring_take(timer);
        ring_put_before(&sim->due, timer);
        timer->armed = true;
    }
}

static void phase_enter(struct sim_loop *sim, enum phase phase)
{
    sim->phase = phase;
    switch (phase) {
    case ASLEEP: break;
    case POSTED:
        sim->now_ms = sim->world->now_us / 1000;
        lanes_grant(sim);
        break;
    case TIMERS: timers_split(sim); break;
    case DEFERRED: break;
    case LATE:
        /* What `late` tasks defer or put there again belongs to the next wake-up. */
        sim->late_now.head = sim->late.head;
        queue_reset(&sim->late);
        break;
    }
}

static struct loop_task *phase_task(struct sim_loop *sim)
{
    if (sim->phase == POSTED) return lanes_pop(sim);
    if (sim->phase == DEFERRED && sim->deferred.head != NULL) return queue_pop(&sim->deferred);
    if (sim->phase == LATE && sim->late_now.head != NULL) return queue_pop(&sim->late_now);
    return NULL;
}

bool sim_loop_run_one(struct sim_loop *sim)
{
    if (sim->phase == ASLEEP) phase_enter(sim, POSTED);
    for (;;) {
        struct loop_task *task = phase_task(sim);
        if (task != NULL) {
            task->run(task);
            return true;
        }
        if (sim->phase == TIMERS && !ring_empty(&sim->due)) {
            struct loop_timer *timer = sim->due.next;
            ring_take(timer);
            timer->fire(timer);
            return true;
        }
        if (sim->phase == LATE) {
            phase_enter(sim, ASLEEP);
            return false;
        }
        phase_enter(sim, sim->phase + 1);
    }
}

/* ------------------------------------------------------------------------------------ what the simulator does to it */

void sim_loop_init(struct sim_loop *sim)
{
    sim->base.ops = &sim_ops;
    sim_loop_kill(&sim->base);
}

void sim_loop_kill(struct loop *loop)
{
    struct sim_loop *sim = sim_loop_of(loop);

    sim->phase = ASLEEP;
    sim->lane_count = 0;
    queue_reset(&sim->deferred);
    queue_reset(&sim->late);
    queue_reset(&sim->late_now);
    ring_reset(&sim->timers);
    ring_reset(&sim->due);
    sim->paused_us = 0;
}

void sim_loop_pause(struct loop *loop, uint64_t ms)
{
    sim_loop_of(loop)->paused_us = ms * 1000;
}

void sim_loop_wall_offset(struct loop *loop, int64_t ms)
{
    sim_loop_of(loop)->wall_offset_ms = ms;
}

int64_t sim_loop_wall_offset_get(struct loop *loop)
{
    return sim_loop_of(loop)->wall_offset_ms;
}

struct sim_world *sim_loop_world(struct loop *loop)
{
    return sim_loop_of(loop)->world;
}

const char *sim_loop_name(struct loop *loop)
{
    return sim_loop_of(loop)->name;
}
