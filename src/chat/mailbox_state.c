#include <stdlib.h>

#include "chat/mailbox_internal.h"

struct mailbox *mailbox_new(struct user_id user)
{
    struct mailbox *box = calloc(1, sizeof *box);

    if (box == NULL) return NULL;
    box->user = user;
    return box;
}

void mailbox_free(struct mailbox *box)
{
    if (box == NULL) return;
    free(box->devices);
    free(box);
}

size_t mailbox_bytes(const struct mailbox *box)
{
    return sizeof *box + box->device_cap * sizeof *box->devices;
}

/* A sorted array: found by halving, put in place by one move. */
static size_t place(const struct mailbox *box, struct device_id device)
{
    size_t low = 0, high = box->device_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (kith_uuid_cmp(box->devices[mid].device.id, device.id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct mailbox_device *mailbox_device_find(const struct mailbox *box, struct device_id device)
{
    size_t at = place(box, device);

    if (at == box->device_count || !kith_uuid_eq(box->devices[at].device.id, device.id)) return NULL;
    return &box->devices[at];
}

kith_err mailbox_device_add(struct mailbox *box, struct device_id device, struct mailbox_device **out)
{
    size_t at = place(box, device);

    if (box->device_count == box->device_cap) {
        size_t cap = box->device_cap == 0 ? 2 : box->device_cap * 2;
        struct mailbox_device *grown = realloc(box->devices, cap * sizeof *grown);
        if (grown == NULL) return KITH_E_NOMEM;
        box->devices = grown;
        box->device_cap = cap;
    }
    memmove(&box->devices[at + 1], &box->devices[at], (box->device_count - at) * sizeof *box->devices);
    box->devices[at] = (struct mailbox_device){.device = device};
    box->device_count++;
    *out = &box->devices[at];
    return KITH_OK;
}

void mailbox_device_remove(struct mailbox *box, struct mailbox_device *device)
{
    size_t at = (size_t)(device - box->devices);

    box->device_count--;
    memmove(&box->devices[at], &box->devices[at + 1], (box->device_count - at) * sizeof *box->devices);
}

kith_err mailbox_load_head(struct mailbox *box, struct kith_slice value)
{
    return row_mailbox_decode(value, &box->head);
}

kith_err mailbox_load_device(struct mailbox *box, struct kith_slice key, struct kith_slice value)
{
    struct device_id id = {0};
    struct row_mail_device row = {0};
    struct mailbox_device *device = NULL;
    kith_err err = row_key_tail_id(key, &id.id);

    if (err == KITH_OK) err = row_mail_device_decode(value, &row);
    if (err == KITH_OK && mailbox_device_find(box, id) != NULL) err = KITH_E_MALFORMED;
    if (err == KITH_OK) err = mailbox_device_add(box, id, &device);
    if (err != KITH_OK) return err;
    device->row = row;
    return KITH_OK;
}
