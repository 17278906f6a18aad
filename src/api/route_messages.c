#include "api/message_state.h"

/* ------------------------------------------------------------------------------------------------ POST /messages */

static void sent(struct api_request *request, const struct chat_answer *answer)
{
    const struct api_problem past = {
        .code = CODE_BAD_REQUEST, .pointer = "/expires_at", .detail = "That time is past."};
    struct message_state *state = request->state;
    struct json_out *out = &request->out;

    if (answer->code == CODE_STALE_DEVICES) {
        message_answer_stale(state);
        return;
    }
    if (answer->code == CODE_BAD_REQUEST && state->cmd.expires_ms != 0) {
        api_problem(request, &past);
        return;
    }
    if (answer->code != CODE_CREATED && answer->code != CODE_OK) {
        api_problem_core(request, answer);
        return;
    }
    json_out_open(out, '{');
    json_put_id_at(out, "msg_id", state->cmd.id.id);
    json_put_u64_at(out, "seq", answer->seq);
    json_put_u64_at(out, "epoch", answer->epoch);
    json_put_time_at(out, "created_at", answer->created_ms);
    json_out_close(out, '}');
    api_answer(request, answer->code == CODE_CREATED ? 201 : 200);
}

static void head_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    const struct api_problem other = {
        .code = CODE_BAD_REQUEST, .pointer = "/encrypted", .detail = "The chat is not of that kind."};
    struct message_state *state = request->state;
    struct row_chat head;

    if (err != KITH_OK || row_chat_decode(value, &head) != KITH_OK) {
        api_problem_code(request, CODE_INTERNAL); /* there are members, so there is a chat */
        return;
    }
    if (state->has_encrypted && state->encrypted != (head.encrypted != 0)) {
        api_problem(request, &other);
        return;
    }
    if (message_body_take(state, head.encrypted != 0)) api_ask(request, &state->cmd, sent);
}

static void send_allowed(struct api_request *request)
{
    struct row_key key = row_key_chat(request->chat);

    api_get(request, &key, head_got);
}

void route_message_send(struct api_request *request)
{
    struct message_state *state = api_state(request, sizeof *state, message_state_release);

    if (state == NULL) return;
    state->request = request;
    state->cmd.verb = CMD_SEND;
    kith_buf_init(&state->encoded, KITH_MESSAGE_BYTES_MAX * 2);
    if (message_fields_take(state)) api_with_member(request, (struct chat_id){state->cmd.stream}, send_allowed);
}

/* ------------------------------------------------------------------------------------------------ DELETE /messages */

struct delete_state {
    struct msg_id id;
    uint64_t seq;
};

static void delete_allowed(struct api_request *request)
{
    const struct delete_state *state = request->state;
    struct cmd cmd = {.verb = CMD_DELETE, .stream = request->chat.id, .id = state->id, .seq = state->seq};

    api_ask(request, &cmd, api_answer_seq);
}

void route_message_delete(struct api_request *request)
{
    struct delete_state *state = api_state(request, sizeof *state, NULL);
    struct chat_id chat = {0};
    bool found = false;

    if (state == NULL || !query_uuid(request, "chat_id", true, &chat.id, &found) ||
        !query_u64(request, "seq", true, 1, API_SEQ_MAX, &state->seq, &found) ||
        !header_idempotency_id(request, &state->id))
        return;
    api_with_member(request, chat, delete_allowed);
}

/* ------------------------------------------------------------------------------------------------ status
 * ABSENT must stay true: what is still on its way through the log may come out as present. So when the key is not there,
 * a command that changes nothing is sent through the same chat, and the key is looked for again behind it (I-E4).
 */
struct status_state {
    struct msg_id id;
    bool behind;
};

static void answer_status(struct api_request *request, const char *name, const struct row_idempotency *row)
{
    struct json_out *out = &request->out;

    json_out_open(out, '{');
    json_put_str_at(out, "state", name);
    if (row != NULL) {
        json_put_u64_at(out, "seq", row->seq);
        json_put_u64_at(out, "epoch", row->epoch);
        json_put_time_at(out, "created_at", row->created_ms);
    }
    json_out_close(out, '}');
    api_answer(request, 200);
}

static void status_key(struct api_request *request);

static void status_asked(struct api_request *request, const struct chat_answer *answer)
{
    struct status_state *state = request->state;

    if (answer->code != CODE_OK) {
        api_problem_core(request, answer);
        return;
    }
    state->behind = true;
    status_key(request);
}

static void status_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct status_state *state = request->state;
    uint64_t now_ms = loop_wall_ms(request->api->config.loop);
    struct cmd cmd = {.verb = CMD_READ, .stream = request->chat.id};
    struct row_idempotency row;

    if (err == KITH_OK && row_idempotency_decode(value, &row) != KITH_OK) {
        api_problem_code(request, CODE_INTERNAL);
    } else if (err == KITH_OK && (row.expires_ms == 0 || row.expires_ms > now_ms)) {
        answer_status(request, "PRESENT", &row);
    } else if (kith_uuid_v7_ms(state->id.id) + KITH_ID_AGE_MS_MAX < now_ms) {
        answer_status(request, "UNKNOWN", NULL); /* older than keys are kept for certain */
    } else if (state->behind) {
        answer_status(request, "ABSENT", NULL);
    } else {
        api_ask(request, &cmd, status_asked);
    }
}

static void status_key(struct api_request *request)
{
    const struct status_state *state = request->state;
    struct row_key key = row_key_key(request->chat.id, api_me(request), state->id);

    api_get(request, &key, status_got);
}

static void status_allowed(struct api_request *request)
{
    const struct status_state *state = request->state;

    if (kith_uuid_is_nil(state->id.id))
        api_problem_code(request, CODE_NOT_FOUND); /* not even an id */
    else if (kith_uuid_is_version(state->id.id, 7))
        status_key(request);
    else
        api_problem_core(request, &(struct chat_answer){.code = CODE_BAD_ID});
}

void route_message_status(struct api_request *request)
{
    struct status_state *state = api_state(request, sizeof *state, NULL);
    struct chat_id chat = {0};
    bool found = false;

    if (state == NULL || !query_uuid(request, "chat_id", true, &chat.id, &found)) return;
    state->id.id = request->ids[0];
    api_with_member(request, chat, status_allowed);
}
