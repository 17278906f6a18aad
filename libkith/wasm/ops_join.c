#include "libkith/crypto/secret.h"
#include "libkith/e2ee/join.h"
#include "libkith/wasm/ops_impl.h"

/* The operations of KITH_JOIN_OPS: their arguments are checked for length here, and for all else where they go. */

#define ID(bytes) kith_slice_of((bytes), sizeof(bytes))

OP(join_link_encode)
{
    struct e2e_join_link link;
    uint8_t bytes[E2E_JOIN_LINK_BYTES];
    kith_err err;

    NEED(0, sizeof link.chat_id);
    NEED(1, sizeof link.secret);
    NEED(2, sizeof link.op_hash);
    memcpy(link.chat_id, args[0].ptr, sizeof link.chat_id);
    memcpy(link.secret, args[1].ptr, sizeof link.secret);
    memcpy(link.op_hash, args[2].ptr, sizeof link.op_hash);
    e2e_join_link_encode(&link, bytes);
    err = kith_buf_append(out, ID(bytes));
    e2e_wipe(&link, sizeof link);
    e2e_wipe(bytes, sizeof bytes);
    return err;
}

OP(join_link_decode)
{
    struct e2e_join_link link;
    kith_err err = e2e_join_link_decode(args[0], &link);

    if (err == KITH_OK) err = kith_buf_append(out, ID(link.chat_id));
    if (err == KITH_OK) err = kith_buf_append(out, ID(link.secret));
    if (err == KITH_OK) err = kith_buf_append(out, ID(link.op_hash));
    e2e_wipe(&link, sizeof link);
    return err;
}

OP(join_key)
{
    struct e2e_join_link link;
    uint8_t key[E2E_SIGN_PUBLIC_BYTES];

    TRY(e2e_join_link_decode(args[0], &link));
    e2e_join_key(&link, key);
    e2e_wipe(&link, sizeof link);
    return kith_buf_append(out, ID(key));
}

OP(join_sign)
{
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES], dsk_pub[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_join_request request = {0};
    struct e2e_join_link link;
    kith_err err;

    NEED(0, E2E_SIGN_SEED_BYTES);
    NEED(2, sizeof request.account_id);
    NEED(3, 4);
    NEED(4, 8);
    NEED(5, sizeof request.list_hash);
    NEED(6, 8);
    NEED(7, 8);
    TRY(e2e_join_link_decode(args[1], &link));
    memcpy(request.account_id, args[2].ptr, sizeof request.account_id);
    memcpy(request.list_hash, args[5].ptr, sizeof request.list_hash);
    request.device_id = e2e_tlv_u32(args[3]);
    request.list_seq = e2e_tlv_u64(args[4]);
    request.made_at_ms = e2e_tlv_u64(args[6]);
    request.known_seq = e2e_tlv_u64(args[7]);
    e2e_sign_keypair_from(args[0].ptr, dsk_secret, dsk_pub);
    err = e2e_join_sign(&link, &request, dsk_secret, out);
    e2e_wipe(dsk_secret, sizeof dsk_secret);
    e2e_wipe(&link, sizeof link);
    return err;
}

OP(join_decode)
{
    struct e2e_join_request request;
    kith_err err = e2e_join_decode(args[0], &request);

    if (err == KITH_OK) err = kith_buf_append(out, ID(request.join_key));
    if (err == KITH_OK) err = kith_buf_append(out, ID(request.account_id));
    if (err == KITH_OK) err = kith_buf_append_u32_be(out, request.device_id);
    if (err == KITH_OK) err = kith_buf_append_u64_be(out, request.list_seq);
    if (err == KITH_OK) err = kith_buf_append(out, ID(request.list_hash));
    if (err == KITH_OK) err = kith_buf_append_u64_be(out, request.made_at_ms);
    if (err == KITH_OK) err = kith_buf_append_u64_be(out, request.known_seq);
    return err;
}

OP(join_prove)
{
    struct e2e_join_request request;

    (void)out;
    TRY(e2e_join_decode(args[0], &request));
    return e2e_join_prove(&request);
}

OP(join_verify)
{
    struct e2e_join_request request;

    (void)out;
    NEED(1, E2E_SIGN_PUBLIC_BYTES);
    TRY(e2e_join_decode(args[0], &request));
    return e2e_join_verify(&request, args[1].ptr);
}
