#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/crash/crash.h"

/*
 * The host: records in memory, bytes over a WebSocket. A crash of the client ends it between any two effects, so also
 * between what was written down and what was to be sent for it; it starts again from its records alone.
 */
#define DEVICE_OF(ptr, member) ((struct crash_device *)((char *)(ptr) - offsetof(struct crash_device, member)))

#define OUTBOX_WAITING_MAX 24 /* bursts wait above it */
#define BURST_MESSAGES_MAX 4
#define BODY_BYTES_MAX     600
#define CRASH_ONE_IN       60 /* bursts of a device */
#define RESTART_MS_MAX     300

struct stored {
    size_t len;
    uint8_t bytes[];
};

static struct kith_time now(void)
{
    struct timespec mono, wall;

    (void)clock_gettime(CLOCK_MONOTONIC, &mono);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (struct kith_time){.mono_ms = (uint64_t)mono.tv_sec * 1000 + (uint64_t)mono.tv_nsec / 1000000,
                              .wall_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000};
}

static void random_bytes(void *arg, void *out, size_t len)
{
    (void)arg;
    randombytes_buf(out, len);
}

static void store(struct crash_device *device, struct kith_slice key, struct kith_slice value)
{
    struct kith_ordered_node *node;
    struct stored *record = malloc(sizeof *record + value.len);

    if (record == NULL || kith_ordered_add(&device->records, key, &node) != KITH_OK) abort();
    record->len = value.len;
    if (value.len > 0) memcpy(record->bytes, value.ptr, value.len);
    node->value = record;
}

/* Shown messages are journalled and not kept: to the client they are nothing to remember. */
static void persist(struct crash_device *device, struct kith_slice records)
{
    struct kith_slice key = {0}, value = {0};
    bool is_put = false;

    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK) {
        struct kith_message message;
        struct kith_ordered_node *node;
        if (is_put && kith_record_message(key, value, &message) == KITH_OK) {
            journal_applied(device, &message);
            continue;
        }
        node = kith_ordered_find(&device->records, key);
        if (node != NULL) free(kith_ordered_remove(&device->records, node));
        if (is_put) store(device, key, value);
    }
    kith_client_persisted(device->client);
}

static void add_stats(struct crash_device *device)
{
    struct kith_client_stats stats;

    kith_client_stats(device->client, &stats);
    device->counters.sent += stats.sent;
    device->counters.resent += stats.resent;
    device->counters.acked += stats.accepted;
    device->counters.refused += stats.refused;
    device->counters.failed += stats.failed;
    device->counters.applied += stats.applied;
    device->counters.redelivered += stats.duplicates;
    device->counters.unflagged += stats.unflagged;
    device->counters.holes += stats.holes;
    device->counters.connects += stats.connects;
}

static void client_end(struct crash_device *device)
{
    add_stats(device);
    kith_client_free(device->client);
    device->client = NULL;
    device->effects_left = 0;
    loop_timer_stop(device->crash->loop, &device->tick);
    loop_timer_stop(device->crash->loop, &device->burst);
}

static void client_crash(struct crash_device *device)
{
    device->counters.restarts++;
    client_end(device);
    crash_hang_up(device, "killed");
    loop_timer_start(device->crash->loop, &device->restart, kith_prng_below(&device->crash->prng, RESTART_MS_MAX));
}

static void effect(struct crash_device *device, const struct kith_effect *e)
{
    uint64_t at = now().mono_ms;

    switch (e->kind) {
    case KITH_EFFECT_PERSIST: persist(device, e->bytes); break;
    case KITH_EFFECT_SEND:
        if (device->link == NULL || device->link->conn == NULL) break;
        journal_out(device, e->bytes);
        conn_send(device->link->conn, e->bytes, true);
        break;
    case KITH_EFFECT_CONNECT: crash_dial(device); break;
    case KITH_EFFECT_CLOSE: crash_hang_up(device, "reset"); break;
    case KITH_EFFECT_TIMER:
        loop_timer_start(device->crash->loop, &device->tick, e->at_ms > at ? e->at_ms - at : 0);
        break;
    case KITH_EFFECT_TOKEN: printf("{\"token\":%u}\n", device->number); break;
    case KITH_EFFECT_STATE:
        if (e->connection == KITH_REPLACED) device->counters.replaced++;
        break;
    default: break;
    }
}

static void run_effects(struct crash_device *device)
{
    struct kith_effect e;

    while (device->client != NULL && kith_client_next(device->client, &e) == KITH_OK) {
        if (device->effects_left > 0 && --device->effects_left == 0) {
            client_crash(device);
            return;
        }
        effect(device, &e);
    }
}

void crash_device_opened(struct crash_device *device)
{
    journal_opened(device);
    kith_client_connected(device->client, now());
    run_effects(device);
}

void crash_device_bytes(struct crash_device *device, uint8_t *bytes, size_t len)
{
    journal_in(device, bytes, len);
    kith_client_bytes(device->client, now(), bytes, len);
    run_effects(device);
}

void crash_device_lost(struct crash_device *device, const char *reason)
{
    journal_closed(device, reason);
    if (device->client == NULL) return;
    kith_client_disconnected(device->client, now());
    run_effects(device);
}

static void tick_fire(struct loop_timer *timer)
{
    struct crash_device *device = DEVICE_OF(timer, tick);

    kith_client_tick(device->client, now());
    run_effects(device);
}

static void restart_fire(struct loop_timer *timer)
{
    struct crash_device *device = DEVICE_OF(timer, restart);

    if (device->client == NULL && !device->is_parked) crash_device_start(device);
}

static void send_one(struct crash_device *device)
{
    struct crash *crash = device->crash;
    uint8_t body[BODY_BYTES_MAX];
    size_t padding = kith_prng_below(&crash->prng, 4) == 0 ? kith_prng_below(&crash->prng, 400) : 0;
    int len = snprintf((char *)body, sizeof body, "%s %s %llu ", crash->run, device->id_text,
                       (unsigned long long)device->bodies++);
    struct kith_send send = {.chat = crash->chats[device->chats[kith_prng_below(&crash->prng, device->chats_count)]],
                             .content_type = kith_slice_str("text/plain")};
    struct msg_id id;

    memset(body + len, 'x', padding);
    send.body = kith_slice_of(body, (size_t)len + padding);
    if (kith_client_send(device->client, now(), &send, &id) == KITH_OK) run_effects(device);
}

static void read_one(struct crash_device *device)
{
    struct crash *crash = device->crash;
    struct chat_id chat = crash->chats[device->chats[kith_prng_below(&crash->prng, device->chats_count)]];
    uint64_t seq = crash_applied_up_to(device, chat);

    if (seq > 0 && kith_client_read(device->client, chat, seq) == KITH_OK) run_effects(device);
}

static void burst_fire(struct loop_timer *timer)
{
    struct crash_device *device = DEVICE_OF(timer, burst);
    struct crash *crash = device->crash;
    unsigned count = 1 + (unsigned)kith_prng_below(&crash->prng, BURST_MESSAGES_MAX);

    if (kith_client_connection(device->client) ==
        KITH_REPLACED) { /* by its own next life: a stopped client is no use here */
        client_crash(device);
        return;
    }
    if (crash->crashing && kith_prng_chance(&crash->prng, 1, CRASH_ONE_IN))
        device->effects_left = 1 + (unsigned)kith_prng_below(&crash->prng, 12);
    if (crash->sending && device->is_writer) {
        while (count-- > 0 && device->client != NULL && kith_client_outbox_count(device->client) < OUTBOX_WAITING_MAX)
            send_one(device);
        if (device->client != NULL && kith_prng_chance(&crash->prng, 1, 8)) read_one(device);
    }
    if (device->client != NULL)
        loop_timer_start(crash->loop, timer, 1 + kith_prng_below(&crash->prng, crash->pause_ms));
}

void crash_device_start(struct crash_device *device)
{
    struct kith_client_config config = {.user = device->user,
                                        .device = device->id,
                                        .shows_history = true,
                                        .random = random_bytes,
                                        .random_arg = device};
    struct kith_ordered_node *node;

    device->is_parked = false;
    device->client = kith_client_new(&config);
    if (device->client == NULL) abort();
    for (node = kith_ordered_seek(&device->records, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node)) {
        struct stored *record = node->value;
        if (kith_client_load(device->client, kith_ordered_key(node), kith_slice_of(record->bytes, record->len)) ==
            KITH_OK)
            continue;
        fprintf(stderr, "kith-crash-client: %s cannot read its own records\n", device->id_text);
        exit(3);
    }
    kith_client_token(device->client, now(), kith_slice_str(device->token));
    kith_client_start(device->client, now());
    loop_timer_start(device->crash->loop, &device->burst,
                     1 + kith_prng_below(&device->crash->prng, device->crash->pause_ms));
    run_effects(device);
}

void crash_device_wake(struct crash_device *device)
{
    if (device->client == NULL || kith_client_connection(device->client) != KITH_OFFLINE) return;
    kith_client_token(device->client, now(), kith_slice_str(device->token));
    run_effects(device);
}

void crash_device_new_token(struct crash_device *device)
{
    if (device->client == NULL) return;
    kith_client_token(device->client, now(), kith_slice_str(device->token));
    run_effects(device);
}

void crash_device_park(struct crash_device *device, const char *reason)
{
    device->is_parked = true;
    loop_timer_stop(device->crash->loop, &device->restart);
    if (device->client == NULL) return;
    client_end(device);
    crash_hang_up(device, reason);
}

struct crash_device *crash_device_new(struct crash *crash)
{
    struct crash_device *device = calloc(1, sizeof *device);
    uint8_t seed[16];

    if (device == NULL || crash->devices_count == CRASH_DEVICES_MAX) abort();
    device->crash = crash;
    device->number = crash->devices_count;
    device->tick.fire = tick_fire;
    device->burst.fire = burst_fire;
    device->restart.fire = restart_fire;
    kith_ordered_init(&device->records, kith_prng_next(&crash->prng));
    kith_prng_bytes(&crash->prng, seed, sizeof seed);
    kith_map_init(&device->applied, sizeof(struct chat_id), sizeof(uint64_t), CRASH_CHATS_MAX, seed);
    crash->devices[crash->devices_count++] = device;
    return device;
}

void crash_device_free(struct crash_device *device)
{
    crash_device_park(device, "killed");
    kith_ordered_deinit(&device->records, free);
    kith_map_deinit(&device->applied);
    free(device);
}
