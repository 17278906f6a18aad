#include "libkith/e2ee/resend.h"
#include "libkith/wasm/ops_impl.h"

/* The operations of KITH_RESEND_OPS. An item goes in and out as its chat_id, its number and its msg_id, without anything between. */

#define ID(bytes)    kith_slice_of((bytes), sizeof(bytes))
#define PACKED_BYTES (E2E_ID_BYTES + 8 + E2E_ID_BYTES)

static void unpack(const uint8_t *packed, struct e2e_resend_item *item)
{
    memcpy(item->chat_id, packed, sizeof item->chat_id);
    item->seq = e2e_tlv_u64(kith_slice_of(packed + E2E_ID_BYTES, 8));
    memcpy(item->msg_id, packed + E2E_ID_BYTES + 8, sizeof item->msg_id);
}

static kith_err pack(const struct e2e_resend_item *item, struct kith_buf *out)
{
    TRY(kith_buf_append(out, ID(item->chat_id)));
    TRY(kith_buf_append_u64_be(out, item->seq));
    return kith_buf_append(out, ID(item->msg_id));
}

OP(resend_encode)
{
    struct e2e_resend resend = {.count = 0};

    if (args[0].len % PACKED_BYTES != 0) return KITH_E_MALFORMED;
    if (args[0].len / PACKED_BYTES > E2E_RESEND_ITEMS_MAX) return KITH_E_TOOBIG;
    for (size_t at = 0; at < args[0].len; at += PACKED_BYTES) unpack(args[0].ptr + at, &resend.items[resend.count++]);
    return e2e_resend_encode(&resend, out);
}

OP(resend_decode)
{
    struct e2e_resend resend;

    TRY(e2e_resend_decode(args[0], &resend));
    for (uint32_t i = 0; i < resend.count; i++) TRY(pack(&resend.items[i], out));
    return KITH_OK;
}

OP(resend_item_encode)
{
    struct e2e_resend_item item;
    uint8_t bytes[E2E_RESEND_ITEM_BYTES];

    NEED(0, sizeof item.chat_id);
    NEED(1, 8);
    NEED(2, sizeof item.msg_id);
    memcpy(item.chat_id, args[0].ptr, sizeof item.chat_id);
    item.seq = e2e_tlv_u64(args[1]);
    memcpy(item.msg_id, args[2].ptr, sizeof item.msg_id);
    e2e_resend_item_encode(&item, bytes);
    return kith_buf_append(out, ID(bytes));
}

OP(resend_item_decode)
{
    struct e2e_resend_item item;

    TRY(e2e_resend_item_decode(args[0], &item));
    return pack(&item, out);
}
