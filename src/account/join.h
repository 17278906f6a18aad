#ifndef KITH_ACCOUNT_JOIN_H
#define KITH_ACCOUNT_JOIN_H

#include "account/account.h"
#include "libkith/e2ee/join.h"

/**
 * What a signed join request is held to before a group is asked: that a device of the asking person signed it, and that who
 * asks has the link of the key that it names. With the clients' code, as operations are (group_op.h). Whether that link is
 * the group's, only the group can say. docs/wire/e2ee-groups.md, "With the server".
 */
#define ACCOUNT_JOINS 10 /* requests that one person brings at once: each is verified, and may be shown to a group */
#define ACCOUNT_JOIN_MS \
    (60u * 1000) /* after which one more is taken                                                      */

/** How a link's key begins: all that the server keeps of it. 0: of no link that it takes. */
uint64_t account_join_tag(const uint8_t join_key[static E2E_SIGN_PUBLIC_BYTES]);

/**
 * code: OK
 *       BAD_REQUEST    no request, another person's, or of another device than the asking one or one that the stored list
 *                      does not have, or made under a list that is not stored
 *       BAD_SIGNATURE  the proof or the signature does not hold
 *       TOO_MANY
 */
struct account_join {
    struct account_call call;
    struct account_identity who;
    struct kith_slice signed_request; /* lent until done */
    uint64_t tag;                     /* out: of the link that it is for */
    /* The module's. */
    struct e2e_join_request request;
    uint8_t dsk_pub[E2E_SIGN_PUBLIC_BYTES];
    struct hash_job verify;
};
/** 0.2 ms of a thread of the pool. */
void account_join(struct accounts *accounts, struct account_join *op);

#endif
