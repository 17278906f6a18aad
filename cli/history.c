#include "cli/history.h"

#include <stdlib.h>

#include "cli/store.h"

#define SETTLE_MS 5000

/* Who reacted to what; a person's newest reaction to a message is the one that counts. */
struct reaction {
    struct msg_id id;
    struct user_id by;
    char text[KITH_REACTION_BYTES_MAX + 1];
};

static void *grow(void *array, size_t count, size_t *cap, size_t bytes)
{
    void *grown;

    if (count < *cap) return array;
    *cap = *cap == 0 ? 64 : *cap * 2;
    grown = realloc(array, *cap * bytes);
    if (grown == NULL) abort(); /* a history with a hole would be a lie */
    return grown;
}

static struct history_entry *find_id(const struct history *history, const struct kith_content *content)
{
    for (size_t i = history->count; i > 0; i--)
        if (kith_uuid_eq(history->entries[i - 1].id.id, content->id.id) &&
            kith_uuid_eq(history->entries[i - 1].sender.id, content->author.id))
            return &history->entries[i - 1];
    return NULL;
}

static struct history_entry *add(struct history *history, const struct kith_message *m, struct kith_slice text)
{
    struct history_entry *entry;

    history->entries = grow(history->entries, history->count, &history->cap, sizeof *history->entries);
    entry = &history->entries[history->count++];
    *entry = (struct history_entry){.seq = m->seq,
                                    .gap_from = m->gap_from,
                                    .id = m->id,
                                    .sender = m->sender,
                                    .created_ms = m->created_ms,
                                    .missed = m->missed,
                                    .is_asked = m->is_asked,
                                    .is_late = m->is_again,
                                    .text = cli_text_of(text)};
    (void)snprintf(entry->type, sizeof entry->type, "%.*s", (int)m->type.len, (const char *)m->type.ptr);
    if (entry->text == NULL) abort();
    return entry;
}

static void react(struct history *history, const struct kith_message *m, const struct kith_content *content)
{
    struct reaction *reaction = NULL;

    for (size_t i = 0; i < history->reacted_count && reaction == NULL; i++)
        if (kith_uuid_eq(history->reacted[i].id.id, content->id.id) &&
            kith_uuid_eq(history->reacted[i].by.id, m->sender.id))
            reaction = &history->reacted[i];
    if (reaction == NULL) {
        history->reacted = grow(history->reacted, history->reacted_count, &history->reacted_cap,
                                sizeof *history->reacted);
        reaction = &history->reacted[history->reacted_count++];
        *reaction = (struct reaction){.id = content->id, .by = m->sender};
    }
    (void)snprintf(reaction->text, sizeof reaction->text, "%.*s", (int)content->text.len,
                   (const char *)content->text.ptr);
}

/* Only the author's own word changes a message; anybody else's is passed over in silence. */
static void change(struct history *history, const struct kith_message *m, const struct kith_content *content)
{
    struct history_entry *entry = find_id(history, content);
    char *text;

    if (entry == NULL || entry->is_deleted || !kith_uuid_eq(m->sender.id, content->author.id)) return;
    text = cli_text_of(content->kind == KITH_CONTENT_DELETE ? kith_slice_str("(deleted)") : content->text);
    if (text == NULL) abort();
    free(entry->text);
    entry->text = text;
    entry->is_edited = content->kind == KITH_CONTENT_EDIT;
    entry->is_deleted = content->kind == KITH_CONTENT_DELETE;
    entry->has_text = !entry->is_deleted;
}

static void message(struct history *history, const struct kith_message *m)
{
    struct kith_content content;
    const struct history_entry *meant;
    struct history_entry *entry;

    if (kith_content_decode(m->content_type, m->body, &content) != KITH_OK) {
        (void)add(history, m, kith_slice_str("(a message that is broken)"));
        return;
    }
    switch (content.kind) {
    case KITH_CONTENT_REACTION: react(history, m, &content); return;
    case KITH_CONTENT_EDIT:
    case KITH_CONTENT_DELETE: change(history, m, &content); return;
    case KITH_CONTENT_STEP:
    case KITH_CONTENT_KEYS: return;
    case KITH_CONTENT_OTHER: (void)add(history, m, kith_slice_str("(needs a newer kith)")); return;
    case KITH_CONTENT_TEXT:
    case KITH_CONTENT_REPLY: break;
    }
    entry = add(history, m, content.text);
    entry->has_text = true;
    if (content.kind != KITH_CONTENT_REPLY) return;
    meant = find_id(history, &content);
    if (meant != NULL) entry->reply_to_seq = meant->seq;
}

struct load {
    struct history *history;
    uint64_t last; /* changes of what is shown may come later; nothing else beyond it is shown. 0: no end */
};

static bool is_change(const struct kith_message *m)
{
    struct kith_content content;

    if (!m->is_open || kith_content_decode(m->content_type, m->body, &content) != KITH_OK) return false;
    return content.kind == KITH_CONTENT_REACTION || content.kind == KITH_CONTENT_EDIT ||
           content.kind == KITH_CONTENT_DELETE;
}

/* Beside what it says, which has come behind the first `count`; or by itself, if that is nothing that is shown. */
static void note_anew(struct history *history, const struct kith_message *m, size_t count)
{
    if (history->count == count) add(history, m, (struct kith_slice){0})->is_silent = true;
    history->entries[history->count - 1].is_anew = true;
}

static bool each(void *arg, const struct kith_message *m)
{
    struct load *load = arg;
    size_t count;

    if (load->last != 0 && m->seq > load->last && !is_change(m)) return true;
    /* In an encrypted chat the server's word deletes nothing here: the author's does (change()). */
    if (m->encrypted && kith_slice_is(m->type, "deleted")) return true;
    count = load->history->count;
    if (m->is_open)
        message(load->history, m);
    else
        (void)add(load->history, m, cli_message_text(m));
    if (m->is_anew && (load->last == 0 || m->seq <= load->last)) note_anew(load->history, m, count);
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct reaction *)a)->text, ((const struct reaction *)b)->text);
}

/* "+1 2, ok": each once, and how many if several. */
static void join_reactions(struct history *history, struct history_entry *entry)
{
    struct kith_buf text;
    size_t len = 0;

    kith_buf_init(&text, 1u << 20);
    for (size_t i = 0; i < history->reacted_count;) {
        const struct reaction *first = &history->reacted[i];
        size_t count = 0;
        for (; i < history->reacted_count && strcmp(history->reacted[i].text, first->text) == 0; i++)
            count += kith_uuid_eq(history->reacted[i].id.id, entry->id.id);
        if (count == 0 || first->text[0] == '\0') continue;
        if (kith_buf_printf(&text, kith_buf_len(&text) > 0 ? ", %s" : "%s", first->text) != KITH_OK) abort();
        if (count > 1 && kith_buf_printf(&text, " %zu", count) != KITH_OK) abort();
    }
    if (kith_buf_len(&text) > 0 && kith_buf_append_u8(&text, 0) != KITH_OK) abort();
    entry->reactions = (char *)kith_buf_take(&text, &len);
}

static bool first_seq(void *arg, const struct kith_message *m)
{
    *(uint64_t *)arg = m->seq;
    return false;
}

static bool last_seq(void *arg, const struct kith_message *m)
{
    *(uint64_t *)arg = m->seq;
    return true;
}

int history_take_in(struct cli *cli, struct chat_id chat)
{
    struct cli_answer answer;
    struct online_view view = {0};
    struct online *online;
    char id[KITH_UUID_TEXT_LEN + 1], path[64];
    int code = EXIT_DONE;

    kith_uuid_format(chat.id, id);
    (void)snprintf(path, sizeof path, "/chats/%s", id);
    cli_rest(cli, "GET", path, NULL, &answer);
    if (answer.status == 200) {
        online = online_open(cli, &view); /* NULL: another kith is online and takes it in */
        if (online != NULL)
            online_settle(online, &chat, (uint64_t)json_integer_value(json_object_get(answer.body, "last_seq")),
                          SETTLE_MS);
        online_close(online);
    } else {
        code = answer.status == 0 ? EXIT_AWAY : cli_check(cli, &answer);
    }
    cli_answer_free(&answer);
    return code;
}

bool history_load(struct cli *cli, struct chat_id chat, uint64_t after, uint64_t before, int limit, struct history *out)
{
    struct load load = {.history = out};
    uint64_t first = 0;

    *out = (struct history){0};
    /* The page's bounds; then all from its first on, for what was said later about its messages. */
    store_history(cli->store, chat, after, before, limit, first_seq, &first);
    if (first == 0) return true;
    store_history(cli->store, chat, after, before, limit, last_seq, &load.last);
    store_history(cli->store, chat, first - 1, 0, INT32_MAX, each, &load);
    if (out->reacted_count > 0) qsort(out->reacted, out->reacted_count, sizeof *out->reacted, by_text);
    for (size_t i = 0; i < out->count; i++) join_reactions(out, &out->entries[i]);
    return true;
}

void history_free(struct history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        free(history->entries[i].text);
        free(history->entries[i].reactions);
    }
    free(history->entries);
    free(history->reacted);
    *history = (struct history){0};
}

const struct history_entry *history_find(const struct history *history, uint64_t seq)
{
    for (size_t i = 0; i < history->count; i++)
        if (history->entries[i].seq == seq) return &history->entries[i];
    return NULL;
}
