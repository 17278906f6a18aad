#ifndef LIBKITH_E2EE_GROUP_PARTS_H
#define LIBKITH_E2EE_GROUP_PARTS_H

#include "libkith/e2ee/group.h"

/* What the files of group.h share. */
#define E2E_FOUNDER_BYTES (E2E_ACCOUNT_ID_BYTES + 1) /* account_id, role u8 */

/* ---- group_op.c */
/**
 * What an operation's values must be, whatever the group. Decoded ones are; those that a caller filled in may not be.
 * KITH_E_MALFORMED, KITH_E_UNSUPPORTED.
 */
KITH_MUST_USE kith_err e2e_group_op_check(const struct e2e_group_op *op);
/** Appends the signed operation, and finds its hash. `op` has passed e2e_group_op_check(). */
KITH_MUST_USE kith_err e2e_group_op_sign(struct e2e_group_op *op,
                                         const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES], struct kith_buf *out);

/* ---- group_state.c */
/** A group of zeros with room for `members`, all in one piece; `members` is NULL until it has some. NULL: no memory. */
struct e2e_group *e2e_group_new(uint32_t members);
/** Where that room is. */
struct e2e_group_member *e2e_group_room(struct e2e_group *group);
/** The index of the first member whose account_id is not below this one; member_count: none. */
uint32_t e2e_group_place(const struct e2e_group *group, const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
/** Whether that is this one. */
bool e2e_group_is_at(const struct e2e_group *group, uint32_t place,
                     const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
KITH_MUST_USE kith_err e2e_group_state_hash(const struct e2e_group *group, uint8_t out[static E2E_HASH_BYTES]);

#endif
