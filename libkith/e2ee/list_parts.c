#include "libkith/e2ee/list_parts.h"

#include <assert.h>

#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define ID_BYTES         4

/* ---------------------------------------------------------------------------------------------- one device */
enum { AT_ID, AT_SERVER, AT_DSK, AT_DDH, AT_ADDED, AT_MANAGER, DEVICE_FIELDS };
static const struct e2e_tlv_field device_fields[DEVICE_FIELDS] = {
    FIXED(1, ID_BYTES),
    FIXED(2, E2E_SERVER_DEVICE_BYTES),
    FIXED(3, E2E_SIGN_PUBLIC_BYTES),
    FIXED(4, E2E_DH_BYTES),
    FIXED(5, 8),
    {.tag = 6, .bytes_min = 1, .bytes_max = 1, .optional = true},
};

static kith_err device_decode(struct kith_slice in, struct e2e_device *out)
{
    struct kith_slice values[DEVICE_FIELDS];
    kith_err err = e2e_tlv_decode(in, device_fields, DEVICE_FIELDS, values);

    if (err != KITH_OK) return err;
    if (values[AT_MANAGER].ptr != NULL && e2e_tlv_u8(values[AT_MANAGER]) != 1) return KITH_E_MALFORMED;
    out->device_id = e2e_tlv_u32(values[AT_ID]);
    memcpy(out->server_device, values[AT_SERVER].ptr, sizeof out->server_device);
    memcpy(out->dsk_pub, values[AT_DSK].ptr, sizeof out->dsk_pub);
    memcpy(out->ddh_pub, values[AT_DDH].ptr, sizeof out->ddh_pub);
    out->added_at_ms = e2e_tlv_u64(values[AT_ADDED]);
    out->is_manager = values[AT_MANAGER].ptr != NULL;
    out->is_accepted = false;
    return KITH_OK;
}

static kith_err device_encode(const struct e2e_device *device, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u32(&writer, 1, device->device_id);
    e2e_tlv_put(&writer, 2, kith_slice_of(device->server_device, sizeof device->server_device));
    e2e_tlv_put(&writer, 3, kith_slice_of(device->dsk_pub, sizeof device->dsk_pub));
    e2e_tlv_put(&writer, 4, kith_slice_of(device->ddh_pub, sizeof device->ddh_pub));
    e2e_tlv_put_u64(&writer, 5, device->added_at_ms);
    if (device->is_manager) e2e_tlv_put_u8(&writer, 6, 1);
    return e2e_tlv_finish(&writer);
}

static kith_err devices_decode(struct kith_slice items, struct e2e_device_list *out)
{
    struct kith_slice item = {0};
    kith_err err;

    while ((err = e2e_tlv_next_item(&items, &item)) == KITH_OK) {
        if (out->device_count == E2E_DEVICES_MAX) return KITH_E_MALFORMED;
        err = device_decode(item, &out->devices[out->device_count]);
        if (err != KITH_OK) return err;
        out->device_count++;
    }
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

static kith_err devices_encode(const struct e2e_device_list *list, struct kith_buf *out)
{
    struct kith_buf item;
    kith_err err = KITH_OK;

    kith_buf_init(&item, LIST_ITEMS_BYTES_MAX);
    for (uint32_t i = 0; i < list->device_count && err == KITH_OK; i++) {
        kith_buf_reset(&item);
        err = device_encode(&list->devices[i], &item);
        if (err == KITH_OK) err = e2e_tlv_append_item(out, kith_buf_peek(&item));
    }
    kith_buf_deinit(&item);
    return err;
}

/* ---------------------------------------------------------------------------------------------- the list */
enum {
    AT_ACCOUNT,
    AT_ARK,
    AT_AIK,
    AT_COUNTER,
    AT_CERTIFICATE,
    AT_SEQ,
    AT_PREV,
    AT_ISSUED,
    AT_EXPIRES,
    AT_SUITES,
    AT_DEVICES,
    AT_REMOVED,
    LIST_FIELDS
};
static const struct e2e_tlv_field list_fields[LIST_FIELDS] = {
    FIXED(1, E2E_ACCOUNT_ID_BYTES),
    FIXED(2, E2E_SIGN_PUBLIC_BYTES),
    FIXED(3, E2E_SIGN_PUBLIC_BYTES),
    FIXED(4, 4),
    FIXED(5, E2E_SIGNATURE_BYTES),
    FIXED(6, 8),
    {.tag = 7, .bytes_min = E2E_HASH_BYTES, .bytes_max = E2E_HASH_BYTES, .optional = true},
    FIXED(8, 8),
    FIXED(9, 8),
    {.tag = 10, .bytes_min = 1, .bytes_max = E2E_SUITES_MAX},
    {.tag = 11, .bytes_min = 1, .bytes_max = E2E_LIST_BYTES_MAX},
    {.tag = 12, .bytes_min = ID_BYTES, .bytes_max = E2E_REMOVED_MAX * ID_BYTES, .optional = true},
};

kith_err e2e_list_decode(struct kith_slice in, struct e2e_device_list *out)
{
    struct kith_slice values[LIST_FIELDS], removed;
    kith_err err = e2e_tlv_decode(in, list_fields, LIST_FIELDS, values);

    if (err != KITH_OK) return err;
    memset(out, 0, sizeof *out);
    memcpy(out->account_id, values[AT_ACCOUNT].ptr, sizeof out->account_id);
    memcpy(out->ark_pub, values[AT_ARK].ptr, sizeof out->ark_pub);
    memcpy(out->aik_pub, values[AT_AIK].ptr, sizeof out->aik_pub);
    out->aik_counter = e2e_tlv_u32(values[AT_COUNTER]);
    memcpy(out->certificate, values[AT_CERTIFICATE].ptr, sizeof out->certificate);
    out->seq = e2e_tlv_u64(values[AT_SEQ]);
    if ((values[AT_PREV].ptr == NULL) != (out->seq == 1)) return KITH_E_MALFORMED;
    if (values[AT_PREV].ptr != NULL) memcpy(out->prev_hash, values[AT_PREV].ptr, sizeof out->prev_hash);
    out->issued_at_ms = e2e_tlv_u64(values[AT_ISSUED]);
    out->expires_at_ms = e2e_tlv_u64(values[AT_EXPIRES]);
    memcpy(out->suites, values[AT_SUITES].ptr, values[AT_SUITES].len);
    out->suite_count = (uint32_t)values[AT_SUITES].len;
    removed = values[AT_REMOVED];
    if (removed.len % ID_BYTES != 0) return KITH_E_MALFORMED;
    out->removed_count = (uint32_t)(removed.len / ID_BYTES);
    for (uint32_t i = 0; i < out->removed_count; i++) out->removed[i] = kith_get_u32_be(removed.ptr + i * ID_BYTES);
    e2e_sha256(&in, 1, out->hash);
    return devices_decode(values[AT_DEVICES], out);
}

static void put_removed(struct e2e_tlv_writer *writer, const struct e2e_device_list *list, uint8_t *bytes)
{
    for (uint32_t i = 0; i < list->removed_count; i++) kith_put_u32_be(bytes + i * ID_BYTES, list->removed[i]);
    e2e_tlv_put_optional(writer, 12, kith_slice_of(bytes, list->removed_count * ID_BYTES));
}

kith_err e2e_list_encode(const struct e2e_device_list *list, struct kith_buf *out)
{
    uint8_t removed[E2E_REMOVED_MAX * ID_BYTES];
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    struct kith_buf devices;
    kith_err err;

    assert(list->suite_count <= E2E_SUITES_MAX && list->device_count <= E2E_DEVICES_MAX);
    assert(list->removed_count <= E2E_REMOVED_MAX);
    kith_buf_init(&devices, LIST_ITEMS_BYTES_MAX);
    err = devices_encode(list, &devices);
    if (err != KITH_OK) goto done;
    e2e_tlv_put(&writer, 1, kith_slice_of(list->account_id, sizeof list->account_id));
    e2e_tlv_put(&writer, 2, kith_slice_of(list->ark_pub, sizeof list->ark_pub));
    e2e_tlv_put(&writer, 3, kith_slice_of(list->aik_pub, sizeof list->aik_pub));
    e2e_tlv_put_u32(&writer, 4, list->aik_counter);
    e2e_tlv_put(&writer, 5, kith_slice_of(list->certificate, sizeof list->certificate));
    e2e_tlv_put_u64(&writer, 6, list->seq);
    if (list->seq != 1) e2e_tlv_put(&writer, 7, kith_slice_of(list->prev_hash, sizeof list->prev_hash));
    e2e_tlv_put_u64(&writer, 8, list->issued_at_ms);
    e2e_tlv_put_u64(&writer, 9, list->expires_at_ms);
    e2e_tlv_put(&writer, 10, kith_slice_of(list->suites, list->suite_count));
    e2e_tlv_put(&writer, 11, kith_buf_peek(&devices));
    put_removed(&writer, list, removed);
    err = e2e_tlv_finish(&writer);
done:
    kith_buf_deinit(&devices);
    return err;
}

/* ---------------------------------------------------------------------------------------------- what is signed besides */
kith_err e2e_list_certificate_encode(const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                                     const uint8_t ark_pub[static E2E_SIGN_PUBLIC_BYTES],
                                     const uint8_t aik_pub[static E2E_SIGN_PUBLIC_BYTES], uint32_t aik_counter,
                                     struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put(&writer, 1, kith_slice_of(account_id, E2E_ACCOUNT_ID_BYTES));
    e2e_tlv_put(&writer, 2, kith_slice_of(ark_pub, E2E_SIGN_PUBLIC_BYTES));
    e2e_tlv_put(&writer, 3, kith_slice_of(aik_pub, E2E_SIGN_PUBLIC_BYTES));
    e2e_tlv_put_u32(&writer, 4, aik_counter);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_list_acceptance_encode(const struct e2e_device_list *list, const struct e2e_device *device,
                                    struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put(&writer, 1, kith_slice_of(list->account_id, sizeof list->account_id));
    e2e_tlv_put(&writer, 2, kith_slice_of(list->ark_pub, sizeof list->ark_pub));
    e2e_tlv_put(&writer, 3, kith_slice_of(list->aik_pub, sizeof list->aik_pub));
    e2e_tlv_put_u32(&writer, 4, device->device_id);
    e2e_tlv_put(&writer, 5, kith_slice_of(device->server_device, sizeof device->server_device));
    e2e_tlv_put(&writer, 6, kith_slice_of(device->dsk_pub, sizeof device->dsk_pub));
    e2e_tlv_put(&writer, 7, kith_slice_of(device->ddh_pub, sizeof device->ddh_pub));
    return e2e_tlv_finish(&writer);
}

/* ---------------------------------------------------------------------------------------------- the signed list */
enum { AT_LIST, AT_SIGNATURE, AT_ACCEPTS, SIGNED_FIELDS };
static const struct e2e_tlv_field signed_fields[SIGNED_FIELDS] = {
    {.tag = 1, .bytes_min = 1, .bytes_max = E2E_LIST_BYTES_MAX},
    FIXED(2, E2E_SIGNATURE_BYTES),
    {.tag = 3, .bytes_min = 1, .bytes_max = E2E_SIGNED_LIST_BYTES_MAX, .optional = true},
};

kith_err e2e_list_signed_decode(struct kith_slice in, struct e2e_list_signed *out)
{
    struct kith_slice values[SIGNED_FIELDS];
    size_t count = 0;
    kith_err err;

    if (in.len > E2E_SIGNED_LIST_BYTES_MAX) return KITH_E_TOOBIG;
    err = e2e_tlv_decode(in, signed_fields, SIGNED_FIELDS, values);
    if (err != KITH_OK) return err;
    if (e2e_tlv_count_items(values[AT_ACCEPTS], &count) != KITH_OK || count > E2E_DEVICES_MAX) return KITH_E_MALFORMED;
    *out = (struct e2e_list_signed){
        .list = values[AT_LIST], .signature = values[AT_SIGNATURE], .accepts = values[AT_ACCEPTS]};
    return KITH_OK;
}

kith_err e2e_list_accept_decode(struct kith_slice item, struct e2e_acceptance *out)
{
    static const struct e2e_tlv_field fields[] = {FIXED(1, ID_BYTES), FIXED(2, E2E_SIGNATURE_BYTES)};
    struct kith_slice values[2];
    kith_err err = e2e_tlv_decode(item, fields, 2, values);

    if (err != KITH_OK) return err;
    out->device_id = e2e_tlv_u32(values[0]);
    memcpy(out->signature, values[1].ptr, sizeof out->signature);
    return KITH_OK;
}
