#include <stdlib.h>

#include "libkith/e2ee/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TAG_BODY_HASH 16
#define TAG_PADDING   28672

static bool is_skipped_in(struct kith_slice in)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct kith_slice value = {0};
    uint16_t tag = 0;

    while (e2e_tlv_next(&reader, &tag, &value) == KITH_OK)
        if (tag >= E2E_TLV_TAG_SKIPPED) return true;
    return false;
}

/* What is read is written as the same bytes, but for what the reader stepped over. */
static void read_and_write(struct kith_slice in)
{
    struct e2e_payload payload;
    uint8_t hash[E2E_HASH_BYTES];
    struct kith_buf out;

    if (e2e_payload_decode(in, &payload) != KITH_OK) return;
    memcpy(hash, payload.body_hash, sizeof hash);
    kith_buf_init(&out, E2E_PAYLOAD_BYTES_MAX);
    if (e2e_payload_encode(&payload, &out) != KITH_OK) abort();
    if (!is_skipped_in(in) && !kith_slice_eq(kith_buf_peek(&out), in)) abort();
    if (memcmp(hash, payload.body_hash, sizeof hash) != 0) abort();
    kith_buf_deinit(&out);
}

/* The same fields with a hash and padding that fit, so that what lies behind these is reached. */
static void mend_and_read(struct kith_slice in)
{
    static const uint8_t zeros[4096];
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct e2e_tlv_writer writer;
    struct kith_slice value = {0}, hashed;
    uint8_t hash[E2E_HASH_BYTES];
    struct kith_buf out;
    uint16_t tag = 0;
    size_t len;

    kith_buf_init(&out, E2E_PAYLOAD_BYTES_MAX);
    writer = e2e_tlv_writer_of(&out);
    while (e2e_tlv_next(&reader, &tag, &value) == KITH_OK) {
        if (tag == TAG_BODY_HASH) {
            hashed = kith_buf_peek(&out);
            e2e_sha256(&hashed, 1, hash);
            value = kith_slice_of(hash, sizeof hash);
        }
        len = kith_buf_len(&out) + E2E_TLV_HEAD_BYTES;
        if (tag == TAG_PADDING) value = kith_slice_of(zeros, e2e_padded_bytes(len + 1) - len);
        e2e_tlv_put(&writer, tag, value);
    }
    if (e2e_tlv_finish(&writer) == KITH_OK) read_and_write(kith_buf_peek(&out));
    kith_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_and_write(kith_slice_of(data, size));
    mend_and_read(kith_slice_of(data, size));
    return 0;
}
