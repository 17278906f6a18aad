#include "libkith/e2ee/list_parts.h"
#include "tests/e2e_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world_party party;

/* What may be pinned has a place in the order of lists, and what was read once is read again when it is signed anew. */
static void check_read(const struct e2e_device_list *list)
{
    static struct e2e_device_list again;
    const enum e2e_list_step step = e2e_device_list_compare(&party.list, list);
    struct kith_buf out;

    if (step > E2E_LIST_REUSED || e2e_device_list_compare(list, list) != E2E_LIST_SAME) abort();
    if (list->device_count == 0 || list->device_count > E2E_DEVICES_MAX || list->seq == 0) abort();
    for (uint32_t i = 0; i < list->device_count; i++)
        if (e2e_device_find(list, list->devices[i].device_id) != &list->devices[i]) abort();
    if (memcmp(list->aik_pub, party.list.aik_pub, sizeof list->aik_pub) != 0) return;
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    if (e2e_device_list_sign(list, party.aik_secret, NULL, 0, &out) != KITH_OK) abort();
    if (e2e_device_list_read(kith_buf_peek(&out), party.account_id, &again) != KITH_OK) abort();
    for (uint32_t i = 0; i < again.device_count; i++)
        if (again.devices[i].is_accepted) abort();
    kith_buf_deinit(&out);
}

/* As the server may hand it out. */
static void read_signed(struct kith_slice in)
{
    static struct e2e_device_list list;
    const struct e2e_acceptance accept = {.device_id = party.list.devices[0].device_id};
    struct kith_buf out;

    if (e2e_device_list_read(in, party.account_id, &list) == KITH_OK)
        check_read(&list);
    else if (list.device_count != 0 || list.seq != 0)
        abort();
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    if (e2e_device_list_add_acceptance(in, &accept, &out) != KITH_OK && kith_buf_len(&out) != 0) abort();
    kith_buf_deinit(&out);
}

/* Or as a manager of the account could sign it: any bytes at all. */
static void sign_and_read(struct kith_slice list, bool has_acceptance)
{
    struct e2e_acceptance accept = {.device_id = party.list.devices[0].device_id};
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct e2e_tlv_writer writer;
    struct kith_buf out, more;

    if (list.len > E2E_LIST_BYTES_MAX) return;
    world_need(e2e_sign(party.aik_secret, E2E_LABEL_DEVLIST, list, signature) == KITH_OK);
    world_need(e2e_device_accept(party.dsk_secret, &party.list, &party.list.devices[0], accept.signature) == KITH_OK);
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    kith_buf_init(&more, E2E_SIGNED_LIST_BYTES_MAX);
    writer = e2e_tlv_writer_of(&out);
    e2e_tlv_put(&writer, 1, list);
    e2e_tlv_put(&writer, 2, kith_slice_of(signature, sizeof signature));
    world_need(e2e_tlv_finish(&writer) == KITH_OK);
    read_signed(kith_buf_peek(&out));
    if (has_acceptance && e2e_device_list_add_acceptance(kith_buf_peek(&out), &accept, &more) == KITH_OK)
        read_signed(kith_buf_peek(&more));
    kith_buf_deinit(&out);
    kith_buf_deinit(&more);
}

/* The first byte says how the rest came. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (party.list.seq == 0) world_party_init(&party, 1);
    if (size == 0) return 0;
    if (data[0] % 2 == 0)
        read_signed(kith_slice_of(data + 1, size - 1));
    else
        sign_and_read(kith_slice_of(data + 1, size - 1), data[0] % 4 == 3);
    return 0;
}
