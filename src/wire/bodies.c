#include "wire/bodies.h"

#include <assert.h>
#include <sodium.h>

enum { TAG_LISTS = 1, TAG_ITEMS = 2, TAG_DIGEST = 3 };

#define FIELD_HEAD_BYTES 6
#define ITEM_HEAD_BYTES  20

static kith_err eat_field(struct kith_slice *in, uint16_t tag_wanted, struct kith_slice *out)
{
    uint16_t tag = 0;
    uint32_t len = 0;
    kith_err err;

    err = kith_eat_u16_be(in, &tag);
    if (err != KITH_OK) return err;
    if (tag != tag_wanted) return KITH_E_MALFORMED;
    err = kith_eat_u32_be(in, &len);
    if (err != KITH_OK) return err;
    return kith_eat_bytes(in, len, out);
}

kith_err bodies_next_list(struct kith_slice *lists, struct bodies_list *out)
{
    kith_err err;

    if (lists->len == 0) return KITH_E_NOTFOUND;
    err = kith_eat_copy(lists, out->user.id.raw, 16);
    if (err != KITH_OK) return err;
    return kith_eat_u64_be(lists, &out->list_seq);
}

kith_err bodies_next_item(struct kith_slice *items, struct bodies_item *out)
{
    uint32_t len = 0;
    kith_err err;

    if (items->len == 0) return KITH_E_NOTFOUND;
    err = kith_eat_copy(items, out->device.id.raw, 16);
    if (err != KITH_OK) return err;
    err = kith_eat_u32_be(items, &len);
    if (err != KITH_OK) return err;
    return kith_eat_bytes(items, len, &out->ciphertext);
}

static kith_err check_lists(struct kith_slice lists, uint32_t *count)
{
    struct kith_uuid last = {0};
    struct bodies_list item = {0};
    kith_err err;

    for (*count = 0;; last = item.user.id, ++*count) {
        err = bodies_next_list(&lists, &item);
        if (err == KITH_E_NOTFOUND) return KITH_OK;
        if (err != KITH_OK) return err;
        if (*count == BODIES_DEVICES_MAX) return KITH_E_TOOBIG;
        if (*count > 0 && kith_uuid_cmp(last, item.user.id) >= 0) return KITH_E_MALFORMED;
    }
}

static kith_err check_items(struct kith_slice items, uint32_t *count)
{
    struct kith_uuid last = {0};
    struct bodies_item item = {0};
    kith_err err;

    for (*count = 0;; last = item.device.id, ++*count) {
        err = bodies_next_item(&items, &item);
        if (err == KITH_E_NOTFOUND) return KITH_OK;
        if (err != KITH_OK) return err;
        if (*count == BODIES_DEVICES_MAX) return KITH_E_TOOBIG;
        if (*count > 0 && kith_uuid_cmp(last, item.device.id) >= 0) return KITH_E_MALFORMED;
    }
}

/* Behind the bodies: of which there is one, for all. */
static kith_err eat_digest(struct kith_slice *in, struct bodies *found)
{
    struct kith_slice items = found->items, digest = {0};
    struct bodies_item item = {0};
    kith_err err = eat_field(in, TAG_DIGEST, &digest);

    if (err != KITH_OK) return err;
    if (digest.len != BODIES_DIGEST_BYTES || found->item_count != 1) return KITH_E_MALFORMED;
    if (bodies_next_item(&items, &item) != KITH_OK || !kith_uuid_is_nil(item.device.id)) return KITH_E_MALFORMED;
    found->digest = digest.ptr;
    return KITH_OK;
}

kith_err bodies_decode(struct kith_slice in, struct bodies *out)
{
    struct bodies found = {0};
    struct kith_slice ahead = in;
    uint16_t tag = 0;
    kith_err err = kith_eat_u16_be(&ahead, &tag);
    const bool has_lists = tag != TAG_ITEMS;

    if (err == KITH_OK && has_lists) err = eat_field(&in, TAG_LISTS, &found.lists);
    if (err == KITH_OK) err = eat_field(&in, TAG_ITEMS, &found.items);
    if (err == KITH_OK) err = check_lists(found.lists, &found.list_count);
    if (err == KITH_OK) err = check_items(found.items, &found.item_count);
    if (err == KITH_OK && !has_lists) err = eat_digest(&in, &found);
    if (err != KITH_OK) return err;
    if (in.len != 0) return KITH_E_MALFORMED;
    *out = found;
    return KITH_OK;
}

kith_err bodies_find(const struct bodies *bodies, struct device_id device, struct kith_slice *out)
{
    struct kith_slice items = bodies->items;
    struct bodies_item item = {0};

    while (bodies_next_item(&items, &item) == KITH_OK) {
        int order = kith_uuid_cmp(item.device.id, device.id);
        if (order > 0) break;
        if (order < 0) continue;
        *out = item.ciphertext;
        return KITH_OK;
    }
    return KITH_E_NOTFOUND;
}

kith_err bodies_for(const struct bodies *bodies, struct device_id device, struct kith_slice *out)
{
    kith_err err = bodies_find(bodies, device, out);

    return err == KITH_OK ? KITH_OK : bodies_find(bodies, (struct device_id){0}, out);
}

void bodies_digest_add(uint8_t digest[static BODIES_DIGEST_BYTES], const struct bodies_list *list)
{
    uint8_t named[24], hash[crypto_hash_sha256_BYTES];
    unsigned carry = 0;

    if (list->list_seq == 0) return;
    memcpy(named, list->user.id.raw, 16);
    kith_put_u64_be(named + 16, list->list_seq);
    crypto_hash_sha256(hash, named, sizeof named);
    for (size_t i = BODIES_DIGEST_BYTES; i-- > 0; carry >>= 8) {
        carry += (unsigned)digest[i] + hash[i];
        digest[i] = (uint8_t)carry;
    }
}

static kith_err put_lists(struct kith_buf *out, const struct bodies_list *lists, size_t count)
{
    kith_err err = kith_buf_append_u16_be(out, TAG_LISTS);

    if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)(count * 24));
    for (size_t i = 0; i < count && err == KITH_OK; i++) {
        assert(i == 0 || kith_uuid_cmp(lists[i - 1].user.id, lists[i].user.id) < 0);
        err = kith_buf_append(out, kith_slice_of(lists[i].user.id.raw, 16));
        if (err == KITH_OK) err = kith_buf_append_u64_be(out, lists[i].list_seq);
    }
    return err;
}

kith_err bodies_encode(struct kith_buf *out, const struct bodies_list *lists, size_t list_count,
                       const struct bodies_item *items, size_t item_count)
{
    size_t total = 0;
    kith_err err = put_lists(out, lists, list_count);

    for (size_t i = 0; i < item_count; i++) total += ITEM_HEAD_BYTES + items[i].ciphertext.len;
    if (err == KITH_OK && total > KITH_MESSAGE_BYTES_MAX) err = KITH_E_TOOBIG;
    if (err == KITH_OK) err = kith_buf_append_u16_be(out, TAG_ITEMS);
    if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)total);
    for (size_t i = 0; i < item_count && err == KITH_OK; i++) {
        assert(i == 0 || kith_uuid_cmp(items[i - 1].device.id, items[i].device.id) < 0);
        err = kith_buf_append(out, kith_slice_of(items[i].device.id.raw, 16));
        if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)items[i].ciphertext.len);
        if (err == KITH_OK) err = kith_buf_append(out, items[i].ciphertext);
    }
    return err;
}

kith_err bodies_encode_common(struct kith_buf *out, const uint8_t digest[static BODIES_DIGEST_BYTES],
                              struct kith_slice ciphertext)
{
    const size_t around = FIELD_HEAD_BYTES + ITEM_HEAD_BYTES + FIELD_HEAD_BYTES + BODIES_DIGEST_BYTES;
    const struct device_id common = {0};
    kith_err err;

    if (ciphertext.len > KITH_MESSAGE_BYTES_MAX - around) return KITH_E_TOOBIG;
    err = kith_buf_append_u16_be(out, TAG_ITEMS);
    if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)(ITEM_HEAD_BYTES + ciphertext.len));
    if (err == KITH_OK) err = kith_buf_append(out, kith_slice_of(common.id.raw, sizeof common.id.raw));
    if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)ciphertext.len);
    if (err == KITH_OK) err = kith_buf_append(out, ciphertext);
    if (err == KITH_OK) err = kith_buf_append_u16_be(out, TAG_DIGEST);
    if (err == KITH_OK) err = kith_buf_append_u32_be(out, BODIES_DIGEST_BYTES);
    if (err == KITH_OK) err = kith_buf_append(out, kith_slice_of(digest, BODIES_DIGEST_BYTES));
    return err;
}
