#include "api/routes.h"

void api_answer_tokens(struct api_request *request, unsigned status, const struct account_tokens *tokens,
                       const struct chat_id *chat)
{
    struct json_out *out = &request->out;

    out->is_secret = true;
    json_out_open(out, '{');
    json_put_id_at(out, "user_id", tokens->user.id);
    json_put_id_at(out, "device_id", tokens->device.id);
    json_put_str_at(out, "access_token", tokens->access_token);
    json_put_str_at(out, "refresh_token", tokens->refresh_token);
    json_put_u64_at(out, "expires_in", tokens->expires_in_s);
    if (chat != NULL) json_put_id_at(out, "chat_id", chat->id);
    json_out_close(out, '}');
    api_answer(request, status);
}

void api_put_person(struct json_out *out, const struct account_profile *profile)
{
    json_put_id_at(out, "user_id", profile->user.id);
    json_put_str_at(out, "name", profile->name);
    json_put_str_at(out, "display_name", profile->display_name);
}

/* ------------------------------------------------------------------------------------------------ POST /users */

struct register_state {
    struct account_register op; /* first */
    struct api_request *request;
};

static void registered(struct account_call *call)
{
    struct register_state *state = (struct register_state *)call;

    if (call->code == CODE_CREATED)
        api_answer_tokens(state->request, 201, &state->op.tokens, state->op.has_chat ? &state->op.chat : NULL);
    else
        api_problem_call(state->request, call);
}

void route_user_create(struct api_request *request)
{
    struct register_state *state = api_state(request, sizeof *state, NULL);
    struct api_fields fields;

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = registered};
    fields_begin(&fields, request);
    if (fields_copy(&fields, "name", true, 2, state->op.name, sizeof state->op.name) &&
        account_name_normalise(state->op.name) != KITH_OK)
        fields_wrong(&fields, "name", "A name is a letter and then letters, digits, dots, dashes or underscores.");
    (void)fields_password(&fields, "password", true, true, &state->op.password);
    (void)fields_display_name(&fields, "device_name", true, state->op.device_name, sizeof state->op.device_name);
    (void)fields_display_name(&fields, "display_name", false, state->op.display_name, sizeof state->op.display_name);
    (void)fields_copy(&fields, "invite", false, 1, state->op.invite, sizeof state->op.invite);
    if (fields_end(&fields)) account_register(request->api->config.accounts, &state->op);
}

/* ------------------------------------------------------------------------------------------------ other people */

struct lookup_state {
    struct account_lookup op; /* first */
    struct api_request *request;
};

static void looked_up(struct account_call *call)
{
    struct lookup_state *state = (struct lookup_state *)call;
    struct json_out *out = &state->request->out;

    if (call->code != CODE_OK) {
        api_problem_call(state->request, call);
        return;
    }
    json_out_open(out, '{');
    api_put_person(out, &state->op.profile);
    json_out_close(out, '}');
    api_answer(state->request, 200);
}

static struct lookup_state *lookup_state(struct api_request *request)
{
    struct lookup_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return NULL;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = looked_up};
    state->op.who = request->who;
    return state;
}

void route_user_lookup(struct api_request *request)
{
    struct lookup_state *state = lookup_state(request);
    bool found = false;

    if (state == NULL) return;
    state->op.by_name = true;
    if (query_text(request, "name", true, state->op.name, sizeof state->op.name, &found))
        account_lookup(request->api->config.accounts, &state->op);
}

void route_user_show(struct api_request *request)
{
    struct lookup_state *state = lookup_state(request);

    if (state == NULL) return;
    state->op.user.id = request->ids[0];
    account_lookup(request->api->config.accounts, &state->op);
}

struct block_state {
    struct account_block op; /* first */
    struct api_request *request;
};

static void blocked(struct account_call *call)
{
    struct block_state *state = (struct block_state *)call;

    if (call->code == CODE_OK)
        api_answer_none(state->request);
    else
        api_problem_call(state->request, call);
}

static void block(struct api_request *request, bool blocks)
{
    struct block_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = blocked};
    state->op.who = request->who;
    state->op.other.id = request->ids[0];
    state->op.blocks = blocks;
    account_block(request->api->config.accounts, &state->op);
}

void route_user_block(struct api_request *request)
{
    block(request, true);
}

void route_user_unblock(struct api_request *request)
{
    block(request, false);
}
