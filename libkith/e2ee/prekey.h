#ifndef LIBKITH_E2EE_PREKEY_H
#define LIBKITH_E2EE_PREKEY_H

#include "libkith/crypto/kem.h"
#include "libkith/e2ee/device_list.h"

/**
 * Keys that a device leaves with the server, so that a session can begin while it is away. Each is signed by the device.
 * Pure functions; who keeps the private halves, and for how long, is the caller's. Any thread.
 * Source: docs/wire/e2ee.md, "Prekeys".
 */
#define E2E_PREKEY_BYTES_MAX 2048 /* of one, encoded */

enum e2e_prekey_kind { E2E_PREKEY_SPK = 1, E2E_PREKEY_OPK, E2E_PREKEY_KEM_OT, E2E_PREKEY_KEM_LR };
static inline bool e2e_prekey_is_kem(enum e2e_prekey_kind kind)
{
    return kind == E2E_PREKEY_KEM_OT || kind == E2E_PREKEY_KEM_LR;
}

/** The private half. Wipe it when it goes. */
struct e2e_prekey_secret {
    enum e2e_prekey_kind kind;
    uint32_t id;
    uint64_t expires_at_ms;
    uint8_t secret[E2E_KEM_SEED_BYTES]; /* X25519: the first 32; ML-KEM: its seed */
};

/** The public half, verified. */
struct e2e_prekey {
    enum e2e_prekey_kind kind;
    uint32_t id;
    uint64_t expires_at_ms;
    uint8_t public[E2E_KEM_PUBLIC_BYTES]; /* X25519: the first 32 */
};

/** Makes one, appends its encoding to `public_out`. Draws the id (never 0) first, then the secret. */
KITH_MUST_USE kith_err e2e_prekey_new(const struct e2e_random *random,
                                      const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES], uint32_t device_id,
                                      const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES], enum e2e_prekey_kind kind,
                                      uint64_t expires_at_ms, struct e2e_prekey_secret *out,
                                      struct kith_buf *public_out);

/**
 * Reads one of `device` and checks encoding, key and signature.
 * KITH_E_MALFORMED, KITH_E_UNSUPPORTED   KITH_E_DENIED  signature; it has expired at now_ms; the device has not accepted
 * its place in the list
 * On an error *out is zeros.
 */
KITH_MUST_USE kith_err e2e_prekey_read(struct kith_slice prekey, enum e2e_prekey_kind kind,
                                       const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                                       const struct e2e_device *device, uint64_t now_ms, struct e2e_prekey *out);

/**
 * The form of one: its encoding and lengths; neither key nor signature is checked. For whoever only keeps it.
 * KITH_E_MALFORMED, KITH_E_UNSUPPORTED; KITH_E_TOOBIG: more than E2E_PREKEY_BYTES_MAX. On an error *out is zeros.
 */
KITH_MUST_USE kith_err e2e_prekey_parse(struct kith_slice prekey, enum e2e_prekey_kind kind, struct e2e_prekey *out);

#endif
