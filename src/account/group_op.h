#ifndef KITH_ACCOUNT_GROUP_OP_H
#define KITH_ACCOUNT_GROUP_OP_H

#include "account/account.h"
#include "libkith/e2ee/group.h"
#include "wire/cmd.h"

/**
 * What a command is held to that carries a group's signed operation, before it is appended: that a device of the asking person
 * signed it, as the next one, and that it says what the command does. With the clients' code, as device lists are
 * (docs/decisions/0009). Whether the group allows it is not asked: for that the server would have to keep its state.
 * docs/wire/e2ee-groups.md, "With the server".
 *
 * code: OK
 *       BAD_REQUEST    no operation, of another number or kind, or it says something else than the command
 *       BAD_SIGNATURE  another author's, of another device than the asking one or one that the stored list does not have,
 *                      made under a list that is not stored, or the signature does not hold
 *       STALE_GROUP    the operation before is not there, or another one
 * An operation of a newer client, which cannot be read, is held to all but what it says.
 */
struct account_group_op {
    struct account_call call;
    const struct cmd *cmd; /* lent until done: with actor, device, and in `body` the operation `seq` */
    /* The module's. */
    struct e2e_group_op op;
    uint8_t dsk_pub[E2E_SIGN_PUBLIC_BYTES];
    struct hash_job verify;
};
/** before: the stored operation cmd->seq - 1, lent for the call; empty: there is none. 0.1 ms of a thread of the pool. */
void account_group_op(struct accounts *accounts, struct account_group_op *op, struct kith_slice before);

#endif
