#include "libkith/crypto/secret.h"

#include <assert.h>
#include <sodium.h>

void e2e_wipe(void *secret, size_t len)
{
    sodium_memzero(secret, len);
}

bool e2e_ct_eq(struct kith_slice a, struct kith_slice b)
{
    int different;

    if (a.len != b.len) return false;
    if (a.len == 0) return true;
    different = sodium_memcmp(a.ptr, b.ptr, a.len);
    E2E_CT_PUBLIC(&different, sizeof different);
    return different == 0;
}

bool e2e_ct_is_zero(const uint8_t *bytes, size_t len)
{
    int zero = sodium_is_zero(bytes, len);

    E2E_CT_PUBLIC(&zero, sizeof zero);
    return zero != 0;
}

/* ---------------------------------------------------------------------------------------------- text, without tables */

/* All ones when low <= c <= high, else 0; all three are below 2^31. */
static unsigned in_range(unsigned c, unsigned low, unsigned high)
{
    return (((c - low) | (high - c)) >> 31) - 1;
}

static unsigned hex_digit(unsigned value)
{
    return '0' + value + (in_range(value, 10, 15) & ('a' - '0' - 10));
}

/* The digit's value; for any other character *bad becomes non-zero. */
static unsigned hex_value(unsigned c, unsigned *bad)
{
    unsigned digit = in_range(c, '0', '9'), letter = in_range(c, 'a', 'f');

    *bad |= ~(digit | letter);
    return (digit & (c - '0')) | (letter & (c - 'a' + 10));
}

static unsigned base64url_digit(unsigned value)
{
    return (in_range(value, 0, 25) & (value + 'A')) | (in_range(value, 26, 51) & (value - 26 + 'a')) |
           (in_range(value, 52, 61) & (value - 52 + '0')) | (in_range(value, 62, 62) & '-') |
           (in_range(value, 63, 63) & '_');
}

static unsigned base64url_value(unsigned c, unsigned *bad)
{
    unsigned upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z'), digit = in_range(c, '0', '9');
    unsigned minus = in_range(c, '-', '-'), low_line = in_range(c, '_', '_');

    *bad |= ~(upper | lower | digit | minus | low_line);
    return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) | (minus & 62) | (low_line & 63);
}

/* Only here it is looked at whether the text was well-formed, all of it at once. */
static kith_err text_end(unsigned bad, uint8_t *out, size_t len, size_t *out_len)
{
    E2E_CT_PUBLIC(&bad, sizeof bad);
    if (bad != 0) {
        if (len > 0) e2e_wipe(out, len);
        return KITH_E_MALFORMED;
    }
    *out_len = len;
    return KITH_OK;
}

void e2e_ct_hex_encode(struct kith_slice bytes, char *out)
{
    assert(bytes.len <= E2E_CT_TEXT_BYTES_MAX / 2);
    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = (char)hex_digit(bytes.ptr[i] >> 4);
        out[2 * i + 1] = (char)hex_digit(bytes.ptr[i] & 15u);
    }
}

kith_err e2e_ct_hex_decode(struct kith_slice text, uint8_t *out, size_t *out_len)
{
    unsigned bad = 0;

    if (text.len > E2E_CT_TEXT_BYTES_MAX) return KITH_E_TOOBIG;
    for (size_t i = 0; i + 1 < text.len; i += 2) {
        unsigned high = hex_value(text.ptr[i], &bad), low = hex_value(text.ptr[i + 1], &bad);
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return text_end(bad | (text.len & 1u), out, text.len / 2, out_len);
}

void e2e_ct_base64url_encode(struct kith_slice bytes, char *out)
{
    unsigned held = 0, bits = 0; /* of `held`, the low `bits` are not written yet */

    assert(bytes.len <= E2E_CT_TEXT_BYTES_MAX / 2);
    for (size_t i = 0; i < bytes.len; i++) {
        held = (held << 8 | bytes.ptr[i]) & 0xffffu;
        for (bits += 8; bits >= 6; bits -= 6) *out++ = (char)base64url_digit(held >> (bits - 6) & 63u);
    }
    if (bits > 0) *out = (char)base64url_digit(held << (6 - bits) & 63u);
}

kith_err e2e_ct_base64url_decode(struct kith_slice text, uint8_t *out, size_t *out_len)
{
    unsigned held = 0, bits = 0, bad = 0;
    size_t len = 0;

    if (text.len > E2E_CT_TEXT_BYTES_MAX) return KITH_E_TOOBIG;
    for (size_t i = 0; i < text.len; i++) {
        held = (held << 6 | base64url_value(text.ptr[i], &bad)) & 0xffffu;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out[len++] = (uint8_t)(held >> bits);
    }
    /* Left over: no whole digit, and zeros only, or there would be two texts of the same bytes. */
    if (bits >= 6) bad |= 1u;
    bad |= held & ((1u << bits) - 1);
    return text_end(bad, out, len, out_len);
}
