#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/account_impl.h"
#include "tests/e2e/town_group.h"

/* Records as they come back from a store that may be damaged: what is no record is refused. */

/* One of each kind: 'I' READY and LINKING, 'N', 'P', 'X', 'L', 'S', 'B', 'T', 'H'. */
struct stores {
    struct town *town;
    struct town_device *ann, *bob, *fresh;
};

static struct stores stores_new(void)
{
    struct stores stores = {.town = town_new(1)};
    struct town_chat chat;
    struct kith_map bare;
    struct kith_buf request;

    stores.town->has_few_prekeys = stores.town->is_cloned = true;
    stores.town->pairwise_max = 2;
    stores.ann = town_join(stores.town);
    stores.bob = town_join(stores.town);
    chat = town_chat_two(stores.ann, stores.bob);
    bare = town_records_copy(stores.bob);
    for (int i = 0; i < 2; i++) { /* the second time he begins anew */
        town_restart_from(stores.bob, &bare);
        (void)town_send(stores.bob, &chat, "hello");
        assert_int_equal(town_read(stores.ann), 1);
    }
    town_records_free(&bare);
    (void)town_send(stores.ann, &chat, "hello to you");
    stores.fresh = town_device_new(stores.ann->person);
    kith_buf_init(&request, E2E_LINK_BYTES_MAX);
    assert_int_equal(e2e_account_link_request(stores.fresh->account, stores.town->now_ms, &request), KITH_OK);
    kith_buf_wipe(&request);
    return stores;
}

/* One that holds, and another on its way: 'J'; and one that was asked with: 'A'. */
static void add_links(const struct stores *stores, struct town_group *group)
{
    const struct e2e_group_change change = town_change(E2E_GROUP_JOIN_KEY, NULL, 0);
    struct e2e_join_link link = town_group_link(group, stores->ann);
    struct kith_buf out;
    uint64_t seq = 0;

    kith_buf_init(&out, E2E_GROUP_SIGNED_BYTES_MAX);
    assert_int_equal(
        e2e_account_group_make(stores->ann->account, stores->town->now_ms, group->chat_id, &change, &out, &seq),
        KITH_OK);
    kith_buf_deinit(&out);
    link.chat_id[0] ^= 1; /* of a group where she is not */
    out = town_join_ask(stores->ann, &link);
    kith_buf_deinit(&out);
}

/* And a large group: 'G', 'K', 'C', 'D', 'R'. */
static void add_group(const struct stores *stores)
{
    struct town_device *carol = town_join(stores->town);
    struct town_group *group = town_group_create(stores->ann, (struct town_device *[]){stores->bob, carol}, 2, "ours");

    assert_int_equal(town_group_fetch(stores->bob, group), KITH_OK);
    (void)town_group_send(stores->bob, group, "hello");
    assert_true(town_read(stores->ann) >= 2);
    add_links(stores, group);
}

static void no_keep(void *arg, struct kith_slice key, struct kith_slice value)
{
    (void)arg;
    (void)key;
    (void)value;
}

static void no_drop(void *arg, struct kith_slice key)
{
    (void)arg;
    (void)key;
}

static kith_err load(const struct stores *stores, struct kith_slice key, struct kith_slice value)
{
    struct e2e_account_config config = {.random = town_random(stores->town), .keep = no_keep, .drop = no_drop};
    struct e2e_account *account;
    kith_err err;

    memcpy(config.account_id, stores->ann->person->id, sizeof config.account_id);
    memcpy(config.server_device, stores->ann->server_device, sizeof config.server_device);
    account = e2e_account_new(&config);
    assert_non_null(account);
    err = e2e_account_load(account, key, value);
    e2e_account_free(account);
    return err;
}

/* What follows may be missing. */
static bool ends_behind_a_field(struct kith_slice in)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(in);
    struct kith_slice value = {0};
    uint16_t tag = 0;
    kith_err err;

    while ((err = e2e_tlv_next(&reader, &tag, &value)) == KITH_OK) continue;
    return in.len > 0 && err == KITH_E_NOTFOUND;
}

/* With a field that a newer client knows. */
static kith_err load_with_more(const struct stores *stores, struct kith_slice key, struct kith_slice value)
{
    struct kith_buf more;
    kith_err err;

    kith_buf_init(&more, 1 << 20);
    assert_int_equal(kith_buf_append(&more, value), KITH_OK);
    assert_int_equal(kith_buf_append(&more, kith_slice_of("\x7f\xff\0\0\0\1x", 7)), KITH_OK);
    err = load(stores, key, kith_buf_peek(&more));
    kith_buf_wipe(&more);
    return err;
}

static void test_e2e_account_load__every_kind_whole_and_every_prefix(void **state)
{
    struct stores stores = stores_new();
    char kinds[32] = {0}; /* with its end */
    size_t count = 0;

    (void)state;
    add_group(&stores);
    for (int i = 0; i < 2; i++) {
        const struct kith_map *records = i == 0 ? &stores.ann->records : &stores.fresh->records;
        const uint8_t *key = NULL;
        const struct kith_buf *value = NULL;
        uint32_t at = 0;
        while (kith_map_next(records, &at, (const void **)&key, (void **)&value)) {
            const struct kith_slice name = kith_slice_of(key + 1, key[0]), bytes = kith_buf_peek(value);
            uint8_t longer[TOWN_RECORD_KEY + 1] = {0};
            assert_int_equal(load(&stores, name, bytes), KITH_OK);
            /* Nobody has the chain yet: then nothing is in 'D'. */
            for (size_t len = key[2] == 'D'; len < bytes.len && key[2] != 'X'; len += len < 200 ? 1 : 61)
                if (!ends_behind_a_field(kith_slice_of(bytes.ptr, len)))
                    assert_int_not_equal(load(&stores, name, kith_slice_of(bytes.ptr, len)), KITH_OK);
            if (key[2] != 'X') assert_int_equal(load_with_more(&stores, name, bytes), KITH_E_UNSUPPORTED);
            memcpy(longer, name.ptr, name.len);
            assert_int_equal(load(&stores, kith_slice_of(longer, name.len + 1), bytes), KITH_E_MALFORMED);
            if (name.len > 2)
                assert_int_equal(load(&stores, kith_slice_of(longer, name.len - 1), bytes), KITH_E_MALFORMED);
            if (strchr(kinds, key[2]) == NULL) kinds[count++] = (char)key[2];
        }
    }
    assert_int_equal(count, 17);
    assert_int_equal(load(&stores, kith_slice_str("EZ"), kith_slice_str("")), KITH_E_UNSUPPORTED);
    assert_int_equal(load(&stores, kith_slice_str("E"), kith_slice_str("")), KITH_E_MALFORMED);
    assert_int_equal(load(&stores, kith_slice_str("XI"), kith_slice_str("")), KITH_E_MALFORMED);
    town_free(stores.town);
}

/* Another value in a field of the record whose key begins with E and `letter`. */
static kith_err load_changed(const struct stores *stores, const struct town_device *of, uint8_t letter, uint16_t tag,
                             struct kith_slice put)
{
    const uint8_t *key = NULL;
    const struct kith_buf *record = NULL;
    struct e2e_tlv_reader reader;
    struct e2e_tlv_writer writer;
    struct kith_slice value = {0};
    struct kith_buf out;
    uint16_t field = 0;
    uint32_t at = 0;
    kith_err err;

    do assert_true(kith_map_next(&of->records, &at, (const void **)&key, (void **)&record));
    while (key[2] != letter);
    kith_buf_init(&out, 1 << 20);
    writer = e2e_tlv_writer_of(&out);
    reader = e2e_tlv_reader_of(kith_buf_peek(record));
    while (e2e_tlv_next(&reader, &field, &value) == KITH_OK)
        e2e_tlv_put_optional(&writer, field, field == tag ? put : value);
    assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
    err = load(stores, kith_slice_of(key + 1, key[0]), kith_buf_peek(&out));
    kith_buf_wipe(&out);
    return err;
}

/* When all prekeys were made anew, and whether they take the place of others: both, or neither. */
static void test_e2e_account_load__what_goes_together(void **state)
{
    struct stores stores = stores_new();
    const struct kith_slice none = {0};

    (void)state;
    e2e_account_prekeys_left(stores.ann->account, stores.town->now_ms, &(struct e2e_prekeys_left){.spk_id = 1});
    assert_int_equal(load_changed(&stores, stores.ann, 'I', 99, none), KITH_OK);
    assert_int_equal(load_changed(&stores, stores.ann, 'I', 15, none), KITH_E_MALFORMED);
    assert_int_equal(load_changed(&stores, stores.ann, 'I', 16, none), KITH_E_MALFORMED);
    town_free(stores.town);
}

static void test_e2e_account_load__values_that_cannot_be(void **state)
{
    struct stores stores = stores_new();
    const uint8_t times[(E2E_ANEW_MAX + 1) * 8] = {0};
    const struct kith_slice high = kith_slice_of("\x7f", 1), none = {0}, three = kith_slice_of("\1\2\3\4\5", 5),
                            zero = kith_slice_of("\0\0\0\0\0\0\0", 8);

    (void)state;
    add_group(&stores);
    assert_int_not_equal(load_changed(&stores, stores.ann, 'C', 1, three), KITH_OK); /* the chain */
    assert_int_not_equal(load_changed(&stores, stores.ann, 'R', 2, three), KITH_OK);
    assert_int_equal(load_changed(&stores, stores.ann, 'R', 1, three), KITH_E_MALFORMED); /* its rank */
    assert_int_equal(load_changed(&stores, stores.ann, 'I', 1, high), KITH_E_MALFORMED);  /* state */
    for (uint16_t tag = 10; tag <= 13; tag++)                                             /* LINKING without its keys */
        assert_int_equal(load_changed(&stores, stores.fresh, 'I', tag, none), KITH_E_MALFORMED);
    assert_int_equal(load_changed(&stores, stores.ann, 'L', 1, high), KITH_E_MALFORMED);  /* trust */
    assert_int_equal(load_changed(&stores, stores.ann, 'L', 5, three), KITH_E_MALFORMED); /* known devices */
    assert_int_not_equal(load_changed(&stores, stores.ann, 'L', 4, three), KITH_OK);      /* the list */
    assert_int_equal(load_changed(&stores, stores.ann, 'L', 4, none), KITH_E_MALFORMED);  /* what was found of none */
    assert_int_equal(load_changed(&stores, stores.ann, 'L', 11, three), KITH_E_MALFORMED);
    assert_int_equal(load_changed(&stores, stores.ann, 'L', 11, kith_slice_of("\0\0\0\2", 4)), KITH_E_MALFORMED);
    assert_int_equal(load_changed(&stores, stores.ann, 'L', 11, kith_slice_of("\200\0\0\1", 4)), KITH_E_MALFORMED);
    assert_int_equal(load_changed(&stores, stores.ann, 'L', 11, none), KITH_OK);     /* as an older build wrote it */
    assert_int_not_equal(load_changed(&stores, stores.ann, 'S', 2, three), KITH_OK); /* the session */
    for (uint16_t tag = 1; tag <= 5; tag++) { /* links: of a secret and what belongs to it none is there alone */
        assert_int_equal(load_changed(&stores, stores.ann, 'J', tag, none), KITH_E_MALFORMED);
        assert_int_equal(load_changed(&stores, stores.ann, 'J', tag, three), KITH_E_MALFORMED);
    }
    assert_int_equal(load_changed(&stores, stores.ann, 'J', 2, zero),
                     KITH_E_MALFORMED); /* the number of no operation */
    assert_int_equal(load_changed(&stores, stores.ann, 'J', 5, zero), KITH_E_MALFORMED);
    assert_int_equal(load_changed(&stores, stores.ann, 'A', 1, three), KITH_E_MALFORMED);
    assert_int_equal(load_changed(&stores, stores.ann, 'S', 1, three), KITH_E_MALFORMED); /* its rank */
    /* When it began anew: as many times as are kept, and one more; and no whole number of them. */
    for (size_t len = 0; len <= (E2E_ANEW_MAX + 1) * 8; len++)
        assert_int_equal(load_changed(&stores, stores.ann, 'B', 1, kith_slice_of(times, len)),
                         len > 0 && len % 8 == 0 && len / 8 <= E2E_ANEW_MAX ? KITH_OK : KITH_E_MALFORMED);
    town_free(stores.town);
}

/* Readers of a chain, in both fields: as many as there may be, one more, and what is no whole number of them. */
static void test_e2e_account_load__readers_of_a_chain(void **state)
{
    struct stores stores = stores_new();
    const uint8_t key[2 + E2E_ID_BYTES] = {E2E_RECORD_KEY, 'D'};
    uint8_t *bytes = calloc(CHAIN_READERS_MAX + 1, CHAIN_READER_BYTES);
    const size_t most = (size_t)CHAIN_READERS_MAX * CHAIN_READER_BYTES;
    const size_t good[] = {CHAIN_READER_BYTES, most},
                 bad[] = {1, CHAIN_READER_BYTES + 1, most - 1, most + 1, most + CHAIN_READER_BYTES};

    (void)state;
    assert_non_null(bytes);
    for (uint16_t tag = 1; tag <= 2; tag++) {
        for (size_t i = 0; i < 7; i++) {
            struct kith_buf value;
            struct e2e_tlv_writer writer;
            kith_buf_init(&value, 1u << 20);
            writer = e2e_tlv_writer_of(&value);
            e2e_tlv_put(&writer, tag, kith_slice_of(bytes, i < 2 ? good[i] : bad[i - 2]));
            assert_int_equal(e2e_tlv_finish(&writer), KITH_OK);
            assert_int_equal(load(&stores, kith_slice_of(key, sizeof key), kith_buf_peek(&value)),
                             i < 2 ? KITH_OK : KITH_E_MALFORMED);
            kith_buf_deinit(&value);
        }
    }
    free(bytes);
    town_free(stores.town);
}

/* A prekey's kind is in its key, and says how long its secret is. */
static void test_e2e_account_load__prekeys_of_no_kind(void **state)
{
    struct stores stores = stores_new();
    const uint8_t *key = NULL;
    const struct kith_buf *value = NULL;
    uint32_t at = 0;

    (void)state;
    while (kith_map_next(&stores.ann->records, &at, (const void **)&key, (void **)&value)) {
        uint8_t other[TOWN_RECORD_KEY];
        if (key[2] != 'P') continue;
        memcpy(other, key, sizeof other);
        for (uint8_t kind = 0; kind < 8; kind++) {
            const bool same = kind > 0 && kind < 5 &&
                              e2e_prekey_is_kem((enum e2e_prekey_kind)kind) == e2e_prekey_is_kem(key[3]);
            other[3] = kind;
            assert_int_equal(load(&stores, kith_slice_of(other + 1, other[0]), kith_buf_peek(value)),
                             same ? KITH_OK : KITH_E_MALFORMED);
        }
    }
    town_free(stores.town);
}

/* As many people as there may be, and one more. */
static void test_e2e_account_load__people_have_a_maximum(void **state)
{
    struct stores stores = stores_new();
    struct town_device *carol = town_join(stores.town);
    const uint8_t value[] = {0, 1, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 1, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1};
    const struct kith_slice list = kith_buf_peek(&carol->person->lists[0]);
    uint8_t key[2 + E2E_ACCOUNT_ID_BYTES] = {E2E_RECORD_KEY, 'L'};

    (void)state;
    for (uint32_t i = 0; i < E2E_PEOPLE_MAX - 2; i++) { /* ann and bob are there */
        kith_put_u32_be(key + 2, i);
        assert_int_equal(
            e2e_account_load(stores.ann->account, kith_slice_of(key, sizeof key), kith_slice_of(value, sizeof value)),
            KITH_OK);
    }
    assert_int_equal(e2e_account_list(stores.ann->account, stores.town->now_ms, carol->person->id, 1, list),
                     KITH_E_FULL);
    town_restart(stores.ann);
    assert_int_equal(e2e_account_list(stores.ann->account, stores.town->now_ms, carol->person->id, 1, list), KITH_OK);
    town_free(stores.town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_load__every_kind_whole_and_every_prefix),
        cmocka_unit_test(test_e2e_account_load__what_goes_together),
        cmocka_unit_test(test_e2e_account_load__values_that_cannot_be),
        cmocka_unit_test(test_e2e_account_load__readers_of_a_chain),
        cmocka_unit_test(test_e2e_account_load__prekeys_of_no_kind),
        cmocka_unit_test(test_e2e_account_load__people_have_a_maximum),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
