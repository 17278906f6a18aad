#include <stdlib.h>

#include "adapters/log/log_file_impl.h"
#include "base/mutant.h"

/*
 * Group commit: what waits is encoded into one buffer, written with one write, made durable with one sync, and handed over
 * with one post to each follower. A batch lies in one segment; the last one of a segment carries its END.
 */

void log_commit_refuse(struct log_file *log, struct log_entries *list, kith_err err)
{
    size_t entries = list->count;
    uint64_t bytes = list->bytes;
    struct log_entry *entry;

    if (entries == 0) return;
    while ((entry = log_entries_pop(list)) != NULL) {
        entry->err = err;
        entry->position = 0;
        log_outbox_collect(log, entry);
    }
    pthread_mutex_lock(&log->lock);
    log->status.refused += entries;
    pthread_mutex_unlock(&log->lock);
    log_outbox_flush(log, false, entries, bytes);
}

static void hand_over(struct log_file *log)
{
    size_t entries = log->batch.count;
    uint64_t bytes = log->batch.bytes;
    struct log_entry *entry;

    while ((entry = log_entries_pop(&log->batch)) != NULL) {
        entry->err = KITH_OK;
        log_outbox_collect(log, entry);
    }
    pthread_mutex_lock(&log->lock);
    log->status.appended += entries;
    log->status.synced_batches++;
    log->status.position_durable = log->position_next - 1;
    pthread_mutex_unlock(&log->lock);
    log_outbox_flush(log, false, entries, bytes);
}

/* ---------------------------------------------------------------------------------------------- encoding */

/* An END fits in behind it, always: so the file never ends within 48 bytes of a record, and one that does was cut. */
static bool has_room(const struct log_writer *writer, uint64_t limit, size_t buffered, size_t bytes)
{
    return writer->at + buffered + bytes + LOG_MARK_BYTES <= limit;
}

static bool buf_reserve(struct log_file *log, size_t bytes)
{
    size_t cap = log->buf_cap == 0 ? 4096 : log->buf_cap;
    uint8_t *buf;

    if (log->buf_len + bytes <= log->buf_cap) return true;
    while (cap < log->buf_len + bytes) cap *= 2;
    buf = realloc(log->buf, cap);
    if (buf == NULL) return false;
    log->buf = buf;
    log->buf_cap = cap;
    return true;
}

static bool encode(struct log_file *log, struct log_record *record)
{
    struct log_writer *writer = &log->current;
    size_t bytes = log_record_bytes(record->len);

    if (!buf_reserve(log, bytes)) {
        log_maint_retry_later(log); /* as with a full disk: memory may be there again soon */
        return false;
    }
    record->epoch = log->config.epoch;
    record->batch_at = (uint32_t)writer->durable;
    log_record_encode(record, writer->segment.header.salt, log->buf + log->buf_len);
    log->buf_len += bytes;
    return true;
}

static bool encode_mark(struct log_file *log, uint8_t type, uint64_t position, uint32_t chain)
{
    struct log_mark mark = {.at_ms = loop_wall_ms(log->loop), .chain = chain};
    struct log_record record = {.type = type, .position = position, .len = LOG_MARK_BODY_BYTES};
    uint8_t body[LOG_MARK_BODY_BYTES];

    log_mark_encode(&mark, body);
    record.body = body;
    if (!encode(log, &record)) return false;
    if (type == LOG_RECORD_OPEN) {
        log->current.segment.open = mark;
        log->current.chain = log_record_chain(0, &record);
    }
    return true;
}

static bool encode_entry(struct log_file *log, struct log_entry *entry)
{
    struct log_record record = {.len = entry->len,
                                .position = log->position_next,
                                .shard = entry->shard,
                                .type = entry->type,
                                .body = entry->body};

    if (!encode(log, &record)) return false;
    log->current.chain = log_record_chain(log->current.chain, &record);
    entry->position = log->position_next++;
    return true;
}

bool log_commit_roll_due(const struct log_file *log)
{
    const struct log_segment *segment = &log->current.segment;
    uint64_t now_ms = loop_wall_ms(log->loop);

    /* A wall clock that jumps ahead ends a segment early, which harms nobody; one that went back ends it later. */
    return segment->has_records && log->position_next > segment->position_first && now_ms > segment->open.at_ms &&
           now_ms - segment->open.at_ms >= log->config.segment_age_ms;
}

/* Fills the buffer. False: nothing that could be written now. */
static bool encode_batch(struct log_file *log)
{
    struct log_writer *writer = &log->current;
    uint64_t segment_bytes = log->config.segment_bytes;
    uint64_t limit = writer->segment.bytes < segment_bytes ? writer->segment.bytes : segment_bytes;
    bool roll = log->next.file != NULL && log_commit_roll_due(log);

    log->buf_len = 0;
    while (log->pending.head != NULL && !roll) {
        size_t bytes = log_record_bytes(log->pending.head->len);
        size_t open_bytes = writer->segment.has_records || log->buf_len > 0 ? 0 : LOG_MARK_BYTES;
        if (log->buf_len > 0 && log->buf_len + bytes > log->config.batch_bytes_max) break;
        if (!has_room(writer, limit, log->buf_len, open_bytes + bytes)) {
            /* Full for this one is full for all: order is kept. */
            roll = !has_room(writer, segment_bytes, log->buf_len, open_bytes + bytes);
            log->want_next = roll;
            if (!roll) log->want_bytes = writer->at + log->buf_len + open_bytes + bytes + LOG_MARK_BYTES;
            break;
        }
        if (open_bytes > 0 && !encode_mark(log, LOG_RECORD_OPEN, log->position_next, log->chain_before)) break;
        if (!encode_entry(log, log->pending.head)) break;
        log_entries_push(&log->batch, log_entries_pop(&log->pending));
    }
    log->batch_ends = roll && log->next.file != NULL && (writer->segment.has_records || log->buf_len > 0) &&
                      encode_mark(log, LOG_RECORD_END, log->position_next - 1, writer->chain);
    return log->batch.head != NULL || log->batch_ends;
}

/* ---------------------------------------------------------------------------------------------- writing */

static void batch_undo(struct log_file *log)
{
    log->position_next = log->undo.position_next;
    log->current.chain = log->undo.chain;
    log->batch_ends = false;
}

static void scrubbed(struct log_file *log, kith_err err)
{
    log->busy = LOG_IDLE;
    if (err == KITH_OK) {
        log->current.durable = log->current.at;
        log->blocked = true;
        log_maint_retry_later(log);
        log_file_set_reason(log, "no space for the log on its disk; retrying");
    }
    log_commit_refuse(log, &log->batch, err == KITH_OK ? KITH_E_READ_ONLY : KITH_E_IO);
    log_pump(log);
}

/*
 * A write met a full disk (that happens even in reserved files where blocks are never overwritten in place, or on a
 * quota). Some of it may be on its way to the disk by itself. Before anybody is told that it was not written it must be
 * so, also after a power cut: zeros over it, and a sync.
 */
static void scrub(struct log_file *log)
{
    kith_err err = log_file_write_zeros(log, log->current.file, log->current.at, log->buf_len);

    batch_undo(log);
    if (err != KITH_OK) {
        log_file_fail(log, "a write to the log failed (%s); restart kithd", kith_err_name(err));
        log_commit_refuse(log, &log->batch, KITH_E_IO);
        return;
    }
    log->busy = LOG_BUSY_SCRUB;
    log_file_sync(log, log->current.file, scrubbed);
}

static void committed(struct log_file *log, kith_err err)
{
    struct log_writer *writer = &log->current;

    log->busy = LOG_IDLE;
    log->maint_turn = true;
    if (err != KITH_OK) {
        log_commit_refuse(log, &log->batch, KITH_E_IO);
        log_pump(log);
        return;
    }
    writer->durable = writer->at;
    log->unsealed = true;
    if (!writer->segment.has_records) {
        struct log_segment *in_folder = &log->folder.segments[log->folder.segment_count - 1];
        writer->segment.has_records = true;
        writer->segment.position_first = log->undo.position_next;
        assert(in_folder->number == writer->segment.number);
        *in_folder = writer->segment;
        log_file_count_bytes(log);
    }
    hand_over(log);
    if (log->batch_ends) {
        log->chain_before = writer->chain;
        log_maint_next_becomes_current(log);
    }
    log_pump(log);
}

bool log_commit_start(struct log_file *log)
{
    struct log_writer *writer = &log->current;
    kith_err err;

    if (writer->file == NULL || log->failed) return false;
    log->undo.position_next = log->position_next;
    log->undo.chain = writer->chain;
    if (!encode_batch(log)) {
        batch_undo(log);
        return false;
    }
    err = log->disk->ops->write(log->disk, writer->file, writer->at, kith_slice_of(log->buf, log->buf_len));
    if (log_file_err_passes(err)) {
        scrub(log);
        return log->busy != LOG_IDLE;
    }
    if (err != KITH_OK) {
        log_file_fail(log, "a write to the log failed (%s); restart kithd", kith_err_name(err));
        batch_undo(log);
        log_commit_refuse(log, &log->batch, KITH_E_IO);
        return false;
    }
    writer->at += log->buf_len;
    log->busy = LOG_BUSY_COMMIT;
    if (kith_mutant(ACK_BEFORE_SYNC)) hand_over(log);
    log_file_sync(log, writer->file, committed);
    return true;
}

/*
 * A log at rest says so: until another batch follows, nothing else shows that its last batch was durable, and damage in it
 * would pass for a torn tail. Not worth a sync of its own: it goes with the next one, and is lost at worst.
 */
void log_commit_seal(struct log_file *log)
{
    struct log_writer *writer = &log->current;
    struct log_record record = {.type = LOG_RECORD_SEAL, .position = log->position_next - 1};
    uint64_t limit = writer->segment.bytes < log->config.segment_bytes ? writer->segment.bytes
                                                                       : log->config.segment_bytes;
    kith_err err;

    assert(log->busy == LOG_IDLE && writer->at == writer->durable);
    log->unsealed = false;
    log->buf_len = 0;
    if (!writer->segment.has_records || !has_room(writer, limit, 0, LOG_HEAD_BYTES) || !encode(log, &record)) return;
    err = log->disk->ops->write(log->disk, writer->file, writer->at, kith_slice_of(log->buf, log->buf_len));
    if (err == KITH_OK) {
        writer->at += log->buf_len;
        writer->chain = log_record_chain(writer->chain, &record);
    } else if (!log_file_err_passes(err)) {
        log_file_fail(log, "a write to the log failed (%s); restart kithd", kith_err_name(err));
    }
}
