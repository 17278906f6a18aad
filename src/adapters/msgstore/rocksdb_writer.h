#ifndef KITH_ADAPTERS_MSGSTORE_ROCKSDB_WRITER_H
#define KITH_ADAPTERS_MSGSTORE_ROCKSDB_WRITER_H

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "ports/msgstore.h"

#define ROCKSDB_POSITION_KEY_BYTES   3
#define ROCKSDB_POSITION_VALUE_BYTES 16

/**
 * The writing side of msgstore_rocksdb.c: commits run on their loop as long as RocksDB takes them at once. What would have
 * to wait is the business of one thread.
 */
struct rocksdb_writer {
    rocksdb_t *db;
    rocksdb_writeoptions_t *options;                      /* no WAL; never waits */
    rocksdb_flushoptions_t *flush;                        /* waits               */
    _Atomic(rocksdb_writebatch_t *) batches[KITH_SHARDS]; /* spare ones, to reuse their memory */
    _Atomic uint64_t positions[KITH_SHARDS];
    _Atomic uint64_t commits, rows_written;

    /* Why commits do not just run; all 0 on the fast path. */
    _Atomic int broken;       /* kith_err: a background error is in force                                */
    _Atomic uint32_t waiting; /* commits that went to the thread and whose done() has not run            */
    _Atomic uint32_t refused; /* commits that failed and whose done() has not run, and why the last did: */
    _Atomic int refused_err;  /* until it was told, the loop may line up more that must not overtake it  */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    pthread_t thread;
    bool closing;
    char reason[128];
    struct loop_task *slow_first, **slow_last;
};

/** Before the database is opened, as background errors may come as soon as it is. */
void rocksdb_writer_init(struct rocksdb_writer *writer);
/** Frees what it owns; not the database. */
void rocksdb_writer_deinit(struct rocksdb_writer *writer);

/** Starts the thread. KITH_E_NOMEM. */
KITH_MUST_USE kith_err rocksdb_writer_start(struct rocksdb_writer *writer, rocksdb_t *db);
/** Ends the thread. No commit is pending. */
void rocksdb_writer_stop(struct rocksdb_writer *writer);

void rocksdb_writer_commit(struct rocksdb_writer *writer, struct msgstore_commit *op);
/** A background error: commits are refused until err is KITH_OK again. Any thread. */
void rocksdb_writer_break(struct rocksdb_writer *writer, const char *what, kith_err err);
/** Whether commits are taken now; if not, why. */
bool rocksdb_writer_healthy(struct rocksdb_writer *writer, char *reason, size_t reason_bytes);
/** Has what is in memory written. It may not have been when this returns: RocksDB 7.8 forgets to wait at times. */
KITH_MUST_USE kith_err rocksdb_writer_flush(struct rocksdb_writer *writer);

struct kith_slice rocksdb_position_key(uint8_t out[static ROCKSDB_POSITION_KEY_BYTES], uint16_t shard);

#endif
