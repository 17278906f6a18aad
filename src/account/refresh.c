#include <sodium.h>

#include "account/account_impl.h"

/*
 * Refresh and logout. A device has one family of tokens, which descends from its last login: the current pair, the
 * refresh token it was made from (good for the same pair, until the current one is used), and the spent ones before
 * that, whose use shows that somebody has a copy: then the family ends (I-A4).
 */
enum { SPENT_CHUNK = 64 };

struct spent_found {
    struct spent_token_record rows[SPENT_CHUNK];
    size_t count;
    uint64_t expired_ms; /* only those that have expired then */
};

static bool spent_found(void *arg, const void *record)
{
    struct spent_found *found = arg;
    const struct spent_token_record *row = record;

    if (row->expires_ms > found->expired_ms) return true;
    found->rows[found->count++] = *row;
    return found->count < SPENT_CHUNK;
}

/* Forgets up to SPENT_CHUNK spent tokens of a device that expired before `expired_ms`. */
static kith_err spent_drop(struct directory_tx *tx, struct device_id device, uint64_t expired_ms, bool *more)
{
    struct spent_token_record key = {.device_id = device.id};
    struct spent_found found = {.expired_ms = expired_ms};
    kith_err err = directory_scan(tx, &table_spent_tokens, SPENT_TOKENS_BY_DEVICE, 1, &key, false, spent_found, &found);

    for (size_t i = 0; i < found.count && err == KITH_OK; i++)
        err = directory_del(tx, &table_spent_tokens, &found.rows[i]);
    *more = found.count == SPENT_CHUNK;
    return err;
}

kith_err account_family_forget(struct directory_tx *tx, struct device_id device)
{
    bool more = true;
    kith_err err = KITH_OK;

    while (more && err == KITH_OK) err = spent_drop(tx, device, UINT64_MAX, &more);
    return err;
}

/* ------------------------------------------------------------------------------------------------ finding the family */

enum family_place { FAMILY_NONE, FAMILY_CURRENT, FAMILY_PREVIOUS, FAMILY_SPENT };

/* Whose token this is. A session that has expired is none. */
static kith_err family_find(struct account_call *call, struct directory_tx *tx, const uint8_t token[static TOKEN_BYTES],
                            enum family_place *place, struct session_record *out)
{
    struct spent_token_record spent = {.refresh_hash.len = DIRECTORY_HASH_BYTES};
    uint8_t hash[DIRECTORY_HASH_BYTES];
    kith_err err;

    token_hash(token, hash);
    *out = (struct session_record){.refresh_hash.len = sizeof hash, .refresh_hash_prev.len = sizeof hash};
    memcpy(out->refresh_hash.bytes, hash, sizeof hash);
    memcpy(out->refresh_hash_prev.bytes, hash, sizeof hash);
    memcpy(spent.refresh_hash.bytes, hash, sizeof hash);
    *place = FAMILY_CURRENT;
    err = directory_get(tx, &table_sessions, SESSIONS_BY_REFRESH, out);
    if (err == KITH_E_NOTFOUND) {
        *place = FAMILY_PREVIOUS;
        err = directory_get(tx, &table_sessions, SESSIONS_BY_REFRESH_PREV, out);
    }
    if (err == KITH_OK) {
        if (out->refresh_expires_ms <= call->now_ms) *place = FAMILY_NONE;
        return KITH_OK;
    }
    if (err != KITH_E_NOTFOUND) return err;
    err = directory_get(tx, &table_spent_tokens, SPENT_TOKENS_BY_HASH, &spent);
    *place = err == KITH_OK && spent.expires_ms > call->now_ms ? FAMILY_SPENT : FAMILY_NONE;
    out->device_id = spent.device_id;
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

/* A token was used twice: both its holders lose the session. */
static kith_err family_end(struct account_call *call, struct directory_tx *tx, struct device_id device)
{
    struct session_record session = {.device_id = device.id};
    kith_err err = directory_get(tx, &table_sessions, SESSIONS_BY_DEVICE, &session);

    call->code = CODE_TOKEN_REUSED;
    if (err == KITH_E_NOTFOUND) return KITH_OK;
    return err == KITH_OK ? revocation_add(call, tx, (struct user_id){session.user_id}, device) : err;
}

/* ------------------------------------------------------------------------------------------------ refresh */

static struct account_refresh *refresh_of(struct account_call *call)
{
    return (struct account_refresh *)call;
}

/* The pair that follows op->secret in this generation; *session gets its hashes. */
static void pair_make(struct account_refresh *op, struct session_record *session)
{
    const struct accounts *accounts = op->call.accounts;
    uint8_t refresh[TOKEN_BYTES], access[TOKEN_BYTES];
    uint64_t now_ms = op->call.now_ms, left_ms = 0;

    token_derive(accounts->secret, TOKEN_REFRESH, op->secret, session->generation, refresh);
    token_derive(accounts->secret, TOKEN_ACCESS, refresh, session->generation, access);
    token_hash(refresh, session->refresh_hash.bytes);
    token_hash(access, session->access_hash.bytes);
    session->refresh_hash.len = session->access_hash.len = DIRECTORY_HASH_BYTES;
    token_format(TOKEN_REFRESH, refresh, op->tokens.refresh_token);
    token_format(TOKEN_ACCESS, access, op->tokens.access_token);
    if (session->access_expires_ms > now_ms) left_ms = session->access_expires_ms - now_ms;
    op->tokens.expires_in_s = (uint32_t)(left_ms / 1000);
    op->tokens.user.id = session->user_id;
    op->tokens.device.id = session->device_id;
    sodium_memzero(refresh, sizeof refresh);
    sodium_memzero(access, sizeof access);
}

static kith_err rotate(struct account_call *call, struct directory_tx *tx, struct session_record *session)
{
    struct account_refresh *op = refresh_of(call);
    struct device_record device = {.device_id = session->device_id};
    struct spent_token_record spent = {.device_id = session->device_id,
                                       .expires_ms = call->now_ms + ACCOUNT_REFRESH_MS};
    bool more = false;
    kith_err err = KITH_OK;

    if (session->refresh_hash_prev.len > 0) {
        spent.refresh_hash.len = session->refresh_hash_prev.len;
        memcpy(spent.refresh_hash.bytes, session->refresh_hash_prev.bytes, DIRECTORY_HASH_BYTES);
        err = directory_put(tx, &table_spent_tokens, &spent);
    }
    if (err != KITH_OK) return err;
    session->refresh_hash_prev.len = DIRECTORY_HASH_BYTES;
    memcpy(session->refresh_hash_prev.bytes, session->refresh_hash.bytes, DIRECTORY_HASH_BYTES);
    session->generation++;
    session->access_expires_ms = call->now_ms + ACCOUNT_ACCESS_MS;
    session->refresh_expires_ms = call->now_ms + ACCOUNT_REFRESH_MS;
    pair_make(op, session);
    err = directory_put(tx, &table_sessions, session);
    if (err == KITH_OK) err = directory_get(tx, &table_devices, DEVICES_BY_ID, &device);
    if (err == KITH_OK && call->now_ms > device.seen_ms) {
        device.seen_ms = call->now_ms;
        err = directory_put(tx, &table_devices, &device);
    }
    /* Now and then, so that what expired is forgotten without a walk at each refresh. */
    if (err == KITH_OK && session->generation % SPENT_CHUNK == 0)
        err = spent_drop(tx, (struct device_id){session->device_id}, call->now_ms, &more);
    return err;
}

static kith_err refresh_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_refresh *op = refresh_of(call);
    struct session_record session;
    struct user_record user;
    enum family_place place = FAMILY_NONE;
    kith_err err = family_find(call, tx, op->secret, &place, &session);

    if (err != KITH_OK) return err;
    if (place == FAMILY_NONE) return account_deny(call, CODE_UNAUTHORIZED);
    if (place == FAMILY_SPENT) return family_end(call, tx, (struct device_id){session.device_id});
    err = account_user_get(tx, (struct user_id){session.user_id}, &user);
    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    if (err != KITH_OK) return err;
    call->code = CODE_OK;
    if (place == FAMILY_CURRENT) return rotate(call, tx, &session);
    pair_make(op, &session); /* the answer was lost: the same again */
    return KITH_OK;
}

static void refresh_done(struct account_call *call)
{
    account_count(call->code == CODE_OK ? &call->accounts->counters.refreshes : &call->accounts->counters.reuses);
    account_conclude(call);
}

static void refresh_end(struct account_call *call)
{
    struct account_refresh *op = refresh_of(call);

    sodium_memzero(op->refresh_token, sizeof op->refresh_token);
    sodium_memzero(op->secret, sizeof op->secret);
    if (call->code != CODE_OK) sodium_memzero(&op->tokens, sizeof op->tokens);
}

void account_refresh(struct accounts *accounts, struct account_refresh *op)
{
    if (!account_begin(accounts, &op->call, refresh_end)) return;
    if (token_parse(TOKEN_REFRESH, op->refresh_token, op->secret) != KITH_OK) {
        account_refuse(&op->call, CODE_UNAUTHORIZED);
        return;
    }
    if (!revocation_prepare(&op->call)) {
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    account_tx(&op->call, false, refresh_run, refresh_done);
}

/* ------------------------------------------------------------------------------------------------ logout */

static struct account_logout *logout_of(struct account_call *call)
{
    return (struct account_logout *)call;
}

static kith_err logout_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_logout *op = logout_of(call);
    struct session_record session = {.device_id = op->who.device.id, .user_id = op->who.user.id};
    enum family_place place = FAMILY_CURRENT;
    kith_err err = KITH_OK;

    if (!op->by_identity) err = family_find(call, tx, op->secret, &place, &session);
    if (err != KITH_OK) return err;
    if (place == FAMILY_NONE) return account_deny(call, CODE_UNAUTHORIZED);
    if (place == FAMILY_SPENT) return family_end(call, tx, (struct device_id){session.device_id});
    call->code = CODE_OK;
    err = revocation_add(call, tx, (struct user_id){session.user_id}, (struct device_id){session.device_id});
    return err == KITH_OK ? account_family_forget(tx, (struct device_id){session.device_id}) : err;
}

static void logout_end(struct account_call *call)
{
    struct account_logout *op = logout_of(call);

    sodium_memzero(op->refresh_token, sizeof op->refresh_token);
    sodium_memzero(op->secret, sizeof op->secret);
}

void account_logout(struct accounts *accounts, struct account_logout *op)
{
    if (!account_begin(accounts, &op->call, logout_end)) return;
    if (!op->by_identity && token_parse(TOKEN_REFRESH, op->refresh_token, op->secret) != KITH_OK) {
        account_refuse(&op->call, CODE_UNAUTHORIZED);
        return;
    }
    if (!revocation_prepare(&op->call)) {
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    account_tx(&op->call, false, logout_run, account_conclude);
}
