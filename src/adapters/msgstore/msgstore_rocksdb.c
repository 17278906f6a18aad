#include "adapters/msgstore/msgstore_rocksdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/msgstore/rocksdb_options.h"
#include "adapters/msgstore/rocksdb_read.h"
#include "adapters/msgstore/rocksdb_shim.h"
#include "adapters/msgstore/rocksdb_writer.h"

#define FLUSH_LOOK_US       5000
#define FLUSH_LOOKS_MAX     12000 /* a minute: a position that cannot be read back must not keep a stop waiting for ever */
#define READ_TIER_PERSISTED 2     /* rocksdb::kPersistedTier: skips what is in memory only */

struct rocks {
    struct msgstore base;
    rocksdb_t *db;
    struct rocksdb_setup setup;
    rocksdb_readoptions_t *read, *read_persisted;
    struct rocksdb_writer writer;
};

static const struct msgstore_ops rocks_ops;

static struct rocks *rocks_of(struct msgstore *store)
{
    assert(store->ops == &rocks_ops);
    return (struct rocks *)store;
}

static void rocks_failed(void *arg, const char *what, bool no_space)
{
    struct rocks *rocks = arg;
    rocksdb_writer_break(&rocks->writer, what, no_space ? KITH_E_NOSPACE : KITH_E_IO);
}

static void rocks_recovered(void *arg)
{
    struct rocks *rocks = arg;
    rocksdb_writer_break(&rocks->writer, "", KITH_OK);
}

static void rocks_commit(struct msgstore *store, struct msgstore_commit *op)
{
    rocksdb_writer_commit(&rocks_of(store)->writer, op);
}

static void get_run(struct loop_task *task)
{
    struct msgstore_get *op = (struct msgstore_get *)((char *)task - offsetof(struct msgstore_get, task));
    op->done(op);
}

static void rocks_get(struct msgstore *store, struct msgstore_get *op)
{
    struct rocks *rocks = rocks_of(store);

    kith_buf_reset(&op->value);
    op->err = rocksdb_read_value(rocks->db, rocks->read, op->key, &op->value);
    op->task.run = get_run;
    loop_defer(op->loop, &op->task);
}

static void scan_run(struct loop_task *task)
{
    struct msgstore_scan *op = (struct msgstore_scan *)((char *)task - offsetof(struct msgstore_scan, task));
    op->done(op);
}

static void rocks_scan(struct msgstore *store, struct msgstore_scan *op)
{
    rocksdb_read_page(rocks_of(store)->db, op);
    op->task.run = scan_run;
    loop_defer(op->loop, &op->task);
}

static kith_err position_read(struct rocks *rocks, const rocksdb_readoptions_t *options, uint16_t shard, uint64_t *out)
{
    uint8_t key[ROCKSDB_POSITION_KEY_BYTES];
    struct kith_buf value;
    kith_err err;

    *out = 0;
    kith_buf_init(&value, ROCKSDB_POSITION_VALUE_BYTES);
    err = rocksdb_read_value(rocks->db, options, rocksdb_position_key(key, shard), &value);
    if (err == KITH_OK && kith_buf_len(&value) != ROCKSDB_POSITION_VALUE_BYTES) err = KITH_E_DAMAGED;
    if (err == KITH_OK) *out = kith_get_u64_be(kith_buf_peek(&value).ptr + 8);
    if (err == KITH_E_NOTFOUND) err = KITH_OK;
    if (err == KITH_E_TOOBIG) err = KITH_E_DAMAGED;
    kith_buf_deinit(&value);
    return err;
}

/* ------------------------------------------------------------------------------------------------ the store as a whole */

/** What cannot be read counts as not persisted: then the log keeps more than it must. */
static uint64_t position_persisted(struct rocks *rocks, uint16_t shard)
{
    uint64_t position = 0;

    return position_read(rocks, rocks->read_persisted, shard, &position) == KITH_OK ? position : 0;
}

static uint64_t position_committed(struct rocks *rocks, uint16_t shard)
{
    return atomic_load_explicit(&rocks->writer.positions[shard], memory_order_acquire);
}

static void rocks_status(struct msgstore *store, struct msgstore_status *out)
{
    struct rocks *rocks = rocks_of(store);

    memset(out, 0, sizeof *out);
    out->writable = rocksdb_writer_healthy(&rocks->writer, out->reason, sizeof out->reason);
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) {
        uint64_t persisted = position_persisted(rocks, shard);
        uint64_t committed = position_committed(rocks, shard);

        /* A flush may persist a batch before its writer, still on the way back, has noted it. */
        out->positions_persisted[shard] = persisted;
        out->positions[shard] = committed > persisted ? committed : persisted;
    }
    (void)rocksdb_property_int(rocks->db, "rocksdb.total-sst-files-size", &out->bytes_on_disk);
    out->commits = atomic_load_explicit(&rocks->writer.commits, memory_order_relaxed);
    out->rows_written = atomic_load_explicit(&rocks->writer.rows_written, memory_order_relaxed);
}

/** RocksDB's own word is not enough: once it has recovered from a full disk, its flush no longer waits. */
static kith_err rocks_flush(struct msgstore *store)
{
    struct rocks *rocks = rocks_of(store);
    uint64_t wanted[KITH_SHARDS];
    uint16_t shard = 0;

    for (uint16_t i = 0; i < KITH_SHARDS; i++) wanted[i] = position_committed(rocks, i);
    for (unsigned looks = 0; looks < FLUSH_LOOKS_MAX; looks++) {
        kith_err err = rocksdb_writer_flush(&rocks->writer);

        if (err != KITH_OK) return err;
        while (shard < KITH_SHARDS && position_persisted(rocks, shard) >= wanted[shard]) shard++;
        if (shard == KITH_SHARDS) return KITH_OK;
        (void)usleep(FLUSH_LOOK_US);
    }
    return KITH_E_IO;
}

kith_err msgstore_rocksdb_compact(struct msgstore *store)
{
    struct rocks *rocks = rocks_of(store);

    rocksdb_compact_range(rocks->db, NULL, 0, NULL, 0);
    return (kith_err)atomic_load(&rocks->writer.broken);
}

/** Frees what there is of it; the writer has stopped. */
static void rocks_free(struct rocks *rocks)
{
    if (rocks->db != NULL) rocksdb_close(rocks->db);
    rocksdb_writer_deinit(&rocks->writer); /* after the database, which may tell of errors until it is closed */
    rocksdb_readoptions_destroy(rocks->read);
    rocksdb_readoptions_destroy(rocks->read_persisted);
    rocksdb_setup_deinit(&rocks->setup);
    free(rocks);
}

static void rocks_close(struct msgstore *store)
{
    struct rocks *rocks = rocks_of(store);
    kith_err err = rocks_flush(store);

    (void)err; /* what could not be flushed, the log has */
    rocksdb_writer_stop(&rocks->writer);
    rocks_free(rocks);
}

static const struct msgstore_ops rocks_ops = {
    .name = "rocksdb",
    .commit = rocks_commit,
    .get = rocks_get,
    .scan = rocks_scan,
    .status = rocks_status,
    .flush = rocks_flush,
    .close = rocks_close,
};

static struct rocks *rocks_new(const struct msgstore_rocksdb_config *config)
{
    struct rocks *rocks = calloc(1, sizeof *rocks);
    struct rocksdb_shim_watch watch = {.failed = rocks_failed, .recovered = rocks_recovered, .arg = rocks};

    if (rocks == NULL) return NULL;
    rocks->base.ops = &rocks_ops;
    rocksdb_writer_init(&rocks->writer);
    rocksdb_setup_init(&rocks->setup, config);
    rocksdb_shim_options_watch(rocks->setup.options, &watch);
    rocksdb_shim_options_hint(rocks->setup.options, ROCKSDB_PREFIX_BYTES);
    rocks->read = rocksdb_readoptions_create();
    rocks->read_persisted = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(rocks->read_persisted, READ_TIER_PERSISTED);
    return rocks;
}

static kith_err open_problem(char problem[static 256], const char *path, const char *what, kith_err err)
{
    const char *hint = "";

    if (err == KITH_E_DAMAGED) hint = "; move the folder away and start again: the log rebuilds what it still has";
    if (strstr(what, "LOCK") != NULL || strstr(what, "lock ") != NULL) hint = "; is another kithd running on it?";
    (void)snprintf(problem, 256, "%.80s: %.80s%s", path, what, hint);
    return err;
}

kith_err msgstore_rocksdb_open(const struct msgstore_rocksdb_config *config, char problem[static 256],
                               struct msgstore **out)
{
    struct rocks *rocks = NULL;
    char *text = NULL;
    char what[128];
    kith_err err;

    *out = NULL;
    problem[0] = '\0';
    if (mkdir(config->path, 0700) != 0 && errno != EEXIST)
        return open_problem(problem, config->path, strerror(errno), errno == ENOSPC ? KITH_E_NOSPACE : KITH_E_IO);
    rocks = rocks_new(config);
    if (rocks == NULL) return KITH_E_NOMEM;

    rocks->db = rocksdb_open(rocks->setup.options, config->path, &text);
    err = rocksdb_error_take(text, what, sizeof what);
    for (uint16_t shard = 0; shard < KITH_SHARDS && err == KITH_OK; shard++) {
        uint64_t position = 0;

        err = position_read(rocks, rocks->read, shard, &position);
        if (err != KITH_OK) (void)snprintf(what, sizeof what, "the position of shard %u cannot be read", shard);
        atomic_store(&rocks->writer.positions[shard], position);
    }
    if (err == KITH_OK) {
        err = rocksdb_writer_start(&rocks->writer, rocks->db);
        if (err != KITH_OK) (void)snprintf(what, sizeof what, "no thread could be started");
    }
    if (err != KITH_OK) {
        rocks_free(rocks);
        return open_problem(problem, config->path, what, err);
    }
    *out = &rocks->base;
    return KITH_OK;
}
