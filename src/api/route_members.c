#include <stdlib.h>

#include "api/routes.h"

struct member_state {
    struct account_people people; /* first */
    struct account_person person;
    struct api_request *request;
    uint8_t role;
    struct api_signed_op op;
    struct msg_id id;
    enum cmd_verb verb;
    struct chat_answer answer;
};

static void release(void *arg)
{
    struct member_state *state = arg;

    account_people_drop(&state->people);
    api_signed_op_free(&state->op);
}

static struct cmd command(const struct member_state *state)
{
    return (struct cmd){
        .verb = state->verb,
        .stream = state->request->chat.id,
        .id = state->id,
        .subject = state->person.user,
        .role = state->role,
        .value = state->person.list_seq,
        .seq = state->op.group_seq,
        .body = state->op.signed_op,
    };
}

static void role_take(struct api_fields *fields, bool required, uint8_t *out)
{
    struct kith_slice text;

    if (fields_text(fields, "role", required, 0, 16, &text) && row_role_parse(text, out) != KITH_OK)
        fields_wrong(fields, "role", "The role is owner, admin or member.");
}

static struct member_state *member_state(struct api_request *request, enum cmd_verb verb)
{
    struct member_state *state = api_state(request, sizeof *state, release);

    if (state == NULL) return NULL;
    state->request = request;
    state->verb = verb;
    if (!header_idempotency_id(request, &state->id)) return NULL;
    return state;
}

/* ------------------------------------------------------------------------------------------------ add */

static void add_settled(struct account_call *call)
{
    struct member_state *state = (struct member_state *)call;

    api_answer_seq(state->request, &state->answer);
}

static void add_asked(struct api_request *request, const struct chat_answer *answer)
{
    struct member_state *state = request->state;

    state->answer = *answer;
    if (answer->code == CODE_UNKNOWN_OUTCOME) {
        api_answer_seq(request, answer);
        return;
    }
    state->people.call.done = add_settled;
    account_people_settle(request->api->config.accounts, &state->people);
}

static void add_known(struct account_call *call)
{
    struct member_state *state = (struct member_state *)call;
    struct cmd cmd = command(state);

    if (call->code == CODE_OK)
        api_ask_signed(state->request, &state->op, &cmd, add_asked);
    else
        api_problem_call(state->request, call);
}

static void add_allowed(struct api_request *request)
{
    struct member_state *state = request->state;

    state->people.call = (struct account_call){.loop = request->api->config.loop, .done = add_known};
    state->people.chat = request->chat;
    state->people.people = &state->person;
    state->people.count = 1;
    account_people(request->api->config.accounts, &state->people);
}

void route_member_add(struct api_request *request)
{
    struct member_state *state = member_state(request, CMD_MEMBER_ADD);
    struct api_fields fields;

    if (state == NULL) return;
    state->role = ROLE_MEMBER;
    fields_begin(&fields, request);
    (void)fields_uuid(&fields, "user_id", true, &state->person.user.id);
    role_take(&fields, false, &state->role);
    fields_signed_op(&fields, &state->op);
    if (fields_end(&fields)) api_with_member(request, (struct chat_id){request->ids[0]}, add_allowed);
}

/* ------------------------------------------------------------------------------------------------ role, remove */

static void change_allowed(struct api_request *request)
{
    struct member_state *state = request->state;
    struct cmd cmd = command(state);

    api_ask_signed(request, &state->op, &cmd, api_answer_seq);
}

void route_member_role(struct api_request *request)
{
    struct member_state *state = member_state(request, CMD_MEMBER_ROLE);
    struct api_fields fields;

    if (state == NULL) return;
    state->person.user.id = request->ids[1];
    fields_begin(&fields, request);
    role_take(&fields, true, &state->role);
    fields_signed_op(&fields, &state->op);
    if (fields_end(&fields)) api_with_member(request, (struct chat_id){request->ids[0]}, change_allowed);
}

void route_member_remove(struct api_request *request)
{
    struct member_state *state = member_state(request, CMD_MEMBER_REMOVE);
    struct api_fields fields;

    if (state == NULL) return;
    state->person.user.id = request->ids[1];
    fields_begin(&fields, request);
    fields_signed_op(&fields, &state->op);
    if (fields_end(&fields)) api_with_member(request, (struct chat_id){request->ids[0]}, change_allowed);
}
