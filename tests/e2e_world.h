#ifndef KITH_TESTS_E2E_WORLD_H
#define KITH_TESTS_E2E_WORLD_H

#include <stdlib.h>

#include "base/prng.h"
#include "libkith/e2ee/session.h"

/*
 * Two accounts with a device each, their verified lists and prekeys, and sessions between them: what the tests of kith/1
 * begin with. What must go well here ends the program when it does not. Coins come of a seed.
 */
#define WORLD_NOW        1767225600000ull
#define WORLD_LIST_LIFE  (30ull * 24 * 3600 * 1000)
#define WORLD_PLAIN_MAX  (300u * 1024)
#define WORLD_STATE_MAX  E2E_SESSION_BYTES_MAX
#define WORLD_KEYS_COUNT 4

static inline void world_need(bool good)
{
    if (!good) abort();
}

static inline void world_fill(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

struct world_party {
    struct kith_prng prng;
    struct e2e_random random;
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    uint8_t ark_secret[E2E_SIGN_SECRET_BYTES], aik_secret[E2E_SIGN_SECRET_BYTES];
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES], ddh_secret[E2E_DH_BYTES];
    struct e2e_device_list list; /* as everybody reads it */
    struct kith_buf signed_list;
    struct e2e_prekey_secret secrets[WORLD_KEYS_COUNT]; /* by kind, the first at [0] */
    struct e2e_prekey prekeys[WORLD_KEYS_COUNT];
    struct kith_buf prekey_bytes[WORLD_KEYS_COUNT];
};

static inline struct e2e_end world_end(const struct world_party *party)
{
    return (struct e2e_end){.list = &party->list, .device = &party->list.devices[0]};
}

static inline struct e2e_self world_self(const struct world_party *party)
{
    return (struct e2e_self){.end = world_end(party), .ddh_secret = party->ddh_secret};
}

/* Signs party->list, with the acceptance of its first device, and reads it again. */
static inline void world_sign_list(struct world_party *party)
{
    struct e2e_acceptance accept = {.device_id = party->list.devices[0].device_id};

    world_need(e2e_device_accept(party->dsk_secret, &party->list, &party->list.devices[0], accept.signature) ==
               KITH_OK);
    kith_buf_reset(&party->signed_list);
    world_need(e2e_device_list_sign(&party->list, party->aik_secret, &accept, 1, &party->signed_list) == KITH_OK);
    world_need(e2e_device_list_read(kith_buf_peek(&party->signed_list), party->account_id, &party->list) == KITH_OK);
}

static inline void world_make_list(struct world_party *party)
{
    struct e2e_device_list *list = &party->list;
    struct e2e_device *device = &list->devices[0];

    memset(list, 0, sizeof *list);
    memcpy(list->account_id, party->account_id, sizeof list->account_id);
    e2e_sign_keypair(&party->random, party->ark_secret, list->ark_pub);
    e2e_sign_keypair(&party->random, party->aik_secret, list->aik_pub);
    list->aik_counter = 1;
    world_need(e2e_certify(party->ark_secret, party->account_id, list->aik_pub, 1, list->certificate) == KITH_OK);
    list->seq = 1;
    list->issued_at_ms = WORLD_NOW;
    list->expires_at_ms = WORLD_NOW + WORLD_LIST_LIFE;
    list->suites[0] = E2E_SUITE_PQ;
    list->suite_count = 1;
    list->device_count = 1;
    device->device_id = (uint32_t)kith_prng_between(&party->prng, 1, UINT32_MAX);
    kith_prng_bytes(&party->prng, device->server_device, sizeof device->server_device);
    e2e_sign_keypair(&party->random, party->dsk_secret, device->dsk_pub);
    e2e_dh_keypair(&party->random, party->ddh_secret, device->ddh_pub);
    device->added_at_ms = WORLD_NOW;
    device->is_manager = true;
    world_sign_list(party);
}

static inline void world_party_init(struct world_party *party, uint64_t seed)
{
    memset(party, 0, sizeof *party);
    kith_prng_seed(&party->prng, seed);
    party->random = (struct e2e_random){.fill = world_fill, .arg = &party->prng};
    kith_prng_bytes(&party->prng, party->account_id, sizeof party->account_id);
    kith_buf_init(&party->signed_list, E2E_SIGNED_LIST_BYTES_MAX);
    world_make_list(party);
    for (int i = 0; i < WORLD_KEYS_COUNT; i++) {
        const enum e2e_prekey_kind kind = (enum e2e_prekey_kind)(E2E_PREKEY_SPK + i);
        struct kith_buf *bytes = &party->prekey_bytes[i];
        kith_buf_init(bytes, E2E_PREKEY_BYTES_MAX);
        world_need(e2e_prekey_new(&party->random, party->account_id, party->list.devices[0].device_id,
                                  party->dsk_secret, kind, WORLD_NOW + 1000, &party->secrets[i], bytes) == KITH_OK);
        world_need(e2e_prekey_read(kith_buf_peek(bytes), kind, party->account_id, &party->list.devices[0], WORLD_NOW,
                                   &party->prekeys[i]) == KITH_OK);
    }
}

static inline void world_party_deinit(struct world_party *party)
{
    kith_buf_deinit(&party->signed_list);
    for (int i = 0; i < WORLD_KEYS_COUNT; i++) kith_buf_deinit(&party->prekey_bytes[i]);
}

static inline const struct e2e_prekey *world_prekey(const struct world_party *party, enum e2e_prekey_kind kind)
{
    return &party->prekeys[kind - E2E_PREKEY_SPK];
}

/* With a one-time key of each sort, or with what is left when there is none. */
static inline struct e2e_bundle world_bundle(const struct world_party *party, bool has_one_time)
{
    return (struct e2e_bundle){
        .spk = world_prekey(party, E2E_PREKEY_SPK),
        .kem = world_prekey(party, has_one_time ? E2E_PREKEY_KEM_OT : E2E_PREKEY_KEM_LR),
        .opk = has_one_time ? world_prekey(party, E2E_PREKEY_OPK) : NULL,
    };
}

/* The private halves that a set-up names; KITH_E_NOTFOUND as from a device's store. */
static inline kith_err world_setup_keys(const struct world_party *party, const struct e2e_setup *setup,
                                        struct e2e_setup_keys *out)
{
    const struct e2e_prekey_secret *secrets = party->secrets;
    const struct e2e_prekey_secret *kem =
        &secrets[(setup->kem_is_last ? E2E_PREKEY_KEM_LR : E2E_PREKEY_KEM_OT) - E2E_PREKEY_SPK];
    const struct e2e_prekey_secret *opk = setup->opk_id == 0 ? NULL : &secrets[E2E_PREKEY_OPK - E2E_PREKEY_SPK];

    if (secrets[0].id != setup->spk_id || kem->id != setup->kem_id) return KITH_E_NOTFOUND;
    if (opk != NULL && opk->id != setup->opk_id) return KITH_E_NOTFOUND;
    *out = (struct e2e_setup_keys){.spk = &secrets[0], .kem = kem, .opk = opk};
    return KITH_OK;
}

static inline struct e2e_session *world_begin(struct world_party *a, const struct world_party *b, bool has_one_time)
{
    const struct e2e_self self = world_self(a);
    const struct e2e_end peer = world_end(b);
    const struct e2e_bundle bundle = world_bundle(b, has_one_time);
    struct e2e_session *session = NULL;

    world_need(e2e_session_begin(&a->random, &self, &peer, &bundle, WORLD_NOW, &session) == KITH_OK);
    return session;
}

/* As a device does it: reads the set-up, finds the keys, accepts. */
static inline kith_err world_accept(struct world_party *b, const struct world_party *a, struct kith_slice message,
                                    struct e2e_session **session, struct kith_buf *out)
{
    const struct e2e_self self = world_self(b);
    const struct e2e_end peer = world_end(a);
    struct e2e_setup_keys keys;
    struct e2e_setup setup;
    kith_err err = e2e_message_setup(message, &setup);

    *session = NULL;
    if (err == KITH_OK) err = world_setup_keys(b, &setup, &keys);
    if (err == KITH_OK) err = e2e_session_accept(&b->random, &self, &peer, &keys, message, WORLD_NOW, session, out);
    return err;
}

/* The message of `text`; kith_buf_deinit() it. */
static inline struct kith_buf world_message_at(struct world_party *from, struct e2e_session *session,
                                               struct kith_slice plain, uint64_t now_ms)
{
    struct kith_buf out;

    kith_buf_init(&out, WORLD_PLAIN_MAX);
    world_need(e2e_session_encrypt(&from->random, session, plain, now_ms, &out) == KITH_OK);
    return out;
}

static inline struct kith_buf world_message(struct world_party *from, struct e2e_session *session, const char *text)
{
    return world_message_at(from, session, kith_slice_str(text), WORLD_NOW);
}

/* KITH_OK: and it says `text`. */
static inline kith_err world_take_at(struct world_party *to, struct e2e_session *session,
                                     const struct kith_buf *message, const char *text, uint64_t now_ms)
{
    struct kith_buf plain;
    kith_err err;

    kith_buf_init(&plain, WORLD_PLAIN_MAX);
    err = e2e_session_decrypt(&to->random, session, kith_buf_peek(message), now_ms, &plain);
    if (err == KITH_OK)
        world_need(kith_slice_is(kith_buf_peek(&plain), text));
    else
        world_need(kith_buf_len(&plain) == 0);
    kith_buf_deinit(&plain);
    return err;
}

static inline kith_err world_take(struct world_party *to, struct e2e_session *session, const struct kith_buf *message,
                                  const char *text)
{
    return world_take_at(to, session, message, text, WORLD_NOW);
}

/* The canonical state; kith_buf_deinit() it. */
static inline struct kith_buf world_state(const struct e2e_session *session)
{
    struct kith_buf out;

    kith_buf_init(&out, WORLD_STATE_MAX);
    world_need(e2e_session_encode(session, &out) == KITH_OK);
    return out;
}

/* A session of such a state. */
static inline struct e2e_session *world_session(const struct kith_buf *state)
{
    struct e2e_session *session = NULL;

    world_need(e2e_session_decode(kith_buf_peek(state), &session) == KITH_OK);
    return session;
}

/* No byte of it is another than in `expected`. */
static inline void world_check_state(const struct e2e_session *session, const struct kith_buf *expected)
{
    struct kith_buf state = world_state(session);

    world_need(kith_slice_eq(kith_buf_peek(&state), kith_buf_peek(expected)));
    kith_buf_wipe(&state);
}

/* The value of field `tag` of an encoding, to be changed; NULL: it has none. */
static inline uint8_t *world_field(struct kith_buf *bytes, uint16_t tag, size_t *len)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(kith_buf_peek(bytes));
    struct kith_slice value = {0};
    uint16_t at = 0;

    while (e2e_tlv_next(&reader, &at, &value) == KITH_OK) {
        if (at != tag) continue;
        if (len != NULL) *len = value.len;
        return bytes->ptr + (value.ptr - bytes->ptr);
    }
    return NULL;
}

/* Two parties and a session that each of them has; `b` has taken A's first message, A nothing yet. */
struct world {
    struct world_party a, b;
    struct e2e_session *at_a, *at_b;
};

static inline struct world *world_new(uint64_t seed, bool has_one_time)
{
    struct world *world = calloc(1, sizeof *world);
    struct kith_buf first, plain;

    world_need(world != NULL);
    world_party_init(&world->a, seed);
    world_party_init(&world->b, seed + 1);
    world->at_a = world_begin(&world->a, &world->b, has_one_time);
    first = world_message(&world->a, world->at_a, "first");
    kith_buf_init(&plain, WORLD_PLAIN_MAX);
    world_need(world_accept(&world->b, &world->a, kith_buf_peek(&first), &world->at_b, &plain) == KITH_OK);
    world_need(kith_slice_is(kith_buf_peek(&plain), "first"));
    kith_buf_deinit(&plain);
    kith_buf_deinit(&first);
    return world;
}

/* The same, and B's answer has come to A. */
static inline struct world *world_new_answered(uint64_t seed)
{
    struct world *world = world_new(seed, true);
    struct kith_buf answer = world_message(&world->b, world->at_b, "answer");

    world_need(world_take(&world->a, world->at_a, &answer, "answer") == KITH_OK);
    kith_buf_deinit(&answer);
    return world;
}

static inline void world_free(struct world *world)
{
    if (world == NULL) return;
    e2e_session_free(world->at_a);
    e2e_session_free(world->at_b);
    world_party_deinit(&world->a);
    world_party_deinit(&world->b);
    free(world);
}

#endif
