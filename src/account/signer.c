#include "account/signer.h"

static bool is_signer(const struct e2e_device_list *list, const struct e2e_device *device,
                      const struct account_signer *signer)
{
    if (device == NULL || !device->is_accepted) return false;
    if (memcmp(device->server_device, signer->device.id.raw, sizeof device->server_device) != 0) return false;
    if (signer->list_seq > list->seq) return false; /* nobody could fetch it */
    return signer->list_seq < list->seq || memcmp(signer->list_hash, list->hash, sizeof list->hash) == 0;
}

kith_err account_signer_get(struct directory_tx *tx, const struct account_signer *signer,
                            uint8_t dsk_pub[static E2E_SIGN_PUBLIC_BYTES])
{
    struct signed_list_record stored = {.user_id = signer->user.id};
    kith_err err = directory_get(tx, &table_signed_lists, SIGNED_LISTS_BY_USER, &stored);
    const struct e2e_device *device;
    struct e2e_device_list list;

    if (err == KITH_E_NOTFOUND) return KITH_E_DENIED;
    if (err != KITH_OK) return err;
    /* It was verified when it came. */
    if (e2e_device_list_parse(kith_slice_of(stored.list.bytes, stored.list.len), &list) != KITH_OK)
        return KITH_E_DAMAGED;
    device = e2e_device_find(&list, signer->number);
    if (!is_signer(&list, device, signer)) return KITH_E_DENIED;
    memcpy(dsk_pub, device->dsk_pub, E2E_SIGN_PUBLIC_BYTES);
    return KITH_OK;
}
