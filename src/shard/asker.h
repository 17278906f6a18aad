#ifndef KITH_SHARD_ASKER_H
#define KITH_SHARD_ASKER_H

#include "shard/shard.h"

/**
 * One per gateway loop: puts commands into the log and brings each answer back to who asked; passes all other news on.
 *
 * An ask is the caller's memory until `done`, which runs exactly once, on the loop, never inside asker_ask(). Outcomes:
 * an answer of the core; READ_ONLY or UNAVAILABLE (surely not stored); UNKNOWN_OUTCOME (after ASK_TIMEOUT_MS, or when a
 * sync failed: the same command again tells).
 */
#define ASK_TIMEOUT_MS 20000
#define ASKS_MAX       65536 /* waiting on one loop; one more is answered UNAVAILABLE at once */

struct ask {
    struct chat_answer answer; /* out */
    void (*done)(struct ask *ask);
    uint64_t request;        /* the asker's */
    uint64_t deadline_ms;    /* the asker's */
    struct ask *prev, *next; /* the asker's: by deadline */
    struct loop_task task;   /* the asker's */
};

struct asker;

struct asker_config {
    struct loop *loop;
    uint32_t loop_index; /* cmd_origin.loop: the index of asker_listener() among the owners' listeners */
    struct log *log;
    /* On loop: events, receipts, mail. */
    void (*news)(void *arg, const struct shard_news *news);
    void *arg;
};

struct asker *asker_new(const struct asker_config *config);
/** `news` may be set after asker_new(), before the log starts. */
void asker_on_news(struct asker *asker, void (*news)(void *arg, const struct shard_news *news), void *arg);
/** Answers all that still wait with UNAVAILABLE (inside the call), then frees. */
void asker_free(struct asker *asker);
/** The process died (simulator): frees without touching loop or waiting asks. */
void asker_crash(struct asker *asker);
struct shard_listener *asker_listener(struct asker *asker);

/** Sends a copy of *cmd, with time and origin filled in, and waits. */
void asker_ask(struct asker *asker, const struct cmd *cmd, struct ask *ask);
/** Forget an ask whose caller goes away: `done` will not run. */
void asker_cancel(struct asker *asker, struct ask *ask);

#endif
