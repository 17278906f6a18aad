#include <stdlib.h>

#include "gateway/inbox.h"

/*
 * Receipts of large groups: a thousand members who acknowledge one message would be a million events at once. The newest
 * watermark of each person waits here, and a few go out in each round: late, not lost, and the work is bounded.
 */
#define ROUND_MS    100
#define ROUND_MARKS 16
#define PENDING_MAX 65536 /* beyond it a mark is dropped; the person's next one, or a new connection, brings it */

struct chat_user {
    struct chat_id chat;
    struct user_id user;
};

struct pending_receipt {
    struct pending_receipt *next;
    struct chat_user key;
    struct chat_roster *roster;
    struct watermark mark;
};

static void forget(struct gateway *gateway)
{
    struct pending_receipt *first = gateway->receipt_first;

    gateway->receipt_first = first->next;
    if (gateway->receipt_first == NULL) gateway->receipt_last = NULL;
    chat_roster_unref(first->roster);
    free(first);
}

static void fire(struct loop_timer *timer)
{
    struct gateway *gateway = (struct gateway *)((char *)timer - offsetof(struct gateway, receipts));

    for (unsigned i = 0; i < ROUND_MARKS && gateway->receipt_first != NULL; i++) {
        struct pending_receipt *first = gateway->receipt_first;
        (void)kith_map_remove(&gateway->receipts_pending, &first->key);
        events_fan_receipt(gateway, first->key.chat, first->roster, &first->mark);
        forget(gateway);
    }
    if (gateway->receipt_first != NULL) loop_timer_start(gateway->config.loop, &gateway->receipts, ROUND_MS);
}

void receipts_init(struct gateway *gateway)
{
    uint8_t seed[16];

    loop_random(gateway->config.loop, seed, sizeof seed);
    kith_map_init(&gateway->receipts_pending, sizeof(struct chat_user), sizeof(struct pending_receipt *), PENDING_MAX,
                  seed);
    gateway->receipts.fire = fire;
}

static struct chat_roster *shared(struct chat_roster *roster)
{
    chat_roster_ref(roster);
    return roster;
}

void receipts_add(struct gateway *gateway, struct chat_id chat, struct chat_roster *roster,
                  const struct watermark *mark)
{
    struct chat_user key = {.chat = chat, .user = mark->user};
    struct pending_receipt **place = NULL, *one;
    kith_err err = kith_map_add(&gateway->receipts_pending, &key, (void **)&place);

    if (err == KITH_E_CONFLICT) { /* the newer mark, to whoever is in the group now */
        chat_roster_unref((*place)->roster);
        (*place)->roster = shared(roster);
        (*place)->mark = *mark;
        return;
    }
    if (err != KITH_OK) return;
    one = malloc(sizeof *one);
    if (one == NULL) {
        (void)kith_map_remove(&gateway->receipts_pending, &key);
        return;
    }
    *one = (struct pending_receipt){.key = key, .roster = shared(roster), .mark = *mark};
    *place = one;
    if (gateway->receipt_last != NULL)
        gateway->receipt_last->next = one;
    else
        gateway->receipt_first = one;
    gateway->receipt_last = one;
    if (!gateway->receipts.armed) loop_timer_start(gateway->config.loop, &gateway->receipts, ROUND_MS);
}

void receipts_free_all(struct gateway *gateway)
{
    while (gateway->receipt_first != NULL) forget(gateway);
    kith_map_deinit(&gateway->receipts_pending);
}
