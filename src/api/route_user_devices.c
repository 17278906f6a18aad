#include <stdio.h>
#include <stdlib.h>

#include "account/keys.h"
#include "api/routes.h"

/* Lists of devices (docs/wire/keys.md): one person's, or those of several, which are looked up one after the other. */

static void put_devices(struct json_out *out, const struct account_user_devices *op)
{
    json_out_open(out, '{');
    json_put_id_at(out, "user_id", op->user.id);
    json_put_u64_at(out, "list_seq", op->list_seq);
    json_out_key(out, "devices");
    json_out_open(out, '[');
    for (size_t i = 0; i < op->count; i++) json_out_id(out, op->devices[i].id);
    json_out_close(out, ']');
    if (op->has_after) {
        json_out_key(out, "past");
        json_out_open(out, '[');
        for (size_t i = 0; i < op->past_count; i++) json_out_base64(out, op->past[i]);
        json_out_close(out, ']');
    }
    if (op->list_len > 0) {
        json_out_key(out, "list");
        json_out_base64(out, kith_slice_of(op->list, op->list_len));
    }
    json_out_close(out, '}');
}

/* ------------------------------------------------------------------------------------------------ one */

struct devices_state {
    struct account_user_devices op; /* first */
    struct api_request *request;
};

static void devices_release(void *arg)
{
    account_user_devices_free(&((struct devices_state *)arg)->op);
}

static void devices_known(struct account_call *call)
{
    struct devices_state *state = (struct devices_state *)call;

    if (call->code != CODE_OK) {
        api_problem_call(state->request, call);
        return;
    }
    put_devices(&state->request->out, &state->op);
    api_answer(state->request, 200);
}

void route_user_devices(struct api_request *request)
{
    struct devices_state *state = api_state(request, sizeof *state, devices_release);

    if (state == NULL) return;
    if (!query_u64(request, "after", false, 0, UINT64_MAX >> 1, &state->op.after, &state->op.has_after)) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = devices_known};
    state->op.who = request->who;
    state->op.user.id = request->ids[0];
    account_user_devices(request->api->config.accounts, &state->op);
}

/* ------------------------------------------------------------------------------------------------ several */

struct several_state {
    struct account_user_devices op; /* first; of users[at] */
    struct api_request *request;
    size_t count, at;
    struct {
        struct kith_uuid id;
        bool has_after, is_missing;
        uint64_t after;
    } users[API_LISTS_USERS_MAX];
};

static void several_release(void *arg)
{
    account_user_devices_free(&((struct several_state *)arg)->op);
}

/* The answers are an open array in `out`; from `at` on nobody was looked up. */
static void several_end(struct several_state *state)
{
    struct json_out *out = &state->request->out;

    json_out_close(out, ']');
    json_out_key(out, "missing");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->at; i++)
        if (state->users[i].is_missing) json_out_id(out, state->users[i].id);
    json_out_close(out, ']');
    json_out_key(out, "left");
    json_out_open(out, '[');
    for (size_t i = state->at; i < state->count; i++) json_out_id(out, state->users[i].id);
    json_out_close(out, ']');
    json_out_close(out, '}');
    api_answer(state->request, 200);
}

static void several_known(struct account_call *call);

static void several_next(struct several_state *state)
{
    struct api_request *request = state->request;
    struct account_user_devices *op = &state->op;

    op->call = (struct account_call){.loop = request->api->config.loop, .done = several_known};
    op->who = request->who;
    op->user.id = state->users[state->at].id;
    op->has_after = state->users[state->at].has_after;
    op->after = state->users[state->at].after;
    account_user_devices(request->api->config.accounts, op);
}

static void several_known(struct account_call *call)
{
    struct several_state *state = (struct several_state *)call;
    struct json_out *out = &state->request->out;

    if (call->code == CODE_TOO_MANY && state->at > 0) {
        several_end(state);
        return;
    }
    if (call->code != CODE_OK && call->code != CODE_NOT_FOUND) {
        api_problem_call(state->request, call);
        return;
    }
    if (call->code == CODE_OK)
        put_devices(out, &state->op);
    else
        state->users[state->at].is_missing = true;
    state->at++;
    if (state->at < state->count && kith_buf_len(&out->buf) < API_LISTS_BYTES_MAX && state->request->exchange != NULL)
        several_next(state);
    else
        several_end(state);
}

static bool user_take(struct several_state *state, json_t *users, size_t i)
{
    struct api_problem problem = {.code = CODE_BAD_REQUEST, .detail = "Each must be an object."};
    struct api_fields fields;
    char prefix[32];

    (void)snprintf(prefix, sizeof prefix, "/users/%zu", i);
    problem.pointer = prefix;
    if (!json_is_object(json_array_get(users, i))) {
        api_problem(state->request, &problem);
        return false;
    }
    fields_begin_at(&fields, state->request, json_array_get(users, i), prefix);
    (void)fields_uuid(&fields, "user_id", true, &state->users[i].id);
    state->users[i].has_after = fields_u64(&fields, "after", false, 0, UINT64_MAX >> 1, &state->users[i].after);
    return fields_end(&fields);
}

void route_users_devices(struct api_request *request)
{
    struct several_state *state = api_state(request, sizeof *state, several_release);
    struct api_fields fields;
    json_t *users = NULL;

    if (state == NULL) return;
    state->request = request;
    fields_begin(&fields, request);
    if (fields_array(&fields, "users", true, API_LISTS_USERS_MAX, &users) && json_array_size(users) == 0)
        fields_wrong(&fields, "users", "The array is empty.");
    if (!fields_end(&fields)) return;
    state->count = json_array_size(users);
    for (size_t i = 0; i < state->count; i++)
        if (!user_take(state, users, i)) return;
    json_out_open(&request->out, '{');
    json_out_key(&request->out, "users");
    json_out_open(&request->out, '[');
    several_next(state);
}
