#ifndef KITH_GATEWAY_WHEEL_H
#define KITH_GATEWAY_WHEEL_H

#include "loop/loop.h"

/**
 * One timer for all sessions of a gateway: 16 bytes a session instead of a timer of its own. A link sits in the slot of
 * the tick at which it wants a visit; what lies beyond the horizon is visited at the horizon and put back. The loop's
 * timer is armed only for the next slot with anybody in it.
 */
#define WHEEL_TICK_MS 100
#define WHEEL_SLOTS   256 /* horizon 25.6 s */

struct wheel_link {
    struct wheel_link *prev, *next;
};

struct wheel {
    struct loop *loop;
    struct loop_timer timer;
    uint64_t start_ms;
    uint64_t tick_done;  /* slots up to here were visited   */
    uint64_t tick_armed; /* 0: the timer is not armed       */
    uint32_t count;
    bool visiting;
    void (*visit)(struct wheel_link *link); /* unlinked: put it back or let it go */
    void (*swept)(struct wheel *wheel);     /* after the visits of one firing */
    struct wheel_link slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, struct loop *loop);
/** Ticks since wheel_init(), at least 1. */
uint64_t wheel_now(const struct wheel *wheel);
/** Links, or moves, to the slot of `tick` (a past one: the next tick). A zeroed link is not linked. */
void wheel_put(struct wheel *wheel, struct wheel_link *link, uint64_t tick);
void wheel_remove(struct wheel *wheel, struct wheel_link *link);
/** All links; `each` may not remove or move any. */
void wheel_each(struct wheel *wheel, void (*each)(struct wheel_link *link));
/** Any link, or NULL: for walking them away. */
struct wheel_link *wheel_any(const struct wheel *wheel);

#endif
