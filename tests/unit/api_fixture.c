#include "api_fixture.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------ the server */

static void owner_failed(void *arg, const char *why)
{
    (void)arg;
    fail_msg("the shard owner gave up: %s", why);
}

static void revoked(struct account_watcher *watcher, struct user_id user, struct device_id device)
{
    struct afx_watcher *at = (struct afx_watcher *)watcher;

    (void)user;
    assert_true(at->count < sizeof at->devices / sizeof at->devices[0]);
    at->devices[at->count++] = device;
}

static void receipts_switched(struct account_watcher *watcher, struct user_id user, bool on)
{
    struct afx_watcher *at = (struct afx_watcher *)watcher;

    at->receipts_count++;
    at->receipts_user = user;
    at->receipts_on = on;
}

static size_t checks(void *arg, struct api_check out[static API_CHECKS_MAX])
{
    struct afx *fx = arg;

    if (fx->check.name == NULL) return 0;
    out[0] = (struct api_check){.name = "store", .ok = true};
    out[1] = fx->check;
    return 2;
}

static kith_err metrics(void *arg, struct kith_buf *out)
{
    (void)arg;
    return kith_buf_append_str(out, "kith_up 1\n");
}

static void started(void *arg, kith_err err)
{
    struct afx *fx = arg;

    assert_int_equal(err, KITH_OK);
    fx->started = true;
}

static void open_owners(struct afx *fx)
{
    struct msgstore_status status;

    fx->store->ops->status(fx->store, &status);
    for (unsigned i = 0; i < AFX_LOOPS; i++) {
        struct asker_config asker = {.loop = fx->loops[i], .loop_index = i, .log = fx->log};
        fx->askers[i] = asker_new(&asker);
        assert_non_null(fx->askers[i]);
        fx->listeners[i] = asker_listener(fx->askers[i]);
    }
    for (unsigned i = 0; i < AFX_LOOPS; i++) {
        bool shards[KITH_SHARDS];
        struct shard_owner_config owner = {.loop = fx->loops[i],
                                           .log = fx->log,
                                           .store = fx->store,
                                           .listeners = fx->listeners,
                                           .listener_count = AFX_LOOPS,
                                           .shards = shards,
                                           .positions = status.positions,
                                           .cache_bytes_max = 1 << 20,
                                           .rules = chat_rules_default,
                                           .fatal = owner_failed};
        owner.rules.members_max = fx->members_max;
        for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) shards[shard] = shard % AFX_LOOPS == i;
        fx->owners[i] = shard_owner_new(&owner);
        assert_non_null(fx->owners[i]);
    }
}

static void open_api(struct afx *fx)
{
    struct accounts_config accounts = {.directory = fx->directory,
                                       .store = fx->store,
                                       .loop = fx->loops[0],
                                       .asker = fx->askers[0],
                                       .registration = fx->registration,
                                       .hash_ops = 1,
                                       .hash_memory_bytes = 8192};
    struct api_config api = {.loop = fx->loops[1],
                             .asker = fx->askers[1],
                             .store = fx->store,
                             .members_max = fx->members_max,
                             .person_per_minute = fx->person_per_minute,
                             .address_per_minute = fx->address_per_minute,
                             .checks = checks,
                             .metrics = metrics,
                             .arg = fx};

    fx->accounts = accounts_new(&accounts);
    assert_non_null(fx->accounts);
    for (unsigned i = 0; i < AFX_LOOPS; i++) {
        fx->watchers[i] = (struct afx_watcher){
            .base = {.loop = fx->loops[i], .revoked = revoked, .receipts = receipts_switched}};
        accounts_watch(fx->accounts, &fx->watchers[i].base);
    }
    api.accounts = fx->accounts;
    fx->api = api_new(&api);
    assert_non_null(fx->api);
}

void afx_open(struct afx *fx)
{
    struct directory_mem_config directory = {.seed = 1, .delay_ms_max = fx->delay_ms_max};
    struct msgstore_mem_config store = {.seed = 2, .delay_ms_max = fx->delay_ms_max, .flush_one_in = 3};

    assert_int_equal(directory_mem_open(fx->directory_image, &directory, &fx->directory), KITH_OK);
    assert_int_equal(msgstore_mem_open(fx->store_image, &store, &fx->store), KITH_OK);
    fx->log = log_mem_open(&fx->log_store, fx->log_loop);
    assert_non_null(fx->log);
    open_owners(fx);
    open_api(fx);
    fx->is_open = true;
    fx->started = false;
    assert_int_equal(log_start(fx->log), KITH_OK);
    for (unsigned i = 0; i < AFX_LOOPS; i++)
        while (!shard_owner_caught_up(fx->owners[i])) assert_true(sim_world_step(fx->world));
    accounts_start(fx->accounts, started, fx);
    afx_until(fx, &fx->started);
}

static void afx_close(struct afx *fx, bool crash)
{
    if (!fx->is_open) return;
    fx->is_open = false;
    if (crash)
        accounts_crash(fx->accounts);
    else
        accounts_free(fx->accounts);
    for (unsigned i = 0; i < AFX_LOOPS; i++) {
        asker_crash(fx->askers[i]);
        shard_owner_crash(fx->owners[i]);
        sim_loop_kill(fx->loops[i]);
    }
    sim_loop_kill(fx->log_loop);
    log_mem_free(fx->log);
    directory_mem_crash(fx->directory_image);
    msgstore_mem_crash(fx->store_image, crash ? msgstore_mem_unpersisted(fx->store_image) / 2 : UINT32_MAX);
}

void afx_crash(struct afx *fx)
{
    afx_run_ms(fx, 100); /* what one loop has posted to another arrives: a dead process frees nothing */
    afx_kill(fx);
}

void afx_kill(struct afx *fx)
{
    api_crash(fx->api);
    afx_close(fx, true);
}

struct afx *afx_new(uint64_t seed, enum account_registration registration, uint32_t delay_ms_max)
{
    struct afx *fx = calloc(1, sizeof *fx);

    assert_non_null(fx);
    fx->world = sim_world_new(seed);
    for (unsigned i = 0; i < AFX_LOOPS; i++) fx->loops[i] = sim_loop_new(fx->world, i == 0 ? "home" : "api");
    fx->log_loop = sim_loop_new(fx->world, "log");
    fx->directory_image = directory_mem_image_new(directory_tables);
    fx->store_image = msgstore_mem_image_new();
    log_mem_store_init(&fx->log_store);
    fx->registration = registration;
    fx->delay_ms_max = delay_ms_max;
    fx->members_max = KITH_MEMBERS_MAX;
    (void)snprintf(fx->peer, sizeof fx->peer, "192.0.2.1");
    afx_open(fx);
    return fx;
}

void afx_free(struct afx *fx)
{
    assert_int_equal(fx->live_replies, 0);
    if (fx->is_open) {
        afx_run_ms(fx, 30000);
        assert_int_equal(api_pending(fx->api), 0);
        api_free(fx->api);
    }
    afx_close(fx, false);
    directory_mem_image_free(fx->directory_image);
    msgstore_mem_image_free(fx->store_image);
    log_mem_store_deinit(&fx->log_store);
    sim_world_free(fx->world);
    free(fx);
}

void afx_run_ms(struct afx *fx, uint64_t ms)
{
    sim_world_run_until(fx->world, sim_world_now_us(fx->world) / 1000 + ms);
}

void afx_until(struct afx *fx, const bool *done)
{
    for (unsigned steps = 0; !*done; steps++) {
        assert_true(steps < 1000000);
        assert_true(sim_world_step(fx->world));
    }
}

uint64_t afx_wall_ms(const struct afx *fx)
{
    return SIM_WALL_START_MS + sim_world_now_us(fx->world) / 1000;
}

static bool bootstrapped;

static void bootstrap_done(struct account_call *call)
{
    (void)call;
    bootstrapped = true;
}

void afx_bootstrap(struct afx *fx, struct account_bootstrap *op)
{
    bootstrapped = false;
    op->call.done = bootstrap_done;
    account_bootstrap(fx->accounts, op);
    afx_until(fx, &bootstrapped);
}

int afx_setup_invite(void **state)
{
    *state = afx_new(1, REGISTRATION_INVITE, 0);
    return 0;
}

int afx_setup_open(void **state)
{
    *state = afx_new(1, REGISTRATION_OPEN, 0);
    return 0;
}

int afx_teardown(void **state)
{
    afx_free(*state);
    return 0;
}
