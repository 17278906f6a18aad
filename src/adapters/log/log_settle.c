#include "adapters/log/log_file_impl.h"

/*
 * Before anything is replayed, what was found must be durable and unambiguous. What a process sees is not what the disk
 * has: the last batch may have been written, but not synced, by a process that was killed; or a sync failed, and the
 * kernel takes pages for clean now that the disk never got. So the last batch is written once more, as it is, then zeros
 * as far as another batch may have reached, and the file's very end, since its length may be in doubt too; and then there
 * is a sync that says something. The names are synced for the same reason.
 */

static kith_err copy_over(struct log_file *log, struct disk_file *file, uint64_t at, uint64_t end)
{
    uint8_t chunk[4096];
    kith_err err = KITH_OK;

    while (at < end && err == KITH_OK) {
        size_t len = end - at < sizeof chunk ? (size_t)(end - at) : sizeof chunk, got = 0;
        err = log->disk->ops->read(log->disk, file, at, chunk, len, &got);
        if (err == KITH_OK && got < len) err = KITH_E_IO;
        if (err == KITH_OK) err = log->disk->ops->write(log->disk, file, at, kith_slice_of(chunk, len));
        at += len;
    }
    return err;
}

/* Of a file that goes on being written: `bytes` long, its records end at `tail`. */
static kith_err zeros_over(struct log_file *log, struct disk_file *file, uint64_t tail, uint64_t torn_bytes,
                           uint64_t bytes)
{
    uint64_t batch = log->config.batch_bytes_max > LOG_RECORD_BYTES_MAX ? log->config.batch_bytes_max
                                                                        : LOG_RECORD_BYTES_MAX;
    uint64_t len = torn_bytes > batch ? torn_bytes : batch + LOG_MARK_BYTES;
    kith_err err;

    assert(tail + LOG_HEAD_BYTES <= bytes); /* the scan has seen to it */
    if (len > bytes - tail) len = bytes - tail;
    err = log_file_write_zeros(log, file, tail, len);
    return err == KITH_OK ? log_file_write_zeros(log, file, bytes - 8, 8) : err;
}

static uint64_t unproven(const struct log_segment_scan *scan)
{
    return scan->records == 0 ? scan->tail : scan->last_batch_at;
}

static void settle_failed(struct log_file *log, kith_err err)
{
    log->busy = LOG_IDLE;
    if (log_file_err_passes(err)) {
        log_file_set_reason(log, "no space to open the log on its disk; retrying");
        log_maint_retry_later(log);
    } else if (err != KITH_OK)
        log_file_fail(log, "the log cannot be opened for writing (%s)", kith_err_name(err));
    log_pump(log);
}

static kith_err writer_open(struct log_file *log, struct log_writer *writer, const struct log_segment *segment)
{
    char name[DISK_NAME_BYTES_MAX];
    kith_err err;

    if (writer->file != NULL) return KITH_OK; /* a second try */
    *writer = (struct log_writer){.segment = *segment, .at = LOG_HEADER_BYTES, .durable = LOG_HEADER_BYTES};
    log_folder_name(LOG_KIND_SEGMENT, segment->number, name);
    err = log->disk->ops->open(log->disk, name, false, &writer->file);
    if (err == KITH_OK) err = log->disk->ops->size(log->disk, writer->file, &writer->segment.bytes);
    return err;
}

static void all_settled(struct log_file *log, kith_err err)
{
    struct log_writer *current = &log->current;
    const struct log_segment_scan *scan = &log->end.scan;

    if (err != KITH_OK) {
        settle_failed(log, err);
        return;
    }
    current->at = current->durable = scan->tail;
    current->chain = scan->chain;
    log->chain_before = log->end.before.chain;
    log->unsealed = scan->records > 0 && !scan->sealed;
    if (log->end.has_next) log->folder.segment_count--; /* it has its own place: log->next */
    log_file_count_bytes(log);
    log_replay_start(log);
}

static void tail_settled(struct log_file *log, kith_err err)
{
    if (err == KITH_OK && log->end.has_next)
        log_file_sync(log, log->next.file, all_settled);
    else
        all_settled(log, err);
}

static void settle_tail(struct log_file *log)
{
    const struct log_segment *tail = &log->folder.segments[log->end.tail];
    const struct log_segment_scan *scan = &log->end.scan;
    kith_err err = writer_open(log, &log->current, tail);

    if (err == KITH_OK) err = copy_over(log, log->current.file, unproven(scan), scan->tail);
    if (err == KITH_OK)
        err = zeros_over(log, log->current.file, scan->tail, scan->torn_bytes, log->current.segment.bytes);
    if (err == KITH_OK && log->end.has_next) {
        err = writer_open(log, &log->next, tail + 1);
        if (err == KITH_OK) err = zeros_over(log, log->next.file, LOG_HEADER_BYTES, 0, log->next.segment.bytes);
    }
    if (err != KITH_OK) {
        settle_failed(log, err);
        return;
    }
    log_file_sync(log, log->current.file, tail_settled);
}

static void before_settled(struct log_file *log, kith_err err)
{
    log->disk->ops->close(log->disk, log->replay.file);
    log->replay.file = NULL;
    if (err != KITH_OK)
        settle_failed(log, err);
    else
        settle_tail(log);
}

/* The tail has no records yet, so nothing shows that the END before it was synced. */
static void settle_before(struct log_file *log)
{
    char name[DISK_NAME_BYTES_MAX];
    kith_err err;

    log_folder_name(LOG_KIND_SEGMENT, log->folder.segments[log->end.tail - 1].number, name);
    err = log->disk->ops->open(log->disk, name, false, &log->replay.file);
    if (err == KITH_OK) err = copy_over(log, log->replay.file, unproven(&log->end.before), log->end.before.tail);
    if (err == KITH_OK)
        log_file_sync(log, log->replay.file, before_settled);
    else
        before_settled(log, err);
}

static kith_err names_settle(struct log_file *log)
{
    struct log_numbers *makes = &log->folder.others[LOG_KIND_MAKE];
    char name[DISK_NAME_BYTES_MAX];
    kith_err err;

    while (makes->count > 0) {
        log_folder_name(LOG_KIND_MAKE, makes->list[0], name);
        err = log->disk->ops->remove(log->disk, name);
        if (err != KITH_OK && err != KITH_E_NOTFOUND) return err;
        log_numbers_drop_first(makes);
    }
    err = log->disk->ops->sync_dir(log->disk);
    return err == KITH_OK ? KITH_OK : KITH_E_IO;
}

void log_settle_start(struct log_file *log)
{
    kith_err err;

    log->busy = LOG_BUSY_SETTLE;
    err = names_settle(log);
    if (err != KITH_OK)
        settle_failed(log, err);
    else if (log->folder.segment_count == 0)
        log_replay_start(log);
    else if (log->end.before_is_last)
        settle_before(log);
    else
        settle_tail(log);
}
