#include <stdlib.h>

#include "sim.h"

/* The server as kithd wires it, on simulated loops, with a simulated disk under its log and the reference store. */

#define SEGMENT_BYTES (64 * 1024)

static uint64_t sim_us(void *arg)
{
    return sim_world_now_us(((struct sim *)arg)->world);
}

static void owner_failed(void *arg, const char *why)
{
    sim_fail(arg, "the shard owner gave up: %s", why);
}

/* Tokens are the directory's business; here "device 3" is device 3, after a while. */
struct check_later {
    struct loop_timer timer;
    struct account_check *op;
};

static void check_done(struct loop_timer *timer)
{
    struct account_check *op = ((struct check_later *)timer)->op;

    free(timer);
    op->done(op);
}

static struct sim *check_sim; /* accounts are opaque to a gateway: this is how the check finds its run */

static void check(struct accounts *accounts, struct account_check *op)
{
    struct sim *sim = check_sim;
    struct check_later *later = calloc(1, sizeof *later);
    unsigned long number = strtoul(op->token + sizeof "device " - 1, NULL, 10);

    (void)accounts;
    if (later == NULL) abort();
    op->code = CODE_OK;
    op->who = (struct account_identity){
        .user = sim->users[sim->devices[number].user], .device = sim->devices[number].id, .expires_ms = UINT64_MAX / 2};
    later->op = op;
    later->timer.fire = check_done;
    loop_timer_start(op->loop, &later->timer, kith_prng_below(&sim->prng, 5));
}

static void open_log(struct sim *sim)
{
    struct sim_server *server = &sim->server;
    struct log_file_config config;
    struct log_text text = {0};
    struct log_status status;
    kith_err err;

    log_file_config_init(&config);
    config.segment_bytes = SEGMENT_BYTES * 8;
    config.step_bytes = 16 * 1024;
    config.ahead_bytes = 32 * 1024;
    config.keep_ms = 1000;
    config.now_us = sim_us;
    config.now_arg = sim;
    server->disk = disk_sim_open(server->disk_image, server->log_loop);
    err = log_file_open(&config, server->disk, server->log_loop, &server->log, &text);
    if (err != KITH_OK) {
        sim_fail(sim, "the log cannot be opened after a crash: %s (%s)", text.text, kith_err_name(err));
        return;
    }
    log_status(server->log, &status);
    if (status.torn_bytes > 0) sim->counters.torn_tails++;
}

static void open_services(struct sim *sim)
{
    struct sim_server *server = &sim->server;
    struct msgstore_status store;
    struct log_status log;
    bool shards[KITH_SHARDS];
    /* Another configuration than before the crash: what is replayed must not notice. */
    uint32_t members_max = kith_prng_chance(&sim->prng, 1, 3) ? 3 : KITH_MEMBERS_MAX;

    server->store->ops->status(server->store, &store);
    log_status(server->log, &log);
    server->group = gateway_group_new(log.position_durable);
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct asker_config asker = {.loop = server->loops[i], .loop_index = i, .log = server->log};
        server->askers[i] = asker_new(&asker);
        server->listeners[i] = asker_listener(server->askers[i]);
    }
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct shard_owner_config owner = {.loop = server->loops[i],
                                           .log = server->log,
                                           .store = server->store,
                                           .listeners = server->listeners,
                                           .listener_count = server->loop_count,
                                           .shards = shards,
                                           .positions = store.positions,
                                           .cache_bytes_max = kith_prng_chance(&sim->prng, 1, 3) ? 1 : 1 << 20,
                                           .rules = chat_rules_default,
                                           .fatal = owner_failed,
                                           .arg = sim};
        owner.rules.members_max = members_max;
        for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) shards[shard] = shard % server->loop_count == i;
        server->owners[i] = shard_owner_new(&owner);
    }
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct gateway_config gateway = {.loop = server->loops[i],
                                         .group = server->group,
                                         .asker = server->askers[i],
                                         .store = server->store,
                                         .check = check,
                                         .server = "kithd/sim"};
        server->gateways[i] = gateway_new(&gateway);
    }
}

void server_start(struct sim *sim)
{
    struct sim_server *server = &sim->server;
    struct msgstore_mem_config store = {.seed = kith_prng_next(&sim->prng),
                                        .delay_ms_max = kith_prng_chance(&sim->prng, 1, 3) ? 20 : 0,
                                        .flush_one_in = (uint32_t)kith_prng_between(&sim->prng, 2, 40)};

    server->generation++;
    check_sim = sim;
    if (store.delay_ms_max > 0) sim->counters.slow_store++;
    if (msgstore_mem_open(server->store_image, &store, &server->store) != KITH_OK) abort();
    open_log(sim);
    if (sim->failed) {
        disk_sim_close(server->disk);
        server->store->ops->close(server->store);
        return;
    }
    open_services(sim);
    server->up = true;
    server->ready = false;
    if (log_start(server->log) != KITH_OK)
        sim_fail(sim, "the log cannot be started after a crash: %s", log_file_text(server->log));
}

static void count_owner(struct sim *sim, struct shard_owner *owner)
{
    struct shard_stats stats;

    shard_owner_stats(owner, &stats);
    sim->counters.chat_loads += stats.cache_loads;
}

/* Between two callbacks of the world: every loop of the machine stops where it is. */
void server_end(struct sim *sim, enum server_end how)
{
    struct sim_server *server = &sim->server;
    uint32_t unpersisted = msgstore_mem_unpersisted(server->store_image);
    uint32_t keep = unpersisted;

    for (unsigned i = 0; i < server->loop_count; i++) {
        count_owner(sim, server->owners[i]);
        gateway_crash(server->gateways[i]);
        asker_crash(server->askers[i]);
        shard_owner_crash(server->owners[i]);
        sim_loop_kill(server->loops[i]);
    }
    sim_loop_kill(server->log_loop);
    gateway_group_free(server->group);
    if (how == END_POWER_CUT) sim_image_crash(server->disk_image);
    log_file_free(server->log);
    disk_sim_close(server->disk);
    /* Rows that were not flushed live in the process's memory: any death may lose them, from the newest back. */
    if (kith_prng_chance(&sim->prng, 2, 3)) keep = (uint32_t)kith_prng_below(&sim->prng, unpersisted + 1ull);
    if (keep < unpersisted) sim->counters.store_losses++;
    msgstore_mem_crash(server->store_image, keep);
    server->up = server->ready = false;
    links_forget_server(sim);
}
