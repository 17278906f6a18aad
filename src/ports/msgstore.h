#ifndef KITH_PORTS_MSGSTORE_H
#define KITH_PORTS_MSGSTORE_H

#include "base/buf.h"
#include "base/limits.h"
#include "loop/loop.h"

/**
 * The projection of the log: rows in key order. Embedded: msgstore_rocksdb.c; reference: msgstore_mem.c; clustered:
 * Cassandra.
 *
 * A row is a key of bytes and a value of bytes. A key's first byte names its table (wire/row.h makes and reads keys and
 * values, docs/schema.md says what the tables are in each engine). A value starts with `expires_ms` (u64 big-endian, 0
 * never): the engine may drop a row when that time is past, and a reader must not show it.
 *
 * One commit is atomic, carries the positions of the shards it belongs to, and is visible to every read that starts after
 * its `done`, on any loop. It need not be durable then: after a crash the store holds, for each shard, exactly what the
 * commits up to some earlier one left, and the positions in msgstore_status say which; the log has the rest. Commits that
 * one loop has pending apply in the order of their calls.
 *
 * Reads see whole commits only. Thread: the loop named in the op; any loop may use the same store.
 */
#define MSGSTORE_KEY_BYTES_MAX   96
#define MSGSTORE_VALUE_BYTES_MIN 8 /* expires_ms */
#define MSGSTORE_VALUE_BYTES_MAX (LOG_BODY_BYTES_MAX + 1024)
#define MSGSTORE_BATCH_BYTES_MAX (64 * 1024 * 1024)
#define MSGSTORE_ROWS_MAX        4096 /* in one page of a scan */

/** First byte of the adapters' own rows, one a shard: key 'S' and the shard as u16, value 0 as u64 and its position. */
#define MSGSTORE_TABLE_POSITIONS 'S'

/** Rows to write, in order; a later row with the same key wins. */
struct msgstore_batch {
    struct kith_buf bytes; /* records: u8 kind (1 put, 2 delete), u16 key length, u32 value length, key, value */
    uint32_t rows;
};

void msgstore_batch_init(struct msgstore_batch *batch);
void msgstore_batch_deinit(struct msgstore_batch *batch);
void msgstore_batch_reset(struct msgstore_batch *batch);
/** KITH_E_TOOBIG: key, value or batch are past their maximum; KITH_E_NOMEM. Then the batch is unchanged. */
KITH_MUST_USE kith_err msgstore_batch_put(struct msgstore_batch *batch, struct kith_slice key, struct kith_slice value);
KITH_MUST_USE kith_err msgstore_batch_delete(struct msgstore_batch *batch, struct kith_slice key);
/** Walks the records of a batch; *in starts as its whole bytes. KITH_E_NOTFOUND at the end. */
KITH_MUST_USE kith_err msgstore_batch_next(struct kith_slice *in, bool *is_put, struct kith_slice *key,
                                           struct kith_slice *value);
/** Adds one record to a page or batch; for adapters. KITH_E_TOOBIG when `out` has no room, KITH_E_NOMEM. */
KITH_MUST_USE kith_err msgstore_record_append(struct kith_buf *out, bool is_put, struct kith_slice key,
                                              struct kith_slice value);

/** The smallest key above all that start with `prefix`, built in `room`; false when there is none. For adapters. */
bool msgstore_prefix_end(struct kith_slice prefix, uint8_t room[static MSGSTORE_KEY_BYTES_MAX], struct kith_slice *end);

/** Of one shard: the newest log position whose effects are complete with this commit. Never goes back. */
struct msgstore_position {
    uint16_t shard;
    uint64_t position;
};

/*
 * When a commit is refused, so are those that its loop called before that one's done(): none may claim a position while
 * the rows of an earlier one are missing. Try them again in order, after a while, from a timer.
 */
struct msgstore_commit {
    struct loop *loop;
    const struct msgstore_batch *batch;        /* lent until done() */
    const struct msgstore_position *positions; /* lent until done(); one commit may complete several shards */
    size_t position_count;                     /* 1 to KITH_SHARDS */
    kith_err err; /* out: KITH_OK; or KITH_E_IO, KITH_E_NOSPACE, KITH_E_NOMEM, and nothing was written */
    void (*done)(struct msgstore_commit *op); /* on loop, exactly once, never inside the call */
    struct loop_task task;                    /* the adapter's */
    void *adapter;                            /* the adapter's */
};

struct msgstore_get {
    struct loop *loop;
    struct kith_slice key; /* lent until done() */
    struct kith_buf value; /* out: init by the caller with its maximum; filled on KITH_OK */
    kith_err err;          /* out: KITH_OK, KITH_E_NOTFOUND, KITH_E_IO, KITH_E_DAMAGED, KITH_E_TOOBIG, KITH_E_NOMEM */
    void (*done)(struct msgstore_get *op);
    struct loop_task task;
};

struct msgstore_scan {
    struct loop *loop;
    struct kith_slice from;   /* lent: first key wanted (reverse: last one), inclusive, need not exist; empty: all */
    struct kith_slice prefix; /* lent: only keys that start with it */
    bool reverse;
    uint32_t rows_max;    /* 1 to MSGSTORE_ROWS_MAX */
    struct kith_buf rows; /* out: init by the caller; records as in a batch. Full: the page ends early, `more` set
                              * (count 0 and more: the next row alone is larger than the buffer) */
    uint32_t count;       /* out */
    bool more;            /* out: at least one further row has the prefix */
    kith_err err;         /* out: KITH_OK also for none, KITH_E_IO, KITH_E_DAMAGED, KITH_E_NOMEM */
    void (*done)(struct msgstore_scan *op);
    struct loop_task task;
};

struct msgstore_status {
    bool writable;
    char reason[128];
    uint64_t positions[KITH_SHARDS];           /* newest committed, as reads see it */
    uint64_t positions_persisted[KITH_SHARDS]; /* what a crash now would leave: the log may be cut up to the lowest */
    uint64_t bytes_on_disk, commits, rows_written;
};

struct msgstore {
    const struct msgstore_ops *ops;
};

struct msgstore_ops {
    const char *name;
    void (*commit)(struct msgstore *store, struct msgstore_commit *op);
    void (*get)(struct msgstore *store, struct msgstore_get *op);
    void (*scan)(struct msgstore *store, struct msgstore_scan *op);
    void (*status)(struct msgstore *store, struct msgstore_status *out); /* any thread */
    kith_err (*flush)(struct msgstore *store); /* any thread, blocks: what was committed is persisted */
    void (*close)(struct msgstore *store);     /* flushes; no op may be pending */
};

static inline void msgstore_commit(struct msgstore *store, struct msgstore_commit *op)
{
    assert(op->done != NULL && op->position_count >= 1 && op->position_count <= KITH_SHARDS);
    store->ops->commit(store, op);
}

static inline void msgstore_get(struct msgstore *store, struct msgstore_get *op)
{
    assert(op->done != NULL && op->key.len > 0 && op->key.len <= MSGSTORE_KEY_BYTES_MAX);
    store->ops->get(store, op);
}

static inline void msgstore_scan(struct msgstore *store, struct msgstore_scan *op)
{
    assert(op->done != NULL && op->rows_max >= 1 && op->rows_max <= MSGSTORE_ROWS_MAX);
    assert(op->from.len <= MSGSTORE_KEY_BYTES_MAX);
    assert(op->prefix.len > 0 && op->prefix.len <= MSGSTORE_KEY_BYTES_MAX);
    store->ops->scan(store, op);
}

#endif
