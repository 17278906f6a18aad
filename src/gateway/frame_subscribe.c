#include "gateway/frames.h"
#include "gateway/inbox.h"

static bool kind_of(struct kith_slice destination, enum subscription_kind *kind)
{
    if (kith_slice_is(destination, "/inbox"))
        *kind = SUBSCRIPTION_INBOX;
    else if (kith_slice_is(destination, "/events"))
        *kind = SUBSCRIPTION_EVENTS;
    else if (kith_slice_is(destination, "/errors"))
        *kind = SUBSCRIPTION_ERRORS;
    else
        return false;
    return true;
}

/* A socket is not a person: /inbox is acknowledged. What may be lost without harm is not. */
static bool ack_mode_fits(const struct stomp_frame *frame, enum subscription_kind kind, bool *individual)
{
    struct kith_slice ack = kith_slice_str("auto");

    (void)stomp_header(frame, "ack", &ack);
    *individual = kith_slice_is(ack, "client-individual");
    if (kind == SUBSCRIPTION_INBOX) return *individual || kith_slice_is(ack, "client");
    return kith_slice_is(ack, "auto");
}

static enum kith_code prefetch_of(const struct session *session, const struct stomp_frame *frame, uint16_t *out)
{
    uint64_t prefetch = session->gateway->limits.prefetch_default;
    kith_err err = frame_header_u64(frame, "prefetch-count", &prefetch);

    if (err != KITH_OK && err != KITH_E_NOTFOUND) return CODE_BAD_REQUEST;
    if (prefetch == 0 || prefetch > GATEWAY_PREFETCH_MAX) return CODE_BAD_REQUEST;
    *out = (uint16_t)prefetch;
    return CODE_OK;
}

static bool id_of(const struct stomp_frame *frame, struct kith_slice *id)
{
    if (!stomp_header(frame, "id", id)) return false;
    return id->len > 0 && id->len <= GATEWAY_SUBSCRIPTION_ID_BYTES_MAX;
}

static enum frame_result start(struct session *session, const struct stomp_frame *frame, enum subscription_kind kind,
                               struct kith_slice id, bool individual, uint16_t prefetch)
{
    kith_err err = subscriptions_add(session, kind, id);
    enum subscription_kind added;

    if (err == KITH_E_FULL) return frame_refuse(session, frame, CODE_TOO_MANY, "Too many subscriptions.");
    if (err != KITH_OK) return frame_refuse(session, frame, CODE_UNAVAILABLE, NULL);
    /* RECEIPT first: it says that from here on nothing is missed, and what comes is of this subscription. */
    session_receipt(session, frame_receipt(frame), NULL, NULL);
    if (kind == SUBSCRIPTION_INBOX) {
        session->subs->individual = individual;
        session->subs->prefetch = prefetch;
        err = inbox_start(session);
    } else if (kind == SUBSCRIPTION_EVENTS) {
        err = events_start(session);
    }
    if (err == KITH_OK) return FRAME_LATER;
    (void)subscriptions_remove(session, id, &added);
    return frame_refuse(session, frame, CODE_UNAVAILABLE, NULL);
}

enum frame_result frame_subscribe(struct session *session, const struct stomp_frame *frame)
{
    struct kith_slice destination = {0}, id = {0};
    enum subscription_kind kind = SUBSCRIPTION_INBOX;
    uint16_t prefetch = 0;
    bool individual = false;

    if (!id_of(frame, &id))
        return frame_refuse(session, frame, CODE_BAD_REQUEST, "SUBSCRIBE needs an id of 1 to 128 bytes of UTF-8.");
    if (!stomp_header(frame, "destination", &destination))
        return frame_refuse(session, frame, CODE_BAD_REQUEST, "SUBSCRIBE needs a destination.");
    if (!kind_of(destination, &kind)) return frame_refuse(session, frame, CODE_BAD_DESTINATION, NULL);
    if (!ack_mode_fits(frame, kind, &individual))
        return frame_refuse(session, frame, CODE_ACK_MODE,
                            kind == SUBSCRIPTION_INBOX ? "/inbox takes ack:client or ack:client-individual."
                                                       : "This destination takes ack:auto.");
    if (subscriptions_find(session->subs, id))
        return frame_refuse(session, frame, CODE_CONFLICT, "There is a subscription with this id.");
    if (kind == SUBSCRIPTION_INBOX && session->subs != NULL && session->subs->has_inbox)
        return frame_refuse(session, frame, CODE_CONFLICT, "A device has one inbox.");
    if (prefetch_of(session, frame, &prefetch) != CODE_OK)
        return frame_refuse(session, frame, CODE_BAD_REQUEST, "prefetch-count is a number from 1 to 10000.");
    return start(session, frame, kind, id, individual, prefetch);
}

enum frame_result frame_unsubscribe(struct session *session, const struct stomp_frame *frame)
{
    struct kith_slice id = {0};
    enum subscription_kind kind = SUBSCRIPTION_ERRORS;
    bool marks = session->inbox != NULL && session->inbox->marks != SCAN_DONE;

    if (!stomp_header(frame, "id", &id) || subscriptions_remove(session, id, &kind) != KITH_OK)
        return frame_refuse(session, frame, CODE_BAD_REQUEST, "There is no subscription with this id.");
    if (kind == SUBSCRIPTION_INBOX) {
        session->subs->live = false;
        inbox_end(session);
        if (marks && session->subs->has_events) (void)events_start(session);
    }
    return FRAME_DONE;
}
