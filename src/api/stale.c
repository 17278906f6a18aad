#include <stdlib.h>

#include "api/message_state.h"

#define DIFFERENCE_BYTES_MAX (16 * 1024 * 1024)

/* A message made for an older set of devices: 409, and what differs. */
static void put_difference(void *arg, struct json_out *out)
{
    const struct account_stale *stale = arg;
    struct kith_buf text;
    kith_err err;

    kith_buf_init(&text, DIFFERENCE_BYTES_MAX);
    err = account_stale_write(stale, ACCOUNT_STALE_WHOLE, &text);
    if (err == KITH_OK)
        json_out_written(out, kith_buf_peek(&text));
    else
        out->err = err;
    kith_buf_deinit(&text);
}

static void known(struct account_call *call)
{
    struct message_state *state = (struct message_state *)call;
    const struct api_problem problem = {.code = CODE_STALE_DEVICES, .more = put_difference, .arg = &state->stale};

    if (call->code == CODE_OK)
        api_problem(state->request, &problem);
    else
        api_problem_call(state->request, call);
}

void message_answer_stale(struct message_state *state)
{
    struct account_stale *stale = &state->stale;

    state->sent = calloc(state->item_count + 1, sizeof *state->sent);
    if (state->sent == NULL) {
        api_problem_code(state->request, CODE_UNAVAILABLE);
        return;
    }
    for (size_t i = 0; i < state->item_count; i++) state->sent[i] = state->item_rows[i].device;
    stale->call = (struct account_call){.loop = state->request->api->config.loop, .done = known};
    stale->chat = (struct chat_id){state->cmd.stream};
    stale->sender = state->request->who.device;
    stale->sent = state->sent;
    stale->sent_count = state->item_count;
    account_stale(state->request->api->config.accounts, stale);
}
