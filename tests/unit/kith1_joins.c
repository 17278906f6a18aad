#include "libkith/crypto/secret.h"
#include "libkith/e2ee/join.h"
#include "tests/unit/kith1_run.h"

/* Steps of tests/vectors/kith1_*.json: invite links, and who asks with them. */

#define OP(name)   static kith1_refusal op_##name(struct kith1_run *run, const json_t *args, json_t *out)
#define ID(bytes)  kith_slice_of((bytes), sizeof(bytes))
#define TEXT_BYTES E2E_CT_BASE64URL_BYTES(E2E_JOIN_LINK_BYTES)

/* ---------------------------------------------------------------------------------------------- links */
static void out_key(const struct e2e_join_link *link, json_t *out)
{
    uint8_t key[E2E_SIGN_PUBLIC_BYTES];

    e2e_join_key(link, key);
    kith1_out(out, "join_key", ID(key));
}

OP(make_link)
{
    struct e2e_join_link link;
    uint8_t bytes[E2E_JOIN_LINK_BYTES];
    char text[TEXT_BYTES];

    memcpy(link.chat_id, kith1_fixed(run, args, "chat_id", sizeof link.chat_id), sizeof link.chat_id);
    memcpy(link.secret, kith1_fixed(run, args, "secret", sizeof link.secret), sizeof link.secret);
    memcpy(link.op_hash, kith1_fixed(run, args, "op_hash", sizeof link.op_hash), sizeof link.op_hash);
    e2e_join_link_encode(&link, bytes);
    e2e_ct_base64url_encode(ID(bytes), text);
    kith1_out(out, "link", ID(bytes));
    kith1_out(out, "text", kith_slice_of(text, sizeof text));
    out_key(&link, out);
    return NULL;
}

OP(read_link)
{
    const struct kith_slice text = kith1_bytes(run, args, "text");
    struct kith_slice bytes = kith1_bytes(run, args, "link");
    struct e2e_join_link link;
    kith_err err = KITH_OK;

    if (json_object_get(args, "text") != NULL) {
        uint8_t *room = kith1_lend(run, text.len);
        size_t len = 0;
        err = e2e_ct_base64url_decode(text, room, &len);
        bytes = kith_slice_of(room, len);
    }
    if (err == KITH_OK) err = e2e_join_link_decode(bytes, &link);
    if (err != KITH_OK) return KITH1_REFUSED;
    kith1_out(out, "chat_id", ID(link.chat_id));
    kith1_out(out, "secret", ID(link.secret));
    kith1_out(out, "op_hash", ID(link.op_hash));
    out_key(&link, out);
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- requests */
OP(sign_join)
{
    struct e2e_join_request request = {
        .device_id = kith1_u32(args, "device_id"),
        .list_seq = kith1_number(args, "list_seq"),
        .made_at_ms = kith1_number(args, "made_at"),
        .known_seq = kith1_number(args, "known_seq"),
    };
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES], dsk_pub[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_join_request made;
    struct e2e_join_link link;
    struct kith_buf signed_request;
    kith_err err = e2e_join_link_decode(kith1_bytes(run, args, "link"), &link);

    if (err != KITH_OK) return KITH1_REFUSED;
    memcpy(request.account_id, kith1_fixed(run, args, "account_id", sizeof request.account_id),
           sizeof request.account_id);
    memcpy(request.list_hash, kith1_fixed(run, args, "list_hash", sizeof request.list_hash), sizeof request.list_hash);
    e2e_sign_keypair_from(kith1_fixed(run, args, "dsk_seed", E2E_SIGN_SEED_BYTES), dsk_secret, dsk_pub);
    kith_buf_init(&signed_request, E2E_JOIN_SIGNED_BYTES_MAX);
    err = e2e_join_sign(&link, &request, dsk_secret, &signed_request);
    if (err == KITH_OK) err = e2e_join_decode(kith_buf_peek(&signed_request), &made);
    if (err == KITH_OK) {
        kith1_out(out, "request", made.bytes);
        kith1_out(out, "signed", kith_buf_peek(&signed_request));
    }
    kith_buf_deinit(&signed_request);
    return kith1_refusal_of(err);
}

OP(read_join)
{
    struct e2e_join_request request;

    if (e2e_join_decode(kith1_bytes(run, args, "signed"), &request) != KITH_OK) return KITH1_REFUSED;
    kith1_out(out, "join_key", ID(request.join_key));
    kith1_out(out, "account_id", ID(request.account_id));
    kith1_out_number(out, "device_id", request.device_id);
    kith1_out_number(out, "list_seq", request.list_seq);
    kith1_out(out, "list_hash", ID(request.list_hash));
    kith1_out_number(out, "made_at", request.made_at_ms);
    if (request.known_seq != 0) kith1_out_number(out, "known_seq", request.known_seq);
    return NULL;
}

OP(prove_join)
{
    struct e2e_join_request request;
    kith_err err = e2e_join_decode(kith1_bytes(run, args, "signed"), &request);

    (void)out;
    if (err == KITH_OK) err = e2e_join_prove(&request);
    return kith1_refusal_of(err);
}

OP(verify_join)
{
    struct e2e_join_request request;
    kith_err err = e2e_join_decode(kith1_bytes(run, args, "signed"), &request);

    (void)out;
    if (err == KITH_OK) err = e2e_join_verify(&request, kith1_fixed(run, args, "dsk_pub", E2E_SIGN_PUBLIC_BYTES));
    return kith1_refusal_of(err);
}

kith1_op *kith1_join_op(const char *name)
{
    static const struct {
        const char *name;
        kith1_op *op;
    } ops[] = {{"make_link", op_make_link}, {"read_link", op_read_link},   {"sign_join", op_sign_join},
               {"read_join", op_read_join}, {"prove_join", op_prove_join}, {"verify_join", op_verify_join}};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return ops[i].op;
    return NULL;
}
