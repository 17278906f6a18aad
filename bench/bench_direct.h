#ifndef KITH_BENCH_BENCH_DIRECT_H
#define KITH_BENCH_BENCH_DIRECT_H

#include <stdbool.h>

/**
 * Pairs of people in direct chats: one sends, the next message when the one before is acknowledged, the other receives. On
 * disk, synced before it is acknowledged. docs/bench.md says what is counted.
 *
 *   kith-bench direct [--pairs 1000] [--bytes 600] [--in-flight 1] [--seconds 5] [--runs 5] [--warm-up 2] [--loops 0]
 *                     [--echo 1] [--kithd PROGRAM]
 */
int bench_direct(int argc, char **argv);

/**
 * Idle connections: how much kithd's memory grows by one that is signed in and subscribed.
 *
 *   kith-bench idle [--connections 5000] [--runs 1] [--loops 0] [--kithd PROGRAM]
 */
int bench_idle(int argc, char **argv);

/**
 * What a durable relay costs that does nothing else, for reading the figure of `direct` beside it.
 *
 *   kith-bench floor [--pairs 1000] [--bytes 600] [--seconds 5] [--runs 5] [--warm-up 2]
 */
int bench_floor(int argc, char **argv);

/** --name VALUE pairs; names is NULL-terminated, values[i] is a double. False: said how on stderr. */
struct bench_option {
    const char *name;
    double *number;
    const char **text;
};
bool bench_options(int argc, char **argv, const struct bench_option *options);

#endif
