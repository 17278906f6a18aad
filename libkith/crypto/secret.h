#ifndef LIBKITH_CRYPTO_SECRET_H
#define LIBKITH_CRYPTO_SECRET_H

#include "base/slice.h"

/**
 * Handling of secrets. Nothing here branches on, or indexes with, a secret byte; lengths are public, and so is whether an
 * encoding was well-formed. tests/secret proves it with valgrind, for each compiler that we build with.
 */

/** Says, in code and to that test, that bytes computed from a secret are no secret. `ptr` and `len` are of a variable. */
#ifdef KITH_SECRET_TEST
#include <valgrind/memcheck.h>
#define E2E_CT_PUBLIC(ptr, len) ((void)VALGRIND_MAKE_MEM_DEFINED(ptr, len))
#else
#define E2E_CT_PUBLIC(ptr, len) ((void)(ptr), (void)(len))
#endif

/** Overwrites with zeros, and is not optimised away. */
void e2e_wipe(void *secret, size_t len);

/** Whether both are the same; of different lengths they are not, and that is seen in its time. */
KITH_MUST_USE bool e2e_ct_eq(struct kith_slice a, struct kith_slice b);
/** Whether all `len` bytes are zero. */
KITH_MUST_USE bool e2e_ct_is_zero(const uint8_t *bytes, size_t len);

/*
 * Text of secrets. Hex is lower case; base64url has no padding (RFC 4648, 5). An encoder writes exactly ..._BYTES(len)
 * characters and no NUL. A decoder takes only what its encoder writes; `out` has room for all that `text` may hold
 * (text.len / 2, or text.len * 3 / 4), *out_len is written only on KITH_OK, and on KITH_E_MALFORMED `out` is zeros.
 */
#define E2E_CT_HEX_BYTES(len)       ((len) * 2)
#define E2E_CT_BASE64URL_BYTES(len) (((len) * 4 + 2) / 3)
#define E2E_CT_TEXT_BYTES_MAX       (1u << 20) /* longer text is our own mistake when written, KITH_E_TOOBIG when read */

void e2e_ct_hex_encode(struct kith_slice bytes, char *out);
KITH_MUST_USE kith_err e2e_ct_hex_decode(struct kith_slice text, uint8_t *out, size_t *out_len);
void e2e_ct_base64url_encode(struct kith_slice bytes, char *out);
KITH_MUST_USE kith_err e2e_ct_base64url_decode(struct kith_slice text, uint8_t *out, size_t *out_len);

#endif
