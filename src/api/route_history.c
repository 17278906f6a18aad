#include <stdlib.h>

#include "api/routes.h"
#include "wire/utf8.h"

/*
 * GET /messages: a page of a chat's history, as this person and device may see it. What a seq in the page's range stands
 * for, but cannot be shown, is named in `gaps`: so whoever pages through knows that nothing was forgotten.
 */
#define PAGE_DEFAULT   50
#define PAGE_BYTES_MAX (8 * 1024 * 1024)
#define GAPS_MAX       (2 * KITH_PAGE_MAX + 2 * ROW_INTERVALS_MAX + 2)

struct item {
    uint64_t seq;
    struct row_message message;
    uint8_t *own; /* this device's body, NULL: none */
    size_t own_len;
    bool is_shown;
};

struct gap {
    uint64_t from, to;
    const char *reason;
};

struct history_state {
    struct api_request *request;
    uint64_t after, before, limit;
    bool has_after, has_before;
    bool encrypted, history_open;
    uint64_t first, last; /* what the person may see of the chat */
    uint64_t low, high;   /* what the page speaks of; low > high: nothing */
    struct msgstore_scan scan;
    struct row_key from, prefix;
    bool more;
    size_t count, at, bytes;
    struct item items[KITH_PAGE_MAX]; /* in the order of the scan */
    size_t gap_count;
    struct gap gaps[GAPS_MAX];
};

static void release(void *arg)
{
    struct history_state *state = arg;

    for (size_t i = 0; i < state->count; i++) free(state->items[i].own);
    kith_buf_deinit(&state->scan.rows);
}

/* ------------------------------------------------------------------------------------------------ gaps */

static void gap_put(struct history_state *state, uint64_t from, uint64_t to, const char *reason)
{
    struct gap *last = state->gap_count == 0 ? NULL : &state->gaps[state->gap_count - 1];

    if (last != NULL && last->to + 1 == from && last->reason == reason) {
        last->to = to;
        return;
    }
    assert(state->gap_count < GAPS_MAX);
    state->gaps[state->gap_count++] = (struct gap){from, to, reason};
}

static const char reason_expired[] = "expired", reason_not_member[] = "not_member", reason_hidden[] = "hidden";

/* Rows that are not there: outside the person's time in the chat, or gone by their time to live. */
static void gap_rows(struct history_state *state, uint64_t from, uint64_t to)
{
    const struct row_member *member = &state->request->member;

    while (from <= to) {
        bool sees = row_member_sees(member, state->history_open, from);
        uint64_t end = to;
        for (unsigned i = 0; i < member->interval_count; i++) {
            const struct row_interval *interval = &member->intervals[i];
            if (interval->from > from && interval->from - 1 < end) end = interval->from - 1;
            if (sees && interval->from <= from && interval->to >= from && interval->to < end) end = interval->to;
        }
        gap_put(state, from, end, sees ? reason_expired : reason_not_member);
        from = end + 1;
    }
}

/* ------------------------------------------------------------------------------------------------ answer */

static void put_content(const struct history_state *state, const struct item *item, struct json_out *out)
{
    const struct row_message *message = &item->message;
    bool per_device = (message->flags & MESSAGE_PER_DEVICE) != 0;
    struct kith_slice body = per_device ? kith_slice_of(item->own, item->own_len) : message->body;

    (void)state;
    if ((message->flags & MESSAGE_FREED) != 0) {
        json_put_bool_at(out, "deleted", true);
        return;
    }
    if (per_device && item->own == NULL) return;
    if (message->flags & MESSAGE_ENCRYPTED) {
        json_out_key(out, "content");
        json_out_base64(out, body);
    } else if (utf8_is_valid(body)) {
        json_put_text_at(out, "content", body);
    } else {
        json_put_str_at(out, "content_encoding", "base64");
        json_out_key(out, "content");
        json_out_base64(out, body);
    }
}

static void put_id_or_null(struct json_out *out, const char *name, struct kith_uuid id)
{
    json_out_key(out, name);
    if (kith_uuid_is_nil(id))
        json_out_null(out);
    else
        json_out_id(out, id);
}

static void put_message(const struct history_state *state, const struct item *item, struct json_out *out)
{
    const struct row_message *message = &item->message;

    json_out_open(out, '{');
    put_id_or_null(out, "msg_id", message->id.id);
    json_put_id_at(out, "chat_id", state->request->chat.id);
    json_put_u64_at(out, "seq", item->seq);
    json_put_u64_at(out, "epoch", message->epoch);
    json_put_str_at(out, "type", row_message_type_name(message->type));
    put_id_or_null(out, "sender_id", message->sender.id);
    put_id_or_null(out, "sender_device_id", message->device.id);
    json_put_text_at(out, "content_type", message->content_type);
    put_content(state, item, out);
    json_put_time_at(out, "created_at", message->created_ms);
    json_put_bool_at(out, "encrypted", (message->flags & MESSAGE_ENCRYPTED) != 0);
    if (!kith_uuid_is_nil(message->parent.id)) json_put_id_at(out, "parent_id", message->parent.id);
    if (message->expires_ms != 0) json_put_time_at(out, "expires_at", message->expires_ms);
    json_out_close(out, '}');
}

static void put_gaps(const struct history_state *state, struct json_out *out)
{
    json_out_key(out, "gaps");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->gap_count; i++) {
        json_out_open(out, '{');
        json_put_u64_at(out, "from", state->gaps[i].from);
        json_put_u64_at(out, "to", state->gaps[i].to);
        json_put_str_at(out, "reason", state->gaps[i].reason);
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
}

static void answer(struct history_state *state)
{
    struct api_request *request = state->request;
    struct json_out *out = &request->out;
    uint64_t expected = state->low;

    json_out_open(out, '{');
    json_out_key(out, "messages");
    json_out_open(out, '[');
    for (size_t i = 0; i < state->count; i++) {
        const struct item *item = &state->items[state->has_after ? i : state->count - 1 - i];
        bool member = row_member_sees(&request->member, state->history_open, item->seq);
        if (item->seq > expected) gap_rows(state, expected, item->seq - 1);
        expected = item->seq + 1;
        if (item->is_shown)
            put_message(state, item, out);
        else if (!member)
            gap_put(state, item->seq, item->seq, reason_not_member);
        else
            gap_put(state, item->seq, item->seq, item->message.expires_ms != 0 ? reason_expired : reason_hidden);
    }
    json_out_close(out, ']');
    if (expected <= state->high) gap_rows(state, expected, state->high);
    put_gaps(state, out);
    json_put_u64_at(out, "first_seq", state->first);
    json_put_u64_at(out, "last_seq", state->last);
    json_put_bool_at(out, "more", state->more);
    json_out_close(out, '}');
    api_answer(request, 200);
}

/* ------------------------------------------------------------------------------------------------ bodies of one's own */

/* The page ends where its bytes do: what is left of it is asked for next. */
static void cut(struct history_state *state, size_t count)
{
    uint64_t last = state->items[count - 1].seq;

    for (size_t i = count; i < state->count; i++) free(state->items[i].own);
    state->count = count;
    state->more = true;
    if (state->has_after)
        state->high = last;
    else
        state->low = last;
}

static void bodies(struct history_state *state);

static void body_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct history_state *state = request->state;
    struct item *item = &state->items[state->at];

    if (err == KITH_OK && value.len >= 8) {
        item->own_len = value.len - 8;
        item->own = malloc(item->own_len + 1);
        if (item->own == NULL) {
            api_problem_code(request, CODE_UNAVAILABLE);
            return;
        }
        memcpy(item->own, value.ptr + 8, item->own_len);
        state->bytes += item->own_len;
    }
    state->at++;
    bodies(state);
}

static void bodies(struct history_state *state)
{
    struct api_request *request = state->request;

    for (; state->at < state->count; state->at++) {
        const struct item *item = &state->items[state->at];
        struct device_id body_of;
        struct row_key key;
        if (state->bytes > PAGE_BYTES_MAX && state->at > 0) {
            cut(state, state->at);
            break;
        }
        if (!item->is_shown || (item->message.flags & MESSAGE_PER_DEVICE) == 0) continue;
        if (!row_message_body_of(&item->message, request->who.device, &body_of)) continue;
        key = row_key_body(request->chat, item->seq, body_of);
        api_get(request, &key, body_got);
        return;
    }
    answer(state);
}

/* ------------------------------------------------------------------------------------------------ the page */

static bool is_shown(const struct history_state *state, const struct item *item)
{
    const struct row_message *message = &item->message;
    uint64_t now_ms = loop_wall_ms(state->request->api->config.loop);

    if (!row_member_sees(&state->request->member, state->history_open, item->seq)) return false;
    if (message->expires_ms != 0 && message->expires_ms <= now_ms) return false;
    return (message->flags & MESSAGE_UNSEEN) == 0 || kith_uuid_eq(message->sender.id, api_me(state->request).id);
}

static void scanned(struct msgstore_scan *op)
{
    struct history_state *state = (struct history_state *)((char *)op - offsetof(struct history_state, scan));
    struct api_request *request = state->request;
    struct kith_slice rows = kith_buf_peek(&op->rows), key, value;
    bool is_put;

    if (op->err != KITH_OK) {
        api_problem_code(request, op->err == KITH_E_DAMAGED ? CODE_INTERNAL : CODE_UNAVAILABLE);
        return;
    }
    state->more = op->more;
    while (state->count < state->limit && msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        struct item *item = &state->items[state->count];
        *item = (struct item){0};
        if (row_key_tail_seq(key, &item->seq) != KITH_OK || row_message_decode(value, &item->message) != KITH_OK) {
            api_problem_code(request, CODE_INTERNAL); /* damage is told, not passed over (I-D5) */
            return;
        }
        if (item->seq > state->high || item->seq < state->low) {
            state->more = false; /* beyond what this person may see */
            break;
        }
        item->is_shown = is_shown(state, item);
        state->count++;
    }
    if (state->count > 0) {
        uint64_t seq = state->items[state->count - 1].seq;
        state->more = state->more && (state->has_after ? seq < state->high : seq > state->low);
        if (state->more) cut(state, state->count);
    }
    bodies(state);
}

static void page(struct history_state *state)
{
    struct api_request *request = state->request;

    if (state->has_after) {
        state->low = state->after + 1 > state->first ? state->after + 1 : state->first;
        state->high = state->last;
    } else {
        state->low = state->first;
        state->high = state->has_before && state->before <= state->last ? state->before - 1 : state->last;
    }
    if (state->low > state->high || (state->has_before && state->before == 0)) {
        state->low = 1;
        state->high = 0;
        answer(state);
        return;
    }
    state->from = row_key_message(request->chat, state->has_after ? state->low : state->high);
    state->prefix = state->from;
    kith_buf_init(&state->scan.rows, PAGE_BYTES_MAX);
    state->scan.loop = request->api->config.loop;
    state->scan.from = row_key_slice(&state->from);
    state->scan.prefix = row_key_prefix(&state->prefix, ROW_PREFIX_STREAM);
    state->scan.reverse = !state->has_after;
    state->scan.rows_max = (uint32_t)state->limit;
    state->scan.done = scanned;
    msgstore_scan(request->api->config.store, &state->scan);
}

static void head_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct history_state *state = request->state;
    uint64_t last = row_member_last_visible(&request->member);
    struct row_chat head;

    if (err != KITH_OK || row_chat_decode(value, &head) != KITH_OK) {
        api_problem_code(request, CODE_INTERNAL);
        return;
    }
    state->encrypted = head.encrypted != 0;
    state->history_open = head.history_open != 0;
    state->first = row_member_first_visible(&request->member, state->history_open);
    state->last = head.last_seq < last ? head.last_seq : last;
    page(state);
}

static void history_allowed(struct api_request *request)
{
    const struct api_problem both = {
        .code = CODE_BAD_REQUEST, .parameter = "before", .detail = "Either after or before, not both."};
    const struct history_state *state = request->state;
    struct row_key key = row_key_chat(request->chat);

    if (state->has_after && state->has_before)
        api_problem(request, &both);
    else
        api_get(request, &key, head_got);
}

void route_history(struct api_request *request)
{
    struct history_state *state = api_state(request, sizeof *state, release);
    struct chat_id chat = {0};
    bool found = false;

    if (state == NULL) return;
    state->request = request;
    state->limit = PAGE_DEFAULT;
    if (query_uuid(request, "chat_id", true, &chat.id, &found) &&
        query_u64(request, "after", false, 0, API_SEQ_MAX, &state->after, &state->has_after) &&
        query_u64(request, "before", false, 0, API_SEQ_MAX, &state->before, &state->has_before) &&
        query_u64(request, "limit", false, 1, KITH_PAGE_MAX, &state->limit, &found))
        api_with_member(request, chat, history_allowed);
}
