#ifndef KITH_PORTS_LOG_H
#define KITH_PORTS_LOG_H

#include "base/limits.h"
#include "loop/loop.h"

/**
 * The one write-ahead log: commands in, the same commands out in order once they are durable. Embedded: log_file.c;
 * reference: log_mem.c; clustered: Kafka.
 *
 * The life of an entry: its maker fills it and hands it over with log_append(). It comes back exactly once, to the
 * follower of its shard, on the follower's loop: durable and numbered (`err` KITH_OK), or refused. Who waits for the
 * answer is named inside the entry's body; so there is one way in and one way out, live and in replay alike.
 *
 * Refused with KITH_E_READ_ONLY, KITH_E_FULL, KITH_E_CLOSED or KITH_E_TOOBIG (longer than a segment, where those were
 * configured very small): it was not written, and a replay will not bring it back.
 * Refused with KITH_E_IO: it may or may not be found after a restart; only the same idempotent command, sent again,
 * tells. After a failed sync every entry is refused until the log was opened anew (docs/decisions/0004).
 */
struct log_entry {
    struct loop_task task;  /* the log's: how it travels between loops */
    struct log_entry *next; /* in the list that log_follower.deliver gets */
    uint64_t position;      /* out: dense from 1 over the whole log (Kafka: offset within the shard) */
    kith_err err;           /* out */
    uint16_t shard;         /* < KITH_SHARDS */
    uint8_t type;           /* enum log_type */
    bool replayed;          /* out: read back at start, so nobody waits for it */
    uint32_t len;           /* <= LOG_BODY_BYTES_MAX */
    uint8_t body[];
};

enum log_type {
    LOG_COMMAND = 1, /* for chat_apply() or mailbox_apply(): body is a cmd, see wire/cmd.h */
    LOG_CONTROL = 2, /* logic version and settings, for every shard */
};

/** Gives: an entry with room for `len` bytes, freed by log_entry_free(). NULL when there is no memory. */
struct log_entry *log_entry_new(uint16_t shard, uint8_t type, uint32_t len);
void log_entry_free(struct log_entry *entry);

struct log_follower {
    struct loop *loop;
    /* On `loop`: entries chained by `next`, ascending in position per shard. Gives: the whole list. */
    void (*deliver)(struct log_follower *follower, struct log_entry *list);
    /* On `loop`, once: everything that was in the log at log_start() has been delivered to this follower. */
    void (*caught_up)(struct log_follower *follower);
};

/** Buckets of the sync histogram: bucket i counts syncs of at most LOG_SYNC_BUCKET_US(i) microseconds; the last is open. */
#define LOG_SYNC_BUCKETS      12
#define LOG_SYNC_BUCKET_US(i) (100ull << (i)) /* 0.1 ms to 102.4 ms */

struct log_status {
    bool writable;
    char reason[128];          /* why not, for people; empty when writable */
    uint64_t position_first;   /* oldest that can be replayed; 0: none */
    uint64_t position_durable; /* newest that was synced, and handed to its follower; 0: none */
    uint64_t appended, synced_batches, refused;
    uint64_t sync_us_buckets[LOG_SYNC_BUCKETS], sync_us_sum;
    uint64_t bytes_on_disk;
    uint64_t torn_bytes; /* cut off the tail when it was opened */
};

struct log {
    const struct log_ops *ops;
};

struct log_ops {
    const char *name;
    /* Before start: who gets the entries of `shard` from position `from` on (first wanted; 1: all). */
    void (*follow)(struct log *log, uint16_t shard, uint64_t from, struct log_follower *follower);
    /* Replays to the followers, then goes live. KITH_E_DAMAGED when a `from` lies beyond the log's end or before its
     * first record: the store is of another life than the log. */
    kith_err (*start)(struct log *log);
    /* Any thread. Takes the entry. */
    void (*append)(struct log *log, struct log_entry *entry);
    /* Any thread. Everything up to `position` is in the stores for good; it may go when older than log.keep. */
    void (*trim)(struct log *log, uint64_t position);
    /* Any thread. A consistent copy of the counters. */
    void (*status)(struct log *log, struct log_status *out);
    /* Refuses what is not durable yet (KITH_E_CLOSED), then `closed` runs on the log's loop. */
    void (*close)(struct log *log, void (*closed)(void *arg), void *arg);
};

static inline void log_follow(struct log *log, uint16_t shard, uint64_t from, struct log_follower *follower)
{
    assert(shard < KITH_SHARDS && from >= 1);
    log->ops->follow(log, shard, from, follower);
}

static inline KITH_MUST_USE kith_err log_start(struct log *log)
{
    return log->ops->start(log);
}

static inline void log_append(struct log *log, struct log_entry *entry)
{
    assert(entry->shard < KITH_SHARDS && entry->len <= LOG_BODY_BYTES_MAX);
    log->ops->append(log, entry);
}

static inline void log_trim(struct log *log, uint64_t position)
{
    log->ops->trim(log, position);
}

static inline void log_status(struct log *log, struct log_status *out)
{
    log->ops->status(log, out);
}

#endif
