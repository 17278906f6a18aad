#include "api/routes.h"

static void answer_profile(struct api_request *request, const struct account_profile *profile)
{
    struct json_out *out = &request->out;

    json_out_open(out, '{');
    api_put_person(out, profile);
    json_put_id_at(out, "device_id", request->who.device.id);
    json_put_str_at(out, "role", profile->role == USER_ADMIN ? "admin" : "member");
    json_put_bool_at(out, "read_receipts", profile->read_receipts);
    json_put_u64_at(out, "list_seq", profile->list_seq);
    json_put_time_at(out, "created_at", profile->created_ms);
    json_out_close(out, '}');
    api_answer(request, 200);
}

struct show_state {
    struct account_show op; /* first */
    struct api_request *request;
};

static void shown(struct account_call *call)
{
    struct show_state *state = (struct show_state *)call;

    if (call->code == CODE_OK)
        answer_profile(state->request, &state->op.profile);
    else
        api_problem_call(state->request, call);
}

void route_me_show(struct api_request *request)
{
    struct show_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = shown};
    state->op.who = request->who;
    account_show(request->api->config.accounts, &state->op);
}

struct update_state {
    struct account_update op; /* first */
    struct api_request *request;
};

static void updated(struct account_call *call)
{
    struct update_state *state = (struct update_state *)call;

    if (call->code == CODE_OK)
        answer_profile(state->request, &state->op.profile);
    else
        api_problem_call(state->request, call);
}

void route_me_update(struct api_request *request)
{
    struct update_state *state = api_state(request, sizeof *state, NULL);
    struct account_update *op;
    struct api_fields fields;
    bool has_current;

    if (state == NULL) return;
    op = &state->op;
    state->request = request;
    op->call = (struct account_call){.loop = request->api->config.loop, .done = updated};
    op->who = request->who;
    fields_begin(&fields, request);
    op->has_display_name = fields_display_name(&fields, "display_name", false, op->display_name,
                                               sizeof op->display_name);
    op->has_read_receipts = fields_bool(&fields, "read_receipts", &op->read_receipts);
    op->has_password = fields_password(&fields, "password", false, true, &op->password);
    has_current = fields_password(&fields, "current_password", op->has_password, false, &op->current);
    if (has_current && !op->has_password)
        fields_wrong(&fields, "password", "The field is missing."); /* it says what is to come instead */
    if (fields_end(&fields)) account_update(request->api->config.accounts, op);
}

struct delete_state {
    struct account_delete op; /* first */
    struct api_request *request;
};

static void deleted(struct account_call *call)
{
    struct delete_state *state = (struct delete_state *)call;

    if (call->code == CODE_OK)
        api_answer_none(state->request);
    else
        api_problem_call(state->request, call);
}

void route_me_delete(struct api_request *request)
{
    struct delete_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = deleted};
    state->op.who = request->who;
    account_delete(request->api->config.accounts, &state->op);
}
