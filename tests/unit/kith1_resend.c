#include "libkith/e2ee/resend.h"
#include "tests/unit/kith1_run.h"

/* Steps of tests/vectors/kith1_*.json: what is asked for again. */

#define OP(name)  static kith1_refusal op_##name(struct kith1_run *run, const json_t *args, json_t *out)
#define ID(bytes) kith_slice_of((bytes), sizeof(bytes))

static void take_item(struct kith1_run *run, const json_t *args, struct e2e_resend_item *item)
{
    memcpy(item->chat_id, kith1_fixed(run, args, "chat_id", sizeof item->chat_id), sizeof item->chat_id);
    item->seq = kith1_number(args, "seq");
    memcpy(item->msg_id, kith1_fixed(run, args, "msg_id", sizeof item->msg_id), sizeof item->msg_id);
}

static void out_item(const struct e2e_resend_item *item, json_t *out)
{
    kith1_out(out, "chat_id", ID(item->chat_id));
    kith1_out_number(out, "seq", item->seq);
    kith1_out(out, "msg_id", ID(item->msg_id));
}

OP(make_resend)
{
    const json_t *items = json_object_get(args, "items");
    struct e2e_resend resend = {.count = (uint32_t)json_array_size(items)};
    struct kith_buf bytes;
    kith_err err;

    kith1_need(resend.count <= E2E_RESEND_ITEMS_MAX, "items");
    for (uint32_t i = 0; i < resend.count; i++) take_item(run, json_array_get(items, i), &resend.items[i]);
    kith_buf_init(&bytes, E2E_BODY_BYTES_MAX);
    err = e2e_resend_encode(&resend, &bytes);
    kith1_out(out, "request", kith_buf_peek(&bytes));
    kith_buf_deinit(&bytes);
    return kith1_refusal_of(err);
}

OP(read_resend)
{
    struct e2e_resend resend;
    json_t *items;

    if (e2e_resend_decode(kith1_bytes(run, args, "request"), &resend) != KITH_OK) return KITH1_REFUSED;
    items = json_array();
    for (uint32_t i = 0; i < resend.count; i++) {
        json_t *item = json_object();
        out_item(&resend.items[i], item);
        json_array_append_new(items, item);
    }
    json_object_set_new(out, "items", items);
    return NULL;
}

OP(make_again)
{
    struct e2e_resend_item item;
    uint8_t bytes[E2E_RESEND_ITEM_BYTES];

    take_item(run, args, &item);
    e2e_resend_item_encode(&item, bytes);
    kith1_out(out, "again", ID(bytes));
    return NULL;
}

OP(read_again)
{
    struct e2e_resend_item item;

    if (e2e_resend_item_decode(kith1_bytes(run, args, "again"), &item) != KITH_OK) return KITH1_REFUSED;
    out_item(&item, out);
    return NULL;
}

kith1_op *kith1_resend_op(const char *name)
{
    static const struct {
        const char *name;
        kith1_op *op;
    } ops[] = {{"make_resend", op_make_resend},
               {"read_resend", op_read_resend},
               {"make_again", op_make_again},
               {"read_again", op_read_again}};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return ops[i].op;
    return NULL;
}
