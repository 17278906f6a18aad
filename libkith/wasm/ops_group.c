#include "libkith/crypto/secret.h"
#include "libkith/e2ee/group_keys.h"
#include "libkith/wasm/ops_impl.h"

/* The operations of KITH_E2EE_OPS on groups. A group goes in and out as it is saved. */

#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define MAYBE(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len), .optional = true}

enum {
    AT_GROUP,
    AT_KIND,
    AT_AUTHOR,
    AT_DEVICE,
    AT_LIST_SEQ,
    AT_LIST_HASH,
    AT_MADE,
    AT_SUBJECT,
    AT_ROLE,
    AT_FOUNDERS,
    AT_SUITE,
    AT_INFO,
    AT_SETTINGS,
    AT_JOIN_KEY,
    AT_REQUEST,
    FIELDS
};
static const struct e2e_tlv_field fields[FIELDS] = {
    FIXED(1, E2E_GROUP_ID_BYTES),
    FIXED(4, 1),
    FIXED(5, E2E_ACCOUNT_ID_BYTES),
    FIXED(6, 4),
    FIXED(7, 8),
    FIXED(8, E2E_HASH_BYTES),
    FIXED(9, 8),
    MAYBE(11, E2E_ACCOUNT_ID_BYTES),
    MAYBE(12, 1),
    {.tag = 13, .bytes_min = 1, .bytes_max = E2E_GROUP_OP_BYTES_MAX, .optional = true},
    MAYBE(14, 1),
    {.tag = 15, .bytes_min = 1, .bytes_max = E2E_GROUP_OP_BYTES_MAX, .optional = true},
    MAYBE(16, 1),
    MAYBE(17, E2E_SIGN_PUBLIC_BYTES),
    {.tag = 18, .bytes_min = 1, .bytes_max = E2E_GROUP_OP_BYTES_MAX, .optional = true},
};

/* ---------------------------------------------------------------------------------------------- operations */
static uint8_t number(struct kith_slice value)
{
    return value.ptr == NULL ? 0 : e2e_tlv_u8(value);
}

static kith_err read_op(struct kith_slice in, struct e2e_group_op *op)
{
    struct kith_slice values[FIELDS];
    kith_err err = e2e_tlv_decode(in, fields, FIELDS, values);

    if (err != KITH_OK) return err;
    *op = (struct e2e_group_op){
        .kind = (enum e2e_group_kind)e2e_tlv_u8(values[AT_KIND]),
        .author_device = e2e_tlv_u32(values[AT_DEVICE]),
        .list_seq = e2e_tlv_u64(values[AT_LIST_SEQ]),
        .made_at_ms = e2e_tlv_u64(values[AT_MADE]),
        .role = number(values[AT_ROLE]),
        .suite = number(values[AT_SUITE]),
        .settings = number(values[AT_SETTINGS]),
        .founders = values[AT_FOUNDERS],
        .info = values[AT_INFO],
        .request = values[AT_REQUEST],
    };
    memcpy(op->group_id, values[AT_GROUP].ptr, sizeof op->group_id);
    memcpy(op->author, values[AT_AUTHOR].ptr, sizeof op->author);
    memcpy(op->list_hash, values[AT_LIST_HASH].ptr, sizeof op->list_hash);
    if (values[AT_SUBJECT].ptr != NULL) memcpy(op->subject, values[AT_SUBJECT].ptr, sizeof op->subject);
    if (values[AT_JOIN_KEY].ptr != NULL) memcpy(op->join_key, values[AT_JOIN_KEY].ptr, sizeof op->join_key);
    return KITH_OK;
}

/* *out is NULL when there are no bytes, and on an error. */
static kith_err read_group(struct kith_slice bytes, struct e2e_group **out)
{
    *out = NULL;
    return bytes.len == 0 ? KITH_OK : e2e_group_load(bytes, out);
}

static kith_err put_counted(const struct e2e_group *group, struct kith_buf *out)
{
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, 2 * E2E_GROUP_STATE_BYTES_MAX);
    err = e2e_group_save(group, &bytes);
    if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)kith_buf_len(&bytes));
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&bytes));
    kith_buf_deinit(&bytes);
    return err;
}

OP(group_make)
{
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES], dsk_pub[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_group *before = NULL, *after = NULL;
    struct e2e_group_op op;
    struct kith_buf signed_op;
    kith_err err;

    NEED(0, E2E_SIGN_SEED_BYTES);
    kith_buf_init(&signed_op, E2E_GROUP_SIGNED_BYTES_MAX);
    e2e_sign_keypair_from(args[0].ptr, dsk_secret, dsk_pub);
    err = read_op(args[2], &op);
    if (err == KITH_OK) err = read_group(args[1], &before);
    if (err == KITH_OK) err = e2e_group_make(before, &op, dsk_secret, &after, &signed_op);
    if (err == KITH_OK) err = put_counted(after, out);
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&signed_op));
    e2e_wipe(dsk_secret, sizeof dsk_secret);
    kith_buf_deinit(&signed_op);
    e2e_group_free(before);
    e2e_group_free(after);
    return err;
}

static kith_err apply(const struct e2e_group *before, const struct e2e_group_op *op, const uint8_t *dsk_pub,
                      struct kith_buf *out)
{
    const enum e2e_group_step step = e2e_group_compare(before, op);
    struct e2e_group *after = NULL;
    kith_err err = kith_buf_append_u8(out, (uint8_t)step);

    if (err != KITH_OK || step != E2E_GROUP_STEP_NEXT) return err;
    err = e2e_group_apply(before, op, &after);
    if (err == KITH_OK) err = e2e_group_op_verify(op, dsk_pub);
    if (err == KITH_OK) err = e2e_group_save(after, out);
    e2e_group_free(after);
    return err;
}

OP(group_apply)
{
    struct e2e_group *before = NULL;
    struct e2e_group_op op;
    kith_err err;

    NEED(2, E2E_SIGN_PUBLIC_BYTES);
    err = e2e_group_op_decode(args[1], &op);
    if (err == KITH_OK) err = read_group(args[0], &before);
    if (err == KITH_OK) err = apply(before, &op, args[2].ptr, out);
    e2e_group_free(before);
    return err;
}

/* ---------------------------------------------------------------------------------------------- keys */
OP(group_info_seal)
{
    const struct e2e_group_info info = {.name = args[1], .about = args[2]};
    struct e2e_group_info_key key = {0};
    struct kith_buf sealed;
    kith_err err;

    NEED(0, E2E_GROUP_ID_BYTES);
    kith_buf_init(&sealed, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_group_info_seal(random, args[0].ptr, &info, &key, &sealed);
    if (err == KITH_OK) err = kith_buf_append(out, kith_slice_of(key.id, sizeof key.id));
    if (err == KITH_OK) err = kith_buf_append(out, kith_slice_of(key.key, sizeof key.key));
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&sealed));
    e2e_wipe(&key, sizeof key);
    kith_buf_deinit(&sealed);
    return err;
}

OP(group_info_open)
{
    struct e2e_group_info_key key;
    struct e2e_group_info info = {0};
    struct e2e_tlv_writer writer;
    struct kith_buf plain;
    kith_err err;

    NEED(0, E2E_GROUP_KEY_ID_BYTES);
    NEED(1, E2E_KEY_BYTES);
    NEED(2, E2E_GROUP_ID_BYTES);
    memcpy(key.id, args[0].ptr, sizeof key.id);
    memcpy(key.key, args[1].ptr, sizeof key.key);
    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_group_info_open(&key, args[2].ptr, args[3], &plain, &info);
    if (err == KITH_OK) {
        writer = e2e_tlv_writer_of(out);
        e2e_tlv_put_optional(&writer, 1, info.name);
        e2e_tlv_put_optional(&writer, 2, info.about);
        err = e2e_tlv_finish(&writer);
    }
    e2e_wipe(&key, sizeof key);
    kith_buf_wipe(&plain);
    return err;
}

OP(group_keys_decode)
{
    struct e2e_group_keys keys;
    kith_err err = e2e_group_keys_decode(args[0], &keys);

    if (err != KITH_OK) return err;
    err = e2e_group_keys_encode(&keys, out);
    e2e_wipe(&keys, sizeof keys);
    return err;
}
