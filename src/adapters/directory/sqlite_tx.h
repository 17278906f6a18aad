#ifndef KITH_ADAPTERS_DIRECTORY_SQLITE_TX_H
#define KITH_ADAPTERS_DIRECTORY_SQLITE_TX_H

#include <sqlite3.h>

#include "ports/directory.h"

/**
 * What a directory_tx does, as SQL. The statements are made from the table descriptors and kept prepared. One thread.
 */
#define SQLITE_TX_TABLES_MAX 16

struct sqlite_statements { /* of one table; made when they are first used */
    sqlite3_stmt *put, *del;
    sqlite3_stmt *get[DIRECTORY_INDEXES_MAX];
    sqlite3_stmt *scan[DIRECTORY_INDEXES_MAX][DIRECTORY_INDEX_COLUMNS_MAX + 1][2]; /* [columns][after] */
};

struct sqlite_tx {
    struct directory_tx base;
    sqlite3 *db;
    const struct directory_table *const *tables;
    struct sqlite_statements statements[SQLITE_TX_TABLES_MAX];
    bool read_only;  /* of the running call */
    kith_err failed; /* the engine's first failure in it; KITH_E_CONFLICT is none */
};

void sqlite_tx_init(struct sqlite_tx *tx, sqlite3 *db, const struct directory_table *const *tables);
void sqlite_tx_deinit(struct sqlite_tx *tx);

/** What a SQLite result means to us. SQLITE_OK, _ROW and _DONE: KITH_OK; a broken unique index: KITH_E_CONFLICT. */
kith_err sqlite_err(int result);

#endif
