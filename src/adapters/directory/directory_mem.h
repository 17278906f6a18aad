#ifndef KITH_ADAPTERS_DIRECTORY_DIRECTORY_MEM_H
#define KITH_ADAPTERS_DIRECTORY_DIRECTORY_MEM_H

#include "ports/directory.h"

/**
 * The reference directory, in memory. run() is called on the caller's loop, in a task or timer of its own, one
 * transaction at a time.
 *
 * The image is the disk: it outlives the directory and its crash. A transaction is durable the moment its run() returned
 * KITH_OK, which is some time before its done(): so a crash finds each call either whole or absent, told or untold.
 * Unlike SQLite's, it cannot finish pending calls when it is closed: there must be none.
 * Thread: the directory as any; the calls below that take an image on one thread, while no call is pending.
 */
struct directory_mem_image;

struct directory_mem_config {
    uint64_t seed;
    uint32_t delay_ms_max; /* 0: by loop_defer(); else run() and later done() after 0..delay_ms_max each, by timers */
};

/** Tables of which there are at most 16: directory_tables. NULL when there is no memory. */
struct directory_mem_image *directory_mem_image_new(const struct directory_table *const *tables);
void directory_mem_image_free(struct directory_mem_image *image); /* NULL is fine; it is closed or has crashed */

/** One directory at a time. KITH_E_NOMEM. */
KITH_MUST_USE kith_err directory_mem_open(struct directory_mem_image *image, const struct directory_mem_config *config,
                                          struct directory **out);

/** The process dies: frees the directory. Pending calls never complete, and their loops must not run again. */
void directory_mem_crash(struct directory_mem_image *image);

/** The next `count` calls end with `err` (KITH_E_IO, KITH_E_NOSPACE) and change nothing: run() is called or not, by
 *  seed. UINT32_MAX: until called with 0. */
void directory_mem_fail_calls(struct directory_mem_image *image, kith_err err, uint32_t count);

#endif
