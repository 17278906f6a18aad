#include "gateway/frames.h"
#include "gateway/reader.h"

/*
 * SEND /user/{id}/mailbox: ciphertexts for a person's devices, outside any chat. Who shares no chat with that person, and
 * has no request to or from them (which is a chat as well), may not: the two people's rows of chats, both in the order of
 * the chats' ids, are walked side by side until one is in both. The core does not look at other tables, so it is here.
 */
#define WALK_ROWS 64

enum side { SIDE_SENDER, SIDE_OWNER };

static void walk(struct reader *reader);

/* The next page of that person's chats, from `walk_chat` on. */
static void read_side(struct reader *reader, enum side side)
{
    const struct cmd *cmd = look_up_command(reader);
    struct user_id user = side == SIDE_SENDER ? cmd->actor : (struct user_id){cmd->stream};

    reader->walk_side = (uint8_t)side;
    reader->key = row_key_inbox(user, reader->walk_chat);
    reader->prefix = reader->key;
    reader->prefix.len = ROW_PREFIX_STREAM;
    reader_scan(reader, WALK_ROWS, walk);
}

/* The first chat of the page, from `from` on, in which that person is. False: none of it, and *out is its last. */
static bool first_chat(struct kith_slice rows, struct chat_id from, struct chat_id *out)
{
    struct kith_slice key, value;
    struct row_inbox row = {0};
    bool is_put;

    while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        if (row_key_tail_id(key, &out->id) != KITH_OK || row_inbox_decode(value, &row) != KITH_OK) continue;
        if (kith_uuid_cmp(out->id, from.id) >= 0 && row.left_seq == 0) return true;
    }
    return false;
}

static void walk(struct reader *reader)
{
    struct kith_slice rows = kith_buf_peek(&reader->scan.rows);
    struct chat_id from = reader->walk_chat, found = {0};
    bool is_first = !reader->walk_begun;

    if (reader->scan.err != KITH_OK) {
        look_up_end(reader, CODE_UNAVAILABLE);
        return;
    }
    reader->walk_begun = true;
    if (first_chat(rows, from, &found)) {
        if (!is_first && kith_uuid_eq(found.id, from.id)) { /* the other one's next is this one's, too */
            look_up_end(reader, CODE_OK);
            return;
        }
        reader->walk_chat = found;
        read_side(reader, reader->walk_side == SIDE_SENDER ? SIDE_OWNER : SIDE_SENDER);
    } else if (reader->scan.more && !kith_uuid_eq(found.id, from.id)) { /* left all of those: the next page */
        reader->walk_chat = found;
        reader->walk_begun = false;
        read_side(reader, (enum side)reader->walk_side);
    } else { /* nothing to see, and an unknown person is no other case (404) */
        look_up_end(reader, CODE_NOT_FOUND);
    }
}

static enum frame_result look_up(struct waiting *waiting, const struct cmd *cmd)
{
    struct reader *reader = look_up_begin(waiting, cmd);

    if (reader != NULL) read_side(reader, SIDE_SENDER);
    return FRAME_LATER;
}

enum frame_result send_mailbox(struct session *session, const struct stomp_frame *frame, struct kith_uuid id)
{
    struct cmd cmd = {.verb = CMD_MAIL_SEND, .stream = id, .actor = session->user_id, .device = session->device};
    struct waiting *waiting;
    const char *text = NULL;
    enum kith_code code = frame_message(frame, &cmd, &text);

    /* A mailbox knows neither order of predecessors nor threads, and one time to live for all. */
    cmd.after = cmd.parent = (struct msg_id){0};
    cmd.expires_ms = 0;
    if (code == CODE_OK && (cmd.flags & CMD_PER_DEVICE) == 0) {
        code = CODE_BAD_REQUEST;
        text = "A mailbox takes application/x-kith-bodies only.";
    }
    if (code != CODE_OK) return frame_refuse(session, frame, code, text);
    cmd.flags |= CMD_ENCRYPTED;
    waiting = waiting_new(session, WAITING_ASK, frame_receipt(frame));
    if (waiting == NULL) return frame_refuse(session, frame, CODE_UNAVAILABLE, NULL);
    waiting->has_client_id = true;
    waiting->client_id = cmd.id;
    /* The own devices among each other, or another person's. */
    if (!kith_uuid_eq(id, session->user_id.id)) return look_up(waiting, &cmd);
    waiting_ask(waiting, &cmd);
    return FRAME_LATER;
}
