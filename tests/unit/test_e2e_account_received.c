#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "libkith/e2ee/account_impl.h"
#include "tests/e2e/town_group.h"
#include "wire/bodies.h"

/* How many chains there may be, of others and of whom one's own goes to; and to whom it went. */

struct crowd {
    struct town *town;
    struct town_device *ann, *bob, *laptop, *carol, *dan;
    struct town_group *group;
};

/* A group of Ann, Bob with two devices, and Carol; large here. */
static struct crowd crowd_new(uint64_t seed)
{
    struct crowd crowd = {.town = town_new(seed)};

    crowd.town->has_few_prekeys = true;
    crowd.town->pairwise_max = 2;
    crowd.ann = town_join(crowd.town);
    crowd.bob = town_join(crowd.town);
    crowd.laptop = town_link(crowd.bob);
    crowd.carol = town_join(crowd.town);
    crowd.dan = town_join(crowd.town);
    crowd.group = town_group_create(crowd.ann, (struct town_device *[]){crowd.bob, crowd.carol}, 2, NULL);
    assert_int_equal(town_group_fetch(crowd.bob, crowd.group), KITH_OK);
    assert_int_equal(town_group_fetch(crowd.laptop, crowd.group), KITH_OK);
    assert_int_equal(town_group_fetch(crowd.carol, crowd.group), KITH_OK);
    return crowd;
}

static size_t records_of(const struct town_device *device, char letter)
{
    const uint8_t *key = NULL;
    size_t count = 0;
    uint32_t at = 0;

    while (kith_map_next(&device->records, &at, (const void **)&key, NULL)) count += key[2] == (uint8_t)letter;
    return count;
}

static struct own_chain *own_of(const struct town_device *device, const struct town_group *group)
{
    struct own_chain **found = kith_map_find(&device->account->own_chains, group->chat_id);

    assert_non_null(found);
    return *found;
}

/* ------------------------------------------------------------------------------------------------ the newest three */
/* Four chains of Ann's, each with one message that comes late: what was under the first is not read any more. */
static void test_e2e_account_received__the_newest_three_are_kept(void **state)
{
    struct crowd crowd = crowd_new(1);
    size_t late[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_ADD, crowd.dan, E2E_ROLE_MEMBER));
            (void)town_group_send(crowd.ann, crowd.group, "with Dan");
            town_group_must(crowd.group, crowd.ann, town_change(E2E_GROUP_REMOVE, crowd.dan, 0));
        }
        (void)town_group_send(crowd.ann, crowd.group, "a new chain");
        late[i] = crowd.town->mail_count;
        (void)town_group_send(crowd.ann, crowd.group, "late");
        for (; crowd.carol->read < late[i]; crowd.carol->read++) {
            const struct town_mail *mail = &crowd.town->mails[crowd.carol->read];
            if (town_body(mail, crowd.carol).len > 0) /* a gift to Dan alone */
                assert_int_equal(town_open(crowd.carol, mail, NULL), KITH_OK);
        }
        crowd.carol->read++;
        assert_int_equal(records_of(crowd.carol, 'R'), i < 3 ? i + 1 : 3);
        town_restart(crowd.carol);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(town_open(crowd.carol, &crowd.town->mails[late[i]], NULL), i == 0 ? KITH_E_NOTFOUND : KITH_OK);
    town_free(crowd.town);
}

/* ------------------------------------------------------------------------------------------------ so many devices */
static void fill_received(struct e2e_account *account, uint32_t count)
{
    struct received_key key = {.chat_id = {0xff}}; /* of no group */
    struct received **place = NULL;

    for (uint32_t i = 0; account->received.count < count; i++) {
        kith_put_u32_be(key.account_id, i);
        assert_int_equal(kith_map_add(&account->received, &key, (void **)&place), KITH_OK);
        *place = calloc(1, sizeof **place);
        assert_non_null(*place);
    }
}

/* Carol is given a chain by Ann, then by Bob: the last place is taken, and then one that nobody needs is given up. */
static void test_e2e_account_received__devices_have_a_maximum(void **state)
{
    struct crowd crowd = crowd_new(2);
    struct e2e_account *account = crowd.carol->account;

    (void)state;
    fill_received(account, E2E_RECEIVED_MAX - 1);
    (void)town_group_send(crowd.ann, crowd.group, "the last place");
    assert_int_equal(town_read(crowd.carol), 2);
    assert_int_equal(account->received.count, E2E_RECEIVED_MAX);
    (void)town_group_send(crowd.bob, crowd.group, "one past it");
    assert_int_equal(town_read(crowd.carol), 2);
    assert_int_equal(account->received.count, E2E_RECEIVED_MAX);
    assert_int_equal(records_of(crowd.carol, 'R'), 2); /* those of the group stay */
    town_free(crowd.town);
}

/* Where all are needed it is said; and no more is loaded than there may be. */
static void test_e2e_account_received__one_too_many_is_refused(void **state)
{
    struct crowd crowd = crowd_new(3);
    struct e2e_account *account = crowd.carol->account;
    struct received_key key = {.account_id = {1}};
    struct e2e_chain_given given;
    struct e2e_group_epoch epoch = {0};
    const uint64_t writes = crowd.carol->writes;

    (void)state;
    (void)town_group_send(crowd.ann, crowd.group, "hello");
    e2e_sender_chain_give(own_of(crowd.ann, crowd.group)->chain, &epoch, &given);
    kith_put_u32_be(key.device_id, 1);
    account->received.entries_max = 1;
    assert_int_equal(account_received_put(account, &key, crowd.group->chat_id, &given), KITH_OK);
    key.account_id[0]++;
    assert_int_equal(account_received_put(account, &key, crowd.group->chat_id, &given), KITH_E_FULL);
    assert_int_equal(account->received.count, 1);
    assert_int_equal(crowd.carol->writes, writes + 2); /* the chain, and the rank that it has */
    {
        uint8_t raw[2 + sizeof key + E2E_CHAIN_ID_BYTES] = {E2E_RECORD_KEY, 'R'};
        const uint8_t *known = NULL;
        const struct kith_buf *value = NULL;
        uint32_t at = 0;
        while (kith_map_next(&crowd.carol->records, &at, (const void **)&known, (void **)&value) && known[2] != 'R')
            continue;
        assert_int_equal(e2e_account_load(account, kith_slice_of(known + 1, known[0]), kith_buf_peek(value)), KITH_OK);
        memcpy(raw + 2, &key, sizeof key);
        assert_int_equal(e2e_account_load(account, kith_slice_of(raw, sizeof raw), kith_buf_peek(value)), KITH_E_FULL);
    }
    town_free(crowd.town);
}

/* ------------------------------------------------------------------------------------------------ whom one's own goes to */
static void test_e2e_account_received__readers_have_a_maximum(void **state)
{
    struct crowd crowd = crowd_new(4);
    struct e2e_account *account = crowd.ann->account;
    const struct person *person = account_person_find(account, crowd.ann->person->id);
    struct own_chain *own = account_chain_put(account, crowd.group->chat_id);
    const uint8_t msg_id[E2E_ID_BYTES] = {1};
    struct e2e_device device = {0};

    (void)state;
    account_chain_gift(own, msg_id);
    while (device.device_id < CHAIN_READERS_MAX) {
        device.device_id++;
        assert_int_equal(account_chain_gives(own, person, &device), KITH_OK);
    }
    device.device_id++;
    assert_int_equal(account_chain_gives(own, person, &device), KITH_E_FULL);
    assert_int_equal(account_chain_offer(account, crowd.group->chat_id, own), KITH_OK);
    town_restart(crowd.ann);
    own = account_chain_put(crowd.ann->account, crowd.group->chat_id);
    assert_int_equal(own->offered.count, CHAIN_READERS_MAX);
    assert_int_equal(own->readers.count, 0);
    town_free(crowd.town);
}

/* ------------------------------------------------------------------------------------------------ many devices */
static size_t longest_of(const struct town_mail *mail, size_t *count)
{
    struct bodies bodies = {0};
    struct bodies_item item = {0};
    size_t longest = 0;

    assert_int_equal(bodies_decode(kith_buf_peek(&mail->bodies), &bodies), KITH_OK);
    for (*count = 0; bodies_next_item(&bodies.items, &item) == KITH_OK; ++*count)
        if (item.ciphertext.len > longest) longest = item.ciphertext.len;
    return longest;
}

/* As many as one message has not room for: in two, and then one body for all. Each reads all that is for it. */
#define PEOPLE      40
#define ALL_DEVICES (5 * PEOPLE)
static void test_e2e_account_received__many_are_given_it_in_several_messages(void **state)
{
    struct town *town = town_new(5);
    struct town_device *all[ALL_DEVICES], *others[PEOPLE];
    struct town_group *group;
    size_t counts[2] = {0};

    (void)state;
    town->has_few_prekeys = true;
    town->pairwise_max = 2;
    for (size_t i = 0; i < PEOPLE; i++) {
        others[i] = all[5 * i] = town_join(town);
        for (size_t j = 1; j < 5; j++) all[5 * i + j] = town_link(all[5 * i]);
    }
    group = town_group_create(all[0], others + 1, PEOPLE - 1, NULL);
    for (int round = 0; round < 2; round++) {
        assert_true(town_group_send(all[0], group, "to you all")->is_common);
        assert_int_equal(town->mail_count, 3 + round);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(kith_buf_len(&town->mails[i].bodies) <= KITH_MESSAGE_BYTES_MAX);
        assert_true(longest_of(&town->mails[i], &counts[i]) <= 3072); /* for which room is reckoned */
        assert_true(counts[i] > 0);
    }
    assert_int_equal(counts[0] + counts[1], ALL_DEVICES - 1);
    for (size_t i = 1; i < ALL_DEVICES; i++) {
        assert_int_equal(town_group_fetch(all[i], group), KITH_OK);
        assert_int_equal(town_read(all[i]), 3);
    }
    town_free(town);
}

/* ------------------------------------------------------------------------------------------------ sealed again */
static const uint8_t gift_id[E2E_ID_BYTES] = {7};

static kith_err seal_gift(const struct crowd *crowd, struct kith_buf *out)
{
    const struct town_chat chat = town_group_chat(crowd->ann, crowd->group);
    struct e2e_seal seal = town_seal_of(&chat, gift_id, "", crowd->town->now_ms);

    seal.content_type = kith_slice_str(E2E_GROUP_KEYS_TYPE);
    return town_seal(crowd->ann, &seal, out);
}

/* The server refuses a gift since lists have changed: it is sealed again, and then taken. Who has it is whom that one is for. */
static void test_e2e_account_received__a_gift_that_is_sealed_again(void **state)
{
    (void)state;
    for (int row = 0; row < 2; row++) {
        struct crowd crowd = crowd_new(6 + (uint64_t)row);
        uint8_t id[E2E_CHAIN_ID_BYTES];
        struct e2e_chain_given given;
        struct e2e_group_epoch epoch = {0};
        struct kith_buf first, second;
        kith_buf_init(&first, KITH_MESSAGE_BYTES_MAX);
        kith_buf_init(&second, KITH_MESSAGE_BYTES_MAX);
        assert_int_equal(seal_gift(&crowd, &first), KITH_OK);
        e2e_sender_chain_give(own_of(crowd.ann, crowd.group)->chain, &epoch, &given);
        memcpy(id, given.chain_id, sizeof id);
        if (row == 0) { /* a device more */
            (void)town_link(crowd.carol);
            e2e_account_stale(crowd.ann->account, crowd.carol->person->id);
        } else { /* one less */
            assert_int_equal(
                e2e_account_remove_device(crowd.bob->account, crowd.town->now_ms, crowd.laptop->server_device),
                KITH_OK);
            town_upload(crowd.bob);
            e2e_account_stale(crowd.ann->account, crowd.bob->person->id);
        }
        assert_int_equal(seal_gift(&crowd, &second), KITH_OK);
        e2e_account_accepted(crowd.ann->account, crowd.group->chat_id, crowd.group->chat_id); /* another message */
        assert_int_equal(own_of(crowd.ann, crowd.group)->readers.count, 0);
        e2e_account_accepted(crowd.ann->account, crowd.group->chat_id, gift_id);
        assert_int_equal(own_of(crowd.ann, crowd.group)->readers.count, row == 0 ? 4 : 2);
        assert_int_equal(own_of(crowd.ann, crowd.group)->offered.count, 0);
        e2e_sender_chain_give(own_of(crowd.ann, crowd.group)->chain, &epoch, &given);
        assert_int_equal(memcmp(id, given.chain_id, sizeof id) == 0, row == 0); /* whom the first was for may have it */
        town_restart(crowd.ann);
        assert_int_equal(own_of(crowd.ann, crowd.group)->readers.count, row == 0 ? 4 : 2);
        (void)town_group_send(crowd.ann, crowd.group, "to those");
        assert_int_equal(crowd.town->mail_count, 1); /* nobody lacks it */
        kith_buf_deinit(&first);
        kith_buf_deinit(&second);
        town_free(crowd.town);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e2e_account_received__the_newest_three_are_kept),
        cmocka_unit_test(test_e2e_account_received__devices_have_a_maximum),
        cmocka_unit_test(test_e2e_account_received__one_too_many_is_refused),
        cmocka_unit_test(test_e2e_account_received__readers_have_a_maximum),
        cmocka_unit_test(test_e2e_account_received__many_are_given_it_in_several_messages),
        cmocka_unit_test(test_e2e_account_received__a_gift_that_is_sealed_again),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
