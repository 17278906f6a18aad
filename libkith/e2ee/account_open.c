#include <stdlib.h>

#include "base/mutant.h"
#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_resend_impl.h"

/*
 * A message of another device. Who sent it is what its session says; the server's word and the sender's own must agree
 * with that, or it is no message. Until all of it has been checked nothing is kept.
 */
struct opening {
    struct e2e_account *account;
    uint64_t now_ms;
    const struct e2e_envelope *envelope;
    struct person *person;
    const struct e2e_device *device;
    struct peer *peer;
    bool has_setup;
    struct e2e_setup setup;
    struct prekey_own *opk, *kem; /* of a new session */
    bool is_own;                  /* it comes of another device of this account */
    bool is_anew;                 /* its sender begins, and had no need to */
    bool forks;                   /* the set-up names a list that is not the one of its number here */
    struct e2e_session *made;     /* not yet the peer's */
    struct peer_session *used;
    struct received_key key;         /* of `chain` */
    struct received_chain *chain;    /* that it came under; NULL: it came by a session */
    struct e2e_group_message common; /* then: what it says of itself */
    struct kith_buf before;          /* of `used` or `chain`, to go back to; empty: nothing has stepped */
    bool is_lost;                    /* it did not open, as what was put back or garbled does not */
};

/* A list that lacks the device may be an old one, unless it was fetched just now. */
static kith_err find_sender(struct opening *o, struct e2e_wants *wants)
{
    const struct e2e_envelope *envelope = o->envelope;

    o->is_own = account_is_own(o->account, envelope->account_id);
    if (o->is_own && memcmp(envelope->server_device, o->account->config.server_device, E2E_SERVER_DEVICE_BYTES) == 0)
        return KITH_E_DENIED; /* ours, thrown back */
    o->person = account_person_find(o->account, envelope->account_id);
    if (o->person != NULL && o->person->list != NULL)
        o->device = e2e_device_find_server(o->person->list, envelope->server_device);
    if (o->device != NULL && o->device->is_accepted) return KITH_OK;
    if (envelope->is_fresh) return KITH_E_DENIED;
    account_want(wants, E2E_WANT_LIST, envelope->account_id, NULL);
    return KITH_E_AGAIN;
}

static kith_err find_setup(struct opening *o)
{
    kith_err err = e2e_message_setup(o->envelope->message, &o->setup);

    o->has_setup = err == KITH_OK;
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

/*
 * The lists that the other end says it knew. Newer ones than ours are fetched first. Nobody has signed what a set-up says
 * before its message opens, so nothing is noted here: a fork, too, is one only when it does.
 */
static kith_err check_lists(struct opening *o, struct e2e_wants *wants)
{
    const struct e2e_setup *setup = &o->setup;
    const struct e2e_envelope *envelope = o->envelope;
    const uint8_t *own = o->account->config.account_id;
    enum account_claim a = account_person_claim(o->person, setup->list_seq_a, setup->list_hash_a);
    enum account_claim b = account_person_claim(account_person_find(o->account, own), setup->list_seq_b,
                                                setup->list_hash_b);

    o->forks = a == ACCOUNT_CLAIM_FORK || b == ACCOUNT_CLAIM_FORK;
    if (a == ACCOUNT_CLAIM_NEWER || !account_person_knows(o->person, o->device->device_id)) {
        if (envelope->is_fresh) return KITH_E_DENIED;
        account_want(wants, E2E_WANT_LIST, envelope->account_id, NULL);
    }
    if (b == ACCOUNT_CLAIM_NEWER) {
        if (envelope->is_own_fresh) return KITH_E_DENIED;
        if (!o->is_own || wants->count == 0) account_want(wants, E2E_WANT_LIST, own, NULL);
    }
    return wants->count > 0 ? KITH_E_AGAIN : KITH_OK;
}

static void last_resort_use(const struct e2e_setup *setup, uint8_t out[static LAST_RESORT_BYTES])
{
    kith_put_u32_be(out, setup->kem_id);
    kith_put_u32_be(out + 4, setup->spk_id);
    memcpy(out + 8, setup->ek_pub, E2E_DH_BYTES);
}

/* The list as the other end knows it, if it has another of that number: that it does is what its message proves. */
static const struct e2e_device_list *as_claimed(const struct e2e_device_list *list, uint64_t seq,
                                                const uint8_t hash[static E2E_HASH_BYTES], struct e2e_device_list *copy)
{
    if (list->seq != seq) return list;
    *copy = *list;
    memcpy(copy->hash, hash, sizeof copy->hash);
    return copy;
}

static kith_err begin_as_b(struct opening *o, const struct e2e_setup_keys *keys, struct kith_buf *plain)
{
    struct e2e_account *account = o->account;
    const struct e2e_setup *setup = &o->setup;
    struct e2e_self self = {.end = {account_own_list(account), account_own_device(account)},
                            .ddh_secret = account->self.ddh_secret};
    struct e2e_end peer = {o->person->list, o->device};
    struct e2e_device_list *copies = NULL;
    kith_err err;

    if (o->forks) {
        copies = malloc(2 * sizeof *copies);
        if (copies == NULL) return KITH_E_NOMEM;
        peer.list = as_claimed(peer.list, setup->list_seq_a, setup->list_hash_a, &copies[0]);
        self.end.list = as_claimed(self.end.list, setup->list_seq_b, setup->list_hash_b, &copies[1]);
    }
    err = e2e_session_accept(&account->config.random, &self, &peer, keys, o->envelope->message, o->now_ms, &o->made,
                             plain);
    free(copies);
    return err;
}

static kith_err take_setup(struct opening *o, struct e2e_wants *wants, struct kith_buf *plain)
{
    struct e2e_account *account = o->account;
    const struct e2e_setup *setup = &o->setup;
    struct prekey_own *spk = account_prekey_find(account, E2E_PREKEY_SPK, setup->spk_id);
    struct e2e_setup_keys keys = {0};
    uint8_t use[LAST_RESORT_BYTES];
    kith_err err = check_lists(o, wants);

    if (err != KITH_OK) return err;
    o->kem = account_prekey_find(account, setup->kem_is_last ? E2E_PREKEY_KEM_LR : E2E_PREKEY_KEM_OT, setup->kem_id);
    if (setup->opk_id != 0) o->opk = account_prekey_find(account, E2E_PREKEY_OPK, setup->opk_id);
    o->is_lost = true;
    if (spk == NULL || o->kem == NULL || (setup->opk_id != 0 && o->opk == NULL)) return KITH_E_DENIED;
    last_resort_use(setup, use);
    if (setup->kem_is_last && kith_map_find(&account->last_resort, use) != NULL) return KITH_E_CONFLICT;
    o->is_lost = false;
    /* What could not be remembered could come again. */
    if (setup->kem_is_last && account->last_resort.count == E2E_LAST_RESORT_MAX) return KITH_E_DENIED;
    o->is_anew = account_anew_is(o->peer, o->now_ms);
    if (o->is_anew && account_anew_is_too_often(o->peer, o->now_ms)) return KITH_E_DENIED;
    keys.spk = &spk->half;
    keys.kem = &o->kem->half;
    keys.opk = o->opk == NULL ? NULL : &o->opk->half;
    o->is_lost = true;
    return begin_as_b(o, &keys, plain);
}

static kith_err decrypt_with(struct opening *o, struct peer_session *one, struct kith_buf *plain)
{
    kith_err err;

    kith_buf_wipe(&o->before);
    kith_buf_init(&o->before, E2E_SESSION_BYTES_MAX);
    err = e2e_session_encode(one->session, &o->before);
    if (err == KITH_OK)
        err = e2e_session_decrypt(&o->account->config.random, one->session, o->envelope->message, o->now_ms, plain);
    if (err == KITH_OK) o->used = one;
    return err;
}

/* Under a chain of its sender's, which came by a session of theirs, or is none. */
static kith_err decrypt_common(struct opening *o, struct e2e_wants *wants, struct kith_buf *plain)
{
    const struct e2e_envelope *envelope = o->envelope;
    const struct group_place *place = account_group_find(o->account, envelope->thread_id);
    const struct e2e_chain_owner *owner = &o->common.owner;
    kith_err err;

    if (!envelope->is_group || envelope->is_mail) return KITH_E_DENIED;
    if (place == NULL && !envelope->is_ops_fresh) {
        account_want(wants, E2E_WANT_OPS, envelope->thread_id, NULL);
        return KITH_E_AGAIN;
    }
    if (place == NULL || memcmp(owner->group_id, place->group->group_id, sizeof owner->group_id) != 0 ||
        memcmp(owner->account_id, envelope->account_id, sizeof owner->account_id) != 0 ||
        owner->device_id != o->device->device_id)
        return KITH_E_DENIED;
    memcpy(o->key.chat_id, envelope->thread_id, sizeof o->key.chat_id);
    memcpy(o->key.account_id, envelope->account_id, sizeof o->key.account_id);
    kith_put_u32_be(o->key.device_id, owner->device_id);
    o->is_lost = true;
    o->chain = account_received_find(o->account, &o->key, o->common.chain_id);
    if (o->chain == NULL) return KITH_E_NOTFOUND;
    kith_buf_init(&o->before, E2E_CHAIN_BYTES_MAX);
    err = e2e_receiver_chain_encode(o->chain->chain, &o->before);
    if (err == KITH_OK) err = e2e_receiver_chain_decrypt(o->chain->chain, &o->common, o->now_ms, plain);
    if (err != KITH_OK) kith_buf_wipe(&o->before);
    return err;
}

/* Without a set-up nothing says which of the sessions it is of: the commitment does, and a wrong guess changes nothing. */
static kith_err decrypt(struct opening *o, struct e2e_wants *wants, struct kith_buf *plain)
{
    kith_err err = KITH_E_DENIED;

    for (struct peer_session *one = o->peer == NULL ? NULL : o->peer->sessions; one != NULL; one = one->next) {
        kith_err now;
        if (account_peer_has_ended(o->peer, one, o->now_ms)) continue;
        if (o->has_setup && !e2e_session_is_of(one->session, &o->setup)) continue;
        o->is_lost = true;
        now = decrypt_with(o, one, plain);
        if (now == KITH_OK || now == KITH_E_NOMEM || o->has_setup) return now;
        if (now == KITH_E_CONFLICT) err = now; /* a repeat in one of them, whatever the others say */
    }
    o->is_lost = false;
    if (o->has_setup) return take_setup(o, wants, plain);
    o->is_lost = true;
    return err;
}

static bool eq(const uint8_t *a, const uint8_t *b, size_t len)
{
    return memcmp(a, b, len) == 0;
}

/* It takes no place in any thread. */
static kith_err check_mail(const struct opening *o, const struct e2e_payload *payload)
{
    const bool is_right = payload->sseq == 1 && !payload->has_group && !payload->has_dest &&
                          payload->has_peer_list != o->is_own && !o->envelope->is_group;

    return is_right ? KITH_OK : KITH_E_DENIED;
}

/* What it says of itself (docs/wire/e2ee.md, "What is inside"). */
static kith_err check_payload(const struct opening *o, const struct e2e_payload *payload)
{
    const struct e2e_envelope *envelope = o->envelope;

    if (!eq(payload->account_id, envelope->account_id, E2E_ACCOUNT_ID_BYTES) ||
        payload->device_id != o->device->device_id || !eq(payload->thread_id, envelope->thread_id, E2E_ID_BYTES) ||
        !eq(payload->msg_id, envelope->msg_id, E2E_ID_BYTES))
        return KITH_E_DENIED;
    if (envelope->is_mail != e2e_ct_is_zero(envelope->thread_id, E2E_ID_BYTES)) return KITH_E_DENIED;
    if (envelope->is_mail) return check_mail(o, payload);
    if (payload->has_again) return KITH_E_DENIED; /* nothing is told again in a chat */
    if (payload->has_dest != (o->is_own && payload->has_peer_list)) return KITH_E_DENIED;
    if (payload->has_group != envelope->is_group || (envelope->is_group && payload->has_peer_list))
        return KITH_E_DENIED;
    if (o->chain != NULL &&
        (payload->group_epoch != o->common.epoch.seq || !eq(payload->group_hash, o->common.epoch.hash, E2E_HASH_BYTES)))
        return KITH_E_DENIED;
    return KITH_OK;
}

/* Under which head it was written (docs/wire/e2ee-groups.md, "Messages in a group"). */
static kith_err check_group(const struct opening *o, const struct e2e_payload *payload, struct e2e_wants *wants)
{
    const struct e2e_envelope *envelope = o->envelope;
    struct group_place *place;
    const uint8_t *head;

    if (!envelope->is_group) return KITH_OK;
    if (payload->group_epoch == 0) return KITH_E_DENIED; /* no operation has that number */
    place = account_group_find(o->account, envelope->thread_id);
    /* First of all whether its writer is in it, or whoever was removed could raise the alarm. They may have come back. */
    if (place == NULL || account_join_awaits(o->account, envelope->thread_id) ||
        payload->group_epoch > place->group->seq ||
        !account_group_had(place, envelope->account_id, payload->group_epoch, envelope->seq)) {
        if (envelope->is_ops_fresh) return KITH_E_DENIED;
        account_want(wants, E2E_WANT_OPS, envelope->thread_id, NULL);
        return KITH_E_AGAIN;
    }
    head = e2e_group_head(place->group, payload->group_epoch);
    if (head == NULL || memcmp(head, payload->group_hash, E2E_HASH_BYTES) == 0) return KITH_OK;
    if (e2e_group_find(place->group, envelope->account_id) != NULL)
        kith_ignore(account_group_forked(o->account, place));
    return KITH_E_DENIED;
}

static void undo(struct opening *o)
{
    if (o->chain != NULL && kith_buf_len(&o->before) > 0) {
        e2e_receiver_chain_free(o->chain->chain);
        o->chain->chain = NULL;
        if (e2e_receiver_chain_decode(kith_buf_peek(&o->before), &o->chain->chain) != KITH_OK) abort(); /* as below */
    }
    if (o->used == NULL) return;
    e2e_session_free(o->used->session);
    o->used->session = NULL;
    if (e2e_session_decode(kith_buf_peek(&o->before), &o->used->session) != KITH_OK) abort(); /* no memory: restart */
}

/*
 * A session that the other end began. Ours that was never answered may be the other half of both beginning at once: then
 * both ends send with the one whose transcript is smaller. Else they have begun anew, and know why.
 */
static kith_err take_made(struct opening *o)
{
    struct e2e_account *account = o->account;
    struct peer_session *ours;
    uint8_t use[LAST_RESORT_BYTES];
    void *nothing = NULL;
    kith_err err = KITH_OK;

    if (o->peer == NULL)
        err = account_peer_put(account, o->now_ms, o->envelope->account_id, o->device->device_id, &o->peer);
    if (err != KITH_OK) return err;
    last_resort_use(&o->setup, use);
    if (o->setup.kem_is_last) err = kith_map_add(&account->last_resort, use, &nothing);
    ours = o->peer->sessions;
    if (err == KITH_OK) err = account_peer_add(account, o->now_ms, o->peer, o->made);
    if (err != KITH_OK) {
        if (o->setup.kem_is_last) (void)kith_map_remove(&account->last_resort, use);
        return err;
    }
    o->used = o->peer->sessions;
    o->made = NULL;
    if (ours != NULL && !e2e_session_facts(ours->session).is_answered &&
        memcmp(e2e_session_transcript(ours->session), e2e_session_transcript(o->used->session), E2E_HASH_BYTES) < 0) {
        account_peer_prefer(account, o->now_ms, o->peer, ours);
        account_keep_session(account, o->peer, ours);
    }
    if (o->is_anew) account_anew_note(account, o->now_ms, o->peer);
    account_healed(account, o->now_ms, &o->peer->key, false);
    if (o->opk != NULL && !kith_mutant(ONE_TIME_KEY_STAYS)) account_prekey_forget(account, o->opk);
    if (o->setup.kem_is_last)
        account_keep_last_resort(account, use);
    else if (!kith_mutant(ONE_TIME_KEY_STAYS))
        account_prekey_use(account, o->now_ms, o->kem);
    return KITH_OK;
}

static void note_heard(struct opening *o, struct e2e_opened *out)
{
    struct heard_key key;
    uint64_t *last = NULL, sseq = out->payload.sseq;
    kith_err err;

    memcpy(key.thread_id, o->envelope->thread_id, sizeof key.thread_id);
    memcpy(key.account_id, o->envelope->account_id, sizeof key.account_id);
    kith_put_u32_be(key.device_id, o->device->device_id);
    err = kith_map_add(&o->account->heard, &key, (void **)&last);
    if (err != KITH_OK && err != KITH_E_CONFLICT) return; /* no room: gaps are not told */
    if (*last != 0 && sseq > *last) out->missed = sseq - *last - 1;
    if (sseq <= *last) return;
    *last = sseq;
    account_keep_heard(o->account, &key, sseq);
}

/* One for this device alone, by a session. */
static kith_err decrypt_own(struct opening *o, struct e2e_wants *wants, struct kith_buf *plain)
{
    kith_err err = find_setup(o);

    o->is_lost = err == KITH_E_MALFORMED;
    if (err != KITH_OK) return err;
    o->peer = account_peer_find(o->account, o->envelope->account_id, o->device->device_id);
    return decrypt(o, wants, plain);
}

static void keep_step(struct opening *o)
{
    if (o->chain != NULL)
        account_keep_received(o->account, &o->key, o->chain);
    else
        account_keep_session(o->account, o->peer, o->used);
    if (o->peer != NULL) account_peer_drop_ended(o->account, o->peer, o->now_ms);
}

/*
 * Its sender waits for a step. Not by a message in a large group: that goes under a chain to all and turns no ratchet, and each
 * who was given one would write to everybody. Nor where this account has never written in a chat of two: a stranger would learn
 * that somebody is there, and when.
 */
static bool wants_step(const struct opening *o)
{
    const struct e2e_envelope *envelope = o->envelope;
    const struct group_place *place = account_group_find(o->account, envelope->thread_id);

    if (o->used == NULL || (place != NULL && account_is_large(o->account, place->group))) return false;
    if (!envelope->is_group && !account_has_written(o->account, envelope->thread_id)) return false;
    return e2e_session_facts(o->used->session).needs_step;
}

/*
 * Whether its device may be asked for it again. Not what came to a group before this account was in it, as far as the message says
 * of when it is: nobody would give that.
 */
static bool may_ask(const struct opening *o, kith_err err, bool is_common)
{
    const struct e2e_envelope *envelope = o->envelope;
    const struct group_place *place = account_group_find(o->account, envelope->thread_id);
    const struct e2e_group_member *me;

    if (!o->is_lost || err == KITH_E_NOMEM || err == KITH_E_UNSUPPORTED) return false;
    if (!envelope->is_group || place == NULL) return true;
    me = e2e_group_find(place->group, o->account->config.account_id);
    return me != NULL && (!is_common || me->since <= o->common.epoch.seq);
}

/* Where both began at once, or seem to have: who asks again does so in the session that it can open. */
static void prefer_asking(const struct opening *o, const struct e2e_payload *payload)
{
    if (o->envelope->is_mail && kith_slice_is(payload->content_type, E2E_RESEND_TYPE))
        account_peer_prefer(o->account, o->now_ms, o->peer, o->used);
}

static kith_err open_all(struct opening *o, struct e2e_wants *wants, struct kith_buf *plain, struct e2e_opened *out)
{
    kith_err err = find_sender(o, wants);

    if (err != KITH_OK) return err;
    out->is_common = e2e_group_message_decode(o->envelope->message, &o->common) == KITH_OK;
    err = out->is_common ? decrypt_common(o, wants, plain) : decrypt_own(o, wants, plain);
    if (err != KITH_OK) out->is_lost = may_ask(o, err, out->is_common);
    if (out->is_lost) out->device_id = o->device->device_id;
    if (err == KITH_OK) err = e2e_payload_decode(kith_buf_peek(plain), &out->payload);
    if (err == KITH_OK) err = check_payload(o, &out->payload);
    if (err == KITH_OK) err = check_group(o, &out->payload, wants);
    if (err == KITH_OK && o->forks) {
        kith_ignore(account_person_forked(o->account, o->person));
        err = KITH_E_DENIED;
    }
    if (err == KITH_OK && o->made != NULL) err = take_made(o);
    if (err != KITH_OK) {
        undo(o);
        kith_buf_wipe(plain);
        out->payload = (struct e2e_payload){0};
        return err;
    }
    prefer_asking(o, &out->payload);
    keep_step(o);
    if (!o->envelope->is_mail) note_heard(o, out);
    out->device_id = out->payload.device_id;
    out->wants_step = wants_step(o);
    out->is_anew = o->is_anew;
    account_note_lists(o->account, o->person, out);
    return KITH_OK;
}

kith_err e2e_account_open(struct e2e_account *account, uint64_t now_ms, const struct e2e_envelope *envelope,
                          struct e2e_wants *wants, struct kith_buf *plain, struct e2e_opened *out)
{
    struct opening o = {.account = account, .now_ms = now_ms, .envelope = envelope};
    kith_err err;

    *out = (struct e2e_opened){0};
    wants->count = 0;
    if (account->state != E2E_ACCOUNT_READY) return KITH_E_CLOSED;
    kith_buf_init(&o.before, E2E_SESSION_BYTES_MAX);
    err = open_all(&o, wants, plain, out);
    kith_buf_wipe(&o.before);
    e2e_session_free(o.made);
    return err;
}
