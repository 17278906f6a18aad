#include "libkith/e2ee/device_list.h"

/* The acceptances stand beside the list that AIK signed, so they can be passed on without anybody's key. */
kith_err e2e_device_acceptance(struct kith_slice signed_list, uint32_t device_id,
                               uint8_t out[static E2E_SIGNATURE_BYTES])
{
    static const struct e2e_tlv_field outer[] = {
        {1, 1, E2E_LIST_BYTES_MAX, false},
        {2, E2E_SIGNATURE_BYTES, E2E_SIGNATURE_BYTES, false},
        {3, 1, E2E_SIGNED_LIST_BYTES_MAX, true},
    };
    static const struct e2e_tlv_field inner[] = {
        {1, 4, 4, false},
        {2, E2E_SIGNATURE_BYTES, E2E_SIGNATURE_BYTES, false},
    };
    struct kith_slice v[3], in[2], item;
    kith_err err = e2e_tlv_decode(signed_list, outer, 3, v);

    while (err == KITH_OK) {
        err = e2e_tlv_next_item(&v[2], &item);
        if (err == KITH_OK) err = e2e_tlv_decode(item, inner, 2, in);
        if (err != KITH_OK || e2e_tlv_u32(in[0]) != device_id) continue;
        memcpy(out, in[1].ptr, E2E_SIGNATURE_BYTES);
        return KITH_OK;
    }
    return err;
}
