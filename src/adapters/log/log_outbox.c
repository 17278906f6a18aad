#include "adapters/log/log_file_impl.h"

/*
 * An outbox per follower, under the log's lock: home and appending threads put entries in, one task on the follower's loop
 * takes all there is. So nothing is allocated on the way, and a follower that is slow gets longer lists, not more tasks.
 */

static bool outbox_empty(const struct log_port *port)
{
    return port->replayed.head == NULL && port->live.head == NULL && !port->catch_up;
}

/* Under the lock. True: the caller must post `run` after unlocking. */
static bool outbox_claim(struct log_port *port)
{
    if (port->posted || outbox_empty(port)) return false;
    port->posted = true;
    return true;
}

static void port_run(struct loop_task *task)
{
    struct log_port *port = (struct log_port *)((char *)task - offsetof(struct log_port, run));
    struct log_file *log = port->log;
    struct log_follower *follower = port->follower;
    struct log_entries replayed, live;
    bool catch_up, again, tell;

    pthread_mutex_lock(&log->lock);
    replayed = port->replayed;
    live = port->live;
    catch_up = port->catch_up;
    port->replayed = port->live = (struct log_entries){0};
    port->catch_up = false;
    if (port->chunk_out && replayed.head != NULL) port->chunk_ran = true;
    pthread_mutex_unlock(&log->lock);

    if (replayed.head != NULL) follower->deliver(follower, replayed.head);
    if (catch_up) follower->caught_up(follower);
    if (live.head != NULL) follower->deliver(follower, live.head);

    pthread_mutex_lock(&log->lock);
    again = !outbox_empty(port);
    if (!again) port->posted = false;
    tell = (port->chunk_ran || (port->ran_wanted && !again)) && !port->ran_posted;
    if (tell) port->ran_posted = true;
    pthread_mutex_unlock(&log->lock);
    /* With nothing to post, home may free the log from here on. */
    if (again) loop_post(follower->loop, &port->run);
    if (tell) loop_post(log->loop, &port->ran);
}

static void port_ran(struct loop_task *task)
{
    struct log_port *port = (struct log_port *)((char *)task - offsetof(struct log_port, ran));
    struct log_file *log = port->log;
    bool chunk_ran;

    pthread_mutex_lock(&log->lock);
    chunk_ran = port->chunk_ran;
    port->ran_posted = port->chunk_ran = port->ran_wanted = false;
    if (chunk_ran) port->chunk_out = false;
    pthread_mutex_unlock(&log->lock);
    if (chunk_ran)
        log_replay_chunk_ran(log);
    else
        log_pump(log);
}

void log_outbox_init(struct log_file *log, struct log_port *port)
{
    port->log = log;
    port->run.run = port_run;
    port->ran.run = port_ran;
}

void log_outbox_collect(struct log_file *log, struct log_entry *entry)
{
    log_entries_push(&log->port_of[entry->shard]->collected, entry);
}

void log_outbox_flush(struct log_file *log, bool replayed, size_t entries, uint64_t bytes)
{
    bool post[KITH_SHARDS] = {false};

    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->port_count; i++) {
        struct log_port *port = &log->ports[i];
        if (port->collected.head == NULL) continue;
        if (replayed) {
            port->chunk_out = true;
            log->replay.chunks_out++;
        }
        log_entries_splice(replayed ? &port->replayed : &port->live, &port->collected);
        post[i] = outbox_claim(port);
    }
    assert(log->waiting_entries >= entries && log->waiting_bytes >= bytes);
    log->waiting_entries -= entries;
    log->waiting_bytes -= bytes;
    pthread_mutex_unlock(&log->lock);
    for (size_t i = 0; i < log->port_count; i++)
        if (post[i]) loop_post(log->ports[i].follower->loop, &log->ports[i].run);
}

void log_outbox_refuse(struct log_file *log, struct log_entry *entry, kith_err err)
{
    struct log_port *port = log->port_of[entry->shard];
    bool post;

    entry->err = err;
    entry->position = 0;
    pthread_mutex_lock(&log->lock);
    log->status.refused++;
    log_entries_push(&port->live, entry);
    post = outbox_claim(port);
    pthread_mutex_unlock(&log->lock);
    if (post) loop_post(port->follower->loop, &port->run);
}

void log_outbox_catch_up(struct log_file *log)
{
    for (size_t i = 0; i < log->port_count; i++) {
        struct log_port *port = &log->ports[i];
        bool post;
        pthread_mutex_lock(&log->lock);
        port->catch_up = true;
        post = outbox_claim(port);
        pthread_mutex_unlock(&log->lock);
        if (post) loop_post(port->follower->loop, &port->run);
    }
}

bool log_outbox_drained(struct log_file *log)
{
    bool drained = true;

    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->port_count; i++) {
        struct log_port *port = &log->ports[i];
        if (!port->posted && !port->ran_posted) continue;
        port->ran_wanted = true;
        drained = false;
    }
    pthread_mutex_unlock(&log->lock);
    return drained;
}
