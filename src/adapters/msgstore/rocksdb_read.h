#ifndef KITH_ADAPTERS_MSGSTORE_ROCKSDB_READ_H
#define KITH_ADAPTERS_MSGSTORE_ROCKSDB_READ_H

#include <rocksdb/c.h>

#include "ports/msgstore.h"

/** Appends the value of `key`. KITH_E_NOTFOUND, KITH_E_IO, KITH_E_DAMAGED, KITH_E_TOOBIG, KITH_E_NOMEM. */
KITH_MUST_USE kith_err rocksdb_read_value(rocksdb_t *db, const rocksdb_readoptions_t *options, struct kith_slice key,
                                          struct kith_buf *out);

/** Fills the out fields of `op`: one consistent view of the rows, one seek. */
void rocksdb_read_page(rocksdb_t *db, struct msgstore_scan *op);

#endif
