#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/crypto/aead.h"
#include "libkith/crypto/dh.h"
#include "libkith/crypto/kem.h"
#include "libkith/crypto/passphrase.h"
#include "libkith/crypto/secret.h"
#include "libkith/crypto/sign.h"

/* What vectors do not say: that labels keep apart, that errors leave nothing behind, that each maximum holds. */

static void fill(void *arg, void *out, size_t len)
{
    uint8_t *next = arg;

    for (size_t i = 0; i < len; i++) ((uint8_t *)out)[i] = (*next)++;
}

static uint8_t coins;
static const struct e2e_random random_source = {.fill = fill, .arg = &coins};

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0) return false;
    return true;
}

/* ---------------------------------------------------------------------------------------------- labels */
static void test_e2e_crypto__no_label_begins_or_is_another(void **state)
{
    uint8_t a[E2E_LABEL_PREFIX_BYTES_MAX], b[E2E_LABEL_PREFIX_BYTES_MAX];

    (void)state;
    for (int i = 0; i < E2E_LABEL_COUNT; i++) {
        const struct e2e_label_row *row = e2e_label_row((enum e2e_label)i);
        size_t a_len = e2e_label_prefix((enum e2e_label)i, row->uses, a);
        enum e2e_label found = E2E_LABEL_ROOT;

        assert_true(row->uses != 0 && row->what[0] != '\0');
        assert_int_equal(e2e_label_find(kith_slice_str(row->text), &found), KITH_OK);
        assert_int_equal(found, i);
        for (int j = 0; j < E2E_LABEL_COUNT; j++) {
            size_t b_len = e2e_label_prefix((enum e2e_label)j, e2e_label_row((enum e2e_label)j)->uses, b);
            if (i != j) assert_false(a_len <= b_len && memcmp(a, b, a_len) == 0);
        }
    }
    assert_int_equal(E2E_LABEL_COUNT, 22);
}

/* Every label against every label: a signature of one holds under no other. */
static void test_e2e_crypto__a_signature_holds_under_its_own_label_only(void **state)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES], signature[E2E_SIGNATURE_BYTES];
    const struct kith_slice bytes = kith_slice_str("canonical bytes");
    size_t pairs = 0;

    (void)state;
    e2e_sign_keypair(&random_source, secret, public);
    for (int i = 0; i < E2E_LABEL_COUNT; i++) {
        if ((e2e_label_row((enum e2e_label)i)->uses & E2E_LABEL_SIGN) == 0) continue;
        assert_int_equal(e2e_sign(secret, (enum e2e_label)i, bytes, signature), KITH_OK);
        assert_int_equal(e2e_ed25519_verify(public, bytes, signature), KITH_E_DENIED);
        for (int j = 0; j < E2E_LABEL_COUNT; j++, pairs++) {
            if ((e2e_label_row((enum e2e_label)j)->uses & E2E_LABEL_SIGN) == 0) continue;
            assert_int_equal(e2e_verify(public, (enum e2e_label)j, bytes, signature), i == j ? KITH_OK : KITH_E_DENIED);
        }
    }
    assert_true(pairs > 100);
}

static void test_e2e_crypto__a_key_is_another_under_every_label(void **state)
{
    uint8_t keys[E2E_LABEL_COUNT][32];
    size_t count = 0;

    (void)state;
    for (int i = 0; i < E2E_LABEL_COUNT; i++) {
        if ((e2e_label_row((enum e2e_label)i)->uses & E2E_LABEL_DERIVE) == 0) continue;
        e2e_derive(kith_slice_str("salt"), kith_slice_str("ikm"), (enum e2e_label)i, kith_slice_str(""), keys[count++],
                   32);
    }
    assert_true(count > 5);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) assert_memory_not_equal(keys[i], keys[j], 32);
}

static void test_e2e_crypto__signs_its_most_bytes_and_not_one_more(void **state)
{
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES], signature[E2E_SIGNATURE_BYTES] = {0};
    uint8_t *bytes = calloc(1, E2E_SIGNED_BYTES_MAX + 1);

    (void)state;
    assert_non_null(bytes);
    e2e_sign_keypair(&random_source, secret, public);
    assert_int_equal(e2e_sign(secret, E2E_LABEL_GOP, kith_slice_of(bytes, E2E_SIGNED_BYTES_MAX + 1), signature),
                     KITH_E_TOOBIG);
    assert_true(is_zero(signature, sizeof signature));
    assert_int_equal(e2e_sign(secret, E2E_LABEL_GOP, kith_slice_of(bytes, E2E_SIGNED_BYTES_MAX), signature), KITH_OK);
    assert_int_equal(e2e_verify(public, E2E_LABEL_GOP, kith_slice_of(bytes, E2E_SIGNED_BYTES_MAX), signature), KITH_OK);
    assert_int_equal(e2e_verify(public, E2E_LABEL_GOP, kith_slice_of(bytes, E2E_SIGNED_BYTES_MAX + 1), signature),
                     KITH_E_TOOBIG);
    free(bytes);
}

/* ---------------------------------------------------------------------------------------------- what errors leave behind */
static void test_e2e_crypto__a_refused_agreement_is_zeros(void **state)
{
    uint8_t secret[E2E_DH_BYTES], public[E2E_DH_BYTES], out[E2E_DH_BYTES];

    (void)state;
    e2e_dh_keypair(&random_source, secret, public);
    for (unsigned u = 0; u < 2; u++) { /* the points 0 and 1 */
        memset(public, 0, sizeof public);
        public[0] = (uint8_t)u;
        memset(out, 0x5a, sizeof out);
        assert_int_equal(e2e_dh(secret, public, out), KITH_E_MALFORMED);
        assert_true(is_zero(out, sizeof out));
    }
    memset(public, 0xff, sizeof public);
    memset(out, 0x5a, sizeof out);
    assert_int_equal(e2e_dh(secret, public, out), KITH_E_MALFORMED);
    assert_true(is_zero(out, sizeof out));
}

static void test_e2e_crypto__a_refused_message_is_zeros(void **state)
{
    uint8_t key[32] = {1}, nonce[24] = {2}, sealed[100 + E2E_AEAD_TAG_BYTES], out[100];
    const struct kith_slice nothing = kith_slice_str("");

    (void)state;
    memset(out, 'x', sizeof out);
    assert_int_equal(e2e_aead_seal(key, nonce, nothing, kith_slice_of(out, sizeof out), sealed), KITH_OK);
    for (size_t at = 0; at < sizeof sealed; at++) {
        sealed[at] ^= 1;
        memset(out, 0x5a, sizeof out);
        assert_int_equal(e2e_aead_open(key, nonce, nothing, kith_slice_of(sealed, sizeof sealed), out), KITH_E_DENIED);
        assert_true(is_zero(out, sizeof out));
        sealed[at] ^= 1;
    }
    assert_int_equal(e2e_aead_open(key, nonce, nothing, kith_slice_of(sealed, sizeof sealed), sealed), KITH_OK);
    for (size_t i = 0; i < sizeof out; i++) assert_int_equal(sealed[i], 'x'); /* in its own place */
}

static void test_e2e_crypto__what_is_shorter_than_a_tag_is_no_message(void **state)
{
    uint8_t key[32] = {1}, nonce[24] = {2}, sealed[E2E_AEAD_TAG_BYTES], out[1] = {0x5a};
    const struct kith_slice nothing = kith_slice_str("");

    (void)state;
    assert_int_equal(e2e_aead_seal(key, nonce, nothing, nothing, sealed), KITH_OK);
    for (size_t len = 0; len < sizeof sealed; len++)
        assert_int_equal(e2e_aead_open(key, nonce, nothing, kith_slice_of(sealed, len), out), KITH_E_MALFORMED);
    assert_int_equal(e2e_aead_open(key, nonce, nothing, kith_slice_of(sealed, sizeof sealed), out), KITH_OK);
    assert_int_equal(out[0], 0x5a);
}

static void test_e2e_crypto__seals_its_most_bytes_and_not_one_more(void **state)
{
    uint8_t key[32] = {1}, nonce[24] = {2};
    uint8_t *bytes = calloc(1, E2E_AEAD_BYTES_MAX + 1 + E2E_AEAD_TAG_BYTES);
    const struct kith_slice nothing = kith_slice_str("");

    (void)state;
    assert_non_null(bytes);
    assert_int_equal(e2e_aead_seal(key, nonce, nothing, kith_slice_of(bytes, E2E_AEAD_BYTES_MAX + 1), bytes),
                     KITH_E_TOOBIG);
    assert_int_equal(e2e_aead_seal(key, nonce, kith_slice_of(bytes, E2E_AEAD_BYTES_MAX + 1), nothing, bytes),
                     KITH_E_TOOBIG);
    assert_int_equal(
        e2e_aead_open(key, nonce, nothing, kith_slice_of(bytes, E2E_AEAD_BYTES_MAX + 1 + E2E_AEAD_TAG_BYTES), bytes),
        KITH_E_TOOBIG);
    assert_true(is_zero(bytes, E2E_AEAD_BYTES_MAX));
    assert_int_equal(e2e_aead_seal(key, nonce, nothing, kith_slice_of(bytes, E2E_AEAD_BYTES_MAX), bytes), KITH_OK);
    assert_int_equal(
        e2e_aead_open(key, nonce, nothing, kith_slice_of(bytes, E2E_AEAD_BYTES_MAX + E2E_AEAD_TAG_BYTES), bytes),
        KITH_OK);
    assert_true(is_zero(bytes, E2E_AEAD_BYTES_MAX));
    free(bytes);
}

/* ---------------------------------------------------------------------------------------------- ML-KEM */
static void set_number(uint8_t key[static E2E_KEM_PUBLIC_BYTES], size_t at, unsigned value)
{
    uint8_t *pair = key + at / 2 * 3;

    if (at % 2 == 0) {
        pair[0] = (uint8_t)value;
        pair[1] = (uint8_t)((pair[1] & 0xf0) | value >> 8);
    } else {
        pair[1] = (uint8_t)((pair[1] & 0x0f) | (value & 15) << 4);
        pair[2] = (uint8_t)(value >> 4);
    }
}

static void test_e2e_crypto__each_number_of_a_kem_key_is_below_the_modulus(void **state)
{
    uint8_t seed[E2E_KEM_SEED_BYTES], key[E2E_KEM_PUBLIC_BYTES], changed[E2E_KEM_PUBLIC_BYTES];
    uint8_t cipher[E2E_KEM_CIPHER_BYTES], shared[E2E_KEM_SHARED_BYTES];

    (void)state;
    e2e_kem_keypair(&random_source, seed, key);
    assert_int_equal(e2e_kem_check(key), KITH_OK);
    for (size_t at = 0; at < 768; at++) {
        memcpy(changed, key, sizeof key);
        set_number(changed, at, 3328);
        assert_int_equal(e2e_kem_check(changed), KITH_OK);
        for (unsigned value = 3329; value < 4096; value += 383) {
            set_number(changed, at, value);
            assert_int_equal(e2e_kem_check(changed), KITH_E_MALFORMED);
            memset(cipher, 0x5a, sizeof cipher);
            memset(shared, 0x5a, sizeof shared);
            assert_int_equal(e2e_kem_encaps(&random_source, changed, cipher, shared), KITH_E_MALFORMED);
            assert_true(is_zero(cipher, sizeof cipher) && is_zero(shared, sizeof shared));
        }
    }
}

static void test_e2e_crypto__a_kem_key_comes_again_from_its_seed(void **state)
{
    uint8_t seed[E2E_KEM_SEED_BYTES], key[E2E_KEM_PUBLIC_BYTES], again[E2E_KEM_PUBLIC_BYTES],
        secret[E2E_KEM_SECRET_BYTES];
    uint8_t cipher[E2E_KEM_CIPHER_BYTES], sent[E2E_KEM_SHARED_BYTES], got[E2E_KEM_SHARED_BYTES];

    (void)state;
    e2e_kem_keypair(&random_source, seed, key);
    e2e_kem_keypair_from(seed, secret, again);
    assert_memory_equal(key, again, sizeof key);
    assert_int_equal(e2e_kem_encaps(&random_source, key, cipher, sent), KITH_OK);
    assert_int_equal(e2e_kem_decaps(secret, cipher, got), KITH_OK);
    assert_memory_equal(sent, got, sizeof got);
    cipher[0] ^= 1;
    assert_int_equal(e2e_kem_decaps(secret, cipher, got), KITH_OK);
    assert_memory_not_equal(sent, got, sizeof got);
    for (size_t at = 1152; at < 1152 + 1184 + 32; at += 37) { /* the public key in it, and its hash */
        secret[at] ^= 1;
        memset(got, 0x5a, sizeof got);
        assert_int_equal(e2e_kem_decaps(secret, cipher, got), KITH_E_DAMAGED);
        assert_true(is_zero(got, sizeof got));
        secret[at] ^= 1;
    }
}

/* ---------------------------------------------------------------------------------------------- text */
static void test_e2e_crypto__text_is_read_and_written_up_to_its_most(void **state)
{
    char *text = malloc(E2E_CT_TEXT_BYTES_MAX + 1);
    uint8_t *bytes = calloc(1, E2E_CT_TEXT_BYTES_MAX);
    size_t len = 0;

    (void)state;
    assert_non_null(text);
    assert_non_null(bytes);
    memset(text, '0', E2E_CT_TEXT_BYTES_MAX + 1);
    assert_int_equal(e2e_ct_hex_decode(kith_slice_of(text, E2E_CT_TEXT_BYTES_MAX), bytes, &len), KITH_OK);
    assert_int_equal(len, E2E_CT_TEXT_BYTES_MAX / 2);
    assert_int_equal(e2e_ct_hex_decode(kith_slice_of(text, E2E_CT_TEXT_BYTES_MAX + 1), bytes, &len), KITH_E_TOOBIG);
    assert_int_equal(e2e_ct_base64url_decode(kith_slice_of(text, E2E_CT_TEXT_BYTES_MAX + 1), bytes, &len),
                     KITH_E_TOOBIG);
    e2e_ct_hex_encode(kith_slice_of(bytes, E2E_CT_TEXT_BYTES_MAX / 2), text);
    assert_int_equal(text[E2E_CT_TEXT_BYTES_MAX], '0');
    free(text);
    free(bytes);
}

static void test_e2e_crypto__bad_text_leaves_zeros(void **state)
{
    uint8_t out[4] = {1, 2, 3, 4};
    size_t len = 77;

    (void)state;
    assert_int_equal(e2e_ct_hex_decode(kith_slice_str("ffffffxf"), out, &len), KITH_E_MALFORMED);
    assert_true(is_zero(out, sizeof out));
    memset(out, 0x5a, sizeof out);
    assert_int_equal(e2e_ct_base64url_decode(kith_slice_str("AAA.AA"), out, &len), KITH_E_MALFORMED);
    assert_true(is_zero(out, sizeof out));
    assert_int_equal(len, 77);
}

static void test_e2e_crypto__every_length_of_text_comes_back(void **state)
{
    uint8_t bytes[80], back[80];
    char text[160];
    size_t len;

    (void)state;
    fill(&coins, bytes, sizeof bytes);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        const struct kith_slice slice = kith_slice_of(bytes, n);
        e2e_ct_hex_encode(slice, text);
        assert_int_equal(e2e_ct_hex_decode(kith_slice_of(text, E2E_CT_HEX_BYTES(n)), back, &len), KITH_OK);
        assert_true(kith_slice_eq(slice, kith_slice_of(back, len)));
        e2e_ct_base64url_encode(slice, text);
        assert_int_equal(e2e_ct_base64url_decode(kith_slice_of(text, E2E_CT_BASE64URL_BYTES(n)), back, &len), KITH_OK);
        assert_true(kith_slice_eq(slice, kith_slice_of(back, len)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_crypto__no_label_begins_or_is_another),
        cmocka_unit_test(test_e2e_crypto__a_signature_holds_under_its_own_label_only),
        cmocka_unit_test(test_e2e_crypto__a_key_is_another_under_every_label),
        cmocka_unit_test(test_e2e_crypto__signs_its_most_bytes_and_not_one_more),
        cmocka_unit_test(test_e2e_crypto__a_refused_agreement_is_zeros),
        cmocka_unit_test(test_e2e_crypto__a_refused_message_is_zeros),
        cmocka_unit_test(test_e2e_crypto__what_is_shorter_than_a_tag_is_no_message),
        cmocka_unit_test(test_e2e_crypto__seals_its_most_bytes_and_not_one_more),
        cmocka_unit_test(test_e2e_crypto__each_number_of_a_kem_key_is_below_the_modulus),
        cmocka_unit_test(test_e2e_crypto__a_kem_key_comes_again_from_its_seed),
        cmocka_unit_test(test_e2e_crypto__text_is_read_and_written_up_to_its_most),
        cmocka_unit_test(test_e2e_crypto__bad_text_leaves_zeros),
        cmocka_unit_test(test_e2e_crypto__every_length_of_text_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
