#ifndef KITH_ACCOUNT_GROUP_OP_H
#define KITH_ACCOUNT_GROUP_OP_H

#include "account/account.h"
#include "account/group_states.h"
#include "wire/cmd.h"

/**
 * What a command is held to that carries a group's signed operation, before it is appended: that a device of the asking person
 * signed it, as the next one, that it says what the command does, and that a reader takes it who has taken all before it. With
 * the clients' code, as device lists are (docs/decisions/0009, 0015). docs/wire/e2ee-groups.md, "With the server".
 *
 * code: OK
 *       BAD_REQUEST    no operation, of another number or kind, or it says something else than the command; or it leads to another
 *                      state than its state_hash says
 *       BAD_SIGNATURE  another author's, of another device than the asking one or one that the stored list does not have,
 *                      made under a list that is not stored, or the signature does not hold
 *       STALE_GROUP    the operation before is not there, or another one
 *       FORBIDDEN      the group as it is after the operation before does not allow it      CHAT_FULL  E2E_GROUP_MEMBERS_MAX
 *       TOO_MANY       the state is not known, and more pages of operations are to be read than this person has left: what was
 *                      read is kept, and the same again goes on from there
 *       NOT_SUPPORTED  of a newer version, or so it says
 * One behind an operation that this server cannot take, because it was newer once, is not held to the state.
 */
#define GROUP_REPLAY_PAGES      64            /* that are read for one person at once                          */
#define GROUP_REPLAY_PAGE_MS    50            /* after which one more is                                       */
#define GROUP_REPLAY_PAGE_OPS   64            /* of a page: 0.3 ms of the pool with 10 members, 5 with 1,024   */
#define GROUP_REPLAY_PAGE_BYTES (256u * 1024) /* more than one of KITH_SIGNED_OP_BYTES_MAX                     */

struct account_group_op {
    struct account_call call;
    const struct cmd *cmd; /* lent until done: with actor, device, and in `body` the operation `seq` */
    const char *fault;     /* out: for people, what is wrong with the operation; NULL: no more than the code says */
    /* The module's. */
    struct e2e_group_op op;
    uint8_t dsk_pub[E2E_SIGN_PUBLIC_BYTES];
    struct hash_job job;
    /* group_replay.c: what is known of the group on the way to the operation before, and what is read of its operations. */
    struct group_state *state;
    bool is_judged, is_anew;
    struct row_key from;
    struct msgstore_scan scan;
};
/** before: the stored operation cmd->seq - 1, lent for the call; empty: there is none. 0.1 ms of a thread of the pool, with 1,024 members 0.25. */
void account_group_op(struct accounts *accounts, struct account_group_op *op, struct kith_slice before);
/** Frees what it holds, when its `done` will not run any more. Before account_group_op(), and after `done`: nothing. */
void account_group_op_drop(struct account_group_op *op);

#endif
