#ifndef CLI_ROOM_H
#define CLI_ROOM_H

#include <wchar.h>

#include "cli/cli.h"

/*
 * A conversation, full screen: a header with the title and the connection, the messages, a line to write on. Older
 * messages come from the server's history as one scrolls up; what is written goes through the outbox like any send.
 * room.c knows what was said, room_draw.c shows it, cmd_open.c reads the keys.
 */
#define INPUT_MAX 4000

struct said {
    uint64_t seq;     /* 0: not numbered yet */
    struct msg_id id; /* of what we wrote */
    bool mine, is_event, failed;
    char sender[64], time[32];
    wchar_t *text;
};

struct room {
    struct cli *cli;
    struct online *online;
    struct chat_id chat;
    char id[KITH_UUID_TEXT_LEN + 1], title[160], me[KITH_UUID_TEXT_LEN + 1], typing_name[64];
    char typing_id[KITH_UUID_TEXT_LEN + 1];
    bool is_typing_new; /* typing_name is not theirs yet */
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
    bool end, dirty, no_more, encrypted;
};

/* room.c */
struct said *said_add(struct room *room, size_t at); /* NULL: no memory */
/* For wcwidth() and the screen: characters that are none become '?'. */
wchar_t *room_wide(struct kith_slice text);
/* The chat and its people. False: said why. */
bool room_load(struct room *room);
/* A page before what is shown; the first call gets the newest. */
void room_load_older(struct room *room);
struct online_view room_view(struct room *room);
/* Who types; to be called between two turns of the loop, before it is drawn. */
void room_name_typing(struct room *room);
void room_free(struct room *room);

/* room_draw.c */
void room_draw(struct room *room);

#endif
