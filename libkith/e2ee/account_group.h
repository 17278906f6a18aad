#ifndef LIBKITH_E2EE_ACCOUNT_GROUP_H
#define LIBKITH_E2EE_ACCOUNT_GROUP_H

#include "libkith/e2ee/account.h"
#include "libkith/e2ee/group_keys.h"

/**
 * The groups of an account, one of a chat: what their operations came to, and the keys of their names. A part of account.h,
 * with its rules. Source: docs/wire/e2ee-groups.md.
 */
#define E2E_GROUPS_MAX    20000
#define E2E_INFO_KEYS_MAX 40000 /* of groups, and of operations that are on their way */

struct e2e_group_view {
    const struct e2e_group *group; /* lent until the next call that changes it */
    bool is_forked;                /* the server showed two operations of one number: nothing is sent */
    bool is_member;                /* this account is in it */
    bool is_large;                 /* it has more members than are written to pairwise */
};
/** False: nothing is known of a group in that chat. */
bool e2e_account_group(const struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                       struct e2e_group_view *out);

/**
 * An operation that came with an event of the chat, or was fetched. KITH_OK also of one that was taken before.
 * KITH_E_AGAIN     *wants says what is missing       KITH_E_NOTFOUND  a gap: the operations from the head on are missing
 * KITH_E_DENIED    refused, or not signed by a device of its author: nothing has changed
 * KITH_E_CONFLICT  a fork: nothing is sent in this group any more
 * KITH_E_CLOSED    this device is not READY          KITH_E_UNSUPPORTED, KITH_E_MALFORMED, KITH_E_TOOBIG, KITH_E_FULL, KITH_E_NOMEM
 * event_seq: of its event in the chat. is_fresh: the author's list was fetched since it came.
 */
KITH_MUST_USE kith_err e2e_account_group_op(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                                            struct kith_slice signed_op, uint64_t event_seq, bool is_fresh,
                                            struct e2e_wants *wants);

/**
 * All of the chat up to `seq` was shown, in its order. Is this account in the group no more since then or before, the chains of others'
 * devices go: whatever may be opened under them has been. Those of who is in it, or never was, stay.
 */
void e2e_account_group_shown(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES], uint64_t seq);

/** What is to be done to a group. What its kind has not is not looked at. */
struct e2e_group_change {
    enum e2e_group_kind kind;
    uint8_t subject[E2E_ACCOUNT_ID_BYTES];
    uint8_t role, settings;
    const uint8_t (*others)[E2E_ACCOUNT_ID_BYTES]; /* create: the members but this account, in any order, each once */
    uint32_t other_count;
    struct e2e_group_info info; /* create, info; both empty: none */
    struct kith_slice request;  /* add: the signed join request that it answers; empty: none */
    bool ends;                  /* join key: no invite link holds any more; else a new one is drawn, and kept here */
};
/**
 * Signs the next operation, which is taken like any other when its event comes: until then nothing has changed.
 * chat_id: NULL of a create. *group_seq: its number, for the server.
 * KITH_E_AGAIN     the own list is to be uploaded first        KITH_E_NOTFOUND  no such group
 * KITH_E_DENIED    not allowed to this account, or forked      KITH_E_CLOSED    this device is not READY
 * KITH_E_FULL, KITH_E_TOOBIG, KITH_E_MALFORMED, KITH_E_NOMEM
 */
KITH_MUST_USE kith_err e2e_account_group_make(struct e2e_account *account, uint64_t now_ms, const uint8_t *chat_id,
                                              const struct e2e_group_change *change, struct kith_buf *signed_op,
                                              uint64_t *group_seq);

/** Why the next message of this device in a large group begins a chain. */
enum e2e_chain_due {
    E2E_CHAIN_GOES_ON,
    E2E_CHAIN_NONE,    /* it has none yet                                             */
    E2E_CHAIN_USED_UP, /* E2E_CHAIN_MESSAGES_MAX were sent                            */
    E2E_CHAIN_OLD,     /* E2E_CHAIN_LIFE_MS have gone by                              */
    E2E_CHAIN_GONE,    /* a member or a device that had it is no more, or is another  */
};
struct e2e_chain_view {
    bool
        is_common; /* one ciphertext goes to all, under a chain; else one to each device, and the rest does not matter */
    enum e2e_chain_due due;
    uint64_t created_at_ms;      /* of the chain that is there; 0: none */
    uint32_t sent, reader_count; /* messages under it; other devices that have it */
};
/** How this device writes in a group. False: nothing is known of a group in that chat. */
bool e2e_account_chain(const struct e2e_account *account, uint64_t now_ms, const uint8_t chat_id[static E2E_ID_BYTES],
                       struct e2e_chain_view *out);

/** Whether this device made the group's newest operation, and the others need keys for it (create, add, info). */
bool e2e_account_group_gives(const struct e2e_account *account, struct kith_slice signed_op);
/** Appends the body of a message of E2E_GROUP_KEYS_TYPE. KITH_E_NOTFOUND: there is nothing to give. KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_account_group_keys(const struct e2e_account *account,
                                              const uint8_t chat_id[static E2E_ID_BYTES], struct kith_buf *out);
/**
 * A message of E2E_GROUP_KEYS_TYPE that was opened. A key that does not open the group's name is not kept; a chain counts as its
 * sender's. KITH_E_DENIED: of another group, or a chain that came to all. KITH_E_CONFLICT: another chain of a known id.
 * KITH_E_NOTFOUND: no group. KITH_E_MALFORMED, …, KITH_E_FULL, KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err e2e_account_group_keys_take(struct e2e_account *account,
                                                   const uint8_t chat_id[static E2E_ID_BYTES],
                                                   const struct e2e_opened *opened);
/**
 * Its name and description, lent from `plain`, to which they are appended; both empty: it has none. KITH_E_NOTFOUND: no such
 * group, or the key did not come yet. KITH_E_DENIED, KITH_E_MALFORMED: who wrote them did not seal them well. KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err e2e_account_group_info(const struct e2e_account *account,
                                              const uint8_t chat_id[static E2E_ID_BYTES], struct kith_buf *plain,
                                              struct e2e_group_info *out);

#endif
