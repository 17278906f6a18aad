#include <ncurses.h>
#include <stdlib.h>
#include <wctype.h>

#include "cli/commands.h"
#include "cli/room.h"
#include "cli/store.h"
#include "wire/json_text.h"

static void send_input(struct room *room)
{
    size_t bytes = room->input_len * 4 + 1;
    char *text = calloc(1, bytes), time[KITH_TIME_TEXT_LEN + 1];
    struct kith_send send = {
        .chat = room->chat, .encrypted = room->encrypted, .content_type = kith_slice_str("text/plain")};
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
            said->text = room_wide(send.body);
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
    memmove(&room->input[room->cursor + 1], &room->input[room->cursor],
            (room->input_len - room->cursor + 1) * sizeof c);
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
    room_draw(room);
    if (room->scroll - before < (size_t)(LINES - 4)) room_load_older(room); /* the top was reached: there may be more */
}

static void key(struct room *room, int kind, wint_t c)
{
    room->dirty = true;
    if (kind == OK) {
        if (c == L'\n' || c == L'\r')
            send_input(room);
        else if (c == 3 || c == 4)
            room->end = true; /* Ctrl-C, Ctrl-D */
        else if (c == 127 || c == 8)
            rub_out(room);
        else if (c == 1)
            room->cursor = 0;
        else if (c == 5)
            room->cursor = room->input_len;
        else if (c == 21)
            room->input_len = room->cursor = 0, room->input[0] = L'\0';
        else
            type_char(room, (wchar_t)c);
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

static void leave_screen(void)
{
    if (!isendwin()) (void)endwin();
}

static void screen_run(struct room *room)
{
    (void)initscr();
    (void)atexit(leave_screen); /* whatever ends the process: see store_begin() */
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
        if (room->dirty) room_draw(room);
        online_turn(room->online, 30);
        room_name_typing(room);
        if (room->typing_until_ms != 0 && room->typing_until_ms < cli_now_ms())
            room->typing_until_ms = 0, room->dirty = true;
    }
    (void)endwin();
}

int cmd_chat_open(struct cli *cli)
{
    struct room *room;
    struct online_view view;
    int code = EXIT_FAILED;

    if (!cli->options.interactive) {
        cli_error(cli, "a conversation needs a terminal", "Without one: kith send, kith tail, kith history");
        return EXIT_USAGE;
    }
    room = calloc(1, sizeof *room);
    if (room == NULL) return EXIT_FAILED;
    room->cli = cli;
    room->connection = KITH_CONNECTING;
    (void)snprintf(room->me, sizeof room->me, "%s", store_get(cli->store, "user_id"));
    if (!cli_chat_find(cli, cli->argv[0], &room->chat)) goto done;
    kith_uuid_format(room->chat.id, room->id);
    room->encrypted = cli_chat_is_encrypted(cli, room->chat);
    if (!room_load(room)) goto done;
    room_load_older(room);
    view = room_view(room);
    room->online = online_open(cli, &view);
    if (room->online == NULL) {
        cli_error(cli, "another kith is connected as this device", NULL);
        goto done;
    }
    if (room->last_seq > 0) kith_ignore(kith_client_read(online_client(room->online), room->chat, room->last_seq));
    online_run_effects(room->online);
    screen_run(room);
    online_close(room->online);
    code = EXIT_DONE;
done:
    room_free(room);
    return code;
}
