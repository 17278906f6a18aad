#include "account/account_impl.h"

/*
 * Deleting an account: everything the directory knows of the person goes in one transaction; only a nameless row stays,
 * so that the id is never given again, and the lists of devices that the person signed, by which readers verify what those signed in
 * groups (docs/decisions/0014). The chats learn it through the outbox.
 */
enum { CHUNK = 64 };

struct chunk {
    size_t count;
    union {
        struct device_record device;
        struct invite_record invite;
        struct block_record block;
    } rows[CHUNK];
};

static bool chunk_device(void *arg, const void *record)
{
    struct chunk *chunk = arg;
    chunk->rows[chunk->count++].device = *(const struct device_record *)record;
    return chunk->count < CHUNK;
}

static bool chunk_invite(void *arg, const void *record)
{
    struct chunk *chunk = arg;
    chunk->rows[chunk->count++].invite = *(const struct invite_record *)record;
    return chunk->count < CHUNK;
}

static bool chunk_block(void *arg, const void *record)
{
    struct chunk *chunk = arg;
    chunk->rows[chunk->count++].block = *(const struct block_record *)record;
    return chunk->count < CHUNK;
}

/* Deletes all rows whose first column in `index` is the person's id. */
static kith_err delete_all(struct directory_tx *tx, const struct directory_table *table, unsigned index,
                           const void *key, bool (*each)(void *arg, const void *record))
{
    struct chunk chunk;
    kith_err err;

    do {
        chunk.count = 0;
        err = directory_scan(tx, table, index, 1, key, false, each, &chunk);
        for (size_t i = 0; i < chunk.count && err == KITH_OK; i++) err = directory_del(tx, table, &chunk.rows[i]);
    } while (err == KITH_OK && chunk.count == CHUNK);
    return err;
}

static kith_err devices_delete(struct directory_tx *tx, struct user_id user)
{
    struct device_record key = {.user_id = user.id};
    struct chunk chunk = {0};
    kith_err err = directory_scan(tx, &table_devices, DEVICES_BY_USER, 1, &key, false, chunk_device, &chunk);

    for (size_t i = 0; i < chunk.count && err == KITH_OK; i++)
        err = account_family_forget(tx, (struct device_id){chunk.rows[i].device.device_id});
    return err == KITH_OK ? delete_all(tx, &table_devices, DEVICES_BY_USER, &key, chunk_device) : err;
}

static kith_err delete_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_delete *op = (struct account_delete *)call;
    struct invite_record invites = {.created_by = op->who.user.id};
    struct block_record blocks = {.user_id = op->who.user.id};
    struct user_record user, gone;
    kith_err err = account_user_get(tx, op->who.user, &user);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    if (err != KITH_OK) return err;
    gone = (struct user_record){
        .user_id = user.user_id, .status = USER_DELETED, .list_seq = user.list_seq + 1, .created_ms = user.created_ms};
    kith_uuid_format(user.user_id, gone.name);
    err = directory_put(tx, &table_users, &gone);
    if (err == KITH_OK) err = revocation_add_all(call, tx, op->who.user, (struct device_id){0});
    if (err == KITH_OK) err = keys_forget_all(tx, op->who.user);
    if (err == KITH_OK) err = devices_delete(tx, op->who.user);
    if (err == KITH_OK) err = delete_all(tx, &table_invites, INVITES_BY_CREATOR, &invites, chunk_invite);
    if (err == KITH_OK) err = delete_all(tx, &table_blocks, BLOCKS_BY_PAIR, &blocks, chunk_block);
    if (err == KITH_OK)
        err = account_outbox_put(call, tx, OUTBOX_FACTS, user.user_id, (struct kith_uuid){0},
                                 OUTBOX_LIST_SEQ | OUTBOX_GONE);
    call->code = CODE_OK;
    return err;
}

void account_delete(struct accounts *accounts, struct account_delete *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    op->call.job = outbox_job_new(accounts->outbox);
    if (op->call.job == NULL || !revocation_prepare(&op->call)) {
        op->call.retry_after_s = 1;
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    op->call.job->late = CODE_OK; /* the account is gone; the chats follow when the log takes writes again */
    account_tx(&op->call, false, delete_run, account_conclude);
}
