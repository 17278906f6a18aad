#ifndef LIBKITH_CRYPTO_RANDOM_H
#define LIBKITH_CRYPTO_RANDOM_H

#include "base/slice.h"

/**
 * Coins, lent by the host: libkith has no random of its own, so that a test may play everything twice. Each function that
 * draws coins has a twin, `..._from`, that is given them.
 */
struct e2e_random {
    /** Fills `out` with unpredictable bytes; it cannot fail: a host without random must not go on. */
    void (*fill)(void *arg, void *out, size_t len);
    void *arg;
};

static inline void e2e_random_fill(const struct e2e_random *random, uint8_t *out, size_t len)
{
    random->fill(random->arg, out, len);
}

#endif
