#include "api/routes.h"

#define EXPIRES_IN_S_MIN 60

static void put_invite(struct json_out *out, const struct account_invite *invite)
{
    json_put_id_at(out, "invite_id", invite->invite);
    json_put_str_at(out, "role", invite->role == USER_ADMIN ? "admin" : "member");
    json_put_u64_at(out, "uses", invite->uses);
    json_put_u64_at(out, "uses_max", invite->uses_max);
    json_put_time_at(out, "created_at", invite->created_ms);
    json_put_time_at(out, "expires_at", invite->expires_ms);
}

struct create_state {
    struct account_invite_create op; /* first */
    struct api_request *request;
};

static void created(struct account_call *call)
{
    struct create_state *state = (struct create_state *)call;
    struct json_out *out = &state->request->out;

    if (call->code != CODE_CREATED) {
        api_problem_call(state->request, call);
        return;
    }
    out->is_secret = true;
    json_out_open(out, '{');
    put_invite(out, &state->op.invite);
    json_put_str_at(out, "code", state->op.code);
    json_out_close(out, '}');
    api_answer(state->request, 201);
}

void route_invite_create(struct api_request *request)
{
    struct create_state *state = api_state(request, sizeof *state, NULL);
    uint64_t expires_in_s = ACCOUNT_INVITE_MS / 1000;
    struct kith_slice role;
    struct api_fields fields;

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = created};
    state->op.who = request->who;
    state->op.uses_max = 1;
    fields_begin(&fields, request);
    (void)fields_u64(&fields, "uses_max", false, 1, ACCOUNT_INVITE_USES_MAX, &state->op.uses_max);
    (void)fields_u64(&fields, "expires_in", false, EXPIRES_IN_S_MIN, ACCOUNT_INVITE_MS_MAX / 1000, &expires_in_s);
    if (fields_text(&fields, "role", false, 0, 16, &role)) {
        if (kith_slice_is(role, "admin"))
            state->op.role = USER_ADMIN;
        else if (!kith_slice_is(role, "member"))
            fields_wrong(&fields, "role", "The role is member or admin.");
    }
    if (!fields_end(&fields)) return;
    state->op.expires_ms = loop_wall_ms(request->api->config.loop) + expires_in_s * 1000;
    account_invite_create(request->api->config.accounts, &state->op);
}

struct list_state {
    struct account_invite_list op; /* first */
    struct api_request *request;
};

static void listed(struct account_call *call)
{
    struct list_state *state = (struct list_state *)call;
    struct json_out *out = &state->request->out;

    if (call->code != CODE_OK) {
        api_problem_call(state->request, call);
        return;
    }
    json_out_open(out, '{');
    json_out_key(out, "invites");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->op.count; i++) {
        json_out_open(out, '{');
        put_invite(out, &state->op.invites[i]);
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
    json_out_close(out, '}');
    api_answer(state->request, 200);
}

void route_invites(struct api_request *request)
{
    struct list_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = listed};
    state->op.who = request->who;
    account_invite_list(request->api->config.accounts, &state->op);
}

struct revoke_state {
    struct account_invite_revoke op; /* first */
    struct api_request *request;
};

static void revoked(struct account_call *call)
{
    struct revoke_state *state = (struct revoke_state *)call;

    if (call->code == CODE_OK)
        api_answer_none(state->request);
    else
        api_problem_call(state->request, call);
}

void route_invite_delete(struct api_request *request)
{
    struct revoke_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = revoked};
    state->op.who = request->who;
    state->op.invite = request->ids[0];
    account_invite_revoke(request->api->config.accounts, &state->op);
}
