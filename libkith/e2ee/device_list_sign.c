#include "libkith/e2ee/device_list.h"
#include "libkith/e2ee/list_parts.h"

#define TAG_ACCEPTS 3

kith_err e2e_certify(const uint8_t ark_secret[static E2E_SIGN_SECRET_BYTES],
                     const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                     const uint8_t aik_pub[static E2E_SIGN_PUBLIC_BYTES], uint32_t aik_counter,
                     uint8_t out[static E2E_SIGNATURE_BYTES])
{
    const uint8_t *ark_pub = ark_secret + E2E_SIGN_SEED_BYTES;
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, E2E_LIST_BYTES_MAX);
    err = e2e_list_certificate_encode(account_id, ark_pub, aik_pub, aik_counter, &bytes);
    if (err == KITH_OK) err = e2e_sign(ark_secret, E2E_LABEL_ROOT, kith_buf_peek(&bytes), out);
    kith_buf_deinit(&bytes);
    return err;
}

kith_err e2e_device_accept(const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES], const struct e2e_device_list *list,
                           const struct e2e_device *device, uint8_t out[static E2E_SIGNATURE_BYTES])
{
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, E2E_LIST_BYTES_MAX);
    err = e2e_list_acceptance_encode(list, device, &bytes);
    if (err == KITH_OK) err = e2e_sign(dsk_secret, E2E_LABEL_DEVACCEPT, kith_buf_peek(&bytes), out);
    kith_buf_deinit(&bytes);
    return err;
}

/* ---------------------------------------------------------------------------------------------- a signed list */
static kith_err append_accept(const struct e2e_acceptance *accept, struct kith_buf *items)
{
    struct kith_buf item;
    struct e2e_tlv_writer writer;
    kith_err err;

    kith_buf_init(&item, E2E_LIST_BYTES_MAX);
    writer = e2e_tlv_writer_of(&item);
    e2e_tlv_put_u32(&writer, 1, accept->device_id);
    e2e_tlv_put(&writer, 2, kith_slice_of(accept->signature, sizeof accept->signature));
    err = e2e_tlv_finish(&writer);
    if (err == KITH_OK) err = e2e_tlv_append_item(items, kith_buf_peek(&item));
    kith_buf_deinit(&item);
    return err;
}

static kith_err append_accepts(const struct e2e_device_list *list, const struct e2e_acceptance *accepts, size_t count,
                               struct kith_buf *items)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < count && err == KITH_OK; i++) {
        if (i > 0 && accepts[i].device_id <= accepts[i - 1].device_id) return KITH_E_MALFORMED;
        if (e2e_device_find(list, accepts[i].device_id) == NULL) return KITH_E_MALFORMED;
        err = append_accept(&accepts[i], items);
    }
    return err;
}

/* What nobody could read is not signed: counts that do not even fit are found here, the rest by e2e_list_check(). */
static kith_err check_writable(const struct e2e_device_list *list, const uint8_t *aik_secret)
{
    static const uint8_t none[E2E_HASH_BYTES] = {0};

    if (list->suite_count > E2E_SUITES_MAX || list->device_count > E2E_DEVICES_MAX) return KITH_E_MALFORMED;
    if (list->removed_count > E2E_REMOVED_MAX) return KITH_E_MALFORMED;
    if (list->seq == 1 && memcmp(list->prev_hash, none, sizeof none) != 0) return KITH_E_MALFORMED;
    if (memcmp(aik_secret + E2E_SIGN_SEED_BYTES, list->aik_pub, sizeof list->aik_pub) != 0) return KITH_E_MALFORMED;
    return e2e_list_check(list);
}

kith_err e2e_device_list_sign(const struct e2e_device_list *list,
                              const uint8_t aik_secret[static E2E_SIGN_SECRET_BYTES],
                              const struct e2e_acceptance *accepts, size_t accept_count, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct kith_buf bytes, items;
    kith_err err = check_writable(list, aik_secret);

    kith_buf_init(&bytes, E2E_LIST_BYTES_MAX);
    kith_buf_init(&items, E2E_SIGNED_LIST_BYTES_MAX);
    if (err == KITH_OK) err = e2e_list_encode(list, &bytes);
    if (err == KITH_OK) err = e2e_sign(aik_secret, E2E_LABEL_DEVLIST, kith_buf_peek(&bytes), signature);
    if (err == KITH_OK) err = append_accepts(list, accepts, accept_count, &items);
    if (err != KITH_OK) goto done;
    e2e_tlv_put(&writer, 1, kith_buf_peek(&bytes));
    e2e_tlv_put(&writer, 2, kith_slice_of(signature, sizeof signature));
    e2e_tlv_put_optional(&writer, TAG_ACCEPTS, kith_buf_peek(&items));
    err = e2e_tlv_finish(&writer);
done:
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&items);
    return err;
}

/* The acceptances with one more, or with it in place of its device's; the others stay as they came. */
static kith_err merge(struct kith_slice items, const struct e2e_acceptance *accept, struct kith_buf *out)
{
    struct kith_slice item = {0};
    bool is_written = false;
    size_t count = 0;
    kith_err err;

    while ((err = e2e_tlv_next_item(&items, &item)) == KITH_OK) {
        struct e2e_acceptance other;

        err = e2e_list_accept_decode(item, &other);
        if (err != KITH_OK) return err;
        if (!is_written && other.device_id >= accept->device_id) {
            err = append_accept(accept, out);
            is_written = true;
            count++;
        }
        if (err == KITH_OK && other.device_id != accept->device_id) {
            err = e2e_tlv_append_item(out, item);
            count++;
        }
        if (err != KITH_OK) return err;
    }
    if (err != KITH_E_NOTFOUND) return err;
    if (!is_written) {
        err = append_accept(accept, out);
        if (err != KITH_OK) return err;
        count++;
    }
    return count > E2E_DEVICES_MAX ? KITH_E_TOOBIG : KITH_OK;
}

/* Every field as it came, also those that this version steps over; only the acceptances are others. */
static kith_err copy_with(struct kith_slice signed_list, struct kith_slice accepts, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(signed_list);
    struct kith_slice value = {0};
    uint16_t tag = 0;
    bool is_put = false;

    while (e2e_tlv_next(&reader, &tag, &value) == KITH_OK) {
        if (tag >= TAG_ACCEPTS && !is_put) {
            e2e_tlv_put(&writer, TAG_ACCEPTS, accepts);
            is_put = true;
        }
        if (tag != TAG_ACCEPTS) e2e_tlv_put(&writer, tag, value);
    }
    if (!is_put) e2e_tlv_put(&writer, TAG_ACCEPTS, accepts);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_device_list_add_acceptance(struct kith_slice signed_list, const struct e2e_acceptance *accept,
                                        struct kith_buf *out)
{
    struct e2e_device_list list;
    struct e2e_list_signed parts = {0};
    struct kith_buf items;
    kith_err err = e2e_list_signed_decode(signed_list, &parts);

    kith_buf_init(&items, E2E_SIGNED_LIST_BYTES_MAX);
    if (err == KITH_OK) err = e2e_list_decode(parts.list, &list);
    if (err == KITH_OK && e2e_device_find(&list, accept->device_id) == NULL) err = KITH_E_NOTFOUND;
    if (err == KITH_OK) err = merge(parts.accepts, accept, &items);
    if (err == KITH_OK) err = copy_with(signed_list, kith_buf_peek(&items), out);
    kith_buf_deinit(&items);
    return err;
}
