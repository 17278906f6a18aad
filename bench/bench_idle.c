#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "bench/bench_direct.h"
#include "bench/bench_load.h"

#define QUIET_US 3000000

struct idle {
    double connections, loops;
    struct bench_server server;
    struct bench_load load;
    struct bench_user *users;
};

static bool people(struct idle *idle, size_t connections)
{
    size_t devices = KITH_DEVICES_PER_USER_MAX, persons = (connections + devices - 1) / devices;

    idle->users = calloc(persons * devices, sizeof *idle->users);
    if (idle->users == NULL || !bench_server_start(&idle->server)) return false;
    bench_server_stop(&idle->server);
    if (!bench_users_write(&idle->server, idle->users, persons, devices) || !bench_server_start(&idle->server))
        return false;
    if (!bench_load_open(&idle->load, &idle->server, connections, 16)) return false;
    for (size_t i = 0; i < connections; i++) idle->load.clients[i].token = idle->users[i].token;
    return true;
}

static bool measure(struct idle *idle, size_t connections)
{
    struct bench_load *load = &idle->load;
    size_t part = connections / 10;
    struct bench_usage none, some, all;
    uint64_t from_us;

    if (!bench_load_run(load, bench_now_us() + QUIET_US) || !bench_server_usage(&idle->server, &none)) return false;
    /* The first tenth also pays for what kithd makes once, caches and thread arenas: shown apart. */
    load->clients_count = part;
    if (!bench_load_connect(load) || !bench_load_run(load, bench_now_us() + QUIET_US) ||
        !bench_server_usage(&idle->server, &some))
        return false;
    load->clients_count = connections;
    from_us = bench_now_us();
    if (!bench_load_connect(load)) return false;
    from_us = bench_now_us() - from_us;
    if (!bench_load_run(load, bench_now_us() + QUIET_US) || !bench_server_usage(&idle->server, &all)) return false;
    bench_print_machine(&idle->server);
    printf("resident: %.1f MB before, %.1f MB with %zu, %.1f MB with %zu connections\n", none.rss_bytes / 1e6,
           some.rss_bytes / 1e6, part, all.rss_bytes / 1e6, connections);
    printf("growth per connection: %.0f B over all, %.0f B from the %zuth on\n",
           (all.rss_bytes - none.rss_bytes) / (double)connections,
           (all.rss_bytes - some.rss_bytes) / (double)(connections - part), part + 1);
    printf("connect, sign in, subscribe: %.0f/s, %.0f us of server CPU each\n",
           (double)(connections - part) / ((double)from_us / 1e6),
           (all.user_s + all.system_s - some.user_s - some.system_s) * 1e6 / (double)(connections - part));
    return true;
}

int bench_idle(int argc, char **argv)
{
    static struct idle idle = {.connections = 5000};
    const struct bench_option options[] = {{"--connections", &idle.connections, NULL},
                                           {"--loops", &idle.loops, NULL},
                                           {"--kithd", NULL, &idle.server.program},
                                           {NULL, NULL, NULL}};
    bool ok;

    if (!bench_options(argc, argv, options)) return 2;
    if (idle.connections < 10 || idle.connections > 18000) {
        (void)fprintf(stderr, "kith-bench idle: --connections is 10 to 18000\n");
        return 2;
    }
    idle.server.loops = (unsigned)idle.loops;
    printf("idle: %.0f connections, signed in and subscribed, loops %.0f\n", idle.connections, idle.loops);
    (void)fflush(stdout);
    ok = people(&idle, (size_t)idle.connections) && measure(&idle, (size_t)idle.connections);
    bench_load_close(&idle.load);
    bench_server_end(&idle.server);
    free(idle.users);
    return ok ? 0 : 1;
}
