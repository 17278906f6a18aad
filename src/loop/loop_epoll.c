#include "loop/loop_epoll.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop_queue.h"
#include "loop/timer.h"

#define RANDOM_POOL_BYTES 512

struct loop_epoll {
    struct loop base;
    int epoll_fd, wake_fd;
    uint64_t now_ms, now_us;
    uint64_t wall_ms; /* 0: not read yet in this wake-up */
    struct task_list deferred, late;
    struct timer_wheel wheel;
    struct loop_epoll_stats stats; /* written here, read by any thread: relaxed atomics */

    struct epoll_event events[LOOP_EPOLL_EVENTS_MAX];
    int events_count, events_next; /* those not served yet are [events_next, events_count) */

    uint8_t coins[RANDOM_POOL_BYTES];
    size_t coins_used;

    /* What other threads write has a cache line of its own. */
    struct task_queue posts __attribute__((aligned(64)));
    bool sleeping; /* atomic: a post must wake us */
    bool stopping; /* atomic */
};

static const struct loop_ops epoll_ops;

static struct loop_epoll *loop_epoll_of(const struct loop *loop)
{
    assert(loop->ops == &epoll_ops);
    return (struct loop_epoll *)loop;
}

static void stat_add(uint64_t *counter, uint64_t n)
{
    /* One writer: a plain addition, stored so that other threads may read it. */
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* -------------------------------------------------------------------------------------------------- clock and coins */

static uint64_t clock_us(clockid_t id)
{
    struct timespec t;
    int failed = clock_gettime(id, &t);

    assert(failed == 0);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void clock_read(struct loop_epoll *self)
{
    self->now_us = clock_us(CLOCK_MONOTONIC);
    self->now_ms = self->now_us / 1000;
    self->wall_ms = 0;
}

static uint64_t now_ms(struct loop *loop)
{
    return loop_epoll_of(loop)->now_ms;
}

static uint64_t wall_ms(struct loop *loop)
{
    struct loop_epoll *self = loop_epoll_of(loop);

    if (self->wall_ms == 0) self->wall_ms = clock_us(CLOCK_REALTIME) / 1000;
    return self->wall_ms;
}

static void random_fill(uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0 && errno == EINTR) continue;
        assert(n > 0); /* without coins nothing here may go on: keys and masks would be guessable */
        out += n;
        len -= (size_t)n;
    }
}

static void random_bytes(struct loop *loop, void *out, size_t len)
{
    struct loop_epoll *self = loop_epoll_of(loop);

    if (len > RANDOM_POOL_BYTES / 4) {
        random_fill(out, len);
        return;
    }
    if (len > RANDOM_POOL_BYTES - self->coins_used) {
        random_fill(self->coins, self->coins_used);
        self->coins_used = 0;
    }
    memcpy(out, self->coins + self->coins_used, len);
    explicit_bzero(self->coins + self->coins_used, len); /* given away: no copy stays here */
    self->coins_used += len;
}

/* ----------------------------------------------------------------------------------------------------------- tasks */

static void defer(struct loop *loop, struct loop_task *task)
{
    task_list_append(&loop_epoll_of(loop)->deferred, task);
}

static void late(struct loop *loop, struct loop_task *task)
{
    task_list_append(&loop_epoll_of(loop)->late, task);
}

static void wake(struct loop_epoll *self)
{
    uint64_t one = 1;
    ssize_t n;

    do n = write(self->wake_fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
    assert(n == sizeof one || errno == EAGAIN);
}

static void post(struct loop *loop, struct loop_task *task)
{
    struct loop_epoll *self = loop_epoll_of(loop);

    task_queue_put(&self->posts, task);
    /* Put, then look whether the loop sleeps; the loop says that it sleeps, then looks at the queue. All four are
     * sequentially consistent, so one of the two sees the other. The exchange leaves the waking to one thread. */
    if (__atomic_load_n(&self->sleeping, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&self->sleeping, false, __ATOMIC_SEQ_CST))
        wake(self);
}

static void timer_start(struct loop *loop, struct loop_timer *timer, uint64_t delay_ms)
{
    struct loop_epoll *self = loop_epoll_of(loop);

    timer_wheel_start(&self->wheel, timer, delay_ms > TIMER_DUE_MS_MAX ? TIMER_DUE_MS_MAX : self->now_ms + delay_ms);
}

static void timer_stop(struct loop *loop, struct loop_timer *timer)
{
    timer_wheel_stop(&loop_epoll_of(loop)->wheel, timer);
}

/* --------------------------------------------------------------------------------------------------------- watches */

static uint32_t epoll_bits(unsigned events)
{
    return ((events & LOOP_READ) != 0 ? (uint32_t)EPOLLIN : 0) | ((events & LOOP_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0);
}

static kith_err watch_start(struct loop *loop, struct loop_watch *watch, unsigned events)
{
    struct loop_epoll *self = loop_epoll_of(loop);
    struct epoll_event event = {.events = epoll_bits(events), .data.ptr = watch};

    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0) {
        assert(errno == ENOMEM || errno == ENOSPC);
        return KITH_E_FULL;
    }
    watch->events = events;
    return KITH_OK;
}

static void watch_change(struct loop *loop, struct loop_watch *watch, unsigned events)
{
    struct epoll_event event = {.events = epoll_bits(events), .data.ptr = watch};
    int failed = epoll_ctl(loop_epoll_of(loop)->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);

    assert(failed == 0);
    watch->events = events;
}

static void watch_stop(struct loop *loop, struct loop_watch *watch)
{
    struct loop_epoll *self = loop_epoll_of(loop);
    int failed = epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);

    assert(failed == 0);
    watch->events = 0;
    /* The kernel may have told us about it already, in this very batch. */
    for (int i = self->events_next; i < self->events_count; i++) {
        if (self->events[i].data.ptr == watch) self->events[i].data.ptr = NULL;
    }
}

/* --------------------------------------------------------------------------------------------------------- running */

static int sleep_ms(struct loop_epoll *self, int wait_ms)
{
    uint64_t due_ms = timer_wheel_next_ms(&self->wheel);
    uint64_t at_ms;

    if (self->deferred.first != NULL || self->late.first != NULL) return 0;
    if (due_ms == UINT64_MAX) return wait_ms;
    at_ms = clock_us(CLOCK_MONOTONIC) / 1000; /* serving the last wake-up may have taken long */
    if (due_ms <= at_ms) return 0;
    due_ms -= at_ms;
    if (due_ms > INT_MAX) due_ms = INT_MAX;
    return wait_ms < 0 || (uint64_t)wait_ms > due_ms ? (int)due_ms : wait_ms;
}

static void sleep_until_ready(struct loop_epoll *self, int wait_ms)
{
    int timeout_ms = sleep_ms(self, wait_ms);
    int n;

    if (timeout_ms != 0) {
        __atomic_store_n(&self->sleeping, true, __ATOMIC_SEQ_CST);
        if (!task_queue_is_empty(&self->posts) || __atomic_load_n(&self->stopping, __ATOMIC_SEQ_CST)) timeout_ms = 0;
    }
    stat_add(&self->stats.busy_us, clock_us(CLOCK_MONOTONIC) - self->now_us);
    n = epoll_wait(self->epoll_fd, self->events, LOOP_EPOLL_EVENTS_MAX, timeout_ms);
    assert(n >= 0 || errno == EINTR);
    __atomic_store_n(&self->sleeping, false, __ATOMIC_RELAXED);
    self->events_count = n < 0 ? 0 : n;
    clock_read(self);
    stat_add(&self->stats.wakeups, 1);
}

static void serve_watches(struct loop_epoll *self)
{
    uint64_t served = 0;

    for (self->events_next = 0; self->events_next < self->events_count;) {
        struct epoll_event *event = &self->events[self->events_next++];
        struct loop_watch *watch = event->data.ptr;
        unsigned events = 0;

        if (watch == NULL) continue; /* stopped, or only the wake-up call */
        if ((event->events & EPOLLIN) != 0) events |= LOOP_READ;
        if ((event->events & EPOLLOUT) != 0) events |= LOOP_WRITE;
        if ((event->events & (EPOLLHUP | EPOLLERR)) != 0) events |= LOOP_HANGUP;
        watch->ready(watch, events);
        served++;
    }
    stat_add(&self->stats.ready, served);
}

static void serve_posts(struct loop_epoll *self)
{
    uint64_t served = 0;
    struct loop_task *task;

    while (served < LOOP_EPOLL_POSTS_MAX && (task = task_queue_take(&self->posts)) != NULL) {
        task->run(task);
        served++;
    }
    stat_add(&self->stats.posted, served);
}

static void serve_timers(struct loop_epoll *self)
{
    struct loop_timer *timer;

    timer_wheel_advance(&self->wheel, self->now_ms);
    while ((timer = timer_wheel_take(&self->wheel)) != NULL) {
        stat_add(&self->stats.timers, 1);
        timer->fire(timer);
    }
}

static void serve_tasks(struct loop_epoll *self)
{
    struct task_list batch;
    struct loop_task *task;
    uint64_t served = 0;

    for (; (task = task_list_take(&self->deferred)) != NULL; served++) task->run(task);
    if (self->late.first != NULL) {
        /* What a late task puts behind itself belongs to the next wake-up, which then comes at once. */
        batch = self->late;
        task_list_init(&self->late);
        for (struct loop_task *next = batch.first; next != NULL; served++) {
            task = next;
            next = task->next; /* the task may be queued again, or freed, while it runs */
            task->run(task);
        }
    }
    stat_add(&self->stats.tasks, served);
}

void loop_epoll_once(struct loop *loop, int wait_ms)
{
    struct loop_epoll *self = loop_epoll_of(loop);

    sleep_until_ready(self, wait_ms);
    serve_watches(self);
    serve_posts(self);
    serve_timers(self);
    serve_tasks(self);
}

void loop_epoll_run(struct loop *loop)
{
    struct loop_epoll *self = loop_epoll_of(loop);

    while (!__atomic_load_n(&self->stopping, __ATOMIC_ACQUIRE)) loop_epoll_once(loop, -1);
    __atomic_store_n(&self->stopping, false, __ATOMIC_RELAXED);
}

void loop_epoll_stop(struct loop *loop)
{
    struct loop_epoll *self = loop_epoll_of(loop);

    __atomic_store_n(&self->stopping, true, __ATOMIC_SEQ_CST);
    wake(self);
}

static const struct loop_ops epoll_ops = {
    .name = "epoll",
    .now_ms = now_ms,
    .wall_ms = wall_ms,
    .random = random_bytes,
    .defer = defer,
    .late = late,
    .post = post,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .watch_start = watch_start,
    .watch_change = watch_change,
    .watch_stop = watch_stop,
};

kith_err loop_epoll_open(struct loop **out)
{
    /* Edge-triggered and never read: each write reports once, and the counter needs ages to be full. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    struct loop_epoll *self = NULL;
    kith_err err = KITH_OK;

    *out = NULL;
    self = aligned_alloc(64, sizeof *self);
    if (self == NULL) return KITH_E_NOMEM;
    memset(self, 0, sizeof *self);
    self->base.ops = &epoll_ops;
    self->coins_used = RANDOM_POOL_BYTES;
    task_list_init(&self->deferred);
    task_list_init(&self->late);
    task_queue_init(&self->posts);
    clock_read(self);
    timer_wheel_init(&self->wheel, self->now_ms);
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    self->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->epoll_fd < 0 || self->wake_fd < 0 ||
        epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, self->wake_fd, &event) != 0) {
        err = KITH_E_FULL;
        goto done;
    }
    *out = &self->base;
    self = NULL;
done:
    if (self != NULL) loop_epoll_close(&self->base);
    return err;
}

void loop_epoll_close(struct loop *loop)
{
    struct loop_epoll *self;

    if (loop == NULL) return;
    self = loop_epoll_of(loop);
    if (self->wake_fd >= 0) (void)close(self->wake_fd);
    if (self->epoll_fd >= 0) (void)close(self->epoll_fd);
    explicit_bzero(self->coins, sizeof self->coins);
    free(self);
}

void loop_epoll_stats(const struct loop *loop, struct loop_epoll_stats *out)
{
    const struct loop_epoll *self = loop_epoll_of(loop);

    out->wakeups = __atomic_load_n(&self->stats.wakeups, __ATOMIC_RELAXED);
    out->ready = __atomic_load_n(&self->stats.ready, __ATOMIC_RELAXED);
    out->posted = __atomic_load_n(&self->stats.posted, __ATOMIC_RELAXED);
    out->timers = __atomic_load_n(&self->stats.timers, __ATOMIC_RELAXED);
    out->tasks = __atomic_load_n(&self->stats.tasks, __ATOMIC_RELAXED);
    out->busy_us = __atomic_load_n(&self->stats.busy_us, __ATOMIC_RELAXED);
}
