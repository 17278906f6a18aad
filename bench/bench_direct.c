#include "bench/bench_direct.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "bench/bench_load.h"

#define RUNS_MAX 100

struct run {
    double per_cpu_s, rate, user_s, system_s, ack_p50_ms, ack_p99_ms, delivery_p50_ms, delivery_p99_ms, syncs, commits;
};

struct direct {
    double pairs, bytes, in_flight, seconds, runs, warm_up, loops, echo;
    struct bench_server server;
    struct bench_load load;
    struct bench_user *users;
    char (*chats)[40];
    struct run results[RUNS_MAX];
};

bool bench_options(int argc, char **argv, const struct bench_option *options)
{
    for (int i = 1; i < argc; i += 2) {
        const struct bench_option *option = options;
        char *end = NULL;
        while (option->name != NULL && strcmp(option->name, argv[i]) != 0) option++;
        if (option->name == NULL || i + 1 == argc) {
            (void)fprintf(stderr, "kith-bench %s:", argv[0]);
            for (option = options; option->name != NULL; option++) (void)fprintf(stderr, " [%s N]", option->name);
            (void)fprintf(stderr, "\n");
            return false;
        }
        if (option->text != NULL) {
            *option->text = argv[i + 1];
            continue;
        }
        *option->number = strtod(argv[i + 1], &end);
        if (*end != '\0' || *option->number < 0) {
            (void)fprintf(stderr, "kith-bench %s: %s wants a number\n", argv[0], option->name);
            return false;
        }
    }
    return true;
}

/* kithd makes its folder, the accounts are written into it, and it starts again. */
static bool people(struct direct *direct)
{
    size_t pairs = (size_t)direct->pairs;

    direct->users = calloc(2 * pairs, sizeof *direct->users);
    direct->chats = calloc(pairs, sizeof *direct->chats);
    if (direct->users == NULL || direct->chats == NULL || !bench_server_start(&direct->server)) return false;
    bench_server_stop(&direct->server);
    if (!bench_users_write(&direct->server, direct->users, 2 * pairs, 1) || !bench_server_start(&direct->server))
        return false;
    if (!bench_load_open(&direct->load, &direct->server, 2 * pairs, (uint32_t)direct->bytes)) return false;
    direct->load.senders_subscribe = direct->echo > 0;
    if (!bench_chats_make(&direct->server, direct->load.net, direct->users, pairs, direct->chats)) return false;
    for (size_t i = 0; i < 2 * pairs; i++) {
        direct->load.clients[i].token = direct->users[i].token;
        direct->load.clients[i].chat = i % 2 == 0 ? direct->chats[i / 2] : NULL;
    }
    return bench_load_connect(&direct->load);
}

static bool measure(struct direct *direct, struct run *run)
{
    struct bench_load *load = &direct->load;
    struct bench_usage before, after;
    struct kith_buf metrics_before, metrics_after;
    uint64_t acknowledged, from_us;
    double cpu_s, wall_s;
    bool ok;

    kith_buf_init(&metrics_before, BENCH_CLIENT_BYTES_MAX);
    kith_buf_init(&metrics_after, BENCH_CLIENT_BYTES_MAX);
    ok = bench_metrics(&direct->server, load->net, &metrics_before) && bench_server_usage(&direct->server, &before);
    load->ack.count = load->delivery.count = 0;
    acknowledged = load->acknowledged;
    from_us = bench_now_us();
    ok = ok && bench_load_run(load, from_us + (uint64_t)(direct->seconds * 1e6)) &&
         bench_server_usage(&direct->server, &after);
    wall_s = (double)(bench_now_us() - from_us) / 1e6;
    acknowledged = load->acknowledged - acknowledged;
    ok = ok && bench_metrics(&direct->server, load->net, &metrics_after);
    if (ok) {
        struct kith_slice was = kith_buf_peek(&metrics_before), is = kith_buf_peek(&metrics_after);
        static const char syncs[] = "kith_log_sync_seconds_count", commits[] = "kith_store_commits_total";
        cpu_s = after.user_s + after.system_s - before.user_s - before.system_s;
        *run = (struct run){.per_cpu_s = cpu_s > 0 ? (double)acknowledged / cpu_s : 0,
                            .rate = (double)acknowledged / wall_s,
                            .user_s = after.user_s - before.user_s,
                            .system_s = after.system_s - before.system_s,
                            .ack_p50_ms = bench_percentile_ms(&load->ack, 50),
                            .ack_p99_ms = bench_percentile_ms(&load->ack, 99),
                            .delivery_p50_ms = bench_percentile_ms(&load->delivery, 50),
                            .delivery_p99_ms = bench_percentile_ms(&load->delivery, 99),
                            .syncs = (bench_metric(is, syncs) - bench_metric(was, syncs)) / wall_s,
                            .commits = (bench_metric(is, commits) - bench_metric(was, commits)) / wall_s};
    }
    kith_buf_deinit(&metrics_before);
    kith_buf_deinit(&metrics_after);
    return ok;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void put_row(const struct direct *direct, const char *name, size_t offset, int digits)
{
    double values[RUNS_MAX];
    size_t runs = (size_t)direct->runs;

    for (size_t i = 0; i < runs; i++)
        memcpy(&values[i], (const uint8_t *)&direct->results[i] + offset, sizeof values[i]);
    qsort(values, runs, sizeof values[0], by_value);
    printf("%-34s %12.*f %12.*f %12.*f\n", name, digits, values[runs / 2], digits, values[0], digits, values[runs - 1]);
}

static void report(const struct direct *direct)
{
    printf("%-34s %12s %12s %12s\n", "", "median", "min", "max");
    put_row(direct, "messages per server CPU-second", offsetof(struct run, per_cpu_s), 0);
    put_row(direct, "messages per second", offsetof(struct run, rate), 0);
    put_row(direct, "server CPU, user (s)", offsetof(struct run, user_s), 2);
    put_row(direct, "server CPU, system (s)", offsetof(struct run, system_s), 2);
    put_row(direct, "acknowledged, p50 (ms)", offsetof(struct run, ack_p50_ms), 2);
    put_row(direct, "acknowledged, p99 (ms)", offsetof(struct run, ack_p99_ms), 2);
    put_row(direct, "delivered, p50 (ms)", offsetof(struct run, delivery_p50_ms), 2);
    put_row(direct, "delivered, p99 (ms)", offsetof(struct run, delivery_p99_ms), 2);
    put_row(direct, "fdatasyncs of the log per second", offsetof(struct run, syncs), 0);
    put_row(direct, "store commits per second", offsetof(struct run, commits), 0);
}

static bool run_all(struct direct *direct)
{
    struct bench_load *load = &direct->load;

    bench_load_begin(load, (uint32_t)direct->in_flight);
    if (!bench_load_run(load, bench_now_us() + (uint64_t)(direct->warm_up * 1e6))) return false;
    printf("kithd is process %ld\n", (long)direct->server.pid);
    (void)fflush(stdout);
    for (size_t i = 0; i < (size_t)direct->runs; i++) {
        if (!measure(direct, &direct->results[i])) return false;
        printf("run %zu: %.0f per CPU-s, %.0f/s\n", i + 1, direct->results[i].per_cpu_s, direct->results[i].rate);
        (void)fflush(stdout);
    }
    bench_print_machine(&direct->server);
    report(direct);
    if (!bench_load_end(load)) {
        (void)fprintf(stderr, "kith-bench: %llu sent, %llu acknowledged, %llu delivered\n",
                      (unsigned long long)load->sent, (unsigned long long)load->acknowledged,
                      (unsigned long long)load->delivered);
        return false;
    }
    printf("%llu sent, all acknowledged and delivered once; %llu copies to the senders themselves\n",
           (unsigned long long)load->sent, (unsigned long long)load->echoed);
    return true;
}

int bench_direct(int argc, char **argv)
{
    static struct direct direct = {
        .pairs = 1000, .bytes = 600, .in_flight = 1, .seconds = 5, .runs = 5, .warm_up = 2, .echo = 1};
    const struct bench_option options[] = {{"--pairs", &direct.pairs, NULL},
                                           {"--bytes", &direct.bytes, NULL},
                                           {"--in-flight", &direct.in_flight, NULL},
                                           {"--seconds", &direct.seconds, NULL},
                                           {"--runs", &direct.runs, NULL},
                                           {"--warm-up", &direct.warm_up, NULL},
                                           {"--loops", &direct.loops, NULL},
                                           {"--echo", &direct.echo, NULL},
                                           {"--kithd", NULL, &direct.server.program},
                                           {NULL, NULL, NULL}};
    bool ok;

    if (!bench_options(argc, argv, options)) return 2;
    if (direct.pairs < 1 || direct.pairs > 9000 || direct.bytes < 16 || direct.bytes > KITH_MESSAGE_BYTES_MAX ||
        direct.in_flight < 1 || direct.in_flight > KITH_IN_FLIGHT_MAX || direct.runs < 1 || direct.runs > RUNS_MAX) {
        (void)fprintf(stderr, "kith-bench direct: a number is out of range\n");
        return 2;
    }
    direct.server.loops = (unsigned)direct.loops;
    printf("direct: %.0f pairs, %.0f B, %.0f in flight, %.0f runs of %.1f s after %.1f s, loops %.0f, durable\n",
           direct.pairs, direct.bytes, direct.in_flight, direct.runs, direct.seconds, direct.warm_up, direct.loops);
    (void)fflush(stdout);
    ok = people(&direct) && run_all(&direct);
    bench_load_close(&direct.load);
    bench_server_end(&direct.server);
    free(direct.users);
    free(direct.chats);
    return ok ? 0 : 1;
}
