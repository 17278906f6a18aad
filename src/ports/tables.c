#include "ports/tables.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define ID(record, field)  {.name = #field, .type = DIRECTORY_ID, .offset = offsetof(struct record, field)}
#define U64(record, field) {.name = #field, .type = DIRECTORY_U64, .offset = offsetof(struct record, field)}
#define TEXT(record, field)                    \
    {.name = #field,                           \
     .type = DIRECTORY_TEXT,                   \
     .offset = offsetof(struct record, field), \
     .bytes_max = sizeof(((struct record *)0)->field)}
#define BLOB(record, field)                    \
    {.name = #field,                           \
     .type = DIRECTORY_BLOB,                   \
     .offset = offsetof(struct record, field), \
     .bytes_max = sizeof(((struct record *)0)->field.bytes)}

/** table_NAME from NAME_columns and NAME_indexes. */
#define TABLE(table, record)                                                    \
    const struct directory_table table_##table = {                              \
        .name = #table,                                                         \
        .record_bytes = sizeof(struct record),                                  \
        .columns = table##_columns,                                             \
        .column_count = COUNT(table##_columns),                                 \
        .indexes = table##_indexes,                                             \
        .index_count = COUNT(table##_indexes),                                  \
    };                                                                          \
    _Static_assert(COUNT(table##_columns) <= DIRECTORY_COLUMNS_MAX, "columns"); \
    _Static_assert(COUNT(table##_indexes) <= DIRECTORY_INDEXES_MAX, "indexes")

enum { USER_ID, USER_NAME };
static const struct directory_column users_columns[] = {
    [USER_ID] = ID(user_record, user_id),
    [USER_NAME] = TEXT(user_record, name),
    TEXT(user_record, display_name),
    TEXT(user_record, password_hash),
    U64(user_record, status),
    U64(user_record, role),
    U64(user_record, read_receipts),
    U64(user_record, list_seq),
    U64(user_record, created_ms),
    ID(user_record, invited_by),
};
static const struct directory_index users_indexes[] = {
    [USERS_BY_ID] = {.name = "users_by_id", .unique = true, .columns = {USER_ID}, .column_count = 1},
    [USERS_BY_NAME] = {.name = "users_by_name", .unique = true, .columns = {USER_NAME}, .column_count = 1},
};
TABLE(users, user_record);

enum { DEVICE_ID, DEVICE_USER };
static const struct directory_column devices_columns[] = {
    [DEVICE_ID] = ID(device_record, device_id),
    [DEVICE_USER] = ID(device_record, user_id),
    TEXT(device_record, name),
    U64(device_record, created_ms),
    U64(device_record, seen_ms),
};
static const struct directory_index devices_indexes[] = {
    [DEVICES_BY_ID] = {.name = "devices_by_id", .unique = true, .columns = {DEVICE_ID}, .column_count = 1},
    [DEVICES_BY_USER] = {.name = "devices_by_user", .columns = {DEVICE_USER, DEVICE_ID}, .column_count = 2},
};
TABLE(devices, device_record);

enum { SESSION_DEVICE, SESSION_USER, SESSION_ACCESS, SESSION_REFRESH, SESSION_REFRESH_PREV };
static const struct directory_column sessions_columns[] = {
    [SESSION_DEVICE] = ID(session_record, device_id),
    [SESSION_USER] = ID(session_record, user_id),
    [SESSION_ACCESS] = BLOB(session_record, access_hash),
    [SESSION_REFRESH] = BLOB(session_record, refresh_hash),
    [SESSION_REFRESH_PREV] = BLOB(session_record, refresh_hash_prev),
    U64(session_record, access_expires_ms),
    U64(session_record, refresh_expires_ms),
    U64(session_record, generation),
};
static const struct directory_index sessions_indexes[] = {
    [SESSIONS_BY_DEVICE] = {.name = "sessions_by_device",
                            .unique = true,
                            .columns = {SESSION_DEVICE},
                            .column_count = 1},
    [SESSIONS_BY_ACCESS] = {.name = "sessions_by_access",
                            .unique = true,
                            .columns = {SESSION_ACCESS},
                            .column_count = 1},
    [SESSIONS_BY_REFRESH] = {.name = "sessions_by_refresh",
                             .unique = true,
                             .columns = {SESSION_REFRESH},
                             .column_count = 1},
    [SESSIONS_BY_REFRESH_PREV] = {.name = "sessions_by_refresh_prev",
                                  .unique = true,
                                  .sparse = true,
                                  .columns = {SESSION_REFRESH_PREV},
                                  .column_count = 1},
    [SESSIONS_BY_USER] = {.name = "sessions_by_user", .columns = {SESSION_USER, SESSION_DEVICE}, .column_count = 2},
};
TABLE(sessions, session_record);

enum { SPENT_HASH, SPENT_DEVICE };
static const struct directory_column spent_tokens_columns[] = {
    [SPENT_HASH] = BLOB(spent_token_record, refresh_hash),
    [SPENT_DEVICE] = ID(spent_token_record, device_id),
    U64(spent_token_record, expires_ms),
};
static const struct directory_index spent_tokens_indexes[] = {
    [SPENT_TOKENS_BY_HASH] = {.name = "spent_tokens_by_hash",
                              .unique = true,
                              .columns = {SPENT_HASH},
                              .column_count = 1},
    [SPENT_TOKENS_BY_DEVICE] = {.name = "spent_tokens_by_device",
                                .columns = {SPENT_DEVICE, SPENT_HASH},
                                .column_count = 2},
};
TABLE(spent_tokens, spent_token_record);

enum { INVITE_ID, INVITE_CODE, INVITE_CREATOR };
static const struct directory_column invites_columns[] = {
    [INVITE_ID] = ID(invite_record, invite_id),
    [INVITE_CODE] = BLOB(invite_record, code_hash),
    [INVITE_CREATOR] = ID(invite_record, created_by),
    U64(invite_record, role),
    U64(invite_record, uses_max),
    U64(invite_record, uses),
    U64(invite_record, expires_ms),
    U64(invite_record, revoked_ms),
    U64(invite_record, created_ms),
};
static const struct directory_index invites_indexes[] = {
    [INVITES_BY_ID] = {.name = "invites_by_id", .unique = true, .columns = {INVITE_ID}, .column_count = 1},
    [INVITES_BY_CODE] = {.name = "invites_by_code", .unique = true, .columns = {INVITE_CODE}, .column_count = 1},
    [INVITES_BY_CREATOR] = {.name = "invites_by_creator", .columns = {INVITE_CREATOR, INVITE_ID}, .column_count = 2},
};
TABLE(invites, invite_record);

enum { BLOCK_USER, BLOCK_BLOCKED };
static const struct directory_column blocks_columns[] = {
    [BLOCK_USER] = ID(block_record, user_id),
    [BLOCK_BLOCKED] = ID(block_record, blocked_id),
    U64(block_record, created_ms),
};
static const struct directory_index blocks_indexes[] = {
    [BLOCKS_BY_PAIR] = {.name = "blocks_by_pair",
                        .unique = true,
                        .columns = {BLOCK_USER, BLOCK_BLOCKED},
                        .column_count = 2},
};
TABLE(blocks, block_record);

enum { OUTBOX_ID };
static const struct directory_column outbox_columns[] = {
    [OUTBOX_ID] = U64(outbox_record, outbox_id),
    U64(outbox_record, kind),
    ID(outbox_record, subject),
    ID(outbox_record, object),
    U64(outbox_record, value),
};
static const struct directory_index outbox_indexes[] = {
    [OUTBOX_BY_ID] = {.name = "outbox_by_id", .unique = true, .columns = {OUTBOX_ID}, .column_count = 1},
};
TABLE(outbox, outbox_record);

enum { SETTING_KEY };
static const struct directory_column settings_columns[] = {
    [SETTING_KEY] = TEXT(setting_record, key),
    BLOB(setting_record, value),
};
static const struct directory_index settings_indexes[] = {
    [SETTINGS_BY_KEY] = {.name = "settings_by_key", .unique = true, .columns = {SETTING_KEY}, .column_count = 1},
};
TABLE(settings, setting_record);

enum { SIGNED_LIST_USER };
static const struct directory_column signed_lists_columns[] = {
    [SIGNED_LIST_USER] = ID(signed_list_record, user_id),
    U64(signed_list_record, seq),
    BLOB(signed_list_record, hash),
    BLOB(signed_list_record, list),
};
static const struct directory_index signed_lists_indexes[] = {
    [SIGNED_LISTS_BY_USER] = {.name = "signed_lists_by_user",
                              .unique = true,
                              .columns = {SIGNED_LIST_USER},
                              .column_count = 1},
};
TABLE(signed_lists, signed_list_record);

enum { PAST_LIST_USER, PAST_LIST_SEQ };
static const struct directory_column past_lists_columns[] = {
    [PAST_LIST_USER] = ID(past_list_record, user_id),
    [PAST_LIST_SEQ] = U64(past_list_record, seq),
    BLOB(past_list_record, list),
};
static const struct directory_index past_lists_indexes[] = {
    [PAST_LISTS_BY_SEQ] = {.name = "past_lists_by_seq",
                           .unique = true,
                           .columns = {PAST_LIST_USER, PAST_LIST_SEQ},
                           .column_count = 2},
};
TABLE(past_lists, past_list_record);

enum { DEVICE_KEYS_DEVICE, DEVICE_KEYS_USER, DEVICE_KEYS_SPK_HASH, DEVICE_KEYS_KEM_LR_HASH };
static const struct directory_column device_keys_columns[] = {
    [DEVICE_KEYS_DEVICE] = ID(device_keys_record, device_id),
    [DEVICE_KEYS_USER] = ID(device_keys_record, user_id),
    [DEVICE_KEYS_SPK_HASH] = BLOB(device_keys_record, spk_hash),
    [DEVICE_KEYS_KEM_LR_HASH] = BLOB(device_keys_record, kem_lr_hash),
    BLOB(device_keys_record, spk),
    BLOB(device_keys_record, kem_lr),
    BLOB(device_keys_record, spent),
    U64(device_keys_record, updated_ms),
};
static const struct directory_index device_keys_indexes[] = {
    [DEVICE_KEYS_BY_DEVICE] = {.name = "device_keys_by_device",
                               .unique = true,
                               .columns = {DEVICE_KEYS_DEVICE},
                               .column_count = 1},
    [DEVICE_KEYS_BY_SPK] = {.name = "device_keys_by_spk",
                            .unique = true,
                            .sparse = true,
                            .columns = {DEVICE_KEYS_SPK_HASH},
                            .column_count = 1},
    [DEVICE_KEYS_BY_KEM_LR] = {.name = "device_keys_by_kem_lr",
                               .unique = true,
                               .sparse = true,
                               .columns = {DEVICE_KEYS_KEM_LR_HASH},
                               .column_count = 1},
};
TABLE(device_keys, device_keys_record);

enum { PREKEY_DEVICE, PREKEY_KIND, PREKEY_KEY, PREKEY_PUBLIC };
static const struct directory_column prekeys_columns[] = {
    [PREKEY_DEVICE] = ID(prekey_record, device_id),
    [PREKEY_KIND] = U64(prekey_record, kind),
    [PREKEY_KEY] = U64(prekey_record, key_id),
    [PREKEY_PUBLIC] = BLOB(prekey_record, public_hash),
    BLOB(prekey_record, prekey),
};
static const struct directory_index prekeys_indexes[] = {
    [PREKEYS_BY_ID] = {.name = "prekeys_by_id",
                       .unique = true,
                       .columns = {PREKEY_DEVICE, PREKEY_KIND, PREKEY_KEY},
                       .column_count = 3},
    [PREKEYS_BY_PUBLIC] = {.name = "prekeys_by_public", .unique = true, .columns = {PREKEY_PUBLIC}, .column_count = 1},
};
TABLE(prekeys, prekey_record);

const struct directory_table *const directory_tables[] = {
    &table_users,  &table_devices,  &table_sessions,     &table_spent_tokens, &table_invites,     &table_blocks,
    &table_outbox, &table_settings, &table_signed_lists, &table_past_lists,   &table_device_keys, &table_prekeys,
    NULL,
};
