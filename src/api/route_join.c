#include <stdlib.h>

#include "account/join.h"
#include "api/routes.h"

/*
 * POST /chats/{chat_id}/join: who has a group's link asks to be let in. The request is verified first, then the group is asked,
 * which alone knows its link; so what is not there and what the link is not for are the same, and take the same way.
 */
struct join_state {
    struct account_join join; /* first */
    struct api_request *request;
    uint8_t *bytes;
    struct msg_id id;
};

static void release(void *arg)
{
    free(((struct join_state *)arg)->bytes);
}

static void asked(struct api_request *request, const struct chat_answer *answer)
{
    bool is_asked = answer->seq != 0; /* the number of its event; who is a member already has asked for nothing */

    if (answer->code != CODE_OK && answer->code != CODE_CREATED) {
        api_problem_core(request, answer);
        return;
    }
    json_out_open(&request->out, '{');
    json_put_bool_at(&request->out, "member", !is_asked);
    json_out_close(&request->out, '}');
    api_answer(request, is_asked ? 202 : 200);
}

static void verified(struct account_call *call)
{
    struct join_state *state = (struct join_state *)call;
    struct cmd cmd = {
        .verb = CMD_MEMBER_ASK,
        .stream = state->request->ids[0],
        .id = state->id,
        .value = state->join.tag,
        .body = state->join.signed_request,
    };

    if (call->code == CODE_OK)
        api_ask(state->request, &cmd, asked);
    else
        api_problem_call(state->request, call);
}

void route_chat_join(struct api_request *request)
{
    struct join_state *state = api_state(request, sizeof *state, release);
    struct api_fields fields;
    size_t len = 0;

    if (state == NULL) return;
    state->request = request;
    if (!header_idempotency_id(request, &state->id)) return;
    fields_begin(&fields, request);
    (void)fields_base64(&fields, "request", true, KITH_JOIN_REQUEST_BYTES_MAX, &state->bytes, &len);
    if (!fields_end(&fields)) return;
    state->join.call = (struct account_call){.loop = request->api->config.loop, .done = verified};
    state->join.who = request->who;
    state->join.signed_request = kith_slice_of(state->bytes, len);
    account_join(request->api->config.accounts, &state->join);
}
