#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys.h"
#include "mail.h"
#include "oracle.h"
#include "sealed.h"

#define RUN_MS      60000  /* of simulated time under faults      */
#define HEAL_MS_MAX 600000 /* and at most so long to become quiet */
#define STEPS_MAX   4000000
#define SETTLE_MS   5000
/* Devices that waited for each other's keys have more to catch up with, and one that was cut off may come last. */
#define SETTLE_ENCRYPTS_MS 20000

static const struct {
    const char *name, *text;
    size_t offset;
} counter_rows[] = {
#define SIM_COUNTER_ROW(name, text) {#name, text, offsetof(struct sim_counters, name)},
    SIM_COUNTERS(SIM_COUNTER_ROW)
#undef SIM_COUNTER_ROW
};
#define COUNTERS (sizeof counter_rows / sizeof counter_rows[0])

static const struct {
    const char *name, *text;
} mutant_rows[KITH_MUTANT_COUNT] = {{"NONE", ""},
#define SIM_MUTANT_ROW(name, text) {#name, text},
                                    KITH_MUTANT_LIST(SIM_MUTANT_ROW)
#undef SIM_MUTANT_ROW
};

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    va_list args;

    if (sim->failed) return;
    sim->failed = true;
    va_start(args, fmt);
    (void)vsnprintf(sim->failure, sizeof sim->failure, fmt, args);
    va_end(args);
}

void sim_note(const struct sim *sim, const char *fmt, ...)
{
    char text[256];
    va_list args;

    if (!sim->trace) return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    printf("%10" PRIu64 " note: %s\n", sim_now_ms(sim), text);
}

static void trace_line(void *arg, uint64_t now_us, const char *loop_name, const char *what, uint64_t a, uint64_t b)
{
    (void)arg;
    printf("%10.3f %-10s %s %" PRIu64 " %" PRIu64 "\n", (double)now_us / 1000.0, loop_name == NULL ? "-" : loop_name,
           what, a, b);
}

/* Runs that encrypt are another kind of run: they share nothing with the seeds of the others but the numbers. */
#define ENCRYPTS_ONE_IN 6
static bool all_encrypt;

static void add_devices(struct sim *sim, unsigned user)
{
    unsigned more = sim->encrypts ? 3 : 2;

    for (unsigned n = 0; n < kith_prng_between(&sim->prng, 1, more) && sim->device_count < SIM_DEVICES_MAX; n++) {
        sim->devices[sim->device_count].is_first = n == 0;
        sim->devices[sim->device_count].linking.is_in = n == 0;
        device_init(sim, sim->device_count++, user);
    }
}

static void shape(struct sim *sim)
{
    static const char *const names[SIM_LOOPS_MAX_SERVER] = {"server0", "server1", "server2"};
    struct kith_prng *prng = &sim->prng;

    sim->user_count = (unsigned)kith_prng_between(prng, 2, 5);
    sim->server.sim = sim;
    sim->server.loop_count = (unsigned)kith_prng_between(prng, 1, SIM_LOOPS_MAX_SERVER);
    for (unsigned i = 0; i < sim->server.loop_count; i++) sim->server.loops[i] = sim_loop_new(sim->world, names[i]);
    sim->server.log_loop = sim_loop_new(sim->world, "log");
    sim->director = sim_loop_new(sim->world, "director");
    sim->server.disk_image = sim_image_new(sim->seed);
    sim->server.store_image = msgstore_mem_image_new();
    sim_image_faults(sim->server.disk_image)->capacity_bytes = UINT64_MAX;
    sim_image_faults(sim->server.disk_image)->sync_delay_ms_max = (uint32_t)kith_prng_below(prng, 20);
    for (unsigned u = 0; u < sim->user_count; u++) {
        sim->users[u].id.raw[0] = 0xa0;
        sim->users[u].id.raw[15] = (uint8_t)(u + 1);
        add_devices(sim, u);
    }
    sim->chat_count = (unsigned)kith_prng_between(prng, 1, 4);
    for (unsigned c = 0; c < sim->chat_count; c++) {
        kith_prng_bytes(prng, sim->chats[c].id.raw, 16);
        sim->chat_is_group[c] = kith_prng_chance(prng, 1, 2);
        sim->group_is_encrypted[c] = sim->encrypts && kith_prng_chance(prng, 4, 5);
    }
    if (!sim->encrypts) return;
    sim->one_time_keys = (uint32_t)kith_prng_between(prng, 1, 4);
    sim->pairwise_max = kith_prng_chance(prng, 2, 3) ? 2 : 0; /* 0: as many as there may be */
    sim->claims_max = (uint32_t)kith_prng_between(prng, 1, 6);
    sim->has_monologue = kith_prng_chance(prng, 1, 4);
    sim->has_joins = kith_prng_chance(prng, 1, 3);
}

/* Between two steps: a machine whose power failed in the middle of an operation is down; a dead one comes back. */
static void tend_server(struct sim *sim)
{
    struct sim_server *server = &sim->server;
    struct log_status status;

    if (server->up && sim_image_is_off(server->disk_image)) {
        sim->counters.mid_io_cuts++;
        server_end(sim, END_POWER_CUT);
    }
    if (!server->up) {
        if (sim->server_due_ms == 0) sim->server_due_ms = sim_now_ms(sim) + 1 + kith_prng_below(&sim->prng, 4000);
        if (sim->server_due_ms > sim_now_ms(sim) && !sim->healing) return;
        sim->server_due_ms = 0;
        server_start(sim);
        return;
    }
    /* A log that halted after a failed sync stays halted until somebody restarts the server: its operator does. */
    log_status(server->log, &status);
    if (!status.writable && sim->halted_since_ms == 0) sim->halted_since_ms = sim_now_ms(sim);
    if (status.writable) sim->halted_since_ms = 0;
    if (sim->halted_since_ms != 0 && sim_now_ms(sim) > sim->halted_since_ms + 3000) {
        sim->halted_since_ms = 0;
        sim->counters.halted_restarts++;
        server_end(sim, END_KILL);
        return;
    }
    if (!server->ready) {
        server->ready = true;
        for (unsigned i = 0; i < server->loop_count; i++) server->ready &= shard_owner_caught_up(server->owners[i]);
        if (server->ready) sim->counters.replays++;
    }
}

/* While this grows a device that came back late is still catching up. */
static uint64_t news(const struct sim *sim)
{
    return sim->counters.applied + sim->counters.gaps + sim->counters.mail_taken;
}

static bool step_until(struct sim *sim, uint64_t end_ms, bool until_quiet)
{
    uint64_t quiet_since = 0, news_then = 0, settle_ms = sim->encrypts ? SETTLE_ENCRYPTS_MS : SETTLE_MS;

    while (!sim->failed && sim_now_ms(sim) < end_ms && sim_world_steps(sim->world) < STEPS_MAX) {
        if (!sim_world_step(sim->world)) sim_world_run_until(sim->world, sim_now_ms(sim) + 1);
        if (sim->fault_due) faults_strike(sim);
        if (sim->linking_due) linking_run(sim);
        if (sim->group_due) workload_group(sim);
        tend_server(sim);
        if (!until_quiet) continue;
        if (!workload_is_quiet(sim))
            quiet_since = 0;
        else if (quiet_since == 0 || news(sim) != news_then)
            quiet_since = sim_now_ms(sim);
        else if (sim_now_ms(sim) > quiet_since + settle_ms)
            return true;
        news_then = news(sim);
    }
    return false;
}

/* I-L1: everything was healed long ago, and somebody still waits. Who, and for what. */
/* The first of what a device did not send, and how it stands. */
static void note_waiting(const struct sim *sim, struct kith_client *client, const char *name)
{
    struct kith_outbox_entry entry;

    for (size_t i = 0; kith_client_outbox_at(client, i, &entry) == KITH_OK; i++) {
        if (entry.state != KITH_OUTBOX_QUEUED) continue;
        for (unsigned c = 0; c < sim->chat_count; c++)
            if (kith_uuid_eq(sim->chats[c].id, entry.chat.id))
                sim_note(sim, "%s: waits in chat %u (group %d, encrypted %d), on the wire %d", name, c,
                         sim->chat_is_group[c], sim_chat_is_encrypted(sim, c), entry.was_on_wire);
        return;
    }
}

static void not_quiet(struct sim *sim)
{
    char who[256] = "";
    size_t len = 0;

    linking_note(sim);
    for (unsigned d = 0; d < sim->device_count && len < sizeof who - 48; d++) {
        struct kith_client *client = sim->devices[d].client;
        if (client == NULL || (kith_client_connection(client) == KITH_ONLINE && kith_client_outbox_count(client) == 0))
            continue;
        note_waiting(sim, client, sim->devices[d].name);
        len += (size_t)snprintf(who + len, sizeof who - len, " %s: connection %d, outbox %zu;", sim->devices[d].name,
                                (int)kith_client_connection(client), kith_client_outbox_count(client));
    }
    sim_fail(sim, "I-L1: not quiet after %" PRIu64 " s; server up %d ready %d;%s", sim_now_ms(sim) / 1000,
             sim->server.up, sim->server.ready, who);
}

static void sim_close(struct sim *sim)
{
    for (unsigned d = 0; d < sim->device_count; d++) device_deinit(&sim->devices[d]);
    if (sim->server.up) server_end(sim, END_KILL);
    links_free(sim);
    workload_free(sim);
    facts_free(sim);
    keys_free(sim->keys);
    sealed_free(sim->sealed);
    oracle_free(sim->oracle);
    sim_world_free(sim->world);
    sim_image_free(sim->server.disk_image);
    msgstore_mem_image_free(sim->server.store_image);
}

struct result {
    bool failed;
    uint64_t hash, steps;
    char failure[512];
    struct sim_counters counters;
};

static void encryption_start(struct sim *sim)
{
    sim->keys = keys_new(sim);
    sim->sealed = sealed_new();
    facts_start(sim);
    linking_start(sim);
}

static void run_seed(uint64_t seed, bool trace, struct result *result)
{
    struct sim *sim = calloc(1, sizeof *sim);

    if (sim == NULL) abort();
    sim->seed = seed;
    sim->trace = trace;
    sim->encrypts = all_encrypt || seed % ENCRYPTS_ONE_IN == 0;
    sim->world = sim_world_new(seed);
    kith_prng_seed(&sim->prng, seed ^ 0x6b697468u);
    if (trace) sim_world_listen(sim->world, trace_line, NULL);
    shape(sim);
    sim->oracle = oracle_new(sim);
    server_start(sim);
    if (sim->encrypts) encryption_start(sim);
    for (unsigned d = 0; d < sim->device_count; d++)
        if (!sim->encrypts || sim->devices[d].is_first) device_start(&sim->devices[d]);
    workload_start(sim);
    faults_start(sim);
    (void)step_until(sim, RUN_MS, false);
    faults_heal(sim);
    if (!sim->failed && !step_until(sim, RUN_MS + HEAL_MS_MAX, true) && !sim->failed) not_quiet(sim);
    if (!sim->failed) oracle_final(sim);
    if (!sim->failed) mail_final(sim);
    result->hash = sim_world_hash(sim->world);
    result->steps = sim_world_steps(sim->world);
    sim_close(sim);
    result->failed = sim->failed;
    memcpy(result->failure, sim->failure, sizeof result->failure);
    result->counters = sim->counters;
    free(sim);
}

/* One seed in a process of its own: a crash of the code under test is a finding, not the end of the search. */
static void run_apart(uint64_t seed, struct result *result)
{
    int ends[2];
    pid_t child;
    int status = 0;
    ssize_t got;

    if (pipe(ends) != 0) abort();
    (void)fflush(stdout);
    child = fork();
    if (child < 0) abort();
    if (child == 0) {
        (void)close(ends[0]);
        run_seed(seed, false, result);
        _exit(write(ends[1], result, sizeof *result) == (ssize_t)sizeof *result ? 0 : 1);
    }
    (void)close(ends[1]);
    got = read(ends[0], result, sizeof *result);
    (void)close(ends[0]);
    (void)waitpid(child, &status, 0);
    if (got == (ssize_t)sizeof *result && WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    memset(result, 0, sizeof *result);
    result->failed = true;
    (void)snprintf(result->failure, sizeof result->failure, "the process died (%s %d)",
                   WIFSIGNALED(status) ? "signal" : "exit",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void add_counters(struct sim_counters *sum, const struct sim_counters *one)
{
    for (size_t i = 0; i < COUNTERS; i++)
        *(uint64_t *)((char *)sum + counter_rows[i].offset) += *(const uint64_t *)((const char *)one +
                                                                                   counter_rows[i].offset);
}

/* So many seeds come to each fault and edge, but for those that need a chain of events: more. */
#define SEEDS_HIT      100
#define SEEDS_HIT_RARE 3000

static bool is_rare(const char *name)
{
    return strcmp(name, "past_lists") == 0 || strcmp(name, "asks") == 0 || strcmp(name, "admitted") == 0 ||
           strcmp(name, "given_again") == 0;
}

/* False: something was never hit that should have been in so many seeds, so nothing was shown about it. */
static bool print_counters(const struct sim_counters *sum, uint64_t seeds)
{
    bool all = true;

    for (size_t i = 0; i < COUNTERS; i++) {
        uint64_t value = *(const uint64_t *)((const char *)sum + counter_rows[i].offset);
        printf("  %12" PRIu64 "  %-16s %s%s\n", value, counter_rows[i].name, counter_rows[i].text,
               value == 0 ? "   <- never hit" : "");
        all &= value > 0 || seeds < (is_rare(counter_rows[i].name) ? SEEDS_HIT_RARE : SEEDS_HIT);
    }
    return all;
}

static int run_many(uint64_t first, uint64_t count, bool twice)
{
    struct sim_counters sum = {0};
    uint64_t failed = 0, steps = 0, differing = 0;
    bool all;

    for (uint64_t seed = first; seed < first + count; seed++) {
        struct result result = {0}, again = {0};
        run_apart(seed, &result);
        add_counters(&sum, &result.counters);
        steps += result.steps;
        if (result.failed && failed++ < 20) printf("SEED=%" PRIu64 " %s\n", seed, result.failure);
        if (twice && seed % 50 == 0) {
            run_apart(seed, &again);
            if (again.hash != result.hash)
                differing++, printf("SEED=%" PRIu64 " gives another trace when run again\n", seed);
        }
        if (isatty(2) && seed % 20 == 0) fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds", seed - first + 1, count);
    }
    if (isatty(2)) fprintf(stderr, "\r");
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " violations, %" PRIu64 " traces that differ, %" PRIu64
           " steps\n",
           first, first + count - 1, failed, differing, steps);
    all = print_counters(&sum, count);
    if (!all) printf("a fault or edge was never hit: this run proves nothing about it\n");
    return failed > 0 || differing > 0 || !all ? 1 : 0;
}

static int run_one(uint64_t seed, bool trace)
{
    struct result result = {0};

    run_seed(seed, trace, &result);
    printf("SEED=%" PRIu64 " steps %" PRIu64 " trace hash %016" PRIx64 ": %s\n", seed, result.steps, result.hash,
           result.failed ? result.failure : "valid");
    (void)print_counters(&result.counters, 1);
    return result.failed ? 1 : 0;
}

#ifdef KITH_MUTANTS
static int run_mutants(uint64_t seeds_max, const char *only)
{
    int missed = 0;

    for (int mutant = 1; mutant < KITH_MUTANT_COUNT; mutant++) {
        struct result result = {0};
        uint64_t seed = 1;
        if (only != NULL && strcmp(only, mutant_rows[mutant].name) != 0) continue;
        kith_mutant_on = mutant;
        all_encrypt = mutant >= KITH_MUTANT_SESSION_NOT_KEPT;
        for (; seed <= seeds_max; seed++) {
            run_apart(seed, &result);
            if (result.failed) break;
        }
        if (result.failed)
            printf("found   %-24s after %4" PRIu64 " seeds: %s\n", mutant_rows[mutant].name, seed, result.failure);
        else
            missed++, printf("MISSED  %-24s in %4" PRIu64 " seeds (%s)\n", mutant_rows[mutant].name, seeds_max,
                             mutant_rows[mutant].text);
        (void)fflush(stdout);
    }
    printf("%d of %d planted bugs found\n", KITH_MUTANT_COUNT - 1 - missed, KITH_MUTANT_COUNT - 1);
    return missed > 0;
}
#endif

static uint64_t number_of(const char *text)
{
    uint64_t value = 0;

    if (kith_slice_to_u64(kith_slice_str(text), &value) != KITH_OK) {
        fprintf(stderr, "kith-sim: '%s' is not a number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 0, seed = 0, first = 1;
    const char *only = NULL;
    bool one = false, trace = false, mutants = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            seeds = number_of(argv[++i]);
        else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc)
            first = number_of(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = number_of(argv[++i]), one = true;
        else if (strcmp(argv[i], "--trace") == 0)
            trace = true;
        else if (strcmp(argv[i], "--mutant") == 0 && i + 1 < argc)
            only = argv[++i], mutants = true;
        else if (strcmp(argv[i], "--encrypted") == 0)
            all_encrypt = true;
        else if (strcmp(argv[i], "--mutants") == 0)
            mutants = true;
        else {
            fprintf(stderr, "usage: kith-sim [--seeds N [--first S]] | --seed S [--trace] | --mutants [--seeds N] | "
                            "--mutant NAME [--seeds N], "
                            "each with [--encrypted]\n");
            return 2;
        }
    }
    if (seeds == 0) seeds = mutants ? 300 : 100;
    if (mutants) {
#ifdef KITH_MUTANTS
        return run_mutants(seeds, only);
#else
        fprintf(stderr, "kith-sim: this build has no planted bugs; use ./dev sim --mutants\n");
        return 2;
#endif
    }
    (void)mutant_rows;
    (void)only;
    return one ? run_one(seed, trace) : run_many(first, seeds, true);
}
