#include <sodium.h>

#include "account/account_impl.h"

static struct account_call *call_of_task(struct loop_task *task)
{
    return (struct account_call *)((char *)task - offsetof(struct account_call, task));
}

static struct account_call *call_of_directory(struct directory_call *directory)
{
    return (struct account_call *)((char *)directory - offsetof(struct account_call, directory));
}

void account_finish(struct account_call *call, enum kith_code code)
{
    call->code = code;
    if (call->end != NULL) call->end(call);
    outbox_job_free(call->job);
    call->job = NULL;
    if (call->revocation != NULL) account_parcel_free(&call->revocation->parcel);
    call->revocation = NULL;
    sodium_memzero(call->coins, sizeof call->coins);
    call->done(call);
}

static void refused(struct loop_task *task)
{
    struct account_call *call = call_of_task(task);
    account_finish(call, call->code);
}

void account_refuse(struct account_call *call, enum kith_code code)
{
    call->code = code;
    call->task.run = refused;
    loop_defer(call->loop, &call->task);
}

bool account_begin(struct accounts *accounts, struct account_call *call, void (*end)(struct account_call *call))
{
    assert(call->loop != NULL && call->done != NULL);
    call->accounts = accounts;
    call->code = CODE_INTERNAL;
    call->retry_after_s = 0;
    call->end = end;
    call->job = NULL;
    call->revocation = NULL;
    call->now_ms = loop_wall_ms(call->loop);
    loop_random(call->loop, call->coins, sizeof call->coins);
    if (atomic_load_explicit(&accounts->ready, memory_order_acquire)) return true;
    call->retry_after_s = 1;
    account_refuse(call, CODE_UNAVAILABLE);
    return false;
}

/* ------------------------------------------------------------------------------------------------ transactions */

static enum kith_code code_of(kith_err err)
{
    switch (err) {
    case KITH_E_NOSPACE:
    case KITH_E_READ_ONLY: return CODE_READ_ONLY;
    case KITH_E_AGAIN:
    case KITH_E_NOMEM:
    case KITH_E_FULL:
    case KITH_E_CLOSED:
    case KITH_E_IO:
    case KITH_E_TIMEOUT: return CODE_UNAVAILABLE;
    default: return CODE_INTERNAL;
    }
}

static kith_err tx_run(struct directory_call *directory, struct directory_tx *tx)
{
    struct account_call *call = call_of_directory(directory);
    return call->run(call, tx);
}

static void tx_done(struct directory_call *directory)
{
    struct account_call *call = call_of_directory(directory);

    if (directory->err == KITH_OK) {
        call->next(call);
        return;
    }
    if (directory->err == KITH_E_DENIED) {
        account_finish(call, call->code);
        return;
    }
    call->retry_after_s = 1;
    account_finish(call, code_of(directory->err));
}

void account_tx(struct account_call *call, bool read_only, account_run run, account_next next)
{
    call->run = run;
    call->next = next;
    call->directory = (struct directory_call){
        .loop = call->loop, .read_only = read_only, .run = tx_run, .done = tx_done};
    directory_call(call->accounts->config.directory, &call->directory);
}

kith_err account_deny(struct account_call *call, enum kith_code code)
{
    call->code = code;
    return KITH_E_DENIED;
}

/* ------------------------------------------------------------------------------------------------ hashes */

static void hash_done(struct hash_job *job)
{
    struct account_call *call = job->call;

    if (job->err == KITH_E_NOMEM) {
        call->retry_after_s = 1;
        account_finish(call, CODE_UNAVAILABLE);
        return;
    }
    call->next(call);
}

void account_hash(struct account_call *call, struct hash_job *job, account_next next)
{
    call->next = next;
    job->loop = call->loop;
    job->call = call;
    job->done = hash_done;
    if (hash_pool_add(call->accounts->hashes, job) == KITH_OK) return;
    call->retry_after_s = 2;
    account_refuse(call, CODE_UNAVAILABLE);
}

/* ------------------------------------------------------------------------------------------------ the end */

static void finish_step(struct account_call *call)
{
    account_finish(call, call->code);
}

static void outbox_step(struct account_call *call)
{
    struct outbox_job *job = call->job;

    if (job == NULL || job->record.outbox_id == 0) {
        finish_step(call);
        return;
    }
    call->job = NULL; /* the outbox owns it now */
    call->next = finish_step;
    job->waiter = call;
    outbox_send(job);
}

void account_conclude(struct account_call *call)
{
    revocation_tell(call, outbox_step);
}

/* ------------------------------------------------------------------------------------------------ limits */

bool account_limit(struct account_call *call, struct limiter *limiter, const uint8_t key[static LIMITER_KEY_BYTES])
{
    struct accounts *accounts = call->accounts;
    uint32_t retry_after_s = 0;
    bool taken;

    pthread_mutex_lock(&accounts->limits_lock);
    taken = limiter_take(limiter, key, loop_now_ms(call->loop), &retry_after_s);
    pthread_mutex_unlock(&accounts->limits_lock);
    if (taken) return true;
    call->retry_after_s = retry_after_s;
    call->code = CODE_TOO_MANY;
    return false;
}

void account_limit_give(struct accounts *accounts, struct limiter *limiter, const uint8_t key[static LIMITER_KEY_BYTES])
{
    pthread_mutex_lock(&accounts->limits_lock);
    limiter_give(limiter, key);
    pthread_mutex_unlock(&accounts->limits_lock);
}
