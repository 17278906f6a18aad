#ifndef TESTS_UNIT_WS_DRIVE_H
#define TESTS_UNIT_WS_DRIVE_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "wire/ws_reader.h"

/*
 * A ws_reader with a caller around it, for tests and fuzzers: feeds it pieces, each time from new memory of the exact
 * size, and writes down what comes. The log has whole messages and control frames in order, as "T<text>", "B<bytes>",
 * "P<ping>", "O<pong>", "C<code>:<reason>"; then "E<error>/<close code>", or "?<part>" for a message that is not
 * whole. What a broken message had delivered is left out: that depends on the pieces, and the message never counts.
 */
struct ws_drive {
    struct ws_reader reader;
    struct ws_scratch scratch;
    uint8_t scratch_bytes[WS_SCRATCH_BYTES_MIN];
    struct kith_buf pending, log, message;
    bool in_message, is_text;
    unsigned events;
    kith_err err; /* KITH_OK while it may go on */
};

static inline void ws_drive_must(kith_err err)
{
    if (err != KITH_OK) abort();
}

static inline void ws_drive_init(struct ws_drive *drive, enum ws_role role, uint32_t message_bytes_max,
                                 const struct ws_inflate_params *deflate)
{
    memset(drive, 0, sizeof *drive);
    ws_scratch_init(&drive->scratch, drive->scratch_bytes, sizeof drive->scratch_bytes);
    ws_reader_init(&drive->reader, role, message_bytes_max, deflate, &drive->scratch);
    kith_buf_init(&drive->pending, SIZE_MAX / 4);
    kith_buf_init(&drive->log, SIZE_MAX / 4);
    kith_buf_init(&drive->message, SIZE_MAX / 4);
}

static inline void ws_drive_deinit(struct ws_drive *drive)
{
    ws_reader_deinit(&drive->reader);
    ws_scratch_deinit(&drive->scratch);
    kith_buf_deinit(&drive->pending);
    kith_buf_deinit(&drive->log);
    kith_buf_deinit(&drive->message);
}

static inline void ws_drive_note(struct ws_drive *drive, const char *mark, struct kith_slice bytes)
{
    ws_drive_must(kith_buf_append_str(&drive->log, mark));
    ws_drive_must(kith_buf_append(&drive->log, bytes));
    ws_drive_must(kith_buf_append_str(&drive->log, ";"));
}

static inline void ws_drive_event(struct ws_drive *drive, const struct ws_event *event)
{
    char mark[16];

    drive->events++;
    switch (event->kind) {
    case WS_EVENT_PING: ws_drive_note(drive, "P", event->bytes); break;
    case WS_EVENT_PONG: ws_drive_note(drive, "O", event->bytes); break;
    case WS_EVENT_CLOSE:
        (void)snprintf(mark, sizeof mark, "C%u:", event->code);
        ws_drive_note(drive, mark, event->bytes);
        break;
    case WS_EVENT_DATA:
        assert(event->first == !drive->in_message);
        assert(event->first || event->is_text == drive->is_text);
        drive->in_message = true;
        drive->is_text = event->is_text;
        ws_drive_must(kith_buf_append(&drive->message, event->bytes));
        if (!event->final) break;
        ws_drive_note(drive, event->is_text ? "T" : "B", kith_buf_peek(&drive->message));
        kith_buf_reset(&drive->message);
        drive->in_message = false;
        break;
    }
}

static inline void ws_drive_feed(struct ws_drive *drive, struct kith_slice piece)
{
    size_t len = kith_buf_len(&drive->pending) + piece.len, at = 0;
    uint8_t *bytes = len > 0 ? malloc(len) : NULL;
    struct ws_event event;

    if (drive->err != KITH_OK) len = 0;
    ws_drive_must(kith_buf_append(&drive->pending, piece));
    if (len > 0) memcpy(bytes, kith_buf_peek(&drive->pending).ptr, len);
    while (drive->err == KITH_OK) {
        size_t used = 0;

        drive->err = ws_reader_next(&drive->reader, len > 0 ? bytes + at : NULL, len - at, &used, &event);
        assert(used <= len - at);
        at += used;
        if (drive->err == KITH_OK) ws_drive_event(drive, &event);
    }
    /* What stays may have been unmasked in part: it has to come back as the reader left it. */
    kith_buf_reset(&drive->pending);
    if (len > at) ws_drive_must(kith_buf_append(&drive->pending, kith_slice_of(bytes + at, len - at)));
    free(bytes);
    if (drive->err == KITH_E_AGAIN) {
        assert(len - at <= WS_HEAD_BYTES_MAX + WS_CONTROL_BYTES_MAX);
        drive->err = KITH_OK;
    }
}

/* Ends the log; lent until the next call. */
static inline struct kith_slice ws_drive_end(struct ws_drive *drive)
{
    char mark[32];

    if (drive->err != KITH_OK && drive->err != KITH_E_CLOSED) {
        (void)snprintf(mark, sizeof mark, "E%s/%u", kith_err_name(drive->err), drive->reader.close_code);
        ws_drive_note(drive, mark, (struct kith_slice){0});
    } else if (drive->in_message) {
        ws_drive_note(drive, "?", kith_buf_peek(&drive->message));
    }
    return kith_buf_peek(&drive->log);
}

#endif
