#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/crypto/secret.h"
#include "libkith/kith.h"
#include "libkith/vault.h"

#define ROOM_BYTES_MAX (VAULT_VALUE_BYTES_MAX + 1024)

/* Coins that never come twice. */
static void fill(void *arg, void *out, size_t len)
{
    uint32_t *count = arg;

    for (size_t i = 0; i < len; i++) ((uint8_t *)out)[i] = (uint8_t)(++*count * 2654435761u >> 24);
}

static uint32_t coins;
static const struct e2e_random coin_source = {.fill = fill, .arg = &coins};

static struct vault vault_of(uint8_t first)
{
    uint8_t key[VAULT_KEY_BYTES] = {first};
    struct vault vault;

    vault_init(&vault, key);
    return vault;
}

struct stored {
    struct vault_name name;
    struct kith_buf value;
};

static struct stored seal(const struct vault *vault, struct kith_slice key, struct kith_slice value)
{
    struct stored stored;

    kith_buf_init(&stored.value, ROOM_BYTES_MAX);
    assert_int_equal(vault_seal(vault, &coin_source, key, value, &stored.name, &stored.value), KITH_OK);
    assert_int_equal(kith_buf_len(&stored.value), value.len + VAULT_ADDED_BYTES(key));
    return stored;
}

static kith_err open_as(const struct vault *vault, struct kith_slice name, struct kith_slice value)
{
    struct kith_slice key = {0}, plain = {0};
    struct kith_buf room;
    kith_err err;

    kith_buf_init(&room, ROOM_BYTES_MAX);
    err = vault_open(vault, name, value, &room, &key, &plain);
    if (err != KITH_OK) {
        assert_null(key.ptr);
        assert_null(plain.ptr);
        assert_int_equal(kith_buf_len(&room), 0);
    }
    kith_buf_wipe(&room);
    return err;
}

static void round_trip(const struct vault *vault, struct kith_slice key, struct kith_slice value)
{
    struct stored stored = seal(vault, key, value);
    struct kith_slice its_key = {0}, its_value = {0};
    struct vault_name again;
    struct kith_buf room;

    kith_buf_init(&room, ROOM_BYTES_MAX);
    assert_int_equal(
        vault_open(vault, vault_name_slice(&stored.name), kith_buf_peek(&stored.value), &room, &its_key, &its_value),
        KITH_OK);
    assert_true(kith_slice_eq(its_key, key));
    assert_true(kith_slice_eq(its_value, value));
    vault_name(vault, key, &again);
    assert_true(kith_slice_eq(vault_name_slice(&again), vault_name_slice(&stored.name)));
    kith_buf_wipe(&room);
    kith_buf_deinit(&stored.value);
}

static void test_vault__opens_what_it_sealed_with_keys_and_values_of_every_length(void **state)
{
    struct vault vault = vault_of(1);
    uint8_t bytes[VAULT_RECORD_KEY_BYTES + 512];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 + 1);
    for (size_t letter = 0; letter < 4; letter++) {
        bytes[0] = (uint8_t)"MQBE"[letter];
        for (size_t len = 1; len <= VAULT_RECORD_KEY_BYTES; len++)
            round_trip(&vault, kith_slice_of(bytes, len), kith_slice_of(bytes + len, len * 3 - 3));
    }
    vault_deinit(&vault);
    for (size_t i = 0; i < sizeof vault; i++) assert_int_equal(((const uint8_t *)&vault)[i], 0);
}

static void test_vault__a_stored_key_shows_a_letter_and_a_number_and_nothing_else(void **state)
{
    struct vault vault = vault_of(1);
    struct vault_name name, other;
    uint8_t key[25] = "Mabcdefghijklmnop";

    (void)state;
    kith_put_u64_be(key + 17, 0x0102030405060708);
    vault_name(&vault, kith_slice_of(key, 25), &name);
    assert_int_equal(name.len, VAULT_NAME_BYTES_MAX);
    assert_int_equal(name.bytes[0], 'M');
    assert_memory_equal(name.bytes + name.len - 8, key + 17, 8);
    for (size_t i = 1; i + 4 <= 17; i++) assert_null(memmem(name.bytes, name.len, key + i, 4));
    key[0] = 'Q';
    vault_name(&vault, kith_slice_of(key, 25), &other);
    assert_int_equal(other.bytes[0], 'Q');
    assert_memory_not_equal(other.bytes + 1, name.bytes + 1, E2E_HASH_BYTES);
    key[0] = 'B';
    vault_name(&vault, kith_slice_of(key, 9), &other);
    assert_int_equal(other.bytes[0], 'B');
    /* Not the form that is read in ranges: hidden whole. */
    for (size_t len = 1; len <= 25; len++) {
        key[0] = len == 25 ? 'E' : 'M';
        vault_name(&vault, kith_slice_of(key, len), &other);
        assert_int_equal(other.len, 1 + E2E_HASH_BYTES);
        assert_int_equal(other.bytes[0], VAULT_LETTER_OTHER);
    }
}

static void test_vault__refuses_every_flipped_bit_and_every_short_form(void **state)
{
    struct vault vault = vault_of(1);
    struct stored stored = seal(&vault, kith_slice_str("Ea key"), kith_slice_str("a value"));
    struct kith_slice value = kith_buf_peek(&stored.value);

    (void)state;
    for (size_t bit = 0; bit < value.len * 8; bit++) {
        stored.value.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_as(&vault, vault_name_slice(&stored.name), value), KITH_E_DENIED);
        stored.value.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < stored.name.len * 8; bit++) {
        stored.name.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_as(&vault, vault_name_slice(&stored.name), value), KITH_E_DENIED);
        stored.name.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < value.len; len++)
        assert_int_equal(open_as(&vault, vault_name_slice(&stored.name), kith_slice_of(value.ptr, len)), KITH_E_DENIED);
    for (size_t len = 0; len < stored.name.len; len++)
        assert_int_equal(open_as(&vault, kith_slice_of(stored.name.bytes, len), value), KITH_E_DENIED);
    assert_int_equal(open_as(&vault, vault_name_slice(&stored.name), value), KITH_OK);
    kith_buf_deinit(&stored.value);
}

static void test_vault__another_key_finds_nothing_and_opens_nothing(void **state)
{
    struct vault one = vault_of(1), two = vault_of(2);
    struct stored stored = seal(&one, kith_slice_str("Ea key"), kith_slice_str("a value"));
    struct vault_name name;

    (void)state;
    assert_int_equal(open_as(&two, vault_name_slice(&stored.name), kith_buf_peek(&stored.value)), KITH_E_DENIED);
    vault_name(&two, kith_slice_str("Ea key"), &name);
    assert_false(kith_slice_eq(vault_name_slice(&name), vault_name_slice(&stored.name)));
    assert_memory_not_equal(one.seal_key, one.name_key, E2E_KEY_BYTES);
    kith_buf_deinit(&stored.value);
}

static void test_vault__refuses_the_value_of_another_record(void **state)
{
    struct vault vault = vault_of(1);
    struct chat_id chat = {{{7}}};
    uint8_t key[2][KITH_RECORD_MESSAGE_KEY_BYTES];
    struct stored stored[2];

    (void)state;
    for (uint64_t seq = 0; seq < 2; seq++) {
        kith_record_message_key(chat, seq + 1, key[seq]);
        stored[seq] = seal(&vault, kith_slice_of(key[seq], sizeof key[seq]), kith_slice_str("the same"));
    }
    for (size_t name = 0; name < 2; name++)
        for (size_t value = 0; value < 2; value++)
            assert_int_equal(open_as(&vault, vault_name_slice(&stored[name].name), kith_buf_peek(&stored[value].value)),
                             name == value ? KITH_OK : KITH_E_DENIED);
    for (size_t i = 0; i < 2; i++) kith_buf_deinit(&stored[i].value);
}

static void test_vault__equal_records_are_sealed_differently_and_found_alike(void **state)
{
    struct vault vault = vault_of(1);
    struct stored one = seal(&vault, kith_slice_str("S"), kith_slice_str("same")),
                  two = seal(&vault, kith_slice_str("S"), kith_slice_str("same"));

    (void)state;
    assert_true(kith_slice_eq(vault_name_slice(&one.name), vault_name_slice(&two.name)));
    assert_memory_not_equal(one.value.ptr + 1, two.value.ptr + 1, E2E_AEAD_NONCE_BYTES);
    assert_memory_not_equal(one.value.ptr + 25, two.value.ptr + 25, 7);
    kith_buf_deinit(&one.value);
    kith_buf_deinit(&two.value);
}

static int in_range(const struct vault *vault, struct chat_id chat, uint64_t seq, const struct vault_name *from,
                    const struct vault_name *to)
{
    uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];
    struct vault_name name;

    kith_record_message_key(chat, seq, key);
    vault_name(vault, kith_slice_of(key, sizeof key), &name);
    return kith_slice_cmp(vault_name_slice(&name), vault_name_slice(from)) > 0 &&
           kith_slice_cmp(vault_name_slice(&name), vault_name_slice(to)) < 0;
}

static void test_vault__a_range_holds_one_chats_messages_in_order(void **state)
{
    static const uint64_t seqs[] = {1, 2, 255, 256, 65535, 65536, 1ull << 32, 1ull << 40, UINT64_MAX - 1};
    struct vault vault = vault_of(3);
    struct vault_name from, to, last = {0};
    struct chat_id chat = {{{1}}};

    (void)state;
    vault_message_range(&vault, chat, 0, 0, &from, &to);
    for (size_t i = 0; i < sizeof seqs / sizeof seqs[0]; i++) {
        uint8_t key[KITH_RECORD_MESSAGE_KEY_BYTES];
        struct vault_name name;
        kith_record_message_key(chat, seqs[i], key);
        vault_name(&vault, kith_slice_of(key, sizeof key), &name);
        assert_true(kith_slice_cmp(vault_name_slice(&name), vault_name_slice(&last)) > 0);
        last = name;
        assert_true(in_range(&vault, chat, seqs[i], &from, &to));
        for (uint8_t other = 2; other < 200; other++)
            assert_false(in_range(&vault, (struct chat_id){{{other}}}, seqs[i], &from, &to));
    }
    vault_message_range(&vault, chat, 2, 65536, &from, &to);
    assert_false(in_range(&vault, chat, 2, &from, &to));
    assert_true(in_range(&vault, chat, 3, &from, &to));
    assert_true(in_range(&vault, chat, 65535, &from, &to));
    assert_false(in_range(&vault, chat, 65536, &from, &to));
}

static void test_vault__holds_its_maxima(void **state)
{
    struct vault vault = vault_of(1);
    uint8_t *value = calloc(1, VAULT_VALUE_BYTES_MAX + 1), key[VAULT_RECORD_KEY_BYTES] = {'E'};
    struct kith_slice its_key = {0}, its_value = {0};
    struct vault_name name;
    struct kith_buf small;
    struct stored stored;

    (void)state;
    assert_non_null(value);
    round_trip(&vault, kith_slice_of(key, sizeof key), kith_slice_of(value, VAULT_VALUE_BYTES_MAX));
    kith_buf_init(&small, ROOM_BYTES_MAX);
    assert_int_equal(vault_seal(&vault, &coin_source, kith_slice_of(key, sizeof key),
                                kith_slice_of(value, VAULT_VALUE_BYTES_MAX + 1), &name, &small),
                     KITH_E_TOOBIG);
    kith_buf_deinit(&small);

    stored = seal(&vault, kith_slice_str("S"), kith_slice_of(value, 100));
    kith_buf_init(&small, 100 + 2 + 1);
    assert_int_equal(vault_seal(&vault, &coin_source, kith_slice_str("S"), kith_slice_of(value, 100), &name, &small),
                     KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&small), 0);
    assert_int_equal(
        vault_open(&vault, vault_name_slice(&stored.name), kith_buf_peek(&stored.value), &small, &its_key, &its_value),
        KITH_OK);
    small.bytes_max--;
    assert_int_equal(
        vault_open(&vault, vault_name_slice(&stored.name), kith_buf_peek(&stored.value), &small, &its_key, &its_value),
        KITH_E_TOOBIG);
    kith_buf_deinit(&small);
    kith_buf_deinit(&stored.value);
    free(value);
}

static void assert_hex(struct kith_slice bytes, const char *hex)
{
    char text[512];

    assert_true(E2E_CT_HEX_BYTES(bytes.len) < sizeof text);
    e2e_ct_hex_encode(bytes, text);
    text[E2E_CT_HEX_BYTES(bytes.len)] = '\0';
    assert_string_equal(text, hex);
}

/* The answers are tests/model/vault.py's. */
static void test_vault__keys_names_and_values_are_as_known(void **state)
{
    uint8_t key[VAULT_KEY_BYTES], nonce[E2E_AEAD_NONCE_BYTES], record[KITH_RECORD_MESSAGE_KEY_BYTES] = {'M'};
    struct vault_name name;
    struct vault vault;
    struct kith_buf out;

    (void)state;
    for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof nonce; i++) nonce[i] = (uint8_t)(0x80 + i);
    for (size_t i = 0; i < 16; i++) record[1 + i] = (uint8_t)(0x40 + i);
    record[24] = 7;
    vault_init(&vault, key);
    assert_hex(kith_slice_of(vault.seal_key, E2E_KEY_BYTES),
               "716505f8a04df9352dded72398f8b4ac723f603de2b04d65f030556d291f114e");
    assert_hex(kith_slice_of(vault.name_key, E2E_KEY_BYTES),
               "6a4d4cc023366d80f13e52ef77a84aaa2ec4f1b2bcc636c1f8245f81b2c514f5");
    vault_name(&vault, kith_slice_str("S"), &name);
    assert_hex(vault_name_slice(&name), "2e3e16b2e14cac2e3ce54662e813eddbfb2b403393d313b3a4b80c99469bad779c");
    kith_buf_init(&out, 1000);
    assert_int_equal(
        vault_seal_from(&vault, nonce, kith_slice_of(record, sizeof record), kith_slice_str("a value"), &name, &out),
        KITH_OK);
    assert_hex(vault_name_slice(&name),
               "4d368690d733ef45dec82fb79d89f989a7c7a2e759fc4d4b0100291e14568885f90000000000000007");
    assert_hex(kith_buf_peek(&out),
               "01808182838485868788898a8b8c8d8e8f9091929394959697c9776ebc4d40ce8bbe0312691d59b03a7"
               "229983981e82e0dadcf0d2bbe5d3e1e959a1343aa4fbf767e84faddeae00545ae66");
    kith_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vault__opens_what_it_sealed_with_keys_and_values_of_every_length),
        cmocka_unit_test(test_vault__a_stored_key_shows_a_letter_and_a_number_and_nothing_else),
        cmocka_unit_test(test_vault__refuses_every_flipped_bit_and_every_short_form),
        cmocka_unit_test(test_vault__another_key_finds_nothing_and_opens_nothing),
        cmocka_unit_test(test_vault__refuses_the_value_of_another_record),
        cmocka_unit_test(test_vault__equal_records_are_sealed_differently_and_found_alike),
        cmocka_unit_test(test_vault__a_range_holds_one_chats_messages_in_order),
        cmocka_unit_test(test_vault__holds_its_maxima),
        cmocka_unit_test(test_vault__keys_names_and_values_are_as_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
