#ifndef KITH_LOOP_LOOP_EPOLL_H
#define KITH_LOOP_LOOP_EPOLL_H

#include "loop/loop.h"

/**
 * The event loop over epoll. Idle watches cost the kernel 144 bytes each and us nothing.
 *
 * loop_post() is one atomic exchange, and a write to an eventfd only when the loop sleeps. The clock is read once a
 * wake-up. Times are whole milliseconds, so a timer may fire up to one millisecond early.
 *
 * A post after loop_epoll_close() is a wrong call: stop the posting threads first. Tasks still queued when the loop is
 * closed never run.
 */
#define LOOP_EPOLL_EVENTS_MAX 512  /* ready watches served in one wake-up  */
#define LOOP_EPOLL_POSTS_MAX  4096 /* posted tasks served in one wake-up   */

struct loop_epoll_stats {
    uint64_t wakeups; /* times epoll_wait() returned       */
    uint64_t ready;   /* watches called                    */
    uint64_t posted;  /* tasks taken from other threads    */
    uint64_t timers;  /* timers fired                      */
    uint64_t tasks;   /* deferred and late tasks           */
    uint64_t busy_us; /* time not asleep                   */
};

/** KITH_E_FULL: out of file descriptors. KITH_E_NOMEM. The thread that runs the loop need not be this one. */
KITH_MUST_USE kith_err loop_epoll_open(struct loop **out);
/** Serves wake-ups until loop_epoll_stop(); the wake-up that is under way is finished. May be run again. */
void loop_epoll_run(struct loop *loop);
/** Serves one wake-up: waits at most `wait_ms` for it (-1: without end). For tests and one-shot programs. */
void loop_epoll_once(struct loop *loop, int wait_ms);
/** Any thread; also before loop_epoll_run(), which then returns at once. Also safe in a signal handler. */
void loop_epoll_stop(struct loop *loop);
/** NULL is fine. */
void loop_epoll_close(struct loop *loop);
/** Any thread. Each number is exact; together they may be of different moments. */
void loop_epoll_stats(const struct loop *loop, struct loop_epoll_stats *out);

#endif
