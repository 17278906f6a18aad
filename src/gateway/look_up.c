#include <stdlib.h>

#include "gateway/frames.h"
#include "gateway/reader.h"

/* A command that waits until something was read, and copies of what it points to. */
struct held_command {
    struct cmd cmd; /* first */
    uint8_t bytes[];
};

static struct held_command *hold(const struct cmd *cmd)
{
    struct held_command *held = malloc(sizeof *held + cmd->content_type.len + cmd->body.len);

    if (held == NULL) return NULL;
    held->cmd = *cmd;
    memcpy(held->bytes, cmd->content_type.ptr, cmd->content_type.len);
    if (cmd->body.len > 0) memcpy(held->bytes + cmd->content_type.len, cmd->body.ptr, cmd->body.len);
    held->cmd.content_type = kith_slice_of(held->bytes, cmd->content_type.len);
    held->cmd.body = kith_slice_of(held->bytes + cmd->content_type.len, cmd->body.len);
    return held;
}

struct reader *look_up_begin(struct waiting *waiting, const struct cmd *cmd)
{
    struct session *session = waiting->session;
    struct reader *reader = reader_new(session->gateway, true);

    waiting->held = hold(cmd);
    if (reader == NULL || waiting->held == NULL) {
        if (reader != NULL) reader_free(reader);
        waiting_answer(waiting, &(struct chat_answer){.code = CODE_UNAVAILABLE});
        return NULL;
    }
    waiting->kind = WAITING_LOOKUP;
    waiting->reader = reader;
    reader->waiting = waiting;
    session->blocked = true;
    return reader;
}

struct cmd *look_up_command(const struct reader *reader)
{
    return &((struct held_command *)reader->waiting->held)->cmd;
}

void look_up_end(struct reader *reader, enum kith_code code)
{
    struct waiting *waiting = reader->waiting;
    struct session *session = waiting->session;

    waiting->reader = NULL;
    reader_free(reader);
    session->blocked = false;
    if (code != CODE_OK) {
        waiting_answer(waiting, &(struct chat_answer){.code = code});
        return;
    }
    waiting->kind = WAITING_ASK;
    waiting_ask(waiting, &((struct held_command *)waiting->held)->cmd);
    free(waiting->held);
    waiting->held = NULL;
    session_resume(session);
}
