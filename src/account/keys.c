#include <sodium.h>
#include <stdlib.h>

#include "account/account_impl.h"
#include "account/keys.h"

kith_err account_prekey_read(struct kith_slice prekey, enum e2e_prekey_kind kind, struct account_prekey *out)
{
    struct e2e_prekey read;
    kith_err err = e2e_prekey_parse(prekey, kind, &read);

    if (err != KITH_OK) return err;
    *out = (struct account_prekey){.id = read.id, .prekey = prekey};
    crypto_hash_sha256(out->public_hash, read.public, e2e_prekey_is_kem(kind) ? E2E_KEM_PUBLIC_BYTES : E2E_DH_BYTES);
    return KITH_OK;
}

/* ------------------------------------------------------------------------------------------------ what there is */

bool prekey_has_ended(const struct prekey_record *row, uint64_t now_ms)
{
    const enum e2e_prekey_kind kind = row->kind == PREKEY_OPK ? E2E_PREKEY_OPK : E2E_PREKEY_KEM_OT;
    struct e2e_prekey prekey;

    if (e2e_prekey_parse(kith_slice_of(row->prekey.bytes, row->prekey.len), kind, &prekey) != KITH_OK) return true;
    return prekey.expires_at_ms <= now_ms;
}

struct counted {
    uint64_t now_ms;
    size_t count; /* of those that somebody can begin with */
};

static bool prekey_counted(void *arg, const void *record)
{
    struct counted *counted = arg;

    counted->count += !prekey_has_ended(record, counted->now_ms);
    return true;
}

static kith_err prekeys_count(struct directory_tx *tx, struct device_id device, enum prekey_kind kind, uint64_t now_ms,
                              size_t *out)
{
    struct prekey_record key = {.device_id = device.id, .kind = kind};
    struct counted counted = {.now_ms = now_ms};
    kith_err err = directory_scan(tx, &table_prekeys, PREKEYS_BY_ID, 2, &key, false, prekey_counted, &counted);

    *out = counted.count;
    return err;
}

static uint32_t id_of(struct kith_slice stored, enum e2e_prekey_kind kind)
{
    struct e2e_prekey prekey;

    return stored.len > 0 && e2e_prekey_parse(stored, kind, &prekey) == KITH_OK ? prekey.id : 0;
}

static kith_err state_load(struct directory_tx *tx, const struct account_identity *who, uint64_t list_seq,
                           uint64_t now_ms, struct account_keys_state *out)
{
    struct signed_list_record list = {.user_id = who->user.id};
    struct device_keys_record keys = {.device_id = who->device.id};
    kith_err err = directory_get(tx, &table_signed_lists, SIGNED_LISTS_BY_USER, &list);

    *out = (struct account_keys_state){.list_seq = list_seq, .has_list = err == KITH_OK};
    if (err == KITH_OK || err == KITH_E_NOTFOUND)
        err = directory_get(tx, &table_device_keys, DEVICE_KEYS_BY_DEVICE, &keys);
    if (err != KITH_OK && err != KITH_E_NOTFOUND) return err;
    out->spk_id = id_of(kith_slice_of(keys.spk.bytes, keys.spk.len), E2E_PREKEY_SPK);
    out->kem_lr_id = id_of(kith_slice_of(keys.kem_lr.bytes, keys.kem_lr.len), E2E_PREKEY_KEM_LR);
    err = prekeys_count(tx, who->device, PREKEY_OPK, now_ms, &out->opk_count);
    return err == KITH_OK ? prekeys_count(tx, who->device, PREKEY_KEM_OT, now_ms, &out->kem_ot_count) : err;
}

static kith_err show_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_keys_show *op = (struct account_keys_show *)call;
    struct user_record user;
    kith_err err = account_user_get(tx, op->who.user, &user);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    call->code = CODE_OK;
    return err == KITH_OK ? state_load(tx, &op->who, user.list_seq, call->now_ms, &op->keys) : err;
}

void account_keys_show(struct accounts *accounts, struct account_keys_show *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    account_tx(&op->call, true, show_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ a person's devices */

static bool device_listed(void *arg, const void *record)
{
    struct account_user_devices *op = arg;

    if (op->count == KITH_DEVICES_PER_USER_MAX) return false;
    op->devices[op->count++].id = ((const struct device_record *)record)->device_id;
    return true;
}

static bool past_listed(void *arg, const void *record)
{
    struct account_user_devices *op = arg;
    const struct past_list_record *past = record;
    uint8_t *copy;

    if (op->past_count == ACCOUNT_PAST_LISTS_MAX) return false;
    copy = malloc(past->list.len);
    if (copy == NULL) {
        op->err = KITH_E_NOMEM;
        return false;
    }
    memcpy(copy, past->list.bytes, past->list.len);
    op->past[op->past_count++] = kith_slice_of(copy, past->list.len);
    return true;
}

void account_user_devices_free(struct account_user_devices *op)
{
    while (op->past_count > 0) free((void *)(uintptr_t)op->past[--op->past_count].ptr);
}

static kith_err past_load(struct account_user_devices *op, struct directory_tx *tx)
{
    struct past_list_record key = {.user_id = op->user.id, .seq = op->after};
    kith_err err;

    account_user_devices_free(op);
    op->err = KITH_OK;
    if (!op->has_after) return KITH_OK;
    err = directory_scan(tx, &table_past_lists, PAST_LISTS_BY_SEQ, 1, &key, true, past_listed, op);
    return err == KITH_OK ? op->err : err;
}

static kith_err devices_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_user_devices *op = (struct account_user_devices *)call;
    struct signed_list_record list = {.user_id = op->user.id};
    struct device_record key = {.user_id = op->user.id};
    struct user_record user = {.user_id = op->user.id};
    kith_err err = directory_get(tx, &table_users, USERS_BY_ID, &user);
    bool is_deleted = err == KITH_OK && user.status == USER_DELETED;

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_NOT_FOUND);
    op->count = 0;
    op->list_seq = is_deleted ? 0 : user.list_seq;
    if (err == KITH_OK) err = directory_scan(tx, &table_devices, DEVICES_BY_USER, 1, &key, false, device_listed, op);
    if (err == KITH_OK) err = past_load(op, tx);
    if (err == KITH_OK) err = directory_get(tx, &table_signed_lists, SIGNED_LISTS_BY_USER, &list);
    if (err == KITH_E_NOTFOUND && is_deleted) return account_deny(call, CODE_NOT_FOUND);
    if (err != KITH_OK && err != KITH_E_NOTFOUND) return err;
    op->list_len = list.list.len;
    memcpy(op->list, list.list.bytes, list.list.len);
    call->code = CODE_OK;
    return KITH_OK;
}

void account_user_devices(struct accounts *accounts, struct account_user_devices *op)
{
    uint8_t key[LIMITER_KEY_BYTES];

    if (!account_begin(accounts, &op->call, NULL)) return;
    limiter_key(&accounts->key_lookups, kith_slice_of(op->who.user.id.raw, 16), key);
    if (!account_limit(&op->call, &accounts->key_lookups, key)) {
        account_refuse(&op->call, CODE_TOO_MANY);
        return;
    }
    account_tx(&op->call, true, devices_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ forgetting */

struct forget {
    uint64_t ended_ms;                /* those alone that have ended then; UINT64_MAX: all */
    const struct account_prekey *but; /* and of all, not those that have an id of these */
    size_t but_count;
    struct prekey_key {
        uint64_t kind, key_id;
    } keys[KITH_PREKEYS_MAX];
    size_t count;
};

static bool is_among(const struct account_prekey *prekeys, size_t count, uint64_t key_id)
{
    while (count > 0 && prekeys[count - 1].id != key_id) count--;
    return count > 0;
}

static bool prekey_found(void *arg, const void *record)
{
    struct forget *found = arg;
    const struct prekey_record *prekey = record;

    if (found->ended_ms != UINT64_MAX && !prekey_has_ended(prekey, found->ended_ms)) return true;
    if (is_among(found->but, found->but_count, prekey->key_id)) return true;
    found->keys[found->count++] = (struct prekey_key){prekey->kind, prekey->key_id};
    return found->count < KITH_PREKEYS_MAX;
}

/* There are never more than may be stored. */
static kith_err prekeys_drop(struct directory_tx *tx, struct device_id device, enum prekey_kind kind,
                             struct forget *found)
{
    struct prekey_record key = {.device_id = device.id, .kind = kind};
    kith_err err = directory_scan(tx, &table_prekeys, PREKEYS_BY_ID, 2, &key, false, prekey_found, found);

    for (size_t i = 0; i < found->count && err == KITH_OK; i++) {
        key.key_id = found->keys[i].key_id;
        err = directory_del(tx, &table_prekeys, &key);
    }
    return err;
}

kith_err keys_forget(struct directory_tx *tx, struct device_id device)
{
    struct device_keys_record keys = {.device_id = device.id};
    kith_err err = directory_del(tx, &table_device_keys, &keys);
    struct forget found = {.ended_ms = UINT64_MAX};

    if (err == KITH_E_NOTFOUND) err = KITH_OK;
    do {
        struct prekey_record key = {.device_id = device.id};

        found.count = 0;
        if (err == KITH_OK)
            err = directory_scan(tx, &table_prekeys, PREKEYS_BY_ID, 1, &key, false, prekey_found, &found);
        for (size_t i = 0; i < found.count && err == KITH_OK; i++) {
            key.kind = found.keys[i].kind;
            key.key_id = found.keys[i].key_id;
            err = directory_del(tx, &table_prekeys, &key);
        }
    } while (err == KITH_OK && found.count > 0);
    return err;
}

struct forget_devices {
    struct device_id devices[KITH_DEVICES_PER_USER_MAX];
    size_t count;
};

static bool device_found(void *arg, const void *record)
{
    struct forget_devices *found = arg;

    if (found->count == KITH_DEVICES_PER_USER_MAX) return false;
    found->devices[found->count++].id = ((const struct device_record *)record)->device_id;
    return true;
}

kith_err keys_forget_all(struct directory_tx *tx, struct user_id user)
{
    struct device_record key = {.user_id = user.id};
    struct forget_devices found = {.count = 0};
    kith_err err = directory_scan(tx, &table_devices, DEVICES_BY_USER, 1, &key, false, device_found, &found);

    for (size_t i = 0; i < found.count && err == KITH_OK; i++) err = keys_forget(tx, found.devices[i]);
    return err;
}

/* ------------------------------------------------------------------------------------------------ put */

static kith_err refuse(struct account_keys_put *op, enum kith_code code, const char *what)
{
    op->refused = what;
    return account_deny(&op->call, code);
}

static kith_err list_store(struct account_keys_put *op, struct directory_tx *tx, struct user_record *user,
                           struct signed_list_record *row)
{
    kith_err err;

    row->seq = op->list.seq;
    row->hash.len = DIRECTORY_HASH_BYTES;
    memcpy(row->hash.bytes, op->list.hash, DIRECTORY_HASH_BYTES);
    row->list.len = (uint32_t)op->signed_list.len;
    memcpy(row->list.bytes, op->signed_list.ptr, op->signed_list.len);
    err = directory_put(tx, &table_signed_lists, row);
    return err == KITH_OK ? account_list_changed(&op->call, tx, user, (struct device_id){0}) : err;
}

/* With the acceptances that it had last. */
static kith_err past_keep(struct directory_tx *tx, const struct signed_list_record *row)
{
    struct past_list_record past = {.user_id = row->user_id, .seq = row->seq, .list.len = row->list.len};

    memcpy(past.list.bytes, row->list.bytes, row->list.len);
    return directory_put(tx, &table_past_lists, &past);
}

/* The first list, the next one, or the stored one with other acceptances. */
static kith_err list_put(struct account_keys_put *op, struct directory_tx *tx, struct user_record *user)
{
    struct signed_list_record row = {.user_id = user->user_id};
    kith_err err = directory_get(tx, &table_signed_lists, SIGNED_LISTS_BY_USER, &row);
    bool is_first = err == KITH_E_NOTFOUND;

    if (err != KITH_OK && !is_first) return err;
    switch (account_list_step(kith_slice_of(row.list.bytes, row.list.len), &op->list)) {
    case ACCOUNT_LIST_WRONG: return refuse(op, CODE_CONFLICT, "list");
    case ACCOUNT_LIST_NEXT:
        err = is_first ? KITH_OK : past_keep(tx, &row);
        return err == KITH_OK ? list_store(op, tx, user, &row) : err;
    case ACCOUNT_LIST_SAME: break;
    }
    if (!kith_slice_eq(kith_slice_of(row.list.bytes, row.list.len), op->signed_list))
        return list_store(op, tx, user, &row);
    /* Nothing has changed, but the chats are told again: the first time may not have come through. */
    return account_outbox_put(&op->call, tx, OUTBOX_FACTS, user->user_id, (struct kith_uuid){0}, OUTBOX_LIST_SEQ);
}

/*
 * KITH_E_CONFLICT: the public key is registered by anybody, as a one-time key, or as a lasting one of another device than
 * `own` (NULL: of any).
 */
static kith_err key_is_free(struct directory_tx *tx, const struct account_prekey *prekey, const struct device_id *own)
{
    struct prekey_record once = {.public_hash.len = DIRECTORY_HASH_BYTES};
    struct device_keys_record lasting = {.spk_hash.len = DIRECTORY_HASH_BYTES, .kem_lr_hash.len = DIRECTORY_HASH_BYTES};
    kith_err err;

    memcpy(once.public_hash.bytes, prekey->public_hash, DIRECTORY_HASH_BYTES);
    memcpy(lasting.spk_hash.bytes, prekey->public_hash, DIRECTORY_HASH_BYTES);
    memcpy(lasting.kem_lr_hash.bytes, prekey->public_hash, DIRECTORY_HASH_BYTES);
    err = directory_get(tx, &table_prekeys, PREKEYS_BY_PUBLIC, &once);
    if (err == KITH_OK) return KITH_E_CONFLICT;
    if (err == KITH_E_NOTFOUND) err = directory_get(tx, &table_device_keys, DEVICE_KEYS_BY_SPK, &lasting);
    if (err == KITH_E_NOTFOUND) err = directory_get(tx, &table_device_keys, DEVICE_KEYS_BY_KEM_LR, &lasting);
    if (err == KITH_OK) return own != NULL && kith_uuid_eq(lasting.device_id, own->id) ? KITH_OK : KITH_E_CONFLICT;
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

/* A prekey and its hash become a row's. KITH_E_CONFLICT: the id is that of the stored one, which is another. */
static kith_err lasting_set(const struct account_prekey *prekey, enum e2e_prekey_kind kind, uint32_t *len,
                            uint8_t *bytes, uint32_t *hash_len, uint8_t *hash)
{
    if (id_of(kith_slice_of(bytes, *len), kind) == prekey->id &&
        !kith_slice_eq(kith_slice_of(bytes, *len), prekey->prekey))
        return KITH_E_CONFLICT;
    *len = (uint32_t)prekey->prekey.len;
    memcpy(bytes, prekey->prekey.ptr, prekey->prekey.len);
    *hash_len = DIRECTORY_HASH_BYTES;
    memcpy(hash, prekey->public_hash, DIRECTORY_HASH_BYTES);
    return KITH_OK;
}

static kith_err lasting_put(struct account_keys_put *op, struct directory_tx *tx)
{
    struct device_keys_record row = {.device_id = op->who.device.id};
    kith_err err = directory_get(tx, &table_device_keys, DEVICE_KEYS_BY_DEVICE, &row);

    if (err == KITH_E_NOTFOUND) err = KITH_OK;
    if (err == KITH_OK && op->has_spk) {
        err = lasting_set(&op->spk, E2E_PREKEY_SPK, &row.spk.len, row.spk.bytes, &row.spk_hash.len, row.spk_hash.bytes);
        if (err == KITH_OK) err = key_is_free(tx, &op->spk, &op->who.device);
        if (err == KITH_E_CONFLICT) return refuse(op, CODE_CONFLICT, "spk");
    }
    if (err == KITH_OK && op->has_kem_lr) {
        err = lasting_set(&op->kem_lr, E2E_PREKEY_KEM_LR, &row.kem_lr.len, row.kem_lr.bytes, &row.kem_lr_hash.len,
                          row.kem_lr_hash.bytes);
        if (err == KITH_OK) err = key_is_free(tx, &op->kem_lr, &op->who.device);
        if (err == KITH_E_CONFLICT) return refuse(op, CODE_CONFLICT, "kem_lr");
    }
    row.user_id = op->who.user.id;
    row.updated_ms = op->call.now_ms;
    return err == KITH_OK ? directory_put(tx, &table_device_keys, &row) : err;
}

/* Handed out already: an upload that is repeated, because its answer was lost, must not bring it back. */
static bool is_spent(const struct device_keys_record *keys, const struct account_prekey *prekey)
{
    for (uint32_t i = 0; i < keys->spent.len; i += DIRECTORY_SPENT_BYTES)
        if (memcmp(keys->spent.bytes + i, prekey->public_hash, DIRECTORY_SPENT_BYTES) == 0) return true;
    return false;
}

static kith_err prekey_put(struct account_keys_put *op, struct directory_tx *tx, enum prekey_kind kind,
                           const struct account_prekey *prekey, size_t *count)
{
    struct prekey_record row = {.device_id = op->who.device.id, .kind = kind, .key_id = prekey->id};
    kith_err err = directory_get(tx, &table_prekeys, PREKEYS_BY_ID, &row);

    if (err == KITH_OK)
        return kith_slice_eq(kith_slice_of(row.prekey.bytes, row.prekey.len), prekey->prekey) ? KITH_OK
                                                                                              : KITH_E_CONFLICT;
    if (err == KITH_E_NOTFOUND) err = key_is_free(tx, prekey, NULL);
    if (err != KITH_OK) return err;
    if (*count >= KITH_PREKEYS_MAX) return KITH_E_FULL;
    row.prekey.len = (uint32_t)prekey->prekey.len;
    memcpy(row.prekey.bytes, prekey->prekey.ptr, prekey->prekey.len);
    row.public_hash.len = DIRECTORY_HASH_BYTES;
    memcpy(row.public_hash.bytes, prekey->public_hash, DIRECTORY_HASH_BYTES);
    ++*count;
    return directory_put(tx, &table_prekeys, &row);
}

static kith_err prekeys_put(struct account_keys_put *op, struct directory_tx *tx, enum prekey_kind kind)
{
    const struct account_prekey *prekeys = kind == PREKEY_OPK ? op->opks : op->kem_ots;
    const char *what = kind == PREKEY_OPK ? "opks" : "kem_ots";
    size_t given = kind == PREKEY_OPK ? op->opk_count : op->kem_ot_count, stored = 0;
    struct device_keys_record keys = {.device_id = op->who.device.id};
    struct forget found = {.ended_ms = op->call.now_ms}; /* room for those that somebody can begin with */
    kith_err err;

    if (op->replaces) found = (struct forget){.ended_ms = UINT64_MAX, .but = prekeys, .but_count = given};
    if (given == 0 && !op->replaces) return KITH_OK;
    err = directory_get(tx, &table_device_keys, DEVICE_KEYS_BY_DEVICE, &keys);
    if (err == KITH_OK || err == KITH_E_NOTFOUND) err = prekeys_drop(tx, op->who.device, kind, &found);
    if (err == KITH_OK) err = prekeys_count(tx, op->who.device, kind, op->call.now_ms, &stored);
    for (size_t i = 0; i < given && err == KITH_OK; i++) {
        if (is_spent(&keys, &prekeys[i])) continue;
        err = prekey_put(op, tx, kind, &prekeys[i], &stored);
        if (err == KITH_E_CONFLICT) return refuse(op, CODE_CONFLICT, what);
        if (err == KITH_E_FULL) return refuse(op, CODE_FORBIDDEN, what);
    }
    return err;
}

static kith_err put_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_keys_put *op = (struct account_keys_put *)call;
    struct session_record session = {.device_id = op->who.device.id};
    struct user_record user;
    kith_err err = account_user_get(tx, op->who.user, &user);

    /* Whoever was signed out while this was on its way changes nothing any more (I-A2). */
    if (err == KITH_OK) err = directory_get(tx, &table_sessions, SESSIONS_BY_DEVICE, &session);
    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    if (err == KITH_OK && op->signed_list.len > 0) err = list_put(op, tx, &user);
    if (err == KITH_OK && (op->has_spk || op->has_kem_lr)) err = lasting_put(op, tx);
    if (err == KITH_OK) err = prekeys_put(op, tx, PREKEY_OPK);
    if (err == KITH_OK) err = prekeys_put(op, tx, PREKEY_KEM_OT);
    if (err == KITH_OK) err = state_load(tx, &op->who, user.list_seq, call->now_ms, &op->keys);
    if (err == KITH_OK) call->code = CODE_OK;
    return err;
}

static void list_verify(struct hash_job *job)
{
    struct account_keys_put *op = (struct account_keys_put *)job->call;

    op->call.code = account_list_verify(op->signed_list, &op->who, &op->list);
}

static void list_verified(struct account_call *call)
{
    struct account_keys_put *op = (struct account_keys_put *)call;

    if (call->code == CODE_OK) {
        account_tx(call, false, put_run, account_conclude);
        return;
    }
    if (call->code == CODE_UNAVAILABLE)
        call->retry_after_s = 1;
    else
        op->refused = "list";
    account_finish(call, call->code);
}

/* Before anything is written, and off the loop: a list may have 34 signatures. */
static void list_begin(struct account_keys_put *op)
{
    struct accounts *accounts = op->call.accounts;
    uint8_t key[LIMITER_KEY_BYTES];

    limiter_key(&accounts->list_uploads, kith_slice_of(op->who.user.id.raw, 16), key);
    if (!account_limit(&op->call, &accounts->list_uploads, key)) {
        account_refuse(&op->call, CODE_TOO_MANY);
        return;
    }
    op->call.job = outbox_job_new(accounts->outbox);
    if (op->call.job == NULL) {
        op->call.retry_after_s = 1;
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    op->call.job->late = CODE_UNAVAILABLE; /* asked again, it changes nothing and waits for the chats */
    op->verify = (struct hash_job){.work = list_verify};
    account_hash(&op->call, &op->verify, list_verified);
}

void account_keys_put(struct accounts *accounts, struct account_keys_put *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    op->refused = NULL;
    if (op->signed_list.len > 0)
        list_begin(op);
    else
        account_tx(&op->call, false, put_run, account_conclude);
}
