#ifndef KITH_SHARD_SHARD_H
#define KITH_SHARD_SHARD_H

#include "chat/chat.h"
#include "ports/log.h"
#include "ports/msgstore.h"

/**
 * The owner of some shards, on one loop: takes their durable commands from the log, applies them in order per chat,
 * stores the rows with the shards' positions in one commit, and only then tells the listeners, the asker of each loop
 * (architecture: append, sync, apply, store, emit).
 *
 * A chat or mailbox whose state or looked-up rows must still come from the store keeps its commands waiting; others go
 * on. A shard's position is the one before its oldest command whose rows are not committed.
 */

/** One thing that a listener learns. Lent during the call; references are taken to keep anything. */
enum shard_news_kind {
    NEWS_ANSWER = 1, /* to who asked                                        */
    NEWS_EVENT,      /* a numbered event of a chat: a hint, the store is the truth */
    NEWS_RECEIPT,    /* a watermark moved                                   */
    NEWS_MAIL,       /* an item came into a person's mailbox: a hint, too   */
};

/** A numbered event, shared by all loops: encoded once, freed with its last reference. */
struct shard_event {
    atomic_uint refs;
    struct chat_id chat;
    uint64_t seq;
    struct chat_roster *roster; /* who is in the chat after it; owns a reference */
    bool has_extra;
    struct user_id extra;      /* not in the roster any more, but sees this event */
    struct kith_slice message; /* row_message value */
    struct kith_slice
        bodies; /* items of application/x-kith-bodies (wire/bodies.h), empty when there is one body for all */
    uint8_t bytes[];
};
void shard_event_ref(struct shard_event *event);
void shard_event_unref(struct shard_event *event); /* NULL is fine */

struct shard_news {
    enum shard_news_kind kind;
    struct kith_uuid stream; /* chat, or mailbox owner */
    /* NEWS_ANSWER */
    struct cmd_origin origin;
    struct chat_answer answer;
    /* NEWS_EVENT */
    struct shard_event *event;
    /* NEWS_RECEIPT */
    struct chat_roster *roster;
    struct chat_receipt receipt;
    /* NEWS_MAIL: the mailbox's number of it */
    uint64_t mail_n;
};

struct shard_listener {
    struct loop *loop;
    /* On loop, in the order of the commits of each owner. */
    void (*news)(struct shard_listener *listener, const struct shard_news *items, size_t count);
};

struct shard_owner;

struct shard_owner_config {
    struct loop *loop;
    struct log *log;
    struct msgstore *store;
    struct shard_listener *const *listeners; /* one per loop, indexed by cmd_origin.loop; lives as long */
    size_t listener_count;
    const bool *shards;        /* KITH_SHARDS: which are owned; copied */
    const uint64_t *positions; /* KITH_SHARDS: what the store has applied; copied */
    size_t cache_bytes_max;    /* chat states kept in memory */
    /* What the configuration wants; copied. Once the log was replayed, each shard that has other rules gets a control
     * record, so what is in the log by then is applied again as it was at first. */
    struct chat_rules rules;
    /* The store or the core failed in a way that only a restart mends: the process must end, nothing more is told. */
    void (*fatal)(void *arg, const char *why);
    void *arg;
};

struct shard_stats {
    uint64_t applied, commits, cache_hits, cache_loads, waiting, chats_cached, cache_bytes;
    uint64_t by_code[CODE_COUNT];
};

/** Registers itself with log_follow() for each owned shard. NULL: no memory. */
struct shard_owner *shard_owner_new(const struct shard_owner_config *config);
/** When every entry it was given has been committed or dropped. Pending ones are dropped: replay brings them back. */
void shard_owner_free(struct shard_owner *owner);
/** The process died (simulator): frees all the same, without touching loop or store. */
void shard_owner_crash(struct shard_owner *owner);
/** All of the log that was there at start has been applied. */
bool shard_owner_caught_up(const struct shard_owner *owner);
/**
 * Everything in the log up to `position` has reached this owner: shards that have nothing waiting say so in the store
 * with the next commit, made now if need be. So a quiet shard does not hold back log_trim().
 */
void shard_owner_advance(struct shard_owner *owner, uint64_t position);
void shard_owner_stats(const struct shard_owner *owner, struct shard_stats *out);

#endif
