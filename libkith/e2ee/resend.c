#include "libkith/e2ee/resend.h"

#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define LISTED_BYTES     (4 + E2E_RESEND_ITEM_BYTES) /* an item in the list */
#define AT_SEQ           (E2E_TLV_HEAD_BYTES + E2E_ID_BYTES)
#define AT_MSG           (AT_SEQ + E2E_TLV_HEAD_BYTES + 8)

_Static_assert(AT_MSG + E2E_TLV_HEAD_BYTES + E2E_ID_BYTES == E2E_RESEND_ITEM_BYTES, "an item's parts");

static uint8_t *put_head(uint8_t *at, uint8_t tag, uint8_t len)
{
    static const uint8_t zeros[E2E_TLV_HEAD_BYTES] = {0};

    memcpy(at, zeros, sizeof zeros);
    at[1] = tag;
    at[5] = len;
    return at + E2E_TLV_HEAD_BYTES;
}

void e2e_resend_item_encode(const struct e2e_resend_item *item, uint8_t out[static E2E_RESEND_ITEM_BYTES])
{
    memcpy(put_head(out, 1, E2E_ID_BYTES), item->chat_id, E2E_ID_BYTES);
    kith_put_u64_be(put_head(out + AT_SEQ, 2, 8), item->seq);
    memcpy(put_head(out + AT_MSG, 3, E2E_ID_BYTES), item->msg_id, E2E_ID_BYTES);
}

kith_err e2e_resend_item_decode(struct kith_slice in, struct e2e_resend_item *out)
{
    static const struct e2e_tlv_field fields[] = {FIXED(1, E2E_ID_BYTES), FIXED(2, 8), FIXED(3, E2E_ID_BYTES)};
    struct kith_slice values[3];
    kith_err err = e2e_tlv_decode(in, fields, 3, values);

    if (err != KITH_OK) return err;
    if (e2e_tlv_u64(values[1]) == 0) return KITH_E_MALFORMED; /* no message has that number */
    memcpy(out->chat_id, values[0].ptr, E2E_ID_BYTES);
    out->seq = e2e_tlv_u64(values[1]);
    memcpy(out->msg_id, values[2].ptr, E2E_ID_BYTES);
    return KITH_OK;
}

int e2e_resend_item_cmp(const struct e2e_resend_item *a, const struct e2e_resend_item *b)
{
    const int chats = memcmp(a->chat_id, b->chat_id, E2E_ID_BYTES);

    if (chats != 0) return chats;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

kith_err e2e_resend_encode(const struct e2e_resend *resend, struct kith_buf *out)
{
    uint8_t list[E2E_RESEND_ITEMS_MAX * LISTED_BYTES], *at = list;
    struct e2e_tlv_writer writer;

    if (resend->count == 0 || resend->count > E2E_RESEND_ITEMS_MAX) return KITH_E_MALFORMED;
    for (uint32_t i = 0; i < resend->count; i++, at += LISTED_BYTES) {
        const struct e2e_resend_item *item = &resend->items[i];
        if (item->seq == 0 || (i > 0 && e2e_resend_item_cmp(item - 1, item) >= 0)) return KITH_E_MALFORMED;
        kith_put_u32_be(at, E2E_RESEND_ITEM_BYTES);
        e2e_resend_item_encode(item, at + 4);
    }
    writer = e2e_tlv_writer_of(out);
    e2e_tlv_put(&writer, 1, kith_slice_of(list, (size_t)(at - list)));
    return e2e_tlv_finish(&writer);
}

kith_err e2e_resend_decode(struct kith_slice in, struct e2e_resend *out)
{
    static const struct e2e_tlv_field fields[] = {{.tag = 1, .bytes_min = 4, .bytes_max = UINT32_MAX}};
    struct kith_slice list, item;
    struct e2e_resend read = {.count = 0};
    size_t count = 0;
    kith_err err = e2e_tlv_decode(in, fields, 1, &list);

    if (err == KITH_OK) err = e2e_tlv_count_items(list, &count);
    if (err == KITH_OK && count > E2E_RESEND_ITEMS_MAX) err = KITH_E_TOOBIG;
    while (err == KITH_OK && read.count < count) {
        struct e2e_resend_item *next = &read.items[read.count];
        err = e2e_tlv_next_item(&list, &item);
        if (err == KITH_OK) err = e2e_resend_item_decode(item, next);
        if (err == KITH_OK && read.count > 0 && e2e_resend_item_cmp(next - 1, next) >= 0) err = KITH_E_MALFORMED;
        read.count++;
    }
    if (err == KITH_OK) *out = read;
    return err;
}
