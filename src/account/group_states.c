#include "account/group_states.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"

/* ------------------------------------------------------------------------------------------------ one state */

struct group_state *group_state_new(struct e2e_group *group)
{
    struct group_state *state = calloc(1, sizeof *state);

    if (state == NULL) {
        e2e_group_free(group);
        return NULL;
    }
    state->group = group;
    atomic_init(&state->is_end, false);
    atomic_init(&state->refs, 1);
    return state;
}

void group_state_ref(struct group_state *state)
{
    atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
}

void group_state_unref(struct group_state *state)
{
    if (state == NULL || atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) != 1) return;
    e2e_group_free(state->group);
    free(state);
}

uint64_t group_state_seq(const struct group_state *state)
{
    return state == NULL || state->group == NULL ? 0 : state->group->seq;
}

/* ------------------------------------------------------------------------------------------------ all of them */

struct entry {
    struct chat_id chat;
    struct group_state *state;
    struct entry *newer, *older; /* by when they were last asked for */
};

struct group_states {
    pthread_mutex_t lock;    /* of what follows */
    struct kith_map entries; /* chat to struct entry * */
    struct entry *newest, *oldest;
    size_t bytes, bytes_max;
    uint32_t states_max;
};

size_t group_state_bytes(const struct group_state *state)
{
    size_t bytes = sizeof *state + sizeof(struct entry);

    if (state->group == NULL) return bytes;
    /* A step leaves room for two that are not in it: one who might be added, one who was taken out. */
    return bytes + sizeof *state->group + ((size_t)state->group->member_count + 2) * sizeof *state->group->members;
}

struct group_states *group_states_new(uint32_t states_max, size_t bytes_max, const uint8_t seed[static 16])
{
    struct group_states *states = calloc(1, sizeof *states);

    assert(states_max >= 1);
    if (states == NULL) return NULL;
    states->states_max = states_max;
    states->bytes_max = bytes_max;
    pthread_mutex_init(&states->lock, NULL);
    kith_map_init(&states->entries, sizeof(struct chat_id), sizeof(struct entry *), states_max, seed);
    return states;
}

static void list_remove(struct group_states *states, struct entry *entry)
{
    *(entry->newer == NULL ? &states->newest : &entry->newer->older) = entry->older;
    *(entry->older == NULL ? &states->oldest : &entry->older->newer) = entry->newer;
}

static void list_push(struct group_states *states, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = states->newest;
    *(states->newest == NULL ? &states->oldest : &states->newest->newer) = entry;
    states->newest = entry;
}

static void entry_free(struct group_states *states, struct entry *entry)
{
    list_remove(states, entry);
    (void)kith_map_remove(&states->entries, &entry->chat);
    states->bytes -= group_state_bytes(entry->state);
    group_state_unref(entry->state);
    free(entry);
}

void group_states_free(struct group_states *states)
{
    if (states == NULL) return;
    while (states->oldest != NULL) entry_free(states, states->oldest);
    kith_map_deinit(&states->entries);
    pthread_mutex_destroy(&states->lock);
    free(states);
}

static struct entry *find(const struct group_states *states, struct chat_id chat)
{
    struct entry **slot = kith_map_find(&states->entries, &chat);

    return slot == NULL ? NULL : *slot;
}

struct group_state *group_states_get(struct group_states *states, struct chat_id chat)
{
    struct group_state *state = NULL;
    struct entry *entry;

    pthread_mutex_lock(&states->lock);
    entry = find(states, chat);
    if (entry != NULL) {
        list_remove(states, entry);
        list_push(states, entry);
        state = entry->state;
        group_state_ref(state);
    }
    pthread_mutex_unlock(&states->lock);
    return state;
}

/* In no list, and without a state yet. NULL: no memory. */
static struct entry *entry_new(struct group_states *states, struct chat_id chat)
{
    struct entry *entry = calloc(1, sizeof *entry), **slot = NULL;

    if (entry == NULL || kith_map_add(&states->entries, &chat, (void **)&slot) != KITH_OK) {
        free(entry);
        return NULL;
    }
    entry->chat = chat;
    *slot = entry;
    return entry;
}

static void put(struct group_states *states, struct chat_id chat, struct group_state *state)
{
    const size_t bytes = group_state_bytes(state);
    struct entry *entry = find(states, chat);

    if (entry != NULL && group_state_seq(entry->state) >= group_state_seq(state)) {
        if (group_state_seq(entry->state) == group_state_seq(state) && state->is_end) entry->state->is_end = true;
        return;
    }
    if (entry != NULL) entry_free(states, entry);
    if (bytes > states->bytes_max) return;
    while (states->entries.count == states->states_max || states->bytes > states->bytes_max - bytes)
        entry_free(states, states->oldest);
    entry = entry_new(states, chat);
    if (entry == NULL) return;
    group_state_ref(state);
    entry->state = state;
    states->bytes += bytes;
    list_push(states, entry);
}

void group_states_put(struct group_states *states, struct chat_id chat, struct group_state *state)
{
    pthread_mutex_lock(&states->lock);
    put(states, chat, state);
    pthread_mutex_unlock(&states->lock);
}

void group_states_drop(struct group_states *states, struct chat_id chat, const struct group_state *state)
{
    struct entry *entry;

    pthread_mutex_lock(&states->lock);
    entry = find(states, chat);
    if (entry != NULL && entry->state == state) entry_free(states, entry);
    pthread_mutex_unlock(&states->lock);
}

uint32_t group_states_count(struct group_states *states)
{
    uint32_t count;

    pthread_mutex_lock(&states->lock);
    count = states->entries.count;
    pthread_mutex_unlock(&states->lock);
    return count;
}
