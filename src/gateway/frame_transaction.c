#include "gateway/frames.h"

/* BEGIN, COMMIT, ABORT: each message is a transaction of its own; several chats' messages could not be one. */
enum frame_result frame_transaction(struct session *session, const struct stomp_frame *frame)
{
    return frame_refuse(session, frame, CODE_NOT_SUPPORTED, "There are no transactions.");
}
