#include "api/routes.h"

struct list_state {
    struct account_devices op; /* first */
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
    json_put_u64_at(out, "list_seq", state->op.list_seq);
    json_out_key(out, "devices");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->op.count; i++) {
        const struct account_device *device = &state->op.devices[i];
        json_out_open(out, '{');
        json_put_id_at(out, "device_id", device->device.id);
        json_put_str_at(out, "name", device->name);
        json_put_time_at(out, "created_at", device->created_ms);
        json_put_time_at(out, "seen_at", device->seen_ms);
        json_put_bool_at(out, "signed_in", device->signed_in);
        json_put_bool_at(out, "current", kith_uuid_eq(device->device.id, state->op.who.device.id));
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
    json_out_close(out, '}');
    api_answer(state->request, 200);
}

void route_devices(struct api_request *request)
{
    struct list_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = listed};
    state->op.who = request->who;
    account_devices(request->api->config.accounts, &state->op);
}

struct remove_state {
    struct account_device_remove op; /* first */
    struct api_request *request;
};

static void removed(struct account_call *call)
{
    struct remove_state *state = (struct remove_state *)call;

    if (call->code == CODE_OK)
        api_answer_none(state->request);
    else
        api_problem_call(state->request, call);
}

void route_device_delete(struct api_request *request)
{
    struct remove_state *state = api_state(request, sizeof *state, NULL);

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = removed};
    state->op.who = request->who;
    state->op.device.id = request->ids[0];
    account_device_remove(request->api->config.accounts, &state->op);
}
