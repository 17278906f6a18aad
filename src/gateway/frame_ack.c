#include "gateway/frames.h"
#include "gateway/inbox.h"

void ack_answered(struct waiting *waiting)
{
    struct session *session = waiting->session;

    if (waiting->code == CODE_OK)
        session_receipt(session, waiting_receipt(waiting), NULL, NULL);
    else
        session_refuse(session, &(struct refusal){.code = waiting->code, .receipt = waiting_receipt(waiting)});
    if (session->state != SESSION_CLOSING) waiting_end(waiting);
}

/* RECEIPT of an ACK says that the cursors are stored: after that nothing of it is sent again (I-E6). */
static enum frame_result receipt_when_durable(struct session *session, const struct stomp_frame *frame)
{
    struct kith_slice receipt = frame_receipt(frame);
    struct waiting *waiting;

    if (receipt.len == 0 || session->inbox == NULL) return FRAME_DONE;
    waiting = waiting_new(session, WAITING_ACK, receipt);
    if (waiting == NULL) return frame_refuse(session, frame, CODE_UNAVAILABLE, NULL);
    cursor_flush(session->inbox, waiting);
    if (waiting->cursors == NULL) ack_answered(waiting);
    return FRAME_LATER;
}

static enum frame_result take(struct session *session, const struct stomp_frame *frame, bool nack)
{
    struct subscriptions *subs = session->subs;
    struct inbox *inbox = session->inbox;
    uint64_t n = 0;
    uint32_t taken;

    if (frame_header_u64(frame, "id", &n) != KITH_OK || n == 0 || subs == NULL || n > subs->message_n)
        return frame_refuse(session, frame, CODE_BAD_REQUEST,
                            "The id is missing, or of no delivery on this connection.");
    /* Acknowledged before, or of a subscription that ended: nothing to do, nothing wrong. */
    taken = inbox == NULL ? 0 : window_take(inbox, n, !subs->individual, nack);
    if (nack)
        session->gateway->stats.nacks += taken;
    else
        session->gateway->stats.acks += taken;
    if (inbox != NULL && inbox->nacked_count > GATEWAY_STREAMS_MAX / 2) {
        /* Each such chat keeps its state until the next connection. */
        session_fail(session, CODE_TOO_MANY, "Too many chats with refused messages; connect again.",
                     frame_receipt(frame));
        return FRAME_LATER;
    }
    if (inbox != NULL) inbox_work(inbox); /* the window opened */
    return receipt_when_durable(session, frame);
}

enum frame_result frame_ack(struct session *session, const struct stomp_frame *frame)
{
    return take(session, frame, false);
}

/* The refused message comes again on the next connection: the chat's cursor stays before it until then. */
enum frame_result frame_nack(struct session *session, const struct stomp_frame *frame)
{
    return take(session, frame, true);
}
