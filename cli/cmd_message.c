#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/send_why.h"
#include "cli/store.h"
#include "libkith/content.h"
#include "libkith/e2ee/account.h"
#include "wire/json_text.h"

#define SEND_WAIT_MS 5000
#define TURN_MS      50

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static uint64_t wait_ms(const struct cli *cli, uint64_t otherwise)
{
    uint64_t seconds = 0;

    if (cli->options.timeout == NULL) return otherwise;
    if (kith_slice_to_u64(kith_slice_str(cli->options.timeout), &seconds) != KITH_OK) return otherwise;
    return seconds * 1000;
}

char *cli_joined(int argc, char **argv)
{
    size_t len = 1;
    char *text;

    for (int i = 0; i < argc; i++) len += strlen(argv[i]) + 1;
    text = calloc(1, len);
    for (int i = 0, at = 0; text != NULL && i < argc; i++)
        at += snprintf(text + at, len - (size_t)at, "%s%s", i == 0 ? "" : " ", argv[i]);
    return text;
}

/* Whether it was this device that refused: the code is also what the server says to whoever may not. */
static struct send_why why_refused(struct cli *cli, const struct send_row *row)
{
    struct send_why why = {0};
    struct kith_client *client;

    if (row->code != CODE_FORBIDDEN || !row->encrypted) return why;
    client = online_peek(cli);
    if (client != NULL) why = send_why(client, row->chat);
    kith_client_free(client);
    return why;
}

static int report_failed(struct cli *cli, const struct send_row *row, const char *id)
{
    const struct send_why why = why_refused(cli, row);
    char user[KITH_UUID_TEXT_LEN + 1];
    json_t *failed;

    kith_uuid_format(why.user.id, user);
    if (!cli->options.json) {
        if (why.kind == SEND_WHY_NONE)
            fprintf(stderr, "kith: refused: %s (%s)\n", kith_code_text(row->code), kith_code_name(row->code));
        else
            send_why_print(&why, row->chat, kith_uuid_is_nil(why.user.id) ? "" : cli_user_name(cli, user));
        fprintf(stderr, "      It is kept: kith outbox list\n");
        return EXIT_REFUSED;
    }
    failed = json_pack("{s:s, s:s, s:s}", "state", "failed", "msg_id", id, "code", kith_code_name(row->code));
    if (why.kind != SEND_WHY_NONE) (void)json_object_set_new(failed, "why", json_string(send_why_name(why.kind)));
    if (!kith_uuid_is_nil(why.user.id)) (void)json_object_set_new(failed, "user_id", json_string(user));
    cli_json(cli, failed);
    return EXIT_REFUSED;
}

static int report(struct cli *cli, const struct send_row *row)
{
    char id[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(row->id.id, id);
    if (row->state == SEND_SENT) {
        if (cli->options.json)
            cli_json(cli, json_pack("{s:s, s:s, s:I}", "state", "sent", "msg_id", id, "seq", (json_int_t)row->seq));
        else
            printf("sent (%" PRIu64 ")\n", row->seq);
        return EXIT_DONE;
    }
    if (row->state == SEND_FAILED) return report_failed(cli, row, id);
    if (cli->options.json)
        cli_json(cli, json_pack("{s:s, s:I}", "state", "queued", "number", (json_int_t)row->row));
    else
        printf("queued: the server cannot be reached now. The message is written down (kith outbox list)\n"
               "and goes out with the next kith that reaches it.\n");
    return EXIT_QUEUED;
}

static bool all_answered(struct cli *cli, int64_t row)
{
    struct send_row send;

    return store_send_get(cli->store, row, &send) != KITH_OK || send.state == SEND_SENT || send.state == SEND_FAILED;
}

static uint64_t outbox_left(struct online *online)
{
    return kith_client_outbox_count(online_client(online));
}

int cli_send(struct cli *cli, struct chat_id chat, struct kith_slice content_type, struct kith_slice body)
{
    struct send_row row = {.chat = chat, .created_ms = cli_wall_ms(), .body = body};
    struct online_view view = {0};
    struct online *online;
    uint64_t end = cli_now_ms() + wait_ms(cli, SEND_WAIT_MS);
    int64_t number = 0;

    row.encrypted = cli_chat_is_encrypted(cli, row.chat);
    (void)snprintf(row.content_type, sizeof row.content_type, "%.*s", (int)content_type.len,
                   (const char *)content_type.ptr);
    if (row.body.len > (row.encrypted ? E2E_BODY_BYTES_MAX : KITH_MESSAGE_BYTES_MAX)) {
        cli_error(cli, "that is longer than a message may be",
                  row.encrypted ? "131,072 bytes where it is encrypted" : "262,144 bytes");
        return EXIT_USAGE;
    }
    if (store_send_add(cli->store, &row, &number) != KITH_OK) return EXIT_FAILED;
    online = online_open(cli, &view);
    while (!all_answered(cli, number) && cli_now_ms() < end) {
        if (online != NULL)
            online_turn(online, TURN_MS);
        else if (online = online_open(cli, &view), online == NULL)
            (void)nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    online_close(online);
    if (store_send_get(cli->store, number, &row) != KITH_OK) return EXIT_FAILED;
    return report(cli, &row);
}

int cmd_send(struct cli *cli)
{
    char *text = cli_joined(cli->argc - 1, cli->argv + 1);
    struct chat_id chat;
    int code = EXIT_REFUSED;

    if (text != NULL && cli_chat_find(cli, cli->argv[0], &chat))
        code = cli_send(cli, chat, kith_content_type(KITH_CONTENT_TEXT), kith_slice_str(text));
    free(text);
    return code;
}

/* ---- tail */

struct tail {
    struct cli *cli;
    bool one;
    struct chat_id chat;
};

static json_t *chat_known(struct cli *cli, const char *id)
{
    json_t *chats = json_loads(store_get(cli->store, "chats"), 0, NULL), *chat, *found = NULL;
    size_t i;

    json_array_foreach(chats, i, chat) if (strcmp(json_string_value(json_object_get(chat, "chat_id")), id) == 0)
        found = json_incref(chat);
    json_decref(chats);
    return found;
}

static const char *title_of(struct cli *cli, const char *id)
{
    static char title[160];
    json_t *chat = chat_known(cli, id);

    if (chat == NULL) { /* begun while we were listening */
        json_decref(cli_chats(cli));
        chat = chat_known(cli, id);
    }
    (void)snprintf(title, sizeof title, "%.150s", chat == NULL ? id : cli_chat_title(cli, chat));
    json_decref(chat);
    return title;
}

static void tail_json(struct tail *tail, const struct kith_message *m, const char *chat, const char *sender,
                      const char *created)
{
    json_t *line = json_pack("{s:s, s:I, s:s%, s:s, s:s}", "chat_id", chat, "seq", (json_int_t)m->seq, "type",
                             m->type.ptr, m->type.len, "sender_id", sender, "created_at", created);
    json_t *content = json_stringn((const char *)m->body.ptr, m->body.len);

    if (line != NULL) json_object_set_new(line, "content", content == NULL ? json_null() : content);
    if (line != NULL && m->is_again) json_object_set_new(line, "late", json_true());
    if (line != NULL && m->is_asked) json_object_set_new(line, "asked_again", json_true());
    if (line != NULL && m->is_anew) json_object_set_new(line, "began_anew", json_true());
    if (line != NULL && m->gap_from > 0) json_object_set_new(line, "gap_from", json_integer((json_int_t)m->gap_from));
    cli_json(tail->cli, line);
}

static void tail_message(void *arg, const struct kith_message *m)
{
    struct tail *tail = arg;
    char chat[KITH_UUID_TEXT_LEN + 1], sender[KITH_UUID_TEXT_LEN + 1], created[KITH_TIME_TEXT_LEN + 1], type[16];
    const char *title;

    if ((tail->one && !kith_uuid_eq(m->chat.id, tail->chat.id)) || (cli_is_silent(m) && !m->is_anew)) return;
    kith_uuid_format(m->chat.id, chat);
    kith_uuid_format(m->sender.id, sender);
    kith_time_format(m->created_ms, created);
    (void)snprintf(type, sizeof type, "%.*s", (int)m->type.len, (const char *)m->type.ptr);
    if (tail->cli->options.json) {
        tail_json(tail, m, chat, sender, created);
        return;
    }
    if (m->gap_from > 0) {
        printf("* %" PRIu64 " to %" PRIu64 " are gone\n", m->gap_from, m->seq);
        return;
    }
    title = tail->one ? NULL : title_of(tail->cli, chat);
    if (m->is_anew) cli_print_anew(tail->cli, title, sender, created);
    if (!cli_is_silent(m))
        cli_print_message(tail->cli, title, cli_user_name(tail->cli, sender), type, created, cli_message_text(m));
    if (m->is_again) cli_print_late(tail->cli);
}

static void tail_state(void *arg, enum kith_connection connection, enum kith_code code)
{
    struct tail *tail = arg;

    if (tail->cli->options.json || !tail->cli->options.interactive) return;
    if (connection == KITH_OFFLINE)
        fprintf(stderr, "%s(offline; trying again)%s\n", cli_dim(tail->cli), cli_plain(tail->cli));
    if (connection == KITH_REPLACED)
        fprintf(stderr, "(another kith took over this device: %s)\n", kith_code_name(code));
}

static void sigs(void)
{
    struct sigaction action = {.sa_handler = interrupt};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int cmd_tail(struct cli *cli)
{
    struct tail tail = {.cli = cli, .one = cli->argc == 1};
    struct online_view view = {.message = tail_message, .state = tail_state, .arg = &tail};
    struct online *online;
    uint64_t end = cli->options.timeout == NULL ? UINT64_MAX : cli_now_ms() + wait_ms(cli, 0);

    if (tail.one && !cli_chat_find(cli, cli->argv[0], &tail.chat)) return EXIT_REFUSED;
    online = online_open(cli, &view);
    if (online == NULL) {
        cli_error(cli, "another kith is connected as this device", "End it, or look at: kith history CHAT");
        return EXIT_FAILED;
    }
    sigs();
    while (!interrupted && cli_now_ms() < end && kith_client_connection(online_client(online)) != KITH_REPLACED)
        online_turn(online, TURN_MS);
    online_close(online);
    return EXIT_DONE;
}

/* ---- read, status */

int cmd_read(struct cli *cli)
{
    struct cli_answer answer;
    struct online_view view = {0};
    struct online *online;
    struct chat_id chat;
    char id[KITH_UUID_TEXT_LEN + 1], path[64];
    uint64_t end = cli_now_ms() + SEND_WAIT_MS, last;
    int code;

    if (!cli_chat_find(cli, cli->argv[0], &chat)) return EXIT_REFUSED;
    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/chats/%s", id);
    cli_rest(cli, "GET", path, NULL, &answer);
    code = cli_check(cli, &answer);
    last = (uint64_t)json_integer_value(json_object_get(answer.body, "last_seq"));
    cli_answer_free(&answer);
    if (code != EXIT_DONE) return code;
    online = online_open(cli, &view);
    if (online == NULL) {
        cli_error(cli, "another kith is connected as this device", NULL);
        return EXIT_FAILED;
    }
    while (kith_client_connection(online_client(online)) != KITH_ONLINE && cli_now_ms() < end)
        online_turn(online, TURN_MS);
    if (kith_client_read(online_client(online), chat, last) != KITH_OK) code = EXIT_FAILED;
    online_run_effects(online);
    for (int turns = 0; turns < 4; turns++) online_turn(online, TURN_MS);
    online_close(online);
    if (code == EXIT_DONE && !cli->options.json) printf("Read up to %" PRIu64 ".\n", last);
    return code;
}

struct found_send {
    struct kith_uuid id;
    bool found;
    struct send_row row;
};

static bool find_send(void *arg, const struct send_row *send)
{
    struct found_send *found = arg;

    if (!kith_uuid_eq(send->id.id, found->id)) return true;
    found->found = true;
    found->row = *send;
    return false;
}

int cmd_status(struct cli *cli)
{
    struct found_send found = {0};
    struct cli_answer answer = {0};
    json_t *chats, *chat;
    char path[160];
    int code = EXIT_REFUSED;
    size_t i;

    if (kith_uuid_parse(kith_slice_str(cli->argv[0]), &found.id) != KITH_OK) {
        cli_error(cli, "that is not a message id", "kith send --json prints it as msg_id.");
        return EXIT_USAGE;
    }
    store_send_each(cli->store, find_send, &found);
    if (found.found) return report(cli, &found.row);
    chats = cli_chats(cli);
    json_array_foreach(chats, i, chat)
    {
        (void)snprintf(path, sizeof path, "/messages/%.36s/status?chat_id=%.36s", cli->argv[0],
                       json_string_value(json_object_get(chat, "chat_id")));
        cli_answer_free(&answer);
        cli_rest(cli, "GET", path, NULL, &answer);
        code = cli_check(cli, &answer);
        if (code != EXIT_DONE || strcmp(json_string_value(json_object_get(answer.body, "state")), "ABSENT") != 0) break;
    }
    json_decref(chats);
    if (code == EXIT_DONE && cli->options.json)
        cli_json(cli, json_incref(answer.body));
    else if (code == EXIT_DONE)
        printf("%s\n", json_string_value(json_object_get(answer.body, "state")));
    cli_answer_free(&answer);
    return code;
}

/* ---- outbox */

static bool print_send(void *arg, const struct send_row *send)
{
    static const char *const states[] = {"", "waiting", "queued", "sent", "refused", "dropped"};
    struct cli *cli = arg;
    char chat[KITH_UUID_TEXT_LEN + 1];

    kith_uuid_format(send->chat.id, chat);
    if (cli->options.json) {
        cli_json(cli,
                 json_pack("{s:I, s:s, s:s, s:s}", "number", (json_int_t)send->row, "state", states[send->state],
                           "chat_id", chat, "code", send->state == SEND_FAILED ? kith_code_name(send->code) : "OK"));
        return true;
    }
    printf("%4" PRId64 "  %-8s %.8s  ", send->row, states[send->state], chat);
    cli_print_text(kith_slice_of(send->body.ptr, send->body.len > 50 ? 50 : send->body.len));
    if (send->state == SEND_FAILED) printf("  %s(%s)%s", cli_dim(cli), kith_code_text(send->code), cli_plain(cli));
    (void)putchar('\n');
    return true;
}

int cmd_outbox_list(struct cli *cli)
{
    store_send_each(cli->store, print_send, cli);
    return EXIT_DONE;
}

static int want(struct cli *cli, const char *what)
{
    struct online_view view = {0};
    struct online *online;
    struct send_row row;
    uint64_t number = 0, end = cli_now_ms() + SEND_WAIT_MS;

    if (kith_slice_to_u64(kith_slice_str(cli->argv[0]), &number) != KITH_OK ||
        store_send_get(cli->store, (int64_t)number, &row) != KITH_OK || row.state == SEND_SENT) {
        cli_error(cli, "there is no such message in the outbox", "Numbers are shown by: kith outbox list");
        return EXIT_USAGE;
    }
    if (row.state == SEND_WAITING && strcmp(what, "drop") == 0) { /* no kith has taken it yet */
        store_send_mark(cli->store, row.row, (struct msg_id){0}, SEND_DROPPED);
        return EXIT_DONE;
    }
    store_send_want(cli->store, row.row, what);
    online = online_open(cli, &view);
    for (; online != NULL && cli_now_ms() < end; online_turn(online, TURN_MS))
        if (store_send_get(cli->store, (int64_t)number, &row) != KITH_OK || row.state == SEND_SENT ||
            row.state == SEND_DROPPED ||
            (row.state == SEND_FAILED && strcmp(what, "drop") != 0 && outbox_left(online) == 0))
            break;
    online_close(online);
    if (strcmp(what, "drop") == 0) return EXIT_DONE;
    return store_send_get(cli->store, (int64_t)number, &row) == KITH_OK ? report(cli, &row) : EXIT_FAILED;
}

int cmd_outbox_retry(struct cli *cli)
{
    return want(cli, "retry");
}

int cmd_outbox_drop(struct cli *cli)
{
    return want(cli, "drop");
}
