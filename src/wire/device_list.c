#include "wire/device_list.h"

#define TAG_SKIPPED     0x8000u
#define SIGNATURE_BYTES 64

struct field {
    uint16_t tag;
    bool optional;
    uint32_t bytes_min, bytes_max;
};

#define FIELD(tag_, bytes)       {.tag = (tag_), .bytes_min = (bytes), .bytes_max = (bytes)}
#define OPTIONAL(tag_, min, max) {.tag = (tag_), .optional = true, .bytes_min = (min), .bytes_max = (max)}
#define FIELD_OF(tag_, min, max) {.tag = (tag_), .bytes_min = (min), .bytes_max = (max)}
#define COUNT(array)             (sizeof(array) / sizeof(array)[0])

static kith_err eat_field(struct kith_slice *in, uint32_t tag_min, uint16_t *tag, struct kith_slice *value)
{
    uint32_t len = 0;
    kith_err err = kith_eat_u16_be(in, tag);

    if (err == KITH_OK && *tag < tag_min) err = KITH_E_MALFORMED;
    if (err == KITH_OK) err = kith_eat_u32_be(in, &len);
    return err == KITH_OK ? kith_eat_bytes(in, len, value) : err;
}

/* All fields, each to its place in `values`; one that is missing is empty there. */
static kith_err eat_fields(struct kith_slice in, const struct field *fields, size_t count, struct kith_slice *values)
{
    uint32_t tag_min = 0;
    size_t at = 0;

    for (size_t i = 0; i < count; i++) values[i] = (struct kith_slice){0};
    while (in.len > 0) {
        struct kith_slice value = {0};
        uint16_t tag = 0;
        kith_err err = eat_field(&in, tag_min, &tag, &value);

        if (err != KITH_OK) return err;
        tag_min = tag + 1u;
        for (; at < count && fields[at].tag < tag; at++)
            if (!fields[at].optional) return KITH_E_MALFORMED;
        if (at == count || fields[at].tag != tag) {
            if (tag < TAG_SKIPPED) return KITH_E_UNSUPPORTED;
            continue;
        }
        if (value.len < fields[at].bytes_min || value.len > fields[at].bytes_max) return KITH_E_MALFORMED;
        values[at++] = value;
    }
    for (; at < count; at++)
        if (!fields[at].optional) return KITH_E_MALFORMED;
    return KITH_OK;
}

static kith_err eat_item(struct kith_slice *list, struct kith_slice *item)
{
    uint32_t len = 0;
    kith_err err = kith_eat_u32_be(list, &len);

    return err == KITH_OK ? kith_eat_bytes(list, len, item) : err;
}

static uint64_t number(struct kith_slice value)
{
    uint64_t out = 0;

    for (size_t i = 0; i < value.len; i++) out = out << 8 | value.ptr[i];
    return out;
}

/* ------------------------------------------------------------------------------------------------ one device */

enum { DEVICE_ID, DEVICE_SERVER, DEVICE_DSK, DEVICE_DDH, DEVICE_ADDED, DEVICE_MANAGER, DEVICE_FIELDS };
static const struct field device_fields[DEVICE_FIELDS] = {
    [DEVICE_ID] = FIELD(1, 4),   [DEVICE_SERVER] = FIELD(2, 16), [DEVICE_DSK] = FIELD(3, 32),
    [DEVICE_DDH] = FIELD(4, 32), [DEVICE_ADDED] = FIELD(5, 8),   [DEVICE_MANAGER] = OPTIONAL(6, 1, 1),
};

static bool is_listed(const struct device_list *list, struct device_id device)
{
    for (uint32_t i = 0; i < list->device_count; i++)
        if (kith_uuid_eq(list->devices[i].id, device.id)) return true;
    return false;
}

static kith_err devices_read(struct kith_slice items, struct device_list *out)
{
    uint64_t last = 0;

    while (items.len > 0) {
        struct kith_slice item = {0}, values[DEVICE_FIELDS];
        struct device_id device;
        kith_err err = eat_item(&items, &item);

        if (err == KITH_OK) err = eat_fields(item, device_fields, DEVICE_FIELDS, values);
        if (err != KITH_OK) return err;
        if (number(values[DEVICE_ID]) <= last || out->device_count == DEVICE_LIST_DEVICES_MAX) return KITH_E_MALFORMED;
        if (values[DEVICE_MANAGER].len > 0 && number(values[DEVICE_MANAGER]) != 1) return KITH_E_MALFORMED;
        last = number(values[DEVICE_ID]);
        memcpy(device.id.raw, values[DEVICE_SERVER].ptr, sizeof device.id.raw);
        if (is_listed(out, device)) return KITH_E_MALFORMED;
        out->device_ids[out->device_count] = (uint32_t)last;
        out->devices[out->device_count++] = device;
    }
    return out->device_count > 0 ? KITH_OK : KITH_E_MALFORMED;
}

/* ------------------------------------------------------------------------------------------------ the device list */

enum {
    LIST_ACCOUNT,
    LIST_ARK,
    LIST_AIK,
    LIST_COUNTER,
    LIST_CERTIFICATE,
    LIST_SEQ,
    LIST_PREV,
    LIST_ISSUED,
    LIST_EXPIRES,
    LIST_SUITES,
    LIST_DEVICES,
    LIST_REMOVED,
    LIST_FIELDS
};
static const struct field list_fields[LIST_FIELDS] = {
    [LIST_ACCOUNT] = FIELD(1, 16),
    [LIST_ARK] = FIELD(2, 32),
    [LIST_AIK] = FIELD(3, 32),
    [LIST_COUNTER] = FIELD(4, 4),
    [LIST_CERTIFICATE] = FIELD(5, SIGNATURE_BYTES),
    [LIST_SEQ] = FIELD(6, 8),
    [LIST_PREV] = OPTIONAL(7, DEVICE_LIST_HASH_BYTES, DEVICE_LIST_HASH_BYTES),
    [LIST_ISSUED] = FIELD(8, 8),
    [LIST_EXPIRES] = FIELD(9, 8),
    [LIST_SUITES] = FIELD_OF(10, 1, 16),
    [LIST_DEVICES] = FIELD_OF(11, 1, KITH_DEVICE_LIST_BYTES_MAX),
    [LIST_REMOVED] = OPTIONAL(12, 4, 16384),
};

/* Values of `width` bytes, one after the other, each larger than the one before. */
static bool is_ascending(struct kith_slice values, size_t width)
{
    if (values.len % width != 0) return false;
    for (size_t i = width; i < values.len; i += width)
        if (memcmp(values.ptr + i - width, values.ptr + i, width) >= 0) return false;
    return true;
}

static kith_err list_read(struct kith_slice in, struct device_list *out)
{
    struct kith_slice values[LIST_FIELDS];
    kith_err err = eat_fields(in, list_fields, LIST_FIELDS, values);

    if (err != KITH_OK) return err;
    out->list = in;
    out->seq = number(values[LIST_SEQ]);
    out->prev_hash = values[LIST_PREV];
    memcpy(out->account.id.raw, values[LIST_ACCOUNT].ptr, sizeof out->account.id.raw);
    /* The directory's numbers end at 2^63, which nobody's list reaches in order. */
    if (out->seq == 0 || out->seq > INT64_MAX || (out->seq == 1) != (out->prev_hash.len == 0)) return KITH_E_MALFORMED;
    if (!is_ascending(values[LIST_SUITES], 1) || !is_ascending(values[LIST_REMOVED], 4)) return KITH_E_MALFORMED;
    return devices_read(values[LIST_DEVICES], out);
}

/* ------------------------------------------------------------------------------------------------ the signed list */

static kith_err accepts_read(struct kith_slice items, struct device_list *out)
{
    static const struct field fields[] = {FIELD(1, 4), FIELD(2, SIGNATURE_BYTES)};
    uint64_t last = 0;

    while (items.len > 0) {
        struct kith_slice item = {0}, values[COUNT(fields)];
        kith_err err = eat_item(&items, &item);

        if (err == KITH_OK) err = eat_fields(item, fields, COUNT(fields), values);
        if (err != KITH_OK) return err;
        if (number(values[0]) <= last || out->accept_count == DEVICE_LIST_DEVICES_MAX) return KITH_E_MALFORMED;
        last = number(values[0]);
        out->accepts[out->accept_count++] = (uint32_t)last;
    }
    return KITH_OK;
}

static bool has_id(const uint32_t *ids, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] == id) return true;
    return false;
}

kith_err device_list_decode(struct kith_slice signed_list, struct device_list *out)
{
    static const struct field fields[] = {FIELD_OF(1, 1, KITH_DEVICE_LIST_BYTES_MAX), FIELD(2, SIGNATURE_BYTES),
                                          OPTIONAL(3, 1, KITH_SIGNED_LIST_BYTES_MAX)};
    struct kith_slice values[COUNT(fields)];
    struct device_list found = {0};
    kith_err err;

    if (signed_list.len > KITH_SIGNED_LIST_BYTES_MAX) return KITH_E_TOOBIG;
    err = eat_fields(signed_list, fields, COUNT(fields), values);
    if (err == KITH_OK) err = list_read(values[0], &found);
    if (err == KITH_OK) err = accepts_read(values[2], &found);
    if (err == KITH_OK) *out = found;
    return err;
}

bool device_list_keeps_accepts(struct kith_slice before, const struct device_list *next)
{
    struct device_list list;

    if (device_list_decode(before, &list) != KITH_OK) return false;
    for (uint32_t i = 0; i < list.accept_count; i++)
        if (has_id(next->device_ids, next->device_count, list.accepts[i]) &&
            !has_id(next->accepts, next->accept_count, list.accepts[i]))
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------------ prekeys */

kith_err prekey_decode(struct kith_slice in, struct prekey *out)
{
    static const struct field fields[] = {FIELD(1, 4), FIELD_OF(2, PREKEY_X25519_BYTES, PREKEY_MLKEM_BYTES),
                                          FIELD(3, 8), FIELD(4, SIGNATURE_BYTES)};
    struct kith_slice values[COUNT(fields)];
    kith_err err;

    if (in.len > KITH_PREKEY_BYTES_MAX) return KITH_E_TOOBIG;
    err = eat_fields(in, fields, COUNT(fields), values);
    if (err != KITH_OK) return err;
    if (number(values[0]) == 0) return KITH_E_MALFORMED;
    if (values[1].len != PREKEY_X25519_BYTES && values[1].len != PREKEY_MLKEM_BYTES) return KITH_E_MALFORMED;
    *out = (struct prekey){.id = (uint32_t)number(values[0]), .public_key = values[1], .expires_ms = number(values[2])};
    return KITH_OK;
}
