#ifndef KITH_BENCH_BENCH_REPLAY_H
#define KITH_BENCH_BENCH_REPLAY_H

/**
 * What the signed operations of a group cost the server: one that is checked when the state before it is known, and those that are
 * read anew when it is not. Processor time, no server, no store; median of `runs`.
 *
 *   kith-bench replay [--members 1024] [--operations 1000] [--runs 5]
 */
int bench_replay(int argc, char **argv);

#endif
