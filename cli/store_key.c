#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "cli/key_file.h"
#include "cli/store_impl.h"
#include "libkith/crypto/secret.h"
#include "libkith/vault_key.h"

/*
 * A state and its key. What is sealed has a check beside it, sealed too: a state without one is empty, and may get a new key;
 * one that has it opens with its own key or not at all. Key and check come into being in one transaction, the key first.
 */
#define SCHEMA      1
#define SCHEMA_TEXT "1"

#define PASSPHRASE_HINT "A passphrase takes 64 MiB for a moment."

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS vault(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS account(key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS records(key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS sends(row INTEGER PRIMARY KEY AUTOINCREMENT, message BLOB, state INTEGER NOT NULL,"
    " content BLOB NOT NULL, outcome BLOB, wanted TEXT) STRICT;"
    "CREATE INDEX IF NOT EXISTS sends_by_state ON sends(state);"
    "CREATE INDEX IF NOT EXISTS sends_by_message ON sends(message);"
    "PRAGMA user_version=" SCHEMA_TEXT ";";

static const char anew[] = "To begin anew, move the folder away and sign in again: kith account login NAME";

/* `before` the folder's name `after`. */
static kith_err fail(const struct store *store, struct store_error *error, kith_err err, const char *before,
                     const char *after, const char *hint)
{
    (void)snprintf(error->what, sizeof error->what, "%s%.150s%s", before, store->folder, after);
    (void)snprintf(error->hint, sizeof error->hint, "%s", hint);
    return err;
}

static int64_t number_of(struct store *store, const char *sql)
{
    sqlite3_stmt *statement = store_prepare(store, sql);
    int64_t number = store_step(store, statement) ? sqlite3_column_int64(statement, 0) : 0;

    (void)sqlite3_finalize(statement);
    return number;
}

static kith_err check_schema(struct store *store, struct store_error *error)
{
    int64_t version = number_of(store, "PRAGMA user_version");

    if (version > SCHEMA)
        return fail(store, error, KITH_E_UNSUPPORTED, "the state in ", " is of a newer kith", "Use that one.");
    if (version == 0 && number_of(store, "SELECT count(*) FROM sqlite_schema WHERE name='account'") > 0)
        return fail(store, error, KITH_E_UNSUPPORTED, "the state in ", " is of a kith that did not encrypt it", anew);
    return KITH_OK;
}

static bool has_check(struct store *store)
{
    return number_of(store, "SELECT count(*) FROM sqlite_schema WHERE name='vault'") > 0 &&
           number_of(store, "SELECT count(*) FROM vault WHERE name='check'") > 0;
}

/* ---- the key */

static kith_err key_of_file(struct store *store, struct kith_slice file, bool (*ask)(void *arg, char out[static 1025]),
                            void *arg, struct store_error *error)
{
    char passphrase[1025] = "";
    kith_err err = vault_key_is_wrapped(file, &store->has_passphrase);

    if (err == KITH_OK && store->has_passphrase && !ask(arg, passphrase)) return KITH_E_DENIED; /* it said why */
    if (err == KITH_OK) err = vault_key_read(file, kith_slice_str(passphrase), store->key);
    sodium_memzero(passphrase, sizeof passphrase);
    switch (err) {
    case KITH_OK: vault_init(&store->vault, store->key); return KITH_OK;
    case KITH_E_DENIED:
        return fail(store, error, err, "that is not the passphrase of the state in ", "", "Nothing was changed.");
    case KITH_E_UNSUPPORTED: return fail(store, error, err, "", "/key is of a newer kith", "Use that one.");
    case KITH_E_NOMEM: return fail(store, error, err, "out of memory, in ", "", PASSPHRASE_HINT);
    default: return fail(store, error, err, "", "/key is damaged", anew);
    }
}

/* KITH_E_NOTFOUND: there is no file. */
static kith_err key_read(struct store *store, bool (*ask)(void *arg, char out[static 1025]), void *arg,
                         struct store_error *error)
{
    struct kith_buf file;
    kith_err err;

    kith_buf_init(&file, VAULT_FILE_BYTES_MAX);
    err = key_file_read(store->folder, &file);
    if (err == KITH_OK)
        err = key_of_file(store, kith_buf_peek(&file), ask, arg, error);
    else if (err == KITH_E_TOOBIG)
        err = fail(store, error, err, "", "/key is damaged", anew);
    else if (err != KITH_E_NOTFOUND)
        err = fail(store, error, err, "", "/key cannot be read", strerror(errno));
    kith_buf_wipe(&file);
    return err;
}

static kith_err key_write(struct store *store, const char *passphrase, struct store_error *error)
{
    struct kith_buf file;
    kith_err err;

    kith_buf_init(&file, VAULT_FILE_BYTES_MAX);
    if (passphrase == NULL)
        err = vault_key_write(store->key, &file);
    else
        err = vault_key_wrap(store->key, kith_slice_str(passphrase), E2E_PASSPHRASE_COST, &store_random, &file);
    if (err != KITH_OK) {
        kith_buf_wipe(&file);
        return fail(store, error, err, "out of memory, in ", "", PASSPHRASE_HINT);
    }
    err = key_file_replace(store->folder, kith_buf_peek(&file));
    if (err != KITH_OK)
        err = fail(store, error, err, "", "/key cannot be written", strerror(errno));
    else
        store->has_passphrase = passphrase != NULL;
    kith_buf_wipe(&file);
    return err;
}

/* ---- the check */

/* The stored form of the check; empty: there is none. */
static kith_err check_stored(struct store *store, struct kith_buf *out)
{
    sqlite3_stmt *statement = store_prepare(store, "SELECT value FROM vault WHERE name='check'");
    kith_err err = KITH_OK;

    kith_buf_reset(out);
    if (store_step(store, statement)) err = kith_buf_append(out, store_column(statement, 0));
    (void)sqlite3_finalize(statement);
    return err;
}

kith_err store_check_renew(struct store *store)
{
    sqlite3_stmt *statement = store_prepare(store, "INSERT INTO vault(name, value) VALUES('check', ?1)");
    kith_err err = store_bind_sealed(store, statement, 0, kith_slice_str("k"), 1, (struct kith_slice){0});

    store_run(store, statement);
    return err == KITH_OK ? check_stored(store, &store->check) : err;
}

bool store_is_same(struct store *store)
{
    struct kith_buf now;
    bool is_same;

    kith_buf_init(&now, STORE_ROOM_BYTES_MAX);
    is_same = check_stored(store, &now) == KITH_OK && kith_slice_eq(kith_buf_peek(&now), kith_buf_peek(&store->check));
    kith_buf_deinit(&now);
    return is_same;
}

static kith_err check_read(struct store *store, struct store_error *error)
{
    struct kith_slice key = {0}, value = {0};
    struct vault_name name;
    kith_err err = check_stored(store, &store->check);

    vault_name(&store->vault, kith_slice_str("k"), &name);
    if (err == KITH_OK)
        err = vault_open(&store->vault, vault_name_slice(&name), kith_buf_peek(&store->check), &store->opened, &key,
                         &value);
    if (err == KITH_OK) return KITH_OK;
    return fail(store, error, err, "", "/key is not the key of the state beside it", anew);
}

/* ---- both */

/* Two that begin at once: the second finds what the first made. */
static kith_err begin_state(struct store *store, bool (*ask)(void *arg, char out[static 1025]), void *arg,
                            struct store_error *error)
{
    kith_err err = KITH_OK;

    store_control(store, "BEGIN IMMEDIATE");
    if (!has_check(store)) {
        err = key_read(store, ask, arg, error);
        if (err == KITH_E_NOTFOUND) {
            randombytes_buf(store->key, sizeof store->key);
            vault_init(&store->vault, store->key);
            err = key_write(store, NULL, error);
        }
        if (err == KITH_OK && sqlite3_exec(store->db, schema, NULL, NULL, NULL) != SQLITE_OK)
            err = fail(store, error, KITH_E_IO, "the state in ", " cannot be written", "");
        if (err == KITH_OK) err = store_check_renew(store);
    }
    if (err != KITH_OK)
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    else if (store_commit(store) != KITH_OK)
        err = fail(store, error, KITH_E_IO, "the state in ", " cannot be written", "");
    return err;
}

/* A key that was on its way when its kith was killed: written down without a passphrase, perhaps. */
static void drop_leftover(struct store *store)
{
    if (!key_file_has_leftover(store->folder)) return;
    store_control(store, "BEGIN IMMEDIATE");
    key_file_drop_leftover(store->folder);
    kith_ignore(store_commit(store)); /* it changed nothing */
}

kith_err store_unseal(struct store *store, bool (*ask)(void *arg, char out[static 1025]), void *arg,
                      struct store_error *error)
{
    kith_err err = check_schema(store, error);

    if (err == KITH_OK && !has_check(store)) err = begin_state(store, ask, arg, error);
    if (err != KITH_OK) return err;
    drop_leftover(store);
    if (!sodium_is_zero(store->key, sizeof store->key)) return KITH_OK; /* just made */
    err = key_read(store, ask, arg, error);
    if (err == KITH_E_NOTFOUND)
        return fail(
            store, error, err, "the key of this state is missing: ", "/key",
            "Put it back from a copy: without it nothing here can be read. Or move the folder away, sign in again "
            "(kith account login NAME), and link this device from another of yours (kith device request).");
    return err == KITH_OK ? check_read(store, error) : err;
}

bool store_has_passphrase(const struct store *store)
{
    return store->has_passphrase;
}

kith_err store_set_passphrase(struct store *store, const char *passphrase, struct store_error *error)
{
    kith_err err;

    *error = (struct store_error){0};
    store_begin(store); /* nobody else writes a key meanwhile */
    err = key_write(store, passphrase, error);
    kith_ignore(store_commit(store)); /* it changed nothing */
    return err;
}
