#include "adapters/log/log_file_impl.h"

#define TICK_MS_MIN 1000
#define TICK_MS_MAX (3600 * 1000)

static void close_synced(struct log_file *log, kith_err err)
{
    log->busy = LOG_IDLE;
    if (err == KITH_OK) log->current.durable = log->current.at;
    log_pump(log);
}

static void close_step(struct log_file *log)
{
    void (*on_closed)(void *arg) = log->on_closed;
    void *arg = log->on_closed_arg;
    bool woken;

    if (!log->failed && log->current.file != NULL && log->unsealed) log_commit_seal(log);
    if (!log->failed && log->current.file != NULL && log->current.at != log->current.durable) {
        log->busy = LOG_BUSY_CLOSE;
        log_file_sync(log, log->current.file, close_synced);
        return;
    }
    pthread_mutex_lock(&log->lock);
    woken = log->woken;
    pthread_mutex_unlock(&log->lock);
    if (woken || !log_outbox_drained(log)) return; /* a task of ours is on its way, and calls again */
    loop_timer_stop(log->loop, &log->seal);
    loop_timer_stop(log->loop, &log->retry);
    loop_timer_stop(log->loop, &log->tick);
    log->closed = true;
    on_closed(arg); /* may free the log */
}

static void pump_live(struct log_file *log)
{
    if (log->failed || log->closing || log->blocked)
        log_commit_refuse(log, &log->pending, log->closing ? KITH_E_CLOSED : KITH_E_READ_ONLY);
    if (log->closing) {
        close_step(log);
        return;
    }
    if (log->failed) return;
    if (log->blocked) {
        if (log->no_space || log_maint_step(log)) return;
        if (log->no_space) return;
        log->blocked = false; /* nothing is missing any more */
        log_file_set_reason(log, "");
    }
    if (log->maint_turn && log_maint_step(log)) {
        log->maint_turn = false;
        return;
    }
    log->maint_turn = false;
    if (log_commit_start(log) || log_maint_step(log)) return;
    if (log->failed) {
        log_commit_refuse(log, &log->pending, KITH_E_READ_ONLY);
        return;
    }
    assert(log->pending.head == NULL || log->no_space);
    if (log->pending.head != NULL || (log->current.file == NULL && log->no_space)) {
        /* No room, and none to be had. */
        log->blocked = true;
        log_file_set_reason(log, "no space for the log on its disk; retrying");
        log_commit_refuse(log, &log->pending, KITH_E_READ_ONLY);
        return;
    }
    if (log->unsealed && !log->seal.armed) loop_timer_start(log->loop, &log->seal, log->config.seal_ms);
}

void log_pump(struct log_file *log)
{
    if (log->busy != LOG_IDLE) return;
    pthread_mutex_lock(&log->lock);
    log_entries_splice(&log->pending, &log->intake);
    log->closing = log->close_asked;
    pthread_mutex_unlock(&log->lock);
    if (log->closed) {
        log_commit_refuse(log, &log->pending, KITH_E_CLOSED);
        return;
    }
    if ((log->failed || log->closing) && log->state != LOG_LIVE) {
        log_replay_deinit(log);
        log->state = LOG_LIVE;
    }
    if (log->state == LOG_SETTLING && !log->no_space)
        log_settle_start(log);
    else if (log->state == LOG_LIVE)
        pump_live(log);
}

static void on_wake(struct loop_task *task)
{
    struct log_file *log = (struct log_file *)((char *)task - offsetof(struct log_file, wake));

    pthread_mutex_lock(&log->lock);
    log->woken = false;
    pthread_mutex_unlock(&log->lock);
    log_pump(log);
}

static void on_retry(struct loop_timer *timer)
{
    struct log_file *log = (struct log_file *)((char *)timer - offsetof(struct log_file, retry));

    log->no_space = false;
    log_pump(log);
}

static void on_seal(struct loop_timer *timer)
{
    struct log_file *log = (struct log_file *)((char *)timer - offsetof(struct log_file, seal));

    if (log->busy == LOG_IDLE && log->unsealed && !log->failed && log->pending.head == NULL) log_commit_seal(log);
    log_pump(log);
}

/* Segments grow old while nobody appends. */
static void on_tick(struct loop_timer *timer)
{
    struct log_file *log = (struct log_file *)((char *)timer - offsetof(struct log_file, tick));
    uint64_t ms = log->config.segment_age_ms < log->config.keep_ms ? log->config.segment_age_ms : log->config.keep_ms;

    ms /= 4;
    if (ms < TICK_MS_MIN) ms = TICK_MS_MIN;
    if (ms > TICK_MS_MAX) ms = TICK_MS_MAX;
    loop_timer_start(log->loop, &log->tick, ms);
    log_pump(log);
}

void log_pump_init(struct log_file *log)
{
    log->wake.run = on_wake;
    log->retry.fire = on_retry;
    log->seal.fire = on_seal;
    log->tick.fire = on_tick;
}
