#include "adapters/log/log_folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"

static const char *const prefixes[LOG_KINDS] = {"log-", "make-", "wipe-", "spare-"};
#define NUMBER_DIGITS 12
#define RESTORE       "Restore the log folder from a backup; a folder of another log may be mixed in."

void log_folder_name(enum log_kind kind, uint64_t number, char out[static DISK_NAME_BYTES_MAX])
{
    (void)snprintf(out, DISK_NAME_BYTES_MAX, "%s%0*" PRIu64, prefixes[kind], NUMBER_DIGITS, number);
}

/* Only the very form that log_folder_name() gives: "log-7" is somebody else's. */
static bool name_parse(const char *name, enum log_kind *kind, uint64_t *number)
{
    char again[DISK_NAME_BYTES_MAX];

    for (int k = 0; k < LOG_KINDS; k++) {
        size_t len = strlen(prefixes[k]);
        if (strncmp(name, prefixes[k], len) != 0) continue;
        *kind = (enum log_kind)k;
        *number = 0;
        for (name += len; *name >= '0' && *name <= '9' && *number < UINT64_MAX / 100; name++)
            *number = *number * 10 + (uint64_t)(*name - '0');
        log_folder_name(*kind, *number, again);
        return *number >= 1 && strcmp(again + len, name - (strlen(again) - len)) == 0;
    }
    return false;
}

/* ---------------------------------------------------------------------------------------------- lists */

kith_err log_numbers_add(struct log_numbers *numbers, uint64_t number)
{
    size_t at;

    if (numbers->count == numbers->cap) {
        size_t cap = numbers->cap == 0 ? 8 : numbers->cap * 2;
        uint64_t *list = realloc(numbers->list, cap * sizeof *list);
        if (list == NULL) return KITH_E_NOMEM;
        numbers->list = list;
        numbers->cap = cap;
    }
    for (at = numbers->count++; at > 0 && numbers->list[at - 1] > number; at--)
        numbers->list[at] = numbers->list[at - 1];
    numbers->list[at] = number;
    return KITH_OK;
}

void log_numbers_drop_first(struct log_numbers *numbers)
{
    assert(numbers->count > 0);
    numbers->count--;
    memmove(numbers->list, numbers->list + 1, numbers->count * sizeof *numbers->list);
}

struct log_segment *log_folder_add(struct log_folder *folder)
{
    if (folder->segment_count == folder->segment_cap) {
        size_t cap = folder->segment_cap == 0 ? 8 : folder->segment_cap * 2;
        struct log_segment *segments = realloc(folder->segments, cap * sizeof *segments);
        if (segments == NULL) return NULL;
        folder->segments = segments;
        folder->segment_cap = cap;
    }
    folder->segments[folder->segment_count] = (struct log_segment){0};
    return &folder->segments[folder->segment_count++];
}

void log_folder_drop_first(struct log_folder *folder)
{
    assert(folder->segment_count > 0);
    folder->segment_count--;
    memmove(folder->segments, folder->segments + 1, folder->segment_count * sizeof *folder->segments);
}

void log_folder_deinit(struct log_folder *folder)
{
    free(folder->segments);
    for (int k = 0; k < LOG_KINDS; k++) free(folder->others[k].list);
    *folder = (struct log_folder){0};
}

/* ---------------------------------------------------------------------------------------------- reading the folder */

struct listing {
    struct log_folder *folder;
    kith_err err;
};

static void list_one(void *arg, const char *name, uint64_t bytes)
{
    struct listing *listing = arg;
    struct log_segment *segment;
    enum log_kind kind;
    uint64_t number;

    if (listing->err != KITH_OK || !name_parse(name, &kind, &number)) return;
    if (kind != LOG_KIND_SEGMENT) {
        listing->err = log_numbers_add(&listing->folder->others[kind], number);
        return;
    }
    segment = log_folder_add(listing->folder);
    if (segment == NULL) {
        listing->err = KITH_E_NOMEM;
        return;
    }
    segment->number = number;
    segment->bytes = bytes;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = ((const struct log_segment *)a)->number, y = ((const struct log_segment *)b)->number;

    return x < y ? -1 : x > y;
}

static kith_err segment_read_open(struct disk *disk, struct disk_file *file, struct log_segment *segment)
{
    struct log_record record;
    struct log_scan scan;
    kith_err err = log_scan_init(&scan, disk, file, segment->header.salt, LOG_HEADER_BYTES);

    if (err == KITH_OK) err = log_scan_next(&scan, &record);
    if (err == KITH_OK && record.type == LOG_RECORD_OPEN) {
        segment->has_records = true;
        segment->position_first = record.position;
        segment->open = log_mark_decode(&record);
    }
    log_scan_deinit(&scan);
    /* A first record that is no good is judged when the segment is scanned as a whole. */
    return err == KITH_E_NOTFOUND || err == KITH_E_DAMAGED || err == KITH_E_UNSUPPORTED ? KITH_OK : err;
}

static kith_err segment_read(struct disk *disk, struct log_segment *segment, struct log_text *text)
{
    uint8_t page[LOG_HEADER_BYTES];
    char name[DISK_NAME_BYTES_MAX];
    struct disk_file *file = NULL;
    size_t got = 0;
    kith_err err;

    log_folder_name(LOG_KIND_SEGMENT, segment->number, name);
    err = disk->ops->open(disk, name, false, &file);
    if (err == KITH_OK) err = disk->ops->read(disk, file, 0, page, sizeof page, &got);
    if (err != KITH_OK) goto done;
    err = got < sizeof page ? KITH_E_DAMAGED : log_header_decode(page, &segment->header);
    if (err == KITH_OK && segment->header.number != segment->number) err = KITH_E_DAMAGED;
    if (err == KITH_OK) err = segment_read_open(disk, file, segment);
done:
    disk->ops->close(disk, file);
    if (err == KITH_E_DAMAGED)
        return log_text_set(text, err, "%s, byte 0: the header is not as it was written. " RESTORE, name);
    if (err == KITH_E_UNSUPPORTED)
        return log_text_set(text, err, "%s, byte 0: written by a later version of kithd. Start that version.", name);
    if (err != KITH_OK) log_text_set(text, err, "%s, byte 0: cannot be read (%s)", name, kith_err_name(err));
    return err;
}

/* What is wrong with segment `index`, seen beside the one before it; NULL when nothing is. */
static const char *segment_check(const struct log_folder *folder, size_t index)
{
    const struct log_segment *segment = &folder->segments[index], *before = segment - 1;
    bool is_last = index + 1 == folder->segment_count;

    if (!segment->has_records && !is_last) return "the first record is damaged";
    if (segment->number == 1 && segment->has_records && segment->position_first != 1) return "not the log's beginning";
    if (index == 0) return NULL;
    if (!kith_uuid_eq(segment->header.log_id, before->header.log_id)) return "the file belongs to another log";
    if (segment->has_records && segment->position_first < before->position_first)
        return "older than the file before it";
    return NULL;
}

static kith_err segments_check(const struct log_folder *folder, struct log_text *text)
{
    char name[DISK_NAME_BYTES_MAX];

    for (size_t i = 0; i < folder->segment_count; i++) {
        uint64_t number = i == 0 ? folder->segments[0].number : folder->segments[i - 1].number + 1;
        bool missing = folder->segments[i].number != number;
        const char *wrong = missing ? "this file is missing" : segment_check(folder, i);
        if (wrong == NULL) continue;
        log_folder_name(LOG_KIND_SEGMENT, number, name);
        return log_text_set(text, KITH_E_DAMAGED, "%s, byte %d: %s. " RESTORE, name, missing ? 0 : LOG_HEADER_BYTES,
                            wrong);
    }
    return KITH_OK;
}

kith_err log_folder_read(struct disk *disk, struct log_folder *out, struct log_text *text)
{
    struct listing listing = {.folder = out};
    kith_err err;

    *out = (struct log_folder){0};
    err = disk->ops->list(disk, list_one, &listing);
    if (err == KITH_OK) err = listing.err;
    if (err != KITH_OK) {
        log_text_set(text, err, "the log folder cannot be listed (%s)", kith_err_name(err));
        goto done;
    }
    if (out->segment_count > 0) qsort(out->segments, out->segment_count, sizeof *out->segments, by_number);
    for (size_t i = 0; i < out->segment_count && err == KITH_OK; i++) err = segment_read(disk, &out->segments[i], text);
    if (err == KITH_OK) err = segments_check(out, text);
done:
    if (err != KITH_OK) log_folder_deinit(out);
    return err;
}

kith_err log_folder_scan(struct disk *disk, const struct log_segment *segment,
                         kith_err (*each)(void *arg, const struct log_record *record), void *arg,
                         struct log_segment_scan *out, struct log_text *text)
{
    char name[DISK_NAME_BYTES_MAX];
    struct disk_file *file = NULL;
    kith_err err;

    log_folder_name(LOG_KIND_SEGMENT, segment->number, name);
    err = disk->ops->open(disk, name, false, &file);
    if (err != KITH_OK) return log_text_set(text, err, "%s: cannot be opened (%s)", name, kith_err_name(err));
    err = log_segment_scan(disk, file, name, segment->header.salt, each, arg, out, text);
    disk->ops->close(disk, file);
    return err;
}

/* ---------------------------------------------------------------------------------------------- where it ends */

kith_err log_folder_check_joint(const struct log_folder *folder, size_t index, const struct log_segment_scan *scan,
                                struct log_text *text)
{
    const struct log_segment *next = &folder->segments[index + 1];
    char name[DISK_NAME_BYTES_MAX];

    assert(index + 1 < folder->segment_count);
    log_folder_name(LOG_KIND_SEGMENT, folder->segments[index].number, name);
    if (!next->has_records) return KITH_OK;
    if (!scan->ended)
        return log_text_set(text, KITH_E_DAMAGED,
                            "%s, byte %" PRIu64
                            ": its end is missing, although the log goes on in the next file. " RESTORE,
                            name, scan->tail);
    if (next->position_first != scan->position_next || next->open.chain != scan->chain)
        return log_text_set(text, KITH_E_DAMAGED,
                            "%s, byte %" PRIu64 ": the next file does not continue this one. " RESTORE, name,
                            scan->last_at);
    return KITH_OK;
}

/* The last segment has no records: it stands ready for the one before it, or for the log's very first entry. */
static kith_err find_end_before_empty(struct disk *disk, const struct log_folder *folder, struct log_end *out,
                                      struct log_text *text)
{
    const struct log_segment *empty = &folder->segments[folder->segment_count - 1];
    char name[DISK_NAME_BYTES_MAX];
    kith_err err;

    log_folder_name(LOG_KIND_SEGMENT, empty->number, name);
    if (folder->segment_count == 1) {
        out->position_next = 1;
        if (empty->number == 1) return KITH_OK;
        return log_text_set(text, KITH_E_DAMAGED, "%s, byte 0: the file before it is missing. " RESTORE, name);
    }
    err = log_folder_scan(disk, empty - 1, NULL, NULL, &out->before, text);
    if (err != KITH_OK) return err;
    out->position_next = out->before.position_next;
    out->before_is_last = out->before.ended;
    if (out->before.ended) return KITH_OK;
    if (out->scan.torn_bytes > 0)
        return log_text_set(text, KITH_E_DAMAGED,
                            "%s, byte %d: written to before the file before it had ended. " RESTORE, name,
                            LOG_HEADER_BYTES);
    out->tail--;
    out->has_next = true;
    out->scan = out->before;
    return KITH_OK;
}

/* Only for the planted bug. */
static void drop_last_entry(struct log_segment_scan *scan, uint64_t *position_next)
{
    if (scan->entries == 0 || scan->ended) return;
    scan->torn_bytes += scan->tail - scan->last_entry_at;
    scan->tail = scan->last_entry_at;
    scan->entries--;
    scan->position_next--;
    *position_next = scan->position_next;
    if (scan->last_batch_at > scan->tail) scan->last_batch_at = (uint32_t)scan->tail;
}

kith_err log_folder_find_end(struct disk *disk, const struct log_folder *folder, struct log_end *out,
                             struct log_text *text)
{
    kith_err err;

    assert(folder->segment_count > 0);
    *out = (struct log_end){.tail = folder->segment_count - 1};
    err = log_folder_scan(disk, &folder->segments[out->tail], NULL, NULL, &out->scan, text);
    if (err != KITH_OK) return err;
    out->position_next = out->scan.position_next;
    if (out->scan.records == 0)
        err = find_end_before_empty(disk, folder, out, text);
    else if (out->scan.ended) {
        char name[DISK_NAME_BYTES_MAX];
        log_folder_name(LOG_KIND_SEGMENT, folder->segments[out->tail].number + 1, name);
        err = log_text_set(text, KITH_E_DAMAGED,
                           "%s, byte 0: this file is missing, the one before it is at its end. " RESTORE, name);
    }
    if (err == KITH_OK && kith_mutant(TAIL_DROPPED)) drop_last_entry(&out->scan, &out->position_next);
    return err;
}
