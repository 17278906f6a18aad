#include <ncurses.h>
#include <stdlib.h>

#include "cli/room.h"

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
    if (total <= (size_t)(bottom - top))
        room->scroll = 0;
    else if (room->scroll > total - (size_t)(bottom - top))
        room->scroll = total - (size_t)(bottom - top);
    for (int y = top; y < bottom; y++) {
        move(y, 0);
        clrtoeol();
    }
    row = total <= (size_t)(bottom - top) ? top : bottom - (int)total + (int)room->scroll;
    for (size_t i = 0; i < room->count; i++) {
        struct drawing d = {.room = room,
                            .row = row,
                            .top = top,
                            .bottom = bottom,
                            .indent = indent,
                            .said = &room->said[i],
                            .first = true};
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

void room_draw(struct room *room)
{
    size_t from = 0;
    int width = 0, cursor = 2;

    attron(A_REVERSE);
    mvhline(0, 0, ' ', COLS);
    mvprintw(0, 1, "%.*s%s", COLS / 2, room->title, room->encrypted ? "" : " (the server can read this)");
    mvprintw(0, COLS - (int)strlen(state_text(room)) - 1, "%s", state_text(room));
    attroff(A_REVERSE);
    draw_messages(room);
    move(LINES - 2, 0);
    clrtoeol();
    attron(A_DIM);
    if (room->scroll > 0)
        mvprintw(LINES - 2, 0, "-- %zu lines below; End goes down --", room->scroll);
    else if (room->typing_until_ms > cli_now_ms())
        mvprintw(LINES - 2, 0, "%s is typing", room->typing_name);
    else
        mvprintw(LINES - 2, 0, "Enter sends, PgUp reads back, Ctrl-C ends");
    attroff(A_DIM);
    move(LINES - 1, 0);
    clrtoeol();
    mvaddstr(LINES - 1, 0, "> ");
    for (size_t i = 0; i < room->cursor; i++) width += wcwidth(room->input[i]) > 0 ? wcwidth(room->input[i]) : 1;
    while (width > COLS - 5 && from < room->cursor)
        width -= wcwidth(room->input[from]) > 0 ? wcwidth(room->input[from]) : 1, from++;
    (void)mvaddnwstr(LINES - 1, 2, room->input + from, -1);
    cursor += width;
    move(LINES - 1, cursor);
    refresh();
    room->dirty = false;
}
