#ifndef KITH_ACCOUNT_SIGNER_H
#define KITH_ACCOUNT_SIGNER_H

#include "account/account.h"
#include "libkith/e2ee/device_list.h"

/** Who says to have signed something: a device of an account, under a list. */
struct account_signer {
    struct user_id user;
    struct device_id device; /* the asking one */
    uint32_t number;         /* its number in the list */
    uint64_t list_seq;
    const uint8_t *list_hash; /* E2E_HASH_BYTES, lent */
};

/**
 * In a transaction: what that device signs with, as a reader knows it who has the stored list pinned, or the one before it that is named.
 * KITH_E_DENIED   no list is stored, or it does not have that device, accepted, as the asking one; or the list of list_seq is not
 *                 stored, has another hash, or does not have it
 * KITH_E_DAMAGED  what is stored is no list, and other errors of the directory
 */
KITH_MUST_USE kith_err account_signer_get(struct directory_tx *tx, const struct account_signer *signer,
                                          uint8_t dsk_pub[static E2E_SIGN_PUBLIC_BYTES]);

#endif
