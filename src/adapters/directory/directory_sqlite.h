#ifndef KITH_ADAPTERS_DIRECTORY_DIRECTORY_SQLITE_H
#define KITH_ADAPTERS_DIRECTORY_DIRECTORY_SQLITE_H

#include "ports/directory.h"

/**
 * The embedded directory: one SQLite file in WAL mode, synchronous=FULL, worked on by one thread of its own.
 *
 * Calls that wait together share one COMMIT, and so one sync: each runs in a savepoint of its own, and all of them
 * complete after it. A call whose run() fails rolls back alone; when the COMMIT fails, all that shared it fail.
 *
 * The schema is made and brought up to date at open by numbered migrations (migrations/NNNN_name.sql, compiled in);
 * PRAGMA user_version is the last one applied.
 */
struct directory_sqlite_config {
    const char *path;                            /* of the file; made when missing, mode 0600; copied   */
    const struct directory_table *const *tables; /* directory_tables: must be what the migrations make */
};

/**
 * Opens or creates. On error `problem` says what and what can be done.
 *
 * KITH_E_UNSUPPORTED  the schema is newer than this program
 * KITH_E_DAMAGED      not a database, or its tables are not those of `tables`
 * KITH_E_IO, KITH_E_NOSPACE, KITH_E_NOMEM
 */
KITH_MUST_USE kith_err directory_sqlite_open(const struct directory_sqlite_config *config, char problem[static 256],
                                             struct directory **out);

#endif
