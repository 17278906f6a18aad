#ifndef LIBKITH_E2EE_ACCOUNT_JOIN_H
#define LIBKITH_E2EE_ACCOUNT_JOIN_H

#include "libkith/e2ee/account_group.h"
#include "libkith/e2ee/join.h"

/**
 * The invite links of an account's groups: those it made, those it asked with, and whom it lets in. A part of account.h, with
 * its rules. A link is made by e2e_account_group_make() with E2E_GROUP_JOIN_KEY. Source: docs/wire/e2ee-groups.md, "Invite links".
 */
#define E2E_JOINS_MAX     1000 /* groups that were asked, and have not let this account in */
#define E2E_JOIN_LIFE_MS  (30ull * 86400 * 1000)
#define E2E_JOIN_AHEAD_MS (86400ull * 1000)

/**
 * The group's link. KITH_E_NOTFOUND: none holds, this account is not in the group, or it is forked. KITH_E_DENIED: one that this
 * device did not make.
 */
KITH_MUST_USE kith_err e2e_account_join_link(const struct e2e_account *account,
                                             const uint8_t chat_id[static E2E_ID_BYTES], struct e2e_join_link *out);
/**
 * On the asking device: appends a signed join request, and keeps which group that chat must turn out to be. Ask the server first
 * whether this account is in that chat: who is, by an older operation than the link's, would take it for another group.
 * KITH_E_CONFLICT  this account is in it            KITH_E_CLOSED  this device is not READY
 * KITH_E_NOTFOUND  it is, or was, in a group of that chat, and none of the last operations known here is the one that the link
 *                  names: the server has shown another group there, or the link is older than those
 * KITH_E_AGAIN     the own list is to be uploaded first        KITH_E_DENIED  the group is forked
 * KITH_E_FULL      E2E_JOINS_MAX                    KITH_E_NOMEM
 * Unless this account was in it before, what was read of the group is forgotten: it is read anew, from its first operation on.
 */
KITH_MUST_USE kith_err e2e_account_join_ask(struct e2e_account *account, uint64_t now_ms,
                                            const struct e2e_join_link *link, struct kith_buf *out);
/** It is waited for no more. Does nothing when it is not. */
void e2e_account_join_forget(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES]);
/**
 * Whether an event that says that `asker` asks is to be believed: the proof holds for the group as it is known here.
 * KITH_E_DENIED, KITH_E_MALFORMED, …
 */
KITH_MUST_USE kith_err e2e_account_join_asked(const struct e2e_account *account,
                                              const uint8_t chat_id[static E2E_ID_BYTES],
                                              const uint8_t asker[static E2E_ACCOUNT_ID_BYTES],
                                              struct kith_slice signed_request);
/**
 * Whether this device lets them in: then e2e_account_group_make() with an add and this request does. is_fresh: the asker's list
 * was fetched since it came.
 * KITH_E_AGAIN     *wants says whose list is missing           KITH_E_CONFLICT  the asker is in the group
 * KITH_E_CLOSED    this account lets nobody in, or this device is not READY, or the group is forked
 * KITH_E_DENIED    not let in: whatever else the text says     KITH_E_NOTFOUND  no such group
 * KITH_E_FULL      E2E_GROUP_MEMBERS_MAX
 * KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_TOOBIG
 */
KITH_MUST_USE kith_err e2e_account_join_check(struct e2e_account *account, uint64_t now_ms,
                                              const uint8_t chat_id[static E2E_ID_BYTES],
                                              struct kith_slice signed_request, bool is_fresh, struct e2e_wants *wants);

#endif
