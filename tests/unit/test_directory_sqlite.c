#include "adapters/directory/directory_sqlite.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "adapters/directory/sqlite_schema.h"
#include "adapters/directory/sqlite_tx.h"
#include "base/prng.h"
#include "ports/tables.h"
#include "tests/directory_drive.h"
#include "tests/temp_dir.h"

/* What SQLite brings with it: files, schema, crashes, full disks. The port itself: test_directory. */
struct rig {
    struct plain_loop loop;
    struct directory *directory;
    struct temp_dir dir;
    char path[160], problem[256];
};

static void rig_make(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    plain_loop_init(&rig->loop);
    temp_dir_make(&rig->dir);
    (void)snprintf(rig->path, sizeof rig->path, "%s/directory.db", rig->dir.path);
}

static kith_err rig_open(struct rig *rig)
{
    struct directory_sqlite_config config = {.path = rig->path, .tables = directory_tables};
    return directory_sqlite_open(&config, rig->problem, &rig->directory);
}

static void rig_close(struct rig *rig)
{
    rig->directory->ops->close(rig->directory);
    rig->directory = NULL;
}

static void rig_free(struct rig *rig)
{
    if (rig->directory != NULL) rig_close(rig);
    temp_dir_remove(&rig->dir);
    plain_loop_deinit(&rig->loop);
}

/** Changes the file behind the adapter's back. */
static void rig_exec(struct rig *rig, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/** A number n becomes the outbox rows 2n and 2n + 1. */
static kith_err put_pair(struct directory_tx *tx, void *arg)
{
    struct outbox_record row = {.outbox_id = 2 * *(uint64_t *)arg};
    kith_err err = directory_put(tx, &table_outbox, &row);

    row.outbox_id++;
    return err == KITH_OK ? directory_put(tx, &table_outbox, &row) : err;
}

static kith_err put_prekey(struct directory_tx *tx, void *arg)
{
    return directory_put(tx, &table_prekeys, arg);
}

static bool count_row(void *arg, const void *record)
{
    uint64_t *rows = arg;

    assert_int_equal(((const struct outbox_record *)record)->outbox_id, *rows);
    ++*rows;
    return true;
}

/** How many rows there are; they must be 0, 1, 2, … without a gap. */
static kith_err count_rows(struct directory_tx *tx, void *arg)
{
    *(uint64_t *)arg = 0;
    return directory_scan(tx, &table_outbox, OUTBOX_BY_ID, 0, NULL, false, count_row, arg);
}

/* ------------------------------------------------------------------------------------------------ files and schema */

static void check_mode(const struct rig *rig, const char *suffix)
{
    char path[200];
    struct stat at;

    (void)snprintf(path, sizeof path, "%s%s", rig->path, suffix);
    assert_int_equal(stat(path, &at), 0);
    assert_int_equal(at.st_mode & 07777, 0600);
}

static void test_directory_sqlite__its_files_are_for_their_owner_only(void **state)
{
    struct rig rig;
    uint64_t n = 0;

    (void)state;
    rig_make(&rig);
    assert_int_equal(rig_open(&rig), KITH_OK);
    assert_int_equal(drive_call(&rig.loop, rig.directory, false, put_pair, &n), KITH_OK);
    check_mode(&rig, "");
    check_mode(&rig, "-wal");
    check_mode(&rig, "-shm");
    rig_close(&rig);
    assert_int_equal(chmod(rig.path, 0644), 0);
    assert_int_equal(rig_open(&rig), KITH_OK);
    check_mode(&rig, "");
    rig_free(&rig);
}

static void test_directory_sqlite__a_newer_schema_is_refused_in_clear_words(void **state)
{
    struct rig rig;
    char sql[64];

    (void)state;
    rig_make(&rig);
    assert_int_equal(rig_open(&rig), KITH_OK);
    rig_close(&rig);
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %d", sqlite_schema_newest() + 1);
    rig_exec(&rig, sql);
    assert_int_equal(rig_open(&rig), KITH_E_UNSUPPORTED);
    assert_null(rig.directory);
    assert_non_null(strstr(rig.problem, "its schema is version"));
    assert_non_null(strstr(rig.problem, "run the newer kithd"));
    rig_free(&rig);
}

/* What an earlier version wrote is there after the upgrade, beside the new tables. */
static void test_directory_sqlite__an_older_schema_is_brought_up_to_date(void **state)
{
    struct prekey_record prekey = {.key_id = 1, .kind = PREKEY_OPK};
    struct rig rig;
    uint64_t n = 0, rows = 0;

    (void)state;
    rig_make(&rig);
    assert_int_equal(rig_open(&rig), KITH_OK);
    assert_int_equal(drive_call(&rig.loop, rig.directory, false, put_pair, &n), KITH_OK);
    rig_close(&rig);
    rig_exec(&rig, "DROP TABLE signed_lists; DROP TABLE past_lists; DROP TABLE device_keys; DROP TABLE prekeys; PRAGMA "
                   "user_version = 1"); /* as 0001 left it */
    for (int again = 0; again < 2; again++) {
        assert_int_equal(rig_open(&rig), KITH_OK);
        assert_int_equal(drive_call(&rig.loop, rig.directory, true, count_rows, &rows), KITH_OK);
        assert_int_equal(rows, 2);
        assert_int_equal(drive_call(&rig.loop, rig.directory, false, put_prekey, &prekey), KITH_OK);
        rig_close(&rig);
    }
    rig_free(&rig);
}

static void test_directory_sqlite__a_schema_that_is_not_ours_is_refused_and_named(void **state)
{
    static const struct {
        const char *sql, *named;
    } changes[] = {
        {"ALTER TABLE users ADD COLUMN colour TEXT", "table users"},
        {"ALTER TABLE users RENAME COLUMN role TO rule", "table users"},
        {"DROP TABLE blocks", "table blocks"},
        {"DROP INDEX devices_by_user", "devices_by_user"},
        {"DROP INDEX users_by_name; CREATE INDEX users_by_name ON users (name)", "users_by_name"},
        {"DROP INDEX sessions_by_refresh_prev;"
         "CREATE UNIQUE INDEX sessions_by_refresh_prev ON sessions (refresh_hash_prev)",
         "sessions_by_refresh_prev"},
        {"DROP INDEX invites_by_creator; CREATE INDEX invites_by_creator ON invites (created_by, code_hash)",
         "invites_by_creator"},
        {"DROP INDEX prekeys_by_public", "prekeys_by_public"},
        {"DROP TABLE settings; CREATE TABLE settings (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT",
         "table settings"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct rig rig;

        rig_make(&rig);
        assert_int_equal(rig_open(&rig), KITH_OK);
        rig_close(&rig);
        assert_int_equal(rig_open(&rig), KITH_OK);
        rig_close(&rig);
        rig_exec(&rig, changes[i].sql);
        assert_int_equal(rig_open(&rig), KITH_E_DAMAGED);
        assert_non_null(strstr(rig.problem, changes[i].named));
        rig_free(&rig);
    }
}

static void test_directory_sqlite__what_is_no_database_is_refused_and_left_alone(void **state)
{
    static const char text[] =
        "this is a text, long enough to be read as a header, and certainly not a database at all, "
        "whatever its name may say";
    struct rig rig;
    char back[sizeof text];
    int fd;

    (void)state;
    rig_make(&rig);
    fd = open(rig.path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    assert_int_equal(rig_open(&rig), KITH_E_DAMAGED);
    assert_non_null(strstr(rig.problem, "file is not a database"));
    assert_int_equal(pread(fd, back, sizeof back, 0), sizeof back);
    assert_memory_equal(back, text, sizeof text);
    (void)close(fd);
    (void)snprintf(rig.path, sizeof rig.path, "%s/no/such/folder/directory.db", rig.dir.path);
    assert_int_equal(rig_open(&rig), KITH_E_IO);
    assert_non_null(strstr(rig.problem, "No such file"));
    rig_free(&rig);
}

static void *open_main(void *arg)
{
    struct rig *rig = arg;
    struct directory_sqlite_config config = {.path = rig->path, .tables = directory_tables};
    char problem[256];
    struct directory *directory = NULL;

    assert_int_equal(directory_sqlite_open(&config, problem, &directory), KITH_OK);
    directory->ops->close(directory);
    return NULL;
}

static void test_directory_sqlite__two_that_open_a_new_file_at_once_both_succeed(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct rig rig;
        pthread_t threads[2];

        rig_make(&rig);
        for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, open_main, &rig), 0);
        for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(rig_open(&rig), KITH_OK);
        rig_free(&rig);
    }
}

/* ------------------------------------------------------------------------------------------------ query plans */

static int plan_row(void *arg, int columns, char **values, char **names)
{
    const char *sql = arg, *detail = values[3];
    const char *sparse = strstr(sql, " <> x'' ORDER BY");
    bool whole = strstr(sql, "WHERE 1 ORDER BY") != NULL || (sparse != NULL && strchr(sql, '?') == NULL);

    (void)columns, (void)names;
    if (strstr(detail, "TEMP B-TREE") != NULL) fail_msg("sorts: %s", sql);
    if (strncmp(detail, "SCAN", 4) == 0 && !whole) fail_msg("reads all rows: %s", sql);
    return 0;
}

static bool no_row(void *arg, const void *record)
{
    (void)arg, (void)record;
    return false;
}

static void run_each_read(struct sqlite_tx *tx, const struct directory_table *table)
{
    static uint8_t record[32 * 1024];

    assert_true(table->record_bytes <= sizeof record);
    for (unsigned i = 0; i < table->index_count; i++) {
        if (table->indexes[i].unique) assert_int_equal(directory_get(&tx->base, table, i, record), KITH_E_NOTFOUND);
        for (unsigned c = 0; c <= table->indexes[i].column_count; c++) {
            assert_int_equal(directory_scan(&tx->base, table, i, c, record, false, no_row, NULL), KITH_OK);
            assert_int_equal(directory_scan(&tx->base, table, i, c, record, true, no_row, NULL), KITH_OK);
        }
    }
}

static void test_directory_sqlite__every_read_finds_its_rows_by_an_index_and_sorts_nothing(void **state)
{
    struct rig rig;
    struct sqlite_tx tx;
    sqlite3 *db = NULL;
    unsigned statements = 0;

    (void)state;
    rig_make(&rig);
    assert_int_equal(rig_open(&rig), KITH_OK);
    rig_close(&rig);
    assert_int_equal(sqlite3_open(rig.path, &db), SQLITE_OK);
    sqlite_tx_init(&tx, db, directory_tables);
    for (size_t i = 0; directory_tables[i] != NULL; i++) run_each_read(&tx, directory_tables[i]);
    for (sqlite3_stmt *at = sqlite3_next_stmt(db, NULL); at != NULL; at = sqlite3_next_stmt(db, at)) {
        char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(at));

        assert_int_equal(sqlite3_exec(db, sql, plan_row, sql, NULL), SQLITE_OK);
        sqlite3_free(sql);
        statements++;
    }
    assert_true(statements > 40);
    sqlite_tx_deinit(&tx);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    rig_free(&rig);
}

/* ------------------------------------------------------------------------------------------------ crashes, closing */

/** Writes each n to `tell` once its pair is done, and is killed by itself while others are on their way. */
static void crash_child(struct rig *rig, uint64_t seed, int tell)
{
    enum { DEEP = 20 };
    struct drive_call calls[DEEP];
    uint64_t numbers[DEEP], next = 0, kill_at;
    struct kith_prng prng;

    kith_prng_seed(&prng, seed);
    if (rig_open(rig) != KITH_OK || drive_call(&rig->loop, rig->directory, true, count_rows, &next) != KITH_OK)
        _exit(1);
    next /= 2;
    kill_at = next + kith_prng_between(&prng, 1, 200);
    for (uint64_t first = next;; next++) {
        unsigned at = (unsigned)(next % DEEP);

        if (next - first >= DEEP) {
            if (drive_call_finish(&calls[at], &rig->loop) != KITH_OK) _exit(2);
            if (write(tell, &numbers[at], sizeof numbers[at]) != sizeof numbers[at]) _exit(3);
        }
        if (next == kill_at) (void)raise(SIGKILL);
        numbers[at] = next;
        drive_call_start(&calls[at], &rig->loop, rig->directory, false, put_pair, &numbers[at]);
    }
}

static void test_directory_sqlite__kill_9_keeps_what_was_done_and_no_half_of_a_call(void **state)
{
    enum { CYCLES = 20 };
    struct rig rig;

    (void)state;
    rig_make(&rig);
    for (uint64_t seed = 0; seed < CYCLES; seed++) {
        uint64_t told = 0, n, rows = 0;
        int fds[2], status = 0;
        bool any = false;
        pid_t child;

        assert_int_equal(pipe(fds), 0);
        (void)fflush(NULL);
        child = fork();
        if (child == 0) crash_child(&rig, seed, fds[1]);
        (void)close(fds[1]);
        while (read(fds[0], &n, sizeof n) == sizeof n) {
            told = n;
            any = true;
        }
        (void)close(fds[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        assert_int_equal(rig_open(&rig), KITH_OK);
        assert_int_equal(drive_call(&rig.loop, rig.directory, true, count_rows, &rows), KITH_OK);
        assert_int_equal(rows % 2, 0);
        if (any) assert_true(rows / 2 > told);
        rig_close(&rig);
    }
    rig_free(&rig);
}

static void test_directory_sqlite__closing_finishes_what_is_pending(void **state)
{
    enum { CALLS = 500 };
    static struct drive_call calls[CALLS];
    static uint64_t numbers[CALLS];
    struct rig rig;
    uint64_t rows = 0;

    (void)state;
    rig_make(&rig);
    assert_int_equal(rig_open(&rig), KITH_OK);
    for (unsigned i = 0; i < CALLS; i++) {
        numbers[i] = i;
        drive_call_start(&calls[i], &rig.loop, rig.directory, false, put_pair, &numbers[i]);
    }
    rig_close(&rig);
    for (unsigned i = 0; i < CALLS; i++) assert_int_equal(drive_call_finish(&calls[i], &rig.loop), KITH_OK);
    assert_int_equal(rig_open(&rig), KITH_OK);
    assert_int_equal(drive_call(&rig.loop, rig.directory, true, count_rows, &rows), KITH_OK);
    assert_int_equal(rows, 2 * CALLS);
    rig_free(&rig);
}

/* ------------------------------------------------------------------------------------------------ full disk */

#define CHECK(what)                                                  \
    do {                                                             \
        if (!(what)) {                                               \
            (void)fprintf(stderr, "line %d: " #what "\n", __LINE__); \
            _exit(1);                                                \
        }                                                            \
    } while (0)

/** In a mount namespace of its own. Exits 77 when this machine gives none. */
static void full_disk_child(struct rig *rig)
{
    char reason[128], ballast[200], block[4096] = {1};
    uint64_t n = 0, rows = 0;
    kith_err err = KITH_OK;
    int fd;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", rig->dir.path, "tmpfs", 0, "size=2m") != 0)
        _exit(77);
    CHECK(rig_open(rig) == KITH_OK);
    CHECK(drive_call(&rig->loop, rig->directory, false, put_pair, &n) == KITH_OK);
    (void)snprintf(ballast, sizeof ballast, "%s/ballast", rig->dir.path);
    fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    while (write(fd, block, sizeof block) == sizeof block) continue;
    (void)close(fd);
    while (err == KITH_OK && n < 100000) {
        n++;
        err = drive_call(&rig->loop, rig->directory, false, put_pair, &n);
    }
    CHECK(err == KITH_E_NOSPACE);
    CHECK(!rig->directory->ops->healthy(rig->directory, reason) && strstr(reason, "NOSPACE") != NULL);
    CHECK(drive_call(&rig->loop, rig->directory, true, count_rows, &rows) == KITH_OK); /* reads go on */
    CHECK(rows == 2 * n && !rig->directory->ops->healthy(rig->directory, reason));
    CHECK(drive_call(&rig->loop, rig->directory, false, put_pair, &n) == KITH_E_NOSPACE);
    CHECK(unlink(ballast) == 0);
    CHECK(drive_call(&rig->loop, rig->directory, false, put_pair, &n) == KITH_OK);
    CHECK(rig->directory->ops->healthy(rig->directory, reason) && reason[0] == '\0');
    rig_close(rig);
    CHECK(rig_open(rig) == KITH_OK);
    CHECK(drive_call(&rig->loop, rig->directory, true, count_rows, &rows) == KITH_OK);
    CHECK(rows == 2 * (n + 1));
    rig_close(rig);
    _exit(0);
}

static void test_directory_sqlite__a_full_disk_refuses_writes_serves_reads_and_heals_by_itself(void **state)
{
    struct rig rig;
    int status = 0;
    pid_t child;

    (void)state;
    rig_make(&rig);
    (void)fflush(NULL);
    child = fork();
    if (child == 0) full_disk_child(&rig);
    assert_int_equal(waitpid(child, &status, 0), child);
    rig_free(&rig);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static kith_err count_and_look_away(struct directory_tx *tx, void *arg)
{
    kith_err err = count_rows(tx, arg);

    (void)err;
    return KITH_OK;
}

static void test_directory_sqlite__a_stored_value_that_does_not_fit_fails_the_call_even_if_run_looks_away(void **state)
{
    struct rig rig;
    uint64_t n = 0;

    (void)state;
    rig_make(&rig);
    assert_int_equal(rig_open(&rig), KITH_OK);
    assert_int_equal(drive_call(&rig.loop, rig.directory, false, put_pair, &n), KITH_OK);
    rig_close(&rig);
    rig_exec(&rig, "UPDATE outbox SET value = -1");
    assert_int_equal(rig_open(&rig), KITH_OK);
    assert_int_equal(drive_call(&rig.loop, rig.directory, true, count_rows, &n), KITH_E_DAMAGED);
    assert_int_equal(drive_call(&rig.loop, rig.directory, true, count_and_look_away, &n), KITH_E_DAMAGED);
    assert_int_equal(drive_call(&rig.loop, rig.directory, false, count_and_look_away, &n), KITH_E_DAMAGED);
    n = 7;
    assert_int_equal(drive_call(&rig.loop, rig.directory, false, put_pair, &n), KITH_OK);
    rig_free(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory_sqlite__its_files_are_for_their_owner_only),
        cmocka_unit_test(test_directory_sqlite__a_newer_schema_is_refused_in_clear_words),
        cmocka_unit_test(test_directory_sqlite__an_older_schema_is_brought_up_to_date),
        cmocka_unit_test(test_directory_sqlite__a_schema_that_is_not_ours_is_refused_and_named),
        cmocka_unit_test(test_directory_sqlite__what_is_no_database_is_refused_and_left_alone),
        cmocka_unit_test(test_directory_sqlite__two_that_open_a_new_file_at_once_both_succeed),
        cmocka_unit_test(test_directory_sqlite__every_read_finds_its_rows_by_an_index_and_sorts_nothing),
        cmocka_unit_test(test_directory_sqlite__kill_9_keeps_what_was_done_and_no_half_of_a_call),
        cmocka_unit_test(test_directory_sqlite__closing_finishes_what_is_pending),
        cmocka_unit_test(test_directory_sqlite__a_full_disk_refuses_writes_serves_reads_and_heals_by_itself),
        cmocka_unit_test(test_directory_sqlite__a_stored_value_that_does_not_fit_fails_the_call_even_if_run_looks_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
