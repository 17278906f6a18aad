#ifndef LIBKITH_CRYPTO_LABEL_H
#define LIBKITH_CRYPTO_LABEL_H

#include "base/slice.h"

/**
 * The labels of kith/1: whatever is signed, and whatever says what a key is derived for, begins with
 * "kith/1/" label 0x00, so that no signature and no key of one purpose can be taken for one of another.
 * No key is used under two labels, except a device's and an account's signing keys, whose inputs always have one.
 *
 * This is the only list. A label is never renamed or given a second meaning: that would be another protocol version.
 */
#define E2E_LABEL_SIGN   1u /* begins what Ed25519 signs */
#define E2E_LABEL_DERIVE 2u /* begins HKDF's info */
#define E2E_LABEL_HASH   4u /* begins a transcript that SHA-256 sums up */

/* X(NAME, text, uses, what for) */
#define E2E_LABELS(X)                                                                                                 \
    X(ROOT, "root", E2E_LABEL_SIGN, "the account's root key certifies the key that signs its device lists")           \
    X(DEVLIST, "devlist", E2E_LABEL_SIGN, "the account's list of devices")                                            \
    X(DEVACCEPT, "devaccept", E2E_LABEL_SIGN, "a device accepts its place in the list")                               \
    X(SPK, "spk", E2E_LABEL_SIGN, "a signed prekey, X25519")                                                          \
    X(OPK, "opk", E2E_LABEL_SIGN, "a one-time prekey, X25519")                                                        \
    X(KEM_OT, "kem-ot", E2E_LABEL_SIGN, "a one-time prekey, ML-KEM")                                                  \
    X(KEM_LR, "kem-lr", E2E_LABEL_SIGN, "the prekey of last resort, ML-KEM")                                          \
    X(PQXDH, "pqxdh", E2E_LABEL_DERIVE | E2E_LABEL_HASH, "a session's first keys, and the transcript they depend on") \
    X(RK, "rk", E2E_LABEL_DERIVE, "a step of a session's root key")                                                   \
    X(MK, "mk", E2E_LABEL_DERIVE, "the keys of one message of a session")                                             \
    X(SK_CHAIN, "sk-chain", E2E_LABEL_DERIVE, "the keys of one message of a group's sender chain")                    \
    X(SK_MSG, "sk-msg", E2E_LABEL_SIGN, "a message of a group's sender chain")                                        \
    X(GOP, "gop", E2E_LABEL_SIGN, "an operation on a group's membership")                                             \
    X(JOIN, "join", E2E_LABEL_SIGN | E2E_LABEL_DERIVE, "asking to be let into a group, and its invite link's key")    \
    X(MEDIA, "media", E2E_LABEL_DERIVE, "the keys of a file")                                                         \
    X(THUMB, "thumb", E2E_LABEL_DERIVE, "the keys of a picture's small copy")                                         \
    X(HIST, "hist", E2E_LABEL_DERIVE, "the keys of history given to a new device")                                    \
    X(BACKUP, "backup", E2E_LABEL_DERIVE, "the keys of a backup")                                                     \
    X(APPSTATE, "appstate", E2E_LABEL_SIGN | E2E_LABEL_DERIVE, "the account's own settings between its devices")      \
    X(LINK, "link", E2E_LABEL_DERIVE | E2E_LABEL_HASH, "linking a device: its keys, and the code both sides show")    \
    X(RELEASE, "release", E2E_LABEL_SIGN, "the list of files of a release of the clients")                            \
    X(VAULT, "vault", E2E_LABEL_DERIVE, "the keys of what a device keeps at rest")

enum e2e_label {
#define X(name, text, uses, what) E2E_LABEL_##name,
    E2E_LABELS(X)
#undef X
};
#define X(name, text, uses, what) +1
enum { E2E_LABEL_COUNT = E2E_LABELS(X) };
#undef X

#define E2E_LABEL_TEXT_BYTES_MAX   15
#define E2E_LABEL_PREFIX_BYTES_MAX (7 + E2E_LABEL_TEXT_BYTES_MAX + 1)

struct e2e_label_row {
    const char *text;
    unsigned uses; /* E2E_LABEL_SIGN and its like, together */
    const char *what;
};

/** Lent for ever. A number that is no label is our own mistake and ends the process, here and below. */
const struct e2e_label_row *e2e_label_row(enum e2e_label label);

/** The label with this text. KITH_E_NOTFOUND: none. */
KITH_MUST_USE kith_err e2e_label_find(struct kith_slice text, enum e2e_label *out);

/**
 * "kith/1/" label 0x00, which goes before the bytes themselves. Returns its length.
 * `use`: the one use it is wanted for; one that the label is not for is our own mistake.
 */
size_t e2e_label_prefix(enum e2e_label label, unsigned use, uint8_t out[static E2E_LABEL_PREFIX_BYTES_MAX]);

#endif
