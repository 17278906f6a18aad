#include "account/group_replay.h"

#include "account/account_impl.h"

_Static_assert(GROUP_REPLAY_PAGE_BYTES > KITH_SIGNED_OP_BYTES_MAX + 1024, "each page has an operation");

static struct group_states *states_of(const struct account_group_op *op)
{
    return op->call.accounts->groups;
}

static struct chat_id chat_of(const struct account_group_op *op)
{
    return (struct chat_id){op->cmd->stream};
}

static void judge(struct account_group_op *op, enum kith_code code, const char *fault)
{
    op->is_judged = true;
    op->call.code = code;
    op->fault = fault;
}

/* ------------------------------------------------------------------------------------------------ what was read */

/* Another request may have come further meanwhile. */
static void take_newer(struct account_group_op *op)
{
    struct group_state *known = group_states_get(states_of(op), chat_of(op));

    if (known != NULL && (op->state == NULL || group_state_seq(known) > group_state_seq(op->state))) {
        struct group_state *older = op->state;
        op->state = known;
        known = older;
    }
    group_state_unref(known);
}

/* What is known is not what the store has: it is of a store that went back. Only once, or there would be no end to it. */
static void start_anew(struct account_group_op *op)
{
    op->is_anew = true;
    group_states_drop(states_of(op), chat_of(op), op->state);
    group_state_unref(op->state);
    op->state = NULL;
}

/* Owns `group`. */
static void keep(struct account_group_op *op, struct e2e_group *group, bool is_end)
{
    struct group_state *state = group_state_new(group);

    if (state == NULL) {
        judge(op, CODE_UNAVAILABLE, NULL);
        return;
    }
    state->is_end = is_end;
    group_states_put(states_of(op), chat_of(op), state);
    group_state_unref(op->state);
    op->state = state;
}

/*
 * One stored operation behind *group, which it replaces. KITH_E_DENIED also for what no reader of this version can read;
 * KITH_E_CONFLICT: it is not behind `before`.
 */
static kith_err take_row(struct e2e_group **group, const struct e2e_group *before, struct kith_slice value)
{
    struct row_group_op row;
    struct e2e_group_op op;
    struct e2e_group *after = NULL;
    kith_err err = row_group_op_decode(value, &row);

    if (err != KITH_OK) return KITH_E_DAMAGED;
    err = e2e_group_op_decode(row.signed_op, &op);
    if (err == KITH_OK && e2e_group_compare(before, &op) != E2E_GROUP_STEP_NEXT) return KITH_E_CONFLICT;
    if (err == KITH_OK) err = e2e_group_apply(before, &op, &after);
    if (err == KITH_E_NOMEM) return err;
    if (err != KITH_OK) return KITH_E_DENIED;
    e2e_group_free(*group);
    *group = after;
    return KITH_OK;
}

/* `err`: why it ended. Owns `group`: NULL: it came to no operation further. */
static void page_taken(struct account_group_op *op, struct e2e_group *group, kith_err err)
{
    const bool is_end = err == KITH_E_DENIED || err == KITH_E_CONFLICT;

    if (err == KITH_E_CONFLICT && group == NULL && op->state != NULL && !op->is_anew)
        start_anew(op);
    else if (is_end && group == NULL && op->state != NULL)
        op->state->is_end = true;
    else if (is_end || group != NULL)
        keep(op, group, is_end);
    if (err == KITH_OK || is_end) return;
    judge(op, err == KITH_E_NOMEM ? CODE_UNAVAILABLE : CODE_INTERNAL, NULL);
}

static void take_page(struct account_group_op *op)
{
    const struct e2e_group *before = op->state == NULL ? NULL : op->state->group;
    struct kith_slice rows = kith_buf_peek(&op->scan.rows), key, value;
    struct e2e_group *group = NULL;
    uint64_t seq = 0, known = group_state_seq(op->state);
    kith_err err = KITH_OK;
    bool is_put;

    while (err == KITH_OK && msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        err = row_key_tail_seq(key, &seq);
        if (err != KITH_OK || seq <= known) continue;
        err = seq == known + 1 ? take_row(&group, group == NULL ? before : group, value) : KITH_E_DAMAGED;
        if (err == KITH_OK) known = seq;
    }
    kith_buf_reset(&op->scan.rows);
    page_taken(op, group, err);
}

/* ------------------------------------------------------------------------------------------------ the operation itself */

static void judge_by(struct account_group_op *op, const struct e2e_group *before)
{
    static const char wrong_hash[] = "It leads to another state than its state_hash says.";
    static const char not_allowed[] = "The group does not allow this operation.";
    struct e2e_group *after = NULL;
    kith_err err = e2e_group_apply(before, &op->op, &after);
    bool is_allowed = err == KITH_E_DENIED && e2e_group_allows(before, &op->op) == KITH_OK;

    e2e_group_free(after);
    switch (err) {
    case KITH_OK: judge(op, CODE_OK, NULL); break;
    case KITH_E_FULL: judge(op, CODE_CHAT_FULL, NULL); break;
    case KITH_E_NOMEM: judge(op, CODE_UNAVAILABLE, NULL); break;
    default: judge(op, is_allowed ? CODE_BAD_REQUEST : CODE_FORBIDDEN, is_allowed ? wrong_hash : not_allowed); break;
    }
}

/* What is known leads to the stored operation before: the one that op->op names. */
static bool is_of_the_store(const struct account_group_op *op)
{
    if (op->op.seq == 1) return true;
    return memcmp(op->state->group->heads[0], op->op.prev_hash, E2E_HASH_BYTES) == 0;
}

void group_replay_work(struct account_group_op *op)
{
    uint64_t known;

    take_newer(op);
    if (op->scan.count > 0) take_page(op);
    op->scan.count = 0;
    if (op->is_judged) return;
    known = group_state_seq(op->state);
    /* The core knows best of one that was ordered already; and of what nothing can be known, nothing is asked. */
    if (known >= op->op.seq || (op->state != NULL && op->state->is_end)) {
        judge(op, CODE_OK, NULL);
        return;
    }
    if (known + 1 < op->op.seq) return;
    if (is_of_the_store(op))
        judge_by(op, op->state == NULL ? NULL : op->state->group);
    else if (op->is_anew)
        judge(op, CODE_INTERNAL, NULL);
    else
        start_anew(op);
}

/* ------------------------------------------------------------------------------------------------ reading */

static void work(struct hash_job *job)
{
    group_replay_work((struct account_group_op *)job->call);
}

static void page_read(struct msgstore_scan *scan)
{
    struct account_group_op *op = (struct account_group_op *)((char *)scan - offsetof(struct account_group_op, scan));

    if (scan->err != KITH_OK) {
        account_finish(&op->call, scan->err == KITH_E_DAMAGED ? CODE_INTERNAL : CODE_UNAVAILABLE);
        return;
    }
    if (scan->count == 0) { /* the operation before was there */
        account_finish(&op->call, CODE_INTERNAL);
        return;
    }
    op->job = (struct hash_job){.work = work};
    account_hash(&op->call, &op->job, group_replay_next);
}

static void page_want(struct account_group_op *op, uint64_t known, uint64_t wanted)
{
    op->from = row_key_group_op(chat_of(op), known + 1);
    kith_buf_reset(&op->scan.rows);
    op->scan.loop = op->call.loop;
    op->scan.from = row_key_slice(&op->from);
    op->scan.prefix = row_key_prefix(&op->from, ROW_PREFIX_STREAM);
    op->scan.rows_max = wanted < GROUP_REPLAY_PAGE_OPS ? (uint32_t)wanted : GROUP_REPLAY_PAGE_OPS;
    op->scan.done = page_read;
    msgstore_scan(op->call.accounts->config.store, &op->scan);
}

/* The one operation before this one is read for nothing: that is the usual case, and no more than what everybody costs. */
static bool may_read(struct account_group_op *op, uint64_t wanted)
{
    struct limiter *limiter = &op->call.accounts->replays;
    uint8_t key[LIMITER_KEY_BYTES];

    if (wanted == 1) return true;
    limiter_key(limiter, kith_slice_of(op->cmd->actor.id.raw, sizeof op->cmd->actor.id.raw), key);
    return account_limit(&op->call, limiter, key);
}

void group_replay_next(struct account_call *call)
{
    struct account_group_op *op = (struct account_group_op *)call;
    const uint64_t known = group_state_seq(op->state), wanted = op->op.seq - 1 - known;

    if (op->is_judged || !may_read(op, wanted))
        account_finish(call, call->code);
    else
        page_want(op, known, wanted);
}
