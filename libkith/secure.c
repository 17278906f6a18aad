#include <stdlib.h>

#include "libkith/client.h"
#include "libkith/e2ee/account_group.h"
#include "wire/json_flat.h"

/*
 * The encrypting part of a client. Out, here: an entry of the outbox is sealed when its turn comes, and waits while lists or
 * sessions are missing. In (secure_in.c): what cannot be opened yet is stored and acknowledged, and what follows in its chat is
 * opened and shown behind it, so the order of a chat is the same for the person whatever had to be fetched (secure_fetch.c).
 */

kith_err secure_init(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    uint8_t seed[16];

    if (!client->config.encrypts) return KITH_OK;
    client->config.random(client->config.random_arg, seed, sizeof seed);
    kith_buf_init(&secure->admit_op, E2E_GROUP_SIGNED_BYTES_MAX);
    secure->admit_at_ms = UINT64_MAX;
    kith_map_init(&secure->members, sizeof(struct chat_id), sizeof(struct chat_members *), KITH_CHATS_MAX, seed);
    secure->account = secure_account_new(client);
    return secure->account == NULL ? KITH_E_NOMEM : KITH_OK;
}

void secure_deinit(struct kith_client *client)
{
    struct secure *secure = &client->secure;
    struct chat_members **members = NULL;
    uint32_t at = 0;

    e2e_account_free(secure->account);
    admit_deinit(client);
    kith_buf_deinit(&secure->admit_op);
    while (secure->account != NULL && kith_map_next(&secure->members, &at, NULL, (void **)&members)) free(*members);
    if (secure->account != NULL) kith_map_deinit(&secure->members);
    while (secure->pending_first != NULL) {
        struct pending *next = secure->pending_first->next;
        secure_pending_free(secure->pending_first);
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
    secure_fetch_again(client);
}

/* ------------------------------------------------------------------------------------------------ out */

const struct chat_members *secure_members_of(const struct kith_client *client, struct chat_id chat)
{
    struct chat_members **found = kith_map_find(&client->secure.members, &chat);

    return found == NULL ? NULL : *found;
}

void secure_ops_seen(struct kith_client *client, struct chat_id chat)
{
    struct chat_members **found = kith_map_find(&client->secure.members, &chat);

    if (found != NULL) (*found)->has_no_ops = false;
}

/* What it was first it stays: a chat of two never becomes a group, nor the other way round. */
enum chat_kind secure_chat_kind(struct kith_client *client, struct chat_id chat)
{
    const struct chat_members *members = secure_members_of(client, chat);
    struct e2e_group_view view;

    if (members != NULL && members->count > 0) return CHAT_KIND_PAIR;
    if (e2e_account_group(client->secure.account, chat.id.raw, &view)) return CHAT_KIND_GROUP;
    if (members == NULL)
        secure_want_members(client, chat);
    else if (members->has_no_ops)
        return CHAT_KIND_NONE;
    else
        secure_want_ops(client, chat);
    return CHAT_KIND_UNKNOWN;
}

/* Whom it may be given to again depends on it (secure_resend.c). */
static void note_sealed(struct kith_client *client, struct outbox_entry *entry)
{
    struct e2e_group_view view;

    entry->sealed_mark = e2e_account_mark(client->secure.account);
    entry->group_epoch = e2e_account_group(client->secure.account, entry->chat.id.raw, &view) ? view.group->seq : 0;
    record_put_outbox(client, entry);
}

bool secure_seal(struct kith_client *client, struct outbox_entry *entry)
{
    struct secure *secure = &client->secure;
    const struct chat_members *members;
    struct chat_sync *sync;
    struct e2e_seal seal = {
        .content_type = kith_slice_of(entry->bytes, entry->content_type_len),
        .body = kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len),
        .sent_at_ms = entry->created_ms,
    };
    struct e2e_wants wants;

    if (secure->account == NULL || !entry->encrypted || kith_buf_len(&entry->sealed) > 0) return true;
    if (e2e_account_state(secure->account) != E2E_ACCOUNT_READY) return false;
    switch (secure_chat_kind(client, entry->chat)) {
    case CHAT_KIND_UNKNOWN: return false;
    case CHAT_KIND_NONE: /* none of ours any more, or a group whose members nobody has signed */
        outbox_give_up(client, entry, CODE_NOT_SUPPORTED, false);
        return false;
    case CHAT_KIND_GROUP: seal.is_group = true; break;
    case CHAT_KIND_PAIR:
        members = secure_members_of(client, entry->chat);
        seal.members = members->users;
        seal.member_count = members->count;
        break;
    }
    memcpy(seal.thread_id, entry->chat.id.raw, sizeof seal.thread_id);
    memcpy(seal.msg_id, entry->id.id.raw, sizeof seal.msg_id);
    switch (e2e_account_seal(secure->account, client->now.wall_ms, &seal, &wants, &entry->sealed)) {
    case KITH_OK:
        note_sealed(client, entry);
        sync = chat_sync_of(client, entry->chat);
        if (sync == NULL || sync->is_encrypted) return true;
        sync->is_encrypted = true;
        record_put_chat(client, sync);
        return true;
    case KITH_E_AGAIN:
        if (wants.count == 1 && wants.items[0].kind == E2E_WANT_GIFT)
            outbox_gift(client, entry);
        else
            secure_want(client, &wants);
        return false;
    case KITH_E_NOTFOUND: outbox_forget(client, entry); return false; /* a gift, and nobody lacks it any more */
    case KITH_E_DENIED:
        outbox_give_up(client, entry, CODE_FORBIDDEN, false);
        return false;   /* trust: the person must act */
    case KITH_E_CLOSED: /* in the group no more, or again, and that is still to come */
        if (secure_knows_ops(client, entry->chat))
            outbox_give_up(client, entry, CODE_FORBIDDEN, false);
        else
            secure_want_ops(client, entry->chat);
        return false;
    case KITH_E_TOOBIG: outbox_give_up(client, entry, CODE_TOO_BIG, false); return false;
    case KITH_E_FULL: outbox_give_up(client, entry, CODE_DEVICE_FULL, false); return false;
    default: return false; /* no memory: when the next step ends */
    }
}

static void list_is_stale(struct kith_client *client, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES])
{
    e2e_account_stale(client->secure.account, account_id);
    secure_doubt_list(client, account_id, client->secure.fetches);
}

/* The list that the server has of somebody, by its number for it. */
struct named_list {
    struct user_id user;
    uint64_t list_seq;
};

static int by_user(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct user_id));
}

static bool read_named(struct kith_slice object, struct named_list *out)
{
    struct json_flat reader;
    struct json_flat_member member;
    bool has_user = false, has_seq = false;

    json_flat_init(&reader, object);
    while (json_flat_next(&reader, &member) == KITH_OK) {
        if (kith_slice_is(member.name, "user_id")) has_user = kith_uuid_parse(member.value, &out->user.id) == KITH_OK;
        if (kith_slice_is(member.name, "list_seq"))
            has_seq = kith_slice_to_u64(member.value, &out->list_seq) == KITH_OK;
    }
    return has_user && has_seq;
}

/* `device_lists` of the problem (docs/wire/errors.md), ascending, to be freed. NULL: it has none that can be read. */
static struct named_list *named_lists(struct kith_slice problem, size_t *count)
{
    struct named_list *lists = NULL;
    struct json_flat reader, items;
    struct json_flat_member member, item;
    bool is_whole = false;
    kith_err err = KITH_E_NOTFOUND;

    *count = 0;
    json_flat_init(&reader, problem);
    while (json_flat_next(&reader, &member) == KITH_OK) {
        if (!kith_slice_is(member.name, "device_lists") || lists != NULL) continue;
        lists = calloc(E2E_GROUP_MEMBERS_MAX, sizeof *lists);
        if (lists == NULL) return NULL;
        json_flat_init(&items, member.value);
        while (*count < E2E_GROUP_MEMBERS_MAX && (err = json_flat_item(&items, &item)) == KITH_OK &&
               read_named(item.value, &lists[*count]))
            ++*count;
        is_whole = err == KITH_E_NOTFOUND;
    }
    if (is_whole) {
        qsort(lists, *count, sizeof *lists, by_user);
        return lists;
    }
    free(lists);
    return NULL;
}

/*
 * Not what the server has, as far as it says. Of whom it says nothing where it says all, there is nobody: the account was deleted,
 * which is no news of those who count as nobody here. Where it says nothing at all, anything may be.
 */
static bool is_other(const struct kith_client *client, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                     const struct named_list *lists, size_t count)
{
    const struct named_list *named = lists == NULL ? NULL : bsearch(account_id, lists, count, sizeof *lists, by_user);
    const uint64_t known = e2e_account_person(client->secure.account, account_id).list_seq;

    return lists == NULL || known != (named == NULL ? 0 : named->list_seq);
}

/* A server that names the wrong ones makes itself say STALE_DEVICES again, and nothing else. */
void secure_stale(struct kith_client *client, struct outbox_entry *entry, struct kith_slice problem)
{
    const struct chat_members *members = secure_members_of(client, entry->chat);
    struct e2e_group_view view;
    size_t count = 0;
    struct named_list *lists = named_lists(problem, &count);

    kith_buf_deinit(&entry->sealed);
    record_put_outbox(client, entry);
    if (e2e_account_group(client->secure.account, entry->chat.id.raw, &view)) {
        client->secure.ops_behind = entry->chat; /* it may be the members that have changed */
        for (uint32_t i = 0; i < view.group->member_count; i++)
            if (is_other(client, view.group->members[i].account_id, lists, count))
                list_is_stale(client, view.group->members[i].account_id);
    }
    for (uint32_t i = 0; members != NULL && i < members->count; i++)
        if (is_other(client, members->users[i], lists, count)) list_is_stale(client, members->users[i]);
    client->secure.changed = true;
    free(lists);
}

/* ------------------------------------------------------------------------------------------------ own messages */

bool secure_accepted(struct kith_client *client, struct outbox_entry *entry, uint64_t seq)
{
    if (!secure_on(client) || !entry->encrypted) return false;
    e2e_account_accepted(client->secure.account, entry->chat.id.raw, entry->id.id.raw);
    client->secure.changed = true; /* the account has written there: see resend_ask() */
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
    struct outbox_entry *entry = outbox_entry_new(head, content_type, body);

    if (entry == NULL) return KITH_E_NOMEM;
    entry->next = client->secure.echoes;
    client->secure.echoes = entry;
    return KITH_OK;
}

struct outbox_entry *secure_echo_find(const struct kith_client *client, struct msg_id id)
{
    struct outbox_entry *entry = client->secure.echoes;

    while (entry != NULL && !kith_uuid_eq(entry->id.id, id.id)) entry = entry->next;
    return entry;
}

void secure_echo_tell(const struct outbox_entry *entry, struct kith_message *message)
{
    message->is_open = message->has_body = true;
    message->content_type = kith_slice_of(entry->bytes, entry->content_type_len);
    if (!group_is_keys(message->content_type))
        message->body = kith_slice_of(entry->bytes + entry->content_type_len, entry->body_len);
    message->written_ms = entry->created_ms;
    message->sealed_mark = entry->sealed_mark;
    message->group_epoch = entry->group_epoch;
}

/* ------------------------------------------------------------------------------------------------ members */

/*
 * Who is in a direct chat cannot change; a server that says so later is not believed. Nor is one that says of a group that it is one, though
 * that was asked before its operations came: what was written there would be taken for written to the other of the two.
 */
void kith_client_members(struct kith_client *client, struct chat_id chat, const struct user_id *users, size_t count)
{
    const struct chat_members *known = secure_members_of(client, chat);
    struct chat_members *members, **place = NULL;
    bool is_ours = count == 2 && kith_uuid_eq(users[0].id, client->config.user.id) !=
                                     kith_uuid_eq(users[1].id, client->config.user.id);
    struct e2e_group_view view;
    bool swap = count == 2 && memcmp(users[0].id.raw, users[1].id.raw, E2E_ACCOUNT_ID_BYTES) > 0;
    kith_err err;

    if (known != NULL && known->count > 0) return;
    if (client->started && e2e_account_group(client->secure.account, chat.id.raw, &view)) return;
    members = calloc(1, sizeof *members);
    err = members == NULL ? KITH_E_NOMEM : kith_map_add(&client->secure.members, &chat, (void **)&place);
    if (err != KITH_OK && err != KITH_E_CONFLICT) {
        free(members);
        return; /* asked for again */
    }
    if (err == KITH_E_CONFLICT) free(*place);
    *place = members;
    if (!is_ours) return; /* a chat of two is of this account and one other */
    members->count = 2;
    memcpy(members->users[swap ? 1 : 0], users[0].id.raw, E2E_ACCOUNT_ID_BYTES);
    memcpy(members->users[swap ? 0 : 1], users[1].id.raw, E2E_ACCOUNT_ID_BYTES);
    if (client->started) record_put_members(client, chat, members);
}

bool kith_client_pair(const struct kith_client *client, struct chat_id chat, struct user_id out[static 2])
{
    const struct chat_members *members = secure_on(client) ? secure_members_of(client, chat) : NULL;

    if (members == NULL || members->count != 2) return false;
    for (uint32_t i = 0; i < 2; i++) memcpy(out[i].id.raw, members->users[i], sizeof out[i].id.raw);
    return true;
}
