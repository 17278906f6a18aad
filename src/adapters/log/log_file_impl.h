#ifndef KITH_ADAPTERS_LOG_LOG_FILE_IMPL_H
#define KITH_ADAPTERS_LOG_LOG_FILE_IMPL_H

/*
 * The parts of log_file, and what they share:
 *   log_file.c      the port's operations, open and free
 *   log_pump.c      what to do next, and closing
 *   log_settle.c    from log_start() to the first chunk of replay: the tail is made durable and unambiguous
 *   log_replay.c    chunk by chunk to the followers, then live
 *   log_commit.c    batches: encode, write, sync, hand over; refuse
 *   log_maint.c     what batches need or leave behind: growing files, preparing the next segment, wiping, trimming
 *   log_outbox.c    from the log to the followers' loops
 *   log_verify.c    offline
 *
 * One activity at a time uses the disk (`busy`); when it is over it calls log_pump(), which picks the next one.
 */

#include <pthread.h>

#include "adapters/log/log_entries.h"
#include "adapters/log/log_file.h"
#include "adapters/log/log_folder.h"

struct log_file;

/* A follower, and what is on its way to it. */
struct log_port {
    struct log_file *log;
    struct log_follower *follower;
    struct log_entries collected; /* home's: of the batch or chunk being handed over */
    struct loop_task run;         /* on the follower's loop */
    struct loop_task ran;         /* back on home */
    /* Under log_file.lock. */
    struct log_entries replayed, live;
    bool posted;     /* `run` is on its way or running */
    bool catch_up;   /* say caught_up after what is in `replayed` */
    bool chunk_out;  /* replayed entries are out, and home waits for them */
    bool chunk_ran;  /* that is what `ran` tells */
    bool ran_wanted; /* home waits for this outbox to be empty */
    bool ran_posted;
};

/* A segment that is written to, or stands ready to be. */
struct log_writer {
    struct log_segment segment; /* bytes: reserved and zero beyond `at` */
    struct disk_file *file;     /* NULL: there is none */
    uint64_t at;                /* where the next record goes */
    uint64_t durable;           /* all before is synced: batch_at of what is written now */
    uint32_t chain;
};

enum log_file_state { LOG_NEW, LOG_SETTLING, LOG_REPLAYING, LOG_LIVE };
enum log_file_busy {
    LOG_IDLE,
    LOG_BUSY_SETTLE,
    LOG_BUSY_REPLAY,
    LOG_BUSY_COMMIT,
    LOG_BUSY_SCRUB,
    LOG_BUSY_MAINT,
    LOG_BUSY_CLOSE
};

struct log_file {
    struct log base;
    struct log_file_config config;
    struct disk *disk;
    struct loop *loop;
    struct log_text text;

    /* Fixed at log_start(). */
    struct log_port ports[KITH_SHARDS];
    size_t port_count;
    struct log_port *port_of[KITH_SHARDS];
    uint64_t from[KITH_SHARDS];

    /* The home loop's. */
    enum log_file_state state;
    enum log_file_busy busy;
    bool failed;   /* for good */
    bool blocked;  /* entries are refused until there is space */
    bool no_space; /* the last try found none; `retry` is armed */
    bool closing, closed;
    bool unsealed;            /* a batch has been synced since the last seal */
    bool maint_turn;          /* a batch was the last activity: housekeeping may go first now */
    bool want_next;           /* a batch waits for the next segment */
    uint64_t want_bytes;      /* a batch waits for the segment in use to be so long */
    struct log_folder folder; /* the segments up to the one in use */
    struct log_end end;       /* as found by log_file_open() */
    struct log_writer current, next;
    struct log_header making; /* of the segment that is being prepared */
    uint64_t position_next;
    uint32_t chain_before; /* for the OPEN of `current` */
    struct log_entries pending, batch;
    uint8_t *buf;
    size_t buf_cap, buf_len;
    struct {
        uint64_t position_next;
        uint32_t chain;
        bool has_records;
    } undo;          /* as before the batch under way */
    bool batch_ends; /* the segment, with its last record */
    struct disk_sync sync;
    void (*synced)(struct log_file *log, kith_err err);
    uint64_t sync_from_us;
    struct loop_timer seal, retry, tick;
    struct {
        struct disk_file *file;
        uint64_t number, at, bytes;
    } wipe;
    struct {
        struct log_scan scan;
        struct disk_file *file;
        size_t segment;
        uint64_t position; /* of the next entry */
        size_t chunks_out;
    } replay;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    struct loop_task wake;

    pthread_mutex_t lock; /* for what follows, and for the outboxes */
    struct log_entries intake;
    size_t waiting_entries; /* taken by log_append(), not yet in an outbox */
    uint64_t waiting_bytes;
    bool woken; /* `wake` is posted */
    bool close_asked;
    uint64_t trim_position;
    struct log_status status;
};

/* ---- log_pump.c */
/* Picks the next activity. May end in `closed`, and so in log_file_free(): touch nothing after it. */
void log_pump(struct log_file *log);
void log_pump_init(struct log_file *log);

/* ---- log_file.c */
/* For good: halts all writing. The text goes to the status. */
void log_file_fail(struct log_file *log, const char *fmt, ...) KITH_PRINTF(2, 3);
/* Not writable for now; "" makes it writable. */
void log_file_set_reason(struct log_file *log, const char *reason);
/* Starts a sync; `synced` runs later, never inside. */
void log_file_sync(struct log_file *log, struct disk_file *file, void (*synced)(struct log_file *log, kith_err err));
/* Errors that may pass: a full disk, no memory. */
bool log_file_err_passes(kith_err err);
kith_err log_file_write_zeros(struct log_file *log, struct disk_file *file, uint64_t at, uint64_t len);
void log_file_count_bytes(struct log_file *log);

/* ---- log_settle.c */
void log_settle_start(struct log_file *log);

/* ---- log_replay.c; start with the tail settled, and deinit at any time */
void log_replay_start(struct log_file *log);
void log_replay_deinit(struct log_file *log);
void log_replay_chunk_ran(struct log_file *log);

/* ---- log_commit.c: false: nothing to do, or no room yet */
bool log_commit_start(struct log_file *log);
void log_commit_seal(struct log_file *log);
void log_commit_refuse(struct log_file *log, struct log_entries *list, kith_err err);
bool log_commit_roll_due(const struct log_file *log);

/* ---- log_maint.c: true: an activity was begun */
bool log_maint_step(struct log_file *log);
void log_maint_retry_later(struct log_file *log);
void log_maint_next_becomes_current(struct log_file *log);

/* ---- log_outbox.c */
/* Puts each entry into its port's `collected`. */
void log_outbox_collect(struct log_file *log, struct log_entry *entry);
/* Sends what was collected on its way. `settled`: entries and bytes that no longer count as waiting. */
void log_outbox_flush(struct log_file *log, bool replayed, size_t entries, uint64_t bytes);
/* Any thread: refuse one that was never taken. */
void log_outbox_refuse(struct log_file *log, struct log_entry *entry, kith_err err);
void log_outbox_catch_up(struct log_file *log);
/* True: nothing is on its way to anybody. Else log_pump() is called when that has changed. */
bool log_outbox_drained(struct log_file *log);
void log_outbox_init(struct log_file *log, struct log_port *port);

#endif
