#ifndef KITH_ACCOUNT_ACCOUNT_IMPL_H
#define KITH_ACCOUNT_ACCOUNT_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "account/account.h"
#include "account/group_states.h"
#include "account/hash_pool.h"
#include "account/limiter.h"
#include "account/outbox.h"
#include "account/token.h"

/*
 * What the files of the module share. An operation is a chain of steps on its caller's loop: each step starts one thing
 * (a transaction, a hash) and names the next; the last is account_conclude(), which tells the watchers, waits for the
 * chats, and calls `done`.
 */
/* Memory that an operation holds while it goes from one thread to another. All of it is known, so that none is lost when
 * operations never end: the process is said to have died (simulator). */
struct account_parcel {
    struct account_parcel *prev, *next;
    struct accounts *accounts;
};
/** Zeroed. NULL: no memory. Any thread. */
struct account_parcel *account_parcel_new(struct accounts *accounts, size_t bytes);
/** NULL is fine. */
void account_parcel_free(struct account_parcel *parcel);

struct accounts {
    struct accounts_config config;
    pthread_mutex_t parcels_lock;
    struct account_parcel *parcels;
    struct account_watcher *watchers;
    uint32_t watcher_count;
    struct hash_pool *hashes;
    char hash_of_nobody[DIRECTORY_PASSWORD_HASH_BYTES_MAX];
    pthread_mutex_t limits_lock; /* of the limiters: any loop takes from them */
    struct limiter names, addresses, lookups, key_lookups, list_uploads, claims, joins, replays;
    struct group_states *groups;
    uint8_t secret[32]; /* written once, before `ready` */
    atomic_bool ready;
    atomic_uint_fast64_t revocations; /* raised by each transaction that signs a device out, before it commits */
    struct outbox *outbox;
    void (*started)(void *arg, kith_err err);
    void *started_arg;
    struct directory_call start_call;
    bool starting;
    uint8_t start_coins[32];
    struct {
        atomic_uint_fast64_t checks, logins, logins_refused, registrations, refreshes, reuses, revocations;
        atomic_uint_fast64_t bundles, bundles_last_resort, claims_refused;
    } counters;
};

static inline void account_count(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------------------ steps */

/** Sets the call up. False: not started yet; then `done` will run by itself. `end`: wipes secrets, may be NULL. */
bool account_begin(struct accounts *accounts, struct account_call *call, void (*end)(struct account_call *call));
/** From the operation's own entry, where `done` must not run yet. */
void account_refuse(struct account_call *call, enum kith_code code);
/** From a step: ends the operation. */
void account_finish(struct account_call *call, enum kith_code code);

typedef void (*account_next)(struct account_call *call);
typedef kith_err (*account_run)(struct account_call *call, struct directory_tx *tx);

/** Runs a transaction, then `next`. When it fails, or `run` gives account_deny(), the operation ends instead. */
void account_tx(struct account_call *call, bool read_only, account_run run, account_next next);
/** In a transaction: nothing of it stays, and the operation ends with this code. */
KITH_MUST_USE kith_err account_deny(struct account_call *call, enum kith_code code);
/** Hashes or compares; job->password, is_new, salt, encoded are set. A full queue ends the operation. */
void account_hash(struct account_call *call, struct hash_job *job, account_next next);
/** The last step: watchers, then outbox, then done with call->code. */
void account_conclude(struct account_call *call);

/** Takes from a limiter; false: the code is TOO_MANY and retry_after_s set. */
bool account_limit(struct account_call *call, struct limiter *limiter, const uint8_t key[static LIMITER_KEY_BYTES]);
void account_limit_give(struct accounts *accounts, struct limiter *limiter,
                        const uint8_t key[static LIMITER_KEY_BYTES]);

/* ------------------------------------------------------------------------------------------------ signing out */

struct revocation_notice {
    struct loop_task task;
    struct revocation *revocation;
    struct account_watcher *watcher;
};

/** Who was signed out, and whether receipts were switched, on the way to the watchers. */
struct revocation {
    struct account_parcel parcel; /* first */
    atomic_uint left;             /* watchers that were not told yet */
    struct account_call *call;
    struct loop_task back;
    size_t count;
    bool has_receipts, receipts_on;
    struct user_id user;
    struct device_id devices[KITH_DEVICES_PER_USER_MAX + 1];
    struct revocation_notice notices[];
};

/** Before the transaction. False: no memory. */
KITH_MUST_USE bool revocation_prepare(struct account_call *call);
/** In the transaction: ends the session of a device, if it has one. */
KITH_MUST_USE kith_err revocation_add(struct account_call *call, struct directory_tx *tx, struct user_id user,
                                      struct device_id device);
/** In the transaction: ends all sessions of the person but that of `except` (nil: of all). */
KITH_MUST_USE kith_err revocation_add_all(struct account_call *call, struct directory_tx *tx, struct user_id user,
                                          struct device_id except);
/** In the transaction: the person's read receipts are switched so. */
void revocation_receipts(struct account_call *call, struct user_id user, bool on);
/** After the transaction: tells all watchers, then goes on. */
void revocation_tell(struct account_call *call, account_next next);

/* ------------------------------------------------------------------------------------------------ tables */

/** KITH_E_NOTFOUND also when the account was deleted. */
KITH_MUST_USE kith_err account_user_get(struct directory_tx *tx, struct user_id user, struct user_record *out);
/** Makes a session for the device: writes the row, fills the tokens. `token`: the refresh token's bytes. */
KITH_MUST_USE kith_err account_session_put(struct account_call *call, struct directory_tx *tx, struct user_id user,
                                           struct device_id device, const uint8_t token[static TOKEN_BYTES],
                                           struct account_tokens *out);
/** In the transaction: forgets the spent refresh tokens of a device, so that none of them ends a later session. */
KITH_MUST_USE kith_err account_family_forget(struct directory_tx *tx, struct device_id device);
/** In the transaction that removes a device: forgets the prekeys it left here (keys.c). */
KITH_MUST_USE kith_err keys_forget(struct directory_tx *tx, struct device_id device);
/** Nobody can begin a session with it any more. */
bool prekey_has_ended(const struct prekey_record *row, uint64_t now_ms);
/** The same of all devices of a person, before they are deleted. The signed lists stay: docs/decisions/0014. */
KITH_MUST_USE kith_err keys_forget_all(struct directory_tx *tx, struct user_id user);
/** Notes a fact for the chats in call->job, in this transaction. */
KITH_MUST_USE kith_err account_outbox_put(struct account_call *call, struct directory_tx *tx, enum outbox_kind kind,
                                          struct kith_uuid subject, struct kith_uuid object, uint64_t value);
/** The person's device list has changed: next number, and a fact. added: the new device, nil: none. Writes the row. */
KITH_MUST_USE kith_err account_list_changed(struct account_call *call, struct directory_tx *tx,
                                            struct user_record *user, struct device_id added);
void account_profile_of(const struct user_record *user, struct account_profile *out);
/** Copies a NUL-terminated text that fits. */
void account_text_copy(char *to, size_t room, const char *from);

#endif
