#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libkith/e2ee/account_impl.h"
#include "tests/e2e/town_group.h"

/* Linking another device of the same person, and removing one. */

struct pair {
    struct town *town;
    struct town_device *manager, *fresh;
    struct kith_buf request, answer;
    struct kith_map manager_before, fresh_asked;
};

/* The request is made, nobody has answered. */
static struct pair pair_new(uint64_t seed)
{
    struct pair pair = {.town = town_new(seed)};

    pair.town->has_few_prekeys = true;
    pair.manager = town_join(pair.town);
    pair.fresh = town_device_new(pair.manager->person);
    kith_buf_init(&pair.request, E2E_LINK_BYTES_MAX);
    kith_buf_init(&pair.answer, E2E_LINK_BYTES_MAX);
    assert_int_equal(e2e_account_link_request(pair.fresh->account, pair.town->now_ms, &pair.request), KITH_OK);
    assert_int_equal(e2e_account_state(pair.fresh->account), E2E_ACCOUNT_LINKING);
    pair.manager_before = town_records_copy(pair.manager);
    pair.fresh_asked = town_records_copy(pair.fresh);
    return pair;
}

static void pair_free(struct pair *pair)
{
    kith_buf_wipe(&pair->request);
    kith_buf_wipe(&pair->answer);
    town_records_free(&pair->manager_before);
    town_records_free(&pair->fresh_asked);
    town_free(pair->town);
}

static kith_err approve(struct pair *pair, struct kith_slice request)
{
    kith_buf_reset(&pair->answer);
    return e2e_account_link_approve(pair->manager->account, pair->town->now_ms, request, &pair->answer);
}

static kith_err accept(struct pair *pair, struct kith_slice answer)
{
    return e2e_account_link_accept(pair->fresh->account, pair->town->now_ms, answer);
}

/* The value of a field of one of the two texts, in place. */
static uint8_t *field(const struct kith_buf *text, uint16_t tag)
{
    struct e2e_tlv_reader reader = e2e_tlv_reader_of(kith_buf_peek(text));
    struct kith_slice value = {0};
    uint16_t at = 0;

    while (e2e_tlv_next(&reader, &at, &value) == KITH_OK)
        if (at == tag) return text->ptr + text->head + (value.ptr - kith_buf_peek(text).ptr);
    fail();
    return NULL;
}

static void expect_refused_request(struct pair *pair, kith_err err)
{
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];

    town_state_hash(pair->manager, before);
    assert_int_equal(approve(pair, kith_buf_peek(&pair->request)), err);
    assert_int_equal(kith_buf_len(&pair->answer), 0);
    town_state_hash(pair->manager, after);
    assert_memory_equal(before, after, sizeof before);
}

static void test_e2e_account_link__a_device_is_linked_and_is_no_manager(void **state)
{
    struct pair pair = pair_new(1);
    char shown[E2E_LINK_CODE_DIGITS], typed[E2E_LINK_CODE_DIGITS];
    struct e2e_device_list *list;
    struct kith_buf another;

    (void)state;
    e2e_link_code(kith_buf_peek(&pair.request), shown);
    e2e_link_code(kith_buf_peek(&pair.request), typed);
    assert_memory_equal(shown, typed, sizeof shown);
    for (size_t i = 0; i < sizeof shown; i++) assert_in_range(shown[i], '0', '9');
    assert_int_equal(town_fetch_list(pair.fresh, pair.fresh->person), KITH_OK); /* it is not listed, and not removed */
    assert_int_equal(e2e_account_state(pair.fresh->account), E2E_ACCOUNT_LINKING);
    assert_int_equal(approve(&pair, kith_buf_peek(&pair.request)), KITH_OK);
    e2e_link_code(kith_buf_peek(&pair.answer), typed);
    assert_memory_not_equal(shown, typed, sizeof shown);
    town_upload(pair.manager);
    /* It is listed, and is linked by the answer only. */
    assert_int_equal(town_fetch_list(pair.fresh, pair.fresh->person), KITH_OK);
    assert_int_equal(e2e_account_state(pair.fresh->account), E2E_ACCOUNT_LINKING);
    town_restart(pair.fresh);
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_OK);
    town_restart(pair.fresh);
    assert_int_equal(e2e_account_state(pair.fresh->account), E2E_ACCOUNT_READY);
    assert_int_equal(e2e_account_person(pair.fresh->account, pair.fresh->person->id).trust, E2E_TRUST_VERIFIED);
    town_upload(pair.fresh);
    list = town_list_of(pair.fresh->person);
    assert_int_equal(list->device_count, 2);
    for (int i = 0; i < 2; i++) {
        const struct e2e_device *device = e2e_device_find_server(list,
                                                                 (i == 0 ? pair.manager : pair.fresh)->server_device);
        assert_non_null(device);
        assert_true(device->is_accepted);
        assert_int_equal(device->is_manager, i == 0);
    }
    kith_buf_init(&another, E2E_LINK_BYTES_MAX);
    assert_int_equal(
        e2e_account_link_approve(pair.fresh->account, pair.town->now_ms, kith_buf_peek(&pair.request), &another),
        KITH_E_CLOSED);
    assert_int_equal(e2e_account_remove_device(pair.fresh->account, pair.town->now_ms, pair.manager->server_device),
                     KITH_E_CLOSED);
    free(list);
    pair_free(&pair);
}

static void test_e2e_account_link__a_request_must_be_ours_young_and_whole(void **state)
{
    struct pair pair = pair_new(2);
    const struct {
        uint16_t tag;
        uint8_t value;
        kith_err err;
    } rows[] = {
        {1, 2, KITH_E_UNSUPPORTED},                               /* version */
        {2, 0x55, KITH_E_DENIED},                                 /* account */
        {4, 0, KITH_E_MALFORMED},                                 /* device_id: all zeros below */
        {5, 0, KITH_E_MALFORMED},                                 /* dsk_pub: of small order */
        {6, 0, KITH_E_MALFORMED},                                 /* ddh_pub: of small order */
        {6, 0xff, KITH_E_MALFORMED},                              /* not canonical */
        {7, 0, KITH_E_MALFORMED},                                 /* dh_pub */
        {7, 0xff, KITH_E_MALFORMED}, {8, 0xff, KITH_E_MALFORMED}, /* kem_pub: coefficients out of range */
    };
    const size_t sizes[] = {0, 1, 16, 16, 4, 32, 32, 32, 1184};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *at = field(&pair.request, rows[i].tag), before[1184];
        memcpy(before, at, sizes[rows[i].tag]);
        memset(at, rows[i].value, sizes[rows[i].tag]);
        expect_refused_request(&pair, rows[i].err);
        memcpy(at, before, sizes[rows[i].tag]);
    }
    for (size_t len = 0; len < kith_buf_len(&pair.request); len += 7)
        assert_int_not_equal(approve(&pair, kith_slice_of(kith_buf_peek(&pair.request).ptr, len)), KITH_OK);
    pair.town->now_ms = TOWN_NOW + E2E_LINK_LIFE_MS + 1;
    expect_refused_request(&pair, KITH_E_DENIED);
    pair.town->now_ms = TOWN_NOW - E2E_LINK_LIFE_MS - 1;
    expect_refused_request(&pair, KITH_E_DENIED);
    pair.town->now_ms = TOWN_NOW + E2E_LINK_LIFE_MS;
    assert_int_equal(approve(&pair, kith_buf_peek(&pair.request)), KITH_OK);
    expect_refused_request(&pair, KITH_E_AGAIN); /* the list before is still to be uploaded */
    assert_int_equal(e2e_account_remove_device(pair.manager->account, pair.town->now_ms, pair.fresh->server_device),
                     KITH_E_AGAIN);
    town_upload(pair.manager);
    expect_refused_request(&pair, KITH_E_DENIED); /* it is in the list already */
    pair_free(&pair);
}

/* Whoever changes a byte of the request on its way gets an answer that the new device does not take, or none. */
static void test_e2e_account_link__a_changed_request_links_nobody(void **state)
{
    struct pair pair = pair_new(3);
    size_t answers = 0;

    (void)state;
    for (size_t at = 0; at < kith_buf_len(&pair.request); at += at < 240 ? 1 : 37) {
        uint8_t *byte = pair.request.ptr + pair.request.head + at;
        *byte ^= 0x01;
        if (approve(&pair, kith_buf_peek(&pair.request)) == KITH_OK) {
            answers++;
            assert_int_not_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_OK);
            assert_int_equal(e2e_account_state(pair.fresh->account), E2E_ACCOUNT_LINKING);
        }
        *byte ^= 0x01;
        town_restart_from(pair.manager, &pair.manager_before);
    }
    assert_true(answers > 30);
    assert_int_equal(approve(&pair, kith_buf_peek(&pair.request)), KITH_OK);
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_OK);
    pair_free(&pair);
}

static void test_e2e_account_link__a_changed_answer_is_refused_and_changes_nothing(void **state)
{
    struct pair pair = pair_new(4);
    uint64_t writes;

    (void)state;
    assert_int_equal(approve(&pair, kith_buf_peek(&pair.request)), KITH_OK);
    writes = pair.fresh->writes;
    for (size_t at = 0; at < kith_buf_len(&pair.answer); at += at < 60 ? 1 : 11) {
        uint8_t *byte = pair.answer.ptr + pair.answer.head + at;
        *byte ^= 0x40;
        assert_int_not_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_OK);
        *byte ^= 0x40;
        assert_int_not_equal(accept(&pair, kith_slice_of(kith_buf_peek(&pair.answer).ptr, at)), KITH_OK);
    }
    *field(&pair.answer, 1) = 2;
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_E_UNSUPPORTED);
    *field(&pair.answer, 1) = 1;
    pair.town->now_ms += E2E_LINK_LIFE_MS + 1;
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_E_DENIED);
    assert_int_equal(pair.fresh->writes, writes);
    assert_int_equal(e2e_account_state(pair.fresh->account), E2E_ACCOUNT_LINKING);
    pair.town->now_ms -= 1;
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_OK);
    pair_free(&pair);
}

static void test_e2e_account_link__a_new_request_voids_the_old_one(void **state)
{
    struct pair pair = pair_new(5);
    struct kith_buf second;

    (void)state;
    kith_buf_init(&second, E2E_LINK_BYTES_MAX);
    assert_int_equal(e2e_account_link_request(pair.fresh->account, pair.town->now_ms, &second), KITH_OK);
    assert_int_equal(approve(&pair, kith_buf_peek(&pair.request)), KITH_OK);
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_E_DENIED);
    kith_buf_wipe(&second);
    pair_free(&pair);
}

/* What the manager signed must be this device as it described itself: else another would speak under its name. */
static void test_e2e_account_link__the_list_must_have_this_device_as_it_is(void **state)
{
    struct pair pair = pair_new(6);
    uint8_t key[TOWN_RECORD_KEY] = {2, E2E_RECORD_KEY, 'I'};
    const uint16_t tags[] = {2, 3, 4};                       /* device_id, dsk_secret, ddh_secret */
    const size_t last[] = {3, E2E_SIGN_SECRET_BYTES - 1, 5}; /* of the signing key its public half counts */

    (void)state;
    assert_int_equal(approve(&pair, kith_buf_peek(&pair.request)), KITH_OK);
    for (int i = 0; i < 3; i++) {
        struct kith_buf *record = kith_map_find(&pair.fresh_asked, key);
        uint8_t *byte = field(record, tags[i]) + last[i];
        *byte ^= 0x08;
        town_restart_from(pair.fresh, &pair.fresh_asked);
        assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_E_DENIED);
        *byte ^= 0x08;
    }
    pair.fresh->server_device[0] ^= 1;
    town_restart_from(pair.fresh, &pair.fresh_asked);
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_E_DENIED);
    pair.fresh->server_device[0] ^= 1;
    pair.fresh->person->id[0] ^= 1;
    town_restart_from(pair.fresh, &pair.fresh_asked);
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_E_DENIED);
    pair.fresh->person->id[0] ^= 1;
    town_restart_from(pair.fresh, &pair.fresh_asked);
    assert_int_equal(accept(&pair, kith_buf_peek(&pair.answer)), KITH_OK);
    pair_free(&pair);
}

static void test_e2e_account_link__thirty_two_devices_and_no_more(void **state)
{
    struct pair pair = pair_new(7);

    (void)state;
    for (int i = 1; i < E2E_DEVICES_MAX; i++) (void)town_link(pair.manager);
    assert_int_equal(e2e_account_person(pair.manager->account, pair.manager->person->id).list->device_count,
                     E2E_DEVICES_MAX);
    expect_refused_request(&pair, KITH_E_FULL);
    assert_int_equal(e2e_account_remove_device(pair.manager->account, pair.town->now_ms,
                                               pair.manager->person->devices[2]->server_device),
                     KITH_OK);
    town_upload(pair.manager);
    assert_int_equal(approve(&pair, kith_buf_peek(&pair.request)), KITH_OK);
    pair_free(&pair);
}

/* A manager that had not seen an acceptance signs a list without it: its device adds it again before it sends. */
static void test_e2e_account_link__an_acceptance_that_was_left_out_comes_back(void **state)
{
    struct town *town = town_new(8);
    struct town_device *ann = town_join(town), *bob = town_join(town), *tablet;
    struct town_chat chat = town_chat_two(ann, bob);
    struct e2e_device_list *list;

    (void)state;
    town->has_blind_managers = true;
    tablet = town_link(ann);
    town->now_ms += 8 * TOWN_DAY_MS;
    town_upload(ann);
    list = town_list_of(ann->person);
    assert_false(e2e_device_find_server(list, tablet->server_device)->is_accepted);
    free(list);
    (void)town_send(tablet, &chat, "I am here");
    list = town_list_of(ann->person);
    assert_true(e2e_device_find_server(list, tablet->server_device)->is_accepted);
    assert_true(e2e_device_find_server(list, ann->server_device)->is_accepted);
    free(list);
    assert_int_equal(town_read(bob), 1);
    assert_int_equal(town_read(ann), 1);
    (void)town_send(bob, &chat, "so are we");
    assert_int_equal(town_read(tablet), 1);
    town_free(town);
}

/* ------------------------------------------------------------------------------------------------ removal */
static void test_e2e_account_link__a_removed_device_reads_and_says_no_more(void **state)
{
    struct town *town = town_new(9);
    struct town_device *ann = town_join(town), *bob = town_join(town), *tablet = town_link(ann);
    struct town_chat chat = town_chat_two(ann, bob);
    struct town_mail *mail, *last;
    const uint8_t nobody[E2E_SERVER_DEVICE_BYTES] = {1};
    size_t place;

    (void)state;
    (void)town_send(tablet, &chat, "one of the tablet");
    (void)town_send(bob, &chat, "one to the tablet");
    assert_int_equal(town_read(ann) + town_read(bob) + town_read(tablet), 4);
    last = town_send(tablet, &chat, "under way as it is removed");
    assert_int_equal(e2e_account_remove_device(ann->account, town->now_ms, nobody), KITH_E_NOTFOUND);
    assert_int_equal(e2e_account_remove_device(ann->account, town->now_ms, ann->server_device), KITH_E_NOTFOUND);
    assert_int_equal(e2e_account_remove_device(ann->account, town->now_ms, tablet->server_device), KITH_OK);
    town_upload(ann);
    assert_int_equal(e2e_account_remove_device(ann->account, town->now_ms, tablet->server_device), KITH_E_NOTFOUND);
    /* The own devices know at once, the other person when they have the list. */
    assert_int_equal(town_open(ann, last, NULL), KITH_E_DENIED);
    mail = town_send(bob, &chat, "not to the tablet");
    assert_int_equal(town_body(mail, tablet).len, 0);
    assert_int_equal(town_open(bob, last, NULL), KITH_E_DENIED);
    assert_int_equal(town_fetch_list(tablet, ann->person), KITH_OK);
    assert_int_equal(e2e_account_state(tablet->account), E2E_ACCOUNT_REMOVED);
    town_restart(tablet);
    assert_int_equal(town_try_send(tablet, &chat, "no", &place), KITH_E_CLOSED);
    /* No trace of a session with it. */
    for (int i = 0; i < 2; i++) {
        struct town_device *device = i == 0 ? ann : bob;
        const uint8_t *key = NULL;
        uint32_t at = 0, sessions = 0;
        while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) sessions += key[2] == 'S';
        assert_int_equal(sessions, 1);
    }
    town_free(town);
}

/* Of its groups it reads the names, though nobody gives it the keys again. */
static void test_e2e_account_link__a_linked_device_reads_the_names_of_groups(void **state)
{
    struct town *town = town_new(9);
    struct town_device *ann, *bob, *tablet;
    struct town_group *ours, *left;

    (void)state;
    town->has_few_prekeys = true;
    ann = town_join(town);
    bob = town_join(town);
    ours = town_group_create(ann, &bob, 1, "ours");
    left = town_group_create(ann, &bob, 1, "left");
    assert_int_equal(town_group_fetch(bob, ours), KITH_OK);
    assert_int_equal(town_group_fetch(bob, left), KITH_OK);
    assert_true(town_read(bob) > 0);
    town_group_must(left, bob, town_change(E2E_GROUP_LEAVE, NULL, 0));
    tablet = town_link(bob);
    assert_int_equal(town_group_fetch(tablet, ours), KITH_OK);
    assert_string_equal(town_group_name(tablet, ours), "ours");
    assert_int_equal(town_group_fetch(tablet, left), KITH_OK);
    assert_null(town_group_name(tablet, left));
    town_restart(tablet);
    assert_string_equal(town_group_name(tablet, ours), "ours");
    town_free(town);
}

/* The same group in so many chats: of each its key would go to a device that is linked. */
static void test_e2e_account_link__so_many_names_and_no_more(void **state)
{
    struct town *town = town_new(10);
    struct town_device *ann, *bob;
    struct town_group *group;
    struct kith_buf saved, keys;
    struct e2e_group_keys given;
    uint8_t chat_id[E2E_ID_BYTES] = {0xcc};

    (void)state;
    town->has_few_prekeys = true;
    ann = town_join(town);
    bob = town_join(town);
    group = town_group_create(ann, &bob, 1, "ours");
    kith_buf_init(&saved, E2E_GROUP_SAVED_BYTES_MAX);
    kith_buf_init(&keys, ACCOUNT_INFO_KEYS_BYTES_MAX);
    assert_int_equal(e2e_group_save(town_group_view(ann, group).group, &saved), KITH_OK);
    account_group_keys_of(ann->account, account_group_find(ann->account, group->chat_id), &given);
    for (uint32_t count = 1; count <= ACCOUNT_INFO_KEYS_BYTES_MAX / ACCOUNT_INFO_KEY_BYTES + 1; count++) {
        struct e2e_group *copy = NULL;
        kith_buf_reset(&keys);
        assert_int_equal(account_info_keys_put(ann->account, &keys), KITH_OK);
        assert_int_equal(kith_buf_len(&keys), count * ACCOUNT_INFO_KEY_BYTES > ACCOUNT_INFO_KEYS_BYTES_MAX
                                                  ? ACCOUNT_INFO_KEYS_BYTES_MAX
                                                  : count * ACCOUNT_INFO_KEY_BYTES);
        assert_int_equal(e2e_group_load(kith_buf_peek(&saved), &copy), KITH_OK);
        kith_put_u32_be(chat_id + 4, count);
        assert_non_null(account_group_put(ann->account, chat_id, copy, false));
        assert_int_equal(account_info_key_put(ann->account, chat_id, &given.info_key), KITH_OK);
    }
    (void)town_link(ann); /* and the answer holds so many */
    kith_buf_deinit(&saved);
    kith_buf_wipe(&keys);
    town_free(town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_link__a_device_is_linked_and_is_no_manager),
        cmocka_unit_test(test_e2e_account_link__a_request_must_be_ours_young_and_whole),
        cmocka_unit_test(test_e2e_account_link__a_changed_request_links_nobody),
        cmocka_unit_test(test_e2e_account_link__a_changed_answer_is_refused_and_changes_nothing),
        cmocka_unit_test(test_e2e_account_link__a_new_request_voids_the_old_one),
        cmocka_unit_test(test_e2e_account_link__the_list_must_have_this_device_as_it_is),
        cmocka_unit_test(test_e2e_account_link__thirty_two_devices_and_no_more),
        cmocka_unit_test(test_e2e_account_link__an_acceptance_that_was_left_out_comes_back),
        cmocka_unit_test(test_e2e_account_link__a_removed_device_reads_and_says_no_more),
        cmocka_unit_test(test_e2e_account_link__a_linked_device_reads_the_names_of_groups),
        cmocka_unit_test(test_e2e_account_link__so_many_names_and_no_more),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
