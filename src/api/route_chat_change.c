#include <stdlib.h>

#include "account/join.h"
#include "api/routes.h"

struct change_state {
    struct api_request *request;
    enum cmd_verb verb;
    uint32_t flags;
    uint64_t value;
    struct msg_id id;
    struct api_signed_op op;
    char name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
};

static void release(void *arg)
{
    api_signed_op_free(&((struct change_state *)arg)->op);
}

static struct change_state *change_state(struct api_request *request, enum cmd_verb verb)
{
    struct change_state *state = api_state(request, sizeof *state, release);

    if (state == NULL) return NULL;
    state->request = request;
    state->verb = verb;
    if (!header_idempotency_id(request, &state->id)) return NULL;
    return state;
}

static void change_allowed(struct api_request *request)
{
    struct change_state *state = request->state;
    struct cmd cmd = {
        .verb = state->verb,
        .flags = state->flags,
        .stream = request->chat.id,
        .id = state->id,
        .value = state->value,
        .name = kith_slice_str(state->name),
        .seq = state->op.group_seq,
        .body = state->op.signed_op,
    };

    api_ask_signed(request, &state->op, &cmd, api_answer_seq);
}

/* ------------------------------------------------------------------------------------------------ PATCH /chats/{id} */

/* null takes the name away; an absent field leaves it (RFC 7396). */
static void name_take(struct api_fields *fields, struct change_state *state)
{
    json_t *value = json_object_get(fields->object, "name");

    if (value != NULL) state->flags |= CMD_HAS_NAME;
    (void)fields_display_name(fields, "name", false, state->name, sizeof state->name);
}

/* null: no link holds any more. Whether it is there at all is what counts, as for the name. */
static void join_key_take(struct api_fields *fields, struct change_state *state)
{
    uint8_t *key = NULL;
    size_t len = 0;

    if (fields_base64(fields, "join_key", false, E2E_SIGN_PUBLIC_BYTES, &key, &len)) {
        if (len == E2E_SIGN_PUBLIC_BYTES) state->value = account_join_tag(key);
        if (state->value == 0) fields_wrong(fields, "join_key", "This is no key of a link.");
    }
    free(key);
    if (json_object_get(fields->object, "join_key") == NULL) return;
    if (state->flags != 0) fields_wrong(fields, "join_key", "A link is changed by itself.");
    if (state->op.group_seq == 0) fields_wrong(fields, "join_key", "A link is changed by an operation.");
    state->flags |= CMD_HAS_JOIN_KEY;
}

void route_chat_update(struct api_request *request)
{
    struct change_state *state = change_state(request, CMD_CHAT_UPDATE);
    struct api_fields fields;
    bool open = false;

    if (state == NULL) return;
    fields_begin(&fields, request);
    name_take(&fields, state);
    if (fields_bool(&fields, "history_open", &open))
        state->flags |= open ? CMD_HAS_HISTORY | CMD_HISTORY_OPEN : CMD_HAS_HISTORY;
    fields_signed_op(&fields, &state->op);
    join_key_take(&fields, state);
    if (state->flags == 0 && state->op.group_seq == 0) fields_wrong(&fields, "", "Nothing is to be changed.");
    if (fields_end(&fields)) api_with_member(request, (struct chat_id){request->ids[0]}, change_allowed);
}

/* ------------------------------------------------------------------------------------------------ leave, accept */

void route_chat_leave(struct api_request *request)
{
    struct change_state *state = change_state(request, CMD_MEMBER_LEAVE);
    struct api_fields fields;

    if (state == NULL) return;
    fields_begin(&fields, request);
    fields_signed_op(&fields, &state->op);
    if (fields_end(&fields)) api_with_member(request, (struct chat_id){request->ids[0]}, change_allowed);
}

static void accepted(struct api_request *request, const struct chat_answer *answer)
{
    if (answer->code != CODE_OK) {
        api_problem_core(request, answer);
        return;
    }
    json_out_open(&request->out, '{');
    json_put_bool_at(&request->out, "accepted", true);
    json_out_close(&request->out, '}');
    api_answer(request, 200);
}

static void accept_allowed(struct api_request *request)
{
    struct cmd cmd = {.verb = CMD_ACCEPT, .stream = request->chat.id};

    api_ask(request, &cmd, accepted);
}

void route_chat_accept(struct api_request *request)
{
    struct api_fields fields;

    fields_begin(&fields, request);
    if (fields_end(&fields)) api_with_member(request, (struct chat_id){request->ids[0]}, accept_allowed);
}
