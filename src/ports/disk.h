#ifndef KITH_PORTS_DISK_H
#define KITH_PORTS_DISK_H

#include "loop/loop.h"

/**
 * One folder of files, as the log needs it. disk_posix.c is a real folder; disk_sim.c is memory that loses, tears and
 * reorders what was not synced when its machine crashes, runs full, and fails on command.
 *
 * All but disk_sync() is done when the call returns, and may block: the log runs on a thread of its own. A written byte
 * is durable only after a later disk_sync() of its file was answered KITH_OK; a created, renamed or removed name only
 * after sync_dir(). After one disk_sync() failed, nothing that file got since its last good sync can be trusted,
 * and a second sync proves nothing (Linux drops the dirty pages and clears the error).
 *
 * Errors: KITH_E_IO, KITH_E_NOSPACE (full disk or quota), KITH_E_NOTFOUND, KITH_E_NOMEM.
 * Thread: the loop that owns the disk.
 */
#define DISK_NAME_BYTES_MAX 64 /* with the NUL; no '/' in it */

struct disk_file; /* opaque, an open file */

struct disk_sync {
    struct disk_file *file;
    kith_err err;                       /* out */
    void (*done)(struct disk_sync *op); /* on the loop, exactly once, never inside disk_sync() */
    struct loop_task task;              /* the adapter's */
};

struct disk {
    const struct disk_ops *ops;
};

struct disk_ops {
    const char *name;
    /* Calls `each` for every file name, in no order. */
    kith_err (*list)(struct disk *disk, void (*each)(void *arg, const char *name, uint64_t bytes), void *arg);
    kith_err (*open)(struct disk *disk, const char *name, bool create, struct disk_file **out);
    void (*close)(struct disk *disk, struct disk_file *file); /* no sync; NULL is fine */
    /* Reserves bytes [0, bytes) and makes them zero; a file of that size already is left as it is. */
    kith_err (*allocate)(struct disk *disk, struct disk_file *file, uint64_t bytes);
    kith_err (*size)(struct disk *disk, struct disk_file *file, uint64_t *bytes);
    /* Short only at the end of the file: *got < len. */
    kith_err (*read)(struct disk *disk, struct disk_file *file, uint64_t at, void *out, size_t len, size_t *got);
    kith_err (*write)(struct disk *disk, struct disk_file *file, uint64_t at, struct kith_slice bytes);
    void (*sync)(struct disk *disk, struct disk_sync *op);
    kith_err (*rename)(struct disk *disk, const char *from, const char *to); /* replaces `to` */
    kith_err (*remove)(struct disk *disk, const char *name);
    kith_err (*sync_dir)(struct disk *disk);
};

static inline void disk_sync(struct disk *disk, struct disk_sync *op)
{
    assert(op->done != NULL && op->file != NULL);
    disk->ops->sync(disk, op);
}

#endif
