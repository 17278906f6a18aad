#include "e2e_group.h"
#include "libkith/crypto/secret.h"

/* Invite links, and what who has one asks with: their form, and who can have written it. */

/* ---------------------------------------------------------------------------------------------- the link */
static void test_e2e_join__a_link_is_its_parts_one_after_the_other(void **state)
{
    struct e2e_join_link link, read, before;
    uint8_t bytes[E2E_JOIN_LINK_BYTES + 1] = {0}, parts[E2E_JOIN_LINK_BYTES - 1];

    (void)state;
    for (size_t i = 0; i < sizeof parts; i++) parts[i] = (uint8_t)(i + 7);
    memcpy(link.chat_id, parts, 16);
    memcpy(link.secret, parts + 16, 32);
    memcpy(link.op_hash, parts + 48, 16);
    e2e_join_link_encode(&link, bytes);
    assert_int_equal(bytes[0], 1);
    assert_memory_equal(bytes + 1, parts, sizeof parts);
    assert_int_equal(bytes[E2E_JOIN_LINK_BYTES], 0);
    assert_int_equal(e2e_join_link_decode(kith_slice_of(bytes, E2E_JOIN_LINK_BYTES), &read), KITH_OK);
    assert_memory_equal(&read, &link, sizeof link);
    memset(&read, 0x5a, sizeof read);
    before = read;
    for (size_t len = 0; len <= sizeof bytes; len++)
        if (len != E2E_JOIN_LINK_BYTES)
            assert_int_equal(e2e_join_link_decode(kith_slice_of(bytes, len), &read), KITH_E_MALFORMED);
    assert_int_equal(e2e_join_link_decode((struct kith_slice){0}, &read), KITH_E_MALFORMED);
    /* Of another version nobody knows how long it is. */
    for (unsigned version = 0; version < 256; version++) {
        if (version == 1) continue;
        bytes[0] = (uint8_t)version;
        for (size_t len = 1; len <= sizeof bytes; len++)
            assert_int_equal(e2e_join_link_decode(kith_slice_of(bytes, len), &read), KITH_E_UNSUPPORTED);
    }
    assert_memory_equal(&read, &before, sizeof read);
}

/* As docs/wire/e2ee-groups.md says: of the secret and the chat alone. */
static void test_e2e_join__a_links_key_is_of_its_secret_and_its_chat(void **state)
{
    static const char label[] = "kith/1/join";
    struct e2e_join_link link = link_of(1), other = link;
    uint8_t info[sizeof label + E2E_ID_BYTES], seed[E2E_SIGN_SEED_BYTES], secret[E2E_SIGN_SECRET_BYTES];
    uint8_t expected[E2E_SIGN_PUBLIC_BYTES], key[E2E_SIGN_PUBLIC_BYTES];

    (void)state;
    memcpy(info, label, sizeof label); /* its NUL, too */
    memcpy(info + sizeof label, link.chat_id, E2E_ID_BYTES);
    e2e_hkdf((struct kith_slice){0}, kith_slice_of(link.secret, sizeof link.secret), kith_slice_of(info, sizeof info),
             seed, sizeof seed);
    e2e_sign_keypair_from(seed, secret, expected);
    e2e_join_key(&link, key);
    assert_memory_equal(key, expected, sizeof key);
    other.op_hash[3] ^= 1;
    e2e_join_key(&other, key);
    assert_memory_equal(key, expected, sizeof key);
    other.secret[31] ^= 1;
    e2e_join_key(&other, key);
    assert_memory_not_equal(key, expected, sizeof key);
    other = link;
    other.chat_id[0] ^= 1;
    e2e_join_key(&other, key);
    assert_memory_not_equal(key, expected, sizeof key);
}

/* ---------------------------------------------------------------------------------------------- the request */
static const uint64_t seqs[] = {0, 1, UINT64_MAX};

static void test_e2e_join__reads_what_it_writes(void **state)
{
    const struct e2e_join_link link = link_of(1);
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES], key[E2E_SIGN_PUBLIC_BYTES];

    (void)state;
    e2e_join_key(&link, key);
    person_keys(3, secret, public);
    for (size_t i = 0; i < sizeof seqs / sizeof seqs[0]; i++) {
        struct e2e_join_request given = {.device_id = UINT32_MAX,
                                         .list_seq = UINT64_MAX,
                                         .made_at_ms = seqs[i],
                                         .known_seq = seqs[i]},
                                read;
        struct kith_buf out;
        memcpy(given.account_id, person_id(3), sizeof given.account_id);
        memset(given.list_hash, 0x12, sizeof given.list_hash);
        kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
        assert_int_equal(e2e_join_sign(&link, &given, secret, &out), KITH_OK);
        assert_memory_equal(given.join_key, key, sizeof key);
        assert_int_equal(e2e_join_decode(kith_buf_peek(&out), &read), KITH_OK);
        assert_memory_equal(read.join_key, key, sizeof key);
        assert_memory_equal(read.account_id, given.account_id, sizeof read.account_id);
        assert_memory_equal(read.list_hash, given.list_hash, sizeof read.list_hash);
        assert_int_equal(read.device_id, UINT32_MAX);
        assert_int_equal(read.list_seq, UINT64_MAX);
        assert_int_equal(read.made_at_ms, seqs[i]);
        assert_int_equal(read.known_seq, seqs[i]);
        assert_true(read.bytes.len <= E2E_JOIN_REQUEST_BYTES_MAX);
        assert_int_equal(e2e_join_prove(&read), KITH_OK);
        assert_int_equal(e2e_join_verify(&read, public), KITH_OK);
        assert_int_equal(e2e_join_verify(&read, key), KITH_E_DENIED); /* the link is no device */
        kith_buf_deinit(&out);
    }
}

static void test_e2e_join__makes_nothing_that_nobody_would_read(void **state)
{
    const struct e2e_join_link link = link_of(1);
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct e2e_join_request request = {.list_seq = 1}, before = request;
    struct kith_buf out;

    (void)state;
    person_keys(3, secret, public);
    kith_buf_init(&out, E2E_JOIN_SIGNED_BYTES_MAX);
    assert_int_equal(e2e_join_sign(&link, &request, secret, &out), KITH_E_MALFORMED);
    request.device_id = 1;
    request.list_seq = 0;
    assert_int_equal(e2e_join_sign(&link, &request, secret, &out), KITH_E_MALFORMED);
    kith_buf_deinit(&out);
    request.list_seq = 1;
    before = request;
    kith_buf_init(&out, 200);
    assert_int_equal(e2e_join_sign(&link, &request, secret, &out), KITH_E_TOOBIG);
    assert_int_equal(kith_buf_len(&out), 0);
    assert_memory_equal(&request, &before, sizeof request);
    kith_buf_deinit(&out);
}

/* ---------------------------------------------------------------------------------------------- other bytes */
/* Both signatures are over it, whatever it says. */
static struct kith_buf signed_of(struct kith_slice bytes)
{
    const struct e2e_join_link link = link_of(1);
    uint8_t seed[E2E_SIGN_SEED_BYTES], secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    uint8_t proof[E2E_SIGNATURE_BYTES], signature[E2E_SIGNATURE_BYTES];
    struct e2e_tlv_writer writer;
    struct kith_buf out;

    e2e_derive((struct kith_slice){0}, kith_slice_of(link.secret, sizeof link.secret), E2E_LABEL_JOIN,
               kith_slice_of(link.chat_id, sizeof link.chat_id), seed, sizeof seed);
    e2e_sign_keypair_from(seed, secret, public);
    assert_int_equal(e2e_sign(secret, E2E_LABEL_JOIN, bytes, proof), KITH_OK);
    person_keys(3, secret, public);
    assert_int_equal(e2e_sign(secret, E2E_LABEL_JOIN, bytes, signature), KITH_OK);
    kith_buf_init(&out, 100000);
    writer = e2e_tlv_writer_of(&out);
    e2e_tlv_put(&writer, 1, bytes);
    e2e_tlv_put(&writer, 2, kith_slice_of(proof, sizeof proof));
    e2e_tlv_put(&writer, 3, kith_slice_of(signature, sizeof signature));
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    return out;
}

static kith_err decode(struct kith_slice in)
{
    struct e2e_join_request request, before;
    kith_err err;

    memset(&request, 0x5a, sizeof request);
    before = request;
    err = e2e_join_decode(in, &request);
    if (err != KITH_OK) assert_memory_equal(&request, &before, sizeof request);
    if (err == KITH_OK) assert_int_equal(e2e_join_prove(&request), KITH_OK);
    return err;
}

static kith_err decode_with(struct kith_slice good, uint16_t tag, struct kith_slice value)
{
    struct kith_buf changed, whole;
    kith_err err;

    kith_buf_init(&changed, 100000);
    tlv_replace(good, tag, value, &changed);
    whole = signed_of(kith_buf_peek(&changed));
    err = decode(kith_buf_peek(&whole));
    kith_buf_deinit(&changed);
    kith_buf_deinit(&whole);
    return err;
}

static void test_e2e_join__values_that_no_field_has(void **state)
{
    static const uint8_t zeros[E2E_SIGN_PUBLIC_BYTES + 1] = {0};
    static const size_t lens[] = {32, 16, 4, 8, 32, 8, 8};
    const struct e2e_join_link link = link_of(1);
    struct kith_buf whole = request_of(&link, 3, 5);
    struct e2e_join_request request;
    struct kith_slice good;

    (void)state;
    assert_int_equal(e2e_join_decode(kith_buf_peek(&whole), &request), KITH_OK);
    good = request.bytes;
    for (uint16_t tag = 1; tag <= 7; tag++) {
        assert_int_equal(decode_with(good, tag, (struct kith_slice){0}), tag == 7 ? KITH_OK : KITH_E_MALFORMED);
        for (size_t len = 0; len <= sizeof zeros; len++)
            if (len != lens[tag - 1])
                assert_int_equal(decode_with(good, tag, kith_slice_of(zeros, len)), KITH_E_MALFORMED);
    }
    assert_int_equal(decode_with(good, 3, kith_slice_of(zeros, 4)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(good, 4, kith_slice_of(zeros, 8)), KITH_E_MALFORMED);
    assert_int_equal(decode_with(good, 6, kith_slice_of(zeros, 8)), KITH_OK);
    assert_int_equal(decode_with(good, 7, kith_slice_of(zeros, 8)),
                     KITH_E_MALFORMED); /* what says nothing is missing */
    assert_int_equal(decode_with(good, 8, kith_slice_str("new")), KITH_E_UNSUPPORTED);
    assert_int_equal(decode_with(good, 0x8000, kith_slice_str("new")), KITH_OK);
    kith_buf_deinit(&whole);
}

static void test_e2e_join__as_long_as_it_may_be_and_one_more(void **state)
{
    static const uint8_t bytes[E2E_JOIN_SIGNED_BYTES_MAX + 1] = {0};
    const struct e2e_join_link link = link_of(1);
    struct kith_buf whole = request_of(&link, 3, 5);
    struct e2e_join_request request;
    size_t room;

    (void)state;
    assert_int_equal(e2e_join_decode(kith_buf_peek(&whole), &request), KITH_OK);
    room = E2E_JOIN_REQUEST_BYTES_MAX - request.bytes.len - E2E_TLV_HEAD_BYTES;
    assert_int_equal(decode_with(request.bytes, 0x9000, kith_slice_of(bytes, room)), KITH_OK);
    assert_int_equal(decode_with(request.bytes, 0x9000, kith_slice_of(bytes, room + 1)), KITH_E_MALFORMED);
    assert_int_equal(decode(kith_slice_of(bytes, sizeof bytes)), KITH_E_TOOBIG);
    assert_int_equal(decode(kith_slice_of(bytes, sizeof bytes - 1)), KITH_E_UNSUPPORTED);
    kith_buf_deinit(&whole);
}

/* It would be another request with the same signatures. */
static void test_e2e_join__nothing_stands_beside_the_signatures(void **state)
{
    static const uint16_t tags[] = {4, 0x7fff, 0x8000, 0xffff};
    const struct e2e_join_link link = link_of(1);
    struct kith_buf whole = request_of(&link, 3, 5);

    (void)state;
    for (size_t i = 0; i < 2 * sizeof tags / sizeof *tags; i++) {
        struct kith_buf more;
        kith_buf_init(&more, 1000);
        tlv_replace(kith_buf_peek(&whole), tags[i / 2], kith_slice_of("x", i % 2), &more);
        assert_int_equal(decode(kith_buf_peek(&more)),
                         tags[i / 2] < E2E_TLV_TAG_SKIPPED ? KITH_E_UNSUPPORTED : KITH_E_MALFORMED);
        kith_buf_deinit(&more);
    }
    kith_buf_deinit(&whole);
}

static void test_e2e_join__refuses_every_short_prefix_and_every_flipped_bit(void **state)
{
    const struct e2e_join_link link = link_of(1);
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES];
    struct kith_buf whole = request_of(&link, 3, 5);
    struct e2e_join_request request;

    (void)state;
    person_keys(3, secret, public);
    for (size_t len = 0; len < kith_buf_len(&whole); len++)
        assert_int_equal(decode(kith_slice_of(whole.ptr, len)), KITH_E_MALFORMED);
    for (size_t bit = 0; bit < 8 * kith_buf_len(&whole); bit++) {
        whole.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(e2e_join_decode(kith_buf_peek(&whole), &request) == KITH_OK &&
                     e2e_join_prove(&request) == KITH_OK && e2e_join_verify(&request, public) == KITH_OK);
        whole.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    kith_buf_deinit(&whole);
}

/* Each proves one thing: the other's place is no place for it, and another label's neither. */
static void test_e2e_join__proof_and_signature_are_two_things(void **state)
{
    const struct e2e_join_link link = link_of(1);
    uint8_t secret[E2E_SIGN_SECRET_BYTES], public[E2E_SIGN_PUBLIC_BYTES], signature[E2E_SIGNATURE_BYTES];
    struct kith_buf whole = request_of(&link, 3, 5), of_other = request_of(&link, 4, 5);
    struct e2e_join_request request, other;
    struct kith_slice proof;

    (void)state;
    assert_int_equal(e2e_join_decode(kith_buf_peek(&whole), &request), KITH_OK);
    assert_int_equal(e2e_join_decode(kith_buf_peek(&of_other), &other), KITH_OK);
    person_keys(4, secret, public);
    assert_int_equal(e2e_join_verify(&request, public), KITH_E_DENIED);
    proof = request.proof;
    request.proof = other.proof; /* another's, by the same link */
    assert_int_equal(e2e_join_prove(&request), KITH_E_DENIED);
    request.proof = request.signature;
    assert_int_equal(e2e_join_prove(&request), KITH_E_DENIED);
    person_keys(3, secret, public);
    request.signature = proof;
    assert_int_equal(e2e_join_verify(&request, public), KITH_E_DENIED);
    assert_int_equal(e2e_sign(secret, E2E_LABEL_GOP, request.bytes, signature), KITH_OK);
    request.signature.ptr = signature;
    assert_int_equal(e2e_join_verify(&request, public), KITH_E_DENIED);
    kith_buf_deinit(&whole);
    kith_buf_deinit(&of_other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_join__a_link_is_its_parts_one_after_the_other),
        cmocka_unit_test(test_e2e_join__a_links_key_is_of_its_secret_and_its_chat),
        cmocka_unit_test(test_e2e_join__reads_what_it_writes),
        cmocka_unit_test(test_e2e_join__makes_nothing_that_nobody_would_read),
        cmocka_unit_test(test_e2e_join__values_that_no_field_has),
        cmocka_unit_test(test_e2e_join__as_long_as_it_may_be_and_one_more),
        cmocka_unit_test(test_e2e_join__nothing_stands_beside_the_signatures),
        cmocka_unit_test(test_e2e_join__refuses_every_short_prefix_and_every_flipped_bit),
        cmocka_unit_test(test_e2e_join__proof_and_signature_are_two_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
