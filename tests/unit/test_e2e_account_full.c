#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libkith/e2ee/account_impl.h"
#include "tests/e2e/town.h"

/* An account that knows as many devices, people and threads as it may: what goes on, what is refused, and what is said. */
#define FOR_EVER UINT64_MAX

static struct peer *peer_put(struct e2e_account *account, uint32_t number)
{
    uint8_t id[E2E_ACCOUNT_ID_BYTES] = {0xff}; /* nobody's */
    struct peer *peer = NULL;

    kith_put_u32_be(id + 4, number);
    assert_int_equal(account_peer_put(account, TOWN_NOW, id, 1, &peer), KITH_OK);
    return peer;
}

/* Devices that are passed over are remembered. Gives one of them. */
static struct peer *fill_peers(struct e2e_account *account, uint32_t count)
{
    struct peer *peer = NULL;

    for (uint32_t i = 0; account->peers.count < count; i++) {
        peer = peer_put(account, i);
        peer->passed_over_until_ms = FOR_EVER;
    }
    return peer;
}

static void fill_map(struct kith_map *map, uint32_t count)
{
    uint8_t key[64] = {0xff};
    void *value = NULL;

    for (uint32_t i = 0; map->count < count; i++) {
        kith_put_u32_be(key + 4, i);
        assert_int_equal(kith_map_add(map, key, &value), KITH_OK);
    }
}

struct two {
    struct town *town;
    struct town_device *ann, *bob;
    struct town_chat chat;
};

static struct two two_new_of(bool has_few_prekeys)
{
    struct two two = {.town = town_new(1)};

    two.town->has_few_prekeys = has_few_prekeys;
    two.ann = town_join(two.town);
    two.bob = town_join(two.town);
    two.chat = town_chat_two(two.ann, two.bob);
    return two;
}

static struct two two_new(void)
{
    return two_new_of(false);
}

static kith_err seal(struct two *two, const struct town_chat *chat)
{
    uint8_t id[E2E_ID_BYTES];
    struct e2e_seal seal;
    struct kith_buf out;
    kith_err err;

    town_id(two->town, id);
    seal = town_seal_of(chat, id, "hello", two->town->now_ms);
    kith_buf_init(&out, TOWN_CIPHER_MAX);
    err = town_seal(two->ann, &seal, &out);
    assert_int_equal(kith_buf_len(&out) > 0, err == KITH_OK);
    kith_buf_deinit(&out);
    return err;
}

/* ---------------------------------------------------------------------------------------------- devices */
static void first_message_is_one_too_many(bool has_few_prekeys)
{
    uint8_t before[E2E_HASH_BYTES], after[E2E_HASH_BYTES];
    struct two two = two_new_of(has_few_prekeys);
    struct town_mail *mail = town_send(two.ann, &two.chat, "hello");
    struct peer *other = fill_peers(two.bob->account, E2E_PEERS_MAX);

    (void)town_fetch_list(two.bob, two.ann->person);
    town_state_hash(two.bob, before);
    assert_int_equal(town_open(two.bob, mail, NULL), KITH_E_FULL);
    town_state_hash(two.bob, after);
    assert_memory_equal(before, after, sizeof before); /* its one-time keys too are there still */
    assert_int_equal(two.bob->account->last_resort.count, 0);
    other->passed_over_until_ms = 0; /* nothing is to be remembered of that one any more */
    assert_int_equal(town_open(two.bob, mail, NULL), KITH_OK);
    assert_int_equal(two.bob->account->peers.count, E2E_PEERS_MAX);
    town_free(two.town);
}

static void test_e2e_account_full__a_first_message_of_one_device_too_many_is_refused_and_said(void **state)
{
    (void)state;
    first_message_is_one_too_many(false);
    first_message_is_one_too_many(true);
}

static void test_e2e_account_full__the_last_place_is_taken(void **state)
{
    struct two two = two_new();
    struct town_mail *mail = town_send(two.ann, &two.chat, "hello");

    (void)state;
    (void)fill_peers(two.bob->account, E2E_PEERS_MAX - 1);
    assert_int_equal(town_open(two.bob, mail, NULL), KITH_OK);
    /* Whom one has a session with one goes on to talk with. */
    mail = town_send(two.ann, &two.chat, "again");
    assert_int_equal(town_open(two.bob, mail, NULL), KITH_OK);
    (void)town_send(two.bob, &two.chat, "and back");
    town_free(two.town);
}

static void test_e2e_account_full__who_cannot_be_reached_for_lack_of_room_is_said(void **state)
{
    struct two two = two_new();
    struct peer *other = fill_peers(two.ann->account, E2E_PEERS_MAX);

    (void)state;
    assert_int_equal(seal(&two, &two.chat), KITH_E_FULL);
    other->passed_over_until_ms = 0;
    assert_int_equal(seal(&two, &two.chat), KITH_OK);
    town_free(two.town);
}

/* A new device of somebody who is reached at another one is passed over until there is room. */
static void test_e2e_account_full__one_reached_device_is_enough(void **state)
{
    struct two two = two_new();
    struct town_device *laptop;
    struct town_mail *mail;
    struct peer *other;

    (void)state;
    (void)town_send(two.ann, &two.chat, "hello");
    other = fill_peers(two.ann->account, E2E_PEERS_MAX);
    laptop = town_link(two.bob);
    mail = town_send(two.ann, &two.chat, "to one of two");
    assert_int_equal(town_body(mail, laptop).len, 0);
    assert_int_not_equal(town_body(mail, two.bob).len, 0);
    other->passed_over_until_ms = 0;
    mail = town_send(two.ann, &two.chat, "to both");
    assert_int_not_equal(town_body(mail, laptop).len, 0);
    town_free(two.town);
}

/* What is left of the devices that went makes room, as often as it is needed. */
static void test_e2e_account_full__devices_that_went_make_room(void **state)
{
    struct two two = two_new();
    struct e2e_account *account = two.ann->account;

    (void)state;
    (void)fill_peers(account, E2E_PEERS_MAX - 3);
    for (uint32_t i = 0; i < 50; i++) (void)peer_put(account, E2E_PEERS_MAX + i);
    assert_int_equal(account->peers.count, E2E_PEERS_MAX);
    assert_int_equal(seal(&two, &two.chat), KITH_OK);
    town_free(two.town);
}

/* ---------------------------------------------------------------------------------------------- people, threads, heard */
static void test_e2e_account_full__somebody_new_is_one_person_too_many(void **state)
{
    struct two two = two_new();
    struct e2e_account *account = two.ann->account;
    uint8_t id[E2E_ACCOUNT_ID_BYTES] = {0xff};

    (void)state;
    for (uint32_t i = 0; account->people.count < E2E_PEOPLE_MAX; i++) {
        kith_put_u32_be(id + 4, i);
        assert_non_null(account_person_put(account, id));
    }
    assert_int_equal(seal(&two, &two.chat), KITH_E_FULL);
    town_free(two.town);
}

static void test_e2e_account_full__threads_have_a_maximum(void **state)
{
    struct two two = two_new();
    struct town_chat second = town_chat_two(two.ann, two.bob), third = town_chat_two(two.ann, two.bob);

    (void)state;
    (void)town_send(two.ann, &two.chat, "hello");
    fill_map(&two.ann->account->threads, E2E_THREADS_MAX - 1);
    assert_int_equal(seal(&two, &second), KITH_OK);
    assert_int_equal(seal(&two, &third), KITH_E_FULL);
    assert_int_equal(seal(&two, &second), KITH_OK); /* where it wrote before it goes on */
    assert_int_equal(seal(&two, &two.chat), KITH_OK);
    town_free(two.town);
}

/* Past the maximum messages are read as before, and only gaps are not noticed. */
static void test_e2e_account_full__past_what_can_be_remembered_gaps_are_not_told(void **state)
{
    for (uint32_t room = 0; room < 2; room++) {
        struct two two = two_new();
        struct town_mail *mail = town_send(two.ann, &two.chat, "one");
        uint64_t missed = 0;

        (void)state;
        fill_map(&two.bob->account->heard, E2E_HEARD_MAX - room);
        assert_int_equal(town_open(two.bob, mail, &missed), KITH_OK);
        (void)town_send(two.ann, &two.chat, "lost");
        mail = town_send(two.ann, &two.chat, "three");
        assert_int_equal(town_open(two.bob, mail, &missed), KITH_OK);
        assert_int_equal(missed, room);
        town_free(two.town);
    }
}

/* ------------------------------------------------------------------------------------------------ removed devices */
static void fill_removed(struct e2e_account *account, uint32_t count)
{
    struct e2e_device_list *list = account_person_find(account, account->config.account_id)->list;

    for (uint32_t id = 1; id <= count; id++) {
        assert_null(e2e_device_find(list, id));
        list->removed[id - 1] = id;
    }
    list->removed_count = count;
}

/* Without its keys, as one that signed in anew: it asks to be listed in its own place. */
static kith_err link_anew(struct two *two, struct town_device *device)
{
    const struct town_device nothing = {0};
    struct kith_map none = town_records_copy(&nothing);
    struct kith_buf request, answer;
    kith_err err;

    kith_buf_init(&request, E2E_LINK_BYTES_MAX);
    kith_buf_init(&answer, E2E_LINK_BYTES_MAX);
    town_restart_from(device, &none);
    assert_int_equal(e2e_account_link_request(device->account, two->town->now_ms, &request), KITH_OK);
    err = e2e_account_link_approve(two->ann->account, two->town->now_ms, kith_buf_peek(&request), &answer);
    assert_int_equal(kith_buf_len(&answer) > 0, err == KITH_OK);
    town_records_free(&none);
    kith_buf_wipe(&request);
    kith_buf_wipe(&answer);
    return err;
}

static void test_e2e_account_full__removed_devices_have_a_maximum(void **state)
{
    struct two two = two_new();
    struct town_device *tablet = town_link(two.ann);
    struct e2e_account *account = two.ann->account;

    (void)state;
    fill_removed(account, E2E_REMOVED_MAX);
    assert_int_equal(e2e_account_remove_device(account, two.town->now_ms, tablet->server_device), KITH_E_FULL);
    assert_int_equal(link_anew(&two, tablet), KITH_E_FULL);
    fill_removed(account, E2E_REMOVED_MAX - 1);
    assert_int_equal(e2e_account_remove_device(account, two.town->now_ms, tablet->server_device), KITH_OK);
    assert_int_equal(account_own_list(account)->removed_count, E2E_REMOVED_MAX);
    town_free(two.town);
}

/* ------------------------------------------------------------------------------------------------ records */
/* Records of more than there may be are none of this account's. */
static void test_e2e_account_full__no_more_is_loaded_than_there_may_be(void **state)
{
    static const uint8_t value[64] = {
        0, 1, 0, 0, 0, 8, [14] = 0, 2, 0, 0, 0, E2E_PREV_BYTES}; /* a number; a thread's prev */
    static const uint8_t info_key[6 + E2E_KEY_BYTES] = {0, 1, 0, 0, 0, E2E_KEY_BYTES};
    struct two two = two_new();
    struct e2e_account *account = two.ann->account;
    const struct {
        char kind;
        struct kith_map *map;
        size_t id_bytes;
        struct kith_slice value;
    } rows[] = {
        {'T', &account->threads, E2E_ID_BYTES, kith_slice_of(value, 14 + 6 + E2E_PREV_BYTES)},
        {'H', &account->heard, sizeof(struct heard_key), kith_slice_of(value, 14)},
        {'K', &account->info_keys, sizeof(struct info_key_name), kith_slice_of(info_key, sizeof info_key)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t key[E2E_RECORD_KEY_BYTES_MAX] = {E2E_RECORD_KEY, (uint8_t)rows[i].kind};
        const struct kith_slice whole = kith_slice_of(key, 2 + rows[i].id_bytes);
        fill_map(rows[i].map, rows[i].map->entries_max - 1);
        assert_int_equal(e2e_account_load(account, whole, rows[i].value), KITH_OK);
        assert_int_equal(e2e_account_load(account, whole, rows[i].value), KITH_OK); /* it is there */
        key[2] = 1;
        assert_int_equal(e2e_account_load(account, whole, rows[i].value), KITH_E_FULL);
    }
    town_free(two.town);
}

/* ------------------------------------------------------------------------------------------------ a chat */
/* More is our own mistake. */
static bool ends_the_process(const struct town_device *device, const struct e2e_seal *seal, struct e2e_wants *wants)
{
    struct kith_buf out;
    int status = 0;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(8);
        kith_buf_init(&out, TOWN_CIPHER_MAX);
        kith_ignore(e2e_account_seal(device->account, device->town->now_ms, seal, wants, &out));
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_e2e_account_full__a_chat_of_the_most_people(void **state)
{
    struct two two = two_new();
    uint8_t members[E2E_MEMBERS_MAX][E2E_ACCOUNT_ID_BYTES] = {{0}};
    struct e2e_seal of = {.members = members, .member_count = E2E_MEMBERS_MAX};
    struct e2e_wants *wants = calloc(1, sizeof *wants);
    struct kith_buf out;

    (void)state;
    assert_non_null(wants);
    for (uint32_t i = 0; i < E2E_MEMBERS_MAX; i++) kith_put_u32_be(members[i] + 8, i);
    memcpy(members[E2E_MEMBERS_MAX - 1], two.ann->person->id, E2E_ACCOUNT_ID_BYTES);
    kith_buf_init(&out, TOWN_CIPHER_MAX);
    assert_int_equal(e2e_account_seal(two.ann->account, two.town->now_ms, &of, wants, &out), KITH_E_AGAIN);
    assert_int_equal(wants->count, E2E_MEMBERS_MAX - 1); /* the lists of all others */
    of.member_count = E2E_MEMBERS_MAX + 1;
    assert_true(ends_the_process(two.ann, &of, wants));
    free(wants);
    town_free(two.town);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_full__a_first_message_of_one_device_too_many_is_refused_and_said),
        cmocka_unit_test(test_e2e_account_full__the_last_place_is_taken),
        cmocka_unit_test(test_e2e_account_full__who_cannot_be_reached_for_lack_of_room_is_said),
        cmocka_unit_test(test_e2e_account_full__one_reached_device_is_enough),
        cmocka_unit_test(test_e2e_account_full__devices_that_went_make_room),
        cmocka_unit_test(test_e2e_account_full__somebody_new_is_one_person_too_many),
        cmocka_unit_test(test_e2e_account_full__threads_have_a_maximum),
        cmocka_unit_test(test_e2e_account_full__past_what_can_be_remembered_gaps_are_not_told),
        cmocka_unit_test(test_e2e_account_full__removed_devices_have_a_maximum),
        cmocka_unit_test(test_e2e_account_full__no_more_is_loaded_than_there_may_be),
        cmocka_unit_test(test_e2e_account_full__a_chat_of_the_most_people),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
