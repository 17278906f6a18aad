#ifndef KITH_ADAPTERS_MSGSTORE_ROCKSDB_SHIM_H
#define KITH_ADAPTERS_MSGSTORE_ROCKSDB_SHIM_H

#include <rocksdb/c.h>
#include <stdbool.h>

/*
 * What RocksDB 7.8 can do and its C header cannot: to tell of background errors, and to begin an insert where the
 * last one of the same prefix was.
 */
#ifdef __cplusplus
extern "C" {
#endif

/** Called on any thread, with no lock of RocksDB's held. */
struct rocksdb_shim_watch {
    /* A flush failed, or what stops writes as well. */
    void (*failed)(void *arg, const char *what, bool no_space);
    /* RocksDB has written again what could not be written: all is as before. */
    void (*recovered)(void *arg);
    void *arg;
};

/**
 * Before open: reports to `watch` (copied).
 *
 * Recovery is left to RocksDB, which looks for space every 5 s after a full disk, and tries every second after what may
 * pass. Its Resume() is not for us: in 7.8, tried a second time it can wait for ever for a flush that nobody runs.
 */
void rocksdb_shim_options_watch(rocksdb_options_t *options, const struct rocksdb_shim_watch *watch);

/**
 * Before open: in memory, a row is looked for its place from where the last row with the same first `prefix_bytes` went.
 * Rows of one chat come one after the other, so this halves what a commit costs; in exchange one thread inserts at a time.
 */
void rocksdb_shim_options_hint(rocksdb_options_t *options, size_t prefix_bytes);

#ifdef __cplusplus
}
#endif

#endif
