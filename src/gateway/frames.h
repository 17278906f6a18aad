#ifndef KITH_GATEWAY_FRAMES_H
#define KITH_GATEWAY_FRAMES_H

#include "gateway/session.h"

/* One row a frame: who may send it, when, and what takes it. Each handler has its file, named as the frame. */
enum frame_result {
    FRAME_DONE,  /* RECEIPT, if one is asked for, is sent by the caller             */
    FRAME_LATER, /* the handler sees to the answer; also when it refused the frame   */
};

typedef enum frame_result (*frame_fn)(struct session *session, const struct stomp_frame *frame);

/** Checks state and common headers, runs the handler, receipts. The session may be closing afterwards. */
void frames_take(struct session *session, const struct stomp_frame *frame);

/** Refuses with the frame's receipt and message id. Always FRAME_LATER. */
enum frame_result frame_refuse(struct session *session, const struct stomp_frame *frame, enum kith_code code,
                               const char *text);
/** The frame's receipt header, empty when there is none. Its length has been checked. */
struct kith_slice frame_receipt(const struct stomp_frame *frame);
/** KITH_E_NOTFOUND: no such header. KITH_E_MALFORMED. */
kith_err frame_header_u64(const struct stomp_frame *frame, const char *name, uint64_t *out);
kith_err frame_header_uuid(const struct stomp_frame *frame, const char *name, struct kith_uuid *out);

enum frame_result frame_connect(struct session *session, const struct stomp_frame *frame);
enum frame_result frame_send(struct session *session, const struct stomp_frame *frame);
enum frame_result frame_subscribe(struct session *session, const struct stomp_frame *frame);
enum frame_result frame_unsubscribe(struct session *session, const struct stomp_frame *frame);
enum frame_result frame_ack(struct session *session, const struct stomp_frame *frame);
enum frame_result frame_nack(struct session *session, const struct stomp_frame *frame);
enum frame_result frame_transaction(struct session *session, const struct stomp_frame *frame);
enum frame_result frame_disconnect(struct session *session, const struct stomp_frame *frame);

/* Where a SEND may go; one row and one file each as well. */
enum destination_kind {
    DESTINATION_CHAT,
    DESTINATION_READ,
    DESTINATION_TYPING,
    DESTINATION_SESSION,
    DESTINATION_MAILBOX
};

struct destination {
    enum destination_kind kind;
    struct kith_uuid id;
};
/** KITH_E_NOTFOUND: no such destination. KITH_E_MALFORMED: its id is no UUID. */
kith_err destination_parse(struct kith_slice text, struct destination *out);

typedef enum frame_result (*send_fn)(struct session *session, const struct stomp_frame *frame, struct kith_uuid id);
enum frame_result send_message(struct session *session, const struct stomp_frame *frame, struct kith_uuid id);
enum frame_result send_read(struct session *session, const struct stomp_frame *frame, struct kith_uuid id);
enum frame_result send_typing(struct session *session, const struct stomp_frame *frame, struct kith_uuid id);
enum frame_result send_session(struct session *session, const struct stomp_frame *frame, struct kith_uuid id);
enum frame_result send_mailbox(struct session *session, const struct stomp_frame *frame, struct kith_uuid id);

/* What SEND to a chat and to a mailbox have in common: message id, expiry, content type, body; checked. *cmd's slices
 * point into the frame. CODE_OK, or the refusal and its text. */
enum kith_code frame_message(const struct stomp_frame *frame, struct cmd *cmd, const char **text);

/* look_up.c: a SEND that must read something of the store first. The next frame waits too: the order of a session's frames
 * is the order of its commands (I-O3). */
/** Keeps a copy of the command. The caller starts the read; NULL: it was refused, all is done. */
struct reader *look_up_begin(struct waiting *waiting, const struct cmd *cmd);
/** The command that waits; may be changed. */
struct cmd *look_up_command(const struct reader *reader);
/** Everything was read: asks the core with CODE_OK, or refuses. Takes the reader. */
void look_up_end(struct reader *reader, enum kith_code code);

#endif
