#include <stdlib.h>

#include "gateway/inbox.h"

kith_err users_add(struct session *session)
{
    struct gateway *gateway = session->gateway;
    struct session **first = NULL;
    kith_err err = kith_map_add(&gateway->users, &session->user_id, (void **)&first);

    if (err != KITH_OK && err != KITH_E_CONFLICT) return err;
    session->peer_next = *first;
    *first = session;
    gateway->stats.sessions++;
    gateway->stats.sessions_total++;
    return KITH_OK;
}

void users_remove(struct session *session)
{
    struct gateway *gateway = session->gateway;
    struct session **first = kith_map_find(&gateway->users, &session->user_id);
    struct session **at = first;

    while (at != NULL && *at != NULL && *at != session) at = &(*at)->peer_next;
    if (at == NULL || *at == NULL) return;
    *at = session->peer_next;
    session->peer_next = NULL;
    gateway->stats.sessions--;
    if (*first == NULL) (void)kith_map_remove(&gateway->users, &session->user_id);
}

struct session *users_first(const struct gateway *gateway, struct user_id user)
{
    struct session **first = kith_map_find(&gateway->users, &user);

    return first == NULL ? NULL : *first;
}

struct session *users_find(const struct gateway *gateway, struct user_id user, uint64_t generation)
{
    struct session *at = users_first(gateway, user);

    while (at != NULL && at->generation != generation) at = at->peer_next;
    return at;
}

bool roster_has(const struct chat_roster *roster, struct user_id user)
{
    uint32_t low = 0, high = roster->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = kith_uuid_cmp(roster->users[mid].id, user.id);
        if (order == 0) return true;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

static void each_of(struct session *first, void (*each)(struct session *session, void *arg), void *arg)
{
    struct session *next;

    for (struct session *s = first; s != NULL; s = next) {
        next = s->peer_next;
        each(s, arg);
    }
}

/* A large group meets few people here, or few people meet a large group: walk the smaller side. */
static void each_in_roster(struct gateway *gateway, const struct chat_roster *roster,
                           void (*each)(struct session *session, void *arg), void *arg)
{
    struct session **first;
    const void *user;
    uint32_t at = 0;

    if (roster->count <= gateway->users.count) {
        for (uint32_t i = 0; i < roster->count; i++) each_of(users_first(gateway, roster->users[i]), each, arg);
        return;
    }
    while (kith_map_next(&gateway->users, &at, &user, (void **)&first))
        if (roster_has(roster, *(const struct user_id *)user)) each_of(*first, each, arg);
}

void users_each(struct gateway *gateway, const struct chat_roster *roster, const struct user_id *extra,
                void (*each)(struct session *session, void *arg), void *arg)
{
    each_in_roster(gateway, roster, each, arg);
    if (extra != NULL && !roster_has(roster, *extra)) each_of(users_first(gateway, *extra), each, arg);
}
