#include "api/routes.h"

/*
 * GET /chats and GET /chats/{chat_id}. A chat is read in four steps: the own member row, the head, the device's cursor,
 * the members. What happened after somebody left is not for them: no members, no name, and the head is their last event.
 */
#define PAGE_DEFAULT   50
#define PAGE_BYTES_MAX (4 * 1024 * 1024)
#define MEMBERS_PAGE   1000

struct chats_state {
    struct api_request *request;
    bool is_list;
    uint64_t limit;
    size_t count, at;
    bool more;
    struct chat_id chats[KITH_PAGE_MAX];
    struct row_chat head;
    char name[KITH_DISPLAY_NAME_BYTES_MAX];
    uint64_t cursor;
    struct msgstore_scan scan;
    struct row_key from;
};

static void release(void *arg)
{
    struct chats_state *state = arg;

    kith_buf_deinit(&state->scan.rows);
}

static void chat_next(struct chats_state *state);
static void members_scan(struct chats_state *state);

/* ------------------------------------------------------------------------------------------------ members */

static bool is_receipts_off(const struct row_member *member)
{
    return (member->flags & MEMBER_RECEIPTS_OFF) != 0;
}

static void put_member(const struct chats_state *state, struct user_id user, const struct row_member *row)
{
    const struct api_request *request = state->request;
    struct json_out *out = &state->request->out;
    bool is_own = kith_uuid_eq(user.id, api_me(request).id);
    /* Switched off means off for both directions (I-R3). */
    bool hidden = !is_own && (is_receipts_off(row) || is_receipts_off(&request->member));

    json_out_open(out, '{');
    json_put_id_at(out, "user_id", user.id);
    json_put_str_at(out, "role", row_role_name(row->role));
    json_put_u64_at(out, "delivered_up_to", row->delivered_up_to);
    json_out_key(out, "read_up_to");
    if (hidden)
        json_out_null(out);
    else
        json_out_u64(out, row->read_up_to);
    if (row->flags & MEMBER_GONE) json_put_bool_at(out, "gone", true);
    json_out_close(out, '}');
}

static void chat_done(struct chats_state *state)
{
    struct json_out *out = &state->request->out;

    json_out_close(out, ']');
    json_out_close(out, '}');
    chat_next(state);
}

static void members_scanned(struct msgstore_scan *op)
{
    struct chats_state *state = (struct chats_state *)((char *)op - offsetof(struct chats_state, scan));
    struct kith_slice rows = kith_buf_peek(&op->rows), key, value;
    struct row_member row;
    struct user_id user;
    bool is_put;

    if (op->err != KITH_OK) {
        api_problem_code(state->request, CODE_UNAVAILABLE);
        return;
    }
    while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        memcpy(state->from.bytes, key.ptr, key.len);
        if (row_key_tail_id(key, &user.id) == KITH_OK && row_member_decode(value, &row) == KITH_OK &&
            api_member_is_in(&row))
            put_member(state, user, &row);
    }
    if (op->more)
        members_scan(state);
    else
        chat_done(state);
}

static void scan(struct chats_state *state, uint32_t rows_max, void (*done)(struct msgstore_scan *op))
{
    const struct api_config *config = &state->request->api->config;

    kith_buf_reset(&state->scan.rows);
    state->scan.loop = config->loop;
    state->scan.prefix = row_key_prefix(&state->from, ROW_PREFIX_STREAM);
    state->scan.from = kith_slice_of(state->from.bytes, state->from.len);
    state->scan.rows_max = rows_max;
    state->scan.done = done;
    msgstore_scan(config->store, &state->scan);
}

/* The key in state->from ends in a zero byte: it is the key right after the one before it. */
static void members_scan(struct chats_state *state)
{
    scan(state, MEMBERS_PAGE, members_scanned);
}

/* ------------------------------------------------------------------------------------------------ one chat */

static void put_chat(struct chats_state *state)
{
    struct api_request *request = state->request;
    const struct row_member *own = &request->member;
    const struct row_chat *head = &state->head;
    struct json_out *out = &request->out;
    bool is_in = api_member_is_in(own);
    uint64_t last = row_member_last_visible(own);

    json_out_open(out, '{');
    json_put_id_at(out, "chat_id", request->chat.id);
    json_put_str_at(out, "type", head->type == CHAT_GROUP ? "group" : "direct");
    json_out_key(out, "name");
    if (is_in && head->name.len > 0)
        json_out_text(out, head->name);
    else
        json_out_null(out);
    json_put_bool_at(out, "encrypted", head->encrypted != 0);
    json_put_bool_at(out, "history_open", head->history_open != 0);
    json_put_bool_at(out, "accepted", (own->flags & MEMBER_ACCEPTED) != 0);
    json_put_time_at(out, "created_at", head->created_ms);
    json_put_u64_at(out, "first_seq", row_member_first_visible(own, head->history_open != 0));
    json_put_u64_at(out, "last_seq", head->last_seq < last ? head->last_seq : last);
    if (is_in && head->group_seq != 0) json_put_u64_at(out, "group_seq", head->group_seq);
    if (!is_in) json_put_u64_at(out, "left_seq", last);
    json_put_u64_at(out, "delivered_up_to", state->cursor);
    json_put_u64_at(out, "read_up_to", own->read_up_to);
    json_out_key(out, "members");
    json_out_open(out, '[');
    if (!is_in) {
        chat_done(state);
        return;
    }
    state->from = row_key_member(request->chat, (struct user_id){0});
    state->from.bytes[state->from.len++] = 0;
    members_scan(state);
}

static void device_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct chats_state *state = request->state;
    struct row_device row = {0};

    if (err == KITH_OK && row_device_decode(value, &row) != KITH_OK) {
        api_problem_code(request, CODE_INTERNAL);
        return;
    }
    state->cursor = row.has_cursor ? row.cursor : 0;
    put_chat(state);
}

static void head_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct chats_state *state = request->state;
    struct row_key key = row_key_device(request->chat, request->who.device);

    if (err != KITH_OK || row_chat_decode(value, &state->head) != KITH_OK ||
        state->head.name.len > sizeof state->name) {
        api_problem_code(request, CODE_INTERNAL);
        return;
    }
    if (state->head.name.len > 0) memcpy(state->name, state->head.name.ptr, state->head.name.len);
    state->head.name.ptr = (const uint8_t *)state->name;
    api_get(request, &key, device_got);
}

static void chat_allowed(struct api_request *request)
{
    struct row_key key = row_key_chat(request->chat);

    api_get(request, &key, head_got);
}

static void chat_next(struct chats_state *state)
{
    struct api_request *request = state->request;
    struct json_out *out = &request->out;

    if (state->at < state->count && (state->at == 0 || kith_buf_len(&out->buf) < PAGE_BYTES_MAX)) {
        api_with_member(request, state->chats[state->at++], chat_allowed);
        return;
    }
    if (state->is_list) {
        json_out_close(out, ']');
        if (state->more || state->at < state->count) json_put_id_at(out, "next", state->chats[state->at - 1].id);
        json_out_close(out, '}');
    }
    api_answer(request, 200);
}

void route_chat_show(struct api_request *request)
{
    struct chats_state *state = api_state(request, sizeof *state, release);

    if (state == NULL) return;
    state->request = request;
    kith_buf_init(&state->scan.rows, 1024 * 1024);
    state->chats[0].id = request->ids[0];
    state->count = 1;
    chat_next(state);
}

/* ------------------------------------------------------------------------------------------------ the list */

static void chats_scanned(struct msgstore_scan *op)
{
    struct chats_state *state = (struct chats_state *)((char *)op - offsetof(struct chats_state, scan));
    struct kith_slice rows = kith_buf_peek(&op->rows), key, value;
    struct json_out *out = &state->request->out;
    bool is_put;

    if (op->err != KITH_OK) {
        api_problem_code(state->request, CODE_UNAVAILABLE);
        return;
    }
    state->more = op->more;
    while (state->count < state->limit && msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK)
        if (row_key_tail_id(key, &state->chats[state->count].id) == KITH_OK) state->count++;
    json_out_open(out, '{');
    json_out_key(out, "chats");
    json_out_open(out, '[');
    chat_next(state);
}

void route_chats(struct api_request *request)
{
    struct chats_state *state = api_state(request, sizeof *state, release);
    struct chat_id after = {0};
    bool found = false, has_after = false;

    if (state == NULL) return;
    state->request = request;
    state->is_list = true;
    state->limit = PAGE_DEFAULT;
    if (!query_uuid(request, "after", false, &after.id, &has_after) ||
        !query_u64(request, "limit", false, 1, KITH_PAGE_MAX, &state->limit, &found))
        return;
    kith_buf_init(&state->scan.rows, 1024 * 1024);
    state->from = row_key_inbox(api_me(request), after);
    if (has_after) state->from.bytes[state->from.len++] = 0;
    scan(state, (uint32_t)state->limit, chats_scanned);
}
