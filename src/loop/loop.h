#ifndef KITH_LOOP_LOOP_H
#define KITH_LOOP_LOOP_H

#include <assert.h>

#include "base/slice.h"

/**
 * One thread's event loop, behind a completion-style interface. loop_epoll.c is the real one (one per core, and one for
 * the log); loop_sim.c runs any number of them in one thread over simulated time, for the simulator and unit tests.
 *
 * All memory is the caller's: a task, timer or watch must stay untouched from the call that hands it over until its
 * callback runs (or it is stopped). So nothing here allocates, no call fails for want of memory, and every queue is
 * bounded by whoever owns the tasks in it.
 *
 * Order inside one wake-up: ready watches, posted tasks, due timers, deferred tasks until none is left, and last the
 * `late` tasks. A connection puts its flush into `late`, so that everything one wake-up produced leaves in one write.
 *
 * Thread: every call on the loop's own thread, but loop_post(), which any thread may make.
 */
struct loop_task {
    struct loop_task *next; /* the loop's */
    void (*run)(struct loop_task *task);
};

struct loop_timer {
    struct loop_timer *prev, *next; /* the loop's */
    uint64_t due_ms;                /* the loop's; on the monotonic clock */
    bool armed;                     /* the loop's; zero it before first use */
    void (*fire)(struct loop_timer *timer);
};

enum loop_event { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

struct loop_watch {
    int fd;
    unsigned events; /* LOOP_READ | LOOP_WRITE asked for; the loop's copy */
    void (*ready)(struct loop_watch *watch, unsigned events);
};

struct loop {
    const struct loop_ops *ops;
};

struct loop_ops {
    const char *name;
    uint64_t (*now_ms)(struct loop *loop);                    /* monotonic; read once a wake-up, so it is cheap */
    uint64_t (*wall_ms)(struct loop *loop);                   /* since 1970, UTC; may step, so only for stamps  */
    void (*random)(struct loop *loop, void *out, size_t len); /* unpredictable (but in the simulator) */
    void (*defer)(struct loop *loop, struct loop_task *task); /* soon, on this thread, never inside the call */
    void (*late)(struct loop *loop, struct loop_task *task);  /* at the end of this wake-up */
    void (*post)(struct loop *loop, struct loop_task *task);  /* from any thread; order per posting thread is kept */
    void (*timer_start)(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms); /* again: moves it */
    void (*timer_stop)(struct loop *loop, struct loop_timer *timer);                     /* not armed: no effect */
    /* Level-triggered. Errors: KITH_E_FULL (too many fds). Not offered by loop_sim. */
    kith_err (*watch_start)(struct loop *loop, struct loop_watch *watch, unsigned events);
    void (*watch_change)(struct loop *loop, struct loop_watch *watch, unsigned events);
    void (*watch_stop)(struct loop *loop, struct loop_watch *watch); /* before its fd is closed */
};

static inline uint64_t loop_now_ms(struct loop *loop)
{
    return loop->ops->now_ms(loop);
}

static inline uint64_t loop_wall_ms(struct loop *loop)
{
    return loop->ops->wall_ms(loop);
}

static inline void loop_random(struct loop *loop, void *out, size_t len)
{
    loop->ops->random(loop, out, len);
}

static inline void loop_defer(struct loop *loop, struct loop_task *task)
{
    assert(task->run != NULL);
    loop->ops->defer(loop, task);
}

static inline void loop_late(struct loop *loop, struct loop_task *task)
{
    assert(task->run != NULL);
    loop->ops->late(loop, task);
}

static inline void loop_post(struct loop *loop, struct loop_task *task)
{
    assert(task->run != NULL);
    loop->ops->post(loop, task);
}

static inline void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    assert(timer->fire != NULL);
    loop->ops->timer_start(loop, timer, delay_ms);
}

static inline void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    loop->ops->timer_stop(loop, timer);
}

static inline KITH_MUST_USE kith_err loop_watch_start(struct loop *loop, struct loop_watch *watch, unsigned events)
{
    assert(watch->ready != NULL);
    return loop->ops->watch_start(loop, watch, events);
}

static inline void loop_watch_change(struct loop *loop, struct loop_watch *watch, unsigned events)
{
    if (watch->events != events) loop->ops->watch_change(loop, watch, events);
}

static inline void loop_watch_stop(struct loop *loop, struct loop_watch *watch)
{
    loop->ops->watch_stop(loop, watch);
}

#endif
