#include "cli/group.h"

#include <stdlib.h>

#include "cli/store.h"

/* What is to be done in every group of this account, one after the other over one connection. */

#define WHY_BYTES 160

enum outcome { OUTCOME_DONE, OUTCOME_LATER, OUTCOME_NEVER }; /* later: it may be done when it is tried again */

static enum outcome outcome_of(kith_err err, long status)
{
    if (err == KITH_OK && status == 200) return OUTCOME_DONE;
    if (err == KITH_OK)
        return status == 0 || status == 409 || status == 429 || status >= 500 ? OUTCOME_LATER : OUTCOME_NEVER;
    return err == KITH_E_AGAIN || err == KITH_E_NOMEM ? OUTCOME_LATER : OUTCOME_NEVER;
}

/* `why` says why it was not done. */
static enum outcome change_one(struct cli *cli, struct online *online, const struct group_call *call,
                               char why[static WHY_BYTES])
{
    struct cli_answer answer;
    const char *hint, *title, *said = NULL;
    kith_err err = group_ask_online(cli, online, call, &answer);
    const enum outcome outcome = outcome_of(err, answer.status);

    title = json_string_value(json_object_get(answer.body, "title"));
    if (err != KITH_OK)
        said = group_why_refused(err, &hint);
    else if (answer.status == 0)
        said = "the server cannot be reached";
    else
        said = title == NULL ? "the server said no" : title;
    (void)snprintf(why, WHY_BYTES, "%s", outcome == OUTCOME_DONE ? "" : said);
    cli_answer_free(&answer);
    return outcome;
}

/* Those whose changes this account signs, and that it is in. */
static bool is_ours(const json_t *chat, struct chat_id *id)
{
    return group_has_secret_name(chat) && !json_is_integer(json_object_get(chat, "left_seq")) &&
           kith_uuid_parse(kith_slice_str(json_string_value(json_object_get(chat, "chat_id"))), &id->id) == KITH_OK;
}

/* ---- a device was removed */

/*
 * Which groups are still to be closed: "*" of all, else their ids with a space behind each. It is written before the list without the
 * device is, so that whoever is killed in between closes them all the same.
 */
#define CLOSE_KEY   "groups to close"
#define CLOSE_BYTES 65536 /* of ids; beyond them it is all again */

void group_close_later(struct cli *cli)
{
    store_set(cli->store, CLOSE_KEY, "*");
}

/* is_late: by another command than the one that removed the device, whose output is its own. */
static void say_closed(struct cli *cli, const json_t *chat, enum outcome outcome, const char *why, bool is_late)
{
    const char *title = cli_chat_title(cli, chat);
    char what[384];

    if (!is_late)
        cli_json(cli, json_pack("{s:O, s:O?, s:b}", "chat_id", json_object_get(chat, "chat_id"), "name",
                                json_object_get(chat, "name"), "closed", (int)(outcome == OUTCOME_DONE)));
    if (outcome == OUTCOME_DONE) {
        if (!cli->options.json && is_late)
            fprintf(stderr, "The group '%s' is closed now to the device that was removed.\n", title);
        if (!cli->options.json && !is_late) printf("The group '%s' is closed to it.\n", title);
        return;
    }
    if (is_late && outcome == OUTCOME_LATER) return; /* it was said, and is tried again */
    (void)snprintf(what, sizeof what, "the group '%.128s' is not closed to that device: %.160s", title, why);
    cli_error(cli, what, outcome == OUTCOME_LATER ? GROUP_CLOSE_LATER_HINT : GROUP_CLOSE_HINT);
}

static enum outcome close_one(struct cli *cli, struct online *online, const json_t *chat, bool is_late)
{
    char path[64], why[WHY_BYTES] = "another kith is connected as this device";
    enum outcome outcome = OUTCOME_LATER;
    struct chat_id id;
    const struct group_call call = {
        .change = {.kind = E2E_GROUP_INFO}, .keeps_info = true, .chat = &id, .method = "PATCH", .path = path};

    if (!is_ours(chat, &id)) return OUTCOME_DONE;
    (void)snprintf(path, sizeof path, "/chats/%.36s", json_string_value(json_object_get(chat, "chat_id")));
    if (online != NULL) {
        group_catch_up(cli, online, id);
        if (!group_may_sign(cli, online, id)) return OUTCOME_DONE;
        outcome = change_one(cli, online, &call, why);
    }
    say_closed(cli, chat, outcome, why, is_late);
    return outcome;
}

void group_close_all(struct cli *cli, bool is_late)
{
    struct online_view view = {0};
    char *wanted = strdup(store_get(cli->store, CLOSE_KEY));
    json_t *chats, *chat;
    struct online *online;
    struct kith_buf left;
    size_t i;

    if (wanted == NULL) return; /* it stays noted */
    chats = cli_chats(cli);
    online = online_open(cli, &view);
    kith_buf_init(&left, CLOSE_BYTES);
    json_array_foreach(chats, i, chat)
    {
        const char *id = json_string_value(json_object_get(chat, "chat_id"));
        if (strcmp(wanted, "*") != 0 && strstr(wanted, id) == NULL) continue;
        if (close_one(cli, online, chat, is_late) != OUTCOME_LATER) continue;
        if (kith_buf_append_str(&left, id) != KITH_OK || kith_buf_append_str(&left, " ") != KITH_OK) break;
    }
    online_close(online);
    if (chats != NULL && i == json_array_size(chats) && kith_buf_append_u8(&left, 0) == KITH_OK)
        store_set(cli->store, CLOSE_KEY, kith_buf_len(&left) > 1 ? (const char *)kith_buf_peek(&left).ptr : NULL);
    cli->may_close_groups = false; /* it was tried */
    kith_buf_deinit(&left);
    json_decref(chats);
    free(wanted);
}

void group_close_due(struct cli *cli)
{
    if (cli->may_close_groups && *store_get(cli->store, CLOSE_KEY) != '\0') group_close_all(cli, true);
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
        if (change_one(cli, online, &call, why) == OUTCOME_DONE) continue;
        all = false;
        (void)snprintf(what, sizeof what, "the group '%.128s' is not left: %.160s", cli_chat_title(cli, chat), why);
        cli_error(cli, what, NULL);
    }
    online_close(online);
    json_decref(chats);
    return all;
}
