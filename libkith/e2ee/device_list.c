#include "libkith/e2ee/device_list.h"

#include <assert.h>

#include "libkith/e2ee/list_parts.h"

static bool same(const uint8_t *a, const uint8_t *b, size_t len)
{
    return memcmp(a, b, len) == 0; /* public bytes only */
}

/* ---------------------------------------------------------------------------------------------- rules of one list */
static kith_err check_numbers(const struct e2e_device_list *list)
{
    if (list->aik_counter == 0 || list->seq == 0) return KITH_E_MALFORMED;
    if (list->expires_at_ms <= list->issued_at_ms) return KITH_E_MALFORMED;
    if (list->expires_at_ms - list->issued_at_ms > E2E_LIST_LIFE_MS_MAX) return KITH_E_MALFORMED;
    if (list->suite_count == 0 || list->device_count == 0) return KITH_E_MALFORMED;
    for (uint32_t i = 1; i < list->suite_count; i++)
        if (list->suites[i] <= list->suites[i - 1]) return KITH_E_MALFORMED;
    return KITH_OK;
}

/* Both in order, none twice, none in both, and 0 is nobody. */
static kith_err check_ids(const struct e2e_device_list *list)
{
    uint32_t at = 0;

    if (list->devices[0].device_id == 0) return KITH_E_MALFORMED;
    for (uint32_t i = 1; i < list->device_count; i++)
        if (list->devices[i].device_id <= list->devices[i - 1].device_id) return KITH_E_MALFORMED;
    for (uint32_t i = 0; i < list->removed_count; i++) {
        const uint32_t id = list->removed[i];
        if (id == 0 || (i > 0 && id <= list->removed[i - 1])) return KITH_E_MALFORMED;
        while (at < list->device_count && list->devices[at].device_id < id) at++;
        if (at < list->device_count && list->devices[at].device_id == id) return KITH_E_MALFORMED;
    }
    return KITH_OK;
}

static kith_err check_points(const struct e2e_device_list *list)
{
    if (e2e_sign_check(list->ark_pub) != KITH_OK || e2e_sign_check(list->aik_pub) != KITH_OK) return KITH_E_MALFORMED;
    for (uint32_t i = 0; i < list->device_count; i++) {
        const struct e2e_device *device = &list->devices[i];
        if (e2e_sign_check(device->dsk_pub) != KITH_OK || e2e_dh_check(device->ddh_pub) != KITH_OK)
            return KITH_E_MALFORMED;
    }
    return KITH_OK;
}

/* No two are the same. */
static kith_err check_keys(const struct e2e_device_list *list)
{
    const uint8_t *keys[2 + 2 * E2E_DEVICES_MAX];
    size_t count = 0;

    keys[count++] = list->ark_pub;
    keys[count++] = list->aik_pub;
    for (uint32_t i = 0; i < list->device_count; i++) {
        const struct e2e_device *device = &list->devices[i];
        keys[count++] = device->dsk_pub;
        keys[count++] = device->ddh_pub;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (same(keys[i], keys[j], E2E_KEY_BYTES)) return KITH_E_MALFORMED;
    return KITH_OK;
}

static kith_err check_server_devices(const struct e2e_device_list *list)
{
    for (uint32_t i = 0; i < list->device_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (same(list->devices[i].server_device, list->devices[j].server_device, E2E_SERVER_DEVICE_BYTES))
                return KITH_E_MALFORMED;
    return KITH_OK;
}

static kith_err check_shape(const struct e2e_device_list *list)
{
    kith_err err = check_numbers(list);

    if (err == KITH_OK) err = check_ids(list);
    if (err == KITH_OK) err = check_server_devices(list);
    if (err == KITH_OK) err = check_keys(list);
    return err;
}

kith_err e2e_list_check(const struct e2e_device_list *list)
{
    kith_err err = check_shape(list);

    return err == KITH_OK ? check_points(list) : err;
}

/* ---------------------------------------------------------------------------------------------- reading */
static kith_err verify_certificate(const struct e2e_device_list *list)
{
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, E2E_LIST_BYTES_MAX);
    err = e2e_list_certificate_encode(list->account_id, list->ark_pub, list->aik_pub, list->aik_counter, &bytes);
    if (err == KITH_OK) err = e2e_verify(list->ark_pub, E2E_LABEL_ROOT, kith_buf_peek(&bytes), list->certificate);
    kith_buf_deinit(&bytes);
    return err;
}

static kith_err verify_acceptance(const struct e2e_device_list *list, const struct e2e_device *device,
                                  const uint8_t signature[static E2E_SIGNATURE_BYTES])
{
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, E2E_LIST_BYTES_MAX);
    err = e2e_list_acceptance_encode(list, device, &bytes);
    if (err == KITH_OK) err = e2e_verify(device->dsk_pub, E2E_LABEL_DEVACCEPT, kith_buf_peek(&bytes), signature);
    kith_buf_deinit(&bytes);
    return err;
}

/* kept: which held when they were verified; NULL: they are verified now. */
static kith_err read_accepts(struct kith_slice items, const uint32_t *kept, struct e2e_device_list *list)
{
    struct kith_slice item = {0};
    uint32_t last = 0;
    kith_err err;

    while ((err = e2e_tlv_next_item(&items, &item)) == KITH_OK) {
        struct e2e_acceptance accept;
        uint32_t at = 0;

        err = e2e_list_accept_decode(item, &accept);
        if (err != KITH_OK) return err;
        if (accept.device_id <= last) return KITH_E_MALFORMED;
        last = accept.device_id;
        while (at < list->device_count && list->devices[at].device_id != last) at++;
        if (at == list->device_count) continue; /* of a device that is not listed: says nothing */
        if (kept != NULL) {
            list->devices[at].is_accepted = (*kept >> at & 1) != 0;
            continue;
        }
        err = verify_acceptance(list, &list->devices[at], accept.signature);
        if (err == KITH_E_NOMEM) return err;
        list->devices[at].is_accepted = err == KITH_OK;
    }
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

static kith_err open_list(struct kith_slice signed_list, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                          struct e2e_list_signed *parts, struct e2e_device_list *out)
{
    kith_err err = e2e_list_signed_decode(signed_list, parts);

    if (err == KITH_OK) err = e2e_list_decode(parts->list, out);
    if (err == KITH_OK && !same(out->account_id, account_id, E2E_ACCOUNT_ID_BYTES)) err = KITH_E_DENIED;
    return err;
}

kith_err e2e_device_list_read(struct kith_slice signed_list, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                              struct e2e_device_list *out)
{
    struct e2e_list_signed parts = {0};
    kith_err err = open_list(signed_list, account_id, &parts, out);

    if (err == KITH_OK) err = verify_certificate(out);
    if (err == KITH_OK) err = e2e_verify(out->aik_pub, E2E_LABEL_DEVLIST, parts.list, parts.signature.ptr);
    if (err == KITH_OK) err = e2e_list_check(out);
    if (err == KITH_OK) err = read_accepts(parts.accepts, NULL, out);
    if (err != KITH_OK) memset(out, 0, sizeof *out);
    return err;
}

uint32_t e2e_device_list_accepted(const struct e2e_device_list *list)
{
    uint32_t accepted = 0;

    for (uint32_t i = 0; i < list->device_count; i++) accepted |= (uint32_t)list->devices[i].is_accepted << i;
    return accepted;
}

kith_err e2e_device_list_kept(struct kith_slice signed_list, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                              uint32_t accepted, struct e2e_device_list *out)
{
    struct e2e_list_signed parts = {0};
    kith_err err = open_list(signed_list, account_id, &parts, out);

    if (err == KITH_OK) err = check_shape(out);
    if (err == KITH_OK) err = read_accepts(parts.accepts, &accepted, out);
    if (err == KITH_OK && e2e_device_list_accepted(out) != accepted) err = KITH_E_MALFORMED; /* one is not there */
    if (err != KITH_OK) memset(out, 0, sizeof *out);
    return err;
}

/* ---------------------------------------------------------------------------------------------- against what is pinned */
/* No device comes back or gets other keys; none is forgotten, since then it could come back one list later. */
static bool keeps_devices(const struct e2e_device_list *pinned, const struct e2e_device_list *next)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < pinned->removed_count; i++) { /* both ascend */
        while (at < next->removed_count && next->removed[at] < pinned->removed[i]) at++;
        if (at == next->removed_count || next->removed[at] != pinned->removed[i]) return false;
    }
    for (uint32_t i = 0; i < pinned->device_count; i++) {
        const struct e2e_device *before = &pinned->devices[i], *now = e2e_device_find(next, before->device_id);
        if (now == NULL && !e2e_device_is_removed(next, before->device_id)) return false;
        if (now == NULL) continue;
        if (!same(now->dsk_pub, before->dsk_pub, sizeof now->dsk_pub)) return false;
        if (!same(now->ddh_pub, before->ddh_pub, sizeof now->ddh_pub)) return false;
    }
    return true;
}

enum e2e_list_step e2e_device_list_compare(const struct e2e_device_list *pinned, const struct e2e_device_list *next)
{
    if (pinned == NULL) return E2E_LIST_FIRST;
    assert(same(pinned->account_id, next->account_id, sizeof next->account_id));
    if (!same(pinned->ark_pub, next->ark_pub, sizeof next->ark_pub)) return E2E_LIST_IDENTITY;
    if (next->seq < pinned->seq) return E2E_LIST_STALE;
    if (next->aik_counter < pinned->aik_counter) return E2E_LIST_ROLLBACK;
    if (next->aik_counter == pinned->aik_counter && !same(next->aik_pub, pinned->aik_pub, sizeof next->aik_pub))
        return E2E_LIST_ROLLBACK;
    if (next->seq == pinned->seq)
        return same(next->hash, pinned->hash, sizeof next->hash) ? E2E_LIST_SAME : E2E_LIST_FORK;
    if (next->seq - pinned->seq > 1) return E2E_LIST_GAP;
    /* Its predecessor has the pinned one's number and is another. */
    if (!same(next->prev_hash, pinned->hash, sizeof pinned->hash)) return E2E_LIST_FORK;
    return keeps_devices(pinned, next) ? E2E_LIST_NEXT : E2E_LIST_REUSED;
}

/* ---------------------------------------------------------------------------------------------- looking up */
const struct e2e_device *e2e_device_find(const struct e2e_device_list *list, uint32_t device_id)
{
    for (uint32_t i = 0; i < list->device_count; i++)
        if (list->devices[i].device_id == device_id) return &list->devices[i];
    return NULL;
}

const struct e2e_device *e2e_device_find_server(const struct e2e_device_list *list,
                                                const uint8_t server_device[static E2E_SERVER_DEVICE_BYTES])
{
    for (uint32_t i = 0; i < list->device_count; i++)
        if (same(list->devices[i].server_device, server_device, E2E_SERVER_DEVICE_BYTES)) return &list->devices[i];
    return NULL;
}

bool e2e_device_is_removed(const struct e2e_device_list *list, uint32_t device_id)
{
    for (uint32_t i = 0; i < list->removed_count; i++)
        if (list->removed[i] == device_id) return true;
    return false;
}
