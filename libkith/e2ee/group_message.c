#include "libkith/e2ee/group_message.h"

#include "libkith/crypto/secret.h"

#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define VERSION          1

_Static_assert(E2E_GROUP_PLAIN_MAX + E2E_AEAD_TAG_BYTES == E2E_SEALED_BYTES_MAX, "the longest that fits");

/* ---------------------------------------------------------------------------------------------- header */
static kith_err decode_header(struct kith_slice in, struct e2e_group_message *out)
{
    enum { AT_GROUP, AT_EPOCH, AT_HASH, AT_ACCOUNT, AT_DEVICE, AT_CHAIN, AT_ITERATION, FIELDS };
    static const struct e2e_tlv_field fields[FIELDS] = {FIXED(1, E2E_GROUP_ID_BYTES),
                                                        FIXED(2, 8),
                                                        FIXED(3, E2E_HASH_BYTES),
                                                        FIXED(4, E2E_ACCOUNT_ID_BYTES),
                                                        FIXED(5, 4),
                                                        FIXED(6, E2E_CHAIN_ID_BYTES),
                                                        FIXED(7, 4)};
    struct kith_slice values[FIELDS];
    kith_err err = e2e_tlv_decode(in, fields, FIELDS, values);

    if (err != KITH_OK) return err;
    memcpy(out->owner.group_id, values[AT_GROUP].ptr, sizeof out->owner.group_id);
    out->epoch.seq = e2e_tlv_u64(values[AT_EPOCH]);
    memcpy(out->epoch.hash, values[AT_HASH].ptr, sizeof out->epoch.hash);
    memcpy(out->owner.account_id, values[AT_ACCOUNT].ptr, sizeof out->owner.account_id);
    out->owner.device_id = e2e_tlv_u32(values[AT_DEVICE]);
    memcpy(out->chain_id, values[AT_CHAIN].ptr, sizeof out->chain_id);
    out->iteration = e2e_tlv_u32(values[AT_ITERATION]);
    /* The last number is never sent: there is no next one. */
    return out->iteration == UINT32_MAX ? KITH_E_MALFORMED : KITH_OK;
}

static kith_err encode_header(const struct e2e_group_message *head, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put(&writer, 1, kith_slice_of(head->owner.group_id, sizeof head->owner.group_id));
    e2e_tlv_put_u64(&writer, 2, head->epoch.seq);
    e2e_tlv_put(&writer, 3, kith_slice_of(head->epoch.hash, sizeof head->epoch.hash));
    e2e_tlv_put(&writer, 4, kith_slice_of(head->owner.account_id, sizeof head->owner.account_id));
    e2e_tlv_put_u32(&writer, 5, head->owner.device_id);
    e2e_tlv_put(&writer, 6, kith_slice_of(head->chain_id, sizeof head->chain_id));
    e2e_tlv_put_u32(&writer, 7, head->iteration);
    return e2e_tlv_finish(&writer);
}

/* ---------------------------------------------------------------------------------------------- message */
enum { AT_VERSION, AT_HEADER, AT_NONCE, AT_COMMITMENT, AT_SEALED, AT_SIGNATURE, MESSAGE_FIELDS };
static const struct e2e_tlv_field message_fields[MESSAGE_FIELDS] = {
    FIXED(1, 1),
    {.tag = 2, .bytes_min = 1, .bytes_max = E2E_HEADER_BYTES_MAX},
    FIXED(3, E2E_AEAD_NONCE_BYTES),
    FIXED(4, E2E_HASH_BYTES),
    {.tag = 5, .bytes_min = E2E_AEAD_TAG_BYTES, .bytes_max = E2E_SEALED_BYTES_MAX},
    FIXED(6, E2E_SIGNATURE_BYTES),
};

kith_err e2e_group_message_decode(struct kith_slice in, struct e2e_group_message *out)
{
    struct kith_slice values[MESSAGE_FIELDS];
    struct e2e_group_message message = {0};
    kith_err err = e2e_tlv_decode(in, message_fields, MESSAGE_FIELDS, values);

    if (err != KITH_OK) return err;
    if (e2e_tlv_u8(values[AT_VERSION]) != VERSION) return KITH_E_UNSUPPORTED;
    /* Nobody would have signed what stands behind the signature. */
    if (values[AT_SIGNATURE].ptr + values[AT_SIGNATURE].len != in.ptr + in.len) return KITH_E_MALFORMED;
    message.header_bytes = values[AT_HEADER];
    message.nonce = values[AT_NONCE].ptr;
    message.commitment = values[AT_COMMITMENT].ptr;
    message.sealed = values[AT_SEALED];
    message.signature = values[AT_SIGNATURE].ptr;
    /* The fields 1 to 5 as they came: nothing stands before or between them. */
    message.signed_bytes = kith_slice_of(in.ptr, (size_t)(message.sealed.ptr - in.ptr) + message.sealed.len);
    err = decode_header(message.header_bytes, &message);
    if (err == KITH_OK) *out = message;
    return err;
}

/* The fields 1 to 5, which are signed. */
static kith_err encode_signed(const struct e2e_group_message *parts, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u8(&writer, 1, VERSION);
    e2e_tlv_put(&writer, 2, parts->header_bytes);
    e2e_tlv_put(&writer, 3, kith_slice_of(parts->nonce, E2E_AEAD_NONCE_BYTES));
    e2e_tlv_put(&writer, 4, kith_slice_of(parts->commitment, E2E_HASH_BYTES));
    e2e_tlv_put(&writer, 5, parts->sealed);
    return e2e_tlv_finish(&writer);
}

/* Appends the message: the signed fields and, behind them, the signature. */
static kith_err encode_message(const struct e2e_group_message *parts,
                               const uint8_t sign_secret[static E2E_SIGN_SECRET_BYTES], struct kith_buf *out)
{
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct e2e_tlv_writer writer;
    struct kith_buf all;
    kith_err err;

    kith_buf_init(&all, parts->sealed.len + E2E_GROUP_MESSAGE_OVERHEAD_MAX);
    err = encode_signed(parts, &all);
    if (err == KITH_OK) err = e2e_sign(sign_secret, E2E_LABEL_SK_MSG, kith_buf_peek(&all), signature);
    if (err != KITH_OK) goto done;
    writer = e2e_tlv_writer_of(&all);
    e2e_tlv_put(&writer, 6, kith_slice_of(signature, sizeof signature));
    err = e2e_tlv_finish(&writer);
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&all));
done:
    kith_buf_deinit(&all);
    return err;
}

/* ---------------------------------------------------------------------------------------------- what it is sealed with */
void e2e_group_message_keys(const uint8_t mk[static E2E_KEY_BYTES], const struct e2e_chain_owner *owner,
                            const uint8_t chain_id[static E2E_CHAIN_ID_BYTES], struct e2e_message_keys *out)
{
    enum {
        TO_ACCOUNT = E2E_GROUP_ID_BYTES,
        TO_DEVICE = TO_ACCOUNT + E2E_ACCOUNT_ID_BYTES,
        TO_CHAIN = TO_DEVICE + 4,
        INFO_BYTES = TO_CHAIN + E2E_CHAIN_ID_BYTES
    };
    uint8_t info[INFO_BYTES];

    memcpy(info, owner->group_id, E2E_GROUP_ID_BYTES);
    memcpy(info + TO_ACCOUNT, owner->account_id, E2E_ACCOUNT_ID_BYTES);
    for (int i = 0; i < 4; i++) info[TO_DEVICE + i] = (uint8_t)(owner->device_id >> (24 - 8 * i));
    memcpy(info + TO_CHAIN, chain_id, E2E_CHAIN_ID_BYTES);
    e2e_message_keys(mk, E2E_LABEL_SK_CHAIN, kith_slice_of(info, sizeof info), out);
}

static struct kith_slice commit_key(const struct e2e_message_keys *keys)
{
    return kith_slice_of(keys->commit, sizeof keys->commit);
}

kith_err e2e_group_message_seal(const struct e2e_random *random, const struct e2e_message_keys *keys,
                                const uint8_t sign_secret[static E2E_SIGN_SECRET_BYTES],
                                const struct e2e_group_message *head, struct kith_slice plain, struct kith_buf *out)
{
    uint8_t nonce[E2E_AEAD_NONCE_BYTES], commitment[E2E_HASH_BYTES], *room = NULL;
    struct e2e_group_message parts = {.nonce = nonce, .commitment = commitment};
    struct kith_buf header, sealed;
    kith_err err;

    kith_buf_init(&header, E2E_HEADER_BYTES_MAX);
    kith_buf_init(&sealed, E2E_SEALED_BYTES_MAX);
    err = encode_header(head, &header);
    if (err == KITH_OK) err = kith_buf_reserve(&sealed, plain.len + E2E_AEAD_TAG_BYTES, &room);
    if (err != KITH_OK) goto done;
    parts.header_bytes = kith_buf_peek(&header);
    e2e_random_fill(random, nonce, sizeof nonce);
    e2e_hmac(commit_key(keys), (struct kith_slice[]){parts.header_bytes, kith_slice_of(nonce, sizeof nonce)}, 2,
             commitment);
    err = e2e_aead_seal(keys->key, nonce, parts.header_bytes, plain, room);
    if (err != KITH_OK) goto done;
    kith_buf_commit(&sealed, plain.len + E2E_AEAD_TAG_BYTES);
    parts.sealed = kith_buf_peek(&sealed);
    err = encode_message(&parts, sign_secret, out);
done:
    kith_buf_deinit(&header);
    kith_buf_deinit(&sealed);
    return err;
}

kith_err e2e_group_message_check(const struct e2e_group_message *message, const struct e2e_message_keys *keys)
{
    const struct kith_slice parts[] = {message->header_bytes, kith_slice_of(message->nonce, E2E_AEAD_NONCE_BYTES)};

    return e2e_hmac_verify(commit_key(keys), parts, 2, message->commitment);
}

kith_err e2e_group_message_open(const struct e2e_group_message *message, const struct e2e_message_keys *keys,
                                struct kith_buf *out)
{
    const size_t len = message->sealed.len - E2E_AEAD_TAG_BYTES;
    uint8_t *room = NULL;
    kith_err err = kith_buf_reserve(out, len, &room);

    if (err == KITH_OK) err = e2e_aead_open(keys->key, message->nonce, message->header_bytes, message->sealed, room);
    if (err == KITH_OK) kith_buf_commit(out, len);
    return err;
}
