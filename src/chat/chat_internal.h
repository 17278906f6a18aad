#ifndef KITH_CHAT_CHAT_INTERNAL_H
#define KITH_CHAT_CHAT_INTERNAL_H

#include "chat/chat.h"

/*
 * What the files of the core share. A step is one command being applied: each verb's function decides, changes the
 * state, and leaves the answer and the events in `fx`. Any refusal must come before the first change.
 */
#define CHAT_TOUCHED_MAX 4

struct chat_step {
    struct chat *chat;
    const struct cmd *cmd;
    uint64_t position;
    uint64_t time_ms; /* command time, clamped to be monotone in this chat */
    const struct chat_rules *rules;
    const struct chat_lookup *lookups;
    struct chat_effects *fx;
    /* Whose rows must be stored: few, but when a chat is made; so a large group is not walked for one message. */
    struct user_id touched_users[CHAT_TOUCHED_MAX];
    struct device_id touched_devices[CHAT_TOUCHED_MAX];
    uint32_t touched_user_count, touched_device_count;
    bool all_members_touched;
};

void chat_touch_member(struct chat_step *step, const struct chat_member *member);
void chat_touch_device(struct chat_step *step, const struct chat_device *device);

void chat_apply_create(struct chat_step *step);
void chat_apply_send(struct chat_step *step);
void chat_apply_delete(struct chat_step *step);
void chat_apply_member_add(struct chat_step *step);
void chat_apply_member_remove(struct chat_step *step);
void chat_apply_member_leave(struct chat_step *step);
void chat_apply_member_role(struct chat_step *step);
void chat_apply_member_ask(struct chat_step *step);
void chat_apply_update(struct chat_step *step);
void chat_apply_cursor(struct chat_step *step);
void chat_apply_read(struct chat_step *step);
void chat_apply_accept(struct chat_step *step);
void chat_apply_fact(struct chat_step *step);

void chat_answer(struct chat_step *step, enum kith_code code);
/** The actor, if in the chat now; else answers NOT_FOUND (never was) or FORBIDDEN (was) and returns NULL. */
struct chat_member *chat_actor(struct chat_step *step);
bool chat_member_is_in(const struct chat_member *member);
/** Adds, or finds, keeping the order; touches it. NULL: no memory, fx->err set. */
struct chat_member *chat_member_put(struct chat_step *step, struct user_id user);
/** Adds, or finds; what is to be stored must be touched. NULL: no memory, fx->err set. */
struct chat_device *chat_device_put(struct chat_step *step, struct device_id device, struct user_id user);
/** The member left at seq: closes the interval, forgets the roster. */
void chat_member_close(struct chat_step *step, struct chat_member *member, uint64_t seq);
/** Somebody came or went: it is made again, and so is the digest. */
void chat_roster_drop(struct chat *chat);
/** Of the lists that the chat knows of who is in it; kept until the roster is dropped, or a list is another. Lent. */
const uint8_t *chat_digest(struct chat *chat);
void chat_digest_drop(struct chat *chat);
/** Writes the inbox row that mirrors the member's intervals. */
void chat_put_inbox(struct chat_step *step, const struct chat_member *member);

/** Takes the next seq, stores the message row, adds the event, answers with it. NULL on error. */
struct chat_event *chat_number(struct chat_step *step, const struct row_message *message);
/* group_op.c */
/** Whether the command comes with the group's next signed operation, or neither has any; else answered. */
bool chat_group_op_fits(struct chat_step *step);
/** Two further members of an event's JSON. Nothing, if there is no operation. */
KITH_MUST_USE kith_err chat_group_op_json(struct kith_buf *body, uint64_t group_seq, struct kith_slice signed_op);
/** The command's operation, if it has one, came with the event `seq`: kept. */
void chat_group_op_take(struct chat_step *step, uint64_t seq);
/** As chat_number(), for an event whose JSON content is in `body`. */
struct chat_event *chat_number_json(struct chat_step *step, uint8_t type, const struct kith_buf *body);

/** 16 bytes over everything that makes two commands with one id the same. */
void chat_content_hash(const struct cmd *cmd, uint8_t out[static 16]);
/** CODE_OK; BAD_ID or TOO_OLD: of a message's id. */
enum kith_code chat_key_judge(const struct cmd *cmd, const struct chat_rules *rules);
/** Answers from the key row when the command's id was seen before; true: answered, or the row is damaged (fx->err). */
bool chat_key_repeated(const struct cmd *cmd, const struct chat_lookup *lookup, struct chat_effects *fx);
/** Remembers fx->answer under the command's id until then. */
void chat_key_remember(const struct cmd *cmd, uint64_t expires_ms, struct chat_effects *fx);
/** The same two for a command to a chat. */
bool chat_repeated(struct chat_step *step);
/** Remembers the answer under the command's id, if it has one. */
void chat_remember(struct chat_step *step);

/** Appends a row through a scratch value. */
void chat_put_row(struct chat_step *step, const struct row_key *key, const struct kith_buf *value);

#endif
