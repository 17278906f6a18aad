#ifndef KITH_WIRE_UTF8_H
#define KITH_WIRE_UTF8_H

#include "base/slice.h"

/**
 * Incremental UTF-8 validation: bytes come in any pieces, the first wrong byte is reported at once. Refused are
 * overlong forms, surrogates (U+D800..U+DFFF) and everything above U+10FFFF.
 *
 * State: one word, zero at the start of a text and after each whole character. Copyable; no allocation; any thread.
 * Cost: ASCII goes eight bytes at a time.
 * Source: RFC 3629, section 3 and the grammar of section 4.
 */
struct utf8 {
    uint32_t pending; /* 0: between characters; else continuation bytes due and the range of the next one */
};

static inline void utf8_reset(struct utf8 *utf8)
{
    utf8->pending = 0;
}

/**
 * Checks the next piece of a text.
 *
 * KITH_OK           no wrong byte so far; the last character may still be unfinished, see utf8_is_whole()
 * KITH_E_MALFORMED  a byte that no valid text can have here; the state is then of no use until utf8_reset()
 */
KITH_MUST_USE kith_err utf8_feed(struct utf8 *utf8, struct kith_slice bytes);

/** True between two characters: where a text may end. */
static inline bool utf8_is_whole(const struct utf8 *utf8)
{
    return utf8->pending == 0;
}

/** A whole text at once; the empty one is valid. */
bool utf8_is_valid(struct kith_slice text);

#endif
