#ifndef LIBKITH_E2EE_GROUP_H
#define LIBKITH_E2EE_GROUP_H

#include "libkith/e2ee/device_list.h"

/**
 * A group's chain of signed operations, and the state that they come to: who is in it, with which role. Pure functions over
 * values; a step makes a new group and leaves the old one as it was. Whose key an operation must be signed with is the
 * caller's to find (docs/wire/e2ee-groups.md, "Whose signature").
 *
 * Source: docs/wire/e2ee-groups.md.
 */
#define E2E_GROUP_ID_BYTES         16
#define E2E_GROUP_FOUNDERS_MAX     768  /* of a create */
#define E2E_GROUP_MEMBERS_MAX      4096 /* of a group; a server may take fewer */
#define E2E_GROUP_OP_BYTES_MAX     16000
#define E2E_GROUP_SIGNED_BYTES_MAX (16 * 1024)
#define E2E_GROUP_INFO_BYTES_MIN   55 /* key_id 8, nonce 24, tag 16, and a field of one byte */
#define E2E_GROUP_INFO_BYTES_MAX   2048
#define E2E_GROUP_STATE_BYTES_MAX  (112u * 1024)
#define E2E_GROUP_SAVED_BYTES_MAX  (E2E_GROUP_STATE_BYTES_MAX + 4096)
#define E2E_GROUP_HEADS_MAX        64 /* hashes that are remembered, the newest included */
#define E2E_GROUP_SUITE            1
#define E2E_JOIN_REQUEST_BYTES_MAX 256
#define E2E_JOIN_SIGNED_BYTES_MAX  512
#define E2E_GROUP_HISTORY_OPEN     1u /* of settings */

enum e2e_group_kind {
    E2E_GROUP_CREATE = 1,
    E2E_GROUP_ADD,
    E2E_GROUP_REMOVE,
    E2E_GROUP_LEAVE,
    E2E_GROUP_ROLE,
    E2E_GROUP_INFO,
    E2E_GROUP_SETTINGS,
    E2E_GROUP_JOIN_KEY,
};
enum e2e_group_role { E2E_ROLE_MEMBER = 1, E2E_ROLE_ADMIN, E2E_ROLE_OWNER };

struct e2e_group_member {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint8_t role;   /* enum e2e_group_role */
    uint64_t since; /* the seq that brought them in */
};

/** What was made of seq operations. Read only; e2e_group_free() it. */
struct e2e_group {
    uint8_t group_id[E2E_GROUP_ID_BYTES];
    uint64_t seq;
    uint8_t heads[E2E_GROUP_HEADS_MAX][E2E_HASH_BYTES]; /* of the operations seq, seq - 1, … */
    uint32_t head_count;                                /* at least 1 */
    uint8_t suite, settings;
    struct e2e_group_member *members; /* ascending in account_id; NULL iff there is none */
    uint32_t member_count;
    uint8_t info[E2E_GROUP_INFO_BYTES_MAX];
    size_t info_len;                         /* 0: none */
    uint8_t join_key[E2E_SIGN_PUBLIC_BYTES]; /* of the invite link that holds; zeros: none does */
};
void e2e_group_free(struct e2e_group *group); /* NULL is fine */
/** NULL: not in it. */
const struct e2e_group_member *e2e_group_find(const struct e2e_group *group,
                                              const uint8_t account_id[static E2E_ACCOUNT_ID_BYTES]);
/** Whether an invite link holds. */
bool e2e_group_has_link(const struct e2e_group *group);
/** The hash of the operation `seq`, lent; NULL: never taken, or not remembered any more. */
const uint8_t *e2e_group_head(const struct e2e_group *group, uint64_t seq);

/** An operation. What its kind has not is zero; slices are lent. */
struct e2e_group_op {
    uint8_t group_id[E2E_GROUP_ID_BYTES];
    uint64_t seq;
    uint8_t prev_hash[E2E_HASH_BYTES]; /* zeros iff seq is 1 */
    enum e2e_group_kind kind;
    uint8_t author[E2E_ACCOUNT_ID_BYTES];
    uint32_t author_device;
    uint64_t list_seq, made_at_ms;
    uint8_t list_hash[E2E_HASH_BYTES], state_hash[E2E_HASH_BYTES];
    uint8_t subject[E2E_ACCOUNT_ID_BYTES];
    uint8_t role, suite, settings;
    struct kith_slice founders; /* of each account 16, role u8, ascending */
    struct kith_slice info;     /* sealed */
    uint8_t join_key[E2E_SIGN_PUBLIC_BYTES];
    struct kith_slice request;          /* of an add: the signed join request (join.h) */
    uint8_t hash[E2E_HASH_BYTES];       /* what decoding found, as the two below; not looked at by e2e_group_make() */
    struct kith_slice bytes, signature; /* what is signed; E2E_SIGNATURE_BYTES */
};

/**
 * A signed operation: its form, whatever the group. Slices are lent from `in`. The signature is not checked.
 * KITH_E_MALFORMED    also a field beside the signature: nobody has signed it      KITH_E_TOOBIG
 * KITH_E_UNSUPPORTED  a newer client's: a kind above 8, a create of another suite, or an unknown field
 */
KITH_MUST_USE kith_err e2e_group_op_decode(struct kith_slice in, struct e2e_group_op *out);
/**
 * What every operation has, of a newer client's, too, for whoever only keeps them in order: the fields up to state_hash, hash, bytes
 * and signature. `kind` may be any number; the rest is zero. KITH_E_MALFORMED, KITH_E_TOOBIG; KITH_E_UNSUPPORTED: an unknown field beside the two.
 */
KITH_MUST_USE kith_err e2e_group_op_skim(struct kith_slice in, struct e2e_group_op *out);
/** KITH_E_DENIED: not of that device. */
KITH_MUST_USE kith_err e2e_group_op_verify(const struct e2e_group_op *op,
                                           const uint8_t dsk_pub[static E2E_SIGN_PUBLIC_BYTES]);

enum e2e_group_step {
    E2E_GROUP_STEP_NEXT, /* its successor; the create, when nothing was taken yet           */
    E2E_GROUP_STEP_SAME, /* taken before, or older than what is remembered: ignored         */
    E2E_GROUP_STEP_GAP,  /* newer, but the operations between are missing                   */
    E2E_GROUP_STEP_FORK, /* as old as one that was taken, or its successor, and not of this chain: alarm */
    E2E_GROUP_STEP_OTHER_GROUP,
};
/** What `op` is to whoever has `before` (NULL: nothing). Only NEXT may be applied. */
enum e2e_group_step e2e_group_compare(const struct e2e_group *before, const struct e2e_group_op *op);
/**
 * Takes the next one: all checks of a reader but compare's and the signature's. *after is a group of its own.
 * KITH_E_DENIED    not NEXT, not allowed, or it does not lead to its state_hash
 * KITH_E_FULL      E2E_GROUP_MEMBERS_MAX         KITH_E_NOMEM
 * On an error *after is NULL.
 */
KITH_MUST_USE kith_err e2e_group_apply(const struct e2e_group *before, const struct e2e_group_op *op,
                                       struct e2e_group **after);

/**
 * Whether the group allows what the operation does: all that e2e_group_apply() asks but for state_hash. To tell why it denied.
 * KITH_E_DENIED, KITH_E_FULL, KITH_E_NOMEM.
 */
KITH_MUST_USE kith_err e2e_group_allows(const struct e2e_group *before, const struct e2e_group_op *op);

/**
 * Makes the next operation: group_id (a create has one already, drawn by the caller), seq, prev_hash, state_hash and hash are filled
 * in, it is signed and appended to `out`, and *after is what comes of it. Errors as e2e_group_apply(), and KITH_E_MALFORMED,
 * KITH_E_UNSUPPORTED: a value that its kind cannot have; KITH_E_TOOBIG: `out`. On an error nothing is filled in or appended.
 */
KITH_MUST_USE kith_err e2e_group_make(const struct e2e_group *before, struct e2e_group_op *op,
                                      const uint8_t dsk_secret[static E2E_SIGN_SECRET_BYTES], struct e2e_group **after,
                                      struct kith_buf *out);

/** Appends the state, whose SHA-256 is state_hash. */
KITH_MUST_USE kith_err e2e_group_state_encode(const struct e2e_group *group, struct kith_buf *out);
/** What a device keeps of it: 1 state · 2 heads (32 each, the newest first). KITH_E_NOMEM, KITH_E_TOOBIG. */
KITH_MUST_USE kith_err e2e_group_save(const struct e2e_group *group, struct kith_buf *out);
/** KITH_E_MALFORMED, KITH_E_UNSUPPORTED, KITH_E_NOMEM. */
KITH_MUST_USE kith_err e2e_group_load(struct kith_slice in, struct e2e_group **out);

#endif
