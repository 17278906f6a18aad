#include <stdlib.h>

#include "libkith/client.h"

/*
 * The encrypting part of a client. Out: an entry of the outbox is sealed when its turn comes, and waits while lists or
 * sessions are missing. In: what cannot be opened yet is stored and acknowledged, and holds up its chat until it can; so the
 * order of a chat is the same for the person whatever had to be fetched.
 */
#define COOL_MS      1000  /* a fetch that helped is not repeated at once */
#define COOL_LONG_MS 30000 /* one that did not */

kith_err secure_init(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    uint8_t seed[16];

    if (!client->config.encrypts) return KITH_OK;
    client->config.random(client->config.random_arg, seed, sizeof seed);
    kith_map_init(&secure->members, sizeof(struct chat_id), sizeof(struct chat_members *), CLIENT_CHATS_MAX, seed);
    secure->account = secure_account_new(client);
    return secure->account == NULL ? KITH_E_NOMEM : KITH_OK;
}

void secure_deinit(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    struct chat_members **members = NULL;
    uint32_t at = 0;

    e2e_account_free(secure->account);
    while (secure->account != NULL && kith_map_next(&secure->members, &at, NULL, (void **)&members)) free(*members);
    if (secure->account != NULL) kith_map_deinit(&secure->members);
    while (secure->pending_first != NULL) {
        struct pending *next = secure->pending_first->next;
        free(secure->pending_first);
        secure->pending_first = next;
    }
    while (secure->echoes != NULL) {
        struct outbox_entry *next = secure->echoes->next;
        outbox_entry_free(secure->echoes);
        secure->echoes = next;
    }
}

bool secure_on(const struct kith_client *client)
{
    return client->secure.account != NULL;
}

void secure_link(struct kith_client *client)
{
    if (!secure_on(client) || client->link != LINK_UP) return;
    client->secure.keys_known = false;
    client->secure.changed = true;
    client->secure.retry_at_ms = 0;
}

/* ------------------------------------------------------------------------------------------------ out */

static void want_all(struct secure *secure, const struct e2e_wants *wants)
{
    for (uint32_t i = 0; i < wants->count; i++) {
        bool is_new = true;
        for (uint32_t j = 0; j < secure->wants.count; j++)
            is_new &= memcmp(&secure->wants.items[j], &wants->items[i], sizeof wants->items[i]) != 0;
        if (is_new && secure->wants.count < E2E_WANTS_MAX) secure->wants.items[secure->wants.count++] = wants->items[i];
    }
}

static const struct chat_members *members_of(const struct kith_client *client, struct chat_id chat)
{
    struct chat_members **found = kith_map_find(&client->secure.members, &chat);

    return found == NULL ? NULL : *found;
}

bool secure_seal(struct kith_client *client, struct outbox_entry *entry)
{
    struct secure *secure = &client->secure;
    const struct chat_members *members;
    struct e2e_seal seal = {
        .content_type = kith_slice_of(entry->bytes, entry->content_type_len),
        .body = kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len),
        .sent_at_ms = entry->created_ms,
    };
    struct e2e_wants wants;

    if (secure->account == NULL || !entry->encrypted || kith_buf_len(&entry->sealed) > 0) return true;
    if (e2e_account_state(secure->account) != E2E_ACCOUNT_READY) return false;
    members = members_of(client, entry->chat);
    if (members == NULL) {
        secure->wants_members = entry->chat;
        return false;
    }
    if (members->count == 0) { /* none of ours any more, or a group, whose members nobody has signed yet */
        outbox_give_up(client, entry, CODE_NOT_SUPPORTED, false);
        return false;
    }
    memcpy(seal.thread_id, entry->chat.id.raw, sizeof seal.thread_id);
    memcpy(seal.msg_id, entry->id.id.raw, sizeof seal.msg_id);
    seal.members = members->users;
    seal.member_count = members->count;
    switch (e2e_account_seal(secure->account, client->now.wall_ms, &seal, &wants, &entry->sealed)) {
    case KITH_OK: record_put_outbox(client, entry); return true;
    case KITH_E_AGAIN: want_all(secure, &wants); return false;
    case KITH_E_DENIED:
        outbox_give_up(client, entry, CODE_FORBIDDEN, false);
        return false; /* trust: the person must act */
    case KITH_E_TOOBIG: outbox_give_up(client, entry, CODE_TOO_BIG, false); return false;
    default: return false; /* no memory: when the next step ends */
    }
}

void secure_stale(struct kith_client *client, struct outbox_entry *entry)
{
    const struct chat_members *members = members_of(client, entry->chat);

    kith_buf_deinit(&entry->sealed);
    record_put_outbox(client, entry);
    for (uint32_t i = 0; members != NULL && i < members->count; i++)
        e2e_account_stale(client->secure.account, members->users[i]);
    client->secure.changed = true;
}

/* ------------------------------------------------------------------------------------------------ own messages */

static struct outbox_entry **echo_find(struct kith_client *client, struct msg_id id)
{
    struct outbox_entry **at = &client->secure.echoes;

    while (*at != NULL && !kith_uuid_eq((*at)->id.id, id.id)) at = &(*at)->next;
    return at;
}

bool secure_accepted(struct kith_client *client, struct outbox_entry *entry, uint64_t seq)
{
    if (!secure_on(client) || !entry->encrypted) return false;
    e2e_account_accepted(client->secure.account, entry->chat.id.raw, entry->id.id.raw);
    kith_buf_deinit(&entry->sealed);
    entry->echo_seq = seq;
    entry->next = client->secure.echoes;
    client->secure.echoes = entry;
    record_put_echo(client, entry);
    return true;
}

kith_err secure_echo_add(struct kith_client *client, const struct outbox_entry *head, struct kith_slice content_type,
                         struct kith_slice body)
{
    struct outbox_entry *entry = malloc(sizeof *entry + content_type.len + body.len);

    if (entry == NULL) return KITH_E_NOMEM;
    *entry = *head;
    kith_buf_init(&entry->sealed, KITH_MESSAGE_BYTES_MAX);
    entry->content_type_len = content_type.len;
    entry->body_len = body.len;
    if (content_type.len > 0) memcpy(entry->bytes, content_type.ptr, content_type.len);
    if (body.len > 0) memcpy(entry->bytes + content_type.len, body.ptr, body.len);
    entry->next = client->secure.echoes;
    client->secure.echoes = entry;
    return KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ in */

/* This device's own message comes without a body: what was written is still here. */
static void show_own(struct kith_client *client, struct kith_message *message)
{
    struct outbox_entry **at = echo_find(client, message->id), *entry = *at;

    if (entry != NULL) {
        message->is_open = message->has_body = true;
        message->content_type = kith_slice_of(entry->bytes, entry->content_type_len);
        message->body = kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len);
    }
    inbox_show(client, message);
    if (entry == NULL) return;
    *at = entry->next;
    record_delete_echo(client, entry);
    outbox_entry_free(entry);
}

/* False: it waits for something. */
static bool open_and_show(struct kith_client *client, struct kith_message *message, bool is_fresh)
{
    struct secure *secure = &client->secure;
    struct e2e_envelope envelope = {.message = message->body, .is_fresh = is_fresh};
    struct e2e_opened opened;
    struct e2e_wants wants;
    struct kith_buf plain;
    kith_err err;

    if (!message->encrypted || !kith_slice_is(message->type, "message") || message->gap_from > 0) {
        inbox_show(client, message);
        return true;
    }
    if (kith_uuid_eq(message->device.id, client->config.device.id)) {
        show_own(client, message);
        return true;
    }
    if (!message->has_body) { /* not for this device: it was not in the sender's lists */
        inbox_show(client, message);
        return true;
    }
    memcpy(envelope.account_id, message->sender.id.raw, sizeof envelope.account_id);
    memcpy(envelope.server_device, message->device.id.raw, sizeof envelope.server_device);
    memcpy(envelope.thread_id, message->chat.id.raw, sizeof envelope.thread_id);
    memcpy(envelope.msg_id, message->id.id.raw, sizeof envelope.msg_id);
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    err = e2e_account_open(secure->account, client->now.wall_ms, &envelope, &wants, &plain, &opened);
    if (err == KITH_E_AGAIN || err == KITH_E_NOMEM) {
        want_all(secure, &wants);
    } else {
        message->is_open = err == KITH_OK;
        message->has_body = err == KITH_OK;
        message->unreadable = err;
        message->missed = opened.missed;
        message->content_type = opened.payload.content_type;
        message->body = opened.payload.body;
        inbox_show(client, message);
    }
    kith_buf_wipe(&plain);
    return err != KITH_E_AGAIN && err != KITH_E_NOMEM;
}

static bool waits(const struct kith_client *client, struct chat_id chat)
{
    for (const struct pending *one = client->secure.pending_first; one != NULL; one = one->next)
        if (kith_uuid_eq(one->message.chat.id, chat.id)) return true;
    return false;
}

struct pending *secure_pending_add(struct kith_client *client, const struct kith_message *message)
{
    struct secure *secure = &client->secure;
    size_t len = message->type.len + message->content_type.len + message->body.len;
    struct pending *one = malloc(sizeof *one + len), **at = &secure->pending_first;
    uint8_t *bytes;

    if (one == NULL) return NULL;
    *one = (struct pending){.message = *message};
    bytes = one->bytes;
    one->message.type = client_copy_to(&bytes, message->type);
    one->message.content_type = client_copy_to(&bytes, message->content_type);
    one->message.body = client_copy_to(&bytes, message->body);
    while (*at != NULL &&
           ((*at)->message.seq <= message->seq || !kith_uuid_eq((*at)->message.chat.id, message->chat.id)))
        at = &(*at)->next;
    one->next = *at;
    *at = one;
    return one;
}

void secure_event(struct kith_client *client, struct kith_message *message)
{
    if (!secure_on(client)) {
        inbox_show(client, message);
        return;
    }
    if (!waits(client, message->chat) && open_and_show(client, message, false)) return;
    if (secure_pending_add(client, message) == NULL) abort(); /* it is about to be acknowledged: as effects.c */
    record_put_pending(client, message);
}

/* In the order in which they came; the first of a chat that must wait holds up the others of it. */
static void open_pending(struct kith_client *client)
{
    struct pending **at = &client->secure.pending_first;

    while (*at != NULL) {
        struct pending *one = *at;
        bool is_held = false;
        for (struct pending *before = client->secure.pending_first; before != one && !is_held; before = before->next)
            is_held = kith_uuid_eq(before->message.chat.id, one->message.chat.id);
        if (is_held || !open_and_show(client, &one->message, one->is_fresh)) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        record_delete_pending(client, &one->message);
        free(one);
    }
}

/* ------------------------------------------------------------------------------------------------ what is missing */

static bool is_cooling(const struct kith_client *client, const struct e2e_want *want)
{
    const struct secure *secure = &client->secure;

    for (uint32_t i = 0; i < SECURE_COOLING_MAX; i++)
        if (secure->cooling[i].until_ms > client->now.mono_ms &&
            memcmp(&secure->cooling[i].want, want, sizeof *want) == 0)
            return true;
    return false;
}

static void cool(struct kith_client *client, const struct e2e_want *want, uint64_t ms)
{
    struct secure *secure = &client->secure;
    uint32_t at = secure->cooling_next++ % SECURE_COOLING_MAX;

    secure->cooling[at].want = *want;
    secure->cooling[at].until_ms = client->now.mono_ms + ms;
}

static bool choose_want(struct kith_client *client, struct kith_fetch *fetch)
{
    const struct e2e_wants *wants = &client->secure.wants;
    bool found = false;

    for (uint32_t i = 0; i < wants->count; i++) {
        const struct e2e_want *want = &wants->items[i];
        if (is_cooling(client, want)) continue;
        if (want->kind == E2E_WANT_LIST && !found) {
            struct e2e_person person = e2e_account_person(client->secure.account, want->account_id);
            fetch->kind = KITH_FETCH_LISTS;
            memcpy(fetch->user.id.raw, want->account_id, E2E_ACCOUNT_ID_BYTES);
            fetch->after = person.list == NULL ? 0 : person.list->seq;
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

static void start_fetch(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    struct kith_fetch fetch = {0};

    if (secure->busy || client->link != LINK_UP || secure->retry_at_ms > client->now.mono_ms) return;
    if (!secure->keys_known) {
        fetch.kind = KITH_FETCH_KEYS;
    } else if (secure->upload_due) {
        fetch.kind = KITH_FETCH_UPLOAD;
    } else if (!kith_uuid_is_nil(secure->wants_members.id)) {
        fetch.kind = KITH_FETCH_MEMBERS;
        fetch.chat = secure->wants_members;
    } else if (!choose_want(client, &fetch)) {
        return;
    }
    secure->busy = true;
    secure->helped = false;
    secure->fetch = fetch;
    effect_add(client, KITH_EFFECT_FETCH, 0, NULL)->fetch = fetch;
}

void secure_work(struct kith_client *client)
{
    struct secure *secure = &client->secure;

    if (!secure_on(client) || !client->started || secure->working) return;
    secure->working = true;
    if (secure->changed && client->link == LINK_UP) {
        secure->changed = false;
        secure->wants.count = 0;
        secure->wants_members = (struct chat_id){0};
        open_pending(client);
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

/* ------------------------------------------------------------------------------------------------ answers */

static void fetch_failed(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    uint64_t cap = CLIENT_BACKOFF_BASE_MS << (secure->failures < 7 ? secure->failures : 7), coins = 0;

    client->config.random(client->config.random_arg, &coins, sizeof coins);
    secure->failures++;
    secure->retry_at_ms = client->now.mono_ms + 1 + coins % cap;
}

static void fetch_done(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    const struct kith_fetch *fetch = &secure->fetch;
    struct e2e_want want = {.kind = E2E_WANT_LIST};

    secure->failures = 0;
    secure->changed = true;
    if (fetch->kind == KITH_FETCH_UPLOAD) secure->upload_due = false;
    if (fetch->kind == KITH_FETCH_LISTS) {
        memcpy(want.account_id, fetch->user.id.raw, sizeof want.account_id);
        cool(client, &want, secure->helped ? COOL_MS : COOL_LONG_MS);
        for (struct pending *one = secure->pending_first; one != NULL; one = one->next)
            one->is_fresh |= kith_uuid_eq(one->message.sender.id, fetch->user.id);
    }
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
    return secure->keys_known && !secure->upload_due && !secure->busy && secure->pending_first == NULL;
}

/* Who is in a direct chat cannot change; a server that says so later is not believed. */
void kith_client_members(struct kith_client *client, struct chat_id chat, const struct user_id *users, size_t count)
{
    const struct chat_members *known = members_of(client, chat);
    struct chat_members *members, **place = NULL;
    bool swap = count == 2 && memcmp(users[0].id.raw, users[1].id.raw, E2E_ACCOUNT_ID_BYTES) > 0;
    kith_err err;

    if (known != NULL && known->count > 0) return;
    members = calloc(1, sizeof *members);
    err = members == NULL ? KITH_E_NOMEM : kith_map_add(&client->secure.members, &chat, (void **)&place);
    if (err != KITH_OK && err != KITH_E_CONFLICT) {
        free(members);
        return; /* asked for again */
    }
    if (err == KITH_E_CONFLICT) free(*place);
    *place = members;
    if (count != 2) return;
    members->count = 2;
    memcpy(members->users[swap ? 1 : 0], users[0].id.raw, E2E_ACCOUNT_ID_BYTES);
    memcpy(members->users[swap ? 0 : 1], users[1].id.raw, E2E_ACCOUNT_ID_BYTES);
    if (client->started) record_put_members(client, chat, members);
}
