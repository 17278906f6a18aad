#include <sodium.h>

#include "account/account_impl.h"

enum { COINS_ID = 0, COINS_CODE = 16 };

static void invite_of(const struct invite_record *from, struct account_invite *to)
{
    *to = (struct account_invite){
        .invite = from->invite_id,
        .role = from->role,
        .uses_max = from->uses_max,
        .uses = from->uses,
        .expires_ms = from->expires_ms,
        .created_ms = from->created_ms,
    };
}

static bool is_usable(const struct invite_record *invite, uint64_t now_ms)
{
    return invite->revoked_ms == 0 && invite->expires_ms > now_ms && invite->uses < invite->uses_max;
}

/* Writes a new invite; the code is given to the caller and never stored. */
static kith_err invite_put(struct account_call *call, struct directory_tx *tx, struct invite_record *invite,
                           char code[static ACCOUNT_TOKEN_TEXT_MAX])
{
    invite->invite_id = kith_uuid_v8_make(call->coins + COINS_ID);
    invite->created_ms = call->now_ms;
    invite_code_format(call->coins + COINS_CODE, code);
    invite->code_hash.len = DIRECTORY_HASH_BYTES;
    if (invite_code_hash(code, invite->code_hash.bytes) != KITH_OK) return KITH_E_DAMAGED;
    return directory_put(tx, &table_invites, invite);
}

/* ------------------------------------------------------------------------------------------------ create */

struct invites_walk {
    uint64_t now_ms;
    size_t usable;
    size_t stale_count;
    struct invite_record stale[ACCOUNT_INVITES_MAX]; /* used up, expired or revoked: they make room */
};

static bool invite_walked(void *arg, const void *record)
{
    struct invites_walk *walk = arg;
    const struct invite_record *invite = record;

    if (is_usable(invite, walk->now_ms))
        walk->usable++;
    else if (walk->stale_count < ACCOUNT_INVITES_MAX)
        walk->stale[walk->stale_count++] = *invite;
    return true;
}

static kith_err create_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_invite_create *op = (struct account_invite_create *)call;
    struct invites_walk walk = {.now_ms = call->now_ms};
    struct invite_record invite = {.created_by = op->who.user.id,
                                   .role = op->role,
                                   .uses_max = op->uses_max,
                                   .expires_ms = op->expires_ms != 0 ? op->expires_ms
                                                                     : call->now_ms + ACCOUNT_INVITE_MS};
    struct user_record user;
    kith_err err = account_user_get(tx, op->who.user, &user);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    if (err != KITH_OK) return err;
    if (op->role != USER_MEMBER && user.role != USER_ADMIN) return account_deny(call, CODE_FORBIDDEN);
    err = directory_scan(tx, &table_invites, INVITES_BY_CREATOR, 1, &invite, false, invite_walked, &walk);
    for (size_t i = 0; i < walk.stale_count && err == KITH_OK; i++)
        err = directory_del(tx, &table_invites, &walk.stale[i]);
    if (err != KITH_OK) return err;
    if (walk.usable >= ACCOUNT_INVITES_MAX) return account_deny(call, CODE_FORBIDDEN);
    err = invite_put(call, tx, &invite, op->code);
    invite_of(&invite, &op->invite);
    call->code = CODE_CREATED;
    return err;
}

static void create_end(struct account_call *call)
{
    struct account_invite_create *op = (struct account_invite_create *)call;

    if (call->code != CODE_CREATED) sodium_memzero(op->code, sizeof op->code);
}

void account_invite_create(struct accounts *accounts, struct account_invite_create *op)
{
    struct account_call *call = &op->call;

    if (!account_begin(accounts, call, create_end)) return;
    if (op->uses_max < 1 || op->uses_max > ACCOUNT_INVITE_USES_MAX || op->role > USER_ADMIN ||
        (op->expires_ms != 0 &&
         (op->expires_ms <= call->now_ms || op->expires_ms > call->now_ms + ACCOUNT_INVITE_MS_MAX))) {
        account_refuse(call, CODE_BAD_REQUEST);
        return;
    }
    account_tx(call, false, create_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ list */

static bool invite_listed(void *arg, const void *record)
{
    struct account_invite_list *op = arg;
    const struct invite_record *invite = record;

    if (!is_usable(invite, op->call.now_ms)) return true;
    if (op->count == ACCOUNT_INVITES_MAX) return false;
    invite_of(invite, &op->invites[op->count++]);
    return true;
}

static kith_err list_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_invite_list *op = (struct account_invite_list *)call;
    struct invite_record key = {.created_by = op->who.user.id};

    op->count = 0;
    call->code = CODE_OK;
    return directory_scan(tx, &table_invites, INVITES_BY_CREATOR, 1, &key, false, invite_listed, op);
}

void account_invite_list(struct accounts *accounts, struct account_invite_list *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    account_tx(&op->call, true, list_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ revoke */

static kith_err revoke_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_invite_revoke *op = (struct account_invite_revoke *)call;
    struct invite_record invite = {.invite_id = op->invite};
    kith_err err = directory_get(tx, &table_invites, INVITES_BY_ID, &invite);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_NOT_FOUND);
    if (err != KITH_OK) return err;
    if (!kith_uuid_eq(invite.created_by, op->who.user.id) && op->who.role != USER_ADMIN)
        return account_deny(call, CODE_NOT_FOUND);
    call->code = CODE_OK;
    if (invite.revoked_ms != 0) return KITH_OK;
    invite.revoked_ms = call->now_ms;
    return directory_put(tx, &table_invites, &invite);
}

void account_invite_revoke(struct accounts *accounts, struct account_invite_revoke *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    account_tx(&op->call, false, revoke_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ bootstrap */

static bool user_found(void *arg, const void *record)
{
    (void)record;
    *(bool *)arg = true;
    return false;
}

static kith_err bootstrap_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_bootstrap *op = (struct account_bootstrap *)call;
    struct invites_walk walk = {.now_ms = UINT64_MAX}; /* every earlier one is stale */
    struct invite_record invite = {.role = USER_ADMIN, .uses_max = 1, .expires_ms = call->now_ms + ACCOUNT_INVITE_MS};
    bool has_users = false;
    kith_err err = directory_scan(tx, &table_users, USERS_BY_ID, 0, NULL, false, user_found, &has_users);

    if (err == KITH_OK && has_users) return account_deny(call, CODE_CONFLICT);
    if (err == KITH_OK)
        err = directory_scan(tx, &table_invites, INVITES_BY_CREATOR, 1, &invite, false, invite_walked, &walk);
    for (size_t i = 0; i < walk.stale_count && err == KITH_OK; i++)
        err = directory_del(tx, &table_invites, &walk.stale[i]);
    if (err == KITH_OK) err = invite_put(call, tx, &invite, op->code);
    call->code = CODE_CREATED;
    return err;
}

void account_bootstrap(struct accounts *accounts, struct account_bootstrap *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    account_tx(&op->call, false, bootstrap_run, account_conclude);
}
