#include <assert.h>

#include "wire/row.h"

#define MAILBOX_BYTES     (8 * 4 + 4 + 16)
#define MAIL_DEVICE_BYTES (8 * 5 + 1)
#define MAIL_MARK_BYTES   (4 + 8)
#define MAIL_DEVICE_MAX   (MAIL_DEVICE_BYTES + ROW_MAIL_MARKS_MAX * MAIL_MARK_BYTES)

kith_err row_mailbox_encode(const struct row_mailbox *row, struct kith_buf *out)
{
    uint8_t bytes[MAILBOX_BYTES] = {0}; /* expires_ms 0 */

    kith_put_u64_be(bytes + 8, row->last_n);
    kith_put_u64_be(bytes + 16, row->position);
    kith_put_u64_be(bytes + 24, row->time_ms);
    kith_put_u32_be(bytes + 32, row->item_count);
    memcpy(bytes + 36, row->id_max.id.raw, 16);
    return kith_buf_append(out, kith_slice_of(bytes, sizeof bytes));
}

kith_err row_mailbox_decode(struct kith_slice in, struct row_mailbox *out)
{
    if (in.len != MAILBOX_BYTES) return KITH_E_MALFORMED;
    *out = (struct row_mailbox){.last_n = kith_get_u64_be(in.ptr + 8),
                                .position = kith_get_u64_be(in.ptr + 16),
                                .time_ms = kith_get_u64_be(in.ptr + 24),
                                .item_count = kith_get_u32_be(in.ptr + 32)};
    memcpy(out->id_max.id.raw, in.ptr + 36, 16);
    return KITH_OK;
}

kith_err row_mail_device_encode(const struct row_mail_device *row, struct kith_buf *out)
{
    uint8_t bytes[MAIL_DEVICE_MAX] = {0}; /* expires_ms 0 */
    uint8_t *at = bytes + MAIL_DEVICE_BYTES;

    assert(row->mark_count <= ROW_MAIL_MARKS_MAX);
    kith_put_u64_be(bytes + 8, row->acked);
    kith_put_u64_be(bytes + 16, row->first);
    kith_put_u64_be(bytes + 24, row->last);
    kith_put_u64_be(bytes + 32, row->time_ms);
    bytes[40] = row->mark_count;
    for (unsigned i = 0; i < row->mark_count; i++, at += MAIL_MARK_BYTES) {
        kith_put_u32_be(at, row->marks[i].day);
        kith_put_u64_be(at + 4, row->marks[i].n);
    }
    return kith_buf_append(out, kith_slice_of(bytes, (size_t)(at - bytes)));
}

kith_err row_mail_device_decode(struct kith_slice in, struct row_mail_device *out)
{
    struct row_mail_device row = {0};

    if (in.len < MAIL_DEVICE_BYTES || in.ptr[40] > ROW_MAIL_MARKS_MAX ||
        in.len != MAIL_DEVICE_BYTES + (size_t)in.ptr[40] * MAIL_MARK_BYTES)
        return KITH_E_MALFORMED;
    row.acked = kith_get_u64_be(in.ptr + 8);
    row.first = kith_get_u64_be(in.ptr + 16);
    row.last = kith_get_u64_be(in.ptr + 24);
    row.time_ms = kith_get_u64_be(in.ptr + 32);
    row.mark_count = in.ptr[40];
    if (row.acked >= row.first || row.first > row.last + 1 || (row.mark_count == 0) != (row.first > row.last))
        return KITH_E_MALFORMED;
    for (unsigned i = 0; i < row.mark_count; i++) {
        const uint8_t *at = in.ptr + MAIL_DEVICE_BYTES + i * (size_t)MAIL_MARK_BYTES;
        row.marks[i] = (struct row_mail_mark){.day = kith_get_u32_be(at), .n = kith_get_u64_be(at + 4)};
    }
    *out = row;
    return KITH_OK;
}
