#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/crypto/secret.h"
#include "tests/e2e_world.h"

static const enum e2e_prekey_kind kinds[WORLD_KEYS_COUNT] = {E2E_PREKEY_SPK, E2E_PREKEY_OPK, E2E_PREKEY_KEM_OT,
                                                             E2E_PREKEY_KEM_LR};

static struct world_party *party_new(uint64_t seed)
{
    struct world_party *party = malloc(sizeof *party);

    assert_non_null(party);
    world_party_init(party, seed);
    return party;
}

static void party_free(struct world_party *party)
{
    world_party_deinit(party);
    free(party);
}

/* Reads `bytes` as the party's; what is refused leaves zeros. */
static kith_err read_as(const struct world_party *party, struct kith_slice bytes, enum e2e_prekey_kind kind,
                        uint64_t now_ms)
{
    struct e2e_prekey out;
    kith_err err;

    memset(&out, 0x5a, sizeof out);
    err = e2e_prekey_read(bytes, kind, party->account_id, &party->list.devices[0], now_ms, &out);
    if (err != KITH_OK) assert_true(e2e_ct_is_zero((const uint8_t *)&out, sizeof out));
    return err;
}

static void test_e2e_prekey__what_is_read_fits_the_secret(void **state)
{
    struct world_party *party = party_new(1);
    uint8_t public[E2E_KEM_PUBLIC_BYTES], long_form[E2E_KEM_SECRET_BYTES];

    (void)state;
    for (int i = 0; i < WORLD_KEYS_COUNT; i++) {
        const bool is_kem = e2e_prekey_is_kem(kinds[i]);
        assert_int_equal(party->prekeys[i].kind, kinds[i]);
        assert_int_equal(party->secrets[i].kind, kinds[i]);
        assert_int_not_equal(party->prekeys[i].id, 0);
        assert_int_equal(party->prekeys[i].id, party->secrets[i].id);
        assert_true(party->prekeys[i].expires_at_ms == WORLD_NOW + 1000);
        if (is_kem)
            e2e_kem_keypair_from(party->secrets[i].secret, long_form, public);
        else
            e2e_dh_keypair_from(party->secrets[i].secret, public);
        assert_memory_equal(party->prekeys[i].public, public, is_kem ? E2E_KEM_PUBLIC_BYTES : E2E_DH_BYTES);
    }
    party_free(party);
}

static void test_e2e_prekey__one_kind_is_not_read_as_another(void **state)
{
    struct world_party *party = party_new(2);

    (void)state;
    for (int i = 0; i < WORLD_KEYS_COUNT; i++) {
        for (int j = 0; j < WORLD_KEYS_COUNT; j++) {
            const kith_err expected = i == j                                                       ? KITH_OK
                                      : e2e_prekey_is_kem(kinds[i]) == e2e_prekey_is_kem(kinds[j]) ? KITH_E_DENIED
                                                                                                   : KITH_E_MALFORMED;
            assert_int_equal(read_as(party, kith_buf_peek(&party->prekey_bytes[i]), kinds[j], WORLD_NOW), expected);
        }
    }
    party_free(party);
}

static void test_e2e_prekey__is_of_its_account_and_device_only(void **state)
{
    struct world_party *party = party_new(3), *other = party_new(4);
    const struct kith_slice bytes = kith_buf_peek(&party->prekey_bytes[0]);
    struct e2e_device device = party->list.devices[0];
    struct e2e_prekey out;

    (void)state;
    assert_int_equal(e2e_prekey_read(bytes, E2E_PREKEY_SPK, other->account_id, &device, WORLD_NOW, &out),
                     KITH_E_DENIED);
    assert_int_equal(read_as(other, bytes, E2E_PREKEY_SPK, WORLD_NOW), KITH_E_DENIED);
    device.device_id ^= 1;
    assert_int_equal(e2e_prekey_read(bytes, E2E_PREKEY_SPK, party->account_id, &device, WORLD_NOW, &out),
                     KITH_E_DENIED);
    device.device_id ^= 1;
    device.is_accepted = false; /* such a device is not used at all */
    assert_int_equal(e2e_prekey_read(bytes, E2E_PREKEY_SPK, party->account_id, &device, WORLD_NOW, &out),
                     KITH_E_DENIED);
    device.is_accepted = true;
    assert_int_equal(e2e_prekey_read(bytes, E2E_PREKEY_SPK, party->account_id, &device, WORLD_NOW, &out), KITH_OK);
    party_free(party);
    party_free(other);
}

static void test_e2e_prekey__ends_at_its_time(void **state)
{
    struct world_party *party = party_new(5);

    (void)state;
    for (int i = 0; i < WORLD_KEYS_COUNT; i++) {
        const struct kith_slice bytes = kith_buf_peek(&party->prekey_bytes[i]);
        assert_int_equal(read_as(party, bytes, kinds[i], WORLD_NOW + 999), KITH_OK);
        assert_int_equal(read_as(party, bytes, kinds[i], WORLD_NOW + 1000), KITH_E_DENIED);
    }
    party_free(party);
}

static void test_e2e_prekey__refuses_every_short_prefix_and_every_flipped_bit(void **state)
{
    struct world_party *party = party_new(6);

    (void)state;
    for (int i = 0; i < WORLD_KEYS_COUNT; i += 2) {
        struct kith_buf *bytes = &party->prekey_bytes[i];
        for (size_t len = 0; len < kith_buf_len(bytes); len++)
            assert_int_equal(read_as(party, kith_slice_of(bytes->ptr, len), kinds[i], WORLD_NOW), KITH_E_MALFORMED);
        for (size_t bit = 0; bit < 8 * kith_buf_len(bytes); bit++) {
            bytes->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_not_equal(read_as(party, kith_buf_peek(bytes), kinds[i], WORLD_NOW), KITH_OK);
            bytes->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    party_free(party);
}

/* A prekey with this id and public key, signed as it should be. */
static kith_err read_made(const struct world_party *party, enum e2e_prekey_kind kind, uint32_t id,
                          const uint8_t *public)
{
    const size_t public_bytes = e2e_prekey_is_kem(kind) ? E2E_KEM_PUBLIC_BYTES : E2E_DH_BYTES;
    uint8_t signature[E2E_SIGNATURE_BYTES];
    struct e2e_tlv_writer writer;
    struct kith_buf bytes, out;
    kith_err err;

    kith_buf_init(&bytes, E2E_PREKEY_BYTES_MAX);
    writer = e2e_tlv_writer_of(&bytes);
    e2e_tlv_put(&writer, 1, kith_slice_of(party->account_id, E2E_ACCOUNT_ID_BYTES));
    e2e_tlv_put_u32(&writer, 2, party->list.devices[0].device_id);
    e2e_tlv_put_u32(&writer, 3, id);
    e2e_tlv_put(&writer, 4, kith_slice_of(public, public_bytes));
    e2e_tlv_put_u64(&writer, 5, WORLD_NOW + 1);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    assert_int_equal(e2e_sign(party->dsk_secret, kind == E2E_PREKEY_SPK ? E2E_LABEL_SPK : E2E_LABEL_KEM_LR,
                              kith_buf_peek(&bytes), signature),
                     KITH_OK);
    kith_buf_init(&out, E2E_PREKEY_BYTES_MAX);
    writer = e2e_tlv_writer_of(&out);
    e2e_tlv_put_u32(&writer, 1, id);
    e2e_tlv_put(&writer, 2, kith_slice_of(public, public_bytes));
    e2e_tlv_put_u64(&writer, 3, WORLD_NOW + 1);
    e2e_tlv_put(&writer, 4, kith_slice_of(signature, sizeof signature));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    err = read_as(party, kith_buf_peek(&out), kind, WORLD_NOW);
    kith_buf_deinit(&bytes);
    kith_buf_deinit(&out);
    return err;
}

static void test_e2e_prekey__a_signature_does_not_make_a_bad_key_good(void **state)
{
    struct world_party *party = party_new(7);
    uint8_t public[E2E_KEM_PUBLIC_BYTES];

    (void)state;
    memcpy(public, world_prekey(party, E2E_PREKEY_SPK)->public, E2E_DH_BYTES);
    assert_int_equal(read_made(party, E2E_PREKEY_SPK, 1, public), KITH_OK);
    assert_int_equal(read_made(party, E2E_PREKEY_SPK, 0, public), KITH_E_MALFORMED);
    public[31] |= 0x80;
    assert_int_equal(read_made(party, E2E_PREKEY_SPK, 1, public), KITH_E_MALFORMED);
    memset(public, 0, E2E_DH_BYTES);
    assert_int_equal(read_made(party, E2E_PREKEY_SPK, 1, public), KITH_E_MALFORMED);
    memcpy(public, world_prekey(party, E2E_PREKEY_KEM_LR)->public, E2E_KEM_PUBLIC_BYTES);
    assert_int_equal(read_made(party, E2E_PREKEY_KEM_LR, 1, public), KITH_OK);
    memset(public, 0xff, 3);
    assert_int_equal(read_made(party, E2E_PREKEY_KEM_LR, 1, public), KITH_E_MALFORMED);
    party_free(party);
}

/* First two draws of an id give 0. */
static void zeros_first(void *arg, void *out, size_t len)
{
    unsigned *calls = arg;

    memset(out, (*calls)++ < 2 ? 0 : 9, len);
}

static void test_e2e_prekey__its_id_is_never_zero_and_drawn_before_the_secret(void **state)
{
    struct world_party *party = party_new(8);
    unsigned calls = 0;
    const struct e2e_random random = {.fill = zeros_first, .arg = &calls};
    struct e2e_prekey_secret secret;
    struct kith_buf out;

    (void)state;
    kith_buf_init(&out, E2E_PREKEY_BYTES_MAX);
    assert_int_equal(e2e_prekey_new(&random, party->account_id, 1, party->dsk_secret, E2E_PREKEY_OPK, 1, &secret, &out),
                     KITH_OK);
    assert_int_equal(secret.id, 0x09090909);
    assert_int_equal(calls, 4);
    kith_buf_deinit(&out);
    party_free(party);
}

static void test_e2e_prekey__a_full_buffer_leaves_nothing(void **state)
{
    struct world_party *party = party_new(9);
    struct e2e_prekey_secret secret, before;
    struct kith_buf out;

    (void)state;
    memset(&before, 0x5a, sizeof before);
    for (size_t room = 0; room < kith_buf_len(&party->prekey_bytes[0]); room++) {
        secret = before;
        kith_buf_init(&out, room);
        assert_int_equal(
            e2e_prekey_new(&party->random, party->account_id, 1, party->dsk_secret, E2E_PREKEY_SPK, 1, &secret, &out),
            KITH_E_TOOBIG);
        assert_int_equal(kith_buf_len(&out), 0);
        assert_memory_equal(&secret, &before, sizeof before);
        kith_buf_deinit(&out);
    }
    party_free(party);
}

/* ---------------------------------------------------------------------------------------------- its form only */
static kith_err parse_as(struct kith_slice bytes, enum e2e_prekey_kind kind, struct e2e_prekey *out)
{
    kith_err err;

    memset(out, 0x5a, sizeof *out);
    err = e2e_prekey_parse(bytes, kind, out);
    if (err != KITH_OK) assert_true(e2e_ct_is_zero((const uint8_t *)out, sizeof *out));
    return err;
}

static void test_e2e_prekey__its_form_is_read_without_its_device(void **state)
{
    struct world_party *party = party_new(1);
    struct e2e_prekey out;

    (void)state;
    for (int i = 0; i < WORLD_KEYS_COUNT; i++) {
        struct kith_slice whole = kith_buf_peek(&party->prekey_bytes[i]);
        assert_int_equal(parse_as(whole, kinds[i], &out), KITH_OK);
        assert_memory_equal(&out, &party->prekeys[i], sizeof out);
        for (size_t len = 0; len < whole.len; len++)
            assert_int_equal(parse_as(kith_slice_of(whole.ptr, len), kinds[i], &out), KITH_E_MALFORMED);
        for (int j = 0; j < WORLD_KEYS_COUNT; j++)
            assert_int_equal(parse_as(whole, kinds[j], &out),
                             e2e_prekey_is_kem(kinds[i]) == e2e_prekey_is_kem(kinds[j]) ? KITH_OK : KITH_E_MALFORMED);
        party->prekey_bytes[i].ptr[whole.len - 1] ^= 1; /* of its signature */
        assert_int_equal(parse_as(whole, kinds[i], &out), KITH_OK);
        memset(party->prekey_bytes[i].ptr + 6, 0, 4);
        assert_int_equal(parse_as(whole, kinds[i], &out), KITH_E_MALFORMED); /* an id of 0 */
    }
    party_free(party);
}

static void test_e2e_prekey__its_size_at_the_limit_and_one_past_it(void **state)
{
    static const uint8_t zeros[E2E_PREKEY_BYTES_MAX];
    struct world_party *party = party_new(1);
    struct kith_slice whole = kith_buf_peek(&party->prekey_bytes[2]);
    struct e2e_prekey out;

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct kith_buf longer;
        struct e2e_tlv_writer writer;
        kith_buf_init(&longer, 2 * E2E_PREKEY_BYTES_MAX);
        assert_int_equal(kith_buf_append(&longer, whole), KITH_OK);
        writer = e2e_tlv_writer_of(&longer);
        e2e_tlv_put(&writer, 0x8000,
                    kith_slice_of(zeros, E2E_PREKEY_BYTES_MAX - whole.len - E2E_TLV_HEAD_BYTES + over));
        assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
        assert_int_equal(parse_as(kith_buf_peek(&longer), kinds[2], &out), over == 0 ? KITH_OK : KITH_E_TOOBIG);
        kith_buf_deinit(&longer);
    }
    party_free(party);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_prekey__what_is_read_fits_the_secret),
        cmocka_unit_test(test_e2e_prekey__one_kind_is_not_read_as_another),
        cmocka_unit_test(test_e2e_prekey__is_of_its_account_and_device_only),
        cmocka_unit_test(test_e2e_prekey__ends_at_its_time),
        cmocka_unit_test(test_e2e_prekey__refuses_every_short_prefix_and_every_flipped_bit),
        cmocka_unit_test(test_e2e_prekey__a_signature_does_not_make_a_bad_key_good),
        cmocka_unit_test(test_e2e_prekey__its_id_is_never_zero_and_drawn_before_the_secret),
        cmocka_unit_test(test_e2e_prekey__a_full_buffer_leaves_nothing),
        cmocka_unit_test(test_e2e_prekey__its_form_is_read_without_its_device),
        cmocka_unit_test(test_e2e_prekey__its_size_at_the_limit_and_one_past_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
