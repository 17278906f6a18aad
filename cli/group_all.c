#include "cli/group.h"
#include "cli/store.h"

/* What is to be done in every group of this account, one after the other over one connection. */

#define WHY_BYTES 160

/* False: `why` says why not. */
static bool change_one(struct cli *cli, struct online *online, const struct group_call *call,
                       char why[static WHY_BYTES])
{
    struct cli_answer answer;
    const char *hint, *title, *said = NULL;
    kith_err err = group_ask_online(cli, online, call, &answer);
    bool is_done = err == KITH_OK && answer.status == 200;

    title = json_string_value(json_object_get(answer.body, "title"));
    if (err != KITH_OK)
        said = group_why_refused(err, &hint);
    else if (answer.status == 0)
        said = "the server cannot be reached";
    else
        said = title == NULL ? "the server said no" : title;
    (void)snprintf(why, WHY_BYTES, "%s", is_done ? "" : said);
    cli_answer_free(&answer);
    return is_done;
}

/* Those whose changes this account signs, and that it is in. */
static bool is_ours(const json_t *chat, struct chat_id *id)
{
    return group_has_secret_name(chat) && !json_is_integer(json_object_get(chat, "left_seq")) &&
           kith_uuid_parse(kith_slice_str(json_string_value(json_object_get(chat, "chat_id"))), &id->id) == KITH_OK;
}

/* ---- a device was removed */

static void say_closed(struct cli *cli, const json_t *chat, const char *why)
{
    const char *title = cli_chat_title(cli, chat);
    char what[384];

    cli_json(cli, json_pack("{s:O, s:O?, s:b}", "chat_id", json_object_get(chat, "chat_id"), "name",
                            json_object_get(chat, "name"), "closed", (int)(why == NULL)));
    if (why == NULL) {
        if (!cli->options.json) printf("The group '%s' is closed to it.\n", title);
        return;
    }
    (void)snprintf(what, sizeof what, "the group '%.128s' is not closed to that device: %.160s", title, why);
    cli_error(cli, what, GROUP_CLOSE_HINT);
}

static void close_one(struct cli *cli, struct online *online, const json_t *chat, const struct chat_id *id)
{
    char path[64], why[WHY_BYTES];
    const struct group_call call = {
        .change = {.kind = E2E_GROUP_INFO}, .keeps_info = true, .chat = id, .method = "PATCH", .path = path};

    (void)snprintf(path, sizeof path, "/chats/%.36s", json_string_value(json_object_get(chat, "chat_id")));
    say_closed(cli, chat, change_one(cli, online, &call, why) ? NULL : why);
}

void group_close_all(struct cli *cli)
{
    struct online_view view = {0};
    json_t *chats = cli_chats(cli), *chat;
    struct online *online = online_open(cli, &view);
    size_t i;

    json_array_foreach(chats, i, chat)
    {
        struct chat_id id;
        if (!is_ours(chat, &id)) continue;
        if (online == NULL) {
            say_closed(cli, chat, "another kith is connected as this device");
            continue;
        }
        group_catch_up(cli, online, id);
        if (group_may_sign(cli, online, id)) close_one(cli, online, chat, &id);
    }
    online_close(online);
    json_decref(chats);
}

/* ---- the account goes */

bool group_leave_all(struct cli *cli)
{
    struct online_view view = {0};
    json_t *chats = cli_chats(cli), *chat;
    struct online *online = online_open(cli, &view);
    bool all = chats != NULL && online != NULL;
    char path[64], what[384], why[WHY_BYTES];
    size_t i;

    if (online == NULL) cli_error(cli, "another kith is connected as this device", "End it first.");
    json_array_foreach(chats, i, chat)
    {
        struct chat_id id;
        const struct group_call call = {
            .change = {.kind = E2E_GROUP_LEAVE}, .chat = &id, .method = "POST", .path = path};
        if (online == NULL || !is_ours(chat, &id)) continue;
        (void)snprintf(path, sizeof path, "/chats/%.36s/leave", json_string_value(json_object_get(chat, "chat_id")));
        if (change_one(cli, online, &call, why)) continue;
        all = false;
        (void)snprintf(what, sizeof what, "the group '%.128s' is not left: %.160s", cli_chat_title(cli, chat), why);
        cli_error(cli, what, NULL);
    }
    online_close(online);
    json_decref(chats);
    return all;
}
