#include <stdio.h>
#include <stdlib.h>

#include "mail.h"
#include "oracle.h"
#include "sealed.h"

#define DEVICE_OF(ptr, member) ((struct sim_device *)((char *)(ptr) - offsetof(struct sim_device, member)))

static void device_random(void *arg, void *out, size_t len)
{
    struct sim_device *device = arg;

    loop_random(device->loop, out, len);
}

static struct kith_time now_of(struct sim_device *device)
{
    return (struct kith_time){.mono_ms = loop_now_ms(device->loop), .wall_ms = loop_wall_ms(device->loop)};
}

/* As libkith/record.c writes an outbox entry: version, id, chat, state, code. */
#define OUTBOX_STATE_AT 33

static struct msg_id outbox_id(struct kith_slice value)
{
    struct msg_id id;

    memcpy(id.id.raw, value.ptr + 1, sizeof id.id.raw);
    return id;
}

/* A message is written once, and again only in the place of one that could not be read. */
static void replaced(struct sim_device *device, struct kith_slice key, struct kith_slice before, struct kith_slice now)
{
    struct kith_message was, is;

    if (kith_record_message(key, before, &was) != KITH_OK || kith_record_message(key, now, &is) != KITH_OK) return;
    if (was.unreadable == KITH_OK || !is.is_again || !kith_uuid_eq(was.id.id, is.id.id))
        sim_fail(device->sim, "I-E6 duplicated: %s writes a message in the place of another", device->name);
}

/* What the host wrote down survives its process: from here on a shown message is shown, a written one will be sent. */
static void persist(struct sim_device *device, struct kith_slice records)
{
    struct kith_slice key = {0}, value = {0};
    bool is_put = false;

    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK) {
        struct kith_ordered_node *node = kith_ordered_find(&device->records, key);
        struct sim_record *record;
        struct kith_message message;
        if (node != NULL) {
            record = kith_ordered_remove(&device->records, node);
            if (is_put) replaced(device, key, kith_slice_of(record->bytes, record->len), value);
            if (!is_put && key.ptr[0] == 'O')
                oracle_answered(device, outbox_id(kith_slice_of(record->bytes, record->len)));
            free(record);
        }
        if (!is_put) continue;
        record = malloc(sizeof *record + value.len);
        if (record == NULL || kith_ordered_add(&device->records, key, &node) != KITH_OK) abort();
        record->len = value.len;
        if (value.len > 0) memcpy(record->bytes, value.ptr, value.len);
        node->value = record;
        if (kith_record_message(key, value, &message) == KITH_OK) {
            oracle_applied(device, &message);
            sealed_applied(device, &message);
        }
        if (kith_record_mail(key, value, &message) == KITH_OK) mail_applied(device, &message);
        if (key.ptr[0] != 'O') continue;
        oracle_stored(device, outbox_id(value));
        if (value.ptr[OUTBOX_STATE_AT] == KITH_OUTBOX_FAILED)
            oracle_failed(device, outbox_id(value), (enum kith_code)value.ptr[OUTBOX_STATE_AT + 1]);
    }
}

/* PERSIST takes a while; effects wait meanwhile, so its records stay lent until then. */
static void persist_fire(struct loop_timer *timer)
{
    struct sim_device *device = DEVICE_OF(timer, persist);

    device->persisting = false;
    persist(device, device->unsaved);
    device->unsaved = (struct kith_slice){0};
    kith_client_persisted(device->client);
    device_run(device);
}

static void tick_fire(struct loop_timer *timer)
{
    struct sim_device *device = DEVICE_OF(timer, tick);

    if (device->client == NULL) return;
    kith_client_tick(device->client, now_of(device));
    device_run(device);
}

static void connect(struct sim_device *device)
{
    if (device->link != NULL) link_client_close(device->link);
    device->link = link_open(device->sim, device);
    if (device->link != NULL)
        kith_client_connected(device->client, now_of(device));
    else
        kith_client_disconnected(device->client, now_of(device));
}

/* What it has of its own message: nobody deletes one there. */
static void recall(struct sim_device *device, struct chat_id chat, uint64_t seq)
{
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];
    const struct kith_ordered_node *node;
    const struct sim_record *record;

    kith_record_message_key(chat, seq, key);
    node = kith_ordered_find(&device->records, kith_slice_of(key, sizeof key));
    record = node == NULL ? NULL : node->value;
    kith_client_recalled(device->client, now_of(device), chat, seq,
                         record == NULL ? (struct kith_slice){0} : kith_slice_of(record->bytes, record->len));
}

static void show(struct sim_device *device, const struct kith_effect *effect)
{
    switch (effect->kind) {
    case KITH_EFFECT_MESSAGE: sealed_shown(device, &effect->message); break;
    case KITH_EFFECT_STATE:
        sim_note(device->sim, "%s: connection %d, %s", device->name, (int)effect->connection,
                 kith_code_name(effect->code));
        break;
    case KITH_EFFECT_FETCH: fetch_start(device, &effect->fetch); break;
    case KITH_EFFECT_RECALL: recall(device, effect->chat, effect->seq); break;
    case KITH_EFFECT_SENT: oracle_acked(device, effect->chat, effect->id, effect->seq); break;
    case KITH_EFFECT_RECEIPT:
        oracle_receipt(device, effect->chat, effect->user, effect->delivered_up_to, effect->read_up_to);
        break;
    default: break;
    }
}

static void run_effect(struct sim_device *device, const struct kith_effect *effect)
{
    struct sim *sim = device->sim;
    uint64_t now = loop_now_ms(device->loop), delay;

    switch (effect->kind) {
    case KITH_EFFECT_PERSIST:
        delay = kith_prng_below(&sim->prng, 4);
        /* A crash meanwhile finds the transaction whole or not at all. */
        device->unsaved = effect->bytes;
        if (kith_prng_chance(&sim->prng, 1, 2)) {
            persist(device, effect->bytes);
            device->unsaved = (struct kith_slice){0};
        }
        if (delay == 0) {
            persist(device, device->unsaved);
            kith_client_persisted(device->client);
            break;
        }
        device->persisting = true;
        loop_timer_start(device->loop, &device->persist, delay);
        break;
    case KITH_EFFECT_SEND:
        sealed_frame(device, effect->bytes);
        if (device->link != NULL) link_client_send(device->link, effect->bytes);
        break;
    case KITH_EFFECT_CONNECT: connect(device); break;
    case KITH_EFFECT_CLOSE:
        if (device->link != NULL) link_client_close(device->link);
        device->link = NULL;
        break;
    case KITH_EFFECT_TIMER:
        loop_timer_start(device->loop, &device->tick, effect->at_ms > now ? effect->at_ms - now : 0);
        break;
    case KITH_EFFECT_TOKEN: sim_fail(sim, "%s was asked for a token", device->name); break;
    default: show(device, effect); break;
    }
}

void device_run(struct sim_device *device)
{
    struct kith_effect effect;

    sealed_knows(device);
    while (device->client != NULL && !device->persisting && kith_client_next(device->client, &effect) == KITH_OK)
        run_effect(device, &effect);
}

void device_start(struct sim_device *device)
{
    struct kith_client_config config = {.user = device->sim->users[device->user],
                                        .device = device->id,
                                        .shows_history = true,
                                        .keeps_mail = true,
                                        .encrypts = device->sim->encrypts,
                                        .one_time_keys = device->sim->one_time_keys,
                                        .pairwise_max = device->sim->pairwise_max,
                                        .random = device_random,
                                        .random_arg = device};
    struct kith_ordered_node *node;
    char token[32];

    device->lives++;
    device->client = kith_client_new(&config);
    if (device->client == NULL) abort();
    for (node = kith_ordered_seek(&device->records, (struct kith_slice){0}); node != NULL;
         node = kith_ordered_next(node)) {
        struct sim_record *record = node->value;
        if (kith_client_load(device->client, kith_ordered_key(node), kith_slice_of(record->bytes, record->len)) !=
            KITH_OK)
            sim_fail(device->sim, "%s cannot read its own records", device->name);
    }
    (void)snprintf(token, sizeof token, "device %u", device->number);
    kith_client_token(device->client, now_of(device), kith_slice_str(token));
    kith_client_start(device->client, now_of(device));
    device_run(device);
}

static void restart_fire(struct loop_timer *timer)
{
    struct sim_device *device = DEVICE_OF(timer, restart);

    if (device->client == NULL) device_start(device);
}

static void add_stats(struct sim_device *device)
{
    struct kith_client_stats stats;

    kith_client_stats(device->client, &stats);
    device->sim->counters.resent += stats.resent;
    device->sim->counters.refused += stats.refused;
    device->sim->counters.duplicates += stats.duplicates;
    if (device->sim->encrypts) device->sim->counters.mail_taken += stats.mail;
    if (stats.holes > 0) sim_fail(device->sim, "I-O5 hole: the stream of %s jumped", device->name);
    if (stats.unflagged > 0) sim_fail(device->sim, "spurious redelivery: %s got one without its flag", device->name);
}

void device_crash(struct sim_device *device)
{
    if (device->client == NULL) return;
    sim_note(device->sim, "%s is killed", device->name);
    add_stats(device);
    kith_client_free(device->client);
    device->client = NULL;
    device->persisting = false;
    loop_timer_stop(device->loop, &device->tick);
    loop_timer_stop(device->loop, &device->persist);
    if (device->link != NULL) link_cut(device->link, kith_prng_chance(&device->sim->prng, 2, 3));
    device->link = NULL;
    loop_timer_start(device->loop, &device->restart, kith_prng_below(&device->sim->prng, 5000));
}

void device_init(struct sim *sim, unsigned number, unsigned user)
{
    struct sim_device *device = &sim->devices[number];

    device->sim = sim;
    device->number = number;
    device->user = user;
    (void)snprintf(device->name, sizeof device->name, "device%u", number);
    device->id.id.raw[0] = 0xd0;
    device->id.id.raw[14] = (uint8_t)(number + 1); /* the last byte: which of its sign-ins */
    device->loop = sim_loop_new(sim->world, device->name);
    if (device->loop == NULL) abort();
    device->tick.fire = tick_fire;
    device->restart.fire = restart_fire;
    device->persist.fire = persist_fire;
    kith_ordered_init(&device->records, sim->seed + number);
}

void device_deinit(struct sim_device *device)
{
    if (device->client != NULL) add_stats(device);
    kith_client_free(device->client);
    device->client = NULL;
    kith_ordered_deinit(&device->records, free);
}
