#include "libkith/e2ee/account_impl.h"

/* What a message says of the lists that its sender knows. */

static void note_newer(const struct person *person, struct e2e_opened *out)
{
    memcpy(out->newer[out->newer_count++], person->account_id, E2E_ACCOUNT_ID_BYTES);
}

/* A device of the same account, or of the person itself, says which list there is. */
static void note_list(struct e2e_account *account, struct person *person, uint64_t seq,
                      const uint8_t hash[static E2E_HASH_BYTES], struct e2e_opened *out)
{
    switch (account_person_claim(person, seq, hash)) {
    case ACCOUNT_CLAIM_KNOWN: return;
    case ACCOUNT_CLAIM_NEWER:
        if (seq > person->seen_seq) note_newer(person, out);
        account_person_seen(account, person, seq);
        return;
    case ACCOUNT_CLAIM_FORK: kith_ignore(account_person_forked(account, person)); return;
    }
}

/*
 * Which lists the sender knows. A fork is told by the person's trust; this message is shown all the same. What another
 * person says of our own list stops nothing but the talk with them: else one of them could stop all.
 */
void account_note_lists(struct e2e_account *account, struct person *sender, struct e2e_opened *out)
{
    const struct e2e_payload *payload = &out->payload;
    struct person *me = account_person_find(account, account->config.account_id), *dest;

    note_list(account, sender, payload->list_seq, payload->list_hash, out);
    if (!payload->has_peer_list) return;
    if (sender == me) {
        dest = account_person_find(account, payload->dest);
        if (dest != NULL) note_list(account, dest, payload->peer_list_seq, payload->peer_list_hash, out);
        return;
    }
    switch (account_person_claim(me, payload->peer_list_seq, payload->peer_list_hash)) {
    case ACCOUNT_CLAIM_KNOWN: return;
    case ACCOUNT_CLAIM_NEWER:
        me->is_stale = true;
        note_newer(me, out);
        return;
    case ACCOUNT_CLAIM_FORK: kith_ignore(account_person_forked(account, sender)); return;
    }
}
