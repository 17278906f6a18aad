#include <sodium.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/group.h"
#include "cli/store.h"
#include "libkith/crypto/secret.h"

/* Invite links of groups: made by who may add people, and used (docs/wire/e2ee-groups.md, "Invite links"). */
#define LINK_PATH      "/join#"
#define LINK_TEXT_MAX  (sodium_base64_ENCODED_LEN(E2E_JOIN_LINK_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING))
#define URL_BYTES_MAX  4096
#define JOIN_WAIT_S    10
#define NAME_WAIT_MS   3000
#define HOW_TO_END_FMT "kith chat link %.8s --end"

/* ---- text */

static void format(struct cli *cli, const struct e2e_join_link *link, char out[static URL_BYTES_MAX])
{
    const char *server = store_get(cli->store, "server");
    uint8_t bytes[E2E_JOIN_LINK_BYTES];
    char text[LINK_TEXT_MAX];
    size_t len = strlen(server);

    while (len > 0 && server[len - 1] == '/') len--;
    e2e_join_link_encode(link, bytes);
    (void)sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(out, URL_BYTES_MAX, "%.*s" LINK_PATH "%s", (int)len, server, text);
    e2e_wipe(bytes, sizeof bytes);
    e2e_wipe(text, sizeof text);
}

/* Says what is wrong with it. */
static bool parse(struct cli *cli, const char *url, struct e2e_join_link *out)
{
    const char *server = store_get(cli->store, "server"), *at = strstr(url, LINK_PATH);
    size_t server_len = strlen(server), len = 0;
    uint8_t bytes[E2E_JOIN_LINK_BYTES];
    char hint[URL_BYTES_MAX];
    kith_err err = KITH_E_MALFORMED;

    while (server_len > 0 && server[server_len - 1] == '/') server_len--;
    if (at == NULL) {
        cli_error(cli, "that is no invite link of a group", "One looks like https://…" LINK_PATH "…");
        return false;
    }
    if ((size_t)(at - url) != server_len || strncasecmp(url, server, server_len) != 0) {
        (void)snprintf(hint, sizeof hint, "This device is signed in at %.1000s.", server);
        cli_error(cli, "that link is another server's", hint);
        return false;
    }
    at += strlen(LINK_PATH);
    if (sodium_base642bin(bytes, sizeof bytes, at, strlen(at), NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0)
        err = e2e_join_link_decode(kith_slice_of(bytes, len), out);
    e2e_wipe(bytes, sizeof bytes);
    if (err == KITH_OK) return true;
    if (err == KITH_E_UNSUPPORTED)
        cli_error(cli, "that link is of a newer kith", NULL);
    else
        cli_error(cli, "that link is not whole", "Copy all of it, what is behind the # too.");
    return false;
}

/* ---- chat link */

static int say_link(struct cli *cli, struct chat_id chat, const struct e2e_join_link *link)
{
    char url[URL_BYTES_MAX], id[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(chat.id, id);
    format(cli, link, url);
    if (cli->options.json) {
        cli_json(cli, json_pack("{s:s, s:s}", "chat_id", id, "link", url));
    } else {
        printf("Whoever has this link can join:\n\n  %s\n\n", url);
        if (cli->options.interactive) kith_ignore(cli_print_qr(url) ? KITH_OK : KITH_E_TOOBIG);
        printf("They are let in when a device of yours, or of another admin, is connected. To end it: " HOW_TO_END_FMT
               "\n",
               id);
    }
    e2e_wipe(url, sizeof url);
    return EXIT_DONE;
}

static int change_link(struct cli *cli, struct chat_id chat, bool ends)
{
    char path[64], id[KITH_UUID_TEXT_LEN + 1];
    struct group_call call = {
        .change = {.kind = E2E_GROUP_JOIN_KEY, .ends = ends}, .chat = &chat, .method = "PATCH", .path = path};
    struct cli_answer answer;
    int code;

    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/chats/%s", id);
    code = group_ask(cli, &call, &answer);
    if (code == EXIT_DONE) code = cli_check(cli, &answer);
    if (code == EXIT_DONE && ends && cli->options.json) cli_json(cli, json_incref(answer.body));
    if (code == EXIT_DONE && ends && !cli->options.json) printf("The invite link has ended. Who joined by it stays.\n");
    cli_answer_free(&answer);
    return code;
}

int cmd_chat_link(struct cli *cli)
{
    struct e2e_join_link link;
    struct chat_id chat;
    kith_err err;
    int code = EXIT_DONE;

    if (cli->options.end && cli->options.fresh) {
        cli_error(cli, "--new and --end cannot be given together",
                  "--new makes another link, and the one before ends; --end leaves the group without any.");
        return EXIT_USAGE;
    }
    if (!cli_chat_find(cli, cli->argv[0], &chat)) return EXIT_REFUSED;
    if (!group_is_signed(cli, chat)) {
        cli_error(cli, "invite links are for encrypted groups", NULL);
        return EXIT_REFUSED;
    }
    if (cli->options.end) return change_link(cli, chat, true);
    err = cli->options.fresh ? KITH_E_NOTFOUND : group_link(cli, chat, &link);
    if (err == KITH_E_CLOSED) return group_say_refused(cli, KITH_E_DENIED);
    if (err == KITH_E_DENIED) {
        cli_error(cli, "this group's invite link was made by another device, and only that one can show it",
                  "With --new this one makes another, and that one ends.");
        return EXIT_REFUSED;
    }
    if (err == KITH_E_NOTFOUND) {
        code = change_link(cli, chat, false);
        if (code == EXIT_DONE) err = group_link(cli, chat, &link);
    }
    if (code != EXIT_DONE) return code;
    if (err != KITH_OK) {
        cli_error(cli, "there is no invite link yet", "Try again later.");
        return EXIT_FAILED;
    }
    code = say_link(cli, chat, &link);
    e2e_wipe(&link, sizeof link);
    return code;
}

/* ---- chat join */

static kith_err make_request(struct online *online, const struct e2e_join_link *link, json_t **body)
{
    struct kith_client *client = online_client(online);
    struct kith_buf request;
    char text[sodium_base64_ENCODED_LEN(E2E_JOIN_SIGNED_BYTES_MAX, sodium_base64_VARIANT_ORIGINAL)];
    kith_err err;

    kith_buf_init(&request, E2E_JOIN_SIGNED_BYTES_MAX);
    online_settle(online, NULL, 0, GROUP_SETTLE_MS);
    err = e2e_account_join_ask(kith_client_account(client), cli_wall_ms(), link, &request);
    if (err == KITH_OK) {
        kith_client_acted(client, cli_time_now());
        online_run_effects(online); /* what that chat must turn out to be is kept before anybody is asked */
        (void)sodium_bin2base64(text, sizeof text, request.ptr + request.head, kith_buf_len(&request),
                                sodium_base64_VARIANT_ORIGINAL);
        *body = json_pack("{s:s}", "request", text);
    }
    kith_buf_deinit(&request);
    return err;
}

static bool is_in(struct online *online, const struct e2e_join_link *link)
{
    struct e2e_group_view view;

    return e2e_account_group(kith_client_account(online_client(online)), link->chat_id, &view) && view.is_member;
}

static bool has_name(struct online *online, const struct e2e_join_link *link)
{
    struct e2e_group_info info;
    struct kith_buf plain;
    bool is;

    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    is = e2e_account_group_info(kith_client_account(online_client(online)), link->chat_id, &plain, &info) == KITH_OK;
    kith_buf_wipe(&plain);
    return is;
}

static void wait_for(struct online *online, const struct e2e_join_link *link, uint64_t wait_ms,
                     bool (*is)(struct online *online, const struct e2e_join_link *link))
{
    uint64_t end = cli_now_ms() + wait_ms;

    while (!is(online, link) && cli_now_ms() < end) online_turn(online, 20);
}

static void say_joined(struct cli *cli, const char *chat_id, bool is_member)
{
    json_t *chats = cli_chats(cli), *chat; /* so that it is known offline too */
    size_t i;

    cli_json(cli, json_pack("{s:s, s:b}", "chat_id", chat_id, "member", (int)is_member));
    if (!cli->options.json && !is_member)
        printf("Asked. You are in as soon as a device of an admin is connected: kith chat list shows it then.\n");
    json_array_foreach(chats, i, chat)
    {
        if (cli->options.json || !is_member) break;
        if (strcmp(json_string_value(json_object_get(chat, "chat_id")), chat_id) != 0) continue;
        (void)group_name_put(cli, chat);
        printf("You are in: %s. Write: kith send %.8s TEXT\n", cli_chat_title(cli, chat), chat_id);
    }
    json_decref(chats);
}

static int say_not_asked(struct cli *cli, kith_err err)
{
    if (err == KITH_E_NOTFOUND)
        cli_error(cli, "this account is or was in a group of that chat, and whether it is the link's cannot be told",
                  "Ask for a new link.");
    else if (err == KITH_E_DENIED)
        cli_error(cli, "the server has shown two histories of that group", NULL);
    else if (err == KITH_E_FULL)
        cli_error(cli, "too many groups were asked and have not answered", NULL);
    else
        return group_say_refused(cli, err);
    return EXIT_REFUSED;
}

static int ask(struct cli *cli, struct online *online, const struct e2e_join_link *link)
{
    struct e2e_account *account = kith_client_account(online_client(online));
    uint64_t wait_s = JOIN_WAIT_S;
    char id[KITH_UUID_TEXT_LEN + 1], path[64];
    struct chat_id chat;
    struct cli_answer answer = {0};
    json_t *body = NULL;
    kith_err err;
    int code = EXIT_DONE;

    memcpy(chat.id.raw, link->chat_id, sizeof chat.id.raw);
    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/chats/%s/join", id);
    group_catch_up(cli, online, chat); /* it may be in it, by an older operation than the link's */
    err = make_request(online, link, &body);
    if (err != KITH_OK && err != KITH_E_CONFLICT) return say_not_asked(cli, err);
    if (err == KITH_OK) {
        cli_rest(cli, "POST", path, body, &answer);
        if (answer.status == 404) {
            e2e_account_join_forget(account, link->chat_id);
            kith_client_acted(online_client(online), cli_time_now());
            online_run_effects(online);
            cli_error(cli, "there is no such group, or its invite link has ended", "Ask for a new link.");
            code = EXIT_REFUSED;
        } else {
            code = cli_check(cli, &answer);
        }
        cli_answer_free(&answer);
    }
    if (code != EXIT_DONE) return code;
    if (cli->options.timeout != NULL) kith_ignore(kith_slice_to_u64(kith_slice_str(cli->options.timeout), &wait_s));
    wait_for(online, link, wait_s * 1000, is_in);
    if (is_in(online, link)) wait_for(online, link, NAME_WAIT_MS, has_name);
    say_joined(cli, id, is_in(online, link));
    return EXIT_DONE;
}

int cmd_chat_join(struct cli *cli)
{
    struct online_view view = {0};
    struct e2e_join_link link;
    struct online *online;
    int code;

    if (!parse(cli, cli->argv[0], &link)) return EXIT_USAGE;
    online = online_open(cli, &view);
    if (online == NULL) {
        cli_error(cli, "another kith is connected as this device", "End it first.");
        return EXIT_FAILED;
    }
    code = ask(cli, online, &link);
    online_close(online);
    e2e_wipe(&link, sizeof link);
    return code;
}
