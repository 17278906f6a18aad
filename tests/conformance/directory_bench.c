#include "tests/conformance/directory_bench.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void mem_make(struct directory_bench *bench)
{
    bench->image = directory_mem_image_new(directory_tables);
}

static void mem_open(struct directory_bench *bench)
{
    struct directory_mem_config config = {.seed = 1, .delay_ms_max = bench->adapter->delay_ms_max};
    assert_int_equal(directory_mem_open(bench->image, &config, &bench->directory), KITH_OK);
}

static void mem_clear(struct directory_bench *bench)
{
    directory_mem_image_free(bench->image);
}

static void sqlite_make(struct directory_bench *bench)
{
    temp_dir_make(&bench->dir);
}

static void sqlite_open(struct directory_bench *bench)
{
    char path[160], problem[256] = "";
    struct directory_sqlite_config config = {.path = path, .tables = directory_tables};

    (void)snprintf(path, sizeof path, "%s/directory.db", bench->dir.path);
    if (directory_sqlite_open(&config, problem, &bench->directory) != KITH_OK) fail_msg("%s", problem);
}

static void sqlite_clear(struct directory_bench *bench)
{
    temp_dir_remove(&bench->dir);
}

const struct directory_adapter directory_adapters[] = {
    [DIRECTORY_MEM] = {.name = "mem", .make = mem_make, .open = mem_open, .clear = mem_clear},
    [DIRECTORY_MEM_LATE] =
        {.name = "mem, late", .make = mem_make, .open = mem_open, .clear = mem_clear, .delay_ms_max = 3},
    [DIRECTORY_SQLITE] =
        {.name = "sqlite", .make = sqlite_make, .open = sqlite_open, .clear = sqlite_clear, .own_thread = true},
};
#define MEM    (&adapters[0])
#define SQLITE (&adapters[2])

void directory_bench_open(struct directory_bench *bench, const struct directory_adapter *adapter)
{
    memset(bench, 0, sizeof *bench);
    bench->adapter = adapter;
    plain_loop_init(&bench->loop);
    adapter->make(bench);
    adapter->open(bench);
}

void directory_bench_close(struct directory_bench *bench)
{
    bench->directory->ops->close(bench->directory);
    bench->adapter->clear(bench);
    plain_loop_deinit(&bench->loop);
}

void directory_bench_reopen(struct directory_bench *bench)
{
    bench->directory->ops->close(bench->directory);
    bench->adapter->open(bench);
}

int directory_bench_setup(void **state)
{
    struct directory_bench *bench = calloc(1, sizeof *bench);

    directory_bench_open(bench, *state);
    *state = bench;
    return 0;
}

int directory_bench_teardown(void **state)
{
    directory_bench_close(*state);
    free(*state);
    return 0;
}
