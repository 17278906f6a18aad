#ifndef KITH_TESTS_CONFORMANCE_DIRECTORY_BENCH_H
#define KITH_TESTS_CONFORMANCE_DIRECTORY_BENCH_H

#include "adapters/directory/directory_mem.h"
#include "adapters/directory/directory_sqlite.h"
#include "ports/tables.h"
#include "tests/directory_drive.h"
#include "tests/temp_dir.h"

/*
 * The adapters of the directory, made and opened in one way, so that one suite runs on all of them.
 */
struct directory_bench {
    const struct directory_adapter *adapter;
    struct plain_loop loop;
    struct directory *directory;
    struct directory_mem_image *image;
    struct temp_dir dir;
};

struct directory_adapter {
    const char *name;
    void (*make)(struct directory_bench *bench);
    void (*open)(struct directory_bench *bench);
    void (*clear)(struct directory_bench *bench);
    uint32_t delay_ms_max;
    bool own_thread;
};

enum { DIRECTORY_MEM, DIRECTORY_MEM_LATE, DIRECTORY_SQLITE, DIRECTORY_ADAPTERS };
extern const struct directory_adapter directory_adapters[];

void directory_bench_open(struct directory_bench *bench, const struct directory_adapter *adapter);
void directory_bench_close(struct directory_bench *bench);
void directory_bench_reopen(struct directory_bench *bench);

/* For cmocka: *state is an adapter before, and a bench between the two. */
int directory_bench_setup(void **state);
int directory_bench_teardown(void **state);

#endif
