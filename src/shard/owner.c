#include "shard/owner.h"

#include <stdlib.h>

#include "base/mutant.h"

#define CHATS_CACHED_MAX (1u << 24)

void owner_fatal(struct shard_owner *owner, const char *why)
{
    if (owner->failed) return;
    owner->failed = true;
    owner->config.fatal(owner->config.arg, why);
}

void owner_run_soon(struct shard_owner *owner)
{
    if (owner->run_deferred) return;
    owner->run_deferred = true;
    loop_defer(owner->config.loop, &owner->run);
}

void owner_ready(struct shard_owner *owner, struct slot *slot)
{
    if (slot->first == NULL) return;
    slot->state = SLOT_READY;
    slot->next_run = NULL;
    if (owner->run_last != NULL)
        owner->run_last->next_run = slot;
    else
        owner->run_first = slot;
    owner->run_last = slot;
    owner_run_soon(owner);
}

static void work_free(struct work *work)
{
    log_entry_free(work->entry);
    free(work);
}

/* The shard's position moves over every applied command at its front. */
static void shard_advance(struct shard_owner *owner, uint16_t shard)
{
    struct shard_queue *queue = &owner->shards[shard];

    while (queue->first != NULL && queue->first->applied) {
        struct work *work = queue->first;
        queue->position = work->entry->position;
        queue->first = work->next_in_shard;
        if (queue->first == NULL) queue->last = NULL;
        if (work->entry->type == LOG_CONTROL) owner_rules_store(owner, work->entry);
        work_free(work);
    }
}

void owner_work_done(struct shard_owner *owner, struct work *work)
{
    struct slot *slot = work->slot;

    if (slot != NULL) {
        slot->first = work->next_in_slot;
        if (slot->first == NULL) slot->last = NULL;
        slot->looked = false;
        for (unsigned i = 0; i < CHAT_LOOKUPS; i++) kith_buf_deinit(&slot->looked_up[i]);
    }
    work->applied = true;
    owner->stats.applied++;
    owner->stats.waiting--;
    shard_advance(owner, work->entry->shard);
}

static void work_apply(struct shard_owner *owner, struct work *work)
{
    struct slot *slot = work->slot;
    struct msgstore_batch *batch = &owner->batches[owner_gathering(owner)];
    struct chat_effects fx = {.rows = &batch->bytes};

    if (!slot->looked) memset(slot->lookups, 0, sizeof slot->lookups);
    state_apply(slot, work, &fx);
    if (fx.err == KITH_OK) fx.err = emit_effects(owner, work, &fx);
    if (fx.err != KITH_OK) {
        owner_fatal(owner, fx.err == KITH_E_DAMAGED ? "a row of the store is damaged" : "no memory to apply a command");
        return;
    }
    batch->rows += fx.row_count;
    if (fx.row_count > 0) slot->batch = owner->batch_gathering;
    owner_work_done(owner, work);
}

static void slot_run(struct shard_owner *owner, struct slot *slot)
{
    const struct msgstore_batch *batch = &owner->batches[owner_gathering(owner)];

    slot->state = SLOT_IDLE;
    while (slot->first != NULL && !owner->failed) {
        if (kith_buf_len(&batch->bytes) > OWNER_BATCH_BYTES_PAUSE) {
            slot->state = SLOT_PARKED;
            slot->next_run = owner->parked;
            owner->parked = slot;
            return;
        }
        if (!slot->loaded) {
            slot_load(slot);
            return;
        }
        if (!slot_look_up(slot)) return;
        work_apply(owner, slot->first);
    }
    slot_recount(slot);
}

/* Which shards' positions this commit moves. */
static size_t positions_gather(struct shard_owner *owner)
{
    size_t count = 0;

    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) {
        struct shard_queue *queue = &owner->shards[shard];
        uint64_t position = queue->position;
        if (kith_mutant(POSITION_BEFORE_ROWS) && queue->last != NULL) position = queue->last->entry->position;
        if (!owner->owned[shard] || position <= queue->position_stored) continue;
        owner->positions[count++] = (struct msgstore_position){.shard = shard, .position = position};
    }
    return count;
}

static struct msgstore_position position_unmoved(const struct shard_owner *owner)
{
    uint16_t shard = 0;

    while (!owner->owned[shard]) shard++;
    return (struct msgstore_position){.shard = shard, .position = owner->shards[shard].position_stored};
}

static void commit_start(struct shard_owner *owner);

static void parked_wake(struct shard_owner *owner)
{
    struct slot *slot = owner->parked;

    owner->parked = NULL;
    while (slot != NULL) {
        struct slot *next = slot->next_run;
        slot->state = SLOT_IDLE;
        owner_ready(owner, slot);
        slot = next;
    }
}

static void commit_done(struct msgstore_commit *op)
{
    struct shard_owner *owner = (struct shard_owner *)((char *)op - offsetof(struct shard_owner, commit));
    unsigned batch = (unsigned)((owner->batch_committed + 1) & 1);

    if (owner->failed) return;
    if (op->err != KITH_OK) {
        /* Memory runs ahead and nobody was told: the same rows are tried again until the store takes them. */
        loop_timer_start(owner->config.loop, &owner->retry, OWNER_COMMIT_RETRY_MS);
        return;
    }
    owner->committing = false;
    owner->batch_committed++;
    owner->stats.commits++;
    for (size_t i = 0; i < op->position_count; i++)
        owner->shards[op->positions[i].shard].position_stored = op->positions[i].position;
    msgstore_batch_reset(&owner->batches[batch]);
    emit_send(owner, batch);
    parked_wake(owner);
    cache_trim(owner);
    commit_start(owner);
}

static void commit_retry(struct loop_timer *timer)
{
    struct shard_owner *owner = (struct shard_owner *)((char *)timer - offsetof(struct shard_owner, retry));

    if (!owner->failed) msgstore_commit(owner->config.store, &owner->commit);
}

static void commit_start(struct shard_owner *owner)
{
    unsigned batch = owner_gathering(owner);
    size_t count;

    if (owner->committing || owner->failed) return;
    if (owner->batches[batch].rows == 0 &&
        !owner->advanced) { /* refusals and repeats: nothing to store, so nothing to wait for */
        emit_send(owner, batch);
        return;
    }
    count = positions_gather(owner);
    /* Rows of commands behind an older one that still waits: a commit names a position all the same, an unmoved one. */
    if (count == 0) owner->positions[count++] = position_unmoved(owner);
    owner->advanced = false;
    owner->committing = true;
    owner->batch_gathering++;
    owner->commit = (struct msgstore_commit){.loop = owner->config.loop,
                                             .batch = &owner->batches[batch],
                                             .positions = owner->positions,
                                             .position_count = count,
                                             .done = commit_done};
    msgstore_commit(owner->config.store, &owner->commit);
}

void shard_owner_advance(struct shard_owner *owner, uint64_t position)
{
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) {
        struct shard_queue *queue = &owner->shards[shard];
        if (!owner->owned[shard] || queue->first != NULL || queue->position >= position) continue;
        queue->position = position;
        owner->advanced = true;
    }
    commit_start(owner);
}

static void owner_run(struct loop_task *task)
{
    struct shard_owner *owner = (struct shard_owner *)((char *)task - offsetof(struct shard_owner, run));

    owner->run_deferred = false;
    while (owner->run_first != NULL && !owner->failed) {
        struct slot *slot = owner->run_first;
        owner->run_first = slot->next_run;
        if (owner->run_first == NULL) owner->run_last = NULL;
        slot_run(owner, slot);
    }
    commit_start(owner);
}

static void take_entry(struct shard_owner *owner, struct log_entry *entry)
{
    struct shard_queue *queue = &owner->shards[entry->shard];
    struct work *work;
    struct slot *slot = NULL;

    if (entry->err != KITH_OK) {
        emit_refused(owner, entry);
        log_entry_free(entry);
        return;
    }
    work = calloc(1, sizeof *work);
    if (work == NULL) {
        log_entry_free(entry);
        owner_fatal(owner, "no memory for a command");
        return;
    }
    work->entry = entry;
    if (queue->last != NULL)
        queue->last->next_in_shard = work;
    else
        queue->first = work;
    queue->last = work;
    owner->stats.waiting++;
    if (entry->type == LOG_COMMAND) {
        if (cmd_decode(kith_slice_of(entry->body, entry->len), &work->cmd) != KITH_OK) {
            owner_fatal(owner, "the log holds a command that this build does not know");
            return;
        }
        slot = slot_find(owner, &work->cmd);
        if (slot == NULL) {
            owner_fatal(owner, "no memory for a chat");
            return;
        }
        work->rules = queue->rules;
        slot_add(slot, work);
        return;
    }
    if (entry->type == LOG_CONTROL) owner_rules_take(owner, entry);
    if (!owner->failed) owner_work_done(owner, work);
}

void owner_take(struct shard_owner *owner, struct log_entry *list)
{
    while (list != NULL) {
        struct log_entry *next = list->next;
        list->next = NULL;
        if (owner->failed)
            log_entry_free(list);
        else
            take_entry(owner, list);
        list = next;
    }
}

static struct shard_owner *owner_of(struct log_follower *follower)
{
    return (struct shard_owner *)((char *)follower - offsetof(struct shard_owner, follower));
}

static void follower_deliver(struct log_follower *follower, struct log_entry *list)
{
    struct shard_owner *owner = owner_of(follower);

    if (owner->rules_left == 0) {
        owner_take(owner, list);
        return;
    }
    *owner->held_last = list;
    while (*owner->held_last != NULL) owner->held_last = &(*owner->held_last)->next;
}

static void follower_caught_up(struct log_follower *follower)
{
    owner_rules_caught_up(owner_of(follower));
}

bool shard_owner_caught_up(const struct shard_owner *owner)
{
    return owner->caught_up && owner->rules_left == 0 && owner->stats.waiting == 0 && !owner->committing;
}

struct shard_owner *shard_owner_new(const struct shard_owner_config *config)
{
    struct shard_owner *owner = calloc(1, sizeof *owner);
    uint8_t seed[16];

    if (owner == NULL) return NULL;
    owner->config = *config;
    owner->held_last = &owner->held_first;
    owner->batch_gathering = 1;
    owner->run.run = owner_run;
    owner->retry.fire = commit_retry;
    owner->follower = (struct log_follower){
        .loop = config->loop, .deliver = follower_deliver, .caught_up = follower_caught_up};
    loop_random(config->loop, seed, sizeof seed);
    kith_map_init(&owner->slots, sizeof(struct slot_key), sizeof(struct slot *), CHATS_CACHED_MAX, seed);
    for (unsigned i = 0; i < 2; i++) {
        msgstore_batch_init(&owner->batches[i]);
        owner->news[i] = calloc(config->listener_count, sizeof *owner->news[i]);
        if (owner->news[i] == NULL && config->listener_count > 0) {
            shard_owner_free(owner);
            return NULL;
        }
    }
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) {
        owner->owned[shard] = config->shards[shard];
        owner->shards[shard].position = owner->shards[shard].position_stored = config->positions[shard];
        if (owner->owned[shard]) log_follow(config->log, shard, config->positions[shard] + 1, &owner->follower);
    }
    owner->config.shards = NULL; /* copied: the caller's may go */
    owner->config.positions = NULL;
    if (owner_rules_load(owner) == KITH_OK) return owner;
    shard_owner_free(owner);
    return NULL;
}

void shard_owner_free(struct shard_owner *owner)
{
    if (owner == NULL) return;
    loop_timer_stop(owner->config.loop, &owner->retry);
    shard_owner_crash(owner);
}

void shard_owner_crash(struct shard_owner *owner)
{
    if (owner == NULL) return;
    for (uint16_t shard = 0; shard < KITH_SHARDS; shard++) {
        for (struct work *work = owner->shards[shard].first, *next; work != NULL; work = next) {
            next = work->next_in_shard;
            work_free(work);
        }
    }
    for (struct log_entry *held = owner->held_first, *next; held != NULL; held = next) {
        next = held->next;
        log_entry_free(held);
    }
    owner_rules_free(owner);
    while (owner->oldest != NULL) slot_free(owner->oldest);
    kith_map_deinit(&owner->slots);
    for (unsigned i = 0; i < 2; i++) {
        msgstore_batch_deinit(&owner->batches[i]);
        for (size_t k = 0; owner->news[i] != NULL && k < owner->config.listener_count; k++)
            news_list_reset(&owner->news[i][k]);
        free(owner->news[i]);
    }
    free(owner);
}

void shard_owner_stats(const struct shard_owner *owner, struct shard_stats *out)
{
    *out = owner->stats;
    out->chats_cached = owner->slots.count;
    out->cache_bytes = owner->cache_bytes;
}
