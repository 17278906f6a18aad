#include "gateway/frames.h"

enum { IN_NEW = 1 << SESSION_NEW, IN_OPEN = 1 << SESSION_OPEN };

static const struct frame_row {
    frame_fn take;   /* NULL: not a client's frame */
    unsigned states; /* in which it may come      */
} rows[STOMP_COMMAND_COUNT] = {
    [STOMP_CONNECT] = {frame_connect, IN_NEW},
    [STOMP_STOMP] = {frame_connect, IN_NEW},
    [STOMP_SEND] = {frame_send, IN_OPEN},
    [STOMP_SUBSCRIBE] = {frame_subscribe, IN_OPEN},
    [STOMP_UNSUBSCRIBE] = {frame_unsubscribe, IN_OPEN},
    [STOMP_ACK] = {frame_ack, IN_OPEN},
    [STOMP_NACK] = {frame_nack, IN_OPEN},
    [STOMP_BEGIN] = {frame_transaction, IN_OPEN},
    [STOMP_COMMIT] = {frame_transaction, IN_OPEN},
    [STOMP_ABORT] = {frame_transaction, IN_OPEN},
    [STOMP_DISCONNECT] = {frame_disconnect, IN_OPEN},
};

struct kith_slice frame_receipt(const struct stomp_frame *frame)
{
    struct kith_slice receipt = {0};

    if (!stomp_header(frame, "receipt", &receipt) || receipt.len > GATEWAY_RECEIPT_BYTES_MAX) receipt.len = 0;
    return receipt;
}

kith_err frame_header_u64(const struct stomp_frame *frame, const char *name, uint64_t *out)
{
    struct kith_slice value = {0};

    if (!stomp_header(frame, name, &value)) return KITH_E_NOTFOUND;
    return kith_slice_to_u64(value, out);
}

kith_err frame_header_uuid(const struct stomp_frame *frame, const char *name, struct kith_uuid *out)
{
    struct kith_slice value = {0};

    if (!stomp_header(frame, name, &value)) return KITH_E_NOTFOUND;
    return kith_uuid_parse(value, out);
}

enum frame_result frame_refuse(struct session *session, const struct stomp_frame *frame, enum kith_code code,
                               const char *text)
{
    struct msg_id id = {0};
    struct refusal refusal = {.code = code, .text = text, .receipt = frame_receipt(frame)};

    if (frame->command == STOMP_SEND && frame_header_uuid(frame, "message-id", &id.id) == KITH_OK)
        refusal.client_id = &id;
    session_refuse(session, &refusal);
    return FRAME_LATER;
}

static bool receipt_is_well_formed(const struct stomp_frame *frame)
{
    struct kith_slice receipt = {0};

    if (!stomp_header(frame, "receipt", &receipt)) return true;
    return frame_receipt(frame).len > 0;
}

void frames_take(struct session *session, const struct stomp_frame *frame)
{
    const struct frame_row *row = &rows[frame->command];
    struct kith_slice transaction = {0};

    if (row->take == NULL) {
        session_fail(session, CODE_MALFORMED, "That frame is the server's.", (struct kith_slice){0});
        return;
    }
    if ((row->states & 1u << session->state) == 0) {
        const char *text = session->state == SESSION_NEW ? "CONNECT must come first." : "CONNECT came already.";
        session_fail(session, CODE_MALFORMED, text, (struct kith_slice){0});
        return;
    }
    if (row->states == IN_NEW) { /* CONNECT is answered by CONNECTED, never by RECEIPT */
        (void)row->take(session, frame);
        return;
    }
    if (!receipt_is_well_formed(frame)) {
        (void)frame_refuse(session, frame, CODE_BAD_REQUEST, "The receipt header is empty or too long.");
        return;
    }
    if (row->take != frame_transaction && stomp_header(frame, "transaction", &transaction)) {
        (void)frame_refuse(session, frame, CODE_NOT_SUPPORTED, "There are no transactions.");
        return;
    }
    if (row->take(session, frame) == FRAME_DONE) session_receipt(session, frame_receipt(frame), NULL, NULL);
}
