#include "adapters/directory/directory_mem_image.h"

#include <stdlib.h>

/* An index key of bytes that sort as its columns do. A blob takes two bytes for each zero, and ends in two zeros. */
#define COLUMN_BYTES_MAX 256
#define KEY_BYTES_MAX    (DIRECTORY_INDEX_COLUMNS_MAX * (2 * COLUMN_BYTES_MAX + 2))

struct index_key {
    size_t len;
    uint8_t bytes[KEY_BYTES_MAX];
};

static struct kith_slice key_slice(const struct index_key *key)
{
    return kith_slice_of(key->bytes, key->len);
}

static void key_add(struct index_key *key, const struct directory_column *column, const void *record)
{
    struct directory_value value = directory_value_get(column, record);
    uint8_t *at = key->bytes + key->len;

    assert(value.bytes.len <= COLUMN_BYTES_MAX);
    switch (column->type) {
    case DIRECTORY_U64:
        kith_put_u64_be(at, value.number);
        at += 8;
        break;
    case DIRECTORY_ID:
    case DIRECTORY_TEXT: /* its end is the zero byte that no text contains */
        memcpy(at, value.bytes.ptr, value.bytes.len);
        at += value.bytes.len;
        if (column->type == DIRECTORY_TEXT) *at++ = 0;
        break;
    case DIRECTORY_BLOB:
        for (size_t i = 0; i < value.bytes.len; i++) {
            *at++ = value.bytes.ptr[i];
            if (value.bytes.ptr[i] == 0) *at++ = 0xff;
        }
        *at++ = 0;
        *at++ = 0;
        break;
    }
    key->len = (size_t)(at - key->bytes);
}

/** The first `columns` columns of an index. */
static void key_make(struct index_key *key, const struct directory_table *table, unsigned index, unsigned columns,
                     const void *record)
{
    const struct directory_index *at = &table->indexes[index];

    key->len = 0;
    for (unsigned i = 0; i < columns; i++) key_add(key, &table->columns[at->columns[i]], record);
}

static void key_of(struct index_key *key, const struct directory_table *table, unsigned index, const void *record)
{
    key_make(key, table, index, table->indexes[index].column_count, record);
}

/** False: a sparse index does not have this row. */
static bool index_has(const struct directory_table *table, unsigned index, const void *record)
{
    const struct directory_index *at = &table->indexes[index];

    return !at->sparse || directory_value_get(&table->columns[at->columns[0]], record).bytes.len > 0;
}

/* ------------------------------------------------------------------------------------------------ rows */

static void *index_find(const struct mem_table *table, unsigned index, const void *record)
{
    struct kith_ordered_node *node;
    struct index_key key;

    if (!index_has(table->table, index, record)) return NULL;
    key_of(&key, table->table, index, record);
    node = kith_ordered_find(&table->indexes[index], key_slice(&key));
    return node == NULL ? NULL : node->value;
}

/** Takes a record out of every index that leads to it. */
static void row_unlink(struct mem_table *table, const void *record)
{
    for (unsigned i = 0; i < table->table->index_count; i++) {
        struct kith_ordered_node *node;
        struct index_key key;

        if (!index_has(table->table, i, record)) continue;
        key_of(&key, table->table, i, record);
        node = kith_ordered_find(&table->indexes[i], key_slice(&key));
        if (node != NULL && node->value == record) (void)kith_ordered_remove(&table->indexes[i], node);
    }
}

/** Leads every index to `record`, also where it led to another one. KITH_E_NOMEM: some do. */
static kith_err row_link(struct mem_table *table, void *record)
{
    for (unsigned i = 0; i < table->table->index_count; i++) {
        struct kith_ordered_node *node = NULL;
        struct index_key key;

        if (!index_has(table->table, i, record)) continue;
        key_of(&key, table->table, i, record);
        if (kith_ordered_add(&table->indexes[i], key_slice(&key), &node) == KITH_E_NOMEM) return KITH_E_NOMEM;
        node->value = record;
    }
    return KITH_OK;
}

/** One row becomes another; either may be NULL. KITH_E_NOMEM: it is as it was. */
static kith_err row_replace(struct mem_table *table, void *before, void *after)
{
    kith_err err = after == NULL ? KITH_OK : row_link(table, after);

    if (err != KITH_OK) {
        row_unlink(table, after);
        /* The nodes that both rows share led to `after`: they are gone, so this adds as many as were removed. */
        if (before != NULL && row_link(table, before) != KITH_OK) abort();
        return err;
    }
    if (before != NULL) row_unlink(table, before);
    return KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ transactions */

static struct mem_tx *tx_of(struct directory_tx *tx)
{
    return (struct mem_tx *)tx;
}

static struct mem_table *tx_table(struct mem_tx *tx, const struct directory_table *table)
{
    for (size_t i = 0; i < tx->image->table_count; i++)
        if (tx->image->tables[i].table == table) return &tx->image->tables[i];
    assert(!"a table of this directory");
    return NULL;
}

static kith_err tx_change(struct mem_tx *tx, struct mem_table *table, void *before, void *after)
{
    struct mem_change *change = calloc(1, sizeof *change);
    kith_err err = change == NULL ? KITH_E_NOMEM : row_replace(table, before, after);

    if (err != KITH_OK) {
        free(change);
        tx->failed = err;
        return err;
    }
    *change = (struct mem_change){.next = tx->changes, .table = table, .before = before, .after = after};
    tx->changes = change;
    return KITH_OK;
}

static kith_err tx_get(struct directory_tx *base, const struct directory_table *table, unsigned index, void *record)
{
    void *found = index_find(tx_table(tx_of(base), table), index, record);

    if (found == NULL) return KITH_E_NOTFOUND;
    memcpy(record, found, table->record_bytes);
    return KITH_OK;
}

static kith_err tx_put(struct directory_tx *base, const struct directory_table *table, const void *record)
{
    struct mem_tx *tx = tx_of(base);
    struct mem_table *rows = tx_table(tx, table);
    void *before = index_find(rows, 0, record);
    void *after;
    kith_err err;

    assert(!tx->read_only);
    for (unsigned i = 1; i < table->index_count; i++) {
        void *other = table->indexes[i].unique ? index_find(rows, i, record) : NULL;
        if (other != NULL && other != before) return KITH_E_CONFLICT;
    }
    after = malloc(table->record_bytes);
    if (after == NULL) return tx->failed = KITH_E_NOMEM;
    directory_record_copy(table, after, record);
    err = tx_change(tx, rows, before, after);
    if (err != KITH_OK) free(after);
    return err;
}

static kith_err tx_del(struct directory_tx *base, const struct directory_table *table, const void *record)
{
    struct mem_tx *tx = tx_of(base);
    struct mem_table *rows = tx_table(tx, table);
    void *before = index_find(rows, 0, record);

    assert(!tx->read_only);
    return before == NULL ? KITH_E_NOTFOUND : tx_change(tx, rows, before, NULL);
}

static kith_err tx_scan(struct directory_tx *base, const struct directory_table *table, unsigned index,
                        unsigned columns, const void *key, bool after, bool (*each)(void *arg, const void *record),
                        void *arg)
{
    const struct kith_ordered *rows = &tx_table(tx_of(base), table)->indexes[index];
    struct kith_ordered_node *node;
    struct index_key prefix, from;

    key_make(&prefix, table, index, columns, key);
    from = prefix;
    if (after) key_of(&from, table, index, key);
    node = kith_ordered_seek(rows, key_slice(&from));
    if (after && node != NULL && kith_slice_eq(kith_ordered_key(node), key_slice(&from)))
        node = kith_ordered_next(node);
    for (; node != NULL; node = kith_ordered_next(node)) {
        struct kith_slice at = kith_ordered_key(node);

        if (at.len < prefix.len || memcmp(at.ptr, prefix.bytes, prefix.len) != 0) break;
        if (!each(arg, node->value)) break;
    }
    return KITH_OK;
}

static const struct directory_tx_ops tx_ops = {.get = tx_get, .put = tx_put, .del = tx_del, .scan = tx_scan};

void mem_tx_begin(struct mem_tx *tx, struct directory_mem_image *image, bool read_only)
{
    *tx = (struct mem_tx){.base = {.ops = &tx_ops}, .image = image, .read_only = read_only};
}

void mem_tx_commit(struct mem_tx *tx)
{
    while (tx->changes != NULL) {
        struct mem_change *change = tx->changes;

        tx->changes = change->next;
        free(change->before);
        free(change);
    }
}

void mem_tx_rollback(struct mem_tx *tx)
{
    while (tx->changes != NULL) {
        struct mem_change *change = tx->changes;

        tx->changes = change->next;
        if (row_replace(change->table, change->after, change->before) != KITH_OK) abort();
        free(change->after);
        free(change);
    }
}

/* ------------------------------------------------------------------------------------------------ the image as a whole */

struct directory_mem_image *directory_mem_image_new(const struct directory_table *const *tables)
{
    struct directory_mem_image *image = calloc(1, sizeof *image);

    if (image == NULL) return NULL;
    pthread_mutex_init(&image->lock, NULL);
    for (; *tables != NULL; tables++) {
        struct mem_table *table = &image->tables[image->table_count++];

        assert(image->table_count <= DIRECTORY_MEM_TABLES_MAX);
        table->table = *tables;
        for (unsigned i = 0; i < DIRECTORY_INDEXES_MAX; i++) kith_ordered_init(&table->indexes[i], i);
    }
    return image;
}

void directory_mem_image_free(struct directory_mem_image *image)
{
    if (image == NULL) return;
    assert(image->directory == NULL);
    for (size_t i = 0; i < image->table_count; i++)
        for (unsigned k = 0; k < DIRECTORY_INDEXES_MAX; k++)
            kith_ordered_deinit(&image->tables[i].indexes[k], k == 0 ? free : NULL);
    pthread_mutex_destroy(&image->lock);
    free(image);
}
