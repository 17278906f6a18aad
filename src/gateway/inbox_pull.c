#include "gateway/inbox.h"
#include "gateway/reader.h"

/*
 * A page of a chat from the store: rows, then the person's membership (read after the rows, so that it knows of every
 * removal that the rows show, I-A1), then the bodies for this device where a message has one for each.
 */
#define PULL_ROWS 64

static void fail(struct reader *reader)
{
    struct inbox *inbox = reader->inbox;
    struct session *session = inbox->session;
    struct refusal refusal = {.code = CODE_INTERNAL, .text = "A chat cannot be read; it is tried again."};

    /* Loud, not shorter (I-D5): nothing after the hole is delivered. */
    reader->stream->failed = true;
    if (reader->stream->is_mail)
        refusal.text = "The mailbox cannot be read; it is tried again.";
    else
        refusal.chat = &reader->stream->chat;
    inbox_retry_soon(inbox);
    if (session->subs->has_errors)
        session_refuse(session, &refusal);
    else
        reader->gateway->stats.errors_by_code[CODE_INTERNAL]++;
    inbox_read_done(inbox);
}

static void finish(struct reader *reader)
{
    reader->stream->reading = false;
    stream_settle(reader->stream);
    inbox_read_done(reader->inbox);
}

static bool may_deliver(const struct reader *reader)
{
    return window_is_open(reader->inbox) && inbox_has_room(reader->inbox);
}

/* False: no memory. Then the stream rests as it is for a moment. */
static bool delivered(struct reader *reader, const struct parcel *parcel)
{
    if (deliver(reader->stream, parcel) == KITH_OK) return true;
    reader->stream->failed = true;
    inbox_retry_soon(reader->inbox);
    return false;
}

/* What lies between `sent` and seq is gone, or not for this person. */
static bool deliver_gap(struct reader *reader, uint64_t seq)
{
    return delivered(reader, &(struct parcel){.seq = seq, .earlier_life = reader->earlier_life});
}

/* The page is used up: what is missing at its end is missing for good. */
static void end_of_page(struct reader *reader)
{
    struct stream *stream = reader->stream;
    uint64_t last_visible = row_member_last_visible(&reader->member);
    uint64_t end = reader->seq_last;

    if (!reader->scan.more && reader->head > end) end = reader->head;
    if (end > last_visible) end = last_visible;
    if (end > stream->sent && may_deliver(reader)) (void)deliver_gap(reader, end);
    if (stream->head > last_visible) stream->head = last_visible > stream->sent ? last_visible : stream->sent;
    finish(reader);
}

static bool deliver_row(struct reader *reader, uint64_t seq, const struct row_message *row)
{
    struct parcel parcel = {.seq = seq, .row = row, .body = row->body};
    kith_err err = deliver_block(reader->gateway, reader->stream->chat, seq, row);

    if (err == KITH_OK) parcel.block = kith_buf_peek(&reader->gateway->block);
    if (row->flags & MESSAGE_PER_DEVICE) {
        parcel.body = kith_buf_peek(&reader->get.value);
        if (reader->has_body && reader->get.err == KITH_OK)
            parcel.body = kith_slice_of(parcel.body.ptr + 8, parcel.body.len - 8); /* expires_ms */
        else
            parcel.body.len = 0;
    }
    reader->has_body = false;
    return err == KITH_OK && delivered(reader, &parcel);
}

static void walk(struct reader *reader);

static void got_body(struct reader *reader)
{
    kith_err err = reader->get.err;

    if (err == KITH_OK && kith_buf_len(&reader->get.value) < 8) err = KITH_E_DAMAGED;
    if (err != KITH_OK && err != KITH_E_NOTFOUND) {
        fail(reader);
        return;
    }
    reader->has_body = true;
    walk(reader);
}

enum step { STEP_ON, STEP_STOP, STEP_READS };

/* One row. STEP_READS: its body is being read, walk() comes back to the same row. */
static enum step take_row(struct reader *reader, uint64_t seq, const struct row_message *row)
{
    struct stream *stream = reader->stream;
    struct session *session = reader->inbox->session;
    struct device_id body_of;

    if (seq <= stream->sent) return STEP_ON;
    if (!row_member_sees(&reader->member, false, seq) ||
        !deliver_is_visible(session, row, loop_wall_ms(reader->gateway->config.loop))) {
        reader->earlier_life = row->position <= group_life_position(reader->gateway->config.group);
        return STEP_ON;
    }
    if (!may_deliver(reader)) return STEP_STOP;
    reader->earlier_life = row->position <= group_life_position(reader->gateway->config.group);
    if (seq > stream->sent + 1) {
        if (!deliver_gap(reader, seq - 1) || !may_deliver(reader)) return STEP_STOP;
    }
    if ((row->flags & MESSAGE_PER_DEVICE) && !reader->has_body && row_message_body_of(row, session->device, &body_of)) {
        reader->key = row_key_body(stream->chat, seq, body_of);
        reader_get(reader, MSGSTORE_VALUE_BYTES_MAX, got_body);
        return STEP_READS;
    }
    return deliver_row(reader, seq, row) ? STEP_ON : STEP_STOP;
}

static void walk(struct reader *reader)
{
    struct kith_slice key, value, next = reader->rest;
    struct row_message row = {0};
    uint64_t seq = 0;
    bool is_put;

    while (msgstore_batch_next(&next, &is_put, &key, &value) == KITH_OK) {
        enum step step;
        if (row_key_tail_seq(key, &seq) != KITH_OK || row_message_decode(value, &row) != KITH_OK) {
            fail(reader);
            return;
        }
        step = take_row(reader, seq, &row);
        if (step == STEP_READS) return;
        if (step == STEP_STOP) {
            finish(reader);
            return;
        }
        reader->seq_last = seq;
        reader->rest = next;
    }
    end_of_page(reader);
}

static void got_member(struct reader *reader)
{
    struct stream *stream = reader->stream;
    kith_err err = reader->get.err;

    if (err == KITH_OK) err = row_member_decode(kith_buf_peek(&reader->get.value), &reader->member);
    if (err == KITH_E_NOTFOUND) { /* never was in it: nothing is for this person */
        stream->head = stream->sent;
        finish(reader);
    } else if (err != KITH_OK) {
        fail(reader);
    } else {
        walk(reader);
    }
}

static void got_rows(struct reader *reader)
{
    if (reader->scan.err != KITH_OK || (reader->scan.count == 0 && reader->scan.more)) {
        fail(reader);
        return;
    }
    reader->rest = kith_buf_peek(&reader->scan.rows);
    if (reader->stream->is_mail) { /* one's own, from the first to the last */
        reader->member = (struct row_member){.interval_count = 1, .intervals = {{.from = 1}}};
        walk(reader);
        return;
    }
    reader->key = row_key_member(reader->stream->chat, reader->inbox->session->user_id);
    reader_get(reader, 1024, got_member);
}

void inbox_pull(struct inbox *inbox, struct stream *stream)
{
    struct reader *reader = inbox->reader;
    uint32_t rows = inbox->session->subs->prefetch - inbox->unacked;

    reader->head = stream->head;
    reader->seq_last = stream->sent;
    reader->earlier_life = stream->sent < stream->flag_to;
    reader->key = stream->is_mail ? row_key_mail(inbox->session->user_id, inbox->session->device, stream->sent + 1)
                                  : row_key_message(stream->chat, stream->sent + 1);
    reader->prefix = reader->key;
    reader->prefix.len = stream->is_mail ? ROW_PREFIX_MAIL_DEVICE : ROW_PREFIX_STREAM;
    reader_scan(reader, rows < PULL_ROWS ? rows : PULL_ROWS, got_rows);
}
