#include "libkith/crypto/tlv.h"

#include <assert.h>

/* ---------------------------------------------------------------------------------------------- reading */
kith_err e2e_tlv_next(struct e2e_tlv_reader *reader, uint16_t *tag, struct kith_slice *value)
{
    struct kith_slice left = reader->left, found = {0};
    uint16_t found_tag = 0;
    uint32_t len = 0;
    kith_err err;

    if (left.len == 0) return KITH_E_NOTFOUND;
    err = kith_eat_u16_be(&left, &found_tag);
    if (err != KITH_OK) return err;
    if (found_tag < reader->tag_min) return KITH_E_MALFORMED;
    err = kith_eat_u32_be(&left, &len);
    if (err != KITH_OK) return err;
    err = kith_eat_bytes(&left, len, &found);
    if (err != KITH_OK) return err;

    reader->left = left;
    reader->tag_min = found_tag + 1u;
    *tag = found_tag;
    *value = found;
    return KITH_OK;
}

static void check_fields(const struct e2e_tlv_field *fields, size_t count)
{
    assert(count > 0 && count <= E2E_TLV_FIELDS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(i == 0 || fields[i].tag > fields[i - 1].tag);
        assert(fields[i].bytes_min <= fields[i].bytes_max);
        /* Missing is the only way to say nothing. */
        assert(!fields[i].optional || fields[i].bytes_min > 0);
    }
}

static kith_err check_length(const struct e2e_tlv_field *field, size_t len)
{
    return len < field->bytes_min || len > field->bytes_max ? KITH_E_MALFORMED : KITH_OK;
}

/* Steps over fields that are missing before `tag`. KITH_E_MALFORMED: one of them may not be. */
static kith_err pass_missing(const struct e2e_tlv_field *fields, size_t count, uint32_t tag, size_t *at)
{
    while (*at < count && fields[*at].tag < tag) {
        if (!fields[*at].optional) return KITH_E_MALFORMED;
        ++*at;
    }
    return KITH_OK;
}

kith_err e2e_tlv_decode(struct kith_slice in, const struct e2e_tlv_field *fields, size_t count,
                        struct kith_slice *values)
{
    struct kith_slice found[E2E_TLV_FIELDS_MAX] = {0}, value = {0};
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    uint16_t tag = 0;
    size_t at = 0;
    kith_err err;

    check_fields(fields, count);
    if (in.len > E2E_TLV_BYTES_MAX) return KITH_E_TOOBIG;
    while ((err = e2e_tlv_next(&reader, &tag, &value)) == KITH_OK) {
        err = pass_missing(fields, count, tag, &at);
        if (err != KITH_OK) return err;
        if (at < count && fields[at].tag == tag) {
            err = check_length(&fields[at], value.len);
            if (err != KITH_OK) return err;
            found[at++] = value;
        } else if (tag < E2E_TLV_TAG_SKIPPED) {
            return KITH_E_UNSUPPORTED;
        }
    }
    if (err != KITH_E_NOTFOUND) return err;
    err = pass_missing(fields, count, UINT32_MAX, &at);
    if (err != KITH_OK) return err;
    memcpy(values, found, count * sizeof *values);
    return KITH_OK;
}

kith_err e2e_tlv_next_item(struct kith_slice *list, struct kith_slice *item)
{
    struct kith_slice left = *list, found = {0};
    uint32_t len = 0;
    kith_err err;

    if (left.len == 0) return KITH_E_NOTFOUND;
    err = kith_eat_u32_be(&left, &len);
    if (err != KITH_OK) return err;
    err = kith_eat_bytes(&left, len, &found);
    if (err != KITH_OK) return err;
    *list = left;
    *item = found;
    return KITH_OK;
}

kith_err e2e_tlv_count_items(struct kith_slice list, size_t *count)
{
    struct kith_slice item = {0};
    size_t n = 0;
    kith_err err;

    while ((err = e2e_tlv_next_item(&list, &item)) == KITH_OK)
        if (++n > E2E_TLV_ITEMS_MAX) return KITH_E_TOOBIG;
    if (err != KITH_E_NOTFOUND) return err;
    *count = n;
    return KITH_OK;
}

static uint64_t number(struct kith_slice value, unsigned width)
{
    uint64_t out = 0;
    kith_err err;

    assert(value.len == width);
    err = kith_eat_uint(&value, width, &out);
    assert(err == KITH_OK);
    return out;
}

uint8_t e2e_tlv_u8(struct kith_slice value)
{
    return (uint8_t)number(value, 1);
}

uint32_t e2e_tlv_u32(struct kith_slice value)
{
    return (uint32_t)number(value, 4);
}

uint64_t e2e_tlv_u64(struct kith_slice value)
{
    return number(value, 8);
}

/* ---------------------------------------------------------------------------------------------- writing */
struct e2e_tlv_writer e2e_tlv_writer_of(struct kith_buf *out)
{
    return (struct e2e_tlv_writer){.out = out, .start = kith_buf_len(out)};
}

static bool is_too_big(const struct e2e_tlv_writer *writer, size_t value_len)
{
    size_t used = kith_buf_len(writer->out) - writer->start;

    return value_len > E2E_TLV_BYTES_MAX || used + E2E_TLV_HEAD_BYTES + value_len > E2E_TLV_BYTES_MAX;
}

void e2e_tlv_put(struct e2e_tlv_writer *writer, uint16_t tag, struct kith_slice value)
{
    uint8_t head[E2E_TLV_HEAD_BYTES];

    assert(tag >= writer->tag_min);
    writer->tag_min = tag + 1u;
    if (writer->err != KITH_OK) return;
    if (is_too_big(writer, value.len)) {
        writer->err = KITH_E_TOOBIG;
        return;
    }
    kith_put_u16_be(head, tag);
    kith_put_u32_be(head + 2, (uint32_t)value.len);
    writer->err = kith_buf_append(writer->out, kith_slice_of(head, sizeof head));
    if (writer->err == KITH_OK) writer->err = kith_buf_append(writer->out, value);
}

void e2e_tlv_put_optional(struct e2e_tlv_writer *writer, uint16_t tag, struct kith_slice value)
{
    if (value.len > 0) e2e_tlv_put(writer, tag, value);
}

static void put_number(struct e2e_tlv_writer *writer, uint16_t tag, uint64_t value, unsigned width)
{
    uint8_t raw[8];

    kith_put_u64_be(raw, value);
    e2e_tlv_put(writer, tag, kith_slice_of(raw + sizeof raw - width, width));
}

void e2e_tlv_put_u8(struct e2e_tlv_writer *writer, uint16_t tag, uint8_t value)
{
    put_number(writer, tag, value, 1);
}

void e2e_tlv_put_u32(struct e2e_tlv_writer *writer, uint16_t tag, uint32_t value)
{
    put_number(writer, tag, value, 4);
}

void e2e_tlv_put_u64(struct e2e_tlv_writer *writer, uint16_t tag, uint64_t value)
{
    put_number(writer, tag, value, 8);
}

kith_err e2e_tlv_finish(struct e2e_tlv_writer *writer)
{
    struct kith_buf *out = writer->out;

    if (writer->err != KITH_OK) out->tail = out->head + writer->start;
    return writer->err;
}

kith_err e2e_tlv_append_item(struct kith_buf *list, struct kith_slice item)
{
    uint8_t *out = NULL;
    kith_err err;

    if (item.len > E2E_TLV_BYTES_MAX) return KITH_E_TOOBIG;
    err = kith_buf_reserve(list, 4 + item.len, &out);
    if (err != KITH_OK) return err;
    kith_put_u32_be(out, (uint32_t)item.len);
    if (item.len > 0) memcpy(out + 4, item.ptr, item.len);
    kith_buf_commit(list, 4 + item.len);
    return KITH_OK;
}
