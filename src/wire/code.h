#ifndef KITH_WIRE_CODE_H
#define KITH_WIRE_CODE_H

#include <stdbool.h>

#include "base/slice.h"

/**
 * Every answer a client can get, in one table: stable name on the wire, HTTP status, whether the same request may be
 * sent again as it is, and a sentence for people. The same codes go over STOMP (`code:`) and REST (problem+json).
 * DEVICE_FULL is a client's own word, for a message that it gave up or a stream that it cannot take; no server says it.
 */
#define KITH_CODE_LIST(X)                                                                                 \
    X(OK, 200, false, "Done.")                                                                            \
    X(CREATED, 201, false, "Done.")                                                                       \
    X(BAD_JSON, 400, false, "The body is not valid JSON.")                                                \
    X(BAD_REQUEST, 400, false, "A field is missing or has the wrong form.")                               \
    X(MALFORMED, 400, false, "The frame or request is not well formed.")                                  \
    X(VERSION, 400, false, "No protocol version in common.")                                              \
    X(ACK_MODE, 400, false, "This destination needs another ack mode.")                                   \
    X(NOT_SUPPORTED, 400, false, "This server does not support that.")                                    \
    X(BAD_DESTINATION, 404, false, "There is no such destination.")                                       \
    X(UNAUTHORIZED, 401, false, "The access token is missing, wrong or no longer valid.")                 \
    X(EXPIRED, 401, false, "The access token has ended.")                                                 \
    X(BAD_CREDENTIALS, 401, false, "Name or password is wrong.")                                          \
    X(TOKEN_REUSED, 401, false, "This refresh token was used before; the device was signed out.")         \
    X(REPLACED, 409, false, "Another connection of the same device took over.")                           \
    X(INVITE_REQUIRED, 403, false, "This server takes new people by invite only.")                        \
    X(REGISTRATION_CLOSED, 403, false, "This server takes no new people.")                                \
    X(FORBIDDEN, 403, false, "You may not do that here.")                                                 \
    X(NOT_FOUND, 404, false, "There is no such thing, or it is not yours to see.")                        \
    X(METHOD_NOT_ALLOWED, 405, false, "This resource does not take that method.")                         \
    X(NAME_TAKEN, 409, false, "That name is taken.")                                                      \
    X(CONFLICT, 409, false, "The same id was used before with other content.")                            \
    X(STALE_DEVICES, 409, false, "The message was made for an older set of devices.")                     \
    X(STALE_GROUP, 409, false, "The operation was made for an older state of the group.")                 \
    X(PREDECESSOR_MISSING, 409, true, "The message named in `after` was not accepted.")                   \
    X(CHAT_FULL, 409, false, "The chat has as many members as it may have.")                              \
    X(TOO_OLD, 410, false, "The id is older than the server remembers.")                                  \
    X(TOO_BIG, 413, false, "That is larger than the server takes.")                                       \
    X(BAD_ID, 422, false, "The id is not a UUIDv7 of about now.")                                         \
    X(TOO_MANY, 429, true, "Too many requests; wait a little.")                                           \
    X(INTERNAL, 500, true, "The server failed.")                                                          \
    X(UNKNOWN_OUTCOME, 503, true, "The server could not tell whether it is stored; send the same again.") \
    X(READ_ONLY, 503, true, "The server cannot store anything at the moment.")                            \
    X(UNAVAILABLE, 503, true, "The server is busy or stopping; try again.")                               \
    X(MAILBOX_FULL, 409, true, "The mailbox holds as much as it may; its devices must fetch it first.")   \
    X(BAD_SIGNATURE, 403, false, "A signature does not hold, or what must be signed is not.")             \
    X(DEVICE_FULL, 409, false, "This device knows as many chats, people or devices as it may.")

#define KITH_CODE_ENUM(name, status, retryable, text) CODE_##name,
enum kith_code { KITH_CODE_LIST(KITH_CODE_ENUM) CODE_COUNT };
#undef KITH_CODE_ENUM

/** "CHAT_FULL". */
const char *kith_code_name(enum kith_code code);
unsigned kith_code_status(enum kith_code code);
bool kith_code_retryable(enum kith_code code);
const char *kith_code_text(enum kith_code code);
/** KITH_E_NOTFOUND for a name that is none of ours. */
KITH_MUST_USE kith_err kith_code_parse(struct kith_slice name, enum kith_code *out);

#endif
