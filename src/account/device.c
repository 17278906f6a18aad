#include <stdlib.h>

#include "account/account_impl.h"

/* ------------------------------------------------------------------------------------------------ list */

static bool device_listed(void *arg, const void *record)
{
    struct account_devices *op = arg;
    const struct device_record *from = record;
    struct account_device *to = &op->devices[op->count];

    if (op->count == KITH_DEVICES_PER_USER_MAX) return false;
    *to = (struct account_device){
        .device = {from->device_id}, .created_ms = from->created_ms, .seen_ms = from->seen_ms};
    account_text_copy(to->name, sizeof to->name, from->name);
    op->count++;
    return true;
}

static kith_err devices_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_devices *op = (struct account_devices *)call;
    struct device_record key = {.user_id = op->who.user.id};
    struct user_record user;
    kith_err err = account_user_get(tx, op->who.user, &user);

    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    op->count = 0;
    op->list_seq = user.list_seq;
    if (err == KITH_OK) err = directory_scan(tx, &table_devices, DEVICES_BY_USER, 1, &key, false, device_listed, op);
    for (size_t i = 0; i < op->count && err == KITH_OK; i++) {
        struct session_record session = {.device_id = op->devices[i].device.id};
        err = directory_get(tx, &table_sessions, SESSIONS_BY_DEVICE, &session);
        op->devices[i].signed_in = err == KITH_OK && session.refresh_expires_ms > call->now_ms;
        if (err == KITH_E_NOTFOUND) err = KITH_OK;
    }
    call->code = CODE_OK;
    return err;
}

void account_devices(struct accounts *accounts, struct account_devices *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    account_tx(&op->call, true, devices_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ remove */

static kith_err remove_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_device_remove *op = (struct account_device_remove *)call;
    struct device_record device = {.device_id = op->device.id};
    struct user_record user;
    kith_err err = directory_get(tx, &table_devices, DEVICES_BY_ID, &device);

    /* Another person's device and none at all are the same answer (I-A3). */
    if (err == KITH_E_NOTFOUND || (err == KITH_OK && !kith_uuid_eq(device.user_id, op->who.user.id)))
        return account_deny(call, CODE_NOT_FOUND);
    if (err == KITH_OK) err = account_user_get(tx, op->who.user, &user);
    if (err == KITH_E_NOTFOUND) return account_deny(call, CODE_UNAUTHORIZED);
    if (err == KITH_OK) err = revocation_add(call, tx, op->who.user, op->device);
    if (err == KITH_OK) err = account_family_forget(tx, op->device);
    if (err == KITH_OK) err = keys_forget(tx, op->device);
    if (err == KITH_OK) err = directory_del(tx, &table_devices, &device);
    if (err == KITH_OK) err = account_list_changed(call, tx, &user, (struct device_id){0});
    call->code = CODE_OK;
    return err;
}

void account_device_remove(struct accounts *accounts, struct account_device_remove *op)
{
    if (!account_begin(accounts, &op->call, NULL)) return;
    op->call.job = outbox_job_new(accounts->outbox);
    if (op->call.job == NULL || !revocation_prepare(&op->call)) {
        op->call.retry_after_s = 1;
        account_refuse(&op->call, CODE_UNAVAILABLE);
        return;
    }
    op->call.job->late = CODE_OK; /* it is signed out in any case */
    account_tx(&op->call, false, remove_run, account_conclude);
}

/* ------------------------------------------------------------------------------------------------ sets */

struct sets_walk {
    struct account_device_sets *op;
    kith_err err;
};

static bool set_device(void *arg, const void *record)
{
    struct sets_walk *walk = arg;
    struct account_device_sets *op = walk->op;
    const struct device_record *device = record;

    if (op->ref_count == op->ref_cap) {
        size_t cap = op->ref_cap == 0 ? 64 : op->ref_cap * 2;
        struct account_device_ref *grown = realloc(op->refs, cap * sizeof *grown);
        if (grown == NULL) {
            walk->err = KITH_E_NOMEM;
            return false;
        }
        op->refs = grown;
        op->ref_cap = cap;
    }
    op->refs[op->ref_count++] = (struct account_device_ref){{device->user_id}, {device->device_id}};
    return true;
}

static kith_err sets_run(struct account_call *call, struct directory_tx *tx)
{
    struct account_device_sets *op = (struct account_device_sets *)call;
    struct sets_walk walk = {.op = op};
    kith_err err = KITH_OK;

    op->ref_count = 0;
    for (size_t i = 0; i < op->count && err == KITH_OK; i++) {
        struct account_person *person = &op->people[i];
        struct device_record key = {.user_id = person->user.id};
        struct user_record user;
        err = account_user_get(tx, person->user, &user);
        person->known = err == KITH_OK;
        person->list_seq = err == KITH_OK ? user.list_seq : 0;
        if (err == KITH_E_NOTFOUND) err = KITH_OK;
        if (person->known) err = directory_scan(tx, &table_devices, DEVICES_BY_USER, 1, &key, false, set_device, &walk);
        if (err == KITH_OK) err = walk.err;
    }
    call->code = CODE_OK;
    return err;
}

void account_device_sets(struct accounts *accounts, struct account_device_sets *op)
{
    op->refs = NULL;
    op->ref_count = op->ref_cap = 0;
    if (!account_begin(accounts, &op->call, NULL)) return;
    account_tx(&op->call, true, sets_run, account_conclude);
}
