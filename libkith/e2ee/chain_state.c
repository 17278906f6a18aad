#include "libkith/e2ee/chain_state.h"

#include <stdlib.h>

#include "libkith/e2ee/kept_keys.h"

#define FIXED(tag_, len) {.tag = (tag_), .bytes_min = (len), .bytes_max = (len)}

static void put_32(struct e2e_tlv_writer *writer, uint16_t tag, const uint8_t value[static 32])
{
    e2e_tlv_put(writer, tag, kith_slice_of(value, 32));
}

static void take_32(uint8_t out[static 32], struct kith_slice value)
{
    memcpy(out, value.ptr, 32);
}

/* Room for all of it at once: a buffer that grows leaves a copy of what it held behind. */
static kith_err make_room(struct kith_buf *out, size_t bytes_max)
{
    uint8_t *room = NULL;

    return out->bytes_max - kith_buf_len(out) >= bytes_max ? kith_buf_reserve(out, bytes_max, &room) : KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- as it is given */
kith_err e2e_chain_given_encode(const struct e2e_chain_given *given, struct kith_buf *out)
{
    kith_err err = make_room(out, E2E_CHAIN_GIVEN_BYTES_MAX);
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    if (err != KITH_OK) return err;
    e2e_tlv_put(&writer, 1, kith_slice_of(given->chain_id, sizeof given->chain_id));
    e2e_tlv_put_u32(&writer, 2, given->iteration);
    put_32(&writer, 3, given->chain_key);
    put_32(&writer, 4, given->sign_pub);
    e2e_tlv_put_u64(&writer, 5, given->epoch);
    put_32(&writer, 6, given->group_hash);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_chain_given_decode(struct kith_slice in, struct e2e_chain_given *out)
{
    enum { AT_CHAIN_ID, AT_ITERATION, AT_CHAIN_KEY, AT_SIGN_PUB, AT_EPOCH, AT_GROUP_HASH, FIELDS };
    static const struct e2e_tlv_field fields[FIELDS] = {
        FIXED(1, E2E_CHAIN_ID_BYTES),    FIXED(2, 4), FIXED(3, E2E_KEY_BYTES),
        FIXED(4, E2E_SIGN_PUBLIC_BYTES), FIXED(5, 8), FIXED(6, E2E_HASH_BYTES)};
    struct kith_slice values[FIELDS];
    kith_err err = e2e_tlv_decode(in, fields, FIELDS, values);

    if (err != KITH_OK) return err;
    /* No message has the last number: there is no next one. */
    if (e2e_tlv_u32(values[AT_ITERATION]) == UINT32_MAX) return KITH_E_MALFORMED;
    memcpy(out->chain_id, values[AT_CHAIN_ID].ptr, sizeof out->chain_id);
    out->iteration = e2e_tlv_u32(values[AT_ITERATION]);
    take_32(out->chain_key, values[AT_CHAIN_KEY]);
    take_32(out->sign_pub, values[AT_SIGN_PUB]);
    out->epoch = e2e_tlv_u64(values[AT_EPOCH]);
    take_32(out->group_hash, values[AT_GROUP_HASH]);
    return KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- what both begin with */
enum { AT_GROUP, AT_ACCOUNT, AT_DEVICE, AT_CHAIN_ID, AT_ITERATION, AT_CHAIN_KEY, HEAD_FIELDS };
#define HEAD_FIELD_ROWS                                                                                      \
    FIXED(1, E2E_GROUP_ID_BYTES), FIXED(2, E2E_ACCOUNT_ID_BYTES), FIXED(3, 4), FIXED(4, E2E_CHAIN_ID_BYTES), \
        FIXED(5, 4), FIXED(6, E2E_KEY_BYTES)
/* Without the kept keys. */
#define STATE_BYTES_MAX 512

static void put_owner(struct e2e_tlv_writer *writer, const struct e2e_chain_owner *owner)
{
    e2e_tlv_put(writer, 1, kith_slice_of(owner->group_id, sizeof owner->group_id));
    e2e_tlv_put(writer, 2, kith_slice_of(owner->account_id, sizeof owner->account_id));
    e2e_tlv_put_u32(writer, 3, owner->device_id);
}

static kith_err take_owner(const struct kith_slice *values, struct e2e_chain_owner *out)
{
    memcpy(out->group_id, values[AT_GROUP].ptr, sizeof out->group_id);
    memcpy(out->account_id, values[AT_ACCOUNT].ptr, sizeof out->account_id);
    out->device_id = e2e_tlv_u32(values[AT_DEVICE]);
    return out->device_id == 0 ? KITH_E_MALFORMED : KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- sending */
kith_err e2e_sender_chain_encode(const struct e2e_sender_chain *chain, struct kith_buf *out)
{
    kith_err err = make_room(out, STATE_BYTES_MAX);
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    if (err != KITH_OK) return err;
    put_owner(&writer, &chain->owner);
    e2e_tlv_put(&writer, 4, kith_slice_of(chain->chain_id, sizeof chain->chain_id));
    e2e_tlv_put_u32(&writer, 5, chain->iteration);
    put_32(&writer, 6, chain->chain_key);
    e2e_tlv_put(&writer, 7, kith_slice_of(chain->sign_secret, E2E_SIGN_SEED_BYTES));
    e2e_tlv_put_u64(&writer, 8, chain->created_at_ms);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_sender_chain_decode(struct kith_slice state, struct e2e_sender_chain **out)
{
    enum { AT_SIGN_SEED = HEAD_FIELDS, AT_CREATED, FIELDS };
    static const struct e2e_tlv_field fields[FIELDS] = {HEAD_FIELD_ROWS, FIXED(7, E2E_SIGN_SEED_BYTES), FIXED(8, 8)};
    struct kith_slice values[FIELDS];
    uint8_t sign_pub[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_chain_owner owner;
    struct e2e_sender_chain *chain;
    kith_err err = e2e_tlv_decode(state, fields, FIELDS, values);

    *out = NULL;
    if (err == KITH_OK) err = take_owner(values, &owner);
    if (err != KITH_OK) return err;
    chain = calloc(1, sizeof *chain);
    if (chain == NULL) return KITH_E_NOMEM;
    chain->owner = owner;
    memcpy(chain->chain_id, values[AT_CHAIN_ID].ptr, sizeof chain->chain_id);
    chain->iteration = e2e_tlv_u32(values[AT_ITERATION]);
    take_32(chain->chain_key, values[AT_CHAIN_KEY]);
    e2e_sign_keypair_from(values[AT_SIGN_SEED].ptr, chain->sign_secret, sign_pub);
    chain->created_at_ms = e2e_tlv_u64(values[AT_CREATED]);
    *out = chain;
    return KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- kept keys */
#define KEPT_BYTES (3 * E2E_TLV_HEAD_BYTES + 4 + E2E_KEY_BYTES + 8)
_Static_assert(STATE_BYTES_MAX + E2E_KEPT_BYTES_MAX(E2E_CHAIN_SKIP_MAX, KEPT_BYTES) <= E2E_CHAIN_BYTES_MAX,
               "the largest state");

static kith_err encode_key(const struct e2e_kept_key *key, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    e2e_tlv_put_u32(&writer, 1, key->n);
    put_32(&writer, 2, key->mk);
    e2e_tlv_put_u64(&writer, 3, key->kept_at_ms);
    return e2e_tlv_finish(&writer);
}

static kith_err decode_key(struct kith_slice in, struct e2e_kept_key *out)
{
    static const struct e2e_tlv_field fields[] = {FIXED(1, 4), FIXED(2, E2E_KEY_BYTES), FIXED(3, 8)};
    struct kith_slice values[3];
    kith_err err = e2e_tlv_decode(in, fields, 3, values);

    if (err != KITH_OK) return err;
    out->n = e2e_tlv_u32(values[0]);
    take_32(out->mk, values[1]);
    out->kept_at_ms = e2e_tlv_u64(values[2]);
    out->chain = E2E_CHAIN_ONLY;
    return KITH_OK;
}

static const struct e2e_kept_form kept_form = {
    .key_bytes = KEPT_BYTES, .count_max = E2E_CHAIN_SKIP_MAX, .encode = encode_key, .decode = decode_key};

/* ---------------------------------------------------------------------------------------------- receiving */
static kith_err put_receiver(const struct e2e_receiver_chain *chain, struct kith_slice kept, struct kith_buf *out)
{
    struct e2e_tlv_writer writer = e2e_tlv_writer_of(out);

    put_owner(&writer, &chain->owner);
    e2e_tlv_put(&writer, 4, kith_slice_of(chain->chain_id, sizeof chain->chain_id));
    e2e_tlv_put_u32(&writer, 5, chain->iteration);
    put_32(&writer, 6, chain->chain_key);
    put_32(&writer, 7, chain->sign_pub);
    e2e_tlv_put_u32(&writer, 8, chain->first_iteration);
    e2e_tlv_put_optional(&writer, 9, kept);
    return e2e_tlv_finish(&writer);
}

kith_err e2e_receiver_chain_encode(const struct e2e_receiver_chain *chain, struct kith_buf *out)
{
    struct kith_buf kept;
    kith_err err;

    kith_buf_init(&kept, E2E_KEPT_BYTES_MAX(E2E_CHAIN_SKIP_MAX, KEPT_BYTES));
    err = e2e_kept_encode(&chain->kept, &kept_form, &kept);
    if (err == KITH_OK) err = make_room(out, STATE_BYTES_MAX + kith_buf_len(&kept));
    if (err == KITH_OK) err = put_receiver(chain, kith_buf_peek(&kept), out);
    kith_buf_wipe(&kept);
    return err;
}

/* Whether a step leads to it. Every step forward ends with a message that was opened: the last number is never a kept one. */
static bool is_possible(const struct e2e_receiver_chain *chain)
{
    const struct e2e_kept *kept = &chain->kept;

    if (chain->iteration < chain->first_iteration) return false;
    for (size_t i = 0; i < kept->count; i++) {
        const uint32_t n = kept->keys[i].n;
        if (n < chain->first_iteration || (uint64_t)n + 1 >= chain->iteration) return false;
        if (i > 0 && n <= kept->keys[i - 1].n) return false;
    }
    return e2e_sign_check(chain->sign_pub) == KITH_OK;
}

enum { AT_SIGN_PUB = HEAD_FIELDS, AT_FIRST_ITERATION, AT_KEPT, RECEIVER_FIELDS };
static const struct e2e_tlv_field receiver_fields[RECEIVER_FIELDS] = {
    HEAD_FIELD_ROWS,
    FIXED(7, E2E_SIGN_PUBLIC_BYTES),
    FIXED(8, 4),
    {.tag = 9, .bytes_min = 1, .bytes_max = E2E_KEPT_BYTES_MAX(E2E_CHAIN_SKIP_MAX, KEPT_BYTES), .optional = true},
};

static kith_err fill(const struct kith_slice values[static RECEIVER_FIELDS], struct e2e_receiver_chain *out)
{
    kith_err err = take_owner(values, &out->owner);

    if (err != KITH_OK) return err;
    memcpy(out->chain_id, values[AT_CHAIN_ID].ptr, sizeof out->chain_id);
    out->iteration = e2e_tlv_u32(values[AT_ITERATION]);
    take_32(out->chain_key, values[AT_CHAIN_KEY]);
    take_32(out->sign_pub, values[AT_SIGN_PUB]);
    out->first_iteration = e2e_tlv_u32(values[AT_FIRST_ITERATION]);
    return e2e_kept_decode(values[AT_KEPT], &kept_form, &out->kept);
}

kith_err e2e_receiver_chain_decode(struct kith_slice state, struct e2e_receiver_chain **out)
{
    struct kith_slice values[RECEIVER_FIELDS];
    struct e2e_receiver_chain *chain;
    kith_err err = e2e_tlv_decode(state, receiver_fields, RECEIVER_FIELDS, values);

    *out = NULL;
    if (err != KITH_OK) return err;
    chain = calloc(1, sizeof *chain);
    if (chain == NULL) return KITH_E_NOMEM;
    err = fill(values, chain);
    if (err == KITH_OK && !is_possible(chain)) err = KITH_E_MALFORMED;
    if (err == KITH_OK) {
        *out = chain;
        chain = NULL;
    }
    e2e_receiver_chain_free(chain);
    return err;
}
