#ifndef KITH_ACCOUNT_DEVICE_LIST_H
#define KITH_ACCOUNT_DEVICE_LIST_H

#include "account/account.h"
#include "libkith/e2ee/device_list.h"

/**
 * What the key directory holds a signed list to before it takes it: all that every client holds it to, by the same code
 * (docs/decisions/0009), and that nothing in it is unsigned. Pure; any thread. docs/wire/keys.md, "Leaving keys".
 */

/**
 * The list by itself, which `who` brings. 0.3 ms for one device, 6 ms for 32: not on a loop.
 *
 * OK             verified. With any other code *out says nothing
 * BAD_REQUEST    no signed list, one that breaks a rule, or another account's
 * FORBIDDEN      it does not list the device that brings it
 * BAD_SIGNATURE  certificate, signature or an acceptance does not hold, or there are bytes that nobody signed
 * UNAVAILABLE    no memory
 */
enum kith_code account_list_verify(struct kith_slice signed_list, const struct account_identity *who,
                                   struct e2e_device_list *out);

enum account_list_step {
    ACCOUNT_LIST_NEXT,  /* the first, or the stored one's successor                                              */
    ACCOUNT_LIST_SAME,  /* the stored one, at most with more acceptances                                         */
    ACCOUNT_LIST_WRONG, /* anything else: a fork, a step back, another root key, a device that comes back, an
                           acceptance that is gone                                                               */
};
/** What a verified list is after the stored one, which was verified when it came; empty: none is stored. Microseconds. */
enum account_list_step account_list_step(struct kith_slice stored, const struct e2e_device_list *next);

#endif
