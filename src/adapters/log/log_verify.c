#include <inttypes.h>

#include "adapters/log/log_file.h"
#include "adapters/log/log_folder.h"

/* Offline: the whole log, segment by segment. */

static kith_err joint_check(const struct log_folder *folder, size_t index, const struct log_segment_scan *scan,
                            struct log_text *text)
{
    if (index + 1 < folder->segment_count) return log_folder_check_joint(folder, index, scan, text);
    if (!scan->ended) return KITH_OK;
    return log_text_set(text, KITH_E_DAMAGED,
                        "the log ends where a next file should follow: segment %" PRIu64 " is missing",
                        folder->segments[index].number + 1);
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
        err = log_folder_scan(disk, &folder.segments[i], NULL, NULL, &scan, text);
        if (err != KITH_OK) break;
        report_add(out, &folder.segments[i], &scan);
        err = joint_check(&folder, i, &scan, text);
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

    return is_entry && record->position >= walk->from ? walk->each(walk->arg, record) : KITH_OK;
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
        err = log_folder_scan(disk, &folder.segments[i], walk_one, &walk, &scan, text);
        if (err == KITH_OK) err = joint_check(&folder, i, &scan, text);
        if (scan.records > 0) position_next = scan.position_next;
    }
    if (err == KITH_OK && from >= position_next)
        err = log_text_set(text, KITH_E_NOTFOUND, "position %" PRIu64 " is not in the log: its last is %" PRIu64, from,
                           position_next - 1);
    log_folder_deinit(&folder);
    return err;
}
