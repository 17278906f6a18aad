#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kithd/server_state.h"
#include "loop/loop_epoll.h"

#define OPENING_POLL_MS    2
#define OPENING_LOOK_POLLS 2500 /* 5 s: with a full disk the replay goes on all the same */
#define ADVANCE_MS         30000
#define STOP_GRACE_MS      1500 /* clients are told to come back later, and get their last frames */
#define STOP_QUIET_MS      1500 /* then for what they began: cursors on their way, the outbox */
#define STOP_ROWS_MS       1000 /* then for rows; what the store does not take now, the next start replays */
#define STOP_POLL_MS       5

static void owner_failed(void *arg, const char *why)
{
    struct serving *serving = arg;

    /* Memory and store no longer agree, or memory is out: only a restart, which replays the log, mends that. */
    log_line(&serving->server->log_sink, LOG_LINE_ERROR, log_event("shard_failed"), log_str("why", why));
    abort();
}

kith_err serving_owner_open(struct server *server, unsigned index)
{
    struct serving *serving = &server->servings[index];
    struct msgstore_status status;
    bool shards[KITH_SHARDS];
    struct shard_owner_config config = {
        .loop = serving->loop,
        .log = server->log,
        .store = server->store,
        .listeners = server->listeners,
        .listener_count = server->loop_count,
        .shards = shards,
        .positions = status.positions,
        .cache_bytes_max = (size_t)(config_number(server->config, CONFIG_memory_chats_max) / server->loop_count),
        .rules = chat_rules_default,
        .fatal = owner_failed,
        .arg = serving,
    };

    config.rules.members_max = (uint32_t)config_number(server->config, CONFIG_group_members_max);
    server->store->ops->status(server->store, &status);
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) shards[shard] = shard % server->loop_count == serving->index;
    serving->owner = shard_owner_new(&config);
    return serving->owner == NULL ? KITH_E_NOMEM : KITH_OK;
}

kith_err serving_asker_open(struct server *server, unsigned index)
{
    struct serving *serving = &server->servings[index];
    struct asker_config asker = {.loop = serving->loop, .loop_index = index, .log = server->log};

    serving->server = server;
    serving->index = index;
    (void)pthread_mutex_init(&serving->stats_lock, NULL);
    serving->asker = asker_new(&asker);
    if (serving->asker == NULL) return KITH_E_NOMEM;
    server->listeners[index] = asker_listener(serving->asker);
    return KITH_OK;
}

kith_err serving_open(struct server *server, unsigned index)
{
    struct serving *serving = &server->servings[index];
    struct gateway_config gateway = {.loop = serving->loop,
                                     .group = server->group,
                                     .store = server->store,
                                     .accounts = server->accounts,
                                     .check = account_check,
                                     .stale = account_stale,
                                     .server = "kithd/" KITH_VERSION,
                                     .log = &server->log_sink};
    struct api_config api = {.loop = serving->loop,
                             .store = server->store,
                             .accounts = server->accounts,
                             .members_max = (uint32_t)config_number(server->config, CONFIG_group_members_max),
                             .checks = server_checks,
                             .metrics = server_metrics,
                             .arg = server,
                             .log = &server->log_sink};

    gateway.asker = api.asker = serving->asker;
    serving->gateway = gateway_new(&gateway);
    serving->api = api_new(&api);
    if (serving->gateway == NULL || serving->api == NULL) return KITH_E_NOMEM;
    accounts_watch(server->accounts, gateway_watcher(serving->gateway));
    return KITH_OK;
}

static void listen_failed(struct serving *serving, const char *key, const char *address, kith_err err)
{
    fprintf(stderr, "kithd: cannot listen on %s (%s): %s\n", address, key, kith_err_name(err));
    atomic_store(&serving->server->failed, true);
    (void)kill(getpid(), SIGTERM);
}

static kith_err http_open(struct serving *serving, const char *address, bool admin, struct http_server **out)
{
    struct server *server = serving->server;
    const struct config *config = server->config;
    struct http_server_config http = {
        .loop = serving->loop,
        .listen = address,
        .tls = admin ? NULL : server->tls,
        .connections_max = (uint32_t)(config_number(config, CONFIG_connections_max) / server->loop_count + 1),
        .connection_bytes_max = config_number(config, CONFIG_memory_connections_max) / server->loop_count,
        .request_timeout_ms = 15000,
        .idle_timeout_ms = 60000,
        .slow_reader_timeout_ms = (uint32_t)config_number(config, CONFIG_slow_reader_timeout),
        .trusted_proxies = (const char *const *)config->values[CONFIG_trusted_proxies].list,
        .handle = admin ? route_admin : route_request,
        .arg = serving,
    };

    return http_server_open(&http, out);
}

static void accounts_started(void *arg, kith_err err)
{
    struct serving *serving = arg;

    if (err == KITH_OK) {
        atomic_store(&serving->server->accounts_ready, true);
        return;
    }
    fprintf(stderr, "kithd: the directory cannot be used: %s\n", kith_err_name(err));
    atomic_store(&serving->server->failed, true);
    (void)kill(getpid(), SIGTERM);
}

/* A log that halted before it was replayed (docs/decisions/0004) cannot be served from: say why, and end. */
static void check_the_replay(struct serving *serving)
{
    struct server *server = serving->server;
    struct log_status status;
    struct shard_stats stats;
    uint64_t before = serving->opening_applied;

    if (serving->index > 0 || atomic_load(&server->failed)) return;
    if (serving->opening_polls++ % OPENING_LOOK_POLLS != OPENING_LOOK_POLLS - 1) return;
    log_status(server->log, &status);
    shard_owner_stats(serving->owner, &stats);
    serving->opening_applied = stats.applied;
    if (status.writable || stats.applied != before || atomic_load(&server->caught_up) == server->loop_count) return;
    fprintf(stderr, "kithd: the command log cannot be replayed: %s\n", status.reason);
    atomic_store(&server->failed, true);
    (void)kill(getpid(), SIGTERM);
}

/* Replayed everywhere; then the directory's outbox is drained into the log; then the first loop listens, then the rest. */
static bool is_ready_to_listen(struct serving *serving)
{
    struct server *server = serving->server;

    if (!serving->caught_up && shard_owner_caught_up(serving->owner)) {
        serving->caught_up = true;
        atomic_fetch_add(&server->caught_up, 1);
    }
    if (atomic_load(&server->caught_up) < server->loop_count) return false;
    if (serving->index == 0 && !serving->accounts_asked) {
        serving->accounts_asked = true;
        accounts_start(server->accounts, accounts_started, serving);
    }
    return atomic_load(&server->accounts_ready) && (serving->index == 0 || atomic_load(&server->port) != 0);
}

/* The first loop binds the port, the others share it by SO_REUSEPORT; nobody accepts before the log was replayed. */
static void opening_fire(struct loop_timer *timer)
{
    struct serving *serving = (struct serving *)((char *)timer - offsetof(struct serving, opening));
    struct server *server = serving->server;
    const char *listen = config_text(server->config, CONFIG_listen);
    const char *admin = config_text(server->config, CONFIG_admin_listen);
    char address[CONFIG_TEXT_BYTES_MAX + 32];
    unsigned port = atomic_load(&server->port);
    kith_err err;

    if (atomic_load(&server->draining)) return;
    if (!is_ready_to_listen(serving)) {
        check_the_replay(serving);
        loop_timer_start(serving->loop, &serving->opening, OPENING_POLL_MS);
        return;
    }
    (void)snprintf(address, sizeof address, "%s", listen);
    if (serving->index > 0)
        (void)snprintf(address, sizeof address, "%.*s:%u", (int)(strrchr(listen, ':') - listen), listen, port);
    err = http_open(serving, address, false, &serving->http);
    if (err != KITH_OK) {
        listen_failed(serving, "listen", address, err);
        return;
    }
    if (serving->index > 0) return;
    if (*admin != '\0' && (err = http_open(serving, admin, true, &serving->admin)) != KITH_OK) {
        listen_failed(serving, "admin_listen", admin, err);
        return;
    }
    atomic_store(&server->port, http_server_port(serving->http));
    server_announce(server, http_server_port(serving->http));
}

/* Quiet shards follow the log's end, and the log lets go what every shard has in the store for good. */
static void advance_fire(struct loop_timer *timer)
{
    struct serving *serving = (struct serving *)((char *)timer - offsetof(struct serving, advance));
    struct server *server = serving->server;
    struct log_status log;
    struct msgstore_status store;
    uint64_t lowest = UINT64_MAX;

    log_status(server->log, &log);
    shard_owner_advance(serving->owner, log.position_durable);
    loop_timer_start(serving->loop, &serving->advance, ADVANCE_MS);
    if (serving->index > 0) return;
    server->store->ops->status(server->store, &store);
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++)
        if (store.positions_persisted[shard] < lowest) lowest = store.positions_persisted[shard];
    if (lowest > 0) log_trim(server->log, lowest);
}

static void copying_fire(struct loop_timer *timer)
{
    struct serving *serving = (struct serving *)((char *)timer - offsetof(struct serving, copying));

    serving_stats_copy(serving);
    loop_timer_start(serving->loop, &serving->copying, SERVING_STATS_MS);
}

void serving_start(struct serving *serving)
{
    serving->copying.fire = copying_fire;
    loop_timer_start(serving->loop, &serving->copying, SERVING_STATS_MS);
    serving->opening.fire = opening_fire;
    serving->advance.fire = advance_fire;
    loop_timer_start(serving->loop, &serving->opening, 0);
    loop_timer_start(serving->loop, &serving->advance, ADVANCE_MS);
}

/* The end, in steps: grace, connections closed, nothing under way; then, with the log closed, rows stored. */
static void stop_step(struct serving *serving, void (*fire)(struct loop_timer *timer), uint64_t after_ms)
{
    serving->stopping.fire = fire;
    loop_timer_start(serving->loop, &serving->stopping, after_ms);
}

static struct serving *serving_of_stopping(struct loop_timer *timer)
{
    return (struct serving *)((char *)timer - offsetof(struct serving, stopping));
}

static void quiet_fire(struct loop_timer *timer)
{
    struct serving *serving = serving_of_stopping(timer);
    bool quiet = gateway_pending(serving->gateway) == 0 && serving->accounts_at_rest;

    if (quiet || loop_now_ms(serving->loop) >= serving->stop_deadline_ms)
        (void)sem_post(&serving->server->quiet);
    else
        stop_step(serving, quiet_fire, STOP_POLL_MS);
}

static void accounts_stopped(void *arg)
{
    struct serving *serving = arg;

    serving->accounts_at_rest = true;
}

static void http_closed(void *arg)
{
    struct serving *serving = arg;

    if (--serving->close_left > 0) return;
    serving->stop_deadline_ms = loop_now_ms(serving->loop) + STOP_QUIET_MS;
    if (serving->index == 0)
        accounts_stop(serving->server->accounts, accounts_stopped, serving);
    else
        serving->accounts_at_rest = true;
    stop_step(serving, quiet_fire, 0);
}

static void grace_over(struct loop_timer *timer)
{
    struct serving *serving = serving_of_stopping(timer);

    loop_timer_stop(serving->loop, &serving->opening);
    loop_timer_stop(serving->loop, &serving->advance);
    loop_timer_stop(serving->loop, &serving->copying);
    serving->close_left = 1; /* ours, given back below: the next step must not begin before both were asked */
    if (serving->http != NULL) {
        serving->close_left++;
        http_server_close(serving->http, http_closed, serving);
    }
    if (serving->admin != NULL) {
        serving->close_left++;
        http_server_close(serving->admin, http_closed, serving);
    }
    http_closed(serving);
}

static struct serving *serving_of_stop_task(struct loop_task *task)
{
    return (struct serving *)((char *)task - offsetof(struct serving, stop_task));
}

static void stop_run(struct loop_task *task)
{
    struct serving *serving = serving_of_stop_task(task);
    struct http_server_stats stats = {0};

    if (serving->http != NULL) {
        http_server_pause(serving->http);
        http_server_stats(serving->http, &stats);
    }
    gateway_shutdown(serving->gateway);
    stop_step(serving, grace_over, stats.open > 0 ? STOP_GRACE_MS : 0);
}

void serving_stop(struct serving *serving)
{
    serving->stop_task.run = stop_run;
    loop_post(serving->loop, &serving->stop_task);
}

static void end_fire(struct loop_timer *timer)
{
    struct serving *serving = serving_of_stopping(timer);

    if (shard_owner_caught_up(serving->owner) || loop_now_ms(serving->loop) >= serving->stop_deadline_ms)
        (void)sem_post(&serving->server->quiet);
    else
        stop_step(serving, end_fire, STOP_POLL_MS);
}

static void end_run(struct loop_task *task)
{
    struct serving *serving = serving_of_stop_task(task);

    serving->stop_deadline_ms = loop_now_ms(serving->loop) + STOP_ROWS_MS;
    stop_step(serving, end_fire, 0);
}

void serving_end(struct serving *serving)
{
    serving->stop_task.run = end_run;
    loop_post(serving->loop, &serving->stop_task);
}

static void leave_run(struct loop_task *task)
{
    struct serving *serving = serving_of_stop_task(task);

    loop_epoll_stop(serving->loop);
}

void serving_leave(struct serving *serving)
{
    serving->stop_task.run = leave_run;
    loop_post(serving->loop, &serving->stop_task);
}

void serving_close(struct serving *serving)
{
    api_free(serving->api);
    gateway_free(serving->gateway);
    asker_free(serving->asker);
    shard_owner_free(serving->owner);
    serving->api = NULL;
    serving->gateway = NULL;
    serving->asker = NULL;
    serving->owner = NULL;
}
