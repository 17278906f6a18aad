#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/store.h"
#include "cli/trust.h"
#include "libkith/e2ee/account.h"
#include "wire/json_text.h"

/* Who a person is: the safety number that two people compare, and the devices that the person signed. */
#define SETTLE_MS 10000

/* Online, with the newest list of that person pinned, unless the server could not be asked. NULL: said why. */
static struct online *look_up(struct cli *cli, const char *name, struct user_id *user)
{
    struct online_view view = {0};
    struct online *online;

    if (!cli_user_find(cli, name, user)) return NULL;
    online = online_open(cli, &view);
    if (online == NULL) {
        cli_error(cli, "another kith is connected as this device", "End it first.");
        return NULL;
    }
    kith_client_look_up(online_client(online), cli_time_now(), *user);
    online_run_effects(online);
    online_settle(online, NULL, 0, SETTLE_MS);
    return online;
}

/* The server could not be asked. With --json it is in each object. */
static void say_old(struct cli *cli, const struct e2e_person *person)
{
    char issued[KITH_TIME_TEXT_LEN + 1], what[128];

    if (cli->options.json) return;
    kith_time_format(person->list->issued_at_ms, issued);
    (void)snprintf(what, sizeof what, "could not ask the server; the list is of %s", issued);
    cli_error(cli, what, "It may have changed since.");
}

static const char *trust_text(const struct e2e_person *person)
{
    switch (person->trust) {
    case E2E_TRUST_VERIFIED: return "Verified: you have compared this number.";
    case E2E_TRUST_CHANGED:
        return "CHANGED since you verified it: a new account key, or somebody between you. Nothing is sent until you\n"
               "compare again and say --confirm.";
    case E2E_TRUST_FORKED:
        return "The server has shown two different device lists of this person. Nothing is sent: tell them, and the "
               "server's\n"
               "operator.";
    case E2E_TRUST_KNOWN:
        return person->was_reset ? "Not verified, and the account key has changed since you first met."
                                 : "Not verified yet. Compare it face to face or by a call, then say --confirm.";
    case E2E_TRUST_UNKNOWN: break;
    }
    return "This person has no encrypted device yet.";
}

static void qr_text(const struct e2e_person *me, const struct e2e_person *other, char *out, size_t room)
{
    uint8_t all[2 * (E2E_ACCOUNT_ID_BYTES + E2E_SIGN_PUBLIC_BYTES + 8 + E2E_HASH_BYTES)];
    const struct e2e_device_list *lists[2] = {me->list, other->list};
    char text[sodium_base64_ENCODED_LEN(sizeof all, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    uint8_t *at = all;

    for (int i = 0; i < 2; i++) {
        memcpy(at, lists[i]->account_id, E2E_ACCOUNT_ID_BYTES);
        memcpy(at + E2E_ACCOUNT_ID_BYTES, lists[i]->ark_pub, E2E_SIGN_PUBLIC_BYTES);
        kith_put_u64_be(at + E2E_ACCOUNT_ID_BYTES + E2E_SIGN_PUBLIC_BYTES, lists[i]->seq);
        memcpy(at + E2E_ACCOUNT_ID_BYTES + E2E_SIGN_PUBLIC_BYTES + 8, lists[i]->hash, E2E_HASH_BYTES);
        at += sizeof all / 2;
    }
    (void)sodium_bin2base64(text, sizeof text, all, sizeof all, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(out, room, "kith-verify:%s", text);
}

static void print_number(struct cli *cli, const char *name, const struct e2e_person *me, const struct e2e_person *other,
                         bool fresh)
{
    char digits[E2E_SAFETY_DIGITS], code[512], issued[KITH_TIME_TEXT_LEN + 1];

    e2e_safety_number(me->list->ark_pub, me->list->account_id, other->list->ark_pub, other->list->account_id, digits);
    if (cli->options.json) {
        kith_time_format(other->list->issued_at_ms, issued);
        cli_json(cli, json_pack("{s:s#, s:s, s:b, s:s, s:b}", "safety_number", digits, (int)sizeof digits, "trust",
                                trust_name(other->trust), "was_reset", (int)other->was_reset, "list_issued_at", issued,
                                "fresh", (int)fresh));
        return;
    }
    printf("Your safety number with %s:\n", name);
    for (int i = 0; i < E2E_SAFETY_DIGITS; i += 5) printf("%s%.5s", i % 20 == 0 ? "\n   " : " ", digits + i);
    printf("\n\n%s\n", trust_text(other));
    qr_text(me, other, code, sizeof code);
    if (cli->options.interactive && !cli_print_qr(code)) printf("%s\n", code);
}

static struct user_id own_id(struct cli *cli)
{
    struct user_id id = {0};

    kith_ignore(kith_uuid_parse(kith_slice_str(store_get(cli->store, "user_id")), &id.id)); /* online: it was read */
    return id;
}

/* Nobody confirms what may not be there any more. */
static int confirm(struct cli *cli, struct e2e_account *account, struct e2e_person *other, bool fresh)
{
    const uint8_t *id = other->list->account_id;

    if (!fresh) {
        cli_error(cli, "the server could not be asked, so nothing was confirmed",
                  "Compare the number again, and say --confirm again, when the server can be reached.");
        return EXIT_AWAY;
    }
    if (e2e_account_verify(account, id, true) != KITH_OK) {
        cli_error(cli, "that cannot be confirmed", trust_text(other));
        return EXIT_REFUSED;
    }
    *other = e2e_account_person(account, id);
    return EXIT_DONE;
}

static int no_list(struct cli *cli, bool fresh)
{
    cli_error(cli,
              fresh ? "that person has no encrypted device yet"
                    : "the server could not be asked, and no list of that person is known here",
              NULL);
    return fresh ? EXIT_REFUSED : EXIT_AWAY;
}

int cmd_verify(struct cli *cli)
{
    struct e2e_person me, other;
    struct e2e_account *account;
    struct user_id user = {0};
    struct online *online = look_up(cli, cli->argv[0], &user);
    int result = EXIT_DONE;
    bool fresh;

    if (online == NULL) return EXIT_REFUSED;
    account = kith_client_account(online_client(online));
    me = e2e_account_person(account, own_id(cli).id.raw);
    other = e2e_account_person(account, user.id.raw);
    fresh = kith_client_is_looked_up(online_client(online));
    if (me.list == NULL) {
        cli_error(cli, "this device is not linked", "See: kith device request");
        result = EXIT_REFUSED;
    } else if (other.list == NULL) {
        result = no_list(cli, fresh);
    } else if (cli->options.confirm) {
        result = confirm(cli, account, &other, fresh);
    } else if (!fresh) {
        say_old(cli, &other);
    }
    if (result == EXIT_DONE) {
        kith_client_acted(online_client(online), cli_time_now());
        online_run_effects(online);
        print_number(cli, cli->argv[0], &me, &other, fresh);
    }
    online_close(online);
    return result;
}

static void print_device(struct cli *cli, const struct e2e_device *device, bool fresh)
{
    char added[KITH_TIME_TEXT_LEN + 1], when[32], id[KITH_UUID_TEXT_LEN + 1];
    struct kith_uuid server;

    memcpy(server.raw, device->server_device, sizeof server.raw);
    kith_uuid_format(server, id);
    kith_time_format(device->added_at_ms, added);
    if (cli->options.json) {
        cli_json(cli, json_pack("{s:s, s:s, s:b, s:b, s:b}", "device_id", id, "added_at", added, "manager",
                                (int)device->is_manager, "accepted", (int)device->is_accepted, "fresh", (int)fresh));
        return;
    }
    cli_time(added, when);
    printf("%s  since %s%s%s\n", id, when, device->is_manager ? "  signs the list" : "",
           device->is_accepted ? "" : "  (has not accepted its place: not written to)");
}

/* What the person's own signature says, not what the server does. */
int cmd_device_list_of(struct cli *cli)
{
    struct user_id user = {0};
    struct online *online = look_up(cli, cli->argv[0], &user);
    struct e2e_person other;
    int result = EXIT_DONE;
    bool fresh;

    if (online == NULL) return EXIT_REFUSED;
    other = e2e_account_person(kith_client_account(online_client(online)), user.id.raw);
    fresh = kith_client_is_looked_up(online_client(online));
    if (other.list == NULL)
        result = no_list(cli, fresh);
    else if (!fresh)
        say_old(cli, &other);
    for (uint32_t i = 0; other.list != NULL && i < other.list->device_count; i++)
        print_device(cli, &other.list->devices[i], fresh);
    online_close(online);
    return result;
}
