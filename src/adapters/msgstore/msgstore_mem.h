#ifndef KITH_ADAPTERS_MSGSTORE_MSGSTORE_MEM_H
#define KITH_ADAPTERS_MSGSTORE_MSGSTORE_MEM_H

#include "ports/msgstore.h"

/**
 * The reference message store, in memory, with the failures of a real one on command.
 *
 * The image is the disk: it outlives the store that works on it, and a crash of that store. Commits since the last
 * persisted point form the journal; msgstore_mem_crash() keeps a prefix of it, as RocksDB without a write-ahead log does.
 * Thread: the store as any msgstore; the calls below that take an image on one thread, while no loop runs an op.
 */
struct msgstore_mem_image;

struct msgstore_mem_config {
    uint64_t seed;         /* for delays and flushes; same seed and calls, same run                           */
    uint32_t delay_ms_max; /* 0: ops complete by loop_defer(); else after 0..delay_ms_max, by loop timers      */
    uint32_t flush_one_in; /* n: one commit in n persists a part of the journal; 0: only a full journal does      */
};

/** At most this many commits are unpersisted: one more persists the oldest. */
#define MSGSTORE_MEM_JOURNAL_MAX 65536

/** NULL when there is no memory. */
struct msgstore_mem_image *msgstore_mem_image_new(void);
void msgstore_mem_image_free(struct msgstore_mem_image *image); /* NULL is fine; its store was closed or has crashed */

/** Opens the image. One store at a time. KITH_E_NOMEM. */
KITH_MUST_USE kith_err msgstore_mem_open(struct msgstore_mem_image *image, const struct msgstore_mem_config *config,
                                         struct msgstore **out);

/** What a crash may lose: commits that are visible but not persisted, and those called but not done. */
uint32_t msgstore_mem_unpersisted(const struct msgstore_mem_image *image);

/**
 * The process dies. Of the unpersisted commits the first `keep` stay, in the order they were applied, pending ones last
 * (so one whose `done` never ran may have happened). Frees the store; ops that are pending never complete, and their
 * loops must not run again (their timers and tasks are forgotten, not stopped).
 */
void msgstore_mem_crash(struct msgstore_mem_image *image, uint32_t keep);

/** The next `count` commits fail with `err` (KITH_E_IO, KITH_E_NOSPACE); until then status says not writable.
 *  UINT32_MAX: until it is called with 0. */
void msgstore_mem_fail_commits(struct msgstore_mem_image *image, kith_err err, uint32_t count);
/** The next `count` gets and scans fail with `err` (KITH_E_IO, KITH_E_DAMAGED). */
void msgstore_mem_fail_reads(struct msgstore_mem_image *image, kith_err err, uint32_t count);

/** Drops rows whose time to live has passed, as compaction does. Not undone by a crash. Returns how many. */
uint32_t msgstore_mem_drop_expired(struct msgstore_mem_image *image, uint64_t now_ms);

/** Every row that reads would see, in key order. */
void msgstore_mem_each(const struct msgstore_mem_image *image,
                       void (*each)(void *arg, struct kith_slice key, struct kith_slice value), void *arg);

#endif
