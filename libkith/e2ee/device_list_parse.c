#include "libkith/e2ee/list_parts.h"

/* What a keeper of lists needs, who verified each when it came. */

#define ACCEPT_BYTES (2 * E2E_TLV_HEAD_BYTES + 4 + E2E_SIGNATURE_BYTES)

static kith_err mark_accepts(struct kith_slice items, struct e2e_device_list *list)
{
    struct kith_slice item = {0};
    kith_err err;

    while ((err = e2e_tlv_next_item(&items, &item)) == KITH_OK) {
        struct e2e_acceptance accept;
        err = e2e_list_accept_decode(item, &accept);
        if (err != KITH_OK) return err;
        for (uint32_t i = 0; i < list->device_count; i++)
            list->devices[i].is_accepted |= list->devices[i].device_id == accept.device_id;
    }
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

kith_err e2e_device_list_parse(struct kith_slice signed_list, struct e2e_device_list *out)
{
    struct e2e_list_signed parts = {0};
    kith_err err = e2e_list_signed_decode(signed_list, &parts);

    if (err == KITH_OK) err = e2e_list_decode(parts.list, out);
    if (err == KITH_OK) err = mark_accepts(parts.accepts, out);
    if (err != KITH_OK) memset(out, 0, sizeof *out);
    return err;
}

bool e2e_device_list_is_bare(struct kith_slice signed_list, const struct e2e_device_list *list)
{
    struct e2e_list_signed parts = {0};
    size_t accepts = 0, bytes;

    if (e2e_list_signed_decode(signed_list, &parts) != KITH_OK) return false;
    for (uint32_t i = 0; i < list->device_count; i++) accepts += list->devices[i].is_accepted;
    bytes = 2 * E2E_TLV_HEAD_BYTES + parts.list.len + E2E_SIGNATURE_BYTES;
    if (accepts > 0) bytes += E2E_TLV_HEAD_BYTES + accepts * (4 + ACCEPT_BYTES);
    /* Each of these is there, in one spelling only: whatever else there was would make it longer. */
    return signed_list.len == bytes;
}
