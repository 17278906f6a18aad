#include "adapters/msgstore/msgstore_mem_image.h"

#include <stdlib.h>

#include "base/mutant.h"

#define POSITION_KEY_BYTES 3

static struct kith_slice position_key(uint8_t out[static POSITION_KEY_BYTES], uint16_t shard)
{
    out[0] = MSGSTORE_TABLE_POSITIONS;
    kith_put_u16_be(out + 1, shard);
    return kith_slice_of(out, POSITION_KEY_BYTES);
}

struct msgstore_mem_image *msgstore_mem_image_new(void)
{
    struct msgstore_mem_image *image = calloc(1, sizeof *image);

    if (image == NULL) return NULL;
    pthread_mutex_init(&image->lock, NULL);
    kith_ordered_init(&image->rows, 1);
    return image;
}

void msgstore_mem_image_free(struct msgstore_mem_image *image)
{
    if (image == NULL) return;
    assert(image->store == NULL);
    mem_image_persist(image, image->unpersisted);
    kith_ordered_deinit(&image->rows, free);
    pthread_mutex_destroy(&image->lock);
    free(image);
}

/* ------------------------------------------------------------------------------------------------ changing rows */

/** Sets (NULL: removes) the value of a key, and hands out the one it had. KITH_E_NOMEM changes nothing. */
static kith_err image_set(struct msgstore_mem_image *image, struct kith_slice key, struct mem_value *value,
                          struct mem_value **old)
{
    struct kith_ordered_node *node = NULL;
    kith_err err;

    *old = NULL;
    if (value == NULL) {
        node = kith_ordered_find(&image->rows, key);
        if (node == NULL) return KITH_OK;
        *old = kith_ordered_remove(&image->rows, node);
        image->bytes -= key.len;
    } else {
        err = kith_ordered_add(&image->rows, key, &node);
        if (err == KITH_E_NOMEM) return err;
        *old = node->value;
        node->value = value;
        image->bytes += value->len + (err == KITH_OK ? key.len : 0);
    }
    if (*old != NULL) image->bytes -= (*old)->len;
    return KITH_OK;
}

static kith_err entry_write(struct msgstore_mem_image *image, struct mem_entry *entry, bool is_put,
                            struct kith_slice key, struct kith_slice value)
{
    struct mem_undo *undo = malloc(sizeof *undo + key.len);
    struct mem_value *fresh = is_put ? malloc(sizeof *fresh + value.len) : NULL;

    if (undo == NULL || (is_put && fresh == NULL)) goto nomem;
    undo->key_len = key.len;
    memcpy(undo->key, key.ptr, key.len);
    if (fresh != NULL) {
        fresh->len = value.len;
        if (value.len > 0) memcpy(fresh->bytes, value.ptr, value.len);
    }
    if (image_set(image, key, fresh, &undo->old) != KITH_OK) goto nomem;
    undo->next = entry->undo;
    entry->undo = undo;
    return KITH_OK;
nomem:
    free(undo);
    free(fresh);
    return KITH_E_NOMEM;
}

static void entry_undo(struct msgstore_mem_image *image, struct mem_entry *entry)
{
    while (entry->undo != NULL) {
        struct mem_undo *undo = entry->undo;
        struct mem_value *gone = NULL;
        kith_err err = image_set(image, kith_slice_of(undo->key, undo->key_len), undo->old, &gone);

        assert(err == KITH_OK); /* memory that cannot be had in the middle of a simulated crash ends the simulation */
        entry->undo = undo->next;
        free(gone);
        free(undo);
    }
}

static void entry_free(struct mem_entry *entry)
{
    while (entry->undo != NULL) {
        struct mem_undo *undo = entry->undo;

        entry->undo = undo->next;
        free(undo->old);
        free(undo);
    }
    free(entry);
}

static struct mem_entry *entry_new(const struct msgstore_position *positions, size_t position_count)
{
    struct mem_entry *entry = calloc(1, sizeof *entry + position_count * sizeof *positions);

    if (entry == NULL) return NULL;
    entry->position_count = position_count;
    if (position_count > 0) memcpy(entry->positions, positions, position_count * sizeof *positions);
    return entry;
}

static void entry_push(struct msgstore_mem_image *image, struct mem_entry *entry)
{
    entry->older = image->newest;
    if (image->newest != NULL)
        image->newest->newer = entry;
    else
        image->oldest = entry;
    image->newest = entry;
    image->unpersisted++;
}

static kith_err entry_write_positions(struct msgstore_mem_image *image, struct mem_entry *entry)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < entry->position_count && err == KITH_OK; i++) {
        uint8_t key[POSITION_KEY_BYTES], value[16] = {0};

        assert(entry->positions[i].shard < KITH_SHARDS);
        kith_put_u64_be(value + 8, entry->positions[i].position);
        err = entry_write(image, entry, true, position_key(key, entry->positions[i].shard),
                          kith_slice_of(value, sizeof value));
    }
    return err;
}

kith_err mem_image_apply(struct msgstore_mem_image *image, struct kith_slice records,
                         const struct msgstore_position *positions, size_t position_count)
{
    struct mem_entry *entry = entry_new(positions, position_count);
    struct kith_slice key, value;
    kith_err err = KITH_E_NOMEM;
    uint64_t rows = 0;
    bool is_put;

    if (entry == NULL) goto fail;
    err = entry_write_positions(image, entry);
    if (err != KITH_OK) goto fail;
    if (kith_mutant(POSITION_BEFORE_ROWS)) { /* as if they were two commits: a crash may fall between them */
        entry_push(image, entry);
        entry = entry_new(NULL, 0);
        if (entry == NULL) goto fail;
    }
    while (msgstore_batch_next(&records, &is_put, &key, &value) == KITH_OK) {
        err = entry_write(image, entry, is_put, key, value);
        if (err != KITH_OK) goto fail;
        rows++;
    }
    entry_push(image, entry);
    if (image->unpersisted > MSGSTORE_MEM_JOURNAL_MAX) mem_image_persist(image, 1);
    image->commits++;
    image->rows_written += rows;
    return KITH_OK;
fail:
    if (entry != NULL) {
        entry_undo(image, entry);
        entry_free(entry);
    }
    return KITH_E_NOMEM;
}

void mem_image_persist(struct msgstore_mem_image *image, uint32_t count)
{
    for (; count > 0 && image->oldest != NULL; count--) {
        struct mem_entry *entry = image->oldest;

        image->oldest = entry->newer;
        if (image->oldest != NULL)
            image->oldest->older = NULL;
        else
            image->newest = NULL;
        for (size_t i = 0; i < entry->position_count; i++)
            image->positions_persisted[entry->positions[i].shard] = entry->positions[i].position;
        image->unpersisted--;
        entry_free(entry);
    }
}

void mem_image_undo(struct msgstore_mem_image *image, uint32_t count)
{
    for (; count > 0 && image->newest != NULL; count--) {
        struct mem_entry *entry = image->newest;

        image->newest = entry->older;
        if (image->newest != NULL)
            image->newest->newer = NULL;
        else
            image->oldest = NULL;
        image->unpersisted--;
        entry_undo(image, entry);
        entry_free(entry);
    }
}

uint32_t msgstore_mem_drop_expired(struct msgstore_mem_image *image, uint64_t now_ms)
{
    struct kith_ordered_node *node, *next;
    uint32_t dropped = 0;

    pthread_mutex_lock(&image->lock);
    for (node = kith_ordered_seek(&image->rows, kith_slice_of(NULL, 0)); node != NULL; node = next) {
        struct mem_value *value = node->value;
        uint64_t expires_ms = value->len < 8 ? 0 : kith_get_u64_be(value->bytes);

        next = kith_ordered_next(node);
        if (expires_ms == 0 || expires_ms >= now_ms) continue;
        image->bytes -= node->key_len + value->len;
        free(kith_ordered_remove(&image->rows, node));
        dropped++;
    }
    pthread_mutex_unlock(&image->lock);
    return dropped;
}

/* ------------------------------------------------------------------------------------------------ reading rows */

static struct kith_slice node_value(const struct kith_ordered_node *node)
{
    const struct mem_value *value = node->value;
    return kith_slice_of(value->bytes, value->len);
}

uint64_t mem_image_position(const struct msgstore_mem_image *image, uint16_t shard)
{
    uint8_t key[POSITION_KEY_BYTES];
    struct kith_ordered_node *node = kith_ordered_find(&image->rows, position_key(key, shard));

    return node == NULL ? 0 : kith_get_u64_be(node_value(node).ptr + 8);
}

/** True when this read is one of those that were told to fail. */
static bool image_read_fails(struct msgstore_mem_image *image, kith_err *err)
{
    if (image->reads_to_fail == 0) return false;
    if (image->reads_to_fail != UINT32_MAX) image->reads_to_fail--;
    *err = image->read_err;
    return true;
}

void mem_image_get(struct msgstore_mem_image *image, struct msgstore_get *op)
{
    struct kith_ordered_node *node;

    kith_buf_reset(&op->value);
    if (image_read_fails(image, &op->err)) return;
    node = kith_ordered_find(&image->rows, op->key);
    op->err = node == NULL ? KITH_E_NOTFOUND : kith_buf_append(&op->value, node_value(node));
}

static bool has_prefix(struct kith_slice key, struct kith_slice prefix)
{
    return key.len >= prefix.len && memcmp(key.ptr, prefix.ptr, prefix.len) == 0;
}

/** Where a scan begins: the row nearest to `from` that has the prefix, or NULL. */
static struct kith_ordered_node *scan_start(struct msgstore_mem_image *image, const struct msgstore_scan *op)
{
    struct kith_ordered_node *node;
    struct kith_slice bound;
    uint8_t past[MSGSTORE_KEY_BYTES_MAX];

    if (!op->reverse) {
        bound = kith_slice_cmp(op->from, op->prefix) > 0 ? op->from : op->prefix;
        node = kith_ordered_seek(&image->rows, bound);
    } else if (op->from.len > 0 && (kith_slice_cmp(op->from, op->prefix) < 0 || has_prefix(op->from, op->prefix))) {
        node = kith_ordered_seek_back(&image->rows, op->from, true);
    } else if (msgstore_prefix_end(op->prefix, past, &bound)) {
        node = kith_ordered_seek_back(&image->rows, bound, false);
    } else {
        node = kith_ordered_last(&image->rows);
    }
    return node != NULL && has_prefix(kith_ordered_key(node), op->prefix) ? node : NULL;
}

void mem_image_scan(struct msgstore_mem_image *image, struct msgstore_scan *op)
{
    struct kith_ordered_node *node;

    kith_buf_reset(&op->rows);
    op->count = 0;
    op->more = false;
    if (image_read_fails(image, &op->err)) return;
    op->err = KITH_OK;
    node = scan_start(image, op);
    while (node != NULL) {
        kith_err err = KITH_E_TOOBIG;

        if (op->count < op->rows_max)
            err = msgstore_record_append(&op->rows, true, kith_ordered_key(node), node_value(node));
        if (err == KITH_E_TOOBIG) {
            op->more = true;
            break;
        }
        if (err != KITH_OK) {
            op->err = err;
            break;
        }
        op->count++;
        node = op->reverse ? kith_ordered_prev(node) : kith_ordered_next(node);
        if (node != NULL && !has_prefix(kith_ordered_key(node), op->prefix)) node = NULL;
    }
}

void msgstore_mem_each(const struct msgstore_mem_image *image,
                       void (*each)(void *arg, struct kith_slice key, struct kith_slice value), void *arg)
{
    struct kith_ordered_node *node = kith_ordered_seek(&image->rows, kith_slice_of(NULL, 0));

    for (; node != NULL; node = kith_ordered_next(node)) each(arg, kith_ordered_key(node), node_value(node));
}
