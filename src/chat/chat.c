#include "chat/chat.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "chat/chat_internal.h"

typedef void (*apply_fn)(struct chat_step *step);

static const apply_fn apply_by_verb[CMD_VERBS] = {
    [CMD_CHAT_CREATE] = chat_apply_create,
    [CMD_SEND] = chat_apply_send,
    [CMD_DELETE] = chat_apply_delete,
    [CMD_MEMBER_ADD] = chat_apply_member_add,
    [CMD_MEMBER_REMOVE] = chat_apply_member_remove,
    [CMD_MEMBER_LEAVE] = chat_apply_member_leave,
    [CMD_MEMBER_ROLE] = chat_apply_member_role,
    [CMD_CHAT_UPDATE] = chat_apply_update,
    [CMD_CURSOR] = chat_apply_cursor,
    [CMD_READ] = chat_apply_read,
    [CMD_ACCEPT] = chat_apply_accept,
    [CMD_FACT] = chat_apply_fact,
    [CMD_MEMBER_ASK] = chat_apply_member_ask,
};

struct chat *chat_new(struct chat_id id)
{
    struct chat *chat = calloc(1, sizeof *chat);

    if (chat == NULL) return NULL;
    chat->id = id;
    return chat;
}

void chat_free(struct chat *chat)
{
    if (chat == NULL) return;
    chat_roster_unref(chat->roster);
    free(chat->members);
    free(chat->devices);
    free(chat);
}

size_t chat_bytes(const struct chat *chat)
{
    size_t roster = chat->roster == NULL ? 0 : sizeof *chat->roster + chat->roster->count * sizeof(struct user_id);

    return sizeof *chat + chat->member_cap * sizeof *chat->members + chat->device_cap * sizeof *chat->devices + roster;
}

void chat_lookups(const struct chat *chat, const struct cmd *cmd, struct chat_lookup out[static CHAT_LOOKUPS])
{
    const struct chat_member *actor = chat_member_find(chat, cmd->actor);
    const struct chat_device *device = chat_device_find(chat, cmd->device);
    struct kith_uuid id = cmd->id.id;

    memset(out, 0, CHAT_LOOKUPS * sizeof out[0]);
    if (!chat->exists) return;
    if (cmd->verb == CMD_DELETE) out[CHAT_LOOKUP_MESSAGE].key = row_key_message(chat->id, cmd->seq);
    /* Who asks to be let in is nobody here yet, and may ask twice. */
    if (kith_uuid_is_nil(id) || (actor == NULL && cmd->verb != CMD_MEMBER_ASK)) return;
    /* A message id above all that this person wrote here is new: no lookup. Other commands' ids have no order. */
    if (cmd->verb != CMD_SEND || kith_uuid_cmp(id, actor->id_max.id) <= 0)
        out[CHAT_LOOKUP_KEY].key = row_key_key(chat->id.id, cmd->actor, cmd->id);
    if (cmd->verb != CMD_SEND || kith_uuid_is_nil(cmd->after.id)) return;
    if (device == NULL || !kith_uuid_eq(device->last_id.id, cmd->after.id))
        out[CHAT_LOOKUP_AFTER].key = row_key_key(chat->id.id, cmd->actor, cmd->after);
}

void chat_touch_member(struct chat_step *step, const struct chat_member *member)
{
    for (uint32_t i = 0; i < step->touched_user_count; i++)
        if (kith_uuid_eq(step->touched_users[i].id, member->user.id)) return;
    if (step->touched_user_count == CHAT_TOUCHED_MAX) {
        step->all_members_touched = true;
        return;
    }
    step->touched_users[step->touched_user_count++] = member->user;
}

void chat_touch_device(struct chat_step *step, const struct chat_device *device)
{
    for (uint32_t i = 0; i < step->touched_device_count; i++)
        if (kith_uuid_eq(step->touched_devices[i].id, device->device.id)) return;
    assert(step->touched_device_count < CHAT_TOUCHED_MAX); /* one command speaks of one device */
    step->touched_devices[step->touched_device_count++] = device->device;
}

static void store_member(struct chat_step *step, const struct chat_member *member, struct kith_buf *value)
{
    struct row_key key = row_key_member(step->chat->id, member->user);

    kith_buf_reset(value);
    step->fx->err = row_member_encode(&member->row, value);
    if (step->fx->err == KITH_OK) chat_put_row(step, &key, value);
}

static void store_device(struct chat_step *step, const struct chat_device *device, struct kith_buf *value)
{
    struct row_key key = row_key_device(step->chat->id, device->device);

    kith_buf_reset(value);
    step->fx->err = row_device_encode(&device->row, value);
    if (step->fx->err == KITH_OK) chat_put_row(step, &key, value);
}

static void store_head(struct chat_step *step, struct kith_buf *value)
{
    struct chat *chat = step->chat;
    struct row_key key = row_key_chat(chat->id);

    chat->head.name.ptr = (const uint8_t *)chat->name;
    chat->head.position = step->position;
    kith_buf_reset(value);
    step->fx->err = row_chat_encode(&chat->head, value);
    if (step->fx->err == KITH_OK) chat_put_row(step, &key, value);
    chat->dirty = false;
}

static void store_touched(struct chat_step *step)
{
    struct chat *chat = step->chat;
    struct kith_buf value;

    kith_buf_init(&value, 1024);
    for (size_t i = 0; step->all_members_touched && i < chat->member_count && step->fx->err == KITH_OK; i++)
        store_member(step, &chat->members[i], &value);
    for (uint32_t i = 0; !step->all_members_touched && i < step->touched_user_count && step->fx->err == KITH_OK; i++)
        store_member(step, chat_member_find(chat, step->touched_users[i]), &value);
    for (uint32_t i = 0; i < step->touched_device_count && step->fx->err == KITH_OK; i++)
        store_device(step, chat_device_find(chat, step->touched_devices[i]), &value);
    if (chat->dirty && step->fx->err == KITH_OK) store_head(step, &value);
    kith_buf_deinit(&value);
}

void chat_apply(struct chat *chat, const struct cmd *cmd, uint64_t position, const struct chat_rules *rules,
                const struct chat_lookup lookups[static CHAT_LOOKUPS], struct chat_effects *fx)
{
    struct kith_buf *rows = fx->rows;
    struct chat_step step = {
        .chat = chat, .cmd = cmd, .position = position, .rules = rules, .lookups = lookups, .fx = fx};

    assert(cmd->verb > 0 && cmd->verb < CMD_VERBS && apply_by_verb[cmd->verb] != NULL);
    memset(fx, 0, sizeof *fx);
    fx->rows = rows;
    fx->answer.code = CODE_INTERNAL;
    fx->answer.epoch = 1;
    step.time_ms = cmd->time_ms > chat->head.time_ms ? cmd->time_ms : chat->head.time_ms;

    if (!chat->exists && cmd->verb != CMD_CHAT_CREATE) {
        chat_answer(&step, CODE_NOT_FOUND);
        return;
    }
    /* Replay after a crash: this chat's rows already hold what the command did; who asked is gone. */
    if (chat->exists && position <= chat->head.position) {
        chat_answer(&step, CODE_OK);
        fx->answer.repeated = true;
        return;
    }
    apply_by_verb[cmd->verb](&step);
    if (kith_mutant(SEQ_SKIPS) && fx->answer.code == CODE_PREDECESSOR_MISSING) {
        chat->head.last_seq++;
        chat->dirty = true;
    }
    if (fx->err == KITH_OK) store_touched(&step);
}

void chat_answer(struct chat_step *step, enum kith_code code)
{
    step->fx->answer = (struct chat_answer){.code = code, .epoch = 1};
}

struct chat_event *chat_number(struct chat_step *step, const struct row_message *message)
{
    struct chat *chat = step->chat;
    struct chat_effects *fx = step->fx;
    struct chat_event *event = &fx->events[fx->event_count];
    struct row_key key = row_key_message(chat->id, chat->head.last_seq + 1);
    size_t value_len = ROW_MESSAGE_HEAD_BYTES + message->content_type.len + message->body.len;
    uint8_t head[7];

    assert(fx->event_count < CHAT_EVENTS_MAX);
    /* The row is encoded straight into the batch: the record's head first, then the key, then the value. */
    head[0] = 1;
    kith_put_u16_be(head + 1, (uint16_t)key.len);
    kith_put_u32_be(head + 3, (uint32_t)value_len);
    fx->err = kith_buf_append(fx->rows, kith_slice_of(head, sizeof head));
    if (fx->err == KITH_OK) fx->err = kith_buf_append(fx->rows, row_key_slice(&key));
    if (fx->err == KITH_OK) fx->err = row_message_encode(message, fx->rows);
    if (fx->err != KITH_OK) return NULL;

    chat->head.last_seq++;
    chat->head.time_ms = step->time_ms;
    chat->dirty = true;
    *event = (struct chat_event){
        .seq = chat->head.last_seq, .at = kith_buf_len(fx->rows) - value_len, .len = value_len};
    fx->event_count++;
    fx->row_count++;
    fx->answer = (struct chat_answer){
        .code = CODE_CREATED, .seq = event->seq, .epoch = message->epoch, .created_ms = message->created_ms};
    return event;
}

struct chat_event *chat_number_json(struct chat_step *step, uint8_t type, const struct kith_buf *body)
{
    struct row_message message = {
        .type = type,
        .epoch = step->chat->head.epoch,
        .position = step->position,
        .created_ms = step->time_ms,
        .sender = step->cmd->actor,
        .device = step->cmd->device,
        .id = step->cmd->id,
        .content_type = kith_slice_str("application/json"),
        .body = kith_buf_peek(body),
    };

    return chat_number(step, &message);
}

void chat_put_row(struct chat_step *step, const struct row_key *key, const struct kith_buf *value)
{
    kith_err err = row_put(step->fx->rows, key, kith_buf_peek(value));

    if (err != KITH_OK)
        step->fx->err = err;
    else
        step->fx->row_count++;
}
