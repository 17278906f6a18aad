#include "adapters/log/log_file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/log/log_file_impl.h"
#include "base/mutant.h"

static const struct log_ops file_ops;

static struct log_file *file_of(struct log *log)
{
    assert(log->ops == &file_ops);
    return (struct log_file *)log;
}

void log_file_config_init(struct log_file_config *config)
{
    *config = (struct log_file_config){
        .segment_bytes = 64 * 1024 * 1024,
        .step_bytes = 1024 * 1024,
        .ahead_bytes = 4 * 1024 * 1024,
        .segment_age_ms = 24ull * 3600 * 1000,
        .keep_ms = KITH_LOG_KEEP_MS,
        .batch_bytes_max = 1024 * 1024,
        .waiting_entries_max = 65536,
        .waiting_bytes_max = 64 * 1024 * 1024,
        .replay_bytes_max = 1024 * 1024,
        .seal_ms = 100,
        .retry_ms = 500,
        .epoch = 1,
    };
}

/* ---------------------------------------------------------------------------------------------- for the other parts */

void log_file_set_reason(struct log_file *log, const char *reason)
{
    pthread_mutex_lock(&log->lock);
    (void)snprintf(log->status.reason, sizeof log->status.reason, "%s", reason);
    log->status.writable = reason[0] == '\0';
    pthread_mutex_unlock(&log->lock);
}

void log_file_fail(struct log_file *log, const char *fmt, ...)
{
    char reason[sizeof log->status.reason];
    va_list args;

    if (log->failed) return; /* the first reason is the one to tell */
    log->failed = true;
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    log_file_set_reason(log, reason);
}

bool log_file_err_passes(kith_err err)
{
    return err == KITH_E_NOSPACE || err == KITH_E_NOMEM;
}

static void sync_done(struct disk_sync *op)
{
    struct log_file *log = (struct log_file *)((char *)op - offsetof(struct log_file, sync));

    if (log->busy == LOG_BUSY_COMMIT && log->config.now_us != NULL) {
        uint64_t us = log->config.now_us(log->config.now_arg) - log->sync_from_us;
        int bucket = 0;
        while (bucket < LOG_SYNC_BUCKETS - 1 && us > LOG_SYNC_BUCKET_US(bucket)) bucket++;
        pthread_mutex_lock(&log->lock);
        log->status.sync_us_buckets[bucket]++;
        log->status.sync_us_sum += us;
        pthread_mutex_unlock(&log->lock);
    }
    if (op->err != KITH_OK && kith_mutant(FSYNC_RETRIED)) {
        disk_sync(log->disk, op);
        return;
    }
    /* Whatever it was about, and even a full disk: what the failed sync should have saved is in doubt, and no later one
     * can tell. */
    if (op->err != KITH_OK) log_file_fail(log, "a sync of the log failed (%s); restart kithd", kith_err_name(op->err));
    log->synced(log, op->err);
}

void log_file_sync(struct log_file *log, struct disk_file *file, void (*synced)(struct log_file *log, kith_err err))
{
    assert(!log->failed && log->busy != LOG_IDLE);
    log->synced = synced;
    log->sync.file = file;
    log->sync.done = sync_done;
    if (log->config.now_us != NULL) log->sync_from_us = log->config.now_us(log->config.now_arg);
    disk_sync(log->disk, &log->sync);
}

kith_err log_file_write_zeros(struct log_file *log, struct disk_file *file, uint64_t at, uint64_t len)
{
    static const uint8_t zeros[64 * 1024];
    kith_err err = KITH_OK;

    while (len > 0 && err == KITH_OK) {
        size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
        err = log->disk->ops->write(log->disk, file, at, kith_slice_of(zeros, n));
        at += n;
        len -= n;
    }
    return err;
}

void log_file_count_bytes(struct log_file *log)
{
    uint64_t bytes = log->next.file == NULL ? 0 : log->next.segment.bytes;
    const struct log_segment *first = log->folder.segments;
    bool any = log->folder.segment_count > 0 && first->has_records && first->position_first < log->position_next;

    for (size_t i = 0; i < log->folder.segment_count; i++) bytes += log->folder.segments[i].bytes;
    pthread_mutex_lock(&log->lock);
    log->status.bytes_on_disk = bytes;
    log->status.position_first = any ? first->position_first : 0;
    pthread_mutex_unlock(&log->lock);
}

/* ---------------------------------------------------------------------------------------------- the port's operations */

static void wake(struct log_file *log, bool post)
{
    if (post) loop_post(log->loop, &log->wake);
}

static void file_append(struct log *self, struct log_entry *entry)
{
    struct log_file *log = file_of(self);
    bool full, post = false;

    assert(log->port_of[entry->shard] != NULL);
    if (LOG_HEADER_BYTES + 2 * LOG_MARK_BYTES + log_record_bytes(entry->len) > log->config.segment_bytes) {
        log_outbox_refuse(log, entry, KITH_E_TOOBIG); /* only where segments were made too small by configuration */
        return;
    }
    pthread_mutex_lock(&log->lock);
    full = log->waiting_entries >= log->config.waiting_entries_max ||
           log->waiting_bytes + entry->len > log->config.waiting_bytes_max;
    if (!full) {
        log_entries_push(&log->intake, entry);
        log->waiting_entries++;
        log->waiting_bytes += entry->len;
        post = !log->woken;
        log->woken = true;
    }
    pthread_mutex_unlock(&log->lock);
    if (full)
        log_outbox_refuse(log, entry, KITH_E_FULL);
    else
        wake(log, post);
}

static void file_trim(struct log *self, uint64_t position)
{
    struct log_file *log = file_of(self);
    bool post;

    pthread_mutex_lock(&log->lock);
    if (position > log->trim_position) log->trim_position = position;
    post = !log->woken;
    log->woken = true;
    pthread_mutex_unlock(&log->lock);
    wake(log, post);
}

static void file_status(struct log *self, struct log_status *out)
{
    struct log_file *log = file_of(self);

    pthread_mutex_lock(&log->lock);
    *out = log->status;
    pthread_mutex_unlock(&log->lock);
}

static void file_close(struct log *self, void (*closed)(void *arg), void *arg)
{
    struct log_file *log = file_of(self);
    bool post;

    pthread_mutex_lock(&log->lock);
    assert(!log->close_asked);
    log->close_asked = true;
    log->on_closed = closed;
    log->on_closed_arg = arg;
    post = !log->woken;
    log->woken = true;
    pthread_mutex_unlock(&log->lock);
    wake(log, post);
}

static void file_follow(struct log *self, uint16_t shard, uint64_t from, struct log_follower *follower)
{
    struct log_file *log = file_of(self);
    size_t i = 0;

    assert(log->state == LOG_NEW && log->port_of[shard] == NULL);
    while (i < log->port_count && log->ports[i].follower != follower) i++;
    if (i == log->port_count) {
        log->ports[log->port_count++].follower = follower;
        log_outbox_init(log, &log->ports[i]);
    }
    log->port_of[shard] = &log->ports[i];
    log->from[shard] = from;
}

/* What will be replayed is whole, and the lowest wanted position is in it. */
static kith_err start_check(struct log_file *log, uint64_t lowest, uint64_t highest)
{
    const struct log_folder *folder = &log->folder;
    uint64_t first = folder->segment_count > 0 && folder->segments[0].has_records ? folder->segments[0].position_first
                                                                                  : log->position_next;
    size_t i = 0;

    if (highest > log->position_next)
        return log_text_set(&log->text, KITH_E_DAMAGED,
                            "the store has position %" PRIu64 ", but the log ends at %" PRIu64
                            ": one of them is of another time or another server. Restore both from the same backup.",
                            highest - 1, log->position_next - 1);
    if (lowest < first)
        return log_text_set(&log->text, KITH_E_DAMAGED,
                            "the store needs the log from position %" PRIu64 " on, but it begins at %" PRIu64
                            ": one of them is of another time or another server. Restore both from the same backup.",
                            lowest, first);
    while (i + 1 < folder->segment_count && folder->segments[i + 1].has_records &&
           folder->segments[i + 1].position_first <= lowest)
        i++;
    log->replay.segment = i;
    log->replay.position = lowest;
    for (; i < log->end.tail && lowest < log->position_next; i++) {
        struct log_segment_scan scan;
        kith_err err = log_folder_scan(log->disk, &folder->segments[i], NULL, NULL, &scan, &log->text);
        if (err == KITH_OK) err = log_folder_check_joint(folder, i, &scan, &log->text);
        if (err != KITH_OK) return err;
    }
    return KITH_OK;
}

static kith_err file_start(struct log *self)
{
    struct log_file *log = file_of(self);
    uint64_t lowest = UINT64_MAX, highest = 0;
    kith_err err;

    assert(log->state == LOG_NEW);
    for (unsigned shard = 0; shard < KITH_SHARDS; shard++) {
        if (log->port_of[shard] == NULL) continue;
        if (log->from[shard] < lowest) lowest = log->from[shard];
        if (log->from[shard] > highest) highest = log->from[shard];
    }
    if (log->port_count == 0) lowest = log->position_next;
    err = start_check(log, lowest, highest);
    if (err != KITH_OK) return err;
    log->state = LOG_SETTLING;
    log->woken = true;
    loop_post(log->loop, &log->wake);
    return KITH_OK;
}

static const struct log_ops file_ops = {
    .name = "file",
    .follow = file_follow,
    .start = file_start,
    .append = file_append,
    .trim = file_trim,
    .status = file_status,
    .close = file_close,
};

/* ---------------------------------------------------------------------------------------------- open and free */

static void config_check(const struct log_file_config *config)
{
    assert(config->segment_bytes >= LOG_SEGMENT_BYTES_MIN && config->segment_bytes <= LOG_SEGMENT_BYTES_MAX);
    assert(config->segment_bytes % 8 == 0 && config->step_bytes % 8 == 0);
    assert(config->step_bytes >= LOG_HEADER_BYTES + 2 * LOG_MARK_BYTES);
    assert(config->batch_bytes_max > 0 && config->replay_bytes_max > 0 && config->waiting_entries_max > 0);
}

kith_err log_file_open(const struct log_file_config *config, struct disk *disk, struct loop *loop, struct log **out,
                       struct log_text *text)
{
    struct log_file *log = calloc(1, sizeof *log);
    kith_err err;

    *out = NULL;
    config_check(config);
    if (log == NULL) return log_text_set(text, KITH_E_NOMEM, "no memory for the log");
    *log = (struct log_file){.base.ops = &file_ops, .config = *config, .disk = disk, .loop = loop};
    log_pump_init(log);
    pthread_mutex_init(&log->lock, NULL);
    log_file_set_reason(log, "the log is starting");

    err = log_folder_read(disk, &log->folder, text);
    if (err == KITH_OK && log->folder.segment_count > 0) err = log_folder_find_end(disk, &log->folder, &log->end, text);
    if (err != KITH_OK) {
        log_file_free(&log->base);
        return err;
    }
    log->position_next = log->folder.segment_count == 0 ? 1 : log->end.position_next;
    log->status.position_durable = log->position_next - 1;
    log->status.torn_bytes = log->end.scan.torn_bytes;
    log_file_count_bytes(log);
    *out = &log->base;
    return KITH_OK;
}

const char *log_file_text(const struct log *log)
{
    assert(log->ops == &file_ops);
    return ((const struct log_file *)log)->text.text;
}

void log_file_free(struct log *self)
{
    struct log_file *log;

    if (self == NULL) return;
    log = file_of(self);
    log_entries_free(&log->intake);
    log_entries_free(&log->pending);
    log_entries_free(&log->batch);
    for (size_t i = 0; i < log->port_count; i++) {
        log_entries_free(&log->ports[i].collected);
        log_entries_free(&log->ports[i].replayed);
        log_entries_free(&log->ports[i].live);
    }
    log_replay_deinit(log);
    log->disk->ops->close(log->disk, log->current.file);
    log->disk->ops->close(log->disk, log->next.file);
    log->disk->ops->close(log->disk, log->wipe.file);
    log_folder_deinit(&log->folder);
    free(log->buf);
    pthread_mutex_destroy(&log->lock);
    free(log);
}
