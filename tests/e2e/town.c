#include "town_group.h"

#include <stdio.h>
#include <stdlib.h>

#include "libkith/crypto/hash.h"

void town_need_at(bool good, const char *what, const char *file, int line)
{
    if (good) return;
    (void)fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

/* ------------------------------------------------------------------------------------------------ coins */
static void fill(void *arg, void *out, size_t len)
{
    struct town *town = arg;

    kith_prng_bytes(&town->prng, out, len);
    if (len != 32 && len != 64) return;
    for (size_t at = 0; at < len; at += 32) {
        town_need(town->coin_count < TOWN_COINS_MAX);
        memcpy(town->coins[town->coin_count++], (const uint8_t *)out + at, 32);
    }
}

struct e2e_random town_random(struct town *town)
{
    return (struct e2e_random){.fill = fill, .arg = town};
}

/* ------------------------------------------------------------------------------------------------ records */
static void record_key(struct kith_slice key, uint8_t out[static TOWN_RECORD_KEY])
{
    town_need(key.len <= E2E_RECORD_KEY_BYTES_MAX);
    memset(out, 0, TOWN_RECORD_KEY);
    out[0] = (uint8_t)key.len;
    memcpy(out + 1, key.ptr, key.len);
}

static void records_init(struct kith_map *records)
{
    static const uint8_t seed[16] = {0};

    kith_map_init(records, TOWN_RECORD_KEY, sizeof(struct kith_buf), 100000, seed);
}

static void record_set(struct kith_map *records, const uint8_t key[static TOWN_RECORD_KEY], struct kith_slice value)
{
    struct kith_buf *buf = NULL;
    kith_err err = kith_map_add(records, key, (void **)&buf);

    town_need(err == KITH_OK || err == KITH_E_CONFLICT);
    if (err == KITH_OK) kith_buf_init(buf, 1u << 20);
    kith_buf_reset(buf);
    town_need(kith_buf_append(buf, value) == KITH_OK);
}

static void keep(void *arg, struct kith_slice key, struct kith_slice value)
{
    struct town_device *device = arg;
    uint8_t raw[TOWN_RECORD_KEY];

    record_key(key, raw);
    record_set(&device->records, raw, value);
    device->writes++;
}

static void drop(void *arg, struct kith_slice key)
{
    struct town_device *device = arg;
    uint8_t raw[TOWN_RECORD_KEY];
    struct kith_buf *buf;

    record_key(key, raw);
    device->writes++;
    buf = kith_map_find(&device->records, raw);
    if (buf == NULL) return;
    kith_buf_deinit(buf);
    (void)kith_map_remove(&device->records, raw);
}

struct kith_map town_records_copy(const struct town_device *device)
{
    struct kith_map out;
    const uint8_t *key = NULL;
    struct kith_buf *value = NULL;
    uint32_t at = 0;

    records_init(&out);
    while (kith_map_next(&device->records, &at, (const void **)&key, (void **)&value))
        record_set(&out, key, kith_buf_peek(value));
    return out;
}

void town_records_free(struct kith_map *records)
{
    struct kith_buf *value = NULL;
    uint32_t at = 0;

    while (kith_map_next(records, &at, NULL, (void **)&value)) kith_buf_deinit(value);
    kith_map_deinit(records);
}

/* A sum over the records, so that their order in the map does not count. */
void town_state_hash(const struct town_device *device, uint8_t out[static E2E_HASH_BYTES])
{
    const uint8_t *key = NULL;
    struct kith_buf *value = NULL;
    uint32_t at = 0;

    memset(out, 0, E2E_HASH_BYTES);
    while (kith_map_next(&device->records, &at, (const void **)&key, (void **)&value)) {
        const struct kith_slice parts[] = {kith_slice_of(key, TOWN_RECORD_KEY), kith_buf_peek(value)};
        uint8_t hash[E2E_HASH_BYTES];
        e2e_sha256(parts, 2, hash);
        for (size_t i = 0; i < E2E_HASH_BYTES; i++) out[i] = (uint8_t)(out[i] + hash[i]);
    }
}

/* ------------------------------------------------------------------------------------------------ devices */
static void account_open(struct town_device *device)
{
    struct e2e_account_config config = {.pairwise_max = device->town->pairwise_max,
                                        .random = town_random(device->town),
                                        .keep = keep,
                                        .drop = drop,
                                        .arg = device};

    memcpy(config.account_id, device->person->id, sizeof config.account_id);
    memcpy(config.server_device, device->server_device, sizeof config.server_device);
    device->account = e2e_account_new(&config);
    town_need(device->account != NULL);
}

/* In an order of its own each time: the contract says any. */
void town_restart(struct town_device *device)
{
    const uint8_t **keys = calloc(device->records.count + 1, sizeof *keys);
    struct kith_map copy = town_records_copy(device);
    const uint8_t *key = NULL;
    uint32_t at = 0, count = 0;

    town_need(keys != NULL);
    e2e_account_free(device->account);
    account_open(device);
    while (kith_map_next(&copy, &at, (const void **)&key, NULL)) keys[count++] = key;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = i + (uint32_t)kith_prng_below(&device->town->order, count - i);
        key = keys[j];
        keys[j] = keys[i];
        town_need(e2e_account_load(device->account, kith_slice_of(key + 1, key[0]),
                                   kith_buf_peek(kith_map_find(&copy, key))) == KITH_OK);
    }
    town_records_free(&copy);
    free(keys);
}

void town_restart_from(struct town_device *device, const struct kith_map *records)
{
    const struct town_device other = {.records = *records};
    struct kith_map copy = town_records_copy(&other);

    town_records_free(&device->records);
    device->records = copy;
    town_restart(device);
}

struct town_device *town_device_new(struct town_person *person)
{
    struct town_device *device = calloc(1, sizeof *device);

    town_need(device != NULL && person->device_count < TOWN_DEVICES_MAX);
    person->devices[person->device_count++] = device;
    device->town = person->town;
    device->person = person;
    device->read = person->town->mail_count;
    kith_prng_bytes(&person->town->prng, device->server_device, sizeof device->server_device);
    records_init(&device->records);
    kith_buf_init(&device->spk, E2E_PREKEY_BYTES_MAX);
    kith_buf_init(&device->kem_lr, E2E_PREKEY_BYTES_MAX);
    account_open(device);
    return device;
}

static void few_prekeys(struct town_device *device)
{
    if (device->town->has_few_prekeys) town_say_left(device, E2E_PREKEYS_MAX, E2E_PREKEYS_MAX);
}

struct town_device *town_join(struct town *town)
{
    uint8_t id[E2E_ACCOUNT_ID_BYTES];

    kith_prng_bytes(&town->prng, id, sizeof id);
    return town_join_as(town, id);
}

struct town_device *town_join_as(struct town *town, const uint8_t id[static E2E_ACCOUNT_ID_BYTES])
{
    struct town_person *person = calloc(1, sizeof *person);
    struct town_device *device;

    town_need(person != NULL && town->person_count < TOWN_PEOPLE_MAX);
    town->people[town->person_count++] = person;
    person->town = town;
    memcpy(person->id, id, sizeof person->id);
    device = town_device_new(person);
    town_need(e2e_account_found(device->account, town->now_ms) == KITH_OK);
    few_prekeys(device);
    town_upload(device);
    return device;
}

struct town_device *town_link(struct town_device *manager)
{
    struct town_device *device = town_device_new(manager->person);
    uint64_t now_ms = manager->town->now_ms;
    struct kith_buf request, answer;

    kith_buf_init(&request, E2E_LINK_BYTES_MAX);
    kith_buf_init(&answer, E2E_LINK_BYTES_MAX);
    town_need(e2e_account_link_request(device->account, now_ms, &request) == KITH_OK);
    town_need(e2e_account_link_approve(manager->account, now_ms, kith_buf_peek(&request), &answer) == KITH_OK);
    town_upload(manager);
    town_need(e2e_account_link_accept(device->account, now_ms, kith_buf_peek(&answer)) == KITH_OK);
    few_prekeys(device);
    town_upload(device);
    town_need(e2e_account_state(device->account) == E2E_ACCOUNT_READY);
    if (!manager->town->has_blind_managers) town_need(town_fetch_list(manager, manager->person) == KITH_OK);
    kith_buf_wipe(&request);
    kith_buf_wipe(&answer);
    return device;
}

/* ------------------------------------------------------------------------------------------------ the town */
struct town *town_new(uint64_t seed)
{
    static const uint8_t map_seed[16] = {0};
    struct town *town = calloc(1, sizeof *town);

    town_need(town != NULL);
    kith_prng_seed(&town->prng, seed);
    town->order = kith_prng_fork(&town->prng);
    town->now_ms = TOWN_NOW;
    town->mails = calloc(TOWN_MAILS_MAX, sizeof *town->mails);
    town->coins = calloc(TOWN_COINS_MAX, sizeof *town->coins);
    town_need(town->mails != NULL && town->coins != NULL);
    kith_map_init(&town->keys_used, E2E_DH_BYTES + 4, 0, 1u << 20, map_seed);
    kith_map_init(&town->nonces_used, E2E_AEAD_NONCE_BYTES, 0, 1u << 20, map_seed);
    kith_map_init(&town->chain_keys_used, E2E_CHAIN_ID_BYTES + 4, 0, 1u << 20, map_seed);
    kith_map_init(&town->opened, E2E_SERVER_DEVICE_BYTES + E2E_ID_BYTES, 0, 1u << 20, map_seed);
    kith_buf_init(&town->wire, 1u << 30);
    return town;
}

static void prekeys_free(struct town_prekeys *prekeys)
{
    for (size_t i = 0; i < prekeys->count; i++) kith_buf_deinit(&prekeys->items[i]);
    free(prekeys->items);
}

static void device_free(struct town_device *device)
{
    e2e_account_free(device->account);
    town_records_free(&device->records);
    kith_buf_deinit(&device->spk);
    kith_buf_deinit(&device->kem_lr);
    prekeys_free(&device->opks);
    prekeys_free(&device->kem_ots);
    free(device);
}

void town_free(struct town *town)
{
    for (size_t i = 0; i < town->person_count; i++) {
        struct town_person *person = town->people[i];
        for (size_t j = 0; j < person->device_count; j++) device_free(person->devices[j]);
        for (size_t j = 0; j < person->list_count; j++) kith_buf_deinit(&person->lists[j]);
        free(person);
    }
    for (size_t i = 0; i < town->mail_count; i++) kith_buf_deinit(&town->mails[i].bodies);
    for (size_t i = 0; i < town->group_count; i++) town_group_free(town->groups[i]);
    free(town->mails);
    free(town->coins);
    kith_map_deinit(&town->keys_used);
    kith_map_deinit(&town->nonces_used);
    kith_map_deinit(&town->chain_keys_used);
    kith_map_deinit(&town->opened);
    kith_buf_deinit(&town->wire);
    free(town);
}
