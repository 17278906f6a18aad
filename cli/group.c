#include "cli/group.h"

#include <sodium.h>
#include <stdlib.h>

#include "cli/store.h"
#include "libkith/content.h"

/* Encrypted groups: every change is an operation that this device signs; the server puts them in order (docs/wire/e2ee-groups.md). */
#define NAMES_MS  3000
#define TRIES_MAX 5 /* of an operation that others were ahead of */

static struct kith_time now(void)
{
    return (struct kith_time){.mono_ms = cli_now_ms(), .wall_ms = cli_wall_ms()};
}

/* ---- names, which only the members can read: kept beside the list of chats, so that they are there offline too */

static void name_key(const char *chat_id, char out[static 64])
{
    (void)snprintf(out, 64, "group %.36s", chat_id);
}

bool group_has_secret_name(const json_t *chat)
{
    return json_is_true(json_object_get(chat, "encrypted")) &&
           strcmp(json_string_value(json_object_get(chat, "type")), "group") == 0;
}

/* "7=walks": the name of the group as of its operation 7. */
bool group_name_put(struct cli *cli, json_t *chat)
{
    char key[64];
    const char *known, *name;
    uint64_t as_of = 0;

    if (!group_has_secret_name(chat)) return true;
    name_key(json_string_value(json_object_get(chat, "chat_id")), key);
    known = store_get(cli->store, key);
    name = strchr(known, '=');
    if (name != NULL) kith_ignore(kith_slice_to_u64(kith_slice_of(known, (size_t)(name - known)), &as_of));
    if (name != NULL && name[1] != '\0') (void)json_object_set_new(chat, "name", json_string(name + 1));
    return json_is_integer(json_object_get(chat, "left_seq")) ||
           as_of >= (uint64_t)json_integer_value(json_object_get(chat, "group_seq"));
}

static void note_name(struct cli *cli, struct kith_client *client, struct chat_id chat)
{
    const struct e2e_account *account = kith_client_account(client);
    struct e2e_group_view view;
    struct e2e_group_info info;
    struct kith_buf plain;
    char key[64], id[KITH_UUID_TEXT_LEN + 1], value[E2E_GROUP_NAME_BYTES_MAX + 32];

    if (account == NULL || !e2e_account_group(account, chat.id.raw, &view)) return;
    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    if (e2e_account_group_info(account, chat.id.raw, &plain, &info) == KITH_OK) {
        kith_uuid_format(chat.id, id);
        name_key(id, key);
        (void)snprintf(value, sizeof value, "%llu=%.*s", (unsigned long long)view.group->seq, (int)info.name.len,
                       (const char *)info.name.ptr);
        /* Of many changes that come together only the last is new, and each write waits for the disk. */
        if (strcmp(store_get(cli->store, key), value) != 0) store_set(cli->store, key, value);
    }
    kith_buf_wipe(&plain);
}

void group_note(struct cli *cli, struct kith_client *client, const struct kith_message *message)
{
    if (kith_slice_is(message->type, "message") &&
        !kith_slice_eq(message->content_type, kith_content_type(KITH_CONTENT_KEYS)))
        return;
    note_name(cli, client, message->chat);
}

/* What happened in a group has not come here yet: it comes when this device is connected for a moment. */
void group_names_put(struct cli *cli, const json_t *chats)
{
    struct online_view view = {0};
    struct online *online = NULL;
    json_t *chat;
    size_t i;

    json_array_foreach(chats, i, chat)
    {
        struct chat_id id;
        if (group_name_put(cli, chat)) continue;
        if (kith_uuid_parse(kith_slice_str(json_string_value(json_object_get(chat, "chat_id"))), &id.id) != KITH_OK)
            continue;
        if (online == NULL) online = online_open(cli, &view);
        if (online == NULL) return; /* another kith is connected: it learns them */
        kith_client_look_into(online_client(online), now(), id);
        online_run_effects(online);
        online_settle(online, &id, (uint64_t)json_integer_value(json_object_get(chat, "last_seq")), NAMES_MS);
        note_name(cli, online_client(online), id); /* nothing of it may have come, and all be known */
        (void)group_name_put(cli, chat);
    }
    online_close(online);
}

/* ---- operations */

static json_t *base64_of(struct kith_slice bytes)
{
    char text[sodium_base64_ENCODED_LEN(E2E_GROUP_SIGNED_BYTES_MAX, sodium_base64_VARIANT_ORIGINAL)];

    return json_string(sodium_bin2base64(text, sizeof text, bytes.ptr, bytes.len, sodium_base64_VARIANT_ORIGINAL));
}

const char *group_why_refused(kith_err err, const char **hint)
{
    *hint = NULL;
    switch (err) {
    case KITH_E_CLOSED: *hint = "See: kith device request"; return "this device does not read encrypted chats yet";
    case KITH_E_NOTFOUND: *hint = "Try again later."; return "what this group is has not reached this device yet";
    case KITH_E_DENIED: return "your role in this group does not allow that, or it changes nothing";
    case KITH_E_FULL: return "a group has no room for so many";
    case KITH_E_TOOBIG:
    case KITH_E_MALFORMED: return "that name is too long, or not UTF-8";
    default: *hint = "Try again later."; return "that cannot be done now";
    }
}

int group_say_refused(struct cli *cli, kith_err err)
{
    const char *hint, *what = group_why_refused(err, &hint);

    cli_error(cli, what, hint);
    return EXIT_REFUSED;
}

static bool is_stale(const struct cli_answer *answer)
{
    const char *code = json_string_value(json_object_get(answer->body, "code"));

    return answer->status == 409 && code != NULL && strcmp(code, "STALE_GROUP") == 0;
}

void group_catch_up(struct cli *cli, struct online *online, struct chat_id chat)
{
    struct cli_answer answer;
    char id[KITH_UUID_TEXT_LEN + 1], path[64];

    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/chats/%s", id);
    cli_rest(cli, "GET", path, NULL, &answer);
    if (answer.status == 200)
        online_settle(online, &chat, (uint64_t)json_integer_value(json_object_get(answer.body, "last_seq")),
                      GROUP_SETTLE_MS);
    cli_answer_free(&answer);
}

void group_event_says(const json_t *event, char out[static GROUP_SAYS_BYTES])
{
    const char *text = json_string_value(json_object_get(event, "signed_op"));
    uint8_t bytes[E2E_GROUP_SIGNED_BYTES_MAX];
    struct e2e_group_op op;
    size_t len = 0;

    out[0] = '\0';
    if (text == NULL || sodium_base642bin(bytes, sizeof bytes, text, strlen(text), NULL, &len, NULL,
                                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return;
    if (e2e_group_op_decode(kith_slice_of(bytes, len), &op) != KITH_OK) return;
    if (op.kind == E2E_GROUP_ADD && op.request.len > 0)
        (void)snprintf(out, GROUP_SAYS_BYTES, "let in");
    else if (op.kind == E2E_GROUP_JOIN_KEY)
        (void)snprintf(out, GROUP_SAYS_BYTES, "%s",
                       sodium_is_zero(op.join_key, sizeof op.join_key) ? "ended the invite link"
                                                                       : "made an invite link");
}

/* The key that the operation names, for the server; null: none holds any more. */
static json_t *join_key_of(const struct kith_buf *signed_op)
{
    struct e2e_group_op op;

    if (e2e_group_op_decode(kith_buf_peek(signed_op), &op) != KITH_OK) return json_null();
    return sodium_is_zero(op.join_key, sizeof op.join_key) ? json_null()
                                                           : base64_of(kith_slice_of(op.join_key, sizeof op.join_key));
}

/* One attempt: signed for what this device knows, and asked of the server. */
static kith_err ask_once(struct cli *cli, struct online *online, const struct group_call *call,
                         struct cli_answer *answer)
{
    struct kith_client *client = online_client(online);
    struct e2e_account *account = kith_client_account(client);
    struct e2e_group_change change = call->change;
    struct kith_buf op, plain;
    uint64_t group_seq = 0;
    json_t *body;
    kith_err err = KITH_OK;

    kith_buf_init(&op, E2E_GROUP_SIGNED_BYTES_MAX);
    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    if (call->keeps_info) err = e2e_account_group_info(account, call->chat->id.raw, &plain, &change.info);
    if (err == KITH_OK)
        err = e2e_account_group_make(account, cli_wall_ms(), call->chat == NULL ? NULL : call->chat->id.raw, &change,
                                     &op, &group_seq);
    if (err == KITH_OK) {
        kith_client_acted(client, now());
        online_run_effects(online); /* the key of a name is kept before anybody else can see the name */
        body = call->body == NULL ? json_object() : json_deep_copy(call->body);
        if (change.kind == E2E_GROUP_JOIN_KEY) (void)json_object_set_new(body, "join_key", join_key_of(&op));
        (void)json_object_set_new(body, "signed_op", base64_of(kith_buf_peek(&op)));
        (void)json_object_set_new(body, "group_seq", json_integer((json_int_t)group_seq));
        cli_rest(cli, call->method, call->path, body, answer);
    }
    kith_buf_deinit(&op);
    kith_buf_wipe(&plain);
    return err;
}

/* What it made is here, and the keys that the others need for it are with the server. */
static void see_through(struct online *online, const struct chat_id *chat, uint64_t seq)
{
    uint64_t end;

    online_settle(online, chat, seq, GROUP_SETTLE_MS);
    end = cli_now_ms() + GROUP_SETTLE_MS;
    while (kith_client_outbox_count(online_client(online)) + kith_client_outbox_owed(online_client(online)) > 0 &&
           cli_now_ms() < end)
        online_turn(online, 20);
}

static uint64_t event_of(const struct group_call *call, const struct cli_answer *answer, struct chat_id *chat)
{
    const char *id = json_string_value(json_object_get(answer->body, "chat_id"));

    if (call->chat != NULL) {
        *chat = *call->chat;
        return (uint64_t)json_integer_value(json_object_get(answer->body, "seq"));
    }
    return id != NULL && kith_uuid_parse(kith_slice_str(id), &chat->id) == KITH_OK ? 1 : 0;
}

/* KITH_OK: the server answered. */
kith_err group_ask_online(struct cli *cli, struct online *online, const struct group_call *call,
                          struct cli_answer *answer)
{
    struct chat_id chat = {0};
    uint64_t seq;
    kith_err err = KITH_E_AGAIN;

    *answer = (struct cli_answer){0};
    for (unsigned i = 0; i < TRIES_MAX && (err == KITH_E_AGAIN || is_stale(answer)); i++) {
        cli_answer_free(answer);
        *answer = (struct cli_answer){0};
        if (call->chat != NULL)
            group_catch_up(cli, online, *call->chat);
        else
            online_settle(online, NULL, 0, GROUP_SETTLE_MS);
        err = ask_once(cli, online, call, answer);
    }
    seq = err == KITH_OK ? event_of(call, answer, &chat) : 0;
    if (seq > 0) see_through(online, &chat, seq);
    return err;
}

int group_ask(struct cli *cli, const struct group_call *call, struct cli_answer *answer)
{
    struct online_view view = {0};
    struct online *online = online_open(cli, &view);
    kith_err err;

    *answer = (struct cli_answer){0};
    if (online == NULL) {
        cli_error(cli, "another kith is connected as this device", "End it first.");
        return EXIT_FAILED;
    }
    err = group_ask_online(cli, online, call, answer);
    online_close(online);
    return err == KITH_OK ? EXIT_DONE : group_say_refused(cli, err);
}

bool group_is_signed(struct cli *cli, struct chat_id chat)
{
    json_t *chats = cli_chats(cli), *one;
    char id[KITH_UUID_TEXT_LEN + 1];
    bool is = false;
    size_t i;

    kith_uuid_format(chat.id, id);
    json_array_foreach(chats, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "chat_id")), id) != 0) continue;
        is = json_is_true(json_object_get(one, "encrypted")) &&
             strcmp(json_string_value(json_object_get(one, "type")), "group") == 0;
    }
    json_decref(chats);
    return is;
}

/* Whether this account may sign its name, or add people; of a group of which nothing is known here nobody can tell. */
bool group_may_sign(struct cli *cli, struct online *online, struct chat_id chat)
{
    struct e2e_group_view view;
    const struct e2e_group_member *own;
    struct kith_uuid me;

    if (!e2e_account_group(kith_client_account(online_client(online)), chat.id.raw, &view)) return false;
    if (kith_uuid_parse(kith_slice_str(store_get(cli->store, "user_id")), &me) != KITH_OK) return false;
    own = e2e_group_find(view.group, me.raw);
    return own != NULL && own->role >= E2E_ROLE_ADMIN;
}

kith_err group_link(struct cli *cli, struct chat_id chat, struct e2e_join_link *out)
{
    struct online_view online_view = {0};
    struct online *online = online_open(cli, &online_view);
    struct kith_client *client;
    struct e2e_group_view view;
    kith_err err = KITH_E_NOMEM;

    if (online != NULL) {
        group_catch_up(cli, online, chat);
        if (e2e_account_group(kith_client_account(online_client(online)), chat.id.raw, &view) &&
            !group_may_sign(cli, online, chat)) {
            online_close(online);
            return KITH_E_CLOSED;
        }
        err = e2e_account_join_link(kith_client_account(online_client(online)), chat.id.raw, out);
        online_close(online);
        return err;
    }
    client = online_peek(cli); /* another kith is connected: it knows */
    if (client != NULL) err = e2e_account_join_link(kith_client_account(client), chat.id.raw, out);
    kith_client_free(client);
    return err;
}
