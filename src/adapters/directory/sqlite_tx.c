#include "adapters/directory/sqlite_tx.h"

#include <stdlib.h>

#include "base/buf.h"

#define SQL_BYTES_MAX 4096

kith_err sqlite_err(int result)
{
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return KITH_OK;
    case SQLITE_FULL: return KITH_E_NOSPACE;
    case SQLITE_NOMEM: return KITH_E_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return KITH_E_DAMAGED;
    case SQLITE_CONSTRAINT:
        if (result == SQLITE_CONSTRAINT_UNIQUE || result == SQLITE_CONSTRAINT_PRIMARYKEY) return KITH_E_CONFLICT;
        return KITH_E_DAMAGED; /* the schema refuses what the descriptor allows: they were compared at open */
    default: return KITH_E_IO;
    }
}

static struct sqlite_tx *tx_of(struct directory_tx *tx)
{
    return (struct sqlite_tx *)tx;
}

static struct sqlite_statements *tx_statements(struct sqlite_tx *tx, const struct directory_table *table)
{
    size_t i = 0;

    while (tx->tables[i] != NULL && tx->tables[i] != table) i++;
    assert(tx->tables[i] == table && i < SQLITE_TX_TABLES_MAX);
    return &tx->statements[i];
}

static kith_err tx_fail(struct sqlite_tx *tx, kith_err err)
{
    if (err != KITH_OK && err != KITH_E_CONFLICT && tx->failed == KITH_OK) tx->failed = err;
    return err;
}

/* ------------------------------------------------------------------------------------------------ making statements */

static kith_err sql_columns(struct kith_buf *sql, const struct directory_table *table)
{
    kith_err err = KITH_OK;

    for (unsigned i = 0; i < table->column_count && err == KITH_OK; i++)
        err = kith_buf_printf(sql, "%s%s", i == 0 ? "" : ", ", table->columns[i].name);
    return err;
}

/** The columns `from` to `to` - 1 of an index. With `numbers`, parameters instead of names. */
static kith_err sql_index(struct kith_buf *sql, const struct directory_table *table, unsigned index, unsigned from,
                          unsigned to, bool numbers)
{
    const struct directory_index *at = &table->indexes[index];
    kith_err err = KITH_OK;

    for (unsigned i = from; i < to && err == KITH_OK; i++) {
        const char *comma = i == from ? "" : ", ";
        err = numbers ? kith_buf_printf(sql, "%s?%u", comma, i + 1)
                      : kith_buf_printf(sql, "%s%s", comma, table->columns[at->columns[i]].name);
    }
    return err;
}

/** Parameter n is column n - 1 of the index. */
static kith_err sql_where(struct kith_buf *sql, const struct directory_table *table, unsigned index, unsigned columns,
                          bool after)
{
    const struct directory_index *at = &table->indexes[index];
    kith_err err = kith_buf_append_str(sql, " WHERE 1");

    for (unsigned i = 0; i < columns && err == KITH_OK; i++)
        err = kith_buf_printf(sql, " AND %s = ?%u", table->columns[at->columns[i]].name, i + 1);
    if (err == KITH_OK && at->sparse) /* the words of the index itself, else SQLite does not use it */
        err = kith_buf_printf(sql, " AND %s <> x''", table->columns[at->columns[0]].name);
    if (!after) return err;
    if (err == KITH_OK) err = kith_buf_append_str(sql, " AND (");
    if (err == KITH_OK) err = sql_index(sql, table, index, columns, at->column_count, false);
    if (err == KITH_OK) err = kith_buf_append_str(sql, ") > (");
    if (err == KITH_OK) err = sql_index(sql, table, index, columns, at->column_count, true);
    if (err == KITH_OK) err = kith_buf_append_str(sql, ")");
    return err;
}

static kith_err sql_select(struct kith_buf *sql, const struct directory_table *table, unsigned index, unsigned columns,
                           bool after)
{
    kith_err err = kith_buf_append_str(sql, "SELECT ");

    if (err == KITH_OK) err = sql_columns(sql, table);
    if (err == KITH_OK) err = kith_buf_printf(sql, " FROM %s", table->name);
    if (err == KITH_OK) err = sql_where(sql, table, index, columns, after);
    if (err == KITH_OK && columns < table->indexes[index].column_count) { /* else it is one row at most */
        err = kith_buf_append_str(sql, " ORDER BY ");
        if (err == KITH_OK) err = sql_index(sql, table, index, 0, table->indexes[index].column_count, false);
    }
    return err;
}

/** Parameter n is column n - 1 of the table. An upsert, as REPLACE would also remove other rows that are in the way. */
static kith_err sql_put(struct kith_buf *sql, const struct directory_table *table)
{
    const char *word = "";
    kith_err err = kith_buf_printf(sql, "INSERT INTO %s (", table->name);

    if (err == KITH_OK) err = sql_columns(sql, table);
    if (err == KITH_OK) err = kith_buf_append_str(sql, ") VALUES (");
    for (unsigned i = 0; i < table->column_count && err == KITH_OK; i++)
        err = kith_buf_printf(sql, "%s?%u", i == 0 ? "" : ", ", i + 1);
    if (err == KITH_OK) err = kith_buf_append_str(sql, ") ON CONFLICT (");
    if (err == KITH_OK) err = sql_index(sql, table, 0, 0, table->indexes[0].column_count, false);
    if (err == KITH_OK) err = kith_buf_append_str(sql, ") DO UPDATE SET ");
    for (unsigned i = 0; i < table->column_count && err == KITH_OK; i++) {
        bool is_key = memchr(table->indexes[0].columns, (int)i, table->indexes[0].column_count) != NULL;
        if (is_key) continue;
        err = kith_buf_printf(sql, "%s%s = excluded.%s", word, table->columns[i].name, table->columns[i].name);
        word = ", ";
    }
    assert(word[0] != '\0'); /* a table of nothing but its key has no use here */
    return err;
}

static kith_err sql_del(struct kith_buf *sql, const struct directory_table *table)
{
    kith_err err = kith_buf_printf(sql, "DELETE FROM %s", table->name);

    return err == KITH_OK ? sql_where(sql, table, 0, table->indexes[0].column_count, false) : err;
}

/* ------------------------------------------------------------------------------------------------ running statements */

/** Prepares what was written into `sql` (with `err`), into the table's place for it. */
static kith_err tx_prepare(struct sqlite_tx *tx, struct kith_buf *sql, kith_err err, sqlite3_stmt **out)
{
    struct kith_slice text = kith_buf_peek(sql);

    assert(err != KITH_E_TOOBIG);
    if (err == KITH_OK)
        err = sqlite_err(
            sqlite3_prepare_v3(tx->db, (const char *)text.ptr, (int)text.len, SQLITE_PREPARE_PERSISTENT, out, NULL));
    kith_buf_deinit(sql);
    return err;
}

static int bind_column(sqlite3_stmt *statement, int n, const struct directory_column *column, const void *record)
{
    struct directory_value value = directory_value_get(column, record);
    int len = (int)value.bytes.len;

    switch (column->type) {
    case DIRECTORY_U64: return sqlite3_bind_int64(statement, n, (sqlite3_int64)value.number);
    case DIRECTORY_TEXT: return sqlite3_bind_text(statement, n, (const char *)value.bytes.ptr, len, SQLITE_STATIC);
    case DIRECTORY_ID:
    case DIRECTORY_BLOB: break;
    }
    return sqlite3_bind_blob(statement, n, value.bytes.ptr, len, SQLITE_STATIC);
}

/** Binds the first `columns` columns of an index. */
static int bind_index(sqlite3_stmt *statement, const struct directory_table *table, unsigned index, unsigned columns,
                      const void *record)
{
    int result = SQLITE_OK;

    for (unsigned i = 0; i < columns && result == SQLITE_OK; i++)
        result = bind_column(statement, (int)i + 1, &table->columns[table->indexes[index].columns[i]], record);
    return result;
}

/** The row the statement stands on. KITH_E_DAMAGED: a value that does not fit. */
static kith_err row_read(sqlite3_stmt *statement, const struct directory_table *table, void *record)
{
    kith_err err = KITH_OK;

    memset(record, 0, table->record_bytes);
    for (int i = 0; i < table->column_count && err == KITH_OK; i++) {
        struct directory_value value = {0};

        if (table->columns[i].type == DIRECTORY_U64)
            value.number = (uint64_t)sqlite3_column_int64(statement, i);
        else if (table->columns[i].type == DIRECTORY_TEXT)
            value.bytes.ptr = sqlite3_column_text(statement, i);
        else
            value.bytes.ptr = sqlite3_column_blob(statement, i);
        if (table->columns[i].type != DIRECTORY_U64) value.bytes.len = (size_t)sqlite3_column_bytes(statement, i);
        err = directory_value_set(&table->columns[i], record, value);
    }
    return err;
}

/** Steps a statement that gives no rows, and makes it ready for its next use. */
static kith_err statement_finish(sqlite3_stmt *statement, int result)
{
    if (result == SQLITE_OK) result = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return sqlite_err(result);
}

/** KITH_E_NOTFOUND when the statement gives no row. */
static kith_err statement_row(sqlite3_stmt *statement, int result, const struct directory_table *table, void *record)
{
    void *row = malloc(table->record_bytes);
    kith_err err = row == NULL ? KITH_E_NOMEM : KITH_OK;

    if (err == KITH_OK && result == SQLITE_OK) result = sqlite3_step(statement);
    if (err == KITH_OK) err = sqlite_err(result);
    if (err == KITH_OK && result != SQLITE_ROW) err = KITH_E_NOTFOUND;
    if (err == KITH_OK) err = row_read(statement, table, row);
    if (err == KITH_OK) memcpy(record, row, table->record_bytes);
    free(row);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return err;
}

/* ------------------------------------------------------------------------------------------------ the port's operations */

static kith_err tx_get(struct directory_tx *base, const struct directory_table *table, unsigned index, void *record)
{
    struct sqlite_tx *tx = tx_of(base);
    sqlite3_stmt **statement = &tx_statements(tx, table)->get[index];
    unsigned columns = table->indexes[index].column_count;
    kith_err err = tx->failed;
    struct kith_buf sql;

    if (err == KITH_OK && *statement == NULL) {
        kith_buf_init(&sql, SQL_BYTES_MAX);
        err = sql_select(&sql, table, index, columns, false);
        err = tx_prepare(tx, &sql, err, statement);
    }
    if (err == KITH_OK)
        err = statement_row(*statement, bind_index(*statement, table, index, columns, record), table, record);
    return err == KITH_E_NOTFOUND ? err : tx_fail(tx, err);
}

static kith_err tx_put(struct directory_tx *base, const struct directory_table *table, const void *record)
{
    struct sqlite_tx *tx = tx_of(base);
    sqlite3_stmt **statement = &tx_statements(tx, table)->put;
    kith_err err = tx->failed;
    int result = SQLITE_OK;
    struct kith_buf sql;

    assert(!tx->read_only);
    if (err == KITH_OK && *statement == NULL) {
        kith_buf_init(&sql, SQL_BYTES_MAX);
        err = sql_put(&sql, table);
        err = tx_prepare(tx, &sql, err, statement);
    }
    if (err != KITH_OK) return tx_fail(tx, err);
    for (int i = 0; i < table->column_count && result == SQLITE_OK; i++)
        result = bind_column(*statement, i + 1, &table->columns[i], record);
    return tx_fail(tx, statement_finish(*statement, result));
}

static kith_err tx_del(struct directory_tx *base, const struct directory_table *table, const void *record)
{
    struct sqlite_tx *tx = tx_of(base);
    sqlite3_stmt **statement = &tx_statements(tx, table)->del;
    unsigned columns = table->indexes[0].column_count;
    kith_err err = tx->failed;
    struct kith_buf sql;

    assert(!tx->read_only);
    if (err == KITH_OK && *statement == NULL) {
        kith_buf_init(&sql, SQL_BYTES_MAX);
        err = sql_del(&sql, table);
        err = tx_prepare(tx, &sql, err, statement);
    }
    if (err == KITH_OK) err = statement_finish(*statement, bind_index(*statement, table, 0, columns, record));
    if (err != KITH_OK) return tx_fail(tx, err);
    return sqlite3_changes(tx->db) == 0 ? KITH_E_NOTFOUND : KITH_OK;
}

static kith_err scan_rows(sqlite3_stmt *statement, const struct directory_table *table,
                          bool (*each)(void *arg, const void *record), void *arg)
{
    void *row = malloc(table->record_bytes);
    kith_err err = row == NULL ? KITH_E_NOMEM : KITH_OK;

    while (err == KITH_OK) {
        int result = sqlite3_step(statement);

        err = sqlite_err(result);
        if (err == KITH_OK && result != SQLITE_ROW) break;
        if (err == KITH_OK) err = row_read(statement, table, row);
        if (err == KITH_OK && !each(arg, row)) break;
    }
    free(row);
    return err;
}

static kith_err tx_scan(struct directory_tx *base, const struct directory_table *table, unsigned index,
                        unsigned columns, const void *key, bool after, bool (*each)(void *arg, const void *record),
                        void *arg)
{
    struct sqlite_tx *tx = tx_of(base);
    sqlite3_stmt **kept = &tx_statements(tx, table)->scan[index][columns][after];
    sqlite3_stmt *statement = *kept;
    kith_err err = tx->failed;
    struct kith_buf sql;

    if (after && columns == table->indexes[index].column_count) return tx_fail(tx, err); /* greater than its equal */
    *kept = NULL; /* taken, so that a scan inside `each` makes one of its own */
    if (err == KITH_OK && statement == NULL) {
        kith_buf_init(&sql, SQL_BYTES_MAX);
        err = sql_select(&sql, table, index, columns, after);
        err = tx_prepare(tx, &sql, err, &statement);
    }
    if (err == KITH_OK) {
        unsigned bound = after ? table->indexes[index].column_count : columns;
        err = sqlite_err(bind_index(statement, table, index, bound, key));
    }
    if (err == KITH_OK) err = scan_rows(statement, table, each, arg);
    if (statement != NULL) {
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
    }
    if (*kept == NULL)
        *kept = statement;
    else
        (void)sqlite3_finalize(statement);
    return tx_fail(tx, err);
}

static const struct directory_tx_ops tx_ops = {.get = tx_get, .put = tx_put, .del = tx_del, .scan = tx_scan};

void sqlite_tx_init(struct sqlite_tx *tx, sqlite3 *db, const struct directory_table *const *tables)
{
    memset(tx, 0, sizeof *tx);
    tx->base.ops = &tx_ops;
    tx->db = db;
    tx->tables = tables;
}

void sqlite_tx_deinit(struct sqlite_tx *tx)
{
    for (size_t i = 0; i < SQLITE_TX_TABLES_MAX; i++) {
        struct sqlite_statements *at = &tx->statements[i];

        (void)sqlite3_finalize(at->put);
        (void)sqlite3_finalize(at->del);
        for (size_t k = 0; k < DIRECTORY_INDEXES_MAX; k++) {
            (void)sqlite3_finalize(at->get[k]);
            for (size_t c = 0; c <= DIRECTORY_INDEX_COLUMNS_MAX; c++) {
                (void)sqlite3_finalize(at->scan[k][c][0]);
                (void)sqlite3_finalize(at->scan[k][c][1]);
            }
        }
    }
}
