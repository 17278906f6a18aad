#include "adapters/log/log_scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "ports/log.h"

kith_err log_text_set(struct log_text *text, kith_err err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text->text, sizeof text->text, fmt, args);
    va_end(args);
    return err;
}

/* ---------------------------------------------------------------------------------------------- record by record */

kith_err log_scan_init(struct log_scan *scan, struct disk *disk, struct disk_file *file, uint64_t salt, uint64_t at)
{
    kith_err err;

    *scan = (struct log_scan){.disk = disk, .file = file, .salt = salt, .at = at};
    err = disk->ops->size(disk, file, &scan->file_bytes);
    if (err != KITH_OK) return err;
    scan->buf_cap = scan->file_bytes < LOG_SCAN_BUF_BYTES ? (size_t)scan->file_bytes + 1 : LOG_SCAN_BUF_BYTES;
    scan->buf = malloc(scan->buf_cap);
    return scan->buf == NULL ? KITH_E_NOMEM : KITH_OK;
}

void log_scan_deinit(struct log_scan *scan)
{
    free(scan->buf);
    scan->buf = NULL;
}

/* Lends what is at `at`: at least a longest record, or up to the end of the file. */
static kith_err scan_peek(struct log_scan *scan, uint64_t at, struct kith_slice *out)
{
    uint64_t want = at >= scan->file_bytes ? 0 : scan->file_bytes - at;

    if (want > LOG_RECORD_BYTES_MAX) want = LOG_RECORD_BYTES_MAX;
    if (at < scan->buf_at || at + want > scan->buf_at + scan->buf_len) {
        kith_err err;
        scan->buf_at = at;
        err = scan->disk->ops->read(scan->disk, scan->file, at, scan->buf, scan->buf_cap, &scan->buf_len);
        if (err != KITH_OK) {
            scan->buf_len = 0;
            return err;
        }
        if (scan->buf_len < want) return KITH_E_IO; /* shorter than it was a moment ago */
    }
    *out = kith_slice_of(scan->buf + (at - scan->buf_at), want == 0 ? 0 : scan->buf_len - (size_t)(at - scan->buf_at));
    return KITH_OK;
}

kith_err log_scan_next(struct log_scan *scan, struct log_record *out)
{
    struct kith_slice bytes = {0};
    kith_err err = scan_peek(scan, scan->at, &bytes);

    if (err != KITH_OK) return err;
    err = log_record_decode(bytes, scan->salt, out);
    if (err == KITH_OK) scan->at += log_record_bytes(out->len);
    return err;
}

/* ---------------------------------------------------------------------------------------------- a whole segment */

/* Could a record that proves the bytes at `hole` durable begin here? Cheap: it is asked at every eighth byte. */
static bool is_proof(struct kith_slice bytes, uint64_t at, uint64_t salt, uint64_t hole)
{
    struct log_record record;
    uint32_t batch_at;

    if (bytes.len < LOG_HEAD_BYTES) return false;
    batch_at = kith_get_u32_be(bytes.ptr + 20);
    if (batch_at <= hole || batch_at > at || batch_at % 8 != 0) return false;
    return log_record_decode(bytes, salt, &record) == KITH_OK;
}

/*
 * What follows the first bad record? *proof: the offset of a good record that was written when the bad one was durable,
 * 0 when there is none; *end: past the last byte that is not zero.
 */
static kith_err search_beyond(struct log_scan *scan, uint64_t hole, uint64_t *proof, uint64_t *end)
{
    uint64_t at = hole;

    *proof = 0;
    *end = hole;
    while (at < scan->file_bytes) {
        struct kith_slice bytes = {0};
        kith_err err = scan_peek(scan, at, &bytes);
        size_t i = 0;

        if (err != KITH_OK) return err;
        /* Stay clear of the buffer's end by a longest record, so that each candidate is there as a whole. */
        size_t stop = at + bytes.len < scan->file_bytes ? bytes.len - LOG_RECORD_BYTES_MAX + 8 : bytes.len;
        for (; i + 8 <= stop; i += 8) {
            uint64_t word;
            memcpy(&word, bytes.ptr + i, sizeof word);
            if (word == 0) continue;
            *end = at + i + 8;
            if (!is_proof(kith_slice_of(bytes.ptr + i, bytes.len - i), at + i, scan->salt, hole)) continue;
            *proof = at + i;
            return KITH_OK;
        }
        if (i == 0) break; /* fewer than 8 bytes are left */
        at += i;
    }
    return KITH_OK;
}

/* Positions are dense, the first record is an OPEN, the last an END. */
static const char *misplaced(const struct log_segment_scan *so_far, const struct log_record *record, uint64_t at)
{
    if (record->batch_at > at || record->batch_at < LOG_HEADER_BYTES) return "names a batch that cannot be";
    if ((so_far->records == 0) != (record->type == LOG_RECORD_OPEN)) return "is out of place";
    if (so_far->records == 0) return record->position >= 1 && record->position <= INT64_MAX ? NULL : "has no position";
    if (record->type == LOG_RECORD_END || record->type == LOG_RECORD_SEAL)
        return record->position + 1 == so_far->position_next ? NULL : "has the wrong position";
    return record->position == so_far->position_next ? NULL : "has the wrong position";
}

static void take(struct log_segment_scan *out, const struct log_record *record, uint64_t at)
{
    if (record->type == LOG_RECORD_OPEN) {
        out->open = log_mark_decode(record);
        out->position_first = out->position_next = record->position;
    } else if (record->type == LOG_RECORD_END) {
        out->end = log_mark_decode(record);
        out->ended = true;
    } else if (record->type != LOG_RECORD_SEAL) {
        out->entries++;
        out->last_entry_at = at;
        out->position_next = record->position + 1;
    }
    if (!out->ended) out->chain = log_record_chain(out->chain, record);
    out->sealed = record->type == LOG_RECORD_END || record->type == LOG_RECORD_SEAL;
    out->records++;
    out->last_at = at;
    out->last_batch_at = record->batch_at;
    out->tail = at + log_record_bytes(record->len);
}

#define WHAT_TO_DO \
    "Do not delete it; restore the log folder from a backup, or run `kithd log verify` to see what is left."

/* The records end at out->tail with `err`: an honest end, a torn tail, or damage? */
static kith_err judge_end(struct log_scan *scan, const char *name, kith_err err, struct log_segment_scan *out,
                          struct log_text *text)
{
    struct kith_slice bytes = {0};
    uint64_t proof = 0, end = 0, hole = out->tail;
    kith_err read_err = scan_peek(scan, hole, &bytes);

    if (err == KITH_E_UNSUPPORTED)
        return log_text_set(
            text, err, "%s, byte %" PRIu64 ": a record of a later version of kithd. Start that version.", name, hole);
    if (err != KITH_E_NOTFOUND && err != KITH_E_DAMAGED) goto unreadable;
    err = read_err;
    if (err != KITH_OK) goto unreadable;
    /* The log never writes up to the end of a file; only an END may stand there. */
    if (log_record_is_cut_off(bytes))
        return log_text_set(text, KITH_E_DAMAGED, "%s, byte %" PRIu64 ": the file is shorter than it was. " WHAT_TO_DO,
                            name, hole);
    err = search_beyond(scan, hole, &proof, &end);
    if (err != KITH_OK) goto unreadable;
    if (proof != 0)
        return log_text_set(text, KITH_E_DAMAGED,
                            "%s, byte %" PRIu64 ": damaged; the record at byte %" PRIu64
                            " shows that it was whole once. " WHAT_TO_DO,
                            name, hole, proof);
    out->torn_bytes = end - hole;
    return KITH_OK;
unreadable:
    return log_text_set(text, err,
                        "%s, byte %" PRIu64 ": cannot be read (%s). Look at the disk's health (dmesg, smartctl).", name,
                        hole, kith_err_name(err));
}

static kith_err scan_all(struct log_scan *scan, const char *name,
                         kith_err (*each)(void *arg, const struct log_record *record), void *arg,
                         struct log_segment_scan *out, struct log_text *text)
{
    for (;;) {
        struct log_record record = {0};
        uint64_t at = scan->at;
        kith_err err = log_scan_next(scan, &record);
        const char *wrong;

        if (err != KITH_OK) return judge_end(scan, name, err, out, text);
        wrong = misplaced(out, &record, at);
        if (wrong != NULL)
            return log_text_set(text, KITH_E_DAMAGED, "%s, byte %" PRIu64 ": the record there %s. " WHAT_TO_DO, name,
                                at, wrong);
        take(out, &record, at);
        if (each != NULL) err = each(arg, &record);
        if (err != KITH_OK) return err;
        if (!out->ended) continue;
        if (out->end.chain == out->chain) return KITH_OK;
        return log_text_set(text, KITH_E_DAMAGED,
                            "%s, byte %" PRIu64
                            ": other records stand before the segment's end than were written. " WHAT_TO_DO,
                            name, at);
    }
}

kith_err log_segment_scan(struct disk *disk, struct disk_file *file, const char *name, uint64_t salt,
                          kith_err (*each)(void *arg, const struct log_record *record), void *arg,
                          struct log_segment_scan *out, struct log_text *text)
{
    struct log_scan scan;
    kith_err err = log_scan_init(&scan, disk, file, salt, LOG_HEADER_BYTES);

    *out = (struct log_segment_scan){.tail = LOG_HEADER_BYTES};
    if (err != KITH_OK)
        log_text_set(text, err, "%s: cannot be read (%s)", name, kith_err_name(err));
    else
        err = scan_all(&scan, name, each, arg, out, text);
    log_scan_deinit(&scan);
    return err;
}
