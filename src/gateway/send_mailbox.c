#include "gateway/frames.h"

/* SEND /user/{id}/mailbox: ciphertexts for a person's devices, outside any chat. The core says who may. */
enum frame_result send_mailbox(struct session *session, const struct stomp_frame *frame, struct kith_uuid id)
{
    struct cmd cmd = {.verb = CMD_MAIL_SEND, .stream = id, .actor = session->user_id, .device = session->device};
    struct waiting *waiting;
    const char *text = NULL;
    enum kith_code code = frame_message(frame, &cmd, &text);

    if (!session->gateway->config.mailboxes)
        return frame_refuse(session, frame, CODE_NOT_SUPPORTED, "This server has no mailboxes yet.");
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
    waiting_ask(waiting, &cmd);
    return FRAME_LATER;
}
