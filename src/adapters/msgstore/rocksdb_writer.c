#include "adapters/msgstore/rocksdb_writer.h"

#include <stdio.h>
#include <time.h>

#include "adapters/msgstore/rocksdb_options.h"

#define WAIT_EVERY_MS 2

static struct msgstore_commit *commit_of(struct loop_task *task)
{
    return (struct msgstore_commit *)((char *)task - offsetof(struct msgstore_commit, task));
}

struct kith_slice rocksdb_position_key(uint8_t out[static ROCKSDB_POSITION_KEY_BYTES], uint16_t shard)
{
    out[0] = MSGSTORE_TABLE_POSITIONS;
    kith_put_u16_be(out + 1, shard);
    return kith_slice_of(out, ROCKSDB_POSITION_KEY_BYTES);
}

/* ------------------------------------------------------------------------------------------------ commits */

static rocksdb_writebatch_t *batch_fill(rocksdb_writebatch_t *to, const struct msgstore_commit *op, uint32_t *rows)
{
    struct kith_slice records = kith_buf_peek(&op->batch->bytes), key, value;
    bool is_put;

    while (msgstore_batch_next(&records, &is_put, &key, &value) == KITH_OK) {
        if (is_put)
            rocksdb_writebatch_put(to, (const char *)key.ptr, key.len, (const char *)value.ptr, value.len);
        else
            rocksdb_writebatch_delete(to, (const char *)key.ptr, key.len);
        (*rows)++;
    }
    for (size_t i = 0; i < op->position_count; i++) {
        uint8_t position_raw[ROCKSDB_POSITION_VALUE_BYTES] = {0}, key_raw[ROCKSDB_POSITION_KEY_BYTES];

        assert(op->positions[i].shard < KITH_SHARDS);
        key = rocksdb_position_key(key_raw, op->positions[i].shard);
        kith_put_u64_be(position_raw + 8, op->positions[i].position);
        rocksdb_writebatch_put(to, (const char *)key.ptr, key.len, (const char *)position_raw, sizeof position_raw);
    }
    return to;
}

/** Writes it now or not at all. KITH_E_AGAIN: RocksDB would make it wait. */
static kith_err writer_write(struct rocksdb_writer *writer, const struct msgstore_commit *op)
{
    _Atomic(rocksdb_writebatch_t *) *spare = &writer->batches[op->positions[0].shard % KITH_SHARDS];
    rocksdb_writebatch_t *batch = atomic_exchange(spare, NULL);
    uint32_t rows = 0;
    char *text = NULL;
    kith_err err;

    if (batch == NULL) batch = rocksdb_writebatch_create();
    rocksdb_set_perf_level(rocksdb_disable); /* of this thread: RocksDB would count each comparison of a key */
    rocksdb_write(writer->db, writer->options, batch_fill(batch, op, &rows), &text);
    rocksdb_writebatch_clear(batch);
    batch = atomic_exchange(spare, batch);
    if (batch != NULL) rocksdb_writebatch_destroy(batch);

    err = rocksdb_error_take(text, NULL, 0);
    if (err == KITH_E_DAMAGED) err = KITH_E_IO;
    if (err != KITH_OK) return err;
    for (size_t i = 0; i < op->position_count; i++)
        atomic_store_explicit(&writer->positions[op->positions[i].shard], op->positions[i].position,
                              memory_order_release);
    atomic_fetch_add_explicit(&writer->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&writer->rows_written, rows, memory_order_relaxed);
    return KITH_OK;
}

static void commit_run(struct loop_task *task)
{
    struct msgstore_commit *op = commit_of(task);
    op->done(op);
}

static void commit_refused_run(struct loop_task *task)
{
    struct msgstore_commit *op = commit_of(task);
    struct rocksdb_writer *writer = op->adapter;

    atomic_fetch_sub(&writer->refused, 1);
    op->done(op);
}

static void commit_refuse(struct rocksdb_writer *writer, struct msgstore_commit *op, kith_err err)
{
    op->err = err;
    op->task.run = commit_refused_run;
    atomic_store(&writer->refused_err, err);
    atomic_fetch_add(&writer->refused, 1);
    loop_defer(op->loop, &op->task);
}

void rocksdb_writer_break(struct rocksdb_writer *writer, const char *what, kith_err err)
{
    pthread_mutex_lock(&writer->lock);
    (void)snprintf(writer->reason, sizeof writer->reason, "%s", what);
    atomic_store(&writer->broken, err);
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
}

static void commit_waited_run(struct loop_task *task)
{
    struct msgstore_commit *op = commit_of(task);
    struct rocksdb_writer *writer = op->adapter;

    if (op->err != KITH_OK) atomic_fetch_sub(&writer->refused, 1);
    atomic_fetch_sub(&writer->waiting, 1);
    op->done(op);
}

/** Hands the commit to the thread; false when it has to be refused after all. */
static bool commit_wait(struct rocksdb_writer *writer, struct msgstore_commit *op)
{
    bool taken;

    pthread_mutex_lock(&writer->lock);
    /* Under the lock: the thread refuses all that waits in one go, and this one must not slip in behind that. */
    taken = atomic_load(&writer->refused) == 0 && atomic_load(&writer->broken) == KITH_OK;
    if (taken) {
        op->task.run = commit_waited_run;
        op->task.next = NULL;
        *writer->slow_last = &op->task;
        writer->slow_last = &op->task.next;
        atomic_fetch_add(&writer->waiting, 1);
        pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->lock);
    return taken;
}

static kith_err writer_refusal(struct rocksdb_writer *writer)
{
    kith_err err = (kith_err)atomic_load(&writer->broken);

    if (err == KITH_OK && atomic_load(&writer->refused) > 0) err = (kith_err)atomic_load(&writer->refused_err);
    return err;
}

void rocksdb_writer_commit(struct rocksdb_writer *writer, struct msgstore_commit *op)
{
    kith_err err = writer_refusal(writer);

    op->adapter = writer;
    if (err == KITH_OK) {
        err = KITH_E_AGAIN;
        if (atomic_load(&writer->waiting) == 0) err = writer_write(writer, op);
        if (err == KITH_OK) {
            op->err = KITH_OK;
            op->task.run = commit_run;
            loop_defer(op->loop, &op->task);
            return;
        }
        if (err == KITH_E_AGAIN) {
            if (commit_wait(writer, op)) return;
            err = writer_refusal(writer);
            if (err == KITH_OK) err = KITH_E_IO;
        }
    }
    commit_refuse(writer, op, err);
}

/* ------------------------------------------------------------------------------------------------ the thread */

/** Refuses every commit that waits. With the lock. */
static void slow_refuse_all(struct rocksdb_writer *writer, kith_err err)
{
    while (writer->slow_first != NULL) {
        struct loop_task *task = writer->slow_first;
        struct msgstore_commit *op = commit_of(task);

        writer->slow_first = task->next;
        op->err = err;
        atomic_store(&writer->refused_err, err);
        atomic_fetch_add(&writer->refused, 1);
        loop_post(op->loop, task);
    }
    writer->slow_last = &writer->slow_first;
}

/** Waits with the lock, until woken or for `ms`. */
static void writer_wait(struct rocksdb_writer *writer, uint64_t ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
}

/** Tries the oldest waiting commit. With the lock, which is given up meanwhile. */
static void slow_write(struct rocksdb_writer *writer)
{
    struct loop_task *task = writer->slow_first;
    struct msgstore_commit *op = commit_of(task);
    kith_err err;

    pthread_mutex_unlock(&writer->lock);
    err = writer_write(writer, op);
    pthread_mutex_lock(&writer->lock);
    if (err == KITH_E_AGAIN) {
        writer_wait(writer, WAIT_EVERY_MS);
    } else if (err == KITH_OK) {
        writer->slow_first = task->next;
        if (writer->slow_first == NULL) writer->slow_last = &writer->slow_first;
        op->err = KITH_OK;
        loop_post(op->loop, task);
    } else {
        slow_refuse_all(writer, err);
    }
}

static void *writer_thread(void *arg)
{
    struct rocksdb_writer *writer = arg;

    pthread_mutex_lock(&writer->lock);
    while (!writer->closing) {
        kith_err broken = (kith_err)atomic_load(&writer->broken);

        if (broken != KITH_OK) slow_refuse_all(writer, broken);
        if (writer->slow_first != NULL)
            slow_write(writer);
        else
            pthread_cond_wait(&writer->wake, &writer->lock);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ the writer as a whole */

void rocksdb_writer_init(struct rocksdb_writer *writer)
{
    pthread_condattr_t attr;

    memset(writer, 0, sizeof *writer);
    writer->slow_last = &writer->slow_first;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->wake, &attr);
    pthread_condattr_destroy(&attr);

    writer->options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(writer->options, 1);
    rocksdb_writeoptions_set_no_slowdown(writer->options, 1);
    writer->flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(writer->flush, 1);
}

void rocksdb_writer_deinit(struct rocksdb_writer *writer)
{
    for (size_t i = 0; i < KITH_SHARDS; i++) {
        rocksdb_writebatch_t *batch = atomic_load(&writer->batches[i]);
        if (batch != NULL) rocksdb_writebatch_destroy(batch);
    }
    rocksdb_writeoptions_destroy(writer->options);
    rocksdb_flushoptions_destroy(writer->flush);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
}

kith_err rocksdb_writer_start(struct rocksdb_writer *writer, rocksdb_t *db)
{
    writer->db = db;
    return pthread_create(&writer->thread, NULL, writer_thread, writer) == 0 ? KITH_OK : KITH_E_NOMEM;
}

void rocksdb_writer_stop(struct rocksdb_writer *writer)
{
    assert(atomic_load(&writer->waiting) == 0 && atomic_load(&writer->refused) == 0);
    pthread_mutex_lock(&writer->lock);
    writer->closing = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    (void)pthread_join(writer->thread, NULL);
}

bool rocksdb_writer_healthy(struct rocksdb_writer *writer, char *reason, size_t reason_bytes)
{
    bool healthy;

    pthread_mutex_lock(&writer->lock);
    healthy = atomic_load(&writer->broken) == KITH_OK;
    (void)snprintf(reason, reason_bytes, "%s", healthy ? "" : writer->reason);
    pthread_mutex_unlock(&writer->lock);
    return healthy;
}

kith_err rocksdb_writer_flush(struct rocksdb_writer *writer)
{
    kith_err err = (kith_err)atomic_load(&writer->broken);
    char *text = NULL;

    if (err != KITH_OK) return err;
    rocksdb_flush(writer->db, writer->flush, &text);
    return rocksdb_error_take(text, NULL, 0);
}
