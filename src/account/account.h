#ifndef KITH_ACCOUNT_ACCOUNT_H
#define KITH_ACCOUNT_ACCOUNT_H

#include "base/log_line.h"
#include "ports/directory.h"
#include "ports/msgstore.h"
#include "ports/tables.h"
#include "shard/asker.h"
#include "wire/code.h"
#include "wire/row.h"

/**
 * People, devices, sessions: the rules, over any directory. One `struct accounts` serves all loops. Each operation is
 * the caller's memory until its `done` runs, on the caller's loop, exactly once, never inside the call.
 *
 * What chats must know of people (device list, block, receipts, account gone) is written into the directory's outbox in
 * the transaction that makes it true, and drained into log commands on the home loop (outbox.h); whoever asked is
 * answered after the chats have applied it.
 */
struct accounts;

#define ACCOUNT_TOKEN_TEXT_MAX 64 /* with the NUL: 256 bits in base64url, and a letter for the kind */

struct account_identity {
    struct user_id user;
    struct device_id device;
    uint64_t expires_ms; /* wall clock: when the access token ends */
    uint64_t role;       /* enum user_role */
};

/** Who holds this access token. code: OK, UNAUTHORIZED, EXPIRED, UNAVAILABLE. */
struct account_check {
    struct loop *loop;
    char token[ACCOUNT_TOKEN_TEXT_MAX]; /* in; wiped before done */
    enum kith_code code;                /* out */
    struct account_identity who;        /* out */
    void (*done)(struct account_check *op);
    struct directory_call call; /* the module's, as all below */
    uint8_t hash[DIRECTORY_HASH_BYTES];
    struct accounts *accounts;
    uint64_t revocations;
    uint64_t now_ms;
};
void account_check(struct accounts *accounts, struct account_check *op);

/**
 * Told, on its loop, of every device that was signed out (logout, removal, password change, account deletion, theft), and
 * of read receipts that were switched.
 */
struct account_watcher {
    struct loop *loop;
    void (*revoked)(struct account_watcher *watcher, struct user_id user, struct device_id device);
    void (*receipts)(struct account_watcher *watcher, struct user_id user, bool on);
    struct account_watcher *next; /* the module's */
};
/** Before the first operation. */
void accounts_watch(struct accounts *accounts, struct account_watcher *watcher);

/* ------------------------------------------------------------------------------------------------ the module itself */

enum account_registration { REGISTRATION_INVITE, REGISTRATION_OPEN, REGISTRATION_CLOSED };
/** "invite", "open", "closed". */
KITH_MUST_USE kith_err account_registration_parse(struct kith_slice text, enum account_registration *out);

#define ACCOUNT_ACCESS_MS       (3600ull * 1000)           /* an access token lives an hour                        */
#define ACCOUNT_REFRESH_MS      (60ull * 24 * 3600 * 1000) /* a refresh token 60 days from its making              */
#define ACCOUNT_INVITE_MS       (7ull * 24 * 3600 * 1000)  /* an invite, unless asked otherwise                    */
#define ACCOUNT_INVITE_MS_MAX   (365ull * 24 * 3600 * 1000)
#define ACCOUNT_INVITE_USES_MAX 1000
#define ACCOUNT_INVITES_MAX     100   /* of one person, not revoked and not expired                            */
#define ACCOUNT_BLOCKS_MAX      10000 /* people that one person blocks                                         */
#define ACCOUNT_LOGINS_NAME     10    /* wrong passwords a minute for a name, from devices not known to it     */
#define ACCOUNT_LOGINS_ADDRESS  100   /* wrong passwords a minute from an address                              */
#define ACCOUNT_LOOKUPS         60    /* people looked up in a minute by one person                            */
#define ACCOUNT_LIMITER_ENTRIES 65536
#define ACCOUNT_OUTBOX_WAIT_MS  5000 /* how long a caller waits for the chats; they get it later all the same */

struct accounts_config {
    struct directory *directory;
    struct msgstore *store;
    struct loop *loop;   /* home: where the outbox is drained */
    struct asker *asker; /* of the home loop                  */
    enum account_registration registration;
    uint32_t hash_threads;    /* 0: passwords are hashed on the caller's loop, for tests and the simulator */
    uint64_t hash_ops;        /* Argon2id passes, 0: libsodium's interactive limit                         */
    size_t hash_memory_bytes; /* 0: libsodium's interactive limit                                          */
    const struct log_line_sink *log;
};

/** Everything in *config but itself is lent. NULL: no memory, or no threads. */
struct accounts *accounts_new(const struct accounts_config *config);
/** On the home loop, once, when the shards have caught up with the log: reads or makes the server's secret, then drains
 *  what a crash left in the outbox. `started` runs on the home loop; until then operations answer UNAVAILABLE. */
void accounts_start(struct accounts *accounts, void (*started)(void *arg, kith_err err), void *arg);
/** On the home loop: the outbox starts on nothing more; `stopped` runs there, maybe inside the call, when it is at rest.
 *  Its asks must still be answered: before asker_free(). */
void accounts_stop(struct accounts *accounts, void (*stopped)(void *arg), void *arg);
/** After accounts_stop() and every operation's end. Whatever is still on its way is abandoned, memory and all: then the
 *  loops must not run again. The rest of the outbox is for the next start. */
void accounts_free(struct accounts *accounts);
/** The process died (simulator; hash_threads 0): frees everything, without touching loops, directory or store. */
void accounts_crash(struct accounts *accounts);

struct accounts_stats {
    uint64_t checks, logins, logins_refused, registrations, refreshes, reuses, revocations;
    uint64_t bundles, bundles_last_resort, claims_refused; /* of prekeys */
    uint64_t hash_queue, outbox_pending, outbox_done, outbox_retries;
};
/** Any thread. */
void accounts_stats(const struct accounts *accounts, struct accounts_stats *out);

/** The id of the one direct chat of these two, whoever asks. After the start. */
struct chat_id accounts_direct_chat(const struct accounts *accounts, struct user_id a, struct user_id b,
                                    bool encrypted);
/** The id of a group that `creator` makes under this Idempotency-Key. After the start. */
struct chat_id accounts_group_chat(const struct accounts *accounts, struct user_id creator, struct kith_slice key);

/** Lower-cases a login name in place: 2 to 64 of a-z 0-9 . _ - after a first letter. KITH_E_MALFORMED otherwise. */
KITH_MUST_USE kith_err account_name_normalise(char *name);
/** A name for people to read: 1 to 128 bytes of UTF-8 without control characters. */
bool account_display_name_is_valid(struct kith_slice name);
/** What is wrong with a new password, for people; NULL: it is UTF-8 of KITH_PASSWORD_CHARS_MIN characters or more, and
 *  of KITH_PASSWORD_BYTES_MAX bytes at most. */
const char *account_password_fault(struct kith_slice password);

/* ------------------------------------------------------------------------------------------------ operations */

/**
 * First member of every operation below. In: loop, done. Out: code, and for TOO_MANY, UNAVAILABLE and READ_ONLY when to
 * try again (0: not said). Codes that any operation may give: UNAVAILABLE, READ_ONLY, INTERNAL.
 */
struct account_call {
    struct loop *loop;
    enum kith_code code;
    uint32_t retry_after_s;
    void (*done)(struct account_call *call);
    /* The module's. */
    struct accounts *accounts;
    struct directory_call directory;
    struct loop_task task;
    kith_err (*run)(struct account_call *call, struct directory_tx *tx);
    void (*next)(struct account_call *call);
    void (*end)(struct account_call *call);
    struct outbox_job *job;
    struct revocation *revocation;
    uint64_t now_ms;
    uint8_t coins[80];
};

struct account_tokens {
    struct user_id user;
    struct device_id device;
    char access_token[ACCOUNT_TOKEN_TEXT_MAX], refresh_token[ACCOUNT_TOKEN_TEXT_MAX];
    uint32_t expires_in_s;
};

struct account_password {
    size_t len;
    char bytes[KITH_PASSWORD_BYTES_MAX]; /* wiped before done */
};

struct hash_job {
    struct loop *loop;
    struct account_call *call;
    void (*work)(struct hash_job *job);      /* on the pool's thread, instead of a password; NULL: none */
    const struct account_password *password; /* lent until done */
    bool is_new;                             /* make `encoded` from the password and salt, else compare with it */
    uint8_t salt[16];
    char encoded[DIRECTORY_PASSWORD_HASH_BYTES_MAX];
    kith_err err; /* out: KITH_OK; KITH_E_DENIED: another password; KITH_E_NOMEM; or what `work` says */
    void (*done)(struct hash_job *job);
    struct hash_job *next;
    struct loop_task task;
    struct hash_pool *pool;
};

/** code: CREATED; NAME_TAKEN, INVITE_REQUIRED, REGISTRATION_CLOSED, BAD_REQUEST (name, password), TOO_MANY. */
struct account_register {
    struct account_call call;
    char name[KITH_NAME_BYTES_MAX + 1];
    char display_name[KITH_DISPLAY_NAME_BYTES_MAX + 1]; /* empty: the name */
    char device_name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    char invite[ACCOUNT_TOKEN_TEXT_MAX]; /* empty: none */
    struct account_password password;
    bool trusted;  /* made by the operator: no invite needed, `role` counts */
    uint64_t role; /* enum user_role */
    struct account_tokens tokens;
    bool has_chat;
    struct chat_id chat; /* with the inviter */
    struct hash_job hash;
    struct user_id inviter;
    uint8_t invite_hash[DIRECTORY_HASH_BYTES];
};
void account_register(struct accounts *accounts, struct account_register *op);

/** code: OK; BAD_CREDENTIALS, TOO_MANY, FORBIDDEN (KITH_DEVICES_PER_USER_MAX devices are signed in). */
struct account_login {
    struct account_call call;
    char name[KITH_NAME_BYTES_MAX + 1];
    char device_name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    struct account_password password;
    bool has_device;
    struct device_id device; /* signs this device in again, if it is this person's; else a new one */
    char address[64];        /* whose limit counts */
    struct account_tokens tokens;
    struct hash_job hash;
    struct user_id user;
    bool found, known, over_limit;
};
void account_login(struct accounts *accounts, struct account_login *op);

/** code: OK; UNAUTHORIZED, TOKEN_REUSED. */
struct account_refresh {
    struct account_call call;
    char refresh_token[ACCOUNT_TOKEN_TEXT_MAX]; /* in; wiped before done */
    struct account_tokens tokens;
    uint8_t secret[32];
};
void account_refresh(struct accounts *accounts, struct account_refresh *op);

/** By the access token's holder, or by a refresh token. code: OK; UNAUTHORIZED, TOKEN_REUSED. */
struct account_logout {
    struct account_call call;
    bool by_identity;
    struct account_identity who;
    char refresh_token[ACCOUNT_TOKEN_TEXT_MAX];
    uint8_t secret[32];
};
void account_logout(struct accounts *accounts, struct account_logout *op);

struct account_profile {
    struct user_id user;
    char name[KITH_NAME_BYTES_MAX + 1];
    char display_name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    bool read_receipts;
    uint64_t role, list_seq, created_ms;
};

/** The own profile. code: OK. */
struct account_show {
    struct account_call call;
    struct account_identity who;
    struct account_profile profile;
};
void account_show(struct accounts *accounts, struct account_show *op);

/**
 * code: OK; BAD_CREDENTIALS (current password), TOO_MANY. With a new password every other session of the person ends.
 */
struct account_update {
    struct account_call call;
    struct account_identity who;
    bool has_display_name, has_read_receipts, has_password;
    char display_name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    bool read_receipts;
    struct account_password password, current;
    char address[64];
    struct account_profile profile; /* out: as it is now */
    struct hash_job hash;
    char hash_old[DIRECTORY_PASSWORD_HASH_BYTES_MAX];
};
void account_update(struct accounts *accounts, struct account_update *op);

/** Deletes the account: name, profile, devices, sessions, invites, blocks; the person leaves all groups. code: OK. */
struct account_delete {
    struct account_call call;
    struct account_identity who;
};
void account_delete(struct accounts *accounts, struct account_delete *op);

struct account_device {
    struct device_id device;
    char name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    uint64_t created_ms, seen_ms;
    bool signed_in;
};

/** code: OK. */
struct account_devices {
    struct account_call call;
    struct account_identity who;
    uint64_t list_seq;
    size_t count;
    struct account_device devices[KITH_DEVICES_PER_USER_MAX];
};
void account_devices(struct accounts *accounts, struct account_devices *op);

/** Removes a device of one's own and signs it out. code: OK; NOT_FOUND. */
struct account_device_remove {
    struct account_call call;
    struct account_identity who;
    struct device_id device;
};
void account_device_remove(struct accounts *accounts, struct account_device_remove *op);

struct account_invite {
    struct kith_uuid invite;
    uint64_t role, uses_max, uses, expires_ms, created_ms;
};

/** code: CREATED; FORBIDDEN (an admin's invite by somebody else, or ACCOUNT_INVITES_MAX reached). */
struct account_invite_create {
    struct account_call call;
    struct account_identity who;
    uint64_t role, uses_max, expires_ms; /* wall clock; 0: ACCOUNT_INVITE_MS from now */
    struct account_invite invite;
    char code[ACCOUNT_TOKEN_TEXT_MAX]; /* shown this once */
};
void account_invite_create(struct accounts *accounts, struct account_invite_create *op);

/** One's own invites that can still be used. code: OK. */
struct account_invite_list {
    struct account_call call;
    struct account_identity who;
    size_t count;
    struct account_invite invites[ACCOUNT_INVITES_MAX];
};
void account_invite_list(struct accounts *accounts, struct account_invite_list *op);

/** One's own; an admin anybody's. code: OK; NOT_FOUND. */
struct account_invite_revoke {
    struct account_call call;
    struct account_identity who;
    struct kith_uuid invite;
};
void account_invite_revoke(struct accounts *accounts, struct account_invite_revoke *op);

/** An invite for the first admin, while there is no user at all; earlier ones are void. code: CREATED; CONFLICT. */
struct account_bootstrap {
    struct account_call call;
    char code[ACCOUNT_TOKEN_TEXT_MAX];
};
void account_bootstrap(struct accounts *accounts, struct account_bootstrap *op);

/** Finds a person by exact name, or by id. code: OK; NOT_FOUND, TOO_MANY. */
struct account_lookup {
    struct account_call call;
    struct account_identity who;
    bool by_name;
    char name[KITH_NAME_BYTES_MAX + 1];
    struct user_id user;
    struct account_profile profile;
};
void account_lookup(struct accounts *accounts, struct account_lookup *op);

/** code: OK; NOT_FOUND (no such person), BAD_REQUEST (oneself), FORBIDDEN (ACCOUNT_BLOCKS_MAX). */
struct account_block {
    struct account_call call;
    struct account_identity who;
    struct user_id other;
    bool blocks; /* false: unblock */
};
void account_block(struct accounts *accounts, struct account_block *op);

/** Makes the direct chat of two people, or finds it. code: CREATED, OK; NOT_FOUND, BAD_REQUEST (oneself). */
struct account_direct {
    struct account_call call;
    struct account_identity who;
    struct user_id other;
    bool encrypted;
    struct chat_id chat;
};
void account_direct(struct accounts *accounts, struct account_direct *op);

struct account_person {
    struct user_id user;
    uint64_t list_seq;
    uint8_t receipts;
    bool known;
};

/**
 * What a chat must be told of people who join it. They may change before the chat has applied the command that is made
 * of this: so account_people() also notes the chat in the outbox, and account_people_settle(), called with the same op
 * after the command was answered (but not after UNKNOWN_OUTCOME), compares again and corrects. `done` runs for each.
 *
 * code: OK; NOT_FOUND: people[missing] is nobody, and nothing is to be settled.
 */
struct account_people {
    struct account_call call;
    struct chat_id chat;
    struct account_person *people; /* lent */
    size_t count;
    size_t missing;
};
void account_people(struct accounts *accounts, struct account_people *op);
void account_people_settle(struct accounts *accounts, struct account_people *op);
/** Frees what account_people() holds when account_people_settle() will not be called. */
void account_people_drop(struct account_people *op);

struct account_device_ref {
    struct user_id user;
    struct device_id device;
};

/** The devices of some people, those of one after those of the other. code: OK. */
struct account_device_sets {
    struct account_call call;
    struct account_person *people; /* lent; list_seq and known are filled */
    size_t count;
    struct account_device_ref *refs; /* out: free() it */
    size_t ref_count, ref_cap;
};
void account_device_sets(struct accounts *accounts, struct account_device_sets *op);

/**
 * For STALE_DEVICES: who is in a chat, and their devices, against those a message has bodies for. Twice as many people as
 * a chat may have members are never there, so what is read is bounded. code: OK.
 */
struct account_stale {
    struct account_call call;
    struct chat_id chat;
    struct device_id sender;      /* needs no body                 */
    const struct device_id *sent; /* lent; ascending               */
    size_t sent_count;
    struct account_device_sets sets; /* the module's, as what follows */
    struct msgstore_scan scan;
    struct row_key at;
    size_t people_cap;
};
void account_stale(struct accounts *accounts, struct account_stale *op);
/** How much of it is said. What all the rest can be asked for by is left out last. */
enum account_stale_detail {
    ACCOUNT_STALE_WHOLE,
    ACCOUNT_STALE_NO_DEVICES, /* of the lists, only whose they are and their numbers */
    ACCOUNT_STALE_NUMBERS,    /* nor what differs */
};
/**
 * After code OK: what differs, as members of a JSON object, without its braces: `missing` and `removed` (device ids), and
 * `device_lists` (user_id, list_seq, devices). KITH_E_TOOBIG or KITH_E_NOMEM: `out` has a part of it.
 */
KITH_MUST_USE kith_err account_stale_write(const struct account_stale *op, enum account_stale_detail detail,
                                           struct kith_buf *out);
/** What it holds; also of one that never began, if it is zeroed. */
void account_stale_free(struct account_stale *op);

#endif
