#ifndef KITH_TESTS_PLAIN_LOOP_H
#define KITH_TESTS_PLAIN_LOOP_H

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "loop/loop.h"

/*
 * The smallest loop that real threads may post to: for tests of adapters that have threads of their own, where the
 * simulated loop cannot be used. Turn it with plain_loop_until(). No watches.
 */
struct plain_loop {
    struct loop base;
    pthread_mutex_t lock;
    pthread_cond_t posted_any;
    struct loop_task *posted, **posted_last;     /* under the lock */
    struct loop_task *deferred, **deferred_last; /* the thread's, as all below */
    struct loop_timer timers;                    /* a ring */
};

static uint64_t plain_clock_ms(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static uint64_t plain_now_ms(struct loop *loop)
{
    (void)loop;
    return plain_clock_ms(CLOCK_MONOTONIC);
}

static uint64_t plain_wall_ms(struct loop *loop)
{
    (void)loop;
    return plain_clock_ms(CLOCK_REALTIME);
}

static void plain_random(struct loop *loop, void *out, size_t len)
{
    (void)loop;
    memset(out, 42, len);
}

static void plain_defer(struct loop *loop, struct loop_task *task)
{
    struct plain_loop *plain = (struct plain_loop *)loop;

    task->next = NULL;
    *plain->deferred_last = task;
    plain->deferred_last = &task->next;
}

static void plain_post(struct loop *loop, struct loop_task *task)
{
    struct plain_loop *plain = (struct plain_loop *)loop;

    pthread_mutex_lock(&plain->lock);
    task->next = NULL;
    *plain->posted_last = task;
    plain->posted_last = &task->next;
    pthread_cond_signal(&plain->posted_any);
    pthread_mutex_unlock(&plain->lock);
}

static void plain_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    if (!timer->armed) return;
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->armed = false;
}

static void plain_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    struct plain_loop *plain = (struct plain_loop *)loop;

    plain_timer_stop(loop, timer);
    timer->due_ms = plain_now_ms(loop) + delay_ms;
    timer->armed = true;
    timer->next = &plain->timers;
    timer->prev = plain->timers.prev;
    timer->prev->next = timer->next->prev = timer;
}

static const struct loop_ops plain_ops = {
    .name = "plain",
    .now_ms = plain_now_ms,
    .wall_ms = plain_wall_ms,
    .random = plain_random,
    .defer = plain_defer,
    .late = plain_defer,
    .post = plain_post,
    .timer_start = plain_timer_start,
    .timer_stop = plain_timer_stop,
};

static inline void plain_loop_init(struct plain_loop *plain)
{
    memset(plain, 0, sizeof *plain);
    plain->base.ops = &plain_ops;
    pthread_mutex_init(&plain->lock, NULL);
    pthread_cond_init(&plain->posted_any, NULL);
    plain->posted_last = &plain->posted;
    plain->deferred_last = &plain->deferred;
    plain->timers.next = plain->timers.prev = &plain->timers;
}

static inline void plain_loop_deinit(struct plain_loop *plain)
{
    pthread_cond_destroy(&plain->posted_any);
    pthread_mutex_destroy(&plain->lock);
}

/** Runs what is ready; false when that was nothing. */
static inline bool plain_loop_turn(struct plain_loop *plain)
{
    struct loop_task *posted;
    uint64_t now_ms = plain_now_ms(&plain->base);
    bool any = false;

    pthread_mutex_lock(&plain->lock);
    posted = plain->posted;
    plain->posted = NULL;
    plain->posted_last = &plain->posted;
    pthread_mutex_unlock(&plain->lock);
    while (posted != NULL) {
        struct loop_task *task = posted;

        posted = task->next;
        task->run(task);
        any = true;
    }
    for (struct loop_timer *timer = plain->timers.next; timer != &plain->timers;) {
        if (timer->due_ms <= now_ms) {
            plain_timer_stop(&plain->base, timer);
            timer->fire(timer);
            any = true;
            timer = plain->timers.next; /* the callback may have changed the ring */
        } else {
            timer = timer->next;
        }
    }
    while (plain->deferred != NULL) {
        struct loop_task *task = plain->deferred;

        plain->deferred = task->next;
        if (plain->deferred == NULL) plain->deferred_last = &plain->deferred;
        task->run(task);
        any = true;
    }
    return any;
}

/** Turns until *done; 60 s without anything to run end the test. */
static inline void plain_loop_until(struct plain_loop *plain, const bool *done)
{
    uint64_t give_up_ms = plain_now_ms(&plain->base) + 60000;

    while (!*done) {
        struct timespec until;

        if (plain_loop_turn(plain)) continue;
        if (plain_now_ms(&plain->base) > give_up_ms) abort();
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += plain->timers.next == &plain->timers ? 50000000 : 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_mutex_lock(&plain->lock);
        if (plain->posted == NULL) pthread_cond_timedwait(&plain->posted_any, &plain->lock, &until);
        pthread_mutex_unlock(&plain->lock);
    }
}

#endif
