#ifndef KITH_WIRE_ROW_H
#define KITH_WIRE_ROW_H

#include "base/buf.h"
#include "base/id.h"
#include "wire/cmd.h"

/**
 * The rows of the message store: keys in the order in which they are scanned, values as fixed big-endian fields. The
 * logical tables and their form in each engine: docs/schema.md.
 *
 *   byte  table     key                      one row for each
 *   'C'   chat      chat                     chat: head (last seq, settings)
 *   'P'   member    chat, user               person who is or was in a chat
 *   'D'   device    chat, device             device that acknowledged there
 *   'M'   message   chat, seq                numbered event (Cassandra: partition (chat, seq / 4096))
 *   'B'   body      chat, seq, device        ciphertext for one device
 *   'G'   group_op  chat, group_seq          signed operation of a group
 *   'K'   key       stream, sender, msg_id   accepted command with an id, for the horizon
 *   'U'   inbox     user, chat               chat of a person
 *   'X'   mailbox   user                     head of a mailbox
 *   'Y'   mail      user, device, n          item in it for one device (a message value)
 *   'Z'   mail_device user, device           what a mailbox holds for a device, and how far that has emptied it
 *   'R'   rules     shard                    body of its newest control record that is applied
 *   'S'   shard     shard                    log position (the store's own)
 *
 * Every value begins with expires_ms (ports/msgstore.h). Decoders check every byte: KITH_E_MALFORMED means damage.
 */
#define ROW_KEY_BYTES_MAX 96

struct row_key {
    uint8_t bytes[ROW_KEY_BYTES_MAX];
    size_t len;
};

static inline struct kith_slice row_key_slice(const struct row_key *key)
{
    return kith_slice_of(key->bytes, key->len);
}

struct row_key row_key_chat(struct chat_id chat);
struct row_key row_key_member(struct chat_id chat, struct user_id user);
struct row_key row_key_device(struct chat_id chat, struct device_id device);
struct row_key row_key_message(struct chat_id chat, uint64_t seq);
struct row_key row_key_body(struct chat_id chat, uint64_t seq, struct device_id device);
struct row_key row_key_group_op(struct chat_id chat, uint64_t group_seq);
struct row_key row_key_key(struct kith_uuid stream, struct user_id sender, struct msg_id id);
struct row_key row_key_inbox(struct user_id user, struct chat_id chat);
struct row_key row_key_mailbox(struct user_id user);
struct row_key row_key_mail(struct user_id user, struct device_id device, uint64_t n);
struct row_key row_key_mail_device(struct user_id user, struct device_id device);
struct row_key row_key_rules(uint16_t shard);
/** The first `len` bytes: all members of a chat are the 17-byte prefix of any of its member keys. */
struct kith_slice row_key_prefix(const struct row_key *key, size_t len);
#define ROW_PREFIX_STREAM      17 /* table byte and the first id */
#define ROW_PREFIX_MAIL_DEVICE 33 /* all items of a mailbox for one device */
/** Reads the id that ends a member, device, mail device or inbox key, and the seq that ends a message, group_op or mail key. */
KITH_MUST_USE kith_err row_key_tail_id(struct kith_slice key, struct kith_uuid *out);
KITH_MUST_USE kith_err row_key_tail_seq(struct kith_slice key, uint64_t *out);

/**
 * Appends one record in the form of a batch (ports/msgstore.h). `value` NULL: a delete.
 */
KITH_MUST_USE kith_err row_put(struct kith_buf *batch, const struct row_key *key, struct kith_slice value);
KITH_MUST_USE kith_err row_delete(struct kith_buf *batch, const struct row_key *key);

struct row_chat {
    uint8_t type; /* enum chat_type */
    uint8_t encrypted, history_open;
    uint32_t epoch, members_max, member_count;
    uint64_t last_seq, position, time_ms, created_ms;
    uint64_t group_seq;      /* of its newest signed operation; 0: it has none, and takes none */
    uint64_t join_tag;       /* of the invite link that holds: how its key begins; 0: none does */
    uint8_t create_hash[16]; /* of the creating command, to know it again */
    struct msg_id id_max;    /* largest of all messages accepted here */
    struct user_id creator;
    struct kith_slice name; /* lent on decode */
};

/* A person was in the chat from seq `from` to seq `to`, both included; to 0: still is. */
struct row_interval {
    uint64_t from, to;
};
#define ROW_INTERVALS_MAX 8

enum row_member_flags {
    MEMBER_ACCEPTED = 1 << 0,     /* not, or no longer, a stranger's request */
    MEMBER_RECEIPTS_OFF = 1 << 1, /* read receipts neither shown nor seen */
    MEMBER_BLOCKS = 1 << 2,       /* direct chats: this person blocks the other */
    MEMBER_GONE = 1 << 3,         /* the account was deleted */
};

struct row_member {
    uint8_t role, flags;
    uint64_t list_seq, delivered_up_to, read_up_to, delivered_ms, read_ms;
    uint8_t interval_count;
    struct row_interval intervals[ROW_INTERVALS_MAX];
};

struct row_device {
    struct user_id user;
    uint64_t cursor;
    uint8_t has_cursor;
};

enum row_message_type {
    MESSAGE_TEXT = 1, /* "message" */
    MESSAGE_CREATED = 2,
    MESSAGE_MEMBER = 3,
    MESSAGE_DELETED = 4,
    MESSAGE_CHAT = 5,
    MESSAGE_MAIL = 6, /* an item of a mailbox; never in a chat */
};

enum row_message_flags {
    MESSAGE_ENCRYPTED = 1 << 0,
    MESSAGE_PER_DEVICE = 1 << 1, /* bodies are rows of their own; `body` lists their devices, 16 bytes each */
    MESSAGE_FREED = 1 << 2,      /* deleted: the body is gone */
    MESSAGE_UNSEEN = 1 << 3,     /* the other blocked the sender: only the sender sees it */
};

struct row_message {
    uint64_t expires_ms;
    uint8_t type, flags;
    uint32_t epoch;
    uint64_t position, created_ms;
    struct user_id sender;
    struct device_id device;
    struct msg_id id, parent;
    struct kith_slice content_type, body; /* lent on decode */
};
/** The device of the body row that `device` is given: its own, else nil, the common one. False: none. Of MESSAGE_PER_DEVICE. */
bool row_message_body_of(const struct row_message *message, struct device_id device, struct device_id *of);
#define ROW_MESSAGE_HEAD_BYTES (8 + 1 + 1 + 4 + 8 + 8 + 16 * 4 + 2 + 4)

struct row_group_op {
    uint64_t seq;                /* of the event that it came with */
    struct kith_slice signed_op; /* lent on decode */
};

/* What was answered to a command with an id. */
struct row_idempotency {
    uint64_t expires_ms, seq, created_ms;
    uint32_t epoch;
    struct device_id device;
    uint8_t content_hash[16];
};

struct row_inbox {
    uint64_t first_seq, left_seq; /* left_seq 0: a member */
};

struct row_mailbox {
    uint64_t last_n; /* items sent into it, ever */
    uint64_t position, time_ms;
    uint32_t item_count;  /* ciphertexts that wait for their device: an item for three devices counts three */
    struct msg_id id_max; /* largest of all that were accepted */
};

/* The first number of those that came on a day (UTC, of the mailbox's time), so that they can all be given up with it. */
struct row_mail_mark {
    uint32_t day;
    uint64_t n;
};
#define ROW_MAIL_MARKS_MAX 33 /* days that an item may lie, the one it came on, and the one it goes on */

/* Numbers of one device rise one by one: it waits for [first, last]. */
struct row_mail_device {
    uint64_t acked; /* acknowledged up to here; below `first`, less where items were given up unread */
    uint64_t first, last, time_ms;
    uint8_t mark_count;
    struct row_mail_mark marks[ROW_MAIL_MARKS_MAX]; /* ascending; the first says the day of `first` */
};

KITH_MUST_USE kith_err row_chat_encode(const struct row_chat *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_chat_decode(struct kith_slice in, struct row_chat *out);
KITH_MUST_USE kith_err row_member_encode(const struct row_member *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_member_decode(struct kith_slice in, struct row_member *out);
KITH_MUST_USE kith_err row_device_encode(const struct row_device *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_device_decode(struct kith_slice in, struct row_device *out);
KITH_MUST_USE kith_err row_message_encode(const struct row_message *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_message_decode(struct kith_slice in, struct row_message *out);
KITH_MUST_USE kith_err row_group_op_encode(const struct row_group_op *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_group_op_decode(struct kith_slice in, struct row_group_op *out);
KITH_MUST_USE kith_err row_idempotency_encode(const struct row_idempotency *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_idempotency_decode(struct kith_slice in, struct row_idempotency *out);
KITH_MUST_USE kith_err row_inbox_encode(const struct row_inbox *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_inbox_decode(struct kith_slice in, struct row_inbox *out);
KITH_MUST_USE kith_err row_mailbox_encode(const struct row_mailbox *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_mailbox_decode(struct kith_slice in, struct row_mailbox *out);
KITH_MUST_USE kith_err row_mail_device_encode(const struct row_mail_device *row, struct kith_buf *out);
KITH_MUST_USE kith_err row_mail_device_decode(struct kith_slice in, struct row_mail_device *out);

/** "message", "created", "member", "deleted", "chat", "mail". */
const char *row_message_type_name(uint8_t type);
/** "member", "admin", "owner"; NULL for anything else. And back: KITH_E_NOTFOUND. */
const char *row_role_name(uint8_t role);
KITH_MUST_USE kith_err row_role_parse(struct kith_slice name, uint8_t *out);

/** Whether the member's intervals contain seq, or the chat's history is open and seq lies before the first joining. */
bool row_member_sees(const struct row_member *member, bool history_open, uint64_t seq);
/** The last seq this member may see: UINT64_MAX while a member. */
uint64_t row_member_last_visible(const struct row_member *member);
/** The first seq this member may see. */
uint64_t row_member_first_visible(const struct row_member *member, bool history_open);

#endif
