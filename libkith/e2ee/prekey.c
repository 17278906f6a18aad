#include "libkith/e2ee/prekey.h"

#include <assert.h>

#include "libkith/crypto/secret.h"

static enum e2e_label label_of(enum e2e_prekey_kind kind)
{
    switch (kind) {
    case E2E_PREKEY_SPK: return E2E_LABEL_SPK;
    case E2E_PREKEY_OPK: return E2E_LABEL_OPK;
    case E2E_PREKEY_KEM_OT: return E2E_LABEL_KEM_OT;
    case E2E_PREKEY_KEM_LR: return E2E_LABEL_KEM_LR;
    }
    assert(!"no such kind");
    return E2E_LABEL_SPK;
}

static struct kith_slice public_of(const struct e2e_prekey *prekey)
{
    return kith_slice_of(prekey->public, e2e_prekey_is_kem(prekey->kind) ? E2E_KEM_PUBLIC_BYTES : E2E_DH_BYTES);
}

/* What the device signs: the server's part, and whose it is. */
static kith_err encode_signed(const struct e2e_prekey *prekey, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                              uint32_t device_id, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put(&writer, 1, kith_slice_of(account_id, E2E_ACCOUNT_ID_BYTES));
    e2e_tlv_put_u32(&writer, 2, device_id);
    e2e_tlv_put_u32(&writer, 3, prekey->id);
    e2e_tlv_put(&writer, 4, public_of(prekey));
    e2e_tlv_put_u64(&writer, 5, prekey->expires_at_ms);
    return e2e_tlv_finish(&writer);
}

static kith_err encode(const struct e2e_prekey *prekey, const uint8_t signature[static E2E_SIGNATURE_BYTES],
                       struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u32(&writer, 1, prekey->id);
    e2e_tlv_put(&writer, 2, public_of(prekey));
    e2e_tlv_put_u64(&writer, 3, prekey->expires_at_ms);
    e2e_tlv_put(&writer, 4, kith_slice_of(signature, E2E_SIGNATURE_BYTES));
    return e2e_tlv_finish(&writer);
}

/* ---------------------------------------------------------------------------------------------- making */
static void draw(const struct e2e_random *random, struct e2e_prekey_secret *secret, struct e2e_prekey *prekey)
{
    uint8_t raw[4];

    do e2e_random_fill(random, raw, sizeof raw);
    while (kith_get_u32_be(raw) == 0);
    secret->id = kith_get_u32_be(raw);
    if (e2e_prekey_is_kem(secret->kind))
        e2e_kem_keypair(random, secret->secret, prekey->public);
    else
        e2e_dh_keypair(random, secret->secret, prekey->public);
    prekey->kind = secret->kind;
    prekey->id = secret->id;
    prekey->expires_at_ms = secret->expires_at_ms;
}

kith_err e2e_prekey_new(const struct e2e_random *random, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                        uint32_t device_id, const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES],
                        enum e2e_prekey_kind kind, uint64_t expires_at_ms, struct e2e_prekey_secret *out,
                        struct kith_buf *public_out)
{
    struct e2e_prekey_secret made = {.kind = kind, .expires_at_ms = expires_at_ms};
    struct e2e_prekey prekey = {0};
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, E2E_PREKEY_BYTES_MAX);
    draw(random, &made, &prekey);
    err = encode_signed(&prekey, account_id, device_id, &bytes);
    if (err == KITH_OK) err = e2e_sign(dsk_secret, label_of(kind), kith_buf_peek(&bytes), signature);
    if (err == KITH_OK) err = encode(&prekey, signature, public_out);
    if (err == KITH_OK) *out = made;
    e2e_wipe(&made, sizeof made);
    kith_buf_deinit(&bytes);
    return err;
}

/* ---------------------------------------------------------------------------------------------- reading */
enum { AT_ID, AT_PUBLIC, AT_EXPIRES, AT_SIGNATURE, FIELD_COUNT };

/* *signature is lent from `in`. */
static kith_err decode(struct kith_slice in, enum e2e_prekey_kind kind, struct e2e_prekey *out,
                       struct kith_slice *signature)
{
    const uint32_t public_bytes = e2e_prekey_is_kem(kind) ? E2E_KEM_PUBLIC_BYTES : E2E_DH_BYTES;
    const struct e2e_tlv_field fields[FIELD_COUNT] = {
        {.tag = 1, .bytes_min = 4, .bytes_max = 4},
        {.tag = 2, .bytes_min = public_bytes, .bytes_max = public_bytes},
        {.tag = 3, .bytes_min = 8, .bytes_max = 8},
        {.tag = 4, .bytes_min = E2E_SIGNATURE_BYTES, .bytes_max = E2E_SIGNATURE_BYTES},
    };
    struct kith_slice values[FIELD_COUNT];
    kith_err err = e2e_tlv_decode(in, fields, FIELD_COUNT, values);

    if (err != KITH_OK) return err;
    out->kind = kind;
    out->id = e2e_tlv_u32(values[AT_ID]);
    if (out->id == 0) return KITH_E_MALFORMED;
    memcpy(out->public, values[AT_PUBLIC].ptr, public_bytes);
    out->expires_at_ms = e2e_tlv_u64(values[AT_EXPIRES]);
    *signature = values[AT_SIGNATURE];
    return KITH_OK;
}

kith_err e2e_prekey_read(struct kith_slice prekey, enum e2e_prekey_kind kind,
                         const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], const struct e2e_device *device,
                         uint64_t now_ms, struct e2e_prekey *out)
{
    struct kith_slice signature = {0};
    struct kith_buf bytes;
    kith_err err;

    memset(out, 0, sizeof *out);
    kith_buf_init(&bytes, E2E_PREKEY_BYTES_MAX);
    err = decode(prekey, kind, out, &signature);
    if (err == KITH_OK) err = e2e_prekey_is_kem(kind) ? e2e_kem_check(out->public) : e2e_dh_check(out->public);
    if (err == KITH_OK && (!device->is_accepted || out->expires_at_ms <= now_ms)) err = KITH_E_DENIED;
    if (err == KITH_OK) err = encode_signed(out, account_id, device->device_id, &bytes);
    if (err == KITH_OK) err = e2e_verify_checked(device->dsk_pub, label_of(kind), kith_buf_peek(&bytes), signature.ptr);
    if (err != KITH_OK) memset(out, 0, sizeof *out);
    kith_buf_deinit(&bytes);
    return err;
}

kith_err e2e_prekey_parse(struct kith_slice prekey, enum e2e_prekey_kind kind, struct e2e_prekey *out)
{
    struct kith_slice signature = {0};
    kith_err err = KITH_E_TOOBIG;

    memset(out, 0, sizeof *out);
    if (prekey.len <= E2E_PREKEY_BYTES_MAX) err = decode(prekey, kind, out, &signature);
    if (err != KITH_OK) memset(out, 0, sizeof *out);
    return err;
}
