#include "libkith/e2ee/session.h"

#include <assert.h>
#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/kept_keys.h"
#include "libkith/e2ee/pqxdh.h"
#include "libkith/e2ee/ratchet.h"

/* ---------------------------------------------------------------------------------------------- A begins */
/* The set-up of A, without EK and ct. */
static kith_err setup_of(const struct e2e_end *a, const struct e2e_end *b, const struct e2e_bundle *bundle,
                         struct e2e_setup *out)
{
    *out = (struct e2e_setup){
        .device_a = a->device->device_id,
        .list_seq_a = a->list->seq,
        .list_seq_b = b->list->seq,
        .spk_id = bundle->spk->id,
        .opk_id = bundle->opk == NULL ? 0 : bundle->opk->id,
        .kem_id = bundle->kem->id,
        .kem_is_last = bundle->kem->kind == E2E_PREKEY_KEM_LR,
    };
    memcpy(out->list_hash_a, a->list->hash, sizeof out->list_hash_a);
    memcpy(out->list_hash_b, b->list->hash, sizeof out->list_hash_b);
    return e2e_suite_of(a->list, b->list, &out->suite);
}

/* EK and the KEM's coins are drawn, and with them all that is shared comes. ct: E2E_KEM_CIPHER_BYTES. */
static kith_err share_as_a(const struct e2e_random *random, const struct e2e_self *self, const struct e2e_end *peer,
                           const struct e2e_bundle *bundle, uint8_t *ek_pub, uint8_t *ct, struct e2e_pqxdh_shared *out)
{
    uint8_t ek[E2E_DH_BYTES];
    kith_err err;

    out->has_opk = bundle->opk != NULL;
    e2e_dh_keypair(random, ek, ek_pub);
    E2E_CT_PUBLIC(ek_pub, E2E_DH_BYTES);
    err = e2e_kem_encaps(random, bundle->kem->public, ct, out->kem);
    if (err == KITH_OK) err = e2e_dh(self->ddh_secret, bundle->spk->public, out->dh[0]);
    if (err == KITH_OK) err = e2e_dh(ek, peer->device->ddh_pub, out->dh[1]);
    if (err == KITH_OK) err = e2e_dh(ek, bundle->spk->public, out->dh[2]);
    if (err == KITH_OK && out->has_opk) err = e2e_dh(ek, bundle->opk->public, out->dh[3]);
    e2e_wipe(ek, sizeof ek);
    return err;
}

static kith_err keep_setup(struct e2e_session *session, const struct e2e_setup *setup)
{
    struct kith_buf bytes;
    kith_err err;

    kith_buf_init(&bytes, sizeof session->setup);
    err = e2e_setup_encode(setup, &bytes);
    if (err == KITH_OK) {
        session->setup_bytes = kith_buf_len(&bytes);
        memcpy(session->setup, kith_buf_peek(&bytes).ptr, session->setup_bytes);
    }
    kith_buf_deinit(&bytes);
    return err;
}

kith_err e2e_session_begin(const struct e2e_random *random, const struct e2e_self *self, const struct e2e_end *peer,
                           const struct e2e_bundle *bundle, uint64_t now_ms, struct e2e_session **out)
{
    struct e2e_session *session = NULL;
    struct e2e_pqxdh_shared shared = {0};
    uint8_t ct[E2E_KEM_CIPHER_BYTES];
    struct e2e_setup setup;
    const struct e2e_pqxdh about = {
        .a = &self->end,
        .b = peer,
        .setup = &setup,
        .spk_pub = bundle->spk->public,
        .opk_pub = bundle->opk == NULL ? NULL : bundle->opk->public,
        .kem_pub = bundle->kem->public,
    };
    kith_err err;

    assert(bundle->spk->kind == E2E_PREKEY_SPK && e2e_prekey_is_kem(bundle->kem->kind));
    assert(bundle->opk == NULL || bundle->opk->kind == E2E_PREKEY_OPK);
    *out = NULL;
    err = peer->device->is_accepted ? setup_of(&self->end, peer, bundle, &setup) : KITH_E_DENIED;
    if (err != KITH_OK) return err;
    session = calloc(1, sizeof *session);
    if (session == NULL) return KITH_E_NOMEM;
    err = share_as_a(random, self, peer, bundle, setup.ek_pub, ct, &shared);
    if (err != KITH_OK) goto done;
    setup.ct = kith_slice_of(ct, sizeof ct);
    e2e_pqxdh_transcript(&about, session->transcript);
    e2e_pqxdh_root(&shared, session->transcript, session->root_key);
    memcpy(session->ek_pub, setup.ek_pub, sizeof session->ek_pub);
    memcpy(session->their_pub, bundle->spk->public, sizeof session->their_pub);
    session->created_at_ms = session->stepped_at_ms = now_ms;
    err = keep_setup(session, &setup);
    if (err == KITH_OK) err = e2e_ratchet_turn(random, session);
    if (err != KITH_OK) goto done;
    *out = session;
    session = NULL;
done:
    e2e_wipe(&shared, sizeof shared);
    e2e_session_free(session);
    return err;
}

/* ---------------------------------------------------------------------------------------------- B accepts */
/* Whether A is who the set-up says, with lists that B has too, in a suite that both must use. */
static kith_err check_setup(const struct e2e_setup *setup, const struct e2e_end *a, const struct e2e_end *b)
{
    uint8_t suite = 0;
    kith_err err = e2e_suite_of(a->list, b->list, &suite);

    if (err != KITH_OK) return err;
    if (setup->suite != suite) return KITH_E_UNSUPPORTED;
    if (!a->device->is_accepted || setup->device_a != a->device->device_id) return KITH_E_DENIED;
    /* A list newer than what B has is to be fetched first; an older one was what A or the server had at the time. */
    if (setup->list_seq_a > a->list->seq || setup->list_seq_b > b->list->seq) return KITH_E_DENIED;
    if (setup->list_seq_a == a->list->seq && memcmp(setup->list_hash_a, a->list->hash, sizeof a->list->hash) != 0)
        return KITH_E_DENIED;
    if (setup->list_seq_b == b->list->seq && memcmp(setup->list_hash_b, b->list->hash, sizeof b->list->hash) != 0)
        return KITH_E_DENIED;
    return KITH_OK;
}

/* The keys are those that the set-up names. */
static kith_err check_keys(const struct e2e_setup *setup, const struct e2e_setup_keys *keys)
{
    const enum e2e_prekey_kind kem_kind = setup->kem_is_last ? E2E_PREKEY_KEM_LR : E2E_PREKEY_KEM_OT;

    if (keys->spk->kind != E2E_PREKEY_SPK || keys->spk->id != setup->spk_id) return KITH_E_NOTFOUND;
    if (keys->kem->kind != kem_kind || keys->kem->id != setup->kem_id) return KITH_E_NOTFOUND;
    if (setup->opk_id == 0) return keys->opk == NULL ? KITH_OK : KITH_E_NOTFOUND;
    if (keys->opk == NULL) return KITH_E_NOTFOUND;
    return keys->opk->kind == E2E_PREKEY_OPK && keys->opk->id == setup->opk_id ? KITH_OK : KITH_E_NOTFOUND;
}

/* Of B's private halves, made again. */
struct halves {
    uint8_t spk_pub[E2E_DH_BYTES], opk_pub[E2E_DH_BYTES];
    uint8_t kem_pub[E2E_KEM_PUBLIC_BYTES], kem_secret[E2E_KEM_SECRET_BYTES];
};

static kith_err share_as_b(const struct e2e_self *self, const struct e2e_end *peer, const struct e2e_setup_keys *keys,
                           const struct e2e_setup *setup, struct halves *halves, struct e2e_pqxdh_shared *out)
{
    kith_err err;

    out->has_opk = keys->opk != NULL;
    e2e_dh_keypair_from(keys->spk->secret, halves->spk_pub);
    if (out->has_opk) e2e_dh_keypair_from(keys->opk->secret, halves->opk_pub);
    E2E_CT_PUBLIC(halves->spk_pub, sizeof halves->spk_pub);
    E2E_CT_PUBLIC(halves->opk_pub, sizeof halves->opk_pub);
    e2e_kem_keypair_from(keys->kem->secret, halves->kem_secret, halves->kem_pub);
    err = e2e_dh(keys->spk->secret, peer->device->ddh_pub, out->dh[0]);
    if (err == KITH_OK) err = e2e_dh(self->ddh_secret, setup->ek_pub, out->dh[1]);
    if (err == KITH_OK) err = e2e_dh(keys->spk->secret, setup->ek_pub, out->dh[2]);
    if (err == KITH_OK && out->has_opk) err = e2e_dh(keys->opk->secret, setup->ek_pub, out->dh[3]);
    if (err == KITH_OK) err = e2e_kem_decaps(halves->kem_secret, setup->ct.ptr, out->kem);
    return err;
}

/* A session that waits for A's first message: SPK_B is B's ratchet key. */
static kith_err prepare(const struct e2e_self *self, const struct e2e_end *peer, const struct e2e_setup_keys *keys,
                        const struct e2e_setup *setup, uint64_t now_ms, struct e2e_session *session)
{
    struct e2e_pqxdh_shared shared = {0};
    struct halves halves = {0};
    const struct e2e_pqxdh about = {
        .a = peer,
        .b = &self->end,
        .setup = setup,
        .spk_pub = halves.spk_pub,
        .opk_pub = keys->opk == NULL ? NULL : halves.opk_pub,
        .kem_pub = halves.kem_pub,
    };
    kith_err err = share_as_b(self, peer, keys, setup, &halves, &shared);

    if (err == KITH_OK) {
        e2e_pqxdh_transcript(&about, session->transcript);
        e2e_pqxdh_root(&shared, session->transcript, session->root_key);
        memcpy(session->our_secret, keys->spk->secret, sizeof session->our_secret);
        memcpy(session->our_pub, halves.spk_pub, sizeof session->our_pub);
        memcpy(session->ek_pub, setup->ek_pub, sizeof session->ek_pub);
        session->created_at_ms = session->stepped_at_ms = now_ms;
    }
    e2e_wipe(&shared, sizeof shared);
    e2e_wipe(&halves, sizeof halves);
    return err;
}

kith_err e2e_session_accept(const struct e2e_random *random, const struct e2e_self *self, const struct e2e_end *peer,
                            const struct e2e_setup_keys *keys, struct kith_slice message, uint64_t now_ms,
                            struct e2e_session **out_session, struct kith_buf *out)
{
    struct e2e_session *session = NULL;
    struct e2e_message parts = {0};
    struct e2e_setup setup;
    kith_err err = e2e_message_decode(message, &parts);

    *out_session = NULL;
    if (err == KITH_OK && parts.setup.ptr == NULL) err = KITH_E_MALFORMED;
    if (err == KITH_OK) err = e2e_setup_decode(parts.setup, &setup);
    if (err == KITH_OK) err = check_setup(&setup, peer, &self->end);
    if (err == KITH_OK) err = check_keys(&setup, keys);
    if (err != KITH_OK) return err;
    session = calloc(1, sizeof *session);
    if (session == NULL) return KITH_E_NOMEM;
    err = prepare(self, peer, keys, &setup, now_ms, session);
    if (err == KITH_OK) err = e2e_ratchet_receive(random, session, &parts, now_ms, out);
    if (err == KITH_OK) {
        *out_session = session;
        session = NULL;
    }
    e2e_session_free(session);
    return err;
}
