#include "ports/msgstore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/conformance/msgstore_bench.h"

/* ------------------------------------------------------------------------------------------------ helpers */

static struct kith_slice text(const char *s)
{
    return kith_slice_str(s);
}

static void put(struct msgstore_bench *bench, const char *key, const char *value)
{
    drive_put(&bench->batch, text(key), text(value));
}

/** Commits what was put, as position `position` of shard 1. */
static void commit(struct msgstore_bench *bench, uint64_t position)
{
    assert_int_equal(drive_commit(&bench->loop, bench->store, &bench->batch, 1, position), KITH_OK);
    msgstore_batch_reset(&bench->batch);
}

/** What follows expires_ms in the value of `key` must be `want`; NULL: not found. */
static void check_get(struct msgstore_bench *bench, const char *key, const char *want)
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
static void check_page(struct msgstore_bench *bench, struct page page, const char *want)
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
static bool aborts(void (*wrong)(struct msgstore_bench *bench), struct msgstore_bench *bench)
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
    struct msgstore_bench *bench = *state;
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
    struct msgstore_bench *bench = *state;

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
    struct msgstore_bench *bench = *state;

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
    struct msgstore_bench *bench = *state;
    struct msgstore_status status;

    commit(bench, 77);
    bench->store->ops->status(bench->store, &status);
    assert_int_equal(status.positions[1], 77);
    assert_int_equal(status.commits, 1);
    assert_int_equal(status.rows_written, 0);
}

static void test_msgstore__one_commit_moves_the_positions_of_all_its_shards(void **state)
{
    struct msgstore_bench *bench = *state;
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
    struct msgstore_bench *bench = *state;
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

    msgstore_bench_reopen(bench); /* closing flushes */
    check_get(bench, "M1", "one");
    check_get(bench, "M2", "two");
    bench->store->ops->status(bench->store, &status);
    assert_int_equal(status.positions[1], 6);
    assert_int_equal(status.positions_persisted[1], 6);
}

static void test_msgstore__pending_commits_of_one_loop_apply_in_the_order_of_their_calls(void **state)
{
    enum { MANY = 50 };
    struct msgstore_bench *bench = *state;
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
    struct msgstore_bench *bench = *state;
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

static void put_keys(struct msgstore_bench *bench, const char *const *keys)
{
    for (; *keys != NULL; keys++) put(bench, *keys, "v");
    commit(bench, 1);
}

static void test_msgstore__a_scan_gives_the_keys_with_the_prefix_in_byte_order(void **state)
{
    static const char *const keys[] = {"Lz", "M", "M1", "M10", "M2", "M\xff", "M\xff\xff", "N", NULL};
    struct msgstore_bench *bench = *state;

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
    struct msgstore_bench *bench = *state;

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
    struct msgstore_bench *bench = *state;

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
    struct msgstore_bench *bench = *state;

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
    struct msgstore_bench *bench = *state;

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
    struct msgstore_bench *bench = *state;

    put_keys(bench, keys);
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 54}, "Ma Mb Mc");
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 53}, "Ma Mb +");
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 36, .reverse = true}, "Mc Mb +");
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 18}, "Ma +");
    check_page(bench, (struct page){.prefix = "M", .bytes_max = 17}, "+");
}

static void test_msgstore__the_largest_page_has_4096_rows(void **state)
{
    struct msgstore_bench *bench = *state;
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
    struct msgstore_bench *bench = *state;
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
    struct msgstore_bench *bench = *state;
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

static void wrong_empty_key(struct msgstore_bench *bench)
{
    put(bench, "", "x");
}

static void wrong_reserved_key(struct msgstore_bench *bench)
{
    put(bench, "S\x01\x01", "x");
}

static void wrong_short_value(struct msgstore_bench *bench)
{
    kith_err err = msgstore_batch_put(&bench->batch, text("M"), text("1234567"));
    if (err != KITH_OK) _exit(1);
}

static void wrong_get_long_key(struct msgstore_bench *bench)
{
    uint8_t key[MSGSTORE_KEY_BYTES_MAX + 1] = {'M'};
    struct kith_buf out = {0};
    (void)drive_get(&bench->loop, bench->store, kith_slice_of(key, sizeof key), &out);
}

static void wrong_rows_max_0(struct msgstore_bench *bench)
{
    struct msgstore_scan scan = {.prefix = text("M"), .rows_max = 0};
    (void)drive_scan(&bench->loop, bench->store, &scan);
}

static void wrong_rows_max_4097(struct msgstore_bench *bench)
{
    struct msgstore_scan scan = {.prefix = text("M"), .rows_max = MSGSTORE_ROWS_MAX + 1};
    (void)drive_scan(&bench->loop, bench->store, &scan);
}

static void wrong_no_prefix(struct msgstore_bench *bench)
{
    struct msgstore_scan scan = {.prefix = text(""), .rows_max = 1};
    (void)drive_scan(&bench->loop, bench->store, &scan);
}

static void wrong_no_position(struct msgstore_bench *bench)
{
    (void)drive_commit_many(&bench->loop, bench->store, &bench->batch, NULL, 0);
}

static void wrong_shard(struct msgstore_bench *bench)
{
    (void)drive_commit(&bench->loop, bench->store, &bench->batch, KITH_SHARDS, 1);
}

static void test_msgstore__a_wrong_call_of_our_own_ends_the_process(void **state)
{
    struct msgstore_bench *bench = *state;

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

/* As a history page is read: the next page begins where the last one ended. */
static void test_msgstore__pages_put_together_are_the_whole_table_in_both_directions(void **state)
{
    enum { ROWS = 500 };
    struct msgstore_bench *bench = *state;
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
#define CASE(test, number)                                                                \
    {#test " [adapter " #number "]", test, msgstore_bench_setup, msgstore_bench_teardown, \
     (void *)&msgstore_adapters[number]}
#define ON_EACH(test) CASE(test, 0), CASE(test, 1), CASE(test, 2)

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
