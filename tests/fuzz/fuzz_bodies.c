#include <stdlib.h>

#include "wire/bodies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kith_err encode_again(const struct bodies *bodies, const struct bodies_list *lists,
                             const struct bodies_item *items, struct kith_buf *out)
{
    if (bodies->digest == NULL) return bodies_encode(out, lists, bodies->list_count, items, bodies->item_count);
    if (bodies->list_count != 0 || bodies->item_count != 1 || !kith_uuid_is_nil(items[0].device.id)) abort();
    return bodies_encode_common(out, bodies->digest, items[0].ciphertext);
}

/* What is accepted walks to its counts and encodes to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bodies_list lists[BODIES_DEVICES_MAX];
    static struct bodies_item items[BODIES_DEVICES_MAX];
    struct bodies bodies = {0};
    size_t list_count = 0, item_count = 0;
    struct kith_buf again;

    if (bodies_decode(kith_slice_of(data, size), &bodies) != KITH_OK) return 0;
    for (struct kith_slice in = bodies.lists; bodies_next_list(&in, &lists[list_count]) == KITH_OK;) list_count++;
    for (struct kith_slice in = bodies.items; bodies_next_item(&in, &items[item_count]) == KITH_OK;) item_count++;
    if (list_count != bodies.list_count || item_count != bodies.item_count) abort();
    kith_buf_init(&again, 8u << 20);
    if (encode_again(&bodies, lists, items, &again) == KITH_OK &&
        !kith_slice_eq(kith_buf_peek(&again), kith_slice_of(data, size)))
        abort();
    kith_buf_deinit(&again);
    return 0;
}
