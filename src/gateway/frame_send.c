#include "gateway/frames.h"

#include <strings.h>

#include "wire/bodies.h"
#include "wire/json_text.h"
#include "wire/utf8.h"

static const send_fn takes[] = {
    [DESTINATION_CHAT] = send_message,    [DESTINATION_READ] = send_read,       [DESTINATION_TYPING] = send_typing,
    [DESTINATION_SESSION] = send_session, [DESTINATION_MAILBOX] = send_mailbox,
};

enum frame_result frame_send(struct session *session, const struct stomp_frame *frame)
{
    struct destination destination = {0};
    struct kith_slice text = {0};
    kith_err err;

    if (!stomp_header(frame, "destination", &text))
        return frame_refuse(session, frame, CODE_BAD_REQUEST, "SEND needs a destination.");
    err = destination_parse(text, &destination);
    if (err == KITH_E_NOTFOUND) return frame_refuse(session, frame, CODE_BAD_DESTINATION, NULL);
    if (err != KITH_OK) return frame_refuse(session, frame, CODE_BAD_REQUEST, "The id in the destination is no UUID.");
    return takes[destination.kind](session, frame, destination.id);
}

static bool is_media_type(struct kith_slice text)
{
    if (text.len == 0 || text.len > KITH_CONTENT_TYPE_BYTES_MAX) return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e) return false;
    return true;
}

static bool is_text(struct kith_slice content_type)
{
    return content_type.len >= 5 && strncasecmp((const char *)content_type.ptr, "text/", 5) == 0;
}

static enum kith_code take_bodies(struct cmd *cmd, const char **text)
{
    struct bodies bodies = {0};
    kith_err err = bodies_decode(cmd->body, &bodies);

    if (err == KITH_OK) {
        cmd->flags |= CMD_PER_DEVICE;
        cmd->content_type = kith_slice_str("application/octet-stream"); /* of each ciphertext */
        return CODE_OK;
    }
    *text = "The body is no well-formed application/x-kith-bodies.";
    return err == KITH_E_TOOBIG ? CODE_TOO_BIG : CODE_BAD_REQUEST;
}

/* A client that names no type mostly sends text; what is none is not called so. */
static enum kith_code take_body(const struct stomp_frame *frame, struct cmd *cmd, const char **text)
{
    bool named = stomp_header(frame, "content-type", &cmd->content_type);

    cmd->body = frame->body;
    if (cmd->body.len > KITH_MESSAGE_BYTES_MAX) {
        *text = "The message is too large.";
        return CODE_TOO_BIG;
    }
    if (!named) {
        cmd->content_type = kith_slice_str(utf8_is_valid(cmd->body) ? "text/plain" : "application/octet-stream");
        return CODE_OK;
    }
    if (!is_media_type(cmd->content_type)) {
        *text = "The content-type is empty, too long or not ASCII.";
        return CODE_BAD_REQUEST;
    }
    if (kith_slice_is(cmd->content_type, BODIES_CONTENT_TYPE)) return take_bodies(cmd, text);
    if (is_text(cmd->content_type) && !utf8_is_valid(cmd->body)) {
        *text = "The body is not UTF-8, as its content-type says.";
        return CODE_BAD_REQUEST;
    }
    return CODE_OK;
}

enum kith_code frame_message(const struct stomp_frame *frame, struct cmd *cmd, const char **text)
{
    struct kith_slice expires = {0};
    kith_err err;

    if (frame_header_uuid(frame, "message-id", &cmd->id.id) != KITH_OK || kith_uuid_is_nil(cmd->id.id)) {
        *text = "The message-id is missing or no UUID.";
        return CODE_BAD_REQUEST;
    }
    err = frame_header_uuid(frame, "after", &cmd->after.id);
    if (err == KITH_OK || err == KITH_E_NOTFOUND) err = frame_header_uuid(frame, "parent-id", &cmd->parent.id);
    if (err != KITH_OK && err != KITH_E_NOTFOUND) {
        *text = "The header after or parent-id is no UUID.";
        return CODE_BAD_REQUEST;
    }
    if (stomp_header(frame, "expires-at", &expires) &&
        (kith_time_parse(expires, &cmd->expires_ms) != KITH_OK || cmd->expires_ms == 0)) {
        *text = "The header expires-at is no time.";
        return CODE_BAD_REQUEST;
    }
    return take_body(frame, cmd, text);
}
