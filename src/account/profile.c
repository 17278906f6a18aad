#include <sodium.h>

#include "account/account_impl.h"

/* ------------------------------------------------------------------------------------------------ show */

static kith_err show_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_show *op = (struct account_show *)call;
    struct user_record user;
    kith_err err = account_user_get(tx, op->who.user, &user);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    if (err != KITH_OK) return err;
    account_profile_of(&user, &op->profile);
    call->code = CODE_OK;
    return KITH_OK;
}

void account_show(struct accounts *accounts, struct account_show *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    account_tx(&op->call, true, show_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ update
 * A new password: read the old hash, compare with what was given, hash the new one, then write if nothing has changed
 * meanwhile. The rest is one transaction.
 */

static struct account_update *op_of(struct account_call *call)
{
    return (struct account_update *)call;
}

static kith_err update_fields(struct account_call *call, struct directory_tx *tx, struct user_record *user)
{
    struct account_update *op = op_of(call);
    kith_err err;

    if (op->has_display_name) account_text_copy(user->display_name, sizeof user->display_name, op->display_name);
    if (op->has_read_receipts) user->read_receipts = op->read_receipts;
    if (op->has_password) account_text_copy(user->password_hash, sizeof user->password_hash, op->hash.encoded);
    err = directory_put(tx, &table_users, user);
    /* Asked again, it is told to the chats again: the first time may not have come through. */
    if (err == KITH_OK && op->has_read_receipts) {
        revocation_receipts(call, op->who.user, op->read_receipts);
        err = account_outbox_put(call, tx, OUTBOX_FACTS, user->user_id, (struct kith_uuid){0}, OUTBOX_RECEIPTS);
    }
    if (err == KITH_OK && op->has_password) err = revocation_add_all(call, tx, op->who.user, op->who.device);
    return err;
}

static kith_err write_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_update *op = op_of(call);
    struct session_record session = {.device_id = op->who.device.id};
    struct user_record user;
    kith_err err = account_user_get(tx, op->who.user, &user);

    /* Whoever was signed out while this was on its way changes nothing any more (I-A2). */
    if (err == KITH_OK) err = directory_get(tx, &table_sessions, SESSIONS_BY_DEVICE, &session);
    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    if (err != KITH_OK) return err;
    if (op->has_password && strcmp(user.password_hash, op->hash_old) != 0)
        return account_deny(call, CODE_BAD_CREDENTIALS);
    err = update_fields(call, tx, &user);
    if (err != KITH_OK) return err;
    account_profile_of(&user, &op->profile);
    call->code = CODE_OK;
    return KITH_OK;
}

static void update_write(struct account_call *call)
{
    call->job = outbox_job_new(call->accounts->outbox);
    if (call->job == NULL || !revocation_prepare(call)) {
        call->retry_after_s = 1;
        account_finish(call, CODE_UNAVAILABLE);
        return;
    }
    call->job->late = CODE_UNAVAILABLE;
    account_tx(call, false, write_run, account_conclude);
}

static void password_compared(struct account_call *call)
{
    struct account_update *op = op_of(call);
    uint8_t key[LIMITER_KEY_BYTES];

    if (op->hash.err != KITH_OK) {
        account_finish(call, CODE_BAD_CREDENTIALS);
        return;
    }
    limiter_key(&call->accounts->names, kith_slice_of(op->who.user.id.raw, 16), key);
    account_limit_give(call->accounts, &call->accounts->names, key);
    op->hash.is_new = true;
    op->hash.password = &op->password;
    memcpy(op->hash.salt, call->coins, sizeof op->hash.salt);
    account_hash(call, &op->hash, update_write);
}

static void password_compare(struct account_call *call)
{
    struct account_update *op = op_of(call);
    uint8_t key[LIMITER_KEY_BYTES];

    /* Guesses of who holds a token count by person, apart from the guesses at the name from outside. */
    limiter_key(&call->accounts->names, kith_slice_of(op->who.user.id.raw, 16), key);
    if (!account_limit(call, &call->accounts->names, key)) {
        account_finish(call, CODE_TOO_MANY);
        return;
    }
    op->hash.is_new = false;
    op->hash.password = &op->current;
    account_hash(call, &op->hash, password_compared);
}

static kith_err password_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_update *op = op_of(call);
    struct user_record user;
    kith_err err = account_user_get(tx, op->who.user, &user);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    if (err != KITH_OK) return err;
    account_text_copy(op->hash_old, sizeof op->hash_old, user.password_hash);
    account_text_copy(op->hash.encoded, sizeof op->hash.encoded, user.password_hash);
    return KITH_OK;
}

static void update_end(struct account_call *call)
{
    struct account_update *op = op_of(call);

    sodium_memzero(&op->password, sizeof op->password);
    sodium_memzero(&op->current, sizeof op->current);
    sodium_memzero(op->hash_old, sizeof op->hash_old);
    sodium_memzero(op->hash.encoded, sizeof op->hash.encoded);
}

static bool is_well_formed(const struct account_update *op)
{
    if (op->has_display_name && !account_display_name_is_valid(kith_slice_str(op->display_name))) return false;
    if (!op->has_password) return true;
    return account_password_fault(kith_slice_of(op->password.bytes, op->password.len)) == NULL &&
           op->current.len <= KITH_PASSWORD_BYTES_MAX;
}

void account_update(struct accounts *accounts, struct account_update *op)
{
    if (!account_begin(accounts, &op->call, update_end)) return;
    if (!is_well_formed(op)) {
        account_refuse(&op->call, CODE_BAD_REQUEST);
        return;
    }
    if (op->has_password) {
        account_tx(&op->call, true, password_run, password_compare);
        return;
    }
    op->call.job = outbox_job_new(accounts->outbox);
    if (op->call.job == NULL || !revocation_prepare(&op->call)) {
        op->call.retry_after_s = 1;
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    op->call.job->late = CODE_UNAVAILABLE;
    account_tx(&op->call, false, write_run, account_conclude);
}
