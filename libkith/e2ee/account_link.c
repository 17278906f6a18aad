#include <stdlib.h>

#include "libkith/crypto/aead.h"
#include "libkith/crypto/secret.h"
#include "libkith/e2ee/account_impl.h"

/*
 * Another device of the same person. The request goes from the new device to a manager and the answer back, by hand: a file
 * or a paste. Both screens show the digits of both texts, so whoever changed one on its way is seen.
 */
#define LINK_VERSION      1
#define LINK_SECRET_BYTES 16
#define REQUEST_BYTES_MAX 2048

enum { REQUEST_FIELDS = 10, ANSWER_FIELDS = 5, INNER_FIELDS = 3 };

struct link_request {
    uint8_t account_id[E2E_ACCOUNT_ID_BYTES];
    struct e2e_device device; /* what it says of itself */
    uint8_t dh_pub[E2E_DH_BYTES], kem_pub[E2E_KEM_PUBLIC_BYTES], secret[LINK_SECRET_BYTES];
    uint64_t made_at_ms;
};

static void hash_of(struct kith_slice text, uint8_t out[static E2E_HASH_BYTES])
{
    e2e_transcript(E2E_LABEL_LINK, &text, 1, out);
}

/* As a safety number's half: five bytes make five digits. */
void e2e_link_code(struct kith_slice text, char out[static E2E_LINK_CODE_DIGITS])
{
    uint8_t hash[E2E_HASH_BYTES];

    hash_of(text, hash);
    for (size_t i = 0; i < E2E_LINK_CODE_DIGITS / 5; i++) {
        uint64_t number = 0;
        for (size_t j = 0; j < 5; j++) number = number << 8 | hash[5 * i + j];
        number %= 100000;
        for (size_t j = 5; j > 0; j--, number /= 10) out[5 * i + j - 1] = (char)('0' + number % 10);
    }
}

static kith_err request_read(struct kith_slice in, struct link_request *out)
{
    static const struct e2e_tlv_field fields[REQUEST_FIELDS] = {
        {1, 1, 1, false},
        {2, E2E_ACCOUNT_ID_BYTES, E2E_ACCOUNT_ID_BYTES, false},
        {3, E2E_SERVER_DEVICE_BYTES, E2E_SERVER_DEVICE_BYTES, false},
        {4, 4, 4, false},
        {5, E2E_SIGN_PUBLIC_BYTES, E2E_SIGN_PUBLIC_BYTES, false},
        {6, E2E_DH_BYTES, E2E_DH_BYTES, false},
        {7, E2E_DH_BYTES, E2E_DH_BYTES, false},
        {8, E2E_KEM_PUBLIC_BYTES, E2E_KEM_PUBLIC_BYTES, false},
        {9, LINK_SECRET_BYTES, LINK_SECRET_BYTES, false},
        {10, 8, 8, false},
    };
    struct kith_slice v[REQUEST_FIELDS];
    kith_err err = e2e_tlv_decode(in, fields, REQUEST_FIELDS, v);

    if (err != KITH_OK) return err;
    if (e2e_tlv_u8(v[0]) != LINK_VERSION) return KITH_E_UNSUPPORTED;
    *out = (struct link_request){.device.device_id = e2e_tlv_u32(v[3]), .made_at_ms = e2e_tlv_u64(v[9])};
    memcpy(out->account_id, v[1].ptr, v[1].len);
    memcpy(out->device.server_device, v[2].ptr, v[2].len);
    memcpy(out->device.dsk_pub, v[4].ptr, v[4].len);
    memcpy(out->device.ddh_pub, v[5].ptr, v[5].len);
    memcpy(out->dh_pub, v[6].ptr, v[6].len);
    memcpy(out->kem_pub, v[7].ptr, v[7].len);
    memcpy(out->secret, v[8].ptr, v[8].len);
    return KITH_OK;
}

static kith_err request_write(const struct link_request *request, struct kith_buf *out)
{
    struct e2e_tlv_writer w = e2e_tlv_writer_of(out);

    e2e_tlv_put_u8(&w, 1, LINK_VERSION);
    e2e_tlv_put(&w, 2, kith_slice_of(request->account_id, E2E_ACCOUNT_ID_BYTES));
    e2e_tlv_put(&w, 3, kith_slice_of(request->device.server_device, E2E_SERVER_DEVICE_BYTES));
    e2e_tlv_put_u32(&w, 4, request->device.device_id);
    e2e_tlv_put(&w, 5, kith_slice_of(request->device.dsk_pub, E2E_SIGN_PUBLIC_BYTES));
    e2e_tlv_put(&w, 6, kith_slice_of(request->device.ddh_pub, E2E_DH_BYTES));
    e2e_tlv_put(&w, 7, kith_slice_of(request->dh_pub, E2E_DH_BYTES));
    e2e_tlv_put(&w, 8, kith_slice_of(request->kem_pub, E2E_KEM_PUBLIC_BYTES));
    e2e_tlv_put(&w, 9, kith_slice_of(request->secret, LINK_SECRET_BYTES));
    e2e_tlv_put_u64(&w, 10, request->made_at_ms);
    return e2e_tlv_finish(&w);
}

kith_err e2e_account_link_request(struct e2e_account *account, uint64_t now_ms, struct kith_buf *out)
{
    const struct e2e_random *random = &account->config.random;
    struct self_keys *self = &account->self;
    struct link_request request = {.made_at_ms = now_ms};
    uint8_t *room = NULL;
    kith_err err;

    if (account->state != E2E_ACCOUNT_EMPTY && account->state != E2E_ACCOUNT_LINKING) return KITH_E_CLOSED;
    account_make_device(account, &request.device);
    memcpy(request.account_id, account->config.account_id, sizeof request.account_id);
    e2e_dh_keypair(random, self->link_dh_secret, request.dh_pub);
    e2e_kem_keypair(random, self->link_kem_seed, request.kem_pub);
    e2e_random_fill(random, self->link_secret, sizeof self->link_secret);
    memcpy(request.secret, self->link_secret, sizeof request.secret);
    self->link_made_ms = now_ms;
    /* In one piece: it has a secret in it. */
    err = kith_buf_reserve(&self->link_request, REQUEST_BYTES_MAX, &room);
    if (err == KITH_OK) err = request_write(&request, &self->link_request);
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&self->link_request));
    e2e_wipe(&request, sizeof request);
    if (err != KITH_OK) {
        account_self_wipe(self);
        account->state = E2E_ACCOUNT_EMPTY;
        return err;
    }
    account->state = E2E_ACCOUNT_LINKING;
    account_keep_self(account);
    return KITH_OK;
}

struct link_keys {
    uint8_t dh_pub[E2E_DH_BYTES], ct[E2E_KEM_CIPHER_BYTES];
    uint8_t ikm[E2E_DH_BYTES + E2E_KEM_SHARED_BYTES];
    uint8_t key[E2E_KEY_BYTES], ad[E2E_HASH_BYTES];
};

/* The key of the answer, and what is authenticated beside it: the request, and the keys that the answer brings. */
static void derive(struct link_keys *keys, const uint8_t secret[static LINK_SECRET_BYTES], struct kith_slice request)
{
    struct kith_slice ct = kith_slice_of(keys->ct, sizeof keys->ct), parts[3];
    uint8_t ct_hash[E2E_HASH_BYTES];

    e2e_sha256(&ct, 1, ct_hash);
    parts[0] = request;
    parts[1] = kith_slice_of(keys->dh_pub, sizeof keys->dh_pub);
    parts[2] = kith_slice_of(ct_hash, sizeof ct_hash);
    e2e_transcript(E2E_LABEL_LINK, parts, 3, keys->ad);
    e2e_derive(kith_slice_of(secret, LINK_SECRET_BYTES), kith_slice_of(keys->ikm, sizeof keys->ikm), E2E_LABEL_LINK,
               kith_slice_of(keys->ad, sizeof keys->ad), keys->key, sizeof keys->key);
}

/* One that asks anew has lost the keys that it was listed with: it is listed with its new ones only. */
static kith_err list_insert(const struct e2e_account *account, uint64_t now_ms, const struct e2e_device *device,
                            struct e2e_device_list *next)
{
    const struct e2e_device *before = e2e_device_find_server(next, device->server_device);
    uint32_t at = 0;
    kith_err err = KITH_OK;

    if (e2e_device_find(next, device->device_id) != NULL) return KITH_E_DENIED;
    if (before != NULL && before->device_id == account->self.device_id) return KITH_E_DENIED;
    if (before != NULL) err = account_list_take_out(next, before->device_id);
    if (err != KITH_OK) return err;
    if (next->device_count == E2E_DEVICES_MAX) return KITH_E_FULL;
    while (at < next->device_count && next->devices[at].device_id < device->device_id) at++;
    memmove(&next->devices[at + 1], &next->devices[at], (next->device_count - at) * sizeof next->devices[0]);
    next->devices[at] = *device;
    next->devices[at].added_at_ms = now_ms;
    next->device_count++;
    return KITH_OK;
}

/* The next list, with the new device at its place. */
static kith_err list_with(struct e2e_account *account, uint64_t now_ms, const struct e2e_device *device)
{
    struct e2e_device_list *next = malloc(sizeof *next);
    kith_err err;

    if (next == NULL) return KITH_E_NOMEM;
    *next = *account_own_list(account);
    err = list_insert(account, now_ms, device, next);
    if (err == KITH_OK) err = account_list_sign(account, now_ms, next);
    free(next);
    return err;
}

static kith_err answer_write(struct e2e_account *account, struct link_keys *keys, struct kith_buf *out)
{
    const struct person *me = account_person_find(account, account->config.account_id);
    uint8_t nonce[E2E_AEAD_NONCE_BYTES], *room = NULL;
    struct kith_buf inside, sealed, info_keys;
    struct e2e_tlv_writer w;
    kith_err err;

    kith_buf_init_secret(&inside, E2E_LINK_BYTES_MAX);
    kith_buf_init(&sealed, E2E_LINK_BYTES_MAX);
    kith_buf_init_secret(&info_keys, ACCOUNT_INFO_KEYS_BYTES_MAX);
    err = account_info_keys_put(account, &info_keys);
    w = e2e_tlv_writer_of(&inside);
    e2e_tlv_put(&w, 1, kith_buf_peek(&me->signed_list));
    e2e_tlv_put_u64(&w, 2, me->list_seq);
    e2e_tlv_put_optional(&w, 3, kith_buf_peek(&info_keys));
    if (err == KITH_OK) err = e2e_tlv_finish(&w);
    e2e_random_fill(&account->config.random, nonce, sizeof nonce);
    if (err == KITH_OK) err = kith_buf_reserve(&sealed, kith_buf_len(&inside) + E2E_AEAD_TAG_BYTES, &room);
    if (err == KITH_OK)
        err = e2e_aead_seal(keys->key, nonce, kith_slice_of(keys->ad, sizeof keys->ad), kith_buf_peek(&inside), room);
    if (err == KITH_OK) {
        kith_buf_commit(&sealed, kith_buf_len(&inside) + E2E_AEAD_TAG_BYTES);
        w = e2e_tlv_writer_of(out);
        e2e_tlv_put_u8(&w, 1, LINK_VERSION);
        e2e_tlv_put(&w, 2, kith_slice_of(keys->dh_pub, sizeof keys->dh_pub));
        e2e_tlv_put(&w, 3, kith_slice_of(keys->ct, sizeof keys->ct));
        e2e_tlv_put(&w, 4, kith_slice_of(nonce, sizeof nonce));
        e2e_tlv_put(&w, 5, kith_buf_peek(&sealed));
        err = e2e_tlv_finish(&w);
    }
    kith_buf_wipe(&inside);
    kith_buf_wipe(&info_keys);
    kith_buf_deinit(&sealed);
    return err;
}

kith_err e2e_account_link_approve(struct e2e_account *account, uint64_t now_ms, struct kith_slice request,
                                  struct kith_buf *out)
{
    const struct e2e_random *random = &account->config.random;
    struct link_request asked;
    struct link_keys keys = {0};
    uint8_t dh_secret[E2E_DH_BYTES];
    kith_err err;

    if (account->state != E2E_ACCOUNT_READY || !account->self.has_aik) return KITH_E_CLOSED;
    if (account->self.list_unsent) return KITH_E_AGAIN;
    err = request_read(request, &asked);
    if (err != KITH_OK) return err;
    if (memcmp(asked.account_id, account->config.account_id, E2E_ACCOUNT_ID_BYTES) != 0 ||
        asked.made_at_ms + E2E_LINK_LIFE_MS < now_ms || asked.made_at_ms > now_ms + E2E_LINK_LIFE_MS)
        return KITH_E_DENIED;
    err = e2e_sign_check(asked.device.dsk_pub);
    if (err == KITH_OK) err = e2e_dh_check(asked.device.ddh_pub);
    e2e_dh_keypair(random, dh_secret, keys.dh_pub);
    if (err == KITH_OK) err = e2e_dh(dh_secret, asked.dh_pub, keys.ikm);
    if (err == KITH_OK) err = e2e_kem_encaps(random, asked.kem_pub, keys.ct, keys.ikm + E2E_DH_BYTES);
    if (err == KITH_OK) {
        derive(&keys, asked.secret, request);
        err = list_with(account, now_ms, &asked.device);
    }
    if (err == KITH_OK) err = answer_write(account, &keys, out);
    e2e_wipe(&keys, sizeof keys);
    e2e_wipe(&asked, sizeof asked);
    e2e_wipe(dh_secret, sizeof dh_secret);
    return err;
}

/* What the manager signed: this device as it described itself, and no other under its name. */
static kith_err take_list(struct e2e_account *account, uint64_t now_ms, struct kith_slice signed_list,
                          uint64_t list_seq)
{
    struct e2e_device_list *list = malloc(sizeof *list);
    struct kith_buf with_ours;
    struct e2e_acceptance ours = {.device_id = account->self.device_id};
    struct person *me = account_person_put(account, account->config.account_id);
    const struct e2e_device *device = NULL;
    kith_err err = list == NULL || me == NULL ? KITH_E_NOMEM : KITH_OK;

    kith_buf_init(&with_ours, E2E_SIGNED_LIST_BYTES_MAX);
    if (err == KITH_OK) err = e2e_device_list_read(signed_list, account->config.account_id, list);
    if (err == KITH_OK) device = e2e_device_find(list, account->self.device_id);
    if (err == KITH_OK &&
        (device == NULL || memcmp(device->ddh_pub, account->self.ddh_pub, E2E_DH_BYTES) != 0 ||
         memcmp(device->dsk_pub, account->self.dsk_secret + E2E_SIGN_SEED_BYTES, E2E_SIGN_PUBLIC_BYTES) != 0 ||
         memcmp(device->server_device, account->config.server_device, E2E_SERVER_DEVICE_BYTES) != 0))
        err = KITH_E_DENIED;
    if (err == KITH_OK) err = e2e_device_accept(account->self.dsk_secret, list, device, ours.signature);
    if (err == KITH_OK) err = e2e_device_list_add_acceptance(signed_list, &ours, &with_ours);
    if (err == KITH_OK) err = e2e_device_list_read(kith_buf_peek(&with_ours), account->config.account_id, list);
    if (err == KITH_OK) err = account_person_pin(me, list, kith_buf_peek(&with_ours));
    if (err == KITH_OK) {
        memcpy(account->self.acceptance, ours.signature, E2E_SIGNATURE_BYTES);
        me->trust = E2E_TRUST_VERIFIED;
        me->list_seq = list_seq;
        account_person_know(me, now_ms);
        account_keep_person(account, me);
    }
    kith_buf_deinit(&with_ours);
    free(list);
    return err;
}

static kith_err open_answer(const struct e2e_account *account, const struct kith_slice *v, struct kith_buf *inside)
{
    const struct self_keys *self = &account->self;
    uint8_t kem_secret[E2E_KEM_SECRET_BYTES], kem_pub[E2E_KEM_PUBLIC_BYTES], *room = NULL;
    struct link_keys keys;
    kith_err err;

    memcpy(keys.dh_pub, v[1].ptr, v[1].len);
    memcpy(keys.ct, v[2].ptr, v[2].len);
    e2e_kem_keypair_from(self->link_kem_seed, kem_secret, kem_pub);
    err = e2e_dh(self->link_dh_secret, keys.dh_pub, keys.ikm);
    if (err == KITH_OK) err = e2e_kem_decaps(kem_secret, keys.ct, keys.ikm + E2E_DH_BYTES);
    if (err == KITH_OK) err = kith_buf_reserve(inside, v[4].len, &room);
    if (err == KITH_OK) {
        derive(&keys, self->link_secret, kith_buf_peek(&self->link_request));
        err = e2e_aead_open(keys.key, v[3].ptr, kith_slice_of(keys.ad, sizeof keys.ad), v[4], room);
    }
    if (err == KITH_OK) kith_buf_commit(inside, v[4].len - E2E_AEAD_TAG_BYTES);
    e2e_wipe(&keys, sizeof keys);
    e2e_wipe(kem_secret, sizeof kem_secret);
    return err;
}

kith_err e2e_account_link_accept(struct e2e_account *account, uint64_t now_ms, struct kith_slice answer)
{
    static const struct e2e_tlv_field fields[ANSWER_FIELDS] = {
        {1, 1, 1, false},
        {2, E2E_DH_BYTES, E2E_DH_BYTES, false},
        {3, E2E_KEM_CIPHER_BYTES, E2E_KEM_CIPHER_BYTES, false},
        {4, E2E_AEAD_NONCE_BYTES, E2E_AEAD_NONCE_BYTES, false},
        {5, E2E_AEAD_TAG_BYTES, E2E_LINK_BYTES_MAX, false},
    };
    static const struct e2e_tlv_field inner[INNER_FIELDS] = {
        {1, 1, E2E_SIGNED_LIST_BYTES_MAX, false},
        {2, 8, 8, false},
        {3, ACCOUNT_INFO_KEY_BYTES, ACCOUNT_INFO_KEYS_BYTES_MAX, true},
    };
    struct kith_slice v[ANSWER_FIELDS], in[INNER_FIELDS];
    struct kith_buf inside;
    kith_err err = e2e_tlv_decode(answer, fields, ANSWER_FIELDS, v);

    if (account->state != E2E_ACCOUNT_LINKING) return KITH_E_CLOSED;
    if (err != KITH_OK) return err;
    if (e2e_tlv_u8(v[0]) != LINK_VERSION) return KITH_E_UNSUPPORTED;
    if (account->self.link_made_ms + E2E_LINK_LIFE_MS < now_ms) return KITH_E_DENIED;
    kith_buf_init(&inside, E2E_LINK_BYTES_MAX);
    err = open_answer(account, v, &inside);
    if (err == KITH_OK) err = e2e_tlv_decode(kith_buf_peek(&inside), inner, INNER_FIELDS, in);
    if (err == KITH_OK && in[2].len % ACCOUNT_INFO_KEY_BYTES != 0) err = KITH_E_MALFORMED;
    if (err == KITH_OK) err = take_list(account, now_ms, in[0], e2e_tlv_u64(in[1]));
    if (err == KITH_OK) account_info_keys_take(account, in[2]);
    kith_buf_wipe(&inside);
    if (err != KITH_OK) return err;
    e2e_wipe(account->self.link_dh_secret, sizeof account->self.link_dh_secret);
    e2e_wipe(account->self.link_kem_seed, sizeof account->self.link_kem_seed);
    e2e_wipe(account->self.link_secret, sizeof account->self.link_secret);
    kith_buf_wipe(&account->self.link_request);
    kith_buf_init(&account->self.link_request, E2E_LINK_BYTES_MAX);
    account->self.list_unsent = true;
    account->state = E2E_ACCOUNT_READY;
    account_keep_self(account);
    return KITH_OK;
}
