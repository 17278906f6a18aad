#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/inbox.h"

/*
 * What the gateways of one process tell each other, by posting notes to each other's loops. Few: a claim when a device
 * connects, its reply, a typing person. Notes that a stopped loop never took are freed with the group.
 */
enum note_kind { NOTE_CLAIM, NOTE_CLAIMED, NOTE_TYPING };

struct note {
    struct loop_task task; /* first */
    struct note *prev, *next;
    struct gateway_group *group;
    struct gateway *to, *from;
    enum note_kind kind;
    struct user_id user;
    struct device_id device;
    uint64_t generation;
    bool superseded;           /* CLAIMED: a newer connection of the device is there */
    struct leftover *leftover; /* CLAIMED: moved */
    struct chat_id chat;       /* TYPING */
    struct chat_roster *roster;
    bool on;
};

struct gateway_group {
    atomic_uint_fast64_t generation, life_position;
    uint32_t count;
    struct gateway *gateways[GATEWAY_LOOPS_MAX];
    pthread_mutex_t lock; /* of the list of notes */
    struct note *notes;
};

struct gateway_group *gateway_group_new(uint64_t life_position)
{
    struct gateway_group *group = calloc(1, sizeof *group);

    if (group == NULL) return NULL;
    atomic_init(&group->generation, 0);
    atomic_init(&group->life_position, life_position);
    (void)pthread_mutex_init(&group->lock, NULL);
    return group;
}

static void note_free(struct note *note)
{
    chat_roster_unref(note->roster);
    free(note->leftover);
    free(note);
}

void gateway_group_free(struct gateway_group *group)
{
    if (group == NULL) return;
    while (group->notes != NULL) {
        struct note *note = group->notes;
        group->notes = note->next;
        note_free(note);
    }
    (void)pthread_mutex_destroy(&group->lock);
    free(group);
}

uint64_t group_generation(struct gateway_group *group)
{
    return atomic_fetch_add_explicit(&group->generation, 1, memory_order_relaxed) + 1;
}

uint64_t group_life_position(const struct gateway_group *group)
{
    return atomic_load_explicit(&group->life_position, memory_order_relaxed);
}

void group_raise_life(struct gateway_group *group, uint64_t position)
{
    uint_fast64_t now = atomic_load_explicit(&group->life_position, memory_order_relaxed);

    while (now < position && !atomic_compare_exchange_weak_explicit(&group->life_position, &now, position,
                                                                    memory_order_relaxed, memory_order_relaxed))
        continue;
}

kith_err group_join(struct gateway_group *group, struct gateway *gateway)
{
    if (group->count == GATEWAY_LOOPS_MAX) return KITH_E_FULL;
    group->gateways[group->count++] = gateway;
    return KITH_OK;
}

void group_leave(struct gateway_group *group, struct gateway *gateway)
{
    for (uint32_t i = 0; i < group->count; i++)
        if (group->gateways[i] == gateway) group->gateways[i] = NULL;
}

static void note_run(struct loop_task *task);

/* False: no memory; what the note owns is freed. */
static bool post(struct gateway *to, const struct note *from)
{
    struct gateway_group *group = to->config.group;
    struct note *note = malloc(sizeof *note);

    if (note == NULL) {
        chat_roster_unref(from->roster);
        return false;
    }
    *note = *from;
    note->task = (struct loop_task){.run = note_run};
    note->group = group;
    note->to = to;
    note->prev = NULL;
    (void)pthread_mutex_lock(&group->lock);
    note->next = group->notes;
    if (note->next != NULL) note->next->prev = note;
    group->notes = note;
    (void)pthread_mutex_unlock(&group->lock);
    loop_post(to->config.loop, &note->task);
    return true;
}

static void note_done(struct note *note)
{
    struct gateway_group *group = note->group;

    (void)pthread_mutex_lock(&group->lock);
    if (note->prev != NULL)
        note->prev->next = note->next;
    else
        group->notes = note->next;
    if (note->next != NULL) note->next->prev = note->prev;
    (void)pthread_mutex_unlock(&group->lock);
    note_free(note);
}

/* -------------------------------------------------------------------------------------------------------- claims */

/* Ends what is older; true: there is something newer. */
static bool replace_older(struct gateway *gateway, struct user_id user, struct device_id device, uint64_t generation)
{
    struct session *next;
    bool superseded = false;

    for (struct session *s = users_first(gateway, user); s != NULL; s = next) {
        next = s->peer_next;
        if (!kith_uuid_eq(s->device.id, device.id) || s->generation == generation) continue;
        if (s->generation > generation)
            superseded = true;
        else
            session_fail(s, CODE_REPLACED, NULL, (struct kith_slice){0});
    }
    return superseded;
}

void group_claim(struct session *session)
{
    struct gateway *gateway = session->gateway;
    struct gateway_group *group = gateway->config.group;
    struct note note = {.kind = NOTE_CLAIM,
                        .from = gateway,
                        .user = session->user_id,
                        .device = session->device,
                        .generation = session->generation};

    (void)replace_older(gateway, session->user_id, session->device, session->generation);
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->gateways[i] == NULL || group->gateways[i] == gateway) continue;
        if (post(group->gateways[i], &note)) session->claims++;
    }
}

/* The note goes back as its own reply: that cannot fail, and the session waits for it. */
static void take_claim(struct note *note)
{
    struct gateway *here = note->to;

    note->superseded = replace_older(here, note->user, note->device, note->generation);
    if (!note->superseded) note->leftover = leftover_take(here, note->device);
    note->kind = NOTE_CLAIMED;
    note->to = note->from;
    loop_post(note->to->config.loop, &note->task);
}

static void take_claimed(struct note *note)
{
    struct session *session = users_find(note->to, note->user, note->generation);

    leftover_keep(note->to, note->leftover);
    note->leftover = NULL;
    if (session == NULL) return;
    session->claims--;
    if (note->superseded) {
        session_fail(session, CODE_REPLACED, NULL, (struct kith_slice){0});
    } else if (session->claims == 0 && session->state == SESSION_OPEN && session->inbox != NULL) {
        inbox_work(session->inbox);
    }
}

/* -------------------------------------------------------------------------------------------------------- typing */

void group_typing(struct gateway *gateway, struct chat_id chat, struct user_id user, struct chat_roster *roster,
                  bool on)
{
    struct gateway_group *group = gateway->config.group;
    struct note note = {.kind = NOTE_TYPING, .user = user, .chat = chat, .roster = roster, .on = on};

    for (uint32_t i = 0; i < group->count; i++) {
        if (group->gateways[i] == NULL || group->gateways[i] == gateway) continue;
        chat_roster_ref(roster);
        (void)post(group->gateways[i], &note);
    }
}

static void note_run(struct loop_task *task)
{
    struct note *note = (struct note *)task;

    switch (note->kind) {
    case NOTE_CLAIM: take_claim(note); return;
    case NOTE_CLAIMED: take_claimed(note); break;
    case NOTE_TYPING: typing_show(note->to, note->chat, note->user, note->roster, note->on); break;
    }
    note_done(note);
}
