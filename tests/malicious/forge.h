#ifndef KITH_TESTS_MALICIOUS_FORGE_H
#define KITH_TESTS_MALICIOUS_FORGE_H

#include "libkith/e2ee/chain_state.h"
#include "libkith/e2ee/message.h"
#include "tests/e2e/town_group.h"

/*
 * What an attacker makes: with the keys of a device whose records it has read, or with none. Buffers that are given are the
 * caller's to deinit.
 */

/* ---- keys out of a device's records */
struct forge_keys {
    uint32_t device_id;
    uint8_t dsk[E2E_SIGN_SECRET_BYTES], ddh[E2E_DH_BYTES];
    uint8_t ark[E2E_SIGN_SECRET_BYTES], aik[E2E_SIGN_SECRET_BYTES]; /* zeros where it has none */
};
struct forge_keys forge_keys_of(const struct town_device *device);
/** The session that `of` sends to `with` in. */
struct e2e_session *forge_session(const struct town_device *of, const struct town_device *with);
/** The chain that it sends with in a group; and what an insider makes of one that it was given: all is right but who signs. */
struct e2e_sender_chain *forge_chain(const struct town_device *of, const struct town_group *group);
struct e2e_sender_chain *forge_chain_given(const struct town_device *by, const struct town_group *group,
                                           const struct town_device *of);
/** It was given the chain of that id. */
bool forge_has_chain(const struct town_device *device, const uint8_t chain_id[static E2E_CHAIN_ID_BYTES]);

/* ---- lists */
/** The successor of a person's newest list, the same but for its number and times. free() it. */
struct e2e_device_list *forge_next(const struct town_person *person, uint64_t now_ms);
/** Signed, with the acceptances of those devices. */
struct kith_buf forge_list(const struct e2e_device_list *list, const uint8_t *aik, const struct forge_keys *accepting,
                           size_t count);

/* ---- operations of groups */
/** What its kind has; who it is of is for forge_op(). */
struct e2e_group_op forge_op_of(enum e2e_group_kind kind, const struct town_device *subject, uint8_t role);
/**
 * `op` behind `before`, as `maker` makes it, who may; but it says that it is of `author`, and `signer` has signed it. All else
 * of it is right.
 */
struct kith_buf forge_op(const struct town_device *maker, const struct town_device *author,
                         const struct town_device *signer, const struct e2e_group *before, struct e2e_group_op op);
/** Whatever it says, signed by that device. */
void forge_sign_op(const struct town_device *signer, struct e2e_group_op *op, struct kith_buf *out);

/* ---- messages */
/** As `from` would say it honestly. */
struct e2e_payload forge_payload(const struct town_device *from, const struct town_device *to,
                                 const struct town_chat *chat, const uint8_t msg_id[static E2E_ID_BYTES],
                                 uint64_t sseq);
/** The same in a group. */
struct e2e_payload forge_group_payload(const struct town_device *from, const struct town_device *to,
                                       const struct town_group *group, const uint8_t msg_id[static E2E_ID_BYTES],
                                       uint64_t sseq);
/** Encrypted in a copy of the session that `from` has. */
struct kith_buf forge_message(const struct town_device *from, const struct town_device *to,
                              struct e2e_payload *payload);
/** Under a chain, which steps; the header says what the payload says of the head. */
struct kith_buf forge_common(const struct town_device *from, struct e2e_sender_chain *chain,
                             struct e2e_payload *payload);
struct e2e_envelope forge_envelope(const struct town_device *from, const struct town_chat *chat,
                                   const uint8_t msg_id[static E2E_ID_BYTES], struct kith_slice message);

/* ---- bytes */
/** The value of a field, in place: whoever writes there changes `in`. */
uint8_t *forge_field(struct kith_slice in, uint16_t tag, size_t *len);
/** `in` with other bytes as a field's value; empty: without the field. */
struct kith_buf forge_with(struct kith_slice in, uint16_t tag, struct kith_slice value);
struct kith_buf forge_copy(struct kith_slice in);
#define FORGE_BAD_POINTS 12
/** X25519 keys that give zero or are another spelling. */
extern const uint8_t forge_bad_points[FORGE_BAD_POINTS][E2E_DH_BYTES];

/* ---- what must come of it */
/** It is refused, nothing is kept or dropped, nothing is given. What it came to. */
kith_err forge_refused(struct town_device *to, struct e2e_envelope envelope);

#endif
