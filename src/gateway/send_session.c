#include "gateway/frames.h"

/* SEND /session with a new passcode of the same device: the connection lives as long as that token. Another answer than
 * "it is good" is about authentication, so it ends the connection as at CONNECT. */
enum frame_result send_session(struct session *session, const struct stomp_frame *frame, struct kith_uuid id)
{
    struct kith_slice token = {0};
    struct waiting *waiting;

    (void)id;
    if (!stomp_header(frame, "passcode", &token))
        return frame_refuse(session, frame, CODE_BAD_REQUEST, "SEND to /session needs a passcode.");
    waiting = waiting_new(session, WAITING_CHECK, frame_receipt(frame));
    if (waiting == NULL) return frame_refuse(session, frame, CODE_UNAVAILABLE, NULL);
    if (check_start(session, token, waiting) != KITH_OK)
        waiting_answer(waiting, &(struct chat_answer){.code = CODE_UNAVAILABLE});
    return FRAME_LATER;
}
