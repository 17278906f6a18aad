#include <stdlib.h>

#include "libkith/e2ee/list_parts.h"
#include "tests/unit/kith1_run.h"

/* Steps of tests/vectors/kith1_*.json: certificates, acceptances, lists, prekeys. */

#define OP(name) static kith1_refusal op_##name(struct kith1_run *run, const json_t *args, json_t *out)

static void secret_of(struct kith1_run *run, const json_t *args, const char *name,
                      uint8_t secret[static E2E_SIGN_SECRET_BYTES])
{
    uint8_t public[E2E_SIGN_PUBLIC_BYTES];

    e2e_sign_keypair_from(kith1_fixed(run, args, name, E2E_SIGN_SEED_BYTES), secret, public);
}

static void take(struct kith1_run *run, const json_t *args, const char *name, uint8_t *out, size_t len)
{
    memcpy(out, kith1_fixed(run, args, name, len), len);
}

OP(certify)
{
    uint8_t ark_secret[E2E_SIGN_SECRET_BYTES], signature[E2E_SIGNATURE_BYTES];
    kith_err err;

    secret_of(run, args, "ark_seed", ark_secret);
    err = e2e_certify(ark_secret, kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES),
                      kith1_fixed(run, args, "aik_pub", E2E_SIGN_PUBLIC_BYTES), kith1_u32(args, "aik_counter"),
                      signature);
    kith1_out(out, "signature", kith_slice_of(signature, sizeof signature));
    return kith1_refusal_of(err);
}

static void take_identity(struct kith1_run *run, const json_t *args, struct e2e_device_list *list)
{
    take(run, args, "account_id", list->account_id, sizeof list->account_id);
    take(run, args, "ark_pub", list->ark_pub, sizeof list->ark_pub);
    take(run, args, "aik_pub", list->aik_pub, sizeof list->aik_pub);
}

static void take_device(struct kith1_run *run, const json_t *args, struct e2e_device *device)
{
    device->device_id = kith1_u32(args, "device_id");
    take(run, args, "server_device", device->server_device, sizeof device->server_device);
    take(run, args, "dsk_pub", device->dsk_pub, sizeof device->dsk_pub);
    take(run, args, "ddh_pub", device->ddh_pub, sizeof device->ddh_pub);
    device->added_at_ms = kith1_number(args, "added_at");
    device->is_manager = kith1_number(args, "manager") == 1;
}

OP(acceptance)
{
    struct e2e_device_list *list = kith1_lend(run, sizeof *list);
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES], signature[E2E_SIGNATURE_BYTES];
    struct e2e_device device = {0};
    struct kith_buf bytes;
    kith_err err;

    secret_of(run, args, "dsk_seed", dsk_secret);
    take_identity(run, args, list);
    take_device(run, args, &device);
    kith_buf_init(&bytes, E2E_LIST_BYTES_MAX);
    err = e2e_device_accept(dsk_secret, list, &device, signature);
    if (err == KITH_OK) err = e2e_list_acceptance_encode(list, &device, &bytes);
    kith1_out(out, "encoding", kith_buf_peek(&bytes));
    kith1_out(out, "signature", kith_slice_of(signature, sizeof signature));
    kith_buf_deinit(&bytes);
    return kith1_refusal_of(err);
}

/* ---------------------------------------------------------------------------------------------- making a list */
static void take_list(struct kith1_run *run, const json_t *args, struct e2e_device_list *list)
{
    const json_t *devices = json_object_get(args, "devices"), *removed = json_object_get(args, "removed");
    const struct kith_slice suites = kith1_bytes(run, args, "suites");

    take_identity(run, args, list);
    list->aik_counter = kith1_u32(args, "aik_counter");
    take(run, args, "certificate", list->certificate, sizeof list->certificate);
    list->seq = kith1_number(args, "seq");
    if (json_object_get(args, "prev_hash") != NULL) take(run, args, "prev_hash", list->prev_hash, E2E_HASH_BYTES);
    list->issued_at_ms = kith1_number(args, "issued_at");
    list->expires_at_ms = kith1_number(args, "expires_at");
    kith1_need(suites.len <= E2E_SUITES_MAX && json_array_size(devices) <= E2E_DEVICES_MAX &&
                   json_array_size(removed) <= E2E_REMOVED_MAX,
               "a list that is too long to be made");
    memcpy(list->suites, suites.ptr, suites.len);
    list->suite_count = (uint32_t)suites.len;
    list->device_count = (uint32_t)json_array_size(devices);
    for (uint32_t i = 0; i < list->device_count; i++) take_device(run, json_array_get(devices, i), &list->devices[i]);
    list->removed_count = (uint32_t)json_array_size(removed);
    for (uint32_t i = 0; i < list->removed_count; i++)
        list->removed[i] = (uint32_t)json_integer_value(json_array_get(removed, i));
}

OP(make_list)
{
    struct e2e_device_list *list = kith1_lend(run, sizeof *list);
    struct e2e_acceptance accepts[E2E_DEVICES_MAX];
    const json_t *items = json_object_get(args, "accepts");
    uint8_t aik_secret[E2E_SIGN_SECRET_BYTES], hash[E2E_HASH_BYTES];
    struct e2e_list_signed parts = {0};
    struct kith_buf bytes;
    kith_err err;

    take_list(run, args, list);
    secret_of(run, args, "aik_seed", aik_secret);
    kith1_need(json_array_size(items) <= E2E_DEVICES_MAX, "too many acceptances");
    for (size_t i = 0; i < json_array_size(items); i++) {
        accepts[i].device_id = kith1_u32(json_array_get(items, i), "device_id");
        take(run, json_array_get(items, i), "signature", accepts[i].signature, E2E_SIGNATURE_BYTES);
    }
    kith_buf_init(&bytes, E2E_SIGNED_LIST_BYTES_MAX);
    err = e2e_device_list_sign(list, aik_secret, accepts, json_array_size(items), &bytes);
    if (err == KITH_OK) err = e2e_list_signed_decode(kith_buf_peek(&bytes), &parts);
    if (err == KITH_OK) {
        e2e_sha256(&parts.list, 1, hash);
        kith1_out(out, "list", parts.list);
        kith1_out(out, "hash", kith_slice_of(hash, sizeof hash));
        kith1_out(out, "signature", parts.signature);
        kith1_out(out, "signed", kith_buf_peek(&bytes));
    }
    kith_buf_deinit(&bytes);
    return kith1_refusal_of(err);
}

/* ---------------------------------------------------------------------------------------------- reading lists */
static bool is_in_time(const struct kith1_pin *pin, uint32_t device_id)
{
    for (size_t i = 0; i < pin->in_time_count; i++)
        if (pin->in_time[i] == device_id) return true;
    return false;
}

bool kith1_may_begin(const struct kith1_pin *pin, const struct e2e_device *device, uint64_t now_ms)
{
    return device->is_accepted && (now_ms < pin->list->expires_at_ms || is_in_time(pin, device->device_id));
}

static void out_may_begin(const struct kith1_pin *pin, uint64_t now_ms, json_t *out)
{
    json_t *ids = json_array();

    for (uint32_t i = 0; i < pin->list->device_count; i++)
        if (kith1_may_begin(pin, &pin->list->devices[i], now_ms))
            json_array_append_new(ids, json_integer(pin->list->devices[i].device_id));
    json_object_set_new(out, "may_begin", ids);
}

/* Only now anything that is pinned changes. */
static void pin_list(struct kith1_pin *pin, const struct e2e_device_list *list, uint64_t now_ms)
{
    if (pin->list == NULL) pin->list = malloc(sizeof *pin->list);
    kith1_need(pin->list != NULL, "no memory");
    *pin->list = *list;
    for (uint32_t i = 0; now_ms < list->expires_at_ms && i < list->device_count; i++) {
        if (is_in_time(pin, list->devices[i].device_id)) continue;
        kith1_need(pin->in_time_count < KITH1_IDS_MAX, "too many devices");
        pin->in_time[pin->in_time_count++] = list->devices[i].device_id;
    }
}

OP(read_list)
{
    static const kith1_refusal refusals[] = {
        [E2E_LIST_GAP] = "GAP",           [E2E_LIST_STALE] = "STALE",       [E2E_LIST_FORK] = "FORK",
        [E2E_LIST_IDENTITY] = "IDENTITY", [E2E_LIST_ROLLBACK] = "ROLLBACK", [E2E_LIST_REUSED] = KITH1_REFUSED,
    };
    const uint8_t *account_id = kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES);
    struct e2e_device_list *list = kith1_lend(run, sizeof *list);
    struct kith1_pin *pin = kith1_pin(run, account_id);
    json_t *usable;
    kith1_refusal refusal;

    if (e2e_device_list_read(kith1_bytes(run, args, "signed"), account_id, list) != KITH_OK) return KITH1_REFUSED;
    refusal = refusals[e2e_device_list_compare(pin->list, list)];
    if (refusal != NULL) return refusal;
    pin_list(pin, list, kith1_number(args, "now"));
    kith1_out_number(out, "seq", list->seq);
    kith1_out(out, "hash", kith_slice_of(list->hash, sizeof list->hash));
    usable = json_array();
    for (uint32_t i = 0; i < list->device_count; i++)
        if (list->devices[i].is_accepted) json_array_append_new(usable, json_integer(list->devices[i].device_id));
    json_object_set_new(out, "usable", usable);
    out_may_begin(pin, kith1_number(args, "now"), out);
    return NULL;
}

OP(may_begin)
{
    const struct kith1_pin *pin = kith1_pin(run, kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES));

    kith1_need(pin->list != NULL, "nothing is pinned");
    out_may_begin(pin, kith1_number(args, "now"), out);
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- prekeys */
static enum e2e_prekey_kind kind_of(const json_t *args, enum e2e_label *label)
{
    static const struct {
        enum e2e_label label;
        enum e2e_prekey_kind kind;
    } kinds[] = {{E2E_LABEL_SPK, E2E_PREKEY_SPK},
                 {E2E_LABEL_OPK, E2E_PREKEY_OPK},
                 {E2E_LABEL_KEM_OT, E2E_PREKEY_KEM_OT},
                 {E2E_LABEL_KEM_LR, E2E_PREKEY_KEM_LR}};
    const char *text = json_string_value(json_object_get(args, "kind"));

    kith1_need(text != NULL && e2e_label_find(kith_slice_str(text), label) == KITH_OK, "no kind of prekey");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].label == *label) return kinds[i].kind;
    kith1_need(false, "no kind of prekey");
    return E2E_PREKEY_SPK;
}

static struct kith_slice public_of(const struct e2e_prekey *prekey)
{
    return kith_slice_of(prekey->public, e2e_prekey_is_kem(prekey->kind) ? E2E_KEM_PUBLIC_BYTES : E2E_DH_BYTES);
}

/* Its coins are the id and the secret. */
static void lend_coins(struct kith1_run *run, const json_t *args)
{
    const struct kith_slice secret = kith1_bytes(run, args, "secret");
    uint8_t *coins = kith1_lend(run, 4 + secret.len);

    kith_put_u32_be(coins, kith1_u32(args, "id"));
    memcpy(coins + 4, secret.ptr, secret.len);
    run->coins = kith_slice_of(coins, 4 + secret.len);
}

/* What is signed is not shown by the library: it is as known when the signature of it holds. */
static kith_err out_signed(struct kith1_run *run, const struct e2e_device *device, enum e2e_label label,
                           struct kith_slice prekey, json_t *out)
{
    const struct kith_slice encoding = kith1_bytes(run, run->expected, "encoding");
    kith_err err;

    if (prekey.len < E2E_SIGNATURE_BYTES) return KITH_E_MALFORMED;
    err = e2e_verify(device->dsk_pub, label, encoding, prekey.ptr + prekey.len - E2E_SIGNATURE_BYTES);
    kith1_out(out, "encoding", encoding);
    return err;
}

OP(make_prekey)
{
    const uint8_t *account_id = kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES);
    struct e2e_device device = {.device_id = kith1_u32(args, "device_id"), .is_accepted = true};
    enum e2e_label label = E2E_LABEL_SPK;
    const enum e2e_prekey_kind kind = kind_of(args, &label);
    uint8_t dsk_secret[E2E_SIGN_SECRET_BYTES];
    struct e2e_prekey_secret secret = {0};
    struct e2e_prekey prekey = {0};
    struct kith_buf bytes;
    kith_err err;

    e2e_sign_keypair_from(kith1_fixed(run, args, "dsk_seed", E2E_SIGN_SEED_BYTES), dsk_secret, device.dsk_pub);
    lend_coins(run, args);
    kith_buf_init(&bytes, E2E_PREKEY_BYTES_MAX);
    err = e2e_prekey_new(&run->random, account_id, device.device_id, dsk_secret, kind, kith1_number(args, "expires_at"),
                         &secret, &bytes);
    if (err == KITH_OK) err = e2e_prekey_read(kith_buf_peek(&bytes), kind, account_id, &device, 0, &prekey);
    if (err == KITH_OK) err = out_signed(run, &device, label, kith_buf_peek(&bytes), out);
    if (err == KITH_OK) {
        kith1_out(out, "public", public_of(&prekey));
        kith1_out(out, "prekey", kith_buf_peek(&bytes));
    }
    kith_buf_deinit(&bytes);
    return kith1_refusal_of(err);
}

OP(check_prekey)
{
    struct e2e_device device = {.device_id = kith1_u32(args, "device_id"), .is_accepted = true};
    enum e2e_label label = E2E_LABEL_SPK;
    struct e2e_prekey prekey = {0};
    kith_err err;

    take(run, args, "dsk_pub", device.dsk_pub, sizeof device.dsk_pub);
    err = e2e_prekey_read(kith1_bytes(run, args, "prekey"), kind_of(args, &label),
                          kith1_fixed(run, args, "account_id", E2E_ACCOUNT_ID_BYTES), &device,
                          kith1_number(args, "now"), &prekey);
    if (err != KITH_OK) return KITH1_REFUSED;
    kith1_out_number(out, "id", prekey.id);
    kith1_out(out, "public", public_of(&prekey));
    kith1_out_number(out, "expires_at", prekey.expires_at_ms);
    return NULL;
}

kith1_op *kith1_list_op(const char *name)
{
    static const struct {
        const char *name;
        kith1_op *op;
    } ops[] = {{"certify", op_certify},          {"acceptance", op_acceptance}, {"make_list", op_make_list},
               {"read_list", op_read_list},      {"may_begin", op_may_begin},   {"make_prekey", op_make_prekey},
               {"check_prekey", op_check_prekey}};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return ops[i].op;
    return NULL;
}
