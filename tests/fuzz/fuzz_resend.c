#include <stdlib.h>

#include "libkith/e2ee/resend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
    if (!good) abort();
}

/* What is taken keeps to the rules of a request, and is written so that it reads the same. */
static void write_again(const struct e2e_resend *read)
{
    struct e2e_resend twice;
    struct kith_buf out;

    need(read->count >= 1 && read->count <= E2E_RESEND_ITEMS_MAX);
    kith_buf_init(&out, 4096);
    need(e2e_resend_encode(read, &out) == KITH_OK);
    need(e2e_resend_decode(kith_buf_peek(&out), &twice) == KITH_OK);
    need(twice.count == read->count && memcmp(twice.items, read->items, read->count * sizeof read->items[0]) == 0);
    kith_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct kith_slice in = kith_slice_of(data, size);
    uint8_t bytes[E2E_RESEND_ITEM_BYTES];
    struct e2e_resend_item item;
    struct e2e_resend read;

    if (e2e_resend_decode(in, &read) == KITH_OK) write_again(&read);
    if (e2e_resend_item_decode(in, &item) != KITH_OK) return 0;
    e2e_resend_item_encode(&item, bytes);
    if (size == sizeof bytes) need(memcmp(bytes, data, size) == 0);
    return 0;
}
