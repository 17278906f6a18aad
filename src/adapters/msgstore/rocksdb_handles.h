#ifndef KITH_ADAPTERS_MSGSTORE_ROCKSDB_HANDLES_H
#define KITH_ADAPTERS_MSGSTORE_ROCKSDB_HANDLES_H

#include <rocksdb/db.h>
#include <rocksdb/options.h>

/*
 * The handles of c.h, as RocksDB's db/c.cc defines them (unchanged from LevelDB's days to 9.x). C++ only. c.h keeps them
 * opaque; the tests of msgstore_rocksdb would not survive a change.
 */
extern "C" {
struct rocksdb_t {
    rocksdb::DB *rep;
};
struct rocksdb_options_t {
    rocksdb::Options rep;
};
}

#endif
