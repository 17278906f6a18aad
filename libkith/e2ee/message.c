#include "libkith/e2ee/message.h"

#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define VERSION          1
#define FLAG_NEED_STEP   1u

/* ---------------------------------------------------------------------------------------------- header */
static kith_err decode_header(struct kith_slice in, struct e2e_header *out)
{
    enum { AT_PUB, AT_PN, AT_N, AT_FLAGS, FIELDS };
    static const struct e2e_tlv_field fields[FIELDS] = {FIXED(1, E2E_DH_BYTES), FIXED(2, 4), FIXED(3, 4), FIXED(4, 1)};
    struct kith_slice values[FIELDS];
    kith_err err = e2e_tlv_decode(in, fields, FIELDS, values);

    if (err != KITH_OK) return err;
    if ((e2e_tlv_u8(values[AT_FLAGS]) & ~FLAG_NEED_STEP) != 0) return KITH_E_MALFORMED;
    memcpy(out->ratchet_pub, values[AT_PUB].ptr, sizeof out->ratchet_pub);
    out->pn = e2e_tlv_u32(values[AT_PN]);
    out->n = e2e_tlv_u32(values[AT_N]);
    out->need_step = e2e_tlv_u8(values[AT_FLAGS]) != 0;
    /* The last number is never sent: the next one would be 0 again. */
    return out->n == UINT32_MAX ? KITH_E_MALFORMED : KITH_OK;
}

kith_err e2e_header_encode(const struct e2e_header *header, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put(&writer, 1, kith_slice_of(header->ratchet_pub, sizeof header->ratchet_pub));
    e2e_tlv_put_u32(&writer, 2, header->pn);
    e2e_tlv_put_u32(&writer, 3, header->n);
    e2e_tlv_put_u8(&writer, 4, header->need_step ? FLAG_NEED_STEP : 0);
    return e2e_tlv_finish(&writer);
}

/* ---------------------------------------------------------------------------------------------- message */
enum { AT_VERSION, AT_SETUP, AT_HEADER, AT_NONCE, AT_COMMITMENT, AT_SEALED, MESSAGE_FIELDS };
static const struct e2e_tlv_field message_fields[MESSAGE_FIELDS] = {
    FIXED(1, 1),
    {.tag = 2, .bytes_min = 1, .bytes_max = E2E_MESSAGE_SETUP_BYTES_MAX, .optional = true},
    {.tag = 3, .bytes_min = 1, .bytes_max = E2E_HEADER_BYTES_MAX},
    FIXED(4, E2E_AEAD_NONCE_BYTES),
    FIXED(5, E2E_HASH_BYTES),
    {.tag = 6, .bytes_min = E2E_AEAD_TAG_BYTES, .bytes_max = E2E_SEALED_BYTES_MAX},
};

kith_err e2e_message_decode(struct kith_slice in, struct e2e_message *out)
{
    struct kith_slice values[MESSAGE_FIELDS];
    kith_err err = e2e_tlv_decode(in, message_fields, MESSAGE_FIELDS, values);

    if (err != KITH_OK) return err;
    if (e2e_tlv_u8(values[AT_VERSION]) != VERSION) return KITH_E_UNSUPPORTED;
    out->setup = values[AT_SETUP];
    out->header_bytes = values[AT_HEADER];
    out->nonce = values[AT_NONCE].ptr;
    out->commitment = values[AT_COMMITMENT].ptr;
    out->sealed = values[AT_SEALED];
    return decode_header(out->header_bytes, &out->header);
}

kith_err e2e_message_encode(const struct e2e_message *message, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u8(&writer, 1, VERSION);
    e2e_tlv_put_optional(&writer, 2, message->setup);
    e2e_tlv_put(&writer, 3, message->header_bytes);
    e2e_tlv_put(&writer, 4, kith_slice_of(message->nonce, E2E_AEAD_NONCE_BYTES));
    e2e_tlv_put(&writer, 5, kith_slice_of(message->commitment, E2E_HASH_BYTES));
    e2e_tlv_put(&writer, 6, message->sealed);
    return e2e_tlv_finish(&writer);
}

/* ---------------------------------------------------------------------------------------------- set-up */
enum {
    AT_SUITE,
    AT_DEVICE_A,
    AT_SEQ_A,
    AT_HASH_A,
    AT_SEQ_B,
    AT_HASH_B,
    AT_SPK,
    AT_OPK,
    AT_KEM,
    AT_KEM_IS_LAST,
    AT_EK,
    AT_CT,
    SETUP_FIELDS
};
static const struct e2e_tlv_field setup_fields[SETUP_FIELDS] = {
    FIXED(1, 1),
    FIXED(2, 4),
    FIXED(3, 8),
    FIXED(4, E2E_HASH_BYTES),
    FIXED(5, 8),
    FIXED(6, E2E_HASH_BYTES),
    FIXED(7, 4),
    {.tag = 8, .bytes_min = 4, .bytes_max = 4, .optional = true},
    FIXED(9, 4),
    FIXED(10, 1),
    FIXED(11, E2E_DH_BYTES),
    FIXED(12, E2E_KEM_CIPHER_BYTES),
};

kith_err e2e_setup_decode(struct kith_slice in, struct e2e_setup *out)
{
    struct kith_slice values[SETUP_FIELDS];
    struct e2e_setup setup = {0};
    kith_err err = e2e_tlv_decode(in, setup_fields, SETUP_FIELDS, values);

    if (err != KITH_OK) return err;
    setup.suite = e2e_tlv_u8(values[AT_SUITE]);
    if (setup.suite != E2E_SUITE_PQ) return KITH_E_UNSUPPORTED;
    setup.device_a = e2e_tlv_u32(values[AT_DEVICE_A]);
    setup.list_seq_a = e2e_tlv_u64(values[AT_SEQ_A]);
    memcpy(setup.list_hash_a, values[AT_HASH_A].ptr, sizeof setup.list_hash_a);
    setup.list_seq_b = e2e_tlv_u64(values[AT_SEQ_B]);
    memcpy(setup.list_hash_b, values[AT_HASH_B].ptr, sizeof setup.list_hash_b);
    setup.spk_id = e2e_tlv_u32(values[AT_SPK]);
    if (values[AT_OPK].ptr != NULL) {
        setup.opk_id = e2e_tlv_u32(values[AT_OPK]);
        if (setup.opk_id == 0) return KITH_E_MALFORMED;
    }
    setup.kem_id = e2e_tlv_u32(values[AT_KEM]);
    if (e2e_tlv_u8(values[AT_KEM_IS_LAST]) > 1) return KITH_E_MALFORMED;
    setup.kem_is_last = e2e_tlv_u8(values[AT_KEM_IS_LAST]) == 1;
    memcpy(setup.ek_pub, values[AT_EK].ptr, sizeof setup.ek_pub);
    setup.ct = values[AT_CT];
    if (setup.device_a == 0 || setup.spk_id == 0 || setup.kem_id == 0) return KITH_E_MALFORMED;
    if (setup.list_seq_a == 0 || setup.list_seq_b == 0) return KITH_E_MALFORMED;
    *out = setup;
    return KITH_OK;
}

kith_err e2e_setup_encode(const struct e2e_setup *setup, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u8(&writer, 1, setup->suite);
    e2e_tlv_put_u32(&writer, 2, setup->device_a);
    e2e_tlv_put_u64(&writer, 3, setup->list_seq_a);
    e2e_tlv_put(&writer, 4, kith_slice_of(setup->list_hash_a, sizeof setup->list_hash_a));
    e2e_tlv_put_u64(&writer, 5, setup->list_seq_b);
    e2e_tlv_put(&writer, 6, kith_slice_of(setup->list_hash_b, sizeof setup->list_hash_b));
    e2e_tlv_put_u32(&writer, 7, setup->spk_id);
    if (setup->opk_id != 0) e2e_tlv_put_u32(&writer, 8, setup->opk_id);
    e2e_tlv_put_u32(&writer, 9, setup->kem_id);
    e2e_tlv_put_u8(&writer, 10, setup->kem_is_last ? 1 : 0);
    e2e_tlv_put(&writer, 11, kith_slice_of(setup->ek_pub, sizeof setup->ek_pub));
    e2e_tlv_put(&writer, 12, setup->ct);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_message_setup(struct kith_slice message, struct e2e_setup *out)
{
    struct e2e_message parts = {0};
    kith_err err = e2e_message_decode(message, &parts);

    if (err != KITH_OK) return err;
    return parts.setup.ptr == NULL ? KITH_E_NOTFOUND : e2e_setup_decode(parts.setup, out);
}
