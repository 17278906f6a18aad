#include "account/account_impl.h"
#include "account/keys.h"

/*
 * Claiming bundles: find which of the devices there are, take from the limits of each, look in the chats whether their
 * people know the asking one, then take the keys in one transaction. The limits count only devices that exist: otherwise
 * invented ones would push the real ones out of the limiter's memory.
 */
#define BUNDLE_BYTES_MAX (3 * KITH_PREKEY_BYTES_MAX)
#define MEMBER_BYTES_MAX 4096

static struct account_claim *op_of(struct account_call *call)
{
    return (struct account_claim *)call;
}

static bool is_own(const struct account_claim *op, const struct account_bundle *bundle)
{
    return kith_uuid_eq(bundle->device.user.id, op->who.user.id);
}

/* ------------------------------------------------------------------------------------------------ the keys */

/* KITH_E_NOTFOUND: no device of that person, or without the key that every bundle has. */
static kith_err keys_get(struct directory_tx *tx, const struct account_bundle *bundle, struct device_keys_record *out)
{
    struct user_record user;
    kith_err err;

    *out = (struct device_keys_record){.device_id = bundle->device.device.id};
    err = directory_get(tx, &table_device_keys, DEVICE_KEYS_BY_DEVICE, out);
    if (err != KITH_OK) return err;
    if (!kith_uuid_eq(out->user_id, bundle->device.user.id) || out->spk.len == 0) return KITH_E_NOTFOUND;
    return account_user_get(tx, bundle->device.user, &user);
}

struct first {
    struct prekey_record prekey;
    size_t count, enough;
    uint64_t now_ms;
    uint64_t ended[KITH_PREKEYS_MAX]; /* ids of those that came before it and have ended */
    size_t ended_count;
};

static bool first_found(void *arg, const void *record)
{
    struct first *first = arg;

    if (prekey_has_ended(record, first->now_ms)) {
        if (first->ended_count == KITH_PREKEYS_MAX) return false;
        first->ended[first->ended_count++] = ((const struct prekey_record *)record)->key_id;
        return true;
    }
    if (first->count == 0) first->prekey = *(const struct prekey_record *)record;
    return ++first->count < first->enough;
}

/* The oldest make room. */
static void spent_add(struct device_keys_record *keys, const uint8_t *public_hash)
{
    if (keys->spent.len == sizeof keys->spent.bytes) {
        keys->spent.len -= DIRECTORY_SPENT_BYTES;
        memmove(keys->spent.bytes, keys->spent.bytes + DIRECTORY_SPENT_BYTES, keys->spent.len);
    }
    memcpy(keys->spent.bytes + keys->spent.len, public_hash, DIRECTORY_SPENT_BYTES);
    keys->spent.len += DIRECTORY_SPENT_BYTES;
}

/* Deletes a one-time key, notes it in *keys and lends it in first->prekey; count 0: there is none for this person. */
static kith_err prekey_take(struct directory_tx *tx, const struct account_bundle *bundle, enum prekey_kind kind,
                            uint64_t now_ms, struct device_keys_record *keys, struct first *first)
{
    size_t enough = bundle->is_contact ? 1 : ACCOUNT_PREKEYS_RESERVED + 1;
    struct prekey_record key = {.device_id = bundle->device.device.id, .kind = kind};
    kith_err err;

    first->count = first->ended_count = 0;
    first->enough = enough;
    first->now_ms = now_ms;
    err = directory_scan(tx, &table_prekeys, PREKEYS_BY_ID, 2, &key, false, first_found, first);
    if (first->count < enough) first->count = 0;
    for (size_t i = 0; i < first->ended_count && err == KITH_OK; i++) {
        key.key_id = first->ended[i];
        err = directory_del(tx, &table_prekeys, &key);
    }
    if (err != KITH_OK || first->count == 0) return err;
    spent_add(keys, first->prekey.public_hash.bytes);
    return directory_del(tx, &table_prekeys, &first->prekey);
}

/* Only the length is known until all are there: the buffer moves while it grows. */
static kith_err bytes_add(struct account_claim *op, const uint8_t *bytes, uint32_t len, struct kith_slice *out)
{
    *out = (struct kith_slice){.len = len};
    return kith_buf_append(&op->bytes, kith_slice_of(bytes, len));
}

static kith_err bundle_take(struct account_claim *op, struct directory_tx *tx, struct account_bundle *bundle)
{
    struct device_keys_record keys;
    struct first kem, opk;
    kith_err err = keys_get(tx, bundle, &keys);

    if (err == KITH_OK) err = prekey_take(tx, bundle, PREKEY_KEM_OT, op->call.now_ms, &keys, &kem);
    if (err != KITH_OK) return err;
    bundle->is_last_resort = kem.count == 0;
    if (bundle->is_last_resort && keys.kem_lr.len == 0) return KITH_E_NOTFOUND;
    err = prekey_take(tx, bundle, PREKEY_OPK, op->call.now_ms, &keys, &opk);
    if (err == KITH_OK && (kem.count > 0 || opk.count > 0)) err = directory_put(tx, &table_device_keys, &keys);
    if (err == KITH_OK) err = bytes_add(op, keys.spk.bytes, keys.spk.len, &bundle->spk);
    if (err == KITH_OK && bundle->is_last_resort)
        err = bytes_add(op, keys.kem_lr.bytes, keys.kem_lr.len, &bundle->kem);
    else if (err == KITH_OK)
        err = bytes_add(op, kem.prekey.prekey.bytes, kem.prekey.prekey.len, &bundle->kem);
    if (err == KITH_OK && opk.count > 0)
        err = bytes_add(op, opk.prekey.prekey.bytes, opk.prekey.prekey.len, &bundle->opk);
    bundle->found = err == KITH_OK;
    return err;
}

static kith_err take_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_claim *op = op_of(call);
    kith_err err = KITH_OK;

    for (size_t i = 0; i < op->count && err == KITH_OK; i++) {
        if (!op->bundles[i].known) continue;
        err = bundle_take(op, tx, &op->bundles[i]);
        if (err == KITH_E_NOTFOUND) err = KITH_OK;
    }
    call->code = CODE_OK;
    return err;
}

static void taken(struct account_call *call)
{
    struct account_claim *op = op_of(call);
    const uint8_t *at = kith_buf_peek(&op->bytes).ptr;

    for (size_t i = 0; i < op->count; i++) {
        struct account_bundle *bundle = &op->bundles[i];
        struct kith_slice *parts[] = {&bundle->spk, &bundle->kem, &bundle->opk};
        if (!bundle->found) continue;
        for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
            parts[part]->ptr = at;
            at += parts[part]->len;
        }
        account_count(&call->accounts->counters.bundles);
        if (bundle->is_last_resort) account_count(&call->accounts->counters.bundles_last_resort);
    }
    account_conclude(call);
}

/* ------------------------------------------------------------------------------------------------ contacts */

static void contacts_next(struct account_claim *op);

static void member_get(struct account_claim *op, bool encrypted);

static void member_got(struct msgstore_get *get)
{
    struct account_claim *op = (struct account_claim *)((char *)get - offsetof(struct account_claim, get));
    struct account_bundle *bundle = &op->bundles[op->at];
    struct row_member member = {0};

    if (get->err == KITH_OK && row_member_decode(kith_buf_peek(&get->value), &member) != KITH_OK)
        get->err = KITH_E_DAMAGED;
    if (get->err != KITH_OK && get->err != KITH_E_NOTFOUND) {
        op->call.retry_after_s = 1;
        account_finish(&op->call, CODE_UNAVAILABLE);
        return;
    }
    /* Whom they block, they have accepted no longer. */
    bundle->is_contact = (member.flags & MEMBER_ACCEPTED) != 0 && (member.flags & MEMBER_BLOCKS) == 0;
    if (!bundle->is_contact && op->encrypted) {
        member_get(op, false);
        return;
    }
    op->at++;
    contacts_next(op);
}

/* How the owner of the device at hand stands in the direct chat with the asking person. */
static void member_get(struct account_claim *op, bool encrypted)
{
    const struct accounts *accounts = op->call.accounts;
    struct user_id other = op->bundles[op->at].device.user;

    op->encrypted = encrypted;
    op->key = row_key_member(accounts_direct_chat(accounts, op->who.user, other, encrypted), other);
    kith_buf_reset(&op->get.value);
    op->get.loop = op->call.loop;
    op->get.key = row_key_slice(&op->key);
    op->get.done = member_got;
    msgstore_get(accounts->config.store, &op->get);
}

static const struct account_bundle *earlier_of_same(const struct account_claim *op)
{
    for (size_t i = 0; i < op->at; i++)
        if (op->bundles[i].known && kith_uuid_eq(op->bundles[i].device.user.id, op->bundles[op->at].device.user.id))
            return &op->bundles[i];
    return NULL;
}

static void contacts_next(struct account_claim *op)
{
    for (; op->at < op->count; op->at++) {
        struct account_bundle *bundle = &op->bundles[op->at];
        const struct account_bundle *earlier = earlier_of_same(op);
        if (!bundle->known) continue;
        if (!is_own(op, bundle) && earlier == NULL) {
            member_get(op, true);
            return;
        }
        bundle->is_contact = earlier == NULL || earlier->is_contact;
    }
    account_tx(&op->call, false, take_run, taken);
}

/* ------------------------------------------------------------------------------------------------ limits */

static void limit_key(const struct account_claim *op, const struct account_bundle *bundle,
                      uint8_t key[static LIMITER_KEY_BYTES])
{
    uint8_t pair[32];

    memcpy(pair, op->who.user.id.raw, 16);
    memcpy(pair + 16, bundle->device.device.id.raw, 16);
    limiter_key(&op->call.accounts->claims, kith_slice_of(pair, sizeof pair), key);
}

static void limits_give_back(struct account_claim *op)
{
    uint8_t key[LIMITER_KEY_BYTES];

    for (size_t i = 0; i < op->count; i++) {
        if (!op->bundles[i].is_taken) continue;
        op->bundles[i].is_taken = false;
        limit_key(op, &op->bundles[i], key);
        account_limit_give(op->call.accounts, &op->call.accounts->claims, key);
    }
}

/* One of each, or none at all. */
static bool limits_take(struct account_claim *op)
{
    uint32_t wait_s = 0;
    uint8_t key[LIMITER_KEY_BYTES];

    for (size_t i = 0; i < op->count; i++) {
        struct account_bundle *bundle = &op->bundles[i];
        if (!bundle->known) continue;
        limit_key(op, bundle, key);
        bundle->is_taken = account_limit(&op->call, &op->call.accounts->claims, key);
        if (!bundle->is_taken && op->call.retry_after_s > wait_s) wait_s = op->call.retry_after_s;
    }
    op->call.retry_after_s = wait_s;
    return wait_s == 0;
}

/* ------------------------------------------------------------------------------------------------ the operation */

static kith_err look_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_claim *op = op_of(call);
    kith_err err = KITH_OK;

    for (size_t i = 0; i < op->count && err == KITH_OK; i++) {
        struct device_keys_record keys;
        err = keys_get(tx, &op->bundles[i], &keys);
        op->bundles[i].known = err == KITH_OK;
        if (err == KITH_E_NOTFOUND) err = KITH_OK;
    }
    return err;
}

static void looked(struct account_call *call)
{
    struct account_claim *op = op_of(call);
    bool any = false;

    for (size_t i = 0; i < op->count; i++) any |= op->bundles[i].known;
    if (!any) {
        account_finish(call, CODE_OK);
    } else if (limits_take(op)) {
        op->at = 0;
        contacts_next(op);
    } else {
        account_count(&call->accounts->counters.claims_refused);
        account_finish(call, CODE_TOO_MANY);
    }
}

static void claim_end(struct account_call *call)
{
    if (call->code != CODE_OK) limits_give_back(op_of(call));
}

/* False: op->refused is the asking device itself, or one that was named before. */
static bool devices_are_fine(struct account_claim *op)
{
    for (size_t i = 0; i < op->count; i++) {
        struct kith_uuid device = op->bundles[i].device.device.id;
        bool is_fine = !kith_uuid_eq(device, op->who.device.id);
        for (size_t before = 0; before < i; before++)
            is_fine &= !kith_uuid_eq(device, op->bundles[before].device.device.id);
        op->refused = i;
        if (!is_fine) return false;
    }
    return true;
}

void account_claim(struct accounts *accounts, struct account_claim *op)
{
    assert(op->count >= 1 && op->count <= ACCOUNT_CLAIM_DEVICES_MAX);
    kith_buf_init(&op->bytes, ACCOUNT_CLAIM_DEVICES_MAX * BUNDLE_BYTES_MAX);
    kith_buf_init(&op->get.value, MEMBER_BYTES_MAX);
    if (!account_begin(accounts, &op->call, claim_end)) return;
    if (!devices_are_fine(op)) {
        account_refuse(&op->call, CODE_BAD_REQUEST);
        return;
    }
    account_tx(&op->call, true, look_run, looked);
}

void account_claim_free(struct account_claim *op)
{
    kith_buf_deinit(&op->bytes);
    kith_buf_deinit(&op->get.value);
}
