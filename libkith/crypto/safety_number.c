#include "libkith/crypto/safety_number.h"

#include <assert.h>

#include "libkith/crypto/hash.h"

#define ROUNDS       5200
#define GROUP_BYTES  5
#define GROUP_DIGITS 5
#define KEY_TYPE     0x05

void e2e_safety_half(const uint8_t root[static E2E_SIGN_PUBLIC_BYTES], struct kith_slice id,
                     char out[static E2E_SAFETY_HALF_DIGITS])
{
    static const uint8_t version[2] = {0, 0};
    uint8_t key[1 + E2E_SIGN_PUBLIC_BYTES] = {KEY_TYPE}, hash[E2E_SHA512_BYTES];
    const struct kith_slice key_part = kith_slice_of(key, sizeof key);

    assert(id.len <= E2E_SAFETY_ID_BYTES_MAX);
    memcpy(key + 1, root, E2E_SIGN_PUBLIC_BYTES);
    e2e_sha512((struct kith_slice[]){kith_slice_of(version, sizeof version), key_part, id, key_part}, 4, hash);
    for (int i = 1; i < ROUNDS; i++)
        e2e_sha512((struct kith_slice[]){kith_slice_of(hash, sizeof hash), key_part}, 2, hash);
    for (int group = 0; group < E2E_SAFETY_HALF_DIGITS / GROUP_DIGITS; group++) {
        uint64_t number = 0;
        for (int i = 0; i < GROUP_BYTES; i++) number = number << 8 | hash[group * GROUP_BYTES + i];
        for (int i = GROUP_DIGITS - 1; i >= 0; i--, number /= 10)
            out[group * GROUP_DIGITS + i] = (char)('0' + number % 10);
    }
}

void e2e_safety_number(const uint8_t root_a[static E2E_SIGN_PUBLIC_BYTES],
                       const uint8_t account_a[static E2E_ACCOUNT_ID_BYTES],
                       const uint8_t root_b[static E2E_SIGN_PUBLIC_BYTES],
                       const uint8_t account_b[static E2E_ACCOUNT_ID_BYTES], char out[static E2E_SAFETY_DIGITS])
{
    char a[E2E_SAFETY_HALF_DIGITS], b[E2E_SAFETY_HALF_DIGITS];
    bool a_first;

    e2e_safety_half(root_a, kith_slice_of(account_a, E2E_ACCOUNT_ID_BYTES), a);
    e2e_safety_half(root_b, kith_slice_of(account_b, E2E_ACCOUNT_ID_BYTES), b);
    a_first = memcmp(a, b, sizeof a) <= 0;
    memcpy(out, a_first ? a : b, sizeof a);
    memcpy(out + sizeof a, a_first ? b : a, sizeof b);
}
