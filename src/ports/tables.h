#ifndef KITH_PORTS_TABLES_H
#define KITH_PORTS_TABLES_H

#include "ports/directory.h"

/*
 * The directory's tables (docs/schema.md). Times are milliseconds since 1970, UTC. Secrets are never stored: a password
 * as Argon2id's encoded form, a token or invite code as its SHA-256.
 */
#define DIRECTORY_HASH_BYTES              32
#define DIRECTORY_PASSWORD_HASH_BYTES_MAX 128

enum user_status { USER_ACTIVE = 1, USER_DELETED = 3 }; /* stored; 2 was never used */
enum user_role { USER_MEMBER = 0, USER_ADMIN = 1 };

struct user_record {
    struct kith_uuid user_id;
    char name[KITH_NAME_BYTES_MAX + 1]; /* lower-cased login name; unique; of a deleted user: its id */
    char display_name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    char password_hash[DIRECTORY_PASSWORD_HASH_BYTES_MAX];
    uint64_t status, role, read_receipts, list_seq, created_ms;
    struct kith_uuid invited_by; /* nil: nobody */
};
enum { USERS_BY_ID, USERS_BY_NAME };
extern const struct directory_table table_users;

struct device_record {
    struct kith_uuid device_id;
    struct kith_uuid user_id;
    char name[KITH_DISPLAY_NAME_BYTES_MAX + 1];
    uint64_t created_ms, seen_ms;
};
enum { DEVICES_BY_ID, DEVICES_BY_USER };
extern const struct directory_table table_devices;

/* One per device: the family of tokens that descend from one login. */
struct session_record {
    struct kith_uuid device_id;
    struct kith_uuid user_id;
    DIRECTORY_BLOB_OF(DIRECTORY_HASH_BYTES) access_hash;       /* of the current pair */
    DIRECTORY_BLOB_OF(DIRECTORY_HASH_BYTES) refresh_hash;      /* of the current pair */
    DIRECTORY_BLOB_OF(DIRECTORY_HASH_BYTES) refresh_hash_prev; /* what the current pair was made from; may be empty */
    uint64_t access_expires_ms, refresh_expires_ms, generation;
};
enum { SESSIONS_BY_DEVICE, SESSIONS_BY_ACCESS, SESSIONS_BY_REFRESH, SESSIONS_BY_REFRESH_PREV, SESSIONS_BY_USER };
extern const struct directory_table table_sessions;

/* Refresh tokens that were superseded twice or more: their use shows a theft. Kept until they would have expired. */
struct spent_token_record {
    DIRECTORY_BLOB_OF(DIRECTORY_HASH_BYTES) refresh_hash;
    struct kith_uuid device_id;
    uint64_t expires_ms;
};
enum { SPENT_TOKENS_BY_HASH, SPENT_TOKENS_BY_DEVICE };
extern const struct directory_table table_spent_tokens;

struct invite_record {
    struct kith_uuid invite_id;
    DIRECTORY_BLOB_OF(DIRECTORY_HASH_BYTES) code_hash;
    struct kith_uuid created_by; /* nil: the server itself, for the first admin */
    uint64_t role, uses_max, uses, expires_ms, revoked_ms, created_ms;
};
enum { INVITES_BY_ID, INVITES_BY_CODE, INVITES_BY_CREATOR };
extern const struct directory_table table_invites;

struct block_record {
    struct kith_uuid user_id; /* who blocks */
    struct kith_uuid blocked_id;
    uint64_t created_ms;
};
enum { BLOCKS_BY_PAIR };
extern const struct directory_table table_blocks;

/* Facts on their way from the directory into the log, written in the transaction that made them true. */
struct outbox_record {
    uint64_t outbox_id;
    uint64_t kind;
    struct kith_uuid subject, object;
    uint64_t value;
};
enum { OUTBOX_BY_ID };
extern const struct directory_table table_outbox;

struct setting_record {
    char key[64];
    DIRECTORY_BLOB_OF(256) value;
};
enum { SETTINGS_BY_KEY };
extern const struct directory_table table_settings;

/* What an account signed of its devices, as it came (docs/wire/keys.md). */
struct signed_list_record {
    struct kith_uuid user_id;
    uint64_t seq;                                 /* its own, from 1 */
    DIRECTORY_BLOB_OF(DIRECTORY_HASH_BYTES) hash; /* SHA-256 of the device list inside, which the next one names */
    DIRECTORY_BLOB_OF(KITH_SIGNED_LIST_BYTES_MAX) list;
};
enum { SIGNED_LISTS_BY_USER };
extern const struct directory_table table_signed_lists;

/* The lists before it: whoever has pinned one of them follows them one by one. */
struct past_list_record {
    struct kith_uuid user_id;
    uint64_t seq;
    DIRECTORY_BLOB_OF(KITH_SIGNED_LIST_BYTES_MAX) list;
};
enum { PAST_LISTS_BY_SEQ };
extern const struct directory_table table_past_lists;

/* The prekeys of a device that are handed out again and again (empty: it has none), and which of the others it spent. */
#define DIRECTORY_SPENT_BYTES 8                      /* of a public key's SHA-256 */
#define DIRECTORY_SPENT_MAX   (2 * KITH_PREKEYS_MAX) /* all that one upload may have: it may be repeated at any time */
struct device_keys_record {
    struct kith_uuid device_id;
    struct kith_uuid user_id;
    DIRECTORY_BLOB_OF(DIRECTORY_HASH_BYTES) spk_hash, kem_lr_hash; /* SHA-256 of the public keys */
    DIRECTORY_BLOB_OF(KITH_PREKEY_BYTES_MAX) spk, kem_lr;
    DIRECTORY_BLOB_OF(DIRECTORY_SPENT_BYTES *DIRECTORY_SPENT_MAX) spent; /* one-time keys handed out, oldest first */
    uint64_t updated_ms;
};
enum { DEVICE_KEYS_BY_DEVICE, DEVICE_KEYS_BY_SPK, DEVICE_KEYS_BY_KEM_LR };
extern const struct directory_table table_device_keys;

/* The prekeys that are handed out once. A row goes with the answer it is in. */
enum prekey_kind { PREKEY_OPK = 1, PREKEY_KEM_OT = 2 };
struct prekey_record {
    struct kith_uuid device_id;
    uint64_t kind, key_id;
    DIRECTORY_BLOB_OF(DIRECTORY_HASH_BYTES) public_hash; /* SHA-256 of the public key: no two devices have the same */
    DIRECTORY_BLOB_OF(KITH_PREKEY_BYTES_MAX) prekey;
};
enum { PREKEYS_BY_ID, PREKEYS_BY_PUBLIC };
extern const struct directory_table table_prekeys;

/* All of them, for the adapters that create or check the schema. NULL ends the list. */
extern const struct directory_table *const directory_tables[];

#endif
