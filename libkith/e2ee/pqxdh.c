#include "libkith/e2ee/pqxdh.h"

#include <assert.h>

#include "libkith/crypto/secret.h"

kith_err e2e_suite_of(const struct e2e_device_list *a, const struct e2e_device_list *b, uint8_t *out)
{
    uint32_t i = a->suite_count, j = b->suite_count; /* both ascend */

    while (i > 0 && j > 0 && a->suites[i - 1] != b->suites[j - 1]) {
        if (a->suites[i - 1] > b->suites[j - 1])
            i--;
        else
            j--;
    }
    if (i == 0 || j == 0 || a->suites[i - 1] != E2E_SUITE_PQ) return KITH_E_UNSUPPORTED;
    *out = E2E_SUITE_PQ;
    return KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- transcript */
/* A hash goes on as the fields come: they are written one after the other into a buffer that holds them all. */
#define TRANSCRIPT_BYTES_MAX 1024

/* Writes fields into memory that is known to suffice: no allocation, so no error. */
struct fields {
    uint8_t bytes[TRANSCRIPT_BYTES_MAX];
    size_t len;
};

static void put(struct fields *fields, uint16_t tag, const void *value, size_t len)
{
    assert(len <= sizeof fields->bytes - fields->len - E2E_TLV_HEAD_BYTES);
    kith_put_u16_be(fields->bytes + fields->len, tag);
    kith_put_u32_be(fields->bytes + fields->len + 2, (uint32_t)len);
    memcpy(fields->bytes + fields->len + E2E_TLV_HEAD_BYTES, value, len);
    fields->len += E2E_TLV_HEAD_BYTES + len;
}

static void put_u8(struct fields *fields, uint16_t tag, uint8_t value)
{
    put(fields, tag, &value, 1);
}

static void put_u32(struct fields *fields, uint16_t tag, uint32_t value)
{
    uint8_t raw[4];

    kith_put_u32_be(raw, value);
    put(fields, tag, raw, sizeof raw);
}

static void put_u64(struct fields *fields, uint16_t tag, uint64_t value)
{
    uint8_t raw[8];

    kith_put_u64_be(raw, value);
    put(fields, tag, raw, sizeof raw);
}

static void put_hash_of(struct fields *fields, uint16_t tag, struct kith_slice bytes)
{
    uint8_t hash[E2E_HASH_BYTES];

    e2e_sha256(&bytes, 1, hash);
    put(fields, tag, hash, sizeof hash);
}

/* Seven fields from `tag` on. The list is as the set-up names it: who reads it may have a newer one by now. */
static void put_end(struct fields *fields, uint16_t tag, const struct e2e_end *end, uint64_t list_seq,
                    const uint8_t list_hash[static E2E_HASH_BYTES])
{
    put(fields, tag, end->list->account_id, E2E_ACCOUNT_ID_BYTES);
    put_u32(fields, (uint16_t)(tag + 1), end->device->device_id);
    put(fields, (uint16_t)(tag + 2), end->list->ark_pub, E2E_SIGN_PUBLIC_BYTES);
    put(fields, (uint16_t)(tag + 3), end->device->dsk_pub, E2E_SIGN_PUBLIC_BYTES);
    put(fields, (uint16_t)(tag + 4), end->device->ddh_pub, E2E_DH_BYTES);
    put_u64(fields, (uint16_t)(tag + 5), list_seq);
    put(fields, (uint16_t)(tag + 6), list_hash, E2E_HASH_BYTES);
}

void e2e_pqxdh_transcript(const struct e2e_pqxdh *about, uint8_t out[static E2E_HASH_BYTES])
{
    const struct e2e_setup *setup = about->setup;
    struct fields fields = {0};
    struct kith_slice all;

    assert((about->opk_pub == NULL) == (setup->opk_id == 0));
    put_u8(&fields, 1, setup->suite);
    put_end(&fields, 2, about->a, setup->list_seq_a, setup->list_hash_a);
    put_end(&fields, 9, about->b, setup->list_seq_b, setup->list_hash_b);
    put_u32(&fields, 16, setup->spk_id);
    put(&fields, 17, about->spk_pub, E2E_DH_BYTES);
    if (about->opk_pub != NULL) {
        put_u32(&fields, 18, setup->opk_id);
        put(&fields, 19, about->opk_pub, E2E_DH_BYTES);
    }
    put_u32(&fields, 20, setup->kem_id);
    put_hash_of(&fields, 21, kith_slice_of(about->kem_pub, E2E_KEM_PUBLIC_BYTES));
    put_u8(&fields, 22, setup->kem_is_last ? 1 : 0);
    put(&fields, 23, setup->ek_pub, E2E_DH_BYTES);
    put_hash_of(&fields, 24, setup->ct);
    all = kith_slice_of(fields.bytes, fields.len);
    e2e_transcript(E2E_LABEL_PQXDH, &all, 1, out);
}

/* ---------------------------------------------------------------------------------------------- root key */
void e2e_pqxdh_root(struct e2e_pqxdh_shared *shared, const uint8_t transcript[static E2E_HASH_BYTES],
                    uint8_t root_key[static E2E_KEY_BYTES])
{
    uint8_t ikm[(1 + 4 + 1) * 32];
    size_t len = 32, dh_bytes = (shared->has_opk ? 4 : 3) * sizeof shared->dh[0];

    memset(ikm, 0xff, len);
    memcpy(ikm + len, shared->dh, dh_bytes);
    len += dh_bytes;
    memcpy(ikm + len, shared->kem, sizeof shared->kem);
    len += sizeof shared->kem;
    e2e_derive((struct kith_slice){0}, kith_slice_of(ikm, len), E2E_LABEL_PQXDH,
               kith_slice_of(transcript, E2E_HASH_BYTES), root_key, E2E_KEY_BYTES);
    e2e_wipe(ikm, sizeof ikm);
    e2e_wipe(shared, sizeof *shared);
}
