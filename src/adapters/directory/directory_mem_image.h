#ifndef KITH_ADAPTERS_DIRECTORY_DIRECTORY_MEM_IMAGE_H
#define KITH_ADAPTERS_DIRECTORY_DIRECTORY_MEM_IMAGE_H

#include <pthread.h>

#include "adapters/directory/directory_mem.h"
#include "base/ordered.h"

/*
 * The tables under directory_mem.c. A table is one ordered map per index, all to the same records; the map of index 0 owns
 * them. A transaction notes what each of its writes replaced, so that it can be taken back.
 */
#define DIRECTORY_MEM_TABLES_MAX 16

struct mem_table {
    const struct directory_table *table;
    struct kith_ordered indexes[DIRECTORY_INDEXES_MAX];
};

struct directory_mem_image {
    pthread_mutex_t lock; /* held for a whole transaction */
    struct mem_table tables[DIRECTORY_MEM_TABLES_MAX];
    size_t table_count;
    kith_err call_err; /* what the next calls_to_fail calls end with */
    uint32_t calls_to_fail;
    struct directory_mem *directory; /* the one that has it open, or NULL */
};

struct mem_change {
    struct mem_change *next;
    struct mem_table *table;
    void *before, *after; /* NULL: there was no row, there is none now */
};

struct mem_tx {
    struct directory_tx base;
    struct directory_mem_image *image;
    struct mem_change *changes; /* newest first */
    bool read_only;
    kith_err failed; /* no memory: the whole call fails, whatever run() makes of it */
};

/** With the lock held, until the end of the transaction. */
void mem_tx_begin(struct mem_tx *tx, struct directory_mem_image *image, bool read_only);
void mem_tx_commit(struct mem_tx *tx);
void mem_tx_rollback(struct mem_tx *tx);

#endif
