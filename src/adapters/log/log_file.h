#ifndef KITH_ADAPTERS_LOG_LOG_FILE_H
#define KITH_ADAPTERS_LOG_LOG_FILE_H

#include "adapters/log/log_scan.h"
#include "ports/log.h"

/**
 * The embedded log: a folder of preallocated segment files (log_folder.h, log_record.h) and group commit. All I/O is on
 * one loop, its home, which should have a thread of its own. One batch is on its way to the disk at a time: one write,
 * one sync, one post to each follower concerned; what is appended meanwhile is the next batch.
 *
 * What happens on errors (docs/decisions/0004):
 *   full disk             entries are refused with KITH_E_READ_ONLY, having left no trace; the log looks for space every
 *                         retry_ms and goes on by itself
 *   write or sync error   what was under way is refused with KITH_E_IO, all after it with KITH_E_READ_ONLY, until the log
 *                         is opened anew; no file is synced again
 *   torn tail at start    cut, and told in log_status.torn_bytes
 *   damage at start       KITH_E_DAMAGED, with file, offset, and what can be done
 *   damage in a replay    (it was whole at log_start()) the log halts as on an I/O error; caught_up is never said
 */
struct log_file_config {
    uint64_t segment_bytes;        /* 64 MiB; LOG_SEGMENT_BYTES_MIN to LOG_SEGMENT_BYTES_MAX, a multiple of 8 */
    uint64_t step_bytes;           /* 1 MiB: a file grows, or is wiped, by so much between two batches */
    uint64_t ahead_bytes;          /* 4 MiB: so much of the file in use stands ready beyond what was written */
    uint64_t segment_age_ms;       /* 1 day: a segment with entries ends when it is older */
    uint64_t keep_ms;              /* KITH_LOG_KEEP_MS: after its end a segment may go, once log_trim() allows it */
    uint32_t batch_bytes_max;      /* 1 MiB; one entry may be longer */
    uint32_t waiting_entries_max;  /* 65,536: more that are not answered yet are refused with KITH_E_FULL */
    uint64_t waiting_bytes_max;    /* 64 MiB, of bodies */
    uint32_t replay_bytes_max;     /* 1 MiB: so much is read back and handed out at a time */
    uint32_t seal_ms;              /* 100: a log at rest so long notes that its end is durable */
    uint32_t retry_ms;             /* 500 */
    uint32_t epoch;                /* 1 */
    uint64_t (*now_us)(void *arg); /* for the sync histogram; NULL: none is kept */
    void *now_arg;
};

#define LOG_SEGMENT_BYTES_MIN (8 * 1024)
#define LOG_SEGMENT_BYTES_MAX (1024ull * 1024 * 1024)
#define LOG_SPARES_MAX        2

void log_file_config_init(struct log_file_config *config);

/**
 * Read the folder and find the log's end; writes nothing yet. An empty folder is a new log. log_start() verifies what it
 * will replay, and then cuts a torn tail and goes live on its home loop.
 *
 * Home thread, or before it runs: open, follow, start, free. log_start() gives KITH_E_DAMAGED as the port says, with the
 * text in log_file_text().
 *
 * KITH_OK            *out; log_file_free() it
 * KITH_E_DAMAGED, KITH_E_UNSUPPORTED, KITH_E_IO, KITH_E_NOMEM    as *text says
 *
 * Lends: disk and loop, until log_file_free().
 */
KITH_MUST_USE kith_err log_file_open(const struct log_file_config *config, struct disk *disk, struct loop *loop,
                                     struct log **out, struct log_text *text);

/** Why log_start() was refused; "" when it was not. */
const char *log_file_text(const struct log *log);

/**
 * After `closed` has run; or before log_start(); or, in the simulator, after the loops of log and followers were killed.
 * Frees entries nobody has got. NULL is fine.
 */
void log_file_free(struct log *log);

/* ---- offline, also beside a running server (its newest records may be missing then) */

struct log_file_report {
    struct kith_uuid log_id;
    uint64_t segments, records, entries, bytes;
    uint64_t position_first, position_last; /* of entries; 0: none */
    uint64_t torn_bytes;                    /* what the next start would cut */
};

/**
 * Check every byte of every segment. `progress` may be NULL.
 * KITH_OK, or as log_file_open(); *out tells how far it came.
 */
KITH_MUST_USE kith_err log_file_verify(struct disk *disk, void (*progress)(void *arg, uint64_t done, uint64_t total),
                                       void *arg, struct log_file_report *out, struct log_text *text);

/** Tell every entry from position `from` on. An error of `each` ends the walk and is returned. KITH_E_NOTFOUND: `from`
 * is before the first entry that is kept, or past the end; else as log_file_verify(). */
KITH_MUST_USE kith_err log_file_walk(struct disk *disk, uint64_t from,
                                     kith_err (*each)(void *arg, const struct log_record *record), void *arg,
                                     struct log_text *text);

#endif
