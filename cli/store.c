#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/store_impl.h"
#include "libkith/crypto/secret.h"

static void random_fill(void *arg, void *out, size_t len)
{
    (void)arg;
    randombytes_buf(out, len);
}
const struct e2e_random store_random = {.fill = random_fill};

/* ---- folder and file */

static kith_err folder_make(const char *path, struct store_error *error)
{
    char part[4096];

    for (const char *at = path; at != NULL; at = strchr(at + 1, '/')) {
        size_t len = at == path ? 0 : (size_t)(at - path);
        if (len == 0 || len >= sizeof part) continue;
        (void)snprintf(part, sizeof part, "%.*s", (int)len, path);
        (void)mkdir(part, 0700);
    }
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return KITH_OK;
    (void)snprintf(error->what, sizeof error->what, "cannot make the state folder %.150s: %s", path, strerror(errno));
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

static kith_err files_open(struct store *store, struct store_error *error)
{
    /* What is deleted is overwritten: a key that was given up is not found in a page that is free. */
    static const char settings[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;";
    char file[4200];
    int fd;

    (void)snprintf(file, sizeof file, "%s/lock", store->folder);
    store->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)snprintf(file, sizeof file, "%s/state.sqlite", store->folder);
    fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* SQLite would make it readable for others */
    if (fd >= 0) (void)close(fd);
    if (store->lock_fd >= 0 && fd >= 0 && sqlite3_open(file, &store->db) == SQLITE_OK &&
        sqlite3_busy_timeout(store->db, 10000) == SQLITE_OK &&
        sqlite3_exec(store->db, settings, NULL, NULL, NULL) == SQLITE_OK)
        return KITH_OK;
    (void)snprintf(error->what, sizeof error->what, "cannot use %.180s: %.60s", file,
                   store->db == NULL ? strerror(errno) : sqlite3_errmsg(store->db));
    return KITH_E_IO;
}

kith_err store_open(const char *path, bool (*ask)(void *arg, char out[static 1025]), void *arg, struct store **out,
                    struct store_error *error)
{
    struct store *store = calloc(1, sizeof *store);
    kith_err err;

    *error = (struct store_error){0};
    if (store == NULL) {
        (void)snprintf(error->what, sizeof error->what, "out of memory");
        return KITH_E_NOMEM;
    }
    store->lock_fd = -1;
    kith_buf_init(&store->sealed, STORE_ROOM_BYTES_MAX);
    kith_buf_init(&store->opened, STORE_ROOM_BYTES_MAX);
    kith_buf_init(&store->send, STORE_ROOM_BYTES_MAX);
    kith_buf_init(&store->check, STORE_ROOM_BYTES_MAX);
    folder_name(path, store->folder);
    err = folder_make(store->folder, error);
    if (err == KITH_OK) err = files_open(store, error);
    if (err == KITH_OK) err = store_unseal(store, ask, arg, error);
    if (err == KITH_OK) {
        *out = store;
        store = NULL;
    }
    store_close(store);
    return err;
}

static void forget_text(char *text)
{
    if (text != NULL) e2e_wipe(text, strlen(text));
    free(text);
}

void store_close(struct store *store)
{
    if (store == NULL) return;
    for (unsigned i = 0; i < STORE_GET_SLOTS; i++) forget_text(store->lent[i]);
    (void)sqlite3_close(store->db);
    if (store->lock_fd >= 0) (void)close(store->lock_fd);
    kith_buf_deinit(&store->sealed);
    kith_buf_deinit(&store->check);
    kith_buf_wipe(&store->opened);
    kith_buf_wipe(&store->send);
    e2e_wipe(store, sizeof *store);
    free(store);
}

/* ---- statements */

static void give_up(struct store *store, const char *what)
{
    fprintf(stderr, "kith: the state cannot be %s: %s\n", what, sqlite3_errmsg(store->db));
    exit(1);
}

sqlite3_stmt *store_prepare(struct store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK) give_up(store, "read");
    return statement;
}

void store_control(struct store *store, const char *sql)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK) give_up(store, "written");
}

void store_end_if_forgotten(struct store *store)
{
    if (store_is_same(store)) return;
    /* Whoever signs in here next must not find what was of this account. */
    fprintf(stderr, "kith: this device was signed out meanwhile; nothing more is kept\n");
    exit(EXIT_NO_ACCOUNT);
}

void store_begin(struct store *store)
{
    store_control(store, "BEGIN IMMEDIATE");
    store_end_if_forgotten(store);
}

kith_err store_commit(struct store *store)
{
    return sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? KITH_OK : KITH_E_IO;
}

void store_run(struct store *store, sqlite3_stmt *statement)
{
    bool is_alone = sqlite3_get_autocommit(store->db) != 0;
    int code;

    if (is_alone) store_begin(store);
    code = sqlite3_step(statement);
    (void)sqlite3_finalize(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW) give_up(store, "written");
    if (is_alone && store_commit(store) != KITH_OK) give_up(store, "written");
}

bool store_step(struct store *store, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    if (code != SQLITE_DONE && code != SQLITE_ROW) give_up(store, "read");
    return code == SQLITE_ROW;
}

void store_bind(sqlite3_stmt *statement, int at, struct kith_slice bytes)
{
    (void)sqlite3_bind_blob(statement, at, bytes.len == 0 ? "" : (const void *)bytes.ptr, (int)bytes.len,
                            SQLITE_TRANSIENT);
}

struct kith_slice store_column(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at);

    return kith_slice_of(bytes, (size_t)sqlite3_column_bytes(statement, at));
}

kith_err store_bind_sealed(struct store *store, sqlite3_stmt *statement, int key_at, struct kith_slice key,
                           int value_at, struct kith_slice value)
{
    struct vault_name name;
    kith_err err = KITH_OK;

    kith_buf_reset(&store->sealed);
    if (value_at > 0)
        err = vault_seal(&store->vault, &store_random, key, value, &name, &store->sealed);
    else
        vault_name(&store->vault, key, &name);
    if (err == KITH_E_NOMEM) abort(); /* what is not kept is lost: libkith does so too */
    if (err != KITH_OK) return err;
    if (key_at > 0) store_bind(statement, key_at, vault_name_slice(&name));
    if (value_at > 0) store_bind(statement, value_at, kith_buf_peek(&store->sealed));
    return KITH_OK;
}

struct kith_slice store_open_column(struct store *store, sqlite3_stmt *statement, int at, struct kith_slice key,
                                    struct kith_buf *room)
{
    struct vault_name name;
    struct kith_slice its_key = {0}, value = {0};

    vault_name(&store->vault, key, &name);
    if (vault_open(&store->vault, vault_name_slice(&name), store_column(statement, at), room, &its_key, &value) ==
        KITH_OK)
        return value;
    fprintf(stderr,
            "kith: the state in %s is damaged: a value is not what was written\n"
            "      To begin anew, move the folder away and sign in again: kith account login NAME\n",
            store->folder);
    exit(1);
}

/* ---- values */

static size_t value_key(const char *key, uint8_t out[static VAULT_RECORD_KEY_BYTES])
{
    size_t len = strnlen(key, VAULT_RECORD_KEY_BYTES - 1);

    out[0] = 'a';
    memcpy(out + 1, key, len);
    return len + 1;
}

const char *store_get(struct store *store, const char *key)
{
    sqlite3_stmt *statement = store_prepare(store, "SELECT value FROM account WHERE key=?1");
    char **slot = &store->lent[store->lent_next++ % STORE_GET_SLOTS];
    uint8_t bytes[VAULT_RECORD_KEY_BYTES];
    struct kith_slice record = kith_slice_of(bytes, value_key(key, bytes));

    forget_text(*slot);
    *slot = NULL;
    kith_ignore(store_bind_sealed(store, statement, 1, record, 0, (struct kith_slice){0})); /* a name always fits */
    if (store_step(store, statement)) {
        struct kith_slice value = store_open_column(store, statement, 0, record, &store->opened);
        *slot = cli_text_of(value);
    }
    (void)sqlite3_finalize(statement);
    return *slot == NULL ? "" : *slot;
}

void store_set(struct store *store, const char *key, const char *value)
{
    uint8_t bytes[VAULT_RECORD_KEY_BYTES];
    struct kith_slice record = kith_slice_of(bytes, value_key(key, bytes));
    sqlite3_stmt *statement;

    if (value != NULL && strlen(value) > VAULT_VALUE_BYTES_MAX) value = NULL;
    statement = store_prepare(store, value == NULL ? "DELETE FROM account WHERE key=?1"
                                                   : "INSERT OR REPLACE INTO account(key, value) VALUES(?1, ?2)");
    kith_ignore(store_bind_sealed(store, statement, 1, record, value == NULL ? 0 : 2, /* its length was seen to */
                                  kith_slice_str(value == NULL ? "" : value)));
    store_run(store, statement);
}

void store_forget(struct store *store)
{
    store_begin(store);
    store_control(store, "DELETE FROM account; DELETE FROM records; DELETE FROM sends; DELETE FROM vault;");
    if (store_check_renew(store) != KITH_OK || store_commit(store) != KITH_OK) give_up(store, "written");
    store_control(store, "VACUUM");
}

/* ---- one at a time */

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
