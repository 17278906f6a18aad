#include "wire/utf8.h"

/* pending = continuation bytes due | lowest next byte << 8 | highest next byte << 16. Only the byte after the lead has
 * a narrower range than 80..BF; that is where overlong forms, surrogates and too large values show. */
#define PENDING(due, lo, hi) ((uint32_t)(due) | (uint32_t)(lo) << 8 | (uint32_t)(hi) << 16)

/* What a lead byte asks for; 0: no text has it here. */
static uint32_t pending_after(uint8_t lead)
{
    if (lead < 0xc2) return 0;
    if (lead <= 0xdf) return PENDING(1, 0x80, 0xbf);
    if (lead <= 0xef) return PENDING(2, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf);
    if (lead <= 0xf4) return PENDING(3, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
    return 0;
}

/* The first byte that is not ASCII. */
static const uint8_t *ascii_skip(const uint8_t *at, const uint8_t *end)
{
    uint64_t words[2];

    while (end - at >= (ptrdiff_t)sizeof words) {
        memcpy(words, at, sizeof words);
        if (((words[0] | words[1]) & 0x8080808080808080u) != 0) break;
        at += sizeof words;
    }
    if (end - at >= 8) {
        memcpy(words, at, 8);
        if ((words[0] & 0x8080808080808080u) == 0) at += 8;
    }
    while (at < end && *at < 0x80) at++;
    return at;
}

kith_err utf8_feed(struct utf8 *utf8, struct kith_slice bytes)
{
    const uint8_t *at = bytes.ptr;
    const uint8_t *end = bytes.len == 0 ? at : at + bytes.len;
    uint32_t pending = utf8->pending;

    while (at < end) {
        if (pending == 0) {
            at = ascii_skip(at, end);
            if (at == end) break;
            pending = pending_after(*at++);
            if (pending == 0) return KITH_E_MALFORMED;
            continue;
        }
        if (*at < (pending >> 8 & 0xff) || *at > pending >> 16) return KITH_E_MALFORMED;
        at++;
        pending = (pending & 0xff) == 1 ? 0 : PENDING((pending & 0xff) - 1, 0x80, 0xbf);
    }
    utf8->pending = pending;
    return KITH_OK;
}

bool utf8_is_valid(struct kith_slice text)
{
    struct utf8 utf8 = {0};

    return utf8_feed(&utf8, text) == KITH_OK && utf8_is_whole(&utf8);
}
