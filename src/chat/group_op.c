#include "chat/chat_internal.h"
#include "wire/json_text.h"

/*
 * Signed operations of a group (docs/wire/e2ee-groups.md). The core does not read them: it puts them into one order, which is
 * that of the chat's own changes, and keeps them. A group that began with one takes no change without the next one.
 */

bool chat_group_op_fits(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    uint64_t newest = step->chat->head.group_seq;

    if (cmd->body.len > KITH_SIGNED_OP_BYTES_MAX)
        chat_answer(step, CODE_TOO_BIG);
    else if ((cmd->body.len == 0) != (cmd->seq == 0))
        chat_answer(step, CODE_BAD_REQUEST);
    else if ((newest == 0) != (cmd->seq == 0))
        chat_answer(step, CODE_FORBIDDEN); /* it has operations, so every change is one; or it has none */
    else if (cmd->seq != 0 && cmd->seq != newest + 1)
        chat_answer(step, CODE_STALE_GROUP);
    else
        return true;
    return false;
}

kith_err chat_group_op_json(struct kith_buf *body, uint64_t group_seq, struct kith_slice signed_op)
{
    kith_err err;

    if (signed_op.len == 0) return KITH_OK;
    err = kith_buf_printf(body, ",\"group_seq\":%llu,\"signed_op\":", (unsigned long long)group_seq);
    return err == KITH_OK ? json_put_base64(body, signed_op) : err;
}

void chat_group_op_take(struct chat_step *step, uint64_t seq)
{
    const struct cmd *cmd = step->cmd;
    struct row_key key = row_key_group_op(step->chat->id, cmd->seq);
    struct row_group_op row = {.seq = seq, .signed_op = cmd->body};
    struct kith_buf value;

    if (cmd->body.len == 0) return;
    step->chat->head.group_seq = cmd->seq;
    kith_buf_init(&value, KITH_SIGNED_OP_BYTES_MAX + 64);
    step->fx->err = row_group_op_encode(&row, &value);
    if (step->fx->err == KITH_OK) chat_put_row(step, &key, &value);
    kith_buf_deinit(&value);
}
