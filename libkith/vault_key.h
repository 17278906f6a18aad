#ifndef LIBKITH_VAULT_KEY_H
#define LIBKITH_VAULT_KEY_H

#include "libkith/crypto/passphrase.h"
#include "libkith/vault.h"

/**
 * The file of a vault's key, as bytes: the key itself, or the key wrapped under a passphrase. Fields (crypto/tlv.h):
 *   1 version u8, 1
 *   2 the key, 32 bytes; or, wrapped, instead:
 *   3 salt (16)    4 passes u32    5 memory, KiB u32    6 nonce (24)
 *   7 XChaCha20-Poly1305 of the key under HKDF(no salt, Argon2id's key, label vault, info "passphrase", 32 bytes); the
 *     encoding of the fields 1 and 3 to 5 is authenticated beside it
 * A passphrase takes Argon2id's memory and time (passphrase.h). Pure, any thread. Source: docs/client-state.md.
 */
#define VAULT_FILE_BYTES_MAX 256

/** Appends the file of a key that is not wrapped. Errors as kith_buf_append(). */
KITH_MUST_USE kith_err vault_key_write(const uint8_t key[static VAULT_KEY_BYTES], struct kith_buf *out);

/** Appends the file of a wrapped one. KITH_E_TOOBIG: the passphrase; or as e2e_passphrase_key(), kith_buf_append(). */
KITH_MUST_USE kith_err vault_key_wrap(const uint8_t key[static VAULT_KEY_BYTES], struct kith_slice passphrase,
                                      struct e2e_passphrase_cost cost, const struct e2e_random *random,
                                      struct kith_buf *out);

/** Whether a passphrase is needed. KITH_E_MALFORMED: no such file; KITH_E_UNSUPPORTED: of a newer build. */
KITH_MUST_USE kith_err vault_key_is_wrapped(struct kith_slice file, bool *out);

/**
 * The key in a file. `passphrase` is not looked at when it is not wrapped. `out` is unchanged on an error.
 *
 * KITH_E_DENIED     another passphrase, or a damaged file
 * KITH_E_MALFORMED, KITH_E_UNSUPPORTED as above; KITH_E_TOOBIG, KITH_E_NOMEM as e2e_passphrase_key()
 */
KITH_MUST_USE kith_err vault_key_read(struct kith_slice file, struct kith_slice passphrase,
                                      uint8_t out[static VAULT_KEY_BYTES]);

#endif
