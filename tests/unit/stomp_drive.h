#ifndef TESTS_UNIT_STOMP_DRIVE_H
#define TESTS_UNIT_STOMP_DRIVE_H

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "wire/stomp.h"

/*
 * A stomp_reader with a caller around it, for tests and fuzzers: feeds it pieces, each time from new memory of the
 * exact size, and writes down what comes: "COMMAND|name=value|...|body;" for each frame, then "E<error>:<reason>", or
 * "?" when a frame has begun and is not whole.
 */
struct stomp_drive {
    struct stomp_reader reader;
    struct kith_buf pending, log;
    struct stomp_frame frame;
    unsigned frames;
    size_t line_end_bytes; /* used without a frame */
    kith_err err;          /* KITH_OK while it may go on */
};

static inline void stomp_drive_must(kith_err err)
{
    if (err != KITH_OK) abort();
}

static inline void stomp_drive_init(struct stomp_drive *drive, size_t frame_bytes_max)
{
    memset(drive, 0, sizeof *drive);
    stomp_reader_init(&drive->reader, frame_bytes_max);
    kith_buf_init(&drive->pending, SIZE_MAX / 4);
    kith_buf_init(&drive->log, SIZE_MAX / 4);
}

static inline void stomp_drive_deinit(struct stomp_drive *drive)
{
    kith_buf_deinit(&drive->pending);
    kith_buf_deinit(&drive->log);
}

static inline void stomp_drive_note(struct stomp_drive *drive, const char *mark, struct kith_slice bytes)
{
    stomp_drive_must(kith_buf_append_str(&drive->log, mark));
    stomp_drive_must(kith_buf_append(&drive->log, bytes));
}

static inline void stomp_drive_frame(struct stomp_drive *drive)
{
    const struct stomp_frame *frame = &drive->frame;

    drive->frames++;
    stomp_drive_note(drive, stomp_command_name(frame->command), (struct kith_slice){0});
    for (unsigned i = 0; i < frame->headers_count; i++) {
        stomp_drive_note(drive, "|", frame->headers[i].name);
        stomp_drive_note(drive, "=", frame->headers[i].value);
    }
    stomp_drive_note(drive, "|", frame->body);
    stomp_drive_note(drive, ";", (struct kith_slice){0});
}

static inline void stomp_drive_feed(struct stomp_drive *drive, struct kith_slice piece)
{
    size_t len = kith_buf_len(&drive->pending) + piece.len, at = 0;
    uint8_t *bytes = len > 0 ? malloc(len) : NULL;

    stomp_drive_must(kith_buf_append(&drive->pending, piece));
    if (len > 0) memcpy(bytes, kith_buf_peek(&drive->pending).ptr, len);
    while (drive->err == KITH_OK) {
        size_t used = 0;

        drive->err = stomp_next(&drive->reader, len > 0 ? bytes + at : NULL, len - at, &used, &drive->frame);
        assert(used <= len - at);
        at += used;
        if (drive->err == KITH_OK) {
            stomp_drive_frame(drive);
        } else {
            drive->line_end_bytes += used;
        }
    }
    /* What stays is as it came: only whole frames are unescaped. */
    kith_buf_consume(&drive->pending, at);
    assert(len == at || memcmp(bytes + at, kith_buf_peek(&drive->pending).ptr, len - at) == 0);
    free(bytes);
    if (drive->err == KITH_E_AGAIN) drive->err = KITH_OK;
}

/* Ends the log; lent until the next call. */
static inline struct kith_slice stomp_drive_end(struct stomp_drive *drive)
{
    if (drive->err != KITH_OK) {
        stomp_drive_note(drive, "E", kith_slice_str(kith_err_name(drive->err)));
        stomp_drive_note(drive, ":", kith_slice_str(drive->reader.reason));
    } else if (kith_buf_len(&drive->pending) > 0) {
        stomp_drive_note(drive, "?", (struct kith_slice){0});
    }
    return kith_buf_peek(&drive->log);
}

#endif
