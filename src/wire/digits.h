#ifndef KITH_WIRE_DIGITS_H
#define KITH_WIRE_DIGITS_H

#include "base/slice.h"

#define DIGITS_MAX 20 /* of a u64 in decimal */

/**
 * A number as decimal text; lies in `room`. In place of printf, which would cost more than the rest of a frame.
 */
static inline struct kith_slice digits_of(uint64_t value, char room[static DIGITS_MAX])
{
    char *at = room + DIGITS_MAX;

    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return kith_slice_of(at, (size_t)(room + DIGITS_MAX - at));
}

#endif
