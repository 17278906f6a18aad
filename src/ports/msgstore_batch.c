#include "ports/msgstore.h"

#define RECORD_PUT        1
#define RECORD_DELETE     2
#define RECORD_HEAD_BYTES (1 + 2 + 4)

void msgstore_batch_init(struct msgstore_batch *batch)
{
    kith_buf_init(&batch->bytes, MSGSTORE_BATCH_BYTES_MAX);
    batch->rows = 0;
}

void msgstore_batch_deinit(struct msgstore_batch *batch)
{
    kith_buf_deinit(&batch->bytes);
    batch->rows = 0;
}

void msgstore_batch_reset(struct msgstore_batch *batch)
{
    kith_buf_reset(&batch->bytes);
    batch->rows = 0;
}

kith_err msgstore_record_append(struct kith_buf *out, bool is_put, struct kith_slice key, struct kith_slice value)
{
    uint8_t *at = NULL;
    kith_err err;

    assert(key.len > 0 && key.len <= MSGSTORE_KEY_BYTES_MAX && value.len <= MSGSTORE_VALUE_BYTES_MAX);
    err = kith_buf_reserve(out, RECORD_HEAD_BYTES + key.len + value.len, &at);
    if (err != KITH_OK) return err;
    at[0] = is_put ? RECORD_PUT : RECORD_DELETE;
    kith_put_u16_be(at + 1, (uint16_t)key.len);
    kith_put_u32_be(at + 3, (uint32_t)value.len);
    memcpy(at + RECORD_HEAD_BYTES, key.ptr, key.len);
    if (value.len > 0) memcpy(at + RECORD_HEAD_BYTES + key.len, value.ptr, value.len);
    kith_buf_commit(out, RECORD_HEAD_BYTES + key.len + value.len);
    return KITH_OK;
}

static kith_err batch_append(struct msgstore_batch *batch, bool is_put, struct kith_slice key, struct kith_slice value)
{
    kith_err err;

    assert(key.len > 0 && key.ptr[0] != MSGSTORE_TABLE_POSITIONS);
    if (key.len > MSGSTORE_KEY_BYTES_MAX || value.len > MSGSTORE_VALUE_BYTES_MAX) return KITH_E_TOOBIG;
    err = msgstore_record_append(&batch->bytes, is_put, key, value);
    if (err == KITH_OK) batch->rows++;
    return err;
}

kith_err msgstore_batch_put(struct msgstore_batch *batch, struct kith_slice key, struct kith_slice value)
{
    assert(value.len >= MSGSTORE_VALUE_BYTES_MIN);
    return batch_append(batch, true, key, value);
}

kith_err msgstore_batch_delete(struct msgstore_batch *batch, struct kith_slice key)
{
    return batch_append(batch, false, key, kith_slice_of(NULL, 0));
}

kith_err msgstore_batch_next(struct kith_slice *in, bool *is_put, struct kith_slice *key, struct kith_slice *value)
{
    uint8_t kind = 0;
    uint16_t key_len = 0;
    uint32_t value_len = 0;
    kith_err err;

    if (in->len == 0) return KITH_E_NOTFOUND;
    err = kith_eat_u8(in, &kind);
    if (err == KITH_OK) err = kith_eat_u16_be(in, &key_len);
    if (err == KITH_OK) err = kith_eat_u32_be(in, &value_len);
    if (err == KITH_OK) err = kith_eat_bytes(in, key_len, key);
    if (err == KITH_OK) err = kith_eat_bytes(in, value_len, value);
    /* Only our own code makes batches, in memory: bytes that are no batch are a bug, not an input. */
    assert(err == KITH_OK && (kind == RECORD_PUT || kind == RECORD_DELETE));
    *is_put = kind == RECORD_PUT;
    return KITH_OK;
}

bool msgstore_prefix_end(struct kith_slice prefix, uint8_t room[static MSGSTORE_KEY_BYTES_MAX], struct kith_slice *end)
{
    size_t len = prefix.len;

    assert(len <= MSGSTORE_KEY_BYTES_MAX);
    while (len > 0 && prefix.ptr[len - 1] == 0xff) len--;
    if (len == 0) return false;
    memcpy(room, prefix.ptr, len);
    room[len - 1]++;
    *end = kith_slice_of(room, len);
    return true;
}
