#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_resend_impl.h"

/* Reads what account_record.c wrote. `key` is what follows the two letters. */

static bool flag(struct kith_slice value)
{
    return e2e_tlv_u8(value) != 0;
}

/* Of a fixed length, as its field says; a missing one leaves `out` alone. */
static void copy(void *out, struct kith_slice value)
{
    if (value.len > 0) memcpy(out, value.ptr, value.len);
}

static kith_err load_self(struct e2e_account *account, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {1, 1, 1, false},
        {2, 4, 4, false},
        {3, E2E_SIGN_SECRET_BYTES, E2E_SIGN_SECRET_BYTES, false},
        {4, E2E_DH_BYTES, E2E_DH_BYTES, false},
        {5, E2E_SIGN_SECRET_BYTES, E2E_SIGN_SECRET_BYTES, true},
        {6, E2E_SIGN_SECRET_BYTES, E2E_SIGN_SECRET_BYTES, true},
        {7, E2E_SIGNATURE_BYTES, E2E_SIGNATURE_BYTES, false},
        {8, 1, 1, false},
        {9, 8, 8, false},
        {10, E2E_DH_BYTES, E2E_DH_BYTES, true},
        {11, E2E_KEM_SEED_BYTES, E2E_KEM_SEED_BYTES, true},
        {12, 16, 16, true},
        {13, 8, 8, true},
        {14, 1, E2E_LINK_BYTES_MAX, true},
        {15, 8, 8, true},
        {16, 1, 1, true},
    };
    struct kith_slice v[sizeof fields / sizeof fields[0]];
    struct self_keys *self = &account->self;
    kith_err err = e2e_tlv_decode(in, fields, sizeof fields / sizeof fields[0], v);

    if (err != KITH_OK) return err;
    if (e2e_tlv_u8(v[0]) > E2E_ACCOUNT_REMOVED) return KITH_E_MALFORMED;
    account_self_wipe(self);
    account->state = (enum e2e_account_state)e2e_tlv_u8(v[0]);
    self->device_id = e2e_tlv_u32(v[1]);
    copy(self->dsk_secret, v[2]);
    copy(self->ddh_secret, v[3]);
    e2e_dh_keypair_from(self->ddh_secret, self->ddh_pub);
    self->has_ark = v[4].len > 0;
    copy(self->ark_secret, v[4]);
    self->has_aik = v[5].len > 0;
    copy(self->aik_secret, v[5]);
    copy(self->acceptance, v[6]);
    self->list_unsent = flag(v[7]);
    self->spk_renew_at_ms = e2e_tlv_u64(v[8]);
    if ((v[14].len == 0) != (v[15].len == 0)) return KITH_E_MALFORMED;
    if (v[14].len > 0) {
        self->anew_at_ms = e2e_tlv_u64(v[14]);
        self->replaces = flag(v[15]);
    }
    if (account->state != E2E_ACCOUNT_LINKING) return KITH_OK;
    if (v[9].len == 0 || v[10].len == 0 || v[11].len == 0 || v[12].len == 0) return KITH_E_MALFORMED;
    copy(self->link_dh_secret, v[9]);
    copy(self->link_kem_seed, v[10]);
    copy(self->link_secret, v[11]);
    self->link_made_ms = e2e_tlv_u64(v[12]);
    return kith_buf_append(&self->link_request, v[13]);
}

static kith_err load_prekey(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {1, E2E_DH_BYTES, E2E_KEM_SEED_BYTES, false},
        {2, 8, 8, false},
        {3, 8, 8, false},
        {4, 1, E2E_PREKEY_BYTES_MAX, true},
    };
    struct kith_slice v[4];
    struct prekey_own *own;
    kith_err err = e2e_tlv_decode(in, fields, 4, v);

    if (err != KITH_OK) return err;
    if (key.len != 5 || key.ptr[0] < E2E_PREKEY_SPK || key.ptr[0] > E2E_PREKEY_KEM_LR) return KITH_E_MALFORMED;
    if (v[0].len != (e2e_prekey_is_kem(key.ptr[0]) ? E2E_KEM_SEED_BYTES : E2E_DH_BYTES)) return KITH_E_MALFORMED;
    own = calloc(1, sizeof *own);
    if (own == NULL) return KITH_E_NOMEM;
    own->half.kind = (enum e2e_prekey_kind)key.ptr[0];
    own->half.id = kith_get_u32_be(key.ptr + 1);
    copy(own->half.secret, v[0]);
    own->half.expires_at_ms = e2e_tlv_u64(v[1]);
    own->made_ms = e2e_tlv_u64(v[2]);
    kith_buf_init(&own->public, E2E_PREKEY_BYTES_MAX);
    err = kith_buf_append(&own->public, v[3]);
    if (err == KITH_OK) {
        account_prekey_link(account, own);
        return KITH_OK;
    }
    e2e_wipe(own, sizeof *own);
    free(own);
    return err;
}

static kith_err load_watch(struct e2e_account *account, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {1, 4, 4, false}, {2, 8, 8, false}, {3, 8, 8, false}, {4, 8, 8, false}, {5, 4, 4, false}};
    struct kith_slice v[5];
    kith_err err = e2e_tlv_decode(in, fields, 5, v);

    if (err != KITH_OK) return err;
    account->watch = (struct prekeys_watch){.is_known = true,
                                            .expected = e2e_tlv_u32(v[0]),
                                            .looked_ms = e2e_tlv_u64(v[1]),
                                            .began_ms = e2e_tlv_u64(v[2]),
                                            .since_ms = e2e_tlv_u64(v[3]),
                                            .taken = e2e_tlv_u32(v[4])};
    return KITH_OK;
}

static kith_err load_last_resort(struct e2e_account *account, struct kith_slice key)
{
    void *nothing = NULL;
    kith_err err;

    if (key.len != LAST_RESORT_BYTES) return KITH_E_MALFORMED;
    err = kith_map_add(&account->last_resort, key.ptr, &nothing);
    return err == KITH_E_CONFLICT ? KITH_OK : err;
}

/* `person` has its pinned list. */
static kith_err load_past(struct person *person, struct kith_slice gone, struct kith_slice from_seq,
                          struct kith_slice prev_hash)
{
    struct person_past *past = &person->past;

    if (from_seq.len == 0 || prev_hash.len == 0 || gone.len % PAST_DEVICE_BYTES != 0) return KITH_E_MALFORMED;
    past->from_seq = e2e_tlv_u64(from_seq);
    copy(past->prev_hash, prev_hash);
    if (gone.len == 0) return KITH_OK;
    past->gone_count = (uint32_t)(gone.len / PAST_DEVICE_BYTES);
    past->gone = calloc(past->gone_count, sizeof past->gone[0]);
    if (past->gone == NULL) {
        past->gone_count = 0;
        return KITH_E_NOMEM;
    }
    for (uint32_t i = 0; i < past->gone_count; i++, gone.ptr += PAST_DEVICE_BYTES) {
        past->gone[i].device_id = kith_get_u32_be(gone.ptr);
        past->gone[i].last_seq = kith_get_u64_be(gone.ptr + 4);
        memcpy(past->gone[i].dsk_pub, gone.ptr + 12, E2E_SIGN_PUBLIC_BYTES);
    }
    return KITH_OK;
}

/* It was verified before it was kept, and a store lets nobody else write (vault.h). A record of an older build does not say
 * what was found of the acceptances: then it is verified again. */
static kith_err load_list(struct person *person, struct kith_slice signed_list, struct kith_slice accepted)
{
    struct e2e_device_list *list = malloc(sizeof *list);
    kith_err err = KITH_E_NOMEM;

    if (list != NULL)
        err = accepted.len == 0 ? e2e_device_list_read(signed_list, person->account_id, list)
                                : e2e_device_list_kept(signed_list, person->account_id, e2e_tlv_u32(accepted), list);
    if (err == KITH_OK) err = account_person_pin(person, list, signed_list);
    free(list);
    return err;
}

static kith_err load_person(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {1, 1, 1, false},
        {2, 1, 1, false},
        {3, 8, 8, false},
        {4, 1, E2E_SIGNED_LIST_BYTES_MAX, true},
        {5, 4, E2E_DEVICES_MAX * 4, true},
        {6, 8, 8, true},
        {7, 8, 8, true},
        {8, PAST_DEVICE_BYTES, E2E_REMOVED_MAX * PAST_DEVICE_BYTES, true},
        {9, 8, 8, true},
        {10, E2E_HASH_BYTES, E2E_HASH_BYTES, true},
        {11, 4, 4, true},
    };
    struct kith_slice v[11];
    struct person *person;
    kith_err err = e2e_tlv_decode(in, fields, 11, v);

    if (err != KITH_OK) return err;
    if (v[4].len % 4 != 0) return KITH_E_MALFORMED;
    if (key.len != E2E_ACCOUNT_ID_BYTES || e2e_tlv_u8(v[0]) > E2E_TRUST_FORKED) return KITH_E_MALFORMED;
    person = account_person_put(account, key.ptr);
    if (person == NULL) return KITH_E_NOMEM;
    person->trust = (enum e2e_trust)e2e_tlv_u8(v[0]);
    person->was_reset = flag(v[1]);
    person->list_seq = e2e_tlv_u64(v[2]);
    person->known_count = (uint32_t)(v[4].len / 4);
    for (uint32_t i = 0; i < person->known_count; i++) person->known[i] = kith_get_u32_be(v[4].ptr + (size_t)i * 4);
    person->seen_seq = v[5].len > 0 ? e2e_tlv_u64(v[5]) : 0;
    person->reset_at_ms = v[6].len > 0 ? e2e_tlv_u64(v[6]) : 0;
    if (v[3].len == 0) return v[10].len == 0 ? KITH_OK : KITH_E_MALFORMED;
    err = load_list(person, v[3], v[10]);
    return err == KITH_OK ? load_past(person, v[7], v[8], v[9]) : err;
}

static kith_err load_session(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {1, 8, 8, false}, {2, 1, E2E_SESSION_BYTES_MAX, false}, {3, 8, 8, true}, {4, 8, 8, true}};
    struct kith_slice v[4];
    struct e2e_session *session = NULL;
    struct peer *peer = NULL;
    kith_err err = e2e_tlv_decode(in, fields, 4, v);

    if (err != KITH_OK) return err;
    if (key.len != E2E_ACCOUNT_ID_BYTES + 4 + SESSION_NAME_BYTES) return KITH_E_MALFORMED;
    err = account_peer_put(account, 0, key.ptr, kith_get_u32_be(key.ptr + E2E_ACCOUNT_ID_BYTES), &peer);
    if (err == KITH_OK) err = e2e_session_decode(v[1], &session);
    if (err == KITH_OK)
        err = account_peer_load(account, peer, session, e2e_tlv_u64(v[0]), e2e_tlv_u64(v[v[3].len > 0 ? 3 : 0]),
                                v[2].len > 0 ? e2e_tlv_u64(v[2]) : 0);
    if (err != KITH_OK) e2e_session_free(session);
    return err;
}

static kith_err load_ranks(struct e2e_account *account, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {{1, 8, 8, false}};
    struct kith_slice v[1];
    kith_err err = e2e_tlv_decode(in, fields, 1, v);

    if (err != KITH_OK) return err;
    account->rank_kept = e2e_tlv_u64(v[0]);
    if (account->rank_next < account->rank_kept) account->rank_next = account->rank_kept;
    return KITH_OK;
}

static kith_err load_anew(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {{1, 8, E2E_ANEW_MAX * 8, false}};
    struct kith_slice v[1];
    struct peer *peer = NULL;
    kith_err err = e2e_tlv_decode(in, fields, 1, v);

    if (err != KITH_OK) return err;
    if (key.len != E2E_ACCOUNT_ID_BYTES + 4 || v[0].len % 8 != 0) return KITH_E_MALFORMED;
    err = account_peer_put(account, 0, key.ptr, kith_get_u32_be(key.ptr + E2E_ACCOUNT_ID_BYTES), &peer);
    if (err != KITH_OK) return err;
    peer->anew_count = (uint32_t)(v[0].len / 8);
    for (uint32_t i = 0; i < peer->anew_count; i++) peer->anew_ms[i] = kith_get_u64_be(v[0].ptr + (size_t)i * 8);
    return KITH_OK;
}

static kith_err load_thread(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {1, 8, 8, false},
        {2, E2E_PREV_BYTES, E2E_PREV_BYTES, false},
        {3, E2E_ID_BYTES, E2E_ID_BYTES, true},
        {4, E2E_PREV_BYTES, E2E_PREV_BYTES, true},
    };
    struct kith_slice v[4];
    struct thread_place *place = NULL;
    kith_err err = e2e_tlv_decode(in, fields, 4, v);

    if (err != KITH_OK) return err;
    if (key.len != E2E_ID_BYTES || (v[2].len == 0) != (v[3].len == 0)) return KITH_E_MALFORMED;
    err = kith_map_add(&account->threads, key.ptr, (void **)&place);
    if (err != KITH_OK && err != KITH_E_CONFLICT) return err;
    *place = (struct thread_place){.sseq = e2e_tlv_u64(v[0]), .has_pending = v[2].len > 0};
    copy(place->prev, v[1]);
    copy(place->pending_id, v[2]);
    copy(place->pending_prev, v[3]);
    return KITH_OK;
}

static kith_err load_heard(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {{1, 8, 8, false}};
    struct kith_slice v[1];
    uint64_t *sseq = NULL;
    kith_err err = e2e_tlv_decode(in, fields, 1, v);

    if (err != KITH_OK) return err;
    if (key.len != sizeof(struct heard_key)) return KITH_E_MALFORMED;
    err = kith_map_add(&account->heard, key.ptr, (void **)&sseq);
    if (err != KITH_OK && err != KITH_E_CONFLICT) return err;
    *sseq = e2e_tlv_u64(v[0]);
    return KITH_OK;
}

static kith_err load_group(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {1, 1, E2E_GROUP_SAVED_BYTES_MAX, false},
        {2, 1, 1, false},
        {3, GROUP_FORMER_BYTES, E2E_GROUP_HEADS_MAX * GROUP_FORMER_BYTES, true},
        {4, 1, 1, false},
        {5, GROUP_AUTHOR_BYTES, E2E_GROUP_HEADS_MAX * GROUP_AUTHOR_BYTES, false},
    };
    struct kith_slice v[5];
    struct e2e_group *group = NULL;
    struct group_place *place;
    kith_err err = e2e_tlv_decode(in, fields, 5, v);

    if (err != KITH_OK) return err;
    if (key.len != E2E_ID_BYTES || v[2].len % GROUP_FORMER_BYTES != 0 || v[4].len % GROUP_AUTHOR_BYTES != 0)
        return KITH_E_MALFORMED;
    err = e2e_group_load(v[0], &group);
    if (err != KITH_OK) return err;
    place = account_group_put(account, key.ptr, group, flag(v[1]));
    if (place == NULL) {
        e2e_group_free(group);
        return KITH_E_NOMEM;
    }
    place->former_count = (uint32_t)(v[2].len / GROUP_FORMER_BYTES);
    for (uint32_t i = 0; i < place->former_count; i++) {
        const uint8_t *at = v[2].ptr + (size_t)i * GROUP_FORMER_BYTES;
        memcpy(place->former[i].account_id, at, E2E_ACCOUNT_ID_BYTES);
        place->former[i].until = kith_get_u64_be(at + E2E_ACCOUNT_ID_BYTES);
        place->former[i].event_seq = kith_get_u64_be(at + E2E_ACCOUNT_ID_BYTES + 8);
    }
    place->was_in |= flag(v[3]);
    place->author_count = (uint32_t)(v[4].len / GROUP_AUTHOR_BYTES);
    for (uint32_t i = 0; i < place->author_count; i++) {
        const uint8_t *at = v[4].ptr + (size_t)i * GROUP_AUTHOR_BYTES;
        memcpy(place->authors[i].account_id, at, E2E_ACCOUNT_ID_BYTES);
        place->authors[i].list_seq = kith_get_u64_be(at + E2E_ACCOUNT_ID_BYTES);
    }
    return KITH_OK;
}

static kith_err load_own_chain(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {{1, 1, E2E_CHAIN_BYTES_MAX, false}};
    struct e2e_sender_chain *chain = NULL;
    struct kith_slice v[1];
    struct own_chain *own;
    kith_err err = e2e_tlv_decode(in, fields, 1, v);

    if (err != KITH_OK) return err;
    if (key.len != E2E_ID_BYTES) return KITH_E_MALFORMED;
    err = e2e_sender_chain_decode(v[0], &chain);
    if (err != KITH_OK) return err;
    own = account_chain_put(account, key.ptr);
    if (own == NULL) {
        e2e_sender_chain_free(chain);
        return KITH_E_NOMEM;
    }
    e2e_sender_chain_free(own->chain);
    own->chain = chain;
    return KITH_OK;
}

static kith_err load_some_readers(struct chain_readers *readers, struct kith_slice in)
{
    free(readers->all);
    *readers = (struct chain_readers){0};
    if (in.len == 0) return KITH_OK;
    readers->all = malloc(in.len);
    if (readers->all == NULL) return KITH_E_NOMEM;
    memcpy(readers->all, in.ptr, in.len);
    readers->count = (uint32_t)(in.len / CHAIN_READER_BYTES);
    return KITH_OK;
}

static kith_err load_readers(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {{1, CHAIN_READER_BYTES, CHAIN_READERS_MAX * CHAIN_READER_BYTES, true},
                                                  {2, CHAIN_READER_BYTES, CHAIN_READERS_MAX * CHAIN_READER_BYTES, true},
                                                  {3, 8, 8, true}};
    struct kith_slice v[3];
    struct own_chain *own;
    kith_err err = e2e_tlv_decode(in, fields, 3, v);

    if (err != KITH_OK) return err;
    if (key.len != E2E_ID_BYTES || v[0].len % CHAIN_READER_BYTES != 0 || v[1].len % CHAIN_READER_BYTES != 0)
        return KITH_E_MALFORMED;
    own = account_chain_put(account, key.ptr);
    if (own == NULL) return KITH_E_NOMEM;
    own->asked_ms = v[2].len > 0 ? e2e_tlv_u64(v[2]) : 0;
    err = load_some_readers(&own->readers, v[0]);
    return err == KITH_OK ? load_some_readers(&own->offered, v[1]) : err;
}

static kith_err load_received(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {{1, 8, 8, false}, {2, 1, E2E_CHAIN_BYTES_MAX, false}};
    struct received_chain one = {0};
    struct received_key of;
    struct kith_slice v[2];
    kith_err err = e2e_tlv_decode(in, fields, 2, v);

    if (err != KITH_OK) return err;
    if (key.len != sizeof of + E2E_CHAIN_ID_BYTES) return KITH_E_MALFORMED;
    memcpy(&of, key.ptr, sizeof of);
    memcpy(one.id, key.ptr + sizeof of, sizeof one.id);
    one.rank = e2e_tlv_u64(v[0]);
    err = e2e_receiver_chain_decode(v[1], &one.chain);
    if (err == KITH_OK) err = account_received_load(account, &of, &one);
    if (err != KITH_OK) e2e_receiver_chain_free(one.chain);
    return err;
}

/* A record of an older build does not say of which chat it is: it stands at the nil id, for whichever group's name it opens. */
static kith_err load_info_key(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {{1, E2E_KEY_BYTES, E2E_KEY_BYTES, false}};
    struct info_key_name name = {0};
    struct kith_slice v[1];
    uint8_t *place = NULL;
    kith_err err = e2e_tlv_decode(in, fields, 1, v);

    if (err != KITH_OK) return err;
    if (key.len == sizeof name)
        memcpy(&name, key.ptr, sizeof name);
    else if (key.len == sizeof name.id)
        memcpy(name.id, key.ptr, sizeof name.id);
    else
        return KITH_E_MALFORMED;
    err = kith_map_add(&account->info_keys, &name, (void **)&place);
    if (err != KITH_OK && err != KITH_E_CONFLICT) return err;
    copy(place, v[0]);
    return KITH_OK;
}

/* secret, seq; a seq of 0 is none's. */
static kith_err load_link(struct own_link *link, const uint8_t chat_id[static E2E_ID_BYTES], struct kith_slice secret,
                          struct kith_slice seq)
{
    if ((secret.len == 0) != (seq.len == 0)) return KITH_E_MALFORMED;
    *link = (struct own_link){.seq = seq.len == 0 ? 0 : e2e_tlv_u64(seq)};
    if (secret.len == 0) return KITH_OK;
    if (link->seq == 0) return KITH_E_MALFORMED;
    copy(link->secret, secret);
    account_link_fill(link, chat_id);
    return KITH_OK;
}

static kith_err load_links(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {
        {1, E2E_JOIN_SECRET_BYTES, E2E_JOIN_SECRET_BYTES, true},
        {2, 8, 8, true},
        {3, E2E_JOIN_HASH_BYTES, E2E_JOIN_HASH_BYTES, true},
        {4, E2E_JOIN_SECRET_BYTES, E2E_JOIN_SECRET_BYTES, true},
        {5, 8, 8, true},
    };
    struct own_links read = {0}, *links = NULL;
    struct kith_slice v[5];
    kith_err err = e2e_tlv_decode(in, fields, 5, v);

    if (err != KITH_OK) return err;
    if (key.len != E2E_ID_BYTES || (v[0].len == 0) != (v[2].len == 0)) return KITH_E_MALFORMED;
    if (v[0].len + v[3].len == 0) return KITH_E_MALFORMED; /* of no link there is no record */
    err = load_link(&read.held, key.ptr, v[0], v[1]);
    copy(read.held.op_hash, v[2]);
    if (err == KITH_OK) err = load_link(&read.next, key.ptr, v[3], v[4]);
    if (err == KITH_OK) err = account_links_put(account, key.ptr, &links);
    if (err == KITH_OK) *links = read;
    e2e_wipe(&read, sizeof read);
    return err;
}

static kith_err load_pin(struct e2e_account *account, struct kith_slice key, struct kith_slice in)
{
    static const struct e2e_tlv_field fields[] = {{1, E2E_JOIN_HASH_BYTES, E2E_JOIN_HASH_BYTES, false},
                                                  {2, 1, 1, false}};
    struct join_pin *pin = NULL;
    struct kith_slice v[2];
    kith_err err = e2e_tlv_decode(in, fields, 2, v);

    if (err != KITH_OK) return err;
    if (key.len != E2E_ID_BYTES) return KITH_E_MALFORMED;
    err = kith_map_add(&account->pins, key.ptr, (void **)&pin);
    if (err != KITH_OK && err != KITH_E_CONFLICT) return err;
    copy(pin->op_hash, v[0]);
    pin->is_met = flag(v[1]);
    return KITH_OK;
}

kith_err e2e_account_load(struct e2e_account *account, struct kith_slice key, struct kith_slice value)
{
    struct kith_slice rest;

    if (key.len < 2 || key.ptr[0] != E2E_RECORD_KEY) return KITH_E_MALFORMED;
    rest = kith_slice_of(key.ptr + 2, key.len - 2);
    switch (key.ptr[1]) {
    case 'I': return rest.len == 0 ? load_self(account, value) : KITH_E_MALFORMED;
    case 'N': return rest.len == 0 ? load_watch(account, value) : KITH_E_MALFORMED;
    case 'O': return rest.len == 0 ? load_ranks(account, value) : KITH_E_MALFORMED;
    case 'P': return load_prekey(account, rest, value);
    case 'X': return load_last_resort(account, rest);
    case 'L': return load_person(account, rest, value);
    case 'S': return load_session(account, rest, value);
    case 'B': return load_anew(account, rest, value);
    case 'T': return load_thread(account, rest, value);
    case 'H': return load_heard(account, rest, value);
    case 'G': return load_group(account, rest, value);
    case 'K': return load_info_key(account, rest, value);
    case 'C': return load_own_chain(account, rest, value);
    case 'D': return load_readers(account, rest, value);
    case 'R': return load_received(account, rest, value);
    case 'J': return load_links(account, rest, value);
    case 'A': return load_pin(account, rest, value);
    case 'U': return account_resend_load(account, true, rest, value);
    case 'W': return account_resend_load(account, false, rest, value);
    default: return KITH_E_UNSUPPORTED;
    }
}
