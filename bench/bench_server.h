#ifndef KITH_BENCH_BENCH_SERVER_H
#define KITH_BENCH_BENCH_SERVER_H

#include <sys/types.h>

#include "base/buf.h"

/**
 * A kithd of the benchmark's own: the program beside kith-bench, a fresh data folder below $TMPDIR (else /tmp), free ports
 * of the loopback. Everything it measures of the server is what the kernel says of that process.
 */
struct bench_server {
    const char *program; /* NULL: kithd beside this program */
    unsigned loops;      /* 0: kithd's default              */
    char dir[256], data[280];
    pid_t pid; /* 0: not running */
    uint16_t port, admin_port;
};

/** Makes the folder, on the first start, and waits until the port answers. Says on stderr what went wrong. */
bool bench_server_start(struct bench_server *server);
/** SIGTERM, and waits. Both are fine when it does not run. */
void bench_server_stop(struct bench_server *server);
/** Stops it and deletes its folder. */
void bench_server_end(struct bench_server *server);

struct bench_usage {
    double user_s, system_s; /* of all its threads */
    double rss_bytes;
};
bool bench_server_usage(const struct bench_server *server, struct bench_usage *out);

/** The sum of a metric without labels, 0 when there is none; `text` is what /metrics said. */
double bench_metric(struct kith_slice text, const char *name);

uint64_t bench_now_us(void);
/** Kernel, processors, load average and file system of the data: one line on stdout. */
void bench_print_machine(const struct bench_server *server);

#endif
