#ifndef KITH_ACCOUNT_GROUP_STATES_H
#define KITH_ACCOUNT_GROUP_STATES_H

#include <stdatomic.h>

#include "base/id.h"
#include "libkith/e2ee/group.h"

/**
 * What the signed operations of groups come to, by chat, of those that were asked for lately. A cache and no more: all that is in
 * it was computed from stored operations, and is again when it is asked for after it was given up (group_replay.h).
 *
 * At most GROUP_STATES_MAX groups, and GROUP_STATES_BYTES_MAX; the one that was not asked for longest goes first. A group of
 * 10 people takes 5 kB, one of 1,024 takes 37. Any thread.
 */
#define GROUP_STATES_MAX       1024
#define GROUP_STATES_BYTES_MAX (32u * 1024 * 1024)

/** Shared, so never changed, but for is_end, which once true stays so. */
struct group_state {
    struct e2e_group *group; /* NULL: there is no operation yet, or the first is none that a reader takes */
    /* The operation behind it is stored, and none that a reader of this version takes: nothing that follows can be known. */
    atomic_bool is_end;
    atomic_uint refs;
};
/** Owns `group`, also when it gives NULL: no memory. */
struct group_state *group_state_new(struct e2e_group *group);
void group_state_ref(struct group_state *state);
/** NULL is fine. */
void group_state_unref(struct group_state *state);
/** Of the newest operation in it. NULL is fine: 0. */
uint64_t group_state_seq(const struct group_state *state);
/** What it takes in the cache. */
size_t group_state_bytes(const struct group_state *state);

struct group_states;

/** `seed`: 16 unpredictable bytes. NULL: no memory. */
struct group_states *group_states_new(uint32_t states_max, size_t bytes_max, const uint8_t seed[static 16]);
/** NULL is fine. States that others hold live on. */
void group_states_free(struct group_states *states);
/** The caller's to unref; NULL: not known. */
struct group_state *group_states_get(struct group_states *states, struct chat_id chat);
/** Keeps it in the place of an older one of that chat. Without memory, or with a state above bytes_max, nothing is kept. */
void group_states_put(struct group_states *states, struct chat_id chat, struct group_state *state);
/** Forgets it, if it is this one. */
void group_states_drop(struct group_states *states, struct chat_id chat, const struct group_state *state);
uint32_t group_states_count(struct group_states *states);

#endif
