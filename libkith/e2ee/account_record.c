#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_impl.h"

/* What is kept: written here, read in account_load.c. */

struct record {
    struct kith_buf value;
    struct e2e_tlv_writer writer;
    uint8_t key[E2E_RECORD_KEY_BYTES_MAX];
    size_t key_len;
};

#define FIXED_BYTES 1024 /* room for all of a record but what is long: its key, a link's request, a list, a session */

/* It must stay where it is: the writer points into it. value_bytes: of what is long in it. */
static void begin(struct record *record, uint8_t letter, size_t value_bytes)
{
    uint8_t *room = NULL;

    record->key[0] = E2E_RECORD_KEY;
    record->key[1] = letter;
    record->key_len = 2;
    kith_buf_init(&record->value, E2E_RECORD_BYTES_MAX);
    /* In one piece: a buffer that grows leaves a copy of the secrets in it behind. */
    if (kith_buf_reserve(&record->value, FIXED_BYTES + value_bytes, &room) != KITH_OK) abort();
    record->writer = e2e_tlv_writer_of(&record->value);
}

static void key_bytes(struct record *record, const uint8_t *bytes, size_t len)
{
    memcpy(record->key + record->key_len, bytes, len);
    record->key_len += len;
}

static void key_u32(struct record *record, uint32_t number)
{
    kith_put_u32_be(record->key + record->key_len, number);
    record->key_len += 4;
}

static void put(struct record *record, uint16_t tag, const void *bytes, size_t len)
{
    e2e_tlv_put(&record->writer, tag, kith_slice_of(bytes, len));
}

static void keep(const struct e2e_account *account, struct record *record)
{
    if (e2e_tlv_finish(&record->writer) != KITH_OK) abort(); /* no memory: see account_impl.h */
    account->config.keep(account->config.arg, kith_slice_of(record->key, record->key_len),
                         kith_buf_peek(&record->value));
    kith_buf_wipe(&record->value);
}

static void drop(const struct e2e_account *account, struct record *record)
{
    account->config.drop(account->config.arg, kith_slice_of(record->key, record->key_len));
    kith_buf_deinit(&record->value);
}

void account_drop_one(const struct e2e_account *account, uint8_t letter, const uint8_t *key, size_t key_len)
{
    struct record record;

    begin(&record, letter, 0);
    key_bytes(&record, key, key_len);
    drop(account, &record);
}

void account_keep_bytes(const struct e2e_account *account, uint8_t letter, const uint8_t *key, size_t key_len,
                        struct kith_slice value)
{
    struct record record;

    begin(&record, letter, value.len);
    key_bytes(&record, key, key_len);
    e2e_tlv_put(&record.writer, 1, value);
    keep(account, &record);
}

void account_keep_self(struct e2e_account *account)
{
    const struct self_keys *self = &account->self;
    struct record record;

    begin(&record, 'I', kith_buf_len(&self->link_request));
    e2e_tlv_put_u8(&record.writer, 1, (uint8_t)account->state);
    e2e_tlv_put_u32(&record.writer, 2, self->device_id);
    put(&record, 3, self->dsk_secret, E2E_SIGN_SECRET_BYTES);
    put(&record, 4, self->ddh_secret, E2E_DH_BYTES);
    if (self->has_ark) put(&record, 5, self->ark_secret, E2E_SIGN_SECRET_BYTES);
    if (self->has_aik) put(&record, 6, self->aik_secret, E2E_SIGN_SECRET_BYTES);
    put(&record, 7, self->acceptance, E2E_SIGNATURE_BYTES);
    e2e_tlv_put_u8(&record.writer, 8, self->list_unsent);
    e2e_tlv_put_u64(&record.writer, 9, self->spk_renew_at_ms);
    if (account->state == E2E_ACCOUNT_LINKING) {
        put(&record, 10, self->link_dh_secret, E2E_DH_BYTES);
        put(&record, 11, self->link_kem_seed, E2E_KEM_SEED_BYTES);
        put(&record, 12, self->link_secret, sizeof self->link_secret);
        e2e_tlv_put_u64(&record.writer, 13, self->link_made_ms);
        e2e_tlv_put(&record.writer, 14, kith_buf_peek(&self->link_request));
    }
    if (self->anew_at_ms != 0) {
        e2e_tlv_put_u64(&record.writer, 15, self->anew_at_ms);
        e2e_tlv_put_u8(&record.writer, 16, self->replaces);
    }
    keep(account, &record);
}

static void prekey_key(struct record *record, const struct prekey_own *own)
{
    uint8_t kind = (uint8_t)own->half.kind;

    begin(record, 'P', kith_buf_len(&own->public));
    key_bytes(record, &kind, 1);
    key_u32(record, own->half.id);
}

void account_keep_prekey(struct e2e_account *account, const struct prekey_own *own)
{
    struct record record;

    prekey_key(&record, own);
    put(&record, 1, own->half.secret, e2e_prekey_is_kem(own->half.kind) ? E2E_KEM_SEED_BYTES : E2E_DH_BYTES);
    e2e_tlv_put_u64(&record.writer, 2, own->half.expires_at_ms);
    e2e_tlv_put_u64(&record.writer, 3, own->made_ms);
    e2e_tlv_put_optional(&record.writer, 4, kith_buf_peek(&own->public));
    keep(account, &record);
}

void account_drop_prekey(struct e2e_account *account, const struct prekey_own *own)
{
    struct record record;

    prekey_key(&record, own);
    drop(account, &record);
}

void account_keep_watch(struct e2e_account *account)
{
    const struct prekeys_watch *watch = &account->watch;
    struct record record;

    begin(&record, 'N', 0);
    e2e_tlv_put_u32(&record.writer, 1, watch->expected);
    e2e_tlv_put_u64(&record.writer, 2, watch->looked_ms);
    e2e_tlv_put_u64(&record.writer, 3, watch->began_ms);
    e2e_tlv_put_u64(&record.writer, 4, watch->since_ms);
    e2e_tlv_put_u32(&record.writer, 5, watch->taken);
    keep(account, &record);
}

void account_keep_ranks(const struct e2e_account *account)
{
    struct record record;

    begin(&record, 'O', 0);
    e2e_tlv_put_u64(&record.writer, 1, account->rank_kept);
    keep(account, &record);
}

void account_keep_last_resort(struct e2e_account *account, const uint8_t use[static LAST_RESORT_BYTES])
{
    struct record record;

    begin(&record, 'X', 0);
    key_bytes(&record, use, LAST_RESORT_BYTES);
    e2e_tlv_put_u8(&record.writer, 1, 1);
    keep(account, &record);
}

void account_drop_last_resort(struct e2e_account *account, const uint8_t use[static LAST_RESORT_BYTES])
{
    account_drop_one(account, 'X', use, LAST_RESORT_BYTES);
}

static void put_past(struct record *record, const struct person_past *past)
{
    struct kith_buf gone;

    kith_buf_init(&gone, (size_t)E2E_REMOVED_MAX * PAST_DEVICE_BYTES);
    for (uint32_t i = 0; i < past->gone_count; i++) {
        uint8_t bytes[PAST_DEVICE_BYTES];
        kith_put_u32_be(bytes, past->gone[i].device_id);
        kith_put_u64_be(bytes + 4, past->gone[i].last_seq);
        memcpy(bytes + 12, past->gone[i].dsk_pub, E2E_SIGN_PUBLIC_BYTES);
        if (kith_buf_append(&gone, kith_slice_of(bytes, sizeof bytes)) != KITH_OK) abort(); /* see account_impl.h */
    }
    e2e_tlv_put_optional(&record->writer, 8, kith_buf_peek(&gone));
    e2e_tlv_put_u64(&record->writer, 9, past->from_seq);
    put(record, 10, past->prev_hash, sizeof past->prev_hash);
    kith_buf_deinit(&gone);
}

void account_keep_person(struct e2e_account *account, const struct person *person)
{
    uint8_t known[E2E_DEVICES_MAX * 4];
    struct record record;

    for (uint32_t i = 0; i < person->known_count; i++) kith_put_u32_be(known + (size_t)i * 4, person->known[i]);
    begin(&record, 'L', kith_buf_len(&person->signed_list));
    key_bytes(&record, person->account_id, E2E_ACCOUNT_ID_BYTES);
    e2e_tlv_put_u8(&record.writer, 1, (uint8_t)person->trust);
    e2e_tlv_put_u8(&record.writer, 2, person->was_reset);
    e2e_tlv_put_u64(&record.writer, 3, person->list_seq);
    e2e_tlv_put_optional(&record.writer, 4, kith_buf_peek(&person->signed_list));
    e2e_tlv_put_optional(&record.writer, 5, kith_slice_of(known, (size_t)person->known_count * 4));
    if (person->seen_seq != 0) e2e_tlv_put_u64(&record.writer, 6, person->seen_seq);
    if (person->reset_at_ms != 0) e2e_tlv_put_u64(&record.writer, 7, person->reset_at_ms);
    if (person->list != NULL) {
        put_past(&record, &person->past);
        e2e_tlv_put_u32(&record.writer, 11, e2e_device_list_accepted(person->list));
    }
    keep(account, &record);
}

static void session_key(struct record *record, const struct peer *peer, const struct peer_session *one,
                        size_t state_bytes)
{
    begin(record, 'S', state_bytes);
    key_bytes(record, peer->key.account_id, E2E_ACCOUNT_ID_BYTES);
    key_bytes(record, peer->key.device_id, 4);
    key_bytes(record, e2e_session_transcript(one->session), SESSION_NAME_BYTES);
}

void account_keep_session(struct e2e_account *account, const struct peer *peer, const struct peer_session *one)
{
    struct record record;
    struct kith_buf state;

    kith_buf_init(&state, E2E_SESSION_BYTES_MAX);
    if (e2e_session_encode(one->session, &state) != KITH_OK) abort();
    session_key(&record, peer, one, kith_buf_len(&state));
    e2e_tlv_put_u64(&record.writer, 1, one->rank);
    e2e_tlv_put(&record.writer, 2, kith_buf_peek(&state));
    if (one->archived_ms != 0) e2e_tlv_put_u64(&record.writer, 3, one->archived_ms);
    e2e_tlv_put_u64(&record.writer, 4, one->born);
    kith_buf_wipe(&state);
    keep(account, &record);
}

void account_drop_session(struct e2e_account *account, const struct peer *peer, const struct peer_session *one)
{
    struct record record;

    session_key(&record, peer, one, 0);
    drop(account, &record);
}

static void anew_key(struct record *record, const struct peer *peer)
{
    begin(record, 'B', 0);
    key_bytes(record, peer->key.account_id, E2E_ACCOUNT_ID_BYTES);
    key_bytes(record, peer->key.device_id, 4);
}

void account_keep_anew(struct e2e_account *account, const struct peer *peer)
{
    uint8_t times[E2E_ANEW_MAX * 8];
    struct record record;

    for (uint32_t i = 0; i < peer->anew_count; i++) kith_put_u64_be(times + (size_t)i * 8, peer->anew_ms[i]);
    anew_key(&record, peer);
    put(&record, 1, times, (size_t)peer->anew_count * 8);
    keep(account, &record);
}

void account_drop_anew(struct e2e_account *account, const struct peer *peer)
{
    struct record record;

    anew_key(&record, peer);
    drop(account, &record);
}

void account_keep_thread(struct e2e_account *account, const uint8_t thread_id[static E2E_ID_BYTES],
                         const struct thread_place *place)
{
    struct record record;

    begin(&record, 'T', 0);
    key_bytes(&record, thread_id, E2E_ID_BYTES);
    e2e_tlv_put_u64(&record.writer, 1, place->sseq);
    put(&record, 2, place->prev, E2E_PREV_BYTES);
    if (place->has_pending) {
        put(&record, 3, place->pending_id, E2E_ID_BYTES);
        put(&record, 4, place->pending_prev, E2E_PREV_BYTES);
    }
    keep(account, &record);
}

void account_keep_heard(struct e2e_account *account, const struct heard_key *key, uint64_t sseq)
{
    struct record record;

    begin(&record, 'H', 0);
    key_bytes(&record, (const uint8_t *)key, sizeof *key);
    e2e_tlv_put_u64(&record.writer, 1, sseq);
    keep(account, &record);
}

void account_drop_heard(struct e2e_account *account, const struct heard_key *key)
{
    account_drop_one(account, 'H', (const uint8_t *)key, sizeof *key);
}

void account_keep_group(struct e2e_account *account, const struct group_place *place)
{
    uint8_t former[E2E_GROUP_HEADS_MAX * GROUP_FORMER_BYTES], *at = former;
    uint8_t authors[E2E_GROUP_HEADS_MAX * GROUP_AUTHOR_BYTES];
    struct kith_buf saved;
    struct record record;

    kith_buf_init(&saved, E2E_GROUP_SAVED_BYTES_MAX);
    if (e2e_group_save(place->group, &saved) != KITH_OK) abort(); /* no memory: see account_impl.h */
    for (uint32_t i = 0; i < place->former_count; i++, at += GROUP_FORMER_BYTES) {
        memcpy(at, place->former[i].account_id, E2E_ACCOUNT_ID_BYTES);
        kith_put_u64_be(at + E2E_ACCOUNT_ID_BYTES, place->former[i].until);
        kith_put_u64_be(at + E2E_ACCOUNT_ID_BYTES + 8, place->former[i].event_seq);
    }
    for (uint32_t i = 0; i < place->author_count; i++) {
        uint8_t *author = authors + (size_t)i * GROUP_AUTHOR_BYTES;
        memcpy(author, place->authors[i].account_id, E2E_ACCOUNT_ID_BYTES);
        kith_put_u64_be(author + E2E_ACCOUNT_ID_BYTES, place->authors[i].list_seq);
    }
    begin(&record, 'G', kith_buf_len(&saved) + sizeof former + sizeof authors);
    key_bytes(&record, place->chat_id, sizeof place->chat_id);
    e2e_tlv_put(&record.writer, 1, kith_buf_peek(&saved));
    e2e_tlv_put_u8(&record.writer, 2, place->is_forked);
    if (at > former) put(&record, 3, former, (size_t)(at - former));
    e2e_tlv_put_u8(&record.writer, 4, place->was_in);
    put(&record, 5, authors, (size_t)place->author_count * GROUP_AUTHOR_BYTES);
    keep(account, &record);
    kith_buf_deinit(&saved);
}

void account_drop_group(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    account_drop_one(account, 'G', chat_id, E2E_ID_BYTES);
}

void account_keep_info_key(struct e2e_account *account, const struct info_key_name *name,
                           const uint8_t key[static E2E_KEY_BYTES])
{
    struct record record;

    begin(&record, 'K', 0);
    key_bytes(&record, (const uint8_t *)name, sizeof *name);
    put(&record, 1, key, E2E_KEY_BYTES);
    keep(account, &record);
}

void account_drop_info_key(struct e2e_account *account, const struct info_key_name *name)
{
    if (e2e_ct_is_zero(name->chat_id, sizeof name->chat_id)) /* of an older build: account_load.c */
        account_drop_one(account, 'K', name->id, sizeof name->id);
    else
        account_drop_one(account, 'K', (const uint8_t *)name, sizeof *name);
}

void account_keep_own_chain(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                            const struct own_chain *own)
{
    struct record record;
    struct kith_buf state;

    kith_buf_init(&state, E2E_CHAIN_BYTES_MAX);
    if (e2e_sender_chain_encode(own->chain, &state) != KITH_OK) abort(); /* see account_impl.h */
    begin(&record, 'C', kith_buf_len(&state));
    key_bytes(&record, chat_id, E2E_ID_BYTES);
    e2e_tlv_put(&record.writer, 1, kith_buf_peek(&state));
    kith_buf_wipe(&state);
    keep(account, &record);
}

_Static_assert(FIXED_BYTES + CHAIN_READERS_MAX * CHAIN_READER_BYTES <= E2E_RECORD_BYTES_MAX, "all readers fit");

static struct kith_slice bytes_of(const struct chain_readers *readers)
{
    return kith_slice_of((const uint8_t *)readers->all, readers->count * sizeof readers->all[0]);
}

void account_keep_readers(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                          const struct own_chain *own)
{
    const struct kith_slice readers = bytes_of(&own->readers), offered = bytes_of(&own->offered);
    struct record record;

    begin(&record, 'D', readers.len + offered.len);
    key_bytes(&record, chat_id, E2E_ID_BYTES);
    e2e_tlv_put_optional(&record.writer, 1, readers);
    e2e_tlv_put_optional(&record.writer, 2, offered);
    if (own->asked_ms != 0) e2e_tlv_put_u64(&record.writer, 3, own->asked_ms);
    keep(account, &record);
}

static void received_key(struct record *record, const struct received_key *key, const struct received_chain *one,
                         size_t state_bytes)
{
    begin(record, 'R', state_bytes);
    key_bytes(record, (const uint8_t *)key, sizeof *key);
    key_bytes(record, one->id, sizeof one->id);
}

void account_keep_received(struct e2e_account *account, const struct received_key *key,
                           const struct received_chain *one)
{
    struct record record;
    struct kith_buf state;

    kith_buf_init(&state, E2E_CHAIN_BYTES_MAX);
    if (e2e_receiver_chain_encode(one->chain, &state) != KITH_OK) abort(); /* see account_impl.h */
    received_key(&record, key, one, kith_buf_len(&state));
    e2e_tlv_put_u64(&record.writer, 1, one->rank);
    e2e_tlv_put(&record.writer, 2, kith_buf_peek(&state));
    kith_buf_wipe(&state);
    keep(account, &record);
}

void account_drop_received(struct e2e_account *account, const struct received_key *key,
                           const struct received_chain *one)
{
    struct record record;

    received_key(&record, key, one, 0);
    drop(account, &record);
}

void account_keep_links(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                        const struct own_links *links)
{
    const struct own_link *held = &links->held, *next = &links->next;
    struct record record;

    begin(&record, 'J', 0);
    key_bytes(&record, chat_id, E2E_ID_BYTES);
    if (held->seq != 0) {
        put(&record, 1, held->secret, sizeof held->secret);
        e2e_tlv_put_u64(&record.writer, 2, held->seq);
        put(&record, 3, held->op_hash, sizeof held->op_hash);
    }
    if (next->seq != 0) {
        put(&record, 4, next->secret, sizeof next->secret);
        e2e_tlv_put_u64(&record.writer, 5, next->seq);
    }
    keep(account, &record);
}

void account_drop_links(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    account_drop_one(account, 'J', chat_id, E2E_ID_BYTES);
}

void account_keep_pin(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES],
                      const struct join_pin *pin)
{
    struct record record;

    begin(&record, 'A', 0);
    key_bytes(&record, chat_id, E2E_ID_BYTES);
    put(&record, 1, pin->op_hash, sizeof pin->op_hash);
    e2e_tlv_put_u8(&record.writer, 2, pin->is_met);
    keep(account, &record);
}

void account_drop_pin(struct e2e_account *account, const uint8_t chat_id[static E2E_ID_BYTES])
{
    account_drop_one(account, 'A', chat_id, E2E_ID_BYTES);
}
