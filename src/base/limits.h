#ifndef KITH_BASE_LIMITS_H
#define KITH_BASE_LIMITS_H

/*
 * Every maximum that two folders share, by name and in one place. What only one file knows stands in that file's header.
 * Each has a test at it and one past it.
 */
#define KITH_SHARDS 64 /* fixed for the life of a log: hash(chat) mod this */

#define KITH_MESSAGE_BYTES_MAX (256 * 1024) /* one message, all its per-device bodies together */
#define KITH_FRAME_BYTES_MAX   (KITH_MESSAGE_BYTES_MAX + 16 * 1024) /* one STOMP frame with its NUL: max-frame-bytes */
#define LOG_BODY_BYTES_MAX     (KITH_MESSAGE_BYTES_MAX + 64 * 1024) /* one command in the log */

#define KITH_MEMBERS_MAX            1024  /* group.members_max: what a group takes by default */
#define KITH_MEMBERS_CEILING        10000 /* what the setting may be raised to                */
#define KITH_DEVICES_PER_USER_MAX   32    /* signed-in devices of one person                  */
#define KITH_NAME_BYTES_MAX         64    /* the login name                                   */
#define KITH_DISPLAY_NAME_BYTES_MAX 128   /* names of people, chats and devices               */
#define KITH_CONTENT_TYPE_BYTES_MAX 128
#define KITH_SIGNED_OP_BYTES_MAX    (16 * 1024) /* of a group operation, opaque: signed_op */
#define KITH_JOIN_REQUEST_BYTES_MAX 512         /* of who asks to be let into a group, opaque: a signed join request */
#define KITH_DEVICE_LIST_BYTES_MAX  (24 * 1024) /* what an account signs: its devices */
#define KITH_SIGNED_LIST_BYTES_MAX  (KITH_DEVICE_LIST_BYTES_MAX + 4 * 1024) /* the same with signature and acceptances */
#define KITH_PREKEY_BYTES_MAX       2048                                    /* one prekey, encoded */
#define KITH_PREKEYS_MAX            100 /* one-time prekeys of each kind that a device keeps with the server */
#define KITH_PASSWORD_CHARS_MIN     8   /* of a new one */
#define KITH_PASSWORD_BYTES_MIN     8   /* of a passphrase under which a device keeps its things */
#define KITH_PASSWORD_BYTES_MAX     1024

#define KITH_PAGE_MAX         200  /* messages in one page of history      */
#define KITH_PREFETCH_DEFAULT 1000 /* unacknowledged deliveries of a subscription */
#define KITH_IN_FLIGHT_MAX    64   /* unanswered SENDs of a connection: max-in-flight */

#define KITH_ID_AHEAD_MS_MAX (24ull * 3600 * 1000)      /* a msg_id later than this is BAD_ID   */
#define KITH_ID_AGE_MS_MAX   (30ull * 24 * 3600 * 1000) /* a msg_id older than this is TOO_OLD  */
#define KITH_LOG_KEEP_MS     (7ull * 24 * 3600 * 1000)  /* log.keep                              */
#define KITH_KEY_KEEP_MS     (KITH_ID_AGE_MS_MAX + KITH_LOG_KEEP_MS + KITH_ID_AHEAD_MS_MAX)

#define KITH_MAILBOX_ITEMS_MAX  10000
#define KITH_MAILBOX_AGE_MS_MAX (30ull * 24 * 3600 * 1000)

#endif
