#include "keys_fixture.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/list_parts.h"
#include "wire/json_text.h"

#define OK(call) assert_int_equal(call, KITH_OK)

void fake_field_put(struct kith_buf *out, uint16_t tag, struct kith_slice value)
{
    OK(kith_buf_append_u16_be(out, tag));
    OK(kith_buf_append_u32_be(out, (uint32_t)value.len));
    OK(kith_buf_append(out, value));
}

static void put_number(struct kith_buf *out, uint16_t tag, uint64_t value, size_t width)
{
    uint8_t bytes[8];

    kith_put_u64_be(bytes, value);
    fake_field_put(out, tag, kith_slice_of(bytes + 8 - width, width));
}

/* Bytes that differ for each tag and `fill`. */
static void put_filler(struct kith_buf *out, uint16_t tag, uint64_t fill, size_t len)
{
    static uint8_t bytes[PREKEY_MLKEM_BYTES];

    assert_true(len <= sizeof bytes && len >= 10);
    memset(bytes, 0x5a, len);
    kith_put_u64_be(bytes, fill);
    kith_put_u16_be(bytes + 8, tag);
    fake_field_put(out, tag, kith_slice_of(bytes, len));
}

/* ------------------------------------------------------------------------------------------------ signed lists */

static void seed_of(const char *what, uint8_t number, struct kith_uuid of, uint8_t seed[static 32])
{
    struct kith_buf bytes;

    kith_buf_init(&bytes, 100);
    OK(kith_buf_append_str(&bytes, what));
    OK(kith_buf_append_u8(&bytes, number));
    OK(kith_buf_append(&bytes, kith_slice_of(of.raw, 16)));
    crypto_hash_sha256(seed, kith_buf_peek(&bytes).ptr, kith_buf_len(&bytes));
    kith_buf_deinit(&bytes);
}

static void signer_of(const char *what, uint8_t number, struct kith_uuid of, uint8_t secret[static 64],
                      uint8_t public[static 32])
{
    uint8_t seed[32];

    seed_of(what, number, of, seed);
    e2e_sign_keypair_from(seed, secret, public);
}

static void device_of(struct kith_uuid id, uint8_t dsk_secret[static 64], struct e2e_device *out)
{
    uint8_t seed[32];

    memcpy(out->server_device, id.raw, sizeof out->server_device);
    signer_of("dsk", 0, id, dsk_secret, out->dsk_pub);
    seed_of("ddh", 0, id, seed);
    e2e_dh_keypair_from(seed, out->ddh_pub);
    out->added_at_ms = 1000;
}

void made_device_secret(struct kith_uuid device, uint8_t dsk_secret[static 64])
{
    struct e2e_device unused;

    device_of(device, dsk_secret, &unused);
}

static void head_of(const struct made_list *made, uint8_t aik_secret[static 64], struct e2e_device_list *out)
{
    uint8_t ark_secret[64];

    memcpy(out->account_id, made->account.raw, sizeof out->account_id);
    signer_of("ark", made->root, made->account, ark_secret, out->ark_pub);
    signer_of("aik", made->aik, made->account, aik_secret, out->aik_pub);
    out->aik_counter = made->aik_counter == 0 ? 1 : made->aik_counter;
    OK(e2e_certify(ark_secret, out->account_id, out->aik_pub, out->aik_counter, out->certificate));
    out->seq = made->seq;
    if (made->prev_hash != NULL) memcpy(out->prev_hash, made->prev_hash, sizeof out->prev_hash);
    out->issued_at_ms = 1000 + made->fill;
    out->expires_at_ms = 2000 + made->fill;
    out->suites[0] = E2E_SUITE_PQ;
    out->suite_count = 1;
    out->removed_count = made->removed_count;
    for (uint32_t i = 0; i < made->removed_count; i++) out->removed[i] = made->removed[i];
}

static void put_accepts(struct kith_buf *out, const struct e2e_acceptance *accepts, uint32_t count)
{
    struct kith_buf items, item;

    kith_buf_init(&items, KITH_SIGNED_LIST_BYTES_MAX);
    kith_buf_init(&item, KITH_SIGNED_LIST_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        kith_buf_reset(&item);
        put_number(&item, 1, accepts[i].device_id, 4);
        fake_field_put(&item, 2, kith_slice_of(accepts[i].signature, 64));
        OK(e2e_tlv_append_item(&items, kith_buf_peek(&item)));
    }
    fake_field_put(out, 3, kith_buf_peek(&items));
    kith_buf_deinit(&items);
    kith_buf_deinit(&item);
}

void made_list_put(struct kith_buf *out, const struct made_list *made, uint8_t hash[32])
{
    static const uint8_t zeros[KITH_SIGNED_LIST_BYTES_MAX];
    struct e2e_acceptance accepts[E2E_DEVICES_MAX];
    struct e2e_device_list list = {.device_count = made->device_count};
    uint8_t aik_secret[64], dsk_secret[64], signature[64];
    struct kith_buf inner;

    assert_in_range(made->device_count, made->accept_count, E2E_DEVICES_MAX);
    kith_buf_init(&inner, 2 * KITH_SIGNED_LIST_BYTES_MAX);
    head_of(made, aik_secret, &list);
    for (uint32_t i = 0; i < made->device_count; i++) {
        device_of(made->devices[i], dsk_secret, &list.devices[i]);
        list.devices[i].device_id = accepts[i].device_id = i + 1;
        list.devices[i].is_manager = i == 0;
        OK(e2e_device_accept(dsk_secret, &list, &list.devices[i], accepts[i].signature));
    }
    OK(e2e_list_encode(&list, &inner));
    if (made->list_bytes > 0)
        fake_field_put(&inner, 0x8000, kith_slice_of(zeros, made->list_bytes - kith_buf_len(&inner) - 6));
    if (hash != NULL) crypto_hash_sha256(hash, kith_buf_peek(&inner).ptr, kith_buf_len(&inner));
    OK(e2e_sign(aik_secret, E2E_LABEL_DEVLIST, kith_buf_peek(&inner), signature));
    fake_field_put(out, 1, kith_buf_peek(&inner));
    fake_field_put(out, 2, kith_slice_of(signature, sizeof signature));
    if (made->accept_count > 0) put_accepts(out, accepts, made->accept_count);
    kith_buf_deinit(&inner);
}

static void prekey_put(struct kith_buf *out, uint32_t id, size_t public_bytes, uint64_t fill, uint64_t ends_ms)
{
    put_number(out, 1, id, 4);
    put_filler(out, 2, fill, public_bytes);
    put_number(out, 3, ends_ms, 8);
    put_filler(out, 4, fill, 64);
}

void fake_prekey_put(struct kith_buf *out, uint32_t id, size_t public_bytes, uint64_t fill)
{
    prekey_put(out, id, public_bytes, fill, UINT64_MAX);
}

/* ------------------------------------------------------------------------------------------------ uploads */

void upload_begin(struct kith_buf *json)
{
    kith_buf_init(json, 1u << 20);
    OK(kith_buf_append_str(json, "{"));
}

static void put_name(struct kith_buf *json, const char *name)
{
    OK(kith_buf_printf(json, "%s\"%s\":", kith_buf_len(json) == 1 ? "" : ",", name));
}

void upload_bytes(struct kith_buf *json, const char *name, struct kith_slice bytes)
{
    put_name(json, name);
    OK(json_put_base64(json, bytes));
}

void upload_true(struct kith_buf *json, const char *name)
{
    put_name(json, name);
    OK(kith_buf_append_str(json, "true"));
}

void upload_prekey(struct kith_buf *json, const char *name, uint32_t id, size_t public_bytes, uint64_t fill)
{
    struct kith_buf prekey;

    kith_buf_init(&prekey, KITH_PREKEY_BYTES_MAX);
    fake_prekey_put(&prekey, id, public_bytes, fill);
    upload_bytes(json, name, kith_buf_peek(&prekey));
    kith_buf_deinit(&prekey);
}

void upload_prekeys(struct kith_buf *json, const char *name, uint32_t first, uint32_t count, size_t public_bytes,
                    uint64_t fill)
{
    upload_prekeys_ending(json, name, first, count, public_bytes, fill, UINT64_MAX);
}

void upload_prekeys_ending(struct kith_buf *json, const char *name, uint32_t first, uint32_t count, size_t public_bytes,
                           uint64_t fill, uint64_t ends_ms)
{
    struct kith_buf prekey;

    kith_buf_init(&prekey, KITH_PREKEY_BYTES_MAX);
    put_name(json, name);
    for (uint32_t i = 0; i < count; i++) {
        kith_buf_reset(&prekey);
        prekey_put(&prekey, first + i, public_bytes, fill + first + i, ends_ms);
        OK(kith_buf_append_str(json, i == 0 ? "[" : ","));
        OK(json_put_base64(json, kith_buf_peek(&prekey)));
    }
    OK(kith_buf_append_str(json, count == 0 ? "[]" : "]"));
    kith_buf_deinit(&prekey);
}

const char *upload_end(struct kith_buf *json)
{
    OK(kith_buf_append_str(json, "}"));
    OK(kith_buf_append_u8(json, 0));
    return (const char *)kith_buf_peek(json).ptr;
}

/* ------------------------------------------------------------------------------------------------ requests */

struct kith_uuid uuid_of(const char *text)
{
    struct kith_uuid id;

    assert_int_equal(kith_uuid_parse(kith_slice_str(text), &id), KITH_OK);
    return id;
}

struct reply *send_keys(struct afx *fx, const struct person *who, struct kith_buf *json)
{
    struct reply *reply = afx_start(fx, "PUT", "/devices/me/keys", who->access, upload_end(json));

    reply_wait(reply);
    kith_buf_deinit(json);
    return reply;
}

struct reply *send_signed(struct afx *fx, const struct person *who, struct kith_slice signed_list)
{
    struct kith_buf json;

    upload_begin(&json);
    upload_bytes(&json, "list", signed_list);
    return send_keys(fx, who, &json);
}

struct reply *send_made(struct afx *fx, const struct person *who, const struct made_list *list, uint8_t hash[32])
{
    struct kith_buf bytes;
    struct reply *reply;

    kith_buf_init(&bytes, KITH_SIGNED_LIST_BYTES_MAX);
    made_list_put(&bytes, list, hash);
    reply = send_signed(fx, who, kith_buf_peek(&bytes));
    kith_buf_deinit(&bytes);
    return reply;
}

struct reply *send_list(struct afx *fx, const struct person *who, uint64_t seq, const uint8_t *prev,
                        uint32_t accept_count, uint8_t fill, uint8_t hash[32])
{
    struct kith_uuid devices[] = {uuid_of(who->device)};
    struct made_list list = {.account = uuid_of(who->user),
                             .seq = seq,
                             .prev_hash = prev,
                             .devices = devices,
                             .device_count = 1,
                             .accept_count = accept_count,
                             .fill = fill};

    return send_made(fx, who, &list, hash);
}

struct reply *devices_of(struct afx *fx, const struct person *by, const char *user)
{
    char target[80];

    (void)snprintf(target, sizeof target, "/users/%s/devices", user);
    return afx_ask(fx, "GET", target, by->access, NULL);
}

void expect_counts(struct reply *reply, json_int_t list_seq, json_int_t opks, json_int_t kem_ots)
{
    (void)expect_kept(reply, 200, NULL);
    assert_int_equal(reply_int(reply, "list_seq"), list_seq);
    assert_int_equal(reply_int(reply, "opk_count"), opks);
    assert_int_equal(reply_int(reply, "kem_ot_count"), kem_ots);
    reply_free(reply);
}

void expect_refused(struct reply *reply, unsigned status, const char *code, const char *pointer)
{
    (void)expect_kept(reply, status, code);
    assert_string_equal(reply_str(reply, "pointer"), pointer);
    reply_free(reply);
}

uint64_t fresh_fill(void)
{
    static uint64_t fill;

    return fill += 1000;
}

void leave_these(struct afx *fx, const struct person *who, uint32_t opks, uint32_t kem_ots, uint64_t fill, bool lasting)
{
    struct kith_buf json;

    upload_begin(&json);
    if (lasting) upload_prekey(&json, "spk", 1, PREKEY_X25519_BYTES, fill + 1);
    if (lasting) upload_prekey(&json, "kem_lr", 2, PREKEY_MLKEM_BYTES, fill + 2);
    upload_prekeys(&json, "opks", 100, opks, PREKEY_X25519_BYTES, fill);
    upload_prekeys(&json, "kem_ots", 100, kem_ots, PREKEY_MLKEM_BYTES, fill);
    expect(send_keys(fx, who, &json), 200, NULL);
}

void leave_keys(struct afx *fx, const struct person *who, uint32_t opks, uint32_t kem_ots)
{
    leave_these(fx, who, opks, kem_ots, fresh_fill(), true);
}

struct reply *claim(struct afx *fx, const struct person *by, const struct person *of)
{
    return afx_ask(fx, "POST", "/keys/claim", by->access, "{\"devices\":[{\"user_id\":\"%s\",\"device_id\":\"%s\"}]}",
                   of->user, of->device);
}

static uint32_t id_at(const struct reply *reply, const char *path, size_t public_bytes)
{
    uint8_t bytes[KITH_PREKEY_BYTES_MAX];
    struct e2e_prekey prekey;
    size_t len = 0;
    json_t *value = reply_at(reply, path);

    if (value == NULL) return 0;
    assert_int_equal(sodium_base642bin(bytes, sizeof bytes, json_string_value(value), json_string_length(value), NULL,
                                       &len, NULL, sodium_base64_VARIANT_ORIGINAL),
                     0);
    OK(e2e_prekey_parse(kith_slice_of(bytes, len),
                        public_bytes == PREKEY_MLKEM_BYTES ? E2E_PREKEY_KEM_OT : E2E_PREKEY_OPK, &prekey));
    return prekey.id;
}

struct got got_of(struct reply *reply)
{
    struct got got;

    (void)expect_kept(reply, 200, NULL);
    assert_int_equal(json_array_size(reply_at(reply, "bundles")), 1);
    assert_int_equal(json_array_size(reply_at(reply, "missing")), 0);
    got = (struct got){.spk = id_at(reply, "bundles/0/spk", PREKEY_X25519_BYTES),
                       .kem = id_at(reply, "bundles/0/kem", PREKEY_MLKEM_BYTES),
                       .opk = id_at(reply, "bundles/0/opk", PREKEY_X25519_BYTES),
                       .is_last = reply_bool(reply, "bundles/0/kem_last_resort")};
    reply_free(reply);
    return got;
}

void befriend(struct afx *fx, const struct person *asks, const struct person *accepts, bool encrypted)
{
    char members[64], target[80];

    (void)snprintf(members, sizeof members, "[\"%s\"]", accepts->user);
    (void)snprintf(target, sizeof target, "/chats/%s/accept", afx_chat(fx, asks, "direct", encrypted, members));
    expect(afx_ask(fx, "POST", target, accepts->access, NULL), 200, NULL);
}

struct reply *say(struct afx *fx, const struct person *by, const struct person *to, const char *chat,
                  json_int_t list_seq)
{
    return afx_ask(fx, "POST", "/messages", by->access,
                   "{\"chat_id\":\"%s\",\"msg_id\":\"%s\",\"encrypted\":true,"
                   "\"bodies\":[{\"device_id\":\"%s\",\"content\":\"aGk=\"}],"
                   "\"device_lists\":[{\"user_id\":\"%s\",\"list_seq\":1},"
                   "{\"user_id\":\"%s\",\"list_seq\":%lld}]}",
                   chat, afx_msg_id(fx), to->device, by->user, to->user, (long long)list_seq);
}
