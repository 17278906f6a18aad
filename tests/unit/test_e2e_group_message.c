#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/group_message.h"
#include "tests/chain_world.h"

/* The form of a group message, and what is refused of one: then no byte of the chain has changed, and the next good one opens. */

static void test_e2e_group_message__says_whose_it_is(void **state)
{
    struct chains *chains = chains_new(1);
    struct kith_buf first = chains_message(chains, "first"), second = chains_message(chains, "second");
    struct e2e_group_message parts;

    (void)state;
    assert_int_equal(e2e_group_message_decode(kith_buf_peek(&second), &parts), KITH_OK);
    assert_memory_equal(parts.owner.group_id, chains->owner.group_id, sizeof parts.owner.group_id);
    assert_memory_equal(parts.owner.account_id, chains->owner.account_id, sizeof parts.owner.account_id);
    assert_int_equal(parts.owner.device_id, chains->owner.device_id);
    assert_int_equal(parts.epoch.seq, chains->epoch.seq);
    assert_memory_equal(parts.epoch.hash, chains->epoch.hash, sizeof parts.epoch.hash);
    assert_memory_equal(parts.chain_id, chains->sender->chain_id, sizeof parts.chain_id);
    assert_int_equal(parts.iteration, 1);
    assert_int_equal(parts.sealed.len, 6 + E2E_AEAD_TAG_BYTES);
    assert_true(kith_buf_len(&second) - 6 <= E2E_GROUP_MESSAGE_OVERHEAD_MAX);
    kith_buf_deinit(&first);
    kith_buf_deinit(&second);
    chains_free(chains);
}

static kith_err decode_with(const struct kith_buf *message, uint16_t tag, struct kith_slice value)
{
    struct kith_buf changed = chains_replaced(kith_buf_peek(message), tag, value);
    struct e2e_group_message out, before;
    kith_err err;

    memset(&out, 0x5a, sizeof out);
    before = out;
    err = e2e_group_message_decode(kith_buf_peek(&changed), &out);
    if (err != KITH_OK) assert_memory_equal(&out, &before, sizeof out);
    kith_buf_deinit(&changed);
    return err;
}

static kith_err decode_with_header(const struct kith_buf *message, uint16_t tag, struct kith_slice value)
{
    struct kith_buf copy = chains_replaced(kith_buf_peek(message), 0x8000, (struct kith_slice){0}), header;
    size_t len = 0;
    const uint8_t *at = world_field(&copy, 2, &len);
    kith_err err;

    header = chains_replaced(kith_slice_of(at, len), tag, value);
    err = decode_with(message, 2, kith_buf_peek(&header));
    kith_buf_deinit(&header);
    kith_buf_deinit(&copy);
    return err;
}

static void test_e2e_group_message__every_field_is_there_and_of_its_length(void **state)
{
    static const uint8_t zeros[E2E_HEADER_BYTES_MAX + 1];
    struct chains *chains = chains_new(2);
    struct kith_buf message = chains_message(chains, "hello"), large;
    const struct kith_slice none = {0};

    (void)state;
    for (uint16_t tag = 1; tag <= 6; tag++) {
        assert_int_equal(decode_with(&message, tag, none), KITH_E_MALFORMED);
        assert_int_equal(decode_with(&message, tag, kith_slice_of("short", 5)), KITH_E_MALFORMED);
    }
    for (uint16_t tag = 1; tag <= 7; tag++) {
        assert_int_equal(decode_with_header(&message, tag, none), KITH_E_MALFORMED);
        assert_int_equal(decode_with_header(&message, tag, kith_slice_of("short", 5)), KITH_E_MALFORMED);
    }
    assert_int_equal(decode_with(&message, 1, kith_slice_of("\2", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(decode_with(&message, 7, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(decode_with_header(&message, 8, kith_slice_of("x", 1)), KITH_E_UNSUPPORTED);
    assert_int_equal(decode_with_header(&message, 0x8000, kith_slice_of("x", 1)), KITH_OK);
    assert_int_equal(decode_with_header(&message, 7, kith_slice_of("\xff\xff\xff\xfe", 4)), KITH_OK);
    assert_int_equal(decode_with_header(&message, 7, kith_slice_of("\xff\xff\xff\xff", 4)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&message, 2, kith_slice_of(zeros, sizeof zeros)), KITH_E_MALFORMED);
    kith_buf_init(&large, 1u << 20);
    for (size_t i = 0; i < E2E_SEALED_BYTES_MAX; i++) assert_int_equal(kith_buf_append_u8(&large, 0), KITH_OK);
    assert_int_equal(decode_with(&message, 5, kith_buf_peek(&large)), KITH_OK);
    assert_int_equal(kith_buf_append_u8(&large, 0), KITH_OK);
    assert_int_equal(decode_with(&message, 5, kith_buf_peek(&large)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(&message, 5, kith_slice_of(zeros, E2E_AEAD_TAG_BYTES)), KITH_OK);
    assert_int_equal(decode_with(&message, 5, kith_slice_of(zeros, E2E_AEAD_TAG_BYTES - 1)), KITH_E_MALFORMED);
    kith_buf_deinit(&large);
    kith_buf_deinit(&message);
    chains_free(chains);
}

/* In the header it is signed and authenticated; beside the signature nothing stands. */
static void test_e2e_group_message__what_is_stepped_over_is_signed(void **state)
{
    struct chains *chains = chains_new(3);
    struct kith_buf message = chains_message(chains, "hello"), header, changed;
    size_t len = 0;
    const uint8_t *at = world_field(&message, 2, &len);

    (void)state;
    header = chains_replaced(kith_slice_of(at, len), 0x8000, kith_slice_of("x", 1));
    changed = chains_replaced(kith_buf_peek(&message), 2, kith_buf_peek(&header));
    assert_int_equal(chains_take(chains, &changed, "hello"), KITH_E_DENIED);
    chains_sign(&changed, chains->sender->sign_secret);
    assert_int_equal(chains_take(chains, &changed, "hello"), KITH_E_DENIED); /* now for its commitment */
    kith_buf_deinit(&changed);
    for (size_t more = 0; more < 2; more++) {
        changed = chains_replaced(kith_buf_peek(&message), 0x8000, kith_slice_of("x", more));
        assert_int_equal(chains_take(chains, &changed, "hello"), KITH_E_MALFORMED);
        kith_buf_deinit(&changed);
    }
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_OK);
    kith_buf_deinit(&header);
    kith_buf_deinit(&message);
    chains_free(chains);
}

/* ---------------------------------------------------------------------------------------------- bits and prefixes */
static void damage(struct chains *chains, struct kith_buf *message, const char *text)
{
    for (size_t len = 0; len < kith_buf_len(message); len++) {
        struct kith_buf cut = {.ptr = message->ptr, .tail = len};
        assert_int_equal(chains_take(chains, &cut, text), KITH_E_MALFORMED);
    }
    for (size_t bit = 0; bit < 8 * kith_buf_len(message); bit++) {
        message->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(chains_take(chains, message, text), KITH_OK);
        message->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(chains_take(chains, message, text), KITH_OK);
}

static void test_e2e_group_message__a_damaged_one_changes_nothing(void **state)
{
    struct chains *chains = chains_new(4);
    struct kith_buf first = chains_message(chains, "first"), late = chains_message(chains, "with a kept key"),
                    next = chains_message(chains, "past another");

    (void)state;
    damage(chains, &first, "first");
    damage(chains, &next, "past another");
    damage(chains, &late, "with a kept key");
    kith_buf_deinit(&first);
    kith_buf_deinit(&late);
    kith_buf_deinit(&next);
    chains_free(chains);
}

/* Its owner signs what it changed: then commitment and seal refuse, of every part that they cover. */
static void test_e2e_group_message__a_damaged_one_that_is_signed_again_changes_nothing(void **state)
{
    static const uint16_t tags[] = {2, 3, 4, 5};
    struct chains *chains = chains_new(5);
    struct kith_buf lost = chains_message(chains, "lost"), message = chains_message(chains, "hello");

    (void)state;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        size_t len = 0;
        uint8_t *at = world_field(&message, tags[i], &len);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            at[bit / 8] ^= (uint8_t)(1u << bit % 8);
            chains_sign(&message, chains->sender->sign_secret);
            assert_int_not_equal(chains_take(chains, &message, "hello"), KITH_OK);
            at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    chains_sign(&message, chains->sender->sign_secret);
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_OK);
    kith_buf_deinit(&lost);
    kith_buf_deinit(&message);
    chains_free(chains);
}

/* ---------------------------------------------------------------------------------------------- whose it is not */
static void test_e2e_group_message__of_another_owner_chain_or_epoch_is_refused(void **state)
{
    struct chains *chains = chains_new(6);
    struct kith_buf message = chains_message(chains, "hello");

    (void)state;
    for (uint16_t tag = 1; tag <= 7; tag++) {
        uint8_t *at = chains_header_field(&message, tag);
        at[0] ^= 0x40;
        assert_int_equal(chains_take(chains, &message, "hello"), KITH_E_DENIED);
        chains_sign(&message, chains->sender->sign_secret);
        assert_int_equal(chains_take(chains, &message, "hello"), tag == 7 ? KITH_E_TOOBIG : KITH_E_DENIED);
        at[0] ^= 0x40;
        chains_sign(&message, chains->sender->sign_secret);
    }
    /* As far ahead as can be said: refused at once. But whose it is, is asked first. */
    memcpy(chains_header_field(&message, 7), "\xff\xff\xff\xfe", 4);
    chains_sign(&message, chains->sender->sign_secret);
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_E_TOOBIG);
    chains_header_field(&message, 5)[0] ^= 1;
    chains_sign(&message, chains->sender->sign_secret);
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_E_DENIED);
    chains_header_field(&message, 5)[0] ^= 1;
    memset(chains_header_field(&message, 7), 0, 4);
    chains_sign(&message, chains->sender->sign_secret);
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_OK);
    kith_buf_deinit(&message);
    chains_free(chains);
}

/* A receiver that was told another owner takes none of them, although all the rest fits: the keys depend on the owner. */
static void test_e2e_group_message__its_keys_are_of_its_owner_alone(void **state)
{
    struct chains *chains = chains_new(7);
    const struct e2e_chain_given given = chains_given(chains);
    struct kith_buf message = chains_message(chains, "hello");

    (void)state;
    for (uint16_t tag = 1; tag <= 5; tag += tag == 1 ? 3 : 1) {
        struct e2e_chain_owner other = chains->owner;
        struct e2e_receiver_chain *receiver;
        uint8_t *at = tag == 1 ? other.group_id : tag == 4 ? other.account_id : NULL;
        if (at != NULL)
            at[3] ^= 1;
        else
            other.device_id ^= 1;
        receiver = chains_receiver(&other, &given);
        assert_int_equal(chains_take_at(receiver, &message, "hello", WORLD_NOW), KITH_E_DENIED);
        chains_header_field(&message, tag)[3] ^= 1; /* and the header says the same */
        chains_sign(&message, chains->sender->sign_secret);
        assert_int_equal(chains_take_at(receiver, &message, "hello", WORLD_NOW), KITH_E_DENIED);
        chains_header_field(&message, tag)[3] ^= 1;
        chains_sign(&message, chains->sender->sign_secret);
        e2e_receiver_chain_free(receiver);
    }
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_OK);
    kith_buf_deinit(&message);
    chains_free(chains);
}

/* A member has every chain's key, so only the signature says who wrote. */
static void test_e2e_group_message__signed_by_another_chain_is_refused(void **state)
{
    struct chains *chains = chains_new(8), *other = chains_new(9);
    struct kith_buf message = chains_message(chains, "hello");
    uint8_t signature[E2E_SIGNATURE_BYTES];

    (void)state;
    memcpy(signature, world_field(&message, 6, NULL), sizeof signature);
    chains_sign(&message, other->sender->sign_secret);
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_E_DENIED);
    /* Its own key under another label. */
    assert_int_equal(e2e_sign(chains->sender->sign_secret, E2E_LABEL_GOP,
                              kith_slice_of(message.ptr, kith_buf_len(&message) - 6 - E2E_SIGNATURE_BYTES),
                              world_field(&message, 6, NULL)),
                     KITH_OK);
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_E_DENIED);
    memcpy(world_field(&message, 6, NULL), signature, sizeof signature);
    assert_int_equal(chains_take(other, &message, "hello"), KITH_E_DENIED);
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_OK);
    kith_buf_deinit(&message);
    chains_free(chains);
    chains_free(other);
}

/* ---------------------------------------------------------------------------------------------- one key */
/*
 * One nonce and one sealed text that open under the keys of two chains, to different plaintexts: XChaCha20-Poly1305 does not
 * commit. Found by solving the two Poly1305 equations, under the header of two_keys_message(), for the one block; the chain
 * keys are 32 times 'A' and 32 times 'B'. A member might so show one message in two ways.
 */
static const uint8_t two_keys_nonce[E2E_AEAD_NONCE_BYTES] = {[23] = 4};
static const uint8_t two_keys_sealed[32] = {0x42, 0xd2, 0xa4, 0xb1, 0x3f, 0x4c, 0x4d, 0x74, 0x66, 0xdc, 0xcf,
                                            0xed, 0x07, 0x29, 0xf6, 0x8a, 0x4e, 0x4e, 0x9f, 0x25, 0xa8, 0x21,
                                            0x8f, 0x8c, 0x73, 0xba, 0xbf, 0x14, 0xf8, 0x70, 0xbd, 0x87};
static const uint8_t two_keys_plain[2][16] = {
    {0xfd, 0xde, 0x26, 0x66, 0x65, 0x05, 0x96, 0xd6, 0xe1, 0xb9, 0x11, 0x0a, 0xa6, 0xb0, 0x78, 0xb2},
    {0x4e, 0xb1, 0xfe, 0xd1, 0xd5, 0x15, 0x8a, 0xff, 0x2c, 0x76, 0x4c, 0x2b, 0xeb, 0xab, 0x13, 0x76}};

/* Its header is that of the chain's first message, which is taken from `chains`; then it is committed to `keys`, and signed. */
static struct kith_buf two_keys_message(struct chains *chains, const struct e2e_message_keys *keys)
{
    struct kith_buf message = chains_message_of(chains, kith_slice_of(two_keys_plain, 16));
    struct kith_slice parts[2];
    size_t len = 0;

    memcpy(world_field(&message, 3, NULL), two_keys_nonce, sizeof two_keys_nonce);
    memcpy(world_field(&message, 5, NULL), two_keys_sealed, sizeof two_keys_sealed);
    parts[0].ptr = world_field(&message, 2, &len);
    parts[0].len = len;
    parts[1] = kith_slice_of(two_keys_nonce, sizeof two_keys_nonce);
    e2e_hmac(kith_slice_of(keys->commit, sizeof keys->commit), parts, 2, world_field(&message, 4, NULL));
    chains_sign(&message, chains->sender->sign_secret);
    chains->sender->iteration = 0;
    return message;
}

/* The chain of a known owner, of the chain keys 'A' and 'B'. */
static void two_keys_chains(struct chains *chains, struct e2e_receiver_chain *receivers[static 2],
                            struct e2e_message_keys keys[static 2])
{
    memset(chains->owner.group_id, 'g', sizeof chains->owner.group_id);
    memset(chains->owner.account_id, 'a', sizeof chains->owner.account_id);
    chains->owner.device_id = 7;
    chains->epoch.seq = 1;
    memset(chains->epoch.hash, 'h', sizeof chains->epoch.hash);
    chains->sender->owner = chains->owner;
    memset(chains->sender->chain_id, 'c', sizeof chains->sender->chain_id);
    for (int i = 0; i < 2; i++) {
        struct e2e_chain_given given;
        uint8_t chain_key[E2E_KEY_BYTES], mk[E2E_KEY_BYTES];
        memset(chains->sender->chain_key, 'A' + i, sizeof chains->sender->chain_key);
        given = chains_given(chains);
        receivers[i] = chains_receiver(&chains->owner, &given);
        memcpy(chain_key, given.chain_key, sizeof chain_key);
        e2e_chain_next(chain_key, mk);
        e2e_group_message_keys(mk, &chains->owner, given.chain_id, &keys[i]);
    }
}

static void test_e2e_group_message__one_text_under_two_keys_opens_for_the_one_it_is_committed_to(void **state)
{
    struct chains *chains = chains_new(12);
    struct e2e_receiver_chain *receivers[2];
    struct e2e_message_keys keys[2];

    (void)state;
    two_keys_chains(chains, receivers, keys);
    for (int to = 0; to < 2; to++) {
        struct kith_buf message = two_keys_message(chains, &keys[to]), before = chains_state(receivers[1 - to]), out;
        struct e2e_group_message parts;
        uint8_t plain[16];
        assert_int_equal(e2e_group_message_decode(kith_buf_peek(&message), &parts), KITH_OK);
        for (int i = 0; i < 2; i++) { /* the seal alone would let both pass */
            assert_int_equal(e2e_aead_open(keys[i].key, parts.nonce, parts.header_bytes, parts.sealed, plain), KITH_OK);
            assert_memory_equal(plain, two_keys_plain[i], sizeof plain);
        }
        kith_buf_init(&out, WORLD_PLAIN_MAX);
        assert_int_equal(e2e_receiver_chain_decrypt(receivers[1 - to], &parts, WORLD_NOW, &out), KITH_E_DENIED);
        chains_check_state(receivers[1 - to], &before);
        assert_int_equal(kith_buf_len(&out), 0);
        if (to == 1) {
            assert_int_equal(e2e_receiver_chain_decrypt(receivers[to], &parts, WORLD_NOW, &out), KITH_OK);
            assert_memory_equal(kith_buf_peek(&out).ptr, two_keys_plain[to], sizeof plain);
        }
        kith_buf_deinit(&out);
        kith_buf_wipe(&before);
        kith_buf_deinit(&message);
    }
    e2e_receiver_chain_free(receivers[0]);
    e2e_receiver_chain_free(receivers[1]);
    chains_free(chains);
}

/* ---------------------------------------------------------------------------------------------- lengths */
static void test_e2e_group_message__takes_its_longest_plaintext_and_not_a_byte_more(void **state)
{
    struct chains *chains = chains_new(10);
    const size_t longest = E2E_GROUP_PLAIN_MAX;
    char *text = malloc(longest + 2);
    struct kith_buf message, before, after, out;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', longest + 1);
    text[longest] = 0;
    message = chains_message(chains, text);
    assert_int_equal(chains_take(chains, &message, text), KITH_OK);
    kith_buf_deinit(&message);
    message = chains_message(chains, "");
    assert_int_equal(chains_take(chains, &message, ""), KITH_OK);
    kith_buf_deinit(&message);
    before = chains_sender_state(chains->sender);
    kith_buf_init(&out, 1u << 20);
    assert_int_equal(e2e_sender_chain_encrypt(&chains->random, chains->sender, &chains->epoch,
                                              kith_slice_of(text, longest + 1), &out),
                     KITH_E_TOOBIG);
    kith_buf_init(&out, 100); /* too small for any */
    assert_int_equal(
        e2e_sender_chain_encrypt(&chains->random, chains->sender, &chains->epoch, kith_slice_str("m"), &out),
        KITH_E_TOOBIG);
    after = chains_sender_state(chains->sender);
    assert_true(kith_slice_eq(kith_buf_peek(&before), kith_buf_peek(&after)));
    assert_int_equal(kith_buf_len(&out), 0);
    kith_buf_wipe(&before);
    kith_buf_wipe(&after);
    free(text);
    chains_free(chains);
}

static void test_e2e_group_message__a_full_buffer_changes_nothing(void **state)
{
    struct chains *chains = chains_new(11);
    struct kith_buf message = chains_message(chains, "hello"), before = chains_state(chains->receiver), out;
    struct e2e_group_message parts;

    (void)state;
    assert_int_equal(e2e_group_message_decode(kith_buf_peek(&message), &parts), KITH_OK);
    kith_buf_init(&out, 4 + 5);
    assert_int_equal(kith_buf_append_str(&out, "full."), KITH_OK);
    assert_int_equal(e2e_receiver_chain_decrypt(chains->receiver, &parts, WORLD_NOW, &out), KITH_E_TOOBIG);
    chains_check_state(chains->receiver, &before);
    assert_true(kith_slice_is(kith_buf_peek(&out), "full."));
    kith_buf_deinit(&out);
    assert_int_equal(chains_take(chains, &message, "hello"), KITH_OK);
    kith_buf_wipe(&before);
    kith_buf_deinit(&message);
    chains_free(chains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_group_message__says_whose_it_is),
        cmocka_unit_test(test_e2e_group_message__every_field_is_there_and_of_its_length),
        cmocka_unit_test(test_e2e_group_message__what_is_stepped_over_is_signed),
        cmocka_unit_test(test_e2e_group_message__a_damaged_one_changes_nothing),
        cmocka_unit_test(test_e2e_group_message__a_damaged_one_that_is_signed_again_changes_nothing),
        cmocka_unit_test(test_e2e_group_message__of_another_owner_chain_or_epoch_is_refused),
        cmocka_unit_test(test_e2e_group_message__its_keys_are_of_its_owner_alone),
        cmocka_unit_test(test_e2e_group_message__signed_by_another_chain_is_refused),
        cmocka_unit_test(test_e2e_group_message__one_text_under_two_keys_opens_for_the_one_it_is_committed_to),
        cmocka_unit_test(test_e2e_group_message__takes_its_longest_plaintext_and_not_a_byte_more),
        cmocka_unit_test(test_e2e_group_message__a_full_buffer_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
