#include "account/account_impl.h"

bool revocation_prepare(struct account_call *call)
{
    struct accounts *accounts = call->accounts;
    size_t bytes = sizeof(struct revocation) + accounts->watcher_count * sizeof(struct revocation_notice);
    struct revocation *revocation = (struct revocation *)account_parcel_new(accounts, bytes);

    if (revocation == NULL) return false;
    revocation->call = call;
    call->revocation = revocation;
    return true;
}

kith_err revocation_add(struct account_call *call, struct directory_tx *tx, struct user_id user,
                        struct device_id device)
{
    struct revocation *revocation = call->revocation;
    struct session_record session = {.device_id = device.id};
    kith_err err = directory_del(tx, &table_sessions, &session);

    if (err == KITH_E_NOTFOUND) return KITH_OK;
    if (err != KITH_OK) return err;
    assert(revocation->count < sizeof revocation->devices / sizeof revocation->devices[0]);
    revocation->user = user;
    revocation->devices[revocation->count++] = device;
    atomic_fetch_add_explicit(&call->accounts->revocations, 1, memory_order_seq_cst);
    return KITH_OK;
}

struct sessions_found {
    struct device_id devices[KITH_DEVICES_PER_USER_MAX];
    size_t count;
    struct device_id except;
};

static bool session_found(void *arg, const void *record)
{
    struct sessions_found *found = arg;
    const struct session_record *session = record;

    if (kith_uuid_eq(session->device_id, found->except.id)) return true;
    if (found->count == KITH_DEVICES_PER_USER_MAX) return false;
    found->devices[found->count++].id = session->device_id;
    return true;
}

kith_err revocation_add_all(struct account_call *call, struct directory_tx *tx, struct user_id user,
                            struct device_id except)
{
    struct session_record key = {.user_id = user.id};
    struct sessions_found found = {.except = except};
    kith_err err = directory_scan(tx, &table_sessions, SESSIONS_BY_USER, 1, &key, false, session_found, &found);

    for (size_t i = 0; i < found.count && err == KITH_OK; i++) err = revocation_add(call, tx, user, found.devices[i]);
    return err;
}

void revocation_receipts(struct account_call *call, struct user_id user, bool on)
{
    call->revocation->user = user;
    call->revocation->has_receipts = true;
    call->revocation->receipts_on = on;
}

static void told_all(struct loop_task *task)
{
    struct revocation *revocation = (struct revocation *)((char *)task - offsetof(struct revocation, back));
    struct account_call *call = revocation->call;

    call->revocation = NULL;
    account_parcel_free(&revocation->parcel);
    call->next(call);
}

static void notice_run(struct loop_task *task)
{
    struct revocation_notice *notice = (struct revocation_notice *)task;
    struct revocation *revocation = notice->revocation;
    struct account_watcher *watcher = notice->watcher;

    for (size_t i = 0; i < revocation->count; i++) watcher->revoked(watcher, revocation->user, revocation->devices[i]);
    if (revocation->has_receipts) watcher->receipts(watcher, revocation->user, revocation->receipts_on);
    if (atomic_fetch_sub_explicit(&revocation->left, 1, memory_order_acq_rel) > 1) return;
    revocation->back.run = told_all;
    loop_post(revocation->call->loop, &revocation->back);
}

void revocation_tell(struct account_call *call, account_next next)
{
    struct accounts *accounts = call->accounts;
    struct revocation *revocation = call->revocation;
    size_t at = 0;
    bool is_empty = revocation == NULL || (revocation->count == 0 && !revocation->has_receipts);

    if (is_empty || accounts->watcher_count == 0) {
        next(call);
        return;
    }
    atomic_fetch_add_explicit(&accounts->counters.revocations, revocation->count, memory_order_relaxed);
    call->next = next;
    atomic_init(&revocation->left, accounts->watcher_count);
    for (struct account_watcher *watcher = accounts->watchers; watcher != NULL; watcher = watcher->next) {
        struct revocation_notice *notice = &revocation->notices[at++];
        *notice = (struct revocation_notice){.task.run = notice_run, .revocation = revocation, .watcher = watcher};
    }
    /* From the first post on the revocation may be gone after the last one: the list is walked before it. */
    for (size_t i = 0; i < at; i++) {
        struct revocation_notice *notice = &revocation->notices[i];
        loop_post(notice->watcher->loop, &notice->task);
    }
}
