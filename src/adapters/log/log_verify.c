#include <inttypes.h>

#include "adapters/log/log_file.h"
#include "adapters/log/log_folder.h"

/*
 * Offline: the whole log, segment by segment. A server may be writing meanwhile: then the last segment can be met in the
 * middle of a batch, which looks like damage and is none a moment later.
 */
#define TRIES_MAX 3

static kith_err joint_check(struct disk *disk, const struct log_folder *folder, size_t index,
                            const struct log_segment_scan *scan, struct log_text *text)
{
    char name[DISK_NAME_BYTES_MAX];
    struct disk_file *file = NULL;
    kith_err err;

    if (index + 1 < folder->segment_count) return log_folder_check_joint(folder, index, scan, text);
    if (!scan->ended) return KITH_OK;
    log_folder_name(LOG_KIND_SEGMENT, folder->segments[index].number + 1, name);
    err = disk->ops->open(disk, name, false, &file); /* perhaps it was made after the folder was listed */
    disk->ops->close(disk, file);
    if (err == KITH_OK) return KITH_OK;
    return log_text_set(text, KITH_E_DAMAGED, "%s, byte 0: this file is missing, the one before it is at its end",
                        name);
}

static kith_err scan_one(struct disk *disk, const struct log_folder *folder, size_t index,
                         kith_err (*each)(void *arg, const struct log_record *record), void *arg,
                         struct log_segment_scan *out, struct log_text *text)
{
    unsigned tries = index + 1 < folder->segment_count ? 1 : TRIES_MAX;
    kith_err err;

    do err = log_folder_scan(disk, &folder->segments[index], each, arg, out, text);
    while (err == KITH_E_DAMAGED && --tries > 0);
    return err == KITH_OK ? joint_check(disk, folder, index, out, text) : err;
}

static void report_add(struct log_file_report *report, const struct log_segment *segment,
                       const struct log_segment_scan *scan)
{
    report->log_id = segment->header.log_id;
    report->segments++;
    report->bytes += segment->bytes;
    report->records += scan->records;
    report->entries += scan->entries;
    report->torn_bytes += scan->torn_bytes;
    if (scan->entries == 0) return;
    if (report->position_first == 0) report->position_first = scan->position_first;
    report->position_last = scan->position_next - 1;
}

kith_err log_file_verify(struct disk *disk, void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                         struct log_file_report *out, struct log_text *text)
{
    struct log_folder folder;
    uint64_t total = 0;
    kith_err err;

    *out = (struct log_file_report){0};
    err = log_folder_read(disk, &folder, text);
    if (err != KITH_OK) return err;
    for (size_t i = 0; i < folder.segment_count; i++) total += folder.segments[i].bytes;
    for (size_t i = 0; i < folder.segment_count && err == KITH_OK; i++) {
        struct log_segment_scan scan;
        if (progress != NULL) progress(arg, out->bytes, total);
        err = scan_one(disk, &folder, i, NULL, NULL, &scan, text);
        if (err == KITH_OK) report_add(out, &folder.segments[i], &scan);
    }
    if (err == KITH_OK && progress != NULL) progress(arg, total, total);
    log_folder_deinit(&folder);
    return err;
}

struct walk {
    uint64_t from;
    kith_err (*each)(void *arg, const struct log_record *record);
    void *arg;
};

static kith_err walk_one(void *arg, const struct log_record *record)
{
    struct walk *walk = arg;
    bool is_entry = record->type != LOG_RECORD_OPEN && record->type != LOG_RECORD_END &&
                    record->type != LOG_RECORD_SEAL;

    if (!is_entry || record->position < walk->from) return KITH_OK;
    walk->from = record->position + 1; /* a second try does not tell it again */
    return walk->each(walk->arg, record);
}

kith_err log_file_walk(struct disk *disk, uint64_t from, kith_err (*each)(void *arg, const struct log_record *record),
                       void *arg, struct log_text *text)
{
    struct walk walk = {.from = from, .each = each, .arg = arg};
    struct log_folder folder;
    uint64_t position_next = 0;
    size_t i = 0;
    kith_err err = log_folder_read(disk, &folder, text);

    if (err != KITH_OK) return err;
    while (i + 1 < folder.segment_count && folder.segments[i + 1].has_records &&
           folder.segments[i + 1].position_first <= from)
        i++;
    if (folder.segment_count == 0 || !folder.segments[i].has_records || folder.segments[i].position_first > from)
        err = log_text_set(text, KITH_E_NOTFOUND, "position %" PRIu64 " is not in the log", from);
    for (; i < folder.segment_count && err == KITH_OK; i++) {
        struct log_segment_scan scan;
        err = scan_one(disk, &folder, i, walk_one, &walk, &scan, text);
        if (scan.records > 0) position_next = scan.position_next;
    }
    if (err == KITH_OK && from >= position_next)
        err = log_text_set(text, KITH_E_NOTFOUND, "position %" PRIu64 " is not in the log: its last is %" PRIu64, from,
                           position_next - 1);
    log_folder_deinit(&folder);
    return err;
}
