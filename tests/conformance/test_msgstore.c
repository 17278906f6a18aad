#include "ports/msgstore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "adapters/msgstore/msgstore_mem.h"
#include "adapters/msgstore/msgstore_rocksdb.h"
#include "tests/msgstore_drive.h"
#include "tests/temp_dir.h"

/* ------------------------------------------------------------------------------------------------ the adapters */

struct bench {
    const struct adapter *adapter;
    struct plain_loop loop;
    struct msgstore *store;
    struct msgstore_mem_image *image;
    struct temp_dir dir;
    struct msgstore_batch batch;
};

struct adapter {
    const char *name;
    void (*make)(struct bench *bench);  /* what lies under it */
    void (*open)(struct bench *bench);  /* the store */
    void (*clear)(struct bench *bench); /* what make() made */
    uint32_t delay_ms_max;
};

static void mem_make(struct bench *bench)
{
    bench->image = msgstore_mem_image_new();
}

static void mem_open(struct bench *bench)
{
    struct msgstore_mem_config config = {.seed = 1, .delay_ms_max = bench->adapter->delay_ms_max, .flush_one_in = 5};
    assert_int_equal(msgstore_mem_open(bench->image, &config, &bench->store), KITH_OK);
}

static void mem_clear(struct bench *bench)
{
    msgstore_mem_image_free(bench->image);
}

static void rocksdb_make(struct bench *bench)
{
    temp_dir_make(&bench->dir);
}

static void rocksdb_open(struct bench *bench)
{
    /* Small, so that rows are spread over memory and several files soon. */
    struct msgstore_rocksdb_config config = {
        .path = bench->dir.path, .cache_bytes = 1024 * 1024, .write_buffer_bytes = 64 * 1024};
    char problem[256] = "";

    if (msgstore_rocksdb_open(&config, problem, &bench->store) != KITH_OK) fail_msg("%s", problem);
}

static void rocksdb_clear(struct bench *bench)
{
    temp_dir_remove(&bench->dir);
}

static const struct adapter adapters[] = {
    {.name = "mem", .make = mem_make, .open = mem_open, .clear = mem_clear},
    {.name = "mem, late", .make = mem_make, .open = mem_open, .clear = mem_clear, .delay_ms_max = 3},
    {.name = "rocksdb", .make = rocksdb_make, .open = rocksdb_open, .clear = rocksdb_clear},
};
#define MEM     (&adapters[0])
#define ROCKSDB (&adapters[2])

static void bench_open(struct bench *bench, const struct adapter *adapter)
{
    memset(bench, 0, sizeof *bench);
    bench->adapter = adapter;
    plain_loop_init(&bench->loop);
    msgstore_batch_init(&bench->batch);
    adapter->make(bench);
    adapter->open(bench);
}

static void bench_close(struct bench *bench)
{
    bench->store->ops->close(bench->store);
    bench->adapter->clear(bench);
    msgstore_batch_deinit(&bench->batch);
    plain_loop_deinit(&bench->loop);
}

static void bench_reopen(struct bench *bench)
{
    bench->store->ops->close(bench->store);
    bench->adapter->open(bench);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    bench_open(bench, *state);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    bench_close(*state);
    free(*state);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ helpers */

static struct kith_slice text(const char *s)
{
    return kith_slice_str(s);
}

static void put(struct bench *bench, const char *key, const char *value)
{
    drive_put(&bench->batch, text(key), text(value));
}

/** Commits what was put, as position `position` of shard 1. */
static void commit(struct bench *bench, uint64_t position)
{
    assert_int_equal(drive_commit(&bench->loop, bench->store, &bench->batch, 1, position), KITH_OK);
    msgstore_batch_reset(&bench->batch);
}

/** What follows expires_ms in the value of `key` must be `want`; NULL: not found. */
static void check_get(struct bench *bench, const char *key, const char *want)
{
    struct kith_buf value;
    kith_err err;

    kith_buf_init(&value, MSGSTORE_VALUE_BYTES_MAX);
    err = drive_get(&bench->loop, bench->store, text(key), &value);
    assert_int_equal(err, want == NULL ? KITH_E_NOTFOUND : KITH_OK);
    if (want != NULL) {
        struct kith_slice got = kith_buf_peek(&value);
        assert_true(got.len == 8 + strlen(want) && memcmp(got.ptr + 8, want, strlen(want)) == 0);
    }
    kith_buf_deinit(&value);
}

struct page {
    const char *prefix, *from;
    bool reverse;
    uint32_t rows_max;
    size_t bytes_max; /* 0: plenty */
};

/** The keys of a page, joined by spaces, and " +" when there are more. */
static void check_page(struct bench *bench, struct page page, const char *want)
{
    struct msgstore_scan scan = {
        .prefix = text(page.prefix),
        .from = text(page.from == NULL ? "" : page.from),
        .reverse = page.reverse,
        .rows_max = page.rows_max == 0 ? 100 : page.rows_max,
    };
    struct kith_slice rows, key, value;
    char got[1024] = "";
    uint32_t count = 0;
    bool is_put = false;

    kith_buf_init(&scan.rows, page.bytes_max == 0 ? 1024 * 1024 : page.bytes_max);
    assert_int_equal(drive_scan(&bench->loop, bench->store, &scan), KITH_OK);
    rows = kith_buf_peek(&scan.rows);
    while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        size_t at = strlen(got);
        assert_true(is_put);
        (void)snprintf(got + at, sizeof got - at, "%s%.*s", at == 0 ? "" : " ", (int)key.len, (const char *)key.ptr);
        count++;
    }
    assert_int_equal(count, scan.count);
    if (scan.more) (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s+", got[0] == '\0' ? "" : " ");
    assert_string_equal(got, want);
    kith_buf_deinit(&scan.rows);
}

/** True when `wrong` ends the process by an assert. */
static bool aborts(void (*wrong)(struct bench *bench), struct bench *bench)
{
    int status = 0;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        (void)signal(SIGABRT, SIG_DFL);
        wrong(bench);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* ------------------------------------------------------------------------------------------------ get and commit */

static void test_msgstore__an_empty_store_has_no_rows_and_stands_at_position_0(void **state)
{
    struct bench *bench = *state;
    struct msgstore_status status;

    check_get(bench, "M1", NULL);
    check_page(bench, (struct page){.prefix = "M"}, "");
    check_page(bench, (struct page){.prefix = "M", .reverse = true}, "");
    bench->store->ops->status(bench->store, &status);
    assert_true(status.writable);
    assert_string_equal(status.reason, "");
    for (int i = 0; i < KITH_SHARDS; i++) {
        assert_int_equal(status.positions[i], 0);
        assert_int_equal(status.positions_persisted[i], 0);
    }
}

static void test_msgstore__a_committed_row_is_read_back_and_a_deleted_one_is_gone(void **state)
{
    struct bench *bench = *state;

    put(bench, "M1", "one");
    put(bench, "M2", "");
    commit(bench, 1);
    check_get(bench, "M1", "one");
    check_get(bench, "M2", "");
    check_get(bench, "M", NULL);
    check_get(bench, "M11", NULL);
    put(bench, "M1", "uno");
    drive_delete(&bench->batch, text("M2"));
    drive_delete(&bench->batch, text("M3"));
    commit(bench, 2);
    check_get(bench, "M1", "uno");
    check_get(bench, "M2", NULL);
}

static void test_msgstore__in_one_batch_the_later_record_of_a_key_wins(void **state)
{
    struct bench *bench = *state;

    put(bench, "Ma", "first");
    put(bench, "Ma", "second");
    put(bench, "Mb", "gone");
    drive_delete(&bench->batch, text("Mb"));
    drive_delete(&bench->batch, text("Mc"));
    put(bench, "Mc", "back");
    commit(bench, 1);
    check_get(bench, "Ma", "second");
    check_get(bench, "Mb", NULL);
    check_get(bench, "Mc", "back");
}

static void test_msgstore__a_batch_of_no_rows_moves_the_position(void **state)
{
    struct bench *bench = *state;
    struct msgstore_status status;

    commit(bench, 77);
    bench->store->ops->status(bench->store, &status);
    assert_int_equal(status.positions[1], 77);
    assert_int_equal(status.commits, 1);
    assert_int_equal(status.rows_written, 0);
}

static void test_msgstore__one_commit_moves_the_positions_of_all_its_shards(void **state)
{
    struct bench *bench = *state;
    struct msgstore_position positions[KITH_SHARDS];
    struct msgstore_status status;

    for (uint16_t i = 0; i < KITH_SHARDS; i++) positions[i] = (struct msgstore_position){i, 1000u + i};
    put(bench, "M1", "x");
    assert_int_equal(drive_commit_many(&bench->loop, bench->store, &bench->batch, positions, KITH_SHARDS), KITH_OK);
    bench->store->ops->status(bench->store, &status);
    for (uint16_t i = 0; i < KITH_SHARDS; i++) assert_int_equal(status.positions[i], 1000 + i);
    assert_int_equal(status.rows_written, 1);
}

static void test_msgstore__what_was_flushed_is_persisted_and_found_after_reopening(void **state)
{
    struct bench *bench = *state;
    struct msgstore_status status;

    put(bench, "M1", "one");
    commit(bench, 5);
    assert_int_equal(bench->store->ops->flush(bench->store), KITH_OK);
    put(bench, "M2", "two");
    commit(bench, 6);
    bench->store->ops->status(bench->store, &status);
    assert_int_equal(status.positions[1], 6);
    assert_in_range(status.positions_persisted[1], 5, 6);
    assert_true(status.bytes_on_disk > 0);

    bench_reopen(bench); /* closing flushes */
    check_get(bench, "M1", "one");
    check_get(bench, "M2", "two");
    bench->store->ops->status(bench->store, &status);
    assert_int_equal(status.positions[1], 6);
    assert_int_equal(status.positions_persisted[1], 6);
}

static void test_msgstore__pending_commits_of_one_loop_apply_in_the_order_of_their_calls(void **state)
{
    enum { MANY = 50 };
    struct bench *bench = *state;
    struct drive_commit drives[MANY];
    struct msgstore_batch batches[MANY];
    struct msgstore_position positions[MANY];
    struct msgstore_status status;

    for (unsigned i = 0; i < MANY; i++) {
        char value[16];

        (void)snprintf(value, sizeof value, "%u", i);
        msgstore_batch_init(&batches[i]);
        drive_put(&batches[i], text("Mlast"), text(value));
        positions[i] = (struct msgstore_position){.shard = (uint16_t)(i % 3), .position = i};
        drive_commit_start(&drives[i], &bench->loop, bench->store, &batches[i], &positions[i], 1);
    }
    for (unsigned i = 0; i < MANY; i++) {
        plain_loop_until(&bench->loop, &drives[i].done);
        assert_int_equal(drives[i].op.err, KITH_OK);
        assert_int_equal(drives[i].dones, 1);
        msgstore_batch_deinit(&batches[i]);
    }
    check_get(bench, "Mlast", "49");
    bench->store->ops->status(bench->store, &status);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(status.positions[i], MANY - 1 - (MANY - 1 - i) % 3);
}

static void test_msgstore__a_row_is_seen_by_another_loop_once_its_commit_is_done(void **state)
{
    struct bench *bench = *state;
    struct plain_loop other;
    struct kith_buf value;

    plain_loop_init(&other);
    kith_buf_init(&value, 100);
    put(bench, "M1", "one");
    commit(bench, 1);
    assert_int_equal(drive_get(&other, bench->store, text("M1"), &value), KITH_OK);
    assert_int_equal(kith_buf_len(&value), 11);
    kith_buf_deinit(&value);
    plain_loop_deinit(&other);
}

/* ------------------------------------------------------------------------------------------------ scan */

static void put_keys(struct bench *bench, const char *const *keys)
{
    for (; *keys != NULL; keys++) put(bench, *keys, "v");
    commit(bench, 1);
}

static void test_msgstore__a_scan_gives_the_keys_with_the_prefix_in_byte_order(void **state)
{
    static const char *const keys[] = {"Lz", "M", "M1", "M10", "M2", "M\xff", "M\xff\xff", "N", NULL};
    struct bench *bench = *state;

    put_keys(bench, keys);
    check_page(bench, (struct page){.prefix = "M"}, "M M1 M10 M2 M\xff M\xff\xff");
    check_page(bench, (struct page){.prefix = "M", .reverse = true}, "M\xff\xff M\xff M2 M10 M1 M");
    check_page(bench, (struct page){.prefix = "M1"}, "M1 M10");
    check_page(bench, (struct page){.prefix = "M1", .reverse = true}, "M10 M1");
    check_page(bench, (struct page){.prefix = "M\xff"}, "M\xff M\xff\xff");
    check_page(bench, (struct page){.prefix = "M\xff", .reverse = true}, "M\xff\xff M\xff");
    check_page(bench, (struct page){.prefix = "M3"}, "");
    check_page(bench, (struct page){.prefix = "M3", .reverse = true}, "");
    check_page(bench, (struct page){.prefix = "N"}, "N");
    check_page(bench, (struct page){.prefix = "O"}, "");
    check_page(bench, (struct page){.prefix = "O", .reverse = true}, "");
}

static void test_msgstore__a_scan_begins_at_from_which_need_not_exist(void **state)
{
    static const char *const keys[] = {"L9", "Mb", "Md", "Mf", "N0", NULL};
    struct bench *bench = *state;

    put_keys(bench, keys);
    check_page(bench, (struct page){.prefix = "M", .from = "Md"}, "Md Mf");
    check_page(bench, (struct page){.prefix = "M", .from = "Mc"}, "Md Mf");
    check_page(bench, (struct page){.prefix = "M", .from = "Ma"}, "Mb Md Mf");
    check_page(bench, (struct page){.prefix = "M", .from = "Mg"}, "");
    check_page(bench, (struct page){.prefix = "M", .from = "L"}, "Mb Md Mf");
    check_page(bench, (struct page){.prefix = "M", .from = "N"}, "");
    check_page(bench, (struct page){.prefix = "M", .from = "M"}, "Mb Md Mf");
    check_page(bench, (struct page){.prefix = "M", .from = "Md", .reverse = true}, "Md Mb");
    check_page(bench, (struct page){.prefix = "M", .from = "Me", .reverse = true}, "Md Mb");
    check_page(bench, (struct page){.prefix = "M", .from = "Ma", .reverse = true}, "");
    check_page(bench, (struct page){.prefix = "M", .from = "Mz", .reverse = true}, "Mf Md Mb");
    check_page(bench, (struct page){.prefix = "M", .from = "N0", .reverse = true}, "Mf Md Mb");
    check_page(bench, (struct page){.prefix = "M", .from = "L9", .reverse = true}, "");
    check_page(bench, (struct page){.prefix = "M", .from = "M", .reverse = true}, "");
    check_page(bench, (struct page){.prefix = "Md", .from = "M", .reverse = true}, "");
    check_page(bench, (struct page){.prefix = "Md", .from = "M"}, "Md");
}

static void test_msgstore__a_prefix_of_nothing_but_ff_has_no_upper_bound(void **state)
{
    static const char *const keys[] = {"\xfe", "\xff", "\xff\x01", "\xff\xff", "\xff\xff\xff", NULL};
    struct bench *bench = *state;

    put_keys(bench, keys);
    check_page(bench, (struct page){.prefix = "\xff"}, "\xff \xff\x01 \xff\xff \xff\xff\xff");
    check_page(bench, (struct page){.prefix = "\xff", .reverse = true}, "\xff\xff\xff \xff\xff \xff\x01 \xff");
    check_page(bench, (struct page){.prefix = "\xff\xff", .reverse = true}, "\xff\xff\xff \xff\xff");
}

/* RocksDB's filters know prefixes of 17 bytes: shorter and longer ones must not care. */
static void test_msgstore__prefixes_around_17_bytes_all_work(void **state)
{
    static const char *const keys[] = {"Mchat-of-16-bytes",  "Mchat-of-16-bytes1", "Mchat-of-16-bytes2",
                                       "Mchat-of-16-bytet1", "Mchat-of-16-byter9", NULL};
    struct bench *bench = *state;

    put_keys(bench, keys);
    for (int flushed = 0; flushed < 2; flushed++) {
        check_page(bench, (struct page){.prefix = "Mchat-of-16-byte"},
                   "Mchat-of-16-byter9 Mchat-of-16-bytes Mchat-of-16-bytes1 Mchat-of-16-bytes2 Mchat-of-16-bytet1");
        check_page(bench, (struct page){.prefix = "Mchat-of-16-bytes"},
                   "Mchat-of-16-bytes Mchat-of-16-bytes1 Mchat-of-16-bytes2");
        check_page(bench, (struct page){.prefix = "Mchat-of-16-bytes", .reverse = true},
                   "Mchat-of-16-bytes2 Mchat-of-16-bytes1 Mchat-of-16-bytes");
        check_page(bench, (struct page){.prefix = "Mchat-of-16-bytes1"}, "Mchat-of-16-bytes1");
        check_page(bench, (struct page){.prefix = "Mchat-of-16-bytes", .from = "Mchat-of-16-bytes15"},
                   "Mchat-of-16-bytes2");
        check_page(bench, (struct page){.prefix = "Mchat-of-16-bytex"}, "");
        assert_int_equal(bench->store->ops->flush(bench->store), KITH_OK);
    }
}

static void test_msgstore__a_page_of_rows_max_says_whether_there_is_more(void **state)
{
    static const char *const keys[] = {"Ma", "Mb", "Mc", "N", NULL};
    struct bench *bench = *state;

    put_keys(bench, keys);
    check_page(bench, (struct page){.prefix = "M", .rows_max = 1}, "Ma +");
    check_page(bench, (struct page){.prefix = "M", .rows_max = 2}, "Ma Mb +");
    check_page(bench, (struct page){.prefix = "M", .rows_max = 3}, "Ma Mb Mc");
    check_page(bench, (struct page){.prefix = "M", .rows_max = 4}, "Ma Mb Mc");
    check_page(bench, (struct page){.prefix = "M", .rows_max = 2, .reverse = true}, "Mc Mb +");
    check_page(bench, (struct page){.prefix = "M", .rows_max = 3, .reverse = true}, "Mc Mb Ma");
    check_page(bench, (struct page){.prefix = "M", .from = "Mb", .rows_max = 2}, "Mb Mc");
}

/* A record of these is 7 + 2 + 9 = 18 bytes. */
static void test_msgstore__a_full_buffer_ends_the_page_early_and_says_so(void **state)
{
    static const char *const keys[] = {"Ma", "Mb", "Mc", NULL};
    struct bench *bench = *state;

    put_keys(bench, keys);
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 54}, "Ma Mb Mc");
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 53}, "Ma Mb +");
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 36, .reverse = true}, "Mc Mb +");
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 18}, "Ma +");
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 17}, "+");
}

static void test_msgstore__the_largest_page_has_4096_rows(void **state)
{
    struct bench *bench = *state;
    struct msgstore_scan scan = {.prefix = text("M"), .rows_max = MSGSTORE_ROWS_MAX};
    char key[16];

    for (unsigned i = 0; i < MSGSTORE_ROWS_MAX; i++) {
        (void)snprintf(key, sizeof key, "M%05u", i);
        put(bench, key, "");
    }
    commit(bench, 1);
    kith_buf_init(&scan.rows, 1024 * 1024);
    assert_int_equal(drive_scan(&bench->loop, bench->store, &scan), KITH_OK);
    assert_int_equal(scan.count, MSGSTORE_ROWS_MAX);
    assert_false(scan.more);
    put(bench, "M99999", "");
    commit(bench, 2);
    assert_int_equal(drive_scan(&bench->loop, bench->store, &scan), KITH_OK);
    assert_int_equal(scan.count, MSGSTORE_ROWS_MAX);
    assert_true(scan.more);
    kith_buf_deinit(&scan.rows);
}

/* ------------------------------------------------------------------------------------------------ limits */

static void test_msgstore__keys_and_values_at_their_limits_are_kept_and_one_past_is_refused(void **state)
{
    static uint8_t big[MSGSTORE_VALUE_BYTES_MAX + 1];
    struct bench *bench = *state;
    struct kith_slice key = kith_slice_of(big, MSGSTORE_KEY_BYTES_MAX), value;
    struct kith_buf out;

    memset(big + 8, 'M', sizeof big - 8);
    big[0] = 'K';
    value = kith_slice_of(big, MSGSTORE_VALUE_BYTES_MAX);
    assert_int_equal(msgstore_batch_put(&bench->batch, key, value), KITH_OK);
    value.len++;
    assert_int_equal(msgstore_batch_put(&bench->batch, key, value), KITH_E_TOOBIG);
    value.len--;
    key.len++;
    assert_int_equal(msgstore_batch_put(&bench->batch, key, value), KITH_E_TOOBIG);
    assert_int_equal(msgstore_batch_delete(&bench->batch, key), KITH_E_TOOBIG);
    assert_int_equal(bench->batch.rows, 1);
    commit(bench, 1);

    key.len--;
    kith_buf_init(&out, MSGSTORE_VALUE_BYTES_MAX);
    assert_int_equal(drive_get(&bench->loop, bench->store, key, &out), KITH_OK);
    assert_true(kith_slice_eq(kith_buf_peek(&out), value));
    kith_buf_deinit(&out);
    kith_buf_init(&out, MSGSTORE_VALUE_BYTES_MAX - 1);
    assert_int_equal(drive_get(&bench->loop, bench->store, key, &out), KITH_E_TOOBIG);
    kith_buf_deinit(&out);
}

/* Rows of 7 + 9 + 1 MiB / 4 - 16 bytes: 256 of them are the maximum to the byte. */
static void test_msgstore__the_largest_batch_is_committed_and_one_byte_more_is_refused(void **state)
{
    enum { ROW_BYTES = MSGSTORE_BATCH_BYTES_MAX / 256, KEY_BYTES = 9, VALUE_BYTES = ROW_BYTES - 7 - KEY_BYTES };
    struct bench *bench = *state;
    uint8_t *value = calloc(1, VALUE_BYTES);
    char key[16];

    for (unsigned i = 0; i < 256; i++) {
        (void)snprintf(key, sizeof key, "M%08u", i);
        assert_int_equal(msgstore_batch_put(&bench->batch, text(key), kith_slice_of(value, VALUE_BYTES)), KITH_OK);
    }
    assert_int_equal(kith_buf_len(&bench->batch.bytes), MSGSTORE_BATCH_BYTES_MAX);
    assert_int_equal(msgstore_batch_delete(&bench->batch, text("M")), KITH_E_TOOBIG);
    assert_int_equal(bench->batch.rows, 256);
    commit(bench, 1);
    check_page(bench, (struct page){.prefix = "M0000025", .rows_max = 100, .bytes_max = 2 * 1024 * 1024},
               "M00000250 M00000251 M00000252 M00000253 M00000254 M00000255");
    free(value);
}

static void wrong_empty_key(struct bench *bench)
{
    put(bench, "", "x");
}

static void wrong_reserved_key(struct bench *bench)
{
    put(bench, "S\x01\x01", "x");
}

static void wrong_short_value(struct bench *bench)
{
    kith_err err = msgstore_batch_put(&bench->batch, text("M"), text("1234567"));
    if (err != KITH_OK) _exit(1);
}

static void wrong_get_long_key(struct bench *bench)
{
    uint8_t key[MSGSTORE_KEY_BYTES_MAX + 1] = {'M'};
    struct kith_buf out = {0};
    (void)drive_get(&bench->loop, bench->store, kith_slice_of(key, sizeof key), &out);
}

static void wrong_rows_max_0(struct bench *bench)
{
    struct msgstore_scan scan = {.prefix = text("M"), .rows_max = 0};
    (void)drive_scan(&bench->loop, bench->store, &scan);
}

static void wrong_rows_max_4097(struct bench *bench)
{
    struct msgstore_scan scan = {.prefix = text("M"), .rows_max = MSGSTORE_ROWS_MAX + 1};
    (void)drive_scan(&bench->loop, bench->store, &scan);
}

static void wrong_no_prefix(struct bench *bench)
{
    struct msgstore_scan scan = {.prefix = text(""), .rows_max = 1};
    (void)drive_scan(&bench->loop, bench->store, &scan);
}

static void wrong_no_position(struct bench *bench)
{
    (void)drive_commit_many(&bench->loop, bench->store, &bench->batch, NULL, 0);
}

static void wrong_shard(struct bench *bench)
{
    (void)drive_commit(&bench->loop, bench->store, &bench->batch, KITH_SHARDS, 1);
}

static void test_msgstore__a_wrong_call_of_our_own_ends_the_process(void **state)
{
    struct bench *bench = *state;

    assert_true(aborts(wrong_empty_key, bench));
    assert_true(aborts(wrong_reserved_key, bench));
    assert_true(aborts(wrong_short_value, bench));
    assert_true(aborts(wrong_get_long_key, bench));
    assert_true(aborts(wrong_rows_max_0, bench));
    assert_true(aborts(wrong_rows_max_4097, bench));
    assert_true(aborts(wrong_no_prefix, bench));
    assert_true(aborts(wrong_no_position, bench));
    assert_true(aborts(wrong_shard, bench));
}

/* ------------------------------------------------------------------------------------------------ random */

static uint64_t seed_get(void)
{
    const char *given = getenv("SEED");
    return given != NULL ? strtoull(given, NULL, 10) : plain_clock_ms(CLOCK_REALTIME);
}

/** A key from a small space: 5 tables, chats of which many share bytes, tails that are missing, short or long. */
static struct kith_slice random_key(struct kith_prng *prng, uint8_t room[static MSGSTORE_KEY_BYTES_MAX])
{
    static const uint8_t tables[] = {'B', 'M', 'K', 0xfe, 0xff};
    size_t tail = kith_prng_chance(prng, 1, 20) ? MSGSTORE_KEY_BYTES_MAX - 17 : kith_prng_below(prng, 4);

    memset(room, 0xff, MSGSTORE_KEY_BYTES_MAX);
    room[0] = tables[kith_prng_below(prng, sizeof tables)];
    if (kith_prng_chance(prng, 1, 10)) return kith_slice_of(room, 1 + kith_prng_below(prng, 17));
    room[15] = (uint8_t)kith_prng_below(prng, 3);
    room[16] = (uint8_t)(0xfd + kith_prng_below(prng, 3));
    for (size_t i = 0; i < tail; i++)
        room[17 + i] = (uint8_t)(0xfe * kith_prng_below(prng, 2) + kith_prng_below(prng, 2));
    return kith_slice_of(room, 17 + tail);
}

static void random_batch(struct kith_prng *prng, struct msgstore_batch *batch)
{
    static const uint8_t filler[2000];
    uint8_t room[MSGSTORE_KEY_BYTES_MAX];

    msgstore_batch_reset(batch);
    for (uint64_t i = kith_prng_below(prng, 9); i > 0; i--) {
        struct kith_slice key = random_key(prng, room);
        uint8_t stamp[8];

        if (kith_prng_chance(prng, 1, 4)) {
            drive_delete(batch, key);
            continue;
        }
        kith_put_u64_be(stamp, kith_prng_next(prng));
        if (kith_prng_chance(prng, 1, 2))
            drive_put(batch, key, kith_slice_of(stamp, kith_prng_below(prng, 9)));
        else
            drive_put(batch, key, kith_slice_of(filler, kith_prng_below(prng, sizeof filler)));
    }
}

static void compare_get(struct bench *a, struct bench *b, struct kith_prng *prng)
{
    uint8_t room[MSGSTORE_KEY_BYTES_MAX];
    struct kith_slice key = random_key(prng, room);
    size_t bytes_max = kith_prng_chance(prng, 1, 5) ? kith_prng_below(prng, 1000) : 3000;
    struct kith_buf value_a, value_b;

    kith_buf_init(&value_a, bytes_max);
    kith_buf_init(&value_b, bytes_max);
    assert_int_equal(drive_get(&a->loop, a->store, key, &value_a), drive_get(&b->loop, b->store, key, &value_b));
    assert_true(kith_slice_eq(kith_buf_peek(&value_a), kith_buf_peek(&value_b)));
    kith_buf_deinit(&value_a);
    kith_buf_deinit(&value_b);
}

static void compare_scan(struct bench *a, struct bench *b, struct kith_prng *prng)
{
    uint8_t prefix_room[MSGSTORE_KEY_BYTES_MAX], from_room[MSGSTORE_KEY_BYTES_MAX];
    struct msgstore_scan scan_a = {.prefix = random_key(prng, prefix_room)}, scan_b;

    scan_a.prefix.len = 1 + kith_prng_below(prng, scan_a.prefix.len);
    if (kith_prng_chance(prng, 1, 2)) scan_a.from = random_key(prng, from_room);
    if (kith_prng_chance(prng, 1, 2) && scan_a.from.len > scan_a.prefix.len)
        memcpy(from_room, prefix_room, scan_a.prefix.len);
    scan_a.reverse = kith_prng_chance(prng, 1, 2);
    scan_a.rows_max = (uint32_t)kith_prng_between(prng, 1, kith_prng_chance(prng, 1, 2) ? 5 : MSGSTORE_ROWS_MAX);
    scan_b = scan_a;
    kith_buf_init(&scan_a.rows, kith_prng_between(prng, 1, kith_prng_chance(prng, 1, 2) ? 300 : 1000000));
    kith_buf_init(&scan_b.rows, scan_a.rows.bytes_max);
    assert_int_equal(drive_scan(&a->loop, a->store, &scan_a), drive_scan(&b->loop, b->store, &scan_b));
    assert_int_equal(scan_a.count, scan_b.count);
    assert_int_equal(scan_a.more, scan_b.more);
    assert_true(kith_slice_eq(kith_buf_peek(&scan_a.rows), kith_buf_peek(&scan_b.rows)));
    kith_buf_deinit(&scan_a.rows);
    kith_buf_deinit(&scan_b.rows);
}

static void compare_status(struct bench *a, struct bench *b)
{
    struct msgstore_status status_a, status_b;

    a->store->ops->status(a->store, &status_a);
    b->store->ops->status(b->store, &status_b);
    assert_memory_equal(status_a.positions, status_b.positions, sizeof status_a.positions);
    for (int i = 0; i < KITH_SHARDS; i++) {
        assert_true(status_a.positions_persisted[i] <= status_a.positions[i]);
        assert_true(status_b.positions_persisted[i] <= status_b.positions[i]);
    }
}

static void random_op(struct bench *a, struct bench *b, struct kith_prng *prng, uint64_t position)
{
    uint64_t what = kith_prng_below(prng, 1000);
    uint16_t shard = (uint16_t)kith_prng_below(prng, KITH_SHARDS);

    if (what < 400) {
        random_batch(prng, &a->batch);
        assert_int_equal(drive_commit(&a->loop, a->store, &a->batch, shard, position), KITH_OK);
        assert_int_equal(drive_commit(&b->loop, b->store, &a->batch, shard, position), KITH_OK);
    } else if (what < 600) {
        compare_get(a, b, prng);
    } else if (what < 980) {
        compare_scan(a, b, prng);
    } else if (what < 995) {
        compare_status(a, b);
    } else if (what < 997) {
        assert_int_equal(a->store->ops->flush(a->store), KITH_OK);
        assert_int_equal(b->store->ops->flush(b->store), KITH_OK);
    } else if (what < 998) {
        assert_int_equal(msgstore_rocksdb_compact(b->store), KITH_OK);
    } else {
        bench_reopen(a);
        bench_reopen(b);
    }
}

static void test_msgstore__random_operations_give_the_same_on_mem_and_rocksdb(void **state)
{
    enum { OPS = 20000 };
    uint64_t seed = seed_get();
    struct bench *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    struct kith_prng prng;

    (void)state;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    kith_prng_seed(&prng, seed);
    bench_open(a, MEM);
    bench_open(b, ROCKSDB);
    for (uint64_t i = 1; i <= OPS; i++) random_op(a, b, &prng, i);
    bench_close(a);
    bench_close(b);
    free(a);
    free(b);
}

/* As a history page is read: the next page begins where the last one ended. */
static void test_msgstore__pages_put_together_are_the_whole_table_in_both_directions(void **state)
{
    enum { ROWS = 500 };
    struct bench *bench = *state;
    char key[16];

    for (unsigned i = 0; i < ROWS; i++) {
        (void)snprintf(key, sizeof key, "M%05u", i);
        put(bench, key, key);
    }
    put(bench, "L", "");
    put(bench, "N", "");
    commit(bench, 1);
    for (int reverse = 0; reverse < 2; reverse++) {
        struct msgstore_scan scan = {.prefix = text("M"), .reverse = reverse, .rows_max = 7};
        unsigned seen = 0;

        kith_buf_init(&scan.rows, 100000);
        do {
            struct kith_slice rows, at, value;
            bool is_put;

            assert_int_equal(drive_scan(&bench->loop, bench->store, &scan), KITH_OK);
            rows = kith_buf_peek(&scan.rows);
            while (msgstore_batch_next(&rows, &is_put, &at, &value) == KITH_OK) {
                (void)snprintf(key, sizeof key, "M%05u", reverse ? ROWS - 1 - seen : seen);
                assert_true(kith_slice_is(at, key));
                seen++;
            }
            (void)snprintf(key, sizeof key, "M%05u", reverse ? ROWS - 1 - seen : seen);
            scan.from = text(key);
        } while (scan.more);
        assert_int_equal(seen, ROWS);
        kith_buf_deinit(&scan.rows);
    }
}

/* The three adapters, one after the other, for each case. */
#define CASE(test, number) {#test " [adapter " #number "]", test, setup, teardown, (void *)&adapters[number]}
#define ON_EACH(test)      CASE(test, 0), CASE(test, 1), CASE(test, 2)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(test_msgstore__an_empty_store_has_no_rows_and_stands_at_position_0),
        ON_EACH(test_msgstore__a_committed_row_is_read_back_and_a_deleted_one_is_gone),
        ON_EACH(test_msgstore__in_one_batch_the_later_record_of_a_key_wins),
        ON_EACH(test_msgstore__a_batch_of_no_rows_moves_the_position),
        ON_EACH(test_msgstore__one_commit_moves_the_positions_of_all_its_shards),
        ON_EACH(test_msgstore__what_was_flushed_is_persisted_and_found_after_reopening),
        ON_EACH(test_msgstore__pending_commits_of_one_loop_apply_in_the_order_of_their_calls),
        ON_EACH(test_msgstore__a_row_is_seen_by_another_loop_once_its_commit_is_done),
        ON_EACH(test_msgstore__a_scan_gives_the_keys_with_the_prefix_in_byte_order),
        ON_EACH(test_msgstore__a_scan_begins_at_from_which_need_not_exist),
        ON_EACH(test_msgstore__a_prefix_of_nothing_but_ff_has_no_upper_bound),
        ON_EACH(test_msgstore__prefixes_around_17_bytes_all_work),
        ON_EACH(test_msgstore__a_page_of_rows_max_says_whether_there_is_more),
        ON_EACH(test_msgstore__a_full_buffer_ends_the_page_early_and_says_so),
        ON_EACH(test_msgstore__the_largest_page_has_4096_rows),
        ON_EACH(test_msgstore__keys_and_values_at_their_limits_are_kept_and_one_past_is_refused),
        ON_EACH(test_msgstore__the_largest_batch_is_committed_and_one_byte_more_is_refused),
        ON_EACH(test_msgstore__a_wrong_call_of_our_own_ends_the_process),
        ON_EACH(test_msgstore__pages_put_together_are_the_whole_table_in_both_directions),
        cmocka_unit_test(test_msgstore__random_operations_give_the_same_on_mem_and_rocksdb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
