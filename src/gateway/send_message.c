#include "gateway/frames.h"
#include "gateway/inbox.h"
#include "gateway/reader.h"

static void looked_up(struct reader *reader)
{
    struct gateway *gateway = reader->gateway;
    struct cmd *cmd = look_up_command(reader);
    enum kith_code code = CODE_OK;

    if (reader->get.err == KITH_OK && row_chat_decode(kith_buf_peek(&reader->get.value), &reader->chat) == KITH_OK) {
        chats_remember(gateway, (struct chat_id){cmd->stream}, reader->chat.encrypted != 0);
        if (reader->chat.encrypted != 0) cmd->flags |= CMD_ENCRYPTED;
    } else if (reader->get.err != KITH_E_NOTFOUND) { /* not found: the core says so, in its own order */
        code = CODE_UNAVAILABLE;
    }
    look_up_end(reader, code);
}

/* It must be known whether the chat is encrypted. */
static enum frame_result look_up(struct waiting *waiting, const struct cmd *cmd)
{
    struct reader *reader = look_up_begin(waiting, cmd);

    if (reader == NULL) return FRAME_LATER;
    reader->key = row_key_chat((struct chat_id){cmd->stream});
    reader_get(reader, 1024, looked_up);
    return FRAME_LATER;
}

void chats_remember(struct gateway *gateway, struct chat_id chat, bool encrypted)
{
    bool *known = NULL;
    kith_err err = kith_map_add(&gateway->chats, &chat, (void **)&known);

    if (err == KITH_E_FULL) {
        kith_map_reset(&gateway->chats); /* it spares reads, no more */
        err = kith_map_add(&gateway->chats, &chat, (void **)&known);
    }
    if (err == KITH_OK || err == KITH_E_CONFLICT) *known = encrypted;
}

/* Who does not say `encrypted` sends what the chat is for: that is fixed when a chat is made. */
static bool encryption_of(const struct session *session, const struct stomp_frame *frame, struct cmd *cmd,
                          bool *is_known)
{
    struct kith_slice text = {0};
    const bool *known;

    *is_known = true;
    if (stomp_header(frame, "encrypted", &text)) {
        if (kith_slice_is(text, "true"))
            cmd->flags |= CMD_ENCRYPTED;
        else if (!kith_slice_is(text, "false"))
            return false;
        return true;
    }
    known = kith_map_find(&session->gateway->chats, &cmd->stream);
    *is_known = known != NULL;
    if (known != NULL && *known) cmd->flags |= CMD_ENCRYPTED;
    return true;
}

enum frame_result send_message(struct session *session, const struct stomp_frame *frame, struct kith_uuid id)
{
    struct cmd cmd = {.verb = CMD_SEND, .stream = id, .actor = session->user_id, .device = session->device};
    struct waiting *waiting;
    const char *text = NULL;
    bool is_known = false;
    enum kith_code code = frame_message(frame, &cmd, &text);

    if (code != CODE_OK) return frame_refuse(session, frame, code, text);
    if (!encryption_of(session, frame, &cmd, &is_known))
        return frame_refuse(session, frame, CODE_BAD_REQUEST, "The header encrypted is true or false.");
    waiting = waiting_new(session, WAITING_ASK, frame_receipt(frame));
    if (waiting == NULL) return frame_refuse(session, frame, CODE_UNAVAILABLE, NULL);
    waiting->is_message = waiting->has_client_id = true;
    waiting->client_id = cmd.id;
    stale_note(waiting, &cmd);
    session->gateway->stats.messages_in++;
    if (!is_known) return look_up(waiting, &cmd);
    waiting_ask(waiting, &cmd);
    return FRAME_LATER;
}
