#include "chat/chat_internal.h"
#include "wire/json_text.h"

/*
 * Asking to be let into a group by its invite link (docs/wire/e2ee-groups.md, "Invite links"). The core knows of the link's
 * key only how it begins, which tells it from another link's, and hands the request on to the members unread.
 */
#define ASK_JSON_BYTES_MAX (128 + (KITH_JOIN_REQUEST_BYTES_MAX + 2) / 3 * 4)

/* {"op":"ask","user_id":"…","by":"…","request":"…"}: who asks is no member, so nobody but the members sees it. */
static void number_ask(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    struct kith_buf body;
    kith_err err;

    kith_buf_init(&body, ASK_JSON_BYTES_MAX);
    err = kith_buf_append_str(&body, "{\"op\":\"ask\",\"user_id\":");
    if (err == KITH_OK) err = json_put_uuid(&body, cmd->actor.id);
    if (err == KITH_OK) err = kith_buf_append_str(&body, ",\"by\":");
    if (err == KITH_OK) err = json_put_uuid(&body, cmd->actor.id);
    if (err == KITH_OK) err = kith_buf_append_str(&body, ",\"request\":");
    if (err == KITH_OK) err = json_put_base64(&body, cmd->body);
    if (err == KITH_OK) err = kith_buf_append_str(&body, "}");
    step->fx->err = err;
    if (err == KITH_OK && chat_number_json(step, MESSAGE_MEMBER, &body) != NULL) chat_remember(step);
    kith_buf_deinit(&body);
}

void chat_apply_member_ask(struct chat_step *step)
{
    const struct cmd *cmd = step->cmd;
    const struct row_chat *head = &step->chat->head;
    const struct chat_member *asker;

    if (chat_repeated(step)) return;
    /* Before all else: to who has no link, a group is as if it were not there. Only a group has a tag. */
    if (head->join_tag == 0 || head->join_tag != cmd->value) {
        chat_answer(step, CODE_NOT_FOUND);
        return;
    }
    if (cmd->body.len == 0 || cmd->body.len > KITH_JOIN_REQUEST_BYTES_MAX) {
        chat_answer(step, cmd->body.len == 0 ? CODE_BAD_REQUEST : CODE_TOO_BIG);
        return;
    }
    asker = chat_member_find(step->chat, cmd->actor);
    if (asker != NULL && chat_member_is_in(asker)) {
        /* No number, unlike the answer to an earlier request that is given again. */
        step->fx->answer = (struct chat_answer){
            .code = CODE_OK, .repeated = true, .epoch = head->epoch, .created_ms = step->time_ms};
        return;
    }
    if (head->member_count >= step->rules->members_max) {
        chat_answer(step, CODE_CHAT_FULL);
        return;
    }
    number_ask(step);
}
