#ifndef KITH_TESTS_CONFORMANCE_MSGSTORE_BENCH_H
#define KITH_TESTS_CONFORMANCE_MSGSTORE_BENCH_H

#include "adapters/msgstore/msgstore_mem.h"
#include "adapters/msgstore/msgstore_rocksdb.h"
#include "tests/msgstore_drive.h"
#include "tests/temp_dir.h"

/*
 * The adapters of the message store, made and opened in one way, so that one suite runs on all of them.
 */
struct msgstore_bench {
    const struct msgstore_adapter *adapter;
    struct plain_loop loop;
    struct msgstore *store;
    struct msgstore_mem_image *image;
    struct temp_dir dir;
    struct msgstore_batch batch;
};

struct msgstore_adapter {
    const char *name;
    void (*make)(struct msgstore_bench *bench);  /* what lies under it */
    void (*open)(struct msgstore_bench *bench);  /* the store */
    void (*clear)(struct msgstore_bench *bench); /* what make() made */
    uint32_t delay_ms_max;
};

enum { MSGSTORE_MEM, MSGSTORE_MEM_LATE, MSGSTORE_ROCKSDB, MSGSTORE_ADAPTERS };
extern const struct msgstore_adapter msgstore_adapters[];

void msgstore_bench_open(struct msgstore_bench *bench, const struct msgstore_adapter *adapter);
void msgstore_bench_close(struct msgstore_bench *bench);
void msgstore_bench_reopen(struct msgstore_bench *bench);

/* For cmocka: *state is an adapter before, and a bench between the two. */
int msgstore_bench_setup(void **state);
int msgstore_bench_teardown(void **state);

#endif
