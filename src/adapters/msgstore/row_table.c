#include "adapters/msgstore/row_table.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/ordered.h"
#include "base/slice.h"

#define CHUNK_ROWS_MIN   4u
#define CHUNK_ROWS_MAX   64u
#define VERSIONS_A_BLOCK 1024u

struct row_version {
    struct row_version *newer, *older;
    uint64_t packed;
    const char *entry;
};

struct row {
    const uint8_t *key;
    uint32_t key_len;
    struct row_version *newest, *oldest;
};

struct row_chunk {
    uint32_t count, cap;
    struct row rows[];
};

struct row_group {
    struct kith_ordered_node *node; /* among the groups */
    struct row_chunk **chunks;      /* none of them empty */
    uint32_t count, cap;
};

struct version_block {
    struct version_block *next;
    uint32_t used;
    struct row_version versions[VERSIONS_A_BLOCK];
};

struct row_table {
    pthread_rwlock_t lock; /* of all */
    struct kith_map by_prefix;
    struct kith_ordered groups;
    struct version_block *blocks;
    size_t bytes;
    uint64_t moves; /* how often rows changed their place, so that a cursor knows when to look again */
};

struct group_prefix {
    uint8_t bytes[ROW_TABLE_GROUP_BYTES];
};

#define TAIL_BYTES 8 /* of an internal key, behind the key */

struct internal_key {
    struct kith_slice key;
    uint64_t packed;
};

static struct internal_key internal_key_of(const char *bytes, size_t len)
{
    struct internal_key out = {.key = kith_slice_of(bytes, len - TAIL_BYTES)};

    assert(len >= TAIL_BYTES);
    for (int i = 0; i < TAIL_BYTES; i++) out.packed |= (uint64_t)out.key.ptr[out.key.len + (size_t)i] << (8 * i);
    return out;
}

static struct internal_key entry_key(const char *entry)
{
    size_t len = 0;
    uint8_t byte;
    int shift = 0;

    do {
        byte = (uint8_t)*entry++;
        len |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte >= 0x80);
    return internal_key_of(entry, len);
}

static void *must(void *memory)
{
    if (memory == NULL) abort();
    return memory;
}

static struct group_prefix prefix_of(struct kith_slice key)
{
    struct group_prefix prefix = {0};

    if (key.len > 0) memcpy(prefix.bytes, key.ptr, key.len < sizeof prefix.bytes ? key.len : sizeof prefix.bytes);
    return prefix;
}

static struct kith_slice row_key(const struct row *row)
{
    return kith_slice_of(row->key, row->key_len);
}

/* ------------------------------------------------------------------------------------------------ finding */

static struct row_group *group_find(const struct row_table *table, const struct group_prefix *prefix)
{
    struct row_group **group = kith_map_find(&table->by_prefix, prefix);
    return group == NULL ? NULL : *group;
}

/** The first row >= key among those of a chunk; true: it is equal. */
static bool chunk_find(const struct row_chunk *chunk, struct kith_slice key, uint32_t *row)
{
    uint32_t low = 0, high = chunk->count;
    int c = kith_slice_cmp(row_key(&chunk->rows[chunk->count - 1]), key);

    if (c <= 0) { /* as most often */
        *row = c == 0 ? chunk->count - 1 : chunk->count;
        return c == 0;
    }
    while (low < high) {
        uint32_t middle = (low + high) / 2;

        c = kith_slice_cmp(row_key(&chunk->rows[middle]), key);
        if (c == 0) {
            *row = middle;
            return true;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *row = low;
    return false;
}

/** The chunk where a key is or belongs: the last one that begins at or before it, else the first. */
static uint32_t group_chunk(const struct row_group *group, struct kith_slice key)
{
    uint32_t low = 0, high = group->count - 1;

    if (kith_slice_cmp(row_key(&group->chunks[high]->rows[0]), key) <= 0) return high;
    while (low + 1 < high) {
        uint32_t middle = (low + high) / 2;

        if (kith_slice_cmp(row_key(&group->chunks[middle]->rows[0]), key) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ------------------------------------------------------------------------------------------------ adding */

static struct row_version *version_new(struct row_table *table, uint64_t packed, const char *entry)
{
    struct version_block *block = table->blocks;
    struct row_version *version;

    if (block == NULL || block->used == VERSIONS_A_BLOCK) {
        block = must(malloc(sizeof *block));
        block->next = table->blocks;
        block->used = 0;
        table->blocks = block;
        table->bytes += sizeof *block;
    }
    version = &block->versions[block->used++];
    *version = (struct row_version){.packed = packed, .entry = entry};
    return version;
}

static struct row_group *group_make(struct row_table *table, const struct group_prefix *prefix)
{
    struct row_group **slot = NULL, *group;
    kith_err err = kith_map_add(&table->by_prefix, prefix, (void **)&slot);

    if (err == KITH_E_CONFLICT) return *slot;
    if (err != KITH_OK) abort();
    group = *slot = must(calloc(1, sizeof *group));
    err = kith_ordered_add(&table->groups, kith_slice_of(prefix->bytes, sizeof prefix->bytes), &group->node);
    if (err != KITH_OK) abort();
    group->node->value = group;
    /* with the tree's node and, on the average, the map's slot */
    table->bytes += sizeof *group + sizeof *group->node + 3 * sizeof *prefix;
    return group;
}

static struct row_chunk *group_add_chunk(struct row_table *table, struct row_group *group, uint32_t at, uint32_t rows)
{
    if (group->count == group->cap) {
        uint32_t cap = group->cap == 0 ? 1 : group->cap * 2;

        group->chunks = must(realloc(group->chunks, cap * sizeof(struct row_chunk *)));
        table->bytes += (cap - group->cap) * sizeof(struct row_chunk *);
        group->cap = cap;
    }
    memmove(&group->chunks[at + 1], &group->chunks[at], (group->count - at) * sizeof(struct row_chunk *));
    group->chunks[at] = must(calloc(1, sizeof(struct row_chunk) + rows * sizeof(struct row)));
    group->chunks[at]->cap = rows;
    table->bytes += sizeof(struct row_chunk) + rows * sizeof(struct row);
    group->count++;
    return group->chunks[at];
}

/** Makes room for one more row at (*chunk, *row), which may move to another chunk. */
static void group_make_room(struct row_table *table, struct row_group *group, uint32_t *chunk, uint32_t *row)
{
    struct row_chunk *at = group->chunks[*chunk], *upper;

    if (at->count < at->cap) return;
    if (at->cap < CHUNK_ROWS_MAX) {
        at = must(realloc(at, sizeof *at + 2 * at->cap * sizeof at->rows[0]));
        table->bytes += at->cap * sizeof at->rows[0];
        at->cap *= 2;
        group->chunks[*chunk] = at;
        return;
    }
    upper = group_add_chunk(table, group, *chunk + 1, CHUNK_ROWS_MAX);
    if (*row == at->count && *chunk + 2 == group->count) { /* behind all: full chunks stay full */
        *chunk += 1;
        *row = 0;
        return;
    }
    upper->count = at->count / 2;
    at->count -= upper->count;
    memcpy(upper->rows, &at->rows[at->count], upper->count * sizeof upper->rows[0]);
    if (*row > at->count) {
        *row -= at->count;
        *chunk += 1;
    }
}

static void row_add_version(struct row *row, struct row_version *version)
{
    struct row_version *newer = NULL, *older = row->newest;

    /* They come in order; should one not, it is still put where it belongs. */
    while (older != NULL && older->packed > version->packed) {
        newer = older;
        older = older->older;
    }
    version->newer = newer;
    version->older = older;
    *(newer == NULL ? &row->newest : &newer->older) = version;
    *(older == NULL ? &row->oldest : &older->newer) = version;
}

void row_table_add(struct row_table *table, const char *entry)
{
    struct internal_key internal = entry_key(entry);
    struct kith_slice key = internal.key;
    struct group_prefix prefix = prefix_of(key);
    struct row_group *group;
    struct row_chunk *chunk;
    uint32_t at = 0, row = 0;
    bool found = false;

    pthread_rwlock_wrlock(&table->lock);
    group = group_make(table, &prefix);
    if (group->count == 0) {
        (void)group_add_chunk(table, group, 0, CHUNK_ROWS_MIN);
    } else {
        at = group_chunk(group, key);
        found = chunk_find(group->chunks[at], key, &row);
    }
    if (!found) {
        group_make_room(table, group, &at, &row);
        chunk = group->chunks[at];
        memmove(&chunk->rows[row + 1], &chunk->rows[row], (chunk->count - row) * sizeof chunk->rows[0]);
        chunk->rows[row] = (struct row){.key = key.ptr, .key_len = (uint32_t)key.len};
        chunk->count++;
        table->moves++;
    }
    row_add_version(&group->chunks[at]->rows[row], version_new(table, internal.packed, entry));
    pthread_rwlock_unlock(&table->lock);
}

/* ------------------------------------------------------------------------------------------------ walking, locked */

static struct kith_slice cursor_key(const struct row_cursor *cursor)
{
    return kith_slice_of(cursor->key, cursor->key_len);
}

static void cursor_clear(struct row_cursor *cursor)
{
    cursor->version = NULL;
    cursor->entry = NULL;
}

static void cursor_on(struct row_cursor *cursor, struct row_version *version)
{
    cursor->version = version;
    cursor->entry = version->entry;
}

/** Onto a row of a group that has it, at its newest or its oldest version. */
static void cursor_on_row(struct row_cursor *cursor, struct row_group *group, uint32_t chunk, uint32_t row, bool newest)
{
    const struct row *at = &group->chunks[chunk]->rows[row];

    cursor->group = group;
    cursor->chunk = chunk;
    cursor->row = row;
    cursor->key = at->key;
    cursor->key_len = at->key_len;
    cursor->moves = cursor->table->moves;
    cursor_on(cursor, newest ? at->newest : at->oldest);
}

/** Onto the first row of the group at `node`, or onto none. */
static void cursor_on_group(struct row_cursor *cursor, const struct kith_ordered_node *node)
{
    if (node == NULL)
        cursor_clear(cursor);
    else
        cursor_on_row(cursor, node->value, 0, 0, true);
}

/** Onto the last row of the group at `node`, or onto none. */
static void cursor_on_group_end(struct row_cursor *cursor, const struct kith_ordered_node *node)
{
    struct row_group *group = node == NULL ? NULL : node->value;

    if (group == NULL)
        cursor_clear(cursor);
    else
        cursor_on_row(cursor, group, group->count - 1, group->chunks[group->count - 1]->count - 1, false);
}

/** Finds its row again, when rows have moved since. */
static void cursor_refresh(struct row_cursor *cursor)
{
    bool found;

    if (cursor->moves == cursor->table->moves) return;
    cursor->chunk = group_chunk(cursor->group, cursor_key(cursor));
    found = chunk_find(cursor->group->chunks[cursor->chunk], cursor_key(cursor), &cursor->row);
    assert(found);
    cursor->moves = cursor->table->moves;
}

static void cursor_next_row(struct row_cursor *cursor)
{
    struct row_group *group = cursor->group;

    if (cursor->row + 1 < group->chunks[cursor->chunk]->count)
        cursor_on_row(cursor, group, cursor->chunk, cursor->row + 1, true);
    else if (cursor->chunk + 1 < group->count)
        cursor_on_row(cursor, group, cursor->chunk + 1, 0, true);
    else
        cursor_on_group(cursor, kith_ordered_next(group->node));
}

static void cursor_step(struct row_cursor *cursor)
{
    if (cursor->version->older != NULL) {
        cursor_on(cursor, cursor->version->older);
        return;
    }
    cursor_refresh(cursor);
    cursor_next_row(cursor);
}

static void cursor_step_back(struct row_cursor *cursor)
{
    struct row_group *group = cursor->group;

    if (cursor->version->newer != NULL) {
        cursor_on(cursor, cursor->version->newer);
        return;
    }
    cursor_refresh(cursor);
    if (cursor->row > 0)
        cursor_on_row(cursor, group, cursor->chunk, cursor->row - 1, false);
    else if (cursor->chunk > 0)
        cursor_on_row(cursor, group, cursor->chunk - 1, group->chunks[cursor->chunk - 1]->count - 1, false);
    else
        cursor_on_group_end(cursor, kith_ordered_prev(group->node));
}

static void cursor_seek(struct row_cursor *cursor, struct kith_slice key, uint64_t packed)
{
    struct group_prefix prefix = prefix_of(key);
    struct row_group *group = group_find(cursor->table, &prefix);
    uint32_t chunk, row;

    if (group == NULL) {
        cursor_on_group(cursor,
                        kith_ordered_seek(&cursor->table->groups, kith_slice_of(prefix.bytes, sizeof prefix.bytes)));
        return;
    }
    chunk = group_chunk(group, key);
    if (chunk_find(group->chunks[chunk], key, &row)) {
        cursor_on_row(cursor, group, chunk, row, true);
        while (cursor->version != NULL && cursor->version->packed > packed && kith_slice_eq(cursor_key(cursor), key))
            cursor_step(cursor);
    } else if (row < group->chunks[chunk]->count) {
        cursor_on_row(cursor, group, chunk, row, true);
    } else { /* behind the chunk: from its last row on */
        cursor_on_row(cursor, group, chunk, row - 1, false);
        cursor_next_row(cursor);
    }
}

/** On a row: on this very version. */
static bool cursor_is(const struct row_cursor *cursor, struct internal_key internal)
{
    return cursor->version->packed == internal.packed && kith_slice_eq(cursor_key(cursor), internal.key);
}

/* ------------------------------------------------------------------------------------------------ the table's face */

struct row_table *row_table_new(void)
{
    struct row_table *table = must(calloc(1, sizeof *table));
    uint8_t seed[16];

    randombytes_buf(seed, sizeof seed);
    kith_map_init(&table->by_prefix, sizeof(struct group_prefix), sizeof(struct row_group *), KITH_MAP_ENTRIES_MAX,
                  seed);
    kith_ordered_init(&table->groups, kith_get_u64_be(seed));
    pthread_rwlock_init(&table->lock, NULL);
    return table;
}

static void group_free(void *value)
{
    struct row_group *group = value;

    for (uint32_t i = 0; i < group->count; i++) free(group->chunks[i]);
    free(group->chunks);
    free(group);
}

void row_table_free(struct row_table *table)
{
    if (table == NULL) return;
    kith_ordered_deinit(&table->groups, group_free);
    kith_map_deinit(&table->by_prefix);
    while (table->blocks != NULL) {
        struct version_block *block = table->blocks;

        table->blocks = block->next;
        free(block);
    }
    pthread_rwlock_destroy(&table->lock);
    free(table);
}

bool row_table_has(struct row_table *table, const char *entry)
{
    struct internal_key internal = entry_key(entry);
    struct row_cursor cursor;
    bool has;

    row_cursor_init(&cursor, table);
    pthread_rwlock_rdlock(&table->lock);
    cursor_seek(&cursor, internal.key, internal.packed);
    has = cursor.version != NULL && cursor_is(&cursor, internal);
    pthread_rwlock_unlock(&table->lock);
    return has;
}

size_t row_table_bytes(struct row_table *table)
{
    size_t bytes;

    pthread_rwlock_rdlock(&table->lock);
    bytes = table->bytes;
    pthread_rwlock_unlock(&table->lock);
    return bytes;
}

void row_cursor_init(struct row_cursor *cursor, struct row_table *table)
{
    *cursor = (struct row_cursor){.table = table};
}

void row_cursor_first(struct row_cursor *cursor)
{
    pthread_rwlock_rdlock(&cursor->table->lock);
    cursor_on_group(cursor, kith_ordered_seek(&cursor->table->groups, kith_slice_of(NULL, 0)));
    pthread_rwlock_unlock(&cursor->table->lock);
}

void row_cursor_last(struct row_cursor *cursor)
{
    pthread_rwlock_rdlock(&cursor->table->lock);
    cursor_on_group_end(cursor, kith_ordered_last(&cursor->table->groups));
    pthread_rwlock_unlock(&cursor->table->lock);
}

void row_cursor_seek(struct row_cursor *cursor, const char *internal_key, size_t len)
{
    struct internal_key internal = internal_key_of(internal_key, len);

    pthread_rwlock_rdlock(&cursor->table->lock);
    cursor_seek(cursor, internal.key, internal.packed);
    pthread_rwlock_unlock(&cursor->table->lock);
}

void row_cursor_seek_back(struct row_cursor *cursor, const char *internal_key, size_t len)
{
    struct internal_key internal = internal_key_of(internal_key, len);

    pthread_rwlock_rdlock(&cursor->table->lock);
    cursor_seek(cursor, internal.key, internal.packed);
    if (cursor->version == NULL)
        cursor_on_group_end(cursor, kith_ordered_last(&cursor->table->groups));
    else if (!cursor_is(cursor, internal))
        cursor_step_back(cursor);
    pthread_rwlock_unlock(&cursor->table->lock);
}

void row_cursor_next(struct row_cursor *cursor)
{
    assert(cursor->version != NULL);
    pthread_rwlock_rdlock(&cursor->table->lock);
    cursor_step(cursor);
    pthread_rwlock_unlock(&cursor->table->lock);
}

void row_cursor_prev(struct row_cursor *cursor)
{
    assert(cursor->version != NULL);
    pthread_rwlock_rdlock(&cursor->table->lock);
    cursor_step_back(cursor);
    pthread_rwlock_unlock(&cursor->table->lock);
}
