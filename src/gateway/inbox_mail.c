#include <stdlib.h>

#include "gateway/inbox.h"
#include "gateway/reader.h"

/*
 * The person's mailbox on /inbox: one more stream, of this device's items. Their numbers rise one by one as a chat's do, so
 * window, cursor, leftover and pull are those of a chat; what is acknowledged is told with CMD_MAIL_ACK. News of an item
 * says no more than that there is one: the device's row in the mailbox, which is read then, says what is its newest.
 */
static struct chat_id stream_id(const struct session *session)
{
    return (struct chat_id){session->user_id.id};
}

static void look_again(struct stream *stream)
{
    stream->recheck = true;
    stream_settle(stream);
}

struct stream *inbox_mail_stream(struct inbox *inbox)
{
    struct stream *stream = stream_find(inbox->session, stream_id(inbox->session));

    if (stream != NULL) {
        look_again(stream);
        return stream;
    }
    stream = stream_new(inbox, stream_id(inbox->session));
    if (stream != NULL) stream->is_mail = true;
    return stream;
}

void inbox_mail_news(struct gateway *gateway, struct user_id user)
{
    struct session *next;

    for (struct session *session = users_first(gateway, user); session != NULL; session = next) {
        struct inbox *inbox;
        next = session->peer_next;
        if (session->state != SESSION_OPEN || session->subs == NULL || !session->subs->live) continue;
        inbox = inbox_of(session);
        if (inbox == NULL || inbox_mail_stream(inbox) == NULL) inbox_retry_soon_of(session);
        if (inbox != NULL) inbox_work(inbox);
    }
}

static void got_device(struct reader *reader)
{
    struct inbox *inbox = reader->inbox;
    struct stream *stream = reader->stream;
    struct row_mail_device row = {0};
    kith_err err = reader->get.err;

    if (err == KITH_OK) err = row_mail_device_decode(kith_buf_peek(&reader->get.value), &row);
    if (err != KITH_OK && err != KITH_E_NOTFOUND) {
        inbox_load_failed(reader);
        return;
    }
    stream->reading = false;
    if (!stream->loaded) {
        stream_loaded(stream, row.acked, row.last);
    } else if (row.last > stream->head) {
        stream->head = row.last;
    }
    stream_settle(stream);
    /* Nothing waits here, and if something comes there will be news of it. */
    if (stream->resting) {
        stream_free(stream);
        reader->stream = NULL;
    }
    inbox_read_done(inbox);
}

void inbox_mail_load(struct inbox *inbox, struct stream *stream)
{
    struct reader *reader = inbox->reader;

    stream->recheck = false; /* before the read: what comes while it runs asks for another */
    reader->key = row_key_mail_device(inbox->session->user_id, inbox->session->device);
    reader_get(reader, 1024, got_device);
}
