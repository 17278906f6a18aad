#include "ports/directory.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/conformance/directory_bench.h"

static kith_err write_call(struct directory_bench *bench, drive_run *run, void *arg)
{
    return drive_call(&bench->loop, bench->directory, false, run, arg);
}

static kith_err read_call(struct directory_bench *bench, drive_run *run, void *arg)
{
    return drive_call(&bench->loop, bench->directory, true, run, arg);
}

/* ------------------------------------------------------------------------------------------------ records */

static struct kith_uuid id_of(uint8_t n)
{
    return (struct kith_uuid){.raw = {[0] = n, [15] = 1}};
}

static struct user_record user_of(uint8_t n, const char *name)
{
    struct user_record user = {.user_id = id_of(n), .status = USER_ACTIVE, .created_ms = 1000u + n};

    (void)snprintf(user.name, sizeof user.name, "%s", name);
    (void)snprintf(user.display_name, sizeof user.display_name, "Mr. %s", name);
    return user;
}

static kith_err put_user(struct directory_tx *tx, void *arg)
{
    return directory_put(tx, &table_users, arg);
}

static kith_err get_user(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_users, USERS_BY_ID, arg);
}

static kith_err get_user_by_name(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_users, USERS_BY_NAME, arg);
}

static kith_err del_user(struct directory_tx *tx, void *arg)
{
    return directory_del(tx, &table_users, arg);
}

static void check_user(struct directory_bench *bench, const struct user_record *want)
{
    struct user_record by_id = {.user_id = want->user_id}, by_name = {0};

    memcpy(by_name.name, want->name, sizeof by_name.name);
    assert_int_equal(read_call(bench, get_user, &by_id), KITH_OK);
    assert_int_equal(read_call(bench, get_user_by_name, &by_name), KITH_OK);
    assert_memory_equal(&by_id, want, sizeof by_id);
    assert_memory_equal(&by_name, want, sizeof by_name);
}

/* ------------------------------------------------------------------------------------------------ get, put, del */

static void test_directory__what_is_not_there_is_not_found_and_the_record_stays_as_it_was(void **state)
{
    struct user_record user = user_of(1, "ann"), before = user;

    assert_int_equal(read_call(*state, get_user, &user), KITH_E_NOTFOUND);
    assert_int_equal(read_call(*state, get_user_by_name, &user), KITH_E_NOTFOUND);
    assert_int_equal(write_call(*state, del_user, &user), KITH_E_NOTFOUND);
    assert_memory_equal(&user, &before, sizeof user);
}

static void test_directory__a_row_is_found_by_each_of_its_unique_indexes(void **state)
{
    struct user_record ann = user_of(1, "ann"), ben = user_of(2, "ben");

    assert_int_equal(write_call(*state, put_user, &ann), KITH_OK);
    assert_int_equal(write_call(*state, put_user, &ben), KITH_OK);
    check_user(*state, &ann);
    check_user(*state, &ben);
}

static void test_directory__putting_the_same_key_replaces_the_row_in_every_index(void **state)
{
    struct user_record ann = user_of(1, "ann"), old = ann;

    assert_int_equal(write_call(*state, put_user, &ann), KITH_OK);
    assert_int_equal(write_call(*state, put_user, &ann), KITH_OK);
    (void)snprintf(ann.name, sizeof ann.name, "anna");
    ann.display_name[3] = '\0'; /* what stood behind it must not come back */
    memset(ann.display_name + 3, 0, sizeof ann.display_name - 3);
    assert_int_equal(write_call(*state, put_user, &ann), KITH_OK);
    check_user(*state, &ann);
    assert_int_equal(read_call(*state, get_user_by_name, &old), KITH_E_NOTFOUND);
}

static void test_directory__a_deleted_row_is_gone_from_every_index(void **state)
{
    struct user_record ann = user_of(1, "ann"), again = user_of(2, "ann");
    struct user_record key = {.user_id = ann.user_id};

    assert_int_equal(write_call(*state, put_user, &ann), KITH_OK);
    assert_int_equal(write_call(*state, del_user, &key), KITH_OK);
    assert_int_equal(read_call(*state, get_user, &key), KITH_E_NOTFOUND);
    assert_int_equal(read_call(*state, get_user_by_name, &ann), KITH_E_NOTFOUND);
    assert_int_equal(write_call(*state, put_user, &again), KITH_OK);
}

static kith_err conflict_then_more(struct directory_tx *tx, void *arg)
{
    struct user_record thief = user_of(9, "ann"), cat = user_of(3, "cat"), *seen = arg;
    kith_err err = directory_put(tx, &table_users, &thief);

    if (err != KITH_E_CONFLICT) return KITH_E_UNSUPPORTED;
    err = directory_put(tx, &table_users, &cat);
    seen->user_id = thief.user_id;
    if (err == KITH_OK && directory_get(tx, &table_users, USERS_BY_ID, seen) != KITH_E_NOTFOUND) err = KITH_E_DENIED;
    return err;
}

static void test_directory__a_value_taken_in_a_unique_index_is_a_conflict_that_changes_nothing(void **state)
{
    struct user_record ann = user_of(1, "ann"), ben = user_of(2, "ben"), cat = user_of(3, "cat"), seen = {0};

    assert_int_equal(write_call(*state, put_user, &ann), KITH_OK);
    assert_int_equal(write_call(*state, put_user, &ben), KITH_OK);
    assert_int_equal(write_call(*state, conflict_then_more, &seen), KITH_OK);
    check_user(*state, &ann);
    check_user(*state, &cat);
    (void)snprintf(ben.name, sizeof ben.name, "cat");
    assert_int_equal(write_call(*state, put_user, &ben), KITH_E_CONFLICT);
    ben = user_of(2, "ben");
    check_user(*state, &ben);
}

/* ------------------------------------------------------------------------------------------------ sparse index */

static struct session_record session_of(uint8_t n, uint8_t prev)
{
    struct session_record session = {.device_id = id_of(n), .user_id = id_of((uint8_t)(n / 10))};

    session.access_hash.len = session.refresh_hash.len = DIRECTORY_HASH_BYTES;
    memset(session.access_hash.bytes, n, DIRECTORY_HASH_BYTES);
    memset(session.refresh_hash.bytes, n, DIRECTORY_HASH_BYTES);
    if (prev != 0) session.refresh_hash_prev.len = DIRECTORY_HASH_BYTES;
    if (prev != 0) memset(session.refresh_hash_prev.bytes, prev, DIRECTORY_HASH_BYTES);
    return session;
}

static kith_err put_session(struct directory_tx *tx, void *arg)
{
    return directory_put(tx, &table_sessions, arg);
}

static kith_err get_session_by_prev(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_sessions, SESSIONS_BY_REFRESH_PREV, arg);
}

static bool count_row(void *arg, const void *record)
{
    (void)record;
    ++*(unsigned *)arg;
    return true;
}

static kith_err count_by_prev(struct directory_tx *tx, void *arg)
{
    return directory_scan(tx, &table_sessions, SESSIONS_BY_REFRESH_PREV, 0, NULL, false, count_row, arg);
}

static void test_directory__empty_values_are_not_in_a_sparse_index(void **state)
{
    struct session_record a = session_of(11, 0), b = session_of(12, 0), c = session_of(13, 7), d = session_of(14, 7);
    struct session_record none = {0}, found = session_of(0, 7);
    unsigned count = 0;

    assert_int_equal(write_call(*state, put_session, &a), KITH_OK);
    assert_int_equal(write_call(*state, put_session, &b), KITH_OK);
    assert_int_equal(write_call(*state, put_session, &c), KITH_OK);
    assert_int_equal(write_call(*state, put_session, &d), KITH_E_CONFLICT);
    assert_int_equal(read_call(*state, get_session_by_prev, &none), KITH_E_NOTFOUND);
    assert_int_equal(read_call(*state, get_session_by_prev, &found), KITH_OK);
    assert_memory_equal(&found, &c, sizeof c);
    assert_int_equal(read_call(*state, count_by_prev, &count), KITH_OK);
    assert_int_equal(count, 1);
    c = session_of(13, 0);
    assert_int_equal(write_call(*state, put_session, &c), KITH_OK);
    assert_int_equal(write_call(*state, put_session, &d), KITH_OK);
}

/* ------------------------------------------------------------------------------------------------ scan */

struct scan {
    const struct directory_table *table;
    unsigned index, columns;
    const void *key;
    bool after;
    unsigned stop_at; /* 0: never */
    char got[256];
    unsigned count;
};

static bool scan_row(void *arg, const void *record)
{
    struct scan *scan = arg;
    size_t at = strlen(scan->got);
    unsigned n;

    if (scan->table == &table_devices)
        n = ((const struct device_record *)record)->device_id.raw[0];
    else
        n = (unsigned)((const struct outbox_record *)record)->outbox_id;
    (void)snprintf(scan->got + at, sizeof scan->got - at, "%s%u", at == 0 ? "" : " ", n);
    return ++scan->count != scan->stop_at;
}

static kith_err scan_run(struct directory_tx *tx, void *arg)
{
    struct scan *scan = arg;
    return directory_scan(tx, scan->table, scan->index, scan->columns, scan->key, scan->after, scan_row, scan);
}

static void check_scan(struct directory_bench *bench, struct scan scan, const char *want)
{
    assert_int_equal(read_call(bench, scan_run, &scan), KITH_OK);
    assert_string_equal(scan.got, want);
}

static kith_err put_devices(struct directory_tx *tx, void *arg)
{
    static const uint8_t devices[][2] = {{5, 1}, {3, 2}, {9, 1}, {1, 2}, {7, 1}, {2, 3}, {0xff, 0xff}};

    (void)arg;
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
        struct device_record device = {.device_id = id_of(devices[i][0]), .user_id = id_of(devices[i][1])};
        kith_err err = directory_put(tx, &table_devices, &device);
        if (err != KITH_OK) return err;
    }
    return KITH_OK;
}

static void test_directory__a_scan_gives_rows_in_index_order_from_after_a_key(void **state)
{
    struct device_record user_1 = {.user_id = id_of(1)}, user_2 = {.user_id = id_of(2)}, user_4 = {.user_id = id_of(4)};
    struct device_record after_5 = {.user_id = id_of(1), .device_id = id_of(5)};
    struct device_record after_6 = {.user_id = id_of(1), .device_id = id_of(6)};
    struct device_record after_9 = {.user_id = id_of(1), .device_id = id_of(9)};
    struct scan all = {.table = &table_devices, .index = DEVICES_BY_ID};
    struct scan by_user = {.table = &table_devices, .index = DEVICES_BY_USER, .columns = 1};
    struct scan scan;

    check_scan(*state, all, "");
    assert_int_equal(write_call(*state, put_devices, NULL), KITH_OK);
    check_scan(*state, all, "1 2 3 5 7 9 255");
    scan = all, scan.index = DEVICES_BY_USER;
    check_scan(*state, scan, "5 7 9 1 3 2 255");
    scan = by_user, scan.key = &user_1;
    check_scan(*state, scan, "5 7 9");
    scan.stop_at = 2;
    check_scan(*state, scan, "5 7");
    scan = by_user, scan.key = &user_2;
    check_scan(*state, scan, "1 3");
    scan = by_user, scan.key = &user_4;
    check_scan(*state, scan, "");
    scan = by_user, scan.after = true, scan.key = &after_5;
    check_scan(*state, scan, "7 9");
    scan.key = &after_6;
    check_scan(*state, scan, "7 9");
    scan.key = &after_9;
    check_scan(*state, scan, "");
    scan.columns = 0;
    check_scan(*state, scan, "1 3 2 255");
    scan = by_user, scan.columns = 2, scan.key = &after_5;
    check_scan(*state, scan, "5");
    scan.after = true;
    check_scan(*state, scan, "");
}

static kith_err put_outbox(struct directory_tx *tx, void *arg)
{
    static const uint64_t ids[] = {300, 2, 10, 65536, 1};

    (void)arg;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct outbox_record row = {.outbox_id = ids[i], .value = INT64_MAX};
        kith_err err = directory_put(tx, &table_outbox, &row);
        if (err != KITH_OK) return err;
    }
    return KITH_OK;
}

static void test_directory__numbers_are_ordered_by_value(void **state)
{
    struct outbox_record ten = {.outbox_id = 10};
    struct scan scan = {.table = &table_outbox};

    assert_int_equal(write_call(*state, put_outbox, NULL), KITH_OK);
    check_scan(*state, scan, "1 2 10 300 65536");
    scan.after = true;
    scan.key = &ten;
    check_scan(*state, scan, "300 65536");
}

static bool nested_row(void *arg, const void *record)
{
    struct directory_tx *tx = arg;
    struct device_record copy = {.device_id = ((const struct device_record *)record)->device_id};
    unsigned count = 0;

    assert_int_equal(directory_get(tx, &table_devices, DEVICES_BY_ID, &copy), KITH_OK);
    assert_memory_equal(&copy, record, sizeof copy);
    assert_int_equal(directory_scan(tx, &table_devices, DEVICES_BY_ID, 0, NULL, false, count_row, &count), KITH_OK);
    assert_int_equal(count, 7);
    return true;
}

static kith_err nested_run(struct directory_tx *tx, void *arg)
{
    (void)arg;
    return directory_scan(tx, &table_devices, DEVICES_BY_ID, 0, NULL, false, nested_row, tx);
}

static void test_directory__a_scan_may_read_on_while_it_runs(void **state)
{
    assert_int_equal(write_call(*state, put_devices, NULL), KITH_OK);
    assert_int_equal(read_call(*state, nested_run, NULL), KITH_OK);
}

/* ------------------------------------------------------------------------------------------------ transactions */

static kith_err change_all_and_fail(struct directory_tx *tx, void *arg)
{
    struct user_record ann = user_of(1, "anna"), ben = user_of(2, "ben"), cat = user_of(3, "cat");
    struct outbox_record row = {.outbox_id = 1};

    if (directory_put(tx, &table_users, &ann) != KITH_OK) return KITH_E_UNSUPPORTED;
    if (directory_del(tx, &table_users, &ben) != KITH_OK) return KITH_E_UNSUPPORTED;
    if (directory_put(tx, &table_users, &cat) != KITH_OK) return KITH_E_UNSUPPORTED;
    if (directory_del(tx, &table_users, &cat) != KITH_OK) return KITH_E_UNSUPPORTED;
    if (directory_put(tx, &table_outbox, &row) != KITH_OK) return KITH_E_UNSUPPORTED;
    return *(kith_err *)arg;
}

static kith_err get_outbox(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_outbox, OUTBOX_BY_ID, arg);
}

static void test_directory__any_result_but_ok_rolls_everything_back(void **state)
{
    struct user_record ann = user_of(1, "ann"), ben = user_of(2, "ben"), cat = user_of(3, "cat");
    struct outbox_record row = {.outbox_id = 1};
    kith_err results[] = {KITH_E_DENIED, KITH_E_NOTFOUND, KITH_E_CONFLICT, KITH_E_AGAIN};

    assert_int_equal(write_call(*state, put_user, &ann), KITH_OK);
    assert_int_equal(write_call(*state, put_user, &ben), KITH_OK);
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        assert_int_equal(write_call(*state, change_all_and_fail, &results[i]), results[i]);
        check_user(*state, &ann);
        check_user(*state, &ben);
        assert_int_equal(read_call(*state, get_user, &cat), KITH_E_NOTFOUND);
        assert_int_equal(read_call(*state, get_outbox, &row), KITH_E_NOTFOUND);
    }
}

struct order {
    unsigned *next;
    unsigned n;
    kith_err err;
};

static kith_err order_run(struct directory_tx *tx, void *arg)
{
    struct order *order = arg;
    struct outbox_record row = {.outbox_id = order->n};
    kith_err err;

    if ((*order->next)++ != order->n) return KITH_E_UNSUPPORTED;
    if (order->n > 0) { /* what was called before has happened, unless it was rolled back */
        struct outbox_record before = {.outbox_id = order->n - 1};
        err = directory_get(tx, &table_outbox, OUTBOX_BY_ID, &before);
        if (err != (order[-1].err == KITH_OK ? KITH_OK : KITH_E_NOTFOUND)) return KITH_E_MALFORMED;
    }
    err = directory_put(tx, &table_outbox, &row);
    return err == KITH_OK ? order->err : err;
}

static void test_directory__pending_calls_run_and_fail_one_by_one_in_the_order_of_their_calls(void **state)
{
    enum { MANY = 300 };
    struct directory_bench *bench = *state;
    static struct drive_call calls[MANY];
    static struct order orders[MANY];
    unsigned next = 0;

    for (unsigned i = 0; i < MANY; i++) {
        orders[i] = (struct order){.next = &next, .n = i, .err = i % 7 == 3 ? KITH_E_DENIED : KITH_OK};
        drive_call_start(&calls[i], &bench->loop, bench->directory, false, order_run, &orders[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(drive_call_finish(&calls[i], &bench->loop), orders[i].err);
        assert_int_equal(calls[i].runs, 1);
        for (unsigned k = i + 1; k < MANY && i % 50 == 0; k++) /* an earlier call is not told later */
            if (calls[k].done) assert_true(calls[k - 1].done);
    }
}

static void test_directory__what_is_done_is_found_after_reopening(void **state)
{
    struct user_record ann = user_of(1, "ann");

    assert_int_equal(write_call(*state, put_user, &ann), KITH_OK);
    directory_bench_reopen(*state);
    check_user(*state, &ann);
}

static void test_directory__a_new_one_is_healthy(void **state)
{
    struct directory_bench *bench = *state;
    char reason[128] = "x";

    assert_true(bench->directory->ops->healthy(bench->directory, reason));
    assert_string_equal(reason, "");
}

/* ------------------------------------------------------------------------------------------------ limits */

struct hold {
    _Atomic bool started, go;
};

static kith_err hold_run(struct directory_tx *tx, void *arg)
{
    struct hold *hold = arg;

    (void)tx;
    atomic_store(&hold->started, true);
    while (!atomic_load(&hold->go)) (void)usleep(1000);
    return KITH_OK;
}

static kith_err nothing_run(struct directory_tx *tx, void *arg)
{
    (void)tx, (void)arg;
    return KITH_OK;
}

static void test_directory__4096_calls_wait_and_one_more_is_answered_full(void **state)
{
    static struct drive_call held, calls[DIRECTORY_QUEUE_MAX + 1];
    struct directory_bench *bench = *state;
    struct hold hold = {0};

    if (bench->adapter->own_thread) { /* keep it busy, so that nothing leaves the queue meanwhile */
        drive_call_start(&held, &bench->loop, bench->directory, true, hold_run, &hold);
        while (!atomic_load(&hold.started)) (void)usleep(1000);
    }
    for (unsigned i = 0; i <= DIRECTORY_QUEUE_MAX; i++)
        drive_call_start(&calls[i], &bench->loop, bench->directory, false, nothing_run, NULL);
    assert_int_equal(drive_call_finish(&calls[DIRECTORY_QUEUE_MAX], &bench->loop), KITH_E_FULL);
    assert_int_equal(calls[DIRECTORY_QUEUE_MAX].runs, 0);
    atomic_store(&hold.go, true);
    for (unsigned i = 0; i < DIRECTORY_QUEUE_MAX; i++)
        assert_int_equal(drive_call_finish(&calls[i], &bench->loop), KITH_OK);
    if (bench->adapter->own_thread) assert_int_equal(drive_call_finish(&held, &bench->loop), KITH_OK);
    assert_int_equal(write_call(bench, nothing_run, NULL), KITH_OK);
}

static kith_err put_invite(struct directory_tx *tx, void *arg)
{
    return directory_put(tx, &table_invites, arg);
}

static kith_err get_invite(struct directory_tx *tx, void *arg)
{
    return directory_get(tx, &table_invites, INVITES_BY_ID, arg);
}

static void test_directory__names_numbers_and_blobs_at_their_limits_are_kept(void **state)
{
    struct user_record user = {.user_id = id_of(1)};
    struct invite_record invite = {.invite_id = id_of(1), .expires_ms = INT64_MAX}, got = {.invite_id = id_of(1)};

    memset(user.name, 'n', KITH_NAME_BYTES_MAX);
    memset(user.display_name, 'd', KITH_DISPLAY_NAME_BYTES_MAX);
    memset(user.password_hash, 'p', DIRECTORY_PASSWORD_HASH_BYTES_MAX - 1);
    assert_int_equal(write_call(*state, put_user, &user), KITH_OK);
    check_user(*state, &user);
    invite.code_hash.len = DIRECTORY_HASH_BYTES;
    memset(invite.code_hash.bytes, 0, DIRECTORY_HASH_BYTES);
    assert_int_equal(write_call(*state, put_invite, &invite), KITH_OK);
    assert_int_equal(read_call(*state, get_invite, &got), KITH_OK);
    assert_memory_equal(&got, &invite, sizeof got);
}

static kith_err wrong_long_name(struct directory_tx *tx, void *arg)
{
    struct user_record user = {.user_id = id_of(1)};

    (void)arg;
    memset(user.name, 'n', sizeof user.name);
    return directory_put(tx, &table_users, &user);
}

static kith_err wrong_long_blob(struct directory_tx *tx, void *arg)
{
    struct invite_record invite = {.invite_id = id_of(1)};

    (void)arg;
    invite.code_hash.len = DIRECTORY_HASH_BYTES + 1;
    return directory_put(tx, &table_invites, &invite);
}

static kith_err wrong_big_number(struct directory_tx *tx, void *arg)
{
    struct outbox_record row = {.outbox_id = (uint64_t)1 << 63};

    (void)arg;
    return directory_put(tx, &table_outbox, &row);
}

static kith_err wrong_write(struct directory_tx *tx, void *arg)
{
    struct user_record user = user_of(1, "ann");

    (void)arg;
    return directory_put(tx, &table_users, &user);
}

static kith_err wrong_get_by_many(struct directory_tx *tx, void *arg)
{
    struct device_record device = {.user_id = id_of(1)};

    (void)arg;
    return directory_get(tx, &table_devices, DEVICES_BY_USER, &device);
}

static const struct wrong {
    drive_run *run;
    bool read_only;
} wrongs[] = {
    {wrong_long_name, false},  {wrong_long_blob, false}, {wrong_big_number, false},
    {wrong_get_by_many, true}, {wrong_write, true},      {wrong_write, false}, /* the last one is right */
};
enum { WRONGS = sizeof wrongs / sizeof wrongs[0] - 1 };

/** Plays one of them on an adapter of its own, in a program of its own: threads do not survive a plain fork(). */
static int wrong_main(const char *adapter, const char *which)
{
    static struct directory_bench bench;
    const struct wrong *wrong = &wrongs[strtoul(which, NULL, 10)];

    directory_bench_open(&bench, &directory_adapters[strtoul(adapter, NULL, 10)]);
    if (drive_call(&bench.loop, bench.directory, wrong->read_only, wrong->run, NULL) != KITH_OK) return 2;
    directory_bench_close(&bench);
    return 0;
}

/** How the program that plays wrongs[which] ended. */
static int wrong_status(const struct directory_adapter *adapter, unsigned which)
{
    char adapter_text[12], which_text[12];
    int status = 0;
    pid_t child;

    (void)snprintf(adapter_text, sizeof adapter_text, "%u", (unsigned)(adapter - directory_adapters));
    (void)snprintf(which_text, sizeof which_text, "%u", which);
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(8);
        (void)execl("/proc/self/exe", "test_directory", adapter_text, which_text, (char *)NULL);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_directory__a_wrong_call_of_our_own_ends_the_process(void **state)
{
    const struct directory_adapter *adapter = ((struct directory_bench *)*state)->adapter;

    for (unsigned i = 0; i < WRONGS; i++) {
        int status = wrong_status(adapter, i);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
    assert_int_equal(wrong_status(adapter, WRONGS), 0);
}

/* ------------------------------------------------------------------------------------------------ many loops */

enum { THREADS = 4, ROUNDS = 200 };

static kith_err count_up(struct directory_tx *tx, void *arg)
{
    struct outbox_record row = {.outbox_id = 1};
    kith_err err = directory_get(tx, &table_outbox, OUTBOX_BY_ID, &row);

    (void)arg;
    if (err != KITH_OK && err != KITH_E_NOTFOUND) return err;
    row.value++;
    return directory_put(tx, &table_outbox, &row);
}

static void *count_main(void *arg)
{
    struct directory_bench *bench = arg;
    struct plain_loop loop;

    plain_loop_init(&loop);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(drive_call(&loop, bench->directory, false, count_up, NULL), KITH_OK);
    plain_loop_deinit(&loop);
    return NULL;
}

static void test_directory__transactions_of_many_loops_are_serialised(void **state)
{
    struct outbox_record row = {.outbox_id = 1};
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, count_main, *state), 0);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(read_call(*state, get_outbox, &row), KITH_OK);
    assert_int_equal(row.value, THREADS * ROUNDS);
}

/* Each case on the three adapters. */
#define CASE(test, number, name) \
    {#test " [" name "]", test, directory_bench_setup, directory_bench_teardown, (void *)&directory_adapters[number]}
#define ON_EACH(test) CASE(test, 0, "mem"), CASE(test, 1, "mem, late"), CASE(test, 2, "sqlite")

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(test_directory__what_is_not_there_is_not_found_and_the_record_stays_as_it_was),
        ON_EACH(test_directory__a_row_is_found_by_each_of_its_unique_indexes),
        ON_EACH(test_directory__putting_the_same_key_replaces_the_row_in_every_index),
        ON_EACH(test_directory__a_deleted_row_is_gone_from_every_index),
        ON_EACH(test_directory__a_value_taken_in_a_unique_index_is_a_conflict_that_changes_nothing),
        ON_EACH(test_directory__empty_values_are_not_in_a_sparse_index),
        ON_EACH(test_directory__a_scan_gives_rows_in_index_order_from_after_a_key),
        ON_EACH(test_directory__numbers_are_ordered_by_value),
        ON_EACH(test_directory__a_scan_may_read_on_while_it_runs),
        ON_EACH(test_directory__any_result_but_ok_rolls_everything_back),
        ON_EACH(test_directory__pending_calls_run_and_fail_one_by_one_in_the_order_of_their_calls),
        ON_EACH(test_directory__what_is_done_is_found_after_reopening),
        ON_EACH(test_directory__a_new_one_is_healthy),
        ON_EACH(test_directory__4096_calls_wait_and_one_more_is_answered_full),
        ON_EACH(test_directory__names_numbers_and_blobs_at_their_limits_are_kept),
        ON_EACH(test_directory__a_wrong_call_of_our_own_ends_the_process),
        ON_EACH(test_directory__transactions_of_many_loops_are_serialised),
    };

    if (argc == 3) return wrong_main(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
