#ifndef KITH_BENCH_BENCH_LOG_H
#define KITH_BENCH_BENCH_LOG_H

/**
 * The log alone: one follower keeps `in_flight` entries of `bytes` on their way through log_file on a real folder for
 * `seconds`, then replays them. Prints records a second, records per CPU-second, latencies and syncs.
 *
 *   kith-bench log [--dir DIR] [--in-flight 1000] [--bytes 600] [--seconds 5]
 */
int bench_log(int argc, char **argv);

#endif
