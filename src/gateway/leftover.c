#include <stdlib.h>

#include "gateway/inbox.h"

/*
 * What ended connections had sent and not got acknowledged, so that `redelivered` is exact within one life of the
 * server, and acknowledgements that were still under way are not asked for again. Bounded: what is forgotten counts as
 * of an earlier life from then on.
 */
#define LEFTOVER_CHATS_MAX 262144 /* of one gateway, all devices together */

static void unlink_from(struct gateway *gateway, struct leftover *leftover)
{
    if (leftover->prev != NULL)
        leftover->prev->next = leftover->next;
    else
        gateway->leftover_first = leftover->next;
    if (leftover->next != NULL)
        leftover->next->prev = leftover->prev;
    else
        gateway->leftover_last = leftover->prev;
    leftover->prev = leftover->next = NULL;
    gateway->leftover_chats -= leftover->count;
    (void)kith_map_remove(&gateway->leftovers, &leftover->device);
}

static void forget_oldest(struct gateway *gateway)
{
    struct leftover *oldest = gateway->leftover_first;

    group_raise_life(gateway->config.group, gateway->newest_position);
    unlink_from(gateway, oldest);
    free(oldest);
}

struct leftover *leftover_take(struct gateway *gateway, struct device_id device)
{
    struct leftover **found = kith_map_find(&gateway->leftovers, &device), *leftover;

    if (found == NULL) return NULL;
    leftover = *found;
    unlink_from(gateway, leftover);
    return leftover;
}

static int by_chat(const void *a, const void *b)
{
    return kith_uuid_cmp(((const struct leftover_chat *)a)->chat.id, ((const struct leftover_chat *)b)->chat.id);
}

const struct leftover_chat *leftover_find(const struct leftover *leftover, struct chat_id chat)
{
    struct leftover_chat key = {.chat = chat};

    if (leftover == NULL) return NULL;
    return bsearch(&key, leftover->chats, leftover->count, sizeof key, by_chat);
}

static struct leftover *leftover_new(struct device_id device, uint32_t count_max)
{
    struct leftover *leftover = calloc(1, sizeof *leftover + count_max * sizeof leftover->chats[0]);

    if (leftover != NULL) leftover->device = device;
    return leftover;
}

static struct leftover_chat of_both(const struct leftover_chat *a, const struct leftover_chat *b)
{
    return (struct leftover_chat){.chat = a->chat,
                                  .cursor = a->cursor > b->cursor ? a->cursor : b->cursor,
                                  .sent = a->sent > b->sent ? a->sent : b->sent};
}

struct leftover *leftover_merge(struct gateway *gateway, struct leftover *a, struct leftover *b)
{
    struct leftover *both;
    uint32_t i = 0, j = 0;

    if (a == NULL || b == NULL) return a == NULL ? b : a;
    both = leftover_new(a->device, a->count + b->count);
    if (both == NULL) group_raise_life(gateway->config.group, gateway->newest_position);
    while (both != NULL && (i < a->count || j < b->count)) {
        int order = i == a->count ? 1 : j == b->count ? -1 : by_chat(&a->chats[i], &b->chats[j]);
        if (order == 0)
            both->chats[both->count++] = of_both(&a->chats[i++], &b->chats[j++]);
        else
            both->chats[both->count++] = order < 0 ? a->chats[i++] : b->chats[j++];
    }
    free(a);
    free(b);
    return both;
}

static bool is_worth_it(const struct stream *stream)
{
    return stream->loaded && (stream->sent > stream->durable || stream->flag_to > stream->durable);
}

struct leftover *leftover_of(struct inbox *inbox)
{
    struct gateway *gateway = inbox->session->gateway;
    struct leftover *mine = NULL, *old = inbox->leftover;
    uint32_t count = 0;

    inbox->leftover = NULL;
    for (const struct stream *s = inbox->streams; s != NULL; s = s->next) count += is_worth_it(s);
    if (count == 0) return old;
    mine = leftover_new(inbox->session->device, count);
    if (mine == NULL) {
        group_raise_life(gateway->config.group, gateway->newest_position);
        return old;
    }
    for (const struct stream *s = inbox->streams; s != NULL; s = s->next) {
        if (!is_worth_it(s)) continue;
        mine->chats[mine->count++] = (struct leftover_chat){
            .chat = s->chat, .cursor = s->cursor, .sent = s->sent > s->flag_to ? s->sent : s->flag_to};
    }
    qsort(mine->chats, mine->count, sizeof mine->chats[0], by_chat);
    return leftover_merge(gateway, mine, old);
}

void leftover_keep(struct gateway *gateway, struct leftover *leftover)
{
    struct leftover **place = NULL;

    if (leftover == NULL) return;
    leftover = leftover_merge(gateway, leftover, leftover_take(gateway, leftover->device));
    if (leftover == NULL) return;
    while (gateway->leftover_first != NULL && (gateway->leftovers.count >= GATEWAY_LEFTOVERS_MAX ||
                                               gateway->leftover_chats + leftover->count > LEFTOVER_CHATS_MAX))
        forget_oldest(gateway);
    if (kith_map_add(&gateway->leftovers, &leftover->device, (void **)&place) != KITH_OK) {
        group_raise_life(gateway->config.group, gateway->newest_position);
        free(leftover);
        return;
    }
    *place = leftover;
    gateway->leftover_chats += leftover->count;
    leftover->prev = gateway->leftover_last;
    leftover->next = NULL;
    if (gateway->leftover_last != NULL)
        gateway->leftover_last->next = leftover;
    else
        gateway->leftover_first = leftover;
    gateway->leftover_last = leftover;
}

void leftover_free_all(struct gateway *gateway)
{
    while (gateway->leftover_first != NULL) {
        struct leftover *leftover = gateway->leftover_first;
        gateway->leftover_first = leftover->next;
        free(leftover);
    }
}
