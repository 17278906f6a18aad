#ifndef TESTS_UNIT_HTTP1_DRIVE_H
#define TESTS_UNIT_HTTP1_DRIVE_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "wire/http1_reader.h"

/*
 * An http1_reader with a caller around it, for tests and fuzzers: feeds it pieces, each from new memory of the exact
 * size, and writes down what comes. Request: "METHOD target path query host minor flags|name=value...|body;", where
 * the flags are k (keep alive), e (expects 100), u (upgrade). Response: "status minor flags|...|body;". Then
 * "E<status> <reason>", "C" when the connection was done with, "?" when a message has begun and is not whole. An
 * upgrade that is taken up ends the log with the bytes behind it.
 */
struct http1_drive {
    struct http1_reader reader;
    struct kith_buf log, body;
    bool streams;  /* take bodies in pieces */
    bool upgrades; /* take upgrades up      */
    bool upgraded;
    unsigned heads, messages;
    kith_err err; /* KITH_OK while it may go on */
};

static inline void http1_drive_must(kith_err err)
{
    if (err != KITH_OK) abort();
}

static inline void http1_drive_init(struct http1_drive *drive, bool is_client, uint64_t body_bytes_max)
{
    memset(drive, 0, sizeof *drive);
    if (is_client) {
        http1_reader_init_client(&drive->reader, body_bytes_max);
    } else {
        http1_reader_init_server(&drive->reader, body_bytes_max);
    }
    kith_buf_init(&drive->log, SIZE_MAX / 4);
    kith_buf_init(&drive->body, SIZE_MAX / 4);
}

static inline void http1_drive_deinit(struct http1_drive *drive)
{
    http1_reader_deinit(&drive->reader);
    kith_buf_deinit(&drive->log);
    kith_buf_deinit(&drive->body);
}

static inline void http1_drive_note(struct http1_drive *drive, const char *mark, struct kith_slice bytes)
{
    http1_drive_must(kith_buf_append_str(&drive->log, mark));
    http1_drive_must(kith_buf_append(&drive->log, bytes));
}

static inline void http1_drive_done(struct http1_drive *drive)
{
    struct http1_headers headers;
    struct kith_slice body;
    char mark[32];

    if (drive->reader.is_client) {
        const struct http1_response *response = http1_reader_response(&drive->reader);
        (void)snprintf(mark, sizeof mark, "%u %u %s%s", response->status, response->minor,
                       response->keep_alive ? "k" : "", response->upgrade ? "u" : "");
        http1_drive_note(drive, mark, (struct kith_slice){0});
        headers = response->headers;
        body = response->body;
    } else {
        const struct http1_request *request = http1_reader_request(&drive->reader);
        http1_drive_note(drive, http1_method_name(request->method), (struct kith_slice){0});
        http1_drive_note(drive, " ", request->target);
        http1_drive_note(drive, " ", request->path);
        http1_drive_note(drive, " ", request->query);
        http1_drive_note(drive, " ", request->host);
        (void)snprintf(mark, sizeof mark, " %u %s%s%s", request->minor, request->keep_alive ? "k" : "",
                       request->expects_continue ? "e" : "", request->upgrade ? "u" : "");
        http1_drive_note(drive, mark, (struct kith_slice){0});
        headers = request->headers;
        body = request->body;
        drive->upgraded = request->upgrade && drive->upgrades;
    }
    for (size_t i = 0; i < headers.count; i++) {
        http1_drive_note(drive, "|", headers.at[i].name);
        http1_drive_note(drive, "=", headers.at[i].value);
    }
    http1_drive_note(drive, "|", drive->streams ? kith_buf_peek(&drive->body) : body);
    http1_drive_note(drive, ";", (struct kith_slice){0});
    kith_buf_reset(&drive->body);
    drive->messages++;
}

static inline void http1_drive_event(struct http1_drive *drive, enum http1_event event)
{
    switch (event) {
    case HTTP1_EVENT_HEAD:
        drive->heads++;
        if (drive->streams) http1_reader_stream_body(&drive->reader);
        break;
    case HTTP1_EVENT_BODY: http1_drive_must(kith_buf_append(&drive->body, http1_reader_chunk(&drive->reader))); break;
    case HTTP1_EVENT_DONE: http1_drive_done(drive); break;
    }
}

static inline void http1_drive_feed(struct http1_drive *drive, struct kith_slice piece)
{
    while (drive->err == KITH_OK && !drive->upgraded) {
        uint8_t *bytes = piece.len > 0 ? malloc(piece.len) : NULL;
        enum http1_event event = HTTP1_EVENT_HEAD;
        size_t used = 0;

        assert(piece.len == 0 || bytes != NULL);
        if (piece.len > 0) memcpy(bytes, piece.ptr, piece.len);
        drive->err = http1_reader_next(&drive->reader, kith_slice_of(bytes, piece.len), &used, &event);
        assert(used <= piece.len);
        assert(drive->err != KITH_E_AGAIN || used == piece.len);
        if (drive->err == KITH_OK) http1_drive_event(drive, event);
        free(bytes);
        if (used > 0) piece.ptr += used;
        piece.len -= used;
    }
    if (drive->err == KITH_E_AGAIN) drive->err = KITH_OK;
    if (drive->upgraded) http1_drive_note(drive, "", piece);
}

/* Ends the log; lent until the next call. */
static inline struct kith_slice http1_drive_end(struct http1_drive *drive)
{
    char mark[16];

    if (drive->err == KITH_E_CLOSED) {
        http1_drive_note(drive, "C", (struct kith_slice){0});
    } else if (drive->err != KITH_OK) {
        (void)snprintf(mark, sizeof mark, "E%u ", drive->reader.status);
        http1_drive_note(drive, mark, kith_slice_str(drive->reader.reason));
    } else if (!http1_reader_is_idle(&drive->reader)) {
        http1_drive_note(drive, "?", (struct kith_slice){0});
    }
    return kith_buf_peek(&drive->log);
}

#endif
