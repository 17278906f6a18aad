#ifndef KITH_BENCH_BENCH_E2EE_H
#define KITH_BENCH_BENCH_E2EE_H

/**
 * What kith/1 costs beyond its primitives, both measured in the same process: beginning a session, a message of 600 B, a
 * step of the ratchet, a first message to many devices, the state at rest. No server. Median of `runs`.
 *
 *   kith-bench e2ee [--runs 5] [--devices 3000]
 */
int bench_e2ee(int argc, char **argv);

#endif
