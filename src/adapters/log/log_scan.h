#ifndef KITH_ADAPTERS_LOG_LOG_SCAN_H
#define KITH_ADAPTERS_LOG_LOG_SCAN_H

#include "adapters/log/log_record.h"
#include "ports/disk.h"

/** Reading a segment from front to back, through one buffer of at most LOG_SCAN_BUF_BYTES. */
struct log_scan {
    struct disk *disk;
    struct disk_file *file;
    uint64_t file_bytes, salt;
    uint64_t at; /* of the next record */
    uint8_t *buf;
    size_t buf_cap, buf_len;
    uint64_t buf_at;
};

#define LOG_SCAN_BUF_BYTES (1024 * 1024)
static_assert(LOG_SCAN_BUF_BYTES >= LOG_RECORD_BYTES_MAX, "a record must fit");

/** KITH_E_NOMEM, KITH_E_IO. Lends: the file, until log_scan_deinit(). */
KITH_MUST_USE kith_err log_scan_init(struct log_scan *scan, struct disk *disk, struct disk_file *file, uint64_t salt,
                                     uint64_t at);
/** After a failed init too. */
void log_scan_deinit(struct log_scan *scan);

/** The record at scan->at, as log_record_decode(); moves on when KITH_OK. The body is lent until the next call. */
KITH_MUST_USE kith_err log_scan_next(struct log_scan *scan, struct log_record *out);

/** For people: what is wrong, in which file, at which byte, and what can be done. */
#define LOG_TEXT_BYTES 384
struct log_text {
    char text[LOG_TEXT_BYTES];
};

/** What a segment holds, from its first record to its last good one. */
struct log_segment_scan {
    uint64_t records, entries;
    uint64_t position_first, position_next; /* of entries; both 0 when there is no record at all */
    bool ended, sealed;                     /* the last record is an END; an END or a SEAL */
    struct log_mark open, end;              /* of the OPEN record; of the END record, when ended */
    uint32_t chain;                         /* over all records but the END */
    uint64_t tail;                          /* where the next record goes */
    uint64_t last_at;                       /* of the last record */
    uint64_t last_entry_at;                 /* of the last entry; 0: none */
    uint32_t last_batch_at;                 /* from here on, nothing proves that it was synced */
    uint64_t torn_bytes; /* what lies beyond the tail and is no record: the rest of a write that was cut off */
};

/**
 * Scan a whole segment and judge its end.
 *
 * name   for the text.      each   told every record but may be NULL; its error ends the scan.
 *
 * KITH_OK             whole, or with a torn tail (out->torn_bytes)
 * KITH_E_DAMAGED      bytes that were durable are not as they were written; *text says where
 * KITH_E_UNSUPPORTED  written by a later version
 * KITH_E_IO, KITH_E_NOMEM
 */
KITH_MUST_USE kith_err log_segment_scan(struct disk *disk, struct disk_file *file, const char *name, uint64_t salt,
                                        kith_err (*each)(void *arg, const struct log_record *record), void *arg,
                                        struct log_segment_scan *out, struct log_text *text);

/** Fills in *text and returns `err`. */
kith_err log_text_set(struct log_text *text, kith_err err, const char *fmt, ...) KITH_PRINTF(3, 4);

#endif
