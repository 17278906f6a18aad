#include "cli/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define GET_SLOTS 8

struct store {
    sqlite3 *db;
    int lock_fd;
    bool locked;
    char *lent[GET_SLOTS];
    unsigned lent_next;
    sqlite3_stmt *lent_send;
};

static const char schema[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                             "CREATE TABLE IF NOT EXISTS account(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
                             "CREATE TABLE IF NOT EXISTS records(key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT;"
                             "CREATE TABLE IF NOT EXISTS sends(row INTEGER PRIMARY KEY AUTOINCREMENT, chat BLOB NOT "
                             "NULL, msg_id BLOB, state INTEGER"
                             " NOT NULL, seq INTEGER, code INTEGER, encrypted INTEGER NOT NULL, created_ms INTEGER NOT "
                             "NULL, content_type TEXT NOT"
                             " NULL, body BLOB NOT NULL, wanted TEXT) STRICT;"
                             "CREATE INDEX IF NOT EXISTS sends_by_state ON sends(state);"
                             "CREATE INDEX IF NOT EXISTS sends_by_id ON sends(msg_id);";

static kith_err folder_make(const char *path, char error[static 256])
{
    char part[4096];

    for (const char *at = path; at != NULL; at = strchr(at + 1, '/')) {
        size_t len = at == path ? 0 : (size_t)(at - path);
        if (len == 0 || len >= sizeof part) continue;
        (void)snprintf(part, sizeof part, "%.*s", (int)len, path);
        (void)mkdir(part, 0700);
    }
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return KITH_OK;
    (void)snprintf(error, 256, "cannot make the state folder %.150s: %s", path, strerror(errno));
    return KITH_E_IO;
}

static void folder_name(const char *path, char out[static 4096])
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

    if (path != NULL)
        (void)snprintf(out, 4096, "%s", path);
    else if (data != NULL && *data != '\0')
        (void)snprintf(out, 4096, "%s/kith", data);
    else
        (void)snprintf(out, 4096, "%s/.local/share/kith", home == NULL ? "." : home);
}

kith_err store_open(const char *path, struct store **out, char error[static 256])
{
    struct store *store = calloc(1, sizeof *store);
    char folder[4096], file[4200];
    kith_err err;
    int fd;

    if (store == NULL) return KITH_E_NOMEM;
    store->lock_fd = -1;
    folder_name(path, folder);
    err = folder_make(folder, error);
    if (err != KITH_OK) goto done;
    (void)snprintf(file, sizeof file, "%s/lock", folder);
    store->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)snprintf(file, sizeof file, "%s/state.sqlite", folder);
    fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* SQLite would make it readable for others */
    if (fd >= 0) (void)close(fd);
    if (store->lock_fd < 0 || fd < 0 || sqlite3_open(file, &store->db) != SQLITE_OK ||
        sqlite3_busy_timeout(store->db, 10000) != SQLITE_OK ||
        sqlite3_exec(store->db, schema, NULL, NULL, NULL) != SQLITE_OK) {
        (void)snprintf(error, 256, "cannot use %.180s: %.60s", file,
                       store->db == NULL ? strerror(errno) : sqlite3_errmsg(store->db));
        err = KITH_E_IO;
        goto done;
    }
    *out = store;
    store = NULL;
done:
    store_close(store);
    return err;
}

void store_close(struct store *store)
{
    if (store == NULL) return;
    (void)sqlite3_finalize(store->lent_send);
    for (unsigned i = 0; i < GET_SLOTS; i++) free(store->lent[i]);
    (void)sqlite3_close(store->db);
    if (store->lock_fd >= 0) (void)close(store->lock_fd);
    free(store);
}

/* A prepared statement of ours is right, or the program is not; what can fail is the disk. */
static sqlite3_stmt *prepare(struct store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK) return statement;
    fprintf(stderr, "kith: the state cannot be read: %s\n", sqlite3_errmsg(store->db));
    exit(1);
}

static void run(struct store *store, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    (void)sqlite3_finalize(statement);
    if (code == SQLITE_DONE || code == SQLITE_ROW) return;
    fprintf(stderr, "kith: the state cannot be written: %s\n", sqlite3_errmsg(store->db));
    exit(1);
}

static void bind_blob(sqlite3_stmt *statement, int at, const void *bytes, size_t len)
{
    (void)sqlite3_bind_blob(statement, at, len == 0 ? "" : bytes, (int)len, SQLITE_TRANSIENT);
}

const char *store_get(struct store *store, const char *key)
{
    sqlite3_stmt *statement = prepare(store, "SELECT value FROM account WHERE key=?1");
    char **slot = &store->lent[store->lent_next++ % GET_SLOTS];

    (void)sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    free(*slot);
    *slot = sqlite3_step(statement) == SQLITE_ROW ? strdup((const char *)sqlite3_column_text(statement, 0)) : NULL;
    (void)sqlite3_finalize(statement);
    return *slot == NULL ? "" : *slot;
}

void store_set(struct store *store, const char *key, const char *value)
{
    sqlite3_stmt *statement = prepare(store, value == NULL
                                                 ? "DELETE FROM account WHERE key=?1"
                                                 : "INSERT OR REPLACE INTO account(key, value) VALUES(?1, ?2)");

    (void)sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    if (value != NULL) (void)sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
    run(store, statement);
}

void store_forget(struct store *store)
{
    (void)sqlite3_exec(store->db, "BEGIN; DELETE FROM account; DELETE FROM records; DELETE FROM sends; COMMIT; VACUUM;",
                       NULL, NULL, NULL);
}

bool store_lock(struct store *store)
{
    if (!store->locked) store->locked = flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0;
    return store->locked;
}

void store_unlock(struct store *store)
{
    if (store->locked) (void)flock(store->lock_fd, LOCK_UN);
    store->locked = false;
}

kith_err store_send_add(struct store *store, const struct send_row *send, int64_t *row)
{
    sqlite3_stmt *statement = prepare(store, "INSERT INTO sends(chat, state, encrypted, created_ms, content_type, body)"
                                             " VALUES(?1, 1, ?2, ?3, ?4, ?5)");

    bind_blob(statement, 1, send->chat.id.raw, 16);
    (void)sqlite3_bind_int(statement, 2, send->encrypted);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)send->created_ms);
    (void)sqlite3_bind_text(statement, 4, send->content_type, -1, SQLITE_STATIC);
    bind_blob(statement, 5, send->body.ptr, send->body.len);
    run(store, statement);
    *row = sqlite3_last_insert_rowid(store->db);
    return KITH_OK;
}

#define SEND_COLUMNS "row, chat, msg_id, state, seq, code, encrypted, created_ms, content_type, body"

static void send_read(sqlite3_stmt *statement, struct send_row *out)
{
    *out = (struct send_row){.row = sqlite3_column_int64(statement, 0),
                             .state = (enum send_state)sqlite3_column_int(statement, 3),
                             .seq = (uint64_t)sqlite3_column_int64(statement, 4),
                             .code = (enum kith_code)sqlite3_column_int(statement, 5),
                             .encrypted = sqlite3_column_int(statement, 6) != 0,
                             .created_ms = (uint64_t)sqlite3_column_int64(statement, 7)};
    if (sqlite3_column_bytes(statement, 1) == 16) memcpy(out->chat.id.raw, sqlite3_column_blob(statement, 1), 16);
    if (sqlite3_column_bytes(statement, 2) == 16) memcpy(out->id.id.raw, sqlite3_column_blob(statement, 2), 16);
    (void)snprintf(out->content_type, sizeof out->content_type, "%s", (const char *)sqlite3_column_text(statement, 8));
    out->body = kith_slice_of(sqlite3_column_blob(statement, 9), (size_t)sqlite3_column_bytes(statement, 9));
}

static kith_err send_lend(struct store *store, sqlite3_stmt *statement, struct send_row *out)
{
    (void)sqlite3_finalize(store->lent_send);
    store->lent_send = NULL;
    if (sqlite3_step(statement) != SQLITE_ROW) {
        (void)sqlite3_finalize(statement);
        return KITH_E_NOTFOUND;
    }
    send_read(statement, out);
    store->lent_send = statement; /* the body is the statement's, until the next call */
    return KITH_OK;
}

kith_err store_send_get(struct store *store, int64_t row, struct send_row *out)
{
    sqlite3_stmt *statement = prepare(store, "SELECT " SEND_COLUMNS " FROM sends WHERE row=?1");

    (void)sqlite3_bind_int64(statement, 1, row);
    return send_lend(store, statement, out);
}

kith_err store_send_next(struct store *store, struct send_row *out)
{
    return send_lend(store, prepare(store, "SELECT " SEND_COLUMNS " FROM sends WHERE state=1 ORDER BY row LIMIT 1"),
                     out);
}

void store_send_each(struct store *store, bool (*each)(void *arg, const struct send_row *send), void *arg)
{
    sqlite3_stmt *statement = prepare(store,
                                      "SELECT " SEND_COLUMNS " FROM sends WHERE state IN (1, 2, 4) ORDER BY row");
    struct send_row send;

    while (sqlite3_step(statement) == SQLITE_ROW) {
        send_read(statement, &send);
        if (!each(arg, &send)) break;
    }
    (void)sqlite3_finalize(statement);
}

void store_send_mark(struct store *store, int64_t row, struct msg_id id, enum send_state state)
{
    sqlite3_stmt *statement = prepare(store, "UPDATE sends SET msg_id=?2, state=?3, wanted=NULL WHERE row=?1");

    (void)sqlite3_finalize(store->lent_send);
    store->lent_send = NULL;
    (void)sqlite3_bind_int64(statement, 1, row);
    bind_blob(statement, 2, id.id.raw, 16);
    (void)sqlite3_bind_int(statement, 3, (int)state);
    run(store, statement);
}

void store_send_result(struct store *store, struct msg_id id, enum send_state state, uint64_t seq, enum kith_code code)
{
    sqlite3_stmt *statement = prepare(store, "UPDATE sends SET state=?2, seq=?3, code=?4 WHERE msg_id=?1");

    bind_blob(statement, 1, id.id.raw, 16);
    (void)sqlite3_bind_int(statement, 2, (int)state);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)seq);
    (void)sqlite3_bind_int(statement, 4, (int)code);
    run(store, statement);
    /* What was sent is in the history; the newest rows stay, for `status`. */
    run(store, prepare(store, "DELETE FROM sends WHERE state IN (3, 5) AND row < (SELECT max(row) FROM sends) - 1000"));
}

void store_send_want(struct store *store, int64_t row, const char *what)
{
    sqlite3_stmt *statement = prepare(store, "UPDATE sends SET wanted=?2 WHERE row=?1");

    (void)sqlite3_bind_int64(statement, 1, row);
    (void)sqlite3_bind_text(statement, 2, what, -1, SQLITE_STATIC);
    run(store, statement);
}

kith_err store_send_wanted(struct store *store, int64_t *row, struct msg_id *id, char what[static 8])
{
    sqlite3_stmt *statement = prepare(store, "SELECT row, msg_id, wanted FROM sends WHERE wanted IS NOT NULL LIMIT 1");
    kith_err err = KITH_E_NOTFOUND;

    if (sqlite3_step(statement) == SQLITE_ROW) {
        *row = sqlite3_column_int64(statement, 0);
        *id = (struct msg_id){0};
        if (sqlite3_column_bytes(statement, 1) == 16) memcpy(id->id.raw, sqlite3_column_blob(statement, 1), 16);
        (void)snprintf(what, 8, "%s", (const char *)sqlite3_column_text(statement, 2));
        err = KITH_OK;
    }
    (void)sqlite3_finalize(statement);
    return err;
}

void store_begin(struct store *store)
{
    run(store, prepare(store, "BEGIN IMMEDIATE"));
}

kith_err store_commit(struct store *store)
{
    return sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? KITH_OK : KITH_E_IO;
}

kith_err store_persist(struct store *store, struct kith_slice records)
{
    struct kith_slice key = {0}, value = {0};
    bool is_put = false;

    while (kith_record_next(&records, &is_put, &key, &value) == KITH_OK) {
        sqlite3_stmt *statement = prepare(store, is_put ? "INSERT OR REPLACE INTO records(key, value) VALUES(?1, ?2)"
                                                        : "DELETE FROM records WHERE key=?1");
        bind_blob(statement, 1, key.ptr, key.len);
        if (is_put) bind_blob(statement, 2, value.ptr, value.len);
        run(store, statement);
    }
    return KITH_OK;
}

kith_err store_load(struct store *store, struct kith_client *client)
{
    sqlite3_stmt *statement = prepare(store, "SELECT key, value FROM records");
    kith_err err = KITH_OK;

    while (err == KITH_OK && sqlite3_step(statement) == SQLITE_ROW)
        err = kith_client_load(
            client, kith_slice_of(sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0)),
            kith_slice_of(sqlite3_column_blob(statement, 1), (size_t)sqlite3_column_bytes(statement, 1)));
    (void)sqlite3_finalize(statement);
    return err;
}

void store_history(struct store *store, struct chat_id chat, uint64_t after, uint64_t before, int limit,
                   bool (*each)(void *arg, const struct kith_message *message), void *arg)
{
    sqlite3_stmt *statement = prepare(store,
                                      "SELECT key, value FROM (SELECT key, value FROM records WHERE key > ?1 AND "
                                      "key < ?2 ORDER BY key DESC LIMIT ?3) ORDER BY key");
    uint8_t from[KITH_RECORD_MESSAGE_KEY_BYTES], to[KITH_RECORD_MESSAGE_KEY_BYTES];
    struct kith_message message;

    kith_record_message_key(chat, after, from);
    kith_record_message_key(chat, before == 0 ? UINT64_MAX : before, to);
    bind_blob(statement, 1, from, sizeof from);
    bind_blob(statement, 2, to, sizeof to);
    (void)sqlite3_bind_int(statement, 3, limit);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        struct kith_slice key = kith_slice_of(sqlite3_column_blob(statement, 0),
                                              (size_t)sqlite3_column_bytes(statement, 0));
        struct kith_slice value = kith_slice_of(sqlite3_column_blob(statement, 1),
                                                (size_t)sqlite3_column_bytes(statement, 1));
        if (kith_record_message(key, value, &message) == KITH_OK && !each(arg, &message)) break;
    }
    (void)sqlite3_finalize(statement);
}
