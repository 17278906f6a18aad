#include "libkith/e2ee/join.h"

#include <assert.h>

#include "libkith/crypto/secret.h"

#define VERSION          1
#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}

_Static_assert(1 + E2E_ID_BYTES + E2E_JOIN_SECRET_BYTES + E2E_JOIN_HASH_BYTES == E2E_JOIN_LINK_BYTES,
               "the link's parts");

/* ---------------------------------------------------------------------------------------------- the link */
void e2e_join_link_encode(const struct e2e_join_link *link, uint8_t out[static E2E_JOIN_LINK_BYTES])
{
    *out++ = VERSION;
    memcpy(out, link->chat_id, sizeof link->chat_id);
    memcpy(out + E2E_ID_BYTES, link->secret, sizeof link->secret);
    memcpy(out + E2E_ID_BYTES + E2E_JOIN_SECRET_BYTES, link->op_hash, sizeof link->op_hash);
}

kith_err e2e_join_link_decode(struct kith_slice in, struct e2e_join_link *out)
{
    /* The version first: how long another one's is nobody knows. */
    if (in.len == 0) return KITH_E_MALFORMED;
    if (in.ptr[0] != VERSION) return KITH_E_UNSUPPORTED;
    if (in.len != E2E_JOIN_LINK_BYTES) return KITH_E_MALFORMED;
    in.ptr++;
    memcpy(out->chat_id, in.ptr, sizeof out->chat_id);
    memcpy(out->secret, in.ptr + E2E_ID_BYTES, sizeof out->secret);
    memcpy(out->op_hash, in.ptr + E2E_ID_BYTES + E2E_JOIN_SECRET_BYTES, sizeof out->op_hash);
    return KITH_OK;
}

static void key_pair_of(const struct e2e_join_link *link, uint8_t secret[static E2E_SIGN_SECRET_BYTES],
                        uint8_t public[static E2E_SIGN_PUBLIC_BYTES])
{
    uint8_t seed[E2E_SIGN_SEED_BYTES];

    e2e_derive((struct kith_slice){0}, kith_slice_of(link->secret, sizeof link->secret), E2E_LABEL_JOIN,
               kith_slice_of(link->chat_id, sizeof link->chat_id), seed, sizeof seed);
    e2e_sign_keypair_from(seed, secret, public);
    E2E_CT_PUBLIC(public, E2E_SIGN_PUBLIC_BYTES); /* the whole group knows it */
    e2e_wipe(seed, sizeof seed);
}

void e2e_join_key(const struct e2e_join_link *link, uint8_t out[static E2E_SIGN_PUBLIC_BYTES])
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES];

    key_pair_of(link, secret, out);
    e2e_wipe(secret, sizeof secret);
}

/* ---------------------------------------------------------------------------------------------- the request */
enum { AT_JOIN_KEY, AT_ACCOUNT, AT_DEVICE, AT_LIST_SEQ, AT_LIST_HASH, AT_MADE, AT_KNOWN, FIELDS };
static const struct e2e_tlv_field fields[FIELDS] = {
    FIXED(1, E2E_SIGN_PUBLIC_BYTES),
    FIXED(2, E2E_ACCOUNT_ID_BYTES),
    FIXED(3, 4),
    FIXED(4, 8),
    FIXED(5, E2E_HASH_BYTES),
    FIXED(6, 8),
    {.tag = 7, .bytes_min = 8, .bytes_max = 8, .optional = true},
};

static kith_err request_encode(const struct e2e_join_request *request, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put(&writer, 1, kith_slice_of(request->join_key, sizeof request->join_key));
    e2e_tlv_put(&writer, 2, kith_slice_of(request->account_id, sizeof request->account_id));
    e2e_tlv_put_u32(&writer, 3, request->device_id);
    e2e_tlv_put_u64(&writer, 4, request->list_seq);
    e2e_tlv_put(&writer, 5, kith_slice_of(request->list_hash, sizeof request->list_hash));
    e2e_tlv_put_u64(&writer, 6, request->made_at_ms);
    if (request->known_seq != 0) e2e_tlv_put_u64(&writer, 7, request->known_seq);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_join_sign(const struct e2e_join_link *link, struct e2e_join_request *request,
                       const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES], struct kith_buf *out)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], proof[E2E_SIGNATURE_BYTES], signature[E2E_SIGNATURE_BYTES];
    struct e2e_join_request made = *request;
    struct e2e_tlv_writer writer;
    struct kith_slice bytes;
    struct kith_buf buf;
    kith_err err;

    if (made.device_id == 0 || made.list_seq == 0) return KITH_E_MALFORMED;
    key_pair_of(link, secret, made.join_key);
    kith_buf_init(&buf, E2E_JOIN_REQUEST_BYTES_MAX);
    err = request_encode(&made, &buf);
    bytes = kith_buf_peek(&buf);
    if (err == KITH_OK) err = e2e_sign(secret, E2E_LABEL_JOIN, bytes, proof);
    if (err == KITH_OK) err = e2e_sign(dsk_secret, E2E_LABEL_JOIN, bytes, signature);
    if (err != KITH_OK) goto done;
    writer = e2e_tlv_writer_of(out);
    e2e_tlv_put(&writer, 1, bytes);
    e2e_tlv_put(&writer, 2, kith_slice_of(proof, sizeof proof));
    e2e_tlv_put(&writer, 3, kith_slice_of(signature, sizeof signature));
    err = e2e_tlv_finish(&writer);
    if (err == KITH_OK) memcpy(request->join_key, made.join_key, sizeof request->join_key);
done:
    kith_buf_deinit(&buf);
    e2e_wipe(secret, sizeof secret);
    return err;
}

static kith_err request_decode(struct kith_slice in, struct e2e_join_request *out)
{
    struct kith_slice values[FIELDS];
    struct e2e_join_request request;
    kith_err err = e2e_tlv_decode(in, fields, FIELDS, values);

    if (err != KITH_OK) return err;
    request = (struct e2e_join_request){
        .device_id = e2e_tlv_u32(values[AT_DEVICE]),
        .list_seq = e2e_tlv_u64(values[AT_LIST_SEQ]),
        .made_at_ms = e2e_tlv_u64(values[AT_MADE]),
        .known_seq = values[AT_KNOWN].ptr == NULL ? 0 : e2e_tlv_u64(values[AT_KNOWN]),
    };
    /* No device, list or operation is of that number. */
    if (request.device_id == 0 || request.list_seq == 0) return KITH_E_MALFORMED;
    if (values[AT_KNOWN].ptr != NULL && request.known_seq == 0) return KITH_E_MALFORMED;
    memcpy(request.join_key, values[AT_JOIN_KEY].ptr, sizeof request.join_key);
    memcpy(request.account_id, values[AT_ACCOUNT].ptr, sizeof request.account_id);
    memcpy(request.list_hash, values[AT_LIST_HASH].ptr, sizeof request.list_hash);
    *out = request;
    return KITH_OK;
}

kith_err e2e_join_decode(struct kith_slice in, struct e2e_join_request *out)
{
    static const struct e2e_tlv_field signed_fields[] = {
        {.tag = 1, .bytes_min = 1, .bytes_max = E2E_JOIN_REQUEST_BYTES_MAX},
        FIXED(2, E2E_SIGNATURE_BYTES),
        FIXED(3, E2E_SIGNATURE_BYTES),
    };
    struct kith_slice parts[3];
    kith_err err;

    if (in.len > E2E_JOIN_SIGNED_BYTES_MAX) return KITH_E_TOOBIG;
    err = e2e_tlv_decode(in, signed_fields, 3, parts);
    if (err != KITH_OK) return err;
    /* Nobody would have signed what stands behind it. */
    if (parts[2].ptr + parts[2].len != in.ptr + in.len) return KITH_E_MALFORMED;
    err = request_decode(parts[0], out);
    if (err != KITH_OK) return err;
    out->bytes = parts[0];
    out->proof = parts[1];
    out->signature = parts[2];
    return KITH_OK;
}

kith_err e2e_join_prove(const struct e2e_join_request *request)
{
    assert(request->proof.len == E2E_SIGNATURE_BYTES);
    return e2e_verify(request->join_key, E2E_LABEL_JOIN, request->bytes, request->proof.ptr);
}

kith_err e2e_join_verify(const struct e2e_join_request *request, const uint8_t dsk_pub[static E2E_SIGN_PUBLIC_BYTES])
{
    assert(request->signature.len == E2E_SIGNATURE_BYTES);
    return e2e_verify(dsk_pub, E2E_LABEL_JOIN, request->bytes, request->signature.ptr);
}
