#include "base/prng.h"
#include "e2e_group.h"
#include "libkith/crypto/secret.h"
#include "libkith/e2ee/group_keys.h"

/* A group's name and description, and the message that carries its keys. */
static const uint8_t group_id[E2E_GROUP_ID_BYTES] = {7}, other_id[E2E_GROUP_ID_BYTES] = {8};
static struct kith_prng prng;

static void fill(void *arg, void *out, size_t len)
{
    kith_prng_bytes(arg, out, len);
}

static const struct e2e_random coins = {.fill = fill, .arg = &prng};

static struct e2e_group_info info_of(const char *name, const char *about)
{
    return (struct e2e_group_info){.name = kith_slice_str(name), .about = kith_slice_str(about)};
}

static struct kith_buf sealed_of(const struct e2e_group_info *info, struct e2e_group_info_key *key)
{
    struct kith_buf out;

    kith_buf_init(&out, E2E_GROUP_INFO_BYTES_MAX);
    assert_int_equal(e2e_group_info_seal(&coins, group_id, info, key, &out), KITH_OK);
    return out;
}

/* On an error nothing is appended or written. */
static kith_err open_sealed(const struct e2e_group_info_key *key, const uint8_t *id, struct kith_slice sealed,
                            const struct e2e_group_info *expected)
{
    struct e2e_group_info out = {.name = {.len = 99}};
    struct kith_buf plain;
    kith_err err;

    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_group_info_open(key, id, sealed, &plain, &out);
    if (err != KITH_OK) assert_true(kith_buf_len(&plain) == 0 && out.name.len == 99);
    if (err == KITH_OK && expected != NULL)
        assert_true(kith_slice_eq(out.name, expected->name) && kith_slice_eq(out.about, expected->about));
    kith_buf_wipe(&plain);
    return err;
}

/* ---------------------------------------------------------------------------------------------- name and description */
static void test_e2e_group_keys__what_is_sealed_is_opened(void **state)
{
    char name[E2E_GROUP_NAME_BYTES_MAX + 1] = "", about[E2E_GROUP_ABOUT_BYTES_MAX + 1] = "";
    const struct e2e_group_info infos[] = {
        info_of("Walkers", "On Sundays \xe2\x80\x94 bring bread"),
        info_of("x", ""),
        info_of("", "y"),
        {kith_slice_of(name, sizeof name - 1), kith_slice_of(about, sizeof about - 1)}};

    (void)state;
    memset(name, 'n', sizeof name - 1);
    memset(about, 'a', sizeof about - 1);
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) {
        struct e2e_group_info_key key;
        struct kith_buf sealed = sealed_of(&infos[i], &key);
        const uint8_t *id = NULL;

        assert_int_equal(e2e_group_info_key_id(kith_buf_peek(&sealed), &id), KITH_OK);
        assert_memory_equal(id, key.id, sizeof key.id);
        assert_int_equal(open_sealed(&key, group_id, kith_buf_peek(&sealed), &infos[i]), KITH_OK);
        kith_buf_deinit(&sealed);
    }
}

static void test_e2e_group_keys__key_id_and_nonce_are_drawn_in_this_order(void **state)
{
    const struct e2e_group_info info = info_of("a", "b");
    uint8_t key_bytes[E2E_KEY_BYTES], id[E2E_GROUP_KEY_ID_BYTES], nonce[E2E_AEAD_NONCE_BYTES];
    struct e2e_group_info_key key, another;
    struct kith_buf sealed, second;

    (void)state;
    kith_prng_seed(&prng, 5);
    sealed = sealed_of(&info, &key);
    second = sealed_of(&info, &another);
    assert_memory_not_equal(key.key, another.key, sizeof key.key);
    assert_memory_not_equal(key.id, another.id, sizeof key.id);
    kith_prng_seed(&prng, 5);
    fill(&prng, key_bytes, sizeof key_bytes);
    fill(&prng, id, sizeof id);
    fill(&prng, nonce, sizeof nonce);
    assert_memory_equal(key.key, key_bytes, sizeof key_bytes);
    assert_memory_equal(key.id, id, sizeof id);
    assert_memory_equal(sealed.ptr, id, sizeof id);
    assert_memory_equal(sealed.ptr + sizeof id, nonce, sizeof nonce);
    assert_int_equal(open_sealed(&another, group_id, kith_buf_peek(&sealed), NULL), KITH_E_DENIED);
    memcpy(another.id, key.id, sizeof key.id); /* another key under the same id */
    assert_int_equal(open_sealed(&another, group_id, kith_buf_peek(&sealed), NULL), KITH_E_DENIED);
    memcpy(another.key, key.key, sizeof key.key);
    assert_int_equal(open_sealed(&another, group_id, kith_buf_peek(&sealed), &info), KITH_OK);
    kith_buf_deinit(&sealed);
    kith_buf_deinit(&second);
}

static void test_e2e_group_keys__opens_nothing_that_was_touched(void **state)
{
    const struct e2e_group_info info = info_of("name", "about");
    struct e2e_group_info_key key, wrong;
    struct kith_buf sealed = sealed_of(&info, &key);
    static const uint8_t longest[E2E_GROUP_INFO_BYTES_MAX + 1] = {0};
    const uint8_t *id = NULL;

    (void)state;
    assert_int_equal(open_sealed(&key, other_id, kith_buf_peek(&sealed), NULL), KITH_E_DENIED);
    for (size_t bit = 0; bit < 8 * kith_buf_len(&sealed); bit++) {
        sealed.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open_sealed(&key, group_id, kith_buf_peek(&sealed), NULL), KITH_E_DENIED);
        sealed.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* The id is compared, and authenticated, too. */
    wrong = key;
    wrong.id[0] ^= 1;
    assert_int_equal(open_sealed(&wrong, group_id, kith_buf_peek(&sealed), NULL), KITH_E_DENIED);
    sealed.ptr[0] ^= 1;
    assert_int_equal(open_sealed(&wrong, group_id, kith_buf_peek(&sealed), NULL), KITH_E_DENIED);
    sealed.ptr[0] ^= 1;
    for (size_t len = 0; len < kith_buf_len(&sealed); len++) {
        const kith_err err = open_sealed(&key, group_id, kith_slice_of(sealed.ptr, len), NULL);
        assert_int_equal(err, len < 8 + 24 + 16 + 7 ? KITH_E_MALFORMED : KITH_E_DENIED);
    }
    assert_int_equal(e2e_group_info_key_id(kith_slice_of(longest, 54), &id), KITH_E_MALFORMED);
    assert_int_equal(e2e_group_info_key_id(kith_slice_of(longest, 55), &id), KITH_OK);
    assert_int_equal(e2e_group_info_key_id(kith_slice_of(longest, E2E_GROUP_INFO_BYTES_MAX), &id), KITH_OK);
    assert_int_equal(e2e_group_info_key_id(kith_slice_of(longest, sizeof longest), &id), KITH_E_MALFORMED);
    kith_buf_deinit(&sealed);
}

static const struct e2e_group_info_key a_key = {.id = {1}, .key = {2}};

/* Any bytes, sealed by a member. */
static struct kith_slice seal_plain(const void *bytes, size_t len, uint8_t sealed[static E2E_GROUP_INFO_BYTES_MAX])
{
    const uint8_t ad[24] = {7, [16] = 1};

    assert_true(len <= E2E_GROUP_INFO_BYTES_MAX - 48);
    memset(sealed, 0, 32);
    sealed[0] = a_key.id[0];
    assert_int_equal(
        e2e_aead_seal(a_key.key, sealed + 8, kith_slice_of(ad, sizeof ad), kith_slice_of(bytes, len), sealed + 32),
        KITH_OK);
    return kith_slice_of(sealed, len + 48);
}

static kith_err open_plain(const void *bytes, size_t len)
{
    uint8_t sealed[E2E_GROUP_INFO_BYTES_MAX];

    return open_sealed(&a_key, group_id, seal_plain(bytes, len, sealed), NULL);
}

/* Nothing of the name before is taken for what the second has not; nothing runs between the two that would hide it. */
static void test_e2e_group_keys__shows_no_name_of_another(void **state)
{
    uint8_t good_bytes[E2E_GROUP_INFO_BYTES_MAX], bad_bytes[E2E_GROUP_INFO_BYTES_MAX];
    const struct kith_slice good = seal_plain("\0\1\0\0\0\1a", 7, good_bytes),
                            bad = seal_plain("\0\3\0\0\0\1x", 7, bad_bytes);
    struct e2e_group_info info = {0}, none = {0};
    struct kith_buf plain;
    kith_err err, err_of_bad;

    (void)state;
    kith_buf_init(&plain, E2E_GROUP_INFO_BYTES_MAX);
    err = e2e_group_info_open(&a_key, group_id, good, &plain, &info);
    err_of_bad = e2e_group_info_open(&a_key, group_id, bad, &plain, &none);
    assert_int_equal(err, KITH_OK);
    assert_true(kith_slice_is(info.name, "a"));
    assert_int_equal(err_of_bad, KITH_E_MALFORMED);
    assert_true(none.name.len == 0 && none.about.len == 0);
    kith_buf_wipe(&plain);
}

static void test_e2e_group_keys__shows_nothing_that_is_no_name(void **state)
{
    static const uint8_t longest[E2E_GROUP_INFO_BYTES_MAX] = {0, 1, 0, 0, 0, 1, 'a', 0x80, 0, 0, 0, 7, 0xc3};
    uint8_t bytes[E2E_GROUP_INFO_BYTES_MAX] = {0, 1, 0, 0, 0, 1, 'a'};

    (void)state;
    assert_int_equal(open_plain(bytes, 7), KITH_OK);
    assert_int_equal(open_plain("", 0), KITH_E_MALFORMED);
    assert_int_equal(open_plain("\x80\0\0\0\0\7neither", 13), KITH_E_MALFORMED);
    assert_int_equal(open_plain("\0\1\0\0\0\0", 6), KITH_E_MALFORMED);
    assert_int_equal(open_plain("\0\3\0\0\0\1x", 7), KITH_E_MALFORMED);
    assert_int_equal(open_plain("\0\1\0\0\0\1\xff", 7), KITH_E_MALFORMED);
    assert_int_equal(open_plain("\0\2\0\0\0\1\xc3", 7), KITH_E_MALFORMED);
    assert_int_equal(open_plain("\0\2\0\0\0\1a\0\1\0\0\0\1a", 14), KITH_E_MALFORMED);
    assert_int_equal(open_plain(longest, sizeof longest - 48), KITH_OK);
    memset(bytes + 6, 'a', sizeof bytes - 6);
    bytes[5] = E2E_GROUP_NAME_BYTES_MAX;
    assert_int_equal(open_plain(bytes, 6 + E2E_GROUP_NAME_BYTES_MAX), KITH_OK);
    bytes[5]++;
    assert_int_equal(open_plain(bytes, 6 + E2E_GROUP_NAME_BYTES_MAX + 1), KITH_E_MALFORMED);
    bytes[1] = 2;
    kith_put_u32_be(bytes + 2, E2E_GROUP_ABOUT_BYTES_MAX);
    assert_int_equal(open_plain(bytes, 6 + E2E_GROUP_ABOUT_BYTES_MAX), KITH_OK);
    kith_put_u32_be(bytes + 2, E2E_GROUP_ABOUT_BYTES_MAX + 1);
    assert_int_equal(open_plain(bytes, 6 + E2E_GROUP_ABOUT_BYTES_MAX + 1), KITH_E_MALFORMED);
}

static kith_err seal_fails(const struct e2e_group_info *info, size_t room)
{
    struct e2e_group_info_key key;
    struct kith_buf out;
    kith_err err;

    memset(&key, 0x5a, sizeof key);
    kith_buf_init(&out, room);
    err = e2e_group_info_seal(&coins, group_id, info, &key, &out);
    assert_int_equal(kith_buf_len(&out), 0);
    assert_int_equal(key.key[0], 0x5a);
    kith_buf_deinit(&out);
    return err;
}

static void test_e2e_group_keys__seals_nothing_that_nobody_would_open(void **state)
{
    static const uint8_t letters[E2E_GROUP_ABOUT_BYTES_MAX + 1] = {0};
    struct e2e_group_info info = {.name = kith_slice_of(letters, E2E_GROUP_NAME_BYTES_MAX + 1)};

    (void)state;
    assert_int_equal(seal_fails(&info, E2E_GROUP_INFO_BYTES_MAX), KITH_E_TOOBIG);
    info = (struct e2e_group_info){.about = kith_slice_of(letters, sizeof letters)};
    assert_int_equal(seal_fails(&info, E2E_GROUP_INFO_BYTES_MAX), KITH_E_TOOBIG);
    info = info_of("\xff", "");
    assert_int_equal(seal_fails(&info, E2E_GROUP_INFO_BYTES_MAX), KITH_E_MALFORMED);
    info = info_of("", "\xe2\x80");
    assert_int_equal(seal_fails(&info, E2E_GROUP_INFO_BYTES_MAX), KITH_E_MALFORMED);
    info = info_of("", "");
    assert_int_equal(seal_fails(&info, E2E_GROUP_INFO_BYTES_MAX), KITH_E_MALFORMED);
    info = info_of("a", "");
    assert_int_equal(seal_fails(&info, 48 + 6), KITH_E_TOOBIG);
}

/* ---------------------------------------------------------------------------------------------- group keys */
static struct e2e_group_keys keys_of(bool has_info_key, bool has_chain)
{
    struct e2e_group_keys keys = {.has_info_key = has_info_key, .has_chain = has_chain};

    memcpy(keys.group_id, group_id, sizeof group_id);
    if (has_info_key) memset(&keys.info_key, 0x21, sizeof keys.info_key);
    if (has_chain) {
        memset(keys.chain.chain_id, 0x31, sizeof keys.chain.chain_id);
        memset(keys.chain.chain_key, 0x32, sizeof keys.chain.chain_key);
        memset(keys.chain.sign_pub, 0x33, sizeof keys.chain.sign_pub);
        memset(keys.chain.group_hash, 0x34, sizeof keys.chain.group_hash);
        keys.chain.iteration = 0x01020304;
        keys.chain.epoch = 0x0102030405060708;
    }
    return keys;
}

static struct kith_buf encoded(const struct e2e_group_keys *keys)
{
    struct kith_buf out;

    kith_buf_init(&out, 10000);
    assert_int_equal(e2e_group_keys_encode(keys, &out), KITH_OK);
    return out;
}

static kith_err decode(struct kith_slice in)
{
    struct e2e_group_keys keys, before;
    struct kith_buf again;
    kith_err err;

    memset(&keys, 0x5a, sizeof keys);
    before = keys;
    err = e2e_group_keys_decode(in, &keys);
    if (err != KITH_OK) assert_memory_equal(&keys, &before, sizeof keys);
    if (err != KITH_OK) return err;
    again = encoded(&keys);
    assert_true(kith_slice_eq(kith_buf_peek(&again), in));
    kith_buf_wipe(&again);
    return KITH_OK;
}

static kith_err decode_with(struct kith_slice good, uint16_t tag, struct kith_slice value)
{
    struct kith_buf changed;
    kith_err err;

    kith_buf_init(&changed, 10000);
    tlv_replace(good, tag, value, &changed);
    err = decode(kith_buf_peek(&changed));
    kith_buf_deinit(&changed);
    return err;
}

static void test_e2e_group_keys__one_or_the_other_or_both(void **state)
{
    const struct kith_slice none = {0};

    (void)state;
    for (int i = 1; i < 4; i++) {
        const struct e2e_group_keys keys = keys_of((i & 1) != 0, (i & 2) != 0);
        struct kith_buf bytes = encoded(&keys), little;
        struct e2e_group_keys read;

        assert_int_equal(decode(kith_buf_peek(&bytes)), KITH_OK);
        assert_int_equal(e2e_group_keys_decode(kith_buf_peek(&bytes), &read), KITH_OK);
        assert_int_equal(read.has_info_key, keys.has_info_key);
        assert_int_equal(read.has_chain, keys.has_chain);
        assert_memory_equal(&read.info_key, &keys.info_key, sizeof keys.info_key);
        assert_int_equal(read.chain.iteration, keys.chain.iteration);
        assert_int_equal(read.chain.epoch, keys.chain.epoch);
        assert_memory_equal(read.chain.sign_pub, keys.chain.sign_pub, 32);
        for (size_t len = 0; len < kith_buf_len(&bytes); len++) {
            const bool is_info_alone = i == 3 && len == 22 + 14 + 38;
            assert_int_equal(decode(kith_slice_of(bytes.ptr, len)), is_info_alone ? KITH_OK : KITH_E_MALFORMED);
        }
        kith_buf_init(&little, kith_buf_len(&bytes) - 1);
        assert_int_equal(e2e_group_keys_encode(&keys, &little), KITH_E_TOOBIG);
        assert_int_equal(kith_buf_len(&little), 0);
        kith_buf_deinit(&little);
        kith_buf_deinit(&bytes);
    }
    {
        const struct e2e_group_keys keys = keys_of(true, true), alone = keys_of(true, false);
        struct kith_buf bytes = encoded(&keys), only = encoded(&alone);

        assert_int_equal(decode_with(kith_buf_peek(&bytes), 2, none), KITH_E_MALFORMED); /* together */
        assert_int_equal(decode_with(kith_buf_peek(&bytes), 3, none), KITH_E_MALFORMED);
        assert_int_equal(decode_with(kith_buf_peek(&bytes), 4, none), KITH_OK);
        assert_int_equal(decode_with(kith_buf_peek(&bytes), 5, kith_slice_str("x")), KITH_E_UNSUPPORTED);
        assert_int_equal(decode_with(kith_buf_peek(&bytes), 4, kith_slice_str("x")), KITH_E_MALFORMED);
        assert_int_equal(decode_with(kith_buf_peek(&bytes), 4, kith_slice_of("", 0)), KITH_E_MALFORMED);
        assert_int_equal(decode(kith_slice_of(only.ptr, 22)), KITH_E_MALFORMED); /* neither */
        kith_buf_deinit(&bytes);
        kith_buf_deinit(&only);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_group_keys__what_is_sealed_is_opened),
        cmocka_unit_test(test_e2e_group_keys__key_id_and_nonce_are_drawn_in_this_order),
        cmocka_unit_test(test_e2e_group_keys__opens_nothing_that_was_touched),
        cmocka_unit_test(test_e2e_group_keys__shows_no_name_of_another),
        cmocka_unit_test(test_e2e_group_keys__shows_nothing_that_is_no_name),
        cmocka_unit_test(test_e2e_group_keys__seals_nothing_that_nobody_would_open),
        cmocka_unit_test(test_e2e_group_keys__one_or_the_other_or_both),
    };
    kith_prng_seed(&prng, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
