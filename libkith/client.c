#include "libkith/client.h"

#include <sodium.h>
#include <stdlib.h>

struct kith_client *kith_client_new(const struct kith_client_config *config)
{
    struct kith_client *client = calloc(1, sizeof *client);
    uint8_t seed[16];

    if (client == NULL) return NULL;
    client->config = *config;
    if (client->config.in_flight_max == 0) client->config.in_flight_max = CLIENT_IN_FLIGHT_DEFAULT;
    config->random(config->random_arg, seed, sizeof seed);
    kith_map_init(&client->chats, sizeof(struct chat_id), sizeof(struct chat_sync *), KITH_CHATS_MAX, seed);
    kith_map_init(&client->marks, sizeof(struct receipt_key), sizeof(struct receipt_marks), CLIENT_MARKS_MAX, seed);
    kith_buf_init_secret(&client->batch, 256u << 20);
    kith_buf_init(&client->in, 4 * KITH_FRAME_BYTES_MAX);
    stomp_reader_init(&client->reader, CLIENT_FRAME_BYTES_MAX);
    client->order_next = 1;
    client->connect_at_ms = client->timer_at_ms = UINT64_MAX;
    if (secure_init(client) == KITH_OK) return client;
    kith_client_free(client);
    return NULL;
}

void kith_client_free(struct kith_client *client)
{
    const void *key = NULL;
    struct chat_sync **sync = NULL;
    uint32_t at = 0;

    if (client == NULL) return;
    effects_free(client->first);
    effects_free(client->batch_effects);
    effects_free(client->lent);
    for (struct outbox_entry *entry = client->outbox_first, *next; entry != NULL; entry = next) {
        next = entry->next;
        outbox_entry_free(entry);
    }
    while (kith_map_next(&client->chats, &at, &key, (void **)&sync)) free(*sync);
    secure_deinit(client);
    kith_map_deinit(&client->chats);
    kith_map_deinit(&client->marks);
    kith_buf_deinit(&client->batch);
    kith_buf_deinit(&client->in);
    sodium_memzero(client, sizeof *client); /* the token */
    free(client);
}

uint64_t client_backoff_ms(struct kith_client *client, uint32_t tries)
{
    uint64_t cap = (uint64_t)CLIENT_BACKOFF_BASE_MS << (tries < 7 ? tries : 7), coins = 0;

    if (cap > CLIENT_BACKOFF_CAP_MS) cap = CLIENT_BACKOFF_CAP_MS;
    client->config.random(client->config.random_arg, &coins, sizeof coins);
    return coins % (cap + 1);
}

void kith_client_start(struct kith_client *client, struct kith_time now)
{
    client->now = now;
    client->started = true;
    client->connect_at_ms = now.mono_ms;
    if (client->token_len == 0) {
        client->token_asked = true;
        client->connect_at_ms = UINT64_MAX;
        (void)effect_add(client, KITH_EFFECT_TOKEN, 0, NULL);
    }
    link_timers(client);
    step_end(client);
}

void kith_client_stats(const struct kith_client *client, struct kith_client_stats *out)
{
    *out = client->stats;
}

enum kith_connection kith_client_connection(const struct kith_client *client)
{
    if (client->stopped) return KITH_REPLACED;
    if (client->link == LINK_UP) return KITH_ONLINE;
    return client->link == LINK_DOWN ? KITH_OFFLINE : KITH_CONNECTING;
}
