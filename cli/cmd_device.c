#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/device_why.h"
#include "cli/group.h"
#include "cli/store.h"
#include "libkith/e2ee/account.h"

/*
 * Linking a device: a request from the new one, an answer from one that may sign the account's list. Both are text, given as
 * an argument, a file, or - for standard input; the digits of each are compared by the person, or given with --code.
 */
#define REQUEST_PREFIX "kith-request:"
#define ANSWER_PREFIX  "kith-answer:"
#define TEXT_MAX       (2 * E2E_LINK_BYTES_MAX)
#define SETTLE_MS      15000

static struct online *go_online(struct cli *cli)
{
    struct online_view view = {0};
    struct online *online = online_open(cli, &view);

    if (online == NULL) cli_error(cli, "another kith is connected as this device", "End it first.");
    return online;
}

static bool acted(struct cli *cli, struct online *online)
{
    kith_client_acted(online_client(online), cli_time_now());
    online_run_effects(online);
    online_settle(online, NULL, 0, SETTLE_MS);
    if (kith_client_is_settled(online_client(online))) return true;
    cli_error(cli, "the server could not be told", "It will be, by the next kith that reaches it.");
    return false;
}

/* ---- text */

/* NULL: no memory; else to be freed. */
static char *text_of(const char *prefix, struct kith_slice bytes)
{
    size_t room = sodium_base64_ENCODED_LEN(bytes.len, sodium_base64_VARIANT_URLSAFE_NO_PADDING), at = strlen(prefix);
    char *text = malloc(at + room);

    if (text == NULL) return NULL;
    memcpy(text, prefix, at);
    (void)sodium_bin2base64(text + at, room, bytes.ptr, bytes.len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return text;
}

static bool read_stream(FILE *file, char out[static TEXT_MAX])
{
    size_t len = file == NULL ? 0 : fread(out, 1, TEXT_MAX - 1, file);

    out[len] = '\0';
    return len > 0;
}

static bool text_of_argument(struct cli *cli, const char *argument, const char *prefix, char out[static TEXT_MAX])
{
    char what[256];
    FILE *file;
    bool ok;

    if (strncmp(argument, prefix, strlen(prefix)) == 0) {
        (void)snprintf(out, TEXT_MAX, "%s", argument);
        return true;
    }
    if (strcmp(argument, "-") == 0) return read_stream(stdin, out);
    file = fopen(argument, "re");
    ok = read_stream(file, out);
    if (!ok) {
        (void)snprintf(what, sizeof what, "'%.100s' cannot be read: %s", argument,
                       file == NULL ? strerror(errno) : "empty");
        cli_error(cli, what, "Give the text itself, a file, or - for standard input.");
    }
    if (file != NULL) (void)fclose(file);
    return ok;
}

/* The bytes behind the prefix, wherever it stands in the text; blanks and line ends inside are passed over. */
static bool bytes_of(struct cli *cli, const char *argument, const char *prefix, struct kith_buf *out)
{
    char *text = malloc(TEXT_MAX);
    const char *at;
    uint8_t *room = NULL;
    size_t len = 0;
    bool ok = false;

    if (text == NULL || !text_of_argument(cli, argument, prefix, text)) goto done;
    at = strstr(text, prefix);
    if (at != NULL && kith_buf_reserve(out, strlen(at), &room) == KITH_OK) {
        at += strlen(prefix);
        ok = sodium_base642bin(room, strlen(at), at, strlen(at), " \t\r\n", &len, &at,
                               sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
             len > 0;
        if (ok) kith_buf_commit(out, len);
    }
    if (!ok) {
        char what[128];
        (void)snprintf(what, sizeof what, "that is no %.32s… text", prefix);
        cli_error(cli, what, "Copy all of it, from the prefix to the end of the line.");
    }
done:
    free(text);
    return ok;
}

/* ---- digits */

static void code_of(struct kith_slice text, char out[static E2E_LINK_CODE_DIGITS + 6])
{
    char digits[E2E_LINK_CODE_DIGITS];

    e2e_link_code(text, digits);
    for (int i = 0, at = 0; i < E2E_LINK_CODE_DIGITS; i++) {
        if (i > 0 && i % 5 == 0) out[at++] = ' ';
        out[at++] = digits[i];
        out[at] = '\0';
    }
}

static bool same_digits(const char *a, const char *b)
{
    for (;;) {
        while (*a != '\0' && (*a < '0' || *a > '9')) a++;
        while (*b != '\0' && (*b < '0' || *b > '9')) b++;
        if (*a != *b) return false;
        if (*a == '\0') return true;
        a++, b++;
    }
}

static bool confirmed(struct cli *cli, const char *code, const char *question)
{
    char line[128] = "";

    if (cli->options.code != NULL) {
        if (same_digits(cli->options.code, code)) return true;
        cli_error(cli, "the digits are not those of this text", "Somebody may have changed it on its way: begin anew.");
        return false;
    }
    if (!cli->options.interactive) {
        cli_error(cli, "the digits must be compared", "Without a terminal give those of the other screen with --code.");
        return false;
    }
    fprintf(stderr, "%s\n\n  %s\n\nyes or no: ", question, code);
    if (fgets(line, sizeof line, stdin) != NULL && strncmp(line, "yes", 3) == 0) return true;
    cli_error(cli, "not confirmed, so nothing was done", NULL);
    return false;
}

/* Says why it was not done; gives the exit code. */
static int say_why(struct cli *cli, struct online *online, enum device_step step, kith_err err)
{
    struct device_why why = device_why(step, err, e2e_account_state(kith_client_account(online_client(online))));
    char what[160];

    (void)snprintf(what, sizeof what, "%s: %s", why.prefix, why.what);
    cli_error(cli, what, why.hint);
    return why.code;
}

/* The text that goes to the other device, and its digits. name: "request" or "answer"; next: what is done with it there. */
static int print_text(struct cli *cli, const char *name, const char *prefix, struct kith_slice bytes, const char *next)
{
    char code[E2E_LINK_CODE_DIGITS + 6], *text = text_of(prefix, bytes);

    if (text == NULL) return EXIT_FAILED;
    code_of(bytes, code);
    if (cli->options.json) {
        cli_json(cli, json_pack("{s:s, s:s}", name, text, "code", code));
    } else {
        fprintf(stderr, "Digits of the %s: %s\n%s, with this line:\n", name, code, next);
        printf("%s\n", text);
    }
    free(text);
    return EXIT_DONE;
}

/* ---- the three steps */

int cmd_device_request(struct cli *cli)
{
    struct online *online = go_online(cli);
    struct kith_buf request;
    int result = EXIT_DONE;
    kith_err err;

    if (online == NULL) return EXIT_FAILED;
    online_settle(online, NULL, 0, SETTLE_MS);
    kith_buf_init(&request, E2E_LINK_BYTES_MAX);
    err = e2e_account_link_request(kith_client_account(online_client(online)), cli_wall_ms(), &request);
    if (err == KITH_OK) {
        kith_client_acted(online_client(online), cli_time_now());
        online_run_effects(online);
        result = print_text(cli, "request", REQUEST_PREFIX, kith_buf_peek(&request),
                            "Within 10 minutes, on a device of yours that is linked: kith device link -");
    } else
        result = say_why(cli, online, DEVICE_REQUEST, err);
    kith_buf_wipe(&request);
    online_close(online);
    return result;
}

int cmd_device_link(struct cli *cli)
{
    struct online *online = NULL;
    struct kith_buf request, answer;
    char code[E2E_LINK_CODE_DIGITS + 6];
    int result = EXIT_FAILED;
    kith_err err;

    kith_buf_init(&request, TEXT_MAX);
    kith_buf_init(&answer, E2E_LINK_BYTES_MAX);
    if (!bytes_of(cli, cli->argv[0], REQUEST_PREFIX, &request)) goto done;
    code_of(kith_buf_peek(&request), code);
    if (!confirmed(cli, code, "The new device will read your messages from now on. Does it show these digits?"))
        goto done;
    online = go_online(cli);
    if (online == NULL) goto done;
    online_settle(online, NULL, 0, SETTLE_MS);
    err = e2e_account_link_approve(kith_client_account(online_client(online)), cli_wall_ms(), kith_buf_peek(&request),
                                   &answer);
    if (err != KITH_OK) {
        result = say_why(cli, online, DEVICE_LINK, err);
        goto done;
    }
    if (!acted(cli, online)) goto done;
    result = print_text(cli, "answer", ANSWER_PREFIX, kith_buf_peek(&answer),
                        "On the new device: kith device accept -");
done:
    online_close(online);
    kith_buf_wipe(&request);
    kith_buf_wipe(&answer);
    return result;
}

int cmd_device_accept(struct cli *cli)
{
    struct online *online = NULL;
    struct kith_buf answer;
    char code[E2E_LINK_CODE_DIGITS + 6];
    int result = EXIT_FAILED;
    kith_err err;

    kith_buf_init(&answer, TEXT_MAX);
    if (!bytes_of(cli, cli->argv[0], ANSWER_PREFIX, &answer)) goto done;
    code_of(kith_buf_peek(&answer), code);
    if (!confirmed(cli, code, "Does the other device show these digits of the answer?")) goto done;
    online = go_online(cli);
    if (online == NULL) goto done;
    err = e2e_account_link_accept(kith_client_account(online_client(online)), cli_wall_ms(), kith_buf_peek(&answer));
    if (err != KITH_OK) {
        result = say_why(cli, online, DEVICE_ACCEPT, err);
        goto done;
    }
    if (!acted(cli, online)) {
        result = EXIT_QUEUED;
        goto done;
    }
    if (!cli->options.json) printf("Linked. New messages can be read here; what was written before cannot.\n");
    result = EXIT_DONE;
done:
    online_close(online);
    kith_buf_wipe(&answer);
    return result;
}

/* ---- the other way */

/* As far as is known here: without the list of the own account it may be. */
static bool may_be_listed(struct cli *cli, struct online *online, const struct kith_uuid *device)
{
    struct user_id user = {0};
    struct e2e_person me;

    kith_ignore(kith_uuid_parse(kith_slice_str(store_get(cli->store, "user_id")), &user.id)); /* online: it was read */
    me = e2e_account_person(kith_client_account(online_client(online)), user.id.raw);
    return me.list == NULL || e2e_device_find_server(me.list, device->raw) != NULL;
}

/*
 * Signed out by the server at once; taken out of the list, which others go by, by a device that may sign it. Groups go by the newest
 * list that somebody signed under there, so something is signed in each.
 */
int cmd_device_remove(struct cli *cli)
{
    int code = cli_remove_by_id(cli, "devices", cli->argv[0], "Removed. It is signed out within seconds.");
    struct online *online;
    struct kith_uuid id;
    kith_err err;

    /* Refused: it may be gone from the server since long, and still stand in the list. */
    if (code != EXIT_DONE && code != EXIT_REFUSED) return code;
    if (kith_uuid_parse(kith_slice_str(cli->argv[0]), &id) != KITH_OK) return code;
    online = go_online(cli);
    if (online == NULL) return EXIT_FAILED;
    online_settle(online, NULL, 0, SETTLE_MS);
    err = e2e_account_remove_device(kith_client_account(online_client(online)), cli_wall_ms(), id.raw);
    if (err == KITH_OK) {
        group_close_later(cli); /* before the list is kept */
        code = acted(cli, online) ? EXIT_DONE : EXIT_QUEUED;
    } else if (may_be_listed(cli, online, &id))
        code = say_why(cli, online, DEVICE_REMOVE, err);
    online_close(online);
    if (err == KITH_OK && code == EXIT_DONE) group_close_all(cli, false);
    if (err == KITH_OK && code == EXIT_QUEUED)
        cli_error(cli, "no group of yours is closed to that device yet",
                  "The next kith that reaches the server does it.");
    return code;
}
