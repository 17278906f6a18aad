#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/client.h"
#include "libkith/e2ee/account_group.h"

/* What is missing, asked of the server one at a time through the host; what was asked for just now is not asked again. */
#define COOL_MS      1000  /* a fetch that helped is not repeated at once */
#define COOL_LONG_MS 30000 /* one that did not */

void secure_want(struct secure *secure, const struct e2e_wants *wants)
{
    for (uint32_t i = 0; i < wants->count; i++) {
        bool is_new = true;
        for (uint32_t j = 0; j < secure->wants.count; j++)
            is_new &= memcmp(&secure->wants.items[j], &wants->items[i], sizeof wants->items[i]) != 0;
        if (is_new && secure->wants.count < E2E_WANTS_MAX) secure->wants.items[secure->wants.count++] = wants->items[i];
    }
}

static bool is_cooling(const struct kith_client *client, const struct e2e_want *want)
{
    const struct secure *secure = &client->secure;

    for (uint32_t i = 0; i < SECURE_COOLING_MAX; i++)
        if (secure->cooling[i].until_ms > client->now.mono_ms &&
            memcmp(&secure->cooling[i].want, want, sizeof *want) == 0)
            return true;
    return false;
}

bool secure_knows_ops(const struct kith_client *client, struct chat_id chat)
{
    return kith_uuid_eq(client->secure.ops_all.id, chat.id) && client->secure.ops_all_until_ms > client->now.mono_ms;
}

static void cool(struct kith_client *client, const struct e2e_want *want, uint64_t ms)
{
    struct secure *secure = &client->secure;
    uint32_t at = secure->cooling_next++ % SECURE_COOLING_MAX;

    secure->cooling[at].want = *want;
    secure->cooling[at].until_ms = client->now.mono_ms + ms;
}

/* Those behind the one that is known. */
static void fetch_list(const struct kith_client *client, struct user_id user, struct kith_fetch *fetch)
{
    struct e2e_person person = e2e_account_person(client->secure.account, user.id.raw);

    fetch->kind = KITH_FETCH_LISTS;
    fetch->user = user;
    fetch->after = person.list == NULL ? 0 : person.list->seq;
}

static void fetch_ops(const struct kith_client *client, const struct e2e_want *want, struct kith_fetch *fetch)
{
    struct e2e_group_view view;

    fetch->kind = KITH_FETCH_OPS;
    memcpy(fetch->chat.id.raw, want->account_id, sizeof fetch->chat.id.raw);
    fetch->after = e2e_account_group(client->secure.account, want->account_id, &view) ? view.group->seq : 0;
}

static bool choose_want(struct kith_client *client, struct kith_fetch *fetch)
{
    const struct e2e_wants *wants = &client->secure.wants;
    bool found = false;

    for (uint32_t i = 0; i < wants->count; i++) {
        const struct e2e_want *want = &wants->items[i];
        if (is_cooling(client, want)) continue;
        if (want->kind == E2E_WANT_LIST && !found) {
            struct user_id user;
            memcpy(user.id.raw, want->account_id, E2E_ACCOUNT_ID_BYTES);
            fetch_list(client, user, fetch);
            return true;
        }
        if (want->kind == E2E_WANT_OPS && !found) {
            fetch_ops(client, want, fetch);
            return true;
        }
        if (want->kind != E2E_WANT_BUNDLE || fetch->device_count == KITH_FETCH_DEVICES_MAX) continue;
        fetch->kind = KITH_FETCH_BUNDLES;
        memcpy(fetch->devices[fetch->device_count].user.id.raw, want->account_id, E2E_ACCOUNT_ID_BYTES);
        memcpy(fetch->devices[fetch->device_count++].device.id.raw, want->server_device, E2E_SERVER_DEVICE_BYTES);
        found = true;
    }
    return found;
}

/* What is to be uploaded is made now, so that its private halves are durable before anybody else may have the public ones. */
static bool prepare_upload(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    struct e2e_upload *upload = malloc(sizeof *upload);
    bool is_any;

    if (upload == NULL) return false; /* still due */
    secure->upload_ms = client->now.wall_ms;
    is_any = kith_mutant(PREKEYS_LATE) || e2e_account_upload(secure->account, secure->upload_ms, upload);
    free(upload);
    secure->upload_due = false; /* what comes up meanwhile is due again */
    return is_any;
}

static void start_fetch(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    struct kith_fetch fetch = {0};

    if (secure->busy || client->link != LINK_UP || secure->retry_at_ms > client->now.mono_ms) return;
    if (!secure->keys_known) {
        fetch.kind = KITH_FETCH_KEYS;
    } else if (secure->own_due) {
        fetch_list(client, client->config.user, &fetch);
    } else if (secure->upload_due && prepare_upload(client)) {
        fetch.kind = KITH_FETCH_UPLOAD;
    } else if (!kith_uuid_is_nil(secure->wants_members.id)) {
        fetch.kind = KITH_FETCH_MEMBERS;
        fetch.chat = secure->wants_members;
    } else if (!kith_uuid_is_nil(secure->looks_up.id)) {
        fetch_list(client, secure->looks_up, &fetch);
    } else if (!choose_want(client, &fetch)) {
        return;
    }
    secure->busy = true;
    secure->helped = false;
    if (fetch.kind == KITH_FETCH_OPS) secure->ops_wants.count = 0;
    secure->fetch = fetch;
    secure->fetches++;
    effect_add(client, KITH_EFFECT_FETCH, 0, NULL)->fetch = fetch;
}

void secure_work(struct kith_client *client)
{
    struct secure *secure = &client->secure;

    if (!secure_on(client) || !client->started || secure->working) return;
    secure->working = true;
    if (secure->changed && client->link == LINK_UP) {
        secure->changed = false;
        secure->wants = secure->ops_wants;
        secure->wants_members = (struct chat_id){0};
        secure_open_pending(client);
        outbox_pump(client);
    }
    start_fetch(client);
    link_timers(client);
    secure->working = false;
}

uint64_t secure_next_ms(const struct kith_client *client)
{
    const struct secure *secure = &client->secure;
    uint64_t next = UINT64_MAX;

    if (!secure_on(client) || secure->busy) return next;
    if (secure->retry_at_ms > client->now.mono_ms) return secure->retry_at_ms;
    for (uint32_t i = 0; secure->wants.count > 0 && i < SECURE_COOLING_MAX; i++)
        if (secure->cooling[i].until_ms > client->now.mono_ms && secure->cooling[i].until_ms < next)
            next = secure->cooling[i].until_ms;
    return next;
}

static void fetch_failed(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    uint64_t cap = CLIENT_BACKOFF_BASE_MS << (secure->failures < 7 ? secure->failures : 7), coins = 0;

    client->config.random(client->config.random_arg, &coins, sizeof coins);
    secure->failures++;
    secure->retry_at_ms = client->now.mono_ms + 1 + coins % cap;
    /* It may have been refused because another device's list came first: what the server has is looked at again. */
    if (secure->fetch.kind != KITH_FETCH_UPLOAD) return;
    secure->upload_due = true;
    secure->keys_known = false;
}

/* What was asked before a message came may have been answered before what it speaks of. */
static void note_fresh(struct kith_client *client, struct user_id user)
{
    for (struct pending *one = client->secure.pending_first; one != NULL; one = one->next) {
        if (one->fetches == client->secure.fetches) continue;
        one->is_fresh |= kith_uuid_eq(one->message.sender.id, user.id);
        one->is_own_fresh |= kith_uuid_eq(client->config.user.id, user.id);
    }
}

/* Whether it told all that there is: what could not be taken yet may be all that a message waits for. */
static void ops_fetched(struct kith_client *client, struct chat_id chat)
{
    struct secure *secure = &client->secure;
    struct e2e_want want = {.kind = E2E_WANT_OPS};
    struct chat_members **members = kith_map_find(&secure->members, &chat);
    struct e2e_group_view view;
    bool waits = secure->ops_wants.count > 0, is_all = !secure->helped && !waits;

    memcpy(want.account_id, chat.id.raw, sizeof want.account_id);
    if (!waits || is_cooling(client, &secure->ops_wants.items[0]))
        cool(client, &want, is_all ? COOL_LONG_MS : COOL_MS); /* else they are asked for again behind that list */
    if (!is_all) return;
    secure->ops_all = chat;
    secure->ops_all_until_ms = client->now.mono_ms + COOL_LONG_MS;
    if (members != NULL && !e2e_account_group(secure->account, chat.id.raw, &view)) (*members)->has_no_ops = true;
    for (struct pending *one = secure->pending_first; one != NULL; one = one->next)
        one->is_ops_fresh |= one->fetches != secure->fetches && kith_uuid_eq(one->message.chat.id, chat.id);
}

static void fetch_done(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    const struct kith_fetch *fetch = &secure->fetch;
    struct e2e_want want = {.kind = E2E_WANT_LIST};

    if (fetch->kind != KITH_FETCH_KEYS) secure->failures = 0; /* what failed before it may fail again */
    secure->changed = true;
    if (fetch->kind == KITH_FETCH_LISTS) {
        if (kith_uuid_eq(client->config.user.id, fetch->user.id)) secure->own_due = false;
        if (kith_uuid_eq(secure->looks_up.id, fetch->user.id)) secure->looks_up = (struct user_id){0};
        memcpy(want.account_id, fetch->user.id.raw, sizeof want.account_id);
        cool(client, &want, secure->helped ? COOL_MS : COOL_LONG_MS);
        note_fresh(client, fetch->user);
    }
    if (fetch->kind == KITH_FETCH_OPS) ops_fetched(client, fetch->chat);
    for (uint32_t i = 0; i < fetch->device_count; i++) {
        want.kind = E2E_WANT_BUNDLE;
        memcpy(want.account_id, fetch->devices[i].user.id.raw, sizeof want.account_id);
        memcpy(want.server_device, fetch->devices[i].device.id.raw, sizeof want.server_device);
        cool(client, &want, COOL_LONG_MS);
    }
}

void kith_client_fetched(struct kith_client *client, struct kith_time now, bool ok)
{
    client->now = now;
    if (!client->secure.busy) return;
    client->secure.busy = false;
    if (ok)
        fetch_done(client);
    else
        fetch_failed(client);
    step_end(client);
}

bool kith_client_is_settled(const struct kith_client *client)
{
    const struct secure *secure = &client->secure;

    if (!secure_on(client)) return true;
    return secure->keys_known && !secure->own_due && !secure->upload_due && !secure->busy &&
           secure->pending_first == NULL && kith_uuid_is_nil(secure->looks_up.id);
}
