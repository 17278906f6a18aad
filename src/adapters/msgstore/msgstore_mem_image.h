#ifndef KITH_ADAPTERS_MSGSTORE_MSGSTORE_MEM_IMAGE_H
#define KITH_ADAPTERS_MSGSTORE_MSGSTORE_MEM_IMAGE_H

#include <pthread.h>

#include "adapters/msgstore/msgstore_mem.h"
#include "base/ordered.h"

/*
 * The rows under msgstore_mem.c, and what undoes their changes. The journal keeps, for each commit that is not persisted,
 * what its rows were before: so persisting forgets from the old end, and a crash undoes from the new end. Every call
 * needs `lock`.
 */
struct mem_undo {
    struct mem_undo *next; /* what happened before it, in the same commit */
    struct mem_value *old; /* NULL: the key was not there */
    size_t key_len;
    uint8_t key[];
};

struct mem_value {
    size_t len;
    uint8_t bytes[];
};

struct mem_entry { /* one commit */
    struct mem_entry *newer, *older;
    struct mem_undo *undo;
    size_t position_count;
    struct msgstore_position positions[];
};

struct msgstore_mem_image {
    pthread_mutex_t lock;
    struct kith_ordered rows;
    struct mem_entry *oldest, *newest;
    uint32_t unpersisted;
    uint64_t positions_persisted[KITH_SHARDS];
    uint64_t bytes, commits, rows_written;
    kith_err commit_err, read_err; /* what the next ... operations answer */
    uint32_t commits_to_fail, reads_to_fail;
    struct msgstore_mem *store; /* the one that has it open, or NULL */
};

/** All of the batch, or KITH_E_NOMEM and nothing. */
KITH_MUST_USE kith_err mem_image_apply(struct msgstore_mem_image *image, struct kith_slice records,
                                       const struct msgstore_position *positions, size_t position_count);
/** The oldest `count` commits of the journal can no longer be lost. */
void mem_image_persist(struct msgstore_mem_image *image, uint32_t count);
/** The newest `count` commits of the journal never happened. */
void mem_image_undo(struct msgstore_mem_image *image, uint32_t count);
uint64_t mem_image_position(const struct msgstore_mem_image *image, uint16_t shard);

void mem_image_get(struct msgstore_mem_image *image, struct msgstore_get *op);
void mem_image_scan(struct msgstore_mem_image *image, struct msgstore_scan *op);

#endif
