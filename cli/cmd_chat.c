#include <stdlib.h>

#include "cli/commands.h"
#include "cli/store.h"

static int finish(struct cli *cli, struct cli_answer *answer, const char *done)
{
    int code = cli_check(cli, answer);

    if (code == EXIT_DONE && cli->options.json && answer->body != NULL)
        cli_json(cli, json_incref(answer->body));
    else if (code == EXIT_DONE && !cli->options.json)
        printf("%s\n", done);
    cli_answer_free(answer);
    return code;
}

int cmd_chat_list(struct cli *cli)
{
    json_t *chats = cli_chats(cli), *chat;
    size_t i;

    if (chats == NULL) {
        cli_error(cli, "the server cannot be reached, and nothing is known of your chats yet", NULL);
        return EXIT_AWAY;
    }
    json_array_foreach(chats, i, chat)
    {
        long long last = json_integer_value(json_object_get(chat, "last_seq"));
        long long read = json_integer_value(json_object_get(chat, "read_up_to"));
        if (cli->options.json) {
            cli_json(cli, json_incref(chat));
            continue;
        }
        printf("%.8s  %s%-24s%s %zu people", json_string_value(json_object_get(chat, "chat_id")), cli_bold(cli),
               cli_chat_title(cli, chat), cli_plain(cli), json_array_size(json_object_get(chat, "members")));
        if (last > read) printf("  %lld unread", last - read);
        printf("  %s", json_is_true(json_object_get(chat, "encrypted")) ? "encrypted" : "NOT encrypted");
        if (json_is_integer(json_object_get(chat, "left_seq"))) printf("  you left");
        (void)putchar('\n');
    }
    if (json_array_size(chats) == 0 && !cli->options.json) printf("No chats yet. Begin one: kith chat create NAME\n");
    json_decref(chats);
    return EXIT_DONE;
}

int cmd_chat_create(struct cli *cli)
{
    bool group = cli->options.group || cli->argc > 1;
    json_t *members, *body;
    struct cli_answer answer;
    char id[KITH_UUID_TEXT_LEN + 1], done[192];
    int code;

    if (group && !cli->options.unencrypted) {
        cli_error(cli, "encrypted groups are not there yet",
                  "With --unencrypted the server can read the group, for good.");
        return EXIT_USAGE;
    }
    members = json_array();

    for (int i = 0; i < cli->argc; i++) {
        struct user_id user;
        if (!cli_user_find(cli, cli->argv[i], &user)) {
            json_decref(members);
            return EXIT_REFUSED;
        }
        kith_uuid_format(user.id, id);
        (void)json_array_append_new(members, json_string(id));
    }
    body = json_pack("{s:s, s:o, s:b}", "type", group ? "group" : "direct", "members", members, "encrypted",
                     !cli->options.unencrypted);
    if (cli->options.name != NULL) json_object_set_new(body, "name", json_string(cli->options.name));
    cli_rest(cli, "POST", "/chats", body, &answer);
    code = cli_check(cli, &answer);
    if (code == EXIT_DONE) {
        const char *chat = json_string_value(json_object_get(answer.body, "chat_id"));
        (void)snprintf(done, sizeof done, "Chat %s %s%s. Write: kith send %.8s TEXT", chat,
                       answer.status == 201 ? "made" : "was there already",
                       cli->options.unencrypted ? "; the server can read it" : ", end-to-end encrypted", chat);
        json_decref(cli_chats(cli)); /* so that it is known offline too */
    }
    return finish(cli, &answer, code == EXIT_DONE ? done : "");
}

static int chat_call(struct cli *cli, const char *method, const char *rest, json_t *body, const char *done)
{
    struct cli_answer answer;
    struct chat_id chat;
    char id[KITH_UUID_TEXT_LEN + 1], path[256];

    if (!cli_chat_find(cli, cli->argv[0], &chat)) {
        json_decref(body);
        return EXIT_REFUSED;
    }
    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/chats/%s%s", id, rest);
    cli_rest(cli, method, path, body, &answer);
    return finish(cli, &answer, done);
}

static bool member_of(struct cli *cli, char out[static KITH_UUID_TEXT_LEN + 1])
{
    struct user_id user;

    if (!cli_user_find(cli, cli->argv[1], &user)) return false;
    kith_uuid_format(user.id, out);
    return true;
}

int cmd_chat_add(struct cli *cli)
{
    char id[KITH_UUID_TEXT_LEN + 1];
    json_t *body;

    if (!member_of(cli, id)) return EXIT_REFUSED;
    body = json_pack("{s:s}", "user_id", id);
    if (cli->options.role != NULL) json_object_set_new(body, "role", json_string(cli->options.role));
    return chat_call(cli, "POST", "/members", body, "Added.");
}

int cmd_chat_remove(struct cli *cli)
{
    char id[KITH_UUID_TEXT_LEN + 1], rest[64];

    if (!member_of(cli, id)) return EXIT_REFUSED;
    (void)snprintf(rest, sizeof rest, "/members/%s", id);
    return chat_call(cli, "DELETE", rest, NULL, "Removed.");
}

int cmd_chat_role(struct cli *cli)
{
    char id[KITH_UUID_TEXT_LEN + 1], rest[64];

    if (!member_of(cli, id)) return EXIT_REFUSED;
    (void)snprintf(rest, sizeof rest, "/members/%s", id);
    return chat_call(cli, "PATCH", rest, json_pack("{s:s}", "role", cli->argv[2]), "Changed.");
}

int cmd_chat_leave(struct cli *cli)
{
    return chat_call(cli, "POST", "/leave", json_object(), "You left.");
}

int cmd_chat_rename(struct cli *cli)
{
    return chat_call(cli, "PATCH", "", json_pack("{s:s}", "name", cli->argv[1]), "Renamed.");
}

int cmd_chat_show(struct cli *cli)
{
    struct cli_answer answer;
    struct chat_id chat;
    char id[KITH_UUID_TEXT_LEN + 1], path[64];
    json_t *member;
    size_t i;
    int code;

    if (!cli_chat_find(cli, cli->argv[0], &chat)) return EXIT_REFUSED;
    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/chats/%s", id);
    cli_rest(cli, "GET", path, NULL, &answer);
    code = cli_check(cli, &answer);
    if (code == EXIT_DONE && cli->options.json)
        cli_json(cli, json_incref(answer.body));
    else if (code == EXIT_DONE) {
        printf("%s%s%s\n%s, %lld events, %s\n", cli_bold(cli), cli_chat_title(cli, answer.body), cli_plain(cli), id,
               json_integer_value(json_object_get(answer.body, "last_seq")),
               json_is_true(json_object_get(answer.body, "encrypted")) ? "encrypted"
                                                                       : "NOT encrypted: the server can read it");
        json_array_foreach(json_object_get(answer.body, "members"), i, member)
            printf("  %-24s %-7s delivered %lld, read %lld\n",
                   cli_user_name(cli, json_string_value(json_object_get(member, "user_id"))),
                   json_string_value(json_object_get(member, "role")),
                   json_integer_value(json_object_get(member, "delivered_up_to")),
                   json_integer_value(json_object_get(member, "read_up_to")));
    }
    cli_answer_free(&answer);
    return code;
}
