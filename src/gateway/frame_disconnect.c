#include "gateway/frames.h"
#include "gateway/inbox.h"

/* With a receipt: what came before is answered first, and what was acknowledged is durable; then RECEIPT, then close. */
enum frame_result frame_disconnect(struct session *session, const struct stomp_frame *frame)
{
    struct kith_slice receipt = frame_receipt(frame);
    struct waiting *bye;

    if (receipt.len == 0) {
        session_close(session, 1000, "");
        return FRAME_LATER;
    }
    bye = waiting_new(session, WAITING_BYE, receipt);
    if (bye == NULL) {
        session_close(session, 1011, "no memory");
        return FRAME_LATER;
    }
    session->state = SESSION_DRAINING;
    if (session->inbox != NULL) cursor_flush(session->inbox, bye);
    waiting_end(bye);
    return FRAME_LATER;
}
