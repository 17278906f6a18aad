#ifndef KITH_LOOP_LOOP_SIGNAL_H
#define KITH_LOOP_LOOP_SIGNAL_H

#include <signal.h>

#include "loop/loop.h"

/**
 * Signals as events of a loop, through a signalfd. Start it before any other thread: the signals are blocked in the
 * calling thread, and threads that it makes later inherit that. Memory is the caller's, untouched until stopped.
 */
struct loop_signal {
    struct loop_watch watch; /* ours */
    struct loop *loop;       /* ours */
    sigset_t blocked_before; /* ours */
    void (*caught)(struct loop_signal *self, int signo);
};

/** Set `caught` first. `signals` ends with 0. KITH_E_FULL: no descriptor left. */
KITH_MUST_USE kith_err loop_signal_start(struct loop_signal *self, struct loop *loop, const int *signals);
/** Gives this thread its old signal mask back. */
void loop_signal_stop(struct loop_signal *self);

#endif
