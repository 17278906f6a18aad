#include "libkith/crypto/secret.h"
#include "libkith/e2ee/group_keys.h"
#include "wire/utf8.h"

#define HEAD_BYTES      (E2E_GROUP_KEY_ID_BYTES + E2E_AEAD_NONCE_BYTES) /* before what is encrypted */
#define PLAIN_BYTES_MAX (E2E_GROUP_INFO_BYTES_MAX - HEAD_BYTES - E2E_AEAD_TAG_BYTES)
#define PLAIN_BYTES_MIN (E2E_TLV_HEAD_BYTES + 1)
#define AD_BYTES        (E2E_GROUP_ID_BYTES + E2E_GROUP_KEY_ID_BYTES)

_Static_assert(E2E_GROUP_INFO_BYTES_MIN == HEAD_BYTES + E2E_AEAD_TAG_BYTES + PLAIN_BYTES_MIN, "the shortest");

static struct kith_slice ad_of(const uint8_t *group_id, const uint8_t *key_id, uint8_t out[static AD_BYTES])
{
    memcpy(out, group_id, E2E_GROUP_ID_BYTES);
    memcpy(out + E2E_GROUP_ID_BYTES, key_id, E2E_GROUP_KEY_ID_BYTES);
    return kith_slice_of(out, AD_BYTES);
}

/* ---------------------------------------------------------------------------------------------- what is inside */
static kith_err check_info(const struct e2e_group_info *info)
{
    if (info->name.len == 0 && info->about.len == 0) return KITH_E_MALFORMED;
    if (info->name.len > E2E_GROUP_NAME_BYTES_MAX || info->about.len > E2E_GROUP_ABOUT_BYTES_MAX) return KITH_E_TOOBIG;
    return utf8_is_valid(info->name) && utf8_is_valid(info->about) ? KITH_OK : KITH_E_MALFORMED;
}

static kith_err info_encode(const struct e2e_group_info *info, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_optional(&writer, 1, info->name);
    e2e_tlv_put_optional(&writer, 2, info->about);
    return e2e_tlv_finish(&writer);
}

static kith_err info_decode(struct kith_slice in, struct e2e_group_info *out)
{
    static const struct e2e_tlv_field fields[] = {
        {.tag = 1, .bytes_min = 1, .bytes_max = E2E_GROUP_NAME_BYTES_MAX, .optional = true},
        {.tag = 2, .bytes_min = 1, .bytes_max = E2E_GROUP_ABOUT_BYTES_MAX, .optional = true},
    };
    struct kith_slice values[2];
    struct e2e_group_info info;
    kith_err err = e2e_tlv_decode(in, fields, 2, values);

    if (err != KITH_OK) return KITH_E_MALFORMED;
    info = (struct e2e_group_info){.name = values[0], .about = values[1]};
    err = check_info(&info);
    if (err == KITH_OK) *out = info;
    return err;
}

/* ---------------------------------------------------------------------------------------------- sealing */
kith_err e2e_group_info_seal(const struct e2e_random *random, const uint8_t group_id[static E2E_GROUP_ID_BYTES],
                             const struct e2e_group_info *info, struct e2e_group_info_key *key, struct kith_buf *out)
{
    struct e2e_group_info_key drawn;
    uint8_t ad[AD_BYTES], *room = NULL;
    struct kith_buf plain;
    size_t len;
    kith_err err = check_info(info);

    kith_buf_init(&plain, PLAIN_BYTES_MAX);
    if (err == KITH_OK) err = info_encode(info, &plain);
    len = HEAD_BYTES + kith_buf_len(&plain) + E2E_AEAD_TAG_BYTES;
    if (err == KITH_OK) err = kith_buf_reserve(out, len, &room);
    if (err != KITH_OK) goto done;
    e2e_random_fill(random, drawn.key, sizeof drawn.key);
    e2e_random_fill(random, drawn.id, sizeof drawn.id);
    memcpy(room, drawn.id, sizeof drawn.id);
    e2e_random_fill(random, room + E2E_GROUP_KEY_ID_BYTES, E2E_AEAD_NONCE_BYTES);
    err = e2e_aead_seal(drawn.key, room + E2E_GROUP_KEY_ID_BYTES, ad_of(group_id, drawn.id, ad), kith_buf_peek(&plain),
                        room + HEAD_BYTES);
    if (err == KITH_OK) {
        kith_buf_commit(out, len);
        *key = drawn;
    }
    e2e_wipe(&drawn, sizeof drawn);
done:
    kith_buf_wipe(&plain);
    return err;
}

/* ---------------------------------------------------------------------------------------------- opening */
kith_err e2e_group_info_key_id(struct kith_slice sealed, const uint8_t **id)
{
    if (sealed.len < E2E_GROUP_INFO_BYTES_MIN || sealed.len > E2E_GROUP_INFO_BYTES_MAX) return KITH_E_MALFORMED;
    *id = sealed.ptr;
    return KITH_OK;
}

kith_err e2e_group_info_open(const struct e2e_group_info_key *key, const uint8_t group_id[static E2E_GROUP_ID_BYTES],
                             struct kith_slice sealed, struct kith_buf *plain, struct e2e_group_info *out)
{
    const uint8_t *id = NULL;
    uint8_t ad[AD_BYTES], *room = NULL;
    struct kith_slice cipher;
    size_t len;
    kith_err err = e2e_group_info_key_id(sealed, &id);

    if (err != KITH_OK) return err;
    if (memcmp(id, key->id, sizeof key->id) != 0) return KITH_E_DENIED;
    cipher = kith_slice_of(sealed.ptr + HEAD_BYTES, sealed.len - HEAD_BYTES);
    len = cipher.len - E2E_AEAD_TAG_BYTES;
    err = kith_buf_reserve(plain, len, &room);
    if (err != KITH_OK) return err;
    err = e2e_aead_open(key->key, id + E2E_GROUP_KEY_ID_BYTES, ad_of(group_id, id, ad), cipher, room);
    E2E_CT_PUBLIC(room, len); /* it is a text, no key: reading it may take its time */
    if (err == KITH_OK) err = info_decode(kith_slice_of(room, len), out);
    if (err == KITH_OK)
        kith_buf_commit(plain, len);
    else
        e2e_wipe(room, len);
    return err;
}
