#ifndef KITH_PORTS_DIRECTORY_H
#define KITH_PORTS_DIRECTORY_H

#include "base/id.h"
#include "base/limits.h"
#include "loop/loop.h"

/**
 * People, devices, sessions, invites: small relational tables with durable, serialised transactions.
 * directory_sqlite.c (embedded), directory_mem.c (reference), PostgreSQL.
 *
 * What the rows mean is written once, in src/account/; an adapter only stores records. So a transaction is a function
 * that runs on the directory's own thread and may block: directory_call() takes it there and brings the answer back to
 * the caller's loop. It is durable when `done` runs with KITH_OK; any other result of `run` rolls everything back.
 *
 * run() may make mistakes (a refused put is one) and go on: nothing of what failed was done. But when the engine itself
 * failed, the call ends with that error, whatever run() returns.
 *
 * The tables are described by data (directory_table below), from which the adapters make their statements. A record is
 * a C struct; its columns sit at fixed offsets.
 */
enum directory_type {
    DIRECTORY_ID,   /* struct kith_uuid                                   */
    DIRECTORY_U64,  /* uint64_t, < 2^63                                   */
    DIRECTORY_TEXT, /* char[bytes_max], NUL-terminated UTF-8              */
    DIRECTORY_BLOB, /* struct directory_blob with bytes_max bytes of room */
};

struct directory_blob { /* head of a blob column: followed in the record by its bytes */
    uint32_t len;
    uint8_t bytes[];
};
#define DIRECTORY_BLOB_OF(bytes_max) \
    struct {                         \
        uint32_t len;                \
        uint8_t bytes[bytes_max];    \
    }

struct directory_column {
    const char *name;
    enum directory_type type;
    size_t offset;
    size_t bytes_max; /* TEXT: with the NUL; BLOB: without the length */
};

#define DIRECTORY_COLUMNS_MAX 16
#define DIRECTORY_INDEXES_MAX 6

/*
 * Orders rows by its columns: ids and blobs by bytes, then length; text by its UTF-8 bytes; numbers by value. One that is
 * not unique ends in the columns of the primary key, so that no two rows are equal in it.
 */
#define DIRECTORY_INDEX_COLUMNS_MAX 4
struct directory_index {
    const char *name;
    bool unique;                                  /* index 0 is the primary key and always is */
    bool sparse;                                  /* rows whose first column (a blob) is empty are not in it */
    uint8_t columns[DIRECTORY_INDEX_COLUMNS_MAX]; /* numbers into columns */
    uint8_t column_count;
};

struct directory_table {
    const char *name;
    size_t record_bytes;
    const struct directory_column *columns;
    uint8_t column_count;
    const struct directory_index *indexes;
    uint8_t index_count;
};

struct directory_tx; /* the adapter's, valid inside run() only */

struct directory_tx_ops {
    /* In: the columns of `index` in *record. Out: the whole record. KITH_E_NOTFOUND leaves it as it was. */
    kith_err (*get)(struct directory_tx *tx, const struct directory_table *table, unsigned index, void *record);
    /* Inserts, or replaces the row with the same primary key. KITH_E_CONFLICT: another row has a unique index's value. */
    kith_err (*put)(struct directory_tx *tx, const struct directory_table *table, const void *record);
    /* KITH_E_NOTFOUND when there was none. Only the primary key's columns of *record are looked at. */
    kith_err (*del)(struct directory_tx *tx, const struct directory_table *table, const void *record);
    /* Rows whose first `columns` columns of `index` equal those in *key, ascending in the whole index; with `after`,
     * only rows greater than *key in the whole index. `each` gets a record valid during the call and ends the scan by
     * returning false; it must not write. `columns` 0: the whole table. */
    kith_err (*scan)(struct directory_tx *tx, const struct directory_table *table, unsigned index, unsigned columns,
                     const void *key, bool after, bool (*each)(void *arg, const void *record), void *arg);
};

struct directory_tx {
    const struct directory_tx_ops *ops;
};

struct directory_call {
    struct loop *loop;
    bool read_only;                                                        /* run() writes nothing: cheaper */
    kith_err (*run)(struct directory_call *call, struct directory_tx *tx); /* on the directory's thread */
    kith_err err;                              /* out: run's result, or KITH_E_IO, KITH_E_NOSPACE, KITH_E_FULL */
    void (*done)(struct directory_call *call); /* on loop, exactly once, never inside the call */
    struct loop_task task;                     /* the adapter's */
};

struct directory {
    const struct directory_ops *ops;
};

struct directory_ops {
    const char *name;
    void (*call)(struct directory *directory, struct directory_call *call); /* any loop's thread */
    bool (*healthy)(struct directory *directory, char reason[static 128]);  /* any thread */
    void (*close)(struct directory *directory);                             /* pending calls finish first */
};

/** At most this many calls wait; one more is answered KITH_E_FULL. */
#define DIRECTORY_QUEUE_MAX 4096

static inline void directory_call(struct directory *directory, struct directory_call *call)
{
    assert(call->run != NULL && call->done != NULL && call->loop != NULL);
    directory->ops->call(directory, call);
}

static inline KITH_MUST_USE kith_err directory_get(struct directory_tx *tx, const struct directory_table *table,
                                                   unsigned index, void *record)
{
    assert(index < table->index_count && table->indexes[index].unique);
    return tx->ops->get(tx, table, index, record);
}

static inline KITH_MUST_USE kith_err directory_put(struct directory_tx *tx, const struct directory_table *table,
                                                   const void *record)
{
    return tx->ops->put(tx, table, record);
}

static inline KITH_MUST_USE kith_err directory_del(struct directory_tx *tx, const struct directory_table *table,
                                                   const void *record)
{
    return tx->ops->del(tx, table, record);
}

static inline KITH_MUST_USE kith_err directory_scan(struct directory_tx *tx, const struct directory_table *table,
                                                    unsigned index, unsigned columns, const void *key, bool after,
                                                    bool (*each)(void *arg, const void *record), void *arg)
{
    assert(index < table->index_count && columns <= table->indexes[index].column_count);
    assert(key != NULL || (columns == 0 && !after));
    return tx->ops->scan(tx, table, index, columns, key, after, each, arg);
}

/*
 * For adapters: one column of a record, whatever its type. bytes are those of an id, text without its NUL, or blob.
 */
struct directory_value {
    uint64_t number; /* DIRECTORY_U64 */
    struct kith_slice bytes;
};

/** Lends from the record. A text without NUL, a blob longer than its room, a number of 2^63 or more: asserts. */
struct directory_value directory_value_get(const struct directory_column *column, const void *record);
/** Writes the column, zeros after its end. KITH_E_DAMAGED: `value` does not fit the column; the record is unchanged. */
KITH_MUST_USE kith_err directory_value_set(const struct directory_column *column, void *record,
                                           struct directory_value value);
/** Copies a record with zeros where no column has a byte: equal rows are equal memory. Both have record_bytes. */
void directory_record_copy(const struct directory_table *table, void *to, const void *from);

#endif
