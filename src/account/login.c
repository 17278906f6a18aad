#include <sodium.h>

#include "account/account_impl.h"

/*
 * Login: find name and device, compare the password, then sign the device in. An unknown name takes the same steps with
 * a hash that no password has, so neither answer nor time tells it.
 *
 * Limits count wrong passwords. A guess from a device that is not known to the name takes from the name's bucket and the
 * address's before it is tried, and gets both back when it was right. A known device is always tried: who guesses
 * elsewhere cannot lock it out; past the limit of its address a wrong guess is told TOO_MANY.
 */
enum { COINS_DEVICE = 0, COINS_TOKEN = 16 };

static struct account_login *op_of(struct account_call *call)
{
    return (struct account_login *)call;
}

static void limit_keys(const struct account_login *op, uint8_t name[static 16], uint8_t address[static 16])
{
    const struct accounts *accounts = op->call.accounts;

    limiter_key(&accounts->names, kith_slice_str(op->name), name);
    limiter_key(&accounts->addresses, kith_slice_str(op->address), address);
}

static kith_err look_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_login *op = op_of(call);
    struct user_record user = {0};
    struct device_record device = {.device_id = op->device.id};
    kith_err err;

    op->found = op->known = false;
    account_text_copy(user.name, sizeof user.name, op->name);
    err = directory_get(tx, &table_users, USERS_BY_NAME, &user);
    if (err != KITH_OK && err != KITH_E_NOTFOUND) return err;
    op->found = err == KITH_OK && user.status == USER_ACTIVE;
    op->user.id = user.user_id;
    account_text_copy(op->hash.encoded, sizeof op->hash.encoded,
                      op->found ? user.password_hash : call->accounts->hash_of_nobody);
    sodium_memzero(user.password_hash, sizeof user.password_hash);
    err = directory_get(tx, &table_devices, DEVICES_BY_ID, &device);
    if (err != KITH_OK && err != KITH_E_NOTFOUND) return err;
    op->known = op->found && op->has_device && err == KITH_OK && kith_uuid_eq(device.user_id, op->user.id);
    return KITH_OK;
}

struct device_count {
    size_t count;
    uint64_t oldest_ms;
    struct device_id oldest; /* of those that are signed out; nil: none */
    struct device_id all[KITH_DEVICES_PER_USER_MAX];
    uint64_t seen_ms[KITH_DEVICES_PER_USER_MAX];
};

static bool device_counted(void *arg, const void *record)
{
    struct device_count *found = arg;
    const struct device_record *device = record;

    if (found->count == KITH_DEVICES_PER_USER_MAX) return false;
    found->seen_ms[found->count] = device->seen_ms;
    found->all[found->count++].id = device->device_id;
    return true;
}

/* At the limit the device that is signed out for longest makes room; when all are signed in, none does. */
static kith_err make_room(struct account_call *call, struct directory_tx *tx)
{
    struct account_login *op = op_of(call);
    struct device_record key = {.user_id = op->user.id};
    struct device_count found = {0};
    kith_err err = directory_scan(tx, &table_devices, DEVICES_BY_USER, 1, &key, false, device_counted, &found);

    if (err != KITH_OK || found.count < KITH_DEVICES_PER_USER_MAX) return err;
    found.oldest_ms = UINT64_MAX;
    for (size_t i = 0; i < found.count; i++) {
        struct session_record session = {.device_id = found.all[i].id};
        err = directory_get(tx, &table_sessions, SESSIONS_BY_DEVICE, &session);
        if (err != KITH_OK && err != KITH_E_NOTFOUND) return err;
        if (err == KITH_OK && session.refresh_expires_ms > call->now_ms) continue;
        if (found.seen_ms[i] >= found.oldest_ms) continue;
        found.oldest_ms = found.seen_ms[i];
        found.oldest = found.all[i];
    }
    if (kith_uuid_is_nil(found.oldest.id)) return account_deny(call, CODE_FORBIDDEN);
    err = revocation_add(call, tx, op->user, found.oldest);
    if (err == KITH_OK) err = keys_forget(tx, found.oldest);
    key.device_id = found.oldest.id;
    return err == KITH_OK ? directory_del(tx, &table_devices, &key) : err;
}

static kith_err device_sign_in(struct account_call *call, struct directory_tx *tx, struct user_record *user)
{
    struct account_login *op = op_of(call);
    struct device_record device = {.device_id = op->device.id};
    kith_err err = KITH_E_NOTFOUND;

    if (op->known) err = directory_get(tx, &table_devices, DEVICES_BY_ID, &device);
    if (err == KITH_OK && kith_uuid_eq(device.user_id, user->user_id)) {
        err = revocation_add(call, tx, op->user, op->device); /* its older session ends, wherever it is connected */
    } else if (err == KITH_OK || err == KITH_E_NOTFOUND) {
        err = make_room(call, tx);
        op->device.id = kith_uuid_v8_make(call->coins + COINS_DEVICE);
        device = (struct device_record){
            .device_id = op->device.id, .user_id = user->user_id, .created_ms = call->now_ms};
        if (err == KITH_OK) err = account_list_changed(call, tx, user, op->device);
    }
    if (err != KITH_OK) return err;
    device.seen_ms = call->now_ms;
    account_text_copy(device.name, sizeof device.name, op->device_name);
    return directory_put(tx, &table_devices, &device);
}

static kith_err write_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_login *op = op_of(call);
    struct user_record user;
    kith_err err = account_user_get(tx, op->user, &user);

    /* The password was changed, or the account deleted, while it was compared. */
    if (err == KITH_E_NOTFOUND || (err == KITH_OK && strcmp(user.password_hash, op->hash.encoded) != 0))
        return account_deny(call, CODE_BAD_CREDENTIALS);
    if (err == KITH_OK) err = device_sign_in(call, tx, &user);
    if (err == KITH_OK)
        err = account_session_put(call, tx, op->user, op->device, call->coins + COINS_TOKEN, &op->tokens);
    if (err == KITH_OK) call->code = CODE_OK;
    return err;
}

static void login_wrong(struct account_call *call)
{
    struct account_login *op = op_of(call);

    account_count(&call->accounts->counters.logins_refused);
    if (op->known && op->over_limit) {
        account_finish(call, CODE_TOO_MANY);
        return;
    }
    call->retry_after_s = 0;
    account_finish(call, CODE_BAD_CREDENTIALS);
}

static void login_written(struct account_call *call)
{
    account_count(&call->accounts->counters.logins);
    account_conclude(call);
}

static void login_compared(struct account_call *call)
{
    struct account_login *op = op_of(call);
    uint8_t name[16], address[16];

    if (op->hash.err != KITH_OK || !op->found) {
        login_wrong(call);
        return;
    }
    limit_keys(op, name, address);
    if (!op->known) account_limit_give(call->accounts, &call->accounts->names, name);
    if (!op->over_limit) account_limit_give(call->accounts, &call->accounts->addresses, address);
    call->retry_after_s = 0;
    call->job = outbox_job_new(call->accounts->outbox);
    if (call->job == NULL || !revocation_prepare(call)) {
        call->retry_after_s = 1;
        account_finish(call, CODE_UNAVAILABLE);
        return;
    }
    /* Signed in; the chats learn of the new device when the log takes writes again. Not when one may have learned its name. */
    call->job->late = CODE_OK;
    account_tx(call, false, write_run, login_written);
}

static void login_compare(struct account_call *call)
{
    struct account_login *op = op_of(call);
    struct accounts *accounts = call->accounts;
    uint8_t name[16], address[16];

    limit_keys(op, name, address);
    op->over_limit = !account_limit(call, &accounts->addresses, address);
    if (!op->known) {
        bool named = account_limit(call, &accounts->names, name);
        if (op->over_limit || !named) {
            if (named) account_limit_give(accounts, &accounts->names, name);
            if (!op->over_limit) account_limit_give(accounts, &accounts->addresses, address);
            account_count(&accounts->counters.logins_refused);
            account_finish(call, CODE_TOO_MANY);
            return;
        }
    }
    op->hash.is_new = false;
    op->hash.password = &op->password;
    account_hash(call, &op->hash, login_compared);
}

static void login_end(struct account_call *call)
{
    struct account_login *op = op_of(call);

    sodium_memzero(&op->password, sizeof op->password);
    sodium_memzero(op->hash.encoded, sizeof op->hash.encoded);
    if (call->code != CODE_OK) sodium_memzero(&op->tokens, sizeof op->tokens);
}

void account_login(struct accounts *accounts, struct account_login *op)
{
    if (!account_begin(accounts, &op->call, login_end)) return;
    if (op->password.len > KITH_PASSWORD_BYTES_MAX || !account_display_name_is_valid(kith_slice_str(op->device_name))) {
        account_refuse(&op->call, CODE_BAD_REQUEST);
        return;
    }
    /* A name that nobody can have is looked for all the same: it takes as long as any other. */
    op->found = account_name_normalise(op->name) == KITH_OK;
    account_tx(&op->call, true, look_run, login_compare);
}
