#ifndef KITH_ADAPTERS_DIRECTORY_SQLITE_SCHEMA_H
#define KITH_ADAPTERS_DIRECTORY_SQLITE_SCHEMA_H

#include <sqlite3.h>

#include "ports/directory.h"

/**
 * Applies the migrations that the file does not have yet, each in a transaction of its own. On error `problem` says what.
 * KITH_E_UNSUPPORTED: it has some that this program does not know.
 */
KITH_MUST_USE kith_err sqlite_schema_migrate(sqlite3 *db, char problem[static 256]);

/** KITH_E_DAMAGED unless tables, columns, types, keys and indexes are what the descriptors say. */
KITH_MUST_USE kith_err sqlite_schema_check(sqlite3 *db, const struct directory_table *const *tables,
                                           char problem[static 256]);

/** The number of the newest migration this program knows. */
int sqlite_schema_newest(void);

#endif
