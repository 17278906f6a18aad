#include "account/account_impl.h"

/* ------------------------------------------------------------------------------------------------ lookup */

static kith_err lookup_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_lookup *op = (struct account_lookup *)call;
    struct user_record user = {.user_id = op->user.id};
    kith_err err;

    if (op->by_name) account_text_copy(user.name, sizeof user.name, op->name);
    err = directory_get(tx, &table_users, op->by_name ? USERS_BY_NAME : USERS_BY_ID, &user);
    if (err == KITH_E_NOTFOUND || (err == KITH_OK && user.status != USER_ACTIVE))
        return account_deny(call, CODE_NOT_FOUND);
    if (err == KITH_OK) account_profile_of(&user, &op->profile);
    call->code = CODE_OK;
    return err;
}

void account_lookup(struct accounts *accounts, struct account_lookup *op)
{
    uint8_t key[LIMITER_KEY_BYTES];

    if (!account_begin(accounts, &op->call, NULL)) return;
    limiter_key(&accounts->lookups, kith_slice_of(op->who.user.id.raw, 16), key);
    if (op->by_name && !account_limit(&op->call, &accounts->lookups, key)) {
        account_refuse(&op->call, CODE_TOO_MANY);
        return;
    }
    if (op->by_name && account_name_normalise(op->name) != KITH_OK) {
        account_refuse(&op->call, CODE_NOT_FOUND);
        return;
    }
    account_tx(&op->call, true, lookup_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ block */

static bool block_counted(void *arg, const void *record)
{
    (void)record;
    return ++*(size_t *)arg < ACCOUNT_BLOCKS_MAX;
}

static kith_err block_put(struct account_call *call, struct directory_tx *tx, struct block_record *block)
{
    size_t count = 0;
    kith_err err = directory_get(tx, &table_blocks, BLOCKS_BY_PAIR, block);

    if (err != KITH_E_NOTFOUND) return err;
    err = directory_scan(tx, &table_blocks, BLOCKS_BY_PAIR, 1, block, false, block_counted, &count);
    if (err == KITH_OK && count >= ACCOUNT_BLOCKS_MAX) return account_deny(call, CODE_FORBIDDEN);
    block->created_ms = call->now_ms;
    return err == KITH_OK ? directory_put(tx, &table_blocks, block) : err;
}

static kith_err block_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_block *op = (struct account_block *)call;
    struct block_record block = {.user_id = op->who.user.id, .blocked_id = op->other.id};
    struct user_record other;
    kith_err err = account_user_get(tx, op->other, &other);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_NOT_FOUND);
    if (err != KITH_OK) return err;
    if (op->blocks) {
        err = block_put(call, tx, &block);
    } else {
        err = directory_del(tx, &table_blocks, &block);
        if (err == KITH_E_NOTFOUND) err = KITH_OK;
    }
    /* Also when nothing has changed here: an earlier answer may have been lost before the chats knew. */
    if (err == KITH_OK) err = account_outbox_put(call, tx, OUTBOX_BLOCK, block.user_id, block.blocked_id, 0);
    if (err == KITH_OK) call->code = CODE_OK;
    return err;
}

void account_block(struct accounts *accounts, struct account_block *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    if (kith_uuid_eq(op->who.user.id, op->other.id)) {
        account_refuse(&op->call, CODE_BAD_REQUEST);
        return;
    }
    op->call.job = outbox_job_new(accounts->outbox);
    if (op->call.job == NULL) {
        op->call.retry_after_s = 1;
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    op->call.job->late = CODE_UNAVAILABLE;
    account_tx(&op->call, false, block_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ direct chats */

static kith_err direct_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_direct *op = (struct account_direct *)call;
    struct user_record other;
    kith_err err = account_user_get(tx, op->other, &other);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_NOT_FOUND);
    if (err != KITH_OK) return err;
    call->code = CODE_OK;
    return account_outbox_put(call, tx, OUTBOX_DIRECT, op->who.user.id, op->other.id,
                              op->encrypted ? OUTBOX_ENCRYPTED : 0);
}

void account_direct(struct accounts *accounts, struct account_direct *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    if (kith_uuid_eq(op->who.user.id, op->other.id)) {
        account_refuse(&op->call, CODE_BAD_REQUEST);
        return;
    }
    op->chat = accounts_direct_chat(accounts, op->who.user, op->other, op->encrypted);
    op->call.job = outbox_job_new(accounts->outbox);
    if (op->call.job == NULL) {
        op->call.retry_after_s = 1;
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    op->call.job->late = CODE_UNAVAILABLE;
    op->call.job->has_result = true;
    account_tx(&op->call, false, direct_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ joining a chat */

static kith_err people_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_people *op = (struct account_people *)call;
    kith_err err = KITH_OK;

    for (size_t i = 0; i < op->count && err == KITH_OK; i++) {
        struct user_record user;
        err = account_user_get(tx, op->people[i].user, &user);
        if (err == KITH_E_NOTFOUND) {
            op->missing = i;
            return account_deny(call, CODE_NOT_FOUND);
        }
        op->people[i].known = true;
        op->people[i].list_seq = user.list_seq;
        op->people[i].receipts = user.read_receipts != 0;
    }
    call->code = CODE_OK;
    return err == KITH_OK ? account_outbox_put(call, tx, OUTBOX_CHAT, (struct kith_uuid){0}, op->chat.id, 0) : err;
}

/* The job stays in hand: it is sent when the command that is made of this was answered. */
static void people_done(struct account_call *call)
{
    call->done(call);
}

void account_people(struct accounts *accounts, struct account_people *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    op->call.job = outbox_job_new(accounts->outbox);
    if (op->call.job == NULL) {
        op->call.retry_after_s = 1;
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    account_tx(&op->call, false, people_run, people_done);
}

void account_people_settle(struct accounts *accounts, struct account_people *op)
{
    struct outbox_job *job = op->call.job;

    assert(job != NULL && op->call.accounts == accounts);
    job->late = CODE_OK;
    op->call.code = CODE_OK;
    account_conclude(&op->call);
}

void account_people_drop(struct account_people *op)
{
    outbox_job_free(op->call.job);
    op->call.job = NULL;
}
