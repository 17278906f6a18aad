#include <sodium.h>

#include "account/account_impl.h"

/*
 * Register: look whether name and invite are good (before the costly hash), hash, then write everything in one
 * transaction that looks again. The coins of the call: salt 16, user id 16, device id 16, refresh token 32.
 */
enum { COINS_SALT = 0, COINS_USER = 16, COINS_DEVICE = 32, COINS_TOKEN = 48 };

static struct account_register *op_of(struct account_call *call)
{
    return (struct account_register *)call;
}

static kith_err invite_get(struct account_call *call, struct directory_tx *tx, struct invite_record *out)
{
    struct account_register *op = op_of(call);
    kith_err err;

    *out = (struct invite_record){.code_hash.len = DIRECTORY_HASH_BYTES};
    memcpy(out->code_hash.bytes, op->invite_hash, DIRECTORY_HASH_BYTES);
    err = directory_get(tx, &table_invites, INVITES_BY_CODE, out);
    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_INVITE_REQUIRED);
    if (err != KITH_OK) return err;
    if (out->revoked_ms != 0 || out->expires_ms <= call->now_ms || out->uses >= out->uses_max)
        return account_deny(call, CODE_INVITE_REQUIRED);
    return KITH_OK;
}

/* An invite of the server itself is for the first admin, and counts in every mode. */
static kith_err may_register(struct account_call *call, struct directory_tx *tx, struct invite_record *invite)
{
    enum account_registration mode = call->accounts->config.registration;
    struct account_register *op = op_of(call);
    kith_err err;

    *invite = (struct invite_record){0};
    if (op->trusted) return KITH_OK;
    if (op->invite[0] == '\0') {
        if (mode == REGISTRATION_OPEN) return KITH_OK;
        return account_deny(call, mode == REGISTRATION_CLOSED ? CODE_REGISTRATION_CLOSED : CODE_INVITE_REQUIRED);
    }
    err = invite_get(call, tx, invite);
    if (mode != REGISTRATION_CLOSED) return err;
    if (err == KITH_E_DENIED || (err == KITH_OK && !kith_uuid_is_nil(invite->created_by)))
        return account_deny(call, CODE_REGISTRATION_CLOSED);
    return err;
}

static kith_err name_is_free(struct account_call *call, struct directory_tx *tx)
{
    struct account_register *op = op_of(call);
    struct user_record other = {0};
    kith_err err;

    account_text_copy(other.name, sizeof other.name, op->name);
    err = directory_get(tx, &table_users, USERS_BY_NAME, &other);
    if (err == KITH_OK) return account_deny(call, CODE_NAME_TAKEN);
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

static kith_err look_run(struct account_call *call, struct directory_tx *tx)
{
    struct invite_record invite;
    kith_err err = may_register(call, tx, &invite);

    return err == KITH_OK ? name_is_free(call, tx) : err;
}

static kith_err user_put(struct account_call *call, struct directory_tx *tx, const struct invite_record *invite,
                         struct user_id *out)
{
    struct account_register *op = op_of(call);
    struct user_record user = {
        .user_id = kith_uuid_v8_make(call->coins + COINS_USER),
        .status = USER_ACTIVE,
        .role = op->trusted ? op->role : invite->role,
        .read_receipts = 1,
        .list_seq = 1,
        .created_ms = call->now_ms,
        .invited_by = invite->created_by,
    };

    out->id = user.user_id;
    account_text_copy(user.name, sizeof user.name, op->name);
    account_text_copy(user.display_name, sizeof user.display_name,
                      op->display_name[0] == '\0' ? op->name : op->display_name);
    account_text_copy(user.password_hash, sizeof user.password_hash, op->hash.encoded);
    return directory_put(tx, &table_users, &user);
}

static kith_err device_put(struct account_call *call, struct directory_tx *tx, struct user_id user,
                           struct device_id *out)
{
    struct account_register *op = op_of(call);
    struct device_record device = {
        .device_id = kith_uuid_v8_make(call->coins + COINS_DEVICE),
        .user_id = user.id,
        .created_ms = call->now_ms,
        .seen_ms = call->now_ms,
    };

    out->id = device.device_id;
    account_text_copy(device.name, sizeof device.name, op->device_name);
    return directory_put(tx, &table_devices, &device);
}

/* The inviter is the new person's first contact: their chat is made by the outbox, whatever happens to this process. */
static kith_err chat_put(struct account_call *call, struct directory_tx *tx, struct user_id user,
                         const struct invite_record *invite)
{
    struct account_register *op = op_of(call);
    struct user_record inviter;
    kith_err err;

    op->has_chat = false;
    if (kith_uuid_is_nil(invite->created_by)) return KITH_OK;
    err = account_user_get(tx, (struct user_id){invite->created_by}, &inviter);
    if (err == KITH_E_NOTFOUND) return KITH_OK;
    if (err != KITH_OK) return err;
    op->has_chat = true;
    op->chat = accounts_direct_chat(call->accounts, user, (struct user_id){inviter.user_id}, true);
    return account_outbox_put(call, tx, OUTBOX_DIRECT, user.id, inviter.user_id, OUTBOX_ENCRYPTED | OUTBOX_ACCEPTED);
}

static kith_err write_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_register *op = op_of(call);
    struct invite_record invite;
    struct user_id user = {0};
    struct device_id device = {0};
    kith_err err;

    err = may_register(call, tx, &invite);
    if (err == KITH_OK) err = name_is_free(call, tx);
    if (err == KITH_OK) err = user_put(call, tx, &invite, &user);
    if (err == KITH_OK) err = device_put(call, tx, user, &device);
    if (err == KITH_OK) err = account_session_put(call, tx, user, device, call->coins + COINS_TOKEN, &op->tokens);
    if (err == KITH_OK) err = chat_put(call, tx, user, &invite);
    if (err == KITH_OK && !kith_uuid_is_nil(invite.invite_id)) {
        invite.uses++;
        err = directory_put(tx, &table_invites, &invite);
    }
    if (err == KITH_OK) call->code = CODE_CREATED;
    return err;
}

static void register_written(struct account_call *call)
{
    account_count(&call->accounts->counters.registrations);
    account_conclude(call);
}

static void register_write(struct account_call *call)
{
    call->job = outbox_job_new(call->accounts->outbox);
    if (call->job == NULL) {
        call->retry_after_s = 1;
        account_finish(call, CODE_UNAVAILABLE);
        return;
    }
    call->job->late = CODE_CREATED; /* the account is there; the chat follows when the log takes writes again */
    account_tx(call, false, write_run, register_written);
}

static void register_hash(struct account_call *call)
{
    struct account_register *op = op_of(call);

    op->hash.is_new = true;
    op->hash.password = &op->password;
    memcpy(op->hash.salt, call->coins + COINS_SALT, sizeof op->hash.salt);
    account_hash(call, &op->hash, register_write);
}

static void register_end(struct account_call *call)
{
    struct account_register *op = op_of(call);

    sodium_memzero(&op->password, sizeof op->password);
    sodium_memzero(op->hash.encoded, sizeof op->hash.encoded);
    sodium_memzero(op->invite_hash, sizeof op->invite_hash);
    sodium_memzero(op->invite, sizeof op->invite);
    if (call->code != CODE_CREATED) sodium_memzero(&op->tokens, sizeof op->tokens);
}

static bool device_name_is_valid(const char *name)
{
    return account_display_name_is_valid(kith_slice_str(name));
}

void account_register(struct accounts *accounts, struct account_register *op)
{
    if (!account_begin(accounts, &op->call, register_end)) return;
    op->has_chat = false;
    if (account_name_normalise(op->name) != KITH_OK ||
        account_password_fault(kith_slice_of(op->password.bytes, op->password.len)) != NULL ||
        !device_name_is_valid(op->device_name) ||
        (op->display_name[0] != '\0' && !device_name_is_valid(op->display_name))) {
        account_refuse(&op->call, CODE_BAD_REQUEST);
        return;
    }
    if (op->invite[0] != '\0' && invite_code_hash(op->invite, op->invite_hash) != KITH_OK) {
        account_refuse(&op->call, accounts->config.registration == REGISTRATION_CLOSED ? CODE_REGISTRATION_CLOSED
                                                                                       : CODE_INVITE_REQUIRED);
        return;
    }
    account_tx(&op->call, true, look_run, register_hash);
}
