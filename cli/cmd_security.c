#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/keys_taken.h"
#include "cli/store.h"
#include "cli/trust.h"
#include "libkith/e2ee/account_group.h"
#include "libkith/e2ee/sender_chain.h"
#include "wire/json_text.h"

/* How a chat is protected, as far as this device knows: nothing is asked of the server but the names of people. */
#define PAGE      200
#define PAGES_MAX 500 /* of the history, in which the newest change of the group is looked for */

struct look {
    struct cli *cli;
    const struct kith_client *client;
    struct e2e_account *account;
    struct chat_id chat;
    struct kith_uuid me, device;
    bool is_group, is_encrypted;
    struct e2e_group_view view; /* of a group */
    struct user_id *members;
    size_t member_count;
};

/* ---- the newest change */

struct newest {
    const uint8_t *hash; /* the group's head */
    uint64_t before;     /* the lowest number that was seen */
    bool is_found;
    struct kith_uuid author;
    uint32_t author_device;
    uint64_t made_at_ms;
};

static void newest_read(struct newest *newest, const char *text)
{
    uint8_t bytes[E2E_GROUP_SIGNED_BYTES_MAX];
    struct e2e_group_op op;
    size_t len = 0;

    if (sodium_base642bin(bytes, sizeof bytes, text, strlen(text), NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL) !=
        0)
        return;
    if (e2e_group_op_decode(kith_slice_of(bytes, len), &op) != KITH_OK ||
        memcmp(op.hash, newest->hash, sizeof op.hash) != 0)
        return;
    newest->is_found = true;
    memcpy(newest->author.raw, op.author, sizeof newest->author.raw);
    newest->author_device = op.author_device;
    newest->made_at_ms = op.made_at_ms;
}

static bool newest_try(void *arg, const struct kith_message *message)
{
    struct newest *newest = arg;
    const char *text;
    json_t *body;

    if (newest->before == 0 || message->seq < newest->before) newest->before = message->seq;
    if (message->gap_from > 0 || !message->has_body || kith_slice_is(message->type, "message")) return true;
    body = json_loadb((const char *)message->body.ptr, message->body.len, 0, NULL);
    text = json_string_value(json_object_get(body, "signed_op"));
    if (text != NULL) newest_read(newest, text);
    json_decref(body);
    return true;
}

/* That its signature holds was looked at when it was taken: its hash is the head. */
static struct newest newest_of(const struct look *look)
{
    struct newest newest = {.hash = look->view.group->heads[0]};

    for (int page = 0; page < PAGES_MAX && !newest.is_found; page++) {
        const uint64_t before = newest.before;
        if (page > 0 && before <= 1) break;
        store_history(look->cli->store, look->chat, 0, before, PAGE, newest_try, &newest);
        if (newest.before == before) break; /* there were no more */
    }
    return newest;
}

/* ---- words */

/* A moment as both forms want it. */
struct moment {
    char exact[KITH_TIME_TEXT_LEN + 1], shown[32];
};

static struct moment moment_of(uint64_t ms)
{
    struct moment moment;

    kith_time_format(ms, moment.exact);
    cli_time(moment.exact, moment.shown);
    return moment;
}

static struct kith_uuid server_id(const struct e2e_device *device)
{
    struct kith_uuid id;

    memcpy(id.raw, device->server_device, sizeof id.raw);
    return id;
}

/* "you", or the person's name; lent until the next call. */
static const char *name_of(const struct look *look, struct kith_uuid id)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(id, text);
    return kith_uuid_eq(id, look->me) ? "you" : cli_user_name(look->cli, text);
}

static const char *trust_words(enum e2e_trust trust)
{
    switch (trust) {
    case E2E_TRUST_VERIFIED: return "verified";
    case E2E_TRUST_KNOWN: return "known, not verified";
    case E2E_TRUST_CHANGED: return "verified before, but not with the account key of now";
    case E2E_TRUST_FORKED: return "known, but the server contradicts itself";
    case E2E_TRUST_UNKNOWN: break;
    }
    return "no device list of this person is known here yet";
}

static const char *due_name(enum e2e_chain_due due)
{
    switch (due) {
    case E2E_CHAIN_GOES_ON: return "not_yet";
    case E2E_CHAIN_NONE: return "none_yet";
    case E2E_CHAIN_USED_UP: return "messages";
    case E2E_CHAIN_OLD: return "age";
    case E2E_CHAIN_GONE: return "somebody_gone";
    }
    return "none_yet";
}

static const char *due_words(enum e2e_chain_due due)
{
    switch (due) {
    case E2E_CHAIN_USED_UP: return "500 messages were sent under it";
    case E2E_CHAIN_OLD: return "it is 7 days old";
    case E2E_CHAIN_GONE: return "a member, or a device of one, that had it is gone";
    case E2E_CHAIN_GOES_ON:
    case E2E_CHAIN_NONE: break;
    }
    return "this device has none yet";
}

_Static_assert(E2E_CHAIN_MESSAGES_MAX == 500 && E2E_CHAIN_LIFE_MS == 7ull * 24 * 3600 * 1000, "as the words say");

/* ---- for people */

static void print_anew(const struct look *look, struct user_id user, const struct e2e_device *device)
{
    uint64_t times[E2E_ANEW_MAX];
    const uint32_t count = e2e_account_anew(look->account, user.id.raw, device->device_id, times);

    if (count == 0) return;
    printf("      began a new session with this device, though it had one:");
    for (uint32_t i = count; i > 0; i--) printf("%s %s", i == count ? "" : ",", moment_of(times[i - 1]).shown);
    printf("\n      It had lost its keys, or heard nothing of this device for 30 days; or somebody else has its keys: "
           "ask.\n");
}

static void print_devices(const struct look *look, struct user_id user, const struct e2e_device_list *list)
{
    for (uint32_t i = 0; i < list->device_count; i++) {
        const struct e2e_device *device = &list->devices[i];
        const bool is_this = memcmp(device->server_device, look->device.raw, sizeof device->server_device) == 0;
        char id[KITH_UUID_TEXT_LEN + 1];
        kith_uuid_format(server_id(device), id);
        printf("    device %" PRIu32 " (%.8s)  since %s%s%s%s\n", device->device_id, id,
               moment_of(device->added_at_ms).shown, is_this ? "  this device" : "",
               device->is_manager ? "  signs the list" : "",
               device->is_accepted ? "" : "  has not accepted its place: not written to");
        print_anew(look, user, device);
    }
    if (list->removed_count == 0) return;
    printf("    removed: device%s", list->removed_count > 1 ? "s" : "");
    for (uint32_t i = 0; i < list->removed_count; i++) printf("%s %" PRIu32, i == 0 ? "" : ",", list->removed[i]);
    (void)putchar('\n');
}

/* What the person must act on. */
static void print_alarms(const struct look *look, const struct e2e_person *person, const char *name)
{
    if (person->reset_at_ms != 0) {
        printf(
            "    %sWARNING%s: the account key is another one since %s. Either %s began anew without the old devices,\n"
            "    or somebody else answers in their place.",
            cli_bold(look->cli), cli_plain(look->cli), moment_of(person->reset_at_ms).shown, name);
        printf("%s Ask %s, compare the number, and say: kith verify %s --confirm\n",
               person->trust == E2E_TRUST_CHANGED ? " Nothing is sent to them.\n   " : "", name, name);
    }
    if (person->trust == E2E_TRUST_FORKED)
        printf("    %sWARNING%s: the server has shown two different device lists of %s with the same number: one of "
               "them may\n"
               "    have a device that is not theirs. Nothing is sent to them. Tell %s, by another way than this, and\n"
               "    whoever runs the server.\n",
               cli_bold(look->cli), cli_plain(look->cli), name, name);
}

static void print_member(const struct look *look, struct user_id user)
{
    const struct e2e_person person = e2e_account_person(look->account, user.id.raw);
    const bool is_me = kith_uuid_eq(user.id, look->me) && person.list != NULL;

    printf("  %s%s%s%s%s", cli_bold(look->cli), name_of(look, user.id), cli_plain(look->cli), is_me ? "" : ": ",
           is_me ? "" : trust_words(person.trust));
    if (person.reset_at_ms == 0 && person.was_reset) printf("; the account key has changed since you first met");
    (void)putchar('\n');
    print_alarms(look, &person, name_of(look, user.id));
    if (person.list != NULL) print_devices(look, user, person.list);
}

static void print_chain(const struct look *look)
{
    struct e2e_chain_view chain;

    (void)e2e_account_chain(look->account, cli_wall_ms(), look->chat.id.raw, &chain);
    if (!chain.is_common) {
        printf("Each message is one ciphertext for each device.\n");
        return;
    }
    printf("Each message is one ciphertext for all, under a chain of this device's.\n");
    if (chain.created_at_ms != 0)
        printf("The chain is in use since %s: %" PRIu32 " sent, %" PRIu32 " other devices have it.\n",
               moment_of(chain.created_at_ms).shown, chain.sent, chain.reader_count);
    if (chain.due != E2E_CHAIN_GOES_ON)
        printf("The next message begins a new one: %s.\n", due_words(chain.due));
    else
        printf("A new one is due when 500 messages were sent, after 7 days (%s), or when a member or device is gone.\n",
               moment_of(chain.created_at_ms + E2E_CHAIN_LIFE_MS).shown);
}

static bool has_link(const struct look *look)
{
    return !sodium_is_zero(look->view.group->join_key, sizeof look->view.group->join_key);
}

static void print_group(const struct look *look)
{
    const struct newest newest = newest_of(look);

    if (look->view.is_forked)
        printf("%sWARNING%s: the server has shown two different changes of this group with the same number: its "
               "members may not\n"
               "all see the same people in it. Nothing is sent here. Tell them, by another way than this.\n",
               cli_bold(look->cli), cli_plain(look->cli));
    if (!look->view.is_member) printf("You are not in it any more.\n");
    print_chain(look);
    if (has_link(look)) printf("Whoever has its invite link can join; kith chat link shows or ends it.\n");
    printf("Its newest change is number %" PRIu64, look->view.group->seq);
    if (newest.is_found)
        printf(", signed by %s with device %" PRIu32 ", %s.\n", name_of(look, newest.author), newest.author_device,
               moment_of(newest.made_at_ms).shown);
    else
        printf("; what this device keeps of the chat does not say who signed it.\n");
}

static void print_text(const struct look *look)
{
    if (!look->is_encrypted) {
        printf("NOT encrypted: the server can read this chat.\n");
        return;
    }
    if (look->member_count == 0) {
        printf(
            "End-to-end encrypted. Who is in it has not reached this device yet: it does so with the first message.\n");
        return;
    }
    printf("End-to-end encrypted, %zu people.\n", look->member_count);
    if (look->is_group)
        print_group(look);
    else
        printf("Each message is one ciphertext for each device.\n");
    for (size_t i = 0; i < look->member_count; i++) print_member(look, look->members[i]);
    keys_taken_print(look->cli, look->account);
    printf("What this device knows. To compare the number of a person: kith verify PERSON\n");
}

/* ---- for programs: a line for the chat, and one for each member */

static json_t *time_or_null(uint64_t ms)
{
    return ms == 0 ? json_null() : json_string(moment_of(ms).exact);
}

static void put_id(json_t *object, const char *key, struct kith_uuid id)
{
    char text[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(id, text);
    (void)json_object_set_new(object, key, json_string(text));
}

static json_t *chain_json(const struct e2e_chain_view *chain)
{
    return json_pack("{s:o, s:I, s:I, s:s}", "since", time_or_null(chain->created_at_ms), "sent",
                     (json_int_t)chain->sent, "devices", (json_int_t)chain->reader_count, "new_one_due",
                     due_name(chain->due));
}

static void put_group(const struct look *look, json_t *object)
{
    const struct newest newest = newest_of(look);
    struct e2e_chain_view chain;
    json_t *change = json_pack("{s:I}", "group_seq", (json_int_t)look->view.group->seq);

    (void)e2e_account_chain(look->account, cli_wall_ms(), look->chat.id.raw, &chain);
    (void)json_object_set_new(object, "forked", json_boolean(look->view.is_forked));
    (void)json_object_set_new(object, "member", json_boolean(look->view.is_member));
    (void)json_object_set_new(object, "invite_link", json_boolean(has_link(look)));
    (void)json_object_set_new(object, "encrypted_for", json_string(chain.is_common ? "all" : "each_device"));
    if (chain.is_common) (void)json_object_set_new(object, "chain", chain_json(&chain));
    if (newest.is_found) {
        put_id(change, "signed_by", newest.author);
        (void)json_object_set_new(change, "device", json_integer((json_int_t)newest.author_device));
        (void)json_object_set_new(change, "made_at", time_or_null(newest.made_at_ms));
    }
    (void)json_object_set_new(object, "newest_change", change);
}

static json_t *anew_json(const struct look *look, struct user_id user, const struct e2e_device *device)
{
    uint64_t times[E2E_ANEW_MAX];
    const uint32_t count = e2e_account_anew(look->account, user.id.raw, device->device_id, times);
    json_t *array = json_array();

    for (uint32_t i = count; i > 0; i--) (void)json_array_append_new(array, time_or_null(times[i - 1]));
    return array;
}

static json_t *device_json(const struct look *look, struct user_id user, const struct e2e_device *device)
{
    json_t *object = json_pack("{s:I, s:o, s:b, s:b, s:b}", "device", (json_int_t)device->device_id, "added_at",
                               time_or_null(device->added_at_ms), "manager", (int)device->is_manager, "accepted",
                               (int)device->is_accepted, "this_device",
                               memcmp(device->server_device, look->device.raw, sizeof device->server_device) == 0);

    put_id(object, "device_id", server_id(device));
    (void)json_object_set_new(object, "began_anew", anew_json(look, user, device));
    return object;
}

static void member_json(const struct look *look, struct user_id user)
{
    const struct e2e_person person = e2e_account_person(look->account, user.id.raw);
    json_t *object = json_object(), *devices = json_array(), *removed = json_array();

    put_id(object, "user_id", user.id);
    (void)json_object_set_new(object, "trust", json_string(trust_name(person.trust)));
    (void)json_object_set_new(object, "was_reset", json_boolean(person.was_reset));
    (void)json_object_set_new(object, "reset_at", time_or_null(person.reset_at_ms));
    for (uint32_t i = 0; person.list != NULL && i < person.list->device_count; i++)
        (void)json_array_append_new(devices, device_json(look, user, &person.list->devices[i]));
    for (uint32_t i = 0; person.list != NULL && i < person.list->removed_count; i++)
        (void)json_array_append_new(removed, json_integer((json_int_t)person.list->removed[i]));
    (void)json_object_set_new(object, "devices", devices);
    (void)json_object_set_new(object, "removed", removed);
    cli_json(look->cli, object);
}

static void print_json(const struct look *look)
{
    json_t *object = json_object();

    put_id(object, "chat_id", look->chat.id);
    (void)json_object_set_new(object, "encrypted", json_boolean(look->is_encrypted));
    (void)json_object_set_new(object, "group", json_boolean(look->is_group));
    if (look->is_group) put_group(look, object);
    if (look->is_encrypted) (void)json_object_set_new(object, "one_time_keys_taken", keys_taken_json(look->account));
    cli_json(look->cli, object);
    for (size_t i = 0; i < look->member_count; i++) member_json(look, look->members[i]);
}

/* ---- what is known */

/* Of a group whoever its operations say, of two those who were kept when the chat was met; none: not known yet. */
static bool members_of(struct look *look)
{
    struct user_id pair[2] = {0};

    look->is_group = e2e_account_group(look->account, look->chat.id.raw, &look->view);
    if (look->is_group) {
        look->member_count = look->view.group->member_count;
    } else if (kith_client_pair(look->client, look->chat, pair)) {
        look->member_count = 2;
    }
    look->is_encrypted = look->member_count > 0 || look->is_group || cli_chat_is_encrypted(look->cli, look->chat);
    look->members = calloc(look->member_count + 1, sizeof *look->members);
    if (look->members == NULL) return false;
    for (size_t i = 0; i < look->member_count; i++) {
        look->members[i] = pair[i & 1];
        if (look->is_group) memcpy(look->members[i].id.raw, look->view.group->members[i].account_id, 16);
    }
    return true;
}

int cmd_security(struct cli *cli)
{
    struct look look = {.cli = cli};
    struct kith_client *client;

    if (!cli_chat_find(cli, cli->argv[0], &look.chat)) return EXIT_REFUSED;
    client = online_peek(cli);
    if (client == NULL) return EXIT_FAILED;
    look.client = client;
    look.account = kith_client_account(client);
    kith_ignore(
        kith_uuid_parse(kith_slice_str(store_get(cli->store, "user_id")), &look.me)); /* the client was made of it */
    kith_ignore(kith_uuid_parse(kith_slice_str(store_get(cli->store, "device_id")), &look.device));
    if (members_of(&look)) {
        if (cli->options.json)
            print_json(&look);
        else
            print_text(&look);
    }
    free(look.members);
    kith_client_free(client);
    return EXIT_DONE;
}
