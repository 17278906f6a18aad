#include "adapters/msgstore/msgstore_rocksdb.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/msgstore_drive.h"
#include "tests/temp_dir.h"

/* What RocksDB brings with it: crashes, full disks, damage, many loops. The port itself: test_msgstore. */

static kith_err store_open(const char *path, uint64_t write_buffer_bytes, struct msgstore **store)
{
    struct msgstore_rocksdb_config config = {
        .path = path, .cache_bytes = 1024 * 1024, .write_buffer_bytes = write_buffer_bytes};
    char problem[256] = "";
    kith_err err = msgstore_rocksdb_open(&config, problem, store);

    if (err != KITH_OK) print_message("%s\n", problem);
    return err;
}

static struct kith_slice key_of(char room[static 32], unsigned shard, unsigned n)
{
    (void)snprintf(room, 32, "Mshard-%02u-%08u", shard, n);
    return kith_slice_str(room);
}

/** Commit n of a shard, from 1: its own row, "last" of the shard, and three rows that repeat n. */
static void numbered_fill(struct msgstore_batch *batch, unsigned shard, unsigned n, size_t filler_bytes)
{
    struct kith_prng prng;
    uint8_t filler[4096], stamp[8];
    char room[32];

    kith_prng_seed(&prng, n);
    kith_prng_bytes(&prng, filler, filler_bytes); /* not to be compressed away */
    msgstore_batch_reset(batch);
    kith_put_u64_be(stamp, n);
    drive_put(batch, key_of(room, shard, n), kith_slice_of(filler, filler_bytes));
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(room, sizeof room, "P%02u-%u", shard, i);
        drive_put(batch, kith_slice_str(room), kith_slice_of(stamp, sizeof stamp));
    }
}

/** The numbers in the four rows of a shard, which are equal in every whole commit; 0: no rows. */
static uint64_t numbered_read(struct plain_loop *loop, struct msgstore *store, unsigned shard)
{
    struct msgstore_scan scan = {.rows_max = 10};
    struct kith_slice rows, key, value;
    uint64_t first = 0;
    unsigned count = 0;
    char room[32];
    bool is_put;

    (void)snprintf(room, sizeof room, "P%02u-", shard);
    scan.prefix = kith_slice_str(room);
    kith_buf_init(&scan.rows, 1000);
    assert_int_equal(drive_scan(loop, store, &scan), KITH_OK);
    rows = kith_buf_peek(&scan.rows);
    while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
        uint64_t n = kith_get_u64_be(value.ptr + 8);

        if (count++ == 0) first = n;
        assert_int_equal(n, first);
    }
    assert_true(count == 0 || count == 4);
    kith_buf_deinit(&scan.rows);
    return first;
}

/* ------------------------------------------------------------------------------------------------ other processes */

/** Starts this program again, as one that only plays `role`: RocksDB's threads do not survive a plain fork(). */
static pid_t role_start(const char *role, const char *path, uint64_t seed, int tell)
{
    char seed_text[24], tell_text[24];
    pid_t child;

    (void)snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
    (void)snprintf(tell_text, sizeof tell_text, "%d", tell);
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        (void)execl("/proc/self/exe", "test_msgstore_rocksdb", role, path, seed_text, tell_text, (char *)NULL);
        _exit(9);
    }
    return child;
}

/* ------------------------------------------------------------------------------------------------ crashes */

enum { CRASH_SHARDS = 5 };

/** The process that dies: commits for a while, tells what was persisted, and is killed by itself. */
static void crash_child(const char *path, uint64_t seed, int tell)
{
    struct plain_loop loop;
    struct msgstore *store = NULL;
    struct msgstore_batch batch;
    struct msgstore_status status;
    struct kith_prng prng;
    unsigned n[CRASH_SHARDS] = {0};

    kith_prng_seed(&prng, seed);
    plain_loop_init(&loop);
    msgstore_batch_init(&batch);
    if (store_open(path, 64 * 1024, &store) != KITH_OK) _exit(1);
    store->ops->status(store, &status);
    for (unsigned i = 0; i < CRASH_SHARDS; i++) n[i] = (unsigned)status.positions[i];
    for (uint64_t left = kith_prng_between(&prng, 1, 1000), half = left / 2; left > 0; left--) {
        unsigned shard = (unsigned)kith_prng_below(&prng, CRASH_SHARDS);

        numbered_fill(&batch, shard, ++n[shard], kith_prng_below(&prng, 1000));
        if (drive_commit(&loop, store, &batch, (uint16_t)shard, n[shard]) != KITH_OK) _exit(2);
        if (left == half && store->ops->flush(store) != KITH_OK) _exit(3);
    }
    store->ops->status(store, &status);
    if (write(tell, &status, sizeof status) != sizeof status) _exit(4);
    (void)raise(SIGKILL);
}

/** Rows 1 to the shard's position, no other, and the four that repeat it. */
static void check_shard(struct plain_loop *loop, struct msgstore *store, unsigned shard, uint64_t position)
{
    struct msgstore_scan scan = {.rows_max = MSGSTORE_ROWS_MAX};
    struct kith_slice rows, key, value;
    char prefix[32], from[32], want[32];
    uint64_t seen = 0;
    bool is_put;

    assert_int_equal(numbered_read(loop, store, shard), position);
    (void)snprintf(prefix, sizeof prefix, "Mshard-%02u-", shard);
    scan.prefix = kith_slice_str(prefix);
    kith_buf_init(&scan.rows, 16 * 1024 * 1024);
    do {
        scan.from = key_of(from, shard, (unsigned)seen + 1);
        assert_int_equal(drive_scan(loop, store, &scan), KITH_OK);
        rows = kith_buf_peek(&scan.rows);
        while (msgstore_batch_next(&rows, &is_put, &key, &value) == KITH_OK) {
            seen++;
            assert_true(kith_slice_eq(key, key_of(want, shard, (unsigned)seen)));
        }
    } while (scan.more);
    assert_int_equal(seen, position);
    kith_buf_deinit(&scan.rows);
}

static void test_msgstore_rocksdb__kill_9_leaves_a_prefix_of_the_commits_and_their_positions(void **state)
{
    enum { CYCLES = 25 };
    struct temp_dir dir;
    unsigned lost = 0;

    (void)state;
    temp_dir_make(&dir);
    for (uint64_t seed = 0; seed < CYCLES; seed++) {
        struct msgstore_status before, after;
        struct msgstore *store = NULL;
        struct plain_loop loop;
        int pipe_fd[2], exit_status = 0;
        pid_t child;

        assert_int_equal(pipe(pipe_fd), 0);
        child = role_start("crash", dir.path, seed, pipe_fd[1]);
        assert_int_equal(waitpid(child, &exit_status, 0), child);
        assert_true(WIFSIGNALED(exit_status) && WTERMSIG(exit_status) == SIGKILL);
        assert_int_equal(read(pipe_fd[0], &before, sizeof before), sizeof before);
        (void)close(pipe_fd[0]);
        (void)close(pipe_fd[1]);

        plain_loop_init(&loop);
        assert_int_equal(store_open(dir.path, 64 * 1024, &store), KITH_OK);
        store->ops->status(store, &after);
        for (unsigned shard = 0; shard < CRASH_SHARDS; shard++) {
            /* What was said to be persisted is there: the log was perhaps cut by it. */
            assert_in_range(after.positions[shard], before.positions_persisted[shard], before.positions[shard]);
            lost += after.positions[shard] < before.positions[shard];
            check_shard(&loop, store, shard, after.positions[shard]);
        }
        store->ops->close(store);
        plain_loop_deinit(&loop);
    }
    assert_true(lost > 0);
    temp_dir_remove(&dir);
}

/* ------------------------------------------------------------------------------------------------ full disk */

static void ballast(const char *dir, off_t leave)
{
    char path[160];
    int fd;
    char block[4096] = {1};
    off_t bytes = 0;

    (void)snprintf(path, sizeof path, "%s/ballast", dir);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    while (write(fd, block, sizeof block) == sizeof block) bytes += (off_t)sizeof block;
    if (ftruncate(fd, bytes > leave ? bytes - leave : 0) != 0) _exit(9);
    (void)close(fd);
}

#define CHECK(what)                                                  \
    do {                                                             \
        if (!(what)) {                                               \
            (void)fprintf(stderr, "line %d: " #what "\n", __LINE__); \
            _exit(1);                                                \
        }                                                            \
    } while (0)

/** In a mount namespace of its own. Exits 77 when this machine gives none. */
static void full_disk_child(const char *dir)
{
    struct msgstore *store = NULL;
    struct msgstore_batch batch;
    struct msgstore_status status;
    struct plain_loop loop;
    kith_err err = KITH_OK;
    unsigned n = 0, last;
    char path[160];

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=16m") != 0)
        _exit(77);
    plain_loop_init(&loop);
    msgstore_batch_init(&batch);
    (void)snprintf(path, sizeof path, "%s/store", dir);
    CHECK(store_open(path, 256 * 1024, &store) == KITH_OK);
    for (; n < 100; n++) {
        numbered_fill(&batch, 1, n + 1, 1000);
        CHECK(drive_commit(&loop, store, &batch, 1, n + 1) == KITH_OK);
    }
    ballast(dir, 100 * 1024);
    for (unsigned i = 0; i < 20000 && err == KITH_OK; i++) {
        numbered_fill(&batch, 1, n + 1, 1000 + n % 1000);
        err = drive_commit(&loop, store, &batch, 1, n + 1);
        if (err == KITH_OK) n++;
    }
    CHECK(err == KITH_E_NOSPACE);
    store->ops->status(store, &status);
    CHECK(!status.writable && strstr(status.reason, "No space left") != NULL);
    CHECK(status.positions[1] == n && status.positions_persisted[1] < n);
    CHECK(store->ops->flush(store) == KITH_E_NOSPACE);
    CHECK(numbered_read(&loop, store, 1) == n); /* reads go on */
    (void)usleep(2500 * 1000);                  /* it tries in vain, and stays as it is */
    CHECK(drive_commit(&loop, store, &batch, 1, n + 1) == KITH_E_NOSPACE);
    store->ops->status(store, &status);
    CHECK(!status.writable && strstr(status.reason, "No space left") != NULL);
    CHECK(numbered_read(&loop, store, 1) == n);

    last = n;
    (void)snprintf(path, sizeof path, "%s/ballast", dir);
    CHECK(unlink(path) == 0);
    for (uint64_t end_ms = plain_now_ms(&loop.base) + 30000; plain_now_ms(&loop.base) < end_ms;) {
        numbered_fill(&batch, 1, n + 1, 100);
        err = drive_commit(&loop, store, &batch, 1, n + 1);
        if (err == KITH_OK) break;
        (void)usleep(10000);
    }
    CHECK(err == KITH_OK);
    n++;
    store->ops->status(store, &status);
    CHECK(status.writable && status.reason[0] == '\0');
    CHECK(status.positions_persisted[1] >= last); /* resuming has flushed */
    store->ops->close(store);
    (void)snprintf(path, sizeof path, "%s/store", dir);
    CHECK(store_open(path, 256 * 1024, &store) == KITH_OK);
    check_shard(&loop, store, 1, n);
    store->ops->close(store);
    _exit(0);
}

static void test_msgstore_rocksdb__a_full_disk_refuses_commits_serves_reads_and_heals_by_itself(void **state)
{
    struct temp_dir dir;
    int status = 0;
    pid_t child;

    (void)state;
    temp_dir_make(&dir);
    child = role_start("full-disk", dir.path, 0, 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    temp_dir_remove(&dir);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ------------------------------------------------------------------------------------------------ expiry, damage */

static void test_msgstore_rocksdb__compaction_drops_expired_rows_and_no_others(void **state)
{
    struct temp_dir dir;
    struct msgstore *store = NULL;
    struct msgstore_batch batch;
    struct plain_loop loop;
    struct msgstore_scan scan = {.prefix = kith_slice_str("M"), .rows_max = 10};
    uint64_t now_ms = plain_clock_ms(CLOCK_REALTIME);
    uint64_t times[] = {0, 1, now_ms - 1000, now_ms + 3600000, UINT64_MAX};
    char room[32];

    (void)state;
    temp_dir_make(&dir);
    plain_loop_init(&loop);
    msgstore_batch_init(&batch);
    assert_int_equal(store_open(dir.path, 0, &store), KITH_OK);
    for (unsigned i = 0; i < 5; i++) {
        uint8_t value[8];

        kith_put_u64_be(value, times[i]);
        assert_int_equal(msgstore_batch_put(&batch, key_of(room, 0, i), kith_slice_of(value, 8)), KITH_OK);
    }
    assert_int_equal(drive_commit(&loop, store, &batch, 3, 9), KITH_OK);
    assert_int_equal(msgstore_rocksdb_compact(store), KITH_OK); /* the first only moves them out of memory */
    assert_int_equal(msgstore_rocksdb_compact(store), KITH_OK);
    kith_buf_init(&scan.rows, 1000);
    assert_int_equal(drive_scan(&loop, store, &scan), KITH_OK);
    assert_int_equal(scan.count, 3);
    store->ops->close(store);
    assert_int_equal(store_open(dir.path, 0, &store), KITH_OK);
    struct msgstore_status status;
    store->ops->status(store, &status);
    assert_int_equal(status.positions[3], 9);
    store->ops->close(store);
    kith_buf_deinit(&scan.rows);
    msgstore_batch_deinit(&batch);
    temp_dir_remove(&dir);
}

static int flip_one(const char *path, const struct stat *at, int type, struct FTW *walk)
{
    size_t len = strlen(path);
    uint8_t byte = 0;
    int fd;

    (void)walk;
    if (type != FTW_F || len < 4 || strcmp(path + len - 4, ".sst") != 0) return 0;
    fd = open(path, O_RDWR | O_CLOEXEC);
    for (off_t offset = 20; offset < at->st_size / 2; offset += 500) {
        if (pread(fd, &byte, 1, offset) != 1) abort();
        byte ^= 0x10;
        if (pwrite(fd, &byte, 1, offset) != 1) abort();
    }
    (void)close(fd);
    return 0;
}

static void test_msgstore_rocksdb__a_flipped_bit_on_disk_is_reported_as_damage(void **state)
{
    struct temp_dir dir;
    struct msgstore *store = NULL;
    struct msgstore_batch batch;
    struct plain_loop loop;
    struct kith_buf value;
    struct msgstore_scan scan = {.prefix = kith_slice_str("M"), .rows_max = 1000};
    char room[32];

    (void)state;
    temp_dir_make(&dir);
    plain_loop_init(&loop);
    msgstore_batch_init(&batch);
    assert_int_equal(store_open(dir.path, 0, &store), KITH_OK);
    for (unsigned n = 1; n <= 200; n++) {
        numbered_fill(&batch, 1, n, 1000);
        assert_int_equal(drive_commit(&loop, store, &batch, 1, n), KITH_OK);
    }
    store->ops->close(store);
    (void)nftw(dir.path, flip_one, 16, FTW_PHYS);

    assert_int_equal(store_open(dir.path, 0, &store), KITH_OK);
    kith_buf_init(&value, 2000);
    kith_buf_init(&scan.rows, 1000000);
    assert_int_equal(drive_get(&loop, store, key_of(room, 1, 1), &value), KITH_E_DAMAGED);
    assert_int_equal(drive_scan(&loop, store, &scan), KITH_E_DAMAGED);
    kith_buf_deinit(&value);
    kith_buf_deinit(&scan.rows);
    store->ops->close(store);
    msgstore_batch_deinit(&batch);
    temp_dir_remove(&dir);
}

static void test_msgstore_rocksdb__what_cannot_be_opened_is_explained(void **state)
{
    struct temp_dir dir;
    struct msgstore *store = NULL, *second = NULL;
    struct msgstore_rocksdb_config config;
    char problem[256], path[160];
    struct stat at;
    FILE *file;

    (void)state;
    temp_dir_make(&dir);
    (void)snprintf(path, sizeof path, "%s/store", dir.path);
    config = (struct msgstore_rocksdb_config){.path = path};
    assert_int_equal(msgstore_rocksdb_open(&config, problem, &store), KITH_OK);
    assert_int_equal(stat(path, &at), 0);
    assert_int_equal(at.st_mode & 0777, 0700);

    assert_int_equal(msgstore_rocksdb_open(&config, problem, &second), KITH_E_IO);
    assert_non_null(strstr(problem, "is another kithd running on it?"));
    assert_null(second);
    store->ops->close(store);

    config.path = "/nowhere/at/all";
    assert_int_equal(msgstore_rocksdb_open(&config, problem, &second), KITH_E_IO);
    assert_non_null(strstr(problem, "No such file"));

    config.path = path;
    (void)snprintf(path + strlen(path), 20, "/CURRENT");
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("nonsense\n", file);
    (void)fclose(file);
    path[strlen(path) - strlen("/CURRENT")] = '\0';
    assert_int_equal(msgstore_rocksdb_open(&config, problem, &second), KITH_E_DAMAGED);
    assert_non_null(strstr(problem, "the log rebuilds what it still has"));
    temp_dir_remove(&dir);
}

/* ------------------------------------------------------------------------------------------------ many loops */

enum { WRITERS = 3, COMMITS = 3000 };

struct worker {
    struct msgstore *store;
    unsigned shard;
    size_t filler_bytes;
    pthread_t thread;
    _Atomic bool *stop;
};

static void *writer_main(void *arg)
{
    enum { DEEP = 8 };
    struct worker *worker = arg;
    struct drive_commit drives[DEEP];
    struct msgstore_batch batches[DEEP];
    struct msgstore_position positions[DEEP];
    struct plain_loop loop;

    plain_loop_init(&loop);
    for (unsigned i = 0; i < DEEP; i++) msgstore_batch_init(&batches[i]);
    for (unsigned n = 1; n <= COMMITS; n++) {
        unsigned at = n % DEEP;

        if (n > DEEP) {
            plain_loop_until(&loop, &drives[at].done);
            assert_int_equal(drives[at].op.err, KITH_OK);
        }
        numbered_fill(&batches[at], worker->shard, n, worker->filler_bytes);
        positions[at] = (struct msgstore_position){.shard = (uint16_t)worker->shard, .position = n};
        drive_commit_start(&drives[at], &loop, worker->store, &batches[at], &positions[at], 1);
    }
    for (unsigned i = 0; i < DEEP; i++) {
        plain_loop_until(&loop, &drives[i].done);
        assert_int_equal(drives[i].op.err, KITH_OK);
        msgstore_batch_deinit(&batches[i]);
    }
    plain_loop_deinit(&loop);
    return NULL;
}

static void *reader_main(void *arg)
{
    struct worker *worker = arg;
    uint64_t before[WRITERS] = {0};
    struct plain_loop loop;

    plain_loop_init(&loop);
    while (!atomic_load(worker->stop)) {
        struct msgstore_status status;

        for (unsigned shard = 0; shard < WRITERS; shard++) {
            uint64_t n = numbered_read(&loop, worker->store, shard); /* checks that a commit is seen whole */
            assert_true(n >= before[shard]);
            before[shard] = n;
        }
        worker->store->ops->status(worker->store, &status);
        for (unsigned shard = 0; shard < WRITERS; shard++)
            assert_true(status.positions_persisted[shard] <= status.positions[shard]);
    }
    plain_loop_deinit(&loop);
    return NULL;
}

/* Buffers this small fill faster than they are flushed: commits have to wait, and must neither block nor overtake. */
static void test_msgstore_rocksdb__loops_write_and_read_at_once_even_when_it_stalls(void **state)
{
    struct worker workers[WRITERS], reader;
    struct temp_dir dir;
    struct msgstore *store = NULL;
    struct plain_loop loop;
    _Atomic bool stop = false;

    (void)state;
    temp_dir_make(&dir);
    plain_loop_init(&loop);
    assert_int_equal(store_open(dir.path, 64 * 1024, &store), KITH_OK);
    for (unsigned i = 0; i < WRITERS; i++) {
        workers[i] = (struct worker){.store = store, .shard = i, .filler_bytes = 3000};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, writer_main, &workers[i]), 0);
    }
    reader = (struct worker){.store = store, .stop = &stop};
    assert_int_equal(pthread_create(&reader.thread, NULL, reader_main, &reader), 0);
    for (unsigned i = 0; i < WRITERS; i++) (void)pthread_join(workers[i].thread, NULL);
    atomic_store(&stop, true);
    (void)pthread_join(reader.thread, NULL);
    for (unsigned i = 0; i < WRITERS; i++) check_shard(&loop, store, i, COMMITS);
    store->ops->close(store);
    temp_dir_remove(&dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msgstore_rocksdb__kill_9_leaves_a_prefix_of_the_commits_and_their_positions),
        cmocka_unit_test(test_msgstore_rocksdb__a_full_disk_refuses_commits_serves_reads_and_heals_by_itself),
        cmocka_unit_test(test_msgstore_rocksdb__compaction_drops_expired_rows_and_no_others),
        cmocka_unit_test(test_msgstore_rocksdb__a_flipped_bit_on_disk_is_reported_as_damage),
        cmocka_unit_test(test_msgstore_rocksdb__what_cannot_be_opened_is_explained),
        cmocka_unit_test(test_msgstore_rocksdb__loops_write_and_read_at_once_even_when_it_stalls),
    };

    if (argc == 5 && strcmp(argv[1], "crash") == 0)
        crash_child(argv[2], strtoull(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "full-disk") == 0) full_disk_child(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
