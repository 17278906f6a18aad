#include <stdio.h>
#include <stdlib.h>

#include "cli/group.h"
#include "cli/store.h"

/* Names of people are asked for once and kept in the state, so that they are there offline too. */

/* A chat that was encrypted once is so for good, whatever the server says later: what we write in it is sealed. */
static void pin_encryption(struct cli *cli, json_t *chat)
{
    char key[64];

    (void)snprintf(key, sizeof key, "encrypted %.36s", json_string_value(json_object_get(chat, "chat_id")));
    if (*store_get(cli->store, key) != '\0')
        (void)json_object_set_new(chat, "encrypted", json_true());
    else if (json_is_true(json_object_get(chat, "encrypted")))
        store_set(cli->store, key, "1");
}

json_t *cli_chats(struct cli *cli)
{
    json_t *all = json_array();
    char path[128] = "/chats?limit=200", *text;
    struct cli_answer answer;

    for (;;) {
        json_t *chat;
        const char *next;
        size_t i;
        cli_rest(cli, "GET", path, NULL, &answer);
        if (answer.status != 200) break;
        json_array_foreach(json_object_get(answer.body, "chats"), i, chat)
        {
            pin_encryption(cli, chat);
            (void)json_array_append(all, chat);
        }
        next = json_string_value(json_object_get(answer.body, "next"));
        if (next == NULL) {
            cli_answer_free(&answer);
            group_names_put(cli, all);
            text = json_dumps(all, JSON_COMPACT);
            store_set(cli->store, "chats", text);
            free(text);
            return all;
        }
        (void)snprintf(path, sizeof path, "/chats?limit=200&after=%.36s", next);
        cli_answer_free(&answer);
    }
    cli_answer_free(&answer);
    json_decref(all);
    return json_loads(store_get(cli->store, "chats"), 0, NULL);
}

const char *cli_user_name(struct cli *cli, const char *user_id)
{
    static char name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    char key[64], path[64];
    const char *known;
    struct cli_answer answer;

    if (user_id == NULL) return "?";
    (void)snprintf(key, sizeof key, "user %.36s", user_id);
    known = store_get(cli->store, key);
    if (*known == '\0') {
        (void)snprintf(path, sizeof path, "/users/%.36s", user_id);
        cli_rest(cli, "GET", path, NULL, &answer);
        known = json_string_value(json_object_get(answer.body, "display_name"));
        if (known == NULL) known = json_string_value(json_object_get(answer.body, "name"));
        if (known != NULL && answer.status == 200) store_set(cli->store, key, known);
        (void)snprintf(name, sizeof name, "%.128s", known == NULL ? user_id : known);
        if (known == NULL) name[8] = '\0';
        cli_answer_free(&answer);
        return name;
    }
    (void)snprintf(name, sizeof name, "%.128s", known);
    return name;
}

const char *cli_chat_title(struct cli *cli, const json_t *chat)
{
    const char *name = json_string_value(json_object_get(chat, "name"));
    const char *me = store_get(cli->store, "user_id");
    json_t *member;
    size_t i;

    if (name != NULL && *name != '\0') return name;
    if (strcmp(json_string_value(json_object_get(chat, "type")), "direct") != 0) return "a group without a name";
    json_array_foreach(json_object_get(chat, "members"), i, member)
    {
        const char *user = json_string_value(json_object_get(member, "user_id"));
        if (user != NULL && strcmp(user, me) != 0) return cli_user_name(cli, user);
    }
    return "yourself";
}

/* *nobody: the server knows no such name, and nothing is said yet. Everything else that goes wrong is said. */
static bool look_up(struct cli *cli, const char *text, struct user_id *out, bool *nobody)
{
    struct cli_answer answer;
    char path[256];
    const char *id;
    bool found = false;

    (void)snprintf(path, sizeof path, "/users/lookup?name=%.64s", text);
    cli_rest(cli, "GET", path, NULL, &answer);
    id = json_string_value(json_object_get(answer.body, "user_id"));
    *nobody = answer.status == 404;
    if (answer.status == 200 && id != NULL)
        found = kith_uuid_parse(kith_slice_str(id), &out->id) == KITH_OK;
    else if (!*nobody)
        (void)cli_check(cli, &answer);
    cli_answer_free(&answer);
    return found;
}

static bool is_login_name(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

bool cli_user_find(struct cli *cli, const char *text, struct user_id *out)
{
    char what[256];
    bool nobody = false;

    if (kith_uuid_parse(kith_slice_str(text), &out->id) == KITH_OK) return true;
    if (!is_login_name(text)) {
        (void)snprintf(what, sizeof what, "'%.64s' is not a login name", text);
        cli_error(cli, what, NULL);
        return false;
    }
    if (look_up(cli, text, out, &nobody)) return true;
    if (!nobody) return false;
    (void)snprintf(what, sizeof what, "there is nobody called '%.64s' here", text);
    cli_error(cli, what, "Names are matched exactly. Invite people with: kith invite create");
    return false;
}

static bool matches(struct cli *cli, const json_t *chat, const char *text, bool *exact)
{
    const char *id = json_string_value(json_object_get(chat, "chat_id"));

    *exact = strcmp(id, text) == 0;
    if (*exact) return true;
    if (strlen(text) >= 4 && strncmp(id, text, strlen(text)) == 0) return true;
    *exact = strcasecmp(cli_chat_title(cli, chat), text) == 0;
    return *exact;
}

/*
 * The other person's login name may differ from the name that is shown. Of two chats with them the encrypted one.
 * *none: there is no such chat, and nothing is said yet.
 */
static bool direct_with(struct cli *cli, const json_t *chats, const char *text, struct chat_id *out, bool *none)
{
    struct user_id user;
    char id[KITH_UUID_TEXT_LEN + 1];
    json_t *chat, *member;
    const json_t *found = NULL;
    size_t i, k;

    *none = true;
    if (!is_login_name(text)) return false; /* nor an id, then */
    if (kith_uuid_parse(kith_slice_str(text), &user.id) != KITH_OK && !look_up(cli, text, &user, none)) return false;
    kith_uuid_format(user.id, id);
    json_array_foreach(chats, i, chat)
    {
        if (strcmp(json_string_value(json_object_get(chat, "type")), "direct") != 0) continue;
        json_array_foreach(json_object_get(chat, "members"), k, member)
        {
            if (strcmp(json_string_value(json_object_get(member, "user_id")), id) != 0) continue;
            if (found == NULL || json_is_true(json_object_get(chat, "encrypted"))) found = chat;
        }
    }
    *none = found == NULL;
    if (*none) return false;
    return kith_uuid_parse(kith_slice_str(json_string_value(json_object_get(found, "chat_id"))), &out->id) == KITH_OK;
}

static const char *person(struct cli *cli, const json_t *of, const char *key)
{
    return cli_user_name(cli, json_string_value(json_object_get(of, key)));
}

void cli_describe(struct cli *cli, const char *type, const char *sender, struct kith_slice content,
                  char out[static 512])
{
    json_t *event = json_loadb((const char *)content.ptr, content.len, 0, NULL);
    const char *op = json_string_value(json_object_get(event, "op"));
    char who[160], says[GROUP_SAYS_BYTES];

    group_event_says(event, says);
    (void)snprintf(who, sizeof who, "%.150s", sender);
    (void)snprintf(out, 512, "%s: %s", who, type);
    if (strcmp(type, "created") == 0)
        (void)snprintf(out, 512, "%s began the chat", who);
    else if (strcmp(type, "deleted") == 0)
        (void)snprintf(out, 512, "%s deleted message %lld", who, json_integer_value(json_object_get(event, "seq")));
    else if (event == NULL && content.len > 0)
        (void)snprintf(out, 512, "%.*s", (int)(content.len < 500 ? content.len : 500), (const char *)content.ptr);
    else if (op == NULL)
        (void)op;
    else if (strcmp(op, "add") == 0)
        (void)snprintf(out, 512, "%s %s %s", who, says[0] == '\0' ? "added" : says, person(cli, event, "user_id"));
    else if (strcmp(op, "remove") == 0)
        (void)snprintf(out, 512, "%s removed %s", who, person(cli, event, "user_id"));
    else if (strcmp(op, "leave") == 0)
        (void)snprintf(out, 512, "%s left", who);
    else if (strcmp(op, "ask") == 0)
        (void)snprintf(out, 512, "%s asks to join by the invite link", who);
    else if (strcmp(op, "join-key") == 0)
        (void)snprintf(out, 512, "%s %s", who, says[0] == '\0' ? "changed the invite link" : says);
    else if (strcmp(op, "role") == 0)
        (void)snprintf(out, 512, "%s is %s now", person(cli, event, "user_id"),
                       json_string_value(json_object_get(event, "role")));
    else if (strcmp(op, "name") == 0)
        (void)snprintf(out, 512, "%s named the chat %.300s", who, json_string_value(json_object_get(event, "name")));
    else if (strcmp(op, "info") == 0)
        (void)snprintf(out, 512, "%s set the name of the group", who);
    else if (strcmp(op, "settings") == 0)
        (void)snprintf(out, 512, "%s changed who sees what was before", who);
    json_decref(event);
}

bool cli_chat_is_encrypted(struct cli *cli, struct chat_id id)
{
    json_t *chats = json_loads(store_get(cli->store, "chats"), 0, NULL), *chat;
    char text[KITH_UUID_TEXT_LEN + 1];
    bool encrypted = true; /* not known: what is sealed for nobody goes nowhere, what is not would be read by all */
    size_t i;

    kith_uuid_format(id.id, text);
    json_array_foreach(chats, i, chat)
    {
        if (strcmp(json_string_value(json_object_get(chat, "chat_id")), text) == 0)
            encrypted = json_is_true(json_object_get(chat, "encrypted"));
    }
    json_decref(chats);
    return encrypted;
}

bool cli_chat_find(struct cli *cli, const char *text, struct chat_id *out)
{
    json_t *chats = json_loads(store_get(cli->store, "chats"), 0, NULL), *chat;
    const char *found = NULL;
    unsigned count = 0;
    char what[256];
    bool ok = false, exact = false, none = false;
    size_t i;

    /* The copy first: a command on a chat one knows must work while the server is away. */
    for (int round = 0; round < 2 && count == 0; round++) {
        if (round == 1) {
            json_decref(chats);
            chats = cli_chats(cli);
        }
        json_array_foreach(chats, i, chat)
        {
            if (!matches(cli, chat, text, &exact)) continue;
            found = json_string_value(json_object_get(chat, "chat_id"));
            count = exact ? 1 : count + 1;
            if (exact && json_is_true(json_object_get(chat, "encrypted"))) break; /* two with one name: that one */
        }
    }
    if (count == 1)
        ok = kith_uuid_parse(kith_slice_str(found), &out->id) == KITH_OK;
    else if (count > 1) {
        (void)snprintf(what, sizeof what, "'%.64s' is the start of %u chats", text, count);
        cli_error(cli, what, "Give more of the id: kith chat list");
    } else {
        ok = direct_with(cli, chats, text, out, &none);
        if (none) {
            (void)snprintf(what, sizeof what, "you have no open chat '%.64s'", text);
            cli_error(cli, what, "See them with: kith chat list. Begin one with: kith chat create NAME");
        }
    }
    json_decref(chats);
    return ok;
}
