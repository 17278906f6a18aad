#ifndef LIBKITH_E2EE_LIST_PARTS_H
#define LIBKITH_E2EE_LIST_PARTS_H

#include "libkith/e2ee/device_list.h"

/**
 * What reading and signing a device list share: its encodings and its rules. For device_list*.c only.
 */
#define LIST_ITEMS_BYTES_MAX 8192 /* of its devices: 32 of less than 160 bytes, and what an old reader steps over */

/** A signed list in its parts, lent. */
struct e2e_list_signed {
    struct kith_slice list, signature, accepts; /* accepts: {NULL, 0} when there are none */
};
/** KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_TOOBIG. Of the acceptances only that the list of them is whole. */
KITH_MUST_USE kith_err e2e_list_signed_decode(struct kith_slice in, struct e2e_list_signed *out);
/** One item of the acceptances. */
KITH_MUST_USE kith_err e2e_list_accept_decode(struct kith_slice item, struct e2e_acceptance *out);

/** The list itself: its shape, not its rules, and no signature. `hash` is written, is_accepted is false everywhere. */
KITH_MUST_USE kith_err e2e_list_decode(struct kith_slice in, struct e2e_device_list *out);
KITH_MUST_USE kith_err e2e_list_encode(const struct e2e_device_list *list, struct kith_buf *out);

/** What ARK signs, and what a device signs to accept its place. Appended. */
KITH_MUST_USE kith_err e2e_list_certificate_encode(const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES],
                                                   const uint8_t ark_pub[static E2E_SIGN_PUBLIC_BYTES],
                                                   const uint8_t aik_pub[static E2E_SIGN_PUBLIC_BYTES],
                                                   uint32_t aik_counter, struct kith_buf *out);
KITH_MUST_USE kith_err e2e_list_acceptance_encode(const struct e2e_device_list *list, const struct e2e_device *device,
                                                  struct kith_buf *out);

/** Whether the list keeps the rules that it can be held to alone. KITH_E_MALFORMED: it does not. */
KITH_MUST_USE kith_err e2e_list_check(const struct e2e_device_list *list);

#endif
