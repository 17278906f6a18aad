#ifndef CLI_STORE_IMPL_H
#define CLI_STORE_IMPL_H

#include <sqlite3.h>

#include "cli/store.h"
#include "libkith/vault.h"

/*
 * The inside of a state, shared by the store_*.c. A host's own records, in the vault's sense:
 *   'a' name          a value of store_get()
 *   's' row (u64)     what a person wrote: chat 16, encrypted u8, created_ms u64, length of the content type u16, it, the body
 *   'o' row (u64)     what became of it: id 16, seq u64, code u8
 *   'i' id (16)       nothing: its stored key stands in the row, which is found by it
 *   'k'               nothing, sealed: whether a key is this state's
 */
#define STORE_GET_SLOTS      8
#define STORE_ROOM_BYTES_MAX (VAULT_VALUE_BYTES_MAX + 1024)

struct store {
    sqlite3 *db;
    char folder[4096];
    int lock_fd;
    bool locked, has_passphrase;
    uint8_t key[VAULT_KEY_BYTES];
    struct vault vault;
    struct kith_buf check;  /* as it is stored: another one, or none, and this state was forgotten meanwhile */
    struct kith_buf sealed; /* of the statement that is being made */
    struct kith_buf opened; /* of the value that is being read */
    struct kith_buf send;   /* what is lent of a row */
    char *lent[STORE_GET_SLOTS];
    unsigned lent_next;
};

extern const struct e2e_random store_random;

/* A prepared statement of ours is right, or the program is not; what can fail is the disk: that ends the process. */
sqlite3_stmt *store_prepare(struct store *store, const char *sql);
/** BEGIN and its like, without a look at whether the state is the same. */
void store_control(struct store *store, const char *sql);
/** A write, a transaction of its own unless one is under way: steps to the end and finalises. */
void store_run(struct store *store, sqlite3_stmt *statement);
/** Steps; true: there is a row. Any other end but the last ends the process. */
bool store_step(struct store *store, sqlite3_stmt *statement);
void store_bind(sqlite3_stmt *statement, int at, struct kith_slice bytes);
/** Lent until the next step. */
struct kith_slice store_column(sqlite3_stmt *statement, int at);

/** Binds the stored key of `key`, and with value_at > 0 the sealed value. KITH_E_TOOBIG: nothing is bound. */
KITH_MUST_USE kith_err store_bind_sealed(struct store *store, sqlite3_stmt *statement, int key_at,
                                         struct kith_slice key, int value_at, struct kith_slice value);
/** The value in a column, sealed under `key`; lent from `room`. A damaged one ends the process. */
struct kith_slice store_open_column(struct store *store, sqlite3_stmt *statement, int at, struct kith_slice key,
                                    struct kith_buf *room);

/* store_key.c */
/** Makes what is missing in a new state, and unlocks: store->key and store->vault are there then. */
KITH_MUST_USE kith_err store_unseal(struct store *store, bool (*ask)(void *arg, char out[static 1025]), void *arg,
                                    struct store_error *error);
/** A new check, stored and remembered: of a state that begins, or begins anew. */
KITH_MUST_USE kith_err store_check_renew(struct store *store);
/** Whether the state is the one that was opened: in a transaction, it stays so. */
bool store_is_same(struct store *store);

#endif
