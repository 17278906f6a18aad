#ifndef KITH_CHAT_CHAT_H
#define KITH_CHAT_CHAT_H

#include <stdatomic.h>

#include "base/id.h"
#include "wire/bodies.h"
#include "wire/cmd.h"
#include "wire/code.h"
#include "wire/row.h"

/**
 * The deterministic core: one chat is a state machine over the commands of its log. chat_apply() reads no clock, random
 * number, file, socket, setting or other table; what it must know beyond the state comes in as the command, the rules
 * of the moment (control records of the log) and the few rows that chat_lookups() asked for. The same function runs in
 * the server, in replay and in the simulator, and gives the same rows each time (docs/decisions/0001).
 *
 * A chat in memory is its head row, all its member rows and all its device rows; messages and keys stay in the store.
 * Its owner loads it (chat_load_*), applies commands one after the other, and stores `rows` before it shows anything of
 * the answer or the events to anybody. Thread: the shard's owner.
 */
struct chat_member {
    struct user_id user;
    struct row_member row;
    /* No device of this person wrote a larger id here, so one that is larger is new without a lookup. Only in memory:
     * after loading it is the whole chat's (head.id_max). */
    struct msg_id id_max;
};

struct chat_device {
    struct device_id device;
    struct row_device row; /* stored once the device has a cursor */
    struct msg_id last_id; /* newest that it wrote here; only in memory, nil: not known */
};

/** Who is in the chat now: an immutable list that events share across loops. */
struct chat_roster {
    atomic_uint refs;
    uint32_t count;
    struct user_id users[];
};
void chat_roster_ref(struct chat_roster *roster);
void chat_roster_unref(struct chat_roster *roster); /* NULL is fine */

struct chat {
    struct chat_id id;
    bool exists; /* false until CMD_CHAT_CREATE was applied */
    bool dirty;
    struct row_chat head;
    char name[KITH_DISPLAY_NAME_BYTES_MAX];
    struct chat_member *members; /* ascending in user */
    size_t member_count, member_cap;
    struct chat_device *devices; /* ascending in device */
    size_t device_count, device_cap;
    struct chat_roster *roster; /* NULL: made again when next asked for */
    /* Of the lists of who is in it now, as each message for all must say it. Only in memory: worked out when next asked for. */
    bool has_digest;
    uint8_t digest[BODIES_DIGEST_BYTES];
};

/** What the log's control records say at this position: nothing that chat_apply() reads comes from a configuration. */
struct chat_rules {
    uint32_t logic; /* version of chat_apply's behaviour, for mixed builds */
    uint32_t members_max;
    uint64_t id_age_ms_max, id_ahead_ms_max, key_keep_ms;
};
extern const struct chat_rules chat_rules_default; /* before the first control record */
#define CHAT_LOGIC        1                        /* the newest that this build has */
#define CHAT_LOGIC_OLDEST 1
#define CHAT_RULES_BYTES  33
/** The body of a LOG_CONTROL record. */
void chat_rules_encode(const struct chat_rules *rules, uint8_t out[static CHAT_RULES_BYTES]);
/** KITH_E_MALFORMED: not ours, or a logic that this build does not have. */
KITH_MUST_USE kith_err chat_rules_decode(struct kith_slice in, struct chat_rules *out);
bool chat_rules_equal(const struct chat_rules *a, const struct chat_rules *b);

/** One row that a command needs to see. */
struct chat_lookup {
    struct row_key key;
    bool found;              /* the owner's answer */
    struct kith_slice value; /* lent during chat_apply() */
};
enum { CHAT_LOOKUP_KEY, CHAT_LOOKUP_AFTER, CHAT_LOOKUP_MESSAGE, CHAT_LOOKUPS };

struct chat_answer {
    enum kith_code code;
    bool repeated; /* the first answer, given again */
    uint32_t epoch;
    uint64_t seq, created_ms;
};

/** A numbered event: its row is rows[at, at + len) as a message value. */
struct chat_event {
    uint64_t seq;
    size_t at, len;
    bool has_extra;
    struct user_id extra; /* sees this event as the last one: no longer in the roster */
};
#define CHAT_EVENTS_MAX 2

struct chat_receipt {
    struct user_id user;
    uint64_t delivered_up_to, read_up_to, at_ms;
    bool read_hidden; /* read_up_to is for the person's own devices only */
};

struct chat_effects {
    struct kith_buf *rows; /* lent: records to store are appended */
    uint32_t row_count;
    struct chat_answer answer;
    struct chat_event events[CHAT_EVENTS_MAX];
    uint32_t event_count;
    bool has_receipt;
    struct chat_receipt receipt;
    kith_err err; /* KITH_E_NOMEM or KITH_E_TOOBIG: nothing may be stored, the owner must stop and replay */
};

/** NULL: no memory. */
struct chat *chat_new(struct chat_id id);
void chat_free(struct chat *chat);
/** Bytes of memory it holds, for the owner's bounded cache. */
size_t chat_bytes(const struct chat *chat);

/* Loading: each row once, in key order, then chat_load_done(). KITH_E_MALFORMED: damaged; KITH_E_NOMEM. */
KITH_MUST_USE kith_err chat_load_head(struct chat *chat, struct kith_slice value);
KITH_MUST_USE kith_err chat_load_member(struct chat *chat, struct kith_slice key, struct kith_slice value);
KITH_MUST_USE kith_err chat_load_device(struct chat *chat, struct kith_slice key, struct kith_slice value);
void chat_load_done(struct chat *chat);

/** Which rows this command needs, by enum number; an empty key: not needed. */
void chat_lookups(const struct chat *chat, const struct cmd *cmd, struct chat_lookup out[static CHAT_LOOKUPS]);

/** Applies one command. *fx is filled wholly; on fx->err the chat must be thrown away and loaded again. */
void chat_apply(struct chat *chat, const struct cmd *cmd, uint64_t position, const struct chat_rules *rules,
                const struct chat_lookup lookups[static CHAT_LOOKUPS], struct chat_effects *fx);

/** NULL when there is none. Lent until the next apply. */
struct chat_member *chat_member_find(const struct chat *chat, struct user_id user);
struct chat_device *chat_device_find(const struct chat *chat, struct device_id device);
/** Lent; take a reference to keep it. NULL: no memory. */
struct chat_roster *chat_roster_peek(struct chat *chat);

#endif
