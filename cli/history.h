#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

#include "cli/cli.h"
#include "libkith/content.h"

/**
 * What this device has of a chat, as a person reads it: edits, deletions and reactions are applied to what they mean, and
 * replies name what they answer. Who may change a message is checked here: its author alone.
 */
struct history_entry {
    uint64_t seq, gap_from; /* gap_from > 0: gap_from to seq are gone */
    struct msg_id id;
    struct user_id sender;
    uint64_t created_ms, missed;
    char type[16]; /* "message", "member", … */
    bool has_text, is_edited, is_deleted;
    bool is_anew;          /* its device began a new session with it */
    bool is_asked;         /* it cannot be read, and its device is asked for it again */
    bool is_late;          /* it came when that was done */
    bool is_silent;        /* and else it says nothing here: there is no text */
    char *text;            /* or why there is none */
    char *reactions;       /* "+1 2, ok": NULL: none */
    uint64_t reply_to_seq; /* 0: none, or not here */
};

struct history {
    struct history_entry *entries; /* ascending in seq */
    size_t count, cap;
    struct reaction *reacted;
    size_t reacted_count, reacted_cap;
};

/** Takes in what came, as far as the server can be reached. EXIT_AWAY: it cannot; else said what was wrong. */
int history_take_in(struct cli *cli, struct chat_id chat);
/** The newest `limit` before `before` (0: of all) and after `after`. False: no memory. */
KITH_MUST_USE bool history_load(struct cli *cli, struct chat_id chat, uint64_t after, uint64_t before, int limit,
                                struct history *out);
void history_free(struct history *history);
/** NULL: not in it. */
const struct history_entry *history_find(const struct history *history, uint64_t seq);

#endif
