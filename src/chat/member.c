#include "base/mutant.h"
#include "chat/chat_internal.h"
#include "wire/json_text.h"

/* {"op":"add","user_id":"…","by":"…","role":"member","group_seq":7,"signed_op":"…"}: the content of a member event. */
static struct chat_event *number_member_event(struct chat_step *step, const char *op, struct user_id user, uint8_t role,
                                              struct kith_slice signed_op)
{
    struct chat_event *event = NULL;
    struct kith_buf body;

    kith_buf_init(&body, 512 + KITH_SIGNED_OP_BYTES_MAX / 3 * 4 + 8);
    step->fx->err = kith_buf_printf(&body, "{\"op\":\"%s\",\"user_id\":", op);
    if (step->fx->err == KITH_OK) step->fx->err = json_put_uuid(&body, user.id);
    if (step->fx->err == KITH_OK) step->fx->err = kith_buf_append_str(&body, ",\"by\":");
    if (step->fx->err == KITH_OK) step->fx->err = json_put_uuid(&body, step->cmd->actor.id);
    if (step->fx->err == KITH_OK && role != 0)
        step->fx->err = kith_buf_printf(&body, ",\"role\":\"%s\"", row_role_name(role));
    if (step->fx->err == KITH_OK) step->fx->err = chat_group_op_json(&body, step->cmd->seq, signed_op);
    if (step->fx->err == KITH_OK) step->fx->err = kith_buf_append_str(&body, "}");
    if (step->fx->err == KITH_OK) event = chat_number_json(step, MESSAGE_MEMBER, &body);
    if (event != NULL && signed_op.len > 0) chat_group_op_take(step, event->seq);
    kith_buf_deinit(&body);
    return event;
}

void chat_put_inbox(struct chat_step *step, const struct chat_member *member)
{
    struct row_key key = row_key_inbox(member->user, step->chat->id);
    uint64_t last = row_member_last_visible(&member->row);
    struct row_inbox row = {.first_seq = row_member_first_visible(&member->row, false),
                            .left_seq = last == UINT64_MAX ? 0 : last};
    struct kith_buf value;

    kith_buf_init(&value, 64);
    step->fx->err = row_inbox_encode(&row, &value);
    if (step->fx->err == KITH_OK) chat_put_row(step, &key, &value);
    kith_buf_deinit(&value);
}

/* Opens an interval at `seq`. Beyond the maximum the oldest is forgotten: whoever joined that often sees the newer ones. */
static void member_open(struct chat_step *step, struct chat_member *member, uint64_t seq)
{
    struct row_member *row = &member->row;

    if (row->interval_count == ROW_INTERVALS_MAX) {
        memmove(row->intervals, row->intervals + 1, (ROW_INTERVALS_MAX - 1) * sizeof row->intervals[0]);
        row->interval_count--;
    }
    row->intervals[row->interval_count++] = (struct row_interval){.from = seq, .to = 0};
    step->chat->head.member_count++;
    chat_touch_member(step, member);
    chat_roster_drop(step->chat);
    chat_put_inbox(step, member);
}

void chat_member_close(struct chat_step *step, struct chat_member *member, uint64_t seq)
{
    if (kith_mutant(REMOVED_STILL_READS)) return;
    member->row.intervals[member->row.interval_count - 1].to = seq;
    step->chat->head.member_count--;
    chat_touch_member(step, member);
    chat_roster_drop(step->chat);
    chat_put_inbox(step, member);
}

/* The account is deleted: its leaving is no operation of the group, and needs none. */
static bool is_of_server(const struct cmd *cmd)
{
    return cmd->verb == CMD_MEMBER_LEAVE && kith_uuid_is_nil(cmd->device.id) && cmd->body.len == 0;
}

/* The actor, if this is a group, the actor's role is at least `role`, and what is signed is in order; else answered. */
static struct chat_member *actor_with_role(struct chat_step *step, uint8_t role)
{
    struct chat_member *actor = chat_actor(step);

    if (actor == NULL) return NULL;
    if (step->chat->head.type != CHAT_GROUP || actor->row.role < role) {
        chat_answer(step, CODE_FORBIDDEN);
        return NULL;
    }
    return is_of_server(step->cmd) || chat_group_op_fits(step) ? actor : NULL;
}

/* What already is as asked takes no number: the answer names the newest event. No operation may say so. */
static void answer_unchanged(struct chat_step *step)
{
    if (step->cmd->body.len > 0) {
        chat_answer(step, CODE_FORBIDDEN);
        return;
    }
    step->fx->answer = (struct chat_answer){.code = CODE_OK,
                                            .repeated = true,
                                            .seq = step->chat->head.last_seq,
                                            .epoch = step->chat->head.epoch,
                                            .created_ms = step->time_ms};
}

void chat_apply_member_add(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    uint8_t role = cmd->role == 0 ? ROLE_MEMBER : cmd->role;
    struct chat_member *actor, *member;

    if (chat_repeated(step)) return;
    actor = actor_with_role(step, ROLE_ADMIN);
    if (actor == NULL) return;
    if (role > actor->row.role) {
        chat_answer(step, CODE_FORBIDDEN);
        return;
    }
    member = chat_member_find(step->chat, cmd->subject);
    if (member != NULL && chat_member_is_in(member)) {
        answer_unchanged(step);
        return;
    }
    if (step->chat->head.member_count >= step->rules->members_max) {
        chat_answer(step, CODE_CHAT_FULL);
        return;
    }
    member = chat_member_put(step, cmd->subject);
    if (member == NULL || number_member_event(step, "add", cmd->subject, role, cmd->body) == NULL) return;
    member->row.role = role;
    member->row.list_seq = cmd->value > member->row.list_seq ? cmd->value : member->row.list_seq;
    member->row.flags |= MEMBER_ACCEPTED;
    member_open(step, member, step->chat->head.last_seq);
    if (step->fx->err == KITH_OK) chat_remember(step);
}

void chat_apply_member_remove(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    struct chat_member *actor, *member;
    struct chat_event *event;

    if (chat_repeated(step)) return;
    actor = actor_with_role(step, ROLE_ADMIN);
    if (actor == NULL) return;
    member = chat_member_find(step->chat, cmd->subject);
    if (member == NULL) {
        chat_answer(step, CODE_NOT_FOUND);
        return;
    }
    if (!chat_member_is_in(member) && cmd->body.len == 0) {
        answer_unchanged(step);
        return;
    }
    /* An admin removes members, an owner anybody; oneself is left by leaving. */
    if (member == actor || (actor->row.role < ROLE_OWNER && member->row.role >= ROLE_ADMIN)) {
        chat_answer(step, CODE_FORBIDDEN);
        return;
    }
    event = number_member_event(step, "remove", cmd->subject, 0, cmd->body);
    if (event == NULL) return;
    event->has_extra = true;
    event->extra = cmd->subject;
    if (cmd->body.len > 0) step->chat->head.join_tag = 0; /* who was removed knows the link: the operation ends it */
    if (chat_member_is_in(member))
        chat_member_close(step, member, event->seq); /* else its account was deleted before */
    if (step->fx->err == KITH_OK) chat_remember(step);
}

/* Who takes over a group that its last owner left: the highest role, then the longest in it, then the smallest id. */
static struct chat_member *heir(const struct chat *chat, const struct chat_member *leaver)
{
    struct chat_member *best = NULL;

    for (size_t i = 0; i < chat->member_count; i++) {
        struct chat_member *m = &chat->members[i];
        if (m == leaver || !chat_member_is_in(m)) continue;
        if (m->row.role == ROLE_OWNER) return NULL;
        if (best == NULL || m->row.role > best->row.role ||
            (m->row.role == best->row.role &&
             m->row.intervals[m->row.interval_count - 1].from < best->row.intervals[best->row.interval_count - 1].from))
            best = m;
    }
    return best;
}

void chat_apply_member_leave(struct chat_step *step)
{
    struct chat_member *actor, *next = NULL;
    struct chat_event *event;
    struct chat_answer answer;

    if (chat_repeated(step)) return;
    actor = actor_with_role(step, ROLE_MEMBER);
    if (actor == NULL) return;
    if (actor->row.role == ROLE_OWNER) next = heir(step->chat, actor);
    event = number_member_event(step, "leave", actor->user, 0, step->cmd->body);
    if (event == NULL) return;
    event->has_extra = true;
    event->extra = actor->user;
    if (is_of_server(step->cmd)) actor->row.flags |= MEMBER_GONE;
    chat_member_close(step, actor, event->seq);
    if (step->fx->err == KITH_OK) chat_remember(step);
    if (step->fx->err != KITH_OK || next == NULL) return;

    answer = step->fx->answer;
    next->row.role = ROLE_OWNER;
    chat_touch_member(step, next);
    (void)number_member_event(step, "role", next->user, ROLE_OWNER, (struct kith_slice){0}); /* nobody signed this */
    step->fx->answer = answer; /* the caller is told of the leaving, not of who inherits */
}

void chat_apply_member_role(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    struct chat_member *actor, *member;

    if (chat_repeated(step)) return;
    actor = actor_with_role(step, ROLE_OWNER);
    if (actor == NULL) return;
    member = chat_member_find(step->chat, cmd->subject);
    if (member == NULL || !chat_member_is_in(member)) {
        chat_answer(step, CODE_NOT_FOUND);
        return;
    }
    if (cmd->role < ROLE_MEMBER || cmd->role > ROLE_OWNER) {
        chat_answer(step, CODE_BAD_REQUEST);
        return;
    }
    if (member->row.role == cmd->role) {
        answer_unchanged(step);
        return;
    }
    /* A group keeps an owner: the last one first names another. */
    if (member == actor && heir(step->chat, actor) != NULL) {
        chat_answer(step, CODE_FORBIDDEN);
        return;
    }
    if (number_member_event(step, "role", cmd->subject, cmd->role, cmd->body) == NULL) return;
    member->row.role = cmd->role;
    chat_touch_member(step, member);
    chat_remember(step);
}
