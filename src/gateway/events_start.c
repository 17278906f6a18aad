#include "gateway/inbox.h"
#include "gateway/reader.h"

/*
 * The watermarks of all the person's chats, once, when /events is subscribed: chat by chat (a page of one inbox row),
 * in it first the person's own row (whether receipts are off decides what is shown), then pages of members. Large groups
 * come too, a page at a time, as the connection drains.
 */
#define MARKS_ROWS 64

kith_err events_start(struct session *session)
{
    struct inbox *inbox = inbox_of(session);

    if (inbox == NULL) return KITH_E_NOMEM;
    inbox->marks = SCAN_WANTED;
    inbox->marks_begun = inbox->marks_in_chat = false;
    inbox_work(inbox);
    return KITH_OK;
}

/* What cannot be read now is left out: the next move, or the next connection, brings it. */
static void next_chat(struct reader *reader, bool is_last)
{
    struct inbox *inbox = reader->inbox;

    inbox->marks_in_chat = false;
    if (is_last) inbox->marks = SCAN_DONE;
    inbox_read_done(inbox);
}

static void show(struct reader *reader, struct user_id user, const struct row_member *member)
{
    struct inbox *inbox = reader->inbox;
    struct watermark mark = {.user = user,
                             .delivered_up_to = member->delivered_up_to,
                             .read_up_to = member->read_up_to,
                             .at_ms = member->delivered_ms > member->read_ms ? member->delivered_ms : member->read_ms,
                             .read_hidden = (member->flags & MEMBER_RECEIPTS_OFF) != 0};

    if (row_member_last_visible(member) != UINT64_MAX || mark.delivered_up_to == 0) return;
    (void)events_delivered_moved(reader->gateway, inbox->marks_chat, &mark);
    events_send_receipt(inbox->session, inbox->marks_chat, &mark);
}

static void got_members(struct reader *reader)
{
    struct inbox *inbox = reader->inbox;
    struct kith_slice rest = kith_buf_peek(&reader->scan.rows), key, value;
    bool is_put;

    if (reader->scan.err != KITH_OK) {
        next_chat(reader, false);
        return;
    }
    while (msgstore_batch_next(&rest, &is_put, &key, &value) == KITH_OK) {
        struct row_member member = {0};
        struct user_id user = {0};
        if (row_key_tail_id(key, &user.id) != KITH_OK || row_member_decode(value, &member) != KITH_OK) continue;
        inbox->marks_user = user;
        show(reader, user, &member);
    }
    if (!reader->scan.more) inbox->marks_in_chat = false;
    inbox_read_done(inbox);
}

static void read_members(struct reader *reader)
{
    struct inbox *inbox = reader->inbox;

    reader->key = row_key_member(inbox->marks_chat, inbox->marks_user);
    reader->prefix = reader->key;
    reader->prefix.len = ROW_PREFIX_STREAM;
    reader->key.bytes[reader->key.len++] = 0; /* those after marks_user; at first all, since nobody has the nil id */
    reader_scan(reader, MARKS_ROWS, got_members);
}

static void got_own(struct reader *reader)
{
    struct session *session = reader->inbox->session;

    if (reader->get.err != KITH_OK ||
        row_member_decode(kith_buf_peek(&reader->get.value), &reader->member) != KITH_OK ||
        row_member_last_visible(&reader->member) != UINT64_MAX) {
        next_chat(reader, false);
        return;
    }
    session->receipts_off = (reader->member.flags & MEMBER_RECEIPTS_OFF) != 0;
    reader->inbox->marks_in_chat = true;
    reader->inbox->marks_user = (struct user_id){0};
    read_members(reader);
}

static void got_chat(struct reader *reader)
{
    struct inbox *inbox = reader->inbox;
    struct kith_slice rest = kith_buf_peek(&reader->scan.rows), key, value;
    struct row_inbox row = {0};
    bool is_put;

    if (reader->scan.err != KITH_OK || msgstore_batch_next(&rest, &is_put, &key, &value) != KITH_OK ||
        row_key_tail_id(key, &inbox->marks_chat.id) != KITH_OK) {
        next_chat(reader, true);
        return;
    }
    inbox->marks_begun = true;
    if (row_inbox_decode(value, &row) != KITH_OK || row.left_seq != 0) {
        next_chat(reader, !reader->scan.more);
        return;
    }
    reader->key = row_key_member(inbox->marks_chat, inbox->session->user_id);
    reader_get(reader, 1024, got_own);
}

void inbox_read_marks(struct inbox *inbox)
{
    struct reader *reader = inbox->reader;

    if (inbox->marks_in_chat) {
        read_members(reader);
        return;
    }
    reader->key = row_key_inbox(inbox->session->user_id, inbox->marks_chat);
    reader->prefix = reader->key;
    reader->prefix.len = ROW_PREFIX_STREAM;
    if (!inbox->marks_begun)
        reader->key.len = ROW_PREFIX_STREAM;
    else
        reader->key.bytes[reader->key.len++] = 0;
    reader_scan(reader, 1, got_chat);
}
