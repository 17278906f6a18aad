#include "base/id.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool is_dash_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

kith_err kith_uuid_parse(struct kith_slice text, struct kith_uuid *out)
{
    struct kith_uuid id = {0};
    size_t nibble = 0;

    if (text.len != KITH_UUID_TEXT_LEN) return KITH_E_MALFORMED;
    for (size_t i = 0; i < text.len; i++) {
        int v;
        if (is_dash_at(i)) {
            if (text.ptr[i] != '-') return KITH_E_MALFORMED;
            continue;
        }
        v = hex_value(text.ptr[i]);
        if (v < 0) return KITH_E_MALFORMED;
        id.raw[nibble / 2] |= (uint8_t)(nibble % 2 == 0 ? v << 4 : v);
        nibble++;
    }
    *out = id;
    return KITH_OK;
}

void kith_uuid_format(struct kith_uuid id, char out[static KITH_UUID_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    size_t nibble = 0;

    for (size_t i = 0; i < KITH_UUID_TEXT_LEN; i++) {
        if (is_dash_at(i)) {
            out[i] = '-';
            continue;
        }
        out[i] = digits[nibble % 2 == 0 ? id.raw[nibble / 2] >> 4 : id.raw[nibble / 2] & 15];
        nibble++;
    }
    out[KITH_UUID_TEXT_LEN] = '\0';
}

bool kith_uuid_is_version(struct kith_uuid id, unsigned version)
{
    return (unsigned)(id.raw[6] >> 4) == version && (id.raw[8] & 0xc0) == 0x80;
}

uint64_t kith_uuid_v7_ms(struct kith_uuid id)
{
    uint64_t ms = 0;

    for (int i = 0; i < 6; i++) ms = ms << 8 | id.raw[i];
    return ms;
}

static struct kith_uuid with_version(struct kith_uuid id, unsigned version)
{
    id.raw[6] = (uint8_t)((id.raw[6] & 0x0f) | version << 4);
    id.raw[8] = (uint8_t)((id.raw[8] & 0x3f) | 0x80);
    return id;
}

struct kith_uuid kith_uuid_v7_make(uint64_t ms, const uint8_t coins[static 10])
{
    struct kith_uuid id = {0};

    for (int i = 0; i < 6; i++) id.raw[i] = (uint8_t)(ms >> (40 - 8 * i));
    memcpy(id.raw + 6, coins, 10);
    return with_version(id, 7);
}

struct kith_uuid kith_uuid_v8_make(const uint8_t digest[static 16])
{
    struct kith_uuid id = {0};

    memcpy(id.raw, digest, sizeof id.raw);
    return with_version(id, 8);
}
