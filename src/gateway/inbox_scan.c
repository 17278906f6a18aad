#include "gateway/inbox.h"
#include "gateway/reader.h"

/*
 * Which chats there are: pages of the person's inbox rows. Each chat gets a stream, which is read (inbox_load.c) and,
 * when there is nothing to deliver, let go at once.
 */
#define SCAN_ROWS 32

static void take_chat(struct inbox *inbox, struct chat_id chat)
{
    struct stream *stream = stream_find(inbox->session, chat);

    if (stream == NULL) {
        (void)stream_new(inbox, chat);
    } else if (stream->loaded) {
        stream->recheck = true;
        stream_settle(stream);
    }
}

static void scanned(struct reader *reader)
{
    struct inbox *inbox = reader->inbox;
    struct kith_slice rest = kith_buf_peek(&reader->scan.rows), key, value;
    bool is_put;

    if (reader->scan.err != KITH_OK) {
        inbox->scan = SCAN_DONE; /* for now */
        inbox->scan_failed = true;
        inbox_retry_soon(inbox);
        inbox_read_done(inbox);
        return;
    }
    while (msgstore_batch_next(&rest, &is_put, &key, &value) == KITH_OK) {
        struct chat_id chat = {0};
        if (row_key_tail_id(key, &chat.id) != KITH_OK) continue;
        inbox->scan_at = chat;
        inbox->scan_begun = true;
        take_chat(inbox, chat);
    }
    if (!reader->scan.more) inbox->scan = SCAN_DONE;
    inbox_read_done(inbox);
}

void inbox_scan_chats(struct inbox *inbox)
{
    struct reader *reader = inbox->reader;

    /* The mailbox first: what it holds may be needed to read what the chats hold. */
    if (!inbox->scan_begun) (void)inbox_mail_stream(inbox);
    reader->key = row_key_inbox(inbox->session->user_id, inbox->scan_at);
    reader->prefix = reader->key;
    reader->prefix.len = ROW_PREFIX_STREAM;
    if (!inbox->scan_begun)
        reader->key.len = ROW_PREFIX_STREAM;
    else
        reader->key.bytes[reader->key.len++] = 0; /* the smallest key after that one */
    reader_scan(reader, SCAN_ROWS, scanned);
}
