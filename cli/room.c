#include "cli/room.h"

#include <inttypes.h>
#include <stdlib.h>
#include <wctype.h>

#include "cli/group.h"
#include "cli/store.h"
#include "wire/json_text.h"

wchar_t *room_wide(struct kith_slice text)
{
    char *copy = cli_text_of(text);
    wchar_t *out = calloc(text.len + 1, sizeof *out);

    if (copy == NULL || out == NULL || mbstowcs(out, copy, text.len) == (size_t)-1) {
        for (size_t i = 0; out != NULL && copy != NULL && copy[i] != '\0'; i++)
            out[i] = (unsigned char)copy[i] < 0x80 ? (wchar_t)copy[i] : L'?';
    }
    for (size_t i = 0; out != NULL && out[i] != L'\0'; i++)
        if (!iswprint((wint_t)out[i]) && out[i] != L'\n') out[i] = L'?';
    free(copy);
    return out;
}

struct said *said_add(struct room *room, size_t at)
{
    if (room->count == room->cap) {
        size_t cap = room->cap == 0 ? 256 : room->cap * 2;
        struct said *grown = realloc(room->said, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        room->said = grown;
        room->cap = cap;
    }
    memmove(&room->said[at + 1], &room->said[at], (room->count - at) * sizeof *room->said);
    room->said[at] = (struct said){0};
    room->count++;
    room->dirty = true;
    return &room->said[at];
}

static void said_fill(struct room *room, struct said *said, uint64_t seq, const char *sender_id, const char *type,
                      const char *created_at, struct kith_slice body)
{
    char event[512];

    said->seq = seq;
    said->mine = strcmp(sender_id, room->me) == 0;
    (void)snprintf(said->sender, sizeof said->sender, "%.60s",
                   said->mine ? "you" : cli_user_name(room->cli, sender_id));
    cli_time(created_at, said->time);
    said->is_event = strcmp(type, "message") != 0;
    if (said->is_event) cli_describe(room->cli, type, said->sender, body, event);
    said->text = room_wide(said->is_event ? kith_slice_str(event) : body);
    if (seq > room->last_seq) room->last_seq = seq;
    if (room->first_seq == 0 || seq < room->first_seq) room->first_seq = seq;
}

/* Behind what it says, that it came late. */
static void say_late(struct said *said)
{
    static const wchar_t late[] = L" " CLI_LATE_TEXT;
    size_t len = said->text == NULL ? 0 : wcslen(said->text);
    wchar_t *text = calloc(len + sizeof late / sizeof late[0], sizeof *text);

    if (text == NULL) return;
    if (len > 0) wmemcpy(text, said->text, len);
    wmemcpy(text + len, late, sizeof late / sizeof late[0]);
    free(said->text);
    said->text = text;
}

/* A line of its own, before what else the message says. */
static bool add_anew(struct room *room, size_t at, const struct kith_message *m, const char *sender,
                     const char *created)
{
    struct said *said = m->is_anew ? said_add(room, at) : NULL;
    char text[64 + sizeof CLI_ANEW_TEXT];

    if (said == NULL) return false;
    (void)snprintf(text, sizeof text, "%.60s: " CLI_ANEW_TEXT, cli_user_name(room->cli, sender));
    said_fill(room, said, m->seq, sender, "session", created, kith_slice_str(text));
    return true;
}

struct older {
    struct room *room;
    size_t count, shown;
};

static bool older_add(void *arg, const struct kith_message *m)
{
    struct older *older = arg;
    char sender[KITH_UUID_TEXT_LEN + 1], created[KITH_TIME_TEXT_LEN + 1], type[16];
    struct said *said;

    if (m->gap_from > 0) return true;
    kith_uuid_format(m->sender.id, sender);
    kith_time_format(m->created_ms, created);
    if (add_anew(older->room, older->shown, m, sender, created)) older->shown++;
    if (cli_is_silent(m)) {
        older->count++;
        if (older->room->first_seq == 0 || m->seq < older->room->first_seq) older->room->first_seq = m->seq;
        if (m->seq > older->room->last_seq) older->room->last_seq = m->seq;
        return true;
    }
    said = said_add(older->room, older->shown);
    if (said == NULL) return false;
    older->count++;
    older->shown++;
    (void)snprintf(type, sizeof type, "%.*s", (int)m->type.len, (const char *)m->type.ptr);
    said_fill(older->room, said, m->seq, sender, type, created, cli_message_text(m));
    if (m->is_again) say_late(said);
    return true;
}

void room_load_older(struct room *room)
{
    struct cli_answer answer;
    char path[160];
    json_t *messages;

    if (room->no_more) return;
    if (room->encrypted) { /* only this device can read it */
        struct older older = {.room = room};
        store_history(room->cli->store, room->chat, 0, room->first_seq, 50, older_add, &older);
        room->no_more = older.count == 0;
        return;
    }
    if (room->first_seq == 0)
        (void)snprintf(path, sizeof path, "/messages?chat_id=%s&limit=50", room->id);
    else
        (void)snprintf(path, sizeof path, "/messages?chat_id=%s&limit=50&before=%" PRIu64, room->id, room->first_seq);
    cli_rest(room->cli, "GET", path, NULL, &answer);
    messages = json_object_get(answer.body, "messages");
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *m = json_array_get(messages, i);
        const char *content = json_string_value(json_object_get(m, "content"));
        struct said *said = said_add(room, i);
        if (said == NULL) break;
        said_fill(room, said, (uint64_t)json_integer_value(json_object_get(m, "seq")),
                  json_string_value(json_object_get(m, "sender_id")), json_string_value(json_object_get(m, "type")),
                  json_string_value(json_object_get(m, "created_at")),
                  kith_slice_str(content == NULL ? "(deleted)" : content));
    }
    if (answer.status == 200 && (json_array_size(messages) == 0 || room->first_seq <= 1)) room->no_more = true;
    cli_answer_free(&answer);
}

/* In the place where it could not be read; one whose page is not shown yet comes with that. */
static void on_late(struct room *room, const struct kith_message *m)
{
    for (size_t i = room->count; i > 0; i--) {
        struct said *said = &room->said[i - 1];
        if (said->seq != m->seq || said->is_event) continue;
        free(said->text);
        said->text = room_wide(cli_message_text(m));
        say_late(said);
        room->dirty = true;
        return;
    }
}

static void on_message(void *arg, const struct kith_message *m)
{
    struct room *room = arg;
    char sender[KITH_UUID_TEXT_LEN + 1], created[KITH_TIME_TEXT_LEN + 1], type[16];
    struct said *said;

    if (!kith_uuid_eq(m->chat.id, room->chat.id)) return;
    if (m->is_again) on_late(room, m);
    if (m->seq <= room->last_seq) return;
    for (size_t i = room->count; i > 0; i--) { /* our own words, shown when they were written */
        if (!kith_uuid_eq(room->said[i - 1].id.id, m->id.id) || kith_uuid_is_nil(m->id.id)) continue;
        room->said[i - 1].seq = room->last_seq = m->seq;
        room->dirty = true;
        return;
    }
    kith_uuid_format(m->sender.id, sender);
    kith_time_format(m->created_ms, created);
    (void)snprintf(type, sizeof type, "%.*s", (int)m->type.len, (const char *)m->type.ptr);
    (void)add_anew(room, room->count, m, sender, created);
    said = cli_is_silent(m) ? NULL : said_add(room, room->count);
    if (cli_is_silent(m)) room->last_seq = m->seq;
    if (said != NULL) said_fill(room, said, m->seq, sender, type, created, cli_message_text(m));
    room->typing_until_ms = 0;
    kith_ignore(kith_client_read(online_client(room->online), room->chat, m->seq)); /* it is on the screen */
}

static struct said *said_find(struct room *room, struct msg_id id)
{
    for (size_t i = room->count; i > 0; i--)
        if (kith_uuid_eq(room->said[i - 1].id.id, id.id)) return &room->said[i - 1];
    return NULL;
}

static void on_sent(void *arg, struct msg_id id, struct chat_id chat, uint64_t seq)
{
    struct room *room = arg;
    struct said *said = said_find(room, id);

    (void)chat;
    if (said == NULL) return;
    said->seq = seq;
    if (seq > room->last_seq) room->last_seq = seq;
    room->dirty = true;
}

static void on_failed(void *arg, struct msg_id id, enum kith_code code, bool is_unknown)
{
    struct room *room = arg;
    struct said *said = said_find(room, id);

    (void)code;
    (void)is_unknown;
    if (said != NULL) said->failed = true;
    room->dirty = true;
}

/* In a group a tick means that all the others have it. */
static void least_marks(struct room *room)
{
    room->delivered = room->read = room->other_count == 0 ? 0 : UINT64_MAX;
    for (size_t i = 0; i < room->other_count; i++) {
        if (room->others[i].delivered < room->delivered) room->delivered = room->others[i].delivered;
        if (room->others[i].read < room->read) room->read = room->others[i].read;
    }
    room->dirty = true;
}

static void on_receipt(void *arg, struct chat_id chat, struct user_id user, uint64_t delivered, uint64_t read)
{
    struct room *room = arg;

    if (!kith_uuid_eq(chat.id, room->chat.id)) return;
    for (size_t i = 0; i < room->other_count; i++) {
        if (!kith_uuid_eq(room->others[i].user.id, user.id)) continue;
        if (delivered > room->others[i].delivered) room->others[i].delivered = delivered;
        if (read > room->others[i].read) room->others[i].read = read;
    }
    least_marks(room);
}

static void on_typing(void *arg, struct chat_id chat, struct user_id user, bool typing)
{
    struct room *room = arg;
    char id[KITH_UUID_TEXT_LEN + 1];

    if (!kith_uuid_eq(chat.id, room->chat.id)) return;
    kith_uuid_format(user.id, id);
    if (strcmp(id, room->me) == 0) return;
    (void)snprintf(room->typing_id, sizeof room->typing_id, "%s", id);
    room->typing_until_ms = typing ? cli_now_ms() + 8000 : 0;
    room->is_typing_new = typing;
    room->dirty = true;
}

/* Whose name that is may be asked of the server, during which the loop turns: not where the connection says that they type. */
void room_name_typing(struct room *room)
{
    while (room->is_typing_new) {
        char id[KITH_UUID_TEXT_LEN + 1];
        room->is_typing_new = false;
        memcpy(id, room->typing_id, sizeof id);
        (void)snprintf(room->typing_name, sizeof room->typing_name, "%.60s", cli_user_name(room->cli, id));
    }
}

static void on_state(void *arg, enum kith_connection connection, enum kith_code code)
{
    struct room *room = arg;

    (void)code;
    room->connection = connection;
    room->dirty = true;
}

bool room_load(struct room *room)
{
    struct cli_answer answer;
    char path[64];
    json_t *member;
    size_t i;

    (void)snprintf(path, sizeof path, "/chats/%s", room->id);
    cli_rest(room->cli, "GET", path, NULL, &answer);
    if (answer.status == 200) (void)group_name_put(room->cli, answer.body);
    (void)snprintf(room->title, sizeof room->title, "%.150s",
                   answer.status == 200 ? cli_chat_title(room->cli, answer.body) : room->id);
    json_array_foreach(json_object_get(answer.body, "members"), i, member)
    {
        const char *user = json_string_value(json_object_get(member, "user_id"));
        if (room->other_count == 64 || strcmp(user, room->me) == 0) continue;
        kith_ignore(kith_uuid_parse(kith_slice_str(user), &room->others[room->other_count].user.id));
        room->others[room->other_count].delivered = (uint64_t)json_integer_value(
            json_object_get(member, "delivered_up_to"));
        room->others[room->other_count++].read = (uint64_t)json_integer_value(json_object_get(member, "read_up_to"));
    }
    least_marks(room);
    cli_answer_free(&answer);
    return true;
}

struct online_view room_view(struct room *room)
{
    return (struct online_view){.message = on_message,
                                .sent = on_sent,
                                .failed = on_failed,
                                .receipt = on_receipt,
                                .typing = on_typing,
                                .state = on_state,
                                .arg = room};
}

void room_free(struct room *room)
{
    if (room == NULL) return;
    for (size_t i = 0; i < room->count; i++) free(room->said[i].text);
    free(room->said);
    free(room);
}
