#include "libkith/wasm/ops.h"

#include <assert.h>

#include "libkith/crypto/aead.h"
#include "libkith/crypto/dh.h"
#include "libkith/crypto/kem.h"
#include "libkith/crypto/passphrase.h"
#include "libkith/crypto/safety_number.h"
#include "libkith/crypto/secret.h"
#include "libkith/crypto/tlv.h"
#include "libkith/wasm/args.h"

#define OP(name)                                                                       \
    static kith_err op_##name(const struct e2e_random *random __attribute__((unused)), \
                              const struct kith_slice *args __attribute__((unused)),   \
                              struct kith_buf *out __attribute__((unused)))

/* `bytes` zeroed and lent at the end of `out`; what is not wanted after an error is cut off by op_run(). */
#define ROOM(name, bytes)                            \
    uint8_t *name = NULL;                            \
    do {                                             \
        kith_err room_err = room(out, bytes, &name); \
        if (room_err != KITH_OK) return room_err;    \
    } while (0)

static kith_err room(struct kith_buf *out, size_t len, uint8_t **at)
{
    kith_err err = kith_buf_reserve(out, len, at);

    if (err != KITH_OK) return err;
    if (len > 0) memset(*at, 0, len);
    kith_buf_commit(out, len);
    return KITH_OK;
}

static kith_err number(struct kith_slice arg, uint32_t *out)
{
    if (arg.len != 4) return KITH_E_MALFORMED;
    *out = e2e_tlv_u32(arg);
    return KITH_OK;
}

static kith_err label_of(struct kith_slice text, unsigned use, enum e2e_label *out)
{
    if (e2e_label_find(text, out) != KITH_OK) return KITH_E_NOTFOUND;
    return (e2e_label_row(*out)->uses & use) != 0 ? KITH_OK : KITH_E_DENIED;
}

/* ---------------------------------------------------------------------------------------------- hashes and keys */
OP(sha256)
{
    ROOM(hash, E2E_HASH_BYTES);
    e2e_sha256(args, 1, hash);
    return KITH_OK;
}

OP(sha512)
{
    ROOM(hash, E2E_SHA512_BYTES);
    e2e_sha512(args, 1, hash);
    return KITH_OK;
}

OP(blake2b)
{
    if (args[0].len > E2E_BLAKE2B_KEY_BYTES_MAX) return KITH_E_MALFORMED;
    ROOM(hash, E2E_HASH_BYTES);
    e2e_blake2b(args[0], args + 1, 1, hash);
    return KITH_OK;
}

OP(hmac)
{
    ROOM(tag, E2E_HASH_BYTES);
    e2e_hmac(args[0], args + 1, 1, tag);
    return KITH_OK;
}

OP(hmac_verify)
{
    NEED(2, E2E_HASH_BYTES);
    return e2e_hmac_verify(args[0], args + 1, 1, args[2].ptr);
}

static kith_err out_count(struct kith_slice arg, uint32_t *count)
{
    kith_err err = number(arg, count);

    if (err == KITH_OK && *count == 0) err = KITH_E_MALFORMED;
    if (err == KITH_OK && *count > E2E_HKDF_OUT_BYTES_MAX) err = KITH_E_TOOBIG;
    return err;
}

OP(hkdf)
{
    uint32_t count = 0;
    kith_err err = out_count(args[3], &count);

    if (err != KITH_OK) return err;
    ROOM(okm, count);
    e2e_hkdf(args[0], args[1], args[2], okm, count);
    return KITH_OK;
}

OP(derive)
{
    enum e2e_label label = E2E_LABEL_ROOT;
    uint32_t count = 0;
    kith_err err = label_of(args[2], E2E_LABEL_DERIVE, &label);

    if (err == KITH_OK) err = out_count(args[4], &count);
    if (err == KITH_OK && args[3].len > E2E_INFO_BYTES_MAX) err = KITH_E_TOOBIG;
    if (err != KITH_OK) return err;
    ROOM(key, count);
    e2e_derive(args[0], args[1], label, args[3], key, count);
    return KITH_OK;
}

OP(transcript)
{
    enum e2e_label label = E2E_LABEL_ROOT;
    kith_err err = label_of(args[0], E2E_LABEL_HASH, &label);

    if (err != KITH_OK) return err;
    ROOM(hash, E2E_HASH_BYTES);
    e2e_transcript(label, args + 1, 1, hash);
    return KITH_OK;
}

OP(label_prefix)
{
    uint8_t prefix[E2E_LABEL_PREFIX_BYTES_MAX];
    enum e2e_label label = E2E_LABEL_ROOT;
    size_t len;

    if (e2e_label_find(args[0], &label) != KITH_OK) return KITH_E_NOTFOUND;
    len = e2e_label_prefix(label, e2e_label_row(label)->uses, prefix);
    return kith_buf_append(out, kith_slice_of(prefix, len));
}

/* ---------------------------------------------------------------------------------------------- X25519 */
OP(dh_keypair)
{
    ROOM(pair, 2 * E2E_DH_BYTES);
    e2e_dh_keypair(random, pair, pair + E2E_DH_BYTES);
    return KITH_OK;
}

OP(dh_public)
{
    NEED(0, E2E_DH_BYTES);
    ROOM(public, E2E_DH_BYTES);
    e2e_dh_keypair_from(args[0].ptr, public);
    return KITH_OK;
}

OP(dh_check)
{
    NEED(0, E2E_DH_BYTES);
    return e2e_dh_check(args[0].ptr);
}

OP(dh)
{
    NEED(0, E2E_DH_BYTES);
    NEED(1, E2E_DH_BYTES);
    ROOM(shared, E2E_DH_BYTES);
    return e2e_dh(args[0].ptr, args[1].ptr, shared);
}

/* ---------------------------------------------------------------------------------------------- Ed25519 */
OP(sign_keypair)
{
    ROOM(pair, E2E_SIGN_SECRET_BYTES + E2E_SIGN_PUBLIC_BYTES);
    e2e_sign_keypair(random, pair, pair + E2E_SIGN_SECRET_BYTES);
    return KITH_OK;
}

OP(sign_public)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES];

    NEED(0, E2E_SIGN_SEED_BYTES);
    ROOM(public, E2E_SIGN_PUBLIC_BYTES);
    e2e_sign_keypair_from(args[0].ptr, secret, public);
    e2e_wipe(secret, sizeof secret);
    return KITH_OK;
}

OP(sign_check)
{
    NEED(0, E2E_SIGN_PUBLIC_BYTES);
    return e2e_sign_check(args[0].ptr);
}

OP(sign)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    enum e2e_label label = E2E_LABEL_ROOT;
    kith_err err;

    NEED(0, E2E_SIGN_SEED_BYTES);
    err = label_of(args[1], E2E_LABEL_SIGN, &label);
    if (err != KITH_OK) return err;
    ROOM(signature, E2E_SIGNATURE_BYTES);
    e2e_sign_keypair_from(args[0].ptr, secret, public);
    err = e2e_sign(secret, label, args[2], signature);
    e2e_wipe(secret, sizeof secret);
    return err;
}

OP(verify)
{
    enum e2e_label label = E2E_LABEL_ROOT;
    kith_err err;

    NEED(0, E2E_SIGN_PUBLIC_BYTES);
    NEED(3, E2E_SIGNATURE_BYTES);
    err = label_of(args[1], E2E_LABEL_SIGN, &label);
    return err == KITH_OK ? e2e_verify(args[0].ptr, label, args[2], args[3].ptr) : err;
}

OP(ed25519_sign)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];

    NEED(0, E2E_SIGN_SEED_BYTES);
    ROOM(signature, E2E_SIGNATURE_BYTES);
    e2e_sign_keypair_from(args[0].ptr, secret, public);
    e2e_ed25519_sign(secret, args[1], signature);
    e2e_wipe(secret, sizeof secret);
    return KITH_OK;
}

OP(ed25519_verify)
{
    NEED(0, E2E_SIGN_PUBLIC_BYTES);
    NEED(2, E2E_SIGNATURE_BYTES);
    return e2e_ed25519_verify(args[0].ptr, args[1], args[2].ptr);
}

/* ---------------------------------------------------------------------------------------------- ML-KEM */
OP(kem_keypair)
{
    ROOM(pair, E2E_KEM_SEED_BYTES + E2E_KEM_PUBLIC_BYTES);
    e2e_kem_keypair(random, pair, pair + E2E_KEM_SEED_BYTES);
    return KITH_OK;
}

static void kem_pair(struct kith_slice seed, uint8_t *secret_out, uint8_t *public_out)
{
    uint8_t secret[E2E_KEM_SECRET_BYTES], public[E2E_KEM_PUBLIC_BYTES];

    e2e_kem_keypair_from(seed.ptr, secret, public);
    if (secret_out != NULL) memcpy(secret_out, secret, sizeof secret);
    if (public_out != NULL) memcpy(public_out, public, sizeof public);
    e2e_wipe(secret, sizeof secret);
}

OP(kem_public)
{
    NEED(0, E2E_KEM_SEED_BYTES);
    ROOM(public, E2E_KEM_PUBLIC_BYTES);
    kem_pair(args[0], NULL, public);
    return KITH_OK;
}

OP(kem_secret)
{
    NEED(0, E2E_KEM_SEED_BYTES);
    ROOM(secret, E2E_KEM_SECRET_BYTES);
    kem_pair(args[0], secret, NULL);
    return KITH_OK;
}

OP(kem_check)
{
    NEED(0, E2E_KEM_PUBLIC_BYTES);
    return e2e_kem_check(args[0].ptr);
}

OP(kem_encaps)
{
    NEED(0, E2E_KEM_PUBLIC_BYTES);
    ROOM(cipher, E2E_KEM_CIPHER_BYTES + E2E_KEM_SHARED_BYTES);
    return e2e_kem_encaps(random, args[0].ptr, cipher, cipher + E2E_KEM_CIPHER_BYTES);
}

OP(kem_encaps_from)
{
    NEED(0, E2E_KEM_COINS_BYTES);
    NEED(1, E2E_KEM_PUBLIC_BYTES);
    ROOM(cipher, E2E_KEM_CIPHER_BYTES + E2E_KEM_SHARED_BYTES);
    return e2e_kem_encaps_from(args[0].ptr, args[1].ptr, cipher, cipher + E2E_KEM_CIPHER_BYTES);
}

OP(kem_decaps)
{
    NEED(0, E2E_KEM_SECRET_BYTES);
    NEED(1, E2E_KEM_CIPHER_BYTES);
    ROOM(shared, E2E_KEM_SHARED_BYTES);
    return e2e_kem_decaps(args[0].ptr, args[1].ptr, shared);
}

/* ---------------------------------------------------------------------------------------------- AEAD, passphrase */
OP(aead_seal)
{
    NEED(0, E2E_KEY_BYTES);
    NEED(1, E2E_AEAD_NONCE_BYTES);
    ROOM(sealed, args[3].len + E2E_AEAD_TAG_BYTES);
    return e2e_aead_seal(args[0].ptr, args[1].ptr, args[2], args[3], sealed);
}

OP(aead_open)
{
    NEED(0, E2E_KEY_BYTES);
    NEED(1, E2E_AEAD_NONCE_BYTES);
    if (args[3].len < E2E_AEAD_TAG_BYTES) return KITH_E_MALFORMED;
    ROOM(plain, args[3].len - E2E_AEAD_TAG_BYTES);
    return e2e_aead_open(args[0].ptr, args[1].ptr, args[2], args[3], plain);
}

OP(passphrase_key)
{
    struct e2e_passphrase_cost cost = {0};
    kith_err err;

    NEED(1, E2E_SALT_BYTES);
    err = number(args[2], &cost.passes);
    if (err == KITH_OK) err = number(args[3], &cost.memory_kib);
    if (err != KITH_OK) return err;
    ROOM(key, E2E_KEY_BYTES);
    return e2e_passphrase_key(args[0], args[1].ptr, cost, key);
}

/* ---------------------------------------------------------------------------------------------- secrets as text */
OP(ct_eq)
{
    return e2e_ct_eq(args[0], args[1]) ? KITH_OK : KITH_E_DENIED;
}

OP(hex_encode)
{
    if (args[0].len > E2E_CT_TEXT_BYTES_MAX / 2) return KITH_E_TOOBIG;
    ROOM(text, E2E_CT_HEX_BYTES(args[0].len));
    e2e_ct_hex_encode(args[0], (char *)text);
    return KITH_OK;
}

OP(base64url_encode)
{
    if (args[0].len > E2E_CT_TEXT_BYTES_MAX / 2) return KITH_E_TOOBIG;
    ROOM(text, E2E_CT_BASE64URL_BYTES(args[0].len));
    e2e_ct_base64url_encode(args[0], (char *)text);
    return KITH_OK;
}

OP(hex_decode)
{
    size_t len = 0;
    ROOM(bytes, args[0].len / 2);
    return e2e_ct_hex_decode(args[0], bytes, &len);
}

OP(base64url_decode)
{
    size_t len = 0;
    ROOM(bytes, args[0].len * 3 / 4);
    return e2e_ct_base64url_decode(args[0], bytes, &len);
}

OP(safety_half)
{
    NEED(0, E2E_SIGN_PUBLIC_BYTES);
    if (args[1].len > E2E_SAFETY_ID_BYTES_MAX) return KITH_E_TOOBIG;
    ROOM(digits, E2E_SAFETY_HALF_DIGITS);
    e2e_safety_half(args[0].ptr, args[1], (char *)digits);
    return KITH_OK;
}

OP(safety_number)
{
    NEED(0, E2E_SIGN_PUBLIC_BYTES);
    NEED(1, E2E_ACCOUNT_ID_BYTES);
    NEED(2, E2E_SIGN_PUBLIC_BYTES);
    NEED(3, E2E_ACCOUNT_ID_BYTES);
    ROOM(digits, E2E_SAFETY_DIGITS);
    e2e_safety_number(args[0].ptr, args[1].ptr, args[2].ptr, args[3].ptr, (char *)digits);
    return KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- the encoding itself */
OP(tlv_fields)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(args[0]);
    struct kith_slice value = {0};
    uint16_t tag = 0;
    kith_err err;

    while ((err = e2e_tlv_next(&reader, &tag, &value)) == KITH_OK) {
        err = kith_buf_append_u16_be(out, tag);
        if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)value.len);
        if (err != KITH_OK) return err;
    }
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

static kith_err read_fields(struct kith_slice in, struct e2e_tlv_field fields[static E2E_TLV_FIELDS_MAX], size_t *count)
{
    size_t n = 0;

    for (; in.len > 0; n++) {
        uint8_t optional = 0;
        kith_err err = n < E2E_TLV_FIELDS_MAX ? kith_eat_u16_be(&in, &fields[n].tag) : KITH_E_TOOBIG;
        if (err == KITH_OK) err = kith_eat_u32_be(&in, &fields[n].bytes_min);
        if (err == KITH_OK) err = kith_eat_u32_be(&in, &fields[n].bytes_max);
        if (err == KITH_OK) err = kith_eat_u8(&in, &optional);
        if (err != KITH_OK) return err;
        fields[n].optional = optional != 0;
        if (n > 0 && fields[n].tag <= fields[n - 1].tag) return KITH_E_MALFORMED;
        if (fields[n].bytes_min > fields[n].bytes_max || (optional && fields[n].bytes_min == 0))
            return KITH_E_MALFORMED;
    }
    *count = n;
    return n > 0 ? KITH_OK : KITH_E_MALFORMED;
}

OP(tlv_decode)
{
    struct e2e_tlv_field fields[E2E_TLV_FIELDS_MAX];
    struct kith_slice values[E2E_TLV_FIELDS_MAX];
    size_t count = 0;
    kith_err err = read_fields(args[0], fields, &count);

    if (err == KITH_OK) err = e2e_tlv_decode(args[1], fields, count, values);
    for (size_t i = 0; err == KITH_OK && i < count; i++) err = kith_buf_append(out, values[i]);
    return err;
}

OP(tlv_items)
{
    size_t count = 0;
    kith_err err = e2e_tlv_count_items(args[0], &count);

    return err == KITH_OK ? kith_buf_append_u32_be(out, (uint32_t)count) : err;
}

/* ---------------------------------------------------------------------------------------------- the table */
static const struct kith_op ops[] = {
#define X(name, count, what) {#name, count, op_##name},
    KITH_OPS(X)
#undef X
#define X(name, count, what) {#name, count, kith_e2ee_##name},
        KITH_E2EE_OPS(X) KITH_CHAIN_OPS(X) KITH_JOIN_OPS(X) KITH_RESEND_OPS(X)
#undef X
};
#define X(name, count, what) _Static_assert((count) <= KITH_OP_ARGS_MAX, "arguments of " #name);
KITH_OPS(X)
KITH_E2EE_OPS(X)
KITH_CHAIN_OPS(X)
KITH_JOIN_OPS(X)
KITH_RESEND_OPS(X)
#undef X

const struct kith_op *kith_op_find(const char *name)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return &ops[i];
    return NULL;
}

static kith_err read_args(const struct kith_op *op, struct kith_slice in,
                          struct kith_slice args[static KITH_OP_ARGS_MAX])
{
    struct e2e_tlv_field fields[KITH_OP_ARGS_MAX];

    if (op->arg_count == 0) return in.len == 0 ? KITH_OK : KITH_E_UNSUPPORTED;
    for (size_t i = 0; i < op->arg_count; i++)
        fields[i] = (struct e2e_tlv_field){.tag = (uint16_t)(i + 1), .bytes_max = E2E_TLV_BYTES_MAX};
    return e2e_tlv_decode(in, fields, op->arg_count, args);
}

kith_err kith_op_call(const struct kith_op *op, const struct e2e_random *random, struct kith_slice in,
                      struct kith_buf *out)
{
    struct kith_slice args[KITH_OP_ARGS_MAX] = {0};
    size_t before = kith_buf_len(out);
    kith_err err = read_args(op, in, args);

    if (err == KITH_OK) err = op->run(random, args, out);
    if (err != KITH_OK) out->tail = out->head + before;
    return err;
}
