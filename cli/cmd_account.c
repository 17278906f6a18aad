#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/group.h"
#include "cli/keys_taken.h"
#include "cli/store.h"
#include "libkith/e2ee/account.h"

static void device_name(const struct cli *cli, char out[static 129])
{
    char host[65] = "this computer";

    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(out, 129, "%s", cli->options.device_name != NULL ? cli->options.device_name : host);
}

/* The device's keys go to the server, so that others can write to it before it is online next. */
static void set_up_keys(struct cli *cli)
{
    struct online_view view = {0};
    struct online *online = online_open(cli, &view);

    if (online == NULL) return;
    online_settle(online, NULL, 0, 10000);
    if (!cli->options.json && e2e_account_state(kith_client_account(online_client(online))) == E2E_ACCOUNT_EMPTY)
        printf("To read encrypted chats here, link this device: kith device request\n");
    online_close(online);
}

static int signed_in(struct cli *cli, struct cli_answer *answer, const char *name, const char *verb)
{
    int code = cli_check(cli, answer);

    if (code == EXIT_DONE) {
        store_set(cli->store, "name", name);
        if (cli->options.json)
            cli_json(cli, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "user_id", store_get(cli->store, "user_id"),
                                    "device_id", store_get(cli->store, "device_id"), "server",
                                    store_get(cli->store, "server")));
        else
            printf("%s as %s on %s.\n", verb, name, store_get(cli->store, "server"));
    }
    cli_answer_free(answer);
    if (code == EXIT_DONE) set_up_keys(cli);
    return code;
}

static bool nobody_yet(const struct cli *cli)
{
    if (*store_get(cli->store, "user_id") == '\0') return true;
    cli_error(cli, "somebody is signed in here already",
              "Sign out first (kith account logout), or use another --state DIR.");
    return false;
}

int cmd_account_register(struct cli *cli)
{
    char password[1025], device[129];
    struct cli_answer answer;
    json_t *body;

    if (!nobody_yet(cli)) return EXIT_FAILED;
    if (!cli_password(cli, "A new password, 8 characters or more", true, password)) return EXIT_USAGE;
    device_name(cli, device);
    body = json_pack("{s:s, s:s, s:s}", "name", cli->argv[0], "password", password, "device_name", device);
    if (body == NULL) {
        cli_error(cli, "name and password must be valid UTF-8", NULL);
        return EXIT_USAGE;
    }
    if (cli->options.invite != NULL) json_object_set_new(body, "invite", json_string(cli->options.invite));
    if (cli->options.name != NULL) json_object_set_new(body, "display_name", json_string(cli->options.name));
    cli_rest(cli, "POST", "/users", body, &answer);
    sodium_memzero(password, sizeof password);
    return signed_in(cli, &answer, cli->argv[0], "Welcome. You are signed in");
}

int cmd_account_login(struct cli *cli)
{
    char password[1025], device[129];
    struct cli_answer answer;
    const char *known = store_get(cli->store, "device_id");
    json_t *body;

    if (cli->options.server != NULL) {
        if (!nobody_yet(cli)) return EXIT_FAILED;
        store_set(cli->store, "server", cli->options.server);
    }
    if (!cli_password(cli, "Password", false, password)) return EXIT_USAGE;
    device_name(cli, device);
    body = json_pack("{s:s, s:s, s:s}", "name", cli->argv[0], "password", password, "device_name", device);
    if (body == NULL) return EXIT_USAGE;
    if (*known != '\0') json_object_set_new(body, "device_id", json_string(known));
    cli_rest(cli, "POST", "/auth/login", body, &answer);
    sodium_memzero(password, sizeof password);
    return signed_in(cli, &answer, cli->argv[0], "Signed in");
}

int cmd_account_logout(struct cli *cli)
{
    struct cli_answer answer;
    int code;

    cli_rest(cli, "POST", "/auth/logout", json_object(), &answer);
    code = answer.status == 401 ? EXIT_DONE : cli_check(cli, &answer); /* ended already is ended */
    cli_answer_free(&answer);
    if (code != EXIT_DONE) return code;
    store_forget(cli->store);
    if (!cli->options.json) printf("Signed out. Nothing is kept here any more.\n");
    return EXIT_DONE;
}

/*
 * In groups this device signs that the person leaves, while it can: the server cannot, and where the only owner just vanished nobody could
 * ever name another.
 */
int cmd_account_delete(struct cli *cli)
{
    struct cli_answer answer;
    int code;

    if (!cli->options.confirm) {
        cli_error(cli, "this deletes the account, on the server and on all its devices, for good",
                  "What you wrote stays with those you wrote to. If you mean it, say --confirm.");
        return EXIT_USAGE;
    }
    if (!group_leave_all(cli) && !cli->options.all) {
        cli_error(cli, "the account is still there", "Try again; or leave those groups as they are, with --all.");
        return EXIT_REFUSED;
    }
    cli_rest(cli, "DELETE", "/users/me", NULL, &answer);
    code = cli_check(cli, &answer);
    cli_answer_free(&answer);
    if (code != EXIT_DONE) return code;
    store_forget(cli->store);
    if (!cli->options.json) printf("Deleted. Nothing is kept here any more.\n");
    return EXIT_DONE;
}

int cmd_account_show(struct cli *cli)
{
    struct cli_answer answer;
    int code;

    cli_rest(cli, "GET", "/users/me", NULL, &answer);
    code = cli_check(cli, &answer);
    if (code == EXIT_DONE && cli->options.json)
        cli_json(cli, json_incref(answer.body));
    else if (code == EXIT_DONE)
        printf("%s%s%s (%s)\nuser    %s\ndevice  %s\nserver  %s\n", cli_bold(cli),
               json_string_value(json_object_get(answer.body, "display_name")), cli_plain(cli),
               json_string_value(json_object_get(answer.body, "name")), store_get(cli->store, "user_id"),
               store_get(cli->store, "device_id"), store_get(cli->store, "server"));
    cli_answer_free(&answer);
    return code;
}

int cmd_account_password(struct cli *cli)
{
    char current[1025], fresh[1025];
    struct cli_answer answer;
    int code;

    if (!cli_password(cli, "The password now", false, current)) return EXIT_USAGE;
    if (!cli_password(cli, "The new password", true, fresh)) {
        sodium_memzero(current, sizeof current);
        return EXIT_USAGE;
    }
    cli_rest(cli, "PUT", "/users/me", json_pack("{s:s, s:s}", "password", fresh, "current_password", current), &answer);
    sodium_memzero(current, sizeof current);
    sodium_memzero(fresh, sizeof fresh);
    code = cli_check(cli, &answer);
    cli_answer_free(&answer);
    if (code == EXIT_DONE && !cli->options.json) printf("Changed. Your other devices are signed out.\n");
    return code;
}

static void print_device(struct cli *cli, json_t *device, bool is_this, const struct e2e_account *account)
{
    char seen[32];

    if (cli->options.json) {
        if (is_this && account != NULL) json_object_set_new(device, "one_time_keys_taken", keys_taken_json(account));
        cli_json(cli, json_incref(device));
        return;
    }
    cli_time(json_string_value(json_object_get(device, "seen_at")), seen);
    printf("%s  %-24s %s%s\n", json_string_value(json_object_get(device, "device_id")),
           json_string_value(json_object_get(device, "name")), seen, is_this ? "  (this one)" : "");
}

/* As the server has them; and of this one, what it noticed itself. */
int cmd_device_list(struct cli *cli)
{
    struct cli_answer answer;
    struct kith_client *client;
    const struct e2e_account *account;
    json_t *device;
    size_t i;
    int code;

    if (cli->argc == 1) return cmd_device_list_of(cli);
    cli_rest(cli, "GET", "/devices", NULL, &answer);
    code = cli_check(cli, &answer);
    client = code == EXIT_DONE ? online_peek(cli) : NULL;
    account = client == NULL ? NULL : kith_client_account(client);
    json_array_foreach(json_object_get(answer.body, "devices"), i, device)
    {
        const char *id = json_string_value(json_object_get(device, "device_id"));
        print_device(cli, device, strcmp(id, store_get(cli->store, "device_id")) == 0, account);
    }
    if (account != NULL && !cli->options.json) keys_taken_print(cli, account);
    kith_client_free(client);
    cli_answer_free(&answer);
    return code;
}

int cli_remove_by_id(struct cli *cli, const char *collection, const char *id, const char *done)
{
    struct cli_answer answer;
    struct kith_uuid uuid;
    char path[128];
    int code;

    if (kith_uuid_parse(kith_slice_str(id), &uuid) != KITH_OK) {
        cli_error(cli, "that is not an id", "Give the whole id, as the list shows it.");
        return EXIT_USAGE;
    }
    (void)snprintf(path, sizeof path, "/%s/%.36s", collection, id);
    cli_rest(cli, "DELETE", path, NULL, &answer);
    code = cli_check(cli, &answer);
    cli_answer_free(&answer);
    if (code == EXIT_DONE && !cli->options.json) printf("%s\n", done);
    return code;
}

int cmd_invite_revoke(struct cli *cli)
{
    return cli_remove_by_id(cli, "invites", cli->argv[0], "Taken back.");
}

int cmd_invite_create(struct cli *cli)
{
    struct cli_answer answer;
    json_t *body = json_object();
    int code;

    if (cli->options.uses != NULL)
        json_object_set_new(body, "uses_max", json_integer(strtol(cli->options.uses, NULL, 10)));
    if (cli->options.expires != NULL)
        json_object_set_new(body, "expires_in", json_integer(strtol(cli->options.expires, NULL, 10) * 86400));
    if (cli->options.admin) json_object_set_new(body, "role", json_string("admin"));
    cli_rest(cli, "POST", "/invites", body, &answer);
    code = cli_check(cli, &answer);
    if (code == EXIT_DONE && cli->options.json)
        cli_json(cli, json_incref(answer.body));
    else if (code == EXIT_DONE) {
        const char *invite = json_string_value(json_object_get(answer.body, "code"));
        char expires[32];
        cli_time(json_string_value(json_object_get(answer.body, "expires_at")), expires);
        printf("Pass this on:\n\n  kith account register --server %s --invite %s NAME\n\nGood until %s.\n",
               store_get(cli->store, "server"), invite, expires);
    }
    cli_answer_free(&answer);
    return code;
}

int cmd_invite_list(struct cli *cli)
{
    struct cli_answer answer;
    json_t *invite;
    size_t i;
    int code;

    cli_rest(cli, "GET", "/invites", NULL, &answer);
    code = cli_check(cli, &answer);
    json_array_foreach(json_object_get(answer.body, "invites"), i, invite)
    {
        char expires[32];
        if (cli->options.json) {
            cli_json(cli, json_incref(invite));
            continue;
        }
        cli_time(json_string_value(json_object_get(invite, "expires_at")), expires);
        printf("%s  used %lld of %lld  until %s\n", json_string_value(json_object_get(invite, "invite_id")),
               json_integer_value(json_object_get(invite, "uses")),
               json_integer_value(json_object_get(invite, "uses_max")), expires);
    }
    cli_answer_free(&answer);
    return code;
}

int cmd_health(struct cli *cli)
{
    struct cli_answer answer;
    int code;

    cli_rest(cli, "GET", "/readyz?verbose", NULL, &answer);
    if (answer.status == 0)
        code = cli_check(cli, &answer);
    else {
        code = answer.status == 200 ? EXIT_DONE : EXIT_REFUSED;
        if (cli->options.json)
            cli_json(cli, json_incref(answer.body));
        else {
            json_t *check;
            size_t i;
            printf("%s is %s\n", store_get(cli->store, "server"), answer.status == 200 ? "well" : "not ready");
            json_array_foreach(json_object_get(answer.body, "checks"), i, check) printf(
                "  %-12s %s %s\n", json_string_value(json_object_get(check, "name")),
                json_is_true(json_object_get(check, "ok")) ? "ok" : "NOT OK",
                json_is_string(json_object_get(check, "reason")) ? json_string_value(json_object_get(check, "reason"))
                                                                 : "");
        }
    }
    cli_answer_free(&answer);
    return code;
}
