#include "base/prng.h"

#include <assert.h>

static uint64_t rotl(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

void kith_prng_seed(struct kith_prng *prng, uint64_t seed)
{
    /* splitmix64: neighbouring seeds give unrelated states, and never the all-zero one. */
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        prng->s[i] = z ^ z >> 31;
    }
}

uint64_t kith_prng_next(struct kith_prng *prng)
{
    uint64_t *s = prng->s;
    uint64_t out = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

uint64_t kith_prng_below(struct kith_prng *prng, uint64_t n)
{
    uint64_t limit, x;

    assert(n >= 1);
    if ((n & (n - 1)) == 0) return kith_prng_next(prng) & (n - 1);
    limit = UINT64_MAX - UINT64_MAX % n; /* what lies above would make the small numbers likelier */
    do x = kith_prng_next(prng);
    while (x >= limit);
    return x % n;
}

uint64_t kith_prng_between(struct kith_prng *prng, uint64_t low, uint64_t high)
{
    assert(low <= high);
    if (high - low == UINT64_MAX) return kith_prng_next(prng);
    return low + kith_prng_below(prng, high - low + 1);
}

bool kith_prng_chance(struct kith_prng *prng, uint64_t num, uint64_t den)
{
    return kith_prng_below(prng, den) < num;
}

void kith_prng_bytes(struct kith_prng *prng, void *out, size_t len)
{
    uint8_t *to = out;

    while (len > 0) {
        uint64_t x = kith_prng_next(prng);
        for (size_t n = len < 8 ? len : 8, i = 0; i < n; i++, len--) {
            *to++ = (uint8_t)x;
            x >>= 8;
        }
    }
}

struct kith_prng kith_prng_fork(struct kith_prng *prng)
{
    struct kith_prng out;

    kith_prng_seed(&out, kith_prng_next(prng));
    return out;
}
