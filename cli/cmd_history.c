#include <inttypes.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/history.h"
#include "cli/store.h"
#include "wire/json_text.h"

void cli_print_message(struct cli *cli, const char *chat_title, const char *sender, const char *type,
                       const char *created_at, struct kith_slice body)
{
    char time[32];

    cli_time(created_at, time);
    printf("%s%s%s ", cli_dim(cli), time, cli_plain(cli));
    if (chat_title != NULL) printf("%s[%s]%s ", cli_dim(cli), chat_title, cli_plain(cli));
    if (strcmp(type, "message") == 0) {
        printf("%s%s%s: ", cli_bold(cli), sender, cli_plain(cli));
        cli_print_text(body);
    } else {
        char text[512];
        cli_describe(cli, type, sender, body, text);
        printf("%s* ", cli_dim(cli));
        cli_print_text(kith_slice_str(text));
        printf("%s", cli_plain(cli));
    }
    (void)putchar('\n');
    (void)fflush(stdout);
}

void cli_print_anew(struct cli *cli, const char *chat_title, const char *sender_id, const char *created_at)
{
    char time[32];

    cli_time(created_at, time);
    printf("%s%s%s ", cli_dim(cli), time, cli_plain(cli));
    if (chat_title != NULL) printf("%s[%s]%s ", cli_dim(cli), chat_title, cli_plain(cli));
    printf("%s* %s: " CLI_ANEW_TEXT "%s\n", cli_dim(cli), cli_user_name(cli, sender_id), cli_plain(cli));
    (void)fflush(stdout);
}

void cli_print_late(const struct cli *cli)
{
    printf("      %s" CLI_LATE_TEXT "%s\n", cli_dim(cli), cli_plain(cli));
    (void)fflush(stdout);
}

static int print_page(struct cli *cli, const json_t *page)
{
    json_t *message;
    size_t i;

    json_array_foreach(json_object_get(page, "messages"), i, message)
    {
        const char *content = json_string_value(json_object_get(message, "content"));
        const char *type = json_string_value(json_object_get(message, "type"));
        if (cli->options.json) {
            cli_json(cli, json_incref(message));
            continue;
        }
        cli_print_message(cli, NULL, cli_user_name(cli, json_string_value(json_object_get(message, "sender_id"))), type,
                          json_string_value(json_object_get(message, "created_at")),
                          kith_slice_str(content == NULL ? "(deleted)" : content));
    }
    return (int)i;
}

static int history_of_server(struct cli *cli, struct chat_id chat)
{
    struct cli_answer answer;
    char id[KITH_UUID_TEXT_LEN + 1], path[256];
    const char *after = cli->options.all ? "0" : cli->options.after;
    long long last = 0;
    int code;

    kith_uuid_format(chat.id, id);
    do {
        json_t *messages;
        (void)snprintf(
            path, sizeof path, "/messages?chat_id=%s&limit=%.4s%s%.20s%s%.20s", id,
            cli->options.limit == NULL ? (cli->options.all ? "200" : "50") : cli->options.limit,
            after == NULL ? "" : "&after=", after == NULL ? "" : after,
            cli->options.before == NULL ? "" : "&before=", cli->options.before == NULL ? "" : cli->options.before);
        cli_rest(cli, "GET", path, NULL, &answer);
        code = cli_check(cli, &answer);
        messages = json_object_get(answer.body, "messages");
        if (code == EXIT_DONE) (void)print_page(cli, answer.body);
        last = json_integer_value(json_object_get(
            json_array_get(messages, json_array_size(messages) == 0 ? 0 : json_array_size(messages) - 1), "seq"));
        if (json_array_size(messages) == 0) last = 0;
        cli_answer_free(&answer);
        char next[24];
        (void)snprintf(next, sizeof next, "%lld", last);
        if (cli->options.all && last > 0) store_set(cli->store, "page", next), after = store_get(cli->store, "page");
    } while (code == EXIT_DONE && cli->options.all && last > 0);
    return code;
}

static void print_json(struct cli *cli, const struct history_entry *entry, const char *sender, const char *created)
{
    json_t *line = json_pack("{s:I, s:s, s:s, s:s}", "seq", (json_int_t)entry->seq, "type", entry->type, "sender_id",
                             sender, "created_at", created);
    bool is_event = strcmp(entry->type, "message") != 0;

    if (line == NULL) return;
    json_object_set_new(line, "content", entry->has_text || is_event ? json_string(entry->text) : json_null());
    if (entry->gap_from > 0) json_object_set_new(line, "gap_from", json_integer((json_int_t)entry->gap_from));
    if (entry->is_edited) json_object_set_new(line, "edited", json_true());
    if (entry->is_deleted) json_object_set_new(line, "deleted", json_true());
    if (entry->reactions != NULL) json_object_set_new(line, "reactions", json_string(entry->reactions));
    if (entry->reply_to_seq != 0)
        json_object_set_new(line, "reply_to_seq", json_integer((json_int_t)entry->reply_to_seq));
    if (entry->is_anew) json_object_set_new(line, "began_anew", json_true());
    if (entry->is_late) json_object_set_new(line, "late", json_true());
    if (entry->is_asked) json_object_set_new(line, "asked_again", json_true());
    if (entry->missed > 0) json_object_set_new(line, "missed", json_integer((json_int_t)entry->missed));
    cli_json(cli, line);
}

/* "> Bob: the beginning of it" above the answer. */
static void print_meant(struct cli *cli, const struct history *history, uint64_t seq)
{
    const struct history_entry *meant = history_find(history, seq);
    char sender[KITH_UUID_TEXT_LEN + 1];
    size_t len;

    if (meant == NULL) return;
    kith_uuid_format(meant->sender.id, sender);
    len = strlen(meant->text);
    printf("      %s> %s: ", cli_dim(cli), cli_user_name(cli, sender));
    cli_print_text(kith_slice_of(meant->text, len > 60 ? 60 : len));
    printf("%s%s\n", len > 60 ? "…" : "", cli_plain(cli));
}

static void print_entry(struct cli *cli, const struct history *history, const struct history_entry *entry)
{
    char sender[KITH_UUID_TEXT_LEN + 1], created[KITH_TIME_TEXT_LEN + 1];

    kith_uuid_format(entry->sender.id, sender);
    kith_time_format(entry->created_ms, created);
    if (cli->options.json) {
        print_json(cli, entry, sender, created);
        return;
    }
    if (entry->gap_from > 0) {
        printf("* %" PRIu64 " to %" PRIu64 " are gone\n", entry->gap_from, entry->seq);
        return;
    }
    if (entry->missed > 0)
        printf("* %" PRIu64 " message%s before this one never came\n", entry->missed, entry->missed == 1 ? "" : "s");
    if (entry->is_anew) cli_print_anew(cli, NULL, sender, created);
    if (entry->is_silent) return;
    if (entry->reply_to_seq != 0) print_meant(cli, history, entry->reply_to_seq);
    if (cli->options.numbers) printf("%s%4" PRIu64 "%s ", cli_dim(cli), entry->seq, cli_plain(cli));
    cli_print_message(cli, NULL, cli_user_name(cli, sender), entry->type, created, kith_slice_str(entry->text));
    if (entry->is_late) cli_print_late(cli);
    if (entry->is_edited) printf("      %s(edited)%s\n", cli_dim(cli), cli_plain(cli));
    if (entry->reactions != NULL) {
        printf("      %s[", cli_dim(cli));
        cli_print_text(kith_slice_str(entry->reactions));
        printf("]%s\n", cli_plain(cli));
    }
}

/* Only this device can read it: what came is taken in first, then shown from here. Offline, what there is. */
static int history_of_device(struct cli *cli, struct chat_id chat)
{
    struct history history;
    uint64_t after = 0, before = 0, limit = cli->options.all ? INT32_MAX : 50;
    int code = history_take_in(cli, chat);

    if (code != EXIT_DONE && code != EXIT_AWAY) return code;
    if (cli->options.after != NULL) kith_ignore(kith_slice_to_u64(kith_slice_str(cli->options.after), &after));
    if (cli->options.before != NULL) kith_ignore(kith_slice_to_u64(kith_slice_str(cli->options.before), &before));
    if (cli->options.limit != NULL) kith_ignore(kith_slice_to_u64(kith_slice_str(cli->options.limit), &limit));
    if (!history_load(cli, chat, after, before, (int)(limit > INT32_MAX ? INT32_MAX : limit), &history))
        return EXIT_FAILED;
    for (size_t i = 0; i < history.count; i++) print_entry(cli, &history, &history.entries[i]);
    history_free(&history);
    return EXIT_DONE;
}

int cmd_history(struct cli *cli)
{
    struct chat_id chat;

    if (!cli_chat_find(cli, cli->argv[0], &chat)) return EXIT_REFUSED;
    return cli_chat_is_encrypted(cli, chat) ? history_of_device(cli, chat) : history_of_server(cli, chat);
}
