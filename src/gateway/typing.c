#include <stdlib.h>

#include "gateway/inbox.h"

/* Who is typing where: told when it begins and at each renewal, ended by the client, its going, or the time (I-P2). */
struct typing_key {
    struct chat_id chat;
    struct user_id user;
};

struct typing {
    struct typing *prev, *next; /* the one renewed longest ago first */
    struct typing_key key;
    struct chat_roster *roster;
    uint64_t renewed_ms;
};

static void unlink_from(struct gateway *gateway, struct typing *typing)
{
    if (typing->prev != NULL)
        typing->prev->next = typing->next;
    else
        gateway->typing_first = typing->next;
    if (typing->next != NULL)
        typing->next->prev = typing->prev;
    else
        gateway->typing_last = typing->prev;
    typing->prev = typing->next = NULL;
}

static void append(struct gateway *gateway, struct typing *typing)
{
    typing->prev = gateway->typing_last;
    if (gateway->typing_last != NULL)
        gateway->typing_last->next = typing;
    else
        gateway->typing_first = typing;
    gateway->typing_last = typing;
    typing->renewed_ms = loop_now_ms(gateway->config.loop);
    if (!gateway->typing_end.armed) loop_timer_start(gateway->config.loop, &gateway->typing_end, GATEWAY_TYPING_MS);
}

static void typing_free(struct gateway *gateway, struct typing *typing)
{
    unlink_from(gateway, typing);
    (void)kith_map_remove(&gateway->typing, &typing->key);
    chat_roster_unref(typing->roster);
    free(typing);
}

static struct typing *find(const struct gateway *gateway, struct chat_id chat, struct user_id user)
{
    struct typing_key key = {.chat = chat, .user = user};
    struct typing **found = kith_map_find(&gateway->typing, &key);

    return found == NULL ? NULL : *found;
}

struct show {
    struct chat_id chat;
    struct user_id user;
    bool on;
};

static void to_session(struct session *session, void *arg)
{
    const struct show *show = arg;

    if (session->subs == NULL || !session->subs->has_events) return;
    if (kith_uuid_eq(session->user_id.id, show->user.id)) return;
    events_send_typing(session, show->chat, show->user, show->on);
}

void typing_show(struct gateway *gateway, struct chat_id chat, struct user_id user, const struct chat_roster *roster,
                 bool on)
{
    struct show show = {.chat = chat, .user = user, .on = on};

    users_each(gateway, roster, NULL, to_session, &show);
}

static void stop(struct gateway *gateway, struct typing *typing)
{
    typing_show(gateway, typing->key.chat, typing->key.user, typing->roster, false);
    group_typing(gateway, typing->key.chat, typing->key.user, typing->roster, false);
    typing_free(gateway, typing);
}

static void end_fire(struct loop_timer *timer)
{
    struct gateway *gateway = (struct gateway *)((char *)timer - offsetof(struct gateway, typing_end));
    uint64_t now_ms = loop_now_ms(gateway->config.loop);

    while (gateway->typing_first != NULL && gateway->typing_first->renewed_ms + GATEWAY_TYPING_MS <= now_ms)
        stop(gateway, gateway->typing_first);
    if (gateway->typing_first != NULL)
        loop_timer_start(gateway->config.loop, &gateway->typing_end,
                         gateway->typing_first->renewed_ms + GATEWAY_TYPING_MS - now_ms);
}

void typing_init(struct gateway *gateway)
{
    uint8_t seed[16];

    loop_random(gateway->config.loop, seed, sizeof seed);
    kith_map_init(&gateway->typing, sizeof(struct typing_key), sizeof(struct typing *), GATEWAY_TYPING_MAX, seed);
    gateway->typing_end.fire = end_fire;
}

bool typing_is_fresh(const struct gateway *gateway, struct chat_id chat, struct user_id user, uint64_t ms)
{
    const struct typing *typing = find(gateway, chat, user);

    return typing != NULL && typing->renewed_ms + ms > loop_now_ms(gateway->config.loop);
}

void typing_set(struct gateway *gateway, struct chat_id chat, struct user_id user, struct chat_roster *roster, bool on)
{
    struct typing_key key = {.chat = chat, .user = user};
    struct typing **place = NULL, *typing = find(gateway, chat, user);

    if (!on) {
        if (typing != NULL) stop(gateway, typing);
        chat_roster_unref(roster);
        return;
    }
    if (typing != NULL) {
        unlink_from(gateway, typing);
        chat_roster_unref(typing->roster);
    } else {
        typing = calloc(1, sizeof *typing);
        if (typing == NULL || kith_map_add(&gateway->typing, &key, (void **)&place) != KITH_OK) {
            free(typing); /* nobody is told: harmless */
            chat_roster_unref(roster);
            return;
        }
        *place = typing;
        typing->key = key;
    }
    typing->roster = roster;
    append(gateway, typing);
    typing_show(gateway, chat, user, roster, true);
    group_typing(gateway, chat, user, roster, true);
}

void typing_stop_user(struct gateway *gateway, struct user_id user)
{
    struct typing *next;

    if (users_first(gateway, user) != NULL) return; /* another device of the same person may be the one that types */
    for (struct typing *typing = gateway->typing_first; typing != NULL; typing = next) {
        next = typing->next;
        if (kith_uuid_eq(typing->key.user.id, user.id)) stop(gateway, typing);
    }
}

void typing_free_all(struct gateway *gateway)
{
    while (gateway->typing_first != NULL) typing_free(gateway, gateway->typing_first);
    kith_map_deinit(&gateway->typing);
}
