#include <stdlib.h>

#include "shard/owner.h"

#define SCAN_ROWS      512
#define SCAN_BYTES_MAX (256 * 1024)

static void lru_remove(struct slot *slot)
{
    struct shard_owner *owner = slot->owner;

    if (slot->prev != NULL)
        slot->prev->next = slot->next;
    else
        owner->newest = slot->next;
    if (slot->next != NULL)
        slot->next->prev = slot->prev;
    else
        owner->oldest = slot->prev;
    slot->prev = slot->next = NULL;
}

static void lru_push(struct slot *slot)
{
    struct shard_owner *owner = slot->owner;

    slot->prev = NULL;
    slot->next = owner->newest;
    if (owner->newest != NULL)
        owner->newest->prev = slot;
    else
        owner->oldest = slot;
    owner->newest = slot;
}

struct slot *slot_find(struct shard_owner *owner, const struct cmd *cmd)
{
    struct slot_key key = {.stream = cmd->stream,
                           .is_mailbox = cmd->verb == CMD_MAIL_SEND || cmd->verb == CMD_MAIL_ACK};
    struct slot **place = NULL, *slot;
    kith_err err = kith_map_add(&owner->slots, &key, (void **)&place);

    if (err == KITH_E_CONFLICT) {
        owner->stats.cache_hits++;
        lru_remove(*place);
        lru_push(*place);
        return *place;
    }
    if (err != KITH_OK) return NULL;
    slot = calloc(1, sizeof *slot);
    if (slot != NULL) slot->key = key;
    if (slot == NULL || state_new(slot) != KITH_OK) {
        free(slot);
        kith_map_remove(&owner->slots, &key);
        return NULL;
    }
    slot->owner = owner;
    *place = slot;
    for (unsigned i = 0; i < CHAT_LOOKUPS; i++) kith_buf_init(&slot->looked_up[i], MSGSTORE_VALUE_BYTES_MAX);
    lru_push(slot);
    slot_recount(slot);
    return slot;
}

void slot_free(struct slot *slot)
{
    struct shard_owner *owner = slot->owner;

    lru_remove(slot);
    kith_map_remove(&owner->slots, &slot->key);
    owner->cache_bytes -= slot->bytes;
    for (unsigned i = 0; i < CHAT_LOOKUPS; i++) kith_buf_deinit(&slot->looked_up[i]);
    state_free(slot);
    free(slot->read);
    free(slot);
}

void slot_recount(struct slot *slot)
{
    size_t bytes = sizeof *slot + state_bytes(slot);

    slot->owner->cache_bytes += bytes - slot->bytes;
    slot->bytes = bytes;
}

void cache_trim(struct shard_owner *owner)
{
    struct slot *slot = owner->oldest;

    while (slot != NULL && owner->cache_bytes > owner->config.cache_bytes_max) {
        struct slot *newer = slot->prev;
        /* Only what the store shows whole may be forgotten: it will be read back from there. */
        if (slot->state == SLOT_IDLE && slot->first == NULL && slot->batch <= owner->batch_committed) slot_free(slot);
        slot = newer;
    }
}

void slot_add(struct slot *slot, struct work *work)
{
    work->slot = slot;
    if (slot->last != NULL)
        slot->last->next_in_slot = work;
    else
        slot->first = work;
    slot->last = work;
    if (slot->state == SLOT_IDLE) owner_ready(slot->owner, slot);
}

/* Loading: the head, then the rows of each kind; each scan in pages. */
static void load_rows(struct slot *slot);

static void load_end(struct slot *slot)
{
    free(slot->read);
    slot->read = NULL;
    state_load_done(slot);
    slot->loaded = true;
    slot->state = SLOT_IDLE;
    slot_recount(slot);
    owner_ready(slot->owner, slot);
}

static void head_done(struct msgstore_get *get)
{
    struct slot_read *read = (struct slot_read *)get;
    struct slot *slot = read->slot;
    kith_err err = get->err;

    if (err == KITH_OK) err = state_load_head(slot, kith_buf_peek(&get->value));
    kith_buf_deinit(&get->value);
    if (err == KITH_E_NOTFOUND) {
        load_end(slot);
        return;
    }
    if (err != KITH_OK) {
        owner_fatal(slot->owner, "the head of a chat or mailbox cannot be read from the store");
        return;
    }
    load_rows(slot);
}

static kith_err take_rows(struct slot *slot, struct kith_slice *last_key)
{
    struct slot_read *read = slot->read;
    struct kith_slice rows = kith_buf_peek(&read->op.scan.rows), key = {0}, value = {0};
    bool is_put = false;
    kith_err err;

    while ((err = msgstore_batch_next(&rows, &is_put, &key, &value)) == KITH_OK) {
        err = state_load_row(slot, read->step, key, value);
        if (err != KITH_OK) return err;
        *last_key = key;
    }
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

static void rows_done(struct msgstore_scan *scan)
{
    struct slot_read *read = (struct slot_read *)scan;
    struct slot *slot = read->slot;
    struct kith_slice last_key = {0};
    bool more = scan->more;
    kith_err err = scan->err;

    if (err == KITH_OK) err = take_rows(slot, &last_key);
    if (err == KITH_OK && more) { /* the next page starts at the smallest key after the last one */
        memcpy(read->from.bytes, last_key.ptr, last_key.len);
        read->from.bytes[last_key.len] = 0;
        read->from.len = last_key.len + 1;
    }
    kith_buf_deinit(&scan->rows);
    if (err != KITH_OK) {
        owner_fatal(slot->owner, "the rows of a chat or mailbox cannot be read from the store");
        return;
    }
    if (!more) {
        read->step++;
        read->from.len = 0;
    }
    load_rows(slot);
}

/* The next page, of this kind of rows or of the next. */
static void load_rows(struct slot *slot)
{
    struct slot_read *read = slot->read;

    if (!state_rows_prefix(slot, read->step, &read->prefix)) {
        load_end(slot);
        return;
    }
    if (read->from.len == 0) read->from = read->prefix;
    read->op.scan = (struct msgstore_scan){.loop = slot->owner->config.loop,
                                           .from = row_key_slice(&read->from),
                                           .prefix = row_key_prefix(&read->prefix, ROW_PREFIX_STREAM),
                                           .rows_max = SCAN_ROWS,
                                           .done = rows_done};
    kith_buf_init(&read->op.scan.rows, SCAN_BYTES_MAX);
    msgstore_scan(slot->owner->config.store, &read->op.scan);
}

static void load_head(struct slot *slot)
{
    struct slot_read *read = slot->read;

    read->prefix = state_head_key(slot);
    read->op.get = (struct msgstore_get){
        .loop = slot->owner->config.loop, .key = row_key_slice(&read->prefix), .done = head_done};
    kith_buf_init(&read->op.get.value, MSGSTORE_VALUE_BYTES_MAX);
    msgstore_get(slot->owner->config.store, &read->op.get);
}

void slot_load(struct slot *slot)
{
    slot->read = calloc(1, sizeof *slot->read);
    if (slot->read == NULL) {
        owner_fatal(slot->owner, "no memory to load a chat");
        return;
    }
    slot->owner->stats.cache_loads++;
    slot->read->slot = slot;
    slot->state = SLOT_LOADING;
    load_head(slot);
}

/* Lookups of one command: gets, one after the other. `step` is the number of the one under way. */
static void look_next(struct slot *slot);

static void look_done(struct msgstore_get *get)
{
    struct slot_read *read = (struct slot_read *)get;
    struct slot *slot = read->slot;
    struct chat_lookup *lookup = &slot->lookups[read->step];

    slot->looked_up[read->step] =
        get->value; /* moved: the lookup's value points into it until the command is applied */
    if (get->err == KITH_OK) {
        lookup->found = true;
        lookup->value = kith_buf_peek(&slot->looked_up[read->step]);
    } else if (get->err != KITH_E_NOTFOUND) {
        owner_fatal(slot->owner, "a row cannot be read from the store");
        return;
    }
    read->step++;
    look_next(slot);
}

static void look_next(struct slot *slot)
{
    struct slot_read *read = slot->read;

    while (read->step < CHAT_LOOKUPS && slot->lookups[read->step].key.len == 0) read->step++;
    if (read->step == CHAT_LOOKUPS) {
        free(read);
        slot->read = NULL;
        slot->looked = true;
        slot->state = SLOT_IDLE;
        owner_ready(slot->owner, slot);
        return;
    }
    read->op.get = (struct msgstore_get){.loop = slot->owner->config.loop,
                                         .key = row_key_slice(&slot->lookups[read->step].key),
                                         .value = slot->looked_up[read->step],
                                         .done = look_done};
    msgstore_get(slot->owner->config.store, &read->op.get);
}

bool slot_look_up(struct slot *slot)
{
    struct shard_owner *owner = slot->owner;
    bool needed = false;

    if (slot->looked) return true;
    state_lookups(slot, &slot->first->cmd);
    for (unsigned i = 0; i < CHAT_LOOKUPS; i++) needed |= slot->lookups[i].key.len > 0;
    if (!needed) return true;
    /* The row may be in a batch that reads cannot see yet: look when it is committed. */
    if (slot->batch > owner->batch_committed) {
        slot->state = SLOT_PARKED;
        slot->next_run = owner->parked;
        owner->parked = slot;
        return false;
    }
    slot->read = calloc(1, sizeof *slot->read);
    if (slot->read == NULL) {
        owner_fatal(owner, "no memory to read a row");
        return false;
    }
    slot->read->slot = slot;
    slot->state = SLOT_LOOKING;
    look_next(slot);
    return false;
}
