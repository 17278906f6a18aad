#ifndef KITH_ACCOUNT_OUTBOX_H
#define KITH_ACCOUNT_OUTBOX_H

#include "account/account.h"

/**
 * What chats must be told, on its way from the directory's outbox table into the log. A row says only what has changed;
 * what it is now is read when the row's turn comes, so telling it twice, or after a crash, or in another order than it
 * changed, ends in the truth. One row at a time, on the home loop; it is deleted when all chats have applied it.
 */
enum outbox_kind {
    OUTBOX_FACTS = 1, /* subject: a person; value: enum outbox_fact; object: the device that came with a new list, or
                         nil; every chat of theirs                                                           */
    OUTBOX_BLOCK,     /* subject blocks object, or no longer: their direct chats                                 */
    OUTBOX_CHAT,      /* object: a chat whose members may have changed while they were joining                   */
    OUTBOX_DIRECT,    /* subject wants a direct chat with object; value: enum outbox_direct                      */
};
enum outbox_fact { OUTBOX_LIST_SEQ = 1, OUTBOX_RECEIPTS = 2, OUTBOX_GONE = 4 };
enum outbox_direct { OUTBOX_ENCRYPTED = 1, OUTBOX_ACCEPTED = 2 /* by both: they know each other */ };

#define OUTBOX_PENDING_MAX 4096 /* rows of this life that are not applied yet; one more is refused before it is made */

struct outbox_job {
    struct account_parcel *parcel; /* it lies in this */
    struct outbox_record record;   /* outbox_id 0: none was made */
    enum kith_code late;           /* what the waiter gets when the chats cannot be told now, or ACCOUNT_OUTBOX_WAIT_MS
                                    pass; UNAVAILABLE: that, or the reason. OK of one whose device a chat may learn of
                                    yet (UNKNOWN_OUTCOME): UNAVAILABLE */
    bool has_result;               /* OUTBOX_DIRECT: the waiter gets CREATED, OK or NOT_FOUND */
    struct account_call *waiter;   /* NULL: nobody */
    bool is_impatient;             /* it goes when what is being asked is answered */
    struct outbox *outbox;
    struct outbox_job *next;
    struct loop_task task;
    struct loop_timer patience;
};

struct outbox;

struct outbox *outbox_new(struct accounts *accounts);
/** Touches no loop; the jobs are the accounts' to free. NULL is fine. */
void outbox_free(struct outbox *outbox);
/** Nothing is in work or waits; then no timer runs any more either. */
bool outbox_is_at_rest(struct outbox *outbox);
/** On the home loop: drains what was in the table at start. */
void outbox_start(struct outbox *outbox);

/** On the home loop: starts on no further row; `stopped` runs there, maybe inside the call, when none is in work. */
void outbox_stop(struct outbox *outbox, void (*stopped)(void *arg), void *arg);

/** Any thread. NULL: no memory, or OUTBOX_PENDING_MAX reached. */
struct outbox_job *outbox_job_new(struct outbox *outbox);
/** One that was not sent. NULL is fine. */
void outbox_job_free(struct outbox_job *job);
/** Takes the job of a committed row. Its waiter's `next` runs on the waiter's loop, with call->code set when it was late
 *  or has a result. */
void outbox_send(struct outbox_job *job);

void outbox_stats(const struct outbox *outbox, struct accounts_stats *out);

#endif
