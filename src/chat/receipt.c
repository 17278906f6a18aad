#include "base/mutant.h"
#include "chat/chat_internal.h"

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Receipts are watermarks: they only rise, and say when they last did (I-R1, I-R3). */
static bool raise_delivered(struct chat_step *step, struct chat_member *member, uint64_t seq)
{
    if (seq <= member->row.delivered_up_to && !kith_mutant(RECEIPT_BY_ARRIVAL)) return false;
    member->row.delivered_up_to = seq;
    member->row.delivered_ms = step->time_ms;
    chat_touch_member(step, member);
    return true;
}

static void add_receipt(struct chat_step *step, const struct chat_member *member)
{
    step->fx->has_receipt = true;
    step->fx->receipt = (struct chat_receipt){
        .user = member->user,
        .delivered_up_to = member->row.delivered_up_to,
        .read_up_to = member->row.read_up_to,
        .at_ms = step->time_ms,
        .read_hidden = (member->row.flags & MEMBER_RECEIPTS_OFF) != 0,
    };
}

static void answer_seq(struct chat_step *step, uint64_t seq)
{
    step->fx->answer = (struct chat_answer){
        .code = CODE_OK, .seq = seq, .epoch = step->chat->head.epoch, .created_ms = step->time_ms};
}

void chat_apply_cursor(struct chat_step *step)
{
    struct chat *chat = step->chat;
    struct chat_member *member = chat_member_find(chat, step->cmd->actor);
    struct chat_device *device;
    uint64_t seq;

    if (member == NULL) {
        chat_answer(step, CODE_NOT_FOUND);
        return;
    }
    seq = min_u64(step->cmd->seq, min_u64(chat->head.last_seq, row_member_last_visible(&member->row)));
    device = chat_device_put(step, step->cmd->device, step->cmd->actor);
    if (device == NULL) return;
    if (seq > device->row.cursor || !device->row.has_cursor) {
        device->row.cursor = seq;
        device->row.has_cursor = 1;
        chat_touch_device(step, device);
    }
    /* A stranger learns nothing of when a request arrived. */
    if ((member->row.flags & MEMBER_ACCEPTED) != 0 && raise_delivered(step, member, seq)) add_receipt(step, member);
    answer_seq(step, device->row.cursor);
}

void chat_apply_read(struct chat_step *step)
{
    struct chat *chat = step->chat;
    struct chat_member *member = chat_member_find(chat, step->cmd->actor);
    uint64_t seq;
    bool moved = false;

    if (member == NULL) {
        chat_answer(step, CODE_NOT_FOUND);
        return;
    }
    seq = min_u64(step->cmd->seq, min_u64(chat->head.last_seq, row_member_last_visible(&member->row)));
    if ((member->row.flags & MEMBER_ACCEPTED) == 0) { /* looking at a request says nothing to its sender */
        answer_seq(step, member->row.read_up_to);
        return;
    }
    if (seq > member->row.read_up_to || kith_mutant(RECEIPT_BY_ARRIVAL)) {
        member->row.read_up_to = seq;
        member->row.read_ms = step->time_ms;
        chat_touch_member(step, member);
        moved = true;
    }
    /* Who read it has it: read <= delivered holds by raising the lower one. */
    if (seq > member->row.delivered_up_to) moved |= raise_delivered(step, member, seq);
    if (moved) add_receipt(step, member);
    answer_seq(step, member->row.read_up_to);
}

void chat_apply_accept(struct chat_step *step)
{
    struct chat_member *member = chat_actor(step);

    if (member == NULL) return;
    if ((member->row.flags & MEMBER_ACCEPTED) == 0) {
        member->row.flags |= MEMBER_ACCEPTED;
        chat_touch_member(step, member);
    }
    answer_seq(step, step->chat->head.last_seq);
}

static void set_flag(struct chat_member *member, uint8_t flag, bool on)
{
    member->row.flags = (uint8_t)(on ? member->row.flags | flag : member->row.flags & ~flag);
}

/*
 * From here on senders must name this sequence, so the first message made for the device that came with it is numbered
 * after this. In an encrypted chat the device can read nothing before, and begins here; that says nothing of what was
 * delivered (I-R2). When the sequence was known already, that message may have been numbered: then it begins at the joining.
 */
static void learn_devices(struct chat_step *step, struct chat_member *member)
{
    const struct cmd *cmd = step->cmd;
    struct chat_device *device;

    if (cmd->value <= member->row.list_seq) return;
    member->row.list_seq = cmd->value;
    chat_digest_drop(step->chat);
    if (step->chat->head.encrypted == 0 || kith_uuid_is_nil(cmd->device.id)) return;
    device = chat_device_put(step, cmd->device, member->user);
    if (device == NULL || device->row.has_cursor) return;
    device->row.cursor = min_u64(step->chat->head.last_seq, row_member_last_visible(&member->row));
    device->row.has_cursor = 1;
    chat_touch_device(step, device);
}

void chat_apply_fact(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    struct chat_member *member = chat_member_find(step->chat, cmd->subject);

    if (member == NULL) {
        chat_answer(step, CODE_NOT_FOUND);
        return;
    }
    chat_touch_member(step, member);
    answer_seq(step, step->chat->head.last_seq);
    switch ((enum cmd_fact)cmd->fact) {
    case FACT_LIST_SEQ: learn_devices(step, member); return;
    case FACT_RECEIPTS: set_flag(member, MEMBER_RECEIPTS_OFF, cmd->value == 0); return;
    case FACT_BLOCKS: set_flag(member, MEMBER_BLOCKS, cmd->value != 0); return;
    case FACT_ACCOUNT_GONE: set_flag(member, MEMBER_GONE, true); return;
    }
    chat_answer(step, CODE_BAD_REQUEST);
}
