#ifndef KITH_ADAPTERS_LOG_LOG_FOLDER_H
#define KITH_ADAPTERS_LOG_LOG_FOLDER_H

#include "adapters/log/log_scan.h"

/**
 * The files of a log and what they are:
 *
 *   log-N     segment N; numbers without a gap. Its header is durable before it gets this name.
 *   make-N    is becoming log-N; removed at start
 *   wipe-N    was log-N and is being overwritten with zeros, in which it may have been interrupted
 *   spare-N   was log-N; all zeros but perhaps for a header of a making that was interrupted
 *
 * Only the last segment may have no records: it was prepared ahead. The one before it may be at its END or not; all
 * before that are.
 */
enum log_kind { LOG_KIND_SEGMENT, LOG_KIND_MAKE, LOG_KIND_WIPE, LOG_KIND_SPARE, LOG_KINDS };

/** "log-000000000007" and so on; out has DISK_NAME_BYTES_MAX bytes. */
void log_folder_name(enum log_kind kind, uint64_t number, char out[static DISK_NAME_BYTES_MAX]);

struct log_segment {
    uint64_t number, bytes;
    struct log_header header;
    bool has_records;
    uint64_t position_first; /* of its first entry, or of the next one to be; 0 without records */
    struct log_mark open;    /* with records */
};

struct log_numbers {
    uint64_t *list;
    size_t count, cap;
};

struct log_folder {
    struct log_segment *segments; /* ascending */
    size_t segment_count, segment_cap;
    struct log_numbers others[LOG_KINDS]; /* of MAKE, WIPE and SPARE; ascending */
};

/**
 * List the folder, check that no segment is missing, and read the header and first record of each. Changes nothing.
 *
 * KITH_OK             *out is filled in, perhaps with no segment at all; log_folder_deinit() it
 * KITH_E_DAMAGED, KITH_E_UNSUPPORTED, KITH_E_IO, KITH_E_NOMEM    as *text says
 */
KITH_MUST_USE kith_err log_folder_read(struct disk *disk, struct log_folder *out, struct log_text *text);
void log_folder_deinit(struct log_folder *folder);

/** KITH_E_NOMEM: then it is found again when the folder is read next. Keeps the order. */
kith_err log_numbers_add(struct log_numbers *numbers, uint64_t number);
void log_numbers_drop_first(struct log_numbers *numbers);

/** Adds at the end; NULL when there is no memory. */
struct log_segment *log_folder_add(struct log_folder *folder);
void log_folder_drop_first(struct log_folder *folder);

/** log_segment_scan() of one of the folder's segments. */
KITH_MUST_USE kith_err log_folder_scan(struct disk *disk, const struct log_segment *segment,
                                       kith_err (*each)(void *arg, const struct log_record *record), void *arg,
                                       struct log_segment_scan *out, struct log_text *text);

/** Where the log ends. */
struct log_end {
    size_t tail;                    /* index of the segment that the next record goes to */
    struct log_segment_scan scan;   /* of it */
    bool has_next;                  /* segment tail + 1 stands ready, without records */
    bool before_is_last;            /* the tail has no records: the last ones are in the segment before it */
    struct log_segment_scan before; /* of that one, if so */
    uint64_t position_next;         /* of the next entry */
};

/**
 * Scan the last segment, or two when the last has no records. Needs at least one segment.
 * Errors as log_folder_read().
 */
KITH_MUST_USE kith_err log_folder_find_end(struct disk *disk, const struct log_folder *folder, struct log_end *out,
                                           struct log_text *text);

/**
 * The scan of segment `index` fits what the next segment says of it.
 * KITH_OK, KITH_E_DAMAGED
 */
KITH_MUST_USE kith_err log_folder_check_joint(const struct log_folder *folder, size_t index,
                                              const struct log_segment_scan *scan, struct log_text *text);

#endif
