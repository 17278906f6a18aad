#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/chain_world.h"

/*
 * 100,000 group messages that were changed, a part of them by the chain's owner, who can sign: each is refused and leaves the
 * state's hash as it was, and the next good one opens. KITH_MUTATIONS says how many.
 */
#define MUTATIONS 100000
#define A_ROUND   250 /* so many of one message, then it is taken */

static long mutations(void)
{
    const char *text = getenv("KITH_MUTATIONS");
    const long wanted = text == NULL ? 0 : strtol(text, NULL, 10);

    return wanted > 0 ? wanted : MUTATIONS;
}

static void hash_of(const struct e2e_receiver_chain *receiver, uint8_t hash[static E2E_HASH_BYTES])
{
    struct kith_buf state = chains_state(receiver);
    const struct kith_slice part = kith_buf_peek(&state);

    e2e_sha256(&part, 1, hash);
    kith_buf_wipe(&state);
}

/* Bits, a byte, a run of another message, cut at the end, or longer. */
static void change(struct kith_prng *prng, struct kith_buf *message, const struct kith_buf *other)
{
    const size_t len = kith_buf_len(message), at = kith_prng_below(prng, len);
    const size_t most = len - at < kith_buf_len(other) - at ? len - at : kith_buf_len(other) - at;

    switch (kith_prng_below(prng, 5)) {
    case 0: message->ptr[at] ^= (uint8_t)(1u << kith_prng_below(prng, 8)); break;
    case 1: message->ptr[at] = (uint8_t)kith_prng_next(prng); break;
    case 2: memcpy(message->ptr + at, other->ptr + at, kith_prng_between(prng, 1, most)); break;
    case 3: message->tail = at; break;
    default: world_need(kith_buf_append(message, kith_slice_of(other->ptr, at)) == KITH_OK); break;
    }
}

/* What its owner may do: another value in the signed fields, under a signature that holds. */
static void change_and_sign(struct chains *chains, struct kith_buf *message)
{
    static const uint16_t tags[] = {2, 3, 4, 5};
    size_t len = 0;
    uint8_t *at = world_field(message, tags[kith_prng_below(&chains->prng, 4)], &len);

    at[kith_prng_below(&chains->prng, len)] ^= (uint8_t)kith_prng_between(&chains->prng, 1, 255);
    chains_sign(message, chains->sender->sign_secret);
}

static bool is_same(const struct kith_buf *a, const struct kith_buf *b)
{
    return kith_slice_eq(kith_buf_peek(a), kith_buf_peek(b));
}

static struct kith_buf copy_of(const struct kith_buf *message)
{
    struct kith_buf copy;

    kith_buf_init(&copy, WORLD_PLAIN_MAX);
    world_need(kith_buf_append(&copy, kith_buf_peek(message)) == KITH_OK);
    return copy;
}

static void round_of(struct chains *chains, const struct kith_buf *good, const struct kith_buf *other, long count)
{
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];

    hash_of(chains->receiver, before);
    for (long i = 0; i < count; i++) {
        struct kith_buf message = copy_of(good);
        while (is_same(&message, good) || is_same(&message, other)) { /* not changed, or into the other one */
            if (i % 8 == 0)
                change_and_sign(chains, &message);
            else
                change(&chains->prng, &message, other);
        }
        assert_int_not_equal(chains_open(chains->receiver, kith_buf_peek(&message), "good", WORLD_NOW), KITH_OK);
        hash_of(chains->receiver, after);
        assert_memory_equal(before, after, sizeof before);
        kith_buf_deinit(&message);
    }
    assert_int_equal(chains_take(chains, good, "good"), KITH_OK);
}

static void test_e2e_chain__what_was_changed_changes_nothing(void **state)
{
    struct chains *chains = chains_new(1), *stranger = chains_new(2);
    long left = mutations();

    (void)state;
    for (unsigned round = 0; left > 0; round++) {
        struct kith_buf lost = chains_message(chains, "good"), good = chains_message(chains, "good"),
                        other = chains_message(stranger, "good");
        const long count = left < A_ROUND ? left : A_ROUND;
        round_of(chains, &good, round % 2 == 0 ? &lost : &other, count);
        if (round % 8 != 0) round_of(chains, &lost, &good, 1); /* of a kept key */
        left -= count;
        kith_buf_deinit(&lost);
        kith_buf_deinit(&good);
        kith_buf_deinit(&other);
    }
    chains_free(chains);
    chains_free(stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_chain__what_was_changed_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
