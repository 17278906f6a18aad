#include "adapters/msgstore/msgstore_mem.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapters/msgstore/msgstore_mem_image.h"
#include "base/prng.h"

/** An op on its way. The task or the timer is what brings it back; which one, the store's configuration says. */
struct mem_pending {
    struct mem_pending *next, *prev; /* commits only: in the order of their calls */
    struct msgstore_mem *store;
    struct loop *loop;
    struct loop_task task;
    struct loop_timer timer;
    struct msgstore_commit *commit;
    struct msgstore_get *get;
    struct msgstore_scan *scan;
    bool evaluated; /* a read that was answered when it was called */
    kith_err err;   /* a commit that shares the fate of an earlier one */
    struct kith_slice records;
    size_t position_count;
    struct msgstore_position positions[]; /* then the records: a crash may apply them when the op is long gone */
};

struct msgstore_mem {
    struct msgstore base;
    struct msgstore_mem_image *image;
    struct msgstore_mem_config config;
    struct kith_prng prng;
    struct mem_pending *oldest, *newest;
    uint32_t pending;
};

static const struct msgstore_ops mem_ops;

static struct msgstore_mem *mem_of(struct msgstore *store)
{
    assert(store->ops == &mem_ops);
    return (struct msgstore_mem *)store;
}

static void pending_arrived(struct mem_pending *pending);

static void pending_run(struct loop_task *task)
{
    pending_arrived((struct mem_pending *)((char *)task - offsetof(struct mem_pending, task)));
}

static void pending_fire(struct loop_timer *timer)
{
    pending_arrived((struct mem_pending *)((char *)timer - offsetof(struct mem_pending, timer)));
}

static struct mem_pending *pending_new(struct msgstore_mem *mem, struct loop *loop, size_t extra)
{
    struct mem_pending *pending = calloc(1, sizeof *pending + extra);

    if (pending == NULL) return NULL;
    pending->store = mem;
    pending->loop = loop;
    pending->task.run = pending_run;
    pending->timer.fire = pending_fire;
    return pending;
}

static void pending_send(struct mem_pending *pending, uint64_t delay_ms)
{
    if (pending->store->config.delay_ms_max == 0)
        loop_defer(pending->loop, &pending->task);
    else
        loop_timer_start(pending->loop, &pending->timer, delay_ms);
}

static uint64_t mem_delay(struct msgstore_mem *mem)
{
    return mem->config.delay_ms_max == 0 ? 0 : kith_prng_between(&mem->prng, 0, mem->config.delay_ms_max);
}

/* ------------------------------------------------------------------------------------------------ commits */

static void commit_run_nomem(struct loop_task *task)
{
    struct msgstore_commit *op = (struct msgstore_commit *)((char *)task - offsetof(struct msgstore_commit, task));

    op->err = KITH_E_NOMEM;
    op->done(op);
}

static void mem_commit(struct msgstore *store, struct msgstore_commit *op)
{
    struct msgstore_mem *mem = mem_of(store);
    struct kith_slice records = kith_buf_peek(&op->batch->bytes);
    size_t position_bytes = op->position_count * sizeof op->positions[0];
    struct mem_pending *pending = pending_new(mem, op->loop, position_bytes + records.len);
    uint64_t delay_ms;

    if (pending == NULL) {
        op->task.run = commit_run_nomem;
        loop_defer(op->loop, &op->task);
        return;
    }
    pending->commit = op;
    pending->position_count = op->position_count;
    memcpy(pending->positions, op->positions, position_bytes);
    pending->records = kith_slice_of((uint8_t *)pending->positions + position_bytes, records.len);
    if (records.len > 0) memcpy((uint8_t *)pending->positions + position_bytes, records.ptr, records.len);

    pthread_mutex_lock(&mem->image->lock);
    pending->prev = mem->newest;
    *(mem->newest == NULL ? &mem->oldest : &mem->newest->next) = pending;
    mem->newest = pending;
    mem->pending++;
    delay_ms = mem_delay(mem);
    pthread_mutex_unlock(&mem->image->lock);
    pending_send(pending, delay_ms);
}

static void pending_unlink(struct msgstore_mem *mem, struct mem_pending *pending)
{
    *(pending->prev == NULL ? &mem->oldest : &pending->prev->next) = pending->next;
    *(pending->next == NULL ? &mem->newest : &pending->next->prev) = pending->prev;
    mem->pending--;
}

/** The oldest pending commit of a loop. */
static struct mem_pending *pending_first(struct msgstore_mem *mem, const struct loop *loop)
{
    struct mem_pending *pending = mem->oldest;

    while (pending != NULL && pending->loop != loop) pending = pending->next;
    return pending;
}

static kith_err commit_apply(struct msgstore_mem *mem, struct mem_pending *pending)
{
    struct msgstore_mem_image *image = mem->image;
    kith_err err = pending->err;

    if (err == KITH_OK && image->commits_to_fail > 0) {
        if (image->commits_to_fail != UINT32_MAX) image->commits_to_fail--;
        err = image->commit_err;
    }
    if (err == KITH_OK) err = mem_image_apply(image, pending->records, pending->positions, pending->position_count);
    if (err != KITH_OK) {
        /* A later commit must not claim a position while this one's rows are missing. */
        for (struct mem_pending *later = pending->next; later != NULL; later = later->next)
            if (later->loop == pending->loop) later->err = err;
        return err;
    }
    if (mem->config.flush_one_in > 0 && kith_prng_chance(&mem->prng, 1, mem->config.flush_one_in))
        mem_image_persist(image, (uint32_t)kith_prng_between(&mem->prng, 1, image->unpersisted));
    return KITH_OK;
}

/** `last` came through its delay, and with it all that its loop had called before. */
static void commits_finish(struct msgstore_mem *mem, struct mem_pending *last)
{
    struct loop *loop = last->loop;
    bool more = true;

    while (more) {
        struct mem_pending *pending;
        struct msgstore_commit *op;

        pthread_mutex_lock(&mem->image->lock);
        pending = pending_first(mem, loop);
        op = pending->commit;
        op->err = commit_apply(mem, pending);
        pending_unlink(mem, pending);
        pthread_mutex_unlock(&mem->image->lock);
        more = pending != last;
        if (more) loop_timer_stop(loop, &pending->timer); /* by tasks they come in order: there `last` is the first */
        free(pending);
        op->done(op);
    }
}

/* ------------------------------------------------------------------------------------------------ reads */

static void read_evaluate(struct msgstore_mem *mem, struct msgstore_get *get, struct msgstore_scan *scan)
{
    pthread_mutex_lock(&mem->image->lock);
    if (get != NULL) mem_image_get(mem->image, get);
    if (scan != NULL) mem_image_scan(mem->image, scan);
    pthread_mutex_unlock(&mem->image->lock);
}

static void pending_arrived(struct mem_pending *pending)
{
    struct msgstore_get *get = pending->get;
    struct msgstore_scan *scan = pending->scan;

    if (pending->commit != NULL) {
        commits_finish(pending->store, pending);
        return;
    }
    if (!pending->evaluated) read_evaluate(pending->store, get, scan);
    free(pending);
    if (get != NULL) get->done(get);
    if (scan != NULL) scan->done(scan);
}

static void get_run(struct loop_task *task)
{
    struct msgstore_get *op = (struct msgstore_get *)((char *)task - offsetof(struct msgstore_get, task));
    op->done(op);
}

static void scan_run(struct loop_task *task)
{
    struct msgstore_scan *op = (struct msgstore_scan *)((char *)task - offsetof(struct msgstore_scan, task));
    op->done(op);
}

/** With a delay, a read is answered from the rows at its call or from those at its end: both are allowed. */
static bool read_delayed(struct msgstore_mem *mem, struct loop *loop, struct msgstore_get *get,
                         struct msgstore_scan *scan)
{
    struct mem_pending *pending;
    uint64_t delay_ms;

    if (mem->config.delay_ms_max == 0) return false;
    pending = pending_new(mem, loop, 0);
    if (pending == NULL) return false; /* then without the delay */
    pending->get = get;
    pending->scan = scan;
    pthread_mutex_lock(&mem->image->lock);
    delay_ms = mem_delay(mem);
    pending->evaluated = kith_prng_chance(&mem->prng, 1, 2);
    pthread_mutex_unlock(&mem->image->lock);
    if (pending->evaluated) read_evaluate(mem, get, scan);
    pending_send(pending, delay_ms);
    return true;
}

static void mem_get(struct msgstore *store, struct msgstore_get *op)
{
    struct msgstore_mem *mem = mem_of(store);

    if (read_delayed(mem, op->loop, op, NULL)) return;
    read_evaluate(mem, op, NULL);
    op->task.run = get_run;
    loop_defer(op->loop, &op->task);
}

static void mem_scan(struct msgstore *store, struct msgstore_scan *op)
{
    struct msgstore_mem *mem = mem_of(store);

    if (read_delayed(mem, op->loop, NULL, op)) return;
    read_evaluate(mem, NULL, op);
    op->task.run = scan_run;
    loop_defer(op->loop, &op->task);
}

/* ------------------------------------------------------------------------------------------------ the store as a whole */

static void mem_status(struct msgstore *store, struct msgstore_status *out)
{
    struct msgstore_mem_image *image = mem_of(store)->image;

    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&image->lock);
    out->writable = image->commits_to_fail == 0;
    if (!out->writable)
        (void)snprintf(out->reason, sizeof out->reason, "told to fail with %s", kith_err_name(image->commit_err));
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) out->positions[shard] = mem_image_position(image, shard);
    memcpy(out->positions_persisted, image->positions_persisted, sizeof out->positions_persisted);
    out->bytes_on_disk = image->bytes;
    out->commits = image->commits;
    out->rows_written = image->rows_written;
    pthread_mutex_unlock(&image->lock);
}

static kith_err mem_flush(struct msgstore *store)
{
    struct msgstore_mem_image *image = mem_of(store)->image;
    kith_err err = KITH_OK;

    pthread_mutex_lock(&image->lock);
    if (image->commits_to_fail > 0)
        err = image->commit_err;
    else
        mem_image_persist(image, image->unpersisted);
    pthread_mutex_unlock(&image->lock);
    return err;
}

static void mem_close(struct msgstore *store)
{
    struct msgstore_mem *mem = mem_of(store);

    assert(mem->pending == 0);
    (void)mem_flush(store);
    mem->image->store = NULL;
    free(mem);
}

static const struct msgstore_ops mem_ops = {
    .name = "mem",
    .commit = mem_commit,
    .get = mem_get,
    .scan = mem_scan,
    .status = mem_status,
    .flush = mem_flush,
    .close = mem_close,
};

kith_err msgstore_mem_open(struct msgstore_mem_image *image, const struct msgstore_mem_config *config,
                           struct msgstore **out)
{
    struct msgstore_mem *mem = calloc(1, sizeof *mem);

    *out = NULL;
    if (mem == NULL) return KITH_E_NOMEM;
    assert(image->store == NULL);
    mem->base.ops = &mem_ops;
    mem->image = image;
    mem->config = *config;
    kith_prng_seed(&mem->prng, config->seed);
    image->store = mem;
    *out = &mem->base;
    return KITH_OK;
}

uint32_t msgstore_mem_unpersisted(const struct msgstore_mem_image *image)
{
    return image->unpersisted + (image->store == NULL ? 0 : image->store->pending);
}

void msgstore_mem_crash(struct msgstore_mem_image *image, uint32_t keep)
{
    struct msgstore_mem *mem = image->store;

    while (mem != NULL && mem->oldest != NULL) {
        struct mem_pending *pending = mem->oldest;

        if (image->unpersisted < keep && pending->err == KITH_OK &&
            mem_image_apply(image, pending->records, pending->positions, pending->position_count) != KITH_OK)
            keep = image->unpersisted; /* what follows it cannot have happened either */
        pending_unlink(mem, pending);
        free(pending);
    }
    if (image->unpersisted > keep) mem_image_undo(image, image->unpersisted - keep);
    mem_image_persist(image, image->unpersisted);
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++)
        image->positions_persisted[shard] = mem_image_position(image, shard);
    image->store = NULL;
    free(mem);
}

void msgstore_mem_fail_commits(struct msgstore_mem_image *image, kith_err err, uint32_t count)
{
    pthread_mutex_lock(&image->lock);
    image->commit_err = err;
    image->commits_to_fail = count;
    pthread_mutex_unlock(&image->lock);
}

void msgstore_mem_fail_reads(struct msgstore_mem_image *image, kith_err err, uint32_t count)
{
    pthread_mutex_lock(&image->lock);
    image->read_err = err;
    image->reads_to_fail = count;
    pthread_mutex_unlock(&image->lock);
}
