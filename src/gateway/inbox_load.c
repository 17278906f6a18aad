#include <stdlib.h>

#include "gateway/inbox.h"
#include "gateway/reader.h"

/*
 * Where one device is in one chat: the chat's head, the device's cursor, the person's membership, in this order: what is
 * read later is as new as what was read before, or newer. Heads that move meanwhile come as events.
 *
 * A device without a cursor begins where its person joined. In an encrypted chat only a device that was there then can
 * read what came since; one that was linked later begins at the head. A device is new when it has a cursor in no chat at
 * all, which is known when all chats were seen; until then such streams are parked. If nobody of the person's devices
 * has acknowledged anything in that chat, it was made while this one was away, and it begins at the joining all the same:
 * a ciphertext too many does no harm, one too few is a lost message.
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

static void loaded(struct stream *stream, uint64_t cursor, uint64_t head, bool begin)
{
    bool had_event = stream->held != NULL;

    stream_loaded(stream, cursor, head, begin);
    stream->reading = false;
    stream_release(stream);
    stream_settle(stream);
    /* The scan found nothing to do here; what an event woke stays a while, the next one is likely. */
    if (!had_event && stream->resting) stream_free(stream);
}

static void park(struct stream *stream, const struct row_member *member, uint64_t head)
{
    stream->inbox->unloaded--;
    stream->parked = true;
    stream->sent = member->intervals[0].from - 1;
    stream->cursor = head;
    stream->others = member->delivered_up_to >= member->intervals[0].from;
    if (head > stream->head) stream->head = head;
}

static void unpark(struct stream *stream, bool is_new)
{
    uint64_t join = stream->sent, head = stream->cursor;

    if (leftover_find(stream->inbox->leftover, stream->chat) != NULL) is_new = false; /* it was here in this life */
    if (is_new && stream->others)
        loaded(stream, head, head, true);
    else
        loaded(stream, join, head, false);
}

void inbox_first_scan_done(struct inbox *inbox)
{
    struct stream *next;

    inbox->first_scan = false;
    inbox->session->subs->live = true; /* is so since inbox_start(), but for its planted bug */
    for (struct stream *stream = inbox->streams; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->parked) unpark(stream, !inbox->established);
    }
    free(inbox->leftover);
    inbox->leftover = NULL;
}

static void decide(struct reader *reader, uint64_t head)
{
    struct inbox *inbox = reader->inbox;
    struct stream *stream = reader->stream;

    if (reader->has_device && reader->device.has_cursor) {
        inbox->established = true;
        loaded(stream, reader->device.cursor, head, false);
    } else if (reader->chat.encrypted == 0 || !inbox->first_scan) {
        loaded(stream, reader->member.intervals[0].from - 1, head, false);
    } else {
        park(stream, &reader->member, head);
    }
    inbox_read_done(inbox);
}

static void got_member(struct reader *reader)
{
    struct session *session = reader->inbox->session;
    struct stream *stream = reader->stream;
    struct row_member *member = &reader->member;
    uint64_t head;

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
    if (!stream->loaded) {
        decide(reader, head);
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
