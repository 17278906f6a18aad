#include <inttypes.h>
#include <ncurses.h>
#include <stdlib.h>
#include <wchar.h>
#include <wctype.h>

#include "cli/commands.h"
#include "cli/store.h"
#include "wire/json_text.h"

/*
 * A conversation, full screen: a header with the title and the connection, the messages, a line to write on. Older
 * messages come from the server's history as one scrolls up; what is written goes through the outbox like any send.
 */
#define INPUT_MAX 4000

struct said {
    uint64_t seq;       /* 0: not numbered yet */
    struct msg_id id;   /* of what we wrote */
    bool mine, is_event, failed;
    char sender[64], time[32];
    wchar_t *text;
};

struct room {
    struct cli *cli;
    struct online *online;
    struct chat_id chat;
    char id[KITH_UUID_TEXT_LEN + 1], title[160], me[KITH_UUID_TEXT_LEN + 1], typing_name[64];
    struct said *said;
    size_t count, cap;
    uint64_t first_seq, last_seq; /* what is shown; first_seq 1: all of it */
    uint64_t delivered, read;     /* the least of the others' watermarks */
    struct {
        struct user_id user;
        uint64_t delivered, read;
    } others[64];
    size_t other_count;
    enum kith_connection connection;
    uint64_t typing_until_ms, typed_ms;
    wchar_t input[INPUT_MAX + 1];
    size_t input_len, cursor;
    size_t scroll; /* lines up from the newest */
    bool end, dirty, no_more;
};

static wchar_t *wide(struct kith_slice text)
{
    char *copy = strndup((const char *)(text.ptr == NULL ? (const uint8_t *)"" : text.ptr), text.len);
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

static struct said *said_add(struct room *room, size_t at)
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
    (void)snprintf(said->sender, sizeof said->sender, "%.60s", said->mine ? "you" : cli_user_name(room->cli, sender_id));
    cli_time(created_at, said->time);
    said->is_event = strcmp(type, "message") != 0;
    if (said->is_event) cli_describe(room->cli, type, said->sender, body, event);
    said->text = wide(said->is_event ? kith_slice_str(event) : body);
    if (seq > room->last_seq) room->last_seq = seq;
    if (room->first_seq == 0 || seq < room->first_seq) room->first_seq = seq;
}

/* A page before what is shown; the first call gets the newest. */
static void load_older(struct room *room)
{
    struct cli_answer answer;
    char path[160];
    json_t *messages;

    if (room->no_more) return;
    if (room->first_seq == 0) (void)snprintf(path, sizeof path, "/messages?chat_id=%s&limit=50", room->id);
    else (void)snprintf(path, sizeof path, "/messages?chat_id=%s&limit=50&before=%" PRIu64, room->id, room->first_seq);
    cli_rest(room->cli, "GET", path, NULL, &answer);
    messages = json_object_get(answer.body, "messages");
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *m = json_array_get(messages, i);
        const char *content = json_string_value(json_object_get(m, "content"));
        struct said *said = said_add(room, i);
        if (said == NULL) break;
        said_fill(room, said, (uint64_t)json_integer_value(json_object_get(m, "seq")),
                  json_string_value(json_object_get(m, "sender_id")), json_string_value(json_object_get(m, "type")),
                  json_string_value(json_object_get(m, "created_at")), kith_slice_str(content == NULL ? "(deleted)" : content));
    }
    if (answer.status == 200 && (json_array_size(messages) == 0 || room->first_seq <= 1)) room->no_more = true;
    cli_answer_free(&answer);
}

static void on_message(void *arg, const struct kith_message *m)
{
    struct room *room = arg;
    char sender[KITH_UUID_TEXT_LEN + 1], created[KITH_TIME_TEXT_LEN + 1], type[16];
    struct said *said;

    if (!kith_uuid_eq(m->chat.id, room->chat.id) || m->seq <= room->last_seq) return;
    for (size_t i = room->count; i > 0; i--) { /* our own words, shown when they were written */
        if (!kith_uuid_eq(room->said[i - 1].id.id, m->id.id) || kith_uuid_is_nil(m->id.id)) continue;
        room->said[i - 1].seq = room->last_seq = m->seq;
        room->dirty = true;
        return;
    }
    kith_uuid_format(m->sender.id, sender);
    kith_time_format(m->created_ms, created);
    (void)snprintf(type, sizeof type, "%.*s", (int)m->type.len, (const char *)m->type.ptr);
    said = said_add(room, room->count);
    if (said != NULL) said_fill(room, said, m->seq, sender, type, created, m->body);
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
    (void)snprintf(room->typing_name, sizeof room->typing_name, "%.60s", cli_user_name(room->cli, id));
    room->typing_until_ms = typing ? cli_now_ms() + 8000 : 0;
    room->dirty = true;
}

static void on_state(void *arg, enum kith_connection connection, enum kith_code code)
{
    struct room *room = arg;

    (void)code;
    room->connection = connection;
    room->dirty = true;
}

/* ---- drawing */

static const wchar_t *tick(const struct room *room, const struct said *said)
{
    if (!said->mine || said->is_event) return L"";
    if (said->failed) return L" (!)";
    if (said->seq == 0) return L" …";
    if (said->seq <= room->read) return L" ✓✓ read";
    return said->seq <= room->delivered ? L" ✓✓" : L" ✓";
}

/* Breaks a text into lines of a width; calls `line` for each. Words are kept whole where they fit. */
static size_t wrap(const wchar_t *text, int width, void (*line)(void *arg, const wchar_t *from, size_t len), void *arg)
{
    size_t lines = 0;

    do {
        size_t len = 0, space = 0;
        int columns = 0;
        while (text[len] != L'\0' && text[len] != L'\n') {
            int w = wcwidth(text[len]);
            if (columns + (w < 0 ? 1 : w) > width) break;
            columns += w < 0 ? 1 : w;
            if (text[len] == L' ') space = len;
            len++;
        }
        if (text[len] != L'\0' && text[len] != L'\n' && space > 0) len = space;
        if (line != NULL) line(arg, text, len);
        lines++;
        text += len;
        if (*text == L'\n' || *text == L' ') text++;
    } while (*text != L'\0');
    return lines;
}

struct drawing {
    struct room *room;
    int row, top, bottom, indent;
    const struct said *said;
    bool first;
};

static void draw_line(void *arg, const wchar_t *from, size_t len)
{
    struct drawing *d = arg;
    const struct said *said = d->said;

    if (d->row >= d->top && d->row < d->bottom) {
        move(d->row, 0);
        clrtoeol();
        if (d->first) {
            attron(A_DIM);
            mvprintw(d->row, 0, "%5.16s", said->time);
            attroff(A_DIM);
            if (!said->is_event) {
                attron(said->mine ? A_NORMAL : A_BOLD);
                mvprintw(d->row, 6, "%.20s", said->sender);
                attroff(A_BOLD);
            }
        }
        if (said->is_event) attron(A_DIM);
        (void)mvaddnwstr(d->row, d->indent, from, (int)len);
        if (said->is_event) attroff(A_DIM);
        if (from[len] == L'\0') (void)addwstr(tick(d->room, said));
    }
    d->first = false;
    d->row++;
}

static int indent_of(const struct room *room)
{
    int widest = 3;

    for (size_t i = 0; i < room->count; i++) {
        int len = (int)strlen(room->said[i].sender);
        if (!room->said[i].is_event && len > widest) widest = len > 20 ? 20 : len;
    }
    return 8 + widest;
}

static size_t lines_of(const struct room *room, size_t at, int width)
{
    return wrap(room->said[at].text == NULL ? L"" : room->said[at].text, width, NULL, NULL);
}

static void draw_messages(struct room *room)
{
    int top = 1, bottom = LINES - 2, indent = indent_of(room);
    int width = COLS - indent - 9 > 10 ? COLS - indent - 9 : 10;
    size_t total = 0;
    int row;

    for (size_t i = 0; i < room->count; i++) total += lines_of(room, i, width);
    if (total <= (size_t)(bottom - top)) room->scroll = 0;
    else if (room->scroll > total - (size_t)(bottom - top)) room->scroll = total - (size_t)(bottom - top);
    for (int y = top; y < bottom; y++) {
        move(y, 0);
        clrtoeol();
    }
    row = total <= (size_t)(bottom - top) ? top : bottom - (int)total + (int)room->scroll;
    for (size_t i = 0; i < room->count; i++) {
        struct drawing d = {.room = room, .row = row, .top = top, .bottom = bottom, .indent = indent, .said = &room->said[i], .first = true};
        (void)wrap(room->said[i].text == NULL ? L"" : room->said[i].text, width, draw_line, &d);
        row = d.row;
    }
}

static const char *state_text(const struct room *room)
{
    switch (room->connection) {
    case KITH_ONLINE: return "online";
    case KITH_CONNECTING: return "connecting...";
    case KITH_REPLACED: return "taken over by another kith";
    case KITH_OFFLINE: break;
    }
    return "offline, trying again";
}

static void draw(struct room *room)
{
    size_t from = 0;
    int width = 0, cursor = 2;

    attron(A_REVERSE);
    mvhline(0, 0, ' ', COLS);
    mvprintw(0, 1, "%.*s", COLS / 2, room->title);
    mvprintw(0, COLS - (int)strlen(state_text(room)) - 1, "%s", state_text(room));
    attroff(A_REVERSE);
    draw_messages(room);
    move(LINES - 2, 0);
    clrtoeol();
    attron(A_DIM);
    if (room->scroll > 0) mvprintw(LINES - 2, 0, "-- %zu lines below; End goes down --", room->scroll);
    else if (room->typing_until_ms > cli_now_ms()) mvprintw(LINES - 2, 0, "%s is typing", room->typing_name);
    else mvprintw(LINES - 2, 0, "Enter sends, PgUp reads back, Ctrl-C ends");
    attroff(A_DIM);
    move(LINES - 1, 0);
    clrtoeol();
    mvaddstr(LINES - 1, 0, "> ");
    for (size_t i = 0; i < room->cursor; i++) width += wcwidth(room->input[i]) > 0 ? wcwidth(room->input[i]) : 1;
    while (width > COLS - 5 && from < room->cursor) width -= wcwidth(room->input[from]) > 0 ? wcwidth(room->input[from]) : 1, from++;
    (void)mvaddnwstr(LINES - 1, 2, room->input + from, -1);
    cursor += width;
    move(LINES - 1, cursor);
    refresh();
    room->dirty = false;
}

/* ---- writing */

static void send_input(struct room *room)
{
    size_t bytes = room->input_len * 4 + 1;
    char *text = calloc(1, bytes), time[KITH_TIME_TEXT_LEN + 1];
    struct kith_send send = {.chat = room->chat, .content_type = kith_slice_str("text/plain")};
    struct msg_id id = {0};
    struct said *said;

    if (text == NULL || room->input_len == 0 || wcstombs(text, room->input, bytes) == (size_t)-1) {
        free(text);
        return;
    }
    send.body = kith_slice_str(text);
    if (online_send(room->online, &send, &id) == KITH_OK) {
        said = said_add(room, room->count);
        if (said != NULL) {
            kith_time_format(cli_wall_ms(), time);
            said->id = id;
            said->mine = true;
            (void)snprintf(said->sender, sizeof said->sender, "you");
            cli_time(time, said->time);
            said->text = wide(send.body);
        }
        room->input_len = room->cursor = 0;
        room->input[0] = L'\0';
        room->scroll = 0;
    }
    free(text);
}

static void type_char(struct room *room, wchar_t c)
{
    if (room->input_len == INPUT_MAX || !iswprint((wint_t)c)) return;
    memmove(&room->input[room->cursor + 1], &room->input[room->cursor], (room->input_len - room->cursor + 1) * sizeof c);
    room->input[room->cursor++] = c;
    room->input_len++;
    if (cli_now_ms() < room->typed_ms + 3000) return;
    room->typed_ms = cli_now_ms();
    kith_ignore(kith_client_typing(online_client(room->online), room->chat)); /* only a courtesy */
    online_run_effects(room->online);
}

static void rub_out(struct room *room)
{
    if (room->cursor == 0) return;
    memmove(&room->input[room->cursor - 1], &room->input[room->cursor],
            (room->input_len - room->cursor + 1) * sizeof room->input[0]);
    room->cursor--;
    room->input_len--;
}

static void scroll_up(struct room *room)
{
    size_t before = room->scroll;

    room->scroll += (size_t)(LINES - 4);
    draw(room);
    if (room->scroll - before < (size_t)(LINES - 4)) load_older(room); /* the top was reached: there may be more */
}

static void key(struct room *room, int kind, wint_t c)
{
    room->dirty = true;
    if (kind == OK) {
        if (c == L'\n' || c == L'\r') send_input(room);
        else if (c == 3 || c == 4) room->end = true; /* Ctrl-C, Ctrl-D */
        else if (c == 127 || c == 8) rub_out(room);
        else if (c == 1) room->cursor = 0;
        else if (c == 5) room->cursor = room->input_len;
        else if (c == 21) room->input_len = room->cursor = 0, room->input[0] = L'\0';
        else type_char(room, (wchar_t)c);
        return;
    }
    switch (c) {
    case KEY_BACKSPACE: rub_out(room); break;
    case KEY_LEFT: room->cursor -= room->cursor > 0; break;
    case KEY_RIGHT: room->cursor += room->cursor < room->input_len; break;
    case KEY_PPAGE: scroll_up(room); break;
    case KEY_NPAGE: room->scroll = room->scroll > (size_t)(LINES - 4) ? room->scroll - (size_t)(LINES - 4) : 0; break;
    case KEY_UP: room->scroll++; break;
    case KEY_DOWN: room->scroll -= room->scroll > 0; break;
    case KEY_HOME: scroll_up(room); break;
    case KEY_END: room->scroll = 0; break;
    case KEY_ENTER: send_input(room); break;
    default: break;
    }
}

/* ---- opening and closing */

static bool load_chat(struct room *room)
{
    struct cli_answer answer;
    char path[64];
    json_t *member;
    size_t i;

    (void)snprintf(path, sizeof path, "/chats/%s", room->id);
    cli_rest(room->cli, "GET", path, NULL, &answer);
    (void)snprintf(room->title, sizeof room->title, "%.150s",
                   answer.status == 200 ? cli_chat_title(room->cli, answer.body) : room->id);
    json_array_foreach(json_object_get(answer.body, "members"), i, member)
    {
        const char *user = json_string_value(json_object_get(member, "user_id"));
        if (room->other_count == 64 || strcmp(user, room->me) == 0) continue;
        kith_ignore(kith_uuid_parse(kith_slice_str(user), &room->others[room->other_count].user.id));
        room->others[room->other_count].delivered = (uint64_t)json_integer_value(json_object_get(member, "delivered_up_to"));
        room->others[room->other_count++].read = (uint64_t)json_integer_value(json_object_get(member, "read_up_to"));
    }
    least_marks(room);
    if (json_is_true(json_object_get(answer.body, "encrypted"))) {
        cli_error(room->cli, "this chat is encrypted", "This version of kith cannot read or write in it.");
        cli_answer_free(&answer);
        return false;
    }
    cli_answer_free(&answer);
    return true;
}

static void screen_run(struct room *room)
{
    (void)initscr();
    (void)raw();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    while (!room->end) {
        wint_t c = 0;
        int kind = get_wch(&c);
        if (kind != ERR) {
            if (kind == KEY_CODE_YES && c == KEY_RESIZE) (void)clear();
            key(room, kind, c);
            continue;
        }
        if (room->dirty) draw(room);
        online_turn(room->online, 30);
        if (room->typing_until_ms != 0 && room->typing_until_ms < cli_now_ms()) room->typing_until_ms = 0, room->dirty = true;
    }
    (void)endwin();
}

int cmd_chat_open(struct cli *cli)
{
    struct room *room = calloc(1, sizeof *room);
    struct online_view view = {.message = on_message,
                               .sent = on_sent,
                               .failed = on_failed,
                               .receipt = on_receipt,
                               .typing = on_typing,
                               .state = on_state,
                               .arg = room};
    int code = EXIT_FAILED;

    if (room == NULL) return EXIT_FAILED;
    if (!cli->options.interactive) {
        cli_error(cli, "a conversation needs a terminal", "Without one: kith send, kith tail, kith history");
        free(room);
        return EXIT_USAGE;
    }
    room->cli = cli;
    room->connection = KITH_CONNECTING;
    (void)snprintf(room->me, sizeof room->me, "%s", store_get(cli->store, "user_id"));
    if (cli_chat_find(cli, cli->argv[0], &room->chat)) {
        kith_uuid_format(room->chat.id, room->id);
        if (load_chat(room)) {
            load_older(room);
            room->online = online_open(cli, &view);
            if (room->online == NULL) cli_error(cli, "another kith is connected as this device", NULL);
        }
    }
    if (room->online != NULL) {
        if (room->last_seq > 0) kith_ignore(kith_client_read(online_client(room->online), room->chat, room->last_seq));
        online_run_effects(room->online);
        screen_run(room);
        online_close(room->online);
        code = EXIT_DONE;
    }
    for (size_t i = 0; i < room->count; i++) free(room->said[i].text);
    free(room->said);
    free(room);
    return code;
}
