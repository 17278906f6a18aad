#ifndef KITH_BASE_MUTANT_H
#define KITH_BASE_MUTANT_H

#include <stdbool.h>

/**
 * Planted bugs. In a build with KITH_MUTANTS, kith_mutant(NAME) is true while that bug is switched on, and the
 * simulator must find it; in every other build it is the constant false and the compiler drops the branch.
 * One line a bug: name, what it breaks.
 */
#define KITH_MUTANT_LIST(X)                                                                                         \
    X(ACK_BEFORE_SYNC, "an append is reported durable before its sync")                                             \
    X(TORN_TAIL_ACCEPTED, "a record that fails its checksum is replayed")                                           \
    X(TAIL_DROPPED, "recovery stops one record early")                                                              \
    X(POSITION_BEFORE_ROWS, "the shard's position is stored ahead of the rows it covers")                           \
    X(KEY_NOT_STORED, "the idempotency key of a message is not stored")                                             \
    X(KEY_IGNORES_CONTENT, "same id with other content gets the first answer")                                      \
    X(AFTER_IGNORED, "a message is taken although its predecessor was refused")                                     \
    X(SEQ_SKIPS, "a refused command still uses up a sequence number")                                               \
    X(RESUME_OFF_BY_ONE, "a subscription starts one past the cursor's successor")                                   \
    X(REGISTER_AFTER_HEADS, "heads are read before the live events are registered")                                 \
    X(CURSOR_BEFORE_DELIVERY, "the cursor moves when a message is sent, not when it is acknowledged")               \
    X(RECEIPT_BY_ARRIVAL, "the last receipt wins, not the highest")                                                 \
    X(WRONG_WAITER, "an answer wakes the waiter beside the one that asked")                                         \
    X(REMOVED_STILL_READS, "membership is not checked when a member is removed")                                    \
    X(FSYNC_RETRIED, "a failed sync is tried again as if nothing happened")                                         \
    X(LIVE_GAP_IGNORED, "a live event beyond the next sequence number is sent at once")                             \
    X(OUTBOX_FORGETS, "the client drops a message from its outbox when it is written, not when it is acknowledged") \
    X(MAIL_STAYS, "an item of a mailbox is not deleted when it was acknowledged")                                   \
    X(MAIL_ACK_GREEDY, "an acknowledgement deletes one item of a mailbox more than it names")                       \
    X(CLIENT_NO_DEDUP, "the client shows a redelivered message again")                                              \
    /* from here on in what encrypts: looked for in runs that do */                                                 \
    X(SESSION_NOT_KEPT, "a ciphertext leaves before its session is kept")                                           \
    X(SEALED_NOT_KEPT, "a message is sealed again after a crash, under the id that is on the wire")                 \
    X(ONE_TIME_KEY_STAYS, "a one-time key is not deleted when it was used")                                         \
    X(PENDING_NOT_KEPT, "a message that cannot be opened yet is acknowledged and not kept")                         \
    X(PENDING_UNORDERED, "what can be opened overtakes what cannot")                                                \
    X(PREKEYS_LATE, "prekeys are uploaded before their private halves are kept")                                    \
    X(LIST_FORGOTTEN, "a list that was signed while another was uploaded counts as uploaded")                       \
    X(UNSENT_LIST_NAMED, "a message is sealed with an own list that the server does not have yet")                  \
    X(DIGEST_KEPT, "the digest of a group's lists is kept when a member or a list is another")

#define KITH_MUTANT_ENUM(name, text) KITH_MUTANT_##name,
enum kith_mutant_id { KITH_MUTANT_NONE = 0, KITH_MUTANT_LIST(KITH_MUTANT_ENUM) KITH_MUTANT_COUNT };
#undef KITH_MUTANT_ENUM

#ifdef KITH_MUTANTS
extern int kith_mutant_on; /* set once by the simulator before a run */
#define kith_mutant(name) (kith_mutant_on == KITH_MUTANT_##name)
#else
#define kith_mutant(name) false
#endif

#endif
