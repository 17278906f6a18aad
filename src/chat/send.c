#include "base/mutant.h"
#include "chat/chat_internal.h"
#include "wire/bodies.h"

static bool id_is_timely(struct chat_step *step)
{
    enum kith_code code = chat_key_judge(step->cmd, step->rules);

    if (code != CODE_OK) chat_answer(step, code);
    return code == CODE_OK;
}

static bool predecessor_is_here(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    const struct chat_device *device = chat_device_find(step->chat, cmd->device);
    const struct chat_lookup *lookup = &step->lookups[CHAT_LOOKUP_AFTER];
    struct row_idempotency row = {0};

    if (kith_uuid_is_nil(cmd->after.id) || kith_mutant(AFTER_IGNORED)) return true;
    if (device != NULL && kith_uuid_eq(device->last_id.id, cmd->after.id)) return true;
    /* `after` speaks of the same device: another device's message proves nothing about this one's order. */
    return lookup->found && row_idempotency_decode(lookup->value, &row) == KITH_OK &&
           kith_uuid_eq(row.device.id, cmd->device.id);
}

/* Of a group with operations the account's deletion is none: until one says so, its members name that person, too. */
static bool is_gone(const struct chat *chat, const struct chat_member *member)
{
    return chat->head.group_seq != 0 && member != NULL && (member->row.flags & MEMBER_GONE) != 0;
}

/* Every current member's list must be named, in the sequence the chat knows, or all of them by their digest. */
static bool lists_are_current(struct chat *chat, const struct bodies *bodies)
{
    struct kith_slice lists = bodies->lists;
    struct bodies_list list = {0};
    uint32_t current = 0, named = 0;

    if (bodies->digest != NULL) return memcmp(bodies->digest, chat_digest(chat), BODIES_DIGEST_BYTES) == 0;
    for (size_t i = 0; i < chat->member_count; i++) current += chat_member_is_in(&chat->members[i]);
    while (bodies_next_list(&lists, &list) == KITH_OK) {
        const struct chat_member *member = chat_member_find(chat, list.user);
        if (is_gone(chat, member)) continue;
        if (member == NULL || !chat_member_is_in(member) || member->row.list_seq != list.list_seq) return false;
        named++;
    }
    return named == current;
}

/* Well formed, and a digest is a group's only: in a chat of two the devices are few, and each has a body of its own. */
static bool take_bodies(const struct chat *chat, const struct cmd *cmd, struct bodies *out)
{
    if (bodies_decode(cmd->body, out) != KITH_OK) return false;
    return out->digest == NULL || (chat->head.type == CHAT_GROUP && chat->head.encrypted != 0);
}

/* The bodies become rows of their own; what stays in the message row is the list of their devices, for freeing them. */
static void store_bodies(struct chat_step *step, const struct bodies *bodies, struct kith_buf *devices)
{
    struct kith_slice items = bodies->items;
    struct bodies_item item = {0};
    struct kith_buf value;

    kith_buf_init(&value, KITH_MESSAGE_BYTES_MAX + 8);
    while (step->fx->err == KITH_OK && bodies_next_item(&items, &item) == KITH_OK) {
        struct row_key key = row_key_body(step->chat->id, step->chat->head.last_seq + 1, item.device);
        kith_buf_reset(&value);
        step->fx->err = kith_buf_append_u64_be(&value, step->cmd->expires_ms);
        if (step->fx->err == KITH_OK) step->fx->err = kith_buf_append(&value, item.ciphertext);
        if (step->fx->err == KITH_OK) chat_put_row(step, &key, &value);
        if (step->fx->err == KITH_OK) step->fx->err = kith_buf_append(devices, kith_slice_of(item.device.id.raw, 16));
    }
    kith_buf_deinit(&value);
}

static bool is_unseen(const struct chat *chat, const struct chat_member *sender)
{
    if (chat->head.type != CHAT_DIRECT) return false;
    for (size_t i = 0; i < chat->member_count; i++)
        if (&chat->members[i] != sender && (chat->members[i].row.flags & MEMBER_BLOCKS) != 0) return true;
    return false;
}

/* The other of two deleted the account: nobody is there to write to, and no lists are current ever again. */
static bool is_over(const struct chat *chat)
{
    if (chat->head.type != CHAT_DIRECT) return false;
    for (size_t i = 0; i < chat->member_count; i++)
        if ((chat->members[i].row.flags & MEMBER_GONE) != 0) return true;
    return false;
}

static void accept_message(struct chat_step *step, struct chat_member *sender, const struct bodies *bodies)
{
    const struct cmd *cmd = step->cmd;
    struct chat_device *device;
    struct kith_buf devices;
    struct row_message message = {
        .expires_ms = cmd->expires_ms,
        .type = MESSAGE_TEXT,
        .epoch = step->chat->head.epoch,
        .position = step->position,
        .created_ms = step->time_ms,
        .sender = cmd->actor,
        .device = cmd->device,
        .id = cmd->id,
        .parent = cmd->parent,
        .content_type = cmd->content_type,
        .body = cmd->body,
    };

    kith_buf_init(&devices, BODIES_DEVICES_MAX * 16);
    if (cmd->flags & CMD_ENCRYPTED) message.flags |= MESSAGE_ENCRYPTED;
    if (is_unseen(step->chat, sender)) message.flags |= MESSAGE_UNSEEN;
    if (bodies != NULL) {
        store_bodies(step, bodies, &devices);
        message.flags |= MESSAGE_PER_DEVICE;
        message.body = kith_buf_peek(&devices);
    }
    if (step->fx->err == KITH_OK && chat_number(step, &message) != NULL) {
        if (kith_uuid_cmp(cmd->id.id, sender->id_max.id) > 0) sender->id_max = cmd->id;
        if (kith_uuid_cmp(cmd->id.id, step->chat->head.id_max.id) > 0) step->chat->head.id_max = cmd->id;
        if ((sender->row.flags & MEMBER_ACCEPTED) == 0) {
            sender->row.flags |= MEMBER_ACCEPTED; /* answering a stranger accepts the request */
            chat_touch_member(step, sender);
        }
        device = chat_device_put(step, cmd->device, cmd->actor);
        if (device != NULL && kith_uuid_cmp(cmd->id.id, device->last_id.id) > 0) device->last_id = cmd->id;
        if (device != NULL) chat_remember(step);
    }
    kith_buf_deinit(&devices);
}

void chat_apply_send(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    bool per_device = (cmd->flags & CMD_PER_DEVICE) != 0;
    bool encrypted = (cmd->flags & CMD_ENCRYPTED) != 0;
    struct bodies bodies = {0};
    struct chat_member *sender;

    if (!id_is_timely(step)) return;
    /* Before all other checks: what was accepted once gets its first answer, whatever has changed since. */
    if (chat_repeated(step)) return;
    sender = chat_actor(step);
    if (sender == NULL) return;
    if (encrypted != (step->chat->head.encrypted != 0) || (cmd->expires_ms != 0 && cmd->expires_ms <= step->time_ms) ||
        (per_device && !take_bodies(step->chat, cmd, &bodies))) {
        chat_answer(step, CODE_BAD_REQUEST);
        return;
    }
    if (per_device && !lists_are_current(step->chat, &bodies)) {
        chat_answer(step, is_over(step->chat) ? CODE_FORBIDDEN : CODE_STALE_DEVICES);
        return;
    }
    if (!predecessor_is_here(step)) {
        chat_answer(step, CODE_PREDECESSOR_MISSING);
        return;
    }
    accept_message(step, sender, per_device ? &bodies : NULL);
}

static bool may_delete(const struct chat_step *step, const struct chat_member *actor, const struct row_message *message)
{
    if (kith_uuid_eq(message->sender.id, actor->user.id)) return true;
    return step->chat->head.type == CHAT_GROUP && actor->row.role >= ROLE_ADMIN;
}

static void free_body(struct chat_step *step, struct row_message *message)
{
    struct row_key key = row_key_message(step->chat->id, step->cmd->seq);
    struct kith_slice devices = message->body;
    struct device_id device = {0};
    struct kith_buf value;

    while ((message->flags & MESSAGE_PER_DEVICE) && kith_eat_copy(&devices, device.id.raw, 16) == KITH_OK) {
        struct row_key body = row_key_body(step->chat->id, step->cmd->seq, device);
        step->fx->err = row_delete(step->fx->rows, &body);
        if (step->fx->err != KITH_OK) return;
        step->fx->row_count++;
    }
    message->flags = (uint8_t)((message->flags & ~MESSAGE_PER_DEVICE) | MESSAGE_FREED);
    message->body = (struct kith_slice){0};
    kith_buf_init(&value, ROW_MESSAGE_HEAD_BYTES + KITH_CONTENT_TYPE_BYTES_MAX);
    step->fx->err = row_message_encode(message, &value);
    if (step->fx->err == KITH_OK) chat_put_row(step, &key, &value);
    kith_buf_deinit(&value);
}

void chat_apply_delete(struct chat_step *step)
{
    const struct chat_lookup *lookup = &step->lookups[CHAT_LOOKUP_MESSAGE];
    struct row_message message = {0};
    struct chat_member *actor;
    struct kith_buf body;

    if (chat_repeated(step)) return;
    actor = chat_actor(step);
    if (actor == NULL) return;
    if (!lookup->found || !row_member_sees(&actor->row, step->chat->head.history_open != 0, step->cmd->seq)) {
        chat_answer(step, CODE_NOT_FOUND);
        return;
    }
    if (row_message_decode(lookup->value, &message) != KITH_OK) {
        step->fx->err = KITH_E_DAMAGED;
        return;
    }
    if (message.type != MESSAGE_TEXT || !may_delete(step, actor, &message)) {
        chat_answer(step, CODE_FORBIDDEN);
        return;
    }
    if (message.flags & MESSAGE_FREED) { /* deleting again changes nothing and takes no number */
        step->fx->answer = (struct chat_answer){.code = CODE_OK,
                                                .repeated = true,
                                                .epoch = message.epoch,
                                                .seq = step->cmd->seq,
                                                .created_ms = step->time_ms};
        return;
    }
    free_body(step, &message);
    kith_buf_init(&body, 128);
    if (step->fx->err == KITH_OK)
        step->fx->err = kith_buf_printf(&body, "{\"seq\":%llu}", (unsigned long long)step->cmd->seq);
    if (step->fx->err == KITH_OK && chat_number_json(step, MESSAGE_DELETED, &body) != NULL) chat_remember(step);
    kith_buf_deinit(&body);
}
