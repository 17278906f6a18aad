#include <stdlib.h>

#include "libkith/client.h"
#include "libkith/crypto/secret.h"

static struct effect_node *node_new(enum kith_effect_kind kind, size_t room)
{
    struct effect_node *node = malloc(sizeof *node + room);

    if (node == NULL) abort(); /* a client that cannot say what to do next can promise nothing */
    *node = (struct effect_node){.effect = {.kind = kind}, .room = room};
    return node;
}

void effects_free(struct effect_node *node)
{
    while (node != NULL) {
        struct effect_node *next = node->next;
        e2e_wipe(node->bytes, node->room);
        free(node);
        node = next;
    }
}

struct kith_effect *effect_add(struct kith_client *client, enum kith_effect_kind kind, size_t room, uint8_t **bytes)
{
    struct effect_node *node = node_new(kind, room);

    if (bytes != NULL) *bytes = node->bytes;
    if (client->batch_last != NULL)
        client->batch_last->next = node;
    else
        client->batch_effects = node;
    client->batch_last = node;
    return &node->effect;
}

void effect_send(struct kith_client *client, struct kith_slice frame)
{
    uint8_t *bytes = NULL;
    struct kith_effect *effect = effect_add(client, KITH_EFFECT_SEND, frame.len, &bytes);

    memcpy(bytes, frame.ptr, frame.len);
    effect->bytes = kith_slice_of(bytes, frame.len);
    client->sent_at_ms = client->now.mono_ms;
}

void effect_state(struct kith_client *client, enum kith_connection connection, enum kith_code code, uint64_t retry_ms)
{
    struct kith_effect *effect = effect_add(client, KITH_EFFECT_STATE, 0, NULL);

    effect->connection = connection;
    effect->code = code;
    effect->retry_ms = retry_ms;
}

static void queue_append(struct kith_client *client, struct effect_node *first, struct effect_node *last)
{
    if (client->last != NULL)
        client->last->next = first;
    else
        client->first = first;
    client->last = last;
}

void step_end(struct kith_client *client)
{
    secure_work(client);
}

/* All that the steps since then came to: one PERSIST, before everything else, so that a host which is behind catches up with
 * one transaction and not with one a step. */
static void batch_close(struct kith_client *client)
{
    if (kith_buf_len(&client->batch) > 0) {
        size_t len = kith_buf_len(&client->batch);
        struct effect_node *node = node_new(KITH_EFFECT_PERSIST, len);
        memcpy(node->bytes, kith_buf_peek(&client->batch).ptr, len);
        node->effect.bytes = kith_slice_of(node->bytes, len);
        queue_append(client, node, node);
        kith_buf_deinit(&client->batch);
        client->stats.persists++;
    }
    if (client->batch_effects == NULL) return;
    queue_append(client, client->batch_effects, client->batch_last);
    client->batch_effects = client->batch_last = NULL;
}

kith_err kith_client_next(struct kith_client *client, struct kith_effect *out)
{
    struct effect_node *node;

    effects_free(client->lent);
    client->lent = NULL;
    if (client->waits_for_persist) return KITH_E_AGAIN;
    if (client->first == NULL) batch_close(client);
    node = client->first;
    if (node == NULL) return KITH_E_NOTFOUND;
    client->first = node->next;
    if (client->first == NULL) client->last = NULL;
    node->next = NULL;
    client->lent = node;
    client->waits_for_persist = node->effect.kind == KITH_EFFECT_PERSIST;
    *out = node->effect;
    return KITH_OK;
}

void kith_client_persisted(struct kith_client *client)
{
    client->waits_for_persist = false;
}
