#include <stdio.h>

#include "cli/store_impl.h"

/* libkith's records: what it gives in PERSIST, and what is read of it. */

kith_err store_persist(struct store *store, struct kith_slice records)
{
    struct kith_slice key = {0}, value = {0};
    bool is_put = false;
    kith_err err = KITH_OK;

    while (err == KITH_OK && kith_record_next(&records, &is_put, &key, &value) == KITH_OK) {
        sqlite3_stmt *statement = store_prepare(store, is_put
                                                           ? "INSERT OR REPLACE INTO records(key, value) VALUES(?1, ?2)"
                                                           : "DELETE FROM records WHERE key=?1");
        err = store_bind_sealed(store, statement, 1, key, is_put ? 2 : 0, value);
        if (err == KITH_OK)
            store_run(store, statement);
        else
            (void)sqlite3_finalize(statement);
    }
    return err;
}

static kith_err load_letter(struct store *store, struct kith_client *client, char letter)
{
    sqlite3_stmt *statement = store_prepare(store, "SELECT key, value FROM records WHERE key >= ?1 AND key < ?2");
    uint8_t from = (uint8_t)letter, to = (uint8_t)(letter + 1);
    struct kith_slice key = {0}, value = {0};
    kith_err err = KITH_OK;

    store_bind(statement, 1, kith_slice_of(&from, 1));
    store_bind(statement, 2, kith_slice_of(&to, 1));
    while (err == KITH_OK && store_step(store, statement)) {
        err = vault_open(&store->vault, store_column(statement, 0), store_column(statement, 1), &store->opened, &key,
                         &value);
        if (err == KITH_OK) err = kith_client_load(client, key, value);
    }
    (void)sqlite3_finalize(statement);
    return err;
}

kith_err store_load(struct store *store, struct kith_client *client)
{
    kith_err err = KITH_OK;

    for (const char *letter = VAULT_LETTERS_LOADED; *letter != '\0' && err == KITH_OK; letter++)
        err = load_letter(store, client, *letter);
    return err;
}

bool store_record(struct store *store, struct kith_slice key, struct kith_slice *value)
{
    sqlite3_stmt *statement = store_prepare(store, "SELECT value FROM records WHERE key=?1");
    struct vault_name name;
    struct kith_slice opened = {0};
    bool is_there;

    vault_name(&store->vault, key, &name);
    store_bind(statement, 1, vault_name_slice(&name));
    is_there = store_step(store, statement) &&
               vault_open(&store->vault, vault_name_slice(&name), store_column(statement, 0), &store->opened, &opened,
                          value) == KITH_OK;
    (void)sqlite3_finalize(statement);
    return is_there;
}

void store_history(struct store *store, struct chat_id chat, uint64_t after, uint64_t before, int limit,
                   bool (*each)(void *arg, const struct kith_message *message), void *arg)
{
    sqlite3_stmt *statement = store_prepare(store,
                                            "SELECT key, value FROM (SELECT key, value FROM records WHERE key > ?1 AND "
                                            "key < ?2 ORDER BY key DESC LIMIT ?3) ORDER BY key");
    struct kith_slice key = {0}, value = {0};
    struct kith_message message;
    struct kith_buf room; /* of its own: what is shown may ask the store for names */
    struct vault_name from, to;
    bool goes_on = true;

    kith_buf_init(&room, STORE_ROOM_BYTES_MAX);
    vault_message_range(&store->vault, chat, after, before, &from, &to);
    store_bind(statement, 1, vault_name_slice(&from));
    store_bind(statement, 2, vault_name_slice(&to));
    (void)sqlite3_bind_int(statement, 3, limit);
    while (goes_on && store_step(store, statement)) {
        kith_err err = vault_open(&store->vault, store_column(statement, 0), store_column(statement, 1), &room, &key,
                                  &value);
        if (err == KITH_OK) err = kith_record_message(key, value, &message);
        if (err == KITH_OK)
            goes_on = each(arg, &message);
        else
            fprintf(stderr, "kith: a message of the state is damaged and left out\n");
    }
    (void)sqlite3_finalize(statement);
    kith_buf_wipe(&room);
}
