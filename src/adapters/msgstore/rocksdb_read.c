#include "adapters/msgstore/rocksdb_read.h"

#include "adapters/msgstore/rocksdb_options.h"

/** As rocksdb_error_take(); a read never has to wait. */
static kith_err read_error_take(char *text)
{
    kith_err err = rocksdb_error_take(text, NULL, 0);
    return err == KITH_E_AGAIN ? KITH_E_IO : err;
}

kith_err rocksdb_read_value(rocksdb_t *db, const rocksdb_readoptions_t *options, struct kith_slice key,
                            struct kith_buf *out)
{
    char *text = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(db, options, (const char *)key.ptr, key.len, &text);
    kith_err err = read_error_take(text);
    const char *value;
    size_t len = 0;

    if (err == KITH_OK && pinned == NULL) err = KITH_E_NOTFOUND;
    if (err == KITH_OK) {
        value = rocksdb_pinnableslice_value(pinned, &len);
        err = kith_buf_append(out, kith_slice_of(value, len));
    }
    rocksdb_pinnableslice_destroy(pinned);
    return err;
}

static bool has_prefix(struct kith_slice key, struct kith_slice prefix)
{
    return key.len >= prefix.len && memcmp(key.ptr, prefix.ptr, prefix.len) == 0;
}

static struct kith_slice iter_key(const rocksdb_iterator_t *iter)
{
    size_t len = 0;
    const char *key = rocksdb_iter_key(iter, &len);
    return kith_slice_of(key, len);
}

static struct kith_slice iter_value(const rocksdb_iterator_t *iter)
{
    size_t len = 0;
    const char *value = rocksdb_iter_value(iter, &len);
    return kith_slice_of(value, len);
}

/** Puts the iterator, which is bounded to the prefix, on the first row of the page. */
static void page_seek(rocksdb_iterator_t *iter, const struct msgstore_scan *op)
{
    struct kith_slice from = op->from;

    if (!op->reverse) {
        if (kith_slice_cmp(from, op->prefix) < 0) from = op->prefix;
        rocksdb_iter_seek(iter, (const char *)from.ptr, from.len);
    } else if (from.len > 0 && (kith_slice_cmp(from, op->prefix) < 0 || has_prefix(from, op->prefix))) {
        rocksdb_iter_seek_for_prev(iter, (const char *)from.ptr, from.len);
    } else {
        rocksdb_iter_seek_to_last(iter);
    }
}

static kith_err page_fill(rocksdb_iterator_t *iter, struct msgstore_scan *op)
{
    for (; rocksdb_iter_valid(iter); op->reverse ? rocksdb_iter_prev(iter) : rocksdb_iter_next(iter)) {
        struct kith_slice key = iter_key(iter);
        kith_err err = KITH_E_TOOBIG;

        if (!has_prefix(key, op->prefix)) break;
        if (op->count < op->rows_max) err = msgstore_record_append(&op->rows, true, key, iter_value(iter));
        if (err == KITH_E_TOOBIG) {
            op->more = true;
            break;
        }
        if (err != KITH_OK) return err;
        op->count++;
    }
    return KITH_OK;
}

void rocksdb_read_page(rocksdb_t *db, struct msgstore_scan *op)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_iterator_t *iter;
    uint8_t room[MSGSTORE_KEY_BYTES_MAX];
    struct kith_slice end;
    char *text = NULL;
    kith_err err;

    kith_buf_reset(&op->rows);
    op->count = 0;
    op->more = false;
    rocksdb_readoptions_set_iterate_lower_bound(options, (const char *)op->prefix.ptr, op->prefix.len);
    if (msgstore_prefix_end(op->prefix, room, &end))
        rocksdb_readoptions_set_iterate_upper_bound(options, (const char *)end.ptr, end.len);
    /* The filters know prefixes of one length; they can tell files without such a row when all that is wanted shares it. */
    rocksdb_readoptions_set_total_order_seek(options, op->reverse || op->prefix.len < ROCKSDB_PREFIX_BYTES);

    iter = rocksdb_create_iterator(db, options);
    page_seek(iter, op);
    op->err = page_fill(iter, op);
    rocksdb_iter_get_error(iter, &text);
    err = read_error_take(text);
    if (err != KITH_OK) op->err = err;
    rocksdb_iter_destroy(iter);
    rocksdb_readoptions_destroy(options);
}
