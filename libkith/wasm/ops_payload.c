#include "libkith/e2ee/payload_fields.h"
#include "libkith/wasm/ops.h"

/* The operations of KITH_E2EE_OPS on payloads. A payload without its hash and padding goes in and out as its own encoding. */

enum { E2E_PAYLOAD_FIELDS(E2E_PAYLOAD_AT, E2E_PAYLOAD_LEFT_OUT) FIELDS };
static const struct e2e_tlv_field fields[FIELDS] = {E2E_PAYLOAD_FIELDS(E2E_PAYLOAD_FIELD, E2E_PAYLOAD_LEFT_OUT)};

/* False, and nothing written, when it is missing. */
static bool take(uint8_t *out, size_t len, struct kith_slice value)
{
    if (value.ptr == NULL) return false;
    memcpy(out, value.ptr, len);
    return true;
}

static uint64_t number(struct kith_slice value)
{
    return value.ptr == NULL ? 0 : e2e_tlv_u64(value);
}

kith_err kith_e2ee_payload_encode(const struct e2e_random *random, const struct kith_slice *args, struct kith_buf *out)
{
    struct kith_slice values[FIELDS];
    struct e2e_payload payload = {0};
    kith_err err = e2e_tlv_decode(args[0], fields, FIELDS, values);

    (void)random;
    if (err != KITH_OK) return err;
    payload.content_type = values[AT_CONTENT_TYPE];
    payload.device_id = e2e_tlv_u32(values[AT_DEVICE]);
    payload.sent_at_ms = number(values[AT_SENT]);
    payload.sseq = number(values[AT_SSEQ]);
    payload.list_seq = number(values[AT_LIST_SEQ]);
    payload.peer_list_seq = number(values[AT_PEER_SEQ]);
    payload.group_epoch = number(values[AT_EPOCH]);
    payload.body = values[AT_BODY];
    (void)take(payload.thread_id, sizeof payload.thread_id, values[AT_THREAD]);
    (void)take(payload.account_id, sizeof payload.account_id, values[AT_ACCOUNT]);
    (void)take(payload.msg_id, sizeof payload.msg_id, values[AT_MSG]);
    (void)take(payload.prev, sizeof payload.prev, values[AT_PREV]);
    (void)take(payload.list_hash, sizeof payload.list_hash, values[AT_LIST_HASH]);
    payload.has_peer_list = take(payload.peer_list_hash, sizeof payload.peer_list_hash, values[AT_PEER_HASH]);
    payload.has_group = take(payload.group_hash, sizeof payload.group_hash, values[AT_GROUP_HASH]);
    payload.has_dest = take(payload.dest, sizeof payload.dest, values[AT_DEST]);
    payload.again = values[AT_AGAIN];
    payload.has_again = payload.again.ptr != NULL;
    return e2e_payload_encode(&payload, out);
}

static void put(struct e2e_tlv_writer *writer, uint16_t tag, const uint8_t *bytes, size_t len)
{
    e2e_tlv_put(writer, tag, kith_slice_of(bytes, len));
}

static void put_payload(struct e2e_tlv_writer *writer, const struct e2e_payload *payload)
{
    e2e_tlv_put(writer, 1, payload->content_type);
    put(writer, 2, payload->thread_id, sizeof payload->thread_id);
    put(writer, 3, payload->account_id, sizeof payload->account_id);
    e2e_tlv_put_u32(writer, 4, payload->device_id);
    put(writer, 5, payload->msg_id, sizeof payload->msg_id);
    e2e_tlv_put_u64(writer, 6, payload->sent_at_ms);
    e2e_tlv_put_u64(writer, 7, payload->sseq);
    if (payload->sseq != 1) put(writer, 8, payload->prev, sizeof payload->prev);
    e2e_tlv_put_u64(writer, 9, payload->list_seq);
    put(writer, 10, payload->list_hash, sizeof payload->list_hash);
    if (payload->has_peer_list) {
        e2e_tlv_put_u64(writer, 11, payload->peer_list_seq);
        put(writer, 12, payload->peer_list_hash, sizeof payload->peer_list_hash);
    }
    if (payload->has_group) {
        e2e_tlv_put_u64(writer, 13, payload->group_epoch);
        put(writer, 14, payload->group_hash, sizeof payload->group_hash);
    }
    e2e_tlv_put_optional(writer, 15, payload->body);
    put(writer, 16, payload->body_hash, sizeof payload->body_hash);
    if (payload->has_dest) put(writer, 17, payload->dest, sizeof payload->dest);
    if (payload->has_again) e2e_tlv_put(writer, 18, payload->again);
}

kith_err kith_e2ee_payload_decode(const struct e2e_random *random, const struct kith_slice *args, struct kith_buf *out)
{
    struct e2e_payload payload;
    struct e2e_tlv_writer writer;
    kith_err err = e2e_payload_decode(args[0], &payload);

    (void)random;
    if (err != KITH_OK) return err;
    writer = e2e_tlv_writer_of(out);
    put_payload(&writer, &payload);
    return e2e_tlv_finish(&writer);
}

kith_err kith_e2ee_padded_length(const struct e2e_random *random, const struct kith_slice *args, struct kith_buf *out)
{
    (void)random;
    if (args[0].len != 4) return KITH_E_MALFORMED;
    return kith_buf_append_u32_be(out, (uint32_t)e2e_padded_bytes(e2e_tlv_u32(args[0])));
}
