#ifndef KITH_BENCH_BENCH_GROUP_H
#define KITH_BENCH_BENCH_GROUP_H

/**
 * A message for all in a large encrypted group, with the device lists of its members by name and with their digest: bytes of
 * the frame, and what it costs the core to take it. Processor time, no server; median of `runs`.
 *
 *   kith-bench group [--members 1024] [--runs 5]
 */
int bench_group(int argc, char **argv);

#endif
