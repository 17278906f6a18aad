#ifndef KITH_ADAPTERS_MSGSTORE_ROCKSDB_OPTIONS_H
#define KITH_ADAPTERS_MSGSTORE_ROCKSDB_OPTIONS_H

#include <rocksdb/c.h>

#include "adapters/msgstore/msgstore_rocksdb.h"

/** Keys are seen by the filters as wholes and by this many first bytes: the table and the first id (wire/row.h). */
#define ROCKSDB_PREFIX_BYTES 17

/** How the store's one column family is kept. */
struct rocksdb_setup {
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_compactionfilter_t *filter;
};

void rocksdb_setup_init(struct rocksdb_setup *setup, const struct msgstore_rocksdb_config *config);
/** After the database is closed. */
void rocksdb_setup_deinit(struct rocksdb_setup *setup);

/**
 * Takes the text of a RocksDB error (malloc'd; NULL: none), and says what it means to us: KITH_OK, KITH_E_AGAIN (a write
 * that would have to wait), KITH_E_NOSPACE, KITH_E_DAMAGED or KITH_E_IO. The start of the text goes to `out` when that is
 * not NULL.
 */
KITH_MUST_USE kith_err rocksdb_error_take(char *text, char *out, size_t out_bytes);

#endif
