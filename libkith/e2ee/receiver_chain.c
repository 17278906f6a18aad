#include <assert.h>
#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/chain_state.h"
#include "libkith/e2ee/group_message.h"
#include "libkith/e2ee/kept_keys.h"

/* Kept keys are those of a session, with its limits. */
_Static_assert(E2E_CHAIN_SKIP_MAX == E2E_SKIP_MAX, "keys that are kept");
_Static_assert(E2E_CHAIN_SKIP_LIFE_MS == E2E_SKIP_LIFE_MS, "how long");
static const uint8_t no_ratchet_key[E2E_DH_BYTES];

void e2e_receiver_chain_free(struct e2e_receiver_chain *chain)
{
    if (chain == NULL) return;
    e2e_kept_free(&chain->kept);
    e2e_wipe(chain, sizeof *chain);
    free(chain);
}

kith_err e2e_receiver_chain_new(const struct e2e_chain_owner *owner, const struct e2e_chain_given *given,
                                struct e2e_receiver_chain **out)
{
    struct e2e_receiver_chain *chain;

    assert(owner->device_id != 0);
    *out = NULL;
    if (e2e_sign_check(given->sign_pub) != KITH_OK) return KITH_E_MALFORMED;
    chain = calloc(1, sizeof *chain);
    if (chain == NULL) return KITH_E_NOMEM;
    chain->owner = *owner;
    memcpy(chain->chain_id, given->chain_id, sizeof chain->chain_id);
    chain->iteration = chain->first_iteration = given->iteration;
    memcpy(chain->chain_key, given->chain_key, sizeof chain->chain_key);
    memcpy(chain->sign_pub, given->sign_pub, sizeof chain->sign_pub);
    *out = chain;
    return KITH_OK;
}

/* ---------------------------------------------------------------------------------------------- given again */
kith_err e2e_receiver_chain_same(const struct e2e_receiver_chain *chain, const struct e2e_chain_given *given)
{
    if (memcmp(chain->chain_id, given->chain_id, sizeof chain->chain_id) != 0) return KITH_E_CONFLICT;
    return memcmp(chain->sign_pub, given->sign_pub, sizeof chain->sign_pub) == 0 ? KITH_OK : KITH_E_CONFLICT;
}

/* ---------------------------------------------------------------------------------------------- messages */
static bool is_of(const struct e2e_group_message *message, const struct e2e_receiver_chain *chain)
{
    const struct e2e_chain_owner *a = &message->owner, *b = &chain->owner;

    return memcmp(a->group_id, b->group_id, sizeof a->group_id) == 0 &&
           memcmp(a->account_id, b->account_id, sizeof a->account_id) == 0 && a->device_id == b->device_id &&
           memcmp(message->chain_id, chain->chain_id, sizeof message->chain_id) == 0;
}

/* Where the key is: nothing is derived here. *kept_index is E2E_KEPT_NONE when the chain has it yet to come to. */
static kith_err find_key(const struct e2e_receiver_chain *chain, uint32_t iteration, uint64_t now_ms,
                         size_t *kept_index)
{
    *kept_index = E2E_KEPT_NONE;
    if (iteration < chain->first_iteration) return KITH_E_DENIED; /* no repeat: its key was never here */
    if (iteration >= chain->iteration)
        return iteration - chain->iteration > E2E_CHAIN_SKIP_MAX ? KITH_E_TOOBIG : KITH_OK;
    return e2e_kept_find(&chain->kept, no_ratchet_key, iteration, now_ms, kept_index) == E2E_KEPT_HERE
               ? KITH_OK
               : KITH_E_CONFLICT;
}

/* Takes the key. Of `next` the chain key and its iteration change, and *run is what was stepped over. */
static void take_key(const struct e2e_receiver_chain *chain, uint32_t iteration, size_t kept_index,
                     struct e2e_receiver_chain *next, struct e2e_kept_run *run, uint8_t mk[static E2E_KEY_BYTES])
{
    *run = (struct e2e_kept_run){.ratchet_pub = no_ratchet_key, .chain_key = chain->chain_key, .chain = E2E_CHAIN_ONLY};
    if (kept_index != E2E_KEPT_NONE) {
        memcpy(mk, chain->kept.keys[kept_index].mk, E2E_KEY_BYTES);
        return;
    }
    run->from = chain->iteration;
    run->to = iteration;
    e2e_chain_skip(next->chain_key, iteration - chain->iteration);
    e2e_chain_next(next->chain_key, mk);
    next->iteration = iteration + 1;
}

kith_err e2e_receiver_chain_decrypt(struct e2e_receiver_chain *chain, const struct e2e_group_message *message,
                                    uint64_t now_ms, struct kith_buf *out)
{
    struct e2e_receiver_chain next;
    struct e2e_message_keys keys;
    struct e2e_kept_run run;
    uint8_t mk[E2E_KEY_BYTES];
    size_t kept_index = E2E_KEPT_NONE;
    kith_err err;

    if (!is_of(message, chain)) return KITH_E_DENIED;
    err = e2e_verify_checked(chain->sign_pub, E2E_LABEL_SK_MSG, message->signed_bytes, message->signature);
    if (err == KITH_OK) err = find_key(chain, message->iteration, now_ms, &kept_index);
    if (err != KITH_OK) return err;
    next = *chain;
    take_key(chain, message->iteration, kept_index, &next, &run, mk);
    e2e_group_message_keys(mk, &chain->owner, chain->chain_id, &keys);
    err = e2e_group_message_check(message, &keys);
    if (err == KITH_OK) err = e2e_kept_after(&chain->kept, kept_index, E2E_CHAIN_ONLY, now_ms, &run, 1, &next.kept);
    if (err == KITH_OK) err = e2e_group_message_open(message, &keys, out);
    if (err == KITH_OK) {
        if (chain->kept.keys != next.kept.keys) e2e_kept_free(&chain->kept);
        *chain = next;
    } else if (next.kept.keys != chain->kept.keys) {
        e2e_kept_free(&next.kept);
    }
    e2e_wipe(&next, sizeof next);
    e2e_wipe(&keys, sizeof keys);
    e2e_wipe(mk, sizeof mk);
    return err;
}
