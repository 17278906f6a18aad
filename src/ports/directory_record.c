#include "ports/directory.h"

static const struct directory_blob *blob_at(const void *field)
{
    return field;
}

struct directory_value directory_value_get(const struct directory_column *column, const void *record)
{
    const uint8_t *field = (const uint8_t *)record + column->offset;
    struct directory_value value = {0};

    switch (column->type) {
    case DIRECTORY_ID: value.bytes = kith_slice_of(field, sizeof(struct kith_uuid)); break;
    case DIRECTORY_U64:
        memcpy(&value.number, field, sizeof value.number);
        assert(value.number <= INT64_MAX);
        break;
    case DIRECTORY_TEXT:
        value.bytes = kith_slice_of(field, strnlen((const char *)field, column->bytes_max));
        assert(value.bytes.len < column->bytes_max);
        break;
    case DIRECTORY_BLOB:
        value.bytes = kith_slice_of(blob_at(field)->bytes, blob_at(field)->len);
        assert(value.bytes.len <= column->bytes_max);
        break;
    }
    return value;
}

kith_err directory_value_set(const struct directory_column *column, void *record, struct directory_value value)
{
    uint8_t *field = (uint8_t *)record + column->offset;
    uint32_t len = (uint32_t)value.bytes.len;
    size_t room = column->bytes_max;

    switch (column->type) {
    case DIRECTORY_ID:
        room = sizeof(struct kith_uuid);
        if (value.bytes.len != room) return KITH_E_DAMAGED;
        break;
    case DIRECTORY_U64:
        if (value.number > INT64_MAX) return KITH_E_DAMAGED;
        memcpy(field, &value.number, sizeof value.number);
        return KITH_OK;
    case DIRECTORY_TEXT:
        if (value.bytes.len >= room || memchr(value.bytes.ptr, 0, value.bytes.len) != NULL) return KITH_E_DAMAGED;
        break;
    case DIRECTORY_BLOB:
        if (value.bytes.len > room) return KITH_E_DAMAGED;
        memcpy(field, &len, sizeof len);
        field += offsetof(struct directory_blob, bytes);
        break;
    }
    if (value.bytes.len > 0) memcpy(field, value.bytes.ptr, value.bytes.len);
    memset(field + value.bytes.len, 0, room - value.bytes.len);
    return KITH_OK;
}

void directory_record_copy(const struct directory_table *table, void *to, const void *from)
{
    memset(to, 0, table->record_bytes);
    for (unsigned i = 0; i < table->column_count; i++) {
        kith_err err = directory_value_set(&table->columns[i], to, directory_value_get(&table->columns[i], from));
        assert(err == KITH_OK);
    }
}
