#include <sodium.h>

#include "account/account_impl.h"

static void check_start(struct account_check *op);

static struct account_check *op_of(struct directory_call *call)
{
    return (struct account_check *)((char *)call - offsetof(struct account_check, call));
}

static kith_err check_run(struct directory_call *call, struct directory_tx *tx)
{
    struct account_check *op = op_of(call);
    struct session_record session = {.access_hash.len = DIRECTORY_HASH_BYTES};
    struct user_record user = {0};
    kith_err err;

    op->revocations = atomic_load_explicit(&op->accounts->revocations, memory_order_seq_cst);
    op->code = CODE_UNAUTHORIZED;
    memcpy(session.access_hash.bytes, op->hash, sizeof op->hash);
    err = directory_get(tx, &table_sessions, SESSIONS_BY_ACCESS, &session);
    if (err == KITH_OK) err = account_user_get(tx, (struct user_id){session.user_id}, &user);
    if (err == KITH_E_NOTFOUND) return KITH_OK;
    if (err != KITH_OK) return err;
    op->who = (struct account_identity){.user = {session.user_id},
                                        .device = {session.device_id},
                                        .expires_ms = session.access_expires_ms,
                                        .role = user.role};
    op->code = session.access_expires_ms > op->now_ms ? CODE_OK : CODE_EXPIRED;
    return KITH_OK;
}

static void check_finish(struct account_check *op, enum kith_code code)
{
    op->code = code;
    if (code != CODE_OK) op->who = (struct account_identity){0};
    sodium_memzero(op->hash, sizeof op->hash);
    account_count(&op->accounts->counters.checks);
    op->done(op);
}

static void check_done(struct directory_call *call)
{
    struct account_check *op = op_of(call);

    if (call->err != KITH_OK) {
        check_finish(op, CODE_UNAVAILABLE);
        return;
    }
    /* A device may have been signed out since it was read here, and the watchers told before whoever asks now can be
     * found by them: then look again. So nobody acts on a yes that was taken back (I-A2). */
    if (op->code == CODE_OK &&
        op->revocations != atomic_load_explicit(&op->accounts->revocations, memory_order_seq_cst)) {
        check_start(op);
        return;
    }
    check_finish(op, op->code);
}

static void check_start(struct account_check *op)
{
    op->call = (struct directory_call){.loop = op->loop, .read_only = true, .run = check_run, .done = check_done};
    directory_call(op->accounts->config.directory, &op->call);
}

static void check_refused(struct loop_task *task)
{
    struct directory_call *call = (struct directory_call *)((char *)task - offsetof(struct directory_call, task));
    struct account_check *op = op_of(call);
    check_finish(op, op->code);
}

static void check_refuse(struct account_check *op, enum kith_code code)
{
    op->code = code;
    op->call.task.run = check_refused;
    loop_defer(op->loop, &op->call.task);
}

void account_check(struct accounts *accounts, struct account_check *op)
{
    uint8_t token[TOKEN_BYTES];
    kith_err err = token_parse(TOKEN_ACCESS, op->token, token);

    assert(op->loop != NULL && op->done != NULL);
    sodium_memzero(op->token, sizeof op->token);
    op->accounts = accounts;
    op->now_ms = loop_wall_ms(op->loop);
    op->who = (struct account_identity){0};
    if (!atomic_load_explicit(&accounts->ready, memory_order_acquire)) {
        check_refuse(op, CODE_UNAVAILABLE);
        return;
    }
    if (err != KITH_OK) {
        check_refuse(op, CODE_UNAUTHORIZED);
        return;
    }
    token_hash(token, op->hash);
    sodium_memzero(token, sizeof token);
    check_start(op);
}
