#ifndef KITH_ADAPTERS_MSGSTORE_ROCKSDB_SHIM_H
#define KITH_ADAPTERS_MSGSTORE_ROCKSDB_SHIM_H

#include <rocksdb/c.h>
#include <stdbool.h>

/*
 * What RocksDB 7.8 can do and its C header cannot: to tell of background errors, to resume after one, and to begin an
 * insert where the last one of the same prefix was.
 */
#ifdef __cplusplus
extern "C" {
#endif

struct rocksdb_shim_watch {
    /* A flush or compaction failed; writes may be refused from now on. On any thread, with no lock of RocksDB's held. */
    void (*failed)(void *arg, const char *what, bool no_space);
    void *arg;
};

/**
 * Before open: reports background errors to `watch` (copied), and leaves the recovery to rocksdb_shim_resume(): RocksDB's
 * own would go on for ever in the background and say nothing.
 */
void rocksdb_shim_options_watch(rocksdb_options_t *options, const struct rocksdb_shim_watch *watch);

/**
 * Before open: in memory, a row is looked for its place from where the last row with the same first `prefix_bytes` went.
 * Rows of one chat come one after the other, so this halves what a commit costs; in exchange one thread inserts at a time.
 */
void rocksdb_shim_options_hint(rocksdb_options_t *options, size_t prefix_bytes);

/** Ends the state that a background error left, flushing what is in memory. *errptr as in c.h. Blocks. */
void rocksdb_shim_resume(rocksdb_t *db, char **errptr);

#ifdef __cplusplus
}
#endif

#endif
