#include <stdlib.h>

#include "libkith/crypto/tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every field read, written again one by one, gives the same bytes: there is no second way to write a thing. */
static void check_same_again(struct kith_slice in)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct kith_slice value = {0};
    struct kith_buf again;
    struct e2e_tlv_writer writer;
    uint16_t tag = 0;
    kith_err err;

    kith_buf_init(&again, E2E_TLV_BYTES_MAX);
    writer = e2e_tlv_writer_of(&again);
    while ((err = e2e_tlv_next(&reader, &tag, &value)) == KITH_OK) e2e_tlv_put(&writer, tag, value);
    if (err != KITH_E_NOTFOUND && err != KITH_E_MALFORMED) abort();
    if (e2e_tlv_finish(&writer) != KITH_OK) abort();
    if (err == KITH_E_NOTFOUND && !kith_slice_eq(kith_buf_peek(&again), in)) abort();
    kith_buf_deinit(&again);
}

static void check_list(struct kith_slice list)
{
    struct kith_slice left = list, item = {0};
    struct kith_buf again;
    size_t count = 0;

    if (e2e_tlv_count_items(list, &count) != KITH_OK) return;
    kith_buf_init(&again, E2E_TLV_BYTES_MAX);
    for (; e2e_tlv_next_item(&left, &item) == KITH_OK; count--)
        if (e2e_tlv_append_item(&again, item) != KITH_OK) abort();
    if (count != 0 || !kith_slice_eq(kith_buf_peek(&again), list)) abort();
    kith_buf_deinit(&again);
}

/* What a reader with these fields takes holds to them, and needs nothing but the fields it stepped over to be the same again. */
static void check_decoded(struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {.tag = 1, .bytes_min = 4, .bytes_max = 4},
        {.tag = 2, .bytes_max = 32},
        {.tag = 3, .bytes_min = 1, .bytes_max = 1, .optional = true},
        {.tag = 0x8001, .bytes_min = 2, .bytes_max = 64, .optional = true},
    };
    enum { COUNT = sizeof fields / sizeof *fields };
    struct kith_slice values[COUNT];
    size_t bytes = 0;

    if (e2e_tlv_decode(in, fields, COUNT, values) != KITH_OK) return;
    for (size_t i = 0; i < COUNT; i++) {
        if (values[i].ptr == NULL && !fields[i].optional) abort();
        if (values[i].ptr == NULL) continue;
        if (values[i].len < fields[i].bytes_min || values[i].len > fields[i].bytes_max) abort();
        if (values[i].ptr < in.ptr || values[i].ptr + values[i].len > in.ptr + in.len) abort();
        bytes += E2E_TLV_HEAD_BYTES + values[i].len;
    }
    if (bytes > in.len) abort();
    (void)e2e_tlv_u32(values[0]);
    if (values[2].ptr != NULL) (void)e2e_tlv_u8(values[2]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kith_slice in = kith_slice_of(data, size);

    check_same_again(in);
    check_list(in);
    check_decoded(in);
    return 0;
}
