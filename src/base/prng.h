#ifndef KITH_BASE_PRNG_H
#define KITH_BASE_PRNG_H

#include "base/slice.h"

/**
 * A seeded generator of reproducible numbers (xoshiro256**) for the simulator, tests and load generators. Never for
 * keys, tokens or ids: who has seen four outputs knows all the others; loop_random() is for those.
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2019.
 */
struct kith_prng {
    uint64_t s[4];
};

/** The same seed gives the same numbers for ever: a printed seed is a whole test run. Any seed, also 0. */
void kith_prng_seed(struct kith_prng *prng, uint64_t seed);

uint64_t kith_prng_next(struct kith_prng *prng);

/** Evenly from 0 to n - 1; n >= 1. */
uint64_t kith_prng_below(struct kith_prng *prng, uint64_t n);

/** Evenly from `low` to `high`, both included. */
uint64_t kith_prng_between(struct kith_prng *prng, uint64_t low, uint64_t high);

/** True in `num` of `den` cases on average. */
bool kith_prng_chance(struct kith_prng *prng, uint64_t num, uint64_t den);

void kith_prng_bytes(struct kith_prng *prng, void *out, size_t len);

/** A generator of its own, so that one part's appetite for numbers does not shift another's. */
struct kith_prng kith_prng_fork(struct kith_prng *prng);

#endif
