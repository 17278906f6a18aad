#include "adapters/log/log_mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/log/log_entries.h"

/* A list on its way to a follower, and back home to be freed. */
struct delivery {
    struct loop_task task;
    struct delivery *prev, *next; /* ring of all that are out; home's */
    struct log_mem *log;
    struct log_follower *follower;
    struct log_entries list;
    bool caught_up;
};

struct log_mem {
    struct log base;
    struct log_mem_store *store;
    struct loop *loop;
    struct log_follower *followers[KITH_SHARDS];
    uint64_t from[KITH_SHARDS];
    bool started, live, failed;
    struct log_entries batch; /* waits for its sync */
    struct loop_task sync;
    bool syncing;
    struct loop_task wake;
    struct delivery out; /* the ring's head */

    pthread_mutex_t lock; /* for what follows */
    struct log_entries intake;
    bool woken, closing, closed;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    uint64_t trim_position;
    struct log_status status;
};

static const struct log_ops mem_ops;

static struct log_mem *mem_of(struct log *log)
{
    assert(log->ops == &mem_ops);
    return (struct log_mem *)log;
}

/* The reference stands for all others; without memory it has nothing to show. */
static void *need(void *memory)
{
    assert(memory != NULL);
    return memory;
}

/* ---------------------------------------------------------------------------------------------- the store */

void log_mem_store_init(struct log_mem_store *store)
{
    *store = (struct log_mem_store){.position_first = 1};
}

static void store_drop_first(struct log_mem_store *store)
{
    free(store->records[0].body);
    store->count--;
    store->position_first++;
    memmove(store->records, store->records + 1, store->count * sizeof *store->records);
}

void log_mem_store_deinit(struct log_mem_store *store)
{
    while (store->count > 0) free(store->records[--store->count].body);
    free(store->records);
    log_mem_store_init(store);
}

static void store_add(struct log_mem_store *store, const struct log_entry *entry)
{
    struct log_mem_record *record;

    if (store->count == store->cap) {
        store->cap = store->cap == 0 ? 16 : store->cap * 2;
        store->records = need(realloc(store->records, store->cap * sizeof *store->records));
    }
    record = &store->records[store->count++];
    *record = (struct log_mem_record){.shard = entry->shard, .type = entry->type, .len = entry->len};
    record->body = need(malloc(entry->len + 1u));
    memcpy(record->body, entry->body, entry->len);
}

/* ---------------------------------------------------------------------------------------------- to the followers */

static void mem_pump(struct log_mem *log);

static void delivery_back(struct loop_task *task)
{
    struct delivery *delivery = (struct delivery *)task;
    struct log_mem *log = delivery->log;

    delivery->prev->next = delivery->next;
    delivery->next->prev = delivery->prev;
    free(delivery);
    mem_pump(log);
}

static void delivery_run(struct loop_task *task)
{
    struct delivery *delivery = (struct delivery *)task;
    struct log_entry *list = delivery->list.head;

    delivery->list = (struct log_entries){0};
    if (list != NULL) delivery->follower->deliver(delivery->follower, list);
    if (delivery->caught_up) delivery->follower->caught_up(delivery->follower);
    task->run = delivery_back;
    loop_post(delivery->log->loop, task);
}

static struct delivery *delivery_new(struct log_mem *log, struct log_follower *follower)
{
    struct delivery *delivery = need(calloc(1, sizeof *delivery));

    *delivery = (struct delivery){
        .task.run = delivery_run, .log = log, .follower = follower, .prev = log->out.prev, .next = &log->out};
    log->out.prev->next = delivery;
    log->out.prev = delivery;
    return delivery;
}

/* All of `list`, in one delivery to each follower concerned. */
static void hand_over(struct log_mem *log, struct log_entries *list)
{
    struct delivery *made[KITH_SHARDS] = {NULL};
    size_t count = 0;
    struct log_entry *entry;

    while ((entry = log_entries_pop(list)) != NULL) {
        struct log_follower *follower = log->followers[entry->shard];
        size_t i = 0;
        while (i < count && made[i]->follower != follower) i++;
        if (i == count) made[count++] = delivery_new(log, follower);
        log_entries_push(&made[i]->list, entry);
    }
    for (size_t i = 0; i < count; i++) loop_post(made[i]->follower->loop, &made[i]->task);
}

static void refuse(struct log_mem *log, struct log_entries *list, kith_err err)
{
    for (struct log_entry *entry = list->head; entry != NULL; entry = entry->next) {
        entry->err = err;
        entry->position = 0;
    }
    pthread_mutex_lock(&log->lock);
    log->status.refused += list->count;
    pthread_mutex_unlock(&log->lock);
    hand_over(log, list);
}

/* ---------------------------------------------------------------------------------------------- home */

static void status_update(struct log_mem *log)
{
    const struct log_mem_store *store = log->store;
    const char *reason = log->failed ? "the last sync failed" : store->full ? "full" : log->live ? "" : "starting";

    pthread_mutex_lock(&log->lock);
    log->status.writable = reason[0] == '\0';
    (void)snprintf(log->status.reason, sizeof log->status.reason, "%s", reason);
    log->status.position_first = store->count == 0 ? 0 : store->position_first;
    log->status.position_durable = store->position_first + store->count - 1;
    pthread_mutex_unlock(&log->lock);
}

static void on_synced(struct loop_task *task)
{
    struct log_mem *log = (struct log_mem *)((char *)task - offsetof(struct log_mem, sync));
    struct log_mem_store *store = log->store;
    bool fails = store->sync_fails;

    log->syncing = false;
    store->sync_fails = false;
    for (struct log_entry *entry = log->batch.head; entry != NULL; entry = entry->next) {
        if (!fails || store->failed_is_kept) store_add(store, entry);
        entry->position = store->position_first + store->count - 1;
        entry->err = KITH_OK;
    }
    if (fails) {
        log->failed = true;
        refuse(log, &log->batch, KITH_E_IO);
    } else {
        pthread_mutex_lock(&log->lock);
        log->status.appended += log->batch.count;
        log->status.synced_batches++;
        pthread_mutex_unlock(&log->lock);
        hand_over(log, &log->batch);
    }
    mem_pump(log);
}

static void replay(struct log_mem *log)
{
    struct log_mem_store *store = log->store;
    struct log_entries list = {0};

    for (size_t i = 0; i < store->count; i++) {
        const struct log_mem_record *record = &store->records[i];
        struct log_entry *entry;
        if (log->followers[record->shard] == NULL || store->position_first + i < log->from[record->shard]) continue;
        entry = need(log_entry_new(record->shard, record->type, record->len));
        entry->position = store->position_first + i;
        entry->replayed = true;
        memcpy(entry->body, record->body, record->len);
        log_entries_push(&list, entry);
    }
    hand_over(log, &list);
    for (unsigned shard = 0; shard < KITH_SHARDS; shard++) {
        struct delivery *delivery;
        unsigned before = 0;
        if (log->followers[shard] == NULL) continue;
        while (log->followers[before] != log->followers[shard]) before++;
        if (before < shard) continue;
        delivery = delivery_new(log, log->followers[shard]);
        delivery->caught_up = true;
        loop_post(delivery->follower->loop, &delivery->task);
    }
    log->live = true;
}

static void mem_pump(struct log_mem *log)
{
    struct log_mem_store *store = log->store;
    struct log_entries pending = {0};
    uint64_t trim_position;
    bool closing, woken;

    if (log->started && !log->live) replay(log);
    pthread_mutex_lock(&log->lock);
    trim_position = log->trim_position;
    pthread_mutex_unlock(&log->lock);
    while (store->forget_at_once && store->count > 0 && store->position_first <= trim_position) store_drop_first(store);
    status_update(log);
    if (log->syncing) return;
    pthread_mutex_lock(&log->lock);
    log_entries_splice(&pending, &log->intake);
    closing = log->closing;
    woken = log->woken;
    pthread_mutex_unlock(&log->lock);
    if (closing || log->failed || store->full) {
        refuse(log, &pending, closing ? KITH_E_CLOSED : KITH_E_READ_ONLY);
    } else if (pending.head != NULL) {
        log->syncing = true;
        log_entries_splice(&log->batch, &pending);
        loop_defer(log->loop, &log->sync);
    }
    if (!closing || log->closed || woken || log->out.next != &log->out)
        return; /* else a task of ours would be left over */
    log->closed = true;
    log->on_closed(log->on_closed_arg); /* may free the log */
}

static void on_wake(struct loop_task *task)
{
    struct log_mem *log = (struct log_mem *)((char *)task - offsetof(struct log_mem, wake));

    pthread_mutex_lock(&log->lock);
    log->woken = false;
    pthread_mutex_unlock(&log->lock);
    mem_pump(log);
}

/* ---------------------------------------------------------------------------------------------- the port's operations */

/* With the lock held; gives it back. */
static void unlock_and_wake(struct log_mem *log)
{
    bool post = !log->woken;

    log->woken = true;
    pthread_mutex_unlock(&log->lock);
    if (post) loop_post(log->loop, &log->wake);
}

static void mem_follow(struct log *self, uint16_t shard, uint64_t from, struct log_follower *follower)
{
    struct log_mem *log = mem_of(self);

    assert(!log->started && log->followers[shard] == NULL);
    log->followers[shard] = follower;
    log->from[shard] = from;
}

static kith_err mem_start(struct log *self)
{
    struct log_mem *log = mem_of(self);
    const struct log_mem_store *store = log->store;

    assert(!log->started);
    for (unsigned shard = 0; shard < KITH_SHARDS; shard++) {
        if (log->followers[shard] == NULL) continue;
        if (log->from[shard] < store->position_first || log->from[shard] > store->position_first + store->count)
            return KITH_E_DAMAGED;
    }
    log->started = true;
    pthread_mutex_lock(&log->lock);
    unlock_and_wake(log);
    return KITH_OK;
}

static void mem_append(struct log *self, struct log_entry *entry)
{
    struct log_mem *log = mem_of(self);

    assert(log->started && log->followers[entry->shard] != NULL);
    pthread_mutex_lock(&log->lock);
    log_entries_push(&log->intake, entry);
    unlock_and_wake(log);
}

static void mem_trim(struct log *self, uint64_t position)
{
    struct log_mem *log = mem_of(self);

    pthread_mutex_lock(&log->lock);
    if (position > log->trim_position) log->trim_position = position;
    unlock_and_wake(log);
}

static void mem_status(struct log *self, struct log_status *out)
{
    struct log_mem *log = mem_of(self);

    pthread_mutex_lock(&log->lock);
    *out = log->status;
    pthread_mutex_unlock(&log->lock);
}

static void mem_close(struct log *self, void (*closed)(void *arg), void *arg)
{
    struct log_mem *log = mem_of(self);

    pthread_mutex_lock(&log->lock);
    log->closing = true;
    log->on_closed = closed;
    log->on_closed_arg = arg;
    unlock_and_wake(log);
}

static const struct log_ops mem_ops = {
    .name = "mem",
    .follow = mem_follow,
    .start = mem_start,
    .append = mem_append,
    .trim = mem_trim,
    .status = mem_status,
    .close = mem_close,
};

struct log *log_mem_open(struct log_mem_store *store, struct loop *loop)
{
    struct log_mem *log = calloc(1, sizeof *log);

    if (log == NULL) return NULL;
    *log = (struct log_mem){
        .base.ops = &mem_ops, .store = store, .loop = loop, .wake.run = on_wake, .sync.run = on_synced};
    log->out.prev = log->out.next = &log->out;
    pthread_mutex_init(&log->lock, NULL);
    status_update(log);
    return &log->base;
}

void log_mem_free(struct log *self)
{
    struct log_mem *log;

    if (self == NULL) return;
    log = mem_of(self);
    while (log->out.next != &log->out) {
        struct delivery *delivery = log->out.next;
        log->out.next = delivery->next;
        log_entries_free(&delivery->list);
        free(delivery);
    }
    log_entries_free(&log->intake);
    log_entries_free(&log->batch);
    pthread_mutex_destroy(&log->lock);
    free(log);
}
