#include <sodium.h>
#include <stdlib.h>

#include "libkith/client.h"
#include "libkith/crypto/hash.h"
#include "libkith/e2ee/account_join.h"

/*
 * Whom this device lets into groups: who asks by an invite link comes as an event, and is kept until they are in, or are refused
 * (docs/wire/e2ee-groups.md, "Invite links"). Each device of an admin does so, one after the other, and the first one's operation
 * counts.
 */
#define ADMIT_LOOKS_MAX 4 /* of a round of secure_work(), at those that go on waiting */
#define ADMIT_LATE_MAX  3 /* operations, behind which nobody waits for the next one */

static struct ask **ask_find(struct kith_client *client, struct chat_id chat, struct user_id user)
{
    struct ask **at = &client->secure.asks;

    while (*at != NULL && !(kith_uuid_eq((*at)->chat.id, chat.id) && kith_uuid_eq((*at)->user.id, user.id)))
        at = &(*at)->next;
    return at;
}

struct ask *admit_add(struct kith_client *client, struct chat_id chat, struct user_id user, struct kith_slice request)
{
    struct ask **at = ask_find(client, chat, user), *ask = *at;

    if (request.len > sizeof ask->request) return NULL;
    if (ask == NULL) {
        if (client->secure.ask_count == KITH_ASKS_MAX) return NULL;
        ask = calloc(1, sizeof *ask);
        if (ask == NULL) return NULL;
        *at = ask;
        client->secure.ask_count++;
    }
    /* What somebody asked last counts. */
    ask->chat = chat;
    ask->user = user;
    ask->fetches = client->secure.fetches;
    ask->is_fresh = false;
    ask->is_old = true; /* until its event says otherwise */
    ask->turn_seq = 0;
    ask->late = 0;
    ask->len = request.len;
    memcpy(ask->request, request.ptr, request.len);
    client->secure.changed = true;
    return ask;
}

static void drop(struct kith_client *client, struct ask **at)
{
    struct ask *ask = *at;

    record_delete_ask(client, ask);
    *at = ask->next;
    client->secure.ask_count--;
    free(ask);
}

void admit_deinit(struct kith_client *client)
{
    while (client->secure.asks != NULL) {
        struct ask *next = client->secure.asks->next;
        free(client->secure.asks);
        client->secure.asks = next;
    }
}

static bool may_admit(const struct kith_client *client, struct chat_id chat)
{
    const struct e2e_group_member *self;
    struct e2e_group_view view;

    if (!e2e_account_group(client->secure.account, chat.id.raw, &view) || !view.is_member) return false;
    self = e2e_group_find(view.group, client->config.user.id.raw);
    return self != NULL && self->role >= E2E_ROLE_ADMIN;
}

/* Every device that was there then has had its turn. */
static bool is_old(const struct kith_client *client, uint64_t created_ms)
{
    const int64_t now_ms = (int64_t)client->now.wall_ms + client->server_ahead_ms;

    return (int64_t)created_ms <= now_ms - ADMIT_BEFORE_MAX * ADMIT_SPAN_MS;
}

kith_err admit_asked(struct kith_client *client, const struct kith_message *message, struct kith_slice asker,
                     struct kith_slice base64)
{
    uint8_t bytes[E2E_JOIN_SIGNED_BYTES_MAX];
    struct user_id user;
    struct ask *ask;
    size_t len = 0;
    kith_err err;

    if (kith_uuid_parse(asker, &user.id) != KITH_OK) return KITH_E_MALFORMED;
    if (sodium_base642bin(bytes, sizeof bytes, (const char *)base64.ptr, base64.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return KITH_E_MALFORMED;
    err = e2e_account_join_asked(client->secure.account, message->chat.id.raw, user.id.raw, kith_slice_of(bytes, len));
    if (err != KITH_OK || !may_admit(client, message->chat)) return err;
    ask = admit_add(client, message->chat, user, kith_slice_of(bytes, len));
    if (ask == NULL) return KITH_OK;
    ask->is_old = is_old(client, message->created_ms);
    record_put_ask(client, ask);
    return KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ whose turn it is */

static void place_of(const struct e2e_group *group, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                     uint32_t device_id, uint8_t out[static E2E_HASH_BYTES])
{
    const uint8_t number[4] = {(uint8_t)(device_id >> 24), (uint8_t)(device_id >> 16), (uint8_t)(device_id >> 8),
                               (uint8_t)device_id};
    const struct kith_slice parts[] = {kith_slice_of(group->join_key, sizeof group->join_key),
                                       kith_slice_of(account_id, E2E_ACCOUNT_ID_BYTES),
                                       kith_slice_of(number, sizeof number)};

    e2e_sha256(parts, 3, out);
}

/* This device in its list. NULL: not there (yet). */
static const struct e2e_device *self_of(const struct kith_client *client)
{
    const struct e2e_device_list *list = e2e_account_person(client->secure.account, client->config.user.id.raw).list;

    for (uint32_t i = 0; list != NULL && i < list->device_count; i++)
        if (memcmp(list->devices[i].server_device, client->config.device.id.raw, E2E_SERVER_DEVICE_BYTES) == 0)
            return &list->devices[i];
    return NULL;
}

/*
 * All devices that let people in know the same order: one of the link, and not of each request, for two operations at once are one
 * too many whomever they let in. Those whose list is not known here are passed over: then one operation is late, as it may be anyway.
 */
uint32_t admit_before(const struct kith_client *client, const struct e2e_group *group)
{
    const struct e2e_device *self = self_of(client);
    uint8_t own[E2E_HASH_BYTES], other[E2E_HASH_BYTES];
    uint32_t before = 0;

    if (self == NULL) return 0;
    place_of(group, client->config.user.id.raw, self->device_id, own);
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct e2e_group_member *member = &group->members[i];
        const struct e2e_device_list *list;
        if (member->role < E2E_ROLE_ADMIN) continue;
        list = e2e_account_person(client->secure.account, member->account_id).list;
        for (uint32_t n = 0; list != NULL && n < list->device_count; n++) {
            if (!list->devices[n].is_accepted) continue;
            place_of(group, member->account_id, list->devices[n].device_id, other);
            before += memcmp(other, own, sizeof own) < 0;
            if (before == ADMIT_BEFORE_MAX) return before;
        }
    }
    return before;
}

/* Once for all who ask in this chat. Behind its own operation a device waits for nobody, but for that operation. */
static uint64_t wait_ms(struct kith_client *client, struct chat_id chat, const struct e2e_group *group)
{
    struct admit_turn *turn = &client->secure.turn;
    const bool is_same = kith_uuid_eq(turn->chat.id, chat.id);

    if (is_same && turn->seq > group->seq) return ADMIT_UNREAD_MS;
    if (!is_same || turn->seq < group->seq)
        *turn = (struct admit_turn){
            .chat = chat, .seq = group->seq, .wait_ms = (uint64_t)admit_before(client, group) * ADMIT_SPAN_MS};
    return turn->wait_ms;
}

/*
 * Those that come before this device have some time each, from when somebody asked, and anew from each operation on that is not this
 * device's own: whoever made it goes on.
 */
static bool is_others_turn(struct kith_client *client, struct ask *ask)
{
    struct secure *secure = &client->secure;
    struct e2e_group_view view;

    if (!may_admit(client, ask->chat) || !e2e_account_group(secure->account, ask->chat.id.raw, &view) ||
        view.is_forked || !e2e_group_has_link(view.group) || e2e_group_find(view.group, ask->user.id.raw) != NULL)
        return false; /* nobody's: it is to be forgotten */
    if (view.group->seq > ask->turn_seq) {
        ask->turn_ms = client->now.mono_ms + (ask->is_old ? 0 : wait_ms(client, ask->chat, view.group));
        ask->turn_seq = view.group->seq;
        ask->is_old = false;
    }
    if (ask->turn_ms <= client->now.mono_ms) return false;
    if (ask->turn_ms < secure->admit_at_ms) secure->admit_at_ms = ask->turn_ms;
    return true;
}

/* It let somebody in, and so goes on as soon as it has read that, if it has not yet: an operation that is signed before is late. */
static void keep_turn(struct kith_client *client, struct chat_id chat)
{
    const uint64_t seq = client->secure.admit_seq;
    struct e2e_group_view view;
    const bool is_read = e2e_account_group(client->secure.account, chat.id.raw, &view) && view.group->seq >= seq;

    client->secure.turn = (struct admit_turn){.chat = chat, .seq = seq};
    for (struct ask *ask = client->secure.asks; ask != NULL; ask = ask->next)
        if (kith_uuid_eq(ask->chat.id, chat.id)) ask->turn_ms = client->now.mono_ms + (is_read ? 0 : ADMIT_UNREAD_MS);
}

/* ------------------------------------------------------------------------------------------------ letting in */

/* KITH_OK, KITH_E_AGAIN, KITH_E_NOMEM; else this device has nothing to do with it any more. */
static kith_err look(struct kith_client *client, const struct ask *ask)
{
    struct e2e_wants wants = {0};
    kith_err err = e2e_account_join_check(client->secure.account, client->now.wall_ms, ask->chat.id.raw,
                                          kith_slice_of(ask->request, ask->len), ask->is_fresh, &wants);

    if (err == KITH_OK) secure_want_admit(client, ask->chat, ask->user);
    if (err == KITH_E_AGAIN) secure_want_new(client, &wants, ask->fetches);
    return err;
}

static void move_behind(struct ask **at)
{
    struct ask *ask = *at, **end = at;

    *at = ask->next;
    ask->next = NULL;
    while (*end != NULL) end = &(*end)->next;
    *end = ask;
}

/*
 * Of those whose turn it is here a few at a time: each costs signatures. Whose list is missing goes behind the others. Whom this device
 * has nothing to do with any more is dropped at once, however many those are.
 */
void admit_work(struct kith_client *client)
{
    struct ask **at = &client->secure.asks;
    unsigned waiting = 0;

    client->secure.admit_at_ms = UINT64_MAX;
    for (uint32_t left = client->secure.ask_count; left > 0; left--) {
        kith_err err;
        if (is_others_turn(client, *at) || waiting == ADMIT_LOOKS_MAX) {
            at = &(*at)->next;
            continue;
        }
        err = look(client, *at);
        waiting += err == KITH_OK || err == KITH_E_AGAIN || err == KITH_E_NOMEM;
        if (err == KITH_OK)
            at = &(*at)->next;
        else if (err == KITH_E_AGAIN || err == KITH_E_NOMEM)
            move_behind(at);
        else
            drop(client, at);
    }
}

bool admit_is_settled(const struct kith_client *client)
{
    const struct ask *ask = client->secure.asks;

    while (ask != NULL && ask->late >= ADMIT_LATE_MAX) ask = ask->next;
    return ask == NULL;
}

void admit_fresh(struct kith_client *client, struct user_id user)
{
    for (struct ask *ask = client->secure.asks; ask != NULL; ask = ask->next)
        ask->is_fresh |= ask->fetches != client->secure.fetches && kith_uuid_eq(ask->user.id, user.id);
}

/* For the group as it is now: whoever is ahead of it makes the server say STALE_GROUP. */
bool kith_client_admit(struct kith_client *client, struct kith_admit *out)
{
    struct secure *secure = &client->secure;
    struct e2e_group_change change = {.kind = E2E_GROUP_ADD, .role = E2E_ROLE_MEMBER};
    struct e2e_wants wants = {0};
    struct ask **at;
    const struct ask *ask;

    if (!secure->busy || secure->fetch.kind != KITH_FETCH_ADMIT) return false;
    at = ask_find(client, secure->fetch.chat, secure->fetch.user);
    ask = *at;
    if (ask == NULL) return false;
    move_behind(at); /* whom the server does not take is in nobody's way */
    change.request = kith_slice_of(ask->request, ask->len);
    if (e2e_account_join_check(secure->account, client->now.wall_ms, ask->chat.id.raw, change.request, ask->is_fresh,
                               &wants) != KITH_OK)
        return false;
    memcpy(change.subject, ask->user.id.raw, sizeof change.subject);
    kith_buf_reset(&secure->admit_op);
    *out = (struct kith_admit){.chat = ask->chat, .user = ask->user};
    if (e2e_account_group_make(secure->account, client->now.wall_ms, ask->chat.id.raw, &change, &secure->admit_op,
                               &out->group_seq) != KITH_OK)
        return false;
    secure->admit_seq = out->group_seq;
    out->signed_op = kith_buf_peek(&secure->admit_op);
    return true;
}

void kith_client_admitted(struct kith_client *client, enum kith_code code)
{
    struct secure *secure = &client->secure;
    struct ask **at;

    if (!secure->busy || secure->fetch.kind != KITH_FETCH_ADMIT) return;
    at = ask_find(client, secure->fetch.chat, secure->fetch.user);
    switch (code) {
    case CODE_OK:
    case CODE_STALE_GROUP:
        secure->ops_behind = secure->fetch.chat; /* the next one is signed behind these */
        secure->is_late = code == CODE_STALE_GROUP;
        if (*at != NULL && secure->is_late && (*at)->late < ADMIT_LATE_MAX) (*at)->late++;
        if (!secure->is_late) keep_turn(client, secure->fetch.chat);
        return;
    case CODE_CHAT_FULL:
    case CODE_FORBIDDEN:
    case CODE_NOT_FOUND: break;
    default: return; /* the host says that the fetch failed */
    }
    if (*at != NULL) drop(client, at);
}
