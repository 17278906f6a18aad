#ifndef KITH_ADAPTERS_MSGSTORE_ROW_TABLE_H
#define KITH_ADAPTERS_MSGSTORE_ROW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Also read by C++, so nothing of base/ is in it. */
#ifdef __cplusplus
extern "C" {
#endif

/**
 * Rows in memory, in key order, in all their versions: what RocksDB gathers before it writes a file. It stands in for
 * RocksDB's skip list, which searches from the top for each row, through memory that is rarely in a cache.
 *
 * Rows of one chat come one after the other and mostly in order. So a row is found by a hash of its key's first bytes
 * (the table and the chat), and goes behind the last one there. Such a group of rows is a list of small sorted arrays; the
 * groups are in a tree, so that all rows can be walked in order too.
 *
 * An entry is RocksDB's: the length of its internal key (7 bits a byte, low bits first), the internal key, and what is no
 * business of ours. An internal key is a key and 8 bytes, little-endian: the number of its version (and what it is, put or
 * delete). Newer versions (higher numbers) of a key stand before older ones. Nothing is ever removed.
 *
 * Thread: one writer at a time, any readers meanwhile. No memory ends the process: RocksDB has no way to be told.
 */
struct row_table;

#define ROW_TABLE_GROUP_BYTES \
    17 /* first bytes of a key that put it into a group; shorter keys count as if zeros followed */

struct row_table *row_table_new(void);
void row_table_free(struct row_table *table); /* NULL is fine */

/** `entry` is lent as long as the table lives. */
void row_table_add(struct row_table *table, const char *entry);
/** True when there is an entry of the same internal key. */
bool row_table_has(struct row_table *table, const char *entry);

/** Bytes the table has allocated itself. */
size_t row_table_bytes(struct row_table *table);

/** A place in the table. `entry` is NULL when it is on no row; what else is in it is the table's. */
struct row_cursor {
    struct row_table *table;
    const char *entry;
    struct row_group *group;
    struct row_version *version;
    const uint8_t *key;
    size_t key_len;
    uint32_t chunk, row;
    uint64_t moves;
};

void row_cursor_init(struct row_cursor *cursor, struct row_table *table);
void row_cursor_first(struct row_cursor *cursor);
void row_cursor_last(struct row_cursor *cursor);
/** The first place at or behind an internal key: the newest version that is not newer, or the next row. */
void row_cursor_seek(struct row_cursor *cursor, const char *internal_key, size_t len);
/** The last place at or before it. */
void row_cursor_seek_back(struct row_cursor *cursor, const char *internal_key, size_t len);
/** Only from a row. */
void row_cursor_next(struct row_cursor *cursor);
void row_cursor_prev(struct row_cursor *cursor);

#ifdef __cplusplus
}
#endif

#endif
