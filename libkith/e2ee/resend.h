#ifndef LIBKITH_E2EE_RESEND_H
#define LIBKITH_E2EE_RESEND_H

#include "libkith/e2ee/payload.h"

/**
 * Which messages a device asks another one for again. Pure functions; what is asked for and what is given is the account's to
 * say (account_resend.h). Source: docs/wire/e2ee.md, "Asking again".
 */
#define E2E_RESEND_TYPE       "application/x-kith-resend"
#define E2E_RESEND_ITEMS_MAX  32
#define E2E_RESEND_ITEM_BYTES 58

struct e2e_resend_item {
    uint8_t chat_id[E2E_ID_BYTES];
    uint64_t seq; /* not 0 */
    uint8_t msg_id[E2E_ID_BYTES];
};
struct e2e_resend {
    struct e2e_resend_item items[E2E_RESEND_ITEMS_MAX]; /* ascending in (chat_id, seq), none twice */
    uint32_t count;                                     /* 1..E2E_RESEND_ITEMS_MAX */
};

/** Appends the body of a request. KITH_E_MALFORMED: count, order or a seq of 0; KITH_E_TOOBIG, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_resend_encode(const struct e2e_resend *resend, struct kith_buf *out);
/** KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_TOOBIG (more than E2E_RESEND_ITEMS_MAX). */
KITH_MUST_USE kith_err e2e_resend_decode(struct kith_slice in, struct e2e_resend *out);
/** One item, as a payload's `again` has it. */
void e2e_resend_item_encode(const struct e2e_resend_item *item, uint8_t out[static E2E_RESEND_ITEM_BYTES]);
KITH_MUST_USE kith_err e2e_resend_item_decode(struct kith_slice in, struct e2e_resend_item *out);
/** By (chat_id, seq), as they are ordered in a request: below, at or above 0. */
int e2e_resend_item_cmp(const struct e2e_resend_item *a, const struct e2e_resend_item *b);

#endif
