#include <inttypes.h>

#include "adapters/log/log_file_impl.h"

/*
 * Chunk by chunk to the followers: the next one is read when all of them have run the last, so a replay needs no more
 * memory than a chunk, however long the log.
 */

void log_replay_deinit(struct log_file *log)
{
    log_scan_deinit(&log->replay.scan);
    log->disk->ops->close(log->disk, log->replay.file);
    log->replay.file = NULL;
}

static void replay_end(struct log_file *log)
{
    log_replay_deinit(log);
    log->busy = LOG_IDLE;
    log->state = LOG_LIVE;
    if (!log->failed && !log->closing) {
        log_outbox_catch_up(log);
        log_file_set_reason(log, "");
        loop_timer_start(log->loop, &log->tick, 0);
    }
    log_pump(log);
}

static kith_err segment_open(struct log_file *log)
{
    const struct log_segment *segment = &log->folder.segments[log->replay.segment];
    char name[DISK_NAME_BYTES_MAX];
    kith_err err;

    log_replay_deinit(log);
    log_folder_name(LOG_KIND_SEGMENT, segment->number, name);
    err = log->disk->ops->open(log->disk, name, false, &log->replay.file);
    if (err != KITH_OK) return err;
    return log_scan_init(&log->replay.scan, log->disk, log->replay.file, segment->header.salt, LOG_HEADER_BYTES);
}

/* The next entry from replay.position on, wherever it is. */
static kith_err entry_next(struct log_file *log, struct log_record *record)
{
    for (;;) {
        kith_err err = log->replay.file == NULL ? segment_open(log) : KITH_OK;
        if (err == KITH_OK) err = log_scan_next(&log->replay.scan, record);
        if (err != KITH_OK) return err == KITH_E_NOTFOUND ? KITH_E_DAMAGED : err;
        if (record->type == LOG_RECORD_END) {
            log_replay_deinit(log);
            log->replay.segment++;
            if (log->replay.segment >= log->folder.segment_count) return KITH_E_DAMAGED;
        } else if (record->type != LOG_RECORD_OPEN && record->type != LOG_RECORD_SEAL) {
            if (record->position < log->replay.position) continue;
            return record->position == log->replay.position ? KITH_OK : KITH_E_DAMAGED;
        }
    }
}

static kith_err entry_collect(struct log_file *log, const struct log_record *record)
{
    struct log_entry *entry;

    if (log->port_of[record->shard] == NULL || record->position < log->from[record->shard]) return KITH_OK;
    entry = log_entry_new(record->shard, record->type, record->len);
    if (entry == NULL) return KITH_E_NOMEM;
    entry->position = record->position;
    entry->replayed = true;
    if (record->len > 0) memcpy(entry->body, record->body, record->len);
    log_outbox_collect(log, entry);
    return KITH_OK;
}

static void replay_chunk(struct log_file *log)
{
    uint64_t bytes = 0;

    while (log->replay.position < log->position_next && bytes < log->config.replay_bytes_max) {
        struct log_record record;
        kith_err err = entry_next(log, &record);
        if (err == KITH_OK) err = entry_collect(log, &record);
        if (err != KITH_OK) {
            log_file_fail(log, "the log could not be replayed at position %" PRIu64 " (%s); run kithd log verify",
                          log->replay.position, kith_err_name(err));
            break;
        }
        log->replay.position++;
        bytes += log_record_bytes(record.len);
    }
    log_outbox_flush(log, true, 0, 0);
}

static void replay_go_on(struct log_file *log)
{
    while (log->replay.chunks_out == 0) {
        if (log->failed || log->closing || log->replay.position == log->position_next) {
            replay_end(log);
            return;
        }
        replay_chunk(log);
    }
}

void log_replay_start(struct log_file *log)
{
    log->state = LOG_REPLAYING;
    log->busy = LOG_BUSY_REPLAY;
    replay_go_on(log);
}

void log_replay_chunk_ran(struct log_file *log)
{
    assert(log->replay.chunks_out > 0);
    log->replay.chunks_out--;
    if (log->replay.chunks_out > 0) return;
    pthread_mutex_lock(&log->lock);
    log->closing = log->close_asked;
    pthread_mutex_unlock(&log->lock);
    replay_go_on(log);
}
