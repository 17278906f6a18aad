#include <stdlib.h>

#include "base/limits.h"
#include "libkith/e2ee/account_resend.h"
#include "libkith/e2ee/message.h"
#include "libkith/e2ee/sender_chain.h"
#include "town_group.h"
#include "wire/bodies.h"

/* Messages: sealing, the server's copy, opening; and what is watched over all of them. */

/* ------------------------------------------------------------------------------------------------ killing */
bool town_call(struct town_device *device, struct kith_map *before)
{
    struct town *town = device->town;

    if (++town->calls != town->cut_at) return false;
    town->cuts++;
    if (town->cut == TOWN_CUT_DURING && before != NULL)
        town_restart_from(device, before);
    else
        town_restart(device);
    return town->cut != TOWN_CUT_AFTER;
}

/* ------------------------------------------------------------------------------------------------ chats */
void town_id(struct town *town, uint8_t out[static E2E_ID_BYTES])
{
    kith_prng_bytes(&town->prng, out, E2E_ID_BYTES);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, E2E_ACCOUNT_ID_BYTES);
}

struct town_chat town_chat_of(struct town *town, const struct town_person *const *people, size_t count)
{
    struct town_chat chat = {.member_count = (uint32_t)count};

    town_id(town, chat.id);
    for (size_t i = 0; i < count; i++) memcpy(chat.members[i], people[i]->id, E2E_ACCOUNT_ID_BYTES);
    qsort(chat.members, count, sizeof chat.members[0], by_id);
    return chat;
}

struct town_chat town_chat_two(const struct town_device *a, const struct town_device *b)
{
    const struct town_person *people[] = {a->person, b->person};

    return town_chat_of(a->town, people, 2);
}

struct e2e_seal town_seal_of(const struct town_chat *chat, const uint8_t msg_id[static E2E_ID_BYTES], const char *text,
                             uint64_t sent_at_ms)
{
    struct e2e_seal seal = {
        .members = chat->members,
        .member_count = chat->member_count,
        .is_group = chat->is_group,
        .content_type = kith_slice_str("text/plain"),
        .body = kith_slice_str(text),
        .sent_at_ms = sent_at_ms,
    };

    memcpy(seal.thread_id, chat->id, sizeof seal.thread_id);
    memcpy(seal.msg_id, msg_id, sizeof seal.msg_id);
    return seal;
}

/* ------------------------------------------------------------------------------------------------ out */
/* The chain of a large group, to those who lack it, before what waits for it. */
static void give_chain(struct town_device *from, const struct e2e_seal *seal)
{
    const struct town_group *group = town_group_of(from->town, seal->thread_id);
    const struct town_chat chat = town_group_chat(from, group);

    town_need(town_try_send_keys(from, &chat, (struct kith_slice){0}) == KITH_OK);
}

kith_err town_seal(struct town_device *from, const struct e2e_seal *seal, struct kith_buf *out)
{
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    kith_err err = KITH_E_AGAIN;

    town_need(wants != NULL);
    for (int round = 0; round < TOWN_ROUNDS_MAX && err == KITH_E_AGAIN; round++) {
        struct kith_map before = town_records_copy(from);
        err = e2e_account_seal(from->account, from->town->now_ms, seal, wants, out);
        if (town_call(from, &before)) {
            kith_buf_reset(out);
            err = KITH_E_AGAIN;
        } else if (err == KITH_E_AGAIN && wants->count == 1 && wants->items[0].kind == E2E_WANT_GIFT) {
            give_chain(from, seal);
        } else if (err == KITH_E_AGAIN) {
            town_fetch(from, wants);
            if (wants->count == 0) town_upload(from);
        }
        town_records_free(&before);
    }
    free(wants);
    return err;
}

/* What left a device: no key is used for two of them, and no nonce comes twice. */
static void watch(struct town *town, struct kith_slice message)
{
    struct e2e_message parts = {0};
    struct e2e_group_message common;
    uint8_t key[E2E_DH_BYTES + 4], chain_key[E2E_CHAIN_ID_BYTES + 4];
    void *nothing = NULL;

    if (e2e_group_message_decode(message, &common) == KITH_OK) {
        memcpy(chain_key, common.chain_id, E2E_CHAIN_ID_BYTES);
        kith_put_u32_be(chain_key + E2E_CHAIN_ID_BYTES, common.iteration);
        town_need(kith_map_add(&town->nonces_used, common.nonce, &nothing) == KITH_OK);
        town_need(kith_map_add(&town->chain_keys_used, chain_key, &nothing) == KITH_OK || town->is_cloned);
        return;
    }
    town_need(e2e_message_decode(message, &parts) == KITH_OK);
    memcpy(key, parts.header.ratchet_pub, E2E_DH_BYTES);
    kith_put_u32_be(key + E2E_DH_BYTES, parts.header.n);
    town_need(kith_map_add(&town->nonces_used, parts.nonce, &nothing) == KITH_OK);
    town_need(kith_map_add(&town->keys_used, key, &nothing) == KITH_OK || town->is_cloned);
}

/* The digest of the members' lists, as the server knows them: whose account was deleted has none. */
static void digest_of(struct town *town, const struct town_chat *chat, uint8_t digest[static BODIES_DIGEST_BYTES])
{
    memset(digest, 0, BODIES_DIGEST_BYTES);
    for (uint32_t i = 0; i < chat->member_count; i++) {
        const struct town_person *person = town_person_of(town, chat->members[i]);
        struct bodies_list list = {0};
        town_need(person != NULL);
        memcpy(list.user.id.raw, person->id, sizeof list.user.id.raw);
        list.list_seq = person->is_deleted ? 0 : person->list_seq;
        bodies_digest_add(digest, &list);
    }
}

/* Who was deleted may be named with whatever number. */
static bool are_newest(struct town *town, const struct town_chat *chat, const struct bodies *bodies)
{
    struct kith_slice lists = bodies->lists;
    struct bodies_list list = {0};
    bool newest = true;

    town_need(bodies->list_count == chat->member_count);
    while (bodies_next_list(&lists, &list) == KITH_OK) {
        const struct town_person *person = town_person_of(town, list.user.id.raw);
        town_need(person != NULL);
        newest &= person->is_deleted || person->list_seq == list.list_seq;
    }
    return newest;
}

/* The server: the lists that it was made for must be the newest. */
static bool is_stale(struct town_device *from, const struct town_chat *chat, struct kith_slice sealed)
{
    uint8_t digest[BODIES_DIGEST_BYTES];
    struct bodies bodies = {0};
    bool stale;

    town_need(bodies_decode(sealed, &bodies) == KITH_OK);
    digest_of(from->town, chat, digest);
    if (bodies.digest != NULL)
        stale = memcmp(bodies.digest, digest, sizeof digest) != 0;
    else
        stale = !are_newest(from->town, chat, &bodies);
    for (uint32_t i = 0; stale && i < chat->member_count; i++) e2e_account_stale(from->account, chat->members[i]);
    return stale;
}

static struct town_mail *post(struct town_device *from, const struct e2e_seal *seal, const char *text,
                              struct kith_buf *sealed)
{
    struct town *town = from->town;
    struct town_mail *mail = &town->mails[town->mail_count];
    struct bodies bodies = {0};
    struct bodies_item item = {0};

    town_need(town->mail_count < TOWN_MAILS_MAX && strlen(text) < sizeof mail->text);
    town_need(bodies_decode(kith_buf_peek(sealed), &bodies) == KITH_OK);
    *mail = (struct town_mail){.from = from, .bodies = *sealed};
    while (bodies_next_item(&bodies.items, &item) == KITH_OK) {
        watch(town, item.ciphertext);
        mail->is_common |= kith_uuid_is_nil(item.device.id);
    }
    town_need(kith_buf_append(&town->wire, kith_buf_peek(sealed)) == KITH_OK);
    memcpy(mail->thread_id, seal->thread_id, sizeof mail->thread_id);
    memcpy(mail->msg_id, seal->msg_id, sizeof mail->msg_id);
    memcpy(mail->text, text, strlen(text));
    town->mail_count++;
    return mail;
}

/* What a device remembers of its own. */
static void describe(struct town_mail *mail, const struct town_chat *chat)
{
    const struct town_device *from = mail->from;
    struct e2e_group_view view;

    mail->sealed_ms = from->town->now_ms;
    mail->sealed_mark = e2e_account_mark(from->account);
    if (chat->is_group && e2e_account_group(from->account, chat->id, &view)) mail->epoch = view.group->seq;
    for (uint32_t i = 0; !chat->is_group && i < chat->member_count; i++)
        if (i == 0 || memcmp(chat->members[i], from->person->id, E2E_ACCOUNT_ID_BYTES) != 0)
            memcpy(mail->dest, chat->members[i], E2E_ACCOUNT_ID_BYTES);
}

/* `seal` but for its msg_id; text: what the mail is said to be. */
static kith_err try_post(struct town_device *from, const struct town_chat *chat, struct e2e_seal seal, const char *text,
                         struct town_mail **mail)
{
    struct kith_buf sealed;
    kith_err err = KITH_E_AGAIN;

    town_id(from->town, seal.msg_id);
    kith_buf_init(&sealed, KITH_MESSAGE_BYTES_MAX);
    for (int round = 0; round < TOWN_ROUNDS_MAX; round++) {
        kith_buf_reset(&sealed);
        err = town_seal(from, &seal, &sealed);
        if (err != KITH_OK || !is_stale(from, chat, kith_buf_peek(&sealed))) break;
        (void)town_call(from, NULL);
        err = KITH_E_AGAIN;
    }
    if (err != KITH_OK) {
        kith_buf_deinit(&sealed);
        return err;
    }
    *mail = post(from, &seal, text, &sealed);
    describe(*mail, chat);
    (void)town_call(from, NULL);
    e2e_account_accepted(from->account, seal.thread_id, seal.msg_id);
    if (town_call(from, NULL)) e2e_account_accepted(from->account, seal.thread_id, seal.msg_id); /* the server again */
    return KITH_OK;
}

kith_err town_try_send(struct town_device *from, const struct town_chat *chat, const char *text, size_t *mail)
{
    static const uint8_t later[E2E_ID_BYTES];
    struct town_mail *posted = NULL;
    kith_err err = try_post(from, chat, town_seal_of(chat, later, text, from->town->now_ms), text, &posted);

    if (err == KITH_OK) *mail = (size_t)(posted - from->town->mails);
    return err;
}

kith_err town_try_send_keys(struct town_device *from, const struct town_chat *chat, struct kith_slice body)
{
    static const uint8_t later[E2E_ID_BYTES];
    struct e2e_seal seal = town_seal_of(chat, later, "", from->town->now_ms);
    struct town_mail *posted = NULL;
    kith_err err;

    seal.content_type = kith_slice_str(E2E_GROUP_KEYS_TYPE);
    seal.body = body;
    err = try_post(from, chat, seal, "", &posted);
    if (err == KITH_OK) posted->is_keys = true;
    return err;
}

struct town_mail *town_send(struct town_device *from, const struct town_chat *chat, const char *text)
{
    size_t mail = 0;

    town_need(town_try_send(from, chat, text, &mail) == KITH_OK);
    return &from->town->mails[mail];
}

/* ------------------------------------------------------------------------------------------------ in */
struct kith_slice town_body(const struct town_mail *mail, const struct town_device *to)
{
    struct kith_slice out = {0};
    struct bodies bodies = {0};
    struct device_id id;

    memcpy(id.id.raw, to->server_device, sizeof id.id.raw);
    town_need(bodies_decode(kith_buf_peek(&mail->bodies), &bodies) == KITH_OK);
    if (mail->from == to || bodies_for(&bodies, id, &out) != KITH_OK) return (struct kith_slice){0};
    return out;
}

struct e2e_envelope town_envelope(const struct town_mail *mail, const struct town_device *to)
{
    struct e2e_envelope envelope = {.message = town_body(mail, to),
                                    .is_group = town_group_of(to->town, mail->thread_id) != NULL};

    if (mail >= to->town->mails && mail < to->town->mails + to->town->mail_count)
        envelope.seq = town_seq((size_t)(mail - to->town->mails));
    memcpy(envelope.account_id, mail->from->person->id, sizeof envelope.account_id);
    memcpy(envelope.server_device, mail->from->server_device, sizeof envelope.server_device);
    memcpy(envelope.thread_id, mail->thread_id, sizeof envelope.thread_id);
    memcpy(envelope.msg_id, mail->msg_id, sizeof envelope.msg_id);
    return envelope;
}

/* As the client does it: what is wanted is fetched, and then the lists are fresh. */
static void fetch_for(struct town_device *to, struct e2e_envelope *envelope, const struct e2e_wants *wants)
{
    town_fetch(to, wants);
    for (uint32_t i = 0; i < wants->count; i++) {
        envelope->is_ops_fresh |= wants->items[i].kind == E2E_WANT_OPS;
        if (wants->items[i].kind != E2E_WANT_LIST) continue;
        if (memcmp(wants->items[i].account_id, envelope->account_id, E2E_ACCOUNT_ID_BYTES) == 0)
            envelope->is_fresh = true;
        if (memcmp(wants->items[i].account_id, to->person->id, E2E_ACCOUNT_ID_BYTES) == 0)
            envelope->is_own_fresh = true;
    }
}

kith_err town_open_envelope(struct town_device *to, struct e2e_envelope envelope, struct kith_buf *plain,
                            struct e2e_opened *opened)
{
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    kith_err err = KITH_E_AGAIN;

    town_need(wants != NULL);
    kith_buf_init(plain, E2E_PAYLOAD_BYTES_MAX);
    for (int round = 0; round < TOWN_ROUNDS_MAX && err == KITH_E_AGAIN; round++) {
        struct kith_map before = town_records_copy(to);
        err = e2e_account_open(to->account, to->town->now_ms, &envelope, wants, plain, opened);
        /* What was opened is stored with the records: it is there or they are not. */
        if (to->town->cut == TOWN_CUT_LOST) {
            (void)town_call(to, NULL);
        } else if (town_call(to, &before)) {
            kith_buf_reset(plain);
            err = KITH_E_AGAIN;
            wants->count = 0;
        }
        if (err == KITH_E_AGAIN) fetch_for(to, &envelope, wants);
        town_records_free(&before);
    }
    free(wants);
    if (err != KITH_OK) town_need(kith_buf_len(plain) == 0);
    return err;
}

kith_err town_open(struct town_device *to, const struct town_mail *mail, uint64_t *missed)
{
    uint8_t key[E2E_SERVER_DEVICE_BYTES + E2E_ID_BYTES];
    struct e2e_opened opened;
    struct kith_buf plain;
    void *nothing = NULL;
    kith_err err = town_open_envelope(to, town_envelope(mail, to), &plain, &opened);

    if (err == KITH_OK && mail->is_keys) {
        town_need(kith_slice_is(opened.payload.content_type, E2E_GROUP_KEYS_TYPE));
        town_need(e2e_account_group_keys_take(to->account, mail->thread_id, &opened) == KITH_OK);
        if (town_call(to, NULL)) /* it is stored, and taken again */
            town_need(e2e_account_group_keys_take(to->account, mail->thread_id, &opened) == KITH_OK);
    }
    if (err == KITH_OK) {
        town_need(mail->is_keys || kith_slice_is(opened.payload.body, mail->text));
        town_need(mail->is_keys || kith_slice_is(opened.payload.content_type, "text/plain"));
        memcpy(key, to->server_device, E2E_SERVER_DEVICE_BYTES);
        memcpy(key + E2E_SERVER_DEVICE_BYTES, mail->msg_id, E2E_ID_BYTES);
        town_need(kith_map_add(&to->town->opened, key, &nothing) == KITH_OK || to->town->is_cloned);
        if (missed != NULL) *missed = opened.missed;
    }
    kith_buf_wipe(&plain);
    return err;
}

size_t town_read(struct town_device *to)
{
    size_t count = 0;

    for (; to->read < to->town->mail_count; to->read++) {
        const struct town_mail *mail = &to->town->mails[to->read];
        uint64_t missed = 0;
        kith_err err;
        if (mail->from == to || town_body(mail, to).len == 0) continue;
        err = town_open(to, mail, &missed);
        if (mail->is_common && err == KITH_E_NOTFOUND) continue; /* it has not been given the chain */
        town_need(err == KITH_OK);
        town_need(missed == 0);
        count++;
    }
    return count;
}
