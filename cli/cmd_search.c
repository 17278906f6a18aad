#include <inttypes.h>
#include <stdlib.h>
#include <wchar.h>
#include <wctype.h>

#include "cli/commands.h"
#include "cli/history.h"
#include "cli/room.h"
#include "cli/store.h"
#include "wire/json_text.h"

/*
 * Search in what this device has. Messages are opened one chat at a time, in memory only: an index on disk would be a list of
 * the words of people's conversations, and reading all of it takes well under a second (docs/client-state.md).
 */
struct search {
    struct cli *cli;
    wchar_t **words; /* lower case */
    int word_count;
    uint64_t found;
};

static void lower(wchar_t *text)
{
    for (; *text != L'\0'; text++) *text = (wchar_t)towlower((wint_t)*text);
}

static bool matches(const struct search *search, const char *text)
{
    wchar_t *wide = room_wide(kith_slice_str(text));
    bool all = wide != NULL;

    if (wide != NULL) lower(wide);
    for (int i = 0; all && i < search->word_count; i++) all = wcsstr(wide, search->words[i]) != NULL;
    free(wide);
    return all;
}

static void print_found(struct search *search, const json_t *chat, const struct history_entry *entry)
{
    struct cli *cli = search->cli;
    const char *chat_id = json_string_value(json_object_get(chat, "chat_id"));
    char sender[KITH_UUID_TEXT_LEN + 1], created[KITH_TIME_TEXT_LEN + 1], title[160];

    search->found++;
    kith_uuid_format(entry->sender.id, sender);
    kith_time_format(entry->created_ms, created);
    if (cli->options.json) {
        cli_json(cli, json_pack("{s:s, s:I, s:s, s:s, s:s}", "chat_id", chat_id, "seq", (json_int_t)entry->seq,
                                "sender_id", sender, "created_at", created, "content", entry->text));
        return;
    }
    (void)snprintf(title, sizeof title, "%.140s %" PRIu64, cli_chat_title(cli, chat), entry->seq);
    cli_print_message(cli, title, cli_user_name(cli, sender), entry->type, created, kith_slice_str(entry->text));
}

static bool search_chat(struct search *search, const json_t *chat)
{
    struct history history;
    struct chat_id id;

    if (kith_uuid_parse(kith_slice_str(json_string_value(json_object_get(chat, "chat_id"))), &id.id) != KITH_OK)
        return true;
    if (!history_load(search->cli, id, 0, 0, INT32_MAX, &history)) return false;
    for (size_t i = 0; i < history.count; i++) {
        const struct history_entry *entry = &history.entries[i];
        bool is_message = strcmp(entry->type, "message") == 0;
        if (is_message && !entry->is_deleted && matches(search, entry->text)) print_found(search, chat, entry);
    }
    history_free(&history);
    return true;
}

int cmd_search(struct cli *cli)
{
    struct search search = {.cli = cli, .word_count = cli->argc};
    json_t *chats = json_loads(store_get(cli->store, "chats"), 0, NULL), *chat;
    bool ok;
    size_t i;

    search.words = calloc((size_t)cli->argc, sizeof *search.words);
    ok = search.words != NULL;
    for (int w = 0; ok && w < cli->argc; w++) {
        search.words[w] = room_wide(kith_slice_str(cli->argv[w]));
        ok = search.words[w] != NULL;
        if (ok) lower(search.words[w]);
    }
    if (chats == NULL) chats = cli_chats(cli);
    json_array_foreach(chats, i, chat) ok = ok && search_chat(&search, chat);
    if (ok && search.found == 0 && !cli->options.json)
        printf("Nothing here says that. What this device has not taken in yet: kith history CHAT\n");
    for (int w = 0; search.words != NULL && w < cli->argc; w++) free(search.words[w]);
    free(search.words);
    json_decref(chats);
    return ok ? EXIT_DONE : EXIT_FAILED;
}
