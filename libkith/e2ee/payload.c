#include "libkith/e2ee/payload.h"

#include <assert.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/payload_fields.h"

#define PADDING_STEP         160
#define PADDING_STEPPED_MAX  4096
#define UNPADDED_BYTES_FIXED 512 /* of everything but content type and body, at most */

enum { E2E_PAYLOAD_FIELDS(E2E_PAYLOAD_AT, E2E_PAYLOAD_AT) FIELDS };
static const struct e2e_tlv_field fields[FIELDS] = {E2E_PAYLOAD_FIELDS(E2E_PAYLOAD_FIELD, E2E_PAYLOAD_FIELD)};

/* ---------------------------------------------------------------------------------------------- padding */
static unsigned log2_floor(size_t value)
{
    unsigned out = 0;

    while (value >>= 1) out++;
    return out;
}

size_t e2e_padded_bytes(size_t len)
{
    unsigned e, s;
    size_t low;

    if (len <= PADDING_STEPPED_MAX) return (len + PADDING_STEP - 1) / PADDING_STEP * PADDING_STEP;
    e = log2_floor(len);
    s = log2_floor(e) + 1;
    assert(s < e);
    low = ((size_t)1 << (e - s)) - 1;
    return (len + low) & ~low;
}

/* The padding of `len` bytes that stand before it. */
static size_t padding_of(size_t len)
{
    return e2e_padded_bytes(len + E2E_TLV_HEAD_BYTES + 1) - len - E2E_TLV_HEAD_BYTES;
}

/* ---------------------------------------------------------------------------------------------- writing */
static void put_hash(struct e2e_tlv_writer *writer, uint16_t tag, const uint8_t hash[static E2E_HASH_BYTES])
{
    e2e_tlv_put(writer, tag, kith_slice_of(hash, E2E_HASH_BYTES));
}

/* Fields 1 to 15: what body_hash is of. */
static void put_hashed(struct e2e_tlv_writer *writer, const struct e2e_payload *payload)
{
    e2e_tlv_put(writer, 1, payload->content_type);
    e2e_tlv_put(writer, 2, kith_slice_of(payload->thread_id, sizeof payload->thread_id));
    e2e_tlv_put(writer, 3, kith_slice_of(payload->account_id, sizeof payload->account_id));
    e2e_tlv_put_u32(writer, 4, payload->device_id);
    e2e_tlv_put(writer, 5, kith_slice_of(payload->msg_id, sizeof payload->msg_id));
    e2e_tlv_put_u64(writer, 6, payload->sent_at_ms);
    e2e_tlv_put_u64(writer, 7, payload->sseq);
    if (payload->sseq != 1) e2e_tlv_put(writer, 8, kith_slice_of(payload->prev, sizeof payload->prev));
    e2e_tlv_put_u64(writer, 9, payload->list_seq);
    put_hash(writer, 10, payload->list_hash);
    if (payload->has_peer_list) {
        e2e_tlv_put_u64(writer, 11, payload->peer_list_seq);
        put_hash(writer, 12, payload->peer_list_hash);
    }
    if (payload->has_group) {
        e2e_tlv_put_u64(writer, 13, payload->group_epoch);
        put_hash(writer, 14, payload->group_hash);
    }
    e2e_tlv_put_optional(writer, fields[AT_BODY].tag, payload->body);
}

static kith_err check_values(const struct e2e_payload *payload)
{
    if (payload->content_type.len > E2E_CONTENT_TYPE_BYTES_MAX || payload->body.len > E2E_BODY_BYTES_MAX)
        return KITH_E_TOOBIG;
    if (payload->has_again && payload->again.len != E2E_PAYLOAD_AGAIN_BYTES) return KITH_E_MALFORMED;
    if (payload->content_type.len == 0 || payload->device_id == 0 || payload->sseq == 0) return KITH_E_MALFORMED;
    return payload->sseq == 1 && !e2e_ct_is_zero(payload->prev, sizeof payload->prev) ? KITH_E_MALFORMED : KITH_OK;
}

static void put_padding(struct e2e_tlv_writer *writer)
{
    static const uint8_t zeros[PADDING_STEPPED_MAX] = {0};
    const size_t len = padding_of(kith_buf_len(writer->out) - writer->start);

    assert(len <= sizeof zeros); /* of the longest body it is 4,096 and less */
    e2e_tlv_put(writer, fields[AT_PADDING].tag, kith_slice_of(zeros, len));
}

kith_err e2e_payload_encode(struct e2e_payload *payload, struct kith_buf *out)
{
    const size_t most = e2e_padded_bytes(UNPADDED_BYTES_FIXED + payload->content_type.len + payload->body.len);
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);
    struct kith_slice hashed;
    uint8_t hash[E2E_HASH_BYTES] = {0}, *room = NULL;
    kith_err err = check_values(payload);

    if (err != KITH_OK) return err;
    /* In one piece, since a buffer that grows leaves a copy behind; with less room left it may fit all the same. */
    if (out->bytes_max - writer.start >= most) err = kith_buf_reserve(out, most, &room);
    if (err != KITH_OK) return err;
    put_hashed(&writer, payload);
    if (writer.err == KITH_OK) {
        hashed = kith_buf_peek(out);
        hashed.ptr += writer.start;
        hashed.len -= writer.start;
        e2e_sha256(&hashed, 1, hash);
    }
    put_hash(&writer, 16, hash);
    if (payload->has_dest) e2e_tlv_put(&writer, 17, kith_slice_of(payload->dest, sizeof payload->dest));
    if (payload->has_again) e2e_tlv_put(&writer, 18, payload->again);
    if (writer.err == KITH_OK) put_padding(&writer);
    err = e2e_tlv_finish(&writer);
    if (err == KITH_OK) memcpy(payload->body_hash, hash, sizeof hash);
    return err;
}

/* ---------------------------------------------------------------------------------------------- reading */
static void take(uint8_t *out, size_t len, struct kith_slice value)
{
    if (value.ptr != NULL) memcpy(out, value.ptr, len);
}

static kith_err check_together(const struct kith_slice *values)
{
    if ((values[AT_PEER_SEQ].ptr == NULL) != (values[AT_PEER_HASH].ptr == NULL)) return KITH_E_MALFORMED;
    if ((values[AT_EPOCH].ptr == NULL) != (values[AT_GROUP_HASH].ptr == NULL)) return KITH_E_MALFORMED;
    if (e2e_tlv_u32(values[AT_DEVICE]) == 0 || e2e_tlv_u64(values[AT_SSEQ]) == 0) return KITH_E_MALFORMED;
    return (values[AT_PREV].ptr == NULL) == (e2e_tlv_u64(values[AT_SSEQ]) == 1) ? KITH_OK : KITH_E_MALFORMED;
}

/* Before the hash stand the fields it is of, and nothing else. */
static kith_err check_hash(struct kith_slice in, struct kith_slice body_hash)
{
    const struct kith_slice hashed = kith_slice_of(in.ptr, (size_t)(body_hash.ptr - in.ptr) - E2E_TLV_HEAD_BYTES);
    uint8_t hash[E2E_HASH_BYTES];

    e2e_sha256(&hashed, 1, hash);
    return e2e_ct_eq(kith_slice_of(hash, sizeof hash), body_hash) ? KITH_OK : KITH_E_MALFORMED;
}

static kith_err check_padding(size_t whole, struct kith_slice padding)
{
    if (padding.len != padding_of(whole - E2E_TLV_HEAD_BYTES - padding.len)) return KITH_E_MALFORMED;
    return e2e_ct_is_zero(padding.ptr, padding.len) ? KITH_OK : KITH_E_MALFORMED;
}

static void fill(const struct kith_slice *values, struct e2e_payload *out)
{
    *out = (struct e2e_payload){
        .content_type = values[AT_CONTENT_TYPE],
        .device_id = e2e_tlv_u32(values[AT_DEVICE]),
        .sent_at_ms = e2e_tlv_u64(values[AT_SENT]),
        .sseq = e2e_tlv_u64(values[AT_SSEQ]),
        .list_seq = e2e_tlv_u64(values[AT_LIST_SEQ]),
        .has_peer_list = values[AT_PEER_SEQ].ptr != NULL,
        .has_group = values[AT_EPOCH].ptr != NULL,
        .has_dest = values[AT_DEST].ptr != NULL,
        .has_again = values[AT_AGAIN].ptr != NULL,
        .body = values[AT_BODY],
        .again = values[AT_AGAIN],
    };
    if (out->has_peer_list) out->peer_list_seq = e2e_tlv_u64(values[AT_PEER_SEQ]);
    if (out->has_group) out->group_epoch = e2e_tlv_u64(values[AT_EPOCH]);
    take(out->thread_id, sizeof out->thread_id, values[AT_THREAD]);
    take(out->account_id, sizeof out->account_id, values[AT_ACCOUNT]);
    take(out->msg_id, sizeof out->msg_id, values[AT_MSG]);
    take(out->prev, sizeof out->prev, values[AT_PREV]);
    take(out->list_hash, sizeof out->list_hash, values[AT_LIST_HASH]);
    take(out->peer_list_hash, sizeof out->peer_list_hash, values[AT_PEER_HASH]);
    take(out->group_hash, sizeof out->group_hash, values[AT_GROUP_HASH]);
    take(out->body_hash, sizeof out->body_hash, values[AT_BODY_HASH]);
    take(out->dest, sizeof out->dest, values[AT_DEST]);
}

kith_err e2e_payload_decode(struct kith_slice in, struct e2e_payload *out)
{
    struct kith_slice values[FIELDS];
    kith_err err = in.len > E2E_PAYLOAD_BYTES_MAX ? KITH_E_TOOBIG : e2e_tlv_decode(in, fields, FIELDS, values);

    if (err == KITH_OK) err = check_together(values);
    if (err == KITH_OK) err = check_hash(in, values[AT_BODY_HASH]);
    if (err == KITH_OK) err = check_padding(in.len, values[AT_PADDING]);
    if (err == KITH_OK) fill(values, out);
    return err;
}
