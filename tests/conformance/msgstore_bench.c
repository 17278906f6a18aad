#include "tests/conformance/msgstore_bench.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void mem_make(struct msgstore_bench *bench)
{
    bench->image = msgstore_mem_image_new();
}

static void mem_open(struct msgstore_bench *bench)
{
    struct msgstore_mem_config config = {.seed = 1, .delay_ms_max = bench->adapter->delay_ms_max, .flush_one_in = 5};
    assert_int_equal(msgstore_mem_open(bench->image, &config, &bench->store), KITH_OK);
}

static void mem_clear(struct msgstore_bench *bench)
{
    msgstore_mem_image_free(bench->image);
}

static void rocksdb_make(struct msgstore_bench *bench)
{
    temp_dir_make(&bench->dir);
}

static void rocksdb_open(struct msgstore_bench *bench)
{
    /* Small, so that rows are spread over memory and several files soon. */
    struct msgstore_rocksdb_config config = {
        .path = bench->dir.path, .cache_bytes = 1024 * 1024, .write_buffer_bytes = 64 * 1024};
    char problem[256] = "";

    if (msgstore_rocksdb_open(&config, problem, &bench->store) != KITH_OK) fail_msg("%s", problem);
}

static void rocksdb_clear(struct msgstore_bench *bench)
{
    temp_dir_remove(&bench->dir);
}

const struct msgstore_adapter msgstore_adapters[] = {
    [MSGSTORE_MEM] = {.name = "mem", .make = mem_make, .open = mem_open, .clear = mem_clear},
    [MSGSTORE_MEM_LATE] =
        {.name = "mem, late", .make = mem_make, .open = mem_open, .clear = mem_clear, .delay_ms_max = 3},
    [MSGSTORE_ROCKSDB] = {.name = "rocksdb", .make = rocksdb_make, .open = rocksdb_open, .clear = rocksdb_clear},
};
#define MEM     (&adapters[0])
#define ROCKSDB (&adapters[2])

void msgstore_bench_open(struct msgstore_bench *bench, const struct msgstore_adapter *adapter)
{
    memset(bench, 0, sizeof *bench);
    bench->adapter = adapter;
    plain_loop_init(&bench->loop);
    msgstore_batch_init(&bench->batch);
    adapter->make(bench);
    adapter->open(bench);
}

void msgstore_bench_close(struct msgstore_bench *bench)
{
    bench->store->ops->close(bench->store);
    bench->adapter->clear(bench);
    msgstore_batch_deinit(&bench->batch);
    plain_loop_deinit(&bench->loop);
}

void msgstore_bench_reopen(struct msgstore_bench *bench)
{
    bench->store->ops->close(bench->store);
    bench->adapter->open(bench);
}

int msgstore_bench_setup(void **state)
{
    struct msgstore_bench *bench = calloc(1, sizeof *bench);

    msgstore_bench_open(bench, *state);
    *state = bench;
    return 0;
}

int msgstore_bench_teardown(void **state)
{
    msgstore_bench_close(*state);
    free(*state);
    return 0;
}
