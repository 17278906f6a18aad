#include "forge.h"

#include <stdlib.h>

#include "libkith/e2ee/group_parts.h"

const uint8_t forge_bad_points[FORGE_BAD_POINTS][E2E_DH_BYTES] = {
    {0},
    {1},
    /* Of order 8, and the same with the highest bit set. */
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
     0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
     0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
     0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x80},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
     0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0xd7},
    /* p - 1, p, p + 1, 2^255 - 1; 9 and 0 with the highest bit set. */
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {9, [31] = 0x80},
    {0, [31] = 0x80},
};

/* ------------------------------------------------------------------------------------------------ bytes */
uint8_t *forge_field(struct kith_slice in, uint16_t tag, size_t *len)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct kith_slice value = {0};
    uint16_t at = 0;

    while (e2e_tlv_next(&reader, &at, &value) == KITH_OK) {
        if (at != tag) continue;
        if (len != NULL) *len = value.len;
        return (uint8_t *)(uintptr_t)value.ptr;
    }
    town_need(!"no such field");
    return NULL;
}

struct kith_buf forge_with(struct kith_slice in, uint16_t tag, struct kith_slice put)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct e2e_tlv_writer writer;
    struct kith_slice value = {0};
    struct kith_buf out;
    uint16_t at = 0;

    kith_buf_init(&out, TOWN_CIPHER_MAX);
    writer = e2e_tlv_writer_of(&out);
    while (e2e_tlv_next(&reader, &at, &value) == KITH_OK) e2e_tlv_put_optional(&writer, at, at == tag ? put : value);
    town_need(e2e_tlv_finish(&writer) == KITH_OK);
    return out;
}

struct kith_buf forge_copy(struct kith_slice in)
{
    struct kith_buf out;

    kith_buf_init(&out, TOWN_CIPHER_MAX);
    town_need(kith_buf_append(&out, in) == KITH_OK);
    return out;
}

/* ------------------------------------------------------------------------------------------------ keys */
struct forge_keys forge_keys_of(const struct town_device *device)
{
    const uint8_t key[TOWN_RECORD_KEY] = {2, E2E_RECORD_KEY, 'I'};
    const struct kith_buf *record = kith_map_find(&device->records, key);
    struct e2e_tlv_reader reader;
    struct kith_slice value = {0};
    struct forge_keys keys = {0};
    uint16_t tag = 0;

    town_need(record != NULL);
    reader = e2e_tlv_reader_of(kith_buf_peek(record));
    while (e2e_tlv_next(&reader, &tag, &value) == KITH_OK) {
        if (tag == 2) keys.device_id = e2e_tlv_u32(value);
        if (tag == 3) memcpy(keys.dsk, value.ptr, sizeof keys.dsk);
        if (tag == 4) memcpy(keys.ddh, value.ptr, sizeof keys.ddh);
        if (tag == 5) memcpy(keys.ark, value.ptr, sizeof keys.ark);
        if (tag == 6) memcpy(keys.aik, value.ptr, sizeof keys.aik);
    }
    return keys;
}

struct e2e_session *forge_session(const struct town_device *of, const struct town_device *with)
{
    uint8_t prefix[3 + E2E_ACCOUNT_ID_BYTES + 4] = {0, E2E_RECORD_KEY, 'S'};
    const uint8_t *key = NULL;
    const struct kith_buf *record = NULL, *best = NULL;
    struct e2e_session *session = NULL;
    uint64_t rank = 0;
    uint32_t at = 0;

    memcpy(prefix + 3, with->person->id, E2E_ACCOUNT_ID_BYTES);
    kith_put_u32_be(prefix + 3 + E2E_ACCOUNT_ID_BYTES, forge_keys_of(with).device_id);
    while (kith_map_next(&of->records, &at, (const void **)&key, (void **)&record)) {
        uint64_t one;
        if (memcmp(key + 1, prefix + 1, sizeof prefix - 1) != 0) continue;
        one = e2e_tlv_u64(kith_slice_of(forge_field(kith_buf_peek(record), 1, NULL), 8));
        if (best != NULL && one < rank) continue;
        best = record;
        rank = one;
    }
    town_need(best != NULL);
    {
        size_t len = 0;
        const uint8_t *state = forge_field(kith_buf_peek(best), 2, &len);
        town_need(e2e_session_decode(kith_slice_of(state, len), &session) == KITH_OK);
    }
    return session;
}

/* The newest record whose key begins so; len 0: none. */
static struct kith_slice newest_record(const struct town_device *of, const uint8_t *prefix, size_t len)
{
    const uint8_t *key = NULL;
    const struct kith_buf *record = NULL, *best = NULL;
    uint64_t rank = 0;
    uint32_t at = 0;

    while (kith_map_next(&of->records, &at, (const void **)&key, (void **)&record)) {
        uint64_t one;
        if (memcmp(key + 1, prefix, len) != 0) continue;
        if (prefix[1] != 'R') return kith_buf_peek(record);
        one = e2e_tlv_u64(kith_slice_of(forge_field(kith_buf_peek(record), 1, NULL), 8));
        if (best != NULL && one < rank) continue;
        best = record;
        rank = one;
    }
    return best == NULL ? (struct kith_slice){0} : kith_buf_peek(best);
}

struct e2e_sender_chain *forge_chain(const struct town_device *of, const struct town_group *group)
{
    uint8_t prefix[2 + E2E_ID_BYTES] = {E2E_RECORD_KEY, 'C'};
    struct e2e_sender_chain *chain = NULL;
    const uint8_t *state;
    size_t len = 0;

    memcpy(prefix + 2, group->chat_id, E2E_ID_BYTES);
    state = forge_field(newest_record(of, prefix, sizeof prefix), 1, &len);
    town_need(e2e_sender_chain_decode(kith_slice_of(state, len), &chain) == KITH_OK);
    return chain;
}

struct e2e_sender_chain *forge_chain_given(const struct town_device *by, const struct town_group *group,
                                           const struct town_device *of)
{
    uint8_t prefix[2 + E2E_ID_BYTES + E2E_ACCOUNT_ID_BYTES + 4] = {E2E_RECORD_KEY, 'R'};
    struct e2e_random random = town_random(by->town);
    struct e2e_receiver_chain *given = NULL;
    struct e2e_sender_chain *chain = NULL;
    const uint8_t *state;
    size_t len = 0;

    memcpy(prefix + 2, group->chat_id, E2E_ID_BYTES);
    memcpy(prefix + 2 + E2E_ID_BYTES, of->person->id, E2E_ACCOUNT_ID_BYTES);
    kith_put_u32_be(prefix + 2 + E2E_ID_BYTES + E2E_ACCOUNT_ID_BYTES, forge_keys_of(of).device_id);
    state = forge_field(newest_record(by, prefix, sizeof prefix), 2, &len);
    town_need(e2e_receiver_chain_decode(kith_slice_of(state, len), &given) == KITH_OK);
    town_need(e2e_sender_chain_new(&random, &given->owner, by->town->now_ms, &chain) == KITH_OK);
    memcpy(chain->chain_id, given->chain_id, sizeof chain->chain_id);
    memcpy(chain->chain_key, given->chain_key, sizeof chain->chain_key);
    chain->iteration = given->iteration;
    e2e_receiver_chain_free(given);
    return chain;
}

bool forge_has_chain(const struct town_device *device, const uint8_t chain_id[static E2E_CHAIN_ID_BYTES])
{
    const uint8_t *key = NULL;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL))
        if (key[2] == 'R' && memcmp(key + 1 + key[0] - E2E_CHAIN_ID_BYTES, chain_id, E2E_CHAIN_ID_BYTES) == 0)
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------------ lists */
struct e2e_device_list *forge_next(const struct town_person *person, uint64_t now_ms)
{
    struct e2e_device_list *list = town_list_of(person);

    list->seq++;
    memcpy(list->prev_hash, list->hash, sizeof list->prev_hash);
    list->issued_at_ms = now_ms;
    list->expires_at_ms = now_ms + 30 * TOWN_DAY_MS;
    return list;
}

static int by_device_id(const void *a, const void *b)
{
    const struct e2e_acceptance *x = a, *y = b;

    return x->device_id < y->device_id ? -1 : x->device_id > y->device_id;
}

struct kith_buf forge_list(const struct e2e_device_list *list, const uint8_t *aik, const struct forge_keys *accepting,
                           size_t count)
{
    struct e2e_acceptance accepts[E2E_DEVICES_MAX];
    struct kith_buf out;

    for (size_t i = 0; i < count; i++) {
        const struct e2e_device *device = e2e_device_find(list, accepting[i].device_id);
        town_need(device != NULL);
        accepts[i].device_id = accepting[i].device_id;
        town_need(e2e_device_accept(accepting[i].dsk, list, device, accepts[i].signature) == KITH_OK);
    }
    qsort(accepts, count, sizeof accepts[0], by_device_id);
    kith_buf_init(&out, E2E_SIGNED_LIST_BYTES_MAX);
    town_need(e2e_device_list_sign(list, aik, accepts, count, &out) == KITH_OK);
    return out;
}

/* ------------------------------------------------------------------------------------------------ operations */
struct e2e_group_op forge_op_of(enum e2e_group_kind kind, const struct town_device *subject, uint8_t role)
{
    struct e2e_group_op op = {.kind = kind, .role = role};

    if (subject != NULL) memcpy(op.subject, subject->person->id, sizeof op.subject);
    return op;
}

static void op_is_of(struct e2e_group_op *op, const struct town_device *author)
{
    const struct e2e_device_list *list = e2e_account_person(author->account, author->person->id).list;

    memcpy(op->author, author->person->id, sizeof op->author);
    op->author_device = forge_keys_of(author).device_id;
    op->list_seq = list->seq;
    memcpy(op->list_hash, list->hash, sizeof op->list_hash);
    op->made_at_ms = author->town->now_ms;
}

void forge_sign_op(const struct town_device *signer, struct e2e_group_op *op, struct kith_buf *out)
{
    town_need(e2e_group_op_sign(op, forge_keys_of(signer).dsk, out) == KITH_OK);
}

struct kith_buf forge_op(const struct town_device *maker, const struct town_device *author,
                         const struct town_device *signer, const struct e2e_group *before, struct e2e_group_op op)
{
    struct e2e_group *after = NULL;
    struct kith_buf out;

    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    op_is_of(&op, maker);
    town_need(e2e_group_make(before, &op, forge_keys_of(maker).dsk, &after, &out) == KITH_OK);
    kith_buf_reset(&out);
    op_is_of(&op, author);
    forge_sign_op(signer, &op, &out);
    e2e_group_free(after);
    return out;
}

/* ------------------------------------------------------------------------------------------------ messages */
struct e2e_payload forge_payload(const struct town_device *from, const struct town_device *to,
                                 const struct town_chat *chat, const uint8_t msg_id[static E2E_ID_BYTES], uint64_t sseq)
{
    const struct e2e_device_list *own = e2e_account_person(from->account, from->person->id).list;
    const struct e2e_device_list *peer = e2e_account_person(from->account, to->person->id).list;
    struct e2e_payload payload = {
        .content_type = kith_slice_str("text/plain"),
        .device_id = forge_keys_of(from).device_id,
        .sent_at_ms = from->town->now_ms,
        .sseq = sseq,
        .list_seq = own->seq,
        .has_peer_list = true,
        .peer_list_seq = peer->seq,
        .body = kith_slice_str("forged"),
    };

    memcpy(payload.thread_id, chat->id, sizeof payload.thread_id);
    memcpy(payload.account_id, from->person->id, sizeof payload.account_id);
    memcpy(payload.msg_id, msg_id, sizeof payload.msg_id);
    memcpy(payload.list_hash, own->hash, sizeof payload.list_hash);
    memcpy(payload.peer_list_hash, peer->hash, sizeof payload.peer_list_hash);
    if (sseq > 1) payload.prev[0] = 1;
    return payload;
}

struct e2e_payload forge_group_payload(const struct town_device *from, const struct town_device *to,
                                       const struct town_group *group, const uint8_t msg_id[static E2E_ID_BYTES],
                                       uint64_t sseq)
{
    const struct e2e_group *head = town_group_view(from, group).group;
    const struct town_chat chat = town_group_chat(from, group);
    struct e2e_payload payload = forge_payload(from, to, &chat, msg_id, sseq);

    payload.has_peer_list = false;
    payload.peer_list_seq = 0;
    memset(payload.peer_list_hash, 0, sizeof payload.peer_list_hash);
    payload.has_group = true;
    payload.group_epoch = head->seq;
    memcpy(payload.group_hash, head->heads[0], sizeof payload.group_hash);
    return payload;
}

struct kith_buf forge_message(const struct town_device *from, const struct town_device *to, struct e2e_payload *payload)
{
    struct e2e_session *session = forge_session(from, to);
    struct e2e_random random = town_random(from->town);
    struct kith_buf plain, out;

    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    kith_buf_init(&out, TOWN_CIPHER_MAX);
    town_need(e2e_payload_encode(payload, &plain) == KITH_OK);
    town_need(e2e_session_encrypt(&random, session, kith_buf_peek(&plain), from->town->now_ms, &out) == KITH_OK);
    kith_buf_wipe(&plain);
    e2e_session_free(session);
    return out;
}

struct kith_buf forge_common(const struct town_device *from, struct e2e_sender_chain *chain,
                             struct e2e_payload *payload)
{
    struct e2e_random random = town_random(from->town);
    struct e2e_group_epoch epoch = {.seq = payload->group_epoch};
    struct kith_buf plain, out;

    memcpy(epoch.hash, payload->group_hash, sizeof epoch.hash);
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    kith_buf_init(&out, TOWN_CIPHER_MAX);
    town_need(e2e_payload_encode(payload, &plain) == KITH_OK);
    town_need(e2e_sender_chain_encrypt(&random, chain, &epoch, kith_buf_peek(&plain), &out) == KITH_OK);
    kith_buf_wipe(&plain);
    return out;
}

struct e2e_envelope forge_envelope(const struct town_device *from, const struct town_chat *chat,
                                   const uint8_t msg_id[static E2E_ID_BYTES], struct kith_slice message)
{
    struct e2e_envelope envelope = {.message = message, .is_group = town_group_of(from->town, chat->id) != NULL};

    memcpy(envelope.account_id, from->person->id, sizeof envelope.account_id);
    memcpy(envelope.server_device, from->server_device, sizeof envelope.server_device);
    memcpy(envelope.thread_id, chat->id, sizeof envelope.thread_id);
    memcpy(envelope.msg_id, msg_id, sizeof envelope.msg_id);
    return envelope;
}

kith_err forge_refused(struct town_device *to, struct e2e_envelope envelope)
{
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    const uint64_t writes = to->writes;
    struct e2e_opened opened;
    struct kith_buf plain;
    kith_err err;

    envelope.seq = town_seq(to->town->mail_count); /* it comes now */
    town_need(wants != NULL);
    kith_buf_init(&plain, E2E_PAYLOAD_BYTES_MAX);
    err = e2e_account_open(to->account, to->town->now_ms, &envelope, wants, &plain, &opened);
    town_need(err != KITH_OK);
    town_need(to->writes == writes);
    town_need(kith_buf_len(&plain) == 0 && opened.payload.body.len == 0);
    free(wants);
    return err;
}
