#ifndef KITH_LOOP_TIMER_H
#define KITH_LOOP_TIMER_H

#include "loop/loop.h"

/**
 * A hierarchical timer wheel: starting, moving and stopping a timer is O(1), with any number of them; no allocation.
 *
 * Time is counted in digits of six bits. A timer waits in the level of the highest digit in which its due time differs
 * from the wheel's time, in the slot of that digit. So no slot of a level ever lies behind the wheel's time, the lowest
 * level that is not empty holds the next timers, and a timer moves down at most TIMER_LEVELS - 1 times in its life.
 * Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), scheme 7; the choice of level as in tokio's
 * `time/wheel`.
 *
 * Not thread-safe.
 */
#define TIMER_LEVELS     7
#define TIMER_SLOTS      64
#define TIMER_DUE_MS_MAX ((1ull << (6 * TIMER_LEVELS)) - 1) /* 139 years: later is as good as never */

struct timer_wheel {
    uint64_t now_ms;
    uint64_t occupied[TIMER_LEVELS];                    /* a bit for each slot that is not empty */
    struct loop_timer slots[TIMER_LEVELS][TIMER_SLOTS]; /* heads of circular lists: only prev and next are used */
    struct loop_timer due;                              /* head of what timer_wheel_advance() found */
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);

/** Arms `timer`, or moves it when it is armed. A due time that has passed is due at once: at the next advance. */
void timer_wheel_start(struct timer_wheel *wheel, struct loop_timer *timer, uint64_t due_ms);
/** Not armed: no effect. */
void timer_wheel_stop(struct timer_wheel *wheel, struct loop_timer *timer);

/** When to look again: never later than the first due time, perhaps earlier. UINT64_MAX when nothing is armed. */
uint64_t timer_wheel_next_ms(const struct timer_wheel *wheel);

/**
 * Moves the time on and collects what is due by then; then timer_wheel_take() gives these timers, disarmed, by due time,
 * equal ones in the order they were started; NULL when none is left. What is started meanwhile, even with a due time that
 * has passed, waits for the next advance, so a timer that restarts itself cannot hold the loop.
 */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms);
struct loop_timer *timer_wheel_take(struct timer_wheel *wheel);

#endif
