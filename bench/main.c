#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench_direct.h"
#include "bench/bench_e2ee.h"
#include "bench/bench_group.h"
#include "bench/bench_log.h"
#include "bench/bench_replay.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *doc;
} benches[] = {
    {"direct", bench_direct, "messages between pairs of people, durable: per CPU-second of the server, latencies"},
    {"e2ee", bench_e2ee, "end-to-end encryption beyond its primitives"},
    {"floor", bench_floor, "what a bare relay that syncs costs, to read `direct` beside it"},
    {"group", bench_group, "a message for all in a large group: bytes, and what it costs the core"},
    {"replay", bench_replay, "a group's signed operations: one that is checked, and all of them read anew"},
    {"idle", bench_idle, "memory of the server per idle connection"},
    {"log", bench_log, "the command log alone"},
};

int main(int argc, char **argv)
{
    if (sodium_init() < 0) return 1;
    for (size_t i = 0; argc > 1 && i < sizeof benches / sizeof benches[0]; i++)
        if (strcmp(argv[1], benches[i].name) == 0) return benches[i].run(argc - 1, argv + 1);
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
        (void)fprintf(stderr, "kith-bench %-8s %s\n", benches[i].name, benches[i].doc);
    return 2;
}
