#include <stdlib.h>

#include "gateway/inbox.h"
#include "gateway/reader.h"

/*
 * Where one device is in one chat: the chat's head, the device's cursor, the person's membership, in this order: what is
 * read later is as new as what was read before, or newer. Heads that move meanwhile come as events.
 *
 * A device without a row begins where its person joined. A device that was linked later has a row in each encrypted chat of
 * its person: the core writes it when it learns of the device, at the head of that moment, since nothing before it was made
 * for this device (src/chat/receipt.c). Wherever that row is missing it begins at the joining all the same: a ciphertext
 * too many does no harm, one too few is a lost message.
 */

void inbox_load_failed(struct reader *reader)
{
    struct inbox *inbox = reader->inbox;

    reader->gateway->stats.errors_by_code[CODE_INTERNAL]++;
    if (reader->stream != NULL) reader->stream->failed = true;
    inbox_retry_soon(inbox);
    inbox_read_done(inbox);
}

static void drop(struct reader *reader)
{
    struct stream *stream = reader->stream;

    stream_free(stream);
    reader->stream = NULL;
    inbox_read_done(reader->inbox);
}

static void loaded(struct stream *stream, uint64_t cursor, uint64_t head)
{
    bool had_event = stream->held != NULL;

    stream_loaded(stream, cursor, head);
    stream->reading = false;
    stream_release(stream);
    stream_settle(stream);
    /* The scan found nothing to do here; what an event woke stays a while, the next one is likely. */
    if (!had_event && stream->resting) stream_free(stream);
}

void inbox_first_scan_done(struct inbox *inbox)
{
    inbox->first_scan = false;
    inbox->session->subs->live = true; /* is so since inbox_start(), but for its planted bug */
    free(inbox->leftover);
    inbox->leftover = NULL;
}

static void got_member(struct reader *reader)
{
    struct session *session = reader->inbox->session;
    struct stream *stream = reader->stream;
    struct row_member *member = &reader->member;
    uint64_t head, begin;

    if (reader->get.err != KITH_OK && reader->get.err != KITH_E_NOTFOUND) {
        inbox_load_failed(reader);
        return;
    }
    if (reader->get.err == KITH_E_NOTFOUND || row_member_decode(kith_buf_peek(&reader->get.value), member) != KITH_OK ||
        member->interval_count == 0) {
        drop(reader);
        return;
    }
    session->receipts_off = (member->flags & MEMBER_RECEIPTS_OFF) != 0;
    head = row_member_last_visible(member);
    if (reader->chat.last_seq < head) head = reader->chat.last_seq;
    begin = reader->has_device && reader->device.has_cursor ? reader->device.cursor : member->intervals[0].from - 1;
    if (!stream->loaded) {
        loaded(stream, begin, head);
        inbox_read_done(reader->inbox);
        return;
    }
    stream->recheck = stream->reading = false;
    if (head > stream->head) stream->head = head;
    stream_settle(stream);
    /* Once a minute: nothing to do here, so the chat rests without a state; its next event makes one again. */
    if (stream->resting) stream_free(stream);
    inbox_read_done(reader->inbox);
}

static void get_member(struct reader *reader)
{
    reader->key = row_key_member(reader->stream->chat, reader->inbox->session->user_id);
    reader_get(reader, 1024, got_member);
}

static void got_device(struct reader *reader)
{
    struct kith_slice value = kith_buf_peek(&reader->get.value);
    kith_err err = reader->get.err;

    if (err == KITH_OK) err = row_device_decode(value, &reader->device);
    reader->has_device = err == KITH_OK;
    if (err == KITH_OK || err == KITH_E_NOTFOUND)
        get_member(reader);
    else
        inbox_load_failed(reader);
}

static void got_chat(struct reader *reader)
{
    struct stream *stream = reader->stream;
    struct kith_slice value = kith_buf_peek(&reader->get.value);
    kith_err err = reader->get.err;

    if (err == KITH_OK) err = row_chat_decode(value, &reader->chat);
    if (err == KITH_E_NOTFOUND) {
        drop(reader);
    } else if (err != KITH_OK) {
        inbox_load_failed(reader);
    } else {
        chats_remember(reader->gateway, stream->chat, reader->chat.encrypted != 0);
        if (stream->loaded) {
            get_member(reader);
            return;
        }
        reader->key = row_key_device(stream->chat, reader->inbox->session->device);
        reader_get(reader, 256, got_device);
    }
}

void inbox_load(struct inbox *inbox, struct stream *stream)
{
    struct reader *reader = inbox->reader;

    if (stream->is_mail) {
        inbox_mail_load(inbox, stream);
        return;
    }
    reader->key = row_key_chat(stream->chat);
    reader_get(reader, 1024, got_chat);
}
