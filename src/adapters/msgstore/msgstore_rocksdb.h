#ifndef KITH_ADAPTERS_MSGSTORE_MSGSTORE_ROCKSDB_H
#define KITH_ADAPTERS_MSGSTORE_MSGSTORE_ROCKSDB_H

#include "ports/msgstore.h"

/**
 * The embedded message store: RocksDB in one folder, one column family, without its write-ahead log (ours is the only
 * one). A flush writes whole batches in commit order, so a crash leaves a prefix of the commits, and the positions in
 * it, which are rows of the same batches, say which.
 *
 * Commits and reads run on the calling loop's thread: a write into memory, a read that mostly hits a cache. When RocksDB
 * would make a commit wait (its memory is full and the disk is slow), the commit goes to a thread of the store's own, and
 * the shard's later ones line up behind it: a loop never waits.
 *
 * A failed flush makes the store not writable: commits answer KITH_E_NOSPACE or KITH_E_IO at once, while RocksDB goes on
 * trying. When space has returned (it looks every 5 s) the store is writable again; nothing is lost, as unflushed rows
 * stay in memory and the log has them. After an I/O error that it calls fatal, only a restart helps.
 */
struct msgstore_rocksdb_config {
    const char *path;            /* made when missing, with mode 0700; copied */
    uint64_t cache_bytes;        /* blocks, indexes and filters together; 0: 64 MiB */
    uint64_t write_buffer_bytes; /* of one memtable, of which there are at most 4; 0: 32 MiB */
};

/**
 * Opens or creates. On error `problem` says what and what can be done.
 *
 * KITH_E_IO        cannot be read or made, or another process has it open
 * KITH_E_NOSPACE   the disk is full
 * KITH_E_DAMAGED   what is there is not what was written
 * KITH_E_NOMEM
 */
KITH_MUST_USE kith_err msgstore_rocksdb_open(const struct msgstore_rocksdb_config *config, char problem[static 256],
                                             struct msgstore **out);

/** Compacts everything, which also drops expired rows. Blocks, for long; any thread. For tests and maintenance. */
KITH_MUST_USE kith_err msgstore_rocksdb_compact(struct msgstore *store);

#endif
