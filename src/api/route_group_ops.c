#include <stdlib.h>

#include "api/routes.h"

/*
 * GET /chats/{chat_id}/operations: a group's signed operations in their order, from the first on, whoever was a member then:
 * who comes later can only know what the group is from all of them. Who left sees those up to their leaving.
 */
#define PAGE_DEFAULT   50
#define PAGE_BYTES_MAX (KITH_PAGE_MAX * (KITH_SIGNED_OP_BYTES_MAX + 256))

struct ops_state {
    struct api_request *request;
    uint64_t after, limit;
    struct msgstore_scan scan;
    struct row_key from;
};

static void release(void *arg)
{
    struct ops_state *state = arg;

    kith_buf_deinit(&state->scan.rows);
}

void api_signed_op_free(struct api_signed_op *op)
{
    account_group_op_drop(&op->check);
    free((void *)op->signed_op.ptr);
    *op = (struct api_signed_op){0};
}

void fields_signed_op(struct api_fields *fields, struct api_signed_op *out)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    bool has_op, has_seq;

    *out = (struct api_signed_op){0};
    has_op = fields_base64(fields, "signed_op", false, KITH_SIGNED_OP_BYTES_MAX, &bytes, &len) && len > 0;
    has_seq = fields_u64(fields, "group_seq", false, 1, API_SEQ_MAX, &out->group_seq);
    out->signed_op = kith_slice_of(bytes, len);
    if (has_op != has_seq) fields_wrong(fields, "group_seq", "An operation and its number come together.");
}

/* ------------------------------------------------------------------------------------------------ verifying one */

static void op_checked(struct account_call *call)
{
    struct api_signed_op *op = (struct api_signed_op *)((char *)call - offsetof(struct api_signed_op, check));
    const struct chat_answer refused = {.code = call->code};

    op->request->fault = op->check.fault;
    if (call->code == CODE_OK)
        api_ask(op->request, &op->cmd, op->request->asked);
    else
        op->request->asked(op->request, &refused);
}

static void before_got(struct api_request *request, kith_err err, struct kith_slice value)
{
    struct api_signed_op *op = request->signed_op;
    struct row_group_op row = {0};

    if (err == KITH_OK && row_group_op_decode(value, &row) != KITH_OK) {
        api_problem_code(request, CODE_INTERNAL);
        return;
    }
    op->check.call = (struct account_call){.loop = request->api->config.loop, .done = op_checked};
    op->check.cmd = &op->cmd;
    account_group_op(request->api->config.accounts, &op->check, row.signed_op);
}

void api_ask_signed(struct api_request *request, struct api_signed_op *op, const struct cmd *cmd,
                    void (*next)(struct api_request *request, const struct chat_answer *answer))
{
    struct row_key before;

    op->request = request;
    op->cmd = *cmd;
    if (cmd->body.len == 0) {
        api_ask(request, &op->cmd, next);
        return;
    }
    op->cmd.actor = request->who.user;
    op->cmd.device = request->who.device;
    request->asked = next;
    request->signed_op = op;
    before = row_key_group_op((struct chat_id){cmd->stream}, cmd->seq - 1); /* of the first: there is no row 0 */
    api_get(request, &before, before_got);
}

/* ------------------------------------------------------------------------------------------------ reading them */

static void put_op(struct json_out *out, uint64_t group_seq, const struct row_group_op *row)
{
    json_out_open(out, '{');
    json_put_u64_at(out, "group_seq", group_seq);
    json_put_u64_at(out, "seq", row->seq);
    json_out_key(out, "signed_op");
    json_out_base64(out, row->signed_op);
    json_out_close(out, '}');
}

static void scanned(struct msgstore_scan *op)
{
    struct ops_state *state = (struct ops_state *)((char *)op - offsetof(struct ops_state, scan));
    struct api_request *request = state->request;
    struct kith_slice rows = kith_buf_peek(&op->rows), key, value;
    uint64_t last = row_member_last_visible(&request->member), group_seq = 0;
    struct json_out *out = &request->out;
    struct row_group_op row;
    bool is_put, more = op->more;

    if (op->err != KITH_OK) {
        api_problem_code(request, op->err == KITH_E_DAMAGED ? CODE_INTERNAL : CODE_UNAVAILABLE);
        return;
    }
    json_out_open(out, '{');
    json_out_key(out, "operations");
    json_out_open(out, '[');
    while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        if (row_key_tail_seq(key, &group_seq) != KITH_OK || row_group_op_decode(value, &row) != KITH_OK) {
            api_problem_code(request, CODE_INTERNAL); /* damage is told, not passed over (I-D5) */
            return;
        }
        more = more && row.seq <= last;
        if (row.seq > last) break;
        put_op(out, group_seq, &row);
    }
    json_out_close(out, ']');
    json_put_bool_at(out, "more", more);
    json_out_close(out, '}');
    api_answer(request, 200);
}

static void ops_allowed(struct api_request *request)
{
    struct ops_state *state = request->state;

    state->from = row_key_group_op(request->chat, state->after + 1);
    kith_buf_init(&state->scan.rows, PAGE_BYTES_MAX);
    state->scan.loop = request->api->config.loop;
    state->scan.from = row_key_slice(&state->from);
    state->scan.prefix = row_key_prefix(&state->from, ROW_PREFIX_STREAM);
    state->scan.rows_max = (uint32_t)state->limit;
    state->scan.done = scanned;
    msgstore_scan(request->api->config.store, &state->scan);
}

void route_group_ops(struct api_request *request)
{
    struct ops_state *state = api_state(request, sizeof *state, release);
    bool found = false;

    if (state == NULL) return;
    state->request = request;
    state->limit = PAGE_DEFAULT;
    if (query_u64(request, "after", false, 0, API_SEQ_MAX, &state->after, &found) &&
        query_u64(request, "limit", false, 1, KITH_PAGE_MAX, &state->limit, &found))
        api_with_member(request, (struct chat_id){request->ids[0]}, ops_allowed);
}
