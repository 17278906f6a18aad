#ifndef LIBKITH_E2EE_ACCOUNT_RESEND_IMPL_H
#define LIBKITH_E2EE_ACCOUNT_RESEND_IMPL_H

#include "libkith/e2ee/account_impl.h"
#include "libkith/e2ee/account_resend.h"

/* The inside of account_resend.h: what is noted of each device, in two records of it (account_impl.h, 'U' and 'W'). */

struct lost_item {
    struct e2e_resend_item item;
    bool is_group;
    uint64_t created_ms, expires_ms; /* as struct e2e_lost */
    uint64_t noted_ms, asked_ms;
    uint8_t asks; /* 0..E2E_RESENDS_MAX */
};
#define LOST_ITEM_BYTES (E2E_ID_BYTES + 8 + E2E_ID_BYTES + 1 + 4 * 8 + 1) /* in the record */

struct given_item {
    uint8_t msg_id[E2E_ID_BYTES];
    uint64_t given_ms;
};
#define GIVEN_ITEM_BYTES (E2E_ID_BYTES + 8) /* in the record */

struct resend_peer {
    struct peer_key key;
    struct lost_item *lost; /* ascending, as a request has them */
    uint32_t lost_count;
    bool is_broken;           /* something did not open in the sessions with it that are there */
    uint64_t healed_ms;       /* when this device began anew with it for that; 0: never */
    struct given_item *given; /* the oldest first */
    uint32_t given_count;
};

/* account_resend_kept.c */
struct resend_peer *account_resend_find(const struct e2e_account *account, const struct peer_key *key);
/** Found or made, in the place of one of which nothing counts any more if need be. KITH_E_FULL: E2E_LOST_PEERS_MAX. KITH_E_NOMEM. */
KITH_MUST_USE kith_err account_resend_put(struct e2e_account *account, uint64_t now_ms, const struct peer_key *key,
                                          struct resend_peer **out);
/** What is too old goes. True: of this one something is left. */
bool account_resend_trim(struct e2e_account *account, uint64_t now_ms, struct resend_peer *one);
/** All of them trimmed; those of which nothing is left go. */
void account_resends_sweep(struct e2e_account *account, uint64_t now_ms);
void account_keep_lost(struct e2e_account *account, const struct resend_peer *one);
void account_keep_given(struct e2e_account *account, const struct resend_peer *one);
/** Those of the person's devices, but those of the list `but`, which may be NULL. */
void account_resends_drop(struct e2e_account *account, const struct person *person, const struct e2e_device_list *but);
KITH_MUST_USE kith_err account_resend_load(struct e2e_account *account, bool is_lost, struct kith_slice key,
                                           struct kith_slice in);
void account_resends_free(struct e2e_account *account);

/* account_resend.c */
/** So much time has gone by; or the clock was set back behind it. */
static inline bool account_is_past(uint64_t now_ms, uint64_t since_ms, uint64_t span_ms)
{
    return now_ms < since_ms || now_ms - since_ms >= span_ms;
}
/** A session is to be begun anew: something did not open, and in E2E_RESEND_MS before that none of the two had begun one. */
bool account_heals_now(const struct e2e_account *account, const struct peer_key *key);
/** There is a new one. is_own: this device began it. */
void account_healed(struct e2e_account *account, uint64_t now_ms, const struct peer_key *key, bool is_own);

#endif
