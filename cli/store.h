#ifndef CLI_STORE_H
#define CLI_STORE_H

#include "base/buf.h"
#include "base/id.h"
#include "libkith/kith.h"

/**
 * The state folder (0700): state.sqlite, its key, and a lock. Who is logged in, libkith's records, and the sends: one row
 * each from the moment a person wrote it. All of it is sealed (libkith/vault.h); how is in docs/client-state.md. One
 * process at a time is online with a folder (store_lock()); others only write a row, and the one that is online takes it.
 */
struct store;

/* For people; what is empty: it was said already. */
struct store_error {
    char what[256], hint[256];
};

/**
 * path   NULL: $XDG_DATA_HOME/kith. A new state gets a new key, without a passphrase.
 * ask    called for the passphrase of a state that has one; false: there is none, and why was said.
 */
KITH_MUST_USE kith_err store_open(const char *path, bool (*ask)(void *arg, char out[static 1025]), void *arg,
                                  struct store **out, struct store_error *error);
void store_close(struct store *store);

bool store_has_passphrase(const struct store *store);
/** The key under another passphrase, NULL: under none. On an error nothing has changed, or all of it. */
KITH_MUST_USE kith_err store_set_passphrase(struct store *store, const char *passphrase, struct store_error *error);

/** "" when not set. Lent until eight more calls. */
const char *store_get(struct store *store, const char *key);
/** NULL: forget. More than VAULT_VALUE_BYTES_MAX is not kept either: what is so long is a copy of what the server has. */
void store_set(struct store *store, const char *key, const char *value);
/** Forgets the account, all records and all sends. The key stays. */
void store_forget(struct store *store);
/** Ends the process, saying why, when another one has forgotten the state since it was opened. Every write does so too. */
void store_end_if_forgotten(struct store *store);

/** False: another process has it. */
bool store_lock(struct store *store);
void store_unlock(struct store *store);

enum send_state { SEND_WAITING = 1, SEND_QUEUED, SEND_SENT, SEND_FAILED, SEND_DROPPED };

struct send_row {
    int64_t row;
    struct chat_id chat;
    struct msg_id id; /* nil while SEND_WAITING */
    enum send_state state;
    uint64_t seq, created_ms; /* seq 0: not known, the kith that heard it was killed */
    enum kith_code code;
    bool encrypted;
    char content_type[64];
    struct kith_slice body; /* lent until the next call that gives a row, of _each() for its call */
};

/** A person wrote it: durable when this returns. */
KITH_MUST_USE kith_err store_send_add(struct store *store, const struct send_row *send, int64_t *row);
KITH_MUST_USE kith_err store_send_get(struct store *store, int64_t row, struct send_row *out);
/** Oldest first: all that are not sent. */
void store_send_each(struct store *store, bool (*each)(void *arg, const struct send_row *send), void *arg);
/** For the process that is online: the next waiting one, or KITH_E_NOTFOUND. */
KITH_MUST_USE kith_err store_send_next(struct store *store, struct send_row *out);
/** Its records are being stored in the same transaction as this row's new state. */
void store_send_mark(struct store *store, int64_t row, struct msg_id id, enum send_state state);
void store_send_result(struct store *store, struct msg_id id, enum send_state state, uint64_t seq, enum kith_code code);
/** Wanted by `outbox retry|drop` of a process that is not online: carried out by the one that is. */
void store_send_want(struct store *store, int64_t row, const char *what); /* NULL: nothing any more */
KITH_MUST_USE kith_err store_send_wanted(struct store *store, int64_t *row, struct msg_id *id, char what[static 8]);

/** libkith's records: one durable transaction. */
KITH_MUST_USE kith_err store_persist(struct store *store, struct kith_slice records);
/** Between these, everything is one transaction. */
void store_begin(struct store *store);
KITH_MUST_USE kith_err store_commit(struct store *store);
/** What the client remembers; its history and mail stay where they are. KITH_E_DENIED: a record is damaged. */
KITH_MUST_USE kith_err store_load(struct store *store, struct kith_client *client);
/** One of them, by its key; lent until the next call that reads one. False: there is none, or it is damaged. */
KITH_MUST_USE bool store_record(struct store *store, struct kith_slice key, struct kith_slice *value);
/** What this device has of a chat, ascending: the newest `limit` before `before` (0: of all) and after `after`. False ends it. */
void store_history(struct store *store, struct chat_id chat, uint64_t after, uint64_t before, int limit,
                   bool (*each)(void *arg, const struct kith_message *message), void *arg);

#endif
