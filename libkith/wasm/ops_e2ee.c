#include <stdlib.h>

#include "libkith/crypto/secret.h"
#include "libkith/e2ee/list_parts.h"
#include "libkith/e2ee/pqxdh.h"
#include "libkith/wasm/ops_impl.h"

/* The operations of KITH_E2EE_OPS: their arguments are checked for length here, and for all else where they go. */

#define MESSAGE_BYTES_MAX (E2E_MESSAGE_PLAIN_MAX + E2E_MESSAGE_OVERHEAD_MAX)

static void secret_key(struct kith_slice seed, uint8_t secret[static E2E_SIGN_SECRET_BYTES],
                       uint8_t public[static E2E_SIGN_PUBLIC_BYTES])
{
    e2e_sign_keypair_from(seed.ptr, secret, public);
}

/* ---------------------------------------------------------------------------------------------- lists */
OP(certify)
{
    uint8_t ark_secret[E2E_SIGN_SECRET_BYTES], ark_pub[E2E_SIGN_PUBLIC_BYTES], signature[E2E_SIGNATURE_BYTES];
    kith_err err;

    NEED(0, E2E_SIGN_SEED_BYTES);
    NEED(1, E2E_ACCOUNT_ID_BYTES);
    NEED(2, E2E_SIGN_PUBLIC_BYTES);
    NEED(3, 4);
    secret_key(args[0], ark_secret, ark_pub);
    err = e2e_certify(ark_secret, args[1].ptr, args[2].ptr, e2e_tlv_u32(args[3]), signature);
    e2e_wipe(ark_secret, sizeof ark_secret);
    return err == KITH_OK ? kith_buf_append(out, kith_slice_of(signature, sizeof signature)) : err;
}

/* The device and its list as far as an acceptance is of them. */
static kith_err accept_as(const struct kith_slice *args, struct e2e_device_list *list,
                          uint8_t signature[static E2E_SIGNATURE_BYTES])
{
    struct e2e_device device = {.device_id = e2e_tlv_u32(args[4])};
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES];
    kith_err err;

    secret_key(args[0], dsk_secret, device.dsk_pub);
    memcpy(list->account_id, args[1].ptr, sizeof list->account_id);
    memcpy(list->ark_pub, args[2].ptr, sizeof list->ark_pub);
    memcpy(list->aik_pub, args[3].ptr, sizeof list->aik_pub);
    memcpy(device.server_device, args[5].ptr, sizeof device.server_device);
    memcpy(device.ddh_pub, args[6].ptr, sizeof device.ddh_pub);
    err = e2e_device_accept(dsk_secret, list, &device, signature);
    e2e_wipe(dsk_secret, sizeof dsk_secret);
    return err;
}

OP(device_accept)
{
    struct e2e_device_list *list;
    uint8_t signature[E2E_SIGNATURE_BYTES];
    kith_err err;

    NEED(0, E2E_SIGN_SEED_BYTES);
    NEED(1, E2E_ACCOUNT_ID_BYTES);
    NEED(2, E2E_SIGN_PUBLIC_BYTES);
    NEED(3, E2E_SIGN_PUBLIC_BYTES);
    NEED(4, 4);
    NEED(5, E2E_SERVER_DEVICE_BYTES);
    NEED(6, E2E_DH_BYTES);
    list = calloc(1, sizeof *list);
    if (list == NULL) return KITH_E_NOMEM;
    err = accept_as(args, list, signature);
    free(list);
    return err == KITH_OK ? kith_buf_append(out, kith_slice_of(signature, sizeof signature)) : err;
}

static kith_err read_accepts(struct kith_slice items, struct e2e_acceptance accepts[static E2E_DEVICES_MAX],
                             size_t *count)
{
    struct kith_slice item = {0};
    kith_err err;

    *count = 0;
    while ((err = e2e_tlv_next_item(&items, &item)) == KITH_OK) {
        if (*count == E2E_DEVICES_MAX) return KITH_E_TOOBIG;
        TRY(e2e_list_accept_decode(item, &accepts[*count]));
        ++*count;
    }
    return err == KITH_E_NOTFOUND ? KITH_OK : err;
}

OP(list_sign)
{
    struct e2e_acceptance accepts[E2E_DEVICES_MAX];
    uint8_t aik_secret[E2E_SIGN_SECRET_BYTES], aik_pub[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_device_list *list;
    size_t count = 0;
    kith_err err;

    NEED(0, E2E_SIGN_SEED_BYTES);
    TRY(read_accepts(args[2], accepts, &count));
    list = calloc(1, sizeof *list);
    if (list == NULL) return KITH_E_NOMEM;
    secret_key(args[0], aik_secret, aik_pub);
    err = e2e_list_decode(args[1], list);
    if (err == KITH_OK) err = e2e_device_list_sign(list, aik_secret, accepts, count, out);
    e2e_wipe(aik_secret, sizeof aik_secret);
    free(list);
    return err;
}

/* *out is NULL when there are no bytes, and on an error; free() it. */
static kith_err read_list(struct kith_slice signed_list, const uint8_t *account_id, struct e2e_device_list **out)
{
    struct e2e_device_list *list;
    kith_err err;

    *out = NULL;
    if (signed_list.len == 0) return KITH_OK;
    list = calloc(1, sizeof *list);
    if (list == NULL) return KITH_E_NOMEM;
    err = e2e_device_list_read(signed_list, account_id, list);
    if (err == KITH_OK)
        *out = list;
    else
        free(list);
    return err;
}

static kith_err put_list(const struct e2e_device_list *list, struct kith_buf *out)
{
    TRY(kith_buf_append_u64_be(out, list->seq));
    TRY(kith_buf_append(out, kith_slice_of(list->hash, sizeof list->hash)));
    TRY(kith_buf_append_u64_be(out, list->expires_at_ms));
    for (uint32_t i = 0; i < list->device_count; i++) {
        TRY(kith_buf_append_u32_be(out, list->devices[i].device_id));
        TRY(kith_buf_append_u8(out, list->devices[i].is_accepted ? 1 : 0));
    }
    return KITH_OK;
}

OP(list_read)
{
    struct e2e_device_list *list = NULL, *pinned = NULL;
    enum e2e_list_step step;
    kith_err err;

    NEED(0, E2E_ACCOUNT_ID_BYTES);
    if (args[1].len == 0) return KITH_E_MALFORMED;
    err = read_list(args[1], args[0].ptr, &list);
    if (err == KITH_OK) err = read_list(args[2], args[0].ptr, &pinned);
    if (err == KITH_OK) {
        step = e2e_device_list_compare(pinned, list);
        err = kith_buf_append_u8(out, (uint8_t)step);
        if (err == KITH_OK && (step == E2E_LIST_FIRST || step == E2E_LIST_SAME || step == E2E_LIST_NEXT))
            err = put_list(list, out);
    }
    free(list);
    free(pinned);
    return err;
}

/* ---------------------------------------------------------------------------------------------- prekeys */
static kith_err kind_of(struct kith_slice label, enum e2e_prekey_kind *out)
{
    static const struct {
        const char *label;
        enum e2e_prekey_kind kind;
    } kinds[] = {
        {"spk", E2E_PREKEY_SPK}, {"opk", E2E_PREKEY_OPK}, {"kem-ot", E2E_PREKEY_KEM_OT}, {"kem-lr", E2E_PREKEY_KEM_LR}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!kith_slice_is(label, kinds[i].label)) continue;
        *out = kinds[i].kind;
        return KITH_OK;
    }
    return KITH_E_NOTFOUND;
}

static size_t secret_bytes(enum e2e_prekey_kind kind)
{
    return e2e_prekey_is_kem(kind) ? E2E_KEM_SEED_BYTES : E2E_DH_BYTES;
}

OP(prekey_new)
{
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES], dsk_pub[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_prekey_secret secret = {0};
    enum e2e_prekey_kind kind = E2E_PREKEY_SPK;
    struct kith_buf prekey;
    kith_err err;

    TRY(kind_of(args[0], &kind));
    NEED(1, E2E_ACCOUNT_ID_BYTES);
    NEED(2, 4);
    NEED(3, E2E_SIGN_SEED_BYTES);
    NEED(4, 8);
    secret_key(args[3], dsk_secret, dsk_pub);
    kith_buf_init(&prekey, E2E_PREKEY_BYTES_MAX);
    err = e2e_prekey_new(random, args[1].ptr, e2e_tlv_u32(args[2]), dsk_secret, kind, e2e_tlv_u64(args[4]), &secret,
                         &prekey);
    if (err == KITH_OK) err = kith_buf_append(out, kith_slice_of(secret.secret, secret_bytes(kind)));
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&prekey));
    kith_buf_deinit(&prekey);
    e2e_wipe(dsk_secret, sizeof dsk_secret);
    e2e_wipe(&secret, sizeof secret);
    return err;
}

OP(prekey_read)
{
    struct e2e_device device = {.is_accepted = true};
    enum e2e_prekey_kind kind = E2E_PREKEY_SPK;
    struct e2e_prekey prekey;

    TRY(kind_of(args[0], &kind));
    NEED(1, E2E_ACCOUNT_ID_BYTES);
    NEED(2, 4);
    NEED(3, E2E_SIGN_PUBLIC_BYTES);
    NEED(5, 8);
    device.device_id = e2e_tlv_u32(args[2]);
    memcpy(device.dsk_pub, args[3].ptr, sizeof device.dsk_pub);
    TRY(e2e_sign_check(device.dsk_pub));
    TRY(e2e_prekey_read(args[4], kind, args[1].ptr, &device, e2e_tlv_u64(args[5]), &prekey));
    TRY(kith_buf_append_u32_be(out, prekey.id));
    TRY(kith_buf_append_u64_be(out, prekey.expires_at_ms));
    return kith_buf_append(out,
                           kith_slice_of(prekey.public, e2e_prekey_is_kem(kind) ? E2E_KEM_PUBLIC_BYTES : E2E_DH_BYTES));
}

/* ---------------------------------------------------------------------------------------------- sessions begin */
/* *list is to be freed, also after an error. */
static kith_err read_end(struct kith_slice bytes, uint32_t device_id, struct e2e_device_list **list,
                         struct e2e_end *out)
{
    struct kith_slice account_id = {0};

    *list = NULL;
    TRY(kith_eat_bytes(&bytes, E2E_ACCOUNT_ID_BYTES, &account_id));
    if (bytes.len == 0) return KITH_E_MALFORMED;
    TRY(read_list(bytes, account_id.ptr, list));
    *out = (struct e2e_end){.list = *list, .device = e2e_device_find(*list, device_id)};
    return out->device != NULL && out->device->is_accepted ? KITH_OK : KITH_E_DENIED;
}

static kith_err begin_with(const struct e2e_random *random, const struct kith_slice *args, const struct e2e_self *self,
                           const struct e2e_end *them, struct kith_buf *out)
{
    const uint8_t *account_id = them->list->account_id;
    const uint64_t now_ms = e2e_tlv_u64(args[9]);
    const enum e2e_prekey_kind kem_kind = e2e_tlv_u8(args[7]) == 1 ? E2E_PREKEY_KEM_LR : E2E_PREKEY_KEM_OT;
    uint8_t suite = 0;
    struct e2e_prekey spk, kem, opk;
    const struct e2e_bundle bundle = {.spk = &spk, .kem = &kem, .opk = args[8].len > 0 ? &opk : NULL};
    struct e2e_session *session = NULL;
    kith_err err;

    TRY(e2e_suite_of(self->end.list, them->list, &suite)); /* of another one the bundle would have other keys */
    TRY(e2e_prekey_read(args[5], E2E_PREKEY_SPK, account_id, them->device, now_ms, &spk));
    TRY(e2e_prekey_read(args[6], kem_kind, account_id, them->device, now_ms, &kem));
    if (bundle.opk != NULL) TRY(e2e_prekey_read(args[8], E2E_PREKEY_OPK, account_id, them->device, now_ms, &opk));
    TRY(e2e_session_begin(random, self, them, &bundle, now_ms, &session));
    err = e2e_session_encode(session, out);
    e2e_session_free(session);
    return err;
}

OP(session_begin)
{
    struct e2e_device_list *ours = NULL, *theirs = NULL;
    struct e2e_self self = {.ddh_secret = args[2].ptr};
    struct e2e_end them = {0};
    kith_err err;

    NEED(1, 4);
    NEED(2, E2E_DH_BYTES);
    NEED(4, 4);
    NEED(7, 1);
    NEED(9, 8);
    err = read_end(args[0], e2e_tlv_u32(args[1]), &ours, &self.end);
    if (err == KITH_OK) err = read_end(args[3], e2e_tlv_u32(args[4]), &theirs, &them);
    if (err == KITH_OK) err = begin_with(random, args, &self, &them, out);
    free(ours);
    free(theirs);
    return err;
}

OP(message_setup)
{
    struct e2e_setup setup;

    TRY(e2e_message_setup(args[0], &setup));
    TRY(kith_buf_append_u32_be(out, setup.device_a));
    TRY(kith_buf_append_u32_be(out, setup.spk_id));
    TRY(kith_buf_append_u32_be(out, setup.opk_id));
    TRY(kith_buf_append_u32_be(out, setup.kem_id));
    TRY(kith_buf_append_u8(out, setup.kem_is_last ? 1 : 0));
    return kith_buf_append(out, kith_slice_of(setup.ek_pub, sizeof setup.ek_pub));
}

/* The state behind its length, then what came of the step. */
static kith_err put_step(const struct e2e_session *session, struct kith_slice result, struct kith_buf *out)
{
    struct kith_buf state;
    kith_err err;

    kith_buf_init(&state, E2E_SESSION_BYTES_MAX);
    err = e2e_session_encode(session, &state);
    if (err == KITH_OK) err = kith_buf_append_u32_be(out, (uint32_t)kith_buf_len(&state));
    if (err == KITH_OK) err = kith_buf_append(out, kith_buf_peek(&state));
    if (err == KITH_OK) err = kith_buf_append(out, result);
    kith_buf_wipe(&state);
    return err;
}

static void take_secret(struct kith_slice bytes, enum e2e_prekey_kind kind, uint32_t id, struct e2e_prekey_secret *out)
{
    *out = (struct e2e_prekey_secret){.kind = kind, .id = id};
    if (bytes.len > 0) memcpy(out->secret, bytes.ptr, bytes.len);
}

/* The private halves are those that the set-up names: which these are, message_setup has told the caller. */
static kith_err take_setup(const struct e2e_random *random, const struct kith_slice *args, const struct e2e_self *self,
                           const struct e2e_end *them, const struct e2e_setup *setup, struct kith_buf *out)
{
    struct e2e_prekey_secret spk, kem, opk;
    const struct e2e_setup_keys keys = {.spk = &spk, .kem = &kem, .opk = args[6].len > 0 ? &opk : NULL};
    struct e2e_session *session = NULL;
    struct kith_buf plain;
    kith_err err;

    take_secret(args[4], E2E_PREKEY_SPK, setup->spk_id, &spk);
    take_secret(args[5], setup->kem_is_last ? E2E_PREKEY_KEM_LR : E2E_PREKEY_KEM_OT, setup->kem_id, &kem);
    take_secret(args[6], E2E_PREKEY_OPK, setup->opk_id, &opk);
    kith_buf_init(&plain, MESSAGE_BYTES_MAX);
    err = e2e_session_accept(random, self, them, &keys, args[7], e2e_tlv_u64(args[8]), &session, &plain);
    if (err == KITH_OK) err = put_step(session, kith_buf_peek(&plain), out);
    kith_buf_wipe(&plain);
    e2e_session_free(session);
    e2e_wipe(&spk, sizeof spk);
    e2e_wipe(&kem, sizeof kem);
    e2e_wipe(&opk, sizeof opk);
    return err;
}

OP(session_accept)
{
    struct e2e_device_list *ours = NULL, *theirs = NULL;
    struct e2e_self self = {.ddh_secret = args[2].ptr};
    struct e2e_end them = {0};
    struct e2e_setup setup;
    kith_err err;

    NEED(1, 4);
    NEED(2, E2E_DH_BYTES);
    NEED(4, E2E_DH_BYTES);
    NEED(5, E2E_KEM_SEED_BYTES);
    if (args[6].len > 0) NEED(6, E2E_DH_BYTES);
    NEED(8, 8);
    TRY(e2e_message_setup(args[7], &setup));
    err = read_end(args[0], e2e_tlv_u32(args[1]), &ours, &self.end);
    if (err == KITH_OK) err = read_end(args[3], setup.device_a, &theirs, &them);
    if (err == KITH_OK) err = take_setup(random, args, &self, &them, &setup, out);
    free(ours);
    free(theirs);
    return err;
}

/* ---------------------------------------------------------------------------------------------- sessions go on */
typedef kith_err step_of(const struct e2e_random *random, struct e2e_session *session, struct kith_slice in,
                         uint64_t now_ms, struct kith_buf *out);

static kith_err run_step(step_of *step, const struct e2e_random *random, const struct kith_slice *args,
                         struct kith_buf *out)
{
    struct e2e_session *session = NULL;
    struct kith_buf result;
    kith_err err;

    NEED(2, 8);
    TRY(e2e_session_decode(args[0], &session));
    kith_buf_init(&result, MESSAGE_BYTES_MAX);
    err = step(random, session, args[1], e2e_tlv_u64(args[2]), &result);
    if (err == KITH_OK) err = put_step(session, kith_buf_peek(&result), out);
    kith_buf_wipe(&result);
    e2e_session_free(session);
    return err;
}

OP(session_encrypt)
{
    return run_step(e2e_session_encrypt, random, args, out);
}

OP(session_decrypt)
{
    return run_step(e2e_session_decrypt, random, args, out);
}

OP(session_encode)
{
    struct e2e_session *session = NULL;
    kith_err err;

    TRY(e2e_session_decode(args[0], &session));
    err = e2e_session_encode(session, out);
    e2e_session_free(session);
    return err;
}

static kith_err put_facts(const struct e2e_session *session, struct kith_buf *out)
{
    const struct e2e_session_facts facts = e2e_session_facts(session);

    TRY(kith_buf_append(out, kith_slice_of(e2e_session_transcript(session), E2E_HASH_BYTES)));
    TRY(kith_buf_append_u64_be(out, facts.created_ms));
    TRY(kith_buf_append_u64_be(out, facts.heard_ms));
    TRY(kith_buf_append_u8(out, facts.needs_step ? 1 : 0));
    return kith_buf_append_u8(out, facts.is_answered ? 1 : 0);
}

OP(session_facts)
{
    struct e2e_session *session = NULL;
    kith_err err;

    TRY(e2e_session_decode(args[0], &session));
    err = put_facts(session, out);
    e2e_session_free(session);
    return err;
}
