#include "adapters/directory/sqlite_schema.h"

#include <stdio.h>

#include "adapters/directory/sqlite_tx.h"

static const unsigned char migration_0001[] = {
#include "embed/0001_init.sql.inc"
};
static const unsigned char migration_0002[] = {
#include "embed/0002_keys.sql.inc"
};

/** In order; entry i has the number i + 1. What was released is never changed, only followed by another. */
static const unsigned char *const migrations[] = {migration_0001, migration_0002};

int sqlite_schema_newest(void)
{
    return (int)(sizeof migrations / sizeof migrations[0]);
}

/* ------------------------------------------------------------------------------------------------ migrations */

static kith_err exec(sqlite3 *db, const char *sql)
{
    return sqlite_err(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static kith_err version_read(sqlite3 *db, int *version)
{
    sqlite3_stmt *statement = NULL;
    kith_err err = sqlite_err(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL));
    int result = SQLITE_ERROR;

    if (err == KITH_OK) result = sqlite3_step(statement);
    if (err == KITH_OK) err = sqlite_err(result);
    if (err == KITH_OK && result == SQLITE_ROW) *version = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return err;
}

static kith_err version_write(sqlite3 *db, int version)
{
    char sql[64];

    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version); /* it takes no parameters */
    return exec(db, sql);
}

/** One step, or none when the file is up to date. In a transaction: two processes may start at once. */
static kith_err migrate_step(sqlite3 *db, int *version)
{
    kith_err err = exec(db, "BEGIN IMMEDIATE");

    if (err != KITH_OK) return err;
    err = version_read(db, version);
    if (err == KITH_OK && *version >= 0 && *version < sqlite_schema_newest()) {
        err = exec(db, (const char *)migrations[*version]);
        if (err == KITH_OK) err = version_write(db, *version + 1);
        if (err == KITH_OK) *version += 1;
    }
    if (err == KITH_OK) err = exec(db, "COMMIT");
    if (err != KITH_OK && sqlite3_get_autocommit(db) == 0) (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

kith_err sqlite_schema_migrate(sqlite3 *db, char problem[static 256])
{
    int version = 0, newest = sqlite_schema_newest();
    kith_err err = KITH_OK;

    do {
        err = migrate_step(db, &version);
        if (err != KITH_OK) {
            (void)snprintf(problem, 256, "migration %04d failed: %.160s", version + 1, sqlite3_errmsg(db));
            return err;
        }
    } while (version < newest);
    if (version == newest) return KITH_OK;
    (void)snprintf(
        problem, 256,
        "its schema is version %d, and this program knows versions up to %d: run the newer kithd that made it, "
        "or restore a backup from before its upgrade",
        version, newest);
    return KITH_E_UNSUPPORTED;
}

/* ------------------------------------------------------------------------------------------------ check */

static const char *type_name(enum directory_type type)
{
    switch (type) {
    case DIRECTORY_U64: return "INTEGER";
    case DIRECTORY_TEXT: return "TEXT";
    case DIRECTORY_ID:
    case DIRECTORY_BLOB: break;
    }
    return "BLOB";
}

/** The place of a column in the primary key, from 1; 0: not in it. */
static int key_place(const struct directory_table *table, unsigned column)
{
    for (int i = 0; i < table->indexes[0].column_count; i++)
        if (table->indexes[0].columns[i] == column) return i + 1;
    return 0;
}

static bool text_is(sqlite3_stmt *statement, int column, const char *text)
{
    const char *value = (const char *)sqlite3_column_text(statement, column);
    return value != NULL && strcmp(value, text) == 0;
}

/** Runs `sql` with parameter 1 a name; `row` is asked of each row and says whether it is as it must be. */
static kith_err check_rows(sqlite3 *db, const char *sql, const char *name, unsigned rows_wanted,
                           bool (*row)(sqlite3_stmt *statement, unsigned n, const void *arg), const void *arg)
{
    sqlite3_stmt *statement = NULL;
    kith_err err = sqlite_err(sqlite3_prepare_v2(db, sql, -1, &statement, NULL));
    unsigned rows = 0;
    int result = SQLITE_ROW;

    if (err == KITH_OK) err = sqlite_err(sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC));
    while (err == KITH_OK) {
        result = sqlite3_step(statement);
        err = sqlite_err(result);
        if (err != KITH_OK || result != SQLITE_ROW) break;
        if (rows >= rows_wanted || !row(statement, rows, arg)) err = KITH_E_DAMAGED;
        rows++;
    }
    if (err == KITH_OK && rows != rows_wanted) err = KITH_E_DAMAGED;
    (void)sqlite3_finalize(statement);
    return err;
}

static bool column_is(sqlite3_stmt *statement, unsigned n, const void *arg)
{
    const struct directory_table *table = arg;
    const struct directory_column *column = &table->columns[n];

    return text_is(statement, 0, column->name) && text_is(statement, 1, type_name(column->type)) &&
           sqlite3_column_int(statement, 2) == 1 && sqlite3_column_int(statement, 3) == key_place(table, n);
}

struct index_wanted {
    const struct directory_table *table;
    const struct directory_index *index;
};

static bool index_column_is(sqlite3_stmt *statement, unsigned n, const void *arg)
{
    const struct index_wanted *wanted = arg;
    return text_is(statement, 0, wanted->table->columns[wanted->index->columns[n]].name);
}

static bool index_is(sqlite3_stmt *statement, unsigned n, const void *arg)
{
    const struct index_wanted *wanted = arg;

    (void)n;
    return text_is(statement, 0, wanted->table->name) &&
           sqlite3_column_int(statement, 1) == (wanted->index->unique ? 1 : 0) &&
           sqlite3_column_int(statement, 2) == (wanted->index->sparse ? 1 : 0);
}

static kith_err check_table(sqlite3 *db, const struct directory_table *table, char problem[static 256])
{
    kith_err err = check_rows(db, "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1) ORDER BY cid",
                              table->name, table->column_count, column_is, table);

    if (err != KITH_OK) {
        (void)snprintf(problem, 256, "the columns of table %s are not those this program works with", table->name);
        return err;
    }
    for (unsigned i = 1; i < table->index_count; i++) {
        struct index_wanted wanted = {.table = table, .index = &table->indexes[i]};

        err = check_rows(db, "SELECT name FROM pragma_index_info(?1) ORDER BY seqno", wanted.index->name,
                         wanted.index->column_count, index_column_is, &wanted);
        if (err == KITH_OK)
            err = check_rows(db,
                             "SELECT m.tbl_name, l.\"unique\", l.partial FROM sqlite_schema m, "
                             "pragma_index_list(m.tbl_name) l WHERE m.type = 'index' AND m.name = ?1 AND l.name = ?1",
                             wanted.index->name, 1, index_is, &wanted);
        if (err != KITH_OK) {
            (void)snprintf(problem, 256, "the index %s is not what this program works with", wanted.index->name);
            return err;
        }
    }
    return KITH_OK;
}

kith_err sqlite_schema_check(sqlite3 *db, const struct directory_table *const *tables, char problem[static 256])
{
    kith_err err = KITH_OK;

    for (; *tables != NULL && err == KITH_OK; tables++) err = check_table(db, *tables, problem);
    return err;
}
