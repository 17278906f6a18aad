#ifndef LIBKITH_CONTENT_H
#define LIBKITH_CONTENT_H

#include "base/buf.h"
#include "base/id.h"

/**
 * What a message of an encrypted chat is, beyond text: its content type says which, its body names the message that is
 * meant. Whoever shows a chat applies them in the order of the chat (docs/wire/e2ee.md, "Content"). Pure functions.
 */
enum kith_content_kind {
    KITH_CONTENT_TEXT = 1, /* text/plain; the body is the text                                  */
    KITH_CONTENT_REPLY,    /* text, in answer to the message meant                              */
    KITH_CONTENT_REACTION, /* text: an emoji or a few; none: the sender takes the reaction back */
    KITH_CONTENT_EDIT,     /* text: what the message meant says now. Only its author may        */
    KITH_CONTENT_DELETE,   /* no text: the message meant is gone. Only its author may           */
    KITH_CONTENT_STEP,     /* nothing to show: an answer that the ratchet wanted                */
    KITH_CONTENT_KEYS,     /* nothing to show: keys of a group, which libkith takes             */
    KITH_CONTENT_OTHER,    /* of a newer client: shown as such                                  */
};
#define KITH_REACTION_BYTES_MAX 64

struct kith_content {
    enum kith_content_kind kind;
    struct user_id author; /* of the message meant; TEXT, STEP, OTHER: nil */
    struct msg_id id;
    struct kith_slice text; /* lent from the body */
};

/** The content type of a kind, lent for ever; not for OTHER. */
struct kith_slice kith_content_type(enum kith_content_kind kind);
/** Appends the body. KITH_E_TOOBIG: a reaction longer than KITH_REACTION_BYTES_MAX, or past out's maximum; KITH_E_NOMEM. */
KITH_MUST_USE kith_err kith_content_encode(const struct kith_content *content, struct kith_buf *out);
/** KITH_E_MALFORMED: the body is not what its type says. A type that is not known is OTHER. */
KITH_MUST_USE kith_err kith_content_decode(struct kith_slice content_type, struct kith_slice body,
                                           struct kith_content *out);

#endif
