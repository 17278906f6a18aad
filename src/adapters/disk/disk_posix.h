#ifndef KITH_ADAPTERS_DISK_POSIX_H
#define KITH_ADAPTERS_DISK_POSIX_H

#include "ports/disk.h"

/**
 * A real folder. disk_sync() runs fdatasync() on the calling thread and only then defers done(): its user has a thread
 * of its own. A file whose fdatasync() failed is never synced again through the same handle; every later try is
 * answered KITH_E_IO.
 *
 * path       made (0700) when missing and `writable`; its parent must exist.
 * loop       where done() runs; NULL for users that never sync.
 * writable   takes a lock on the folder, so that two servers cannot write one log. Else nothing in it is changed, and
 *            the lock does not matter.
 *
 * KITH_OK           *out is open; disk_posix_close() it
 * KITH_E_CONFLICT   somebody else has it open for writing
 * KITH_E_NOTFOUND   no such folder (or no parent)
 * KITH_E_IO, KITH_E_NOSPACE, KITH_E_NOMEM
 *
 * Writing past RLIMIT_FSIZE counts as a full disk, if the process ignores SIGXFSZ.
 */
KITH_MUST_USE kith_err disk_posix_open(const char *path, struct loop *loop, bool writable, struct disk **out);

/** Its files must be closed. NULL is fine. */
void disk_posix_close(struct disk *disk);

#endif
