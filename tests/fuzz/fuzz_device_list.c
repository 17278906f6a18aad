#include <stdlib.h>

#include "wire/device_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct kith_slice part, const uint8_t *data, size_t size)
{
    return part.len == 0 || (part.ptr >= data && part.ptr + part.len <= data + size);
}

/* The first byte chooses. What is accepted lies inside the input, keeps the rules it is read for, and nothing shorter is it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct device_list list = {0};
    struct prekey prekey = {0};
    struct kith_slice in;

    if (size == 0) return 0;
    in = kith_slice_of(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        if (prekey_decode(in, &prekey) != KITH_OK) return 0;
        if (prekey.id == 0 || in.len > KITH_PREKEY_BYTES_MAX || !is_inside(prekey.public_key, in.ptr, in.len)) abort();
        if (prekey_decode(kith_slice_of(in.ptr, in.len - 1), &prekey) == KITH_OK) abort();
        return 0;
    }
    if (device_list_decode(in, &list) != KITH_OK) return 0;
    if (!is_inside(list.list, in.ptr, in.len) || !is_inside(list.prev_hash, list.list.ptr, list.list.len)) abort();
    if (list.seq == 0 || (list.seq == 1) != (list.prev_hash.len == 0)) abort();
    if (list.device_count == 0 || list.device_count > DEVICE_LIST_DEVICES_MAX) abort();
    for (uint32_t i = 1; i < list.device_count; i++)
        if (kith_uuid_eq(list.devices[i].id, list.devices[i - 1].id)) abort();
    return 0;
}
