#include "libkith/e2ee/sender_chain.h"

#include <assert.h>
#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/chain_state.h"
#include "libkith/e2ee/group_message.h"

void e2e_sender_chain_free(struct e2e_sender_chain *chain)
{
    if (chain == NULL) return;
    e2e_wipe(chain, sizeof *chain);
    free(chain);
}

kith_err e2e_sender_chain_new(const struct e2e_random *random, const struct e2e_chain_owner *owner, uint64_t now_ms,
                              struct e2e_sender_chain **out)
{
    uint8_t sign_pub[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_sender_chain *chain;

    assert(owner->device_id != 0);
    *out = NULL;
    chain = calloc(1, sizeof *chain);
    if (chain == NULL) return KITH_E_NOMEM;
    chain->owner = *owner;
    chain->created_at_ms = now_ms;
    e2e_random_fill(random, chain->chain_id, sizeof chain->chain_id);
    E2E_CT_PUBLIC(chain->chain_id, sizeof chain->chain_id);
    e2e_random_fill(random, chain->chain_key, sizeof chain->chain_key);
    e2e_sign_keypair(random, chain->sign_secret, sign_pub);
    *out = chain;
    return KITH_OK;
}

/* The second half of an Ed25519 secret is the public key. */
static const uint8_t *public_of(const struct e2e_sender_chain *chain)
{
    return chain->sign_secret + E2E_SIGN_SEED_BYTES;
}

void e2e_sender_chain_give(const struct e2e_sender_chain *chain, const struct e2e_group_epoch *epoch,
                           struct e2e_chain_given *out)
{
    *out = (struct e2e_chain_given){.iteration = chain->iteration, .epoch = epoch->seq};
    memcpy(out->chain_id, chain->chain_id, sizeof out->chain_id);
    memcpy(out->chain_key, chain->chain_key, sizeof out->chain_key);
    memcpy(out->sign_pub, public_of(chain), sizeof out->sign_pub);
    memcpy(out->group_hash, epoch->hash, sizeof out->group_hash);
    E2E_CT_PUBLIC(out->sign_pub, sizeof out->sign_pub);
}

struct e2e_sender_chain_facts e2e_sender_chain_facts(const struct e2e_sender_chain *chain)
{
    return (struct e2e_sender_chain_facts){.created_at_ms = chain->created_at_ms, .sent = chain->iteration};
}

bool e2e_sender_chain_is_used_up(const struct e2e_sender_chain *chain, uint64_t now_ms)
{
    return chain->iteration >= E2E_CHAIN_MESSAGES_MAX ||
           (now_ms > chain->created_at_ms && now_ms - chain->created_at_ms >= E2E_CHAIN_LIFE_MS);
}

kith_err e2e_sender_chain_encrypt(const struct e2e_random *random, struct e2e_sender_chain *chain,
                                  const struct e2e_group_epoch *epoch, struct kith_slice plain, struct kith_buf *out)
{
    struct e2e_group_message head = {.owner = chain->owner, .epoch = *epoch, .iteration = chain->iteration};
    uint8_t chain_key[E2E_KEY_BYTES], mk[E2E_KEY_BYTES];
    struct e2e_message_keys keys;
    kith_err err;

    if (plain.len > E2E_GROUP_PLAIN_MAX) return KITH_E_TOOBIG;
    if (chain->iteration == UINT32_MAX) return KITH_E_FULL;
    memcpy(head.chain_id, chain->chain_id, sizeof head.chain_id);
    memcpy(chain_key, chain->chain_key, sizeof chain_key);
    e2e_chain_next(chain_key, mk);
    e2e_group_message_keys(mk, &chain->owner, chain->chain_id, &keys);
    err = e2e_group_message_seal(random, &keys, chain->sign_secret, &head, plain, out);
    if (err == KITH_OK) {
        memcpy(chain->chain_key, chain_key, sizeof chain->chain_key);
        chain->iteration++;
    }
    e2e_wipe(chain_key, sizeof chain_key);
    e2e_wipe(mk, sizeof mk);
    e2e_wipe(&keys, sizeof keys);
    return err;
}
