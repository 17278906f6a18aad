#include "gateway/frames.h"

/* SEND /chat/{id}/read with a seq: this person has read up to there (I-R1, I-R2). */
enum frame_result send_read(struct session *session, const struct stomp_frame *frame, struct kith_uuid id)
{
    struct cmd cmd = {.verb = CMD_READ, .stream = id, .actor = session->user_id, .device = session->device};
    struct waiting *waiting;

    if (frame_header_u64(frame, "seq", &cmd.seq) != KITH_OK || cmd.seq == 0)
        return frame_refuse(session, frame, CODE_BAD_REQUEST, "The seq is missing or no number.");
    waiting = waiting_new(session, WAITING_ASK, frame_receipt(frame));
    if (waiting == NULL) return frame_refuse(session, frame, CODE_UNAVAILABLE, NULL);
    waiting_ask(waiting, &cmd);
    return FRAME_LATER;
}
