#include <inttypes.h>

#include "adapters/log/log_file_impl.h"

/*
 * Housekeeping, in steps of at most step_bytes and one sync, so that no batch waits long for one. Names are synced before
 * anything relies on them: an unsynced rename may be undone by a power cut while a later one is not.
 */

void log_maint_retry_later(struct log_file *log)
{
    log->no_space = true;
    loop_timer_start(log->loop, &log->retry, log->config.retry_ms);
}

/* An error that may pass is tried again later; any other is the end of writing. */
static void step_failed(struct log_file *log, const char *what, kith_err err)
{
    if (log_file_err_passes(err))
        log_maint_retry_later(log);
    else
        log_file_fail(log, "%s failed (%s); restart kithd", what, kith_err_name(err));
}

/* The last thing a step's sync does. */
static void step_over(struct log_file *log, kith_err err)
{
    log->busy = LOG_IDLE;
    if (err == KITH_OK && log->blocked && !log->no_space) {
        log->blocked = false;
        log_file_set_reason(log, "");
    }
    log_file_count_bytes(log);
    log_pump(log);
}

static bool names_sync(struct log_file *log)
{
    kith_err err = log->disk->ops->sync_dir(log->disk);

    /* As with a file's: what it should have saved is in doubt for good. */
    if (err != KITH_OK) log_file_fail(log, "a sync of the log folder failed (%s); restart kithd", kith_err_name(err));
    return err == KITH_OK;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---------------------------------------------------------------------------------------------- growing a file */

static void current_grown(struct log_file *log, kith_err err)
{
    if (err == KITH_OK) err = log->disk->ops->size(log->disk, log->current.file, &log->current.segment.bytes);
    if (err == KITH_OK)
        log->folder.segments[log->folder.segment_count - 1].bytes = log->current.segment.bytes;
    else if (!log->failed)
        step_failed(log, "looking at a log file", err);
    step_over(log, err);
}

static void next_grown(struct log_file *log, kith_err err)
{
    if (err == KITH_OK) err = log->disk->ops->size(log->disk, log->next.file, &log->next.segment.bytes);
    if (err != KITH_OK && !log->failed) step_failed(log, "looking at a log file", err);
    step_over(log, err);
}

static bool grow(struct log_file *log, struct log_writer *writer, void (*grown)(struct log_file *log, kith_err err))
{
    uint64_t bytes = min_u64(writer->segment.bytes + log->config.step_bytes, log->config.segment_bytes);
    kith_err err = log->disk->ops->allocate(log->disk, writer->file, bytes);

    if (err != KITH_OK) {
        step_failed(log, "growing a log file", err);
        return false;
    }
    log->busy = LOG_BUSY_MAINT;
    log_file_sync(log, writer->file, grown);
    return true;
}

static bool grow_due(const struct log_file *log, const struct log_writer *writer)
{
    uint64_t want = writer->at + log->config.ahead_bytes;

    if (writer->file == NULL) return false;
    if (writer == &log->current && log->want_bytes > want) want = log->want_bytes;
    return writer->segment.bytes < min_u64(want, log->config.segment_bytes);
}

/* ---------------------------------------------------------------------------------------------- the next segment */

/* What the next segment is made of: a spare, or a new file. */
static void making_name(const struct log_file *log, char out[static DISK_NAME_BYTES_MAX])
{
    const struct log_numbers *spares = &log->folder.others[LOG_KIND_SPARE];

    if (spares->count > 0)
        log_folder_name(LOG_KIND_SPARE, spares->list[0], out);
    else
        log_folder_name(LOG_KIND_MAKE, log->making.number, out);
}

static void making_abandon(struct log_file *log)
{
    char name[DISK_NAME_BYTES_MAX];

    log->disk->ops->close(log->disk, log->next.file);
    log->next.file = NULL;
    making_name(log, name);
    /* A spare stays one: its header is written over next time. */
    if (log->folder.others[LOG_KIND_SPARE].count == 0) (void)log->disk->ops->remove(log->disk, name);
}

void log_maint_next_becomes_current(struct log_file *log)
{
    struct log_segment *segment = log_folder_add(&log->folder);

    /* Room for it was made when it was prepared. */
    assert(segment != NULL && log->next.file != NULL);
    log->disk->ops->close(log->disk, log->current.file);
    *segment = log->next.segment;
    log->current = log->next;
    log->next = (struct log_writer){0};
    log->want_bytes = 0;
    log->want_next = false;
    log_file_count_bytes(log);
}

static void next_made(struct log_file *log, kith_err err)
{
    char from[DISK_NAME_BYTES_MAX], to[DISK_NAME_BYTES_MAX];
    struct log_writer *next = &log->next;

    if (err == KITH_OK) err = log->disk->ops->size(log->disk, next->file, &next->segment.bytes);
    if (err == KITH_OK) {
        making_name(log, from);
        log_folder_name(LOG_KIND_SEGMENT, log->making.number, to);
        err = log->disk->ops->rename(log->disk, from, to);
    }
    if (err != KITH_OK) {
        if (!log->failed) {
            making_abandon(log);
            step_failed(log, "making a log file", err);
        }
        step_over(log, err);
        return;
    }
    if (log->folder.others[LOG_KIND_SPARE].count > 0) log_numbers_drop_first(&log->folder.others[LOG_KIND_SPARE]);
    next->segment.number = log->making.number;
    next->segment.header = log->making;
    next->at = next->durable = LOG_HEADER_BYTES;
    if (!names_sync(log))
        err = KITH_E_IO;
    else if (log->current.file == NULL)
        log_maint_next_becomes_current(log);
    step_over(log, err);
}

static uint64_t random_u64(struct log_file *log)
{
    uint64_t x = 0;

    loop_random(log->loop, &x, sizeof x);
    return x;
}

static bool make_next(struct log_file *log)
{
    struct log_folder *folder = &log->folder;
    const struct log_segment *last = folder->segment_count == 0 ? NULL : &folder->segments[folder->segment_count - 1];
    struct log_writer *next = &log->next;
    uint8_t page[LOG_HEADER_BYTES];
    char name[DISK_NAME_BYTES_MAX];
    kith_err err;

    log->making = (struct log_header){
        .number = last == NULL ? 1 : last->number + 1, .salt = random_u64(log), .made_ms = loop_wall_ms(log->loop)};
    if (last != NULL)
        log->making.log_id = last->header.log_id;
    else
        loop_random(log->loop, log->making.log_id.raw, sizeof log->making.log_id.raw);
    log_header_encode(&log->making, page);

    /* So that the segment's turn cannot fail for want of memory. */
    if (log_folder_add(folder) == NULL)
        err = KITH_E_NOMEM;
    else {
        folder->segment_count--;
        making_name(log, name);
        *next = (struct log_writer){0};
        err = log->disk->ops->open(log->disk, name, true, &next->file);
    }
    if (err == KITH_OK)
        err = log->disk->ops->allocate(log->disk, next->file,
                                       min_u64(log->config.step_bytes, log->config.segment_bytes));
    if (err == KITH_OK) err = log->disk->ops->write(log->disk, next->file, 0, kith_slice_of(page, sizeof page));
    if (err != KITH_OK) {
        if (next->file != NULL) making_abandon(log);
        step_failed(log, "making a log file", err);
        return false;
    }
    log->busy = LOG_BUSY_MAINT;
    log_file_sync(log, next->file, next_made);
    return true;
}

static bool make_due(const struct log_file *log)
{
    const struct log_writer *current = &log->current;

    if (log->next.file != NULL) return false;
    if (current->file == NULL) return true;
    return current->segment.has_records &&
           (current->at > log->config.segment_bytes / 2 || log->want_next || log_commit_roll_due(log));
}

/* ---------------------------------------------------------------------------------------------- forgetting */

static void wipe_end(struct log_file *log)
{
    struct log_numbers *wipes = &log->folder.others[LOG_KIND_WIPE];

    log->disk->ops->close(log->disk, log->wipe.file);
    log->wipe.file = NULL;
    log_numbers_drop_first(wipes);
}

/* All zeros, and durably so: a spare now, or gone. */
static void wipe_over(struct log_file *log)
{
    struct log_numbers *spares = &log->folder.others[LOG_KIND_SPARE];
    char wipe[DISK_NAME_BYTES_MAX], spare[DISK_NAME_BYTES_MAX];
    uint64_t number = log->wipe.number;
    kith_err err;

    wipe_end(log);
    log_folder_name(LOG_KIND_WIPE, number, wipe);
    log_folder_name(LOG_KIND_SPARE, number, spare);
    if (spares->count < LOG_SPARES_MAX) {
        err = log->disk->ops->rename(log->disk, wipe, spare);
        if (err == KITH_OK) (void)log_numbers_add(spares, number); /* no memory: found again at the next start */
    } else
        err = log->disk->ops->remove(log->disk, wipe);
    if (err != KITH_OK)
        step_failed(log, "renaming a wiped log file", err);
    else
        (void)names_sync(log);
}

static void wiped(struct log_file *log, kith_err err)
{
    if (err == KITH_OK && log->wipe.at >= log->wipe.bytes) wipe_over(log);
    step_over(log, err);
}

static bool wipe_step(struct log_file *log)
{
    char name[DISK_NAME_BYTES_MAX];
    uint64_t len;
    kith_err err = KITH_OK;

    if (log->wipe.file == NULL) {
        log->wipe.number = log->folder.others[LOG_KIND_WIPE].list[0];
        log->wipe.at = 0;
        log_folder_name(LOG_KIND_WIPE, log->wipe.number, name);
        err = log->disk->ops->open(log->disk, name, false, &log->wipe.file);
        if (err == KITH_OK) err = log->disk->ops->size(log->disk, log->wipe.file, &log->wipe.bytes);
    }
    len = min_u64(log->wipe.bytes - log->wipe.at, log->config.step_bytes);
    if (err == KITH_OK) err = log_file_write_zeros(log, log->wipe.file, log->wipe.at, len);
    if (log_file_err_passes(err)) {
        /* No space to overwrite in: then the file system does not overwrite in place, and giving the file back is all
         * that can be done, and helps. */
        log_folder_name(LOG_KIND_WIPE, log->wipe.number, name);
        wipe_end(log);
        err = log->disk->ops->remove(log->disk, name);
        if (err == KITH_OK) return names_sync(log) && log_maint_step(log); /* on to what else is due */
    }
    if (err != KITH_OK) {
        step_failed(log, "wiping a log file", err);
        return false;
    }
    log->wipe.at += len;
    log->busy = LOG_BUSY_MAINT;
    log_file_sync(log, log->wipe.file, wiped);
    return true;
}

static bool trim_due(struct log_file *log)
{
    uint64_t now_ms = loop_wall_ms(log->loop), trim_position;
    const struct log_segment *next;

    /* Only what is followed by records may go: they know where the log was. */
    if (log->folder.segment_count < 2) return false;
    next = &log->folder.segments[1];
    if (!next->has_records) return false;
    pthread_mutex_lock(&log->lock);
    trim_position = log->trim_position;
    pthread_mutex_unlock(&log->lock);
    return next->position_first - 1 <= trim_position && now_ms > next->open.at_ms &&
           now_ms - next->open.at_ms >= log->config.keep_ms;
}

/* From the oldest on, one by one, each durably gone before the next: else a power cut could leave a hole. */
static bool trim_step(struct log_file *log)
{
    struct log_folder *folder = &log->folder;
    uint64_t number = folder->segments[0].number;
    size_t kept = folder->others[LOG_KIND_SPARE].count + folder->others[LOG_KIND_WIPE].count;
    char from[DISK_NAME_BYTES_MAX], to[DISK_NAME_BYTES_MAX];
    kith_err err;

    log_folder_name(LOG_KIND_SEGMENT, number, from);
    log_folder_name(LOG_KIND_WIPE, number, to);
    if (kept < LOG_SPARES_MAX) {
        err = log->disk->ops->rename(log->disk, from, to);
        if (err == KITH_OK) (void)log_numbers_add(&folder->others[LOG_KIND_WIPE], number); /* or at the next start */
    } else
        err = log->disk->ops->remove(log->disk, from);
    if (err != KITH_OK) {
        step_failed(log, "giving up a log file", err);
        return false;
    }
    log_folder_drop_first(folder);
    log_file_count_bytes(log);
    return names_sync(log);
}

bool log_maint_step(struct log_file *log)
{
    if (log->failed || log->state != LOG_LIVE) return false;
    while (trim_due(log) && trim_step(log)) continue;
    if (log->failed) return false;
    if (!log->no_space) {
        if (make_due(log) && log->current.file == NULL) return make_next(log);
        if (grow_due(log, &log->current)) return grow(log, &log->current, current_grown);
        if (make_due(log)) return make_next(log);
        if (grow_due(log, &log->next)) return grow(log, &log->next, next_grown);
    }
    if (log->folder.others[LOG_KIND_WIPE].count > 0) return wipe_step(log);
    return false;
}
