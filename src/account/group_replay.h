#ifndef KITH_ACCOUNT_GROUP_REPLAY_H
#define KITH_ACCOUNT_GROUP_REPLAY_H

#include "account/group_op.h"

/**
 * Whether a group allows an operation: its state after the operation before is looked up in accounts->groups, or computed from the
 * stored ones, page by page, each a job of the pool. What is computed is kept, whatever the answer.
 *
 * For group_op.c, which has verified `op->op`.
 */
/** On the pool's thread: takes the page that op->scan brought (none yet: nothing), and judges op->op as soon as it can. */
void group_replay_work(struct account_group_op *op);
/** On the loop, after it: ends the call, or reads the next page. */
void group_replay_next(struct account_call *call);

#endif
