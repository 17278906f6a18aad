#ifndef LIBKITH_VAULT_H
#define LIBKITH_VAULT_H

#include "base/buf.h"
#include "base/id.h"
#include "libkith/crypto/aead.h"
#include "libkith/crypto/random.h"

/**
 * What a client keeps, encrypted at rest: between libkith's records (kith.h, PERSIST) and whatever a host keeps them in. A
 * record (key, value) becomes a stored key, from which no id can be read, and a sealed value; whoever has the vault's key
 * finds a record by its own key, and nobody else finds, reads, changes, renames or invents one. What an older copy of the
 * whole store would show is not noticed, nor that a record is missing: the host's transactions are trusted for that.
 *
 *   stored key    letter, BLAKE2b-256 under the name key (of the letter and the record's key), and for records that are read
 *                 in ranges (the letters 'M', 'Q', 'B') their number, 8 bytes, which the hash then leaves out. The letter is
 *                 the record's for those three, VAULT_LETTER_OTHER for all others: what they are is not told either.
 *   stored value  version 1, nonce (24), XChaCha20-Poly1305 under the sealing key of: length of the key u16, key, value;
 *                 the stored key is authenticated beside it.
 *   keys          sealing key, name key = HKDF(no salt, the vault's key, label vault, info "records", 64 bytes), in this order
 *
 * A host's own things may be records too; their keys begin with a small letter, libkith's with a capital one.
 * Pure, any thread. Source: docs/client-state.md.
 */
#define VAULT_KEY_BYTES        32
#define VAULT_RECORD_KEY_BYTES 128 /* at most; libkith's have at most 64 */
#define VAULT_VALUE_BYTES_MAX  (8u * 1024 * 1024 - 1024)
#define VAULT_NAME_BYTES_MAX   (1 + E2E_HASH_BYTES + 8)
#define VAULT_ADDED_BYTES(key) (1 + E2E_AEAD_NONCE_BYTES + 2 + (key).len + E2E_AEAD_TAG_BYTES)
#define VAULT_LETTER_OTHER     '.'
/* The first bytes of the stored keys of all that kith_client_load() remembers: what else there is need not be read then. */
#define VAULT_LETTERS_LOADED ".Q"

struct vault {
    uint8_t seal_key[E2E_KEY_BYTES], name_key[E2E_KEY_BYTES];
};

struct vault_name {
    uint8_t bytes[VAULT_NAME_BYTES_MAX];
    size_t len;
};

void vault_init(struct vault *vault, const uint8_t key[static VAULT_KEY_BYTES]);
/** Wipes. */
void vault_deinit(struct vault *vault);

/** The stored key of a record's key, 1..VAULT_RECORD_KEY_BYTES bytes: another length is our own mistake. */
void vault_name(const struct vault *vault, struct kith_slice key, struct vault_name *out);

static inline struct kith_slice vault_name_slice(const struct vault_name *name)
{
    return kith_slice_of(name->bytes, name->len);
}

/**
 * Between these two, without them, are a chat's messages in the order of their numbers: those above `after` and below
 * `before`; before 0: no upper bound.
 */
void vault_message_range(const struct vault *vault, struct chat_id chat, uint64_t after, uint64_t before,
                         struct vault_name *from, struct vault_name *to);

/**
 * The stored form of a record.
 *
 * name   written at once: the stored key.
 * out    the stored value is appended: value.len + VAULT_ADDED_BYTES(key). On an error it is as before.
 *
 * KITH_E_TOOBIG  a value longer than VAULT_VALUE_BYTES_MAX, or past out's maximum      KITH_E_NOMEM
 */
KITH_MUST_USE kith_err vault_seal(const struct vault *vault, const struct e2e_random *random, struct kith_slice key,
                                  struct kith_slice value, struct vault_name *name, struct kith_buf *out);
/** The same with the caller's coins, which no two calls may share. */
KITH_MUST_USE kith_err vault_seal_from(const struct vault *vault, const uint8_t nonce[static E2E_AEAD_NONCE_BYTES],
                                       struct kith_slice key, struct kith_slice value, struct vault_name *name,
                                       struct kith_buf *out);

/**
 * The record behind a stored key and value.
 *
 * room         emptied, then holds the opened bytes; the caller wipes it in the end. Its maximum is the caller's.
 * key, value   lent from `room`, until it changes. Written only on KITH_OK.
 *
 * KITH_E_DENIED  damaged, sealed with another key, of another stored key, or in a form that this build does not know
 * KITH_E_TOOBIG  past room's maximum      KITH_E_NOMEM
 */
KITH_MUST_USE kith_err vault_open(const struct vault *vault, struct kith_slice name, struct kith_slice stored,
                                  struct kith_buf *room, struct kith_slice *key, struct kith_slice *value);

#endif
