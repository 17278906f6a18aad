#ifndef LIBKITH_CRYPTO_SAFETY_NUMBER_H
#define LIBKITH_CRYPTO_SAFETY_NUMBER_H

#include "libkith/crypto/sign.h"

/**
 * What two people compare to know that nobody is between them: 60 digits of both accounts' root keys. A device that comes
 * or goes does not change them. Both sides get the same digits, whichever is `a`. About 10,000 hashes of SHA-512. Any thread.
 * Source: docs/wire/e2ee.md, "Safety number".
 */
#define E2E_ACCOUNT_ID_BYTES    16
#define E2E_SAFETY_DIGITS       60
#define E2E_SAFETY_HALF_DIGITS  30
#define E2E_SAFETY_ID_BYTES_MAX 64

/** Digits only, no NUL. */
void e2e_safety_number(const uint8_t root_a[static E2E_SIGN_PUBLIC_BYTES],
                       const uint8_t account_a[static E2E_ACCOUNT_ID_BYTES],
                       const uint8_t root_b[static E2E_SIGN_PUBLIC_BYTES],
                       const uint8_t account_b[static E2E_ACCOUNT_ID_BYTES], char out[static E2E_SAFETY_DIGITS]);

/** One account's half. id: at most E2E_SAFETY_ID_BYTES_MAX bytes, otherwise it is our own mistake. */
void e2e_safety_half(const uint8_t root[static E2E_SIGN_PUBLIC_BYTES], struct kith_slice id,
                     char out[static E2E_SAFETY_HALF_DIGITS]);

#endif
