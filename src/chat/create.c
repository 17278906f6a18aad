#include "chat/chat_internal.h"
#include "wire/json_text.h"

static bool members_are_well_formed(const struct chat_step *step, uint32_t *count)
{
    struct kith_slice members = step->cmd->members;
    struct cmd_member member = {0};
    struct kith_uuid last = {0};
    bool has_actor = false;

    for (*count = 0; members.len > 0; last = member.user.id, ++*count) {
        if (cmd_member_next(&members, &member) != KITH_OK) return false;
        if (member.role < ROLE_MEMBER || member.role > ROLE_OWNER) return false;
        if (*count > 0 && kith_uuid_cmp(last, member.user.id) >= 0) return false;
        has_actor |= kith_uuid_eq(member.user.id, step->cmd->actor.id);
    }
    if (!has_actor || step->cmd->name.len > KITH_DISPLAY_NAME_BYTES_MAX) return false;
    return (step->cmd->flags & CMD_GROUP) != 0 || *count == 2;
}

/* Only a group that the server may not read has operations, and its first is one. */
static bool operation_is_well_formed(const struct cmd *cmd)
{
    const uint32_t both = CMD_GROUP | CMD_ENCRYPTED;

    if (cmd->body.len == 0) return cmd->seq == 0;
    return cmd->seq == 1 && (cmd->flags & both) == both && cmd->body.len <= KITH_SIGNED_OP_BYTES_MAX;
}

/* {"members":[{"user_id":"…","role":"owner"}, …],"group_seq":1,"signed_op":"…"} */
static void created_json(struct chat_step *step, struct kith_buf *body)
{
    struct kith_slice members = step->cmd->members;
    struct cmd_member member = {0};
    kith_err err = kith_buf_append_str(body, "{\"members\":[");

    for (bool first = true; err == KITH_OK && cmd_member_next(&members, &member) == KITH_OK; first = false) {
        err = kith_buf_append_str(body, first ? "{\"user_id\":" : ",{\"user_id\":");
        if (err == KITH_OK) err = json_put_uuid(body, member.user.id);
        if (err == KITH_OK) err = kith_buf_printf(body, ",\"role\":\"%s\"}", row_role_name(member.role));
    }
    if (err == KITH_OK) err = kith_buf_append_str(body, "]");
    if (err == KITH_OK) err = chat_group_op_json(body, step->cmd->seq, step->cmd->body);
    if (err == KITH_OK) err = kith_buf_append_str(body, "}");
    step->fx->err = err;
}

static void put_member(struct chat_step *step, const struct cmd_member *from)
{
    struct chat_member *member = chat_member_put(step, from->user);

    if (member == NULL) return;
    member->row = (struct row_member){
        .role = from->role,
        .flags = (uint8_t)((from->accepted ? MEMBER_ACCEPTED : 0) | (from->receipts ? 0 : MEMBER_RECEIPTS_OFF)),
        .list_seq = from->list_seq,
        .interval_count = 1,
        .intervals = {{.from = 1, .to = 0}},
    };
    chat_put_inbox(step, member);
}

static void create(struct chat_step *step, uint32_t member_count)
{
    const struct cmd *cmd = step->cmd;
    struct chat *chat = step->chat;
    struct kith_slice members = cmd->members;
    struct cmd_member member = {0};
    struct kith_buf body;

    chat->head = (struct row_chat){
        .type = (cmd->flags & CMD_GROUP) ? CHAT_GROUP : CHAT_DIRECT,
        .encrypted = (cmd->flags & CMD_ENCRYPTED) != 0,
        .history_open = (cmd->flags & CMD_HISTORY_OPEN) != 0,
        .epoch = 1,
        .members_max = step->rules->members_max,
        .member_count = member_count,
        .time_ms = step->time_ms,
        .created_ms = step->time_ms,
        .creator = cmd->actor,
        .name = {.ptr = (const uint8_t *)chat->name, .len = cmd->name.len},
    };
    if (cmd->name.len > 0) memcpy(chat->name, cmd->name.ptr, cmd->name.len);
    chat_content_hash(cmd, chat->head.create_hash);
    chat->exists = true;
    kith_buf_init(&body, 128 + (size_t)KITH_MEMBERS_CEILING * 80 + KITH_SIGNED_OP_BYTES_MAX / 3 * 4);
    created_json(step, &body);
    if (step->fx->err == KITH_OK) (void)chat_number_json(step, MESSAGE_CREATED, &body);
    if (step->fx->err == KITH_OK) chat_group_op_take(step, 1);
    while (step->fx->err == KITH_OK && cmd_member_next(&members, &member) == KITH_OK) put_member(step, &member);
    kith_buf_deinit(&body);
}

void chat_apply_create(struct chat_step *step)
{
    struct chat *chat = step->chat;
    uint8_t hash[16];
    uint32_t count = 0;

    if (!members_are_well_formed(step, &count) || !operation_is_well_formed(step->cmd)) {
        chat_answer(step, CODE_BAD_REQUEST);
        return;
    }
    if (chat->exists) {
        chat_content_hash(step->cmd, hash);
        /* One pair has one direct chat, whoever asks first; a group's id belongs to one creator and request. */
        bool same = chat->head.type == CHAT_DIRECT || memcmp(hash, chat->head.create_hash, sizeof hash) == 0;
        chat_answer(step, same ? CODE_OK : CODE_CONFLICT);
        step->fx->answer.repeated = same;
        step->fx->answer.seq = same ? 1 : 0;
        step->fx->answer.created_ms = same ? chat->head.created_ms : 0;
        return;
    }
    if (count > step->rules->members_max) {
        chat_answer(step, CODE_CHAT_FULL);
        return;
    }
    create(step, count);
}

/* {"op":"name","name":"…"}, {"op":"settings","history_open":true}, {"op":"info","group_seq":7,"signed_op":"…"}, or "join-key". */
static void update_json(struct chat_step *step, struct kith_buf *body)
{
    const struct cmd *cmd = step->cmd;
    bool named = (cmd->flags & CMD_HAS_NAME) != 0, is_set = (cmd->flags & CMD_HAS_HISTORY) != 0;
    kith_err err = KITH_OK;

    if (!named && !is_set)
        err = kith_buf_printf(body, "{\"op\":\"%s\"", (cmd->flags & CMD_HAS_JOIN_KEY) ? "join-key" : "info");
    if (named) {
        err = kith_buf_append_str(body, "{\"op\":\"name\",\"name\":");
        if (err == KITH_OK) err = json_put_string(body, cmd->name);
    }
    if (err == KITH_OK && is_set)
        err = kith_buf_printf(body, "%s\"history_open\":%s", named ? "," : "{\"op\":\"settings\",",
                              (cmd->flags & CMD_HISTORY_OPEN) ? "true" : "false");
    if (err == KITH_OK) err = chat_group_op_json(body, cmd->seq, cmd->body);
    if (err == KITH_OK) err = kith_buf_append_str(body, "}");
    step->fx->err = err;
}

static bool update_is_well_formed(const struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    const uint32_t others = CMD_HAS_NAME | CMD_HAS_HISTORY;

    if ((cmd->flags & (others | CMD_HAS_JOIN_KEY)) == 0 && cmd->body.len == 0) return false;
    /* A link is what an operation made it, and that one says nothing else. */
    if ((cmd->flags & CMD_HAS_JOIN_KEY) != 0 && (cmd->body.len == 0 || (cmd->flags & others) != 0)) return false;
    if ((cmd->flags & CMD_HAS_JOIN_KEY) == 0 && cmd->value != 0) return false;
    /* A server that may not read an encrypted chat is not told its name either. */
    return cmd->name.len <= KITH_DISPLAY_NAME_BYTES_MAX && !(step->chat->head.encrypted && cmd->name.len > 0);
}

void chat_apply_update(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    struct chat *chat = step->chat;
    struct chat_member *actor;
    struct kith_buf body;

    if (chat_repeated(step)) return;
    actor = chat_actor(step);
    if (actor == NULL) return;
    if (chat->head.type != CHAT_GROUP || actor->row.role < ROLE_ADMIN) {
        chat_answer(step, CODE_FORBIDDEN);
        return;
    }
    if (!chat_group_op_fits(step)) return;
    if (!update_is_well_formed(step)) {
        chat_answer(step, CODE_BAD_REQUEST);
        return;
    }
    if (cmd->flags & CMD_HAS_NAME) {
        if (cmd->name.len > 0) memcpy(chat->name, cmd->name.ptr, cmd->name.len);
        chat->head.name.len = cmd->name.len;
    }
    if (cmd->flags & CMD_HAS_HISTORY) chat->head.history_open = (cmd->flags & CMD_HISTORY_OPEN) != 0;
    if (cmd->flags & CMD_HAS_JOIN_KEY) chat->head.join_tag = cmd->value;
    kith_buf_init(&body, 128 + KITH_DISPLAY_NAME_BYTES_MAX * 6 + KITH_SIGNED_OP_BYTES_MAX / 3 * 4 + 8);
    update_json(step, &body);
    if (step->fx->err == KITH_OK && chat_number_json(step, MESSAGE_CHAT, &body) != NULL) {
        chat_group_op_take(step, chat->head.last_seq);
        if (step->fx->err == KITH_OK) chat_remember(step);
    }
    kith_buf_deinit(&body);
}
