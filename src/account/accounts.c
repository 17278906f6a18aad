#include <sodium.h>
#include <stdlib.h>

#include "account/account_impl.h"
#include "account/group_op.h"
#include "account/join.h"
#include "account/keys.h"

#define SECRET_KEY "server_secret"

static const char *const registration_names[] = {
    [REGISTRATION_INVITE] = "invite", [REGISTRATION_OPEN] = "open", [REGISTRATION_CLOSED] = "closed"};

kith_err account_registration_parse(struct kith_slice text, enum account_registration *out)
{
    for (int mode = REGISTRATION_INVITE; mode <= REGISTRATION_CLOSED; mode++) {
        if (!kith_slice_is(text, registration_names[mode])) continue;
        *out = (enum account_registration)mode;
        return KITH_OK;
    }
    return KITH_E_MALFORMED;
}

static void limiters_init(struct accounts *accounts)
{
    struct {
        struct limiter *limiter;
        uint32_t per_minute;
    } all[] = {{&accounts->names, ACCOUNT_LOGINS_NAME},
               {&accounts->addresses, ACCOUNT_LOGINS_ADDRESS},
               {&accounts->lookups, ACCOUNT_LOOKUPS},
               {&accounts->key_lookups, ACCOUNT_KEY_LOOKUPS},
               {&accounts->list_uploads, ACCOUNT_LIST_UPLOADS}};
    uint8_t seed[16];

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        loop_random(accounts->config.loop, seed, sizeof seed);
        limiter_init(all[i].limiter, all[i].per_minute, ACCOUNT_LIMITER_ENTRIES, seed);
    }
    loop_random(accounts->config.loop, seed, sizeof seed);
    limiter_init_slow(&accounts->claims, ACCOUNT_CLAIMS, ACCOUNT_CLAIM_MS, ACCOUNT_CLAIM_ENTRIES, seed);
    loop_random(accounts->config.loop, seed, sizeof seed);
    limiter_init_slow(&accounts->joins, ACCOUNT_JOINS, ACCOUNT_JOIN_MS, ACCOUNT_LIMITER_ENTRIES, seed);
    loop_random(accounts->config.loop, seed, sizeof seed);
    limiter_init_slow(&accounts->replays, GROUP_REPLAY_PAGES, GROUP_REPLAY_PAGE_MS, ACCOUNT_LIMITER_ENTRIES, seed);
}

struct account_parcel *account_parcel_new(struct accounts *accounts, size_t bytes)
{
    struct account_parcel *parcel = calloc(1, bytes);

    assert(bytes >= sizeof *parcel);
    if (parcel == NULL) return NULL;
    parcel->accounts = accounts;
    pthread_mutex_lock(&accounts->parcels_lock);
    parcel->next = accounts->parcels;
    if (parcel->next != NULL) parcel->next->prev = parcel;
    accounts->parcels = parcel;
    pthread_mutex_unlock(&accounts->parcels_lock);
    return parcel;
}

void account_parcel_free(struct account_parcel *parcel)
{
    struct accounts *accounts;

    if (parcel == NULL) return;
    accounts = parcel->accounts;
    pthread_mutex_lock(&accounts->parcels_lock);
    *(parcel->prev == NULL ? &accounts->parcels : &parcel->prev->next) = parcel->next;
    if (parcel->next != NULL) parcel->next->prev = parcel->prev;
    pthread_mutex_unlock(&accounts->parcels_lock);
    free(parcel);
}

struct accounts *accounts_new(const struct accounts_config *config)
{
    struct hash_pool_config hashes = {
        .threads = config->hash_threads, .ops = config->hash_ops, .memory_bytes = config->hash_memory_bytes};
    struct accounts *accounts = calloc(1, sizeof *accounts);
    uint8_t seed[16];

    if (accounts == NULL) return NULL;
    assert(sodium_init() >= 0);
    accounts->config = *config;
    pthread_mutex_init(&accounts->limits_lock, NULL);
    pthread_mutex_init(&accounts->parcels_lock, NULL);
    limiters_init(accounts);
    accounts->hashes = hash_pool_new(&hashes);
    accounts->outbox = outbox_new(accounts);
    loop_random(config->loop, seed, sizeof seed);
    accounts->groups = group_states_new(GROUP_STATES_MAX, GROUP_STATES_BYTES_MAX, seed);
    if (accounts->hashes == NULL || accounts->outbox == NULL || accounts->groups == NULL) {
        accounts_crash(accounts);
        return NULL;
    }
    hash_pool_nobody(accounts->hashes, accounts->hash_of_nobody);
    return accounts;
}

void accounts_crash(struct accounts *accounts)
{
    if (accounts == NULL) return;
    hash_pool_free(accounts->hashes);
    outbox_free(accounts->outbox);
    while (accounts->parcels != NULL) account_parcel_free(accounts->parcels);
    limiter_deinit(&accounts->names);
    limiter_deinit(&accounts->addresses);
    limiter_deinit(&accounts->lookups);
    limiter_deinit(&accounts->key_lookups);
    limiter_deinit(&accounts->list_uploads);
    limiter_deinit(&accounts->claims);
    limiter_deinit(&accounts->joins);
    limiter_deinit(&accounts->replays);
    group_states_free(accounts->groups);
    pthread_mutex_destroy(&accounts->limits_lock);
    pthread_mutex_destroy(&accounts->parcels_lock);
    sodium_memzero(accounts->secret, sizeof accounts->secret);
    free(accounts);
}

void accounts_free(struct accounts *accounts)
{
    if (accounts == NULL) return;
    hash_pool_free(accounts->hashes);
    accounts->hashes = NULL;
    /* Another thread may still be at work in this memory: it goes with the process. */
    if (accounts->starting || accounts->parcels != NULL || !outbox_is_at_rest(accounts->outbox)) return;
    accounts_crash(accounts);
}

void accounts_stop(struct accounts *accounts, void (*stopped)(void *arg), void *arg)
{
    outbox_stop(accounts->outbox, stopped, arg);
}

void accounts_watch(struct accounts *accounts, struct account_watcher *watcher)
{
    assert(watcher->loop != NULL && watcher->revoked != NULL);
    watcher->next = accounts->watchers;
    accounts->watchers = watcher;
    accounts->watcher_count++;
}

/* ------------------------------------------------------------------------------------------------ start */

static struct accounts *accounts_of(struct directory_call *call)
{
    return (struct accounts *)((char *)call - offsetof(struct accounts, start_call));
}

/* The secret under which ids are hashed and tokens derived: made once, in the first life of the server. */
static kith_err secret_run(struct directory_call *call, struct directory_tx *tx)
{
    struct accounts *accounts = accounts_of(call);
    struct setting_record setting = {.key = SECRET_KEY};
    kith_err err = directory_get(tx, &table_settings, SETTINGS_BY_KEY, &setting);

    if (err == KITH_OK && setting.value.len != sizeof accounts->secret) return KITH_E_DAMAGED;
    if (err == KITH_E_NOTFOUND) {
        setting.value.len = sizeof accounts->secret;
        memcpy(setting.value.bytes, accounts->start_coins, sizeof accounts->start_coins);
        err = directory_put(tx, &table_settings, &setting);
    }
    if (err == KITH_OK) memcpy(accounts->secret, setting.value.bytes, sizeof accounts->secret);
    sodium_memzero(&setting, sizeof setting);
    return err;
}

static void secret_done(struct directory_call *call)
{
    struct accounts *accounts = accounts_of(call);
    kith_err err = call->err;

    accounts->starting = false;
    sodium_memzero(accounts->start_coins, sizeof accounts->start_coins);
    if (err == KITH_OK) {
        atomic_store_explicit(&accounts->ready, true, memory_order_release);
        outbox_start(accounts->outbox);
    }
    if (accounts->started != NULL) accounts->started(accounts->started_arg, err);
}

void accounts_start(struct accounts *accounts, void (*started)(void *arg, kith_err err), void *arg)
{
    accounts->started = started;
    accounts->started_arg = arg;
    accounts->starting = true;
    loop_random(accounts->config.loop, accounts->start_coins, sizeof accounts->start_coins);
    accounts->start_call = (struct directory_call){
        .loop = accounts->config.loop, .run = secret_run, .done = secret_done};
    directory_call(accounts->config.directory, &accounts->start_call);
}

/* ------------------------------------------------------------------------------------------------ ids */

struct chat_id accounts_direct_chat(const struct accounts *accounts, struct user_id a, struct user_id b, bool encrypted)
{
    static const char label[] = "kith direct v1";
    bool a_first = kith_uuid_cmp(a.id, b.id) <= 0;
    uint8_t in[sizeof label + 16 + 16 + 1], digest[16];

    memcpy(in, label, sizeof label);
    memcpy(in + sizeof label, a_first ? a.id.raw : b.id.raw, 16);
    memcpy(in + sizeof label + 16, a_first ? b.id.raw : a.id.raw, 16);
    in[sizeof in - 1] = encrypted;
    (void)crypto_generichash(digest, sizeof digest, in, sizeof in, accounts->secret, sizeof accounts->secret);
    return (struct chat_id){kith_uuid_v8_make(digest)};
}

struct chat_id accounts_group_chat(const struct accounts *accounts, struct user_id creator, struct kith_slice key)
{
    static const char label[] = "kith group v1";
    crypto_generichash_state state;
    uint8_t digest[16];

    (void)crypto_generichash_init(&state, accounts->secret, sizeof accounts->secret, sizeof digest);
    (void)crypto_generichash_update(&state, (const unsigned char *)label, sizeof label);
    (void)crypto_generichash_update(&state, creator.id.raw, 16);
    (void)crypto_generichash_update(&state, key.ptr, key.len);
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    sodium_memzero(&state, sizeof state);
    return (struct chat_id){kith_uuid_v8_make(digest)};
}

void accounts_stats(const struct accounts *accounts, struct accounts_stats *out)
{
    *out = (struct accounts_stats){
        .checks = atomic_load(&accounts->counters.checks),
        .logins = atomic_load(&accounts->counters.logins),
        .logins_refused = atomic_load(&accounts->counters.logins_refused),
        .registrations = atomic_load(&accounts->counters.registrations),
        .refreshes = atomic_load(&accounts->counters.refreshes),
        .reuses = atomic_load(&accounts->counters.reuses),
        .revocations = atomic_load(&accounts->counters.revocations),
        .bundles = atomic_load(&accounts->counters.bundles),
        .bundles_last_resort = atomic_load(&accounts->counters.bundles_last_resort),
        .claims_refused = atomic_load(&accounts->counters.claims_refused),
        .hash_queue = hash_pool_queued(accounts->hashes),
    };
    outbox_stats(accounts->outbox, out);
}
