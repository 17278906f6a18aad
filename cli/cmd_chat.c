#include <assert.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/group.h"
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

/* The people named at the command line, each once, without oneself; false: one is nobody, and that was said. */
static bool people_of(struct cli *cli, struct user_id *users, uint32_t *count, json_t *members)
{
    char id[KITH_UUID_TEXT_LEN + 1];

    for (int i = 0; i < cli->argc; i++) {
        struct user_id *user = &users[*count];
        bool is_new = true;
        if (!cli_user_find(cli, cli->argv[i], user)) return false;
        kith_uuid_format(user->id, id);
        for (uint32_t j = 0; j < *count; j++) is_new &= !kith_uuid_eq(users[j].id, user->id);
        if (!is_new || strcmp(id, store_get(cli->store, "user_id")) == 0) continue;
        (void)json_array_append_new(members, json_string(id));
        ++*count;
    }
    return true;
}

/* An encrypted group's name is in its first operation, where the server cannot read it. */
static int create_signed(struct cli *cli, const struct user_id *users, uint32_t count, json_t *body,
                         struct cli_answer *answer)
{
    struct group_call call = {
        .change = {.kind = E2E_GROUP_CREATE, .other_count = count}, .method = "POST", .path = "/chats", .body = body};

    static_assert(sizeof *users == E2E_ACCOUNT_ID_BYTES, "a user's id is an account's");
    call.change.others = (const uint8_t(*)[E2E_ACCOUNT_ID_BYTES])users;
    if (cli->options.name != NULL) call.change.info.name = kith_slice_str(cli->options.name);
    return group_ask(cli, &call, answer);
}

static int say_created(struct cli *cli, struct cli_answer *answer)
{
    const char *chat = json_string_value(json_object_get(answer->body, "chat_id"));
    char done[192];

    (void)snprintf(done, sizeof done, "Chat %s %s%s. Write: kith send %.8s TEXT", chat == NULL ? "" : chat,
                   answer->status == 201 ? "made" : "was there already",
                   cli->options.unencrypted ? "; the server can read it" : ", end-to-end encrypted",
                   chat == NULL ? "" : chat);
    if (chat != NULL) json_decref(cli_chats(cli)); /* so that it is known offline too */
    return finish(cli, answer, done);
}

int cmd_chat_create(struct cli *cli)
{
    bool group = cli->options.group || cli->argc > 1, is_signed = group && !cli->options.unencrypted;
    struct user_id *users = calloc((size_t)cli->argc, sizeof *users);
    json_t *members = json_array(), *body;
    struct cli_answer answer = {0};
    uint32_t count = 0;
    int code = EXIT_DONE;

    if (users == NULL || !people_of(cli, users, &count, members)) {
        free(users);
        json_decref(members);
        return EXIT_REFUSED;
    }
    body = json_pack("{s:s, s:o, s:b}", "type", group ? "group" : "direct", "members", members, "encrypted",
                     !cli->options.unencrypted);
    if (is_signed) {
        code = create_signed(cli, users, count, body, &answer);
        json_decref(body);
    } else {
        if (cli->options.name != NULL) (void)json_object_set_new(body, "name", json_string(cli->options.name));
        cli_rest(cli, "POST", "/chats", body, &answer);
    }
    free(users);
    return code == EXIT_DONE ? say_created(cli, &answer) : code;
}

static int chat_call(struct cli *cli, const char *method, const char *rest, json_t *body,
                     const struct e2e_group_change *change, const char *done)
{
    struct cli_answer answer;
    struct chat_id chat;
    char id[KITH_UUID_TEXT_LEN + 1], path[256];
    int code = EXIT_DONE;

    if (!cli_chat_find(cli, cli->argv[0], &chat)) {
        json_decref(body);
        return EXIT_REFUSED;
    }
    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/chats/%s%s", id, rest);
    if (group_is_signed(cli, chat)) {
        struct group_call call = {.change = *change, .chat = &chat, .method = method, .path = path, .body = body};
        if (change->kind == E2E_GROUP_INFO) call.body = NULL; /* the name is in the operation, sealed */
        code = group_ask(cli, &call, &answer);
        json_decref(body);
    } else {
        cli_rest(cli, method, path, body, &answer);
    }
    return code == EXIT_DONE ? finish(cli, &answer, done) : code;
}

static bool member_of(struct cli *cli, struct e2e_group_change *change, char out[static KITH_UUID_TEXT_LEN + 1])
{
    struct user_id user;

    if (!cli_user_find(cli, cli->argv[1], &user)) return false;
    kith_uuid_format(user.id, out);
    memcpy(change->subject, user.id.raw, sizeof change->subject);
    return true;
}

static bool role_of(struct cli *cli, const char *text, struct e2e_group_change *change)
{
    static const char *const roles[] = {
        [E2E_ROLE_MEMBER] = "member", [E2E_ROLE_ADMIN] = "admin", [E2E_ROLE_OWNER] = "owner"};

    for (change->role = E2E_ROLE_MEMBER; change->role <= E2E_ROLE_OWNER; change->role++)
        if (strcmp(roles[change->role], text) == 0) return true;
    cli_error(cli, "the role is owner, admin or member", NULL);
    return false;
}

int cmd_chat_add(struct cli *cli)
{
    struct e2e_group_change change = {.kind = E2E_GROUP_ADD, .role = E2E_ROLE_MEMBER};
    char id[KITH_UUID_TEXT_LEN + 1];
    json_t *body;

    if (!member_of(cli, &change, id)) return EXIT_REFUSED;
    if (cli->options.role != NULL && !role_of(cli, cli->options.role, &change)) return EXIT_USAGE;
    body = json_pack("{s:s}", "user_id", id);
    if (cli->options.role != NULL) (void)json_object_set_new(body, "role", json_string(cli->options.role));
    return chat_call(cli, "POST", "/members", body, &change, "Added.");
}

int cmd_chat_remove(struct cli *cli)
{
    struct e2e_group_change change = {.kind = E2E_GROUP_REMOVE};
    char id[KITH_UUID_TEXT_LEN + 1], rest[64];

    if (!member_of(cli, &change, id)) return EXIT_REFUSED;
    (void)snprintf(rest, sizeof rest, "/members/%s", id);
    return chat_call(cli, "DELETE", rest, NULL, &change, "Removed.");
}

int cmd_chat_role(struct cli *cli)
{
    struct e2e_group_change change = {.kind = E2E_GROUP_ROLE};
    char id[KITH_UUID_TEXT_LEN + 1], rest[64];

    if (!member_of(cli, &change, id)) return EXIT_REFUSED;
    if (!role_of(cli, cli->argv[2], &change)) return EXIT_USAGE;
    (void)snprintf(rest, sizeof rest, "/members/%s", id);
    return chat_call(cli, "PATCH", rest, json_pack("{s:s}", "role", cli->argv[2]), &change, "Changed.");
}

int cmd_chat_leave(struct cli *cli)
{
    struct e2e_group_change change = {.kind = E2E_GROUP_LEAVE};

    return chat_call(cli, "POST", "/leave", json_object(), &change, "You left.");
}

int cmd_chat_rename(struct cli *cli)
{
    struct e2e_group_change change = {.kind = E2E_GROUP_INFO, .info = {.name = kith_slice_str(cli->argv[1])}};

    return chat_call(cli, "PATCH", "", json_pack("{s:s}", "name", cli->argv[1]), &change, "Renamed.");
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
    if (code == EXIT_DONE) (void)group_name_put(cli, answer.body);
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
