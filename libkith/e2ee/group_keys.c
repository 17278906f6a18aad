#include "libkith/e2ee/group_keys.h"

#include <assert.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/sender_chain.h"

#define FIXED(tag_, len)  {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}
#define MAYBE(tag_, len)  {.tag = (tag_), .bytes_min = (len), .bytes_max = (len), .optional = true}
#define CHAIN_BYTES_MAX   1024
#define WRITTEN_BYTES_MAX 256 /* what is written here has fewer, the chain in it, too */

/* ---------------------------------------------------------------------------------------------- all keys */
enum { AT_GROUP, AT_KEY_ID, AT_KEY, AT_CHAIN, FIELDS };
static const struct e2e_tlv_field fields[FIELDS] = {
    FIXED(1, E2E_GROUP_ID_BYTES),
    MAYBE(2, E2E_GROUP_KEY_ID_BYTES),
    MAYBE(3, E2E_KEY_BYTES),
    {.tag = 4, .bytes_min = 1, .bytes_max = CHAIN_BYTES_MAX, .optional = true},
};

static void put(struct e2e_tlv_writer *writer, uint16_t tag, const uint8_t *bytes, size_t len)
{
    e2e_tlv_put(writer, tag, kith_slice_of(bytes, len));
}

static void put_keys(struct e2e_tlv_writer *writer, const struct e2e_group_keys *keys, struct kith_slice chain)
{
    put(writer, 1, keys->group_id, sizeof keys->group_id);
    if (keys->has_info_key) {
        put(writer, 2, keys->info_key.id, sizeof keys->info_key.id);
        put(writer, 3, keys->info_key.key, sizeof keys->info_key.key);
    }
    e2e_tlv_put_optional(writer, 4, chain);
}

kith_err e2e_group_keys_encode(const struct e2e_group_keys *keys, struct kith_buf *out)
{
    uint8_t *room = NULL;
    struct kith_buf chain, whole;
    struct e2e_tlv_writer writer;
    kith_err err;

    assert(keys->has_info_key || keys->has_chain);
    kith_buf_init(&chain, WRITTEN_BYTES_MAX);
    kith_buf_init(&whole, WRITTEN_BYTES_MAX);
    /* Each in one piece, since a buffer that grows leaves a copy behind. */
    err = kith_buf_reserve(&chain, WRITTEN_BYTES_MAX, &room);
    if (err == KITH_OK) err = kith_buf_reserve(&whole, WRITTEN_BYTES_MAX, &room);
    if (err == KITH_OK && keys->has_chain) err = e2e_chain_given_encode(&keys->chain, &chain);
    if (err != KITH_OK) goto done;
    writer = e2e_tlv_writer_of(&whole);
    put_keys(&writer, keys, kith_buf_peek(&chain));
    err = e2e_tlv_finish(&writer);
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&whole));
done:
    kith_buf_wipe(&chain);
    kith_buf_wipe(&whole);
    return err;
}

kith_err e2e_group_keys_decode(struct kith_slice in, struct e2e_group_keys *out)
{
    struct kith_slice values[FIELDS];
    struct e2e_group_keys keys = {0};
    kith_err err = e2e_tlv_decode(in, fields, FIELDS, values);

    if (err != KITH_OK) return err;
    if ((values[AT_KEY_ID].ptr == NULL) != (values[AT_KEY].ptr == NULL)) return KITH_E_MALFORMED;
    keys.has_info_key = values[AT_KEY].ptr != NULL;
    keys.has_chain = values[AT_CHAIN].ptr != NULL;
    if (!keys.has_info_key && !keys.has_chain) return KITH_E_MALFORMED;
    memcpy(keys.group_id, values[AT_GROUP].ptr, sizeof keys.group_id);
    if (keys.has_info_key) {
        memcpy(keys.info_key.id, values[AT_KEY_ID].ptr, sizeof keys.info_key.id);
        memcpy(keys.info_key.key, values[AT_KEY].ptr, sizeof keys.info_key.key);
    }
    if (keys.has_chain) err = e2e_chain_given_decode(values[AT_CHAIN], &keys.chain);
    if (err == KITH_OK) *out = keys;
    e2e_wipe(&keys, sizeof keys);
    return err;
}
