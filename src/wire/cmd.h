#ifndef KITH_WIRE_CMD_H
#define KITH_WIRE_CMD_H

#include "base/id.h"
#include "base/limits.h"

/**
 * A command: what the log holds, and all that chat_apply() may know of the world. The same bytes go through the log
 * file, Kafka and the simulator. Times, ids, facts about people: everything comes in here, nothing is looked up.
 */
enum cmd_verb {
    CMD_CHAT_CREATE = 1,
    CMD_SEND,
    CMD_DELETE, /* free a message's body                         */
    CMD_MEMBER_ADD,
    CMD_MEMBER_REMOVE,
    CMD_MEMBER_LEAVE,
    CMD_MEMBER_ROLE,
    CMD_CHAT_UPDATE, /* name, settings                                */
    CMD_CURSOR,      /* a device acknowledged up to seq               */
    CMD_READ,        /* a person read up to seq                       */
    CMD_ACCEPT,      /* a stranger's request is accepted              */
    CMD_FACT,        /* the directory says something about a member   */
    CMD_MAIL_SEND,   /* to a person's mailbox                         */
    CMD_MAIL_ACK,
    CMD_MEMBER_ASK, /* somebody who is in no group yet asks to be let in */
    CMD_VERBS,
};

enum chat_type { CHAT_DIRECT = 1, CHAT_GROUP = 2 };
enum chat_role { ROLE_MEMBER = 1, ROLE_ADMIN = 2, ROLE_OWNER = 3 };

enum cmd_flags {
    CMD_ENCRYPTED = 1 << 0,    /* the chat (create) or the message (send) is encrypted */
    CMD_PER_DEVICE = 1 << 1,   /* body is application/x-kith-bodies */
    CMD_GROUP = 1 << 2,        /* create: a group, else a direct chat */
    CMD_HISTORY_OPEN = 1 << 3, /* create, update: new members see what was before them */
    CMD_HAS_NAME = 1 << 4,     /* update: name is meant, even if empty */
    CMD_HAS_HISTORY = 1 << 5,  /* update: CMD_HISTORY_OPEN is meant */
    CMD_HAS_JOIN_KEY = 1 << 6, /* update: `value` is the tag of the invite link that holds from now on, 0: none does */
};

/* CMD_FACT: what `value` means for the member `subject`. */
enum cmd_fact {
    FACT_LIST_SEQ = 1,     /* the sequence of the person's device list; `device`: what was added with it, nil: none */
    FACT_RECEIPTS = 2,     /* 1: read receipts are shown and seen; 0: neither */
    FACT_BLOCKS = 3,       /* direct chats: 1: `subject` blocks the other     */
    FACT_ACCOUNT_GONE = 4, /* the account was deleted                         */
};

/* Who waits for the answer. `boot` is drawn at each start of a gateway, so that a replayed command wakes nobody. */
struct cmd_origin {
    uint64_t boot;
    uint64_t session; /* 0: nobody waits */
    uint64_t request;
    uint32_t loop;
};

struct cmd_member {
    struct user_id user;
    uint64_t list_seq;
    uint8_t role;     /* enum chat_role */
    uint8_t accepted; /* 0: for this person the chat is a stranger's request */
    uint8_t receipts; /* 0: read receipts are off */
};
#define CMD_MEMBER_BYTES 27

struct cmd {
    enum cmd_verb verb;
    uint32_t flags;
    uint64_t time_ms;        /* when it was appended, by the appender's wall clock */
    struct kith_uuid stream; /* chat_id, or for CMD_MAIL_*: user_id of the mailbox's owner */
    struct user_id actor;    /* nil: the server itself */
    struct device_id device; /* nil: none */
    struct cmd_origin origin;
    struct msg_id id; /* SEND, MAIL_SEND: the message id; else an idempotency key of any version, nil: none */

    struct msg_id after, parent; /* nil: none */
    uint64_t expires_ms;         /* 0: never */
    uint64_t seq;                /* DELETE, CURSOR, READ, MAIL_ACK; of a group operation its group_seq */
    struct user_id subject;      /* MEMBER_*, FACT */
    uint64_t value;              /* FACT; MEMBER_ADD: the new member's list_seq; MEMBER_ASK, CHAT_UPDATE: of a link */
    uint8_t role;                /* MEMBER_ADD, MEMBER_ROLE */
    uint8_t fact;                /* FACT */
    struct kith_slice name;      /* CHAT_CREATE, CHAT_UPDATE */
    struct kith_slice content_type;
    struct kith_slice body; /* SEND, MAIL_SEND; or, opaque, a group's signed operation, MEMBER_ASK: a signed request */
    struct kith_slice members; /* CHAT_CREATE: cmd_member records, ascending in user */
};

/** Bytes that cmd_encode() will write. */
size_t cmd_size(const struct cmd *cmd);
/** Writes exactly cmd_size() bytes. */
void cmd_encode(const struct cmd *cmd, uint8_t *out);
/** Slices of *out are lent from `in`. KITH_E_MALFORMED: not ours, or a field that the verb does not take. */
KITH_MUST_USE kith_err cmd_decode(struct kith_slice in, struct cmd *out);

void cmd_member_encode(const struct cmd_member *member, uint8_t out[static CMD_MEMBER_BYTES]);
/** KITH_E_NOTFOUND at the end. */
KITH_MUST_USE kith_err cmd_member_next(struct kith_slice *members, struct cmd_member *out);

/** The shard that orders this stream. */
uint16_t cmd_shard(struct kith_uuid stream);

#endif
