#include <sodium.h>

#include "account/account_impl.h"
#include "wire/utf8.h"

#define OUTBOX_NEXT_KEY "outbox_next"

kith_err account_name_normalise(char *name)
{
    size_t len = strnlen(name, KITH_NAME_BYTES_MAX + 1);
    struct kith_uuid id;

    if (len < 2 || len > KITH_NAME_BYTES_MAX) return KITH_E_MALFORMED;
    for (size_t i = 0; i < len; i++) {
        if (name[i] >= 'A' && name[i] <= 'Z') name[i] = (char)(name[i] - 'A' + 'a');
        bool is_letter = name[i] >= 'a' && name[i] <= 'z';
        bool is_other = (name[i] >= '0' && name[i] <= '9') || name[i] == '.' || name[i] == '_' || name[i] == '-';
        if (!is_letter && (i == 0 || !is_other)) return KITH_E_MALFORMED;
    }
    /* A deleted person's row bears its id as a name: nobody else may. */
    return kith_uuid_parse(kith_slice_of(name, len), &id) == KITH_OK ? KITH_E_MALFORMED : KITH_OK;
}

bool account_display_name_is_valid(struct kith_slice name)
{
    if (name.len == 0 || name.len > KITH_DISPLAY_NAME_BYTES_MAX || !utf8_is_valid(name)) return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7f) return false;
        /* U+0080..U+009F: control characters too. */
        if (name.ptr[i] == 0xc2 && i + 1 < name.len && name.ptr[i + 1] < 0xa0) return false;
    }
    return true;
}

const char *account_password_fault(struct kith_slice password)
{
    size_t characters = 0;

    if (password.len > KITH_PASSWORD_BYTES_MAX) return "The password is too long.";
    if (!utf8_is_valid(password)) return "The password is not valid UTF-8.";
    for (size_t i = 0; i < password.len; i++) characters += (password.ptr[i] & 0xc0) != 0x80;
    return characters < KITH_PASSWORD_CHARS_MIN ? "The password is too short." : NULL;
}

void account_text_copy(char *to, size_t room, const char *from)
{
    size_t len = strlen(from);

    assert(len < room);
    memcpy(to, from, len + 1);
}

void account_profile_of(const struct user_record *user, struct account_profile *out)
{
    *out = (struct account_profile){
        .user = {user->user_id},
        .read_receipts = user->read_receipts != 0,
        .role = user->role,
        .list_seq = user->list_seq,
        .created_ms = user->created_ms,
    };
    account_text_copy(out->name, sizeof out->name, user->name);
    account_text_copy(out->display_name, sizeof out->display_name, user->display_name);
}

kith_err account_user_get(struct directory_tx *tx, struct user_id user, struct user_record *out)
{
    kith_err err;

    *out = (struct user_record){.user_id = user.id};
    err = directory_get(tx, &table_users, USERS_BY_ID, out);
    if (err == KITH_OK && out->status != USER_ACTIVE) return KITH_E_NOTFOUND;
    return err;
}

kith_err account_session_put(struct account_call *call, struct directory_tx *tx, struct user_id user,
                             struct device_id device, const uint8_t token[static TOKEN_BYTES],
                             struct account_tokens *out)
{
    uint8_t access[TOKEN_BYTES];
    kith_err err;
    struct session_record session = {
        .device_id = device.id,
        .user_id = user.id,
        .access_hash.len = DIRECTORY_HASH_BYTES,
        .refresh_hash.len = DIRECTORY_HASH_BYTES,
        .access_expires_ms = call->now_ms + ACCOUNT_ACCESS_MS,
        .refresh_expires_ms = call->now_ms + ACCOUNT_REFRESH_MS,
    };

    token_derive(call->accounts->secret, TOKEN_ACCESS, token, 0, access);
    token_hash(access, session.access_hash.bytes);
    token_hash(token, session.refresh_hash.bytes);
    out->user = user;
    out->device = device;
    token_format(TOKEN_ACCESS, access, out->access_token);
    token_format(TOKEN_REFRESH, token, out->refresh_token);
    out->expires_in_s = ACCOUNT_ACCESS_MS / 1000;
    sodium_memzero(access, sizeof access);
    err = account_family_forget(tx, device);
    return err == KITH_OK ? directory_put(tx, &table_sessions, &session) : err;
}

/* Numbers ascend over all lives: the last one is kept as a setting, since rows go when they are done. */
static kith_err outbox_next(struct directory_tx *tx, uint64_t *out)
{
    struct setting_record setting = {.key = OUTBOX_NEXT_KEY};
    kith_err err = directory_get(tx, &table_settings, SETTINGS_BY_KEY, &setting);

    if (err != KITH_OK && err != KITH_E_NOTFOUND) return err;
    if (err == KITH_OK && setting.value.len != 8) return KITH_E_DAMAGED;
    *out = err == KITH_OK ? kith_get_u64_be(setting.value.bytes) : 1;
    setting.value.len = 8;
    kith_put_u64_be(setting.value.bytes, *out + 1);
    return directory_put(tx, &table_settings, &setting);
}

kith_err account_outbox_put(struct account_call *call, struct directory_tx *tx, enum outbox_kind kind,
                            struct kith_uuid subject, struct kith_uuid object, uint64_t value)
{
    struct outbox_record record = {.kind = kind, .subject = subject, .object = object, .value = value};
    kith_err err = outbox_next(tx, &record.outbox_id);

    assert(call->job != NULL);
    if (err == KITH_OK) err = directory_put(tx, &table_outbox, &record);
    if (err == KITH_OK) call->job->record = record;
    return err;
}

kith_err account_list_changed(struct account_call *call, struct directory_tx *tx, struct user_record *user,
                              struct device_id added)
{
    kith_err err;

    user->list_seq++;
    err = directory_put(tx, &table_users, user);
    if (err != KITH_OK) return err;
    return account_outbox_put(call, tx, OUTBOX_FACTS, user->user_id, added.id, OUTBOX_LIST_SEQ);
}
