#include "bench/bench_log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "adapters/disk/disk_posix.h"
#include "adapters/log/log_file.h"
#include "loop/loop_epoll.h"

#define SAMPLES_MAX (1u << 20)

struct bench {
    struct log_follower base;
    struct log *log;
    struct disk *disk;
    struct loop *home;
    pthread_t thread;
    const char *dir;
    unsigned in_flight;
    uint32_t bytes;
    double seconds;

    uint64_t until_us, done, replayed, refused, out;
    bool caught_up, closed;
    uint32_t *samples_us;
    size_t sample_count;
};

static uint64_t clock_us(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
}

static uint64_t now_us(void *arg)
{
    (void)arg;
    return clock_us(CLOCK_MONOTONIC);
}

static void append(struct bench *bench, struct log_entry *entry)
{
    uint64_t at = clock_us(CLOCK_MONOTONIC);

    memcpy(entry->body, &at, sizeof at);
    bench->out++;
    log_append(bench->log, entry);
}

static void on_entry(struct bench *bench, struct log_entry *entry, uint64_t at)
{
    uint64_t from = 0;

    if (entry->replayed) {
        bench->replayed++;
        log_entry_free(entry);
        return;
    }
    bench->out--;
    bench->done += entry->err == KITH_OK;
    bench->refused += entry->err != KITH_OK;
    memcpy(&from, entry->body, sizeof from);
    if (bench->sample_count < SAMPLES_MAX) bench->samples_us[bench->sample_count++] = (uint32_t)(at - from);
    log_entry_free(entry);
    if (at >= bench->until_us || bench->refused > 0) {
        if (bench->out == 0) loop_epoll_stop(bench->base.loop);
        return;
    }
    entry = log_entry_new(0, LOG_COMMAND, bench->bytes);
    if (entry != NULL) append(bench, entry);
}

static void deliver(struct log_follower *base, struct log_entry *list)
{
    uint64_t at = clock_us(CLOCK_MONOTONIC);

    while (list != NULL) {
        struct log_entry *entry = list;
        list = entry->next;
        on_entry((struct bench *)base, entry, at);
    }
}

static void caught_up(struct log_follower *base)
{
    ((struct bench *)base)->caught_up = true;
    loop_epoll_stop(base->loop);
}

static void *home_run(void *arg)
{
    loop_epoll_run(((struct bench *)arg)->home);
    return NULL;
}

static void on_closed(void *arg)
{
    struct bench *bench = arg;

    bench->closed = true;
    loop_epoll_stop(bench->home);
    loop_epoll_stop(bench->base.loop);
}

static bool log_up(struct bench *bench)
{
    struct log_file_config config;
    struct log_text text = {{0}};
    kith_err err = disk_posix_open(bench->dir, bench->home, true, &bench->disk);

    log_file_config_init(&config);
    config.now_us = now_us;
    bench->caught_up = bench->closed = false;
    bench->replayed = 0;
    if (err == KITH_OK) err = log_file_open(&config, bench->disk, bench->home, &bench->log, &text);
    if (err == KITH_OK) {
        log_follow(bench->log, 0, 1, &bench->base);
        err = log_start(bench->log);
    }
    if (err != KITH_OK || pthread_create(&bench->thread, NULL, home_run, bench) != 0) {
        (void)fprintf(stderr, "bench log: %s: %s %s\n", bench->dir, kith_err_name(err), text.text);
        return false;
    }
    while (!bench->caught_up) loop_epoll_run(bench->base.loop);
    return true;
}

static void log_down(struct bench *bench)
{
    bench->log->ops->close(bench->log, on_closed, bench);
    /* The follower's loop must go on: closing waits for what is on its way to it. */
    loop_epoll_run(bench->base.loop);
    pthread_join(bench->thread, NULL);
    log_file_free(bench->log);
    disk_posix_close(bench->disk);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double cpu_s(void)
{
    return (double)clock_us(CLOCK_PROCESS_CPUTIME_ID) / 1e6;
}

static double percentile_ms(const struct bench *bench, size_t percent)
{
    size_t at = bench->sample_count * percent / 100;

    return bench->sample_count == 0 ? 0 : (double)bench->samples_us[at] / 1e3;
}

static void report(struct bench *bench, double wall, double cpu)
{
    struct log_status status;

    log_status(bench->log, &status);
    qsort(bench->samples_us, bench->sample_count, sizeof *bench->samples_us, by_size);
    printf("in flight %u, body %u B: %.0f records/s, %.0f records/CPU-s (%.2f us CPU each), refused %llu\n",
           bench->in_flight, bench->bytes, (double)bench->done / wall, (double)bench->done / cpu,
           cpu * 1e6 / (double)bench->done, (unsigned long long)bench->refused);
    printf("append to deliver: p50 %.2f ms, p99 %.2f ms; %.0f syncs/s of %.2f ms, %.0f records each\n",
           percentile_ms(bench, 50), percentile_ms(bench, 99), (double)status.synced_batches / wall,
           (double)status.sync_us_sum / 1e3 / (double)status.synced_batches,
           (double)bench->done / (double)status.synced_batches);
}

static int run(struct bench *bench)
{
    double wall, cpu;

    if (!log_up(bench)) return 1;
    cpu = cpu_s();
    wall = (double)now_us(NULL) / 1e6;
    bench->until_us = now_us(NULL) + (uint64_t)(bench->seconds * 1e6);
    for (unsigned i = 0; i < bench->in_flight; i++) {
        struct log_entry *entry = log_entry_new(0, LOG_COMMAND, bench->bytes);
        if (entry != NULL) append(bench, entry);
    }
    loop_epoll_run(bench->base.loop);
    wall = (double)now_us(NULL) / 1e6 - wall;
    cpu = cpu_s() - cpu;
    report(bench, wall, cpu);
    log_down(bench);

    cpu = cpu_s();
    wall = (double)now_us(NULL) / 1e6;
    if (!log_up(bench)) return 1;
    wall = (double)now_us(NULL) / 1e6 - wall;
    cpu = cpu_s() - cpu;
    printf("replay of %llu: %.2f s, %.0f MB/s, %.0f MB/CPU-s\n", (unsigned long long)bench->replayed, wall,
           (double)bench->replayed * bench->bytes / 1e6 / wall, (double)bench->replayed * bench->bytes / 1e6 / cpu);
    log_down(bench);
    return 0;
}

static bool arguments(struct bench *bench, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--dir") == 0)
            bench->dir = argv[i + 1];
        else if (strcmp(argv[i], "--in-flight") == 0)
            bench->in_flight = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--bytes") == 0)
            bench->bytes = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            bench->seconds = strtod(argv[i + 1], NULL);
        else
            return false;
    }
    return argc % 2 == 1 && bench->in_flight > 0 && bench->bytes >= 8 && bench->bytes <= LOG_BODY_BYTES_MAX &&
           bench->seconds > 0;
}

int bench_log(int argc, char **argv)
{
    struct bench bench = {.in_flight = 1000, .bytes = 600, .seconds = 5, .dir = "./bench-log"};
    int code = 1;

    if (!arguments(&bench, argc, argv)) {
        (void)fprintf(stderr, "kith-bench log [--dir DIR] [--in-flight N] [--bytes N] [--seconds N]\n");
        return 2;
    }
    bench.base.deliver = deliver;
    bench.base.caught_up = caught_up;
    bench.samples_us = calloc(SAMPLES_MAX, sizeof *bench.samples_us);
    if (bench.samples_us != NULL && loop_epoll_open(&bench.home) == KITH_OK &&
        loop_epoll_open(&bench.base.loop) == KITH_OK)
        code = run(&bench);
    loop_epoll_close(bench.base.loop);
    loop_epoll_close(bench.home);
    free(bench.samples_us);
    return code;
}
