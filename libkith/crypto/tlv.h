#ifndef LIBKITH_CRYPTO_TLV_H
#define LIBKITH_CRYPTO_TLV_H

#include "base/buf.h"

/**
 * The one encoding of all that kith/1 signs, encrypts or keeps: fields, each `tag u16, length u32, value`, big-endian,
 * tags strictly ascending, nothing after the last. There is one way to write a thing:
 *   - a number has the fixed width of its field, a key or hash its fixed length;
 *   - what may be missing is missing when it has nothing to say, never there and empty;
 *   - a list is one value, its items each `length u32, bytes`, in the order that the field's own rules give.
 * A reader refuses a tag that it does not know, unless it is >= E2E_TLV_TAG_SKIPPED: those it steps over, so that a later
 * version may add what an earlier one can do without.
 *
 * Pure functions over bytes; values are lent from the input. Any thread.
 * Source: docs/wire/e2ee.md, "Encoding".
 */
#define E2E_TLV_BYTES_MAX   (8u << 20) /* of a whole encoding: a piece of history is 4 MiB */
#define E2E_TLV_FIELDS_MAX  64         /* that one reader knows */
#define E2E_TLV_ITEMS_MAX   4096       /* of a list */
#define E2E_TLV_HEAD_BYTES  6
#define E2E_TLV_TAG_SKIPPED 0x8000u

/* ---- reading */
struct e2e_tlv_reader {
    struct kith_slice left;
    uint32_t tag_min; /* the least that the next tag may be */
};

static inline struct e2e_tlv_reader e2e_tlv_reader_of(struct kith_slice in)
{
    return (struct e2e_tlv_reader){.left = in};
}

/**
 * The next field, whatever its tag.
 *
 * KITH_OK           *tag and *value are written
 * KITH_E_NOTFOUND   the end, exactly after a field
 * KITH_E_MALFORMED  a head or value is cut short, or a tag is not above the one before; nothing is written
 */
KITH_MUST_USE kith_err e2e_tlv_next(struct e2e_tlv_reader *reader, uint16_t *tag, struct kith_slice *value);

/* What a reader expects. Of a fixed length: bytes_min == bytes_max. */
struct e2e_tlv_field {
    uint16_t tag;
    uint32_t bytes_min, bytes_max;
    bool optional; /* may be missing; then bytes_min is at least 1 */
};

/**
 * All fields of an encoding at once.
 *
 * fields   `count` of them, 1..E2E_TLV_FIELDS_MAX, tags ascending: otherwise it is our own mistake.
 * values   `count` slices, lent from `in`, in the order of `fields`; of a missing field {NULL, 0}. Written only on KITH_OK.
 *
 * KITH_E_MALFORMED    as e2e_tlv_next(); a field is missing, or its length is outside its bounds
 * KITH_E_UNSUPPORTED  an unknown tag below E2E_TLV_TAG_SKIPPED
 * KITH_E_TOOBIG       more than E2E_TLV_BYTES_MAX
 */
KITH_MUST_USE kith_err e2e_tlv_decode(struct kith_slice in, const struct e2e_tlv_field *fields, size_t count,
                                      struct kith_slice *values);

/** The next item of a list. KITH_E_NOTFOUND at its end, KITH_E_MALFORMED when cut short. */
KITH_MUST_USE kith_err e2e_tlv_next_item(struct kith_slice *list, struct kith_slice *item);
/** How many items a list has, and that it is whole. KITH_E_MALFORMED; KITH_E_TOOBIG: more than E2E_TLV_ITEMS_MAX. */
KITH_MUST_USE kith_err e2e_tlv_count_items(struct kith_slice list, size_t *count);

/* Numbers of a decoded field, whose length its struct e2e_tlv_field has fixed. */
uint8_t e2e_tlv_u8(struct kith_slice value);
uint32_t e2e_tlv_u32(struct kith_slice value);
uint64_t e2e_tlv_u64(struct kith_slice value);

/* ---- writing: the first error stays, and e2e_tlv_finish() says it */
struct e2e_tlv_writer {
    struct kith_buf *out; /* the caller's; its maximum bounds the encoding */
    size_t start;         /* bytes that `out` had before: on an error it has them again */
    uint32_t tag_min;
    kith_err err;
};

/** Appends to `out`, which nobody else touches until e2e_tlv_finish(). */
struct e2e_tlv_writer e2e_tlv_writer_of(struct kith_buf *out);
/** Tags must ascend: otherwise it is our own mistake. A value is copied. */
void e2e_tlv_put(struct e2e_tlv_writer *writer, uint16_t tag, struct kith_slice value);
/** The same, unless the value is empty: for fields that may be missing. */
void e2e_tlv_put_optional(struct e2e_tlv_writer *writer, uint16_t tag, struct kith_slice value);
void e2e_tlv_put_u8(struct e2e_tlv_writer *writer, uint16_t tag, uint8_t value);
void e2e_tlv_put_u32(struct e2e_tlv_writer *writer, uint16_t tag, uint32_t value);
void e2e_tlv_put_u64(struct e2e_tlv_writer *writer, uint16_t tag, uint64_t value);
/** KITH_E_TOOBIG, KITH_E_NOMEM: then `out` is as before the writer. */
KITH_MUST_USE kith_err e2e_tlv_finish(struct e2e_tlv_writer *writer);

/** Appends an item to a list under way. Errors as kith_buf_append(); then `list` is unchanged. */
KITH_MUST_USE kith_err e2e_tlv_append_item(struct kith_buf *list, struct kith_slice item);

#endif
