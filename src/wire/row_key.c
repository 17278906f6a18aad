#include <assert.h>

#include "wire/row.h"

static void key_add(struct row_key *key, const void *bytes, size_t len)
{
    assert(key->len + len <= sizeof key->bytes);
    memcpy(key->bytes + key->len, bytes, len);
    key->len += len;
}

static struct row_key key_of(char table, struct kith_uuid first)
{
    struct row_key key = {.bytes = {(uint8_t)table}, .len = 1};

    key_add(&key, first.raw, sizeof first.raw);
    return key;
}

struct row_key row_key_rules(uint16_t shard)
{
    struct row_key key = {.bytes = {'R', (uint8_t)(shard >> 8), (uint8_t)shard}, .len = 3};

    return key;
}

static void key_add_u64(struct row_key *key, uint64_t v)
{
    uint8_t raw[8];

    kith_put_u64_be(raw, v);
    key_add(key, raw, sizeof raw);
}

struct row_key row_key_chat(struct chat_id chat)
{
    return key_of('C', chat.id);
}

struct row_key row_key_member(struct chat_id chat, struct user_id user)
{
    struct row_key key = key_of('P', chat.id);

    key_add(&key, user.id.raw, 16);
    return key;
}

struct row_key row_key_device(struct chat_id chat, struct device_id device)
{
    struct row_key key = key_of('D', chat.id);

    key_add(&key, device.id.raw, 16);
    return key;
}

struct row_key row_key_message(struct chat_id chat, uint64_t seq)
{
    struct row_key key = key_of('M', chat.id);

    key_add_u64(&key, seq);
    return key;
}

struct row_key row_key_body(struct chat_id chat, uint64_t seq, struct device_id device)
{
    struct row_key key = key_of('B', chat.id);

    key_add_u64(&key, seq);
    key_add(&key, device.id.raw, 16);
    return key;
}

struct row_key row_key_group_op(struct chat_id chat, uint64_t group_seq)
{
    struct row_key key = key_of('G', chat.id);

    key_add_u64(&key, group_seq);
    return key;
}

struct row_key row_key_key(struct kith_uuid stream, struct user_id sender, struct msg_id id)
{
    struct row_key key = key_of('K', stream);

    key_add(&key, sender.id.raw, 16);
    key_add(&key, id.id.raw, 16);
    return key;
}

struct row_key row_key_inbox(struct user_id user, struct chat_id chat)
{
    struct row_key key = key_of('U', user.id);

    key_add(&key, chat.id.raw, 16);
    return key;
}

struct row_key row_key_mailbox(struct user_id user)
{
    return key_of('X', user.id);
}

struct row_key row_key_mail(struct user_id user, struct device_id device, uint64_t n)
{
    struct row_key key = key_of('Y', user.id);

    key_add(&key, device.id.raw, 16);
    key_add_u64(&key, n);
    return key;
}

struct row_key row_key_mail_device(struct user_id user, struct device_id device)
{
    struct row_key key = key_of('Z', user.id);

    key_add(&key, device.id.raw, 16);
    return key;
}

struct kith_slice row_key_prefix(const struct row_key *key, size_t len)
{
    assert(len <= key->len);
    return kith_slice_of(key->bytes, len);
}

kith_err row_key_tail_id(struct kith_slice key, struct kith_uuid *out)
{
    if (key.len < 1 + 16 + 16) return KITH_E_MALFORMED;
    memcpy(out->raw, key.ptr + key.len - 16, 16);
    return KITH_OK;
}

kith_err row_key_tail_seq(struct kith_slice key, uint64_t *out)
{
    if (key.len != ROW_PREFIX_STREAM + 8 && key.len != ROW_PREFIX_MAIL_DEVICE + 8) return KITH_E_MALFORMED;
    *out = kith_get_u64_be(key.ptr + key.len - 8);
    return KITH_OK;
}

static kith_err record_put(struct kith_buf *batch, uint8_t kind, const struct row_key *key, struct kith_slice value)
{
    uint8_t *out = NULL;
    kith_err err = kith_buf_reserve(batch, 7 + key->len + value.len, &out);

    if (err != KITH_OK) return err;
    out[0] = kind;
    kith_put_u16_be(out + 1, (uint16_t)key->len);
    kith_put_u32_be(out + 3, (uint32_t)value.len);
    memcpy(out + 7, key->bytes, key->len);
    if (value.len > 0) memcpy(out + 7 + key->len, value.ptr, value.len);
    kith_buf_commit(batch, 7 + key->len + value.len);
    return KITH_OK;
}

kith_err row_put(struct kith_buf *batch, const struct row_key *key, struct kith_slice value)
{
    return record_put(batch, 1, key, value);
}

kith_err row_delete(struct kith_buf *batch, const struct row_key *key)
{
    return record_put(batch, 2, key, (struct kith_slice){0});
}
