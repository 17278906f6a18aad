#include <stdlib.h>

#include "account/outbox_impl.h"

#define START_CHUNK 64

struct outbox {
    struct accounts *accounts;
    struct loop *loop;
    struct outbox_job *first, *last; /* the first is being worked on, or waits for `retry` */
    bool working, stopping;
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct loop_timer retry;
    uint32_t attempts; /* of the first; 0: it was not tried, or is not failing */
    enum kith_code failure;
    struct outbox_work work;
    /* What an earlier life left. */
    bool starting;
    struct directory_call start_call;
    uint64_t start_at, start_end; /* rows between them are still to be read */
    struct outbox_record rows[START_CHUNK];
    size_t row_count;
    atomic_uint_fast64_t pending, done, retries;
};

static void outbox_go(struct outbox *outbox);

struct accounts *outbox_accounts(const struct outbox *outbox)
{
    return outbox->accounts;
}

bool outbox_is_awaited(const struct outbox *outbox)
{
    return outbox->first != NULL && outbox->first->waiter != NULL;
}

static void retry_fire(struct loop_timer *timer)
{
    outbox_go((struct outbox *)((char *)timer - offsetof(struct outbox, retry)));
}

struct outbox *outbox_new(struct accounts *accounts)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);

    if (outbox == NULL) return NULL;
    outbox->accounts = accounts;
    outbox->loop = accounts->config.loop;
    outbox->retry.fire = retry_fire;
    outbox->failure = CODE_OK;
    outbox_work_init(&outbox->work, outbox);
    return outbox;
}

struct job_parcel {
    struct account_parcel parcel; /* first */
    struct outbox_job job;
};

static struct outbox_job *job_new(struct outbox *outbox)
{
    struct job_parcel *made = (struct job_parcel *)account_parcel_new(outbox->accounts, sizeof *made);

    if (made == NULL) return NULL;
    made->job.parcel = &made->parcel;
    made->job.outbox = outbox;
    atomic_fetch_add_explicit(&outbox->pending, 1, memory_order_relaxed);
    return &made->job;
}

struct outbox_job *outbox_job_new(struct outbox *outbox)
{
    if (atomic_load_explicit(&outbox->pending, memory_order_relaxed) >= OUTBOX_PENDING_MAX) return NULL;
    return job_new(outbox);
}

void outbox_job_free(struct outbox_job *job)
{
    if (job == NULL) return;
    atomic_fetch_sub_explicit(&job->outbox->pending, 1, memory_order_relaxed);
    account_parcel_free(job->parcel);
}

void outbox_free(struct outbox *outbox)
{
    if (outbox == NULL) return;
    outbox_work_deinit(&outbox->work);
    free(outbox);
}

bool outbox_is_at_rest(struct outbox *outbox)
{
    if (outbox->working || outbox->first != NULL) return false;
    loop_timer_stop(outbox->loop, &outbox->retry);
    return true;
}

void outbox_stats(const struct outbox *outbox, struct accounts_stats *out)
{
    out->outbox_pending = atomic_load(&outbox->pending);
    out->outbox_done = atomic_load(&outbox->done);
    out->outbox_retries = atomic_load(&outbox->retries);
}

/* ------------------------------------------------------------------------------------------------ waiters */

static void waiter_run(struct loop_task *task)
{
    struct account_call *call = (struct account_call *)((char *)task - offsetof(struct account_call, task));
    call->next(call);
}

static void waiter_wake(struct outbox_job *job)
{
    struct account_call *call = job->waiter;

    if (call == NULL) return;
    job->waiter = NULL;
    loop_timer_stop(job->outbox->loop, &job->patience);
    call->task.run = waiter_run;
    loop_post(call->loop, &call->task);
}

static bool names_device(const struct outbox_job *job)
{
    return job->record.kind == OUTBOX_FACTS && !kith_uuid_is_nil(job->record.object);
}

/*
 * What said the device's name may yet be done. Then a chat begins it at a head that is to come, and it must not have begun
 * elsewhere: it is not let in, and nobody ever is it.
 */
static bool may_be_named_later(const struct outbox_job *job)
{
    return job->outbox->first == job && job->outbox->failure == CODE_UNKNOWN_OUTCOME && names_device(job);
}

/* The chats cannot be told now, but will be: the waiter is not kept. */
static void waiter_wake_late(struct outbox_job *job)
{
    enum kith_code failure = job->outbox->failure;
    struct account_call *call = job->waiter;

    if (call == NULL) return;
    call->code = job->late != CODE_UNAVAILABLE || failure == CODE_OK ? job->late : failure;
    if (may_be_named_later(job)) call->code = CODE_UNAVAILABLE;
    if (call->code == CODE_UNAVAILABLE || job->late == CODE_UNAVAILABLE) call->retry_after_s = 1;
    waiter_wake(job);
}

/*
 * A login of a new device: what is being asked right now says that the device has been seen by nobody yet. So the waiter goes
 * when that is answered, and what is asked after it is asked without the device.
 */
static void patience_fire(struct loop_timer *timer)
{
    struct outbox_job *job = (struct outbox_job *)((char *)timer - offsetof(struct outbox_job, patience));

    if (job->outbox->working && job->outbox->first == job && names_device(job))
        job->is_impatient = true;
    else
        waiter_wake_late(job);
}

void outbox_page_told(struct outbox *outbox)
{
    if (outbox->first->is_impatient) waiter_wake_late(outbox->first);
}

/* ------------------------------------------------------------------------------------------------ the queue */

static void queue_push(struct outbox *outbox, struct outbox_job *job)
{
    job->next = NULL;
    if (outbox->last == NULL)
        outbox->first = job;
    else
        outbox->last->next = job;
    outbox->last = job;
}

static void job_arrived(struct loop_task *task)
{
    struct outbox_job *job = (struct outbox_job *)((char *)task - offsetof(struct outbox_job, task));
    struct outbox *outbox = job->outbox;

    queue_push(outbox, job);
    if (outbox->attempts > 0 || outbox->stopping) {
        waiter_wake_late(job);
    } else if (job->waiter != NULL) {
        job->patience.fire = patience_fire;
        loop_timer_start(outbox->loop, &job->patience, ACCOUNT_OUTBOX_WAIT_MS);
    }
    outbox_go(outbox);
}

void outbox_send(struct outbox_job *job)
{
    assert(job->record.outbox_id != 0);
    job->task.run = job_arrived;
    loop_post(job->outbox->loop, &job->task);
}

static void job_done(struct outbox *outbox)
{
    struct outbox_job *job = outbox->first;

    outbox->first = job->next;
    if (outbox->first == NULL) outbox->last = NULL;
    if (job->waiter != NULL && job->has_result) job->waiter->code = outbox->work.result;
    waiter_wake(job);
    outbox_job_free(job);
    atomic_fetch_add_explicit(&outbox->done, 1, memory_order_relaxed);
}

static void retry_later(struct outbox *outbox, enum kith_code failure)
{
    uint64_t delay_ms = OUTBOX_RETRY_MS_MIN;

    for (uint32_t i = 0; i < outbox->attempts && delay_ms < OUTBOX_RETRY_MS_MAX; i++) delay_ms *= 2;
    if (delay_ms > OUTBOX_RETRY_MS_MAX) delay_ms = OUTBOX_RETRY_MS_MAX;
    outbox->attempts++;
    outbox->failure = failure;
    atomic_fetch_add_explicit(&outbox->retries, 1, memory_order_relaxed);
    if (outbox->attempts == 1)
        log_line(outbox->accounts->config.log, LOG_LINE_WARN, log_event("outbox_waits"),
                 log_str("code", kith_code_name(failure)));
    /* What fails for one would fail for the others: nobody waits while the log or the directory refuses. */
    for (struct outbox_job *job = outbox->first; job != NULL; job = job->next) waiter_wake_late(job);
    loop_timer_start(outbox->loop, &outbox->retry, delay_ms);
}

void outbox_work_done(struct outbox *outbox, enum kith_code failure)
{
    outbox->working = false;
    if (failure != CODE_OK) {
        if (!outbox->stopping)
            retry_later(outbox, failure);
        else
            outbox_go(outbox);
        return;
    }
    outbox->attempts = 0;
    outbox->failure = CODE_OK;
    job_done(outbox);
    outbox_go(outbox);
}

/* ------------------------------------------------------------------------------------------------ what a crash left */

static struct outbox *outbox_of_start(struct directory_call *call)
{
    return (struct outbox *)((char *)call - offsetof(struct outbox, start_call));
}

static bool start_row(void *arg, const void *record)
{
    struct outbox *outbox = arg;
    const struct outbox_record *row = record;

    if (row->outbox_id >= outbox->start_end) return false;
    outbox->rows[outbox->row_count++] = *row;
    return outbox->row_count < START_CHUNK;
}

/* Rows of this life come with jobs of their own: only those that were there before are read. */
static kith_err start_run(struct directory_call *call, struct directory_tx *tx)
{
    struct outbox *outbox = outbox_of_start(call);
    struct setting_record setting = {.key = "outbox_next"};
    struct outbox_record key = {.outbox_id = outbox->start_at};
    kith_err err = KITH_OK;

    outbox->row_count = 0;
    if (outbox->start_end == 0) err = directory_get(tx, &table_settings, SETTINGS_BY_KEY, &setting);
    if (err == KITH_E_NOTFOUND) return KITH_OK;
    if (err != KITH_OK) return err;
    if (outbox->start_end == 0 && setting.value.len == 8) outbox->start_end = kith_get_u64_be(setting.value.bytes);
    return directory_scan(tx, &table_outbox, OUTBOX_BY_ID, 0, &key, true, start_row, outbox);
}

static void start_done(struct directory_call *call)
{
    struct outbox *outbox = outbox_of_start(call);
    kith_err err = call->err;

    outbox->working = false;
    for (size_t i = 0; err == KITH_OK && i < outbox->row_count; i++) {
        struct outbox_job *job = job_new(outbox);
        if (job == NULL) {
            err = KITH_E_NOMEM;
            break;
        }
        job->record = outbox->rows[i];
        outbox->start_at = job->record.outbox_id;
        queue_push(outbox, job);
    }
    if (err != KITH_OK && outbox->first == NULL && !outbox->stopping) {
        loop_timer_start(outbox->loop, &outbox->retry, OUTBOX_RETRY_MS_MAX);
        return;
    }
    if (err == KITH_OK && outbox->row_count < START_CHUNK) outbox->starting = false;
    outbox_go(outbox);
}

void outbox_start(struct outbox *outbox)
{
    outbox->starting = true;
    outbox_go(outbox);
}

void outbox_stop(struct outbox *outbox, void (*stopped)(void *arg), void *arg)
{
    outbox->stopping = true;
    outbox->stopped = stopped;
    outbox->stopped_arg = arg;
    loop_timer_stop(outbox->loop, &outbox->retry);
    for (struct outbox_job *job = outbox->first; job != NULL; job = job->next) waiter_wake_late(job);
    outbox_go(outbox);
}

/* One thing at a time: the first job, or the next rows that an earlier life left. */
static void outbox_go(struct outbox *outbox)
{
    if (outbox->working || outbox->retry.armed) return;
    if (outbox->stopping) {
        void (*stopped)(void *arg) = outbox->stopped;
        outbox->stopped = NULL;
        if (stopped != NULL) stopped(outbox->stopped_arg);
        return;
    }
    if (outbox->first != NULL) {
        outbox->working = true;
        outbox_work_start(&outbox->work, &outbox->first->record);
    } else if (outbox->starting) {
        outbox->working = true;
        outbox->start_call = (struct directory_call){
            .loop = outbox->loop, .read_only = true, .run = start_run, .done = start_done};
        directory_call(outbox->accounts->config.directory, &outbox->start_call);
    }
}
