#include "adapters/directory/directory_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/directory/sqlite_schema.h"
#include "adapters/directory/sqlite_tx.h"

#define BUSY_TIMEOUT_MS 5000
#define BUSY_STEP_MS    10
#define GROUP_MAX       256 /* calls that share a COMMIT: bounds how long the first of them waits for the last */

struct lite {
    struct directory base;
    sqlite3 *db;
    struct sqlite_tx tx; /* the thread's */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct loop_task *first, **last;
    uint32_t waiting;
    bool closing;
    char reason[128]; /* of the last failure of the engine; empty after the next success */
};

static const struct directory_ops lite_ops;

static struct lite *lite_of(struct directory *directory)
{
    assert(directory->ops == &lite_ops);
    return (struct lite *)directory;
}

static struct directory_call *call_of(struct loop_task *task)
{
    return (struct directory_call *)((char *)task - offsetof(struct directory_call, task));
}

/* ------------------------------------------------------------------------------------------------ the thread */

static kith_err lite_exec(struct lite *lite, const char *sql)
{
    return sqlite_err(sqlite3_exec(lite->db, sql, NULL, NULL, NULL));
}

static void lite_rollback(struct lite *lite)
{
    /* Some failures (full disk, no memory) have rolled back already. When this fails too, closing the file does it. */
    if (sqlite3_get_autocommit(lite->db) == 0) (void)sqlite3_exec(lite->db, "ROLLBACK", NULL, NULL, NULL);
}

/** Empty text: it works again. */
static void lite_note(struct lite *lite, kith_err err)
{
    pthread_mutex_lock(&lite->lock);
    if (err == KITH_OK)
        lite->reason[0] = '\0';
    else
        (void)snprintf(lite->reason, sizeof lite->reason, "%s: %s", kith_err_name(err), sqlite3_errmsg(lite->db));
    pthread_mutex_unlock(&lite->lock);
}

/** Runs one call inside the open transaction. KITH_OK also when only the call failed; else nothing of the group holds. */
static kith_err call_run(struct lite *lite, struct directory_call *call)
{
    kith_err err = call->read_only ? KITH_OK : lite_exec(lite, "SAVEPOINT one");

    if (err != KITH_OK) return err;
    lite->tx.read_only = call->read_only;
    lite->tx.failed = KITH_OK;
    call->err = call->run(call, &lite->tx.base);
    if (lite->tx.failed != KITH_OK) {
        call->err = lite->tx.failed;
        lite_note(lite, call->err);
    }
    if (sqlite3_get_autocommit(lite->db) != 0) return lite->tx.failed != KITH_OK ? lite->tx.failed : KITH_E_IO;
    if (call->read_only) return KITH_OK;
    if (call->err != KITH_OK) err = lite_exec(lite, "ROLLBACK TO one");
    return err == KITH_OK ? lite_exec(lite, "RELEASE one") : err;
}

/** Runs the calls of a list in one transaction, and posts their answers. */
static void group_run(struct lite *lite, struct loop_task *list)
{
    bool reads = call_of(list)->read_only; /* then all of them do */
    kith_err err = lite_exec(lite, reads ? "BEGIN" : "BEGIN IMMEDIATE");
    struct loop_task *task, *next;

    for (task = list; task != NULL && err == KITH_OK; task = task->next) err = call_run(lite, call_of(task));
    if (err == KITH_OK) err = lite_exec(lite, "COMMIT");
    if (err != KITH_OK || !reads) lite_note(lite, err); /* a read that went well says nothing of writing */
    if (err != KITH_OK) lite_rollback(lite);
    for (task = list; task != NULL; task = next) {
        next = task->next;
        if (err != KITH_OK) call_of(task)->err = err;
        loop_post(call_of(task)->loop, task);
    }
}

/** Takes from the queue, with the lock: reads that come before any write, or else as much as one COMMIT may have. */
static struct loop_task *group_take(struct lite *lite)
{
    struct loop_task *list = lite->first, **end = &list;
    bool reads = call_of(list)->read_only;
    uint32_t count = 0;

    while (*end != NULL && count < GROUP_MAX && !(reads && !call_of(*end)->read_only)) {
        end = &(*end)->next;
        count++;
    }
    lite->first = *end;
    if (lite->first == NULL) lite->last = &lite->first;
    *end = NULL;
    lite->waiting -= count;
    return list;
}

static void *lite_thread(void *arg)
{
    struct lite *lite = arg;

    pthread_mutex_lock(&lite->lock);
    while (lite->first != NULL || !lite->closing) {
        struct loop_task *list;

        if (lite->first == NULL) {
            pthread_cond_wait(&lite->wake, &lite->lock);
            continue;
        }
        list = group_take(lite);
        pthread_mutex_unlock(&lite->lock);
        group_run(lite, list);
        pthread_mutex_lock(&lite->lock);
    }
    pthread_mutex_unlock(&lite->lock);
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ the port */

static void call_done(struct loop_task *task)
{
    struct directory_call *call = call_of(task);
    call->done(call);
}

static void lite_call(struct directory *directory, struct directory_call *call)
{
    struct lite *lite = lite_of(directory);
    bool full;

    call->task.run = call_done;
    call->task.next = NULL;
    pthread_mutex_lock(&lite->lock);
    full = lite->waiting == DIRECTORY_QUEUE_MAX;
    if (!full) {
        *lite->last = &call->task;
        lite->last = &call->task.next;
        lite->waiting++;
        pthread_cond_signal(&lite->wake);
    }
    pthread_mutex_unlock(&lite->lock);
    if (!full) return;
    call->err = KITH_E_FULL;
    loop_defer(call->loop, &call->task);
}

static bool lite_healthy(struct directory *directory, char reason[static 128])
{
    struct lite *lite = lite_of(directory);

    pthread_mutex_lock(&lite->lock);
    memcpy(reason, lite->reason, sizeof lite->reason);
    pthread_mutex_unlock(&lite->lock);
    return reason[0] == '\0';
}

static void lite_free(struct lite *lite)
{
    sqlite_tx_deinit(&lite->tx);
    (void)sqlite3_close(lite->db);
    pthread_cond_destroy(&lite->wake);
    pthread_mutex_destroy(&lite->lock);
    free(lite);
}

static void lite_close(struct directory *directory)
{
    struct lite *lite = lite_of(directory);

    pthread_mutex_lock(&lite->lock);
    lite->closing = true;
    pthread_cond_signal(&lite->wake);
    pthread_mutex_unlock(&lite->lock);
    (void)pthread_join(lite->thread, NULL);
    lite_free(lite);
}

static const struct directory_ops lite_ops = {
    .name = "sqlite",
    .call = lite_call,
    .healthy = lite_healthy,
    .close = lite_close,
};

/* ------------------------------------------------------------------------------------------------ opening */

/** SQLite would make it with the umask's mode; its -wal and -shm files take the mode of this one. */
static kith_err file_prepare(const char *path, char problem[static 256])
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int error = fd < 0 || fchmod(fd, 0600) != 0 ? errno : 0;

    if (fd >= 0) (void)close(fd);
    if (error == 0) return KITH_OK;
    (void)snprintf(problem, 256, "%.120s: %s", path, strerror(error));
    return error == ENOSPC || error == EDQUOT ? KITH_E_NOSPACE : KITH_E_IO;
}

/* Two that make a new file a WAL file at once would wait for each other, so SQLite's own timeout does not wait here. */
static kith_err wal_begin(struct lite *lite)
{
    int code = SQLITE_BUSY;

    for (int waited_ms = 0; (code & 0xff) == SQLITE_BUSY && waited_ms < BUSY_TIMEOUT_MS; waited_ms += BUSY_STEP_MS) {
        if (waited_ms > 0) (void)sqlite3_sleep(BUSY_STEP_MS);
        code = sqlite3_exec(lite->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    }
    return sqlite_err(code);
}

static kith_err lite_prepare(struct lite *lite, const struct directory_sqlite_config *config, char problem[static 256])
{
    static const char *const pragmas[] = {
        "PRAGMA synchronous = FULL", /* in WAL mode: one sync a COMMIT, before it returns */
        "PRAGMA foreign_keys = ON",
        "PRAGMA secure_delete = ON", /* what is deleted is overwritten */
        "PRAGMA trusted_schema = OFF",
    };
    char what[256] = "";
    kith_err err = sqlite_err(sqlite3_open_v2(
        config->path, &lite->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL));

    if (err == KITH_OK) err = sqlite_err(sqlite3_extended_result_codes(lite->db, 1));
    if (err == KITH_OK) err = sqlite_err(sqlite3_busy_timeout(lite->db, BUSY_TIMEOUT_MS));
    if (err == KITH_OK) err = wal_begin(lite);
    for (size_t i = 0; i < sizeof pragmas / sizeof pragmas[0] && err == KITH_OK; i++) err = lite_exec(lite, pragmas[i]);
    if (err != KITH_OK) (void)snprintf(what, sizeof what, "%.160s", sqlite3_errmsg(lite->db));
    if (err == KITH_OK) err = sqlite_schema_migrate(lite->db, what);
    if (err == KITH_OK) err = sqlite_schema_check(lite->db, config->tables, what);
    if (err != KITH_OK) (void)snprintf(problem, 256, "%.80s: %.170s", config->path, what);
    return err;
}

kith_err directory_sqlite_open(const struct directory_sqlite_config *config, char problem[static 256],
                               struct directory **out)
{
    struct lite *lite = NULL;
    kith_err err;

    *out = NULL;
    problem[0] = '\0';
    err = file_prepare(config->path, problem);
    if (err != KITH_OK) return err;
    lite = calloc(1, sizeof *lite);
    if (lite == NULL) return KITH_E_NOMEM;
    lite->base.ops = &lite_ops;
    lite->last = &lite->first;
    pthread_mutex_init(&lite->lock, NULL);
    pthread_cond_init(&lite->wake, NULL);

    err = lite_prepare(lite, config, problem);
    sqlite_tx_init(&lite->tx, lite->db, config->tables);
    if (err == KITH_OK && pthread_create(&lite->thread, NULL, lite_thread, lite) != 0) {
        (void)snprintf(problem, 256, "no thread could be started");
        err = KITH_E_NOMEM;
    }
    if (err != KITH_OK) {
        lite_free(lite);
        return err;
    }
    *out = &lite->base;
    return KITH_OK;
}
