#include "account/signer.h"

static bool is_signer(const struct e2e_device *device, const struct account_signer *signer)
{
    if (device == NULL || !device->is_accepted) return false;
    return memcmp(device->server_device, signer->device.id.raw, sizeof device->server_device) == 0;
}

/* Whoever has the list pinned that is named compares the hash, and looks for the device there. */
static bool is_named(const struct e2e_device_list *list, const struct account_signer *signer)
{
    if (memcmp(signer->list_hash, list->hash, sizeof list->hash) != 0) return false;
    return e2e_device_find(list, signer->number) != NULL;
}

/* It may name a list that another has followed meanwhile. KITH_E_DENIED: one that there never was. */
static kith_err past_get(struct directory_tx *tx, const struct account_signer *signer, struct e2e_device_list *out)
{
    struct past_list_record past = {.user_id = signer->user.id, .seq = signer->list_seq};
    kith_err err = directory_get(tx, &table_past_lists, PAST_LISTS_BY_SEQ, &past);

    if (err == KITH_E_NOTFOUND) return KITH_E_DENIED;
    if (err != KITH_OK) return err;
    err = e2e_device_list_parse(kith_slice_of(past.list.bytes, past.list.len), out);
    return err == KITH_OK ? KITH_OK : KITH_E_DAMAGED;
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
    if (!is_signer(device, signer) || signer->list_seq > list.seq) return KITH_E_DENIED;
    memcpy(dsk_pub, device->dsk_pub, E2E_SIGN_PUBLIC_BYTES);
    err = signer->list_seq < list.seq ? past_get(tx, signer, &list) : KITH_OK;
    if (err == KITH_OK && !is_named(&list, signer)) err = KITH_E_DENIED;
    return err;
}
