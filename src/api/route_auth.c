#include <sodium.h>

#include "api/routes.h"

struct login_state {
    struct account_login op; /* first */
    struct api_request *request;
};

static void logged_in(struct account_call *call)
{
    static const char full[] = "As many devices are signed in as an account may have: remove one.";
    struct login_state *state = (struct login_state *)call;
    const struct api_problem too_many_devices = {.code = CODE_FORBIDDEN, .detail = full};

    if (call->code == CODE_OK)
        api_answer_tokens(state->request, 200, &state->op.tokens, NULL);
    else if (call->code == CODE_FORBIDDEN)
        api_problem(state->request, &too_many_devices);
    else
        api_problem_call(state->request, call);
}

void route_login(struct api_request *request)
{
    struct login_state *state = api_state(request, sizeof *state, NULL);
    struct account_login *op;
    struct api_fields fields;

    if (state == NULL) return;
    op = &state->op;
    state->request = request;
    op->call = (struct account_call){.loop = request->api->config.loop, .done = logged_in};
    memcpy(op->address, request->peer, sizeof op->address);
    fields_begin(&fields, request);
    (void)fields_copy(&fields, "name", true, 1, op->name, sizeof op->name);
    (void)fields_password(&fields, "password", true, false, &op->password);
    (void)fields_display_name(&fields, "device_name", true, op->device_name, sizeof op->device_name);
    op->has_device = fields_uuid(&fields, "device_id", false, &op->device.id);
    if (fields_end(&fields)) account_login(request->api->config.accounts, op);
}

/* ------------------------------------------------------------------------------------------------ tokens */

struct refresh_state {
    struct account_refresh op; /* first */
    struct api_request *request;
};

static void refreshed(struct account_call *call)
{
    struct refresh_state *state = (struct refresh_state *)call;

    if (call->code == CODE_OK)
        api_answer_tokens(state->request, 200, &state->op.tokens, NULL);
    else
        api_problem_call(state->request, call);
}

/* A text that is too long for a token is none of ours: no error of form, but a token that nobody has. */
static void take_token(struct api_fields *fields, bool required, char out[static ACCOUNT_TOKEN_TEXT_MAX], bool *found)
{
    struct kith_slice text = {0};

    out[0] = '\0';
    *found = fields_text(fields, "refresh_token", required, 0, API_BODY_BYTES_MAX, &text);
    if (!*found) return;
    if (text.len < ACCOUNT_TOKEN_TEXT_MAX && memchr(text.ptr, 0, text.len) == NULL) {
        memcpy(out, text.ptr, text.len);
        out[text.len] = '\0';
    }
    sodium_memzero((void *)(uintptr_t)text.ptr, text.len);
}

void route_refresh(struct api_request *request)
{
    struct refresh_state *state = api_state(request, sizeof *state, NULL);
    struct api_fields fields;
    bool found = false;

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = refreshed};
    fields_begin(&fields, request);
    take_token(&fields, true, state->op.refresh_token, &found);
    if (fields_end(&fields)) account_refresh(request->api->config.accounts, &state->op);
}

struct logout_state {
    struct account_logout op; /* first */
    struct api_request *request;
};

static void logged_out(struct account_call *call)
{
    struct logout_state *state = (struct logout_state *)call;

    if (call->code == CODE_OK)
        api_answer_none(state->request);
    else
        api_problem_call(state->request, call);
}

void route_logout(struct api_request *request)
{
    struct logout_state *state = api_state(request, sizeof *state, NULL);
    bool has_token = !kith_uuid_is_nil(request->who.user.id), found = false;
    struct api_fields fields;

    if (state == NULL) return;
    state->request = request;
    state->op.call = (struct account_call){.loop = request->api->config.loop, .done = logged_out};
    fields_begin(&fields, request);
    take_token(&fields, false, state->op.refresh_token, &found);
    if (!fields_end(&fields)) return;
    if (!found && !has_token) {
        api_problem_code(request, CODE_UNAUTHORIZED);
        return;
    }
    state->op.by_identity = !found;
    state->op.who = request->who;
    account_logout(request->api->config.accounts, &state->op);
}
